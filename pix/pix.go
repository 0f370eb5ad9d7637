// Package pix holds the nouns and the rules of patient identity: domains, patients known by an identifier, what a feed says of them, the links
// between them and why there are any (ITI TF-1, 5; ITI TF-2, 3.8, 3.9, 3.30 and 3.44). It knows no message and no store.
package pix

import (
	"strings"

	"github.com/passerelle-sante/passerelle/hl7"
)

// Event is what a patient identity feed announces.
type Event string

// The events of ITI-8, ITI-30, ITI-31, ITI-44 and ITI-64.
const (
	Added    Event = "added"    // ADT A01, A04, A05, A28; PRPA_IN201301UV02
	Revised  Event = "revised"  // ADT A08, A31; PRPA_IN201302UV02
	Merged   Event = "merged"   // ADT A40; PRPA_IN201304UV02
	Moved    Event = "moved"    // ADT A43
	Renamed  Event = "renamed"  // ADT A47: the same person under another identifier
	Linked   Event = "linked"   // ADT A24
	Unlinked Event = "unlinked" // ADT A37
	Relinked Event = "relinked" // ADT A43 of ITI-64: a source's patient is another one of the affinity domain than was thought
)

// TakesPrior tells the events that give an identifier up.
func (e Event) TakesPrior() bool { return e == Merged || e == Moved || e == Renamed }

// TakesTwo tells the events that are about two patients.
func (e Event) TakesTwo() bool { return e == Linked || e == Unlinked }

// Demographics is what a feed says of a person, close to the wire so that it can be told on as it came. It is stored, never logged.
type Demographics struct {
	Names     []hl7.XPN
	BirthDate string
	Sex       string
	Addresses []string
	Telecoms  []string
}

// Patient is a patient as an identity domain knows it: one identity. Links make a person of several.
type Patient struct {
	ID           hl7.CX
	OtherIDs     []hl7.CX // what the feed named besides: a national identifier among them is a claim
	Demographics Demographics
	Visit        *Visit // the last that was told; nil when none was
	MergedInto   hl7.CX // set once another identifier took over

	Status   Status
	Flags    Flags
	Segments []string // segments that only the sender understands, as they came
	Keys     []string // under which a Matcher finds it; kept, so that they can be taken away whatever the Matcher says tomorrow

	Source   string // the node that told last
	Updated  hl7.DTM
	Revision uint64 // counts what was told

	Number uint64 // the store's: the order in which patients were first told
	Person uint64 // the least number among those who are linked with each other; 0 for one who is linked with nobody
}

// Alone tells a patient that is linked with nobody.
func (p *Patient) Alone() bool { return p.Person == 0 }

// SamePerson tells whether links make one person of the two.
func (p *Patient) SamePerson(o *Patient) bool {
	return p.Number == o.Number || p.Person != 0 && p.Person == o.Person
}

// Alive tells that the identifier was not given up.
func (p *Patient) Alive() bool { return p.MergedInto.IsZero() }

// Feed is one announcement: the patient; for Merged, Moved and Renamed the identifier that is given up, for Linked and Unlinked the other one; for Relinked the one that he was
// taken for, the source's own identifier of him, and another of the source's that it took over, if any.
type Feed struct {
	Event       Event
	Transaction string // ITI-8, ITI-30 or ITI-44, for the audit record
	MessageID   string
	Patient     Patient
	Prior       hl7.CX
	With        hl7.CX
	Local       hl7.CX
	Subsumed    hl7.CX
}

// IsBirthDate tells whether s is a date or a moment that exists, of any precision, with or without a zone.
func IsBirthDate(s string) bool {
	date, _, _ := strings.Cut(s, "+")
	date, _, _ = strings.Cut(date, "-")
	date, _, _ = strings.Cut(date, ".")
	_, err := hl7.ParseDTM(date)
	return err == nil
}
