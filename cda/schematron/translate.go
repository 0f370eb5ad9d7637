package schematron

import (
	"fmt"
	"slices"
	"strings"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// ours is the namespace of what the stylesheets made here have of their own; its prefix must not be a schema's.
const (
	ours       = "urn:passerelle:schematron"
	oursPrefix = "_p"
)

// pathFunction gives the location of a node: names with their namespaces and positions, so that it holds whatever the prefixes.
const pathFunction = `<xsl:function name="_p:path" as="xs:string"><xsl:param name="n" as="node()?"/><xsl:sequence select="if (empty($n)) then '' else
 if ($n/self::attribute()) then concat(_p:path($n/..), '/@*:', local-name($n), '[namespace-uri()=''', namespace-uri($n), ''']') else
 if ($n/self::element()) then
 string-join(for $e in $n/ancestor-or-self::*, $q in node-name($e) return concat('/*:', local-name($e), '[namespace-uri()=''', namespace-uri($e), '''][',
 1 + count($e/preceding-sibling::*[node-name(.) eq $q]), ']'), '') else if ($n/..) then concat(_p:path($n/..), '/node()') else '/'"/></xsl:function>
`

// bindings are the query languages that are understood. XSLT 1 expressions are judged by XPath 2.
var bindings = map[string]bool{"": true, "xslt": true, "xslt1": true, "xslt2": true, "xslt3": true, "xpath": true, "xpath2": true, "xpath3": true}

// translate makes the stylesheet of a schema: a mode for each pattern, a template for each rule, of which the first that matches a node wins
// [ISO 19757-3 6.5]. name is the file to begin with, phase the phase to judge by, the schema's default when empty.
func translate(read func(string) ([]byte, error), name, phase string) ([]byte, error) {
	r := reader{read: read, namespaces: map[string]string{}}
	schema, err := r.schema(name)
	if err != nil {
		return nil, err
	}
	if b := strings.ToLower(schema.attrs["queryBinding"]); !bindings[b] {
		return nil, schema.errorf("the query language %s is not understood", b)
	}
	t := translator{schema: schema, namespaces: r.namespaces, abstract: map[string]*node{}, diagnostics: map[string]*node{}, globals: map[string]int{}}
	if err := t.prepare(phase); err != nil {
		return nil, err
	}
	t.stylesheet()
	return []byte(t.out.String()), t.err
}

type translator struct {
	schema      *node
	phase       *node
	phaseName   string
	patterns    []*node
	namespaces  map[string]string
	abstract    map[string]*node // rules
	diagnostics map[string]*node
	globals     map[string]int // how many lets outside rules bear a name
	parts       int
	out         strings.Builder
	err         error
}

// prepare resolves what the schema refers to by name.
func (t *translator) prepare(phase string) (err error) {
	if phase == "" || phase == "#DEFAULT" {
		phase = t.schema.attrs["defaultPhase"]
	}
	if t.phaseName = phase; phase != "" && phase != "#ALL" {
		t.schema.every("phase", func(p *node) {
			if p.attrs["id"] == phase {
				t.phase = p
			}
		})
		if t.phase == nil {
			return t.schema.errorf("there is no phase %s", phase)
		}
	}
	t.schema.every("ns", func(n *node) {
		prefix, uri := n.attrs["prefix"], n.attrs["uri"]
		if was, ok := t.namespaces[prefix]; ok && was != uri && err == nil {
			err = n.errorf("the prefix %s means %s here and %s elsewhere", prefix, uri, was)
		}
		t.namespaces[prefix] = uri
	})
	for prefix := range t.namespaces {
		if prefix == oursPrefix {
			err = t.schema.errorf("the prefix %s is kept for the translation", prefix)
		}
	}
	if err != nil {
		return err
	}
	t.schema.every("diagnostics", func(n *node) { n.every("diagnostic", func(d *node) { t.diagnostics[d.attrs["id"]] = d }) })
	holders := []*node{t.schema}
	t.schema.every("pattern", func(p *node) { holders = append(holders, p) })
	t.schema.every("rules", func(p *node) { holders = append(holders, p) })
	for _, h := range holders {
		h.every("rule", func(r *node) {
			if r.attrs["abstract"] == "true" {
				t.abstract[r.attrs["id"]] = r
			}
		})
	}
	if t.patterns, err = patterns(t.schema, t.phase); err != nil {
		return err
	}
	count := func(let *node) { t.globals[let.attrs["name"]]++ }
	t.schema.every("let", count)
	if t.phase != nil {
		t.phase.every("let", count)
	}
	for _, p := range t.patterns {
		p.every("let", count)
	}
	return nil
}

func (t *translator) fail(err error) {
	if t.err == nil {
		t.err = err
	}
}

func (t *translator) print(format string, args ...any) { fmt.Fprintf(&t.out, format, args...) }

func (t *translator) stylesheet() {
	version := "2.0"
	if strings.HasSuffix(t.schema.attrs["queryBinding"], "3") {
		version = "3.0"
	}
	t.print(`<xsl:stylesheet version="%s" xmlns:xsl="%s" xmlns:svrl="%s" xmlns:xs="%s" xmlns:%s="%s"`, version, xslNS, svrlNS, xsNS, oursPrefix, ours)
	prefixes := make([]string, 0, len(t.namespaces))
	for p, uri := range t.namespaces {
		switch p {
		case "xsl", "svrl", "xs":
			if map[string]string{"xsl": xslNS, "svrl": svrlNS, "xs": xsNS}[p] != uri {
				t.fail(t.schema.errorf("the prefix %s is kept for %s", p, uri))
			}
		default:
			prefixes = append(prefixes, p)
		}
	}
	slices.Sort(prefixes)
	for _, p := range prefixes {
		t.print(` xmlns:%s="%s"`, p, escape(t.namespaces[p]))
	}
	t.print(" exclude-result-prefixes=\"#all\">\n")
	// Imports come first, as they must.
	t.foreign(t.schema, func(n *node) bool { return n.Local == "import" })
	t.print("<xsl:output method=\"xml\" encoding=\"UTF-8\"/>\n%s", pathFunction)
	t.foreign(t.schema, func(n *node) bool { return n.Local != "import" })
	t.schema.every("let", t.let)
	if t.phase != nil {
		t.phase.every("let", t.let)
	}
	for _, p := range t.patterns {
		t.foreign(p, func(n *node) bool { return true })
		p.every("let", func(l *node) {
			if t.globals[l.attrs["name"]] == 1 {
				t.let(l)
			}
		})
	}
	t.start()
	for i, p := range t.patterns {
		t.pattern(i+1, p)
	}
	t.print("</xsl:stylesheet>\n")
}

// foreign writes the parts of XSLT in an element, such as keys and functions.
func (t *translator) foreign(n *node, wanted func(*node) bool) {
	for _, k := range n.kids {
		if k.Space == xslNS && wanted(k) {
			t.print("%s\n", k.raw)
		}
	}
}

// let writes a variable.
func (t *translator) let(n *node) {
	as := ""
	if a, ok := n.attrs["as"]; ok {
		as = fmt.Sprintf(` as="%s"`, escape(a))
	}
	if v, ok := n.attrs["value"]; ok {
		t.print("<xsl:variable name=\"%s\"%s select=\"%s\"/>\n", escape(n.attrs["name"]), as, escape(v))
		return
	}
	t.print("<xsl:variable name=\"%s\"%s>%s</xsl:variable>\n", escape(n.attrs["name"]), as, n.inner)
}

// start writes the template that begins, and applies the patterns one after the other.
func (t *translator) start() {
	kinds := map[string]bool{}
	t.print("<xsl:template match=\"/\"><svrl:schematron-output")
	t.attribute("schemaVersion", t.schema.attrs["schemaVersion"])
	t.attribute("phase", t.phaseName)
	if title := t.schema.child("title"); title != nil {
		t.attribute("title", title.plain())
	}
	t.print(">\n")
	t.schema.every("ns", func(n *node) {
		t.print("<svrl:ns-prefix-in-attribute-values")
		t.attribute("uri", n.attrs["uri"])
		t.attribute("prefix", n.attrs["prefix"])
		t.print("/>\n")
	})
	for i, p := range t.patterns {
		if _, ok := p.attrs["documents"]; ok {
			t.fail(p.errorf("a pattern about other documents is not understood"))
		}
		t.print("<svrl:active-pattern")
		t.attribute("id", p.attrs["id"])
		if title := p.child("title"); title != nil {
			t.attribute("name", title.plain())
		}
		nodes := nodesOf(p)
		kinds[nodes] = true
		t.print("/><xsl:apply-templates select=\"$_p:%s\" mode=\"_p:m%d\"/>\n", nodes, i+1)
	}
	t.print("</svrl:schematron-output></xsl:template>\n")
	for _, k := range []string{"elements", "attributes", "nodes"} {
		if kinds[k] {
			t.print("<xsl:variable name=\"_p:%s\" select=\"%s\"/>\n", k,
				map[string]string{"elements": "/ | //*", "attributes": "/ | //* | //@*", "nodes": "/ | //node() | //@*"}[k])
		}
	}
}

// nodesOf tells which nodes the rules of a pattern can be about, by a look at their contexts that rather takes too many.
func nodesOf(p *node) string {
	kind := "elements"
	p.every("rule", func(r *node) {
		steps := outside(r.attrs["context"])
		switch {
		case strings.ContainsAny(steps, "(") || strings.Contains(steps, "::"):
			kind = "nodes"
		case strings.Contains(steps, "@") && kind == "elements":
			kind = "attributes"
		}
	})
	return kind
}

// outside is a path without its predicates and literals.
func outside(path string) string {
	var b strings.Builder
	depth, quote := 0, byte(0)
	for i := range len(path) {
		c := path[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '[':
			depth++
		case c == ']':
			depth--
		case depth == 0:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// pattern writes the rules of a pattern, the first with the highest priority, and the template of what no rule is about.
func (t *translator) pattern(number int, p *node) {
	var rules []*node
	p.every("rule", func(r *node) {
		if r.attrs["abstract"] != "true" {
			rules = append(rules, r)
		}
	})
	place := p.attrs["id"]
	if !identifier.MatchString(place) {
		place = fmt.Sprintf("pattern-%d", number)
	}
	for i, r := range rules {
		parts, err := assertions(r, t.abstract, 0, &t.parts)
		if err != nil {
			t.fail(err)
			return
		}
		if r.attrs["context"] == "" {
			t.fail(r.errorf("a rule without context"))
			return
		}
		t.print("<xsl:template match=\"%s\" mode=\"_p:m%d\" priority=\"%d\">\n<svrl:fired-rule", escape(r.attrs["context"]), number, len(rules)-i)
		for _, a := range []string{"id", "context", "role", "flag"} {
			t.attribute(a, r.attrs[a])
		}
		t.print("/>\n")
		t.own(p, r)
		asserts := 0
		for _, k := range parts {
			switch {
			case k.is("let"):
				t.let(k)
			case k.is("assert"), k.is("report"):
				asserts++
				t.assertion(r, k, fmt.Sprintf("%s/rule-%d/%s-%d", place, i+1, k.Local, asserts))
			case k.Space == xslNS:
				t.print("%s\n", k.raw)
			}
		}
		t.print("</xsl:template>\n")
	}
	t.print("<xsl:template match=\"/ | node() | @*\" mode=\"_p:m%d\" priority=\"-1\"/>\n", number)
}

// own writes the lets of a pattern that share their name with another's: within each rule, judged at the root as they would be outside.
func (t *translator) own(p, rule *node) {
	p.every("let", func(l *node) {
		name := l.attrs["name"]
		if t.globals[name] < 2 {
			return
		}
		if slices.Contains(variables(rule.attrs["context"]), name) {
			t.fail(rule.errorf("the variable %s of a context is declared in several patterns", name))
		}
		if v, ok := l.attrs["value"]; ok {
			t.print("<xsl:variable name=\"%s\" select=\"(/)/(%s)\"/>\n", escape(name), escape(v))
			return
		}
		t.let(l)
	})
}

func variables(expr string) []string {
	var out []string
	for {
		_, rest, ok := strings.Cut(expr, "$")
		if !ok {
			return out
		}
		end := strings.IndexFunc(rest+" ", func(r rune) bool { return !nameRune(r) })
		out, expr = append(out, rest[:end]), rest[end:]
	}
}

// assertion writes a test and what it says when it fails, or holds in a report.
func (t *translator) assertion(rule, n *node, place string) {
	if n.attrs["test"] == "" {
		t.fail(n.errorf("a test is due"))
		return
	}
	element := "failed-assert"
	if test := escape(n.attrs["test"]); n.Local == "assert" {
		t.print("<xsl:if test=\"not(%s)\">", test)
	} else {
		element = "successful-report"
		t.print("<xsl:if test=\"%s\">", test)
	}
	t.print("<svrl:%s %s:at=\"%s\"", element, oursPrefix, place)
	for _, a := range []string{"test", "id", "role", "flag", "see"} {
		value := n.attrs[a]
		if (a == "role" || a == "flag") && value == "" && n.attrs["role"]+n.attrs["flag"] == "" {
			value = rule.attrs[a]
		}
		t.attribute(a, value)
	}
	subject := n.attrs["subject"]
	if subject == "" {
		subject = rule.attrs["subject"]
	}
	if subject == "" {
		subject = "."
	}
	t.print("><xsl:attribute name=\"location\" select=\"_p:path((%s)[1])\"/><svrl:text>", escape(subject))
	t.message(n)
	t.print("</svrl:text>")
	for _, id := range strings.Fields(n.attrs["diagnostics"]) {
		d := t.diagnostics[id]
		if d == nil {
			t.fail(n.errorf("there is no diagnostic %s", id))
			return
		}
		t.print("<svrl:diagnostic-reference")
		t.attribute("diagnostic", id)
		t.print("><svrl:text>")
		t.message(d)
		t.print("</svrl:text></svrl:diagnostic-reference>")
	}
	t.print("</svrl:%s></xsl:if>\n", element)
}

// message writes what an assertion says: text, names and values.
func (t *translator) message(n *node) {
	for _, k := range n.kids {
		switch {
		case k.Local == "":
			t.print("<xsl:text>%s</xsl:text>", xmlpull.AppendText(nil, k.text))
		case k.is("value-of"):
			t.print("<xsl:value-of select=\"%s\"/>", escape(k.attrs["select"]))
		case k.is("name"):
			path := k.attrs["path"]
			if path == "" {
				path = "."
			}
			t.print("<xsl:value-of select=\"name(%s)\"/>", escape(path))
		case k.Space == xslNS:
			t.print("%s", k.raw)
		default: // emph, dir, span
			t.message(k)
		}
	}
}

// attribute writes a literal attribute, nothing when it is empty.
func (t *translator) attribute(name, value string) {
	if value != "" {
		t.print(" %s=\"%s\"", name, literal(value))
	}
}

func escape(s string) string { return string(xmlpull.AppendAttr(nil, s)) }

// literal is the value of an attribute of a literal result element, in which braces would begin an expression.
func literal(s string) string {
	return escape(strings.NewReplacer("{", "{{", "}", "}}").Replace(s))
}
