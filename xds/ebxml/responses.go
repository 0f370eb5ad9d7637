package ebxml

import (
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/xds"
)

// Outcome is Failure when something of severity error was found.
func Outcome(es xds.Errors) xds.ResponseStatus {
	if es.Err() != nil {
		return xds.Failure
	}
	return xds.Success
}

// AppendRegistryResponse appends an rs:RegistryResponse with everything found [ITI-42 3.42.4.2.2].
func AppendRegistryResponse(b []byte, status xds.ResponseStatus, es xds.Errors) []byte {
	b = append(b, `<rs:RegistryResponse xmlns:rs="`+NSRS+`" status="`...)
	b = append(b, status...)
	if len(es) == 0 {
		return append(b, `"/>`...)
	}
	b = append(b, `">`...)
	b = appendErrorList(b, es)
	return append(b, `</rs:RegistryResponse>`...)
}

func appendErrorList(b []byte, es xds.Errors) []byte {
	if len(es) == 0 {
		return b
	}
	highest := severityWarning
	if es.Err() != nil {
		highest = severityError
	}
	b = append(b, `<rs:RegistryErrorList highestSeverity="`...)
	b = append(b, highest...)
	b = append(b, `">`...)
	for _, e := range es {
		severity := severityError
		if e.Warning {
			severity = severityWarning
		}
		b = append(b, `<rs:RegistryError errorCode="`...)
		b = xmlpull.AppendAttr(b, string(e.Code))
		b = append(b, `" codeContext="`...)
		b = xmlpull.AppendAttr(b, e.Context)
		b = append(b, `" location="`...)
		b = xmlpull.AppendAttr(b, e.Location)
		b = append(b, `" severity="`...)
		b = append(b, severity...)
		b = append(b, `"/>`...)
	}
	return append(b, `</rs:RegistryErrorList>`...)
}

// AppendQueryResponse appends a query:AdhocQueryResponse: whole objects, or references when refs is not nil [ITI-18 3.18.4.1.2.6].
func AppendQueryResponse(b []byte, es xds.Errors, objects []xds.Object, refs []xds.ObjectID, home string) []byte {
	b = append(b, `<query:AdhocQueryResponse xmlns:query="`+NSQuery+`" xmlns:rs="`+NSRS+`" xmlns:rim="`+NSRIM+`" status="`...)
	b = append(b, Outcome(es)...)
	b = append(b, `">`...)
	b = appendErrorList(b, es)
	if len(objects) == 0 && len(refs) == 0 {
		return append(b, `<rim:RegistryObjectList/></query:AdhocQueryResponse>`...)
	}
	b = append(b, `<rim:RegistryObjectList>`...)
	for i := range objects {
		b = AppendObject(b, &objects[i])
	}
	for _, id := range refs {
		b = append(b, `<rim:ObjectRef id="`...)
		b = xmlpull.AppendAttr(b, string(id))
		if home != "" {
			b = append(b, `" home="`...)
			b = xmlpull.AppendAttr(b, home)
		}
		b = append(b, `"/>`...)
	}
	return append(b, `</rim:RegistryObjectList></query:AdhocQueryResponse>`...)
}

// DocumentResponse announces one document of an ITI-43 answer: its bytes are in the part CID, or inline when CID is empty.
type DocumentResponse struct {
	HomeCommunityID    string
	RepositoryUniqueID xds.OID
	DocumentUniqueID   xds.UniqueID
	MIMEType           string
	CID                string
	Inline             []byte // base64 text
}

// AppendRetrieveResponse appends an xdsb:RetrieveDocumentSetResponse [ITI-43 3.43.4.2.2].
func AppendRetrieveResponse(b []byte, status xds.ResponseStatus, es xds.Errors, docs []DocumentResponse) []byte {
	b = append(b, `<xdsb:RetrieveDocumentSetResponse xmlns:xdsb="`+NSXDSB+`">`...)
	b = AppendRegistryResponse(b, status, es)
	for _, d := range docs {
		b = append(b, `<xdsb:DocumentResponse>`...)
		if d.HomeCommunityID != "" {
			b = xmlpull.AppendElement(b, "xdsb:HomeCommunityId", d.HomeCommunityID)
		}
		b = xmlpull.AppendElement(b, "xdsb:RepositoryUniqueId", string(d.RepositoryUniqueID))
		b = xmlpull.AppendElement(b, "xdsb:DocumentUniqueId", string(d.DocumentUniqueID))
		b = xmlpull.AppendElement(b, "xdsb:mimeType", d.MIMEType)
		if d.CID == "" {
			b = append(b, `<xdsb:Document>`...)
			b = append(b, d.Inline...)
			b = append(b, `</xdsb:Document></xdsb:DocumentResponse>`...)
			continue
		}
		b = append(b, `<xdsb:Document><xop:Include xmlns:xop="`+NSXOP+`" href="cid:`...)
		b = xmlpull.AppendAttr(b, d.CID)
		b = append(b, `"/></xdsb:Document></xdsb:DocumentResponse>`...)
	}
	return append(b, `</xdsb:RetrieveDocumentSetResponse>`...)
}

// AppendSubmitObjects appends an lcm:SubmitObjectsRequest [ITI-42 3.42.4.1.2].
func AppendSubmitObjects(b []byte, sub *xds.Submission) []byte {
	b = append(b, `<lcm:SubmitObjectsRequest xmlns:lcm="`+NSLCM+`" xmlns:rim="`+NSRIM+`"><rim:RegistryObjectList>`...)
	for i := range sub.Entries {
		b = AppendEntry(b, &sub.Entries[i])
	}
	b = appendSet(b, &sub.Set)
	for i := range sub.Folders {
		b = appendFolder(b, &sub.Folders[i])
	}
	for i := range sub.Associations {
		b = AppendAssociation(b, &sub.Associations[i])
	}
	return append(b, `</rim:RegistryObjectList></lcm:SubmitObjectsRequest>`...)
}

// AppendProvideAndRegister appends an xdsb:ProvideAndRegisterDocumentSetRequest whose documents are in parts named by cid [ITI-41 3.41.4.1.2].
func AppendProvideAndRegister(b []byte, sub *xds.Submission, cid func(entry xds.ObjectID) string) []byte {
	b = append(b, `<xdsb:ProvideAndRegisterDocumentSetRequest xmlns:xdsb="`+NSXDSB+`">`...)
	b = AppendSubmitObjects(b, sub)
	for i := range sub.Entries {
		b = append(b, `<xdsb:Document id="`...)
		b = xmlpull.AppendAttr(b, string(sub.Entries[i].ID))
		b = append(b, `"><xop:Include xmlns:xop="`+NSXOP+`" href="cid:`...)
		b = xmlpull.AppendAttr(b, cid(sub.Entries[i].ID))
		b = append(b, `"/></xdsb:Document>`...)
	}
	return append(b, `</xdsb:ProvideAndRegisterDocumentSetRequest>`...)
}
