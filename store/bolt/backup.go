package bolt

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/passerelle-sante/passerelle/store/journal"
)

// Backup writes the index file of one consistent moment to w, while updates go on. Everything that was durable when it was called is in
// it. A directory that holds it under the name index.bolt, and no journal, is a store.
func (db *DB) Backup(ctx context.Context, w io.Writer) error {
	if err := db.Flush(); err != nil {
		return err
	}
	// A bbolt transaction between two parts of one flush would see half of it. The lock keeps the next flush from starting; the
	// transaction, once open, keeps its moment without the lock.
	db.flushes.applying.Lock()
	tx, err := db.bb.Begin(false)
	db.flushes.applying.Unlock()
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.WriteTo(contextWriter{ctx, w}); err != nil {
		return errors.Join(err, ctx.Err()) // bbolt keeps only the words of an error
	}
	return nil
}

type contextWriter struct {
	ctx context.Context
	w   io.Writer
}

func (c contextWriter) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}

// BackupTo makes dir a copy of the store that Open can open. dir must not hold one.
func (db *DB) BackupTo(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, "index.bolt"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(db.Backup(ctx, f), f.Sync(), f.Close(), journal.SyncDir(dir))
}
