// Package validate judges messages that somebody saved, one at a time and without a system: SOAP envelopes and their packages, submissions, queries and answers,
// HL7 v2 and v3 messages, archives of XDM, audit messages, assertions and clinical documents. Its rules are typed from the standards and are its own: the product's
// readers judge none of them, save those of clinical documents, which have one validator.
package validate

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The severities of findings.
const (
	Error   = "error"
	Warning = "warning"
)

// Finding is one thing that a message does against a rule. It repeats no content of the message that could tell who a patient is.
type Finding struct {
	Rule     string `json:"rule"`
	Severity string `json:"severity"`
	Line     int    `json:"line,omitempty"`     // in the file, from 1, its body without coding or compression; 0 when there is none
	Location string `json:"location,omitempty"` // what in the message: DocumentEntry[1].hash, PID-3, wsa:Action
	Text     string `json:"text"`
	Clause   string `json:"clause"`
}

// Rule is one row of the tables of rules.
type Rule struct {
	ID       string `json:"id"`
	Severity string `json:"severity"`
	Clause   string `json:"clause"`
	Text     string `json:"text"` // what is wrong when a message breaks it
}

// Options say by what to judge beyond the message itself.
type Options struct {
	Roots *x509.CertPool // whom signers of assertions have to come from; nil judges no signature
	Now   time.Time      // the time at which an assertion has to be valid; zero judges no time
	Form  string         // of assertions: xua or vihf; empty takes what they look like
}

const (
	maxBytes    = 64 << 20 // of a message
	maxNodes    = 1 << 19  // of its XML
	maxParts    = 1000     // of a package or an archive
	maxSegments = 10000    // of an HL7 v2 message
	maxFindings = 256      // of one message, and one that says there were more
)

// ErrKind is an unknown kind of message.
var ErrKind = errors.New("unknown kind of message")

// kinds are the judges by their names.
var kinds = map[string]func(*judge, []byte){
	"soap": (*judge).soap, "submission": inner("submission"), "query": inner("query"), "response": inner("response"), "hl7v3": inner("hl7v3"),
	"saml": (*judge).saml, "hl7v2": (*judge).hl7v2, "cda": (*judge).cda, "xdm": (*judge).xdm, "audit": (*judge).audit,
}

// Kinds are the names of the kinds that can be judged, auto among them.
func Kinds() []string {
	out := []string{"auto"}
	for k := range kinds {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// Judge judges a message of a kind; auto guesses it. The findings come in the order of lines, then of rules. The error tells that the kind is unknown.
func Judge(kind string, b []byte, o Options) ([]Finding, error) {
	if kind == "auto" {
		if kind = Guess(b); kind == "" {
			return nil, fmt.Errorf("%w: nothing it could be was recognised", ErrKind)
		}
	}
	f := kinds[kind]
	if f == nil {
		return nil, fmt.Errorf("%w: %.40q; known: %s", ErrKind, kind, strings.Join(Kinds(), ", "))
	}
	j := &judge{o: o}
	if len(b) > maxBytes {
		j.say("FILE-SIZE", place{})
		return j.out, nil
	}
	f(j, b)
	slices.SortStableFunc(j.out, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), strings.Compare(a.Rule, b.Rule), strings.Compare(a.Location, b.Location))
	})
	return j.out, nil
}

// Guess tells what kind a message is by its beginning, or "".
func Guess(b []byte) string {
	start := bytes.TrimLeft(b[:min(len(b), 64<<10)], "\xef\xbb\xbf \t\r\n\x0b")
	switch {
	case bytes.HasPrefix(start, []byte("PK\x03\x04")), bytes.HasPrefix(start, []byte("PK\x05\x06")):
		return "xdm"
	case bytes.HasPrefix(start, []byte("MSH")):
		return "hl7v2"
	case bytes.HasPrefix(start, []byte("%PDF-")):
		return "cda"
	case bytes.HasPrefix(start, []byte("<")) && bytes.Contains(start, []byte("<AuditMessage")):
		return "audit"
	case !bytes.HasPrefix(start, []byte("<")):
		if httpStart.Match(start) {
			return "soap"
		}
		if bytes.Contains(start, []byte("<AuditMessage")) {
			return "audit"
		}
		return ""
	}
	if t, err := parseXML(b); err == nil {
		return kindOfRoot(t.Root().Local())
	}
	for _, tag := range startTag.FindAllSubmatch(start, 8) { // what is wrong with it is for its judge to say
		if kind := kindOfRoot(string(tag[1])); kind != "" {
			return kind
		}
	}
	return ""
}

var startTag = regexp.MustCompile(`<(?:[\w.-]+:)?([\w.-]+)[\s>/]`)

// kindOfRoot is the kind of a document by its root element.
func kindOfRoot(local string) string {
	switch local {
	case "Envelope":
		return "soap"
	case "SubmitObjectsRequest", "ProvideAndRegisterDocumentSetRequest":
		return "submission"
	case "AdhocQueryRequest", "RetrieveDocumentSetRequest":
		return "query"
	case "AdhocQueryResponse", "RegistryResponse", "RetrieveDocumentSetResponse":
		return "response"
	case "ClinicalDocument":
		return "cda"
	case "Assertion", "Security":
		return "saml"
	case "AuditMessage":
		return "audit"
	}
	if interactions[local].kind != "" {
		return "hl7v3"
	}
	return ""
}

// judge collects what is found in one message.
type judge struct {
	o       Options
	out     []Finding
	offset  int    // lines of the file before the XML that is judged
	within  string // what locations begin with
	skipped bool   // there were more findings than are kept
}

// place is where something is found: a line of the XML that is judged, or one of the file around it.
type place struct {
	line     int
	location string
	outside  bool
}

// say adds a finding; the detail goes behind the text of the rule.
func (j *judge) say(rule string, at place, detail ...string) {
	r, ok := ruleByID[rule]
	if !ok {
		panic("validate: no rule " + rule) // a mistake in this package, which its tests find
	}
	if len(j.out) >= maxFindings {
		if !j.skipped {
			j.skipped = true
			r, at, detail = ruleByID["FILE-MORE"], place{}, nil
		} else {
			return
		}
	}
	text := r.Text
	if len(detail) > 0 && detail[0] != "" {
		text += ": " + strings.Join(detail, " ")
	}
	if at.line > 0 && !at.outside {
		at.line += j.offset
	}
	if j.within != "" {
		at.location = strings.TrimSuffix(j.within+": "+at.location, ": ")
	}
	j.out = append(j.out, Finding{r.ID, r.Severity, at.line, at.location, text, r.Clause})
}
