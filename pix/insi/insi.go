// Package insi is a client of INSi, the French web service that tells the national health identity (INS) of a person by traits or by what a health insurance card says
// (ServiceIdentiteCertifiee 1.0.0). It knows the messages. It does not know what an identity is trusted for: that, and the key of a matricule, are for whoever asks.
package insi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
)

// Traits are what tells a person from others.
type Traits struct {
	BirthName  string
	Given      []string // asked with one or several; an answer has the first
	Sex        string   // M or F
	BirthDate  string   // YYYY-MM-DD; months and days that no calendar has are part of some identities
	BirthPlace string   // INSEE code, five characters; may be missing in a question
}

// Matricule is a national number and its key.
type Matricule struct {
	Number string // 13 characters
	Key    string // two digits; may be missing
	Type   string // as the service says it, mostly nothing
}

// String gives number and key in one, as every other profile carries them.
func (m Matricule) String() string { return m.Number + m.Key }

// Identifier is a matricule, the authority that gave it, and how long it was in force.
type Identifier struct {
	Matricule Matricule
	OID       string
	From, To  string // YYYY-MM-DD or empty
}

// Person is who was found.
type Person struct {
	Active    Identifier
	History   []Identifier
	Traits    Traits
	GivenList string // all given names at birth, in one string
}

// Card is what a card says of one of those it covers.
type Card struct {
	Person    Matricule // who is asked about; may be missing for those who have no number of their own on the card
	Insured   Matricule // whose rights they are
	BirthName string
	BirthDate string // YYYY-MM-DD, or the lunar dates of cards
	Rank      int    // among those of one birth date, from 1
}

// What the service says besides a person.
var (
	ErrNone    = errors.New("insi: nobody was found")
	ErrSeveral = errors.New("insi: several were found")
)

// AnswerError is a report of the service that is neither of these.
type AnswerError struct {
	Code  string
	Label string // free text, which may tell of the person: not for a log
}

func (e *AnswerError) Error() string { return "insi: the service answers code " + e.Code }

// Fault is an error of the service, or of the frames around it.
type Fault struct {
	Code     string // of SOAP: Sender, Receiver
	Reason   string // code of the service's own error, empty where it gave none
	Severity string
	Text     string // free text: not for a log
	Status   int    // of HTTP
}

func (f *Fault) Error() string {
	if f.Reason == "" {
		return fmt.Sprintf("insi: fault %s, status %d", f.Code, f.Status)
	}
	return fmt.Sprintf("insi: fault %s, status %d: error %s (%s)", f.Code, f.Status, f.Reason, f.Severity)
}

// InputError is a question that is not worth sending.
type InputError struct {
	Field  string
	Reason string
}

func (e *InputError) Error() string { return "insi: " + e.Field + " " + e.Reason }

// Software is what the service wants to know of the program that asks.
type Software struct {
	IDAM     string // number of the approved program
	IDAMType string // attribute R of it
	Version  string
	Instance string
	Name     string
}

// Config says where the service is and who asks.
type Config struct {
	Endpoint string
	HTTP     *http.Client // shows the certificate of the institution
	// Assertion gives the WS-Security header block of a call, a whole wsse:Security element that declares its namespaces.
	Assertion func(context.Context, auth.Caller) ([]byte, error)
	Sender    string // Emetteur of both contexts
	Software  Software

	// What published examples show and the interface does not say; the zero value takes what they show.
	CodeFound, CodeNone, CodeSeveral string   // 00, 01, 02
	OIDs                             []string // authorities that are taken: INS-NIR, INS-NIA, and those of tests and demonstrations

	Timeout   time.Duration // of one attempt, 15 s
	Attempts  int           // 2; only where the service did not take the question
	MaxAnswer int64         // bytes, 256 KiB
	Now       func() time.Time
	NewID     func() string // a random UUID when nil
}

// Client asks the service.
type Client struct{ cfg Config }

// New makes a client.
func New(cfg Config) (*Client, error) {
	if cfg.Endpoint == "" || cfg.HTTP == nil || cfg.Assertion == nil {
		return nil, errors.New("insi: endpoint, HTTP client and assertion are required")
	}
	if cfg.Attempts < 0 || cfg.Timeout < 0 || cfg.MaxAnswer < 0 {
		return nil, errors.New("insi: attempts, timeout and size of an answer cannot be negative")
	}
	defaults(&cfg.CodeFound, "00")
	defaults(&cfg.CodeNone, "01")
	defaults(&cfg.CodeSeveral, "02")
	defaults(&cfg.Timeout, 15*time.Second)
	defaults(&cfg.Attempts, 2)
	defaults(&cfg.MaxAnswer, 256<<10)
	if len(cfg.OIDs) == 0 {
		cfg.OIDs = []string{"1.2.250.1.213.1.4.8", "1.2.250.1.213.1.4.9", "1.2.250.1.213.1.4.10", "1.2.250.1.213.1.4.11"}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.NewID == nil {
		cfg.NewID = newID
	}
	return &Client{cfg}, nil
}

func defaults[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// ByTraits asks for the person with these traits (rechercherInsAvecTraitsIdentite).
func (c *Client) ByTraits(ctx context.Context, caller auth.Caller, t Traits) (Person, error) {
	if err := t.check(); err != nil {
		return Person{}, err
	}
	return c.ask(ctx, caller, "urn:ServiceIdentiteCertifiee:1.0.0:rechercherInsAvecTraitsIdentite", appendTraits(nil, t), nil)
}

// ByCard asks for the person whom a card tells of (rechercherInsAvecCarteVitale).
func (c *Client) ByCard(ctx context.Context, caller auth.Caller, card Card) (Person, error) {
	if err := card.check(); err != nil {
		return Person{}, err
	}
	return c.ask(ctx, caller, "urn:ServiceIdentiteCertifiee:1.0.0:rechercherInsAvecCarteVitale", appendCard(nil, card), &card)
}

// ask sends a question, again where it is certain that the service did not take the one before.
func (c *Client) ask(ctx context.Context, caller auth.Caller, action string, body []byte, card *Card) (Person, error) {
	for attempt := 1; ; attempt++ {
		security, err := c.cfg.Assertion(ctx, caller)
		if err != nil {
			return Person{}, fmt.Errorf("insi: assertion: %w", err)
		}
		id := c.cfg.NewID()
		answer, err := c.exchange(ctx, action, c.envelope(id, security, body, card))
		if err != nil {
			if attempt < c.cfg.Attempts && ctx.Err() == nil && notTaken(err) {
				continue
			}
			return Person{}, err
		}
		return c.read(answer, "urn:uuid:"+id)
	}
}
