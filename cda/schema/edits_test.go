package schema

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// spot is an element of a document's text.
type spot struct {
	name     string
	from, in int // of the start tag, and its end
	out, to  int // of the end tag; out == in == to for an empty-element tag
	parent   int
	attrs    []attrSpot
}

type attrSpot struct {
	name     string
	from, to int // with the blank before it
	value    string
}

// spots finds the elements of a well-formed document.
func spots(doc string) (all []spot) {
	open := []int{-1}
	for i := 0; i < len(doc); {
		if doc[i] != '<' {
			i++
			continue
		}
		rest := doc[i:]
		switch {
		case strings.HasPrefix(rest, "<!--"):
			i += strings.Index(rest, "-->") + 3
		case strings.HasPrefix(rest, "<![CDATA["):
			i += strings.Index(rest, "]]>") + 3
		case rest[1] == '?' || rest[1] == '!':
			i += strings.IndexByte(rest, '>') + 1
		case rest[1] == '/':
			s := &all[open[len(open)-1]]
			open = open[:len(open)-1]
			s.out = i
			i += strings.IndexByte(rest, '>') + 1
			s.to = i
		default:
			s := startTag(doc, i)
			s.parent = open[len(open)-1]
			i = s.in
			if doc[i-2] == '/' {
				s.out, s.to = s.in, s.in
			} else {
				open = append(open, len(all))
			}
			all = append(all, s)
		}
	}
	return all
}

func startTag(doc string, at int) spot {
	i := at + 1 + strings.IndexAny(doc[at+1:], " \t\r\n/>")
	s := spot{name: doc[at+1 : i], from: at}
	for {
		from := i
		i += len(doc[i:]) - len(strings.TrimLeft(doc[i:], " \t\r\n"))
		if doc[i] == '/' || doc[i] == '>' {
			s.in = i + strings.IndexByte(doc[i:], '>') + 1
			return s
		}
		equals := i + strings.IndexByte(doc[i:], '=')
		name := strings.TrimSpace(doc[i:equals])
		quote := equals + 1 + strings.IndexAny(doc[equals+1:], `'"`)
		end := quote + 1 + strings.IndexByte(doc[quote+1:], doc[quote])
		s.attrs = append(s.attrs, attrSpot{name, from, end + 1, doc[quote+1 : end]})
		i = end + 1
	}
}

// pool is what edits put into documents: names, attributes, small elements and classes of other places.
type pool struct{ names, attrs, elements, classes, codes []string }

func newPool(g *generator) *pool {
	p := &pool{codes: []string{
		"", " ", "zzz", "1", "-1", "0", "true", "TRUE", "1.5", "1,5", "1e3", "INF", "2021-02-03", "20210203", "2021020304050607", "a b",
		"#id", "%zz", "http://[", "QUJD", "QUJ", "1.2.3", "1.02.3", "1..2", "3.1", "01234567-89ab-cdef-0123-456789abcdef", "é", "id1",
		"EVN", "ASSIGNED", "OBS", "UNK", "INSTANCE", "KIND", "HP WP", "text/plain", "B64", "urn:x", strings.Repeat("9", 40),
		strings.Repeat("x", 300),
	}}
	for _, d := range g.w.m.defs {
		switch d.kind {
		case "class":
			p.classes = append(p.classes, d.space.prefix+":"+d.name)
			if d.floating {
				p.classes = append(p.classes, d.name, "pharm:"+d.name)
			}
		case "codes":
			p.codes = append(p.codes, strings.Fields(d.text)...)
		}
	}
	seen := map[string]bool{}
	add := func(to *[]string, s string) {
		if !seen[s] {
			seen[s] = true
			*to = append(*to, s)
		}
	}
	for _, e := range g.classes() {
		doc := g.document(e)
		for _, s := range spots(doc)[1:] {
			add(&p.names, s.name)
			for _, a := range s.attrs {
				add(&p.attrs, doc[a.from:a.to])
			}
			if len(doc[s.from:s.to]) < 120 {
				add(&p.elements, doc[s.from:s.to])
			}
		}
	}
	return p
}

// edit is a change of a document's text; "" when it cannot be made there.
type edit struct {
	name string
	make func(r *rand.Rand, p *pool, doc string, all []spot, i int) string
}

func one(r *rand.Rand, of []string) string { return of[r.IntN(len(of))] }

// put adds to the start tag.
func put(doc string, s spot, text string) string {
	at := s.from + 1 + len(s.name)
	return doc[:at] + text + doc[at:]
}

// fill replaces what is in an element.
func fill(doc string, s spot, text string) string {
	if s.in == s.to { // an empty-element tag
		return doc[:s.in-2] + ">" + text + "</" + s.name + ">" + doc[s.to:]
	}
	return doc[:s.in] + text + doc[s.out:]
}

func inner(doc string, s spot) string { return doc[s.in:s.out] }

func rename(doc string, s spot, to string) string {
	if s.in == s.to {
		return doc[:s.from+1] + to + doc[s.from+1+len(s.name):]
	}
	return doc[:s.from+1] + to + doc[s.from+1+len(s.name):s.out] + "</" + to + ">" + doc[s.to:]
}

var elementEdits = []edit{
	{"drop", func(_ *rand.Rand, _ *pool, doc string, all []spot, i int) string {
		return doc[:all[i].from] + doc[all[i].to:]
	}},
	{"double", func(_ *rand.Rand, _ *pool, doc string, all []spot, i int) string {
		return doc[:all[i].to] + doc[all[i].from:all[i].to] + doc[all[i].to:]
	}},
	{"rename", func(r *rand.Rand, p *pool, doc string, all []spot, i int) string {
		return rename(doc, all[i], one(r, p.names))
	}},
	{"unknown name", func(_ *rand.Rand, _ *pool, doc string, all []spot, i int) string {
		return rename(doc, all[i], "remark")
	}},
	{"swap with the next", func(_ *rand.Rand, _ *pool, doc string, all []spot, i int) string {
		for j := i + 1; j < len(all); j++ {
			if a, b := all[i], all[j]; b.parent == a.parent {
				return doc[:a.from] + doc[b.from:b.to] + doc[a.to:b.from] + doc[a.from:a.to] + doc[b.to:]
			}
		}
		return ""
	}},
	{"to the end of its parent", func(_ *rand.Rand, _ *pool, doc string, all []spot, i int) string {
		a, end := all[i], all[all[i].parent].out
		return doc[:a.from] + doc[a.to:end] + doc[a.from:a.to] + doc[end:]
	}},
	{"to the start of its parent", func(_ *rand.Rand, _ *pool, doc string, all []spot, i int) string {
		a, start := all[i], all[all[i].parent].in
		return doc[:start] + doc[a.from:a.to] + doc[start:a.from] + doc[a.to:]
	}},
	{"another namespace", func(_ *rand.Rand, _ *pool, doc string, all []spot, i int) string {
		return put(doc, all[i], ` xmlns="urn:other"`)
	}},
	{"no namespace", func(_ *rand.Rand, _ *pool, doc string, all []spot, i int) string {
		return put(doc, all[i], ` xmlns=""`)
	}},
	{"namespace of an extension", func(r *rand.Rand, _ *pool, doc string, all []spot, i int) string {
		return rename(doc, all[i], one(r, []string{"sdtc:", "lab:", "pharm:", "ps3-20:", "hl7:"})+all[i].name[strings.IndexByte(all[i].name, ':')+1:])
	}},
	{"unknown attribute", func(_ *rand.Rand, _ *pool, doc string, all []spot, i int) string {
		return put(doc, all[i], ` remark="x"`)
	}},
	{"xml:lang", func(_ *rand.Rand, _ *pool, doc string, all []spot, i int) string {
		return put(doc, all[i], ` xml:lang="fr"`)
	}},
	{"attribute of another", func(r *rand.Rand, p *pool, doc string, all []spot, i int) string {
		return put(doc, all[i], one(r, p.attrs))
	}},
	{"class of another", func(r *rand.Rand, p *pool, doc string, all []spot, i int) string {
		return put(doc, all[i], ` xsi:type="`+one(r, p.classes)+`"`)
	}},
	{"unknown class", func(_ *rand.Rand, _ *pool, doc string, all []spot, i int) string {
		return put(doc, all[i], ` xsi:type="Remark"`)
	}},
	{"nil", func(_ *rand.Rand, _ *pool, doc string, all []spot, i int) string {
		return put(fill(doc, all[i], ""), all[i], ` xsi:nil="true"`)
	}},
	{"nil with content", func(_ *rand.Rand, _ *pool, doc string, all []spot, i int) string {
		return put(doc, all[i], ` xsi:nil="1"`)
	}},
	{"text", func(_ *rand.Rand, _ *pool, doc string, all []spot, i int) string {
		return fill(doc, all[i], "remark"+inner(doc, all[i]))
	}},
	{"blank", func(_ *rand.Rand, _ *pool, doc string, all []spot, i int) string {
		return fill(doc, all[i], " \n"+inner(doc, all[i]))
	}},
	{"empty", func(_ *rand.Rand, _ *pool, doc string, all []spot, i int) string { return fill(doc, all[i], "") }},
	{"child of another, first", func(r *rand.Rand, p *pool, doc string, all []spot, i int) string {
		return fill(doc, all[i], one(r, p.elements)+inner(doc, all[i]))
	}},
	{"child of another, last", func(r *rand.Rand, p *pool, doc string, all []spot, i int) string {
		return fill(doc, all[i], inner(doc, all[i])+one(r, p.elements))
	}},
	{"foreign child", func(_ *rand.Rand, _ *pool, doc string, all []spot, i int) string {
		return fill(doc, all[i], inner(doc, all[i])+`<r:remark xmlns:r="urn:remark" a="b"><c/></r:remark>`)
	}},
	{"wrapped", func(_ *rand.Rand, _ *pool, doc string, all []spot, i int) string {
		a := all[i]
		return doc[:a.from] + "<" + a.name + ">" + doc[a.from:a.to] + "</" + a.name + ">" + doc[a.to:]
	}},
	{"unwrapped", func(_ *rand.Rand, _ *pool, doc string, all []spot, i int) string {
		return doc[:all[i].from] + inner(doc, all[i]) + doc[all[i].to:]
	}},
}

// attributeEdits change the attribute k of the element i.
var attributeEdits = []struct {
	name string
	make func(r *rand.Rand, p *pool, a attrSpot) string // instead of the attribute
}{
	{"remove attribute", func(*rand.Rand, *pool, attrSpot) string { return "" }},
	{"rename attribute", func(_ *rand.Rand, _ *pool, a attrSpot) string { return " remark" + `="` + a.value + `"` }},
	{"attribute in a namespace", func(_ *rand.Rand, _ *pool, a attrSpot) string {
		return " sdtc:" + a.name[strings.IndexByte(a.name, ':')+1:] + `="` + a.value + `"`
	}},
	{"empty value", func(_ *rand.Rand, _ *pool, a attrSpot) string { return " " + a.name + `=""` }},
	{"blank before the value", func(_ *rand.Rand, _ *pool, a attrSpot) string { return " " + a.name + `=" ` + a.value + `"` }},
	{"blank after the value", func(_ *rand.Rand, _ *pool, a attrSpot) string { return " " + a.name + `="` + a.value + ` "` }},
	{"value twice", func(_ *rand.Rand, _ *pool, a attrSpot) string {
		return " " + a.name + `="` + a.value + " " + a.value + `"`
	}},
	{"value in small letters", func(_ *rand.Rand, _ *pool, a attrSpot) string {
		return " " + a.name + `="` + strings.ToLower(a.value) + `"`
	}},
	{"value and a letter", func(_ *rand.Rand, _ *pool, a attrSpot) string { return " " + a.name + `="` + a.value + `x"` }},
	{"another value", func(r *rand.Rand, p *pool, a attrSpot) string { return " " + a.name + `="` + one(r, p.codes) + `"` }},
	{"a third value", func(r *rand.Rand, p *pool, a attrSpot) string { return " " + a.name + `="` + one(r, p.codes) + `"` }},
	{"a fourth value", func(r *rand.Rand, p *pool, a attrSpot) string {
		return " " + a.name + `="` + one(r, p.codes[:40]) + `"`
	}},
	{"another class", func(r *rand.Rand, p *pool, a attrSpot) string {
		if a.name != "xsi:type" {
			return " " + a.name + `="` + a.value + `"`
		}
		return ` xsi:type="` + one(r, p.classes) + `"`
	}},
}

// mutants gives the document with every edit at the element i and its attributes, one at a time.
func mutants(r *rand.Rand, p *pool, doc string, all []spot, i int, yield func(name, mutant string)) {
	for _, e := range elementEdits {
		if i == 0 && strings.Contains(e.name, "parent") {
			continue
		}
		yield(e.name+" at "+all[i].name, e.make(r, p, doc, all, i))
	}
	for _, a := range all[i].attrs {
		if strings.HasPrefix(a.name, "xmlns") {
			continue
		}
		for _, e := range attributeEdits {
			yield(fmt.Sprintf("%s at %s/@%s", e.name, all[i].name, a.name), doc[:a.from]+e.make(r, p, a)+doc[a.to:])
		}
	}
}
