package repository

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"strconv"

	"github.com/passerelle-sante/passerelle/wire/mtom"
	"github.com/passerelle-sante/passerelle/wire/soap"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
)

// ITI43 is the door of Retrieve Document Set [ITI-43 3.43.4.1].
func (r *Repository) ITI43(ctx context.Context, req *soap.Request) (*soap.Response, error) {
	var reqs []xds.DocumentRequest
	var doubt bool
	lenient := ebxml.Lenient{URNOID: func() bool { return req.UseQuirk(soap.QuirkURNOID) }}
	err := req.Decode(func(x *xmlpull.Reader) (err error) {
		reqs, doubt, err = ebxml.DecodeRetrieveDocumentSet(x, lenient)
		return err
	})
	es, err := r.cfg.Schema.Judge(req.Envelope, doubt || r.cfg.ValidateAll, err, xds.CodeRepositoryError)
	if err != nil {
		return nil, err
	}
	var found []Retrieved
	if es == nil {
		found, es = r.RetrieveDocumentSet(ctx, req.Caller, reqs)
	} else {
		es = r.refuse(ctx, req.Caller, es)
	}
	status := xds.Success
	switch {
	case es.Err() != nil && len(found) > 0:
		status = xds.PartialSuccess
	case es.Err() != nil:
		status = xds.Failure
	}
	req.Note("outcome", status.Short())
	req.Note("codes", es.Codes())
	req.Note("results", strconv.Itoa(len(found)))
	if !req.MTOM {
		return r.inline(status, es, found)
	}
	resp := &soap.Response{}
	docs := make([]ebxml.DocumentResponse, len(found))
	for i, d := range found {
		docs[i] = r.response(d)
		docs[i].CID = fmt.Sprintf("%d@%s", i+1, r.cfg.UniqueID)
		resp.Parts = append(resp.Parts, mtom.OutPart{ContentID: docs[i].CID, ContentType: d.Document.MIMEType, Size: d.Content.Size(), Content: d.Content})
	}
	resp.Body = ebxml.AppendRetrieveResponse(nil, status, es, docs)
	return resp, nil
}

func (r *Repository) response(d Retrieved) ebxml.DocumentResponse {
	return ebxml.DocumentResponse{HomeCommunityID: d.Request.HomeCommunityID, RepositoryUniqueID: r.cfg.UniqueID,
		DocumentUniqueID: d.Document.UniqueID, MIMEType: d.Document.MIMEType}
}

// maxInline bounds an answer to a consumer that cannot take MTOM: its documents stand in memory as base64.
const maxInline = 16 << 20

// inline answers a consumer that asked with plain SOAP: documents as base64 text (quirk answer-without-mtom, tolerated before we come here).
func (r *Repository) inline(status xds.ResponseStatus, es xds.Errors, found []Retrieved) (*soap.Response, error) {
	defer func() {
		for _, d := range found {
			d.Content.Close()
		}
	}()
	var total int64
	docs := make([]ebxml.DocumentResponse, len(found))
	for i, d := range found {
		if total += d.Content.Size(); total > maxInline {
			return nil, &soap.Fault{Code: soap.Sender, Reason: "the documents are too large for an answer without MTOM; ask with MTOM"}
		}
		var text bytes.Buffer
		enc := base64.NewEncoder(base64.StdEncoding, &text)
		if _, err := d.Content.WriteTo(enc); err != nil {
			return nil, fmt.Errorf("read document: %w", err)
		}
		if err := enc.Close(); err != nil {
			return nil, err
		}
		docs[i] = r.response(d)
		docs[i].Inline = text.Bytes()
	}
	return &soap.Response{Body: ebxml.AppendRetrieveResponse(nil, status, es, docs)}, nil
}
