package validate_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/validate"
)

// TestCaps: what is too large is refused, and a document full of faults gives a bounded list that says so.
func TestCaps(t *testing.T) {
	doc := base(t, "cr-bio")
	if got := said(validate.Validate(doc, validate.Options{MaxBytes: 100})); got != "SEC-SIZE  line 0" {
		t.Errorf("too large: %s", got)
	}
	many := bytes.Replace(doc, []byte("</patient>"), []byte(strings.Repeat("<raceCode/><ethnicGroupCode/>", 3)+"</patient>"), 1)
	many = bytes.Replace(many, []byte("</text>"), []byte(strings.Repeat("<script/><object/>", 500)+"</text>"), 1)
	found := validate.Validate(many, validate.Options{MaxFindings: 10})
	if len(found) != 11 || found[10].Rule != "CDA-MORE" || slices.ContainsFunc(found[:10], func(f cda.Finding) bool { return f.Severity > cda.Error }) {
		t.Errorf("%d findings\n%s", len(found), said(found))
	}
	if n := len(validate.Validate(many, validate.Options{})); n > 60 {
		t.Errorf("one rule gives %d findings", n)
	}
	large := bytes.Replace(base(t, "n1"), []byte("Q29tcHRlIHJlbmR1IGQnZXNzYWk="), bytes.Repeat([]byte(strings.Repeat("QUFB", 19)+"\n"), 200_000), 1)
	if got := said(validate.Validate(large, validate.Options{})); got != "" {
		t.Errorf("15 MB of base64 in lines: %s", got)
	}
	huge := strings.Replace(string(base(t, "n1")), "Q29tcHRlIHJlbmR1IGQnZXNzYWk=", strings.Repeat("QUFB", 8<<20), 1)
	got := said(validate.Validate([]byte(huge), validate.Options{MaxBytes: 64 << 20}))
	if !strings.HasPrefix(got, "SEC-BASE64-SIZE /ClinicalDocument[1]/component[1]/nonXMLBody[1]/text[1] ") || strings.Contains(got, "\n") {
		t.Errorf("huge base64: %s", got)
	}
}

func TestOff(t *testing.T) {
	doc, err := change(base(t, "cr-bio"), "remove /ClinicalDocument/realmCode", 0)
	if err != nil {
		t.Fatal(err)
	}
	doc, err = change(doc, "remove /ClinicalDocument/inFulfillmentOf", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o    validate.Options
		want string
	}{
		{validate.Options{}, "FR-CR-BIO-033 /ClinicalDocument[1] line 2\nFR-HEADER-001 /ClinicalDocument[1] line 2"},
		{validate.Options{NotInferred: true}, "FR-HEADER-001 /ClinicalDocument[1] line 2"},
		{validate.Options{Off: []string{"FR-HEADER-*"}}, "FR-CR-BIO-033 /ClinicalDocument[1] line 2"},
		{validate.Options{Off: []string{"FR-HEADER-001", "FR-CR-BIO-033"}}, ""},
		{validate.Options{Off: []string{"FR-HEADER-00", "FR-CR-BIO-03"}},
			"FR-CR-BIO-033 /ClinicalDocument[1] line 2\nFR-HEADER-001 /ClinicalDocument[1] line 2"},
	} {
		if got := said(validate.Validate(doc, c.o)); got != c.want {
			t.Errorf("%+v gives\n%s", c.o, got)
		}
	}
}

// TestSchema: a schema of an operator's own is judged by, with its line, and its messages show no value.
func TestSchema(t *testing.T) {
	s, err := validate.OpenSchema(os.DirFS("testdata/schema"), "root.xsd")
	if err != nil {
		t.Fatal(err)
	}
	doc := []byte("<ClinicalDocument xmlns=\"urn:hl7-org:v3\">\n<title>O'MARQUEUR d'un</title>\n<number>MARQUEUR'x</number><other/></ClinicalDocument>")
	var got []string
	for _, f := range validate.Validate(doc, validate.Options{Schemas: []validate.Schema{s}, Off: []string{"FR-*", "CDA-BODY-*"}}) {
		got = append(got, fmt.Sprintf("%s line %d: %s", f.Rule, f.Line, f.Text))
		if f.Clause != "schema root.xsd" {
			t.Errorf("clause %s", f.Clause)
		}
	}
	want := []string{
		"CDA-SCHEMA-VALUE line 2: Element '{urn:hl7-org:v3}title': [facet 'maxLength'] " +
			"The value has a length of '15'; this exceeds the allowed maximum length of '3'.",
		"CDA-SCHEMA-ELEMENT line 3: Element '{urn:hl7-org:v3}other': This element is not expected.",
		"CDA-SCHEMA-VALUE line 3: Element '{urn:hl7-org:v3}number': the value is not a valid value of the atomic type 'xs:int'.",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if _, err := validate.OpenSchema(os.DirFS("testdata/schema"), "absent.xsd"); err == nil {
		t.Error("a schema that is not there was opened")
	}
}

// TestOwnSchema: without a word documents are judged by our schema; another may stand in its place, and the layer can be switched off.
func TestOwnSchema(t *testing.T) {
	doc, err := change(base(t, "cr-bio"), "into //section <remark/>", 0)
	if err != nil {
		t.Fatal(err)
	}
	other, err := validate.OpenSchema(os.DirFS("testdata/schema"), "root.xsd")
	if err != nil {
		t.Fatal(err)
	}
	own, err := validate.OwnSchema()
	if err != nil {
		t.Fatal(err)
	}
	const at = "/ClinicalDocument[1]/component[1]/structuredBody[1]/component[1]/section[1]/"
	for _, c := range []struct {
		o    validate.Options
		want string
	}{
		{validate.Options{}, "CDA-SCHEMA-ELEMENT " + at + "remark[1]: CDA R2 schema"},
		{validate.Options{Schemas: []validate.Schema{own}}, "CDA-SCHEMA-ELEMENT " + at + "remark[1]: CDA R2 schema"},
		{validate.Options{Schemas: []validate.Schema{other}}, "CDA-SCHEMA-ELEMENT /ClinicalDocument[1]/realmCode[1]: schema root.xsd"},
		{validate.Options{Off: []string{"CDA-SCHEMA*"}}, ""},
		{validate.Options{Off: []string{"CDA-SCHEMA-ELEMENT"}}, ""},
	} {
		var got []string
		for _, f := range validate.Validate(doc, c.o) {
			got = append(got, fmt.Sprintf("%s %s: %s", f.Rule, f.Path, f.Clause))
		}
		if strings.Join(got, "\n") != c.want {
			t.Errorf("%+v gives %q, not %q", c.o, got, c.want)
		}
	}
}

// TestSelfDisplay: a document within a stylesheet is judged as if it stood alone, but for its lines; the stylesheet is not looked into.
func TestSelfDisplay(t *testing.T) {
	doc := base(t, "cr-bio")
	doc = doc[bytes.Index(doc, []byte("<ClinicalDocument")):]
	const sheet = "<xsl:transform version=\"1.0\"\n xmlns:xsl=\"http://www.w3.org/1999/XSL/Transform\">\n<xsl:template match=\"/\"><html><script>x</script></html></xsl:template>\n"
	displayed := []byte(sheet + string(doc) + "</xsl:transform>")
	if got := said(validate.Validate(displayed, validate.Options{})); got != "SEC-SELF-DISPLAY  line 1" {
		t.Errorf("got\n%s", got)
	}
	bad, err := change(displayed, "into //section <remark/>", 0)
	if err == nil {
		bad, err = change(bad, "remove //realmCode", 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	want := "SEC-SELF-DISPLAY  line 1\nFR-HEADER-001 /ClinicalDocument[1] line 4\n" +
		"CDA-SCHEMA-ELEMENT /ClinicalDocument[1]/component[1]/structuredBody[1]/component[1]/section[1]/remark[1] line "
	if got := said(validate.Validate(bad, validate.Options{})); !strings.HasPrefix(got, want) || strings.Count(got, "\n") != 2 {
		t.Errorf("got\n%s", got)
	}
	empty := []byte(sheet + "</xsl:transform>")
	if got := said(validate.Validate(empty, validate.Options{})); got != "CDA-ROOT /xsl:transform[1] line 1" {
		t.Errorf("got\n%s", got)
	}
}

// TestChecks: added checks are run until the time is over, and one that fails says that it could not be run.
func TestChecks(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	checks := []validate.Check{
		func(context.Context, []byte) ([]cda.Finding, error) {
			return []cda.Finding{{Rule: "SCH-1", Line: 4}}, nil
		},
		func(context.Context, []byte) ([]cda.Finding, error) { cancel(); return nil, errors.New("no engine") },
		func(ctx context.Context, _ []byte) ([]cda.Finding, error) { return nil, ctx.Err() },
	}
	if got := said(validate.RunChecks(ctx, nil, checks)); got != "SCH-1  line 4\nCDA-CHECK-FAILED  line 0\nCDA-CHECK-FAILED  line 0" {
		t.Errorf("got\n%s", got)
	}
}

// TestEmbeddedPDF: the PDF of an unstructured body is judged; what may run is an error, what only fails PDF/A-1 is a warning.
func TestEmbeddedPDF(t *testing.T) {
	pdf := "%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj<</Type/Catalog/OpenAction<</S/JavaScript/JS(x)>>>>endobj\ntrailer<</Root 1 0 R/ID[()()]>>"
	doc, err := change(base(t, "n1"), "text //nonXMLBody/text "+base64.StdEncoding.EncodeToString([]byte(pdf)), 0)
	if err == nil {
		doc, err = change(doc, "set //nonXMLBody/text mediaType application/pdf", 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	severities := func(found []cda.Finding) (out []string) {
		for _, f := range found {
			out = append(out, f.Rule+" "+f.Severity.String())
		}
		return out
	}
	want := []string{"PDFA-ACTION error", "PDFA-INTENT warning", "PDFA-METADATA warning", "PDFA-XREF warning"}
	if got := severities(validate.Validate(doc, validate.Options{})); !slices.Equal(got, want) {
		t.Errorf("embedded: %q", got)
	}
	want = []string{"PDFA-ACTION error", "PDFA-INTENT error", "PDFA-METADATA error", "PDFA-XREF error"}
	if got := severities(validate.ValidatePDF([]byte(pdf), validate.Options{})); !slices.Equal(got, want) {
		t.Errorf("alone: %q", got)
	}
	if got := said(validate.ValidatePDF([]byte("GIF"), validate.Options{})); got != "PDFA-READ  line 0" {
		t.Errorf("no PDF: %s", got)
	}
}

const marker = "MARQUEUR"

var (
	values = regexp.MustCompile(`"[^"]*"`)
	texts  = regexp.MustCompile(`>[^<>]*[^<>\s][^<>]*<`)
	keep   = regexp.MustCompile(`^"(urn:|http:|[0-9.]+"|FR"|POCD)`)
)

// TestNoValueIsShown: of a document whose every value and text is a marker nothing shows in a finding, the schema's included.
func TestNoValueIsShown(t *testing.T) {
	options := []validate.Options{{}}
	if dir := shared("standards/cda"); dir != "" {
		s, err := validate.OpenSchema(os.DirFS(dir), "CDA_extended.xsd")
		if err != nil {
			t.Fatal(err)
		}
		options = append(options, validate.Options{Schemas: []validate.Schema{s}})
	}
	for _, model := range models {
		doc := base(t, model)
		quotes := []string{"O'" + marker, marker + "' is not a valid value of '" + marker, "&apos;" + marker + "&apos;" + marker}
		for _, m := range append(quotes, marker, strings.Repeat(marker, 30)) {
			marked := values.ReplaceAllFunc(doc, func(v []byte) []byte {
				if keep.Match(v) {
					return v
				}
				return []byte(`"` + m + `"`)
			})
			marked = texts.ReplaceAll(marked, []byte(">"+m+"<"))
			marked = bytes.Replace(marked, []byte(` encoding="`+m+`"`), nil, 1)
			for _, o := range options {
				found := validate.Validate(marked, o)
				if len(found) < 10 {
					t.Fatalf("%s: only\n%s", model, said(found))
				}
				for _, f := range found {
					if strings.Contains(f.Text+f.Path+f.Clause, marker) {
						t.Errorf("%s %s shows a value: %s %s", model, f.Rule, f.Path, f.Text)
					}
				}
			}
		}
	}
}

// FuzzValidate: the findings are the same each time, in order, bounded in number and of known rules; a fatal one is alone.
func FuzzValidate(f *testing.F) {
	for _, model := range models {
		f.Add(base(f, model))
	}
	f.Add([]byte(`<?xml-stylesheet href="//h"?><ClinicalDocument xmlns="urn:hl7-org:v3"><id root="1"/>` +
		`<component><a:b xmlns:a="u"/></component></ClinicalDocument>`))
	rules := map[string]bool{}
	for _, r := range validate.Rules() {
		rules[r.ID] = true
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		found := validate.Validate(doc, validate.Options{MaxFindings: 50})
		if again := validate.Validate(bytes.Clone(doc), validate.Options{MaxFindings: 50}); !slices.Equal(found, again) {
			t.Fatalf("two answers:\n%s\n\n%s", said(found), said(again))
		}
		if len(found) > 51 {
			t.Fatalf("%d findings", len(found))
		}
		line := 0
		for _, x := range found {
			if !rules[x.Rule] || x.Line < line && x.Rule != "CDA-MORE" {
				t.Fatalf("not known, or not in order:\n%s", said(found))
			}
			if x.Severity == cda.Fatal && len(found) != 1 {
				t.Fatalf("fatal and yet judged:\n%s", said(found))
			}
			line = x.Line
		}
	})
}
