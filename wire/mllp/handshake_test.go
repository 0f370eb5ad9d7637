package mllp_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"testing"

	"github.com/passerelle-sante/passerelle/internal/testpki"
	"github.com/passerelle-sante/passerelle/wire/mllp"
)

// TestHandshakeWhileStopping: whoever was refused is told of with the reason, even when the server stops at that moment; whom the server leaves is not.
func TestHandshakeWhileStopping(t *testing.T) {
	ca, err := testpki.New("CA")
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
	for _, silent := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, VerifyConnection: func(tls.ConnectionState) error {
			cancel()
			return errors.New("a stranger")
		}})
		if err != nil {
			t.Fatal(err)
		}
		var refused []string
		s := &mllp.Server{Refused: func(_ mllp.Peer, err error) { refused = append(refused, err.Error()) }}
		accepted, done := make(chan struct{}), make(chan error, 1)
		go func() { done <- s.Serve(ctx, accepting{ln, accepted}) }()
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if <-accepted; silent {
			cancel()
		} else if tls.Client(c, &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost", MaxVersion: tls.VersionTLS12}).Handshake() == nil {
			t.Error("a stranger got in")
		}
		if err := errors.Join(<-done, c.Close()); err != nil {
			t.Error(err)
		}
		if silent && len(refused) > 0 || !silent && (len(refused) != 1 || refused[0] != "a stranger") {
			t.Errorf("silent %v: told of %q", silent, refused)
		}
	}
}

// accepting tells that a connection was accepted.
type accepting struct {
	net.Listener
	first chan struct{}
}

func (a accepting) Accept() (net.Conn, error) {
	c, err := a.Listener.Accept()
	if err == nil {
		close(a.first)
	}
	return c, err
}
