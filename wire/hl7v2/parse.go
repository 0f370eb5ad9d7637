package hl7v2

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The sizes beyond which Parse does not look.
const (
	MaxMessage  = 1 << 20 // bytes
	MaxSegments = 4096
	MaxFields   = 512 // of one segment
)

// ErrER7 tells that bytes are not a message in ER7.
var ErrER7 = errors.New("not an ER7 message")

// Lenient says which faults are tolerated; each is reported in Message.Quirks. The zero value tolerates none.
type Lenient struct {
	LineEnds bool // QuirkLineEnds
	Charset  bool // QuirkCharset
}

// Parse reads one message. The error wraps ErrER7 or ErrCharset and never shows what a field holds.
func Parse(b []byte, l Lenient) (*Message, error) {
	if len(b) > MaxMessage {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are read", ErrER7, len(b), MaxMessage)
	}
	d, err := delimiters(b)
	if err != nil {
		return nil, err
	}
	m := &Message{Delims: d, raw: b}
	text, err := m.decode(b, l)
	if err != nil {
		return nil, err
	}
	if strings.IndexByte(text, 0) >= 0 {
		return nil, fmt.Errorf("%w: NUL character", ErrER7)
	}
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\r' || r == '\n' }) {
		if len(m.Segments) == MaxSegments {
			return nil, fmt.Errorf("%w: more than %d segments", ErrER7, MaxSegments)
		}
		s, err := m.segment(line)
		if err != nil {
			return nil, fmt.Errorf("%w: segment %d: %w", ErrER7, len(m.Segments)+1, err)
		}
		m.Segments = append(m.Segments, s)
	}
	if strings.IndexByte(text, '\n') >= 0 {
		if !l.LineEnds {
			return nil, fmt.Errorf("%w: line feed where segments end with carriage return", ErrER7)
		}
		m.Quirks = append(m.Quirks, QuirkLineEnds)
	}
	return m, nil
}

// delimiters reads MSH-1 and MSH-2: four distinct characters, or five since v2.7.
func delimiters(b []byte) (Delimiters, error) {
	if len(b) < 8 || string(b[:3]) != "MSH" {
		return Delimiters{}, fmt.Errorf("%w: MSH is not first", ErrER7)
	}
	end := 4
	for end < len(b) && b[end] != b[3] && b[end] != '\r' && b[end] != '\n' {
		end++
	}
	enc := string(b[4:end])
	if len(enc) != 4 && len(enc) != 5 {
		return Delimiters{}, fmt.Errorf("%w: MSH-2 is not four or five characters", ErrER7)
	}
	all := append([]byte{b[3]}, enc...)
	for i, c := range all {
		alnum := c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if c <= ' ' || c >= 0x7F || c == '"' || alnum || slices.Contains(all[:i], c) {
			return Delimiters{}, fmt.Errorf("%w: delimiters of MSH-1 and MSH-2 are not distinct printable signs", ErrER7)
		}
	}
	return Delimiters{Field: b[3], Component: enc[0], Repetition: enc[1], Escape: enc[2], Subcomponent: enc[3], encoding: enc}, nil
}

// decode finds the character set by MSH-18 and gives the text in UTF-8.
func (m *Message) decode(b []byte, l Lenient) (string, error) {
	head := b
	if i := slices.IndexFunc(b, func(c byte) bool { return c == '\r' || c == '\n' }); i >= 0 {
		head = b[:i]
	}
	// MSH-1 is the separator itself, so MSH-18 is the 18th part of the line.
	name := nth(nth(string(head), m.Delims.Field, 18), m.Delims.Repetition, 1)
	text, set, guessed, err := decode(b, name)
	if err != nil {
		return "", err
	}
	if guessed {
		if !l.Charset {
			return "", fmt.Errorf("%w: no MSH-18, and not UTF-8", ErrCharset)
		}
		m.Quirks = append(m.Quirks, QuirkCharset)
	}
	m.Charset = set
	return text, nil
}

func (m *Message) segment(line string) (Segment, error) {
	d := m.Delims
	id, rest, _ := strings.Cut(line, string(rune(d.Field)))
	if len(id) != 3 {
		return Segment{}, errors.New("name is not three characters")
	}
	for i := range 3 {
		if c := id[i]; (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return Segment{}, errors.New("name is not of letters and digits")
		}
	}
	first := len(m.Segments) == 0
	if (id == "MSH") != first {
		return Segment{}, errors.New("MSH belongs first and once")
	}
	if strings.Count(rest, string(rune(d.Field))) >= MaxFields {
		return Segment{}, fmt.Errorf("more than %d fields", MaxFields)
	}
	s := Segment{ID: id, d: d, fields: []string{id}}
	if first {
		s.fields = append(s.fields, string(rune(d.Field)))
	}
	if len(line) > 3 {
		s.fields = append(s.fields, strings.Split(rest, string(rune(d.Field)))...)
	}
	return s, nil
}
