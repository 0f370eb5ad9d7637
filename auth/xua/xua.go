// Package xua makes of an assertion that came with a request (IHE ITI-40, or the French VIHF) an [auth.Caller]: whoever asks, as far as a signature that we
// trust vouches for it. It takes no decision about what he may do, and compares no patient: that is for who knows what was asked.
package xua

import (
	"context"
	"crypto/x509"
	"errors"
	"time"
)

// Revocation finds out whether an authority has taken back a certificate; an error says that it could not be found out.
type Revocation interface {
	Revoked(ctx context.Context, cert, issuer *x509.Certificate, at time.Time) (bool, error)
}

// Config is whose assertions count, and for how long.
type Config struct {
	Profile       Profile
	Anchors       []*x509.Certificate
	Intermediates []*x509.Certificate // beside those that assertions bring
	Revocation    Revocation
	AcceptUnknown bool     // a revocation that could not be found out does not count against the signer
	Audiences     []string // what we are called in an AudienceRestriction
	SHA1          bool     // quirk xmlsig-sha1

	Skew       time.Duration // between clocks, 1 min where 0
	MaxAge     time.Duration // since IssueInstant, of an assertion that states no end, 5 min where 0
	MaxLife    time.Duration // between IssueInstant and a stated end, 24 h where 0
	MaxSession time.Duration // since AuthnInstant, 4 h where 0
	Remembered int           // assertions known to be good, and whose they are: 10,000 where 0
	Now        func() time.Time
}

// Code says what is wrong with an assertion.
type Code string

// The codes. None tells anything of the patient or the person.
const (
	NoAssertion        Code = "NoAssertion"
	Malformed          Code = "MalformedAssertion"
	InvalidSignature   Code = "InvalidSignature"
	Untrusted          Code = "UntrustedSigner"
	KeyUsage           Code = "SignerKeyUsage"
	Revoked            Code = "SignerRevoked"
	RevocationUnknown  Code = "RevocationUnknown"
	NotYetValid        Code = "AssertionNotYetValid"
	Expired            Code = "AssertionExpired"
	WrongAudience      Code = "WrongAudience"
	NotConfirmed       Code = "SubjectNotConfirmed"
	WrongSigner        Code = "SignerIsNotTheNode"
	Replayed           Code = "AssertionOfAnotherNode"
	MissingAttribute   Code = "MissingAttribute"
	DuplicateAttribute Code = "DuplicateAttribute"
	InvalidAttribute   Code = "InvalidAttribute"
)

// faults are the fault codes of Web Services Security [WSS 1.1, 12] for those codes that are not about the token's content.
var faults = map[Code]string{
	NoAssertion:       "SecurityTokenUnavailable",
	InvalidSignature:  "FailedCheck",
	Untrusted:         "FailedAuthentication",
	Revoked:           "FailedAuthentication",
	RevocationUnknown: "FailedAuthentication",
	NotConfirmed:      "FailedAuthentication",
	WrongSigner:       "FailedAuthentication",
	Replayed:          "FailedAuthentication",
}

// Error is why an assertion is not taken. Its text may be shown to the peer.
type Error struct {
	Code      Code
	Attribute string // name of the attribute it is about
	Detail    string
	err       error // for the log
}

func (e *Error) Error() string {
	s := string(e.Code)
	if e.Attribute != "" {
		s += " " + e.Attribute
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

// Unwrap is what lies behind, for the log.
func (e *Error) Unwrap() error { return e.err }

// Fault is the local name of the wsse fault code.
func (e *Error) Fault() string {
	if f, ok := faults[e.Code]; ok {
		return f
	}
	return "InvalidSecurityToken"
}

func refuse(c Code, detail string) *Error { return &Error{Code: c, Detail: detail} }

func (c *Config) complete() error {
	if len(c.Profile.rules) == 0 {
		return errors.New("xua: no profile")
	}
	if len(c.Anchors) == 0 {
		return errors.New("xua: no anchors")
	}
	for p, d := range map[*time.Duration]time.Duration{&c.Skew: time.Minute, &c.MaxAge: 5 * time.Minute, &c.MaxLife: 24 * time.Hour, &c.MaxSession: 4 * time.Hour} {
		if *p < 0 {
			return errors.New("xua: a duration is negative")
		}
		if *p == 0 {
			*p = d
		}
	}
	if c.Remembered == 0 {
		c.Remembered = 10_000
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return nil
}
