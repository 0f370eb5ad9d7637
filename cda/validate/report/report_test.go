package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/validate"
	"github.com/passerelle-sante/passerelle/cda/validate/report"
)

var files = []report.File{
	{Name: "good.xml"},
	{Name: "dir/bad é.xml", Findings: []cda.Finding{
		{Rule: "FR-HEADER-001", Severity: cda.Error, Path: "/ClinicalDocument[1]", Line: 2, Text: "realmCode is due once", Clause: "CI-SIS <1>"},
		{Rule: "FR-HEADER-047", Severity: cda.Warning, Path: "/ClinicalDocument[1]/recordTarget[1]", Line: 9, Text: "the key", Clause: "INS"},
		{Rule: "FR-HEADER-001", Severity: cda.Error, Line: 12, Text: "again", Clause: "-"},
		{Rule: "ADDED-1", Severity: cda.Information, Text: "by an added check", Clause: "-"},
	}},
	{Name: "absent\x1b.xml", Err: errors.New("no such file")},
}

func write(t *testing.T, w report.Writer) string {
	t.Helper()
	var b bytes.Buffer
	if err := w(&b, files); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestText(t *testing.T) {
	want := `dir/bad é.xml:2: error FR-HEADER-001: realmCode is due once
    at /ClinicalDocument[1]
    by CI-SIS <1>
dir/bad é.xml:9: warning FR-HEADER-047: the key
    at /ClinicalDocument[1]/recordTarget[1]
    by INS
dir/bad é.xml:12: error FR-HEADER-001: again
dir/bad é.xml:0: information ADDED-1: by an added check
absent?.xml: no such file
3 files: 0 fatal, 2 errors, 1 warnings, 1 informations
`
	if got := write(t, report.Text(false)); got != want {
		t.Errorf("got\n%s", got)
	}
	if got := write(t, report.Text(true)); !strings.HasPrefix(got, "dir/bad é.xml:2: \x1b[31merror\x1b[0m FR-HEADER-001: ") {
		t.Errorf("with colour: %q", got[:60])
	}
}

func TestJSON(t *testing.T) {
	var got []struct {
		File, Error string
		Findings    []struct {
			Rule, Severity, Path, Text, Clause string
			Line                               int
		}
	}
	if err := json.Unmarshal([]byte(write(t, report.JSON)), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || got[0].File != "good.xml" || got[0].Findings == nil || len(got[1].Findings) != 4 || got[2].Error != "no such file" {
		t.Fatalf("got %+v", got)
	}
	f := got[1].Findings[1]
	if f.Rule != "FR-HEADER-047" || f.Severity != "warning" || f.Path != "/ClinicalDocument[1]/recordTarget[1]" ||
		f.Line != 9 || f.Text != "the key" || f.Clause != "INS" {
		t.Errorf("finding %+v", f)
	}
}

func TestJUnit(t *testing.T) {
	want := xml.Header + `<testsuites>
  <testsuite name="good.xml" tests="1" failures="0" errors="0">
    <testcase name="read" classname="good.xml"></testcase>
  </testsuite>
  <testsuite name="dir/bad é.xml" tests="4" failures="1" errors="0">
    <testcase name="read" classname="dir/bad é.xml"></testcase>
    <testcase name="FR-HEADER-001" classname="dir/bad é.xml">
      <failure type="error" message="realmCode is due once">line 2 /ClinicalDocument[1]</failure>
      <failure type="error" message="again">line 12 </failure>
    </testcase>
    <testcase name="FR-HEADER-047" classname="dir/bad é.xml">
      <system-out>warning: line 9 /ClinicalDocument[1]/recordTarget[1]: the key&#xA;</system-out>
    </testcase>
    <testcase name="ADDED-1" classname="dir/bad é.xml">
      <system-out>information: line 0 : by an added check&#xA;</system-out>
    </testcase>
  </testsuite>
  <testsuite name="absent?.xml" tests="1" failures="0" errors="1">
    <testcase name="read" classname="absent?.xml">
      <error type="error" message="no such file"></error>
    </testcase>
  </testsuite>
</testsuites>
`
	if got := write(t, report.JUnit); got != want {
		t.Errorf("got\n%s", got)
	}
}

// TestSARIF asks what SARIF 2.1.0 requires: version, tool, rules that results point to by index, places as URI and line.
func TestSARIF(t *testing.T) {
	var log struct {
		Schema  string `json:"$schema"`
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct {
					Name  string
					Rules []struct {
						ID   string
						Full struct{ Text string }  `json:"fullDescription"`
						Conf struct{ Level string } `json:"defaultConfiguration"`
					}
				}
			}
			Invocations []struct {
				ExecutionSuccessful        *bool
				ToolExecutionNotifications []struct {
					Level   string
					Message struct{ Text string }
				}
			}
			Results []struct {
				RuleID    string
				RuleIndex int
				Level     string
				Message   struct{ Text string }
				Locations []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           *struct{ StartLine int }
					}
					LogicalLocations []struct{ FullyQualifiedName string }
				}
			}
		}
	}
	d := json.NewDecoder(strings.NewReader(write(t, report.SARIF)))
	if err := d.Decode(&log); err != nil {
		t.Fatal(err)
	}
	if log.Version != "2.1.0" || len(log.Runs) != 1 || log.Runs[0].Tool.Driver.Name == "" {
		t.Fatalf("log %+v", log)
	}
	run := log.Runs[0]
	rules := run.Tool.Driver.Rules
	if len(rules) != len(validate.Rules()) {
		t.Errorf("%d rules, not %d", len(rules), len(validate.Rules()))
	}
	seen := map[string]bool{}
	for _, r := range rules {
		if seen[r.ID] || r.Full.Text == "" || r.Conf.Level != "error" && r.Conf.Level != "warning" && r.Conf.Level != "note" {
			t.Errorf("rule %+v", r)
		}
		seen[r.ID] = true
	}
	if len(run.Results) != 4 {
		t.Fatalf("%d results", len(run.Results))
	}
	for i, want := range []struct {
		level string
		line  int
	}{{"error", 2}, {"warning", 9}, {"error", 12}, {"note", 0}} {
		r := run.Results[i]
		at := r.Locations[0].PhysicalLocation
		if r.RuleIndex >= 0 && rules[r.RuleIndex].ID != r.RuleID || (r.RuleIndex < 0) != (r.RuleID == "ADDED-1") {
			t.Errorf("result %d: rule %s at %d", i, r.RuleID, r.RuleIndex)
		}
		if r.Level != want.level || at.ArtifactLocation.URI != "dir/bad%20%C3%A9.xml" ||
			(at.Region == nil) != (want.line == 0) || at.Region != nil && at.Region.StartLine != want.line {
			t.Errorf("result %d: %+v", i, r)
		}
	}
	if n := run.Invocations[0]; n.ExecutionSuccessful == nil || *n.ExecutionSuccessful || len(n.ToolExecutionNotifications) != 1 {
		t.Errorf("invocation %+v", n)
	}
}

func TestRuleList(t *testing.T) {
	var b bytes.Buffer
	if err := report.RuleList(&b); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != len(validate.Rules())+1 {
		t.Errorf("%d lines for %d rules", len(lines), len(validate.Rules()))
	}
	for _, l := range lines {
		if f := strings.Split(l, "\t"); len(f) != 6 || f[4] == "" || f[5] == "" {
			t.Errorf("line %q", l)
		}
	}
}
