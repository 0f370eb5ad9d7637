package xds

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Findings collects what is wrong with one message, so that the peer hears everything at once.
type Findings struct {
	// MetadataError is the code of a plain metadata fault: XDSRegistryMetadataError, or XDSRepositoryMetadataError at a repository.
	MetadataError ErrorCode
	List          Errors
}

// Place says which attribute of which object a finding is about.
type Place struct {
	Kind      string // DocumentEntry, SubmissionSet, Folder, Association
	Index     int    // 1-based among its kind; 0 when there is only one
	ID        ObjectID
	Attribute string
}

// maxFindings bounds an answer; a submission with more faults says so in its last finding.
const maxFindings = 200

// secretAttributes hold people: their values are never repeated in an answer or a log.
var secretAttributes = []string{"patientId", "sourcePatientId", "sourcePatientInfo", "authorPerson", "authorTelecommunication",
	"legalAuthenticator", "intendedRecipient", "title", "comments"}

// Metadata adds a plain metadata fault: value breaks rule, stated in clause.
func (f *Findings) Metadata(p Place, value, rule, clause string) {
	f.Add(f.MetadataError, p, value, rule, clause)
}

// Add adds a finding with its own code.
func (f *Findings) Add(code ErrorCode, p Place, value, rule, clause string) {
	f.add(&Error{Code: code}, p, value, rule, clause)
}

// Warn adds a finding of severity warning.
func (f *Findings) Warn(code ErrorCode, p Place, value, rule, clause string) {
	f.add(&Error{Code: code, Warning: true}, p, value, rule, clause)
}

func (f *Findings) add(e *Error, p Place, value, rule, clause string) {
	switch n := len(f.List); {
	case n > maxFindings:
		return
	case n == maxFindings:
		f.List = append(f.List, &Error{Code: f.MetadataError, Context: fmt.Sprintf("more than %d findings; the rest is not listed", maxFindings)})
		return
	}
	e.Location = p.location()
	var b strings.Builder
	b.WriteString(p.Kind)
	if p.ID != "" {
		b.WriteString(" " + Clip(string(p.ID)))
	}
	if p.Attribute != "" {
		b.WriteString(" " + p.Attribute)
	}
	if value != "" {
		if slices.Contains(secretAttributes, p.Attribute) {
			fmt.Fprintf(&b, " (%d characters, not shown)", utf8.RuneCountInString(value))
		} else {
			fmt.Fprintf(&b, " %q", Clip(value))
		}
	}
	b.WriteString(": " + rule)
	if clause != "" {
		b.WriteString(" (" + clause + ")")
	}
	e.Context = b.String()
	f.List = append(f.List, e)
}

func (p Place) location() string {
	s := p.Kind
	if p.Index > 0 {
		s += fmt.Sprintf("[%d]", p.Index)
	}
	if p.Attribute != "" {
		s += "." + p.Attribute
	}
	return s
}

// Clip shortens a value for an answer: at most 64 characters.
func Clip(s string) string {
	if utf8.RuneCountInString(s) <= 64 {
		return s
	}
	r := []rune(s)
	return string(r[:61]) + "..."
}
