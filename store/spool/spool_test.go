package spool_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/passerelle-sante/passerelle/store/spool"
)

type head struct{ From, Why string }

func open(t *testing.T, dir string) *spool.Spool {
	t.Helper()
	s, err := spool.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func get(t *testing.T, s *spool.Spool, in spool.Folder, id string) (head, string) {
	t.Helper()
	var h head
	m, err := s.Get(in, id, &h)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	b, err := io.ReadAll(m)
	if err != nil || int64(len(b)) != m.Size {
		t.Fatalf("%d of %d bytes: %v", len(b), m.Size, err)
	}
	return h, string(b)
}

func TestPutMoveRemove(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := spool.Open(dir); err == nil {
		t.Error("opened twice")
	}
	<-s.More()
	content := strings.Repeat("line\n", 50000)
	id, size, err := s.Put(head{From: "a"}, strings.NewReader(content))
	if err != nil || size != int64(len(content)) {
		t.Fatal(size, err)
	}
	<-s.More()
	second, _, err := s.Put(head{From: "b"}, strings.NewReader(""))
	if err != nil || second <= id {
		t.Errorf("%s after %s: %v", second, id, err)
	}
	if h, b := get(t, s, spool.New, id); h.From != "a" || b != content {
		t.Errorf("%+v, %d bytes", h, len(b))
	}
	if err := s.Move(t.Context(), spool.New, spool.Held, id, head{From: "a", Why: "signer"}); err != nil {
		t.Fatal(err)
	}
	if h, b := get(t, s, spool.Held, id); h.Why != "signer" || b != content {
		t.Errorf("%+v, %d bytes", h, len(b))
	}
	if err := s.Move(t.Context(), spool.Held, spool.Held, id, head{From: "a", Why: "other"}); err != nil {
		t.Fatal(err)
	}
	if h, _ := get(t, s, spool.Held, id); h.Why != "other" {
		t.Errorf("%+v", h)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	defer s.Close()
	if fresh, err := s.List(spool.New); err != nil || len(fresh) != 1 || fresh[0] != second {
		t.Errorf("%v %v", fresh, err)
	}
	if err := s.Remove(spool.New, second); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{second, "../held/" + id, "", "x"} {
		if _, err := s.Get(spool.New, bad, &head{}); !errors.Is(err, spool.ErrNotHere) {
			t.Errorf("%q: %v", bad, err)
		}
		if err := s.Remove(spool.New, bad); !errors.Is(err, spool.ErrNotHere) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestNothingOfAFailure: a message that breaks off leaves nothing.
func TestNothingOfAFailure(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	defer s.Close()
	broken := errors.New("connection lost")
	if _, _, err := s.Put(head{}, io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Error(err)
	}
	if _, _, err := s.Put(func() {}, strings.NewReader("")); err == nil {
		t.Error("a head that is no JSON")
	}
	if _, _, err := s.Put(strings.Repeat("x", 2<<20), strings.NewReader("")); err == nil {
		t.Error("a head of 2 MiB")
	}
	for _, sub := range []string{"new", "held", "tmp"} {
		if files, err := os.ReadDir(filepath.Join(dir, sub)); err != nil || len(files) != 0 {
			t.Errorf("%s: %v %v", sub, files, err)
		}
	}
}

func TestDamage(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	defer s.Close()
	for i, text := range []string{"", "no line end", "not json\nx", strings.Repeat("x", 2<<20)} {
		id := fmt.Sprintf("%016x-0000000000000000", i)
		if err := os.WriteFile(filepath.Join(dir, "new", id), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get(spool.New, id, &head{}); !errors.Is(err, spool.ErrDamaged) {
			t.Errorf("%.10q: %v", text, err)
		}
	}
}

// TestInterruptedMove: of a message that a crash left in both folders the newer file stays.
func TestInterruptedMove(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	id, _, err := s.Put(head{From: "a"}, strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "new", id))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "held", id), b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(dir, "new", id), time.Time{}, time.Now().Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	defer s.Close()
	fresh, err := s.List(spool.New)
	held, heldErr := s.List(spool.Held)
	if err != nil || heldErr != nil || len(fresh) != 0 || len(held) != 1 {
		t.Errorf("new %v, held %v, %v %v", fresh, held, err, heldErr)
	}
}

// TestCrash kills a process that puts and moves messages: what it said it had put is there, once, and whole.
func TestCrash(t *testing.T) {
	if dir := os.Getenv("SPOOL_CRASH"); dir != "" {
		child(t, dir)
		return
	}
	dir := t.TempDir()
	rounds := 30
	if testing.Short() {
		rounds = 5
	}
	said := map[string]bool{}
	for range rounds {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestCrash$")
		cmd.Env = append(os.Environ(), "SPOOL_CRASH="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines, began := bufio.NewScanner(out), false
		for lines.Scan() {
			if id, ok := strings.CutPrefix(lines.Text(), "put "); ok && len(id) == 33 {
				said[id] = true
			}
			if !began { // it is at work: the instant of the crash is counted from here
				began = true
				time.AfterFunc(time.Duration(len(said)%23)*time.Millisecond, func() { _ = cmd.Process.Kill() })
			}
		}
		_ = cmd.Wait()
		s := open(t, dir)
		there := map[string]int{}
		for _, in := range []spool.Folder{spool.New, spool.Held} {
			ids, err := s.List(in)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range ids {
				there[id]++
				if h, b := get(t, s, in, id); b != strings.Repeat(h.From, 3000) {
					t.Errorf("%s is not whole", id)
				}
			}
		}
		for id := range said {
			if there[id] != 1 {
				t.Errorf("%s is there %d times", id, there[id])
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(said) < rounds {
		t.Errorf("only %d messages were put", len(said))
	}
}

func child(t *testing.T, dir string) {
	s, err := spool.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 { // at once, so that some are put together
		wg.Go(func() {
			for n := 0; ; n++ {
				h := head{From: fmt.Sprint(n % 10)}
				id, _, err := s.Put(h, strings.NewReader(strings.Repeat(h.From, 3000)))
				if err != nil {
					t.Error(err)
					return
				}
				fmt.Println("put " + id)
				if n%3 == 0 {
					if err := s.Move(t.Context(), spool.New, spool.Held, id, h); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestShelf(t *testing.T) {
	dir := t.TempDir()
	s, err := spool.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	h := s.Shelf()
	id, size, err := h.Put(map[string]int{"tries": 0}, strings.NewReader("text"))
	if err != nil || size != 4 {
		t.Fatal(id, size, err)
	}
	if err := h.Update(t.Context(), id, map[string]int{"tries": 1}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = spool.Open(dir); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h = s.Shelf()
	if ids, err := h.List(); err != nil || len(ids) != 1 || ids[0] != id {
		t.Fatal(ids, err)
	}
	var head map[string]int
	content, size, err := h.Get(id, &head)
	if err != nil || size != 4 || head["tries"] != 1 {
		t.Fatal(size, head, err)
	}
	if b, err := io.ReadAll(content); err != nil || string(b) != "text" || content.Close() != nil {
		t.Errorf("%q %v", b, err)
	}
	if err := h.Remove(id); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.Get(id, &head); !errors.Is(err, spool.ErrNotHere) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestMarks(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "marks")
	m, err := spool.OpenMarks(dir)
	if err != nil {
		t.Fatal(err)
	}
	place := func(mailbox string) [2]uint32 {
		t.Helper()
		validity, last, err := m.Load(t.Context(), mailbox)
		if err != nil {
			t.Fatal(err)
		}
		return [2]uint32{validity, last}
	}
	if got := place("a@b/INBOX"); got != [2]uint32{} {
		t.Errorf("never read: %v", got)
	}
	for _, last := range []uint32{7, 4_000_000_000} {
		if err := m.Save(t.Context(), "a@b/INBOX", 9, last); err != nil {
			t.Fatal(err)
		}
	}
	if m, err = spool.OpenMarks(dir); err != nil {
		t.Fatal(err)
	}
	if got := place("a@b/INBOX"); got != [2]uint32{9, 4_000_000_000} || place("a@b/../INBOX") != [2]uint32{} {
		t.Errorf("%v", got)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if err := os.WriteFile(filepath.Join(dir, files[0].Name()), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.Load(t.Context(), "a@b/INBOX"); !errors.Is(err, spool.ErrDamaged) {
		t.Errorf("damaged: %v", err)
	}
}
