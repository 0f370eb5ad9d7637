package registry

import (
	"context"

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

// Store keeps the registry's objects. View sees one consistent moment; Update is all or nothing, runs alone, and is durable when it
// returns nil. An error from f leaves nothing behind and comes back as it is.
type Store interface {
	View(ctx context.Context, f func(Tx) error) error
	Update(ctx context.Context, f func(UpdateTx) error) error
}

// Tx reads. Objects that a View gives may be kept and not be changed, as others may have them too; those of an Update are the caller's.
type Tx interface {
	policy.Facts
	// Object finds by entryUUID.
	Object(id xds.ObjectID) (xds.Object, bool, error)
	// ByUniqueID gives the ids of the objects with that unique id, in the order they were registered. Several document entries may share one.
	ByUniqueID(uid xds.UniqueID) ([]xds.ObjectID, error)
	// ByLogicalID gives the ids of all versions of an object, oldest first.
	ByLogicalID(lid xds.ObjectID) ([]xds.ObjectID, error)
	// OfPatient yields a patient's objects of one kind in the order they were registered, until yield says false.
	OfPatient(patient hl7.CX, kind xds.Kind, yield func(xds.Object) bool) error
	// ByReferenceID yields the patient's document entries that carry the reference id (whole CXi value, compared exactly), in order.
	ByReferenceID(patient hl7.CX, ref string, yield func(xds.Object) bool) error
	// Associations gives every association whose source or target is id, in the order they were registered.
	Associations(id xds.ObjectID) ([]xds.Association, error)
	// KnownPatient tells whether a feed announced the patient and no merge gave it up.
	KnownPatient(patient hl7.CX) (bool, error)
}

// UpdateTx reads and writes; it sees its own writes.
type UpdateTx interface {
	Tx
	// Put inserts a new object or replaces the one with the same id.
	Put(o xds.Object) error
	// Keep remembers where a repository that shares this store holds a document's bytes.
	Keep(d xds.StoredDocument) error
	// PutRecord keeps what is known of a patient's shared record.
	PutRecord(r *policy.Record) error
	// Record keeps the audit message in the same commit.
	Record(m *atna.AuditMessage) error
}
