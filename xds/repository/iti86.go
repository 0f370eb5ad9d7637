package repository

import (
	"context"
	"fmt"
	"slices"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/wire/soap"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
)

// ITI86 is the door of Remove Documents [ITI-86 3.86.4.1].
func (r *Repository) ITI86(ctx context.Context, req *soap.Request) (*soap.Response, error) {
	var reqs []xds.DocumentRequest
	var doubt bool
	lenient := ebxml.Lenient{URNOID: func() bool { return req.UseQuirk(soap.QuirkURNOID) }}
	err := req.Decode(func(x *xmlpull.Reader) (err error) {
		reqs, doubt, err = ebxml.DecodeRemoveDocuments(x, lenient)
		return err
	})
	es, err := r.cfg.Schema.Judge(req.Envelope, doubt || r.cfg.ValidateAll, err, xds.CodeRepositoryError)
	if err != nil {
		return nil, err
	}
	var removed []xds.StoredDocument
	if es == nil {
		removed, es = r.RemoveDocuments(ctx, req.Caller, reqs)
	} else {
		es = r.notRemoved(ctx, req.Caller, nil, es, "")
	}
	// [ITI-86 3.86.4.1.3] some removed and some not: PartialSuccess.
	status := ebxml.Outcome(es)
	if status == xds.Failure && len(removed) > 0 {
		status = xds.PartialSuccess
	}
	req.Note("outcome", status.Short())
	req.Note("codes", es.Codes())
	return &soap.Response{Body: ebxml.AppendRegistryResponse(nil, status, es)}, nil
}

// RemoveDocuments destroys documents [ITI-86 3.86.4.1.3]: those that are here are destroyed, whatever becomes of the others, which come as xds.Errors. It
// leaves metadata alone. A document is out of reach, durably, before its bytes are destroyed; what a crash leaves of them the next start destroys.
func (r *Repository) RemoveDocuments(ctx context.Context, c auth.Caller, reqs []xds.DocumentRequest) ([]xds.StoredDocument, xds.Errors) {
	var docs []xds.StoredDocument
	var es xds.Errors
	if r.cfg.MayRemove == nil || !r.cfg.MayRemove(c) {
		return nil, r.notRemoved(ctx, c, reqs, xds.Errors{{Code: xds.CodeRepositoryError, Context: "this node may not remove documents"}}, "")
	}
	may, err := r.decide(ctx, c, reqs, Access.MayDestroy)
	if err != nil {
		return nil, r.failed(ctx, c, err)
	}
	decision := ""
	if c.Capacity != auth.CapacityNode && c.Capacity != auth.CapacityOperator {
		decision = r.account(may)
	}
	for i, q := range reqs {
		d, e := r.toRemove(ctx, c, i, q, may[i].Allow)
		switch {
		case e != nil:
			es = append(es, e)
		case !slices.ContainsFunc(docs, func(other xds.StoredDocument) bool { return other.UniqueID == d.UniqueID }):
			docs = append(docs, d)
		}
	}
	if len(docs) == 0 {
		return nil, r.notRemoved(ctx, c, reqs, es, decision)
	}
	ids := make([]xds.UniqueID, len(docs))
	for i := range docs {
		ids[i] = docs[i].UniqueID
	}
	if err := r.cfg.Index.Doom(ctx, ids, r.removed(c, docs, reqs, es, decision)); err != nil {
		return nil, r.notRemoved(ctx, c, reqs, r.failed(ctx, c, fmt.Errorf("remove documents: %w", err)), decision)
	}
	// The documents are gone for everybody; the bytes follow even when the request is over.
	if err := r.Destroy(context.WithoutCancel(ctx)); err != nil {
		r.cfg.Log.Error("bytes of removed documents could not be destroyed; the next start will", "error", err)
	}
	return docs, es
}

// toRemove finds a document that a removal names.
func (r *Repository) toRemove(ctx context.Context, c auth.Caller, i int, q xds.DocumentRequest, may bool) (xds.StoredDocument, *xds.Error) {
	at := func(code xds.ErrorCode, attribute, value, rule string) *xds.Error {
		return &xds.Error{Code: code, Location: fmt.Sprintf("DocumentRequest[%d].%s", i+1, attribute),
			Context: fmt.Sprintf("DocumentRequest %s %q: %s (ITI TF-2 3.86.4.1.3)", attribute, xds.Clip(value), rule)}
	}
	if q.HomeCommunityID != "" && r.cfg.Home != "" && q.HomeCommunityID != r.cfg.Home {
		return xds.StoredDocument{}, at(xds.CodeUnknownCommunity, "HomeCommunityId", q.HomeCommunityID, "this is not that community")
	}
	if q.RepositoryUniqueID != r.cfg.UniqueID {
		return xds.StoredDocument{}, at(xds.CodeUnknownRepositoryID, "RepositoryUniqueId", string(q.RepositoryUniqueID), "this is repository "+string(r.cfg.UniqueID))
	}
	doc, ok, err := r.cfg.Index.Document(ctx, q.UniqueID)
	switch {
	case err != nil:
		return doc, r.failed(ctx, c, fmt.Errorf("look up document: %w", err))[0]
	case !ok || !may:
		return doc, at(xds.CodeDocumentUniqueIDError, "DocumentUniqueId", string(q.UniqueID), "no such document in this repository")
	}
	return doc, nil
}

// Destroy destroys the bytes of every document that was removed.
func (r *Repository) Destroy(ctx context.Context) error {
	r.destroying.Lock()
	defer r.destroying.Unlock()
	for {
		docs, err := r.cfg.Index.Doomed(ctx, 100)
		if err != nil || len(docs) == 0 {
			return err
		}
		for _, d := range docs {
			if err := r.cfg.Blobs.Remove(ctx, d.Blob); err != nil {
				return fmt.Errorf("destroy bytes: %w", err)
			}
			if err := r.cfg.Index.Forget(ctx, d); err != nil {
				return fmt.Errorf("forget a removed document: %w", err)
			}
		}
	}
}

// document finds a registered document that does not count as never having been there.
func (r *Repository) document(ctx context.Context, id xds.UniqueID) (xds.StoredDocument, bool, error) {
	doc, ok, err := r.cfg.Index.Document(ctx, id)
	if err != nil || !ok || r.cfg.Withheld == nil {
		return doc, ok, err
	}
	withheld, err := r.cfg.Withheld(ctx, id)
	if err != nil || withheld {
		return xds.StoredDocument{}, false, err
	}
	return doc, true, nil
}

// notRemoved audits a removal of which nothing came, and gives what the peer hears.
func (r *Repository) notRemoved(ctx context.Context, c auth.Caller, reqs []xds.DocumentRequest, es xds.Errors, decision string) xds.Errors {
	if err := r.cfg.Audit.Record(ctx, r.removed(c, nil, reqs, es, decision)); err != nil {
		return r.failed(ctx, c, err)
	}
	return es
}

// removed is the audit message of a removal: what was removed, or, when nothing was, what was named.
func (r *Repository) removed(c auth.Caller, docs []xds.StoredDocument, reqs []xds.DocumentRequest, es xds.Errors, decision string) *atna.AuditMessage {
	f := atna.Facts{Time: r.cfg.Clock()}.By(c).Decided(decision)
	for i, d := range docs {
		if i == 0 {
			f.Patient = d.Patient
		} else if !d.Patient.Same(f.Patient) {
			f.OtherPatients = append(f.OtherPatients, d.Patient)
		}
		f.Documents = append(f.Documents, documentFact(xds.DocumentRequest{RepositoryUniqueID: r.cfg.UniqueID, UniqueID: d.UniqueID, HomeCommunityID: r.cfg.Home}))
	}
	if len(docs) == 0 {
		if id, err := hl7.ParseCX(c.Patient); err == nil && decision != "" {
			f.Patient = id
		}
		for _, q := range reqs {
			f.Documents = append(f.Documents, documentFact(q))
		}
	}
	if len(es) > 0 {
		f.Outcome, f.OutcomeText = atna.OutcomeMinorFailure, es.Codes()
	}
	return r.cfg.Events.Event(atna.ITI86, atna.Responder, f)
}
