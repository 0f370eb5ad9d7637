// Package dmp is the life of the shared record: opening and closing it, who is given which right on it, what the patient is told and shown. It knows no
// document: who may read which is package policy's, and it only keeps the facts that this is decided on.
package dmp

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/policy"
)

// Store keeps records. View sees one consistent moment; Update is all or nothing, runs alone, and is durable when it returns nil.
type Store interface {
	View(ctx context.Context, f func(Tx) error) error
	Update(ctx context.Context, f func(UpdateTx) error) error
}

// Tx is one look at the records.
type Tx interface {
	policy.Facts
	// RecordsOf gives the patients whose record names that person, group or structure in a right.
	RecordsOf(id string) ([]hl7.CX, error)
}

// UpdateTx is one change of the records, which sees its own writes.
type UpdateTx interface {
	Tx
	PutRecord(*policy.Record) error
	PutMembers(group string, members []policy.Membership) error
	// Record keeps the audit message in the same commit.
	Record(*atna.AuditMessage) error
}

// Identities knows patients by the identifier their record is filed by.
type Identities interface {
	Identity(ctx context.Context, patient hl7.CX) (pix.Patient, bool, error)
	// Announce makes a patient known, as a feed would.
	Announce(ctx context.Context, c auth.Caller, p pix.Patient) error
}

// Documents tells of the documents of a record what a worklist shows, never what is in them.
type Documents interface {
	// Latest is when a document that the caller may see was last added, and when one was last changed; zero when never.
	Latest(ctx context.Context, c auth.Caller, patient hl7.CX) (added, changed time.Time, err error)
}

// Eraser destroys every document of a patient, metadata and bytes. Erasing what is gone already is no error.
type Eraser interface {
	Erase(ctx context.Context, patient hl7.CX) error
}

// Config is what a DMP needs. Store, Gate, Recorder, Events and Identities are required.
type Config struct {
	Store      Store
	Gate       *policy.Gate   // says who has a right
	Recorder   atna.Recorder  // keeps the record of refusals and of readings
	Events     *atna.Reporter // who we are in audit records
	Identities Identities
	Journal    Journal   // nil: the patient's journal cannot be shown
	Documents  Documents // nil: worklists cannot be asked for by documents
	Eraser     Eraser    // nil: nothing can be destroyed
	Terms      Terms
	// MaxAttending is how many attending physicians a patient may have; 3 when 0.
	MaxAttending int
	// AttendingRoles are the professions, code^system, whose members may be one; none: a doctor of the French table of professions.
	AttendingRoles []string
	// Notice is the version of the information notice that those who use the national interface hand out: its messages do not say.
	Notice string
	// DestroyEarly lets a closed record be destroyed before its time: for laboratories and tests only.
	DestroyEarly bool
	DeviceID     string // our OID in messages, the sender of answers
	DeviceName   string
	Clock        func() time.Time
	NewID        func() string // of rights and messages
	Log          *slog.Logger  // one line per act; nil discards
}

// Terms are how long things last. A zero one has its default.
type Terms struct {
	Allegation   Term // a declared right [DMP-T3.2]; a month
	Delegation   Term // what a prescriber hands on [DMP-T3.4]; 7 days
	Emergency    Term // an access in an emergency [DMP-T3.6]; 24 hours
	Confirmation Term // between a declaration and its confirmation; 10 minutes
	Retention    Term // of a closed record [DMP-B2]; 10 years
}

// DMP is the actor. It is safe for concurrent use.
type DMP struct {
	cfg Config
	key [32]byte // seals what waits for confirmation
}

// The doctors of the table of professions.
const doctor = "10^1.2.250.1.71.1.2.7"

// New checks the configuration.
func New(cfg Config) (*DMP, error) {
	if cfg.Store == nil || cfg.Gate == nil || cfg.Recorder == nil || cfg.Events == nil || cfg.Identities == nil {
		return nil, errors.New("shared record: Store, Gate, Recorder, Events and Identities are required")
	}
	if cfg.NewID == nil {
		return nil, errors.New("shared record: NewID is required")
	}
	t := &cfg.Terms
	t.Allegation = cmp.Or(t.Allegation, Term{1, 'm'})
	t.Delegation = cmp.Or(t.Delegation, Term{7, 'd'})
	t.Emergency = cmp.Or(t.Emergency, Term{24, 'h'})
	t.Confirmation = cmp.Or(t.Confirmation, Term{10, 'i'})
	t.Retention = cmp.Or(t.Retention, Term{10, 'y'})
	cfg.Notice = cmp.Or(cfg.Notice, "1")
	cfg.MaxAttending = cmp.Or(cfg.MaxAttending, 3)
	if cfg.AttendingRoles == nil {
		cfg.AttendingRoles = []string{doctor}
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	d := &DMP{cfg: cfg}
	_, _ = rand.Read(d.key[:]) // crypto/rand.Read never fails: it ends the process instead
	return d, nil
}
