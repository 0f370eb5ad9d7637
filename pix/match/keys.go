package match

import (
	"slices"
	"strconv"
)

// maxKeys bounds how many keys a record has.
const maxKeys = 20

// Keys are the blocking keys of a record: two records are worth comparing when they share one. Each kind of key forgives another kind of fault. They are made of
// traits: keep them where the traits are.
func (m *Model) Keys(r Record) []string {
	p := m.Prepare(r)
	var out []string
	p.EachKey(func(key []byte) { out = append(out, string(key)) })
	return out
}

// EachKey calls f with each blocking key of a prepared record, at most 20; the bytes are good until f returns.
func (p *Prepared) EachKey(f func(key []byte)) {
	k := keys{f: f}
	day, year := p.date.key(), p.date.yearKey()
	given, sex := "", ""
	if len(p.given) > 0 {
		given = skeleton(Sound(p.given[0].parts[0]))
	}
	if p.sex != 0 {
		sex = string(p.sex)
	}
	for i, s := range p.familySounds() {
		k.emit('N', s, day) // forgives given name, sex and place
		if i < 2 {
			k.emit('Y', s, given, year)    // forgives month and day
			k.emit('P', s, given, p.place) // forgives the whole date
		}
	}
	k.emit('N', given, day) // a given name where the family name is due; forgives the family name
	if given != "" {
		k.emit('I', day, sex, given[:1], p.place) // forgives both names but for an initial
	}
	for _, s := range p.phones {
		k.emit('C', s, year)
	}
	for _, s := range p.mails {
		k.emit('C', s, year)
	}
}

// keys writes keys of several parts; one without a part is none.
type keys struct {
	f   func([]byte)
	buf [160]byte
	n   int
}

func (k *keys) emit(kind byte, parts ...string) {
	b := append(k.buf[:0], kind)
	for _, s := range parts {
		if s == "" {
			return
		}
		b = append(append(b, '|'), s[:min(len(s), 32)]...)
	}
	if k.n < maxKeys {
		k.n++
		k.f(b)
	}
}

// familySounds are the sounds to look up a person by: birth and usual name first, then the parts of a compound.
func (p *Prepared) familySounds() []string {
	var out []string
	add := func(s string) {
		if s = skeleton(s); len(s) > 1 && !slices.Contains(out, s) && len(out) < 5 {
			out = append(out, s)
		}
	}
	add(p.birth.sound)
	add(p.usual.sound)
	for _, n := range []*name{&p.birth, &p.usual} {
		if len(n.parts) > 1 {
			for _, w := range n.parts {
				add(Sound(w))
			}
		}
	}
	return out
}

// key is the date with day and month in order of size, so that a swap finds its record.
func (d date) key() string {
	if !d.whole() {
		return ""
	}
	return strconv.Itoa(int(d.year)*10000 + int(min(d.month, d.day))*100 + int(max(d.month, d.day)))
}

func (d date) yearKey() string {
	if d.year == 0 {
		return ""
	}
	return strconv.Itoa(int(d.year))
}
