package trail

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/passerelle-sante/passerelle/atna/arr"
	"github.com/passerelle-sante/passerelle/store/journal"
)

// recover finds out how far checkpoints, tiers, segments and journal go, and brings them together.
func (t *Trail) recover() error {
	if err := t.recoverNotes(); err != nil {
		return err
	}
	var err error
	if t.tiers, err = openTiers(t.dir); err != nil {
		return err
	}
	if err := t.recoverJournal(); err != nil {
		return err
	}
	if err := t.recoverTree(); err != nil {
		return err
	}
	if err := t.recoverSegments(); err != nil {
		return err
	}
	if err := t.recoverTail(); err != nil {
		return err
	}
	return t.rehash()
}

// recoverJournal opens the journal. It lets go only of what is under a checkpoint: when it begins beyond the newest, later ones are
// missing, and nothing may be cut to fit.
func (t *Trail) recoverJournal() (err error) {
	if t.journal, err = journal.Open(filepath.Join(t.dir, "journal"), journal.Options{SegmentSize: t.opt.JournalSegment}); err != nil {
		return journalDamage(err)
	}
	st, err := t.tiers.files[0].Stat()
	if err != nil {
		return err
	}
	if t.journal.First()-1 > t.sealed.Size || t.journal.Next() == 1 && t.sealed.Size == 0 && st.Size() > 0 {
		return &DamageError{File: "checkpoints", Seq: t.sealed.Size, Reason: "later checkpoints are missing"}
	}
	return nil
}

// recoverTree reads the tree of the newest checkpoint. Tiers above the first are not flushed: when they do not fit they are computed anew.
func (t *Trail) recoverTree() error {
	for range 2 {
		if err := t.tiers.cut(t.sealed.Size); err != nil {
			return err
		}
		tree, err := arr.TreeOf(t.sealed.Size, t.hashes())
		if err != nil {
			return err
		}
		if t.seal.tree = tree; tree.Root() == t.sealed.Root || t.sealed.Size == 0 {
			return nil
		}
		for _, f := range t.tiers.files[1:] {
			if err := f.Truncate(0); err != nil {
				return err
			}
		}
	}
	return &DamageError{File: "hashes", Seq: t.sealed.Size, Reason: "the tree is not the one of the newest checkpoint"}
}

func (t *Trail) recoverNotes() error {
	signed, err := lastNote(filepath.Join(t.dir, "checkpoints"))
	if err != nil {
		return err
	}
	if signed != nil {
		if t.sealed, _, err = arr.OpenCheckpoint(signed, t.keys); err != nil {
			return &DamageError{File: "checkpoints", Reason: err.Error()}
		}
		t.signed = signed
	}
	if signed, err = lastNote(filepath.Join(t.dir, "expired")); err != nil || signed == nil {
		return err
	}
	e, err := arr.OpenExpiry(signed, t.keys)
	if err != nil {
		return &DamageError{File: "expired", Reason: err.Error()}
	}
	t.expired = e.End
	return nil
}

// recoverSegments removes what expired, cuts the torn end, and says where the backlog begins.
func (t *Trail) recoverSegments() (err error) {
	if t.segments, err = openSegments(filepath.Join(t.dir, "records")); err != nil {
		return err
	}
	for len(t.segments) > 0 {
		s, end := t.segments[0], t.expired
		if len(t.segments) > 1 {
			end = t.segments[1].first
		} else if _, err := s.walk(false); err != nil {
			return err
		} else if s.walked {
			end = s.end
		}
		if s.first >= t.expired || end > t.expired {
			break
		}
		if err := errors.Join(s.close(), os.Remove(s.path)); err != nil {
			return err
		}
		t.segments = t.segments[1:]
	}
	t.first = t.expired
	if len(t.segments) == 0 {
		return nil
	}
	if first := t.segments[0].first; first > t.expired {
		return &DamageError{File: "records", Seq: t.expired, Reason: fmt.Sprintf("records before %d are missing and no expiry tells of them", first)}
	}
	s := t.segments[len(t.segments)-1]
	s.walked = false
	end, err := s.walk(true)
	if err != nil {
		return err
	}
	if end < s.size {
		// Either the torn end of a write, whose records the journal still holds, or damage: then the journal does not.
		t.seal.torn = end
	}
	t.first = s.end
	return nil
}

// recoverTail reads from the journal what is in no block.
func (t *Trail) recoverTail() (err error) {
	if t.journal.Next() == 1 {
		if err := t.journal.StartAt(t.first + 1); err != nil {
			return &DamageError{File: "journal", Seq: t.first, Reason: err.Error()}
		}
	}
	end := t.journal.Next() - 1
	if end < max(t.first, t.sealed.Size) {
		return &DamageError{File: "journal", Seq: end, Reason: fmt.Sprintf("records up to %d were sealed and are missing", max(t.first, t.sealed.Size)-1)}
	}
	err = t.journal.Replay(t.first+1, func(_ uint64, leaf []byte) error {
		r, err := arr.ParseLeaf(leaf)
		if err != nil {
			return &DamageError{File: "journal", Seq: t.size(), Reason: err.Error()}
		}
		t.tail = append(t.tail, entry{leaf, r.At.UnixNano(), arr.HashLeaf(leaf)})
		t.bytes += len(leaf)
		return nil
	})
	if err != nil && t.seal.torn > 0 && len(t.tail) == 0 {
		return &DamageError{File: "records", Seq: t.first, Reason: "its block is damaged"}
	}
	if err != nil {
		return journalDamage(err)
	}
	if t.seal.torn == 0 {
		return nil
	}
	s := t.segments[len(t.segments)-1]
	if err := errors.Join(s.file.Truncate(t.seal.torn), s.file.Sync()); err != nil {
		return err
	}
	s.size, s.walked = t.seal.torn, true
	return nil
}

func journalDamage(err error) error {
	var damage *journal.CorruptError
	if !errors.As(err, &damage) {
		return &DamageError{File: "journal", Reason: err.Error()}
	}
	return &DamageError{File: "journal", Seq: max(damage.Record, 1) - 1, Reason: err.Error()}
}

// rehash brings the tree to the end of the blocks, and checks what is under a checkpoint and in no block.
func (t *Trail) rehash() error {
	for seq := t.first; seq < t.sealed.Size; seq++ {
		var h [1]tlog.Hash
		if err := t.tiers.read(0, int64(seq), h[:]); err != nil {
			return err
		}
		if h[0] != t.tail[seq-t.first].hash {
			return &DamageError{File: "journal", Seq: seq, Reason: "the record is not the one that was sealed"}
		}
	}
	for seq := t.sealed.Size; seq < t.first; {
		leaves, err := t.leaves(seq)
		if err != nil {
			return err
		}
		for _, leaf := range leaves {
			t.seal.grow(t.tiers, arr.HashLeaf(leaf))
			seq++
		}
	}
	return nil
}
