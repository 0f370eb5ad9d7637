package manager

import (
	"context"
	"fmt"
	"slices"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
)

// merge gives f.Prior up for f.Patient.ID [ITI-8 3.8.4.2.3]. The order of the checks is the order of the standard's list. What it does is kept,
// so that it can be undone.
func (w *work) merge(f pix.Feed, survivor pix.Patient) error {
	if err := w.acceptable(f.Prior, pix.AtPriorID, pix.AtPriorAuthority); err != nil {
		return err
	}
	if f.Prior.AssigningAuthority.UniversalID != f.Patient.ID.AssigningAuthority.UniversalID {
		return &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtPriorAuthority, Text: "prior and surviving identifier are of two assigning authorities"}
	}
	if f.Prior.Same(f.Patient.ID) {
		switch {
		case f.Event == pix.Moved && survivor.Number != 0:
			return w.passOn(f.Patient, survivor)
		case f.Event != pix.Moved:
			return &pix.Error{Code: pix.CodeDuplicateKey, At: pix.AtPriorID, Text: "an identifier cannot be merged into itself"}
		}
	}
	prior, known, err := w.tx.Patient(f.Prior)
	switch {
	case err != nil:
		return fmt.Errorf("look up prior patient: %w", err)
	case !known:
		return &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtPriorID, Text: "prior identifier is not known"}
	case !prior.Alive() && prior.MergedInto.Same(f.Patient.ID):
		return nil // told twice
	case !prior.Alive():
		return &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtPriorID, Text: "prior identifier was given up by an earlier merge"}
	case f.Event == pix.Renamed && survivor.Number != 0:
		return &pix.Error{Code: pix.CodeDuplicateKey, At: pix.AtPatientID, Text: "the new identifier is known already: merge them"}
	}
	return w.giveUp(f, prior, survivor)
}

// giveUp does what merge decided.
func (w *work) giveUp(f pix.Feed, prior, survivor pix.Patient) error {
	m := pix.Merge{Event: f.Event, Prior: prior, Survivor: survivor, Into: f.Patient.ID, Source: w.source, Transaction: w.transaction, MessageID: w.message, At: w.now}
	priorLinks, err := w.tx.Links(prior.ID)
	if err != nil {
		return fmt.Errorf("links: %w", err)
	}
	survivorLinks, err := w.tx.Links(f.Patient.ID)
	if err != nil {
		return fmt.Errorf("links: %w", err)
	}
	m.Links = append(slices.Clone(priorLinks), without(survivorLinks, priorLinks)...)
	told := f.Patient
	if f.Event == pix.Renamed {
		told = completed(told, prior)
	}
	if err := w.keep(completed(told, survivor), survivor); err != nil {
		return err
	}
	if err := w.strip(prior.ID, priorLinks); err != nil {
		return err
	}
	gone, err := w.patient(prior.ID)
	if err != nil {
		return err
	}
	gone.MergedInto = f.Patient.ID
	if err := w.put(&gone); err != nil {
		return err
	}
	if m.Objects, err = w.tx.MoveRecord(f.Prior, f.Patient.ID); err != nil {
		return fmt.Errorf("move the records of the prior identifier: %w", err)
	}
	w.moved += len(m.Objects)
	if err := w.inherit(f, priorLinks); err != nil {
		return err
	}
	if err := w.settleAll(append([]hl7.CX{f.Patient.ID}, othersOf(prior.ID, priorLinks)...)); err != nil {
		return err
	}
	return w.keepMerge(m)
}

// keepMerge notes how the survivor came out of the merge, and keeps it.
func (w *work) keepMerge(m pix.Merge) error {
	now, err := w.patient(m.Into)
	if err != nil {
		return err
	}
	m.Revision = now.Revision
	links, err := w.tx.Links(m.Into)
	if err != nil {
		return fmt.Errorf("links: %w", err)
	}
	for _, l := range links {
		if !slices.ContainsFunc(m.Links, func(o pix.Link) bool { return samePairOfLinks(&o, &l) }) {
			m.Gained = append(m.Gained, l.Other(m.Into))
		}
	}
	if err := w.history(m.Prior.ID, []pix.FieldChange{{Field: "merged into"}}); err != nil {
		return err
	}
	if err := w.tx.PutMerge(m); err != nil {
		return fmt.Errorf("keep what the merge did: %w", err)
	}
	return nil
}

func samePairOfLinks(a, b *pix.Link) bool {
	return a.A.Same(b.A) && a.B.Same(b.B) || a.A.Same(b.B) && a.B.Same(b.A)
}

// without gives the links of a that are not in b.
func without(a, b []pix.Link) []pix.Link {
	return slices.DeleteFunc(slices.Clone(a), func(l pix.Link) bool {
		return slices.ContainsFunc(b, func(o pix.Link) bool { return samePairOfLinks(&o, &l) })
	})
}

func othersOf(id hl7.CX, links []pix.Link) []hl7.CX {
	ids := make([]hl7.CX, len(links))
	for i := range links {
		ids[i] = links[i].Other(id)
	}
	return ids
}

// strip takes every link and every open review from an identity.
func (w *work) strip(id hl7.CX, links []pix.Link) error {
	if err := w.cut(links...); err != nil {
		return err
	}
	return w.withdraw(id)
}

// settleAll settles identities as far as they are in use.
func (w *work) settleAll(ids []hl7.CX) error {
	for _, id := range ids {
		p, ok, err := w.tx.Patient(id)
		if err != nil {
			return fmt.Errorf("look up patient: %w", err)
		}
		if ok && p.Alive() {
			if err := w.settle(id); err != nil {
				return err
			}
		}
	}
	return nil
}

// inherit gives a person's new identifier what somebody had said about the old one. A merge inherits nothing: the survivor's own links stand.
func (w *work) inherit(f pix.Feed, links []pix.Link) error {
	if f.Event != pix.Renamed {
		return nil
	}
	for _, l := range links {
		if !l.Reason.Made() {
			continue
		}
		l.A, l.B = f.Patient.ID, l.Other(f.Prior)
		if err := w.restore(l); err != nil {
			return err
		}
	}
	return nil
}

// restore puts a link where it was. What forbids it by now is for somebody to look at.
func (w *work) restore(l pix.Link) error {
	for _, id := range []hl7.CX{l.A, l.B} {
		p, ok, err := w.tx.Patient(id)
		if err != nil {
			return fmt.Errorf("look up patient: %w", err)
		}
		if !ok || !p.Alive() || l.Reason != pix.Never && !p.Linkable() {
			return nil
		}
	}
	if l.Reason == pix.Never {
		return w.part1(l)
	}
	c, err := w.join(l)
	if err != nil || c == nil {
		return err
	}
	return w.tx.PutReview(&pix.Review{A: l.A, B: l.B, Cause: c.cause, Detail: c.detail, Opened: w.now})
}

// part1 keeps a Never as it was, unless the two have become one person by then.
func (w *work) part1(l pix.Link) error {
	a, err := w.patient(l.A)
	if err != nil {
		return err
	}
	b, err := w.patient(l.B)
	if err != nil {
		return err
	}
	if a.SamePerson(&b) {
		return w.tx.PutReview(&pix.Review{A: l.A, B: l.B, Cause: pix.CauseParted, Detail: "they were said to be two persons before", Opened: w.now})
	}
	return w.tx.PutLink(l)
}

// passOn is a move that keeps the identifier: it names another person now. Nothing that was known by it is known of that one.
func (w *work) passOn(p, old pix.Patient) error {
	links, err := w.tx.Links(p.ID)
	if err != nil {
		return fmt.Errorf("links: %w", err)
	}
	if err := w.strip(p.ID, links); err != nil {
		return err
	}
	if err := w.keep(p, old); err != nil {
		return err
	}
	return w.settleAll(append([]hl7.CX{p.ID}, othersOf(p.ID, links)...))
}

// Unmerge undoes the merge, the move or the change of identifier by which prior was given up: it is in use again as it was, with the records that
// moved then; those that were registered since stay with the survivor. Later merges of the survivor are undone first. A refusal is a *pix.Error.
func (m *Manager) Unmerge(ctx context.Context, c auth.Caller, prior hl7.CX) error {
	return m.operate(ctx, c, atna.MergeUndone, []hl7.CX{prior}, func(w *work) error {
		p, known, err := w.tx.Patient(prior)
		if err != nil {
			return fmt.Errorf("look up patient: %w", err)
		}
		if !known || p.Alive() {
			return &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtPatientID, Text: "identifier was not given up by a merge"}
		}
		done, ok, err := w.tx.Merge(prior)
		if err != nil {
			return fmt.Errorf("look up the merge: %w", err)
		}
		if !ok {
			return &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtPatientID, Text: "what the merge did was not kept"}
		}
		survivor, err := w.patient(done.Into)
		if err != nil {
			return err
		}
		if !survivor.Alive() {
			return &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtPatientID, Text: "the surviving identifier was given up since: undo that first"}
		}
		w.patients = append(w.patients, done.Into)
		return w.undo(done, survivor)
	})
}

func (w *work) undo(m pix.Merge, survivor pix.Patient) error {
	n, err := w.tx.MoveBack(m.Objects, m.Into, m.Prior.ID)
	if err != nil {
		return fmt.Errorf("move the records back: %w", err)
	}
	w.moved += n
	untouched := survivor.Revision == m.Revision
	if err := w.undoLinks(m, untouched); err != nil {
		return err
	}
	there := true
	if untouched {
		if there, err = w.undoSurvivor(m); err != nil {
			return err
		}
	}
	back := m.Prior
	back.Person = 0 // its links come back after it
	if err := w.put(&back); err != nil {
		return err
	}
	settle := []hl7.CX{m.Prior.ID}
	for _, l := range m.Links {
		if there || !l.A.Same(m.Into) && !l.B.Same(m.Into) {
			if err := w.restoreMissing(l, untouched || l.A.Same(m.Prior.ID) || l.B.Same(m.Prior.ID)); err != nil {
				return err
			}
		}
		settle = append(settle, l.A, l.B)
	}
	if there {
		settle = append(settle, m.Into)
	}
	w.event, w.transaction, w.message = m.Event, m.Transaction, m.MessageID
	if err := w.history(m.Prior.ID, []pix.FieldChange{{Field: "merge undone"}}); err != nil {
		return err
	}
	if err := w.tx.DeleteMerge(m.Prior.ID); err != nil {
		return err
	}
	return w.settleAll(settle)
}

// restoreMissing restores a link that is not there; one that is there is somebody's later word.
func (w *work) restoreMissing(l pix.Link, wanted bool) error {
	if !wanted {
		return nil
	}
	links, err := w.tx.Links(l.A)
	if err != nil {
		return fmt.Errorf("links: %w", err)
	}
	if slices.ContainsFunc(links, func(o pix.Link) bool { return samePairOfLinks(&o, &l) }) {
		return nil
	}
	return w.restore(l)
}

// undoLinks takes away the links that the merge gave the survivor: all as long as nobody told of it since, else those that came from the prior one.
func (w *work) undoLinks(m pix.Merge, untouched bool) error {
	links, err := w.tx.Links(m.Into)
	if err != nil {
		return fmt.Errorf("links: %w", err)
	}
	return w.cut(slices.DeleteFunc(links, func(l pix.Link) bool {
		other := l.Other(m.Into)
		gained := slices.ContainsFunc(m.Gained, other.Same)
		ofPrior := slices.ContainsFunc(m.Links, func(o pix.Link) bool {
			return (o.A.Same(m.Prior.ID) || o.B.Same(m.Prior.ID)) && (o.A.Same(other) || o.B.Same(other))
		})
		return !gained || !untouched && !ofPrior
	})...)
}

// undoSurvivor makes the survivor what it was, and forgets it when the merge had brought it and nothing was filed under it since.
func (w *work) undoSurvivor(m pix.Merge) (there bool, err error) {
	now, err := w.patient(m.Into)
	if err != nil {
		return false, err
	}
	if m.Survivor.Number != 0 {
		was := m.Survivor
		was.Person = now.Person
		return true, w.put(&was)
	}
	filed, err := w.tx.HasRecord(m.Into)
	if err != nil || filed {
		return true, err
	}
	links, err := w.tx.Links(m.Into)
	if err != nil {
		return false, fmt.Errorf("links: %w", err)
	}
	if err := w.strip(m.Into, links); err != nil {
		return false, err
	}
	return false, w.tx.DeletePatient(m.Into)
}
