package pix

import (
	"time"

	"github.com/passerelle-sante/passerelle/hl7"
)

// Move is what happens to a patient's stay in an institution.
type Move string

// The moves (ITI-31).
const (
	Admitted           Move = "admitted" // ADT A01, A04; A02 too, as who is transferred is there
	Discharged         Move = "discharged"
	AdmissionCancelled Move = "admission cancelled"
	DischargeCancelled Move = "discharge cancelled"
)

// Movement is a move of a patient, as the message of an institution tells it.
type Movement struct {
	Move        Move
	MessageID   string
	Facility    hl7.HD   // who tells: MSH-4
	Authorities []hl7.HD // of the patient's identifiers, as they are told
	Patient     hl7.CX
	Class       string // table 0004
	Number      string // of the visit
	At          time.Time
}
