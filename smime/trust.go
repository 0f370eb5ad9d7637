package smime

import (
	"context"
	"crypto/x509"
	"errors"
	"time"
)

// Trust is whose signatures count.
type Trust struct {
	Anchors       []*x509.Certificate
	Intermediates []*x509.Certificate // beside those messages bring
	Signers       []*x509.Certificate // of correspondents who do not send theirs
	Usage         Usage
	Revocation    Revocation // nil knows nothing of any certificate
	Unknown       Unknown
	Directory     Directory // nil: no closed list

	chains chains // found with the fields above, which do not change once messages are opened
}

// Usage says what extended key usage a signer's certificate must have.
type Usage int

const (
	UsageMail     Usage = iota // emailProtection, any, or none stated [RFC 8550 4.4.4]
	UsageExplicit              // emailProtection stated
	UsageAny                   // whatever: for authorities that issue one certificate for everything
)

// Unknown says what a revocation that could not be found out means.
type Unknown int

const (
	UnknownRefuse Unknown = iota // it is a reason against the signer
	UnknownAccept                // it is noted in Signer.Detail only
)

// Revocation finds out whether an authority has taken back a certificate. Received is when the message came; an error says that it could not be
// found out.
type Revocation interface {
	Revoked(ctx context.Context, cert, issuer *x509.Certificate, received time.Time) (bool, error)
}

// Directory is the closed list of who may send: whether this address with this certificate is on it.
type Directory interface {
	Lists(ctx context.Context, address string, cert *x509.Certificate) (bool, error)
}

func (t *Trust) known() []*x509.Certificate {
	if t == nil {
		return nil
	}
	return t.Signers
}

func (t *Trust) directory() Directory {
	if t == nil {
		return nil
	}
	return t.Directory
}

// chain finds a way from a certificate to an anchor, nil where there is none. That a certificate has expired is not its concern for the signer's own
// (the verdict says it), but every authority must have been good when the signer's certificate was used. Usage says whether mail may be signed with it.
func (t *Trust) chain(c *x509.Certificate, sent []*x509.Certificate, received time.Time) (chain []*x509.Certificate, usage bool) {
	if t == nil {
		return nil, true
	}
	key := chainKey(c, sent)
	if w, ok := t.chains.find(key, within(c, received)); ok {
		return w.chain, w.usage
	}
	o := x509.VerifyOptions{Roots: pool(t.Anchors), Intermediates: pool(t.Intermediates, sent), CurrentTime: within(c, received)}
	o.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}
	if t.Usage == UsageAny {
		o.KeyUsages[0] = x509.ExtKeyUsageAny
	}
	usage = t.Usage != UsageExplicit || states(c, x509.ExtKeyUsageEmailProtection)
	chains, err := c.Verify(o)
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage {
		usage = false
		o.KeyUsages[0] = x509.ExtKeyUsageAny
		chains, err = c.Verify(o)
	}
	if err != nil || len(chains) == 0 {
		return nil, usage
	}
	t.chains.keep(key, chains[0], usage)
	return chains[0], usage
}

func states(c *x509.Certificate, u x509.ExtKeyUsage) bool {
	for _, have := range c.ExtKeyUsage {
		if have == u {
			return true
		}
	}
	return false
}

// within is t, or the nearest time at which the certificate was valid.
func within(c *x509.Certificate, t time.Time) time.Time {
	if t.Before(c.NotBefore) {
		return c.NotBefore
	}
	if t.After(c.NotAfter) {
		return c.NotAfter
	}
	return t
}

func pool(lists ...[]*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, l := range lists {
		for _, c := range l {
			p.AddCert(c)
		}
	}
	return p
}

// revocation asks for every certificate of a chain but the anchor.
func (t *Trust) revocation(ctx context.Context, chain []*x509.Certificate, received time.Time) (Reason, error) {
	var unknown error
	for i, c := range chain[:len(chain)-1] {
		if t.Revocation == nil {
			unknown = errors.New("revocation is not checked")
			break
		}
		revoked, err := t.Revocation.Revoked(ctx, c, chain[i+1], received)
		if revoked {
			return Revoked, err
		}
		if err != nil {
			unknown = err
		}
	}
	if unknown != nil && t.Unknown == UnknownRefuse {
		return RevocationUnknown, unknown
	}
	return "", unknown
}
