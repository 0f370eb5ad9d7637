package conformance

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Requirement is a stanza of conformance/requirements: an obligation of the standard in our words, and the cases about it.
type Requirement struct {
	File                     string // in conformance/requirements
	ID, Level, Means, Status string
	Cases                    []string
	Why                      string // there is no case, or not the whole of it is met
}

// Requirements reads all of them, in the order of their files.
func Requirements() ([]Requirement, error) {
	names, err := files.ReadDir("requirements")
	if err != nil {
		return nil, err
	}
	var out []Requirement
	for _, name := range names {
		if path.Ext(name.Name()) != ".txt" {
			continue
		}
		text, err := files.ReadFile("requirements/" + name.Name())
		if err != nil {
			return nil, err
		}
		for _, stanza := range strings.Split(strings.TrimSpace(string(text)), "\n\n") {
			r := map[string]string{}
			for _, line := range strings.Split(stanza, "\n") {
				k, v, _ := strings.Cut(line, ":")
				r[k] = strings.TrimSpace(v)
			}
			if r["id"] == "" {
				return nil, fmt.Errorf("%s: a stanza has no id: %.40q", name.Name(), stanza)
			}
			out = append(out, Requirement{name.Name(), r["id"], r["level"], r["means"], r["status"], strings.Fields(r["cases"]), r["why"]})
		}
	}
	return out, nil
}

// Select gives the cases that one of the words names: a name, its beginning, a pattern as of path.Match, a transaction (ITI-42), or a clause as cases and requirements
// write it. No word selects all cases that people wrote. Probes are selected by names that begin with probe/, or all of them by probes.
func (s *Suite) Select(words []string, probes bool) ([]*Case, error) {
	all := slices.Clone(s.Cases)
	generated, err := Probes()
	if err != nil {
		return nil, err
	}
	requirements, err := Requirements()
	if err != nil {
		return nil, err
	}
	var out []*Case
	for _, c := range append(all, generated...) {
		switch {
		case c.shared && !probes && !slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, "probe/") && c.named(w) }):
		case len(words) == 0, slices.ContainsFunc(words, func(w string) bool { return c.named(w) || c.obeys(w, requirements) }):
			out = append(out, c)
		}
	}
	for _, w := range words {
		if !slices.ContainsFunc(out, func(c *Case) bool { return c.named(w) || c.obeys(w, requirements) }) {
			return nil, fmt.Errorf("no case is called %q or about it; 'conformance list' names them", w)
		}
	}
	return out, nil
}

func (c *Case) named(word string) bool {
	ok, _ := path.Match(word, c.Name)
	return ok || strings.HasPrefix(c.Name, word)
}

// obeys tells that a case is about a transaction or a clause.
func (c *Case) obeys(word string, requirements []Requirement) bool {
	if number, ok := strings.CutPrefix(strings.ToUpper(word), "ITI-"); ok && len(number) <= 3 {
		return strings.TrimLeft(strings.TrimPrefix(path.Base(folderOf(c.Name)), "iti"), "0") == strings.TrimLeft(number, "0")
	}
	about := func(clause string) bool {
		return clause == word || strings.HasPrefix(clause, word+" ") || strings.HasPrefix(clause, word+".")
	}
	return slices.ContainsFunc(c.Cites, about) ||
		slices.ContainsFunc(requirements, func(r Requirement) bool { return about(r.ID) && slices.Contains(r.Cases, c.Name) })
}

// Find is the case of that name, a probe included; nil when there is none.
func (s *Suite) Find(name string) *Case {
	for _, c := range s.Cases {
		if c.Name == name {
			return c
		}
	}
	cases, err := s.Select([]string{name}, true)
	if err != nil {
		return nil
	}
	for _, c := range cases {
		if c.Name == name {
			return c
		}
	}
	return nil
}
