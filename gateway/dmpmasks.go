package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/policy"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/registry"
)

// Masked is a document that is not shown to everybody who has a right: when it was made, and what sets it apart. Neither its title nor its type is told.
type Masked struct {
	UniqueID string
	Created  hl7.DTM
	Traits   []string
}

// masks lists them, for the patient; of the versions of a document the newest speaks.
func (g *Gateway) masks(ctx context.Context, c auth.Caller, patient hl7.CX) (list []Masked, err error) {
	if g.registry == nil {
		return nil, errors.New("there is no registry here: ask where it is")
	}
	matrix, err := g.cfg.Policy.matrix()
	if err != nil {
		return nil, fmt.Errorf("policy tables: %w", err)
	}
	err = g.dmp.Masks(ctx, c, patient, func() error {
		list, err = maskedOf(ctx, g.db.Registry(), matrix, patient)
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

func maskedOf(ctx context.Context, store registry.Store, matrix *policy.Matrix, patient hl7.CX) (list []Masked, err error) {
	err = store.View(ctx, func(tx registry.Tx) error {
		newest := map[xds.ObjectID]*xds.DocumentEntry{}
		var order []xds.ObjectID
		err := tx.OfPatient(patient, xds.KindEntry, func(o xds.Object) bool {
			id := o.Entry.LogicalID
			if id == "" {
				id = o.Entry.ID
			}
			if old := newest[id]; old == nil {
				order = append(order, id)
			} else if old.Version >= o.Entry.Version {
				return true
			}
			newest[id] = o.Entry
			return true
		})
		for _, id := range order {
			if traits := matrix.Traits(newest[id]); len(traits) > 0 {
				list = append(list, Masked{string(newest[id].UniqueID), newest[id].CreationTime, traits})
			}
		}
		return err
	})
	return list, err
}
