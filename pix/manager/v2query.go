package manager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/pixv2"
	"github.com/passerelle-sante/passerelle/wire/hl7v2"
)

// serveQuery is the door of ITI-9, ITI-21 and ITI-22 in HL7 v2.
func (m *Manager) serveQuery(ctx context.Context, c auth.Caller, req *hl7v2.Message) *hl7v2.Message {
	q, err := pixv2.DecodeQuery(req, m.cfg.Domains)
	var r pixv2.Reply
	switch {
	case err != nil || q.Cancel:
		// [ITI-21 3.21.4.3] where an answer goes on stands in the continuation itself: of one that is cancelled there is nothing to forget.
		err = m.asked(ctx, c, question(q), nil, err)
	case q.Transaction == "ITI-9":
		r, err = m.serveITI09(ctx, c, q)
	default: // [ITI-22 3.22.4.1] what is asked of visits is among the criteria
		r, err = m.serveITI21(ctx, c, q)
	}
	return m.replied(ctx, c, req, q, r, err)
}

// replied is the one place where a query gets its answer.
func (m *Manager) replied(ctx context.Context, c auth.Caller, req *hl7v2.Message, q pixv2.Query, r pixv2.Reply, err error) *hl7v2.Message {
	r.Errors, r.At, r.ControlID = conditions(err), m.cfg.Clock(), m.cfg.NewID()
	attrs := []slog.Attr{slog.String("transaction", q.Transaction), slog.String("message", q.MessageID), slog.String("node", c.Node), slog.String("peer", c.Address),
		slog.Int("patients", len(r.Patients))}
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	m.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "patient query", attrs...)
	return pixv2.AnswerQuery(req, r)
}

func question(q pixv2.Query) Question {
	return Question{Transaction: q.Transaction, MessageID: q.MessageID, Raw: q.Raw}
}

func (m *Manager) serveITI09(ctx context.Context, c auth.Caller, q pixv2.Query) (pixv2.Reply, error) {
	ids, err := m.CrossReference(ctx, c, question(q), q.ID, q.Wanted)
	if err != nil || len(ids) == 0 {
		return pixv2.Reply{}, err
	}
	return pixv2.Reply{Patients: []pixv2.Told{{IDs: ids}}}, nil
}

func (m *Manager) serveITI21(ctx context.Context, c auth.Caller, q pixv2.Query) (pixv2.Reply, error) {
	d := Demand{Criteria: q.Criteria, Domains: q.Wanted, Max: q.Max}
	var r pixv2.Reply
	if q.After != "" {
		// A continuation says how many came before, and where to go on.
		before, after, ok := strings.Cut(q.After, ".")
		n, err := strconv.ParseUint(before, 10, 31)
		if err != nil || !ok || after == "" {
			return r, m.asked(ctx, c, question(q), nil, errContinuation)
		}
		r.Before, d.After = int(n), after
	}
	page, err := m.Find(ctx, c, question(q), d)
	if err != nil {
		return r, err
	}
	for i := range page.Candidates {
		found := &page.Candidates[i]
		told := pixv2.Told{IDs: found.IDs, Demographics: &found.Patient.Demographics}
		if q.Criteria.Visit != nil {
			told.Visit = found.Patient.Visit
		}
		r.Patients = append(r.Patients, told)
	}
	if page.Next != "" {
		r.Next = fmt.Sprintf("%d.%s", r.Before+len(r.Patients), page.Next)
	}
	return r, nil
}

// conditions are what a door answers when several things are refused at once; see condition.
func conditions(err error) []*pix.Error {
	var list []*pix.Error
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		for _, one := range joined.Unwrap() {
			if e, ok := errors.AsType[*pix.Error](one); ok {
				list = append(list, e)
			}
		}
	}
	if len(list) == 0 && err != nil {
		list = append(list, condition(err))
	}
	return list
}
