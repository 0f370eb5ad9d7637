package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/atna/arr"
	"github.com/passerelle-sante/passerelle/dmp"
	"github.com/passerelle-sante/passerelle/hl7"
)

// journal finds a patient's accesses in the audit log, which has an index by patient. The node's own trail reaches it a moment after it is durable: that
// moment is waited for, so that a patient is never shown a journal which leaves out what was done already [DMP-B8].
type journal struct{ g *Gateway }

// journalPatience is how long that may take, and how often it is looked.
const (
	journalPatience = 10 * time.Second
	journalLook     = 5 * time.Millisecond
)

var errJournalBehind = errors.New("the audit log does not hold everything that is durable yet")

// Trace implements dmp.Journal.
func (j journal) Trace(ctx context.Context, patient hl7.CX, before uint64, most int) ([]dmp.Traced, bool, error) {
	if err := j.caughtUp(ctx); err != nil {
		return nil, false, err
	}
	log := j.g.audit.trail
	page, err := log.Search(ctx, arr.Criteria{Terms: [][]arr.Term{{{Field: arr.FieldPatient, Value: patient.Key()}}}, After: before, Resume: before != 0, Limit: most})
	if err != nil {
		return nil, false, err
	}
	var list []dmp.Traced
	for _, hit := range page.Hits {
		rec, err := log.Read(ctx, hit.Seq)
		if errors.Is(err, arr.ErrExpired) {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		var p atna.Parser
		if u := rec.Understand(&p, &atna.AuditMessage{}); u.Message != nil {
			list = append(list, dmp.Traced{Seq: hit.Seq, Message: u.Message})
		}
	}
	return list, page.More, nil
}

// caughtUp waits until all that is durable now was handed over to the audit log and can be found there.
func (j journal) caughtUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, journalPatience)
	defer cancel()
	last, err := j.g.db.Audit().Last(ctx)
	if err != nil {
		return err
	}
	handedOver := func() (bool, error) {
		seq, err := j.g.db.Audit().Cursor(ctx, j.g.ownRepository().Name)
		return seq >= last, err
	}
	if err := until(ctx, handedOver); err != nil {
		return err
	}
	size := j.g.audit.trail.Size()
	return until(ctx, func() (bool, error) {
		page, err := j.g.audit.trail.Search(ctx, arr.Criteria{Limit: 1})
		return j.g.audit.trail.Size()-page.Behind >= size, err
	})
}

// until looks again and again; there is nothing to be woken by.
func until(ctx context.Context, done func() (bool, error)) error {
	tick := time.NewTicker(journalLook)
	defer tick.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(errJournalBehind, ctx.Err())
		case <-tick.C:
		}
	}
}
