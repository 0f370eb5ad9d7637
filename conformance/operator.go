package conformance

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/emersion/go-sasl"
)

// Operator is where the system fetches mail from: a server of IMAP with STARTTLS and certificates on both sides, which the suite runs. The password of every account is that of
// the mail folder.
type Operator struct {
	IMAP        string            `yaml:"imap" json:"imap,omitempty"`         // host:port where we listen
	Certificate string            `yaml:"certificate" json:"-"`               // ours
	Key         string            `yaml:"key" json:"-"`                       //
	Accounts    map[string]string `yaml:"accounts" json:"accounts,omitempty"` // by what the system does with a message that it took: seen, moved, deleted, left; others of cases that disturb
	Folders     map[string]string `yaml:"folders" json:"folders,omitempty"`   // done and aside: where it moves messages to
}

// operator is that server.
type operator struct {
	server   *imapserver.Server
	password string
	tls      *tls.Config
	impostor tls.Certificate // with our names, of nobody whom anybody trusts

	mu       sync.Mutex
	accounts map[string]*account
	changed  chan struct{} // closed when a message changed
}

// account is one mailbox, and what is yet to go wrong with it.
type account struct {
	user     *imapmemserver.User
	sessions map[*operatorSession]bool
	betrayed bool // the password was told to an impostor
	trouble
}

// trouble is what goes wrong, and how often.
type trouble struct {
	breaks   int // the connection ends in the middle of a message
	refuses  int // signing in is refused
	impostor int // a server of an unknown authority answers
}

// brittle is a connection that may be made to end after so many bytes.
type brittle struct {
	net.Conn
	mu    sync.Mutex
	armed bool
	left  int

	impostor bool // as which we answer on it
}

func (b *brittle) endAfter(n int) {
	b.mu.Lock()
	b.armed, b.left = true, n
	b.mu.Unlock()
}

func (b *brittle) Write(p []byte) (int, error) {
	b.mu.Lock()
	b.left -= len(p)
	over := b.armed && b.left < 0
	b.mu.Unlock()
	if over {
		return 0, errors.Join(net.ErrClosed, b.Conn.Close())
	}
	return b.Conn.Write(p)
}

// brittleListener gives brittle connections.
type brittleListener struct{ net.Listener }

func (l brittleListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &brittle{Conn: c}, nil
}

// serveOperator begins to listen.
func serveOperator(m *Mail, roots *x509.CertPool) (*operator, error) {
	pair, err := tls.LoadX509KeyPair(m.Operator.Certificate, m.Operator.Key)
	if err != nil {
		return nil, fmt.Errorf("the certificate of the operator: %w", err)
	}
	impostor, err := impostorOf(pair.Leaf)
	if err != nil {
		return nil, err
	}
	password, err := os.ReadFile(filepath.Join(m.Folder, "operator.password"))
	if err != nil {
		return nil, err
	}
	o := &operator{password: strings.TrimSpace(string(password)), impostor: impostor, accounts: map[string]*account{}, changed: make(chan struct{})}
	for _, name := range m.Operator.Accounts {
		a := &account{user: imapmemserver.NewUser(name, o.password), sessions: map[*operatorSession]bool{}}
		if err := a.user.Create("INBOX", nil); err != nil {
			return nil, err
		}
		o.accounts[name] = a
	}
	o.tls = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots, GetConfigForClient: o.certificate}
	o.server = imapserver.New(&imapserver.Options{Caps: imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapIdle: {}, imap.CapMove: {}, imap.CapUIDPlus: {}}, Logger: log.New(io.Discard, "", 0), TLSConfig: o.tls,
		NewSession: func(c *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			s := &operatorSession{o: o}
			s.wire, _ = c.NetConn().(*brittle)
			return s, nil, nil
		}})
	ln, err := net.Listen("tcp", m.Operator.IMAP)
	if err != nil {
		return nil, fmt.Errorf("listen as the operator of mailboxes: %w", err)
	}
	go func() { _ = o.server.Serve(brittleListener{ln}) }() // ends with Close
	return o, nil
}

// certificate shows the impostor's while an account wants an impostor: who connects has not said for which account yet.
func (o *operator) certificate(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, a := range o.accounts {
		if a.impostor > 0 {
			a.impostor--
			if b, ok := hello.Conn.(*brittle); ok {
				b.impostor = true
			}
			c := o.tls.Clone()
			c.Certificates, c.GetConfigForClient, c.ClientAuth = []tls.Certificate{o.impostor}, nil, tls.RequestClientCert
			c.SessionTicketsDisabled = true // a session of ours that is resumed shows no certificate
			return c, nil
		}
	}
	return nil, nil
}

func (o *operator) close() { _ = o.server.Close() }

// tell wakes those who wait for a change. The lock is held.
func (o *operator) tell() {
	close(o.changed)
	o.changed = make(chan struct{})
}

// operatorSession is one connection.
type operatorSession struct {
	*imapmemserver.UserSession
	o    *operator
	a    *account
	wire *brittle
}

// AuthenticateMechanisms implements imapserver.SessionSASL.
func (s *operatorSession) AuthenticateMechanisms() []string { return []string{sasl.Plain} }

// Authenticate implements imapserver.SessionSASL.
func (s *operatorSession) Authenticate(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error { return s.Login(user, password) }), nil
}

// Login implements imapserver.Session.
func (s *operatorSession) Login(user, password string) error {
	s.o.mu.Lock()
	defer s.o.mu.Unlock()
	a := s.o.accounts[user]
	if a == nil || password != s.o.password {
		return imapserver.ErrAuthFailed
	}
	a.betrayed = a.betrayed || s.wire.impostor
	if a.refuses > 0 {
		a.refuses--
		return imapserver.ErrAuthFailed
	}
	s.a, s.UserSession = a, imapmemserver.NewUserSession(a.user)
	a.sessions[s] = true
	return nil
}

// Close implements imapserver.Session.
func (s *operatorSession) Close() error {
	s.o.mu.Lock()
	if s.a != nil {
		delete(s.a.sessions, s)
	}
	s.o.mu.Unlock()
	return s.UserSession.Close()
}

// Fetch implements imapserver.Session; where trouble is due the connection ends in the middle of a message.
func (s *operatorSession) Fetch(w *imapserver.FetchWriter, set imap.NumSet, what *imap.FetchOptions) error {
	s.o.mu.Lock()
	if len(what.BodySection) > 0 && s.a.breaks > 0 && s.wire != nil {
		s.a.breaks--
		s.wire.endAfter(5000)
	}
	s.o.mu.Unlock()
	return s.UserSession.Fetch(w, set, what)
}

// Idle implements imapserver.Session. The library's own tells of nothing that came between the last command and its beginning.
func (s *operatorSession) Idle(w *imapserver.UpdateWriter, stop <-chan struct{}) error {
	for {
		s.o.mu.Lock()
		changed := s.o.changed
		s.o.mu.Unlock()
		if err := s.UserSession.Poll(w, true); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-stop:
			return nil
		}
	}
}

// after passes the error of a change on, and tells of it.
func (s *operatorSession) after(err error) error {
	s.o.mu.Lock()
	s.o.tell()
	s.o.mu.Unlock()
	return err
}

// Store, Move and Expunge implement imapserver.Session.
func (s *operatorSession) Store(w *imapserver.FetchWriter, set imap.NumSet, flags *imap.StoreFlags, o *imap.StoreOptions) error {
	return s.after(s.UserSession.Store(w, set, flags, o))
}

func (s *operatorSession) Move(w *imapserver.MoveWriter, set imap.NumSet, to string) error {
	return s.after(s.UserSession.Move(w, set, to))
}

func (s *operatorSession) Expunge(w *imapserver.ExpungeWriter, uids *imap.UIDSet) error {
	return s.after(s.UserSession.Expunge(w, uids))
}

// literal is a message for an account.
type literal struct{ *bytes.Reader }

// Size implements imap.LiteralReader.
func (l literal) Size() int64 { return l.Reader.Size() }

// left is how a message comes into an account.
type left struct {
	account  string
	times    int  // in how many copies
	renumber bool // the mailbox was moved before: new numbers, no marks
	cut      bool // connections that are there end
	trouble
}

// line obeys a line of a mail that is left with the operator: twice, renumber, breaks N, refuses N, impostor N.
func (l *left) line(verb, rest string) (bool, error) {
	n, err := strconv.Atoi(rest)
	switch verb {
	case "twice":
		l.times, err = 2, nil
	case "renumber":
		l.renumber, l.cut, err = true, true, nil
	case "breaks":
		l.breaks = n
	case "refuses":
		l.refuses, l.cut = n, true
	case "impostor":
		l.impostor, l.cut = n, true
	default:
		return false, nil
	}
	return true, err
}

// deliver leaves a message in an account.
func (o *operator) deliver(l *left, raw []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	a := o.accounts[l.account]
	if a == nil {
		return fmt.Errorf("the operator has no account %s", l.account)
	}
	a.trouble = l.trouble
	if l.renumber {
		if err := errors.Join(a.user.Delete("INBOX"), a.user.Create("INBOX", nil)); err != nil {
			return err
		}
	}
	for range max(l.times, 1) {
		if _, err := a.user.Append("INBOX", literal{bytes.NewReader(raw)}, &imap.AppendOptions{Time: time.Now()}); err != nil {
			return err
		}
	}
	o.tell()
	if l.cut {
		for s := range a.sessions {
			_ = s.wire.Close() // it may have ended
		}
	}
	return nil
}

// lies tells where the message of an identifier lies in an account and whether it is marked as read: lines of "FOLDER seen|unseen", one a copy, or "nowhere".
func (o *operator) lies(account string, folders map[string]string, id string) (string, error) {
	var out []string
	user := o.accounts[account].user
	for _, name := range []string{"inbox", "done", "aside"} {
		folder := folders[name]
		if name == "inbox" {
			folder = "INBOX"
		}
		view := imapmemserver.NewUserSession(user)
		if _, err := view.Select(folder, nil); err != nil {
			continue // nobody made it yet
		}
		for _, mark := range []struct {
			word     string
			criteria imap.SearchCriteria
		}{{"seen", imap.SearchCriteria{Flag: []imap.Flag{imap.FlagSeen}}}, {"unseen", imap.SearchCriteria{NotFlag: []imap.Flag{imap.FlagSeen}}}} {
			mark.criteria.Header = []imap.SearchCriteriaHeaderField{{Key: "Message-Id", Value: id}}
			found, err := view.Search(imapserver.NumKindUID, &mark.criteria, &imap.SearchOptions{})
			if err != nil {
				return "", errors.Join(err, view.Close())
			}
			out = append(out, slices.Repeat([]string{name + " " + mark.word}, int(found.Count))...)
		}
		if err := view.Close(); err != nil {
			return "", err
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.accounts[account].betrayed:
		return "with an impostor, who was told the password", nil
	case len(out) == 0:
		return "nowhere", nil
	}
	return strings.Join(out, "\n"), nil
}

// await waits until a message lies where it should, for at most limit, and tells where it lies.
func (o *operator) await(ctx context.Context, account string, folders map[string]string, id, want string, limit time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		o.mu.Lock()
		changed := o.changed
		o.mu.Unlock()
		is, err := o.lies(account, folders, id)
		if err != nil || is == want {
			return is, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return is, nil
		}
	}
}

// leave leaves a message with the operator, as an exchange without an answer.
func (s *SUT) leave(l *left, e envelope, raw string) error {
	x, err := s.tape.begin("imap://" + l.account + "@operator")
	if err != nil {
		return err
	}
	if s.replaying() {
		s.tape.compare(x, []byte(raw))
		return nil
	}
	x.Request = []byte(raw)
	text := "Return-Path: <" + e.from + ">\r\n" + raw
	if pad := e.size - len(text); pad > 0 {
		text += strings.Repeat(" ", pad)
	}
	err = s.operator.deliver(l, []byte(text))
	x.end(err)
	return err
}

// expectLies: lies inbox|done|aside seen|unseen ..., or lies nowhere; where the message lies at the operator, every copy.
func expectLies(ctx context.Context, k *check, l Line) {
	p, sut := k.s.posted, k.s.r.SUT
	if p == nil || p.letter.left == nil {
		k.wrong(l, "no message was left with an operator")
		return
	}
	want := strings.ReplaceAll(l.Rest, "; ", "\n")
	x, err := sut.tape.begin("where it lies")
	if err != nil {
		k.wrong(l, "%v", err)
		return
	}
	if !sut.replaying() {
		is, err := sut.operator.await(ctx, p.letter.left.account, sut.Mail.Operator.Folders, strings.Trim(p.letter.id, "<>"), want, 2*sut.Patience)
		x.Response = []byte(is)
		x.end(err)
	}
	if is := string(x.Response); is != want || x.Broken != "" {
		k.wrong(l, "it lies %s %s", strings.ReplaceAll(is, "\n", "; "), x.Broken)
	}
}
