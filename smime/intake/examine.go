package intake

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/extract"
	"github.com/passerelle-sante/passerelle/cda/validate"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/xds"
)

// maxDocument is how much of a document is judged, in octets.
const maxDocument = 32 << 20

// examine judges parcels before any of them is deposited: one patient, whose identifier can be used; documents that are valid and that their metadata tell the truth
// about. It gives the patient.
func (m *Mailbox) examine(ctx context.Context, c auth.Caller, l *letter, parcels []parcel) (hl7.CX, error) {
	patient, err := m.onePatient(parcels)
	if err != nil {
		return patient, err
	}
	var found findings
	for i := range parcels {
		if err := m.documents(l, &parcels[i], &found); err != nil {
			return patient, err
		}
	}
	if err := found.refusal(l); err != nil {
		return patient, err
	}
	kept, ok, err := m.cfg.Record.Resolve(ctx, c, patient)
	if err != nil {
		return patient, fmt.Errorf("resolve the patient: %w", err)
	}
	if !ok {
		return patient, refuse(UnknownPatient, "")
	}
	for i := range parcels {
		sub := parcels[i].sub
		for j := range sub.Entries {
			e := &sub.Entries[j]
			if e.SourcePatientID.IsZero() {
				e.SourcePatientID = patient
			}
			e.PatientID = kept
		}
		for j := range sub.Folders {
			sub.Folders[j].PatientID = kept
		}
		sub.Set.PatientID = kept
		err := m.relate(ctx, c, &parcels[i])
		if err == nil && parcels[i].removes {
			err = m.removable(ctx, c, l, &parcels[i])
		}
		if err != nil {
			return patient, err
		}
	}
	return kept, nil
}

// onePatient gives the patient of everything in a message.
func (m *Mailbox) onePatient(parcels []parcel) (hl7.CX, error) {
	var all []hl7.CX
	for i := range parcels {
		sub := parcels[i].sub
		all = append(all, sub.Set.PatientID)
		for j := range sub.Entries {
			all = append(all, sub.Entries[j].PatientID)
		}
		for j := range sub.Folders {
			all = append(all, sub.Folders[j].PatientID)
		}
	}
	var patient hl7.CX
	for _, id := range all {
		switch {
		case id.ID == "" || id.AssigningAuthority.UniversalID == "":
			return patient, refuse(NoPatient, "")
		case patient.IsZero():
			patient = id
		case !patient.Same(id):
			return hl7.CX{}, refuse(SeveralPatients, "")
		}
	}
	if patient.IsZero() {
		return patient, refuse(NoPatient, "")
	}
	if err := m.cfg.CheckINS(patient); err != nil {
		return patient, refuse(BadPatientID, "%v", err)
	}
	return xds.NormalPatientID(patient), nil
}

// documents judges the documents of a parcel and holds them against their entries.
func (m *Mailbox) documents(l *letter, p *parcel, found *findings) error {
	for i := range p.docs {
		d := &p.docs[i]
		where := fmt.Sprintf("%s, document %d", p.where, i+1)
		switch d.entry.MIMEType {
		case "text/xml", "application/xml":
		case "application/pdf":
			b, err := read(d)
			if err != nil {
				return err
			}
			found.add(where, validate.ValidatePDF(b, m.cfg.Validate), m.cfg.Lenient || !m.cfg.PDF.Archival)
			continue
		default:
			continue
		}
		b, err := read(d)
		if err != nil {
			return err
		}
		found.add(where, validate.Validate(b, m.cfg.Validate), m.cfg.Lenient)
		doc, err := cda.ReadHeader(b, cda.Options{})
		if err != nil {
			continue // the findings say so
		}
		meta := extract.MetadataOfHeader(doc)
		if err := agrees(where, d, meta); err != nil {
			return err
		}
		if d.change {
			d.relations = replaced(meta)
			if len(d.relations) == 0 {
				return refuse(UnknownPredecessor, "%s is to replace another, and its header names none", where)
			}
		}
	}
	return nil
}

// agrees holds an entry against the header of its document: whose it is and which one.
func agrees(where string, d *content, meta *extract.Metadata) error {
	e := d.entry
	if meta.Entry.UniqueID != "" && meta.Entry.UniqueID != e.UniqueID {
		return refuse(DocumentDiffers, "%s: its id is not the unique id of its entry", where)
	}
	if p := meta.Entry.PatientID; !p.IsZero() && !p.Same(e.PatientID) && !e.PatientID.IsZero() {
		named := slices.ContainsFunc(meta.Header.RecordTargets, func(t cda.RecordTarget) bool {
			return slices.ContainsFunc(t.IDs, func(id cda.II) bool {
				return id.Root == e.PatientID.AssigningAuthority.UniversalID && id.Extension == e.PatientID.ID
			})
		})
		if !named {
			return refuse(SeveralPatients, "%s is about another patient than its entry", where)
		}
	}
	return nil
}

func replaced(meta *extract.Metadata) []extract.Relation {
	return slices.DeleteFunc(slices.Clone(meta.Relations), func(r extract.Relation) bool { return r.Type != xds.RPLC })
}

func read(d *content) ([]byte, error) {
	if d.bytes != nil {
		return d.bytes, nil
	}
	r, err := d.open()
	if err != nil {
		return nil, refuse(BadArchive, "a document cannot be unpacked")
	}
	defer r.Close()
	b := bytes.NewBuffer(make([]byte, 0, min(max(d.entry.Size, 0), maxDocument)+bytes.MinRead))
	if _, err := b.ReadFrom(io.LimitReader(r, maxDocument+1)); err != nil { // one more, so that it is found to be too large
		return nil, refuse(BadArchive, "a document cannot be unpacked")
	}
	return b.Bytes(), nil
}

// findings are what is wrong with documents, for the sender.
type findings struct {
	fatal   bool
	details []string
}

func (f *findings) add(where string, list []cda.Finding, lenient bool) {
	for _, x := range list {
		if x.Severity > cda.Error || lenient && x.Severity == cda.Error {
			continue
		}
		f.fatal = f.fatal || x.Severity == cda.Fatal
		f.details = append(f.details, fmt.Sprintf("%s, line %d: %s %s (%s)", where, x.Line, x.Rule, x.Text, x.Clause))
	}
}

func (f *findings) refusal(l *letter) error {
	if len(f.details) == 0 {
		return nil
	}
	if f.fatal {
		return &Refusal{Code: InvalidDocument, Details: f.details}
	}
	return l.unless([]Code{InvalidDocument}, f.details)
}

// relate turns relations by unique id into associations: their targets are entries of the record.
func (m *Mailbox) relate(ctx context.Context, c auth.Caller, p *parcel) error {
	for _, d := range p.docs {
		for i, r := range d.relations {
			entries, err := m.cfg.Record.Entries(ctx, c, r.Target)
			if err != nil {
				return fmt.Errorf("look for the document that is replaced: %w", err)
			}
			entries = slices.DeleteFunc(entries, func(e xds.DocumentEntry) bool { return !e.PatientID.Same(d.entry.PatientID) })
			if len(entries) == 0 {
				return refuse(UnknownPredecessor, "%s: %s of a document that is not there", p.where, short(r.Type))
			}
			p.sub.Associations = append(p.sub.Associations, xds.Association{Header: xds.Header{ID: xds.ObjectID(fmt.Sprintf("relation-%d-of-%s", i+1, d.entry.ID))},
				Type: r.Type, Source: d.entry.ID, Target: entries[len(entries)-1].ID})
		}
	}
	return nil
}

func short(t xds.AssociationType) string {
	return string(t[strings.LastIndexByte(string(t), ':')+1:])
}
