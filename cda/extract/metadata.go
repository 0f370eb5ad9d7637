// Package extract lifts out of a clinical document what machines need of it: the metadata it is shared with, the values it reports, and the
// file that an unstructured one carries. It invents nothing: what the document does not say it tells by a finding.
package extract

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/xds"
)

// Metadata is what the header of a document says about it in the words of XDS: its entry, what a submission set of that document alone can
// take over, and its relations. The entry has symbolic id Document01; the set lacks uniqueId and submissionTime, which are the submitter's.
type Metadata struct {
	Entry     xds.DocumentEntry
	Set       xds.SubmissionSet
	Relations []Relation
	SetID     cda.II // of the versions of the document
	Version   string
	Findings  []cda.Finding // what could not be filled, was ambiguous or was derived
	Header    *cda.Document
}

// Relation is a relation to an earlier document: RPLC, XFRM or APND.
type Relation struct {
	Type   xds.AssociationType
	Target xds.UniqueID
}

// MetadataOf reads the header of a document and derives its metadata. Hash and size are of b as it is.
func MetadataOf(b []byte, o cda.Options) (*Metadata, error) {
	doc, err := cda.ReadHeader(b, o)
	if err != nil {
		return nil, err
	}
	m := MetadataOfHeader(doc)
	sum := sha1.Sum(b)
	m.Entry.Hash, m.Entry.Size = hex.EncodeToString(sum[:]), int64(len(b))
	return m, nil
}

// Submission is the submission of the document alone, in a set of that unique id at that time. Relations are not in it: their targets are known by
// unique id only, and an association takes the entryUUID, which the registry knows.
func (m *Metadata) Submission(set xds.UniqueID, at time.Time) *xds.Submission {
	s := m.Set
	s.UniqueID, s.SubmissionTime = set, hl7.NewDTM(at)
	return &xds.Submission{Set: s, Entries: []xds.DocumentEntry{m.Entry}, Associations: []xds.Association{{Header: xds.Header{ID: "HasMember01"},
		Type: xds.HasMember, Source: s.ID, Target: m.Entry.ID, Membership: "Original"}}}
}

// MetadataOfHeader derives the metadata that a header says, all but hash and size.
func MetadataOfHeader(doc *cda.Document) *Metadata {
	m := &mapping{doc: doc, Metadata: &Metadata{Header: doc, SetID: doc.SetID, Version: doc.VersionNumber, Findings: slices.Clone(doc.Findings)}}
	m.Entry.ID, m.Entry.Size = "Document01", -1
	m.identity()
	m.codes()
	m.service()
	m.people()
	m.references()
	m.relations()
	m.set()
	return m.Metadata
}

type mapping struct {
	*Metadata
	doc *cda.Document
}

const clauseMapping = "CI-SIS, correspondance CDA-XDS"

func (m *mapping) find(s cda.Severity, attribute, path string, line int, text string) {
	m.Findings = append(m.Findings, cda.Finding{Rule: "XDS-" + attribute, Severity: s, Path: "/ClinicalDocument/" + path, Line: line,
		Text: text, Clause: clauseMapping})
}

func (m *mapping) missing(attribute, path string, line int) {
	m.find(cda.Error, attribute, path, line, attribute+" cannot be filled: "+path+" is missing or null")
}

func (m *mapping) identity() {
	d, e := m.doc, &m.Entry
	e.UniqueID = m.uniqueID(d.ID, "id", d.Line)
	if d.Title == "" {
		m.missing("title", "title", d.Line)
	}
	e.Title, e.LanguageCode = french(d.Title), d.LanguageCode
	if d.LanguageCode == "" {
		m.missing("languageCode", "languageCode", d.Line)
	}
	e.CreationTime = m.time(d.EffectiveTime, "creationTime", "effectiveTime", d.Line)
	if e.CreationTime == "" {
		m.missing("creationTime", "effectiveTime", d.Line)
	}
	if e.MIMEType = "text/xml"; d.SelfDisplay {
		e.MIMEType = "application/xslt+xml"
	}
	if n := len(d.RecordTargets); n != 1 {
		m.find(cda.Error, "patientId", "recordTarget", d.Line, fmt.Sprintf("one recordTarget is due, there are %d", n))
		if n == 0 {
			return
		}
	}
	m.patient(&d.RecordTargets[0])
}

// patient fills whose document it is: the INS, and the local identifier.
func (m *mapping) patient(t *cda.RecordTarget) {
	const path = "recordTarget/patientRole/id"
	var ins, local hl7.CX
	for _, id := range t.IDs {
		if id.IsZero() {
			continue
		}
		cx := hl7.CX{ID: id.Extension, AssigningAuthority: hl7.HD{UniversalID: id.Root, UniversalIDType: "ISO"}, TypeCode: "PI"}
		switch isINS := id.IsINS(); {
		case cx.ID == "" || !xds.ValidOID(id.Root):
			m.find(cda.Warning, "sourcePatientId", path, t.Line, "an identifier without extension or whose root is no OID is passed over")
		case isINS && ins.IsZero():
			cx.TypeCode = "NH"
			ins = cx
		case isINS:
			m.find(cda.Warning, "patientId", path, t.Line, "there are several national identifiers; the first is taken")
		case local.IsZero():
			local = cx
		}
	}
	switch {
	case ins.IsZero() && local.IsZero():
		m.missing("patientId", path, t.Line)
	case ins.IsZero():
		ins = local
		m.find(cda.Warning, "patientId", path, t.Line, "no national identifier (INS); the local one is taken, which the shared record does not accept")
	case local.IsZero():
		local = ins
	}
	m.Entry.PatientID, m.Entry.SourcePatientID = ins, local
	m.Entry.SourcePatientInfo = patientInfo(&t.Patient)
}

// patientInfo is the identity of the patient in the words of a PID segment: birth name (L), used name (D), birth date and sex.
func patientInfo(p *cda.Patient) []string {
	var lines []string
	name := func(family, given, kind string) {
		if family != "" {
			lines = append(lines, "PID-5|"+escape(family)+"^"+escape(given)+"^^^^^"+kind)
		}
	}
	var parts cda.Parts
	for _, n := range p.Names {
		parts = append(parts, n.Parts...)
	}
	birth, birthGiven := parts.Get("family", "BR"), parts.Get("given", "BR")
	used, usedGiven := firstOf(parts.Get("family", "CL"), parts.Get("family", "SP")), parts.Get("given", "CL")
	if birth == "" {
		used = firstOf(used, parts.Any("family"))
	}
	plain := firstOf(birthGiven, parts.Get("given", ""), usedGiven)
	name(birth, plain, "L")
	name(used, firstOf(usedGiven, plain), "D")
	if d, err := p.BirthTime.DTM(); err == nil {
		lines = append(lines, "PID-7|"+string(d[:min(len(d), 8)]))
	}
	if sex, ok := map[string]string{"M": "M", "F": "F", "UN": "U"}[p.AdministrativeGenderCode.Code]; ok {
		lines = append(lines, "PID-8|"+sex)
	}
	return lines
}

func firstOf(s ...string) string {
	for _, x := range s {
		if x != "" {
			return x
		}
	}
	return ""
}

// uniqueID is root, or root^extension; a root that is a UUID becomes an OID below 2.25 [ITI-42 4.2.3.2.26].
func (m *mapping) uniqueID(id cda.II, path string, line int) xds.UniqueID {
	if id.IsZero() || id.Root == "" {
		m.missing("uniqueId", path, line)
		return ""
	}
	root := id.Root
	if oid, ok := uuidOID(root); ok {
		root = oid
		m.find(cda.Information, "uniqueId", path, line, "the root is a UUID; it is written as an OID below 2.25")
	}
	if !xds.ValidOID(root) {
		m.find(cda.Error, "uniqueId", path, line, "the root is neither an OID of at most 64 characters nor a UUID")
	}
	if id.Extension == "" {
		return xds.UniqueID(root)
	}
	m.find(cda.Warning, "uniqueId", path, line, "the identifier has an extension, which the shared record does not accept")
	if len(id.Extension) > 16 {
		m.find(cda.Error, "uniqueId", path, line, "the extension has more than 16 characters")
	}
	return xds.UniqueID(root + "^" + id.Extension)
}

// uuidOID writes a UUID as the OID that ITU-T X.667 gives it.
func uuidOID(s string) (string, bool) {
	if len(s) != 36 || !xds.ValidUUID(xds.UUIDPrefix+strings.ToLower(s)) {
		return "", false
	}
	n, _ := new(big.Int).SetString(strings.ReplaceAll(s, "-", ""), 16)
	return "2.25." + n.String(), true
}

// time is a time in UTC; a time of day without offset is kept as written, with a finding.
func (m *mapping) time(t cda.TS, attribute, path string, line int) hl7.DTM {
	if t.Value == "" {
		return ""
	}
	d, err := t.DTM()
	if err != nil {
		m.find(cda.Error, attribute, path, line, attribute+" cannot be filled: "+err.Error())
		return ""
	}
	if len(d) > 8 && !t.HasOffset() {
		m.find(cda.Warning, attribute, path, line, "the time has no offset from UTC; it is taken for UTC")
	}
	return d
}

func code(c cda.CD) xds.Code {
	return xds.Code{Code: c.Code, Scheme: c.System, Display: french(c.Display)}
}

func (m *mapping) codes() {
	d, e := m.doc, &m.Entry
	e.TypeCode = code(d.Code)
	if d.Code.IsZero() {
		m.missing("typeCode", "code", d.Line)
	} else if class, ok := ClassOf(d.Code.Code); ok {
		e.ClassCode = class
	} else {
		m.find(cda.Error, "classCode", "code", d.Line, "classCode cannot be filled: the type is in no class of the association table")
	}
	if d.ConfidentialityCode.IsZero() {
		m.missing("confidentialityCode", "confidentialityCode", d.Line)
	} else {
		e.ConfidentialityCodes = []xds.Code{code(d.ConfidentialityCode)}
	}
	m.format()
}

// format takes the format of level 1 from the media type, of the others from the template (associations A12, A11).
func (m *mapping) format() {
	d := m.doc
	if d.Level == cda.Level1 {
		media, body := "", d.NonXMLBody
		if body != nil {
			media = strings.ToLower(body.MediaType)
		}
		f, ok := formats[media]
		if !ok || !strings.Contains(media, "/") {
			m.find(cda.Error, "formatCode", "component/nonXMLBody/text/@mediaType", d.Line,
				"formatCode cannot be filled: the media type is not one of level 1")
			return
		}
		m.Entry.FormatCode = f
		return
	}
	// The model of the French framework comes last among the templates: the most specific is looked for first.
	for _, t := range slices.Backward(d.TemplateIDs) {
		if f, ok := formats[t.Root]; ok {
			m.Entry.FormatCode = f
			return
		}
	}
	m.find(cda.Error, "formatCode", "templateId", d.Line, "formatCode cannot be filled: no template of the association table")
}

// service fills what was done, when and where. The principal act is the one that says who performed it.
func (m *mapping) service() {
	d, e := m.doc, &m.Entry
	var main *cda.ServiceEvent
	for i := range d.DocumentationOf {
		s := &d.DocumentationOf[i]
		if main == nil && len(s.Performers) > 0 {
			main = s
		}
		m.event(s.Code)
	}
	const path = "documentationOf/serviceEvent"
	if main == nil {
		m.missing("serviceStartTime", path+"/performer", d.Line)
	} else {
		e.ServiceStartTime = m.time(main.EffectiveTime.Start(), "serviceStartTime", path+"/effectiveTime/low", main.Line)
		if e.ServiceStartTime == "" {
			m.missing("serviceStartTime", path+"/effectiveTime/low", main.Line)
		}
		e.ServiceStopTime = m.time(main.EffectiveTime.High, "serviceStopTime", path+"/effectiveTime/high", main.Line)
		for _, p := range main.Performers {
			if p.Organization != nil && !p.Organization.StandardIndustryClassCode.IsZero() && e.PracticeSettingCode.IsZero() {
				e.PracticeSettingCode = code(p.Organization.StandardIndustryClassCode)
			}
		}
	}
	if e.PracticeSettingCode.IsZero() {
		m.missing("practiceSettingCode", path+"/performer/assignedEntity/representedOrganization/standardIndustryClassCode", d.Line)
	}
	if d.ComponentOf == nil || d.ComponentOf.FacilityCode.IsZero() {
		m.missing("healthcareFacilityTypeCode", "componentOf/encompassingEncounter/location/healthCareFacility/code", d.Line)
	} else {
		e.HealthcareFacilityTypeCode = code(d.ComponentOf.FacilityCode)
	}
}

// event adds a code of an act and its translations to the event codes, each once.
func (m *mapping) event(c cda.CD) {
	for _, x := range append([]cda.CD{c}, c.Translations...) {
		if y := code(x); x.Code != "" && x.System != "" && !slices.ContainsFunc(m.Entry.EventCodes, y.Same) {
			m.Entry.EventCodes = append(m.Entry.EventCodes, y)
		}
	}
}

func (m *mapping) relations() {
	for i := range m.doc.RelatedDocuments {
		r := &m.doc.RelatedDocuments[i]
		t, ok := map[string]xds.AssociationType{"RPLC": xds.RPLC, "XFRM": xds.XFRM, "APND": xds.APND}[r.TypeCode]
		switch {
		case !ok:
			m.find(cda.Error, "association", "relatedDocument/@typeCode", r.Line, "the relation is none of RPLC, XFRM and APND")
		case len(r.IDs) == 0:
			m.missing("association", "relatedDocument/parentDocument/id", r.Line)
		default:
			m.Relations = append(m.Relations, Relation{t, m.uniqueID(r.IDs[0], "relatedDocument/parentDocument/id", r.Line)})
		}
	}
}
