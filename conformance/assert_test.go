package conformance

import (
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// somebody are two people with certificates.
func somebody(t *testing.T) People {
	t.Helper()
	people := People{Folder: t.TempDir(), Professionals: map[string]Professional{
		"anne": {ID: "899900000001", Name: "Anne TESTEUSE", Role: "10", Specialty: "SM26", Structure: "499900000001", Sector: "SA07", Subject: "person"},
		"emma": {ID: "899900000005", Name: "Emma SOIGNANTE", Role: "60", Structure: "499900000005", Sector: "SA08", Subject: "person"}}}
	if err := MakePeople(&people); err != nil {
		t.Fatal(err)
	}
	return people
}

// asserted is the envelope that a step sends to a system that takes anything.
func asserted(t *testing.T, people People, lines string) (envelope string) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		envelope = string(b)
	}))
	t.Cleanup(srv.Close)
	sut := &SUT{Registry: srv.URL, Repository: srv.URL, Patients: srv.URL, MLLP: "tcp://" + acceptingMLLP(t), RepositoryUniqueID: "1.2.3", PatientDomain: "1.2.4", People: people}
	suite := embedded(t)
	r, err := NewRunner(suite, sut, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sut.Close)
	c, err := parseCase("x/y", "Note.\ncites: x\n\n-- query FindDocuments --\n"+lines+"\n$XDSDocumentEntryPatientId '${patient:a}'\n")
	if err != nil {
		t.Fatal(err)
	}
	r.Run(t.Context(), c)
	return envelope
}

// holds judges the signature of the assertion in an envelope by the certificate in it.
func holds(t *testing.T, envelope string, people People) error {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(people.Folder, "authority.pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	authority, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromString(envelope); err != nil {
		t.Fatal(err, envelope)
	}
	assertion := doc.FindElement("//Assertion")
	if assertion == nil {
		t.Fatalf("no assertion in %s", envelope)
	}
	signer, err := x509.ParseCertificate(certificateIn(t, assertion))
	if err != nil {
		t.Fatal(err)
	}
	if err := signer.CheckSignatureFrom(authority); err != nil {
		t.Error(err)
	}
	v := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{signer}})
	v.IdAttribute = "ID"
	_, err = v.Validate(assertion)
	return err
}

func certificateIn(t *testing.T, e *etree.Element) []byte {
	t.Helper()
	c := e.FindElement(".//X509Certificate")
	if c == nil {
		t.Fatal("no certificate")
	}
	block, _ := pem.Decode([]byte("-----BEGIN CERTIFICATE-----\n" + c.Text() + "\n-----END CERTIFICATE-----\n"))
	return block.Bytes
}

// TestAssertionsAreSigned: what a step sends is signed by whom the authority certified, and what a line forges does not hold.
func TestAssertionsAreSigned(t *testing.T) {
	people := somebody(t)
	for lines, genuine := range map[string]bool{"as anne": true, "as emma": true, "as anne\nclaim Mode_Acces_Raison Inconscient": true, "as anne\nassertion ends 60": true,
		"as anne\nforge altered": false, "as anne\nforge digest": false, "as anne\nforge value": false, "as anne\nforge comment": false} {
		envelope := asserted(t, people, lines)
		if err := holds(t, envelope, people); (err == nil) != genuine {
			t.Errorf("%q: %v", lines, err)
		}
	}
}

// TestAssertionsSayWhatLinesSay: each line is seen in the assertion.
func TestAssertionsSayWhatLinesSay(t *testing.T) {
	people := somebody(t)
	for lines, want := range map[string]string{
		"as anne": `code="SM26"`, "as anne\nabout 12^^^&amp;1.2&amp;ISO": "12^^^&amp;amp;1.2", "as anne\npurpose bris_de_glace": `code="bris_de_glace"`,
		"as anne\nreason Inconscient": ">Inconscient<", "as anne\nassertion audience urn:x": "<saml2:Audience>urn:x</saml2:Audience>", "as anne\nassertion id _7": `ID="_7"`,
		"as anne\ncode role 1 99 1.2.3": `code="99" codeSystem="1.2.3"`, "as anne\nforge doctype": "<!DOCTYPE ", "as anne\nsecret": ">INVISIBLE_REPRESENTANTS_LEGAUX<",
	} {
		if envelope := asserted(t, people, lines); !strings.Contains(envelope, want) {
			t.Errorf("%q: no %s in %s", lines, want, envelope)
		}
	}
	for lines, not := range map[string]string{"as anne\ncode role 2 -": "SM26", "as anne\nunclaim Ressource_URN": "urn:dmp", "as anne\nabout -": "resource-id", "as emma": "1.2.250.1.71.4.2.5", "as anne\nforge unsigned": "Signature"} {
		if envelope := asserted(t, people, lines); strings.Contains(envelope, not) || !strings.Contains(envelope, "Assertion") {
			t.Errorf("%q: %s in %s", lines, not, envelope)
		}
	}
}
