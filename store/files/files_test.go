package files_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/store/files"
	"github.com/passerelle-sante/passerelle/store/storetest"
	"github.com/passerelle-sante/passerelle/xds/repository"
)

func open(t testing.TB, dir string, opt files.Options) *files.Store {
	t.Helper()
	s, err := files.Open(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestContract(t *testing.T) {
	for name, opt := range map[string]files.Options{"Default": {}, "TinySegments": {SegmentSize: 1, OpenFiles: 2}, "MostlyBig": {SmallLimit: 100}} {
		t.Run(name, func(t *testing.T) {
			storetest.Blobs(t, func(t *testing.T) repository.Blobs { return open(t, t.TempDir(), opt) })
		})
	}
}

func read(t *testing.T, s *files.Store, id string) ([]byte, error) {
	t.Helper()
	c, err := s.Open(t.Context(), id)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return io.ReadAll(c)
}

func TestReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "blobs")
	want := map[string][]byte{}
	for round := range 3 {
		s, err := files.Open(dir, files.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := files.Open(dir, files.Options{}); !errors.Is(err, files.ErrLocked) {
			t.Error("opened twice:", err)
		}
		for _, size := range []int{0, 10, 2 << 20} {
			data := bytes.Repeat([]byte{byte(round + 1)}, size)
			want[storetest.Store(t, s, data, -1)] = data
		}
		for id, data := range want {
			if got, err := read(t, s, id); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s: %d bytes, want %d (%v)", id, len(got), len(data), err)
			}
			if err := s.Verify(t.Context(), id); err != nil {
				t.Error(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// everything gives the bytes of every file below dir.
func everything(t *testing.T, dir string) []byte {
	t.Helper()
	var all []byte
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all = append(all, b...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestRemoveDestroys(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, files.Options{})
	secret := []byte("made-up secret of patient 7;")
	small := storetest.Store(t, s, secret, -1)
	big := storetest.Store(t, s, bytes.Repeat(secret, 100_000), -1)
	other := storetest.Store(t, s, []byte("other"), -1)
	for _, id := range []string{small, big} {
		if err := s.Remove(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Open(t.Context(), id); !errors.Is(err, files.ErrNoBlob) {
			t.Error("removed and yet:", err)
		}
	}
	if bytes.Contains(everything(t, dir), secret) {
		t.Error("the bytes are still on the disk")
	}
	if got, err := read(t, s, other); err != nil || string(got) != "other" {
		t.Error(string(got), err)
	}
}

// A removal that a power cut tore, whichever of its pages reached the disk, is ended by removing again.
func TestTornRemoval(t *testing.T) {
	secret := bytes.Repeat([]byte("made-up secret of patient 7;"), 500) // several pages
	for _, headFirst := range []bool{true, false} {
		dir := t.TempDir()
		s := open(t, dir, files.Options{})
		before := storetest.Store(t, s, []byte("before"), -1)
		id := storetest.Store(t, s, secret, -1)
		segment, err := filepath.Glob(filepath.Join(dir, "small", "*.seg"))
		if err != nil || len(segment) != 1 {
			t.Fatal(segment, err)
		}
		whole, err := os.ReadFile(segment[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Remove(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		torn, err := os.ReadFile(segment[0])
		if err != nil {
			t.Fatal(err)
		}
		if middle := len(torn) - len(secret)/2; headFirst {
			copy(torn[middle:], whole[middle:])
		} else {
			copy(torn[:middle], whole[:middle])
		}
		if err := os.WriteFile(segment[0], torn, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := read(t, s, id); err == nil {
			t.Error("a torn blob was read")
		}
		if err := errors.Join(s.Remove(t.Context(), id), s.Remove(t.Context(), id)); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(everything(t, dir), []byte("secret")) {
			t.Error("the bytes are still on the disk")
		}
		if got, err := read(t, s, before); err != nil || string(got) != "before" {
			t.Error(string(got), err)
		}
	}
}

// Damage anywhere in a blob gives an error, never other bytes.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, files.Options{})
	small := storetest.Store(t, s, []byte("small blob"), -1)
	big := storetest.Store(t, s, make([]byte, 2<<20), -1)
	paths, _ := filepath.Glob(filepath.Join(dir, "small", "*.seg"))
	b, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		bad := bytes.Clone(b)
		bad[i] ^= 0x40
		if err := os.WriteFile(paths[0], bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := read(t, s, small); err == nil {
			t.Fatalf("byte %d changed and %q came out", i, got)
		}
	}
	path := filepath.Join(dir, "big", strings.Split(big, "-")[1][:2], big)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{1}, 1000); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), big); !errors.Is(err, files.ErrDamaged) {
		t.Error("a changed byte:", err)
	}
	if err := errors.Join(f.Truncate(5), f.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(t.Context(), big); !errors.Is(err, files.ErrDamaged) {
		t.Error("a cut file:", err)
	}
}

func TestSweep(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "blobs")
	s, err := files.Open(dir, files.Options{SegmentSize: 100})
	if err != nil {
		t.Fatal(err)
	}
	keep, lose := map[string]bool{}, []string{}
	for i := range 20 {
		for _, size := range []int{60, 2 << 20} {
			id := storetest.Store(t, s, bytes.Repeat([]byte{byte(i + 1)}, size), -1)
			if i%3 == 0 {
				lose = append(lose, id)
			} else {
				keep[id] = true
			}
		}
	}
	b, err := s.Create(t.Context(), 3<<20) // never ended
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(t.TempDir(), "image")
	if err := os.CopyFS(image, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	b.Abort()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, image, files.Options{}) // as if the process had been killed
	own := storetest.Store(t, s, []byte("of this process, not yet in the index"), -1)
	asked := 0
	known := func(_ context.Context, id string) (bool, error) { asked++; return keep[id], nil }
	if n, err := s.Sweep(t.Context(), known); err != nil || n != len(lose)+1 {
		t.Errorf("%d swept, want %d (%v)", n, len(lose)+1, err)
	}
	for id := range keep {
		if err := s.Verify(t.Context(), id); err != nil {
			t.Error(id, err)
		}
	}
	for _, id := range lose {
		if _, err := s.Open(t.Context(), id); !errors.Is(err, files.ErrNoBlob) {
			t.Error(id, err)
		}
	}
	if _, err := read(t, s, own); err != nil {
		t.Error("the sweep touched this process's blob:", err)
	}
	if temps, _ := filepath.Glob(filepath.Join(image, "big", "*", "*.tmp")); len(temps) != 0 {
		t.Error("left:", temps)
	}
	asked = 0
	if n, err := s.Sweep(t.Context(), known); n != 0 || err != nil || asked != 0 {
		t.Errorf("a second sweep removed %d and asked %d times (%v)", n, asked, err)
	}
}

// A torn tail is cut by the sweep wherever the tear is; damage before a known record is reported and left.
func TestSweepTornTail(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "blobs")
	s, err := files.Open(dir, files.Options{})
	if err != nil {
		t.Fatal(err)
	}
	first := storetest.Store(t, s, []byte("first"), -1)
	last := storetest.Store(t, s, []byte("last"), -1)
	image := filepath.Join(t.TempDir(), "image")
	if err := os.CopyFS(image, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	paths, _ := filepath.Glob(filepath.Join(image, "small", "*.seg"))
	whole, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	mark, err := os.ReadFile(filepath.Join(image, "mark"))
	if err != nil {
		t.Fatal(err)
	}
	sweep := func(segment []byte, known ...string) error {
		for path, b := range map[string][]byte{paths[0]: segment, filepath.Join(image, "mark"): mark} {
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s, err := files.Open(image, files.Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Sweep(t.Context(), func(_ context.Context, id string) (bool, error) {
			return strings.Contains(strings.Join(known, " "), id), nil
		})
		if _, rerr := read(t, s, first); err == nil && rerr != nil {
			t.Errorf("cut at %d: the first blob: %v", len(segment), rerr)
		}
		return errors.Join(err, s.Close())
	}
	for size := 25; size < len(whole); size++ {
		if err := sweep(whole[:size], first); err != nil {
			t.Errorf("cut at %d: %v", size, err)
		}
	}
	bad := bytes.Clone(whole)
	bad[2] ^= 1
	if err := sweep(bad, first, last); !errors.Is(err, files.ErrDamaged) {
		t.Error("damage before a known blob:", err)
	}
}
