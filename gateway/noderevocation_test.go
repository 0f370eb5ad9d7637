package gateway_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/internal/testpki"
)

// TestRevokedNodes: with revocation lists, a node whose certificate was taken back is turned away at every door and recorded; so is one that nobody knows about, unless
// it is said otherwise.
func TestRevokedNodes(t *testing.T) {
	for _, unknown := range []string{"refuse", "accept"} {
		t.Run(unknown, func(t *testing.T) {
			dir := t.TempDir()
			known, other := authority(t, "Known"), authority(t, "Without a list")
			server := issue(t, known, "localhost")
			good, bad, stray := issue(t, known, "good"), issue(t, known, "bad"), issue(t, other, "stray")
			list, err := known.Revoke(leaf(t, bad))
			if err != nil {
				t.Fatal(err)
			}
			for name, b := range map[string][]byte{"server.pem": server.Cert, "server.key": server.Key, "clients.pem": slices.Concat(known.PEM, other.PEM), "revoked.crl": list} {
				if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			g := run(t, fmt.Sprintf("repository: {unique_id: 1.2.9}\nnode: {name: x}\ntls: {certificate: %[1]q, key: %[2]q, client_ca: %[3]q, revocation: {lists: [%[4]q], unknown: %[5]s}}\n",
				dir+"/server.pem", dir+"/server.key", dir+"/clients.pem", dir+"/revoked.crl", unknown), `soap: "127.0.0.1:0"`, `mllp: "127.0.0.1:0"`)
			for _, door := range []string{"soap", "mllp"} {
				for name, c := range map[string]struct {
					pair  testpki.Pair
					holds bool
				}{"good": {good, true}, "bad": {bad, false}, "stray": {stray, unknown == "accept"}} {
					if err := shakeHands(t, g.Address(door), known.Pool(), c.pair); (err == nil) != c.holds {
						t.Errorf("%s at %s: %v", name, door, err)
					}
				}
			}
			want := []string{fmt.Sprintf("certificate %x was revoked", leaf(t, bad).SerialNumber), fmt.Sprintf("certificate %x was revoked", leaf(t, bad).SerialNumber)}
			if unknown == "refuse" {
				text := fmt.Sprintf("it is not known whether certificate %x was revoked: the certificate names nobody to ask", leaf(t, stray).SerialNumber)
				want = append(want, text, text)
			}
			var alerts []string
			waitFor(t, func() bool {
				alerts = nil
				for _, l := range g.trail(t) {
					if rest, ok := strings.CutPrefix(l, "110113 110126 E 8 "); ok {
						alerts = append(alerts, strings.TrimSpace(rest))
					}
				}
				return len(alerts) >= len(want)
			})
			slices.Sort(alerts)
			if len(alerts) != len(want) {
				t.Errorf("recorded %q, not %q", alerts, want)
			}
			for i := range min(len(alerts), len(want)) {
				if !strings.HasPrefix(alerts[i], want[i]) {
					t.Errorf("recorded %q, not %q", alerts[i], want[i])
				}
			}
		})
	}
}

func authority(t *testing.T, name string) *testpki.Authority {
	t.Helper()
	a, err := testpki.New(name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t *testing.T, a *testpki.Authority, name string) testpki.Pair {
	t.Helper()
	p, err := a.Issue(name, 0)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func leaf(t *testing.T, p testpki.Pair) *x509.Certificate {
	t.Helper()
	c, err := p.TLS()
	if err != nil {
		t.Fatal(err)
	}
	return c.Leaf
}

// shakeHands connects and tells whether the server goes on: with TLS 1.2 the client hears of its refusal during the handshake.
func shakeHands(t *testing.T, addr string, pool *x509.CertPool, p testpki.Pair) error {
	t.Helper()
	c, err := p.TLS()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: pool, ServerName: "localhost", MaxVersion: tls.VersionTLS12, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c, nil }})
	if err != nil {
		return err
	}
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	return conn.Close()
}
