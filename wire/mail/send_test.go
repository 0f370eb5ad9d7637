package mail_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/passerelle-sante/passerelle/wire/mail"
)

func client(t *testing.T, c mail.ClientConfig) *mail.Client {
	t.Helper()
	client, err := mail.NewClient(c)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestSend(t *testing.T) {
	m := &mailbox{}
	addr, cfg := serve(t, m, func(c *mail.Config) { c.RequireTLS = true })
	c := client(t, mail.ClientConfig{Addr: addr, Hello: "gateway.example", TLS: cfg})
	text := "Subject: x\r\n\r\n.dot\r\n..\r\n" + strings.Repeat("a", 50_000) + "\r\n"
	e := &mail.Envelope{From: "post@gateway.example", EnvelopeID: "p+1=x", Return: "HDRS", UTF8: true, EightBit: true,
		Recipients: []mail.Recipient{{Address: "lab@a.example", Notify: []string{"SUCCESS", "FAILURE", "DELAY"}, Original: "rfc822;lab@a.example"}, {Address: "other@a.example"}}}
	results, err := c.Send(t.Context(), e, int64(len(text)), strings.NewReader(text))
	if err != nil || len(results) != 2 || results[0] != nil {
		t.Fatal(results, err)
	}
	var r *mail.Refusal
	if !errors.As(results[1], &r) || *r != (mail.Refusal{Code: 550, Enhanced: [3]int{5, 1, 1}, Text: "No such mailbox here"}) || !mail.Permanent(results[1]) {
		t.Errorf("%v", results[1])
	}
	want := mail.Envelope{Peer: mail.Peer{Address: "127.0.0.1", Helo: "gateway.example", TLS: true, Subject: "CN=demo-client,O=Passerelle demo,C=FR", Name: "demo-client"},
		From: "post@gateway.example", EnvelopeID: "p+1=x", Return: "HDRS", UTF8: true,
		Recipients: []mail.Recipient{{Address: "lab@a.example", Notify: []string{"SUCCESS", "FAILURE", "DELAY"}, Original: "RFC822;lab@a.example"}}}
	if len(m.got) != 1 || !reflect.DeepEqual(m.got[0], want) || m.text[0] != text {
		t.Errorf("%+v", m.got)
	}
}

func TestSendAnswers(t *testing.T) {
	m := &mailbox{}
	addr, cfg := serve(t, m, nil)
	c := client(t, mail.ClientConfig{Addr: addr, TLS: cfg})
	send := func(size int64, to ...string) ([]error, error) {
		e := &mail.Envelope{From: "a@b.example"}
		for _, r := range to {
			e.Recipients = append(e.Recipients, mail.Recipient{Address: r})
		}
		return c.Send(t.Context(), e, size, strings.NewReader("x\r\n"))
	}
	if results, err := send(3, "x@b", "y@b"); err != nil || !mail.Permanent(results[0]) || !mail.Permanent(results[1]) || len(m.got) != 0 {
		t.Errorf("nobody there: %v %v", results, err)
	}
	if results, err := send(3, "lab@b", "lab@c", "lab@d"); err != nil || results[0] != nil || results[1] != nil || results[2] == nil || mail.Permanent(results[2]) || len(m.got) != 1 {
		t.Errorf("one too many: %v %v", results, err)
	}
	if results, err := send(100_001, "lab@b"); err != nil || !mail.Permanent(results[0]) || results[0].Error() != "552 The message has 100001 bytes, the server takes 100000" {
		t.Errorf("too large: %v %v", results, err)
	}
	m.fail = errors.New("disk full")
	if results, err := send(3, "lab@b", "x@b"); err != nil || results[0] == nil || mail.Permanent(results[0]) || !mail.Permanent(results[1]) || len(m.got) != 1 {
		t.Errorf("not now: %v %v", results, err)
	}
}

// scripted is a server that answers commands by their first word; "-" hangs up, "" says nothing. It gives its address and what it was told.
func scripted(t *testing.T, answers map[string]string) (addr string, told func() []string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var lines []string
	var wg sync.WaitGroup
	talk := func(conn net.Conn) {
		defer conn.Close()
		fmt.Fprintf(conn, "220 s ESMTP\r\n")
		r := bufio.NewReader(conn)
		data := false
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			line = strings.TrimSpace(line)
			word, _, _ := strings.Cut(line, " ")
			if data {
				if line != "." {
					continue
				}
				data, word = false, "."
			}
			mu.Lock()
			lines = append(lines, line)
			mu.Unlock()
			answer, ok := answers[word]
			if !ok {
				answer = map[string]string{"EHLO": "250 s", "DATA": "354 go on", "QUIT": "221 bye"}[word]
				if answer == "" {
					answer = "250 ok"
				}
			}
			switch answer {
			case "-":
				return
			case "":
			default:
				data = strings.HasPrefix(answer, "354")
				fmt.Fprintf(conn, "%s\r\n", strings.ReplaceAll(answer, "\n", "\r\n"))
			}
		}
	}
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { talk(conn) })
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return ln.Addr().String(), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), lines...)
	}
}

// TestSendTrouble: what is no answer about the message is to be tried again, and what is one is told apart.
func TestSendTrouble(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers map[string]string
		e       mail.Envelope
		result  string // "" where the message stays unsettled
		err     string
	}{
		{"server closed", map[string]string{"EHLO": "421 closing"}, mail.Envelope{}, "", "the server answers 421 closing"},
		{"not for us", map[string]string{"EHLO": "554 go away"}, mail.Envelope{}, "", "the server answers 554 go away"},
		{"sender refused", map[string]string{"MAIL": "550 5.7.1 not you\x01\u200b"}, mail.Envelope{}, "550 not you", ""},
		{"grey list", map[string]string{"RCPT": "450 4.2.0 later"}, mail.Envelope{}, "450 later", ""},
		{"gone at RCPT", map[string]string{"RCPT": "-"}, mail.Envelope{}, "", "EOF"},
		{"no data", map[string]string{"DATA": "503 no"}, mail.Envelope{}, "503 no", ""},
		{"gone at the end", map[string]string{".": "-"}, mail.Envelope{}, "", "EOF"},
		{"refused at the end", map[string]string{".": "554-5.6.0 not\n554 5.6.0 that"}, mail.Envelope{}, "554 not that", ""},
		{"rude at QUIT", map[string]string{"QUIT": "-"}, mail.Envelope{}, "ok", ""},
		{"no SMTPUTF8", nil, mail.Envelope{UTF8: true}, "550 The server does not offer SMTPUTF8", ""},
		{"no 8BITMIME", nil, mail.Envelope{EightBit: true}, "550 The server does not offer 8BITMIME", ""},
		{"no REQUIRETLS", nil, mail.Envelope{RequireTLS: true}, "550 The server does not offer REQUIRETLS", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr, _ := scripted(t, c.answers)
			cl := client(t, mail.ClientConfig{Addr: addr, Security: mail.Unprotected})
			c.e.From, c.e.Recipients = "a@b.example", []mail.Recipient{{Address: "c@d.example"}}
			results, err := cl.Send(t.Context(), &c.e, 3, strings.NewReader("x\r\n"))
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || mail.Permanent(err) || results != nil {
					t.Errorf("%v %v", results, err)
				}
				return
			}
			got := "ok"
			if err == nil && results[0] != nil {
				got = results[0].Error()
			}
			if err != nil || got != c.result {
				t.Errorf("%v %v", results, err)
			}
		})
	}
}

// TestSendSilence: a server that says nothing is given up, by its time or by ours.
func TestSendSilence(t *testing.T) {
	addr, _ := scripted(t, map[string]string{"MAIL": ""})
	e := &mail.Envelope{Recipients: []mail.Recipient{{Address: "c@d.example"}}}
	c := client(t, mail.ClientConfig{Addr: addr, Security: mail.Unprotected, Timeout: 20 * time.Millisecond})
	var timeout net.Error
	if _, err := c.Send(t.Context(), e, 3, strings.NewReader("x\r\n")); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	c = client(t, mail.ClientConfig{Addr: addr, Security: mail.Unprotected})
	if _, err := c.Send(ctx, e, 3, strings.NewReader("x\r\n")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// TestSendHalf: content that breaks off is never taken for a whole message.
func TestSendHalf(t *testing.T) {
	m := &mailbox{}
	addr, cfg := serve(t, m, nil)
	c := client(t, mail.ClientConfig{Addr: addr, TLS: cfg})
	broken := io.MultiReader(strings.NewReader("Subject: x\r\n\r\nhalf"), brokenDisk{})
	if _, err := c.Send(t.Context(), &mail.Envelope{Recipients: []mail.Recipient{{Address: "lab@b"}}}, 0, broken); !errors.Is(err, errDisk) || len(m.got) != 0 {
		t.Errorf("%v, %d taken", err, len(m.got))
	}
}

var errDisk = errors.New("disk")

type brokenDisk struct{}

func (brokenDisk) Read([]byte) (int, error) { return 0, errDisk }

func TestSendProtection(t *testing.T) {
	m := &mailbox{}
	with, cfg := serve(t, m, nil)
	without, _ := serve(t, m, func(c *mail.Config) { c.TLS = nil })
	stranger := cfg.Clone()
	stranger.RootCAs = nil
	for _, c := range []struct {
		name string
		to   string
		how  mail.Security
		cfg  *tls.Config
		err  string
		tls  bool
	}{
		{"required, offered", with, mail.StartTLS, cfg, "", true},
		{"required, not offered", without, mail.StartTLS, cfg, "STARTTLS", false},
		{"required, of a stranger", with, mail.StartTLS, stranger, "certificate", false},
		{"opportunistic, offered", with, mail.Opportunistic, cfg, "", true},
		{"opportunistic, not offered", without, mail.Opportunistic, cfg, "", false},
		{"none", with, mail.Unprotected, cfg, "", false},
	} {
		m.got = nil
		cl := client(t, mail.ClientConfig{Addr: c.to, Security: c.how, TLS: c.cfg})
		results, err := cl.Send(t.Context(), &mail.Envelope{Recipients: []mail.Recipient{{Address: "lab@b"}}}, 3, strings.NewReader("x\r\n"))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) || len(m.got) != 0 {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err != nil || results[0] != nil || len(m.got) != 1 || m.got[0].Peer.TLS != c.tls {
			t.Errorf("%s: %v %v %+v", c.name, results, err, m.got)
		}
	}
	m.got = nil
	id := serverPair(t)
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{id.pair}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := mail.NewServer(mail.Config{Handler: m, Domain: "s"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Serve(ctx, ln, time.Second) }()
	cl := client(t, mail.ClientConfig{Addr: ln.Addr().String(), Security: mail.TLS, TLS: &tls.Config{RootCAs: id.pool, ServerName: "localhost"}})
	if results, err := cl.Send(t.Context(), &mail.Envelope{Recipients: []mail.Recipient{{Address: "lab@b"}}}, 3, strings.NewReader("x\r\n")); err != nil || results[0] != nil || !m.got[0].Peer.TLS {
		t.Errorf("TLS from the start: %v %v", results, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// operator is a server where one signs in.
type operator struct{ login string }

type operatorSession struct {
	*operator
	smtp.Session
}

func (o *operatorSession) AuthMechanisms() []string {
	return []string{"PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"}
}

func (o *operatorSession) Auth(mech string) (sasl.Server, error) {
	check := func(user, secret string) error {
		if o.login = mech + " " + user; secret != "s3cret" {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "no"}
		}
		return nil
	}
	switch mech {
	case "PLAIN":
		return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
	case "OAUTHBEARER":
		return sasl.NewOAuthBearerServer(func(o sasl.OAuthBearerOptions) *sasl.OAuthBearerError {
			if check(o.Username, o.Token) != nil {
				return &sasl.OAuthBearerError{Status: "invalid_token"}
			}
			return nil
		}), nil
	case "XOAUTH2":
		return &xoauth2Server{check: check}, nil
	}
	return &loginServer{check: check}, nil
}

type loginServer struct {
	check func(user, password string) error
	said  []string
}

func (l *loginServer) Next(response []byte) ([]byte, bool, error) {
	if response == nil {
		return []byte("Username:"), false, nil
	}
	if l.said = append(l.said, string(response)); len(l.said) == 1 {
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.said[0], l.said[1])
}

type xoauth2Server struct {
	check func(user, token string) error
	err   error
}

func (x *xoauth2Server) Next(response []byte) ([]byte, bool, error) {
	if x.err != nil { // the client took note of why
		return nil, true, x.err
	}
	fields := strings.Split(string(response), "\x01")
	if len(fields) != 4 {
		return nil, true, errors.New("malformed")
	}
	if x.err = x.check(strings.TrimPrefix(fields[0], "user="), strings.TrimPrefix(fields[1], "auth=Bearer ")); x.err != nil {
		return []byte(`{"status":"401"}`), false, nil
	}
	return nil, true, nil
}

func TestSendLogin(t *testing.T) {
	o := &operator{}
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &operatorSession{o, plainSession{}}, nil }))
	pairs := serverPair(t)
	s.TLSConfig, s.Domain = &tls.Config{Certificates: []tls.Certificate{pairs.pair}}, "s"
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(ln) }()
	t.Cleanup(func() { _ = s.Shutdown(context.Background()) })
	cfg := &tls.Config{RootCAs: pairs.pool, ServerName: "localhost"}
	for _, mech := range []string{"PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"} {
		for _, secret := range []string{"s3cret", "wr0ng"} {
			o.login = ""
			c := client(t, mail.ClientConfig{Addr: ln.Addr().String(), TLS: cfg,
				Login: &mail.Login{Mechanism: mech, User: "post@gateway.example", Secret: func(context.Context) (string, error) { return secret, nil }}})
			results, err := c.Send(t.Context(), &mail.Envelope{Recipients: []mail.Recipient{{Address: "lab@b"}}}, 3, strings.NewReader("x\r\n"))
			switch {
			case o.login != mech+" post@gateway.example":
				t.Errorf("%s: %q %v", mech, o.login, err)
			case secret == "s3cret" && (err != nil || results[0] != nil):
				t.Errorf("%s: %v %v", mech, results, err)
			case secret == "wr0ng" && (err == nil || mail.Permanent(err) || strings.Contains(err.Error(), secret)):
				t.Errorf("%s with another secret: %v", mech, err)
			}
		}
	}
	failing := client(t, mail.ClientConfig{Addr: ln.Addr().String(), TLS: cfg,
		Login: &mail.Login{Mechanism: "XOAUTH2", Secret: func(context.Context) (string, error) { return "", errDisk }}})
	if _, err := failing.Send(t.Context(), &mail.Envelope{}, 0, strings.NewReader("")); !errors.Is(err, errDisk) {
		t.Errorf("no token: %v", err)
	}
}

type plainSession struct{}

func (plainSession) Mail(string, *smtp.MailOptions) error { return nil }
func (plainSession) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (plainSession) Data(r io.Reader) error               { _, err := io.Copy(io.Discard, r); return err }
func (plainSession) Reset()                               {}
func (plainSession) Logout() error                        { return nil }

func TestNewClientRefuses(t *testing.T) {
	secret := func(context.Context) (string, error) { return "", nil }
	for _, c := range []mail.ClientConfig{{}, {Addr: "host"}, {Addr: "h:25", Security: "maybe"}, {Addr: "h:25", Login: &mail.Login{Mechanism: "PLAIN"}},
		{Addr: "h:25", Login: &mail.Login{Mechanism: "CRAM-MD5", Secret: secret}}, {Addr: "h:25", Security: mail.Opportunistic, Login: &mail.Login{Mechanism: "PLAIN", Secret: secret}}} {
		if _, err := mail.NewClient(c); err == nil {
			t.Errorf("accepted %+v", c)
		}
	}
}
