package xmlsig

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// Signer is who signs, and how.
type Signer struct {
	Key          crypto.Signer
	Certificates []*x509.Certificate // written to KeyInfo
	Method       string              // algorithm as its URI; that with SHA-256 for the key where empty
	Digest       string              // http://www.w3.org/2001/04/xmlenc#sha256 where empty
	// Canonicalization of SignedInfo and of what is signed; its zero value is inclusive.
	Canonicalization Canonicalization
}

// Exclusive is the canonicalization that SAML asks for, with the prefixes that values of attributes and text use.
func Exclusive(prefixes ...string) Canonicalization {
	return Canonicalization{Exclusive: true, Prefixes: prefixes}
}

// Sign signs the element that begins at an offset of doc, its root where that is 0, and puts the signature behind the given number of child elements. The
// rest of doc stays as it is.
func (s Signer) Sign(doc []byte, from, behind int) ([]byte, error) {
	d, err := read(doc, from, Options{}.withDefaults())
	if err != nil {
		return nil, err
	}
	at := d.nodes[0].openEnd
	d.children(0, func(c int32) {
		if behind > 0 {
			at = d.nodes[c].to
		}
		behind--
	})
	own := slices.IndexFunc(d.ids, func(x identifier) bool { return x.node == 0 })
	if own < 0 || at == d.nodes[0].to {
		return nil, fmt.Errorf("%w: the element has no identifier, or no content", ErrForm)
	}
	return s.insert(doc, d, 0, d.ids[own].value, at)
}

// SignDetached signs the element of doc that has an identifier, and puts the signature at an offset outside of it.
func (s Signer) SignDetached(doc []byte, id string, at int) ([]byte, error) {
	d, err := read(doc, 0, Options{}.withDefaults())
	if err != nil {
		return nil, err
	}
	target, err := d.identified(id)
	if err != nil {
		return nil, err
	}
	if n := d.nodes[target]; at > n.off && at < n.to {
		return nil, fmt.Errorf("%w: the signature would stand in what it signs", ErrForm)
	}
	return s.insert(doc, d, target, id, at)
}

func (s Signer) insert(doc []byte, d *document, target int32, id string, at int) ([]byte, error) {
	if _, err := d.onlySignature(); err == nil {
		return nil, fmt.Errorf("%w: it is signed already", ErrForm)
	}
	method, hash, err := s.complete()
	if err != nil {
		return nil, err
	}
	how := s.Canonicalization
	how.Comments = false
	enveloped := d.nodes[target].off < at && at < d.nodes[target].to
	written := s.write(id, enveloped, sum(hash, d.canonical(target, how, -1)))
	whole := slices.Concat(doc[:at], written, doc[at:])
	again, err := read(whole, d.nodes[0].off, Options{}.withDefaults())
	if err != nil {
		return nil, err
	}
	node, err := again.onlySignature()
	if err != nil {
		return nil, err
	}
	value, err := method.sign(s.Key, sum(method.hash, again.canonical(node+1, s.Canonicalization, -1)))
	if err != nil {
		return nil, err
	}
	hole := at + bytes.Index(written, []byte("</ds:SignatureValue>"))
	return slices.Concat(whole[:hole], []byte(base64.StdEncoding.EncodeToString(value)), whole[hole:]), nil
}

// complete fills in the algorithms that are not stated, and gives them.
func (s *Signer) complete() (method, crypto.Hash, error) {
	if s.Method == "" {
		s.Method = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
		if _, ok := s.Key.Public().(*ecdsa.PublicKey); ok {
			s.Method = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
		}
	}
	if s.Digest == "" {
		s.Digest = "http://www.w3.org/2001/04/xmlenc#sha256"
	}
	m, known := methods[s.Method]
	hash, digestKnown := digests[s.Digest]
	if !known || !digestKnown || m.hash == crypto.SHA1 || hash == crypto.SHA1 {
		return m, hash, ErrAlgorithm
	}
	return m, hash, nil
}

// write writes a signature whose value is empty, SignedInfo first.
func (s Signer) write(id string, enveloped bool, digest []byte) []byte {
	list := s.prefixes()
	of := s.Canonicalization
	of.Comments = false
	var b []byte
	add := func(parts ...string) {
		for _, p := range parts {
			b = append(b, p...)
		}
	}
	add(`<ds:Signature xmlns:ds="`, dsSpace, `"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="`, s.Canonicalization.uri(), `">`, list, `</ds:CanonicalizationMethod>`,
		`<ds:SignatureMethod Algorithm="`, s.Method, `"></ds:SignatureMethod><ds:Reference URI="#`, string(xmlpull.AppendAttr(nil, id)), `"><ds:Transforms>`)
	if enveloped {
		add(`<ds:Transform Algorithm="`, envelopedTransform, `"></ds:Transform>`)
	}
	add(`<ds:Transform Algorithm="`, of.uri(), `">`, list, `</ds:Transform></ds:Transforms><ds:DigestMethod Algorithm="`, s.Digest, `"></ds:DigestMethod><ds:DigestValue>`,
		base64.StdEncoding.EncodeToString(digest), `</ds:DigestValue></ds:Reference></ds:SignedInfo><ds:SignatureValue></ds:SignatureValue>`)
	add(s.keyInfo(), `</ds:Signature>`)
	return b
}

// prefixes is InclusiveNamespaces, where there are any to list.
func (s *Signer) prefixes() string {
	m := s.Canonicalization
	if !m.Exclusive || len(m.Prefixes) == 0 {
		return ""
	}
	names := strings.Join(m.Prefixes, " ")
	if slices.Contains(m.Prefixes, "") {
		names = strings.TrimSpace("#default " + strings.Join(slices.DeleteFunc(slices.Clone(m.Prefixes), func(p string) bool { return p == "" }), " "))
	}
	return `<ec:InclusiveNamespaces xmlns:ec="` + excSpace + `" PrefixList="` + string(xmlpull.AppendAttr(nil, names)) + `"></ec:InclusiveNamespaces>`
}

// keyInfo holds the certificates, if there are any.
func (s *Signer) keyInfo() string {
	if len(s.Certificates) == 0 {
		return ""
	}
	b := `<ds:KeyInfo><ds:X509Data>`
	for _, c := range s.Certificates {
		b += `<ds:X509Certificate>` + base64.StdEncoding.EncodeToString(c.Raw) + `</ds:X509Certificate>`
	}
	return b + `</ds:X509Data></ds:KeyInfo>`
}
