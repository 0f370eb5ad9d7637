package trail_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/atna/arr"
	"github.com/passerelle-sante/passerelle/store/storetest"
	"github.com/passerelle-sante/passerelle/store/trail"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("PASSERELLE_CRASH_CHILD"); dir != "" {
		crashChild(dir)
		return
	}
	os.Exit(m.Run())
}

func crashOptions(k arr.Key) trail.Options {
	return trail.Options{
		Describe: storetest.DescribeAudit, Key: k, CheckpointEvery: 3 * time.Millisecond, BlockSize: 3000, SegmentSize: 6000, JournalSegment: 30000,
		SyncEvery: 5000, RunRecords: 100,
	}
}

// crashChild appends records numbered from a variable on, from 4 goroutines, and prints number and place of each once it is acknowledged;
// another goroutine lets old ones expire.
func crashChild(dir string) {
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	k, err := arr.LoadKey(filepath.Join(dir, "key"), "audit.test")
	if err != nil {
		fail(err)
	}
	l, err := trail.Open(dir, crashOptions(k))
	if err != nil {
		fail(err)
	}
	from, _ := strconv.Atoi(os.Getenv("PASSERELLE_CRASH_FROM"))
	var g sync.WaitGroup
	for w := range 4 {
		g.Go(func() {
			for n := from + w; ; n += 4 {
				first, err := l.Append(context.Background(), []arr.Received{crashRecord(n)})
				if err != nil {
					fail(err)
				}
				fmt.Printf("%09d %09d\n", n, first) // one write: a pipe takes it whole
			}
		})
	}
	for {
		time.Sleep(15 * time.Millisecond)
		if n := l.Size(); n > 1500 {
			if _, err := l.Expire(context.Background(), time.Unix(1_800_000_000, int64(from-500)*1_000_000)); err != nil {
				fail(err)
			}
		}
	}
}

// crashRecord is unlike any other; none is a duplicate.
func crashRecord(n int) arr.Received {
	r := storetest.AuditRecord(n)
	r.Raw = fmt.Appendf(nil, "<85>1 - node app - IHE+RFC-3881 - record %d", n)
	return r
}

// kills at random instants, whatever is being done: nothing acknowledged is lost, nothing is there twice, the proofs hold, the index is right.
func TestCrash(t *testing.T) {
	runs := 100
	if testing.Short() {
		runs = 6
	}
	if n, err := strconv.Atoi(os.Getenv("PASSERELLE_CRASH_RUNS")); err == nil {
		runs = n
	}
	dir := t.TempDir()
	k, err := arr.LoadKey(filepath.Join(dir, "key"), "audit.test")
	if err != nil {
		t.Fatal(err)
	}
	acked := map[uint64]int{}
	from := 0
	for run := range runs {
		from = killChild(t, dir, run, from, acked) + 100
		verifyCrash(t, dir, k, acked)
		if t.Failed() {
			t.Fatal("after run", run)
		}
	}
	t.Logf("%d records acknowledged over %d crashes", len(acked), runs)
}

// killChild lets a child work for a random while, kills it, and gives the highest number it tried.
func killChild(t *testing.T, dir string, run, from int, acked map[uint64]int) (last int) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "PASSERELLE_CRASH_CHILD="+dir, "PASSERELLE_CRASH_FROM="+strconv.Itoa(from))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(uint64(run), 7))
	until := 1 + rng.IntN(400)
	last = from
	lines := 0
	killed := false
	for s := bufio.NewScanner(out); s.Scan(); {
		var n int
		var seq uint64
		if c, err := fmt.Sscanf(strings.TrimSpace(s.Text()), "%d %d", &n, &seq); c != 2 || err != nil || len(s.Text()) != 19 {
			continue // a line cut by the kill
		}
		if other, twice := acked[seq]; twice {
			t.Errorf("record %d was acknowledged as %d and as %d", seq, other, n)
		}
		acked[seq] = n
		last = max(last, n)
		if lines++; lines == until {
			time.Sleep(time.Duration(rng.IntN(3000)) * time.Microsecond)
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			killed = true
		}
	}
	_ = cmd.Wait()
	if !killed {
		t.Fatal("the child ended by itself")
	}
	return last
}

func verifyCrash(t *testing.T, dir string, k arr.Key, acked map[uint64]int) {
	t.Helper()
	opt := crashOptions(k)
	if r := verify(t, dir, opt); !r.OK() {
		t.Errorf("verified as it lies: %v", r.Findings)
	}
	l, err := trail.Open(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r, err := l.Verify(t.Context(), verification(t, opt))
	if err != nil || !r.OK() {
		t.Errorf("%+v %v", r, err)
	}
	next := r.Expired
	numbers := map[string]uint64{}
	err = l.Scan(t.Context(), 0, func(r arr.Record) (bool, error) {
		if r.Seq != next {
			return false, fmt.Errorf("record %d where %d is due", r.Seq, next)
		}
		if n, ok := acked[r.Seq]; ok && string(r.Raw) != string(crashRecord(n).Raw) {
			t.Errorf("record %d is %q, acknowledged was number %d", r.Seq, r.Raw, n)
		}
		if other, twice := numbers[string(r.Raw)]; twice {
			t.Errorf("records %d and %d are one", other, r.Seq)
		}
		numbers[string(r.Raw)] = r.Seq
		next++
		return true, nil
	})
	if err != nil {
		t.Error(err)
	}
	for seq := range acked {
		if seq >= next {
			t.Errorf("record %d was acknowledged and is gone", seq)
		}
	}
	settled(t, l)
	for raw, seq := range numbers {
		if seq%23 != 0 {
			continue
		}
		_, object, _ := strings.Cut(raw, " record ")
		p, err := l.Search(t.Context(), arr.Criteria{Terms: [][]arr.Term{{{Field: arr.FieldObject, Value: "O" + object}}}})
		if err != nil || len(p.Hits) != 1 || p.Hits[0].Seq != seq {
			t.Errorf("record %d: %+v %v", seq, p, err)
		}
	}
	p, err := l.Search(t.Context(), arr.Criteria{Limit: 1, Count: true})
	if err != nil || p.Total != len(numbers) {
		t.Errorf("%d found, %d are there: %v", p.Total, len(numbers), err)
	}
}
