package validate_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/validate"
)

// mutation is a stanza of testdata/mutations.txt, and what came of it.
type mutation struct {
	kind, edit string
	named      []string
	made       int
	found      int // by a rule that names it
	missed     []string
}

func mutations(t testing.TB) []*mutation {
	b, err := os.ReadFile("testdata/mutations.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []*mutation
	for _, stanza := range strings.Split(string(b), "\n\n") {
		m := &mutation{}
		for line := range strings.SplitSeq(strings.TrimLeft(stanza, "\n"), "\n") {
			switch key, value, _ := strings.Cut(line, ": "); key {
			case "kind":
				m.kind = value
			case "edit":
				m.edit = value
			case "named":
				m.named = strings.Fields(value)
			}
		}
		if m.kind != "" {
			out = append(out, m)
		}
	}
	return out
}

// byRules tells that a kind is named by rules of ours.
func (m *mutation) byRules() bool { return m.named[0] != "terminology" }

const sites = 3 // of each kind in each document

// TestMutations gives valid documents, ours and where they are those of others, faults of every kind, and counts which are named by their rule.
func TestMutations(t *testing.T) {
	docs := map[string][]byte{}
	for _, model := range models {
		docs[model] = base(t, model)
	}
	if shared("samples/cda") != "" && !testing.Short() {
		for name, doc := range samples(t) {
			docs[name] = doc
		}
	}
	all := mutations(t)
	for name, doc := range docs {
		before := validate.Validate(doc, validate.Options{})
		for _, m := range all {
			for site := range sites {
				mutant, err := change(doc, m.edit, site)
				if err != nil || bytes.Equal(mutant, doc) {
					break
				}
				m.judge(fmt.Sprintf("%s site %d", name, site+1), before, mutant)
				if strings.HasPrefix(m.edit, "top ") || strings.HasPrefix(m.edit, "raw ") {
					break
				}
			}
		}
	}
	kinds, made, found := 0, 0, 0
	for _, m := range all {
		if m.made == 0 {
			t.Errorf("%s: no document can be given it", m.kind)
		}
		if m.byRules() {
			kinds, made, found = kinds+1, made+m.made, found+m.found
		}
	}
	t.Log("\n" + killTable(all))
	if kinds < 40 || found*100 < made*95 {
		t.Errorf("%d kinds, %d of %d mutants named by their rule", kinds, found, made)
	}
}

// judge counts the mutant as found when a rule that names the fault says something that it did not say before.
func (m *mutation) judge(where string, before []cda.Finding, mutant []byte) {
	m.made++
	count := func(found []cda.Finding, rule string) (n int) {
		for _, f := range found {
			if f.Rule == rule {
				n++
			}
		}
		return n
	}
	after := validate.Validate(mutant, validate.Options{})
	if slices.ContainsFunc(m.named, func(rule string) bool { return count(after, rule) > count(before, rule) }) {
		m.found++
		return
	}
	m.missed = append(m.missed, where)
}

// killTable is the table of docs/validation.md.
func killTable(all []*mutation) string {
	var b strings.Builder
	made, found := 0, 0
	b.WriteString("| fault | mutants | named by its rule |\n|---|---|---|\n")
	for _, m := range all {
		fmt.Fprintf(&b, "| %s | %d | %d |\n", m.kind, m.made, m.found)
		if m.byRules() {
			made, found = made+m.made, found+m.found
		}
	}
	fmt.Fprintf(&b, "\nOf %d mutants that a rule should name %d are named, %.1f %%. Missed:\n", made, found, 100*float64(found)/float64(made))
	for _, m := range all {
		if slices.Sort(m.missed); m.byRules() && len(m.missed) > 0 {
			fmt.Fprintf(&b, "- %s: %s\n", m.kind, strings.Join(m.missed, ", "))
		}
	}
	return b.String()
}

// shared is where the oracle of that name is, nowhere when it is not here: these tests go on without.
func shared(name string) string {
	dir := os.Getenv("PASSERELLE_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared")
	}
	dir = filepath.Join(dir, filepath.FromSlash(name))
	if _, err := os.Stat(dir); err != nil {
		return ""
	}
	return dir
}
