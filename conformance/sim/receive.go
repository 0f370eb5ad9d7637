package sim

import (
	"archive/zip"
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/mail"
	"regexp"
	"strconv"
	"strings"

	"github.com/passerelle-sante/passerelle/conformance/validate"
)

var eventType = regexp.MustCompile(`<EventTypeCode[^>]*?(?:csd-code|code)="([^"]{1,32})"`)

// syslog receives audit messages, each preceded by its length (RFC 6587 3.4.1).
func (s *Server) syslog(c net.Conn, r *bufio.Reader) {
	if faulty(s.faults, "closes") {
		return
	}
	if faulty(s.faults, "never-reads") {
		s.pause()
		return
	}
	for {
		n, err := frameLength(r)
		if err != nil {
			return
		}
		if faulty(s.faults, "closes-within-a-message") {
			_, _ = io.CopyN(io.Discard, r, int64(n/2))
			return
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(r, b); err != nil {
			return
		}
		what := ""
		if m := eventType.FindSubmatch(b); m != nil {
			what = string(m[1])
		}
		s.take(c.RemoteAddr().String(), "audit", what, "nothing, as is due", fmt.Appendf(nil, "%d %s", n, b)) // what no header begins is seen behind its length
		switch {
		case faulty(s.faults, "closes-after-each"):
			return
		case faulty(s.faults, "talks-back"):
			_, _ = io.WriteString(c, "<85>1 - - - - - - thank you\n")
		case faulty(s.faults, "slow") && !s.pause():
			return
		}
	}
}

// frameLength reads the length before a message.
func frameLength(r *bufio.Reader) (int, error) {
	var digits []byte
	for len(digits) < 10 {
		b, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		if b == ' ' {
			n, err := strconv.Atoi(string(digits))
			if err != nil || n < 0 || n > 16<<20 {
				return 0, errLong
			}
			return n, nil
		}
		digits = append(digits, b)
	}
	return 0, errLong
}

// mailFaults are the answers of a mailbox that refuses, by the command that they answer.
var mailFaults = map[string][2]string{
	"refuses-recipient": {"RCPT", "550 5.1.1 no such mailbox"}, "defers-recipient": {"RCPT", "451 4.2.1 not now"}, "refuses-sender": {"MAIL", "550 5.7.1 not from there"},
	"mailbox-full": {"RCPT", "552 5.2.2 the mailbox is full"}, "refuses-data": {"end", "554 5.6.0 this is not wanted"}, "defers-data": {"end", "451 4.3.0 later"},
	"busy": {"greeting", "421 4.3.2 busy"}, "unknown-ehlo": {"EHLO", "502 5.5.1 not known"}, "too-large": {"end", "552 5.3.4 too large"}, "nonsense": {"end", "what?"},
}

// letter is a session of SMTP.
type letter struct {
	s     *Server
	c     net.Conn
	r     *bufio.Reader
	begun bool   // a sender was accepted
	to    string // the recipient that was accepted
}

// smtp receives mail.
func (s *Server) smtp(c net.Conn, r *bufio.Reader) {
	l := &letter{s: s, c: c, r: r}
	if faulty(s.faults, "hangs") {
		s.pause()
		return
	}
	if !l.say("greeting", "220 sim.invalid ESMTP") {
		return
	}
	for range 1000 {
		line, err := l.line()
		if err != nil || !l.obey(line) {
			return
		}
	}
}

// refused is what a fault answers to a command, or "".
func (l *letter) refused(command string) (text string) {
	for _, f := range l.s.faults {
		if m := mailFaults[f.Name]; m[0] == command {
			text = m[1]
		}
	}
	return text
}

// say answers a command, as a fault wants; false ends the session.
func (l *letter) say(command, text string) bool {
	if no := l.refused(command); no != "" {
		text = no
	}
	_, err := io.WriteString(l.c, text+"\r\n")
	return err == nil && !strings.HasPrefix(text, "421")
}

func (l *letter) line() (string, error) {
	line, err := l.r.ReadSlice('\n')
	if err != nil || len(line) > 4096 {
		return "", errLong
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

func (l *letter) obey(line string) bool {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb = strings.ToUpper(verb); verb {
	case "EHLO", "LHLO":
		more := ""
		if _, secure := l.c.(*tls.Conn); l.s.c.TLS != nil && !secure && !faulty(l.s.faults, "no-starttls") {
			more = "250-STARTTLS\r\n"
		}
		return l.say("EHLO", "250-sim.invalid\r\n"+more+"250-SIZE "+strconv.Itoa(maxMessage)+"\r\n250 8BITMIME")
	case "STARTTLS":
		if l.s.c.TLS == nil || faulty(l.s.faults, "no-starttls") {
			return l.say(verb, "502 5.5.1 not here")
		}
		if !l.say(verb, "220 begin") {
			return false
		}
		l.c = tls.Server(l.c, l.s.c.TLS)
		l.r = bufio.NewReaderSize(l.c, 64<<10)
		return l.s.shaken(l.c)
	case "MAIL":
		l.begun, l.to = l.refused(verb) == "", ""
		return l.say(verb, "250 2.1.0 ok")
	case "RCPT":
		if !l.begun {
			return l.say("", "503 5.5.1 from whom?")
		}
		if l.refused(verb) == "" {
			l.to = address(rest)
		}
		return l.say(verb, "250 2.1.5 ok")
	case "DATA":
		return l.data()
	case "QUIT":
		l.say(verb, "221 2.0.0 bye")
		return false
	case "HELO", "RSET", "NOOP":
		return l.say(verb, "250 2.0.0 ok")
	}
	return l.say(verb, "502 5.5.1 not known")
}

func address(s string) string {
	if from, to := strings.IndexByte(s, '<'), strings.IndexByte(s, '>'); from >= 0 && to > from {
		return s[from+1 : to]
	}
	return ""
}

// data receives a message.
func (l *letter) data() bool {
	if l.to == "" {
		return l.say("", "503 5.5.1 to whom?")
	}
	if !l.say("DATA", "354 go on") || faulty(l.s.faults, "drops-within-data") {
		return false
	}
	var b bytes.Buffer
	for {
		line, err := l.r.ReadBytes('\n')
		if err != nil || b.Len() > maxMessage {
			return false
		}
		if string(line) == ".\r\n" {
			break
		}
		b.Write(bytes.TrimPrefix(line, []byte(".")))
	}
	if faulty(l.s.faults, "drops-after-data") {
		l.s.mail(l, b.Bytes(), "nothing")
		return false
	}
	more := l.say("end", "250 2.0.0 kept")
	l.s.mail(l, b.Bytes(), "the message")
	return more
}

// mail takes a message in: the archive in it is judged, and the message says what it holds.
func (s *Server) mail(l *letter, message []byte, said string) {
	what, archive := contents(message)
	if archive == nil {
		s.take(l.c.RemoteAddr().String(), "xdm", "mail: "+what, said, message)
		return
	}
	s.take(l.c.RemoteAddr().String(), "xdm", "mail: "+what, said, archive)
}

// contents tells what a message holds, and gives the first archive in it.
func contents(message []byte) (what string, archive []byte) {
	m, err := mail.ReadMessage(bytes.NewReader(message))
	if err != nil {
		return "no message", nil
	}
	var names []string
	archive = walkParts(m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body, &names, 0)
	if archive != nil {
		if z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive))); err == nil {
			for i, f := range z.File {
				if i < 100 {
					names = append(names, f.Name)
				}
			}
		}
	}
	return strings.Join(names, " "), archive
}

// walkParts names the parts of a body and gives the first archive among them.
func walkParts(contentType, encoding string, body io.Reader, names *[]string, depth int) (archive []byte) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		kind = "text/plain"
	}
	if !strings.HasPrefix(kind, "multipart/") {
		*names = append(*names, kind)
		if strings.EqualFold(encoding, "base64") {
			body = base64.NewDecoder(base64.StdEncoding, body)
		}
		b, err := io.ReadAll(io.LimitReader(body, maxMessage))
		if err == nil && bytes.HasPrefix(b, []byte("PK")) {
			return b
		}
		return nil
	}
	if depth > 8 {
		return nil
	}
	r := multipart.NewReader(body, params["boundary"])
	for range 100 {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) || err != nil {
			break
		}
		if found := walkParts(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p, names, depth+1); found != nil && archive == nil {
			archive = found
		}
	}
	return archive
}

// String tells of a message in a few lines: what it was, what was answered, what is wrong with it.
func (r Received) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s #%d %s %s from %s, %d bytes: answered %s", r.At.Format("15:04:05"), r.Number, r.Kind, r.What, r.From, r.Bytes, r.Answered)
	if r.File != "" {
		fmt.Fprintf(&b, ", kept as %s", r.File)
	}
	for _, f := range r.Findings {
		b.WriteString("\n  " + located(f))
	}
	switch {
	case len(r.Findings) == 0:
		b.WriteString("; nothing found")
	case r.File != "":
		fmt.Fprintf(&b, "\n  next: mend these lines of %s; 'conformance validate %s %s' judges them again", r.File, r.Kind, r.File)
	default:
		b.WriteString("\n  next: '--keep DIR' keeps the message as it came, for these lines to be looked up in it")
	}
	return b.String()
}

// located is a finding with its line said in words.
func located(f validate.Finding) string {
	text, line := strings.TrimPrefix(f.String(), ": "), ""
	if f.Line > 0 {
		text, line = strings.TrimPrefix(text, fmt.Sprintf(":%d: ", f.Line)), fmt.Sprintf("line %d, ", f.Line)
	}
	return line + text
}
