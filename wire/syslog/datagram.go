package syslog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
)

// waiting is how many bytes of datagrams may wait for the handler: the socket's own buffer is small, and a handler that flushes a disk is away for
// milliseconds.
const waiting = 64 << 20

// ServeUDP receives datagrams, one message each (RFC 5426), until ctx ends; what was received by then is handled before it returns. One goroutine
// does nothing but empty the socket: a datagram that finds it full is lost without a trace.
func (s *Server) ServeUDP(ctx context.Context, u *net.UDPConn) error {
	if s.Buffer >= 0 {
		growBuffer(u, or(s.Buffer, 16<<20))
	}
	stop := context.AfterFunc(ctx, func() { _ = u.Close() })
	defer stop()
	box := newLetterbox(waiting)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer box.close()
	wg.Go(func() {
		for d := (letters{}); box.take(&d); {
			s.hand(ctx, &d)
		}
	})
	buf := make([]byte, 1<<16)
	for {
		n, from, err := u.ReadFromUDPAddrPort(buf)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		if n > or(s.Max, MaxMessage) {
			s.refused(ctx, datagramPeer(from.Addr()), append([]byte(nil), buf[:min(n, 4<<10)]...), fmt.Errorf("%w: a datagram of %d bytes", ErrFrame, n))
			continue
		}
		box.put(buf[:n], from.Addr().Unmap())
	}
}

func datagramPeer(a netip.Addr) Peer { return Peer{Network: "udp", Address: a.Unmap().String()} }

// hand gives each sender's messages to the handler, in their order. Nobody can be told over UDP that his message was not kept: the handler does what there is
// to do.
func (s *Server) hand(ctx context.Context, d *letters) {
	_ = d.each(or(s.Batch, 1024), func(from netip.Addr, msgs [][]byte) error {
		_ = s.Handler.ServeSyslog(context.WithoutCancel(ctx), datagramPeer(from), msgs)
		return nil
	})
}
