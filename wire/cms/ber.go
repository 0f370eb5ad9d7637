package cms

import (
	"fmt"
	"strconv"
	"strings"
)

// The tags this package meets; a context tag is tagContext plus its number, constructed ones carry tagConstructed.
const (
	tagInteger     = 0x02
	tagBitString   = 0x03
	tagOctets      = 0x04
	tagNull        = 0x05
	tagOID         = 0x06
	tagUTCTime     = 0x17
	tagGeneralTime = 0x18
	tagSequence    = 0x30
	tagSet         = 0x31
	tagConstructed = 0x20
	tagContext     = 0x80
)

// maxDepth is how deep elements nest; a message needs about a dozen levels and a name in a certificate a few more.
const maxDepth = 32

// maxIndefinite is how many elements have an indefinite length, whose ends are remembered; a message needs about twenty.
const maxIndefinite = 4096

// source is one message in BER: its bytes, where its elements of indefinite length end, and the first thing found wrong with it. Once
// something is wrong every read gives nothing, so that readers need not ask after each step.
type source struct {
	b    []byte
	ends map[int]int // start of an element of indefinite length → after its end-of-contents
	left int         // elements it may still hold
	err  error
}

func newSource(b []byte) *source {
	// Strings in pieces are common (a piece per line at worst); each element is met once when its end is sought and once when it is read.
	return &source{b: b, left: 10_000 + len(b)/16}
}

func (s *source) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
	}
}

// element is one TLV: positions in its source.
type element struct {
	tag        byte
	start, end int // the whole of it
	body, stop int // what it holds, without end-of-contents
}

func (e element) indefinite() bool { return e.end != e.stop }

// header reads tag and length at pos. An indefinite length is stop < 0.
func (s *source) header(pos, limit int) (e element, ok bool) {
	if s.left--; s.left < 0 {
		s.fail("too many elements")
		return e, false
	}
	if limit-pos < 2 {
		s.fail("cut short at %d", pos)
		return e, false
	}
	e.tag, e.start = s.b[pos], pos
	if e.tag&0x1f == 0x1f {
		s.fail("tag number above 30 at %d", pos)
		return e, false
	}
	n, at := int(s.b[pos+1]), pos+2
	switch {
	case n == 0x80:
		if e.tag&tagConstructed == 0 {
			s.fail("primitive element of indefinite length at %d", pos)
			return e, false
		}
		e.body, e.stop = at, -1
		return e, true
	case n > 0x84:
		s.fail("length of %d octets at %d", n&0x7f, pos)
		return e, false
	case n > 0x80:
		size := n & 0x7f
		if limit-at < size {
			s.fail("cut short at %d", pos)
			return e, false
		}
		n = 0
		for _, c := range s.b[at : at+size] {
			n = n<<8 | int(c)
		}
		at += size
	}
	if n > limit-at {
		s.fail("length beyond the end at %d", pos)
		return e, false
	}
	e.body, e.stop, e.end = at, at+n, at+n
	return e, true
}

// element reads the element at pos, whichever form its length has.
func (s *source) element(pos, limit, depth int) (element, bool) {
	e, ok := s.header(pos, limit)
	if !ok || e.stop >= 0 {
		return e, ok
	}
	end, known := s.ends[pos]
	if !known {
		if end, ok = s.seek(e.body, limit, depth); !ok {
			return e, false
		}
		if s.ends == nil {
			s.ends = map[int]int{}
		}
		if s.ends[pos] = end; len(s.ends) > maxIndefinite {
			s.fail("more than %d elements of indefinite length", maxIndefinite)
			return e, false
		}
	}
	if end > limit {
		s.fail("length beyond the end at %d", pos)
		return e, false
	}
	e.end, e.stop = end, end-2
	return e, true
}

// seek finds the position after the end-of-contents that closes what begins at pos.
func (s *source) seek(pos, limit, depth int) (int, bool) {
	if depth >= maxDepth {
		s.fail("elements nest too deep at %d", pos)
		return 0, false
	}
	for {
		if limit-pos >= 2 && s.b[pos] == 0 && s.b[pos+1] == 0 {
			return pos + 2, true
		}
		e, ok := s.element(pos, limit, depth+1)
		if !ok {
			return 0, false
		}
		pos = e.end
	}
}

func (s *source) bytes(e element) []byte { return s.b[e.body:e.stop:e.stop] }
func (s *source) whole(e element) []byte { return s.b[e.start:e.end:e.end] }

// octets is the value of an OCTET STRING, which may be in pieces: they are moved together where they lie, so a message is never copied for it.
func (s *source) octets(e element) []byte {
	if e.tag&tagConstructed == 0 {
		return s.bytes(e)
	}
	to := s.join(e, e.body, 1)
	return s.b[e.body:to:to]
}

func (s *source) join(e element, to, depth int) int {
	if depth >= maxDepth {
		s.fail("elements nest too deep at %d", e.start)
		return to
	}
	for pos := e.body; pos < e.stop && s.err == nil; {
		piece, ok := s.element(pos, e.stop, depth)
		switch {
		case !ok:
			return to
		case piece.tag == tagOctets:
			to += copy(s.b[to:], s.b[piece.body:piece.stop])
		case piece.tag == tagOctets|tagConstructed:
			to = s.join(piece, to, depth+1)
		default:
			s.fail("octet string made of something else at %d", pos)
		}
		pos = piece.end
	}
	return to
}

// reader walks the elements one level holds.
type reader struct {
	s        *source
	pos, end int
	depth    int
}

func (s *source) all() *reader { return &reader{s: s, end: len(s.b)} }

// inside reads what e holds.
func (r *reader) inside(e element) *reader {
	if r.depth+1 >= maxDepth {
		r.s.fail("elements nest too deep at %d", e.start)
	}
	return &reader{s: r.s, pos: e.body, end: e.stop, depth: r.depth + 1}
}

func (r *reader) more() bool { return r.s.err == nil && r.pos < r.end }

// is says whether the next element has this tag.
func (r *reader) is(tag byte) bool { return r.more() && r.s.b[r.pos] == tag }

func (r *reader) next() element {
	if r.s.err != nil {
		return element{}
	}
	e, ok := r.s.element(r.pos, r.end, r.depth)
	if !ok {
		return element{}
	}
	r.pos = e.end
	return e
}

// want reads an element that must have this tag.
func (r *reader) want(tag byte, what string) element {
	if r.s.err == nil && !r.is(tag) {
		r.s.fail("%s is due at %d", what, r.pos)
	}
	return r.next()
}

func (r *reader) sequence(what string) *reader { return r.inside(r.want(tagSequence, what)) }

// done says that nothing may follow.
func (r *reader) done(what string) {
	if r.more() {
		r.s.fail("%s holds more than it should at %d", what, r.pos)
	}
}

func (r *reader) oid(what string) oid {
	b := r.s.bytes(r.want(tagOID, what))
	if r.s.err == nil && !oid(b).valid() {
		r.s.fail("%s is no object identifier", what)
	}
	return oid(b)
}

// integer is a small whole number, 0 to 2^31-1: a version, a length.
func (r *reader) integer(what string) int {
	b := r.s.bytes(r.want(tagInteger, what))
	if r.s.err != nil {
		return 0
	}
	if len(b) == 0 || len(b) > 4 || b[0] >= 0x80 {
		r.s.fail("%s is out of range", what)
		return 0
	}
	n := 0
	for _, c := range b {
		n = n<<8 | int(c)
	}
	return n
}

// string reads an OCTET STRING.
func (r *reader) string(what string) []byte {
	if r.is(tagOctets | tagConstructed) {
		return r.s.octets(r.next())
	}
	return r.s.bytes(r.want(tagOctets, what))
}

// oid is an object identifier: the contents octets, which compare as they are.
type oid string

func (o oid) valid() bool {
	if o == "" || o[len(o)-1]&0x80 != 0 || len(o) > 64 {
		return false
	}
	first := true
	for i := range len(o) {
		if first && o[i] == 0x80 {
			return false
		}
		first = o[i]&0x80 == 0
	}
	return true
}

// String is the dotted form.
func (o oid) String() string {
	var out []string
	n := uint64(0)
	for i := range len(o) {
		n = n<<7 | uint64(o[i]&0x7f)
		if o[i]&0x80 != 0 {
			continue
		}
		if len(out) == 0 {
			first := min(n/40, 2)
			out = append(out, strconv.FormatUint(first, 10))
			n -= first * 40
		}
		out = append(out, strconv.FormatUint(n, 10))
		n = 0
	}
	return strings.Join(out, ".")
}

// dotted makes an identifier of its dotted form, which is one of ours.
func dotted(s string) oid {
	var arcs []uint64
	for a := range strings.SplitSeq(s, ".") {
		n, err := strconv.ParseUint(a, 10, 64)
		if err != nil {
			panic("object identifier " + s)
		}
		arcs = append(arcs, n)
	}
	out := base128(nil, arcs[0]*40+arcs[1])
	for _, a := range arcs[2:] {
		out = base128(out, a)
	}
	return oid(out)
}

func base128(b []byte, n uint64) []byte {
	shift := 0
	for n>>(shift+7) != 0 {
		shift += 7
	}
	for ; shift > 0; shift -= 7 {
		b = append(b, byte(n>>shift)|0x80)
	}
	return append(b, byte(n&0x7f))
}
