package repository

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/policy"
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
	resp.Body = ebxml.AppendRetrieveResponse(make([]byte, 0, 512+512*len(docs)), status, es, docs)
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

// Retrieved is one document found: Content is open and the caller's to close.
type Retrieved struct {
	Request  xds.DocumentRequest
	Document xds.StoredDocument
	Content  Content
}

// RetrieveDocumentSet opens the documents asked for [ITI-43 3.43.4.1.3]. What was not found comes as xds.Errors beside what was. The audit record is
// durable before the bytes are given; if it cannot be, nothing is.
func (r *Repository) RetrieveDocumentSet(ctx context.Context, c auth.Caller, reqs []xds.DocumentRequest) ([]Retrieved, xds.Errors) {
	var found []Retrieved
	var es xds.Errors
	may, err := r.decide(ctx, c, reqs, Access.MayRetrieve)
	if err != nil {
		return nil, r.failed(ctx, c, err)
	}
	for i, q := range reqs {
		d, e := r.open(ctx, c, i, q, may[i].Allow)
		if e != nil {
			es = append(es, e)
			continue
		}
		found = append(found, d)
	}
	if err := r.cfg.Audit.Record(ctx, r.given(c, reqs, found, r.account(may), es)); err != nil {
		for _, d := range found {
			d.Content.Close()
		}
		return nil, r.failed(ctx, c, err)
	}
	return found, es
}

// decide asks for every document at once, so that all decisions are of one moment.
func (r *Repository) decide(ctx context.Context, c auth.Caller, reqs []xds.DocumentRequest, may func(Access, context.Context, auth.Caller, []xds.UniqueID) ([]policy.Decision, error)) ([]policy.Decision, error) {
	if r.cfg.Access == nil {
		may := make([]policy.Decision, len(reqs))
		for i := range may {
			may[i].Allow = true
		}
		return may, nil
	}
	ids := make([]xds.UniqueID, len(reqs))
	for i := range reqs {
		ids[i] = reqs[i].UniqueID
	}
	return may(r.cfg.Access, ctx, c, ids)
}

// open finds one document. One that the caller may not have is not there, and costs what a missing one costs.
func (r *Repository) open(ctx context.Context, c auth.Caller, i int, q xds.DocumentRequest, may bool) (Retrieved, *xds.Error) {
	at := func(code xds.ErrorCode, attribute, value, rule string) *xds.Error {
		return &xds.Error{Code: code, Location: fmt.Sprintf("DocumentRequest[%d].%s", i+1, attribute),
			Context: fmt.Sprintf("DocumentRequest %s %q: %s (ITI TF-2 3.43.4.1.3)", attribute, xds.Clip(value), rule)}
	}
	if q.HomeCommunityID != "" && r.cfg.Home != "" && q.HomeCommunityID != r.cfg.Home {
		return Retrieved{}, at(xds.CodeUnknownCommunity, "HomeCommunityId", q.HomeCommunityID, "this is not that community")
	}
	if q.RepositoryUniqueID != r.cfg.UniqueID {
		return Retrieved{}, at(xds.CodeUnknownRepositoryID, "RepositoryUniqueId", string(q.RepositoryUniqueID), "this is repository "+string(r.cfg.UniqueID))
	}
	var doc xds.StoredDocument
	ok, err := false, error(nil)
	if may {
		doc, ok, err = r.document(ctx, q.UniqueID)
	}
	if err == nil && !ok {
		return Retrieved{}, at(xds.CodeDocumentUniqueIDError, "DocumentUniqueId", string(q.UniqueID), "no such document in this repository")
	}
	var content Content
	if err == nil {
		content, err = r.cfg.Blobs.Open(ctx, doc.Blob)
	}
	if err != nil {
		ref := string(r.cfg.NewID())
		r.cfg.Log.LogAttrs(ctx, slog.LevelError, "document cannot be read", slog.String("reference", ref), slog.String("node", c.Node), slog.Any("error", err))
		return Retrieved{}, at(xds.CodeRepositoryError, "DocumentUniqueId", string(q.UniqueID), "the document cannot be read now; reference "+ref)
	}
	return Retrieved{Request: q, Document: doc, Content: content}, nil
}

// account is what the audit record tells of the decisions: the one about the first document that is refused or, when none is, about the first.
func (r *Repository) account(may []policy.Decision) string {
	if r.cfg.Access == nil || len(may) == 0 {
		return ""
	}
	for _, d := range may {
		if !d.Allow {
			return d.String()
		}
	}
	return may[0].String()
}

// refuse audits a request that could not be understood, and gives what the consumer hears.
func (r *Repository) refuse(ctx context.Context, c auth.Caller, es xds.Errors) xds.Errors {
	if err := r.cfg.Audit.Record(ctx, r.given(c, nil, nil, "", es)); err != nil {
		return r.failed(ctx, c, err)
	}
	return es
}

// given is the audit message of a retrieval: what was handed out, or, when nothing was, what was asked for.
func (r *Repository) given(c auth.Caller, reqs []xds.DocumentRequest, found []Retrieved, decision string, es xds.Errors) *atna.AuditMessage {
	f := atna.Facts{Time: r.cfg.Clock()}.By(c)
	for i, d := range found {
		if i == 0 {
			f.Patient = d.Document.Patient
		} else if !d.Document.Patient.Same(f.Patient) {
			f.OtherPatients = append(f.OtherPatients, d.Document.Patient)
		}
		f.Documents = append(f.Documents, documentFact(d.Request))
	}
	if id, err := hl7.ParseCX(c.Patient); len(found) == 0 && err == nil && decision != "" {
		f.Patient = id
	}
	f = f.Decided(decision)
	if len(found) == 0 {
		for _, q := range reqs {
			f.Documents = append(f.Documents, documentFact(q))
		}
	}
	if len(es) > 0 {
		f.Outcome, f.OutcomeText = atna.OutcomeMinorFailure, es.Codes()
	}
	return r.cfg.Events.Event(atna.ITI43, atna.Responder, f)
}

func documentFact(q xds.DocumentRequest) atna.DocumentFact {
	return atna.DocumentFact{UniqueID: string(q.UniqueID), RepositoryUniqueID: string(q.RepositoryUniqueID), HomeCommunityID: q.HomeCommunityID}
}
