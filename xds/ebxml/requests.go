package ebxml

import (
	"fmt"
	"strings"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/xds"
)

// RequestError tells that a body is not the request it should be; Doubt of the decoded request is then meaningless and the schema will say more.
type RequestError struct {
	Line   int
	Reason string
}

// Error gives the line and the reason.
func (e *RequestError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Reason) }

// DecodeSubmitObjects reads the lcm:SubmitObjectsRequest on whose Start x stands [ITI-42 3.42.4.1.2]. Faults of its form go to Submission.Faults, under
// the code fault. doubt tells that the schema validator should judge the message.
func DecodeSubmitObjects(x *xmlpull.Reader, fault xds.ErrorCode, l Lenient) (sub *xds.Submission, doubt bool, err error) {
	r := &reader{Reader: x, lenient: l}
	sub, err = r.submitObjects(fault, l)
	return sub, r.doubt, err
}

func (r *reader) submitObjects(fault xds.ErrorCode, l Lenient) (*xds.Submission, error) {
	if !r.Is(NSLCM, "SubmitObjectsRequest") {
		return nil, &RequestError{r.Line(), "lcm:SubmitObjectsRequest is due"}
	}
	r.requestAttributes()
	var objects []RegistryObject
	lists := 0
	err := r.Children(func() error {
		if !r.Is(NSRIM, "RegistryObjectList") {
			r.doubt = true // RequestSlotList, or something out of place
			return r.Skip()
		}
		lists++
		r.doubt = r.doubt || len(r.Attrs()) > 0
		return r.Children(func() error {
			switch r.Local() {
			case elementExtrinsicObject, "RegistryPackage", "Association", "Classification":
				o, err := r.object("")
				objects = append(objects, o)
				return err
			}
			r.doubt = r.doubt || !r.Is(NSRIM, "ObjectRef")
			return r.objectRef()
		})
	})
	if err != nil {
		return nil, err
	}
	r.doubt = r.doubt || lists != 1
	m := meaning{f: &xds.Findings{MetadataError: fault}, lenient: l}
	sub := m.submission(objects)
	sub.Faults = m.f.List
	return sub, nil
}

// objectRef passes over a rim:ObjectRef: it declares what an association names and says nothing more.
func (r *reader) objectRef() error {
	id, ok := r.Attr("id")
	r.doubt = r.doubt || !ok || !plainURI(id) || len(r.Attrs()) > 1
	return r.empty()
}

// requestAttributes checks the attributes of an rs:RegistryRequestType.
func (r *reader) requestAttributes() {
	for _, a := range r.Attrs() {
		switch {
		case a.Name.Space == "" && a.Name.Local == "id" && plainURI(a.Value):
		case a.Name.Space == "" && a.Name.Local == "comment":
		default:
			r.doubt = true
		}
	}
}

// ProvideAndRegisterRequest is what ITI-41 brings: metadata, and for each document the id of its entry and where its bytes are.
type ProvideAndRegisterRequest struct {
	Submission *xds.Submission
	Documents  []Document
}

// Document is an xdsb:Document: its bytes are in the part CID, or inline as base64 text.
type Document struct {
	ID     xds.ObjectID
	CID    string // without cid:, as written
	Inline string
	XOP    bool
}

// DecodeProvideAndRegister reads the body of an ITI-41 request [ITI-41 3.41.4.1.2].
func DecodeProvideAndRegister(x *xmlpull.Reader, fault xds.ErrorCode, l Lenient) (req *ProvideAndRegisterRequest, doubt bool, err error) {
	r := &reader{Reader: x}
	if !r.Is(NSXDSB, "ProvideAndRegisterDocumentSetRequest") {
		return nil, false, &RequestError{r.Line(), "xdsb:ProvideAndRegisterDocumentSetRequest is due"}
	}
	r.doubt = len(r.Attrs()) > 0
	req = &ProvideAndRegisterRequest{}
	err = r.Children(func() error {
		switch {
		case r.Is(NSLCM, "SubmitObjectsRequest"):
			r.doubt = r.doubt || req.Submission != nil || len(req.Documents) > 0
			sub, err := r.submitObjects(fault, l)
			req.Submission = sub
			return err
		case r.Is(NSXDSB, "Document"):
			d, err := r.document()
			req.Documents = append(req.Documents, d)
			return err
		}
		r.doubt = true
		return r.Skip()
	})
	if err == nil && req.Submission == nil {
		err = &RequestError{r.Line(), "lcm:SubmitObjectsRequest is missing"}
	}
	return req, r.doubt, err
}

// document reads an xdsb:Document: base64 text, or one xop:Include instead.
func (r *reader) document() (Document, error) {
	id, ok := r.Attr("id")
	d := Document{ID: xds.ObjectID(id)}
	r.doubt = r.doubt || !ok || !plainURI(id) || len(r.Attrs()) > 1
	var text strings.Builder
	depth := r.Depth()
	for {
		kind, err := r.Next()
		if err != nil {
			return d, err
		}
		switch kind {
		case xmlpull.Text:
			text.WriteString(r.Text())
		case xmlpull.Start:
			href, _ := r.Attr("href")
			cid, isCID := strings.CutPrefix(href, "cid:")
			if !r.Is(NSXOP, "Include") || !isCID || cid == "" || d.XOP {
				return d, &RequestError{r.Line(), "a document holds base64 text or one xop:Include with href=\"cid:...\""}
			}
			d.CID, d.XOP = cid, true
			if err := r.Skip(); err != nil {
				return d, err
			}
		case xmlpull.End:
			if r.Depth() < depth {
				d.Inline = strings.TrimSpace(text.String())
				if d.XOP && d.Inline != "" {
					return d, &RequestError{r.Line(), "a document holds base64 text or one xop:Include, not both"}
				}
				return d, nil
			}
		}
	}
}

// AdhocQueryRequest is what ITI-18 and ITI-51 bring.
type AdhocQueryRequest struct {
	ID         string // of the stored query
	ReturnType string
	Home       string
	Slots      []xds.Slot
}

// DecodeAdhocQuery reads a query:AdhocQueryRequest [ITI-18 3.18.4.1.2].
func DecodeAdhocQuery(x *xmlpull.Reader) (req *AdhocQueryRequest, doubt bool, err error) {
	r := &reader{Reader: x}
	if !r.Is(NSQuery, "AdhocQueryRequest") {
		return nil, false, &RequestError{r.Line(), "query:AdhocQueryRequest is due"}
	}
	r.requestAttributes()
	req = &AdhocQueryRequest{ReturnType: "RegistryObject"}
	options, queries := 0, 0
	err = r.Children(func() error {
		switch {
		case r.Is(NSQuery, "ResponseOption"):
			options++
			r.doubt = r.doubt || queries > 0
			return r.responseOption(req)
		case r.Is(NSRIM, "AdhocQuery"):
			queries++
			return r.adhocQuery(req)
		}
		r.doubt = true
		return r.Skip()
	})
	r.doubt = r.doubt || options != 1 || queries != 1
	return req, r.doubt, err
}

func (r *reader) responseOption(req *AdhocQueryRequest) error {
	for _, a := range r.Attrs() {
		switch {
		case a.Name.Space == "" && a.Name.Local == "returnType":
			req.ReturnType = a.Value
			r.doubt = r.doubt || a.Value != "ObjectRef" && a.Value != "LeafClass"
		case a.Name.Space == "" && a.Name.Local == "returnComposedObjects":
			r.doubt = r.doubt || a.Value != "true" && a.Value != "false"
		default:
			r.doubt = true
		}
	}
	return r.empty()
}

func (r *reader) adhocQuery(req *AdhocQueryRequest) error {
	for _, a := range r.Attrs() {
		switch {
		case a.Name.Space == "" && a.Name.Local == "id":
			req.ID = a.Value
		case a.Name.Space == "" && a.Name.Local == "home":
			req.Home = a.Value
		default:
			r.doubt = true
		}
		r.doubt = r.doubt || !plainURI(a.Value)
	}
	r.doubt = r.doubt || req.ID == ""
	return r.Children(func() error {
		if !r.Is(NSRIM, "Slot") {
			r.doubt = true
			return r.Skip()
		}
		s, err := r.slot()
		req.Slots = append(req.Slots, xds.Slot{Name: s.Name, Values: s.Values})
		return err
	})
}

// DecodeRetrieveDocumentSet reads an xdsb:RetrieveDocumentSetRequest [ITI-43 3.43.4.1.2].
func DecodeRetrieveDocumentSet(x *xmlpull.Reader, l Lenient) (reqs []xds.DocumentRequest, doubt bool, err error) {
	if !x.Is(NSXDSB, "RetrieveDocumentSetRequest") {
		return nil, false, &RequestError{x.Line(), "xdsb:RetrieveDocumentSetRequest is due"}
	}
	return documentRequests(x, l)
}

// DecodeRemoveDocuments reads an rmd:RemoveDocumentsRequest [ITI-86 3.86.4.1.2].
func DecodeRemoveDocuments(x *xmlpull.Reader, l Lenient) (reqs []xds.DocumentRequest, doubt bool, err error) {
	if !x.Is(NSRMD, "RemoveDocumentsRequest") {
		return nil, false, &RequestError{x.Line(), "rmd:RemoveDocumentsRequest is due"}
	}
	return documentRequests(x, l)
}

// documentRequests reads the xdsb:DocumentRequest elements of the element that x stands on.
func documentRequests(x *xmlpull.Reader, l Lenient) (reqs []xds.DocumentRequest, doubt bool, err error) {
	r := &reader{Reader: x}
	r.doubt = len(r.Attrs()) > 0
	err = r.Children(func() error {
		r.doubt = r.doubt || !r.Is(NSXDSB, "DocumentRequest") || len(r.Attrs()) > 0
		var d xds.DocumentRequest
		step := 0
		err := r.Children(func() error {
			local := r.Local()
			r.doubt = r.doubt || r.Space() != NSXDSB || len(r.Attrs()) > 0
			v, err := r.TextContent()
			if err != nil {
				return err
			}
			r.doubt = r.doubt || !shortText(v, 256)
			at := 0
			switch local {
			case "HomeCommunityId":
				at, d.HomeCommunityID = 1, v
			case "RepositoryUniqueId":
				at, d.RepositoryUniqueID = 2, xds.OID(l.oid(v))
			case "DocumentUniqueId":
				at, d.UniqueID = 3, xds.UniqueID(l.oid(v))
			}
			r.doubt = r.doubt || at <= step
			step = at
			return nil
		})
		r.doubt = r.doubt || d.RepositoryUniqueID == "" || d.UniqueID == ""
		reqs = append(reqs, d)
		return err
	})
	r.doubt = r.doubt || len(reqs) == 0
	return reqs, r.doubt, err
}

// RemoveObjectsRequest is what ITI-62 brings: the objects by their ids, in order.
type RemoveObjectsRequest struct {
	IDs   []xds.ObjectID
	Query bool   // it names objects by a query instead, or besides
	Scope string // deletionScope, empty when not said
}

// DecodeRemoveObjects reads an lcm:RemoveObjectsRequest [ITI-62 3.62.4.1.2].
func DecodeRemoveObjects(x *xmlpull.Reader) (req *RemoveObjectsRequest, doubt bool, err error) {
	r := &reader{Reader: x}
	if !r.Is(NSLCM, "RemoveObjectsRequest") {
		return nil, false, &RequestError{r.Line(), "lcm:RemoveObjectsRequest is due"}
	}
	req = &RemoveObjectsRequest{}
	for _, a := range r.Attrs() {
		switch {
		case a.Name.Space == "" && a.Name.Local == "deletionScope":
			req.Scope = a.Value
			r.doubt = r.doubt || !plainURI(a.Value)
		case a.Name.Space == "" && a.Name.Local == "id" && plainURI(a.Value), a.Name.Space == "" && a.Name.Local == "comment":
		default:
			r.doubt = true
		}
	}
	lists := 0
	err = r.Children(func() error {
		switch {
		case r.Is(NSRIM, "AdhocQuery"):
			req.Query, r.doubt = true, true
			return r.Skip()
		case !r.Is(NSRIM, "ObjectRefList"):
			r.doubt = true
			return r.Skip()
		}
		lists++
		r.doubt = r.doubt || len(r.Attrs()) > 0
		return r.Children(func() error {
			r.doubt = r.doubt || !r.Is(NSRIM, "ObjectRef")
			id, _ := r.Attr("id")
			req.IDs = append(req.IDs, xds.ObjectID(id))
			return r.objectRef()
		})
	})
	r.doubt = r.doubt || lists > 1
	return req, r.doubt, err
}
