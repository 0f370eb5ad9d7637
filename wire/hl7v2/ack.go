package hl7v2

import (
	"bytes"
	"strings"
	"time"
)

// AckCode is MSA-1 in original mode (HL7 table 0008).
type AckCode string

// The application acknowledgements.
const (
	AA AckCode = "AA" // accepted
	AE AckCode = "AE" // error in the content
	AR AckCode = "AR" // rejected: type, event, version, or we cannot work
)

// Answer is what an acknowledgement says.
type Answer struct {
	Type      string // MSH-9 with ^ between its parts; an ACK to the event of the request when empty
	Code      AckCode
	Time      time.Time
	ControlID string // MSH-10 of the answer
	Errors    []Err
}

// Err is one ERR segment. Text is safe to show: it holds no patient data.
type Err struct {
	Location string // ERL with ^ between its parts: PID^1^3
	Code     string // HL7 table 0357
	Name     string // that code's meaning
	Text     string
}

// Ack builds the acknowledgement of req: header mirrored, control id echoed in MSA-2, an ERR per error in the shape of v2.5 (ERR-2, 3, 4, 8),
// and, to versions before, the location in ERR-1 too (HL7 v2.3.1, 2.24.5). req may have come from Header.
func Ack(req *Message, a Answer) *Message {
	in, d := req.MSH(), req.Delims
	event := ""
	if e := in.Field(9).Repetition(1).Component(2).Text(); e != "" {
		event = string(rune(d.Component)) + e + string(rune(d.Component)) + "ACK"
	}
	kind := "ACK" + event
	if a.Type != "" {
		kind = strings.ReplaceAll(a.Type, "^", string(rune(d.Component)))
	}
	m := &Message{Delims: d, Charset: req.Charset}
	msh := Segment{ID: "MSH", d: d, fields: []string{"MSH", string(rune(d.Field)), d.encoding,
		in.Field(5).Text(), in.Field(6).Text(), in.Field(3).Text(), in.Field(4).Text(), a.Time.Format("20060102150405-0700"), "",
		kind, d.EscapeText(a.ControlID), in.Field(11).Text(), in.Field(12).Text()}}
	if set := in.Field(18).Text(); set != "" {
		msh.fields = append(msh.fields, "", "", "", "", "", set)
	}
	msa := Segment{ID: "MSA", d: d, fields: []string{"MSA", string(a.Code), in.Field(10).Text()}}
	if len(a.Errors) > 0 {
		msa.fields = append(msa.fields, d.EscapeText(a.Errors[0].Text))
	}
	m.Segments = append(m.Segments, msh, msa)
	old := before25(in.Field(12).Value())
	for _, e := range a.Errors {
		m.Segments = append(m.Segments, e.segment(d, old))
	}
	return m
}

func (e Err) segment(d Delimiters, old bool) Segment {
	c, sub := string(rune(d.Component)), string(rune(d.Subcomponent))
	at := make([]string, 0, 6)
	for part := range strings.SplitSeq(e.Location, "^") {
		at = append(at, d.EscapeText(part))
	}
	s := Segment{ID: "ERR", d: d, fields: []string{"ERR", "", strings.Join(at, c), e.Code + c + d.EscapeText(e.Name) + c + "HL70357", "E", "", "", "", d.EscapeText(e.Text)}}
	if old {
		for len(at) < 3 {
			at = append(at, "")
		}
		s.fields[1] = strings.Join(at[:3], c) + c + e.Code + sub + d.EscapeText(e.Name) + sub + "HL70357"
	}
	return s
}

func before25(version string) bool {
	return strings.HasPrefix(version, "2.") && version < "2.5"
}

// Header reads the first segment alone, as far as it is there: enough to answer a message that Parse refused. It never fails; what cannot be
// read is empty.
func Header(b []byte) *Message {
	line := b
	for i, c := range b {
		if c == '\r' || c == '\n' || i == 4096 {
			line = b[:i]
			break
		}
	}
	for _, l := range [][]byte{line, addressed(line)} {
		if m, err := Parse(l, Lenient{Charset: true}); err == nil {
			return m
		}
	}
	d := Standard()
	return &Message{Delims: d, Segments: []Segment{{ID: "MSH", d: d, fields: []string{"MSH", "|", d.encoding}}}}
}

// addressed is the part of an MSH that says who sends what, up to its version and without the character set, in ASCII: an answer to a message in an
// unknown character set names it all the same.
func addressed(line []byte) []byte {
	if len(line) < 4 {
		return nil
	}
	fields := bytes.Split(line, line[3:4])
	out := bytes.Join(fields[:min(len(fields), 12)], line[3:4])
	for i, c := range out {
		if c >= 0x80 {
			out[i] = '?'
		}
	}
	return out
}
