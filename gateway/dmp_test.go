package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"crypto/x509"
	"crypto/x509/pkix"

	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/internal/oracle"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/internal/testpki"
	"github.com/passerelle-sante/passerelle/wire/saml"
	"github.com/passerelle-sante/passerelle/wire/xmlsig"
)

const sharedRules = "policy: {rules: france}\ndmp: {enabled: true, device_id: 1.2.250.1.999.4.1}\n"

// national is a message of a national service: a body, and the action that goes with it.
func national(path, action, body string) badCase {
	return badCase{name: action, path: "/si-dmp-server/v2/services/" + path, header: map[string]string{"Content-Type": "application/soap+xml; charset=UTF-8"}, body: strings.NewReader(body)}
}

func dmpEnvelope(action, body string) string {
	return `<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing"><e:Header><a:Action e:mustUnderstand="1">` + action +
		`</a:Action><a:MessageID>urn:uuid:1</a:MessageID></e:Header><e:Body>` + body + `</e:Body></e:Envelope>`
}

// TestSharedRecord is the way of a record, over mutual TLS and with a card: nothing without consent, nothing without a right, and the patient is told who got one.
func TestSharedRecord(t *testing.T) {
	w, good := everybody(), goodMessages()
	who := vihf() // one assertion, whatever the time: its identifier stands for what it says
	a := runAsked(t, "profile: vihf, required: {registry: true, repository: true, dmp: true}", sharedRules)
	node := a.as(w.doctorAuth)
	record := gateway.SharedRecord{Data: a.data, Patient: sample.PatientID(0).String()}
	find := func(who *saml.Assertion) string {
		t.Helper()
		got, _ := a.post(node, toRegistry("find", signed(t, good.find, who, w.doctorSign)))
		return got[strings.Index(got, "\n")+1:]
	}
	deposit := func() string {
		t.Helper()
		got, _ := a.post(node, toRepository("provide", related(signed(t, good.provide, who, w.doctorSign), part("doc@x", good.doc))))
		return got[strings.Index(got, "\n")+1:]
	}
	expect := func(what, got, want string) {
		t.Helper()
		if !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	const denied = "Failure\nError XDSRegistryError at FindDocuments: access denied\n"
	expect("a deposit without a record", deposit(), "Failure\nError XDSUnknownPatientId at SubmissionSet.patientId")
	if err := record.Order(context.Background(), gateway.DMPOrder{Do: "open", Consent: true, Where: "Guichet", Notice: "2026-1"}); err != nil {
		t.Fatal(err)
	}
	expect("a deposit", deposit(), "Success\n")
	expect("a search without a right", find(who), denied)

	const set = "urn:si-dmp-habilitations:HabilitationsEndPoint:setAuthorization"
	authorize := func(action string) string {
		t.Helper()
		body := signed(t, dmpEnvelope(set, `<setAuthorization xmlns="urn:si-dmp-habilitations"><action>`+action+`</action></setAuthorization>`), who, w.doctorSign)
		_, whole := a.post(node, national("habilitations", set, body))
		return whole
	}
	if got := authorize("AJOUT"); !strings.Contains(got, ">DMPOk<") || !strings.Contains(got, set+"Response") {
		t.Errorf("the right is not recorded: %s", got)
	}
	expect("a search with a right", find(who), "Success\n")
	rights, err := record.Rights(context.Background())
	if err != nil || len(rights) != 1 || rights[0].Party.Person != doctor || rights[0].Kind != "allegation" || !rights[0].Until.Equal(rights[0].Since.AddDate(1, 0, 0)) {
		t.Errorf("rights %+v, %v", rights, err)
	}
	if err := record.Order(context.Background(), gateway.DMPOrder{Do: "block", Person: doctor}); err != nil {
		t.Fatal(err)
	}
	expect("a search of who is refused", find(who), denied)
	glass := vihf()
	glass.Attributes[7].Values[0].Code = "bris_de_glace"
	glass.Attributes = append(glass.Attributes, saml.Attribute{Name: "Mode_Acces_Raison", Values: []saml.Value{{Text: "Patient inconscient"}}})
	expect("the glass, by who is refused", find(glass), denied)
	if err := record.Order(context.Background(), gateway.DMPOrder{Do: "unblock", Person: doctor}); err != nil {
		t.Fatal(err)
	}
	if got := authorize("SUPPRESSION"); !strings.Contains(got, ">DMPOk<") {
		t.Errorf("the right is not taken back: %s", got)
	}
	expect("a search after the right", find(who), denied)
	expect("the glass", find(glass), "Success\n")
	notices, err := record.Notices(context.Background())
	if err != nil || len(notices) != 2 || notices[1].Kind != "allegation" || notices[0].Kind != "break-glass" || notices[0].Reason != "Patient inconscient" {
		t.Errorf("notices %+v, %v", notices, err)
	}
	if err := record.Order(context.Background(), gateway.DMPOrder{Do: "close", Reason: "FERMETURE_DEMANDE_PATIENT", Confirmed: true}); err != nil {
		t.Fatal(err)
	}
	expect("the glass of a closed record", find(glass), denied)
	expect("a deposit into a closed record", deposit(), "Failure\nError XDSUnknownPatientId at SubmissionSet.patientId")
	// Each decision is in the audit record with its reason.
	var decisions []string
	for _, m := range a.messages(t) {
		for _, o := range m.ParticipantObjects {
			for _, d := range o.ParticipantObjectDetails {
				if d.Type == "Decision" && strings.Contains(line(m), "ITI-18") {
					decisions = append(decisions, strings.Fields(string(d.Value))[0]+" "+strings.Join(strings.Fields(string(d.Value))[1:3], " "))
				}
			}
		}
	}
	want := "refused: no right, granted: allegation, refused: refused by, refused: refused by, refused: the right, granted: break-glass, refused: no record"
	got := strings.Join(decisions, ", ")
	for _, id := range []string{rights[0].ID, notices[0].About} {
		got = strings.ReplaceAll(got, " "+id, "")
	}
	if got != want {
		t.Errorf("decisions\n got %s\nwant %s", got, want)
	}
}

// TestRealMessages sends the published messages of the national services as they are, but for times, and a signature made for a certificate of the person they name.
func TestRealMessages(t *testing.T) {
	dir := oracle.Path(t, "samples/dmp")
	w := everybody()
	domain, err := filepath.Abs("demo/affinity-fr.yaml") // which knows the national statuses
	if err != nil {
		t.Fatal(err)
	}
	a := runAsked(t, "profile: vihf, required: {dmp: true}", sharedRules+fmt.Sprintf("registry: {affinity_domain: %q}\n", domain))
	a.feed(t, strings.Join([]string{`MSH|^~\&|GAM|HOP|PASS|P|20260101||ADT^A28^ADT_A05|M1|P|2.5`, `EVN||20260101`, `PID|||207058575627097^^^&1.2.250.1.213.1.4.10&ISO^NH||PAT-TROIS^DOMINIQUE^^^^^L||19700505|M`}, "\r"))
	record := gateway.SharedRecord{Data: a.data, Patient: "207058575627097^^^&1.2.250.1.213.1.4.10&ISO^NH"}
	if err := record.Order(context.Background(), gateway.DMPOrder{Do: "open", Consent: true, Where: "Guichet", Notice: "2026-1"}); err != nil {
		t.Fatal(err)
	}
	person := pkix.Name{CommonName: "899900063480", OrganizationalUnit: []string{"Médecin"}, Organization: []string{"TEST"}, Country: []string{"FR"}}
	sign, connect := certified("dmp-sign", w.ca, "rsa2048", person, x509.KeyUsageContentCommitment), certified("dmp-connect", w.ca, "p256", person, x509.KeyUsageDigitalSignature, x509.ExtKeyUsageClientAuth)
	moment := time.Now().UTC() // all of them carry one assertion, which is issued once
	send := func(file, path string, want ...string) {
		t.Helper()
		_, whole := a.post(a.as(connect), national(path, file, presented(t, filepath.Join(dir, file), moment, sign)))
		for _, s := range want {
			if !strings.Contains(whole, s) {
				t.Errorf("%s: no %s in %s", file, s, whole)
			}
		}
	}
	send("TD0.2_request.xml", "patients", "PRPA_IN201308UV02", `code="active"`, "207058575627097")
	send("TD0.3_request.xml", "habilitations", "setAuthorizationResponse", ">DMPOk<")
	// The published change of a status: it leaves out what its parts belong to.
	good := goodMessages()
	deposit := strings.NewReplacer(strings.ReplaceAll(sample.PatientID(0).String(), "&", "&amp;"), "207058575627097^^^&amp;1.2.250.1.213.1.4.10&amp;ISO^NH", string(sample.Submission(77, 1, 0, when).Entries[0].ID), "urn:uuid:fe5287a2-ae6a-11eb-8f5d-0050569e422e").Replace(good.provide)
	about := vihf()
	about.Subject.Value, about.Attributes[2].Values[0].Text, about.Attributes[5].Values[0].Text = "899900063480", "499900063480001", "207058575627097^^^&1.2.250.1.213.1.4.10&ISO^NH"
	if got, _ := a.post(a.as(connect), toRepository("provide", related(signed(t, deposit, about, sign), part("doc@x", good.doc)))); !strings.HasSuffix(got, "Success\n") {
		t.Fatal(got)
	}
	send("TD3.3d_request.xml", "registry", "ResponseStatusType:Success")
	send("TD3.3d_request.xml", "registry", "ResponseStatusType:Failure", "XDSMetadataUpdateError") // it is put away already
	send("TD1.4_request.xml", "patients", "PRPA_IN201314ResponseUV02")
	send("TD0.2_request.xml", "patients", `code="terminated"`)
}

// presented is a published message with its assertion brought to now and signed; nothing else is touched.
func presented(t *testing.T, file string, now time.Time, by testpki.Identity) string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m := string(raw)
	for attribute, ago := range map[string]time.Duration{`IssueInstant="`: time.Second, `AuthnInstant="`: 0} {
		i := strings.Index(m, attribute) + len(attribute)
		m = m[:i] + now.Add(-ago).Format(time.RFC3339Nano) + m[i+strings.Index(m[i:], `"`):]
	}
	out, err := xmlsig.Signer{Key: by.Key, Certificates: []*x509.Certificate{by.Certificate}, Canonicalization: xmlsig.Exclusive("xs")}.Sign([]byte(m), strings.Index(m, "<saml2:Assertion"), 1)
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", file, err))
	}
	return string(out)
}

// TestJournal: the patient sees who reached for his record, by name, granted or refused.
func TestJournal(t *testing.T) {
	w, good := everybody(), goodMessages()
	a := runAsked(t, "profile: vihf, required: {registry: true, dmp: true}", sharedRules+"audit: {repository: {enabled: true}}\n")
	record := gateway.SharedRecord{Data: a.data, Patient: sample.PatientID(0).String()}
	if err := record.Order(context.Background(), gateway.DMPOrder{Do: "open", Consent: true, Where: "Guichet", Notice: "2026-1"}); err != nil {
		t.Fatal(err)
	}
	a.post(a.as(w.doctorAuth), toRegistry("find", signed(t, good.find, vihf(), w.doctorSign)))
	list, err := record.Journal(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(e gateway.Entry) bool { return e.What == "ITI-18" })
	if i < 0 {
		t.Fatalf("the journal does not tell of the search: %+v", list)
	}
	e := list[i]
	if e.Who != doctor || e.Role != "10" || e.Structure != "499900000001" || e.Purpose != "normal" || e.Granted || e.Details["Decision"] != "refused: no right" {
		t.Errorf("the journal says %+v", e)
	}
	// The newest line is that of the reading itself.
	if list[0].What != "journal-read" || list[len(list)-1].What != "ITI-30" && list[len(list)-1].What != "ITI-8" {
		t.Errorf("from %s to %s", list[len(list)-1].What, list[0].What)
	}
}

// TestRecordIsDestroyed: of a record that was destroyed nothing is left, of others all.
func TestRecordIsDestroyed(t *testing.T) {
	w, good := everybody(), goodMessages()
	rules := sharedRules[:len(sharedRules)-2] + ", destroy_early: true}\naudit: {repository: {enabled: true}}\n"
	a := runAsked(t, "profile: vihf, required: {dmp: true}", rules)
	for n := range 2 {
		id := sample.PatientID(n)
		ctx, record := context.Background(), gateway.SharedRecord{Data: a.data, Patient: id.String()}
		if err := record.Order(ctx, gateway.DMPOrder{Do: "open", Consent: true, Where: "Guichet", Notice: "2026-1"}); err != nil {
			t.Fatal(err)
		}
	}
	got, _ := a.post(a.as(w.doctorAuth), toRepository("provide", related(signed(t, good.provide, vihf(), w.doctorSign), part("doc@x", good.doc))))
	if !strings.HasSuffix(got, "\nSuccess\n") {
		t.Fatal(got)
	}
	record := gateway.SharedRecord{Data: a.data, Patient: sample.PatientID(0).String()}
	order := func(o gateway.DMPOrder, want string) {
		t.Helper()
		err := record.Order(context.Background(), o)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Fatalf("%s: %v, want %q", o.Do, err, want)
		}
	}
	order(gateway.DMPOrder{Do: "destroy"}, "DMPFound")
	order(gateway.DMPOrder{Do: "close", Reason: "FERMETURE_DEMANDE_PATIENT"}, "ConfirmationDue")
	order(gateway.DMPOrder{Do: "close", Reason: "FERMETURE_DEMANDE_PATIENT", Confirmed: true}, "")
	if !kept(t, a.data, good.doc) {
		t.Fatal("no bytes are kept of a closed record")
	}
	order(gateway.DMPOrder{Do: "destroy"}, "")
	order(gateway.DMPOrder{Do: "destroy"}, "") // the second time there is nothing left
	order(gateway.DMPOrder{Do: "open", Consent: true, Where: "Guichet", Notice: "1"}, "RecordDestroyed")
	list, err := record.Journal(context.Background())
	if err != nil || !slices.ContainsFunc(list, func(e gateway.Entry) bool {
		return e.What == "record-destroyed" && e.Details["Step"] == "documents destroyed"
	}) {
		t.Errorf("no proof in %+v, %v", list, err)
	}
	a.stop()
	if kept(t, a.data, good.doc) {
		t.Error("the bytes of a document are left")
	}
	// A gateway without rules, on the same data: neither metadata nor bytes.
	open := run(t, fmt.Sprintf("data: %q\nrepository: {unique_id: 1.2.250.1.999.1.2}\n", a.data))
	if n := len(open.entries(t, 0)); n != 0 {
		t.Errorf("%d documents are left", n)
	}
}

// kept tells whether a file of the document store holds these bytes.
func kept(t *testing.T, data, doc string) (found bool) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(data, "documents"), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		found = found || bytes.Contains(b, []byte(doc))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
