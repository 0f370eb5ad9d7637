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
	status  int  // of an answer; 0 for a request
	header  textproto.MIMEHeader
	kind    string // media type
	params  map[string]string
	mtom    bool
	root    []byte // the XML
	parts   map[string][]byte
	tree    *xmltree.Tree
	content xmltree.Node // of the body of the envelope, or the root
}

var (
	httpStart   = regexp.MustCompile(`^(HTTP/1\.[01] [0-9]{3}|[A-Z]+ \S+ HTTP/1\.[01]\r?\n|[A-Za-z][A-Za-z0-9-]*: ?\S)`)
	requestLine = regexp.MustCompile(`^[A-Z]+ \S+ HTTP/1\.[01]$`)
	statusLine  = regexp.MustCompile(`^HTTP/1\.[01] ([0-9]{3})`)
)

// unpack reads a saved message as far as its XML and says what is wrong on the way; nil when there is no XML to judge.
func (j *judge) unpack(b []byte) *message {
	m := &message{root: b, parts: map[string][]byte{}}
	if start := bytes.TrimLeft(b, "\xef\xbb\xbf \t\r\n"); !bytes.HasPrefix(start, []byte("<")) {
		if !httpStart.Match(start) {
			j.say("SOAP-HTTP", place{1, ""})
			return nil
		}
		m.framed = true
		if !j.frame(m, start) {
			return nil
		}
	}
	if i := bytes.Index(b, m.root); i > 0 && len(m.root) > 0 {
		j.offset = bytes.Count(b[:i], []byte("\n"))
	}
	if m.tree = j.parsed(m.root); m.tree == nil {
		return nil
	}
	m.content = m.tree.Root()
	return m
}

// frame reads the header fields and the body; false when there is no root.
func (j *judge) frame(m *message, b []byte) bool {
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
	var err error
	m.header, err = textproto.NewReader(bufio.NewReader(bytes.NewReader(append(bytes.Clone(head[:min(len(head), 1<<20)]), "\r\n\r\n"...)))).ReadMIMEHeader()
	if err == nil {
		body, err = j.decoded(m, body)
	}
	if err != nil {
		j.say("SOAP-HTTP", place{1, ""})
		return false
	}
	m.kind, m.params, err = mime.ParseMediaType(m.header.Get("Content-Type"))
	m.root = body
	if err != nil {
		j.say("SOAP-TYPE", place{1, "Content-Type"})
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
			j.say("SOAP-LENGTH", place{1, "Transfer-Encoding"})
		} else if due, err := strconv.Atoi(n); err != nil || due != len(body) {
			j.say("SOAP-LENGTH", place{1, "Content-Length"})
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
	start, root, found := m.params["start"], "", false
	for i := 0; ; i++ {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		var content []byte
		if err == nil && i < maxParts {
			content, err = io.ReadAll(p)
		}
		if err != nil || i >= maxParts {
			j.say("MTOM-END", place{1, "part " + strconv.Itoa(i+1)})
			break
		}
		cid := p.Header.Get("Content-ID")
		if !found && (start == "" && i == 0 || start != "" && cid == start) {
			m.root, root, found = content, p.Header.Get("Content-Type"), true
			if cid == "" {
				j.say("MTOM-CID", place{1, "part 1"})
			}
			continue
		}
		j.part(m, i+1, p.Header, content)
	}
	if !bytes.Contains(body, []byte("--"+m.params["boundary"]+"--")) {
		j.say("MTOM-END", place{1, "boundary"})
	}
	if !found {
		j.say("MTOM-START", place{1, "start"})
		return false
	}
	if kind, params, err := mime.ParseMediaType(root); err != nil || kind != "application/xop+xml" || params["type"] != "application/soap+xml" {
		j.say("MTOM-ROOT", place{1, "part 1: Content-Type"})
	}
	return true
}

func (j *judge) part(m *message, n int, h textproto.MIMEHeader, content []byte) {
	where := place{1, "part " + strconv.Itoa(n)}
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
	m.parts[cid] = content
}

// mediaType judges the Content-Type.
func (j *judge) mediaType(m *message) {
	where := place{1, "Content-Type"}
	switch m.kind {
	case "application/soap+xml":
		if c := m.params["charset"]; c != "" && !strings.EqualFold(c, "utf-8") {
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
