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

// Schema is a schema of layer 1. Its findings are of the rule CDA-SCHEMA.
type Schema struct {
	XSD    *xsd.Schema
	Clause string // which schema it is, for the clause of a finding; that of the rule when empty
}

// OpenSchema compiles the schemas of a folder, as an operator has them on disk; root is the file to begin with.
func OpenSchema(fsys fs.FS, root string) (Schema, error) {
	s, err := xsd.Compile(fsys, root)
	if err != nil {
		return Schema{}, fmt.Errorf("schema of documents: %w", err)
	}
	return Schema{XSD: s, Clause: "schema " + root}, nil
}

func (v *visit) schema(s Schema, doc []byte) {
	found, err := s.XSD.Validate(doc)
	if err != nil {
		v.add(raw{rule: v.table.byID["CDA-SCHEMA-FAILED"]})
	}
	for _, f := range found {
		v.add(raw{rule: v.table.byID["CDA-SCHEMA"], line: f.Line, text: tame(f.Message), clause: s.Clause})
	}
}

var (
	subject = regexp.MustCompile(`^Element '[^']*'(?:, attribute '[^']*')?: (?:\[facet '[^']*'\] )?`)
	// verbs are what the schema processor says of a value that it quotes; what follows is of the schema.
	verbs = []string{" is not a valid value of", " is not accepted by", " is not an element of", " does not match", " is less than", " is greater than"}
)

// tame takes the document's values out of a message of the schema processor, and keeps the names of elements and attributes and what is due. A value
// may itself hold quotes, so it ends at the last verb; of a message that was cut the value may be the last word.
func tame(message string) string {
	head := subject.FindString(message)
	rest := message[len(head):]
	if !strings.Contains(rest, "'") || strings.HasPrefix(rest, "The value has a length of '") {
		return message
	}
	last := -1
	for _, verb := range verbs {
		last = max(last, strings.LastIndex(rest, "'"+verb))
	}
	if last < 0 || strings.HasSuffix(rest, "…") {
		return head + "the value is not valid"
	}
	return head + "the value" + rest[last+1:]
}

// Check is a judgement from outside that may take long, such as a Schematron: it is run apart from [Validate], under the deadline of its context, and
// its findings come when they come.
type Check func(ctx context.Context, doc []byte) ([]cda.Finding, error)

// RunChecks runs checks one after the other until the context ends. One that fails gives a finding that says so: what a check cannot say is not a
// fault of the document.
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
