package xmlsig

import (
	"encoding/base64"
	"strings"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// Object is something that a signature holds and signs: an element, and a reference of a type to it. Within XML, which declares its own namespaces but ds, the
// element has the identifier ID.
type Object struct{ XML, ID, Type string }

// SignObjects makes a signature that is a document of its own: it holds each of what it signs in a ds:Object.
func (s Signer) SignObjects(id string, objects []Object) ([]byte, error) {
	method, hash, err := s.complete()
	if err != nil {
		return nil, err
	}
	digests := make([]string, len(objects))
	doc := s.writeObjects(id, objects, digests, "")
	d, err := read(doc, 0, Options{}.withDefaults())
	if err != nil {
		return nil, err
	}
	how := s.Canonicalization
	how.Comments = false
	for i, o := range objects {
		target, err := d.identified(o.ID)
		if err != nil {
			return nil, err
		}
		digests[i] = base64.StdEncoding.EncodeToString(sum(hash, d.canonical(target, how, -1)))
	}
	if d, err = read(s.writeObjects(id, objects, digests, ""), 0, Options{}.withDefaults()); err != nil {
		return nil, err
	}
	value, err := method.sign(s.Key, sum(method.hash, d.canonical(1, s.Canonicalization, -1)))
	if err != nil {
		return nil, err
	}
	return s.writeObjects(id, objects, digests, base64.StdEncoding.EncodeToString(value)), nil
}

// writeObjects writes the whole signature, SignedInfo first.
func (s Signer) writeObjects(id string, objects []Object, digests []string, value string) []byte {
	var b strings.Builder
	add := func(parts ...string) {
		for _, p := range parts {
			b.WriteString(p)
		}
	}
	attr := func(v string) string { return string(xmlpull.AppendAttr(nil, v)) }
	of := s.Canonicalization
	of.Comments = false
	list := s.prefixes()
	add(`<?xml version="1.0" encoding="UTF-8"?>`, "\n", `<ds:Signature xmlns:ds="`, dsSpace, `" Id="`, attr(id), `"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="`, s.Canonicalization.uri(),
		`">`, list, `</ds:CanonicalizationMethod><ds:SignatureMethod Algorithm="`, s.Method, `"></ds:SignatureMethod>`)
	for i, o := range objects {
		add(`<ds:Reference Type="`, attr(o.Type), `" URI="#`, attr(o.ID), `"><ds:Transforms><ds:Transform Algorithm="`, of.uri(), `">`, list, `</ds:Transform></ds:Transforms><ds:DigestMethod Algorithm="`, s.Digest,
			`"></ds:DigestMethod><ds:DigestValue>`, digests[i], `</ds:DigestValue></ds:Reference>`)
	}
	add(`</ds:SignedInfo><ds:SignatureValue>`, value, `</ds:SignatureValue>`, s.keyInfo())
	for _, o := range objects {
		add(`<ds:Object>`, o.XML, `</ds:Object>`)
	}
	add(`</ds:Signature>`)
	return []byte(b.String())
}
