package manager

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
)

// Question is what the audit record tells of a query besides who asked: the transaction, its message id and the query as it came.
type Question struct {
	Transaction string // ITI-9, ITI-21, ITI-22, ITI-45, ITI-47
	MessageID   string
	Raw         []byte
}

// CrossReference gives the other identifiers of a patient, of the domains that are wanted and that the node may ask for; no domains mean all of
// those [ITI-9 3.9.4.1.3] [ITI-45 3.45.4.1.3]. They come in the order of the domains they were first told in. An empty list is no error. Refusals are
// *pix.Error: an identifier that is not known (or was given up), its domain, or a wanted domain, whose place Index counts from 0.
func (m *Manager) CrossReference(ctx context.Context, c auth.Caller, q Question, id hl7.CX, wanted []hl7.HD) ([]hl7.CX, error) {
	var found []hl7.CX
	err := m.mayAsk(c, id, wanted)
	if err == nil {
		err = m.cfg.Store.View(ctx, func(tx Tx) error {
			p, ok, err := tx.Patient(id)
			if err != nil {
				return fmt.Errorf("look up patient: %w", err)
			}
			if !ok || !p.Alive() {
				return &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtQueryID, Text: "patient identifier is not known"}
			}
			if p.Alone() {
				return nil
			}
			members, err := tx.Members(p.Person)
			if err != nil {
				return fmt.Errorf("members of a person: %w", err)
			}
			for i := range members {
				if other := &members[i]; !other.ID.Same(id) && m.tells(c, other.ID, wanted) {
					found = append(found, other.ID)
				}
			}
			return nil
		})
	}
	if err := m.asked(ctx, c, q, []hl7.CX{id}, err); err != nil {
		return nil, err
	}
	return found, nil
}

// mayAsk checks the domains of a question. Whether a domain is unknown here or not for this node is told to nobody.
func (m *Manager) mayAsk(c auth.Caller, id hl7.CX, wanted []hl7.HD) error {
	if id.ID == "" {
		return &pix.Error{Code: pix.CodeRequiredMissing, At: pix.AtQueryID, Text: "patient identifier is missing"}
	}
	if !m.asks(c, id.AssigningAuthority) {
		return &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtQueryAuthority, Text: "assigning authority is not one that this node may ask about"}
	}
	return m.mayAskFor(c, wanted)
}

// mayAskFor checks the domains that are wanted; its error names each that is refused [ITI-9 3.9.4.2.2.6].
func (m *Manager) mayAskFor(c auth.Caller, wanted []hl7.HD) error {
	var refused []error
	for i, h := range wanted {
		if !m.asks(c, h) {
			refused = append(refused, &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtQueryDomain, Index: i, Text: "domain is not one that this node may ask for"})
		}
	}
	return errors.Join(refused...)
}

// asks tells whether a node may ask for identifiers of an authority.
func (m *Manager) asks(c auth.Caller, h hl7.HD) bool {
	if !pix.Accepts(m.cfg.Domains, h) {
		return false
	}
	d := pix.Of(m.cfg.Domains, h)
	return d == nil || d.MayAsk(c.Node)
}

// tells tells whether an identifier may be given to a node that wants those domains, or all it may have when it names none.
func (m *Manager) tells(c auth.Caller, id hl7.CX, wanted []hl7.HD) bool {
	if len(wanted) > 0 {
		return slices.ContainsFunc(wanted, func(h hl7.HD) bool { return h.UniversalID == id.AssigningAuthority.UniversalID })
	}
	return m.asks(c, id.AssigningAuthority)
}

// asked keeps the audit record of a question before it is answered, and gives back the refusal if there is one.
func (m *Manager) asked(ctx context.Context, c auth.Caller, q Question, ids []hl7.CX, err error) error {
	f := atna.Facts{Time: m.cfg.Clock(), Query: q.Raw, MessageID: q.MessageID}.By(c)
	if len(ids) > 0 {
		f.Patient, f.OtherPatients = ids[0], ids[1:]
	}
	if err != nil {
		f.Outcome, f.OutcomeText = outcomeOf(condition(err))
	}
	if rerr := m.cfg.Recorder.Record(ctx, m.cfg.Reporter.Event(atna.Transaction(q.Transaction), atna.Responder, f)); rerr != nil {
		return fmt.Errorf("keep the audit record: %w", errors.Join(rerr, err))
	}
	return err
}

// NationalID gives the identifier that documents are filed by. For one of a domain whose identifiers stand in place of the national one that is the
// national identifier which its own qualified identity claims and is linked with; ok is false when there is none, or the node may not use the
// domain. Any other identifier comes back as it is. It is one step of another transaction, whose audit record names the patient.
func (m *Manager) NationalID(ctx context.Context, c auth.Caller, id hl7.CX) (filed hl7.CX, ok bool, err error) {
	d := pix.Of(m.cfg.Domains, id.AssigningAuthority)
	switch {
	case d == nil || !d.InPlace:
		return id, true, nil
	case !d.MayAsk(c.Node) && !d.MayFeed(c.Node):
		return hl7.CX{}, false, nil
	}
	return m.nationalOf(ctx, id)
}

// nationalOf is the national identifier that a patient is linked with, as documents are filed by it.
func (m *Manager) nationalOf(ctx context.Context, id hl7.CX) (filed hl7.CX, ok bool, err error) {
	err = m.cfg.Store.View(ctx, func(tx Tx) error {
		p, known, err := tx.Patient(id)
		if err != nil || !known || !p.Vouched() || p.Alone() {
			return err
		}
		links, err := tx.Links(id)
		if err != nil {
			return err
		}
		for _, l := range links {
			if other := l.Other(id); l.Reason != pix.Never && m.national(other) {
				filed, ok = hl7.CX{ID: other.ID, AssigningAuthority: hl7.HD{UniversalID: other.AssigningAuthority.UniversalID, UniversalIDType: "ISO"},
					TypeCode: m.cfg.FiledAs}, true
			}
		}
		return nil
	})
	if err != nil {
		return hl7.CX{}, false, fmt.Errorf("find the national identifier: %w", err)
	}
	return filed, ok, nil
}
