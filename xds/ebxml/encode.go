package ebxml

import (
	"strconv"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/xds"
)

// Encoding appends text instead of marshalling structures: an answer of 20 entries is 120 KB of mostly constant text, and this is the
// difference between a tenth of the machine and all of it (docs/decisions/0003).

// AppendObject appends one object as ebRIM with prefix rim:, which the caller declares.
func AppendObject(b []byte, o *xds.Object) []byte {
	if text := o.Wire.Text(); text != nil {
		return append(b, text...)
	}
	from := len(b)
	b = appendObject(b, o)
	o.Wire.Keep(b[from:])
	return b
}

func appendObject(b []byte, o *xds.Object) []byte {
	switch o.Kind() {
	case xds.KindEntry:
		return AppendEntry(b, o.Entry)
	case xds.KindSet:
		return appendSet(b, o.Set)
	case xds.KindFolder:
		return appendFolder(b, o.Folder)
	case xds.KindAssociation:
		return AppendAssociation(b, o.Association)
	}
	return b
}

// AppendEntry appends a document entry as rim:ExtrinsicObject [ITI-18 4.2.1.1].
func AppendEntry(b []byte, e *xds.DocumentEntry) []byte {
	b = append(b, `<rim:ExtrinsicObject id="`...)
	b = appendHeader(b, &e.Header)
	b = append(b, ` objectType="`...)
	if e.OnDemand {
		b = append(b, typeOnDemand...)
	} else {
		b = append(b, typeStable...)
	}
	b = append(b, `" mimeType="`...)
	b = xmlpull.AppendAttr(b, e.MIMEType)
	b = append(b, `">`...)
	b = appendEntrySlots(b, e)
	b = appendNames(b, e.Title, e.Comments, e.Version)
	n := newNames(e.ID)
	for i := range e.Authors {
		b = appendAuthor(b, schemeEntryAuthor, &e.Authors[i], n.next(), e.ID)
	}
	b = appendCode(b, schemeClass, &e.ClassCode, n.next(), e.ID)
	for i := range e.ConfidentialityCodes {
		b = appendCode(b, schemeConfidentiality, &e.ConfidentialityCodes[i], n.next(), e.ID)
	}
	for i := range e.EventCodes {
		b = appendCode(b, schemeEvent, &e.EventCodes[i], n.next(), e.ID)
	}
	b = appendCode(b, schemeFormat, &e.FormatCode, n.next(), e.ID)
	b = appendCode(b, schemeFacilityType, &e.HealthcareFacilityTypeCode, n.next(), e.ID)
	b = appendCode(b, schemePracticeSetting, &e.PracticeSettingCode, n.next(), e.ID)
	b = appendCode(b, schemeType, &e.TypeCode, n.next(), e.ID)
	b = appendIdentifier(b, schemeEntryPatientID, "XDSDocumentEntry.patientId", e.PatientID.String(), n.next(), e.ID)
	b = appendIdentifier(b, schemeEntryUniqueID, "XDSDocumentEntry.uniqueId", string(e.UniqueID), n.next(), e.ID)
	return append(b, `</rim:ExtrinsicObject>`...)
}

func appendEntrySlots(b []byte, e *xds.DocumentEntry) []byte {
	b = appendSlot(b, "creationTime", string(e.CreationTime))
	b = appendSlot(b, "languageCode", e.LanguageCode)
	b = appendSlot(b, "legalAuthenticator", string(e.LegalAuthenticator))
	b = appendSlot(b, "serviceStartTime", string(e.ServiceStartTime))
	b = appendSlot(b, "serviceStopTime", string(e.ServiceStopTime))
	if !e.SourcePatientID.IsZero() {
		b = appendSlot(b, "sourcePatientId", e.SourcePatientID.String())
	}
	b = appendSlot(b, "sourcePatientInfo", e.SourcePatientInfo...)
	b = appendSlot(b, "hash", e.Hash)
	if e.Size >= 0 {
		b = append(b, `<rim:Slot name="size"><rim:ValueList><rim:Value>`...)
		b = strconv.AppendInt(b, e.Size, 10)
		b = append(b, `</rim:Value></rim:ValueList></rim:Slot>`...)
	}
	b = appendSlot(b, "repositoryUniqueId", string(e.RepositoryUniqueID))
	b = appendSlot(b, "URI", splitURI(e.URI)...)
	b = appendSlot(b, slotReferenceIDs, e.ReferenceIDs...)
	b = appendSlot(b, "documentAvailability", e.DocumentAvailability)
	return appendExtra(b, e.Extra)
}

// splitURI cuts a URI that a LongName cannot hold into numbered pieces.
func splitURI(uri string) []string {
	const most = 128
	if len(uri) <= most {
		return []string{uri}
	}
	var pieces []string
	for n := 1; uri != ""; n++ {
		cut := min(most, len(uri))
		pieces = append(pieces, strconv.Itoa(n)+"|"+uri[:cut])
		uri = uri[cut:]
	}
	return pieces
}

func appendSet(b []byte, s *xds.SubmissionSet) []byte {
	b = append(b, `<rim:RegistryPackage id="`...)
	b = appendHeader(b, &s.Header)
	b = append(b, ` objectType="`+typeOfPackage+`">`...)
	b = appendSlot(b, "submissionTime", string(s.SubmissionTime))
	b = appendSlot(b, "intendedRecipient", s.IntendedRecipients...)
	b = appendExtra(b, s.Extra)
	b = appendNames(b, s.Title, s.Comments, s.Version)
	n := newNames(s.ID)
	b = appendNode(b, nodeSubmissionSet, n.next(), s.ID)
	for i := range s.Authors {
		b = appendAuthor(b, schemeSetAuthor, &s.Authors[i], n.next(), s.ID)
	}
	b = appendCode(b, schemeContentType, &s.ContentTypeCode, n.next(), s.ID)
	b = appendIdentifier(b, schemeSetPatientID, "XDSSubmissionSet.patientId", s.PatientID.String(), n.next(), s.ID)
	b = appendIdentifier(b, schemeSetSourceID, "XDSSubmissionSet.sourceId", string(s.SourceID), n.next(), s.ID)
	b = appendIdentifier(b, schemeSetUniqueID, "XDSSubmissionSet.uniqueId", string(s.UniqueID), n.next(), s.ID)
	return append(b, `</rim:RegistryPackage>`...)
}

func appendFolder(b []byte, f *xds.Folder) []byte {
	b = append(b, `<rim:RegistryPackage id="`...)
	b = appendHeader(b, &f.Header)
	b = append(b, ` objectType="`+typeOfPackage+`">`...)
	b = appendSlot(b, "lastUpdateTime", string(f.LastUpdateTime))
	b = appendExtra(b, f.Extra)
	b = appendNames(b, f.Title, f.Comments, f.Version)
	n := newNames(f.ID)
	b = appendNode(b, nodeFolder, n.next(), f.ID)
	for i := range f.Codes {
		b = appendCode(b, schemeFolderCode, &f.Codes[i], n.next(), f.ID)
	}
	b = appendIdentifier(b, schemeFolderPatientID, "XDSFolder.patientId", f.PatientID.String(), n.next(), f.ID)
	b = appendIdentifier(b, schemeFolderUniqueID, "XDSFolder.uniqueId", string(f.UniqueID), n.next(), f.ID)
	return append(b, `</rim:RegistryPackage>`...)
}

// AppendAssociation appends a rim:Association [ITI-18 4.2.2].
func AppendAssociation(b []byte, a *xds.Association) []byte {
	b = append(b, `<rim:Association id="`...)
	b = appendHeader(b, &a.Header)
	b = append(b, ` objectType="`+typeOfAssociation+`" associationType="`...)
	b = xmlpull.AppendAttr(b, string(a.Type))
	b = append(b, `" sourceObject="`...)
	b = xmlpull.AppendAttr(b, string(a.Source))
	b = append(b, `" targetObject="`...)
	b = xmlpull.AppendAttr(b, string(a.Target))
	b = append(b, `">`...)
	b = appendSlot(b, "SubmissionSetStatus", a.Membership)
	b = appendSlot(b, "PreviousVersion", a.PreviousVersion)
	b = appendSlot(b, "AssociationPropagation", a.Propagation)
	b = appendSlot(b, "OriginalStatus", string(a.OriginalStatus))
	b = appendSlot(b, "NewStatus", string(a.NewStatus))
	b = appendExtra(b, a.Extra)
	b = appendNames(b, nil, nil, a.Version)
	if !a.Documentation.IsZero() {
		n := newNames(a.ID)
		b = appendCode(b, schemeAssociationDoc, &a.Documentation, n.next(), a.ID)
	}
	return append(b, `</rim:Association>`...)
}

// appendHeader closes the id attribute and adds those all objects share.
func appendHeader(b []byte, h *xds.Header) []byte {
	b = xmlpull.AppendAttr(b, string(h.ID))
	if h.LogicalID != "" {
		b = append(b, `" lid="`...)
		b = xmlpull.AppendAttr(b, string(h.LogicalID))
	}
	if h.Status != "" {
		b = append(b, `" status="`...)
		b = xmlpull.AppendAttr(b, string(h.Status))
	}
	if h.Home != "" {
		b = append(b, `" home="`...)
		b = xmlpull.AppendAttr(b, h.Home)
	}
	return append(b, '"')
}

// appendSlot appends a slot; one without values is left out.
func appendSlot(b []byte, name string, values ...string) []byte {
	if len(values) == 0 || len(values) == 1 && values[0] == "" {
		return b
	}
	b = append(b, `<rim:Slot name="`...)
	b = xmlpull.AppendAttr(b, name)
	b = append(b, `"><rim:ValueList>`...)
	for _, v := range values {
		b = append(b, `<rim:Value>`...)
		b = xmlpull.AppendText(b, v)
		b = append(b, `</rim:Value>`...)
	}
	return append(b, `</rim:ValueList></rim:Slot>`...)
}

func appendExtra(b []byte, slots []xds.Slot) []byte {
	for _, s := range slots {
		b = appendSlot(b, s.Name, s.Values...)
	}
	return b
}

func appendNames(b []byte, name, description xds.Text, version int) []byte {
	if len(name) > 0 {
		b = append(b, `<rim:Name>`...)
		b = appendText(b, name)
		b = append(b, `</rim:Name>`...)
	}
	if len(description) > 0 {
		b = append(b, `<rim:Description>`...)
		b = appendText(b, description)
		b = append(b, `</rim:Description>`...)
	}
	if version > 0 {
		b = append(b, `<rim:VersionInfo versionName="`...)
		b = strconv.AppendInt(b, int64(version), 10)
		b = append(b, `"/>`...)
	}
	return b
}

func appendText(b []byte, t xds.Text) []byte {
	for _, l := range t {
		b = append(b, `<rim:LocalizedString`...)
		if l.Lang != "" {
			b = append(b, ` xml:lang="`...)
			b = xmlpull.AppendAttr(b, l.Lang)
			b = append(b, '"')
		}
		if l.Charset != "" {
			b = append(b, ` charset="`...)
			b = xmlpull.AppendAttr(b, l.Charset)
			b = append(b, '"')
		}
		b = append(b, ` value="`...)
		b = xmlpull.AppendAttr(b, l.Value)
		b = append(b, `"/>`...)
	}
	return b
}

// appendClassification begins a classification up to its representation.
func appendClassification(b []byte, scheme, representation string, id []byte, of xds.ObjectID) []byte {
	b = append(b, `<rim:Classification classificationScheme="`...)
	b = append(b, scheme...)
	b = append(b, `" classifiedObject="`...)
	b = xmlpull.AppendAttr(b, string(of))
	b = append(b, `" nodeRepresentation="`...)
	b = xmlpull.AppendAttr(b, representation)
	b = append(b, `" objectType="`+typeOfClassification+`" id="`...)
	b = append(b, id...)
	return append(b, `">`...)
}

func appendCode(b []byte, scheme string, c *xds.Code, id []byte, of xds.ObjectID) []byte {
	if c.IsZero() {
		return b
	}
	b = appendClassification(b, scheme, c.Code, id, of)
	b = appendSlot(b, "codingScheme", c.Scheme)
	b = append(b, `<rim:Name>`...)
	b = appendText(b, c.Display)
	return append(b, `</rim:Name></rim:Classification>`...)
}

func appendAuthor(b []byte, scheme string, a *xds.Author, id []byte, of xds.ObjectID) []byte {
	b = appendClassification(b, scheme, "", id, of)
	b = appendSlot(b, "authorPerson", string(a.Person))
	b = appendSlot(b, "authorInstitution", texts(a.Institutions)...)
	b = appendSlot(b, "authorRole", a.Roles...)
	b = appendSlot(b, "authorSpecialty", a.Specialties...)
	b = appendSlot(b, "authorTelecommunication", texts(a.Telecoms)...)
	return append(b, `</rim:Classification>`...)
}

func texts[T hl7.XON | hl7.XTN](list []T) []string {
	if len(list) == 0 {
		return nil
	}
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

func appendNode(b []byte, node string, id []byte, of xds.ObjectID) []byte {
	b = append(b, `<rim:Classification classificationNode="`...)
	b = append(b, node...)
	b = append(b, `" classifiedObject="`...)
	b = xmlpull.AppendAttr(b, string(of))
	b = append(b, `" objectType="`+typeOfClassification+`" id="`...)
	b = append(b, id...)
	return append(b, `"/>`...)
}

func appendIdentifier(b []byte, scheme, name, value string, id []byte, of xds.ObjectID) []byte {
	b = append(b, `<rim:ExternalIdentifier identificationScheme="`...)
	b = append(b, scheme...)
	b = append(b, `" registryObject="`...)
	b = xmlpull.AppendAttr(b, string(of))
	b = append(b, `" value="`...)
	b = xmlpull.AppendAttr(b, value)
	b = append(b, `" objectType="`+typeOfIdentifier+`" id="`...)
	b = append(b, id...)
	b = append(b, `"><rim:Name><rim:LocalizedString value="`...)
	b = append(b, name...)
	return append(b, `"/></rim:Name></rim:ExternalIdentifier>`...)
}

// names makes the ids of an object's parts. They have no meaning and are not stored: they follow from the object's id, so that the same
// object always prints the same.
type names struct {
	n    int
	base [len(xds.UUIDPrefix) + 36]byte
	text []byte // for an id that is no UUID
}

func newNames(of xds.ObjectID) *names {
	n := &names{}
	if xds.ValidUUID(string(of)) {
		copy(n.base[:], of)
		n.base[len(xds.UUIDPrefix)+14] = '8' // a UUID of version 8: made by its own rule
		return n
	}
	n.text = xmlpull.AppendAttr(nil, string(of))
	return n
}

// next is good until the next call.
func (n *names) next() []byte {
	n.n++
	if n.text != nil {
		return strconv.AppendInt(append(n.text[:len(n.text):len(n.text)], '.'), int64(n.n), 10)
	}
	const hex = "0123456789abcdef"
	at := len(xds.UUIDPrefix) + 9 // the second group counts
	for i, shift := 0, 12; i < 4; i, shift = i+1, shift-4 {
		n.base[at+i] = hex[n.n>>shift&15]
	}
	return n.base[:]
}
