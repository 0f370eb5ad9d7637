package smime

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/internal/testpki"
)

// TestChainsRemembered: a way that was found is found again while every certificate of it is valid, with the same certificates beside it only.
func TestChainsRemembered(t *testing.T) {
	ca, err := testpki.New("Remembered")
	if err != nil {
		t.Fatal(err)
	}
	key, err := testpki.NewKey("p256")
	if err != nil {
		t.Fatal(err)
	}
	c, err := ca.Certify(testpki.Mailbox("a@labo.example", "a"), key.Public())
	if err != nil {
		t.Fatal(err)
	}
	root := ca.Certificate()
	trust := &Trust{Anchors: []*x509.Certificate{root}}
	now := time.Now()
	first, usage := trust.chain(c, nil, now)
	if len(first) != 2 || !usage || len(trust.chains.known) != 1 {
		t.Fatalf("%d certificates, usage %v, %d remembered", len(first), usage, len(trust.chains.known))
	}
	again, usage := trust.chain(c, nil, now.Add(time.Second))
	if &again[0] != &first[0] || !usage {
		t.Error("the way is looked for again")
	}
	if other, _ := trust.chain(c, []*x509.Certificate{c}, now); &other[0] == &first[0] || len(trust.chains.known) != 2 {
		t.Error("what was sent beside it does not count")
	}
	key0 := chainKey(c, nil)
	for _, at := range []time.Time{root.NotBefore.Add(-time.Second), c.NotBefore.Add(-time.Second), c.NotAfter.Add(time.Second), root.NotAfter.Add(time.Second)} {
		if _, ok := trust.chains.find(key0, at); ok {
			t.Errorf("%v: it is believed out of its time", at)
		}
	}
	if got, _ := new(Trust).chain(c, nil, now); got != nil {
		t.Error("what one trust remembers another believes")
	}
	for i := range maxChains + 1 {
		trust.chains.keep([32]byte{byte(i), byte(i >> 8), 1}, first, true)
	}
	if n := len(trust.chains.known); n > maxChains {
		t.Errorf("%d are remembered", n)
	}
}
