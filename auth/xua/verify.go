package xua

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"hash"
	"sync"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/wire/saml"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/wire/xmlsig"
)

// Verifier verifies assertions and remembers those it has found good. It is safe for concurrent use.
type Verifier struct {
	cfg            Config
	anchors, other *x509.CertPool
	finders        sync.Pool
	good           recent[[sha256.Size]byte, verified]  // by the octets of the assertion and its namespaces
	holders        recent[string, holder]               // by issuer and identifier
	signers        recent[[sha256.Size]byte, time.Time] // until when certificates that were sent are trusted, by their octets
}

// finder is what it takes to look for an assertion.
type finder struct {
	*xmlpull.Reader
	hash  hash.Hash
	scope []byte
}

// verified is an assertion that was found good, for the node that brought it.
type verified struct {
	caller caller
	node   []byte // its certificate
	until  time.Time
}

// holder is the node that first brought an assertion, and what the assertion said: it is nobody else's until it ends.
type holder struct {
	node, content [sha256.Size]byte
	until         time.Time
}

// recheck is how long an assertion, or a signer, is taken for good without asking again: a signer may be revoked.
const recheck = 10 * time.Minute

// New refuses a configuration that trusts nobody.
func New(cfg Config) (*Verifier, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	v := &Verifier{cfg: cfg, anchors: x509.NewCertPool(), other: x509.NewCertPool()}
	for _, c := range cfg.Anchors {
		v.anchors.AddCert(c)
	}
	for _, c := range cfg.Intermediates {
		v.other.AddCert(c)
	}
	v.finders.New = func() any {
		return &finder{Reader: xmlpull.NewReader(nil, xmlpull.Options{BOM: true}), hash: sha256.New()}
	}
	v.good.max, v.holders.max, v.signers.max = cfg.Remembered, cfg.Remembered, cfg.Remembered
	return v, nil
}

// Caller is who asks: the node that calls, and the person its assertion names. The assertion is the only one in envelope[from:to], the wsse:Security header,
// node the certificate of the TLS connection. An error is an *[Error].
func (v *Verifier) Caller(ctx context.Context, peer auth.Caller, node *x509.Certificate, envelope []byte, from, to int) (auth.Caller, error) {
	if node == nil || from < 0 || to > len(envelope) || from >= to {
		return peer, refuse(NoAssertion, "")
	}
	at, key, err := v.find(envelope[:to], from)
	if err != nil {
		return peer, err
	}
	now := v.cfg.Now()
	if known, ok := v.good.get(key); ok && now.Before(known.until) {
		if !bytes.Equal(known.node, node.Raw) {
			return peer, refuse(Replayed, "")
		}
		return known.caller.of(peer), nil
	}
	who, until, err := v.judge(ctx, envelope[:to], at, node, now)
	if err != nil {
		return peer, err
	}
	v.good.put(key, verified{who, node.Raw, until})
	return who.of(peer), nil
}

// find looks for the assertion right within the header: where it begins, and the digest of its octets and of all that its prefixes may mean.
func (v *Verifier) find(doc []byte, from int) (at int, key [sha256.Size]byte, err error) {
	r := v.finders.Get().(*finder)
	defer func() {
		r.Reset(nil)
		v.finders.Put(r)
	}()
	r.Reset(doc)
	r.hash.Reset()
	r.scope = r.scope[:0]
	at = -1
	security := 0 // its depth
	for {
		k, err := r.Next()
		if err != nil {
			return 0, key, &Error{Code: Malformed, Detail: err.Error(), err: err}
		}
		if k == xmlpull.Start && r.Offset() == from {
			security = r.Depth()
		} else if k == xmlpull.Start && security > 0 && r.Depth() == security+1 && r.Is(saml.Space, "Assertion") {
			if at >= 0 {
				return 0, key, refuse(Malformed, "more than one assertion")
			}
			at = r.Offset()
			r.InScope(func(prefix, uri string) { r.scope = append(append(append(append(r.scope, prefix...), 0), uri...), 0) })
			r.hash.Write(r.scope)
			if err := r.Skip(); err != nil {
				return 0, key, &Error{Code: Malformed, Detail: err.Error(), err: err}
			}
			r.hash.Write(doc[at:r.EndOffset()])
		}
		if r.EndOffset() >= len(doc) {
			break
		}
	}
	if at < 0 {
		return 0, key, refuse(NoAssertion, "")
	}
	r.hash.Sum(key[:0])
	return at, key, nil
}

// judge verifies an assertion from the ground: signature and signer, then what it says. It says until when that holds without asking again.
func (v *Verifier) judge(ctx context.Context, doc []byte, at int, node *x509.Certificate, now time.Time) (caller, time.Time, error) {
	var none caller
	var trusted time.Time
	signed, err := xmlsig.Verify(doc, at, xmlsig.Options{SHA1: v.cfg.SHA1, Key: func(certs []*x509.Certificate) (crypto.PublicKey, error) {
		if len(certs) == 0 {
			return nil, refuse(Untrusted, "KeyInfo holds no certificate")
		}
		var err error
		trusted, err = v.trust(ctx, certs, node, now)
		return certs[0].PublicKey, err
	}})
	var own *Error
	switch {
	case errors.As(err, &own):
		return none, now, own
	case err != nil:
		return none, now, &Error{Code: InvalidSignature, Detail: err.Error(), err: err}
	}
	a, err := saml.Read(signed.Tree)
	if err != nil {
		return none, now, &Error{Code: Malformed, Detail: err.Error(), err: err}
	}
	until, err := v.fresh(a, now)
	if err != nil {
		return none, now, err
	}
	if err := v.confirmed(a, node, now); err != nil {
		return none, now, err
	}
	c, err := v.cfg.Profile.read(a, signed.Certificates[0], node)
	if err != nil {
		return none, now, err
	}
	return c, earliest(until, trusted), v.claim(a, signed.Canonical, node, until, now)
}

// claim makes the assertion the node's, or says that it is another's. One identifier stands for one assertion.
func (v *Verifier) claim(a *saml.Assertion, content []byte, node *x509.Certificate, until, now time.Time) error {
	mine := holder{sha256.Sum256(node.Raw), sha256.Sum256(content), until}
	had, ok := v.holders.getOrPut(a.Issuer.Value+"\x00"+a.ID, mine, func(h holder) bool { return now.Before(h.until) })
	if ok && (had.node != mine.node || had.content != mine.content) {
		return refuse(Replayed, "")
	}
	return nil
}

// Trust judges a signer of other things than assertions by the same authorities: the first certificate is his. An error is an *[Error].
func (v *Verifier) Trust(ctx context.Context, certs []*x509.Certificate) error {
	if len(certs) == 0 {
		return refuse(Untrusted, "there is no certificate")
	}
	_, err := v.trust(ctx, certs, nil, v.cfg.Now())
	return err
}

// trust judges the signer's certificate, the first of those that were sent, and says until when it is trusted without asking again.
func (v *Verifier) trust(ctx context.Context, certs []*x509.Certificate, node *x509.Certificate, now time.Time) (time.Time, error) {
	if v.cfg.Profile.separate && certs[0].Equal(node) {
		return now, refuse(KeyUsage, "the certificate is for connections and not for signatures")
	}
	h := sha256.New()
	for _, c := range certs {
		h.Write(c.Raw)
	}
	key := [sha256.Size]byte(h.Sum(nil))
	if until, ok := v.signers.get(key); ok && now.Before(until) {
		return until, nil
	}
	if err := v.judgeSigner(ctx, certs, now); err != nil {
		return now, err
	}
	until := earliest(now.Add(recheck), certs[0].NotAfter)
	v.signers.put(key, until)
	return until, nil
}

func (v *Verifier) judgeSigner(ctx context.Context, certs []*x509.Certificate, now time.Time) error {
	signer, between := certs[0], v.other
	if len(certs) > 1 {
		between = v.other.Clone()
		for _, c := range certs[1:] {
			between.AddCert(c)
		}
	}
	chains, err := signer.Verify(x509.VerifyOptions{Roots: v.anchors, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		return &Error{Code: Untrusted, err: err}
	}
	if u := signer.KeyUsage; u != 0 && u&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0 || signer.IsCA {
		return refuse(KeyUsage, "the certificate is not for signatures")
	}
	if v.cfg.Profile.separate && forTLS(signer) {
		return refuse(KeyUsage, "the certificate is for connections and not for signatures")
	}
	return v.revocation(ctx, chains[0], now)
}

func forTLS(c *x509.Certificate) bool {
	for _, u := range c.ExtKeyUsage {
		if u == x509.ExtKeyUsageClientAuth || u == x509.ExtKeyUsageServerAuth {
			return true
		}
	}
	return false
}

// revocation asks for every certificate of a chain but the anchor.
func (v *Verifier) revocation(ctx context.Context, chain []*x509.Certificate, now time.Time) error {
	var unknown error
	for i, c := range chain[:len(chain)-1] {
		if v.cfg.Revocation == nil {
			unknown = errors.New("revocation is not checked")
			break
		}
		revoked, err := v.cfg.Revocation.Revoked(ctx, c, chain[i+1], now)
		if revoked {
			return &Error{Code: Revoked, err: err}
		}
		if err != nil {
			unknown = err
		}
	}
	if unknown != nil && !v.cfg.AcceptUnknown {
		return &Error{Code: RevocationUnknown, err: unknown}
	}
	return nil
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
