package manager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
)

// errOperator refuses whoever is not entitled to work on identities by hand.
var errOperator = &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtMessage, Text: "this node is not entitled to work on identities"}

func (m *Manager) mayOperate(c auth.Caller) bool {
	return c.Node != "" && slices.Contains(m.cfg.Operators, c.Node)
}

// operate does an operator's work in one update with its audit record; a refusal is recorded too.
func (m *Manager) operate(ctx context.Context, c auth.Caller, tx atna.Transaction, ids []hl7.CX, do func(*work) error) error {
	var w *work
	err := error(errOperator)
	if m.mayOperate(c) {
		err = m.cfg.Store.Update(ctx, func(tx2 Tx) error {
			w = m.work(tx2, c)
			w.patients = ids
			if err := do(w); err != nil {
				return err
			}
			if err := tx2.Record(m.operated(c, tx, w.patients, nil)); err != nil {
				return fmt.Errorf("keep the audit record: %w", err)
			}
			return w.finish()
		})
	}
	outcome := "done"
	if err != nil {
		e := condition(err)
		outcome = string(e.Code)
		if rerr := m.cfg.Recorder.Record(ctx, m.operated(c, tx, ids, e)); rerr != nil {
			err = fmt.Errorf("keep the audit record: %w", errors.Join(rerr, err))
		}
	}
	m.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "work on identities", slog.String("what", string(tx)), slog.String("node", c.Node),
		slog.String("outcome", outcome))
	return err
}

// operated is the audit record of an operator's work.
func (m *Manager) operated(c auth.Caller, tx atna.Transaction, ids []hl7.CX, e *pix.Error) *atna.AuditMessage {
	facts := atna.Facts{Time: m.cfg.Clock()}.By(c)
	if len(ids) > 0 {
		facts.Patient, facts.OtherPatients = ids[0], ids[1:]
	}
	facts.Outcome, facts.OutcomeText = outcomeOf(e)
	return m.cfg.Reporter.Event(tx, atna.Responder, facts)
}

// Reviews gives up to max open reviews with an id above after, oldest first, for somebody to decide.
func (m *Manager) Reviews(ctx context.Context, c auth.Caller, after uint64, max int) ([]pix.Review, error) {
	var list []pix.Review
	err := m.look(ctx, c, nil, func(tx Tx) (err error) {
		list, err = tx.OpenReviews(after, max)
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// Decide says what a review comes to: pix.Same links the two, pix.Different keeps them apart for good. A refusal is a *pix.Error.
func (m *Manager) Decide(ctx context.Context, c auth.Caller, id uint64, d pix.Decision) error {
	return m.operate(ctx, c, atna.ReviewDecided, nil, func(w *work) error {
		v, ok, err := w.tx.Review(id)
		switch {
		case err != nil:
			return fmt.Errorf("look up the review: %w", err)
		case !ok || v.Decision != pix.Pending:
			return &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtMessage, Text: "no such review is open"}
		case d != pix.Same && d != pix.Different:
			return &pix.Error{Code: pix.CodeTableValue, At: pix.AtMessage, Text: "a decision is same or different"}
		}
		w.patients = []hl7.CX{v.A, v.B}
		if err := w.decide(v, d); err != nil {
			return err
		}
		if err := w.present(v.A, v.B); err != nil {
			return err
		}
		if d == pix.Same {
			return w.made(v.A, v.B, pix.Operator)
		}
		return w.part(v.A, v.B)
	})
}

// present makes known a national identifier that a refused claim names; any other patient of a review must be known still.
func (w *work) present(ids ...hl7.CX) error {
	for _, id := range ids {
		p, ok, err := w.tx.Patient(id)
		switch {
		case err != nil:
			return fmt.Errorf("look up patient: %w", err)
		case !ok && w.m.national(id):
			if err := w.put(&pix.Patient{ID: id, Source: w.source, Updated: w.now}); err != nil {
				return err
			}
		case !ok || !p.Alive():
			return &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtPatientID, Text: "patient is not known, or was given up by a merge"}
		}
	}
	return nil
}

// Identity is all that is kept of one identity.
type Identity struct {
	Patient pix.Patient
	Person  []hl7.CX // every identifier of the person, this one included
	Links   []pix.Link
	Reviews []pix.Review // open ones
	History []pix.Change // oldest first
	Merge   *pix.Merge   // what gave it up, when something did
}

// Identity shows all that is kept of an identity to an operator. A refusal is a *pix.Error.
func (m *Manager) Identity(ctx context.Context, c auth.Caller, id hl7.CX) (Identity, error) {
	var found Identity
	err := m.look(ctx, c, []hl7.CX{id}, func(tx Tx) error {
		p, ok, err := tx.Patient(id)
		if err != nil {
			return err
		}
		if !ok {
			return &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtPatientID, Text: "patient is not known"}
		}
		found.Patient = p
		members, err := (&work{tx: tx}).members(&p)
		if err != nil {
			return err
		}
		found.Person = idsOf(members)
		if found.Links, err = tx.Links(id); err != nil {
			return err
		}
		if found.Reviews, err = tx.ReviewsOf(id); err != nil {
			return err
		}
		if merge, ok, err := tx.Merge(id); err != nil {
			return err
		} else if ok {
			found.Merge = &merge
		}
		found.History, err = tx.History(id)
		return err
	})
	return found, err
}

// Export gives an operator every identity in use, some at a time, in the order they were first told. next goes on after them and is empty at the end.
func (m *Manager) Export(ctx context.Context, c auth.Caller, after string, max int) (list []pix.Patient, next string, err error) {
	err = m.look(ctx, c, nil, func(tx Tx) error {
		return tx.Search(&pix.Criteria{}, after, func(p pix.Patient, at string) bool {
			if len(list) >= max {
				return false
			}
			list, next = append(list, p), at
			return true
		})
	})
	if err != nil || len(list) < max {
		next = ""
	}
	return list, next, err
}

// Explain tells an operator why two patients are one person: the links of a shortest way from a to b, each with who made it, when and why. It is empty
// when they are two persons.
func (m *Manager) Explain(ctx context.Context, c auth.Caller, a, b hl7.CX) ([]pix.Link, error) {
	var path []pix.Link
	err := m.look(ctx, c, []hl7.CX{a, b}, func(tx Tx) (err error) {
		w := &work{m: m, tx: tx}
		if err := w.bothKnown(a, b); err != nil {
			return err
		}
		path, err = w.path(a, b)
		return err
	})
	return path, err
}

// look lets an operator read, and keeps the audit record before he gets to see it.
func (m *Manager) look(ctx context.Context, c auth.Caller, ids []hl7.CX, do func(Tx) error) error {
	err := error(errOperator)
	if m.mayOperate(c) {
		err = m.cfg.Store.View(ctx, do)
	}
	var e *pix.Error
	if err != nil {
		e = condition(err)
	}
	if rerr := m.cfg.Recorder.Record(ctx, m.operated(c, atna.IdentityRead, ids, e)); rerr != nil {
		return fmt.Errorf("keep the audit record: %w", errors.Join(rerr, err))
	}
	return err
}
