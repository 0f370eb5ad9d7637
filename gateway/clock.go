package gateway

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/beevik/ntp"
)

// clock compares this machine's clock with time servers (ITI-1): audit records of many nodes are only worth something in one order.
type clock struct {
	servers []string
	most    time.Duration // an offset beyond it makes the gateway not ready; 0 never does

	mu      sync.Mutex
	offsets map[string]offset
}

// offset is what one server said last. At is zero when it never answered.
type offset struct {
	by  time.Duration // to add to our clock
	at  time.Time
	err error
}

const clockTimeout = 5 * time.Second

func newClock(c ClockConfig) *clock {
	return &clock{servers: c.Servers, most: time.Duration(c.MaxOffset) * time.Millisecond, offsets: map[string]offset{}}
}

// follow asks every server now and then.
func (c *clock) follow(ctx context.Context, every time.Duration, warn func(msg string, args ...any)) {
	if len(c.servers) == 0 {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		c.ask(warn)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// ask compares once with each server. A server that does not answer keeps what it said before.
func (c *clock) ask(warn func(msg string, args ...any)) {
	for _, server := range c.servers {
		r, err := ntp.QueryWithOptions(server, ntp.QueryOptions{Timeout: clockTimeout})
		if err == nil {
			err = r.Validate()
		}
		c.mu.Lock()
		if err != nil {
			o := c.offsets[server]
			o.err = err
			c.offsets[server] = o
		} else {
			c.offsets[server] = offset{by: r.ClockOffset, at: time.Now()}
		}
		c.mu.Unlock()
		if err != nil {
			warn("time server does not answer", "server", server, "error", err)
		}
	}
	if err := c.trouble(); err != nil {
		warn("clock", "error", err)
	}
}

// each tells what every server that ever answered said last.
func (c *clock) each(f func(server string, o offset)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.servers {
		if o := c.offsets[s]; !o.at.IsZero() {
			f(s, o)
		}
	}
}

// trouble tells that the clock is off by the middle of what the servers say: one that is wrong does not stop a gateway.
func (c *clock) trouble() error {
	var all []offset
	c.each(func(_ string, o offset) { all = append(all, o) })
	if len(all) == 0 || c.most == 0 {
		return nil
	}
	slices.SortFunc(all, func(a, b offset) int { return cmp.Compare(a.by, b.by) })
	if by := all[len(all)/2].by; by.Abs() > c.most {
		return fmt.Errorf("the clock is %s off, at most %s are tolerated: correct it (ITI-1)", by.Abs().Round(time.Millisecond), c.most)
	}
	return nil
}
