// Package pix holds the nouns of patient identity: domains, patients known by an identifier, and what a feed says of them
// (ITI TF-1, 5; ITI TF-2, 3.8 and 3.44).
package pix

import (
	"github.com/passerelle-sante/passerelle/hl7"
)

// Event is what a patient identity feed announces.
type Event string

// The events of ITI-8 and ITI-44.
const (
	Added   Event = "added"   // ADT A01, A04, A05; PRPA_IN201301UV02
	Revised Event = "revised" // ADT A08, A31; PRPA_IN201302UV02
	Merged  Event = "merged"  // ADT A40; PRPA_IN201304UV02
	Moved   Event = "moved"   // ADT A43
)

// Demographics is what a feed says of a person. It is stored, never logged.
type Demographics struct {
	Names     []hl7.XPN
	BirthDate string
	Sex       string
	Addresses []string
	Telecoms  []string
}

// Patient is a patient as an identity domain knows it.
type Patient struct {
	ID           hl7.CX
	OtherIDs     []hl7.CX
	Demographics Demographics
	MergedInto   hl7.CX // set once another identifier took over
}

// Feed is one announcement: the patient, and for Merged and Moved the identifier that is given up.
type Feed struct {
	Event     Event
	MessageID string
	Patient   Patient
	Prior     hl7.CX
}
