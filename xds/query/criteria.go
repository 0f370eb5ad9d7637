package query

import (
	"slices"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/xds"
)

// CodeCriteria holds when, for each list, the attribute has one of its codes.
type CodeCriteria [][]xds.CodeKey

// Span is a half-open time range over 14-digit floors: From <= t < To; empty ends are open [ITI-18 3.18.4.1.2.3.7.1].
type Span struct{ From, To string }

// EntryCriteria says which document entries are wanted. A nil Status wants any.
type EntryCriteria struct {
	Status                     []xds.Status
	Stable, OnDemand           bool // neither means stable only
	ClassCode                  CodeCriteria
	TypeCode                   CodeCriteria
	FormatCode                 CodeCriteria
	PracticeSettingCode        CodeCriteria
	HealthcareFacilityTypeCode CodeCriteria
	EventCodes                 CodeCriteria
	ConfidentialityCodes       CodeCriteria
	CreationTime               Span
	ServiceStartTime           Span
	ServiceStopTime            Span
	AuthorPersons              []string // patterns: % any text, _ any character
	DocumentAvailability       []string
}

// SetCriteria says which submission sets are wanted.
type SetCriteria struct {
	Status          []xds.Status
	SourceIDs       []string
	SubmissionTime  Span
	AuthorPersons   []string
	ContentTypeCode CodeCriteria
}

// FolderCriteria says which folders are wanted.
type FolderCriteria struct {
	Status         []xds.Status
	LastUpdateTime Span
	Codes          CodeCriteria
}

// Match tells whether e is wanted.
func (c *EntryCriteria) Match(e *xds.DocumentEntry) bool {
	return statusIn(c.Status, e.Status) && c.typeWanted(e) &&
		c.ClassCode.one(e.ClassCode) && c.TypeCode.one(e.TypeCode) && c.FormatCode.one(e.FormatCode) &&
		c.PracticeSettingCode.one(e.PracticeSettingCode) && c.HealthcareFacilityTypeCode.one(e.HealthcareFacilityTypeCode) &&
		c.EventCodes.any(e.EventCodes) && c.ConfidentialityCodes.any(e.ConfidentialityCodes) &&
		c.CreationTime.holds(e.CreationTime) && c.ServiceStartTime.holds(e.ServiceStartTime) && c.ServiceStopTime.holds(e.ServiceStopTime) &&
		authorMatches(c.AuthorPersons, e.Authors) &&
		(len(c.DocumentAvailability) == 0 || slices.Contains(c.DocumentAvailability, e.DocumentAvailability))
}

func (c *EntryCriteria) typeWanted(e *xds.DocumentEntry) bool {
	if e.OnDemand {
		return c.OnDemand
	}
	return c.Stable || !c.OnDemand
}

// Match tells whether s is wanted.
func (c *SetCriteria) Match(s *xds.SubmissionSet) bool {
	return statusIn(c.Status, s.Status) &&
		(len(c.SourceIDs) == 0 || slices.Contains(c.SourceIDs, string(s.SourceID))) &&
		c.SubmissionTime.holds(s.SubmissionTime) && authorMatches(c.AuthorPersons, s.Authors) && c.ContentTypeCode.one(s.ContentTypeCode)
}

// Match tells whether f is wanted.
func (c *FolderCriteria) Match(f *xds.Folder) bool {
	return statusIn(c.Status, f.Status) && c.LastUpdateTime.holds(f.LastUpdateTime) && c.Codes.any(f.Codes)
}

// StatusIn tells whether s is among the wanted statuses; nil wants any.
func statusIn(wanted []xds.Status, s xds.Status) bool {
	return wanted == nil || slices.Contains(wanted, s)
}

func (c CodeCriteria) one(code xds.Code) bool {
	for _, any := range c {
		if !slices.Contains(any, xds.CodeKey{Code: code.Code, Scheme: code.Scheme}) {
			return false
		}
	}
	return true
}

func (c CodeCriteria) any(codes []xds.Code) bool {
	for _, any := range c {
		if !slices.ContainsFunc(codes, func(code xds.Code) bool {
			return slices.Contains(any, xds.CodeKey{Code: code.Code, Scheme: code.Scheme})
		}) {
			return false
		}
	}
	return true
}

// holds is true for an open span; an absent time is in no closed one.
func (s Span) holds(t hl7.DTM) bool {
	if s == (Span{}) {
		return true
	}
	if t == "" {
		return false
	}
	floor := t.Floor()
	return (s.From == "" || s.From <= floor) && (s.To == "" || floor < s.To)
}

func authorMatches(patterns []string, authors []xds.Author) bool {
	if len(patterns) == 0 {
		return true
	}
	for _, a := range authors {
		for _, p := range patterns {
			if a.Person != "" && like(p, string(a.Person)) {
				return true
			}
		}
	}
	return false
}

// like is the LIKE of SQL: % is any text, _ any one character. It takes time in the product of the lengths at worst.
func like(pattern, s string) bool {
	p, t := []rune(pattern), []rune(s)
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(t) {
		switch {
		case i < len(p) && p[i] == '%':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '_' || p[i] == t[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '%' {
		i++
	}
	return i == len(p)
}
