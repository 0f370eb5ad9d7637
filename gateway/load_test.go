package gateway_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/gateway"
)

func write(t *testing.T, name, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Every mistake is named with its line, all of them at once.
func TestLoadNamesMistakes(t *testing.T) {
	file := write(t, "c.yaml", `node:
  name: x
  homecommunity: y
listen:
  plain_soap: 0.0.0.0:80
  operations: nowhere
repository:
  unique_id: 1.02
soap:
  max_parts: many
  gzip: perhaps
  quirks: {start-without-brackets: false, no-such-quirk: true}
  reply_to: [ftp://x]
registry:
  max_results: 0
patients:
  domains: urn:oid:1.2
audit:
  forward:
    - address: http://x
log:
  level: loud
`)
	_, err := gateway.Load(file, []string{"PASSERELLE_REGISTRY_MAX_REFERENCES=x", "PASSERELLE_SHARED=/elsewhere"})
	var ms gateway.Mistakes
	if !errors.As(err, &ms) {
		t.Fatalf("got %v", err)
	}
	var got []string
	for _, m := range ms {
		got = append(got, fmt.Sprintf("%d %s", m.Line, m.Key))
	}
	want := []string{"0 PASSERELLE_REGISTRY_MAX_REFERENCES (registry.max_references)", "3 node.homecommunity", "5 listen.plain_soap", "6 listen.operations",
		"8 repository.unique_id", "10 soap.max_parts", "11 soap.gzip", "12 soap.quirks", "13 soap.reply_to[0]", "15 registry.max_results",
		"17 patients.domains", "20 audit.forward[0].address", "20 audit.forward[0].name", "22 log.level"}
	for _, w := range want {
		found := false
		for _, g := range got {
			found = found || g == w
		}
		if !found {
			t.Errorf("not named: %s", w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("named\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if !strings.Contains(err.Error(), file+":3: node.homecommunity: unknown key; known here: name, enterprise_site, home_community_id") {
		t.Errorf("the text is %s", err)
	}
}

func TestEnvironmentOverrides(t *testing.T) {
	file := write(t, "c.yaml", "listen: {plain_soap: \"127.0.0.1:1\"}\n")
	cfg, err := gateway.Load(file, []string{"PASSERELLE_LISTEN_PLAIN_SOAP=127.0.0.1:2", "PASSERELLE_SOAP_MAX_MESSAGE=1000", "PASSERELLE_NODE_HOME_COMMUNITY_ID=urn:oid:1.2.3", "PASSERELLE_SOAP_GZIP=false"})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Listen.PlainSOAP != "127.0.0.1:2" || cfg.SOAP.MaxMessage != 1000 || cfg.Node.HomeCommunityID != "urn:oid:1.2.3" || cfg.SOAP.Gzip {
		t.Errorf("got %+v", cfg)
	}
	if cfg.Data != filepath.Join(filepath.Dir(file), "data") {
		t.Errorf("data is %s", cfg.Data)
	}
}

func TestLoadNotYAML(t *testing.T) {
	_, err := gateway.Load(write(t, "c.yaml", "a: [1\nb: }"), nil)
	var ms gateway.Mistakes
	if !errors.As(err, &ms) || ms[0].Key != "YAML" || ms[0].Line == 0 {
		t.Errorf("got %v", err)
	}
}

func TestAffinityDomainMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"codes: {nosuch: {s: {c: d}}}":    `"nosuch" is not a coded attribute`,
		"patient_authorities: [abc]":      `"abc" is not an OID`,
		"extra_metadata: perhaps":         `"perhaps" is not keep or drop`,
		"name: x\nunheard_of: 1":          "[2:1] unknown field",
		"codes: {classCode: [not a map]}": "[1:20]",
	} {
		if _, err := gateway.ReadDomain(write(t, "d.yaml", text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// What no mailbox can run with is named too, and a door without a mailbox behind it.
func TestMailboxMistakes(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"listen: {plain_soap: \"127.0.0.1:1\", plain_smtp: \"127.0.0.1:2\"}\n", "1 listen.plain_smtp"},
		{"listen: {plain_soap: \"127.0.0.1:1\", plain_smtp: \"0.0.0.0:2\"}\nmailbox:\n  addresses: [not an address]\n  workers: -1\n  trust: {usage: none, revocation_unknown: hope, anchors: missing.pem}\n" +
			"  correspondents: [{domain: \"a@b\", mode: trust}]\n  relay: {security: some}\n  post: {recipients: [{domain: x, mode: y}]}\n  pdf: {facility: SA25}\n  fetch: [{name: a, address: \"b:993\", security: tls, user: u, password: p, token: t}]\n",
			"1 listen.plain_smtp, 2 mailbox, 2 mailbox.source_id, 3 mailbox.addresses, 3 mailbox.addresses[0], 4 mailbox.workers, 5 mailbox.trust.revocation_unknown, 5 mailbox.trust.usage, " +
				"6 mailbox.correspondents, 7 mailbox.relay.security, 8 mailbox.post.recipients, 8 mailbox.post.recipients[0], 9 mailbox.pdf, 10 mailbox.fetch[0]"},
	} {
		_, err := gateway.Load(write(t, "c.yaml", c.text), nil)
		ms, _ := errors.AsType[gateway.Mistakes](err)
		var got []string
		for _, m := range ms {
			got = append(got, fmt.Sprintf("%d %s", m.Line, m.Key))
		}
		slices.Sort(got)
		want := strings.Split(c.want, ", ")
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("named %q\nwant %q\n%v", got, want, err)
		}
	}
}
