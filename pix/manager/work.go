package manager

import (
	"fmt"
	"slices"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
)

// work is one update: who does what in which message, and which persons it touches.
type work struct {
	m                    *Manager
	tx                   Tx
	node, source         string
	event                pix.Event
	transaction, message string
	now                  hl7.DTM
	moved                int
	noting               *pix.Merge // that is being made, and notes what becomes of links and reviews
	undoing              bool
	notes                []string
	patients             []hl7.CX // of an operator's work, for the audit record

	before map[string][]hl7.CX // by identifier: the person it belonged to when the work began
	order  []hl7.CX            // those identifiers, in the order they were touched
}

func (m *Manager) work(tx Tx, c auth.Caller) *work {
	source := c.Node
	if c.Person != "" {
		source = c.Person
	}
	if source == "" {
		source = c.ReplyTo
	}
	return &work{m: m, tx: tx, node: c.Node, source: source, now: hl7.NewDTM(m.cfg.Clock()), before: map[string][]hl7.CX{}}
}

// remember notes how a person is made up before it changes.
func (w *work) remember(members []pix.Patient) {
	if !w.m.cfg.Announce {
		return
	}
	ids := idsOf(members)
	for _, id := range ids {
		if _, ok := w.before[id.Key()]; !ok {
			w.before[id.Key()] = ids
			w.order = append(w.order, id)
		}
	}
}

func idsOf(members []pix.Patient) []hl7.CX {
	ids := make([]hl7.CX, len(members))
	for i := range members {
		ids[i] = members[i].ID
	}
	return ids
}

// patient gives a patient who must be there.
func (w *work) patient(id hl7.CX) (pix.Patient, error) {
	p, ok, err := w.tx.Patient(id)
	if err == nil && !ok {
		err = fmt.Errorf("patient %s is not there", id.Masked())
	}
	return p, err
}

// members gives the patients who are one person with p.
func (w *work) members(p *pix.Patient) ([]pix.Patient, error) {
	if p.Alone() {
		return []pix.Patient{*p}, nil
	}
	members, err := w.tx.Members(p.Person)
	if err != nil {
		return nil, fmt.Errorf("members of a person: %w", err)
	}
	return members, nil
}

// conflict says why two groups cannot be one person.
type conflict struct {
	cause  pix.Cause
	detail string
}

// conflict looks for what forbids that all of a and all of b are one person: two national identifiers, or two who were said to be two.
func (w *work) conflict(a, b []pix.Patient) (*conflict, error) {
	national := func(p pix.Patient) bool { return w.m.national(p.ID) }
	if slices.ContainsFunc(a, national) && slices.ContainsFunc(b, national) {
		return &conflict{pix.CauseTwoNational, "two national identifiers"}, nil
	}
	for i := range a {
		links, err := w.tx.Links(a[i].ID)
		if err != nil {
			return nil, fmt.Errorf("links: %w", err)
		}
		for _, l := range links {
			other := l.Other(a[i].ID)
			if l.Reason == pix.Never && slices.ContainsFunc(b, func(p pix.Patient) bool { return p.ID.Same(other) }) {
				return &conflict{pix.CauseParted, "two of them are said to be two persons"}, nil
			}
		}
	}
	return nil, nil
}

// join links two patients, unless something forbids it. A stronger link that they have already stays.
func (w *work) join(l pix.Link) (*conflict, error) {
	a, err := w.patient(l.A)
	if err != nil {
		return nil, err
	}
	b, err := w.patient(l.B)
	if err != nil {
		return nil, err
	}
	if a.SamePerson(&b) {
		return nil, w.putLink(l)
	}
	as, err := w.members(&a)
	if err != nil {
		return nil, err
	}
	bs, err := w.members(&b)
	if err != nil {
		return nil, err
	}
	if c, err := w.conflict(as, bs); c != nil || err != nil {
		return c, err
	}
	w.remember(as)
	w.remember(bs)
	if err := w.putLink(l); err != nil {
		return nil, err
	}
	return nil, w.renumber(append(as, bs...), min(as[0].Number, bs[0].Number))
}

// renumber makes the patients one person.
func (w *work) renumber(members []pix.Patient, person uint64) error {
	for i := range members {
		if p := &members[i]; p.Person != person {
			p.Person = person
			if err := w.put(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// putLink keeps a link in the place of the one that the two had.
func (w *work) putLink(l pix.Link) error {
	if w.noting != nil {
		had, err := w.linkOf(l.A, l.B)
		if err != nil {
			return err
		}
		if had != nil {
			w.lost(*had)
		}
		w.noting.Gained = append(w.noting.Gained, l)
	}
	if err := w.tx.PutLink(l); err != nil {
		return fmt.Errorf("keep a link: %w", err)
	}
	return nil
}

func (w *work) dropLink(l pix.Link) error {
	if w.noting != nil {
		w.lost(l)
	}
	if err := w.tx.DeleteLink(l.A, l.B); err != nil {
		return fmt.Errorf("take a link away: %w", err)
	}
	return nil
}

// lost notes that a merge ended a link, unless it had brought it.
func (w *work) lost(l pix.Link) {
	m := w.noting
	if i := slices.IndexFunc(m.Gained, func(o pix.Link) bool { return samePairOfLinks(&o, &l) }); i >= 0 {
		m.Gained = slices.Delete(m.Gained, i, i+1)
		return
	}
	m.Lost = append(m.Lost, l)
}

// linkOf gives the link of two patients.
func (w *work) linkOf(a, b hl7.CX) (*pix.Link, error) {
	links, err := w.tx.Links(a)
	if err != nil {
		return nil, fmt.Errorf("links: %w", err)
	}
	for i := range links {
		if other := links[i].Other(a); other.Same(b) {
			return &links[i], nil
		}
	}
	return nil, nil
}

// putReview opens a review.
func (w *work) putReview(v *pix.Review) error {
	if err := w.tx.PutReview(v); err != nil {
		return fmt.Errorf("open a review: %w", err)
	}
	if w.noting != nil {
		w.noting.Opened = append(w.noting.Opened, v.ID)
	}
	return nil
}

// decide closes a review.
func (w *work) decide(v pix.Review, d pix.Decision) error {
	v.Decision, v.By, v.Decided = d, w.source, w.now
	if err := w.tx.PutReview(&v); err != nil {
		return fmt.Errorf("close a review: %w", err)
	}
	if w.noting != nil {
		if i := slices.Index(w.noting.Opened, v.ID); i >= 0 {
			w.noting.Opened = slices.Delete(w.noting.Opened, i, i+1)
		} else {
			w.noting.Closed = append(w.noting.Closed, v.ID)
		}
	}
	return nil
}

// cut takes links of one person away and finds out what persons are left. What keeps it apart from others may be among them.
func (w *work) cut(links ...pix.Link) error {
	var members []pix.Patient
	for _, l := range links {
		if l.Reason == pix.Never {
			continue
		}
		p, err := w.patient(l.A)
		if err != nil {
			return err
		}
		if members, err = w.members(&p); err != nil {
			return err
		}
		w.remember(members)
		break
	}
	for _, l := range links {
		if err := w.dropLink(l); err != nil {
			return err
		}
	}
	return w.regroup(members)
}

// regroup gives each group of members that is still linked the least of its numbers.
func (w *work) regroup(members []pix.Patient) error {
	place := map[string]int{}
	for i := range members {
		place[members[i].ID.Key()] = i
	}
	seen := make([]bool, len(members))
	for i := range members {
		if seen[i] {
			continue
		}
		seen[i] = true
		group := []pix.Patient{members[i]}
		for k := 0; k < len(group); k++ {
			links, err := w.tx.Links(group[k].ID)
			if err != nil {
				return fmt.Errorf("links: %w", err)
			}
			for _, l := range links {
				j, ok := place[l.Other(group[k].ID).Key()]
				if l.Reason != pix.Never && ok && !seen[j] {
					seen[j] = true
					group = append(group, members[j])
				}
			}
		}
		person := members[i].Number // members come by number: the first of a group is the least
		if len(group) == 1 {
			person = 0
		}
		if err := w.renumber(group, person); err != nil {
			return err
		}
	}
	return nil
}

// finish tells subscribers which persons changed.
func (w *work) finish() error {
	if !w.m.cfg.Announce {
		return nil
	}
	told := map[uint64]bool{}
	var left []hl7.CX // who was one person with others and is nobody any more
	for _, id := range w.order {
		p, ok, err := w.tx.Patient(id)
		if err != nil {
			return err
		}
		if !ok || !p.Alive() {
			if len(w.before[id.Key()]) > 1 {
				left = append(left, id)
			}
			continue
		}
		if told[p.Person] && !p.Alone() {
			continue
		}
		told[p.Person] = true
		members, err := w.members(&p)
		if err != nil {
			return err
		}
		ids := idsOf(members)
		gone, same := w.gone(ids)
		if same || len(ids) == 1 && len(gone) == 0 {
			continue
		}
		if err := w.announce(ids, gone); err != nil {
			return err
		}
	}
	if len(left) > 0 {
		return w.announce(nil, left)
	}
	return nil
}

func (w *work) announce(ids, gone []hl7.CX) error {
	err := w.tx.Announce(pix.CrossReference{At: w.now, Transaction: w.transaction, MessageID: w.message, IDs: ids, Gone: gone})
	if err != nil {
		return fmt.Errorf("announce a cross-reference: %w", err)
	}
	return nil
}

// gone gives the identifiers that were of one person with any of ids and are no more; same tells that nothing changed for them.
func (w *work) gone(ids []hl7.CX) (gone []hl7.CX, same bool) {
	same = true
	for _, id := range ids {
		before, touched := w.before[id.Key()]
		same = same && (!touched || sameIDs(before, ids))
		for _, b := range before {
			if !slices.ContainsFunc(ids, b.Same) && !slices.ContainsFunc(gone, b.Same) {
				gone = append(gone, b)
			}
		}
	}
	return gone, same
}

func sameIDs(a, b []hl7.CX) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(id hl7.CX) bool { return !slices.ContainsFunc(b, id.Same) })
}
