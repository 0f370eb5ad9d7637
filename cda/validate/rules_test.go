package validate_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/validate"
	"github.com/passerelle-sante/passerelle/internal/oracle"
)

// TestBaseDocuments: the base documents pass every rule, warnings and all.
func TestBaseDocuments(t *testing.T) {
	for _, model := range models {
		if found := validate.Validate(base(t, model), validate.Options{}); len(found) > 0 {
			t.Errorf("%s:\n%s", model, said(found))
		}
	}
}

// TestBaseDocumentsByOfficialSchema keeps us from blessing our own mistakes.
func TestBaseDocumentsByOfficialSchema(t *testing.T) {
	s, err := validate.OpenSchema(os.DirFS(oracle.Path(t, "standards/cda")), "CDA_extended.xsd")
	if err != nil {
		t.Fatal(err)
	}
	for _, model := range models {
		for _, f := range validate.Validate(base(t, model), validate.Options{Schemas: []validate.Schema{s}}) {
			t.Errorf("%s line %d: %s", model, f.Line, f.Text)
		}
	}
}

// fault is a stanza of testdata/edits.txt.
type fault struct {
	rule, base, at string
	edits          []string
	also           []string // rules that cannot but be broken by it as well
	line           int      // where in edits.txt
}

func faults(t testing.TB) []fault {
	b, err := os.ReadFile("testdata/edits.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []fault
	var f fault
	for n, line := range append(strings.Split(string(b), "\n"), "") {
		line = strings.TrimSpace(line)
		key, value, _ := strings.Cut(line, ": ")
		switch key {
		case "rule":
			f = fault{rule: value, base: "cr-bio", line: n + 1}
		case "base":
			f.base = value
		case "edit":
			f.edits = append(f.edits, value)
		case "at":
			f.at = value
		case "also":
			f.also = append(f.also, value)
		case "":
			if f.rule != "" {
				out = append(out, f)
			}
			f = fault{}
		default:
			if !strings.HasPrefix(line, "#") {
				t.Fatalf("edits.txt line %d: %q", n+1, line)
			}
		}
	}
	return out
}

// TestEachRule: the declared edit of a valid document breaks exactly its rule, where it says.
func TestEachRule(t *testing.T) {
	tested := map[string]bool{}
	for _, f := range faults(t) {
		tested[f.rule] = true
		doc := base(t, f.base)
		var err error
		for _, e := range f.edits {
			if doc, err = change(doc, e, 0); err != nil {
				t.Errorf("edits.txt:%d %s: %s: %v", f.line, f.rule, e, err)
				break
			}
		}
		if err == nil {
			judgeFault(t, f, doc)
		}
	}
	for _, r := range validate.Rules() {
		if !tested[r.ID] && !elsewhere[r.ID] && r.Layer != "pdf" { // those are tested with package pdfa
			t.Errorf("rule %s has no failing edit", r.ID)
		}
	}
}

// elsewhere are the rules whose failing documents are not edits of a base document; the tests that build them are named.
var elsewhere = map[string]bool{
	"CDA-MORE": true, "SEC-SIZE": true, "SEC-BASE64-SIZE": true, // TestCaps
	"CDA-CHECK-FAILED":  true, // TestChecks
	"CDA-SCHEMA-FAILED": true, // libxml2 itself fails: no document brings it about
}

// bare judges without the schema.
var bare = validate.Options{Off: []string{"CDA-SCHEMA*"}}

func judgeFault(t *testing.T, f fault, doc []byte) {
	t.Helper()
	var o validate.Options
	if !strings.HasPrefix(f.rule, "CDA-SCHEMA") {
		o = bare // a rule must not lean on the schema
	}
	found := validate.Validate(doc, o)
	rest := slices.DeleteFunc(slices.Clone(found), func(x cda.Finding) bool { return slices.Contains(f.also, x.Rule) })
	if len(rest) != 1 || rest[0].Rule != f.rule || len(found)-len(rest) < len(f.also) {
		t.Errorf("edits.txt:%d %s %v gives\n%s", f.line, f.rule, f.edits, said(found))
		return
	}
	if rest[0].Path != f.at {
		t.Errorf("edits.txt:%d %s is found at\n%s, not\n%s", f.line, f.rule, rest[0].Path, f.at)
	}
	if want := lineOf(t, doc, f.at); f.at != "" && rest[0].Line != want {
		t.Errorf("edits.txt:%d %s is found on line %d, not %d", f.line, f.rule, rest[0].Line, want)
	}
}

// lineOf finds the line of a location by another reader than ours.
func lineOf(t *testing.T, doc []byte, at string) int {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(doc))
	var open []string
	counts := []map[string]int{{}}
	for {
		off := d.InputOffset()
		tok, err := d.RawToken()
		if err != nil {
			return 0
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			name := tok.Name.Local
			if tok.Name.Space != "" {
				name = tok.Name.Space + ":" + name
			}
			counts[len(counts)-1][name]++
			open = append(open, fmt.Sprintf("%s[%d]", name, counts[len(counts)-1][name]))
			counts = append(counts, map[string]int{})
			if "/"+strings.Join(open, "/") == at {
				return 1 + bytes.Count(doc[:off], []byte("\n"))
			}
		case xml.EndElement:
			open, counts = open[:len(open)-1], counts[:len(counts)-1]
		}
	}
}

// TestSamples: documents that others published give no error.
func TestSamples(t *testing.T) {
	for name, doc := range samples(t) {
		for _, f := range validate.Validate(doc, validate.Options{}) {
			if f.Severity <= cda.Error {
				t.Errorf("%s: %s %s line %d: %s", name, f.Rule, f.Path, f.Line, f.Text)
			}
		}
	}
}

func samples(t testing.TB) map[string][]byte {
	dir := os.DirFS(oracle.Path(t, "samples/cda"))
	out := map[string][]byte{}
	entries, err := os.ReadDir(oracle.Path(t, "samples/cda"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		f, err := dir.Open(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := b.ReadFrom(f); err != nil {
			t.Fatal(err)
		}
		f.Close()
		out[e.Name()] = b.Bytes()
	}
	return out
}
