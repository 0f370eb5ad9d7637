package validate

import (
	"context"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/wire/xsd"
)

// Schema is a schema of layer 1 and the name that its findings bear.
type Schema struct {
	XSD    *xsd.Schema
	Name   string // shown in the clause: which schema it is
	Clause string // where it is written; the one of CDA-SCHEMA when empty
}

// OpenSchema compiles the schemas of a folder, as an operator has them on disk; root is the file to begin with.
func OpenSchema(fsys fs.FS, root string) (Schema, error) {
	s, err := xsd.Compile(fsys, root)
	if err != nil {
		return Schema{}, fmt.Errorf("schema of documents: %w", err)
	}
	return Schema{XSD: s, Name: root}, nil
}

func (v *visit) schema(s Schema, doc []byte) {
	found, err := s.XSD.Validate(doc)
	if err != nil {
		v.add(raw{rule: v.table.byID["CDA-SCHEMA-FAILED"]})
	}
	for _, f := range found {
		v.add(raw{rule: v.table.byID["CDA-SCHEMA"], line: f.Line, text: tame(f.Message)})
	}
}

var (
	subject = regexp.MustCompile(`^Element '[^']*'(?:, attribute '[^']*')?: `)
	named   = regexp.MustCompile(`(?:facet|type|attribute|element|union type|list type) '[^']{1,80}'`)
)

// tame takes the document's values out of a message of the schema processor: it keeps the names of elements, attributes and types, and cuts every other
// quotation, which may itself hold quotes.
func tame(message string) string {
	head := subject.FindString(message)
	rest := message[len(head):]
	first, last := strings.IndexByte(rest, '\''), strings.LastIndexByte(rest, '\'')
	if first < 0 {
		return message
	}
	if kept := named.FindString(rest[first-min(first, 12):]); kept != "" && !strings.Contains(rest[:first], "value") && strings.Count(rest, "'") == 2 {
		return message
	}
	tail := ""
	if last > first {
		tail = rest[last+1:]
	}
	return strings.TrimRight(head+rest[:first]+"…"+tail, " ")
}

// Check is a judgement from outside that may take long, such as a Schematron: it is run apart from [Validate], under the deadline of its context, and its
// findings come when they come.
type Check func(ctx context.Context, doc []byte) ([]cda.Finding, error)

// RunChecks runs checks one after the other until the context ends. One that fails gives a finding that says so: what a check cannot say is not a fault of
// the document.
func RunChecks(ctx context.Context, doc []byte, checks []Check) []cda.Finding {
	var out []cda.Finding
	for _, check := range checks {
		found, err := check(ctx, doc)
		out = append(out, found...)
		if err != nil {
			r := table().byID["CDA-CHECK-FAILED"]
			out = append(out, cda.Finding{Rule: r.ID, Severity: r.Severity, Text: r.Text, Clause: r.Clause})
		}
	}
	return out
}
