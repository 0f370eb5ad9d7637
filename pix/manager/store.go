package manager

import (
	"context"
	"errors"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
)

// ErrPlace tells that a search cannot go on where it was told to.
var ErrPlace = errors.New("not a place in this search")

// Store keeps patients. View sees one consistent moment; Update is all or nothing, runs alone, and is durable when it returns nil.
type Store interface {
	View(ctx context.Context, f func(Tx) error) error
	Update(ctx context.Context, f func(Tx) error) error
}

// Tx is one transaction over the patients, and over the records that follow them. It sees its own writes; writing in a View fails.
type Tx interface {
	Identities
	Links
	Reviews
	Records
	Trace
}

// Identities are the patients as their domains know them.
type Identities interface {
	// Patient finds by identifier and authority (hl7.CX.Key).
	Patient(id hl7.CX) (pix.Patient, bool, error)
	// PutPatient keeps p under its identifier. A new one gets its Number.
	PutPatient(p *pix.Patient) error
	// DeletePatient forgets an identity that has no links. One that is not there is no error.
	DeletePatient(id hl7.CX) error
	// Members gives the patients of that Person, by number.
	Members(person uint64) ([]pix.Patient, error)
	// Alike gives up to max patients that have the key among their Keys, in a stable order.
	Alike(key string, max int) ([]pix.Patient, error)
	// Search yields the patients that q matches, each once, in a stable order, until yield says false. at is the place to go on after: a later Search
	// for the same q begins behind it, and gives ErrPlace
	// when it cannot be one of its places. An identifier in q has its authority.
	Search(q *pix.Criteria, after string, yield func(p pix.Patient, at string) bool) error
}

// Links are the edges between patients. One pair has one link at most.
type Links interface {
	// Links gives the links of a patient, by the number of the other one.
	Links(id hl7.CX) ([]pix.Link, error)
	// PutLink keeps a link between two known patients in the place of the one they had.
	PutLink(l pix.Link) error
	DeleteLink(a, b hl7.CX) error
}

// Reviews are the pairs that wait for a person's decision, and those that were decided.
type Reviews interface {
	// PutReview keeps a review; a new one, whose ID is 0, gets the next.
	PutReview(r *pix.Review) error
	Review(id uint64) (pix.Review, bool, error)
	// ReviewsOf gives the open ones that a patient is in, oldest first.
	ReviewsOf(id hl7.CX) ([]pix.Review, error)
	// OpenReviews gives up to max open ones with a greater ID, oldest first.
	OpenReviews(after uint64, max int) ([]pix.Review, error)
}

// ErrEntangled says that documents cannot go to another patient without others that are not to.
var ErrEntangled = errors.New("documents of another source are related to those that are to move")

// Records are what is filed under identifiers: document entries, folders and submission sets.
type Records interface {
	// MoveRecord gives every object of from to to, and the store's numbers of what moved.
	MoveRecord(from, to hl7.CX) ([]uint64, error)
	// MoveSource gives the document entries of from whose sourcePatientId is local, or subsumed, to to, with the sets and folders that hold nothing else, and says how many
	// objects; subsumed, when there is one, becomes local. It is ErrEntangled, and nothing may be kept of it, when something of another source is related to one of them.
	MoveSource(from, to, local, subsumed hl7.CX) (int, error)
	// MoveBack gives those of the objects that are still from's to to, and says how many.
	MoveBack(objects []uint64, from, to hl7.CX) (int, error)
	HasRecord(id hl7.CX) (bool, error)
}

// Trace is what is kept beside the present state.
type Trace interface {
	// Merge gives what the merge of a given-up identifier did.
	Merge(prior hl7.CX) (pix.Merge, bool, error)
	PutMerge(m pix.Merge) error
	DeleteMerge(prior hl7.CX) error
	// AddHistory keeps one entry more of a known patient; beyond pix.MaxHistory the oldest go.
	AddHistory(id hl7.CX, c pix.Change) error
	// History is oldest first.
	History(id hl7.CX) ([]pix.Change, error)
	// Announce keeps an event for subscribers and numbers it, from 1 without a gap.
	Announce(c pix.CrossReference) error
	// Record keeps the audit message in the same commit.
	Record(m *atna.AuditMessage) error
}
