package sim

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/passerelle-sante/passerelle/conformance/validate"
)

// Config is what a server is made of.
type Config struct {
	Actor    string
	Listen   string // host:port; 127.0.0.1:0 when empty
	Faults   []string
	Slowness time.Duration // how long faults of time last: 10 s when 0, at most a minute
	TLS      *tls.Config   // nil: plain

	Repository string // unique id of the repository
	Domain     string // OID in which a PIX manager answers
	Registry   string // URL to which a repository registers what it gets; empty: nowhere
	Client     *tls.Config
	Keep       string         // folder in which every message is kept, as it came
	Told       func(Received) // called with each message, one at a time; may be nil
	Noted      func(string)   // called with what ends a connection before a message: a handshake of TLS that fails; may be nil
	Judged     validate.Options
}

// Received is a message that a server got, and what it made of it.
type Received struct {
	Number   int                `json:"number"`
	At       time.Time          `json:"at"`
	From     string             `json:"from"`
	Kind     string             `json:"kind"` // of package validate
	What     string             `json:"what"` // action, event, transaction or subject
	Bytes    int                `json:"bytes"`
	File     string             `json:"file,omitempty"`
	Answered string             `json:"answered"`
	Findings []validate.Finding `json:"findings"`
	Message  []byte             `json:"-"`
}

// Bounds of a server in memory.
const (
	maxConns    = 64
	maxMessage  = 64 << 20
	maxHeld     = 10_000    // objects, patients or messages
	maxHeldSize = 256 << 20 // of documents, in bytes
	idle        = 2 * time.Minute
)

// Server plays an actor until it is closed.
type Server struct {
	c      Config
	faults []Fault
	ln     net.Listener
	room   chan struct{} // one for each connection there may be
	done   chan struct{}

	mu      sync.Mutex
	conns   map[net.Conn]bool
	all     []Received
	changed chan struct{} // closed when a message comes
	wg      sync.WaitGroup
	closer  func() // of what serves HTTP
}

// Start opens a server.
func Start(c Config) (*Server, error) {
	a, err := Find(c.Actor)
	if err != nil {
		return nil, err
	}
	if !a.Server {
		return nil, fmt.Errorf("%s is no server", c.Actor)
	}
	s := &Server{c: c, room: make(chan struct{}, maxConns), done: make(chan struct{}), conns: map[net.Conn]bool{}, changed: make(chan struct{}), closer: func() {}}
	if s.faults, err = chosen(c.Actor, c.Faults); err != nil {
		return nil, err
	}
	if s.c.Slowness <= 0 {
		s.c.Slowness = 10 * time.Second
	}
	s.c.Slowness = min(s.c.Slowness, time.Minute)
	if c.Keep != "" {
		if err := os.MkdirAll(c.Keep, 0o700); err != nil {
			return nil, err
		}
	}
	if s.c.Listen == "" {
		s.c.Listen = "127.0.0.1:0"
	}
	if s.ln, err = net.Listen("tcp", s.c.Listen); err != nil {
		return nil, err
	}
	s.ln = &bounded{s.ln, s}
	if c.TLS != nil && c.Actor != "mailbox" { // mail begins in the plain
		s.ln = tls.NewListener(s.ln, c.TLS)
	}
	servers[c.Actor](s)
	return s, nil
}

// servers start serving, and return at once.
var servers = map[string]func(*Server){
	"registry": (*Server).serveRegistry, "repository": (*Server).serveRepository, "pix-manager-v3": (*Server).servePIXV3,
	"pix-manager": func(s *Server) { s.serve(newPatients(s.c.Domain).talk) }, "audit-repository": func(s *Server) { s.serve((*Server).syslog) },
	"mailbox": func(s *Server) { s.serve((*Server).smtp) },
}

// Address is where it listens.
func (s *Server) Address() string { return s.ln.Addr().String() }

// Close ends it, and every connection.
func (s *Server) Close() {
	close(s.done)
	_ = s.ln.Close()
	s.closer()
	s.mu.Lock()
	open := slices.Collect(maps.Keys(s.conns))
	s.mu.Unlock()
	for _, c := range open { // each takes itself out of the map
		_ = c.Close()
	}
	s.wg.Wait()
}

// Received are the messages so far.
func (s *Server) Received() []Received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Received(nil), s.all...)
}

// Wait gives a channel that is closed when a message comes.
func (s *Server) Wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// take judges a message, keeps it and tells of it.
func (s *Server) take(from, kind, what, answered string, message []byte) {
	r := Received{At: time.Now().UTC(), From: from, Kind: kind, What: what, Answered: answered, Bytes: len(message), Message: message}
	var err error
	if r.Findings, err = validate.Judge(kind, message, s.c.Judged); err != nil {
		r.Findings = []validate.Finding{{Rule: "FILE-KIND", Severity: validate.Error, Text: err.Error(), Clause: "this validator"}}
	}
	if r.Findings == nil {
		r.Findings = []validate.Finding{} // in JSON, none and not null
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.Number = len(s.all) + 1
	if s.c.Keep != "" && r.Number <= maxHeld {
		r.File = filepath.Join(s.c.Keep, fmt.Sprintf("%04d.%s", r.Number, extensions[kind]))
		if err := os.WriteFile(r.File, message, 0o600); err != nil {
			r.File = ""
		}
	}
	if s.c.Told != nil {
		s.c.Told(r)
	}
	if len(s.all) >= maxHeld {
		r.Message = nil
	}
	s.all = append(s.all, r)
	close(s.changed)
	s.changed = make(chan struct{})
}

var extensions = map[string]string{"soap": "http", "hl7v2": "hl7", "audit": "xml", "xdm": "zip", "mail": "eml"}

// serve accepts connections and talks on each.
func (s *Server) serve(talk func(*Server, net.Conn, *bufio.Reader)) {
	s.wg.Go(func() {
		for {
			c, err := s.ln.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() {
				defer c.Close()
				if s.shaken(c) {
					talk(s, c, bufio.NewReaderSize(c, 64<<10))
				}
			})
		}
	})
}

// shaken tells that a connection has no TLS, or that its handshake is done; what fails is noted.
func (s *Server) shaken(c net.Conn) bool {
	secure, ok := c.(*tls.Conn)
	if !ok {
		return true
	}
	err := secure.Handshake()
	if err != nil {
		s.note(fmt.Sprintf("TLS handshake with %s: %v", c.RemoteAddr(), err))
	}
	return err == nil
}

// note tells what is no message.
func (s *Server) note(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.c.Noted != nil {
		s.c.Noted(text)
	}
}

// notes takes what serves HTTP would log.
type notes struct{ s *Server }

func (n notes) Write(b []byte) (int, error) {
	n.s.note(strings.TrimPrefix(strings.TrimSpace(string(b)), "http: "))
	return len(b), nil
}

// pause waits as long as faults of time last; false when the server is closed before.
func (s *Server) pause() bool {
	t := time.NewTimer(s.c.Slowness)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.done:
		return false
	}
}

// bounded is a listener with so many connections and no more; each may be idle for a while only.
type bounded struct {
	net.Listener
	s *Server
}

func (l *bounded) Accept() (net.Conn, error) {
	select {
	case l.s.room <- struct{}{}:
	case <-l.s.done:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.s.room
		return nil, err
	}
	b := &boundedConn{Conn: c, s: l.s}
	l.s.mu.Lock()
	l.s.conns[b] = true
	l.s.mu.Unlock()
	return b, nil
}

type boundedConn struct {
	net.Conn
	s     *Server
	once  sync.Once
	timed atomic.Bool // whoever serves it sets deadlines himself, and must not have them moved: net/http ends its reads by them
}

func (c *boundedConn) SetReadDeadline(t time.Time) error {
	c.timed.Store(true)
	return c.Conn.SetReadDeadline(t)
}

func (c *boundedConn) Read(b []byte) (int, error) {
	if !c.timed.Load() {
		if err := c.Conn.SetReadDeadline(time.Now().Add(idle)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Read(b)
}

func (c *boundedConn) Close() error {
	err := net.ErrClosed
	c.once.Do(func() {
		err = c.Conn.Close()
		<-c.s.room
		c.s.mu.Lock()
		delete(c.s.conns, c)
		c.s.mu.Unlock()
	})
	return err
}

var errLong = errors.New("the message is longer than is read")
