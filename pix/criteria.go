package pix

import (
	"strings"

	"github.com/passerelle-sante/passerelle/hl7"
)

// Criteria is what a demographics query asks for (ITI-21, ITI-22, ITI-47): all that is given must hold. A name or address part that ends in * is the
// beginning of one; names compare folded, the family name with the birth name and the usual name.
type Criteria struct {
	ID         hl7.CX // without an authority: in whatever domain
	Family     string
	Given      string
	BirthDate  string // YYYY, YYYYMM or YYYYMMDD
	Sex        string
	BirthPlace string
	Street     string
	City       string
	State      string
	PostCode   string
	Country    string

	OtherFamily string // another family name that the person has too
	Telecom     string // a number, or an electronic address

	Visit *VisitCriteria // nil: whether there is a visit or not
}

// Selective tells whether the criteria narrow a search down enough to be run: by an identifier, the number of a visit, the
// beginning of a family name or a birth date.
func (c *Criteria) Selective() bool {
	return c.ID.ID != "" || c.VisitNumber() != "" || Fold(strings.TrimSuffix(c.Family, "*")) != "" || len(c.BirthDate) == 8
}

// VisitNumber is the number of the visit that is asked for.
func (c *Criteria) VisitNumber() string {
	if c.Visit == nil {
		return ""
	}
	return c.Visit.Number.ID
}

// Match tells whether an identity meets the criteria. One that was given up meets none.
func (c *Criteria) Match(p *Patient) bool {
	if !p.Alive() || c.ID.ID != "" && !c.sameID(p.ID) || c.Visit != nil && !c.Visit.Match(p.Visit) {
		return false
	}
	t := p.Demographics.Traits()
	return c.MatchTraits(&t) && c.matchAddress(p.Demographics.Addresses) && c.matchTelecom(p.Demographics.Telecoms)
}

func (c *Criteria) sameID(id hl7.CX) bool {
	return id.ID == c.ID.ID && (c.ID.AssigningAuthority.UniversalID == "" || id.Same(c.ID))
}

// MatchTraits is Match for the traits alone.
func (c *Criteria) MatchTraits(t *Traits) bool {
	if c.Sex != "" && c.Sex != t.Sex || !strings.HasPrefix(t.BirthDate, c.BirthDate) || c.BirthPlace != "" && c.BirthPlace != t.BirthPlace {
		return false
	}
	for _, family := range []string{c.Family, c.OtherFamily} {
		if family != "" && !likeName(family, t.BirthName) && !likeName(family, t.UsualName) {
			return false
		}
	}
	if c.Given == "" || likeName(c.Given, t.UsualGiven) || likeName(c.Given, strings.Join(t.GivenNames, " ")) {
		return true
	}
	for _, given := range t.GivenNames {
		if likeName(c.Given, given) {
			return true
		}
	}
	return false
}

func likeName(pattern, name string) bool {
	begin, open := strings.CutSuffix(pattern, "*")
	name, begin = Fold(name), Fold(begin)
	if open {
		return begin != "" && strings.HasPrefix(name, begin)
	}
	return name != "" && name == begin
}

// matchAddress wants one address that has all the parts.
func (c *Criteria) matchAddress(addresses []string) bool {
	if c.Street+c.City+c.State+c.PostCode+c.Country == "" {
		return true
	}
	wanted := [...]struct {
		part      string
		component int
	}{{c.Street, 1}, {c.City, 3}, {c.State, 4}, {c.PostCode, 5}, {c.Country, 6}}
	for _, a := range addresses {
		x := hl7.XPN(a)
		all := x.Component(componentOfType) != addressOfBirth
		for _, w := range wanted {
			all = all && (w.part == "" || likeName(w.part, plain(x.Component(w.component))))
		}
		if all {
			return true
		}
	}
	return false
}

// matchTelecom compares the digits of numbers, and electronic addresses without regard to case.
func (c *Criteria) matchTelecom(telecoms []string) bool {
	if c.Telecom == "" {
		return true
	}
	for _, t := range telecoms {
		x := hl7.XPN(t)
		for _, component := range []int{1, 4, 12} {
			got := plain(x.Component(component))
			if got != "" && (strings.EqualFold(got, c.Telecom) || digits(got) != "" && digits(got) == digits(c.Telecom)) {
				return true
			}
		}
	}
	return false
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}
