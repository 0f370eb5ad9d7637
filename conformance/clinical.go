package conformance

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// clinical is a clinical document in the making: a template, edited line by line.
type clinical struct {
	root  *node
	top   string      // what stands between the XML declaration and the root
	raw   [][2]string // changes of the text, last
	bare  string      // the document as a whole, when a line says so
	lines map[*node]int
}

// place is an element and where it stands.
type place struct{ parent, n *node }

var stepForm = regexp.MustCompile(`^(//|/)?([\w:*.-]+)((?:\[[^\]]*\])*)`)

// find gives the elements of a path, in the order of the document: NAME/NAME below the root, //NAME anywhere, each with [N], [@KEY='TEXT'] or [NAME@KEY='TEXT'] (a child's
// attribute). The path . is the root.
func (d *clinical) find(path string) ([]place, error) {
	at := []place{{nil, d.root}}
	for rest := path; rest != "" && rest != "."; {
		m := stepForm.FindStringSubmatch(rest)
		if m == nil {
			return nil, fmt.Errorf("%q is no path", path)
		}
		rest = rest[len(m[0]):]
		var next []place
		for _, p := range at {
			all := step(p.n, m[2], m[1] == "//")
			for _, predicate := range strings.FieldsFunc(m[3], func(c rune) bool { return c == '[' || c == ']' }) {
				all = holding(all, predicate)
			}
			next = append(next, all...)
		}
		at = next
	}
	if len(at) == 0 {
		return nil, fmt.Errorf("there is no %s", path)
	}
	return at, nil
}

func step(n *node, name string, deep bool) (out []place) {
	for _, k := range n.Kids {
		if written := strings.TrimPrefix(k.Name.Space+":"+k.Name.Local, ":"); written == name || name == "*" {
			out = append(out, place{n, k})
		}
		if deep {
			out = append(out, step(k, name, true)...)
		}
	}
	return out
}

func holding(all []place, predicate string) []place {
	if n, err := strconv.Atoi(predicate); err == nil {
		return all[min(max(n-1, 0), len(all)):min(n, len(all))]
	}
	name, want, _ := strings.Cut(predicate, "=")
	child, key, _ := strings.Cut(name, "@")
	want = strings.Trim(want, "'")
	return slices.DeleteFunc(all, func(p place) bool {
		bearers := []*node{p.n}
		if child != "" {
			bearers = p.n.kids(child)
		}
		return !slices.ContainsFunc(bearers, func(n *node) bool { return n.attr(key) == want })
	})
}

// edit obeys a line about the document. Each is about every element of its path:
//
//	set PATH KEY VALUE, unset PATH KEY       an attribute
//	text PATH [TEXT]                         the text, instead of whatever is inside
//	drop PATH, twice PATH, first PATH        takes it out; repeats it; puts it before its elder sibling
//	into PATH XML, before, after, instead    another element, at the end inside it, beside it, in its place
//	nest PATH N                              N elements around each other inside it
//	fill PATH N                              the base64 of N bytes as its text
//	raw OLD => NEW, top TEXT, whole TEXT     the text of the document; between declaration and root; all of it
func (d *clinical) edit(verb, rest string) error {
	switch verb {
	case "raw":
		old, change, ok := strings.Cut(rest+" ", " => ")
		if !ok {
			return fmt.Errorf("raw OLD => NEW is due")
		}
		d.raw = append(d.raw, [2]string{old, escapes.Replace(strings.TrimSpace(change))})
		return nil
	case "top":
		d.top += rest
		return nil
	case "whole":
		d.bare = rest
		return nil
	}
	path, value, _ := strings.Cut(rest, " ")
	places, err := d.find(path)
	if err != nil {
		return err
	}
	for _, p := range places {
		if err := p.edit(verb, value); err != nil {
			return fmt.Errorf("%s %s: %w", verb, path, err)
		}
	}
	return nil
}

func (p place) edit(verb, value string) error {
	key, rest, _ := strings.Cut(value, " ")
	switch verb {
	case "set":
		p.n.setAttr(key, "x")
		for i := range p.n.Attr {
			if p.n.Attr[i].Name.Local == key {
				p.n.Attr[i].Value = rest
			}
		}
	case "unset":
		p.n.setAttr(key, "")
	case "text":
		p.n.Kids, p.n.Text = nil, value
	case "drop":
		p.parent.remove(p.n)
	case "twice":
		p.parent.insertAfter(p.n, p.n.clone())
	case "first":
		i := slices.Index(p.parent.Kids, p.n)
		p.parent.remove(p.n)
		p.parent.Kids = slices.Insert(p.parent.Kids, max(i-1, 0), p.n)
	case "nest":
		n, err := strconv.Atoi(value)
		for at := p.n; err == nil && n > 0; n-- {
			inner := &node{}
			inner.Name.Local = "content"
			at.Kids, at = append(at.Kids, inner), inner
		}
		return err
	case "fill":
		n, err := strconv.Atoi(value)
		p.n.Text = base64.StdEncoding.EncodeToString(make([]byte, n))
		return err
	default:
		return p.insert(verb, value)
	}
	return nil
}

func (p place) insert(verb, text string) error {
	add, err := readTemplate(text)
	if err != nil {
		return err
	}
	switch verb {
	case "into":
		p.n.Kids = append(p.n.Kids, add)
	case "before":
		p.parent.Kids = slices.Insert(p.parent.Kids, slices.Index(p.parent.Kids, p.n), add)
	case "after":
		p.parent.insertAfter(p.n, add)
	case "instead":
		p.parent.Kids[slices.Index(p.parent.Kids, p.n)] = add
	default:
		return fmt.Errorf("it is no edit of a document")
	}
	return nil
}

// render prints the document, an element a line outside of narrative, and notes the line of each.
func (d *clinical) render() (string, error) {
	if d.bare != "" {
		return d.bare, nil
	}
	d.lines = map[*node]int{}
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + d.top + "\n")
	line := 2
	d.print(&b, d.root, &line, false)
	text := b.String() + "\n"
	for _, change := range d.raw {
		if !strings.Contains(text, change[0]) {
			return "", fmt.Errorf("the document has no %q to change", change[0])
		}
		text = strings.Replace(text, change[0], change[1], 1)
	}
	return text, nil
}

func (d *clinical) print(b *strings.Builder, n *node, line *int, narrative bool) {
	d.lines[n] = *line
	narrative = narrative || n.Name.Local == "text"
	if narrative || len(n.Kids) == 0 {
		n.write(b)
		d.inside(n, *line)
		return
	}
	shell := *n
	shell.Kids = nil
	var open strings.Builder
	shell.write(&open)
	end := "</" + strings.TrimPrefix(n.Name.Space+":"+n.Name.Local, ":") + ">"
	if start, empty := strings.CutSuffix(open.String(), "/>"); empty {
		b.WriteString(start + ">")
	} else {
		b.WriteString(strings.TrimSuffix(start, end))
	}
	for _, k := range n.Kids {
		b.WriteString("\n")
		*line++
		d.print(b, k, line, narrative)
	}
	b.WriteString(end)
}

// inside notes the line of what is printed on that of its parent.
func (d *clinical) inside(n *node, line int) {
	for _, k := range n.Kids {
		d.lines[k] = line
		d.inside(k, line)
	}
}
