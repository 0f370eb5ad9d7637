package match

// guard is a rule that no weight outvotes. The model takes fields to be independent; within a family they are not, and it is families that share a name, a birth place,
// an address and a telephone.
type guard struct {
	name  string
	most  Decision // what a pair can come to at most
	holds func(p *Pattern, a, b *Prepared) bool
}

// guards are looked at from the first to the last; the lowest decision stands.
var guards = []guard{
	{"born together under another given name: twins", Apart, func(p *Pattern, _, _ *Prepared) bool {
		return p[BirthDate] == Same && p[GivenName] == Different
	}},
	{"one has another place in a multiple birth: twins", Apart, func(_ *Pattern, a, b *Prepared) bool {
		return a.order != 0 && b.order != 0 && a.order != b.order
	}},
	{"born a generation apart: parent and child of one name", Apart, func(p *Pattern, a, b *Prepared) bool {
		years := int(a.date.year) - int(b.date.year)
		return a.date.year != 0 && b.date.year != 0 && p[BirthDate] != Same && (years >= 12 || years <= -12) && p[BirthDate] != Digit
	}},
	{"given names that are near and both in use: twins", Review, func(p *Pattern, _, _ *Prepared) bool { return p[GivenName] == Rival }},
	{"given names that are not the same: perhaps twins", Review, func(p *Pattern, _, _ *Prepared) bool {
		return p[GivenName] != Same && p[GivenName] != Swapped
	}},
	{"one is of a multiple birth, the other does not tell: perhaps twins", Review, func(p *Pattern, a, b *Prepared) bool {
		return a.order != b.order && p[OtherGivenNames] != Same
	}},
	{"no family name beyond doubt", Review, func(p *Pattern, _, _ *Prepared) bool { return !sure[FamilyName][p[FamilyName]] }},
	{"no birth date beyond doubt", Review, func(p *Pattern, _, _ *Prepared) bool { return !sure[BirthDate][p[BirthDate]] }},
	{"years of birth too far apart for a slip", Review, func(_ *Pattern, a, b *Prepared) bool {
		years := a.date.year - b.date.year
		return years > 9 || years < -9
	}},
	{"another birth place", Review, func(p *Pattern, _, _ *Prepared) bool { return p[BirthPlace] == Different }},
	{"another sex", Review, func(p *Pattern, _, _ *Prepared) bool { return p[Sex] == Different }},
	{"more than one slip", Review, func(p *Pattern, _, _ *Prepared) bool { return slips(p) > 1 }},
	{"nothing exact beside name and birth date: perhaps a homonym", Review, func(p *Pattern, _, _ *Prepared) bool {
		return p[BirthPlace] != Same && p[Contact] != Same && p[Residence] != Same
	}},
}

// sure are the levels that may stand in an automatic link.
var sure = [numFields]map[Level]bool{
	FamilyName: {Same: true, Variant: true, Crossed: true, Part: true, Close: true, Sounds: true, Swapped: true},
	BirthDate:  {Same: true, Swapped: true, Digit: true},
}

// slips counts the traits that agree with a fault only.
func slips(p *Pattern) int {
	n := 0
	for _, f := range []Field{FamilyName, GivenName, BirthDate, BirthPlace} {
		switch p[f] {
		case Same, Variant, Equivalent, Missing:
		case Swapped:
			if f != GivenName { // a swap of names is one slip, not two
				n++
			}
		default:
			n++
		}
	}
	return n
}
