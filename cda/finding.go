// Package cda holds the nouns of a clinical document (CDA R2): what its header says, how its body is built, and the finding that a
// judgement about it is made of.
package cda

import "fmt"

// Severity says what a finding means for the document.
type Severity uint8

// The severities, from the gravest.
const (
	Fatal   Severity = iota // it could not be read: nothing else was judged
	Error                   // it breaks a rule
	Warning                 // it departs from a recommendation
	Information
)

var severityNames = [...]string{"fatal", "error", "warning", "information"}

func (s Severity) String() string {
	if int(s) < len(severityNames) {
		return severityNames[s]
	}
	return fmt.Sprintf("severity %d", uint8(s))
}

// Finding is one thing that is wrong, or worth saying, about a document or a message. It never repeats content that could tell who the patient is.
type Finding struct {
	Rule     string // stable identifier: CDA-SCHEMA, FR-HEADER-012
	Severity Severity
	Path     string // XPath of the element or attribute, from the root, with positions
	Line     int    // from 1; 0 when it has none
	Text     string // what is wrong and what is due, for the editor of the software that wrote the document
	Clause   string // where the rule is written
}
