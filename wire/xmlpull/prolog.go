package xmlpull

import (
	"strings"
	"unicode/utf8"
)

// prolog checks the encoding of the whole input and reads the XML declaration.
func (r *Reader) prolog() {
	s := r.s
	if len(s) >= 2 {
		switch {
		case s[:2] == "\xfe\xff", s[:2] == "\xff\xfe", s[:2] == "<\x00", s[:2] == "\x00<":
			r.failed(0, "UTF-16 is not supported, only UTF-8 is")
			return
		}
	}
	if !utf8.ValidString(s) {
		r.failed(invalidAt(s), "invalid UTF-8")
		return
	}
	if i := nonCharacterAt(s); i >= 0 {
		r.failed(i, "character not allowed in XML")
		return
	}
	if strings.HasPrefix(s, "\xef\xbb\xbf") {
		if !r.o.BOM {
			r.failed(0, "byte order mark is not allowed")
			return
		}
		r.bom, r.p = true, 3
	}
	if s = s[r.p:]; strings.HasPrefix(s, "<?xml") && len(s) > 5 && class[s[5]]&isBlank != 0 {
		r.declaration()
	}
}

func invalidAt(s string) int {
	for i := 0; i < len(s); {
		c, n := utf8.DecodeRuneInString(s[i:])
		if c == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
	return len(s)
}

// nonCharacterAt finds U+FFFE and U+FFFF, which are valid UTF-8 and no XML.
func nonCharacterAt(s string) int {
	for i := 0; ; {
		n := strings.Index(s[i:], "\xef\xbf")
		if n < 0 {
			return -1
		}
		if i += n; s[i+2] >= 0xbe {
			return i
		}
		i += 3
	}
}

// declaration reads <?xml version="1.0" encoding="UTF-8" standalone="yes"?>, of which only the version must be there.
func (r *Reader) declaration() bool {
	at := r.p
	n := strings.Index(r.s[at:], "?>")
	if n < 0 {
		return r.failed(at, "XML declaration is not closed")
	}
	d := r.s[at+5 : at+n]
	version, d, ok := pseudo(d, "version")
	if !ok {
		return r.failed(at, "malformed XML declaration")
	}
	if version != "1.0" {
		return r.failed(at, "XML version is not 1.0")
	}
	encoding, d, ok := pseudo(d, "encoding")
	if ok && !strings.EqualFold(encoding, "UTF-8") {
		return r.failed(at, "declared encoding is not UTF-8")
	}
	standalone, d, ok := pseudo(d, "standalone")
	if ok && standalone != "yes" && standalone != "no" || !isSpace(d) {
		return r.failed(at, "malformed XML declaration")
	}
	r.p = at + n + 2
	return true
}

// pseudo reads white space and name="value" from d; when it is not there it gives d back.
func pseudo(d, name string) (value, rest string, ok bool) {
	i := skipSpace(d, 0)
	if i == 0 || !strings.HasPrefix(d[i:], name) {
		return "", d, false
	}
	i = skipSpace(d, i+len(name))
	if i >= len(d) || d[i] != '=' {
		return "", d, false
	}
	i = skipSpace(d, i+1)
	if i >= len(d) || d[i] != '"' && d[i] != '\'' {
		return "", d, false
	}
	n := strings.IndexByte(d[i+1:], d[i])
	if n < 0 {
		return "", d, false
	}
	return d[i+1 : i+1+n], d[i+n+2:], true
}
