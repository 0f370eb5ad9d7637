package cda

import (
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/hl7"
)

// II is an instance identifier: an OID or UUID, and what its owner assigned below it.
type II struct{ Root, Extension, AuthorityName, NullFlavor string }

// IsZero tells that no identifier was given, be it that a null flavour stands in its place.
func (i II) IsZero() bool { return i.Root == "" && i.Extension == "" }

// Same compares root and extension; letters of a UUID may be written in either case.
func (i II) Same(j II) bool {
	return !i.IsZero() && i.Extension == j.Extension && strings.EqualFold(i.Root, j.Root)
}

// insAuthorities assign the French national health identifier: INS-NIR, INS-NIA, and those of test and demonstration.
var insAuthorities = [...]string{"1.2.250.1.213.1.4.8", "1.2.250.1.213.1.4.9", "1.2.250.1.213.1.4.10", "1.2.250.1.213.1.4.11"}

// IsINS tells whether the identifier is a national health identifier (INS).
func (i II) IsINS() bool {
	for _, root := range insAuthorities {
		if i.Root == root {
			return true
		}
	}
	return false
}

// Text is a wording: written in place, or in the narrative at Ref (an ID, without #).
type Text struct{ Value, Ref string }

// CD is a coded value (CD, CE, CV, CS): a code of a system, its wording and its translations.
type CD struct {
	Code, System, SystemName, Display, NullFlavor string
	Original                                      Text // originalText
	Translations                                  []CD
	Qualifiers                                    []Qualifier
}

// IsZero tells that no code was given.
func (c CD) IsZero() bool { return c.Code == "" && c.System == "" }

// Same compares code and system.
func (c CD) Same(d CD) bool { return c.Code == d.Code && c.System == d.System }

// Qualifier narrows a code: the name says in what respect.
type Qualifier struct{ Name, Value CD }

// TS is a point in time as it is written: 4 to 14 digits, possibly a fraction, possibly an offset from UTC (+0100). Its length is its precision.
type TS struct{ Value, NullFlavor string }

// HasOffset tells that the offset from UTC is said.
func (t TS) HasOffset() bool { return strings.ContainsAny(t.Value, "+-") }

// Time is the moment, and the number of digits it was written with. Without an offset it is taken for one in loc.
func (t TS) Time(loc *time.Location) (time.Time, int, error) {
	digits, offset := t.Value, ""
	if i := strings.IndexAny(digits, "+-"); i >= 0 {
		digits, offset = digits[:i], digits[i:]
	}
	if i := strings.IndexByte(digits, '.'); i >= 0 {
		digits = digits[:i]
	}
	d, err := hl7.ParseDTM(digits)
	if err != nil {
		return time.Time{}, 0, err
	}
	if offset != "" {
		at, err := time.Parse("20060102150405-0700", d.Floor()+offset)
		return at, len(digits), err
	}
	at, err := time.ParseInLocation("20060102150405", d.Floor(), loc)
	return at, len(digits), err
}

// DTM is the moment in UTC with the precision it was written with: XDS knows no offset [ITI-42 4.2.3.1.7]. A time of day without an offset is
// kept as written, and so is a date, which has no offset to take away.
func (t TS) DTM() (hl7.DTM, error) {
	at, digits, err := t.Time(time.UTC)
	if err != nil {
		return "", err
	}
	if digits <= 8 {
		return hl7.ParseDTM(t.Value[:digits])
	}
	return hl7.NewDTM(at)[:digits], nil
}

// IVLTS is an interval of time; Value alone is a point.
type IVLTS struct {
	Value, Low, High TS
	NullFlavor       string
}

// Start is the beginning, or the point.
func (i IVLTS) Start() TS { return first(i.Low, i.Value) }

// Stop is the end, or the point.
func (i IVLTS) Stop() TS { return first(i.High, i.Value) }

func first(ts ...TS) TS {
	for _, t := range ts {
		if t.Value != "" {
			return t
		}
	}
	return ts[0]
}

// Part is a piece of a name or of an address: its element (family, given, city), qualifier and text.
type Part struct{ Kind, Qualifier, Text string }

// Parts are the pieces in document order.
type Parts []Part

// Get is the first piece of a kind whose qualifiers hold the one asked for; "" asks for a piece without qualifier.
func (p Parts) Get(kind, qualifier string) string {
	for _, x := range p {
		if x.Kind == kind && (x.Qualifier == qualifier || qualifier != "" && hasWord(x.Qualifier, qualifier)) {
			return x.Text
		}
	}
	return ""
}

// Any is the first piece of a kind, whatever its qualifier.
func (p Parts) Any(kind string) string {
	for _, x := range p {
		if x.Kind == kind {
			return x.Text
		}
	}
	return ""
}

func hasWord(list, word string) bool {
	for w := range strings.FieldsSeq(list) {
		if w == word {
			return true
		}
	}
	return false
}

// EN is a name of a person or of an organisation; text outside the pieces is a piece of kind "".
type EN struct {
	Use, NullFlavor string
	Parts           Parts
}

// String is the name in the order it was written.
func (n EN) String() string {
	w := make([]string, 0, 4)
	for _, p := range n.Parts {
		w = append(w, p.Text)
	}
	return strings.Join(w, " ")
}

// AD is a postal address; text outside the pieces is a piece of kind "".
type AD struct {
	Use, NullFlavor string
	Parts           Parts
}

// TEL is an address of telecommunication: a URI (tel:, mailto:) and its use.
type TEL struct{ Value, Use, NullFlavor string }

// Quantity is a number with a unit (PQ, INT, REAL, MO) or a bound of an interval. The literal is kept as it is written, never as a binary number.
type Quantity struct {
	Value, Unit, NullFlavor string
	Exclusive               bool // of a bound: inclusive="false"
	Text                    Text // translation/originalText
}

// Value is a value of any type (ANY): which fields count, Type says.
type Value struct {
	Type       string // PQ CD CE ST INT REAL BL TS IVL_PQ RTO_PQ_PQ ED IVL_TS PIVL_TS SXPR_TS ...; empty when the element says none
	NullFlavor string
	Operator   string
	Quantity   Quantity // of PQ, INT, REAL, MO, BL, TS
	Code       *CD      // of CD, CE, CV, CO, CS
	Text       string   // of ST, ED: the content
	Ref        string   // of ED: the reference
	Low, High, Center, Width, Period,
	Numerator, Denominator *Quantity
	Parts []Value // of SXPR_TS: its comp elements
}
