package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/internal/testpki"
	"github.com/passerelle-sante/passerelle/wire/saml"
	"github.com/passerelle-sante/passerelle/wire/xmlsig"
)

// assertions is how many different ones are sent; the gateway remembers fewer, so that each comes as if it had never been seen.
const assertions, remembered = 2_000, 200

const assertedConfig = `access:
  assertions: {profile: xua, audiences: ["urn:bench"], anchors: [%[1]s/provider.pem], lists: [%[1]s/provider.crl], remembered: %[2]d}
`

// asserted measures ITI-18 with an assertion against the same without: one that comes again and again, and ones that were never seen.
func (b *bench) asserted(ctx context.Context, s scenario) error {
	dir := filepath.Join(b.dir, "store-50000")
	if err := fill(ctx, dir, 50_000, false); err != nil {
		return fmt.Errorf("fill the store: %w", err)
	}
	pki, err := os.MkdirTemp(b.dir, "provider")
	if err != nil {
		return err
	}
	defer os.RemoveAll(pki)
	provider, err := identityProvider(pki)
	if err != nil {
		return err
	}
	c, _, err := b.configured(dir, s.name, fmt.Sprintf(assertedConfig, pki, remembered), "")
	if err != nil {
		return err
	}
	return errors.Join(b.assertedOn(ctx, s, c, provider), c.stop())
}

// identityProvider makes who vouches for people, with the files that the gateway knows him by.
func identityProvider(dir string) (testpki.Identity, error) {
	var id testpki.Identity
	ca, err := testpki.New("Throw-away authority of people")
	if err != nil {
		return id, err
	}
	if id.Key, err = testpki.NewKey("rsa2048"); err != nil {
		return id, err
	}
	if id.Certificate, err = ca.Certify(testpki.Mailbox("identity provider", "idp@example.org"), id.Key.Public()); err != nil {
		return id, err
	}
	list, err := ca.Revoke()
	if err != nil {
		return id, err
	}
	return id, errors.Join(os.WriteFile(filepath.Join(dir, "provider.pem"), ca.PEM, 0o600),
		os.WriteFile(filepath.Join(dir, "provider.crl"), pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: list}), 0o600))
}

func (b *bench) assertedOn(ctx context.Context, s scenario, c *child, by testpki.Identity) error {
	var all []*message
	for i := range assertions {
		m, err := assertedQuery(i, by)
		if err != nil {
			return err
		}
		all = append(all, m)
	}
	plain := queryMessage("LeafClass")
	without := func() (figures, error) { return b.drive(c.addr, c.pid(), b.opt.clients, plain, nil) }
	for _, x := range []struct {
		suffix       string
		must, target float64
		vary         func(wire []byte, n int)
	}{
		{"", s.must, s.target, nil},
		{"-first", .40, .55, func(wire []byte, n int) { copy(wire, all[n%assertions].wire) }},
	} {
		r, err := b.pairs(ctx, rate, without, func() (figures, error) { return b.drive(c.addr, c.pid(), b.opt.clients, all[0], x.vary) })
		if err != nil {
			return err
		}
		r.YardstickName = "without"
		b.report(s.row(x.suffix, x.must, x.target, false), r)
	}
	return nil
}

// assertedQuery is the query with the i-th assertion; all are of one length.
func assertedQuery(i int, by testpki.Identity) (*message, error) {
	header, err := vouchedHeader(i, by)
	return queryMessage("LeafClass").with(header), err
}

// vouched is a message with an assertion.
func vouched(plain *message, by testpki.Identity) (*message, error) {
	header, err := vouchedHeader(0, by)
	return plain.with(header), err
}

// with puts a header block at the end of the header, and sees to the length and to the places that are overwritten.
func (m *message) with(header string) *message {
	head, body, _ := bytes.Cut(m.wire, []byte("\r\n\r\n"))
	line, rest, _ := strings.Cut(string(head), "\r\n")
	_, path, _ := strings.Cut(line, " ")
	path, _, _ = strings.Cut(path, " ")
	_, kind, _ := strings.Cut(rest, "Content-Type: ")
	kind, _, _ = strings.Cut(kind, "\r\n")
	place := func(at []int, digits int) string {
		if len(at) == 0 {
			return ""
		}
		return string(m.wire[at[0] : at[0]+digits])
	}
	return newMessage(path, kind, []byte(strings.Replace(string(body), "</env:Header>", header, 1)), place(m.number, 8), place(m.person, 15))
}

// vouchedHeader is a header block with the i-th assertion, which ends the header.
func vouchedHeader(i int, by testpki.Identity) (string, error) {
	now := time.Now().UTC().Truncate(time.Second)
	a := saml.Assertion{ID: fmt.Sprintf("_%08d", i), IssueInstant: now, Issuer: saml.NameID{Value: "https://idp.example.org"}, Subject: saml.NameID{Value: "anne@example.org"},
		Confirmations: []saml.Confirmation{{Method: saml.Bearer}}, Conditions: &saml.Conditions{NotBefore: now, NotOnOrAfter: now.Add(time.Hour), Audiences: [][]string{{"urn:bench"}}},
		Authn: []saml.AuthnStatement{{Instant: now, ClassRef: "urn:oasis:names:tc:SAML:2.0:ac:classes:X509"}},
		Attributes: []saml.Attribute{
			{Name: "urn:oasis:names:tc:xspa:1.0:subject:subject-id", Values: []saml.Value{{Text: "Anne Testeuse"}}},
			{Name: "urn:oasis:names:tc:xacml:2.0:subject:role", Values: []saml.Value{saml.Coded("Role", "10", "1.2.250.1.71.1.2.7", "", "")}},
			{Name: "urn:oasis:names:tc:xspa:1.0:subject:purposeofuse", Values: []saml.Value{saml.Coded("PurposeOfUse", "TREATMENT", "2.16.840.1.113883.3.18.7.1", "", "")}}}}
	signed, err := xmlsig.Signer{Key: by.Key, Certificates: []*x509.Certificate{by.Certificate}, Canonicalization: xmlsig.Exclusive("xs")}.Sign(a.Append(nil), 0, 1)
	return `<w:Security xmlns:w="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd">` + string(signed) + `</w:Security></env:Header>`, err
}
