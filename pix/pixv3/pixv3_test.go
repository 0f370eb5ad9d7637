package pixv3_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/internal/oracle"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/pixv3"
	"github.com/passerelle-sante/passerelle/wire/hl7v3"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

const ins = "1.2.250.1.213.1.4.10"

// message writes an interaction about patients; each is the content of a registrationEvent.
func message(interaction string, patients ...string) string {
	var b strings.Builder
	b.WriteString(`<` + interaction + ` xmlns="urn:hl7-org:v3" ITSVersion="XML_1.0"><id root="1.2.3" extension="M1"/><creationTime value="20261123083000"/>
<interactionId root="2.16.840.1.113883.1.6" extension="` + interaction + `"/><processingCode code="P"/><processingModeCode code="T"/><acceptAckCode code="AL"/>
<receiver typeCode="RCV"><device classCode="DEV" determinerCode="INSTANCE"><id root="1.2.3.6"/></device></receiver>
<sender typeCode="SND"><device classCode="DEV" determinerCode="INSTANCE"><id root="1.2.3.4"/><asAgent classCode="AGNT"><representedOrganization classCode="ORG" determinerCode="INSTANCE"><id root="1.2.3.5"/></representedOrganization></asAgent></device></sender>
<controlActProcess classCode="CACT" moodCode="EVN">`)
	for _, p := range patients {
		b.WriteString(`<subject typeCode="SUBJ"><registrationEvent classCode="REG" moodCode="EVN">` + p + `</registrationEvent></subject>`)
	}
	b.WriteString(`</controlActProcess></` + interaction + `>`)
	return b.String()
}

const zoe = `<subject1 typeCode="SBJ"><patient classCode="PAT"><id root="1.2.9" extension="4711" assigningAuthorityName="CHU"/><id nullFlavor="NA"/><patientPerson>
<name use="L"><prefix>Mme</prefix><family>D'^ARC</family><given>Zoé</given><given>Lou</given></name><telecom value="tel:0102030405"/><telecom value="mailto:z@example.org"/>
<administrativeGenderCode code="F"/><birthTime value="19790328"/><addr use="H"><streetAddressLine>1 rue B</streetAddressLine><city>Paris</city><postalCode>75007</postalCode></addr>
<asOtherIDs><id root="` + ins + `" extension="279035121518989"/><scopingOrganization><id root="` + ins + `"/></scopingOrganization></asOtherIDs></patientPerson></patient></subject1>`

const bob = `<subject1><patient><id root="` + ins + `" extension="B"/></patient></subject1>`

func replaces(ids ...string) string {
	s := ""
	for _, id := range ids {
		s += `<replacementOf typeCode="RPLC"><priorRegistration><subject1><priorRegisteredRole><id root="` + ins + `" extension="` + id + `"/></priorRegisteredRole></subject1></priorRegistration></replacementOf>`
	}
	return s
}

func decode(s string) (pixv3.Message, error) {
	domains := []pix.Domain{{AssigningAuthority: hl7.HD{UniversalID: ins, UniversalIDType: "ISO"}}}
	return pixv3.Decode(xmlpull.NewReader([]byte(s), xmlpull.Options{}), domains)
}

func TestDecode(t *testing.T) {
	m, err := decode(message("PRPA_IN201301UV02", zoe))
	if err != nil {
		t.Fatal(err)
	}
	want := pix.Feed{Event: pix.Added, Transaction: "ITI-44", MessageID: "M1@1.2.3", Patient: pix.Patient{
		ID:       hl7.CX{ID: "279035121518989", AssigningAuthority: hl7.HD{UniversalID: ins, UniversalIDType: "ISO"}},
		OtherIDs: []hl7.CX{{ID: "4711", AssigningAuthority: hl7.HD{NamespaceID: "CHU", UniversalID: "1.2.9", UniversalIDType: "ISO"}}},
		Demographics: pix.Demographics{Names: []hl7.XPN{`D'\S\ARC^Zoé^Lou^^Mme^^L`}, BirthDate: "19790328", Sex: "F",
			Addresses: []string{"1 rue B^^Paris^^75007^^H"}, Telecoms: []string{"0102030405", "^NET^Internet^z@example.org"}}}}
	if len(m.Feeds) != 1 || !reflect.DeepEqual(m.Feeds[0], want) {
		t.Errorf("got  %+v\nwant %+v", m.Feeds, want)
	}
	m, err = decode(message("PRPA_IN201304UV02", bob+replaces("A", "C")))
	if err != nil || len(m.Feeds) != 2 || m.Feeds[0].Prior.ID != "A" || m.Feeds[1].Prior.ID != "C" || m.Feeds[1].Patient.ID.ID != "B" || m.Feeds[0].Event != pix.Merged {
		t.Errorf("%+v %v", m.Feeds, err)
	}
	if m, err = decode(message("PRPA_IN201302UV02", bob)); err != nil || m.Feeds[0].Event != pix.Revised {
		t.Errorf("%+v %v", m.Feeds, err)
	}
}

// TestDecodeTraits: the strict traits of a French identity, as HL7 v3 carries them.
func TestDecodeTraits(t *testing.T) {
	m, err := decode(message("PRPA_IN201301UV02", `<subject1><patient><id root="`+ins+`" extension="B"/><patientPerson><name><prefix>Mme</prefix><family qualifier="BR">D'ARC</family><family qualifier="SP">DURAND</family>`+
		`<given>ZOE LOU</given><given qualifier="BR">ZOE</given><given qualifier="CL">LOU</given></name><name use="L"><family qualifier="BR">X</family><given>Y</given><given>Z</given></name>`+
		`<birthPlace classCode="BIRTHPL"><birthplace><addr><county>63220</county></addr></birthplace></birthPlace></patientPerson></patient></subject1>`))
	if err != nil {
		t.Fatal(err)
	}
	want := pix.Demographics{Names: []hl7.XPN{"D'ARC^ZOE^ZOE LOU^^Mme^^L", "DURAND^LOU^^^Mme^^D", "X^Y^Z^^^^L"}, Addresses: []string{"^^^^^^BDL^^63220"}}
	got := m.Feeds[0].Patient.Demographics
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	traits := got.Traits()
	if traits.BirthName != "D'ARC" || traits.FirstGiven() != "ZOE" || traits.UsualName != "DURAND" || traits.BirthPlace != "63220" {
		t.Errorf("%+v", traits)
	}
}

func TestDecodeRefuses(t *testing.T) {
	event := "/PRPA_IN201301UV02/controlActProcess/subject/registrationEvent"
	tests := []struct {
		name, in string
		code     pix.ErrorCode
		location string
	}{
		{"interaction", message("PRPA_IN201309UV02"), pix.CodeUnsupportedMessage, "/PRPA_IN201309UV02"},
		{"namespace", `<PRPA_IN201301UV02 xmlns="urn:x"/>`, pix.CodeUnsupportedMessage, "/PRPA_IN201301UV02"},
		{"interactionId", strings.Replace(message("PRPA_IN201301UV02", bob), `extension="PRPA_IN201301UV02"`, `extension="PRPA_IN201302UV02"`, 1), pix.CodeUnsupportedMessage, "/PRPA_IN201301UV02/interactionId"},
		{"message id", strings.Replace(message("PRPA_IN201301UV02", bob), `<id root="1.2.3" extension="M1"/>`, ``, 1), pix.CodeRequiredMissing, "/PRPA_IN201301UV02/id"},
		{"processing", strings.Replace(message("PRPA_IN201301UV02", bob), `<processingCode code="P"/>`, ``, 1), pix.CodeUnsupportedMode, "/PRPA_IN201301UV02/processingCode"},
		{"no patient", message("PRPA_IN201301UV02"), pix.CodeRequiredMissing, "/PRPA_IN201301UV02"},
		{"no identifier", message("PRPA_IN201301UV02", `<subject1><patient><id nullFlavor="NA"/></patient></subject1>`), pix.CodeRequiredMissing, event + "/subject1/patient/id"},
		{"no prior", message("PRPA_IN201304UV02", bob), pix.CodeRequiredMissing, "/PRPA_IN201304UV02/controlActProcess/subject/registrationEvent/replacementOf/priorRegistration/subject1/priorRegisteredRole/id"},
		{"birth", message("PRPA_IN201301UV02", strings.Replace(zoe, "19790328", "19790231", 1)), pix.CodeDataType, event + "/subject1/patient/patientPerson/birthTime"},
		{"sex", message("PRPA_IN201301UV02", strings.Replace(zoe, `code="F"`, `code="female"`, 1)), pix.CodeTableValue, event + "/subject1/patient/patientPerson/administrativeGenderCode"},
		{"delimiter", message("PRPA_IN201301UV02", strings.Replace(zoe, `4711`, `4^11`, 1)), pix.CodeDataType, event + "/subject1/patient/id"},
		{"long", message("PRPA_IN201301UV02", strings.Replace(zoe, `4711`, strings.Repeat("4", 251), 1)), pix.CodeDataType, event + "/subject1/patient/id"},
		{"many patients", message("PRPA_IN201301UV02", slicesOf(bob, 65)...), pix.CodeDataType, event},
	}
	for _, c := range tests {
		_, err := decode(c.in)
		e, ok := errors.AsType[*pix.Error](err)
		if !ok || e.Code != c.code || e.Location != c.location {
			t.Errorf("%s: %#v %v", c.name, e, err)
		}
	}
	if _, err := decode(message("PRPA_IN201301UV02", "<subject1>")); err == nil {
		t.Error("accepted what is not well-formed")
	}
}

func slicesOf(s string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = s
	}
	return list
}

func TestAnswer(t *testing.T) {
	m, err := decode(message("PRPA_IN201301UV02", bob))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 23, 8, 31, 0, 0, time.UTC)
	head := `<MCCI_IN000002UV01 xmlns="urn:hl7-org:v3" ITSVersion="XML_1.0"><id root="1.2.3.9" extension="A1"/><creationTime value="20261123083100+0000"/>` +
		`<interactionId root="2.16.840.1.113883.1.6" extension="MCCI_IN000002UV01"/><processingCode code="P"/><processingModeCode code="T"/><acceptAckCode code="NE"/>` +
		`<receiver typeCode="RCV"><device classCode="DEV" determinerCode="INSTANCE"><id root="1.2.3.4"/><asAgent classCode="AGNT"><representedOrganization classCode="ORG" determinerCode="INSTANCE"><id root="1.2.3.5"/></representedOrganization></asAgent></device></receiver>` +
		`<sender typeCode="SND"><device classCode="DEV" determinerCode="INSTANCE"><id root="1.2.3.6"/></device></sender>`
	got := string(pixv3.Answer(m.Header, nil, at, "1.2.3.9", "A1"))
	want := head + `<acknowledgement><typeCode code="CA"/><targetMessage><id root="1.2.3" extension="M1"/></targetMessage></acknowledgement></MCCI_IN000002UV01>`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	got = string(pixv3.Answer(m.Header, &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtPriorID, Text: "prior identifier is not known"}, at, "1.2.3.9", "A1"))
	want = head + `<acknowledgement><typeCode code="CE"/><targetMessage><id root="1.2.3" extension="M1"/></targetMessage><acknowledgementDetail typeCode="E">` +
		`<code code="204" codeSystem="2.16.840.1.113883.12.357" displayName="Unknown key identifier"/><text>prior identifier is not known</text><location>//priorRegisteredRole/id</location></acknowledgementDetail></acknowledgement></MCCI_IN000002UV01>`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got = string(pixv3.Answer(hl7v3.Header{}, &pix.Error{Code: pix.CodeUnsupportedMessage}, at, "", "A1")); !strings.Contains(got, `<typeCode code="CR"/><targetMessage><id nullFlavor="NI"/>`) {
		t.Errorf("%s", got)
	}
}

func TestSamples(t *testing.T) {
	dir := oracle.Path(t, "samples/hl7v3")
	want := map[string]struct{ id, prior, name string }{
		"A01": {"306563", "", "Bob^Barker^R.^^^^L"}, "A04": {"305090", "", "Hiccock^WildBill^^^^^L"},
		"A08": {"306567", "", "BEST^XML^2^^^^L"}, "A40": {"142025", "704686", "LENNON^JOHN^^^^^L"},
	}
	for name, w := range want {
		b, err := os.ReadFile(filepath.Join(dir, "ITI-44_"+name+".xml"))
		if err != nil {
			t.Fatal(err)
		}
		m, err := pixv3.Decode(xmlpull.NewReader(b, xmlpull.Options{BOM: true}), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if f := m.Feeds[0]; f.Patient.ID.ID != w.id || f.Prior.ID != w.prior || string(f.Patient.Demographics.Names[0]) != w.name {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func FuzzPRPA(f *testing.F) {
	f.Add([]byte(message("PRPA_IN201301UV02", zoe)))
	f.Add([]byte(message("PRPA_IN201304UV02", bob+replaces("A", "C"))))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decode(string(b))
		if err == nil && len(m.Feeds) == 0 {
			t.Fatal("no error and no feed")
		}
		for _, feed := range m.Feeds {
			if feed.Patient.ID.ID == "" || (feed.Event == pix.Merged) == feed.Prior.IsZero() {
				t.Fatalf("half a feed: %+v", feed)
			}
		}
		x := xmlpull.NewReader(pixv3.Answer(m.Header, nil, time.Unix(0, 0), "1.2", "1"), xmlpull.Options{})
		for {
			k, err := x.Next()
			if err != nil {
				t.Fatalf("our acknowledgement is not XML: %v", err)
			}
			if k == xmlpull.EOF {
				return
			}
		}
	})
}
