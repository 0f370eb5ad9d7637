package report

import (
	"io"
	"net/url"
	"path/filepath"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/validate"
)

type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool        sarifTool         `json:"tool"`
	Invocations []sarifInvocation `json:"invocations"`
	Results     []sarifResult     `json:"results"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name  string      `json:"name"`
	Rules []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID      string         `json:"id"`
	Short   sarifMessage   `json:"shortDescription"`
	Full    sarifMessage   `json:"fullDescription"`
	Default sarifConfig    `json:"defaultConfiguration"`
	Props   map[string]any `json:"properties"`
}

type sarifConfig struct {
	Level string `json:"level"`
}

type sarifMessage struct {
	Text string `json:"text"`
}

type sarifInvocation struct {
	Successful    bool                `json:"executionSuccessful"`
	Notifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
}

type sarifNotification struct {
	Level   string       `json:"level"`
	Message sarifMessage `json:"message"`
}

type sarifResult struct {
	RuleID    string          `json:"ruleId"`
	RuleIndex int             `json:"ruleIndex"`
	Level     string          `json:"level"`
	Message   sarifMessage    `json:"message"`
	Locations []sarifLocation `json:"locations"`
}

type sarifLocation struct {
	Physical sarifPhysical  `json:"physicalLocation"`
	Logical  []sarifLogical `json:"logicalLocations,omitempty"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   *sarifRegion  `json:"region,omitempty"`
}

type sarifArtifact struct {
	URI string `json:"uri"`
}

type sarifRegion struct {
	StartLine int `json:"startLine"`
}

type sarifLogical struct {
	Name string `json:"fullyQualifiedName"`
	Kind string `json:"kind"`
}

// SARIF writes one run with the metadata of every rule. [SARIF 2.1.0]
func SARIF(w io.Writer, files []File) error {
	run := sarifRun{Tool: sarifTool{sarifDriver{Name: "passerelle validate"}}, Results: []sarifResult{}}
	index := map[string]int{}
	for i, r := range validate.Rules() {
		index[r.ID] = i
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{ID: r.ID, Short: sarifMessage{r.Text}, Full: sarifMessage{r.Clause + ": " + r.Text},
			Default: sarifConfig{level(r.Severity)}, Props: map[string]any{"layer": r.Layer, "inferred": r.Inferred}})
	}
	done := sarifInvocation{Successful: true}
	for _, f := range files {
		if f.Err != nil {
			done.Successful = false
			done.Notifications = append(done.Notifications, sarifNotification{"error", sarifMessage{f.Name + ": " + f.Err.Error()}})
		}
		for _, x := range f.Findings {
			run.Results = append(run.Results, resultOf(f.Name, x, index))
		}
	}
	run.Invocations = []sarifInvocation{done}
	return encode(w, sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}

func resultOf(name string, x cda.Finding, index map[string]int) sarifResult {
	at := sarifLocation{Physical: sarifPhysical{Artifact: sarifArtifact{(&url.URL{Path: filepath.ToSlash(name)}).String()}}}
	if x.Line > 0 {
		at.Physical.Region = &sarifRegion{x.Line}
	}
	if x.Path != "" {
		at.Logical = []sarifLogical{{x.Path, "element"}}
	}
	i, ok := index[x.Rule]
	if !ok {
		i = -1 // a rule of an added check
	}
	return sarifResult{RuleID: x.Rule, RuleIndex: i, Level: level(x.Severity), Message: sarifMessage{x.Text}, Locations: []sarifLocation{at}}
}

func level(s cda.Severity) string {
	switch s {
	case cda.Fatal, cda.Error:
		return "error"
	case cda.Warning:
		return "warning"
	}
	return "note"
}
