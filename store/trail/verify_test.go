package trail_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/atna/arr"
	"github.com/passerelle-sante/passerelle/store/trail"
)

// exported makes a log of n records with several checkpoints, and exports it.
func exported(t testing.TB, n int) (dir string, opt trail.Options) {
	t.Helper()
	opt = options(t)
	opt.CheckpointEvery = time.Hour
	l := open(t, t.TempDir(), opt)
	for from := 0; from < n; from += 100 {
		add(t, l, from, min(100, n-from))
		if err := l.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	dir = filepath.Join(t.TempDir(), "export")
	if _, err := l.Export(t.Context(), dir, nil); err != nil {
		t.Fatal(err)
	}
	return dir, opt
}

func verification(t testing.TB, opt trail.Options) arr.Verification {
	t.Helper()
	keys, err := arr.Keys(opt.Key.Public)
	if err != nil {
		t.Fatal(err)
	}
	return arr.Verification{Keys: keys}
}

func verify(t testing.TB, dir string, opt trail.Options) arr.Report {
	t.Helper()
	r, err := trail.VerifyDir(t.Context(), dir, verification(t, opt))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestExportVerifies(t *testing.T) {
	dir, opt := exported(t, 950)
	r := verify(t, dir, opt)
	if !r.OK() || r.Size != 950 || r.Records != 950 || r.Checkpoints != 10 || r.Unsealed != 0 || r.Origin != "audit.test" {
		t.Errorf("%+v", r)
	}
	other := opt
	other.Key = key(t)
	if r := verify(t, dir, other); r.OK() || r.Checkpoints != 0 {
		t.Error("verified with another key")
	}
}

// segmentsOf decodes an export's segments into leaves by block, and writes them back as somebody would who knows the format.
func segmentsOf(t testing.TB, dir string) (names []string, blocks map[string][][][]byte) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "records", "*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	zip, err := arr.NewBlockReader(1)
	if err != nil {
		t.Fatal(err)
	}
	defer zip.Close()
	blocks = map[string][][][]byte{}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		for {
			h, b, err := arr.ReadBlock(f, nil)
			if err != nil {
				break
			}
			_, leaves, err := zip.Open(h, b, nil)
			if err != nil {
				t.Fatal(err)
			}
			blocks[name] = append(blocks[name], leaves)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return names, blocks
}

// forge writes a log's records anew from a list of leaves, with blocks as before, headers that fit, and checksums that are right.
func forge(t testing.TB, dir string, change func(leaves [][]byte) [][]byte) {
	t.Helper()
	names, blocks := segmentsOf(t, dir)
	var all [][]byte
	for _, n := range names {
		for _, b := range blocks[n] {
			all = append(all, b...)
		}
	}
	all = change(all)
	w, err := arr.NewBlockWriter(0)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for i, leaf := range all {
		w.Add(leaf, 0)
		if i%37 == 36 {
			out = w.Flush(out)
		}
	}
	out = w.Flush(out)
	for _, n := range names[1:] {
		if err := os.Remove(n); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(names[0], out, 0o600); err != nil {
		t.Fatal(err)
	}
}

func leafOf(t testing.TB, n int) []byte {
	t.Helper()
	r := received(n)
	return arr.AppendLeaf(nil, &r)
}

// Somebody who rewrites segments with all that belongs to them is found out by the tree, and where.
func TestForgedRecords(t *testing.T) {
	strange := leafOf(t, 100_000)
	cases := []struct {
		name   string
		change func([][]byte) [][]byte
		want   []string
	}{
		{"edited", func(l [][]byte) [][]byte { l[123] = strange; return l }, []string{"edited 123-0"}},
		{"edited twice", func(l [][]byte) [][]byte { l[123], l[700] = strange, leafOf(t, 100_001); return l }, []string{"edited 123-0", "edited 700-0"}},
		{"last of a block", func(l [][]byte) [][]byte { l[36] = strange; return l }, []string{"edited 36-0"}},
		{"neighbours swapped", func(l [][]byte) [][]byte { l[200], l[201] = l[201], l[200]; return l }, []string{"reordered 200-0", "reordered 201-0"}},
		{"swapped far apart", func(l [][]byte) [][]byte { l[5], l[900] = l[900], l[5]; return l }, []string{"reordered 5-0", "reordered 900-0"}},
		{"inserted", func(l [][]byte) [][]byte { return slices.Insert(l, 400, strange) }, []string{"inserted 400-0"}},
		{"inserted at the end of a block", func(l [][]byte) [][]byte { return slices.Insert(l, 36, strange) }, []string{"inserted 36-0"}},
		{"inserted at the start of a block", func(l [][]byte) [][]byte { return slices.Insert(l, 37, strange) }, []string{"inserted 37-0"}},
		{"inserted at the end", func(l [][]byte) [][]byte { return append(l, strange) }, []string{"inserted 950-951"}},
		{"removed", func(l [][]byte) [][]byte { return slices.Delete(l, 300, 302) }, []string{"missing 300-302"}},
		{"removed first", func(l [][]byte) [][]byte { return l[3:] }, []string{"missing 0-3"}},
		{"moved", func(l [][]byte) [][]byte {
			one := l[150]
			return slices.Insert(slices.Delete(l, 150, 151), 600, one)
		}, []string{"missing 150-151", "reordered 601-0"}},
		{"cut", func(l [][]byte) [][]byte { return l[:940] }, []string{"truncated 940-950"}},
		{"emptied", func([][]byte) [][]byte { return nil }, []string{"truncated 0-950"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir, opt := exported(t, 950)
			forge(t, dir, c.change)
			var got []string
			for _, f := range verify(t, dir, opt).Findings {
				if f.Kind != arr.BlockDamaged { // headers no longer fit where records are too many or too few
					got = append(got, fmt.Sprintf("%s %d-%d", f.Kind, f.Seq, f.End))
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func rewrite(t testing.TB, path string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

func flip(at int) func([]byte) []byte {
	return func(b []byte) []byte { b[at] ^= 0x20; return b }
}

func kinds(r arr.Report) string {
	var out []string
	for _, f := range r.Findings {
		out = append(out, fmt.Sprintf("%s %d-%d", f.Kind, f.Seq, f.End))
	}
	return strings.Join(out, ", ")
}

// Each class of stored bytes, one bit changed.
func TestFlippedBits(t *testing.T) {
	dir, opt := exported(t, 950)
	names, _ := segmentsOf(t, dir)
	b, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	second := bytes.Index(b[1:], []byte("PSLTBLK1")) + 1
	start, records := binary.BigEndian.Uint64(b[second+8:]), binary.BigEndian.Uint32(b[second+16:])
	block := fmt.Sprintf("%d-%d", start, start+uint64(records))
	segment := "records/" + filepath.Base(names[0])
	cases := []struct {
		name, file string
		change     func([]byte) []byte
		want       string
	}{
		{"magic", segment, flip(second), fmt.Sprintf("block %d-0, unreadable %s", start, block)},
		{"first", segment, flip(second + 15), fmt.Sprintf("block %s", block)},
		{"count", segment, flip(second + 19), fmt.Sprintf("block %d-0, unreadable %s", start, block)},
		{"raw length", segment, flip(second + 23), fmt.Sprintf("block %d-0, unreadable %s", start, block)},
		{"packed length", segment, flip(second + 27), fmt.Sprintf("block %d-0, unreadable %s", start, block)},
		{"arrival", segment, flip(second + 35), fmt.Sprintf("block %s", block)},
		{"checksum", segment, flip(second + 45), fmt.Sprintf("block %s", block)},
		{"hash", "hashes/00", flip(32 * 123), "hash 123-0"},
		{"hashes", "hashes/00", func(b []byte) []byte { return flip(32*850 + 5)(flip(32 * 123)(b)) }, "hash 123-0, hash 850-0"},
		{"two hashes at once", "hashes/00", func(b []byte) []byte { return flip(32*120 + 5)(flip(32 * 123)(b)) }, "hash 120-0, hash 123-0"},
		{"hashes cut", "hashes/00", func(b []byte) []byte { return b[:32*900] }, "hash-missing 900-950"},
		{"signed size", "checkpoints", flip(11), "checkpoint 0-0"},
		{"signed root", "checkpoints", func(b []byte) []byte { b[20] = b[20] ^ 1; return b }, "checkpoint 0-0"},
		{"last signature", "checkpoints", func(b []byte) []byte { b[len(b)-20] ^= 1; return b }, "checkpoint 900-0, inserted 900-950"},
		{"checkpoints cut", "checkpoints", func(b []byte) []byte { return b[:len(b)-10] }, "checkpoint 0-0, inserted 900-950"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(dir, c.file)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			rewrite(t, path, c.change)
			if got := kinds(verify(t, dir, opt)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if err := os.WriteFile(path, before, 0o600); err != nil {
				t.Fatal(err)
			}
		})
	}
	t.Run("every byte of a block", func(t *testing.T) {
		path := names[0]
		step := 3
		if testing.Short() {
			step = 41
		}
		for at := second; at < second+200; at += step {
			rewrite(t, path, flip(at))
			r := verify(t, dir, opt)
			found := slices.ContainsFunc(r.Findings, func(f arr.Finding) bool { return f.Seq >= start && f.Seq < start+uint64(records) })
			if !found {
				t.Errorf("byte %d changed and not found: %s", at-second, kinds(r))
			}
			rewrite(t, path, flip(at))
		}
	})
}

// Records and hashes changed together fit each other: only the checkpoints know.
func TestRewrittenWithHashes(t *testing.T) {
	dir, opt := exported(t, 950)
	strange := leafOf(t, 100_000)
	forge(t, dir, func(l [][]byte) [][]byte { l[123] = strange; return l })
	rewrite(t, filepath.Join(dir, "hashes", "00"), func(b []byte) []byte {
		h := arr.HashLeaf(strange)
		copy(b[32*123:], h[:])
		return b
	})
	r := verify(t, dir, opt)
	if got := kinds(r); got != "rewritten 100-200" || r.Unjudged != 8 {
		t.Errorf("got %q, %d unjudged", got, r.Unjudged)
	}
}

// A log cut back to an earlier checkpoint, with all that belongs to it, is only known by who kept a later one.
func TestCutBack(t *testing.T) {
	dir, opt := exported(t, 950)
	forge(t, dir, func(l [][]byte) [][]byte { return l[:500] })
	var known []byte
	rewrite(t, filepath.Join(dir, "hashes", "00"), func(b []byte) []byte { return b[:32*500] })
	rewrite(t, filepath.Join(dir, "checkpoints"), func(b []byte) []byte {
		notes, _ := arr.SplitNotes(b)
		known = notes[7]
		var out []byte
		for _, n := range notes[:5] {
			out = arr.AppendNote(out, n)
		}
		return out
	})
	if r := verify(t, dir, opt); !r.OK() || r.Size != 500 {
		t.Errorf("%+v", r)
	}
	v := verification(t, opt)
	v.Known = [][]byte{known}
	r, err := arr.VerifyLog(context.Background(), arr.Log{Files: os.DirFS(dir)}, v)
	if err != nil || kinds(r) != "truncated 500-800" {
		t.Errorf("%s: %v", kinds(r), err)
	}
}

func TestSegmentsMissingAndMisplaced(t *testing.T) {
	dir, opt := exported(t, 950)
	names, _ := segmentsOf(t, dir)
	seq := func(name string) (n uint64) {
		if _, err := fmt.Sscanf(filepath.Base(name), arr.SegmentName, &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	aside := names[1] + ".aside"
	if err := os.Rename(names[1], aside); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("missing %d-%d", seq(names[1]), seq(names[2]))
	if got := kinds(verify(t, dir, opt)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := os.Rename(aside, names[1]); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	// The second block before the first.
	second := bytes.Index(b[1:], []byte("PSLTBLK1")) + 1
	third := bytes.Index(b[second+1:], []byte("PSLTBLK1")) + second + 1
	if err := os.WriteFile(names[0], slices.Concat(b[second:third], b[:second], b[third:]), 0o600); err != nil {
		t.Fatal(err)
	}
	n := binary.BigEndian.Uint64(b[second+8:])
	r := verify(t, dir, opt)
	if got := kinds(r); !strings.Contains(got, fmt.Sprintf("reordered 0-%d", n)) || strings.Contains(got, "missing") {
		t.Errorf("got %q", got)
	}
}
