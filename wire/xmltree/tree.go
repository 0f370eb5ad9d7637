// Package xmltree keeps a whole XML document in one read-only arena, for those who must look at it from many sides: names, attributes, text,
// parents, lines and places in the input. It is read by package xmlpull, as strictly, and knows no schema.
//
// Its strings alias the input, which must not change while the tree lives.
package xmltree

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// Options are the caps of a tree; a zero field has the default.
type Options struct {
	MaxBytes int // 32 MiB
	MaxDepth int // 256 elements
	MaxNodes int // 1 Mi elements and runs of text
}

// ErrTooLarge is wrapped by the error about an input beyond MaxBytes or MaxNodes.
var ErrTooLarge = errors.New("document is too large")

const (
	defaultBytes    = 32 << 20
	defaultNodes    = 1 << 20
	maxInstructions = 64
)

// node is an element, or a run of text when its name has no Local part.
type node struct {
	name        xmlpull.Name // of text: Space is the text
	parent      int32
	first, last int32 // children, -1 for none
	next        int32 // sibling, -1 for none
	alike       int32 // next element in document order with the same local name, -1 for none
	attr        int32
	attrs       int32
	off, end    int32 // of an element: from its < to behind its last >
	line        int32
}

// Tree is a document. It may be read by many goroutines.
type Tree struct {
	doc          []byte
	nodes        []node
	attrs        []xmlpull.Attr
	named        map[string]*chain // the elements of each local name
	instructions []Instruction
	root         int32
}

// chain is the first and the last element of a local name; those between are found by their alike.
type chain struct{ first, last int32 }

// Instruction is a processing instruction, the XML declaration excepted.
type Instruction struct {
	Target, Data string
	Line         int
}

// Parse reads a document. The error is a *[xmlpull.SyntaxError], or wraps [ErrTooLarge].
func Parse(doc []byte, o Options) (*Tree, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultBytes
	}
	if o.MaxNodes == 0 {
		o.MaxNodes = defaultNodes
	}
	if len(doc) > o.MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are read", ErrTooLarge, len(doc), o.MaxBytes)
	}
	tags := min(bytes.Count(doc, []byte("<")), o.MaxNodes) // a node has one or two, a text none: three quarters is near, and more is made when due
	t := &Tree{doc: doc, nodes: make([]node, 0, tags*3/4+16), attrs: make([]xmlpull.Attr, 0, tags/2+16), named: make(map[string]*chain, 64)}
	b := builder{t: t, max: o.MaxNodes, open: -1}
	return b.t, b.read(xmlpull.NewReader(doc, xmlpull.Options{BOM: true, MaxDepth: o.MaxDepth}))
}

type builder struct {
	t    *Tree
	open int32 // innermost open element, -1 for none
	max  int
	line int // of the offset at
	at   int
}

func (b *builder) read(r *xmlpull.Reader) error {
	b.line = 1
	behind := r.EndOffset()
	for {
		k, err := r.Next()
		if err != nil {
			return err
		}
		if r.Offset() > behind {
			b.passedOver(behind, r.Offset())
		}
		behind = r.EndOffset()
		switch k {
		case xmlpull.Start:
			err = b.start(r)
		case xmlpull.End:
			b.t.nodes[b.open].end = int32(behind)
			b.open = b.t.nodes[b.open].parent
		case xmlpull.Text:
			if !r.IsSpace() {
				err = b.add(node{name: xmlpull.Name{Space: r.Text()}, off: int32(r.Offset()), end: int32(behind)})
			}
		case xmlpull.EOF:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (b *builder) start(r *xmlpull.Reader) error {
	attrs := r.Attrs()
	n := node{name: r.Name(), attr: int32(len(b.t.attrs)), attrs: int32(len(attrs)), off: int32(r.Offset()), line: int32(b.lineAt(r.Offset()))}
	b.t.attrs = append(b.t.attrs, attrs...)
	if err := b.add(n); err != nil {
		return err
	}
	b.open = int32(len(b.t.nodes) - 1)
	b.t.link(b.open)
	return nil
}

// link puts an element at the end of the chain of its name.
func (t *Tree) link(i int32) {
	name := t.nodes[i].name.Local
	if c := t.named[name]; c != nil {
		t.nodes[c.last].alike = i
		c.last = i
	} else {
		t.named[name] = &chain{i, i}
	}
}

func (b *builder) add(n node) error {
	if len(b.t.nodes) >= b.max {
		return fmt.Errorf("%w: at most %d elements and runs of text are read", ErrTooLarge, b.max)
	}
	i := int32(len(b.t.nodes))
	n.parent, n.first, n.last, n.next, n.alike = b.open, -1, -1, -1, -1
	b.t.nodes = append(b.t.nodes, n)
	if b.open < 0 {
		return nil
	}
	p := &b.t.nodes[b.open]
	if p.last < 0 {
		p.first = i
	} else {
		b.t.nodes[p.last].next = i
	}
	p.last = i
	return nil
}

func (b *builder) lineAt(off int) int {
	for ; b.at < off; b.at++ {
		n := strings.IndexByte(alias(b.t.doc[b.at:off]), '\n')
		if n < 0 {
			b.at = off
			break
		}
		b.at += n
		b.line++
	}
	return b.line
}

// passedOver finds the processing instructions in what the reader passed over: white space, comments and they.
func (b *builder) passedOver(from, to int) {
	s := alias(b.t.doc[:to])
	for from < to && len(b.t.instructions) < maxInstructions {
		n := strings.Index(s[from:], "<")
		if n < 0 {
			return
		}
		from += n
		if strings.HasPrefix(s[from:], "<!--") {
			n = strings.Index(s[from:], "-->")
		} else if n = strings.Index(s[from:], "?>"); n >= 0 {
			target, data, _ := strings.Cut(strings.TrimLeft(s[from+2:from+n], " \t\r\n"), " ")
			b.t.instructions = append(b.t.instructions, Instruction{target, data, 1 + strings.Count(s[:from], "\n")})
		}
		if n < 0 {
			return
		}
		from += n + 2
	}
}

// Instructions are the processing instructions of the document in order, the first 64 of them.
func (t *Tree) Instructions() []Instruction { return t.instructions }

// Root is the root element.
func (t *Tree) Root() Node { return Node{t, t.root} }

// Narrow makes an element the root: what is outside of it is not reached any more, and locations begin with it. It is for who parsed the tree, before
// others read it.
func (t *Tree) Narrow(n Node) {
	t.root = n.i
	root := &t.nodes[n.i]
	root.parent, root.next = -1, -1
	clear(t.named)
	for i := n.i; int(i) < len(t.nodes) && t.nodes[i].off < root.end; i++ {
		if t.nodes[i].name.Local != "" {
			t.nodes[i].alike = -1
			t.link(i)
		}
	}
}

// Source is the input.
func (t *Tree) Source() []byte { return t.doc }

// Node is an element of a tree. The zero Node is none.
type Node struct {
	t *Tree
	i int32
}

// IsZero tells that there is no such element.
func (n Node) IsZero() bool { return n.t == nil }

func (n Node) at(i int32) Node {
	if i < 0 {
		return Node{}
	}
	return Node{n.t, i}
}

func (n Node) self() *node { return &n.t.nodes[n.i] }

// Name is the resolved name of the element.
func (n Node) Name() xmlpull.Name { return n.self().name }

// Local is the local part of its name.
func (n Node) Local() string { return n.self().name.Local }

// Space is the namespace of its name.
func (n Node) Space() string { return n.self().name.Space }

// Line is the line of its start tag, from 1.
func (n Node) Line() int { return int(n.self().line) }

// Span is where the element stands in the input, its tags included.
func (n Node) Span() (from, to int) { return int(n.self().off), int(n.self().end) }

// Attrs are its attributes in document order.
func (n Node) Attrs() []xmlpull.Attr {
	s := n.self()
	return n.t.attrs[s.attr : s.attr+s.attrs : s.attr+s.attrs]
}

// Attr is the value of an unqualified attribute, and whether it is there.
func (n Node) Attr(local string) (string, bool) { return n.AttrNS("", local) }

// AttrNS is the value of a qualified attribute, and whether it is there.
func (n Node) AttrNS(space, local string) (string, bool) {
	attrs := n.Attrs()
	for i := range attrs {
		if a := &attrs[i]; a.Name.Local == local && a.Name.Space == space {
			return a.Value, true
		}
	}
	return "", false
}

// Value is the value of an unqualified attribute, "" when it is not there.
func (n Node) Value(local string) string {
	v, _ := n.AttrNS("", local)
	return v
}

// Parent is the element around it, none for the root.
func (n Node) Parent() Node { return n.at(n.self().parent) }

// Children are the elements right within it.
func (n Node) Children() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		for i := n.self().first; i >= 0; i = n.t.nodes[i].next {
			if n.t.nodes[i].name.Local != "" && !yield(Node{n.t, i}) {
				return
			}
		}
	}
}

// Descendants are all elements within it, in document order.
func (n Node) Descendants() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		end := n.self().end
		for i := n.i + 1; int(i) < len(n.t.nodes) && n.t.nodes[i].off < end; i++ {
			if n.t.nodes[i].name.Local != "" && !yield(Node{n.t, i}) {
				return
			}
		}
	}
}

// Text is the text right within it, what stands in child elements left out. Runs of white space between tags do not count.
func (n Node) Text() string {
	var one string
	var many []string
	for i := n.self().first; i >= 0; i = n.t.nodes[i].next {
		c := &n.t.nodes[i]
		switch {
		case c.name.Local != "":
		case one == "":
			one = c.name.Space
		case many == nil:
			many = []string{one, c.name.Space}
		default:
			many = append(many, c.name.Space)
		}
	}
	if many == nil {
		return one
	}
	return strings.Join(many, "")
}

// HasText tells whether there is text other than white space in the element or in any within it.
func (n Node) HasText() bool {
	end := n.self().end
	for i := n.i + 1; int(i) < len(n.t.nodes) && n.t.nodes[i].off < end; i++ {
		if n.t.nodes[i].name.Local == "" {
			return true
		}
	}
	return false
}
