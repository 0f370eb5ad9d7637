package syslog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// Target is where messages go.
type Target struct {
	Network string        // "tls", "tcp" or "udp"
	Address string        // host:port; the name is resolved at each Dial
	TLS     *tls.Config   // for "tls"
	Timeout time.Duration // of dialling and of each write; 0 means 10 s
	MaxUDP  int           // largest datagram in bytes; 0 means 65507, what IPv4 carries
}

// ErrTooLong tells that a message does not fit a datagram.
var ErrTooLong = errors.New("message does not fit a UDP datagram: send it over TLS")

var errClosed = errors.New("the receiver closed the connection")

// Conn is one open way to a receiver. It is not safe for concurrent use.
type Conn struct {
	c    net.Conn
	t    Target
	buf  []byte
	gone chan struct{} // closed when the receiver hung up; never for UDP
	fate error         // how it hung up, set before gone is closed: nil is in good order
}

// Dial connects.
func Dial(ctx context.Context, t Target) (*Conn, error) {
	if t.Timeout <= 0 {
		t.Timeout = 10 * time.Second
	}
	if t.MaxUDP <= 0 {
		t.MaxUDP = 65507
	}
	ctx, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	var nc net.Conn
	var err error
	switch t.Network {
	case "tls":
		d := tls.Dialer{Config: t.TLS}
		nc, err = d.DialContext(ctx, "tcp", t.Address)
	case "tcp", "udp":
		var d net.Dialer
		nc, err = d.DialContext(ctx, t.Network, t.Address)
	default:
		err = fmt.Errorf("syslog over %q: only tls, tcp and udp are known", t.Network)
	}
	if err != nil {
		return nil, err
	}
	c := &Conn{c: nc, t: t, gone: make(chan struct{})}
	if t.Network != "udp" {
		go c.watch()
	}
	return c, nil
}

// watch notices the receiver's end: a receiver never sends, so a read returns only when the connection is over.
func (c *Conn) watch() {
	defer close(c.gone)
	_, c.fate = io.Copy(io.Discard, c.c)
}

// Gone is closed once the receiver hung up: what was written shortly before may not have been read.
func (c *Conn) Gone() <-chan struct{} { return c.gone }

// Send writes messages in one go; over UDP one datagram each, and ErrTooLong before anything is sent.
func (c *Conn) Send(msgs ...[]byte) error {
	select {
	case <-c.gone:
		return errClosed
	default:
	}
	if err := c.c.SetWriteDeadline(time.Now().Add(c.t.Timeout)); err != nil {
		return err
	}
	if c.t.Network == "udp" {
		for _, m := range msgs {
			if len(m) > c.t.MaxUDP {
				return fmt.Errorf("%d bytes, a datagram holds %d: %w", len(m), c.t.MaxUDP, ErrTooLong)
			}
		}
		for _, m := range msgs {
			if _, err := c.c.Write(m); err != nil {
				return err
			}
		}
		return nil
	}
	c.buf = c.buf[:0]
	for _, m := range msgs {
		c.buf = AppendFrame(c.buf, m)
	}
	_, err := c.c.Write(c.buf)
	return err
}

// Drain says that no more comes and waits until the receiver closed its side, which a receiver does once it has read everything. It
// returns nil then, and an error when the receiver broke off or had closed before: what was written last may be lost. The connection is of no
// use afterwards but to Close.
func (c *Conn) Drain(ctx context.Context) error {
	w, ok := c.c.(interface{ CloseWrite() error })
	if !ok || c.t.Network == "udp" {
		return nil
	}
	select {
	case <-c.gone:
		return errClosed
	default:
	}
	if err := w.CloseWrite(); err != nil {
		return err
	}
	select {
	case <-c.gone:
		return c.fate
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends the connection.
func (c *Conn) Close() error { return c.c.Close() }
