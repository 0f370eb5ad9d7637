// Package xdsclient is the asking side of XDS.b: a Document Source that provides documents (ITI-41) and the client of a registry elsewhere (ITI-42,
// ITI-18).
package xdsclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/wire/mtom"
	"github.com/passerelle-sante/passerelle/wire/soap"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
)

// The actions of the transactions (ITI TF-2, 3.18.6, 3.41.6, 3.42.6).
const (
	actionProvide  = "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b"
	actionRegister = "urn:ihe:iti:2007:RegisterDocumentSet-b"
	actionQuery    = "urn:ihe:iti:2007:RegistryStoredQuery"
	actionRetrieve = "urn:ihe:iti:2007:RetrieveDocumentSet"
)

// Document is a document to provide: the id of its entry, and its bytes.
type Document struct {
	Entry    xds.ObjectID
	MIMEType string
	Size     int64 // bytes, -1 when not known
	Content  io.Reader
}

// Source provides documents to a repository.
type Source struct{ Client *soap.Client }

// ProvideAndRegister sends a submission. It gives the warnings of an accepted one; a refusal is an xds.Errors, other errors are of the exchange.
func (s *Source) ProvideAndRegister(ctx context.Context, sub *xds.Submission, docs []Document) (xds.Errors, error) {
	cids := make(map[xds.ObjectID]string, len(docs))
	parts := make([]mtom.OutPart, len(docs))
	for i, d := range docs {
		cid := fmt.Sprintf("document%d@source", i+1)
		cids[d.Entry] = cid
		parts[i] = mtom.OutPart{ContentID: cid, ContentType: d.MIMEType, Size: d.Size, Content: mtom.From(d.Content)}
	}
	body := ebxml.AppendProvideAndRegister(nil, sub, func(id xds.ObjectID) string { return cids[id] })
	return outcome(s.Client.Call(ctx, actionProvide, body, parts))
}

// outcome reads the registry response of a reply.
func outcome(reply *soap.Reply, err error) (xds.Errors, error) {
	if err != nil {
		return nil, err
	}
	defer reply.Close()
	var status xds.ResponseStatus
	var es xds.Errors
	if err := reply.Decode(func(x *xmlpull.Reader) (err error) {
		status, es, _, err = ebxml.DecodeRegistryResponse(x)
		return err
	}); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if status == xds.Success {
		return es, nil
	}
	if es.Err() == nil {
		es = append(es, &xds.Error{Code: xds.CodeRegistryError, Context: "refused with status " + status.Short() + " and no error"})
	}
	return nil, es
}

// Index is what a Registrar needs to remember documents by while their registration is under way.
type Index interface {
	Stage(ctx context.Context, docs []xds.StoredDocument) error
	Settle(ctx context.Context, docs []xds.StoredDocument, registered bool) error
}

// Registrar registers submissions with a registry elsewhere, for a repository here.
type Registrar struct {
	Client *soap.Client
	Index  Index
	Audit  atna.Recorder
	Events *atna.Reporter
	Clock  func() time.Time

	mu       sync.Mutex
	underWay map[xds.UniqueID]int // registrations whose answer is awaited
}

// UnderWay tells whether the answer to a registration of that document is still awaited: it is staged, and not in doubt yet.
func (r *Registrar) UnderWay(id xds.UniqueID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.underWay[id] > 0
}

func (r *Registrar) mark(docs []xds.StoredDocument, by int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.underWay == nil {
		r.underWay = map[xds.UniqueID]int{}
	}
	for _, d := range docs {
		if r.underWay[d.UniqueID] += by; r.underWay[d.UniqueID] == 0 {
			delete(r.underWay, d.UniqueID)
		}
	}
}

// RegisterDocumentSet stages the documents, sends the submission by ITI-42 and settles them by the answer. When no answer comes the documents
// stay staged and the error is xds.ErrInDoubt.
func (r *Registrar) RegisterDocumentSet(ctx context.Context, c auth.Caller, sub *xds.Submission, stored []xds.StoredDocument, also ...*atna.AuditMessage) (xds.Errors, error) {
	r.mark(stored, 1)
	defer r.mark(stored, -1)
	if err := r.Index.Stage(ctx, stored); err != nil {
		return nil, fmt.Errorf("stage documents: %w", err)
	}
	warnings, err := outcome(r.Client.Call(ctx, actionRegister, ebxml.AppendSubmitObjects(nil, sub), nil))
	var refused xds.Errors
	var fault *soap.Fault
	var dial *net.OpError
	ctx = context.WithoutCancel(ctx) // what the registry decided is recorded even when the source has gone
	switch {
	case err == nil:
	case errors.As(err, &refused), errors.As(err, &fault) && fault.Code != soap.Receiver:
		if fault != nil {
			err = xds.Errors{{Code: xds.CodeRegistryError, Context: "the registry could not read the submission: " + fault.Reason}}
		}
	case errors.As(err, &dial) && dial.Op == "dial":
		// Nothing was sent, so nothing is in doubt.
		err = xds.Errors{{Code: xds.CodeRegistryNotAvailable, Context: "the registry cannot be reached; nothing was stored; send again later"}}
	default:
		err = fmt.Errorf("%w: %w", xds.ErrInDoubt, err)
	}
	if auditErr := r.Audit.Record(ctx, r.sent(c, sub, err)); auditErr != nil {
		return nil, fmt.Errorf("record the registration: %w", auditErr)
	}
	if errors.Is(err, xds.ErrInDoubt) {
		return nil, err
	}
	if settleErr := r.Index.Settle(ctx, stored, err == nil); settleErr != nil {
		return nil, fmt.Errorf("settle documents: %w", settleErr)
	}
	if err != nil {
		return nil, err
	}
	for _, m := range also {
		if err := r.Audit.Record(ctx, m); err != nil {
			return nil, fmt.Errorf("record the submission: %w", err)
		}
	}
	return warnings, nil
}

func (r *Registrar) sent(c auth.Caller, sub *xds.Submission, err error) *atna.AuditMessage {
	f := atna.Facts{Time: r.Clock(), Patient: sub.Set.PatientID, SubmissionSetUniqueID: string(sub.Set.UniqueID)}.By(c)
	f.Endpoint = r.Client.Endpoint
	var refused xds.Errors
	switch {
	case errors.As(err, &refused):
		f.Outcome, f.OutcomeText = atna.OutcomeMinorFailure, refused.Codes()
	case err != nil:
		f.Outcome, f.OutcomeText = atna.OutcomeSerious, "no answer from the registry"
	}
	return r.Events.Event(atna.ITI42, atna.Initiator, f)
}

// Registered asks the registry whether it has a document entry with the unique id.
func (r *Registrar) Registered(ctx context.Context, id xds.UniqueID) (bool, error) {
	const getDocuments = "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4"
	body := ebxml.AppendAdhocQuery(nil, getDocuments, "ObjectRef", []xds.Slot{{Name: "$XDSDocumentEntryUniqueId", Values: []string{"('" + string(id) + "')"}}})
	reply, err := r.Client.Call(ctx, actionQuery, body, nil)
	if err != nil {
		return false, err
	}
	defer reply.Close()
	var ids []xds.ObjectID
	var es xds.Errors
	err = reply.Decode(func(x *xmlpull.Reader) (err error) {
		_, es, ids, err = ebxml.DecodeRegistryResponse(x)
		return err
	})
	if err == nil {
		err = es.Err()
	}
	return len(ids) > 0, err
}
