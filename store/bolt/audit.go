package bolt

import (
	"context"
	"errors"
	"fmt"

	"github.com/passerelle-sante/passerelle/atna"
)

var _ atna.Recorder = (*Audit)(nil)

// Audit is the audit trail's side of a store: every message in the order it became durable.
type Audit struct{ db *DB }

// Audit gives the store as recorders and forwarders of audit messages see it.
func (db *DB) Audit() *Audit { return &Audit{db} }

// Stored is a message of the trail and its number, from 1 without a gap.
type Stored struct {
	Seq     uint64
	Message *atna.AuditMessage
}

// Record implements atna.Recorder.
func (a *Audit) Record(ctx context.Context, m *atna.AuditMessage) error {
	if m == nil {
		return errNoMessage
	}
	if AuditDiscarded {
		return nil
	}
	value := appendAudit(nil, m) // before the lock: most messages come alone, and encoding is most of their work
	return a.db.update(ctx, func(tx *writeTx) error { return tx.recordEncoded(value) })
}

var errNoMessage = errors.New("no audit message given")

func (tx *writeTx) recordMessage(m *atna.AuditMessage) error {
	if m == nil {
		return errNoMessage
	}
	if AuditDiscarded {
		return nil
	}
	tx.buf = appendAudit(tx.buf[:0], m)
	return tx.recordEncoded(tx.buf)
}

func (tx *writeTx) recordEncoded(value []byte) error {
	tx.db.counts.audit++
	tx.key = seqKey(tx.key[:0], bAudit, tx.db.counts.audit)
	tx.put(tx.key, value)
	return nil
}

// From gives up to max messages whose number is seq or greater, in order.
func (a *Audit) From(ctx context.Context, seq uint64, max int) ([]Stored, error) {
	var found []Stored
	err := a.db.view(ctx, func(r *reader) error {
		var after []byte
		if seq > 1 {
			after = seqKey(nil, bAudit, seq-1)
		}
		return r.scan([]byte{bAudit}, after, func(key, value []byte) (bool, error) {
			if len(found) >= max {
				return false, nil
			}
			n, err := seqOf(key)
			if err != nil {
				return false, err
			}
			m, err := decodeAudit(value)
			if err != nil {
				return false, fmt.Errorf("audit message %d: %w", n, err)
			}
			found = append(found, Stored{n, m})
			return true, nil
		})
	})
	return found, err
}

// Cursor gives the number a reader of the trail noted under a name, 0 when it never did.
func (a *Audit) Cursor(ctx context.Context, name string) (seq uint64, err error) {
	err = a.db.view(ctx, func(r *reader) error {
		v, err := r.get(textKey(nil, bCursor, name))
		if err != nil || v == nil {
			return err
		}
		seq, err = seqOf(v)
		return err
	})
	return seq, err
}

// SetCursor notes how far a reader of the trail has come.
func (a *Audit) SetCursor(ctx context.Context, name string, seq uint64) error {
	return a.db.update(ctx, func(tx *writeTx) error {
		tx.put(textKey(nil, bCursor, name), appendSeq(nil, seq))
		return nil
	})
}
