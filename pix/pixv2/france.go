package pixv2

import (
	"slices"

	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/wire/hl7v2"
)

// What PID-32 and ZFD say in French messages (PAM.FR), as data. A code that is not here says nothing of trust.
var (
	reliabilityStatus = map[string]pix.Status{"PROV": pix.Provisional, "RECUP": pix.Recovered, "VALI": pix.Validated, "QUAL": pix.Qualified}
	reliabilityFlags  = map[string]pix.Flags{
		"HOMD": pix.Homonym, "HOMA": pix.Homonym, "HOMO": pix.Homonym,
		"DOUTE": pix.Doubtful, "DOUT": pix.Doubtful, "USUR": pix.Doubtful, "COLP": pix.Doubtful, "COLV": pix.Doubtful,
		"FICTI": pix.Fictitious, "FICT": pix.Fictitious, "ANOM": pix.Fictitious,
	}
)

// proof is how an older message says that a validated identity with a national identifier is a qualified one: it knows no status for that, and
// names the national service as the source of the identifier beside the document that was seen.
var proof = struct {
	segment     string
	fields      map[int]string
	authorities []string // of the national identifier that must be there
}{"ZFD", map[int]string{3: "Y", 5: "INSI"}, []string{"1.2.250.1.213.1.4.8", "1.2.250.1.213.1.4.9", "1.2.250.1.213.1.4.10", "1.2.250.1.213.1.4.11"}}

// reliability reads PID-32. Of several statuses the least trusting counts.
func reliability(f hl7v2.Field) (s pix.Status, flags pix.Flags) {
	order := []pix.Status{pix.Provisional, pix.Recovered, pix.Validated, pix.Qualified}
	for i := range min(f.Repetitions(), maxRepetitions) {
		code := f.Repetition(i + 1).Component(1).Value()
		flags |= reliabilityFlags[code]
		if said := reliabilityStatus[code]; said != "" && (s == "" || slices.Index(order, said) < slices.Index(order, s)) {
			s = said
		}
	}
	if s == "" && flags != 0 {
		s = pix.Provisional // a flag alone is news too, and none to trust by
	}
	return s, flags
}

// proven makes a validated identity a qualified one where the message proves it.
func proven(p *pix.Patient, m *hl7v2.Message) {
	if p.Status != pix.Validated {
		return
	}
	national := false
	for _, id := range append(slices.Clone(p.OtherIDs), p.ID) {
		national = national || slices.Contains(proof.authorities, id.AssigningAuthority.UniversalID)
	}
	z, ok := m.First(proof.segment)
	for n, want := range proof.fields {
		ok = ok && z.Field(n).Value() == want
	}
	if national && ok {
		p.Status = pix.Qualified
	}
}
