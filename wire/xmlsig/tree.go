package xmlsig

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

type kind uint8

const (
	element kind = iota
	text
	comment
	instruction
)

type binding struct{ prefix, uri string }

type attribute struct {
	prefix string
	xmlpull.Attr
}

// node is an element or a piece of content. A subtree is the nodes from one up to its end.
type node struct {
	kind             kind
	prefix           string
	name             xmlpull.Name
	text             string      // of what is no element
	attrs            []attribute // in the order of canonical XML
	declared         []binding
	parent           int32 // -1 for the root
	end              int32
	openEnd, off, to int // where its start tag ends, and the element begins and ends in the input
}

// document is an element of an input with all that canonical XML wants to know: prefixes, declarations, comments, and what is inherited.
type document struct {
	nodes     []node
	inherited []binding   // in scope where the root begins, outermost first
	xmlAttrs  []attribute // xml:lang and the like of the elements around the root, the nearest of each name
	ids       []identifier
}

type identifier struct {
	value string
	node  int32
}

// read reads the element that begins at an offset of doc, the root where that is 0, and what it inherits from those around it. What stands behind
// the element is not read.
func read(doc []byte, from int, o Options) (*document, error) {
	r := xmlpull.NewReader(doc, xmlpull.Options{BOM: true, MaxDepth: o.MaxDepth})
	d := &document{}
	if err := d.find(r, from); err != nil {
		return nil, err
	}
	r.InScope(func(prefix, uri string) { d.inherited = append(d.inherited, binding{prefix, uri}) })
	own := 0
	r.Declared(func(string, string) { own++ })
	d.inherited = d.inherited[own:]
	slices.Reverse(d.inherited)
	return d, d.fill(r, doc, o)
}

// find stands the reader on the element, keeping xml: attributes of those that are open around it.
func (d *document) find(r *xmlpull.Reader, from int) error {
	type held struct {
		depth int
		attribute
	}
	var open []held
	for {
		k, err := r.Next()
		switch {
		case err != nil:
			return err
		case k == xmlpull.EOF || from > 0 && r.Offset() > from:
			return r.Fail("no element begins where one is looked for")
		case k == xmlpull.End:
			for len(open) > 0 && open[len(open)-1].depth > r.Depth() {
				open = open[:len(open)-1]
			}
		case k == xmlpull.Start && (from == 0 || r.Offset() == from):
			for i := len(open) - 1; i >= 0; i-- {
				if !slices.ContainsFunc(d.xmlAttrs, func(a attribute) bool { return a.Name == open[i].Name }) {
					d.xmlAttrs = append(d.xmlAttrs, open[i].attribute)
				}
			}
			return nil
		case k == xmlpull.Start:
			for _, a := range r.Attrs() {
				if a.Name.Space == xmlSpace {
					open = append(open, held{r.Depth(), attribute{"xml", a}})
				}
			}
		}
	}
}

// fill reads the element that the reader stands on.
func (d *document) fill(r *xmlpull.Reader, doc []byte, o Options) error {
	begin, outer := r.Offset(), r.Depth()-1
	open, behind := int32(-1), r.Offset()
	for {
		if r.EndOffset()-begin > o.MaxBytes {
			return fmt.Errorf("%w: more than %d octets", ErrTooLarge, o.MaxBytes)
		}
		d.passedOver(string(doc[behind:r.Offset()]), open)
		behind = r.EndOffset()
		switch r.Kind() {
		case xmlpull.Start:
			open = d.start(r, open)
		case xmlpull.End:
			d.nodes[open].end, d.nodes[open].to = int32(len(d.nodes)), behind
			open = d.nodes[open].parent
		case xmlpull.Text:
			d.add(node{kind: text, text: r.Text(), parent: open})
		}
		if len(d.nodes) > o.MaxNodes {
			return fmt.Errorf("%w: more than %d nodes", ErrTooLarge, o.MaxNodes)
		}
		if r.Depth() == outer {
			return nil
		}
		if _, err := r.Next(); err != nil {
			return err
		}
	}
}

func (d *document) add(n node) int32 {
	d.nodes = append(d.nodes, n)
	i := int32(len(d.nodes))
	d.nodes[i-1].end = i
	return i - 1
}

func (d *document) start(r *xmlpull.Reader, parent int32) int32 {
	n := node{prefix: r.Prefix(), name: r.Name(), parent: parent, off: r.Offset(), openEnd: r.EndOffset()}
	r.Declared(func(prefix, uri string) { n.declared = append(n.declared, binding{prefix, uri}) })
	if attrs := r.Attrs(); len(attrs) > 0 {
		n.attrs = make([]attribute, len(attrs))
		for i, a := range attrs {
			n.attrs[i] = attribute{r.AttrPrefix(i), a}
		}
		slices.SortFunc(n.attrs, byName)
	}
	i := d.add(n)
	for _, a := range n.attrs {
		if isID(a.Name) {
			d.ids = append(d.ids, identifier{a.Value, i})
		}
	}
	return i
}

// byName is the order of attributes in canonical XML [C14N 2.2]: those without a namespace first.
func byName(a, b attribute) int {
	return cmp.Or(strings.Compare(a.Name.Space, b.Name.Space), strings.Compare(a.Name.Local, b.Name.Local))
}

// isID tells the attributes that identify an element in SAML, XML Signature, HL7 and Web Services Security: no schema says it here.
func isID(n xmlpull.Name) bool {
	switch n.Space {
	case "":
		return strings.EqualFold(n.Local, "id")
	case wsuSpace:
		return n.Local == "Id"
	case xmlSpace:
		return n.Local == "id"
	}
	return false
}

// passedOver adds the comments and processing instructions between two tokens: nothing else stands there, and the reader has checked them.
func (d *document) passedOver(s string, parent int32) {
	for parent >= 0 && s != "" {
		n := node{kind: comment, parent: parent}
		var ok bool
		if rest, found := strings.CutPrefix(s, "<!--"); found {
			n.text, s, ok = strings.Cut(rest, "-->")
		} else {
			n.kind = instruction
			n.text, s, ok = strings.Cut(strings.TrimPrefix(s, "<?"), "?>")
			if i := strings.IndexAny(n.text, " \t\r\n"); i >= 0 {
				target, data := n.text[:i], strings.TrimLeft(n.text[i:], " \t\r\n")
				if n.text = target; data != "" {
					n.text += " " + data
				}
			}
		}
		if !ok {
			return
		}
		if strings.Contains(n.text, "\r") {
			n.text = strings.ReplaceAll(strings.ReplaceAll(n.text, "\r\n", "\n"), "\r", "\n")
		}
		d.add(n)
	}
}

// children calls f for each element right within another.
func (d *document) children(i int32, f func(int32)) {
	for c := i + 1; c < d.nodes[i].end; c = d.nodes[c].end {
		if d.nodes[c].kind == element {
			f(c)
		}
	}
}

func (d *document) is(i int32, space, local string) bool {
	n := &d.nodes[i]
	return n.kind == element && n.name.Local == local && n.name.Space == space
}

func (d *document) attr(i int32, local string) (string, bool) {
	for _, a := range d.nodes[i].attrs {
		if a.Name.Space == "" && a.Name.Local == local {
			return a.Value, true
		}
	}
	return "", false
}

// content is the text of an element that holds no other.
func (d *document) content(i int32) (string, bool) {
	s := ""
	for c := i + 1; c < d.nodes[i].end; c++ {
		switch d.nodes[c].kind {
		case element:
			return "", false
		case text:
			s += d.nodes[c].text
		}
	}
	return s, true
}

// identified is the one element with an identifier.
func (d *document) identified(id string) (int32, error) {
	found := int32(-1)
	for _, x := range d.ids {
		if x.value != id {
			continue
		}
		if found >= 0 {
			return -1, fmt.Errorf("%w: its identifier is used twice", ErrReference)
		}
		found = x.node
	}
	if found < 0 {
		return -1, fmt.Errorf("%w: nothing has the identifier", ErrReference)
	}
	return found, nil
}
