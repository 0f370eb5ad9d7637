package gateway_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/conformance/sim"
	"github.com/passerelle-sante/passerelle/conformance/validate"
	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/internal/testpki"
)

// simulated starts a server of the simulators until the test ends.
func simulated(t *testing.T, c sim.Config) *sim.Server {
	t.Helper()
	s, err := sim.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// received are the messages of a server when there are n of them, none of which has an error.
func received(t *testing.T, s *sim.Server, n int) []sim.Received {
	t.Helper()
	for {
		more := s.Wait()
		all := s.Received()
		if len(all) >= n {
			for _, r := range all {
				for _, f := range r.Findings {
					if f.Severity == validate.Error {
						t.Errorf("%s%s", r.What, f)
					}
				}
			}
			return all
		}
		select {
		case <-more:
		case <-time.After(30 * time.Second):
			t.Fatalf("%d messages came, %d are due", len(all), n)
		}
	}
}

// TestSimulatedRegistry: a repository here registers with a simulated registry in messages without a fault, and gives the answer of one that refuses on.
func TestSimulatedRegistry(t *testing.T) {
	registry := simulated(t, sim.Config{Actor: "registry"})
	repo := run(t, "repository: {unique_id: 1.2.8}\nregistry: {remote: \"http://"+registry.Address()+"\"}\n")
	if err := provide(repo, sample.Submission(1, 1, 1, time.Now()), sample.Document(1, 2000)); err != nil {
		t.Fatal(err)
	}
	if all := received(t, registry, 1); len(all) != 1 || all[0].What != "urn:ihe:iti:2007:RegisterDocumentSet-b" {
		t.Errorf("the registry got %v", all)
	}
	for fault, want := range map[string]string{"failure": "XDSRegistryError", "busy": "XDSRegistryBusy", "html-instead": "XDSRegistryNotAvailable", "drops-connection": "XDSRegistryNotAvailable"} {
		registry := simulated(t, sim.Config{Actor: "registry", Faults: []string{fault}})
		repo := run(t, "repository: {unique_id: 1.2.8}\nregistry: {remote: \"http://"+registry.Address()+"\"}\n")
		if err := provide(repo, sample.Submission(1, 1, 1, time.Now()), sample.Document(1, 2000)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", fault, err, want)
		}
	}
}

// TestSimulatedAuditSource: records of a simulated source come into the audit repository by TCP and by TLS, as they were sent.
func TestSimulatedAuditSource(t *testing.T) {
	g, node, _ := auditing(t, "")
	for i, c := range []sim.Client{{To: "tcp://" + g.Address("audit_tcp")}, {To: "tls://" + g.Address("audit_tls"), TLS: node}, {To: "tcp://" + g.Address("audit_tcp"), Faults: []string{"no-event"}}} {
		c.Actor = "audit-source"
		sent, err := sim.Send(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		_, message, _ := strings.Cut(string(sent[0].Request), " ")
		found := g.awaitRecords(t, i+1, map[string][]string{"app": {"sim"}})
		if got := string(found[i].Raw); got != message {
			t.Errorf("to %s %q came as %q", c.To, message, got)
		}
	}
}

// TestSimulatedMailbox: what is posted to a correspondent who trusts the way reaches a simulated mailbox as a message with an archive of XDM that breaks no rule.
func TestSimulatedMailbox(t *testing.T) {
	p, mailbox := newPost(t), simulated(t, sim.Config{Actor: "mailbox"})
	p.relay = mailbox.Address()
	g := run(t, p.config()+"  post: {name: Essai, recipients: [{domain: clinique.example, mode: transport}]}\n", `plain_smtp: "127.0.0.1:0"`)
	g.announce(t, 1)
	doc := sample.LabReport(1)
	g.mail(t, "resultats@labo.example", p.write(t, letter{docs: [][]byte{doc}, set: 1}))
	g.settled(t)
	if _, err := gateway.SendMail(t.Context(), g.data, "autre@clinique.example", []string{"1.2.250.1.999.1.1.10.1"}, false, false); err != nil {
		t.Fatal(err)
	}
	all := received(t, mailbox, 1)
	if what := all[0].What; len(all) != 1 || !strings.Contains(what, "application/pdf") || !strings.Contains(what, "IHE_XDM/SUBSET01/METADATA.XML") || all[0].Kind != "xdm" {
		t.Errorf("the mailbox got %v", all)
	}
	for _, f := range all[0].Findings {
		t.Errorf("the archive%s", f)
	}
}

// TestSimulatedSubscribers: a manager tells simulated listeners of both versions of HL7 of identifiers that came together (ITI-10, ITI-46), in messages without a fault.
func TestSimulatedSubscribers(t *testing.T) {
	v2, v3 := simulated(t, sim.Config{Actor: "pix-manager"}), simulated(t, sim.Config{Actor: "pix-manager-v3"})
	g := run(t, "node: {home_community_id: \"urn:oid:1.2.250.1.999.1\"}\n"+threeDomains+fmt.Sprintf(`    subscribers:
      - {name: ward.example, address: "mllp://%s", domains: [1.2.250.1.999.7.1, 1.2.250.1.999.7.2]}
      - {name: consumer.example, address: "http://%s/consumer", oid: 1.2.3.7, domains: [1.2.250.1.999.7.1, 1.2.250.1.999.7.2]}
`, v2.Address(), v3.Address()))
	v := dialV2(t, g.Address("plain_mllp"), nil)
	v.feed("A28", pid("N1^^^NORTH", "279035121518989", "ESSAI"))
	v.feed("A28", pid("S1^^^SOUTH", "279035121518989", "ESSAI"))
	var told []string
	for _, s := range []*sim.Server{v2, v3} {
		for _, r := range received(t, s, 1) {
			told = append(told, r.What+" "+r.Answered)
		}
	}
	if want := []string{"ADT^A31^ADT_A05 AA", "urn:hl7-org:v3:PRPA_IN201302UV02 CA"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

// TestPeerZeepSimulated lets zeep, with the WSDL of a gateway, submit to a simulated repository that registers with a simulated registry, query that and retrieve.
// Of its messages the simulators tell what zeep is known for, packages that it does not send, and nothing else.
func TestPeerZeepSimulated(t *testing.T) {
	if testing.Short() {
		t.Skip("zeep reads the WSDL for long: make peers does")
	}
	python := peersPython(t)
	p, secure := secureGateway(t, "")
	registry := simulated(t, sim.Config{Actor: "registry"})
	repository := simulated(t, sim.Config{Actor: "repository", Repository: "1.2.250.1.999.1.2", Registry: "http://" + registry.Address()})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	pki := func(name string) string { return filepath.Join(p.dir, "pki", name) }
	out, err := exec.CommandContext(ctx, python, "../conformance/peers/zeep_client.py", "--base", "https://"+secure, "--ca", pki("ca.pem"), "--cert", pki("client.pem"), "--key", pki("client.key"),
		"--patient", sim.DefaultPatient, "--registry", "http://"+registry.Address(), "--repository", "http://"+repository.Address()).CombinedOutput()
	if err != nil || string(out) != "ITI-41 Success\nITI-42 Success\nITI-18 Success\nITI-43 Success\ndone\n" {
		t.Errorf("%v\n%s", err, out)
	}
	var told []string
	for _, s := range []*sim.Server{registry, repository} {
		for _, r := range s.Received() {
			_, what, _ := strings.Cut(r.What, "2007:")
			for _, f := range r.Findings {
				if f.Severity == validate.Error {
					what += " " + f.Rule
				}
			}
			told = append(told, what)
		}
	}
	want := []string{"RegisterDocumentSet-b", "RegisterDocumentSet-b", "RegistryStoredQuery", "ProvideAndRegisterDocumentSet-b MTOM-DUE", "RetrieveDocumentSet MTOM-DUE"}
	if !slices.Equal(told, want) {
		t.Errorf("the simulators tell %q, want %q", told, want)
	}
	p.stop()
}

// TestPeerMailSimulated lets s-nail and swaks bring an archive to a simulated mailbox over STARTTLS; it judges the archive in either message and finds nothing.
func TestPeerMailSimulated(t *testing.T) {
	if os.Getenv("PASSERELLE_PEERS_MAIL") == "" {
		t.Skip("set PASSERELLE_PEERS_MAIL to send with s-nail and swaks (make peers does)")
	}
	dir := t.TempDir()
	if err := testpki.WriteDir(dir, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "IHE_XDM.ZIP"), archive(t, letter{set: 1, docs: [][]byte{sample.LabReport(1)}}), 0o600); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	mailbox := simulated(t, sim.Config{Actor: "mailbox", TLS: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}})
	server := strings.Replace(mailbox.Address(), "127.0.0.1", "localhost", 1)
	sent := 0
	for _, tool := range [][]string{
		{"s-nail", "-:/", "-S", "v15-compat", "-S", "mta=smtp://" + server, "-S", "smtp-use-starttls", "-S", "smtp-auth=none", "-S", "tls-ca-file=" + dir + "/ca.pem", "-S", "tls-ca-no-defaults",
			"-S", "from=resultats@labo.example", "-S", "hostname=labo.example", "-s", "XDM/1.0/DDM", "-a", "IHE_XDM.ZIP", depot},
		{"swaks", "--server", server, "--tls", "--tls-ca-path", dir + "/ca.pem", "--from", "resultats@labo.example", "--to", depot, "--attach-type", "application/zip", "--attach", "@" + dir + "/IHE_XDM.ZIP", "--timeout", "30"},
	} {
		if _, err := exec.LookPath(tool[0]); err != nil {
			t.Logf("%s is not installed", tool[0])
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		c := exec.CommandContext(ctx, tool[0], tool[1:]...)
		c.Dir, c.Stdin, c.Env = dir, strings.NewReader("Bonjour,\n"), append(os.Environ(), "HOME="+dir, "LANG=C.UTF-8")
		out, err := c.CombinedOutput()
		cancel()
		if err != nil {
			t.Fatalf("%s: %v\n%s", tool[0], err, out)
		}
		sent++
		if r := received(t, mailbox, sent)[sent-1]; len(r.Findings) > 0 || !strings.Contains(r.What, "IHE_XDM/SUBSET01/METADATA.XML") {
			t.Errorf("of %s the mailbox tells %s", tool[0], r)
		}
	}
	if sent == 0 {
		t.Skip("neither s-nail nor swaks is installed")
	}
}
