// Package intake is the mailbox actor: mail that a laboratory deposits becomes a submission through the same verb as ITI-41, or is set aside with its full reason
// until somebody decides. It knows messages, archives and clinical documents; who carries mail and where it is kept are others'.
//
// # The way of a message
//
//	Receive    durable in the spool, then acknowledged to whoever brought it
//	open       decrypt, verify, and hold the result against what is agreed with the sender's domain
//	unpack     IHE_XDM.ZIP, bare CDA, or PDF with headers: submissions and the bytes of their documents
//	judge      one patient, valid documents, metadata that say what the documents say
//	deposit    ProvideAndRegister, with its gate and its audit
//	answer     what the sender asked for, once
//
// What happens to a message is noted in a ledger by the digest of its bytes before the message leaves the spool: after a crash the work goes on where it
// stood, and the same message come again is not deposited again.
package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/mail"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/cda/validate"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/smime"
	wiremail "github.com/passerelle-sante/passerelle/wire/mail"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
	"github.com/passerelle-sante/passerelle/xds/xdm"
)

// Folder is where a message of the spool is.
type Folder string

// The folders: Fresh is accepted and not dealt with, Held is set aside with a reason.
const (
	Fresh Folder = "new"
	Held  Folder = "held"
)

// ErrGone tells that a message is not, or no longer, in a folder of the spool.
var ErrGone = errors.New("there is no such message")

// Spool keeps messages that were accepted. What Put and Move acknowledge survives a crash.
type Spool interface {
	Put(h *Head, content io.Reader) (id string, err error)
	List(in Folder) ([]string, error)
	Get(in Folder, id string, h *Head) (content io.ReadCloser, size int64, err error) // ErrGone
	Move(from, to Folder, id string, h *Head) error
	Remove(in Folder, id string) error
	Drop(in Folder, id string) error // Remove without waiting for the disk: a power cut may bring the message back
	More() <-chan struct{}           // has an element when something came to Fresh
}

// Ledger remembers what became of messages, by the SHA-256 of their bytes, for as long as the same message may come again.
type Ledger interface {
	Find(ctx context.Context, digest [32]byte) (Entry, bool, error)
	Note(ctx context.Context, all ...Note) error // all or none
}

// Note is an entry for the message of a digest.
type Note struct {
	Digest [32]byte
	Entry
}

// Entry is what became of a message. Message is its name in the spool: another name with the same digest is the same message come again.
type Entry struct {
	Message string
	Time    time.Time
	Outcome Outcome
}

// Outcome is how a message ended.
type Outcome string

// The outcomes.
const (
	Deposited Outcome = "deposited" // its documents are in the record
	SetAside  Outcome = "held"      // it waits in quarantine
	Noted     Outcome = "noted"     // a receipt for something we sent
	Discarded Outcome = "discarded" // an operator removed it
)

// Submitter is the verb of ITI-41, with its gate and its audit: documents are the contents by the ids of their entries. Its error is an xds.Errors with
// everything that was found.
type Submitter interface {
	ProvideAndRegister(ctx context.Context, c auth.Caller, sub *xds.Submission, docs []Document) (xds.Errors, error)
}

// Document is the content of an entry of a submission.
type Document struct {
	Entry xds.ObjectID
	Open  func() (io.ReadCloser, error)
}

// Record answers what a deposit must know of what is there already.
type Record interface {
	// Entries finds the document entries of a unique id, the newest last.
	Entries(ctx context.Context, c auth.Caller, id xds.UniqueID) ([]xds.DocumentEntry, error)
	// Resolve gives the identifier that the record of a patient is kept under: the identifier itself, or the national one a local one belongs to.
	Resolve(ctx context.Context, c auth.Caller, id hl7.CX) (hl7.CX, bool, error)
}

// Outbox sends mail. When Send returns nil the mail will go out, whatever happens. Name makes the same mail handed over twice one mail.
type Outbox interface {
	Send(ctx context.Context, name, to string, raw []byte) error
}

// Receipts takes what comes back about mail that we sent. It tells whether it was about any.
type Receipts interface {
	Receipt(ctx context.Context, raw []byte) (bool, error)
}

// Config is what a Mailbox needs. Optional are Receipts, Outbox (then nobody is answered) and Log.
type Config struct {
	Addresses      []string        // ours, in lower case; the first signs answers
	Correspondents []Correspondent // whose mail is taken
	Spool          Spool
	Ledger         Ledger
	Submitter      Submitter
	Record         Record
	Remover        Remover // nil: documents are not removed by mail
	Outbox         Outbox
	Receipts       Receipts
	Open           smime.Options // keys and trust; Received is set for each message
	Sign           func(entity []byte) ([]byte, error)
	Schema         ebxml.Schema // judges the metadata that the decoder cannot vouch for
	Validate       validate.Options
	Lenient        bool // documents with findings of severity error are taken all the same, fatal ones never
	PDF            PDFDefaults
	Archive        xdm.Limits
	MaxMessage     int64 // octets; 40 MiB where 0
	Workers        int   // messages dealt with at once; 64 where 0: they wait for the disk more than for a processor
	MaxHeld        int   // messages in quarantine beyond which no more are accepted; 10,000 where 0
	InFlight       int64 // octets of the messages dealt with at once, which bounds the memory; 128 MiB where 0
	SourceID       xds.OID
	CheckINS       func(id hl7.CX) error // what is wrong with a national identifier; nil for one of another authority
	Audit          atna.Recorder
	Events         *atna.Reporter
	Agent          string // as we name ourselves in answers: host; software
	Clock          func() time.Time
	Ended          func(o Outcome, reason Code, took time.Duration) // hears of every message that was dealt with; may be nil
	Log            *slog.Logger
}

// PDFDefaults are what is asked of PDFs, and the codes of one that comes without metadata: what its sender's headers do not say.
type PDFDefaults struct {
	Format, Facility, Practice, Confidentiality, ContentType xds.Code
	Language                                                 string
	Archival                                                 bool // a PDF that is no PDF/A-1, as far as that is judged, is refused
}

// Mailbox is the actor. It is safe for concurrent use.
type Mailbox struct {
	cfg   Config
	mu    sync.Mutex
	room  *semaphore.Weighted        // for the octets of messages
	busy  map[[32]byte]chan struct{} // messages being dealt with, by digest: two copies at once are one after the other
	taken map[string]bool            // messages that a worker has, by name
	later map[string]retry           // messages to try again

	aside  int // in quarantine, when it was counted last
	looked time.Time
}

// retry is when a message is due again, and how long it waits.
type retry struct {
	at   time.Time
	wait time.Duration
}

// New checks the configuration.
func New(cfg Config) (*Mailbox, error) {
	switch {
	case cfg.Spool == nil, cfg.Ledger == nil, cfg.Submitter == nil, cfg.Record == nil, cfg.Audit == nil, cfg.Events == nil, cfg.Clock == nil:
		return nil, errors.New("mailbox: Spool, Ledger, Submitter, Record, Audit, Events and Clock are required")
	case len(cfg.Addresses) == 0:
		return nil, errors.New("mailbox: an address is due")
	}
	for i := range cfg.Correspondents {
		if err := cfg.Correspondents[i].Check(); err != nil {
			return nil, err
		}
	}
	if cfg.MaxMessage == 0 {
		cfg.MaxMessage = 40 << 20
	}
	if cfg.Workers == 0 {
		cfg.Workers = 64
	}
	if cfg.MaxHeld == 0 {
		cfg.MaxHeld = 10_000
	}
	if cfg.InFlight == 0 {
		cfg.InFlight = 128 << 20
	}
	if cfg.Schema == nil {
		return nil, errors.New("mailbox: Schema is required")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Ended == nil {
		cfg.Ended = func(Outcome, Code, time.Duration) {}
	}
	if cfg.CheckINS == nil {
		cfg.CheckINS = func(hl7.CX) error { return nil }
	}
	return &Mailbox{cfg: cfg, room: semaphore.NewWeighted(cfg.InFlight), busy: map[[32]byte]chan struct{}{}, taken: map[string]bool{}, later: map[string]retry{}}, nil
}

// Head is what is kept beside the bytes of a message.
type Head struct {
	Received time.Time
	Via      string // smtp, lmtp, or imap: and the account
	Envelope wiremail.Envelope
	Size     int64    `json:",omitempty"`
	Held     *Refusal `json:",omitempty"` // why it is set aside
	From     string   `json:",omitempty"` // as its header says, once it is held
	Digest   string   `json:",omitempty"`
	Despite  []Code   `json:",omitempty"` // reasons that an operator decided not to count
	By       string   `json:",omitempty"` // that operator
}

// Accept is the door's question before a message: is it for us, and from one of our correspondents?
func (m *Mailbox) Accept(_ context.Context, from wiremail.Peer, sender, recipient string) error {
	if !m.ours(recipient) {
		return &wiremail.Refusal{Code: 550, Enhanced: [3]int{5, 1, 1}, Text: "No such mailbox here"}
	}
	if full, err := m.full(); full || err != nil {
		return errors.Join(err, &wiremail.Refusal{Code: 452, Enhanced: [3]int{4, 2, 2}, Text: "Too many messages wait for a decision here; try again later"})
	}
	if sender == "" {
		return nil // receipts and bounces have no sender; what they are shows in the message
	}
	c := m.correspondent(sender)
	if c == nil {
		return &wiremail.Refusal{Code: 550, Enhanced: [3]int{5, 7, 1}, Text: "Nothing is agreed with the domain of this sender; ask for an agreement first"}
	}
	if !c.mayBring(from.Name) {
		return &wiremail.Refusal{Code: 550, Enhanced: [3]int{5, 7, 1}, Text: "This node may not bring mail of that domain; connect with the certificate that was agreed"}
	}
	return nil
}

// full tells that the quarantine holds all it may: nobody must be able to fill the disk by writing what is refused. It counts once a second.
func (m *Mailbox) full() (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := m.cfg.Clock(); now.Sub(m.looked) >= time.Second {
		ids, err := m.cfg.Spool.List(Held)
		if err != nil {
			return true, err
		}
		m.aside, m.looked = len(ids), now
	}
	return m.aside >= m.cfg.MaxHeld, nil
}

func (m *Mailbox) ours(address string) bool {
	address = strings.ToLower(address)
	for _, a := range m.cfg.Addresses {
		if a == address {
			return true
		}
	}
	return false
}

// Receive takes a message that came by SMTP or LMTP: it is durable when nil comes back.
func (m *Mailbox) Receive(_ context.Context, e *wiremail.Envelope, content io.Reader) error {
	_, err := m.cfg.Spool.Put(&Head{Received: m.cfg.Clock(), Via: "smtp", Envelope: *e}, content)
	return err
}

// Fetched takes a message that lay in a mailbox elsewhere: it is durable when nil comes back. The account stands for the node that brought it.
func (m *Mailbox) Fetched(_ context.Context, account string, received time.Time, content io.Reader) error {
	e := wiremail.Envelope{Peer: wiremail.Peer{Name: account, TLS: true}, Recipients: []wiremail.Recipient{{Address: m.cfg.Addresses[0]}}}
	_, err := m.cfg.Spool.Put(&Head{Received: received, Via: "imap:" + account, Envelope: e}, content)
	return err
}

// Refused records a message that lay in a mailbox elsewhere and was not taken: it stays there.
func (m *Mailbox) Refused(ctx context.Context, account string, size int64, why error) error {
	f := atna.Facts{Time: m.cfg.Clock(), Outcome: atna.OutcomeMinorFailure, OutcomeText: "not fetched: " + why.Error(),
		Message: &atna.MessageFact{Details: []atna.ObjectDetail{{Type: "Mail Size", Value: fmt.Append(nil, size)}}}}
	return m.cfg.Audit.Record(ctx, m.cfg.Events.Event(atna.ITI32, atna.Responder, f.By(auth.Caller{Node: account, Endpoint: "mailto:" + m.cfg.Addresses[0]})))
}

// address is the mail address of a header field, in lower case; empty where there is not exactly one.
func address(field string) string {
	list, err := (&mail.AddressParser{}).ParseList(field)
	if err != nil || len(list) != 1 {
		return ""
	}
	return strings.ToLower(list[0].Address)
}
