package manager

import (
	"context"
	"fmt"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
)

// Link says that two patients are one person, in the name of an operator. A refusal is a *pix.Error.
func (m *Manager) Link(ctx context.Context, c auth.Caller, a, b hl7.CX) error {
	return m.operate(ctx, c, atna.IdentityLinked, []hl7.CX{a, b}, func(w *work) error {
		if err := w.bothKnown(a, b); err != nil {
			return err
		}
		return w.made(a, b, pix.Operator)
	})
}

// Unlink says that two patients are two persons and stay so: what links them now gives way, and nothing links them again until Link does.
func (m *Manager) Unlink(ctx context.Context, c auth.Caller, a, b hl7.CX) error {
	return m.operate(ctx, c, atna.IdentityUnlinked, []hl7.CX{a, b}, func(w *work) error {
		if err := w.bothKnown(a, b); err != nil {
			return err
		}
		return w.part(a, b)
	})
}

func (w *work) bothKnown(a, b hl7.CX) error {
	if a.Same(b) {
		return &pix.Error{Code: pix.CodeDuplicateKey, At: pix.AtOtherID, Text: "a patient is not linked with itself"}
	}
	for _, id := range []hl7.CX{a, b} {
		p, ok, err := w.tx.Patient(id)
		if err != nil {
			return fmt.Errorf("look up patient: %w", err)
		}
		if !ok || !p.Alive() {
			return &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtPatientID, Text: "patient is not known, or was given up by a merge"}
		}
	}
	return nil
}

// made links two patients because somebody says so. What forbids a link forbids this one too, except that they were said to be two: who says that
// they are one takes it back.
func (w *work) made(a, b hl7.CX, reason pix.Reason) error {
	pa, err := w.patient(a)
	if err != nil {
		return err
	}
	pb, err := w.patient(b)
	if err != nil {
		return err
	}
	if !pa.Linkable() || !pb.Linkable() {
		return &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtPatientID, Text: "an identity that is a homonym, doubtful or fictitious is not linked"}
	}
	if !w.vouches(&pa, &pb) || !w.vouches(&pb, &pa) {
		return &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtPatientID, Text: "only a qualified identity that claims a national identifier is linked with it"}
	}
	links, err := w.tx.Links(a)
	if err != nil {
		return fmt.Errorf("links: %w", err)
	}
	l := pix.Link{A: a, B: b, Reason: reason, Source: w.source, Transaction: w.transaction, MessageID: w.message, At: w.now}
	for _, old := range links {
		if other := old.Other(a); !other.Same(b) {
			continue
		}
		switch {
		case old.Reason == pix.Never && reason == pix.Explicit && old.Transaction == "": // no message told it
			return &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtPatientID, Text: "an operator decided that these are two persons"}
		case old.Reason == pix.Never:
			if err := w.dropLink(old); err != nil {
				return err
			}
		case old.Reason.Strength() >= reason.Strength():
			return nil // told twice
		}
	}
	conflict, err := w.join(l)
	if err != nil {
		return err
	}
	if conflict != nil {
		return &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtPatientID, Text: "not linked: " + conflict.detail}
	}
	if err := w.closeReviews(a, b, pix.Same); err != nil {
		return err
	}
	return w.settleBoth(a, b)
}

// vouches tells whether p may be linked with o as far as o is a national identifier.
func (w *work) vouches(p, o *pix.Patient) bool {
	if !w.m.national(o.ID) {
		return true
	}
	claimed, ok := p.Claimed(w.m.cfg.Domains)
	if !ok || !p.Vouched() {
		return false
	}
	claimed, err := w.successor(claimed)
	return err == nil && claimed.Same(o.ID)
}

// part makes two patients two persons for good. As long as something links them, the weakest links on the shortest way between them are cut.
func (w *work) part(a, b hl7.CX) error {
	if err := w.never(a, b); err != nil {
		return err
	}
	for {
		path, err := w.path(a, b)
		if err != nil {
			return err
		}
		if len(path) == 0 {
			break
		}
		weakest := path[0].Reason.Strength()
		for _, l := range path {
			weakest = min(weakest, l.Reason.Strength())
		}
		var cut []pix.Link
		for _, l := range path {
			if l.Reason.Strength() == weakest {
				cut = append(cut, l)
			}
		}
		if err := w.cut(cut...); err != nil {
			return err
		}
	}
	if err := w.closeReviews(a, b, pix.Different); err != nil {
		return err
	}
	return w.settleBoth(a, b)
}

func (w *work) settleBoth(a, b hl7.CX) error {
	if err := w.settle(a); err != nil {
		return err
	}
	return w.settle(b)
}

// never keeps that two are two, in the place of a link they had.
func (w *work) never(a, b hl7.CX) error {
	p, err := w.patient(a)
	if err != nil {
		return err
	}
	members, err := w.members(&p)
	if err != nil {
		return err
	}
	w.remember(members)
	l := pix.Link{A: a, B: b, Reason: pix.Never, Source: w.source, Transaction: w.transaction, MessageID: w.message, At: w.now}
	if err := w.putLink(l); err != nil {
		return err
	}
	return w.regroup(members)
}

// path gives the links of a shortest way between two patients; none when they are two persons.
func (w *work) path(from, to hl7.CX) ([]pix.Link, error) {
	came := map[string]pix.Link{from.Key(): {}}
	for queue := []hl7.CX{from}; len(queue) > 0; queue = queue[1:] {
		links, err := w.tx.Links(queue[0])
		if err != nil {
			return nil, fmt.Errorf("links: %w", err)
		}
		for _, l := range links {
			other := l.Other(queue[0])
			if _, seen := came[other.Key()]; seen || l.Reason == pix.Never {
				continue
			}
			came[other.Key()] = l
			queue = append(queue, other)
			if other.Same(to) {
				return wayBack(came, from, to), nil
			}
		}
	}
	return nil, nil
}

func wayBack(came map[string]pix.Link, from, to hl7.CX) []pix.Link {
	var path []pix.Link
	for at := to; !at.Same(from); {
		l := came[at.Key()]
		path = append([]pix.Link{l}, path...)
		at = l.Other(at)
	}
	return path
}

// closeReviews closes the open reviews of a pair.
func (w *work) closeReviews(a, b hl7.CX, d pix.Decision) error {
	open, err := w.tx.ReviewsOf(a)
	if err != nil {
		return fmt.Errorf("open reviews: %w", err)
	}
	for _, v := range open {
		if samePair(&v, &pix.Review{A: a, B: b}) {
			if err := w.decide(v, d); err != nil {
				return err
			}
		}
	}
	return nil
}
