package pix

import "github.com/passerelle-sante/passerelle/hl7"

// Reason says why two identities are linked, or may not be.
type Reason string

// The reasons. Explicit and Operator links are made by somebody and ended by somebody; the others follow from what the identities say and are taken back
// when that changes. Never keeps the two out of one person whatever else would link them.
const (
	Demographic    Reason = "demographic"     // a Matcher found them alike
	SharedNational Reason = "shared-national" // a qualified identity claims the national identifier
	Explicit       Reason = "explicit"        // a feed linked them (A24)
	Operator       Reason = "operator"        // a person did, or decided a review so
	Never          Reason = "never"           // a feed (A37) or a person says that they are two
)

// strengths order the links: when two identities must be parted, the weakest between them give way.
var strengths = map[Reason]int{Demographic: 1, SharedNational: 2, Explicit: 3, Operator: 4}

// Strength orders reasons; a link by a weaker one never replaces a stronger one.
func (r Reason) Strength() int { return strengths[r] }

// Made tells whether somebody made the link, so that only somebody takes it back.
func (r Reason) Made() bool { return r == Explicit || r == Operator || r == Never }

// Link is an edge between two identities, stored as it stands: persons follow from links, never the other way.
type Link struct {
	A, B        hl7.CX
	Reason      Reason
	Weight      float64       // of a Demographic link
	Fields      []FieldWeight // how the weight came about
	Source      string        // who: the node, or the person behind it
	Transaction string
	MessageID   string
	At          hl7.DTM
}

// Other gives the end that is not id.
func (l *Link) Other(id hl7.CX) hl7.CX {
	if l.A.Same(id) {
		return l.B
	}
	return l.A
}

// FieldWeight is what one field contributed to a weight.
type FieldWeight struct {
	Field  string
	Weight float64
	Why    string // agreement level or rule; no patient data
}

// Match is what a comparison of two identities came to.
type Match struct {
	Weight float64
	Fields []FieldWeight
}

// Cause says why somebody must look at a pair.
type Cause string

// The causes.
const (
	CauseTwoNational Cause = "two-national" // a link would bring two national identifiers into one person
	CauseTraits      Cause = "traits"       // two claim the same national identifier and their strict traits contradict each other
	CauseParted      Cause = "parted"       // a link would join two that are said to be two persons
	CauseAlike       Cause = "alike"        // a comparison came to a weight between the thresholds
)

// Decision is what became of a review.
type Decision string

// The decisions.
const (
	Pending   Decision = ""
	Same      Decision = "same"      // linked
	Different Decision = "different" // never to be linked
	Withdrawn Decision = "withdrawn" // what it was about is no longer so
)

// Review is a pair of identities that a person has to decide about. Detail names the trait or the rule; it holds no patient data.
type Review struct {
	ID       uint64
	A, B     hl7.CX
	Cause    Cause
	Detail   string
	Weight   float64
	Fields   []FieldWeight
	Opened   hl7.DTM
	Decision Decision
	By       string
	Decided  hl7.DTM
}

// Merge is what a merge did, enough to undo it.
type Merge struct {
	Event       Event
	Prior       Patient // as it was
	Survivor    Patient // as it was; without an identifier when the merge brought it
	Into        hl7.CX
	Revision    uint64   // of the survivor after the merge: as long as it has that, nobody told of it since
	Lost        []Link   // links that ended by it
	Gained      []Link   // and that came by it
	Born        []hl7.CX // national identifiers that a claim made known by it
	Closed      []uint64 // reviews that it closed
	Opened      []uint64 // and that it opened
	Objects     []uint64 // the store's numbers of the objects that moved
	Source      string
	Transaction string
	MessageID   string
	At          hl7.DTM
}

// Change is one entry of an identity's history: what another value took the place of. It is patient data.
type Change struct {
	At          hl7.DTM
	Event       Event
	Transaction string
	MessageID   string
	Source      string
	Fields      []FieldChange
}

// FieldChange is a field and what it held before.
type FieldChange struct{ Field, Old string }

// MaxHistory bounds the history of one identity: the oldest entries go.
const MaxHistory = 64

// CrossReference is an event for subscribers (ITI-10, ITI-46): the identifiers of one person after a change, and those that are the person's no longer. The
// lists hold every identifier; who may be told which is decided at delivery. An identifier that left one person for another is gone in the event of
// the one and present in that of the other, in either order. Without IDs those who are Gone are of no person with others any more: their identifiers
// were given up or forgotten.
type CrossReference struct {
	Seq         uint64
	At          hl7.DTM
	Transaction string
	MessageID   string
	IDs         []hl7.CX
	Gone        []hl7.CX
}
