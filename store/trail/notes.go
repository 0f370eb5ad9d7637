package trail

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/passerelle-sante/passerelle/atna/arr"
	"github.com/passerelle-sante/passerelle/store/journal"
)

// lastNotes is how much of the end of a file of notes is read: many of the largest.
const lastNotes = 256 << 10

// wholeFrom gives where the first whole note begins in a part of a file of notes: after an empty line that no signatures follow.
func wholeFrom(b []byte) int {
	at := 0
	for {
		i := bytes.Index(b[at:], []byte("\n\n"))
		if i < 0 {
			return len(b)
		}
		if at += i + 2; !bytes.HasPrefix(b[at:], []byte("\u2014 ")) {
			return at
		}
	}
}

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
	from := max(0, st.Size()-lastNotes)
	b, err := io.ReadAll(io.NewSectionReader(f, from, lastNotes))
	if err != nil {
		return nil, err
	}
	if from > 0 {
		from += int64(wholeFrom(b))
		b = b[from-(st.Size()-lastNotes):]
	}
	notes, end := arr.SplitNotes(b)
	if from+int64(end) < st.Size() {
		if err := errors.Join(f.Truncate(from+int64(end)), f.Sync()); err != nil {
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
