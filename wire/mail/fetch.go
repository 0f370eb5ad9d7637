package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// Fetched is what a mailbox tells of a message besides its bytes.
type Fetched struct {
	Mailbox     string // user@host/folder
	UIDValidity uint32
	UID         uint32
	Received    time.Time // INTERNALDATE
	Size        int64     // as the server states it
}

// FetchHandler takes messages that were fetched, one at a time.
type FetchHandler interface {
	// Receive takes a message: when it returns nil the message is durable. A Refusal of 5xx refuses it for good; after any other error it is offered
	// again. content ends in an error when the message breaks off or is larger than stated: nothing of it may be kept then. The same message may come
	// again after a crash and when the server renumbers.
	Receive(ctx context.Context, m Fetched, content io.Reader) error
	// Refused is told of a message that was not taken and why, before it is put aside; an error has it come again.
	Refused(ctx context.Context, m Fetched, why error) error
}

// FetchState remembers how far a mailbox was read. Save is durable when it returns; a mailbox never read has 0, 0.
type FetchState interface {
	Load(ctx context.Context, mailbox string) (uidValidity, lastUID uint32, err error)
	Save(ctx context.Context, mailbox string, uidValidity, lastUID uint32) error
}

// After is what becomes of a message once it is taken.
type After string

// What may become of it.
const (
	MarkSeen After = ""       // it stays, as read
	Move     After = "move"   // as read into FetchConfig.Done
	Delete   After = "delete" // it is gone
	Leave    After = "leave"  // it stays as it was, for mailboxes that others read too
)

// FetchConfig is how a mailbox at an operator is read. Addr, Login, Handler and State are required.
type FetchConfig struct {
	Addr     string // host:port
	Security Security
	TLS      *tls.Config
	Login    *Login
	Folder   string // INBOX where empty
	After    After
	Done     string // folder for messages that were taken
	Aside    string // folder for messages that were refused; they stay, as read, where it is empty
	Max      int64  // octets of a message; 40 MiB where 0
	Handler  FetchHandler
	State    FetchState
	Poll     time.Duration // how often to look where the server does not tell, and whether it is still there where it does; 5 minutes where 0
	Timeout  time.Duration // of an exchange; a minute where 0
	Transfer time.Duration // of a whole message; 10 minutes where 0
	Retry    time.Duration // before the first new attempt after a failure, doubling up to 64 times that; 5 seconds where 0
	Log      *slog.Logger
}

// Fetcher reads a mailbox over IMAP.
type Fetcher struct {
	c    FetchConfig
	name string // of the mailbox, to State and Handler
}

// NewFetcher checks the configuration.
func NewFetcher(c FetchConfig) (*Fetcher, error) {
	host, _, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return nil, fmt.Errorf("mail fetcher: address: %w", err)
	}
	if c.Login == nil || c.Handler == nil || c.State == nil {
		return nil, errors.New("mail fetcher: Login, Handler and State are required")
	}
	if err := checkAccess(c.Security, c.Login); err != nil {
		return nil, fmt.Errorf("mail fetcher: %w", err)
	}
	switch {
	case c.After == Move && c.Done == "":
		return nil, errors.New("mail fetcher: a folder to move messages to is required")
	case c.After != MarkSeen && c.After != Move && c.After != Delete && c.After != Leave:
		return nil, fmt.Errorf("mail fetcher: %q is not what can become of a message", string(c.After))
	}
	c.TLS = clientTLS(c.TLS, host)
	if c.Folder == "" {
		c.Folder = "INBOX"
	}
	c.Max = orSize(c.Max, 40<<20)
	for _, d := range []struct {
		to        *time.Duration
		otherwise time.Duration
	}{{&c.Poll, 5 * time.Minute}, {&c.Timeout, time.Minute}, {&c.Transfer, 10 * time.Minute}, {&c.Retry, 5 * time.Second}} {
		*d.to = time.Duration(orSize(int64(*d.to), int64(d.otherwise)))
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Fetcher{c: c, name: c.Login.User + "@" + host + "/" + c.Folder}, nil
}

// Run reads the mailbox until ctx ends. What fails is tried again, ever more slowly; what is under way when
// ctx ends breaks off, and comes again.
func (f *Fetcher) Run(ctx context.Context) error {
	wait := f.c.Retry
	for ctx.Err() == nil {
		took, err := f.session(ctx)
		if ctx.Err() != nil {
			break
		}
		if took {
			wait = f.c.Retry
		}
		f.c.Log.Warn("mailbox: connection ended", "mailbox", f.name, "error", err, "again", wait)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, 64*f.c.Retry)
	}
	return nil
}

// reading is one connection to the mailbox.
type reading struct {
	*Fetcher
	*imapclient.Client
	conn     net.Conn
	more     chan struct{} // has an element when the server told of messages
	validity uint32
	last     uint32 // UID of the last message dealt with
}

// session reads until something fails; took tells that a message was dealt with.
func (f *Fetcher) session(ctx context.Context) (took bool, err error) {
	conn, err := (&net.Dialer{Timeout: f.c.Timeout}).DialContext(ctx, "tcp", f.c.Addr)
	if err != nil {
		return false, err
	}
	r := &reading{Fetcher: f, conn: conn, more: make(chan struct{}, 1)}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if err := r.open(ctx); err != nil {
		return false, err
	}
	defer r.Client.Close()
	for {
		n, err := r.drain(ctx)
		took = took || n > 0
		if err == nil {
			err = r.rest(ctx)
		}
		if err != nil {
			return took, err
		}
	}
}

// within lets an exchange take so long.
func (r *reading) within(d time.Duration, exchange func() error) error {
	t := time.AfterFunc(d, func() { _ = r.conn.Close() })
	defer t.Stop()
	return exchange()
}

// open protects the connection, signs in and opens the folder.
func (r *reading) open(ctx context.Context) error {
	o := &imapclient.Options{TLSConfig: r.c.TLS, UnilateralDataHandler: &imapclient.UnilateralDataHandler{Mailbox: func(d *imapclient.UnilateralDataMailbox) {
		if d.NumMessages != nil {
			select {
			case r.more <- struct{}{}:
			default:
			}
		}
	}}}
	return r.within(r.c.Timeout, func() (err error) {
		if r.c.Security == TLS {
			cfg := r.c.TLS.Clone()
			cfg.NextProtos = []string{"imap"}
			r.Client = imapclient.New(tls.Client(r.conn, cfg), o)
		} else if r.Client, err = imapclient.NewStartTLS(r.conn, o); err != nil {
			return fmt.Errorf("STARTTLS: %w", err)
		}
		if err := r.signIn(ctx); err != nil {
			return fmt.Errorf("sign in: %w", err)
		}
		for _, folder := range []string{r.c.Done, r.c.Aside} {
			if folder != "" {
				_ = r.Create(folder, nil).Wait() // it may be there; where it cannot be made, moving will say so
			}
		}
		box, err := r.Select(r.c.Folder, nil).Wait()
		if err != nil {
			return fmt.Errorf("select: %w", err)
		}
		validity, last, err := r.c.State.Load(ctx, r.name)
		if err != nil {
			return fmt.Errorf("load state: %w", err)
		}
		if r.validity = box.UIDValidity; validity == box.UIDValidity {
			r.last = last
		}
		return nil
	})
}

func (r *reading) signIn(ctx context.Context) error {
	if r.c.Login.Mechanism == "LOGIN" {
		secret, err := r.c.Login.Secret(ctx)
		if err != nil {
			return err
		}
		return r.Login(r.c.Login.User, secret).Wait()
	}
	how, err := r.c.Login.client(ctx)
	if err != nil {
		return err
	}
	return r.Authenticate(how)
}

// drain deals with all messages that are there, oldest first. A mailbox that was never read, or whose numbers are new, is read from its unseen messages.
func (r *reading) drain(ctx context.Context) (n int, err error) {
	criteria := &imap.SearchCriteria{NotFlag: []imap.Flag{imap.FlagSeen, imap.FlagDeleted}}
	if r.last > 0 {
		criteria = &imap.SearchCriteria{UID: []imap.UIDSet{{imap.UIDRange{Start: imap.UID(r.last + 1)}}}, NotFlag: []imap.Flag{imap.FlagDeleted}}
	}
	var uids []imap.UID
	err = r.within(r.c.Timeout, func() error {
		found, err := r.UIDSearch(criteria, nil).Wait()
		if err == nil {
			uids = found.AllUIDs()
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("search: %w", err)
	}
	slices.Sort(uids)
	for _, uid := range uids {
		if uint32(uid) <= r.last { // "n:*" finds the last message even where it is before n [RFC 3501 6.4.8]
			continue
		}
		if err := ctx.Err(); err != nil {
			return n, err
		}
		if err := r.deal(ctx, uid); err != nil {
			return n, err
		}
		r.last = uint32(uid)
		n++
	}
	return n, nil
}

// deal takes or refuses one message, marks it, and only then remembers that it was dealt with.
func (r *reading) deal(ctx context.Context, uid imap.UID) error {
	m, err := r.describe(uid)
	if err != nil || m == nil {
		return err
	}
	var why error
	if m.Size > r.c.Max {
		why = &Refusal{Code: 552, Enhanced: [3]int{5, 3, 4}, Text: fmt.Sprintf("The message has %d bytes, at most %d are taken", m.Size, r.c.Max)}
	} else if why = r.receive(ctx, *m); why != nil && !Permanent(why) {
		return fmt.Errorf("take message %d: %w", uid, why)
	}
	if why != nil {
		if err := r.c.Handler.Refused(ctx, *m, why); err != nil {
			return fmt.Errorf("refuse message %d: %w", uid, err)
		}
	}
	if err := r.within(r.c.Timeout, func() error { return r.mark(uid, why != nil) }); err != nil {
		return fmt.Errorf("mark message %d: %w", uid, err)
	}
	if err := r.c.State.Save(ctx, r.name, r.validity, uint32(uid)); err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	return nil
}

// describe asks what a message is; nil where it is gone.
func (r *reading) describe(uid imap.UID) (*Fetched, error) {
	var out *Fetched
	err := r.within(r.c.Timeout, func() error {
		all, err := r.Fetch(imap.UIDSetNum(uid), &imap.FetchOptions{UID: true, RFC822Size: true, InternalDate: true}).Collect()
		for _, m := range all {
			if m.UID == uid {
				out = &Fetched{Mailbox: r.name, UIDValidity: r.validity, UID: uint32(uid), Received: m.InternalDate, Size: m.RFC822Size}
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("describe message %d: %w", uid, err)
	}
	return out, nil
}

var errNoContent = errors.New("the server gives no content")

// receive streams a message to the handler.
func (r *reading) receive(ctx context.Context, m Fetched) error {
	content := &literal{max: r.c.Max}
	taken := errNoContent
	err := r.within(r.c.Transfer, func() error {
		all := r.Fetch(imap.UIDSetNum(imap.UID(m.UID)), &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}}})
		for one := all.Next(); one != nil; one = all.Next() {
			for item := one.Next(); item != nil; item = one.Next() {
				b, ok := item.(imapclient.FetchItemDataBodySection)
				if !ok || b.Literal == nil || content.r != nil {
					continue
				}
				content.r, content.left = b.Literal, b.Literal.Size()
				taken = r.c.Handler.Receive(ctx, m, content)
				if content.broken != nil {
					return content.broken // nothing more is read: the library goes on where the literal ended
				}
			}
		}
		return all.Close()
	})
	if content.broken != nil || taken != nil && !Permanent(taken) && err != nil {
		return err
	}
	return taken // nil: it is durable, whatever became of the connection
}

// literal is the content of a message. The library ends it like a whole one when the connection does, so the octets are counted.
type literal struct {
	r         io.Reader
	left, max int64
	broken    error // what ended it before its end
}

func (l *literal) Read(b []byte) (int, error) {
	if l.broken != nil {
		return 0, l.broken
	}
	if l.left > l.max {
		return 0, &Refusal{Code: 552, Enhanced: [3]int{5, 3, 4}, Text: fmt.Sprintf("The message has more than %d bytes", l.max)}
	}
	n, err := l.r.Read(b)
	l.left -= int64(n)
	l.max -= int64(n)
	if err == io.EOF && l.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != io.EOF {
		l.broken = err
	}
	return n, err
}

// mark does with a message what is to become of it.
func (r *reading) mark(uid imap.UID, refused bool) error {
	set := imap.UIDSetNum(uid)
	flag := func(f imap.Flag) error {
		return r.Store(set, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{f}}, nil).Close()
	}
	what, to := r.c.After, r.c.Done
	if refused {
		if what, to = Move, r.c.Aside; to == "" {
			what = MarkSeen // nobody loses what was not taken
		}
	}
	switch what {
	case Leave:
		return nil
	case MarkSeen:
		return flag(imap.FlagSeen)
	case Delete:
		return r.expunge(set, flag)
	}
	if err := flag(imap.FlagSeen); err != nil {
		return err
	}
	if r.Caps().Has(imap.CapMove) {
		_, err := r.Client.Move(set, to).Wait()
		return err
	}
	// The library's own way around a server without MOVE would delete before it knows that the copy is made.
	if _, err := r.Copy(set, to).Wait(); err != nil {
		return err
	}
	return r.expunge(set, flag)
}

// expunge removes a message. Where the server cannot remove one alone it stays marked as deleted: others may have marked theirs.
func (r *reading) expunge(set imap.UIDSet, flag func(imap.Flag) error) error {
	if err := flag(imap.FlagDeleted); err != nil {
		return err
	}
	if r.Caps().Has(imap.CapUIDPlus) {
		return r.UIDExpunge(set).Close()
	}
	return nil
}

// rest waits until the server tells of messages, or for a while.
func (r *reading) rest(ctx context.Context) error {
	if !r.Caps().Has(imap.CapIdle) {
		if err := r.pause(ctx); err != nil {
			return err
		}
		return r.within(r.c.Timeout, func() error { return r.Noop().Wait() })
	}
	var idle *imapclient.IdleCommand
	err := r.within(r.c.Timeout, func() (err error) { idle, err = r.Idle(); return err })
	if err != nil {
		return fmt.Errorf("idle: %w", err)
	}
	paused := r.pause(ctx)
	return errors.Join(paused, r.within(r.c.Timeout, func() error {
		if err := idle.Close(); err != nil {
			return err
		}
		return idle.Wait()
	}))
}

func (r *reading) pause(ctx context.Context) error {
	t := time.NewTimer(r.c.Poll)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-r.Closed():
		return errors.New("the server closed the connection")
	case <-r.more:
	case <-t.C:
	}
	return nil
}
