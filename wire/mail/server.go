// Package mail receives mail over SMTP and LMTP, hands it to other servers, and fetches it over IMAP. It knows envelopes and bytes, and nothing of what a message says.
package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
)

// Peer is who connects.
type Peer struct {
	Address string // network address without port
	Helo    string // as it names itself
	TLS     bool   // STARTTLS was done, or the whole connection is TLS
	Subject string // of the client certificate, empty without one
	Name    string // its common name
}

// Envelope is what SMTP says of a message besides its bytes.
type Envelope struct {
	Peer       Peer
	From       string // reverse path, empty for bounces
	Recipients []Recipient
	UTF8       bool   // SMTPUTF8 was asked for
	EightBit   bool   // the content is not 7bit; of mail that is sent
	RequireTLS bool   // it may go on over TLS only (RFC 8689)
	EnvelopeID string // ENVID (RFC 3461)
	Return     string // RET: FULL, HDRS or nothing
}

// Recipient is one forward path with what is to be told about it (RFC 3461).
type Recipient struct {
	Address  string
	Notify   []string // NEVER, or of SUCCESS, FAILURE, DELAY; nothing when the sender leaves it to us
	Original string   // ORCPT: type;address
}

// Refusal is an answer to a sender: a code of 4xx asks him to come again. Any other error becomes 451 without its text.
type Refusal struct {
	Code     int
	Enhanced [3]int // RFC 3463
	Text     string // one line, safe to show
}

func (e *Refusal) Error() string { return fmt.Sprintf("%d %s", e.Code, e.Text) }

// Handler takes mail. Its methods may be called by several connections at once.
type Handler interface {
	// Accept tells whether mail from a sender to a recipient is taken.
	Accept(ctx context.Context, from Peer, sender, recipient string) error
	// Receive takes a message: when it returns nil the message is durable, and the sender is told so. content ends in an error when the message is
	// too large or breaks off: nothing of it may be kept then.
	Receive(ctx context.Context, e *Envelope, content io.Reader) error
}

// Config is how mail is received. Handler and Domain are required.
type Config struct {
	Handler       Handler
	Domain        string      // as we name ourselves
	TLS           *tls.Config // for STARTTLS; nil offers none
	RequireTLS    bool        // nothing but STARTTLS is answered before it
	LMTP          bool        // RFC 2033 instead of SMTP
	MaxMessage    int64       // bytes; 0 means 40 MiB
	MaxRecipients int         // of one message; 0 means 10
	MaxLine       int         // bytes of a line of content; 0 means 1 MiB: some senders write base64 in one line
	MaxReceived   int         // messages received at once, each of which may hold half a MiB; 0 means 256: whoever sends one more waits
	Timeout       time.Duration
	Log           *slog.Logger // nil discards
}

// Server receives mail.
type Server struct{ s *smtp.Server }

// NewServer checks the configuration.
func NewServer(c Config) (*Server, error) {
	if c.Handler == nil || c.Domain == "" {
		return nil, errors.New("mail server: Handler and Domain are required")
	}
	if c.RequireTLS && c.TLS == nil {
		return nil, errors.New("mail server: TLS cannot be required without a certificate")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	room := make(chan struct{}, orSize(int64(c.MaxReceived), 256))
	s := smtp.NewServer(smtp.BackendFunc(func(conn *smtp.Conn) (smtp.Session, error) { return &session{c: &c, conn: conn, room: room}, nil }))
	s.Domain, s.TLSConfig, s.LMTP = c.Domain, c.TLS, c.LMTP
	s.MaxMessageBytes, s.MaxRecipients, s.MaxLineLength = orSize(c.MaxMessage, 40<<20), int(orSize(int64(c.MaxRecipients), 10)), int(orSize(int64(c.MaxLine), 1<<20))
	s.ReadTimeout = time.Duration(orSize(int64(c.Timeout), int64(5*time.Minute)))
	s.WriteTimeout = s.ReadTimeout
	s.EnableSMTPUTF8, s.EnableREQUIRETLS, s.EnableDSN = true, true, true
	s.ErrorLog = errorLog{c.Log}
	return &Server{s}, nil
}

func orSize(n, otherwise int64) int64 {
	if n > 0 {
		return n
	}
	return otherwise
}

// Serve accepts connections until ctx ends, and returns when those under way are over, or after grace.
func (s *Server) Serve(ctx context.Context, ln net.Listener, grace time.Duration) error {
	ended := make(chan error, 1)
	go func() { ended <- s.s.Serve(gathering{ln}) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	// Shutdown, not Close: that one takes the session away from under a handler.
	if err := s.s.Shutdown(wait); err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, smtp.ErrServerClosed) {
		return err
	}
	return nil
}

// errorLog takes what go-smtp has to say.
type errorLog struct{ log *slog.Logger }

func (l errorLog) Printf(format string, v ...any) {
	l.log.Warn("mail", "message", strings.TrimSpace(fmt.Sprintf(format, v...)))
}
func (l errorLog) Println(v ...any) {
	l.log.Warn("mail", "message", strings.TrimSpace(fmt.Sprintln(v...)))
}

// session is one connection.
type session struct {
	c    *Config
	conn *smtp.Conn
	room chan struct{} // has an element for each message being received
	e    Envelope
}

var errTLSFirst = &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Must issue a STARTTLS command first"}

func (s *session) peer() Peer {
	p := Peer{Address: s.conn.Conn().RemoteAddr().String(), Helo: s.conn.Hostname()}
	if host, _, err := net.SplitHostPort(p.Address); err == nil {
		p.Address = host
	}
	if state, ok := s.conn.TLSConnectionState(); ok {
		p.TLS = true
		if len(state.PeerCertificates) > 0 {
			subject := state.PeerCertificates[0].Subject
			p.Subject, p.Name = subject.String(), subject.CommonName
		}
	}
	return p
}

// Mail implements smtp.Session.
func (s *session) Mail(from string, o *smtp.MailOptions) error {
	p := s.peer()
	if s.c.RequireTLS && !p.TLS {
		return errTLSFirst
	}
	s.e = Envelope{Peer: p, From: from}
	if o != nil {
		s.e.UTF8, s.e.RequireTLS, s.e.EnvelopeID, s.e.Return = o.UTF8, o.RequireTLS, o.EnvelopeID, string(o.Return)
	}
	return nil
}

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, o *smtp.RcptOptions) error {
	if err := s.c.Handler.Accept(context.Background(), s.e.Peer, s.e.From, to); err != nil {
		return s.answer("recipient refused", err)
	}
	r := Recipient{Address: to}
	if o != nil {
		for _, n := range o.Notify {
			r.Notify = append(r.Notify, string(n))
		}
		if o.OriginalRecipient != "" {
			r.Original = string(o.OriginalRecipientType) + ";" + o.OriginalRecipient
		}
	}
	s.e.Recipients = append(s.e.Recipients, r)
	return nil
}

// Data implements smtp.Session.
func (s *session) Data(content io.Reader) error {
	s.room <- struct{}{}
	defer func() { <-s.room }()
	e := s.e
	if err := s.c.Handler.Receive(context.Background(), &e, content); err != nil {
		return s.answer("message refused", err)
	}
	return nil
}

// LMTPData implements smtp.LMTPSession: a message is taken for all its recipients or for none.
func (s *session) LMTPData(content io.Reader, _ smtp.StatusCollector) error { return s.Data(content) }

// Reset implements smtp.Session.
func (s *session) Reset() { s.e = Envelope{} }

// Logout implements smtp.Session.
func (s *session) Logout() error { return nil }

// answer turns an error into what the sender is told.
func (s *session) answer(what string, err error) error {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return &smtp.SMTPError{Code: r.Code, EnhancedCode: r.Enhanced, Message: r.Text}
	}
	if known, ok := errors.AsType[*smtp.SMTPError](err); ok {
		return known // too large, a line too long, broken off: of the library's own
	}
	s.c.Log.Error("mail: "+what, "peer", s.e.Peer.Address, "error", err)
	return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "The message cannot be taken now; try again later"}
}
