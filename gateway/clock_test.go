package gateway

import (
	"encoding/binary"
	"net"
	"strings"
	"testing"
	"time"
)

// timeServer answers SNTP with a clock that is off.
func timeServer(t *testing.T, off time.Duration) string {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.Close() })
	stamp := func(b []byte) {
		now := time.Now().Add(off)
		binary.BigEndian.PutUint32(b, uint32(now.Unix()+2208988800)) //nolint:gosec // era 0
		binary.BigEndian.PutUint32(b[4:], uint32(uint64(now.Nanosecond())<<32/1e9))
	}
	go func() {
		b := make([]byte, 512)
		for {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			if n < 48 {
				continue
			}
			reply := make([]byte, 48)
			reply[0], reply[1], reply[3] = 4<<3|4, 2, 0xE8 // version 4, server; stratum 2
			copy(reply[24:32], b[40:48])
			stamp(reply[16:])
			stamp(reply[32:])
			stamp(reply[40:])
			_, _ = pc.WriteTo(reply, from)
		}
	}()
	return pc.LocalAddr().String()
}

func TestClock(t *testing.T) {
	good, wrong := timeServer(t, 0), timeServer(t, 5*time.Second)
	quiet := func(string, ...any) {}
	for _, c := range []struct {
		servers []string
		most    int64
		says    string
	}{
		{nil, 1000, ""},
		{[]string{good}, 1000, ""},
		{[]string{wrong}, 1000, "off, at most 1s"},
		{[]string{wrong}, 0, ""},
		{[]string{good, wrong, good}, 1000, ""},
		{[]string{wrong, good, wrong}, 1000, "off, at most 1s"},
	} {
		clk := newClock(ClockConfig{Servers: c.servers, MaxOffset: c.most})
		clk.ask(quiet)
		err := clk.trouble()
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: %v, want %q", c.servers, err, c.says)
		}
	}
	clk := newClock(ClockConfig{Servers: []string{wrong}, MaxOffset: 1000})
	clk.ask(quiet)
	clk.each(func(_ string, o offset) {
		if o.by < 4900*time.Millisecond || o.by > 5100*time.Millisecond {
			t.Errorf("offset %s", o.by)
		}
	})
	warned := 0
	dead, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := dead.LocalAddr().String()
	_ = dead.Close()
	newClock(ClockConfig{Servers: []string{address}}).ask(func(string, ...any) { warned++ })
	if warned != 1 {
		t.Errorf("%d warnings of a server that is not there", warned)
	}
}
