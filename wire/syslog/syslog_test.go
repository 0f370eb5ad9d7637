package syslog_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/wire/syslog"
)

func TestAppend(t *testing.T) {
	m := &syslog.Message{Priority: syslog.DefaultPriority, Time: time.Date(2026, 11, 23, 8, 30, 0, 123456789, time.UTC), Hostname: "gate way",
		AppName: strings.Repeat("a", 60), ProcID: "é", MsgID: syslog.DefaultMsgID, BOM: true, Body: []byte("<AuditMessage/>"),
		StructuredData: []syslog.Element{{ID: "x@1", Params: []syslog.Param{{Name: "n", Value: `a"b]c\d`}}}}}
	want := "<85>1 2026-11-23T08:30:00.123456Z gateway " + strings.Repeat("a", 48) + ` - IHE+RFC-3881 [x@1 n="a\"b\]c\\d"] ` + "\uFEFF<AuditMessage/>"
	if got := string(syslog.Append(nil, m)); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := string(syslog.Append(nil, &syslog.Message{})); got != "<0>1 - - - - - -" {
		t.Errorf("empty message: %q", got)
	}
}

func TestParse(t *testing.T) {
	m, err := syslog.Parse([]byte("<85>1 2020-03-19T12:16:37.32+01:00 host app - IHE+RFC-3881 [a b=\"c\\]\\x\"][d] \uFEFFé"))
	if err != nil {
		t.Fatal(err)
	}
	if m.Priority != 85 || m.Hostname != "host" || m.ProcID != "" || m.MsgID != "IHE+RFC-3881" || !m.BOM || string(m.Body) != "é" ||
		!reflect.DeepEqual(m.StructuredData, []syslog.Element{{ID: "a", Params: []syslog.Param{{Name: "b", Value: `c]\x`}}}, {ID: "d"}}) {
		t.Errorf("%+v", m)
	}
	if m, err = syslog.Parse([]byte("<0>1 - - - - - - no bom")); err != nil || m.BOM || string(m.Body) != "no bom" || !m.Time.IsZero() {
		t.Errorf("%+v %v", m, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{"", "<85>", "<192>1 - - - - - -", "<085>1 - - - - - -", "<85>2 - - - - - -", "85>1 - - - - - -", "<85>1 - - - - -", "<85>1  - - - - -",
		"<85>1 2020-03-19T12:16:60Z - - - - -", "<85>1 2020-03-19t12:16:37z - - - - -", "<85>1 2020-03-19T12:16:37.1234567Z - - - - -", "<85>1 - - - - - [", "<85>1 - - - - - [a",
		"<85>1 - - - - - [a b]", "<85>1 - - - - - [a b=\"]\"]", "<85>1 - - - - - -x", "<85>1 - - - - " + strings.Repeat("m", 33) + " -", "<85>1 - - - - - - \uFEFF\xFF",
		"<85>1 - - - - - " + strings.Repeat("[a]", 65)} {
		if _, err := syslog.Parse([]byte(s)); !errors.Is(err, syslog.ErrMessage) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestFrames(t *testing.T) {
	stream := syslog.AppendFrame(syslog.AppendFrame(nil, []byte("one")), []byte("and\ntwo"))
	r := syslog.NewFrameReader(bytes.NewReader(stream), 0)
	for _, want := range []string{"one", "and\ntwo"} {
		if got, err := r.Next(); err != nil || string(got) != want {
			t.Errorf("%q %v", got, err)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	for s, want := range map[string]error{"": io.EOF, "3": io.ErrUnexpectedEOF, "3 ab": io.ErrUnexpectedEOF, "03 abc": syslog.ErrFrame, "x": syslog.ErrFrame, " ": syslog.ErrFrame,
		"11 abc": syslog.ErrFrame, "9999999999 ": syslog.ErrFrame} {
		if _, err := syslog.NewFrameReader(strings.NewReader(s), 10).Next(); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", s, err, want)
		}
	}
}

type collector chan string

func (c collector) ServeSyslog(_ context.Context, _ syslog.Peer, msgs [][]byte) error {
	for _, m := range msgs {
		c <- string(m)
	}
	return nil
}

func TestServerAndDrain(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	got, done := make(collector, 8), make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { done <- (&syslog.Server{Handler: got}).Serve(ctx, ln) }()
	c, err := syslog.Dial(ctx, syslog.Target{Network: "tcp", Address: ln.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send([]byte("a"), []byte("b")); err != nil {
		t.Fatal(err)
	}
	if err := c.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	if a, b := <-got, <-got; a != "a" || b != "b" {
		t.Errorf("%q %q", a, b)
	}
	if err := c.Send([]byte("c")); err == nil {
		t.Error("sent after the receiver closed")
	}
	_ = c.Close()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestUDP(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	c, err := syslog.Dial(t.Context(), syslog.Target{Network: "udp", Address: pc.LocalAddr().String(), MaxUDP: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Send(make([]byte, 101)); !errors.Is(err, syslog.ErrTooLong) {
		t.Errorf("too long: %v", err)
	}
	if err := c.Send([]byte("<85>1 - - - - - -")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 200)
	if n, _, err := pc.ReadFrom(b); err != nil || string(b[:n]) != "<85>1 - - - - - -" {
		t.Errorf("%q %v", b[:n], err)
	}
	if _, err := syslog.Dial(t.Context(), syslog.Target{Network: "unix", Address: "x"}); err == nil {
		t.Error("unknown network accepted")
	}
}

func FuzzSyslog(f *testing.F) {
	f.Add([]byte("<85>1 2020-03-19T12:16:37.32+01:00 host app 1 IHE+RFC-3881 [a b=\"c\\]\"][d] \uFEFFé"))
	f.Add([]byte("<0>1 - - - - - -"))
	f.Add([]byte("16 <0>1 - - - - - -"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := syslog.NewFrameReader(bytes.NewReader(b), 4096).Next(); err == nil {
			b = m
		}
		m, err := syslog.Parse(b)
		if err != nil {
			return
		}
		printed := syslog.Append(nil, m)
		again, err := syslog.Parse(printed)
		if err != nil {
			t.Fatalf("%v: %q", err, printed)
		}
		if p := syslog.Append(nil, again); !bytes.Equal(printed, p) {
			t.Fatalf("not a fixed point: %q %q", printed, p)
		}
	})
}
