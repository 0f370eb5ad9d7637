package sim

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// patients is what a PIX manager holds: identifiers that belong to one person each.
type patients struct {
	domain string // in which everybody gets an identifier of the manager's own
	mu     sync.Mutex
	groups [][]string // identifiers as id^OID
}

// DefaultDomain is the domain in which a PIX manager gives everybody an identifier when it is told none.
const DefaultDomain = "1.2.250.1.999.9.10"

func newPatients(domain string) *patients {
	if domain == "" {
		domain = DefaultDomain
	}
	return &patients{domain: domain}
}

// feed takes the identifiers of a person in; prior is one that is merged into them.
func (p *patients) feed(ids []string, prior string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.index(ids...)
	if i < 0 {
		if len(p.groups) >= maxHeld {
			return errors.New("there is no room for more patients")
		}
		p.groups = append(p.groups, []string{fmt.Sprintf("M%d^%s", len(p.groups)+1, p.domain)})
		i = len(p.groups) - 1
	}
	for _, id := range ids {
		if !slices.Contains(p.groups[i], id) && len(p.groups[i]) < 100 {
			p.groups[i] = append(p.groups[i], id)
		}
	}
	if k := p.index(prior); prior != "" && k >= 0 && k != i {
		p.groups[k] = nil // what was merged is not answered for any more
	}
	return nil
}

func (p *patients) index(ids ...string) int {
	return slices.IndexFunc(p.groups, func(g []string) bool {
		return slices.ContainsFunc(ids, func(id string) bool { return slices.Contains(g, id) })
	})
}

// ask gives the other identifiers of a person, in the domains named or in all; false when he is unknown.
func (p *patients) ask(id string, domains []string) ([]string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.index(id)
	if i < 0 {
		return nil, false
	}
	var out []string
	for _, one := range p.groups[i] {
		_, domain, _ := strings.Cut(one, "^")
		if one != id && (len(domains) == 0 || slices.Contains(domains, domain)) {
			out = append(out, one)
		}
	}
	return out, true
}

// readBlock reads one MLLP block.
func readBlock(r *bufio.Reader) ([]byte, error) {
	first, err := r.ReadByte()
	if err != nil {
		return nil, err
	}
	if first != 0x0b {
		return nil, errors.New("not an MLLP block")
	}
	var out []byte
	for len(out) < 1<<20 {
		b, err := r.ReadByte()
		if err != nil {
			return out, io.ErrUnexpectedEOF
		}
		out = append(out, b)
		if n := len(out); n > 1 && out[n-2] == 0x1c && b == '\r' {
			return out[:n-2], nil
		}
	}
	return out, errLong
}

// segments of a message, by name; fields count as in the standard.
type segments struct {
	lines     [][]string
	component string
}

func cut(message []byte) segments {
	if len(message) < 5 {
		return segments{}
	}
	s := segments{component: string(message[4])}
	for _, line := range strings.FieldsFunc(string(message), func(r rune) bool { return r == '\r' || r == '\n' }) {
		f := strings.Split(line, string(message[3]))
		if f[0] == "MSH" {
			f = slices.Insert(f, 1, string(message[3]))
		}
		s.lines = append(s.lines, f)
	}
	return s
}

func (s segments) get(name string, n int) string {
	for _, f := range s.lines {
		if f[0] == name && n < len(f) {
			return f[n]
		}
	}
	return ""
}

func (s segments) part(value string, n int) string {
	if p := strings.Split(value, s.component); s.component != "" && n <= len(p) {
		return p[n-1]
	}
	return ""
}

// ids are the identifiers of a field as id^OID.
func (s segments) ids(field string) (out []string) {
	for _, cx := range strings.Split(field, "~") {
		authority := append(strings.Split(s.part(cx, 4), "&"), "", "")
		if id := s.part(cx, 1); id != "" {
			out = append(out, id+"^"+authority[1])
		}
	}
	return out
}

// talk answers one message after the other on a connection.
func (p *patients) talk(s *Server, c net.Conn, r *bufio.Reader) {
	for {
		message, err := readBlock(r)
		if err != nil {
			return
		}
		m := cut(message)
		answer, said := p.answer(s, m)
		more := s.sendBlock(c, answer)
		s.take(c.RemoteAddr().String(), "hl7v2", m.get("MSH", 9), said, message)
		if !more {
			return
		}
	}
}

// answer writes the acknowledgement of a feed, or the response to a query.
func (p *patients) answer(s *Server, m segments) (answer, said string) {
	kind, event := m.part(m.get("MSH", 9), 1), m.part(m.get("MSH", 9), 2)
	code, why, control := "AA", "", m.get("MSH", 10)
	var ids []string
	found := "OK"
	switch {
	case kind == "ADT":
		prior := ""
		if old := m.ids(m.get("MRG", 1)); len(old) > 0 && event == "A40" {
			prior = old[0]
		}
		if mine := m.ids(m.get("PID", 3)); len(mine) == 0 {
			code, why = "AE", "PID-3 holds no identifier"
		} else if err := p.feed(mine, prior); err != nil {
			code, why = "AE", err.Error()
		}
	case kind == "QBP" && event == "Q23":
		var domains []string
		for _, d := range strings.Split(m.get("QPD", 4), "~") {
			if a := append(strings.Split(m.part(d, 4), "&"), "", ""); a[1] != "" {
				domains = append(domains, a[1])
			}
		}
		var known bool
		if asked := m.ids(m.get("QPD", 3)); len(asked) != 1 {
			code, found, why = "AE", "AE", "QPD-3 does not name one patient"
		} else if ids, known = p.ask(asked[0], domains); !known {
			code, found, why = "AE", "AE", "the patient is unknown"
		} else if len(ids) == 0 {
			found = "NF"
		}
	default:
		code, why = "AR", "the event is none of a PIX manager"
	}
	for _, f := range []struct{ name, code string }{{"nak", "AE"}, {"reject", "AR"}, {"unknown-ack-code", "XX"}, {"commit-accept", "CA"}} {
		if faulty(s.faults, f.name) {
			code, why = f.code, "on demand"
		}
	}
	if faulty(s.faults, "ack-for-another-message") {
		control = "ANOTHER"
	}
	return p.write(s, m, ack{kind, event, code, why, control, found, ids}), code
}

type ack struct {
	kind, event, code, why, control, found string
	ids                                    []string
}

func (p *patients) write(s *Server, m segments, a ack) string {
	answers := "ACK^" + a.event + "^ACK"
	if a.kind == "QBP" {
		answers = "RSP^K23^RSP_K23"
	}
	version := m.get("MSH", 12)
	if version == "" {
		version = "2.5"
	}
	now := time.Now().UTC().Format("20060102150405")
	lines := []string{"MSH|^~\\&|SIM|CONFORMANCE|" + m.get("MSH", 3) + "|" + m.get("MSH", 4) + "|" + now + "||" + answers + "|SIM" + strings.ReplaceAll(strings.TrimPrefix(uuid(), "urn:uuid:"), "-", "")[:16] + "|P|" + version + "||||||UNICODE UTF-8",
		"MSA|" + a.code + "|" + a.control}
	if a.why != "" {
		lines = append(lines, "ERR|||207^Application internal error^HL70357|E||||"+a.why)
	}
	if a.kind == "QBP" {
		tag := m.get("QPD", 2)
		if faulty(s.faults, "another-query-tag") {
			tag = "ANOTHER"
		}
		lines = append(lines, "QAK|"+tag+"|"+a.found, "QPD|"+m.get("QPD", 1)+"|"+tag+"|"+m.get("QPD", 3)+"|"+m.get("QPD", 4))
		if faulty(s.faults, "unasked-identifiers") {
			a.ids = append(a.ids, "X1^1.2.250.1.999.9.99")
		}
		var cx []string
		for _, id := range a.ids {
			value, domain, _ := strings.Cut(id, "^")
			if faulty(s.faults, "identifiers-without-authority") {
				cx = append(cx, value)
			} else {
				cx = append(cx, value+"^^^&"+domain+"&ISO^PI")
			}
		}
		if len(cx) > 0 {
			lines = append(lines, "PID|||"+strings.Join(cx, "~")+"||~^^^^^^S")
		}
	}
	return strings.Join(lines, "\r") + "\r"
}

// sendBlock sends an answer in the way that faults want; false ends the connection.
func (s *Server) sendBlock(c net.Conn, answer string) bool {
	has := func(name string) bool { return faulty(s.faults, name) }
	switch {
	case has("no-ack"):
		return true
	case has("closes"):
		return false
	case has("hangs"):
		s.pause()
		return false
	case has("late-ack"):
		if !s.pause() {
			return false
		}
	case has("garbage"):
		answer = "HTTP/1.1 400 Bad Request\r\n\r\n"
	}
	if has("wrong-charset") { // says UTF-8 and is not
		answer = strings.Replace(answer, "SIM|CONFORMANCE", "SIM|CONFORMIT\xc9", 1)
	}
	if has("line-feeds") {
		answer = strings.ReplaceAll(answer, "\r", "\n")
	}
	block := "\x0b" + answer + "\x1c\r"
	switch {
	case has("no-frame"):
		block = answer
	case has("no-end"):
		block = "\x0b" + answer
	case has("no-carriage-return"):
		block = "\x0b" + answer + "\x1c"
	case has("two-acks"):
		block += block
	case has("half-answer"):
		_, _ = io.WriteString(c, block[:len(block)/2])
		return false
	case has("split-frame"):
		for i := range len(block) {
			if _, err := c.Write([]byte(block[i : i+1])); err != nil {
				return false
			}
		}
		return true
	}
	_, err := io.WriteString(c, block)
	return err == nil
}
