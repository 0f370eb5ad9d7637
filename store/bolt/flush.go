package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	bbolt "go.etcd.io/bbolt"
)

// flushState is what the flusher shares.
type flushState struct {
	latest   *overlay   // the newest overlay that was sent to the flusher; under visible
	applied  uint64     // journal sequence up to which bbolt has everything; under mu
	applying sync.Mutex // held while an overlay is being written into bbolt
}

// runFlusher writes frozen overlays into bbolt, and freezes what lies about when the store is idle.
func (db *DB) runFlusher() {
	var tick <-chan time.Time
	if db.opt.IdleFlush > 0 {
		t := time.NewTicker(db.opt.IdleFlush)
		defer t.Stop()
		tick = t.C
	}
	var last uint64
	for {
		select {
		case f := <-db.flush:
			db.settle(f)
		case <-tick:
			if now := db.lastQueued(); now == last {
				db.freeze()
			} else {
				last = now
			}
		case <-db.stop:
			return
		}
	}
}

func (db *DB) lastQueued() uint64 {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.head.last
}

// freeze freezes the head now, when it holds rows, all of them are durable and no overlay is being applied.
func (db *DB) freeze() {
	db.commit.Lock()
	defer db.commit.Unlock()
	db.mu.Lock()
	// With a batch forming the head is ahead of the disk; the leader of that batch seals it in its turn.
	if db.failed != nil || db.forming != nil || db.frozen != nil || db.head.rows.Len() == 0 {
		db.mu.Unlock()
		return
	}
	next := db.seal(true)
	db.mu.Unlock()
	db.publish(next)
}

// Flush returns when everything durable at its call is in the index.
func (db *DB) Flush() error {
	db.mu.Lock()
	goal := db.head.last
	db.mu.Unlock()
	for {
		db.freeze()
		db.mu.Lock()
		if db.frozen != nil && db.failed == nil {
			db.room.Wait()
		} else if b := db.forming; b != nil && db.failed == nil {
			db.mu.Unlock()
			<-b.done
			continue
		}
		failed := db.failed
		done := db.frozen == nil && (db.head.rows.Len() == 0 || db.flushes.applied >= goal)
		db.mu.Unlock()
		if failed != nil {
			return failed
		}
		if done {
			return nil
		}
	}
}

// settle applies an overlay and lets it go.
func (db *DB) settle(f *overlay) {
	if err := db.apply(f); err != nil {
		// The rows are safe in the journal and stay readable in memory; without room for more, updates must end.
		db.fail(fmt.Errorf("write index: %w", err))
		return
	}
	var dropped error
	if f.gone {
		// What was removed is out of the index; the segment that tells of it goes now, or, with updates under way, at the next flush.
		dropped = db.journal.Turn()
	}
	dropped = errors.Join(dropped, db.journal.DropBefore(f.last+1))
	db.mu.Lock()
	db.frozen = nil
	db.flushes.applied = f.last
	db.room.Broadcast()
	db.mu.Unlock()
	db.visible.Lock()
	if db.seen.frozen == f {
		db.seen.frozen = nil
	}
	db.visible.Unlock()
	if dropped != nil {
		db.fail(fmt.Errorf("remove journal: %w", dropped))
	}
}

// apply writes an overlay into bbolt in key order. Several transactions bound the memory bbolt needs; only the last one says how far
// the journal is applied, and repeating the others after a crash changes nothing.
func (db *DB) apply(f *overlay) error {
	db.flushes.applying.Lock()
	defer db.flushes.applying.Unlock()
	it := f.rows.Iter()
	more := it.First()
	for more {
		err := db.bb.Update(func(tx *bbolt.Tx) error {
			var b *bbolt.Bucket
			var name byte
			for n := 0; more && n < applyBytes; more = it.Next() {
				key, value := it.Key(), it.Value()
				if b == nil || key[0] != name {
					name = key[0]
					if b = tx.Bucket([]byte{name}); b == nil {
						return fmt.Errorf("row of unknown bucket %q", name)
					}
					b.FillPercent = fill(name)
				}
				n += len(key) + len(value) + perRow
				if err := write(b, []byte(key[1:]), value); err != nil {
					return err
				}
			}
			if more {
				return nil
			}
			return tx.Bucket([]byte{bMeta}).Put([]byte("applied"), binary.BigEndian.AppendUint64(nil, f.last))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

const applyBytes = 32 << 20

func write(b *bbolt.Bucket, key, value []byte) error {
	if value == nil {
		return b.Delete(key)
	}
	return b.Put(key, value)
}

// fill is how full bbolt leaves pages it splits: sequential buckets never come back to a page.
func fill(bucket byte) float64 {
	if strings.IndexByte("odasbANhvOX", bucket) >= 0 {
		return 0.98
	}
	return 0.7
}
