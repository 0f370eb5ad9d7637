package gateway_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/internal/testpki"
	"github.com/passerelle-sante/passerelle/wire/saml"
	"github.com/passerelle-sante/passerelle/wire/xmlsig"
)

// The names of assertions, typed from the standards.
const (
	wsse       = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
	doctor     = "899900000001"
	clinic     = "10B0127189"
	claimRole  = "urn:oasis:names:tc:xacml:2.0:subject:role"
	claimUse   = "urn:oasis:names:tc:xspa:1.0:subject:purposeofuse"
	claimAbout = "urn:oasis:names:tc:xacml:2.0:resource:resource-id"
)

// askers is everybody who asks in these tests.
type askers struct {
	ca                                                                          *testpki.Authority
	doctorSign, doctorAuth, clinicSign, clinicAuth, hospitalAuth, lab, provider testpki.Identity
	revoked, stranger, small, curve                                             testpki.Identity
}

var everybody = sync.OnceValue(func() *askers {
	ca, err := testpki.New("Test authority")
	other, err2 := testpki.New("Other authority")
	if err != nil || err2 != nil {
		panic(err)
	}
	person := pkix.Name{CommonName: doctor, OrganizationalUnit: []string{"Médecin"}, Organization: []string{"TEST"}, Country: []string{"FR"}}
	structure := func(cn, id string) pkix.Name {
		return pkix.Name{CommonName: cn, OrganizationalUnit: []string{id}, Organization: []string{"TEST"}, Province: []string{"Rhône (69)"}, Country: []string{"FR"}}
	}
	const sign, connect, client = x509.KeyUsageContentCommitment, x509.KeyUsageDigitalSignature, x509.ExtKeyUsageClientAuth
	return &askers{ca: ca,
		doctorSign: certified("doctorSign", ca, "rsa2048", person, sign), doctorAuth: certified("doctorAuth", ca, "p256", person, connect, client),
		clinicSign: certified("clinicSign", ca, "rsa2048", structure("sign.clinic.example", clinic), sign), clinicAuth: certified("clinicAuth", ca, "p256", structure("auth.clinic.example", clinic), connect, client),
		hospitalAuth: certified("hospitalAuth", ca, "p256", structure("auth.hospital.example", "300000000029751"), connect, client),
		lab:          certified("lab", ca, "p256", structure("lab.example", "1750100125"), connect, client),
		provider:     certified("provider", ca, "p256", pkix.Name{CommonName: "Identity provider"}, sign|connect),
		revoked:      certified("revoked", ca, "rsa2048", person, sign), stranger: certified("stranger", other, "rsa2048", person, sign),
		small: certified("small", ca, "rsa1024", person, sign), curve: certified("curve", ca, "p256", person, sign)}
})

// keys are RSA keys, made once for all tests: making one takes longer than most tests.
var keys sync.Map

// keyOf is somebody's key.
func keyOf(name, kind string) (crypto.Signer, error) {
	if !strings.HasPrefix(kind, "rsa") {
		return testpki.NewKey(kind)
	}
	once, _ := keys.LoadOrStore(name+" "+kind, sync.OnceValues(func() (crypto.Signer, error) { return testpki.NewKey(kind) }))
	return once.(func() (crypto.Signer, error))()
}

// certified is somebody with a certificate; a name has one RSA key.
func certified(name string, ca *testpki.Authority, kind string, subject pkix.Name, usage x509.KeyUsage, extended ...x509.ExtKeyUsage) testpki.Identity {
	key, err := keyOf(name, kind)
	if err != nil {
		panic(err)
	}
	t := testpki.Mailbox("", "x@example.org")
	t.Subject, t.KeyUsage, t.ExtKeyUsage, t.EmailAddresses = subject, usage, extended, nil
	c, err := ca.Certify(t, key.Public())
	if err != nil {
		panic(err)
	}
	return testpki.Identity{Certificate: c, Key: key}
}

// files writes what the gateway reads into a folder.
func (w *askers) files(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	server, err := w.ca.Issue("localhost", 0)
	if err != nil {
		t.Fatal(err)
	}
	list, err := w.ca.Revoke(w.revoked.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"ca.pem": w.ca.PEM, "server.pem": server.Cert, "server.key": server.Key, "revoked.crl": pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: list})} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// asked is a gateway that takes assertions.
type asked struct {
	*running
	t   *testing.T
	log syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// runAsked runs a gateway that knows patients 0 and 1; assertions is what the configuration says of them besides the files.
func runAsked(t *testing.T, assertions, more string) *asked {
	t.Helper()
	return runAskedFor(t, "", assertions, more)
}

// runAskedFor is runAsked with more about the repository.
func runAskedFor(t *testing.T, repository, assertions, more string) *asked {
	t.Helper()
	dir := everybody().files(t)
	a := &asked{t: t}
	a.running = runLogging(t, &a.log, fmt.Sprintf(`repository: {unique_id: 1.2.250.1.999.1.2%[4]s}
tls: {certificate: "%[1]s/server.pem", key: "%[1]s/server.key", client_ca: "%[1]s/ca.pem"}
access:
  assertions: {%[2]s, anchors: ["%[1]s/ca.pem"], lists: ["%[1]s/revoked.crl"]}
  nodes: [{name: lab.example, structure: "1750100125", write: true}]
%[3]s`, dir, assertions, more, repository), `soap: "127.0.0.1:0"`)
	a.announce(t, 0)
	a.announce(t, 1)
	return a
}

// as is a client of the door with certificates.
func (a *asked) as(id testpki.Identity) *http.Client {
	c := tls.Certificate{Certificate: [][]byte{id.Certificate.Raw}, PrivateKey: id.Key.(crypto.PrivateKey), Leaf: id.Certificate}
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{c}, RootCAs: everybody().ca.Pool(), ServerName: "localhost"}}}
	a.t.Cleanup(client.CloseIdleConnections)
	return client
}

// post sends a message to the door over mutual TLS, and gives the answer in short and whole.
func (a *asked) post(client *http.Client, c badCase) (short, whole string) {
	a.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "https://"+a.Address("soap")+c.path, c.body)
	if err != nil {
		a.t.Fatal(err)
	}
	for k, v := range c.header {
		req.Header.Set(k, v)
	}
	resp, err := client.Do(req)
	if err != nil {
		a.t.Fatalf("%s: %v", c.name, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatalf("%s: %v", c.name, err)
	}
	return inShort(a.t, c.name, resp, body), string(body)
}

// nextAssertion names assertions: one that bears the name of another is a replay, and refused as such.
func nextAssertion() string { return fmt.Sprintf("_%d", assertions.Add(1)) }

var assertions atomic.Int64

// vihf is the assertion of a doctor who asks about patient 0 with her card; it is of the French frame of 2017.
func vihf() *saml.Assertion {
	now := time.Now().UTC().Truncate(time.Second)
	text := func(name, value string) saml.Attribute {
		return saml.Attribute{Name: name, Values: []saml.Value{{Text: value}}}
	}
	return &saml.Assertion{
		ID: nextAssertion(), IssueInstant: now.Add(-time.Minute),
		Issuer:  saml.NameID{Value: "CN=" + doctor + ",OU=Médecin,O=TEST,C=FR", Format: "urn:oasis:names:tc:SAML:1.1:nameid-format:X509SubjectName"},
		Subject: saml.NameID{Value: doctor},
		Authn:   []saml.AuthnStatement{{Instant: now.Add(-time.Hour), ClassRef: "urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI"}},
		Attributes: []saml.Attribute{
			text("VIHF_Version", "3.0"), text("Authentification_mode", "DIRECTE"), text("Identifiant_Structure", "499900000001"), text("Secteur_Activite", "SA07^1.2.250.1.71.4.2.4"),
			{Name: claimRole, Values: []saml.Value{saml.Coded("Role", "10", "1.2.250.1.71.1.2.7", "G15", "Médecin"), saml.Coded("Role", "SM26", "1.2.250.1.71.4.2.5", "R01", "Médecine générale")}},
			text(claimAbout, sample.PatientID(0).String()), text("Ressource_URN", "urn:dmp"),
			{Name: claimUse, Values: []saml.Value{saml.Coded("PurposeOfUse", "normal", "1.2.250.1.213.1.1.4.248", "mode acces VIHF 2.0", "Accès normal")}},
			text("LPS_Nom", "Cabinet 3"),
		},
	}
}

// ofProvider is the assertion of an identity provider about a doctor who asks about patient 0 [ITI-40 3.40.4.1.2].
func ofProvider() *saml.Assertion {
	now := time.Now().UTC().Truncate(time.Second)
	return &saml.Assertion{
		ID: nextAssertion(), IssueInstant: now,
		Issuer: saml.NameID{Value: "https://idp.example.org"}, Subject: saml.NameID{Value: "anne@example.org", SPProvidedID: "anne"},
		Confirmations: []saml.Confirmation{{Method: "urn:oasis:names:tc:SAML:2.0:cm:bearer"}},
		Conditions:    &saml.Conditions{NotBefore: now, NotOnOrAfter: now.Add(time.Hour), Audiences: [][]string{{"urn:us"}}},
		Authn:         []saml.AuthnStatement{{Instant: now, ClassRef: "urn:oasis:names:tc:SAML:2.0:ac:classes:X509"}},
		Attributes: []saml.Attribute{
			{Name: "urn:oasis:names:tc:xspa:1.0:subject:subject-id", Values: []saml.Value{{Text: "Anne Testeuse"}}},
			{Name: "urn:oasis:names:tc:xspa:1.0:subject:organization-id", Values: []saml.Value{{Text: "urn:oid:1.2.3"}}},
			{Name: claimRole, Values: []saml.Value{saml.Coded("Role", "46255001", "2.16.840.1.113883.6.96", "", "")}},
			{Name: claimUse, Values: []saml.Value{saml.Coded("PurposeOfUse", "TREATMENT", "2.16.840.1.113883.3.18.7.1", "", "")}},
			{Name: claimAbout, Values: []saml.Value{{Text: sample.PatientID(0).String()}}},
		},
	}
}

// carrying puts a header block into an envelope.
func carrying(t *testing.T, message, block string) string {
	t.Helper()
	return swap(t, message, "</e:Header>", block+"</e:Header>", "<e:Body>", `<e:Body Id="body">`, "<e:Envelope ", `<e:Envelope xmlns:xs="http://www.w3.org/2001/XMLSchema" `)
}

func security(assertion string) string {
	return `<w:Security xmlns:w="` + wsse + `" Id="sec">` + assertion + `</w:Security>`
}

// spelt is an assertion without a signature, its prefix being a: and that of values declared by the envelope.
func spelt(a *saml.Assertion) string {
	return strings.NewReplacer("saml2", "a", ` xmlns:xs="http://www.w3.org/2001/XMLSchema"`, "").Replace(string(a.Append(nil)))
}

// signed is a message with an assertion, signed in its place.
func signed(t *testing.T, message string, a *saml.Assertion, by testpki.Identity) string {
	t.Helper()
	return signedIn(t, carrying(t, message, security(spelt(a))), by)
}

func signedIn(t *testing.T, message string, by testpki.Identity) string {
	t.Helper()
	out, err := xmlsig.Signer{Key: by.Key, Certificates: []*x509.Certificate{by.Certificate}, Canonicalization: xmlsig.Exclusive("xs")}.Sign([]byte(message), strings.Index(message, "<a:Assertion"), 1)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestAssertedCaller: who asks with an assertion is in the audit record and in the one line of the log.
func TestAssertedCaller(t *testing.T) {
	w, good := everybody(), goodMessages()
	role := func(code, system string) atna.CodedValue {
		return atna.CodedValue{Code: code, System: system, Text: code}
	}
	structure := func(id string) atna.ActiveParticipant {
		return atna.ActiveParticipant{UserID: id, UserIsRequestor: true, RoleIDCodes: []atna.CodedValue{{Code: "authorInstitution", System: "1.2.250.1.71.4.2.2", Text: "Structure"}}}
	}
	glass := vihf()
	glass.Attributes[7].Values[0].Code = "bris_de_glace"
	glass.Attributes = append(glass.Attributes, saml.Attribute{Name: "Mode_Acces_Raison", Values: []saml.Value{{Text: "Patient inconscient"}}})
	for _, c := range []struct {
		name, config string
		a            *saml.Assertion
		by, node     testpki.Identity
		people       []atna.ActiveParticipant
		purpose      atna.CodedValue
		details      string
		log          string // behind the name of the assertion
	}{
		{"vihf", "profile: vihf, required: {registry: true, repository: true}", glass, w.doctorSign, w.doctorAuth, []atna.ActiveParticipant{
			{UserID: doctor, UserName: "<" + doctor + "@CN=" + doctor + ",OU=Médecin,O=TEST,C=FR>", UserIsRequestor: true, RoleIDCodes: []atna.CodedValue{role("10", "1.2.250.1.71.1.2.7"), role("SM26", "1.2.250.1.71.4.2.5")}},
			structure("499900000001")}, atna.CodedValue{Code: "bris_de_glace", System: "1.2.250.1.213.1.1.4.248", Text: "Accès bris de glace"},
			"Mode_Acces_Raison=Patient inconscient LPS_Nom=Cabinet 3 ", "role=10^1.2.250.1.71.1.2.7 purpose=bris_de_glace^1.2.250.1.213.1.1.4.248"},
		{"xua", `profile: xua, audiences: ["urn:us"], required: {registry: true, repository: true}`, ofProvider(), w.provider, w.hospitalAuth, []atna.ActiveParticipant{
			{UserID: "anne@example.org", AlternativeUserID: "Anne Testeuse", UserName: "anne<anne@example.org@https://idp.example.org>", UserIsRequestor: true, RoleIDCodes: []atna.CodedValue{role("46255001", "2.16.840.1.113883.6.96")}},
			structure("urn:oid:1.2.3")}, role("TREATMENT", "2.16.840.1.113883.3.18.7.1"), "",
			"role=46255001^2.16.840.1.113883.6.96 purpose=TREATMENT^2.16.840.1.113883.3.18.7.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := runAsked(t, c.config, "")
			node := a.as(c.node)
			for _, m := range []badCase{
				toRepository("provide", related(signed(t, good.provide, c.a, c.by), part("doc@x", good.doc))),
				toRegistry("find", signed(t, good.find, c.a, c.by)), toRegistry("find again", signed(t, good.find, c.a, c.by)),
			} {
				if got, _ := a.post(node, m); !strings.HasSuffix(got, "\nSuccess\n") {
					t.Errorf("%s: %s", m.name, got)
				}
			}
			all := a.messages(t)
			for _, m := range all[3 : len(all)-1] { // behind the start and two patients
				people := m.ActiveParticipants[2:]
				if !slices.EqualFunc(people, c.people, func(x, y atna.ActiveParticipant) bool { return fmt.Sprintf("%+v", x) == fmt.Sprintf("%+v", y) }) {
					t.Errorf("%s: people\n got %+v\nwant %+v", line(m), people, c.people)
				}
				if got := m.EventIdentification.PurposesOfUse; len(got) != 1 || got[0] != c.purpose {
					t.Errorf("%s: purposes %+v", line(m), got)
				}
				details := ""
				for _, d := range m.ParticipantObjects[0].ParticipantObjectDetails {
					details += d.Type + "=" + string(d.Value) + " "
				}
				if details != c.details || m.EventIdentification.EventOutcomeIndicator != 0 {
					t.Errorf("%s: details %q", line(m), details)
				}
			}
			if n := len(all) - 4; n != 4 { // ITI-41 and its ITI-42, two ITI-18
				t.Errorf("%d records", n)
			}
			if n := strings.Count(a.log.String(), "assertion="+c.a.ID+" "+c.log); n != 3 {
				t.Errorf("%d lines of the log tell of it:\n%s", n, a.log.String())
			}
		})
	}
}

// TestNobodyAsks: doors where an assertion is due, doors where none is, and nodes that act for themselves.
func TestNobodyAsks(t *testing.T) {
	w, good := everybody(), goodMessages()
	const due = "400 application/soap+xml action http://www.w3.org/2005/08/addressing/soap/fault relates to urn:uuid:1\nenv:Sender/s:SecurityTokenUnavailable: NoAssertion\n"
	const success = "200 application/soap+xml action urn:ihe:iti:2007:RegistryStoredQueryResponse relates to urn:uuid:1\nSuccess\n"
	stamped := `<w:Security xmlns:w="` + wsse + `"><u:Timestamp xmlns:u="urn:u"/></w:Security>`
	must := strings.Replace(stamped, "<w:Security ", `<w:Security e:mustUnderstand="1" `, 1)
	elsewhere := strings.Replace(must, "<w:Security ", `<w:Security e:role="urn:somebody" `, 1)
	for _, c := range []struct {
		name, config string
		node         testpki.Identity
		block, want  string
	}{
		{"due", "profile: vihf, required: {registry: true}", w.doctorAuth, "", due},
		{"due, a header without one", "profile: vihf, required: {registry: true}", w.doctorAuth, stamped, due},
		{"due, a node that acts for itself", "profile: vihf, required: {registry: true}", w.lab, "", success},
		{"due, a header that must be understood", "profile: vihf, required: {registry: true}", w.lab, must, due},
		{"due elsewhere", "profile: vihf, required: {repository: true}", w.doctorAuth, "", success},
		{"not due, a header without one", "profile: vihf", w.doctorAuth, stamped, success},
		{"not due, a header that must be understood", "profile: vihf", w.doctorAuth, must, due},
		{"not due, a header for another", "profile: vihf", w.doctorAuth, elsewhere, success},
		{"two headers", "profile: vihf", w.doctorAuth, stamped + stamped, strings.Replace(due, "s:SecurityTokenUnavailable: NoAssertion", "s:InvalidSecurity: more than one wsse:Security is addressed to this service", 1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := runAsked(t, c.config, "")
			if got, _ := a.post(a.as(c.node), toRegistry(c.name, carrying(t, good.find, c.block))); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestAnotherPatient: an assertion about patient 0 opens nothing of patient 1.
func TestAnotherPatient(t *testing.T) {
	w, good := everybody(), goodMessages()
	about := vihf()
	about.Attributes[5].Values[0].Text = sample.PatientID(1).String()
	a := runAsked(t, "profile: vihf", "")
	node := a.as(w.doctorAuth)
	hidden := fmt.Sprintf("(%d characters, not shown)", len(sample.PatientID(0).String()))
	const rule = "the assertion is about another patient (ITI TF-2 3.40.4.1.2)\n"
	for _, c := range []struct {
		send badCase
		want string
	}{
		{toRegistry("ITI-18", signed(t, good.find, about, w.doctorSign)), "Failure\nError XDSPatientIdDoesNotMatch at FindDocuments.patientId: " + rule},
		{toRegistry("ITI-42", signed(t, good.register, about, w.doctorSign)), "Failure\nError XDSPatientIdDoesNotMatch at SubmissionSet.patientId: SubmissionSet SubmissionSet01 patientId " + hidden + ": " + rule},
		{toRepository("ITI-41", related(signed(t, good.provide, about, w.doctorSign), part("doc@x", good.doc))),
			"Failure\nError XDSPatientIdDoesNotMatch at SubmissionSet.patientId: SubmissionSet SubmissionSet01 patientId " + hidden + ": " + rule},
	} {
		if got, _ := a.post(node, c.send); !strings.HasSuffix(got, "\n"+c.want) {
			t.Errorf("%s: %s", c.send.name, got)
		}
	}
	id := sample.PatientID(0).String()
	want := []string{"110112 ITI-18 E 4 XDSPatientIdDoesNotMatch | 1 " + id + " | 24 urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d",
		"110107 ITI-42 C 4 XDSPatientIdDoesNotMatch | 1 " + id + " | 20 1.2.250.1.999.1.1.77.2.2", "110107 ITI-41 C 4 XDSPatientIdDoesNotMatch | 1 " + id + " | 20 1.2.250.1.999.1.1.77.2.1"}
	got := a.trail(t)
	if got := got[3 : len(got)-1]; !slices.Equal(got, want) {
		t.Errorf("audit\n got %q\nwant %q", got, want)
	}
}

// TestAccessMistakes: what is wrong is told by its key and line.
func TestAccessMistakes(t *testing.T) {
	dir := everybody().files(t)
	for _, c := range []struct{ config, want string }{
		{"access: {assertions: {profile: saml}}", `1: access.assertions.profile: "saml" is not xua, vihf or none`},
		{"access: {assertions: {required: {dmp: true}}}", "1: access.assertions.required: assertions are due and none is taken: set access.assertions.profile to xua or vihf"},
		{"access:\n  assertions: {profile: vihf, accept_unknown: true}", "2: access.assertions.anchors: PEM files are due: the authorities whose signers are trusted"},
		{"access: {assertions: {profile: vihf, anchors: [" + dir + "/none.pem], fetch: true}}", "access.assertions: anchors: open " + dir + "/none.pem: no such file or directory"},
		{"access: {assertions: {profile: vihf, anchors: [" + dir + "/ca.pem]}}", "access.assertions.accept_unknown: nothing says which signers were revoked, so every assertion would be refused: set lists or fetch, or accept_unknown"},
		{"access: {assertions: {profile: vihf, anchors: [" + dir + "/ca.pem], lists: [" + dir + "/ca.pem]}}", "access.assertions: lists: "},
		{"access: {assertions: {profile: xua, anchors: [" + dir + "/ca.pem], fetch: true}}", "access.assertions.audiences: say what this gateway is called in an AudienceRestriction: assertions for nobody named here are refused"},
		{"access: {assertions: {profile: vihf, anchors: [" + dir + "/ca.pem], fetch: true, skew: 0}}", "access.assertions.skew: a number above zero is due"},
		{"access: {assertions: {profile: vihf, anchors: [" + dir + "/ca.pem], fetch: true, quirks: {md5: true}}}", "access.assertions.quirks.md5: unknown quirk; known here: xmlsig-sha1"},
		{"access: {nodes: [{name: lab.example, structure: 1750100125}]}", "access.nodes[0]: the node may do nothing: set read or write"},
		{"access: {nodes: [{name: lab.example, structure: Lab, read: true}]}", `access.nodes[0].structure: "Lab" is not the national identifier of a structure (such as 1 and a FINESS number)`},
		{"access:\n  nodes:\n  - {name: x, structure: R102671, read: true}\n  - {name: x, structure: R102671, read: true}", `4: access.nodes[1].name: "x" is there twice`},
		{"access: {nodes: [{structure: R102671, read: true}]}", "access.nodes[0].name: the common name of the node's certificate is due"},
	} {
		file := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(file, []byte(c.config+"\nlisten: {soap: \"127.0.0.1:0\"}\ntls: {certificate: "+dir+"/server.pem, key: "+dir+"/server.key, client_ca: "+dir+"/ca.pem}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := gateway.Check(file, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n got %v\nwant %s", c.config, err, c.want)
		}
	}
	plain := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(plain, []byte("listen: {plain_soap: \"127.0.0.1:0\"}\naccess: {assertions: {profile: vihf, anchors: ["+dir+"/ca.pem], fetch: true}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := gateway.Check(plain, nil); err == nil || !strings.Contains(err.Error(), "and no door asks nodes for certificates: set listen.soap") {
		t.Error(err)
	}
}
