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

// tiers are the files of hashes. The first is the truth; the others follow from it.
type tiers struct {
	files   []*os.File
	buffers [][]byte // what is not yet written, by one goroutine
	written []int64  // hashes in the files
}

func tierPath(dir string, level int) string {
	return filepath.Join(dir, "hashes", fmt.Sprintf("%02d", level))
}

func openTiers(dir string) (*tiers, error) {
	t := &tiers{buffers: make([][]byte, len(arr.Tiers)), written: make([]int64, len(arr.Tiers))}
	for _, level := range arr.Tiers {
		f, err := os.OpenFile(tierPath(dir, level), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, errors.Join(err, t.close())
		}
		t.files = append(t.files, f)
	}
	return t, nil
}

func (t *tiers) close() error {
	var errs []error
	for _, f := range t.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// cut leaves the hashes of size leaves; tiers above the first that lack some are computed anew.
func (t *tiers) cut(size uint64) error {
	for i, f := range t.files {
		st, err := f.Stat()
		if err != nil {
			return err
		}
		due := int64(size >> arr.Tiers[i])
		have := st.Size() / tlog.HashSize
		switch {
		case have < due && i == 0:
			return &DamageError{File: "hashes/00", Seq: uint64(have), Reason: fmt.Sprintf("%d hashes are there, %d are sealed", have, due)}
		case have < due:
			if err := t.derive(i, have, due); err != nil {
				return err
			}
		case st.Size() > due*tlog.HashSize:
			if err := f.Truncate(due * tlog.HashSize); err != nil {
				return err
			}
		}
		t.written[i] = due
	}
	return nil
}

func (t *tiers) derive(i int, from, to int64) error {
	width := arr.Tiers[i] - arr.Tiers[i-1]
	below := make([]tlog.Hash, 1<<width)
	for n := from; n < to; n++ {
		if err := t.read(i-1, n<<width, below); err != nil {
			return err
		}
		var sub arr.Tree
		for _, h := range below {
			sub.Append(h, nil)
		}
		root := sub.Root()
		if _, err := t.files[i].WriteAt(root[:], n*tlog.HashSize); err != nil {
			return err
		}
	}
	return nil
}

func (t *tiers) read(tier int, n int64, h []tlog.Hash) error {
	b := make([]byte, len(h)*tlog.HashSize)
	if _, err := t.files[tier].ReadAt(b, n*tlog.HashSize); err != nil {
		return fmt.Errorf("hashes of %s: %w", filepath.Base(t.files[tier].Name()), err)
	}
	for i := range h {
		copy(h[i][:], b[i*tlog.HashSize:])
	}
	return nil
}

// add takes the hash of a subtree of 2^level leaves, when its level is kept.
func (t *tiers) add(level int, h tlog.Hash) {
	for i, kept := range arr.Tiers {
		if kept == level {
			t.buffers[i] = append(t.buffers[i], h[:]...)
		}
	}
}

func (t *tiers) write() error {
	for i, b := range t.buffers {
		if len(b) == 0 {
			continue
		}
		if _, err := t.files[i].WriteAt(b, t.written[i]*tlog.HashSize); err != nil {
			return err
		}
		t.written[i] += int64(len(b) / tlog.HashSize)
		t.buffers[i] = b[:0]
	}
	return nil
}

// sync makes the first tier durable: the others can be computed.
func (t *tiers) sync() error { return journal.Datasync(t.files[0]) }
