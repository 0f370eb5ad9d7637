package schematron

import (
	"slices"
	"strings"
)

// patterns are the patterns to judge by: those of the phase, abstract ones instantiated [ISO 19757-3 5.4.10, 6.3].
func patterns(schema, phase *node) ([]*node, error) {
	abstract := map[string]*node{}
	schema.every("pattern", func(p *node) {
		if p.attrs["abstract"] == "true" {
			abstract[p.attrs["id"]] = p
		}
	})
	active := map[string]bool{}
	if phase != nil {
		phase.every("active", func(a *node) { active[a.attrs["pattern"]] = true })
	}
	var out []*node
	elements := 0
	for _, p := range schema.kids {
		if !p.is("pattern") || p.attrs["abstract"] == "true" {
			continue
		}
		if phase != nil {
			if !active[p.attrs["id"]] {
				continue
			}
			delete(active, p.attrs["id"])
		}
		if name, ok := p.attrs["is-a"]; ok {
			of := abstract[name]
			if of == nil {
				return nil, p.errorf("there is no abstract pattern %s", name)
			}
			p = instance(p, of, &elements)
			if elements > maxElements {
				return nil, p.errorf("the schema has more than %d elements", maxElements)
			}
		}
		out = append(out, p)
	}
	for id := range active {
		return nil, phase.errorf("the phase names the pattern %s, which is not there", id)
	}
	return out, nil
}

// instance is an abstract pattern with its parameters put in.
func instance(p, of *node, elements *int) *node {
	var params [][2]string
	p.every("param", func(q *node) { params = append(params, [2]string{q.attrs["name"], q.attrs["value"]}) })
	given := len(params)
	of.every("param", func(q *node) { // defaults
		if !slices.ContainsFunc(params[:given], func(have [2]string) bool { return have[0] == q.attrs["name"] }) {
			params = append(params, [2]string{q.attrs["name"], q.attrs["value"]})
		}
	})
	made := filled(of, params, elements)
	made.attrs["id"], made.file, made.line = p.attrs["id"], p.file, p.line
	if title := p.child("title"); title != nil {
		made.kids = append([]*node{title}, made.kids...)
	}
	return made
}

// filled copies an element with $name replaced in the expressions of its attributes.
func filled(n *node, params [][2]string, elements *int) *node {
	out := *n
	if *elements++; *elements > maxElements {
		return &out
	}
	out.attrs = map[string]string{}
	for name, value := range n.attrs {
		out.attrs[name] = fill(value, params)
	}
	out.kids = make([]*node, len(n.kids))
	for i, k := range n.kids {
		out.kids[i] = filled(k, params, elements)
	}
	return &out
}

// fill replaces $name where the whole name is a parameter's.
func fill(s string, params [][2]string) string {
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '$')
		if i < 0 {
			return b.String() + s
		}
		name := s[i+1:]
		if end := strings.IndexFunc(name, func(r rune) bool { return !nameRune(r) }); end >= 0 {
			name = name[:end]
		}
		b.WriteString(s[:i])
		s = s[i+1+len(name):]
		at := slices.IndexFunc(params, func(p [2]string) bool { return p[0] == name })
		if at < 0 {
			b.WriteString("$" + name)
			continue
		}
		b.WriteString(params[at][1])
	}
}

func nameRune(r rune) bool {
	return r == '_' || r == '-' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= 0x80
}

// assertions are the lets, asserts, reports and foreign parts of a rule in order, those of the abstract rules that it extends in their place
// [ISO 19757-3 5.4.12].
func assertions(rule *node, abstract map[string]*node, depth int, parts *int) ([]*node, error) {
	if depth > maxIncludes {
		return nil, rule.errorf("rules extend each other in a circle, or more than %d deep", maxIncludes)
	}
	var out []*node
	for _, k := range rule.kids {
		if *parts++; *parts > maxElements {
			return nil, rule.errorf("the schema has more than %d elements", maxElements)
		}
		if !k.is("extends") {
			out = append(out, k)
			continue
		}
		of := abstract[k.attrs["rule"]]
		if of == nil {
			return nil, k.errorf("there is no abstract rule %s", k.attrs["rule"])
		}
		more, err := assertions(of, abstract, depth+1, parts)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}
