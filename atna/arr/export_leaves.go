package arr

import (
	"errors"
	"io"
	"io/fs"

	"golang.org/x/mod/sumdb/tlog"
)

// readAhead is the hashes read at once.
const readAhead = 1 << 15

// leafFile is hashes/00, read ahead.
type leafFile struct {
	file  fs.File
	count uint64
	first uint64
	ahead []byte
	err   error
}

var errNoSeek = errors.New("the log's files cannot be read at a place: unpack them into a folder")

func openLeaves(files fs.FS) (*leafFile, error) {
	f, err := files.Open("hashes/00")
	if errors.Is(err, fs.ErrNotExist) {
		return &leafFile{}, nil
	}
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil {
		if _, ok := f.(io.ReaderAt); !ok {
			err = errNoSeek
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &leafFile{file: f, count: uint64(st.Size()) / tlog.HashSize}, nil
}

func (l *leafFile) close() {
	if l.file != nil {
		_ = l.file.Close()
	}
}

// at gives the stored hash of a record, when there is one.
func (l *leafFile) at(n uint64) (h tlog.Hash, ok bool) {
	if n >= l.count || l.err != nil {
		return h, false
	}
	if n < l.first || n >= l.first+uint64(len(l.ahead))/tlog.HashSize {
		// A little is kept behind: the tree and the records do not walk in step.
		from := n - min(n, readAhead/4)
		size := min(readAhead, l.count-from) * tlog.HashSize
		if uint64(cap(l.ahead)) < size {
			l.ahead = make([]byte, readAhead*tlog.HashSize)
		}
		l.first, l.ahead = from, l.ahead[:size]
		if _, l.err = l.file.(io.ReaderAt).ReadAt(l.ahead, int64(from)*tlog.HashSize); l.err != nil && !errors.Is(l.err, io.EOF) {
			return h, false
		}
		l.err = nil
	}
	copy(h[:], l.ahead[(n-l.first)*tlog.HashSize:])
	return h, true
}
