package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/policy"
	"github.com/passerelle-sante/passerelle/store/bolt"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/registry"
)

// ruled measures ITI-18 with an assertion, rights and refusals against the same question with the assertion and without rules: what the gate costs. Two
// gateways answer in turns, each from a store of the same documents.
func (b *bench) ruled(ctx context.Context, s scenario) error {
	const documents = 50_000
	pki, err := os.MkdirTemp(b.dir, "provider")
	if err != nil {
		return err
	}
	defer os.RemoveAll(pki)
	provider, err := identityProvider(pki)
	if err != nil {
		return err
	}
	ask, err := assertedQuery(0, provider)
	if err != nil {
		return err
	}
	config := fmt.Sprintf(assertedConfig, pki, remembered)
	bare, ruled := filepath.Join(b.dir, "store-50000"), filepath.Join(b.dir, "store-50000-rights")
	if err := errors.Join(fill(ctx, bare, documents, false), fill(ctx, ruled, documents, false)); err != nil {
		return fmt.Errorf("fill the stores: %w", err)
	}
	if err := giveRights(ctx, ruled, documents/20); err != nil {
		return fmt.Errorf("give rights: %w", err)
	}
	without, _, err := b.configured(bare, s.name+"-without", config, "")
	if err != nil {
		return err
	}
	with, _, err := b.configured(ruled, s.name, config+"policy: {rules: france, persons: []}\n", "")
	if err != nil {
		return errors.Join(err, without.stop())
	}
	r, err := b.pairs(ctx, rate, func() (figures, error) { return b.drive(without.addr, without.pid(), b.opt.clients, ask, nil) },
		func() (figures, error) { return b.drive(with.addr, with.pid(), b.opt.clients, ask, nil) })
	if err == nil {
		r.YardstickName = "without rules"
		b.report(s.row("", s.must, s.target, false), r)
	}
	return errors.Join(err, with.stop(), without.stop())
}

// giveRights opens the records of patients: each has a right of who asks, some of others, and a refusal.
func giveRights(ctx context.Context, dir string, patients int) error {
	db, err := bolt.Open(filepath.Join(dir, "data", "metadata"), bolt.Options{})
	if err != nil {
		return err
	}
	from := time.Now().Add(-time.Hour)
	right := func(kind policy.Kind, person string) policy.Habilitation {
		return policy.Habilitation{ID: person, Kind: kind, Party: policy.Party{Person: person}, From: from, Until: from.AddDate(1, 0, 0)}
	}
	err = db.Registry().Update(ctx, func(tx registry.UpdateTx) error {
		for i := range patients {
			if err := tx.PutRecord(&policy.Record{Patient: xds.NormalPatientID(sample.PatientID(i)), State: policy.Open,
				Rights:   []policy.Habilitation{right(policy.Attending, "899900000011"), right(policy.Allegation, "899900000022"), right(policy.Allegation, "anne@example.org")},
				Refusals: []policy.Refusal{{Party: policy.Party{Person: "899900000033"}, From: from}}}); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, db.Close())
}
