package pix

import (
	"errors"

	"github.com/passerelle-sante/passerelle/hl7"
)

// The faults of a French national health identifier (INS): 13 characters and a key of two digits, together 15.
var (
	ErrINSForm = errors.New("national identifier is not 13 digits (or 2A, 2B as department) and a key of 2 digits")
	ErrINSKey  = errors.New("key of the national identifier is wrong")
)

// CheckINS checks form and key. The key is 97 minus the remainder of the number by 97, hence 01 to 97; the departments of Corsica count as
// 19 (2A) and 18 (2B).
func CheckINS(s string) error {
	if len(s) != 15 {
		return ErrINSForm
	}
	n := 0
	for i := range 13 {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
		case i == 6 && s[5] == '2' && c == 'A':
			n, c = n-1, '9' // …2 becomes …1
		case i == 6 && s[5] == '2' && c == 'B':
			n, c = n-1, '8'
		default:
			return ErrINSForm
		}
		n = n*10 + int(c-'0')
	}
	if s[13] < '0' || s[13] > '9' || s[14] < '0' || s[14] > '9' {
		return ErrINSForm
	}
	if key := int(s[13]-'0')*10 + int(s[14]-'0'); key != 97-n%97 {
		return ErrINSKey
	}
	return nil
}

// INS gives the domains of the French national identifier: the numbers of production, whose key must be right, and those of test and
// demonstration, many of which were published with a wrong one. NIR before NIA: whoever has both is known by the first.
func INS() []Domain {
	row := func(namespace, oid, name string, strict bool) Domain {
		return Domain{AssigningAuthority: hl7.HD{NamespaceID: namespace, UniversalID: oid, UniversalIDType: "ISO"}, Name: name,
			National: true, Number: CheckINS, Strict: strict}
	}
	return []Domain{
		row("ASIP-SANTE-INS-NIR", "1.2.250.1.213.1.4.8", "INS-NIR", true),
		row("ASIP-SANTE-INS-NIA", "1.2.250.1.213.1.4.9", "INS-NIA", true),
		row("ASIP-SANTE-INS-NIR", "1.2.250.1.213.1.4.10", "INS-NIR test", false),
		row("ASIP-SANTE-INS-NIR", "1.2.250.1.213.1.4.11", "INS-NIR demonstration", false),
	}
}
