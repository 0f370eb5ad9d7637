package dmp

import (
	"context"
	"slices"
	"strconv"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/policy"
)

// SetAttending makes a physician an attending one [DMP-T3.1]: a professional himself, or whom the patient names. It lasts until it is revoked.
func (d *DMP) SetAttending(ctx context.Context, c auth.Caller, id hl7.CX, who policy.Party) (given policy.Habilitation, added bool, err error) {
	err = d.change(ctx, c, &actAttend, id, func(w *work) error {
		if c.Capacity == professional {
			who = w.caller()
		}
		switch {
		case who.Person == "":
			return &Error{Code: Incomplete, Text: "the physician's identifier is missing"}
		case !slices.Contains(d.cfg.AttendingRoles, who.Role):
			return denied("not of a profession of attending physicians")
		}
		others := 0
		for i := range w.rec.Rights {
			h := &w.rec.Rights[i]
			switch {
			case h.Kind != policy.Attending || !lasts(h.From, h.Until, w.now):
			case sameParty(h.Party, who):
				given, w.nothing = *h, true
				return nil
			default:
				others++
			}
		}
		if others >= d.cfg.MaxAttending {
			return &Error{Code: TooMany, Text: "the patient has " + strconv.Itoa(others) + " attending physicians already"}
		}
		given, added = *w.give(policy.Habilitation{Kind: policy.Attending, Party: who}), true
		return nil
	})
	return given, added, err
}
