package gateway_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/internal/testpki"
)

// A node without a certificate, or with one of another authority, is turned away at every door, counted and recorded (ITI-19).
func TestNodesMustAuthenticate(t *testing.T) {
	pki := t.TempDir()
	if err := testpki.WriteDir(pki, 0); err != nil {
		t.Fatal(err)
	}
	g := run(t, fmt.Sprintf("repository: {unique_id: 1.2.9}\ntls: {certificate: %[1]q, key: %[2]q, client_ca: %[3]q}\n", pki+"/server.pem", pki+"/server.key", pki+"/ca.pem")+
		"node: {name: x}\n", "soap: \"127.0.0.1:0\"", "mllp: \"127.0.0.1:0\"")
	pem, err := os.ReadFile(filepath.Join(pki, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	stranger, err := testpki.New("somebody else")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := stranger.Issue("stranger", 0)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := pair.TLS()
	if err != nil {
		t.Fatal(err)
	}
	for _, door := range []string{"soap", "mllp"} {
		for _, shown := range []*tls.Certificate{{}, &cert} { // none, and one that was not asked for
			c, err := tls.Dial("tcp", g.Address(door), &tls.Config{RootCAs: pool, ServerName: "localhost",
				GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return shown, nil }})
			if err == nil { // with TLS 1.3 a client hears of its refusal when it reads
				_ = c.SetDeadline(time.Now().Add(10 * time.Second))
				_, err = c.Read(make([]byte, 1))
				c.Close()
			}
			if err == nil || err == io.EOF {
				t.Errorf("%s with %d certificates: %v", door, len(shown.Certificate), err)
			}
		}
	}
	waitFor(t, func() bool {
		resp, err := http.Get("http://" + g.Address("operations") + "/metrics")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return err == nil && strings.Contains(string(b), "passerelle_tls_handshake_failures_total 4")
	})
	var alerts []string
	for _, l := range g.trail(t) {
		if strings.HasPrefix(l, "110113 110126 E 8") {
			alerts = append(alerts, l[len("110113 110126 E 8 "):])
		}
	}
	slices.Sort(alerts)
	if len(alerts) != 4 || !strings.HasPrefix(alerts[0], "tls: client didn't provide a certificate") || !strings.HasPrefix(alerts[2], "tls: failed to verify certificate") {
		t.Errorf("recorded: %q", alerts)
	}
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}
