package post

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"reflect"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/wire/mail"
	"github.com/passerelle-sante/passerelle/wire/receipt"
	"github.com/passerelle-sante/passerelle/xds"
)

// Ledger keeps what was sent: what Put and Update have returned for is durable. Heads are JSON, contents empty. Get of what is not there gives an error that
// is fs.ErrNotExist.
type Ledger interface {
	Put(head any, content io.Reader) (id string, size int64, err error)
	List() ([]string, error)
	Get(id string, head any) (content io.ReadCloser, size int64, err error)
	Update(ctx context.Context, id string, head any) error
	Remove(id string) error
}

// State is how far a message is.
type State string

// The states. Received is told by the recipient's software, Read by the recipient.
const (
	Prepared  State = "prepared" // not in the queue yet
	Queued    State = "queued"
	Sent      State = "sent"      // the next server has it
	Delivered State = "delivered" // it is in the mailbox
	Received  State = "received"  // processed by the recipient's software
	Read      State = "read"
	Failed    State = "failed"
)

// order of the states: news of an earlier one comes late and changes nothing.
var order = map[State]int{Prepared: 0, Queued: 1, Sent: 2, Delivered: 3, Received: 4, Read: 5}

// Sending is a message and what became of it.
type Sending struct {
	ID            string `json:"-"`
	To            string
	Patient       hl7.CX
	SubmissionSet xds.UniqueID
	Documents     []xds.UniqueID
	Protection    Protection
	Encrypted     bool // and signed
	State         State
	Refused       bool   // by the recipient's software: it has the message and could not deal with it
	Reason        string // why it failed, or what keeps it
	Created       time.Time
	Changed       time.Time
}

// reach notes news of a state. A failure counts until the message is known to have arrived.
func (s *Sending) reach(to State, at time.Time, reason string) {
	switch {
	case s.Refused:
		return
	case to == Failed && order[s.State] >= order[Delivered] && s.State != Failed:
		return
	case to != Failed && s.State != Failed && order[to] <= order[s.State]:
		return
	case to != Failed && s.State == Failed && order[to] < order[Delivered]:
		return // sent, and it failed later
	}
	s.State, s.Reason, s.Changed = to, reason, at
}

// ErrUnknown tells that an identifier is of nothing that was sent from here.
var ErrUnknown = errors.New("no such message was sent from here")

// Status tells what became of a message.
func (p *Post) Status(id string) (Sending, error) {
	s := Sending{ID: id}
	f, _, err := p.c.Ledger.Get(id, &s)
	if errors.Is(err, fs.ErrNotExist) {
		return Sending{}, ErrUnknown
	}
	if err != nil {
		return Sending{}, fmt.Errorf("read the ledger: %w", err)
	}
	return s, f.Close()
}

// List gives all that was sent, the oldest first.
func (p *Post) List() ([]Sending, error) {
	ids, err := p.c.Ledger.List()
	if err != nil {
		return nil, err
	}
	all := make([]Sending, 0, len(ids))
	for _, id := range ids {
		s, err := p.Status(id)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
		all = append(all, s)
	}
	return all, nil
}

// change notes news of a message, durably.
func (p *Post) change(ctx context.Context, id string, f func(*Sending)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, err := p.Status(id)
	if err != nil {
		return err
	}
	before := s
	if f(&s); reflect.DeepEqual(s, before) {
		return nil
	}
	if err := p.c.Ledger.Update(context.WithoutCancel(ctx), id, &s); err != nil {
		return fmt.Errorf("write the ledger: %w", err)
	}
	return nil
}

const interrupted = "interrupted before it was queued"

// Recover ends what a crash interrupted before it was in the queue: nobody was told that it would be sent. It is called before anything is sent; news that
// the message went out all the same puts it right.
func (p *Post) Recover(ctx context.Context) error {
	all, err := p.List()
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.State == Prepared {
			if err := p.change(ctx, s.ID, func(s *Sending) { s.reach(Failed, p.c.Now(), interrupted) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// Forget removes what has not changed since a time.
func (p *Post) Forget(before time.Time) (n int, err error) {
	all, err := p.List()
	if err != nil {
		return 0, err
	}
	for _, s := range all {
		last := s.Changed
		if last.IsZero() {
			last = s.Created
		}
		if last.Before(before) {
			if err := p.c.Ledger.Remove(s.ID); err != nil {
				return n, err
			}
			n++
		}
	}
	return n, nil
}

// Fate is told by the queue what the next server said. News of messages that are not ours, or forgotten, are no error: the queue carries others too.
func (p *Post) Fate(ctx context.Context, f mail.Fate) error {
	err := p.change(ctx, f.Reference, func(s *Sending) {
		if f.Sent {
			if s.State == Failed && s.Reason == interrupted {
				s.State = Prepared
			}
			s.reach(Sent, f.At, "")
		} else {
			s.reach(Failed, f.At, f.Answer)
		}
	})
	if errors.Is(err, ErrUnknown) {
		return nil
	}
	return err
}

// Receipt takes a notification that came back, of the delivery or from the recipient, and tells whether it was about anything that was sent from here. The
// identifier by which it is known is known to whom the message went, and to nobody else.
func (p *Post) Receipt(ctx context.Context, raw []byte) (bool, error) {
	rep, err := receipt.Parse(bytes.NewReader(raw))
	if err != nil {
		return false, nil // whatever it is, it is about nothing of ours
	}
	ids, note := p.identifiers(rep), p.disposed(rep.Disposition)
	if rep.Delivery != nil {
		ids, note = append([]string{rep.Delivery.EnvelopeID}, ids...), p.delivered(rep.Delivery)
	}
	for _, id := range ids {
		if err := p.change(ctx, id, note); !errors.Is(err, ErrUnknown) {
			return true, err
		}
	}
	return false, nil
}

// delivered notes what those say who carried the message. There is one recipient.
func (p *Post) delivered(d *receipt.Delivery) func(*Sending) {
	return func(s *Sending) {
		for _, r := range d.Recipients {
			switch r.Action {
			case receipt.Delivered:
				s.reach(Delivered, p.c.Now(), "")
			case receipt.Relayed, receipt.Expanded:
				s.reach(Sent, p.c.Now(), "")
			case receipt.Delayed:
				s.Reason = "delayed: " + r.Diagnostic
			case receipt.Failed:
				s.reach(Failed, p.c.Now(), strings.TrimSpace(r.Status+" "+r.Diagnostic))
			}
		}
	}
}

// disposed notes what the recipient says, or his software.
func (p *Post) disposed(m *receipt.Disposition) func(*Sending) {
	return func(s *Sending) {
		switch {
		case m.Failed():
			why := strings.TrimSpace(m.Code + " " + m.Label)
			if why == "" {
				why = strings.Join(m.Errors, "; ")
			}
			s.State, s.Refused, s.Reason, s.Changed = Failed, true, why, p.c.Now() // whatever was known before
		case m.Type == "displayed":
			s.reach(Read, p.c.Now(), "")
		case m.Type == "deleted":
			s.reach(Delivered, p.c.Now(), "")
		default:
			s.reach(Received, p.c.Now(), "")
		}
	}
}

// identifiers are those among the messages that a notification is about which look like ours.
func (p *Post) identifiers(rep *receipt.Report) []string {
	var ids []string
	for _, m := range rep.About() {
		if id, ok := strings.CutSuffix(strings.TrimPrefix(m, "<"), "@"+domainOf(p.c.From.Address)+">"); ok {
			ids = append(ids, id)
		}
	}
	return ids
}
