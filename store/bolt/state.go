package bolt

import (
	"context"
	"fmt"
)

// Last is the number of the newest message of the trail, 0 when there is none.
func (a *Audit) Last(context.Context) (uint64, error) { return a.db.Stats().AuditMessages, nil }

// Writable tells why the store takes no updates any more; nil when it does.
func (db *DB) Writable() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.failed != nil {
		return fmt.Errorf("store is closed to updates: %w", db.failed)
	}
	return nil
}
