package manager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
)

// Feed takes the announcements of one message, all or none. A refusal is a *pix.Error; anything else failed on our side. Either way the audit
// record is kept before Feed returns.
func (m *Manager) Feed(ctx context.Context, c auth.Caller, feeds ...pix.Feed) error {
	start := m.cfg.Clock()
	var w *work
	err := m.cfg.Store.Update(ctx, func(tx Tx) error {
		w = m.work(tx, c)
		for i, f := range feeds {
			if err := w.apply(f); err != nil {
				return at(err, i)
			}
			for _, message := range m.messages(c, f, nil) {
				if err := tx.Record(message); err != nil {
					return fmt.Errorf("keep the audit record: %w", err)
				}
			}
		}
		return w.finish()
	})
	if err != nil {
		return m.refused(ctx, c, feeds, err)
	}
	m.log(ctx, c, feeds, start, "AA", slog.Int("moved", w.moved), slog.String("noted", strings.Join(w.notes, "; ")))
	return nil
}

// at tells which patient of the message an error is about.
func at(err error, index int) error {
	if e, ok := errors.AsType[*pix.Error](err); ok {
		e.Index = index
	}
	return err
}

// apply makes one announcement true.
func (w *work) apply(f pix.Feed) error {
	w.event, w.transaction, w.message = f.Event, f.Transaction, f.MessageID
	if err := w.acceptable(f.Patient.ID, pix.AtPatientID, pix.AtPatientAuthority); err != nil {
		return err
	}
	if err := w.others(&f.Patient); err != nil {
		return err
	}
	old, known, err := w.tx.Patient(f.Patient.ID)
	if err != nil {
		return fmt.Errorf("look up patient: %w", err)
	}
	if known && !old.Alive() {
		return &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtPatientID, Text: "identifier was given up by an earlier merge"}
	}
	switch {
	case f.Event == pix.Added || f.Event == pix.Revised:
		if err := w.keep(completed(f.Patient, old), old); err != nil {
			return err
		}
		return w.settle(f.Patient.ID)
	case f.Event == pix.Relinked:
		return w.relink(f, known)
	case f.Event.TakesPrior():
		return w.merge(f, old)
	case f.Event.TakesTwo():
		return w.linkFed(f, known)
	}
	return &pix.Error{Code: pix.CodeUnsupportedEvent, At: pix.AtEvent, Text: "event is not one of a patient identity feed"}
}

// acceptable checks form, authority and the right of the node [ITI-8 3.8.4.1.3].
func (w *work) acceptable(id hl7.CX, atID, atAuthority pix.Place) error {
	switch {
	case id.ID == "":
		return &pix.Error{Code: pix.CodeRequiredMissing, At: atID, Text: "identifier is missing"}
	case id.AssigningAuthority.UniversalID == "":
		return &pix.Error{Code: pix.CodeRequiredMissing, At: atAuthority, Text: "identifier without the universal id of its assigning authority"}
	case !pix.Accepts(w.m.cfg.Domains, id.AssigningAuthority):
		return &pix.Error{Code: pix.CodeUnknownKey, At: atAuthority, Text: "assigning authority is not one that is accepted here"}
	}
	d := pix.Of(w.m.cfg.Domains, id.AssigningAuthority)
	if d != nil && !d.MayFeed(w.node) {
		return &pix.Error{Code: pix.CodeUnknownKey, At: atAuthority, Text: "this node is not entitled to feed the assigning authority"}
	}
	return w.number(d, id, atID)
}

// number checks the form of an identifier: a wrong one of a strict domain is never used, another is noted.
func (w *work) number(d *pix.Domain, id hl7.CX, place pix.Place) error {
	if d == nil || d.Number == nil {
		return nil
	}
	err := d.Number(id.ID)
	if err != nil && d.Strict {
		return &pix.Error{Code: pix.CodeDataType, At: place, Text: err.Error()}
	}
	if err != nil {
		w.notes = append(w.notes, err.Error())
	}
	return nil
}

// others checks the identifiers beside the one that the feed is about: one of a domain, each of its form.
func (w *work) others(p *pix.Patient) error {
	for i, id := range p.OtherIDs {
		d := pix.Of(w.m.cfg.Domains, id.AssigningAuthority)
		if d == nil {
			continue
		}
		same := func(other hl7.CX) bool {
			return pix.Of(w.m.cfg.Domains, other.AssigningAuthority) == d && other.ID != id.ID
		}
		if same(p.ID) || slices.ContainsFunc(p.OtherIDs[:i], same) {
			return &pix.Error{Code: pix.CodeDuplicateKey, At: pix.AtPatientID, Text: "two identifiers of one assigning authority"}
		}
		if err := w.number(d, id, pix.AtPatientID); err != nil {
			return err
		}
	}
	return nil
}

// keep stores what a feed says of a patient, and what it said before into the history. old is zero for a new one.
func (w *work) keep(p, old pix.Patient) error {
	p.Number, p.Person, p.MergedInto = old.Number, old.Person, hl7.CX{}
	p.Source, p.Updated, p.Revision = w.source, w.now, old.Revision+1
	d := pix.Of(w.m.cfg.Domains, p.ID.AssigningAuthority)
	if p.Keys = nil; d != nil && d.Linking == pix.LinkByDemographic && !d.National {
		p.Keys = w.m.cfg.Matcher.Keys(&p.Demographics)
	}
	if err := w.put(&p); err != nil || old.Number == 0 {
		return err
	}
	return w.history(p.ID, changed(&old, &p))
}

func (w *work) put(p *pix.Patient) error {
	if err := w.tx.PutPatient(p); err != nil {
		return fmt.Errorf("keep patient: %w", err)
	}
	return nil
}

func (w *work) history(id hl7.CX, fields []pix.FieldChange) error {
	if len(fields) == 0 {
		return nil
	}
	err := w.tx.AddHistory(id, pix.Change{At: w.now, Event: w.event, Transaction: w.transaction, MessageID: w.message, Source: w.source, Fields: fields})
	if err != nil {
		return fmt.Errorf("keep history: %w", err)
	}
	return nil
}

// changed lists what old held that p does not. Segments of the sender's own are left out: they tell of visits more than of patients.
func changed(old, p *pix.Patient) []pix.FieldChange {
	var list []pix.FieldChange
	add := func(field string, was, is any, text string) {
		if !reflect.DeepEqual(was, is) {
			list = append(list, pix.FieldChange{Field: field, Old: text})
		}
	}
	ids := make([]string, len(old.OtherIDs))
	for i, id := range old.OtherIDs {
		ids[i] = id.String()
	}
	names := make([]string, len(old.Demographics.Names))
	for i, n := range old.Demographics.Names {
		names[i] = string(n)
	}
	d, was := &p.Demographics, &old.Demographics
	add("identifiers", old.OtherIDs, p.OtherIDs, strings.Join(ids, "~"))
	add("names", was.Names, d.Names, strings.Join(names, "~"))
	add("birth date", was.BirthDate, d.BirthDate, was.BirthDate)
	add("sex", was.Sex, d.Sex, was.Sex)
	add("addresses", was.Addresses, d.Addresses, strings.Join(was.Addresses, "~"))
	add("telecoms", was.Telecoms, d.Telecoms, strings.Join(was.Telecoms, "~"))
	add("visit", old.Visit, p.Visit, old.Visit.String())
	add("status", old.Status, p.Status, string(old.Status))
	add("flags", old.Flags, p.Flags, flagNames(old.Flags))
	return list
}

func flagNames(f pix.Flags) string {
	var names []string
	for _, n := range []struct {
		flag pix.Flags
		name string
	}{{pix.Homonym, "homonym"}, {pix.Doubtful, "doubtful"}, {pix.Fictitious, "fictitious"}} {
		if f.Has(n.flag) {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, " ")
}

// completed keeps what was known where the feed says nothing: an empty field is no news (HL7 v2.5, 2.5.3), and the PID of a merge often
// holds little but the identifier.
func completed(p, old pix.Patient) pix.Patient {
	d, o := &p.Demographics, old.Demographics
	if len(d.Names) == 0 {
		d.Names = o.Names
	}
	if d.BirthDate == "" {
		d.BirthDate = o.BirthDate
	}
	if d.Sex == "" {
		d.Sex = o.Sex
	}
	if len(d.Addresses) == 0 {
		d.Addresses = o.Addresses
	}
	if len(d.Telecoms) == 0 {
		d.Telecoms = o.Telecoms
	}
	if len(p.OtherIDs) == 0 {
		p.OtherIDs = old.OtherIDs
	}
	p.Visit = p.Visit.Completed(old.Visit)
	if p.Status == "" {
		p.Status, p.Flags = old.Status, old.Flags
	}
	if len(p.Segments) == 0 {
		p.Segments = old.Segments
	}
	return p
}

// linkFed is A24 and A37: the node says that two patients, both known, are one person or two (HL7 v2.5, 3.3.24 and 3.3.37).
func (w *work) linkFed(f pix.Feed, known bool) error {
	if err := w.acceptable(f.With, pix.AtOtherID, pix.AtOtherAuthority); err != nil {
		return err
	}
	if !known {
		return &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtPatientID, Text: "patient is not known"}
	}
	if f.With.Same(f.Patient.ID) {
		return &pix.Error{Code: pix.CodeDuplicateKey, At: pix.AtOtherID, Text: "a patient is not linked with itself"}
	}
	other, known, err := w.tx.Patient(f.With)
	switch {
	case err != nil:
		return fmt.Errorf("look up patient: %w", err)
	case !known || !other.Alive():
		return &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtOtherID, Text: "patient is not known, or was given up by a merge"}
	case f.Event == pix.Unlinked:
		return w.part(f.Patient.ID, f.With)
	}
	return w.made(f.Patient.ID, f.With, pix.Explicit)
}
