// Package spool keeps messages that were accepted until somebody has dealt with them: a file each, durable before it is acknowledged, in folders that say how
// far it is. It does not know what the messages are.
//
// # On disk
//
//	new/ID          accepted, not dealt with
//	new/ID.group    several that were accepted at the same time
//	held/ID         set aside with a reason, until somebody decides
//	tmp/            being written; what is left there by a crash is removed at the next start
//
// A file is a line of JSON with what is known of the message, and then its bytes. A change of that line is a new file in place of the old. A message that moves is
// written to where it goes before it leaves where it was: what a crash left in both folders is, from the next start on, where it was going.
//
// A group holds messages one after the other as their files would, each behind a line of 53 bytes: L or D for there or gone, ID, and the length in hexadecimal, with a
// blank between. It goes with the last message in it.
package spool

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/passerelle-sante/passerelle/store/journal"
)

// Folder is where a message is.
type Folder string

// The folders.
const (
	New  Folder = "new"
	Held Folder = "held"
)

// ErrNotHere tells that there is no such message in that folder. It is fs.ErrNotExist to who knows no spool.
var ErrNotHere error = notHere{}

type notHere struct{}

func (notHere) Error() string        { return "there is no such message" }
func (notHere) Is(target error) bool { return target == fs.ErrNotExist }

// ErrDamaged tells that a file of the spool is not one that was written there.
var ErrDamaged = errors.New("the spooled message is damaged")

// maxHead bounds the line of JSON.
const maxHead = 1 << 20

// Spool is an open folder of messages. It is safe for concurrent use.
type Spool struct {
	dir  string
	lock *os.File
	mu   sync.Mutex // of renames, so that a message that is listed is there, and of what is said below
	disk map[Folder]*flusher
	more chan struct{} // has an element when something came to New

	grouped map[string]place // the messages of groups, by name; under mu
	forming *arrivals        // the messages that wait for the file being written; under mu
	writing sync.Mutex       // held while a file of arrivals is written
}

// Open opens or creates a spool.
func Open(dir string) (*Spool, error) {
	for _, sub := range []string{string(New), string(Held), "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	lock, err := journal.Lock(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	s := &Spool{dir: dir, lock: lock, more: make(chan struct{}, 1), disk: map[Folder]*flusher{}, grouped: map[string]place{}}
	for _, f := range []Folder{New, Held} {
		s.disk[f] = &flusher{dir: filepath.Join(dir, string(f))}
	}
	left, err := os.ReadDir(filepath.Join(dir, "tmp"))
	for _, f := range left {
		err = errors.Join(err, os.Remove(filepath.Join(dir, "tmp", f.Name())))
	}
	if err = errors.Join(err, s.findGroups(), s.settle(), journal.SyncDir(dir)); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s.wake()
	return s, nil
}

// settle ends moves that a crash interrupted: of two files of one message the older goes.
func (s *Spool) settle() error {
	ids, err := s.List(New)
	for _, id := range ids {
		for _, later := range []Folder{New, Held} { // a message of a group is older than a file of its own
			if _, grouped := s.grouped[id]; !grouped {
				break
			}
			if _, err := os.Stat(s.path(later, id)); err == nil {
				if _, err := s.leave(id, true); err != nil {
					return err
				}
			}
		}
		var infos [2]os.FileInfo
		for i, in := range []Folder{New, Held} {
			if infos[i], err = os.Stat(s.path(in, id)); err != nil {
				break
			}
		}
		switch {
		case errors.Is(err, os.ErrNotExist):
			continue
		case err != nil:
			return err
		}
		older := New
		if infos[1].ModTime().Before(infos[0].ModTime()) {
			older = Held
		}
		if err := s.remove(older, id); err != nil {
			return err
		}
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// Close lets go of the folder.
func (s *Spool) Close() error { return s.lock.Close() }

// More has an element when there may be messages in New that nobody looked at.
func (s *Spool) More() <-chan struct{} { return s.more }

func (s *Spool) wake() {
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// Put keeps a message: head, which must be JSON, and the content to its end. When it returns the message is durable and in New under the name it gives; after an
// error nothing of it is kept. Names rise with time.
func (s *Spool) Put(head any, content io.Reader) (id string, size int64, err error) {
	line, err := headLine(head)
	if err != nil {
		return "", 0, err
	}
	id = newID()
	b, whole, err := gather(line, content)
	defer gatherings.Put(b)
	if err != nil {
		return "", 0, err
	}
	if size = int64(b.Len() - lineLength); whole {
		err = s.together(&arrival{id, b.Bytes()})
	} else {
		size, err = s.write(New, id, b.Bytes()[lineLength:], content)
		size += int64(b.Len() - lineLength)
	}
	if err != nil {
		return "", 0, err
	}
	s.wake()
	return id, size - int64(len(line)), nil
}

func headLine(head any) ([]byte, error) {
	line, err := json.Marshal(head)
	if err == nil && len(line) >= maxHead {
		err = fmt.Errorf("%d bytes about a message", len(line))
	}
	return append(line, '\n'), err
}

func newID() string {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	return fmt.Sprintf("%016x-%x", time.Now().UnixNano(), random)
}

var idForm = regexp.MustCompile(`^[0-9a-f]{16}-[0-9a-f]{16}$`)

// writers are used again: each has a buffer of 64 KiB.
var writers sync.Pool

func (s *Spool) write(to Folder, id string, line []byte, content io.Reader) (size int64, err error) {
	tmp := filepath.Join(s.dir, "tmp", id)
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	w, _ := writers.Get().(*bufio.Writer)
	if w == nil {
		w = bufio.NewWriterSize(nil, 64<<10)
	}
	w.Reset(f)
	_, err = w.Write(line)
	if err == nil {
		// Not by the file's own ReadFrom: it would write what comes in the small pieces in which it comes.
		size, err = io.Copy(struct{ io.Writer }{w}, content)
	}
	if err == nil {
		err = w.Flush()
	}
	w.Reset(nil)
	writers.Put(w)
	if err == nil {
		err = journal.Datasync(f)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return 0, errors.Join(err, os.Remove(tmp))
	}
	s.mu.Lock()
	err = os.Rename(tmp, s.path(to, id))
	s.mu.Unlock()
	if err != nil {
		return 0, errors.Join(err, os.Remove(tmp))
	}
	return size, s.disk[to].flush()
}

// flusher makes the names in a folder durable. Whoever comes while it waits for the disk shares the next round.
type flusher struct {
	dir     string
	mu      sync.Mutex
	running bool
	next    *round
}

type round struct {
	done chan struct{}
	err  error
}

// flush returns when a round that began after it was called has ended.
func (f *flusher) flush() error {
	f.mu.Lock()
	if f.next == nil {
		f.next = &round{done: make(chan struct{})}
	}
	mine := f.next
	if !f.running {
		f.running = true
		go f.run()
	}
	f.mu.Unlock()
	<-mine.done
	return mine.err
}

func (f *flusher) run() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.next != nil {
		r := f.next
		f.next = nil
		f.mu.Unlock()
		r.err = journal.SyncDir(f.dir)
		close(r.done)
		f.mu.Lock()
	}
	f.running = false
}

func (s *Spool) path(in Folder, id string) string { return filepath.Join(s.dir, string(in), id) }

// List gives the names of the messages in a folder, the oldest first.
func (s *Spool) List(in Folder) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	files, err := os.ReadDir(filepath.Join(s.dir, string(in)))
	var ids []string
	for _, f := range files {
		if idForm.MatchString(f.Name()) {
			ids = append(ids, f.Name())
		}
	}
	if in == New {
		ids = slices.AppendSeq(ids, maps.Keys(s.grouped))
	}
	slices.Sort(ids)
	return slices.Compact(ids), err
}

// Message is a spooled message that is open.
type Message struct {
	io.Reader // the content
	Size      int64
	f         *os.File
	r         *bufio.Reader
}

// Close closes it; nobody reads from it any more.
func (m *Message) Close() error {
	giveBack(m.r)
	return m.f.Close()
}

// readers are used again: each has a buffer of 64 KiB.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 64<<10) }}

func giveBack(r *bufio.Reader) {
	r.Reset(nil)
	readers.Put(r)
}

// Get opens a message and reads its head into head, a pointer. The caller closes it.
func (s *Spool) Get(in Folder, id string, head any) (*Message, error) {
	if !idForm.MatchString(id) {
		return nil, ErrNotHere
	}
	f, bytes, size, err := s.open(in, id)
	if err != nil {
		return nil, err
	}
	r := readers.Get().(*bufio.Reader)
	r.Reset(bytes)
	line, err := readLine(r)
	if err == nil && json.Unmarshal(line, head) != nil {
		err = ErrDamaged
	}
	if err != nil {
		giveBack(r)
		return nil, errors.Join(fmt.Errorf("%s: %w", id, err), f.Close())
	}
	return &Message{Reader: r, Size: size - int64(len(line)), f: f, r: r}, nil
}

// open opens a message: its head, its content, and how many bytes they are.
func (s *Spool) open(in Folder, id string) (f *os.File, bytes io.Reader, size int64, err error) {
	s.mu.Lock()
	p, grouped := s.grouped[id]
	s.mu.Unlock()
	if grouped && in == New {
		f, bytes, size, err = p.open()
	} else if f, err = os.Open(s.path(in, id)); err == nil {
		var info os.FileInfo
		if info, err = f.Stat(); err != nil {
			return nil, nil, 0, errors.Join(err, f.Close())
		}
		bytes, size = f, info.Size()
	}
	if errors.Is(err, os.ErrNotExist) {
		err = ErrNotHere
	}
	return f, bytes, size, err
}

// readLine reads a line of at most maxHead bytes, its end included.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil && len(line) <= maxHead:
			return line, nil
		case len(line) > maxHead || err == io.EOF:
			return nil, ErrDamaged
		case err != bufio.ErrBufferFull && err != nil:
			return nil, err
		}
	}
}

// Move puts a message into another folder with another head, which replaces the one it had.
func (s *Spool) Move(ctx context.Context, from, to Folder, id string, head any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	line, err := headLine(head)
	if err != nil {
		return err
	}
	var old json.RawMessage
	m, err := s.Get(from, id, &old)
	if err != nil {
		return err
	}
	defer m.Close()
	if bytes.Equal(bytes.TrimSpace(old), bytes.TrimSpace(line)) && from == to {
		return nil
	}
	if _, err := s.write(to, id, line, m); err != nil {
		return err
	}
	if from == to {
		_, err := s.leave(id, true)
		return err
	}
	if err := s.remove(from, id); err != nil {
		return err
	}
	if to == New {
		s.wake()
	}
	return nil
}

// Remove destroys a message.
func (s *Spool) Remove(in Folder, id string) error {
	if !idForm.MatchString(id) {
		return ErrNotHere
	}
	return s.remove(in, id)
}

func (s *Spool) remove(in Folder, id string) error {
	if in == New {
		if was, err := s.leave(id, true); was {
			return err
		}
	}
	return errors.Join(s.Drop(in, id), s.disk[in].flush())
}

// Drop removes a message without waiting for the disk: a power cut may bring it back. It is for who knows a message again.
func (s *Spool) Drop(in Folder, id string) error {
	if !idForm.MatchString(id) {
		return ErrNotHere
	}
	if in == New {
		if was, err := s.leave(id, false); was {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err := os.Remove(s.path(in, id))
	if errors.Is(err, os.ErrNotExist) {
		return ErrNotHere
	}
	return err
}
