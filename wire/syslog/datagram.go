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
	box := &letterbox{}
	box.changed.L = &box.mu
	var wg sync.WaitGroup
	defer wg.Wait()
	defer box.close()
	wg.Go(func() {
		d := &datagrams{}
		for box.take(&d) {
			s.hand(ctx, d)
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

// datagrams are messages of several senders in the order they came.
type datagrams struct {
	buf  []byte
	ends []int
	from []netip.Addr
}

// letterbox is where datagrams wait.
type letterbox struct {
	mu      sync.Mutex
	changed sync.Cond
	d       datagrams
	closed  bool
}

func (b *letterbox) put(msg []byte, from netip.Addr) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.d.buf) > 0 && len(b.d.buf)+len(msg) > waiting {
		b.changed.Wait()
	}
	b.d.buf = append(b.d.buf, msg...)
	b.d.ends, b.d.from = append(b.d.ends, len(b.d.buf)), append(b.d.from, from)
	b.changed.Signal()
}

// take waits for datagrams and swaps them for the emptied ones in d; false when there will be no more.
func (b *letterbox) take(d **datagrams) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.d.ends) == 0 && !b.closed {
		b.changed.Wait()
	}
	empty := datagrams{}
	if cap((*d).buf) <= 1<<20 { // the room a flood took is not kept
		empty = datagrams{(*d).buf[:0], (*d).ends[:0], (*d).from[:0]}
	}
	**d, b.d = b.d, empty
	b.changed.Signal()
	return len((*d).ends) > 0
}

func (b *letterbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.changed.Signal()
}

// hand gives each sender's messages to the handler, in their order.
func (s *Server) hand(ctx context.Context, d *datagrams) {
	start := 0
	var msgs [][]byte
	for i, end := range d.ends {
		msgs = append(msgs, d.buf[start:end:end])
		start = end
		if i+1 == len(d.ends) || d.from[i+1] != d.from[i] {
			// Nobody can be told over UDP that his message was not kept: the handler does what there is to do.
			_ = s.Handler.ServeSyslog(context.WithoutCancel(ctx), datagramPeer(d.from[i]), msgs)
			msgs = msgs[:0]
		}
	}
}
