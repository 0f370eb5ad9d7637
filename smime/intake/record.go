package intake

import (
	"context"
	"strings"

	"github.com/passerelle-sante/passerelle/atna"
)

// record keeps the audit record of a message: what came, on what the trust in it rested, how it ended. The deposit itself is in the record of ITI-41.
func (m *Mailbox) record(ctx context.Context, l *letter, end *ending) error {
	f := atna.Facts{Time: m.cfg.Clock(), Patient: end.patient, Message: m.messageFact(l, end)}
	if len(end.sets) > 0 {
		f.SubmissionSetUniqueID = string(end.sets[0])
	}
	if end.refusal != nil {
		f.Outcome, f.OutcomeText = atna.OutcomeMinorFailure, end.codes()
	}
	return m.cfg.Audit.Record(ctx, m.cfg.Events.Event(atna.ITI32, atna.Responder, f.By(m.caller(l))))
}

func (e *ending) codes() string {
	all := []string{string(e.refusal.Code)}
	for _, c := range e.refusal.Also {
		all = append(all, string(c))
	}
	return strings.Join(all, " ")
}

func (m *Mailbox) messageFact(l *letter, end *ending) *atna.MessageFact {
	mode := string(l.trust.mode)
	for _, s := range []struct {
		said bool
		text string
	}{{l.trust.signed, "signed"}, {l.trust.secret, "encrypted"}} {
		if s.said {
			mode += " " + s.text
		}
	}
	outcome := string(end.outcome)
	if end.again {
		outcome += " before"
	}
	var d []atna.ObjectDetail
	if mode != "" {
		d = append(d, atna.ObjectDetail{Type: "Mail Trust", Value: []byte(mode)})
	}
	d = append(d, atna.ObjectDetail{Type: "Mail Outcome", Value: []byte(outcome)}, atna.ObjectDetail{Type: "Mail Spool", Value: []byte(l.id)})
	if l.trust.signed {
		d = append(d, atna.ObjectDetail{Type: "Mail Signature", Value: []byte(l.trust.verdict)})
	}
	if l.head.By != "" {
		d = append(d, atna.ObjectDetail{Type: "Released By", Value: []byte(l.head.By)})
	}
	for _, c := range l.head.Despite {
		d = append(d, atna.ObjectDetail{Type: "Despite", Value: []byte(c)})
	}
	return &atna.MessageFact{ID: strings.Trim(l.header.Get("Message-Id"), "<> "), Details: d}
}
