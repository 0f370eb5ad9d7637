package dmp

import (
	"context"
	"slices"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/policy"
)

// Notices are what the patient was not told yet, newest first [DMP-B10] [DMP-T3.9]. What is secret is not for his representatives.
func (d *DMP) Notices(ctx context.Context, c auth.Caller, id hl7.CX) ([]policy.Notice, error) {
	var list []policy.Notice
	err := d.look(ctx, c, &actNotices, id, func(w *work) error {
		for _, n := range slices.Backward(w.rec.Notices) {
			if !n.Secret || c.Capacity != representative {
				list = append(list, n)
			}
		}
		return nil
	})
	return list, err
}

// Told marks notices as read: those up to a moment are told no more. A representative leaves those he was not shown.
func (d *DMP) Told(ctx context.Context, c auth.Caller, id hl7.CX, upTo time.Time) error {
	return d.change(ctx, c, &actTold, id, func(w *work) error {
		before := len(w.rec.Notices)
		w.rec.Notices = slices.DeleteFunc(w.rec.Notices, func(n policy.Notice) bool {
			return !n.At.After(upTo) && (!n.Secret || c.Capacity != representative)
		})
		w.nothing = len(w.rec.Notices) == before
		return nil
	})
}
