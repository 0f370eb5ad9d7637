package files

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/passerelle-sante/passerelle/store/journal"
	"github.com/passerelle-sante/passerelle/xds/repository"
)

// ErrLocked tells that another process has the store open.
var ErrLocked = journal.ErrLocked

var _ repository.Blobs = (*Store)(nil)

// Options of a store; the zero value works.
type Options struct {
	SmallLimit  int   // blobs up to this size share segments; 1 MiB when 0
	SegmentSize int64 // a segment this long is left and a new one begun; 256 MiB when 0
	OpenFiles   int   // segments kept open for reading; 128 when 0
}

// Store is an open directory of blobs.
type Store struct {
	dir   string
	opt   Options
	start uint64 // the first segment number of this process
	lock  *os.File

	mu      sync.Mutex
	forming *group // small blobs that wait for their leader to write them
	temps   map[string]bool
	swept   bool
	closed  bool

	writing sync.Mutex // held by the group on its way to the disk, and guards the four below
	number  uint64
	segment *os.File // nil until the first write, and after a failed one
	size    int64
	settled uint64

	readers sync.RWMutex
	reading map[uint64]*os.File

	buffers sync.Pool // *[]byte for records
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// Open opens or creates the store in dir.
func Open(dir string, opt Options) (*Store, error) {
	if opt.SmallLimit <= 0 {
		opt.SmallLimit = 1 << 20
	}
	opt.SmallLimit = min(opt.SmallLimit, maxSmall)
	if opt.SegmentSize <= 0 {
		opt.SegmentSize = 256 << 20
	}
	if opt.OpenFiles <= 0 {
		opt.OpenFiles = 128
	}
	s := &Store{dir: dir, opt: opt, temps: map[string]bool{}, reading: map[uint64]*os.File{}}
	s.buffers.New = func() any { b := make([]byte, 0, 64<<10); return &b }
	if err := s.makeDirs(); err != nil {
		return nil, err
	}
	lock, err := journal.Lock(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	s.lock = lock
	if err := s.begin(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

// makeDirs makes the folders; those within big come with their first blob (createBig). What an earlier process had no time to make durable there is so now.
func (s *Store) makeDirs() error {
	for _, dir := range []string{"small", "big"} {
		if err := os.MkdirAll(filepath.Join(s.dir, dir), 0o700); err != nil {
			return err
		}
	}
	return errors.Join(journal.SyncDir(filepath.Join(s.dir, "big")), journal.SyncDir(s.dir), journal.SyncDir(filepath.Dir(s.dir)))
}

// begin takes the first number that no earlier process can have used.
func (s *Store) begin() error {
	settled, next, err := s.readMark()
	if err != nil {
		return err
	}
	numbers, err := s.segments()
	if err != nil {
		return err
	}
	if len(numbers) > 0 {
		next = max(next, numbers[len(numbers)-1]+1)
	}
	s.settled, s.start, s.number = settled, next, next
	return s.writeMark(settled, next+1)
}

// segments lists the segment numbers, upwards: ReadDir sorts by name.
func (s *Store) segments() ([]uint64, error) {
	list, err := os.ReadDir(filepath.Join(s.dir, "small"))
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, e := range list {
		n, err := strconv.ParseUint(strings.TrimSuffix(e.Name(), ".seg"), 16, 64)
		if err == nil && strings.HasSuffix(e.Name(), ".seg") {
			numbers = append(numbers, n)
		}
	}
	return numbers, nil
}

func (s *Store) readMark() (settled, next uint64, err error) {
	b, err := os.ReadFile(filepath.Join(s.dir, "mark"))
	if errors.Is(err, os.ErrNotExist) {
		return 1, 1, nil
	}
	if err != nil {
		return 0, 0, err
	}
	if _, err := fmt.Sscanf(string(b), "settled %d next %d\n", &settled, &next); err != nil {
		return 0, 0, fmt.Errorf("read %s: %w", filepath.Join(s.dir, "mark"), err)
	}
	return settled, next, nil
}

// writeMark replaces the mark at once or not at all.
func (s *Store) writeMark(settled, next uint64) error {
	path := filepath.Join(s.dir, "mark")
	f, err := os.OpenFile(path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "settled %d next %d\n", settled, next)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return errors.Join(os.Rename(path+".tmp", path), journal.SyncDir(s.dir))
}

// Create implements repository.Blobs.
func (s *Store) Create(ctx context.Context, sizeHint int64) (repository.Blob, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if sizeHint > int64(s.opt.SmallLimit) {
		b, err := s.createBig()
		if err != nil {
			return nil, err
		}
		return b, nil
	}
	buf := s.buffers.Get().(*[]byte)
	if need := headerSize + int(max(sizeHint, 0)); cap(*buf) < need {
		*buf = make([]byte, 0, need)
	}
	*buf = (*buf)[:headerSize]
	return &blob{s: s, buf: buf}, nil
}

// Open implements repository.Blobs.
func (s *Store) Open(ctx context.Context, id string) (repository.Content, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	n, err := parseName(id)
	if err != nil {
		return nil, err
	}
	var c repository.Content
	if n.big {
		c, err = s.openBig(n)
	} else {
		c, err = s.openSmall(n)
	}
	if err != nil {
		return nil, err // and no Content that holds a nil pointer
	}
	return c, nil
}

// Remove implements repository.Blobs.
func (s *Store) Remove(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n, err := parseName(id)
	if err != nil {
		return err
	}
	if n.big {
		return s.removeBig(n)
	}
	return s.destroy(n)
}

// Verify reads a blob whole and tells whether it is what was committed.
func (s *Store) Verify(ctx context.Context, id string) error {
	c, err := s.Open(ctx, id)
	if err != nil {
		return err
	}
	_, err = copyChecked(ctx, c)
	return errors.Join(err, c.Close())
}

// Close ends the store. Blobs being written must have ended; what was committed counts as known to the index, so a sweep at the next
// start need not look at it.
func (s *Store) Close() error {
	s.mu.Lock()
	closed, swept := s.closed, s.swept
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	var errs []error
	if s.segment != nil {
		errs = append(errs, s.segment.Close())
		s.segment = nil
	}
	if swept || s.settled == s.start {
		s.settled = s.number + 1
	}
	errs = append(errs, s.writeMark(s.settled, s.number+1))
	s.readers.Lock()
	for _, f := range s.reading {
		errs = append(errs, f.Close())
	}
	s.reading = map[uint64]*os.File{}
	s.readers.Unlock()
	return errors.Join(append(errs, s.lock.Close())...)
}
