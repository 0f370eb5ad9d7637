// Package ledger remembers what became of messages, so that none is dealt with twice.
//
// # On disk
//
// One bbolt file. Bucket "e" holds an entry as JSON by the digest of its message; bucket "t" holds the same digests by the time they were noted (nanoseconds,
// big-endian, then the digest), so that old ones are found without reading everything.
package ledger

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/passerelle-sante/passerelle/smime/intake"
)

var _ intake.Ledger = (*Ledger)(nil)

var entries, times = []byte("e"), []byte("t")

// Ledger is an open file. It is safe for concurrent use.
type Ledger struct {
	db   *bbolt.DB
	keep time.Duration
}

// Open opens or creates a ledger that remembers for so long.
func Open(file string, keep time.Duration) (*Ledger, error) {
	db, err := bbolt.Open(file, 0o600, &bbolt.Options{Timeout: time.Second, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, fmt.Errorf("open the ledger: %w", err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(entries)
		_, err2 := tx.CreateBucketIfNotExists(times)
		return errors.Join(err, err2)
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Ledger{db: db, keep: keep}, nil
}

// Close closes the file.
func (l *Ledger) Close() error { return l.db.Close() }

// Find implements intake.Ledger.
func (l *Ledger) Find(_ context.Context, digest [32]byte) (e intake.Entry, ok bool, err error) {
	err = l.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket(entries).Get(digest[:])
		if b == nil {
			return nil
		}
		ok = true
		return json.Unmarshal(b, &e)
	})
	return e, ok && err == nil, err
}

// Note implements intake.Ledger. What is older than the ledger remembers goes at the same time, a few at once.
func (l *Ledger) Note(_ context.Context, all ...intake.Note) error {
	return l.db.Update(func(tx *bbolt.Tx) error {
		for _, n := range all {
			b, err := json.Marshal(n.Entry)
			if err != nil {
				return err
			}
			if err := tx.Bucket(entries).Put(n.Digest[:], b); err != nil {
				return err
			}
			if err := tx.Bucket(times).Put(timeKey(n.Time, n.Digest), nil); err != nil {
				return err
			}
			if err := forget(tx, n.Time.Add(-l.keep)); err != nil {
				return err
			}
		}
		return nil
	})
}

const forgetAtOnce = 8

func forget(tx *bbolt.Tx, before time.Time) error {
	c := tx.Bucket(times).Cursor()
	limit := timeKey(before, [32]byte{})
	k, _ := c.First()
	for range forgetAtOnce {
		if k == nil || string(k[:8]) >= string(limit[:8]) {
			return nil
		}
		digest := k[8:]
		var e intake.Entry
		if b := tx.Bucket(entries).Get(digest); b != nil && json.Unmarshal(b, &e) == nil && e.Time.Before(before) { // it may have been noted again since
			if err := tx.Bucket(entries).Delete(digest); err != nil {
				return err
			}
		}
		if err := c.Delete(); err != nil {
			return err
		}
		k, _ = c.First()
	}
	return nil
}

func timeKey(t time.Time, digest [32]byte) []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, 40), uint64(max(t.UnixNano(), 0))), digest[:]...)
}

// CopyTo writes the ledger as of one moment to a new file.
func (l *Ledger) CopyTo(file string) error {
	return l.db.View(func(tx *bbolt.Tx) error { return tx.CopyFile(file, 0o600) })
}
