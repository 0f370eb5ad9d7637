package policy

import (
	"slices"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
)

// Standing tells on what ground the caller would consult a record if it were open: the rule of Consult, for acts on the record itself, of which some are done on
// one that is closed. Whom an assertion is about is not asked.
func (s *Sight) Standing(r *Record) (Decision, error) {
	if s.refusedBy(r) {
		return refused(Refused), nil
	}
	v := &view{record: r}
	if err := s.weigh(v); err != nil {
		return Decision{}, err
	}
	return v.decision, nil
}

// Exception tells on what exceptional ground the caller is let in once he has declared it, or why he is not. In the ordinary way there is none, and no reason.
func (s *Sight) Exception(r *Record) (Kind, Reason) {
	k := s.gate.Emergency(s.who)
	_, known := s.gate.cfg.Matrix.professions[s.who.Role]
	switch {
	case k == "":
		return "", ""
	case s.refusedBy(r):
		return k, Refused
	case !known || s.who.Capacity != auth.CapacityProfessional:
		return k, NoProfession
	}
	return k, s.emergency(r, k)
}

// Member tells whether the caller belongs to a group practice today.
func (s *Sight) Member(group string) (bool, error) { return s.member(group, &Habilitation{}) }

// MayDelegate tells whether the caller has a right that he can extend to others [DMP-T3.4].
func (s *Sight) MayDelegate(r *Record) bool { return s.delegated(r, s.who.Person) }

// InForce lists the rights that entitle somebody at a moment, whoever it is, those that stays give to teams among them.
func (g *Gate) InForce(r *Record, at time.Time) []Habilitation {
	s := &Sight{gate: g, now: at}
	list := slices.Clone(r.Rights)
	for i := range r.Stays {
		if st := &r.Stays[i]; !st.Refused {
			list = append(list, Habilitation{Kind: Team, Party: Party{Structure: st.Structure}, From: st.From, Until: g.teamUntil(st), Except: st.Except, Declared: st.From})
		}
	}
	return slices.DeleteFunc(list, func(h Habilitation) bool {
		blocked := slices.ContainsFunc(r.Refusals, func(f Refusal) bool { return lasts(f.From, f.Until, at) && f.names(h.Party.Person, h.Party.Structure) })
		return blocked || !lasts(h.From, h.Until, at) || h.Kind == Team && r.NoTeams || h.Kind == Delegation && !s.delegated(r, h.Delegator)
	})
}
