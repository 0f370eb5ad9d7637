package validate

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// forms are the forms of a value that rules name.
var forms = map[string]func(string) bool{
	"uid":           isUID,
	"second-offset": func(s string) bool { return isTime(s, 14, 14, true) },
	"minute-offset": func(s string) bool { return isTime(s, 12, 14, true) },
	"time":          func(s string) bool { return isTime(s, 4, 14, false) },
	"date":          func(s string) bool { return len(s) == 8 && isTime(s, 8, 8, false) },
	"positive":      func(s string) bool { return digits(s) && len(s) <= 9 && strings.Trim(s, "0") != "" },
	"count":         func(s string) bool { return digits(s) && len(s) <= 9 },
	"decimal":       isDecimal,
	"filled":        func(s string) bool { return strings.TrimSpace(s) != "" },
	"title":         func(s string) bool { n := utf8.RuneCountInString(strings.TrimSpace(s)); return n >= 1 && n <= 128 },
	"telecom":       isTelecom,
	"cog":           isCOG,
	"ins":           func(s string) bool { return insBody.matches(s) },
	"ins-key":       insKeyHolds,
	"person-id":     isPersonID,
	"person-luhn":   checked(12, "8"),
	"structure-id":  isStructureID,
	"finess-luhn":   checked(10, "1"),
	"siret-luhn":    func(s string) bool { return checked(10, "2")(s) && checked(15, "3")(s) },
	"loinc":         isLOINC,
	"fragment":      func(s string) bool { return len(s) > 1 && s[0] == '#' },
}

func digits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// isUID tells an OID of at most 64 characters whose numbers have no leading zero, or a UUID.
func isUID(s string) bool {
	if len(s) == 36 && strings.Count(s, "-") == 4 {
		return isUUID(s)
	}
	if len(s) > 64 || s == "" || s[0] > '2' || !strings.Contains(s, ".") {
		return false
	}
	for from := 0; from <= len(s); {
		to := from
		for to < len(s) && s[to] >= '0' && s[to] <= '9' {
			to++
		}
		if to == from || to-from > 1 && s[from] == '0' || to < len(s) && s[to] != '.' {
			return false
		}
		from = to + 1
	}
	return true
}

func isUUID(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i] | 0x20
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if s[i] != '-' {
				return false
			}
		case !(c >= 'a' && c <= 'f' || s[i] >= '0' && s[i] <= '9'):
			return false
		}
	}
	return true
}

// isTime tells a TS of yyyy[MM[dd[HH[mm[ss]]]]] with lo to hi digits that is a real moment, a fraction of a second if there are seconds, and an
// offset if there is a time of day: due when offset is set.
func isTime(s string, lo, hi int, offset bool) bool {
	body, zone := s, ""
	if i := strings.IndexAny(s, "+-"); i >= 0 {
		body, zone = s[:i], s[i:]
	}
	if zone != "" && !isOffset(zone) || zone == "" && offset {
		return false
	}
	body, fraction, dotted := strings.Cut(body, ".")
	if dotted && (len(body) != 14 || !digits(fraction) || len(fraction) > 6) {
		return false
	}
	if !digits(body) || len(body)%2 != 0 || len(body) < lo || len(body) > hi || zone != "" && len(body) < 10 {
		return false
	}
	_, err := time.Parse("20060102150405"[:len(body)], body)
	return err == nil
}

// isOffset tells +0100; hours to 14, minutes to 59.
func isOffset(z string) bool {
	return len(z) == 5 && digits(z[1:]) && z[1:3] <= "14" && z[3:] <= "59"
}

func isDecimal(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil && !strings.ContainsAny(s, "xXpP_nNiI")
}

// isTelecom tells an address with a scheme that a person or a mail program can use.
func isTelecom(s string) bool {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || strings.TrimSpace(rest) == "" {
		return false
	}
	switch scheme {
	case "tel", "fax":
		return strings.IndexFunc(rest, func(c rune) bool { return !strings.ContainsRune("+0123456789-. ()", c) }) < 0
	case "mailto":
		at := strings.IndexByte(rest, '@')
		return at > 0 && at < len(rest)-1
	case "http", "https", "ftp", "sip", "sms", "urn":
		return true
	}
	return false
}

// isCOG tells the code of a municipality or a country of birth: five characters, 2A and 2B for Corsica.
func isCOG(s string) bool {
	return len(s) == 5 && (digits(s) || (s[:2] == "2A" || s[:2] == "2B") && digits(s[2:]))
}

// pattern is a form of as many characters: 9 a digit, A a Corsican department's letter or a digit, everything else itself.
type pattern string

// insBody is a matricule with its key: sex, year, month, department, municipality, rank, key. The fifth and following characters hold 2A, 2B.
const insBody pattern = "999999A99999999"

func (p pattern) matches(s string) bool {
	if len(s) != len(p) {
		return false
	}
	for i := 0; i < len(s); i++ {
		switch {
		case p[i] == '9' && s[i] >= '0' && s[i] <= '9':
		case p[i] == 'A' && (s[i] >= '0' && s[i] <= '9' || s[i-1] == '2' && (s[i] == 'A' || s[i] == 'B')):
		case p[i] == s[i] && p[i] != '9' && p[i] != 'A':
		default:
			return false
		}
	}
	return true
}

// insKeyHolds computes the key, 97 less the number modulo 97, with 2A counted as 19 and 2B as 18.
func insKeyHolds(s string) bool {
	if !insBody.matches(s) {
		return true // another rule's
	}
	n, err := strconv.ParseInt(strings.NewReplacer("A", "9", "B", "8").Replace(corsica(s[:13])), 10, 64)
	key, err2 := strconv.ParseInt(s[13:], 10, 64)
	return err == nil && err2 == nil && key == 97-n%97
}

// corsica turns 2A and 2B of the department into 1A and 1B, which the replacement of the letter makes 19 and 18.
func corsica(s string) string {
	if s[6] == 'A' || s[6] == 'B' {
		return s[:5] + "1" + s[6:]
	}
	return s
}

// isPersonID tells a national identifier of a professional (PS_IdNat): a digit for its kind and the identifier.
func isPersonID(s string) bool {
	if len(s) < 2 {
		return false
	}
	number, inner, slash := strings.Cut(s[1:], "/")
	if slash && inner == "" {
		return false
	}
	switch s[0] {
	case '0':
		return len(number) == 9 && !slash
	case '1', '6':
		return number != "" && slash
	case '3', '4':
		return len(number) == 9 && slash
	case '5':
		return len(number) == 14 && digits(number) && slash
	case '8':
		return len(number) == 11 && digits(number) && !slash
	}
	return false
}

// checked asks for the check digit of an identifier of so many digits that begins with its kind; other identifiers pass.
func checked(length int, kind string) func(string) bool {
	return func(s string) bool { return len(s) != length || s[:1] != kind || !digits(s) || luhn(s[1:]) }
}

// isStructureID tells a national identifier of a structure (Struct_IdNat).
func isStructureID(s string) bool {
	if len(s) < 2 {
		return false
	}
	number, _, _ := strings.Cut(s[1:], "/")
	switch s[0] {
	case '0':
		return len(number) >= 9
	case '1', '2':
		return len(number) == 9
	case '3':
		return len(number) == 14 && digits(number)
	case '4':
		return len(number) == 14 && digits(number)
	case 'R', 'F', 'C':
		return true // a technical identifier of the directory
	}
	return false
}

// luhn tells that the last digit is the check digit of the others.
func luhn(s string) bool {
	sum := 0
	for i := range len(s) {
		d := int(s[len(s)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// isLOINC tells number-check digit; the codes of answers and parts, LA and LP, pass.
func isLOINC(s string) bool {
	if strings.HasPrefix(s, "LA") || strings.HasPrefix(s, "LP") {
		return true
	}
	number, check, ok := strings.Cut(s, "-")
	return ok && digits(number) && len(number) <= 8 && len(check) == 1 && luhn(number+check)
}
