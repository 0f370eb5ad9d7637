package gateway

import (
	"context"
	"net/url"
	"os"
	"time"

	"github.com/passerelle-sante/passerelle/atna/recorder"
	"github.com/passerelle-sante/passerelle/store/bolt"
	"github.com/passerelle-sante/passerelle/wire/syslog"
)

// newForwarder sends the local audit trail to the configured repositories and to the one that this gateway is itself; nil when there are none.
func (g *Gateway) newForwarder() *recorder.Recorder {
	if len(g.cfg.Audit.Forward) == 0 && g.audit == nil {
		return nil
	}
	hostname, _ := os.Hostname()
	// No process id: a record that is sent again after a restart must be the same bytes, so that the repository knows it again.
	c := recorder.Config{Log: auditLog{g.db.Audit()}, Hostname: hostname, AppName: g.cfg.Node.Name, Logger: g.log}
	if g.audit != nil {
		c.Destinations = append(c.Destinations, g.ownRepository())
	}
	for _, f := range g.cfg.Audit.Forward {
		u, err := url.Parse(f.Address)
		if err != nil {
			continue // Load refused it
		}
		c.Destinations = append(c.Destinations, recorder.Destination{Name: f.Name,
			Target: syslog.Target{Network: u.Scheme, Address: u.Host, TLS: g.tls.clientConfig()}})
	}
	r, err := recorder.New(c)
	if err != nil {
		g.log.Error("audit forwarding cannot start", "error", err)
		return nil
	}
	return r
}

// auditLog is the local trail in the words of the recorder.
type auditLog struct{ a *bolt.Audit }

func (l auditLog) From(ctx context.Context, seq uint64, max int) ([]recorder.Entry, error) {
	stored, err := l.a.From(ctx, seq+1, max)
	out := make([]recorder.Entry, len(stored))
	for i, s := range stored {
		out[i] = recorder.Entry{Seq: s.Seq, Message: s.Message}
	}
	return out, err
}

func (l auditLog) Last(ctx context.Context) (uint64, error) { return l.a.Last(ctx) }
func (l auditLog) Cursor(ctx context.Context, name string) (uint64, error) {
	return l.a.Cursor(ctx, name)
}
func (l auditLog) SetCursor(ctx context.Context, name string, seq uint64) error {
	return l.a.SetCursor(ctx, name, seq)
}

// Wait looks ten times a second: a record that is durable need not be elsewhere sooner.
func (l auditLog) Wait(ctx context.Context, seq uint64) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		last, err := l.a.Last(ctx)
		if err != nil || last > seq {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
