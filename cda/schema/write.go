package schema

import (
	"bytes"
	"fmt"
	"strings"
)

const builtin = "xs:" // prefix of the types of XML Schema itself

// emitted is a definition in a namespace: the data types may be emitted in several.
type emitted struct {
	def   *definition
	space *space
}

// writer writes the definitions that a document can reach as XSD, a file for each namespace.
type writer struct {
	m       *notation
	reached map[emitted]bool
	todo    []emitted
	out     *bytes.Buffer // nil while what is reached is sought
	err     error
}

// files gives the XSD of each namespace.
func (m *notation) files() (map[string][]byte, error) {
	w := &writer{m: m, reached: map[emitted]bool{}}
	w.reach()
	files := map[string][]byte{}
	for _, s := range m.spaces {
		w.out = &bytes.Buffer{}
		w.file(s)
		files[s.prefix+".xsd"] = w.out.Bytes()
	}
	return files, w.err
}

// reach finds what is reached from the elements and attributes that are declared for all, with the classes that derive from it: xsi:type may name
// them.
func (w *writer) reach() {
	for _, d := range w.m.defs {
		if d.kind == "element" || d.kind == "attribute" {
			w.mark(d, d.space)
		}
	}
	for len(w.todo) > 0 && w.err == nil {
		for len(w.todo) > 0 {
			e := w.todo[len(w.todo)-1]
			w.todo = w.todo[:len(w.todo)-1]
			w.definition(e.def, e.space)
		}
		w.derived()
	}
}

func (w *writer) derived() {
	for _, d := range w.m.defs {
		if d.kind != "class" || d.base == "" {
			continue
		}
		for _, s := range w.m.spaces {
			if s != d.space && !(d.floating && s.copies) {
				continue
			}
			if base, at, err := w.m.find(d, s, "", d.base); err == nil && w.reached[emitted{base, at}] {
				w.mark(d, s)
			}
		}
	}
}

func (w *writer) mark(d *definition, s *space) {
	if e := (emitted{d, s}); !w.reached[e] {
		w.reached[e] = true
		w.todo = append(w.todo, e)
	}
}

// name gives the qualified name that a reference said in d is written with, and notes that it is reached.
func (w *writer) name(d *definition, from *space, kind, ref string) string {
	if strings.HasPrefix(ref, builtin) {
		return ref
	}
	found, at, err := w.m.find(d, from, kind, ref)
	if err != nil {
		if w.err == nil {
			w.err = err
		}
		return ref
	}
	w.mark(found, at)
	return at.prefix + ":" + found.name
}

func (w *writer) file(s *space) {
	w.f(`<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="%s" elementFormDefault="qualified"`, s.uri)
	for _, o := range w.m.spaces {
		w.f(` xmlns:%s="%s"`, o.prefix, o.uri)
	}
	w.f(">\n")
	for _, o := range w.m.spaces {
		switch {
		case o == s:
		case s == w.m.spaces[0]:
			w.f("<xs:import namespace=\"%s\" schemaLocation=\"%s.xsd\"/>\n", o.uri, o.prefix)
		default: // the root has said where it is
			w.f("<xs:import namespace=\"%s\"/>\n", o.uri)
		}
	}
	for _, d := range w.m.defs {
		if w.reached[emitted{d, s}] {
			w.definition(d, s)
			w.f("\n")
		}
	}
	w.f("</xs:schema>\n")
}

// definition writes a definition as it is in the namespace s.
func (w *writer) definition(d *definition, s *space) {
	switch d.kind {
	case "class":
		w.f(`<xs:complexType name="%s"`, d.name)
		w.class(d, s)
	case "codes":
		w.f(`<xs:simpleType name="%s">`, d.name)
		w.list(w.name(d, s, "", "cs"), strings.Fields(d.text))
		w.f("</xs:simpleType>")
	case "value":
		w.f(`<xs:simpleType name="%s">`, d.name)
		w.value(d, s)
		w.f("</xs:simpleType>")
	case "group":
		w.f(`<xs:group name="%s">`, d.name)
		w.model(d, s)
		w.f("</xs:group>")
	case "attributes":
		w.f(`<xs:attributeGroup name="%s">`, d.name)
		w.attributes(d, s)
		w.f("</xs:attributeGroup>")
	case "attribute":
		w.f(`<xs:attribute name="%s" type="%s"/>`, d.name, w.name(d, s, "", d.text))
	case "element":
		w.element(d, s)
	}
}

func (w *writer) element(d *definition, s *space) {
	w.f(`<xs:element name="%s"`, d.name)
	of, null := strings.CutSuffix(d.text, " nil")
	if null {
		w.f(` nillable="true"`)
	}
	switch {
	case of != "":
		w.f(` type="%s"/>`, w.name(d, s, "", of))
	case d.content == "" && d.attrs == nil:
		w.f(` type="%s"/>`, w.name(d, s, "", className(d.name)))
	default:
		w.f("><xs:complexType")
		w.class(d, s)
		w.f("</xs:element>")
	}
}

// class writes the rest of a complex type, after its name.
func (w *writer) class(d *definition, s *space) {
	if d.abstract {
		w.f(` abstract="true"`)
	}
	if d.mixed {
		w.f(` mixed="true"`)
	}
	w.f(">")
	if d.base != "" {
		w.f(`<xs:complexContent><xs:%s base="%s">`, d.by, w.name(d, s, "", d.base))
	}
	w.model(d, s)
	w.attributes(d, s)
	if d.base != "" {
		w.f("</xs:%s></xs:complexContent>", d.by)
	}
	w.f("</xs:complexType>")
}

func (w *writer) model(d *definition, s *space) {
	if d.content == "" {
		return
	}
	p, err := content(d.content)
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("%s: %w", d.where, err)
	}
	if d.kind != "group" && len(p.kids) == 1 && p.kids[0].kind != "element" { // no need of a sequence of one
		p = p.kids[0]
	}
	w.particle(d, s, p)
}

var occurs = map[byte]string{
	'~': ` minOccurs="0" maxOccurs="0"`, '?': ` minOccurs="0"`, '*': ` minOccurs="0" maxOccurs="unbounded"`, '+': ` maxOccurs="unbounded"`,
}

func (w *writer) particle(d *definition, s *space, p particle) {
	switch p.kind {
	case "any":
		w.f(`<xs:any namespace="##other" processContents="skip"%s/>`, occurs[p.card])
	case "group":
		w.f(`<xs:group ref="%s"%s/>`, w.name(d, s, "group", p.name), occurs[p.card])
	case "element":
		null := ""
		if p.null {
			null = ` nillable="true"`
		}
		if p.of == "" {
			w.f(`<xs:element ref="%s"%s/>`, w.name(d, s, "element", p.name), occurs[p.card])
			return
		}
		w.f(`<xs:element name="%s" type="%s"%s%s/>`, p.name, w.name(d, s, "", p.of), occurs[p.card], null)
	default:
		w.f("<xs:%s%s>", p.kind, occurs[p.card])
		for _, kid := range p.kids {
			w.particle(d, s, kid)
		}
		w.f("</xs:%s>", p.kind)
	}
}

func (w *writer) attributes(d *definition, s *space) {
	for _, text := range d.attrs {
		a := readAttribute(text)
		switch {
		case a.group:
			w.f(`<xs:attributeGroup ref="%s"/>`, w.name(d, s, "attributes", a.name))
			continue
		case a.prohibited:
			w.f(`<xs:attribute name="%s" use="prohibited"/>`, a.name)
			continue
		case a.of == "":
			w.f(`<xs:attribute ref="%s"/>`, w.name(d, s, "attribute", a.name))
			continue
		}
		w.f(`<xs:attribute name="%s"`, a.name)
		if a.required {
			w.f(` use="required"`)
		}
		if a.hasFixed {
			w.f(` fixed="%s"`, escape(a.fixed))
		}
		if of, codes, listed := strings.Cut(a.of, "{"); listed {
			w.f("><xs:simpleType>")
			w.list(orToken(of), strings.Fields(strings.TrimSuffix(codes, "}")))
			w.f("</xs:simpleType></xs:attribute>")
			continue
		}
		w.f(` type="%s"/>`, w.name(d, s, "", a.of))
	}
}

func orToken(of string) string {
	if of == "" {
		return "xs:token"
	}
	return of
}

func (w *writer) list(of string, codes []string) {
	w.f(`<xs:restriction base="%s">`, of)
	for _, c := range codes {
		w.f(`<xs:enumeration value="%s"/>`, escape(c))
	}
	w.f("</xs:restriction>")
}

// value writes a simple type: "xs:string /pattern/", "int from 1 to 9", "xs:string length 1", "{A B}", "list Codes", "oid | uuid".
func (w *writer) value(d *definition, s *space) {
	if codes, ok := strings.CutPrefix(d.text, "{"); ok {
		w.list("xs:token", strings.Fields(strings.TrimSuffix(codes, "}")))
		return
	}
	if of, ok := strings.CutPrefix(d.text, "list "); ok {
		w.f(`<xs:list itemType="%s"/>`, w.name(d, s, "", of))
		return
	}
	of, facets, _ := strings.Cut(d.text, " ")
	if strings.HasPrefix(facets, "|") {
		var members []string
		for of := range strings.SplitSeq(d.text, " | ") {
			members = append(members, w.name(d, s, "", of))
		}
		w.f(`<xs:union memberTypes="%s"/>`, strings.Join(members, " "))
		return
	}
	w.f(`<xs:restriction base="%s">`, w.name(d, s, "", of))
	w.facets(d, facets)
	w.f("</xs:restriction>")
}

var facetNames = map[string]string{"from": "minInclusive", "to": "maxInclusive", "length": "minLength"}

func (w *writer) facets(d *definition, facets string) {
	if strings.HasPrefix(facets, "/") {
		w.f(`<xs:pattern value="%s"/>`, escape(strings.Trim(facets, "/")))
		return
	}
	words := strings.Fields(facets)
	for ; len(words) >= 2 && facetNames[words[0]] != ""; words = words[2:] {
		w.f(`<xs:%s value="%s"/>`, facetNames[words[0]], escape(words[1]))
	}
	if len(words) > 0 && w.err == nil {
		w.err = fmt.Errorf("%s: %q is no facet", d.where, words[0])
	}
}

var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", `"`, "&quot;").Replace

func (w *writer) f(format string, args ...any) {
	if w.out != nil {
		fmt.Fprintf(w.out, format, args...)
	}
}
