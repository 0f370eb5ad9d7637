//go:build unix

package files_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/passerelle-sante/passerelle/store/files"
)

func TestMain(m *testing.M) {
	switch dir := os.Getenv("PASSERELLE_CRASH_CHILD"); {
	case dir == "":
		os.Exit(m.Run())
	case os.Getenv("PASSERELLE_FULL") != "":
		fullChild(dir)
	default:
		crashChild(dir)
	}
}

// size is the length of blob n: mostly small, some large.
func size(n int) int {
	if n%37 == 0 {
		return 1<<20 + 1 + n
	}
	return 1000 + (n*7919)%60000
}

func bytesOf(n int) []byte {
	b := make([]byte, size(n))
	rng := rand.New(rand.NewPCG(uint64(n), 7))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func store(s *files.Store, n int) (string, error) {
	b, err := s.Create(context.Background(), -1)
	if err != nil {
		return "", err
	}
	_, err = b.Write(bytesOf(n))
	if err != nil {
		b.Abort()
		return "", err
	}
	return b.Commit(context.Background())
}

func child(t *testing.T, dir string, env ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(append(os.Environ(), "PASSERELLE_CRASH_CHILD="+dir), env...)
	cmd.Stderr = os.Stderr
	return cmd
}

func TestCrash(t *testing.T) {
	runs := 20
	if testing.Short() {
		runs = 4
	}
	if n, err := strconv.Atoi(os.Getenv("PASSERELLE_CRASH_RUNS")); err == nil {
		runs = n
	}
	dir := filepath.Join(t.TempDir(), "blobs")
	acked := map[string]int{}
	for run := range runs {
		killChild(t, dir, run, acked)
		s, err := files.Open(dir, files.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Sweep(t.Context(), func(_ context.Context, id string) (bool, error) { _, ok := acked[id]; return ok, nil }); err != nil {
			t.Fatal(err)
		}
		for id, n := range acked {
			if got, err := read(t, s, id); err != nil || !bytes.Equal(got, bytesOf(n)) {
				t.Fatalf("run %d: blob %s was acknowledged: %v", run, id, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if temps, _ := filepath.Glob(filepath.Join(dir, "big", "*", "*.tmp")); len(temps) != 0 {
		t.Error("left:", temps)
	}
	bigs, _ := filepath.Glob(filepath.Join(dir, "big", "*", "b*"))
	for _, path := range bigs {
		if _, ok := acked[filepath.Base(path)]; !ok {
			t.Error("unacknowledged file left:", path)
		}
	}
	t.Logf("%d blobs acknowledged over %d crashes", len(acked), runs)
}

func killChild(t *testing.T, dir string, run int, acked map[string]int) {
	t.Helper()
	cmd := child(t, dir, "PASSERELLE_CRASH_FROM="+strconv.Itoa(run*100_000))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last := 1 + rand.New(rand.NewPCG(uint64(run), 1)).IntN(150)
	s, seen := bufio.NewScanner(out), 0
	for s.Scan() {
		n, id, ok := strings.Cut(strings.TrimSuffix(s.Text(), "."), " ")
		number, err := strconv.Atoi(n)
		if !ok || err != nil || !strings.HasSuffix(s.Text(), ".") {
			continue // a line cut by the kill
		}
		acked[id] = number
		if seen++; seen == last {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait()
	if seen < last {
		t.Fatalf("the child ended by itself after %d blobs", seen)
	}
}

func crashChild(dir string) {
	s, err := files.Open(dir, files.Options{SegmentSize: 1 << 20})
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
				id, err := store(s, n)
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				fmt.Printf("%d %s.\n", n, id)
			}
		})
	}
	for n := from; ; n++ {
		numbers <- n
	}
}

// TestFull runs in a child, because the limit on file size that plays the full disk is the process's.
func TestFull(t *testing.T) {
	cmd := child(t, filepath.Join(t.TempDir(), "blobs"), "PASSERELLE_FULL=1")
	if out, err := cmd.Output(); err != nil || string(out) != "fine\n" {
		t.Errorf("%q %v", out, err)
	}
}

func fullChild(dir string) {
	signal.Ignore(syscall.SIGXFSZ)
	if err := full(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("fine")
}

// full fills the store up to a limit in the middle of a record, small and large, and goes on when there is room again.
func full(dir string) error {
	s, err := files.Open(dir, files.Options{})
	if err != nil {
		return err
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	room := limit.Cur
	ids := map[string]int{}
	for round := range 3 {
		limit.Cur = 300_000 + uint64(round)*277_777
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			return err
		}
		n := 1 + round*1000
		for ; err == nil; n++ {
			var id string
			if id, err = store(s, n); err == nil {
				ids[id] = n
			}
		}
		if _, err := store(s, 37*(round+5)*1000); err == nil {
			return errors.New("a large blob fitted into a full disk")
		}
		limit.Cur, err = room, nil
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			return err
		}
		id, err := store(s, n)
		if err != nil {
			return fmt.Errorf("with room again: %w", err)
		}
		ids[id] = n
	}
	for id, n := range ids {
		c, err := s.Open(context.Background(), id)
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		var b bytes.Buffer
		if _, err := c.WriteTo(&b); err != nil || !bytes.Equal(b.Bytes(), bytesOf(n)) {
			return fmt.Errorf("%s: other bytes (%v)", id, err)
		}
	}
	if temps, _ := filepath.Glob(filepath.Join(dir, "big", "*", "*.tmp")); len(temps) > 0 {
		return fmt.Errorf("left: %v", temps)
	}
	return s.Close()
}
