package cda

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Options are the caps of reading; the zero value holds the defaults.
type Options struct {
	MaxSize  int64 // most bytes of a document, in UTF-8; 16 MiB when 0
	MaxDepth int   // deepest nesting of elements; 128 when 0
	UTF8Only bool  // refuse what is encoded in ISO 8859-1 or 8859-15 (quirk cda-latin), which else is read, with a finding
}

const (
	defaultMaxSize  = 16 << 20
	defaultMaxDepth = 128
)

func (o Options) maxSize() int64 {
	if o.MaxSize == 0 {
		return defaultMaxSize
	}
	return o.MaxSize
}

func (o Options) maxDepth() int {
	if o.MaxDepth == 0 {
		return defaultMaxDepth
	}
	return o.MaxDepth
}

// ErrTooLarge tells that a document or an attachment is larger than the cap.
var ErrTooLarge = errors.New("larger than the cap")

func tooLarge(limit int64) error { return fmt.Errorf("more than %d bytes: %w", limit, ErrTooLarge) }

// Load reads a whole document, at most o.MaxSize bytes of it. What knows its length is refused before the first byte is read.
func Load(r io.Reader, o Options) ([]byte, error) {
	limit := o.maxSize()
	var b bytes.Buffer
	if l, ok := r.(interface{ Len() int }); ok {
		if int64(l.Len()) > limit {
			return nil, tooLarge(limit)
		}
		b.Grow(l.Len() + bytes.MinRead)
	}
	n, err := b.ReadFrom(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read document: %w", err)
	}
	if n > limit {
		return nil, tooLarge(limit)
	}
	return b.Bytes(), nil
}

// toUTF8 gives the document in UTF-8 and the encoding that it declares. The profile asks for UTF-8; ISO 8859-1 and 8859-15 are transcoded, into
// a copy within the same cap, so that lines keep their numbers. Every other encoding is left for the reader to refuse.
func toUTF8(b []byte, o Options) (text []byte, encoding string, err error) {
	limit := o.maxSize()
	if int64(len(b)) > limit {
		return nil, "", tooLarge(limit)
	}
	from, to := declaredEncoding(b)
	encoding = string(b[from:to])
	// QUIRK cda-latin, seen in field reports: software of before the profile writes in ISO 8859-1 or 8859-15.
	high, ok := map[string]*[256]rune{"ISO-8859-1": &latin1, "ISO-8859-15": &latin9}[strings.ToUpper(encoding)]
	if !ok || o.UTF8Only || bytes.HasPrefix(b, bom) {
		return b, encoding, nil
	}
	size := int64(len(b))
	for _, c := range b {
		if c >= 0x80 {
			size += int64(utf8.RuneLen(high[c]) - 1)
		}
	}
	if size > limit {
		return nil, "", tooLarge(limit)
	}
	out := make([]byte, 0, size)
	out = append(append(out, b[:from]...), "UTF-8"...)
	for _, c := range b[to:] {
		out = utf8.AppendRune(out, high[c])
	}
	return out, encoding, nil
}

var bom = []byte("\xef\xbb\xbf")

// declaredEncoding is where the value of encoding stands in the XML declaration; nowhere when there is none.
func declaredEncoding(b []byte) (from, to int) {
	if rest := bytes.TrimPrefix(b, bom); len(rest) < 6 || string(rest[:5]) != "<?xml" || rest[5] > ' ' {
		return 0, 0
	}
	end := bytes.Index(b[:min(len(b), 256)], []byte("?>"))
	if end < 0 {
		return 0, 0
	}
	i := bytes.Index(b[:end], []byte("encoding"))
	if i < 0 {
		return 0, 0
	}
	q := bytes.IndexAny(b[i:end], `"'`)
	if q < 0 {
		return 0, 0
	}
	from = i + q + 1
	n := bytes.IndexByte(b[from:end], b[from-1])
	if n < 0 {
		return 0, 0
	}
	return from, from + n
}

var latin1, latin9 = func() (l1, l9 [256]rune) {
	for i := range l1 {
		l1[i], l9[i] = rune(i), rune(i)
	}
	for c, r := range map[byte]rune{0xA4: '€', 0xA6: 'Š', 0xA8: 'š', 0xB4: 'Ž', 0xB8: 'ž', 0xBC: 'Œ', 0xBD: 'œ', 0xBE: 'Ÿ'} {
		l9[c] = r
	}
	return l1, l9
}()

// PlainText is a text of unknown encoding: UTF-8 where it is valid, else ISO 8859-15, in which any bytes are text. A byte order mark is dropped.
func PlainText(b []byte) string {
	b = bytes.TrimPrefix(b, bom)
	if utf8.Valid(b) {
		return string(b)
	}
	var s strings.Builder
	for _, c := range b {
		s.WriteRune(latin9[c])
	}
	return s.String()
}
