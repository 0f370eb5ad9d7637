package validate

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/schema"
	"github.com/passerelle-sante/passerelle/wire/xmltree"
	"github.com/passerelle-sante/passerelle/wire/xsd"
)

// Schema is a schema of layer 1. Its findings are of the rules CDA-SCHEMA-ELEMENT, -MISSING, -ATTRIBUTE, -VALUE, and CDA-SCHEMA for the rest.
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

// OwnSchema is the schema that documents are judged by when the options name none.
func OwnSchema() (Schema, error) {
	s, err := schema.Compiled()
	return Schema{XSD: s}, err
}

// schemas judges by layer 1, unless all its rules are off.
func (v *visit) schemas(doc []byte) {
	if v.layerOff("CDA-SCHEMA") {
		return
	}
	all := v.options.Schemas
	if len(all) == 0 {
		own, err := OwnSchema()
		if err != nil {
			v.add(raw{rule: v.table.byID["CDA-SCHEMA-FAILED"]})
			return
		}
		all = []Schema{own}
	}
	doc = v.elided(doc)
	for _, s := range all {
		v.schema(s, doc)
	}
}

// longText is the length in octets from which base64 is kept from the schema processor.
const longText = 4096

// elided leaves out what fills large documents and no schema of clinical documents judges: the base64 of attached files, which are texts of mixed content. Line ends
// stay, so that findings keep their lines. Whether it is base64 is judged elsewhere.
func (v *visit) elided(doc []byte) []byte {
	var out []byte
	kept := 0
	for at := 0; at < len(doc); {
		from := bytes.IndexByte(doc[at:], '>')
		if from < 0 {
			break
		}
		from += at + 1
		length := bytes.IndexByte(doc[from:], '<')
		if length < 0 {
			break
		}
		at = from + length
		if length < longText || !isBase64(doc[from:at]) {
			continue
		}
		if out == nil {
			out = v.buffer(len(doc) - length + 4)
		}
		out = append(append(out, doc[kept:from]...), "AAAA"...)
		out = append(out, bytes.Repeat([]byte("\n"), bytes.Count(doc[from:at], []byte("\n")))...)
		kept = at
	}
	if kept == 0 {
		return doc
	}
	return append(out, doc[kept:]...)
}

func isBase64(b []byte) bool {
	for ; len(b) >= 8; b = b[8:] {
		if base64Octets[b[0]]&base64Octets[b[1]]&base64Octets[b[2]]&base64Octets[b[3]]&base64Octets[b[4]]&base64Octets[b[5]]&base64Octets[b[6]]&base64Octets[b[7]] == 0 {
			return false
		}
	}
	for _, c := range b {
		if base64Octets[c] == 0 {
			return false
		}
	}
	return true
}

var base64Octets = func() (is [256]uint8) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/= \t\r\n" {
		is[c] = 1
	}
	return is
}()

func (v *visit) layerOff(prefix string) bool {
	return !slices.ContainsFunc(v.table.rules, func(r *rule) bool { return strings.HasPrefix(r.ID, prefix) && !v.off(r) })
}

func (v *visit) schema(s Schema, doc []byte) {
	found, err := s.XSD.Validate(doc)
	if err != nil {
		v.add(raw{rule: v.table.byID["CDA-SCHEMA-FAILED"]})
	}
	for _, f := range found {
		v.add(raw{rule: v.table.byID[ruleOf(f.Message)], node: v.child(f.Path), line: f.Line, text: tame(f.Message), clause: s.Clause})
	}
}

// child is the element at a path of the schema processor, none when there is no path.
func (v *visit) child(path []int) xmltree.Node {
	if v.displayed > 0 && len(path) > 0 && path[0] == v.place {
		path = path[1:]
	} else if path == nil || v.displayed > 0 {
		return xmltree.Node{}
	}
	n := v.root
	for _, skip := range path {
		found := false
		for kid := range n.Children() {
			if found = skip == 0; found {
				n = kid
				break
			}
			skip--
		}
		if !found {
			return xmltree.Node{}
		}
	}
	return n
}

// kinds tell the rule by what the schema processor says, after the element and attribute that it says it of. What is quoted first is a value.
var kinds = []struct{ begins, ends, rule string }{
	{"This element is not expected", "", "CDA-SCHEMA-ELEMENT"},
	{"Character content", "", "CDA-SCHEMA-ELEMENT"},
	{"Missing child element", "", "CDA-SCHEMA-MISSING"},
	{"The attribute '", "is required but missing.", "CDA-SCHEMA-MISSING"},
	{"The attribute '", "is not allowed.", "CDA-SCHEMA-ATTRIBUTE"},
	{"[facet '", "", "CDA-SCHEMA-VALUE"},
	{"'", "", "CDA-SCHEMA-VALUE"},
	{"The value '", "", "CDA-SCHEMA-VALUE"},
}

func ruleOf(message string) string {
	said := element.ReplaceAllString(message, "")
	for _, k := range kinds {
		if strings.HasPrefix(said, k.begins) && strings.HasSuffix(said, k.ends) {
			return k.rule
		}
	}
	return "CDA-SCHEMA"
}

var (
	element = regexp.MustCompile(`^Element '[^']*'(?:, attribute '[^']*')?: `)
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
