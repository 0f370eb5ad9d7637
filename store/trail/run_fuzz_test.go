package trail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

func sampleRun(t testing.TB, dir string, n int) *run {
	t.Helper()
	pack, err := newPacker()
	if err != nil {
		t.Fatal(err)
	}
	w, err := newRunWriter(dir, 0, uint64(n), 7, pack)
	if err != nil {
		t.Fatal(err)
	}
	table := newTable(0, 0)
	for i := range n {
		d := described{time: int64(i * 1000), summary: fmt.Appendf(nil, "row %d", i), terms: []indexed{
			{term{1, byte(i % 3)}, plain}, {term{2, byte(i % 5)}, covering}, {term{3, byte(i), byte(i >> 8)}, digest}, {term{4}, plain}, {term{5}, covering},
		}}
		table.add(d, i%10 == 9)
	}
	if err := table.write(w, 0); err != nil {
		t.Fatal(err)
	}
	r, err := w.finish()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A run gives back what the table held, also of lists long enough for chunks, and of runs merged.
func TestRunHoldsTheTable(t *testing.T) {
	dir := t.TempDir()
	n := wholeList*2 + chunkRows // duplicates are in no list but their digest's
	r := sampleRun(t, dir, n)
	defer r.file.Close()
	if err := r.verify(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, k := range []term{{4}, {5}} {
		l, err := r.find(k)
		if err != nil || l.chunks == nil {
			t.Fatal(l.n, err)
		}
		rec := uint32(0)
		err = l.all(func(list []posting) error {
			for _, p := range list {
				if rec%10 == 9 {
					rec++
				}
				want := posting{rec: rec}
				if k == (term{5}) {
					want.time, want.summary = int64(rec)*1000, fmt.Appendf(nil, "row %d", rec)
				}
				if !reflect.DeepEqual(p, want) {
					return fmt.Errorf("got %+v, want %+v", p, want)
				}
				rec++
			}
			return nil
		})
		if err != nil || int(rec) < n-1 {
			t.Error(rec, err)
		}
	}
	some := []posting{{rec: 3}, {rec: 9}, {rec: 10}, {rec: 65535}}
	l, err := r.find(term{4})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := l.narrow(some); err != nil || !reflect.DeepEqual(got, []posting{{rec: 3}, {rec: 10}, {rec: 65535}}) {
		t.Error(got, err)
	}
	if l, err := r.find(term{9}); err != nil || l.n != 0 {
		t.Error(l, err)
	}
}

// Terms are found wherever they lie, however many there are.
func TestLookup(t *testing.T) {
	pack, err := newPacker()
	if err != nil {
		t.Fatal(err)
	}
	w, err := newRunWriter(t.TempDir(), 0, 100_000, 7, pack)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	keys := make([]term, 50_000)
	for i := range keys {
		for j := range keys[i] {
			keys[i][j] = byte(rng.Uint32())
		}
		if i%3 == 0 {
			keys[i][0], keys[i][1] = 7, 7 // not spread evenly: still found
		}
	}
	slices.SortFunc(keys, func(a, b term) int { return bytes.Compare(a[:], b[:]) })
	for range 100_000 {
		if err := w.row(0, nil, false); err != nil {
			t.Fatal(err)
		}
	}
	for i, k := range keys {
		if err := w.term(k, plain, []posting{{rec: uint32(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	r, err := w.finish()
	if err != nil {
		t.Fatal(err)
	}
	defer r.file.Close()
	for i, k := range keys {
		if e, found, err := r.lookup(k); err != nil || !found || e.ref != uint64(i) {
			t.Fatalf("term %d: %+v %v %v", i, e, found, err)
		}
		k[15]++
		if _, found, err := r.lookup(k); found || err != nil {
			t.Fatalf("found what is not there: %v", err)
		}
	}
}

// Whatever bytes are called a run: it is refused, or told to be damaged, or read within its bounds.
func FuzzRun(f *testing.F) {
	r := sampleRun(f, f.TempDir(), 40)
	good, err := os.ReadFile(r.path)
	if err != nil {
		f.Fatal(err)
	}
	name := r.name()
	if err := r.file.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(good, 0, byte(0))
	f.Add(good, 100, byte(1))
	f.Add(good[50:], 20, byte(4))
	pack, err := newPacker()
	if err != nil {
		f.Fatal(err)
	}
	path := filepath.Join(f.TempDir(), name)
	f.Fuzz(func(t *testing.T, b []byte, at int, x byte) {
		b = bytes.Clone(b)
		if at >= 0 && at < len(b) {
			b[at] ^= x
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := openRun(path, 7, pack)
		var damage *indexDamage
		if err == nil {
			err = errors.Join(r.verify(context.Background()), r.file.Close())
		}
		if err != nil && !errors.As(err, &damage) {
			t.Errorf("neither read nor damaged: %v", err)
		}
		if err == nil && !bytes.Equal(b, good) && len(b) == len(good) && x != 0 {
			t.Error("another run verifies")
		}
	})
}

// Postings that parse are ascending, within the run, and written back the same.
func FuzzPostings(f *testing.F) {
	pack, err := newPacker()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(pack.appendPostings(nil, plain, []posting{{rec: 1}, {rec: 5}}), byte(plain), 2)
	f.Add(pack.appendPostings(nil, covering, []posting{{rec: 1, time: 9, summary: []byte("x")}, {rec: 5, time: 3}}), byte(covering), 2)
	f.Fuzz(func(t *testing.T, b []byte, k byte, n int) {
		if n < 0 || n > chunkRows {
			return
		}
		list, err := pack.parsePostings(b, kind(k), n, 1000)
		if err != nil {
			return
		}
		for i, p := range list {
			if p.rec >= 1000 || i > 0 && p.rec <= list[i-1].rec {
				t.Fatalf("%+v", list)
			}
		}
		again, err := pack.parsePostings(pack.appendPostings(nil, kind(k), list), kind(k), n, 1000)
		if err != nil || len(again) != len(list) {
			t.Fatal(again, err)
		}
		for i := range list {
			if list[i].rec != again[i].rec || list[i].time != again[i].time || !bytes.Equal(list[i].summary, again[i].summary) {
				t.Fatalf("%+v became %+v", list[i], again[i])
			}
		}
	})
}
