// Package post sends documents of the record to one person: a correspondent's mailbox, or the patient's own [ITI-32, by mail]. It makes the archive, a PDF of
// each document for people, and the message as the French profile of secure mail (MSSanté) has it, hands it to a queue, and follows what becomes of it. It does
// not fetch the documents: whoever asks brings them.
package post

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	netmail "net/mail"
	"strings"
	"sync"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/wire/cms"
	"github.com/passerelle-sante/passerelle/wire/mail"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/xdm"
)

// Reason is why documents are not sent.
type Reason string

// The reasons.
const (
	NoDocuments   Reason = "no-documents"
	TwoPatients   Reason = "two-patients"  // one patient a message
	BadRecipient  Reason = "bad-recipient" // no mail address, or of a domain that nothing is sent to
	NotQualified  Reason = "not-qualified" // a patient's mailbox is known by a qualified INS only
	TooLarge      Reason = "too-large"
	NoCertificate Reason = "no-certificate" // the recipient's, for mail that must be encrypted
	Denied        Reason = "denied"
)

// Error is a refusal: nothing was sent and nothing is kept.
type Error struct {
	Reason Reason
	Text   string // safe to show
}

func (e *Error) Error() string { return string(e.Reason) + ": " + e.Text }

func refuse(r Reason, format string, args ...any) error {
	return &Error{r, fmt.Sprintf(format, args...)}
}

// Protection is what protects mail to a domain.
type Protection string

// The two protections.
const (
	Transport Protection = "transport" // the trust space and its connections: today's MSSanté
	EndToEnd  Protection = "smime"     // the message itself, signed and encrypted
)

// Certificates finds the certificate by which mail to an address is encrypted; nil where there is none.
type Certificates interface {
	Certificate(ctx context.Context, address string) (*x509.Certificate, error)
}

// Queue takes mail: when Put returns nil it is durable, and Fate will be told of it under the reference.
type Queue interface {
	Put(e mail.Envelope, reference string, content io.Reader) (id string, err error)
}

// Config is who sends, and how. From, SourceID, Queue, Ledger, Protection and Audit are required.
type Config struct {
	From          netmail.Address // the applicative mailbox; receipts come back to it
	SourceID      xds.OID         // of submission sets
	Sender        xdm.Sender      // as INDEX.HTM and README.TXT name us
	Product       string          // X-MSS-NIL: reference of the approved product
	PatientDomain string          // of patients' mailboxes; patient.mssante.fr where empty
	MaxSize       int64           // octets of a message; 25 MB where 0
	Queue         Queue
	Ledger        Ledger
	Protection    func(domain string) Protection // empty for a domain that nothing is sent to; the patients' own is Transport where it says nothing
	Certificates  Certificates                   // nil knows none
	Signer        *cms.Signer                    // for EndToEnd
	Chain         []*x509.Certificate            // sent along with its certificate
	Policy        func(context.Context, auth.Caller, *Request) error
	Audit         atna.Recorder
	Reporter      *atna.Reporter
	NewUniqueID   func() xds.UniqueID // of submission sets
	Now           func() time.Time
}

// Post is the actor. It is safe for concurrent use.
type Post struct {
	c  Config
	mu sync.Mutex // of changes in the ledger
}

// New checks the configuration.
func New(c Config) (*Post, error) {
	if c.From.Address == "" || c.SourceID == "" || c.Queue == nil || c.Ledger == nil || c.Protection == nil || c.Audit == nil || c.Reporter == nil || c.NewUniqueID == nil {
		return nil, errors.New("post: From, SourceID, Queue, Ledger, Protection, Audit, Reporter and NewUniqueID are required")
	}
	if c.PatientDomain == "" {
		c.PatientDomain = "patient.mssante.fr"
	}
	if c.MaxSize == 0 {
		c.MaxSize = 25_000_000
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Post{c: c}, nil
}

// Patient is whose documents are sent, as the identity domain knows him. Qualified says that the INS is, and then all else must be there.
type Patient struct {
	INS       hl7.CX
	Qualified bool
	BirthName string
	FirstName string
	BirthDate string // AAAAMMJJ
	Sex       string
}

// Document is a document of the record. Open reads it as it is stored.
type Document struct {
	Entry xds.DocumentEntry
	Open  func() (io.ReadCloser, error)
}

// Request is what is to be sent to whom.
type Request struct {
	To        string // a correspondent's address; empty for the patient's own mailbox
	Patient   Patient
	Documents []Document
	Replaces  bool     // they replace documents that were sent before
	Closed    bool     // the patient may not answer: X-MSS-MES
	ReplyTo   string   // whom a person may answer
	Text      []string // paragraphs of the message; a usual one where empty
	Author    xds.Author
	Content   xds.Code // contentTypeCode of the submission set; the first document's type where empty
}

// Send sends documents. When it returns the message is in the queue, audited, and in the ledger under the identifier it gives. A refusal is an *Error; it is
// audited and leaves nothing else [ITI-32 3.32.4.1].
func (p *Post) Send(ctx context.Context, c auth.Caller, r Request) (string, error) {
	s := Sending{To: r.To, Patient: r.Patient.INS, State: Prepared, Created: p.c.Now()}
	err := p.judge(&r, &s)
	if err == nil && p.c.Policy != nil {
		err = p.c.Policy(ctx, c, &r)
	}
	if err != nil {
		return "", errors.Join(err, p.audit(ctx, c, &r, &s, err))
	}
	sub := p.submission(&r, &s)
	s.SubmissionSet = sub.Set.UniqueID
	for _, e := range sub.Entries {
		s.Documents = append(s.Documents, e.UniqueID)
	}
	id, _, err := p.c.Ledger.Put(&s, strings.NewReader(""))
	if err != nil {
		return "", fmt.Errorf("write the ledger: %w", err)
	}
	s.ID = id
	raw, err := p.compose(ctx, id, &r, &s, sub)
	if err == nil {
		err = p.audit(ctx, c, &r, &s, nil) // what cannot be audited does not leave
	} else {
		err = errors.Join(err, p.audit(ctx, c, &r, &s, err))
	}
	if err != nil {
		return "", errors.Join(err, p.c.Ledger.Remove(id))
	}
	e := mail.Envelope{From: p.c.From.Address, EnvelopeID: id, Return: "HDRS",
		Recipients: []mail.Recipient{{Address: s.To, Notify: []string{"SUCCESS", "FAILURE", "DELAY"}, Original: "rfc822;" + s.To}}}
	mail.Classify(&e, raw)
	if _, err := p.c.Queue.Put(e, id, bytes.NewReader(raw)); err != nil {
		err = fmt.Errorf("queue the message: %w", err)
		return "", errors.Join(err, p.c.Ledger.Remove(id), p.audit(ctx, c, &r, &s, err))
	}
	// The message goes out: where this cannot be written, what the queue tells next will be.
	_ = p.change(ctx, id, func(now *Sending) {
		now.Encrypted = s.Encrypted
		now.reach(Queued, p.c.Now(), "")
	})
	return id, nil
}

// insAuthorities are those whose numbers are an INS, test and demonstration included.
var insAuthorities = map[string]bool{"1.2.250.1.213.1.4.8": true, "1.2.250.1.213.1.4.9": true, "1.2.250.1.213.1.4.10": true, "1.2.250.1.213.1.4.11": true}

// judge holds the request against the rules and says whom it goes to.
func (p *Post) judge(r *Request, s *Sending) error {
	if len(r.Documents) == 0 {
		return refuse(NoDocuments, "there is nothing to send")
	}
	for _, d := range r.Documents {
		if !d.Entry.PatientID.Same(r.Patient.INS) {
			return refuse(TwoPatients, "a message is about one patient, and a document is another's")
		}
	}
	q := &r.Patient
	whole := q.BirthName != "" && q.FirstName != "" && len(q.BirthDate) == 8 && q.Sex != ""
	q.Qualified = q.Qualified && whole && insAuthorities[q.INS.AssigningAuthority.UniversalID] && len(q.INS.ID) == 15
	if r.To == "" {
		if !q.Qualified {
			return refuse(NotQualified, "the patient's mailbox is known by a qualified INS only")
		}
		s.To = q.INS.ID + "@" + p.c.PatientDomain
	}
	a, err := netmail.ParseAddress(s.To)
	if err != nil || a.Address != s.To || a.Name != "" {
		return refuse(BadRecipient, "the recipient is no mail address")
	}
	if reply, err := netmail.ParseAddress(r.ReplyTo); err == nil {
		r.ReplyTo = reply.String()
	} else if r.ReplyTo != "" {
		return refuse(BadRecipient, "whom to answer is no mail address")
	}
	domain := domainOf(s.To)
	if strings.EqualFold(domain, p.c.PatientDomain) && (r.To != "" && (!q.Qualified || !strings.EqualFold(s.To, q.INS.ID+"@"+p.c.PatientDomain))) {
		return refuse(NotQualified, "a patient's mailbox gets that patient's documents only, by a qualified INS")
	}
	s.Protection = p.c.Protection(domain)
	if s.Protection == "" && strings.EqualFold(domain, p.c.PatientDomain) {
		s.Protection = Transport
	}
	if s.Protection != Transport && s.Protection != EndToEnd {
		return refuse(BadRecipient, "no mail is sent to this domain")
	}
	return nil
}

func domainOf(address string) string {
	return strings.ToLower(address[strings.LastIndexByte(address, '@')+1:])
}

// audit records an export, or the attempt [ITI-32 3.32.5.1].
func (p *Post) audit(ctx context.Context, c auth.Caller, r *Request, s *Sending, why error) error {
	f := atna.Facts{Time: p.c.Now()}.By(c)
	f.Endpoint, f.Patient, f.SubmissionSetUniqueID = "mailto:"+s.To, r.Patient.INS, string(s.SubmissionSet)
	trust := string(s.Protection)
	if s.Encrypted {
		trust += " signed encrypted"
	}
	f.Message = &atna.MessageFact{ID: s.ID + "@" + domainOf(p.c.From.Address), Details: []atna.ObjectDetail{{Type: "Mail Trust", Value: []byte(trust)}}}
	for _, d := range r.Documents {
		f.Documents = append(f.Documents, atna.DocumentFact{UniqueID: string(d.Entry.UniqueID), RepositoryUniqueID: string(d.Entry.RepositoryUniqueID)})
	}
	if why != nil {
		f.Outcome, f.OutcomeText = atna.OutcomeSerious, "the documents could not be sent"
		if e, ok := errors.AsType[*Error](why); ok {
			f.Outcome, f.OutcomeText = atna.OutcomeMinorFailure, e.Error()
		}
	}
	if err := p.c.Audit.Record(context.WithoutCancel(ctx), p.c.Reporter.Event(atna.ITI32, atna.Initiator, f)); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}
