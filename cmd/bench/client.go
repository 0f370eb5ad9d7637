package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// message is a request as it goes over the wire, head and body in one piece.
type message struct {
	wire   []byte
	number []int  // where the eight digits of its number stand
	person []int  // where the fifteen digits of its patient stand
	want   string // must stand near the beginning of the answer; empty asks for status 200 only
}

// newMessage finds the places of number and patient, which may be empty, in the body.
func newMessage(path, contentType string, body []byte, number, patient string) *message {
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", path, contentType, len(body))
	m := &message{wire: append([]byte(head), body...), want: success}
	m.number, m.person = places(m.wire, number), places(m.wire, patient)
	return m
}

const success = "ResponseStatusType:Success"

func places(b []byte, s string) (at []int) {
	for i := 0; s != ""; {
		n := bytes.Index(b[i:], []byte(s))
		if n < 0 {
			break
		}
		at = append(at, i+n)
		i += n + len(s)
	}
	return at
}

// set overwrites the places in a copy of the wire.
func (m *message) set(wire []byte, number int, patient string) {
	var digits [8]byte
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = byte('0' + number%10)
		number /= 10
	}
	for _, at := range m.number {
		copy(wire[at:], digits[:])
	}
	for _, at := range m.person {
		copy(wire[at:], patient)
	}
}

// conn is one keep-alive connection: HTTP/1.1 by hand, so that the generator stays light beside what it measures.
type conn struct {
	net.Conn
	r *bufio.Reader
}

func dial(addr string, c *tls.Config) (*conn, error) {
	k, err := tls.Dial("tcp", addr, c)
	if err != nil {
		return nil, err
	}
	return &conn{k, bufio.NewReaderSize(k, 64<<10)}, nil
}

// do sends a request and skips its answer.
func (c *conn) do(wire []byte, want string) (int64, error) {
	if _, err := c.Write(wire); err != nil {
		return 0, err
	}
	return c.answer(want)
}

func (c *conn) answer(want string) (int64, error) {
	length, chunked, status := int64(0), false, ""
	for first := true; ; first = false {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if first {
			status = string(bytes.TrimSpace(line))
		}
		if len(line) <= 2 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case len(name) == 14 && strings.EqualFold(string(name), "Content-Length"):
			length, _ = strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64)
		case len(name) == 17 && strings.EqualFold(string(name), "Transfer-Encoding"):
			chunked = true
		}
	}
	var body io.Reader = io.LimitReader(c.r, length)
	if chunked {
		body = &chunks{r: c.r}
	}
	return c.skip(body, status, want)
}

func (c *conn) skip(body io.Reader, status, want string) (int64, error) {
	var begin [4096]byte
	n, err := io.ReadFull(body, begin[:])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return int64(n), err
	}
	if !strings.HasPrefix(status, "HTTP/1.1 200") || want != "" && !bytes.Contains(begin[:n], []byte(want)) {
		return int64(n), fmt.Errorf("%s: %.900s", status, begin[:n])
	}
	rest, err := io.Copy(discard{}, body)
	return int64(n) + rest, err
}

// discard is io.Discard without its ReadFrom, whose buffer is smaller than ours.
type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) ReadFrom(r io.Reader) (total int64, err error) {
	buf := make([]byte, 32<<10)
	for err == nil {
		var n int
		n, err = r.Read(buf)
		total += int64(n)
	}
	if err == io.EOF {
		err = nil
	}
	return total, err
}

// chunks reads a chunked body.
type chunks struct {
	r    *bufio.Reader
	left int64
	over bool
}

func (c *chunks) Read(b []byte) (int, error) {
	if c.over {
		return 0, io.EOF
	}
	if c.left == 0 {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if c.left, err = strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 64); err != nil {
			return 0, err
		}
		if c.left == 0 {
			c.over = true
			_, err = c.r.Discard(2)
			return 0, errors.Join(err, io.EOF)
		}
	}
	n, err := c.r.Read(b[:min(int64(len(b)), c.left)])
	if c.left -= int64(n); c.left == 0 && err == nil {
		_, err = c.r.Discard(2)
	}
	return n, err
}

// figures are what one run gave.
type figures struct {
	Rate    float64       // requests a second
	P50     time.Duration // latency
	P99     time.Duration
	CPU     float64 // microseconds of the server a request
	Client  float64 // and of the generator
	Written float64 // bytes of the whole device a request
	Bytes   int64   // of the last answer
}

// drive sends messages over clients for a while and measures once warm. vary sets what differs; requests are numbered through.
func (b *bench) drive(addr string, pid, clients int, m *message, vary func(wire []byte, n int)) (figures, error) {
	conns := make([]*conn, clients)
	for i := range conns {
		c, err := dial(addr, b.tls)
		if err != nil {
			return figures{}, err
		}
		defer c.Close()
		conns[i] = c
	}
	var phase atomic.Int32 // 0 warms, 1 measures, 2 ends
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	took := make([][]time.Duration, clients)
	var bytesOut atomic.Int64
	for i, c := range conns {
		wg.Go(func() {
			wire := slices.Clone(m.wire)
			times := make([]time.Duration, 0, 1<<16)
			for phase.Load() < 2 {
				if vary != nil {
					vary(wire, int(b.next.Add(1)))
				}
				at := time.Now()
				n, err := c.do(wire, m.want)
				if err != nil {
					failed.Store(&err)
					return
				}
				if phase.Load() == 1 {
					times = append(times, time.Since(at))
					bytesOut.Store(n)
				}
			}
			took[i] = times
		})
	}
	time.Sleep(b.warm)
	self := os.Getpid()
	cpu, own, disk, at := cpuOf(pid), cpuOf(self), b.written(), time.Now()
	phase.Store(1)
	time.Sleep(b.length)
	phase.Store(2)
	cpu, own, disk, passed := cpuOf(pid)-cpu, cpuOf(self)-own, b.written()-disk, time.Since(at)
	wg.Wait()
	if err := failed.Load(); err != nil {
		return figures{}, *err
	}
	f := summary(slices.Concat(took...), passed, cpu, disk)
	f.Bytes = bytesOut.Load()
	f.Client = f.CPU * float64(own) / float64(max(cpu, 1))
	return f, nil
}

func summary(times []time.Duration, passed, cpu time.Duration, disk int64) figures {
	if len(times) == 0 {
		return figures{}
	}
	slices.Sort(times)
	n := len(times)
	return figures{Rate: float64(n) / passed.Seconds(), P50: times[n/2], P99: times[n*99/100],
		CPU: float64(cpu.Microseconds()) / float64(n), Written: float64(disk) / float64(n)}
}

// statusOK asks for a page that needs no body.
func statusOK(url string) bool {
	resp, err := http.Get(url)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}
