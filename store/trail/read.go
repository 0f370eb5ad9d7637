package trail

import (
	"context"
	"errors"

	"github.com/passerelle-sante/passerelle/atna/arr"
)

// Read gives one record.
func (t *Trail) Read(ctx context.Context, seq uint64) (arr.Record, error) {
	if err := ctx.Err(); err != nil {
		return arr.Record{}, err
	}
	leaves, err := t.leaves(seq)
	if err != nil {
		return arr.Record{}, err
	}
	return record(seq, leaves[0])
}

func record(seq uint64, leaf []byte) (arr.Record, error) {
	r, err := arr.ParseLeaf(leaf)
	if err != nil {
		return arr.Record{}, &DamageError{File: "records", Seq: seq, Reason: err.Error()}
	}
	return arr.Record{Seq: seq, Received: r}, nil
}

// Scan gives records from a number on, in order, until f says no or what is durable now ends. It passes over expired ones.
func (t *Trail) Scan(ctx context.Context, from uint64, f func(arr.Record) (bool, error)) error {
	end := t.Size()
	for seq := from; seq < end; {
		if err := ctx.Err(); err != nil {
			return err
		}
		leaves, err := t.leaves(seq)
		if errors.Is(err, arr.ErrExpired) {
			t.mu.Lock()
			seq = max(seq+1, t.expired)
			t.mu.Unlock()
			continue
		}
		if err != nil {
			return err
		}
		for _, leaf := range leaves[:min(uint64(len(leaves)), end-seq)] {
			r, err := record(seq, leaf)
			if err != nil {
				return err
			}
			if more, err := f(r); err != nil || !more {
				return err
			}
			seq++
		}
	}
	return nil
}
