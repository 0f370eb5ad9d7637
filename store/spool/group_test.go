package spool_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/store/spool"
)

// group puts messages that share a file and gives their names.
func group(t *testing.T, s *spool.Spool, n int) []string {
	t.Helper()
	ids := make([]string, n)
	s.Together(n, func(i int) {
		id, size, err := s.Put(head{From: fmt.Sprint(i)}, strings.NewReader(strings.Repeat("x", i)))
		if err != nil || size != int64(i) {
			t.Error(id, size, err)
		}
		ids[i] = id
	})
	return ids
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		out = append(out, f.Name())
	}
	return out
}

// TestGroup: messages that come at the same time share a file, are dealt with one by one, and the file goes with the last.
func TestGroup(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	ids := group(t, s, 6)
	if files := names(t, filepath.Join(dir, "new")); len(files) != 1 || !strings.HasSuffix(files[0], ".group") {
		t.Fatalf("files %v", files)
	}
	fresh, err := s.List(spool.New)
	if sorted := slices.Sorted(slices.Values(ids)); err != nil || !slices.Equal(fresh, sorted) {
		t.Errorf("%v, put %v: %v", fresh, sorted, err)
	}
	if err := s.Move(t.Context(), spool.New, spool.Held, ids[1], head{From: "1", Why: "signer"}); err != nil {
		t.Error(err)
	}
	if err := s.Move(t.Context(), spool.New, spool.New, ids[2], head{From: "2", Why: "again"}); err != nil {
		t.Error(err)
	}
	if err := errors.Join(s.Drop(spool.New, ids[3]), s.Remove(spool.New, ids[4])); err != nil {
		t.Error(err)
	}
	for range 2 { // as it is, and after it was opened again
		for i, want := range []string{"0", "", "2again", "", "", "5"} {
			var h head
			m, err := s.Get(spool.New, ids[i], &h)
			if want == "" {
				if !errors.Is(err, spool.ErrNotHere) || !errors.Is(s.Drop(spool.New, ids[i]), spool.ErrNotHere) {
					t.Errorf("%d: %v", i, err)
				}
				continue
			}
			if err != nil || h.From+h.Why != want || m.Size != int64(i) || m.Close() != nil {
				t.Errorf("%d: %+v %v", i, h, err)
			}
		}
		if h, b := get(t, s, spool.Held, ids[1]); h.Why != "signer" || b != "x" {
			t.Errorf("%+v %q", h, b)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, dir)
	}
	defer s.Close()
	copied := t.TempDir()
	if n, _, err := s.CopyTo(copied); err != nil || n != 4 {
		t.Errorf("%d copied: %v", n, err)
	}
	if got, want := names(t, filepath.Join(copied, "new")), []string{ids[0], ids[2], ids[5]}; !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		t.Errorf("copied %v, not %v", got, want)
	}
	if err := errors.Join(s.Drop(spool.New, ids[0]), s.Remove(spool.New, ids[5])); err != nil {
		t.Error(err)
	}
	if files := names(t, filepath.Join(dir, "new")); !slices.Equal(files, []string{ids[2]}) {
		t.Errorf("left %v", files)
	}
}

// TestGroupInterrupted: what a crash left in a group and elsewhere is elsewhere; what a power cut brought back is gone again where it was removed for good.
func TestGroupInterrupted(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	ids := group(t, s, 4)
	file := filepath.Join(dir, "new", names(t, filepath.Join(dir, "new"))[0])
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Move(t.Context(), spool.New, spool.Held, ids[0], head{Why: "held"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Move(t.Context(), spool.New, spool.New, ids[1], head{Why: "changed"}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Drop(spool.New, ids[2]), s.Close(), os.WriteFile(file, before, 0o600)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s = open(t, dir)
		fresh, err := s.List(spool.New)
		if want := slices.Sorted(slices.Values(ids[1:])); err != nil || !slices.Equal(fresh, want) {
			t.Errorf("%v, not %v: %v", fresh, want, err)
		}
		if h, _ := get(t, s, spool.New, ids[1]); h.Why != "changed" {
			t.Errorf("%+v", h)
		}
		if h, _ := get(t, s, spool.Held, ids[0]); h.Why != "held" {
			t.Errorf("%+v", h)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGroupDamaged: what can be read of a damaged group is there, and the rest is a message that says so and that nobody can remove.
func TestGroupDamaged(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	ids := group(t, s, 3)
	file := names(t, filepath.Join(dir, "new"))[0]
	path := filepath.Join(dir, "new", file)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	length := 53 + len(`{"From":"0","Why":""}`) + 1 // of a message, its content left out
	second := length + slices.Index(ids, string(b[2:35]))
	third := second + length + slices.Index(ids, string(b[second+2:second+35]))
	for what, damaged := range map[string][]byte{"cut": b[:len(b)-1], "no line": append(append(slices.Clone(b[:second]), 'X'), b[second+1:]...), "length": []byte(strings.Replace(string(b), " 0000", " ffff", 1))} {
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir)
		fresh, err := s.List(spool.New)
		at := map[string]int{"cut": third, "no line": second, "length": 0}[what]
		last := fmt.Sprintf("%s%016x", file[:17], at)
		if want := map[string]int{"cut": 3, "no line": 2, "length": 1}[what]; err != nil || len(fresh) != want || !slices.Contains(fresh, last) {
			t.Errorf("%s: %v without %s: %v", what, fresh, last, err)
		}
		if _, err := s.Get(spool.New, last, &head{}); !errors.Is(err, spool.ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
		if err := s.Remove(spool.New, last); !errors.Is(err, spool.ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
		copied := t.TempDir()
		if _, _, err := s.CopyTo(copied); err != nil || !slices.Contains(names(t, filepath.Join(copied, "new")), file) {
			t.Errorf("%s: copied %v %v", what, names(t, filepath.Join(copied, "new")), err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
