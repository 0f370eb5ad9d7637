package manager_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/wire/mllp"
)

// certificate makes one that signs itself and is good for both ends.
func certificate(t *testing.T, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// TestFeedOverTLS sends two messages of one hospital system over one authenticated connection.
func TestFeedOverTLS(t *testing.T) {
	m, store := world(t)
	cert, pool := certificate(t, "gam.example")
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- (&mllp.Server{Handler: m}).Serve(ctx, ln) }()

	c, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: pool})
	if err != nil {
		t.Fatal(err)
	}
	feed := mllp.NewClient(c)
	for i, in := range []string{adt("A01", "PID|1||A"+aa), adt("A40", "PID|1||B"+aa, "MRG|A"+aa)} {
		got, err := feed.Send(t.Context(), []byte(in))
		if err != nil || !strings.Contains(string(got), "\rMSA|AA|M1\r") {
			t.Errorf("message %d: %q %v", i, got, err)
		}
	}
	_ = feed.Close()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if len(store.Audit) != 3 || store.Audit[0].ActiveParticipants[0].NetworkAccessPointID != "127.0.0.1" {
		t.Errorf("%d audit records", len(store.Audit))
	}
}
