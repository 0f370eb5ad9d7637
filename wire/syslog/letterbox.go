package syslog

import (
	"net/netip"
	"sync"
)

// letters are messages in the order they came, with their senders where they come from several.
type letters struct {
	buf  []byte
	ends []int
	from []netip.Addr
}

// letterbox is where messages wait while the handler is busy with those before. So the slower a handler is, a disk say, the more it is given at once.
type letterbox struct {
	room    int // bytes
	mu      sync.Mutex
	changed sync.Cond
	l       letters
	closed  bool
}

func newLetterbox(room int) *letterbox {
	b := &letterbox{room: room}
	b.changed.L = &b.mu
	return b
}

// put waits while the box is full; false when nobody takes any more.
func (b *letterbox) put(msg []byte, from netip.Addr) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.l.buf) > 0 && len(b.l.buf)+len(msg) > b.room && !b.closed {
		b.changed.Wait()
	}
	if b.closed {
		return false
	}
	b.l.buf = append(b.l.buf, msg...)
	b.l.ends, b.l.from = append(b.l.ends, len(b.l.buf)), append(b.l.from, from)
	b.changed.Broadcast()
	return true
}

// take waits for messages and swaps them for those in l, whose memory is used again; false when there will be no more.
func (b *letterbox) take(l *letters) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.l.ends) == 0 && !b.closed {
		b.changed.Wait()
	}
	empty := letters{}
	if cap(l.buf) <= 3*ahead { // the room a flood took is not kept
		empty = letters{l.buf[:0], l.ends[:0], l.from[:0]}
	}
	*l, b.l = b.l, empty
	b.changed.Broadcast()
	return len(l.ends) > 0
}

// close ends both sides: what waits can still be taken.
func (b *letterbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.changed.Broadcast()
}

// each gives the messages in runs of at most most, none of two senders.
func (l *letters) each(most int, f func(from netip.Addr, msgs [][]byte) error) error {
	var msgs [][]byte
	start := 0
	for i, end := range l.ends {
		msgs = append(msgs, l.buf[start:end:end])
		start = end
		if i+1 == len(l.ends) || l.from[i+1] != l.from[i] || len(msgs) == most {
			if err := f(l.from[i], msgs); err != nil {
				return err
			}
			msgs = msgs[:0]
		}
	}
	return nil
}
