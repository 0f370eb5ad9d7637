package main

import (
	"context"
	"crypto/sha1"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	bbolt "go.etcd.io/bbolt"

	"github.com/passerelle-sante/passerelle/store/journal"
)

// serveYardstick is net/http doing the least that has the same sizes: /echo?n=BYTES, /file/NAME by ServeContent, /stream to a file with SHA-1 and fsync.
func serveYardstick(addr, pki, dir string) error {
	cert, err := tls.LoadX509KeyPair(filepath.Join(pki, "server.pem"), filepath.Join(pki, "server.key"))
	if err != nil {
		return err
	}
	pool, err := poolOf(pki)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	block := make([]byte, 256<<10)
	for i := range block {
		block[i] = byte('a' + i%26)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Length", strconv.Itoa(n))
		_, _ = w.Write(block[:min(n, len(block))])
	})
	mux.HandleFunc("POST /file/{name}", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		serveFile(w, r, filepath.Join(dir, filepath.Base(r.PathValue("name"))))
	})
	mux.HandleFunc("POST /stream", func(w http.ResponseWriter, r *http.Request) {
		if err := stream(r.Body, dir); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	srv := &http.Server{Handler: mux}
	ctx, stop := interrupted()
	defer stop()
	go func() {
		<-ctx.Done()
		_ = srv.Close()
	}()
	err = srv.Serve(tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
		MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}}))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func interrupted() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
}

func serveFile(w http.ResponseWriter, r *http.Request, path string) {
	f, err := os.Open(path)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	defer f.Close()
	http.ServeContent(w, r, "document.bin", time.Time{}, f)
}

func stream(body io.Reader, dir string) error {
	f, err := os.CreateTemp(dir, "stream")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	sum := sha1.New()
	_, err = io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(f, sum)}, struct{ io.Reader }{body}, make([]byte, 64<<10))
	return errors.Join(err, f.Sync(), f.Close())
}

// together calls op from clients goroutines for a while and measures this process.
func (b *bench) together(clients int, op func() error) (figures, error) {
	var phase atomic.Int32
	var wg sync.WaitGroup
	took, errs := make([][]time.Duration, clients), make([]error, clients)
	for i := range clients {
		wg.Go(func() {
			for phase.Load() < 2 && errs[i] == nil {
				at := time.Now()
				errs[i] = op()
				if phase.Load() == 1 {
					took[i] = append(took[i], time.Since(at))
				}
			}
		})
	}
	time.Sleep(b.warm)
	cpu, disk, at := cpuOf(os.Getpid()), b.written(), time.Now()
	phase.Store(1)
	time.Sleep(b.length)
	phase.Store(2)
	cpu, disk, passed := cpuOf(os.Getpid())-cpu, b.written()-disk, time.Since(at)
	wg.Wait()
	var all []time.Duration
	for _, t := range took {
		all = append(all, t...)
	}
	return summary(all, passed, cpu, disk), errors.Join(errs...)
}

// groups collects what waits into batches; each first arrival writes the next one.
type groups struct {
	mu, writing sync.Mutex
	forming     *batch
	write       func(n int) error
}

type batch struct {
	n    int
	done chan struct{}
	err  error
}

func (g *groups) commit() error {
	g.mu.Lock()
	b, leads := g.forming, false
	if b == nil {
		b, leads = &batch{done: make(chan struct{})}, true
		g.forming = b
	}
	b.n++
	g.mu.Unlock()
	if leads {
		g.writing.Lock()
		g.mu.Lock()
		g.forming = nil
		g.mu.Unlock()
		b.err = g.write(b.n)
		close(b.done)
		g.writing.Unlock()
	}
	<-b.done
	return b.err
}

// logYardstick is the ceiling of durable writes: records of 33 KB in one log with grouped flushes.
func (b *bench) logYardstick() (figures, error) { return b.logOf(33<<10, b.opt.clients) }

func (b *bench) logOf(size, clients int) (figures, error) {
	dir, err := os.MkdirTemp(b.dir, "log")
	if err != nil {
		return figures{}, err
	}
	defer os.RemoveAll(dir)
	j, err := journal.Open(dir, journal.Options{SegmentSize: 256 << 20})
	if err != nil {
		return figures{}, err
	}
	defer j.Close()
	record := make([]byte, size)
	g := groups{write: func(n int) error {
		records := make([][]byte, n)
		for i := range records {
			records[i] = record
		}
		_, err := j.Append(records)
		return err
	}}
	return b.together(clients, g.commit)
}

// boltYardstick is bbolt with a committer of its own: 3 KB over six buckets, and the document as a value unless it has none.
type boltYardstick struct {
	db       *bbolt.DB
	seq      uint64
	document []byte
}

func (b *bench) openBoltYardstick(fill int, document int) (*boltYardstick, error) {
	db, err := bbolt.Open(filepath.Join(b.dir, fmt.Sprintf("yardstick-%d-%d.bolt", fill, document)), 0o600,
		&bbolt.Options{FreelistType: bbolt.FreelistMapType, InitialMmapSize: 64 << 30})
	if err != nil {
		return nil, err
	}
	y := &boltYardstick{db: db, document: make([]byte, document)}
	for left := fill; left > 0 && err == nil; left -= 1000 {
		err = y.write(min(left, 1000))
	}
	return y, err
}

func (y *boltYardstick) close() error { return errors.Join(y.db.Close(), os.Remove(y.db.Path())) }

func (y *boltYardstick) write(n int) error {
	return y.db.Update(func(tx *bbolt.Tx) error {
		for range n {
			y.seq++
			for i := range 7 {
				v := y.document
				if i < 6 {
					v = make([]byte, 512)
				}
				if len(v) == 0 {
					continue
				}
				bucket, err := tx.CreateBucketIfNotExists([]byte{byte('a' + i)})
				if err != nil {
					return err
				}
				if err := bucket.Put(fmt.Appendf(nil, "%016x", y.seq*0x9E3779B97F4A7C15+uint64(i)), v); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (y *boltYardstick) run(b *bench, clients int) (figures, error) {
	g := groups{write: y.write}
	return b.together(clients, g.commit)
}

// calibrate tells what two threads do against one: below 1.6 somebody else uses the machine, and figures are noise.
func calibrate() float64 {
	loop := func() float64 {
		x, at := uint64(1), time.Now()
		for range 20_000_000 {
			x = x*6364136223846793005 + 1442695040888963407
		}
		if x == 0 {
			return 0
		}
		return time.Since(at).Seconds()
	}
	one := loop()
	var wg sync.WaitGroup
	at := time.Now()
	for range 2 {
		wg.Go(func() { loop() })
	}
	wg.Wait()
	return 2 * one / time.Since(at).Seconds()
}
