// Package syslog prints and parses syslog messages (RFC 5424), frames them for TLS and TCP (RFC 5425, RFC 6587 octet counting), sends
// them there or in UDP datagrams (RFC 5426), and serves them. It knows nothing of what the messages say.
package syslog

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// What ITI-20 asks for when a message says nothing else [ITI-20 3.20.4.1.2].
const (
	DefaultPriority = 10*8 + 5 // security/authorization, notice
	DefaultMsgID    = "IHE+RFC-3881"
)

const bom = "\xEF\xBB\xBF"

// Message is one message of RFC 5424. An empty header field is printed as the nil value "-".
type Message struct {
	Priority       int       // facility*8 + severity, 0 to 191
	Time           time.Time // zero is the nil value; to the microsecond
	Hostname       string    // at most 255 printable ASCII characters
	AppName        string    // at most 48
	ProcID         string    // at most 128
	MsgID          string    // at most 32
	StructuredData []Element
	BOM            bool   // the body is announced as UTF-8
	Body           []byte // what follows the header, without BOM
}

// Element is one SD-ELEMENT.
type Element struct {
	ID     string
	Params []Param
}

// Param is one SD-PARAM; Value is unescaped.
type Param struct{ Name, Value string }

// Append prints m. Header fields lose what RFC 5424 does not allow in them and are cut to their length.
func Append(dst []byte, m *Message) []byte {
	dst = append(dst, '<')
	dst = strconv.AppendInt(dst, int64(min(max(m.Priority, 0), 191)), 10)
	dst = append(dst, ">1 "...)
	if m.Time.IsZero() {
		dst = append(dst, '-')
	} else {
		dst = m.Time.AppendFormat(dst, "2006-01-02T15:04:05.999999Z07:00")
	}
	dst = appendHeader(dst, m.Hostname, 255)
	dst = appendHeader(dst, m.AppName, 48)
	dst = appendHeader(dst, m.ProcID, 128)
	dst = appendHeader(dst, m.MsgID, 32)
	dst = append(dst, ' ')
	if len(m.StructuredData) == 0 {
		dst = append(dst, '-')
	}
	for _, e := range m.StructuredData {
		dst = append(dst, '[')
		dst = appendName(dst, e.ID)
		for _, p := range e.Params {
			dst = append(dst, ' ')
			dst = appendName(dst, p.Name)
			dst = append(dst, '=', '"')
			dst = appendValue(dst, p.Value)
			dst = append(dst, '"')
		}
		dst = append(dst, ']')
	}
	if !m.BOM && len(m.Body) == 0 {
		return dst
	}
	dst = append(dst, ' ')
	if m.BOM {
		dst = append(dst, bom...)
	}
	return append(dst, m.Body...)
}

func appendHeader(dst []byte, s string, limit int) []byte {
	dst = append(dst, ' ')
	start := len(dst)
	for i := 0; i < len(s) && len(dst)-start < limit; i++ {
		if s[i] > ' ' && s[i] < 0x7F {
			dst = append(dst, s[i])
		}
	}
	if len(dst) == start {
		dst = append(dst, '-')
	}
	return dst
}

func appendName(dst []byte, s string) []byte {
	start := len(dst)
	for i := 0; i < len(s) && len(dst)-start < 32; i++ {
		if nameByte(s[i]) {
			dst = append(dst, s[i])
		}
	}
	if len(dst) == start {
		dst = append(dst, '-')
	}
	return dst
}

func nameByte(c byte) bool { return c > ' ' && c < 0x7F && c != '=' && c != ']' && c != '"' }

func appendValue(dst []byte, s string) []byte {
	for _, r := range s { // invalid UTF-8 becomes U+FFFD
		if r == '"' || r == '\\' || r == ']' {
			dst = append(dst, '\\')
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}
