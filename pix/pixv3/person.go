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
			names, err := names(r)
			d.Names = append(d.Names, names...)
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
		case "birthPlace":
			return birthPlace(r, d)
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

// qualified are the parts of a name that are kept apart: the family name of birth, the first given name of birth, the given name that is used.
var qualified = map[string]string{"family BR": "family of birth", "given BR": "given of birth", "given CL": "given in use"}

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
			if q := qualified[local+" "+r.Value("qualifier")]; q != "" {
				local = q
			}
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

// names makes XPN of a name: family, given, further given names, suffix, prefix, degree, type. One that tells the family name of birth is a legal name (L),
// and a displayed one (D) when it tells another family name or given name that is used.
func names(r *hl7v3.Reader) ([]hl7.XPN, error) {
	use := r.Value("use")
	p, err := parts(r)
	if err != nil || len(p) == 0 {
		return nil, err
	}
	all := func(local string) string { return strings.Join(p[local], " ") }
	birth, family, first, further := all("family of birth"), all("family"), all("given of birth"), all("given")
	if given := p["given"]; first == "" && len(given) > 0 {
		first, further = given[0], strings.Join(given[1:], " ")
	}
	if birth == "" {
		if family == "" {
			family = all("")
		}
		return []hl7.XPN{hl7.XPN(join(family, first, further, all("suffix"), all("prefix"), "", use))}, nil
	}
	list := []hl7.XPN{hl7.XPN(join(birth, first, further, all("suffix"), all("prefix"), "", "L"))}
	if used := all("given in use"); family != "" || used != "" {
		if family == "" {
			family = birth
		}
		if used == "" {
			used = first
		}
		list = append(list, hl7.XPN(join(family, used, "", all("suffix"), all("prefix"), "", usualName)))
	}
	return list, nil
}

// birthPlace is XAD of the type BDL with the code of the place in its ninth component: county, as French senders write the INSEE code.
func birthPlace(r *hl7v3.Reader, d *pix.Demographics) error {
	return r.Each(func(local string) error {
		switch local {
		case "birthplace":
			return birthPlace(r, d)
		case "addr":
			p, err := parts(r)
			if err != nil {
				return err
			}
			if len(d.Addresses) > maxIDs {
				return r.Wrong("too many addresses")
			}
			city, county := strings.Join(p["city"], " "), strings.Join(p["county"], " ")
			if city != "" || county != "" {
				d.Addresses = append(d.Addresses, join("", "", city, "", "", "", addressOfBirth, "", county))
			}
		}
		return nil
	})
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
