package xmltree

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// maxShown is how much of a name is shown in a location: it is the document's word, and there is no bound on it.
const maxShown = 48

// Path is the location of the element as an XPath from the root, every step with its position, names as the document writes them:
// /ClinicalDocument[1]/recordTarget[1]/patientRole[1]/id[2].
func (n Node) Path() string {
	var steps []string
	for ; !n.IsZero(); n = n.Parent() {
		steps = append(steps, "/"+n.written()+"["+strconv.Itoa(n.position())+"]")
	}
	slices.Reverse(steps)
	return strings.Join(steps, "")
}

// written is the name with the prefix that the start tag has.
func (n Node) written() string {
	s := alias(n.t.doc[n.self().off+1:])
	s = s[:min(len(s), maxShown)]
	if i := strings.IndexAny(s, " \t\r\n/>"); i >= 0 {
		s = s[:i]
	}
	return strings.ToValidUTF8(s, "")
}

func (n Node) position() int {
	parent := n.Parent()
	if parent.IsZero() {
		return 1
	}
	pos, name := 0, n.Name()
	for c := range parent.Children() {
		if c.Name() == name {
			pos++
		}
		if c.i == n.i {
			break
		}
	}
	return pos
}

// Expr is a compiled path: steps from an element to others, or to an attribute of theirs.
//
//	id                      children of that name
//	/ClinicalDocument/id    from the root
//	.//section              descendants; a//b the same in the middle, //a from the root
//	.   ..   *              the element, its parent, children of any name
//	@root                   an attribute, as the last step
//	name[2]                 the second of those that one element has
//	id[@root='1.2']         with an attribute of this value; also [@root!='1.2'], [@root], [code/@code='x'], [not(id)], several after one another
//
// A name without a prefix is of the default namespace, one with a prefix of the namespace given for it; an attribute without a prefix is of none.
type Expr struct {
	source   string
	absolute bool
	steps    []step
	attr     *xmlpull.Name
}

type axis uint8

const (
	child axis = iota
	descendant
	self
	parent
)

type step struct {
	axis     axis
	any      bool
	name     xmlpull.Name
	filters  []filter
	position int
}

type filter struct {
	expr  *Expr
	not   bool
	op    string // "" for existence
	value string
}

// Space gives the namespace of each prefix of an expression; that of "" is the default.
type Space map[string]string

// Compile compiles a path.
func Compile(source string, ns Space) (*Expr, error) {
	p := parser{s: source, ns: ns}
	e, err := p.expr()
	if err == nil && p.s != "" {
		err = fmt.Errorf("%q is left", p.s)
	}
	if err != nil {
		return nil, fmt.Errorf("path %s: %w", source, err)
	}
	return e, nil
}

// String is the source of the expression.
func (e *Expr) String() string { return e.source }

type parser struct {
	s  string
	ns Space
}

func (p *parser) take(prefix string) bool {
	rest, ok := strings.CutPrefix(p.s, prefix)
	p.s = rest
	return ok
}

func (p *parser) expr() (*Expr, error) {
	e, from := &Expr{}, p.s
	ax := child
	switch {
	case p.take("//"):
		e.absolute, ax = true, descendant
	case p.take("/"):
		e.absolute = true
	}
	for {
		if p.take("@") {
			name, err := p.name(true)
			if err != nil {
				return nil, err
			}
			e.attr = &name
			break
		}
		st, err := p.step(ax)
		if err != nil {
			return nil, err
		}
		e.steps = append(e.steps, st)
		if p.take("//") {
			ax = descendant
		} else if p.take("/") {
			ax = child
		} else {
			break
		}
	}
	e.source = from[:len(from)-len(p.s)]
	return e, nil
}

func (p *parser) step(ax axis) (step, error) {
	switch {
	case p.take(".."):
		return step{axis: parent}, nil
	case p.take("."):
		return step{axis: self}, nil
	}
	st := step{axis: ax, any: p.take("*")}
	var err error
	if !st.any {
		if st.name, err = p.name(false); err != nil {
			return st, err
		}
	}
	for p.take("[") {
		if i := strings.IndexByte(p.s, ']'); i > 0 {
			if n, err := strconv.Atoi(p.s[:i]); err == nil {
				if ax == descendant {
					return st, fmt.Errorf("no position may follow //: it counts the children of one element")
				}
				st.position, p.s = n, p.s[i+1:]
				continue
			}
		}
		f, err := p.filter()
		if err != nil {
			return st, err
		}
		if !p.take("]") {
			return st, fmt.Errorf("] is due before %q", p.s)
		}
		st.filters = append(st.filters, f)
	}
	return st, nil
}

func (p *parser) filter() (f filter, err error) {
	f.not = p.take("not(")
	if f.expr, err = p.expr(); err != nil {
		return f, err
	}
	for _, op := range []string{"!=", "="} {
		if p.take(op + "'") {
			v, rest, ok := strings.Cut(p.s, "'")
			if !ok {
				return f, fmt.Errorf("' is due")
			}
			f.op, f.value, p.s = op, v, rest
			break
		}
	}
	if f.not && !p.take(")") {
		return f, fmt.Errorf(") is due before %q", p.s)
	}
	return f, nil
}

func (p *parser) name(attr bool) (xmlpull.Name, error) {
	i := strings.IndexAny(p.s, "/[]=!)@")
	if i < 0 {
		i = len(p.s)
	}
	q := p.s[:i]
	p.s = p.s[i:]
	prefix, local, ok := strings.Cut(q, ":")
	if !ok {
		prefix, local = "", q
	}
	if local == "" {
		return xmlpull.Name{}, fmt.Errorf("a name is due")
	}
	if attr && prefix == "" {
		return xmlpull.Name{Local: local}, nil
	}
	space, known := p.ns[prefix]
	if !known {
		return xmlpull.Name{}, fmt.Errorf("prefix %q is not known", prefix)
	}
	return xmlpull.Name{Space: space, Local: local}, nil
}

// Select calls f for each element that the path leads to from n, in document order for the paths that go down only, until f gives false. A path
// that ends in an attribute leads to the elements that have it.
func (e *Expr) Select(n Node, f func(Node) bool) {
	if !e.absolute {
		e.walk(n, 0, f)
		return
	}
	e.fromRoot(n.t.Root(), f)
}

// fromRoot treats the root as a child of what is above it. All elements of a name are chained, so that //name passes over no others.
func (e *Expr) fromRoot(root Node, f func(Node) bool) {
	st := &e.steps[0]
	if st.axis == descendant && !st.any {
		c := root.t.named[st.name.Local]
		if c == nil {
			return
		}
		for i := c.first; i >= 0; i = root.t.nodes[i].alike {
			if n := (Node{root.t, i}); st.accepts(n) && !e.walk(n, 1, f) {
				return
			}
		}
		return
	}
	if st.accepts(root) && st.position <= 1 && !e.walk(root, 1, f) {
		return
	}
	if st.axis == descendant {
		e.walk(root, 0, f)
	}
}

// walk takes step i from n; false means that f wants no more.
func (e *Expr) walk(n Node, i int, f func(Node) bool) bool {
	if i == len(e.steps) {
		if e.attr != nil {
			if _, ok := n.AttrNS(e.attr.Space, e.attr.Local); !ok {
				return true
			}
		}
		return f(n)
	}
	st := &e.steps[i]
	switch st.axis {
	case self:
		return e.walk(n, i+1, f)
	case parent:
		p := n.Parent()
		return p.IsZero() || e.walk(p, i+1, f)
	case descendant:
		t, end := n.t, n.self().end
		for j := n.i + 1; int(j) < len(t.nodes) && t.nodes[j].off < end; j++ {
			if c := (Node{t, j}); st.accepts(c) && !e.walk(c, i+1, f) {
				return false
			}
		}
		return true
	}
	seen := 0
	for j := n.self().first; j >= 0; j = n.t.nodes[j].next {
		c := Node{n.t, j}
		if !st.accepts(c) {
			continue
		}
		if seen++; st.position > 0 && seen != st.position {
			continue
		}
		if !e.walk(c, i+1, f) {
			return false
		}
	}
	return true
}

func (st *step) accepts(n Node) bool {
	name := &n.self().name
	if name.Local == "" || !st.any && (name.Local != st.name.Local || name.Space != st.name.Space) {
		return false
	}
	for i := range st.filters {
		if !st.filters[i].holds(n) {
			return false
		}
	}
	return true
}

func (f *filter) holds(n Node) bool {
	found := false
	f.expr.Select(n, func(m Node) bool {
		found = f.op == "" || (f.expr.value(m) == f.value) == (f.op == "=")
		return !found
	})
	return found != f.not
}

// value is the attribute that the path ends in, or the text of the element.
func (e *Expr) value(n Node) string {
	if e.attr == nil {
		return n.Text()
	}
	v, _ := n.AttrNS(e.attr.Space, e.attr.Local)
	return v
}

// First is the first element that the path leads to, none when there is none.
func (e *Expr) First(n Node) (first Node) {
	e.Select(n, func(m Node) bool { first = m; return false })
	return first
}

// All are the elements that the path leads to.
func (e *Expr) All(n Node) (all []Node) {
	e.Select(n, func(m Node) bool { all = append(all, m); return true })
	return all
}

// Value is the attribute that the path ends in, or the text of the element that it leads to; of the first when there are several.
func (e *Expr) Value(n Node) (string, bool) {
	m := e.First(n)
	if m.IsZero() {
		return "", false
	}
	return e.value(m), true
}

func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
