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
	"time"

	"github.com/passerelle-sante/passerelle/conformance"
	"github.com/passerelle-sante/passerelle/gateway"
)

// suiteConfig is a gateway on loopback ports that the system chooses; the %s are what a profile adds to the doors and to the registry, the audit receiver, quirks, and what a profile has besides.
const suiteConfig = `
node: {name: passerelle-suite, home_community_id: urn:oid:1.2.250.1.999.1}
data: data
listen: {soap: "127.0.0.1:0", plain_mllp: "127.0.0.1:0"%s}
tls: {certificate: pki/server.pem, key: pki/server.key, client_ca: clients.pem}
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
%saudit: {forward: [{name: suite, address: "tcp://%s"}]}
soap: {quirks: {%s}}
%s`

// What the profiles have besides: who asks with assertions, and the rules of a shared record.
const (
	suiteXUA = `access: {assertions: {profile: xua, audiences: ["urn:oid:1.2.250.1.999.1"], anchors: [people/authority.pem], lists: [people/revoked.crl]}}
`
	suiteRules = `policy: {rules: france, tables: tables}
dmp: {enabled: true, device_id: 1.2.250.1.999.4.1, admissions: [{structure: "300000000029751", nodes: ["*"], facility: HOPITAL}]}
access:
  assertions: {profile: vihf, required: {registry: true, repository: true, dmp: true}, audiences: ["urn:oid:1.2.250.1.999.1"], anchors: [people/authority.pem], lists: [people/revoked.crl]}
  nodes: [{name: demo-client, structure: "1750100125", read: true, write: true}]
`
)

// quirksOff are the quirks of docs/quirks.md that the SOAP doors know.
var quirksOff = []string{"start-without-brackets", "encoded-cid", "root-without-content-id", "bare-lf", "base64-part", "inline-document",
	"missing-action-parameter", "answer-without-mtom", "bom", "urn-oid", "implied-parent"}

// TestSuite replays the conformance suite against a gateway in this process, as the demo configures it.
func TestSuite(t *testing.T) { replay(t, nil) }

// TestSuiteStrict replays the cases that need another configuration: every quirk off, small answers, extra metadata not kept.
func TestSuiteStrict(t *testing.T) {
	replay(t, map[string]string{"quirks": "off", "max_results": "3", "extra_metadata": "drop", "assertions": "xua", "mailbox": "strict"})
}

// TestSuiteRules replays those that need the rules of a shared record.
func TestSuiteRules(t *testing.T) {
	replay(t, map[string]string{"rules": "france", "assertions": "vihf"})
}

// TestSuiteMail replays those about what comes by mail, and about the documents in it.
func TestSuiteMail(t *testing.T) {
	replay(t, map[string]string{"mailbox": "smime", "fetch": "imap"})
}

// runs tells whether a system of a profile runs a case.
func runs(c *conformance.Case, profile map[string]string) bool {
	for key, value := range c.Requires {
		if profile[key] != value {
			return false
		}
	}
	return (len(c.Requires) == 0) == (profile == nil)
}

func replay(t *testing.T, profile map[string]string) {
	t.Parallel() // with the other profiles: each has a gateway of its own, and waits for the disk
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
	t.Cleanup(r.Close)
	for _, c := range suite.Cases {
		if !runs(c, profile) {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			if !c.Alone {
				t.Parallel()
			}
			res := r.Run(t.Context(), c)
			if res.Skipped != "" {
				t.Error("no profile of this test runs the case: " + res.Skipped)
			}
			for _, f := range res.Faults {
				if res.Known == "" {
					t.Error(f)
				}
			}
			for _, n := range res.Notes {
				t.Error("not checked: " + n)
			}
		})
	}
}

// decides tells a gateway what a patient decides at a counter.
func decides(ctx context.Context, data string, o map[string]string) (err error) {
	list := func(key string) []string {
		return strings.FieldsFunc(o[key], func(r rune) bool { return r == ',' })
	}
	order := gateway.DMPOrder{Do: o["do"], Person: o["person"], Structure: o["structure"], Group: o["group"], Members: list("members"), Except: list("except"), From: o["from"], Number: o["number"],
		Emergency: o["emergency"] != "", Refused: o["do"] == "team" && o["accept"] == ""}
	if o["until"] != "" {
		if order.Until, err = time.Parse(time.DateOnly, o["until"]); err != nil {
			return err
		}
	}
	record := gateway.SharedRecord{Data: data, Patient: o["patient"]}
	if order.Do == "members" {
		record.Patient = ""
	}
	return record.Order(ctx, order)
}

// startGateway runs a gateway until the test ends.
func startGateway(t *testing.T, auditAddress string, profile map[string]string) *conformance.SUT {
	dir := t.TempDir()
	if _, err := gateway.DemoFiles(dir); err != nil {
		t.Fatal(err)
	}
	mailDoor, registry, quirks, more, described := "", "", "", "", "sut.yaml"
	authority := "      - {oid: 1.2.250.1.213.1.4.10}\n" // of the patients of the suite, whom cases link at will; a shared record is of who has a national identifier
	switch {
	case profile["keeper"] != "":
		described = "sut-hub.yaml"
	case profile["rules"] != "":
		more, described, authority = suiteRules, "sut-rules.yaml", ""
		writeTables(t, filepath.Join(dir, "tables"))
		edit(t, filepath.Join(dir, "affinity-fr.yaml"), "\n      urn:ihe:iti:xds-sd:pdf:2008:", "\n      urn:ihe:iti:bppc:2007: Consentement\n      urn:ihe:iti:xds-sd:pdf:2008:")
	case profile["mailbox"] == "smime":
		mailDoor = `, smtp: "127.0.0.1:0"`
	case profile != nil:
		mailDoor, more, described = `, smtp: "127.0.0.1:0"`, suiteXUA, "sut-strict.yaml"
		registry = ", max_results: 3, max_references: 3"
		quirks = strings.Join(quirksOff, ": false, ") + ": false"
		edit(t, filepath.Join(dir, "affinity-fr.yaml"), "extra_metadata: keep", "extra_metadata: drop")
	}
	sut, err := conformance.LoadSUT("../conformance/sut/" + described)
	if err != nil {
		t.Fatal(err)
	}
	sut.People.Folder = filepath.Join(dir, "people")
	if err := conformance.MakePeople(&sut.People); err != nil {
		t.Fatal(err)
	}
	sut.Decides = func(ctx context.Context, o map[string]string) error {
		return decides(ctx, filepath.Join(dir, "data"), o)
	}
	if mailDoor != "" {
		more += suiteMailbox(t, dir, strings.TrimPrefix(described, "sut-"), &sut.Mail)
	}
	joined(t, filepath.Join(dir, "clients.pem"), filepath.Join(dir, "pki/ca.pem"), filepath.Join(dir, "people/authority.pem"))
	file := filepath.Join(dir, "suite.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, suiteConfig, mailDoor, registry, authority, auditAddress, quirks, more), 0o600); err != nil {
		t.Fatal(err)
	}
	if described == "sut-hub.yaml" {
		asHub(t, file, sut)
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
		if mailDoor == "" {
			sut.Mail = conformance.Mail{}
		} else {
			sut.Mail.Door = "smtp://" + g.Address("smtp")
		}
		if described == "sut-hub.yaml" {
			return hub(g, base, dir, profile, sut)
		}
		return &conformance.SUT{Name: "passerelle in this process", Registry: base + gateway.RegistryPath, Repository: base + gateway.RepositoryPath,
			Patients: base + gateway.PatientsPath, MLLP: "tcp://" + g.Address("plain_mllp"), RepositoryUniqueID: "1.2.250.1.999.1.2",
			HomeCommunityID: "urn:oid:1.2.250.1.999.1", PatientDomain: "1.2.250.1.213.1.4.10",
			Hospitals: map[string]string{"north": "1.2.250.1.999.7.1", "south": "1.2.250.1.999.7.2", "closed": "1.2.250.1.999.7.3", "national": "1.2.250.1.213.1.4.11"}, Places: true, Profile: profile,
			DMP: base + "/si-dmp-server/v2/services", Decides: sut.Decides, People: sut.People, Mail: sut.Mail, Rules: "passerelle",
			TLS: conformance.TLSFiles{CA: filepath.Join(dir, "pki/ca.pem"), Certificate: filepath.Join(dir, "pki/client.pem"), Key: filepath.Join(dir, "pki/client.key")}}
	}
}

// suiteMailbox is the mailbox of a configuration of conformance/sut, sut.yaml meaning the plain one, with doors and folders of the test; the description gets them too.
func suiteMailbox(t *testing.T, dir, file string, m *conformance.Mail) string {
	text, err := os.ReadFile(filepath.Join("../conformance/sut", strings.Replace(file, "sut.yaml", "passerelle.yaml", 1)))
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\nmailbox:")
	if section, _, _ = strings.Cut(section, "\naudit:"); !ok {
		t.Fatal(file + " has no mailbox")
	}
	folder := "../../run/conformance/" + filepath.Base(m.Folder)
	for _, door := range []*string{&m.Receive, &m.Operator.IMAP} {
		if *door != "" {
			free := freePort(t)
			section, *door = strings.ReplaceAll(section, *door, free), free
		}
	}
	m.Folder = filepath.Join(dir, "mail")
	m.Operator.Certificate, m.Operator.Key = filepath.Join(dir, "pki/server.pem"), filepath.Join(dir, "pki/server.key")
	if err := conformance.MakeMail(m); err != nil {
		t.Fatal(err)
	}
	return "mailbox:" + strings.ReplaceAll(section, folder, m.Folder) + "\n"
}

// writeTables writes the tables of the rules, with the privacy policies of the suite.
func writeTables(t *testing.T, dir string) {
	names, err := filepath.Glob("../policy/france/*.tsv")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range append(names, "../conformance/sut/consents.tsv") {
		joined(t, filepath.Join(dir, filepath.Base(name)), name)
	}
}

// joined writes a file of others, one after the other.
func joined(t *testing.T, file string, parts ...string) {
	var all []byte
	for _, part := range parts {
		b, err := os.ReadFile(part)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	if err := os.WriteFile(file, all, 0o600); err != nil {
		t.Fatal(err)
	}
}

// logTo shows the gateway's log when PASSERELLE_TEST_LOG is set.
func logTo() io.Writer {
	if os.Getenv("PASSERELLE_TEST_LOG") != "" {
		return os.Stderr
	}
	return io.Discard
}

// edit changes a text in a file.
func edit(t *testing.T, file, old, new string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), old, new, 1)
	if changed == string(text) {
		t.Fatalf("%s has no %s", file, old)
	}
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}
