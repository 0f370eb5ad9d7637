package conformance

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Audit receives the audit records of the system under test: syslog messages over TCP, each preceded by its length (RFC 6587).
type Audit struct {
	ln net.Listener

	mu       sync.Mutex
	messages []record
	changed  chan struct{} // closed when a message comes
	conns    map[net.Conn]bool
	wg       sync.WaitGroup
	whole    bool // nothing more comes
}

// record is one audit message: what the checks look at.
type record struct {
	transaction string
	outcome     string
	text        string // everything, with base64 values decoded beside
	raw         string // as it came
	came        time.Time
}

// ListenAudit opens the receiver; Close ends it.
func ListenAudit(addr string) (*Audit, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	a := &Audit{ln: ln, changed: make(chan struct{}), conns: map[net.Conn]bool{}}
	a.wg.Go(a.accept)
	return a, nil
}

// Address is where it listens.
func (a *Audit) Address() string { return a.ln.Addr().String() }

// Close ends it.
func (a *Audit) Close() {
	_ = a.ln.Close()
	a.mu.Lock()
	for c := range a.conns {
		_ = c.Close()
	}
	a.mu.Unlock()
	a.wg.Wait()
}

func (a *Audit) accept() {
	for {
		c, err := a.ln.Accept()
		if err != nil {
			return
		}
		a.mu.Lock()
		a.conns[c] = true
		a.mu.Unlock()
		a.wg.Go(func() {
			defer c.Close()
			a.receive(bufio.NewReader(c))
		})
	}
}

func (a *Audit) receive(r *bufio.Reader) {
	for {
		length, err := r.ReadString(' ')
		if err != nil {
			return
		}
		n, err := strconv.Atoi(strings.TrimSpace(length))
		if err != nil || n < 0 || n > 16<<20 {
			return
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(r, b); err != nil {
			return
		}
		a.take(string(b), time.Now())
	}
}

// take adds a message that came.
func (a *Audit) take(text string, came time.Time) {
	rec, err := readRecord(text)
	rec.came = came.Round(0).UTC() // as it is in evidence
	if a == nil || err != nil {
		return
	}
	a.mu.Lock()
	a.messages = append(a.messages, rec)
	close(a.changed)
	a.changed = make(chan struct{})
	a.mu.Unlock()
}

// readRecord reads an RFC 5424 message that holds a DICOM audit message.
func readRecord(text string) (record, error) {
	at := strings.Index(text, "<AuditMessage")
	if at < 0 {
		return record{}, errors.New("no AuditMessage")
	}
	root, err := readXML([]byte(text[at:]))
	if err != nil {
		return record{}, err
	}
	event := root.kid("EventIdentification")
	rec := record{outcome: event.attr("EventOutcomeIndicator"), text: text[at:], raw: text}
	for _, t := range event.kids("EventTypeCode") {
		rec.transaction = t.attr("csd-code")
	}
	decode := func(s string) {
		if b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(s)); err == nil {
			rec.text += "\n" + string(b)
		}
	}
	for _, o := range root.kids("ParticipantObjectIdentification") {
		decode(o.kid("ParticipantObjectQuery").text())
		for _, d := range o.kids("ParticipantObjectDetail") {
			decode(d.attr("value"))
		}
	}
	return rec, nil
}

// count is how many messages have come; a nil receiver has none.
func (a *Audit) count() int {
	if a == nil {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.messages)
}

// at is the i-th message.
func (a *Audit) at(i int) record {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.messages[i]
}

// wait waits for a message from the from-th on that is wanted, and gives its index.
func (a *Audit) wait(ctx context.Context, from int, limit time.Duration, wanted func(int, record) bool) (int, bool) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		a.mu.Lock()
		for i := from; i < len(a.messages); i++ {
			if wanted(i, a.messages[i]) {
				a.mu.Unlock()
				return i, true
			}
		}
		from = len(a.messages)
		changed := a.changed
		a.mu.Unlock()
		if a.whole {
			return 0, false
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, false
		}
	}
}
