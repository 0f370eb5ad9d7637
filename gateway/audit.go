package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/atna/arr"
	"github.com/passerelle-sante/passerelle/atna/recorder"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/fhir"
	"github.com/passerelle-sante/passerelle/store/trail"
	"github.com/passerelle-sante/passerelle/wire/syslog"
)

// The paths of the audit log's doors.
const (
	FHIRPath         = "/fhir"         // ITI-81
	SyslogSearchPath = "/syslogsearch" // ITI-82
)

// auditDir is where the audit log lies in a data folder.
func auditDir(data string) string { return filepath.Join(data, "audit") }

// auditKey is the file in it of the key that signs.
const auditKey = "key"

// auditRepository is the Audit Record Repository of a gateway that is one.
type auditRepository struct {
	trail *trail.Trail
	*arr.Repository
	watch *arr.Watch // nil without rules
}

// openAudit opens the audit log, when there is one here.
func (g *Gateway) openAudit() error {
	c := g.cfg.Audit.Repository
	if !c.Enabled {
		return nil
	}
	dir := auditDir(g.cfg.Data)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("folder of the audit log: %w", err)
	}
	key, err := arr.LoadKey(filepath.Join(dir, auditKey), logName(g.cfg.Node.Name))
	if err != nil {
		return fmt.Errorf("key of the audit log: %w", err)
	}
	t, err := trail.Open(dir, trail.Options{Describe: arr.Describe, Key: key, Log: g.log, CheckpointEvery: time.Duration(c.Checkpoint) * time.Second})
	if err != nil {
		return fmt.Errorf("open the audit log: %w", err)
	}
	g.audit = &auditRepository{trail: t}
	return nil
}

// logName is a node's name as a checkpoint may carry it.
func logName(node string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r == '+' || r == 0x7F {
			return '-'
		}
		return r
	}, node)
}

// buildAudit makes the actor over the open log.
func (g *Gateway) buildAudit() (err error) {
	if g.audit == nil {
		return nil
	}
	c := g.cfg.Audit.Repository
	g.audit.Repository, err = arr.New(arr.Config{Store: g.audit.trail, Audit: g.db.Audit(), Events: g.events, MayRead: g.mayReadAudit, Log: g.log})
	if err != nil || c.Rules == "" {
		return err
	}
	rules, err := loadRules(c.Rules)
	if err != nil {
		return err
	}
	g.audit.watch, err = arr.NewWatch(rules)
	return err
}

// operator stands for whoever may write to the data folder: no certificate's subject looks like it.
var operator = auth.Caller{Capacity: auth.CapacityOperator, Subject: "local operator", Endpoint: "control socket"}

func (g *Gateway) mayReadAudit(c auth.Caller) bool {
	return c == operator || c.Node != "" && slices.Contains(g.cfg.Audit.Repository.Readers, c.Node)
}

// auditHandler are the doors of searches.
func (g *Gateway) auditHandler() http.Handler {
	a := &fhir.Audit{Repository: g.audit.Repository, Caller: whoAsks}
	return a.Handler(FHIRPath, SyslogSearchPath)
}

// whoAsks says which node a request came from: without a client certificate it is nobody.
func whoAsks(r *http.Request) auth.Caller {
	c := auth.Caller{Address: r.RemoteAddr, Endpoint: "http://" + r.Host + r.URL.Path}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		c.Address = host
	}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		s := r.TLS.PeerCertificates[0].Subject
		c.Node, c.Subject, c.Endpoint = s.CommonName, s.String(), "https://"+r.Host+r.URL.Path
	}
	return c
}

// ownRepository is the destination that puts this node's own trail into its audit log.
func (g *Gateway) ownRepository() recorder.Destination {
	return recorder.Destination{Name: "own audit repository", Keep: func(ctx context.Context, msgs [][]byte) error {
		return g.audit.Keep(ctx, g.cfg.Node.Name, msgs)
	}}
}

// syslogServer is what receives audit records.
func (g *Gateway) syslogServer() *syslog.Server {
	c := g.cfg.Audit.Repository
	return &syslog.Server{Handler: g.audit, Max: int(c.MaxMessage), Lines: c.tolerates(string(syslog.QuirkLines)), Buffer: int(c.UDPBuffer),
		Refused: func(ctx context.Context, from syslog.Peer, partly []byte, err error) {
			if handshake, ok := errors.AsType[*syslog.HandshakeError](err); ok {
				g.notAuthenticated(from.Address, handshake.Err.Error())
				return
			}
			g.audit.Refused(ctx, from, partly, err)
		}}
}

func (d *doors) syslog(ctx context.Context, name, addr string, secure bool) error {
	if addr == "" {
		return nil
	}
	ln, err := d.listen(name, addr, secure)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d.wg.Go(func() {
		if err := d.g.syslogServer().Serve(ctx, ln); err != nil && ctx.Err() == nil {
			d.fail <- fmt.Errorf("%s: %w", name, err)
		}
	})
	d.stops = append(d.stops, cancel)
	return nil
}

func (d *doors) syslogUDP(ctx context.Context, name, addr string) error {
	if addr == "" {
		return nil
	}
	at, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return fmt.Errorf("open %s: %w", name, err)
	}
	u, err := net.ListenUDP("udp", at)
	if err != nil {
		return fmt.Errorf("open %s: %w", name, err)
	}
	d.g.addresses[name] = u.LocalAddr().String()
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d.wg.Go(func() {
		if err := d.g.syslogServer().ServeUDP(ctx, u); err != nil && ctx.Err() == nil {
			d.fail <- fmt.Errorf("%s: %w", name, err)
		}
	})
	d.stops = append(d.stops, cancel)
	return nil
}

// watchAudit raises alerts until ctx ends.
func (g *Gateway) watchAudit(ctx context.Context) {
	hear := func(a arr.Alert) {
		g.metrics.alerts.WithLabelValues(a.Rule.Name).Inc()
		g.log.Warn("audit alert", "rule", a.Rule.Name, "person", a.Who, "count", a.Count, "record", a.Seq)
	}
	for ctx.Err() == nil {
		if err := g.audit.Follow(ctx, g.audit.watch, g.db.Audit(), time.Second, hear); err != nil {
			g.log.Error("audit alerts stopped; they go on in a minute", "error", err)
			pause(ctx, time.Minute)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// expireAudit removes what was kept long enough, once a day.
func (g *Gateway) expireAudit(ctx context.Context) {
	keep := time.Duration(g.cfg.Audit.Repository.RetentionDays) * 24 * time.Hour
	for ctx.Err() == nil {
		first, err := g.audit.trail.Expire(ctx, time.Now().Add(-keep))
		switch {
		case err != nil && ctx.Err() == nil:
			g.log.Error("audit retention", "error", err)
		case err == nil:
			g.log.Info("audit retention", "first_record_kept", first)
		}
		pause(ctx, 24*time.Hour)
	}
}

// stampAudit has checkpoints time-stamped while records come.
func (g *Gateway) stampAudit(ctx context.Context) {
	c := g.cfg.Audit.Repository
	verifier, err := stampVerifier(c.TimestampCA)
	if err != nil {
		g.log.Error("time stamps", "error", err)
		return
	}
	s := &arr.Stamper{URL: c.Timestamp, Client: &http.Client{Timeout: 30 * time.Second}, StampVerifier: *verifier}
	for stamped := uint64(0); ctx.Err() == nil; pause(ctx, time.Duration(c.TimestampEvery)*time.Second) {
		if g.audit.trail.Checkpoint().Size == stamped {
			continue
		}
		checkpoint, at, err := g.audit.trail.Stamp(ctx, s)
		if err != nil {
			g.log.Error("time stamp", "error", err)
			continue
		}
		stamped = checkpoint.Size
		g.log.Info("checkpoint time-stamped", "records", stamped, "time", at)
	}
}
