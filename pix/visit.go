package pix

import (
	"strings"

	"github.com/passerelle-sante/passerelle/hl7"
)

// Visit is what a feed says of a patient's stay, in the fields of PV1 that a query may ask for. Values are kept as they were written, in the standard
// delimiters; doctors are XCN, with ~ between several.
type Visit struct {
	Class      string // table 0004
	Location   string // PL
	Attending  string
	Referring  string
	Consulting string
	Service    string
	Admitting  string
	Number     hl7.CX
	Admitted   hl7.DTM
	Discharged hl7.DTM
}

// NotApplicable is the class of a PV1 that a message holds only because it must.
const NotApplicable = "N"

// Told tells whether there is a visit at all: a PV1 of nothing but the class N is none.
func (v *Visit) Told() bool {
	rest := *v
	if rest.Class == NotApplicable {
		rest.Class = ""
	}
	return rest != Visit{}
}

// String writes the visit in one line, for the history of a patient.
func (v *Visit) String() string {
	if v == nil {
		return ""
	}
	return strings.Join([]string{v.Class, v.Location, v.Attending, v.Referring, v.Consulting, v.Service, v.Admitting, v.Number.String(), string(v.Admitted), string(v.Discharged)}, "|")
}

// Completed is the visit with what was said before of the same one. Another visit, or one without a number, takes the place of the one before.
func (v *Visit) Completed(old *Visit) *Visit {
	switch {
	case v == nil:
		return old
	case old == nil || v.Number.ID == "" || v.Number.ID != old.Number.ID || !sameAuthority(v.Number.AssigningAuthority, old.Number.AssigningAuthority):
		return v
	}
	c := *v
	if c.Number.AssigningAuthority == (hl7.HD{}) {
		c.Number = old.Number
	}
	for _, f := range []struct {
		now *string
		was string
	}{{&c.Class, old.Class}, {&c.Location, old.Location}, {&c.Attending, old.Attending}, {&c.Referring, old.Referring}, {&c.Consulting, old.Consulting}, {&c.Service, old.Service},
		{&c.Admitting, old.Admitting}, {(*string)(&c.Admitted), string(old.Admitted)}, {(*string)(&c.Discharged), string(old.Discharged)}} {
		if *f.now == "" {
			*f.now = f.was
		}
	}
	return &c
}

// VisitCriteria is what a query asks of a visit; without any of it, that there is one. Codes and identifiers compare as they are written, the names of
// doctors as those of patients do.
type VisitCriteria struct {
	Class                                       string
	Location                                    [4]string // point of care, room, bed, facility
	Attending, Referring, Consulting, Admitting Doctor
	Service                                     string
	Number                                      hl7.CX // without an authority: of whatever one
}

// Doctor is what a query asks of one.
type Doctor struct{ ID, Family, Given string }

// Match tells whether a visit meets the criteria. No visit meets none.
func (c *VisitCriteria) Match(v *Visit) bool {
	if v == nil || c.Class != "" && c.Class != v.Class || c.Service != "" && c.Service != plain(hl7.XPN(v.Service).Component(1)) {
		return false
	}
	for i, part := range c.Location {
		if part != "" && part != ownPart(v.Location, i+1) {
			return false
		}
	}
	if c.Number.ID != "" && (c.Number.ID != v.Number.ID || !sameAuthority(c.Number.AssigningAuthority, v.Number.AssigningAuthority)) {
		return false
	}
	return c.Attending.among(v.Attending) && c.Referring.among(v.Referring) && c.Consulting.among(v.Consulting) && c.Admitting.among(v.Admitting)
}

// among looks for a doctor in a list of XCN.
func (d *Doctor) among(list string) bool {
	if *d == (Doctor{}) {
		return true
	}
	for one := range strings.SplitSeq(list, "~") {
		if (d.ID == "" || d.ID == ownPart(one, 1)) && (d.Family == "" || likeName(d.Family, ownPart(one, 2))) && (d.Given == "" || likeName(d.Given, ownPart(one, 3))) {
			return true
		}
	}
	return false
}

// ownPart is the first sub-component of a component.
func ownPart(text string, n int) string {
	own, _, _ := strings.Cut(hl7.XPN(text).Component(n), "&")
	return plain(own)
}

// sameAuthority compares by universal ids where both have one, else by names. What is not said differs from nothing.
func sameAuthority(a, b hl7.HD) bool {
	if a.UniversalID != "" && b.UniversalID != "" {
		return a.UniversalID == b.UniversalID
	}
	return a == (hl7.HD{}) || a.NamespaceID != "" && a.NamespaceID == b.NamespaceID
}
