package extract_test

import (
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/extract"
	"github.com/passerelle-sante/passerelle/internal/oracle"
	"github.com/passerelle-sante/passerelle/xds"
)

func samples(t testing.TB) map[string][]byte { return oracle.Files(t, "samples/cda", "*.xml") }

// The metadata of every sample pass the judgement of a submission, with what the shared record requires beyond the standard.
func TestSamplesAreComplete(t *testing.T) {
	domain := &xds.Domain{CXTypes: []string{"NH", "PI"}, RequiredEntryAttributes: []string{"author", "legalAuthenticator", "serviceStartTime", "sourcePatientInfo", "title"}}
	for name, b := range samples(t) {
		m, err := extract.MetadataOf(b, cda.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, f := range m.Findings {
			t.Logf("%s: %v %s line %d: %s", name, f.Severity, f.Rule, f.Line, f.Text)
			if f.Severity <= cda.Error {
				t.Errorf("%s: %s: %s", name, f.Rule, f.Text)
			}
		}
		f := xds.Findings{MetadataError: xds.CodeRegistryMetadataError}
		m.Submission("1.2.3.4", time.Unix(1_770_000_000, 0)).Validate(domain, xds.Provided, &f)
		for _, e := range f.List {
			t.Errorf("%s: %s", name, e.Context)
		}
	}
}
