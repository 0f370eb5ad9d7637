package syslog

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// Quirk names a departure from RFC 5424 that a receiver may tolerate.
type Quirk string

// The quirks of senders.
const (
	QuirkBSD   Quirk = "bsd-syslog"   // a message of RFC 3164
	QuirkLines Quirk = "line-framing" // messages end in a line feed instead of being counted (RFC 6587, 3.4.2)
	QuirkFine  Quirk = "fine-time"    // RFC 5424 but for a time with more than six digits of a second
)

// ParseBSD reads a message of RFC 3164: <PRI>Mmm dd hh:mm:ss HOST TAG[PID]: text. The stamp has neither year nor zone: it is taken to be of the
// twelve months before now and in now's zone. What does not look like stamp, host or tag is left in the body, as that RFC asks of relays.
func ParseBSD(b []byte, now time.Time) (*Message, error) {
	s := scanner{b: b}
	var m Message
	var err error
	if m.Priority, err = s.priority(); err != nil {
		return nil, fmt.Errorf("%w: %w at byte %d", ErrMessage, err, s.at)
	}
	rest := b[s.at:]
	if len(rest) > len(time.Stamp) && rest[len(time.Stamp)] == ' ' {
		if t, err := time.ParseInLocation(time.Stamp, string(rest[:len(time.Stamp)]), now.Location()); err == nil {
			m.Time = yearOf(t, now)
			rest = rest[len(time.Stamp)+1:]
			if host, after, ok := bytes.Cut(rest, []byte(" ")); ok && len(host) > 0 && len(host) <= 255 && host[len(host)-1] != ':' {
				m.Hostname, rest = string(host), after
			}
		}
	}
	m.AppName, m.ProcID, rest = bsdTag(rest)
	m.Body, m.BOM = bytes.CutPrefix(rest, []byte(bom))
	return &m, nil
}

// yearOf puts t, of no year, in the last year before now; a day of clock difference is forgiven.
func yearOf(t, now time.Time) time.Time {
	t = t.AddDate(now.Year(), 0, 0)
	if t.After(now.AddDate(0, 0, 1)) {
		return t.AddDate(-1, 0, 0)
	}
	return t
}

// bsdTag cuts TAG[PID]: from the front.
func bsdTag(b []byte) (tag, pid string, rest []byte) {
	end := bytes.IndexByte(b, ':')
	if end <= 0 || end > 80 {
		return "", "", b
	}
	tag = string(b[:end])
	if open := strings.IndexByte(tag, '['); open > 0 && strings.HasSuffix(tag, "]") {
		tag, pid = tag[:open], tag[open+1:len(tag)-1]
	}
	if strings.ContainsAny(tag+pid, " <>\"\t\r\n[]") {
		return "", "", b
	}
	return tag, pid, bytes.TrimPrefix(b[end+1:], []byte(" "))
}
