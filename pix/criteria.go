package pix

import (
	"strings"

	"github.com/passerelle-sante/passerelle/hl7"
)

// Criteria is what a demographics query asks for (ITI-21, ITI-47): all that is given must hold. A name or address part that ends in * is the
// beginning of one; names compare folded, the family name with the birth name and the usual name.
type Criteria struct {
	ID         hl7.CX // without an authority: in whatever domain
	Family     string
	Given      string
	BirthDate  string // YYYY, YYYYMM or YYYYMMDD
	Sex        string
	BirthPlace string
	City       string
	PostCode   string
}

// Selective tells whether the criteria narrow a search down enough to be run: by an identifier, the beginning of a family name or a birth date.
func (c *Criteria) Selective() bool {
	return c.ID.ID != "" || Fold(strings.TrimSuffix(c.Family, "*")) != "" || len(c.BirthDate) == 8
}

// Match tells whether an identity meets the criteria. One that was given up meets none.
func (c *Criteria) Match(p *Patient) bool {
	if !p.Alive() || c.ID.ID != "" && !c.sameID(p.ID) {
		return false
	}
	t := p.Demographics.Traits()
	return c.MatchTraits(&t) && c.matchAddress(p.Demographics.Addresses)
}

func (c *Criteria) sameID(id hl7.CX) bool {
	return id.ID == c.ID.ID && (c.ID.AssigningAuthority.UniversalID == "" || id.Same(c.ID))
}

// MatchTraits is Match for the traits alone.
func (c *Criteria) MatchTraits(t *Traits) bool {
	if c.Sex != "" && c.Sex != t.Sex || !strings.HasPrefix(t.BirthDate, c.BirthDate) || c.BirthPlace != "" && c.BirthPlace != t.BirthPlace {
		return false
	}
	if c.Family != "" && !likeName(c.Family, t.BirthName) && !likeName(c.Family, t.UsualName) {
		return false
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

func (c *Criteria) matchAddress(addresses []string) bool {
	if c.City == "" && c.PostCode == "" {
		return true
	}
	for _, a := range addresses {
		x := hl7.XPN(a)
		if x.Component(componentOfType) == addressOfBirth {
			continue
		}
		if (c.City == "" || likeName(c.City, plain(x.Component(3)))) && (c.PostCode == "" || likeName(c.PostCode, plain(x.Component(5)))) {
			return true
		}
	}
	return false
}
