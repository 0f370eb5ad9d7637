package conformance

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// part is a MIME part beside the root.
type part struct {
	cid, contentType string
	content          []byte
}

// message is a SOAP request being written; the oddities of a case change it before it goes.
type message struct {
	tx       transaction
	id       string
	target   string
	envelope string
	parts    []part
	mtom     bool
	sub      *submission // nil for queries
	asked    []string    // documents a retrieve step names
	who      asserting

	edits   []edit
	headers []string // Name: value lines
	base64  string   // cid of a part to send in base64
	omit    string   // cid of a part to leave out
	repeat  string   // cid of a part to send twice
	reverse bool     // parts from the last to the first
	gzip    bool
	chunked bool
	bom     bool
	cut     int // bytes to cut off the end
}

// edit is a textual change: in header, envelope or message.
type edit struct{ where, old, new string }

var escapes = strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\t`, "\t", `\0`, "\x00")

// compose writes the message of a register, provide, query, multi or retrieve step.
func (s *story) compose(ctx context.Context, st Step) (*message, error) {
	m := &message{tx: transactions[st.Verb], id: s.fresh()}
	m.target, m.mtom = m.tx.target, m.tx.mtom
	var w writer
	var err error
	switch st.Verb {
	case "register", "provide", "update", "restrict":
		m.sub, err = newSubmission(s, st.Verb == "provide", st.Args)
		w = m.sub
	case "retrieve", "destroy":
		w = &retrieval{s: s, m: m, destroy: st.Verb == "destroy"}
	case "remove":
		w = &removal{s: s}
	default:
		w, err = newQuery(st.Args)
	}
	if err != nil {
		return nil, err
	}
	for i, line := range strings.Split(st.Body, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if line, err = s.expand(ctx, line); err != nil {
			return nil, fmt.Errorf("line %d: %w", st.Line+1+i, err)
		}
		verb, rest, _ := strings.Cut(line, " ")
		rest = strings.TrimSpace(rest)
		done, err := w.line(verb, rest)
		if err == nil && !done {
			err = m.oddity(line, verb, rest)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", st.Line+1+i, err)
		}
	}
	body, parts := w.body()
	m.parts = parts
	m.envelope = `<?xml version="1.0" encoding="UTF-8"?><env:Envelope xmlns:env="` + nsEnvelope + `" xmlns:wsa="` + nsWSA + `"><env:Header>` +
		`<wsa:Action env:mustUnderstand="true">` + m.tx.action + `</wsa:Action><wsa:MessageID>` + m.id + `</wsa:MessageID>` +
		`<wsa:ReplyTo><wsa:Address>` + nsWSA + `/anonymous</wsa:Address></wsa:ReplyTo>` + // IHE-WSA102 of ITI TF-2 V.3.2.2
		`<wsa:To env:mustUnderstand="true">` + escape(s.r.SUT.url(m.target)) + `</wsa:To></env:Header><env:Body>` + body + `</env:Body></env:Envelope>`
	return m, nil
}

// writer writes the body of a request line by line; it tells false for a verb it does not know.
type writer interface {
	line(verb, rest string) (bool, error)
	body() (string, []part)
}

// oddity obeys a line that is about the message: how it is framed and what is changed in it.
func (m *message) oddity(line, verb, rest string) error {
	if done, err := m.who.says(verb, rest); done {
		return err
	}
	switch verb {
	case "in": // in header|envelope|message: OLD => NEW
		where, change, ok := strings.Cut(rest, ": ")
		old, change, ok2 := strings.Cut(change+" ", " => ")
		if !ok || !ok2 {
			return fmt.Errorf("%q: in WHERE: OLD => NEW is due", line)
		}
		m.edits = append(m.edits, edit{where, escapes.Replace(old), escapes.Replace(strings.TrimSpace(change))})
	case "header":
		m.headers = append(m.headers, rest)
	case "to":
		m.target = rest
	case "plain":
		m.mtom = false
	case "mtom":
		m.mtom = true
	case "base64":
		m.base64 = rest
	case "omit":
		m.omit = rest
	case "repeat":
		m.repeat = rest
	case "reverse":
		m.reverse = true
	case "gzip":
		m.gzip = true
	case "chunked":
		m.chunked = true
	case "bom":
		m.bom = true
	case "cut":
		n, err := strconv.Atoi(rest)
		m.cut = n
		return err
	default:
		return fmt.Errorf("%q is no line of this step", verb)
	}
	return nil
}

const boundary = "MIMEBoundary-suite-0123456789"

// render gives the Content-Type and the bytes of the message, oddities included.
func (m *message) render() (contentType string, body []byte, err error) {
	if m.envelope, err = m.apply("envelope", m.envelope); err != nil {
		return "", nil, err
	}
	root := []byte(m.envelope)
	if m.bom {
		root = append([]byte("\xef\xbb\xbf"), root...)
	}
	contentType = `application/soap+xml; charset=UTF-8; action="` + m.tx.action + `"`
	if m.mtom {
		contentType = `multipart/related; boundary="` + boundary + `"; type="application/xop+xml"; start="<root@suite>"; start-info="application/soap+xml"; action="` + m.tx.action + `"`
		root = m.multipart(root)
	}
	if contentType, err = m.apply("header", contentType); err != nil {
		return "", nil, err
	}
	text, err := m.apply("message", string(root))
	if err != nil {
		return "", nil, err
	}
	body = []byte(text)
	body = body[:len(body)-min(m.cut, len(body))]
	if m.gzip {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(body) // a Buffer takes everything
		_ = z.Close()
		body = b.Bytes()
	}
	return contentType, body, nil
}

func (m *message) apply(where, text string) (string, error) {
	for _, e := range m.edits {
		if e.where != where {
			continue
		}
		if !strings.Contains(text, e.old) {
			return "", fmt.Errorf("in %s: there is no %q to change", where, e.old)
		}
		text = strings.ReplaceAll(text, e.old, e.new)
	}
	return text, nil
}

func (m *message) multipart(root []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "--%s\r\nContent-Type: application/xop+xml; charset=UTF-8; type=\"application/soap+xml\"\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <root@suite>\r\n\r\n", boundary)
	b.Write(root)
	parts := slices.Clone(m.parts)
	if m.reverse {
		slices.Reverse(parts)
	}
	for _, p := range parts {
		times := 1
		switch p.cid {
		case m.omit:
			times = 0
		case m.repeat:
			times = 2
		}
		encoding, content := "binary", p.content
		if p.cid == m.base64 {
			encoding, content = "base64", []byte(base64.StdEncoding.EncodeToString(p.content))
		}
		for range times {
			fmt.Fprintf(&b, "\r\n--%s\r\nContent-Type: %s\r\nContent-Transfer-Encoding: %s\r\nContent-ID: <%s>\r\n\r\n", boundary, p.contentType, encoding, p.cid)
			b.Write(content)
		}
	}
	fmt.Fprintf(&b, "\r\n--%s--\r\n", boundary)
	return b.Bytes()
}
