package syslog

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// ErrFrame tells that a stream is not framed as it should be.
var ErrFrame = errors.New("not an octet-counted syslog frame")

// MaxMessage is the size of a message in bytes where nobody says otherwise: large query parameters travel base64 in audit messages.
const MaxMessage = 1 << 20

// readAhead is how much of a stream is read at once.
const readAhead = 64 << 10

// AppendFrame appends MSG-LEN SP SYSLOG-MSG (RFC 5425, 4.3).
func AppendFrame(dst, msg []byte) []byte {
	dst = strconv.AppendInt(dst, int64(len(msg)), 10)
	dst = append(dst, ' ')
	return append(dst, msg...)
}

// FrameReader reads octet-counted messages, or with Lines also those that end in a line feed.
type FrameReader struct {
	// Lines tolerates QuirkLines: a message that begins with < instead of a digit goes up to the next line feed.
	Lines bool

	r      *bufio.Reader
	max    int
	buf    []byte
	partly []byte
}

// NewFrameReader reads frames of at most max bytes; 0 means MaxMessage.
func NewFrameReader(r io.Reader, max int) *FrameReader {
	if max <= 0 {
		max = MaxMessage
	}
	return &FrameReader{r: bufio.NewReaderSize(r, readAhead), max: max}
}

// Next gives the next message, valid until the next call. io.EOF comes only between messages; a stream cut inside one ends in
// io.ErrUnexpectedEOF. After any error the stream cannot be trusted, and Partly tells what was read of it.
func (f *FrameReader) Next() ([]byte, error) {
	f.partly, f.buf = nil, f.buf[:0]
	for f.Lines {
		first, err := f.r.Peek(1)
		if err != nil || first[0] != '<' && first[0] != '\n' {
			break
		}
		if first[0] == '<' {
			return f.line()
		}
		_, _ = f.r.Discard(1) // an empty line between messages
	}
	n := 0
	var length [10]byte
	for digits := 0; ; digits++ {
		c, err := f.r.ReadByte()
		switch {
		case err != nil && digits > 0:
			f.partly = append([]byte(nil), length[:digits]...)
			return nil, unexpected(err)
		case err != nil:
			return nil, err
		}
		length[digits] = c
		switch {
		case c == ' ' && digits > 0:
			if n > f.max {
				f.broken(length[:digits+1])
				return nil, fmt.Errorf("%w: %d bytes announced, at most %d are read", ErrFrame, n, f.max)
			}
			return f.body(n)
		case c < '0' || c > '9' || (digits == 0 && c == '0') || digits == 9:
			f.broken(length[:digits+1])
			return nil, fmt.Errorf("%w: length is not 1 to 9 digits and a space", ErrFrame)
		}
		n = n*10 + int(c-'0')
	}
}

// Partly is what was read of the message that an error cut short, at most a few kilobytes of it.
func (f *FrameReader) Partly() []byte { return f.partly }

// broken keeps what stands at a place where no frame begins.
func (f *FrameReader) broken(head []byte) {
	rest, _ := f.r.Peek(min(f.r.Buffered(), 4<<10))
	f.partly = append(append([]byte(nil), head...), rest...)
}

// body grows the buffer as bytes arrive, so that an announced length alone costs nothing.
func (f *FrameReader) body(n int) ([]byte, error) {
	for len(f.buf) < n {
		at := len(f.buf)
		f.buf = slices.Grow(f.buf, min(n-at, readAhead))[:at+min(n-at, readAhead)]
		if got, err := io.ReadFull(f.r, f.buf[at:]); err != nil {
			f.partly = append([]byte(nil), f.buf[:at+got]...)
			return nil, unexpected(err)
		}
	}
	return f.buf, nil
}

// line reads up to a line feed, which it drops; the end of the stream ends the last line too.
func (f *FrameReader) line() ([]byte, error) {
	for {
		part, err := f.r.ReadSlice('\n')
		f.buf = append(f.buf, part...)
		switch {
		case len(f.buf) > f.max+1:
			f.partly = append([]byte(nil), f.buf[:min(len(f.buf), 4<<10)]...)
			return nil, fmt.Errorf("%w: a line of more than %d bytes", ErrFrame, f.max)
		case err == nil:
			return f.buf[:len(f.buf)-1], nil
		case err == io.EOF:
			return f.buf, nil
		case err != bufio.ErrBufferFull:
			f.partly = append([]byte(nil), f.buf...)
			return nil, err
		}
	}
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
