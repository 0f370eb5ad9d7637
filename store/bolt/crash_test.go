package bolt_test

import (
	"bufio"
	"context"
	"errors"
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

	"github.com/passerelle-sante/passerelle/store/bolt"
	"github.com/passerelle-sante/passerelle/store/storetest"
	"github.com/passerelle-sante/passerelle/xds/registry"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("PASSERELLE_CRASH_CHILD"); dir != "" {
		crashChild(dir)
		return
	}
	os.Exit(m.Run())
}

// submit stores submission n as a repository and a registry that share a store do.
func submit(ctx context.Context, db *bolt.DB, n int) error {
	p := storetest.Patient(n % 100)
	return db.Registry().Update(ctx, func(tx registry.UpdateTx) error {
		for _, o := range storetest.Objects(n, p) {
			if err := tx.Put(o); err != nil {
				return err
			}
		}
		return errors.Join(tx.Keep(storetest.Document(3*n+1, p, fmt.Sprintf("blob-%d", n))), tx.Record(storetest.Message(n, p)))
	})
}

// present tells whether submission n is there: all of it, or it fails the test, or none of it.
func present(t *testing.T, db *bolt.DB, n int) bool {
	t.Helper()
	found := 0
	err := db.Registry().View(context.Background(), func(tx registry.Tx) error {
		for i := range 3 {
			_, ok, err := tx.Object(storetest.ID(3*n + i))
			if err != nil {
				return err
			}
			if ok {
				found++
			}
		}
		return nil
	})
	_, ok, err2 := db.Documents().Document(context.Background(), storetest.Entry(3*n+1, storetest.Patient(0)).UniqueID)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	if found != 0 && found != 3 || ok != (found == 3) {
		t.Errorf("submission %d: %d objects, document %v", n, found, ok)
	}
	return found == 3
}

func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// A power cut may leave any part of the last batch: whatever the length of the last segment, the store opens, holds a prefix of the
// updates, and goes on.
func TestTornJournalAtEveryByte(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	db := open(t, dir, bolt.Options{IdleFlush: -1})
	const updates = 4
	var ends []int64 // length of the segment after each update
	segment := ""
	for n := range updates {
		if err := submit(t.Context(), db, n); err != nil {
			t.Fatal(err)
		}
		names, err := filepath.Glob(filepath.Join(dir, "journal", "*.log"))
		if err != nil || len(names) != 1 {
			t.Fatal(names, err)
		}
		segment = names[0]
		st, err := os.Stat(segment)
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, st.Size())
	}
	image := filepath.Join(t.TempDir(), "image")
	copyDir(t, dir, image)
	work := filepath.Join(t.TempDir(), "work")
	copyDir(t, image, work)
	log, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	step := int64(1)
	if testing.Short() {
		step = 37
	}
	for size := ends[updates-2]; size <= ends[updates-1]; size += step {
		tornAt(t, work, filepath.Base(segment), log[:size], size == ends[updates-1], updates)
	}
}

func tornAt(t *testing.T, work, segment string, log []byte, whole bool, updates int) {
	t.Helper()
	path := filepath.Join(work, "journal", segment)
	// Nothing was applied to the index: the store is left without Close, as a crash would.
	if err := os.WriteFile(path, log, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(work, bolt.Options{IdleFlush: -1})
	if err != nil {
		t.Fatalf("cut at %d: %v", len(log), err)
	}
	for n := range updates {
		if want := n < updates-1 || whole; present(t, db, n) != want {
			t.Errorf("cut at %d: update %d present: %v", len(log), n, !want)
		}
	}
	check(t, db)
	if err := db.Abandon(); err != nil {
		t.Fatal(err)
	}
}

func TestCrash(t *testing.T) {
	runs := 20
	if testing.Short() {
		runs = 4
	}
	if n, err := strconv.Atoi(os.Getenv("PASSERELLE_CRASH_RUNS")); err == nil {
		runs = n
	}
	dir := filepath.Join(t.TempDir(), "store")
	acked := map[int]bool{}
	tried := 0
	for run := range runs {
		lines := killChild(t, dir, tried, run)
		for _, n := range lines {
			acked[n] = true
			tried = max(tried, n)
		}
		tried += 100 // beyond what the child may have begun
		verifyCrash(t, dir, acked, tried)
		if t.Failed() {
			t.Fatal("after run", run)
		}
	}
	t.Logf("%d updates acknowledged over %d crashes", len(acked), runs)
}

// killChild lets a child write until a random number of acknowledgements came, kills it, and gives them.
func killChild(t *testing.T, dir string, from, run int) []int {
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
	rng := rand.New(rand.NewPCG(uint64(run), 1))
	last := 1 + rng.IntN(1500)
	var acked []int
	s := bufio.NewScanner(out)
	for s.Scan() {
		n, err := strconv.Atoi(strings.TrimSpace(s.Text()))
		if err != nil {
			continue // a line cut by the kill
		}
		acked = append(acked, n)
		if len(acked) == last {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait()
	if len(acked) < last {
		t.Fatalf("the child ended by itself after %d updates", len(acked))
	}
	return acked
}

// crashChild writes submissions from 8 goroutines and prints the number of each once it is acknowledged.
func crashChild(dir string) {
	db, err := bolt.Open(dir, bolt.Options{OverlayLimit: 256 << 10, SegmentSize: 300 << 10, IdleFlush: 20 * time.Millisecond, LockTimeout: 10 * time.Second})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	from, _ := strconv.Atoi(os.Getenv("PASSERELLE_CRASH_FROM"))
	numbers := make(chan int)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for n := range numbers {
				if err := submit(context.Background(), db, n); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				fmt.Printf("%09d\n", n) // one write: a pipe takes it whole
			}
		})
	}
	for n := from; ; n++ {
		numbers <- n
	}
}

func verifyCrash(t *testing.T, dir string, acked map[int]bool, tried int) {
	t.Helper()
	db, err := bolt.Open(dir, bolt.Options{IdleFlush: -1})
	if err != nil {
		t.Fatal(err)
	}
	entries := uint64(0)
	for n := range tried {
		there := present(t, db, n)
		if acked[n] && !there {
			t.Errorf("update %d was acknowledged and is gone", n)
		}
		if there {
			entries++
		}
	}
	if s := db.Stats(); s.Entries != entries || s.Entries != s.AuditMessages || s.Entries != s.Documents {
		t.Errorf("%d submissions found, statistics say %+v", entries, s)
	}
	check(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
