package policy

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Trait is what decides about a document's visibility, beside its patient and its author. A document has one or several.
type Trait uint8

// The traits, in the order of the matrix's columns.
const (
	Normal Trait = iota
	Restricted
	VeryRestricted
	Masked
	Unannounced
	FromRepresentatives
	Archived
	traits
	gone      = traits     // nobody sees it
	signature = traits + 1 // nobody reads it for itself
)

var traitNames = [traits + 2]string{"normal", "restricted", "very-restricted", "masked", "unannounced", "from-representatives", "archived", "gone", "signature"}

func (t Trait) String() string { return traitNames[t] }

// Act is what may be done to a document beside reading it.
type Act uint8

// The acts, in the order of their table's columns.
const (
	Mask Act = iota
	Unmask
	Announce
	Disclose
	Conceal
	Amend
	Archive
	Unarchive
	Delete
	acts
)

var actNames = [acts]string{"mask", "unmask", "announce", "disclose", "conceal", "amend", "archive", "unarchive", "delete"}

func (a Act) String() string { return actNames[a] }

// cell is what a table says.
type cell uint8

const (
	no cell = iota
	yes
	unlessOpposed
)

var cells = map[string]cell{"no": no, "yes": yes, "unless-opposed": unlessOpposed}

// Matrix is what national rules say, as data: what each ground shows and allows, and to whom.
type Matrix struct {
	shows       map[Kind][traits]cell
	allows      map[Kind][acts]cell
	professions map[string][]string // type codes; nil: all
	purposes    map[string]Kind
	traits      map[string]Trait // by code^scheme and by status
	consents    Consents
}

//go:embed france
var france embed.FS

// France gives the French tables.
func France() *Matrix {
	sub, err := fs.Sub(france, "france")
	if err == nil {
		var m *Matrix
		if m, err = ReadMatrix(sub); err == nil {
			return m
		}
	}
	panic("policy: the tables that come with the program are damaged: " + err.Error())
}

var kinds = []Kind{Attending, Allegation, Group, Delegation, Team, Granted, BreakGlass, Regulation, Author, Patient, Representation, Node}

// ReadMatrix reads matrix.tsv, acts.tsv, professions.tsv, purposes.tsv, traits.tsv and consents.tsv. Every ground must be said in the first two.
func ReadMatrix(from fs.FS) (*Matrix, error) {
	m := &Matrix{shows: map[Kind][traits]cell{}, allows: map[Kind][acts]cell{}, professions: map[string][]string{}, purposes: map[string]Kind{}, traits: map[string]Trait{}, consents: Consents{}}
	err := readTable(from, "matrix.tsv", append([]string{"ground"}, traitNames[:traits]...), func(f []string) error {
		row, err := readCells(f[1:])
		m.shows[Kind(f[0])] = [traits]cell(row)
		return known(f[0], err)
	})
	if err != nil {
		return nil, err
	}
	err = readTable(from, "acts.tsv", append([]string{"ground"}, actNames[:]...), func(f []string) error {
		row, err := readCells(f[1:])
		m.allows[Kind(f[0])] = [acts]cell(row)
		return known(f[0], err)
	})
	if err != nil {
		return nil, err
	}
	err = readTable(from, "professions.tsv", []string{"role", "types"}, func(f []string) error {
		m.professions[f[0]] = nil
		if f[1] != "*" {
			m.professions[f[0]] = strings.Fields(f[1])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = readTable(from, "purposes.tsv", []string{"purpose", "ground"}, func(f []string) error {
		m.purposes[f[0]] = Kind(f[1])
		if Kind(f[1]) != BreakGlass && Kind(f[1]) != Regulation {
			return fmt.Errorf("%q is no ground of an exceptional access", f[1])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = readTable(from, "traits.tsv", []string{"said", "trait"}, func(f []string) error {
		t := slices.Index(traitNames[:], f[1])
		if t < 0 {
			return fmt.Errorf("%q is no trait", f[1])
		}
		m.traits[f[0]] = Trait(t)
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = readTable(from, "consents.tsv", []string{"policy", "choice"}, func(f []string) error {
		m.consents[f[0]] = Choice(f[1])
		if choices[Choice(f[1])] == nil {
			return fmt.Errorf("%q is no choice", f[1])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, k := range kinds {
		_, shown := m.shows[k]
		if _, allowed := m.allows[k]; !shown || !allowed {
			return nil, fmt.Errorf("the ground %s has no row in matrix.tsv or in acts.tsv", k)
		}
	}
	return m, nil
}

func known(ground string, err error) error {
	if err == nil && !slices.Contains(kinds, Kind(ground)) {
		return fmt.Errorf("%q is no ground", ground)
	}
	return err
}

func readCells(f []string) ([]cell, error) {
	row := make([]cell, len(f))
	for i, v := range f {
		c, ok := cells[v]
		if !ok {
			return row, fmt.Errorf("%q is not yes, no or unless-opposed", v)
		}
		row[i] = c
	}
	return row, nil
}

// readTable calls row for each line of a table that begins with the header; # begins a comment line.
func readTable(from fs.FS, name string, header []string, row func(fields []string) error) error {
	data, err := fs.ReadFile(from, name)
	if err != nil {
		return err
	}
	begun := false
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimRight(line, "\r")
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.Split(line, "\t")
		if !begun {
			if begun = slices.Equal(f, header); !begun {
				return fmt.Errorf("%s line %d: the columns are due: %s", name, i+1, strings.Join(header, ", "))
			}
			continue
		}
		if len(f) != len(header) {
			return fmt.Errorf("%s line %d: %d columns, %d are due", name, i+1, len(f), len(header))
		}
		if err := row(f); err != nil {
			return fmt.Errorf("%s line %d: %w", name, i+1, err)
		}
	}
	return nil
}
