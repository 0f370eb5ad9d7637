package gateway_test

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/conformance/sim"
	"github.com/passerelle-sante/passerelle/conformance/validate"
)

// TestSimulators: each client of the simulators is answered by a gateway as a good message is, in good form; a repository of theirs registers with it, and an audit
// repository of theirs gets audit messages that keep the rules.
func TestSimulators(t *testing.T) {
	audit, err := sim.Start(sim.Config{Actor: "audit-repository"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(audit.Close)
	came := audit.Wait()
	sut := startGateway(t, audit.Address(), nil)
	const patient = "SIM0007^^^&1.2.250.1.213.1.4.10&ISO"
	send := func(c sim.Client) {
		t.Helper()
		c.Patient = patient
		if c.SUT.Registry == "" {
			c.SUT = *sut
		}
		exchanges, err := sim.Send(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range exchanges {
			for _, f := range x.Faults {
				t.Errorf("%s: %s", c.Actor, f)
			}
			for _, f := range x.Findings {
				t.Errorf("%s: the answer%s", c.Actor, f)
			}
		}
	}
	for _, actor := range []string{"pix-source", "source", "registrar", "consumer", "pix-source-v3", "pix-consumer", "pix-consumer-v3"} {
		send(sim.Client{Actor: actor})
	}

	pem, err := os.ReadFile(sut.TLS.CA)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(sut.TLS.Certificate, sut.TLS.Key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	repository, err := sim.Start(sim.Config{Actor: "repository", Registry: sut.Registry, Client: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(repository.Close)
	described := *sut
	described.Repository, described.RepositoryUniqueID = "http://"+repository.Address(), sim.DefaultRepository
	send(sim.Client{Actor: "source", SUT: described})

	for len(audit.Received()) < 5 {
		select {
		case <-came:
			came = audit.Wait()
		case <-time.After(10 * time.Second):
			t.Fatalf("only %d audit messages came", len(audit.Received()))
		}
	}
	for _, r := range audit.Received() {
		for _, f := range r.Findings {
			if f.Severity == validate.Error {
				t.Errorf("audit of %s%s", r.What, f)
			}
		}
	}
}

// TestSimulatedLaboratory: a laboratory's mail reaches a mailbox and is answered; what is wrong with it is told.
func TestSimulatedLaboratory(t *testing.T) {
	sut := startGateway(t, "127.0.0.1:1", map[string]string{"mailbox": "smime"})
	for fault, want := range map[string]string{"": "", "wrong-hash": "bad-archive", "not-signed": "not-signed", "expired-signer": "signer-expired"} {
		c := sim.Client{Actor: "laboratory", SUT: *sut}
		if fault != "" {
			c.Faults = []string{fault}
		}
		exchanges, err := sim.Send(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		last := exchanges[len(exchanges)-1]
		switch {
		case want == "" && (last.Answered != "processed" || len(last.Faults) > 0):
			t.Errorf("a good deposit is answered %s: %q", last.Answered, last.Faults)
		case want != "" && (len(last.Faults) == 0 || !strings.Contains(strings.Join(last.Faults, "\n"), "Code : "+want)):
			t.Errorf("%s: answered %s: %q", fault, last.Answered, last.Faults)
		}
	}
}
