package validate

import (
	"encoding/base64"
	"iter"
	"strings"

	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

const xslt = "http://www.w3.org/1999/XSL/Transform"

// remoteStylesheet looks at the processing instructions: an href that is more than a fragment or a neighbouring file leads to a host.
func remoteStylesheet(v *visit, doc xmltree.Node) {
	for _, i := range v.tree.Instructions() {
		if href := pseudoAttr(i, "href"); strings.HasPrefix(href, "//") || strings.Contains(href, ":") {
			v.add(raw{rule: v.rule, line: i.Line})
		}
	}
}

// embeddedStylesheet finds a stylesheet around or within the document, or an instruction that names one by a fragment.
func embeddedStylesheet(v *visit, doc xmltree.Node) {
	if v.displayed > 0 {
		v.add(raw{rule: v.rule, line: v.displayed})
		return
	}
	for _, i := range v.tree.Instructions() {
		if strings.HasPrefix(pseudoAttr(i, "href"), "#") {
			v.add(raw{rule: v.rule, line: i.Line})
			return
		}
	}
	for n := range doc.Descendants() {
		if n.Space() == xslt {
			v.report(v.rule, n)
			return
		}
	}
}

// pseudoAttr reads name="value" of an xml-stylesheet instruction.
func pseudoAttr(i xmltree.Instruction, name string) string {
	if i.Target != "xml-stylesheet" {
		return ""
	}
	_, rest, ok := strings.Cut(i.Data, name)
	rest = strings.TrimLeft(strings.TrimPrefix(strings.TrimLeft(rest, " \t\r\n"), "="), " \t\r\n")
	if !ok || rest == "" {
		return ""
	}
	value, _, _ := strings.Cut(rest[1:], rest[:1])
	return value
}

// script reports what a browser would run, by the names that HTML has for it.
func script(v *visit, text xmltree.Node) {
	for n := range text.Descendants() {
		switch strings.ToLower(n.Local()) {
		case "script", "iframe", "frame", "object", "embed", "applet", "form", "input", "style", "link", "meta", "base", "svg", "math":
			v.report(v.rule, n)
			continue
		}
		for _, a := range n.Attrs() {
			name := strings.ToLower(a.Name.Local)
			if strings.HasPrefix(name, "on") || name == "style" && strings.Contains(strings.ToLower(a.Value), "expression(") {
				v.report(v.rule, n)
				break
			}
		}
	}
}

// links asks of href everywhere: narrative, and what pretends to be.
func links(v *visit, doc xmltree.Node) {
	for n := range doc.Descendants() {
		for _, a := range n.Attrs() {
			if (a.Name.Local == "href" || a.Name.Local == "src") && n.Space() != xslt && !harmless(a.Value) {
				v.report(v.rule, n)
			}
		}
	}
}

// referencesScheme asks of <reference value="…"> other than #id.
func referencesScheme(v *visit, body xmltree.Node) {
	for n := range body.Descendants() {
		if n.Local() != "reference" {
			continue
		}
		if value := n.Value("value"); value != "" && !harmless(value) {
			v.report(v.rule, n)
		}
	}
}

// harmless tells an address that a reader may offer to follow. What browsers leave out of a scheme, control characters and blanks, is left out here
// too.
func harmless(address string) bool {
	address = strings.Map(func(c rune) rune {
		if c <= ' ' || c == 0x7f {
			return -1
		}
		return c
	}, strings.ToLower(address))
	scheme, _, ok := strings.Cut(address, ":")
	if !ok || strings.ContainsAny(scheme, "/?#") {
		return !strings.HasPrefix(address, "//") // no scheme: a fragment or a neighbour
	}
	switch scheme {
	case "http", "https", "mailto", "tel", "urn", "cid":
		return true
	}
	return false
}

// namespaces reports the outermost foreign elements; what a stylesheet would write is not looked into.
func namespaces(v *visit, doc xmltree.Node) {
	for n := range doc.Descendants() {
		if up := n.Parent().Space(); !ours(n.Space()) && ours(up) && up != xslt {
			v.report(v.rule, n)
		}
	}
}

func ours(space string) bool {
	switch space {
	case hl7, "urn:hl7-org:sdtc", "urn:oid:1.3.6.1.4.1.19376.1.3.2", "urn:dicom-org:ps3-20", "urn:ihe:pharm", "urn:ihe:pharm:medication", xslt:
		return true
	}
	return false
}

// decoded is the content of an element in base64, decoded once; false when it is not base64. White space may stand anywhere in it.
func (v *visit) decoded(n xmltree.Node) ([]byte, bool) {
	if v.media == nil {
		v.media = map[xmltree.Node]media{}
	}
	m, ok := v.media[n]
	if !ok {
		text := n.Text()
		packed := joined(v.buffer(len(text)), strings.SplitSeq(text, "\n"))
		size, err := base64.StdEncoding.Decode(packed, packed) // what is written never passes what was read
		if err != nil && strings.ContainsAny(text, " \t") {
			packed = joined(packed[:0], strings.FieldsSeq(text))
			size, err = base64.StdEncoding.Decode(packed, packed)
		}
		m = media{packed[:size], err == nil}
		v.media[n] = m
	}
	return m.bytes, m.ok
}

// joined puts lines or words together, without the blanks around each.
func joined(out []byte, parts iter.Seq[string]) []byte {
	for p := range parts {
		out = append(out, strings.Trim(p, " \t\r")...)
	}
	return out
}

type media struct {
	bytes []byte
	ok    bool
}

func base64Form(v *visit, n xmltree.Node) {
	if len(n.Text())/4*3 > maxEmbedded {
		return
	}
	if _, ok := v.decoded(n); !ok {
		v.report(v.rule, n)
	}
}

func base64Size(v *visit, n xmltree.Node) {
	if len(n.Text())/4*3 > maxEmbedded {
		v.report(v.rule, n)
	}
}
