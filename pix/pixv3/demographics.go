package pixv3

import (
	"slices"
	"strings"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/wire/hl7v2"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// The uses of version 3 by the types of version 2 (tables 0200, 0190 and 0201); another type is told as no use.
var (
	nameUses = map[string]string{"L": "L", "B": "L", "M": "L", "A": "P", "I": "A", "R": "R"}
	addrUses = map[string]string{"H": "H", "HP": "HP", "HV": "HV", "WP": "WP", "B": "WP", "O": "WP", "C": "TMP", "TMP": "TMP", "M": "PST", "PST": "PST", "BA": "BAD", "BAD": "BAD"}
	telUses  = map[string]string{"PRN": "H", "H": "H", "ORN": "HV", "VHN": "HV", "WPN": "WP", "WP": "WP", "EMR": "EC"}
)

// The types of an address of birth and of a usual name.
const (
	addressOfBirth = "BDL"
	usualName      = "D"
)

// appendPerson prints demographics as patientPerson; others are its asOtherIDs.
func appendPerson(dst []byte, d *pix.Demographics, others []byte) []byte {
	dst = append(dst, `<patientPerson classCode="PSN" determinerCode="INSTANCE">`...)
	from := len(dst)
	for _, n := range d.Names {
		dst = appendName(dst, n, slices.ContainsFunc(d.Names, func(o hl7.XPN) bool { return o.Component(7) == usualName }))
	}
	if len(dst) == from {
		dst = append(dst, `<name nullFlavor="UNK"/>`...)
	}
	for _, t := range d.Telecoms {
		dst = appendTelecom(dst, t)
	}
	switch d.Sex {
	case "":
	case "M", "F":
		dst = append(dst, `<administrativeGenderCode code="`+d.Sex+`" codeSystem="2.16.840.1.113883.5.1"/>`...)
	case "O", "A":
		dst = append(dst, `<administrativeGenderCode code="UN" codeSystem="2.16.840.1.113883.5.1"/>`...)
	default:
		dst = append(dst, `<administrativeGenderCode nullFlavor="UNK"/>`...)
	}
	if birth := d.BirthDate[:min(len(d.BirthDate), 8)]; birth != "" {
		dst = append(append(append(dst, `<birthTime value="`...), birth...), `"/>`...)
	}
	var birthPlace []byte
	for _, a := range d.Addresses {
		if c := components(a, 9); c[6] != addressOfBirth {
			dst = appendAddress(dst, c)
		} else if birthPlace == nil {
			birthPlace = appendAddress(nil, c)
		}
	}
	dst = append(dst, others...)
	if birthPlace != nil {
		dst = append(append(append(dst, `<birthPlace classCode="BIRTHPL">`...), birthPlace...), `</birthPlace>`...)
	}
	return append(dst, `</patientPerson>`...)
}

// appendName prints a name. A birth name beside a usual one says that it is the name of birth.
func appendName(dst []byte, n hl7.XPN, usual bool) []byte {
	c := components(string(n), 7)
	if strings.Join(c[:6], "") == "" {
		return dst
	}
	dst = append(appendUse(append(dst, "<name"...), nameUses[c[6]]), '>')
	dst = appendPart(dst, "prefix", c[4])
	if family := c[0]; family != "" {
		if usual && c[6] != usualName && nameUses[c[6]] == "L" {
			dst = append(xmlpull.AppendText(append(dst, `<family qualifier="BR">`...), family), "</family>"...)
		} else {
			dst = appendPart(dst, "family", family)
		}
	}
	dst = appendPart(dst, "given", c[1])
	further := strings.TrimSpace(c[2])
	if first, rest, _ := strings.Cut(further, " "); c[1] != "" && strings.EqualFold(first, c[1]) {
		further = rest // the French list of given names begins with the first
	}
	for _, given := range strings.Fields(further) {
		dst = appendPart(dst, "given", given)
	}
	dst = appendPart(dst, "suffix", c[3])
	return append(dst, "</name>"...)
}

func appendAddress(dst []byte, c []string) []byte {
	if strings.Join(c[:6], "")+c[8] == "" {
		return dst
	}
	dst = append(appendUse(append(dst, "<addr"...), addrUses[c[6]]), '>')
	for _, p := range []struct {
		element string
		at      int
	}{{"streetAddressLine", 0}, {"additionalLocator", 1}, {"city", 2}, {"state", 3}, {"postalCode", 4}, {"country", 5}, {"county", 8}} {
		dst = appendPart(dst, p.element, c[p.at])
	}
	return append(dst, "</addr>"...)
}

func appendTelecom(dst []byte, t string) []byte {
	c := components(t, 12)
	scheme, value := "tel:", c[0]
	switch {
	case c[3] != "":
		scheme, value = "mailto:", c[3]
	case value == "":
		value = c[11]
	}
	// What a URI cannot hold is left out.
	value = strings.Map(func(r rune) rune {
		if r > ' ' && r < 0x7f && !strings.ContainsRune(`<>"{}|\^%[]#`+"`", r) {
			return r
		}
		return -1
	}, value)
	if value == "" {
		return dst
	}
	dst = appendUse(append(dst, "<telecom"...), telUses[c[1]])
	dst = xmlpull.AppendAttr(append(append(dst, ` value="`...), scheme...), value)
	return append(dst, `"/>`...)
}

func appendUse(dst []byte, use string) []byte {
	if use == "" {
		return dst
	}
	return append(append(append(dst, ` use="`...), use...), '"')
}

func appendPart(dst []byte, element, text string) []byte {
	if text == "" {
		return dst
	}
	return xmlpull.AppendElement(dst, element, text)
}

// components gives the first n components without their escapes; the first one of a family name may have sub-components, of which the own name counts.
func components(s string, n int) []string {
	d := hl7v2.Standard()
	out := make([]string, n)
	for i, c := range strings.SplitN(s, string(rune(d.Component)), n+1) {
		if i < n {
			own, _, _ := strings.Cut(c, string(rune(d.Subcomponent)))
			out[i] = strings.TrimSpace(d.UnescapeText(own))
		}
	}
	return out
}
