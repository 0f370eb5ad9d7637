package xmlpull

import (
	"strings"
	"unicode/utf8"
	"unsafe"
)

const (
	xmlSpace   = "http://www.w3.org/XML/1998/namespace"
	xmlnsSpace = "http://www.w3.org/2000/xmlns/"
)

// known holds the namespaces that nearly every message declares: a name of theirs compares by address and keeps no input alive.
var known = func() map[string]string {
	m := map[string]string{}
	for _, s := range []string{
		"http://www.w3.org/2003/05/soap-envelope", "http://www.w3.org/2005/08/addressing", "http://www.w3.org/2004/08/xop/include",
		"urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0", "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0",
		"urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0", "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0", "urn:ihe:iti:xds-b:2007",
		"urn:hl7-org:v3", "urn:oasis:names:tc:SAML:2.0:assertion", "http://www.w3.org/2000/09/xmldsig#",
		"http://www.w3.org/2001/XMLSchema-instance", "http://www.w3.org/2001/XMLSchema",
		"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd",
		"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd",
	} {
		m[s] = s
	}
	return m
}()

// The classes of a byte. A byte of 0x80 and more counts as a name character here; scanName looks closer.
const (
	isName      = 1 << iota // may stand in a name (without colon)
	isNameStart             // may begin a name
	isBlank                 // white space
	isText                  // plain in text
	isValue                 // plain in an attribute value of either quote
)

var class = func() (t [256]uint8) {
	for i := range t {
		c := byte(i)
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
		if letter {
			t[i] |= isNameStart | isName
		}
		if c >= '0' && c <= '9' || c == '-' || c == '.' {
			t[i] |= isName
		}
		if c == ' ' || c == '\t' || c == '\n' || c == '\r' {
			t[i] |= isBlank
		}
		if (c >= ' ' || c == '\t' || c == '\n') && c != '<' && c != '&' && c != ']' {
			t[i] |= isText
		}
		if c >= ' ' && c != '<' && c != '&' && c != '"' && c != '\'' {
			t[i] |= isValue
		}
	}
	return t
}()

func isSpace(s string) bool {
	for i := 0; i < len(s); i++ {
		if class[s[i]]&isBlank == 0 {
			return false
		}
	}
	return true
}

// skipText passes over what is plain in text: eight bytes at once where none of them could be anything else, as in the long texts of embedded files.
func skipText(s string, i int) int {
	for i < len(s) {
		if i+8 <= len(s) {
			w := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 | uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
			lt, amp, bracket := w^each*'<', w^each*'&', w^each*']'
			if ((w-each*' ')&^w|(lt-each)&^lt|(amp-each)&^amp|(bracket-each)&^bracket)&(each<<7) == 0 { // no control, none of the three
				i += 8
				continue
			}
		}
		for end := min(i+8, len(s)); i < end; i++ {
			if class[s[i]]&isText == 0 {
				return i
			}
		}
	}
	return i
}

const each = 0x0101010101010101

func skipSpace(s string, i int) int {
	for i < len(s) && class[s[i]]&isBlank != 0 {
		i++
	}
	return i
}

// scanName reads a qualified name from i on: where it ends and where its colon stands, -1 for none. When it is none, end is where it breaks.
func scanName(s string, i int) (end, colon int, ok bool) {
	from, wide := i, false
	colon = -1
	if i >= len(s) || class[s[i]]&isNameStart == 0 {
		return i, -1, false
	}
	for {
		for i < len(s) && class[s[i]]&isName != 0 {
			wide = wide || s[i] >= 0x80
			i++
		}
		if i >= len(s) || s[i] != ':' {
			break
		}
		if colon >= 0 || i+1 >= len(s) || class[s[i+1]]&isNameStart == 0 {
			return i, -1, false
		}
		colon = i
		i++
	}
	if wide {
		if bad := badRune(s[from:i]); bad >= 0 {
			return from + bad, -1, false
		}
	}
	return i, colon, true
}

// badRune is where a rune stands in a name that XML 1.0 (fifth edition, productions 4 and 4a) does not allow there, -1 for nowhere.
func badRune(name string) int {
	first := true
	for i, c := range name {
		switch {
		case c == ':':
			first = true
			continue
		case c < 0x80 || nameStartRune(c):
		case !first && (c == 0xB7 || c >= 0x300 && c <= 0x36F || c == 0x203F || c == 0x2040):
		default:
			return i
		}
		first = false
	}
	return -1
}

func nameStartRune(c rune) bool {
	switch {
	case c < 0x2000:
		return c >= 0xC0 && c != 0xD7 && c != 0xF7 && (c < 0x300 || c > 0x36F) && c != 0x37E
	case c < 0x3001:
		return c == 0x200C || c == 0x200D || c >= 0x2070 && c <= 0x218F || c >= 0x2C00 && c <= 0x2FEF
	}
	return c <= 0xD7FF || c >= 0xF900 && c <= 0xFDCF || c >= 0xFDF0 && c <= 0xFFFD || c >= 0x10000 && c <= 0xEFFFF
}

// expand resolves references and normalizes line ends, and white space in attributes. reason is empty when all is well; bad is where not.
func expand(v string, attr bool) (out string, bad int, reason string) {
	o := make([]byte, 0, len(v))
	for i := 0; i < len(v); {
		n := i
		for n < len(v) && v[n] != '&' && v[n] != '\r' && (!attr || v[n] >= ' ') {
			n++
		}
		o = append(o, v[i:n]...)
		if i = n; i >= len(v) {
			break
		}
		if v[i] == '&' {
			c, size, reason := reference(v[i:])
			if reason != "" {
				return "", i, reason
			}
			o = utf8.AppendRune(o, c)
			i += size
			continue
		}
		if v[i] == '\r' && i+1 < len(v) && v[i+1] == '\n' {
			i++
		}
		i++
		if attr {
			o = append(o, ' ')
		} else {
			o = append(o, '\n')
		}
	}
	return unsafe.String(unsafe.SliceData(o), len(o)), 0, ""
}

// reference reads the entity or character reference that v begins with.
func reference(v string) (c rune, size int, reason string) {
	e := strings.IndexByte(v[:min(len(v), 16)], ';')
	if e < 2 {
		return 0, 0, "& without an entity"
	}
	switch name := v[1:e]; name {
	case "lt":
		return '<', e + 1, ""
	case "gt":
		return '>', e + 1, ""
	case "amp":
		return '&', e + 1, ""
	case "quot":
		return '"', e + 1, ""
	case "apos":
		return '\'', e + 1, ""
	default:
		if name[0] != '#' {
			return 0, 0, "unknown entity"
		}
		c, ok := charRef(name[1:])
		if !ok {
			return 0, 0, "malformed character reference"
		}
		if !allowedRune(c) {
			return 0, 0, "character reference to a character not allowed in XML"
		}
		return c, e + 1, ""
	}
}

func charRef(d string) (rune, bool) {
	base := rune(10)
	if strings.HasPrefix(d, "x") {
		base, d = 16, d[1:]
	}
	if d == "" {
		return 0, false
	}
	var x rune
	for i := 0; i < len(d); i++ {
		var k rune
		switch c := d[i]; {
		case c >= '0' && c <= '9':
			k = rune(c - '0')
		case base == 16 && c >= 'a' && c <= 'f':
			k = rune(c-'a') + 10
		case base == 16 && c >= 'A' && c <= 'F':
			k = rune(c-'A') + 10
		default:
			return 0, false
		}
		if x = x*base + k; x > utf8.MaxRune {
			return utf8.MaxRune + 1, true
		}
	}
	return x, true
}

func allowedRune(c rune) bool {
	return c == '\t' || c == '\n' || c == '\r' || c >= ' ' && c < 0xD800 || c >= 0xE000 && c <= 0xFFFD || c >= 0x10000 && c <= utf8.MaxRune
}
