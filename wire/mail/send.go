package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Security is how a connection to a mail server is protected.
type Security string

// The kinds of protection. Nothing but StartTLS and TLS proves who the server is.
const (
	StartTLS      Security = ""              // STARTTLS, or no mail
	TLS           Security = "tls"           // from the first byte on
	Opportunistic Security = "opportunistic" // STARTTLS where it is offered, unprotected otherwise
	Unprotected   Security = "none"          // to a server on the same machine
)

// Login is how we sign in at a mail server.
type Login struct {
	Mechanism string // PLAIN, LOGIN, XOAUTH2 or OAUTHBEARER
	User      string
	Secret    func(context.Context) (string, error) // the password, or a token that is good now
}

// ClientConfig says where mail goes and how. Addr is required.
type ClientConfig struct {
	Addr     string // host:port
	Hello    string // as we name ourselves; localhost where empty
	Security Security
	TLS      *tls.Config // with our certificate where the server wants one; its ServerName where empty is the host of Addr
	Login    *Login      // nil signs in nowhere; it needs a protected connection
	Timeout  time.Duration
	Content  time.Duration // how long the server may take to answer once it has a message; 12 minutes where 0 [RFC 5321 4.5.3.2.6]
}

// Client hands mail to one server: a connection a message. It is safe for concurrent use.
type Client struct{ c ClientConfig }

// NewClient checks the configuration.
func NewClient(c ClientConfig) (*Client, error) {
	host, _, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return nil, fmt.Errorf("mail client: address: %w", err)
	}
	if err := checkAccess(c.Security, c.Login); err != nil {
		return nil, fmt.Errorf("mail client: %w", err)
	}
	c.TLS = clientTLS(c.TLS, host)
	if c.Hello == "" {
		c.Hello = "localhost"
	}
	c.Timeout = time.Duration(orSize(int64(c.Timeout), int64(time.Minute)))
	c.Content = time.Duration(orSize(int64(c.Content), int64(12*time.Minute)))
	return &Client{c}, nil
}

// checkAccess holds a login against what protects it.
func checkAccess(s Security, l *Login) error {
	switch s {
	case StartTLS, TLS, Opportunistic, Unprotected:
	default:
		return fmt.Errorf("protection %q is not known", string(s))
	}
	if l == nil {
		return nil
	}
	switch l.Mechanism {
	case "PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER":
	default:
		return fmt.Errorf("mechanism %q is not known", l.Mechanism)
	}
	if l.Secret == nil {
		return errors.New("a login needs a secret")
	}
	if s != StartTLS && s != TLS {
		return errors.New("a login needs a protected connection")
	}
	return nil
}

func clientTLS(c *tls.Config, host string) *tls.Config {
	if c == nil {
		c = &tls.Config{}
	}
	c = c.Clone()
	if c.ServerName == "" {
		c.ServerName = host
	}
	return c
}

// Addr is where the client sends to.
func (c *Client) Addr() string { return c.c.Addr }

// Send hands a message over and says for each recipient, in their order, whether the server took it (nil) or why not. An error means that nothing of it
// was settled and all may be tried again; so does, for one recipient, every error that Permanent does not hold for. The server's own texts are kept in one
// line. content is read once.
func (c *Client) Send(ctx context.Context, e *Envelope, size int64, content io.Reader) ([]error, error) {
	s, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := fits(s, e, size); err != nil {
		return settled(ctx, err, len(e.Recipients))
	}
	if err := s.Mail(e.From, &smtp.MailOptions{Size: size, UTF8: e.UTF8, RequireTLS: e.RequireTLS, Return: smtp.DSNReturn(e.Return), EnvelopeID: e.EnvelopeID}); err != nil {
		return settled(ctx, err, len(e.Recipients))
	}
	results := make([]error, len(e.Recipients))
	var taken []int
	for i, r := range e.Recipients {
		err := s.Rcpt(r.Address, rcptOptions(r))
		if _, answered := errors.AsType[*smtp.SMTPError](err); err != nil && !answered {
			return nil, broken(ctx, err)
		}
		if results[i] = refusal(err); err == nil {
			taken = append(taken, i)
		}
	}
	if len(taken) == 0 {
		_ = s.Quit() // what it refused it refused
		return results, nil
	}
	all, err := settled(ctx, data(s, c.c.Content, content), len(taken))
	if err != nil {
		return nil, err
	}
	for n, i := range taken {
		results[i] = all[n]
	}
	_ = s.Quit() // the server has the message: how it says goodbye changes nothing
	return results, nil
}

func data(s *connection, wait time.Duration, content io.Reader) error {
	w, err := s.Data()
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, content); err != nil {
		_ = s.Close() // before the end is written, or the server would take half a message for one
		return err
	}
	s.conn.limit.Store(int64(wait))
	_, err = w.CloseWithResponse()
	return err
}

// fits tells what the server cannot take, so that it is not asked in vain.
func fits(s *connection, e *Envelope, size int64) error {
	if limit, ok := s.MaxMessageSize(); ok && limit > 0 && size > int64(limit) {
		return &Refusal{Code: 552, Enhanced: [3]int{5, 3, 4}, Text: fmt.Sprintf("The message has %d bytes, the server takes %d", size, limit)}
	}
	for _, need := range []struct {
		asked     bool
		extension string
		enhanced  [3]int
	}{{e.UTF8, "SMTPUTF8", [3]int{5, 6, 7}}, {e.EightBit, "8BITMIME", [3]int{5, 6, 3}}, {e.RequireTLS, "REQUIRETLS", [3]int{5, 7, 30}}} {
		if ok, _ := s.Extension(need.extension); need.asked && !ok {
			return &Refusal{Code: 550, Enhanced: need.enhanced, Text: "The server does not offer " + need.extension}
		}
	}
	return nil
}

func rcptOptions(r Recipient) *smtp.RcptOptions {
	o := &smtp.RcptOptions{}
	for _, n := range r.Notify {
		o.Notify = append(o.Notify, smtp.DSNNotify(n))
	}
	if kind, address, ok := strings.Cut(r.Original, ";"); ok {
		o.OriginalRecipientType, o.OriginalRecipient = smtp.DSNAddressType(strings.ToUpper(kind)), address
	}
	return o
}

// connection is a session with a server.
type connection struct {
	*smtp.Client
	conn *timedConn
	stop func() bool // watching the context
}

func (c *connection) close() {
	c.stop()
	_ = c.Close()
}

// dial connects, protects and signs in. What fails here says nothing about the message: it is tried again.
func (c *Client) dial(ctx context.Context) (*connection, error) {
	s, err := c.protect(ctx, c.c.Security)
	if err == nil && c.c.Login != nil {
		if err = c.signIn(ctx, s); err != nil {
			s.close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.c.Addr, broken(ctx, err))
	}
	return s, nil
}

func (c *Client) protect(ctx context.Context, how Security) (*connection, error) {
	conn, err := dialTimed(ctx, c.c.Addr, c.c.Timeout)
	if err != nil {
		return nil, err
	}
	s := &connection{conn: conn, stop: context.AfterFunc(ctx, func() { _ = conn.Close() })}
	switch how {
	case StartTLS:
		s.Client, err = smtp.NewClientStartTLS(conn, c.c.TLS)
	case TLS:
		s.Client = smtp.NewClient(tls.Client(conn, c.c.TLS))
	default:
		s.Client = smtp.NewClient(conn)
	}
	if err == nil {
		err = s.Hello(c.c.Hello)
	}
	if err != nil {
		s.stop()
		_ = conn.Close()
		return nil, err
	}
	if offered, _ := s.Extension("STARTTLS"); offered && how == Opportunistic {
		s.close() // the library protects a connection at its beginning only
		return c.protect(ctx, StartTLS)
	}
	return s, nil
}

func (c *Client) signIn(ctx context.Context, s *connection) error {
	if !s.SupportsAuth(c.c.Login.Mechanism) {
		return fmt.Errorf("the server does not offer %s", c.c.Login.Mechanism)
	}
	how, err := c.c.Login.client(ctx)
	if err != nil {
		return err
	}
	return s.Auth(how)
}

// client is the login for one connection.
func (l *Login) client(ctx context.Context) (sasl.Client, error) {
	secret, err := l.Secret(ctx)
	if err != nil {
		return nil, fmt.Errorf("get the secret: %w", err)
	}
	switch l.Mechanism {
	case "PLAIN":
		return sasl.NewPlainClient("", l.User, secret), nil
	case "LOGIN":
		return sasl.NewLoginClient(l.User, secret), nil
	case "OAUTHBEARER":
		return sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{Username: l.User, Token: secret}), nil
	}
	return xoauth2{l.User, secret}, nil
}

// xoauth2 is the mechanism that came before OAUTHBEARER and that most operators have.
type xoauth2 struct{ user, token string }

func (x xoauth2) Start() (string, []byte, error) {
	return "XOAUTH2", []byte("user=" + x.user + "\x01auth=Bearer " + x.token + "\x01\x01"), nil
}

// Next answers a challenge, which tells why the token was refused, with nothing: then the server says so in its own protocol.
func (x xoauth2) Next([]byte) ([]byte, error) { return []byte{}, nil }

// timedConn lets every read and write take so long and no longer, whatever deadlines others set.
type timedConn struct {
	net.Conn
	limit atomic.Int64
}

func dialTimed(ctx context.Context, addr string, limit time.Duration) (*timedConn, error) {
	d := net.Dialer{Timeout: limit}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	t := &timedConn{Conn: conn}
	t.limit.Store(int64(limit))
	return t, nil
}

func (t *timedConn) Read(b []byte) (int, error) {
	if err := t.Conn.SetReadDeadline(time.Now().Add(time.Duration(t.limit.Load()))); err != nil {
		return 0, err
	}
	return t.Conn.Read(b)
}

func (t *timedConn) Write(b []byte) (int, error) {
	if err := t.Conn.SetWriteDeadline(time.Now().Add(time.Duration(t.limit.Load()))); err != nil {
		return 0, err
	}
	return t.Conn.Write(b)
}

func (t *timedConn) SetDeadline(time.Time) error      { return nil }
func (t *timedConn) SetReadDeadline(time.Time) error  { return nil }
func (t *timedConn) SetWriteDeadline(time.Time) error { return nil }

// Permanent tells whether it is no use to try again: the server refused for good.
func Permanent(err error) bool {
	r, ok := errors.AsType[*Refusal](err)
	return ok && r.Code >= 500
}

// refusal is a server's answer as ours are; nil for nil.
func refusal(err error) error {
	answer, ok := errors.AsType[*smtp.SMTPError](err)
	if !ok {
		return err
	}
	return &Refusal{Code: answer.Code, Enhanced: answer.EnhancedCode, Text: oneLine(answer.Message)}
}

// settled turns what befell a whole message into an answer for each recipient, or into an error where the server did not answer.
func settled(ctx context.Context, err error, recipients int) ([]error, error) {
	if err = refusal(err); err == nil {
		return make([]error, recipients), nil
	}
	if _, ok := errors.AsType[*Refusal](err); !ok {
		return nil, broken(ctx, err)
	}
	return slices.Repeat([]error{err}, recipients), nil
}

// broken says that the context ended where that broke the connection, and makes a server's refusal to talk to us at all one that passes.
func broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if r, ok := errors.AsType[*smtp.SMTPError](err); ok {
		return fmt.Errorf("the server answers %d %s", r.Code, oneLine(r.Message))
	}
	return err
}

// oneLine is a foreign text fit for a log or a notification.
func oneLine(s string) string {
	words := strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
	s = strings.Join(words, " ")
	return s[:min(len(s), 400)]
}
