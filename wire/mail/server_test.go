package mail_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	plainsmtp "net/smtp"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/passerelle-sante/passerelle/internal/testpki"
	"github.com/passerelle-sante/passerelle/wire/mail"
)

// mailbox takes what comes to lab@ and remembers it.
type mailbox struct {
	mu   sync.Mutex
	got  []mail.Envelope
	text []string
	fail error
	cut  int // messages that broke off
}

func (m *mailbox) Accept(_ context.Context, _ mail.Peer, _, to string) error {
	if !strings.HasPrefix(to, "lab@") {
		return &mail.Refusal{Code: 550, Enhanced: [3]int{5, 1, 1}, Text: "No such mailbox here"}
	}
	return nil
}

func (m *mailbox) Receive(_ context.Context, e *mail.Envelope, content io.Reader) error {
	b, err := io.ReadAll(content)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.cut++
		return err
	}
	if m.fail != nil {
		return m.fail
	}
	m.got, m.text = append(m.got, *e), append(m.text, string(b))
	return nil
}

// identities are a server's and a client's certificates and who vouches for them.
type identities struct {
	pair, client tls.Certificate
	pool         *x509.CertPool
}

func serverPair(t *testing.T) identities {
	t.Helper()
	dir := t.TempDir()
	if err := testpki.WriteDir(dir, 0); err != nil {
		t.Fatal(err)
	}
	return pairIn(t, dir)
}

// pairIn loads what testpki has written into a folder.
func pairIn(t *testing.T, dir string) identities {
	t.Helper()
	load := func(name string) tls.Certificate {
		c, err := tls.LoadX509KeyPair(dir+"/"+name+".pem", dir+"/"+name+".key")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ca, err := os.ReadFile(dir + "/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return identities{load("server"), load("client"), pool}
}

// serve runs a server until the test ends and gives its address and how to be a client of it.
func serve(t *testing.T, m *mailbox, change func(*mail.Config)) (addr string, client *tls.Config) {
	t.Helper()
	id := serverPair(t)
	c := mail.Config{Handler: m, Domain: "gateway.example", MaxMessage: 100_000, MaxRecipients: 2,
		TLS: &tls.Config{Certificates: []tls.Certificate{id.pair}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: id.pool}}
	if change != nil {
		change(&c)
	}
	s, err := mail.NewServer(c)
	if err != nil {
		t.Fatal(err)
	}
	return listen(t, s), &tls.Config{Certificates: []tls.Certificate{id.client}, RootCAs: id.pool, ServerName: "localhost"}
}

// listen runs a server until the test ends.
func listen(t *testing.T, s *mail.Server) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Serve(ctx, ln, 5*time.Second) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

func send(c *smtp.Client, from, to string, text string) error {
	if err := c.Mail(from, &smtp.MailOptions{EnvelopeID: "E1", Return: smtp.DSNReturnHeaders}); err != nil {
		return err
	}
	if err := c.Rcpt(to, &smtp.RcptOptions{Notify: []smtp.DSNNotify{smtp.DSNNotifySuccess, smtp.DSNNotifyFailure}, OriginalRecipientType: "RFC822", OriginalRecipient: "o@example"}); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, text); err != nil {
		return err
	}
	return w.Close()
}

func TestReceive(t *testing.T) {
	m := &mailbox{}
	addr, cfg := serve(t, m, nil)
	c, err := smtp.DialStartTLS(addr, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	text := "Subject: x\r\n\r\n.dot\r\n" + strings.Repeat("a", 50_000) + "\r\n"
	if err := send(c, "sil@lilas.example", "lab@gateway.example", text); err != nil {
		t.Fatal(err)
	}
	want := mail.Envelope{Peer: mail.Peer{Address: "127.0.0.1", Helo: "localhost", TLS: true, Subject: "CN=demo-client,O=Passerelle demo,C=FR", Name: "demo-client"},
		From: "sil@lilas.example", EnvelopeID: "E1", Return: "HDRS",
		Recipients: []mail.Recipient{{Address: "lab@gateway.example", Notify: []string{"SUCCESS", "FAILURE"}, Original: "RFC822;o@example"}}}
	if len(m.got) != 1 || !reflect.DeepEqual(m.got[0], want) || m.text[0] != text {
		t.Errorf("%+v", m.got)
	}
}

func code(err error) int {
	var e *smtp.SMTPError
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

func TestRefusals(t *testing.T) {
	m := &mailbox{}
	addr, cfg := serve(t, m, func(c *mail.Config) { c.RequireTLS = true })
	plain, err := smtp.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := send(plain, "a@b", "lab@c", "x"); code(err) != 530 {
		t.Errorf("without TLS: %v", err)
	}
	plain.Close()
	dial := func() *smtp.Client {
		c, err := smtp.DialStartTLS(addr, cfg)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := dial()
	if err := send(c, "a@b", "other@c", "x"); code(err) != 550 {
		t.Errorf("another mailbox: %v", err)
	}
	c.Close()
	c = dial()
	if err := send(c, "a@b", "lab@c", strings.Repeat("x\r\n", 50_000)); code(err) != 552 {
		t.Errorf("too large: %v", err)
	}
	c.Close()
	m.fail = errors.New("disk full: /srv/data/patient-name")
	c = dial()
	if err := send(c, "a@b", "lab@c", "x"); code(err) != 451 || strings.Contains(err.Error(), "patient") {
		t.Errorf("a failure of ours: %v", err)
	}
	m.fail = nil
	if err := c.Reset(); err != nil {
		t.Fatal(err)
	}
	if err := send(c, "a@b", "lab@c", "x"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	c.Close()
	if len(m.got) != 1 {
		t.Errorf("%d messages", len(m.got))
	}
}

// TestBreaksOff: a message whose connection ends before its end is not taken.
func TestBreaksOff(t *testing.T) {
	m := &mailbox{}
	addr, _ := serve(t, m, nil)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 4096)
	for _, line := range []string{"", "EHLO x\r\n", "MAIL FROM:<a@b>\r\n", "RCPT TO:<lab@c>\r\n", "DATA\r\n"} {
		if _, err := io.WriteString(conn, line); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(answer); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.WriteString(conn, "Subject: x\r\n\r\nhalf a mess"); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		m.mu.Lock()
		cut := m.cut
		m.mu.Unlock()
		if cut == 1 {
			break
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cut != 1 || len(m.got) != 0 {
		t.Errorf("%d broken off, %d taken", m.cut, len(m.got))
	}
}

// TestSmuggling: only CR LF . CR LF ends a message [CVE-2023-51764 and its kin].
func TestSmuggling(t *testing.T) {
	for _, end := range []string{"\n.\n", "\r\n.\n", "\n.\r\n", "\r.\r"} {
		m := &mailbox{}
		addr, _ := serve(t, m, nil)
		c, err := smtp.Dial(addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = send(c, "a@b", "lab@c", "one"+end+"MAIL FROM:<evil@b>\r\nRCPT TO:<lab@c>\r\nDATA\r\ntwo\r\n")
		c.Close()
		m.mu.Lock()
		if len(m.got) > 1 || len(m.got) == 1 && m.got[0].From != "a@b" {
			t.Errorf("%q: %d messages, %+v", end, len(m.got), m.got)
		}
		m.mu.Unlock()
	}
}

func TestLMTP(t *testing.T) {
	m := &mailbox{}
	addr, _ := serve(t, m, func(c *mail.Config) { c.LMTP = true })
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c := smtp.NewClientLMTP(conn)
	defer c.Close()
	if err := c.Mail("a@b", nil); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"lab@c", "lab@d"} {
		if err := c.Rcpt(to, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Rcpt("lab@e", nil); code(err) != 452 {
		t.Errorf("a third recipient: %v", err)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "Subject: x\r\n\r\nx\r\n"); err != nil {
		t.Fatal(err)
	}
	answers, err := w.CloseWithLMTPResponse()
	if err != nil || len(answers) != 2 || answers["lab@c"] == nil || answers["lab@d"] == nil || len(m.got) != 1 || len(m.got[0].Recipients) != 2 {
		t.Errorf("%v %v, %+v", answers, err, m.got)
	}
}

func TestNewServerRefuses(t *testing.T) {
	for _, c := range []mail.Config{{}, {Handler: &mailbox{}}, {Handler: &mailbox{}, Domain: "x", RequireTLS: true}} {
		if _, err := mail.NewServer(c); err == nil {
			t.Errorf("accepted %+v", c)
		}
	}
}

// slow takes messages when it is told to.
type slow struct{ entered, leave chan struct{} }

func (slow) Accept(context.Context, mail.Peer, string, string) error { return nil }
func (h slow) Receive(_ context.Context, _ *mail.Envelope, content io.Reader) error {
	h.entered <- struct{}{}
	<-h.leave
	_, err := io.Copy(io.Discard, content)
	return err
}

// TestMaxReceived: whoever sends a message while there are enough is heard when one of them is done.
func TestMaxReceived(t *testing.T) {
	h := slow{make(chan struct{}), make(chan struct{})}
	s, err := mail.NewServer(mail.Config{Handler: h, Domain: "gateway.example", MaxReceived: 2})
	if err != nil {
		t.Fatal(err)
	}
	addr := listen(t, s)
	sent := make(chan error, 3)
	for range 3 {
		go func() {
			sent <- plainsmtp.SendMail(addr, nil, "a@b.example", []string{"lab@gateway.example"}, []byte("Subject: x\r\n\r\nx\r\n"))
		}()
	}
	enter := func() {
		t.Helper()
		select {
		case <-h.entered:
		case err := <-sent:
			t.Fatalf("sent without being heard: %v", err)
		}
	}
	enter()
	enter()
	select {
	case <-h.entered:
		t.Error("a third message beside two")
	case <-time.After(100 * time.Millisecond):
	}
	h.leave <- struct{}{}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	enter()
	h.leave <- struct{}{}
	h.leave <- struct{}{}
	for range 2 {
		if err := <-sent; err != nil {
			t.Error(err)
		}
	}
}
