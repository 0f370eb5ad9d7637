package syslog

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// ErrFrame tells that a stream is not octet-counted.
var ErrFrame = errors.New("not an octet-counted syslog frame")

// MaxMessage is the size of a message in bytes where nobody says otherwise: large query parameters travel base64 in audit messages.
const MaxMessage = 1 << 20

// AppendFrame appends MSG-LEN SP SYSLOG-MSG (RFC 5425, 4.3).
func AppendFrame(dst, msg []byte) []byte {
	dst = strconv.AppendInt(dst, int64(len(msg)), 10)
	dst = append(dst, ' ')
	return append(dst, msg...)
}

// FrameReader reads octet-counted messages.
type FrameReader struct {
	r   *bufio.Reader
	max int
	buf []byte
}

// NewFrameReader reads frames of at most max bytes; 0 means MaxMessage.
func NewFrameReader(r io.Reader, max int) *FrameReader {
	if max <= 0 {
		max = MaxMessage
	}
	return &FrameReader{r: bufio.NewReader(r), max: max}
}

// Next gives the next message, valid until the next call. io.EOF comes only between messages; a stream cut inside one ends in
// io.ErrUnexpectedEOF. After any error the stream cannot be trusted.
func (f *FrameReader) Next() ([]byte, error) {
	n := 0
	for digits := 0; ; digits++ {
		c, err := f.r.ReadByte()
		switch {
		case err == io.EOF && digits > 0:
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		case c == ' ' && digits > 0:
			if n > f.max {
				return nil, fmt.Errorf("%w: %d bytes announced, at most %d are read", ErrFrame, n, f.max)
			}
			return f.body(n)
		case c < '0' || c > '9' || (digits == 0 && c == '0') || digits == 9:
			return nil, fmt.Errorf("%w: length is not 1 to 9 digits and a space", ErrFrame)
		}
		n = n*10 + int(c-'0')
	}
}

// body grows the buffer as bytes arrive, so that an announced length alone costs nothing.
func (f *FrameReader) body(n int) ([]byte, error) {
	f.buf = f.buf[:0]
	for len(f.buf) < n {
		step := min(n-len(f.buf), 64<<10)
		at := len(f.buf)
		f.buf = append(f.buf, make([]byte, step)...)
		if _, err := io.ReadFull(f.r, f.buf[at:]); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return f.buf, nil
}
