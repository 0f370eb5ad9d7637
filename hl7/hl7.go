// Package hl7 holds the HL7 v2 data types that XDS metadata, messages and audit records share (CX, HD, XCN, XON, XPN, XTN, DTM):
// how they parse, print and compare. It knows no message and no profile.
package hl7

import (
	"errors"
	"fmt"
	"strings"
)

// HD is a hierarchic designator: who assigned an identifier. In XDS metadata only the universal id counts, of type ISO.
type HD struct {
	NamespaceID     string
	UniversalID     string
	UniversalIDType string
}

// ParseHD reads the components of s separated by sep ('^' at field level, '&' inside a component).
func ParseHD(s string, sep byte) HD {
	var h HD
	rest := s
	h.NamespaceID, rest = cut(rest, sep)
	h.UniversalID, rest = cut(rest, sep)
	h.UniversalIDType, _ = cut(rest, sep)
	return h
}

// String prints the designator as a sub-component list: `ns&oid&ISO`.
func (h HD) String() string {
	if h == (HD{}) {
		return ""
	}
	return trimRight(h.NamespaceID+"&"+h.UniversalID+"&"+h.UniversalIDType, '&')
}

// CX is an identifier with its assigning authority; XDS allows components 1 and 4 [ITI-42 4.2.3.1.7], national profiles add 5.
type CX struct {
	ID                 string // CX.1
	CheckDigit         string // CX.2
	CheckDigitScheme   string // CX.3
	AssigningAuthority HD     // CX.4
	TypeCode           string // CX.5: NH, PI, INS...
	AssigningFacility  string // CX.6, kept as written
	EffectiveDate      string // CX.7
	Rest               string // CX.8 and beyond, kept as written
}

// ErrCX tells that a text is not an identifier with an ISO assigning authority.
var ErrCX = errors.New("not of the form id^^^&oid&ISO")

// ParseCX reads s as it stands in a metadata attribute or a PID-3 repetition. It accepts any CX; what a profile requires
// of it is the profile's to check (see StrictXDS).
func ParseCX(s string) (CX, error) {
	var c CX
	var aa string
	rest := s
	c.ID, rest = cut(rest, '^')
	c.CheckDigit, rest = cut(rest, '^')
	c.CheckDigitScheme, rest = cut(rest, '^')
	aa, rest = cut(rest, '^')
	c.TypeCode, rest = cut(rest, '^')
	c.AssigningFacility, rest = cut(rest, '^')
	c.EffectiveDate, rest = cut(rest, '^')
	c.Rest = trimRight(rest, '^')
	c.AssigningAuthority = ParseHD(aa, '&')
	if strings.ContainsAny(s, "\r\n\x00") {
		return CX{}, fmt.Errorf("control character: %w", ErrCX)
	}
	if c.ID == "" {
		return CX{}, fmt.Errorf("identifier missing: %w", ErrCX)
	}
	return c, nil
}

// String prints every component that is present; an identifier that was not given is empty, not bare separators.
func (c CX) String() string {
	if c == (CX{Rest: c.Rest}) {
		return c.Rest // nothing, or what could not be read and was kept as it came
	}
	if c.CheckDigit == "" && c.CheckDigitScheme == "" && c.TypeCode == "" && c.AssigningFacility == "" && c.EffectiveDate == "" && c.Rest == "" {
		return trimRight(c.ID+"^^^"+c.AssigningAuthority.String(), '^')
	}
	return trimRight(strings.Join([]string{c.ID, c.CheckDigit, c.CheckDigitScheme, c.AssigningAuthority.String(),
		c.TypeCode, c.AssigningFacility, c.EffectiveDate, c.Rest}, "^"), '^')
}

// Key is what makes two identifiers the same: the identifier and the universal id of who assigned it. Type codes, dates and
// namespace names do not count.
func (c CX) Key() string {
	return c.ID + "^^^&" + c.AssigningAuthority.UniversalID + "&ISO"
}

// IsZero tells that nothing was given.
func (c CX) IsZero() bool { return c == CX{} }

// Same compares by Key.
func (c CX) Same(d CX) bool {
	return c.ID == d.ID && c.AssigningAuthority.UniversalID == d.AssigningAuthority.UniversalID
}

// Masked is the identifier as an error text or a log may show it: the authority and the length, never the number.
func (c CX) Masked() string {
	return fmt.Sprintf("(%d characters)^^^&%s&ISO", len(c.ID), c.AssigningAuthority.UniversalID)
}

// XCN is a person: id^family^given^... . It stays as written so that what a source said is what a consumer reads.
type XCN string

// Component gives XCN.n (1-based), empty when absent.
func (x XCN) Component(n int) string { return component(string(x), n) }

// ID, Family and Given are XCN.1, XCN.2 and XCN.3.
func (x XCN) ID() string     { return x.Component(1) }
func (x XCN) Family() string { return x.Component(2) }
func (x XCN) Given() string  { return x.Component(3) }

// AssigningAuthority is XCN.9.
func (x XCN) AssigningAuthority() HD { return ParseHD(x.Component(9), '&') }

// XON is an organisation: name^^^^^authority^^^^id. It stays as written.
type XON string

// Component gives XON.n (1-based), empty when absent.
func (x XON) Component(n int) string { return component(string(x), n) }

// Name, AssigningAuthority and ID are XON.1, XON.6 and XON.10.
func (x XON) Name() string           { return x.Component(1) }
func (x XON) AssigningAuthority() HD { return ParseHD(x.Component(6), '&') }
func (x XON) ID() string             { return x.Component(10) }

// XTN is an address of telecommunication; XDS uses it for Internet addresses (XTN.3 and XTN.4).
type XTN string

// Component gives XTN.n (1-based), empty when absent.
func (x XTN) Component(n int) string { return component(string(x), n) }

// XPN is a person's name: family^given^... .
type XPN string

// Component gives XPN.n (1-based), empty when absent.
func (x XPN) Component(n int) string { return component(string(x), n) }

func component(s string, n int) string {
	for ; n > 1; n-- {
		i := strings.IndexByte(s, '^')
		if i < 0 {
			return ""
		}
		s = s[i+1:]
	}
	c, _ := cut(s, '^')
	return c
}

func cut(s string, sep byte) (before, after string) {
	if i := strings.IndexByte(s, sep); i >= 0 {
		return s[:i], s[i+1:]
	}
	return s, ""
}

func trimRight(s string, c byte) string {
	for len(s) > 0 && s[len(s)-1] == c {
		s = s[:len(s)-1]
	}
	return s
}
