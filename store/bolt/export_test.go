package bolt

import (
	"errors"
	"os"
)

// Abandon lets go of the files as a crash would: what is not in the index stays out of it.
func (db *DB) Abandon() error {
	db.fail(os.ErrClosed)
	close(db.stop)
	db.stopped.Wait()
	return errors.Join(db.journal.Close(), db.bb.Close())
}
