package manager_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// prpa writes an interaction about one patient of the domain; prior is empty but for a merge.
func prpa(interaction, patient, prior string) string {
	s := `<` + interaction + ` xmlns="urn:hl7-org:v3" ITSVersion="XML_1.0"><id root="1.2.3" extension="M1"/><interactionId root="2.16.840.1.113883.1.6" extension="` + interaction + `"/>` +
		`<processingCode code="P"/><processingModeCode code="T"/><receiver><device><id root="1.2.3.6"/></device></receiver><sender><device><id root="1.2.3.4"/></device></sender>` +
		`<controlActProcess><subject><registrationEvent><subject1><patient><id root="` + domain + `" extension="` + patient + `"/></patient></subject1>`
	if prior != "" {
		s += `<replacementOf><priorRegistration><subject1><priorRegisteredRole><id root="` + domain + `" extension="` + prior + `"/></priorRegisteredRole></subject1></priorRegistration></replacementOf>`
	}
	return s + `</registrationEvent></subject></controlActProcess></` + interaction + `>`
}

func TestITI44(t *testing.T) {
	m, store := world(t)
	steps := []struct{ in, answer, audit, refused string }{
		{prpa("PRPA_IN201301UV02", "A", ""), `<typeCode code="CA"/>`, "ITI-44 C 0 A" + aa, ""},
		{prpa("PRPA_IN201302UV02", "B", ""), `<typeCode code="CA"/>`, "ITI-44 U 0 B" + aa, ""},
		{prpa("PRPA_IN201304UV02", "B", "A"), `<typeCode code="CA"/>`, "ITI-44 U 0 B" + aa + " ITI-44 D 0 A" + aa, ""},
		{prpa("PRPA_IN201304UV02", "B", "Z"), `<typeCode code="CE"/>`, "", "ITI-44 U 4 B" + aa + " ITI-44 D 4 Z" + aa},
		{prpa("PRPA_IN201309UV02", "B", ""), `<typeCode code="CR"/>`, "", "ITI-44 U 4 -"},
	}
	for i, c := range steps {
		got, err := m.AnswerITI44(t.Context(), auth.Caller{Address: "192.0.2.9", ReplyTo: "http://peer.example", Endpoint: "https://gw.example/iti44"},
			func(f func(*xmlpull.Reader) error) error {
				return f(xmlpull.NewReader([]byte(c.in), xmlpull.Options{}))
			})
		if err != nil || !strings.Contains(string(got), c.answer) || !strings.Contains(string(got), `<targetMessage><id root="1.2.3" extension="M1"/></targetMessage>`) {
			t.Errorf("%d: %v %s", i, err, got)
		}
		if i == 0 {
			d := store.Audit[0].ParticipantObjects[0].ParticipantObjectDetails[0]
			if d.Type != "II" || string(d.Value) != "M1@1.2.3" || store.Audit[0].ActiveParticipants[0].UserID != "http://peer.example" {
				t.Errorf("%+v", store.Audit[0])
			}
		}
		if got := strings.Join(store.drain(&store.Audit), " "); got != c.audit {
			t.Errorf("%d: audited %q", i, got)
		}
		if got := strings.Join(store.drain(&store.refused), " "); got != c.refused {
			t.Errorf("%d: refusal audited %q", i, got)
		}
	}
	if !store.Patients[id("A").Key()].MergedInto.Same(id("B")) {
		t.Error("not merged")
	}
	_, err := m.AnswerITI44(t.Context(), auth.Caller{}, func(f func(*xmlpull.Reader) error) error {
		return f(xmlpull.NewReader([]byte("<PRPA_IN201301UV02"), xmlpull.Options{}))
	})
	if err == nil || !reflect.DeepEqual(store.drain(&store.refused), []string{"ITI-44 U 8 -"}) {
		t.Errorf("not XML: %v", err)
	}
}
