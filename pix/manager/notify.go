package manager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
)

// Outbox is where changed cross-references wait for those who are told of them, and where each one's place is kept.
type Outbox interface {
	// From gives up to max events whose number is seq or greater, in order.
	From(ctx context.Context, seq uint64, max int) ([]pix.CrossReference, error)
	// Last is the number of the newest event, 0 when there is none.
	Last(ctx context.Context) (uint64, error)
	// Cursor gives what was noted under a name, 0 when nothing ever was.
	Cursor(ctx context.Context, name string) (uint64, error)
	SetCursor(ctx context.Context, name string, seq uint64) error
	// Trim forgets events before seq, all of them or some.
	Trim(ctx context.Context, seq uint64) error
	// Wait returns nil when there is an event whose number is seq or greater, or ctx's error.
	Wait(ctx context.Context, seq uint64) error
}

// Update is one notification: what a subscriber may know of a person after a change [ITI-10 3.10.4.1] [ITI-46 3.46.4.1].
type Update struct {
	IDs       []hl7.CX
	MessageID string // the same when it is sent again
	At        hl7.DTM
}

// Subscriber is told of changed cross-references. Tell returns nil when it knows; ErrRefused when it has the message and will have none of it, which
// nothing mends; any other error when it is to be tried again.
type Subscriber struct {
	Name        string   // common name of its node, which says what it may ask for; it names its place, too
	Transaction string   // ITI-10 or ITI-46
	Domains     []hl7.HD // whose identifiers interest it
	Tell        func(ctx context.Context, u Update) error
}

// ErrRefused tells that a subscriber answered that it does not take a notification.
var ErrRefused = errors.New("the subscriber refused the notification")

// Notifier tells subscribers. Each has a place of its own in the outbox and gets what concerns it in order, at least once: the place moves when it was told, so
// after a crash the last notification may come again, under the same message id. Nobody waits for another.
type Notifier struct {
	Manager     *Manager
	Outbox      Outbox
	Subscribers []Subscriber
	Backoff     func(failures int) time.Duration // wait before the next attempt; nil doubles from 0.5 s to 1 min

	mu   sync.Mutex
	next []uint64 // number of the event that each is to be told next
}

// notifyBatch is how many events are read at once.
const notifyBatch = 256

// Begin finds where each subscriber stands. One that was never told begins with what happens from now on.
func (n *Notifier) Begin(ctx context.Context) error {
	n.next = make([]uint64, len(n.Subscribers))
	for i, s := range n.Subscribers {
		next, err := n.begin(ctx, s)
		if err != nil {
			return fmt.Errorf("place of subscriber %s: %w", s.Name, err)
		}
		n.next[i] = next
	}
	return nil
}

// Run tells until ctx ends. Begin comes before it.
func (n *Notifier) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for i := range n.Subscribers {
		wg.Go(func() { n.serve(ctx, i) })
	}
	wg.Wait()
}

// begin gives the number that a subscriber is told next, which is noted before anything else happens.
func (n *Notifier) begin(ctx context.Context, s Subscriber) (uint64, error) {
	next, err := n.Outbox.Cursor(ctx, s.place())
	if err != nil || next > 0 {
		return next, err
	}
	last, err := n.Outbox.Last(ctx)
	if err != nil {
		return 0, err
	}
	return last + 1, n.Outbox.SetCursor(ctx, s.place(), last+1)
}

// place names the cursor: a node may be told in two ways.
func (s *Subscriber) place() string { return s.Transaction + " " + s.Name }

// serve tells one subscriber, again and again as long as it does not know.
func (n *Notifier) serve(ctx context.Context, i int) {
	s := &n.Subscribers[i]
	for failures := 0; ctx.Err() == nil; {
		err := n.batch(ctx, i)
		if err == nil {
			failures = 0
			continue
		}
		if ctx.Err() != nil {
			return
		}
		failures++
		n.Manager.cfg.Log.WarnContext(ctx, "subscriber not told", "subscriber", s.Name, "transaction", s.Transaction, "failures", failures, "error", err)
		t := time.NewTimer(n.backoff(failures))
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
	}
}

func (n *Notifier) backoff(failures int) time.Duration {
	if n.Backoff != nil {
		return n.Backoff(failures)
	}
	return min(time.Minute, 250*time.Millisecond<<min(failures, 10))
}

// batch waits for events and tells a subscriber those that concern it.
func (n *Notifier) batch(ctx context.Context, i int) error {
	s := &n.Subscribers[i]
	if err := n.Outbox.Wait(ctx, n.next[i]); err != nil {
		return fmt.Errorf("wait: %w", err)
	}
	events, err := n.Outbox.From(ctx, n.next[i], notifyBatch)
	if err != nil {
		return fmt.Errorf("read the outbox: %w", err)
	}
	for k, e := range events {
		u, concerns := n.Manager.update(s, e)
		if concerns {
			if err := n.tell(ctx, s, u); err != nil {
				return err
			}
		}
		if concerns || k == len(events)-1 {
			if err := n.advance(ctx, i, e.Seq+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// tell sends a notification and records it, taken or refused. One that did not arrive is recorded once it does.
func (n *Notifier) tell(ctx context.Context, s *Subscriber, u Update) error {
	m := n.Manager
	err := s.Tell(ctx, u)
	refused := errors.Is(err, ErrRefused)
	if err != nil && !refused {
		return fmt.Errorf("tell: %w", err)
	}
	f := atna.Facts{Time: m.cfg.Clock(), MessageID: u.MessageID, Patient: u.IDs[0], OtherPatients: u.IDs[1:], RequestorID: s.Name}
	if refused {
		f.Outcome, f.OutcomeText = atna.OutcomeMinorFailure, "refused by the subscriber"
	}
	if err := m.cfg.Recorder.Record(context.WithoutCancel(ctx), m.cfg.Reporter.Event(atna.Transaction(s.Transaction), atna.Initiator, f)); err != nil {
		return fmt.Errorf("keep the audit record: %w", err)
	}
	m.cfg.Log.InfoContext(ctx, "subscriber told", slog.String("subscriber", s.Name), slog.String("transaction", s.Transaction), slog.String("message", u.MessageID),
		slog.Bool("refused", refused))
	return nil
}

// advance notes that a subscriber was told everything before next, and forgets what everybody was told.
func (n *Notifier) advance(ctx context.Context, i int, next uint64) error {
	ctx = context.WithoutCancel(ctx) // it knows: that must not be forgotten because we stop
	if err := n.Outbox.SetCursor(ctx, n.Subscribers[i].place(), next); err != nil {
		return fmt.Errorf("note the place: %w", err)
	}
	n.mu.Lock()
	before := slices.Min(n.next)
	n.next[i] = next
	after := slices.Min(n.next)
	n.mu.Unlock()
	// Not at each event: forgetting is a write of its own.
	if before/notifyBatch == after/notifyBatch {
		return nil
	}
	if err := n.Outbox.Trim(ctx, after); err != nil {
		return fmt.Errorf("forget what was told: %w", err)
	}
	return nil
}

// update is what a subscriber may know of an event, and whether it concerns him: identifiers of his domains that his node may ask for, two of them or one that
// parted from another. A person of whom nothing is left to tell cannot be told of.
func (m *Manager) update(s *Subscriber, e pix.CrossReference) (Update, bool) {
	c := auth.Caller{Node: s.Name}
	hidden := func(id hl7.CX) bool {
		return !m.asks(c, id.AssigningAuthority) || !m.tells(c, id, s.Domains)
	}
	ids := slices.DeleteFunc(slices.Clone(e.IDs), hidden)
	gone := slices.DeleteFunc(slices.Clone(e.Gone), hidden)
	u := Update{IDs: ids, MessageID: string(e.At) + "-" + strconv.FormatUint(e.Seq, 10), At: e.At}
	return u, len(ids) > 1 || len(ids) == 1 && len(gone) > 0
}
