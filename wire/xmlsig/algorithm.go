package xmlsig

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // for those who tolerate it
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/asn1"
	"fmt"
	"math/big"
)

// The transforms and canonicalizations that are read; there is no other, and none that could choose what is signed.
const (
	envelopedTransform = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
	exclusive          = "http://www.w3.org/2001/10/xml-exc-c14n#"
	inclusive          = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
)

var canonicalizations = map[string]Canonicalization{
	exclusive:                   {Exclusive: true},
	exclusive + "WithComments":  {Exclusive: true, Comments: true},
	inclusive:                   {},
	inclusive + "#WithComments": {Comments: true},
}

func (m Canonicalization) uri() string {
	for uri, k := range canonicalizations {
		if k.Exclusive == m.Exclusive && k.Comments == m.Comments {
			return uri
		}
	}
	return ""
}

var digests = map[string]crypto.Hash{
	"http://www.w3.org/2000/09/xmldsig#sha1":        crypto.SHA1,
	"http://www.w3.org/2001/04/xmlenc#sha256":       crypto.SHA256,
	"http://www.w3.org/2001/04/xmldsig-more#sha384": crypto.SHA384,
	"http://www.w3.org/2001/04/xmlenc#sha512":       crypto.SHA512,
}

type scheme int

const (
	pkcs1 scheme = iota
	pss          // salt as long as the digest [RFC 9231 2.3.9]
	elliptical
)

type method struct {
	scheme scheme
	hash   crypto.Hash
}

// methods are the algorithms of signatures. No HMAC: a public key must never serve as a secret.
var methods = map[string]method{
	"http://www.w3.org/2000/09/xmldsig#rsa-sha1":             {pkcs1, crypto.SHA1},
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256":      {pkcs1, crypto.SHA256},
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha384":      {pkcs1, crypto.SHA384},
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha512":      {pkcs1, crypto.SHA512},
	"http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1": {pss, crypto.SHA256},
	"http://www.w3.org/2007/05/xmldsig-more#sha384-rsa-MGF1": {pss, crypto.SHA384},
	"http://www.w3.org/2007/05/xmldsig-more#sha512-rsa-MGF1": {pss, crypto.SHA512},
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1":      {elliptical, crypto.SHA1},
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256":    {elliptical, crypto.SHA256},
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384":    {elliptical, crypto.SHA384},
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512":    {elliptical, crypto.SHA512},
}

const minRSA = 2048 // bits

func (m method) verify(key crypto.PublicKey, digest, signature []byte) error {
	ok := false
	switch k := key.(type) {
	case *rsa.PublicKey:
		switch {
		case m.scheme == elliptical:
			return fmt.Errorf("%w: the key is RSA and the signature says otherwise", ErrAlgorithm)
		case k.N.BitLen() < minRSA:
			return fmt.Errorf("%w: the RSA key has less than %d bits", ErrAlgorithm, minRSA)
		case m.scheme == pss:
			ok = rsa.VerifyPSS(k, m.hash, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		default:
			ok = rsa.VerifyPKCS1v15(k, m.hash, digest, signature) == nil
		}
	case *ecdsa.PublicKey:
		if m.scheme != elliptical || !accepted(k.Curve) {
			return fmt.Errorf("%w: the key is of an elliptic curve and the signature says otherwise, or of another curve", ErrAlgorithm)
		}
		ok = verifyECDSA(k, digest, signature)
	default:
		return fmt.Errorf("%w: keys of this kind", ErrAlgorithm)
	}
	if !ok {
		return ErrSignature
	}
	return nil
}

func accepted(c elliptic.Curve) bool {
	return c == elliptic.P256() || c == elliptic.P384() || c == elliptic.P521()
}

// verifyECDSA: r and s stand one after the other, each as long as the order of the curve [XML Signature 6.4.3], and not in ASN.1.
func verifyECDSA(k *ecdsa.PublicKey, digest, signature []byte) bool {
	n := (k.Curve.Params().N.BitLen() + 7) / 8
	if len(signature) != 2*n {
		return false
	}
	der, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(signature[:n]), new(big.Int).SetBytes(signature[n:])})
	return err == nil && ecdsa.VerifyASN1(k, digest, der)
}

func (m method) sign(key crypto.Signer, digest []byte) ([]byte, error) {
	switch k := key.Public().(type) {
	case *rsa.PublicKey:
		switch m.scheme {
		case pkcs1:
			return key.Sign(rand.Reader, digest, m.hash)
		case pss:
			return key.Sign(rand.Reader, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: m.hash})
		}
	case *ecdsa.PublicKey:
		if m.scheme != elliptical || !accepted(k.Curve) {
			break
		}
		der, err := key.Sign(rand.Reader, digest, m.hash)
		if err != nil {
			return nil, err
		}
		var v struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(der, &v); err != nil {
			return nil, err
		}
		n := (k.Curve.Params().N.BitLen() + 7) / 8
		return append(v.R.FillBytes(make([]byte, n)), v.S.FillBytes(make([]byte, n))...), nil
	}
	return nil, fmt.Errorf("%w: not with this key", ErrAlgorithm)
}

func sum(h crypto.Hash, b []byte) []byte {
	w := h.New()
	w.Write(b)
	return w.Sum(nil)
}
