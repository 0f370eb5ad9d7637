package dmp

import (
	"context"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/policy"
)

// The notices that are of no right.
const (
	aboutClosing     policy.Kind = "closing"
	aboutDestruction policy.Kind = "destruction"
)

// Close closes a record [DMP-B2]. reason is a code; confirmed says that the patient was asked again and meant it.
func (d *DMP) Close(ctx context.Context, c auth.Caller, id hl7.CX, reason string, confirmed bool) error {
	return d.change(ctx, c, &actClose, id, func(w *work) error {
		switch {
		case !confirmed:
			return &Error{Code: Unconfirmed, Text: "closing has to be confirmed"}
		case reason == "":
			return &Error{Code: Incomplete, Text: "the reason of closing is missing"}
		}
		w.rec.State = policy.Closed
		w.rec.Closing = policy.Closing{By: w.by(), Reason: reason, At: w.now}
		w.rec.Notices = append(w.rec.Notices, policy.Notice{At: w.now, Kind: aboutClosing, Party: w.by(), Reason: reason, Secret: w.c.Secret})
		w.detail(detailReason, reason)
		return nil
	})
}
