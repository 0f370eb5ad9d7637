package policy

import (
	"slices"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
)

// view is what a caller is to one patient: on what grounds he may consult the record, or why not.
type view struct {
	record   *Record
	grounds  []ground
	barred   bool     // whatever he wrote: not about this patient, refused by the patient, no record
	decision Decision // about the record as a whole
}

type ground struct {
	kind  Kind
	fact  string
	types []string // nil: all
}

// view weighs the facts about one patient, once.
func (s *Sight) view(patient hl7.CX) (*view, error) {
	key := patient.Key()
	if v := s.views[key]; v != nil {
		return v, nil
	}
	v := &view{}
	s.views[key] = v
	var err error
	if v.record, err = s.facts.SharedRecord(patient); err != nil {
		return nil, err
	}
	if why := s.bar(v.record, patient); why != "" {
		v.barred, v.decision = true, refused(why)
		return v, nil
	}
	return v, s.weigh(v)
}

// weigh collects the grounds of a record that bars nobody, and decides about it as a whole.
func (s *Sight) weigh(v *view) error {
	why, err := s.collect(v)
	if err != nil {
		return err
	}
	if v.decision = refused(why); len(v.grounds) > 0 {
		v.decision = Decision{Allow: true, Ground: v.grounds[0].kind, Fact: v.grounds[0].fact}
	}
	return nil
}

// bar is what stands before every right [DMP-B1, DMP-B2, DMP-T3.7].
func (s *Sight) bar(r *Record, patient hl7.CX) Reason {
	switch {
	case s.who.Patient != "" && !s.about(patient):
		return NotAboutPatient
	case r == nil || r.State != Open:
		return NoRecord
	case s.refusedBy(r):
		return Refused
	}
	return ""
}

// refusedBy tells whether the patient refuses the caller or his structure, and does not let him in even in an emergency.
func (s *Sight) refusedBy(r *Record) bool {
	emergency := s.gate.Emergency(s.who) != ""
	return slices.ContainsFunc(r.Refusals, func(f Refusal) bool {
		return lasts(f.From, f.Until, s.now) && f.names(s.who.Person, s.who.Organisation) && !(emergency && f.Emergency)
	})
}

// about tells whether the assertion is about this patient.
func (s *Sight) about(patient hl7.CX) bool {
	id, err := hl7.ParseCX(s.who.Patient)
	return err == nil && id.Same(patient)
}

// names tells whether a refusal is about somebody: the person wherever he works, or anybody of the structure.
func (f *Refusal) names(person, structure string) bool {
	if f.Party.Person != "" {
		return f.Party.Person == person
	}
	return f.Party.Structure != "" && f.Party.Structure == structure
}

// collect finds the grounds, by who asks. Where there is none it says why.
func (s *Sight) collect(v *view) (Reason, error) {
	switch s.who.Capacity {
	case auth.CapacityNode:
		if s.gate.cfg.Nodes(s.who).Read {
			v.grounds = append(v.grounds, ground{kind: Node})
		}
		return NotEntitled, nil
	case auth.CapacityPatient:
		if id, err := hl7.ParseCX(s.who.Person); err == nil && id.Same(v.record.Patient) {
			v.grounds = append(v.grounds, ground{kind: Patient})
		}
		return NoRight, nil
	case auth.CapacityRepresentative:
		return s.represents(v), nil
	case auth.CapacityProfessional:
		return s.professionals(v)
	}
	return NoRight, nil
}

// represents: parents until the majority of the child, a guardian as long as his charge lasts.
func (s *Sight) represents(v *view) Reason {
	id, err := hl7.ParseCX(s.who.Person)
	if err != nil {
		return NoRight
	}
	why := NoRight
	for _, r := range v.record.Representatives {
		if own, err := hl7.ParseCX(r.Person); err != nil || !own.Same(id) {
			continue
		}
		if why = Ended; lasts(r.From, r.Until, s.now) && (r.Guardian || s.gate.Minor(v.record.Birth, s.now)) {
			v.grounds = append(v.grounds, ground{kind: Representation})
			break
		}
	}
	return why
}

// Minor tells whether somebody born on a day (YYYYMMDD) has not reached his majority at a moment. Who was born nobody knows when is of age.
func (g *Gate) Minor(birth string, at time.Time) bool {
	born, err := time.ParseInLocation("20060102", birth, at.Location())
	return err == nil && at.Before(born.AddDate(g.cfg.Majority, 0, 0))
}

// professionals holds a person of a profession that may consult against the rights of the record [DMP-T3.1 to DMP-T3.6].
func (s *Sight) professionals(v *view) (Reason, error) {
	types, known := s.gate.cfg.Matrix.professions[s.who.Role]
	if !known || s.who.Person == "" {
		return NoProfession, nil
	}
	why := NoRight
	emergency := s.gate.Emergency(s.who)
	if emergency != "" {
		if why = s.emergency(v.record, emergency); why != "" {
			return why, nil
		}
		why = Undeclared
	}
	for i := range v.record.Rights {
		h := &v.record.Rights[i]
		holds, err := s.holds(v.record, h, emergency)
		if err != nil {
			return "", err
		}
		switch {
		case !holds:
		case !lasts(h.From, h.Until, s.now):
			if why == NoRight {
				why = Ended
			}
		default:
			v.grounds = append(v.grounds, ground{h.Kind, h.ID, both(types, h.Types)})
		}
	}
	if err := s.stays(v, types); err != nil {
		return "", err
	}
	// The widest first: that is the one a decision names.
	slices.SortStableFunc(v.grounds, func(a, b ground) int { return slices.Index(kinds, a.kind) - slices.Index(kinds, b.kind) })
	return why, nil
}

// emergency is why an exceptional access is refused whatever right there is [DMP-T3.6].
func (s *Sight) emergency(r *Record, k Kind) Reason {
	switch {
	case k == BreakGlass && s.who.Reason == "":
		return NoReason
	case k == BreakGlass && r.NoBreakGlass, k == Regulation && r.NoRegulation:
		return Opposed
	case k == Regulation && len(s.gate.cfg.RegulatedFrom) > 0 && !slices.Contains(s.gate.cfg.RegulatedFrom, s.who.Organisation):
		return NotEntitled
	}
	return ""
}

// holds tells whether a right is the caller's, its term apart.
func (s *Sight) holds(r *Record, h *Habilitation, emergency Kind) (bool, error) {
	switch h.Kind {
	case BreakGlass, Regulation:
		return h.Kind == emergency && s.party(h.Party), nil
	case Group:
		return s.member(h.Party.Group, h)
	case Team:
		return s.team(r, h.Party.Structure, h)
	case Delegation:
		// It may be to a whole laboratory: who will read the sample is not known beforehand.
		called := s.party(h.Party) || h.Party.Person == "" && h.Party.Structure != "" && h.Party.Structure == s.who.Organisation
		return called && s.delegated(r, h.Delegator), nil
	default:
		return s.party(h.Party), nil
	}
}

// party tells whether the caller is the person a right names, in the structure it names if it does.
func (s *Sight) party(p Party) bool {
	return p.Person != "" && p.Person == s.who.Person && (p.Structure == "" || p.Structure == s.who.Organisation)
}

func (s *Sight) member(group string, h *Habilitation) (bool, error) {
	if group == "" || slices.Contains(h.Except, s.who.Person) {
		return false, nil
	}
	members, err := s.facts.Members(group)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(members, func(m Membership) bool { return m.Party.Person == s.who.Person && lasts(m.From, m.Until, s.now) }), nil
}

// team: the institution attests membership, by speaking for its member itself, or has listed him.
func (s *Sight) team(r *Record, structure string, h *Habilitation) (bool, error) {
	if structure == "" || r.NoTeams || slices.Contains(h.Except, s.who.Person) {
		return false, nil
	}
	if s.who.Organisation == structure {
		return true, nil
	}
	return s.member(structure, h)
}

// delegated tells whether the delegator's own right stands: one of his own, neither delegated nor of an emergency, and no refusal against him.
func (s *Sight) delegated(r *Record, delegator string) bool {
	for _, f := range r.Refusals {
		if f.Party.Person == delegator && lasts(f.From, f.Until, s.now) {
			return false
		}
	}
	return slices.ContainsFunc(r.Rights, func(h Habilitation) bool {
		own := h.Kind == Attending || h.Kind == Allegation || h.Kind == Granted
		return own && h.Party.Person == delegator && lasts(h.From, h.Until, s.now)
	})
}

// stays give the team of an institution its right from the admission to a while after the discharge [DMP-T3.5].
func (s *Sight) stays(v *view, types []string) error {
	if len(v.record.Stays) == 0 {
		return nil
	}
	for i := range v.record.Stays {
		st := &v.record.Stays[i]
		if st.Refused || !lasts(st.From, s.gate.teamUntil(st), s.now) {
			continue
		}
		in, err := s.team(v.record, st.Structure, &Habilitation{Except: st.Except})
		if err != nil {
			return err
		}
		if in {
			v.grounds = append(v.grounds, ground{Team, st.Number, types})
			return nil
		}
	}
	return nil
}

// teamUntil is when the right of a stay's team ends; zero while the stay lasts.
func (g *Gate) teamUntil(st *Stay) time.Time {
	if st.Until.IsZero() {
		return st.Until
	}
	return st.Until.Add(g.cfg.TeamAfter)
}

// both are the types within two limits; nil is no limit.
func both(a, b []string) []string {
	switch {
	case len(b) == 0:
		return a
	case a == nil:
		return b
	}
	out := []string{}
	for _, t := range a {
		if slices.Contains(b, t) {
			out = append(out, t)
		}
	}
	return out
}

// lasts tells whether a moment lies in a term.
func lasts(from, until, now time.Time) bool {
	return !now.Before(from) && (until.IsZero() || now.Before(until))
}
