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
// should one be opened during the stay. Told again it changes nothing, and it does not bring back a stay that ended since: messages are repeated, and overtake
// each other. The patient is told once.
func (d *DMP) AdmitStay(ctx context.Context, c auth.Caller, id hl7.CX, structure, number string, from time.Time) error {
	return d.change(ctx, c, &actStay, id, func(w *work) error {
		switch s := w.stay(structure, number); {
		case structure == "" || number == "":
			return &Error{Code: Incomplete, Text: "structure and number of the stay are due"}
		case s == nil:
			if from.IsZero() {
				from = w.now
			}
			w.rec.Stays = append(w.rec.Stays, policy.Stay{Structure: structure, Number: number, From: from})
			w.tell(policy.Habilitation{Kind: policy.Team, Party: policy.Party{Structure: structure}}, "")
		case from.IsZero() || s.From.Equal(from):
			w.nothing = true
		default:
			s.From = from
			w.detail(detailHolder, structure)
		}
		return nil
	})
}

// EndStay notes a discharge.
func (d *DMP) EndStay(ctx context.Context, c auth.Caller, id hl7.CX, structure, number string, at time.Time) error {
	return d.known(ctx, c, id, structure, number, func(w *work, s *policy.Stay) {
		if at.IsZero() && s.Until.IsZero() {
			at = w.now
		}
		if w.nothing = at.IsZero() || s.Until.Equal(at); !w.nothing {
			s.Until = at
			w.detail(detailUntil, at.UTC().Format(time.RFC3339))
		}
	})
}

// ResumeStay takes back a discharge that did not happen.
func (d *DMP) ResumeStay(ctx context.Context, c auth.Caller, id hl7.CX, structure, number string) error {
	return d.known(ctx, c, id, structure, number, func(w *work, s *policy.Stay) {
		w.nothing = s.Until.IsZero()
		s.Until = time.Time{}
		w.detail(detailReason, "discharge cancelled")
	})
}

// known does something about a stay that was told before; of another nothing is kept.
func (d *DMP) known(ctx context.Context, c auth.Caller, id hl7.CX, structure, number string, do func(*work, *policy.Stay)) error {
	return d.change(ctx, c, &actStay, id, func(w *work) error {
		s := w.stay(structure, number)
		if s == nil {
			return &Error{Code: Unknown, Text: "no such stay is known"}
		}
		w.detail(detailHolder, structure)
		do(w, s)
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
