package ebxml

import (
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/xds"
)

// DecodeRegistryResponse reads an rs:RegistryResponse, or what extends it: a query:AdhocQueryResponse, of whose objects it gives the references and
// the ids of whole objects alike.
func DecodeRegistryResponse(x *xmlpull.Reader) (status xds.ResponseStatus, es xds.Errors, ids []xds.ObjectID, err error) {
	if !x.Is(NSRS, "RegistryResponse") && !x.Is(NSQuery, "AdhocQueryResponse") {
		return "", nil, nil, &RequestError{x.Line(), "a RegistryResponse is due"}
	}
	s, _ := x.Attr("status")
	status = xds.ResponseStatus(s)
	err = x.Children(func() error {
		switch {
		case x.Is(NSRS, "RegistryErrorList"):
			return x.Children(func() error {
				es = append(es, registryError(x))
				return x.Skip()
			})
		case x.Is(NSRIM, "RegistryObjectList"):
			return x.Children(func() error {
				id, _ := x.Attr("id")
				ids = append(ids, xds.ObjectID(id))
				return x.Skip()
			})
		}
		return x.Skip()
	})
	return status, es, ids, err
}

func registryError(x *xmlpull.Reader) *xds.Error {
	e := &xds.Error{}
	for _, a := range x.Attrs() {
		switch a.Name.Local {
		case "errorCode":
			e.Code = xds.ErrorCode(a.Value)
		case "codeContext":
			e.Context = a.Value
		case "location":
			e.Location = a.Value
		case "severity":
			e.Warning = a.Value == severityWarning
		}
	}
	return e
}

// AppendAdhocQuery appends a query:AdhocQueryRequest for a stored query with its parameters as they stand on the wire.
func AppendAdhocQuery(b []byte, id, returnType string, params []xds.Slot) []byte {
	b = append(b, `<query:AdhocQueryRequest xmlns:query="`+NSQuery+`" xmlns:rim="`+NSRIM+`"><query:ResponseOption returnType="`...)
	b = xmlpull.AppendAttr(b, returnType)
	b = append(b, `" returnComposedObjects="true"/><rim:AdhocQuery id="`...)
	b = xmlpull.AppendAttr(b, id)
	b = append(b, `">`...)
	b = appendExtra(b, params)
	return append(b, `</rim:AdhocQuery></query:AdhocQueryRequest>`...)
}

// AppendRetrieveDocumentSet appends an xdsb:RetrieveDocumentSetRequest.
func AppendRetrieveDocumentSet(b []byte, reqs []xds.DocumentRequest) []byte {
	b = append(b, `<xdsb:RetrieveDocumentSetRequest xmlns:xdsb="`+NSXDSB+`">`...)
	for _, q := range reqs {
		b = append(b, `<xdsb:DocumentRequest>`...)
		if q.HomeCommunityID != "" {
			b = xmlpull.AppendElement(b, "xdsb:HomeCommunityId", q.HomeCommunityID)
		}
		b = xmlpull.AppendElement(b, "xdsb:RepositoryUniqueId", string(q.RepositoryUniqueID))
		b = xmlpull.AppendElement(b, "xdsb:DocumentUniqueId", string(q.UniqueID))
		b = append(b, `</xdsb:DocumentRequest>`...)
	}
	return append(b, `</xdsb:RetrieveDocumentSetRequest>`...)
}
