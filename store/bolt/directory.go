package bolt

import (
	"context"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/directory"
)

var _ directory.Store = (*Directory)(nil)

// Directory are the rows of the national directory.
type Directory struct{ db *DB }

// Directory gives the store of the national directory.
func (db *DB) Directory() *Directory { return &Directory{db} }

// View implements directory.Store.
func (s *Directory) View(ctx context.Context, f func(directory.Tx) error) error {
	return s.db.view(ctx, func(r *reader) error { return f(textRows{r, bDirectory}) })
}

// Update implements directory.Store.
func (s *Directory) Update(ctx context.Context, f func(directory.UpdateTx) error) error {
	return s.db.update(ctx, func(tx *writeTx) error { return f(textUpdates{textRows{&tx.reader, bDirectory}, tx}) })
}

// textRows are the rows of a bucket whose keys are texts of its actor's own.
type textRows struct {
	*reader
	bucket byte
}

func (t textRows) key(text string) []byte { return append([]byte{t.bucket}, text...) }

// Get gives a row.
func (t textRows) Get(key string) ([]byte, error) { return t.get(t.key(key)) }

// Scan gives rows in order.
func (t textRows) Scan(prefix, after string, f func(key string, value []byte) (bool, error)) error {
	var from []byte
	if after != "" {
		from = t.key(after)
	}
	return t.scan(t.key(prefix), from, func(key, value []byte) (bool, error) { return f(string(key[1:]), value) })
}

type textUpdates struct {
	textRows
	tx *writeTx
}

// Put keeps a row; nil takes it away.
func (t textUpdates) Put(key string, value []byte) { t.tx.put(t.key(key), value) }

// Record keeps the audit message in the same commit.
func (t textUpdates) Record(m *atna.AuditMessage) error { return t.tx.recordMessage(m) }
