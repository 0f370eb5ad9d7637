// Package cms reads and writes the Cryptographic Message Syntax (RFC 5652) as secure mail uses it: SignedData, EnvelopedData, AuthEnvelopedData
// (RFC 5083, 5084) and CompressedData (RFC 3274), with RSA (RFC 4055, 4056), elliptic curves (RFC 5753, 8418) and AES (RFC 3565).
//
// It knows mathematics and form. It does not know whom to trust: certificates are handed in and out, chains are smime's business, and so is MIME.
//
// Messages are read where they lie. What Read is given belongs to it afterwards: strings in pieces are moved together and content is decrypted in
// place, so a message never needs its size twice.
package cms

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
)

var (
	// ErrMalformed is what is not CMS, or not within bounds.
	ErrMalformed = errors.New("malformed cms")
	// ErrUnsupported is an algorithm or form that is not read here, named in the text.
	ErrUnsupported = errors.New("unsupported")
	// ErrRefused is an algorithm that could be read and that the policy does not accept, named in the text.
	ErrRefused = errors.New("refused by policy")
	// ErrNotRecipient says that none of the keys belongs to a recipient the message names. It tells what anybody can see in the message.
	ErrNotRecipient = errors.New("no recipient is one of ours")
	// ErrDecrypt is every failure after a recipient was found: a wrong key, wrong padding, altered content are not told apart.
	ErrDecrypt = errors.New("decryption failed")
	// ErrAltered says that content or attributes are not what was signed.
	ErrAltered = errors.New("altered since it was signed, or not signed with this certificate's key")
	// ErrNoCertificate says that the certificate of a signer is neither in the message nor among those handed in.
	ErrNoCertificate = errors.New("the signer's certificate is not known")
)

// Bounds of one message.
const (
	MaxSize      = 128 << 20 // octets Read takes
	maxCerts     = 64
	maxSigners   = 16
	maxReceivers = 1024
)

// Policy is what is accepted of what is old; the zero value accepts nothing of it.
type Policy uint

const (
	// AllowPKCS1v15 accepts RSA signatures with PKCS #1 v1.5 padding.
	AllowPKCS1v15 Policy = 1 << iota
	// AllowRSATransport accepts content keys encrypted with PKCS #1 v1.5 padding.
	AllowRSATransport
	// AllowSHA1 accepts signatures over SHA-1.
	AllowSHA1
	// AllowTripleDES accepts content in three-key triple DES, for reading.
	AllowTripleDES
)

// DefaultPolicy is what correspondents send today.
const DefaultPolicy = AllowPKCS1v15 | AllowRSATransport

func (p Policy) allows(q Policy) bool { return p&q == q }

// ContentInfo is a message: one of the four is set.
type ContentInfo struct {
	Signed        *SignedData
	Enveloped     *EnvelopedData
	AuthEnveloped *AuthEnvelopedData
	Compressed    *CompressedData
}

// Read reads a message in BER or DER [RFC 5652 3]. It takes over b: what it returns lies in b, and b is written to. Line ends may follow
// the message, as a mail puts them there.
func Read(b []byte) (*ContentInfo, error) {
	if len(b) > MaxSize {
		return nil, fmt.Errorf("%w: %d octets, at most %d are read", ErrMalformed, len(b), MaxSize)
	}
	s := newSource(b)
	top := s.all()
	ci := top.sequence("ContentInfo")
	kind := ci.oid("contentType")
	content := ci.inside(ci.want(tagContext|tagConstructed, "content"))
	ci.done("ContentInfo")
	if s.err == nil && len(bytes.Trim(b[top.pos:], "\r\n")) > 0 {
		s.fail("something follows the message")
	}
	out := &ContentInfo{}
	switch kind {
	case oidSignedData:
		out.Signed = readSigned(content)
	case oidEnvelopedData:
		out.Enveloped = (*EnvelopedData)(readEnveloped(content))
	case oidAuthEnvelopedData:
		out.AuthEnveloped = (*AuthEnvelopedData)(readEnveloped(content))
	case oidCompressedData:
		out.Compressed = readCompressed(content)
	default:
		if s.err == nil {
			return nil, fmt.Errorf("%w content type %s", ErrUnsupported, kind)
		}
	}
	content.done("content")
	if s.err != nil {
		return nil, s.err
	}
	return out, nil
}

// name is how a message names a certificate: issuer and serial number, or subject key identifier.
type name struct {
	issuer, serial []byte // DER of the name, contents of the integer
	keyID          []byte
}

// readName reads issuerAndSerialNumber [RFC 5652 10.2.4].
func readName(r *reader) name {
	r = r.sequence("issuerAndSerialNumber")
	n := name{issuer: r.s.whole(r.want(tagSequence, "issuer"))}
	n.serial = r.s.bytes(r.want(tagInteger, "serialNumber"))
	r.done("issuerAndSerialNumber")
	return n
}

func (n name) is(c *x509.Certificate) bool {
	if n.keyID != nil {
		return len(n.keyID) > 0 && bytes.Equal(n.keyID, c.SubjectKeyId)
	}
	return bytes.Equal(n.issuer, c.RawIssuer) && bytes.Equal(n.serial, serialOf(c))
}

// serialOf is the contents of a certificate's serial number.
func serialOf(c *x509.Certificate) []byte {
	s := newSource(c.RawTBSCertificate)
	tbs := s.all().sequence("tbsCertificate")
	if tbs.is(tagContext | tagConstructed) {
		tbs.next() // version
	}
	return s.bytes(tbs.want(tagInteger, "serialNumber"))
}

func nameOf(c *x509.Certificate) []byte {
	return sequence(c.RawIssuer, tlv(tagInteger, serialOf(c)))
}
