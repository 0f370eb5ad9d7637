package smime

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"io"
	"mime/quotedprintable"
	"strings"

	"github.com/emersion/go-message"
	"github.com/emersion/go-message/textproto"
)

// entity is a MIME entity where it lies.
type entity struct {
	header message.Header
	media  string // type/subtype, lower case
	params map[string]string
	body   []byte

	unclear bool // Content-Type cannot be read; media is application/octet-stream
}

// readEntity reads the header of an entity. Fields that decide how it is read may come once: two readers must not understand it differently.
func readEntity(b []byte) (*entity, error) {
	head, body := splitHeader(b)
	if len(head) > maxHeader {
		return nil, malformed("header of %d octets, at most %d are read", len(head), maxHeader)
	}
	if n := bytes.Count(head, []byte("\n")); n > maxHeaderLines {
		return nil, malformed("header of %d lines, at most %d are read", n, maxHeaderLines)
	}
	fields, err := textproto.ReadHeader(bufio.NewReader(io.MultiReader(bytes.NewReader(head), strings.NewReader("\r\n"))))
	if err != nil {
		return nil, malformed("header cannot be read")
	}
	e := &entity{header: message.Header{Header: fields}, body: body}
	for _, once := range []string{"Content-Type", "Content-Transfer-Encoding", "Content-Disposition", "From"} {
		if len(fields.Values(once)) > 1 {
			return nil, malformed("more than one %s", once)
		}
	}
	e.media, e.params, err = e.header.ContentType()
	if e.media = strings.ToLower(e.media); err != nil {
		e.media, e.params, e.unclear = "application/octet-stream", nil, true
	}
	return e, nil
}

// splitHeader divides at the first empty line, whichever line ends there are. The header keeps its last line end.
func splitHeader(b []byte) (head, body []byte) {
	for at := 0; at < len(b); {
		end := bytes.IndexByte(b[at:], '\n')
		if end < 0 {
			break
		}
		if line := b[at : at+end]; len(line) == 0 || len(line) == 1 && line[0] == '\r' {
			return b[:at], b[at+end+1:]
		}
		at += end + 1
	}
	return b, nil
}

// name is the file name the entity goes by.
func (e *entity) name() string {
	if _, params, err := e.header.ContentDisposition(); err == nil && params["filename"] != "" {
		return params["filename"]
	}
	return e.params["name"]
}

func (e *entity) encoding() string {
	return strings.ToLower(strings.TrimSpace(e.header.Get("Content-Transfer-Encoding")))
}

// octets are the body decoded: in place where the memory is ours to write to.
func (e *entity) octets(ours bool) ([]byte, error) {
	switch e.encoding() {
	case "", "7bit", "8bit", "binary":
		if ours {
			return e.body, nil
		}
		return bytes.Clone(e.body), nil
	case "base64":
		return decodeBase64(e.body, ours)
	case "quoted-printable":
		b, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(e.body)))
		if err != nil {
			return nil, malformed("quoted-printable cannot be decoded")
		}
		return b, nil
	}
	return nil, malformed("transfer encoding is not known")
}

func decodeBase64(b []byte, ours bool) ([]byte, error) {
	if bytes.IndexByte(b, ' ') >= 0 || bytes.IndexByte(b, '\t') >= 0 { // some agents leave them at line ends
		b = bytes.Map(func(r rune) rune {
			if r == ' ' || r == '\t' {
				return -1
			}
			return r
		}, b)
		ours = true
	}
	to := b // the decoder never writes beyond what it has read
	if !ours {
		to = make([]byte, base64.StdEncoding.DecodedLen(len(b)))
	}
	n, err := base64.StdEncoding.Decode(to, b)
	if err != nil {
		return nil, malformed("base64 cannot be decoded")
	}
	return to[:n], nil
}

// parts divides a multipart body where its boundary stands [RFC 2046 5.1.1]: exact octets, without the line end that belongs to the boundary.
func (e *entity) parts(limit int) ([][]byte, error) {
	boundary := e.params["boundary"]
	if boundary == "" || len(boundary) > 70 {
		return nil, malformed("multipart without a boundary")
	}
	mark := []byte("--" + boundary)
	var parts [][]byte
	start, at := -1, 0
	for {
		from, next, last := nextDelimiter(e.body, mark, at)
		if from < 0 {
			return nil, malformed("multipart without its end")
		}
		if start >= 0 {
			if len(parts) == limit {
				return nil, malformed("more than %d parts", limit)
			}
			parts = append(parts, e.body[start:max(start, cutLineEnd(e.body, from))])
		}
		if last {
			return parts, nil
		}
		start, at = next, next
	}
}

// nextDelimiter finds the next line that is the boundary: where it begins, where the line after it begins, and whether it is the last.
func nextDelimiter(b, mark []byte, at int) (from, next int, last bool) {
	for {
		i := bytes.Index(b[at:], mark)
		if i < 0 {
			return -1, 0, false
		}
		from = at + i
		at = from + len(mark)
		if from > 0 && b[from-1] != '\n' {
			continue
		}
		rest := b[at:]
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			end = len(rest) - 1
		}
		tail := bytes.TrimRight(rest[:end+1], " \t\r\n")
		if last = bytes.Equal(tail, []byte("--")); last || len(tail) == 0 {
			return from, at + end + 1, last
		}
	}
}

// cutLineEnd is the position before the line end that precedes at.
func cutLineEnd(b []byte, at int) int {
	if at > 0 && b[at-1] == '\n' {
		at--
	}
	if at > 0 && b[at-1] == '\r' {
		at--
	}
	return at
}

// bareLF says whether lines end otherwise than mail's do.
func bareLF(b []byte) bool {
	return bytes.Count(b, []byte("\n")) != bytes.Count(b, []byte("\r\n"))
}

// canonical has every line end in CRLF, as it is signed [RFC 8551 3.1.1].
func canonical(b []byte) []byte {
	if !bareLF(b) {
		return b
	}
	out := make([]byte, 0, len(b)+bytes.Count(b, []byte("\n")))
	for i, c := range b {
		if c == '\n' && (i == 0 || b[i-1] != '\r') {
			out = append(out, '\r')
		}
		out = append(out, c)
	}
	return out
}
