package arr_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/passerelle-sante/passerelle/atna/arr"
)

// grown is a small log in memory: its hashes, and a signed checkpoint for any size.
type grown struct {
	stored stored
	tree   arr.Tree
	key    arr.Key
	points map[int]arr.Checkpoint
	signed map[int][]byte
}

func grow(t testing.TB, k arr.Key, n int, change func(n int, leaf []byte) []byte) *grown {
	g := &grown{key: k, points: map[int]arr.Checkpoint{}, signed: map[int][]byte{}}
	g.point(t)
	for i := range n {
		h := arr.HashLeaf(change(i, leaf(i)))
		g.stored.add(0, h)
		g.tree.Append(h, g.stored.add)
		g.point(t)
	}
	return g
}

func (g *grown) point(t testing.TB) {
	n := int(g.tree.Size())
	g.points[n] = arr.Checkpoint{Origin: "audit.test", Size: g.tree.Size(), Root: g.tree.Root(), Time: time.Unix(1_800_000_000+int64(n), 0).UTC()}
	g.signed[n] = signed(t, g.key, g.points[n].Text())
}

func (g *grown) hashes() tlog.HashReader { return arr.HashTiers(g.stored.read) }

func same(_ int, l []byte) []byte { return l }

func other(from int) func(int, []byte) []byte {
	return func(n int, l []byte) []byte {
		if n == from {
			return append(bytes.Clone(l), '!')
		}
		return l
	}
}

func TestInclusionProof(t *testing.T) {
	k := newKey(t, "audit.test")
	keys, err := arr.Keys(k.Public)
	if err != nil {
		t.Fatal(err)
	}
	g := grow(t, k, 300, same)
	for _, seq := range []int{0, 1, 255, 256, 299} {
		p, err := arr.ProveInclusion(uint64(seq), leaf(seq), g.signed[300], 300, g.hashes())
		if err != nil {
			t.Fatal(err)
		}
		text := p.Append(nil)
		q, err := arr.ParseInclusion(text)
		if err != nil {
			t.Fatal(err)
		}
		r, c, err := q.Verify(keys)
		if err != nil || r.Seq != uint64(seq) || !bytes.Equal(r.Raw, sampleRecord(seq).Raw) || c != g.points[300] {
			t.Errorf("%+v %+v %v", r, c, err)
		}
		q.Seq++
		if _, _, err := q.Verify(keys); err == nil {
			t.Error("proved at another place")
		}
		// The last digit before the padding has bits that base64 does not use.
		for at := 0; at < len(text)-len("x=\n"); at += 7 {
			bad := bytes.Clone(text)
			bad[at] ^= 1
			if q, err := arr.ParseInclusion(bad); err == nil {
				if _, _, err := q.Verify(keys); err == nil {
					t.Errorf("byte %d changed and still a proof:\n%s", at, bad)
				}
			}
		}
	}
}

func TestConsistencyProof(t *testing.T) {
	k := newKey(t, "audit.test")
	keys, err := arr.Keys(k.Public)
	if err != nil {
		t.Fatal(err)
	}
	g, fork := grow(t, k, 120, same), grow(t, k, 120, other(50))
	for _, sizes := range [][2]int{{0, 100}, {1, 100}, {64, 100}, {100, 100}, {99, 120}} {
		older, newer := sizes[0], sizes[1]
		p, err := arr.ProveConsistency(g.points[older], g.points[newer], g.signed[older], g.signed[newer], g.hashes())
		if err != nil {
			t.Fatal(sizes, err)
		}
		q, err := arr.ParseConsistency(p.Append(nil))
		if err != nil {
			t.Fatal(sizes, err)
		}
		if a, b, err := q.Verify(keys); err != nil || a != g.points[older] || b != g.points[newer] {
			t.Error(sizes, a, b, err)
		}
		q.Newer = fork.signed[newer]
		if _, _, err := q.Verify(keys); older > 0 && (err == nil || older > 50 && !strings.Contains(err.Error(), "fork")) {
			t.Error(sizes, "consistent with another log:", err)
		}
	}
}

func TestWitness(t *testing.T) {
	k, wk := newKey(t, "audit.test"), newKey(t, "witness.test")
	keys, err := arr.Keys(k.Public + "\n" + wk.Public)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := wk.Signer()
	if err != nil {
		t.Fatal(err)
	}
	w := arr.Witness{Signer: signer, Keys: keys}
	g, fork := grow(t, k, 120, same), grow(t, k, 120, other(50))
	first, err := w.Countersign(nil, arr.Consistency{Newer: g.signed[60]})
	if err != nil {
		t.Fatal(err)
	}
	c, n, err := arr.OpenCheckpoint(first, keys)
	if err != nil || c != g.points[60] || len(n.Sigs) != 2 || n.Sigs[1].Name != "witness.test" {
		t.Fatalf("%+v %+v %v", c, n, err)
	}
	prove := func(g *grown, older, newer int) arr.Consistency {
		p, err := arr.ProveConsistency(g.points[older], g.points[newer], g.signed[older], g.signed[newer], g.hashes())
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if _, err := w.Countersign(first, prove(g, 60, 120)); err != nil {
		t.Error(err)
	}
	if _, err := w.Countersign(first, prove(g, 60, 60)); err != nil {
		t.Error("the same once more:", err)
	}
	forged := prove(fork, 60, 120)
	forged.Older = g.signed[60]
	for name, p := range map[string]arr.Consistency{
		"a fork":                 prove(fork, 60, 120),
		"a fork that is hidden":  forged,
		"another beginning":      prove(g, 30, 120),
		"an older one":           {Older: g.signed[60], Newer: g.signed[30]},
		"a fork of that size":    {Older: g.signed[60], Newer: fork.signed[60]},
		"nothing":                {},
		"signed by nobody known": {Older: g.signed[60], Newer: signed(t, newKey(t, "audit.test"), g.points[120].Text())},
	} {
		if _, err := w.Countersign(first, p); err == nil {
			t.Errorf("countersigned %s", name)
		}
	}
	own, err := k.Signer()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (arr.Witness{Signer: own, Keys: keys}).Countersign(nil, arr.Consistency{Newer: g.signed[60]}); err == nil {
		t.Error("a log is its own witness")
	}
}
