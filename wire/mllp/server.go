package mllp

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"time"
)

// Peer is the other end of a connection.
type Peer struct {
	Address string               // without port
	TLS     *tls.ConnectionState // nil without TLS
}

// Handler answers one message. An empty answer closes the connection: the sender keeps the message and comes again.
type Handler interface {
	ServeMLLP(ctx context.Context, peer Peer, msg []byte) []byte
}

// Server reads blocks and writes the answers, one at a time on each connection, any number of them. The zero value of each limit is a
// sensible one.
type Server struct {
	Handler  Handler
	Max      int           // bytes of a message; MaxMessage
	MaxConns int           // connections at once; 256
	Idle     time.Duration // between messages; 1 h
	Block    time.Duration // from the first byte of a block to its end, and for the TLS handshake and each answer; 30 s
	Drain    time.Duration // what handlers at work are given when the server stops; 10 s
	Strict   bool          // refuse QuirkNoCR
	Log      *slog.Logger  // nil discards
	// Refused hears of peers that failed the TLS handshake; may be nil.
	Refused func(peer Peer, err error)
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// Serve accepts connections until ctx ends. Then it takes no message any more, lets handlers at work answer, and returns nil.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	work, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	var wg sync.WaitGroup
	stop := context.AfterFunc(ctx, func() {
		_ = ln.Close()
		time.AfterFunc(or(s.Drain, 10*time.Second), cut)
	})
	defer stop()
	defer wg.Wait()
	slots := make(chan struct{}, or(s.MaxConns, 256))
	for {
		select {
		case slots <- struct{}{}:
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
			defer func() { <-slots }()
			s.serve(ctx, work, c)
		})
	}
}

// serve answers one connection. ctx says whether to take another message, work whether a handler may go on.
func (s *Server) serve(ctx, work context.Context, c net.Conn) {
	defer func() { _ = c.Close() }()
	// A reader that waits is woken when the server stops; a handler is not disturbed until work ends.
	wake := context.AfterFunc(ctx, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })
	defer wake()
	hard := context.AfterFunc(work, func() { _ = c.Close() })
	defer hard()

	log := or(s.Log, slog.New(slog.DiscardHandler))
	block := or(s.Block, 30*time.Second)
	peer, err := s.peer(ctx, c, block)
	if ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		return // we broke it off
	}
	if err != nil {
		log.Info("mllp: handshake failed", "peer", peer.Address, "error", err)
		if s.Refused != nil {
			s.Refused(peer, err)
		}
		return
	}
	r := NewReader(c, s.Max, !s.Strict, func(q Quirk) { log.Info("mllp: quirk", "peer", peer.Address, "quirk", q) })
	for {
		msg, err := s.read(ctx, c, r, block)
		if err != nil {
			if err != io.EOF && ctx.Err() == nil {
				log.Info("mllp: connection ended", "peer", peer.Address, "error", err)
			}
			return
		}
		answer := s.answer(work, peer, msg, log)
		if len(answer) == 0 {
			return
		}
		if c.SetWriteDeadline(time.Now().Add(block)) != nil {
			return
		}
		if _, err := c.Write(Append(nil, answer)); err != nil {
			return
		}
	}
}

// answer keeps a handler that panics from taking the other connections with it: the message goes unanswered and its sender keeps it.
func (s *Server) answer(ctx context.Context, peer Peer, msg []byte, log *slog.Logger) (answer []byte) {
	defer func() {
		if p := recover(); p != nil {
			log.Error("mllp: handler panicked", "peer", peer.Address, "panic", p, "stack", string(debug.Stack()))
			answer = nil
		}
	}()
	return s.Handler.ServeMLLP(ctx, peer, msg)
}

func (s *Server) peer(ctx context.Context, c net.Conn, limit time.Duration) (Peer, error) {
	p := Peer{Address: c.RemoteAddr().String()}
	if host, _, err := net.SplitHostPort(p.Address); err == nil {
		p.Address = host
	}
	t, ok := c.(*tls.Conn)
	if !ok {
		return p, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit) // a context that ends hides why the other side was refused
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		return p, err
	}
	state := t.ConnectionState()
	p.TLS = &state
	return p, nil
}

func (s *Server) read(ctx context.Context, c net.Conn, r *Reader, block time.Duration) ([]byte, error) {
	for _, step := range []struct {
		limit time.Duration
		begin bool
	}{{or(s.Idle, time.Hour), true}, {block, false}} {
		if err := c.SetReadDeadline(time.Now().Add(step.limit)); err != nil {
			return nil, err
		}
		if ctx.Err() != nil { // the deadline above may have undone the wake-up
			return nil, ctx.Err()
		}
		if !step.begin {
			return r.Body()
		}
		if err := r.Begin(); err != nil {
			return nil, err
		}
	}
	return nil, io.EOF
}
