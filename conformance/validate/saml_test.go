package validate_test

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/conformance"
	"github.com/passerelle-sante/passerelle/conformance/validate"
)

// asserted is a query of somebody whose assertion is signed, and the authority he comes from.
func asserted(t *testing.T, form string) (message string, roots *x509.CertPool) {
	t.Helper()
	people := conformance.People{Folder: t.TempDir(), Audience: "urn:oid:1.2.3", Professionals: map[string]conformance.Professional{
		"anne": {ID: "899900000001", Name: "Anne TESTEUSE", Role: "10", Specialty: "SM26", Structure: "499900000001", Sector: "SA07", Subject: "person", Form: form}}}
	if err := conformance.MakePeople(&people); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, err := httputil.DumpRequest(r, true)
		if err != nil {
			t.Error(err)
		}
		message = string(b)
	}))
	defer srv.Close()
	sut := &conformance.SUT{Registry: srv.URL, Repository: srv.URL, MLLP: "tcp://unused.invalid:1", RepositoryUniqueID: "1.2.3", PatientDomain: "1.2.4",
		Patient: "SIM0001^^^&1.2.250.1.213.1.4.10&ISO", People: people}
	suite, err := conformance.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	one, err := suite.Read("x/y", "Note.\ncites: x\n\n-- query FindDocuments --\nas anne\n$XDSDocumentEntryPatientId '${patient:a}'\n$XDSDocumentEntryStatus ${approved}\n")
	if err != nil {
		t.Fatal(err)
	}
	r, err := conformance.NewRunner(suite, sut, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer sut.Close()
	r.Run(t.Context(), one)
	pem, err := os.ReadFile(filepath.Join(people.Folder, "authority.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return message, roots
}

// TestAssertions: what the suite signs for its people has no error, in either form, and comes from their authority alone.
func TestAssertions(t *testing.T) {
	for _, form := range []string{"vihf", "xua"} {
		good, roots := asserted(t, form)
		if found := judged(t, "saml", good, validate.Options{Roots: roots}); found != "" {
			t.Errorf("%s: %s", form, found)
		}
		if found := judged(t, "saml", good, validate.Options{Roots: x509.NewCertPool()}); !strings.HasSuffix(found, "error SIG-TRUST KeyInfo") || strings.Contains(found, " + ") {
			t.Errorf("%s of a stranger: %s", form, found)
		}
	}
}
