package conformance

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// newOperator runs the suite's operator with an account seen, and gives what a client signs in with.
func newOperator(t *testing.T) (*operator, *Mail, *tls.Config) {
	t.Helper()
	dir := t.TempDir()
	m := &Mail{From: "a@labo.example", To: "b@depot.example", Folder: filepath.Join(dir, "mail")}
	if err := MakeMail(m); err != nil {
		t.Fatal(err)
	}
	if err := makeFolder(filepath.Join(dir, "nodes"), "nodes", func(f *throwAway) error {
		both := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		return f.add("node", "curve", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: both})
	}); err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(filepath.Join(dir, "nodes/authority.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	m.Operator = Operator{IMAP: freeAddress(t), Certificate: filepath.Join(dir, "nodes/node.pem"), Key: filepath.Join(dir, "nodes/node.key"), Accounts: map[string]string{"seen": "vu"},
		Folders: map[string]string{"done": "Faits"}}
	o, err := serveOperator(m, roots)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.close)
	pair, err := tls.LoadX509KeyPair(m.Operator.Certificate, m.Operator.Key)
	if err != nil {
		t.Fatal(err)
	}
	return o, m, &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, ServerName: "127.0.0.1"}
}

func freeAddress(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// TestOperator: a message that was left is there for who signs in over a connection with certificates; where it lies is told, and trouble comes as often as was asked for.
func TestOperator(t *testing.T) {
	o, m, config := newOperator(t)
	dial := func(c *tls.Config) (*imapclient.Client, error) {
		return imapclient.DialStartTLS(m.Operator.IMAP, &imapclient.Options{TLSConfig: c})
	}
	const id = "1.9@labo.example"
	message := []byte("Message-Id: <" + id + ">\r\n\r\n" + strings.Repeat("text\r\n", 4000))
	if err := o.deliver(&left{account: "vu", times: 2, trouble: trouble{breaks: 1, refuses: 1}}, message); err != nil {
		t.Fatal(err)
	}
	anonymous := config.Clone()
	anonymous.Certificates = nil
	if c, err := dial(anonymous); err == nil {
		if err := c.Login("vu", o.password).Wait(); err == nil {
			t.Error("a client without certificate signed in")
		}
		_ = c.Close()
	}
	fetch := func() (n int, err error) {
		c, err := dial(config)
		if err != nil {
			return 0, err
		}
		defer c.Close()
		if err := c.Login("vu", "wrong").Wait(); err == nil {
			t.Error("a wrong password is good")
		}
		if err := c.Login("vu", o.password).Wait(); err != nil {
			return 0, err
		}
		if _, err := c.Select("INBOX", nil).Wait(); err != nil {
			return 0, err
		}
		got, err := c.Fetch(imap.UIDSetNum(1), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{{}}}).Collect()
		for _, one := range got {
			for _, b := range one.BodySection {
				n += len(b.Bytes)
			}
		}
		if err == nil {
			err = c.Create("Faits", nil).Wait()
		}
		if err == nil {
			_, err = c.Move(imap.UIDSetNum(1), "Faits").Wait()
		}
		return n, err
	}
	if _, err := fetch(); err == nil {
		t.Error("the first signing in was to be refused")
	}
	if n, err := fetch(); err == nil && n == len(message) {
		t.Error("the connection was to break")
	}
	if n, err := fetch(); err != nil || n != len(message) {
		t.Fatalf("%d bytes of %d: %v", n, len(message), err)
	}
	want := "inbox unseen\ndone seen"
	if is, err := o.await(t.Context(), "vu", m.Operator.Folders, id, want, 5*time.Second); err != nil || is != want {
		t.Errorf("it lies %q, want %q: %v", is, want, err)
	}
	if is, err := o.lies("vu", m.Operator.Folders, "another@labo.example"); err != nil || is != "nowhere" {
		t.Errorf("another lies %q: %v", is, err)
	}
	if err := o.deliver(&left{account: "vu", renumber: true, trouble: trouble{impostor: 1}}, message); err != nil {
		t.Fatal(err)
	}
	c, err := dial(config)
	if err == nil {
		err = c.Login("vu", o.password).Wait()
		_ = c.Close()
	}
	if unknown, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok {
		t.Errorf("an impostor: %v %v", unknown, err)
	}
	if err := o.deliver(&left{account: "nobody"}, message); err == nil {
		t.Error("there is no such account")
	}
}
