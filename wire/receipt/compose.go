package receipt

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"time"
	"unicode"

	"github.com/emersion/go-message"
	"golang.org/x/text/unicode/norm"
)

// Letter is a composed message. It goes out with the null reverse path, so that nobody answers it.
type Letter struct {
	To     string // the one recipient
	Entity []byte // content fields and body, all 7bit unless a message that is not is enclosed
	head   []byte
}

// Raw is the whole message.
func (l *Letter) Raw() []byte { return l.With(l.Entity) }

// With is the whole message around another entity: the sealed one.
func (l *Letter) With(entity []byte) []byte {
	return append(append(make([]byte, 0, len(l.head)+len(entity)), l.head...), entity...)
}

// envelope is what all letters have in common.
type envelope struct {
	From      mail.Address
	Now       time.Time
	MessageID string // made where empty
}

// letter begins a letter in reply to a message.
func (e envelope) letter(to, subject string, original message.Header) *Letter {
	id := e.MessageID
	if id == "" {
		_, domain, _ := strings.Cut(e.From.Address, "@")
		id = "<" + strings.ToLower(rand.Text()) + "@" + domain + ">"
	}
	replied := ""
	if ids := messageIDs(original.Get("Message-Id"), 1); len(ids) == 1 {
		replied = ids[0]
	}
	thread := messageIDs(original.Get("References"), 20)
	if replied != "" {
		thread = append(thread, replied)
	}
	return &Letter{To: to, head: appendFields(nil, [][2]string{
		{"Date", e.Now.Format(dateForm)},
		{"From", e.From.String()},
		{"To", (&mail.Address{Address: to}).String()},
		{"Subject", mime.QEncoding.Encode("utf-8", subject)},
		{"Message-ID", id},
		{"In-Reply-To", replied},
		{"References", strings.Join(thread, " ")},
		{"Auto-Submitted", "auto-replied"}, // [RFC 3834 5]
		{"MIME-Version", "1.0"},
	})}
}

const dateForm = "Mon, 02 Jan 2006 15:04:05 -0700"

// appendFields appends the fields that have a value, folded at spaces.
func appendFields(b []byte, fields [][2]string) []byte {
	for _, f := range fields {
		if f[1] == "" {
			continue
		}
		b = append(append(b, f[0]...), ':')
		line := len(f[0]) + 1
		for i, word := range strings.Split(f[1], " ") {
			if i > 0 && line+1+len(word) > 76 {
				b, line = append(b, "\r\n"...), 0
			}
			b = append(append(b, ' '), word...)
			line += 1 + len(word)
		}
		b = append(b, "\r\n"...)
	}
	return b
}

// parts makes a multipart entity.
type parts struct {
	b        bytes.Buffer
	boundary string
}

func newParts(contentType string) *parts {
	p := &parts{boundary: "=_" + rand.Text()}
	fmt.Fprintf(&p.b, "Content-Type: %s;\r\n boundary=\"%s\"\r\n\r\n", contentType, p.boundary)
	return p
}

func (p *parts) add(contentType, coding string, body []byte) {
	fmt.Fprintf(&p.b, "--%s\r\nContent-Type: %s\r\n", p.boundary, contentType)
	if coding != "" {
		fmt.Fprintf(&p.b, "Content-Transfer-Encoding: %s\r\n", coding)
	}
	p.b.WriteString("\r\n")
	p.b.Write(body)
	p.b.WriteString("\r\n")
}

// text adds paragraphs for people.
func (p *parts) text(lines []string) {
	p.add("text/plain; charset=utf-8", "quoted-printable", quoted([]byte(strings.Join(lines, "\r\n")+"\r\n")))
}

// fields adds a part of name: value lines; blocks are set apart by an empty line [RFC 3464 2.1].
func (p *parts) fields(contentType string, blocks ...[][2]string) {
	var b strings.Builder
	for i, block := range blocks {
		if i > 0 {
			b.WriteString("\r\n")
		}
		for _, f := range block {
			if f[1] != "" {
				fmt.Fprintf(&b, "%s: %s\r\n", f[0], ASCII(f[1], maxField))
			}
		}
	}
	p.add(contentType, "", []byte(b.String()))
}

// header adds the header of the message that is answered, as far as it tells which one that is [RFC 6522 4].
func (p *parts) header(h message.Header) {
	var fields [][2]string
	for _, name := range []string{"From", "To", "Date", "Subject", "Message-ID", "Disposition-Notification-To"} {
		fields = append(fields, [2]string{name, cut(clean(h.Get(name)), maxField)})
	}
	b := appendFields(nil, fields)
	if seven(b) {
		p.add("text/rfc822-headers", "", b)
		return
	}
	p.add("text/rfc822-headers", "quoted-printable", quoted(b))
}

// enclose adds a whole message. Where it is one that mail does not carry unencoded, and that may not be encoded [RFC 2046 5.2.1], its header alone.
func (p *parts) enclose(raw []byte, h message.Header) {
	switch {
	case len(raw) == 0 || bytes.IndexByte(raw, 0) >= 0 || longLines(raw):
		p.header(h)
	case seven(raw):
		p.add("message/rfc822", "", raw)
	default:
		p.add("message/rfc822", "8bit", raw)
	}
}

func (p *parts) entity() []byte {
	fmt.Fprintf(&p.b, "--%s--\r\n", p.boundary)
	return p.b.Bytes()
}

func quoted(b []byte) []byte {
	var out bytes.Buffer
	w := quotedprintable.NewWriter(&out)
	_, _ = w.Write(b) // to memory
	_ = w.Close()
	return out.Bytes()
}

func seven(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

func longLines(b []byte) bool {
	for line := range bytes.Lines(b) {
		if len(line) > 1000 {
			return true
		}
	}
	return false
}

// clean has a text in one line without control characters.
func clean(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) || r == unicode.ReplacementChar }), " ")
}

func cut(s string, runes int) string {
	for i := range s {
		if runes--; runes < 0 {
			return s[:i]
		}
	}
	return s
}

var ligatures = strings.NewReplacer("œ", "oe", "Œ", "OE", "æ", "ae", "Æ", "AE", "ß", "ss", "’", "'", "‘", "'", "«", "\"", "»", "\"", "–", "-", "—", "-")

// ASCII writes a text in one line of at most so many characters of ASCII: accents go, what has no such form becomes a question mark.
func ASCII(s string, limit int) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(ligatures.Replace(clean(s))) {
		switch {
		case unicode.Is(unicode.Mn, r):
			continue
		case b.Len() == limit:
			return b.String()
		case r >= 0x7F:
			b.WriteByte('?')
		default:
			b.WriteByte(byte(r))
		}
	}
	return b.String()
}
