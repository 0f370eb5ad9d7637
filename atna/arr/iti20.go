package arr

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/wire/syslog"
)

// Config is what a Repository needs. Store, Audit, Events and MayRead are required.
type Config struct {
	Store  Store
	Audit  atna.Recorder  // where the use of the repository is recorded
	Events *atna.Reporter // who we are in those records
	// MayRead decides who may search the log; what it refuses is recorded too.
	MayRead func(auth.Caller) bool
	Clock   func() time.Time // nil is time.Now
	Log     *slog.Logger     // nil discards
}

// Repository is the Audit Record Repository. It is safe for concurrent use.
type Repository struct {
	cfg     Config
	senders senders
}

// New checks the configuration.
func New(cfg Config) (*Repository, error) {
	if cfg.Store == nil || cfg.Audit == nil || cfg.Events == nil || cfg.MayRead == nil {
		return nil, errors.New("audit record repository: Store, Audit, Events and MayRead are required")
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Repository{cfg: cfg, senders: senders{all: map[senderKey]*Sender{}}}, nil
}

// ServeSyslog implements syslog.Handler: it keeps messages as they came, whatever they are, and returns when they are durable [ITI-20 3.20.4.1.3]. The
// connection is not read further meanwhile: a store that cannot follow slows its senders down instead of losing what they sent.
func (r *Repository) ServeSyslog(ctx context.Context, from syslog.Peer, msgs [][]byte) error {
	return r.keep(ctx, ways[from.Network], peer(from), msgs)
}

var ways = map[string]Way{"tls": ByTLS, "tcp": ByTCP, "udp": ByUDP}

func peer(from syslog.Peer) string { return cmp.Or(from.Subject, from.Address) }

// Keep takes messages that were handed over in the process, as they would have been sent: the trail of this node.
func (r *Repository) Keep(ctx context.Context, node string, msgs [][]byte) error {
	return r.keep(ctx, ByLocal, node, msgs)
}

func (r *Repository) keep(ctx context.Context, way Way, peer string, msgs [][]byte) error {
	now := r.cfg.Clock()
	records := make([]Received, len(msgs))
	bytes, flawed := 0, 0
	for i, m := range msgs {
		records[i] = Received{At: now, Way: way, Peer: peer, Raw: m}
		bytes += len(m)
		if _, err := syslog.Parse(m); err != nil {
			flawed++
		}
	}
	if _, err := r.cfg.Store.Append(ctx, records); err != nil {
		r.cfg.Log.Error("audit records not kept", "peer", peer, "count", len(msgs), "error", err)
		return fmt.Errorf("keep audit records: %w", err)
	}
	r.senders.note(way, peer, func(s *Sender) {
		s.Records += uint64(len(msgs))
		s.Bytes += uint64(bytes)
		s.Flawed += uint64(flawed)
		s.Last = now
	})
	return nil
}

// Refused takes what syslog.Server.Refused hears of messages: what broke off a connection is kept too, as far as it came, and marked by being no message.
func (r *Repository) Refused(ctx context.Context, from syslog.Peer, partly []byte, err error) {
	r.cfg.Log.Warn("audit connection broken off", "peer", from.Address, "network", from.Network, "error", err)
	if len(partly) > 0 {
		if err := r.ServeSyslog(ctx, from, [][]byte{partly}); err != nil {
			return // said already
		}
	}
	r.senders.note(ways[from.Network], peer(from), func(s *Sender) { s.Broken++ })
}

// record writes an event of our own. Whoever caused it is not answered otherwise for a failure here, which is loud in the log.
func (r *Repository) record(ctx context.Context, tx atna.Transaction, f atna.Facts) {
	if err := r.cfg.Audit.Record(context.WithoutCancel(ctx), r.cfg.Events.Event(tx, atna.Responder, f)); err != nil {
		r.cfg.Log.Error("audit record of the audit repository", "transaction", string(tx), "error", err)
	}
}

// Sender is what one sender sent since the start.
type Sender struct {
	Way     Way
	Peer    string
	Records uint64
	Bytes   uint64
	Flawed  uint64 // records that are no RFC 5424 message
	Broken  uint64 // connections broken off for what came, datagrams too large
	Last    time.Time
}

type senderKey struct {
	way  Way
	peer string
}

// senders are bounded: over UDP anybody can be a sender.
type senders struct {
	mu  sync.Mutex
	all map[senderKey]*Sender
}

const maxSenders = 10000

func (s *senders) note(way Way, peer string, f func(*Sender)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := senderKey{way, peer}
	if s.all[k] == nil {
		if len(s.all) >= maxSenders {
			k.peer = "others"
		}
		if s.all[k] == nil {
			s.all[k] = &Sender{Way: way, Peer: k.peer}
		}
	}
	f(s.all[k])
}

// Senders lists who sent what since the start, by way and peer.
func (r *Repository) Senders() []Sender {
	r.senders.mu.Lock()
	defer r.senders.mu.Unlock()
	var list []Sender
	for _, s := range r.senders.all {
		list = append(list, *s)
	}
	slices.SortFunc(list, func(a, b Sender) int {
		if a.Way != b.Way {
			return int(a.Way) - int(b.Way)
		}
		return strings.Compare(a.Peer, b.Peer)
	})
	return list
}
