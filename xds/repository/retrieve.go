package repository

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/xds"
)

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
	for i, q := range reqs {
		d, e := r.open(ctx, c, i, q)
		if e != nil {
			es = append(es, e)
			continue
		}
		found = append(found, d)
	}
	if err := r.cfg.Audit.Record(ctx, r.given(c, reqs, found, es)); err != nil {
		for _, d := range found {
			d.Content.Close()
		}
		return nil, r.failed(ctx, c, err)
	}
	return found, es
}

func (r *Repository) open(ctx context.Context, c auth.Caller, i int, q xds.DocumentRequest) (Retrieved, *xds.Error) {
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
	doc, ok, err := r.cfg.Index.Document(ctx, q.UniqueID)
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

// refuse audits a request that could not be understood, and gives what the consumer hears.
func (r *Repository) refuse(ctx context.Context, c auth.Caller, es xds.Errors) xds.Errors {
	if err := r.cfg.Audit.Record(ctx, r.given(c, nil, nil, es)); err != nil {
		return r.failed(ctx, c, err)
	}
	return es
}

// given is the audit message of a retrieval: what was handed out, or, when nothing was, what was asked for.
func (r *Repository) given(c auth.Caller, reqs []xds.DocumentRequest, found []Retrieved, es xds.Errors) *atna.AuditMessage {
	f := atna.Facts{Time: r.cfg.Clock()}.By(c)
	for i, d := range found {
		if i == 0 {
			f.Patient = d.Document.Patient
		} else if !d.Document.Patient.Same(f.Patient) {
			f.OtherPatients = append(f.OtherPatients, d.Document.Patient)
		}
		f.Documents = append(f.Documents, documentFact(d.Request))
	}
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
