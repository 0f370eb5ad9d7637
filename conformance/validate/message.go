package validate

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http/httputil"
	"net/textproto"
	"regexp"
	"strconv"
	"strings"

	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

// message is a SOAP message as it was saved: with the lines of HTTP, or a bare envelope, or what stands in one.
type message struct {
	framed  bool // HTTP header fields stand before the body
	head    []byte
	begins  int // line on which the body begins
	status  int // of an answer; 0 for a request
	header  textproto.MIMEHeader
	kind    string // media type
	params  map[string]string
	mtom    bool
	root    []byte // the XML
	parts   map[string]part
	tree    *xmltree.Tree
	content xmltree.Node // of the body of the envelope, or the root
}

// part is a part of a package beside the root.
type part struct {
	content []byte
	at      place
}

// field is the place of a header field, by its name, or of the first line.
func (m *message) field(name, location string) place {
	n := 0
	for line := range bytes.Lines(m.head) {
		n++
		if key, _, ok := bytes.Cut(line, []byte(":")); ok && strings.EqualFold(string(key), name) {
			return place{n, location, true}
		}
	}
	return place{1, location, true}
}

var (
	httpStart   = regexp.MustCompile(`^(HTTP/1\.[01] [0-9]{3}|[A-Z]+ \S+ HTTP/1\.[01]\r?\n|[A-Za-z][A-Za-z0-9-]*: ?\S)`)
	requestLine = regexp.MustCompile(`^[A-Z]+ \S+ HTTP/1\.[01]$`)
	statusLine  = regexp.MustCompile(`^HTTP/1\.[01] ([0-9]{3})`)
)

// unpack reads a saved message as far as its XML and says what is wrong on the way; nil when there is no XML to judge.
func (j *judge) unpack(b []byte) *message {
	m := &message{root: b, parts: map[string]part{}}
	if start := bytes.TrimLeft(b, "\xef\xbb\xbf \t\r\n"); !bytes.HasPrefix(start, []byte("<")) {
		if !httpStart.Match(start) {
			j.say("SOAP-HTTP", place{line: 1})
			return nil
		}
		m.framed = true
		if !j.frame(m, b) {
			return nil
		}
	}
	if m.tree = j.parsed(m.root); m.tree == nil {
		return nil
	}
	m.content = m.tree.Root()
	return m
}

// frame reads the header fields and the body; false when there is no root.
func (j *judge) frame(m *message, whole []byte) bool {
	b := bytes.TrimLeft(whole, "\xef\xbb\xbf \t\r\n")
	if line, rest, ok := bytes.Cut(b, []byte("\n")); ok {
		if s := statusLine.FindSubmatch(line); s != nil {
			m.status, _ = strconv.Atoi(string(s[1])) // three digits
			b = rest
		} else if requestLine.Match(bytes.TrimRight(line, "\r")) {
			b = rest
		}
	}
	head, body := b, []byte(nil)
	for _, empty := range []string{"\r\n\r\n", "\n\n"} {
		if i := bytes.Index(b, []byte(empty)); i >= 0 && i < len(head) {
			head, body = b[:i], b[i+len(empty):]
		}
	}
	m.head, m.begins = whole[:len(whole)-len(body)], bytes.Count(whole[:len(whole)-len(body)], []byte("\n"))+1
	var err error
	m.header, err = textproto.NewReader(bufio.NewReader(bytes.NewReader(append(bytes.Clone(head[:min(len(head), 1<<20)]), "\r\n\r\n"...)))).ReadMIMEHeader()
	if err == nil {
		body, err = j.decoded(m, body)
	}
	if err != nil {
		j.say("SOAP-HTTP", place{line: 1})
		return false
	}
	m.kind, m.params, err = mime.ParseMediaType(m.header.Get("Content-Type"))
	m.root, j.offset = body, m.begins-1
	if err != nil {
		j.say("SOAP-TYPE", m.field("Content-Type", "Content-Type"))
		return len(body) > 0
	}
	j.mediaType(m)
	if m.kind == "multipart/related" {
		m.mtom = true
		return j.packaged(m, body)
	}
	return true
}

// decoded takes the transfer coding and gzip off a body.
func (j *judge) decoded(m *message, body []byte) ([]byte, error) {
	if n := m.header.Get("Content-Length"); n != "" {
		if m.header.Get("Transfer-Encoding") != "" {
			j.say("SOAP-LENGTH", m.field("Transfer-Encoding", "Transfer-Encoding"))
		} else if due, err := strconv.Atoi(n); err != nil || due != len(body) {
			j.say("SOAP-LENGTH", m.field("Content-Length", "Content-Length"))
		}
	}
	var err error
	if strings.EqualFold(m.header.Get("Transfer-Encoding"), "chunked") {
		if body, err = io.ReadAll(io.LimitReader(httputil.NewChunkedReader(bytes.NewReader(body)), maxBytes)); err != nil {
			return nil, err
		}
	}
	if m.header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(io.LimitReader(z, maxBytes))
	}
	return body, nil
}

// packaged reads the parts of an MTOM package; false when none is the root.
func (j *judge) packaged(m *message, body []byte) bool {
	r := multipart.NewReader(bytes.NewReader(body), m.params["boundary"])
	start, root, found := m.params["start"], textproto.MIMEHeader(nil), place{}
	lines := m.edges(body)
	for i := 0; ; i++ {
		where := place{lines[min(i, len(lines)-1)], "part " + strconv.Itoa(i+1), true}
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		var content []byte
		if err == nil && i < maxParts {
			content, err = io.ReadAll(p)
		}
		if err != nil || i >= maxParts {
			j.say("MTOM-END", where)
			break
		}
		cid := p.Header.Get("Content-ID")
		if root == nil && (start == "" && i == 0 || start != "" && cid == start) {
			m.root, root, found = content, p.Header, where
			if cid == "" {
				j.say("MTOM-CID", where)
			}
			j.offset = m.begins - 1 + bytes.Count(body[:max(bytes.Index(body, content), 0)], []byte("\n"))
			continue
		}
		j.part(m, where, p.Header, content)
	}
	if !bytes.Contains(body, []byte("--"+m.params["boundary"]+"--")) {
		j.say("MTOM-END", place{m.begins + bytes.Count(bytes.TrimSpace(body), []byte("\n")), "boundary", true})
	}
	if root == nil {
		j.say("MTOM-START", m.field("Content-Type", "start"))
		return false
	}
	if kind, params, err := mime.ParseMediaType(root.Get("Content-Type")); err != nil || kind != "application/xop+xml" || params["type"] != "application/soap+xml" {
		found.location += ": Content-Type"
		j.say("MTOM-ROOT", found)
	}
	return true
}

// edges are the lines on which the parts of a package begin, with their boundary; at least one.
func (m *message) edges(body []byte) (out []int) {
	n, edge := m.begins, []byte("--"+m.params["boundary"])
	for line := range bytes.Lines(body) {
		if bytes.HasPrefix(line, edge) && len(out) <= maxParts {
			out = append(out, n)
		}
		n++
	}
	if len(out) == 0 {
		out = []int{m.begins}
	}
	return out
}

func (j *judge) part(m *message, where place, h textproto.MIMEHeader, content []byte) {
	cid := h.Get("Content-ID")
	if len(cid) < 3 || cid[0] != '<' || cid[len(cid)-1] != '>' {
		j.say("MTOM-CID", where)
	}
	switch encoding := strings.ToLower(h.Get("Content-Transfer-Encoding")); encoding {
	case "binary":
	default:
		j.say("MTOM-ENCODING", where)
	}
	cid = strings.TrimSuffix(strings.TrimPrefix(cid, "<"), ">")
	if _, again := m.parts[cid]; again {
		j.say("MTOM-CID-TWICE", where)
	}
	m.parts[cid] = part{content, where}
}

// mediaType judges the Content-Type.
func (j *judge) mediaType(m *message) {
	where := m.field("Content-Type", "Content-Type")
	switch m.kind {
	case "application/soap+xml":
		if c := m.params["charset"]; c != "" && !strings.EqualFold(c, "utf-8") && !strings.EqualFold(c, "utf-16") {
			j.say("SOAP-CHARSET", where)
		}
	case "multipart/related":
		if m.params["type"] != "application/xop+xml" {
			j.say("MTOM-TYPE", where)
		}
		if i := m.params["start-info"]; i != "application/soap+xml" {
			j.say("MTOM-STARTINFO", where)
		}
	default:
		j.say("SOAP-TYPE", where)
	}
}
