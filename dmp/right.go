package dmp

import (
	"fmt"
	"slices"

	"github.com/passerelle-sante/passerelle/policy"
)

// refusal is the refusal in force against the caller or his structure, nil when there is none.
func (w *work) refusal() *policy.Refusal {
	for i := range w.rec.Refusals {
		if r := &w.rec.Refusals[i]; lasts(r.From, r.Until, w.now) && w.fits(r.Party) {
			return r
		}
	}
	return nil
}

// fits tells whether the caller is the party: a person, in that structure when one is said, or anybody of the structure.
func (w *work) fits(p policy.Party) bool {
	return (p.Person != "" || p.Structure != "") && (p.Person == "" || p.Person == w.c.Person) && (p.Structure == "" || p.Structure == w.c.Organisation)
}

// right is a right of the caller that is in force, nil when he has none.
func (w *work) right() (*policy.Habilitation, error) {
	for i := range w.rec.Rights {
		h := &w.rec.Rights[i]
		ok, err := w.holds(h)
		if err != nil {
			return nil, err
		}
		if ok {
			return h, nil
		}
	}
	if stay := w.team(); stay != nil {
		return &policy.Habilitation{Kind: policy.Team, Party: policy.Party{Structure: stay.Structure}, From: stay.From, Until: stay.Until}, nil
	}
	return nil, nil
}

// holds tells whether a right is the caller's and in force.
func (w *work) holds(h *policy.Habilitation) (bool, error) {
	if !lasts(h.From, h.Until, w.now) || slices.Contains(h.Except, w.c.Person) {
		return false, nil
	}
	switch h.Kind {
	case policy.Group:
		members, err := w.tx.Members(h.Party.Group)
		if err != nil {
			return false, fmt.Errorf("members of a group: %w", err)
		}
		return w.member(members), nil
	case policy.Delegation:
		// [DMP-T3.4] it stands as long as the right it extends.
		return w.fits(h.Party) && slices.ContainsFunc(w.rec.Rights, func(o policy.Habilitation) bool {
			return o.Party.Person == h.Delegator && o.Kind != policy.Delegation && lasts(o.From, o.Until, w.now)
		}), nil
	}
	return w.fits(h.Party), nil
}

// member tells whether the caller is among the members today.
func (w *work) member(members []policy.Membership) bool {
	return slices.ContainsFunc(members, func(m policy.Membership) bool { return w.fits(m.Party) && lasts(m.From, m.Until, w.now) })
}

// team is the stay under way in the caller's structure whose team the patient does not refuse [DMP-T3.5].
func (w *work) team() *policy.Stay {
	for i := range w.rec.Stays {
		if s := &w.rec.Stays[i]; !w.rec.NoTeams && !s.Refused && s.Structure == w.c.Organisation && lasts(s.From, s.Until, w.now) {
			return s
		}
	}
	return nil
}

// give adds a right, or renews the one that the party has on that ground; what it is now is told to the patient.
func (w *work) give(h policy.Habilitation) *policy.Habilitation {
	h.From, h.Declared, h.By = w.now, w.now, w.by()
	for i := range w.rec.Rights {
		o := &w.rec.Rights[i]
		if o.Kind == h.Kind && sameParty(o.Party, h.Party) && lasts(o.From, o.Until, w.now) {
			h.ID, h.From = o.ID, o.From
			*o = h
			w.tell(h, h.Reason)
			return o
		}
	}
	h.ID = w.d.cfg.NewID()
	w.rec.Rights = append(w.rec.Rights, h)
	w.tell(h, h.Reason)
	return &w.rec.Rights[len(w.rec.Rights)-1]
}

// end ends a right now.
func (w *work) end(h *policy.Habilitation) {
	h.Until, h.EndedBy = w.now, w.by()
	w.about(*h)
}

// sameParty compares who is meant; names and roles do not count.
func sameParty(a, b policy.Party) bool {
	return a.Person == b.Person && a.Group == b.Group && a.Structure == b.Structure
}

// find gives the right of that name that is in force.
func (w *work) find(id string) (*policy.Habilitation, error) {
	for i := range w.rec.Rights {
		if h := &w.rec.Rights[i]; h.ID == id && lasts(h.From, h.Until, w.now) {
			return h, nil
		}
	}
	return nil, &Error{Code: Unknown, Text: "no such right is in force"}
}
