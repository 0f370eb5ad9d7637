package mail_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/emersion/go-sasl"

	"github.com/passerelle-sante/passerelle/wire/mail"
)

const owner = "resultats@operator.example"

// imapServer is a mailbox at an operator.
type imapServer struct {
	*imapmemserver.User
	addr  string
	tls   *tls.Config // for clients
	mu    sync.Mutex
	fail  map[string]int // how often a command still fails
	login string
}

func (s *imapServer) failing(command string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail[command]--; s.fail[command] < 0 {
		return nil
	}
	return &imap.Error{Type: imap.StatusResponseTypeNo, Text: "not now"}
}

// imapSession is a connection that fails where it was asked to.
type imapSession struct {
	*imapmemserver.UserSession
	server *imapServer
}

func (s *imapSession) check(mech, user, secret string) error {
	s.server.mu.Lock()
	s.server.login = mech
	s.server.mu.Unlock()
	if user != owner || secret != "s3cret" {
		return imapserver.ErrAuthFailed
	}
	s.UserSession = imapmemserver.NewUserSession(s.server.User)
	return nil
}

func (s *imapSession) Login(user, password string) error { return s.check("LOGIN", user, password) }

func (s *imapSession) AuthenticateMechanisms() []string { return []string{"PLAIN", "XOAUTH2"} }

func (s *imapSession) Authenticate(mech string) (sasl.Server, error) {
	check := func(user, secret string) error { return s.check(mech, user, secret) }
	if mech == "XOAUTH2" {
		return &xoauth2Server{check: check}, nil
	}
	return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
}

func (s *imapSession) Store(w *imapserver.FetchWriter, set imap.NumSet, flags *imap.StoreFlags, o *imap.StoreOptions) error {
	if err := s.server.failing("STORE"); err != nil {
		return err
	}
	return s.UserSession.Store(w, set, flags, o)
}

func (s *imapSession) Copy(set imap.NumSet, to string) (*imap.CopyData, error) {
	if err := s.server.failing("COPY"); err != nil {
		return nil, err
	}
	return s.UserSession.Copy(set, to)
}

// serveIMAP runs a server until the test ends.
func serveIMAP(t *testing.T, caps ...imap.Cap) *imapServer {
	t.Helper()
	id := serverPair(t)
	s := &imapServer{User: imapmemserver.NewUser(owner, "s3cret"), fail: map[string]int{}, tls: &tls.Config{RootCAs: id.pool, ServerName: "localhost", Certificates: []tls.Certificate{id.client}}}
	if err := s.Create("INBOX", nil); err != nil {
		t.Fatal(err)
	}
	set := imap.CapSet{imap.CapIMAP4rev1: {}}
	for _, c := range caps {
		set[c] = struct{}{}
	}
	server := imapserver.New(&imapserver.Options{Caps: set, Logger: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{id.pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: id.pool},
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return &imapSession{server: s}, nil, nil
		}})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	go func() { _ = server.Serve(ln) }()
	t.Cleanup(func() { _ = server.Close() })
	return s
}

type literalOf struct {
	*strings.Reader
}

func (s *imapServer) deliver(t *testing.T, text string, flags ...imap.Flag) {
	t.Helper()
	r := strings.NewReader(text)
	if _, err := s.Append("INBOX", literalOf{r}, &imap.AppendOptions{Flags: flags, Time: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}); err != nil {
		t.Fatal(err)
	}
}

func (l literalOf) Size() int64 { return l.Reader.Size() }

// count says how many messages a folder has, how many of them unseen, and how many marked as deleted.
func (s *imapServer) count(t *testing.T, folder string) [3]uint32 {
	t.Helper()
	d, err := s.Status(folder, &imap.StatusOptions{NumMessages: true, NumUnseen: true, NumDeleted: true})
	if err != nil {
		return [3]uint32{}
	}
	return [3]uint32{*d.NumMessages, *d.NumUnseen, *d.NumDeleted}
}

// receiver takes messages and remembers the state, and tells when something happened.
type receiver struct {
	mu       sync.Mutex
	got      []string // text of each
	meta     []mail.Fetched
	refused  []string
	validity uint32
	last     uint32
	fail     []error // of the next messages
	happened chan string
}

func newReceiver() *receiver { return &receiver{happened: make(chan string, 100)} }

func (r *receiver) Receive(_ context.Context, m mail.Fetched, content io.Reader) error {
	b, err := io.ReadAll(content)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.happened <- "broke off: " + err.Error()
		return err
	}
	if len(r.fail) > 0 {
		err, r.fail = r.fail[0], r.fail[1:]
		if err != nil {
			r.happened <- "failed"
			return err
		}
	}
	r.got, r.meta = append(r.got, string(b)), append(r.meta, m)
	r.happened <- "taken"
	return nil
}

func (r *receiver) Refused(_ context.Context, m mail.Fetched, why error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused = append(r.refused, fmt.Sprintf("%d: %v", m.UID, why))
	return nil
}

func (r *receiver) Load(context.Context, string) (uint32, uint32, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.validity, r.last, nil
}

func (r *receiver) Save(_ context.Context, mailbox string, validity, last uint32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.validity, r.last = validity, last
	r.happened <- fmt.Sprintf("saved %d", last)
	return nil
}

func (r *receiver) await(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		select {
		case got := <-r.happened:
			if got != w {
				t.Fatalf("%q happened, not %q", got, w)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%q did not happen", w)
		}
	}
}

func (s *imapServer) config(r *receiver) mail.FetchConfig {
	return mail.FetchConfig{Addr: s.addr, TLS: s.tls, Handler: r, State: r, Retry: time.Millisecond,
		Login: &mail.Login{Mechanism: "PLAIN", User: owner, Secret: func(context.Context) (string, error) { return "s3cret", nil }}}
}

// fetch runs a fetcher until the function it gives is called.
func fetch(t *testing.T, c mail.FetchConfig) (stop func()) {
	t.Helper()
	f, err := mail.NewFetcher(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func TestFetch(t *testing.T) {
	s := serveIMAP(t, imap.CapMove, imap.CapUIDPlus)
	s.deliver(t, "Subject: old\r\n\r\nread by somebody\r\n", imap.FlagSeen)
	s.deliver(t, "Subject: one\r\n\r\n"+strings.Repeat("a", 300_000)+"\r\n")
	s.deliver(t, "Subject: two\r\n\r\nb\r\n")
	r := newReceiver()
	c := s.config(r)
	c.After, c.Done = mail.Move, "Traités"
	c.Poll = 50 * time.Millisecond // the library's server forgets what comes just before IDLE
	stop := fetch(t, c)
	r.await(t, "taken", "saved 2", "taken", "saved 3")
	s.deliver(t, "Subject: three\r\n\r\nwhile it waits\r\n")
	r.await(t, "taken", "saved 4")
	stop()
	s.deliver(t, "Subject: four\r\n\r\nwhile nobody looks, and seen by somebody\r\n", imap.FlagSeen)
	stop = fetch(t, c)
	r.await(t, "taken", "saved 5")
	stop()
	if len(r.got) != 4 || r.got[0] != "Subject: one\r\n\r\n"+strings.Repeat("a", 300_000)+"\r\n" || r.got[3] != "Subject: four\r\n\r\nwhile nobody looks, and seen by somebody\r\n" {
		t.Errorf("%d messages", len(r.got))
	}
	want := mail.Fetched{Mailbox: owner + "@127.0.0.1/INBOX", UIDValidity: r.validity, UID: 2, Received: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC), Size: 300_018}
	if got := r.meta[0]; !got.Received.Equal(want.Received) || got.Mailbox != want.Mailbox || got.UID != 2 || got.Size != want.Size || got.UIDValidity == 0 {
		t.Errorf("%+v", got)
	}
	if in, out := s.count(t, "INBOX"), s.count(t, "Traités"); in != [3]uint32{1, 0, 0} || out != [3]uint32{4, 0, 0} {
		t.Errorf("%v %v", in, out)
	}
}

// TestFetchAfter: what becomes of a message that is taken and of one that is refused, with servers that can and that cannot move.
func TestFetchAfter(t *testing.T) {
	all := []imap.Cap{imap.CapMove, imap.CapUIDPlus}
	for _, c := range []struct {
		name            string
		caps            []imap.Cap
		after           mail.After
		aside           string
		in, done, other [3]uint32
	}{
		{"seen", all, mail.MarkSeen, "", [3]uint32{2, 0, 0}, [3]uint32{}, [3]uint32{}},
		{"seen, refused aside", all, mail.MarkSeen, "Refusés", [3]uint32{1, 0, 0}, [3]uint32{}, [3]uint32{1, 0, 0}},
		{"left", all, mail.Leave, "", [3]uint32{2, 1, 0}, [3]uint32{}, [3]uint32{}},
		{"moved", all, mail.Move, "Refusés", [3]uint32{}, [3]uint32{1, 0, 0}, [3]uint32{1, 0, 0}},
		{"moved without MOVE", all[1:], mail.Move, "Refusés", [3]uint32{}, [3]uint32{1, 0, 0}, [3]uint32{1, 0, 0}},
		{"moved without UIDPLUS", nil, mail.Move, "Refusés", [3]uint32{2, 0, 2}, [3]uint32{1, 0, 0}, [3]uint32{1, 0, 0}},
		{"deleted", all, mail.Delete, "", [3]uint32{1, 0, 0}, [3]uint32{}, [3]uint32{}},
		{"deleted without UIDPLUS", nil, mail.Delete, "", [3]uint32{2, 0, 1}, [3]uint32{}, [3]uint32{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serveIMAP(t, c.caps...)
			s.deliver(t, "Subject: good\r\n\r\n")
			s.deliver(t, "Subject: bad\r\n\r\n")
			r := newReceiver()
			r.fail = []error{nil, &mail.Refusal{Code: 554, Text: "not such a thing"}}
			cfg := s.config(r)
			if cfg.After, cfg.Aside = c.after, c.aside; c.after == mail.Move {
				cfg.Done = "Done"
			}
			stop := fetch(t, cfg)
			r.await(t, "taken", "saved 1", "failed", "saved 2")
			stop()
			if in, done, other := s.count(t, "INBOX"), s.count(t, "Done"), s.count(t, "Refusés"); in != c.in && !(c.after == mail.Delete && in == [3]uint32{2, 1, 1}) || done != c.done || other != c.other {
				t.Errorf("in the mailbox %v, done %v, refused %v", in, done, other)
			}
			if !slices.Equal(r.refused, []string{"2: 554 not such a thing"}) {
				t.Error(r.refused)
			}
		})
	}
}

// TestFetchAgain: a message that could not be taken or marked comes again, and those after it wait.
func TestFetchAgain(t *testing.T) {
	s := serveIMAP(t)
	s.deliver(t, "Subject: one\r\n\r\n")
	s.deliver(t, "Subject: two\r\n\r\n")
	r := newReceiver()
	r.fail = []error{errDisk, errDisk}
	s.fail["STORE"] = 1
	stop := fetch(t, s.config(r))
	r.await(t, "failed", "failed", "taken", "taken", "saved 1", "taken", "saved 2")
	stop()
	if !slices.Equal(r.got, []string{"Subject: one\r\n\r\n", "Subject: one\r\n\r\n", "Subject: two\r\n\r\n"}) || len(r.refused) != 0 {
		t.Errorf("%q %v", r.got, r.refused)
	}
	// A server without MOVE that cannot copy loses nothing.
	s.deliver(t, "Subject: three\r\n\r\n")
	s.fail["COPY"] = 1
	c := s.config(r)
	c.After, c.Done = mail.Move, "Done"
	stop = fetch(t, c)
	r.await(t, "taken", "taken", "saved 3")
	stop()
	if in, done := s.count(t, "INBOX"), s.count(t, "Done"); in != [3]uint32{3, 0, 1} || done != [3]uint32{1, 0, 0} {
		t.Errorf("%v %v", in, done)
	}
}

// TestFetchTooLarge: what is too large is refused before it is read.
func TestFetchTooLarge(t *testing.T) {
	s := serveIMAP(t, imap.CapMove)
	s.deliver(t, strings.Repeat("a", 101))
	s.deliver(t, "Subject: two\r\n\r\n")
	r := newReceiver()
	c := s.config(r)
	c.Max, c.Aside = 100, "Refusés"
	stop := fetch(t, c)
	r.await(t, "saved 1", "taken", "saved 2")
	stop()
	if !slices.Equal(r.refused, []string{"1: 552 The message has 101 bytes, at most 100 are taken"}) || s.count(t, "Refusés") != [3]uint32{1, 0, 0} {
		t.Errorf("%v", r.refused)
	}
}

// TestFetchRenumbered: when the server's numbers are new, every message that is not read comes again.
func TestFetchRenumbered(t *testing.T) {
	s := serveIMAP(t)
	s.deliver(t, "Subject: one\r\n\r\n", imap.FlagSeen)
	s.deliver(t, "Subject: two\r\n\r\n")
	r := newReceiver()
	r.validity, r.last = 77, 1000
	stop := fetch(t, s.config(r))
	r.await(t, "taken", "saved 2")
	stop()
	if r.validity == 77 || !slices.Equal(r.got, []string{"Subject: two\r\n\r\n"}) {
		t.Errorf("%d %q", r.validity, r.got)
	}
}

func TestFetchSignsIn(t *testing.T) {
	for _, mech := range []string{"LOGIN", "PLAIN", "XOAUTH2"} {
		s := serveIMAP(t)
		s.deliver(t, "Subject: one\r\n\r\n")
		r := newReceiver()
		c := s.config(r)
		asked := make(chan struct{}, 100)
		secrets := []string{"wr0ng", "s3cret"} // a token that is not good any more, and then a fresh one
		c.Login = &mail.Login{Mechanism: mech, User: owner, Secret: func(context.Context) (string, error) {
			asked <- struct{}{}
			return secrets[min(len(asked), 2)-1], nil
		}}
		stop := fetch(t, c)
		r.await(t, "taken", "saved 1")
		stop()
		if s.login != mech || len(asked) != 2 {
			t.Errorf("%s: signed in with %s, asked %d times", mech, s.login, len(asked))
		}
	}
}

// talk is a server that answers commands over TLS from the start: "key|answer" where the command has every piece of the key, which "&" divides. After an
// answer whose key begins with "!" it ends the connection. Each connection takes the next of the conversations.
func talk(t *testing.T, conversations ...[]string) (addr string, cfg *tls.Config) {
	t.Helper()
	id := serverPair(t)
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{id.pair}})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	one := func(conn net.Conn, lines []string) {
		defer conn.Close()
		r := bufio.NewReader(conn)
		fmt.Fprint(conn, "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready\r\n")
		var tag, command string
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			if tagged, rest, _ := strings.Cut(strings.TrimSpace(line), " "); tagged != "DONE" {
				tag, command = tagged, rest
			} else {
				command = "DONE"
			}
			answered := false
			for _, l := range lines {
				key, answer, _ := strings.Cut(l, "|")
				if all := strings.Split(strings.TrimPrefix(key, "!"), "&"); !slices.ContainsFunc(all, func(k string) bool { return !strings.Contains(command, k) }) {
					fmt.Fprint(conn, strings.ReplaceAll(answer, "TAG", tag))
					if key[0] == '!' {
						return
					}
					answered = true
					break
				}
			}
			if !answered {
				fmt.Fprintf(conn, "%s OK done\r\n", tag)
			}
		}
	}
	wg.Go(func() {
		for i := 0; ; i++ {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { one(conn, conversations[min(i, len(conversations)-1)]) })
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return ln.Addr().String(), &tls.Config{RootCAs: id.pool, ServerName: "localhost"}
}

// TestFetchBreaksOff: a message whose connection ends cleanly in its middle is not taken for a whole one, and comes again; a server without IDLE is asked
// now and then.
func TestFetchBreaksOff(t *testing.T) {
	described := "UID FETCH 1&RFC822.SIZE|* 1 FETCH (UID 1 RFC822.SIZE 10 INTERNALDATE \"02-Mar-2026 09:00:00 +0100\")\r\nTAG OK done\r\n"
	addr, cfg := talk(t,
		[]string{selected, "UID SEARCH|* SEARCH 1\r\nTAG OK done\r\n", "!UID FETCH 1&BODY|* 1 FETCH (UID 1 BODY[] {10}\r\nhalf", described},
		[]string{selected, "UID SEARCH|* SEARCH 1\r\nTAG OK done\r\n", content(1), described})
	r := newReceiver()
	c := operatorConfig(addr, cfg, r)
	c.Poll = time.Millisecond
	stop := fetch(t, c)
	r.await(t, "broke off: unexpected EOF", "taken", "saved 1")
	stop()
	if !slices.Equal(r.got, []string{"0123456789"}) || !reflect.DeepEqual(r.meta[0].Received.UTC(), time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)) {
		t.Errorf("%q %+v", r.got, r.meta)
	}
}

const selected = "SELECT|* 1 EXISTS\r\n* OK [UIDVALIDITY 9] x\r\nTAG OK [READ-WRITE] done\r\n"

func content(uid int) string {
	return fmt.Sprintf("UID FETCH %d&BODY|* %d FETCH (UID %d BODY[] {10}\r\n0123456789)\r\nTAG OK done\r\n", uid, uid, uid)
}

func operatorConfig(addr string, cfg *tls.Config, r *receiver) mail.FetchConfig {
	return mail.FetchConfig{Addr: addr, Security: mail.TLS, TLS: cfg, Handler: r, State: r, Retry: time.Millisecond,
		Login: &mail.Login{Mechanism: "PLAIN", User: owner, Secret: func(context.Context) (string, error) { return "s3cret", nil }}}
}

// TestFetchIdles: a server that tells of a message while nothing is asked is believed at once, not at the next poll.
func TestFetchIdles(t *testing.T) {
	addr, cfg := talk(t, []string{selected, "AUTHENTICATE|TAG OK [CAPABILITY IMAP4rev1 IDLE] in\r\n", "UID SEARCH&UNSEEN|* SEARCH 1\r\nTAG OK done\r\n",
		"UID SEARCH&2:*|* SEARCH 2\r\nTAG OK done\r\n", "UID SEARCH&3:*|* SEARCH 2\r\nTAG OK done\r\n",
		"IDLE|+ idling\r\n* 2 EXISTS\r\n", "DONE|TAG OK done\r\n", content(1), content(2),
		"UID FETCH 1&RFC822.SIZE|* 1 FETCH (UID 1 RFC822.SIZE 10)\r\nTAG OK done\r\n", "UID FETCH 2&RFC822.SIZE|* 2 FETCH (UID 2 RFC822.SIZE 10)\r\nTAG OK done\r\n"})
	r := newReceiver()
	c := operatorConfig(addr, cfg, r)
	c.Poll = time.Hour
	stop := fetch(t, c)
	r.await(t, "taken", "saved 1", "taken", "saved 2")
	stop()
	if len(r.got) != 2 {
		t.Errorf("%q", r.got)
	}
}

func TestNewFetcherRefuses(t *testing.T) {
	r := newReceiver()
	login := &mail.Login{Mechanism: "PLAIN", User: "x", Secret: func(context.Context) (string, error) { return "", errors.New("none") }}
	for _, c := range []mail.FetchConfig{{}, {Addr: "h:143"}, {Addr: "h:143", Login: login, Handler: r}, {Addr: "h:143", Login: login, Handler: r, State: r, Security: mail.Unprotected},
		{Addr: "h:143", Login: login, Handler: r, State: r, After: mail.Move}, {Addr: "h:143", Login: login, Handler: r, State: r, After: "burn"}} {
		if _, err := mail.NewFetcher(c); err == nil {
			t.Errorf("accepted %+v", c)
		}
	}
}
