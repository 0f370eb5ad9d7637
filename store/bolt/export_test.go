package bolt

import (
	"context"
	"errors"
	"os"
)

// Abandon lets go of the files as a crash would: what is not in the index stays out of it.
func (db *DB) Abandon() error {
	db.mu.Lock()
	closed := errors.Is(db.failed, os.ErrClosed)
	db.mu.Unlock()
	if closed {
		return nil
	}
	db.fail(os.ErrClosed)
	close(db.stop)
	db.stopped.Wait()
	return errors.Join(db.journal.Close(), db.bb.Close())
}

// UpdateRecords and ViewRecords give the rows of shared records as they are.
func UpdateRecords(db *DB, ctx context.Context, f func(*writeTx) error) error {
	return db.update(ctx, f)
}

func ViewRecords(db *DB, ctx context.Context, f func(*reader) error) error { return db.view(ctx, f) }

type (
	RecordsUpdate = writeTx
	RecordsView   = reader
)
