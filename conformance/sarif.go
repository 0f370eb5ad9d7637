package conformance

import (
	"encoding/json"
	"io"
	"strings"
)

type sarifText struct {
	Text string `json:"text"`
}

type sarifRule struct {
	ID               string         `json:"id"`
	ShortDescription sarifText      `json:"shortDescription"`
	Help             sarifText      `json:"help"`
	Properties       map[string]any `json:"properties"`
}

type sarifResult struct {
	RuleID       string           `json:"ruleId"`
	RuleIndex    int              `json:"ruleIndex"`
	Kind         string           `json:"kind"`
	Level        string           `json:"level"`
	Message      sarifText        `json:"message"`
	Locations    []any            `json:"locations"`
	Suppressions []map[string]any `json:"suppressions,omitempty"`
}

// SARIF writes what did not pass in the form of static analysis results (SARIF 2.1.0): a rule for each case, known differences as suppressed results.
func (r *Report) SARIF(w io.Writer) error {
	rules, results := []sarifRule{}, []sarifResult{}
	for _, res := range r.Results {
		verdict := res.Verdict()
		if verdict == "passed" {
			continue
		}
		rule := sarifRule{ID: res.Name, Properties: map[string]any{}}
		if res.Case != nil {
			first, _, _ := strings.Cut(res.Case.Note, "\n")
			rule.ShortDescription, rule.Help = sarifText{first}, sarifText{res.Case.Note + "\n" + strings.Join(res.Case.Cites, "; ")}
			rule.Properties["cites"] = res.Case.Cites
		}
		line := 1
		if res.Line > 0 {
			line = res.Line
		}
		result := sarifResult{RuleID: res.Name, RuleIndex: len(rules), Kind: "fail", Level: "error", Message: sarifText{strings.Join(res.Faults, "\n")}, Locations: []any{map[string]any{
			"physicalLocation": map[string]any{"artifactLocation": map[string]any{"uri": "conformance/suite/" + res.Name + ".txtar"}, "region": map[string]any{"startLine": line}}}}}
		switch verdict {
		case "known":
			result.Suppressions = []map[string]any{{"kind": "external", "justification": res.Known}}
		case "skipped":
			result.Kind, result.Level, result.Message = "notApplicable", "none", sarifText{res.Skipped}
		}
		rules, results = append(rules, rule), append(results, result)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(map[string]any{"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": []any{map[string]any{
		"tool":        map[string]any{"driver": map[string]any{"name": "passerelle-conformance", "version": Version(), "rules": rules}},
		"invocations": []any{map[string]any{"executionSuccessful": true, "startTimeUtc": r.Began.UTC().Format("2006-01-02T15:04:05Z"), "endTimeUtc": r.Began.Add(r.Took).UTC().Format("2006-01-02T15:04:05Z")}},
		"properties":  map[string]any{"system": r.System, "edition": r.Edition, "cases": len(r.Results)},
		"results":     results}}})
}
