package validate

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// ruleByID are all rules but those of clinical documents, which package cda/validate lists.
var ruleByID = func() map[string]Rule {
	out := map[string]Rule{}
	for _, r := range Rules() {
		out[r.ID] = r
	}
	return out
}()

// Rules lists every rule, those of clinical documents apart.
func Rules() []Rule {
	return slices.Concat(soapRules, submissionRules, queryRules, responseRules, er7Rules, v3Rules, xdmRules, auditRules, samlRules)
}

// File is what was found in one file.
type File struct {
	Name     string    `json:"file"`
	Kind     string    `json:"kind"`
	Findings []Finding `json:"findings"`
}

// Text writes a line for each finding, and one for a file without any.
func Text(w io.Writer, files []File) error {
	for _, f := range files {
		if len(f.Findings) == 0 {
			if _, err := fmt.Fprintf(w, "%s: %s: nothing found\n", f.Name, f.Kind); err != nil {
				return err
			}
		}
		for _, x := range f.Findings {
			if _, err := fmt.Fprintln(w, f.Name+x.String()); err != nil {
				return err
			}
		}
	}
	return nil
}

// String is the finding as a line of text, without the file it is in.
func (f Finding) String() string {
	where := ""
	if f.Line > 0 {
		where = fmt.Sprintf(":%d", f.Line)
	}
	if f.Location != "" {
		where += ": " + f.Location
	}
	return fmt.Sprintf("%s: %s: %s [%s; %s]", where, f.Severity, f.Text, f.Rule, f.Clause)
}

// JSON writes the files with their findings.
func JSON(w io.Writer, files []File) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	for i := range files {
		if files[i].Findings == nil {
			files[i].Findings = []Finding{}
		}
	}
	return e.Encode(files)
}

type sarifMessage struct {
	Text string `json:"text"`
}

// SARIF writes the findings as results of static analysis (SARIF 2.1.0).
func SARIF(w io.Writer, files []File) error {
	index := map[string]int{}
	rules, results := []any{}, []any{}
	for _, f := range files {
		for _, x := range f.Findings {
			n, ok := index[x.Rule]
			if !ok {
				n = len(rules)
				index[x.Rule] = n
				rules = append(rules, map[string]any{"id": x.Rule, "shortDescription": sarifMessage{ruleText(x)}, "help": sarifMessage{x.Clause}})
			}
			physical := map[string]any{"artifactLocation": map[string]any{"uri": f.Name}}
			if x.Line > 0 {
				physical["region"] = map[string]any{"startLine": x.Line}
			}
			results = append(results, map[string]any{"ruleId": x.Rule, "ruleIndex": n, "level": x.Severity, "message": sarifMessage{x.Text}, "locations": []any{map[string]any{
				"physicalLocation": physical, "logicalLocations": []any{map[string]any{"fullyQualifiedName": x.Location}}}}})
		}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(map[string]any{"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": []any{map[string]any{
		"tool": map[string]any{"driver": map[string]any{"name": "passerelle-conformance-validate", "rules": rules}}, "results": results}}})
}

func ruleText(f Finding) string {
	if r, ok := ruleByID[f.Rule]; ok {
		return r.Text
	}
	text, _, _ := strings.Cut(f.Text, ":")
	return text
}
