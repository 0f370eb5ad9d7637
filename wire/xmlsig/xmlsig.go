// Package xmlsig verifies and makes XML signatures (W3C XML Signature 1.1) over one element of a document: enveloped in it, or beside it and pointing at it
// by its identifier; there it may be over several. What a signature vouches for is handed out as the octets that were digested and the tree read from just these, so that nobody reads
// anything else. It knows certificates as they stand in KeyInfo, and not whether they are to be trusted.
package xmlsig

import (
	"crypto"
	"crypto/x509"
	"errors"

	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

const (
	dsSpace  = "http://www.w3.org/2000/09/xmldsig#"
	excSpace = "http://www.w3.org/2001/10/xml-exc-c14n#"
	xmlSpace = "http://www.w3.org/XML/1998/namespace"
	wsuSpace = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
)

// What is wrong with a signature. Errors of this package wrap one of these, a *[xmlpull.SyntaxError], or what Options.Key answered.
var (
	ErrUnsigned  = errors.New("there is no signature")
	ErrForm      = errors.New("the signature is not of the form that is read")
	ErrAlgorithm = errors.New("an algorithm of the signature is not accepted")
	ErrReference = errors.New("the signature does not reference the element")
	ErrDigest    = errors.New("the element is not what was signed")
	ErrSignature = errors.New("the signature is not of this key")
	ErrTooLarge  = errors.New("the signed document is too large")
)

// Options say how a signature is verified.
type Options struct {
	// Key chooses the key from what KeyInfo brings, the signer's certificate first. It is asked before anything is digested; its error ends the
	// verification.
	Key func(certs []*x509.Certificate) (crypto.PublicKey, error)
	// SHA1 tolerates signatures and digests with SHA-1, which anybody may forge who has the means: quirk xmlsig-sha1.
	SHA1 bool

	MaxBytes int // of the element, 1 MiB where 0
	MaxDepth int // 64 where 0
	MaxNodes int // elements, runs of text, comments and instructions: 20,000 where 0
}

func (o Options) withDefaults() Options {
	if o.MaxBytes == 0 {
		o.MaxBytes = 1 << 20
	}
	if o.MaxDepth == 0 {
		o.MaxDepth = 64
	}
	if o.MaxNodes == 0 {
		o.MaxNodes = 20_000
	}
	return o
}

// Signed is what a signature vouches for.
type Signed struct {
	Canonical    []byte        // the octets that were digested: no comments, no signature
	Tree         *xmltree.Tree // read from Canonical
	Certificates []*x509.Certificate
	Method       string // algorithm of the signature, as its URI
	Type         string // of the reference, as the signer says
}
