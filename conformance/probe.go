package conformance

import (
	"fmt"
	"strings"
	"sync"
)

// A probe is a case that the table of probetable.go makes: one submission, whole but for one thing. Thousands of them share one patient, because none looks at what
// another left behind.

// probe is one way to break (or to stretch) an attribute, as lines of a register or provide step.
type probe struct {
	about   string // OBJECT.ATTRIBUTE, part of the name
	way     string // part of the name
	lines   []string
	outcome string // refused with LOCATION ..., or accepted
	codes   string // error codes that may say so, beside those of metadata; separated by |
	cites   string
}

// doors are the transactions a probe goes through, and the codes by which the actor behind it says that metadata is faulty (ITI TF-3 table 4.2.4.1-2): what the
// registry finds may reach the source under the registry's code, what the repository finds under its own.
var doors = []struct{ name, verb, codes, cites string }{
	{"iti41", "provide", "XDSRepositoryMetadataError|XDSRegistryMetadataError", "ITI TF-2 3.41.4.1.3"},
	{"iti42", "register", "XDSRegistryMetadataError", "ITI TF-2 3.42.4.1.3"},
}

// probesFrom is the number of the first probe; hand-written cases stay below.
const probesFrom = 10_000

var generated = sync.OnceValues(func() ([]*Case, error) {
	var out []*Case
	named := map[string]bool{}
	for _, door := range doors {
		for _, p := range probeTable(door.name) {
			c, err := p.written(door.name, door.verb, door.codes, door.cites)
			if err != nil {
				return nil, err
			}
			if named[c.Name] {
				return nil, fmt.Errorf("two probes are called %s", c.Name)
			}
			named[c.Name] = true
			c.Number, c.shared = probesFrom+len(out), true
			out = append(out, c)
		}
	}
	return out, nil
})

// Probes are the generated cases, in the order of the table.
func Probes() ([]*Case, error) { return generated() }

// written is the probe as the text of a case: it can be shown, explained and replayed like one that a person wrote.
func (p probe) written(door, verb, codes, cites string) (*Case, error) {
	name := fmt.Sprintf("probe/%s/%s/%s", door, p.about, p.way)
	var b strings.Builder
	note, expect := "Generated: the standard allows this of ", "accepted"
	if place, refused := strings.CutPrefix(p.outcome, "refused"); refused {
		if p.codes != "" {
			codes += "|" + p.codes
		}
		note, expect = "Generated: a fault of ", "refused "+codes+place+"\nkept nothing"
		if strings.HasSuffix(p.about, ".uniqueId") {
			expect = strings.Replace(expect, "kept", "stored", 1) // the unique id is not the one the harness gave
		}
	}
	fmt.Fprintf(&b, "%s%s (%s); everything else of the submission is whole.\ncites: %s; %s\n\n-- %s --\n", note, p.about, strings.ReplaceAll(p.way, "-", " "), p.cites, cites, verb)
	for _, line := range p.lines {
		b.WriteString(line + "\n")
	}
	b.WriteString("-- expect --\n" + expect + "\n")
	c, err := parseCase(name, b.String())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}
