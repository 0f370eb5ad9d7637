package mail_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	netmail "net/mail"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/store/spool"
	"github.com/passerelle-sante/passerelle/wire/mail"
	"github.com/passerelle-sante/passerelle/wire/receipt"
)

var (
	_ mail.QueueStore = spool.Shelf{}
	_ mail.FetchState = spool.Marks{}
)

// clock stands still until it is moved.
type clock struct {
	mu      sync.Mutex
	now     time.Time
	timers  []timer
	waiting chan time.Duration // an element for each wait that begins
}

type timer struct {
	at time.Time
	c  chan time.Time
}

func newClock() *clock {
	return &clock{now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC), waiting: make(chan time.Duration, 1000)}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := timer{c.now.Add(d), make(chan time.Time, 1)}
	c.timers = append(c.timers, t)
	c.waiting <- d
	return t.c
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.timers = slices.DeleteFunc(c.timers, func(t timer) bool {
		if t.at.After(c.now) {
			return false
		}
		t.c <- c.now
		return true
	})
}

// await waits until the queue waits for so long.
func (c *clock) await(t *testing.T, want time.Duration) {
	t.Helper()
	for {
		select {
		case d := <-c.waiting:
			if d == want {
				return
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("the queue never waits for %v", want)
		}
	}
}

// outbox is a queue over a spool, to one server.
type outbox struct {
	*clock
	*mail.Queue
	server *picky
	store  spool.Shelf
	spool  *spool.Spool
	dir    string
	fates  chan mail.Fate
	config mail.QueueConfig
	stop   func()
}

// picky takes mail, and answers recipients as it was told to, one answer an attempt.
type picky struct {
	mailbox
	amu     sync.Mutex
	answers map[string][]error
	took    chan string
}

func (p *picky) Accept(_ context.Context, _ mail.Peer, _, to string) error {
	p.amu.Lock()
	defer p.amu.Unlock()
	all := p.answers[to]
	if len(all) == 0 {
		return nil
	}
	p.answers[to] = all[1:]
	return all[0]
}

func (p *picky) Receive(ctx context.Context, e *mail.Envelope, content io.Reader) error {
	err := p.mailbox.Receive(ctx, e, content)
	if err == nil {
		p.took <- e.Recipients[0].Address
	}
	return err
}

var (
	later = &mail.Refusal{Code: 450, Enhanced: [3]int{4, 2, 0}, Text: "Later"}
	never = &mail.Refusal{Code: 550, Enhanced: [3]int{5, 1, 1}, Text: "Nobody"}
)

func newOutbox(t *testing.T) *outbox {
	o := &outbox{clock: newClock(), server: &picky{answers: map[string][]error{}, took: make(chan string, 100)}, dir: t.TempDir(), fates: make(chan mail.Fate, 100)}
	s, err := mail.NewServer(mail.Config{Handler: o.server, Domain: "s", MaxRecipients: 20})
	if err != nil {
		t.Fatal(err)
	}
	addr := listen(t, s)
	c := client(t, mail.ClientConfig{Addr: addr, Security: mail.Unprotected})
	o.config = mail.QueueConfig{Now: o.Now, After: o.clock.After, Postmaster: netmail.Address{Address: "postmaster@gateway.example"},
		Route: func(domain string) *mail.Client {
			if domain == "nowhere.example" {
				return nil
			}
			return c
		},
		Tell: func(_ context.Context, f mail.Fate) error { o.fates <- f; return nil }}
	o.open(t)
	t.Cleanup(func() { o.close(t) })
	return o
}

func (o *outbox) open(t *testing.T) {
	t.Helper()
	var err error
	if o.spool, err = spool.Open(o.dir); err != nil {
		t.Fatal(err)
	}
	o.store = o.spool.Shelf()
	if o.config.Store == nil {
		o.config.Store = o.store
	}
	if _, real := o.config.Store.(spool.Shelf); real {
		o.config.Store = o.store
	}
	if o.Queue, err = mail.NewQueue(o.config); err != nil {
		t.Fatal(err)
	}
}

func (o *outbox) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx) }()
	o.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func (o *outbox) close(t *testing.T) {
	if o.stop != nil {
		o.stop()
	}
	if err := o.spool.Close(); err != nil {
		t.Error(err)
	}
}

func (o *outbox) put(t *testing.T, to ...string) {
	t.Helper()
	e := mail.Envelope{From: "post@gateway.example", EnvelopeID: "p1"}
	for _, a := range to {
		e.Recipients = append(e.Recipients, mail.Recipient{Address: a, Original: "rfc822;" + a})
	}
	if _, err := o.Put(e, "ref", strings.NewReader("Subject: x\r\nMessage-ID: <p1@gateway.example>\r\n\r\ntext\r\n")); err != nil {
		t.Fatal(err)
	}
}

func (o *outbox) fate(t *testing.T) string {
	t.Helper()
	select {
	case f := <-o.fates:
		if f.Reference != "ref" {
			return "notification sent to " + f.Recipient
		}
		return fmt.Sprintf("%s sent=%v %d %s", f.Recipient, f.Sent, f.Code, f.Answer)
	case <-time.After(20 * time.Second):
		t.Fatal("nothing is told")
		return ""
	}
}

func (o *outbox) told(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := o.fate(t); got != w {
			t.Errorf("told %q, not %q", got, w)
		}
	}
}

func (o *outbox) empty(t *testing.T) {
	t.Helper()
	o.stop()
	if ids, err := o.store.List(); err != nil || len(ids) != 0 {
		t.Errorf("left: %v %v", ids, err)
	}
}

func TestQueue(t *testing.T) {
	o := newOutbox(t)
	o.run(t)
	o.put(t, "a@x.example", "b@y.example")
	o.told(t, "a@x.example sent=true 0 ", "b@y.example sent=true 0 ")
	o.empty(t)
	if len(o.server.got) != 1 || o.server.got[0].EnvelopeID != "p1" || o.server.got[0].Recipients[1].Original != "RFC822;b@y.example" {
		t.Errorf("%+v", o.server.got)
	}
}

// TestQueueBacksOff: waits double up to the longest, each recipient is sent to once, and what is given up is told to the sender.
func TestQueueBacksOff(t *testing.T) {
	o := newOutbox(t)
	o.server.answers = map[string][]error{"a@x.example": slices.Repeat([]error{later}, 1000), "b@x.example": {later, later}, "c@x.example": {never}}
	o.run(t)
	o.put(t, "a@x.example", "b@x.example", "c@x.example", "d@x.example", "e@nowhere.example")
	// Those whose fate is known are told at once.
	o.told(t, "c@x.example sent=false 550 550 Nobody", "d@x.example sent=true 0 ", "e@nowhere.example sent=false 550 550 No mail goes to this domain from here")
	o.told(t, "notification sent to post@gateway.example")
	var waited []time.Duration
	start := o.Now()
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 240, 240} {
		o.await(t, want*time.Minute)
		waited = append(waited, want)
		o.advance(want * time.Minute)
		if len(waited) == 2 {
			o.told(t, "b@x.example sent=true 0 ")
		}
	}
	o.await(t, 240*time.Minute)
	o.advance(start.Add(5 * 24 * time.Hour).Sub(o.Now()))
	o.told(t, "a@x.example sent=false 450 450 Later", "notification sent to post@gateway.example")
	o.empty(t)
	var dsn []*receipt.Report
	sent := map[string]int{}
	for i, e := range o.server.got {
		for _, r := range e.Recipients {
			sent[r.Address]++
		}
		if e.From == "" {
			r, err := receipt.Parse(strings.NewReader(o.server.text[i]))
			if err != nil {
				t.Fatal(err)
			}
			dsn = append(dsn, r)
		}
	}
	if sent["b@x.example"] != 1 || sent["d@x.example"] != 1 || sent["a@x.example"] != 0 || sent["c@x.example"] != 0 || sent["post@gateway.example"] != 2 {
		t.Error(sent)
	}
	if len(dsn) != 2 {
		t.Fatalf("%d notifications", len(dsn))
	}
	first, last := dsn[0].Delivery, dsn[1].Delivery
	if len(first.Recipients) != 2 || first.Recipients[0].Final != "c@x.example" || first.Recipients[0].Status != "5.1.1" || first.Recipients[0].Diagnostic != "550 Nobody" ||
		first.Recipients[1].Status != "5.1.2" || first.EnvelopeID != "p1" || first.Reporter != "gateway.example" || dsn[0].About()[0] != "<p1@gateway.example>" {
		t.Errorf("%+v", first)
	}
	if len(last.Recipients) != 1 || last.Recipients[0].Final != "a@x.example" || last.Recipients[0].Original != "a@x.example" || last.Recipients[0].Status != "4.4.7" {
		t.Errorf("%+v", last)
	}
}

// TestQueueResumes: what was put and not sent is sent by the next process, when it is due, and nobody gets it twice.
func TestQueueResumes(t *testing.T) {
	o := newOutbox(t)
	o.server.answers["b@x.example"] = []error{later}
	o.put(t, "a@x.example", "b@x.example") // before anything runs
	o.run(t)
	o.told(t, "a@x.example sent=true 0 ")
	o.await(t, time.Minute)
	o.close(t)
	o.open(t)
	o.run(t)
	o.await(t, time.Minute)
	o.advance(time.Minute)
	o.told(t, "b@x.example sent=true 0 ")
	o.empty(t)
	if len(o.server.got) != 2 || len(o.server.got[0].Recipients) != 1 || len(o.server.got[1].Recipients) != 1 {
		t.Errorf("%+v", o.server.got)
	}
}

// TestQueueNobodyToTell: a notification that fails, and a failure whose sender wants to know nothing, end in silence.
func TestQueueNobodyToTell(t *testing.T) {
	o := newOutbox(t)
	o.server.answers = map[string][]error{"a@x.example": {never, never}}
	o.run(t)
	for _, e := range []mail.Envelope{{Recipients: []mail.Recipient{{Address: "a@x.example"}}},
		{From: "post@gateway.example", Recipients: []mail.Recipient{{Address: "a@x.example", Notify: []string{"NEVER"}}}}} {
		if _, err := o.Put(e, "ref", strings.NewReader("Subject: x\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		o.told(t, "a@x.example sent=false 550 550 Nobody")
	}
	o.empty(t)
	if len(o.server.got) != 0 {
		t.Errorf("%+v", o.server.got)
	}
}

// flaky is a store whose Update fails for a while.
type flaky struct {
	spool.Shelf
	mu   sync.Mutex
	fail int
}

func (f *flaky) Update(ctx context.Context, id string, head any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail--; f.fail >= 0 {
		return errDisk
	}
	return f.Shelf.Update(ctx, id, head)
}

// TestQueueDiskFull: while the state of a message cannot be written, nobody gets it a second time.
func TestQueueDiskFull(t *testing.T) {
	o := newOutbox(t)
	o.server.answers["b@x.example"] = []error{later}
	o.config.Store = &flaky{Shelf: o.store, fail: 2}
	var err error
	if o.Queue, err = mail.NewQueue(o.config); err != nil {
		t.Fatal(err)
	}
	o.run(t)
	o.put(t, "a@x.example", "b@x.example")
	if to := <-o.server.took; to != "a@x.example" {
		t.Fatal(to)
	}
	for range 2 { // failures to write
		o.await(t, time.Minute)
		o.advance(time.Minute)
	}
	o.told(t, "a@x.example sent=true 0 ", "b@x.example sent=true 0 ")
	o.empty(t)
	if len(o.server.got) != 2 {
		t.Errorf("%+v", o.server.got)
	}
}

// TestQueueTellsAgain: a fate that could not be told is told again, and the message is not sent again.
func TestQueueTellsAgain(t *testing.T) {
	o := newOutbox(t)
	o.stop = nil
	fail := []error{errDisk}
	o.config.Tell = func(_ context.Context, f mail.Fate) error {
		if len(fail) > 0 {
			err := fail[0]
			fail = fail[1:]
			return err
		}
		o.fates <- f
		return nil
	}
	var err error
	if o.Queue, err = mail.NewQueue(o.config); err != nil {
		t.Fatal(err)
	}
	o.run(t)
	o.put(t, "a@x.example")
	o.await(t, time.Minute)
	o.advance(time.Minute)
	o.told(t, "a@x.example sent=true 0 ")
	o.empty(t)
	if len(o.server.got) != 1 {
		t.Errorf("%+v", o.server.got)
	}
}

// TestQueueStops: an attempt under way when the queue stops is let end; one that would take longer than the grace is broken off, and is no attempt.
func TestQueueStops(t *testing.T) {
	addr, told := scripted(t, map[string]string{".": ""})
	o := newOutbox(t)
	c := client(t, mail.ClientConfig{Addr: addr, Security: mail.Unprotected})
	o.config.Route, o.config.Grace = func(string) *mail.Client { return c }, time.Millisecond
	var err error
	if o.Queue, err = mail.NewQueue(o.config); err != nil {
		t.Fatal(err)
	}
	o.run(t)
	o.put(t, "a@x.example")
	for !slices.Contains(told(), ".") {
		time.Sleep(time.Millisecond)
	}
	o.stop()
	ids, err := o.store.List()
	if err != nil || len(ids) != 1 {
		t.Fatal(ids, err)
	}
	var head struct {
		Tries int
		Next  time.Time
	}
	content, _, err := o.store.Get(ids[0], &head)
	if err != nil {
		t.Fatal(err)
	}
	content.Close()
	if head.Tries != 0 || !head.Next.Equal(o.Now()) {
		t.Errorf("%+v", head)
	}
}

// TestQueueMany: many messages, few workers: each recipient gets each message once.
func TestQueueMany(t *testing.T) {
	o := newOutbox(t)
	o.config.Workers = 3
	var err error
	if o.Queue, err = mail.NewQueue(o.config); err != nil {
		t.Fatal(err)
	}
	o.run(t)
	for i := range 50 {
		o.put(t, fmt.Sprintf("a%d@x.example", i))
	}
	seen := map[string]int{}
	for range 50 {
		seen[o.fate(t)]++
	}
	o.empty(t)
	if len(seen) != 50 || len(o.server.got) != 50 {
		t.Errorf("%d fates, %d messages", len(seen), len(o.server.got))
	}
}

func TestClassify(t *testing.T) {
	for raw, want := range map[string][2]bool{"Subject: x\r\n\r\ny": {false, false}, "Subject: x\r\n\r\né": {false, true}, "Subject: é\r\n\r\ny": {true, true}} {
		var e mail.Envelope
		if mail.Classify(&e, []byte(raw)); e.UTF8 != want[0] || e.EightBit != want[1] {
			t.Errorf("%q: %+v", raw, e)
		}
	}
	e := mail.Envelope{Recipients: []mail.Recipient{{Address: "é@x"}}}
	if mail.Classify(&e, nil); !e.UTF8 || e.EightBit {
		t.Errorf("%+v", e)
	}
}

func TestNewQueueRefuses(t *testing.T) {
	if _, err := mail.NewQueue(mail.QueueConfig{}); err == nil {
		t.Error("accepted")
	}
	o := newOutbox(t)
	if _, err := o.Put(mail.Envelope{From: "a@b"}, "", bytes.NewReader(nil)); err == nil || errors.Is(err, errDisk) {
		t.Errorf("without recipients: %v", err)
	}
}
