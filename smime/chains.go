package smime

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"sync"
	"time"
)

// maxChains bounds what is remembered: a correspondent signs with the same few certificates for years.
const maxChains = 1024

// chains remembers ways to an anchor that were found, by the certificates they were found with. Revocation is not part of it: that is asked each time.
type chains struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]way
}

// way is a chain, and from when to when every certificate of it is valid.
type way struct {
	chain    []*x509.Certificate
	usage    bool
	from, to time.Time
}

func chainKey(c *x509.Certificate, sent []*x509.Certificate) (key [sha256.Size]byte) {
	h := sha256.New()
	var length [8]byte
	write := func(c *x509.Certificate) {
		binary.BigEndian.PutUint64(length[:], uint64(len(c.Raw)))
		h.Write(length[:])
		h.Write(c.Raw)
	}
	write(c)
	for _, s := range sent {
		write(s)
	}
	h.Sum(key[:0])
	return key
}

// find gives the way from a certificate that holds at a time.
func (k *chains) find(key [sha256.Size]byte, at time.Time) (way, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	w, ok := k.known[key]
	return w, ok && !at.Before(w.from) && !at.After(w.to)
}

func (k *chains) keep(key [sha256.Size]byte, chain []*x509.Certificate, usage bool) {
	w := way{chain: chain, usage: usage, from: chain[0].NotBefore, to: chain[0].NotAfter}
	for _, c := range chain[1:] {
		if c.NotBefore.After(w.from) {
			w.from = c.NotBefore
		}
		if c.NotAfter.Before(w.to) {
			w.to = c.NotAfter
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known == nil || len(k.known) >= maxChains {
		k.known = map[[sha256.Size]byte]way{}
	}
	k.known[key] = w
}
