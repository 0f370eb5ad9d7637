package match

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText bounds what is read of one value, in bytes: names are shorter, senders are not to be trusted with our time.
const maxText = 256

// folds are the letters that decomposing does not make plain, and those of Latin-1 and Latin Extended-A that it would: what each is written as in capitals.
var folds = foldTable(
	"A ÀÁÂÃÅĀĂĄǍàáâãåāăąǎ", "A Ää", "C ÇĆĈĊČçćĉċč", "D ĎĐÐďđð", "E ÈÉÊËĒĔĖĘĚèéêëēĕėęě", "G ĜĞĠĢĝğġģ", "H ĤĦĥħ", "I ÌÍÎÏĨĪĬĮİìíîïĩīĭįı", "J Ĵĵ", "K Ķķ", "L ĹĻĽĿŁĺļľŀł",
	"N ÑŃŅŇñńņňŉ", "O ÒÓÔÕØŌŎŐòóôõøōŏő", "O Öö", "R ŔŖŘŕŗř", "S ŚŜŞŠȘśŝşšșſ", "T ŢŤŦȚţťŧț", "U ÙÚÛŨŪŬŮŰŲùúûũūŭůűų", "U Üü", "W Ŵŵ", "Y ÝŶŸýŷÿ", "Z ŹŻŽźżž",
	"OE Œœ", "AE Ææ", "SS ßẞ", "TH Þþ", "IJ Ĳĳ")

func foldTable(rows ...string) map[rune]string {
	t := map[rune]string{}
	for _, row := range rows {
		plain, letters, _ := strings.Cut(row, " ")
		for _, r := range letters {
			t[r] = plain
		}
	}
	return t
}

// Normalise writes a name in capitals A to Z: accents and ligatures resolved, hyphens, apostrophes and all other signs as single spaces, ST and STE in full. Digits and
// letters of other scripts stay. Normalising again changes nothing.
func Normalise(s string) string {
	return strings.Join(words(s), " ")
}

// words are the words of a name, normalised.
func words(s string) []string {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	list := strings.Fields(capitals(s))
	for i, w := range list {
		if long := saints[w]; long != "" {
			list[i] = long
		}
	}
	return list
}

var saints = map[string]string{"ST": "SAINT", "STE": "SAINTE"}

// capitals folds every letter and makes a space of every sign.
func capitals(s string) string {
	b := make([]byte, 0, len(s)+4)
	for _, r := range s {
		switch {
		case 'A' <= r && r <= 'Z' || '0' <= r && r <= '9':
			b = append(b, byte(r))
		case 'a' <= r && r <= 'z':
			b = append(b, byte(r)-'a'+'A')
		case r < utf8.RuneSelf || r == utf8.RuneError:
			b = append(b, ' ')
		case unicode.Is(unicode.Mn, r): // the accent of a decomposed letter
		case folds[r] != "":
			b = append(b, folds[r]...)
		case unicode.IsLetter(r):
			b = utf8.AppendRune(b, unicode.ToUpper(r))
		default:
			b = append(b, ' ')
		}
	}
	return string(b)
}

// particles are what senders drop or join at will.
var particles = []string{"D", "DE", "DU", "DES", "DELA", "LA", "LE", "LES", "L", "VAN", "VON", "DEN", "DER", "DI", "DA", "DOS", "DO", "DEL", "EL", "AL", "BEN"}

// name is a family or a given name made ready.
type name struct {
	text  string   // without spaces: LE GALL and LEGALL are one
	core  string   // text without particles; text when nothing would be left
	sound string   // of core
	parts []string // its words, particles apart
}

func makeName(list []string) name {
	n := name{text: strings.Join(list, "")}
	n.parts = slices.DeleteFunc(slices.Clone(list), func(w string) bool { return slices.Contains(particles, w) })
	if len(n.parts) == 0 {
		n.parts = list
	}
	n.core = n.text
	if len(n.parts) < len(list) {
		n.core = strings.Join(n.parts, "")
	}
	n.sound = Sound(n.core)
	return n
}

// Prepared is a record made ready to be compared and looked up.
type Prepared struct {
	birth, usual name
	given        []name   // the first may be a compound
	words        []string // all given names, word by word
	used         string
	date         date
	order        int
	sex          byte
	place        string
	postal, city string
	phones       []string
	mails        []string

	// What agreement on these values says, in bits before m: -log2 of how frequent they are.
	rareFamily, rareUsual, rareGiven, rarePlace float32
	knownGiven                                  bool
	half                                        bool // the first two given names are a known compound too
}

// Prepare makes a record ready.
func (m *Model) Prepare(r Record) Prepared {
	birth, usual := spokenNames(words(r.BirthName), words(r.UsualName))
	p := Prepared{
		birth: makeName(birth), usual: makeName(usual),
		date: parseDate(r.BirthDate), order: r.BirthOrder,
		place:  strings.ReplaceAll(Normalise(r.BirthPlace), " ", ""),
		postal: strings.ReplaceAll(Normalise(r.PostalCode), " ", ""), city: strings.ReplaceAll(Normalise(r.City), " ", ""),
	}
	switch strings.ToUpper(r.Sex) {
	case "M":
		p.sex = 'M'
	case "F":
		p.sex = 'F'
	}
	p.takeGiven(r.Given)
	if used := words(r.UsedGiven); len(used) > 0 {
		p.used = strings.Join(used, "")
		if len(p.given) == 0 {
			p.takeGiven([]string{r.UsedGiven})
		}
	}
	p.phones = contacts(r.Phones, phone)
	p.mails = contacts(r.Mails, func(s string) string { return strings.ToLower(strings.TrimSpace(s)) })
	m.rate(&p)
	return p
}

// spokenNames takes names apart that were written into one field: MARTIN EPOUSE DURAND, DURAND NEE MARTIN.
func spokenNames(birth, usual []string) (b, u []string) {
	for i, w := range birth {
		if i == 0 || i == len(birth)-1 {
			continue
		}
		switch w {
		case "EPOUSE", "EP", "EPSE", "VEUVE", "VVE":
			return birth[:i], birth[i+1:]
		case "NEE", "NE":
			return birth[i+1:], birth[:i]
		}
	}
	for i, w := range usual {
		if (w == "NEE" || w == "NE") && i > 0 && i < len(usual)-1 {
			if len(birth) == 0 {
				birth = usual[i+1:]
			}
			return birth, usual[:i]
		}
	}
	if slices.Equal(birth, usual) {
		usual = nil
	}
	return birth, usual
}

// maxGiven is how many given names are looked at.
const maxGiven = 8

// takeGiven reads given names. A hyphen makes a compound of two; a space may do so or stand between two names.
func (p *Prepared) takeGiven(list []string) {
	for _, s := range list {
		if len(s) > maxText {
			s = strings.ToValidUTF8(s[:maxText], "")
		}
		for _, field := range strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' || r == ';' || r == '\t' }) {
			w := words(field)
			if len(w) == 0 || len(p.given) == maxGiven {
				continue
			}
			n := name{text: strings.Join(w, ""), parts: w}
			n.core, n.sound = n.text, Sound(n.text)
			p.given = append(p.given, n)
			p.words = append(p.words, w...)
		}
	}
}

const maxContacts = 4

// contacts normalises telephone numbers or mail addresses; those that say nothing are left out.
func contacts(list []string, normal func(string) string) []string {
	var out []string
	for _, s := range list {
		if len(s) > maxText || len(out) == maxContacts {
			continue
		}
		if s = normal(s); len(s) >= 6 && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// phone gives the digits of a number as it is dialled in France: +33 6 and 0033 6 are 06. A number of one repeated digit is a placeholder.
func phone(s string) string {
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		if '0' <= s[i] && s[i] <= '9' {
			b = append(b, s[i])
		}
	}
	d := string(b)
	for _, prefix := range []string{"0033", "33"} {
		if rest, ok := strings.CutPrefix(d, prefix); ok && len(rest) >= 9 {
			d = "0" + strings.TrimPrefix(rest, "0")
		}
	}
	if len(d) < 2 || strings.Count(d[1:], d[1:2]) == len(d)-1 {
		return ""
	}
	return d
}
