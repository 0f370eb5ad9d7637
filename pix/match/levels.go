package match

import (
	"slices"
	"strings"
)

// familyLevel compares birth names first, then across: hospitals know people by the one or the other.
func familyLevel(a, b *Prepared) Level {
	x, y := &a.birth, &b.birth
	switch {
	case x.text == "" && a.usual.text == "", y.text == "" && b.usual.text == "":
		return Missing
	case x.text != "" && x.text == y.text:
		return Same
	case crossed(a, b) != "":
		return Crossed
	case x.text == "" || y.text == "":
		x, y = either(x, &a.usual), either(y, &b.usual)
	}
	return nameLevel(x, y)
}

// crossed gives the name that is a birth name here and a usual name there, or the usual name of both where one does not tell the birth name.
func crossed(a, b *Prepared) string {
	switch {
	case sameNames(a.usual.text, b.birth.text):
		return a.usual.text
	case sameNames(a.birth.text, b.usual.text):
		return a.birth.text
	case (a.birth.text == "" || b.birth.text == "") && sameNames(a.usual.text, b.usual.text):
		return a.usual.text
	}
	return ""
}

func sameNames(a, b string) bool { return a != "" && a == b }

func either(a, b *name) *name {
	if a.text != "" {
		return a
	}
	return b
}

func nameLevel(x, y *name) Level {
	switch {
	case x.core == y.core:
		return Variant
	case partOf(x, y) || partOf(y, x):
		return Part
	case near(x.text, y.text) || near(x.core, y.core):
		return Close
	case len(x.sound) > 1 && x.sound == y.sound:
		return Sounds
	}
	return Different
}

// partOf tells whether x is one of the names of the compound y, or its beginning because a field was too short.
func partOf(x, y *name) bool {
	if len(x.core) < 3 || len(x.core) >= len(y.core) {
		return false
	}
	if len(y.parts) > 1 && slices.Contains(y.parts, x.core) {
		return true
	}
	return len(x.text) >= 6 && len(y.text)-len(x.text) > 2 && strings.HasPrefix(y.text, x.text)
}

// givenLevel compares the first given names.
func givenLevel(a, b *Prepared) Level {
	if len(a.given) == 0 || len(b.given) == 0 {
		return Missing
	}
	x, y := &a.given[0], &b.given[0]
	switch {
	case x.text == y.text && (a.half && len(b.words) == 1 || b.half && len(a.words) == 1):
		return Part // JEAN PAUL may be one name written as two; JEAN is then somebody else's
	case x.text == y.text, compound(x, b), compound(y, a):
		return Same
	case x.parts[0] == y.parts[0] && len(x.parts) != len(y.parts):
		return Part
	case sameNames(a.used, y.text), sameNames(x.text, b.used), sameNames(a.used, b.used), later(x, b), later(y, a):
		return Reordered
	case initials(a, y) || initials(b, x):
		return Initials
	}
	switch l := nameLevel(x, y); {
	case (l == Close || l == Sounds || l == Part) && a.knownGiven && b.knownGiven:
		return Rival
	default:
		return l
	}
}

// compound tells whether the compound given name x is spelt as two names in p: Jean-Pierre and Jean, Pierre.
func compound(x *name, p *Prepared) bool {
	return len(x.parts) > 1 && len(p.given[0].parts) == 1 && len(p.words) >= len(x.parts) && slices.Equal(p.words[:len(x.parts)], x.parts)
}

func later(x *name, p *Prepared) bool {
	for i := 1; i < len(p.given); i++ {
		if p.given[i].text == x.text {
			return true
		}
	}
	return false
}

// initials tells whether p gives nothing but initials for the given name y: J, or JP or J P for Jean-Pierre.
func initials(p *Prepared, y *name) bool {
	x := &p.given[0]
	if len(y.text) <= len(y.parts) {
		return false
	}
	if len(x.text) == 1 {
		return x.text[0] == y.text[0]
	}
	if len(x.text) != len(y.parts) || len(x.parts) != 1 && len(x.parts) != len(y.parts) {
		return false
	}
	for i, w := range y.parts {
		if x.text[i] != w[0] {
			return false
		}
	}
	return true
}

// othersLevel compares the given names behind the first.
func othersLevel(a, b *Prepared) Level {
	x, y := others(a, b), others(b, a)
	if len(x) == 0 || len(y) == 0 {
		return Missing
	}
	shared := 0
	for _, w := range x {
		if slices.Contains(y, w) {
			shared++
		}
	}
	for _, w := range y { // a name said twice must not make the order matter
		if slices.Contains(x, w) {
			shared++
		}
	}
	switch {
	case shared == 0:
		return Different
	case shared == len(x)+len(y), slices.Equal(x[:min(len(x), len(y))], y[:min(len(x), len(y))]):
		return Same
	}
	return Some
}

// others are the words of the given names behind the first, where the first is a compound as soon as it is, or may be, one in either record.
func others(p, q *Prepared) []string {
	if len(p.given) == 0 {
		return nil
	}
	first := len(p.given[0].parts)
	if p.half {
		first = 2
	}
	if len(q.given) > 0 && compound(&q.given[0], p) {
		first = len(q.given[0].parts)
	}
	return p.words[first:]
}

// swapped tells whether family and given name changed places in one of the records.
func swapped(a, b *Prepared) bool {
	if len(a.given) == 0 || len(b.given) == 0 {
		return false
	}
	return (begins(b, &a.birth) || begins(b, &a.usual)) && (begins(a, &b.birth) || begins(a, &b.usual))
}

// begins tells whether the given names of p begin with a family name, be it of several words.
func begins(p *Prepared, n *name) bool {
	joined := ""
	for _, w := range p.words[:min(len(p.words), 4)] {
		joined += w
		if sameNames(n.text, joined) || sameNames(n.core, joined) {
			return true
		}
	}
	return false
}

func sexLevel(a, b byte) Level {
	switch {
	case a == 0 || b == 0:
		return Missing
	case a == b:
		return Same
	}
	return Different
}

// placeLevel compares INSEE codes. Codes change: a commune is split or merged, a department founded, a country becomes independent.
func placeLevel(a, b string) Level {
	switch {
	case len(a) < 2 || len(b) < 2:
		return Missing
	case a == b:
		return Same
	case today(a) == today(b):
		return Equivalent
	case department(a) == department(b) && (department(a) != "99" || vague(a) || vague(b)), once(a, b), once(b, a):
		return Area
	}
	return Different
}

// vague tells the codes of those born abroad where the country is not said.
func vague(code string) bool { return code == "99" || code == "99000" || code == "99999" }

// today gives the commune of an arrondissement of Paris, Lyon or Marseille.
func today(code string) string {
	for _, c := range []struct{ first, last, commune string }{{"75101", "75120", "75056"}, {"69381", "69389", "69123"}, {"13201", "13216", "13055"}} {
		if len(code) == 5 && c.first <= code && code <= c.last {
			return c.commune
		}
	}
	return code
}

// department is that of a commune or postal code: three characters overseas, 99 abroad.
func department(code string) string {
	if len(code) >= 3 && (code[:2] == "97" || code[:2] == "98") {
		return code[:3]
	}
	return code[:2]
}

// founded are departments and countries by what they were part of when those now old were born: Seine, Seine-et-Oise, Corsica, the departments of Algeria, and
// communities overseas that changed their numbers.
var founded = map[string][]string{
	"75": {"92", "93", "94"}, "78": {"91", "92", "93", "94", "95"}, "20": {"2A", "2B"}, "99352": {"91", "92", "93", "94"}, "985": {"976"}, "97": {"971", "972", "973", "974"},
}

// once tells whether the place of code b lay in that of code a.
func once(a, b string) bool {
	return slices.Contains(founded[a], department(b)) || slices.Contains(founded[department(a)], department(b))
}

// residenceLevel compares postal codes, and cities where one is missing. People move: it says little against.
func residenceLevel(a, b *Prepared) Level {
	if len(a.postal) < 2 || len(b.postal) < 2 {
		switch {
		case a.city == "" || b.city == "":
			return Missing
		case a.city == b.city:
			return Same
		}
		return Different
	}
	switch {
	case a.postal == b.postal:
		return Same
	case department(a.postal) == department(b.postal):
		return Area
	}
	return Different
}

// contactLevel compares telephone numbers and mail addresses. One household may share them.
func contactLevel(a, b *Prepared) Level {
	compared := false
	for _, list := range [][2][]string{{a.phones, b.phones}, {a.mails, b.mails}} {
		for _, s := range list[0] {
			if slices.Contains(list[1], s) {
				return Same
			}
		}
		compared = compared || len(list[0]) > 0 && len(list[1]) > 0
	}
	if !compared {
		return Missing
	}
	return Different
}
