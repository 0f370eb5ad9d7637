package trail

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/passerelle-sante/passerelle/atna/arr"
	"github.com/passerelle-sante/passerelle/store/journal"
)

// Expire removes records that arrived before a moment: from the oldest on, a segment at a time, as far as all of a segment is older. Their
// hashes stay, and a signed statement tells of it before anything is removed. It gives the first record that remains.
func (t *Trail) Expire(ctx context.Context, before time.Time) (uint64, error) {
	if err := t.Flush(ctx); err != nil {
		return 0, err
	}
	end, err := t.expirable(before)
	if err != nil || end == 0 {
		return t.expiredNow(), err
	}
	tree, err := arr.TreeOf(end, t.hashes())
	if err != nil {
		return 0, err
	}
	e := arr.Expiry{Origin: t.origin, End: end, Root: tree.Root(), Before: before, Time: t.opt.Clock()}
	signed, err := arr.SignText(e.Text(), t.signer)
	if err != nil {
		return 0, err
	}
	if err := addNote(filepath.Join(t.dir, "expired"), signed); err != nil {
		return 0, err
	}
	return end, t.forget(end)
}

// expirable gives where the records that may go end; 0 when none may. A segment that is being written and may go takes no more blocks.
func (t *Trail) expirable(before time.Time) (uint64, error) {
	t.writing.Lock()
	defer t.writing.Unlock()
	t.mu.Lock()
	segments, sealed, expired := t.segments, t.sealed.Size, t.expired
	t.mu.Unlock()
	end := uint64(0)
	for _, s := range segments {
		whole, err := s.walk(false)
		if err != nil {
			return 0, err
		}
		s.mu.Lock()
		last, newest, read := s.end, s.newest, whole == s.size
		s.mu.Unlock()
		if !read {
			return 0, s.damage(last, "no block where one should begin: verify the log before records expire")
		}
		if !newest.Before(before) || last > sealed {
			break
		}
		end, s.full = last, true
	}
	if end <= expired {
		return 0, nil
	}
	return end, nil
}

// forget makes the statement true: nobody reads the records any more, the index forgets them, their files go.
func (t *Trail) forget(end uint64) error {
	t.mu.Lock()
	t.expired = end
	var old []*segment
	for len(t.segments) > 0 && t.segments[0].end <= end && t.segments[0].first < end {
		old = append(old, t.segments[0])
		t.segments = t.segments[1:]
	}
	t.mu.Unlock()
	t.last.mu.Lock()
	t.last.leaves = nil
	t.last.mu.Unlock()
	err := t.index.expire(end)
	for _, s := range old {
		err = errors.Join(err, s.close(), os.Remove(s.path))
	}
	return errors.Join(err, journal.SyncDir(filepath.Join(t.dir, "records")))
}

// writeFile writes a file at once and durably.
func writeFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "*.tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return journal.SyncDir(filepath.Dir(path))
}
