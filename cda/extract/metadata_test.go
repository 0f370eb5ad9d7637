package extract_test

import (
	"testing"

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
		m.Set.UniqueID, m.Set.SubmissionTime = "1.2.3.4", "20260101000000"
		s := &xds.Submission{Set: m.Set, Entries: []xds.DocumentEntry{m.Entry}, Associations: []xds.Association{
			{Header: xds.Header{ID: "HasMember01"}, Type: xds.HasMember, Source: m.Set.ID, Target: m.Entry.ID, Membership: "Original"}}}
		var f xds.Findings
		f.MetadataError = xds.CodeRegistryMetadataError
		s.Validate(domain, xds.Provided, &f)
		for _, e := range f.List {
			t.Errorf("%s: %s", name, e.Context)
		}
	}
}
