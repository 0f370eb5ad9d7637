// Package recorder is the secure node's side of ITI-20: it forwards the audit messages that a local log keeps to one or several audit record
// repositories by syslog. Transactions write to the log and never wait for a repository.
//
// Delivery is at least once. Syslog has no acknowledgement. Over TLS the recorder therefore ends its connection in good order every now and then
// (Config.Settle) and opens another: a repository that ends it too has read everything, and one that crashed cannot be mistaken for it. Over plain
// TCP, where it could, a record counts as delivered once the connection that took it has stayed open for that long; over UDP when it was sent. Only
// then does the cursor of the destination advance. When a connection breaks, everything after the cursor is sent again: the last records may arrive
// twice, none is lost.
package recorder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/wire/syslog"
)

// Entry is one record of the log. Sequence numbers rise; they may have gaps.
type Entry struct {
	Seq     uint64
	Message *atna.AuditMessage
}

// Log is where records wait and where each destination's place is kept.
type Log interface {
	// From gives up to max entries after seq, oldest first.
	From(ctx context.Context, seq uint64, max int) ([]Entry, error)
	// Last is the number of the newest entry, 0 when there is none.
	Last(ctx context.Context) (uint64, error)
	// Cursor is the number of the last entry that the destination has; 0 when it has none.
	Cursor(ctx context.Context, destination string) (uint64, error)
	SetCursor(ctx context.Context, destination string, seq uint64) error
	// Wait returns nil when there is an entry after seq, or ctx's error.
	Wait(ctx context.Context, seq uint64) error
}

// Destination is one audit record repository: Target says where it is, or Keep hands records over to one in this process.
type Destination struct {
	Name   string // names the cursor; keep it over configuration changes
	Target syslog.Target
	Keep   func(ctx context.Context, msgs [][]byte) error // returns when they are durable
}

// Config is what a Recorder needs. Log and Destinations are required.
type Config struct {
	Log          Log
	Destinations []Destination
	Hostname     string                           // syslog HOSTNAME
	AppName      string                           // syslog APP-NAME
	ProcID       string                           // syslog PROCID
	Batch        int                              // entries of one write; 0 means 64
	Settle       time.Duration                    // how long what a connection took waits before it counts as delivered, or before that is asked; 0 means 2 s
	Backoff      func(failures int) time.Duration // wait before the next connection; nil doubles from 0.5 s to 1 min
	Logger       *slog.Logger                     // nil discards
}

// Recorder forwards. Status is safe for concurrent use.
type Recorder struct {
	cfg    Config
	mu     sync.Mutex
	status []Status
}

// Status tells how far a destination is.
type Status struct {
	Name       string
	Connected  bool
	Delivered  uint64        // the cursor
	Behind     uint64        // entries of the log that are not known to be delivered, by sequence number
	Lag        time.Duration // age of the oldest of them
	Unsendable uint64        // records that do not fit a datagram: they stay in the log only
	LastError  string
}

// New checks the configuration.
func New(cfg Config) (*Recorder, error) {
	if cfg.Log == nil || len(cfg.Destinations) == 0 {
		return nil, errors.New("audit recorder: Log and Destinations are required")
	}
	seen := map[string]bool{}
	r := &Recorder{cfg: cfg}
	for _, d := range cfg.Destinations {
		if d.Name == "" || seen[d.Name] {
			return nil, errors.New("audit recorder: each destination needs a name of its own")
		}
		seen[d.Name] = true
		r.status = append(r.status, Status{Name: d.Name})
	}
	if r.cfg.Batch <= 0 {
		r.cfg.Batch = 64
	}
	if r.cfg.Settle <= 0 {
		r.cfg.Settle = 2 * time.Second
	}
	if r.cfg.Backoff == nil {
		r.cfg.Backoff = func(failures int) time.Duration {
			return min(500*time.Millisecond<<min(failures-1, 10), time.Minute)
		}
	}
	if r.cfg.Logger == nil {
		r.cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return r, nil
}

// Run forwards until ctx ends, then closes each connection in good order so that the cursors are exact. It returns nil, or the error of a
// log that cannot be read.
func (r *Recorder) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(r.cfg.Destinations))
	var wg sync.WaitGroup
	for i, d := range r.cfg.Destinations {
		wg.Go(func() {
			if errs[i] = r.forward(ctx, i, d); errs[i] != nil {
				cancel()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Status tells how far each destination is.
func (r *Recorder) Status(ctx context.Context) ([]Status, error) {
	last, err := r.cfg.Log.Last(ctx)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	all := slices.Clone(r.status)
	r.mu.Unlock()
	for i := range all {
		s := &all[i]
		if last <= s.Delivered {
			continue
		}
		s.Behind = last - s.Delivered
		oldest, err := r.cfg.Log.From(ctx, s.Delivered, 1)
		if err != nil {
			return nil, err
		}
		if len(oldest) > 0 {
			s.Lag = max(0, time.Since(oldest[0].Message.EventIdentification.EventDateTime))
		}
	}
	return all, nil
}

func (r *Recorder) note(i int, f func(*Status)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.status[i])
}

// forward keeps one destination served: connect, stream, and after a failure wait and begin again at the cursor.
func (r *Recorder) forward(ctx context.Context, i int, d Destination) error {
	cursor, err := r.cfg.Log.Cursor(ctx, d.Name)
	if err != nil {
		return stopped(ctx, fmt.Errorf("read the cursor of %s: %w", d.Name, err))
	}
	r.note(i, func(s *Status) { s.Delivered = cursor })
	for failures, deaf := 0, 0; ctx.Err() == nil; {
		l := &line{r: r, i: i, d: d, cursor: cursor, deaf: deaf}
		run := l.run
		if d.Keep != nil {
			run = l.hand
		}
		err := run(ctx)
		if l.cursor > cursor {
			failures = 0
		}
		cursor, deaf = l.cursor, l.deaf
		if broken, ok := errors.AsType[*logError](err); ok {
			return stopped(ctx, broken.err)
		}
		if err == nil || ctx.Err() != nil {
			continue
		}
		failures++
		r.note(i, func(s *Status) { s.Connected, s.LastError = false, err.Error() })
		r.cfg.Logger.Warn("audit repository out of reach", "destination", d.Name, "failures", failures, "error", err)
		wait := time.NewTimer(r.cfg.Backoff(failures))
		select {
		case <-wait.C:
		case <-ctx.Done():
		}
		wait.Stop()
	}
	return nil
}

// stopped forgets errors that only tell that ctx ended.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// logError is a failure of the log, not of the destination.
type logError struct{ err error }

func (e *logError) Error() string { return e.err.Error() }
