package dmp

import (
	"context"
	"fmt"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/policy"
)

// Destroy destroys a closed record whose retention is over [DMP-B2]: every document, and all that the patient decided. That there was one, who destroyed
// it and when stays. It may be done again, should it have been cut short: from its first step on nobody reaches anything.
func (d *DMP) Destroy(ctx context.Context, c auth.Caller, id hl7.CX) error {
	if d.cfg.Eraser == nil {
		return d.work(&actDestroy, c, id).refused(ctx, &Error{Code: Unsupported, Text: "nothing destroys documents here"})
	}
	err := d.change(ctx, c, &actDestroy, id, func(w *work) error {
		if w.rec.State == policy.Destroyed {
			w.nothing = true
			return nil
		}
		if over := d.cfg.Terms.Retention.after(w.rec.Closing.At); w.now.Before(over) && !d.cfg.DestroyEarly {
			return &Error{Code: TooEarly, Text: "the record is to be kept until " + over.UTC().Format(time.DateOnly)}
		}
		*w.rec = policy.Record{Patient: w.rec.Patient, State: policy.Destroyed, Version: w.rec.Version,
			Closing: policy.Closing{By: w.by(), Reason: string(aboutDestruction), At: w.now}}
		w.detail("Step", "made inaccessible")
		return nil
	})
	if err != nil {
		return err
	}
	w := d.work(&actDestroy, c, id)
	if err := d.cfg.Eraser.Erase(ctx, id); err != nil {
		return w.refused(ctx, fmt.Errorf("destroy the documents: %w", err))
	}
	// The proof comes last: it says that there is nothing left.
	w.detail("Step", "documents destroyed")
	if err := w.keep(w.recorded(ctx)); err != nil {
		return w.refused(ctx, err)
	}
	return nil
}
