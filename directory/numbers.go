package directory

import (
	"errors"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

var (
	errRPPS   = errors.New("not a RPPS number: 11 digits, the last of which is the key")
	errFINESS = errors.New("not a FINESS number: 9 digits, or 2A or 2B and 7 digits, the last of which is the key")
)

// CheckRPPS judges the number of a professional by its form and its key (Luhn).
func CheckRPPS(s string) error {
	if len(s) != 11 || !luhn(s) {
		return errRPPS
	}
	return nil
}

// CheckFINESS judges the number of a structure by its form and its key (Luhn); the letters of Corsica count 1 and 2.
func CheckFINESS(s string) error {
	if len(s) != 9 || !luhn(corsica(s)) {
		return errFINESS
	}
	return nil
}

func corsica(s string) string {
	switch {
	case strings.HasPrefix(s, "2A"):
		return "21" + s[2:]
	case strings.HasPrefix(s, "2B"):
		return "22" + s[2:]
	}
	return s
}

// luhn tells whether a text is of digits whose sum, every second one from the right doubled, is a multiple of ten; a doubled digit counts its own digits.
func luhn(s string) bool {
	sum := 0
	for i := range len(s) {
		d := int(s[len(s)-1-i]) - '0'
		if d < 0 || d > 9 {
			return false
		}
		if i%2 == 1 {
			d = d*2/10 + d*2%10
		}
		sum += d
	}
	return s != "" && sum%10 == 0
}

// The lengths of what is kept, in bytes; a longer one is refused, but for a name by which is looked for.
const (
	maxID     = 64
	maxText   = 512
	maxFolded = 40
)

// folded is a name as it is looked for: capitals without accents, words and nothing else.
func folded(name string) string {
	var b strings.Builder
	space := false
	for _, c := range norm.NFD.String(name) {
		switch {
		case unicode.IsLetter(c) || unicode.IsDigit(c):
			if space && b.Len() > 0 {
				b.WriteByte(' ')
			}
			space = false
			b.WriteRune(unicode.ToUpper(c))
		case !unicode.Is(unicode.Mn, c):
			space = true
		}
		if b.Len() >= maxFolded {
			break
		}
	}
	return b.String()
}
