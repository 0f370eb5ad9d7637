package trail_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/atna/arr"
	"github.com/passerelle-sante/passerelle/store/trail"
)

func key(t testing.TB) arr.Key {
	t.Helper()
	k, err := arr.NewKey("audit.test")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func open(t testing.TB, dir string, opt trail.Options) *trail.Trail {
	t.Helper()
	l, err := trail.Open(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// options are small, so that little work meets every step.
func options(t testing.TB) trail.Options {
	return trail.Options{
		Describe: describe, Key: key(t), CheckpointEvery: 5 * time.Millisecond, BlockSize: 2000, SegmentSize: 3000, JournalSegment: 20000, SyncEvery: 4000, RunRecords: 64,
	}
}

func received(n int) arr.Received {
	return arr.Received{At: time.Unix(1_800_000_000, int64(n)).UTC(), Way: arr.ByTLS, Peer: fmt.Sprint("CN=node", n%3), Raw: fmt.Appendf(nil, "<85>1 - record %d patient %d user %d", n, n%7, n%5)}
}

func describe(r arr.Received) arr.Row {
	var n, p, u int
	if c, err := fmt.Sscanf(string(r.Raw), "<85>1 - record %d patient %d user %d", &n, &p, &u); c != 3 || err != nil {
		return arr.Row{Event: r.At, Terms: []arr.Term{{Field: arr.FieldFlaw, Value: "syslog"}}}
	}
	return arr.Row{Event: r.At, Summary: fmt.Appendf(nil, "summary %d", n), Terms: []arr.Term{
		{Field: arr.FieldPatient, Value: fmt.Sprint(p)}, {Field: arr.FieldUser, Value: fmt.Sprint(u)}, {Field: arr.FieldDigest, Value: string(r.Raw)},
		{Field: arr.FieldOutcome, Value: "0"},
	}}
}

func add(t testing.TB, l *trail.Trail, from, n int) {
	t.Helper()
	var rs []arr.Received
	for i := range n {
		rs = append(rs, received(from+i))
	}
	first, err := l.Append(t.Context(), rs)
	if err != nil || first != uint64(from) {
		t.Fatal(first, err)
	}
}

func expect(t testing.TB, l *trail.Trail, from, end int) {
	t.Helper()
	next := from
	err := l.Scan(t.Context(), 0, func(r arr.Record) (bool, error) {
		want := received(next)
		if r.Seq != uint64(next) || !r.At.Equal(want.At) || r.Way != want.Way || r.Peer != want.Peer || !bytes.Equal(r.Raw, want.Raw) {
			return false, fmt.Errorf("record %d is %+v", next, r)
		}
		next++
		return true, nil
	})
	if err != nil || next != end || l.Size() != uint64(end) {
		t.Fatalf("scanned up to %d of %d, size %d: %v", next, end, l.Size(), err)
	}
}

func TestAppendAndReopen(t *testing.T) {
	dir, opt := t.TempDir(), options(t)
	for round := range 4 {
		l := open(t, dir, opt)
		expect(t, l, 0, round*500)
		for i := range 50 {
			add(t, l, round*500+i*10, 10)
		}
		expect(t, l, 0, (round+1)*500)
		if round == 2 {
			if err := l.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			if s := l.Stats(); s.Packed != 1500 || s.Sealed != 1500 || s.Backlog != 0 {
				t.Errorf("%+v", s)
			}
		}
		if _, err := l.Read(t.Context(), uint64((round+1)*500)); !errors.Is(err, arr.ErrNoRecord) {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Append(t.Context(), []arr.Received{received(0)}); !errors.Is(err, trail.ErrClosed) {
			t.Error(err)
		}
	}
}
