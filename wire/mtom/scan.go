package mtom

import (
	"bytes"
	"io"
	"net/textproto"
	"strings"
	"sync"
)

const (
	bufferSize  = 64 << 10
	maxPreamble = 64 << 10
	maxHeaders  = 32       // header fields of one part
	maxHeader   = 16 << 10 // bytes of one part's header
	maxPadding  = 1 << 10  // white space behind a boundary
)

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// scanner cuts a stream at its boundary lines. We search for the whole delimiter with bytes.Index where mime/multipart stops at every
// line end: several times the throughput on binary parts.
type scanner struct {
	src   io.Reader
	buf   *[bufferSize]byte
	p, n  int    // buf[p:n] is unread
	err   error  // of src, io.EOF included
	delim []byte // CR LF -- boundary, or LF -- boundary
	lf    bool   // the message ends its lines with LF alone, as its first boundary line showed
	ended bool   // the closing boundary was read
	next  int    // delimiter found at p: bytes from p to the end of its line, 0 for none
	final bool   // that delimiter is the closing one
}

func newScanner(src io.Reader, boundary string) *scanner {
	return &scanner{src: src, buf: buffers.Get().(*[bufferSize]byte), delim: []byte("\r\n--" + boundary)}
}

func (s *scanner) close() {
	if s.buf != nil {
		buffers.Put(s.buf)
		s.buf = nil
		s.err, s.p, s.n = errClosed, 0, 0
	}
}

// fill reads more, moving what is unread to the front; false means that nothing came.
func (s *scanner) fill() bool {
	if s.err != nil {
		return false
	}
	if s.p > 0 {
		s.n = copy(s.buf[:], s.buf[s.p:s.n])
		s.p = 0
	}
	if s.n == len(s.buf) {
		return false
	}
	for range 100 {
		n, err := s.src.Read(s.buf[s.n:])
		s.n += n
		s.err = err
		if n > 0 || err != nil {
			return n > 0
		}
	}
	s.err = io.ErrNoProgress
	return false
}

func (s *scanner) failure() error {
	if s.err == nil || s.err == io.EOF {
		return ErrTruncated
	}
	return s.err
}

// lineEnd looks at what stands behind a boundary, from at on: "--" for the closing one, white space, a line end. It gives the position
// behind the line, 0 when it is no boundary line, -1 when more input is needed to tell.
func (s *scanner) lineEnd(at int) (end int, final bool) {
	b := s.buf[:s.n]
	if bytes.HasPrefix(b[at:], []byte("--")) {
		final, at = true, at+2
	} else if s.err == nil && at+2 > s.n {
		return -1, false
	}
	i := at
	for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
		if i++; i-at > maxPadding {
			return 0, false
		}
	}
	switch {
	case i < len(b) && b[i] == '\n':
		return i + 1, final
	case i+1 < len(b) && b[i] == '\r' && b[i+1] == '\n':
		return i + 2, final
	case s.err == nil && (i >= len(b) || i+1 >= len(b) && b[i] == '\r'):
		return -1, false
	case final && i >= len(b):
		return i, true // the message ends right behind the closing boundary
	}
	return 0, false
}

// first passes over the preamble and the first boundary line.
func (s *scanner) first() error {
	dash := s.delim[2:]
	seen := 0
	for {
		b := s.buf[s.p:s.n]
		if bytes.HasPrefix(b, dash) {
			end, final := s.lineEnd(s.p + len(dash))
			if end < 0 {
				s.fill()
				continue
			}
			if end > 0 {
				s.lf = end >= 2 && s.buf[end-2] != '\r'
				if s.lf {
					s.delim = s.delim[1:]
				}
				s.p, s.ended = end, final
				return nil
			}
		}
		i := bytes.IndexByte(b, '\n')
		if i < 0 && len(b) < bufferSize/2 && s.fill() {
			continue
		}
		if i < 0 {
			if s.err == nil {
				return ErrPreamble
			}
			if s.err == io.EOF {
				return errNoBoundary
			}
			return s.err
		}
		s.p += i + 1
		if seen += i + 1; seen > maxPreamble {
			return ErrPreamble
		}
	}
}

// window gives the next bytes of the current part's content, nil and io.EOF at its end. They are valid until the next call.
func (s *scanner) window() ([]byte, error) {
	if s.next > 0 {
		return nil, io.EOF
	}
	from := s.p // where to look on
	for {
		open := false // a delimiter whose line is not all there yet
		i := bytes.Index(s.buf[from:s.n], s.delim)
		if i >= 0 {
			i += from
			end, final := s.lineEnd(i + len(s.delim))
			switch {
			case end > 0:
				w := s.buf[s.p:i]
				s.next, s.final = end-i, final
				s.p = i
				if len(w) == 0 {
					return nil, io.EOF
				}
				return w, nil
			case end == 0:
				from = i + 1
				continue
			case i > s.p: // give what is before it, then look again
				w := s.buf[s.p:i]
				s.p = i
				return w, nil
			}
			open = true
		} else if safe := s.n - len(s.delim); safe > s.p {
			w := s.buf[s.p:safe]
			s.p = safe
			return w, nil
		}
		from -= s.p
		if !s.fill() && !open {
			return nil, s.failure()
		}
		from += s.p
	}
}

// leave passes over the rest of the current part and its boundary line.
func (s *scanner) leave() error {
	for {
		if _, err := s.window(); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
	}
	s.p += s.next
	s.next, s.ended = 0, s.final
	return nil
}

// header reads a part's header and the empty line behind it.
func (s *scanner) header() (textproto.MIMEHeader, error) {
	h := make(textproto.MIMEHeader, 4)
	last, total := "", 0
	for count := 0; ; {
		i := bytes.IndexByte(s.buf[s.p:s.n], '\n')
		if i < 0 {
			if s.n-s.p > maxHeader {
				return nil, ErrHeader
			}
			if !s.fill() {
				return nil, s.failure()
			}
			continue
		}
		line := s.buf[s.p : s.p+i]
		s.p += i + 1
		if total += i + 1; total > maxHeader {
			return nil, ErrHeader
		}
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 {
			return h, nil
		}
		if line[0] == ' ' || line[0] == '\t' { // RFC 5322 2.2.3 folding
			if last == "" {
				return nil, errBadHeader
			}
			v := h[last]
			v[len(v)-1] += " " + strings.TrimSpace(string(line))
			continue
		}
		name, value, ok := strings.Cut(string(line), ":")
		if !ok || !isToken(name) {
			return nil, errBadHeader
		}
		if count++; count > maxHeaders {
			return nil, ErrHeader
		}
		last = textproto.CanonicalMIMEHeaderKey(name)
		h[last] = append(h[last], strings.TrimSpace(value))
	}
}

// unreadLineEnd looks whether the empty line behind a header is the line end that a boundary begins with: then the part is empty.
func (s *scanner) unreadLineEnd() {
	nl := len(s.delim) - len(bytes.TrimLeft(s.delim, "\r\n"))
	if s.p < nl {
		return
	}
	s.p -= nl
	for s.n-s.p < len(s.delim) && s.fill() {
	}
	for bytes.HasPrefix(s.buf[s.p:s.n], s.delim) {
		end, _ := s.lineEnd(s.p + len(s.delim))
		if end > 0 {
			return
		}
		if end == 0 {
			break
		}
		s.fill()
	}
	s.p += nl
}
