package conformance

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/antchfx/xpath"
)

// prefixes are those of XPath expressions in cases.
var prefixes = map[string]string{
	"soap": nsEnvelope, "wsa": nsWSA, "rs": nsRS, "rim": nsRIM, "lcm": nsLCM, "query": nsQuery, "xdsb": nsXDSB, "rmd": nsRMD, "xop": nsXOP, "hl7": nsHL7, "wsse": nsWSSE,
	"saml": "urn:oasis:names:tc:SAML:2.0:assertion", "wsdl": "http://schemas.xmlsoap.org/wsdl/", "wsoap": "http://schemas.xmlsoap.org/wsdl/soap12/",
	"wsp": "http://www.w3.org/ns/ws-policy", "wsaw": "http://www.w3.org/2006/05/addressing/wsdl", "wsam": "http://www.w3.org/2007/05/addressing/metadata",
	"xs": "http://www.w3.org/2001/XMLSchema", "xsi": "http://www.w3.org/2001/XMLSchema-instance", "xml": "http://www.w3.org/XML/1998/namespace",
}

// maxSearched and maxDepth bound the trees in which an expression is looked for: some take time that grows with the square of the elements, or with their depth.
const (
	maxSearched = 100_000
	maxDepth    = 256
)

var anyOf = regexp.MustCompile(`\w:\*`)

// compiled is an XPath 1.0 expression with the prefixes of cases, for one use: the library keeps its place in it.
func compiled(expression string) (*xpath.Expr, error) {
	if anyOf.MatchString(expression) {
		return nil, errors.New("PREFIX:* finds nothing with the library: *[namespace-uri()='...'] does")
	}
	return xpath.CompileWithNS(expression, prefixes)
}

// evaluate gives the values of an expression: the text of each node, or the one number, text, true or false.
func evaluate(root *node, expression string) ([]string, error) {
	if root == nil {
		return nil, errors.New("it is no XML")
	}
	if err := root.searchable(); err != nil {
		return nil, err
	}
	e, err := compiled(expression)
	if err != nil {
		return nil, err
	}
	switch v := e.Evaluate(&cursor{path: []*node{{Kids: []*node{root}}}, index: []int{0}, attr: -1}).(type) {
	case *xpath.NodeIterator:
		var out []string
		for v.MoveNext() {
			out = append(out, strings.TrimSpace(v.Current().Value()))
		}
		return out, nil
	case float64:
		return []string{strconv.FormatFloat(v, 'f', -1, 64)}, nil
	default:
		return []string{strings.TrimSpace(fmt.Sprint(v))}, nil
	}
}

// searchable is an error for a tree that is too large or too deep.
func (n *node) searchable() error {
	count, level := 0, []*node{n}
	for depth := 1; len(level) > 0; depth++ {
		if count += len(level); count > maxSearched || depth > maxDepth {
			return fmt.Errorf("it has more than %d elements, or is deeper than %d of them", maxSearched, maxDepth)
		}
		var below []*node
		for _, one := range level {
			below = append(below, one.Kids...)
		}
		level = below
	}
	return nil
}

// asked is a line EXPR HOW VALUE taken apart; HOW is the last word of these that stands outside of brackets and quotes.
type asked struct{ expression, how, value string }

var howWords = []string{"is", "exists", "absent", "count", "matches"}

func parseAsked(line string) (asked, error) {
	depth, quote, from := 0, rune(0), 0
	for i, c := range line + " " {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '[' || c == '(':
			depth++
		case c == ']' || c == ')':
			depth--
		case c == ' ' && depth == 0:
			if word := line[from:i]; from > 0 && slices.Contains(howWords, word) {
				a := asked{strings.TrimSpace(line[:from]), word, strings.TrimSpace(line[i:])}
				return a, a.flawed()
			}
			from = i + 1
		}
	}
	return asked{}, fmt.Errorf("XPATH %s [VALUE] is due", strings.Join(howWords, "|"))
}

// flawed is what is wrong with the line itself. What holds variables is only known when it is played.
func (a asked) flawed() (err error) {
	if strings.Contains(a.expression+a.value, "${") {
		return nil
	}
	switch a.how {
	case "count":
		_, err = strconv.Atoi(a.value)
	case "matches":
		_, err = regexp.Compile(a.value)
	case "exists", "absent":
		if a.value != "" {
			err = fmt.Errorf("%s takes no value", a.how)
		}
	}
	if err == nil {
		_, err = compiled(a.expression)
	}
	return err
}

// holds tells whether values are as a line says.
func (a asked) holds(got []string) (bool, error) {
	switch a.how {
	case "is":
		return len(got) > 0 && strings.Join(got, " ;; ") == a.value, nil
	case "count":
		return strconv.Itoa(len(got)) == a.value, nil
	case "exists":
		return len(got) > 0, nil
	case "absent":
		return len(got) == 0, nil
	}
	form, err := regexp.Compile(a.value)
	return err == nil && len(got) > 0 && !slices.ContainsFunc(got, func(v string) bool { return !form.MatchString(v) }), err
}

// expectXPath: xpath EXPR is VALUE [;; VALUE], exists, absent, count N, or matches REGEXP (all of the values, at least one), about the answer.
func expectXPath(_ context.Context, k *check, l Line) {
	if err := ask(k.a.tree(), l.Rest); err != nil {
		k.wrong(l, "%v: %s", err, clip(k.a))
	}
}

// ask holds a tree against a line; the error tells what it is instead.
func ask(root *node, line string) error {
	a, err := parseAsked(line)
	if err != nil {
		return err
	}
	got, err := evaluate(root, a.expression)
	if err != nil {
		return err
	}
	ok, err := a.holds(got)
	if err == nil && !ok {
		err = fmt.Errorf("it is %q", got)
	}
	return err
}

// tree is the XML of an answer: the envelope, or the whole of what is none.
func (a *answer) tree() *node {
	if a.root != nil {
		return a.root
	}
	root, err := readXML(a.text)
	if err != nil {
		return nil
	}
	return root
}

// cursor walks a tree for the XPath library. The text of an element stands before its children, wherever it was written: in answers of these transactions the two do not mix.
type cursor struct {
	path  []*node // from the document, a node without a name, to the element
	index []int   // of each in its parent
	attr  int     // of the element; -1 for the element itself
	text  bool    // at the text of the element
}

func (c *cursor) here() *node { return c.path[len(c.path)-1] }

// NodeType tells what it stands at.
func (c *cursor) NodeType() xpath.NodeType {
	switch {
	case c.attr >= 0:
		return xpath.AttributeNode
	case c.text:
		return xpath.TextNode
	case len(c.path) == 1:
		return xpath.RootNode
	}
	return xpath.ElementNode
}

// LocalName is the name without a prefix.
func (c *cursor) LocalName() string {
	switch {
	case c.attr >= 0:
		return c.here().Attr[c.attr].Name.Local
	case c.text:
		return ""
	}
	return c.here().Name.Local
}

// Prefix is the namespace too: a name without a prefix, which the library compares with this, is one without a namespace.
func (c *cursor) Prefix() string { return c.NamespaceURL() }

// NamespaceURL is the namespace of the name.
func (c *cursor) NamespaceURL() string {
	switch {
	case c.attr >= 0:
		return c.here().Attr[c.attr].Name.Space
	case c.text:
		return ""
	}
	return c.here().Name.Space
}

// Value is the text, with that of all elements below.
func (c *cursor) Value() string {
	switch {
	case c.attr >= 0:
		return c.here().Attr[c.attr].Value
	case c.text:
		return c.here().Text
	}
	var b strings.Builder
	c.here().allText(&b)
	return b.String()
}

func (n *node) allText(b *strings.Builder) {
	b.WriteString(n.Text)
	for _, k := range n.Kids {
		k.allText(b)
	}
}

// Copy is another at the same place.
func (c *cursor) Copy() xpath.NodeNavigator {
	return &cursor{slices.Clone(c.path), slices.Clone(c.index), c.attr, c.text}
}

// MoveToRoot goes to the document.
func (c *cursor) MoveToRoot() { c.path, c.index, c.attr, c.text = c.path[:1], c.index[:1], -1, false }

// MoveToParent goes up: from an attribute or a text to its element.
func (c *cursor) MoveToParent() bool {
	switch {
	case c.attr >= 0 || c.text:
		c.attr, c.text = -1, false
	case len(c.path) == 1:
		return false
	default:
		c.path, c.index = c.path[:len(c.path)-1], c.index[:len(c.index)-1]
	}
	return true
}

// MoveToNextAttribute goes to the first attribute or the next; what declares a namespace is none.
func (c *cursor) MoveToNextAttribute() bool {
	for i, a := range c.here().Attr {
		if i > c.attr && a.Name.Space != "xmlns" && (a.Name.Space != "" || a.Name.Local != "xmlns") && !c.text {
			c.attr = i
			return true
		}
	}
	return false
}

// MoveToChild goes to the text, or to the first element.
func (c *cursor) MoveToChild() bool {
	if c.attr >= 0 || c.text {
		return false
	}
	if strings.TrimSpace(c.here().Text) != "" {
		c.text = true
		return true
	}
	return c.down(0)
}

// down goes to the i-th element below.
func (c *cursor) down(i int) bool {
	if i < 0 || i >= len(c.here().Kids) {
		return false
	}
	c.path, c.index = append(c.path, c.here().Kids[i]), append(c.index, i)
	return true
}

// MoveToFirst goes to the first of its siblings.
func (c *cursor) MoveToFirst() bool {
	if !c.MoveToPrevious() {
		return false
	}
	for c.MoveToPrevious() {
	}
	return true
}

// MoveToNext goes to the sibling behind.
func (c *cursor) MoveToNext() bool { return c.beside(1) }

// MoveToPrevious goes to the sibling before.
func (c *cursor) MoveToPrevious() bool { return c.beside(-1) }

// beside goes to the sibling behind or before: the text stands before the first element.
func (c *cursor) beside(step int) bool {
	switch {
	case c.attr >= 0:
		return false
	case c.text:
		c.text = step < 0 || !c.down(0)
		return !c.text
	case len(c.path) == 1:
		return false
	}
	parent, i := c.path[len(c.path)-2], c.index[len(c.index)-1]+step
	if i >= len(parent.Kids) || i < 0 && strings.TrimSpace(parent.Text) == "" {
		return false
	}
	c.path, c.index = c.path[:len(c.path)-1], c.index[:len(c.index)-1]
	if i < 0 {
		c.text = true
		return true
	}
	return c.down(i)
}

// MoveTo goes where another stands.
func (c *cursor) MoveTo(to xpath.NodeNavigator) bool {
	o, ok := to.(*cursor)
	if !ok || o.path[0] != c.path[0] {
		return false
	}
	c.path, c.index, c.attr, c.text = slices.Clone(o.path), slices.Clone(o.index), o.attr, o.text
	return true
}
