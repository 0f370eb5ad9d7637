package dmp

import (
	"context"
	"fmt"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/policy"
)

// Authorization is how the caller stands with a record.
type Authorization string

// The authorizations. Only the first is a word of the national interface that is known; the others are ours.
const (
	Valid   Authorization = "VALIDE"
	Expired Authorization = "EXPIREE"
	None    Authorization = "INEXISTANTE"
	Refused Authorization = "INTERDITE"
)

// Existence says whether a patient has a record, and how the caller stands with it.
type Existence struct {
	State         policy.State
	Identity      pix.Patient
	Known         bool // the patient is known; of one without a record nothing else is told
	Authorization Authorization
	Attending     bool
	Closing       policy.Closing
}

// Exists tells whether a patient has a record.
func (d *DMP) Exists(ctx context.Context, c auth.Caller, id hl7.CX) (Existence, error) {
	var e Existence
	err := d.look(ctx, c, &actTest, id, func(w *work) (err error) {
		e = Existence{State: w.rec.State, Closing: w.rec.Closing}
		if e.State != policy.Open && e.State != policy.Closed {
			return nil
		}
		if e.Authorization, err = w.authorization(); err != nil {
			return err
		}
		e.Attending = w.own(policy.Attending) != nil && e.Authorization == Valid
		if e.Identity, e.Known, err = d.cfg.Identities.Identity(ctx, id); err != nil {
			return fmt.Errorf("look up the patient: %w", err)
		}
		return nil
	})
	return e, err
}

func (w *work) authorization() (Authorization, error) {
	if w.c.Capacity != professional {
		return Valid, nil
	}
	switch d, err := w.sight().Standing(w.rec); {
	case err != nil || d.Allow:
		return Valid, err
	case d.Reason == policy.Refused:
		return Refused, nil
	}
	for _, h := range w.rec.Rights {
		if w.fits(h.Party) && !lasts(h.From, h.Until, w.now) && h.EndedBy == (policy.Party{}) {
			return Expired, nil
		}
	}
	return None, nil
}
