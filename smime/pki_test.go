package smime_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/internal/testpki"
	"github.com/passerelle-sante/passerelle/smime"
	"github.com/passerelle-sante/passerelle/wire/cms"
)

const ocspURL, crlURL = "http://ocsp.ac.example/", "http://ac.example/list.crl"

// people are who sends and receives in these tests: a laboratory, its second biologist, the gateway with keys of both kinds, and strangers.
type people struct {
	root, ca, other *testpki.Authority
	ids             map[string]testpki.Identity
}

var thePeople = sync.OnceValues(func() (*people, error) {
	root, err := testpki.New("TEST AC RACINE")
	if err != nil {
		return nil, err
	}
	ca, err := root.Below("TEST AC ORGANISATIONS")
	if err != nil {
		return nil, err
	}
	other, err := testpki.New("Somebody else's authority")
	if err != nil {
		return nil, err
	}
	p := &people{root: root, ca: ca, other: other, ids: map[string]testpki.Identity{}}
	const labo = "resultats@labo.example"
	now := time.Now()
	for _, c := range []struct {
		name, kind, address string
		by                  *testpki.Authority
		edit                func(*x509.Certificate)
	}{
		{"labo", "rsa2048", labo, ca, nil},
		{"labo-ec", "p256", labo, ca, nil},
		{"second", "p384", labo, ca, nil},
		{"gateway", "rsa2048", "depot@passerelle.example", ca, nil},
		{"gateway-ec", "p256", "depot@passerelle.example", ca, nil},
		{"elsewhere", "p256", "autre@clinique.example", ca, nil},
		{"stranger", "p256", labo, other, nil},
		{"weak", "rsa1024", labo, ca, nil},
		{"expired", "p256", labo, ca, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = now.Add(-30*time.Minute), now.Add(-10*time.Minute)
		}},
		{"early", "p256", labo, ca, func(c *x509.Certificate) { c.NotBefore = now.Add(24 * time.Hour) }},
		{"tls", "p256", labo, ca, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }},
		{"usage", "p256", labo, ca, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }},
		{"sign-only", "rsa2048", labo, ca, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }},
		{"card", "p256", "", ca, func(c *x509.Certificate) { c.EmailAddresses = nil }},
		{"ocsp", "p256", labo, ca, func(c *x509.Certificate) { c.OCSPServer = []string{ocspURL} }},
		{"crl", "p256", labo, ca, func(c *x509.Certificate) { c.CRLDistributionPoints = []string{crlURL} }},
		{"responder", "p256", "", ca, func(c *x509.Certificate) {
			c.EmailAddresses, c.ExtKeyUsage = nil, []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}
		}},
	} {
		key, err := testpki.NewKey(c.kind)
		if err != nil {
			return nil, err
		}
		t := testpki.Mailbox("Titulaire "+c.name, c.address)
		if c.edit != nil {
			c.edit(t)
		}
		cert, err := c.by.Certify(t, key.Public())
		if err != nil {
			return nil, err
		}
		p.ids[c.name] = testpki.Identity{Certificate: cert, Key: key}
	}
	return p, nil
})

func get(t testing.TB) *people {
	t.Helper()
	p, err := thePeople()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *people) signer(name string) cms.Signer {
	return cms.Signer{Certificate: p.ids[name].Certificate, Key: p.ids[name].Key}
}

func (p *people) to(name string) cms.Recipient {
	return cms.Recipient{Certificate: p.ids[name].Certificate}
}

func (p *people) keys(names ...string) []cms.Key {
	var out []cms.Key
	for _, n := range names {
		out = append(out, cms.Key{Certificate: p.ids[n].Certificate, Private: p.ids[n].Key})
	}
	return out
}

// trust has the root for its anchor, the issuing authority beside, and takes unknown revocations.
func (p *people) trust() *smime.Trust {
	return &smime.Trust{Anchors: []*x509.Certificate{p.root.Certificate()}, Intermediates: []*x509.Certificate{p.ca.Certificate()}, Unknown: smime.UnknownAccept}
}

// options are the gateway's.
func (p *people) options() smime.Options {
	return smime.Options{Keys: p.keys("gateway", "gateway-ec"), Trust: p.trust(), Received: time.Now()}
}

const header = "From: Laboratoire <resultats@labo.example>\r\nTo: depot@passerelle.example\r\nSubject: XDM/1.0/DDM+CR\r\nMIME-Version: 1.0\r\n"

// mail puts the message's own fields before an entity.
func mail(entity []byte) []byte { return append([]byte(header), entity...) }

var entity = []byte("Content-Type: multipart/mixed; boundary=abc\r\n\r\n--abc\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nBonjour\r\n" +
	"--abc\r\nContent-Type: application/zip; name=IHE_XDM.ZIP\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
	strings.Repeat("UEsDBAoAAAAAAAAAIQAAAAAAAAAAAAAAAAAIAAAASUhFX1hETQ==\r\n", 1) + "--abc--\r\n")

func open(t testing.TB, raw []byte, o smime.Options) *smime.Message {
	t.Helper()
	m, err := smime.Open(context.Background(), raw, o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func seal(t testing.TB, b []byte, o smime.SealOptions) []byte {
	t.Helper()
	out, err := smime.Seal(b, o)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// shape is the layers in short: "encrypted(AES-256-GCM) signed(detached,1)".
func shape(m *smime.Message) string {
	var out []string
	for _, l := range m.Layers {
		switch l.Kind {
		case smime.Encrypted:
			out = append(out, "encrypted("+l.Cipher+")")
		case smime.Signed:
			form := "opaque"
			if l.Detached {
				form = "detached"
			}
			out = append(out, fmt.Sprintf("signed(%s,%d)", form, len(l.Signers)))
		default:
			out = append(out, string(l.Kind))
		}
	}
	return strings.Join(out, " ")
}
