package intake

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-message"
	"github.com/emersion/go-message/textproto"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/wire/receipt"
	"github.com/passerelle-sante/passerelle/xds"
)

// retryFirst and retryLast bound how long a message waits when the fault is ours: the store cannot be reached, the disk is full.
const (
	retryFirst = 5 * time.Second
	retryLast  = 10 * time.Minute
)

// Run deals with what is in the spool until ctx ends, and is done when the messages under way are.
func (m *Mailbox) Run(ctx context.Context) error {
	work, judged := make(chan string), make(chan *judgement, concludedAtOnce)
	under := context.WithoutCancel(ctx)
	var workers, last sync.WaitGroup
	for range m.cfg.Workers {
		workers.Go(func() {
			for id := range work {
				if j, err := m.judgeOne(under, id); j != nil {
					judged <- j
				} else {
					m.left(id, err)
				}
			}
		})
	}
	last.Go(func() { m.concludeAll(under, judged) })
	defer last.Wait()
	defer close(judged)
	defer workers.Wait()
	defer close(work)
	for {
		ids, err := m.cfg.Spool.List(Fresh)
		if err != nil {
			return fmt.Errorf("list the spool: %w", err)
		}
		for _, id := range ids {
			if !m.take(id) {
				continue
			}
			select {
			case work <- id:
			case <-ctx.Done():
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-m.cfg.Spool.More():
		case <-time.After(m.nextTry()):
		}
	}
}

// take gives a message to the caller, unless a worker has it or its time has not come.
func (m *Mailbox) take(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.taken[id] || m.cfg.Clock().Before(m.later[id].at) {
		return false
	}
	m.taken[id] = true
	return true
}

// nextTry is how long until a message that failed is due again.
func (m *Mailbox) nextTry() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	wait := time.Minute
	for id, r := range m.later {
		if !m.taken[id] {
			wait = min(wait, r.at.Sub(m.cfg.Clock()))
		}
	}
	return max(wait, 10*time.Millisecond)
}

// left notes that nobody has a message any more; what failed on our side is tried again.
func (m *Mailbox) left(id string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.taken, id)
	if err == nil {
		delete(m.later, id)
		return
	}
	wait := retryFirst
	if before, ok := m.later[id]; ok {
		wait = min(retryLast, 2*before.wait)
	}
	m.later[id] = retry{m.cfg.Clock().Add(wait), wait}
	m.cfg.Log.Error("a message waits", "message", id, "again_in", wait, "error", err)
}

// letter is a message being dealt with.
type letter struct {
	id     string
	head   Head
	raw    []byte
	header textproto.Header // empty where it cannot be read
	from   string           // address, lower case
	digest [32]byte
	trust  trust
	said   textproto.Header // what the sender says of his documents, as far as whatever vouches for him vouches for that
	size   int
	mic    string // digest of what was signed, for a sender who asks for it
}

// large is the size in octets from which a message gives memory back between the steps: what the collector would leave for later is many times the message.
const large = 4 << 20

func (l *letter) breathe() {
	if l.size >= large {
		debug.FreeOSMemory()
	}
}

// ending is what became of a letter.
type ending struct {
	outcome Outcome
	refusal *Refusal
	again   bool // it was in the record before: nobody is told twice
	patient hl7.CX
	sets    []xds.UniqueID
}

func (e *ending) reason() string {
	if e.refusal == nil {
		return ""
	}
	return string(e.refusal.Code)
}

// judgement is a letter whose documents are in the record, or that was refused; what is left is to say so.
type judgement struct {
	l     *letter
	end   *ending
	known source
	began time.Time
	done  func() // lets copies of the same message in, and others into memory
	err   error  // of concluding it
}

// source is how the ledger knows a message.
type source int

const (
	unknown source = iota
	copied         // it came before: in the record of audit and nowhere else
	revived        // a power cut brought it back after it was dealt with: nobody is told again
)

// judgeOne takes a message as far as the record. An error means that it is still there and will be dealt with again: each step may be done twice.
func (m *Mailbox) judgeOne(ctx context.Context, id string) (*judgement, error) {
	j := &judgement{began: m.cfg.Clock()}
	l, room, err := m.load(ctx, id)
	if errors.Is(err, ErrGone) {
		return nil, nil // it was listed before another worker was done with it
	}
	if err != nil {
		return nil, err
	}
	next := m.alone(l.digest)
	j.l, j.done = l, func() { next(); room() }
	known, ok, err := m.cfg.Ledger.Find(ctx, l.digest)
	switch {
	case err != nil:
		err = fmt.Errorf("look up the ledger: %w", err)
	case ok && known.Message == id && known.Outcome != SetAside && known.Outcome != Discarded:
		j.known, j.end = revived, &ending{outcome: known.Outcome, again: true}
	case ok && known.Message != id && known.Outcome != Discarded:
		j.known, j.end = copied, &ending{outcome: known.Outcome, again: true}
	default:
		j.end, err = m.judge(ctx, l)
	}
	if err != nil {
		j.done()
		return nil, err
	}
	return j, nil
}

// concludedAtOnce bounds the letters that are concluded together.
const concludedAtOnce = 64

// concludeAll concludes what is judged until no more comes: all that came while the disk was busy with those before.
func (m *Mailbox) concludeAll(ctx context.Context, judged <-chan *judgement) {
	for j := range judged {
		batch := []*judgement{j}
		for more := true; more && len(batch) < concludedAtOnce; {
			select {
			case j, more = <-judged:
				if more {
					batch = append(batch, j)
				}
			default:
				more = false
			}
		}
		m.conclude(ctx, batch)
		for _, j := range batch {
			m.left(j.l.id, j.err)
		}
	}
}

// conclude takes letters to their end: recorded, answered, noted, gone from Fresh. Letters that wait for the disk together share its flushes.
func (m *Mailbox) conclude(ctx context.Context, batch []*judgement) {
	var wg sync.WaitGroup
	for _, j := range batch {
		wg.Go(func() { j.err = m.tell(ctx, j) })
	}
	wg.Wait()
	var notes []Note
	for _, j := range batch {
		if j.err == nil && j.known == unknown {
			notes = append(notes, Note{j.l.digest, Entry{Message: j.l.id, Time: m.cfg.Clock(), Outcome: j.end.outcome}})
		}
	}
	var err error
	if len(notes) > 0 {
		err = m.cfg.Ledger.Note(ctx, notes...)
	}
	for _, j := range batch {
		if j.err == nil && j.known == unknown && err != nil {
			j.err = fmt.Errorf("note in the ledger: %w", err)
		}
		if j.err == nil {
			j.err = m.letGo(ctx, j)
		}
		j.done()
	}
}

// tell keeps the audit record of a letter and answers whoever asked to be told.
func (m *Mailbox) tell(ctx context.Context, j *judgement) error {
	if j.known == revived {
		return nil
	}
	if err := m.record(ctx, j.l, j.end); err != nil || j.known == copied {
		return err
	}
	if j.end.outcome == SetAside && j.l.head.By != "" {
		return nil // refused again after an operator let it go on: the sender knows already
	}
	if err := m.answer(ctx, j.l, j.end); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	return nil
}

// letGo takes a letter out of Fresh: into quarantine, or away.
func (m *Mailbox) letGo(ctx context.Context, j *judgement) (err error) {
	l, end := j.l, j.end
	if end.outcome == SetAside && !end.again {
		l.head.Held, l.head.From, l.head.Size, l.head.Digest = end.refusal, l.from, int64(l.size), hex.EncodeToString(l.digest[:])
		l.head.Despite, l.head.By = nil, ""
		err = m.cfg.Spool.Move(Fresh, Held, l.id, &l.head)
	} else {
		err = m.cfg.Spool.Drop(Fresh, l.id)
	}
	if err != nil {
		return fmt.Errorf("take out of the spool: %w", err)
	}
	took := m.cfg.Clock().Sub(j.began)
	m.cfg.Ended(end.outcome, Code(end.reason()), took)
	m.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "mail", slog.String("message", l.id), slog.String("via", l.head.Via), slog.String("node", l.head.Envelope.Peer.Name),
		slog.String("mode", string(l.trust.mode)), slog.String("outcome", string(end.outcome)), slog.Bool("again", end.again), slog.String("reason", end.reason()),
		slog.Int("bytes", l.size), slog.Duration("duration", took))
	return nil
}

// judge takes a letter through every step up to the record. A refusal ends in quarantine; an error is ours.
func (m *Mailbox) judge(ctx context.Context, l *letter) (*ending, error) {
	if l.head.Envelope.From == "" || automatic(l.header) {
		return m.receipt(ctx, l)
	}
	end := &ending{outcome: Deposited}
	err := m.deposit(ctx, l, end)
	if r := asRefusal(err); r != nil {
		end.outcome, end.refusal, err = SetAside, r, nil
		if len(r.Details) > maxDetails {
			r.Details = append(r.Details[:maxDetails:maxDetails], fmt.Sprintf("and %d more", len(r.Details)-maxDetails))
		}
	}
	return end, err
}

// receipt hands over what came back about mail of ours. What is automatic and about nothing of ours is set aside and never answered.
func (m *Mailbox) receipt(ctx context.Context, l *letter) (*ending, error) {
	if m.cfg.Receipts != nil {
		if ours, err := m.cfg.Receipts.Receipt(ctx, l.raw); err != nil || ours {
			return &ending{outcome: Noted}, err
		}
	}
	return &ending{outcome: SetAside, refusal: &Refusal{Code: AutomaticMail}}, nil
}

// deposit opens, unpacks and judges a letter, and puts what it holds into the record.
func (m *Mailbox) deposit(ctx context.Context, l *letter, end *ending) error {
	parts, err := m.open(ctx, l)
	if err != nil {
		return err
	}
	c := m.caller(l)
	parcels, err := m.unpack(l, parts)
	if err != nil {
		return err
	}
	l.breathe()
	if end.patient, err = m.examine(ctx, c, l, parcels); err != nil {
		return err
	}
	l.breathe()
	for i := range parcels {
		end.sets = append(end.sets, parcels[i].sub.Set.UniqueID)
		deposit := m.provide
		if parcels[i].removes {
			deposit = m.remove
		}
		if err := deposit(ctx, c, &parcels[i]); err != nil {
			return err
		}
	}
	return nil
}

// load reads a message and what identifies it: sender, time, id and body, for what relays add on the way is not the same twice.
// It waits until there is room for it; the function it gives makes room again.
func (m *Mailbox) load(ctx context.Context, id string) (l *letter, done func(), err error) {
	l = &letter{id: id}
	content, size, err := m.cfg.Spool.Get(Fresh, id, &l.head)
	if err != nil {
		return nil, nil, err
	}
	defer content.Close()
	if size > m.cfg.MaxMessage {
		return nil, nil, fmt.Errorf("a message of %d bytes in the spool, at most %d are read", size, m.cfg.MaxMessage)
	}
	weight := min(size, m.cfg.InFlight)
	if err := m.room.Acquire(ctx, weight); err != nil {
		return nil, nil, err
	}
	done = func() { m.room.Release(weight) }
	l.raw, l.size = memory(int(size)), int(size)
	if _, err := io.ReadFull(content, l.raw); err != nil {
		done()
		return nil, nil, fmt.Errorf("read the message: %w", err)
	}
	head, body := split(l.raw)
	if l.header, err = textproto.ReadHeader(bufio.NewReader(io.MultiReader(bytes.NewReader(head), strings.NewReader("\r\n\r\n")))); err != nil {
		l.header, body = textproto.Header{}, l.raw
	}
	l.from = address(l.header.Get("From"))
	if strings.HasPrefix(l.head.Via, "imap:") { // whoever delivered it there noted the reverse path
		l.head.Envelope.From = cmp.Or(strings.Trim(l.header.Get("Return-Path"), "<> "), l.from)
	}
	h := sha256.New()
	for _, field := range []string{"From", "Date", "Message-Id"} {
		fmt.Fprintf(h, "%q\n", l.header.Get(field))
	}
	h.Write(body)
	h.Sum(l.digest[:0])
	return l, done, nil
}

// memories are used again: what a message lay in that was encrypted, up to maxMemory octets.
var memories sync.Pool

const maxMemory = 1 << 20

// memory is for a message of so many octets.
func memory(size int) []byte {
	if b, ok := memories.Get().(*[]byte); ok && cap(*b) >= size {
		return (*b)[:size]
	}
	return make([]byte, size)
}

// forget lets go of the bytes of a message. Nothing may lie in them any more.
func (l *letter) forget() {
	if cap(l.raw) <= maxMemory {
		raw := l.raw
		memories.Put(&raw)
	}
	l.raw = nil
}

// maxHeader is as far as the header of a message is looked for, in octets.
const maxHeader = 256 << 10

func split(raw []byte) (head, body []byte) {
	in := raw[:min(len(raw), maxHeader)]
	for _, end := range []string{"\r\n\r\n", "\n\n"} {
		if i := bytes.Index(in, []byte(end)); i >= 0 {
			return raw[:i], raw[i+len(end):]
		}
	}
	return nil, raw
}

// alone waits until no other worker has a message with these bytes; the function it gives lets the next one in.
func (m *Mailbox) alone(digest [32]byte) func() {
	for {
		m.mu.Lock()
		other, ok := m.busy[digest]
		if !ok {
			done := make(chan struct{})
			m.busy[digest] = done
			m.mu.Unlock()
			return func() {
				m.mu.Lock()
				delete(m.busy, digest)
				m.mu.Unlock()
				close(done)
			}
		}
		m.mu.Unlock()
		<-other
	}
}

// automatic tells what programs send about mail: bounces, notifications, replies. It is no deposit. A laboratory's system that sends of its own accord says
// auto-generated and is welcome [RFC 3834 5].
func automatic(h textproto.Header) bool {
	submitted, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(h.Get("Auto-Submitted"))), ";")
	return strings.TrimSpace(submitted) == "auto-replied" || receipt.IsReport(message.Header{Header: h}) || strings.TrimSpace(h.Get("Return-Path")) == "<>"
}
