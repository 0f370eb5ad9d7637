package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"

	"github.com/passerelle-sante/passerelle/store/journal"
)

// groupLimit is the longest message, head included, that is gathered in memory and shares a file and its flush with those that come at the same time.
const groupLimit = 512 << 10

// A message of a group lies behind a line: whether it is there or gone, its name, and how many bytes it has, in hexadecimal.
const (
	there      = 'L'
	gone       = 'D'
	lineFormat = "%c %s %016x\n"
	lineLength = 1 + 1 + 33 + 1 + 16 + 1
)

var (
	lineForm  = regexp.MustCompile(`^[LD] [0-9a-f]{16}-[0-9a-f]{16} [0-9a-f]{16}\n$`)
	groupForm = regexp.MustCompile(`^[0-9a-f]{16}-[0-9a-f]{16}\.group$`)
)

// groupFile is a file with several messages. It is removed with the last of them.
type groupFile struct {
	path string
	left int // messages; under the spool's lock
}

// place is where a message of a group lies.
type place struct {
	in     *groupFile
	at     int64 // of its line
	length int64 // of its head and content; -1 where the file cannot be read from here on
}

// arrivals are the messages that are gathered for one file.
type arrivals struct {
	all  []*arrival
	done chan struct{}
	err  error
}

// arrival is a message in memory, its line before it.
type arrival struct {
	id    string
	bytes []byte
}

// gatherings are used again: a buffer a message.
var gatherings = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// gather reads a message into a buffer, room for its line before it. One that is too long comes back as far as it was read.
func gather(line []byte, content io.Reader) (b *bytes.Buffer, whole bool, err error) {
	b = gatherings.Get().(*bytes.Buffer)
	b.Reset()
	b.Write(make([]byte, lineLength))
	b.Write(line)
	most := int64(groupLimit - len(line))
	n, err := io.Copy(b, io.LimitReader(content, most+1))
	return b, n <= most, err
}

// together keeps a message with those that come at the same time: one file and one flush for all. The first to come writes it, once the file before is written.
func (s *Spool) together(m *arrival) error {
	s.mu.Lock()
	g := s.forming
	leads := g == nil
	if leads {
		g = &arrivals{done: make(chan struct{})}
		s.forming = g
	}
	g.all = append(g.all, m)
	s.mu.Unlock()
	if leads {
		s.writing.Lock()
		s.mu.Lock()
		s.forming = nil
		s.mu.Unlock()
		g.err = s.writeGroup(g.all)
		s.writing.Unlock()
		close(g.done)
	}
	<-g.done
	return g.err
}

// writeGroup makes messages durable and shows them. One by itself has a file of its own.
func (s *Spool) writeGroup(all []*arrival) error {
	first := all[0].id
	if len(all) == 1 {
		_, err := s.write(New, first, nil, bytes.NewReader(all[0].bytes[lineLength:]))
		return err
	}
	tmp := filepath.Join(s.dir, "tmp", first)
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	for _, m := range all {
		copy(m.bytes, fmt.Sprintf(lineFormat, there, m.id, len(m.bytes)-lineLength))
		if _, err = f.Write(m.bytes); err != nil {
			break
		}
	}
	if err == nil {
		err = journal.Datasync(f)
	}
	g := &groupFile{path: filepath.Join(s.dir, string(New), first+".group"), left: len(all)}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(tmp, g.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	if err := s.disk[New].flush(); err != nil {
		return errors.Join(err, os.Remove(g.path))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := int64(0)
	for _, m := range all {
		s.grouped[m.id] = place{g, at, int64(len(m.bytes) - lineLength)}
		at += int64(len(m.bytes))
	}
	return nil
}

// findGroups looks where the messages of groups lie, when the spool is opened. Where a file cannot be read on, what is left of it counts as one message that is damaged:
// nobody is to believe that nothing was there.
func (s *Spool) findGroups() error {
	files, err := os.ReadDir(filepath.Join(s.dir, string(New)))
	for _, entry := range files {
		if !groupForm.MatchString(entry.Name()) {
			continue
		}
		g := &groupFile{path: filepath.Join(s.dir, string(New), entry.Name())}
		if err := s.findIn(g); err != nil {
			return err
		}
		if g.left == 0 {
			if err := os.Remove(g.path); err != nil {
				return err
			}
		}
	}
	return err
}

func (s *Spool) findIn(g *groupFile) error {
	f, err := os.Open(g.path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	for at := int64(0); at < info.Size(); {
		var line [lineLength]byte
		if _, err := f.ReadAt(line[:], at); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		length := int64(-1)
		if lineForm.Match(line[:]) {
			length, err = strconv.ParseInt(string(line[36:52]), 16, 64)
		}
		if err != nil || length < 0 || length > info.Size()-at-lineLength {
			s.grouped[fmt.Sprintf("%s%016x", filepath.Base(g.path)[:17], at)] = place{g, at, -1}
			g.left++
			return nil
		}
		if line[0] == there {
			s.grouped[string(line[2:35])] = place{g, at, length}
			g.left++
		}
		at += lineLength + length
	}
	return nil
}

// open opens the bytes of a message: its head and its content.
func (p place) open() (*os.File, io.Reader, int64, error) {
	if p.length < 0 {
		return nil, nil, 0, ErrDamaged
	}
	f, err := os.Open(p.in.path)
	if err != nil {
		return nil, nil, 0, err
	}
	return f, io.NewSectionReader(f, p.at+lineLength, p.length), p.length, nil
}

// leave takes a message out of its group, durably where that is asked for, and tells whether it was in one.
func (s *Spool) leave(id string, durably bool) (was bool, err error) {
	s.mu.Lock()
	p, was := s.grouped[id]
	if was && p.length >= 0 {
		delete(s.grouped, id)
	}
	s.mu.Unlock()
	switch {
	case !was:
		return false, nil
	case p.length < 0:
		return true, ErrDamaged
	}
	if err := p.strike(durably); err != nil {
		s.mu.Lock()
		s.grouped[id] = p
		s.mu.Unlock()
		return true, err
	}
	s.mu.Lock()
	p.in.left--
	last := p.in.left == 0
	s.mu.Unlock()
	if last {
		return true, os.Remove(p.in.path)
	}
	return true, nil
}

// strike writes into the line of a message that it is gone.
func (p place) strike(durably bool) error {
	f, err := os.OpenFile(p.in.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte{gone}, p.at)
	if err == nil && durably {
		err = journal.Datasync(f)
	}
	return errors.Join(err, f.Close())
}
