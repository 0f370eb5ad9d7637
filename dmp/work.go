package dmp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/policy"
)

// work is one act of somebody on one record.
type work struct {
	d       *DMP
	act     *act
	c       auth.Caller
	patient hl7.CX
	now     time.Time
	tx      Tx
	rec     *policy.Record // never nil; of nobody knows what, one that is not opened
	details []atna.ObjectDetail
	// nothing: there was nothing to do, so nothing is kept and nothing recorded.
	nothing bool
}

// change does an act in one update with its audit record. A refusal leaves no trace but its own audit record.
func (d *DMP) change(ctx context.Context, c auth.Caller, a *act, id hl7.CX, do func(*work) error) error {
	w := d.work(a, c, id)
	err := w.entitled()
	if err == nil {
		err = d.cfg.Store.Update(ctx, func(tx UpdateTx) error {
			w.details, w.nothing = nil, false
			if err := w.begin(tx); err != nil {
				return err
			}
			if err := do(w); err != nil || w.nothing {
				return err
			}
			w.rec.Version++
			if err := tx.PutRecord(w.rec); err != nil {
				return fmt.Errorf("keep the record: %w", err)
			}
			return w.keep(tx.Record)
		})
	}
	if err != nil {
		return w.refused(ctx, err)
	}
	w.log(ctx, "done")
	return nil
}

// look does an act that changes nothing; its audit record is durable before anybody gets to see what was read.
func (d *DMP) look(ctx context.Context, c auth.Caller, a *act, id hl7.CX, do func(*work) error) error {
	w := d.work(a, c, id)
	err := w.entitled()
	if err == nil {
		err = d.cfg.Store.View(ctx, func(tx Tx) error {
			if err := w.begin(tx); err != nil {
				return err
			}
			return do(w)
		})
	}
	if err == nil {
		err = w.keep(w.recorded(ctx))
	}
	if err != nil {
		return w.refused(ctx, err)
	}
	w.log(ctx, "done")
	return nil
}

func (d *DMP) work(a *act, c auth.Caller, id hl7.CX) *work {
	return &work{d: d, act: a, c: c, patient: id, now: d.cfg.Clock()}
}

// entitled checks what does not depend on the record: who asks, and for whom.
func (w *work) entitled() error {
	switch {
	case !slices.Contains(w.act.by, w.c.Capacity):
		return denied("not for who asks in this quality")
	case w.patient.ID == "" || w.patient.AssigningAuthority.UniversalID == "":
		return &Error{Code: Incomplete, Text: "the patient's identifier is missing"}
	case w.c.Capacity == professional:
		if w.c.Person == "" || w.c.Organisation == "" {
			return denied("a professional without identifier or structure")
		}
		// An assertion is about one patient: nobody gets to another with it.
		if about, err := hl7.ParseCX(w.c.Patient); err != nil || !about.Same(w.patient) {
			return &Error{Code: Mismatch, Text: "the patient is not the one the assertion is about"}
		}
	case w.c.Capacity == patient && !w.isCaller(w.patient.String()):
		return denied("a patient asks for another's record")
	}
	return nil
}

// begin reads the record and checks what depends on it.
func (w *work) begin(tx Tx) error {
	w.tx = tx
	rec, err := tx.SharedRecord(w.patient)
	if err != nil {
		return fmt.Errorf("look up the record: %w", err)
	}
	if w.rec = rec; rec == nil {
		w.rec = &policy.Record{Patient: w.patient}
	}
	switch w.c.Capacity {
	case representative:
		d, err := w.sight().Standing(w.rec)
		if err != nil {
			return fmt.Errorf("weigh the rights: %w", err)
		}
		if !d.Allow {
			return denied("not a representative, or no more")
		}
	case professional:
		if err := w.welcome(); err != nil {
			return err
		}
	}
	return w.act.possible(w.rec.State)
}

// welcome lets a professional in: who is refused never is [DMP-T3.7], and some acts need a right.
func (w *work) welcome() error {
	if w.act == &actTest {
		return nil // what he is told is that he has no access
	}
	d, err := w.sight().Standing(w.rec)
	switch {
	case err != nil:
		return fmt.Errorf("weigh the rights: %w", err)
	case d.Reason == policy.Refused:
		return denied("the patient refuses this person or structure")
	case w.act.gains && d.Reason == policy.NoProfession:
		return denied(string(policy.NoProfession))
	case d.Allow || !w.act.right || w.rec.State == policy.Unopened || w.rec.State == policy.Destroyed:
		return nil
	}
	return denied("no right on this record: " + string(d.Reason))
}

// isCaller tells whether an identifier is the caller's own, as a CX or as it is.
func (w *work) isCaller(id string) bool {
	a, errA := hl7.ParseCX(id)
	b, errB := hl7.ParseCX(w.c.Person)
	return errA == nil && errB == nil && a.Same(b)
}

func lasts(from, until, now time.Time) bool {
	return !now.Before(from) && (until.IsZero() || now.Before(until))
}

// caller is who asks, as a party.
func (w *work) caller() policy.Party {
	return policy.Party{Person: w.c.Person, Name: w.c.PersonName, Role: w.c.Role, Specialty: w.c.Specialty, Structure: w.c.Organisation}
}

// by is who asks as one who declares: an operator is known by his node.
func (w *work) by() policy.Party {
	p := w.caller()
	if p.Person == "" {
		p.Person = w.c.Node
	}
	return p
}

// detail adds to the audit record: what was done to whom. It is shown to the patient, not to others.
func (w *work) detail(kind, value string) {
	if value != "" {
		w.details = append(w.details, atna.ObjectDetail{Type: kind, Value: []byte(value)})
	}
}

// The details of an audit record of ours.
const (
	detailAbout  = "Habilitation"
	detailHolder = "Holder"
	detailName   = "HolderName"
	detailUntil  = "Until"
	detailReason = "Reason"
	detailNotice = "Notice"
)

// tell notes what the patient is to be told at once, and whom the audit record is about [DMP-T3.9].
func (w *work) tell(h policy.Habilitation, reason string) {
	w.rec.Notices = append(w.rec.Notices, policy.Notice{At: w.now, About: h.ID, Kind: h.Kind, Party: h.Party, Reason: reason, Secret: w.c.Secret})
	w.about(h)
}

func (w *work) about(h policy.Habilitation) {
	w.detail(detailAbout, string(h.Kind))
	w.detail(detailHolder, holder(h.Party))
	w.detail(detailName, h.Party.Name)
	if !h.Until.IsZero() {
		w.detail(detailUntil, h.Until.UTC().Format(time.RFC3339))
	}
}

func holder(p policy.Party) string {
	switch {
	case p.Person != "":
		return p.Person
	case p.Group != "":
		return p.Group
	}
	return p.Structure
}

// recorded keeps an audit message that is of no update.
func (w *work) recorded(ctx context.Context) func(*atna.AuditMessage) error {
	return func(m *atna.AuditMessage) error { return w.d.cfg.Recorder.Record(ctx, m) }
}

// keep makes the audit record of an act that was done.
func (w *work) keep(record func(*atna.AuditMessage) error) error {
	if err := record(w.message(nil)); err != nil {
		return fmt.Errorf("keep the audit record: %w", err)
	}
	return nil
}

func (w *work) message(e *Error) *atna.AuditMessage {
	f := atna.Facts{Time: w.now, Action: w.act.action, Patient: w.patient}
	if f.Patient.ID == "" {
		f.Patient = hl7.CX{}
	}
	f = f.By(w.c)
	if len(f.Persons) == 0 && w.c.Person != "" {
		f.Persons = []atna.Person{{ID: w.c.Person, Name: w.c.PersonName, Roles: []atna.CodedValue{{Code: string(w.c.Capacity), System: "passerelle", Text: string(w.c.Capacity)}}}}
		f = f.Accessed(atna.Access{Mode: f.Purpose, Reason: w.c.Reason, Secret: w.c.Secret, Structure: atna.Person{ID: w.c.Organisation}})
	}
	if f.RequestorID == "" {
		f.RequestorID = w.c.Node
	}
	if e != nil {
		f.Outcome, f.OutcomeText = e.outcome(), string(e.Code)+": "+e.reason()
	} else {
		f.DetailsOfPatientObject = slices.Concat(f.DetailsOfPatientObject, w.details)
	}
	return w.d.cfg.Events.Event(w.act.tx, atna.Responder, f)
}

// refused records a refusal and makes an *Error of any error. What went wrong here is in the log, never in the answer.
func (w *work) refused(ctx context.Context, err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		w.d.cfg.Log.ErrorContext(ctx, "shared record", "act", string(w.act.tx), "error", err)
		e = &Error{Code: Internal, Text: "internal error"}
	}
	w.log(ctx, string(e.Code))
	// Who asks has gone or not: that he was refused is recorded.
	if err := w.d.cfg.Recorder.Record(context.WithoutCancel(ctx), w.message(e)); err != nil {
		w.d.cfg.Log.ErrorContext(ctx, "shared record", "act", string(w.act.tx), "error", fmt.Errorf("keep the audit record: %w", err))
		return &Error{Code: Internal, Text: "internal error"}
	}
	return e
}

func (w *work) log(ctx context.Context, outcome string) {
	w.d.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "shared record", slog.String("act", string(w.act.tx)), slog.String("node", w.c.Node), slog.String("role", w.c.Role),
		slog.String("capacity", string(w.c.Capacity)), slog.String("outcome", outcome), slog.Duration("duration", w.d.cfg.Clock().Sub(w.now)))
}
