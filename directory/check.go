package directory

import (
	"context"
	"slices"
	"strings"

	"github.com/passerelle-sante/passerelle/auth"
)

// Doubt is what the directory does not bear out of what somebody says of himself.
type Doubt string

// The doubts.
const (
	UnknownStructure    Doubt = "StructureNotInDirectory"       // or closed
	UnknownProfessional Doubt = "ProfessionalNotInDirectory"    // or inactive
	OtherProfession     Doubt = "ProfessionNotInDirectory"      // profession or speciality are not his
	NotExercising       Doubt = "ProfessionalNotAtTheStructure" // he was authenticated himself, and does not exercise there
)

// The code systems of what a role and a speciality may be.
const (
	ProfessionCodes = "1.2.250.1.71.1.2.7" // TRE_G15
	skills          = "1.2.250.1.71.4.2.5"
	sections        = "1.2.250.1.71.4.2.6"
	direct          = "DIRECTE"
)

// Doubts compares who asks with the directory. What it cannot know is not doubted: extracts that were never imported, identifiers of kinds that are not in
// them, code systems that are not theirs.
func (d *Directory) Doubts(ctx context.Context, c auth.Caller) (list []Doubt, err error) {
	if c.Capacity != auth.CapacityProfessional {
		return nil, nil
	}
	err = d.cfg.Store.View(ctx, func(tx Tx) error {
		if list, err = structureDoubts(tx, c); err != nil {
			return err
		}
		s, err := state(tx, Professionals)
		if err != nil || s.Generation == 0 || len(c.Person) != 12 || c.Person[0] != kindRPPS {
			return err
		}
		p, err := one[Professional](tx, Professionals, c.Person)
		switch {
		case err != nil:
			return err
		case p == nil || !p.Active():
			list = append(list, UnknownProfessional)
			return nil
		}
		if !has(p.Professions, c.Role, ProfessionCodes) || !has(p.Skills, c.Specialty, skills, sections) {
			list = append(list, OtherProfession)
		}
		if c.Authentication == direct && !p.exercises(c.Organisation) {
			list = append(list, NotExercising)
		}
		return nil
	})
	return list, err
}

func structureDoubts(tx Tx, c auth.Caller) ([]Doubt, error) {
	s, err := state(tx, Structures)
	if err != nil || s.Generation == 0 || len(c.Organisation) != 10 || c.Organisation[0] != '1' {
		return nil, err // not a FINESS number
	}
	is, err := one[Structure](tx, Structures, c.Organisation)
	if err != nil || is != nil && is.Active() {
		return nil, err
	}
	return []Doubt{UnknownStructure}, nil
}

// has tells whether codes hold the one that is said, code^system; of another system, or of nothing, nothing is known.
func has(codes []string, said string, systems ...string) bool {
	code, system, _ := strings.Cut(said, "^")
	return code == "" || !slices.Contains(systems, system) || slices.Contains(codes, code)
}

// exercises tells whether a structure is one where somebody exercises: one of the extract, or his own practice, which goes by his number.
func (p *Professional) exercises(structure string) bool {
	return p.in(structure, nil) || len(p.ID) == 12 && p.ID[0] == kindRPPS && strings.HasPrefix(structure, "4"+p.ID[1:])
}
