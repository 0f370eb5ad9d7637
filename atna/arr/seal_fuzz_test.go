package arr_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"math"
	"testing"
	"testing/fstest"
	"time"

	"github.com/passerelle-sante/passerelle/atna/arr"
)

// What is read as a leaf is written back as it was.
func FuzzLeaf(f *testing.F) {
	f.Add(leaf(1))
	f.Add([]byte{0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := arr.ParseLeaf(b); err == nil && !bytes.Equal(arr.AppendLeaf(nil, &r), b) {
			t.Errorf("%x became %x", b, arr.AppendLeaf(nil, &r))
		}
	})
}

// What is read as a signed text is written back as it was.
func FuzzStatement(f *testing.F) {
	c := arr.Checkpoint{Origin: "audit.test", Size: 12, Root: arr.HashLeaf(leaf(1)), Time: time.Unix(1_800_000_000, 0).UTC()}
	e := arr.Expiry{Origin: "audit.test", End: 12, Root: c.Root, Before: c.Time, Time: c.Time}
	f.Add(c.Text())
	f.Add(e.Text())
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := arr.ParseCheckpoint(text); err == nil && c.Text() != text {
			t.Errorf("%q became %q", text, c.Text())
		}
		if e, err := arr.ParseExpiry(text); err == nil && e.Text() != text {
			t.Errorf("%q became %q", text, e.Text())
		}
	})
}

// A block that opens holds as many records as it says, within the bounds, and the same ones when written again.
func FuzzBlock(f *testing.F) {
	w, err := arr.NewBlockWriter(7)
	if err != nil {
		f.Fatal(err)
	}
	for n := range 5 {
		w.Add(leaf(n), int64(n))
	}
	f.Add(w.Flush(nil))
	zip, err := arr.NewBlockReader(1)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, block, err := arr.ReadBlock(bytes.NewReader(b), nil)
		if err != nil {
			return
		}
		raw, leaves, err := zip.Open(h, block, nil)
		if err != nil {
			return
		}
		if len(leaves) != h.Records || len(raw) != h.Raw || len(raw) > 2*arr.MaxRecord+4096 {
			t.Fatalf("%d records of %d, %d bytes of %d", len(leaves), h.Records, len(raw), h.Raw)
		}
		again, err := arr.NewBlockWriter(h.First)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range leaves {
			again.Add(l, math.MinInt64)
		}
		h2, block2, err := arr.ReadBlock(bytes.NewReader(again.Flush(nil)), nil)
		if err != nil || h2.End() != h.End() {
			t.Fatal(h2, err)
		}
		_, leaves2, err := zip.Open(h2, block2, nil)
		if err != nil || len(leaves2) != len(leaves) {
			t.Fatal(len(leaves2), err)
		}
	})
}

// A proof that parses is written back as it was; one that verifies is the one that was made.
func FuzzProof(f *testing.F) {
	k := newKey(f, "audit.test")
	keys, err := arr.Keys(k.Public)
	if err != nil {
		f.Fatal(err)
	}
	g := grow(f, k, 20, same)
	p, err := arr.ProveInclusion(5, leaf(5), g.signed[20], 20, g.hashes())
	if err != nil {
		f.Fatal(err)
	}
	c, err := arr.ProveConsistency(g.points[7], g.points[20], g.signed[7], g.signed[20], g.hashes())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(p.Append(nil))
	f.Add(c.Append(nil))
	f.Fuzz(func(t *testing.T, text []byte) {
		if q, err := arr.ParseInclusion(text); err == nil {
			if !bytes.Equal(q.Append(nil), text) {
				t.Errorf("%q became %q", text, q.Append(nil))
			}
			if r, _, err := q.Verify(keys); err == nil && !bytes.Equal(r.Raw, sampleRecord(int(r.Seq)).Raw) {
				t.Errorf("proved %+v", r)
			}
		}
		if q, err := arr.ParseConsistency(text); err == nil {
			if !bytes.Equal(q.Append(nil), text) {
				t.Errorf("%q became %q", text, q.Append(nil))
			}
			_, _, _ = q.Verify(keys)
		}
	})
}

// Whatever an export holds, verification ends, its report is bounded, and only what was signed is found whole.
func FuzzExport(f *testing.F) {
	k := newKey(f, "audit.test")
	keys, err := arr.Keys(k.Public)
	if err != nil {
		f.Fatal(err)
	}
	g := grow(f, k, 40, same)
	w, err := arr.NewBlockWriter(0)
	if err != nil {
		f.Fatal(err)
	}
	var segment, hashes []byte
	for n := range 40 {
		w.Add(leaf(n), int64(n))
		h := arr.HashLeaf(leaf(n))
		hashes = append(hashes, h[:]...)
		if n%10 == 9 {
			segment = w.Flush(segment)
		}
	}
	checkpoints := arr.AppendNote(arr.AppendNote(nil, g.signed[20]), g.signed[40])
	f.Add(segment, hashes, checkpoints)
	f.Add(segment[300:], hashes[32:], checkpoints[:300])
	f.Fuzz(func(t *testing.T, segment2, hashes2, checkpoints2 []byte) {
		files := fstest.MapFS{
			"records/0000000000000000.seg": {Data: segment2}, "hashes/00": {Data: hashes2}, "checkpoints": {Data: checkpoints2},
		}
		r, err := arr.VerifyLog(context.Background(), arr.Log{Files: files}, arr.Verification{Keys: keys})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Findings) > 1000 {
			t.Errorf("%d findings", len(r.Findings))
		}
		if r.OK() && r.Size == 40 && !bytes.Equal(hashes2[:min(len(hashes2), len(hashes))], hashes) {
			t.Error("other hashes found whole")
		}
		if r.OK() && (r.Size != 40 && r.Size != 20 && r.Size != 0 || r.Records != r.Size) {
			t.Errorf("found whole: %+v", r)
		}
	})
}

// A response is refused with an error, or vouches for the digest: nothing here is signed by anybody trusted.
func FuzzTimeStampResponse(f *testing.F) {
	query, _, err := arr.StampRequest(sha256.Sum256(nil))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(query)
	a := newAuthority(f, "sha256", x509.ExtKeyUsageTimeStamping)
	f.Add(a.reply(f, query))
	v := arr.StampVerifier{Roots: x509.NewCertPool()}
	f.Fuzz(func(t *testing.T, b []byte) {
		if at, err := v.Verify(b, sha256.Sum256(nil), nil); err == nil {
			t.Errorf("vouches for %v", at)
		}
	})
}
