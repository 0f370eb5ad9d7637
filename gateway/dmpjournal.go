package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/passerelle-sante/passerelle/atna/arr"
)

// journalPatience is how long that may take, and how often it is looked.
const (
	journalPatience = 10 * time.Second
	journalLook     = 5 * time.Millisecond
)

var errJournalBehind = errors.New("the audit log does not hold everything that is durable yet")

// caughtUp waits until all that is durable now was handed over to the audit log and can be found there: that takes a moment, and a patient is never shown a
// journal which leaves out what was done already [DMP-B8].
func (a accesses) caughtUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, journalPatience)
	defer cancel()
	last, err := a.g.db.Audit().Last(ctx)
	if err != nil {
		return err
	}
	handedOver := func() (bool, error) {
		seq, err := a.g.db.Audit().Cursor(ctx, a.g.ownRepository().Name)
		return seq >= last, err
	}
	if err := until(ctx, handedOver); err != nil {
		return err
	}
	size := a.g.audit.trail.Size()
	return until(ctx, func() (bool, error) {
		page, err := a.g.audit.trail.Search(ctx, arr.Criteria{Limit: 1})
		return a.g.audit.trail.Size()-page.Behind >= size, err
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
