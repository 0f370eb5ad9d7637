package mtom

import (
	"slices"
	"strings"
	"unicode"
)

// MediaType is a Content-Type: the type in lower case and its parameters, names in lower case, values as written without quotes.
type MediaType struct {
	Type   string
	params []param
}

type param struct{ name, value string }

// Param is the value of a parameter, "" when it is not there.
func (m *MediaType) Param(name string) string {
	for i := range m.params {
		if m.params[i].name == name {
			return m.params[i].value
		}
	}
	return ""
}

// ParseMediaType reads a Content-Type. Unlike mime.ParseMediaType it takes what real stacks write without quotes (start=<root@x>,
// action=urn:…); it refuses a parameter given twice with different values and a quote that does not end. What the standard library takes, it takes too
// (RFC 2231 continuations aside, which it leaves as they are).
func ParseMediaType(v string) (MediaType, error) {
	t, rest, more := strings.Cut(v, ";")
	m := MediaType{Type: strings.ToLower(strings.TrimSpace(t))}
	if major, minor, ok := strings.Cut(m.Type, "/"); !ok || !isToken(major) || !isToken(minor) {
		return MediaType{}, FormatError("content type is not type/subtype")
	}
	for more {
		rest = strings.TrimLeftFunc(rest, unicode.IsSpace)
		if rest == "" {
			break
		}
		name, after, ok := strings.Cut(rest, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if !ok || !isToken(name) {
			return MediaType{}, FormatError("content type parameter without a name")
		}
		var value string
		var err error
		if value, rest, more, err = paramValue(after); err != nil {
			return MediaType{}, err
		}
		if i := slices.IndexFunc(m.params, func(p param) bool { return p.name == name }); i < 0 {
			m.params = append(m.params, param{name, value})
		} else if m.params[i].value != value {
			return MediaType{}, FormatError("content type parameter given twice: " + name)
		}
	}
	return m, nil
}

// paramValue reads a value and the semicolon behind it; more tells that there was one.
func paramValue(s string) (value, rest string, more bool, err error) {
	s = strings.TrimLeftFunc(s, unicode.IsSpace)
	if !strings.HasPrefix(s, `"`) {
		value, rest, more = strings.Cut(s, ";")
		value = strings.TrimSpace(value)
		if value == "" || strings.ContainsAny(value, "\" \t\r\n") {
			return "", "", false, FormatError("content type parameter is malformed")
		}
		return value, rest, more, nil
	}
	end := quoteEnd(s)
	if end < 0 {
		return "", "", false, FormatError("content type parameter has an open quote")
	}
	value = s[1:end]
	if strings.Contains(value, `\`) {
		value = unquote(value)
	}
	rest = strings.TrimLeftFunc(s[end+1:], unicode.IsSpace)
	if rest == "" {
		return value, "", false, nil
	}
	if rest[0] != ';' {
		return "", "", false, FormatError("content type parameter is malformed")
	}
	return value, rest[1:], true, nil
}

func quoteEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return i
		case '\\':
			i++
		case '\r', '\n':
			return -1
		}
	}
	return -1
}

// unquote undoes \" and \\ only: some browsers write Windows paths with single backslashes, and the standard library keeps them.
func unquote(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && strings.IndexByte(`()<>@,;:\"/[]?=`, s[i+1]) >= 0 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func isTokenByte(c byte) bool {
	return c > ' ' && c < 0x7f && strings.IndexByte(`()<>@,;:\"/[]?=`, c) < 0
}

func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isTokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}
