package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/internal/testpki"
)

// TestListsAreReadAgain: a list that changed counts without a start; one that cannot be read leaves what was known.
func TestListsAreReadAgain(t *testing.T) {
	ca, err := testpki.New("Authority")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Issue("localhost", 0)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := pair.TLS()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "revoked.crl")
	at := time.Now().Add(-time.Hour)
	write := func(b []byte) {
		t.Helper()
		at = at.Add(time.Minute)
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
	list := func(certs ...*x509.Certificate) []byte {
		t.Helper()
		b, err := ca.Revoke(certs...)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	write(list())
	r, err := newRevocations([]string{file}, false, "tls.revocation.fetch")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	r.now = func() time.Time { return now }
	r.looked = now
	m := &tlsMaterial{cert: cert, pool: ca.Pool(), held: nodeRevocation{known: r}.check}
	// The same material at both ends: who calls and who is called are held against the lists.
	connect := func() string {
		t.Helper()
		server, err := m.serverConfig()
		if err != nil {
			t.Fatal(err)
		}
		server.SessionTicketsDisabled = true // nobody reads them here
		here, there := net.Pipe()
		heard := make(chan error, 1)
		go func() {
			heard <- tls.Server(there, server).Handshake()
			there.Close()
		}()
		client := m.clientConfig()
		client.ServerName = "localhost"
		errClient := tls.Client(here, client).Handshake()
		here.Close()
		errServer := <-heard
		switch {
		case errClient == nil && errServer == nil:
			return ""
		case errClient != nil && strings.Contains(errClient.Error(), "was revoked"):
			return "refused by who calls"
		}
		t.Fatal(errClient, errServer)
		return ""
	}
	for _, step := range []struct {
		list  []byte
		later time.Duration
		want  string
	}{{nil, 0, ""}, {list(cert.Leaf), 29 * time.Second, ""}, {nil, time.Second, "refused by who calls"}, {[]byte("half a li"), time.Minute, "refused by who calls"}, {list(), time.Minute, ""}} {
		if step.list != nil {
			write(step.list)
		}
		now = now.Add(step.later)
		if got := connect(); got != step.want {
			t.Errorf("after %s: %q, not %q", step.later, got, step.want)
		}
	}
	// Where the list that is known does not say, what is wrong with the newer one is told.
	other, err := testpki.New("Another")
	if err != nil {
		t.Fatal(err)
	}
	write([]byte("half a li"))
	now = now.Add(time.Minute)
	if _, err := r.Revoked(t.Context(), cert.Leaf, other.Certificate(), now); err == nil || !strings.Contains(err.Error(), "a list that changed cannot be read: revocation list 0: ") {
		t.Errorf("of an authority without a list: %v", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := newRevocations([]string{file}, false, ""); err == nil {
		t.Error("a list that is not there at the start")
	}
}
