package conformance

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Exchange is one request and its answer, bytes as they crossed the wire (inside TLS).
type Exchange struct {
	Where    string // URL, or address of the HL7 v2 door
	Request  []byte
	Response []byte
	Broken   string // why no whole answer came
	Began    time.Time
	Took     time.Duration
}

// tape keeps the exchanges of one case, or gives them back in the place of a network.
type tape struct {
	playing bool
	dial    http.RoundTripper // of the system, when recording
	audit   *Audit

	mu        sync.Mutex
	exchanges []*Exchange
	next      int           // to be given back
	marks     []int         // audit records that had come before each exchange
	clock     []time.Time   // what the case read from the clock
	read      int           // readings given back
	made      []string      // texts that took a key to make
	madeRead  int           // given back
	drift     []int         // numbers of exchanges (from 1) whose request is not the one recorded
	due       []auditRecord // records to deliver when their exchange is given back
	came      []auditRecord // records about the case
}

// auditRecord is an audit message about a case, as it came, and the exchange of the case before which it had not come.
type auditRecord struct {
	After int       `json:"after"`
	Came  time.Time `json:"came,omitzero"`
	Text  string    `json:"text"`
}

// taped is the system with every exchange on a tape.
func (s *SUT) taped(t *tape) *SUT {
	c := *s
	c.tape = t
	if s.client != nil {
		t.dial = s.client.Transport
	}
	client := http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	c.client = &client
	return &c
}

// replaying tells that answers come from a tape.
func (s *SUT) replaying() bool { return s.tape != nil && s.tape.playing }

// now is the clock of a case: the real one, or what it showed when the case was recorded.
func (t *tape) now() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.playing && t.read < len(t.clock) {
		t.read++
		return t.clock[t.read-1]
	}
	now := time.Now().UTC()
	t.clock = append(t.clock, now)
	return now
}

var errTapeEnded = errors.New("the evidence holds no further answer: the case took another way")

// begin starts an exchange: a new one, or the next that was recorded.
func (t *tape) begin(where string) (*Exchange, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.playing {
		x := &Exchange{Where: where, Began: time.Now().UTC()}
		t.exchanges, t.marks = append(t.exchanges, x), append(t.marks, t.audit.count())
		return x, nil
	}
	if t.next == len(t.exchanges) {
		return nil, errTapeEnded
	}
	t.next++
	for len(t.due) > 0 && t.due[0].After <= t.next {
		t.audit.take(t.due[0].Text, t.due[0].Came)
		t.due = t.due[1:]
	}
	return t.exchanges[t.next-1], nil
}

// end completes an exchange.
func (x *Exchange) end(err error) {
	x.Took, x.Began = time.Since(x.Began), x.Began.Round(0) // as it is in evidence
	if err != nil {
		x.Broken = err.Error()
	}
}

// RoundTrip sends a request over the system's transport and keeps the bytes, or answers from the tape.
func (t *tape) RoundTrip(req *http.Request) (*http.Response, error) {
	x, err := t.begin(req.URL.String())
	if err != nil {
		return nil, err
	}
	if t.playing {
		return t.play(x, req)
	}
	resp, err := t.record(x, req)
	if err != nil && req.Context().Err() != nil {
		err = context.Cause(req.Context())
	}
	x.end(err)
	return resp, err
}

// record reads the whole answer, so that all of it is on the tape.
func (t *tape) record(x *Exchange, req *http.Request) (*http.Response, error) {
	var on *wireConn
	var crossed *wireBytes
	trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		if c, ok := i.Conn.(*wireConn); ok {
			on, crossed = c, c.start()
		}
	}}
	resp, err := t.dial.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	var body []byte
	if err == nil {
		body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
		if err == nil && len(body) > maxAnswer {
			err = errTooLong
		}
		_ = resp.Body.Close() // what was read is all that counts
	}
	if on != nil {
		x.Request, x.Response = on.bytes(crossed)
	}
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// maxAnswer is the longest answer that is read, in bytes: no case asks for more.
const maxAnswer = 64 << 20

var errTooLong = errors.New("the answer is longer than 64 MiB")

func (t *tape) play(x *Exchange, req *http.Request) (*http.Response, error) {
	var sent bytes.Buffer
	if err := req.Write(&sent); err != nil {
		return nil, err
	}
	t.compare(x, sent.Bytes())
	if x.Broken != "" {
		return nil, errors.New(x.Broken)
	}
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(x.Response)), req)
	if err == nil && resp.ContentLength > maxAnswer {
		return nil, errTooLong
	}
	return resp, err
}

// compare notes a request that is not the one recorded; only what follows the first empty line counts, headers may be framed in other ways.
func (t *tape) compare(x *Exchange, sent []byte) {
	_, was, _ := bytes.Cut(x.Request, []byte("\r\n\r\n"))
	_, is, _ := bytes.Cut(sent, []byte("\r\n\r\n"))
	if !bytes.Equal(was, is) {
		t.mu.Lock()
		t.drift = append(t.drift, t.next)
		t.mu.Unlock()
	}
}

// wireConn copies what crosses a connection to the exchange it serves at the moment.
type wireConn struct {
	net.Conn
	mu       sync.Mutex
	now      *wireBytes
	exchange *Exchange     // of a connection that serves one alone
	limit    time.Duration // how long it may take to answer
	late     error         // that it did
}

// wireBytes are those of one exchange. The next exchange on the connection gets its own: it may begin as soon as the last byte of an answer is read.
type wireBytes struct{ out, in bytes.Buffer }

func (c *wireConn) start() *wireBytes {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = &wireBytes{}
	return c.now
}

// bytes gives what crossed for one exchange.
func (c *wireConn) bytes(w *wireBytes) (out, in []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(w.out.Bytes()), bytes.Clone(w.in.Bytes())
}

// Write keeps the bytes before it sends them: the answer may be read before Write returns. What a broken connection did not take is kept as well.
func (c *wireConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	if c.now != nil {
		c.now.out.Write(b)
	}
	c.mu.Unlock()
	return c.Conn.Write(b)
}

func (c *wireConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	if c.now != nil {
		c.now.in.Write(b[:n])
	}
	if c.exchange != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		err = lateError{c.limit}
		c.late = err
	}
	c.mu.Unlock()
	return n, err
}

// Close ends the exchange of an MLLP connection.
func (c *wireConn) Close() error {
	if c.exchange != nil {
		c.exchange.Request, c.exchange.Response = c.bytes(c.now)
		c.exchange.end(c.late)
	}
	return c.Conn.Close()
}

// connect opens an MLLP connection for one exchange on the tape; a system without a tape opens it as it stands.
func (s *SUT) connect(where string, dial func() (net.Conn, error)) (net.Conn, error) {
	if s.tape == nil {
		return dial()
	}
	x, err := s.tape.begin(where)
	if err != nil {
		return nil, err
	}
	if s.tape.playing {
		if x.Broken != "" {
			return nil, errors.New(x.Broken)
		}
		return &playedConn{t: s.tape, x: x, answer: bytes.NewReader(x.Response)}, nil
	}
	c, err := dial()
	if err != nil {
		x.end(err)
		return nil, err
	}
	return &wireConn{Conn: c, now: &wireBytes{}, exchange: x, limit: s.Timeout}, nil
}

// playedConn gives a recorded answer.
type playedConn struct {
	net.Conn // nil: what is not below is not called
	t        *tape
	x        *Exchange
	answer   *bytes.Reader
	sent     bytes.Buffer
}

func (c *playedConn) Write(b []byte) (int, error)     { return c.sent.Write(b) }
func (c *playedConn) Read(b []byte) (int, error)      { return c.answer.Read(b) }
func (c *playedConn) SetDeadline(time.Time) error     { return nil }
func (c *playedConn) SetReadDeadline(time.Time) error { return nil }

// Close compares what was sent with what was recorded.
func (c *playedConn) Close() error {
	if !bytes.Equal(c.sent.Bytes(), c.x.Request) {
		c.t.mu.Lock()
		c.t.drift = append(c.t.drift, c.t.next)
		c.t.mu.Unlock()
	}
	return nil
}

// shorten leaves of each message what a report shows.
func (t *tape) shorten() {
	if t == nil {
		return
	}
	for _, x := range t.exchanges {
		x.Request, x.Response = bytes.Clone(x.Request[:min(len(x.Request), 16<<10)]), bytes.Clone(x.Response[:min(len(x.Response), 16<<10)])
	}
}

// collect keeps the audit records about a case that came from the first-th on, if the case looks at any, and those that an expectation took.
func (t *tape) collect(s *story, first int) {
	if t.playing || t.audit == nil || !s.c.looksAtAudit() {
		return
	}
	t.audit.mu.Lock()
	defer t.audit.mu.Unlock()
	for i, r := range t.audit.messages {
		if !s.audited[i] && (i < first || !s.concerns(r)) {
			continue
		}
		after := 0
		for after < len(t.marks) && t.marks[after] <= i {
			after++
		}
		t.came = append(t.came, auditRecord{after, r.came, r.raw})
	}
}

func (c *Case) looksAtAudit() bool {
	return slices.ContainsFunc(c.Steps, func(st Step) bool { return expects(st, "audit") || expects(st, "heard") })
}

// concerns tells that an audit record is about the case: it names something of it.
func (s *story) concerns(r record) bool {
	return strings.Contains(r.text, s.family()) || strings.Contains(r.text, s.root()+".")
}
