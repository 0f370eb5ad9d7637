package xmlpull

import "unicode/utf8"

// What a byte needs when written: 0 nothing, 1 an entity in text and attributes, 2 a reference in attributes only, 3 replacement,
// 4 a closer look.
var escape = func() (t [256]uint8) {
	for i := range t {
		switch c := byte(i); {
		case c == '&' || c == '<' || c == '>' || c == '\r':
			t[i] = 1
		case c == '"' || c == '\t' || c == '\n':
			t[i] = 2
		case c < ' ':
			t[i] = 3
		case c >= 0x80:
			t[i] = 4
		}
	}
	return t
}()

// AppendText appends s as character data. Characters that XML 1.0 forbids and invalid UTF-8 become U+FFFD.
func AppendText(dst []byte, s string) []byte { return appendEscaped(dst, s, 1) }

// AppendAttr appends s as the inside of an attribute value in double quotes; tab, line feed and carriage return survive as references.
func AppendAttr(dst []byte, s string) []byte { return appendEscaped(dst, s, 2) }

func appendEscaped(dst []byte, s string, level uint8) []byte {
	from := 0
	for i := 0; i < len(s); {
		e := escape[s[i]]
		if e == 0 || e == 2 && level == 1 {
			i++
			continue
		}
		if e == 4 {
			c, n := utf8.DecodeRuneInString(s[i:])
			if n > 1 && c < 0xFFFE || c > 0xFFFF {
				i += n
				continue
			}
			dst = append(append(dst, s[from:i]...), "\uFFFD"...)
			i += n
			from = i
			continue
		}
		dst = append(append(dst, s[from:i]...), replacement(s[i])...)
		i++
		from = i
	}
	return append(dst, s[from:]...)
}

func replacement(c byte) string {
	switch c {
	case '&':
		return "&amp;"
	case '<':
		return "&lt;"
	case '>':
		return "&gt;"
	case '"':
		return "&#34;"
	case '\r':
		return "&#13;"
	case '\n':
		return "&#10;"
	case '\t':
		return "&#9;"
	}
	return "\uFFFD"
}

// AppendElement appends <name>text</name>.
func AppendElement(dst []byte, name, text string) []byte {
	dst = append(append(append(dst, '<'), name...), '>')
	dst = AppendText(dst, text)
	return append(append(append(dst, "</"...), name...), '>')
}
