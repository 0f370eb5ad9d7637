package xmlpull

import (
	"strconv"
	"strings"
)

// Next reads the next token. After an error it gives the same error again, after EOF it gives EOF.
func (r *Reader) Next() (Kind, error) {
	if r.err != nil {
		return 0, r.err
	}
	if r.empty {
		r.empty = false
		r.off = r.p
		return r.pop()
	}
	for {
		s, p := r.s, r.p
		r.off = p
		if p >= len(s) {
			return r.end()
		}
		if s[p] != '<' {
			if k, err := r.readText(); k != 0 || err != nil {
				return k, err
			}
			continue
		}
		if p+1 >= len(s) {
			return r.fail(p, "unexpected end of input")
		}
		switch s[p+1] {
		case '/':
			return r.readEnd()
		case '!':
			if strings.HasPrefix(s[p:], "<![CDATA[") && len(r.stack) > 0 {
				return r.readCDATA()
			}
			if !r.comment() {
				return 0, r.err
			}
		case '?':
			if !r.instruction() {
				return 0, r.err
			}
		default:
			return r.readStart()
		}
	}
}

func (r *Reader) fail(off int, reason string) (Kind, error) {
	if r.err == nil {
		r.err = r.at(off, reason)
		r.kind = 0
	}
	return 0, r.err
}

func (r *Reader) failed(off int, reason string) bool {
	_, _ = r.fail(off, reason)
	return false
}

func (r *Reader) end() (Kind, error) {
	switch {
	case len(r.stack) > 0:
		return r.fail(len(r.s), "unexpected end of input")
	case !r.rooted:
		return r.fail(len(r.s), "no root element")
	}
	r.kind, r.attrs = EOF, r.attrs[:0]
	return EOF, nil
}

func (r *Reader) pop() (Kind, error) {
	d := len(r.stack) - 1
	r.cur = r.stack[d]
	r.stack, r.ns = r.stack[:d], r.ns[:r.cur.ns]
	r.kind, r.attrs = End, r.attrs[:0]
	return End, nil
}

func (r *Reader) readEnd() (Kind, error) {
	s, p := r.s, r.p
	if len(r.stack) == 0 {
		return r.fail(p, "end tag without a start tag")
	}
	top := &r.stack[len(r.stack)-1]
	i := p + 2
	if n := len(top.prefix); n > 0 {
		if !strings.HasPrefix(s[i:], top.prefix) || len(s) <= i+n || s[i+n] != ':' {
			return r.badEnd(i)
		}
		i += n + 1
	}
	if !strings.HasPrefix(s[i:], top.name.Local) {
		return r.badEnd(p + 2)
	}
	i += len(top.name.Local)
	if i < len(s) && s[i] != '>' {
		if class[s[i]]&(isName) != 0 || s[i] == ':' {
			return r.badEnd(p + 2)
		}
		i = skipSpace(s, i)
	}
	if i >= len(s) {
		return r.fail(i, "unexpected end of input")
	}
	if s[i] != '>' {
		return r.fail(i, "end tag is not closed by >")
	}
	r.p = i + 1
	return r.pop()
}

func (r *Reader) badEnd(i int) (Kind, error) {
	if !strings.ContainsRune(r.s[i:], '>') {
		return r.fail(len(r.s), "unexpected end of input")
	}
	return r.fail(r.p, "end tag does not match the start tag")
}

func (r *Reader) readCDATA() (Kind, error) {
	from := r.p + len("<![CDATA[")
	n := strings.Index(r.s[from:], "]]>")
	if n < 0 {
		return r.fail(r.p, "CDATA section is not closed")
	}
	t := r.s[from : from+n]
	clean := true
	for i := 0; i < len(t); i++ {
		if c := class[t[i]]; c&isText == 0 {
			if t[i] < ' ' && t[i] != '\r' {
				return r.fail(from+i, "character not allowed in XML")
			}
			clean = clean && t[i] != '\r'
		}
	}
	if !clean {
		t = normalizeLines(t)
	}
	r.p = from + n + 3
	r.kind, r.text, r.attrs = Text, t, r.attrs[:0]
	return Text, nil
}

func normalizeLines(t string) string {
	return strings.ReplaceAll(strings.ReplaceAll(t, "\r\n", "\n"), "\r", "\n")
}

// comment passes over a comment, and refuses anything else that begins with <!.
func (r *Reader) comment() bool {
	s, p := r.s, r.p
	if strings.HasPrefix(s[p:], "<!DOCTYPE") {
		return r.failed(p, "DOCTYPE is not allowed")
	}
	if strings.HasPrefix(s[p:], "<![CDATA[") {
		return r.failed(p, "CDATA section outside the root element")
	}
	if !strings.HasPrefix(s[p:], "<!--") {
		return r.failed(p, "markup declaration is not allowed")
	}
	n := strings.Index(s[p+4:], "--")
	if n < 0 {
		return r.failed(p, "comment is not closed")
	}
	i := p + 4 + n + 2
	if i >= len(s) {
		return r.failed(p, "comment is not closed")
	}
	if s[i] != '>' {
		return r.failed(i-2, "-- inside a comment")
	}
	r.p = i + 1
	return r.allowed(p+4, i-2)
}

// instruction passes over a processing instruction.
func (r *Reader) instruction() bool {
	s, p := r.s, r.p
	n := strings.Index(s[p:], "?>")
	if n < 0 {
		return r.failed(p, "processing instruction is not closed")
	}
	i, colon, ok := scanName(s, p+2)
	if !ok || i > p+n {
		return r.failed(p, "processing instruction without a target")
	}
	if colon >= 0 {
		return r.failed(p, "processing instruction target with a colon")
	}
	if strings.EqualFold(s[p+2:i], "xml") {
		return r.failed(p, "XML declaration is not at the beginning")
	}
	if i < p+n && class[s[i]]&isBlank == 0 {
		return r.failed(i, "processing instruction target without white space behind it")
	}
	r.p = p + n + 2
	return r.allowed(i, p+n)
}

// allowed checks the characters from..to-1 of what is passed over.
func (r *Reader) allowed(from, to int) bool {
	for i := from; i < to; i++ {
		if c := r.s[i]; c < ' ' && class[c]&isBlank == 0 {
			return r.failed(i, "character not allowed in XML")
		}
	}
	return true
}

// readText reads text up to the next tag; 0 and no error means white space outside the root element.
func (r *Reader) readText() (Kind, error) {
	s, i := r.s, r.p
	dirty := false
	for {
		if i = skipText(s, i); i >= len(s) || s[i] == '<' {
			break
		}
		switch s[i] {
		case '&', '\r':
			dirty = true
		case ']':
			if strings.HasPrefix(s[i:], "]]>") {
				return r.fail(i, "]]> in text")
			}
		default:
			return r.fail(i, "character not allowed in XML")
		}
		i++
	}
	t, from := s[r.p:i], r.p
	if len(r.stack) == 0 {
		if !isSpace(t) {
			return r.fail(from, "text outside the root element")
		}
		r.p = i
		return 0, nil
	}
	if dirty {
		var bad int
		var reason string
		if t, bad, reason = expand(t, false); reason != "" {
			return r.fail(from+bad, reason)
		}
	}
	r.p = i
	r.kind, r.text, r.attrs = Text, t, r.attrs[:0]
	return Text, nil
}

// readStart reads a start tag or an empty element.
func (r *Reader) readStart() (Kind, error) {
	s, p := r.s, r.p
	if len(r.stack) == 0 && r.rooted {
		return r.fail(p, "second root element")
	}
	if len(r.stack) >= r.o.MaxDepth {
		return r.fail(p, "depth exceeds "+strconv.Itoa(r.o.MaxDepth))
	}
	i, colon, ok := scanName(s, p+1)
	if !ok {
		return r.badName(i, "element name is malformed")
	}
	el := element{ns: len(r.ns)}
	if colon >= 0 {
		el.prefix, el.name.Local = s[p+1:colon], s[colon+1:i]
	} else {
		el.name.Local = s[p+1 : i]
	}
	r.attrs, r.raw = r.attrs[:0], r.raw[:0]
	r.p = i
	if !r.readAttrs(el.ns) {
		return 0, r.err
	}
	if el.name.Space, ok = r.Namespace(el.prefix); !ok {
		return r.fail(p, "element prefix is not bound")
	}
	if !r.resolveAttrs(p) {
		return 0, r.err
	}
	r.rooted = true
	r.stack = append(r.stack, el)
	r.cur, r.kind = el, Start
	return Start, nil
}

func (r *Reader) badName(i int, reason string) (Kind, error) {
	if i >= len(r.s) {
		return r.fail(len(r.s), "unexpected end of input")
	}
	return r.fail(i, reason)
}

// readAttrs reads what stands between the element's name and the end of its tag.
func (r *Reader) readAttrs(scope int) bool {
	s := r.s
	for {
		i := skipSpace(s, r.p)
		if i >= len(s) {
			return r.failed(len(s), "unexpected end of input")
		}
		if s[i] == '>' {
			r.p = i + 1
			return true
		}
		if s[i] == '/' {
			if i+1 < len(s) && s[i+1] == '>' {
				r.p, r.empty = i+2, true
				return true
			}
			return r.failed(i, "/ inside a tag")
		}
		if i == r.p {
			return r.failed(i, "no white space before an attribute")
		}
		if !r.readAttr(i, scope) {
			return false
		}
		if len(r.attrs)+len(r.ns)-scope > r.o.MaxAttrs {
			return r.failed(i, "more than "+strconv.Itoa(r.o.MaxAttrs)+" attributes")
		}
	}
}

// readAttr reads one attribute or namespace declaration that begins at from.
func (r *Reader) readAttr(from, scope int) bool {
	s := r.s
	i, colon, ok := scanName(s, from)
	if !ok {
		_, _ = r.badName(i, "attribute name is malformed")
		return false
	}
	name := i
	if i >= len(s) || s[i] != '=' {
		i = skipSpace(s, i)
	}
	if i >= len(s) {
		return r.failed(len(s), "unexpected end of input")
	}
	if s[i] != '=' {
		return r.failed(from, "attribute without a value")
	}
	i++
	if i < len(s) && class[s[i]]&isBlank != 0 {
		i = skipSpace(s, i)
	}
	if i >= len(s) {
		return r.failed(len(s), "unexpected end of input")
	}
	if s[i] != '"' && s[i] != '\'' {
		return r.failed(i, "attribute value is not quoted")
	}
	v, ok := r.readValue(i)
	if !ok {
		return false
	}
	prefix, local := "", s[from:name]
	if colon >= 0 {
		prefix, local = s[from:colon], s[colon+1:name]
	}
	switch {
	case prefix == "xmlns":
		return r.declare(from, scope, local, v)
	case prefix == "" && local == "xmlns":
		return r.declare(from, scope, "", v)
	}
	r.attrs = append(r.attrs, Attr{Name: Name{Local: local}, Value: v})
	r.raw = append(r.raw, prefix)
	return true
}

// readValue reads the quoted value whose quote is at q, and leaves r.p behind it.
func (r *Reader) readValue(q int) (string, bool) {
	s, quote := r.s, r.s[q]
	i, dirty := q+1, false
	for {
		for i < len(s) && class[s[i]]&isValue != 0 {
			i++
		}
		if i >= len(s) {
			return "", r.failed(len(s), "unexpected end of input")
		}
		c := s[i]
		if c == quote {
			break
		}
		switch c {
		case '"', '\'':
		case '&', '\t', '\n', '\r':
			dirty = true
		case '<':
			return "", r.failed(i, "< in an attribute value")
		default:
			return "", r.failed(i, "character not allowed in XML")
		}
		i++
	}
	v := s[q+1 : i]
	r.p = i + 1
	if dirty {
		var bad int
		var reason string
		if v, bad, reason = expand(v, true); reason != "" {
			return "", r.failed(q+1+bad, reason)
		}
	}
	return v, true
}

// declare binds prefix to uri for the element being read. [Namespaces in XML 1.0 section 3]
func (r *Reader) declare(at, scope int, prefix, uri string) bool {
	switch {
	case prefix == "xmlns":
		return r.failed(at, "prefix xmlns declared")
	case prefix == "xml" && uri != xmlSpace, prefix != "xml" && uri == xmlSpace:
		return r.failed(at, "xml namespace bound to another prefix")
	case uri == xmlnsSpace:
		return r.failed(at, "xmlns namespace declared")
	case prefix != "" && uri == "":
		return r.failed(at, "prefix bound to nothing")
	}
	for i := scope; i < len(r.ns); i++ {
		if r.ns[i].prefix == prefix {
			return r.failed(at, "duplicate namespace declaration")
		}
	}
	if len(r.ns) >= maxBindings {
		return r.failed(at, "more than "+strconv.Itoa(maxBindings)+" namespace declarations")
	}
	if k, ok := known[uri]; ok {
		uri = k
	}
	r.ns = append(r.ns, binding{prefix, uri})
	return true
}

// resolveAttrs resolves prefixes and finds duplicates.
func (r *Reader) resolveAttrs(at int) bool {
	for i := range r.attrs {
		a := &r.attrs[i]
		if p := r.raw[i]; p != "" {
			var ok bool
			if a.Name.Space, ok = r.Namespace(p); !ok {
				return r.failed(at, "attribute prefix is not bound")
			}
		}
		for j := 0; j < i; j++ {
			if b := &r.attrs[j]; b.Name.Local == a.Name.Local && b.Name.Space == a.Name.Space {
				return r.failed(at, "duplicate attribute")
			}
		}
	}
	return true
}
