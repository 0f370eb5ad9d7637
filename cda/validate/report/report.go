// Package report writes findings about documents for those who read them: a person at a terminal, and the tools that read JSON, SARIF 2.1.0 or JUnit.
// It judges nothing.
package report

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/validate"
)

// File is what was found in one file.
type File struct {
	Name     string
	Findings []cda.Finding
	Err      error // it could not be read at all
}

// Writer writes a whole report.
type Writer func(w io.Writer, files []File) error

// Writers are the formats by name; text without colour.
var Writers = map[string]Writer{"text": Text(false), "json": JSON, "sarif": SARIF, "junit": JUnit}

// colours of the severities on a terminal, from the gravest.
var colours = [...]string{"\x1b[1;31m", "\x1b[31m", "\x1b[33m", "\x1b[36m"}

// Text writes a line for each finding, file:line: severity rule: text, with its path and clause below, and a summary.
func Text(colour bool) Writer {
	paint := func(s cda.Severity) (string, string) {
		if !colour || int(s) >= len(colours) {
			return "", ""
		}
		return colours[s], "\x1b[0m"
	}
	return func(w io.Writer, files []File) error {
		count := map[cda.Severity]int{}
		p := &printer{w: w}
		for _, f := range files {
			if f.Err != nil {
				p.printf("%s: %s\n", plain(f.Name), plain(f.Err.Error()))
			}
			for _, x := range f.Findings {
				count[x.Severity]++
				on, off := paint(x.Severity)
				p.printf("%s:%d: %s%v%s %s: %s\n", plain(f.Name), x.Line, on, x.Severity, off, x.Rule, plain(x.Text))
				if x.Path != "" {
					p.printf("    at %s\n", plain(x.Path))
				}
				if x.Clause != "-" {
					p.printf("    by %s\n", x.Clause)
				}
			}
		}
		p.printf("%d files: %d fatal, %d errors, %d warnings, %d informations\n", len(files),
			count[cda.Fatal], count[cda.Error], count[cda.Warning], count[cda.Information])
		return p.err
	}
}

// plain takes control characters out, by which a file's name or an element's could write over a terminal.
func plain(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f && c < 0xa0 {
			return '?'
		}
		return c
	}, s)
}

type printer struct {
	w   io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

type jsonFinding struct {
	Rule     string `json:"rule"`
	Severity string `json:"severity"`
	Path     string `json:"path,omitempty"`
	Line     int    `json:"line,omitempty"`
	Text     string `json:"text"`
	Clause   string `json:"clause"`
}

type jsonFile struct {
	File     string        `json:"file"`
	Error    string        `json:"error,omitempty"`
	Findings []jsonFinding `json:"findings"`
}

// JSON writes an array with one object for each file.
func JSON(w io.Writer, files []File) error {
	out := make([]jsonFile, len(files))
	for i, f := range files {
		out[i] = jsonFile{File: f.Name, Findings: make([]jsonFinding, len(f.Findings))}
		if f.Err != nil {
			out[i].Error = f.Err.Error()
		}
		for j, x := range f.Findings {
			out[i].Findings[j] = jsonFinding{x.Rule, x.Severity.String(), x.Path, x.Line, x.Text, x.Clause}
		}
	}
	return encode(w, out)
}

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name      string        `xml:"name,attr"`
	ClassName string        `xml:"classname,attr"`
	Failures  []junitReason `xml:"failure"`
	Errors    []junitReason `xml:"error"`
	Output    string        `xml:"system-out,omitempty"`
}

type junitReason struct {
	Type    string `xml:"type,attr"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit writes one test suite for each file and one case for each rule that was broken; errors fail their case, warnings are its output. A file
// without findings has one case, that it was read.
func JUnit(w io.Writer, files []File) error {
	out := junitSuites{}
	for _, f := range files {
		out.Suites = append(out.Suites, suiteOf(f))
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(out); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func suiteOf(f File) junitSuite {
	s := junitSuite{Name: plain(f.Name), Cases: []junitCase{{Name: "read", ClassName: plain(f.Name)}}}
	if f.Err != nil {
		s.Errors = 1
		s.Cases[0].Errors = []junitReason{{Type: "error", Message: plain(f.Err.Error())}}
	}
	at := map[string]int{}
	for _, x := range f.Findings {
		i, ok := at[x.Rule]
		if !ok {
			i = len(s.Cases)
			at[x.Rule] = i
			s.Cases = append(s.Cases, junitCase{Name: x.Rule, ClassName: plain(f.Name)})
		}
		c, where := &s.Cases[i], fmt.Sprintf("line %d %s", x.Line, plain(x.Path))
		if x.Severity <= cda.Error {
			if len(c.Failures) == 0 {
				s.Failures++
			}
			c.Failures = append(c.Failures, junitReason{Type: x.Severity.String(), Message: plain(x.Text), Text: where})
			continue
		}
		c.Output += fmt.Sprintf("%v: %s: %s\n", x.Severity, where, plain(x.Text))
	}
	s.Tests = len(s.Cases)
	return s
}

// RuleList writes every rule, tab-separated: identifier, severity, layer, inferred or not, clause, text.
func RuleList(w io.Writer) error {
	p := &printer{w: w}
	p.printf("rule\tseverity\tlayer\tsource\tclause\ttext\n")
	for _, r := range validate.Rules() {
		source := "read"
		if r.Inferred {
			source = "inferred"
		}
		p.printf("%s\t%v\t%s\t%s\t%s\t%s\n", r.ID, r.Severity, r.Layer, source, r.Clause, r.Text)
	}
	return p.err
}
