// Package mllp carries HL7 v2 messages over a stream: the Minimal Lower Layer Protocol (HL7 Implementation Guide, appendix C), blocks of
// <VT> message <FS><CR>. It does not look inside a message. TLS comes from the listener.
package mllp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

const (
	vt = 0x0B // starts a block
	fs = 0x1C // ends a block
	cr = 0x0D
)

// MaxMessage is the size of a message in bytes where nobody says otherwise.
const MaxMessage = 1 << 20

// ErrFrame tells that a stream does not hold MLLP blocks.
var ErrFrame = errors.New("not an MLLP block")

// Quirk names a leniency that a block needed.
type Quirk string

// QuirkNoCR is a block whose end lacks the carriage return after <FS>. It is seen when the next block or the end comes.
const QuirkNoCR Quirk = "mllp-missing-cr"

// Reader reads blocks.
type Reader struct {
	r       *bufio.Reader
	max     int
	lenient bool
	owed    bool // the carriage return of the last block has not come yet
	missing func(Quirk)
}

// NewReader reads blocks of at most max bytes (0 means MaxMessage). A lenient reader does without the last carriage return: it gives a message
// as soon as <FS> came, and tells quirk (which may be nil) when something else followed.
func NewReader(r io.Reader, max int, lenient bool, quirk func(Quirk)) *Reader {
	if max <= 0 {
		max = MaxMessage
	}
	if quirk == nil {
		quirk = func(Quirk) {}
	}
	return &Reader{r: bufio.NewReader(r), max: max, lenient: lenient, missing: quirk}
}

// Begin waits for the start of the next block. io.EOF is the orderly end.
func (r *Reader) Begin() error {
	for {
		c, err := r.r.ReadByte()
		if r.owed && (err == io.EOF || err == nil && c != cr) {
			r.missing(QuirkNoCR)
		}
		owed := r.owed
		r.owed = false
		switch {
		case err != nil:
			return err
		case c == vt:
			return nil
		case owed && c == cr:
		default:
			return fmt.Errorf("%w: a byte before the start of a block", ErrFrame)
		}
	}
}

// Body reads the rest of a block that began. A stream cut inside it ends in io.ErrUnexpectedEOF.
func (r *Reader) Body() ([]byte, error) {
	var msg []byte
	for {
		part, err := r.r.ReadSlice(fs)
		msg = append(msg, part...)
		if len(msg) > r.max+1 {
			return nil, fmt.Errorf("%w: more than %d bytes", ErrFrame, r.max)
		}
		if err == nil {
			break
		}
		if err == io.EOF {
			return nil, io.ErrUnexpectedEOF
		}
		if err != bufio.ErrBufferFull {
			return nil, err
		}
	}
	msg = msg[:len(msg)-1]
	for _, c := range msg {
		if c == vt {
			return nil, fmt.Errorf("%w: a block starts inside another", ErrFrame)
		}
	}
	if r.lenient {
		r.owed = true
		return msg, nil
	}
	c, err := r.r.ReadByte()
	switch {
	case err == io.EOF:
		return nil, io.ErrUnexpectedEOF
	case err != nil:
		return nil, err
	case c != cr:
		return nil, fmt.Errorf("%w: <FS> without carriage return", ErrFrame)
	}
	return msg, nil
}

// Next is Begin and Body.
func (r *Reader) Next() ([]byte, error) {
	if err := r.Begin(); err != nil {
		return nil, err
	}
	return r.Body()
}

// Append frames a message.
func Append(dst, msg []byte) []byte {
	dst = append(dst, vt)
	dst = append(dst, msg...)
	return append(dst, fs, cr)
}
