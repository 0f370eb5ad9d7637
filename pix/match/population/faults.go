package population

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/passerelle-sante/passerelle/pix/match"
)

// Faults are what goes wrong with a record, and in how many of a thousand.
type Faults map[string]int

// Usual are faults as a hospital that does not verify identities makes them.
var Usual = Faults{
	"capitals without accents": 500, "hyphens as spaces": 150, "spaces left out": 20, "particle left out": 100,
	"first given name only": 550, "given names in one string": 100, "no birth name": 120, "no usual name": 350, "usual name as birth name": 60, "spouse in one field": 10,
	"family name typo": 20, "given name typo": 20, "family name misheard": 8, "long name cut": 10, "compound cut": 60, "initials": 40, "names swapped": 4,
	"second given name": 8, "other given name": 4, "goes by the second": 500,
	"day and month swapped": 4, "digit of the date": 8, "first of January": 8, "only the year": 3, "no date": 3, "other date": 2,
	"no sex": 10, "other sex": 3, "no place": 100, "place of another code": 20, "other place": 6,
	"moved": 150, "no address": 80, "no telephone": 300, "other telephone": 180, "no mail": 650, "other mail": 100, "birth order told": 100,
}

// scribe writes records.
type scribe struct {
	rng    *rand.Rand
	faults Faults
}

func (s *scribe) hits(fault string) bool { return s.rng.IntN(1000) < s.faults[fault] }

// write makes a record of a person.
func (s *scribe) write(p *person) match.Record {
	r := match.Record{BirthName: p.birthName, UsualName: p.usualName, Given: slices.Clone(p.given), Sex: string(p.sex), BirthPlace: p.place, PostalCode: p.postal, City: p.city}
	r.BirthDate = s.date(p)
	s.givenFaults(p, &r)
	s.familyFaults(&r)
	s.placeFaults(p, &r)
	if !s.hits("no telephone") {
		r.Phones = []string{p.phone}
		if s.hits("other telephone") {
			r.Phones[0] = fmt.Sprintf("0%d%08d", 1+s.rng.IntN(7), s.rng.IntN(100_000_000))
		}
	}
	if !s.hits("no mail") {
		r.Mails = []string{p.mail}
		if s.hits("other mail") {
			r.Mails[0] = fmt.Sprintf("x%d@courriel.example", s.rng.IntN(10_000_000))
		}
	}
	if s.hits("birth order told") {
		r.BirthOrder = p.order
	}
	switch {
	case s.hits("no sex"):
		r.Sex = ""
	case s.hits("other sex"):
		r.Sex = map[string]string{"M": "F", "F": "M"}[r.Sex]
	}
	s.spell(&r)
	return r
}

func (s *scribe) date(p *person) string {
	y, m, d := p.year, p.month, p.day
	switch {
	case p.placeless || s.hits("first of January"):
		m, d = 1, 1
	case s.hits("only the year"):
		m, d = 0, 0
	case s.hits("day and month swapped") && d <= 12:
		m, d = d, m
	case s.hits("other date"):
		y += s.rng.IntN(7) - 3
		m, d = monthDay(s.rng, y)
	case s.hits("no date"):
		return ""
	}
	text := []byte(fmt.Sprintf("%04d%02d%02d", y, m, d))
	if s.hits("digit of the date") {
		i := []int{2, 3, 5, 7}[s.rng.IntN(4)]
		text[i] = '0' + (text[i]-'0'+byte(1+s.rng.IntN(9)))%10
	}
	return string(text)
}

func (s *scribe) givenFaults(p *person, r *match.Record) {
	if p.usesSecond && s.hits("goes by the second") {
		r.Given = r.Given[1:2]
	}
	if len(r.Given) > 1 && s.hits("second given name") {
		r.Given = r.Given[1:]
	}
	if s.hits("first given name only") {
		r.Given = r.Given[:1]
	}
	first := &r.Given[0]
	if parts := strings.Split(*first, "-"); len(parts) == 2 {
		switch {
		case s.hits("compound cut"):
			*first = parts[0]
		case s.hits("initials"):
			*first = parts[0][:1] + parts[1][:1]
		}
	}
	switch {
	case s.hits("given name typo"):
		*first = s.typo(*first)
	case s.hits("other given name"):
		*first = rareGiven(s.rng)
	}
	if s.hits("given names in one string") {
		r.Given = []string{strings.Join(r.Given, " ")}
	}
}

func (s *scribe) familyFaults(r *match.Record) {
	switch {
	case s.hits("family name typo"):
		r.BirthName = s.typo(r.BirthName)
	case s.hits("family name misheard"):
		r.BirthName = misheard(s.rng, r.BirthName)
	case s.hits("long name cut"):
		if cut := []rune(r.BirthName); len(cut) > 10 {
			r.BirthName = string(cut[:10])
		}
	}
	if r.UsualName != "" {
		switch {
		case s.hits("no birth name"):
			r.BirthName = ""
		case s.hits("usual name as birth name"):
			r.BirthName, r.UsualName = r.UsualName, ""
		case s.hits("no usual name"):
			r.UsualName = ""
		case s.hits("spouse in one field"):
			r.BirthName, r.UsualName = r.BirthName+" épouse "+r.UsualName, ""
		}
	}
	if s.hits("names swapped") && r.BirthName != "" {
		r.BirthName, r.Given[0] = r.Given[0], r.BirthName
	}
}

func (s *scribe) placeFaults(p *person, r *match.Record) {
	switch {
	case s.hits("no place"):
		r.BirthPlace = ""
	case s.hits("place of another code"):
		switch {
		case p.place[:2] == "75":
			r.BirthPlace = "75056"
		case p.place[:2] == "99":
			r.BirthPlace = "99999"
		default:
			r.BirthPlace = p.place[:2] + fmt.Sprintf("%03d", 1+s.rng.IntN(480))
		}
	case s.hits("other place"):
		r.BirthPlace = towns[s.rng.IntN(len(towns))]
	}
	switch {
	case s.hits("no address"):
		r.PostalCode, r.City = "", ""
	case s.hits("moved"):
		w := world{rng: s.rng}
		r.PostalCode, r.City = w.home()
	}
}

// typo changes a letter, leaves one out, doubles one or changes two neighbours.
func (s *scribe) typo(name string) string {
	b := []rune(name)
	i := s.rng.IntN(len(b))
	switch s.rng.IntN(4) {
	case 0:
		b[i] = rune('a' + s.rng.IntN(26))
	case 1:
		if len(b) > 2 {
			b = slices.Delete(b, i, i+1)
		}
	case 2:
		b = slices.Insert(b, i, b[i])
	default:
		if i+1 < len(b) {
			b[i], b[i+1] = b[i+1], b[i]
		}
	}
	return string(b)
}

var spoken = []string{"eau", "ot", "au", "o", "ier", "ié", "ph", "f", "th", "t", "ain", "in", "que", "c", "y", "i", "rd", "rt", "ill", "y", "ç", "ss", "an", "en"}

// misheard writes a name as it might be spelt by ear.
func misheard(rng *rand.Rand, name string) string {
	at := rng.IntN(len(spoken)/2) * 2
	for k := range len(spoken) / 2 {
		i := (at + 2*k) % len(spoken)
		if strings.Contains(name, spoken[i]) {
			return strings.Replace(name, spoken[i], spoken[i+1], 1)
		}
	}
	return name
}

// spell is the manner of the system that wrote the record.
func (s *scribe) spell(r *match.Record) {
	if s.hits("particle left out") {
		for _, p := range []string{"De La ", "De ", "Du ", "Des ", "D'", "Le ", "L'"} {
			if rest, ok := strings.CutPrefix(r.BirthName, p); ok {
				r.BirthName = rest
				break
			}
		}
	}
	var change []string
	if s.hits("hyphens as spaces") {
		change = append(change, "-", " ", "'", " ")
	}
	if s.hits("spaces left out") {
		change = append(change, " ", "")
	}
	replace := strings.NewReplacer(change...)
	capitals := s.hits("capitals without accents")
	each := func(text *string) {
		*text = replace.Replace(*text)
		if capitals {
			*text = plain(*text)
		}
	}
	each(&r.BirthName)
	each(&r.UsualName)
	each(&r.City)
	for i := range r.Given {
		each(&r.Given[i])
	}
}

var accents = strings.NewReplacer("é", "e", "è", "e", "ê", "e", "ë", "e", "à", "a", "â", "a", "ç", "c", "î", "i", "ï", "i", "ô", "o", "ö", "o", "û", "u", "ü", "u", "É", "E", "È", "E")

func plain(s string) string { return strings.ToUpper(accents.Replace(s)) }
