package xds

import (
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
)

// Resolve puts the identifiers by which documents are filed in the place of those that the submission names. Where find has none that is a fault of
// the submission, once for each identifier; so is a patient other than the one whom the assertion of the caller is about. An entry that does not say
// how its source knows the patient is given the identifier that was replaced. Its error is that of find.
func (s *Submission) Resolve(c auth.Caller, find Filed) error {
	asked := map[string]hl7.CX{}
	resolve := func(p Place, id *hl7.CX) (changed bool, err error) {
		if id.ID == "" {
			return false, nil
		}
		filed, known := asked[id.Key()]
		if !known {
			var ok bool
			if filed, ok, err = find(*id); err != nil {
				return false, err
			}
			if !ok {
				filed = *id
				p.Attribute = "patientId"
				f := Findings{}
				f.Add(CodeUnknownPatientID, p, id.String(), "no qualified patient is known by this identifier of the source; feed the patient first (ITI-8, ITI-30 or ITI-44)", "ITI TF-2 3.42.4.1.3.3")
				s.Faults = append(s.Faults, f.List...)
			}
			asked[id.Key()] = filed
		}
		if filed.Same(*id) {
			return false, nil
		}
		*id = filed
		return true, nil
	}
	set := Place{Kind: "SubmissionSet", ID: s.Set.ID}
	if _, err := resolve(set, &s.Set.PatientID); err != nil {
		return err
	}
	if ok, err := Concerns(c, s.Set.PatientID, find); err != nil {
		return err
	} else if !ok && s.Set.PatientID.ID != "" {
		set.Attribute = "patientId"
		f := Findings{}
		f.Add(CodePatientIDDoesNotMatch, set, s.Set.PatientID.String(), notConcerned, "ITI TF-2 3.40.4.1.2")
		s.Faults = append(s.Faults, f.List...)
	}
	for i := range s.Entries {
		e := &s.Entries[i]
		local := e.PatientID
		changed, err := resolve(Place{Kind: "DocumentEntry", Index: i + 1, ID: e.ID}, &e.PatientID)
		if err != nil {
			return err
		}
		if changed && e.SourcePatientID.IsZero() {
			e.SourcePatientID = local
		}
	}
	for i := range s.Folders {
		if _, err := resolve(Place{Kind: "Folder", Index: i + 1, ID: s.Folders[i].ID}, &s.Folders[i].PatientID); err != nil {
			return err
		}
	}
	return nil
}
