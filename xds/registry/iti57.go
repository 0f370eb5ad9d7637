package registry

import (
	"context"
	"fmt"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/wire/soap"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
)

// ITI57 is the door of Update Document Set [ITI-57 3.57.4.1].
func (r *Registry) ITI57(ctx context.Context, req *soap.Request) (*soap.Response, error) {
	return r.serveUpdate(ctx, req, r.UpdateDocumentSet)
}

// serveUpdate decodes an update and hands it to one of the two verbs that make it.
func (r *Registry) serveUpdate(ctx context.Context, req *soap.Request, verb func(context.Context, auth.Caller, *xds.Submission) (xds.Errors, error)) (*soap.Response, error) {
	var sub *xds.Submission
	var doubt bool
	lenient := ebxml.Lenient{URNOID: func() bool { return req.UseQuirk(soap.QuirkURNOID) }, ImpliedParent: func() bool { return req.UseQuirk(soap.QuirkImpliedParent) }}
	err := req.Decode(func(x *xmlpull.Reader) (err error) {
		sub, doubt, err = ebxml.DecodeSubmitObjects(x, xds.CodeRegistryMetadataError, lenient)
		return err
	})
	invalid, err := r.cfg.Schema.Judge(req.Envelope, doubt || r.cfg.ValidateAll, err, xds.CodeRegistryMetadataError)
	if err != nil {
		return nil, err
	}
	if sub == nil {
		sub = &xds.Submission{}
	}
	sub.Faults = append(invalid, sub.Faults...)
	es, err := verb(ctx, req.Caller, sub)
	if err != nil {
		es = err.(xds.Errors)
	}
	return answer(req, es), nil
}

// UpdateDocumentSet makes new versions of document entries and folders, changes statuses and relates what is registered, all of it or nothing
// [ITI-57 3.57.4.1.3]. It gives the warnings of an accepted update, or an xds.Errors with everything found.
func (r *Registry) UpdateDocumentSet(ctx context.Context, c auth.Caller, sub *xds.Submission) (xds.Errors, error) {
	return r.update(ctx, c, sub, &updateRules{transaction: atna.ITI57, annotation: xds.CodeMetadataUpdateOperationError, unmodifiable: xds.CodeMetadataUpdateError, fixed: fixedAttributes})
}

// updateRules is what the two transactions of update differ in.
type updateRules struct {
	transaction  atna.Transaction
	entriesOnly  bool          // new versions of document entries, and nothing else
	annotation   xds.ErrorCode // of an annotation that is missing or cannot be understood
	unmodifiable xds.ErrorCode // of what an update may not change
	fixed        []attribute
}

// attribute is one attribute of a document entry, and how it is compared.
type attribute struct {
	name  string
	value func(*xds.DocumentEntry) string
}

// fixedAttributes are those that no update changes: they tell which document it is and where its bytes are [ITI-57 3.57.4.1.3.3.1].
var fixedAttributes = []attribute{
	{"uniqueId", func(e *xds.DocumentEntry) string { return string(e.UniqueID) }},
	{"objectType", func(e *xds.DocumentEntry) string { return fmt.Sprint("on-demand ", e.OnDemand) }},
	{"hash", func(e *xds.DocumentEntry) string { return e.Hash }},
	{"size", func(e *xds.DocumentEntry) string { return fmt.Sprint(e.Size) }},
	{"mimeType", func(e *xds.DocumentEntry) string { return e.MIMEType }},
	{"repositoryUniqueId", func(e *xds.DocumentEntry) string { return string(e.RepositoryUniqueID) }},
}

// update judges an update and makes it.
func (r *Registry) update(ctx context.Context, c auth.Caller, sub *xds.Submission, rules *updateRules) (xds.Errors, error) {
	f := xds.Findings{MetadataError: xds.CodeRegistryMetadataError}
	u := &updating{r: r, sub: sub, f: &f, rules: rules, domain: r.cfg.Domain(), c: c}
	err := sub.Resolve(c, r.filed(ctx, c))
	sub.Validate(u.domain, xds.Updating, &f)
	if err != nil {
		err = fmt.Errorf("resolve the patient: %w", err)
	} else if f.List.Err() == nil {
		err = r.cfg.Store.Update(ctx, func(tx UpdateTx) error {
			if err := u.judge(tx); err != nil {
				return err
			}
			if err := u.make(tx); err != nil {
				return err
			}
			return tx.Record(r.updated(u, atna.OutcomeSuccess, ""))
		})
	} else {
		// The update is refused already; what the registry has to say about it completes the list.
		err = r.cfg.Store.View(ctx, u.judge)
	}
	if err == nil {
		return f.List, nil
	}
	es := r.failed(ctx, c, err)
	if auditErr := r.cfg.Audit.Record(ctx, r.updated(u, atna.OutcomeMinorFailure, es.Codes())); auditErr != nil {
		return nil, r.failed(ctx, c, auditErr)
	}
	return nil, es
}

func (r *Registry) updated(u *updating, outcome atna.Outcome, text string) *atna.AuditMessage {
	decision := ""
	if u.eyes != nil {
		decision = u.eyes.account()
	}
	return r.cfg.Events.Event(u.rules.transaction, atna.Responder, atna.Facts{Time: r.cfg.Clock(), Outcome: outcome, OutcomeText: text,
		Patient: u.sub.Set.PatientID, SubmissionSetUniqueID: string(u.sub.Set.UniqueID)}.By(u.c).Decided(decision))
}
