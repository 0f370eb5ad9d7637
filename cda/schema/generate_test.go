package schema

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// step leads from a class to another: through an element of its content, or to a class that derives from it.
type step struct {
	from    emitted
	element string // with its prefix when it is declared elsewhere; "" for a derived class
}

// generator writes documents that are valid by the model.
type generator struct {
	t      testing.TB
	r      *rand.Rand
	w      *writer
	ways   map[emitted]step // the shortest way to each class
	out    strings.Builder
	ids    int
	met    bool // the class sought was written
	inside bool // the class sought is being written: optional parts as well
	rich   int  // depth to which they are
}

func newGenerator(t testing.TB, seed uint64) *generator {
	m, err := parse(model)
	if err != nil {
		t.Fatal(err)
	}
	g := &generator{t: t, r: rand.New(rand.NewPCG(seed, 1)), w: &writer{m: m, reached: map[emitted]bool{}}, ways: map[emitted]step{}}
	g.w.reach()
	if g.w.err != nil {
		t.Fatal(g.w.err)
	}
	g.survey()
	return g
}

func (g *generator) root() emitted {
	return g.class(g.w.m.defs[0], g.w.m.spaces[0], "hl7:POCD_MT000040.ClinicalDocument")
}

func (g *generator) class(d *definition, s *space, name string) emitted {
	found, at, err := g.w.m.find(d, s, "", name)
	if err != nil {
		g.t.Fatal(err)
	}
	return emitted{found, at}
}

// survey finds the ways.
func (g *generator) survey() {
	queue := []emitted{g.root()}
	seen := map[emitted]bool{queue[0]: true}
	for len(queue) > 0 {
		e := queue[0]
		queue = queue[1:]
		visit := func(to emitted, element string) {
			if to.def.kind == "class" && !seen[to] {
				seen[to] = true
				g.ways[to] = step{e, element}
				queue = append(queue, to)
			}
		}
		for _, p := range g.elements(e) {
			if to, ok := g.target(p.def, p.space, p.particle); ok {
				visit(to, p.particle.name)
			}
		}
		for _, d := range g.derived(e) {
			visit(d, "")
		}
	}
}

// derived gives the classes that xsi:type may name instead.
func (g *generator) derived(e emitted) (out []emitted) {
	for _, d := range g.w.m.defs {
		for _, s := range g.w.m.spaces {
			if d.kind == "class" && d.base != "" && g.w.reached[emitted{d, s}] && g.class(d, s, d.base) == e {
				out = append(out, emitted{d, s})
			}
		}
	}
	return out
}

type located struct {
	particle
	def   *definition
	space *space
}

// contents gives the content models of a class, those of the classes that it extends first.
func (g *generator) contents(e emitted) (out []located) {
	if e.def.base != "" && e.def.by == "extension" {
		out = g.contents(g.class(e.def, e.space, e.def.base))
	}
	if e.def.content != "" {
		p, err := content(e.def.content)
		if err != nil {
			g.t.Fatal(err)
		}
		out = append(out, located{p, e.def, e.space})
	}
	return out
}

func (g *generator) elements(e emitted) (out []located) {
	var walk func(located)
	walk = func(l located) {
		switch l.kind {
		case "element":
			if l.card != '~' {
				out = append(out, l)
			}
		case "group":
			walk(g.group(l))
		}
		for _, kid := range l.kids {
			walk(located{kid, l.def, l.space})
		}
	}
	for _, l := range g.contents(e) {
		walk(l)
	}
	return out
}

func (g *generator) group(l located) located {
	d, s, err := g.w.m.find(l.def, l.space, "group", l.name)
	if err != nil {
		g.t.Fatal(err)
	}
	p, err := content(d.content)
	if err != nil {
		g.t.Fatal(err)
	}
	return located{p, d, s}
}

// target is the class of an element; an element with a class of its own without a name is its own.
func (g *generator) target(d *definition, s *space, p particle) (emitted, bool) {
	if strings.HasPrefix(p.of, builtin) {
		return emitted{}, false
	}
	if p.of != "" {
		return g.class(d, s, p.of), true
	}
	declared, at, err := g.w.m.find(d, s, "element", p.name)
	if err != nil {
		g.t.Fatal(err)
	}
	if declared.content != "" || declared.attrs != nil {
		anonymous := *declared
		anonymous.kind = "class"
		return emitted{&anonymous, at}, true
	}
	of, _ := strings.CutSuffix(declared.text, " nil")
	return g.class(declared, at, of), true
}

// document writes a document in which an instance of the class is, with its optional parts to some depth and all else as short as may be.
func (g *generator) document(e emitted) string {
	var way []step
	for at := e; at != g.root(); at = g.ways[at].from {
		way = append(way, g.ways[at])
	}
	slices.Reverse(way)
	g.out.Reset()
	g.ids, g.met, g.inside, g.rich = 0, len(way) == 0, len(way) == 0, 3
	g.out.WriteString(`<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"`)
	for _, s := range g.w.m.spaces {
		g.out.WriteString(` xmlns:` + s.prefix + `="` + s.uri + `"`)
	}
	g.rest("ClinicalDocument", g.root(), way, e)
	return g.out.String()
}

// element writes an element of the class, or of one that derives from it.
func (g *generator) element(tag string, e emitted, way []step, sought emitted) {
	g.out.WriteString("<" + tag)
	typed := false
	for len(way) > 0 && way[0].element == "" {
		next := sought
		if len(way) > 1 {
			next = way[1].from
		}
		e, way, typed = next, way[1:], true
	}
	outer := g.inside
	if e == sought && len(way) == 0 {
		g.inside, g.met = true, true
	}
	for e.def.abstract {
		derived := g.derived(e)
		e, typed = derived[g.r.IntN(len(derived))], true
		if !g.inside {
			e = derived[0]
		}
	}
	if typed {
		fmt.Fprintf(&g.out, ` xsi:type="%s:%s"`, e.space.prefix, e.def.name)
	}
	g.rest(tag, e, way, sought)
	g.inside = outer
}

func (g *generator) rest(tag string, e emitted, way []step, sought emitted) {
	for _, a := range g.attributes(e) {
		g.attribute(a)
	}
	g.out.WriteString(">")
	if g.inside {
		g.rich--
	}
	for _, l := range g.contents(e) {
		g.particle(l, way, sought)
	}
	if g.inside {
		g.rich++
	}
	if e.def.mixed && g.more() {
		g.out.WriteString("texte")
	}
	g.out.WriteString("</" + tag + ">")
}

func (g *generator) more() bool { return g.inside && g.rich >= 0 && g.r.IntN(3) > 0 }

// particle writes one of a content model; the way's element, when it is in there, for certain.
func (g *generator) particle(l located, way []step, sought emitted) {
	if l.kind == "group" {
		group := g.group(l)
		group.card = l.card
		l = group
	}
	forced := len(way) > 0 && g.leads(l, way[0])
	n := 1
	switch {
	case l.card == '~':
		return
	case l.card == '?' && !forced && !g.more():
		return
	case l.card == '*' || l.card == '+':
		if n = 0; g.more() {
			n = g.r.IntN(4)
		}
		if l.card == '+' || forced {
			n = max(n, 1)
		}
	}
	for i := range n {
		var on []step
		if forced && i == 0 {
			on = way
		}
		g.once(l, on, sought)
	}
}

func (g *generator) leads(l located, s step) bool {
	switch l.kind {
	case "element":
		if l.name != s.element {
			return false
		}
		return true
	case "group":
		return g.leads(g.group(l), s)
	}
	return slices.ContainsFunc(l.kids, func(kid particle) bool { return g.leads(located{kid, l.def, l.space}, s) })
}

func (g *generator) once(l located, way []step, sought emitted) {
	switch l.kind {
	case "any":
		g.out.WriteString(`<x xmlns="urn:x" y="z"/>`)
	case "sequence":
		for _, kid := range l.kids {
			k := located{kid, l.def, l.space}
			if on := len(way) > 0 && g.leads(k, way[0]); on {
				g.particle(k, way, sought)
				way = nil
			} else {
				g.particle(k, nil, sought)
			}
		}
	case "choice":
		kid := l.kids[g.r.IntN(len(l.kids))]
		for _, k := range l.kids {
			if len(way) > 0 && g.leads(located{k, l.def, l.space}, way[0]) {
				kid = k
			}
		}
		g.particle(located{kid, l.def, l.space}, way, sought)
	default:
		g.child(l, way, sought)
	}
}

// child writes an element of a content model.
func (g *generator) child(l located, way []step, sought emitted) {
	tag := l.name
	if l.of != "" && l.space != g.w.m.spaces[0] {
		tag = l.space.prefix + ":" + l.name
	}
	to, ok := g.target(l.def, l.space, l.particle)
	switch {
	case !ok:
		g.out.WriteString("<" + tag + ` code="x"/>`)
	case to.def.kind != "class":
		g.out.WriteString("<" + tag + ">" + g.value(to.def.name, to.def) + "</" + tag + ">")
	default:
		if len(way) > 0 {
			way = way[1:]
		}
		g.element(tag, to, way, sought)
	}
}

type typed struct {
	attribute
	def *definition
}

// attributes gives those of a class and of its bases by name.
func (g *generator) attributes(e emitted) []typed {
	all := map[string]typed{}
	g.collect(e.def, e.space, all)
	var out []typed
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, all[name])
	}
	return out
}

func (g *generator) collect(d *definition, s *space, all map[string]typed) {
	if d.base != "" {
		base := g.class(d, s, d.base)
		g.collect(base.def, base.space, all)
	}
	for _, text := range d.attrs {
		switch a := readAttribute(text); {
		case a.group:
			group, at, err := g.w.m.find(d, s, "attributes", a.name)
			if err != nil {
				g.t.Fatal(err)
			}
			g.collect(group, at, all)
		case a.prohibited:
			delete(all, a.name)
		default:
			all[a.name] = typed{a, d}
		}
	}
}

func (g *generator) attribute(a typed) {
	if !a.required && !g.more() {
		return
	}
	value := a.fixed
	if !a.hasFixed {
		value = g.value(a.of, a.def)
	}
	g.out.WriteString(" " + a.name + `="` + value + `"`)
}

// value gives one of a type that d names.
func (g *generator) value(of string, d *definition) string {
	if _, codes, ok := strings.Cut(of, "{"); ok {
		return g.pick(strings.Fields(strings.TrimSuffix(codes, "}")))
	}
	switch of {
	case "xs:ID":
		g.ids++
		return fmt.Sprintf("id%d", g.ids)
	case "":
		return "1.2.3" // of the extensions
	}
	if v := values[of]; v != nil {
		return g.pick(v)
	}
	found, _, err := g.w.m.find(d, d.space, "", of)
	if err != nil {
		g.t.Fatal(err)
	}
	if found.kind == "codes" {
		return g.pick(strings.Fields(found.text))
	}
	if of, ok := strings.CutPrefix(found.text, "list "); ok {
		return g.value(of, found) + " " + g.value(of, found)
	}
	return g.value(found.text, found)
}

func (g *generator) pick(of []string) string { return of[g.r.IntN(len(of))] }

var values = map[string][]string{
	"bl": {"true", "false"}, "bn": {"true"}, "bin": {"QUJD"}, "st": {"a", " é ", "a  b"}, "cs": {"x", "1-2", "mg/L"}, "oid": {"1.2.3"},
	"uid": {"1.2.250.1", "0", "a-b", "01234567-89ab-cdef-0123-456789abcdef"}, "url": {"http://a.b/c", "tel:+33", "#x"},
	"int": {"0", "-3", "+12"}, "int_pos": {"1", "7"}, "ts": {"2021", "20210203", "202102030405+0100", "20210203040506.78-1200", "210"},
	"real": {"1", "-1.50", "+.5", "1e-3", "INF"}, "probability": {"0", "0.5", "1"}, "xs:boolean": {"true", "0"}, "xs:string": {"", "a", " b "},
	"xs:NMTOKEN": {"fr-FR"}, "xs:NMTOKENS": {"Bold", "Bold xItalics"}, "xs:IDREF": {"id1"}, "xs:IDREFS": {"id1 id2"},
}

// classes gives every class that a document can hold, in the order of the model.
func (g *generator) classes() (out []emitted) {
	for _, s := range g.w.m.spaces {
		for _, d := range g.w.m.defs {
			e := emitted{d, s}
			if _, ok := g.ways[e]; d.kind == "class" && !d.abstract && (ok || e == g.root()) {
				out = append(out, e)
			}
		}
	}
	return out
}
