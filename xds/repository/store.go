package repository

import (
	"context"
	"io"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/policy"
	"github.com/passerelle-sante/passerelle/xds"
)

// Patients knows by which identifier documents are filed. ok is false when the identifier is one of a source, which is to be resolved, and cannot be; one
// that is not to be resolved comes back as it is.
type Patients interface {
	NationalID(ctx context.Context, c auth.Caller, id hl7.CX) (filed hl7.CX, ok bool, err error)
}

// Blobs holds bytes. What Commit acknowledged survives a crash; what was aborted or removed is gone, its bytes destroyed.
type Blobs interface {
	// Create begins a blob. sizeHint is the expected length in bytes, -1 when unknown.
	Create(ctx context.Context, sizeHint int64) (Blob, error)
	// Open gives the bytes of a committed blob.
	Open(ctx context.Context, id string) (Content, error)
	// Remove destroys a committed blob. Removing twice is no error.
	Remove(ctx context.Context, id string) error
}

// Blob is bytes on their way in.
type Blob interface {
	io.Writer
	// Commit makes the bytes durable and names them.
	Commit(ctx context.Context) (id string, err error)
	// Abort destroys what was written; after Commit it does nothing.
	Abort()
}

// Content is bytes on their way out. WriteTo sends them with the least copying the destination allows.
type Content interface {
	io.Reader
	io.WriterTo
	io.Closer
	Size() int64
}

// Access decides for each document whether the caller may have it. It is where the metadata are, that the decision needs.
type Access interface {
	MayRetrieve(ctx context.Context, c auth.Caller, ids []xds.UniqueID) ([]policy.Decision, error)
	// MayDestroy decides for each document whether the caller, who may remove at all, may have it destroyed.
	MayDestroy(ctx context.Context, c auth.Caller, ids []xds.UniqueID) ([]policy.Decision, error)
}

// Index remembers which documents the repository holds.
type Index interface {
	// Stage remembers documents whose bytes are durable and whose registration is under way.
	Stage(ctx context.Context, docs []xds.StoredDocument) error
	// Settle ends the staging: registered documents can be retrieved, others are forgotten.
	Settle(ctx context.Context, docs []xds.StoredDocument, registered bool) error
	// Document finds a registered document.
	Document(ctx context.Context, id xds.UniqueID) (xds.StoredDocument, bool, error)
	// Doom ends registered documents: none of them can be retrieved, and their bytes are to be destroyed, unless a document that is staged shares them. It keeps
	// the audit message in the same commit.
	Doom(ctx context.Context, ids []xds.UniqueID, m *atna.AuditMessage) error
	// Doomed gives up to max documents whose bytes are to be destroyed, oldest first.
	Doomed(ctx context.Context, max int) ([]xds.StoredDocument, error)
	// Forget ends a doomed document, whose bytes are destroyed.
	Forget(ctx context.Context, d xds.StoredDocument) error
}

// Registrar makes a submission known to a registry. A registrar that shares the repository's store commits stored and also with the
// metadata, in one transaction; one that does not (ITI-42 to another machine) keeps them through Index and a Recorder. The warnings of an
// accepted submission come back as xds.Errors with a nil error.
type Registrar interface {
	RegisterDocumentSet(ctx context.Context, c auth.Caller, sub *xds.Submission, stored []xds.StoredDocument, also ...*atna.AuditMessage) (xds.Errors, error)
}
