package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/internal/testpki"
	"github.com/passerelle-sante/passerelle/policy"
	"github.com/passerelle-sante/passerelle/store/bolt"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/registry"
)

// besides runs two gateways that take assertions, each on a store of the same documents, one with the rules of the shared record; fn measures them in turns.
func (b *bench) besides(ctx context.Context, s scenario, fn func(without, with *child, provider testpki.Identity) error) error {
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
	config := fmt.Sprintf(assertedConfig, pki, remembered)
	bare, ruled := filepath.Join(b.dir, "store-50000"), filepath.Join(b.dir, "store-50000-rights")
	if err := errors.Join(fill(ctx, bare, documents, false), fill(ctx, ruled, documents, false)); err != nil {
		return fmt.Errorf("fill the stores: %w", err)
	}
	if err := giveRights(ctx, ruled, documents/perPatient); err != nil {
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
	return errors.Join(fn(without, with, provider), with.stop(), without.stop())
}

// ruled measures ITI-18 with an assertion, rights and refusals against the same question with the assertion and without rules: what the gate costs.
func (b *bench) ruled(ctx context.Context, s scenario) error {
	return b.besides(ctx, s, func(without, with *child, provider testpki.Identity) error {
		ask, err := assertedQuery(0, provider)
		if err != nil {
			return err
		}
		return b.inTurns(ctx, s, without, with, ask, nil)
	})
}

// ruledRetrieve does so for ITI-43 of documents some of which are masked; those that are asked for are shown.
func (b *bench) ruledRetrieve(ctx context.Context, s scenario) error {
	return b.besides(ctx, s, func(without, with *child, provider testpki.Identity) error {
		plain, err := retrieveMessage(loadedRun)
		if err != nil {
			return err
		}
		ask, err := vouched(plain, provider)
		if err != nil {
			return err
		}
		const others = masks * 2
		return b.inTurns(ctx, s, without, with, ask, func(wire []byte, n int) { ask.set(wire, firstNumber+others+spread(n, 50_000-others), "") })
	})
}

func (b *bench) inTurns(ctx context.Context, s scenario, without, with *child, ask *message, vary func(wire []byte, n int)) error {
	r, err := b.pairs(ctx, rate, func() (figures, error) { return b.drive(without.addr, without.pid(), b.opt.clients, ask, vary) },
		func() (figures, error) { return b.drive(with.addr, with.pid(), b.opt.clients, ask, vary) })
	if err == nil {
		r.YardstickName = "without rules"
		b.report(s.row("", s.must, s.target, false), r)
	}
	return err
}

// masks is how many documents are masked: those numbered from masks on.
const masks = 100

// giveRights opens the records of patients: each has a right of who asks, some of others, and a refusal. Some documents are masked, which that right does not show.
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
		for n := masks; n < 2*masks; n++ {
			ids, err := tx.ByUniqueID(uniqueID(loadedRun, firstNumber+n))
			if err != nil || len(ids) != 1 {
				return fmt.Errorf("a document of the loader's: %d entries, %w", len(ids), err)
			}
			o, _, err := tx.Object(ids[0])
			if err != nil {
				return err
			}
			o.Entry.ConfidentialityCodes = append(o.Entry.ConfidentialityCodes, xds.Code{Code: "MASQUE_PS", Scheme: "1.2.250.1.213.1.1.4.13"})
			if err := tx.Put(o); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, db.Close())
}
