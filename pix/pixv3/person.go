package pixv3

import (
	"strings"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/wire/hl7v2"
	"github.com/passerelle-sante/passerelle/wire/hl7v3"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// sexes maps AdministrativeGender to table 0001.
var sexes = map[string]string{"M": "M", "F": "F", "UN": "O"}

func person(r *hl7v3.Reader, g *registration) error {
	d := &g.person
	return r.Each(func(local string) error {
		if len(d.Names) > maxIDs || len(d.Addresses) > maxIDs || len(d.Telecoms) > maxIDs {
			return r.Wrong("too many names, addresses or telecoms")
		}
		switch local {
		case "name":
			n, err := name(r)
			if n != "" {
				d.Names = append(d.Names, n)
			}
			return err
		case "telecom":
			if t := telecom(r.Value("value")); t != "" {
				d.Telecoms = append(d.Telecoms, t)
			}
		case "administrativeGenderCode":
			d.Sex = "U"
			if code := r.Value("code"); code != "" {
				if d.Sex = sexes[code]; d.Sex == "" {
					return refuse(pix.CodeTableValue, pix.AtPatientSex, 0, r.Location(), "code is not M, F or UN")
				}
			}
		case "birthTime":
			if d.BirthDate = r.Value("value"); d.BirthDate != "" && !pix.IsBirthDate(d.BirthDate) {
				return refuse(pix.CodeDataType, pix.AtPatientBirthDate, 0, r.Location(), "birth date is not YYYY[MM[DD[hhmm...]]]")
			}
		case "addr":
			a, err := address(r)
			if a != "" {
				d.Addresses = append(d.Addresses, a)
			}
			return err
		case "asOtherIDs":
			return r.Each(func(local string) error {
				if local != "id" {
					return nil
				}
				return identifier(r, &g.other)
			})
		}
		return nil
	})
}

// parts gathers the elements of a name or an address by their local name, several of a kind with a space between; text outside any element
// comes under "".
func parts(r *hl7v3.Reader) (map[string][]string, error) {
	found := map[string][]string{}
	depth := r.Depth()
	for {
		kind, err := r.Next()
		if err != nil {
			return nil, err
		}
		switch {
		case kind == xmlpull.End && r.Depth() < depth, kind == xmlpull.EOF:
			return found, nil
		case kind == xmlpull.Text && !r.IsSpace():
			found[""] = append(found[""], strings.TrimSpace(r.Text()))
		case kind == xmlpull.Start:
			local := r.Local()
			text, err := r.TextContent()
			if err != nil {
				return nil, err
			}
			if text = strings.TrimSpace(text); text != "" {
				found[local] = append(found[local], text)
			}
		}
	}
}

// join writes components in the standard delimiters and cuts empty ones off the end.
func join(components ...string) string {
	d := hl7v2.Standard()
	for i, c := range components {
		components[i] = d.EscapeText(c)
	}
	return strings.TrimRight(strings.Join(components, string(rune(d.Component))), string(rune(d.Component)))
}

// name is XPN: family, given, further given names, suffix, prefix, degree, type.
func name(r *hl7v3.Reader) (hl7.XPN, error) {
	use := r.Value("use")
	p, err := parts(r)
	if err != nil || len(p) == 0 {
		return "", err
	}
	all := func(local string) string { return strings.Join(p[local], " ") }
	family, first, further := all("family"), "", ""
	if family == "" {
		family = all("")
	}
	if given := p["given"]; len(given) > 0 {
		first, further = given[0], strings.Join(given[1:], " ")
	}
	return hl7.XPN(join(family, first, further, all("suffix"), all("prefix"), "", use)), nil
}

// address is XAD: street, other, city, state, postal code, country, type.
func address(r *hl7v3.Reader) (string, error) {
	use := r.Value("use")
	p, err := parts(r)
	if err != nil || len(p) == 0 {
		return "", err
	}
	all := func(local string) string { return strings.Join(p[local], " ") }
	street := all("streetAddressLine")
	if street == "" {
		street = strings.TrimSpace(all("houseNumber") + " " + all("streetName"))
	}
	if street == "" {
		street = all("")
	}
	return join(street, all("additionalLocator"), all("city"), all("state"), all("postalCode"), all("country"), use), nil
}

// telecom is XTN: a number, or an Internet address in its third and fourth component.
func telecom(value string) string {
	if mail, ok := strings.CutPrefix(value, "mailto:"); ok {
		return join("", "NET", "Internet", mail)
	}
	number, _ := strings.CutPrefix(value, "tel:")
	return join(number)
}
