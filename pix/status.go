package pix

import "strings"

// Status is how far an identity can be trusted (the four of the French identity rules, RNIV; each excludes the others). Empty: nobody said.
type Status string

// The statuses. The national service confirms the national identifier; a document of identity confirms the traits.
const (
	Provisional Status = "PROV"  // neither
	Recovered   Status = "RECUP" // the national service alone
	Validated   Status = "VALI"  // a document alone
	Qualified   Status = "QUAL"  // both
)

// Flags are what may be said of an identity besides its status. Any of them keeps it from being linked.
type Flags uint8

// The flags.
const (
	Homonym    Flags = 1 << iota // another patient of the domain has nearly the same traits
	Doubtful                     // the traits may be another person's
	Fictitious                   // nobody: a test, a drill, an anonymous stay
)

// String names the flags, separated by spaces.
func (f Flags) String() string {
	var names []string
	for _, n := range []struct {
		flag Flags
		name string
	}{{Homonym, "homonym"}, {Doubtful, "doubtful"}, {Fictitious, "fictitious"}} {
		if f.Has(n.flag) {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, " ")
}

// Has tells whether all of f are set.
func (f Flags) Has(flag Flags) bool { return f&flag == flag }

// Linkable tells whether an identity may be linked at all: it is in use and nothing speaks against it.
func (p *Patient) Linkable() bool { return p.Flags == 0 && p.Alive() }

// Vouched tells whether the national identifier that the identity claims may link it.
func (p *Patient) Vouched() bool { return p.Linkable() && p.Status == Qualified }
