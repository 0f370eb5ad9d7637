package schematron

import (
	"bytes"
	"regexp"
	"slices"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

// prepare marks, in a stylesheet that makes SVRL, what a message says of its own and what it takes from the document: each text of a result is marked
// as known, and each instruction in it that gives a value is put into an element of ours. Names of elements are no values. What is not marked so is
// withheld when messages are read; a stylesheet that cannot be marked gives no texts at all.
func prepare(sheet []byte) []byte {
	tree, err := xmltree.Parse(sheet, xmltree.Options{MaxBytes: maxFileBytes})
	if err != nil || expands(tree.Root()) {
		return sheet
	}
	m := marker{sheet: sheet}
	m.look(tree.Root())
	for d := range tree.Root().Descendants() {
		m.look(d)
	}
	return m.spliced()
}

// expands tells whether texts of the stylesheet may hold expressions in braces (XSLT 3.0 5.6.2).
func expands(root xmltree.Node) bool {
	on := func(n xmltree.Node) bool {
		return slices.ContainsFunc(n.Attrs(), func(a xmlpull.Attr) bool {
			return a.Name.Local == "expand-text" && (a.Name.Space == "" || a.Name.Space == xslNS) && !slices.Contains([]string{"no", "false", "0"}, a.Value)
		})
	}
	if on(root) {
		return true
	}
	for d := range root.Descendants() {
		if on(d) {
			return true
		}
	}
	return false
}

type marker struct {
	sheet []byte
	cuts  []cut
}

// cut is a text to be put in at a place.
type cut struct {
	at   int
	text string
}

const (
	knownMark = ` xmlns:` + oursPrefix + `="` + ours + `" ` + oursPrefix + `:known="1"`
	valueOpen = `<` + oursPrefix + `:value xmlns:` + oursPrefix + `="` + ours + `">`
	valueEnd  = `</` + oursPrefix + `:value>`
)

// look marks an element when it is a text of the result.
func (m *marker) look(n xmltree.Node) {
	if n.Space() != svrlNS || n.Local() != "text" && n.Local() != "diagnostic-reference" {
		return
	}
	from, _ := n.Span()
	name := bytes.IndexAny(m.sheet[from:], " \t\r\n/>")
	if name < 0 || bytes.Contains(m.sheet[from:from+endOfTag(m.sheet[from:])], []byte("xmlns:"+oursPrefix)) {
		return
	}
	m.cuts = append(m.cuts, cut{from + name, knownMark})
	m.values(n)
}

// endOfTag is the length of the start tag that b begins with.
func endOfTag(b []byte) int {
	quote := byte(0)
	for i, c := range b {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			return i
		}
	}
	return len(b)
}

// nameCall is an expression that gives the name of a node and no value.
var nameCall = regexp.MustCompile(`^\s*(local-)?name\([^()]*\)\s*$`)

func (m *marker) values(n xmltree.Node) {
	for k := range n.Children() {
		if k.Space() != xslNS {
			if k.Space() != svrlNS || k.Local() != "text" { // marked by itself
				m.values(k)
			}
			continue
		}
		switch k.Local() {
		case "text", "attribute", "namespace", "variable", "param", "with-param", "sort":
		case "if", "choose", "when", "otherwise", "for-each", "for-each-group":
			m.values(k)
		default:
			if k.Local() == "value-of" && nameCall.MatchString(k.Value("select")) {
				continue
			}
			from, to := k.Span()
			m.cuts = append(m.cuts, cut{from, valueOpen}, cut{to, valueEnd})
		}
	}
}

func (m *marker) spliced() []byte {
	slices.SortStableFunc(m.cuts, func(a, b cut) int { return a.at - b.at })
	out := make([]byte, 0, len(m.sheet)+64*len(m.cuts))
	done := 0
	for _, c := range m.cuts {
		out = append(append(out, m.sheet[done:c.at]...), c.text...)
		done = c.at
	}
	return append(out, m.sheet[done:]...)
}
