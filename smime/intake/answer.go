package intake

import (
	"context"
	"fmt"
	"io"
	"net/mail"
	"slices"
	"strings"

	"github.com/emersion/go-message"

	"github.com/passerelle-sante/passerelle/wire/receipt"
)

// answer tells the sender what became of his message, where he asked or where it failed: by MDN, or by a letter that encloses it; and that it was delivered, where
// SMTP was asked to say so. Names of the mails come of the message, so that a step done twice after a crash is one mail.
func (m *Mailbox) answer(ctx context.Context, l *letter, end *ending) error {
	if m.cfg.Outbox == nil || end.outcome == Noted {
		return nil
	}
	if err := m.delivered(ctx, l); err != nil {
		return err
	}
	out := receipt.Outcome{Processed: end.outcome == Deposited}
	switch {
	case out.Processed:
		out.Text = []string{"Le dépôt est enregistré dans le dossier du patient."}
		if len(end.sets) > 1 {
			out.Text[0] = fmt.Sprintf("Les %d lots du dépôt sont enregistrés dans le dossier du patient.", len(end.sets))
		}
	default:
		k := end.refusal.Code.kind()
		if k.mdn == "" {
			return nil // automatic mail is never answered
		}
		out.Code, out.Label, out.Text = k.mdn, k.label, end.refusal.French()
	}
	o := receipt.Original{Header: message.Header{Header: l.header}, EnvelopeFrom: l.head.Envelope.From}
	if !out.Processed {
		raw, err := m.again(l)
		if err != nil {
			return err
		}
		o.Raw = raw
	}
	signed, _ := receipt.WantsSigned(o.Header)
	out.MIC = l.mic
	mail, why := receipt.Answer(o, out, m.answerer(l, "answer"))
	if mail == nil {
		m.cfg.Log.Debug("no answer", "message", l.id, "because", why)
		return nil
	}
	raw := mail.Raw()
	if signed && m.cfg.Sign != nil {
		entity, err := m.cfg.Sign(mail.Entity)
		if err != nil {
			return fmt.Errorf("sign: %w", err)
		}
		raw = mail.With(entity)
	}
	return m.cfg.Outbox.Send(ctx, l.id+"-answer", mail.To, raw)
}

// again gives the bytes of a letter, from the spool where they were let go.
func (m *Mailbox) again(l *letter) ([]byte, error) {
	if l.raw != nil {
		return l.raw, nil
	}
	var h Head
	content, size, err := m.cfg.Spool.Get(Fresh, l.id, &h)
	if err != nil {
		return nil, err
	}
	defer content.Close()
	raw := make([]byte, size)
	_, err = io.ReadFull(content, raw)
	return raw, err
}

func (m *Mailbox) answerer(l *letter, what string) receipt.Answerer {
	_, domain, _ := strings.Cut(m.cfg.Addresses[0], "@")
	to := "" // of ours, the one that the message was brought for
	if all := l.head.Envelope.Recipients; len(all) > 0 {
		to = all[0].Address
	}
	return receipt.Answerer{From: mail.Address{Name: m.cfg.Agent, Address: m.cfg.Addresses[0]}, To: to, Host: domain, Product: m.cfg.Agent, Now: m.cfg.Clock(),
		MessageID: "<" + l.id + "-" + what + "@" + domain + ">"}
}

// delivered says that a message arrived to whoever asked SMTP for it [RFC 3461 6.2.4].
func (m *Mailbox) delivered(ctx context.Context, l *letter) error {
	e := &l.head.Envelope
	var who []receipt.Recipient
	for _, r := range e.Recipients {
		if slices.Contains(r.Notify, "SUCCESS") {
			_, original, _ := strings.Cut(r.Original, ";")
			who = append(who, receipt.Recipient{Original: original, Final: r.Address, Action: receipt.Delivered, Status: "2.0.0"})
		}
	}
	if len(who) == 0 || e.From == "" {
		return nil
	}
	by := m.answerer(l, "delivered")
	dsn := receipt.DSN(receipt.Bounce{To: e.From, Original: message.Header{Header: l.header},
		Delivery: receipt.Delivery{EnvelopeID: e.EnvelopeID, Reporter: by.Host, Arrival: l.head.Received, Recipients: who}}, by)
	return m.cfg.Outbox.Send(ctx, l.id+"-delivered", dsn.To, dsn.Raw())
}

// French is what a person who sent the message reads: what is wrong, what to correct, and the details for the maker of his software.
func (r *Refusal) French() []string {
	k := r.Code.kind()
	out := []string{k.label + ".", k.advice}
	for _, c := range r.Also {
		if a := c.kind().advice; a != "" {
			out = append(out, a)
		}
	}
	if len(r.Details) > 0 {
		out = append(out, "", "Détail technique, pour l'éditeur de votre logiciel :")
		for _, d := range r.Details {
			out = append(out, "- "+d)
		}
	}
	return append(out, "", "Code : "+string(r.Code))
}
