package trail_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/atna/arr"
	"github.com/passerelle-sante/passerelle/store/journal"
	"github.com/passerelle-sante/passerelle/store/storetest"
	"github.com/passerelle-sante/passerelle/store/trail"
)

// audited makes a trail of n of the contract's records and the model of it.
func audited(t testing.TB, dir string, opt trail.Options, n int) (*trail.Trail, *storetest.Trail) {
	t.Helper()
	l, m := open(t, dir, opt), &storetest.Trail{Describe: storetest.DescribeAudit}
	var rs []arr.Received
	for i := range n {
		rs = append(rs, storetest.AuditRecord(i))
	}
	for len(rs) > 0 {
		some := rs[:min(50, len(rs))]
		rs = rs[len(some):]
		if _, err := l.Append(t.Context(), some); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Append(t.Context(), some); err != nil {
			t.Fatal(err)
		}
	}
	settled(t, l)
	return l, m
}

func auditOptions(t testing.TB) trail.Options {
	opt := options(t)
	opt.Describe = storetest.DescribeAudit
	return opt
}

func TestReopenFindsTheSame(t *testing.T) {
	dir, opt := t.TempDir(), auditOptions(t)
	l, m := audited(t, dir, opt, 2000)
	for range 2 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = open(t, dir, opt)
		settled(t, l)
		storetest.AuditQuestions(t, l, m, 60)
		if s := l.Stats(); s.Indexed != 2000 || s.Records != 2000 || s.Runs == 0 {
			t.Errorf("%+v", s)
		}
	}
}

// The index may be removed, wholly or in part, or damaged anywhere: it is built anew and says the same.
func TestIndexIsBuiltAnew(t *testing.T) {
	dir, opt := t.TempDir(), auditOptions(t)
	l, m := audited(t, dir, opt, 1500)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(t.TempDir(), "image")
	if err := os.CopyFS(image, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	runs, err := filepath.Glob(filepath.Join(dir, "index", "*.run"))
	if err != nil || len(runs) < 2 {
		t.Fatal(runs, err)
	}
	cases := map[string]func(dir string) error{
		"all":      func(dir string) error { return os.RemoveAll(filepath.Join(dir, "index")) },
		"key":      func(dir string) error { return os.Remove(filepath.Join(dir, "index", "key")) },
		"one run":  func(dir string) error { return os.Remove(filepath.Join(dir, "index", filepath.Base(runs[0]))) },
		"footer":   func(dir string) error { return flipFile(filepath.Join(dir, "index", filepath.Base(runs[0])), -20) },
		"filter":   func(dir string) error { return flipFile(filepath.Join(dir, "index", filepath.Base(runs[0])), -140) },
		"rows":     func(dir string) error { return flipFile(filepath.Join(dir, "index", filepath.Base(runs[0])), 30) },
		"leftover": func(dir string) error { return os.WriteFile(filepath.Join(dir, "index", "x.tmp"), []byte("x"), 0o600) },
		"empty":    func(dir string) error { return os.Truncate(filepath.Join(dir, "index", filepath.Base(runs[0])), 0) },
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			work := filepath.Join(t.TempDir(), "work")
			if err := os.CopyFS(work, os.DirFS(image)); err != nil {
				t.Fatal(err)
			}
			if err := spoil(work); err != nil {
				t.Fatal(err)
			}
			l := open(t, work, opt)
			if name == "rows" {
				r, err := l.Verify(t.Context(), verification(t, opt))
				if err != nil || len(r.Findings) != 1 || r.Findings[0].Kind != arr.IndexDamage {
					t.Errorf("%+v %v", r.Findings, err)
				}
			}
			settled(t, l)
			storetest.AuditQuestions(t, l, m, 60)
		})
	}
}

func flipFile(path string, at int) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if at < 0 {
		at += len(b)
	}
	b[at] ^= 4
	return os.WriteFile(path, b, 0o600)
}

// Any byte of a run may be wrong: what is found is then found all the same, or the range is told to be behind and built anew.
func TestDamagedRunNeverLies(t *testing.T) {
	dir, opt := t.TempDir(), auditOptions(t)
	opt.RunRecords = 5000
	l, m := audited(t, dir, opt, 400)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	runs, err := filepath.Glob(filepath.Join(dir, "index", "*.run"))
	if err != nil || len(runs) != 1 {
		t.Fatal(runs, err)
	}
	good, err := os.ReadFile(runs[0])
	if err != nil {
		t.Fatal(err)
	}
	step := 397
	if testing.Short() {
		step = 1997
	}
	for at := 0; at < len(good); at += step {
		bad := bytes.Clone(good)
		bad[at] ^= 0x81
		if err := os.WriteFile(runs[0], bad, 0o600); err != nil {
			t.Fatal(err)
		}
		l := open(t, dir, opt)
		settled(t, l)
		for patient := range 11 {
			settledSearch(t, l, m, arr.Criteria{Terms: [][]arr.Term{{{Field: arr.FieldPatient, Value: fmt.Sprint("P", patient)}}}, Limit: 1000})
		}
		settledSearch(t, l, m, arr.Criteria{Limit: 1000})
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(runs[0], good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// settledSearch asks until nothing is behind.
func settledSearch(t *testing.T, l *trail.Trail, m arr.Store, c arr.Criteria) {
	t.Helper()
	want, err := m.Search(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		got, err := l.Search(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if got.Behind > 0 {
			continue
		}
		if len(got.Hits) != len(want.Hits) {
			t.Fatalf("%d hits, want %d", len(got.Hits), len(want.Hits))
		}
		return
	}
	t.Fatal("the index does not catch up")
}

func TestExpire(t *testing.T) {
	dir, opt := t.TempDir(), auditOptions(t)
	l, m := audited(t, dir, opt, 1500)
	at := func(n int) time.Time { return storetest.AuditRecord(n).At }
	if end, err := l.Expire(t.Context(), at(0)); err != nil || end != 0 {
		t.Fatal(end, err)
	}
	var end uint64
	check := func(l *trail.Trail) {
		t.Helper()
		if _, err := l.Read(t.Context(), end-1); !errors.Is(err, arr.ErrExpired) {
			t.Error(err)
		}
		if r, err := l.Read(t.Context(), end); err != nil || !bytes.Equal(r.Raw, storetest.AuditRecord(int(end)).Raw) {
			t.Error(r, err)
		}
		first := uint64(0)
		if err := l.Scan(t.Context(), 0, func(r arr.Record) (bool, error) { first = r.Seq; return false, nil }); err != nil || first != end {
			t.Error(first, err)
		}
		settled(t, l)
		storetest.AuditQuestions(t, l, m, 100)
		r, err := l.Verify(t.Context(), verification(t, opt))
		if err != nil || !r.OK() || r.Expired != end || r.Records != r.Size-end || r.Size != 1500 {
			t.Errorf("%+v %v", r, err)
		}
		p, err := l.Prove(t.Context(), 1400)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.Verify(verification(t, opt).Keys); err != nil {
			t.Error(err)
		}
	}
	for _, until := range []int{500, 900} {
		var err error
		before := end
		if end, err = l.Expire(t.Context(), at(until)); err != nil || end <= before || end > uint64(until) {
			t.Fatal(end, err)
		}
		m.Expire(end)
		check(l)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir, opt)
	check(l)
	names, err := filepath.Glob(filepath.Join(dir, "records", "*.seg"))
	if err != nil || filepath.Base(names[0]) != fmt.Sprintf(arr.SegmentName, end) {
		t.Errorf("%v %v", names, err)
	}
	// All of it, the segment being written included; then it goes on.
	if end, err = l.Expire(t.Context(), at(2000)); err != nil || end != 1500 {
		t.Fatal(end, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if r := verify(t, dir, opt); !r.OK() || r.Expired != 1500 {
		t.Errorf("%+v", r)
	}
	l = open(t, dir, opt)
	if first, err := l.Append(t.Context(), []arr.Received{storetest.AuditRecord(1500)}); err != nil || first != 1500 {
		t.Fatal(first, err)
	}
	if r, err := l.Verify(t.Context(), verification(t, opt)); err != nil || !r.OK() || r.Records != 1 || r.Size != 1501 {
		t.Errorf("%+v %v", r, err)
	}
}

// A removal that no statement tells of is not an expiry.
func TestRemovalIsNotExpiry(t *testing.T) {
	dir, opt := t.TempDir(), auditOptions(t)
	l, _ := audited(t, dir, opt, 1000)
	end, err := l.Expire(t.Context(), storetest.AuditRecord(500).At)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	rewrite(t, filepath.Join(dir, "expired"), func(b []byte) []byte { b[40] ^= 1; return b })
	r := verify(t, dir, opt)
	if got, want := kinds(r), fmt.Sprintf("expiry 0-0, missing 0-%d", end); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var damage *trail.DamageError
	if _, err := trail.Open(dir, opt); !errors.As(err, &damage) || damage.File != "expired" {
		t.Error(err)
	}
	if err := os.Remove(filepath.Join(dir, "expired")); err != nil {
		t.Fatal(err)
	}
	if _, err := trail.Open(dir, opt); !errors.As(err, &damage) || damage.File != "records" || damage.Seq != 0 {
		t.Error(err)
	}
}

func TestOneProcess(t *testing.T) {
	dir, opt := t.TempDir(), options(t)
	open(t, dir, opt)
	if _, err := trail.Open(dir, opt); !errors.Is(err, journal.ErrLocked) {
		t.Error(err)
	}
	if _, err := trail.VerifyDir(t.Context(), dir, verification(t, opt)); !errors.Is(err, journal.ErrLocked) {
		t.Error(err)
	}
}

// Opening refuses what is not what was sealed, and says where.
func TestOpenRefuses(t *testing.T) {
	opt := options(t)
	opt.CheckpointEvery = time.Hour
	image := filepath.Join(t.TempDir(), "image")
	l := open(t, image, opt)
	add(t, l, 0, 500)
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	add(t, l, 500, 3)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	glob := func(dir, pattern string, n int) string {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(names) == 0 {
			t.Fatal(names, err)
		}
		return names[(n+len(names))%len(names)]
	}
	cases := []struct {
		name, file string
		spoil      func(dir string) error
	}{
		{"checkpoint", "checkpoints", func(dir string) error { return flipFile(filepath.Join(dir, "checkpoints"), -20) }},
		{"checkpoints gone", "checkpoints", func(dir string) error { return os.Remove(filepath.Join(dir, "checkpoints")) }},
		{"hash below a tier", "", func(dir string) error { return flipFile(filepath.Join(dir, "hashes", "00"), 32*100) }},
		{"hashes cut", "hashes/00", func(dir string) error { return os.Truncate(filepath.Join(dir, "hashes", "00"), 32*100) }},
		{"last block", "records", func(dir string) error { return flipFile(glob(dir, "records/*.seg", -1), -5) }},
		{"first segment gone", "records", func(dir string) error { return os.Remove(glob(dir, "records/*.seg", 0)) }},
		{"journal gone", "journal", func(dir string) error { return os.RemoveAll(filepath.Join(dir, "journal")) }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "work")
			if err := os.CopyFS(dir, os.DirFS(image)); err != nil {
				t.Fatal(err)
			}
			if err := c.spoil(dir); err != nil {
				t.Fatal(err)
			}
			var damage *trail.DamageError
			l, err := trail.Open(dir, opt)
			if err == nil {
				err = l.Close()
			}
			if c.file == "" && err != nil || c.file != "" && (!errors.As(err, &damage) || damage.File != c.file) {
				t.Errorf("%v", err)
			}
			if r := verify(t, dir, opt); r.OK() {
				t.Error("verified")
			}
		})
	}
	t.Run("tiers that can be computed", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "work")
		if err := os.CopyFS(dir, os.DirFS(image)); err != nil {
			t.Fatal(err)
		}
		if err := flipFile(filepath.Join(dir, "hashes", "08"), 3); err != nil {
			t.Fatal(err)
		}
		expect(t, open(t, dir, opt), 0, 503)
	})
}

// Many at once, while the backlog is small, everything else happens and some give up.
func TestManyAtOnce(t *testing.T) {
	opt := options(t)
	opt.Backlog = 6000
	dir := t.TempDir()
	l := open(t, dir, opt)
	var g sync.WaitGroup
	var mu sync.Mutex
	places := map[uint64]int{}
	for w := range 8 {
		g.Go(func() {
			for i := range 60 {
				n := w*1000 + i
				first, err := l.Append(t.Context(), []arr.Received{received(n), received(n)})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				places[first], places[first+1] = n, n
				mu.Unlock()
				if i%10 == 0 {
					if _, err := l.Search(t.Context(), arr.Criteria{Terms: [][]arr.Term{{{Field: arr.FieldPatient, Value: "1"}}}}); err != nil {
						t.Error(err)
					}
				}
				if i%25 == 0 {
					if err := l.Flush(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	g.Wait()
	seen := 0
	err := l.Scan(t.Context(), 0, func(r arr.Record) (bool, error) {
		if want := received(places[r.Seq]); !bytes.Equal(r.Raw, want.Raw) {
			t.Errorf("record %d is %q, want %q", r.Seq, r.Raw, want.Raw)
		}
		seen++
		return true, nil
	})
	if err != nil || seen != 960 || len(places) != 960 {
		t.Errorf("%d scanned, %d acknowledged: %v", seen, len(places), err)
	}
	if r, err := l.Verify(t.Context(), verification(t, opt)); err != nil || !r.OK() || r.Records < 960 {
		t.Errorf("%+v %v", r, err)
	}
}

// Somebody who gives up is told so, and nothing of his is kept.
func TestGivenUp(t *testing.T) {
	l := open(t, t.TempDir(), options(t))
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := l.Append(ctx, []arr.Received{received(0)}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	add(t, l, 0, 1)
}

// A block that cannot be read costs its own records and nothing else.
func TestUnreadableBlockIsPassedOver(t *testing.T) {
	dir, opt := t.TempDir(), auditOptions(t)
	l, _ := audited(t, dir, opt, 1500)
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "records", "*.seg"))
	if err != nil || len(names) < 3 {
		t.Fatal(names, err)
	}
	if err := flipFile(names[0], arr.BlockHeader+20); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "index")); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir, opt)
	settled(t, l)
	var damage *trail.DamageError
	if _, err := l.Read(t.Context(), 0); !errors.As(err, &damage) || damage.Seq != 0 {
		t.Error(err)
	}
	if _, err := l.Read(t.Context(), 1400); err != nil {
		t.Error(err)
	}
	p, err := l.Search(t.Context(), arr.Criteria{Terms: [][]arr.Term{{{Field: arr.FieldObject, Value: "O1400"}}}})
	if err != nil || len(p.Hits) != 1 || p.Hits[0].Seq != 1400 {
		t.Errorf("%+v %v", p, err)
	}
	if p, err := l.Search(t.Context(), arr.Criteria{Terms: [][]arr.Term{{{Field: arr.FieldObject, Value: "O0"}}}}); err != nil || len(p.Hits) != 0 {
		t.Errorf("%+v %v", p, err)
	}
}

// A record may claim to be of any time; a new key goes on where the old one ended.
func TestAnyTimeAndAnotherKey(t *testing.T) {
	dir, opt := t.TempDir(), options(t)
	years := []int{1, 1600, 1970, 2026, 2300, 9999}
	opt.Describe = func(r arr.Received) arr.Row {
		var i int
		if _, err := fmt.Sscanf(string(r.Raw), "year %d", &i); err != nil {
			t.Error(err)
		}
		return arr.Row{Event: time.Date(years[i], 5, 5, 0, 0, 0, 0, time.UTC)}
	}
	l := open(t, dir, opt)
	for i := range years {
		if _, err := l.Append(t.Context(), []arr.Received{{At: time.Unix(1_800_000_000, 0), Raw: fmt.Appendf(nil, "year %d", i)}}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		settled(t, l)
		p, err := l.Search(t.Context(), arr.Criteria{From: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC)})
		if err != nil || len(p.Hits) != 1 || p.Hits[0].Seq != 3 {
			t.Errorf("%+v %v", p, err)
		}
		p, err = l.Search(t.Context(), arr.Criteria{From: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC), OldestFirst: true})
		if err != nil || len(p.Hits) != 2 || p.Hits[0].Seq != 4 {
			t.Errorf("%+v %v", p, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		opt.Key, opt.OldKeys = key(t), opt.OldKeys+"\n"+opt.Key.Public
		l = open(t, dir, opt)
	}
}
