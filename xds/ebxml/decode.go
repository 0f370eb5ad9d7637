package ebxml

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/xds"
)

// meaning turns wire objects into nouns, collecting findings.
type meaning struct {
	f        *xds.Findings
	lenient  Lenient
	packages map[string]xds.Kind // what a classification node says a package is
}

// Lenient are the tolerated faults of metadata. Each function tells whether the fault is tolerated here, and notes its use; nil tolerates nothing.
type Lenient struct {
	URNOID        func() bool // urn:oid: before an OID that is due bare
	ImpliedParent func() bool // a classification or an identifier that does not name the object it stands in
}

func (l Lenient) oid(s string) string {
	if l.URNOID != nil && strings.HasPrefix(s, urnOID) && l.URNOID() {
		return s[len(urnOID):]
	}
	return s
}

// slotSink takes the values of a slot; several tells whether it may hold more than one.
type slotSink struct {
	several bool
	set     func(values []string) (why string)
}

func single(dst *string) slotSink {
	return slotSink{set: func(v []string) string { *dst = v[0]; return "" }}
}
func moment(dst *hl7.DTM) slotSink {
	return slotSink{set: func(v []string) string { *dst = hl7.DTM(v[0]); return "" }}
}
func list(dst *[]string) slotSink {
	return slotSink{several: true, set: func(v []string) string { *dst = v; return "" }}
}

// slots hands each slot to its sink. Names beyond the table are extra metadata if they begin with urn:, a fault otherwise [ITI-42 4.2.3.1.6].
func (m *meaning) slots(p xds.Place, slots []Slot, sink func(name string) (slotSink, bool), extra *[]xds.Slot) {
	const clause = "ITI TF-3 4.2.3.1.6"
	for i, s := range slots {
		p.Attribute = s.Name
		for _, before := range slots[:i] {
			if before.Name == s.Name {
				m.f.Metadata(p, "", "the slot comes twice", "ITI TF-3 4.2.3.1.4")
			}
		}
		to, known := sink(s.Name)
		switch {
		case !known && strings.HasPrefix(s.Name, "urn:") && extra != nil:
			*extra = append(*extra, xds.Slot{Name: s.Name, Values: s.Values})
		case !known:
			p.Attribute = ""
			m.f.Metadata(p, s.Name, "unknown slot; names of extra metadata begin with urn:", clause)
		case len(s.Values) == 0:
		case len(s.Values) > 1 && !to.several:
			m.f.Metadata(p, s.Values[1], "the slot holds one value", "ITI TF-3 4.2.3.1.4")
			to.set(s.Values[:1]) // the attribute is there, if ill said
		default:
			if why := to.set(s.Values); why != "" {
				m.f.Metadata(p, s.Values[0], why, clause)
			}
		}
	}
}

// identifiers hands each external identifier to its place; each scheme of the table comes exactly once [ITI-42 4.2.3.1.2].
func (m *meaning) identifiers(p xds.Place, x *RegistryObject, name func(scheme string) (attribute string, set func(string))) {
	const clause = "ITI TF-3 4.2.3.1.3"
	for i, id := range x.ExternalIdentifiers {
		attribute, set := name(id.IdentificationScheme)
		p.Attribute = attribute
		if set == nil {
			p.Attribute = ""
			m.f.Metadata(p, id.IdentificationScheme, "unknown identification scheme", clause)
			continue
		}
		for _, before := range x.ExternalIdentifiers[:i] {
			if before.IdentificationScheme == id.IdentificationScheme {
				m.f.Metadata(p, "", "the external identifier comes twice", clause)
			}
		}
		if id.OfObject != x.ID {
			m.f.Metadata(p, id.OfObject, "registryObject is the id of the object that holds it", clause)
		}
		if len(id.Name) == 0 {
			m.f.Metadata(p, "", "the external identifier has no Name", clause)
		}
		set(id.Value)
	}
}

// codeSink takes a code; several tells whether the classification may be repeated.
type codeSink struct {
	attribute string
	several   bool
	set       func(xds.Code)
	author    func(xds.Author)
}

func oneCode(attribute string, dst *xds.Code) codeSink {
	return codeSink{attribute: attribute, set: func(c xds.Code) { *dst = c }}
}
func codeList(attribute string, dst *[]xds.Code) codeSink {
	return codeSink{attribute: attribute, several: true, set: func(c xds.Code) { *dst = append(*dst, c) }}
}
func authorList(dst *[]xds.Author) codeSink {
	return codeSink{attribute: "author", several: true, author: func(a xds.Author) { *dst = append(*dst, a) }}
}

func (m *meaning) classifications(p xds.Place, x *RegistryObject, name func(scheme string) (codeSink, bool)) {
	const clause = "ITI TF-3 4.2.3.1.2"
	for i := range x.Classifications {
		c := &x.Classifications[i]
		if c.ClassificationScheme == "" && c.ClassificationNode != "" {
			continue // what the package is: see packageKind
		}
		to, known := name(c.ClassificationScheme)
		p.Attribute = to.attribute
		if !known {
			p.Attribute = ""
			m.f.Metadata(p, c.ClassificationScheme, "unknown classification scheme", clause)
			continue
		}
		for _, before := range x.Classifications[:i] {
			if before.ClassificationScheme == c.ClassificationScheme && !to.several {
				m.f.Metadata(p, c.NodeRepresentation, "the classification may not be repeated", clause)
			}
		}
		if c.ClassifiedObject != x.ID {
			m.f.Metadata(p, c.ClassifiedObject, "classifiedObject is the id of the object that holds it", clause)
		}
		if to.author != nil {
			to.author(m.author(p, c))
		} else {
			to.set(m.code(p, c))
		}
	}
}

func (m *meaning) code(p xds.Place, c *RegistryObject) xds.Code {
	const clause = "ITI TF-3 4.2.3.1.2"
	code := xds.Code{Code: c.NodeRepresentation, Display: c.Name}
	if !c.hasRepresentation || c.NodeRepresentation == "" {
		m.f.Metadata(p, "", "nodeRepresentation, the code, is missing", clause)
	}
	if len(c.Name) == 0 {
		m.f.Metadata(p, c.NodeRepresentation, "the code has no Name, its display", clause)
	}
	schemes := 0
	for _, s := range c.Slots {
		if s.Name == "codingScheme" {
			schemes++
			if len(s.Values) == 1 {
				code.Scheme = s.Values[0]
			}
		}
	}
	if schemes != 1 || code.Scheme == "" {
		m.f.Metadata(p, c.NodeRepresentation, "the classification has one slot codingScheme with one value", clause)
	}
	return code
}

func (m *meaning) author(p xds.Place, c *RegistryObject) xds.Author {
	var a xds.Author
	var person string
	m.slots(p, c.Slots, func(name string) (slotSink, bool) {
		switch name {
		case "authorPerson":
			return single(&person), true
		case "authorInstitution":
			return slotSink{several: true, set: func(v []string) string {
				for _, s := range v {
					a.Institutions = append(a.Institutions, hl7.XON(s))
				}
				return ""
			}}, true
		case "authorRole":
			return list(&a.Roles), true
		case "authorSpecialty":
			return list(&a.Specialties), true
		case "authorTelecommunication":
			return slotSink{several: true, set: func(v []string) string {
				for _, s := range v {
					a.Telecoms = append(a.Telecoms, hl7.XTN(s))
				}
				return ""
			}}, true
		}
		return slotSink{}, false
	}, nil)
	a.Person = hl7.XCN(person)
	return a
}

func header(x *RegistryObject) xds.Header {
	h := xds.Header{ID: xds.ObjectID(x.ID), LogicalID: xds.ObjectID(x.LID), Home: x.Home, Status: xds.Status(x.Status)}
	if n, err := strconv.Atoi(x.VersionName); err == nil {
		h.Version = n
	}
	return h
}

// entry reads a document entry, the index-th of its submission.
func (m *meaning) entry(x *RegistryObject, index int) xds.DocumentEntry {
	e := xds.DocumentEntry{Header: header(x), Size: -1, MIMEType: x.MIMEType, Title: x.Name, Comments: x.Description}
	p := xds.Place{Kind: "DocumentEntry", Index: index, ID: e.ID}
	switch x.ObjectType {
	case typeStable:
	case typeOnDemand:
		e.OnDemand = true
	default:
		p.Attribute = "objectType"
		m.f.Metadata(p, x.ObjectType, "the object type of a stable or an on-demand document entry is due", "ITI TF-3 4.2.5.1")
		p.Attribute = ""
	}
	m.slots(p, x.Slots, func(name string) (slotSink, bool) { return m.entrySlot(&e, name) }, &e.Extra)
	m.classifications(p, x, func(scheme string) (codeSink, bool) { return entryClassification(&e, scheme) })
	m.identifiers(p, x, func(scheme string) (string, func(string)) {
		switch scheme {
		case schemeEntryPatientID:
			return "patientId", patient(&e.PatientID)
		case schemeEntryUniqueID:
			return "uniqueId", func(s string) { e.UniqueID = xds.UniqueID(m.lenient.oid(s)) }
		}
		return "", nil
	})
	return e
}

func (m *meaning) entrySlot(e *xds.DocumentEntry, name string) (slotSink, bool) {
	switch name {
	case "creationTime":
		return moment(&e.CreationTime), true
	case "serviceStartTime":
		return moment(&e.ServiceStartTime), true
	case "serviceStopTime":
		return moment(&e.ServiceStopTime), true
	case "languageCode":
		return single(&e.LanguageCode), true
	case "sourcePatientId":
		return slotSink{set: func(v []string) string { patient(&e.SourcePatientID)(v[0]); return "" }}, true
	case "sourcePatientInfo":
		return list(&e.SourcePatientInfo), true
	case "legalAuthenticator":
		return slotSink{set: func(v []string) string { e.LegalAuthenticator = hl7.XCN(v[0]); return "" }}, true
	case "hash":
		return slotSink{set: func(v []string) string { e.Hash = strings.ToLower(v[0]); return "" }}, true
	case "size":
		return slotSink{set: func(v []string) string {
			n, err := strconv.ParseInt(v[0], 10, 64)
			if err != nil || n < 0 || v[0][0] == '+' {
				e.Size = -2
				return "a number of bytes is due"
			}
			e.Size = n
			return ""
		}}, true
	case "repositoryUniqueId":
		return slotSink{set: func(v []string) string { e.RepositoryUniqueID = xds.OID(m.lenient.oid(v[0])); return "" }}, true
	case "URI":
		return slotSink{several: true, set: func(v []string) (why string) { e.URI, why = joinURI(v); return why }}, true
	case slotReferenceIDs:
		return list(&e.ReferenceIDs), true
	case "documentAvailability":
		return single(&e.DocumentAvailability), true
	}
	return slotSink{}, false
}

func entryClassification(e *xds.DocumentEntry, scheme string) (codeSink, bool) {
	switch scheme {
	case schemeEntryAuthor:
		return authorList(&e.Authors), true
	case schemeClass:
		return oneCode("classCode", &e.ClassCode), true
	case schemeConfidentiality:
		return codeList("confidentialityCode", &e.ConfidentialityCodes), true
	case schemeEvent:
		return codeList("eventCodeList", &e.EventCodes), true
	case schemeFormat:
		return oneCode("formatCode", &e.FormatCode), true
	case schemeFacilityType:
		return oneCode("healthcareFacilityTypeCode", &e.HealthcareFacilityTypeCode), true
	case schemePracticeSetting:
		return oneCode("practiceSettingCode", &e.PracticeSettingCode), true
	case schemeType:
		return oneCode("typeCode", &e.TypeCode), true
	}
	return codeSink{}, false
}

// joinURI puts a long URI together: one value, or numbered pieces 1|..., 2|... [ITI-42 4.2.3.2.27].
func joinURI(values []string) (uri, why string) {
	if len(values) == 1 && !strings.HasPrefix(values[0], "1|") {
		return values[0], ""
	}
	pieces := make([]string, len(values))
	for _, v := range values {
		num, rest, ok := strings.Cut(v, "|")
		n, err := strconv.Atoi(num)
		if !ok || err != nil || n < 1 || n > len(values) || pieces[n-1] != "" {
			return "", "the pieces of a long URI are numbered 1|, 2|, ..."
		}
		pieces[n-1] = rest
	}
	return strings.Join(pieces, ""), ""
}

// patient reads an identifier; what cannot be read is kept for the actor to refuse.
func patient(dst *hl7.CX) func(string) {
	return func(s string) {
		c, err := hl7.ParseCX(s)
		if err != nil {
			c = hl7.CX{Rest: s}
		}
		*dst = c
	}
}

func (m *meaning) set(x *RegistryObject) xds.SubmissionSet {
	s := xds.SubmissionSet{Header: header(x), Title: x.Name, Comments: x.Description}
	p := xds.Place{Kind: "SubmissionSet", ID: s.ID}
	m.slots(p, x.Slots, func(name string) (slotSink, bool) {
		switch name {
		case "submissionTime":
			return moment(&s.SubmissionTime), true
		case "intendedRecipient":
			return list(&s.IntendedRecipients), true
		}
		return slotSink{}, false
	}, &s.Extra)
	m.classifications(p, x, func(scheme string) (codeSink, bool) {
		switch scheme {
		case schemeSetAuthor:
			return authorList(&s.Authors), true
		case schemeContentType:
			return oneCode("contentTypeCode", &s.ContentTypeCode), true
		}
		return codeSink{}, false
	})
	m.identifiers(p, x, func(scheme string) (string, func(string)) {
		switch scheme {
		case schemeSetPatientID:
			return "patientId", patient(&s.PatientID)
		case schemeSetSourceID:
			return "sourceId", func(v string) { s.SourceID = xds.OID(m.lenient.oid(v)) }
		case schemeSetUniqueID:
			return "uniqueId", func(v string) { s.UniqueID = xds.UniqueID(m.lenient.oid(v)) }
		}
		return "", nil
	})
	return s
}

func (m *meaning) folder(x *RegistryObject, index int) xds.Folder {
	o := xds.Folder{Header: header(x), Title: x.Name, Comments: x.Description}
	p := xds.Place{Kind: "Folder", Index: index, ID: o.ID}
	m.slots(p, x.Slots, func(name string) (slotSink, bool) {
		return moment(&o.LastUpdateTime), name == "lastUpdateTime"
	}, &o.Extra)
	m.classifications(p, x, func(scheme string) (codeSink, bool) {
		return codeList("codeList", &o.Codes), scheme == schemeFolderCode
	})
	m.identifiers(p, x, func(scheme string) (string, func(string)) {
		switch scheme {
		case schemeFolderPatientID:
			return "patientId", patient(&o.PatientID)
		case schemeFolderUniqueID:
			return "uniqueId", func(v string) { o.UniqueID = xds.UniqueID(m.lenient.oid(v)) }
		}
		return "", nil
	})
	return o
}

func (m *meaning) association(x *RegistryObject, index int) xds.Association {
	a := xds.Association{Header: header(x), Type: xds.AssociationType(x.AssociationType), Source: xds.ObjectID(x.SourceObject), Target: xds.ObjectID(x.TargetObject)}
	p := xds.Place{Kind: "Association", Index: index, ID: a.ID}
	var original, changed string
	m.slots(p, x.Slots, func(name string) (slotSink, bool) {
		switch name {
		case "SubmissionSetStatus":
			return single(&a.Membership), true
		case "PreviousVersion":
			return single(&a.PreviousVersion), true
		case "AssociationPropagation":
			return single(&a.Propagation), true
		case "OriginalStatus":
			return single(&original), true
		case "NewStatus":
			return single(&changed), true
		}
		return slotSink{}, false
	}, &a.Extra)
	a.OriginalStatus, a.NewStatus = xds.Status(original), xds.Status(changed)
	m.classifications(p, x, func(scheme string) (codeSink, bool) {
		return oneCode("associationDocumentation", &a.Documentation), scheme == schemeAssociationDoc
	})
	for _, id := range x.ExternalIdentifiers {
		m.f.Metadata(p, id.IdentificationScheme, "an association has no external identifier", "ITI TF-3 4.2.2")
	}
	return a
}

// packageKind tells what a registry package is: a classification inside it or beside it names the node.
func (m *meaning) packageKind(x *RegistryObject) xds.Kind {
	kind := m.packages[x.ID]
	for i := range x.Classifications {
		if c := &x.Classifications[i]; c.ClassificationScheme == "" {
			if k := nodeKind(c.ClassificationNode); k != 0 {
				kind = k
			}
		}
	}
	return kind
}

func nodeKind(node string) xds.Kind {
	switch node {
	case nodeSubmissionSet:
		return xds.KindSet
	case nodeFolder:
		return xds.KindFolder
	}
	return 0
}

// submission sorts the objects of a RegistryObjectList.
func (m *meaning) submission(objects []RegistryObject) *xds.Submission {
	sub := &xds.Submission{}
	m.packages = map[string]xds.Kind{}
	for i := range objects {
		if c := &objects[i]; c.Element == "Classification" {
			if k := nodeKind(c.ClassificationNode); k != 0 {
				m.packages[c.ClassifiedObject] = k
			} else {
				m.f.Metadata(xds.Place{Kind: "Classification", ID: xds.ObjectID(c.ID)}, c.ClassificationNode,
					"outside of an object only the nodes of submission sets and folders can be classified", "ITI TF-3 4.2.1.2")
			}
		}
	}
	sets := 0
	for i := range objects {
		x := &objects[i]
		switch x.Element {
		case elementExtrinsicObject:
			sub.Entries = append(sub.Entries, m.entry(x, len(sub.Entries)+1))
		case "Association":
			sub.Associations = append(sub.Associations, m.association(x, len(sub.Associations)+1))
		case "RegistryPackage":
			switch m.packageKind(x) {
			case xds.KindSet:
				if sets++; sets == 1 {
					sub.Set = m.set(x)
				}
			case xds.KindFolder:
				sub.Folders = append(sub.Folders, m.folder(x, len(sub.Folders)+1))
			default:
				m.f.Metadata(xds.Place{Kind: "RegistryPackage", ID: xds.ObjectID(x.ID)}, "",
					"not classified as a submission set or a folder", "ITI TF-3 4.2.1.2")
			}
		}
	}
	if sets != 1 {
		m.f.Metadata(xds.Place{Kind: "SubmissionSet"}, "", fmt.Sprintf("exactly one submission set is due, %d are there", sets), "ITI TF-3 4.2.1.4")
	}
	return sub
}
