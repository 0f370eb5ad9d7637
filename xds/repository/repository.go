// Package repository is the Document Repository actor of XDS.b (ITI TF-1, 10.1.1.4): it keeps document bytes (ITI-41), registers their
// metadata (ITI-42, with a registry here or elsewhere) and gives the bytes back (ITI-43).
package repository

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
)

// Config is what a repository needs.
type Config struct {
	UniqueID    xds.OID // repositoryUniqueId
	Blobs       Blobs
	Index       Index
	Registrar   Registrar
	Domain      func() *xds.Domain
	Audit       atna.Recorder
	Events      *atna.Reporter
	Home        string       // homeCommunityId, urn:oid: form; may be empty
	Schema      ebxml.Schema // judges the message bodies that the decoder cannot vouch for
	ValidateAll bool         // ask the schema about every message
	Clock       func() time.Time
	NewID       func() xds.ObjectID // a fresh urn:uuid:
	Log         *slog.Logger
	// Patients resolves identifiers of sources; nil: every patient is named as he is filed.
	Patients Patients
	// Lots says what is asked of the signatures of lots; Signer judges who made one that this caller brings, the first certificate being his, and its error may be shown.
	Lots   LotRule
	Signer func(ctx context.Context, c auth.Caller, certs []*x509.Certificate) error
	// Access decides who may have which document; nil: every node may have any.
	Access Access
	// MayRemove tells who may destroy documents (ITI-86); nil: nobody.
	MayRemove func(auth.Caller) bool
	// Withheld tells of a document whether it counts as never having been there; nil: none does.
	Withheld func(context.Context, xds.UniqueID) (bool, error)
	// Deposited is told of documents that are new here and registered; the answer waits for it. It may be nil.
	Deposited func(c auth.Caller, docs []xds.StoredDocument)
}

// Repository is the actor. Its methods may be called at the same time from many goroutines.
type Repository struct {
	cfg        Config
	destroying sync.Mutex // one at a time destroys what was removed
}

// New checks the configuration.
func New(cfg Config) (*Repository, error) {
	switch {
	case !xds.ValidOID(string(cfg.UniqueID)):
		return nil, fmt.Errorf("repository: UniqueID %q is not an OID", cfg.UniqueID)
	case cfg.Blobs == nil, cfg.Index == nil, cfg.Registrar == nil, cfg.Domain == nil, cfg.Audit == nil, cfg.Events == nil,
		cfg.Clock == nil, cfg.NewID == nil, cfg.Log == nil:
		return nil, errors.New("repository: Blobs, Index, Registrar, Domain, Audit, Events, Clock, NewID and Log are required")
	}
	if cfg.Lots != LotsIgnored && cfg.Signer == nil {
		return nil, errors.New("repository: Signer is required where signatures of lots are verified")
	}
	return &Repository{cfg: cfg}, nil
}

// failed turns an error of something below into findings: what the peer may know, in the codes of ITI TF-3 4.2.4.1. The story goes to the log
// under a reference number that the answer repeats.
func (r *Repository) failed(ctx context.Context, c auth.Caller, err error) xds.Errors {
	var es xds.Errors
	if errors.As(err, &es) {
		return es
	}
	ref := string(r.cfg.NewID())
	r.cfg.Log.LogAttrs(ctx, slog.LevelError, "repository failed", slog.String("reference", ref), slog.String("node", c.Node), slog.Any("error", err))
	if errors.Is(err, xds.ErrInDoubt) {
		return xds.Errors{{Code: xds.CodeRegistryNotAvailable, Context: "the registry did not answer; ask it for the submission before sending again; reference " + ref}}
	}
	code := xds.CodeRepositoryError
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		code = xds.CodeRepositoryOutOfResources
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		code = xds.CodeRepositoryBusy
	}
	return xds.Errors{{Code: code, Context: "the repository could not complete the transaction; nothing was stored; reference " + ref}}
}
