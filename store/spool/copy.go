package spool

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/passerelle-sante/passerelle/store/journal"
)

// CopyTo copies the messages of a spool in use to a new folder, which Open opens. Every message is in the copy that is in the spool from the first moment to the
// last; one that comes, goes or moves meanwhile may be.
func (s *Spool) CopyTo(dir string) (files, size int64, err error) {
	for _, sub := range []Folder{New, Held, "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, string(sub)), 0o700); err != nil {
			return files, size, err
		}
	}
	for _, in := range []Folder{New, Held, New} { // a message may move either way while we look
		ids, err := s.List(in)
		if err != nil {
			return files, size, err
		}
		for _, id := range ids {
			n, err := s.copyMessage(in, id, filepath.Join(dir, string(in), id))
			if err != nil {
				return files, size, err
			}
			if n > 0 {
				files, size = files+1, size+n
			}
		}
		if err := journal.SyncDir(filepath.Join(dir, string(in))); err != nil {
			return files, size, err
		}
	}
	return files, size, nil
}

// copyMessage copies what is there and not yet at its place, to a file of its own.
func (s *Spool) copyMessage(in Folder, id, to string) (n int64, err error) {
	f, bytes, _, err := s.open(in, id)
	if errors.Is(err, ErrNotHere) {
		return 0, nil
	}
	if errors.Is(err, ErrDamaged) { // as it is, for whoever looks into it
		s.mu.Lock()
		group := s.grouped[id].in.path
		s.mu.Unlock()
		to = filepath.Join(filepath.Dir(to), filepath.Base(group))
		f, err = os.Open(group)
		bytes = f
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n, err = io.Copy(out, bytes)
	if err == nil {
		err = journal.Datasync(out)
	}
	return n, errors.Join(err, out.Close())
}
