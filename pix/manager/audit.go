package manager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
)

// actions is the EventActionCode of each event for the patient that the feed is about.
var actions = map[pix.Event]string{pix.Added: "C", pix.Revised: "U", pix.Merged: "U", pix.Moved: "U", pix.Renamed: "U", pix.Linked: "U", pix.Unlinked: "U", pix.Relinked: "U"}

// messages are the audit records of one feed: one, and for an identifier that is given up another that tells its deletion
// [ITI-8 3.8.5.1] [ITI-44 3.44.5.1]. e is nil when the feed was accepted.
func (m *Manager) messages(c auth.Caller, f pix.Feed, e *pix.Error) []*atna.AuditMessage {
	facts := atna.Facts{Time: m.cfg.Clock(), Action: actions[f.Event], Patient: f.Patient.ID, MessageID: f.MessageID}.By(c)
	facts.Outcome, facts.OutcomeText = outcomeOf(e)
	if !f.With.IsZero() {
		facts.OtherPatients = []hl7.CX{f.With}
	}
	tx := atna.Transaction(f.Transaction)
	to := []*atna.AuditMessage{m.cfg.Reporter.Event(tx, atna.Responder, facts)}
	if !f.Prior.IsZero() && !f.Prior.Same(f.Patient.ID) {
		facts.Patient = f.Prior
		if f.Event.TakesPrior() {
			facts.Action = "D"
		}
		to = append(to, m.cfg.Reporter.Event(tx, atna.Responder, facts))
	}
	return to
}

// outcomeOf is how a refusal looks in an audit record; e is nil when there is none.
func outcomeOf(e *pix.Error) (atna.Outcome, string) {
	switch {
	case e == nil:
		return atna.OutcomeSuccess, ""
	case e.Code == pix.CodeInternal:
		return atna.OutcomeSerious, string(e.Code) + " " + e.Error()
	}
	return atna.OutcomeMinorFailure, string(e.Code) + " " + e.Error()
}

// refused keeps the record of feeds that were not taken and gives back the refusal. A failure of ours becomes condition 207 in the record,
// the story goes to the log.
func (m *Manager) refused(ctx context.Context, c auth.Caller, feeds []pix.Feed, err error) error {
	start := m.cfg.Clock()
	e, ok := errors.AsType[*pix.Error](err)
	if !ok {
		e = &pix.Error{Code: pix.CodeInternal, At: pix.AtMessage, Text: "the feed could not be stored"}
	}
	for _, f := range feeds {
		for _, message := range m.messages(c, f, e) {
			if rerr := m.cfg.Recorder.Record(ctx, message); rerr != nil {
				err = fmt.Errorf("keep the audit record: %w", rerr)
			}
		}
	}
	m.log(ctx, c, feeds, start, string(e.Code), slog.String("error", err.Error()))
	return err
}

func (m *Manager) log(ctx context.Context, c auth.Caller, feeds []pix.Feed, start time.Time, outcome string, more ...slog.Attr) {
	var transaction, event, id string
	if len(feeds) > 0 {
		transaction, event, id = feeds[0].Transaction, string(feeds[0].Event), feeds[0].MessageID
	}
	m.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "patient identity feed", append([]slog.Attr{slog.String("transaction", transaction), slog.String("event", event),
		slog.String("message", id), slog.Int("patients", len(feeds)), slog.String("node", c.Node), slog.String("peer", c.Address),
		slog.String("outcome", outcome), slog.Duration("took", m.cfg.Clock().Sub(start))}, more...)...)
}

// condition is the one place where an error becomes what a door answers. Failures of ours say nothing of their cause.
func condition(err error) *pix.Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*pix.Error](err); ok {
		return e
	}
	return &pix.Error{Code: pix.CodeInternal, At: pix.AtMessage, Text: "the message could not be processed; nothing was changed"}
}

// undecoded stands for a message that could not be read, so that its refusal is recorded like any other.
func undecoded(transaction, messageID string) []pix.Feed {
	return []pix.Feed{{Transaction: transaction, MessageID: messageID, Patient: pix.Patient{ID: hl7.CX{}}}}
}
