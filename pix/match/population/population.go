// Package population invents a French population and what hospitals make of it: people with families, twins, homonyms and marriages, and records of them with the faults
// that records have. The same seed gives the same people. Nobody in it exists; the shapes are those of the country, the figures are ours.
package population

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/passerelle-sante/passerelle/pix/match"
)

// Config says how many and which.
type Config struct {
	Seed       uint64
	Records    int
	Duplicates float64 // share of the records that are of a person who has one already
	Faults     Faults  // zero takes Usual
}

// person is the truth about somebody.
type person struct {
	id                    int
	birthName, usualName  string
	given                 []string
	sex                   byte
	year, month, day      int
	order                 int // in a multiple birth
	place, postal, city   string
	phone, mail           string
	usesSecond, placeless bool // goes by the second given name; born where days are not written down
}

// world is what the making of people remembers.
type world struct {
	rng    *rand.Rand
	next   int
	recent [512]person // whom homonyms are taken from
	seen   int
}

// now is the year in which everybody lives: the seed decides all, the clock nothing.
const now = 2026

// All gives records, each with the number of the person it is of. A person's records do not follow one another at any distance: that is for the store.
func All(cfg Config) iter.Seq2[int, match.Record] {
	return func(yield func(int, match.Record) bool) {
		w := &world{rng: rand.New(rand.NewPCG(cfg.Seed, 0x706f70))}
		faults := cfg.Faults
		if faults == nil {
			faults = Usual
		}
		scribe := scribe{rng: rand.New(rand.NewPCG(cfg.Seed, 0x736372)), faults: faults}
		again := cfg.Duplicates / (1 - cfg.Duplicates)
		for n := 0; n < cfg.Records; {
			for _, p := range w.household() {
				for copies := 1; copies > 0 && n < cfg.Records; copies-- {
					if !yield(p.id, scribe.write(&p)) {
						return
					}
					n++
					for copies == 1 && scribe.rng.Float64() < again/(1+again) {
						copies++
					}
				}
			}
		}
	}
}

// household makes a family of one or two parents and their children, some of whom have left.
func (w *world) household() []person {
	rng := w.rng
	born := 1928 + rng.IntN(80)
	he, she := w.adult('M', born), w.adult('F', born+rng.IntN(9)-3)
	name := he.birthName
	postal, city := w.home()
	married := rng.Float64() < .6
	if married {
		she.usualName = he.birthName
		if rng.IntN(10) == 0 {
			she.usualName = she.birthName + "-" + he.birthName
		}
	}
	she.postal, she.city, he.postal, he.city = postal, city, postal, city
	var all []person
	switch rng.IntN(6) {
	case 0:
		all = []person{he}
	case 1:
		all = []person{she}
	default:
		all = []person{he, she}
	}
	if rng.IntN(12) == 0 {
		name = he.birthName + "-" + she.birthName
	}
	at := she.year + 19
	var taken []string // by brothers and sisters: no parents give one name twice
	for range rng.IntN(4) {
		if at += 1 + rng.IntN(9); at >= now {
			break
		}
		all = append(all, w.children(name, &he, &she, at, &taken)...)
	}
	if rng.IntN(250) == 0 && w.seen > len(w.recent) {
		all = append(all, w.homonym())
	}
	for i := range all {
		all[i].id = w.next
		w.next++
		w.recent[w.seen%len(w.recent)] = all[i]
		w.seen++
	}
	return all
}

func (w *world) adult(sex byte, year int) person {
	rng := w.rng
	p := person{sex: sex, year: year, birthName: familyName(drawFamily(rng)), place: w.birthPlace()}
	p.month, p.day = monthDay(rng, year)
	p.given = w.givenList(sex, year)
	p.phone, p.mail = w.phone(), w.mail(&p)
	p.usesSecond = len(p.given) > 1 && rng.IntN(40) == 0
	p.placeless = p.place[:2] == "99" && rng.IntN(12) == 0
	return p
}

// children are one child, or twins in sixteen births of a thousand.
func (w *world) children(name string, he, she *person, year int, taken *[]string) []person {
	rng := w.rng
	c := person{birthName: name, year: year, place: w.placeNear(she.postal), postal: she.postal, city: she.city, phone: she.phone, mail: she.mail}
	c.month, c.day = monthDay(rng, year)
	n := 1
	if rng.IntN(1000) < 16 {
		n = 2
	}
	list := []person{c, c}[:n]
	for i := range list {
		t := &list[i]
		t.sex = "MF"[rng.IntN(2)]
		if i == 1 && rng.IntN(3) > 0 {
			t.sex = list[0].sex
		}
		t.given = w.givenList(t.sex, year)
		if n == 2 {
			t.order = i + 1
		}
	}
	if n == 2 && rng.IntN(8) == 0 {
		k := rng.IntN(len(siblings)/2) * 2
		list[0].given[0], list[1].given[0] = siblings[k], siblings[k+1]
	}
	if n == 1 && rng.IntN(40) == 0 {
		list[0].given[0] = map[byte]*person{'M': he, 'F': she}[list[0].sex].given[0]
	}
	for i := range list {
		t := &list[i]
		for slices.ContainsFunc(*taken, func(g string) bool { return alike(g, t.given[0]) }) {
			t.given[0] = rareGiven(rng)
		}
		t.given = append(t.given[:1], slices.DeleteFunc(t.given[1:], func(g string) bool { return g == t.given[0] || slices.Contains(*taken, g) })...)
		*taken = append(*taken, t.given[0])
	}
	if n == 2 { // nor is one twin called what the other is
		list[0].given = append(list[0].given[:1], slices.DeleteFunc(list[0].given[1:], func(g string) bool { return g == list[1].given[0] })...)
	}
	if now-year > 20 {
		for i := range list {
			w.leave(&list[i])
		}
	}
	return list
}

// alike tells names that no parents give to two children: the same, or Jean and Jean-Paul.
func alike(a, b string) bool {
	return a == b || strings.HasPrefix(a, b+"-") || strings.HasPrefix(b, a+"-")
}

// leave is growing up: an own telephone, often an own place, sometimes a marriage.
func (w *world) leave(p *person) {
	p.phone, p.mail = w.phone(), w.mail(p)
	if w.rng.IntN(4) > 0 {
		p.postal, p.city = w.home()
	}
	if p.sex == 'F' && w.rng.IntN(3) == 0 {
		p.usualName = familyName(drawFamily(w.rng))
	}
}

// homonym is somebody with the names, the sex and the day of birth of another, born elsewhere.
func (w *world) homonym() person {
	other := w.recent[w.rng.IntN(len(w.recent))]
	p := w.adult(other.sex, other.year)
	p.birthName, p.given[0], p.month, p.day = other.birthName, other.given[0], other.month, other.day
	for p.place == other.place {
		p.place = w.birthPlace()
	}
	p.postal, p.city = w.home()
	return p
}

func (w *world) givenList(sex byte, year int) []string {
	list := boys
	if sex == 'F' {
		list = girls
	}
	out := []string{drawGiven(w.rng, list, year)}
	for n := w.rng.IntN(4); n > 0; n-- {
		if g := drawGiven(w.rng, list, year-25-w.rng.IntN(30)); g != out[0] {
			out = append(out, g)
		}
	}
	return out
}

func monthDay(rng *rand.Rand, year int) (month, day int) {
	days := [...]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
	if year%4 == 0 {
		days[1] = 29
	}
	n := rng.IntN(365 + days[1] - 28)
	for month = 0; n >= days[month]; month++ {
		n -= days[month]
	}
	return month + 1, n + 1
}

// towns are where births are; the rest of the communes are numbers of a department.
var towns = strings.Fields(`75114 75112 75120 75113 75119 75115 13055 13205 69383 69384 31555 06088 44109 67482 34172 33063 59350 35238 51454 76351 42218 83137 38185 21231 49007
	30189 72181 13001 29019 87085 37261 80021 66136 57463 25056 45234 76540 68224 14118 54395 93066 97411 97416 97415 97209 97101 97302 92012 94028 93048 2A004 2B033`)
var countries = strings.Fields("99352 99350 99351 99139 99134 99127 99208 99341 99326 99335 99243 99109 99131 99312 99333 99216 99122 99404")
var departments = strings.Fields(`01 02 03 04 05 06 07 08 09 10 11 12 13 14 15 16 17 18 19 21 22 23 24 25 26 27 28 29 2A 2B 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55
	56 57 58 59 60 61 62 63 64 65 66 67 68 69 70 71 72 73 74 75 76 77 78 79 80 81 82 83 84 85 86 87 88 89 90 91 92 93 94 95`)

func (w *world) birthPlace() string {
	rng := w.rng
	switch x := rng.Float64(); {
	case x < .11:
		return countries[min(rng.IntN(len(countries)), rng.IntN(len(countries)))]
	case x < .50:
		return towns[min(rng.IntN(len(towns)), rng.IntN(len(towns)))]
	}
	return departments[rng.IntN(len(departments))] + fmt.Sprintf("%03d", 1+min(rng.IntN(480), rng.IntN(480)))
}

// placeNear is a birth place of the department of a postal code, most often its main towns.
func (w *world) placeNear(postal string) string {
	if w.rng.IntN(5) == 0 {
		return w.birthPlace()
	}
	n := 100 + w.rng.IntN(4)*61
	if w.rng.IntN(4) == 0 {
		n = 1 + w.rng.IntN(480)
	}
	d := postal[:2]
	if d == "20" {
		d = "2A"
	}
	return d + fmt.Sprintf("%03d", n)
}

func (w *world) home() (postal, city string) {
	rng := w.rng
	d := strings.Replace(strings.Replace(departments[min(rng.IntN(96-1), rng.IntN(96-1))], "2A", "20", 1), "2B", "20", 1)
	n := min(rng.IntN(90), rng.IntN(90))
	return d + fmt.Sprintf("%03d", n*10), heads[n%len(heads)] + tails[(n*7+int(d[1]))%len(tails)]
}

func (w *world) phone() string {
	return fmt.Sprintf("0%d%08d", 6+w.rng.IntN(2), w.rng.IntN(100_000_000))
}

func (w *world) mail(p *person) string {
	return fmt.Sprintf("%s.%d@courriel.example", strings.ToLower(match.Normalise(p.given[0])), w.rng.IntN(10_000_000))
}
