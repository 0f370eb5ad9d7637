package gateway_test

import (
	"testing"

	"github.com/passerelle-sante/passerelle/conformance"
)

// TestProbes sends the generated probes of the conformance suite to a gateway in this process.
func TestProbes(t *testing.T) {
	t.Parallel()
	suite, err := conformance.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	probes, err := conformance.Probes()
	if err != nil {
		t.Fatal(err)
	}
	audit, err := conformance.ListenAudit("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(audit.Close)
	sut := startGateway(t, audit.Address(), nil)
	described, err := conformance.LoadSUT("../conformance/sut/sut.yaml")
	if err != nil {
		t.Fatal(err)
	}
	sut.Known = described.Known
	r, err := conformance.NewRunner(suite, sut, audit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sut.Close)
	for _, res := range r.RunAll(t.Context(), probes, 8, nil) {
		if res.Verdict() != "passed" && res.Verdict() != "known" {
			t.Errorf("%s: %s %s", res.Name, res.Skipped, res.Faults)
		}
	}
}
