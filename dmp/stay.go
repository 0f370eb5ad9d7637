package dmp

import (
	"context"
	"slices"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/policy"
)

// AdmitStay notes an admission [DMP-T3.5]: the team of the institution has a collective right while it lasts. It is kept for a patient without a record too,
// should one be opened during the stay. Told again it changes nothing; the patient is told once.
func (d *DMP) AdmitStay(ctx context.Context, c auth.Caller, id hl7.CX, structure, number string, from time.Time) error {
	return d.change(ctx, c, &actStay, id, func(w *work) error {
		switch s := w.stay(structure, number); {
		case structure == "" || number == "":
			return &Error{Code: Incomplete, Text: "structure and number of the stay are due"}
		case s == nil:
			if from.IsZero() {
				from = w.now
			}
			s := policy.Stay{Structure: structure, Number: number, From: from}
			w.rec.Stays = append(w.rec.Stays, s)
			w.tell(policy.Habilitation{Kind: policy.Team, Party: policy.Party{Structure: structure}}, "")
		case s.Until.IsZero() && (from.IsZero() || s.From.Equal(from)):
			w.nothing = true
		default:
			if s.Until = (time.Time{}); !from.IsZero() {
				s.From = from
			}
			w.detail(detailHolder, structure)
		}
		return nil
	})
}

// EndStay notes a discharge. Of a stay that was never told nothing is kept.
func (d *DMP) EndStay(ctx context.Context, c auth.Caller, id hl7.CX, structure, number string, at time.Time) error {
	return d.change(ctx, c, &actStay, id, func(w *work) error {
		if at.IsZero() {
			at = w.now
		}
		s := w.stay(structure, number)
		if w.nothing = s == nil || s.Until.Equal(at); !w.nothing {
			s.Until = at
			w.detail(detailHolder, structure)
			w.detail(detailUntil, at.UTC().Format(time.RFC3339))
		}
		return nil
	})
}

// CancelStay takes back an admission that did not happen.
func (d *DMP) CancelStay(ctx context.Context, c auth.Caller, id hl7.CX, structure, number string) error {
	return d.change(ctx, c, &actStay, id, func(w *work) error {
		s := w.stay(structure, number)
		if w.nothing = s == nil; !w.nothing {
			w.rec.Stays = slices.DeleteFunc(w.rec.Stays, func(o policy.Stay) bool { return o.Structure == structure && o.Number == number })
			w.detail(detailHolder, structure)
			w.detail(detailReason, "cancelled")
		}
		return nil
	})
}

func (w *work) stay(structure, number string) *policy.Stay {
	for i := range w.rec.Stays {
		if s := &w.rec.Stays[i]; s.Structure == structure && s.Number == number {
			return s
		}
	}
	return nil
}

// RefuseTeam takes the collective right from the team of a stay, or gives it back [DMP-T3.5]. Whom the patient names instead is a Grant.
func (d *DMP) RefuseTeam(ctx context.Context, c auth.Caller, id hl7.CX, structure, number string, refused bool) error {
	return d.change(ctx, c, &actTeam, id, func(w *work) error {
		s := w.stay(structure, number)
		if s == nil {
			return &Error{Code: Unknown, Text: "no such stay is known"}
		}
		s.Refused = refused
		w.detail(detailHolder, structure)
		return nil
	})
}

// Stays gives the stays that are known, for the patient.
func (d *DMP) Stays(ctx context.Context, c auth.Caller, id hl7.CX) ([]policy.Stay, error) {
	var list []policy.Stay
	err := d.look(ctx, c, &actRights, id, func(w *work) error {
		list = slices.Clone(w.rec.Stays)
		return nil
	})
	return list, err
}
