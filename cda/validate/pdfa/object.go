package pdfa

import (
	"bytes"
	"strconv"
)

// The objects of a PDF: nil, bool, float64, text, name, ref, []any, dict. [ISO 32000-1 7.3]
type (
	name string
	text string
	ref  int // the object's number; its generation does not matter here
	dict map[name]any
)

const maxNesting = 64

// lexer reads objects from b; what it cannot read is nil, and it always comes forward.
type lexer struct {
	b    []byte
	p    int
	left int // objects that may still be made, shared by a whole file
}

func blank(c byte) bool {
	return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' || c == 0
}

func delimiter(c byte) bool { return bytes.IndexByte([]byte("()<>[]{}/%"), c) >= 0 }

// space passes over white space and comments.
func (l *lexer) space() {
	for l.p < len(l.b) {
		switch c := l.b[l.p]; {
		case blank(c):
			l.p++
		case c == '%':
			n := bytes.IndexAny(l.b[l.p:], "\r\n")
			if n < 0 {
				l.p = len(l.b)
				return
			}
			l.p += n
		default:
			return
		}
	}
}

func (l *lexer) take(s string) bool {
	if bytes.HasPrefix(l.b[min(l.p, len(l.b)):], []byte(s)) {
		l.p += len(s)
		return true
	}
	return false
}

// object reads one object; depth is how deep it lies.
func (l *lexer) object(depth int) any {
	l.space()
	if depth > maxNesting {
		l.left = 0 // nothing more is read
	}
	if l.p >= len(l.b) || l.left <= 0 {
		return nil
	}
	l.left--
	switch c := l.b[l.p]; {
	case l.take("<<"):
		return l.dict(depth)
	case c == '/':
		return l.name()
	case c == '(':
		return l.literal()
	case c == '<':
		return l.hex()
	case c == '[':
		l.p++
		return l.array(depth)
	case c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.':
		return l.number()
	case delimiter(c):
		l.p++
		return nil
	}
	switch l.word() {
	case "true":
		return true
	case "false":
		return false
	}
	return nil
}

// word reads up to white space or a delimiter, one byte at least.
func (l *lexer) word() string {
	from := l.p
	for l.p < len(l.b) && !blank(l.b[l.p]) && !delimiter(l.b[l.p]) {
		l.p++
	}
	if l.p == from {
		l.p++
	}
	return string(l.b[from:min(l.p, len(l.b))])
}

func (l *lexer) dict(depth int) dict {
	d := dict{}
	for {
		l.space()
		if l.p >= len(l.b) || l.left <= 0 || l.take(">>") {
			return d
		}
		if l.b[l.p] != '/' {
			if l.ends() {
				return d
			}
			l.object(depth + 1) // no key: pass over it
			continue
		}
		k := l.name()
		d[k] = l.object(depth + 1)
	}
}

// ends tells that an object is over which was not closed.
func (l *lexer) ends() bool {
	return bytes.HasPrefix(l.b[l.p:], []byte("endobj")) || bytes.HasPrefix(l.b[l.p:], []byte("stream"))
}

func (l *lexer) array(depth int) []any {
	a := []any{}
	for {
		l.space()
		if l.p >= len(l.b) || l.left <= 0 || l.take("]") || l.ends() {
			return a
		}
		a = append(a, l.object(depth+1))
	}
}

func (l *lexer) name() name {
	l.p++
	if l.p >= len(l.b) || blank(l.b[l.p]) || delimiter(l.b[l.p]) {
		return ""
	}
	w := l.word()
	out := make([]byte, 0, len(w))
	for i := 0; i < len(w); i++ {
		if w[i] == '#' && i+2 < len(w) {
			if n, err := strconv.ParseUint(w[i+1:i+3], 16, 8); err == nil {
				out = append(out, byte(n))
				i += 2
				continue
			}
		}
		out = append(out, w[i])
	}
	return name(out)
}

// literal reads (text); escapes are left as they are, nothing here compares texts.
func (l *lexer) literal() text {
	from, open := l.p, 0
	for ; l.p < len(l.b); l.p++ {
		switch l.b[l.p] {
		case '\\':
			l.p++
		case '(':
			open++
		case ')':
			if open--; open == 0 {
				l.p++
				return text(l.b[from+1 : l.p-1])
			}
		}
	}
	l.p = len(l.b)
	return text(l.b[min(from+1, len(l.b)):])
}

func (l *lexer) hex() text {
	n := bytes.IndexByte(l.b[l.p:], '>')
	if n < 0 {
		l.p = len(l.b)
		return ""
	}
	t := text(l.b[l.p+1 : l.p+n])
	l.p += n + 1
	return t
}

// number reads a number, or a reference: 12 0 R.
func (l *lexer) number() any {
	w := l.word()
	x, err := strconv.ParseFloat(w, 64)
	if err != nil {
		return nil
	}
	n, err := strconv.Atoi(w)
	if err != nil || n < 0 {
		return x
	}
	after := l.p
	l.space()
	if l.p < len(l.b) && l.b[l.p] >= '0' && l.b[l.p] <= '9' {
		l.word()
		l.space()
		if l.p < len(l.b) && l.b[l.p] == 'R' && (l.p+1 == len(l.b) || blank(l.b[l.p+1]) || delimiter(l.b[l.p+1])) {
			l.p++
			return ref(n)
		}
	}
	l.p = after
	return x
}
