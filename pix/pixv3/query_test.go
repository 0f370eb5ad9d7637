package pixv3_test

import (
	"errors"
	"fmt"
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

// asked writes an interaction around the inside of its control act.
func asked(interaction, named, inside string) string {
	return `<` + interaction + ` xmlns="urn:hl7-org:v3" ITSVersion="XML_1.0"><id root="1.2.3" extension="Q1"/><creationTime value="20261123083000"/>` +
		`<interactionId root="2.16.840.1.113883.1.6" extension="` + named + `"/><processingCode code="P"/><processingModeCode code="T"/><acceptAckCode code="AL"/>` +
		`<receiver typeCode="RCV"><device classCode="DEV" determinerCode="INSTANCE"><id root="1.2.3.6"/></device></receiver>` +
		`<sender typeCode="SND"><device classCode="DEV" determinerCode="INSTANCE"><id root="1.2.3.4"/><asAgent classCode="AGNT"><representedOrganization classCode="ORG" determinerCode="INSTANCE"><id root="1.2.3.5"/></representedOrganization></asAgent></device></sender>` +
		`<controlActProcess classCode="CACT" moodCode="EVN"><code code="PRPA_TE201309UV02" codeSystem="2.16.840.1.113883.1.6"/><reasonCode code="X" codeSystem="1.2.250.1.213.1.1.4.11"/>` +
		inside + `</controlActProcess></` + interaction + `>`
}

// identifierQuery asks for the identifiers of the patient 4711 of the domain 1.2.9 in domains.
func identifierQuery(domains ...string) string {
	list := ""
	for _, d := range domains {
		list += `<dataSource><value root="` + d + `"/><semanticsText>DataSource.id</semanticsText></dataSource>`
	}
	return asked("PRPA_IN201309UV02", "PRPA_IN201309UV02", `<queryByParameter><queryId root="1.2.3.8" extension="Q"/><statusCode code="new"/><responsePriorityCode code="I"/><parameterList>`+list+
		`<patientIdentifier><value root="1.2.9" extension="4711"/><semanticsText>Patient.id</semanticsText></patientIdentifier></parameterList></queryByParameter>`)
}

func personQuery(parameters string) string {
	return asked("PRPA_IN201305UV02", "PRPA_IN201305UV02", `<queryByParameter><queryId root="1.2.3.8" extension="Q"/><statusCode code="new"/><responseModalityCode code="R"/><responsePriorityCode code="I"/>`+
		`<initialQuantity value="2"/><matchCriterionList><minimumDegreeMatch><value xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="INT" value="75"/><semanticsText>Degree of match requested</semanticsText></minimumDegreeMatch></matchCriterionList>`+
		`<parameterList>`+parameters+`</parameterList></queryByParameter>`)
}

func parameter(name, value string) string {
	return `<` + name + `>` + value + `<semanticsText>x</semanticsText></` + name + `>`
}

var everyParameter = parameter("livingSubjectAdministrativeGender", `<value code="F" codeSystem="2.16.840.1.113883.5.1"/>`) + parameter("livingSubjectBirthTime", `<value value="19790328"/>`) +
	parameter("livingSubjectId", `<value root="1.2.9" extension="4711"/>`) + parameter("livingSubjectName", `<value use="L"><given>Zoé</given><given>Lou</given><family qualifier="BR">D'Arc</family><family>Durand</family></value>`) +
	parameter("otherIDsScopingOrganization", `<value root="1.2.3"/>`) + parameter("otherIDsScopingOrganization", `<value root="1.2.5"/>`) +
	parameter("patientAddress", `<value use="H"><streetAddressLine>1 rue B</streetAddressLine><city>Paris</city><state>IDF</state><postalCode>75007</postalCode><country>FRA</country></value>`) +
	parameter("patientTelecom", `<value value="tel:01-02" use="H"/>`)

// goOn continues the query Q or ends it; numbers that are 0 are left out.
func goOn(root, status string, start, quantity int) string {
	numbers := ""
	if start > 0 {
		numbers += fmt.Sprintf(`<startResultNumber value="%d"/>`, start)
	}
	if quantity > 0 {
		numbers += fmt.Sprintf(`<continuationQuantity value="%d"/>`, quantity)
	}
	return asked(root, "QUQI_IN000003UV01", `<queryContinuation><queryId root="1.2.3.8" extension="Q"/>`+numbers+`<statusCode code="`+status+`"/></queryContinuation>`)
}

func everything() pix.Demographics {
	return pix.Demographics{Names: []hl7.XPN{`D'\S\ARC^ZOE^ZOE LOU^^Mme^^L`, "DURAND^LOU^^^^^D"}, BirthDate: "19790328", Sex: "F",
		Addresses: []string{"1 rue B^^Paris^^75007^FRA^H", "^^^^^^BDL^^63220", "^^^^^^H"}, Telecoms: []string{"01 02 03^PRN^PH", "^NET^Internet^z@example.org", "^^^^^^^^^^^0203", "<>"}}
}

func x(s string) *xmlpull.Reader { return xmlpull.NewReader([]byte(s), xmlpull.Options{}) }

var queryID = hl7v3.II{Root: "1.2.3.8", Extension: "Q"}

func TestDecodeIdentifierQuery(t *testing.T) {
	q, err := pixv3.DecodeIdentifierQuery(x(identifierQuery("1.2.3", "1.2.4")))
	if err != nil {
		t.Fatal(err)
	}
	if want := (hl7.CX{ID: "4711", AssigningAuthority: iso("1.2.9")}); q.Patient != want || q.ID != queryID || q.Header.ID.Extension != "Q1" || q.Header.Sender.IDs[0].Root != "1.2.3.4" {
		t.Errorf("%+v", q)
	}
	if !reflect.DeepEqual(q.Domains, []hl7.HD{iso("1.2.3"), iso("1.2.4")}) {
		t.Errorf("%+v", q.Domains)
	}
	want := `<queryByParameter><queryId root="1.2.3.8" extension="Q"/><statusCode code="new"/><responsePriorityCode code="I"/><parameterList><dataSource><value root="1.2.3"/><semanticsText>DataSource.id</semanticsText></dataSource>` +
		`<dataSource><value root="1.2.4"/><semanticsText>DataSource.id</semanticsText></dataSource><patientIdentifier><value root="1.2.9" extension="4711"/><semanticsText>Patient.id</semanticsText></patientIdentifier></parameterList></queryByParameter>`
	if string(q.Raw) != want {
		t.Errorf("%s", q.Raw)
	}
}

func iso(root string) hl7.HD { return hl7.HD{UniversalID: root, UniversalIDType: "ISO"} }

func TestDecodePersonQuery(t *testing.T) {
	q, err := pixv3.DecodePersonQuery(x(personQuery(everyParameter)))
	if err != nil {
		t.Fatal(err)
	}
	want := pix.Criteria{ID: hl7.CX{ID: "4711", AssigningAuthority: iso("1.2.9")}, Family: "D'Arc", OtherFamily: "Durand", Given: "Zoé Lou", BirthDate: "19790328", Sex: "F",
		Street: "1 rue B", City: "Paris", State: "IDF", PostCode: "75007", Country: "FRA", Telecom: "01-02"}
	if q.Criteria != want || q.Quantity != 2 || !reflect.DeepEqual(q.Domains, []hl7.HD{iso("1.2.3"), iso("1.2.5")}) {
		t.Errorf("%+v", q)
	}
	// The same with prefixes reads the same, and is told again in our own words.
	p := strings.NewReplacer(`<PRPA_IN`, `<h:PRPA_IN`, `xmlns=`, `xmlns:h=`, `</`, `</h:`, `xsi:type="INT"`, `xsi:type="h:INT"`, `xmlns:xsi=`, `xmlns:xsi=`, `<`, `<h:`).Replace(personQuery(everyParameter))
	again, err := pixv3.DecodePersonQuery(x(p))
	if err != nil || again.Criteria != want || string(again.Raw) != string(q.Raw) {
		t.Errorf("%v\n%s\n%s", err, again.Raw, q.Raw)
	}
}

func TestDecodeContinuation(t *testing.T) {
	c, err := pixv3.DecodeContinuation(x(goOn("QUQI_IN000003UV01", "waitContinuedQueryResponse", 3, 2)))
	if err != nil || c.ID != queryID || c.Start != 3 || c.Quantity != 2 || c.Cancel || c.Header.ID.Extension != "Q1" {
		t.Errorf("%+v %v", c, err)
	}
	c, err = pixv3.DecodeContinuation(x(goOn("QUQI_IN000003UV01_Cancel", "aborted", 0, 0)))
	if err != nil || c.ID != queryID || c.Start != 0 || c.Quantity != 0 || !c.Cancel {
		t.Errorf("%+v %v", c, err)
	}
}

func TestQueriesRefused(t *testing.T) {
	by := "/PRPA_IN201309UV02/controlActProcess/queryByParameter"
	people := "/PRPA_IN201305UV02/controlActProcess/queryByParameter"
	more := "/QUQI_IN000003UV01/controlActProcess/queryContinuation"
	change := strings.Replace
	pixq, one := identifierQuery("1.2.3", "1.2.4"), personQuery(parameter("livingSubjectId", `<value root="1.2.9" extension="1"/>`))
	on := goOn("QUQI_IN000003UV01", "waitContinuedQueryResponse", 3, 2)
	identifiers := func(s string) error { _, err := pixv3.DecodeIdentifierQuery(x(s)); return err }
	persons := func(s string) error { _, err := pixv3.DecodePersonQuery(x(s)); return err }
	continues := func(s string) error { _, err := pixv3.DecodeContinuation(x(s)); return err }
	for _, c := range []struct {
		name     string
		decode   func(string) error
		in       string
		code     pix.ErrorCode
		location string
	}{
		{"interaction", identifiers, one, "200", "/PRPA_IN201305UV02"},
		{"interactionId", identifiers, change(pixq, `extension="PRPA_IN201309UV02"`, `extension="PRPA_IN201305UV02"`, 1), "200", "/PRPA_IN201309UV02/interactionId"},
		{"processing code", identifiers, change(pixq, `processingCode code="P"`, `processingCode code="X"`, 1), "202", "/PRPA_IN201309UV02/processingCode"},
		{"no query", identifiers, asked("PRPA_IN201309UV02", "PRPA_IN201309UV02", ""), "101", "/PRPA_IN201309UV02/controlActProcess/queryByParameter"},
		{"status", identifiers, change(pixq, `code="new"`, `code="aborted"`, 1), "103", by + "/statusCode"},
		{"deferred", identifiers, change(pixq, `PriorityCode code="I"`, `PriorityCode code="D"`, 1), "103", by + "/responsePriorityCode"},
		{"null query id", identifiers, change(pixq, `<queryId root="1.2.3.8" extension="Q"/>`, `<queryId nullFlavor="NI"/>`, 1), "101", by + "/queryId"},
		{"no patient", identifiers, change(pixq, `<patientIdentifier><value root="1.2.9" extension="4711"/><semanticsText>Patient.id</semanticsText></patientIdentifier>`, ``, 1), "101", by + "/parameterList/patientIdentifier"},
		{"two patients", identifiers, change(pixq, `<value root="1.2.9" extension="4711"/>`, `<value root="1.2.9" extension="4711"/><value root="1.2.9" extension="4712"/>`, 1), "102", by + "/parameterList/patientIdentifier"},
		{"no extension", identifiers, change(pixq, ` extension="4711"`, ``, 1), "101", by + "/parameterList/patientIdentifier/value"},
		{"delimiter", identifiers, change(pixq, `4711`, `4^11`, 1), "102", by + "/parameterList/patientIdentifier/value"},
		{"domain with extension", identifiers, change(pixq, `<value root="1.2.4"/>`, `<value root="1.2.4" extension="E"/>`, 1), "102", by + "/parameterList/dataSource[2]/value"},
		{"foreign element", identifiers, change(pixq, `<parameterList>`, `<parameterList><o:x xmlns:o="urn:o"/>`, 1), "102", by + "/parameterList/x"},
		{"unknown parameter", identifiers, change(pixq, `<parameterList>`, `<parameterList><patientName/>`, 1), "102", by + "/parameterList/patientName"},
		{"many domains", identifiers, identifierQuery(strings.Split(strings.Repeat("1.2.3 ", 64)+"1.2.4", " ")...), "102", by + "/parameterList/dataSource"},
		{"mother", persons, personQuery(parameter("mothersMaidenName", `<value><family>X</family></value>`)), "200", people + "/parameterList/mothersMaidenName"},
		{"interval", persons, personQuery(parameter("livingSubjectBirthTime", `<value><low value="1970"/></value>`)), "200", people + "/parameterList/livingSubjectBirthTime/value"},
		{"date that is none", persons, personQuery(parameter("livingSubjectBirthTime", `<value value="19790231"/>`)), "102", people + "/parameterList/livingSubjectBirthTime/value"},
		{"sex", persons, personQuery(parameter("livingSubjectAdministrativeGender", `<value code="X"/>`)), "103", people + "/parameterList/livingSubjectAdministrativeGender/value"},
		{"two names", persons, personQuery(parameter("livingSubjectName", `<value/>`) + parameter("livingSubjectName", `<value/>`)), "102", people + "/parameterList/livingSubjectName"},
		{"three families", persons, personQuery(parameter("livingSubjectName", `<value><family>A</family><family>B</family><family>C</family></value>`)), "102", people + "/parameterList/livingSubjectName/value/family"},
		{"house number", persons, personQuery(parameter("patientAddress", `<value><houseNumber>1</houseNumber></value>`)), "200", people + "/parameterList/patientAddress/value/houseNumber"},
		{"quantity", persons, change(one, `<initialQuantity value="2"/>`, `<initialQuantity value="0"/>`, 1), "102", people + "/initialQuantity"},
		{"sorted", persons, change(one, `</parameterList>`, `</parameterList><sortControl/>`, 1), "200", people + "/sortControl"},
		{"batch", persons, change(one, `ModalityCode code="R"`, `ModalityCode code="B"`, 1), "103", people + "/responseModalityCode"},
		{"xsi:type", persons, change(one, `xsi:type="INT"`, `xsi:type="TS"`, 1), "102", people + "/matchCriterionList/minimumDegreeMatch/value"},
		{"continuation of nothing", continues, change(on, `<queryId root="1.2.3.8" extension="Q"/>`, ``, 1), "101", more + "/queryId"},
		{"continuation status", continues, change(on, `waitContinuedQueryResponse`, `aborted`, 1), "103", more + "/statusCode"},
		{"continuation start", continues, change(on, `startResultNumber value="3"`, `startResultNumber value="9999999"`, 1), "102", more + "/startResultNumber"},
		{"continuation quantity", continues, change(on, `continuationQuantity value="2"`, `continuationQuantity value="-2"`, 1), "102", more + "/continuationQuantity"},
	} {
		err := c.decode(c.in)
		if e, ok := errors.AsType[*pix.Error](err); !ok || e.Code != c.code || e.Location != c.location {
			t.Errorf("%s: %#v %v", c.name, e, err)
		}
	}
	if err := identifiers(pixq[:200]); err == nil {
		t.Error("took half a message")
	}
	if err := identifiers(change(pixq, `<parameterList>`, `<parameterList>`+strings.Repeat(`<realmCode code="FR"/>`, 65), 1)); err == nil {
		t.Error("took 65 realm codes")
	}
}

// TestAnswerIdentifiers pins the answers to a PIX query, but for the wrapper, which is that of an acknowledgement.
func TestAnswerIdentifiers(t *testing.T) {
	q, err := pixv3.DecodeIdentifierQuery(x(identifierQuery("1.2.3", "1.2.4")))
	if err != nil {
		t.Fatal(err)
	}
	o := pixv3.Origin{Time: time.Date(2026, 11, 23, 8, 31, 0, 0, time.UTC), Device: "1.2.3.9", ID: "A1"}
	tail := string(q.Raw) + `</controlActProcess></PRPA_IN201310UV02>`
	target := `<targetMessage><id root="1.2.3" extension="Q1"/></targetMessage>`
	act := `</acknowledgement><controlActProcess classCode="CACT" moodCode="EVN"><code code="PRPA_TE201310UV02" codeSystem="2.16.840.1.113883.1.6"/>`
	for _, c := range []struct {
		ids  []hl7.CX
		es   []*pix.Error
		want string
	}{
		{[]hl7.CX{{ID: "A&B", AssigningAuthority: hl7.HD{NamespaceID: "N", UniversalID: "1.2.3"}}, {ID: "B", AssigningAuthority: iso("1.2.4")}}, nil, `<typeCode code="AA"/>` + target + act +
			`<subject typeCode="SUBJ" contextConductionInd="false"><registrationEvent classCode="REG" moodCode="EVN"><statusCode code="active"/><subject1 typeCode="SBJ"><patient classCode="PAT">` +
			`<id root="1.2.3" extension="A&amp;B" assigningAuthorityName="N"/><id root="1.2.4" extension="B"/><statusCode code="active"/><patientPerson classCode="PSN" determinerCode="INSTANCE"><name nullFlavor="NA"/></patientPerson></patient></subject1>` +
			`<custodian typeCode="CST"><assignedEntity classCode="ASSIGNED"><id root="1.2.3.9"/></assignedEntity></custodian></registrationEvent></subject>` +
			`<queryAck><queryId root="1.2.3.8" extension="Q"/><statusCode code="deliveredResponse"/><queryResponseCode code="OK"/></queryAck>`},
		{nil, nil, `<typeCode code="AA"/>` + target + act + `<queryAck><queryId root="1.2.3.8" extension="Q"/><statusCode code="deliveredResponse"/><queryResponseCode code="NF"/></queryAck>`},
		{nil, []*pix.Error{{Code: pix.CodeUnknownKey, At: pix.AtQueryDomain, Index: 1, Text: "no"}}, `<typeCode code="AE"/>` + target +
			`<acknowledgementDetail typeCode="E"><code code="204" codeSystem="2.16.840.1.113883.12.357" displayName="Unknown key identifier"/><text>no</text>` +
			`<location>/PRPA_IN201309UV02/controlActProcess/queryByParameter/parameterList/dataSource[2]/value</location></acknowledgementDetail>` + act +
			`<queryAck><queryId root="1.2.3.8" extension="Q"/><statusCode code="aborted"/><queryResponseCode code="AE"/></queryAck>`},
		{nil, []*pix.Error{{Code: pix.CodeUnknownKey, At: pix.AtQueryID, Text: "no"}}, `<typeCode code="AE"/>` + target +
			`<acknowledgementDetail typeCode="E"><code code="204" codeSystem="2.16.840.1.113883.12.357" displayName="Unknown key identifier"/><text>no</text>` +
			`<location>/PRPA_IN201309UV02/controlActProcess/queryByParameter/parameterList/patientIdentifier/value</location></acknowledgementDetail>` + act +
			`<queryAck><queryId root="1.2.3.8" extension="Q"/><statusCode code="aborted"/><queryResponseCode code="AE"/></queryAck>`},
	} {
		got := string(pixv3.AnswerIdentifiers(q, c.ids, c.es, o))
		if _, after, _ := strings.Cut(got, "<acknowledgement>"); after != c.want+tail {
			t.Errorf("got  %s\nwant %s", after, c.want+tail)
		}
	}
}

func TestAnswerPersons(t *testing.T) {
	q, err := pixv3.DecodePersonQuery(x(personQuery(everyParameter)))
	if err != nil {
		t.Fatal(err)
	}
	p := pixv3.Person{Patient: pix.Patient{ID: hl7.CX{ID: "A", AssigningAuthority: iso("1.2.3")}, Demographics: everything()}, Domain: "CHU",
		IDs: []hl7.CX{{ID: "B", AssigningAuthority: iso("1.2.4")}, {ID: "A", AssigningAuthority: iso("1.2.3")}}}
	got := string(pixv3.AnswerPersons(q, []pixv3.Person{p}, pixv3.Told{Total: 3, Remaining: 2}, nil, pixv3.Origin{Time: time.Unix(0, 0), Device: "1.2.3.9", ID: "A1"}))
	for _, want := range []string{
		`<subject1 typeCode="SBJ"><patient classCode="PAT"><id root="1.2.3" extension="A"/><statusCode code="active"/><patientPerson classCode="PSN" determinerCode="INSTANCE">` +
			`<name use="L"><prefix>Mme</prefix><family qualifier="BR">D'^ARC</family><given>ZOE</given><given>LOU</given></name><name><family>DURAND</family><given>LOU</given></name>` +
			`<telecom use="H" value="tel:010203"/><telecom value="mailto:z@example.org"/><telecom value="tel:0203"/>` +
			`<administrativeGenderCode code="F" codeSystem="2.16.840.1.113883.5.1"/><birthTime value="19790328"/>` +
			`<addr use="H"><streetAddressLine>1 rue B</streetAddressLine><city>Paris</city><postalCode>75007</postalCode><country>FRA</country></addr>` +
			`<asOtherIDs classCode="PAT"><id root="1.2.4" extension="B"/><scopingOrganization classCode="ORG" determinerCode="INSTANCE"><id root="1.2.4"/></scopingOrganization></asOtherIDs>` +
			`<asOtherIDs classCode="PAT"><id nullFlavor="NA"/><scopingOrganization classCode="ORG" determinerCode="INSTANCE"><id root="1.2.5"/></scopingOrganization></asOtherIDs>` +
			`<birthPlace classCode="BIRTHPL"><addr><county>63220</county></addr></birthPlace></patientPerson>` +
			`<providerOrganization classCode="ORG" determinerCode="INSTANCE"><id root="1.2.3"/><name>CHU</name><contactParty classCode="CON" nullFlavor="NI"/></providerOrganization>` +
			`<subjectOf1><queryMatchObservation classCode="COND" moodCode="EVN"><code code="IHE_PDQ"/><value xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="INT" value="100"/></queryMatchObservation></subjectOf1></patient></subject1>`,
		`<queryAck><queryId root="1.2.3.8" extension="Q"/><statusCode code="deliveredResponse"/><queryResponseCode code="OK"/><resultTotalQuantity value="3"/><resultCurrentQuantity value="1"/><resultRemainingQuantity value="2"/></queryAck>` + string(q.Raw) + `</controlActProcess></PRPA_IN201306UV02>`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestQuerySamples: queries that others wrote are read.
func TestQuerySamples(t *testing.T) {
	dir := oracle.Path(t, "samples/hl7v3")
	read := func(name string) *xmlpull.Reader {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return x(string(b))
	}
	q, err := pixv3.DecodeIdentifierQuery(read("ITI-45_query.xml"))
	if err != nil || q.Patient.ID != "PIX10501" || q.Patient.AssigningAuthority != iso("1.3.6.1.4.1.21367.2005.1.1") || !reflect.DeepEqual(q.Domains, []hl7.HD{iso("1.3.6.1.4.1.21367.2005.1.2")}) {
		t.Errorf("%+v %v", q, err)
	}
	q, err = pixv3.DecodePersonQuery(read("ITI-47_query.xml"))
	want := pix.Criteria{Family: "Wurm", OtherFamily: "Heidi", Given: "MARY Annemarie", BirthDate: "19400101", Sex: "F", Street: "3443 North Arctic Avenue", City: "Some City"}
	if err != nil || q.Criteria != want || q.Quantity != 2 {
		t.Errorf("%+v %v", q, err)
	}
}

func BenchmarkIdentifierQuery(b *testing.B) {
	message := []byte(identifierQuery("1.2.3", "1.2.4"))
	b.ReportAllocs()
	for b.Loop() {
		q, err := pixv3.DecodeIdentifierQuery(xmlpull.NewReader(message, xmlpull.Options{}))
		if err != nil {
			b.Fatal(err)
		}
		pixv3.AnswerIdentifiers(q, []hl7.CX{q.Patient}, nil, pixv3.Origin{Device: "1.2.3.9", ID: "A1"})
	}
}

func FuzzQuery(f *testing.F) {
	f.Add([]byte(identifierQuery("1.2.3")))
	f.Add([]byte(personQuery(everyParameter)))
	f.Add([]byte(goOn("QUQI_IN000003UV01", "waitContinuedQueryResponse", 3, 2)))
	f.Fuzz(func(t *testing.T, b []byte) {
		o := pixv3.Origin{Time: time.Unix(0, 0), Device: "1.2", ID: "1"}
		if q, err := pixv3.DecodeIdentifierQuery(x(string(b))); err == nil {
			// What is told again is the same question.
			again, err := pixv3.DecodeIdentifierQuery(x(strings.Replace(identifierQuery(), identifierRaw, string(q.Raw), 1)))
			if err != nil || again.Patient != q.Patient || !reflect.DeepEqual(again.Domains, q.Domains) || string(again.Raw) != string(q.Raw) {
				t.Fatalf("%v\n%s\n%s", err, again.Raw, q.Raw)
			}
			readAll(t, pixv3.AnswerIdentifiers(q, []hl7.CX{q.Patient}, nil, o))
		}
		if q, err := pixv3.DecodePersonQuery(x(string(b))); err == nil {
			readAll(t, pixv3.AnswerPersons(q, nil, pixv3.Told{}, nil, o))
		}
		if c, err := pixv3.DecodeContinuation(x(string(b))); err == nil && (c.ID.IsNull() || c.Start < 0 || c.Quantity < 0) {
			t.Fatalf("%+v", c)
		}
	})
}

var identifierRaw = func() string {
	_, s, _ := strings.Cut(identifierQuery(), "<queryByParameter>")
	s, _, _ = strings.Cut(s, "</queryByParameter>")
	return "<queryByParameter>" + s + "</queryByParameter>"
}()

func readAll(t *testing.T, message []byte) {
	t.Helper()
	r := xmlpull.NewReader(message, xmlpull.Options{})
	for {
		if k, err := r.Next(); err != nil {
			t.Fatalf("our answer is not XML: %v", err)
		} else if k == xmlpull.EOF {
			return
		}
	}
}
