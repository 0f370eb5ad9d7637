package registry

import (
	"cmp"
	"context"
	"fmt"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/wire/soap"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
)

// ITI42 is the door of Register Document Set-b [ITI-42 3.42.4.1].
func (r *Registry) ITI42(ctx context.Context, req *soap.Request) (*soap.Response, error) {
	var sub *xds.Submission
	var doubt bool
	lenient := ebxml.Lenient{URNOID: func() bool { return req.UseQuirk(soap.QuirkURNOID) }}
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
	es, err := r.RegisterDocumentSet(ctx, req.Caller, sub, nil)
	if err != nil {
		es = err.(xds.Errors)
	}
	return answer(req, es), nil
}

// answer renders the outcome of a submission, and tells the log about it.
func answer(req *soap.Request, es xds.Errors) *soap.Response {
	status := ebxml.Outcome(es)
	req.Note("outcome", status.Short())
	req.Note("codes", es.Codes())
	return &soap.Response{Body: ebxml.AppendRegistryResponse(nil, status, es)}
}

// RegisterDocumentSet takes a submission whole or not at all [ITI-42 3.42.4.1.3]. stored and also are kept in the same commit: where a
// repository that shares the store holds the bytes, and what it wants audited. It gives the warnings of an accepted submission, or an
// xds.Errors with everything found.
func (r *Registry) RegisterDocumentSet(ctx context.Context, c auth.Caller, sub *xds.Submission, stored []xds.StoredDocument, also ...*atna.AuditMessage) (xds.Errors, error) {
	domain := r.cfg.Domain()
	f := xds.Findings{MetadataError: xds.CodeRegistryMetadataError}
	var decision string
	err := sub.Resolve(c, r.filed(ctx, c))
	sub.Validate(domain, xds.Registering, &f)
	if err != nil {
		err = fmt.Errorf("resolve the patient: %w", err)
	} else if f.List.Err() == nil {
		err = r.cfg.Store.Update(ctx, func(tx UpdateTx) error {
			y := r.eyes(tx, c)
			err := r.register(tx, c, domain, sub, stored, also, &f, y)
			decision = y.account()
			return err
		})
	} else {
		// The submission is refused already; what the registry has to say about it completes the list.
		err = r.cfg.Store.View(ctx, func(tx Tx) error {
			y := r.eyes(tx, c)
			err := r.newJudge(tx, c, sub, &f, y).judge()
			if decision = y.account(); err != nil {
				return err
			}
			return f.List.Err()
		})
	}
	if err == nil {
		return f.List, nil
	}
	es := r.failed(ctx, c, err)
	if auditErr := r.cfg.Audit.Record(ctx, r.registration(c, sub, atna.OutcomeMinorFailure, es.Codes(), decision)); auditErr != nil {
		return nil, r.failed(ctx, c, auditErr)
	}
	return nil, es
}

// register runs alone against the store: judge, then write everything.
func (r *Registry) register(tx UpdateTx, c auth.Caller, domain *xds.Domain, sub *xds.Submission, stored []xds.StoredDocument, also []*atna.AuditMessage, f *xds.Findings, y *eyes) error {
	j := r.newJudge(tx, c, sub, f, y)
	if err := j.judge(); err != nil {
		return err
	}
	if err := f.List.Err(); err != nil {
		return f.List
	}
	if err := r.inherit(tx, c, sub); err != nil {
		return err
	}
	r.name(sub, domain)
	if err := r.write(tx, sub); err != nil {
		return err
	}
	for _, d := range stored {
		if d.Status == xds.Registered {
			// Its bytes were here already; they may have been removed since the repository looked.
			if held, err := tx.Holds(d); err != nil || !held {
				return cmp.Or(err, error(&xds.Error{Code: xds.CodeRegistryBusy, Context: "the document is being removed; send it again"}))
			}
		}
		d.Status = xds.Registered
		if err := tx.Keep(d); err != nil {
			return err
		}
	}
	for _, m := range also {
		if err := tx.Record(m); err != nil {
			return err
		}
	}
	return tx.Record(r.registration(c, sub, atna.OutcomeSuccess, "", y.account()))
}

func (r *Registry) registration(c auth.Caller, sub *xds.Submission, outcome atna.Outcome, text, decision string) *atna.AuditMessage {
	return r.cfg.Events.Event(atna.ITI42, atna.Responder, atna.Facts{
		Time: r.cfg.Clock(), Outcome: outcome, OutcomeText: text,
		Patient: sub.Set.PatientID, SubmissionSetUniqueID: string(sub.Set.UniqueID)}.By(c).Decided(decision))
}

// name gives every object its UUID, its status and its first version, and makes the associations say UUIDs [ITI-42 3.42.4.1.3.7].
func (r *Registry) name(sub *xds.Submission, domain *xds.Domain) {
	names := make(map[xds.ObjectID]xds.ObjectID, 1+len(sub.Entries)+len(sub.Folders)+len(sub.Associations))
	first := func(h *xds.Header) {
		id := h.ID
		if id.Symbolic() {
			h.ID = r.cfg.NewID()
		}
		names[id] = h.ID
		h.LogicalID, h.Version, h.Status, h.Home = h.ID, 1, xds.Approved, r.cfg.Home
		if domain.DropExtraMetadata {
			h.Extra = nil
		}
	}
	first(&sub.Set.Header)
	sub.Set.PatientID = xds.NormalPatientID(sub.Set.PatientID)
	for i := range sub.Entries {
		first(&sub.Entries[i].Header)
		sub.Entries[i].PatientID = xds.NormalPatientID(sub.Entries[i].PatientID)
	}
	for i := range sub.Folders {
		first(&sub.Folders[i].Header)
		sub.Folders[i].PatientID = xds.NormalPatientID(sub.Folders[i].PatientID)
	}
	for i := range sub.Associations {
		first(&sub.Associations[i].Header)
	}
	for i := range sub.Associations {
		a := &sub.Associations[i]
		if id, ok := names[a.Source]; ok {
			a.Source = id
		}
		if id, ok := names[a.Target]; ok {
			a.Target = id
		}
	}
}
