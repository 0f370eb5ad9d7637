package extract

import (
	"slices"
	"strings"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/xds"
)

// The authorities of national identifiers of persons and structures (PS_IdNat, Struct_IdNat), and of SIREN numbers.
const (
	personAuthority    = "1.2.250.1.71.4.2.1"
	structureAuthority = "1.2.250.1.71.4.2.2"
	sirenAuthority     = "1.3.2"
)

func (m *mapping) people() {
	d, e := m.doc, &m.Entry
	for i := range d.Authors {
		e.Authors = append(e.Authors, m.author(&d.Authors[i]))
	}
	if len(d.Authors) == 0 {
		m.missing("author", "author", d.Line)
	}
	if d.LegalAuthenticator == nil {
		m.missing("legalAuthenticator", "legalAuthenticator", d.Line)
		return
	}
	e.LegalAuthenticator = xcn(&d.LegalAuthenticator.Entity)
	if e.LegalAuthenticator == "" {
		m.missing("legalAuthenticator", "legalAuthenticator/assignedEntity/id", d.LegalAuthenticator.Line)
	}
}

func (m *mapping) author(a *cda.Author) xds.Author {
	x := xds.Author{Person: xcn(&a.Entity)}
	if x.Person == "" {
		m.missing("authorPerson", "author/assignedAuthor/id", a.Line)
	}
	if o := xon(a.Organization); o != "" {
		x.Institutions = []hl7.XON{o}
	} else if !isPatient(&a.Entity) {
		m.find(cda.Warning, "authorInstitution", "author/assignedAuthor/representedOrganization", a.Line,
			"authorInstitution cannot be filled: no organisation with a name")
	}
	if r := firstOf(a.FunctionCode.Display, a.FunctionCode.Code); r != "" {
		x.Roles = []string{r}
	}
	if c := a.Code; c.Code != "" {
		x.Specialties = []string{escape(c.Code) + "^" + escape(c.Display) + "^" + escape(c.System)}
	}
	return x
}

func isPatient(e *cda.Entity) bool {
	return slices.ContainsFunc(e.IDs, cda.II.IsINS)
}

// xcn is a person or a device in the national form: id^family^given^^^^^^&authority&ISO^D^^^IDNPS, name type U and model in place of the given
// name for a device. It is empty without an identifier or a name.
func xcn(e *cda.Entity) hl7.XCN {
	var id cda.II
	for _, i := range e.IDs {
		if i.Extension != "" && (id.IsZero() || i.Root == personAuthority && id.Root != personAuthority) {
			id = i
		}
	}
	family, given, nameType := "", "", "D"
	switch {
	case len(e.Names) > 0:
		p := e.Names[0].Parts
		family = firstOf(p.Get("family", ""), p.Get("family", "CL"), p.Any("family"), p.Any(""))
		given = firstOf(p.Get("given", "CL"), p.Get("given", "BR"), p.Any("given"))
	case e.Device != nil:
		family, given, nameType = e.Device.SoftwareName, e.Device.ManufacturerModelName, "U"
	}
	if id.IsZero() && family == "" {
		return ""
	}
	authority := ""
	if id.Root != "" {
		authority = "&" + id.Root + "&ISO"
	}
	person := escape(id.Extension) + "^" + escape(family) + "^" + escape(given) + "^^^^^^" + authority + "^" + nameType
	if id.IsZero() {
		return hl7.XCN(person)
	}
	return hl7.XCN(person + "^^^" + idType(id, e.Device != nil))
}

// idType is the kind of an identifier of a person: national (IDNPS), of a structure for its member (EI) or device (RI), or the INS (NH).
func idType(id cda.II, device bool) string {
	switch {
	case id.IsINS():
		return "NH"
	case device:
		return "RI"
	case id.Root == personAuthority && !strings.Contains(id.Extension, "/"):
		return "IDNPS"
	}
	return "EI"
}

// xon is an organisation in the national form: name^^^^^&authority&ISO^IDNST^^^id. It is empty without a name.
func xon(o *cda.Organization) hl7.XON {
	if o == nil || o.Name == "" {
		return ""
	}
	for _, id := range o.IDs {
		if id.Extension != "" && id.Root != "" {
			kind := map[string]string{structureAuthority: "IDNST", sirenAuthority: "SIREN"}[id.Root]
			return hl7.XON(escape(o.Name) + "^^^^^&" + id.Root + "&ISO^" + kind + "^^^" + escape(id.Extension))
		}
	}
	return hl7.XON(escape(o.Name))
}

// escape writes the delimiters of HL7 v2 in a component as its escape sequences, and drops control characters.
func escape(s string) string {
	if !strings.ContainsAny(s, "^&~|\\\n\r\t") {
		return s
	}
	return strings.NewReplacer(`\`, `\E\`, "^", `\S\`, "&", `\T\`, "~", `\R\`, "|", `\F\`, "\n", " ", "\r", " ", "\t", " ").Replace(s)
}

// references lists the accession number, the orders and the imaging studies.
func (m *mapping) references() {
	for _, o := range m.doc.InFulfillmentOf {
		m.reference(o.AccessionNumber, "urn:ihe:iti:xds:2013:accession")
		for _, id := range o.IDs {
			m.reference(id, "urn:ihe:iti:xds:2013:order")
		}
	}
	if m.Entry.ClassCode.Code != "31" {
		return
	}
	// In an imaging report the acts are the studies: the root of the identifier is the Study Instance UID.
	for _, s := range m.doc.DocumentationOf {
		for _, id := range s.IDs {
			if xds.ValidOID(id.Root) && id.Extension == "" {
				m.Entry.ReferenceIDs = append(m.Entry.ReferenceIDs, id.Root+"^^^^urn:ihe:iti:xds:2016:studyInstanceUID")
			}
		}
	}
}

func (m *mapping) reference(id cda.II, kind string) {
	switch {
	case id.IsZero():
	case id.Extension == "":
		m.Entry.ReferenceIDs = append(m.Entry.ReferenceIDs, id.Root+"^^^^"+kind)
	case xds.ValidOID(id.Root):
		m.Entry.ReferenceIDs = append(m.Entry.ReferenceIDs, escape(id.Extension)+"^^^&"+id.Root+"&ISO^"+kind)
	}
}

// set fills what a submission set of this document alone can take over.
func (m *mapping) set() {
	d, s := m.doc, &m.Set
	s.ID, s.PatientID, s.Authors, s.Title = "SubmissionSet01", m.Entry.PatientID, m.Entry.Authors, m.Entry.Title
	act := ""
	if d.ComponentOf != nil {
		act = d.ComponentOf.Code.Code
	}
	kind, ok := encounters[act]
	if !ok || act == "" {
		kind = encounters[""]
		m.find(cda.Information, "contentTypeCode", "componentOf/encompassingEncounter/code", d.Line,
			"the kind of encounter is not said; the content is filed under other")
	}
	s.ContentTypeCode = kind
	m.source()
	for i := range d.InformationRecipients {
		r := &d.InformationRecipients[i]
		if to := string(xon(r.Organization)) + "|" + string(xcn(&r.Entity)); to != "|" {
			s.IntendedRecipients = append(s.IntendedRecipients, strings.TrimSuffix(to, "|"))
		}
	}
}

// source makes the sourceId of the custodian's identifier: the root, and the extension below it where it is an arc.
func (m *mapping) source() {
	const path = "custodian/assignedCustodian/representedCustodianOrganization/id"
	for _, id := range m.doc.Custodian.IDs {
		if oid := id.Root + "." + id.Extension; id.Extension != "" && xds.ValidOID(oid) {
			m.Set.SourceID = xds.OID(oid)
			m.find(cda.Information, "sourceId", path, m.doc.Custodian.Line,
				"the source is named by the custodian's identifier, its extension written as the last arc")
			return
		}
		if xds.ValidOID(id.Root) {
			m.Set.SourceID = xds.OID(id.Root)
			return
		}
	}
	m.missing("sourceId", path, m.doc.Custodian.Line)
}
