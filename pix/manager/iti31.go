package manager

import (
	"context"
	"log/slog"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/pixv2"
	"github.com/passerelle-sante/passerelle/wire/hl7v2"
)

// movement reads what a message tells of a stay; nil when that is nothing, or when movements are not taken from who sends it. alone: it announces nobody.
func (m *Manager) movement(c auth.Caller, req *hl7v2.Message) (v *pix.Movement, alone bool, err error) {
	moving, alone := pixv2.Moves(req)
	if m.cfg.Stays == nil || !moving {
		return nil, false, nil
	}
	v, err = pixv2.DecodeMovement(req, m.cfg.Domains)
	if v == nil || !m.cfg.Stays.From(c, *v) {
		return nil, false, nil // as if there were no movements
	}
	if err != nil {
		return nil, false, err
	}
	return v, alone, nil
}

// move tells of a movement by the patient's national identifier. Who is admitted without one has no shared record, and nothing is kept of his stay.
func (m *Manager) move(ctx context.Context, c auth.Caller, v pix.Movement) error {
	local := v.Patient
	if !m.national(local) {
		filed, ok, err := m.nationalOf(ctx, local)
		switch {
		case err != nil:
			return m.refused(ctx, c, told(v), err)
		case !ok && v.Move == pix.Admitted:
			m.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "stay not kept: the patient has no national identifier", slog.String("message", v.MessageID), slog.String("node", c.Node))
			return nil
		case !ok:
			return m.refused(ctx, c, told(v), UnknownStay())
		}
		v.Patient = filed
	}
	v.Patient.TypeCode = m.cfg.FiledAs
	return m.cfg.Stays.Told(ctx, c, v)
}

// UnknownStay is the refusal of what is told of a stay that nobody told of before.
func UnknownStay() *pix.Error {
	return &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtVisit, Text: "no such stay of this patient is known here"}
}

// told stands for a movement, so that its refusal is recorded like that of a feed.
func told(v pix.Movement) []pix.Feed {
	return []pix.Feed{{Transaction: string(atna.StayTold), MessageID: v.MessageID, Patient: pix.Patient{ID: v.Patient}}}
}
