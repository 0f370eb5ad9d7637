package atna_test

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/internal/oracle"
	"github.com/passerelle-sante/passerelle/wire/xsd"
)

func reporter() *atna.Reporter {
	return &atna.Reporter{SourceID: "passerelle", EnterpriseSite: "clinique-des-lilas", ProcessID: "4711", UserID: "urn:passerelle",
		Address: "gateway.example", SourceTypes: []atna.CodedValue{{Code: "4", System: "DCM", Text: "Application Server Process"}}}
}

func facts() atna.Facts {
	return atna.Facts{
		Time: time.Date(2026, 11, 23, 8, 30, 0, 120e6, time.UTC), OutcomeText: `one < two & "three"`,
		RequestorID: "http://peer.example/source", RequestorAddress: "192.0.2.7", RequestorName: "CAMILLE DURAND", RequestorRole: "10",
		Purpose: "normal", Endpoint: "https://gateway.example/iti41", EndpointAddress: "registry.example",
		Patient:               hl7.CX{ID: "279035121518989", AssigningAuthority: hl7.HD{UniversalID: "1.2.250.1.213.1.4.10", UniversalIDType: "ISO"}},
		SubmissionSetUniqueID: "1.2.3.4",
		Documents:             []atna.DocumentFact{{UniqueID: "1.2.3.5", RepositoryUniqueID: "1.2.3", HomeCommunityID: "urn:oid:1.2"}, {UniqueID: "1.2.3.6", RepositoryUniqueID: "1.2.3"}},
		ObjectIDs:             []string{"urn:uuid:0fb6b0a4-8f0d-4d4c-9a51-3f2c7a1e0001"},
		Query:                 []byte("<query>é</query>"), QueryID: "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d", QueryHomeCommunityID: "urn:oid:1.2",
		MessageID: "M-1",
	}
}

func TestEveryEventPrintsAndParsesBack(t *testing.T) {
	for _, tx := range atna.Transactions() {
		for _, side := range []atna.Side{atna.Responder, atna.Initiator} {
			m := reporter().Event(tx, side, facts())
			x := atna.AppendXML(nil, m)
			got, err := atna.ParseXML(x)
			if err != nil {
				t.Fatalf("%s: %v\n%s", tx, err, x)
			}
			if y := atna.AppendXML(nil, got); !bytes.Equal(x, y) {
				t.Errorf("%s: printed differently after parsing:\n%s\n%s", tx, x, y)
			}
			if tx == atna.ITI41 && !reflect.DeepEqual(got.ActiveParticipants, m.ActiveParticipants) {
				t.Errorf("participants differ: %+v %+v", got.ActiveParticipants, m.ActiveParticipants)
			}
		}
	}
}

func TestCatalogue(t *testing.T) {
	tests := []struct {
		tx                                 atna.Transaction
		side                               atna.Side
		event, action, kind, asker, second string // second: role of the participant that was asked
		objects                            int
	}{
		{atna.ITI41, atna.Responder, "110107", "C", "ITI-41", "110153", "110152", 2},
		{atna.ITI41, atna.Initiator, "110106", "R", "ITI-41", "110153", "110152", 2},
		{atna.ITI42, atna.Responder, "110107", "C", "ITI-42", "110153", "110152", 2},
		{atna.ITI42, atna.Initiator, "110106", "R", "ITI-42", "110153", "110152", 2},
		{atna.ITI18, atna.Responder, "110112", "E", "ITI-18", "110153", "110152", 2},
		{atna.ITI51, atna.Responder, "110112", "E", "ITI-51", "110153", "110152", 2},
		{atna.ITI43, atna.Responder, "110106", "R", "ITI-43", "110152", "110153", 3},
		{atna.ITI43, atna.Initiator, "110107", "C", "ITI-43", "110152", "110153", 3},
		{atna.ITI8, atna.Responder, "110110", "U", "ITI-8", "110153", "110152", 1},
		{atna.ITI44, atna.Responder, "110110", "U", "ITI-44", "110153", "110152", 1},
		{atna.ITI62, atna.Responder, "110110", "D", "ITI-62", "110153", "110152", 2},
		{atna.NodeAuthenticationFailure, atna.Responder, "110113", "E", "110126", "110153", "110152", 2},
		{atna.RestrictedFunction, atna.Responder, "110113", "E", "110132", "110153", "110152", 2},
		{atna.EmergencyOverride, atna.Responder, "110113", "E", "110127", "110153", "110152", 2},
		{atna.ITI81, atna.Responder, "110101", "R", "ITI-81", "110153", "110152", 3},
		{atna.ITI82, atna.Responder, "110101", "R", "ITI-82", "110153", "110152", 3},
		{atna.AuditLogUsed, atna.Responder, "110101", "R", "110101", "110153", "110152", 3},
	}
	for _, c := range tests {
		m := reporter().Event(c.tx, c.side, facts())
		e, p := m.EventIdentification, m.ActiveParticipants
		got := []string{e.EventID.Code, e.EventActionCode, e.EventTypeCodes[0].Code, p[0].RoleIDCodes[0].Code, p[1].RoleIDCodes[0].Code}
		want := []string{c.event, c.action, c.kind, c.asker, c.second}
		if !reflect.DeepEqual(got, want) || len(m.ParticipantObjects) != c.objects {
			t.Errorf("%s side %d: %v and %d objects, want %v and %d", c.tx, c.side, got, len(m.ParticipantObjects), want, c.objects)
		}
		if !p[0].UserIsRequestor || p[1].UserIsRequestor {
			t.Errorf("%s: who asked is not who is marked as requestor", c.tx)
		}
		ours := p[1]
		if c.side == atna.Initiator {
			ours = p[0]
		}
		if ours.AlternativeUserID != "4711" {
			t.Errorf("%s: our process id is missing", c.tx)
		}
	}
}

func TestAccessed(t *testing.T) {
	f := facts()
	f.RequestorName, f.RequestorRole = "", ""
	f.Persons = []atna.Person{{ID: "801234567890", Name: "DURAND CAMILLE", Roles: []atna.CodedValue{{Code: "10", System: "1.2.250.1.71.1.2.7", Text: "Médecin"}}}}
	m := reporter().Event(atna.ITI43, atna.Responder, f.Accessed(atna.Access{Mode: "bris_de_glace", Reason: "coma", Software: "Cabinet 3", Secret: true,
		Structure: atna.Person{ID: "1750100125", Name: "Clinique des Lilas"}}))
	if got := m.EventIdentification.PurposesOfUse; len(got) != 1 || got[0] != (atna.CodedValue{Code: "bris_de_glace", System: "1.2.250.1.213.1.1.4.248", Text: "Accès bris de glace"}) {
		t.Errorf("purpose %+v", got)
	}
	person, structure := m.ActiveParticipants[2], m.ActiveParticipants[3]
	if person.UserID != "801234567890" || structure.UserID != "1750100125" || structure.UserName != "Clinique des Lilas" || structure.RoleIDCodes[0].Code != "authorInstitution" {
		t.Errorf("%+v %+v", person, structure)
	}
	want := []atna.ObjectDetail{{Type: "Mode_Acces_Raison", Value: []byte("coma")}, {Type: "LPS_Nom", Value: []byte("Cabinet 3")}, {Type: "Connexion_Secrete", Value: []byte("true")}}
	if got := m.ParticipantObjects[0].ParticipantObjectDetails; !reflect.DeepEqual(got, want) {
		t.Errorf("details %+v", got)
	}
	m = reporter().Event(atna.ITI43, atna.Responder, f.Accessed(atna.Access{Mode: "other"}))
	if got := m.EventIdentification.PurposesOfUse; len(got) != 1 || got[0].Code != "other" || len(m.ParticipantObjects[0].ParticipantObjectDetails) != 0 {
		t.Errorf("an unknown mode: %+v", m)
	}
}

func TestQueryObject(t *testing.T) {
	m := reporter().Event(atna.ITI18, atna.Responder, facts())
	o := m.ParticipantObjects[1]
	if o.ParticipantObjectID != facts().QueryID || string(o.ParticipantObjectQuery) != "<query>é</query>" || len(o.ParticipantObjectDetails) != 2 ||
		o.ParticipantObjectDetails[0].Type != "QueryEncoding" || o.ParticipantObjectDetails[1].Type != "urn:ihe:iti:xca:2010:homeCommunityId" {
		t.Errorf("query object %+v", o)
	}
	d := reporter().Event(atna.ITI43, atna.Responder, facts()).ParticipantObjects[1].ParticipantObjectDetails
	if d[0].Type != "Repository Unique Id" || string(d[0].Value) != "1.2.3" || d[1].Type != "ihe:homeCommunityID" {
		t.Errorf("document details %+v", d)
	}
}

func TestEveryEventIsValid(t *testing.T) {
	schema, err := xsd.Compile(os.DirFS(oracle.Path(t, "standards/atna")), "dicom2017c.xsd")
	if err != nil {
		t.Fatal(err)
	}
	for _, tx := range atna.Transactions() {
		for _, side := range []atna.Side{atna.Responder, atna.Initiator} {
			for _, f := range []atna.Facts{facts(), {Time: time.Unix(0, 0)}} {
				text := atna.AppendXML(nil, reporter().Event(tx, side, f))
				if found, err := schema.Validate(text); err != nil || len(found) > 0 {
					t.Errorf("%s: %v %v\n%s", tx, err, found, text)
				}
			}
		}
	}
}

func TestSamplesParse(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(oracle.Path(t, "samples/audit"), "*.xml"))
	if err != nil || len(names) != 6 {
		t.Fatalf("%d audit messages, 6 are known (%v)", len(names), err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		m, err := atna.ParseXML(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again, err := atna.ParseXML(atna.AppendXML(nil, m))
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Errorf("%s: differs after printing: %v", name, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	good := string(atna.AppendXML(nil, reporter().Event(atna.ITI41, atna.Responder, facts())))
	tests := map[string]string{
		"document type":    `<!DOCTYPE AuditMessage [<!ENTITY a "b">]>` + good,
		"unknown element":  strings.Replace(good, "<AuditSourceIdentification", "<Other/><AuditSourceIdentification", 1),
		"outcome":          strings.Replace(good, `EventOutcomeIndicator="0"`, `EventOutcomeIndicator="3"`, 1),
		"no event":         "<AuditMessage/>",
		"two roots":        good + good,
		"namespace":        strings.Replace(good, "<AuditMessage>", `<AuditMessage xmlns="urn:x">`, 1),
		"date":             strings.Replace(good, "2026-11-23T", "23/11/2026 ", 1),
		"cut short":        good[:len(good)/2],
		"too long":         good + strings.Repeat(" ", atna.MaxXML),
		"nothing":          "",
		"text in between":  strings.Replace(good, "<AuditMessage>", "<AuditMessage>text", 1),
		"boolean":          strings.Replace(good, `UserIsRequestor="true"`, `UserIsRequestor="yes"`, 1),
		"custom entity":    strings.Replace(good, "normal", "&name;", 1),
		"not base64":       strings.Replace(string(atna.AppendXML(nil, reporter().Event(atna.ITI18, atna.Responder, facts()))), "<ParticipantObjectQuery>", "<ParticipantObjectQuery>*", 1),
		"code without one": strings.Replace(good, "csd-code", "code", 1),
	}
	for name, s := range tests {
		if _, err := atna.ParseXML([]byte(s)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzParseXML(f *testing.F) {
	for _, tx := range atna.Transactions() {
		f.Add(atna.AppendXML(nil, reporter().Event(tx, atna.Responder, facts())))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := atna.ParseXML(b)
		if err != nil {
			return
		}
		x := atna.AppendXML(nil, m)
		again, err := atna.ParseXML(x)
		if err != nil {
			t.Fatalf("what we print does not parse: %v\n%s", err, x)
		}
		if y := atna.AppendXML(nil, again); !bytes.Equal(x, y) {
			t.Fatalf("not a fixed point:\n%s\n%s", x, y)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	text := atna.AppendXML(nil, reporter().Event(atna.ITI18, atna.Responder, facts()))
	var p atna.Parser
	var m atna.AuditMessage
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Parse(text, &m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEvent(b *testing.B) {
	r, f := reporter(), facts()
	b.ReportAllocs()
	for b.Loop() {
		r.Event(atna.ITI41, atna.Responder, f)
	}
}

func BenchmarkEventXML(b *testing.B) {
	r, f := reporter(), facts()
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf = atna.AppendXML(buf[:0], r.Event(atna.ITI41, atna.Responder, f))
	}
}
