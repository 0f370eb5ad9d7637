package dmp

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/policy"
)

// Wishes are what the patient decided beforehand. What is nil stays as it is.
type Wishes struct {
	NoBreakGlass      *bool // nobody reads the record in an emergency
	NoRegulation      *bool // no regulation physician does
	MaskedInEmergency *bool // what is masked stays masked to them
	NoTeams           *bool // institutions have no collective rights
	Representatives   *[]policy.Representative
}

// Administration is what is known of a record but its documents and rights.
type Administration struct {
	State           policy.State
	Consent         policy.Consent
	Closing         policy.Closing
	Wishes          Wishes
	Representatives []policy.Representative
	Identity        pix.Patient
}

// Administrative gives the administrative data of a record.
func (d *DMP) Administrative(ctx context.Context, c auth.Caller, id hl7.CX) (Administration, error) {
	var a Administration
	err := d.look(ctx, c, &actRead, id, func(w *work) (err error) {
		r := *w.rec
		a = Administration{State: r.State, Consent: r.Consent, Closing: r.Closing, Representatives: slices.Clone(r.Representatives),
			Wishes: Wishes{NoBreakGlass: &r.NoBreakGlass, NoRegulation: &r.NoRegulation, MaskedInEmergency: &r.MaskedInEmergency, NoTeams: &r.NoTeams}}
		if a.Identity, _, err = d.cfg.Identities.Identity(ctx, id); err != nil {
			return fmt.Errorf("look up the patient: %w", err)
		}
		return nil
	})
	return a, err
}

// Masks lets what is masked be listed, for the patient; list does, before the audit record is kept and anything is shown.
func (d *DMP) Masks(ctx context.Context, c auth.Caller, id hl7.CX, list func() error) error {
	return d.look(ctx, c, &actMasks, id, func(*work) error { return list() })
}

// Administer changes what the patient decided. A representative does not say who represents.
func (d *DMP) Administer(ctx context.Context, c auth.Caller, id hl7.CX, s Wishes) error {
	return d.change(ctx, c, &actAdminister, id, func(w *work) error {
		if s.Representatives != nil && c.Capacity == representative {
			return denied("a representative does not say who represents")
		}
		w.wish(s)
		return nil
	})
}

// wish takes what was decided into the record, and what it was into the audit record.
func (w *work) wish(s Wishes) {
	for _, o := range []struct {
		name string
		said *bool
		to   *bool
	}{{"OppositionBrisDeGlace", s.NoBreakGlass, &w.rec.NoBreakGlass}, {"OppositionRegulation", s.NoRegulation, &w.rec.NoRegulation},
		{"MaskedInEmergency", s.MaskedInEmergency, &w.rec.MaskedInEmergency}, {"NoTeams", s.NoTeams, &w.rec.NoTeams}} {
		if o.said != nil {
			*o.to = *o.said
			w.detail(o.name, strconv.FormatBool(*o.said))
		}
	}
	if s.Representatives != nil {
		w.rec.Representatives = slices.Clone(*s.Representatives)
		for i := range w.rec.Representatives {
			if r := &w.rec.Representatives[i]; r.From.IsZero() {
				r.From = w.now
			}
		}
		w.detail("Representatives", strconv.Itoa(len(*s.Representatives)))
	}
}
