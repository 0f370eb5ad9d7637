package smime

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ocsp"
)

// Fetch gets what lies at an address, or with a request what is answered to it. Addresses come out of certificates whose chain to an anchor holds.
type Fetch func(ctx context.Context, address string, request []byte) ([]byte, error)

// CheckerConfig is what a Checker works with; its zero value works.
type CheckerConfig struct {
	Fetch Fetch            // HTTPFetch of a client with 10 s where nil
	Lists [][]byte         // revocation lists kept here, DER: looked at before anybody is asked
	Now   func() time.Time // time.Now where nil
}

// Checker finds out revocations with lists kept here, then by OCSP (RFC 6960), then with lists fetched (RFC 5280 5). What it learns holds as long as
// the authority says and a day at most; what it could not learn is not asked again for a minute. Safe for concurrent use.
type Checker struct {
	cfg   CheckerConfig
	kept  []*list
	mu    sync.Mutex
	cache map[string]*answer // by what was asked: an address, or an address and a certificate
}

// answer is what an authority said, or why it is not known.
type answer struct {
	mu      sync.Mutex // held while it is being found out
	until   time.Time
	list    *list     // from a distribution point
	revoked time.Time // from a responder; zero where good
	err     error
}

// list is a revocation list, whose signature is verified once for all certificates that are looked for in it.
type list struct {
	*x509.RevocationList
	by atomic.Pointer[x509.Certificate] // the authority that has signed it
}

const (
	maxAnswers = 1024
	retryAfter = time.Minute
	keepAtMost = 24 * time.Hour
	maxFetched = 32 << 20 // octets
)

// NewChecker refuses lists that cannot be read.
func NewChecker(cfg CheckerConfig) (*Checker, error) {
	if cfg.Fetch == nil {
		cfg.Fetch = HTTPFetch(&http.Client{Timeout: 10 * time.Second})
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := &Checker{cfg: cfg, cache: map[string]*answer{}}
	for i, der := range cfg.Lists {
		l, err := x509.ParseRevocationList(der)
		if err != nil {
			return nil, fmt.Errorf("revocation list %d: %w", i, err)
		}
		c.kept = append(c.kept, &list{RevocationList: l})
	}
	return c, nil
}

// HTTPFetch gets and posts with a client, plain or TLS: what is fetched is signed.
func HTTPFetch(client *http.Client) Fetch {
	return func(ctx context.Context, address string, request []byte) ([]byte, error) {
		if u, err := url.Parse(address); err != nil || u.Scheme != "http" && u.Scheme != "https" {
			return nil, errors.New("no http address")
		}
		method := http.MethodGet
		if request != nil {
			method = http.MethodPost
		}
		r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(request))
		if err != nil {
			return nil, err
		}
		if request != nil {
			r.Header.Set("Content-Type", "application/ocsp-request")
		}
		resp, err := client.Do(r)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("answered %s", resp.Status)
		}
		b, err := io.ReadAll(io.LimitReader(resp.Body, maxFetched+1))
		if len(b) > maxFetched {
			return nil, fmt.Errorf("answered more than %d octets", maxFetched)
		}
		return b, err
	}
}

// Revoked asks in turn until somebody knows.
func (c *Checker) Revoked(ctx context.Context, cert, issuer *x509.Certificate, received time.Time) (bool, error) {
	unknown := errors.New("the certificate names nobody to ask")
	for _, l := range c.kept {
		if c.usable(l, cert, issuer, "") == nil {
			return listed(l.RevocationList, cert, received), nil
		}
	}
	for _, server := range cert.OCSPServer {
		sum := sha256.Sum256(cert.Raw)
		a := c.ask(ctx, server+"\n"+string(sum[:]), func(a *answer) { c.askResponder(ctx, a, server, cert, issuer) })
		if a.err == nil {
			return !a.revoked.IsZero() && !a.revoked.After(received), nil
		}
		unknown = fmt.Errorf("ocsp: %w", a.err)
	}
	for _, point := range cert.CRLDistributionPoints {
		a := c.ask(ctx, point, func(a *answer) { c.fetchList(ctx, a, point) })
		err := a.err
		if err == nil {
			err = c.usable(a.list, cert, issuer, point)
		}
		if err == nil {
			return listed(a.list.RevocationList, cert, received), nil
		}
		unknown = fmt.Errorf("revocation list: %w", err)
	}
	return false, unknown
}

// ask gives what is known, or finds it out; others who want to know the same wait.
func (c *Checker) ask(ctx context.Context, key string, find func(*answer)) *answer {
	c.mu.Lock()
	a := c.cache[key]
	if a == nil {
		for k := range c.cache { // some give way: what is forgotten is asked again
			if len(c.cache) < maxAnswers {
				break
			}
			delete(c.cache, k)
		}
		a = &answer{}
		c.cache[key] = a
	}
	c.mu.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	now := c.cfg.Now()
	if now.Before(a.until) {
		return &answer{list: a.list, revoked: a.revoked, err: a.err}
	}
	a.list, a.revoked, a.err, a.until = nil, time.Time{}, nil, now.Add(keepAtMost)
	find(a)
	if soon := now.Add(retryAfter); a.err != nil || a.until.Before(soon) {
		a.until = soon
	}
	if a.err != nil && ctx.Err() != nil {
		a.until = now // he gave up, which says nothing to the next
	}
	return &answer{list: a.list, revoked: a.revoked, err: a.err}
}

func (a *answer) holdUntil(t time.Time) {
	if !t.IsZero() && t.Before(a.until) {
		a.until = t
	}
}

func (c *Checker) askResponder(ctx context.Context, a *answer, server string, cert, issuer *x509.Certificate) {
	request, err := ocsp.CreateRequest(cert, issuer, nil)
	if err != nil {
		a.err = err
		return
	}
	der, err := c.cfg.Fetch(ctx, server, request)
	if err != nil {
		a.err = err
		return
	}
	resp, err := ocsp.ParseResponseForCert(der, cert, issuer)
	now := c.cfg.Now()
	switch {
	case err != nil:
		a.err = err
	case !mayAnswer(resp.Certificate, issuer, now):
		a.err = errors.New("the responder may not answer for the authority")
	case resp.ThisUpdate.After(now.Add(clockSkew)), !resp.NextUpdate.IsZero() && resp.NextUpdate.Before(now):
		a.err = errors.New("the answer is out of date")
	case resp.Status == ocsp.Revoked:
		a.revoked = resp.RevokedAt
	case resp.Status != ocsp.Good:
		a.err = errors.New("the responder does not know the certificate")
	}
	if resp != nil {
		a.holdUntil(resp.NextUpdate)
	}
}

// mayAnswer: the authority itself, or whom it has certified for just that [RFC 6960 4.2.2.2].
func mayAnswer(responder, issuer *x509.Certificate, now time.Time) bool {
	if responder == nil || responder.Equal(issuer) {
		return true
	}
	return slices.Contains(responder.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning) && !now.Before(responder.NotBefore) && !now.After(responder.NotAfter)
}

func (c *Checker) fetchList(ctx context.Context, a *answer, point string) {
	der, err := c.cfg.Fetch(ctx, point, nil)
	if err != nil {
		a.err = err
		return
	}
	l, err := x509.ParseRevocationList(der)
	if a.err = err; err == nil {
		a.list = &list{RevocationList: l}
		a.holdUntil(l.NextUpdate)
	}
}

var (
	deltaCRL          = asn1.ObjectIdentifier{2, 5, 29, 27}
	distributionPoint = asn1.ObjectIdentifier{2, 5, 29, 28}
)

// usable says whether a list tells of this certificate: from its issuer, of today, and not a part that leaves it out [RFC 5280 6.3.3].
func (c *Checker) usable(l *list, cert, issuer *x509.Certificate, point string) error {
	if !bytes.Equal(l.RawIssuer, issuer.RawSubject) {
		return errors.New("it is another authority's")
	}
	if by := l.by.Load(); by == nil || !by.Equal(issuer) {
		if err := l.CheckSignatureFrom(issuer); err != nil {
			return err
		}
		l.by.Store(issuer)
	}
	if now := c.cfg.Now(); now.After(l.NextUpdate) || l.ThisUpdate.After(now.Add(clockSkew)) {
		return errors.New("it is out of date")
	}
	for _, e := range l.Extensions {
		if e.Id.Equal(deltaCRL) {
			return errors.New("it holds changes only")
		}
		if e.Id.Equal(distributionPoint) {
			if err := covers(e.Value, cert, point); err != nil {
				return err
			}
		}
	}
	return nil
}

// covers reads issuingDistributionPoint [RFC 5280 5.2.5].
func covers(value []byte, cert *x509.Certificate, point string) error {
	var p struct {
		Point    asn1.RawValue `asn1:"optional,tag:0"`
		User     bool          `asn1:"optional,tag:1"`
		CA       bool          `asn1:"optional,tag:2"`
		Reasons  asn1.RawValue `asn1:"optional,tag:3"`
		Indirect bool          `asn1:"optional,tag:4"`
		Attr     bool          `asn1:"optional,tag:5"`
	}
	if rest, err := asn1.Unmarshal(value, &p); err != nil || len(rest) > 0 {
		return errors.New("its scope cannot be read")
	}
	if p.User && cert.IsCA || p.CA && !cert.IsCA || p.Indirect || p.Attr || len(p.Reasons.FullBytes) > 0 {
		return errors.New("it is for other certificates")
	}
	// A list of a part must be the one the certificate points to; which part a list kept here is, its certificates say.
	if len(p.Point.FullBytes) == 0 {
		return nil
	}
	for _, own := range cert.CRLDistributionPoints {
		if (point == "" || own == point) && bytes.Contains(p.Point.Bytes, []byte(own)) {
			return nil
		}
	}
	return errors.New("it is for other certificates")
}

func listed(l *x509.RevocationList, cert *x509.Certificate, received time.Time) bool {
	for _, e := range l.RevokedCertificateEntries {
		if e.SerialNumber.Cmp(cert.SerialNumber) == 0 {
			return !e.RevocationTime.After(received)
		}
	}
	return false
}
