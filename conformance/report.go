package conformance

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Report is a run: the system and how each case went, in the order of their names.
type Report struct {
	System  string        `json:"system"`
	Edition string        `json:"edition"`
	Began   time.Time     `json:"began"`
	Took    time.Duration `json:"took_ns"`
	Results []Result      `json:"results"`
	Annex   string        `json:"-"` // text that stands at the end of reports for people: which planted faults the suite catches
}

// Edition is the edition of the standard that the requirements cite.
func Edition() string {
	text, err := files.ReadFile("requirements/EDITION")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// Counts tells how many cases passed, failed, were skipped, and passed with something left unchecked. A known difference is none of these.
func (r *Report) Counts() (passed, failed, skipped, unchecked int) {
	for _, res := range r.Results {
		switch res.Verdict() {
		case "skipped":
			skipped++
		case "failed":
			failed++
		case "passed":
			passed++
			if len(res.Notes) > 0 {
				unchecked++
			}
		}
	}
	return passed, failed, skipped, unchecked
}

// Text writes the report for people: folder by folder, then every failure with what the case is about.
func (r *Report) Text(w io.Writer) error {
	passed, failed, skipped, unchecked := r.Counts()
	var b strings.Builder
	fmt.Fprintf(&b, "Conformance of %s, %s\n%s\n\n%d cases: %d passed, %d failed, %d differ as known, %d not run. %.1f s.\n\n", r.System, r.Began.UTC().Format(time.RFC3339), r.Edition,
		len(r.Results), passed, failed, len(r.Results)-passed-failed-skipped, skipped, r.Took.Seconds())
	if unchecked > 0 {
		fmt.Fprintf(&b, "AUDIT NOT CHECKED in %d cases: configure where the system sends its audit records (audit: host:port).\n\n", unchecked)
	}
	folders, order := map[string][4]int{}, []string{}
	for _, res := range r.Results {
		folder := res.folder()
		n, seen := folders[folder]
		if !seen {
			order = append(order, folder)
		}
		n[slices.Index(verdicts, res.Verdict())]++
		folders[folder] = n
	}
	for _, f := range order {
		fmt.Fprintf(&b, "  %-12s %4d passed %4d failed %4d known %4d not run\n", f, folders[f][0], folders[f][1], folders[f][2], folders[f][3])
	}
	for _, res := range r.Results {
		switch res.Verdict() {
		case "known":
			fmt.Fprintf(&b, "\nknown %s: %s", res.Name, res.Known)
		case "failed":
			fmt.Fprintf(&b, "\nFAILED %s (%s)\n%s\n%s\n", res.Name, strings.Join(res.Case.Cites, "; "), indent(res.Case.Note), indent(strings.Join(res.Faults, "\n")))
		}
	}
	for _, res := range r.Results {
		if res.Skipped != "" {
			fmt.Fprintf(&b, "\nnot run %s: %s", res.Name, res.Skipped)
		}
	}
	b.WriteString("\n")
	if r.Annex != "" {
		b.WriteString("\n" + r.Annex)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// verdicts in the order of reports.
var verdicts = []string{"passed", "failed", "known", "skipped"}

// folder is what a case belongs to: a transaction, mostly. Probes have one for each transaction.
func (r Result) folder() string { return folderOf(r.Name) }

func folderOf(name string) string {
	rest, probe := strings.CutPrefix(name, "probe/")
	folder, _, _ := strings.Cut(rest, "/")
	if probe {
		return "probe/" + folder
	}
	return folder
}

func indent(s string) string { return "    " + strings.ReplaceAll(s, "\n", "\n    ") }

// JSON writes the report for programs.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitMessage `xml:"failure,omitempty"`
	Skipped *junitMessage `xml:"skipped,omitempty"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit writes the report in the form that build servers read.
func (r *Report) JUnit(w io.Writer) error {
	_, failed, skipped, _ := r.Counts()
	s := junitSuite{Name: r.System, Tests: len(r.Results), Failures: failed, Skipped: skipped, Time: seconds(r.Took)}
	for _, res := range r.Results {
		folder := res.folder()
		name := strings.TrimPrefix(res.Name, folder+"/")
		c := junitCase{Class: folder, Name: name, Time: seconds(res.Took), Out: strings.Join(append(slices.Clone(res.Notes), res.limits()...), "\n")}
		switch res.Verdict() {
		case "skipped":
			c.Skipped = &junitMessage{Message: res.Skipped}
		case "known":
			c.Out = strings.Join(slices.Concat([]string{"known: " + res.Known}, res.Faults, res.limits()), "\n")
		case "failed":
			c.Failure = &junitMessage{Message: res.Faults[0], Text: strings.Join(res.Faults, "\n")}
		}
		s.Cases = append(s.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	return e.Encode(s)
}

// limits says how long what a case bounds took.
func (r Result) limits() []string {
	var out []string
	for _, t := range r.Times {
		if t.Within > 0 {
			out = append(out, t.String())
		}
	}
	return out
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
