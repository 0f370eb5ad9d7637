package files

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"github.com/passerelle-sante/passerelle/store/journal"
)

const (
	headerSize = 20
	maxSmall   = 64 << 20 // also bounds what a made-up name can make us allocate
	magic      = "PBLB"
	live       = "LIVE"
	dead       = "DEAD"
)

// group is the small blobs that one write and one flush make durable.
type group struct {
	blobs []*blob
	done  chan struct{}
	err   error
}

// blob is bytes on their way in: in memory while they are few, in a file of their own once they are not.
type blob struct {
	s    *Store
	buf  *[]byte // room for the header, then the bytes; nil once large or over
	big  *bigBlob
	name name
	over bool
}

// Write implements io.Writer.
func (b *blob) Write(p []byte) (int, error) {
	switch {
	case b.over:
		return 0, os.ErrClosed
	case b.big != nil:
		return b.big.Write(p)
	case len(*b.buf)-headerSize+len(p) <= b.s.opt.SmallLimit:
		*b.buf = append(*b.buf, p...)
		return len(p), nil
	}
	big, err := b.s.createBig()
	if err != nil {
		return 0, err
	}
	if _, err := big.Write((*b.buf)[headerSize:]); err != nil {
		big.Abort()
		return 0, err
	}
	b.big = big
	b.release()
	return big.Write(p)
}

func (b *blob) release() {
	if b.buf != nil && cap(*b.buf) <= 2<<20 {
		b.s.buffers.Put(b.buf)
	}
	b.buf = nil
}

// Abort implements repository.Blob. Bytes in memory never reached the disk.
func (b *blob) Abort() {
	if b.over {
		return
	}
	b.over = true
	if b.big != nil {
		b.big.Abort()
	}
	b.release()
}

// Commit implements repository.Blob.
func (b *blob) Commit(ctx context.Context) (string, error) {
	if b.over {
		return "", os.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		b.Abort()
		return "", err
	}
	b.over = true
	if b.big != nil {
		return b.big.Commit(ctx)
	}
	defer b.release()
	rec := *b.buf
	copy(rec, magic)
	binary.BigEndian.PutUint32(rec[4:], uint32(len(rec)-headerSize))
	binary.BigEndian.PutUint32(rec[8:], crc32.Checksum(rec[headerSize:], castagnoli()))
	copy(rec[16:], live)
	g, leads, err := b.s.join(b)
	if err != nil {
		return "", err
	}
	if leads {
		b.s.commit(g)
	}
	<-g.done
	if g.err != nil {
		return "", fmt.Errorf("store blob: %w", g.err)
	}
	return b.name.String(), nil
}

// join puts the blob into the group being formed. The first to join leads it.
func (s *Store) join(b *blob) (g *group, leads bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, false, os.ErrClosed
	}
	if s.forming == nil {
		s.forming = &group{done: make(chan struct{})}
		leads = true
	}
	s.forming.blobs = append(s.forming.blobs, b)
	return s.forming, leads, nil
}

// commit is the leader's part: wait for the group before, close this one, write it.
func (s *Store) commit(g *group) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	s.forming = nil
	s.mu.Unlock()
	g.err = s.writeGroup(g.blobs)
	close(g.done)
}

// sealHeader binds the header to its place, so that bytes inside a payload never pass for a record.
func sealHeader(h []byte, number uint64, offset int64) uint32 {
	var place [16]byte
	binary.BigEndian.PutUint64(place[:], number)
	binary.BigEndian.PutUint64(place[8:], uint64(offset))
	return crc32.Update(crc32.Checksum(place[:], castagnoli()), castagnoli(), h[:12])
}

// writeGroup appends records. When that fails nothing of them is left.
func (s *Store) writeGroup(blobs []*blob) error {
	if s.segment == nil || s.size >= s.opt.SegmentSize {
		if err := s.nextSegment(); err != nil {
			return err
		}
	}
	at := s.size
	records := make([][]byte, len(blobs))
	for i, b := range blobs {
		rec := *b.buf
		b.name = name{number: s.number, offset: at, size: int64(len(rec) - headerSize)}
		binary.BigEndian.PutUint32(rec[12:], sealHeader(rec, s.number, at))
		at += int64(len(rec))
		records[i] = rec
	}
	if err := writeAt(s.segment, records, s.size); err != nil {
		// A full disk must not end the store: the segment shrinks back and goes on when there is room.
		if terr := errors.Join(s.segment.Truncate(s.size), journal.Datasync(s.segment)); terr != nil {
			err = errors.Join(err, terr, s.abandon())
		}
		return err
	}
	if err := journal.Datasync(s.segment); err != nil {
		// What the kernel kept is unknown and asking again would prove nothing: this segment takes no more.
		return errors.Join(err, s.segment.Truncate(s.size), s.abandon())
	}
	s.size = at
	return nil
}

func (s *Store) abandon() error {
	err := s.segment.Close()
	s.segment = nil
	return err
}

func (s *Store) nextSegment() error {
	number := s.number
	if s.segment != nil {
		if err := s.abandon(); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(s.segmentPath(number), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		number++
		f, err = os.OpenFile(s.segmentPath(number), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	}
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), journal.SyncDir(filepath.Join(s.dir, "small"))); err != nil {
		return errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	s.segment, s.size = f, 0
	s.mu.Lock()
	s.number = number
	s.mu.Unlock()
	return nil
}

// segmentFile gives a segment for reading. A file that another caller evicts while we read stays readable until we are done.
func (s *Store) segmentFile(number uint64) (*os.File, error) {
	s.readers.RLock()
	f := s.reading[number]
	s.readers.RUnlock()
	if f != nil {
		return f, nil
	}
	f, err := os.Open(s.segmentPath(number))
	if err != nil {
		return nil, err
	}
	s.readers.Lock()
	defer s.readers.Unlock()
	if other := s.reading[number]; other != nil {
		return other, f.Close()
	}
	for n, old := range s.reading {
		if len(s.reading) < s.opt.OpenFiles {
			break
		}
		delete(s.reading, n)
		if err := old.Close(); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	s.reading[number] = f
	return f, nil
}

// readRecord reads a record into buf, which has its length.
func (s *Store) readRecord(n name, buf []byte) error {
	for {
		f, err := s.segmentFile(n.number)
		if errors.Is(err, os.ErrNotExist) {
			return ErrNoBlob
		}
		if err != nil {
			return err
		}
		_, err = f.ReadAt(buf, n.offset)
		if errors.Is(err, os.ErrClosed) {
			continue // evicted between the look-up and the read
		}
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: %s ends before it", ErrNoBlob, f.Name())
		}
		return err
	}
}

// checkHeader compares a header with the name that led to it. ErrNoBlob means removed.
func checkHeader(h []byte, n name) error {
	if string(h[:4]) != magic || sealHeader(h, n.number, n.offset) != binary.BigEndian.Uint32(h[12:]) {
		return fmt.Errorf("%w: segment %x has no record at offset %d", ErrDamaged, n.number, n.offset)
	}
	if int64(binary.BigEndian.Uint32(h[4:])) != n.size {
		return fmt.Errorf("%w: the record in segment %x at offset %d has another length", ErrNoBlob, n.number, n.offset)
	}
	switch string(h[16:20]) {
	case live:
		return nil
	case dead:
		return fmt.Errorf("%w: it was removed", ErrNoBlob)
	}
	return fmt.Errorf("%w: state of the record in segment %x at offset %d", ErrDamaged, n.number, n.offset)
}

func (s *Store) openSmall(n name) (*smallContent, error) {
	if n.size > maxSmall {
		return nil, fmt.Errorf("%w: longer than small blobs are", ErrNoBlob)
	}
	buf := s.buffers.Get().(*[]byte)
	need := headerSize + int(n.size)
	if cap(*buf) < need {
		*buf = make([]byte, need)
	}
	*buf = (*buf)[:need]
	err := s.readRecord(n, *buf)
	if err == nil {
		err = checkHeader(*buf, n)
	}
	if err == nil && crc32.Checksum((*buf)[headerSize:], castagnoli()) != binary.BigEndian.Uint32((*buf)[8:]) {
		err = fmt.Errorf("%w: checksum of segment %x at offset %d differs", ErrDamaged, n.number, n.offset)
	}
	if err != nil {
		s.buffers.Put(buf)
		return nil, err
	}
	return &smallContent{s: s, buf: buf, rest: (*buf)[headerSize:], size: n.size}, nil
}

// smallContent is a small blob in memory, its checksum compared. It goes out with one Write.
type smallContent struct {
	s    *Store
	buf  *[]byte
	rest []byte
	size int64
}

func (c *smallContent) Size() int64 { return c.size }

func (c *smallContent) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *smallContent) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(c.rest)
	c.rest = c.rest[n:]
	return int64(n), err
}

func (c *smallContent) Close() error {
	if c.buf != nil && cap(*c.buf) <= 2<<20 {
		c.s.buffers.Put(c.buf)
	}
	c.buf, c.rest = nil, nil
	return nil
}

// destroy writes zeros over a small blob and says so in its header, durably.
func (s *Store) destroy(n name) error {
	if n.size > maxSmall {
		return fmt.Errorf("%w: longer than small blobs are", ErrNoBlob)
	}
	f, err := os.OpenFile(s.segmentPath(n.number), os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(destroyIn(f, n), f.Close())
}

func destroyIn(f *os.File, n name) error {
	var h [headerSize]byte
	if _, err := f.ReadAt(h[:], n.offset); errors.Is(err, io.EOF) {
		return nil
	} else if err != nil {
		return err
	}
	if err := checkHeader(h[:], n); errors.Is(err, ErrNoBlob) {
		if ours := int64(binary.BigEndian.Uint32(h[4:])) == n.size && string(h[16:]) == dead; !ours {
			return nil
		}
		if zeroed, err := zeros(f, n); err != nil || zeroed {
			return err
		}
	} else if err != nil {
		return err
	}
	// State and zeros in one write. Should a crash tear it, removing the blob again ends it: what says that it is dead and is not all zeros is overwritten again.
	gone := bytes.Repeat([]byte{0}, headerSize-16+int(n.size))
	copy(gone, dead)
	if _, err := f.WriteAt(gone, n.offset+16); err != nil {
		return err
	}
	return journal.Datasync(f)
}

// zeros tells whether nothing is left of a removed blob.
func zeros(f *os.File, n name) (bool, error) {
	payload := make([]byte, n.size)
	if _, err := f.ReadAt(payload, n.offset+headerSize); err != nil {
		return false, err
	}
	return len(bytes.Trim(payload, "\x00")) == 0, nil
}
