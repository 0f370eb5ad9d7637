package intake

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
)

// HeldMessage is a message in quarantine, as an operator sees it: what it is about stays in the message.
type HeldMessage struct {
	ID string
	Head
	Waivable []Code // of its reasons, those that an operator may decide not to count
}

// Reasons are the codes why it is set aside, the gravest first.
func (h *HeldMessage) Reasons() string {
	if h.Head.Held == nil {
		return ""
	}
	return (&ending{refusal: h.Head.Held}).codes()
}

// ErrNotHeld tells that there is no such message in quarantine.
var ErrNotHeld = errors.New("there is no such message in quarantine")

// Quarantine lists what is set aside, the oldest first.
func (m *Mailbox) Quarantine(ctx context.Context) ([]HeldMessage, error) {
	ids, err := m.cfg.Spool.List(Held)
	if err != nil {
		return nil, err
	}
	var out []HeldMessage
	for _, id := range ids {
		h, err := m.held(id)
		if errors.Is(err, ErrNotHeld) {
			continue // somebody dealt with it just now
		}
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, ctx.Err()
}

func (m *Mailbox) held(id string) (HeldMessage, error) {
	h := HeldMessage{ID: id}
	content, _, err := m.cfg.Spool.Get(Held, id, &h.Head)
	if errors.Is(err, ErrGone) {
		return h, ErrNotHeld
	}
	if err != nil {
		return h, err
	}
	if h.Head.Held != nil {
		for _, c := range append([]Code{h.Head.Held.Code}, h.Head.Held.Also...) {
			if c.kind().waive {
				h.Waivable = append(h.Waivable, c)
			}
		}
	}
	return h, content.Close()
}

// Raw gives the bytes of a message in quarantine; whoever read them is in the audit record.
func (m *Mailbox) Raw(ctx context.Context, c auth.Caller, id string) ([]byte, error) {
	var h Head
	content, size, err := m.cfg.Spool.Get(Held, id, &h)
	if errors.Is(err, ErrGone) {
		return nil, ErrNotHeld
	}
	if err != nil {
		return nil, err
	}
	defer content.Close()
	if err := m.decided(ctx, c, id, &h, "R", "read"); err != nil {
		return nil, err
	}
	b := make([]byte, size)
	_, err = io.ReadFull(content, b)
	return b, err
}

// Release lets a message in quarantine be dealt with again, from the beginning and with every check; the reasons in despite, which must be waivable, do not count
// this time. Caller is the operator.
func (m *Mailbox) Release(ctx context.Context, c auth.Caller, id string, despite []Code) error {
	h, err := m.held(id)
	if err != nil {
		return err
	}
	for _, code := range despite {
		if !slices.Contains(h.Waivable, code) {
			return fmt.Errorf("%q is not a reason of this message that an operator may decide about; those are: %v", code, h.Waivable)
		}
	}
	h.Head.Despite, h.Head.By = despite, c.Node
	if err := m.decided(ctx, c, id, &h.Head, "U", "released"); err != nil {
		return err
	}
	return m.cfg.Spool.Move(Held, Fresh, id, &h.Head)
}

// Discard destroys a message in quarantine. Its sender has been told why it was set aside.
func (m *Mailbox) Discard(ctx context.Context, c auth.Caller, id string) error {
	h, err := m.held(id)
	if err != nil {
		return err
	}
	if err := m.decided(ctx, c, id, &h.Head, "D", "discarded"); err != nil {
		return err
	}
	var digest [32]byte
	if n, err := hex.Decode(digest[:], []byte(h.Head.Digest)); err == nil && n == len(digest) {
		// The same message may come again, and is then judged anew.
		if err := m.cfg.Ledger.Note(ctx, Note{digest, Entry{Message: id, Time: m.cfg.Clock(), Outcome: Discarded}}); err != nil {
			return fmt.Errorf("note in the ledger: %w", err)
		}
	}
	return m.cfg.Spool.Remove(Held, id)
}

// decided keeps the audit record of what an operator did with a message.
func (m *Mailbox) decided(ctx context.Context, c auth.Caller, id string, h *Head, action, what string) error {
	fact := &atna.MessageFact{ID: id, Details: []atna.ObjectDetail{{Type: "Mail Quarantine", Value: []byte(what)}}}
	if h.Held != nil {
		fact.Details = append(fact.Details, atna.ObjectDetail{Type: "Mail Reason", Value: []byte(h.Held.Code)})
	}
	for _, d := range h.Despite {
		fact.Details = append(fact.Details, atna.ObjectDetail{Type: "Despite", Value: []byte(d)})
	}
	return m.cfg.Audit.Record(ctx, m.cfg.Events.Event(atna.ITI32, atna.Responder, atna.Facts{Time: m.cfg.Clock(), Action: action, Message: fact}.By(c)))
}
