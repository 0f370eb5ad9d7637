// Package account is how patients prove who they are [DMP-T2]: a login with a password, and a second factor. Portals ask it; it knows no page and no session.
// What it tells of a refusal is the same for whoever is refused, known here or not.
package account

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
)

// Store keeps rows by text keys. View sees one consistent moment; Update is all or nothing, runs alone, and is durable when it returns nil.
type Store interface {
	View(ctx context.Context, f func(Tx) error) error
	Update(ctx context.Context, f func(UpdateTx) error) error
}

// Tx is one look. A row is good until the transaction ends.
type Tx interface {
	Get(key string) ([]byte, error)
}

// UpdateTx is one change, which sees its own writes. A nil value takes a row away.
type UpdateTx interface {
	Tx
	Put(key string, value []byte)
	// Record keeps the audit message in the same commit.
	Record(*atna.AuditMessage) error
}

// Courier brings a one-time code to the patient.
type Courier interface {
	Send(ctx context.Context, f Factor, address, code string) error
}

// Factor is the second thing that a patient proves himself with.
type Factor string

// The factors.
const (
	None Factor = ""     // none yet: the account is of no use
	TOTP Factor = "totp" // a program that he holds counts codes (RFC 6238)
	Mail Factor = "mail" // he is sent a code
	SMS  Factor = "sms"
)

// Config is what Accounts need. Store, Recorder, Events and Known are required.
type Config struct {
	Store    Store
	Recorder atna.Recorder  // keeps the record of refusals of operators' acts and of readings
	Events   *atna.Reporter // who we are in audit records
	Known    func(ctx context.Context, patient hl7.CX) (bool, error)
	Courier  Courier // nil: codes are sent to nobody
	Cost     Cost    // of a password's hash; the default where zero
	Attempts int     // in a row that fail before the account is locked; 5 where 0. A code is good for as many
	LockedFor,
	CodeFor time.Duration // 15 and 10 minutes where 0
	Clock func() time.Time
	Log   *slog.Logger // nil discards
}

// Accounts is the actor. It is safe for concurrent use.
type Accounts struct {
	cfg   Config
	dummy string        // hash that nobody's password has
	turns chan struct{} // hashing takes memory: not everybody at once
}

// New checks the configuration.
func New(cfg Config) (*Accounts, error) {
	if cfg.Store == nil || cfg.Recorder == nil || cfg.Events == nil || cfg.Known == nil {
		return nil, errors.New("accounts: Store, Recorder, Events and Known are required")
	}
	cfg.Cost = cmp.Or(cfg.Cost, Cost{Time: 3, Memory: 64 << 10, Threads: 1})
	cfg.Attempts = cmp.Or(cfg.Attempts, 5)
	cfg.LockedFor, cfg.CodeFor = cmp.Or(cfg.LockedFor, 15*time.Minute), cmp.Or(cfg.CodeFor, 10*time.Minute)
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Accounts{cfg: cfg, dummy: cfg.Cost.form(random(16), random(32)), turns: make(chan struct{}, 2)}, nil
}

// turn waits until a password may be hashed, or whoever asked has gone; done gives the turn back.
func (a *Accounts) turn(ctx context.Context) error {
	select {
	case a.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *Accounts) done() { <-a.turns }

// Code says why something was not done. The first two are of the national interface, the others ours.
type Code string

// The codes.
const (
	Exists       Code = "DMPPatientAccessAlreadyExists"
	FactorExists Code = "DMPPatientAccessOTPAlreadyExists"
	Unknown      Code = "AccountNotFound" // told to operators alone
	Denied       Code = "AccessDenied"
	Incomplete   Code = "DataMissing"
	LoginTaken   Code = "LoginTaken"
	Unidentified Code = "PatientNotKnown"
	Unsupported  Code = "NotSupported"
	Refused      Code = "NotAuthenticated" // all that who fails to authenticate himself is told
	Internal     Code = "InternalError"
)

// Error is something that is not done. Text is safe to show.
type Error struct {
	Code Code
	Text string
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Text }

// account is what is kept.
type account struct {
	Patient  hl7.CX
	Login    string
	Password string // hash
	Factor   Factor
	Secret   []byte `json:",omitempty"` // of TOTP
	Address  string `json:",omitempty"` // of Mail and SMS
	Step     int64  `json:",omitempty"` // last time step that a code was taken for: it is taken once
	Code     *oneTime
	Recovery []string // hashes of codes that stand once for the second factor
	Failures int
	Locked   time.Time // until then
	Opened   time.Time
	By       string
}

// oneTime is a code that was sent.
type oneTime struct {
	Hash     string
	Expires  time.Time
	Attempts int
}

func accountKey(patient hl7.CX) string { return "a" + patient.Key() }
func loginKey(login string) string     { return "l" + login }

var loginForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._@+-]{2,63}$`)

// Login is a login as it is kept: small letters. ok tells whether it may be one.
func Login(s string) (login string, ok bool) {
	if len(s) > 256 {
		return "", false
	}
	login = strings.ToLower(strings.TrimSpace(s))
	return login, loginForm.MatchString(login)
}

// State is what is shown of an account.
type State struct {
	Login    string
	Factor   Factor
	Address  string // masked
	Recovery int    // codes that are left
	Failures int
	Locked   time.Time // until then; zero when it is not
	Opened   time.Time
	By       string
}

// Show tells of an account what an operator may see: no secret.
func (a *Accounts) Show(ctx context.Context, c auth.Caller, patient hl7.CX) (s State, err error) {
	err = entitled(c, patient, auth.CapacityOperator, auth.CapacityPatient)
	if err == nil {
		err = a.cfg.Store.View(ctx, func(tx Tx) error {
			acc, err := load(tx, patient)
			if err != nil {
				return err
			}
			s = State{Login: acc.Login, Factor: acc.Factor, Address: masked(acc.Address), Recovery: len(acc.Recovery), Failures: acc.Failures, Opened: acc.Opened, By: acc.By}
			if a.cfg.Clock().Before(acc.Locked) {
				s.Locked = acc.Locked
			}
			return nil
		})
	}
	if err != nil {
		return State{}, a.refused(ctx, c, atna.AccountRead, patient, err)
	}
	return s, a.cfg.Recorder.Record(ctx, a.message(c, atna.AccountRead, patient, nil))
}

// masked shows the beginning of an address, and its end.
func masked(s string) string {
	r := []rune(s)
	if len(r) < 6 {
		return strings.Repeat("*", len(r))
	}
	return string(r[:2]) + strings.Repeat("*", len(r)-4) + string(r[len(r)-2:])
}

func load(tx Tx, patient hl7.CX) (*account, error) {
	v, err := tx.Get(accountKey(patient))
	switch {
	case err != nil:
		return nil, err
	case v == nil:
		return nil, &Error{Unknown, "the patient has no account"}
	}
	acc := new(account)
	return acc, json.Unmarshal(v, acc)
}

func (acc *account) save(tx UpdateTx) error {
	v, err := json.Marshal(acc)
	if err != nil {
		return err
	}
	tx.Put(accountKey(acc.Patient), v)
	return nil
}

// entitled checks in which quality somebody asks, and about whom.
func entitled(c auth.Caller, patient hl7.CX, may ...auth.Capacity) error {
	about := c.Patient
	switch {
	case !slices.Contains(may, c.Capacity):
		return &Error{Denied, "access denied"}
	case patient.ID == "" || patient.AssigningAuthority.UniversalID == "":
		return &Error{Incomplete, "the patient's identifier is missing"}
	case c.Capacity == auth.CapacityOperator:
		return nil
	case c.Capacity == auth.CapacityPatient:
		about = c.Person
	}
	if id, err := hl7.ParseCX(about); err != nil || !id.Same(patient) {
		return &Error{Denied, "access denied"}
	}
	return nil
}

func (a *Accounts) message(c auth.Caller, tx atna.Transaction, patient hl7.CX, e *Error) *atna.AuditMessage {
	f := atna.Facts{Time: a.cfg.Clock(), Patient: patient}.By(c)
	if len(f.Persons) == 0 && c.Person != "" {
		f.Persons = []atna.Person{{ID: c.Person, Roles: []atna.CodedValue{{Code: string(c.Capacity), System: "passerelle", Text: string(c.Capacity)}}}}
	}
	if f.RequestorID == "" {
		f.RequestorID = c.Node
	}
	switch {
	case e == nil:
	case e.Code == Internal:
		f.Outcome, f.OutcomeText = atna.OutcomeMajorFailure, e.Error()
	case e.Code == Denied || e.Code == Refused:
		f.Outcome, f.OutcomeText = atna.OutcomeSerious, e.Error()
	default:
		f.Outcome, f.OutcomeText = atna.OutcomeMinorFailure, e.Error()
	}
	return a.cfg.Events.Event(tx, atna.Responder, f)
}

// refused records a refusal and makes an *Error of any error. What went wrong here is in the log alone.
func (a *Accounts) refused(ctx context.Context, c auth.Caller, tx atna.Transaction, patient hl7.CX, err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		a.cfg.Log.ErrorContext(ctx, "account", "act", string(tx), "error", err)
		e = &Error{Internal, "internal error"}
	}
	if err := a.cfg.Recorder.Record(context.WithoutCancel(ctx), a.message(c, tx, patient, e)); err != nil {
		a.cfg.Log.ErrorContext(ctx, "account", "act", string(tx), "error", fmt.Errorf("keep the audit record: %w", err))
		return &Error{Internal, "internal error"}
	}
	return e
}
