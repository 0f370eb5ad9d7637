package arr_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/passerelle-sante/passerelle/atna/arr"
)

func sampleRecord(n int) arr.Received {
	return arr.Received{At: time.Unix(1_800_000_000, int64(n)).UTC(), Way: arr.Way(1 + n%5), Peer: fmt.Sprint("CN=node", n), Raw: fmt.Appendf(nil, "<85>1 - record %d", n)}
}

func leaf(n int) []byte {
	r := sampleRecord(n)
	return arr.AppendLeaf(nil, &r)
}

func TestLeaf(t *testing.T) {
	for n := range 20 {
		want := sampleRecord(n)
		if n == 7 {
			want.Peer, want.Raw = strings.Repeat("p", 300), []byte{}
		}
		b := arr.AppendLeaf(nil, &want)
		got, err := arr.ParseLeaf(b)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v (%v)", got, want, err)
		}
		if arr.HashLeaf(b) != tlog.RecordHash(b[1:]) {
			t.Error("not the leaf hash of RFC 6962")
		}
	}
	for _, bad := range [][]byte{nil, {0}, {1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}, {0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}, {0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1}, {0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0}} {
		if _, err := arr.ParseLeaf(bad); err == nil {
			t.Errorf("read %x", bad)
		}
	}
}

// stored is the tiers of a tree in memory, filled as a store fills them.
type stored [4][]tlog.Hash

func (s *stored) add(level int, h tlog.Hash) {
	for i, kept := range arr.Tiers {
		if kept == level {
			s[i] = append(s[i], h)
		}
	}
}

func (s *stored) read(tier int, n int64, h []tlog.Hash) error {
	if n+int64(len(h)) > int64(len(s[tier])) {
		return errors.New("beyond the end")
	}
	copy(h, s[tier][n:])
	return nil
}

// The tree, its tiers and the proofs out of them are those of the reference.
func TestTree(t *testing.T) {
	var tree arr.Tree
	var s stored
	var all []tlog.Hash
	reference := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			out[i] = all[x]
		}
		return out, nil
	})
	if tree.Root() != sha256.Sum256(nil) {
		t.Error("the root of nothing")
	}
	hashes := arr.HashTiers(s.read)
	for n := range 1000 {
		more, err := tlog.StoredHashes(int64(n), leaf(n)[1:], reference)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, more...)
		h := arr.HashLeaf(leaf(n))
		s.add(0, h)
		tree.Append(h, s.add)
		want, err := tlog.TreeHash(int64(n+1), reference)
		if err != nil || tree.Root() != want || tree.Size() != uint64(n+1) {
			t.Fatalf("size %d: root %v, want %v (%v)", n+1, tree.Root(), want, err)
		}
		again, err := arr.TreeOf(uint64(n+1), hashes)
		if err != nil || again.Root() != want {
			t.Fatalf("size %d from tiers: %v %v", n+1, again.Root(), err)
		}
		if n%97 != 0 {
			continue
		}
		p, err := tlog.ProveRecord(int64(n+1), int64(n/2), hashes)
		if err != nil || tlog.CheckRecord(p, int64(n+1), want, int64(n/2), arr.HashLeaf(leaf(n/2))) != nil {
			t.Errorf("inclusion of %d in %d: %v", n/2, n+1, err)
		}
	}
}

func newKey(t testing.TB, name string) arr.Key {
	t.Helper()
	k, err := arr.NewKey(name)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func signed(t testing.TB, k arr.Key, text string) []byte {
	t.Helper()
	s, err := k.Signer()
	if err != nil {
		t.Fatal(err)
	}
	b, err := arr.SignText(text, s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestStatements(t *testing.T) {
	k, other := newKey(t, "audit.test"), newKey(t, "audit.test")
	keys, err := arr.Keys("# the log\n\n" + k.Public + "\n")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 23, 4, 5, 6, 7000, time.UTC)
	c := arr.Checkpoint{Origin: "audit.test", Size: 12, Root: arr.HashLeaf(leaf(1)), Time: at}
	e := arr.Expiry{Origin: "audit.test", End: 9, Root: arr.HashLeaf(leaf(2)), Before: at.Add(-time.Hour), Time: at}
	if got, _, err := arr.OpenCheckpoint(signed(t, k, c.Text()), keys); err != nil || got != c {
		t.Errorf("%+v %v", got, err)
	}
	if got, err := arr.OpenExpiry(signed(t, k, e.Text()), keys); err != nil || got != e {
		t.Errorf("%+v %v", got, err)
	}
	if _, _, err := arr.OpenCheckpoint(signed(t, k, e.Text()), keys); err == nil {
		t.Error("an expiry passes for a checkpoint")
	}
	if _, err := arr.OpenExpiry(signed(t, k, c.Text()), keys); err == nil {
		t.Error("a checkpoint passes for an expiry")
	}
	if _, _, err := arr.OpenCheckpoint(signed(t, other, c.Text()), keys); err == nil {
		t.Error("signed by another key of that name")
	}
	foreign := c
	foreign.Origin = "another.test"
	if _, _, err := arr.OpenCheckpoint(signed(t, k, foreign.Text()), keys); err == nil {
		t.Error("signed for another log")
	}
	for _, bad := range []string{"", "a\n1\n", strings.Replace(c.Text(), "\n12\n", "\n012\n", 1), strings.Replace(c.Text(), "12", "-1", 1), c.Text() + "more\n", strings.Replace(c.Text(), "time ", "tide ", 1)} {
		if _, err := arr.ParseCheckpoint(bad); err == nil {
			t.Errorf("read %q", bad)
		}
	}
	file := arr.AppendNote(arr.AppendNote(nil, signed(t, k, c.Text())), signed(t, k, e.Text()))
	for cut := range len(file) {
		notes, end := arr.SplitNotes(file[:cut])
		if end > cut || len(notes) == 2 || len(notes) == 1 && !bytes.Equal(notes[0], signed(t, k, c.Text())) {
			t.Fatalf("cut at %d: %d notes, end %d", cut, len(notes), end)
		}
	}
	if notes, end := arr.SplitNotes(file); len(notes) != 2 || end != len(file) {
		t.Error(len(notes), end)
	}
}

func TestLoadKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	k, err := arr.LoadKey(path, "audit.test")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := arr.LoadKey(path, "ignored"); err != nil || again != k {
		t.Error(again, err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Error(st.Mode(), err)
	}
	other := newKey(t, "audit.test")
	for _, bad := range []string{"", "x\ny\n", k.Secret + "\n", k.Secret + "\n" + other.Public + "\n"} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := arr.LoadKey(path, "audit.test"); err == nil {
			t.Errorf("took %q", bad)
		}
	}
	if _, err := arr.NewKey("with space"); err == nil {
		t.Error("a name that no signature can bear")
	}
}

func TestBlock(t *testing.T) {
	w, err := arr.NewBlockWriter(40)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for n := range 100 {
		w.Add(leaf(n), int64(rng.IntN(1000)))
	}
	b := w.Flush(nil)
	zip, err := arr.NewBlockReader(1)
	if err != nil {
		t.Fatal(err)
	}
	defer zip.Close()
	h, block, err := arr.ReadBlock(bytes.NewReader(b), nil)
	if err != nil || h.First != 40 || h.End() != 140 || w.End() != 140 || arr.CheckBlock(h, block) != nil {
		t.Fatalf("%+v %v", h, err)
	}
	_, leaves, err := zip.Open(h, block, nil)
	if err != nil || len(leaves) != 100 {
		t.Fatal(len(leaves), err)
	}
	for n, l := range leaves {
		if !bytes.Equal(l, leaf(n)) {
			t.Errorf("record %d is %q", n, l)
		}
	}
	for cut := range len(b) {
		if _, _, err := arr.ReadBlock(bytes.NewReader(b[:cut]), nil); err == nil {
			t.Fatalf("read a block cut at %d", cut)
		}
	}
}
