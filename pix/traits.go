package pix

import (
	"slices"
	"strings"

	"github.com/passerelle-sante/passerelle/hl7"
)

// Traits are what tells one person from another. The first five are the strict traits that come with a national identifier; each may be
// empty. Names are as written, see Fold.
type Traits struct {
	BirthName  string
	GivenNames []string // of birth, in their order; the first one may hold several words
	BirthDate  string   // YYYY[MM[DD]]
	Sex        string   // M or F, or another letter of table 0001
	BirthPlace string   // code of the place: INSEE's in France

	UsualName, UsualGiven string
}

// FirstGiven is the first given name of birth.
func (t *Traits) FirstGiven() string {
	if len(t.GivenNames) == 0 {
		return ""
	}
	return t.GivenNames[0]
}

// Name types of table 0200 that may be a birth name and a usual one, the best first. French senders call the birth name legal (L) and the usual one
// displayed (D).
var (
	birthTypes = []string{"B", "M", "L", ""}
	usualTypes = []string{"D", "N"}
)

// Address type and component of the place of birth: BDL of table 0190, XAD.9.
const (
	addressOfBirth   = "BDL"
	componentOfType  = 7
	componentOfPlace = 9
)

// Traits reads the traits out of the demographics.
func (d *Demographics) Traits() Traits {
	t := Traits{Sex: d.Sex, BirthDate: d.BirthDate[:min(len(d.BirthDate), 8)]}
	if birth, ok := nameOf(d.Names, birthTypes); ok {
		t.BirthName, t.GivenNames = family(birth), givens(birth)
	} else if len(d.Names) > 0 && !slices.Contains(usualTypes, d.Names[0].Component(7)) {
		t.BirthName, t.GivenNames = family(d.Names[0]), givens(d.Names[0])
	}
	if usual, ok := nameOf(d.Names, usualTypes); ok {
		t.UsualName, t.UsualGiven = family(usual), plain(usual.Component(2))
	}
	for _, a := range d.Addresses {
		x := hl7.XPN(a) // any list of components
		if x.Component(componentOfType) == addressOfBirth && x.Component(componentOfPlace) != "" {
			t.BirthPlace = plain(x.Component(componentOfPlace))
		}
	}
	return t
}

func nameOf(names []hl7.XPN, types []string) (hl7.XPN, bool) {
	for _, kind := range types {
		for _, n := range names {
			if n.Component(7) == kind {
				return n, true
			}
		}
	}
	return "", false
}

// family is XPN.1 without the sub-components that take it apart.
func family(n hl7.XPN) string {
	own, _, _ := strings.Cut(n.Component(1), "&")
	return plain(own)
}

// givens reads XPN.2 and XPN.3. The third component holds further names, or with French senders the whole list, the first one included.
func givens(n hl7.XPN) []string {
	first := plain(n.Component(2))
	list := strings.FieldsFunc(plain(n.Component(3)), func(r rune) bool { return r == ' ' || r == ',' })
	switch {
	case first == "":
		return list
	case len(list) > 0 && strings.EqualFold(list[0], first):
		return list
	}
	return append([]string{first}, list...)
}

var escapes = strings.NewReplacer(`\F\`, "|", `\S\`, "^", `\T\`, "&", `\R\`, "~", `\E\`, `\`)

// plain undoes the escapes of the standard delimiters.
func plain(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	return escapes.Replace(s)
}

// letters are the Latin letters with signs, without them.
var letters = func() map[rune]string {
	m := map[rune]string{'Æ': "AE", 'æ': "AE", 'Œ': "OE", 'œ': "OE", 'ß': "SS", 'ẞ': "SS", 'Ø': "O", 'ø': "O", 'Ł': "L", 'ł': "L", 'Đ': "D", 'đ': "D"}
	for plain, signed := range map[string]string{"A": "ÀÁÂÃÄÅàáâãäåĀāĂăĄą", "C": "ÇçĆćČč", "D": "Ďď", "E": "ÈÉÊËèéêëĒēĖėĘęĚě", "G": "Ğğ", "I": "ÌÍÎÏìíîïĪīİı", "N": "ÑñŃńŇň",
		"O": "ÒÓÔÕÖòóôõöŌōŐő", "R": "Řř", "S": "ŚśŠšŞşȘș", "T": "ŤťŢţȚț", "U": "ÙÚÛÜùúûüŪūŮůŰű", "Y": "ÝýÿŸ", "Z": "ŹźŻżŽž"} {
		for _, r := range signed {
			m[r] = plain
		}
	}
	return m
}()

// Fold writes a name so that spellings of it are equal: capital letters without signs, one space for whatever separates words.
func Fold(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	space := false
	put := func(text string) {
		if space && b.Len() > 0 {
			b.WriteByte(' ')
		}
		space = false
		b.WriteString(text)
	}
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z':
			put(string(r - 'a' + 'A'))
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			put(string(r))
		case letters[r] != "":
			put(letters[r])
		case r >= 0x300 && r <= 0x36F: // a sign apart from its letter
		case r > 0x24F:
			put(strings.ToUpper(string(r)))
		default:
			space = true
		}
	}
	return b.String()
}

// Contradicts tells what of two persons' strict traits cannot be of one: the name of the trait, empty when nothing does. What one side does
// not know contradicts nothing.
func (t *Traits) Contradicts(u *Traits) string {
	differ := func(a, b string) bool { return a != "" && b != "" && a != b }
	sex := func(s string) string {
		if s == "M" || s == "F" {
			return s
		}
		return ""
	}
	n := min(len(t.BirthDate), len(u.BirthDate))
	switch {
	case differ(t.BirthDate[:n], u.BirthDate[:n]):
		return "birth date"
	case differ(sex(t.Sex), sex(u.Sex)):
		return "sex"
	case differ(Fold(t.BirthName), Fold(u.BirthName)):
		return "birth name"
	case differ(t.BirthPlace, u.BirthPlace):
		return "birth place"
	case differ(firstWord(t.FirstGiven()), firstWord(u.FirstGiven())):
		return "first given name" // often all that tells twins apart
	}
	return ""
}

// firstWord is what two spellings of a composed given name have in common: JEAN of Jean-Pierre.
func firstWord(s string) string {
	word, _, _ := strings.Cut(Fold(s), " ")
	return word
}
