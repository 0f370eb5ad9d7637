package mllp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/wire/mllp"
)

func TestReader(t *testing.T) {
	tests := []struct {
		name, in string
		lenient  bool
		want     []string
		err      error
		quirks   int
	}{
		{"two", "\x0ba\x1c\r\x0bb\x1c\r", false, []string{"a", "b"}, io.EOF, 0},
		{"no last CR", "\x0ba\x1c\x0bb\x1c", true, []string{"a", "b"}, io.EOF, 2},
		{"no last CR, strict", "\x0ba\x1c\x0bb\x1c\r", false, nil, mllp.ErrFrame, 0},
		{"with CR, lenient", "\x0ba\x1c\r\x0bb\x1c\r", true, []string{"a", "b"}, io.EOF, 0},
		{"nothing", "", true, nil, io.EOF, 0},
		{"cut", "\x0babc", true, nil, io.ErrUnexpectedEOF, 0},
		{"cut before CR", "\x0babc\x1c", false, nil, io.ErrUnexpectedEOF, 0},
		{"no start", "abc\x1c\r", true, nil, mllp.ErrFrame, 0},
		{"start inside", "\x0ba\x0bb\x1c\r", true, nil, mllp.ErrFrame, 0},
		{"too long", "\x0b" + strings.Repeat("x", 101) + "\x1c\r", true, nil, mllp.ErrFrame, 0},
		{"just fits", "\x0b" + strings.Repeat("x", 100) + "\x1c\r", true, []string{strings.Repeat("x", 100)}, io.EOF, 0},
		{"too long without end", "\x0b" + strings.Repeat("x", 10000), true, nil, mllp.ErrFrame, 0},
	}
	for _, c := range tests {
		quirks := 0
		r := mllp.NewReader(strings.NewReader(c.in), 100, c.lenient, func(mllp.Quirk) { quirks++ })
		for _, want := range c.want {
			if got, err := r.Next(); err != nil || string(got) != want {
				t.Errorf("%s: %q %v", c.name, got, err)
			}
		}
		if _, err := r.Next(); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
		}
		if quirks != c.quirks {
			t.Errorf("%s: %d quirks, want %d", c.name, quirks, c.quirks)
		}
	}
}

type handler func(ctx context.Context, p mllp.Peer, msg []byte) []byte

func (h handler) ServeMLLP(ctx context.Context, p mllp.Peer, msg []byte) []byte {
	return h(ctx, p, msg)
}

// start serves on loopback; stop ends it and gives Serve's error.
func start(t *testing.T, s *mllp.Server) (address string, stop func() error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	return ln.Addr().String(), func() error { cancel(); return <-done }
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestManyMessagesPerConnection(t *testing.T) {
	address, stop := start(t, &mllp.Server{Handler: handler(func(_ context.Context, p mllp.Peer, msg []byte) []byte {
		return append([]byte(p.Address+" "), msg...)
	})})
	c := mllp.NewClient(dial(t, address))
	for _, msg := range []string{"one", "two", strings.Repeat("long ", 20000)} {
		got, err := c.Send(t.Context(), []byte(msg))
		if err != nil || string(got) != "127.0.0.1 "+msg {
			t.Errorf("%.20q %v", got, err)
		}
	}
	if err := stop(); err != nil { // an idle connection does not hold the server
		t.Error(err)
	}
	if _, err := c.Send(t.Context(), []byte("late")); err == nil {
		t.Error("answered after the end")
	}
}

func TestMessageWithoutCRIsAnsweredAtOnce(t *testing.T) {
	address, stop := start(t, &mllp.Server{Handler: handler(func(_ context.Context, _ mllp.Peer, msg []byte) []byte { return msg })})
	c := dial(t, address)
	if _, err := c.Write([]byte("\x0bhello\x1c")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 8)
	if _, err := io.ReadFull(c, b); err != nil || !bytes.Equal(b, []byte("\x0bhello\x1c\r")) {
		t.Errorf("%q %v", b, err)
	}
	_ = stop()
}

func TestStopLetsTheHandlerAnswer(t *testing.T) {
	at, finish := make(chan struct{}), make(chan struct{})
	address, stop := start(t, &mllp.Server{Handler: handler(func(ctx context.Context, _ mllp.Peer, msg []byte) []byte {
		close(at)
		<-finish
		if ctx.Err() != nil {
			return nil
		}
		return msg
	})})
	c := mllp.NewClient(dial(t, address))
	answer := make(chan error, 1)
	go func() {
		_, err := c.Send(context.Background(), []byte("x"))
		answer <- err
	}()
	<-at
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	close(finish)
	if err := <-answer; err != nil {
		t.Errorf("the answer was lost: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestLimits(t *testing.T) {
	address, stop := start(t, &mllp.Server{Max: 10, Block: 20 * time.Millisecond, Idle: time.Minute, MaxConns: 1,
		Handler: handler(func(_ context.Context, _ mllp.Peer, msg []byte) []byte { return msg })})
	for _, in := range []string{"\x0b01234567890\x1c\r", "\x0bhalf a block", "noise"} {
		c := dial(t, address)
		if _, err := c.Write([]byte(in)); err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(c); len(b) != 0 { // closed without an answer; the one slot is free again
			t.Errorf("%q: answered %q", in, b)
		}
	}
	_ = stop()
}

func TestEmptyAnswerCloses(t *testing.T) {
	address, stop := start(t, &mllp.Server{Handler: handler(func(context.Context, mllp.Peer, []byte) []byte { return nil })})
	if _, err := mllp.NewClient(dial(t, address)).Send(t.Context(), []byte("x")); err != io.EOF {
		t.Errorf("%v", err)
	}
	_ = stop()
}

func TestPanicClosesOneConnection(t *testing.T) {
	address, stop := start(t, &mllp.Server{Handler: handler(func(_ context.Context, _ mllp.Peer, msg []byte) []byte {
		if string(msg) == "bad" {
			panic("bug")
		}
		return msg
	})})
	good := mllp.NewClient(dial(t, address))
	if _, err := mllp.NewClient(dial(t, address)).Send(t.Context(), []byte("bad")); err != io.EOF {
		t.Errorf("%v", err)
	}
	if got, err := good.Send(t.Context(), []byte("good")); err != nil || string(got) != "good" {
		t.Errorf("%q %v", got, err)
	}
	_ = stop()
}

func FuzzMLLP(f *testing.F) {
	f.Add([]byte("\x0ba\x1c\r\x0bb\x1c"), true)
	f.Add([]byte("\x0ba\x1c\r\x0bb\x1c\r"), false)
	f.Fuzz(func(t *testing.T, b []byte, lenient bool) {
		r := mllp.NewReader(bytes.NewReader(b), 64, lenient, nil)
		for {
			msg, err := r.Next()
			if err != nil {
				return
			}
			again, err := mllp.NewReader(bytes.NewReader(mllp.Append(nil, msg)), 64, false, nil).Next()
			if err != nil || !bytes.Equal(msg, again) {
				t.Fatalf("%q became %q: %v", msg, again, err)
			}
		}
	})
}
