package validate

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

//go:embed rules/*.txt
var ruleFiles embed.FS

const hl7 = "urn:hl7-org:v3"

// spaces are the prefixes that rules use.
var spaces = xmltree.Space{
	"": hl7, "sdtc": "urn:hl7-org:sdtc", "lab": "urn:oid:1.3.6.1.4.1.19376.1.3.2", "ps3-20": "urn:dicom-org:ps3-20",
	"pharm": "urn:ihe:pharm:medication", "xsi": "http://www.w3.org/2001/XMLSchema-instance",
}

// layers are the files that hold for every document; the others hold for their model. The order is that of [Rules].
var layers = []string{"security", "schema", "header", "body", "pdf"}

type rule struct {
	Rule
	model     *model // nil when it holds for every document
	at        *xmltree.Expr
	conds     []cond
	assertion assertion
}

// cond is what must hold at the context for the rule to be asked.
type cond struct {
	not  bool
	expr *xmltree.Expr
}

// assertion is what a rule asks of the node in its context. The fields of its kind are set.
type assertion struct {
	kind     string
	expr     *xmltree.Expr
	min, max int // of has; max -1 for no bound
	values   []string
	form     func(string) bool
	set      codeSet
	call     func(*visit, xmltree.Node)
}

type model struct {
	name string
	at   *xmltree.Expr // the templateId that selects it
}

type ruleTable struct {
	rules  []*rule
	byID   map[string]*rule
	models []*model
}

// table is read once; that it can be read is what the tests see first.
var table = sync.OnceValue(func() *ruleTable {
	t, err := readTable(ruleFiles)
	if err != nil {
		panic(err)
	}
	return t
})

func readTable(fsys fs.FS) (*ruleTable, error) {
	names, err := fs.Glob(fsys, "rules/*.txt")
	if err != nil {
		return nil, err
	}
	rank := func(file string) int {
		if i := slices.Index(layers, layerOf(file)); i >= 0 {
			return i
		}
		return len(layers)
	}
	slices.SortStableFunc(names, func(a, b string) int { return rank(a) - rank(b) })
	t := &ruleTable{byID: map[string]*rule{}}
	for _, name := range names {
		b, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		if err := t.readFile(layerOf(name), string(b)); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return t, nil
}

func layerOf(file string) string { return strings.TrimSuffix(path.Base(file), ".txt") }

// pair is a line "key: value".
type pair struct{ key, value string }

// readFile reads stanzas, parted by empty lines; the lines of a stanza are "key: value", a line that begins with two blanks goes on with the value
// before, # begins a comment line.
func (t *ruleTable) readFile(layer, text string) error {
	f := file{table: t, layer: layer}
	var stanza []pair
	for n, line := range append(strings.Split(text, "\n"), "") {
		if rest, ok := strings.CutPrefix(line, "  "); ok && len(stanza) > 0 {
			stanza[len(stanza)-1].value += " " + strings.TrimSpace(rest)
			continue
		}
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") {
			continue
		}
		if line == "" {
			if err := f.stanza(stanza); err != nil {
				return fmt.Errorf("stanza before line %d: %w", n+1, err)
			}
			stanza = nil
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			return fmt.Errorf("line %d: no key", n+1)
		}
		stanza = append(stanza, pair{key, strings.TrimSpace(value)})
	}
	return nil
}

type file struct {
	table  *ruleTable
	layer  string
	clause string
	model  *model
}

func (f *file) stanza(lines []pair) error {
	if len(lines) == 0 {
		return nil
	}
	switch lines[0].key {
	case "rule":
		return f.rule(lines)
	case "section":
		if f.model != nil {
			return f.section(lines)
		}
	case "model":
		f.model = &model{name: lines[0].value}
		f.table.models = append(f.table.models, f.model)
	}
	for _, l := range lines {
		if f.model == nil && l.key != "clause" {
			return fmt.Errorf("key %q is not known before a model", l.key)
		}
		switch l.key {
		case "model":
		case "template":
			e, err := xmltree.Compile("/ClinicalDocument/templateId[@root='"+l.value+"']", spaces)
			if err != nil {
				return err
			}
			f.model.at = e
		case "edition":
		case "clause":
			f.clause = l.value
		default:
			return fmt.Errorf("key %q is not known here", l.key)
		}
	}
	for i := range lines {
		if lines[i].key == "edition" {
			return f.edition(lines[i].value)
		}
	}
	return nil
}

// edition makes the rule that the template is of an edition that the rules of the model were written for.
func (f *file) edition(known string) error {
	at := f.model.at.String()
	return f.rule([]pair{{"rule", "FR-" + f.model.name + "-EDITION information"}, {"at", at + "[@extension]"}, {"is", "@extension " + known},
		{"text", "the edition of the model is not one that its rules were written for: " + known}})
}

// rule reads one rule.
func (f *file) rule(lines []pair) error {
	r := &rule{Rule: Rule{Layer: f.layer, Clause: f.clause}, model: f.model}
	if f.model != nil {
		r.Layer = f.model.name
	}
	for _, l := range lines {
		if err := r.line(l); err != nil {
			return fmt.Errorf("rule %s: %s: %w", lines[0].value, l.key, err)
		}
	}
	return f.add(r)
}

func (f *file) add(r *rule) error {
	switch {
	case f.table.byID[r.ID] != nil:
		return fmt.Errorf("rule %s is there twice", r.ID)
	case r.Text == "" || r.Clause == "":
		return fmt.Errorf("rule %s has no text or no clause", r.ID)
	case r.at == nil != (r.assertion.kind == ""):
		return fmt.Errorf("rule %s needs both a context and an assertion, or neither", r.ID)
	case r.Inferred && r.Severity < cda.Warning:
		return fmt.Errorf("rule %s is inferred and yet an error", r.ID)
	}
	f.table.rules, f.table.byID[r.ID] = append(f.table.rules, r), r
	return nil
}

func (r *rule) line(l pair) (err error) {
	switch l.key {
	case "rule":
		id, severity, _ := strings.Cut(l.value, " ")
		r.ID = id
		r.Severity, r.Inferred, err = severityOf(severity)
	case "clause":
		r.Clause = l.value
	case "text":
		r.Text = l.value
	case "at":
		r.at, err = xmltree.Compile(l.value, spaces)
	case "if":
		p, not := strings.CutPrefix(l.value, "not ")
		c := cond{not: not}
		c.expr, err = xmltree.Compile(p, spaces)
		r.conds = append(r.conds, c)
	default:
		if r.assertion.kind != "" {
			return fmt.Errorf("a second assertion")
		}
		r.assertion, err = readAssertion(l)
	}
	return err
}

// severityOf reads "error", or "warning inferred".
func severityOf(s string) (cda.Severity, bool, error) {
	s, inferred := strings.CutSuffix(s, " inferred")
	for sev := cda.Fatal; sev <= cda.Information; sev++ {
		if sev.String() == s {
			return sev, inferred, nil
		}
	}
	return 0, false, fmt.Errorf("%q is no severity", s)
}

// readAssertion reads
//
//	has:   n..m PATH          so many elements
//	is:    EXPR V | V         the value is one of these
//	form:  EXPR NAME          the value is well-formed, see forms
//	in:    SET                code and codeSystem of the node are in a set of codes
//	call:  NAME               a function of ours, see calls
func readAssertion(l pair) (a assertion, err error) {
	a.kind = l.key
	first, rest, _ := strings.Cut(l.value, " ")
	switch l.key {
	case "has":
		if a.min, a.max, err = bounds(first); err == nil {
			a.expr, err = xmltree.Compile(rest, spaces)
		}
	case "is":
		a.expr, err = xmltree.Compile(first, spaces)
		for v := range strings.SplitSeq(rest, "|") {
			a.values = append(a.values, strings.TrimSpace(v))
		}
	case "form":
		if a.form = forms[rest]; a.form == nil {
			return a, fmt.Errorf("form %q is not known", rest)
		}
		a.expr, err = xmltree.Compile(first, spaces)
	case "in":
		if a.set = codeSets()[l.value]; a.set == nil {
			return a, fmt.Errorf("set %q is not known", l.value)
		}
	case "call":
		if a.call = calls[l.value]; a.call == nil {
			return a, fmt.Errorf("function %q is not known", l.value)
		}
	default:
		return a, fmt.Errorf("the key is not known")
	}
	return a, err
}

func bounds(s string) (lo, hi int, err error) {
	from, to, ok := strings.Cut(s, "..")
	if !ok {
		return 0, 0, fmt.Errorf("%q is no n..m", s)
	}
	if lo, err = strconv.Atoi(from); err != nil {
		return 0, 0, err
	}
	if to == "*" {
		return lo, -1, nil
	}
	hi, err = strconv.Atoi(to)
	return lo, hi, err
}

// section reads "section: CODE n..m severity", its name and its templates, each followed by "inferred" where it alone is, and makes of it the rules
// how often the section is there and which templates it has.
func (f *file) section(lines []pair) error {
	words := strings.Fields(lines[0].value)
	if len(words) < 3 {
		return fmt.Errorf("section: code, n..m and severity are due")
	}
	code, count, severity := words[0], words[1], strings.Join(words[2:], " ")
	var name string
	var templates []string
	for _, l := range lines[1:] {
		switch l.key {
		case "name":
			name = l.value
		case "template":
			templates = append(templates, l.value)
		default:
			return fmt.Errorf("section %s: key %q is not known", code, l.key)
		}
	}
	id := "FR-" + f.model.name + "-SECTION-" + code
	err := f.rule([]pair{{"rule", id + " " + severity}, {"at", "/ClinicalDocument/component/structuredBody"},
		{"has", count + " .//section[code/@code='" + code + "']"},
		{"text", "section " + code + " (" + name + ") is due " + count + " times"}})
	for i, t := range templates {
		if err != nil {
			break
		}
		severity := severity
		if own, inferred := strings.CutSuffix(t, " inferred"); inferred {
			t, severity = own, "warning inferred"
		}
		err = f.rule([]pair{{"rule", fmt.Sprintf("%s-T%d %s", id, i+1, severity)}, {"at", "//section[code/@code='" + code + "']"},
			{"has", "1..1 templateId[@root='" + t + "']"}, {"text", "section " + code + " (" + name + ") must bear templateId " + t + " once"}})
	}
	return err
}
