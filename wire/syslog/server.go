package syslog

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// Peer is who sends.
type Peer struct {
	Network string // tls, tcp or udp
	Address string // network address without port
	Subject string // of the certificate, over tls
	Name    string // common name of the certificate, over tls
}

// Handler takes messages as they came, in the order they came. The bytes are its own only until it returns. Over a connection little more is read
// meanwhile, so a handler that waits makes the sender wait. An error ends the connection.
type Handler interface {
	ServeSyslog(ctx context.Context, from Peer, msgs [][]byte) error
}

// Server receives syslog messages. Handler is required.
type Server struct {
	Handler Handler
	Max     int           // bytes of one message; 0 means MaxMessage
	Idle    time.Duration // a connection that says nothing for so long is closed; 0 means one hour
	Batch   int           // messages handed over at once, at most; 0 means 1024
	Conns   int           // connections at once, further ones wait to be accepted; 0 means 1024
	Lines   bool          // tolerate QuirkLines
	Buffer  int           // bytes of the socket's buffer for datagrams; 0 means 16 MiB, less than 0 what the system gives
	// Refused hears of a connection that was closed for what it sent (an error wrapping ErrFrame, io.ErrUnexpectedEOF) with the bytes read of the
	// message that broke off, of a TLS handshake that failed (a *HandshakeError), and of a datagram too large. It may be nil.
	Refused func(ctx context.Context, from Peer, partly []byte, err error)
}

// HandshakeError tells that a node could not authenticate.
type HandshakeError struct{ Err error }

func (e *HandshakeError) Error() string { return "TLS handshake: " + e.Err.Error() }
func (e *HandshakeError) Unwrap() error { return e.Err }

// Serve accepts connections until ctx ends, then closes them and returns once every handler came back. TLS comes from the listener.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	places := make(chan struct{}, or(s.Conns, 1024))
	for {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		c, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		wg.Go(func() {
			defer func() { <-places }()
			s.serve(ctx, c)
		})
	}
}

func or(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}

func (s *Server) serve(ctx context.Context, c net.Conn) {
	whole := false
	defer func() {
		if !whole {
			reset(c)
		}
		_ = c.Close()
	}()
	stop := context.AfterFunc(ctx, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) }) // what is being handled is handled
	defer stop()
	from, err := s.greet(ctx, c)
	if ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		return // we broke it off
	}
	if err != nil {
		s.refused(ctx, from, nil, &HandshakeError{err})
		return
	}
	r := NewFrameReader(&patient{c: c, ctx: ctx, idle: s.idle()}, s.Max)
	r.Lines = s.Lines
	box := newLetterbox(ahead)
	var failed error
	go func() {
		defer box.close()
		for failed == nil {
			var m []byte
			if m, failed = r.Next(); failed == nil && !box.put(m, netip.Addr{}) {
				return
			}
		}
	}()
	if err := s.handOver(ctx, from, box); err != nil {
		return
	}
	if ctx.Err() == nil && (len(r.Partly()) > 0 || errors.Is(failed, ErrFrame)) {
		s.refused(ctx, from, r.Partly(), failed)
	}
	whole = failed == io.EOF && ctx.Err() == nil
}

// ahead is how many bytes of a connection are read while the handler is busy.
const ahead = 1 << 20

// handOver gives the handler what comes into the box, until nothing comes any more.
func (s *Server) handOver(ctx context.Context, from Peer, box *letterbox) error {
	defer box.close()
	for l := (letters{}); box.take(&l); {
		err := l.each(or(s.Batch, 1024), func(_ netip.Addr, msgs [][]byte) error {
			return s.Handler.ServeSyslog(context.WithoutCancel(ctx), from, msgs)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// reset makes the end of a connection that was not read to its end look like what it is: a sender that sees it closed in good order takes
// everything for read.
func reset(c net.Conn) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}

func (s *Server) idle() time.Duration {
	if s.Idle > 0 {
		return s.Idle
	}
	return time.Hour
}

func (s *Server) refused(ctx context.Context, from Peer, partly []byte, err error) {
	if s.Refused != nil {
		s.Refused(context.WithoutCancel(ctx), from, partly, err)
	}
}

// greet says who the other side is, after the handshake if there is one.
func (s *Server) greet(ctx context.Context, c net.Conn) (Peer, error) {
	from := Peer{Network: "tcp", Address: host(c.RemoteAddr())}
	t, ok := c.(*tls.Conn)
	if !ok {
		return from, nil
	}
	from.Network = "tls"
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second) // a context that ends hides why the other side was refused
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		return from, err
	}
	if certs := t.ConnectionState().PeerCertificates; len(certs) > 0 {
		from.Subject, from.Name = certs[0].Subject.String(), certs[0].Subject.CommonName
	}
	return from, nil
}

func host(a net.Addr) string {
	if h, _, err := net.SplitHostPort(a.String()); err == nil {
		return h
	}
	return a.String()
}

// patient is a connection whose every read waits so long and no longer.
type patient struct {
	c    net.Conn
	ctx  context.Context
	idle time.Duration
}

func (p *patient) Read(b []byte) (int, error) {
	if err := p.c.SetReadDeadline(time.Now().Add(p.idle)); err != nil {
		return 0, err
	}
	if p.ctx.Err() != nil {
		return 0, io.EOF
	}
	return p.c.Read(b)
}
