package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const document = `<ClinicalDocument xmlns="urn:hl7-org:v3"/>`

// run runs the command with its report in a file, and gives its exit status and the report.
func run(t *testing.T, c validateCmd) (status int, out string) {
	t.Helper()
	c.Output = filepath.Join(t.TempDir(), "report")
	if c.Format == "" {
		c.Format = "text"
	}
	if c.Severity == "" {
		c.Severity = "warning"
	}
	err := c.Run(t.Context())
	var code exitStatus
	if err != nil && !errors.As(err, &code) {
		t.Fatal(err)
	}
	b, err := os.ReadFile(c.Output)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return int(code), string(b)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestMain lets the test binary be a worker, as the program is.
func TestMain(m *testing.M) {
	if slices.Equal(os.Args[1:], []string{"worker", "schematron"}) {
		if err := (workerCmd{}).Run(); err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// TestSchematron judges by rule sets of the operator's.
func TestSchematron(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "d.xml"), document)
	write(t, filepath.Join(dir, "rules", "one.sch"), `<schema xmlns="http://purl.oclc.org/dsdl/schematron" queryBinding="xslt2"><include href="../beside.sch"/></schema>`)
	write(t, filepath.Join(dir, "beside.sch"), `<pattern xmlns="http://purl.oclc.org/dsdl/schematron"><rule context="/*"><assert id="a" test="@b">no b in <value-of select="name()"/>, <value-of select="1 + 1"/></assert></rule></pattern>`)
	base := validateCmd{Paths: []string{dir + "/d.xml"}, Off: []string{"FR-*", "CDA-*", "SEC-*"}, Schematron: []string{dir + "/rules/one.sch"}, SchematronFolder: dir,
		SchematronTime: time.Minute, SchematronMemory: 512}
	values, narrow, none, little := base, base, base, base
	values.Values = true
	narrow.SchematronFolder = ""
	none.Schematron = []string{dir + "/none.sch"}
	little.SchematronMemory = 1
	for _, c := range []struct {
		name   string
		c      validateCmd
		status int
		want   string
	}{
		{"plain", base, 1, "/d.xml:1: error one/a: no b in ClinicalDocument, …\n    at /ClinicalDocument[1]\n    by rule set one\n"},
		{"values", values, 1, "/d.xml:1: error one/a: no b in ClinicalDocument, 2\n"},
		{"folder of the file", narrow, 2, ""},
		{"no file", none, 2, ""},
		{"little memory", little, 2, ""},
	} {
		status, out := run(t, c.c)
		if status != c.status || !strings.Contains(out, c.want) {
			t.Errorf("%s: status %d, want %d\n%s\nwant %s", c.name, status, c.status, out, c.want)
		}
	}
}

func TestValidate(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "b", "c.XML"), document)
	write(t, filepath.Join(dir, "a.xml"), "no document")
	write(t, filepath.Join(dir, "d.pdf"), "no PDF")
	write(t, filepath.Join(dir, "e.txt"), "not asked")
	all := []string{"FR-*", "CDA-*", "SEC-*", "PDFA-*"}
	for _, c := range []struct {
		name   string
		c      validateCmd
		status int
		want   []string // in the report
	}{
		{"a folder", validateCmd{Paths: []string{dir}}, 1, []string{
			dir + "/a.xml:1: fatal CDA-XML: ", dir + "/b/c.XML:1: error FR-HEADER-001: realmCode is due once\n    at /ClinicalDocument[1]\n    by ",
			dir + "/d.pdf:0: error PDFA-READ: ", "3 files: 1 fatal, ",
		}},
		{"nothing found", validateCmd{Paths: []string{dir}, Off: all}, 0, []string{"3 files: 0 fatal, 0 errors, 0 warnings, 0 informations\n"}},
		{"a file that is not there", validateCmd{Paths: []string{dir + "/x.xml"}}, 2, nil},
		{"an empty folder", validateCmd{Paths: []string{t.TempDir()}}, 2, nil},
		{"no file named", validateCmd{}, 2, nil},
		{"a schema that is none", validateCmd{Paths: []string{dir}, Schema: dir + "/e.txt"}, 2, nil},
		{"the rules", validateCmd{Rules: true}, 0, []string{
			"rule\tseverity\tlayer\tsource\tclause\ttext\nCDA-XML\tfatal\tsecurity\tread\t", "\nFR-HEADER-046\terror\theader\tread\tINS, key\t",
		}},
		{"SARIF", validateCmd{Paths: []string{dir}, Format: "sarif"}, 1, []string{`"version": "2.1.0"`, `"startLine": 1`}},
		{"JUnit", validateCmd{Paths: []string{dir}, Format: "junit"}, 1,
			[]string{`<testsuite name="` + dir + `/d.pdf" tests="2" failures="1" errors="0">`}},
		{"JSON", validateCmd{Paths: []string{dir + "/a.xml"}, Format: "json"}, 1, []string{`"rule": "CDA-XML"`}},
	} {
		status, out := run(t, c.c)
		if status != c.status {
			t.Errorf("%s: exit status %d, not %d", c.name, status, c.status)
		}
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in\n%.2000s", c.name, want, out)
			}
		}
	}
}

// TestValidateSeverity: what is below the severity is neither listed nor counted.
func TestValidateSeverity(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.xml")
	write(t, name, `<?xml-stylesheet href="//elsewhere"?>`+document)
	off := []string{"FR-*", "CDA-*"}
	for severity, want := range map[string]int{"error": 0, "warning": 1, "information": 1} {
		if got, out := run(t, validateCmd{Paths: []string{name}, Off: off, Severity: severity}); got != want {
			t.Errorf("severity %s: exit status %d, not %d\n%s", severity, got, want, out)
		}
	}
}

func TestValidateStandardInput(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	old := os.Stdin
	os.Stdin = r
	defer func() { os.Stdin = old }()
	if _, err := w.WriteString(document); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if status, out := run(t, validateCmd{Paths: []string{"-"}}); status != 1 || !strings.Contains(out, "-:1: error FR-HEADER-001: ") {
		t.Errorf("exit status %d\n%.300s", status, out)
	}
}
