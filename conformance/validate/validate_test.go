package validate_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/conformance/sim"
	"github.com/passerelle-sante/passerelle/conformance/validate"
	"github.com/passerelle-sante/passerelle/internal/oracle"
)

// samples are messages without a fault, as the simulators send and answer them.
func samples(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{}
	one := func(server, client, scheme string) {
		s, err := sim.Start(sim.Config{Actor: server})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		more := s.Wait()
		sent, err := sim.Send(t.Context(), sim.Client{Actor: client, To: scheme + "://" + s.Address()})
		if err != nil {
			t.Fatal(err)
		}
		<-more
		out[client] = string(s.Received()[0].Message)
		out[client+" answer"] = string(sent[0].Response)
	}
	one("repository", "source", "http")
	one("registry", "registrar", "http")
	one("registry", "consumer", "http")
	one("pix-manager", "pix-source", "tcp")
	one("pix-manager", "pix-consumer", "tcp")
	one("pix-manager-v3", "pix-source-v3", "http")
	one("pix-manager-v3", "pix-consumer-v3", "http")
	one("audit-repository", "audit-source", "tcp")
	one("mailbox", "mail-sender", "smtp")
	delete(out, "audit-source answer")
	delete(out, "mail-sender answer")
	return out
}

// TestGood: what the simulators write has no error.
func TestGood(t *testing.T) {
	for name, message := range samples(t) {
		found, err := validate.Judge("auto", []byte(message), validate.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, f := range found {
			if f.Severity == validate.Error {
				t.Errorf("%s%s", name, f)
			}
		}
	}
}

// TestOracles: real messages of others have no error but those listed.
func TestOracles(t *testing.T) {
	known := map[string]string{
		"start.xml": "AUD-USER", "ITI-41_mtom_axis2.http": "SUB-CX", "ITI-41_mtom_axis2_b.http": "SOAP-HTTP", "iti18request.xml": "QRY-QUOTES",
		"SubmitObjectsRequest_ebrs30.xml": "SUB-CLASS-SCHEME SUB-IDENT-SCHEME SUB-MISSING SUB-OID", "SubmitObjectsRequest_ebrs30_2.xml": "SUB-CLASS-SCHEME SUB-IDENT-SCHEME SUB-MISSING SUB-OID",
		"ORU_R01_CDA.hl7": "ER7-ENDS", "PAMFR_admission.er7": "ER7-ENDS", "PAMFR_consent.er7": "ER7-ENDS", "PAMFR_discharge.er7": "ER7-ENDS",
		"xua-assertion.xml": "SAML-AUTHN SIG-KEY SIG-WEAK", "TD0.2_request.xml": "SIG-NONE", "TD0.3_request.xml": "SIG-NONE", "TD1.4_request.xml": "SIG-NONE",
		"VIHF_direct_unsigned.xml": "XML-FORM",                                                     // written in another character set than it says
		"TD3.3d_request.xml":       "SIG-NONE SUB-CLASS-OBJECT SUB-CX SUB-IDENT-OBJECT SUB-SCHEMA", // an example with blanks where the ids belong
	}
	for _, folder := range []string{"audit", "hl7v2", "hl7v3", "xds", "saml", "dmp", "cda"} {
		for name, b := range oracle.Files(t, "samples/"+folder, "*") {
			found, err := validate.Judge("auto", b, validate.Options{})
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for _, f := range found {
				if f.Severity == validate.Error && !slices.Contains(strings.Fields(known[name]), f.Rule) {
					t.Errorf("%s%s", name, f)
				}
			}
		}
	}
}

// TestRuleTable: identifiers are unique, and every rule says where it is written.
func TestRuleTable(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range validate.Rules() {
		if seen[r.ID] || r.Clause == "" || r.Text == "" || r.Severity != validate.Error && r.Severity != validate.Warning {
			t.Errorf("rule %+v", r)
		}
		seen[r.ID] = true
	}
}

// TestReports: the three forms name the rule and the place.
func TestReports(t *testing.T) {
	files := []validate.File{{Name: "a.hl7", Kind: "hl7v2", Findings: []validate.Finding{{Rule: "ER7-PID3", Severity: "error", Line: 3, Location: "PID-3", Text: "no identifier", Clause: "x"}}}}
	var text, js, sarif bytes.Buffer
	if validate.Text(&text, files) != nil || validate.JSON(&js, files) != nil || validate.SARIF(&sarif, files) != nil {
		t.Fatal("a buffer takes everything")
	}
	for got, want := range map[string]string{text.String(): "a.hl7:3: PID-3: error: no identifier [ER7-PID3; x]\n", js.String(): `"location": "PID-3"`, sarif.String(): `"startLine": 3`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
}

// FuzzJudge: whatever comes, no judge fails, and what is found is within the bounds.
func FuzzJudge(f *testing.F) {
	for _, message := range samples(f) {
		f.Add([]byte(message))
	}
	kinds := validate.Kinds()
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, kind := range kinds {
			if found, _ := validate.Judge(kind, b, validate.Options{}); len(found) > 400 { // 256 and those of clinical documents
				t.Errorf("%s: %d findings", kind, len(found))
			}
		}
	})
}
