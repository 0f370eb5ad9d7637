package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func records(from, n int) [][]byte {
	var rs [][]byte
	for i := range n {
		rs = append(rs, bytes.Repeat([]byte{byte(from + i)}, 10+(from+i)%50))
	}
	return rs
}

func open(t *testing.T, dir string, opt Options) *Journal {
	t.Helper()
	j, err := Open(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func add(t *testing.T, j *Journal, rs [][]byte) {
	t.Helper()
	if _, err := j.Append(rs); err != nil {
		t.Fatal(err)
	}
}

// expect replays from a sequence and compares with records(0, ...).
func expect(t *testing.T, j *Journal, from uint64, last int) {
	t.Helper()
	next := from
	err := j.Replay(from, func(seq uint64, p []byte) error {
		if seq != next || !bytes.Equal(p, records(int(seq)-1, 1)[0]) {
			return fmt.Errorf("record %d where %d was expected, or other bytes", seq, next)
		}
		next++
		return nil
	})
	if err != nil || next != uint64(last)+1 {
		t.Errorf("replayed up to %d, want %d (%v)", next-1, last, err)
	}
}

func TestAppendAndReplay(t *testing.T) {
	dir := t.TempDir()
	written := 0
	for range 3 {
		j := open(t, dir, Options{SegmentSize: 300})
		for n := range 6 {
			add(t, j, records(written, n+1))
			written += n + 1
		}
		expect(t, j, 1, written)
		expect(t, j, 17, written)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := j.Append(records(0, 1)); !errors.Is(err, ErrBroken) {
			t.Error("a closed journal took a record:", err)
		}
	}
	j := open(t, dir, Options{SegmentSize: 300})
	before := j.Size()
	if err := j.DropBefore(40); err != nil {
		t.Fatal(err)
	}
	if j.Size() >= before || j.First() == 1 || j.First() > 40 {
		t.Errorf("%d of %d bytes left, from record %d", j.Size(), before, j.First())
	}
	expect(t, j, 40, written)
	if err := j.Replay(1, func(uint64, []byte) error { return nil }); err == nil {
		t.Error("replayed what was dropped")
	}
	if err := j.StartAt(1000); err == nil {
		t.Error("a journal with records jumped")
	}
}

// image writes three batches and gives the last segment's path, its bytes and the offset where each batch ends.
func image(t *testing.T) (path string, log []byte, ends []int) {
	t.Helper()
	j := open(t, t.TempDir(), Options{})
	for batch := range 3 {
		add(t, j, records(3*batch, 3))
		ends = append(ends, int(j.Size()))
	}
	path = j.segments[0].path
	log, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, log, ends
}

func reopen(t *testing.T, path string, log []byte) (*Journal, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), log, 0o600); err != nil {
		t.Fatal(err)
	}
	return Open(dir, Options{})
}

func TestTornAnywhere(t *testing.T) {
	path, log, ends := image(t)
	for size := ends[1]; size <= len(log); size++ {
		j, err := reopen(t, path, log[:size])
		if err != nil {
			t.Fatalf("cut at %d: %v", size, err)
		}
		last := int(j.Next()) - 1
		if last < 6 || size == len(log) && last != 9 {
			t.Errorf("cut at %d: %d records left", size, last)
		}
		add(t, j, records(last, 4)) // and goes on
		expect(t, j, 1, last+4)
		_ = j.Close()
	}
}

// A changed byte in the last batch may be a torn write; in an earlier one it is damage, and the error says where.
func TestDamage(t *testing.T) {
	path, log, ends := image(t)
	for at := segmentHeader; at < len(log); at++ {
		bad := bytes.Clone(log)
		bad[at] ^= 0x10
		j, err := reopen(t, path, bad)
		if at < ends[1] {
			var damage *CorruptError
			if !errors.As(err, &damage) || int(damage.Offset) > at {
				t.Fatalf("byte %d changed: %v", at, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("byte %d of the last batch changed: %v", at, err)
		}
		if next := j.Next(); next < 7 || next > 9 {
			t.Errorf("byte %d changed: %d records left", at, next-1)
		}
		_ = j.Close()
	}
}

func TestDamageInAnEarlierSegment(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{SegmentSize: 1})
	add(t, j, records(0, 2))
	add(t, j, records(2, 2))
	path := j.segments[0].path
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, j.segments[0].size-1); err != nil {
		t.Fatal(err)
	}
	j = open(t, dir, Options{})
	var damage *CorruptError
	if err := j.Replay(1, func(uint64, []byte) error { return nil }); !errors.As(err, &damage) {
		t.Error(err)
	}
	if err := j.Replay(3, func(uint64, []byte) error { return nil }); err != nil {
		t.Error(err)
	}
}

func TestBornDead(t *testing.T) {
	for size := range segmentHeader {
		dir := t.TempDir()
		j := open(t, dir, Options{SegmentSize: 1})
		add(t, j, records(0, 2))
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "0000000000000003.log"), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		j = open(t, dir, Options{SegmentSize: 1})
		add(t, j, records(2, 2))
		expect(t, j, 1, 4)
	}
}

// After a failed write nothing is accepted, also when the disk has room again.
func TestRefusesAfterFailure(t *testing.T) {
	j := open(t, t.TempDir(), Options{})
	add(t, j, records(0, 1))
	good := j.file
	bad, err := os.Open(good.Name()) // not writable
	if err != nil {
		t.Fatal(err)
	}
	j.file = bad
	if _, err := j.Append(records(1, 1)); err == nil {
		t.Fatal("written to a file that cannot be written")
	}
	j.file = good
	if _, err := j.Append(records(1, 1)); !errors.Is(err, ErrBroken) {
		t.Error("accepted after a failure:", err)
	}
}

func FuzzJournalScan(f *testing.F) {
	s := segment{path: "fuzz", first: 1, salt: 42}
	log := make([]byte, segmentHeader)
	for i, r := range records(0, 4) {
		log = appendRecord(log, s.salt, uint64(i+1), uint64(i), r)
	}
	f.Add(log)
	f.Add(log[:len(log)-3])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		n := uint64(0)
		end, next, err := scanBytes(s, b, func(seq uint64, p []byte) error {
			if n++; seq != n {
				t.Errorf("record %d as number %d", seq, n)
			}
			return nil
		})
		if err == nil && len(b) > segmentHeader && end > int64(len(b)) || next != n+1 {
			t.Errorf("%d records, end %d of %d, next %d", n, end, len(b), next)
		}
		// What was read is read again from the readable part alone.
		if err == nil && end <= int64(len(b)) {
			end2, next2, err := scanBytes(s, b[:end], nil)
			if end2 != end || next2 != next || err != nil {
				t.Errorf("again: %d %d %v, before: %d %d", end2, next2, err, end, next)
			}
		}
	})
}
