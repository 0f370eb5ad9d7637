package bolt

import (
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/xds"
)

func appendObject(b []byte, o xds.Object) []byte {
	e := &encoder{b: append(b, codecVersion, byte(o.Kind()))}
	if h := o.Header(); h != nil {
		encodeHeader(e, h)
	}
	switch o.Kind() {
	case xds.KindEntry:
		encodeEntry(e, o.Entry)
	case xds.KindSet:
		encodeSet(e, o.Set)
	case xds.KindFolder:
		encodeFolder(e, o.Folder)
	case xds.KindAssociation:
		encodeAssociation(e, o.Association)
	}
	return e.b
}

func decodeObject[T []byte | string](value T) (xds.Object, error) {
	d := newDecoder(value)
	var o xds.Object
	switch xds.Kind(d.byte()) {
	case xds.KindEntry:
		o.Entry = &xds.DocumentEntry{}
		decodeHeader(d, &o.Entry.Header)
		decodeEntry(d, o.Entry)
	case xds.KindSet:
		o.Set = &xds.SubmissionSet{}
		decodeHeader(d, &o.Set.Header)
		decodeSet(d, o.Set)
	case xds.KindFolder:
		o.Folder = &xds.Folder{}
		decodeHeader(d, &o.Folder.Header)
		decodeFolder(d, o.Folder)
	case xds.KindAssociation:
		o.Association = &xds.Association{}
		decodeHeader(d, &o.Association.Header)
		decodeAssociation(d, o.Association)
	default:
		d.fail()
	}
	return o, d.end()
}

func encodeHeader(e *encoder, h *xds.Header) {
	e.str(string(h.ID))
	first := h.LogicalID == h.ID
	e.bool(first)
	if !first {
		e.str(string(h.LogicalID))
	}
	e.int(int64(h.Version))
	e.word(string(h.Status))
	e.str(h.Home)
	encodeList(e, h.Extra, func(e *encoder, s *xds.Slot) {
		e.str(s.Name)
		encodeStrings(e, s.Values)
	})
}

func decodeHeader(d *decoder, h *xds.Header) {
	h.ID = xds.ObjectID(d.str())
	h.LogicalID = h.ID
	if !d.bool() {
		h.LogicalID = xds.ObjectID(d.str())
	}
	h.Version = int(d.int())
	h.Status = xds.Status(d.word())
	h.Home = d.str()
	h.Extra = decodeList(d, 2, func(d *decoder, s *xds.Slot) {
		s.Name = d.str()
		s.Values = decodeStrings[string](d)
	})
}

func encodeText(e *encoder, t xds.Text) {
	encodeList(e, t, func(e *encoder, s *xds.LocalizedString) {
		e.str(s.Lang)
		e.str(s.Charset)
		e.str(s.Value)
	})
}

func decodeText(d *decoder) xds.Text {
	return decodeList(d, 3, func(d *decoder, s *xds.LocalizedString) {
		s.Lang = d.str()
		s.Charset = d.str()
		s.Value = d.str()
	})
}

func encodeCode(e *encoder, c *xds.Code) {
	e.str(c.Code)
	e.str(c.Scheme)
	encodeText(e, c.Display)
}

func decodeCode(d *decoder, c *xds.Code) {
	c.Code = d.str()
	c.Scheme = d.str()
	c.Display = decodeText(d)
}

func encodeAuthor(e *encoder, a *xds.Author) {
	e.str(string(a.Person))
	encodeStrings(e, a.Institutions)
	encodeStrings(e, a.Roles)
	encodeStrings(e, a.Specialties)
	encodeStrings(e, a.Telecoms)
}

func decodeAuthor(d *decoder, a *xds.Author) {
	a.Person = hl7.XCN(d.str())
	a.Institutions = decodeStrings[hl7.XON](d)
	a.Roles = decodeStrings[string](d)
	a.Specialties = decodeStrings[string](d)
	a.Telecoms = decodeStrings[hl7.XTN](d)
}

// codesOf lists the single codes of an entry in the order they are written.
func codesOf(x *xds.DocumentEntry) [5]*xds.Code {
	return [5]*xds.Code{&x.ClassCode, &x.TypeCode, &x.FormatCode, &x.HealthcareFacilityTypeCode, &x.PracticeSettingCode}
}

func encodeEntry(e *encoder, x *xds.DocumentEntry) {
	e.bool(x.OnDemand)
	e.str(string(x.UniqueID))
	encodeCX(e, &x.PatientID)
	encodeCX(e, &x.SourcePatientID)
	encodeStrings(e, x.SourcePatientInfo)
	for _, c := range codesOf(x) {
		encodeCode(e, c)
	}
	encodeList(e, x.ConfidentialityCodes, encodeCode)
	encodeList(e, x.EventCodes, encodeCode)
	e.str(string(x.CreationTime))
	e.str(string(x.ServiceStartTime))
	e.str(string(x.ServiceStopTime))
	e.str(x.LanguageCode)
	e.str(string(x.LegalAuthenticator))
	encodeList(e, x.Authors, encodeAuthor)
	encodeText(e, x.Title)
	encodeText(e, x.Comments)
	e.str(x.Hash)
	e.int(x.Size)
	e.str(x.MIMEType)
	e.str(x.URI)
	e.str(string(x.RepositoryUniqueID))
	encodeStrings(e, x.ReferenceIDs)
	e.str(x.DocumentAvailability)
}

func decodeEntry(d *decoder, x *xds.DocumentEntry) {
	x.OnDemand = d.bool()
	x.UniqueID = xds.UniqueID(d.str())
	decodeCX(d, &x.PatientID)
	decodeCX(d, &x.SourcePatientID)
	x.SourcePatientInfo = decodeStrings[string](d)
	for _, c := range codesOf(x) {
		decodeCode(d, c)
	}
	x.ConfidentialityCodes = decodeList(d, 3, decodeCode)
	x.EventCodes = decodeList(d, 3, decodeCode)
	x.CreationTime = hl7.DTM(d.str())
	x.ServiceStartTime = hl7.DTM(d.str())
	x.ServiceStopTime = hl7.DTM(d.str())
	x.LanguageCode = d.str()
	x.LegalAuthenticator = hl7.XCN(d.str())
	x.Authors = decodeList(d, 5, decodeAuthor)
	x.Title = decodeText(d)
	x.Comments = decodeText(d)
	x.Hash = d.str()
	x.Size = d.int()
	x.MIMEType = d.str()
	x.URI = d.str()
	x.RepositoryUniqueID = xds.OID(d.str())
	x.ReferenceIDs = decodeStrings[string](d)
	x.DocumentAvailability = d.str()
}

func encodeSet(e *encoder, x *xds.SubmissionSet) {
	e.str(string(x.UniqueID))
	e.str(string(x.SourceID))
	encodeCX(e, &x.PatientID)
	e.str(string(x.SubmissionTime))
	encodeCode(e, &x.ContentTypeCode)
	encodeList(e, x.Authors, encodeAuthor)
	encodeStrings(e, x.IntendedRecipients)
	encodeText(e, x.Title)
	encodeText(e, x.Comments)
}

func decodeSet(d *decoder, x *xds.SubmissionSet) {
	x.UniqueID = xds.UniqueID(d.str())
	x.SourceID = xds.OID(d.str())
	decodeCX(d, &x.PatientID)
	x.SubmissionTime = hl7.DTM(d.str())
	decodeCode(d, &x.ContentTypeCode)
	x.Authors = decodeList(d, 5, decodeAuthor)
	x.IntendedRecipients = decodeStrings[string](d)
	x.Title = decodeText(d)
	x.Comments = decodeText(d)
}

func encodeFolder(e *encoder, x *xds.Folder) {
	e.str(string(x.UniqueID))
	encodeCX(e, &x.PatientID)
	encodeList(e, x.Codes, encodeCode)
	e.str(string(x.LastUpdateTime))
	encodeText(e, x.Title)
	encodeText(e, x.Comments)
}

func decodeFolder(d *decoder, x *xds.Folder) {
	x.UniqueID = xds.UniqueID(d.str())
	decodeCX(d, &x.PatientID)
	x.Codes = decodeList(d, 3, decodeCode)
	x.LastUpdateTime = hl7.DTM(d.str())
	x.Title = decodeText(d)
	x.Comments = decodeText(d)
}

func encodeAssociation(e *encoder, x *xds.Association) {
	e.word(string(x.Type))
	e.str(string(x.Source))
	e.str(string(x.Target))
	e.str(x.Membership)
	e.str(x.PreviousVersion)
	e.word(string(x.OriginalStatus))
	e.word(string(x.NewStatus))
	encodeCode(e, &x.Documentation)
}

func decodeAssociation(d *decoder, x *xds.Association) {
	x.Type = xds.AssociationType(d.word())
	x.Source = xds.ObjectID(d.str())
	x.Target = xds.ObjectID(d.str())
	x.Membership = d.str()
	x.PreviousVersion = d.str()
	x.OriginalStatus = xds.Status(d.word())
	x.NewStatus = xds.Status(d.word())
	decodeCode(d, &x.Documentation)
}
