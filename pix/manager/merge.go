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
			return w.passOn(f.Patient)
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
func (w *work) giveUp(f pix.Feed, prior, survivor pix.Patient) (err error) {
	m := &pix.Merge{Event: f.Event, Prior: prior, Survivor: survivor, Into: f.Patient.ID, Source: w.source, Transaction: w.transaction, MessageID: w.message, At: w.now}
	w.noting = m
	defer func() { w.noting = nil }()
	links, err := w.tx.Links(prior.ID)
	if err != nil {
		return fmt.Errorf("links: %w", err)
	}
	told := f.Patient
	if f.Event == pix.Renamed {
		told = completed(told, prior)
	}
	if survivor.Visit == nil { // who is in the house under the prior identifier still is
		told.Visit = told.Visit.Completed(prior.Visit)
	}
	if err := w.keep(completed(told, survivor), survivor); err != nil {
		return err
	}
	if err := w.strip(prior.ID, links); err != nil {
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
	if err := w.inherit(f, links); err != nil {
		return err
	}
	if err := w.settle(f.Patient.ID); err != nil {
		return err
	}
	if err := w.retarget(prior.ID, links); err != nil {
		return err
	}
	now, err := w.patient(m.Into)
	if err != nil {
		return err
	}
	m.Revision = now.Revision
	if err := w.history(prior.ID, []pix.FieldChange{{Field: "merged into"}}); err != nil {
		return err
	}
	if err := w.tx.PutMerge(*m); err != nil {
		return fmt.Errorf("keep what the merge did: %w", err)
	}
	return nil
}

// retarget has those who claim a national identifier that was given up claim the one that took over.
func (w *work) retarget(prior hl7.CX, links []pix.Link) error {
	if !w.m.national(prior) {
		return nil
	}
	for _, l := range links {
		if l.Reason != pix.SharedNational {
			continue
		}
		p, err := w.patient(l.Other(prior))
		if err != nil {
			return err
		}
		s := settled{work: w, p: p}
		if s.links, err = w.tx.Links(p.ID); err != nil {
			return fmt.Errorf("links: %w", err)
		}
		if err := s.national(); err != nil {
			return err
		}
		for i := range s.reviews {
			if err := w.putReview(&s.reviews[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func samePairOfLinks(a, b *pix.Link) bool {
	return a.A.Same(b.A) && a.B.Same(b.B) || a.A.Same(b.B) && a.B.Same(b.A)
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

// restore puts a link where it was, if what it follows from is still so. What forbids it by now is for somebody to look at.
func (w *work) restore(l pix.Link) error {
	var ends [2]pix.Patient
	for i, id := range []hl7.CX{l.A, l.B} {
		p, ok, err := w.tx.Patient(id)
		if err != nil {
			return fmt.Errorf("look up patient: %w", err)
		}
		if !ok || !p.Alive() || l.Reason != pix.Never && !p.Linkable() {
			return nil
		}
		ends[i] = p
	}
	had, err := w.linkOf(l.A, l.B)
	if err != nil || had != nil || !w.stands(&l, &ends[0], &ends[1]) {
		return err // one that is there is somebody's later word
	}
	c := &conflict{pix.CauseParted, "they were said to be two persons before"}
	switch {
	case l.Reason != pix.Never:
		c, err = w.join(l)
	case !ends[0].SamePerson(&ends[1]):
		return w.putLink(l)
	}
	if err != nil || c == nil {
		return err
	}
	return w.putReview(&pix.Review{A: l.A, B: l.B, Cause: c.cause, Detail: c.detail, Opened: w.now})
}

// stands tells whether what a link follows from is still said.
func (w *work) stands(l *pix.Link, a, b *pix.Patient) bool {
	switch l.Reason {
	case pix.SharedNational:
		if w.m.national(a.ID) {
			a, b = b, a
		}
		return w.vouches(a, b)
	case pix.Demographic:
		return w.m.cfg.Matcher != nil && w.m.cfg.Matcher.Compare(&a.Demographics, &b.Demographics).Weight >= w.m.cfg.Automatic
	}
	return true
}

// passOn is a move that keeps the identifier: it names another person now. Nothing that was known by it is known of that one.
func (w *work) passOn(p pix.Patient) error {
	links, err := w.tx.Links(p.ID)
	if err != nil {
		return fmt.Errorf("links: %w", err)
	}
	if err := w.strip(p.ID, links); err != nil {
		return err
	}
	old, err := w.patient(p.ID)
	if err != nil {
		return err
	}
	if err := w.keep(p, old); err != nil {
		return err
	}
	again := []hl7.CX{p.ID}
	for _, l := range links {
		again = append(again, l.Other(p.ID))
	}
	return w.settleAll(again)
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
	w.undoing = true
	w.event, w.transaction, w.message = m.Event, m.Transaction, m.MessageID
	n, err := w.tx.MoveBack(m.Objects, m.Into, m.Prior.ID)
	if err != nil {
		return fmt.Errorf("move the records back: %w", err)
	}
	w.moved += n
	for _, l := range m.Gained {
		if err := w.takeBack(l); err != nil {
			return err
		}
	}
	untouched := survivor.Revision == m.Revision
	if untouched {
		if err := w.undoSurvivor(m); err != nil {
			return err
		}
	} else if err := w.visitBack(m); err != nil {
		return err
	}
	back := m.Prior
	back.Person = 0 // its links come back after it
	if err := w.put(&back); err != nil {
		return err
	}
	for _, l := range m.Lost {
		if err := w.restore(l); err != nil {
			return err
		}
	}
	if err := w.undoReviews(m); err != nil {
		return err
	}
	if err := w.reclaim(m); err != nil {
		return err
	}
	for _, id := range []hl7.CX{m.Prior.ID, m.Into} {
		if err := w.prune(id); err != nil {
			return err
		}
	}
	if !untouched { // what was told of it since may need a link that the merge had made
		if err := w.settle(m.Into); err != nil {
			return err
		}
	}
	for _, id := range m.Born {
		if err := w.sweep(id); err != nil {
			return err
		}
	}
	if err := w.history(m.Prior.ID, []pix.FieldChange{{Field: "merge undone"}}); err != nil {
		return err
	}
	return w.tx.DeleteMerge(m.Prior.ID)
}

// prune takes away the links of an identity that what it says now does not bear: they were made of what the merge had made it say.
func (w *work) prune(id hl7.CX) error {
	p, ok, err := w.tx.Patient(id)
	if err != nil || !ok {
		return err
	}
	links, err := w.tx.Links(id)
	if err != nil {
		return fmt.Errorf("links: %w", err)
	}
	for _, l := range links {
		o, err := w.patient(l.Other(id))
		if err != nil {
			return err
		}
		if l.Reason == pix.Never || p.Linkable() && w.stands(&l, &p, &o) {
			continue
		}
		if err := w.cut(l); err != nil {
			return err
		}
	}
	return nil
}

// reclaim settles those who claim a national identifier that is in use again, and were linked with the one that had taken over since.
func (w *work) reclaim(m pix.Merge) error {
	if !w.m.national(m.Prior.ID) {
		return nil
	}
	links, err := w.tx.Links(m.Into)
	if err != nil {
		return fmt.Errorf("links: %w", err)
	}
	for _, l := range links {
		p, err := w.patient(l.Other(m.Into))
		if err != nil {
			return err
		}
		if claimed, ok := p.Claimed(w.m.cfg.Domains); ok && l.Reason == pix.SharedNational && claimed.Same(m.Prior.ID) {
			if err := w.settle(p.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// takeBack ends a link that the merge had brought, unless it was made anew since.
func (w *work) takeBack(l pix.Link) error {
	now, err := w.linkOf(l.A, l.B)
	if err != nil || now == nil || now.Reason != l.Reason || now.At != l.At || now.MessageID != l.MessageID {
		return err
	}
	return w.cut(*now)
}

// undoReviews opens again what the merge had closed, and withdraws what it had opened.
func (w *work) undoReviews(m pix.Merge) error {
	for _, id := range m.Opened {
		v, ok, err := w.tx.Review(id)
		if err != nil {
			return fmt.Errorf("look up a review: %w", err)
		}
		if ok && v.Decision == pix.Pending {
			if err := w.decide(v, pix.Withdrawn); err != nil {
				return err
			}
		}
	}
	for _, id := range m.Closed {
		v, ok, err := w.tx.Review(id)
		if err != nil {
			return fmt.Errorf("look up a review: %w", err)
		}
		if !ok || v.Decision != pix.Withdrawn {
			continue
		}
		open, err := w.tx.ReviewsOf(v.A)
		if err != nil {
			return fmt.Errorf("open reviews: %w", err)
		}
		if slices.ContainsFunc(open, func(o pix.Review) bool { return samePair(&o, &v) && o.Cause == v.Cause }) {
			continue
		}
		v.Decision, v.By, v.Decided = pix.Pending, "", ""
		if err := w.putReview(&v); err != nil {
			return err
		}
	}
	return nil
}

// visitBack takes the visit that came by a merge from the survivor, of whom other things were told since.
func (w *work) visitBack(m pix.Merge) error {
	now, err := w.patient(m.Into)
	if err != nil || m.Survivor.Visit != nil || m.Prior.Visit == nil || now.Visit == nil || *now.Visit != *m.Prior.Visit {
		return err
	}
	now.Visit = nil
	return w.put(&now)
}

// undoSurvivor makes the survivor what it was, and forgets it when the merge had brought it and nothing was filed under it since.
func (w *work) undoSurvivor(m pix.Merge) error {
	now, err := w.patient(m.Into)
	if err != nil {
		return err
	}
	if m.Survivor.Number != 0 {
		was := m.Survivor
		was.Person = now.Person
		return w.put(&was)
	}
	filed, err := w.tx.HasRecord(m.Into)
	if err != nil || filed {
		return err
	}
	links, err := w.tx.Links(m.Into)
	if err != nil {
		return fmt.Errorf("links: %w", err)
	}
	if err := w.cut(links...); err != nil {
		return err
	}
	if !w.m.national(m.Into) { // claims of a national identifier are looked at whether it is known or not
		if err := w.withdraw(m.Into); err != nil {
			return err
		}
	}
	return w.tx.DeletePatient(m.Into)
}
