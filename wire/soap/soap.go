// Package soap serves and calls SOAP 1.2 over HTTP with WS-Addressing 1.0 and MTOM, both ways (ITI TF-2 appendix V). It knows no
// transaction: operations are told apart by their wsa:Action, read a body and give a body.
package soap

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/wire/mtom"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// Operation does one transaction. A *Fault it returns is answered as it stands; any other error becomes a fault that names a reference
// number only.
type Operation func(ctx context.Context, req *Request) (*Response, error)

// MTOMRule says how the messages of an operation come and go.
type MTOMRule uint8

// An answer is MTOM when the request was.
const (
	MTOMForbidden MTOMRule = iota // simple SOAP
	MTOMRequired
	MTOMPreferred // required, but for the quirk answer-without-mtom
	MTOMEither
)

// Op is an operation and what surrounds it.
type Op struct {
	Action         string
	ResponseAction string
	Body           xmlpull.Name // root of the request
	MTOM           MTOMRule
	Do             Operation
	// Answer may turn an error other than a *Fault into a response that shows the reference; nil, or a nil response, makes it a fault.
	Answer func(req *Request, err error, reference string) *Response
}

// Service is what answers at one path.
type Service struct {
	Name        string         // for the log
	Operations  map[string]Op  // by wsa:Action
	Documents   http.Handler   // answers GET with a query of wsdl or xsd; may be nil
	Understands []xmlpull.Name // header blocks besides those of WS-Addressing that may say mustUnderstand
	Asks        Asks           // finds out who asks by wsse:Security, which is then understood; nil: only the node is known
}

// Request is a message that asks for an operation.
type Request struct {
	Message
	Caller  auth.Caller
	notes   []Note
	scratch *[]byte
}

// Scratch gives an empty buffer of n bytes for the body of the answer. It is good until the answer has left: an answer of 150 KB made anew each time
// keeps the garbage collector busier than all the rest.
func (r *Request) Scratch(n int) []byte {
	if n > maxPooled {
		return make([]byte, 0, n)
	}
	if r.scratch == nil {
		r.scratch = bodies.Get().(*[]byte)
	}
	if cap(*r.scratch) < n {
		*r.scratch = make([]byte, 0, n)
	}
	return (*r.scratch)[:0]
}

func (r *Request) releaseScratch() {
	if r.scratch != nil {
		bodies.Put(r.scratch)
		r.scratch = nil
	}
}

// Note adds a field to the record of the transaction.
func (r *Request) Note(key string, value any) { r.notes = append(r.notes, Note{key, value}) }

// Response is what an operation answers. Body is the XML of the body's child and declares its own namespaces. Parts need a request that was
// MTOM; their contents are closed in any case.
type Response struct {
	Body  []byte
	Parts []mtom.OutPart
}

// Note is a field of a record that an operation set.
type Note struct {
	Key   string
	Value any
}

// Record says how one transaction went.
type Record struct {
	Service, Action   string      // an envelope that cannot be read leaves the action of the Content-Type
	Caller            auth.Caller // as far as it was found out
	Status            int         // of HTTP
	Fault             string      // code and subcodes, "Sender/ActionNotSupported"
	Reference         string      // what the peer was told in place of Err
	Err               error       // behind a fault, or of writing the answer; not for the peer
	Duration          time.Duration
	Quirks            []string
	BytesIn, BytesOut int64 // as on the wire, without HTTP headers
	Notes             []Note
}

// Config is what all services of a server share. The zero value works.
type Config struct {
	MaxEnvelope     int64   // bytes, 8 MiB
	MaxMessage      int64   // bytes, 2 GiB, after decompression
	MaxParts        int     // 1000
	Quirks          *Quirks // nil tolerates all
	Gzip            bool    // compress answers when asked to
	PlainFaults     bool    // answer faults to MTOM requests without MTOM
	ReplyTo         []string
	Client          *http.Client // sends asynchronous answers
	AsyncAttempts   int          // 3
	AsyncDelay      time.Duration
	Done            func(context.Context, Record)
	Log             *slog.Logger
	NewID           func() string // of messages and references; nil gives random UUIDs
	Now             func() time.Time
	allow           []allowed
	maxGzipRatio    int64
	gzipRatioBeyond int64
}

// Server makes handlers for services and sends their asynchronous answers. Close it when the listeners are closed.
type Server struct {
	cfg    Config
	quirks Quirks
	ctx    context.Context
	cancel context.CancelFunc
	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup

	readers sync.Pool

	subjectsMu sync.RWMutex
	subjects   map[string]string // certificate to the text of its subject
}

// New makes a server. ReplyTo lists the URL prefixes that asynchronous answers may go to, Client sends them; AsyncDelay, 1 s when 0, is the
// time before the second attempt and doubles after each.
func New(cfg Config) (*Server, error) {
	s := &Server{cfg: cfg, quirks: Tolerant()}
	c := &s.cfg
	if c.Quirks != nil {
		s.quirks = *c.Quirks
	}
	if c.MaxEnvelope < 0 || c.MaxMessage < 0 || c.MaxParts < 0 || c.AsyncAttempts < 0 {
		return nil, errors.New("soap: a cap is negative")
	}
	setDefault(&c.MaxEnvelope, 8<<20)
	setDefault(&c.MaxMessage, 2<<30)
	setDefault(&c.MaxParts, 1000)
	setDefault(&c.AsyncAttempts, 3)
	setDefault(&c.AsyncDelay, time.Second)
	c.maxGzipRatio, c.gzipRatioBeyond = 100, 1<<20
	if c.NewID == nil {
		c.NewID = newUUID
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if len(c.ReplyTo) > 0 && c.Client == nil {
		return nil, errors.New("soap: asynchronous answers need a client")
	}
	for _, p := range c.ReplyTo {
		a, err := parseAllowed(p)
		if err != nil {
			return nil, err
		}
		c.allow = append(c.allow, a)
	}
	s.readers.New = func() any { return xmlpull.NewReader(nil, xmlpull.Options{BOM: s.quirks.BOM}) }
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

func setDefault[T int | int64 | time.Duration](p *T, d T) {
	if *p == 0 {
		*p = d
	}
}

// Handler makes the handler of a service.
func (s *Server) Handler(svc Service) (http.Handler, error) {
	for action, op := range svc.Operations {
		if op.Do == nil || op.Action != action || op.ResponseAction == "" || op.Body.Local == "" {
			return nil, errors.New("soap: operation " + action + " is not complete")
		}
	}
	return &handler{s: s, svc: svc}, nil
}
