package journal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const (
	segmentMagic  = "PSLJRNL1"
	segmentHeader = 32
	recordMagic   = 0x50524543 // PREC
	recordHeader  = 28
	suffix        = ".log"

	// MaxPayload bounds one record, so that a damaged length never makes a reader allocate the moon.
	MaxPayload = 1 << 30
)

// Options of a journal; the zero value works.
type Options struct {
	SegmentSize int64 // a segment this long is left and a new one begun; 64 MiB when 0
}

// ErrBroken is what every call gets after a write or a flush failed. What the kernel kept of the failed write is unknown, and asking
// again would be told "yes" without it being true, so the journal must be opened anew.
var ErrBroken = errors.New("journal refused a write earlier and must be opened anew")

// CorruptError tells where acknowledged bytes are unreadable.
type CorruptError struct {
	Segment string
	Offset  int64
	Reason  string
	Record  uint64 // the first that is unreadable; 0 where that is not known
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("journal segment %s is damaged at offset %d: %s", e.Segment, e.Offset, e.Reason)
}

type segment struct {
	path  string
	first uint64
	size  int64
	salt  uint32
}

// Journal is an open log. Append is for one caller at a time; the lock is for those who look on or drop old segments.
type Journal struct {
	dir string
	opt Options

	mu       sync.Mutex
	segments []segment // oldest first; the last is being written
	file     *os.File
	next     uint64
	broken   error
	buf      []byte
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// Open opens or creates the journal in dir. It reads the last segment, and cuts what a crash left half-written there.
func Open(dir string, opt Options) (*Journal, error) {
	if opt.SegmentSize <= 0 {
		opt.SegmentSize = 64 << 20
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	j := &Journal{dir: dir, opt: opt, next: 1}
	if err := j.list(); err != nil {
		return nil, err
	}
	if len(j.segments) == 0 {
		return j, nil
	}
	last := &j.segments[len(j.segments)-1]
	end, next, err := scan(*last, nil)
	if err != nil {
		return nil, err
	}
	j.next = next
	f, err := os.OpenFile(last.path, os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := cut(f, last, end); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	j.file = f
	return j, nil
}

func cut(f *os.File, s *segment, end int64) error {
	if end < s.size {
		if err := f.Truncate(end); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		s.size = end
	}
	_, err := f.Seek(end, 0)
	return err
}

// list finds the segments and reads their headers.
func (j *Journal) list() error {
	names, err := os.ReadDir(j.dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		first, err := strconv.ParseUint(strings.TrimSuffix(n.Name(), suffix), 16, 64)
		if err != nil || !strings.HasSuffix(n.Name(), suffix) {
			continue
		}
		j.segments = append(j.segments, segment{path: filepath.Join(j.dir, n.Name()), first: first})
	}
	slices.SortFunc(j.segments, func(a, b segment) int { return strings.Compare(a.path, b.path) })
	for i := range j.segments {
		s := &j.segments[i]
		err := s.readHeader()
		if err != nil && i == len(j.segments)-1 && s.size <= segmentHeader {
			// A segment is flushed with its header before it takes a record: this one never took any.
			j.segments = j.segments[:i]
			return os.Remove(s.path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *segment) readHeader() error {
	f, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	s.size = st.Size()
	var h [segmentHeader]byte
	if _, err := f.ReadAt(h[:], 0); err != nil {
		return &CorruptError{s.path, 0, "short header", s.first}
	}
	if string(h[:8]) != segmentMagic {
		return &CorruptError{s.path, 0, "not a journal segment", s.first}
	}
	if crc32.Checksum(h[:24], castagnoli()) != binary.BigEndian.Uint32(h[24:]) {
		return &CorruptError{s.path, 0, "header checksum differs", s.first}
	}
	if binary.BigEndian.Uint64(h[16:]) != s.first {
		return &CorruptError{s.path, 0, "header names another sequence than the file name", s.first}
	}
	s.salt = crc32.Checksum(h[8:16], castagnoli())
	return nil
}

// Next is the sequence that the next record gets.
func (j *Journal) Next() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.next
}

// First is the sequence of the oldest record that is still there; Next when there is none.
func (j *Journal) First() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.segments) == 0 {
		return j.next
	}
	return j.segments[0].first
}

// StartAt sets the first sequence of a journal that holds no segment, for an index that was restored without its journal.
func (j *Journal) StartAt(seq uint64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.segments) > 0 {
		return fmt.Errorf("journal ends at record %d, where the index already holds record %d", j.next-1, seq-1)
	}
	j.next = seq
	return nil
}

// Append writes the records as one batch, in order, and returns the sequence of the last once all are durable.
func (j *Journal) Append(payloads [][]byte) (uint64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken != nil {
		return 0, fmt.Errorf("%w: %w", ErrBroken, j.broken)
	}
	if err := j.append(payloads); err != nil {
		j.broken = err
		return 0, fmt.Errorf("write journal: %w", err)
	}
	return j.next - 1, nil
}

func (j *Journal) append(payloads [][]byte) error {
	if j.file == nil || j.segments[len(j.segments)-1].size >= j.opt.SegmentSize {
		if err := j.begin(); err != nil {
			return err
		}
	}
	s := &j.segments[len(j.segments)-1]
	durable := j.next - 1
	buf := j.buf[:0]
	for i, p := range payloads {
		if len(p) > MaxPayload {
			return fmt.Errorf("record of %d bytes", len(p))
		}
		buf = appendRecord(buf, s.salt, j.next+uint64(i), durable, p)
	}
	if cap(buf) <= 4<<20 {
		j.buf = buf
	}
	if _, err := j.file.Write(buf); err != nil {
		return err
	}
	if err := Datasync(j.file); err != nil {
		return err
	}
	s.size += int64(len(buf))
	j.next += uint64(len(payloads))
	return nil
}

func appendRecord(buf []byte, salt uint32, seq, durable uint64, p []byte) []byte {
	at := len(buf)
	buf = binary.BigEndian.AppendUint32(buf, recordMagic)
	buf = binary.BigEndian.AppendUint32(buf, uint32(len(p)))
	buf = binary.BigEndian.AppendUint64(buf, seq)
	buf = binary.BigEndian.AppendUint64(buf, durable)
	crc := crc32.Update(salt, castagnoli(), buf[at+4:])
	crc = crc32.Update(crc, castagnoli(), p)
	buf = binary.BigEndian.AppendUint32(buf, crc)
	return append(buf, p...)
}

// begin leaves the current segment and starts one. Its header and its name are durable before it takes a record.
func (j *Journal) begin() error {
	if j.file != nil {
		if err := j.file.Close(); err != nil {
			return err
		}
		j.file = nil
	}
	var h [segmentHeader]byte
	copy(h[:], segmentMagic)
	if _, err := rand.Read(h[8:16]); err != nil {
		return err
	}
	binary.BigEndian.PutUint64(h[16:], j.next)
	binary.BigEndian.PutUint32(h[24:], crc32.Checksum(h[:24], castagnoli()))
	path := filepath.Join(j.dir, fmt.Sprintf("%016x%s", j.next, suffix))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(h[:]); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), SyncDir(j.dir)); err != nil {
		return errors.Join(err, f.Close())
	}
	j.file = f
	j.segments = append(j.segments, segment{path: path, first: j.next, size: segmentHeader, salt: crc32.Checksum(h[8:16], castagnoli())})
	return nil
}

// Turn leaves the current segment, so that DropBefore can remove it once nobody needs its records. One that holds none is kept.
func (j *Journal) Turn() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken != nil {
		return fmt.Errorf("%w: %w", ErrBroken, j.broken)
	}
	if j.file == nil || j.segments[len(j.segments)-1].first == j.next {
		return nil
	}
	if err := j.begin(); err != nil {
		j.broken = err
		return fmt.Errorf("begin journal segment: %w", err)
	}
	return nil
}

// DropBefore removes the segments that hold only records before seq. The segment being written stays.
func (j *Journal) DropBefore(seq uint64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.segments) > 1 && j.segments[1].first <= seq {
		if err := os.Remove(j.segments[0].path); err != nil {
			return err
		}
		j.segments = j.segments[1:]
	}
	return nil
}

// Size is the bytes on disk.
func (j *Journal) Size() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	var n int64
	for _, s := range j.segments {
		n += s.size
	}
	return n
}

// Close releases the file; everything appended is durable already.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken == nil {
		j.broken = os.ErrClosed
	}
	if j.file == nil {
		return nil
	}
	err := j.file.Close()
	j.file = nil
	return err
}

// SyncDir makes the names in a directory durable.
func SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
