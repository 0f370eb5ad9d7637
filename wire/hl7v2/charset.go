package hl7v2

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Charset is a character set of HL7 table 0211 that this package reads and writes.
type Charset string

// The character sets, as MSH-18 says them.
const (
	Unsaid  Charset = "" // no MSH-18 and the bytes are UTF-8
	ASCII   Charset = "ASCII"
	UTF8    Charset = "UNICODE UTF-8"
	Latin1  Charset = "8859/1"
	Latin9  Charset = "8859/15"
	guessed Charset = "8859/1 unsaid"
)

// ErrCharset tells that the character set of MSH-18 is not known, or that the bytes are not of it.
var ErrCharset = errors.New("character set")

// latin9 lists where ISO 8859-15 differs from ISO 8859-1.
var latin9 = map[byte]rune{0xA4: '€', 0xA6: 'Š', 0xA8: 'š', 0xB4: 'Ž', 0xB8: 'ž', 0xBC: 'Œ', 0xBD: 'œ', 0xBE: 'Ÿ'}

// decode gives b as UTF-8 by the name of MSH-18; guess tells that no name was said and the bytes are not UTF-8.
func decode(b []byte, name string) (text string, set Charset, guess bool, err error) {
	switch Charset(name) {
	case Unsaid:
		if !utf8.Valid(b) {
			return single(b, nil), guessed, true, nil
		}
		return string(b), Unsaid, false, nil
	case UTF8:
		if !utf8.Valid(b) {
			return "", "", false, fmt.Errorf("%w: MSH-18 says UNICODE UTF-8, the bytes are not", ErrCharset)
		}
		return string(b), UTF8, false, nil
	case ASCII:
		for _, c := range b {
			if c >= utf8.RuneSelf {
				return "", "", false, fmt.Errorf("%w: MSH-18 says ASCII, the bytes are not", ErrCharset)
			}
		}
		return string(b), ASCII, false, nil
	case Latin1:
		return single(b, nil), Latin1, false, nil
	case Latin9:
		return single(b, latin9), Latin9, false, nil
	}
	return "", "", false, fmt.Errorf("%w: MSH-18 is not one of ASCII, 8859/1, 8859/15, UNICODE UTF-8", ErrCharset)
}

func single(b []byte, differs map[byte]rune) string {
	var s strings.Builder
	s.Grow(len(b) + len(b)/8)
	for _, c := range b {
		r, ok := differs[c]
		if !ok {
			r = rune(c)
		}
		s.WriteRune(r)
	}
	return s.String()
}

// append writes s in the character set.
func (c Charset) append(dst []byte, s string) []byte {
	if c == Unsaid || c == UTF8 {
		return append(dst, s...)
	}
	for _, r := range s {
		dst = append(dst, c.encode(r))
	}
	return dst
}

func (c Charset) encode(r rune) byte {
	if r < utf8.RuneSelf {
		return byte(r)
	}
	if c == Latin9 {
		for b, l := range latin9 {
			if l == r {
				return b
			}
		}
		if r > 0xFF || latin9[byte(r)] != 0 {
			return '?'
		}
		return byte(r)
	}
	if r > 0xFF || c == ASCII {
		return '?'
	}
	return byte(r)
}
