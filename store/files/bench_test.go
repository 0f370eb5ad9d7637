package files_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/store/files"
)

// BenchmarkCommit is a 30 KB document made durable, at 32 clients.
func BenchmarkCommit(b *testing.B) {
	s := open(b, b.TempDir(), files.Options{})
	document := make([]byte, 30<<10)
	b.SetBytes(30 << 10)
	b.ResetTimer()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for next.Add(1) <= int64(b.N) {
				w, err := s.Create(context.Background(), -1)
				if err == nil {
					_, err = w.Write(document)
				}
				if err == nil {
					_, err = w.Commit(context.Background())
				}
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
}

// BenchmarkOpen reads a blob to a writer that does nothing, to TCP and to TLS.
func BenchmarkOpen(b *testing.B) {
	s := open(b, b.TempDir(), files.Options{})
	for name, size := range map[string]int{"30KB": 30 << 10, "4MB": 4 << 20} {
		id := storeBench(b, s, size)
		for to, w := range map[string]io.Writer{"Discard": struct{ io.Writer }{io.Discard}, "TCP": loopback(b, nil), "TLS": loopback(b, certificate(b))} {
			b.Run(name+"/"+to, func(b *testing.B) {
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					c, err := s.Open(context.Background(), id)
					if err != nil {
						b.Fatal(err)
					}
					if _, err := c.WriteTo(w); err != nil {
						b.Fatal(err)
					}
					if err := c.Close(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func storeBench(b *testing.B, s *files.Store, size int) string {
	b.Helper()
	w, err := s.Create(context.Background(), int64(size))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := w.Write(make([]byte, size)); err != nil {
		b.Fatal(err)
	}
	id, err := w.Commit(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	return id
}

// loopback gives a connection whose far end reads and forgets.
func loopback(b *testing.B, cert *tls.Certificate) net.Conn {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	if cert != nil {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{*cert}})
	}
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, _ = io.Copy(struct{ io.Writer }{io.Discard}, c)
		}
	}()
	var c net.Conn
	if cert == nil {
		c, err = net.Dial("tcp", l.Addr().String())
	} else {
		c, err = tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true}) // our own far end
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close(); _ = l.Close() })
	return c
}

func certificate(b *testing.B) *tls.Certificate {
	b.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	t := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		b.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
