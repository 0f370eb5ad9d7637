package receipt

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-message"
	"github.com/emersion/go-message/textproto"
)

// Bounds of a notification. What comes after the header of the returned message is not read.
const (
	maxReport     = 1 << 20   // octets read of the whole
	maxMachine    = 256 << 10 // octets of the part for machines
	maxHeader     = 128 << 10
	maxRecipients = 1000
	maxLine       = 998
	maxField      = 900 // characters of a field that is written
)

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
}

// IsReport tells by its header whether a message is worth parsing.
func IsReport(h message.Header) bool {
	media, params, _ := h.ContentType()
	return strings.EqualFold(media, "multipart/report") && (strings.EqualFold(params["report-type"], "delivery-status") ||
		strings.EqualFold(params["report-type"], "disposition-notification"))
}

// Parse reads a notification. A signed one is read without regard to its signature.
func Parse(r io.Reader) (*Report, error) {
	b := bufio.NewReader(io.LimitReader(r, maxReport))
	h, err := readHeader(b)
	if err != nil {
		return nil, err
	}
	rep := &Report{Header: h}
	media, params, _ := h.ContentType()
	if strings.EqualFold(media, "multipart/signed") {
		mr := multipart.NewReader(b, params["boundary"])
		first, err := mr.NextRawPart()
		if err != nil {
			return nil, malformed("multipart/signed without parts")
		}
		h = partHeader(first)
		media, params, _ = h.ContentType()
		b = bufio.NewReader(first)
	}
	if !strings.EqualFold(media, "multipart/report") {
		return nil, ErrNotReport
	}
	if err := rep.parts(multipart.NewReader(b, params["boundary"])); err != nil {
		return nil, err
	}
	if rep.Delivery == nil && rep.Disposition == nil {
		return nil, ErrNotReport
	}
	return rep, nil
}

func readHeader(b *bufio.Reader) (message.Header, error) {
	var head bytes.Buffer
	for {
		line, err := b.ReadSlice('\n')
		head.Write(line)
		if head.Len() > maxHeader {
			return message.Header{}, malformed("header of more than %d octets", maxHeader)
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 || err != nil {
			break
		}
	}
	return parseHeader(head.Bytes())
}

func parseHeader(b []byte) (message.Header, error) {
	h, err := textproto.ReadHeader(bufio.NewReader(io.MultiReader(bytes.NewReader(b), strings.NewReader("\r\n\r\n"))))
	if err != nil {
		return message.Header{}, malformed("header cannot be read")
	}
	return message.Header{Header: h}, nil
}

func partHeader(p *multipart.Part) message.Header {
	var h message.Header
	for k, values := range p.Header {
		for _, v := range values {
			h.Add(k, v)
		}
	}
	return h
}

// parts reads the parts in order: for people, for machines, and of the message that it is about [RFC 6522 3].
func (rep *Report) parts(mr *multipart.Reader) error {
	for range 8 {
		p, err := mr.NextRawPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			if rep.Delivery != nil || rep.Disposition != nil {
				return nil // what it is about breaks off, what it says is read
			}
			return malformed("multipart/report cannot be read")
		}
		h := partHeader(p)
		media, _, _ := h.ContentType()
		switch strings.ToLower(media) {
		case "message/delivery-status", "message/global-delivery-status":
			err = rep.machine(h, p, rep.readDelivery)
		case "message/disposition-notification", "message/global-disposition-notification":
			err = rep.machine(h, p, rep.readDisposition)
		case "text/rfc822-headers", "message/rfc822", "message/global", "message/global-headers":
			if returned, err := readHeader(bufio.NewReader(decoded(h, p))); err == nil {
				rep.Returned = returned
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// decoded reads a part whose sender encoded what should not be.
func decoded(h message.Header, r io.Reader) io.Reader {
	switch strings.ToLower(strings.TrimSpace(h.Get("Content-Transfer-Encoding"))) {
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, r)
	case "quoted-printable":
		return quotedprintable.NewReader(r)
	}
	return r
}

// machine reads the blocks of fields that a part consists of.
func (rep *Report) machine(h message.Header, r io.Reader, to func([]message.Header) error) error {
	if rep.Delivery != nil || rep.Disposition != nil {
		return malformed("two parts that tell what became of the message")
	}
	b, err := io.ReadAll(io.LimitReader(decoded(h, r), maxMachine+1))
	if err != nil || len(b) > maxMachine {
		return malformed("the part for machines cannot be read")
	}
	var blocks []message.Header
	for block := range bytes.SplitSeq(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")), []byte("\n\n")) {
		if block = bytes.Trim(block, "\n"); len(block) == 0 {
			continue
		}
		if len(blocks) > maxRecipients {
			return malformed("more than %d recipients", maxRecipients)
		}
		fields, err := parseHeader(append(bytes.Clone(block), '\n'))
		if err != nil {
			return err
		}
		blocks = append(blocks, fields)
	}
	if len(blocks) == 0 {
		return malformed("it tells nothing")
	}
	return to(blocks)
}

func (rep *Report) readDelivery(blocks []message.Header) error {
	d := &Delivery{EnvelopeID: unxtext(clean(blocks[0].Get("Original-Envelope-Id"))), Reporter: typed(blocks[0].Get("Reporting-Mta")),
		Arrival: readDate(blocks[0].Get("Arrival-Date"))}
	for _, b := range blocks[1:] {
		r := Recipient{Original: typed(b.Get("Original-Recipient")), Final: typed(b.Get("Final-Recipient")), Action: Action(strings.ToLower(clean(b.Get("Action")))),
			RemoteMTA: typed(b.Get("Remote-Mta")), Diagnostic: typed(b.Get("Diagnostic-Code")),
			LastAttempt: readDate(b.Get("Last-Attempt-Date")), RetryUntil: readDate(b.Get("Will-Retry-Until"))}
		r.Status, _, _ = strings.Cut(clean(b.Get("Status")), " ") // a comment may follow
		if r.Final == "" || r.Action == "" {
			return malformed("a recipient without an address or an action")
		}
		d.Recipients = append(d.Recipients, r)
	}
	if len(d.Recipients) == 0 {
		return malformed("no recipient")
	}
	rep.Delivery = d
	return nil
}

func (rep *Report) readDisposition(blocks []message.Header) error {
	b := blocks[0]
	d := &Disposition{Reporter: clean(b.Get("Reporting-Ua")), OriginalRecipient: typed(b.Get("Original-Recipient")), FinalRecipient: typed(b.Get("Final-Recipient")),
		OriginalMessageID: clean(b.Get("Original-Message-Id")), MIC: clean(b.Get("Received-Content-Mic"))}
	for _, e := range b.Values("Error") {
		if len(d.Errors) < 10 {
			d.Errors = append(d.Errors, cut(clean(e), maxField))
		}
	}
	mode, said, ok := strings.Cut(clean(b.Get("Disposition")), ";")
	if !ok {
		return malformed("Disposition cannot be read")
	}
	kind, modifiers, _ := strings.Cut(said, "/")
	d.Mode, d.Type = strings.TrimSpace(mode), strings.ToLower(strings.TrimSpace(kind))
	if d.Type == "" {
		return malformed("Disposition cannot be read")
	}
	// "Error: code^label" of the French profile: the label may hold commas.
	if name, value, ok := strings.Cut(modifiers, ":"); ok && strings.EqualFold(strings.TrimSpace(name), "error") {
		d.Modifiers = []string{"error"}
		d.Code, d.Label, _ = strings.Cut(strings.TrimSpace(value), "^")
	} else {
		for m := range strings.SplitSeq(modifiers, ",") {
			if m = strings.ToLower(strings.TrimSpace(m)); m != "" && len(d.Modifiers) < 10 {
				d.Modifiers = append(d.Modifiers, m)
			}
		}
	}
	rep.Disposition = d
	return nil
}

// typed is the value of a field "type; value"; an address of type utf-8 is decoded.
func typed(s string) string {
	kind, value, ok := strings.Cut(clean(s), ";")
	if !ok {
		return clean(s)
	}
	value = strings.TrimSpace(value)
	if strings.EqualFold(strings.TrimSpace(kind), "utf-8") {
		return unicodePoints(value)
	}
	return value
}

// unicodePoints reads \x{…} [RFC 6533 3].
func unicodePoints(s string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, `\x{`)
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		digits, after, ok := strings.Cut(rest, "}")
		n, err := strconv.ParseUint(digits, 16, 32)
		if !ok || err != nil || n <= ' ' || !utf8.ValidRune(rune(n)) {
			b.WriteString(`\x{`)
			s = rest
			continue
		}
		b.WriteRune(rune(n))
		s = after
	}
}

func unxtext(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '+' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func readDate(s string) time.Time {
	t, err := mail.ParseDate(clean(s))
	if err != nil {
		return time.Time{}
	}
	return t
}
