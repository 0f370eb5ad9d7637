package gateway

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/atna/arr"
)

// rulesFile is the file of alert rules. A value @FILE stands for the lines of that file, beside the rules.
type rulesFile struct {
	Rules []struct {
		Name   string              `yaml:"name"`
		Text   string              `yaml:"text"`
		When   map[string][]string `yaml:"when"`
		Per    string              `yaml:"per"`
		Count  string              `yaml:"count"`
		Above  int                 `yaml:"above"`
		Within string              `yaml:"within"`
		Unless struct {
			When   map[string][]string `yaml:"when"`
			Same   string              `yaml:"same"`
			Within string              `yaml:"within"`
		} `yaml:"unless"`
		Alert string `yaml:"alert"`
	} `yaml:"rules"`
}

// alertKinds are what a rule may raise.
var alertKinds = map[string]atna.Transaction{"": atna.RestrictedFunction, "restricted-function": atna.RestrictedFunction, "emergency-override": atna.EmergencyOverride}

// loadRules reads the rules that raise alerts; every mistake names the rule.
func loadRules(file string) ([]arr.Rule, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read alert rules: %w", err)
	}
	var f rulesFile
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&f); err != nil {
		return nil, fmt.Errorf("%s: %s", file, yaml.FormatError(err, false, false))
	}
	var rules []arr.Rule
	for _, r := range f.Rules {
		l := ruleLoader{dir: filepath.Dir(file), name: r.Name}
		rule := arr.Rule{Name: r.Name, Text: r.Text, When: l.groups(r.When), Per: l.field(r.Per), Count: l.field(r.Count), Above: r.Above, Within: l.duration(r.Within),
			Unless: l.groups(r.Unless.When), Same: l.field(r.Unless.Same), UnlessWithin: l.duration(r.Unless.Within), Tx: alertKinds[r.Alert]}
		if l.err == nil {
			l.err = rule.Check()
		}
		if l.err != nil {
			return nil, fmt.Errorf("%s: %w", file, l.err)
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

type ruleLoader struct {
	dir, name string
	err       error // the first mistake
}

func (l *ruleLoader) fail(format string, args ...any) {
	if l.err == nil {
		l.err = fmt.Errorf("rule %s: %s", l.name, fmt.Sprintf(format, args...))
	}
}

func (l *ruleLoader) field(name string) arr.Field {
	f, ok := arr.FieldByName(name)
	if name != "" && !ok {
		l.fail("%q is no field; known: %s", name, strings.Join(arr.FieldNames(), ", "))
	}
	return f
}

func (l *ruleLoader) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if text != "" && err != nil {
		l.fail("%q is no time span: 90m, 24h", text)
	}
	return d
}

func (l *ruleLoader) groups(all map[string][]string) [][]arr.Term {
	var groups [][]arr.Term
	for name, values := range all {
		var any []arr.Term
		for _, v := range values {
			for _, line := range l.expand(v) {
				any = append(any, arr.Term{Field: l.field(name), Value: line})
			}
		}
		groups = append(groups, any)
	}
	slices.SortFunc(groups, func(a, b []arr.Term) int { return len(a) - len(b) })
	return groups
}

// expand reads the lines of @FILE; empty ones and those after # do not count.
func (l *ruleLoader) expand(value string) []string {
	name, isFile := strings.CutPrefix(value, "@")
	if !isFile {
		return []string{value}
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(l.dir, name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		l.fail("%v", err)
	}
	var lines []string
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		line, _, _ := strings.Cut(s.Text(), "#")
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}
