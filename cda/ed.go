package cda

import (
	"encoding/base64"
	"errors"
	"io"
	"strings"
)

// ED is encapsulated data: a file inside the document. Text is its content as it stands there, base64 when Representation is B64.
type ED struct {
	MediaType, Representation, Compression, Language string
	Text                                             string
	Ref                                              string // reference
	Markup                                           bool   // it holds elements
	Line                                             int
}

// ErrCompressed tells that the content is compressed, which the profile does not foresee.
var ErrCompressed = errors.New("compressed content is not supported")

// Open gives the content as a stream, base64 decoded on the way.
func (e *ED) Open() (io.Reader, error) {
	if e.Compression != "" {
		return nil, ErrCompressed
	}
	if e.Representation != "B64" {
		return strings.NewReader(e.Text), nil
	}
	return base64.NewDecoder(base64.StdEncoding, &solid{s: e.Text}), nil
}

// Bytes gives the content, of at most limit bytes; an error wraps ErrTooLarge or tells that the base64 is broken, and never quotes.
func (e *ED) Bytes(limit int64) ([]byte, error) {
	n := int64(len(e.Text))
	if e.Representation == "B64" {
		n = n/4*3 + 3
	}
	r, err := e.Open()
	if err != nil {
		return nil, err
	}
	b := make([]byte, 0, min(n, limit)+1)
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):min(cap(b), int(limit)+1)])
		b = b[:len(b)+n]
		switch {
		case int64(len(b)) > limit:
			return nil, tooLarge(limit)
		case err == io.EOF:
			return b, nil
		case err != nil:
			return nil, errBase64
		}
	}
}

var errBase64 = errors.New("broken base64")

// solid reads s without its white space.
type solid struct{ s string }

func (r *solid) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		r.s = strings.TrimLeft(r.s, " \t\r\n")
		if r.s == "" {
			break
		}
		run := strings.IndexAny(r.s[:min(len(r.s), len(p)-n)], " \t\r\n")
		if run < 0 {
			run = min(len(r.s), len(p)-n)
		}
		n += copy(p[n:], r.s[:run])
		r.s = r.s[run:]
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}
