package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/passerelle-sante/passerelle/smime"
)

// revocations finds out revocations by lists kept in files, PEM or DER, which are read again when a file changes, and by asking authorities where that is on.
type revocations struct {
	lists   []string
	fetch   smime.Fetch
	mu      sync.Mutex
	checker *smime.Checker
	read    []time.Time // when each file was last changed as it was read
	looked  time.Time
	failed  error // why files that changed were not read
	now     func() time.Time
}

// lookAgain is how long files of lists are believed to be what they were.
const lookAgain = 30 * time.Second

// newRevocations asks nobody unless fetch, which the configuration calls key, says so.
func newRevocations(lists []string, fetch bool, key string) (*revocations, error) {
	r := &revocations{lists: lists, now: time.Now, fetch: func(context.Context, string, []byte) ([]byte, error) {
		return nil, errors.New("authorities are not asked: " + key + " is off")
	}}
	if fetch {
		r.fetch = smime.HTTPFetch(&http.Client{Timeout: 10 * time.Second})
	}
	return r, r.load()
}

func (r *revocations) load() error {
	c := smime.CheckerConfig{Fetch: r.fetch}
	var read []time.Time
	for _, file := range r.lists {
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if block, _ := pem.Decode(b); block != nil {
			b = block.Bytes
		}
		c.Lists, read = append(c.Lists, b), append(read, info.ModTime())
	}
	checker, err := smime.NewChecker(c)
	if err != nil {
		return err
	}
	r.checker, r.read, r.looked, r.failed = checker, read, r.now(), nil
	return nil
}

// current is the checker with the lists as they are. A file that cannot be read leaves the lists as they were, which hold until they say themselves that they are out of
// date: a list half written is looked at again. Why it could not be read comes too.
func (r *revocations) current() (*smime.Checker, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now().Sub(r.looked) < lookAgain {
		return r.checker, r.failed
	}
	r.looked = r.now()
	for i, file := range r.lists {
		if info, err := os.Stat(file); err == nil && !info.ModTime().Equal(r.read[i]) {
			r.failed = r.load()
			break
		}
	}
	return r.checker, r.failed
}

// Revoked implements smime.Revocation and xua.Revocation.
func (r *revocations) Revoked(ctx context.Context, cert, issuer *x509.Certificate, received time.Time) (bool, error) {
	checker, stale := r.current()
	revoked, err := checker.Revoked(ctx, cert, issuer, received)
	if err != nil && stale != nil {
		err = fmt.Errorf("%w; a list that changed cannot be read: %w", err, stale)
	}
	return revoked, err
}

// nodeRevocation holds the certificates of the other side of a connection against revocation (ITI-19).
type nodeRevocation struct {
	known         *revocations
	acceptUnknown bool
}

// check looks at each certificate below an anchor, of a new session and of one that is resumed. One chain that holds is enough.
func (n nodeRevocation) check(s tls.ConnectionState) error {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	var err error
	for _, chain := range s.VerifiedChains {
		if err = n.chain(ctx, chain); err == nil {
			return nil
		}
	}
	return err // nil where the other side showed none: whether it must is said elsewhere
}

func (n nodeRevocation) chain(ctx context.Context, chain []*x509.Certificate) error {
	for i := range len(chain) - 1 {
		revoked, err := n.known.Revoked(ctx, chain[i], chain[i+1], time.Now())
		switch {
		case err != nil && !n.acceptUnknown:
			return fmt.Errorf("it is not known whether certificate %x was revoked: %w", chain[i].SerialNumber, err)
		case err == nil && revoked:
			return fmt.Errorf("certificate %x was revoked", chain[i].SerialNumber)
		}
	}
	return nil
}
