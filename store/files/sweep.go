package files

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/passerelle-sante/passerelle/store/journal"
)

// Known tells whether the index has a document whose bytes are in the blob.
type Known func(ctx context.Context, id string) (bool, error)

// Sweep destroys the blobs that earlier processes committed and no index row points to, and temporary files they left. It looks only at
// what was written since the last sweep or clean stop, and never at what this process writes, so it may run beside submissions.
// It gives the number of blobs destroyed.
func (s *Store) Sweep(ctx context.Context, known Known) (int, error) {
	s.writing.Lock()
	settled := s.settled
	s.writing.Unlock()
	removed, err := s.sweepSegments(ctx, settled, known)
	if err != nil {
		return removed, err
	}
	n, err := s.sweepBig(ctx, settled, known)
	removed += n
	if err != nil {
		return removed, err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	s.settled = s.start
	s.mu.Lock()
	s.swept = true
	s.mu.Unlock()
	return removed, s.writeMark(s.settled, s.number+1)
}

func (s *Store) sweepSegments(ctx context.Context, settled uint64, known Known) (int, error) {
	numbers, err := s.segments()
	if err != nil {
		return 0, err
	}
	removed := 0
	for _, number := range numbers {
		if number < settled || number >= s.start {
			continue
		}
		n, err := s.sweepSegment(ctx, number, known)
		removed += n
		if err != nil {
			return removed, fmt.Errorf("sweep segment %x: %w", number, err)
		}
	}
	return removed, nil
}

func (s *Store) sweepSegment(ctx context.Context, number uint64, known Known) (removed int, err error) {
	f, err := os.OpenFile(s.segmentPath(number), os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var h [headerSize]byte
	for at := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return removed, err
		}
		if _, err := f.ReadAt(h[:], at); errors.Is(err, io.EOF) {
			return removed, s.cutTail(ctx, f, number, at, known)
		} else if err != nil {
			return removed, err
		}
		n := name{number: number, offset: at, size: int64(binary.BigEndian.Uint32(h[4:]))}
		err := checkHeader(h[:], n)
		if errors.Is(err, ErrDamaged) {
			return removed, s.cutTail(ctx, f, number, at, known)
		}
		if err == nil {
			gone, err := s.sweepOne(ctx, f, n, known)
			if err != nil {
				return removed, err
			}
			removed += gone
		}
		at += headerSize + n.size
	}
}

func (s *Store) sweepOne(ctx context.Context, f *os.File, n name, known Known) (int, error) {
	ok, err := known(ctx, n.String())
	if err != nil || ok {
		return 0, err
	}
	return 1, destroyIn(f, n)
}

// cutTail ends a segment at offset at, where its last readable record ends. A group torn by a power cut may lack any of its pages,
// so readable records may follow; as long as the index knows none of them, nothing from here on was acknowledged. One that it knows
// means damage: nothing is cut, and the operator must look.
func (s *Store) cutTail(ctx context.Context, f *os.File, number uint64, at int64, known Known) error {
	st, err := f.Stat()
	if err != nil || st.Size() == at {
		return err
	}
	tail := make([]byte, st.Size()-at)
	if _, err := f.ReadAt(tail, at); err != nil {
		return err
	}
	for i := 0; ; i++ {
		n := bytes.Index(tail[i:], []byte(magic))
		if n < 0 || i+n+headerSize > len(tail) {
			break
		}
		i += n
		h := tail[i : i+headerSize]
		later := name{number: number, offset: at + int64(i), size: int64(binary.BigEndian.Uint32(h[4:]))}
		if checkHeader(h, later) != nil {
			continue
		}
		ok, err := known(ctx, later.String())
		if err != nil {
			return err
		}
		if ok {
			return fmt.Errorf("%w: the record at offset %d is unreadable, the one at %d is not", ErrDamaged, at, later.offset)
		}
	}
	if err := f.Truncate(at); err != nil {
		return err
	}
	return journal.Datasync(f)
}

func (s *Store) sweepBig(ctx context.Context, settled uint64, known Known) (int, error) {
	removed := 0
	folders, err := os.ReadDir(filepath.Join(s.dir, "big"))
	if err != nil {
		return removed, err
	}
	for _, folder := range folders {
		dir := filepath.Join(s.dir, "big", folder.Name())
		list, err := os.ReadDir(dir)
		if err != nil {
			return removed, err
		}
		for _, e := range list {
			n, err := s.sweepFile(ctx, filepath.Join(dir, e.Name()), settled, known)
			removed += n
			if err != nil {
				return removed, err
			}
		}
	}
	return removed, nil
}

func (s *Store) sweepFile(ctx context.Context, path string, settled uint64, known Known) (int, error) {
	id, temp := strings.CutSuffix(filepath.Base(path), tempSuffix)
	n, err := parseName(id)
	if err != nil || n.number < settled || n.number >= s.start {
		return 0, nil // not ours, not recent, or of this process
	}
	if !temp {
		ok, err := known(ctx, id)
		if err != nil || ok {
			return 0, err
		}
	}
	return 1, s.removePath(path)
}

func (s *Store) removePath(path string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return journal.SyncDir(filepath.Dir(path))
}
