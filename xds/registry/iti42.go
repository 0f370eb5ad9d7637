package registry

import (
	"context"

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
