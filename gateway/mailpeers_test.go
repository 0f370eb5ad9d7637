package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/internal/testpki"
)

// TestPeerMail deposits with mail tools that nobody here wrote: s-nail signs, encrypts and sends over STARTTLS, swaks sends what is prepared and asks for a notification of delivery.
func TestPeerMail(t *testing.T) {
	if os.Getenv("PASSERELLE_PEERS_MAIL") == "" {
		t.Skip("set PASSERELLE_PEERS_MAIL to deposit with s-nail and swaks (make peers does)")
	}
	for _, tool := range []string{"s-nail", "swaks"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	p, dir := newPost(t), t.TempDir()
	if err := testpki.WriteDir(dir, 0); err != nil {
		t.Fatal(err)
	}
	labo, err := p.id(t, "labo", nil).PEM()
	if err != nil {
		t.Fatal(err)
	}
	doc := sample.LabReport(1)
	second := bytes.ReplaceAll(doc, []byte("1.2.250.1.999.1.1.10.1\""), []byte("1.2.250.1.999.1.1.14.1\""))
	for name, b := range map[string][]byte{"labo.pem": append(labo.Key, labo.Cert...), "IHE_XDM.ZIP": archive(t, letter{set: 1, docs: [][]byte{doc}}),
		"message.eml": p.write(t, letter{set: 2, docs: [][]byte{second}})} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g := run(t, p.config()+fmt.Sprintf("tls: {certificate: %q, key: %q, client_ca: %q}\n", dir+"/server.pem", dir+"/server.key", dir+"/ca.pem"), `smtp: "127.0.0.1:0"`)
	g.announce(t, 1)
	server := strings.Replace(g.Address("smtp"), "127.0.0.1", "localhost", 1)
	tool := func(stdin string, name string, args ...string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
		defer cancel()
		c := exec.CommandContext(ctx, name, args...)
		c.Dir, c.Stdin, c.Env = dir, strings.NewReader(stdin), append(os.Environ(), "HOME="+dir, "LANG=C.UTF-8")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	tool("Bonjour,\n\nVeuillez trouver ci-joint un compte rendu.\n", "s-nail", "-:/", "-S", "v15-compat", "-S", "mta=smtp://"+server, "-S", "smtp-use-starttls", "-S", "smtp-auth=none",
		"-S", "tls-ca-file="+dir+"/ca.pem", "-S", "tls-ca-no-defaults", "-S", "from=resultats@labo.example", "-S", "hostname=labo.example", "-S", "smime-sign", "-S", "smime-sign-cert="+dir+"/labo.pem",
		"-S", "smime-encrypt-"+depot+"="+p.dir+"/mailbox.pem", "-S", "smime-force-encryption", "-s", "XDM/1.0/DDM+CR d'examens biologiques", "-a", "IHE_XDM.ZIP", depot)
	tool("", "swaks", "--server", server, "--tls", "--tls-ca-path", dir+"/ca.pem", "--from", "resultats@labo.example", "--to", depot, "--data", "@"+dir+"/message.eml", "--timeout", "30")
	waitFor(t, func() bool { return len(g.entries(t, 1)) == 2 || len(g.quarantine(t)) > 0 })
	found := g.entries(t, 1)
	if len(found) != 2 {
		t.Fatalf("%d entries; quarantine: %v", len(found), g.quarantine(t))
	}
	for _, e := range found {
		want := doc
		if e.UniqueID == "1.2.250.1.999.1.1.14.1" {
			want = second
		}
		g.holds(t, e.UniqueID, want)
	}
	g.settled(t)
	for _, f := range g.mailFacts(t) {
		if !strings.Contains(f, "Mail Trust=smime signed encrypted; Mail Outcome=deposited; Mail Signature=ok") {
			t.Errorf("audit: %s", f)
		}
	}
}
