// Package registry is the Document Registry actor of XDS.b (ITI TF-1, 10.1.1.3): it takes submissions (ITI-42) and answers stored queries
// (ITI-18, ITI-51). It knows metadata only; document bytes pass it by.
package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/policy"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
)

// Config is what a registry needs.
type Config struct {
	Store  Store
	Domain func() *xds.Domain // the affinity domain as of now; it may change between two calls
	// Patients resolves identifiers of sources; nil: every patient is named as he is filed.
	Patients Patients
	// Gate decides who may do what; nil: every node is trusted.
	Gate *policy.Gate
	// Emergencies is told of exceptional accesses before they are answered; it may be nil.
	Emergencies Emergencies
	Audit       atna.Recorder
	Events      *atna.Reporter // builds audit messages in the name of this node
	// MaxResults bounds a LeafClass answer and MaxReferences an ObjectRef answer, in objects; beyond is XDSTooManyResults.
	MaxResults    int
	MaxReferences int
	// MayRemove tells who may remove metadata for good (ITI-62); nil: nobody.
	MayRemove   func(auth.Caller) bool
	Home        string       // homeCommunityId, urn:oid: form; empty when this registry belongs to no community
	Schema      ebxml.Schema // judges the message bodies that the decoder cannot vouch for
	ValidateAll bool         // ask the schema about every message
	Clock       func() time.Time
	NewID       func() xds.ObjectID // a fresh urn:uuid:
	Log         *slog.Logger
}

// Registry is the actor. Its methods may be called at the same time from many goroutines.
type Registry struct {
	cfg    Config
	hidden atomic.Pointer[xds.DocumentEntry] // the last that somebody named and was not shown
}

// New checks the configuration.
func New(cfg Config) (*Registry, error) {
	switch {
	case cfg.Store == nil, cfg.Domain == nil, cfg.Audit == nil, cfg.Events == nil, cfg.Clock == nil, cfg.NewID == nil, cfg.Log == nil:
		return nil, errors.New("registry: Store, Domain, Audit, Events, Clock, NewID and Log are required")
	case cfg.MaxResults <= 0 || cfg.MaxReferences <= 0:
		return nil, errors.New("registry: MaxResults and MaxReferences are above zero")
	}
	return &Registry{cfg: cfg}, nil
}

// filed gives a patient's identifier as documents are filed by it.
func (r *Registry) filed(ctx context.Context, c auth.Caller) xds.Filed {
	return func(id hl7.CX) (hl7.CX, bool, error) {
		if r.cfg.Patients == nil {
			return id, true, nil
		}
		return r.cfg.Patients.NationalID(ctx, c, id)
	}
}

// failed turns an error of something below into findings: what the peer may know, in the codes of ITI TF-3 4.2.4.1. The story goes to the log under a
// reference number that the answer repeats.
func (r *Registry) failed(ctx context.Context, c auth.Caller, err error) xds.Errors {
	var es xds.Errors
	if errors.As(err, &es) {
		return es
	}
	var e *xds.Error
	if errors.As(err, &e) {
		return xds.Errors{e}
	}
	ref := string(r.cfg.NewID())
	r.cfg.Log.LogAttrs(ctx, slog.LevelError, "registry failed", slog.String("reference", ref), slog.String("node", c.Node), slog.Any("error", err))
	code := xds.CodeRegistryError
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		code = xds.CodeRegistryOutOfResources
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		code = xds.CodeRegistryBusy
	}
	return xds.Errors{{Code: code, Context: fmt.Sprintf("the registry could not complete the transaction; nothing was stored; reference %s", ref)}}
}
