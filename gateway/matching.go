package gateway

import (
	"errors"
	"os"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/manager"
	"github.com/passerelle-sante/passerelle/pix/match"
)

// MatchingConfig is about comparing the patients of domains that opt in by what they are called, when and where they were born, and how they are reached.
type MatchingConfig struct {
	Parameters  string `yaml:"parameters"`  // file of weights and thresholds; those of the program when empty
	Frequencies string `yaml:"frequencies"` // file of how frequent names and places are; together with Parameters
	Identities  int64  `yaml:"identities"`  // that the register is going to hold: the thresholds rise with it; 1,000,000 when 0
}

// model reads the files and sets the thresholds.
func (c *MatchingConfig) model() (*match.Model, error) {
	n := c.Identities
	if n == 0 {
		n = 1_000_000
	}
	if c.Parameters == "" && c.Frequencies == "" {
		return match.Default().ForSize(int(n)), nil
	}
	if c.Parameters == "" || c.Frequencies == "" {
		return nil, errors.New("parameters and frequencies come together")
	}
	parameters, err := os.Open(c.Parameters)
	if err != nil {
		return nil, err
	}
	defer parameters.Close()
	frequencies, err := os.Open(c.Frequencies)
	if err != nil {
		return nil, err
	}
	defer frequencies.Close()
	m, err := match.Load(parameters, frequencies)
	if err != nil {
		return nil, err
	}
	return m.ForSize(int(n)), nil
}

// matcher lets the manager compare patients with a model.
type matcher struct{ model *match.Model }

var _ manager.Matcher = matcher{}

func (m matcher) Keys(d *pix.Demographics) []string { return m.model.Keys(recordOf(d)) }

// Compare weighs two patients. A rule that no weight outvotes stands among the fields, with what it takes away, so that they add up to the weight all the same.
func (m matcher) Compare(a, b *pix.Demographics) pix.Match {
	r := m.model.Compare(recordOf(a), recordOf(b))
	out := pix.Match{Weight: r.Weight}
	for _, f := range r.Fields {
		if f.Level != match.Missing {
			out.Fields = append(out.Fields, pix.FieldWeight{Field: f.Field.String(), Weight: f.Weight, Why: f.Level.String()})
		}
	}
	if r.Guard != "" {
		out.Weight = m.model.ReviewAt
		if r.Decision == match.Apart {
			out.Weight--
		}
		out.Fields = append(out.Fields, pix.FieldWeight{Field: "rule", Weight: out.Weight - r.Weight, Why: r.Guard})
	}
	return out
}

// The components of PID-11 and PID-13 that are compared (XAD and XTN, HL7 v2.5).
const (
	xadCity, xadPostalCode, xadType          = 3, 5, 7
	xtnNumber, xtnMail, xtnLocal, xtnAnyForm = 1, 4, 7, 12
)

// recordOf is what is compared of a patient. How many were born together is not told in a feed that we keep.
func recordOf(d *pix.Demographics) match.Record {
	t := d.Traits()
	r := match.Record{BirthName: t.BirthName, UsualName: t.UsualName, Given: t.GivenNames, UsedGiven: t.UsualGiven, BirthDate: t.BirthDate, Sex: t.Sex, BirthPlace: t.BirthPlace}
	for _, a := range d.Addresses {
		if x := hl7.XPN(a); x.Component(xadType) != "BDL" && r.PostalCode == "" && r.City == "" {
			r.PostalCode, r.City = x.Component(xadPostalCode), x.Component(xadCity)
		}
	}
	for _, a := range d.Telecoms {
		x := hl7.XPN(a)
		if mail := x.Component(xtnMail); mail != "" {
			r.Mails = append(r.Mails, mail)
		}
		for _, n := range []int{xtnNumber, xtnAnyForm, xtnLocal} {
			if number := x.Component(n); number != "" {
				r.Phones = append(r.Phones, number)
				break
			}
		}
	}
	return r
}
