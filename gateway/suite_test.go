package gateway_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/conformance"
	"github.com/passerelle-sante/passerelle/gateway"
)

// suiteConfig is a gateway on loopback ports that the system chooses; the three %s are the audit receiver, and what a profile adds.
const suiteConfig = `
node: {name: passerelle-suite, home_community_id: urn:oid:1.2.250.1.999.1}
data: data
listen: {soap: "127.0.0.1:0", plain_mllp: "127.0.0.1:0"}
tls: {certificate: pki/server.pem, key: pki/server.key, client_ca: pki/ca.pem}
registry: {affinity_domain: affinity-fr.yaml%s}
repository: {unique_id: 1.2.250.1.999.1.2}
removal: {nodes: ["*"]}
patients:
  domains: [1.2.250.1.213.1.4.8, 1.2.250.1.213.1.4.9, 1.2.250.1.213.1.4.10, 1.2.250.1.213.1.4.11]
  identities:
    national: ins
    authorities:
      - {oid: 1.2.250.1.999.7.1, namespace: NORTH}
      - {oid: 1.2.250.1.999.7.2, namespace: SOUTH}
      - {oid: 1.2.250.1.999.7.3, namespace: CLOSED, feeders: [nobody.example], askers: [nobody.example]}
      - {oid: 1.2.250.1.213.1.4.10} # of the patients of the suite, whom cases link at will
audit: {forward: [{name: suite, address: "tcp://%s"}]}
soap: {quirks: {%s}}
`

// quirksOff are the quirks of docs/quirks.md that the SOAP doors know.
var quirksOff = []string{"start-without-brackets", "encoded-cid", "root-without-content-id", "bare-lf", "base64-part", "inline-document",
	"missing-action-parameter", "answer-without-mtom", "bom", "urn-oid"}

// TestSuite replays the conformance suite against a gateway in this process, as the demo configures it.
func TestSuite(t *testing.T) { replay(t, nil) }

// TestSuiteStrict replays the cases that need another configuration: every quirk off, small answers, extra metadata not kept.
func TestSuiteStrict(t *testing.T) {
	replay(t, map[string]string{"quirks": "off", "max_results": "3", "extra_metadata": "drop"})
}

func replay(t *testing.T, profile map[string]string) {
	suite, err := conformance.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	audit, err := conformance.ListenAudit("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(audit.Close)
	sut := startGateway(t, audit.Address(), profile)
	r, err := conformance.NewRunner(suite, sut, audit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sut.Close)
	for _, c := range suite.Cases {
		if (len(c.Requires) == 0) != (profile == nil) {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			res := r.Run(t.Context(), c)
			if res.Skipped != "" {
				t.Error("no profile of this test runs the case: " + res.Skipped)
			}
			for _, f := range res.Faults {
				t.Error(f)
			}
			for _, n := range res.Notes {
				t.Error("not checked: " + n)
			}
		})
	}
}

// startGateway runs a gateway until the test ends.
func startGateway(t *testing.T, auditAddress string, profile map[string]string) *conformance.SUT {
	dir := t.TempDir()
	if _, err := gateway.DemoFiles(dir); err != nil {
		t.Fatal(err)
	}
	registry, quirks := "", ""
	if profile != nil {
		registry = ", max_results: 3, max_references: 3"
		quirks = strings.Join(quirksOff, ": false, ") + ": false"
		dropExtraMetadata(t, filepath.Join(dir, "affinity-fr.yaml"))
	}
	file := filepath.Join(dir, "suite.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, suiteConfig, registry, auditAddress, quirks), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := gateway.Load(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan *gateway.Gateway, 1), make(chan error, 1)
	go func() {
		done <- gateway.Run(ctx, cfg, gateway.Options{Log: slog.New(slog.NewTextHandler(logTo(), nil)), Ready: func(g *gateway.Gateway) { ready <- g }})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	select {
	case err := <-done:
		done <- nil
		t.Fatal(err)
		return nil
	case g := <-ready:
		base := "https://" + g.Address("soap")
		return &conformance.SUT{Name: "passerelle in this process", Registry: base + gateway.RegistryPath, Repository: base + gateway.RepositoryPath,
			Patients: base + gateway.PatientsPath, MLLP: "tcp://" + g.Address("plain_mllp"), RepositoryUniqueID: "1.2.250.1.999.1.2",
			HomeCommunityID: "urn:oid:1.2.250.1.999.1", PatientDomain: "1.2.250.1.213.1.4.10",
			Hospitals: map[string]string{"north": "1.2.250.1.999.7.1", "south": "1.2.250.1.999.7.2", "closed": "1.2.250.1.999.7.3", "national": "1.2.250.1.213.1.4.11"}, Places: true, Profile: profile,
			TLS: conformance.TLSFiles{CA: filepath.Join(dir, "pki/ca.pem"), Certificate: filepath.Join(dir, "pki/client.pem"), Key: filepath.Join(dir, "pki/client.key")}}
	}
}

// logTo shows the gateway's log when PASSERELLE_TEST_LOG is set.
func logTo() io.Writer {
	if os.Getenv("PASSERELLE_TEST_LOG") != "" {
		return os.Stderr
	}
	return io.Discard
}

func dropExtraMetadata(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), "extra_metadata: keep", "extra_metadata: drop", 1)
	if changed == string(text) {
		t.Fatal("the demo domain has no extra_metadata: keep")
	}
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}
