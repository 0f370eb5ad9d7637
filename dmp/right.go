package dmp

import "github.com/passerelle-sante/passerelle/policy"

// sight are the gate's eyes: who has a right is its word, here and wherever documents are asked for.
func (w *work) sight() *policy.Sight { return w.d.cfg.Gate.Sight(w.tx, w.c) }

// fits tells whether a right names the caller: himself, in that structure when one is said, or anybody of the structure.
func (w *work) fits(p policy.Party) bool {
	return (p.Person != "" || p.Structure != "") && (p.Person == "" || p.Person == w.c.Person) && (p.Structure == "" || p.Structure == w.c.Organisation)
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
