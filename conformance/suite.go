package conformance

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// Suite is a set of cases with the templates of the messages they send.
type Suite struct {
	Cases     []*Case
	templates map[string]string
}

// Case is one story: steps against a system, each with what to expect of it.
type Case struct {
	Name     string            // folder/name, without .txtar
	Number   int               // of the case in its suite; part of the identifiers it uses
	Note     string            // what it is about
	Cites    []string          // clauses
	Requires map[string]string // settings of the system without which the case says nothing
	Text     string            // the whole file
	Steps    []Step

	Alone bool // no other case may run at the same time

	shared bool // its patients are those of all probes
}

// Step is one message, and what to expect of the answer.
type Step struct {
	Line   int
	Verb   string
	Args   []string
	Body   string
	Expect []Line

	Together bool // with the steps beside it that say so, too
}

// Line is one line of an expect block.
type Line struct {
	Number int
	Verb   string
	Rest   string
}

// Embedded is the suite that this package carries.
func Embedded() (*Suite, error) {
	sub, err := fs.Sub(files, "suite")
	if err != nil {
		return nil, err
	}
	return Load(sub)
}

// Load reads every case below root; a mistake in one is an error that names it.
func Load(root fs.FS) (*Suite, error) {
	s := &Suite{templates: map[string]string{}}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		switch path.Ext(name) {
		case ".xml":
			s.templates[strings.TrimSuffix(path.Base(name), ".xml")] = string(text)
		case ".txtar":
			c, err := parseCase(strings.TrimSuffix(name, ".txtar"), string(text))
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			s.Cases = append(s.Cases, c)
		}
		return nil
	})
	slices.SortFunc(s.Cases, func(a, b *Case) int { return strings.Compare(a.Name, b.Name) })
	for i, c := range s.Cases {
		c.Number = i + 1
	}
	return s, err
}

// Read reads a case that is none of the suite and uses its templates.
func (s *Suite) Read(name, text string) (*Case, error) { return parseCase(name, text) }

// Match gives the cases whose name one of the patterns matches, as path.Match or as a beginning; no pattern matches all.
func (s *Suite) Match(patterns ...string) []*Case {
	if len(patterns) == 0 {
		return s.Cases
	}
	var out []*Case
	for _, c := range s.Cases {
		if slices.ContainsFunc(patterns, func(p string) bool {
			ok, _ := path.Match(p, c.Name)
			return ok || strings.HasPrefix(c.Name, p)
		}) {
			out = append(out, c)
		}
	}
	return out
}

func parseCase(name, text string) (*Case, error) {
	c := &Case{Name: name, Text: text, Requires: map[string]string{}}
	note, sections := split(text)
	for _, line := range strings.Split(note, "\n") {
		if clause, ok := strings.CutPrefix(line, "cites: "); ok {
			for _, one := range strings.Split(clause, ";") {
				c.Cites = append(c.Cites, strings.TrimSpace(one))
			}
		} else if need, ok := strings.CutPrefix(line, "requires: "); ok {
			for _, one := range strings.Fields(need) {
				key, value, _ := strings.Cut(one, "=")
				c.Requires[key] = value
			}
		} else if line == "alone" {
			c.Alone = true
		} else {
			c.Note += line + "\n"
		}
	}
	c.Note = strings.TrimSpace(c.Note)
	switch {
	case c.Note == "":
		return nil, fmt.Errorf("the case has no note")
	case len(c.Cites) == 0:
		return nil, fmt.Errorf("the case cites nothing")
	}
	for _, sec := range sections {
		words := strings.Fields(sec.title)
		at := len(words) > 1 && words[0] == "together"
		if at {
			words = words[1:]
		}
		if len(words) > 0 && words[0] == "expect" {
			if err := c.expect(sec); err != nil {
				return nil, err
			}
			continue
		}
		if len(words) == 0 || verbs[words[0]].play == nil {
			return nil, fmt.Errorf("line %d: %q is no step; known: %s", sec.line, sec.title, strings.Join(slices.Sorted(maps.Keys(verbs)), ", "))
		}
		if at && !verbs[words[0]].beside {
			return nil, fmt.Errorf("line %d: %s is not made together with others", sec.line, words[0])
		}
		c.Steps = append(c.Steps, Step{Line: sec.line, Verb: words[0], Args: words[1:], Body: sec.body, Together: at})
	}
	if len(c.Steps) == 0 {
		return nil, fmt.Errorf("the case has no step")
	}
	return c, nil
}

// expect adds the lines of an expect block to the step before it.
func (c *Case) expect(sec section) error {
	if len(c.Steps) == 0 {
		return fmt.Errorf("line %d: expect comes before any step", sec.line)
	}
	last := &c.Steps[len(c.Steps)-1]
	if verbs[last.Verb].silent {
		return fmt.Errorf("line %d: nothing comes of %s that could be expected", sec.line, last.Verb)
	}
	lines, err := expectLines(sec)
	last.Expect = append(last.Expect, lines...)
	return err
}

func expectLines(sec section) ([]Line, error) {
	var out []Line
	for i, line := range strings.Split(sec.body, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		verb, rest, _ := strings.Cut(line, " ")
		if _, ok := expectations[verb]; !ok {
			return nil, fmt.Errorf("line %d: %q cannot be expected", sec.line+1+i, verb)
		}
		l := Line{sec.line + 1 + i, verb, strings.TrimSpace(rest)}
		if flawed := forms[verb]; flawed != nil && !strings.Contains(rest, "${") {
			if err := flawed(l.Rest); err != nil {
				return nil, fmt.Errorf("line %d: %s %s: %w", l.Number, verb, l.Rest, err)
			}
		}
		out = append(out, l)
	}
	return out, nil
}

// section is one file of a txtar archive.
type section struct {
	title string
	line  int
	body  string
}

// split reads the txtar form: a comment, then files that begin with -- NAME --.
func split(text string) (comment string, out []section) {
	var b strings.Builder
	end := func() {
		if len(out) == 0 {
			comment = b.String()
		} else {
			out[len(out)-1].body = b.String()
		}
		b.Reset()
	}
	for i, line := range strings.Split(text, "\n") {
		title, ok := strings.CutPrefix(line, "-- ")
		if title, marked := strings.CutSuffix(title, " --"); ok && marked {
			end()
			out = append(out, section{title: strings.TrimSpace(title), line: i + 1})
			continue
		}
		b.WriteString(line + "\n")
	}
	end()
	return comment, out
}
