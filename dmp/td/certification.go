package td

import (
	"strconv"

	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// Certification is the request of TD0.0: whose certified identity is wanted. The number of the insured, whose rights the patient may have, the date and the rank of birth tell
// patients apart where his own number is not known.
type Certification struct {
	Insured, Birth, Own string
	Rank                int
}

// DecodeCertification reads it.
func DecodeCertification(x *xmlpull.Reader) (Certification, error) {
	var c Certification
	var rank string
	err := fields(x, NSPatients, "identityCertification", field{"nirOD", nil, &c.Insured}, field{"dateNaissance", nil, &c.Birth}, field{"rangNaissance", nil, &rank}, field{"nirIndividu", nil, &c.Own})
	if err != nil {
		return c, err
	}
	if rank == "" {
		return c, &Error{"/identityCertification/rangNaissance", "element is missing"}
	}
	if c.Rank, err = strconv.Atoi(rank); err != nil {
		return c, &Error{"/identityCertification/rangNaissance", "value is not a number"}
	}
	if c.Birth != "" && (len(c.Birth) != 8 || !pix.IsBirthDate(c.Birth)) {
		return c, &Error{"/identityCertification/dateNaissance", "date is not YYYYMMDD"}
	}
	return c, nil
}

// Certified is an identity that a source holds as certified.
type Certified struct {
	Number string
	Person pix.Demographics
}

// AppendCertification prints the answer to TD0.0; nobody where none is certified.
func AppendCertification(dst []byte, who *Certified, status, context string) []byte {
	dst = appendStatus(open(dst, NSPatients, "identityCertificationResponse"), status, context)
	if who != nil {
		t := who.Person.Traits()
		dst = element(dst, "nirIndividu", who.Number)
		dst = element(dst, "prenom", t.FirstGiven())
		dst = element(dst, "nomUsuel", t.UsualName)
		dst = element(dst, "nomPatronymique", t.BirthName)
		dst = element(dst, "dateNaissance", t.BirthDate)
	}
	return closing(dst, "identityCertificationResponse")
}
