package intake

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/emersion/go-message"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/smime"
	"github.com/passerelle-sante/passerelle/wire/cms"
	"github.com/passerelle-sante/passerelle/wire/receipt"
)

// trust is what the trust in a letter rested on, for the audit record.
type trust struct {
	mode    Mode
	signer  *smime.Signer // the innermost signature's first
	signed  bool
	secret  bool // encrypted for us
	verdict string
}

// open decrypts and verifies a letter and holds it against what is agreed with its sender's domain.
func (m *Mailbox) open(ctx context.Context, l *letter) ([]smime.Part, error) {
	c := m.correspondent(l.from)
	if c == nil {
		return nil, refuse(SenderUnknown, "")
	}
	l.trust.mode = c.Mode
	if !c.mayBring(l.head.Envelope.Peer.Name) {
		return nil, refuse(NodeNotEntitled, "")
	}
	o := m.cfg.Open
	o.Received, o.MaxSize = l.head.Received, int(m.cfg.MaxMessage)
	if c.Mode == Transport {
		o.CBC = smime.CBCAny // who brought it vouches for it
	}
	msg, err := smime.Open(ctx, l.raw, o)
	switch {
	case errors.Is(err, smime.ErrMalformed):
		return nil, refuse(Malformed, "%s", strings.TrimPrefix(err.Error(), smime.ErrMalformed.Error()+": "))
	case errors.Is(err, smime.ErrNotRecipient):
		return nil, refuse(NotRecipient, "")
	case errors.Is(err, smime.ErrDecrypt):
		return nil, refuse(CannotDecrypt, "")
	case errors.Is(err, cms.ErrMalformed):
		return nil, refuse(Malformed, "%s", err)
	case errors.Is(err, cms.ErrRefused), errors.Is(err, cms.ErrUnsupported): // anybody can see in which algorithm a message is
		return nil, refuse(CannotDecrypt, "%s", err)
	case err != nil:
		return nil, err
	}
	if inner := address(msg.Protected.Get("From")); inner != "" && inner != l.from {
		return nil, refuse(SignerDiffers, "the From inside is not the one outside")
	}
	l.said = msg.Protected.Header
	if c.Mode == Transport && l.said.Len() == 0 { // with EndToEnd any relay could have written the outer header
		l.said = l.header
	}
	if signed, digest := receipt.WantsSigned(message.Header{Header: l.header}); signed {
		l.mic = receipt.MIC(msg.Entity, digest)
	}
	if err := m.believe(l, c, msg); err != nil {
		return nil, err
	}
	if l.trust.secret {
		l.forget() // what was decrypted has memory of its own; an answer that encloses the message reads it again
	}
	l.breathe()
	parts, err := msg.Parts()
	if err != nil {
		return nil, refuse(Malformed, "%s", strings.TrimPrefix(err.Error(), smime.ErrMalformed.Error()+": "))
	}
	return parts, nil
}

// believe judges the signers of a letter: all of them count with EndToEnd; with Transport only that a signature that is there holds.
func (m *Mailbox) believe(l *letter, c *Correspondent, msg *smime.Message) error {
	verdict := msg.Verdict()
	l.trust.secret, l.trust.verdict = msg.IsEncrypted(), verdict.String()
	for i := range msg.Layers {
		if len(msg.Layers[i].Signers) > 0 {
			l.trust.signed, l.trust.signer = true, &msg.Layers[i].Signers[0]
		}
	}
	var found []Code
	for _, v := range verdicts {
		if c.Mode == Transport && v.reason != smime.Altered {
			continue
		}
		if verdict.Has(v.reason) {
			found = append(found, v.code)
		}
	}
	if c.Mode == EndToEnd && !c.Plaintext && !l.trust.secret {
		found = append(found, NotEncrypted)
	}
	return l.unless(found, nil)
}

// unless refuses with the codes that no operator decided not to count; the first is the reason, the others stand beside it.
func (l *letter) unless(found []Code, details []string) error {
	var count []Code
	seen := map[Code]bool{}
	for _, c := range l.head.Despite {
		seen[c] = c.kind().waive
	}
	for _, c := range found {
		if !seen[c] {
			seen[c], count = true, append(count, c)
		}
	}
	if len(count) == 0 {
		return nil
	}
	return &Refusal{Code: count[0], Also: count[1:], Details: details}
}

// caller is who deposits: the sender's address, with what vouches for him.
func (m *Mailbox) caller(l *letter) auth.Caller {
	c := auth.Caller{Node: l.from, Subject: l.head.Envelope.Peer.Subject, Address: l.head.Envelope.Peer.Address, Endpoint: "mailto:" + m.cfg.Addresses[0], ReplyTo: "mailto:" + l.from}
	if s := l.trust.signer; s != nil && s.Certificate != nil && s.Verdict.OK() {
		holder := smime.HolderOf(s.Certificate)
		c.Subject, c.Organisation = s.Certificate.Subject.String(), cmp.Or(holder.Structure, holder.Organisation)
		if holder.Surname != "" {
			c.Person = holder.ID
		}
	}
	return c
}
