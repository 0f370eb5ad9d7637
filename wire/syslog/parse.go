package syslog

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// ErrMessage tells that bytes are not a message of RFC 5424.
var ErrMessage = errors.New("not an RFC 5424 message")

const maxElements = 64 // elements, and parameters of one element

// Parse reads one message, all of RFC 5424 and nothing else. The body is a slice of b; a BOM before it is removed and reported.
func Parse(b []byte) (*Message, error) {
	p := scanner{b: b}
	var m Message
	if err := p.message(&m); err != nil {
		return nil, fmt.Errorf("%w: %w at byte %d", ErrMessage, err, p.at)
	}
	return &m, nil
}

// ParseFine reads a message as Parse does, but for a time of nanoseconds, which is cut to microseconds (QuirkFine).
func ParseFine(b []byte) (*Message, error) {
	p := scanner{b: b, fine: true}
	var m Message
	if err := p.message(&m); err != nil {
		return nil, fmt.Errorf("%w: %w at byte %d", ErrMessage, err, p.at)
	}
	return &m, nil
}

type scanner struct {
	b    []byte
	at   int
	fine bool // take nanoseconds
}

func (s *scanner) byte(c byte) error {
	if s.at >= len(s.b) || s.b[s.at] != c {
		return fmt.Errorf("%q expected", c)
	}
	s.at++
	return nil
}

func (s *scanner) message(m *Message) (err error) {
	if m.Priority, err = s.priority(); err != nil {
		return err
	}
	if err = s.byte('1'); err != nil {
		return errors.New("version is not 1")
	}
	stamp, err := s.field("timestamp", 35)
	if err != nil {
		return err
	}
	digits := 6
	if s.fine {
		digits = 9
	}
	if m.Time, err = timestamp(stamp, digits); err != nil {
		return err
	}
	m.Time = m.Time.Truncate(time.Microsecond)
	for _, f := range []struct {
		to    *string
		name  string
		limit int
	}{{&m.Hostname, "host name", 255}, {&m.AppName, "application name", 48}, {&m.ProcID, "process id", 128}, {&m.MsgID, "message id", 32}} {
		if *f.to, err = s.field(f.name, f.limit); err != nil {
			return err
		}
	}
	if err = s.byte(' '); err != nil {
		return err
	}
	if m.StructuredData, err = s.structured(); err != nil {
		return err
	}
	if s.at == len(s.b) {
		return nil
	}
	if err = s.byte(' '); err != nil {
		return err
	}
	m.Body, m.BOM = bytes.CutPrefix(s.b[s.at:], []byte(bom))
	if m.BOM && !utf8.Valid(m.Body) {
		return errors.New("body announced as UTF-8 is not")
	}
	return nil
}

func (s *scanner) priority() (int, error) {
	if err := s.byte('<'); err != nil {
		return 0, err
	}
	start, n := s.at, 0
	for s.at < len(s.b) && s.b[s.at] >= '0' && s.b[s.at] <= '9' && s.at-start < 3 {
		n = n*10 + int(s.b[s.at]-'0')
		s.at++
	}
	if s.at == start || n > 191 || (s.b[start] == '0' && s.at-start > 1) {
		return 0, errors.New("priority is not 0 to 191")
	}
	return n, s.byte('>')
}

// field reads a space and a header field; "-" is empty.
func (s *scanner) field(name string, limit int) (string, error) {
	if err := s.byte(' '); err != nil {
		return "", err
	}
	start := s.at
	for s.at < len(s.b) && s.b[s.at] > ' ' && s.b[s.at] < 0x7F {
		s.at++
	}
	switch n := s.at - start; {
	case n == 0:
		return "", fmt.Errorf("%s missing", name)
	case n > limit:
		return "", fmt.Errorf("%s longer than %d", name, limit)
	case n == 1 && s.b[start] == '-':
		return "", nil
	}
	return string(s.b[start:s.at]), nil
}

// timestamp is RFC 3339 with upper-case T and Z, at most so many digits of a second's fraction, no leap second.
func timestamp(s string, digits int) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	bad := errors.New("timestamp is not of RFC 5424")
	if strings.ContainsAny(s, "tz,") {
		return time.Time{}, bad
	}
	if i := strings.IndexByte(s, '.'); i >= 0 {
		end := i + 1
		for end < len(s) && s[end] >= '0' && s[end] <= '9' {
			end++
		}
		if end-i > digits+1 {
			return time.Time{}, bad
		}
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.IsZero() {
		return time.Time{}, bad
	}
	return t, nil
}

func (s *scanner) structured() ([]Element, error) {
	if s.at < len(s.b) && s.b[s.at] == '-' {
		s.at++
		return nil, nil
	}
	var elements []Element
	for s.at < len(s.b) && s.b[s.at] == '[' {
		if len(elements) == maxElements {
			return nil, fmt.Errorf("more than %d structured data elements", maxElements)
		}
		s.at++
		e, err := s.element()
		if err != nil {
			return nil, err
		}
		elements = append(elements, e)
	}
	if elements == nil {
		return nil, errors.New("structured data missing")
	}
	return elements, nil
}

func (s *scanner) element() (e Element, err error) {
	if e.ID, err = s.name(); err != nil {
		return e, err
	}
	for s.at < len(s.b) && s.b[s.at] == ' ' {
		if len(e.Params) == maxElements {
			return e, fmt.Errorf("more than %d parameters", maxElements)
		}
		s.at++
		var p Param
		if p.Name, err = s.name(); err != nil {
			return e, err
		}
		if err = s.byte('='); err != nil {
			return e, err
		}
		if p.Value, err = s.value(); err != nil {
			return e, err
		}
		e.Params = append(e.Params, p)
	}
	return e, s.byte(']')
}

func (s *scanner) name() (string, error) {
	start := s.at
	for s.at < len(s.b) && nameByte(s.b[s.at]) {
		s.at++
	}
	if n := s.at - start; n == 0 || n > 32 {
		return "", errors.New("structured data name is not 1 to 32 characters")
	}
	return string(s.b[start:s.at]), nil
}

// value reads a quoted value; a backslash before anything but the three escaped characters stands for itself.
func (s *scanner) value() (string, error) {
	if err := s.byte('"'); err != nil {
		return "", err
	}
	var v []byte
	for ; s.at < len(s.b); s.at++ {
		switch c := s.b[s.at]; {
		case c == '"':
			s.at++
			if !utf8.Valid(v) {
				return "", errors.New("parameter value is not UTF-8")
			}
			return string(v), nil
		case c == ']':
			return "", errors.New("bare ] in a parameter value")
		case c == '\\' && s.at+1 < len(s.b) && strings.IndexByte(`"\]`, s.b[s.at+1]) >= 0:
			s.at++
			v = append(v, s.b[s.at])
		default:
			v = append(v, c)
		}
	}
	return "", errors.New("parameter value without end")
}
