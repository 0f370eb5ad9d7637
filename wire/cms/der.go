package cms

import "slices"

// tlv is one element in DER.
func tlv(tag byte, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	out := append(make([]byte, 0, n+6), tag)
	out = appendLength(out, n)
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func appendLength(b []byte, n int) []byte {
	if n < 0x80 {
		return append(b, byte(n))
	}
	size := 1
	for n>>(8*size) != 0 {
		size++
	}
	b = append(b, 0x80|byte(size))
	for i := size - 1; i >= 0; i-- {
		b = append(b, byte(n>>(8*i)))
	}
	return b
}

func sequence(parts ...[]byte) []byte { return tlv(tagSequence, parts...) }

// setOf is a SET OF, whose elements DER puts in order [X.690 11.6].
func setOf(parts ...[]byte) []byte {
	parts = slices.Clone(parts)
	slices.SortFunc(parts, slices.Compare[[]byte])
	return tlv(tagSet, parts...)
}

func (o oid) der() []byte { return tlv(tagOID, []byte(o)) }

func integerDER(n int) []byte {
	b := []byte{byte(n)}
	for n >>= 8; n > 0; n >>= 8 {
		b = append([]byte{byte(n)}, b...)
	}
	if b[0] >= 0x80 {
		b = append([]byte{0}, b...)
	}
	return tlv(tagInteger, b)
}

// algorithm is an AlgorithmIdentifier; parameters may be absent.
func algorithm(o oid, parameters ...[]byte) []byte {
	return sequence(append([][]byte{o.der()}, parameters...)...)
}

var null = []byte{tagNull, 0}

// shell is an element around a large content: what lies before and after the content within it.
type shell struct {
	tag           byte
	before, after []byte
}

// enclose lays out a content of n octets in shells, the outermost first: one allocation, the place of the content left empty at position at.
func enclose(shells []shell, n int) (out []byte, at int) {
	sizes := make([]int, len(shells)) // of what each shell holds
	total := n
	for i := len(shells) - 1; i >= 0; i-- {
		sizes[i] = len(shells[i].before) + total + len(shells[i].after)
		total = sizes[i] + len(appendLength([]byte{0}, sizes[i]))
	}
	out = make([]byte, 0, total)
	for i, s := range shells {
		out = append(appendLength(append(out, s.tag), sizes[i]), s.before...)
	}
	at = len(out)
	out = out[:at+n]
	for i := len(shells) - 1; i >= 0; i-- {
		out = append(out, shells[i].after...)
	}
	return out, at
}
