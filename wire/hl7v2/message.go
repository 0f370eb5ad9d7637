// Package hl7v2 reads and writes HL7 version 2 messages in ER7, the delimited encoding (HL7 v2.5 chapter 2): delimiters, escape
// sequences, character sets, segments and acknowledgements. It knows no event and no profile.
package hl7v2

import "strings"

// Delimiters are the five characters of MSH-1 and MSH-2, and what MSH-2 says beyond them.
type Delimiters struct {
	Field, Component, Repetition, Escape, Subcomponent byte
	encoding                                           string // MSH-2 as written
}

// Standard are the delimiters that everybody uses: |^~\&
func Standard() Delimiters {
	return Delimiters{Field: '|', Component: '^', Repetition: '~', Escape: '\\', Subcomponent: '&', encoding: `^~\&`}
}

// Quirk names a leniency that a message needed.
type Quirk string

// The quirks of ER7.
const (
	QuirkLineEnds Quirk = "er7-line-ends"       // segments end with LF or CRLF instead of CR
	QuirkCharset  Quirk = "er7-charset-guessed" // no MSH-18 and not UTF-8: read as ISO-8859-1
)

// Message is one message. Its text is UTF-8 whatever it came in; Raw gives the bytes as they came.
type Message struct {
	Delims   Delimiters
	Segments []Segment
	Charset  Charset
	Quirks   []Quirk
	raw      []byte
}

// Segment is one line: its fields as written, escapes and all.
type Segment struct {
	ID     string
	fields []string // fields[n] is XXX-n; for MSH fields[1] is the separator itself
	d      Delimiters
}

// Field is XXX-n as written. A repetition, a component or a field that is absent reads as empty.
type Field struct {
	text string
	d    Delimiters
}

// Repetition is one repetition of a field.
type Repetition struct {
	text string
	d    Delimiters
}

// Component is one component of a repetition.
type Component struct {
	text string
	d    Delimiters
}

// Raw gives the bytes that were parsed; nil for a message that was built.
func (m *Message) Raw() []byte { return m.raw }

// First gives the first segment of that name, or an empty one and false.
func (m *Message) First(id string) (Segment, bool) {
	for _, s := range m.Segments {
		if s.ID == id {
			return s, true
		}
	}
	return Segment{d: m.Delims}, false
}

// MSH gives the header.
func (m *Message) MSH() Segment { return m.Segments[0] }

// Add puts a segment at the end of the message: its name, then its fields, each as it is written with the delimiters of the message.
func (m *Message) Add(fields ...string) {
	m.Segments = append(m.Segments, Segment{ID: fields[0], d: m.Delims, fields: fields})
}

// Field gives XXX-n, counted as the standard does (MSH-1 is the field separator).
func (s Segment) Field(n int) Field {
	if n < 1 || n >= len(s.fields) {
		return Field{d: s.d}
	}
	return Field{s.fields[n], s.d}
}

// Text is the segment as written, in UTF-8, without its end.
func (s Segment) Text() string { return strings.Join(s.fields, string(rune(s.d.Field))) }

// Value is the first component of the first repetition, unescaped: what a simple field says.
func (f Field) Value() string { return f.Repetition(1).Component(1).Value() }

// Text is the field as written.
func (f Field) Text() string { return f.text }

// Repetitions counts; an empty field has none.
func (f Field) Repetitions() int {
	if f.text == "" {
		return 0
	}
	return strings.Count(f.text, string(rune(f.d.Repetition))) + 1
}

// Repetition gives the n-th, from 1.
func (f Field) Repetition(n int) Repetition {
	return Repetition{nth(f.text, f.d.Repetition, n), f.d}
}

// Text is the repetition as written.
func (r Repetition) Text() string { return r.text }

// Null tells that the sender said "delete": two quotation marks (HL7 v2.5, 2.5.3).
func (r Repetition) Null() bool { return r.text == `""` }

// Component gives the n-th, from 1.
func (r Repetition) Component(n int) Component {
	return Component{nth(r.text, r.d.Component, n), r.d}
}

// Components counts; an empty repetition has none.
func (r Repetition) Components() int {
	if r.text == "" {
		return 0
	}
	return strings.Count(r.text, string(rune(r.d.Component))) + 1
}

// Text is the component as written.
func (c Component) Text() string { return c.text }

// Value is the component unescaped; of a component with sub-components it is the first.
func (c Component) Value() string { return c.Subcomponent(1) }

// Subcomponents counts; an empty component has none.
func (c Component) Subcomponents() int {
	if c.text == "" {
		return 0
	}
	return strings.Count(c.text, string(rune(c.d.Subcomponent))) + 1
}

// Subcomponent gives the n-th unescaped, from 1.
func (c Component) Subcomponent(n int) string {
	return c.d.UnescapeText(nth(c.text, c.d.Subcomponent, n))
}

// nth cuts the n-th part of s between separators without allocating.
func nth(s string, sep byte, n int) string {
	if n < 1 {
		return ""
	}
	for ; n > 1; n-- {
		i := strings.IndexByte(s, sep)
		if i < 0 {
			return ""
		}
		s = s[i+1:]
	}
	if i := strings.IndexByte(s, sep); i >= 0 {
		return s[:i]
	}
	return s
}

// Append prints the message in its own delimiters and character set, each segment ended by CR. A character that the set lacks becomes "?".
func (m *Message) Append(dst []byte) []byte {
	for _, s := range m.Segments {
		dst = append(dst, s.ID...)
		for n, f := range s.fields {
			if n == 0 || (n == 1 && s.ID == "MSH") {
				continue
			}
			dst = append(dst, m.Delims.Field)
			dst = m.Charset.append(dst, f)
		}
		dst = append(dst, '\r')
	}
	return dst
}
