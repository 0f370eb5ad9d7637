package dmp

import (
	"context"
	"fmt"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/policy"
)

// SetMembers says who belongs to a group practice [DMP-T3.3]. Rights given to the group are its members' at each access: who leaves loses them.
func (d *DMP) SetMembers(ctx context.Context, c auth.Caller, group string, members []policy.Membership) error {
	w := d.work(&actMembers, c, hl7.CX{})
	err := error(nil)
	switch {
	case c.Capacity != operator:
		err = denied("not for who asks in this quality")
	case group == "":
		err = &Error{Code: Incomplete, Text: "a group is to be named"}
	default:
		err = d.cfg.Store.Update(ctx, func(tx UpdateTx) error {
			if err := tx.PutMembers(group, members); err != nil {
				return fmt.Errorf("keep the members: %w", err)
			}
			return w.keep(tx.Record)
		})
	}
	if err != nil {
		return w.refused(ctx, err)
	}
	w.log(ctx, "done")
	return nil
}

// Members gives who belongs to a group, now or earlier: the list is shown to whoever gives the group a right [DMP-T3.3].
func (d *DMP) Members(ctx context.Context, group string) ([]policy.Membership, error) {
	var list []policy.Membership
	err := d.cfg.Store.View(ctx, func(tx Tx) (err error) {
		list, err = tx.Members(group)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("members of a group: %w", err)
	}
	return list, nil
}
