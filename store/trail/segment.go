package trail

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/passerelle-sante/passerelle/atna/arr"
)

// segment is a file of blocks. Where they begin is read when it is first needed.
type segment struct {
	path  string
	first uint64
	file  *os.File
	size  int64 // known from the start; of the last segment: written so far
	full  bool  // takes no more blocks

	mu     sync.Mutex
	walked bool
	blocks []blockAt
	raw    int64     // bytes of its records, once walked
	end    uint64    // after its last record, once walked
	oldest time.Time // latest arrival of its first block
	newest time.Time // latest arrival of all
}

type blockAt struct {
	first uint64
	at    int64
}

func openSegments(dir string) ([]*segment, error) {
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var list []*segment
	for _, n := range names {
		var first uint64
		if c, err := fmt.Sscanf(n.Name(), arr.SegmentName, &first); c != 1 || err != nil || n.Name() != fmt.Sprintf(arr.SegmentName, first) {
			continue
		}
		s := &segment{path: filepath.Join(dir, n.Name()), first: first, end: first}
		if err := s.open(os.O_RDWR); err != nil {
			return list, err
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *segment) int { return int(int64(a.first - b.first)) })
	return list, nil
}

func (s *segment) open(flags int) error {
	f, err := os.OpenFile(s.path, flags, 0o600)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	s.file, s.size = f, st.Size()
	return nil
}

func (s *segment) close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

// walk reads the headers of the blocks, and says where the readable part ends. check looks at the bodies too.
func (s *segment) walk(check bool) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.walked {
		return s.size, nil
	}
	s.blocks, s.end, s.raw = nil, s.first, 0
	var buf [arr.BlockHeader]byte
	at := int64(0)
	for at < s.size {
		if _, err := s.file.ReadAt(buf[:], at); err != nil && !errors.Is(err, io.EOF) {
			return at, err
		}
		h, err := arr.ParseBlockHead(buf[:])
		if err != nil || h.First != s.end || at+arr.BlockHeader+int64(h.Packed) > s.size {
			return at, nil
		}
		if check {
			if _, err := s.block(at, h); errors.Is(err, arr.ErrBlock) {
				return at, nil
			} else if err != nil {
				return at, err
			}
		}
		s.note(h, at)
		at += arr.BlockHeader + int64(h.Packed)
	}
	s.walked = true
	return at, nil
}

func (s *segment) note(h arr.BlockHead, at int64) {
	s.blocks = append(s.blocks, blockAt{h.First, at})
	s.end = h.End()
	s.raw += int64(h.Raw)
	if len(s.blocks) == 1 {
		s.oldest = h.Last
	}
	if h.Last.After(s.newest) {
		s.newest = h.Last
	}
}

// block reads a whole block and checks it.
func (s *segment) block(at int64, h arr.BlockHead) ([]byte, error) {
	b := make([]byte, arr.BlockHeader+h.Packed)
	if _, err := s.file.ReadAt(b, at); err != nil {
		return nil, err
	}
	return b, arr.CheckBlock(h, b)
}

// find gives the place of the block that holds a record.
func (s *segment) find(seq uint64) (at int64, err error) {
	if _, err := s.walk(false); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.walked && seq >= s.end {
		return 0, s.damage(s.end, "no block where one should begin")
	}
	i, exact := slices.BinarySearchFunc(s.blocks, seq, func(b blockAt, seq uint64) int {
		switch {
		case b.first < seq:
			return -1
		case b.first > seq:
			return 1
		}
		return 0
	})
	if !exact {
		i--
	}
	if i < 0 || seq >= s.end {
		return 0, s.damage(seq, "the record is in no block")
	}
	return s.blocks[i].at, nil
}

func (s *segment) damage(seq uint64, reason string) error {
	return &DamageError{File: "records/" + filepath.Base(s.path), Seq: seq, Reason: reason}
}

// read gives the leaves of the block that holds a record, and the number of the first of them.
func (s *segment) read(zip *arr.BlockReader, seq uint64) (first uint64, leaves [][]byte, err error) {
	at, err := s.find(seq)
	if err != nil {
		return 0, nil, err
	}
	var buf [arr.BlockHeader]byte
	if _, err := s.file.ReadAt(buf[:], at); err != nil {
		return 0, nil, err
	}
	h, err := arr.ParseBlockHead(buf[:])
	if err != nil {
		return 0, nil, s.damage(seq, err.Error())
	}
	b, err := s.block(at, h)
	if err == nil {
		_, leaves, err = zip.Open(h, b, nil)
	}
	if errors.Is(err, arr.ErrBlock) || err == nil && (seq < h.First || seq >= h.End()) {
		return 0, nil, s.damage(seq, fmt.Sprintf("the block of records %d to %d is damaged", h.First, h.End()-1))
	}
	return h.First, leaves, err
}

// lastBlock remembers the block read last: records are often asked for beside one another.
type lastBlock struct {
	mu     sync.Mutex
	first  uint64
	leaves [][]byte
}

// block gives the leaves of the block or of the backlog from seq on, and ErrExpired or ErrNoRecord.
func (t *Trail) leaves(seq uint64) ([][]byte, error) {
	t.mu.Lock()
	switch {
	case seq < t.expired:
		t.mu.Unlock()
		return nil, arr.ErrExpired
	case seq >= t.size():
		t.mu.Unlock()
		return nil, arr.ErrNoRecord
	case seq >= t.first:
		defer t.mu.Unlock()
		n := min(uint64(len(t.tail)), seq-t.first+1024)
		leaves := make([][]byte, 0, n)
		for _, e := range t.tail[seq-t.first : n] {
			leaves = append(leaves, e.leaf)
		}
		return leaves, nil
	}
	s := t.segmentOf(seq)
	t.mu.Unlock()
	t.last.mu.Lock()
	defer t.last.mu.Unlock()
	if l := &t.last; seq < l.first || seq >= l.first+uint64(len(l.leaves)) {
		if s == nil {
			return nil, &DamageError{File: "records", Seq: seq, Reason: "its segment is missing"}
		}
		first, leaves, err := s.read(t.zip, seq)
		if errors.Is(err, fs.ErrClosed) {
			return nil, arr.ErrExpired // removed since we looked
		}
		if err != nil {
			return nil, err
		}
		l.first, l.leaves = first, leaves
	}
	return t.last.leaves[seq-t.last.first:], nil
}

func (t *Trail) segmentOf(seq uint64) *segment {
	for _, s := range slices.Backward(t.segments) {
		if s.first <= seq {
			return s
		}
	}
	return nil
}
