package td_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/dmp/td"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/wire/hl7v3"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

func reader(s string) *xmlpull.Reader { return xmlpull.NewReader([]byte(s), xmlpull.Options{}) }

// message is a message of the registration service: its wrapper around a control act.
func message(interaction, act string) string {
	return `<` + interaction + ` ITSVersion="XML_1.0" xmlns="urn:hl7-org:v3"><id root="1.2.3" extension="m-1"/><creationTime value="20261123083000"/>` +
		`<interactionId root="2.16.840.1.113883.1.6" extension="` + interaction + `"/><processingCode code="P"/><processingModeCode code="T"/><acceptAckCode code="AL"/>` +
		`<receiver typeCode="RCV"><device classCode="DEV" determinerCode="INSTANCE"><id root="1.2.250.1.213.4.1.1.1"/></device></receiver>` +
		`<sender typeCode="SND"><device classCode="DEV" determinerCode="INSTANCE"><id root="1.2.3"/><softwareName>Cabinet 3</softwareName></device></sender>` +
		`<controlActProcess classCode="CACT" moodCode="EVN">` + act + `</controlActProcess></` + interaction + `>`
}

func query(reason string) string {
	return message("PRPA_IN201307UV02", `<reasonCode code="`+reason+`" codeSystem="1.2.250.1.213.1.1.4.11"/><queryByParameter><queryId root="1.2.3" extension="q-1"/><statusCode code="new"/>`+
		`<parameterList><patientIdentifier><value root="1.2.250.1.213.1.4.10" extension="279035121518989"/><semanticsText>Patient.id</semanticsText></patientIdentifier></parameterList></queryByParameter>`)
}

func observed(code, value string) string {
	return `<subjectOf typeCode="SBJ"><administrativeObservation classCode="OBS" moodCode="EVN"><code code="` + code + `" codeSystem="1.2.250.1.213.4.1.2.3"/>` +
		`<value xmlns:x="http://www.w3.org/2001/XMLSchema-instance" x:type="BL" value="` + value + `"/></administrativeObservation></subjectOf>`
}

func registration(interaction, reason, status, inside, after string) string {
	return message(interaction, `<reasonCode code="`+reason+`" codeSystem="1.2.250.1.213.1.1.4.11"/><subject typeCode="SUBJ"><registrationRequest classCode="REG" moodCode="RQO"><statusCode code="active"/>`+
		`<subject1 typeCode="SBJ"><patient classCode="PAT"><id root="1.2.250.1.213.1.4.10" extension="279035121518989"/><statusCode code="`+status+`"/>`+
		`<patientPerson classCode="PSN" determinerCode="INSTANCE"><name><prefix>MME</prefix><given>ZOE</given><given>ANNE</given><family qualifier="BR">ESSAI</family><family qualifier="SP">DURAND</family></name>`+
		`<telecom value="mailto:zoe@example.org"/><administrativeGenderCode code="F"/><birthTime value="19790302"/>`+
		`<personalRelationship classCode="PRS"><code code="GUARD"/><relationshipHolder1 classCode="PSN" determinerCode="INSTANCE"><id root="1.2.250.1.213.1.4.10" extension="1"/><name><given>PAUL</given><family>DURAND</family></name></relationshipHolder1></personalRelationship>`+
		`</patientPerson>`+inside+`</patient></subject1></registrationRequest></subject>`+after)
}

const closing = `<reasonOf typeCode="RSON"><detectedIssueEvent classCode="ALRT" moodCode="EVN"><code code="FERMETURE_DEMANDE_PATIENT" codeSystem="1.2.250.1.213.4.1.2.4"/></detectedIssueEvent></reasonOf>`

func TestDecode(t *testing.T) {
	m, err := td.DecodePatientQuery(reader(query("CNSLT_DATA")))
	if err != nil || m.Reason != td.ConsultData || m.Patient.Key() != "279035121518989^^^&1.2.250.1.213.1.4.10&ISO" || m.QueryID.Extension != "q-1" {
		t.Errorf("%+v %v", m, err)
	}
	m, err = td.DecodeRegistration(reader(registration("PRPA_IN201311UV02", "REAC", "active", observed("CONSENTEMENT_REACTIVATION_DMP", "true")+observed("OPPOSITION_BRIS_DE_GLACE", "false"), "")))
	want := map[string]bool{"CONSENTEMENT_REACTIVATION_DMP": true, "OPPOSITION_BRIS_DE_GLACE": false}
	if err != nil || m.Reason != td.Reactivate || !reflect.DeepEqual(m.Observations, want) || m.Person.BirthDate != "19790302" || m.Person.Sex != "F" {
		t.Fatalf("%+v %v", m, err)
	}
	if got := m.Person.Names; len(got) != 2 || got[0] != "ESSAI^ZOE^ANNE^^MME^^L" || got[1] != "DURAND^ZOE^^^MME^^D" {
		t.Errorf("%q", got)
	}
	if r := m.Representatives; len(r) != 1 || r[0].Name != "PAUL DURAND" || !r[0].Guardian || r[0].ID.ID != "1" {
		t.Errorf("%+v", r)
	}
	m, err = td.DecodeRegistration(reader(registration("PRPA_IN201314UV02", "FERM", "terminated", "", closing)))
	if err != nil || m.Reason != td.Close || m.Closing != "FERMETURE_DEMANDE_PATIENT" {
		t.Errorf("%+v %v", m, err)
	}
}

func TestRefused(t *testing.T) {
	const at = "/PRPA_IN201314UV02/controlActProcess"
	for name, c := range map[string]struct{ text, location string }{
		"reason of another interaction": {registration("PRPA_IN201314UV02", "CREA_RD", "active", "", ""), "/PRPA_IN201314UV02/controlActProcess/reasonCode"},
		"status":                        {registration("PRPA_IN201314UV02", "FERM", "active", "", closing), at + "/subject/registrationRequest/subject1/patient/statusCode"},
		"no reason of closing":          {registration("PRPA_IN201314UV02", "FERM", "terminated", "", ""), at + "/reasonOf/detectedIssueEvent/code"},
		"unknown reason of closing":     {registration("PRPA_IN201314UV02", "FERM", "terminated", "", strings.Replace(closing, "DEMANDE", "ENVIE", 1)), at + "/reasonOf/detectedIssueEvent/code"},
		"unknown observation":           {registration("PRPA_IN201314UV02", "MODIF_DATA", "active", observed("NOUVELLE", "true"), ""), at + "/subject/registrationRequest/subject1/patient/subjectOf/administrativeObservation/code"},
		"observation of two minds":      {registration("PRPA_IN201314UV02", "MODIF_DATA", "active", observed("OPPOSITION_BRIS_DE_GLACE", "true")+observed("OPPOSITION_BRIS_DE_GLACE", "false"), ""), at + "/subject/registrationRequest/subject1/patient/subjectOf/administrativeObservation/code"},
		"observation without value":     {registration("PRPA_IN201314UV02", "MODIF_DATA", "active", strings.Replace(observed("OPPOSITION_BRIS_DE_GLACE", "true"), ` value="true"`, "", 1), ""), at + "/subject/registrationRequest/subject1/patient/subjectOf/administrativeObservation/value"},
		"interaction id":                {strings.Replace(registration("PRPA_IN201314UV02", "MODIF_DATA", "active", "", ""), `extension="PRPA_IN201314UV02"`, `extension="PRPA_IN201311UV02"`, 1), "/PRPA_IN201314UV02/interactionId"},
		"two identifiers":               {strings.Replace(registration("PRPA_IN201314UV02", "MODIF_DATA", "active", "", ""), `<statusCode code="active"/><patientPerson`, `<id root="1.2.250.1.213.1.4.10" extension="2"/><statusCode code="active"/><patientPerson`, 1), ""},
		"an element of nobody's":        {strings.Replace(registration("PRPA_IN201314UV02", "MODIF_DATA", "active", "", ""), "<birthTime", "<colour/><birthTime", 1), at + "/subject/registrationRequest/subject1/patient/patientPerson/colour"},
		"another interaction":           {query("TEST_EXST"), "/PRPA_IN201307UV02"},
	} {
		_, err := td.DecodeRegistration(reader(c.text))
		var wrong *hl7v3.Error
		if !errors.As(err, &wrong) || c.location != "" && wrong.Location != c.location {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := td.DecodePatientQuery(reader(strings.Replace(query("TEST_EXST"), `extension="279035121518989"`, "", 1)))
	var wrong *hl7v3.Error
	if !errors.As(err, &wrong) || !wrong.Missing {
		t.Error(err)
	}
}

func TestServiceRequests(t *testing.T) {
	const h, p = ` xmlns="urn:si-dmp-habilitations"`, ` xmlns="urn:si-dmp-patients"`
	set, err := td.DecodeSetAuthorization(reader(`<setAuthorization` + h + `><action>SUPPRESSION</action><role>MEDECIN_TRAITANT</role></setAuthorization>`))
	if err != nil || set != (td.SetAuthorization{Remove: true, Attending: true}) {
		t.Errorf("%+v %v", set, err)
	}
	for _, wrong := range []string{`<setAuthorization` + h + `/>`, `<setAuthorization` + h + `><action>AUTRE</action></setAuthorization>`, `<setAuthorization` + h + `><role>MEDECIN_TRAITANT</role><action>AJOUT</action></setAuthorization>`,
		`<setAuthorization` + h + `><action>AJOUT</action><action>AJOUT</action></setAuthorization>`, `<setAuthorization><action>AJOUT</action></setAuthorization>`, `<setAuthorization` + h + ` x="1"><action>AJOUT</action></setAuthorization>`,
		`<setAuthorization` + h + `><action>AJOUT<b/></action></setAuthorization>`} {
		if _, err := td.DecodeSetAuthorization(reader(wrong)); err == nil {
			t.Errorf("%s is taken", wrong)
		}
	}
	if mode, err := td.DecodeListAuthorization(reader(`<listAuthorizationByPatient` + h + `/>`)); err != nil || mode != "TOUTE" {
		t.Error(mode, err)
	}
	if mode, err := td.DecodeListAuthorization(reader(`<listAuthorizationByPatient` + h + `><mode>ACTIVE</mode></listAuthorizationByPatient>`)); err != nil || mode != "ACTIVE" {
		t.Error(mode, err)
	}
	list, err := td.DecodePatientList(reader(`<patientList` + p + `><startDate>20260301120000</startDate><dateType>LASTDOC</dateType></patientList>`))
	if err != nil || list.By != "LASTDOC" || !list.Since.Equal(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v %v", list, err)
	}
	for _, date := range []string{"2026", "20261301", "202603011200", "20260301120000000", "hier"} {
		if _, err := td.DecodePatientList(reader(`<patientList` + p + `><startDate>` + date + `</startDate></patientList>`)); err == nil {
			t.Errorf("%s is a date", date)
		}
	}
}

// TestGolden pins what we say, byte by byte.
func TestGolden(t *testing.T) {
	at := time.Date(2026, 11, 23, 8, 30, 0, 0, time.UTC)
	o := td.Origin{Time: at, ID: "0190a1b2-0000-7000-8000-000000000001", Device: "1.2.250.1.213.4.1.1.1", Name: "DMP"}
	zoe := pix.Demographics{Names: []hl7.XPN{"ESSAI^ZOE^ANNE^^MME^^L", "DURAND^ZOE^^^^^D"}, BirthDate: "19790302", Sex: "F", Telecoms: []string{"0102030405^PRS^CP", "^NET^Internet^zoe@example.org"}}
	ins := hl7.CX{ID: "279035121518989", AssigningAuthority: hl7.HD{UniversalID: "1.2.250.1.213.1.4.10", UniversalIDType: "ISO"}}
	ask, err := td.DecodePatientQuery(reader(query("TEST_EXST")))
	if err != nil {
		t.Fatal(err)
	}
	create, err := td.DecodeRegistration(reader(registration("PRPA_IN201311UV02", "CREA_RD", "active", observed("CONSENTEMENT_CREATION_DMP", "true"), "")))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, map[string][]byte{
		"existence":   td.AppendPatient(nil, ask, td.Answer{Found: true, Status: "terminated", Authorization: "EXPIREE", Attending: false, Closed: at, Closing: "FERMETURE_DEMANDE_PATIENT", IDs: []hl7.CX{ins}, Person: zoe}, o),
		"none":        td.AppendPatient(nil, ask, td.Answer{}, o),
		"refused":     td.AppendPatient(nil, ask, td.Answer{Code: "AccessDenied", Text: "access denied"}, o),
		"created":     td.AppendRegistered(nil, create, td.Answer{Status: "active", Person: create.Person}, o),
		"not-created": td.AppendRegistered(nil, create, td.Answer{Code: "DMPFound", Text: "the patient has a record & it is open"}, o),
		"rights": td.AppendListAuthorization(nil, []td.Authorized{{ID: "899900063480", IDType: "IDNPS", FirstName: "LIBRE", LastName: "MAX", Since: at, Last: at, Mode: "ACTIVE", Attending: true,
			Specialties: []td.Code{{"10", "1.2.250.1.71.1.2.7", "Médecin"}}}}, "DMPOk", ""),
		"patients": td.AppendPatientList(nil, []td.Listed{{IDs: []hl7.CX{ins}, Person: zoe, Attending: true, Access: at, Changed: at}}, "DMPOk", ""),
	})
}

func golden(t *testing.T, said map[string][]byte) {
	t.Helper()
	for name, got := range said {
		file := filepath.Join("testdata", name+".golden")
		if os.Getenv("GOLDEN") == "update" {
			if err := os.WriteFile(file, append(got, '\n'), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(append(got, '\n'), want) {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
		}
		if err := wellFormed(got); err != nil {
			t.Errorf("%s is not XML: %v", name, err)
		}
	}
}

func TestDisplay(t *testing.T) {
	for code, want := range map[string]string{"10^1.2.250.1.71.1.2.7": "Médecin", "10": "Médecin", "SM26^1.2.250.1.71.4.2.5": "Qualifié en Médecine Générale (SM)", "10^1.2.3": "", "x": ""} {
		if got := td.Display(code); got != want {
			t.Errorf("%s: %q", code, got)
		}
	}
}
