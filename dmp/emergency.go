package dmp

import (
	"context"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/policy"
)

// Emergency notes that a professional reads a record without the patient's consent, in a vital emergency or as the physician who regulates one [DMP-T3.6]:
// once per term, with his reason, and the patient is told at once. What the patient opposed beforehand is refused.
func (d *DMP) Emergency(ctx context.Context, c auth.Caller, id hl7.CX) (policy.Habilitation, error) {
	var given policy.Habilitation
	err := d.change(ctx, c, &actEmergency, id, func(w *work) error {
		kind, why := w.sight().Exception(w.rec)
		switch {
		case kind == "":
			return &Error{Code: Incomplete, Text: "the purpose is not one of an emergency"}
		case why == policy.NoReason:
			return &Error{Code: Incomplete, Text: "the reason of the emergency access is missing"}
		case why != "":
			return denied(string(why))
		}
		if h := w.own(kind); h != nil {
			given, w.nothing = *h, true
			return nil
		}
		given = *w.give(policy.Habilitation{Kind: kind, Party: w.caller(), Until: d.cfg.Terms.Emergency.after(w.now), Reason: c.Reason})
		return nil
	})
	return given, err
}
