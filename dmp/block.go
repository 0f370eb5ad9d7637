package dmp

import (
	"context"
	"slices"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/policy"
)

// Block refuses a person, or everybody of a structure, from now on; it beats every right [DMP-T3.7]. emergency lets even them break the glass.
func (d *DMP) Block(ctx context.Context, c auth.Caller, id hl7.CX, who policy.Party, emergency bool) error {
	return d.change(ctx, c, &actBlock, id, func(w *work) error {
		if who.Person == "" && who.Structure == "" || who.Group != "" {
			return &Error{Code: Incomplete, Text: "a person or a structure is to be named"}
		}
		i := slices.IndexFunc(w.rec.Refusals, func(r policy.Refusal) bool { return sameParty(r.Party, who) && lasts(r.From, r.Until, w.now) })
		if i < 0 {
			i = len(w.rec.Refusals)
			w.rec.Refusals = append(w.rec.Refusals, policy.Refusal{From: w.now})
		}
		r := &w.rec.Refusals[i]
		r.Party, r.By, r.Emergency = who, w.by(), emergency
		w.detail(detailHolder, holder(who))
		w.detail(detailName, who.Name)
		return nil
	})
}

// Unblock ends a refusal.
func (d *DMP) Unblock(ctx context.Context, c auth.Caller, id hl7.CX, who policy.Party) error {
	return d.change(ctx, c, &actUnblock, id, func(w *work) error {
		for i := range w.rec.Refusals {
			if r := &w.rec.Refusals[i]; sameParty(r.Party, who) && lasts(r.From, r.Until, w.now) {
				r.Until = w.now
				w.detail(detailHolder, holder(r.Party))
				w.detail(detailName, r.Party.Name)
				return nil
			}
		}
		return &Error{Code: Unknown, Text: "this person or structure is not blocked"}
	})
}
