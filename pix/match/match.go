// Package match tells whether two records are about one person, after Fellegi and Sunter: every field agrees on a level, every level weighs log2(m/u), the sum
// decides between two thresholds. It knows what French identities look like. It knows no messages, no identifiers and no store; whoever asks must have left out
// identities that may not link (doubtful, fictitious, known homonyms).
package match

import (
	"fmt"
	"strings"
)

// Record is what a feed says of a person. Every part may be missing; text comes as the sender wrote it.
type Record struct {
	BirthName  string
	UsualName  string
	Given      []string // at birth, in the order of the birth record; one string may hold several
	UsedGiven  string   // the one used every day, when it is not the first
	BirthDate  string   // YYYY, YYYYMM or YYYYMMDD, "00" for what is not known; a time behind it is ignored
	BirthOrder int      // among those of a multiple birth, from 1; 0 when not known
	Sex        string   // M or F; anything else is not known
	BirthPlace string   // INSEE code of the commune, 99 and the country for those born abroad
	PostalCode string
	City       string
	Phones     []string
	Mails      []string
}

// Field is one thing that two records are compared on.
type Field uint8

// The fields.
const (
	FamilyName Field = iota
	GivenName
	OtherGivenNames
	BirthDate
	Sex
	BirthPlace
	Residence
	Contact
	numFields
)

var fieldNames = [numFields]string{"family name", "given name", "other given names", "birth date", "sex", "birth place", "residence", "contact"}

func (f Field) String() string { return fieldNames[f] }

// Level is how far two records agree on a field. What a level means depends on the field: levels below lists which each has.
type Level uint8

// The levels, from what says most for one person to what says most against.
const (
	Missing    Level = iota // one of the records does not say; weighs nothing
	Same                    // equal once normalised
	Variant                 // equal but for a particle
	Crossed                 // the birth name of one is the usual name of the other
	Reordered               // the first given name of one is a later one, or the used one, of the other
	Part                    // one is a part, or the beginning, of the other
	Initials                // one is the initials of the other
	Close                   // a slip of the pen apart
	Sounds                  // pronounced alike
	Swapped                 // family and given name changed places; day and month changed places
	Rival                   // near, yet both are names of their own: Paul and Paule
	Some                    // some of them are shared
	Equivalent              // another code for the same place
	Coarse                  // equal as far as both are known; the first of January counts as not known
	Digit                   // one digit is another, or two neighbours changed places
	Near                    // two of year, month and day are equal
	Area                    // the same department, or what was one
	Different
	numLevels
)

var levelNames = [numLevels]string{"missing", "same", "variant", "crossed", "reordered", "part", "initials", "close", "sounds", "swapped", "rival", "some",
	"equivalent", "coarse", "digit", "near", "area", "different"}

func (l Level) String() string { return levelNames[l] }

// levels are those that a field can agree on, besides Missing.
var levels = [numFields][]Level{
	FamilyName:      {Same, Variant, Crossed, Part, Close, Sounds, Swapped, Different},
	GivenName:       {Same, Reordered, Part, Initials, Close, Sounds, Swapped, Rival, Different},
	OtherGivenNames: {Same, Some, Different},
	BirthDate:       {Same, Coarse, Swapped, Digit, Near, Different},
	Sex:             {Same, Different},
	BirthPlace:      {Same, Equivalent, Area, Different},
	Residence:       {Same, Area, Different},
	Contact:         {Same, Different},
}

// Pattern is the level of every field.
type Pattern [numFields]Level

// Decision is what a comparison comes to.
type Decision uint8

// The decisions.
const (
	Apart     Decision = iota // nothing is done
	Review                    // somebody has to look
	Automatic                 // one person
)

func (d Decision) String() string { return [...]string{"apart", "review", "automatic"}[d] }

// FieldWeight is what a field adds to the weight of a pair, in bits.
type FieldWeight struct {
	Field  Field
	Level  Level
	Weight float64
}

// Result is a comparison and its reasons. It holds nothing that identifies anybody.
type Result struct {
	Weight   float64 // log2 of how much likelier the pair is with one person than with two
	Fields   [numFields]FieldWeight
	Decision Decision
	Guard    string // the rule that kept the decision below what the weight says; empty when none did
}

// Explain gives the reasons in words, one line a field and one for the decision.
func (r Result) Explain() string {
	var b strings.Builder
	for _, f := range r.Fields {
		fmt.Fprintf(&b, "%s: %s (%+.1f)\n", f.Field, f.Level, f.Weight)
	}
	fmt.Fprintf(&b, "weight %.1f: %s", r.Weight, r.Decision)
	if r.Guard != "" {
		b.WriteString(", held back: " + r.Guard)
	}
	return b.String()
}

// Compare compares two records. The order of the two does not matter.
func (m *Model) Compare(a, b Record) Result {
	p, q := m.Prepare(a), m.Prepare(b)
	return m.ComparePrepared(&p, &q)
}

// ComparePrepared compares two records that Prepare of the same model made ready.
func (m *Model) ComparePrepared(a, b *Prepared) Result {
	return m.judge(Levels(a, b), a, b)
}

// judge weighs the levels of a pair.
func (m *Model) judge(p Pattern, a, b *Prepared) Result {
	var r Result
	for f, l := range p {
		w := m.weight[f][l]
		if l == Same || l == Crossed {
			w = m.weightOfValue(Field(f), l, a, b)
		}
		r.Fields[f] = FieldWeight{Field(f), l, w}
		r.Weight += w
	}
	switch {
	case r.Weight >= m.AutomaticAt:
		r.Decision = Automatic
	case r.Weight >= m.ReviewAt:
		r.Decision = Review
	default:
		return r
	}
	for i := range guards {
		if g := &guards[i]; g.most < r.Decision && g.holds(&p, a, b) {
			r.Decision, r.Guard = g.most, g.name
		}
	}
	return r
}

// Levels tells how far two prepared records agree on each field.
func Levels(a, b *Prepared) Pattern {
	p := Pattern{
		FamilyName:      familyLevel(a, b),
		GivenName:       givenLevel(a, b),
		OtherGivenNames: othersLevel(a, b),
		BirthDate:       dateLevel(a.date, b.date),
		Sex:             sexLevel(a.sex, b.sex),
		BirthPlace:      placeLevel(a.place, b.place),
		Residence:       residenceLevel(a, b),
		Contact:         contactLevel(a, b),
	}
	if (p[FamilyName] >= Close || p[GivenName] >= Close) && swapped(a, b) {
		p[FamilyName], p[GivenName] = Swapped, Swapped
	}
	return p
}
