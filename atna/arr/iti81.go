package arr

import (
	"context"
	"errors"
	"fmt"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
)

// ErrForbidden tells that a caller may not search the log.
var ErrForbidden = errors.New("not entitled to read the audit log")

// Found is a record that a search found, as it came and as it is understood. Strings alias Raw.
type Found struct {
	Record
	Understood
}

// Result is a page of a search. Total is -1 when it was not asked for or is beyond what is counted.
type Result struct {
	Found  []Found
	More   bool
	Total  int
	Last   uint64 // the last record looked at: a search that goes on begins behind it
	Behind uint64 // records that are kept but cannot be found yet
}

// Question is a search as it is recorded: the transaction it came by, its text, where it was asked.
type Question struct {
	Transaction atna.Transaction // ITI-81, ITI-82, or AuditLogUsed for an operator
	Text        string           // the query as it came
	Criteria    Criteria
	// Keep looks at what the index found; nil keeps all of it. At most maxLooked records are looked at for one answer.
	Keep func(*Found) bool
}

const maxLooked = 20_000

// Search finds records [ITI-81 3.81.4.1.3] [ITI-82 3.82.4.1.3]. Every search is recorded, with its text, before its answer is given: who reads the log
// is part of it. ErrForbidden when the caller may not.
func (r *Repository) Search(ctx context.Context, caller auth.Caller, q Question) (Result, error) {
	if err := r.admit(ctx, caller, q); err != nil {
		return Result{}, err
	}
	res, err := r.find(ctx, q)
	if err != nil {
		return res, r.failed(ctx, caller, q, err)
	}
	return res, r.answered(ctx, caller, q)
}

// Used records that the log is put to a use that is no search: exported, verified. ErrForbidden when the caller may not.
func (r *Repository) Used(ctx context.Context, caller auth.Caller, q Question) error {
	if err := r.admit(ctx, caller, q); err != nil {
		return err
	}
	return r.answered(ctx, caller, q)
}

// More goes on with a search that was recorded when it began.
func (r *Repository) More(ctx context.Context, caller auth.Caller, c Criteria) (Result, error) {
	if !r.cfg.MayRead(caller) {
		return Result{}, ErrForbidden
	}
	return r.find(ctx, Question{Criteria: c})
}

// find reads pages of the index until enough is found.
func (r *Repository) find(ctx context.Context, q Question) (Result, error) {
	var res Result
	if q.Keep != nil {
		q.Criteria.Count = false // what the index counts is more than what is kept
	}
	for looked := 0; ; {
		page, err := r.cfg.Store.Search(ctx, q.Criteria)
		if err != nil {
			return res, err
		}
		res.More, res.Total, res.Behind = page.More, page.Total, page.Behind
		for i, h := range page.Hits {
			found, err := r.look(ctx, h.Seq)
			if errors.Is(err, ErrExpired) {
				continue // its time ended while we looked
			}
			if err != nil {
				return Result{}, err
			}
			res.Last = h.Seq
			if q.Keep == nil || q.Keep(&found) {
				res.Found = append(res.Found, found)
			}
			if len(res.Found) == limit(q.Criteria.Limit) {
				res.More = page.More || i+1 < len(page.Hits)
				break
			}
		}
		looked += len(page.Hits)
		if !res.More || len(res.Found) == limit(q.Criteria.Limit) || looked >= maxLooked || q.Keep == nil {
			break
		}
		q.Criteria.After, q.Criteria.Resume = res.Last, true
	}
	return res, nil
}

func limit(n int) int {
	if n > 0 {
		return n
	}
	return 100
}

// look reads a record and understands it.
func (r *Repository) look(ctx context.Context, seq uint64) (Found, error) {
	rec, err := r.cfg.Store.Read(ctx, seq)
	if err != nil {
		return Found{}, err
	}
	var p atna.Parser
	return Found{rec, rec.Understand(&p, &atna.AuditMessage{})}, nil
}

// Accesses lists who reached a patient's record, newest first, from the index alone. Criteria beyond the patient (dates, limit, resume) narrow it.
func (r *Repository) Accesses(ctx context.Context, caller auth.Caller, patient hl7.CX, q Question) (list []Access, more bool, err error) {
	if err := r.admit(ctx, caller, q); err != nil {
		return nil, false, err
	}
	q.Criteria.Terms = append(q.Criteria.Terms[:len(q.Criteria.Terms):len(q.Criteria.Terms)], []Term{{FieldPatient, patient.Key()}})
	page, err := r.cfg.Store.Search(ctx, q.Criteria)
	if err != nil {
		return nil, false, r.failed(ctx, caller, q, err)
	}
	for _, h := range page.Hits {
		s, err := ParseSummary(h.Summary)
		if err != nil {
			return nil, false, r.failed(ctx, caller, q, fmt.Errorf("record %d: %w", h.Seq, err))
		}
		list = append(list, Access{h.Seq, h.Event, s})
	}
	return list, page.More, r.answered(ctx, caller, q)
}

// Retrieve gives one record as it came.
func (r *Repository) Retrieve(ctx context.Context, caller auth.Caller, q Question, seq uint64) (Found, error) {
	if err := r.admit(ctx, caller, q); err != nil {
		return Found{}, err
	}
	found, err := r.look(ctx, seq)
	if err != nil {
		return Found{}, r.failed(ctx, caller, q, err)
	}
	return found, r.answered(ctx, caller, q)
}

func (r *Repository) admit(ctx context.Context, caller auth.Caller, q Question) error {
	if r.cfg.MayRead(caller) {
		return nil
	}
	f := r.facts(caller, q)
	f.Outcome, f.OutcomeText = atna.OutcomeSerious, ErrForbidden.Error()
	r.record(ctx, q.Transaction, f)
	return ErrForbidden
}

func (r *Repository) failed(ctx context.Context, caller auth.Caller, q Question, err error) error {
	f := r.facts(caller, q)
	f.Outcome, f.OutcomeText = atna.OutcomeMajorFailure, "the log could not be read"
	if errors.Is(err, ErrNoRecord) || errors.Is(err, ErrExpired) {
		f.Outcome, f.OutcomeText = atna.OutcomeMinorFailure, err.Error()
	}
	r.record(ctx, q.Transaction, f)
	return err
}

// answered records a search before its answer leaves: without the record there is no answer.
func (r *Repository) answered(ctx context.Context, caller auth.Caller, q Question) error {
	if err := r.cfg.Audit.Record(ctx, r.cfg.Events.Event(q.Transaction, atna.Responder, r.facts(caller, q))); err != nil {
		return fmt.Errorf("record the use of the log: %w", err)
	}
	return nil
}

func (r *Repository) facts(caller auth.Caller, q Question) atna.Facts {
	f := atna.Facts{Time: r.cfg.Clock(), Query: []byte(q.Text)}.By(caller)
	if f.Endpoint == "" {
		f.Endpoint = r.cfg.Events.UserID
	}
	return f
}
