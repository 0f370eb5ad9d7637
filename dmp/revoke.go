package dmp

import (
	"context"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/policy"
)

// Revoke ends a right. A professional ends what is his own, the patient what he likes.
func (d *DMP) Revoke(ctx context.Context, c auth.Caller, id hl7.CX, right string) error {
	return d.change(ctx, c, &actRevoke, id, func(w *work) error {
		h, err := w.find(right)
		if err != nil {
			return err
		}
		if c.Capacity == professional && h.Party.Person != c.Person {
			return denied("the right of somebody else")
		}
		w.end(h)
		return nil
	})
}

// Renounce ends the caller's own rights of a kind; ended tells whether there was one.
func (d *DMP) Renounce(ctx context.Context, c auth.Caller, id hl7.CX, kind policy.Kind) (ended bool, err error) {
	err = d.change(ctx, c, &actRevoke, id, func(w *work) error {
		for h := w.own(kind); h != nil; h = w.own(kind) {
			ended = true
			w.end(h)
		}
		w.nothing = !ended
		return nil
	})
	return ended, err
}
