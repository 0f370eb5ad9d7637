package policy

import "github.com/passerelle-sante/passerelle/xds"

// Traits names what sets a document apart from a normal one; none when nothing does.
func (m *Matrix) Traits(e *xds.DocumentEntry) []string {
	has, _ := m.traitsOf(e)
	var names []string
	for t := Normal + 1; int(t) < len(traitNames); t++ {
		if has&(1<<t) != 0 {
			names = append(names, t.String())
		}
	}
	return names
}
