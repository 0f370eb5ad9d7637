package manager

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
)

// The bounds of a demographics query.
const (
	MostCandidates = 100  // of one page
	mostLooked     = 2000 // identities that match and are passed over because the node may not see them, or another of the person is told
)

// Demand is a demographics query [ITI-21 3.21.4.1] [ITI-22 3.22.4.1] [ITI-47 3.47.4.1].
type Demand struct {
	Criteria pix.Criteria
	Domains  []hl7.HD // whose identifiers are wanted; none: all that the node may ask for
	After    string   // Next of the page before
	Max      int      // candidates of this page; MostCandidates when 0 or more than that
}

// Candidate is a person who meets the criteria, as one of the identities that do knows him.
type Candidate struct {
	Patient pix.Patient
	IDs     []hl7.CX // of the domains that are wanted
}

// Page is a part of an answer. Next continues it and is empty at its end.
type Page struct {
	Candidates []Candidate
	Next       string
}

// Find gives the persons that meet the criteria, a page at a time, each once. Refusals are *pix.Error: a wanted domain, criteria that would have to
// look at everybody, a continuation that is none.
func (m *Manager) Find(ctx context.Context, c auth.Caller, q Question, d Demand) (Page, error) {
	var page Page
	err := m.demand(c, &d)
	if err == nil {
		err = m.cfg.Store.View(ctx, func(tx Tx) (err error) {
			page, err = m.find(ctx, tx, c, d)
			return err
		})
	}
	ids := make([]hl7.CX, len(page.Candidates))
	for i := range ids {
		ids[i] = page.Candidates[i].Patient.ID
	}
	if err := m.asked(ctx, c, q, ids, err); err != nil {
		return Page{}, err
	}
	return page, nil
}

var errContinuation = &pix.Error{Code: pix.CodeDataType, At: pix.AtContinuation, Text: "not a continuation of this query"}

// demand checks a query and completes it.
func (m *Manager) demand(c auth.Caller, d *Demand) error {
	if err := m.mayAskFor(c, d.Domains); err != nil {
		return err
	}
	if !d.Criteria.Selective() {
		text := "an identifier, the beginning of a family name or a whole birth date is due"
		if d.Criteria.Visit != nil {
			text = "an identifier, a visit number, the beginning of a family name or a whole birth date is due"
		}
		return &pix.Error{Code: pix.CodeRequiredMissing, At: pix.AtQuery, Text: text}
	}
	if d.Max <= 0 || d.Max > MostCandidates {
		d.Max = MostCandidates
	}
	after, err := base64.RawURLEncoding.DecodeString(d.After)
	if err != nil || len(after) > 256 {
		return errContinuation
	}
	d.After = string(after)
	return nil
}

func (m *Manager) find(ctx context.Context, tx Tx, c auth.Caller, d Demand) (page Page, err error) {
	looked := 0
	one := func(p pix.Patient, at string) bool {
		if len(page.Candidates) == d.Max || looked == mostLooked {
			return false // Next stands where the page ended: there is more
		}
		looked++
		page.Next = at
		if err = ctx.Err(); err != nil {
			return false
		}
		var ids []hl7.CX
		if ids, err = m.told(tx, c, &p, &d); err == nil && len(ids) > 0 {
			page.Candidates = append(page.Candidates, Candidate{p, ids})
		}
		return err == nil
	}
	ended := true
	serr := m.search(tx, d, func(p pix.Patient, at string) bool {
		ended = one(p, at)
		return ended
	})
	switch {
	case errors.Is(serr, ErrPlace):
		return Page{}, errContinuation
	case err != nil || serr != nil:
		return Page{}, errors.Join(err, serr)
	}
	if page.Next = base64.RawURLEncoding.EncodeToString([]byte(page.Next)); ended {
		page.Next = ""
	}
	return page, nil
}

// search runs a query over an identifier without authority in each domain.
func (m *Manager) search(tx Tx, d Demand, yield func(pix.Patient, string) bool) error {
	if d.Criteria.ID.ID == "" || d.Criteria.ID.AssigningAuthority.UniversalID != "" {
		if err := tx.Search(&d.Criteria, d.After, yield); err != nil {
			return fmt.Errorf("search: %w", err)
		}
		return nil
	}
	for _, domain := range m.cfg.Domains {
		criteria := d.Criteria
		criteria.ID.AssigningAuthority = domain.AssigningAuthority
		if err := tx.Search(&criteria, d.After, yield); err != nil {
			return fmt.Errorf("search: %w", err)
		}
	}
	return nil
}

// told gives the identifiers of a person to be told; none when the node may know none, or when the person is told with another identity: the first
// of those that meet the criteria and whose domain the node may ask for.
func (m *Manager) told(tx Tx, c auth.Caller, p *pix.Patient, d *Demand) ([]hl7.CX, error) {
	if !m.asks(c, p.ID.AssigningAuthority) {
		return nil, nil
	}
	members, err := (&work{tx: tx}).members(p)
	if err != nil {
		return nil, err
	}
	first := slices.IndexFunc(members, func(o pix.Patient) bool { return m.asks(c, o.ID.AssigningAuthority) && d.Criteria.Match(&o) })
	if first < 0 || !members[first].ID.Same(p.ID) {
		return nil, nil
	}
	var ids []hl7.CX
	for i := range members {
		if m.tells(c, members[i].ID, d.Domains) {
			ids = append(ids, members[i].ID)
		}
	}
	return ids, nil
}
