package schema

import (
	"fmt"
	"strings"
)

// particle is a part of a content model.
type particle struct {
	kind string // sequence, choice, element, group, any
	name string // of an element (with its prefix when it is declared elsewhere) or a group
	of   string // class of an element, "" when it is declared elsewhere
	card byte   // 0, ?, *, + or ~
	null bool   // may be empty with xsi:nil
	kids []particle
}

// content reads a content model: "id* II, code CD, (low | high)?, &group, sdtc:text?, ##other?".
func content(s string) (particle, error) {
	r := &contentReader{rest: s}
	p, err := r.list()
	if err == nil && r.rest != "" {
		err = fmt.Errorf("%q is left over", r.rest)
	}
	return p, err
}

type contentReader struct{ rest string }

func (r *contentReader) blanks() { r.rest = strings.TrimLeft(r.rest, " ") }

// list reads what is between parentheses, or all.
func (r *contentReader) list() (particle, error) {
	p := particle{kind: "sequence"}
	separator := byte(0)
	for {
		kid, err := r.item()
		if err != nil {
			return p, err
		}
		p.kids = append(p.kids, kid)
		r.blanks()
		if r.rest == "" || r.rest[0] == ')' {
			if separator == '|' {
				p.kind = "choice"
			}
			return p, nil
		}
		c := r.rest[0]
		if c != ',' && c != '|' || separator != 0 && c != separator {
			return p, fmt.Errorf(", or | is due before %q", r.rest)
		}
		separator, r.rest = c, r.rest[1:]
	}
}

func (r *contentReader) item() (particle, error) {
	r.blanks()
	if strings.HasPrefix(r.rest, "(") {
		r.rest = r.rest[1:]
		p, err := r.list()
		if err != nil {
			return p, err
		}
		if r.rest == "" {
			return p, fmt.Errorf("a parenthesis is not closed")
		}
		r.rest = r.rest[1:]
		p.card = r.cardinality()
		return p, nil
	}
	name := r.word()
	if name == "" {
		return particle{}, fmt.Errorf("a name is due before %q", r.rest)
	}
	p := particle{kind: "element", name: name, card: r.cardinality()}
	switch {
	case strings.HasPrefix(name, "&"):
		p.kind, p.name = "group", name[1:]
	case name == "##other":
		p.kind = "any"
	default:
		r.class(&p)
	}
	return p, nil
}

// class reads what may follow an element: its class, and nil.
func (r *contentReader) class(p *particle) {
	if !strings.Contains(p.name, ":") {
		p.of = className(p.name)
	}
	for r.blanks(); ; r.blanks() {
		switch word := r.word(); word {
		case "":
			return
		case "nil":
			p.null = true
		default:
			p.of = word
		}
	}
}

func (r *contentReader) word() string {
	end := strings.IndexAny(r.rest, " ,|()?*+~")
	if end < 0 {
		end = len(r.rest)
	}
	word := r.rest[:end]
	r.rest = r.rest[end:]
	return word
}

func (r *contentReader) cardinality() byte {
	if r.rest != "" && strings.IndexByte("?*+~", r.rest[0]) >= 0 {
		c := r.rest[0]
		r.rest = r.rest[1:]
		return c
	}
	return 0
}

// attribute is what is said after an @.
type attribute struct {
	name       string // with its prefix when it is declared elsewhere; of a group of attributes when group is set
	of         string // the value it has, {…} when listed in place; cs when only a fixed one is said
	fixed      string
	hasFixed   bool
	required   bool
	prohibited bool
	group      bool
}

// readAttribute reads "@code! ActClass", "@classCode =ACT", "@-unit", "@align {left right}", "@sdtc:valueSet" or "@@group".
func readAttribute(s string) attribute {
	name, of, _ := strings.Cut(strings.TrimPrefix(s, "@"), " ")
	var a attribute
	name, a.group = strings.CutPrefix(name, "@")
	name, a.prohibited = strings.CutPrefix(name, "-")
	a.name, a.required = strings.CutSuffix(name, "!")
	if i := strings.LastIndexByte(of, '='); i >= 0 {
		a.fixed, a.hasFixed, of = of[i+1:], true, of[:i]
	}
	a.of = strings.TrimSpace(of)
	switch {
	case a.of != "" || a.group || strings.Contains(a.name, ":"):
	case a.hasFixed:
		a.of = "cs"
	default:
		a.of = className(a.name)
	}
	return a
}
