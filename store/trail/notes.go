package trail

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/passerelle-sante/passerelle/atna/arr"
	"github.com/passerelle-sante/passerelle/store/journal"
)

// lastNote gives the last whole note of a file of notes, and cuts what a crash left after it. There may be none.
func lastNote(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	notes, end := arr.SplitNotes(b)
	if int64(end) < st.Size() {
		if err := errors.Join(f.Truncate(int64(end)), f.Sync()); err != nil {
			return nil, err
		}
	}
	if len(notes) == 0 {
		return nil, nil
	}
	return notes[len(notes)-1], nil
}

// addNote appends a note, durably.
func addNote(path string, signed []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(arr.AppendNote(nil, signed))
	if err = errors.Join(err, journal.Datasync(f), f.Close()); err != nil {
		return err
	}
	return journal.SyncDir(filepath.Dir(path))
}
