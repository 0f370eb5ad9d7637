package registry

import (
	"context"
	"errors"
	"strconv"
	"strings"

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
			return &soap.Response{Body: ebxml.AppendQueryResponse(nil, es, nil, refs, r.cfg.Home)}
		}
	}
	// 6.5 KB is a generous entry; one allocation instead of a dozen doublings.
	return &soap.Response{Body: ebxml.AppendQueryResponse(make([]byte, 0, 1024+6656*len(objects)), es, objects, nil, "")}
}
