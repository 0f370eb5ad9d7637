package bolt

import (
	"context"
	"fmt"
	"slices"

	bbolt "go.etcd.io/bbolt"
)

// batch is the updates that one write and one flush make durable.
type batch struct {
	records [][]byte
	gone    []uint64 // objects that these updates removed
	done    chan struct{}
	err     error
}

// writeTx is a running update. It changes the head at once and takes it back when it fails: nobody else sees the head meanwhile.
type writeTx struct {
	reader
	db     *DB
	undo   []change
	record []byte
	buf    []byte // for encoding values
	before counts
	gone   []uint64
}

type change struct {
	key  string
	prev []byte
	had  bool
}

// put writes a row. A nil value deletes it.
func (tx *writeTx) put(key, value []byte) {
	k, v := tx.db.keep(key, value)
	prev, had := tx.db.head.set(k, v)
	tx.undo = append(tx.undo, change{k, prev, had})
	tx.record = appendRow(tx.record, key, value)
}

func (tx *writeTx) rollback() {
	for _, c := range slices.Backward(tx.undo) {
		tx.db.head.unset(c.key, c.prev, c.had)
	}
	tx.db.counts = tx.before
}

// update runs fn alone and returns when its rows are durable and visible.
func (db *DB) update(ctx context.Context, fn func(*writeTx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b, leads, err := db.enqueue(fn)
	if err != nil || b == nil {
		return err
	}
	if leads {
		db.commitBatch(b)
	}
	<-b.done
	return b.err
}

// enqueue runs fn and puts its record into the batch being formed. The first to join a batch leads it.
func (db *DB) enqueue(fn func(*writeTx) error) (b *batch, leads bool, err error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	for db.failed == nil && db.frozen != nil && db.head.size >= 2*db.opt.OverlayLimit {
		db.room.Wait()
	}
	if db.failed != nil {
		return nil, false, fmt.Errorf("store is closed to updates: %w", db.failed)
	}
	record, gone, err := db.run(fn)
	if err != nil {
		return nil, false, err
	}
	if len(record) == 0 {
		// It changed nothing, but may have read what is not durable yet: its word stands once that does.
		return db.latest, false, nil
	}
	if db.forming == nil {
		db.forming = &batch{done: make(chan struct{})}
		db.latest = db.forming
		leads = true
	}
	db.forming.records = append(db.forming.records, record)
	db.forming.gone = append(db.forming.gone, gone...)
	db.head.gone = db.head.gone || len(gone) > 0
	db.head.last++
	return db.forming, leads, nil
}

// run calls fn on a transaction and takes its changes back when it fails, also by panic.
func (db *DB) run(fn func(*writeTx) error) (record []byte, gone []uint64, err error) {
	tx := &writeTx{db: db, before: db.counts, record: db.record(), undo: db.undo[:0], buf: db.buf}
	tx.reader = reader{layers: layers{active: db.head, frozen: db.frozen}}
	// The index is opened when first needed. It may by then hold more of the frozen overlay, which is read first anyway, and nothing
	// newer: to freeze the head takes the lock that this update holds.
	tx.open = func() (*bbolt.Tx, error) { return db.bb.Begin(false) }
	done := false
	defer func() {
		if !done {
			tx.rollback()
		}
		tx.close()
		db.buf = tx.buf
		clear(tx.undo)
		db.undo = tx.undo[:0]
	}()
	if err := fn(tx); err != nil {
		return nil, nil, err
	}
	if db.counts != tx.before {
		tx.buf = db.counts.append(tx.buf[:0])
		tx.put(countsKey(), tx.buf)
	}
	done = true
	return tx.record, tx.gone, nil
}

// commitBatch is the leader's part: wait for the batch before, close this one, write it, show it.
func (db *DB) commitBatch(b *batch) {
	db.commit.Lock()
	defer db.commit.Unlock()
	db.mu.Lock()
	db.forming = nil
	err := db.failed
	var next layers
	if err == nil {
		next = db.seal(db.head.size >= db.opt.OverlayLimit)
	}
	db.mu.Unlock()
	if err == nil {
		_, err = db.journal.Append(b.records)
		if err != nil {
			db.fail(err)
		} else {
			db.publish(next)
			db.cache.drop(b.gone)
		}
	}
	for _, r := range b.records {
		db.release(r)
	}
	b.records = nil
	b.err = err
	close(b.done)
}

// record gives an empty buffer for a journal record.
func (db *DB) record() []byte {
	if r, ok := db.records.Get().(*[]byte); ok {
		return (*r)[:0]
	}
	return make([]byte, 0, 8<<10)
}

func (db *DB) release(record []byte) {
	if cap(record) <= 1<<20 {
		db.records.Put(&record)
	}
}

// seal gives the layers as of now, and freezes the head when asked to and none is frozen. Both locks are held.
func (db *DB) seal(freeze bool) layers {
	if !freeze || db.frozen != nil || db.head.rows.Len() == 0 {
		return layers{active: db.head.copy(), frozen: db.frozen}
	}
	last := db.head.last
	db.frozen, db.head = db.head, newOverlay()
	db.head.last = last
	db.arena = nil
	return layers{active: db.head.copy(), frozen: db.frozen}
}

// publish shows durable layers to views and, when an overlay was frozen, lets it be applied.
func (db *DB) publish(next layers) {
	db.visible.Lock()
	fresh := next.frozen != nil && next.frozen != db.flushes.latest
	if fresh {
		db.flushes.latest = next.frozen
	}
	db.seen = next
	db.visible.Unlock()
	if fresh {
		db.flush <- next.frozen
	}
}

func (db *DB) fail(err error) {
	db.mu.Lock()
	db.failed = err
	db.room.Broadcast()
	db.mu.Unlock()
}
