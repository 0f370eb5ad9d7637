package soap

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/passerelle-sante/passerelle/wire/mtom"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

const expected = "expected application/soap+xml, or multipart/related with type application/xop+xml"

// intake reads a message's bytes under the caps.
type intake struct {
	src   io.Reader // decompressed
	wire  counter
	zip   *gzip.Reader
	total int64 // decompressed
	cfg   *Config
}

// counter counts the bytes of the wire. A wire that breaks or breaks its framing is the sender's fault, whoever reads from it.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	if err != nil && err != io.EOF {
		err = errCutShort
	}
	return n, err
}

var errCutShort = senderFault("the message was cut short: its HTTP body ended before its length, or its chunks are malformed")

// newIntake reads body; encoding is its Content-Encoding.
func newIntake(body io.Reader, encoding string, cfg *Config) (*intake, error) {
	in := &intake{cfg: cfg, wire: counter{r: body}}
	in.src = &in.wire
	switch strings.ToLower(encoding) {
	case "", "identity":
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(&in.wire)
		if err != nil {
			return in, senderFault("the gzip encoding is malformed")
		}
		in.zip, in.src = z, z
	default:
		return in, &httpError{http.StatusUnsupportedMediaType, "expected no Content-Encoding, or gzip"}
	}
	return in, nil
}

// Read reads decompressed bytes; beyond a cap it gives a fault of status 413.
func (in *intake) Read(b []byte) (int, error) {
	n, err := in.src.Read(b)
	in.total += int64(n)
	if in.total > in.cfg.MaxMessage {
		return 0, tooLarge(in.cfg.MaxMessage)
	}
	if in.zip != nil {
		if in.total > in.cfg.gzipRatioBeyond && in.total/in.cfg.maxGzipRatio > in.wire.n {
			return 0, &Fault{Code: Sender, Reason: "the message is compressed beyond reason", Status: http.StatusRequestEntityTooLarge}
		}
		if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || err == io.ErrUnexpectedEOF {
			err = senderFault("the gzip encoding is malformed")
		}
	}
	return n, err
}

func (in *intake) close() {
	if in.zip != nil {
		_ = in.zip.Close()
	}
}

// receive reads the request up to the Start of the body's child.
func (x *exchange) receive() (mtom.MediaType, error) {
	r, cfg := x.r, &x.h.s.cfg
	mt, err := mtom.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return mt, &httpError{http.StatusUnsupportedMediaType, expected}
	}
	if cs := mt.Param("charset"); cs != "" && !strings.EqualFold(cs, "utf-8") {
		return mt, &httpError{http.StatusUnsupportedMediaType, "expected charset UTF-8"}
	}
	if x.in, err = newIntake(r.Body, r.Header.Get("Content-Encoding"), cfg); err != nil {
		return mt, err
	}
	size := r.ContentLength
	if x.in.zip != nil {
		size = -1
	}
	if size > cfg.MaxMessage {
		return mt, tooLarge(cfg.MaxMessage)
	}
	x.rd = x.h.s.readers.Get().(*xmlpull.Reader)
	err = x.req.read(x.in, mt, size, cfg, x.rd)
	if mt.Type == "text/xml" {
		var f *Fault
		if errors.As(err, &f) && f.Code == VersionMismatch {
			return mt, err
		}
		return mt, &httpError{http.StatusUnsupportedMediaType, expected}
	}
	return mt, err
}

// read reads a message of type mt from src; size is its length, -1 when not known.
func (m *Message) read(src io.Reader, mt mtom.MediaType, size int64, cfg *Config, rd *xmlpull.Reader) (err error) {
	switch mt.Type {
	case "application/soap+xml", "text/xml":
		m.Envelope, err = readEnvelope(src, size, cfg.MaxEnvelope)
	case "multipart/related":
		if t := mt.Param("type"); !strings.EqualFold(t, "application/xop+xml") {
			return &httpError{http.StatusUnsupportedMediaType, expected}
		}
		m.MTOM = true
		m.parts, err = mtom.NewReader(src, mt, mtom.Options{MaxRoot: cfg.MaxEnvelope, MaxParts: cfg.MaxParts, Tolerate: m.quirks.Tolerates})
		if err == nil {
			m.Envelope = m.parts.Root()
			m.takeQuirks()
		} else if err == mtom.ErrRootSize {
			err = tooLarge(cfg.MaxEnvelope)
		}
	default:
		return &httpError{http.StatusUnsupportedMediaType, expected}
	}
	if err != nil {
		return err
	}
	rd.Reset(m.Envelope)
	return m.parse(rd)
}

// readEnvelope reads all of src into a buffer of its own: the strings of the message alias it.
func readEnvelope(src io.Reader, size, limit int64) ([]byte, error) {
	if size > limit {
		return nil, tooLarge(limit)
	}
	if size >= 0 {
		b := make([]byte, size)
		n, err := io.ReadFull(src, b)
		if err == io.EOF {
			err = nil
		}
		return b[:n], err
	}
	// The length is not known: what is read is put together when it is known not to be too large, so that a refusal costs no second copy.
	var parts [][]byte
	var total int64
	for next := int64(16 << 10); ; next = min(2*next, 1<<20) {
		b := make([]byte, min(next, limit+1-total))
		n, err := 0, error(nil)
		for more := 0; n < len(b) && err == nil; n += more {
			more, err = src.Read(b[n:])
		}
		parts, total = append(parts, b[:n]), total+int64(n)
		switch {
		case total > limit:
			return nil, tooLarge(limit)
		case err == io.EOF:
			return slices.Concat(parts...), nil
		case err != nil:
			return nil, err
		}
	}
}
