package extract

import (
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// unit is a unit of UCUM taken apart: a factor and powers of base units. Amounts of substance, international units and other arbitrary units
// are bases of their own: no factor leads from them to a mass, though UCUM counts them as numbers.
type unit struct {
	factor *big.Rat
	powers map[string]int
}

// atoms are the units of UCUM that laboratories use, in base units of metre, gram, second, mole and kelvin. Every factor is exact.
var atoms = map[string]struct {
	factor string
	bases  string // base and power, space between
	metric bool
}{
	"m": {"1", "m", true}, "g": {"1", "g", true}, "s": {"1", "s", true}, "mol": {"1", "mol", true}, "K": {"1", "K", true},
	"L": {"1/1000", "m3", true}, "l": {"1/1000", "m3", true}, "min": {"60", "s", false}, "h": {"3600", "s", false}, "d": {"86400", "s", false},
	"wk":  {"604800", "s", false},
	"kat": {"1", "mol s-1", true}, "U": {"1/60000000", "mol s-1", true}, "eq": {"1", "eq", true}, "osm": {"1", "osm", true},
	"Pa": {"1000", "g m-1 s-2", true}, "bar": {"100000000", "g m-1 s-2", true}, "m[Hg]": {"133322000", "g m-1 s-2", true},
	"N": {"1000", "g m s-2", true}, "J": {"1000", "g m2 s-2", true}, "Hz": {"1", "s-1", true}, "%": {"1/100", "", false},
}

var prefixes = map[string]int{"T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "da": 1,
	"d": -1, "c": -2, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15, "a": -18}

const maxUnit, maxPower = 64, 30

// parseUnit reads a unit. ok is false when it is not UCUM or holds an atom that is not known here.
func parseUnit(s string) (unit, bool) {
	u := unit{big.NewRat(1, 1), map[string]int{}}
	if s == "" || s == "1" {
		return u, true
	}
	if len(s) > maxUnit {
		return u, false
	}
	sign := 1
	if s[0] == '/' {
		sign, s = -1, s[1:]
	}
	for {
		end := termEnd(s)
		if !u.times(s[:end], sign) {
			return u, false
		}
		if end == len(s) {
			return u, true
		}
		if sign = 1; s[end] == '/' {
			sign = -1
		}
		s = s[end+1:]
	}
}

// termEnd is where the first factor of s ends: at the next / or . outside braces and brackets.
func termEnd(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '/', '.':
			if depth == 0 {
				return i
			}
		}
	}
	return len(s)
}

// times multiplies by a factor or, with sign -1, divides by it.
func (u *unit) times(term string, sign int) bool {
	if i := strings.IndexByte(term, '{'); i >= 0 {
		if !strings.HasSuffix(term, "}") || strings.Count(term, "{") != 1 {
			return false
		}
		if term = term[:i]; term == "" {
			return true // an annotation alone counts pieces
		}
	}
	if rest, ok := strings.CutPrefix(strings.Replace(term, "^", "*", 1), "10*"); ok {
		n, err := strconv.Atoi(rest)
		return err == nil && u.scale("10", n*sign)
	}
	symbol, power := term, 1
	if i := strings.LastIndexFunc(term, func(c rune) bool { return (c < '0' || c > '9') && c != '-' && c != '+' }); i < len(term)-1 {
		if i < 0 {
			n, err := strconv.Atoi(term)
			return err == nil && n > 0 && n < 1e6 && u.scale(term, sign)
		}
		n, err := strconv.Atoi(term[i+1:])
		if err != nil {
			return false
		}
		symbol, power = term[:i+1], n
	}
	return u.atom(symbol, power*sign)
}

func (u *unit) scale(factor string, power int) bool {
	f, ok := new(big.Rat).SetString(factor)
	if !ok || power < -maxPower || power > maxPower {
		return false
	}
	if power < 0 {
		f, power = f.Inv(f), -power
	}
	for range power {
		u.factor.Mul(u.factor, f)
	}
	return true
}

// atom multiplies by a power of a unit, with its prefix when it takes one.
func (u *unit) atom(symbol string, power int) bool {
	if power < -maxPower || power > maxPower {
		return false
	}
	if a, ok := atoms[symbol]; ok {
		return u.scale(a.factor, power) && u.bases(a.bases, power)
	}
	if symbol == "" {
		return false
	}
	if symbol[0] == '[' && strings.IndexByte(symbol, ']') == len(symbol)-1 {
		u.powers[symbol] += power
		return true
	}
	for n := 2; n > 0; n-- {
		if len(symbol) <= n {
			continue
		}
		exponent, ok := prefixes[symbol[:n]]
		if !ok {
			continue
		}
		a, known := atoms[symbol[n:]]
		if known && a.metric || symbol[n] == '[' {
			return u.scale("10", exponent*power) && u.atom(symbol[n:], power)
		}
	}
	return false
}

func (u *unit) bases(list string, power int) bool {
	for b := range strings.FieldsSeq(list) {
		i := strings.IndexAny(b, "-0123456789")
		n := 1
		if i >= 0 {
			n, _ = strconv.Atoi(b[i:])
			b = b[:i]
		}
		u.powers[b] += n * power
	}
	return true
}

// dimension names what a unit measures: two units convert into each other when it is the same.
func (u *unit) dimension() string {
	var w []string
	for b, n := range u.powers {
		if n != 0 {
			w = append(w, b+strconv.Itoa(n))
		}
	}
	slices.Sort(w)
	return strings.Join(w, ".")
}

// Convert writes an exact literal of one UCUM unit in another. ok is false when a unit is not known, the two measure different things (a mass is
// not an amount of substance), or the literal is no decimal number.
func Convert(literal, from, to string) (value *big.Rat, ok bool) {
	v, ok := number(literal)
	if !ok || from == to {
		return v, ok
	}
	a, okA := parseUnit(from)
	b, okB := parseUnit(to)
	if !okA || !okB || a.dimension() != b.dimension() {
		return nil, false
	}
	return v.Mul(v, a.factor.Quo(a.factor, b.factor)), true
}

// number reads a decimal literal of at most 40 digits.
func number(s string) (*big.Rat, bool) {
	digits := strings.TrimLeft(s, "+-")
	if len(s)-len(digits) > 1 || len(digits) > 40 || digits == "" || digits[0] == '.' ||
		strings.Trim(digits, "0123456789.") != "" || strings.Count(digits, ".") > 1 {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}
