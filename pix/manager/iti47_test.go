package manager_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/manager"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// v3 writes a query around the inside of its control act.
func v3(root, inside string) string {
	return `<` + root + ` xmlns="urn:hl7-org:v3" ITSVersion="XML_1.0"><id root="1.2.3" extension="Q1"/><creationTime value="20261123083000"/>` +
		`<interactionId root="2.16.840.1.113883.1.6" extension="` + strings.TrimSuffix(root, "_Cancel") + `"/><processingCode code="P"/><processingModeCode code="T"/><acceptAckCode code="AL"/>` +
		`<receiver typeCode="RCV"><device classCode="DEV" determinerCode="INSTANCE"><id root="1.2.3.6"/></device></receiver>` +
		`<sender typeCode="SND"><device classCode="DEV" determinerCode="INSTANCE"><id root="1.2.3.4"/></device></sender>` +
		`<controlActProcess classCode="CACT" moodCode="EVN">` + inside + `</controlActProcess></` + root + `>`
}

// askPIX asks for the identifiers of a patient in domains.
func askPIX(id hl7.CX, domains ...string) string {
	list := ""
	for _, d := range domains {
		list += `<dataSource><value root="` + d + `"/><semanticsText>DataSource.id</semanticsText></dataSource>`
	}
	return v3("PRPA_IN201309UV02", `<queryByParameter><queryId root="1.2.3.8" extension="Q"/><statusCode code="new"/><responsePriorityCode code="I"/><parameterList>`+list+
		`<patientIdentifier><value root="`+id.AssigningAuthority.UniversalID+`" extension="`+id.ID+`"/><semanticsText>Patient.id</semanticsText></patientIdentifier></parameterList></queryByParameter>`)
}

// askPDQ asks for the persons of a family name, so many at once, under a query id.
func askPDQ(query, family string, quantity int, domains ...string) string {
	initial, list := "", ""
	if quantity > 0 {
		initial = fmt.Sprintf(`<initialQuantity value="%d"/>`, quantity)
	}
	for _, d := range domains {
		list += `<otherIDsScopingOrganization><value root="` + d + `"/><semanticsText>OtherIDs.scopingOrganization.id</semanticsText></otherIDsScopingOrganization>`
	}
	return v3("PRPA_IN201305UV02", `<queryByParameter><queryId root="1.2.3.8" extension="`+query+`"/><statusCode code="new"/>`+initial+
		`<parameterList><livingSubjectName><value><family>`+family+`</family></value><semanticsText>LivingSubject.name</semanticsText></livingSubjectName>`+list+`</parameterList></queryByParameter>`)
}

func goOn(query string, start, quantity int) string {
	numbers := ""
	if start > 0 {
		numbers += fmt.Sprintf(`<startResultNumber value="%d"/>`, start)
	}
	if quantity > 0 {
		numbers += fmt.Sprintf(`<continuationQuantity value="%d"/>`, quantity)
	}
	return v3("QUQI_IN000003UV01", `<queryContinuation><queryId root="1.2.3.8" extension="`+query+`"/>`+numbers+`<statusCode code="waitContinuedQueryResponse"/></queryContinuation>`)
}

func cancel(query string) string {
	return v3("QUQI_IN000003UV01_Cancel", `<queryContinuation><queryId root="1.2.3.8" extension="`+query+`"/><statusCode code="aborted"/></queryContinuation>`)
}

var (
	answerID   = regexp.MustCompile(`<id root="1\.2\.250\.1\.(?:999\.7|213\.1\.4)\.(\d+)" extension="(\w+)"`)
	answerPart = regexp.MustCompile(`(?:typeCode|queryResponseCode) code="(\w+)"|displayName="([^"]*)"|<location>([^<]*)<|result(?:Total|Current|Remaining)Quantity (?:value|nullFlavor)="(\w+)"`)
)

// said is what an answer says: codes, error, location, quantities, and behind a bar the identifiers value@domain.
func said(t *testing.T, answer []byte) string {
	t.Helper()
	before, _, _ := strings.Cut(string(answer), "<queryByParameter>") // the question is told again
	var out, ids []string
	for _, m := range answerPart.FindAllStringSubmatch(before, -1) {
		out = append(out, strings.Join(m[1:], ""))
	}
	for _, m := range answerID.FindAllStringSubmatch(before, -1) {
		ids = append(ids, m[2]+"@"+m[1])
	}
	return strings.Join(out, " ") + " | " + strings.Join(ids, " ")
}

// door plays one message at a v3 door.
func door(t *testing.T, m *manager.Manager, c auth.Caller, message string) string {
	t.Helper()
	decode := func(f func(*xmlpull.Reader) error) error {
		return f(xmlpull.NewReader([]byte(message), xmlpull.Options{}))
	}
	answer := m.AnswerITI45
	switch {
	case strings.HasPrefix(message, "<PRPA_IN201305"):
		answer = m.AnswerITI47
	case strings.HasPrefix(message, "<QUQI"):
		answer = m.AnswerITI47More
	}
	got, err := answer(t.Context(), c, decode)
	if err != nil {
		return "error " + err.Error()
	}
	return said(t, got)
}

func TestITI45(t *testing.T) {
	domains := hospitals()
	domains[slices.IndexFunc(domains, func(d pix.Domain) bool { return d.AssigningAuthority.UniversalID == clinic })].Askers = []string{"clinic.example"}
	m, store := worldOf(t, manager.Config{Domains: domains, Operators: []string{"vigilance"}, FiledAs: "NH"})
	must(t, m.Feed(t.Context(), node, told(pix.Added, of(north, "N1"), numberA, pix.Qualified), told(pix.Added, of(south, "S1"), numberA, pix.Qualified), told(pix.Added, of(north, "N9"), "", pix.Provisional)))
	store.drain(&store.refused)
	at := "/PRPA_IN201309UV02/controlActProcess/queryByParameter/parameterList"
	for _, c := range []struct{ name, in, want, audit string }{
		{"all", askPIX(of(north, "N1")), "AA OK | " + numberA + "@10 S1@2", "ITI-45 E 0 N1^^^&1.2.250.1.999.7.1&ISO"},
		{"one domain", askPIX(of(north, "N1"), south), "AA OK | S1@2", "ITI-45 E 0 N1^^^&1.2.250.1.999.7.1&ISO"},
		{"domain without one", askPIX(of(north, "N1"), north), "AA NF | ", "ITI-45 E 0 N1^^^&1.2.250.1.999.7.1&ISO"},
		{"nobody else", askPIX(of(north, "N9")), "AA NF | ", "ITI-45 E 0 N9^^^&1.2.250.1.999.7.1&ISO"},
		{"unknown patient", askPIX(of(north, "N7")), "AE Unknown key identifier " + at + "/patientIdentifier/value AE | ", "ITI-45 E 4 N7^^^&1.2.250.1.999.7.1&ISO"},
		{"unknown authority", askPIX(of("1.2.3", "N1")), "AE Unknown key identifier " + at + "/patientIdentifier/value AE | ", "ITI-45 E 4 N1^^^&1.2.3&ISO"},
		{"unknown domain", askPIX(of(north, "N1"), south, "1.2.3"), "AE Unknown key identifier " + at + "/dataSource[2]/value AE | ", "ITI-45 E 4 N1^^^&1.2.250.1.999.7.1&ISO"},
		{"two unknown domains", askPIX(of(north, "N1"), "1.2.3", south, clinic), "AE Unknown key identifier " + at + "/dataSource[1]/value Unknown key identifier " + at + "/dataSource[3]/value AE | ",
			"ITI-45 E 4 N1^^^&1.2.250.1.999.7.1&ISO"},
		{"domain of others", askPIX(of(north, "N1"), clinic), "AE Unknown key identifier " + at + "/dataSource[1]/value AE | ", "ITI-45 E 4 N1^^^&1.2.250.1.999.7.1&ISO"},
		{"not understood", strings.Replace(askPIX(of(north, "N1")), `code="new"`, `code="old"`, 1), "AE Table value not found /PRPA_IN201309UV02/controlActProcess/queryByParameter/statusCode AE | ", "ITI-45 E 4 "},
		{"not XML", "<PRPA_IN201309UV02", "error", "ITI-45 E 8 -"},
	} {
		got := door(t, m, node, c.in)
		if got != c.want && !(c.want == "error" && strings.HasPrefix(got, "error ")) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if audit := strings.Join(store.drain(&store.refused), " "); audit != c.audit {
			t.Errorf("%s: audited %q, want %q", c.name, audit, c.audit)
		}
	}
}

// TestITI47 asks for persons in parts.
func TestITI47(t *testing.T) {
	m, store := worldOf(t, manager.Config{Domains: hospitals(), Operators: []string{"vigilance"}})
	for i := range 5 {
		must(t, m.Feed(t.Context(), node, told(pix.Added, of(north, fmt.Sprintf("N%d", i)), "", pix.Provisional)))
	}
	must(t, m.Feed(t.Context(), node, told(pix.Added, of(south, "S0"), "", pix.Provisional)))
	must(t, m.Link(t.Context(), operator, of(north, "N0"), of(south, "S0")))
	store.drain(&store.refused)
	other := auth.Caller{Node: "other.example", Address: "192.0.2.9"}
	query := func(where string) string {
		return "/PRPA_IN201305UV02/controlActProcess/queryByParameter/parameterList/" + where
	}
	unknown := "AE Unknown key identifier /QUQI_IN000003UV01/controlActProcess/queryContinuation/queryId AE | "
	for _, c := range []struct {
		name string
		who  auth.Caller
		in   string
		want string
	}{
		{"all", node, askPDQ("Q", "ESSAI", 0), "AA OK 5 5 0 | N0@1 S0@2 N1@1 N2@1 N3@1 N4@1"},
		{"nothing left", node, goOn("Q", 0, 2), unknown},
		{"nobody", node, askPDQ("Q", "PERSONNE", 2), "AA NF 0 0 0 | "},
		{"of one domain", node, askPDQ("Q", "ESSAI", 0, south), "AA OK 1 1 0 | S0@2"},
		{"unknown domain", node, askPDQ("Q", "ESSAI", 0, south, "1.2.3"), "AE Unknown key identifier " + query("otherIDsScopingOrganization[2]/value") + " AE | "},
		{"everybody", node, strings.Replace(askPDQ("Q", "", 0), "<family></family>", "", 1), "AE Required field missing " + strings.TrimSuffix(query(""), "/") + " AE | "},
		{"two", node, askPDQ("Q", "ESSAI", 2), "AA OK 5 2 3 | N0@1 S0@2 N1@1"},
		{"another node goes on", other, goOn("Q", 0, 2), unknown},
		{"another node cancels", other, cancel("Q"), "CE Unknown key identifier /QUQI_IN000003UV01_Cancel/controlActProcess/queryContinuation/queryId | "},
		{"two more", node, goOn("Q", 3, 0), "AA OK 5 2 1 | N2@1 N3@1"},
		{"the same again", node, goOn("Q", 3, 0), "AA OK 5 2 1 | N2@1 N3@1"},
		{"too far back", node, goOn("Q", 1, 0), "AE Data type error /QUQI_IN000003UV01/controlActProcess/queryContinuation/startResultNumber AE | "},
		{"the last", node, goOn("Q", 5, 9), "AA OK 5 1 0 | N4@1"},
		{"no more", node, goOn("Q", 0, 0), unknown},
		{"one", node, askPDQ("P", "ESSAI", 1), "AA OK 5 1 4 | N0@1 S0@2"},
		{"cancelled", node, cancel("P"), "CA | "},
		{"gone", node, goOn("P", 0, 0), unknown},
	} {
		got := door(t, m, c.who, c.in)
		// An error tells no quantities; the answer to a continuation that has no query repeats none.
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	var audited []string
	for _, a := range store.refused {
		var ids []string
		for _, o := range a.ParticipantObjects {
			if o.ParticipantObjectTypeCodeRole == "1" {
				id, _, _ := strings.Cut(o.ParticipantObjectID, "^")
				ids = append(ids, id)
			}
		}
		audited = append(audited, fmt.Sprintf("%s %d %s", a.EventIdentification.EventTypeCodes[0].Code, a.EventIdentification.EventOutcomeIndicator, strings.Join(ids, ",")))
	}
	want := "ITI-47 0 N0,N1,N2,N3,N4; ITI-47 4 ; ITI-47 0 ; ITI-47 0 N0; ITI-47 4 ; ITI-47 4 ; ITI-47 0 N0,N1; ITI-47 4 ; ITI-47 4 ; ITI-47 0 N2,N3; ITI-47 0 N2,N3; ITI-47 4 ; ITI-47 0 N4; ITI-47 4 ; ITI-47 0 N0; ITI-47 4 "
	if got := strings.Join(audited, "; "); got != want {
		t.Errorf("audited\n%s\nwant\n%s", got, want)
	}
}

// TestSearchesAreBounded: searches wait for a while, and only so many of a node.
func TestSearchesAreBounded(t *testing.T) {
	clock := now()
	store := newMemory()
	m, err := manager.New(manager.Config{Store: store, Recorder: store, Reporter: &atna.Reporter{SourceID: "passerelle", ProcessID: "1"}, Domains: hospitals(),
		Clock: func() time.Time { return clock }})
	must(t, err)
	for i := range 3 {
		must(t, m.Feed(t.Context(), node, told(pix.Added, of(north, fmt.Sprintf("N%d", i)), "", pix.Provisional)))
	}
	other := auth.Caller{Node: "other.example"}
	door(t, m, other, askPDQ("X", "ESSAI", 1))
	for i := range 65 {
		door(t, m, node, askPDQ(fmt.Sprintf("Q%d", i), "ESSAI", 1))
	}
	for query, more := range map[string]bool{"Q0": false, "Q1": true, "Q64": true} {
		if got := door(t, m, node, goOn(query, 0, 1)); strings.HasPrefix(got, "AA OK 3 1 1") != more {
			t.Errorf("%s: %s", query, got)
		}
	}
	if got := door(t, m, other, goOn("X", 0, 1)); !strings.HasPrefix(got, "AA OK 3 1 1") {
		t.Errorf("a busy node took another's search away: %s", got)
	}
	clock = clock.Add(10 * time.Minute)
	for _, query := range []string{"Q1", "Q2"} {
		if got := door(t, m, node, goOn(query, 0, 1)); !strings.HasPrefix(got, "AE Unknown key identifier") {
			t.Errorf("%s after ten minutes: %s", query, got)
		}
	}
}
