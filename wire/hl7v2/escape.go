package hl7v2

import (
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// UnescapeText reads the escape sequences of HL7 v2.5, 2.7: delimiters, \Xhh..\ when it spells UTF-8, \.br\ (a line feed), \.sp\, \H\ and
// \N\ (dropped). What it does not know stays as written.
func (d Delimiters) UnescapeText(s string) string {
	if strings.IndexByte(s, d.Escape) < 0 {
		return s
	}
	var b strings.Builder
	for {
		i := strings.IndexByte(s, d.Escape)
		if i < 0 {
			break
		}
		j := strings.IndexByte(s[i+1:], d.Escape)
		if j < 0 {
			break
		}
		b.WriteString(s[:i])
		sequence := s[i+1 : i+1+j]
		if plain, ok := d.sequence(sequence); ok {
			b.WriteString(plain)
			s = s[i+j+2:]
		} else {
			// The closing character may open the next sequence.
			b.WriteString(s[i : i+1+j])
			s = s[i+1+j:]
		}
	}
	b.WriteString(s)
	return b.String()
}

func (d Delimiters) sequence(s string) (string, bool) {
	switch s {
	case "F":
		return string(rune(d.Field)), true
	case "S":
		return string(rune(d.Component)), true
	case "T":
		return string(rune(d.Subcomponent)), true
	case "R":
		return string(rune(d.Repetition)), true
	case "E":
		return string(rune(d.Escape)), true
	case "H", "N":
		return "", true
	case ".br", ".sp":
		return "\n", true
	}
	if strings.HasPrefix(s, "X") {
		if raw, err := hex.DecodeString(s[1:]); err == nil && len(raw) > 0 && utf8.Valid(raw) {
			return string(raw), true
		}
	}
	return "", false
}

// EscapeText writes text so that no delimiter and no segment end stands in it.
func (d Delimiters) EscapeText(s string) string {
	special := string([]byte{d.Field, d.Component, d.Subcomponent, d.Repetition, d.Escape, '\r', '\n'})
	if !strings.ContainsAny(s, special) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		c, sequence := s[i], ""
		switch c {
		case d.Field:
			sequence = "F"
		case d.Component:
			sequence = "S"
		case d.Subcomponent:
			sequence = "T"
		case d.Repetition:
			sequence = "R"
		case d.Escape:
			sequence = "E"
		case '\r':
			sequence = "X0D"
		case '\n':
			sequence = ".br"
		default:
			b.WriteByte(c)
			continue
		}
		b.WriteByte(d.Escape)
		b.WriteString(sequence)
		b.WriteByte(d.Escape)
	}
	return b.String()
}
