package files

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"github.com/passerelle-sante/passerelle/store/journal"
)

const tempSuffix = ".tmp"

// bigBlob is a large blob on its way into a file of its own.
type bigBlob struct {
	s    *Store
	f    *os.File
	temp string
	name name
	err  error // the first write that failed
	over bool
}

func (s *Store) createBig() (*bigBlob, error) {
	var random [16]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, os.ErrClosed
	}
	n := name{big: true, number: s.number, random: hex.EncodeToString(random[:])}
	temp := s.bigPath(n) + tempSuffix
	f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrNotExist) { // the first in its folder; whoever comes next finds it durable, for we hold the lock
		if err = os.Mkdir(filepath.Dir(temp), 0o700); err == nil {
			err = journal.SyncDir(filepath.Join(s.dir, "big"))
		}
		if err == nil {
			f, err = os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		}
	}
	if err != nil {
		return nil, err
	}
	s.temps[filepath.Base(temp)] = true
	return &bigBlob{s: s, f: f, temp: temp, name: n}, nil
}

// Write implements io.Writer.
func (b *bigBlob) Write(p []byte) (int, error) {
	if b.over {
		return 0, os.ErrClosed
	}
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.f.Write(p)
	b.name.crc = crc32.Update(b.name.crc, castagnoli(), p[:n])
	b.name.size += int64(n)
	b.err = err
	return n, err
}

// Abort implements repository.Blob.
func (b *bigBlob) Abort() {
	if b.over {
		return
	}
	b.over = true
	// What cannot be removed now is a temporary file, and the next sweep removes it.
	_ = errors.Join(b.f.Close(), os.Remove(b.temp))
	b.forget()
}

func (b *bigBlob) forget() {
	b.s.mu.Lock()
	delete(b.s.temps, filepath.Base(b.temp))
	b.s.mu.Unlock()
}

// Commit implements repository.Blob. The name is durable only once the directory is.
func (b *bigBlob) Commit(ctx context.Context) (string, error) {
	if b.over {
		return "", os.ErrClosed
	}
	if err := errors.Join(b.err, ctx.Err()); err != nil {
		b.Abort()
		return "", fmt.Errorf("store blob: %w", err)
	}
	if err := b.f.Sync(); err != nil {
		b.Abort()
		return "", fmt.Errorf("store blob: %w", err)
	}
	b.over = true
	defer b.forget()
	path := b.s.bigPath(b.name)
	err := errors.Join(b.f.Close(), os.Rename(b.temp, path))
	if err == nil {
		err = journal.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		_ = os.Remove(b.temp) // one of the two is there
		_ = os.Remove(path)
		return "", fmt.Errorf("store blob: %w", err)
	}
	return b.name.String(), nil
}

func (s *Store) openBig(n name) (*bigContent, error) {
	f, err := os.Open(s.bigPath(n))
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrNoBlob
	}
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && st.Size() != n.size {
		err = fmt.Errorf("%w: %d bytes where %d were committed", ErrDamaged, st.Size(), n.size)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &bigContent{f: f, name: n}, nil
}

func (s *Store) removeBig(n name) error {
	path := s.bigPath(n)
	if err := os.Remove(path); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	}
	return journal.SyncDir(filepath.Dir(path))
}

// bigContent is a large blob on its way out.
type bigContent struct {
	f    *os.File
	name name
	read int64
	crc  uint32
}

func (c *bigContent) Size() int64 { return c.name.size }

// Read implements io.Reader. Whoever reads to the end has the checksum compared: instead of the last bytes they get the error.
func (c *bigContent) Read(p []byte) (int, error) {
	if left := c.name.size - c.read; int64(len(p)) > left {
		p = p[:left]
	}
	if len(p) == 0 {
		if c.read == c.name.size {
			return 0, io.EOF
		}
		return 0, nil
	}
	n, err := c.f.Read(p)
	c.crc = crc32.Update(c.crc, castagnoli(), p[:n])
	c.read += int64(n)
	switch {
	case err == io.EOF:
		return 0, fmt.Errorf("%w: it ends after %d of %d bytes", ErrDamaged, c.read, c.name.size)
	case c.read == c.name.size && c.crc != c.name.crc:
		clear(p[:n])
		return 0, fmt.Errorf("%w: checksum differs", ErrDamaged)
	}
	return n, err
}

// onlyReader hides everything but Read.
type onlyReader struct{ io.Reader }

// WriteTo implements io.WriterTo. A destination that can take a file (a TCP connection, a response over one) gets the file.
func (c *bigContent) WriteTo(w io.Writer) (int64, error) {
	rf, ok := w.(io.ReaderFrom)
	if !ok {
		return io.CopyBuffer(w, onlyReader{c}, make([]byte, 128<<10))
	}
	left := c.name.size - c.read
	n, err := rf.ReadFrom(&io.LimitedReader{R: c.f, N: left})
	c.read += n
	if err == nil && n < left {
		err = fmt.Errorf("%w: it ends after %d of %d bytes", ErrDamaged, c.read, c.name.size)
	}
	return n, err
}

func (c *bigContent) Close() error { return c.f.Close() }

// copyChecked reads to the end, for the sake of the checks.
func copyChecked(ctx context.Context, r io.Reader) (int64, error) {
	buf := make([]byte, 256<<10)
	var total int64
	for {
		if err := ctx.Err(); err != nil {
			return total, err
		}
		n, err := r.Read(buf)
		total += int64(n)
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}
