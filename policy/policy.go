// Package policy decides who may do what with which document of a shared record (rules DMP-B1 to B8 and DMP-T3). It takes facts - consent, rights,
// refusals, stays, teams - and gives decisions with their reason. It is pure: it keeps nothing, asks no clock but the one it is given, and knows no
// message and no store.
package policy

import (
	"time"

	"github.com/passerelle-sante/passerelle/hl7"
)

// Facts is what decisions are made of, as of one moment. A store's transaction gives them, so that a decision and what it is about are of the same moment.
type Facts interface {
	// SharedRecord gives what is known of a patient's shared record, by the identifier his documents are filed by; nil when nothing is. It may be kept
	// and not be changed, save in an update.
	SharedRecord(patient hl7.CX) (*Record, error)
	// Members gives who belongs to a group practice or to the team of a structure, by its identifier; now or earlier.
	Members(group string) ([]Membership, error)
}

// Record is one patient's shared record: whether there is one, and what the patient decided about it.
type Record struct {
	Patient hl7.CX
	State   State
	Consent Consent // of the last opening or reopening
	Closing Closing // of the last closing
	Birth   string  // YYYYMMDD, empty when not known
	// NoBreakGlass and NoRegulation: the patient opposed beforehand that anybody reads his record in an emergency, or that a regulation physician does.
	// MaskedInEmergency: what he masked stays masked to them [DMP-B7].
	NoBreakGlass, NoRegulation, MaskedInEmergency bool
	NoTeams                                       bool // the patient refuses collective rights of institutions [DMP-T3.5]
	Rights                                        []Habilitation
	Refusals                                      []Refusal
	Stays                                         []Stay
	Representatives                               []Representative
	Notices                                       []Notice // what the patient is to be told, newest last
	Version                                       int      // counts changes
}

// State tells where a record is in its life.
type State string

// The states of a record [DMP-B1, DMP-B2]. A patient without a record has the empty one.
const (
	Unopened  State = ""
	Open      State = "open"
	Closed    State = "closed"    // inaccessible, kept for its legal time
	Destroyed State = "destroyed" // that it existed is all that is kept
)

// Way is how a record was opened [DMP-B1].
type Way string

// The three ways.
const (
	ByProfessional Way = "professional"
	ByPatient      Way = "patient"
	AtCounter      Way = "counter"
)

// Consent is the patient's express consent as it was collected [DMP-B1].
type Consent struct {
	Way    Way
	By     Party // who collected it
	Where  string
	Notice string // version of the information notice the patient was given
	At     time.Time
}

// Closing is how a record was closed [DMP-B2].
type Closing struct {
	By     Party
	Reason string // code of the reason
	At     time.Time
}

// Party is who holds a right, declares one or is refused: a person, a group practice or an institution. Of Person, Group and Structure, what is said
// must fit: a person, in that structure when one is said.
type Party struct {
	Person    string // national identifier (kind and RPPS or another), or structure/inner identifier; of a patient, his own
	Name      string // for people
	Role      string // profession, code^system
	Specialty string
	Group     string // group practice
	Structure string // institution or place of work, national identifier
}

// Kind is the ground a right stands on [DMP-T3].
type Kind string

// The grounds. Author, Patient, Representation and Node are not given by habilitations but by what one is.
const (
	Attending      Kind = "attending"  // 1: médecin traitant
	Allegation     Kind = "allegation" // 2: allégation forte
	Group          Kind = "group"      // 3: cabinet de groupe
	Delegation     Kind = "delegation" // 4
	Team           Kind = "team"       // 5: équipe de soins
	BreakGlass     Kind = "break-glass"
	Regulation     Kind = "regulation"
	Granted        Kind = "granted" // 8: by the patient himself
	Author         Kind = "author"
	Patient        Kind = "patient"
	Representation Kind = "representative"
	Node           Kind = "node"
)

// Habilitation is a right on one patient's record: who, on what ground, since when and until when, to which documents.
type Habilitation struct {
	ID        string
	Kind      Kind
	Party     Party
	From      time.Time
	Until     time.Time // exclusive; zero has no end
	Types     []string  // type codes (code^scheme) it is limited to; none: all
	Except    []string  // members of the group or team whom the patient excludes, by Person [DMP-T3.3, DMP-T3.5]
	Delegator string    // Delegation: Person whose right this extends; it stands as long as that does
	By        Party     // who declared it
	Evidence  string    // what supports it: "oral", "card", "portal"
	Reason    string    // BreakGlass, Regulation: in words
	Declared  time.Time // the last time it was declared or renewed
	EndedBy   Party     // who ended it before its term, Until being that moment
}

// Refusal blocks a person, or a whole structure. It beats every right [DMP-T3.7].
type Refusal struct {
	Party Party // Person, or Structure for everybody there
	From  time.Time
	Until time.Time // exclusive; zero has no end
	By    Party
	// Emergency: the patient lets even this person break the glass.
	Emergency bool
}

// Stay is an admission to an institution, as its feed told it [DMP-T3.5].
type Stay struct {
	Structure string
	Number    string // visit number, as the institution gives it
	From      time.Time
	Until     time.Time // of discharge; zero while it lasts
	Refused   bool      // the patient refuses the team of this stay
	Except    []string  // members of the team whom he excludes, by Person
}

// Representative acts for the patient: parents of a minor until his majority, a guardian until his charge ends.
type Representative struct {
	Person   string // identifier of the person, a CX
	Name     string
	Guardian bool // by a judge: majority does not end it
	From     time.Time
	Until    time.Time // exclusive; zero has no end
}

// Notice is what the patient is told at once [DMP-T3.6, DMP-T3.9].
type Notice struct {
	At     time.Time
	About  string // habilitation
	Kind   Kind
	Party  Party
	Reason string
	Secret bool // the legal representatives are not told
}

// Membership says that a person belonged to a group practice or team for a time.
type Membership struct {
	Party Party // Person, Name, Role
	From  time.Time
	Until time.Time // exclusive; zero has no end
}
