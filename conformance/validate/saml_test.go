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

// TestAssertions: a good assertion of either form has no error, signature included; each change has the finding that is due.
func TestAssertions(t *testing.T) {
	type row struct{ old, new, rule, location string }
	for form, rows := range map[string][]row{
		"vihf": {
			{">3.0<", ">9<", "VIHF-VERSION", "VIHF_Version"},
			{"X509SubjectName", "unspecified", "VIHF-ISSUER", "Issuer"},
			{">DIRECTE<", ">X<", "VIHF-MODE", "Authentification_mode"},
			{"Identifiant_Structure", "Structure", "VIHF-STRUCTURE", "Identifiant_Structure"},
			{"SA07^1.2.250.1.71.4.2.4", "SA07", "VIHF-SECTOR", "Secteur_Activite"},
			{"1.2.250.1.71.1.2.7", "1.2.3", "VIHF-ROLE", "role"},
			{`code="SM26"`, "", "VIHF-SPECIALTY", "role"},
			{`code="normal"`, `code="x"`, "VIHF-PURPOSE", "purposeofuse"},
			{`code="normal"`, `code="bris_de_glace"`, "VIHF-REASON", "Mode_Acces_Raison"},
			{"&amp;1.2.4&amp;ISO", "&amp;x&amp;ISO", "VIHF-PATIENT", "resource-id"},
			{"Ressource_URN", "Urn", "VIHF-RESOURCE", "Ressource_URN"},
			{`Version="2.0"`, `Version="1.1"`, "SAML-VERSION", "Version"},
			{`IssueInstant="2`, `IssueInstant="x`, "SAML-INSTANT", "IssueInstant"},
			{"saml2:NameID", "saml2:Name", "SAML-SUBJECT", "Subject"},
			{"AuthnInstant", "Instant", "SAML-AUTHN", "AuthnStatement"},
			{"Anne", "Anna", "SIG-VALUE", "Signature"},
			{`URI="#`, `URI="#x`, "SIG-REFERENCE", "Signature"},
			{"xmldsig-more#rsa-sha256", "x#rsa-sha1", "SIG-WEAK", "Signature"},
			{"X509Certificate>", "X509Thing>", "SIG-KEY", "KeyInfo"},
		},
		"xua": {
			{"cm:bearer", "cm:none", "SAML-CONFIRMATION", "Subject"},
			{"NotOnOrAfter", "Until", "SAML-CONDITIONS", "Conditions"},
			{"saml2:Audience>", "saml2:Aud>", "SAML-AUDIENCE", "Conditions"},
			{"subject:subject-id", "subject:id", "XUA-SUBJECT", "subject-id"},
			{"subject:organization-id", "subject:org", "XUA-ORGANIZATION", "organization"},
			{"2.0:subject:role", "2.0:role", "XUA-ROLE", "role"},
			{"subject:purposeofuse", "subject:use", "XUA-PURPOSE", "purposeofuse"},
		},
	} {
		good, roots := asserted(t, form)
		judge := func(message string, o validate.Options) []validate.Finding {
			found, err := validate.Judge("saml", []byte(message), o)
			if err != nil {
				t.Fatal(err)
			}
			return found
		}
		if found := judge(good, validate.Options{Roots: roots}); len(found) > 0 {
			t.Errorf("%s: %v", form, found)
		}
		if found := judge(good, validate.Options{Roots: x509.NewCertPool()}); len(found) != 1 || found[0].Rule != "SIG-TRUST" || found[0].Location != "KeyInfo" {
			t.Errorf("%s of a stranger: %v", form, found)
		}
		for _, r := range rows {
			bad := strings.ReplaceAll(good, r.old, r.new)
			if bad == good {
				t.Errorf("%s has no %q", form, r.old)
			}
			hit := false
			for _, f := range judge(bad, validate.Options{Roots: roots, Form: form}) {
				hit = hit || f.Rule == r.rule && f.Location == r.location
			}
			if !hit {
				t.Errorf("%s with %q: no %s at %s: %v", form, r.new, r.rule, r.location, judge(bad, validate.Options{Roots: roots, Form: form}))
			}
		}
	}
}
