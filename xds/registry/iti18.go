package registry

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/wire/soap"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
	"github.com/passerelle-sante/passerelle/xds/query"
)

// ITI18 is the door of Registry Stored Query [ITI-18 3.18.4.1].
func (r *Registry) ITI18(ctx context.Context, req *soap.Request) (*soap.Response, error) {
	return r.storedQuery(ctx, req, false)
}

// ITI51 is the door of Multi-Patient Stored Query [ITI-51 3.51.4.1].
func (r *Registry) ITI51(ctx context.Context, req *soap.Request) (*soap.Response, error) {
	return r.storedQuery(ctx, req, true)
}

func (r *Registry) storedQuery(ctx context.Context, req *soap.Request, multiPatient bool) (*soap.Response, error) {
	var ask *ebxml.AdhocQueryRequest
	var doubt bool
	var raw []byte
	err := req.Decode(func(x *xmlpull.Reader) (err error) {
		from := x.Offset()
		ask, doubt, err = ebxml.DecodeAdhocQuery(x)
		raw = req.Envelope[from:x.EndOffset()]
		return err
	})
	es, err := r.cfg.Schema.Judge(req.Envelope, doubt || r.cfg.ValidateAll, err, xds.CodeRegistryError)
	if err != nil {
		return nil, err
	}
	var objects []xds.Object
	var q *query.Query
	if es == nil {
		if q, err = r.parse(ask, multiPatient); err == nil {
			objects, err = r.StoredQuery(ctx, req.Caller, q, raw)
		} else {
			err = r.refuse(ctx, req.Caller, multiPatient, ask.ID, raw, err)
		}
		if err != nil {
			es = err.(xds.Errors)
		}
	} else {
		es = r.refuse(ctx, req.Caller, multiPatient, "", raw, es)
	}
	return r.found(req, q, objects, es), nil
}

func (r *Registry) parse(ask *ebxml.AdhocQueryRequest, multiPatient bool) (*query.Query, error) {
	q, err := query.Parse(ask.ID, ask.Slots, multiPatient, r.cfg.Domain())
	var es xds.Errors
	errors.As(err, &es)
	rt := query.ReturnType(ask.ReturnType)
	if rt != query.ObjectRef && rt != query.LeafClass {
		es = append(es, &xds.Error{Code: xds.CodeRegistryError, Location: "ResponseOption.returnType",
			Context: strconv.Quote(xds.Clip(ask.ReturnType)) + ": ObjectRef or LeafClass is due (ITI TF-2 3.18.4.1.2.2)"})
	}
	if es != nil {
		return nil, es
	}
	q.ReturnType = rt
	if q.Home == "" {
		q.Home = ask.Home
	}
	return q, nil
}

func (r *Registry) found(req *soap.Request, q *query.Query, objects []xds.Object, es xds.Errors) *soap.Response {
	req.Note("outcome", ebxml.Outcome(es).Short())
	req.Note("codes", es.Codes())
	if q != nil {
		req.Note("query", q.Kind.Name)
		req.Note("results", strconv.Itoa(len(objects)))
		if len(q.Ignored) > 0 {
			req.Note("ignored_parameters", strings.Join(q.Ignored, " "))
		}
		if q.ReturnType == query.ObjectRef {
			refs := make([]xds.ObjectID, len(objects))
			for i := range objects {
				refs[i] = objects[i].Header().ID
			}
			return &soap.Response{Body: ebxml.AppendQueryResponse(req.Scratch(1024+160*len(refs)), es, nil, refs, r.cfg.Home)}
		}
	}
	// 8 KB is a generous entry: the buffer need not grow.
	return &soap.Response{Body: ebxml.AppendQueryResponse(req.Scratch(1024+8192*len(objects)), es, objects, nil, "")}
}

// StoredQuery finds what q wants [ITI-18 3.18.4.1.3]. raw is the query as the consumer sent it, for the audit record, which is durable
// before the answer is given. The objects come in the order they were registered; errors are xds.Errors.
func (r *Registry) StoredQuery(ctx context.Context, c auth.Caller, q *query.Query, raw []byte) ([]xds.Object, error) {
	s := search{q: q, limit: r.cfg.MaxResults, seen: make(map[xds.ObjectID]bool, 32), found: make([]xds.Object, 0, 32)}
	if q.ReturnType == query.ObjectRef {
		s.limit = r.cfg.MaxReferences
	}
	err := r.wrongHome(q)
	if err == nil {
		err = r.resolve(ctx, c, q)
	}
	if err == nil {
		err = r.emergency(ctx, c, q.Patients)
	}
	if err == nil {
		err = r.cfg.Store.View(ctx, func(tx Tx) error {
			s.tx, s.eyes = see(tx, r.cfg.Domain(), q.MetadataLevel), r.eyes(tx, c)
			if err := s.run(); err != nil {
				return err
			}
			return s.singlePatient()
		})
	}
	var es xds.Errors
	if err != nil {
		es = r.failed(ctx, c, err)
		s.found = nil
	}
	if err := r.cfg.Audit.Record(ctx, r.asked(c, q, raw, s.account(c), es)); err != nil {
		return nil, r.failed(ctx, c, err)
	}
	if es != nil {
		return nil, es
	}
	return s.found, nil
}

// resolve makes the patients of a query those that documents are filed by.
func (r *Registry) resolve(ctx context.Context, c auth.Caller, q *query.Query) error {
	for i, id := range q.Patients {
		find := r.filed(ctx, c)
		filed, ok, err := find(id)
		if err != nil {
			return fmt.Errorf("resolve the patient: %w", err)
		}
		if !ok {
			return &xds.Error{Code: xds.CodeUnknownPatientID, Location: q.Kind.Name + ".patientId",
				Context: "no qualified patient is known by this identifier of the source"}
		}
		if ok, err = xds.Concerns(c, filed, find); err != nil {
			return fmt.Errorf("resolve the patient of the assertion: %w", err)
		} else if !ok {
			return xds.NotConcerned(q.Kind.Name + ".patientId")
		}
		q.Patients[i] = filed
	}
	return nil
}

func (r *Registry) wrongHome(q *query.Query) error {
	if q.Home == "" || r.cfg.Home == "" || q.Home == r.cfg.Home {
		return nil
	}
	return &xds.Error{Code: xds.CodeUnknownCommunity, Location: q.Kind.Name + ".$homeCommunityId",
		Context: fmt.Sprintf("%q is not this community (ITI TF-2 3.18.4.1.2.3.8)", xds.Clip(q.Home))}
}

// refuse audits a query that could not be understood, and gives what the consumer hears.
func (r *Registry) refuse(ctx context.Context, c auth.Caller, multiPatient bool, id string, raw []byte, err error) xds.Errors {
	es := r.failed(ctx, c, err)
	q := &query.Query{Kind: &query.Kind{ID: id, MultiPatient: multiPatient}}
	if err := r.cfg.Audit.Record(ctx, r.asked(c, q, raw, account{}, es)); err != nil {
		return r.failed(ctx, c, err)
	}
	return es
}

// asked is the audit message of a query, answered or refused.
func (r *Registry) asked(c auth.Caller, q *query.Query, raw []byte, a account, es xds.Errors) *atna.AuditMessage {
	f := atna.Facts{Time: r.cfg.Clock(), Query: raw, QueryID: q.Kind.ID, QueryHomeCommunityID: r.cfg.Home}.By(c)
	tx := atna.ITI18
	if q.Kind.MultiPatient {
		tx = atna.ITI51
	}
	if len(q.Patients) > 0 {
		f.Patient, f.OtherPatients = q.Patients[0], q.Patients[1:]
	} else {
		f.Patient = a.patient
	}
	f = f.Decided(a.decision)
	if es != nil {
		f.Outcome, f.OutcomeText = atna.OutcomeMinorFailure, es.Codes()
	}
	return r.cfg.Events.Event(tx, atna.Responder, f)
}
