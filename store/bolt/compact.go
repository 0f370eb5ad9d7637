package bolt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	bbolt "go.etcd.io/bbolt"

	"github.com/passerelle-sante/passerelle/store/journal"
)

// Compact rewrites the index of the store in dir, which nobody has open. The file that bbolt keeps only grows, and pages that nothing uses any more keep what
// they held: this is what ends the last traces of removed objects. A crash leaves the old file or the new one.
func Compact(dir string) error {
	db, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	db.mu.Lock()
	db.head.gone = true // so that the journal goes too
	db.mu.Unlock()
	if err := errors.Join(db.Flush(), db.journal.Turn(), db.journal.DropBefore(db.journal.Next()), db.Close()); err != nil {
		return err
	}
	path := filepath.Join(dir, "index.bolt")
	fresh := path + ".compact"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	from, err := openIndex(path, Options{}.withDefaults())
	if err != nil {
		return err
	}
	to, err := bbolt.Open(fresh, 0o600, &bbolt.Options{FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return errors.Join(err, from.Close())
	}
	if err := errors.Join(bbolt.Compact(to, from, 32<<20), to.Sync(), to.Close()); err != nil {
		return errors.Join(fmt.Errorf("compact %s: %w", path, err), from.Close(), os.Remove(fresh))
	}
	// Still under the lock of the old file.
	return errors.Join(os.Rename(fresh, path), journal.SyncDir(dir), from.Close())
}
