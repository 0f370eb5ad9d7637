// Package xmlpull reads XML 1.0 with namespaces from a byte slice, token by token and strictly, and escapes text for writing. It knows
// UTF-8 only, takes no DOCTYPE and resolves nothing but the five entities and character references; it knows no schema.
//
// All strings a Reader hands out alias its input unless an entity, a carriage return or (in attributes) a tab or line feed had to be
// replaced: the input must not change while any of them lives.
package xmlpull

import (
	"strconv"
	"strings"
	"unsafe"
)

// Kind says what the reader stands on.
type Kind uint8

// The kinds of token. An empty element <a/> gives Start and End. Comments and processing instructions are checked and passed over; a
// comment or a CDATA section within text splits it into several Text tokens.
const (
	Start Kind = iota + 1
	End
	Text
	EOF
)

// Name is a resolved name: Space is the namespace URI, empty for none.
type Name struct{ Space, Local string }

// Attr is an attribute; namespace declarations are not among them. Value is normalized as of type CDATA (XML 1.0 3.3.3).
type Attr struct {
	Name  Name
	Value string
}

// Options are the tolerances and caps of a reader; the zero value is strict with the default caps.
type Options struct {
	BOM      bool // accept a leading U+FEFF, and report it by [Reader.BOM]
	MaxDepth int  // deepest nesting, 256 when 0
	MaxAttrs int  // most attributes of one element, declarations included, 256 when 0
}

const maxBindings = 256 // namespace declarations in scope: each name is looked up among them

// SyntaxError says where an input is not well-formed, or beyond a cap. Reason never quotes the input.
type SyntaxError struct {
	Line, Column int // from 1, Column in bytes
	Reason       string
}

// Error gives "line 3 column 7: reason".
func (e *SyntaxError) Error() string {
	return "line " + strconv.Itoa(e.Line) + " column " + strconv.Itoa(e.Column) + ": " + e.Reason
}

type element struct {
	prefix string
	name   Name
	ns     int // bindings in scope before this element
}

type binding struct{ prefix, uri string }

// Reader is a pull reader. It is not safe for concurrent use.
type Reader struct {
	s      string
	p      int // next byte to read
	o      Options
	err    error
	kind   Kind
	cur    element // of Start and End
	attrs  []Attr
	raw    []string // prefixes of attrs, while an element is read
	text   string
	off    int // where the current token begins
	stack  []element
	ns     []binding
	empty  bool // the End of an empty element is due
	rooted bool
	bom    bool

	lineOff, line int // line is the number of the line that holds lineOff
}

// NewReader makes a reader that stands before the first token of b.
func NewReader(b []byte, o Options) *Reader {
	if o.MaxDepth == 0 {
		o.MaxDepth = 256
	}
	if o.MaxAttrs == 0 {
		o.MaxAttrs = 256
	}
	r := &Reader{o: o, attrs: make([]Attr, 0, 16), raw: make([]string, 0, 16), stack: make([]element, 0, 16), ns: make([]binding, 0, 16)}
	r.Reset(b)
	return r
}

// Reset makes the reader stand before the first token of b, with the same options.
func (r *Reader) Reset(b []byte) {
	clear(r.attrs[:cap(r.attrs)])
	*r = Reader{o: r.o, attrs: r.attrs[:0], raw: r.raw[:0], stack: r.stack[:0], ns: r.ns[:0], line: 1}
	if len(b) > 0 {
		r.s = unsafe.String(&b[0], len(b))
	}
	r.prolog()
}

// Err is the error that ended the reading, nil before that and after a proper end.
func (r *Reader) Err() error { return r.err }

// BOM tells that the input began with a byte order mark.
func (r *Reader) BOM() bool { return r.bom }

// Kind is the kind of the current token, 0 before the first.
func (r *Reader) Kind() Kind { return r.kind }

// Name is the resolved name of the current Start or End.
func (r *Reader) Name() Name { return r.cur.name }

// Space is the namespace URI of the current Start or End.
func (r *Reader) Space() string { return r.cur.name.Space }

// Local is the local name of the current Start or End.
func (r *Reader) Local() string { return r.cur.name.Local }

// Prefix is the prefix that the current Start or End was written with.
func (r *Reader) Prefix() string { return r.cur.prefix }

// Is tells whether the current Start or End bears this name.
func (r *Reader) Is(space, local string) bool {
	return r.cur.name.Local == local && r.cur.name.Space == space
}

// Attrs are the attributes of the current Start in document order; the slice is valid until the next token.
func (r *Reader) Attrs() []Attr { return r.attrs }

// Attr is the value of the unqualified attribute of the current Start, and whether it is there.
func (r *Reader) Attr(local string) (string, bool) { return r.AttrNS("", local) }

// AttrNS is the value of a qualified attribute of the current Start, and whether it is there.
func (r *Reader) AttrNS(space, local string) (string, bool) {
	for i := range r.attrs {
		if a := &r.attrs[i]; a.Name.Local == local && a.Name.Space == space {
			return a.Value, true
		}
	}
	return "", false
}

// AttrPrefix is the prefix that attribute i of the current Start was written with.
func (r *Reader) AttrPrefix(i int) string { return r.raw[i] }

// Declared calls f for every namespace that the current Start declares, in document order; an empty prefix is the default namespace.
func (r *Reader) Declared(f func(prefix, uri string)) {
	for _, b := range r.ns[r.cur.ns:] {
		f(b.prefix, b.uri)
	}
}

// Text is the content of the current Text, entities resolved and line ends normalized.
func (r *Reader) Text() string { return r.text }

// IsSpace tells whether the current Text is nothing but white space.
func (r *Reader) IsSpace() bool { return isSpace(r.text) }

// Depth is the number of open elements: at a Start it counts the element itself, at its End no longer.
func (r *Reader) Depth() int { return len(r.stack) }

// Offset is the position in the input where the current token begins.
func (r *Reader) Offset() int { return r.off }

// EndOffset is the position in the input just behind the current token.
func (r *Reader) EndOffset() int { return r.p }

// Line is the line, from 1, on which the current token begins.
func (r *Reader) Line() int { return r.lineAt(r.off) }

// lineAt counts on from the line last asked for, so that asking often while reading costs one pass over the input in all.
func (r *Reader) lineAt(off int) int {
	if off < r.lineOff {
		r.lineOff, r.line = 0, 1
	}
	r.line += strings.Count(r.s[r.lineOff:off], "\n")
	r.lineOff = off
	return r.line
}

// Fail makes an error at the current token, for callers that find content wrong. It does not end the reading.
func (r *Reader) Fail(reason string) error { return r.at(r.off, reason) }

func (r *Reader) at(off int, reason string) *SyntaxError {
	return &SyntaxError{Line: r.lineAt(off), Column: off - strings.LastIndexByte(r.s[:off], '\n'), Reason: reason}
}

// Namespace is the URI that prefix is bound to at the current token, the default namespace for "".
func (r *Reader) Namespace(prefix string) (string, bool) {
	for i := len(r.ns) - 1; i >= 0; i-- {
		if r.ns[i].prefix == prefix {
			return r.ns[i].uri, true
		}
	}
	switch prefix {
	case "":
		return "", true
	case "xml":
		return xmlSpace, true
	}
	return "", false
}

// InScope calls f for every namespace binding in scope at the current Start, innermost first; a prefix may come more than once, and then
// the first counts. It is what makes a fragment cut from the input stand on its own.
func (r *Reader) InScope(f func(prefix, uri string)) {
	for i := len(r.ns) - 1; i >= 0; i-- {
		f(r.ns[i].prefix, r.ns[i].uri)
	}
}

// Skip reads to the End of the innermost open element: of the current element at a Start, of its parent at Text or End.
func (r *Reader) Skip() error { return r.to(len(r.stack) - 1) }

// to reads until depth elements are open.
func (r *Reader) to(depth int) error {
	for len(r.stack) > depth {
		if _, err := r.Next(); err != nil {
			return err
		}
		if r.kind == EOF {
			break
		}
	}
	return nil
}

// TextContent gives the text of the element whose Start is current and reads to its End. A child element is an error.
func (r *Reader) TextContent() (string, error) {
	if r.kind != Start {
		return "", r.Fail("no element begins here")
	}
	s, many := "", []byte(nil)
	for {
		k, err := r.Next()
		switch {
		case err != nil:
			return "", err
		case k == Start:
			return "", r.Fail("element inside text content")
		case k == End && many != nil:
			return unsafe.String(&many[0], len(many)), nil
		case k == End:
			return s, nil
		case r.text == "":
		case many != nil:
			many = append(many, r.text...)
		case s == "":
			s = r.text
		default:
			many = append([]byte(s), r.text...)
		}
	}
}

// Children calls f at the Start of each child of the element whose Start is current and reads to its End. What f leaves unread of the
// child is passed over. Text other than white space between the children is an error.
func (r *Reader) Children(f func() error) error {
	if r.kind != Start {
		return r.Fail("no element begins here")
	}
	d := len(r.stack)
	for {
		k, err := r.Next()
		switch {
		case err != nil:
			return err
		case k == End:
			return nil
		case k == Text && !isSpace(r.text):
			return r.Fail("text between elements")
		case k == Start:
			if err := f(); err != nil {
				return err
			}
			if len(r.stack) < d {
				return r.Fail("read beyond the parent element")
			}
			if err := r.to(d); err != nil {
				return err
			}
		}
	}
}
