package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/xds"
)

// Values are binary: a version byte, then the fields in a fixed order. Numbers are varints. A string is its length and its bytes. A list
// is 0 when nil, else its length plus one, so that what comes out equals what went in. A known word (well-known URNs) is its number;
// 0 and a string when it has none. Numbers of words and the order of fields never change: a new order is a new version byte.

const codecVersion = 1

var errCodec = errors.New("value is damaged")

// word numbers the URNs that nearly every object carries, and the authorities that nearly every identifier has. Only ever append.
func word(s string) byte {
	switch s {
	case "":
		return 1
	case string(xds.Approved):
		return 2
	case string(xds.Deprecated):
		return 3
	case string(xds.Submitted):
		return 4
	case string(xds.HasMember):
		return 5
	case string(xds.RPLC):
		return 6
	case string(xds.XFRM):
		return 7
	case string(xds.APND):
		return 8
	case string(xds.XFRMRPLC):
		return 9
	case string(xds.Signs):
		return 10
	case "ISO":
		return 11
	case "ASIP-SANTE-INS-NIR":
		return 12
	case "ASIP-SANTE-INS-NIA":
		return 13
	case "1.2.250.1.213.1.4.8":
		return 14
	case "1.2.250.1.213.1.4.9":
		return 15
	case "1.2.250.1.213.1.4.10":
		return 16
	case "1.2.250.1.213.1.4.11":
		return 17
	}
	return 0
}

func unword(n byte) (string, bool) {
	switch n {
	case 1:
		return "", true
	case 2:
		return string(xds.Approved), true
	case 3:
		return string(xds.Deprecated), true
	case 4:
		return string(xds.Submitted), true
	case 5:
		return string(xds.HasMember), true
	case 6:
		return string(xds.RPLC), true
	case 7:
		return string(xds.XFRM), true
	case 8:
		return string(xds.APND), true
	case 9:
		return string(xds.XFRMRPLC), true
	case 10:
		return string(xds.Signs), true
	case 11:
		return "ISO", true
	case 12:
		return "ASIP-SANTE-INS-NIR", true
	case 13:
		return "ASIP-SANTE-INS-NIA", true
	case 14:
		return "1.2.250.1.213.1.4.8", true
	case 15:
		return "1.2.250.1.213.1.4.9", true
	case 16:
		return "1.2.250.1.213.1.4.10", true
	case 17:
		return "1.2.250.1.213.1.4.11", true
	}
	return "", false
}

// encoder appends to b.
type encoder struct{ b []byte }

func (e *encoder) uint(n uint64) { e.b = binary.AppendUvarint(e.b, n) }
func (e *encoder) int(n int64)   { e.b = binary.AppendVarint(e.b, n) }

func (e *encoder) str(s string) {
	e.uint(uint64(len(s)))
	e.b = append(e.b, s...)
}

func (e *encoder) word(s string) {
	w := word(s)
	e.b = append(e.b, w)
	if w == 0 {
		e.str(s)
	}
}

func (e *encoder) bool(v bool) {
	if v {
		e.b = append(e.b, 1)
	} else {
		e.b = append(e.b, 0)
	}
}

func (e *encoder) bytes(p []byte) {
	if p == nil {
		e.uint(0)
		return
	}
	e.uint(uint64(len(p)) + 1)
	e.b = append(e.b, p...)
}

func encodeList[T any](e *encoder, list []T, one func(*encoder, *T)) {
	if list == nil {
		e.uint(0)
		return
	}
	e.uint(uint64(len(list)) + 1)
	for i := range list {
		one(e, &list[i])
	}
}

// encodeStrings is for every type that is a string.
func encodeStrings[T ~string](e *encoder, list []T) {
	encodeList(e, list, func(e *encoder, s *T) { e.str(string(*s)) })
}

// decoder reads from s. The first fault stays in err and everything after reads as empty.
type decoder struct {
	s       string
	err     error
	version byte
	texts   []xds.LocalizedString // room for several lists, so that an object's many short lists are few allocations
	strings []string
}

// newDecoder copies the value once, or not at all when it is a string already: every string that comes out is a piece of it.
func newDecoder[T []byte | string](value T) *decoder { return newDecoderTo(value, codecVersion) }

// newDecoderTo is for values that have a later version too.
func newDecoderTo[T []byte | string](value T, last byte) *decoder {
	d := &decoder{s: string(value)}
	if d.version = d.byte(); d.err == nil && (d.version < codecVersion || d.version > last) {
		d.err = fmt.Errorf("value has version %d, this program reads %d to %d", d.version, codecVersion, last)
	}
	return d
}

func (d *decoder) fail() {
	if d.err == nil {
		d.err = errCodec
	}
	d.s = ""
}

func (d *decoder) uint() uint64 {
	var n uint64
	for i := 0; i < len(d.s) && i < binary.MaxVarintLen64; i++ {
		c := d.s[i]
		if i == binary.MaxVarintLen64-1 && c > 1 {
			break
		}
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			d.s = d.s[i+1:]
			return n
		}
	}
	d.fail()
	return 0
}

func (d *decoder) int() int64 {
	u := d.uint()
	n := int64(u >> 1)
	if u&1 != 0 {
		n = ^n
	}
	return n
}

func (d *decoder) byte() byte {
	if d.s == "" {
		d.fail()
		return 0
	}
	c := d.s[0]
	d.s = d.s[1:]
	return c
}

func (d *decoder) bool() bool { return d.byte() == 1 }

func (d *decoder) str() string {
	n := d.uint()
	if n > uint64(len(d.s)) {
		d.fail()
		return ""
	}
	s := d.s[:n]
	d.s = d.s[n:]
	return s
}

func (d *decoder) word() string {
	w := d.byte()
	if w == 0 {
		return d.str()
	}
	s, ok := unword(w)
	if !ok {
		d.fail()
	}
	return s
}

func (d *decoder) bytes() []byte {
	n := d.uint()
	if n == 0 || n-1 > uint64(len(d.s)) {
		if n != 0 {
			d.fail()
		}
		return nil
	}
	p := []byte(d.s[:n-1])
	d.s = d.s[n-1:]
	return p
}

// decodeList reads a list whose elements take at least least bytes each, which bounds what a damaged length can allocate.
func decodeList[T any](d *decoder, least int, one func(*decoder, *T)) []T {
	n := d.uint()
	if n == 0 {
		return nil
	}
	n--
	if n > uint64(len(d.s)/least) {
		d.fail()
		return nil
	}
	list := room[T](d, int(n))
	for i := range list {
		one(d, &list[i])
	}
	return list
}

// room makes a list. Short lists of texts and of strings are cut from a common piece; their capacity ends where they do, so
// appending to one never touches the next.
func room[T any](d *decoder, n int) []T {
	const piece = 12
	if n == 0 || n > piece/2 {
		return make([]T, n) // also when empty: nil is something else
	}
	var common *[]T
	switch any((*T)(nil)).(type) {
	case *xds.LocalizedString:
		common = any(&d.texts).(*[]T)
	case *string:
		common = any(&d.strings).(*[]T)
	default:
		return make([]T, n)
	}
	if len(*common) < n {
		*common = make([]T, piece)
	}
	list := (*common)[:n:n]
	*common = (*common)[n:]
	return list
}

func decodeStrings[T ~string](d *decoder) []T {
	return decodeList(d, 1, func(d *decoder, s *T) { *s = T(d.str()) })
}

// end gives the fault, if any; bytes left over are one.
func (d *decoder) end() error {
	if d.err == nil && d.s != "" {
		d.err = errCodec
	}
	return d.err
}

func encodeHD(e *encoder, h *hl7.HD) {
	e.word(h.NamespaceID)
	e.word(h.UniversalID)
	e.word(h.UniversalIDType)
}

func decodeHD(d *decoder, h *hl7.HD) {
	h.NamespaceID = d.word()
	h.UniversalID = d.word()
	h.UniversalIDType = d.word()
}

func encodeCX(e *encoder, c *hl7.CX) {
	e.str(c.ID)
	encodeHD(e, &c.AssigningAuthority)
	e.str(c.TypeCode)
	// The components that XDS leaves empty share one byte.
	rare := c.CheckDigit != "" || c.CheckDigitScheme != "" || c.AssigningFacility != "" || c.EffectiveDate != "" || c.Rest != ""
	e.bool(rare)
	if rare {
		e.str(c.CheckDigit)
		e.str(c.CheckDigitScheme)
		e.str(c.AssigningFacility)
		e.str(c.EffectiveDate)
		e.str(c.Rest)
	}
}

func decodeCX(d *decoder, c *hl7.CX) {
	c.ID = d.str()
	decodeHD(d, &c.AssigningAuthority)
	c.TypeCode = d.str()
	if d.bool() {
		c.CheckDigit = d.str()
		c.CheckDigitScheme = d.str()
		c.AssigningFacility = d.str()
		c.EffectiveDate = d.str()
		c.Rest = d.str()
	}
}
