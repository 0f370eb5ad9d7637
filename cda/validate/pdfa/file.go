package pdfa

import (
	"bytes"
	"compress/zlib"
	"io"
	"slices"
	"strconv"
)

const (
	maxObjects  = 200_000 // of all kinds, those within others included
	maxInflated = 16 << 20
)

// file is what was read of a PDF. Objects are found where they stand and not by the cross-reference table, which a bad file has wrong.
type file struct {
	b             []byte
	objects       map[ref]*object
	order         []ref // the objects in the order of their numbers
	trailer       dict
	objectStreams bool
	xrefStreams   bool
	full          bool // a cap was reached: not everything was read
	inflated      int
}

// object is an indirect object; data is the raw content of a stream, nil without one.
type object struct {
	value any
	data  []byte
}

func read(b []byte) *file {
	f := &file{b: b, objects: map[ref]*object{}, trailer: dict{}}
	l := &lexer{b: b, left: maxObjects}
	for p, o, t := 0, -1, -1; p < len(b) && l.left > 0; {
		if o < p {
			o = next(b, "obj", p)
		}
		if t < p {
			t = next(b, "trailer", p)
		}
		switch {
		case o < t:
			p = o + len("obj")
			if number, ok := numberBefore(b[:o]); ok {
				p = f.object(l, ref(number), p)
			}
		case t < len(b):
			l.p = t + len("trailer")
			if d, ok := l.object(0).(dict); ok {
				f.merge(d)
			}
			p = max(l.p, t+1)
		default:
			p = len(b)
		}
	}
	f.full = l.left <= 0
	for _, o := range f.sorted() {
		f.unpack(l, o)
	}
	f.order = f.numbers()
	return f
}

// next is where a word next stands from p on, the end when nowhere.
func next(b []byte, word string, p int) int {
	if n := bytes.Index(b[p:], []byte(word)); n >= 0 {
		return p + n
	}
	return len(b)
}

// numberBefore reads "12 0 " backwards.
func numberBefore(b []byte) (int, bool) {
	fields := bytes.Fields(b[max(0, len(b)-24):])
	if len(fields) < 2 || !blank(b[len(b)-1]) {
		return 0, false
	}
	if _, err := strconv.Atoi(string(fields[len(fields)-1])); err != nil {
		return 0, false
	}
	word := fields[len(fields)-2]
	for len(word) > 0 && (word[0] < '0' || word[0] > '9') {
		word = word[1:] // endobj12 0 obj
	}
	n, err := strconv.Atoi(string(word))
	return n, err == nil
}

// object reads the object whose content begins at p and gives where it ends. A later one of the same number replaces it.
func (f *file) object(l *lexer, number ref, p int) int {
	l.p = p
	o := &object{value: l.object(0)}
	end := l.p
	l.space()
	if d, ok := o.value.(dict); ok && l.take("stream") {
		if !l.take("\r\n") && !l.take("\n") {
			l.take("\r")
		}
		o.data = streamData(f.b[min(l.p, len(f.b)):], d)
		end = l.p + len(o.data)
	}
	f.objects[number] = o
	return max(end, p)
}

// streamData cuts a stream at its Length, when that is said and right, and at endstream else.
func streamData(b []byte, d dict) []byte {
	if n, ok := d["Length"].(float64); ok && n >= 0 && int(n) <= len(b) {
		rest := b[int(n):]
		if bytes.HasPrefix(bytes.TrimLeft(rest[:min(len(rest), 16)], "\r\n "), []byte("endstream")) {
			return b[:int(n)]
		}
	}
	n := bytes.Index(b, []byte("endstream"))
	if n < 0 {
		return b
	}
	return bytes.TrimRight(b[:n], "\r\n")
}

// merge keeps what the latest trailer says, and of the others what it does not.
func (f *file) merge(d dict) {
	for k, v := range d {
		f.trailer[k] = v
	}
}

func (f *file) numbers() []ref {
	out := make([]ref, 0, len(f.objects))
	for n := range f.objects {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

func (f *file) sorted() []*object {
	out := make([]*object, 0, len(f.objects))
	for _, n := range f.numbers() {
		out = append(out, f.objects[n])
	}
	return out
}

// unpack reads the objects of an object stream, and the trailer that a cross-reference stream is.
func (f *file) unpack(l *lexer, o *object) {
	d, _ := o.value.(dict)
	switch d["Type"] {
	case name("XRef"):
		f.xrefStreams = true
		f.merge(d)
	case name("ObjStm"):
		f.objectStreams = true
		content, ok := f.content(o)
		first, _ := f.resolve(d["First"]).(float64)
		if !ok || first < 0 || int(first) > len(content) {
			return
		}
		head := &lexer{b: content[:int(first)], left: l.left}
		for {
			number, ok := head.object(0).(float64)
			at, ok2 := head.object(0).(float64)
			if !ok || !ok2 || at < 0 || int(first)+int(at) > len(content) || l.left <= 0 {
				break
			}
			body := &lexer{b: content, p: int(first) + int(at), left: l.left}
			value := body.object(0)
			l.left = body.left - 1
			if _, there := f.objects[ref(number)]; !there {
				f.objects[ref(number)] = &object{value: value}
			}
		}
		f.full = f.full || l.left <= 0
	}
}

// content inflates a stream, within the budget of the whole file.
func (f *file) content(o *object) ([]byte, bool) {
	d, _ := o.value.(dict)
	switch filters := f.filters(d); {
	case len(filters) == 0:
		return o.data, true
	case len(filters) > 1 || filters[0] != "FlateDecode" || d["DecodeParms"] != nil:
		return nil, false
	}
	r, err := zlib.NewReader(bytes.NewReader(o.data))
	if err != nil {
		return nil, false
	}
	defer r.Close()
	budget := maxInflated - f.inflated
	b, err := io.ReadAll(io.LimitReader(r, int64(budget)+1))
	f.inflated += len(b)
	if len(b) > budget {
		f.full = true
		return nil, false
	}
	return b, err == nil || len(b) > 0
}

// filters are the filters of a stream, by their names.
func (f *file) filters(d dict) []name {
	switch v := f.resolve(d["Filter"]).(type) {
	case name:
		return []name{v}
	case []any:
		var out []name
		for _, x := range v {
			if n, ok := f.resolve(x).(name); ok {
				out = append(out, n)
			}
		}
		return out
	}
	return nil
}

// resolve follows references, not for ever.
func (f *file) resolve(v any) any {
	for range 16 {
		r, ok := v.(ref)
		if !ok {
			return v
		}
		o := f.objects[r]
		if o == nil {
			return nil
		}
		v = o.value
	}
	return nil
}

func (f *file) dict(v any) dict {
	d, _ := f.resolve(v).(dict)
	return d
}
