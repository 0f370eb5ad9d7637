package gateway_test

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/conformance"
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

	node := ours(t, sut)
	repository, err := sim.Start(sim.Config{Actor: "repository", Registry: sut.Registry, Client: node})
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

// TestSimulatedMail: a laboratory's mail reaches a mailbox and is answered, and what is wrong with it, by whatever fault, is told; a sender whose operator is trusted by
// its certificate hands an archive over after STARTTLS, and is refused as a stranger without it.
func TestSimulatedMail(t *testing.T) {
	t.Parallel()
	sut := startGateway(t, "127.0.0.1:1", map[string]string{"mailbox": "smime"})
	send := func(c sim.Client) sim.Sent {
		t.Helper()
		exchanges, err := sim.Send(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return exchanges[len(exchanges)-1]
	}
	if good := send(sim.Client{Actor: "laboratory", SUT: *sut}); good.Answered != "processed" || len(good.Faults) > 0 {
		t.Errorf("a good deposit is answered %s: %q", good.Answered, good.Faults)
	}
	told := map[string]string{"wrong-hash": "hash", "no-metadata": "no-submission", "no-document": "missing-document", "not-an-archive": "not-zip", "no-attachment": "Code : no-document",
		"unsafe-name": "unsafe-name", "not-signed": "Code : not-signed", "unknown-signer": "Code : signer-unknown", "expired-signer": "Code : signer-expired"}
	for _, f := range sim.Faults {
		if !f.Of("laboratory") {
			continue
		}
		bad := send(sim.Client{Actor: "laboratory", SUT: *sut, Faults: []string{f.Name}})
		if want := told[f.Name]; want == "" || bad.Answered != "processed/Error" || !strings.Contains(strings.Join(bad.Faults, "\n"), want) {
			t.Errorf("%s: no %q in the answer %s: %q", f.Name, want, bad.Answered, bad.Faults)
		}
	}

	node := ours(t, sut)
	for want, certificates := range map[string][]tls.Certificate{"250 2.0.0 ": node.Certificates, "550 5.7.1 ": nil} {
		config := node.Clone()
		config.Certificates = certificates
		if got := send(sim.Client{Actor: "mail-sender", To: sut.Mail.Door, From: sut.Mail.Carried, RC: sut.Mail.To, TLS: config}).Answered; !strings.HasPrefix(got, want) {
			t.Errorf("with %d certificates: %s, want %s", len(certificates), got, want)
		}
	}
}

// ours is what we connect to a system with.
func ours(t *testing.T, sut *conformance.SUT) *tls.Config {
	t.Helper()
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
	return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
}
