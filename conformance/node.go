package conformance

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// node is an element. In templates Name.Space is the prefix as written, in answers the namespace.
type node struct {
	Name xml.Name
	Attr []xml.Attr
	Kids []*node
	Text string
}

// readXML reads a document with namespaces resolved.
func readXML(text []byte) (*node, error) {
	return build(xml.NewDecoder(bytes.NewReader(text)), (*xml.Decoder).Token)
}

// readTemplate reads an element whose prefixes stay as written.
func readTemplate(text string) (*node, error) {
	return build(xml.NewDecoder(strings.NewReader(text)), (*xml.Decoder).RawToken)
}

func build(d *xml.Decoder, next func(*xml.Decoder) (xml.Token, error)) (*node, error) {
	var stack []*node
	var root *node
	for {
		t, err := next(d)
		if errors.Is(err, io.EOF) {
			if root == nil || len(stack) > 0 {
				return nil, errors.New("the XML ends early")
			}
			return root, nil
		}
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			n := &node{Name: t.Name, Attr: t.Copy().Attr}
			switch {
			case len(stack) > 0:
				stack[len(stack)-1].Kids = append(stack[len(stack)-1].Kids, n)
			case root != nil:
				return nil, errors.New("a second root element")
			default:
				root = n
			}
			stack = append(stack, n)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			if len(stack) > 0 {
				stack[len(stack)-1].Text += string(t)
			}
		}
	}
}

// attr is an attribute by its local name.
func (n *node) attr(local string) string {
	if n == nil {
		return ""
	}
	for _, a := range n.Attr {
		if a.Name.Local == local {
			return a.Value
		}
	}
	return ""
}

// setAttr sets an attribute; an empty value removes it.
func (n *node) setAttr(local, value string) {
	for i, a := range n.Attr {
		if a.Name.Local == local {
			if value == "" {
				n.Attr = append(n.Attr[:i], n.Attr[i+1:]...)
			} else {
				n.Attr[i].Value = value
			}
			return
		}
	}
	if value != "" {
		n.Attr = append(n.Attr, xml.Attr{Name: xml.Name{Local: local}, Value: value})
	}
}

// kids are the children of that local name.
func (n *node) kids(local string) []*node {
	var out []*node
	if n != nil {
		for _, k := range n.Kids {
			if k.Name.Local == local {
				out = append(out, k)
			}
		}
	}
	return out
}

// kid is the first of them, nil when there is none.
func (n *node) kid(local string) *node {
	if ks := n.kids(local); len(ks) > 0 {
		return ks[0]
	}
	return nil
}

// at follows local names downwards.
func (n *node) at(path ...string) *node {
	for _, local := range path {
		if n = n.kid(local); n == nil {
			return nil
		}
	}
	return n
}

// text is the trimmed text; empty for nil.
func (n *node) text() string {
	if n == nil {
		return ""
	}
	return strings.TrimSpace(n.Text)
}

// remove takes a child out.
func (n *node) remove(gone *node) {
	for i, k := range n.Kids {
		if k == gone {
			n.Kids = append(n.Kids[:i:i], n.Kids[i+1:]...)
			return
		}
	}
}

// insertAfter puts a child after another.
func (n *node) insertAfter(after, add *node) {
	for i, k := range n.Kids {
		if k == after {
			n.Kids = append(n.Kids[:i+1:i+1], append([]*node{add}, n.Kids[i+1:]...)...)
			return
		}
	}
	n.Kids = append(n.Kids, add)
}

func (n *node) clone() *node {
	c := *n
	c.Attr = append([]xml.Attr(nil), n.Attr...)
	c.Kids = nil
	for _, k := range n.Kids {
		c.Kids = append(c.Kids, k.clone())
	}
	return &c
}

// write prints a template element.
func (n *node) write(b *strings.Builder) {
	name := n.Name.Local
	if n.Name.Space != "" {
		name = n.Name.Space + ":" + name
	}
	b.WriteString("<" + name)
	for _, a := range n.Attr {
		key := a.Name.Local
		if a.Name.Space != "" {
			key = a.Name.Space + ":" + key
		}
		fmt.Fprintf(b, ` %s="%s"`, key, escape(a.Value))
	}
	text := strings.TrimSpace(n.Text)
	if len(n.Kids) == 0 && text == "" {
		b.WriteString("/>")
		return
	}
	b.WriteString(">" + escape(text))
	for _, k := range n.Kids {
		k.write(b)
	}
	b.WriteString("</" + name + ">")
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}
