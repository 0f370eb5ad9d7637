package syslog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/wire/syslog"
)

func TestParseBSD(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.FixedZone("CET", 3600))
	for _, c := range []struct {
		in, host, app, pid, body string
		at                       time.Time
	}{
		{"<85>Jan  2 11:59:58 pacs audit[42]: <AuditMessage/>", "pacs", "audit", "42", "<AuditMessage/>", time.Date(2026, 1, 2, 11, 59, 58, 0, now.Location())},
		{"<85>Dec 31 23:00:00 pacs audit: x", "pacs", "audit", "", "x", time.Date(2025, 12, 31, 23, 0, 0, 0, now.Location())},
		{"<85>Jan  2 11:59:58 audit: no host", "", "audit", "", "no host", time.Date(2026, 1, 2, 11, 59, 58, 0, now.Location())},
		{"<85>just text", "", "", "", "just text", time.Time{}},
		{"<85>\uFEFF<AuditMessage a=\"b:c\"/>", "", "", "", "<AuditMessage a=\"b:c\"/>", time.Time{}},
	} {
		m, err := syslog.ParseBSD([]byte(c.in), now)
		if err != nil || m.Priority != 85 || m.Hostname != c.host || m.AppName != c.app || m.ProcID != c.pid || string(m.Body) != c.body || !m.Time.Equal(c.at) {
			t.Errorf("%q: %+v %v", c.in, m, err)
		}
	}
	for _, in := range []string{"", "x", "<>x", "<192>x", "<-1>x", "<85"} {
		if _, err := syslog.ParseBSD([]byte(in), now); !errors.Is(err, syslog.ErrMessage) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestParseFine(t *testing.T) {
	in := []byte("<85>1 2027-01-15T08:00:00.011538746Z host app - - - x")
	if _, err := syslog.Parse(in); !errors.Is(err, syslog.ErrMessage) {
		t.Error(err)
	}
	m, err := syslog.ParseFine(in)
	if err != nil || !m.Time.Equal(time.Date(2027, 1, 15, 8, 0, 0, 11538000, time.UTC)) || m.Hostname != "host" || string(m.Body) != "x" {
		t.Errorf("%+v %v", m, err)
	}
	if _, err := syslog.ParseFine([]byte("<85>1 2027-01-15T08:00:00.0115387461Z host app - - - x")); !errors.Is(err, syslog.ErrMessage) {
		t.Error("ten digits")
	}
}

func TestLineFraming(t *testing.T) {
	r := syslog.NewFrameReader(strings.NewReader("<1>one\n\n5 <2>25<3>three\n<4>four"), 20)
	r.Lines = true
	for _, want := range []string{"<1>one", "<2>25", "<3>three", "<4>four"} {
		if got, err := r.Next(); err != nil || string(got) != want {
			t.Errorf("%q %v, want %q", got, err, want)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Error(err)
	}
	r = syslog.NewFrameReader(strings.NewReader("<1>"+strings.Repeat("x", 100)), 20)
	r.Lines = true
	if _, err := r.Next(); !errors.Is(err, syslog.ErrFrame) || !strings.HasPrefix(string(r.Partly()), "<1>xxx") {
		t.Errorf("%v %q", err, r.Partly())
	}
}

// TestManyAtOnce: what comes while the handler is busy is handed over together, in order, and a full box holds the sender up.
func TestManyAtOnce(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &held{enter: make(chan int), leave: make(chan error)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- (&syslog.Server{Handler: h, Batch: 2}).Serve(ctx, ln) }()
	c, err := syslog.Dial(ctx, syslog.Target{Network: "tcp", Address: ln.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send([]byte("0")); err != nil {
		t.Fatal(err)
	}
	if n := <-h.enter; n != 1 {
		t.Errorf("%d at first", n)
	}
	if err := c.Send([]byte("1"), []byte("2"), []byte("3")); err != nil {
		t.Fatal(err)
	}
	drained := make(chan error)
	go func() { drained <- c.Drain(ctx) }()
	time.Sleep(50 * time.Millisecond) // for the reader; what it has not read yet only makes batches smaller
	h.leave <- nil
	var sizes []int
	for total := 0; total < 3; {
		n := <-h.enter
		sizes, total = append(sizes, n), total+n
		h.leave <- nil
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
	if fmt.Sprint(h.got) != "[0 1 2 3]" || len(sizes) > 3 || sizes[0] > 2 {
		t.Errorf("%v in %v", h.got, sizes)
	}
	if c, err = syslog.Dial(ctx, syslog.Target{Network: "tcp", Address: ln.Addr().String()}); err != nil {
		t.Fatal(err)
	}
	if err := c.Send([]byte("4"), []byte("5")); err != nil {
		t.Fatal(err)
	}
	<-h.enter
	h.leave <- errors.New("disk full")
	if err := c.Drain(ctx); err == nil {
		t.Error("ended in good order though the handler failed")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// held is a handler that says when it enters and waits to leave.
type held struct {
	enter chan int
	leave chan error
	got   []string
}

func (h *held) ServeSyslog(_ context.Context, _ syslog.Peer, msgs [][]byte) error {
	for _, m := range msgs {
		h.got = append(h.got, string(m))
	}
	h.enter <- len(msgs)
	return <-h.leave
}

type refusal struct {
	partly string
	err    error
}

// TestBadFrames: each breaks off its own connection, is told with the bytes that came, and disturbs nobody else.
func TestBadFrames(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	got, refused := make(collector, 100), make(chan refusal, 100)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		s := &syslog.Server{Handler: got, Refused: func(_ context.Context, _ syslog.Peer, b []byte, err error) { refused <- refusal{string(b), err} }}
		if err := s.Serve(ctx, ln); err != nil {
			t.Error(err)
		}
	})
	good, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		send, partly string
		err          error
	}{
		{"1073741824 <85>1", "1073741824", syslog.ErrFrame}, // 1 GB: ten digits
		{"999999999 <85>1 x", "999999999 <85>1 x", syslog.ErrFrame},
		{"-5 hello", "-5 hello", syslog.ErrFrame},
		{"abc", "abc", syslog.ErrFrame},
		{"012 x", "012 x", syslog.ErrFrame},
		{"100 <85>1 - half", "<85>1 - half", io.ErrUnexpectedEOF},
		{"10", "10", io.ErrUnexpectedEOF},
	} {
		bad, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(bad, "5 first"+c.send); err != nil {
			t.Fatal(err)
		}
		_ = bad.(*net.TCPConn).CloseWrite()
		_ = bad.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := bad.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%q: the connection stays open", c.send)
		}
		_ = bad.Close()
		if m := <-got; m != "first" {
			t.Errorf("%q: before it came %q", c.send, m)
		}
		if r := <-refused; !errors.Is(r.err, c.err) || !strings.HasPrefix(r.partly, c.partly) {
			t.Errorf("%q: %v %q, want %v %q", c.send, r.err, r.partly, c.err, c.partly)
		}
		if _, err := io.WriteString(good, "4 good"); err != nil {
			t.Fatal(err)
		}
		if m := <-got; m != "good" {
			t.Errorf("after %q another connection's message is %q", c.send, m)
		}
	}
	cancel()
	wg.Wait()
}

// TestServeUDP: every datagram arrives, in order, with its sender, though the handler is slow.
func TestServeUDP(t *testing.T) {
	pc, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	slow := &slowHandler{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	refused := make(chan refusal, 1)
	go func() {
		s := &syslog.Server{Handler: slow, Max: 3000, Refused: func(_ context.Context, _ syslog.Peer, b []byte, err error) { refused <- refusal{string(b), err} }}
		done <- s.ServeUDP(ctx, pc)
	}()
	c, err := syslog.Dial(ctx, syslog.Target{Network: "udp", Address: pc.LocalAddr().String()})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send(bytes.Repeat([]byte("x"), 3001)); err != nil {
		t.Fatal(err)
	}
	if r := <-refused; !errors.Is(r.err, syslog.ErrFrame) || len(r.partly) != 3001 {
		t.Errorf("%v, %d bytes", r.err, len(r.partly))
	}
	const n = 2000
	for i := range n {
		if err := c.Send(fmt.Appendf(nil, "%04d%s", i, strings.Repeat("x", 60))); err != nil {
			t.Fatal(err)
		}
		if i%50 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	for deadline := time.Now().Add(20 * time.Second); slow.count() < n && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if len(slow.got) != n {
		t.Fatalf("%d of %d arrived", len(slow.got), n)
	}
	for i, m := range slow.got {
		if m[:4] != fmt.Sprintf("%04d", i) {
			t.Fatalf("at %d came %s", i, m[:4])
		}
	}
}

type slowHandler struct {
	mu  sync.Mutex
	got []string
}

func (h *slowHandler) ServeSyslog(_ context.Context, from syslog.Peer, msgs [][]byte) error {
	h.mu.Lock()
	for _, m := range msgs {
		h.got = append(h.got, string(m))
	}
	h.mu.Unlock()
	if from != (syslog.Peer{Network: "udp", Address: "127.0.0.1"}) {
		panic(fmt.Sprint("from ", from))
	}
	time.Sleep(2 * time.Millisecond)
	return nil
}

func (h *slowHandler) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.got)
}
