package manager_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/manager"
)

// outbox keeps events and places in memory.
type outbox struct {
	mu      sync.Mutex
	events  []pix.CrossReference
	cursors map[string]uint64
	trimmed uint64
	grown   chan struct{} // closed when an event comes
}

func newOutbox() *outbox { return &outbox{cursors: map[string]uint64{}, grown: make(chan struct{})} }

func (o *outbox) add(ids []hl7.CX, gone ...hl7.CX) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = append(o.events, pix.CrossReference{Seq: uint64(len(o.events)) + 1, At: "20261123083000", IDs: ids, Gone: gone})
	close(o.grown)
	o.grown = make(chan struct{})
}

func (o *outbox) From(_ context.Context, seq uint64, max int) ([]pix.CrossReference, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	from := min(int(seq)-1, len(o.events))
	return slices.Clone(o.events[from:min(from+max, len(o.events))]), nil
}

func (o *outbox) Last(context.Context) (uint64, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return uint64(len(o.events)), nil
}

func (o *outbox) Cursor(_ context.Context, name string) (uint64, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.cursors[name], nil
}

func (o *outbox) SetCursor(_ context.Context, name string, seq uint64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cursors[name] = seq
	return nil
}

func (o *outbox) Trim(_ context.Context, seq uint64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.trimmed = seq
	return nil
}

func (o *outbox) Wait(ctx context.Context, seq uint64) error {
	for {
		o.mu.Lock()
		n, grown := uint64(len(o.events)), o.grown
		o.mu.Unlock()
		if n >= seq {
			return nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tell runs a notifier until its subscriber was asked to take n notifications, and gives them.
func tell(t *testing.T, m *manager.Manager, o *outbox, n int, s manager.Subscriber, answer func(attempt int) error) []string {
	t.Helper()
	var out []string
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	attempt := 0
	s.Tell = func(_ context.Context, u manager.Update) error {
		attempt++
		err := answer(attempt)
		out = append(out, u.MessageID+" "+listed(u.IDs))
		return err
	}
	// The place moves after the answer: the last of the events is over when the place says so.
	notifier := &manager.Notifier{Manager: m, Outbox: o, Subscribers: []manager.Subscriber{s}, Backoff: func(int) time.Duration { return 0 }}
	must(t, notifier.Begin(ctx))
	done := make(chan struct{})
	go func() { defer close(done); notifier.Run(ctx) }()
	over := &stop{outbox: o, seq: uint64(n) + 1, cancel: cancel}
	over.watch(ctx)
	<-done
	return out
}

// stop ends a run once a place has come so far.
type stop struct {
	*outbox
	seq    uint64
	cancel context.CancelFunc
}

func (s *stop) watch(ctx context.Context) {
	for ctx.Err() == nil {
		s.mu.Lock()
		for _, at := range s.cursors {
			if at == s.seq {
				s.cancel()
			}
		}
		s.mu.Unlock()
		time.Sleep(time.Millisecond) // polling: a place is noted without telling anybody
	}
}

func TestNotifier(t *testing.T) {
	domains := hospitals()
	domains[len(domains)-1].Askers = []string{"clinic.example"}
	m, store := worldOf(t, manager.Config{Domains: domains})
	o := newOutbox()
	consumer := manager.Subscriber{Name: "consumer.example", Transaction: "ITI-46", Domains: []hl7.HD{hd(north), hd(south), hd(clinic)}}
	yes := func(int) error { return nil }

	o.add([]hl7.CX{of(north, "old"), of(south, "old")})
	if got := tell(t, m, o, 1, consumer, yes); got != nil {
		t.Errorf("a new subscriber was told what was before: %q", got)
	}

	o.add([]hl7.CX{of(north, "N1"), of(south, "S1"), of(clinic, "C1"), of(domain, numberA)}) // the clinic is not for this node, the national number does not interest it
	o.add([]hl7.CX{of(north, "N2"), of(clinic, "C2")})                                       // nothing it may know has changed
	o.add([]hl7.CX{of(south, "S1")}, of(north, "N1"))                                        // parted
	o.add(nil, of(north, "N1"), of(south, "S9"))                                             // nobody is left to speak of
	o.add([]hl7.CX{of(north, "N3"), of(south, "S3")})
	got := tell(t, m, o, 6, consumer, func(attempt int) error {
		switch attempt {
		case 1, 2:
			return errors.New("away")
		case 4:
			return fmt.Errorf("%w: AE", manager.ErrRefused)
		}
		return nil
	})
	want := []string{"20261123083000-2 N1@1 S1@2", "20261123083000-2 N1@1 S1@2", "20261123083000-2 N1@1 S1@2", "20261123083000-4 S1@2", "20261123083000-6 N3@1 S3@2"}
	if !slices.Equal(got, want) {
		t.Errorf("told %q\nwant %q", got, want)
	}
	if got, want := strings.Join(store.drain(&store.refused), "; "), "ITI-46 R 0 N1^^^&1.2.250.1.999.7.1&ISO; ITI-46 R 4 S1^^^&1.2.250.1.999.7.2&ISO; ITI-46 R 0 N3^^^&1.2.250.1.999.7.1&ISO"; got != want {
		t.Errorf("audited %q", got)
	}

	// Started again, it goes on behind what was told.
	o.add([]hl7.CX{of(north, "N4"), of(south, "S4")})
	if got := tell(t, m, o, 7, consumer, yes); !slices.Equal(got, []string{"20261123083000-7 N4@1 S4@2"}) {
		t.Errorf("after a restart: %q", got)
	}
}

// TestNotifierForgets: what everybody was told leaves the outbox.
func TestNotifierForgets(t *testing.T) {
	m, _ := hospital(t)
	o := newOutbox()
	consumer := manager.Subscriber{Name: "consumer.example", Transaction: "ITI-46", Domains: []hl7.HD{hd(north), hd(south)}}
	must(t, (&manager.Notifier{Manager: m, Outbox: o, Subscribers: []manager.Subscriber{consumer}}).Begin(t.Context()))
	for i := range 600 {
		o.add([]hl7.CX{of(north, fmt.Sprint("N", i)), of(south, fmt.Sprint("S", i))})
	}
	if got := tell(t, m, o, 600, consumer, func(int) error { return nil }); len(got) != 600 {
		t.Errorf("%d told", len(got))
	}
	if o.trimmed != 512 {
		t.Errorf("trimmed to %d", o.trimmed)
	}
}
