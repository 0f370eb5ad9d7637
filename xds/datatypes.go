package xds

import (
	"errors"
	"strings"

	"github.com/passerelle-sante/passerelle/hl7"
)

// ValidOID tells whether s is an OID of at most 64 characters: first arc 0 to 2, no arc with a leading zero [ITI-42 4.2.3.1.7].
func ValidOID(s string) bool {
	if len(s) < 3 || len(s) > 64 || s[0] < '0' || s[0] > '2' || s[1] != '.' {
		return false
	}
	for arc := range strings.SplitSeq(s[2:], ".") {
		if arc == "" || len(arc) > 1 && arc[0] == '0' || !allDigits(arc) {
			return false
		}
	}
	return true
}

// dottedNumbers tells whether s has the look of an OID, whatever its arcs.
func dottedNumbers(s string) bool {
	return len(s) >= 3 && len(s) <= 64 && s[0] != '.' && s[len(s)-1] != '.' && strings.Contains(s, ".") && !strings.Contains(s, "..") && allDigits(strings.ReplaceAll(s, ".", ""))
}

func allDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// UUIDPrefix begins every stored ObjectID.
const UUIDPrefix = "urn:uuid:"

// ValidUUID tells whether s is urn:uuid: and a UUID in lower-case hexadecimal [ITI-42 4.2.3.1.7].
func ValidUUID(s string) bool {
	if len(s) != len(UUIDPrefix)+36 || !strings.HasPrefix(s, UUIDPrefix) {
		return false
	}
	for i := 0; i < 36; i++ {
		c := s[len(UUIDPrefix)+i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return true
}

// Symbolic tells whether id is a name inside the submission rather than a UUID.
func (id ObjectID) Symbolic() bool { return !strings.HasPrefix(string(id), UUIDPrefix) }

func checkUniqueID(s string, bare bool) string {
	root, ext, has := strings.Cut(s, "^")
	switch {
	case !ValidOID(root):
		return "not an OID of at most 64 characters"
	case has && bare:
		return "this domain takes an OID without ^extension"
	case has && (ext == "" || len(ext) > 16):
		return "the extension after ^ has 1 to 16 characters"
	}
	return ""
}

func checkHash(s string) string {
	if len(s) != 40 {
		return "a SHA-1 in 40 hexadecimal digits is due"
	}
	for _, c := range s {
		if !strings.ContainsRune("0123456789abcdefABCDEF", c) {
			return "a SHA-1 in 40 hexadecimal digits is due"
		}
	}
	return ""
}

func checkLanguage(s string) string {
	const rule = "not a language tag of RFC 5646"
	for i, part := range strings.Split(s, "-") {
		if part == "" || len(part) > 8 {
			return rule
		}
		for _, c := range part {
			letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
			if !letter && (i == 0 || c < '0' || c > '9') {
				return rule
			}
		}
		if i == 0 && len(part) == 1 && part != "x" && part != "i" {
			return rule
		}
	}
	return ""
}

func checkMIMEType(s string) string {
	typ, sub, ok := strings.Cut(s, "/")
	if !ok || typ == "" || sub == "" || strings.ContainsAny(s, " ,\t\r\n<>") {
		return "not a media type of the form type/subtype"
	}
	return ""
}

func checkXCN(x hl7.XCN) string {
	if x.ID() == "" && x.Family() == "" {
		return "an identifier (component 1) or a family name (component 2) is due"
	}
	if aa := x.AssigningAuthority(); aa.UniversalID != "" && (!ValidOID(aa.UniversalID) || aa.UniversalIDType != "ISO") {
		return "the assigning authority (component 9) is &OID&ISO"
	}
	return ""
}

func checkXON(x hl7.XON) string {
	if x.Name() == "" {
		return "a name (component 1) is due"
	}
	if aa := x.AssigningAuthority(); aa.UniversalID != "" && (!ValidOID(aa.UniversalID) || aa.UniversalIDType != "ISO") {
		return "the assigning authority (component 6) is &OID&ISO"
	}
	if id := x.ID(); id != "" && !ValidOID(id) && x.AssigningAuthority().UniversalID == "" {
		return "an identifier (component 10) that is no OID needs an assigning authority (component 6)"
	}
	return ""
}

func checkXTN(x hl7.XTN) string {
	if x.Component(3) == "" && x.Component(4) == "" && x.Component(12) == "" && x.Component(7) == "" {
		return "a type (component 3) and an address (component 4) are due"
	}
	if x.Component(3) == "Internet" && !strings.Contains(x.Component(4), "@") {
		return "an Internet address (component 4) holds an @"
	}
	return ""
}

// checkRecipient judges XON|XCN|XTN; at least one of the organisation and the person is there.
func checkRecipient(s string) string {
	parts := strings.SplitN(s, "|", 4)
	if len(parts) > 3 {
		return "the form is organisation|person|telecommunication"
	}
	for len(parts) < 3 {
		parts = append(parts, "")
	}
	if parts[0] == "" && parts[1] == "" && parts[2] == "" {
		return "an organisation, a person or an address is due"
	}
	if parts[0] != "" {
		if why := checkXON(hl7.XON(parts[0])); why != "" {
			return "organisation: " + why
		}
	}
	if parts[1] != "" {
		if why := checkXCN(hl7.XCN(parts[1])); why != "" {
			return "person: " + why
		}
	}
	if parts[2] != "" {
		if why := checkXTN(hl7.XTN(parts[2])); why != "" {
			return "telecommunication: " + why
		}
	}
	return ""
}

func checkPatientInfo(s string) string {
	name, _, ok := strings.Cut(s, "|")
	num, isPID := strings.CutPrefix(name, "PID-")
	if !ok || !isPID || num == "" || !allDigits(num) || num[0] == '0' {
		return "each line is PID-n|value"
	}
	return ""
}

// checkReferenceID judges a CXi: identifier, assigning authority when the identifier is not global, and the type code in component 5.
func checkReferenceID(s string) string {
	c, err := hl7.ParseCX(s)
	if err != nil {
		return err.Error()
	}
	if c.TypeCode == "" {
		return "the kind of identifier (component 5) is due"
	}
	if aa := c.AssigningAuthority; aa.UniversalID != "" && aa.UniversalIDType == "ISO" && !ValidOID(aa.UniversalID) {
		return "the assigning authority (component 4) is &OID&ISO"
	}
	return ""
}

var errControl = errors.New("control character")

func noControl(s string) error {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 && s[i] != '\t' && s[i] != '\n' && s[i] != '\r' {
			return errControl
		}
	}
	return nil
}
