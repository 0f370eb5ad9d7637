package manager

import (
	"context"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
)

// Store keeps patients. Update is all or nothing and durable when it returns nil.
type Store interface {
	View(ctx context.Context, f func(Tx) error) error
	Update(ctx context.Context, f func(Tx) error) error
}

// Tx is one transaction over the patients, and over the records that follow them.
type Tx interface {
	// Patient finds by identifier and authority (hl7.CX.Key).
	Patient(id hl7.CX) (pix.Patient, bool, error)
	PutPatient(p pix.Patient) error
	// MoveRecord gives every document entry, folder and submission set of from to to, and says how many objects moved.
	MoveRecord(from, to hl7.CX) (int, error)
	// Record keeps the audit message in the same commit.
	Record(m *atna.AuditMessage) error
}
