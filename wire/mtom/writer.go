package mtom

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"strconv"
	"strings"
)

// OutPart is a part to be sent. Content is closed, when it can be, once it is written or the message is given up.
type OutPart struct {
	ContentID   string // without angle brackets
	ContentType string // application/octet-stream when empty
	Size        int64  // bytes that Content writes, -1 when not known
	Content     io.WriterTo
}

// From makes the content of a part from a reader, which is closed with the part when it can be.
func From(r io.Reader) io.WriterTo { return &readerContent{r} }

type readerContent struct{ r io.Reader }

func (c *readerContent) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, c.r) }

func (c *readerContent) Close() error {
	if cl, ok := c.r.(io.Closer); ok {
		return cl.Close()
	}
	return nil
}

// Message is a message to be sent: a SOAP envelope and its parts.
type Message struct {
	Action   string // of the SOAP 1.2 content type, may be empty
	Root     []byte
	Parts    []OutPart
	boundary string
}

const (
	rootID    = "root@passerelle"
	closeTail = "--\r\n"
)

func (m *Message) init() {
	if m.boundary == "" {
		var b [16]byte
		_, _ = rand.Read(b[:])
		m.boundary = "passerelle-" + hex.EncodeToString(b[:])
	}
}

// ContentType is the Content-Type header of the message.
func (m *Message) ContentType() string {
	m.init()
	t := `multipart/related; boundary="` + m.boundary + `"; type="application/xop+xml"; start="<` + rootID + `>"; start-info="application/soap+xml"`
	if m.Action != "" {
		t += `; action="` + quotable(m.Action) + `"`
	}
	return t
}

// quotable drops what cannot stand in a quoted header parameter.
func quotable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == '"' || r == '\\' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}

func (m *Message) rootHead() string {
	return "--" + m.boundary + "\r\nContent-Type: application/xop+xml; charset=UTF-8; type=\"application/soap+xml\"\r\n" +
		"Content-Transfer-Encoding: binary\r\nContent-ID: <" + rootID + ">\r\n\r\n"
}

func (m *Message) partHead(p *OutPart) string {
	t := p.ContentType
	if t == "" {
		t = "application/octet-stream"
	}
	return "\r\n--" + m.boundary + "\r\nContent-Type: " + headerSafe(t) + "\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <" +
		headerSafe(p.ContentID) + ">\r\n\r\n"
}

func headerSafe(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}

// Len is the length of the message in bytes, -1 when the size of a part is not known.
func (m *Message) Len() int64 {
	m.init()
	n := int64(len(m.rootHead()) + len(m.Root) + len("\r\n--") + len(m.boundary) + len(closeTail))
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.Size < 0 {
			return -1
		}
		n += int64(len(m.partHead(p))) + p.Size
	}
	return n
}

// WriteTo writes the message and closes its parts. A part whose content is not of the size it promised is an error: the length is on
// the wire already.
func (m *Message) WriteTo(w io.Writer) (n int64, err error) {
	m.init()
	defer m.Close()
	k, err := io.WriteString(w, m.rootHead())
	n += int64(k)
	if err == nil {
		k, err = w.Write(m.Root)
		n += int64(k)
	}
	for i := 0; err == nil && i < len(m.Parts); i++ {
		p := &m.Parts[i]
		k, err = io.WriteString(w, m.partHead(p))
		n += int64(k)
		if err != nil {
			break
		}
		var size int64
		size, err = p.Content.WriteTo(w)
		n += size
		if err == nil && p.Size >= 0 && size != p.Size {
			err = errors.New("part has " + strconv.FormatInt(size, 10) + " bytes, not " + strconv.FormatInt(p.Size, 10))
		}
	}
	if err == nil {
		k, err = io.WriteString(w, "\r\n--"+m.boundary+closeTail)
		n += int64(k)
	}
	return n, err
}

// Close closes the contents of the parts; a second call does nothing.
func (m *Message) Close() {
	for i := range m.Parts {
		if c, ok := m.Parts[i].Content.(io.Closer); ok {
			_ = c.Close()
		}
	}
	if len(m.Parts) > 0 {
		m.Parts = nil
	}
}
