package gateway_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/internal/oracle"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/internal/testpki"
	"github.com/passerelle-sante/passerelle/wire/xmlsig"
)

const withRecords = `audit: {repository: {enabled: true}}
dmp: {enabled: true, destroy_early: true, terms: {allegation: 1y}}
policy: {rules: france}
`

const nationalPath = "/si-dmp-server/v2/services/"

// order does what an operator's command does.
func (r *running) order(t *testing.T, o gateway.RecordOrder, answer any) {
	t.Helper()
	if err := gateway.OrderRecord(t.Context(), r.data, o, answer); err != nil {
		t.Fatalf("%s: %v", o.Do, err)
	}
}

// orderRefused wants an order refused in these words.
func (r *running) orderRefused(t *testing.T, o gateway.RecordOrder, want string) {
	t.Helper()
	if err := gateway.OrderRecord(t.Context(), r.data, o, nil); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v, want %s", o.Do, err, want)
	}
}

// journalOf gives what, who and whether of each line of a patient's journal, the oldest first.
func (r *running) journalOf(t *testing.T, patient string) []string {
	t.Helper()
	var page gateway.JournalPage
	r.order(t, gateway.RecordOrder{Do: "journal", Patient: patient, Max: 100}, &page)
	var lines []string
	for _, e := range slices.Backward(page.Entries) {
		line := string(e.What) + " " + e.Who
		if !e.Granted {
			line += " refused"
		}
		lines = append(lines, line)
	}
	return lines
}

// TestNationalServices: the messages of the national interface, untouched but for the times and the signature of their assertion, at the national paths.
func TestNationalServices(t *testing.T) {
	w := everybody()
	files := oracle.Files(t, "samples/dmp", "TD*_request.xml")
	person := pkix.Name{CommonName: "899900063480", OrganizationalUnit: []string{"Médecin"}, Organization: []string{"TEST"}, Country: []string{"FR"}}
	sign, connect := certified(w.ca, "rsa2048", person, x509.KeyUsageContentCommitment), certified(w.ca, "p256", person, x509.KeyUsageDigitalSignature, x509.ExtKeyUsageClientAuth)
	a := runAsked(t, "profile: vihf, required: {registry: true, repository: true, dmp: true}", withRecords)
	const patient = "207058575627097^^^&1.2.250.1.213.1.4.10&ISO"
	a.feed(t, "MSH|^~\\&|GAM|CHU-X|GW|REG|20261123083000||ADT^A28|1|P|2.5|||||FRA|UNICODE UTF-8\rPID|1||"+patient+"||patb-quatre^LAURENCE^^^M^^D||19070525|M\r")
	send := func(name, path, want string) {
		t.Helper()
		client := a.as(connect)
		c := badCase{name: name, path: path, header: map[string]string{"Content-Type": "application/soap+xml; charset=UTF-8"}, body: strings.NewReader(fresh(t, string(files[name]), sign))}
		if short, whole := a.post(client, c); !regexp.MustCompile(want).MatchString(whole) {
			t.Errorf("%s: %s\n%s\nwant %s", name, short, whole, want)
		}
	}
	send("TD0.2_request.xml", nationalPath+"patients", `<acknowledgement typeCode="AA">.*<queryResponseCode code="NF"/>`) // there is no record yet
	send("TD0.3_request.xml", nationalPath+"habilitations", `<ns1:status>RecordNotFound</ns1:status>`)
	a.order(t, gateway.RecordOrder{Do: "open", Patient: patient, Confirmed: true, Notice: "2026-01", Where: "guichet"}, nil)
	send("TD0.2_request.xml", nationalPath+"patients", `code="INEXISTANTE".*<statusCode code="active"/>.*<family qualifier="SP">patb-quatre</family>.*<queryResponseCode code="OK"/>`)
	send("TD1.4_request.xml", nationalPath+"patients", `PRPA_IN201316UV02.*typeCode="AE".*code="AccessDenied"`) // without a right
	send("TD0.3_request.xml", nationalPath+"habilitations", `<ns1:status>DMPOk</ns1:status><ns1:context>Autorisation ajoutée</ns1:context>`)
	send("TD0.3_request.xml", nationalPath+"habilitations", `<ns1:context>Autorisation déjà présente aucune action effectuée</ns1:context>`)
	send("TD0.2_request.xml", nationalPath+"patients", `code="VALIDE"`)
	send("TD3.3d_request.xml", nationalPath+"registry", `ResponseStatusType:Failure`) // of a document that is not here
	var rights []gateway.RecordStanding
	a.order(t, gateway.RecordOrder{Do: "rights", Patient: patient, Mode: "ACTIVE"}, &rights)
	if len(rights) != 1 || rights[0].Party.Person != "899900063480" || rights[0].Party.Structure != "499900063480001" || rights[0].Until.Sub(rights[0].Since) < 365*24*time.Hour {
		t.Errorf("%+v", rights)
	}
	send("TD1.4_request.xml", nationalPath+"patients", `PRPA_IN201314UV02_Response.*PRPA_IN201315UV02.*typeCode="AA".*<statusCode code="terminated"/>`)
	send("TD1.4_request.xml", nationalPath+"patients", `code="DMPClosed"`)
	send("TD0.2_request.xml", nationalPath+"patients", `<statusCode code="terminated"/>.*code="FERMETURE_DEMANDE_PATIENT"`)
	var notices []gateway.RecordNotice
	a.order(t, gateway.RecordOrder{Do: "notices", Patient: patient}, &notices)
	if len(notices) != 2 || notices[0].Kind != "closing" || notices[1].Kind != "allegation" {
		t.Errorf("%+v", notices)
	}
	want := []string{"ITI-30 CHU-X|GAM", "record-tested 899900063480", "right-gained 899900063480 refused", "record-opened " + a.operator(t, patient), "record-tested 899900063480",
		"record-closed 899900063480 refused", "right-gained 899900063480", "record-tested 899900063480"}
	got := a.journalOf(t, patient)
	if len(got) < len(want) || !reflect.DeepEqual(got[:len(want)], want) {
		t.Errorf("the journal is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// operator is who opened the record: the user who runs the tests.
func (r *running) operator(t *testing.T, patient string) string {
	var a gateway.RecordData
	r.order(t, gateway.RecordOrder{Do: "show", Patient: patient}, &a)
	return a.Consent.By.Person
}

// fresh gives a message's assertion an identifier of its own and times of now, and signs it.
func fresh(t *testing.T, message string, by testpki.Identity) string {
	t.Helper()
	for _, x := range []string{"2019-06-26T08:08:55.469Z", "2019-06-26T08:08:55.482Z"} {
		message = swap(t, message, x, time.Now().UTC().Format(time.RFC3339Nano))
	}
	message = swap(t, message, "_ce088e5a-e31d-42d0-ba37-fda5fcbc889d", fmt.Sprintf("_%d", time.Now().UnixNano()))
	out, err := xmlsig.Signer{Key: by.Key, Certificates: []*x509.Certificate{by.Certificate}, Canonicalization: xmlsig.Exclusive("xs")}.Sign([]byte(message), strings.Index(message, "<saml2:Assertion"), 1)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestRecordIsDestroyed: of a record that was destroyed no document is left, neither its metadata nor its bytes.
func TestRecordIsDestroyed(t *testing.T) {
	r := run(t, "repository: {unique_id: 1.2.250.1.999.1.2}\naudit: {repository: {enabled: true}}\ndmp: {enabled: true, destroy_early: true}\npatients: {identities: {national: ins}}\n")
	r.announce(t, 0)
	r.announce(t, 1)
	patient := sample.PatientID(0).String()
	for n := range 2 { // of patients 0 and 1
		sub := sample.Submission(7, n, n, time.Now())
		if err := provide(r, sub, sample.Document(n, 2000)); err != nil {
			t.Fatal(err)
		}
	}
	r.order(t, gateway.RecordOrder{Do: "open", Patient: patient, Confirmed: true, Notice: "1", Where: "guichet"}, nil)
	r.orderRefused(t, gateway.RecordOrder{Do: "destroy", Patient: patient}, "DMPFound")
	r.orderRefused(t, gateway.RecordOrder{Do: "close", Patient: patient, Reason: "FERMETURE_DEMANDE_PATIENT"}, "ConfirmationDue")
	r.order(t, gateway.RecordOrder{Do: "close", Patient: patient, Reason: "FERMETURE_DEMANDE_PATIENT", Confirmed: true}, nil)
	for range 2 { // the second time there is nothing left to destroy
		r.order(t, gateway.RecordOrder{Do: "destroy", Patient: patient}, nil)
	}
	if n := len(r.entries(t, 0)); n != 0 {
		t.Errorf("%d documents are left", n)
	}
	if n := len(r.entries(t, 1)); n != 1 {
		t.Errorf("%d documents of somebody else are left", n)
	}
	r.orderRefused(t, gateway.RecordOrder{Do: "open", Patient: patient, Confirmed: true, Notice: "1", Where: "guichet"}, "RecordDestroyed")
	if got := r.journalOf(t, patient); !slices.ContainsFunc(got, func(line string) bool { return strings.HasPrefix(line, "record-destroyed") }) {
		t.Errorf("%q", got)
	}
}
