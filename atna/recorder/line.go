package recorder

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/wire/syslog"
)

// line is one connection to a destination and what it took.
type line struct {
	r      *Recorder
	i      int
	d      Destination
	c      *syslog.Conn
	cursor uint64 // delivered for certain
	sent   uint64 // written
	taken  []mark // written, not yet settled
	deaf   int    // ends of connections in a row that the repository did not answer
	xml    []byte
	body   []byte
}

// mark says that everything up to seq was written at a moment.
type mark struct {
	seq uint64
	at  time.Time
}

// errIdle tells that the repository closed a connection that owed nothing: no failure, the next record opens another.
var errIdle = errors.New("closed while idle")

// drainTime is what a repository is given to read the rest when we stop.
const drainTime = 5 * time.Second

// run streams until the connection breaks (an error), ends in good order (nil), the log fails (a *logError) or ctx ends (nil). Nothing is dialled before there is
// something to say.
func (l *line) run(ctx context.Context) error {
	l.sent = l.cursor
	if err := l.r.cfg.Log.Wait(ctx, l.cursor); err != nil {
		return l.logFailed(ctx, err)
	}
	c, err := syslog.Dial(ctx, l.d.Target)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() {
		_ = c.Close()
		l.r.note(l.i, func(s *Status) { s.Connected = false })
	}()
	l.c = c
	l.r.note(l.i, func(s *Status) { s.Connected, s.LastError = true, "" })
	for ctx.Err() == nil {
		entries, err := l.r.cfg.Log.From(ctx, l.sent, l.r.cfg.Batch)
		if err != nil {
			return l.logFailed(ctx, err)
		}
		if len(entries) > 0 {
			err = l.send(ctx, entries)
		} else {
			err = l.rest(ctx)
		}
		switch {
		case err == errIdle || err == errAsked:
			return nil
		case err != nil:
			return err
		}
	}
	return l.end(ctx)
}

func (l *line) logFailed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return &logError{fmt.Errorf("read the audit log: %w", err)}
}

// send writes a batch. What was written before and has settled counts as delivered.
func (l *line) send(ctx context.Context, entries []Entry) error {
	var err error
	if l.d.Target.Network == "udp" {
		err = l.datagrams(entries)
	} else {
		err = l.c.Send(l.messages(entries)...)
	}
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	l.sent = entries[len(entries)-1].Seq
	l.taken = append(l.taken, mark{l.sent, time.Now()})
	if l.d.Target.Network == "udp" {
		return l.settle(ctx, time.Now(), 0)
	}
	return l.settle(ctx, time.Now(), l.r.cfg.Settle)
}

func (l *line) messages(entries []Entry) [][]byte {
	msgs := make([][]byte, len(entries))
	for i, e := range entries {
		msgs[i] = l.message(nil, e.Message)
	}
	return msgs
}

// hand gives records to a repository in this process, which says when it has them.
func (l *line) hand(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := l.r.cfg.Log.Wait(ctx, l.cursor); err != nil {
			return l.logFailed(ctx, err)
		}
		entries, err := l.r.cfg.Log.From(ctx, l.cursor, l.r.cfg.Batch)
		if err != nil {
			return l.logFailed(ctx, err)
		}
		if len(entries) == 0 {
			continue
		}
		if err := l.d.Keep(ctx, l.messages(entries)); err != nil {
			return fmt.Errorf("hand over: %w", err)
		}
		if err := l.advance(ctx, entries[len(entries)-1].Seq); err != nil {
			return err
		}
		l.r.note(l.i, func(s *Status) { s.Connected, s.LastError = true, "" })
	}
	return nil
}

// datagrams sends one by one. A record that fits no datagram would hold up all others for ever: it is told loudly and passed over.
func (l *line) datagrams(entries []Entry) error {
	for _, e := range entries {
		l.body = l.message(l.body[:0], e.Message)
		err := l.c.Send(l.body)
		switch {
		case errors.Is(err, syslog.ErrTooLong):
			l.r.note(l.i, func(s *Status) { s.Unsendable++ })
			l.r.cfg.Logger.Error("audit record kept back", "destination", l.d.Name, "seq", e.Seq, "error", err)
		case err != nil:
			return err
		}
	}
	return nil
}

// message is the record as RFC 5424 carries it [ITI-20 3.20.4.1.2].
func (l *line) message(dst []byte, m *atna.AuditMessage) []byte {
	l.xml = atna.AppendXML(l.xml[:0], m)
	cfg := &l.r.cfg
	return syslog.Append(dst, &syslog.Message{Priority: syslog.DefaultPriority, Time: m.EventIdentification.EventDateTime, Hostname: cfg.Hostname,
		AppName: cfg.AppName, ProcID: cfg.ProcID, MsgID: syslog.DefaultMsgID, BOM: true, Body: l.xml})
}

// settle advances the cursor over what was written at least age ago, provided that the receiver has not hung up. Over TLS it asks to be sure.
func (l *line) settle(ctx context.Context, now time.Time, age time.Duration) error {
	select {
	case <-l.c.Gone():
		return errors.New("the repository closed the connection")
	default:
	}
	n := 0
	for n < len(l.taken) && now.Sub(l.taken[n].at) >= age {
		n++
	}
	if n == 0 {
		return nil
	}
	if l.certain() {
		return l.ask(ctx)
	}
	seq := l.taken[n-1].seq
	l.taken = append(l.taken[:0], l.taken[n:]...)
	return l.advance(ctx, seq)
}

// certain tells whether the way says when the repository has read everything: over TLS the end of a connection cannot be mistaken for a crash.
func (l *line) certain() bool { return l.d.Target.Network == "tls" && l.deaf < maxDeaf }

// maxDeaf is how often in a row a repository may leave the end of a connection unanswered before we stop asking.
const maxDeaf = 3

// errAsked tells that the connection was ended in good order to learn that everything arrived: the next record opens another.
var errAsked = errors.New("ended to be certain")

// ask ends the connection and waits for the repository to end it too, which it does once it has read everything.
func (l *line) ask(ctx context.Context) error {
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	err := l.c.Drain(wait)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		if l.deaf++; l.deaf == maxDeaf {
			l.r.cfg.Logger.Warn("the audit repository does not answer the end of a connection: what a connection took counts as delivered when it stays open",
				"destination", l.d.Name, "settle", l.r.cfg.Settle)
		}
		return fmt.Errorf("the repository did not read everything within %s", drainTime)
	case err != nil:
		return fmt.Errorf("the repository broke off: %w", err)
	}
	l.deaf = 0
	if err := l.advance(ctx, l.sent); err != nil {
		return err
	}
	return errAsked
}

func (l *line) advance(ctx context.Context, seq uint64) error {
	if err := l.r.cfg.Log.SetCursor(context.WithoutCancel(ctx), l.d.Name, seq); err != nil {
		return l.logFailed(ctx, err)
	}
	l.cursor = seq
	l.r.note(l.i, func(s *Status) { s.Delivered = seq })
	return nil
}

// rest waits for something to do: a new entry, the moment when the oldest mark settles, or the receiver's end.
func (l *line) rest(ctx context.Context) error {
	wait, cancel := context.WithCancel(ctx)
	defer cancel()
	if len(l.taken) > 0 {
		wait, cancel = context.WithDeadline(wait, l.taken[0].at.Add(l.r.cfg.Settle))
		defer cancel()
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-l.c.Gone():
			cancel()
		case <-wait.Done():
		}
	}()
	err := l.r.cfg.Log.Wait(wait, l.sent)
	woken := wait.Err() != nil
	cancel()
	<-watched
	if err != nil && !woken {
		return l.logFailed(ctx, err)
	}
	if ctx.Err() != nil {
		return nil
	}
	select {
	case <-l.c.Gone():
		if len(l.taken) == 0 {
			return errIdle
		}
	default:
	}
	return l.settle(ctx, time.Now(), l.r.cfg.Settle)
}

// end closes in good order: once the repository has read everything and closed its side, the cursor is exact.
func (l *line) end(ctx context.Context) error {
	if len(l.taken) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err := l.c.Drain(ctx); err != nil {
		return nil // not certain: the next start sends it again
	}
	return l.advance(ctx, l.taken[len(l.taken)-1].seq)
}
