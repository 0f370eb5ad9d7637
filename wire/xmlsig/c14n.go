package xmlsig

import (
	"slices"
	"strings"
)

// Canonicalization is a way of writing a part of a document so that equal parts are equal octets: Canonical XML 1.0, or Exclusive XML Canonicalization 1.0.
type Canonicalization struct {
	Exclusive bool
	Comments  bool
	Prefixes  []string // of the exclusive: InclusiveNamespaces, "" for the default namespace
}

type canon struct {
	d        *document
	m        Canonicalization
	skip     int32     // an element that is left out, -1 for none
	scope    []binding // all in scope, innermost last
	rendered []binding // what the output has declared, innermost last
	picked   []binding
	out      []byte
}

// canonical writes an element without one of those within it.
func (d *document) canonical(apex int32, m Canonicalization, skip int32) []byte {
	c := canon{d: d, m: m, skip: skip, scope: slices.Clone(d.inherited), out: make([]byte, 0, d.nodes[apex].to-d.nodes[apex].off+256)}
	var path []int32
	for p := d.nodes[apex].parent; p >= 0; p = d.nodes[p].parent {
		path = append(path, p)
	}
	for _, p := range slices.Backward(path) {
		c.scope = append(c.scope, d.nodes[p].declared...)
	}
	attrs := d.nodes[apex].attrs
	if !m.Exclusive {
		attrs = d.withInherited(attrs, path)
	}
	c.element(apex, attrs, true)
	return c.out
}

// withInherited adds the xml: attributes of the elements around, the nearest of each name [C14N 2.4].
func (d *document) withInherited(attrs []attribute, path []int32) []attribute {
	all := slices.Clone(attrs)
	add := func(from []attribute) {
		for _, a := range from {
			if a.Name.Space == xmlSpace && !slices.ContainsFunc(all, func(have attribute) bool { return have.Name == a.Name }) {
				all = append(all, a)
			}
		}
	}
	for _, p := range path {
		add(d.nodes[p].attrs)
	}
	add(d.xmlAttrs)
	slices.SortFunc(all, byName)
	return all
}

func (c *canon) element(i int32, attrs []attribute, apex bool) {
	n := &c.d.nodes[i]
	scope, rendered := len(c.scope), len(c.rendered)
	c.scope = append(c.scope, n.declared...)
	c.out = append(c.out, '<')
	c.name(n.prefix, n.name.Local)
	for _, b := range c.declarations(n, attrs, apex) {
		c.out = append(c.out, " xmlns"...)
		if b.prefix != "" {
			c.out = append(append(c.out, ':'), b.prefix...)
		}
		c.value(b.uri)
		c.rendered = append(c.rendered, b)
	}
	for _, a := range attrs {
		c.out = append(c.out, ' ')
		c.name(a.prefix, a.Name.Local)
		c.value(a.Value)
	}
	c.out = append(c.out, '>')
	for k := i + 1; k < n.end; k = c.d.nodes[k].end {
		if k != c.skip {
			c.content(k)
		}
	}
	c.out = append(c.out, "</"...)
	c.name(n.prefix, n.name.Local)
	c.out = append(c.out, '>')
	c.scope, c.rendered = c.scope[:scope], c.rendered[:rendered]
}

func (c *canon) content(i int32) {
	n := &c.d.nodes[i]
	switch {
	case n.kind == element:
		c.element(i, n.attrs, false)
	case n.kind == text:
		c.out = appendEscaped(c.out, n.text, &inText)
	case n.kind == instruction:
		c.out = append(append(append(c.out, "<?"...), n.text...), "?>"...)
	case c.m.Comments:
		c.out = append(append(append(c.out, "<!--"...), n.text...), "-->"...)
	}
}

// declarations are what must be declared here, in the order of their prefixes. The slice is good until the next call.
func (c *canon) declarations(n *node, attrs []attribute, apex bool) []binding {
	c.picked = c.picked[:0]
	switch {
	case !c.m.Exclusive && apex:
		for _, b := range c.scope {
			c.pick(b.prefix)
		}
	case !c.m.Exclusive:
		for _, b := range n.declared {
			c.pick(b.prefix)
		}
	default: // [Exclusive C14N 3] what is visibly utilized, and what is listed as if inclusively
		c.pick(n.prefix)
		for _, a := range attrs {
			if a.prefix != "" {
				c.pick(a.prefix)
			}
		}
		for _, p := range c.m.Prefixes {
			if apex || slices.ContainsFunc(n.declared, func(b binding) bool { return b.prefix == p }) {
				c.pick(p)
			}
		}
	}
	slices.SortFunc(c.picked, func(a, b binding) int { return strings.Compare(a.prefix, b.prefix) })
	return c.picked
}

// pick takes a prefix whose binding the output does not say yet.
func (c *canon) pick(prefix string) {
	if prefix == "xml" || slices.ContainsFunc(c.picked, func(b binding) bool { return b.prefix == prefix }) {
		return
	}
	uri, bound := last(c.scope, prefix)
	said, _ := last(c.rendered, prefix)
	if (bound || prefix == "") && uri != said {
		c.picked = append(c.picked, binding{prefix, uri})
	}
}

func last(all []binding, prefix string) (string, bool) {
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].prefix == prefix {
			return all[i].uri, true
		}
	}
	return "", false
}

func (c *canon) name(prefix, local string) {
	if prefix != "" {
		c.out = append(append(c.out, prefix...), ':')
	}
	c.out = append(c.out, local...)
}

func (c *canon) value(v string) {
	c.out = append(appendEscaped(append(c.out, `="`...), v, &inValue), '"')
}

// What is written otherwise in text and in values of attributes [C14N 2.3].
var (
	inText  = [256]string{'&': "&amp;", '<': "&lt;", '>': "&gt;", '\r': "&#xD;"}
	inValue = [256]string{'&': "&amp;", '<': "&lt;", '"': "&quot;", '\t': "&#x9;", '\n': "&#xA;", '\r': "&#xD;"}
)

func appendEscaped(dst []byte, s string, table *[256]string) []byte {
	from := 0
	for i := 0; i < len(s); i++ {
		if e := table[s[i]]; e != "" {
			dst = append(append(dst, s[from:i]...), e...)
			from = i + 1
		}
	}
	return append(dst, s[from:]...)
}

// Canonicalize writes the element that begins at an offset of doc, its root where that is 0.
func Canonicalize(doc []byte, from int, m Canonicalization) ([]byte, error) {
	d, err := read(doc, from, Options{}.withDefaults())
	if err != nil {
		return nil, err
	}
	return d.canonical(0, m, -1), nil
}
