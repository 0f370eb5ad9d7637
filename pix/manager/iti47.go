package manager

import (
	"context"
	"fmt"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/pixv3"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// AnswerITI47 is the door of ITI-47 without its frame, as AnswerITI44 is that of ITI-44. What there is more of than was asked for waits for its continuation.
func (m *Manager) AnswerITI47(ctx context.Context, c auth.Caller, decode func(func(*xmlpull.Reader) error) error) ([]byte, error) {
	var q pixv3.Query
	err := decode(func(x *xmlpull.Reader) (err error) {
		q, err = pixv3.DecodePersonQuery(x)
		return err
	})
	asked := Question{Transaction: "ITI-47", MessageID: q.Header.ID.String(), Raw: q.Raw}
	if err != nil {
		if err = m.unread(ctx, c, asked, err); !isCondition(err) {
			return nil, err
		}
		return pixv3.AnswerPersons(q, nil, pixv3.Told{}, conditions(err), m.origin()), nil
	}
	s := &search{query: pixv3.Query{Raw: q.Raw, Domains: q.Domains}, demand: Demand{Criteria: q.Criteria, Domains: q.Domains, Max: q.Quantity}, total: -1}
	persons, err := m.goOn(ctx, c, asked, s)
	if err == nil && s.demand.After != "" {
		m.searches.put(c, q.ID, s, m.cfg.Clock())
	}
	return pixv3.AnswerPersons(q, persons, s.left(), conditions(err), m.origin()), nil
}

// AnswerITI47More is the door of the continuation of a query, and of its cancellation [ITI-47 3.47.4.3] [ITI-47 3.47.4.3.3].
func (m *Manager) AnswerITI47More(ctx context.Context, c auth.Caller, decode func(func(*xmlpull.Reader) error) error) ([]byte, error) {
	var more pixv3.Continuation
	err := decode(func(x *xmlpull.Reader) (err error) {
		more, err = pixv3.DecodeContinuation(x)
		return err
	})
	asked := Question{Transaction: "ITI-47", MessageID: more.Header.ID.String()}
	// Who asks for the next part has the search to himself until he is answered: it is given back when there is more.
	var s *search
	if err == nil {
		if s = m.searches.take(c, more.ID, m.cfg.Clock()); s == nil {
			err = &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtContinuation, Location: "/" + more.Header.Interaction + "/controlActProcess/queryContinuation/queryId",
				Text: "query is not one of this node that waits to be continued"}
		}
	}
	if err != nil {
		if err = m.unread(ctx, c, asked, err); !isCondition(err) {
			return nil, err
		}
	}
	if more.Cancel {
		return pixv3.Answer(more.Header, condition(err), m.cfg.Clock(), m.cfg.DeviceID, m.cfg.NewID()), nil
	}
	q := pixv3.Query{Header: more.Header, ID: more.ID}
	var persons []pixv3.Person
	if err == nil {
		asked.Raw, q.Raw, q.Domains = s.query.Raw, s.query.Raw, s.query.Domains
		persons, err = m.nextPart(ctx, c, asked, s, more)
	}
	if s == nil {
		s = &search{}
	}
	return pixv3.AnswerPersons(q, persons, s.left(), conditions(err), m.origin()), nil
}

// nextPart goes on with a search that was taken, from where the continuation says, and gives it back unless that was the end.
func (m *Manager) nextPart(ctx context.Context, c auth.Caller, asked Question, s *search, more pixv3.Continuation) ([]pixv3.Person, error) {
	kept := *s
	err := s.from(more.Start)
	if err != nil {
		err = m.unread(ctx, c, asked, err)
	} else {
		if more.Quantity > 0 {
			s.demand.Max = more.Quantity
		}
		var persons []pixv3.Person
		if persons, err = m.goOn(ctx, c, asked, s); err == nil {
			if s.demand.After != "" {
				m.searches.put(c, more.ID, s, m.cfg.Clock())
			}
			return persons, nil
		}
	}
	*s = kept
	m.searches.put(c, more.ID, s, m.cfg.Clock())
	return nil, err
}

// goOn finds the next part of a search and moves its place behind it.
func (m *Manager) goOn(ctx context.Context, c auth.Caller, asked Question, s *search) ([]pixv3.Person, error) {
	page, err := m.Find(ctx, c, asked, s.demand)
	if err != nil {
		return nil, err
	}
	if s.demand.After == "" && page.Next != "" {
		if s.total, err = m.count(ctx, c, s.demand); err != nil {
			return nil, err
		}
	}
	s.advance(page)
	persons := make([]pixv3.Person, len(page.Candidates))
	for i, found := range page.Candidates {
		persons[i] = pixv3.Person{Patient: found.Patient, IDs: found.IDs}
		if d := pix.Of(m.cfg.Domains, found.Patient.ID.AssigningAuthority); d != nil {
			persons[i].Domain = d.Name
		}
	}
	return persons, nil
}

// count says how many persons a demand finds in all; -1 when that would take looking at more than mostLooked identities.
func (m *Manager) count(ctx context.Context, c auth.Caller, d Demand) (n int, err error) {
	looked := 0
	err = m.cfg.Store.View(ctx, func(tx Tx) error {
		var terr error
		err := m.search(tx, d, func(p pix.Patient, _ string) bool {
			if looked++; looked > mostLooked || ctx.Err() != nil {
				return false
			}
			ids, err := m.told(tx, c, &p, &d)
			if terr = err; len(ids) > 0 {
				n++
			}
			return err == nil
		})
		if terr != nil {
			return terr
		}
		return err
	})
	switch {
	case err != nil:
		return 0, fmt.Errorf("count the persons: %w", err)
	case looked > mostLooked:
		return -1, nil
	}
	return n, ctx.Err()
}
