package policy

import (
	"slices"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/xds"
)

// Consents is what the acknowledgement of a privacy policy says about a record, by the policy's OID (BPPC, ITI TF-3 5.1): a table of the affinity domain.
type Consents map[string]Choice

// Choice is what the patient decides by acknowledging a policy.
type Choice string

// The choices.
const (
	ChooseOpen              Choice = "open"                // a record is opened for him
	ChooseNoBreakGlass      Choice = "no-break-glass"      // he opposes it
	ChooseNoRegulation      Choice = "no-regulation"       // he opposes it
	ChooseMaskedInEmergency Choice = "masked-in-emergency" // what is masked stays so
	ChooseNoTeams           Choice = "no-teams"            // no collective rights
)

var choices = map[Choice]func(r *Record, on bool){
	ChooseOpen:              func(*Record, bool) {},
	ChooseNoBreakGlass:      func(r *Record, on bool) { r.NoBreakGlass = on },
	ChooseNoRegulation:      func(r *Record, on bool) { r.NoRegulation = on },
	ChooseMaskedInEmergency: func(r *Record, on bool) { r.MaskedInEmergency = on },
	ChooseNoTeams:           func(r *Record, on bool) { r.NoTeams = on },
}

// consentFormats are the format codes of consent documents [ITI TF-3 5.1.1], unsigned and scanned.
var consentFormats = []string{"urn:ihe:iti:bppc:2007", "urn:ihe:iti:bppc-sd:2007"}

// said gives what a consent document says, from its metadata: the policies that were acknowledged stand in the event codes [ITI TF-3 5.1.1.1].
func (m *Matrix) said(e *xds.DocumentEntry) []Choice {
	if !slices.Contains(consentFormats, e.FormatCode.Code) {
		return nil
	}
	var list []Choice
	for _, c := range e.EventCodes {
		if choice, ok := m.consents[strings.TrimPrefix(c.Code, "urn:oid:")]; ok {
			list = append(list, choice)
		}
	}
	return list
}

// Opens tells whether a document is the patient's consent to a record.
func (g *Gate) Opens(e *xds.DocumentEntry) bool {
	return g != nil && slices.Contains(g.cfg.Matrix.said(e), ChooseOpen)
}

// Consented gives the record as a consent document makes it, and whether that is another than before. replaced is the document in whose place it comes, if any:
// what that one said is no longer said. The word of a node alone is none: somebody must have collected it.
func (g *Gate) Consented(r *Record, c auth.Caller, e, replaced *xds.DocumentEntry) (*Record, bool) {
	if g == nil || c.Capacity == auth.CapacityNode {
		return r, false
	}
	now := g.cfg.Matrix.said(e)
	var before []Choice
	if replaced != nil {
		before = g.cfg.Matrix.said(replaced)
	}
	if len(now) == 0 && len(before) == 0 {
		return r, false
	}
	next := Record{Patient: xds.NormalPatientID(e.PatientID)}
	if r != nil {
		next = *r
	}
	for _, choice := range before {
		choices[choice](&next, false)
	}
	for _, choice := range now {
		choices[choice](&next, true)
		if choice == ChooseOpen && (next.State == Unopened || next.State == Closed) {
			next.State = Open
			next.Consent = Consent{Way: wayOf(c), By: Party{Person: c.Person, Name: c.PersonName, Role: c.Role, Structure: c.Organisation},
				Where: c.Organisation, Notice: string(e.UniqueID), At: g.cfg.Clock().Truncate(time.Second)}
		}
	}
	next.Version++
	return &next, true
}

func wayOf(c auth.Caller) Way {
	switch c.Capacity {
	case auth.CapacityPatient, auth.CapacityRepresentative:
		return ByPatient
	case auth.CapacityOperator:
		return AtCounter
	}
	return ByProfessional
}
