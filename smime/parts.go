package smime

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime/quotedprintable"
	"strconv"
	"strings"

	"github.com/emersion/go-message"
)

// Part is a leaf of the entity: what is no multipart.
type Part struct {
	Path   string // "1.2": the second part of the first part; "1" where the entity is one
	Header message.Header
	Media  string // type/subtype, lower case
	Name   string // file name, as the sender gave it: not to be used as a path
	Raw    []byte // as transferred

	coding string
}

// Content reads the part decoded.
func (p Part) Content() io.Reader {
	switch p.coding {
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, bytes.NewReader(p.Raw))
	case "quoted-printable":
		return quotedprintable.NewReader(bytes.NewReader(p.Raw))
	}
	return bytes.NewReader(p.Raw)
}

// Bytes is the part decoded, in memory of its own where it is transferred in another form than its own.
func (p Part) Bytes() ([]byte, error) {
	switch p.coding {
	case "base64":
		return decodeBase64(p.Raw, false)
	case "quoted-printable":
		return io.ReadAll(p.Content())
	}
	return p.Raw, nil
}

// Parts are the leaves of the innermost entity, in order.
func (m *Message) Parts() ([]Part, error) {
	w := &partWalk{left: maxParts}
	err := w.walk(m.Entity, "", 0)
	return w.parts, err
}

type partWalk struct {
	parts []Part
	left  int
}

func (w *partWalk) walk(b []byte, at string, depth int) error {
	if depth > maxNesting {
		return malformed("multiparts nest more than %d deep", maxNesting)
	}
	if w.left--; w.left < 0 {
		return malformed("more than %d parts", maxParts)
	}
	e, err := readEntity(b)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(e.media, "multipart/") {
		if at == "" {
			at = "1"
		}
		w.parts = append(w.parts, Part{Path: at, Header: e.header, Media: e.media, Name: e.name(), Raw: e.body, coding: e.encoding()})
		return nil
	}
	parts, err := e.parts(maxParts)
	if err != nil {
		return err
	}
	if at != "" {
		at += "."
	}
	for i, p := range parts {
		if err := w.walk(p, at+strconv.Itoa(i+1), depth+1); err != nil {
			return err
		}
	}
	return nil
}
