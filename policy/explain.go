package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/xds"
)

// Step is one fact that was weighed, and what came of it.
type Step struct {
	Fact    string // what it is: "record", "refusal", "right h-12"...
	Says    string
	Decides bool // the decision rests on it
}

// Explain tells why a caller may or may not consult a record and, when e is not nil, see a document of it: every fact that was weighed, in the order it was.
// It is for who keeps the gateway, not for who asked.
func (s *Sight) Explain(patient hl7.CX, e *xds.DocumentEntry) (Decision, []Step, error) {
	if s == nil {
		return everything, []Step{{"policy", "the affinity domain has no access policy: every node is trusted", true}}, nil
	}
	v, err := s.view(patient)
	if err != nil {
		return Decision{}, nil, err
	}
	d := v.decision
	if e != nil {
		d = s.shows(v, e)
	}
	steps := []Step{{"caller", s.asked(), false}, {"record", s.recordSays(v.record), d.Reason == NoRecord}}
	if v.record == nil {
		return d, steps, nil
	}
	for _, f := range v.record.Refusals {
		if f.names(s.who.Person, s.who.Organisation) {
			steps = append(steps, Step{"refusal", "names the caller; " + term(f.From, f.Until, s.now), d.Reason == Refused && lasts(f.From, f.Until, s.now)})
		}
	}
	for i := range v.record.Rights {
		step, err := s.rightSays(v, &v.record.Rights[i])
		if err != nil {
			return Decision{}, nil, err
		}
		step.Decides = d.Allow && d.Fact != "" && d.Fact == v.record.Rights[i].ID
		steps = append(steps, step)
	}
	for _, st := range v.record.Stays {
		steps = append(steps, Step{"stay in " + st.Structure, term(st.From, st.Until, s.now), d.Allow && d.Ground == Team && d.Fact == st.Number})
	}
	if e != nil {
		steps = append(steps, s.documentSays(v, e, d)...)
	}
	return d, append(steps, Step{"decision", d.String(), true}), nil
}

func (s *Sight) asked() string {
	capacity := string(s.who.Capacity)
	if s.who.Capacity == auth.CapacityNode {
		r := s.gate.cfg.Nodes(s.who)
		return fmt.Sprintf("a node for itself, entitled to read: %t, to write: %t", r.Read, r.Write)
	}
	types, known := s.gate.cfg.Matrix.professions[s.who.Role]
	switch {
	case s.who.Capacity != auth.CapacityProfessional:
		return capacity
	case !known:
		return capacity + " of a profession that consults nothing: " + s.who.Role
	case types != nil:
		return capacity + " of a profession that consults some types of document: " + strings.Join(types, " ")
	}
	if k := s.gate.Emergency(s.who); k != "" {
		return capacity + " who asks on the ground of " + string(k)
	}
	return capacity
}

func (s *Sight) recordSays(r *Record) string {
	if r == nil || r.State == Unopened {
		return "none was opened"
	}
	text := string(r.State)
	for _, o := range []struct {
		on   bool
		text string
	}{{r.NoBreakGlass, "opposes break-glass"}, {r.NoRegulation, "opposes regulation"}, {r.MaskedInEmergency, "keeps masked what is masked in an emergency"},
		{r.NoTeams, "refuses teams"}, {s.gate.Minor(r.Birth, s.now), "the patient is a minor"}} {
		if o.on {
			text += ", " + o.text
		}
	}
	return text
}

func (s *Sight) rightSays(v *view, h *Habilitation) (Step, error) {
	holds, err := s.holds(v.record, h, s.gate.Emergency(s.who))
	who := "another's"
	if holds {
		who = "the caller's"
	}
	if len(h.Types) > 0 {
		who += ", for " + strings.Join(h.Types, " ")
	}
	return Step{Fact: "right " + h.ID, Says: string(h.Kind) + ", " + who + "; " + term(h.From, h.Until, s.now)}, err
}

func (s *Sight) documentSays(v *view, e *xds.DocumentEntry, d Decision) []Step {
	has, _ := s.gate.cfg.Matrix.traitsOf(e)
	var traitsHere []string
	for t := range traits + 1 {
		if has&(1<<t) != 0 {
			traitsHere = append(traitsHere, t.String())
		}
	}
	steps := []Step{{"document", strings.Join(traitsHere, ", "), d.Reason == Hidden || d.Reason == Gone}}
	if s.wrote(v, e.Authors) {
		steps = append(steps, Step{"author", "the caller wrote it", d.Allow && d.Ground == Author})
	}
	for _, g := range v.grounds {
		says := "shows it"
		if !covers(g.types, e) {
			says = "is not for its type"
		} else if !s.gate.cfg.Matrix.showsAll(g.kind, has, v.record.MaskedInEmergency) {
			says = "does not show what is " + strings.Join(traitsHere, " and ")
		}
		steps = append(steps, Step{"matrix " + string(g.kind), says, d.Allow && d.Ground == g.kind && d.Fact == g.fact})
	}
	return steps
}

func term(from, until, now time.Time) string {
	day := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	text := "since " + day(from)
	switch {
	case now.Before(from):
		return "begins " + day(from)
	case until.IsZero():
		return text + ", without end"
	case now.Before(until):
		return text + ", until " + day(until)
	}
	return text + ", ended " + day(until)
}
