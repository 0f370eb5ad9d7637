package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	bbolt "go.etcd.io/bbolt"

	"github.com/passerelle-sante/passerelle/store/bolt"
	"github.com/passerelle-sante/passerelle/store/files"
	"github.com/passerelle-sante/passerelle/store/journal"
	"github.com/passerelle-sante/passerelle/store/storetest"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/registry"
)

const (
	clients      = 32
	documentSize = 30 << 10
	metadataSize = 3 << 10
)

// cost reports what one operation cost the process (user and system time) and the disk beneath dir, beside the time that passed.
func cost(b *testing.B, dir string, run func()) {
	b.Helper()
	cpu, disk, at := cpuTime(b), written(b, dir), time.Now()
	b.ResetTimer()
	run()
	b.StopTimer()
	took := time.Since(at)
	b.ReportMetric(float64(b.N)/took.Seconds(), "op/s")
	b.ReportMetric(float64((cpuTime(b)-cpu).Microseconds())/float64(b.N), "cpu-us/op")
	syscall.Sync()
	if n := written(b, dir) - disk; disk > 0 {
		b.ReportMetric(float64(n)/float64(b.N)/(documentSize+metadataSize), "written/payload")
	}
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// written gives the bytes written to the device that holds dir, 0 where the kernel does not say.
func written(b *testing.B, dir string) int64 {
	var st syscall.Stat_t
	if err := syscall.Stat(dir, &st); err != nil {
		b.Fatal(err)
	}
	text, err := os.ReadFile(fmt.Sprintf("/sys/dev/block/%d:%d/stat", st.Dev>>8&0xfff, st.Dev&0xff|st.Dev>>12&0xfff00))
	if err != nil {
		return 0
	}
	if f := strings.Fields(string(text)); len(f) > 6 {
		n, _ := strconv.ParseInt(f[6], 10, 64)
		return n * 512
	}
	return 0
}

// together runs op times over the clients; op gets a number of its own each time.
func together(b *testing.B, times int, op func(n int) error) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for {
				n := int(next.Add(1))
				if n > times {
					return
				}
				if err := op(n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkYardstickLog is the ceiling: the same bytes in a group-committed log and nothing else.
func BenchmarkYardstickLog(b *testing.B) {
	dir := b.TempDir()
	j, err := journal.Open(dir, journal.Options{SegmentSize: 256 << 20})
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	var mu, writing sync.Mutex
	type group struct {
		records [][]byte
		done    chan struct{}
		err     error
	}
	var forming *group
	record := make([]byte, documentSize+metadataSize)
	cost(b, dir, func() {
		together(b, b.N, func(int) error {
			mu.Lock()
			g, leads := forming, false
			if g == nil {
				g, leads = &group{done: make(chan struct{})}, true
				forming = g
			}
			g.records = append(g.records, record)
			mu.Unlock()
			if leads {
				writing.Lock()
				mu.Lock()
				forming = nil
				mu.Unlock()
				_, g.err = j.Append(g.records)
				close(g.done)
				writing.Unlock()
			}
			<-g.done
			return g.err
		})
	})
}

// BenchmarkYardstickBolt is bbolt alone with a group committer: 3 KB over 6 buckets and the document as a value.
func BenchmarkYardstickBolt(b *testing.B) {
	dir := b.TempDir()
	db, err := bbolt.Open(filepath.Join(dir, "y"), 0o600, &bbolt.Options{FreelistType: bbolt.FreelistMapType, InitialMmapSize: 16 << 30})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	queue := make(chan chan error, clients)
	document := make([]byte, documentSize)
	value := make([]byte, metadataSize/6)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		seq := uint64(0)
		for first := range queue {
			waiting := []chan error{first}
			for len(queue) > 0 {
				waiting = append(waiting, <-queue)
			}
			err := db.Update(func(tx *bbolt.Tx) error {
				for range waiting {
					seq++
					if err := yardstickRows(tx, seq, value, document); err != nil {
						return err
					}
				}
				return nil
			})
			for _, w := range waiting {
				w <- err
			}
		}
	}()
	cost(b, dir, func() {
		together(b, b.N, func(int) error {
			done := make(chan error, 1)
			queue <- done
			return <-done
		})
	})
	close(queue)
	<-stopped
}

func yardstickRows(tx *bbolt.Tx, seq uint64, value, document []byte) error {
	for i := range 7 {
		bucket, err := tx.CreateBucketIfNotExists([]byte{byte('a' + i)})
		if err != nil {
			return err
		}
		v := value
		if i == 6 {
			v = document
		}
		if err := bucket.Put(fmt.Appendf(nil, "%016x", seq*0x9E3779B97F4A7C15+uint64(i)), v); err != nil {
			return err
		}
	}
	return nil
}

type stores struct {
	db       *bolt.DB
	blobs    *files.Store
	dir      string
	document []byte
	next     atomic.Int64
}

// loaded gives stores that hold n submissions of n/20 patients, everything in bbolt.
func loaded(b *testing.B, n int) *stores {
	b.Helper()
	s := &stores{dir: b.TempDir(), document: make([]byte, documentSize)}
	s.db = open(b, filepath.Join(s.dir, "db"), bolt.Options{})
	blobs, err := files.Open(filepath.Join(s.dir, "blobs"), files.Options{})
	if err != nil {
		b.Fatal(err)
	}
	s.blobs = blobs
	b.Cleanup(func() { _ = blobs.Close() })
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for i := int(s.next.Add(1)); i <= n; i = int(s.next.Add(1)) {
				if err := s.register(i, fmt.Sprintf("s1-%x-7800", i), n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := s.db.Flush(); err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	return s
}

func (s *stores) register(n int, blob string, of int) error {
	p := storetest.Patient(n % max(of/20, 1))
	objects, message := storetest.Objects(n, p), storetest.Message(n, p) // before the update, as an actor does
	document := storetest.Document(3*n+1, p, blob)
	return s.db.Registry().Update(context.Background(), func(tx registry.UpdateTx) error {
		if ids, err := tx.ByUniqueID(document.UniqueID); err != nil || len(ids) > 0 {
			return errors.Join(err, errors.New("unique id was used before"))
		}
		for _, o := range objects {
			if err := tx.Put(o); err != nil {
				return err
			}
		}
		return errors.Join(tx.Keep(document), tx.Record(message))
	})
}

// submit is the store's part of ITI-41: the document, then everything else in one update.
func (s *stores) submit(of int) error {
	b, err := s.blobs.Create(context.Background(), -1)
	if err != nil {
		return err
	}
	if _, err := b.Write(s.document); err != nil {
		return err
	}
	id, err := b.Commit(context.Background())
	if err != nil {
		return err
	}
	return s.register(int(s.next.Add(1)), id, of)
}

// BenchmarkSubmit is ITI-41 as the store sees it, at 32 clients.
func BenchmarkSubmit(b *testing.B) {
	for _, n := range []int{0, 300_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := loadedOnce(b, n)
			cost(b, s.dir, func() {
				together(b, b.N, func(int) error { return s.submit(max(n, 20_000)) })
				if err := s.db.Flush(); err != nil { // what lags behind is part of the cost
					b.Error(err)
				}
			})
		})
	}
}

// loadedOnce spares loading again for every value of b.N.
func loadedOnce(b *testing.B, n int) *stores {
	b.Helper()
	if n == 0 || b.N == 1 {
		return loaded(b, min(n, 1000))
	}
	return loaded(b, n)
}

// BenchmarkMetadata is ITI-42 as the store sees it.
func BenchmarkMetadata(b *testing.B) {
	s := loaded(b, 0)
	cost(b, s.dir, func() {
		together(b, b.N, func(int) error {
			n := int(s.next.Add(1))
			return s.register(n, fmt.Sprintf("s1-%x-7800", n), 20_000)
		})
	})
}

// BenchmarkFindDocuments is a patient's 20 entries, decoded.
func BenchmarkFindDocuments(b *testing.B) {
	for _, n := range []int{10_000, 300_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := loaded(b, n)
			find := func(i int) error {
				found := 0
				err := s.db.Registry().View(context.Background(), func(tx registry.Tx) error {
					return tx.OfPatient(storetest.Patient(i*7919%(n/20)), xds.KindEntry, func(o xds.Object) bool { found++; return true })
				})
				if err == nil && found != 20 {
					err = fmt.Errorf("%d entries, want 20", found)
				}
				return err
			}
			for i := range n / 20 {
				if err := find(i); err != nil {
					b.Fatal(err)
				}
			}
			b.Run("Single", func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if err := find(i); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run("Parallel", func(b *testing.B) {
				b.RunParallel(func(pb *testing.PB) {
					for i := 0; pb.Next(); i++ {
						if err := find(i); err != nil {
							b.Error(err)
						}
					}
				})
			})
		})
	}
}

// BenchmarkAudit is one audit message, durable, at 32 clients.
func BenchmarkAudit(b *testing.B) {
	s := loaded(b, 0)
	m := storetest.Message(1, storetest.Patient(1))
	cost(b, s.dir, func() {
		together(b, b.N, func(int) error { return s.db.Audit().Record(context.Background(), m) })
	})
}

// BenchmarkOpen opens a store of 300,000 submissions after a clean stop, and after a crash with a full overlay's worth of journal.
func BenchmarkOpen(b *testing.B) {
	for name, leave := range map[string]func(*bolt.DB) error{"Clean": (*bolt.DB).Close, "Crash": (*bolt.DB).Abandon} {
		b.Run(name, func(b *testing.B) {
			s := loaded(b, 300_000)
			s.next.Store(400_000)
			together(b, 15_000, func(int) error { // on top, not yet in the index
				n := int(s.next.Add(1))
				return s.register(n, fmt.Sprintf("s1-%x-7800", n), 300_000)
			})
			if err := leave(s.db); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				db, err := bolt.Open(filepath.Join(s.dir, "db"), bolt.Options{IdleFlush: -1})
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := db.Abandon(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}
