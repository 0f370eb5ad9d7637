package hl7v3

import (
	"strings"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// Node is an element of a message that fits a Grammar, or a run of text, which has no name. All elements are of the namespace NS.
type Node struct {
	Name  string
	Type  string // that xsi:type named
	Attrs []NodeAttr
	Kids  []*Node
	Text  string
}

// NodeAttr is an attribute.
type NodeAttr struct{ Name, Value string }

// Attr is the value of an attribute, empty when it is not there. A nil node has none.
func (n *Node) Attr(name string) string {
	if n != nil {
		for _, a := range n.Attrs {
			if a.Name == name {
				return a.Value
			}
		}
	}
	return ""
}

// At gives the first element by its path of names, nil when there is none.
func (n *Node) At(path ...string) *Node {
	for _, name := range path {
		kids := n.All(name)
		if len(kids) == 0 {
			return nil
		}
		n = kids[0]
	}
	return n
}

// All gives the children of a name. A nil node has none.
func (n *Node) All(name string) []*Node {
	var found []*Node
	if n != nil {
		for _, k := range n.Kids {
			if k.Name == name {
				found = append(found, k)
			}
		}
	}
	return found
}

// Content is the text of an element, without that of its children.
func (n *Node) Content() string {
	var b strings.Builder
	for _, k := range n.All("") {
		b.WriteString(k.Text)
	}
	return strings.TrimSpace(b.String())
}

// II reads the element as an instance identifier.
func (n *Node) II() II {
	return II{n.Attr("root"), n.Attr("extension"), n.Attr("assigningAuthorityName"), n.Attr("nullFlavor")}
}

// Append prints the element; NS is to be the default namespace around it.
func (n *Node) Append(dst []byte) []byte {
	if n.Name == "" {
		return xmlpull.AppendText(dst, n.Text)
	}
	dst = append(append(dst, '<'), n.Name...)
	if n.Type != "" {
		dst = append(append(append(dst, ` xmlns:xsi="`+xsi+`" xsi:type="`...), n.Type...), '"')
	}
	for _, a := range n.Attrs {
		dst = appendAttr(dst, a.Name, a.Value)
	}
	if len(n.Kids) == 0 {
		return append(dst, "/>"...)
	}
	dst = append(dst, '>')
	for _, k := range n.Kids {
		dst = k.Append(dst)
	}
	return append(append(append(dst, "</"...), n.Name...), '>')
}

// Header reads the transmission wrapper out of a message.
func (n *Node) Header() Header {
	h := Header{Interaction: n.Name, ID: n.At("id").II(), CreationTime: n.At("creationTime").Attr("value"), InteractionID: n.At("interactionId").II(),
		ProcessingCode: n.At("processingCode").Attr("code"), ProcessingMode: n.At("processingModeCode").Attr("code"),
		AcceptAckCode: n.At("acceptAckCode").Attr("code"), Sender: n.At("sender", "device").device()}
	for _, r := range n.All("receiver") {
		h.Receivers = append(h.Receivers, r.At("device").device())
	}
	return h
}

func (n *Node) device() (d Device) {
	for _, id := range n.All("id") {
		d.IDs = append(d.IDs, id.II())
	}
	for _, id := range n.At("asAgent", "representedOrganization").All("id") {
		d.Organizations = append(d.Organizations, id.II())
	}
	return d
}
