package syslog

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// Handler takes one message as it came. An error ends the connection it came by.
type Handler interface {
	ServeSyslog(ctx context.Context, from net.Conn, msg []byte) error
}

// Server reads octet-counted messages from connections.
type Server struct {
	Handler Handler
	Max     int           // bytes of one message; 0 means MaxMessage
	Idle    time.Duration // a connection that says nothing for so long is closed; 0 means one hour
}

// Serve accepts connections until ctx ends, then closes them and returns once every handler came back. TLS comes from the listener.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	for {
		c, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		wg.Go(func() { s.serve(ctx, c) })
	}
}

func (s *Server) serve(ctx context.Context, c net.Conn) {
	defer func() { _ = c.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	idle := s.Idle
	if idle <= 0 {
		idle = time.Hour
	}
	r := NewFrameReader(c, s.Max)
	for {
		if err := c.SetReadDeadline(time.Now().Add(idle)); err != nil {
			return
		}
		msg, err := r.Next()
		if err != nil {
			return
		}
		if err := s.Handler.ServeSyslog(ctx, c, msg); err != nil {
			return
		}
	}
}
