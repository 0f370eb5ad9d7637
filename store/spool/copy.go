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
			n, err := copyFile(s.path(in, id), filepath.Join(dir, string(in), id))
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

// copyFile copies what is there and not yet at its place.
func copyFile(from, to string) (n int64, err error) {
	in, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n, err = io.Copy(out, in)
	if err == nil {
		err = journal.Datasync(out)
	}
	return n, errors.Join(err, out.Close())
}
