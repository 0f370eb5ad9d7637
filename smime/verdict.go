package smime

import (
	"context"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/wire/cms"
)

// Reason is one thing to be said against a signer.
type Reason string

// The reasons.
const (
	NotSigned         Reason = "not signed"
	Altered           Reason = "altered since it was signed, or signed with another key"
	NoCertificate     Reason = "signer's certificate not known"
	WeakAlgorithm     Reason = "weak algorithm"
	UnknownAlgorithm  Reason = "algorithm not supported"
	UnknownAuthority  Reason = "unknown authority"
	NotYetValid       Reason = "certificate not yet valid"
	ExpiredAtSigning  Reason = "certificate expired when it was signed"
	ExpiredAtReceipt  Reason = "certificate expired when it was received"
	Revoked           Reason = "certificate revoked"
	RevocationUnknown Reason = "revocation unknown"
	KeyUsage          Reason = "certificate is not for signing mail"
	AddressDiffers    Reason = "address differs from From"
	NotInDirectory    Reason = "not in the directory"
	DirectoryUnknown  Reason = "directory unreachable"
	SignedInTheFuture Reason = "signing time lies in the future"
)

const (
	clockSkew          = 24 * time.Hour
	maxSenderAddresses = 16
)

// Verdict is all there is to be said against a signer; nothing is a good verdict.
type Verdict []Reason

// OK says that there is nothing against the signer.
func (v Verdict) OK() bool { return len(v) == 0 }

// Has says whether one of the reasons is this.
func (v Verdict) Has(r Reason) bool { return slices.Contains(v, r) }

// String is "ok", or the reasons.
func (v Verdict) String() string {
	if v.OK() {
		return "ok"
	}
	var out []string
	for _, r := range v {
		out = append(out, string(r))
	}
	return strings.Join(out, "; ")
}

// with adds what it does not hold yet.
func (v Verdict) with(reasons ...Reason) Verdict {
	for _, r := range reasons {
		if !v.Has(r) {
			v = append(v, r)
		}
	}
	return v
}

// Signer is one who signed.
type Signer struct {
	Certificate *x509.Certificate // nil where it is not known
	Chain       []*x509.Certificate
	SigningTime time.Time // as he states it; zero where he does not
	Verdict     Verdict
	Detail      error // what the verdict does not tell: an algorithm's name, why a revocation is not known
}

// judgement holds one signature against the trust, the clock and the header.
type judgement struct {
	trust     *Trust
	received  time.Time
	from      []string
	anySender bool
	sent      []*x509.Certificate
}

func (j judgement) signer(ctx context.Context, s cms.Signature) Signer {
	out := Signer{Certificate: s.Certificate, SigningTime: s.Signer.SigningTime, Detail: s.Err}
	switch {
	case s.Err == nil:
	case errors.Is(s.Err, cms.ErrNoCertificate):
		out.Verdict = Verdict{NoCertificate}
	case errors.Is(s.Err, cms.ErrRefused):
		out.Verdict = Verdict{WeakAlgorithm}
	case errors.Is(s.Err, cms.ErrUnsupported):
		out.Verdict = Verdict{UnknownAlgorithm}
	default:
		out.Verdict = Verdict{Altered}
	}
	if s.Err != nil {
		return out // nothing of what it says is proved
	}
	if out.SigningTime.After(j.received.Add(clockSkew)) {
		out.Verdict = out.Verdict.with(SignedInTheFuture)
	}
	j.certificate(ctx, &out)
	j.address(ctx, &out)
	return out
}

// certificate judges times, usage, authority and revocation [RFC 8550 4].
func (j judgement) certificate(ctx context.Context, s *Signer) {
	c := s.Certificate
	if c.KeyUsage != 0 && c.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0 {
		s.Verdict = s.Verdict.with(KeyUsage) // [RFC 8550 4.4.2]
	}
	signed := s.SigningTime
	switch {
	case j.received.Before(c.NotBefore), !signed.IsZero() && signed.Before(c.NotBefore):
		s.Verdict = s.Verdict.with(NotYetValid)
	case !signed.IsZero() && signed.After(c.NotAfter), signed.IsZero() && j.received.After(c.NotAfter):
		s.Verdict = s.Verdict.with(ExpiredAtSigning)
	case j.received.After(c.NotAfter):
		s.Verdict = s.Verdict.with(ExpiredAtReceipt)
	}
	chain, usage := j.trust.chain(c, j.sent, j.received)
	if !usage {
		s.Verdict = s.Verdict.with(KeyUsage)
	}
	if chain == nil {
		s.Verdict = s.Verdict.with(UnknownAuthority)
		return // nobody is asked about a certificate whose issuer is nobody
	}
	s.Chain = chain
	reason, err := j.trust.revocation(ctx, chain, j.received)
	if reason != "" {
		s.Verdict = s.Verdict.with(reason)
	}
	if s.Detail == nil {
		s.Detail = err
	}
}

// address holds the certificate's mail addresses against From, and both against the directory [RFC 8550 3].
func (j judgement) address(ctx context.Context, s *Signer) {
	if j.anySender {
		return
	}
	if len(j.from) != 1 {
		s.Verdict = s.Verdict.with(AddressDiffers) // nobody, or several who cannot all be he
		return
	}
	own := Addresses(s.Certificate)
	known := slices.Contains(own, j.from[0])
	directory := j.trust.directory()
	// A certificate without an address is usual for services and cards; then only a directory can tell whose it is.
	if !known && (len(own) > 0 || directory == nil) {
		s.Verdict = s.Verdict.with(AddressDiffers)
	}
	if directory == nil {
		return
	}
	listed, err := directory.Lists(ctx, j.from[0], s.Certificate)
	switch {
	case err != nil:
		s.Verdict = s.Verdict.with(DirectoryUnknown)
		if s.Detail == nil {
			s.Detail = err
		}
	case !listed:
		s.Verdict = s.Verdict.with(NotInDirectory)
	}
}
