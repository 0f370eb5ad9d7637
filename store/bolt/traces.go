package bolt

import (
	"context"
	"errors"
	"fmt"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
)

var errUnknownPatient = errors.New("no patient of that identifier is kept")

// number gives the number of a patient who must be there.
func (t patientTx) number(id hl7.CX) (uint64, error) {
	at, err := t.place(id)
	if err == nil && at.number == 0 {
		err = errUnknownPatient
	}
	return at.number, err
}

// Merge implements manager.Tx.
func (t patientTx) Merge(prior hl7.CX) (pix.Merge, bool, error) {
	at, err := t.place(prior)
	if err != nil || at.number == 0 {
		return pix.Merge{}, false, err
	}
	v, err := t.get(seqKey(nil, bMerge, at.number))
	if err != nil || v == nil {
		return pix.Merge{}, false, err
	}
	m, err := decodeMerge(v)
	if err != nil {
		return pix.Merge{}, false, fmt.Errorf("merge of patient %d: %w", at.number, err)
	}
	return m, true, nil
}

// PutMerge implements manager.Tx.
func (t patientTx) PutMerge(m pix.Merge) error {
	if t.tx == nil {
		return ErrReadOnly
	}
	n, err := t.number(m.Prior.ID)
	if err != nil {
		return err
	}
	t.tx.buf = appendMerge(t.tx.buf[:0], &m)
	t.tx.put(seqKey(nil, bMerge, n), t.tx.buf)
	return nil
}

// DeleteMerge implements manager.Tx.
func (t patientTx) DeleteMerge(prior hl7.CX) error {
	if t.tx == nil {
		return ErrReadOnly
	}
	n, err := t.number(prior)
	if err != nil {
		return err
	}
	t.tx.put(seqKey(nil, bMerge, n), nil)
	return nil
}

// AddHistory implements manager.Tx.
func (t patientTx) AddHistory(id hl7.CX, c pix.Change) error {
	if t.tx == nil {
		return ErrReadOnly
	}
	n, err := t.number(id)
	if err != nil {
		return err
	}
	prefix := seqKey(nil, bHistory, n)
	var rows [][]byte
	err = t.scan(prefix, nil, func(key, _ []byte) (bool, error) {
		rows = append(rows, append([]byte(nil), key...))
		return true, nil
	})
	if err != nil {
		return err
	}
	next := uint64(1)
	if len(rows) > 0 {
		if next, err = seqOf(rows[len(rows)-1]); err != nil {
			return err
		}
		next++
	}
	for _, key := range rows[:max(0, len(rows)-pix.MaxHistory+1)] {
		t.tx.put(key, nil)
	}
	t.tx.buf = appendChange(t.tx.buf[:0], &c)
	t.tx.put(appendSeq(prefix, next), t.tx.buf)
	return nil
}

// History implements manager.Tx.
func (t patientTx) History(id hl7.CX) ([]pix.Change, error) {
	at, err := t.place(id)
	if err != nil || at.number == 0 {
		return nil, err
	}
	var list []pix.Change
	err = t.scan(seqKey(nil, bHistory, at.number), nil, func(_, value []byte) (bool, error) {
		c, err := decodeChange(value)
		list = append(list, c)
		return true, err
	})
	return list, err
}

// Announce implements manager.Tx.
func (t patientTx) Announce(c pix.CrossReference) error {
	if t.tx == nil {
		return ErrReadOnly
	}
	t.tx.db.counts.crossing++
	c.Seq = t.tx.db.counts.crossing
	t.tx.buf = appendCrossReference(t.tx.buf[:0], &c)
	t.tx.put(seqKey(nil, bCrossing, c.Seq), t.tx.buf)
	return nil
}

// CrossReferences is the outbox of changed cross-references: what subscribers of ITI-10 and ITI-46 are to be told.
type CrossReferences struct{ db *DB }

// CrossReferences gives the store as those see it who deliver.
func (db *DB) CrossReferences() *CrossReferences { return &CrossReferences{db} }

// From gives up to max events whose number is seq or greater, in order.
func (o *CrossReferences) From(ctx context.Context, seq uint64, max int) ([]pix.CrossReference, error) {
	var found []pix.CrossReference
	err := o.db.view(ctx, func(r *reader) error {
		var after []byte
		if seq > 1 {
			after = seqKey(nil, bCrossing, seq-1)
		}
		return r.scan([]byte{bCrossing}, after, func(key, value []byte) (bool, error) {
			if len(found) >= max {
				return false, nil
			}
			c, err := decodeCrossReference(value)
			if err != nil {
				return false, fmt.Errorf("cross-reference event: %w", err)
			}
			found = append(found, c)
			return true, nil
		})
	})
	return found, err
}

// Last is the number of the newest event, 0 when there is none.
func (o *CrossReferences) Last(context.Context) (uint64, error) {
	o.db.mu.Lock()
	defer o.db.mu.Unlock()
	return o.db.counts.crossing, nil
}

// cursorName keeps the places of deliverers apart from those of readers of the audit trail.
func cursorName(name string) string { return "crossref " + name }

// Cursor gives the number a deliverer noted under a name, 0 when it never did.
func (o *CrossReferences) Cursor(ctx context.Context, name string) (uint64, error) {
	return o.db.Audit().Cursor(ctx, cursorName(name))
}

// SetCursor notes how far a deliverer has come.
func (o *CrossReferences) SetCursor(ctx context.Context, name string, seq uint64) error {
	return o.db.Audit().SetCursor(ctx, cursorName(name), seq)
}

// Trim forgets the events before seq, some of them each time it is called.
func (o *CrossReferences) Trim(ctx context.Context, seq uint64) error {
	return o.db.update(ctx, func(tx *writeTx) error {
		n := 0
		return tx.scan([]byte{bCrossing}, nil, func(key, _ []byte) (bool, error) {
			at, err := seqOf(key)
			if err != nil || at >= seq || n == 10_000 {
				return false, err
			}
			n++
			tx.put(key, nil)
			return true, nil
		})
	})
}
