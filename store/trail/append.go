package trail

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/passerelle-sante/passerelle/atna/arr"
)

// entry is a record as the log keeps it.
type entry struct {
	leaf []byte
	at   int64
	hash tlog.Hash
}

// waiting is one Append until it is durable.
type waiting struct {
	entries []entry
	bytes   int
	first   uint64
	err     error
	done    chan struct{}
}

// maxBatch bounds what one flush takes together.
const maxBatch = 8 << 20

// Append keeps records in this order and returns when they are durable. It waits while the backlog is full. Once its records are handed
// over, a cancelled context no longer takes them back.
func (t *Trail) Append(ctx context.Context, records []arr.Received) (uint64, error) {
	w := &waiting{entries: make([]entry, len(records)), done: make(chan struct{})}
	for i := range records {
		r := &records[i]
		if len(r.Raw)+len(r.Peer) > arr.MaxRecord {
			return 0, arr.ErrTooLarge
		}
		leaf := arr.AppendLeaf(make([]byte, 0, len(r.Raw)+len(r.Peer)+24), r)
		w.entries[i] = entry{leaf, r.At.UnixNano(), arr.HashLeaf(leaf)}
		w.bytes += len(leaf)
	}
	if err := t.enqueue(ctx, w); err != nil {
		return 0, err
	}
	<-w.done
	return w.first, w.err
}

func (t *Trail) enqueue(ctx context.Context, w *waiting) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.change.Broadcast()
	})
	defer stop()
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.bytes >= t.opt.Backlog && t.failed == nil && !t.closing && ctx.Err() == nil {
		t.change.Wait()
	}
	switch {
	case t.failed != nil:
		return fmt.Errorf("the audit trail takes no records: %w", t.failed)
	case t.closing:
		return ErrClosed
	case ctx.Err() != nil:
		return ctx.Err()
	}
	t.bytes += w.bytes
	t.queue = append(t.queue, w)
	t.change.Broadcast()
	return nil
}

// commitLoop makes durable, with one flush, all that waits.
func (t *Trail) commitLoop() {
	var payloads [][]byte
	for {
		batch := t.nextBatch()
		if batch == nil {
			return
		}
		payloads = payloads[:0]
		for _, w := range batch {
			for _, e := range w.entries {
				payloads = append(payloads, e.leaf)
			}
		}
		var err error
		if len(payloads) > 0 {
			_, err = t.journal.Append(payloads)
		}
		clear(payloads)
		t.publish(batch, err)
		if err != nil {
			t.fail(err)
		}
	}
}

// nextBatch waits for something to write; nil is the end.
func (t *Trail) nextBatch() []*waiting {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.queue) == 0 {
		if t.closing {
			t.seal.last = true
			t.change.Broadcast()
			return nil
		}
		t.change.Wait()
	}
	n, bytes := 0, 0
	for n < len(t.queue) && (n == 0 || bytes < maxBatch) {
		bytes += t.queue[n].bytes
		n++
	}
	batch := t.queue[:n:n]
	t.queue = t.queue[n:]
	return batch
}

// publish shows what became durable.
func (t *Trail) publish(batch []*waiting, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range batch {
		if w.err = err; err == nil {
			w.first = t.size()
			t.tail = append(t.tail, w.entries...)
			t.pace.count(len(w.entries), time.Now())
		} else {
			t.bytes -= w.bytes
		}
		close(w.done)
	}
	t.change.Broadcast()
}

// rush is the time over which the pace of appending is measured; someInRush is 2,000 records a second, manyInRush 20,000.
const (
	rush       = 20 * time.Millisecond
	someInRush = 40
	manyInRush = 400
)

// pace counts what is appended in stretches of time.
type pace struct {
	began  time.Time
	now    int // records since
	before int // records of the stretch before
}

func (p *pace) count(n int, at time.Time) {
	switch since := at.Sub(p.began); {
	case since >= 2*rush:
		p.began, p.before, p.now = at, 0, 0
	case since >= rush:
		p.began, p.before, p.now = at, p.now, 0
	}
	p.now += n
}

// inRush tells how many records came in the last rush.
func (t *Trail) inRush() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.pace.began) >= 2*rush || t.closing {
		return 0
	}
	return max(t.pace.before, t.pace.now)
}
