package manager

import (
	"fmt"
	"slices"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
)

// What follows from what an identity says: links that nobody made by hand, and pairs that somebody must look at. Both are worked out anew whenever
// the identity changes, and what no longer follows is taken back.

// The bounds of one comparison of an identity with those that share a blocking key.
const (
	mostAlike    = 64  // of one key; a key that more share tells nobody apart
	mostCompared = 512 // of all keys
	mostClaims   = 64  // other identities with the same national identifier whose traits are looked at
)

// settled is what settle works out for one identity.
type settled struct {
	*work
	p       pix.Patient
	links   []pix.Link
	reviews []pix.Review // that are due
}

// settle makes the links and reviews of an identity those that follow from what it says.
func (w *work) settle(id hl7.CX) error {
	p, err := w.patient(id)
	if err != nil {
		return err
	}
	links, err := w.tx.Links(id)
	if err != nil {
		return fmt.Errorf("links: %w", err)
	}
	if !p.Linkable() {
		return w.isolate(&p, links)
	}
	if w.m.national(id) {
		return w.settleClaims(links)
	}
	s := settled{work: w, p: p, links: links}
	if err := s.national(); err != nil {
		return err
	}
	if err := s.demographic(); err != nil {
		return err
	}
	return s.review()
}

// isolate takes away every link of an identity that may have none. That it is never to be linked with somebody stays.
func (w *work) isolate(p *pix.Patient, links []pix.Link) error {
	links = slices.DeleteFunc(links, func(l pix.Link) bool { return l.Reason == pix.Never })
	if err := w.cut(links...); err != nil {
		return err
	}
	return w.withdraw(p.ID)
}

// settleClaims has those who claim a national identifier looked at again: what it says of the person is new.
func (w *work) settleClaims(links []pix.Link) error {
	for _, l := range links {
		id := l.A
		if w.m.national(id) {
			id = l.B
		}
		if l.Reason == pix.SharedNational {
			if err := w.settle(id); err != nil {
				return err
			}
		}
	}
	return nil
}

// linkWith gives the link with another identity.
func (s *settled) linkWith(id hl7.CX) *pix.Link {
	for i := range s.links {
		if other := s.links[i].Other(s.p.ID); other.Same(id) {
			return &s.links[i]
		}
	}
	return nil
}

// national links the identity with the national identifier it claims, if it is qualified.
func (s *settled) national() error {
	target, wanted, err := s.target()
	if err != nil {
		return err
	}
	for _, l := range s.links {
		other := l.Other(s.p.ID)
		if l.Reason != pix.SharedNational || wanted && other.Same(target) {
			continue
		}
		if err := s.cut(l); err != nil {
			return err
		}
		if s.noting != nil || s.undoing {
			continue // the national identifier stays, in case the merge is undone
		}
		if err := s.sweep(other); err != nil {
			return err
		}
	}
	if !wanted {
		return nil
	}
	old := s.linkWith(target)
	if old != nil && old.Reason != pix.SharedNational {
		return nil // somebody decided
	}
	if c, err := s.contradiction(target); err != nil || c != nil {
		if err == nil && old != nil {
			err = s.cut(*old)
		}
		s.due(target, c, pix.Match{})
		return err
	}
	if old != nil {
		return nil
	}
	return s.claim(target)
}

// target is the national identifier that the identity is to be linked with, as it is called now.
func (s *settled) target() (hl7.CX, bool, error) {
	d := pix.Of(s.m.cfg.Domains, s.p.ID.AssigningAuthority)
	if !s.p.Vouched() || d != nil && d.Linking == pix.LinkExplicitly {
		return hl7.CX{}, false, nil
	}
	target, ok := s.p.Claimed(s.m.cfg.Domains)
	if !ok {
		return hl7.CX{}, false, nil
	}
	target, err := s.successor(target)
	return target, err == nil, err
}

// successor follows the merges of an identifier to the one in use.
func (w *work) successor(id hl7.CX) (hl7.CX, error) {
	for {
		p, ok, err := w.tx.Patient(id)
		if err != nil {
			return id, fmt.Errorf("look up patient: %w", err)
		}
		if !ok || p.Alive() {
			return id, nil
		}
		id = p.MergedInto
	}
}

// claim links the identity with a national identifier, which becomes known by that if nobody announced it before.
func (s *settled) claim(target hl7.CX) error {
	_, known, err := s.tx.Patient(target)
	if err != nil {
		return fmt.Errorf("look up patient: %w", err)
	}
	if !known {
		if err := s.put(&pix.Patient{ID: target, Source: s.source, Updated: s.now}); err != nil {
			return err
		}
	}
	c, err := s.join(s.link(target, pix.SharedNational, pix.Match{}))
	if err != nil {
		return err
	}
	s.due(target, c, pix.Match{})
	if c != nil && !known {
		return s.tx.DeletePatient(target)
	}
	if !known && s.noting != nil {
		s.noting.Born = append(s.noting.Born, target)
	}
	return nil
}

func (s *settled) link(other hl7.CX, reason pix.Reason, match pix.Match) pix.Link {
	return pix.Link{A: s.p.ID, B: other, Reason: reason, Weight: match.Weight, Fields: match.Fields, Source: s.source, Transaction: s.transaction,
		MessageID: s.message, At: s.now}
}

// contradiction holds the identity against those that have the same national identifier: whose strict traits cannot be of the same person, and who
// is said to be another.
func (s *settled) contradiction(target hl7.CX) (*conflict, error) {
	traits := s.p.Demographics.Traits()
	against := func(o *pix.Patient) *conflict {
		t := o.Demographics.Traits()
		if what := traits.Contradicts(&t); what != "" {
			return &conflict{pix.CauseTraits, what}
		}
		return nil
	}
	node, known, err := s.tx.Patient(target)
	if err != nil {
		return nil, fmt.Errorf("look up patient: %w", err)
	}
	if known {
		if !node.Linkable() {
			return &conflict{pix.CauseTraits, "the national identity is marked homonym, doubtful or fictitious"}, nil
		}
		if c := against(&node); c != nil {
			return c, nil
		}
		claims, err := s.tx.Links(target)
		if err != nil {
			return nil, fmt.Errorf("links: %w", err)
		}
		for _, l := range claims[:min(len(claims), mostClaims)] {
			other := l.Other(target)
			if l.Reason == pix.Never || l.Reason == pix.Operator || other.Same(s.p.ID) {
				continue // whom an operator put there he looked at
			}
			o, err := s.patient(other)
			if err != nil {
				return nil, err
			}
			if c := against(&o); c != nil {
				return c, nil
			}
		}
	}
	return s.rival(target)
}

// rival looks for an identity that is said to be another person and claims the same national identifier: neither gets it until somebody says whose
// it is.
func (s *settled) rival(target hl7.CX) (*conflict, error) {
	for _, l := range s.links {
		if l.Reason != pix.Never {
			continue
		}
		o, err := s.patient(l.Other(s.p.ID))
		if err != nil {
			return nil, err
		}
		claimed, ok := o.Claimed(s.m.cfg.Domains)
		if !ok || !o.Vouched() {
			continue
		}
		if claimed, err = s.successor(claimed); err != nil {
			return nil, err
		}
		if claimed.Same(target) {
			return &conflict{pix.CauseParted, "another who is said to be another person claims the same national identifier"}, nil
		}
	}
	return nil, nil
}

// sweep forgets a national identifier that only a claim had made known, when nothing speaks of it any more.
func (w *work) sweep(id hl7.CX) error {
	p, ok, err := w.tx.Patient(id)
	if err != nil || !ok || p.Revision > 0 || !p.Alive() {
		return err
	}
	links, err := w.tx.Links(id)
	if err != nil || len(links) > 0 {
		return err
	}
	filed, err := w.tx.HasRecord(id)
	if err != nil || filed {
		return err
	}
	return w.tx.DeletePatient(id)
}

// demographic compares the identity with those that share a key with it, where both domains want that.
func (s *settled) demographic() error {
	var alike []string
	if s.compares(s.p.ID) {
		compared := map[string]bool{s.p.ID.Key(): true}
		for _, key := range s.p.Keys {
			found, err := s.tx.Alike(key, mostAlike+1)
			if err != nil {
				return fmt.Errorf("find alike: %w", err)
			}
			if len(found) > mostAlike {
				continue
			}
			for i := range found {
				o := &found[i]
				if compared[o.ID.Key()] || len(compared) > mostCompared || !o.Linkable() || !s.compares(o.ID) {
					continue
				}
				compared[o.ID.Key()] = true
				linked, err := s.compare(o)
				if err != nil {
					return err
				}
				if linked {
					alike = append(alike, o.ID.Key())
				}
			}
		}
	}
	for _, l := range s.links {
		if l.Reason == pix.Demographic && !slices.Contains(alike, l.Other(s.p.ID).Key()) {
			if err := s.cut(l); err != nil {
				return err
			}
		}
	}
	return nil
}

// compares tells whether a domain opted in to comparison.
func (s *settled) compares(id hl7.CX) bool {
	d := pix.Of(s.m.cfg.Domains, id.AssigningAuthority)
	return d != nil && d.Linking == pix.LinkByDemographic && s.m.cfg.Matcher != nil
}

// compare weighs one pair and tells whether it is linked by that. Two of one domain are never linked so: that domain knows them as two, and
// somebody must say what is true. Two who cannot be one person need no look.
func (s *settled) compare(o *pix.Patient) (linked bool, err error) {
	old := s.linkWith(o.ID)
	if old != nil && old.Reason != pix.Demographic {
		return false, nil
	}
	match := s.m.cfg.Matcher.Compare(&s.p.Demographics, &o.Demographics)
	switch {
	case match.Weight < s.m.cfg.Review:
		return false, nil
	case match.Weight < s.m.cfg.Automatic || s.p.ID.AssigningAuthority.UniversalID == o.ID.AssigningAuthority.UniversalID:
		p, err := s.patient(s.p.ID) // its person may have changed since
		if err != nil {
			return false, err
		}
		if o, err := s.patient(o.ID); err != nil || o.SamePerson(&p) && old == nil {
			return false, err
		}
		c, err := s.apart(&p, o)
		if err == nil && c == nil {
			s.due(o.ID, &conflict{pix.CauseAlike, ""}, match)
		}
		return false, err
	case old != nil:
		return true, nil
	}
	c, err := s.join(s.link(o.ID, pix.Demographic, match))
	return c == nil, err
}

// apart tells what forbids that two are one person.
func (w *work) apart(a, b *pix.Patient) (*conflict, error) {
	as, err := w.members(a)
	if err != nil {
		return nil, err
	}
	now, err := w.patient(b.ID)
	if err != nil || now.SamePerson(a) {
		return nil, err
	}
	bs, err := w.members(&now)
	if err != nil {
		return nil, err
	}
	return w.conflict(as, bs)
}

// due notes that somebody must look at a pair; no conflict, no need.
func (s *settled) due(other hl7.CX, c *conflict, match pix.Match) {
	if c != nil {
		s.reviews = append(s.reviews, pix.Review{A: s.p.ID, B: other, Cause: c.cause, Detail: c.detail, Weight: match.Weight, Fields: match.Fields, Opened: s.now})
	}
}

// review opens the reviews that are due and not open, and withdraws those that this identity is the subject of and that are due no more.
func (s *settled) review() error {
	open, err := s.tx.ReviewsOf(s.p.ID)
	if err != nil {
		return fmt.Errorf("open reviews: %w", err)
	}
	for _, v := range open {
		if !v.A.Same(s.p.ID) && v.Cause != pix.CauseAlike {
			continue // the other one is the subject
		}
		i := slices.IndexFunc(s.reviews, func(d pix.Review) bool { return samePair(&d, &v) && d.Cause == v.Cause })
		if i >= 0 {
			s.reviews = slices.Delete(s.reviews, i, i+1)
			continue
		}
		if err := s.decide(v, pix.Withdrawn); err != nil {
			return err
		}
	}
	for i := range s.reviews {
		if err := s.putReview(&s.reviews[i]); err != nil {
			return err
		}
	}
	return nil
}

func samePair(a, b *pix.Review) bool {
	return a.A.Same(b.A) && a.B.Same(b.B) || a.A.Same(b.B) && a.B.Same(b.A)
}

// withdraw closes every open review that an identity is in.
func (w *work) withdraw(id hl7.CX) error {
	open, err := w.tx.ReviewsOf(id)
	if err != nil {
		return fmt.Errorf("open reviews: %w", err)
	}
	for _, v := range open {
		if err := w.decide(v, pix.Withdrawn); err != nil {
			return err
		}
	}
	return nil
}
