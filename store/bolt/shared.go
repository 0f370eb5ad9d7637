package bolt

import (
	"context"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/dmp"
)

var (
	_ dmp.Store    = (*SharedRecords)(nil)
	_ dmp.UpdateTx = sharedTx{}
)

// SharedRecords are the shared records as the actor of their life sees them.
type SharedRecords struct{ db *DB }

// SharedRecords gives the store of shared records.
func (db *DB) SharedRecords() *SharedRecords { return &SharedRecords{db} }

// View implements dmp.Store.
func (s *SharedRecords) View(ctx context.Context, f func(dmp.Tx) error) error {
	return s.db.view(ctx, func(r *reader) error { return f(r) })
}

// Update implements dmp.Store.
func (s *SharedRecords) Update(ctx context.Context, f func(dmp.UpdateTx) error) error {
	return s.db.update(ctx, func(tx *writeTx) error { return f(sharedTx{tx}) })
}

type sharedTx struct{ *writeTx }

// Record implements dmp.UpdateTx.
func (t sharedTx) Record(m *atna.AuditMessage) error { return t.recordMessage(m) }
