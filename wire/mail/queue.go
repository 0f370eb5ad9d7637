package mail

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	netmail "net/mail"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-message"
	"github.com/emersion/go-message/textproto"

	"github.com/passerelle-sante/passerelle/wire/receipt"
)

// QueueStore keeps messages on disk: what Put and Update have returned for is durable. Heads are JSON. Get of what is not there gives an error that is
// fs.ErrNotExist.
type QueueStore interface {
	Put(head any, content io.Reader) (id string, size int64, err error)
	List() ([]string, error)
	Get(id string, head any) (content io.ReadCloser, size int64, err error)
	Update(ctx context.Context, id string, head any) error
	Remove(id string) error
}

// Fate is what became of a message for one of its recipients.
type Fate struct {
	Reference string // what the message was put with
	Recipient string
	Sent      bool // the server took it; otherwise it was given up
	Server    string
	Answer    string // of the server, or what went wrong last
	Code      int    // of the answer; 0 where none came
	At        time.Time
}

// QueueConfig is how mail goes out. Store, Route and Postmaster are required.
type QueueConfig struct {
	Store      QueueStore
	Route      func(domain string) *Client // where mail for a domain goes; nil for a domain that no mail goes to
	Postmaster netmail.Address             // whom notifications of what could not be delivered are from
	Product    string
	// Tell is told the fate of each recipient. An error has it told again later, and a crash may too.
	Tell    func(context.Context, Fate) error
	First   time.Duration // wait after the first attempt, doubling; a minute where 0
	Longest time.Duration // the longest wait; 4 hours where 0
	GiveUp  time.Duration // after which a message is given up; 5 days where 0
	Workers int           // attempts at the same time; 4 where 0
	Attempt time.Duration // how long one may take; 30 minutes where 0
	Grace   time.Duration // for attempts under way when the queue stops; 20 seconds where 0
	Now     func() time.Time
	After   func(time.Duration) <-chan time.Time
	Log     *slog.Logger
}

// Queue sends mail until it is taken or has to be given up, and tells its sender of the latter [RFC 5321 4.5.4.1].
type Queue struct {
	c       QueueConfig
	mu      sync.Mutex
	names   map[string]bool    // references of what is in the queue
	fresh   []string           // put since the scheduler looked
	unsaved map[string]*queued // whose state could not be written
	wake    chan struct{}
}

// ended is a message that a worker is through with: next is zero when it is done.
type ended struct {
	id   string
	next time.Time
}

// NewQueue checks the configuration.
func NewQueue(c QueueConfig) (*Queue, error) {
	if c.Store == nil || c.Route == nil || c.Postmaster.Address == "" {
		return nil, errors.New("mail queue: Store, Route and Postmaster are required")
	}
	for _, d := range []struct {
		to        *time.Duration
		otherwise time.Duration
	}{{&c.First, time.Minute}, {&c.Longest, 4 * time.Hour}, {&c.GiveUp, 5 * 24 * time.Hour}, {&c.Attempt, 30 * time.Minute}, {&c.Grace, 20 * time.Second}} {
		*d.to = time.Duration(orSize(int64(*d.to), int64(d.otherwise)))
	}
	c.Workers = int(orSize(int64(c.Workers), 4))
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.After == nil {
		c.After = time.After
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	q := &Queue{c: c, names: map[string]bool{}, unsaved: map[string]*queued{}, wake: make(chan struct{}, 1)}
	_, err := q.load()
	return q, err
}

// queued is what is kept with a message.
type queued struct {
	Envelope  Envelope
	Reference string
	Put       time.Time
	Next      time.Time
	Tries     int
	State     []state // of each recipient
}

// state is how far a recipient is.
type state struct {
	Settled bool
	Told    bool
	Sent    bool
	Server  string
	Answer  string
	Code    int
	Status  string // RFC 3463
	At      time.Time
}

// Classify says of an envelope what its content needs of a server: whether it is 7bit, and its header ASCII.
func Classify(e *Envelope, raw []byte) {
	high := func(b []byte) bool { return bytes.ContainsFunc(b, func(r rune) bool { return r >= 0x80 }) }
	e.EightBit = high(raw)
	head, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	e.UTF8 = high(head)
	for _, r := range e.Recipients {
		e.UTF8 = e.UTF8 || high([]byte(r.Address))
	}
}

// Send takes a message of ours that nobody is to answer: with the null reverse path, and nothing is told of its delivery. While one of that name is in the queue it
// is taken for the same, which was sent before a crash.
func (q *Queue) Send(_ context.Context, name, to string, raw []byte) error {
	q.mu.Lock()
	known := q.names[name]
	q.mu.Unlock()
	if known {
		return nil
	}
	e := Envelope{Recipients: []Recipient{{Address: to, Notify: []string{"NEVER"}}}}
	Classify(&e, raw)
	_, err := q.Put(e, name, bytes.NewReader(raw))
	return err
}

// Put takes a message: when it returns nil the message is durable and will be tried until its fate is known. reference comes back with that.
func (q *Queue) Put(e Envelope, reference string, content io.Reader) (id string, err error) {
	if len(e.Recipients) == 0 {
		return "", errors.New("mail queue: a message without recipients")
	}
	e.Peer = Peer{}
	now := q.c.Now()
	id, _, err = q.c.Store.Put(&queued{Envelope: e, Reference: reference, Put: now, Next: now, State: make([]state, len(e.Recipients))}, content)
	if err != nil {
		return "", err
	}
	q.mu.Lock()
	q.fresh = append(q.fresh, id)
	q.names[reference] = true
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return id, nil
}

// Run sends what there is and what comes until ctx ends; attempts under way then have Grace to end.
func (q *Queue) Run(ctx context.Context) error {
	attempts, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(q.c.Grace, cancel) })()
	q.take() // load finds them
	due, err := q.load()
	if err != nil {
		return err
	}
	loaded := maps.Clone(due) // what is put now may have been found too
	busy := 0
	done := make(chan ended)
	var workers sync.WaitGroup
	defer workers.Wait()
	for ctx.Err() == nil {
		for busy < q.c.Workers {
			id := q.ready(due)
			if id == "" {
				break
			}
			delete(due, id)
			busy++
			workers.Go(func() {
				next := q.attempt(attempts, id)
				select {
				case done <- ended{id, next}:
				case <-ctx.Done():
				}
			})
		}
		select {
		case <-ctx.Done():
		case <-q.wake:
			for _, id := range q.take() {
				if _, known := loaded[id]; !known {
					due[id] = q.c.Now()
				}
			}
		case e := <-done:
			if busy--; !e.next.IsZero() {
				due[e.id] = e.next
			}
		case <-q.wait(due, busy):
		}
	}
	return nil
}

// take gives what was put since it was last asked.
func (q *Queue) take() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	ids := q.fresh
	q.fresh = nil
	return ids
}

// load finds what there is, and when it is due.
func (q *Queue) load() (map[string]time.Time, error) {
	due := map[string]time.Time{} // of messages that no worker has
	ids, err := q.c.Store.List()
	if err != nil {
		return nil, fmt.Errorf("list the queue: %w", err)
	}
	for _, id := range ids {
		var m queued
		content, _, err := q.c.Store.Get(id, &m)
		if err != nil {
			q.c.Log.Error("mail queue: a message cannot be read and stays where it is", "id", id, "error", err)
			continue
		}
		_ = content.Close()
		due[id] = m.Next
		q.mu.Lock()
		q.names[m.Reference] = true
		q.mu.Unlock()
	}
	return due, nil
}

// ready is the message that is due longest; "" where none is.
func (q *Queue) ready(due map[string]time.Time) (first string) {
	now := q.c.Now()
	for id, at := range due {
		if !at.After(now) && (first == "" || at.Before(due[first]) || at.Equal(due[first]) && id < first) {
			first = id
		}
	}
	return first
}

// wait is for the next message that falls due; nil, which is for ever, where all workers are busy or there is none.
func (q *Queue) wait(due map[string]time.Time, busy int) <-chan time.Time {
	if len(due) == 0 || busy == q.c.Workers {
		return nil
	}
	var first time.Time
	for _, at := range due {
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return q.c.After(max(first.Sub(q.c.Now()), 0))
}

// attempt sends a message to whom it is still due and tells what became of it. It gives the time of the next attempt; zero when the message is done.
func (q *Queue) attempt(ctx context.Context, id string) time.Time {
	ctx, cancel := context.WithTimeout(ctx, q.c.Attempt)
	defer cancel()
	m, err := q.advance(ctx, id)
	if err == nil && m == nil || errors.Is(err, fs.ErrNotExist) { // done, or somebody took it away
		return time.Time{}
	}
	if err != nil {
		q.c.Log.Warn("mail queue: message stays", "id", id, "error", err)
		if m == nil {
			return q.c.Now().Add(q.c.First)
		}
	}
	return m.Next
}

// advance gives nothing when the message is done.
func (q *Queue) advance(ctx context.Context, id string) (*queued, error) {
	m, err := q.read(id)
	if err != nil {
		return nil, err
	}
	if !m.settled() {
		q.send(ctx, id, m)
		if err := q.save(id, m); err != nil {
			return m, err
		}
	}
	if err := q.tell(ctx, id, m); err != nil {
		m.Next = q.c.Now().Add(q.c.First)
		return m, errors.Join(err, q.save(id, m))
	}
	if m.settled() {
		q.mu.Lock()
		delete(q.names, m.Reference)
		q.mu.Unlock()
		return nil, q.c.Store.Remove(id)
	}
	return m, nil
}

// read gives the state of a message: that which could not be written, or nobody would know to whom the message went.
func (q *Queue) read(id string) (*queued, error) {
	q.mu.Lock()
	m := q.unsaved[id]
	q.mu.Unlock()
	if m != nil {
		return m, q.save(id, m)
	}
	m = &queued{}
	content, _, err := q.c.Store.Get(id, m)
	if err != nil {
		return nil, err
	}
	return m, content.Close()
}

func (q *Queue) save(id string, m *queued) error {
	err := q.c.Store.Update(context.Background(), id, m) // whoever stops the queue waits for it
	q.mu.Lock()
	defer q.mu.Unlock()
	if err != nil {
		q.unsaved[id] = m
		return fmt.Errorf("write the state of a message: %w", err)
	}
	delete(q.unsaved, id)
	return nil
}

// settled tells that nothing more is to be sent.
func (m *queued) settled() bool {
	return !slices.ContainsFunc(m.State, func(s state) bool { return !s.Settled })
}

// send makes one attempt at every recipient whose fate is open, a connection a server.
func (q *Queue) send(ctx context.Context, id string, m *queued) {
	by := map[*Client][]int{}
	for i, r := range m.Envelope.Recipients {
		if !m.State[i].Settled {
			c := q.c.Route(domain(r.Address))
			by[c] = append(by[c], i)
		}
	}
	for c, those := range by {
		results, err := q.hand(ctx, c, id, m, those)
		if errors.Is(err, context.Canceled) {
			return // the queue stops: this was no attempt, and Next is as it was
		}
		for n, i := range those {
			s := &m.State[i]
			if err == nil {
				s.note(results[n], q.c.Now())
			} else {
				s.note(err, q.c.Now())
			}
			if c != nil {
				s.Server = c.Addr()
			}
		}
	}
	now := q.c.Now()
	m.Next = now.Add(backOff(q.c.First, q.c.Longest, m.Tries))
	m.Tries++
	if now.Sub(m.Put) < q.c.GiveUp {
		return
	}
	for i := range m.State {
		if s := &m.State[i]; !s.Settled {
			s.Settled, s.Status = true, "4.4.7" // delivery time expired
		}
	}
}

func backOff(first, longest time.Duration, tries int) time.Duration {
	for ; tries > 0 && first < longest; tries-- {
		first *= 2
	}
	return min(first, longest)
}

func domain(address string) string {
	return strings.ToLower(address[strings.LastIndexByte(address, '@')+1:])
}

var errNoRoute = &Refusal{Code: 550, Enhanced: [3]int{5, 1, 2}, Text: "No mail goes to this domain from here"}

// hand gives the message to one server for some of its recipients.
func (q *Queue) hand(ctx context.Context, c *Client, id string, m *queued, those []int) ([]error, error) {
	if c == nil {
		return nil, errNoRoute
	}
	content, size, err := q.c.Store.Get(id, &queued{})
	if err != nil {
		return nil, err
	}
	defer content.Close()
	e := m.Envelope
	e.Recipients = nil
	for _, i := range those {
		e.Recipients = append(e.Recipients, m.Envelope.Recipients[i])
	}
	return c.Send(ctx, &e, size, content)
}

// note keeps how an attempt ended; nil is that the server took the message.
func (s *state) note(err error, now time.Time) {
	s.At, s.Code, s.Status, s.Answer = now, 0, "", ""
	if err == nil {
		s.Settled, s.Sent = true, true
		return
	}
	s.Answer, s.Status = oneLine(err.Error()), "4.4.1"
	if r, ok := errors.AsType[*Refusal](err); ok {
		s.Code, s.Status, s.Settled = r.Code, fmt.Sprintf("%d.%d.%d", r.Enhanced[0], r.Enhanced[1], r.Enhanced[2]), Permanent(r)
		if r.Enhanced == [3]int{} {
			s.Status = fmt.Sprintf("%d.0.0", r.Code/100)
		}
	}
}

// tell tells fates that are new: to Tell, and those of recipients who were given up to the sender.
func (q *Queue) tell(ctx context.Context, id string, m *queued) error {
	var failed []int
	for i, s := range m.State {
		if !s.Settled || s.Told {
			continue
		}
		if q.c.Tell != nil {
			f := Fate{Reference: m.Reference, Recipient: m.Envelope.Recipients[i].Address, Sent: s.Sent, Server: s.Server, Answer: s.Answer, Code: s.Code, At: s.At}
			if err := q.c.Tell(ctx, f); err != nil {
				return fmt.Errorf("tell of a message: %w", err)
			}
		}
		if !s.Sent && wantsBounce(m.Envelope.Recipients[i]) {
			failed = append(failed, i)
		}
	}
	if len(failed) > 0 && m.Envelope.From != "" { // a notification that fails is nobody's affair [RFC 5321 4.5.5]
		if err := q.bounce(id, m, failed); err != nil {
			return fmt.Errorf("compose a notification: %w", err)
		}
	}
	told := false
	for i := range m.State {
		if s := &m.State[i]; s.Settled && !s.Told {
			s.Told, told = true, true
		}
	}
	if told && !m.settled() {
		return q.save(id, m)
	}
	return nil
}

// wantsBounce tells whether a failure is told: unless the sender wants none or only other news [RFC 3461 4.1].
func wantsBounce(r Recipient) bool {
	for _, n := range r.Notify {
		if strings.EqualFold(n, "FAILURE") {
			return true
		}
	}
	return len(r.Notify) == 0
}

// bounce puts a notification of failed recipients into the queue.
func (q *Queue) bounce(id string, m *queued, failed []int) error {
	content, _, err := q.c.Store.Get(id, &queued{})
	if err != nil {
		return err
	}
	defer content.Close()
	d := receipt.Delivery{EnvelopeID: m.Envelope.EnvelopeID, Reporter: domain(q.c.Postmaster.Address), Arrival: m.Put}
	for _, i := range failed {
		s, r := m.State[i], m.Envelope.Recipients[i]
		_, original, _ := strings.Cut(r.Original, ";")
		host, _, _ := strings.Cut(s.Server, ":")
		d.Recipients = append(d.Recipients, receipt.Recipient{Original: original, Final: r.Address, Action: receipt.Failed, Status: s.Status, RemoteMTA: host,
			Diagnostic: s.Answer, LastAttempt: s.At})
	}
	header, err := textproto.ReadHeader(bufio.NewReader(io.LimitReader(content, 128<<10)))
	if err != nil {
		header = textproto.Header{} // what cannot be read is not returned
	}
	l := receipt.DSN(receipt.Bounce{To: m.Envelope.From, Original: message.Header{Header: header}, Delivery: d},
		receipt.Answerer{From: q.c.Postmaster, Product: q.c.Product, Now: q.c.Now()})
	return q.Send(context.Background(), id+"-bounce", l.To, l.Raw())
}
