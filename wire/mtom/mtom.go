// Package mtom reads and writes multipart/related messages with XOP (SOAP MTOM, RFC 2387): a root in memory, every other part as a
// stream. It knows nothing of SOAP.
package mtom

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
)

// FormatError is what a message can be refused for. It is the sender's fault and safe to show.
type FormatError string

// Error says what is wrong.
func (e FormatError) Error() string { return string(e) }

// The faults of a message.
var (
	ErrTruncated  error = FormatError("multipart message ends before its closing boundary")
	ErrPreamble   error = FormatError("multipart preamble is too long")
	ErrHeader     error = FormatError("header of a part is too long")
	ErrRootSize   error = FormatError("root part is too large")
	ErrSpool      error = FormatError("parts before the root part are too large")
	ErrParts      error = FormatError("too many parts")
	ErrDuplicate  error = FormatError("two parts have the same Content-ID")
	ErrNoRoot     error = FormatError("no part has the Content-ID that start names")
	ErrEncoding   error = FormatError("Content-Transfer-Encoding of a part is not supported")
	errNoBoundary       = FormatError("multipart message without its boundary")
	errBadHeader        = FormatError("header of a part is malformed")
	errBase64           = FormatError("part in base64 is malformed")
	errClosed           = errors.New("multipart message is closed")
)

// The names of the tolerated departures, as they are logged.
const (
	QuirkStartWithoutBrackets = "start-without-brackets"
	QuirkEncodedCID           = "encoded-cid"
	QuirkRootWithoutContentID = "root-without-content-id"
	QuirkBareLF               = "bare-lf"
	QuirkBase64Part           = "base64-part"
)

// QuirkError is a departure that is not tolerated here.
type QuirkError struct{ Name, Reason string }

// Error says what is wrong.
func (e *QuirkError) Error() string { return e.Reason }

// Options are the caps of a message, 0 for the defaults, and what is tolerated, by name; nil tolerates nothing.
type Options struct {
	MaxRoot  int64 // bytes of the root part, 8 MiB
	MaxSpool int64 // bytes of parts before the root part, 1 MiB
	MaxParts int   // parts, the root included, 1000
	Tolerate func(quirk string) bool
}

// Reader reads one message. Parts come in wire order, the root apart.
type Reader struct {
	s       *scanner
	o       Options
	start   string
	rootID  string
	bare    bool // start was written without brackets
	root    []byte
	spooled []*Part
	open    *Part
	seen    map[string]bool
	count   int
	used    []string
	err     error
}

// NewReader reads the message of type mt from src up to and with its root part.
func NewReader(src io.Reader, mt MediaType, o Options) (*Reader, error) {
	o.MaxRoot, o.MaxSpool = orDefault(o.MaxRoot, 8<<20), orDefault(o.MaxSpool, 1<<20)
	if o.MaxParts == 0 {
		o.MaxParts = 1000
	}
	b := mt.Param("boundary")
	if b == "" || len(b) > 200 {
		return nil, FormatError("multipart content type without a usable boundary")
	}
	r := &Reader{o: o, s: newScanner(src, b), seen: map[string]bool{}}
	r.start, r.bare = trimID(mt.Param("start"))
	if err := r.begin(); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func orDefault(v, d int64) int64 {
	if v == 0 {
		return d
	}
	return v
}

// trimID takes the angle brackets off, and tells when there were none.
func trimID(s string) (id string, bare bool) {
	s = strings.TrimSpace(s)
	if len(s) >= 2 && s[0] == '<' && s[len(s)-1] == '>' {
		return s[1 : len(s)-1], false
	}
	return s, s != ""
}

func (r *Reader) quirk(name, reason string) error {
	if r.o.Tolerate == nil || !r.o.Tolerate(name) {
		return &QuirkError{name, reason}
	}
	if !slices.Contains(r.used, name) {
		r.used = append(r.used, name)
	}
	return nil
}

// begin finds the root part and reads it, keeping the parts before it.
func (r *Reader) begin() error {
	if err := r.s.first(); err != nil {
		return err
	}
	if r.s.lf {
		if err := r.quirk(QuirkBareLF, "multipart message with bare line feeds"); err != nil {
			return err
		}
	}
	spool := r.o.MaxSpool
	for first := true; ; first = false {
		p, err := r.part()
		if err == io.EOF {
			return ErrNoRoot
		}
		if err != nil {
			return err
		}
		if r.start == "" || p.ContentID == r.start || first && p.ContentID == "" {
			return r.readRoot(p)
		}
		b, err := p.all(nil, spool, ErrSpool)
		if err != nil {
			return err
		}
		spool -= int64(len(b))
		r.spooled = append(r.spooled, &Part{ContentID: p.ContentID, Header: p.Header, src: bytes.NewReader(b)})
	}
}

func (r *Reader) readRoot(p *Part) error {
	if p.ContentID == "" {
		if err := r.quirk(QuirkRootWithoutContentID, "root part without a Content-ID"); err != nil {
			return err
		}
	}
	if r.bare {
		if err := r.quirk(QuirkStartWithoutBrackets, "start parameter without angle brackets"); err != nil {
			return err
		}
	}
	r.rootID = p.ContentID
	var err error
	size := 16 << 10
	if end := bytes.Index(r.s.buf[r.s.p:r.s.n], r.s.delim); end >= 0 {
		size = end // a request without parts came whole
	}
	r.root, err = p.all(make([]byte, 0, size), r.o.MaxRoot, ErrRootSize)
	return err
}

// Root is the content of the root part. It is the caller's.
func (r *Reader) Root() []byte { return r.root }

// RootID is the Content-ID of the root part, without brackets.
func (r *Reader) RootID() string { return r.rootID }

// Quirks names the departures that were tolerated so far.
func (r *Reader) Quirks() []string { return r.used }

// Next gives the next part that is not the root; what is unread of the one before is passed over. io.EOF comes behind the closing
// boundary only.
func (r *Reader) Next() (*Part, error) {
	if len(r.spooled) > 0 {
		p := r.spooled[0]
		r.spooled = r.spooled[1:]
		return p, nil
	}
	return r.part()
}

func (r *Reader) part() (*Part, error) {
	if r.err != nil {
		return nil, r.err
	}
	p, err := r.readPart()
	r.open, r.err = p, err
	return p, err
}

func (r *Reader) readPart() (*Part, error) {
	if r.open != nil {
		r.open.s, r.open.src, r.open.rest = nil, nil, nil
		if err := r.s.leave(); err != nil {
			return nil, err
		}
	}
	if r.s.ended {
		return nil, io.EOF
	}
	if r.count++; r.count > r.o.MaxParts {
		return nil, ErrParts
	}
	h, err := r.s.header()
	if err != nil {
		return nil, err
	}
	// The empty line that ends the header may be the line end that the boundary of an empty part begins with.
	r.s.unreadLineEnd()
	p := &Part{Header: h, s: r.s}
	id, bare := trimID(h.Get("Content-Id"))
	if bare {
		if err := r.quirk(QuirkStartWithoutBrackets, "Content-ID without angle brackets"); err != nil {
			return nil, err
		}
	}
	if p.ContentID = id; id != "" {
		if r.seen[id] {
			return nil, ErrDuplicate
		}
		r.seen[id] = true
	}
	return p, r.decode(p)
}

func (r *Reader) decode(p *Part) error {
	switch strings.ToLower(p.Header.Get("Content-Transfer-Encoding")) {
	case "", "binary", "8bit", "7bit":
		return nil
	case "base64":
		if err := r.quirk(QuirkBase64Part, "part in base64"); err != nil {
			return err
		}
		p.src = decoder{base64.NewDecoder(base64.StdEncoding, &rawPart{s: p.s})}
		return nil
	}
	return ErrEncoding
}

// Close gives the buffer back; parts cannot be read any more. It does not close the source.
func (r *Reader) Close() {
	if r.err == nil {
		r.err = errClosed
	}
	if r.open != nil {
		r.open.s, r.open.src, r.open.rest = nil, nil, nil
		r.open = nil
	}
	r.spooled = nil
	r.s.close()
}

// Part is one part, a stream that lasts until the next is asked for.
type Part struct {
	ContentID string // without angle brackets
	Header    textproto.MIMEHeader
	s         *scanner
	src       io.Reader // decoded or spooled content; nil reads from s
	rest      []byte    // of the window, unread
	done      bool
}

// Read reads the decoded content.
func (p *Part) Read(b []byte) (int, error) {
	if p.src != nil {
		return p.src.Read(b)
	}
	if p.s == nil {
		return 0, errClosed
	}
	if len(p.rest) == 0 {
		if p.done {
			return 0, io.EOF
		}
		w, err := p.s.window()
		if err != nil {
			p.done = err == io.EOF
			return 0, err
		}
		p.rest = w
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// WriteTo writes the rest of the content to w, without a copy in between.
func (p *Part) WriteTo(w io.Writer) (n int64, err error) {
	if p.src != nil {
		return io.Copy(w, p.src)
	}
	for {
		if p.s == nil {
			return n, errClosed
		}
		b := p.rest
		p.rest = nil
		if len(b) == 0 {
			if p.done {
				return n, nil
			}
			if b, err = p.s.window(); err == io.EOF {
				p.done = true
				return n, nil
			} else if err != nil {
				return n, err
			}
		}
		m, err := w.Write(b)
		n += int64(m)
		if err != nil {
			return n, err
		}
	}
}

// all appends the whole content to b, tooLarge beyond limit bytes.
func (p *Part) all(b []byte, limit int64, tooLarge error) ([]byte, error) {
	l := &limited{pieces: [][]byte{b}, left: limit, tooLarge: tooLarge}
	_, err := p.WriteTo(l)
	if len(l.pieces) == 1 || err != nil {
		return l.pieces[0], err
	}
	return slices.Concat(l.pieces...), nil
}

// limited keeps what is written in pieces, the first of which is given, and puts nothing together that is refused in the end.
type limited struct {
	pieces   [][]byte
	left     int64
	tooLarge error
}

func (l *limited) Write(b []byte) (int, error) {
	n := len(b)
	if l.left -= int64(n); l.left < 0 {
		return 0, l.tooLarge
	}
	for {
		last := &l.pieces[len(l.pieces)-1]
		k := min(len(b), cap(*last)-len(*last))
		*last, b = append(*last, b[:k]...), b[k:]
		if len(b) == 0 {
			return n, nil
		}
		l.pieces = append(l.pieces, make([]byte, 0, max(16<<10, min(2*cap(*last), 1<<20))))
	}
}

// rawPart reads a part undecoded.
type rawPart struct {
	s    *scanner
	rest []byte
}

func (r *rawPart) Read(b []byte) (int, error) {
	if len(r.rest) == 0 {
		w, err := r.s.window()
		if err != nil {
			return 0, err
		}
		r.rest = w
	}
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// decoder reads base64 and says of whom the fault is.
type decoder struct{ r io.Reader }

func (d decoder) Read(b []byte) (int, error) {
	n, err := d.r.Read(b)
	var corrupt base64.CorruptInputError
	if err == io.ErrUnexpectedEOF || errors.As(err, &corrupt) {
		err = errBase64
	}
	return n, err
}

// Match tells whether the href of a xop:Include names the part with this Content-ID, and whether it took percent-decoding to see it:
// stacks disagree whether the cid URL of RFC 2392 is encoded.
func Match(href, contentID string) (ok, encoded bool) {
	id, is := strings.CutPrefix(href, "cid:")
	if !is || contentID == "" {
		return false, false
	}
	if id == contentID {
		return true, false
	}
	if !strings.Contains(id, "%") {
		return false, false
	}
	d, err := url.PathUnescape(id)
	return err == nil && d == contentID, true
}
