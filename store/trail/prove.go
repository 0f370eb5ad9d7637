package trail

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/passerelle-sante/passerelle/atna/arr"
)

// Checkpoints reads the signed checkpoints whose size is at least from, oldest first.
func (t *Trail) Checkpoints(from uint64) ([][]byte, error) {
	b, err := os.ReadFile(filepath.Join(t.dir, "checkpoints"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	notes, _ := arr.SplitNotes(b)
	for i, n := range slices.Backward(notes) {
		c, _, err := arr.OpenCheckpoint(n, t.keys)
		if err != nil {
			return nil, fmt.Errorf("checkpoint %d: %w", i, err)
		}
		if c.Size < from {
			return notes[i+1:], nil
		}
	}
	return notes, nil
}

// newest gives the newest checkpoint, and as signed.
func (t *Trail) newest() (arr.Checkpoint, []byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.signed == nil {
		return t.sealed, nil, errors.New("the log has no checkpoint yet")
	}
	return t.sealed, t.signed, nil
}

// Prove gives the proof that a record is in the log, under the newest checkpoint. A record that is too new for it is put under one first.
func (t *Trail) Prove(ctx context.Context, seq uint64) (arr.Inclusion, error) {
	leaves, err := t.leaves(seq)
	if err != nil {
		return arr.Inclusion{}, err
	}
	if seq >= t.Checkpoint().Size {
		if err := t.Flush(ctx); err != nil {
			return arr.Inclusion{}, err
		}
	}
	c, signed, err := t.newest()
	if err != nil {
		return arr.Inclusion{}, err
	}
	return arr.ProveInclusion(seq, leaves[0], signed, c.Size, t.hashes())
}

// ProveSince gives the proof that the log of the newest checkpoint begins with that of an older one; nil stands for the empty log.
func (t *Trail) ProveSince(older []byte) (arr.Consistency, error) {
	c, signed, err := t.newest()
	if err != nil {
		return arr.Consistency{}, err
	}
	if len(older) == 0 {
		return arr.Consistency{Newer: signed}, nil
	}
	o, _, err := arr.OpenCheckpoint(older, t.keys)
	if err != nil {
		return arr.Consistency{}, err
	}
	return arr.ProveConsistency(o, c, older, signed, t.hashes())
}

func (t *Trail) hashes() tlog.HashReader { return arr.HashTiers(t.tiers.read) }

// Countersigned keeps a checkpoint of this log that a witness signed too. keys are those of the witnesses.
func (t *Trail) Countersigned(signed []byte, witnesses string) error {
	keys, err := arr.Keys(t.opt.Key.Public + "\n" + t.opt.OldKeys + "\n" + witnesses)
	if err != nil {
		return err
	}
	c, n, err := arr.OpenCheckpoint(signed, keys)
	if err != nil {
		return err
	}
	if len(n.Sigs) < 2 {
		return errors.New("no witness that is known has signed the checkpoint")
	}
	if c.Size > t.Checkpoint().Size {
		return fmt.Errorf("the checkpoint tells of %d records, the log holds %d", c.Size, t.Checkpoint().Size)
	}
	return addNote(filepath.Join(t.dir, arr.CountersName), signed)
}

// Stamp has the newest checkpoint stamped by a time-stamping authority, and keeps the answer.
func (t *Trail) Stamp(ctx context.Context, s *arr.Stamper) (arr.Checkpoint, time.Time, error) {
	c, _, err := t.newest()
	if err != nil {
		return c, time.Time{}, err
	}
	response, at, err := s.Stamp(ctx, arr.StampDigest(c))
	if err != nil {
		return c, at, err
	}
	return c, at, writeFile(filepath.Join(t.dir, filepath.FromSlash(arr.StampName(c.Size))), response)
}
