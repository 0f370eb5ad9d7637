package registry

import (
	"context"
	"slices"
	"strings"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/wire/soap"
	"github.com/passerelle-sante/passerelle/xds"
)

// ITI92 is the door of Restricted Update Document Set [ITI-92 3.92.4.1].
func (r *Registry) ITI92(ctx context.Context, req *soap.Request) (*soap.Response, error) {
	return r.serveUpdate(ctx, req, r.RestrictedUpdate)
}

// RestrictedUpdate makes new versions of document entries, of whom only what describes the document's content may be said anew [ITI-92 3.92.4.1.3]. Folders,
// statuses and relations are not its business.
func (r *Registry) RestrictedUpdate(ctx context.Context, c auth.Caller, sub *xds.Submission) (xds.Errors, error) {
	return r.update(ctx, c, sub, &updateRules{transaction: atna.ITI92, entriesOnly: true, annotation: xds.CodeMetadataAnnotationError,
		unmodifiable: xds.CodeUnmodifiableMetadataError, fixed: slices.Concat(fixedAttributes, foreignAttributes)})
}

// foreignAttributes are those that a restricted update leaves alone besides: whom the source took the patient for, and when and under which name it made
// the document.
var foreignAttributes = []attribute{
	{"sourcePatientId", func(e *xds.DocumentEntry) string { return e.SourcePatientID.String() }},
	{"sourcePatientInfo", func(e *xds.DocumentEntry) string { return strings.Join(e.SourcePatientInfo, "\n") }},
	{"creationTime", func(e *xds.DocumentEntry) string { return string(e.CreationTime) }},
	{"URI", func(e *xds.DocumentEntry) string { return e.URI }},
	{"documentAvailability", func(e *xds.DocumentEntry) string { return e.DocumentAvailability }},
}
