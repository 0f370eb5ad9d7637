package schematron

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

const (
	schNS  = "http://purl.oclc.org/dsdl/schematron"
	xslNS  = "http://www.w3.org/1999/XSL/Transform"
	svrlNS = "http://purl.oclc.org/dsdl/svrl"
	xsNS   = "http://www.w3.org/2001/XMLSchema"

	maxIncludes = 32      // one within the other
	maxElements = 1 << 19 // of a schema, what is included and instantiated counted again
)

// node is an element of a schema, or a run of text when it has no name.
type node struct {
	xmlpull.Name
	attrs map[string]string // unqualified
	kids  []*node
	text  string
	raw   string // the element as its file has it, when it is not of Schematron
	inner string // what stands between the tags, of a let
	file  string
	line  int
}

func (n *node) is(local string) bool { return n.Space == schNS && n.Local == local }

// errorf is an error at the element.
func (n *node) errorf(format string, args ...any) error {
	return fmt.Errorf("%s line %d: %s", n.file, n.line, fmt.Sprintf(format, args...))
}

// every calls f for the children of a name.
func (n *node) every(local string, f func(*node)) {
	for _, k := range n.kids {
		if k.is(local) {
			f(k)
		}
	}
}

func (n *node) child(local string) *node {
	for _, k := range n.kids {
		if k.is(local) {
			return k
		}
	}
	return nil
}

// plain is the text in the element and below, white space made single.
func (n *node) plain() string {
	var b strings.Builder
	var walk func(*node)
	walk = func(n *node) {
		b.WriteString(n.text)
		for _, k := range n.kids {
			walk(k)
		}
	}
	walk(n)
	return strings.Join(strings.Fields(b.String()), " ")
}

// reader reads a schema and what it includes.
type reader struct {
	read       func(name string) ([]byte, error)
	namespaces map[string]string // of prefixes, for what is not of Schematron
	elements   int
}

// schema reads the file of a schema with everything that it includes [ISO 19757-3 6.6].
func (r *reader) schema(name string) (*node, error) {
	n, err := r.file(name, "", nil)
	if err == nil && !n.is("schema") {
		err = n.errorf("%s is no Schematron schema", n.Local)
	}
	return n, err
}

// file reads a file, or the element of it with an id; chain are the files that led to it.
func (r *reader) file(name, id string, chain []string) (*node, error) {
	for _, before := range chain {
		if before == name+"#"+id {
			return nil, fmt.Errorf("%s includes itself", name)
		}
	}
	if len(chain) == maxIncludes {
		return nil, fmt.Errorf("%s: more than %d includes within each other", name, maxIncludes)
	}
	b, err := r.read(name)
	if err != nil {
		return nil, err
	}
	p := parser{reader: r, src: b, x: xmlpull.NewReader(b, xmlpull.Options{BOM: true}), name: name}
	p.chain = append(chain[:len(chain):len(chain)], name+"#"+id)
	if _, err := p.x.Next(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	n, err := p.element(id != "")
	if err == nil {
		_, err = p.x.Next()
	}
	var syntax *xmlpull.SyntaxError
	if errors.As(err, &syntax) {
		return nil, fmt.Errorf("%s: %w", name, syntax)
	}
	if err != nil {
		return nil, err
	}
	if id == "" {
		return n, nil
	}
	if n = n.byID(id); n == nil {
		return nil, fmt.Errorf("%s: no element has the id %s", name, id)
	}
	return n, p.complete(n)
}

func (n *node) byID(id string) *node {
	if n.attrs["id"] == id {
		return n
	}
	for _, k := range n.kids {
		if found := k.byID(id); found != nil {
			return found
		}
	}
	return nil
}

// parser reads one file.
type parser struct {
	*reader
	src   []byte
	x     *xmlpull.Reader
	name  string
	chain []string
}

// element reads the element whose start is current. With late what it includes is not read yet: only a part of the file may be wanted.
func (p *parser) element(late bool) (*node, error) {
	n := &node{Name: p.x.Name(), file: p.name, line: p.x.Line(), attrs: map[string]string{}}
	if p.elements++; p.elements > maxElements {
		return nil, n.errorf("the schema has more than %d elements", maxElements)
	}
	for _, a := range p.x.Attrs() {
		if a.Name.Space == "" {
			n.attrs[a.Name.Local] = a.Value
		}
	}
	from, inside := p.x.Offset(), p.x.EndOffset()
	if n.Space != schNS {
		return n, p.foreign(n, from)
	}
	for {
		switch kind, err := p.x.Next(); {
		case err != nil:
			return nil, err
		case kind == xmlpull.Start:
			k, err := p.element(late)
			if err != nil {
				return nil, err
			}
			n.kids = append(n.kids, k)
		case kind == xmlpull.Text:
			n.kids = append(n.kids, &node{text: p.x.Text()})
		case kind == xmlpull.End:
			if to := p.x.Offset(); n.is("let") && to > inside {
				n.inner = string(p.src[inside:to])
			}
			if late {
				return n, nil
			}
			return n, p.include(n)
		}
	}
}

// foreign passes over an element of another language and keeps it as it is.
func (p *parser) foreign(n *node, from int) error {
	if n.Space == xslNS {
		if err := p.declare(n); err != nil {
			return err
		}
	}
	if err := p.x.Skip(); err != nil {
		return err
	}
	n.raw = string(p.src[from:p.x.EndOffset()])
	return nil
}

// declare notes the prefixes that an element of XSLT may use: the stylesheet will declare them once for all.
func (p *parser) declare(n *node) (err error) {
	seen := map[string]bool{"": true, "xml": true}
	p.x.InScope(func(prefix, uri string) {
		if seen[prefix] {
			return
		}
		seen[prefix] = true
		if was, ok := p.namespaces[prefix]; ok && was != uri {
			err = n.errorf("the prefix %s means %s here and %s elsewhere", prefix, uri, was)
		}
		p.namespaces[prefix] = uri
	})
	return err
}

// include puts what the children of an element include into their place: an include is replaced by the element it leads to, an extends with an
// address by what is in that element.
func (p *parser) include(n *node) error {
	out := n.kids[:0:0]
	for _, k := range n.kids {
		href, ok := k.attrs["href"]
		if !ok || !k.is("include") && !k.is("extends") {
			out = append(out, k)
			continue
		}
		href, id, _ := strings.Cut(href, "#")
		target := path.Join(path.Dir(p.name), href)
		if href == "" {
			target = p.name
		}
		if strings.Contains(href, ":") || strings.HasPrefix(href, "/") {
			return k.errorf("%s %v", href, errOutside)
		}
		found, err := p.file(target, id, p.chain)
		if err != nil {
			return k.errorf("%v", err)
		}
		if k.is("include") {
			out = append(out, found)
			continue
		}
		if found.Name != n.Name {
			return k.errorf("a %s cannot extend a %s", n.Local, found.Local)
		}
		out = append(out, found.kids...)
	}
	n.kids = out
	return nil
}

// complete includes below an element that was read late.
func (p *parser) complete(n *node) error {
	for _, k := range n.kids {
		if err := p.complete(k); err != nil {
			return err
		}
	}
	return p.include(n)
}
