package match

import "strings"

// Sound is how a name is pronounced in French, roughly: two spellings of one name give one sound, GAUTHIER and GOTIER, DUPONT and DUPOND. It takes a normalised name.
func Sound(s string) string {
	var b []byte
	s = trimSilent(strings.ReplaceAll(s, " ", ""))
	for i := 0; i < len(s); {
		out, n := spoken(s, i)
		for _, c := range []byte(out) {
			if len(b) == 0 || b[len(b)-1] != c {
				b = append(b, c)
			}
		}
		i += n
	}
	return string(b)
}

// skeleton is a sound without its vowels, but for one in front: what blocking looks up, so that a wrong vowel does not hide a record.
func skeleton(sound string) string {
	b := make([]byte, 0, len(sound))
	for i := range len(sound) {
		switch c := sound[i]; c {
		case 'A', 'E', 'I', 'O', 'U', 'W', 'Y':
			if i == 0 {
				b = append(b, 'A')
			}
		case '1', '2', '3':
			b = append(b, 'N')
		default:
			b = append(b, c)
		}
	}
	return string(b)
}

// trimSilent takes off what is written at the end and not spoken.
func trimSilent(s string) string {
	if strings.HasSuffix(s, "AULT") {
		return s[:len(s)-2]
	}
	for len(s) > 3 && strings.IndexByte("ETDSXPZ", s[len(s)-1]) >= 0 {
		s = s[:len(s)-1]
	}
	return s
}

// graphs are groups of letters and their sounds, longest first for each first letter. before tells which letters must follow: "" any, "V" a vowel, "C" a consonant
// or the end, "E" one of E, I, Y. The sounds 1, 2 and 3 are the nasal vowels of vin, vent and vont; U is that of loup; W that of loi.
var graphs = []struct{ letters, before, sound string }{
	{"EAUX", "", "O"}, {"EAU", "", "O"}, {"EIN", "C", "1"}, {"EIM", "C", "1"}, {"EU", "", "E"}, {"EI", "", "E"}, {"EY", "", "E"}, {"EN", "C", "2"}, {"EM", "C", "2"},
	{"AUX", "", "O"}, {"AIN", "C", "1"}, {"AIM", "C", "1"}, {"AU", "", "O"}, {"AI", "", "E"}, {"AY", "", "E"}, {"AN", "C", "2"}, {"AM", "C", "2"},
	{"AE", "", "E"}, {"OEU", "", "E"}, {"OE", "", "E"}, {"OIN", "C", "W1"}, {"OI", "", "W"}, {"OY", "", "W"}, {"OU", "", "U"}, {"ON", "C", "3"}, {"OM", "C", "3"},
	{"IN", "C", "1"}, {"IM", "C", "1"}, {"YN", "C", "1"}, {"YM", "C", "1"}, {"UN", "C", "1"}, {"UM", "C", "1"},
	{"SCH", "", "H"}, {"SH", "", "H"}, {"SC", "E", "S"}, {"CH", "", "H"}, {"CK", "", "K"}, {"CC", "E", "KS"}, {"C", "E", "S"}, {"C", "", "K"},
	{"QU", "", "K"}, {"Q", "", "K"}, {"PH", "", "F"}, {"TH", "", "T"}, {"GN", "", "N"}, {"GU", "E", "G"}, {"G", "E", "J"}, {"H", "", ""}, {"Y", "", "I"}, {"W", "", "V"},
	{"Z", "", "S"}, {"X", "", "KS"}, {"U", "", "Y"},
}

// spoken gives the sound at i, and how many letters it takes.
func spoken(s string, i int) (sound string, n int) {
	for _, g := range graphs {
		if g.letters[0] == s[i] && strings.HasPrefix(s[i:], g.letters) && followed(s[i+len(g.letters):], g.before) {
			return g.sound, len(g.letters)
		}
	}
	return s[i : i+1], 1
}

func followed(rest, before string) bool {
	switch before {
	case "C":
		// A double N or M ends the nasal: ANNE is spoken with an open vowel.
		return rest == "" || strings.IndexByte("AEIOUYNMH", rest[0]) < 0
	case "E":
		return rest != "" && strings.IndexByte("EIY", rest[0]) >= 0
	}
	return true
}
