package xmlsig

import (
	"bytes"
	"crypto"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

// signature is a ds:Signature as it stands in a document.
type signature struct {
	node       int32
	signedInfo int32
	object     bool
	how        Canonicalization // of SignedInfo
	method     method
	methodURI  string
	value      []byte
	certs      []*x509.Certificate
	references []reference
}

// reference says what is signed, and how it becomes octets.
type reference struct {
	id, kind  string
	enveloped bool // the signature itself is left out
	how       Canonicalization
	hash      crypto.Hash
	digest    []byte
}

// Verify verifies that the element which begins at an offset of doc, its root where that is 0, is signed as a whole by the signature right within it. There
// must be no second signature in it, and the one reference must name this very element: which one is signed is for the caller to say and never looked up.
func Verify(doc []byte, from int, o Options) (*Signed, error) {
	d, err := read(doc, from, o.withDefaults())
	if err != nil {
		return nil, err
	}
	node, err := d.onlySignature()
	if err != nil {
		return nil, err
	}
	if d.nodes[node].parent != 0 {
		return nil, fmt.Errorf("%w: it is not right within the element", ErrForm)
	}
	s, err := d.signature(node, 1, o)
	if err != nil {
		return nil, err
	}
	r := &s.references[0]
	switch target, err := d.identified(r.id); {
	case err != nil:
		return nil, err
	case target != 0:
		return nil, fmt.Errorf("%w: it references another", ErrReference)
	case s.object: // outside of what is signed, and a place to hide things in
		return nil, fmt.Errorf("%w: ds:Object", ErrForm)
	case !r.enveloped:
		return nil, fmt.Errorf("%w: the enveloped-signature transform is missing", ErrForm)
	}
	if err := d.authentic(s, o); err != nil {
		return nil, err
	}
	return d.vouched(s, r, 0)
}

// VerifyDetached verifies the only signature of a document, which references by its identifier an element that does not hold the signature: beside it, or
// within its ds:Object.
func VerifyDetached(doc []byte, o Options) (*Signed, error) {
	all, err := verifyDetached(doc, 1, o)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// maxReferences bounds what one signature covers.
const maxReferences = 16

// VerifyObjects verifies the only signature of a document as VerifyDetached does, but it may reference several elements, in the order of the result. Of what
// the signature covers nothing else is known: who reads a ds:Object reads it from there.
func VerifyObjects(doc []byte, o Options) ([]*Signed, error) {
	return verifyDetached(doc, maxReferences, o)
}

func verifyDetached(doc []byte, most int, o Options) ([]*Signed, error) {
	d, err := read(doc, 0, o.withDefaults())
	if err != nil {
		return nil, err
	}
	node, err := d.onlySignature()
	if err != nil {
		return nil, err
	}
	s, err := d.signature(node, most, o)
	if err != nil {
		return nil, err
	}
	targets := make([]int32, len(s.references))
	for i, r := range s.references {
		target, err := d.identified(r.id)
		switch {
		case err != nil:
			return nil, err
		case target <= node && node < d.nodes[target].end || target >= s.signedInfo && target < d.nodes[s.signedInfo].end:
			return nil, fmt.Errorf("%w: it references what holds the signature, or a part of it", ErrReference)
		case r.enveloped:
			return nil, fmt.Errorf("%w: the enveloped-signature transform without an envelope", ErrForm)
		case slices.Contains(targets[:i], target):
			return nil, fmt.Errorf("%w: it references an element twice", ErrReference)
		}
		targets[i] = target
	}
	if err := d.authentic(s, o); err != nil {
		return nil, err
	}
	all := make([]*Signed, len(targets))
	for i := range targets {
		if all[i], err = d.vouched(s, &s.references[i], targets[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// authentic tells that SignedInfo is the signer's. It asks for the key first, so that nobody who is not known makes us digest anything.
func (d *document) authentic(s *signature, o Options) error {
	if o.Key == nil {
		return fmt.Errorf("%w: no key is known", ErrSignature)
	}
	key, err := o.Key(s.certs)
	if err != nil {
		return err
	}
	return s.method.verify(key, sum(s.method.hash, d.canonical(s.signedInfo, s.how, -1)), s.value)
}

// vouched gives what a reference covers, if it is what was signed.
func (d *document) vouched(s *signature, r *reference, target int32) (*Signed, error) {
	skip := int32(-1)
	if r.enveloped {
		skip = s.node
	}
	how := r.how
	how.Comments = false // [XML Signature 4.4.3.3] a reference by identifier takes no comments
	canonical := d.canonical(target, how, skip)
	if subtle.ConstantTimeCompare(sum(r.hash, canonical), r.digest) != 1 {
		return nil, ErrDigest
	}
	tree, err := xmltree.Parse(canonical, xmltree.Options{})
	return &Signed{Canonical: canonical, Tree: tree, Certificates: s.certs, Method: s.methodURI, Type: r.kind}, err
}

func (d *document) onlySignature() (int32, error) {
	found := int32(-1)
	for i := range d.nodes {
		if !d.is(int32(i), dsSpace, "Signature") {
			continue
		}
		if found >= 0 {
			return -1, fmt.Errorf("%w: there is more than one", ErrForm)
		}
		found = int32(i)
	}
	if found < 0 {
		return -1, ErrUnsigned
	}
	return found, nil
}

// form reads the children of an element against a list of local names in order: "name" once, "name?" at most once, "name*" any number of times.
func (d *document) form(i int32, space string, grammar ...string) (map[string]int32, error) {
	found := map[string]int32{}
	bad := false
	d.children(i, func(c int32) {
		for len(grammar) > 0 && !d.is(c, space, strings.TrimRight(grammar[0], "?*")) && strings.ContainsAny(grammar[0], "?*") {
			grammar = grammar[1:]
		}
		if len(grammar) == 0 || !d.is(c, space, strings.TrimRight(grammar[0], "?*")) {
			bad = true
			grammar = nil
			return
		}
		found[d.nodes[c].name.Local] = c
		if !strings.HasSuffix(grammar[0], "*") {
			grammar = grammar[1:]
		}
	})
	for _, g := range grammar {
		bad = bad || !strings.HasSuffix(g, "?") && !strings.HasSuffix(g, "*")
	}
	if bad {
		return nil, fmt.Errorf("%w: the content of %s", ErrForm, d.nodes[i].name.Local)
	}
	return found, nil
}

// signature reads a ds:Signature of at most so many references.
func (d *document) signature(i int32, most int, o Options) (*signature, error) {
	parts, err := d.form(i, dsSpace, "SignedInfo", "SignatureValue", "KeyInfo?", "Object*")
	if err != nil {
		return nil, err
	}
	s := &signature{node: i, signedInfo: parts["SignedInfo"]}
	_, s.object = parts["Object"]
	info, err := d.form(s.signedInfo, dsSpace, "CanonicalizationMethod", "SignatureMethod", "Reference*")
	if err != nil {
		return nil, err
	}
	if s.how, err = d.canonicalization(info["CanonicalizationMethod"]); err != nil {
		return nil, err
	}
	if err := d.readMethod(info["SignatureMethod"], s, o); err != nil {
		return nil, err
	}
	if s.value, err = d.octets(parts["SignatureValue"]); err != nil {
		return nil, err
	}
	if k, ok := parts["KeyInfo"]; ok {
		if s.certs, err = d.certificates(k); err != nil {
			return nil, err
		}
	}
	d.children(s.signedInfo, func(c int32) {
		if !d.is(c, dsSpace, "Reference") || err != nil {
			return
		}
		if len(s.references) == most {
			err = fmt.Errorf("%w: more than %d references", ErrForm, most)
			return
		}
		var r reference
		r, err = d.reference(c, o)
		s.references = append(s.references, r)
	})
	if err == nil && len(s.references) == 0 {
		err = fmt.Errorf("%w: no reference", ErrForm)
	}
	return s, err
}

func (d *document) readMethod(i int32, s *signature, o Options) error {
	s.methodURI, _ = d.attr(i, "Algorithm")
	m, ok := methods[s.methodURI]
	if !ok || m.hash == crypto.SHA1 && !o.SHA1 { // QUIRK xmlsig-sha1: practice software of before 2017 signs with it
		return fmt.Errorf("%w: SignatureMethod", ErrAlgorithm)
	}
	s.method = m
	_, err := d.form(i, dsSpace) // parameters, such as an HMACOutputLength, are none of ours
	return err
}

func (d *document) reference(i int32, o Options) (reference, error) {
	var r reference
	parts, err := d.form(i, dsSpace, "Transforms?", "DigestMethod", "DigestValue")
	if err != nil {
		return r, err
	}
	uri, _ := d.attr(i, "URI")
	id, ok := strings.CutPrefix(uri, "#")
	if !ok || id == "" || strings.ContainsAny(id, "()/ ") {
		return r, fmt.Errorf("%w: it is not by an identifier of this document", ErrReference)
	}
	r.id = id
	r.kind, _ = d.attr(i, "Type")
	if t, ok := parts["Transforms"]; ok {
		if err := d.transforms(t, &r); err != nil {
			return r, err
		}
	}
	uri, _ = d.attr(parts["DigestMethod"], "Algorithm")
	if r.hash, ok = digests[uri]; !ok || r.hash == crypto.SHA1 && !o.SHA1 { // QUIRK xmlsig-sha1
		return r, fmt.Errorf("%w: DigestMethod", ErrAlgorithm)
	}
	r.digest, err = d.octets(parts["DigestValue"])
	return r, err
}

// transforms: the signature left out, then one canonicalization; each may be missing.
func (d *document) transforms(i int32, r *reference) error {
	var all []int32
	d.children(i, func(c int32) { all = append(all, c) })
	for k, t := range all {
		if !d.is(t, dsSpace, "Transform") || k > 1 {
			return fmt.Errorf("%w: the content of Transforms", ErrForm)
		}
		if uri, _ := d.attr(t, "Algorithm"); k == 0 && uri == envelopedTransform {
			r.enveloped = true
			if _, err := d.form(t, dsSpace); err != nil {
				return err
			}
			continue
		}
		if k < len(all)-1 {
			return fmt.Errorf("%w: transforms behind the canonicalization", ErrAlgorithm)
		}
		var err error
		if r.how, err = d.canonicalization(t); err != nil {
			return err
		}
	}
	return nil
}

// canonicalization reads a CanonicalizationMethod or a Transform, with its InclusiveNamespaces.
func (d *document) canonicalization(i int32) (Canonicalization, error) {
	uri, _ := d.attr(i, "Algorithm")
	m, ok := canonicalizations[uri]
	if !ok {
		return m, fmt.Errorf("%w: %s", ErrAlgorithm, d.nodes[i].name.Local)
	}
	parts, err := d.form(i, excSpace, "InclusiveNamespaces?")
	list, given := parts["InclusiveNamespaces"]
	if err != nil || given && !m.Exclusive {
		return m, fmt.Errorf("%w: the content of %s", ErrForm, d.nodes[i].name.Local)
	}
	if given {
		prefixes, _ := d.attr(list, "PrefixList")
		m.Prefixes = strings.Fields(prefixes)
		for k, p := range m.Prefixes {
			if p == "#default" {
				m.Prefixes[k] = ""
			}
		}
		slices.Sort(m.Prefixes)
		m.Prefixes = slices.Compact(m.Prefixes)
	}
	if len(m.Prefixes) > 64 {
		return m, fmt.Errorf("%w: prefixes", ErrTooLarge)
	}
	return m, nil
}

const maxCertificates = 8

// certificates are those of KeyInfo, the signer's first: the only one that has certified none of the others.
func (d *document) certificates(keyInfo int32) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for i := keyInfo; i < d.nodes[keyInfo].end; i++ {
		if !d.is(i, dsSpace, "X509Certificate") {
			continue
		}
		der, err := d.octets(i)
		if err != nil {
			return nil, err
		}
		c, err := x509.ParseCertificate(der)
		if err != nil || len(certs) == maxCertificates {
			return nil, fmt.Errorf("%w: a certificate of KeyInfo", ErrForm)
		}
		certs = append(certs, c)
	}
	if len(certs) < 2 {
		return certs, nil
	}
	leaf := slices.IndexFunc(certs, func(c *x509.Certificate) bool { return !issued(c, certs) })
	if leaf < 0 || slices.ContainsFunc(certs[leaf+1:], func(c *x509.Certificate) bool { return !issued(c, certs) }) {
		return nil, fmt.Errorf("%w: the certificates of KeyInfo are no chain", ErrForm)
	}
	certs[0], certs[leaf] = certs[leaf], certs[0]
	return certs, nil
}

func issued(issuer *x509.Certificate, certs []*x509.Certificate) bool {
	return slices.ContainsFunc(certs, func(c *x509.Certificate) bool { return c != issuer && bytes.Equal(c.RawIssuer, issuer.RawSubject) })
}

// octets reads base64 with white space in it.
func (d *document) octets(i int32) ([]byte, error) {
	s, ok := d.content(i)
	if ok {
		if strings.ContainsAny(s, " \t\r\n") {
			s = strings.Join(strings.Fields(s), "")
		}
		if b, err := base64.StdEncoding.Strict().DecodeString(s); err == nil && len(b) > 0 {
			return b, nil
		}
	}
	return nil, fmt.Errorf("%w: the content of %s", ErrForm, d.nodes[i].name.Local)
}
