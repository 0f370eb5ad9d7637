package policy

import (
	"reflect"
	"slices"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/xds"
)

// Feed tells whether the caller may put documents into a patient's record. Writing needs no right to read [DMP-B3], an open record [DMP-B1], and somebody
// who may write: a professional, a node that is entitled to, the patient himself or who represents him.
func (s *Sight) Feed(patient hl7.CX) (Decision, error) {
	if s == nil {
		return everything, nil
	}
	r, err := s.facts.SharedRecord(patient)
	if err != nil {
		return Decision{}, err
	}
	switch {
	case s.who.Patient != "" && !s.about(patient):
		return refused(NotAboutPatient), nil
	case r == nil || r.State != Open:
		return refused(NoRecord), nil
	}
	switch s.who.Capacity {
	case auth.CapacityProfessional:
		if _, known := s.gate.cfg.Matrix.professions[s.who.Role]; !known {
			return refused(NoProfession), nil
		}
		return Decision{Allow: true, Ground: Author}, nil
	case auth.CapacityNode:
		if s.gate.cfg.Nodes(s.who).Write {
			return Decision{Allow: true, Ground: Node}, nil
		}
		return refused(NotEntitled), nil
	}
	return s.Consult(patient)
}

// Deposit tells whether the caller may put a document as it is marked: what a secret connection feeds, representatives do not see; and unless configured
// otherwise nothing is hidden from professionals and from the patient at once. Signatures of a submission, which nobody reads, are both.
func (s *Sight) Deposit(e *xds.DocumentEntry) Decision {
	if s == nil {
		return everything
	}
	m := s.gate.cfg.Matrix
	if m.traits[e.FormatCode.Code+"^"+e.FormatCode.Scheme] == signature {
		return Decision{Allow: true}
	}
	has, _ := m.traitsOf(e)
	switch {
	case s.who.Secret && has&(1<<FromRepresentatives) == 0:
		return refused(SecretFeed)
	case !s.gate.cfg.MaskedAndHid && has&(1<<Masked) != 0 && has&(1<<Unannounced) != 0:
		return refused(MaskedAndHidden)
	}
	return Decision{Allow: true}
}

// Replace tells whether the caller may put another document in the place of e: its author, somebody of the author's structure, the attending physician, or
// who else may amend it. Who may not hears what he would hear if e were not there.
func (s *Sight) Replace(e *xds.DocumentEntry) (Decision, error) {
	if s == nil {
		return everything, nil
	}
	v, err := s.view(e.PatientID)
	if err != nil {
		return Decision{}, err
	}
	if _, gone := s.gate.cfg.Matrix.traitsOf(e); gone {
		return refused(Gone), nil
	}
	if v.record == nil || v.record.State != Open {
		return refused(NoRecord), nil
	}
	if s.wrote(v, e.Authors) || s.wroteHere(e.Authors) {
		return Decision{Allow: true, Ground: Author}, nil
	}
	for i := range v.grounds {
		if g := &v.grounds[i]; g.kind == Attending || g.kind == Patient || g.kind == Representation {
			return Decision{Allow: true, Ground: g.kind, Fact: g.fact}, nil
		}
	}
	return refused(NotYours), nil
}

// Continue tells whether the caller may add to a folder that a submission set brought, though he sees nothing in it: he, or somebody of his structure, submitted it.
func (s *Sight) Continue(set *xds.SubmissionSet) (bool, error) {
	if s == nil {
		return true, nil
	}
	v, err := s.view(set.PatientID)
	return err == nil && (s.wrote(v, set.Authors) || s.wroteHere(set.Authors)), err
}

// wroteHere tells whether the caller speaks for a structure of the authors.
func (s *Sight) wroteHere(authors []xds.Author) bool {
	own := s.who.Organisation
	if s.who.Capacity == auth.CapacityNode {
		own = s.gate.cfg.Nodes(s.who).Structure
	}
	if own == "" {
		return false
	}
	for i := range authors {
		for _, in := range authors[i].Institutions {
			if in.ID() == own {
				return true
			}
		}
	}
	return false
}

// Inherit gives a document the mask of the one it replaces: a new version of what the patient masked stays masked until he says otherwise [DMP-B7].
func (g *Gate) Inherit(e, replaced *xds.DocumentEntry) {
	if g == nil {
		return
	}
	m := g.cfg.Matrix
	if has, _ := m.traitsOf(e); has&(1<<Masked) != 0 || m.traits[e.FormatCode.Code+"^"+e.FormatCode.Scheme] == signature {
		return
	}
	for _, c := range replaced.ConfidentialityCodes {
		if m.traits[c.Code+"^"+c.Scheme] == Masked {
			e.ConfidentialityCodes = append(e.ConfidentialityCodes, c)
		}
	}
}

// Acts gives what a new version of a document's metadata does to it, beside nothing.
func (g *Gate) Acts(before, after *xds.DocumentEntry) []Act {
	if g == nil {
		return nil
	}
	old, _ := g.cfg.Matrix.traitsOf(before)
	now, _ := g.cfg.Matrix.traitsOf(after)
	var list []Act
	for _, c := range []struct {
		trait       Trait
		put, remove Act
	}{{Masked, Mask, Unmask}, {Unannounced, Conceal, Announce}, {FromRepresentatives, Conceal, Disclose}, {Archived, Archive, Unarchive}, {gone, Delete, Delete}} {
		switch bit := uint16(1) << c.trait; {
		case old&bit == 0 && now&bit != 0:
			list = append(list, c.put)
		case old&bit != 0 && now&bit == 0:
			list = append(list, c.remove)
		}
	}
	if !sameButVisibility(g.cfg.Matrix, before, after) || len(list) == 0 && before.Status != after.Status {
		list = append(list, Amend)
	}
	return list
}

// sameButVisibility compares what two versions say beside status, version and the codes that hide.
func sameButVisibility(m *Matrix, a, b *xds.DocumentEntry) bool {
	x, y := *a, *b
	x.Header, y.Header = xds.Header{Extra: a.Extra}, xds.Header{Extra: b.Extra}
	for _, e := range []*xds.DocumentEntry{&x, &y} {
		e.ConfidentialityCodes = slices.DeleteFunc(slices.Clone(e.ConfidentialityCodes), func(c xds.Code) bool {
			t, ok := m.traits[c.Code+"^"+c.Scheme]
			return ok && t >= Masked
		})
		if len(e.ConfidentialityCodes) == 0 {
			e.ConfidentialityCodes = nil
		}
	}
	return reflect.DeepEqual(x, y)
}
