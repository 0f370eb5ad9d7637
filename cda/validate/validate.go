// Package validate judges clinical documents (CDA R2) in three layers: a schema, the French header rules (Structuration minimale) and the document
// models; and the PDF that a document carries. Rules are data where they can be: rules/*.txt and codes/*.txt hold them, and [Rules] lists them.
// It shows nothing of a document's content: a finding says which rule was broken and where.
package validate

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

// Options say how to judge; the zero value judges by our schema and every rule.
type Options struct {
	Schemas     []Schema // layer 1, judged in this order; ours when empty, none when CDA-SCHEMA* is off
	Off         []string // rules not to judge by: identifiers, or their beginning and a * (FR-BIO-*)
	NotInferred bool     // leave out the rules that were inferred from examples
	MaxBytes    int      // longest document, 32 MiB when 0
	MaxFindings int      // 256 when 0; one more tells that there were more
}

const (
	maxNodes    = 1 << 19 // of a document, elements and runs of text: ten times what the largest published one has
	maxFindings = 256
	maxPerRule  = 32
)

// Rule is what [Rules] tells about a rule.
type Rule struct {
	ID       string
	Severity cda.Severity
	Layer    string // the file that holds it: security, header, body, or a document model
	Clause   string
	Text     string
	Inferred bool // seen in examples and not read in a specification
}

// Rules lists every rule, in the order of the files that hold them.
func Rules() []Rule {
	t := table()
	out := make([]Rule, len(t.rules))
	for i, r := range t.rules {
		out[i] = r.Rule
	}
	return out
}

// Validate judges a document. The findings come in the order of lines, then of rules, and are the same each time.
func Validate(doc []byte, o Options) []cda.Finding {
	if o.MaxFindings <= 0 {
		o.MaxFindings = maxFindings
	}
	v := &visit{options: o, table: table()}
	defer v.giveBack()
	tree, err := xmltree.Parse(doc, xmltree.Options{MaxBytes: o.MaxBytes, MaxNodes: maxNodes})
	if err != nil {
		v.unreadable(err)
		return v.findings()
	}
	v.tree = tree
	v.enter()
	if v.root = tree.Root(); v.root.Local() != "ClinicalDocument" || v.root.Space() != hl7 {
		v.report(v.table.byID["CDA-ROOT"], v.root)
		return v.findings()
	}
	v.judge()
	v.schemas(doc)
	return v.findings()
}

// enter goes into the stylesheet of a document that displays itself: of that nothing is judged, as it is never executed.
func (v *visit) enter() {
	outer := v.tree.Root()
	if outer.Space() != xslt || outer.Local() != "stylesheet" && outer.Local() != "transform" {
		return
	}
	place := 0
	for n := range outer.Children() {
		if n.Local() == "ClinicalDocument" && n.Space() == hl7 {
			v.displayed, v.place = outer.Line(), place
			v.tree.Narrow(n)
			return
		}
		place++
	}
}

// visit is one judgement under way.
type visit struct {
	options Options
	table   *ruleTable
	tree    *xmltree.Tree
	root    xmltree.Node
	rule    *rule // the one being judged
	// The line of the stylesheet that the document stands in, 0 when it does not; and which of its elements it is, from 0.
	displayed, place int

	said  map[*rule]int
	more  bool
	ids   map[string]xmltree.Node       // see known
	owns  map[string]xmltree.Node       // see own
	inses map[xmltree.Node]xmltree.Node // see ins
	media map[xmltree.Node]media        // see decoded
	raw   []raw

	borrowed []*[]byte // see buffer
}

// buffers are used again: no finding holds anything of a document.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// buffer is memory for so many octets until the visit ends.
func (v *visit) buffer(length int) []byte {
	b := buffers.Get().(*[]byte)
	*b = slices.Grow((*b)[:0], length)
	v.borrowed = append(v.borrowed, b)
	return *b
}

// maxBuffer is the largest buffer that is kept, in octets.
const maxBuffer = 1 << 20

func (v *visit) giveBack() {
	for _, b := range v.borrowed {
		if cap(*b) <= maxBuffer {
			buffers.Put(b)
		}
	}
	v.borrowed = nil
}

// raw is a finding whose path is not yet written.
type raw struct {
	rule   *rule
	node   xmltree.Node
	line   int
	text   string // instead of the rule's
	clause string // likewise
	soft   bool   // a warning here, though the rule is an error
}

// report adds a finding at a node, none for the document as a whole.
func (v *visit) report(r *rule, n xmltree.Node) {
	line := 0
	if !n.IsZero() {
		line = n.Line()
	}
	v.add(raw{rule: r, node: n, line: line})
}

func (v *visit) add(f raw) {
	if v.off(f.rule) {
		return
	}
	if v.said == nil {
		v.said = map[*rule]int{}
	}
	if v.said[f.rule]++; v.said[f.rule] > maxPerRule {
		v.more = true
		return
	}
	v.raw = append(v.raw, f)
}

func (v *visit) off(r *rule) bool {
	if r.Inferred && v.options.NotInferred {
		return true
	}
	return slices.ContainsFunc(v.options.Off, func(id string) bool {
		prefix, all := strings.CutSuffix(id, "*")
		return id == r.ID || all && strings.HasPrefix(r.ID, prefix)
	})
}

// unreadable turns the error of the reader into the one finding there is.
func (v *visit) unreadable(err error) {
	id, line, text := "CDA-XML", 0, ""
	var syntax *xmlpull.SyntaxError
	switch {
	case errors.As(err, &syntax):
		line, text = syntax.Line, "the document is not well-formed: "+syntax.Reason
		for part, rule := range unreadables {
			if strings.Contains(syntax.Reason, part) {
				id, text = rule, ""
			}
		}
	case errors.Is(err, xmltree.ErrTooLarge):
		id = "SEC-SIZE"
	}
	v.add(raw{rule: v.table.byID[id], line: line, text: text})
}

// unreadables are the rules for what the reader refuses and says why.
var unreadables = map[string]string{
	"DOCTYPE": "SEC-DOCTYPE", "unknown entity": "SEC-ENTITY", "depth exceeds": "SEC-DEPTH", "UTF-8": "SEC-ENCODING", "UTF-16": "SEC-ENCODING",
}

// severity is that of the finding.
func (r raw) severity() cda.Severity {
	if r.soft {
		return max(r.rule.Severity, cda.Warning)
	}
	return r.rule.Severity
}

// findings writes what was found in the order of lines. When there is too much the gravest stay.
func (v *visit) findings() []cda.Finding {
	byLine := func(a, b raw) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.rule.ID, b.rule.ID))
	}
	slices.SortStableFunc(v.raw, byLine)
	v.raw = slices.CompactFunc(v.raw, func(a, b raw) bool { return a == b })
	if len(v.raw) > v.options.MaxFindings {
		slices.SortStableFunc(v.raw, func(a, b raw) int { return cmp.Compare(a.severity(), b.severity()) })
		v.raw, v.more = v.raw[:v.options.MaxFindings], true
		slices.SortStableFunc(v.raw, byLine)
	}
	var out []cda.Finding
	for _, r := range v.raw {
		f := cda.Finding{Rule: r.rule.ID, Severity: r.severity(), Line: r.line, Text: cmp.Or(r.text, r.rule.Text), Clause: cmp.Or(r.clause, r.rule.Clause)}
		if !r.node.IsZero() {
			f.Path = r.node.Path()
		}
		out = append(out, f)
	}
	if v.more {
		r := v.table.byID["CDA-MORE"]
		out = append(out, cda.Finding{Rule: r.ID, Severity: r.Severity, Text: r.Text, Clause: r.Clause})
	}
	return out
}
