package dmp

import (
	"context"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/policy"
)

// Mode chooses among those who have something to do with a record.
type Mode string

// The modes, as the national interface names them: who has a right, who is refused, both.
const (
	Active    Mode = "ACTIVE"
	Forbidden Mode = "INTERDITE"
	Every     Mode = "TOUTE"
)

// Standing is how somebody stands with a record: a right that is in force, or a refusal.
type Standing struct {
	Mode       Mode // Active or Forbidden
	ID         string
	Kind       policy.Kind // of a right
	Party      policy.Party
	Since      time.Time
	Until      time.Time // exclusive; zero has no end
	LastAction time.Time
	Evidence   string
	By         policy.Party
}

// Rights lists who may reach a record and who may not, rights of teams included; to the patient, to an operator and to professionals who have a right themselves.
func (d *DMP) Rights(ctx context.Context, c auth.Caller, id hl7.CX, mode Mode) ([]Standing, error) {
	var list []Standing
	err := d.look(ctx, c, &actRights, id, func(w *work) error {
		if mode != Active && mode != Forbidden && mode != Every {
			return &Error{Code: Incomplete, Text: "mode is not ACTIVE, INTERDITE or TOUTE"}
		}
		if mode != Forbidden {
			list = w.active()
		}
		if mode == Active {
			return nil
		}
		for _, r := range w.rec.Refusals {
			if lasts(r.From, r.Until, w.now) {
				list = append(list, Standing{Mode: Forbidden, Party: r.Party, Since: r.From, Until: r.Until, LastAction: r.From, By: r.By})
			}
		}
		return nil
	})
	return list, err
}

func (w *work) active() []Standing {
	var list []Standing
	for _, h := range w.d.cfg.Gate.InForce(w.rec, w.now) {
		list = append(list, Standing{Mode: Active, ID: h.ID, Kind: h.Kind, Party: h.Party, Since: h.From, Until: h.Until, LastAction: h.Declared, Evidence: h.Evidence, By: h.By})
	}
	return list
}
