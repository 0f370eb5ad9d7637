package gateway_test

import (
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/extract"
	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/internal/oracle"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/xds"
)

// The demo's affinity domain takes the metadata of real and of invented documents as they are derived.
func TestDemoTakesClinicalDocuments(t *testing.T) {
	domain, err := gateway.ReadDomain("demo/affinity-fr.yaml")
	if err != nil {
		t.Fatal(err)
	}
	take := func(name string, b []byte) {
		m, err := extract.MetadataOf(b, cda.Options{})
		if err != nil {
			t.Fatal(name, err)
		}
		f := xds.Findings{MetadataError: xds.CodeRegistryMetadataError}
		m.Submission("1.2.3.4", time.Unix(1_770_000_000, 0)).Validate(domain, xds.Provided, &f)
		for _, e := range f.List {
			t.Errorf("%s: %s", name, e.Context)
		}
	}
	take("an invented report", sample.LabReport(1))
	take("an invented report of level 1", sample.UnstructuredReport(1))
	for name, b := range oracle.Files(t, "samples/cda", "*.xml") {
		take(name, b)
	}
}
