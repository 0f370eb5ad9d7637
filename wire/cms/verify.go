package cms

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/subtle"
	"crypto/x509"
	"fmt"
	"hash"
	"io"
)

// Signature is what verifying one signer gave. Certificate is nil where it is not known; Err is nil where the signature holds.
type Signature struct {
	Signer      *SignerInfo
	Certificate *x509.Certificate
	Err         error
}

// Verify checks every signature over the content in the message.
func (sd *SignedData) Verify(p Policy, known ...*x509.Certificate) ([]Signature, error) {
	if sd.Detached {
		return nil, fmt.Errorf("%w: the content lies elsewhere", ErrMalformed)
	}
	sums := sd.Sums()
	sums.Write(sd.Content)
	return sd.VerifySums(sums, p, known...), nil
}

// VerifyDetached checks every signature over content that is read once.
func (sd *SignedData) VerifyDetached(content io.Reader, p Policy, known ...*x509.Certificate) ([]Signature, error) {
	if !sd.Detached {
		return nil, fmt.Errorf("%w: the message brings its own content", ErrMalformed)
	}
	sums := sd.Sums()
	if _, err := io.Copy(sums, content); err != nil {
		return nil, err
	}
	return sd.VerifySums(sums, p, known...), nil
}

// Sums are the digests of a content that its signers use: write the content to it.
type Sums struct {
	states map[crypto.Hash]hash.Hash
	first  byte
	any    bool
}

// Sums are ready for the content.
func (sd *SignedData) Sums() *Sums {
	s := &Sums{states: map[crypto.Hash]hash.Hash{}}
	for _, si := range sd.Signers {
		if si.Digest != 0 && s.states[si.Digest] == nil {
			s.states[si.Digest] = si.Digest.New()
		}
	}
	return s
}

func (s *Sums) Write(b []byte) (int, error) {
	if !s.any && len(b) > 0 {
		s.first, s.any = b[0], true
	}
	for _, h := range s.states {
		h.Write(b)
	}
	return len(b), nil
}

// VerifySums checks every signature over the content that was written to s.
func (sd *SignedData) VerifySums(s *Sums, p Policy, known ...*x509.Certificate) []Signature {
	out := make([]Signature, len(sd.Signers))
	for i, si := range sd.Signers {
		out[i] = Signature{Signer: si, Certificate: si.find(sd.Certificates)}
		if out[i].Certificate == nil {
			out[i].Certificate = si.find(known)
		}
		if out[i].Certificate == nil {
			out[i].Err = ErrNoCertificate
			continue
		}
		out[i].Err = si.verify(out[i].Certificate, sd.contentType, s, p)
	}
	return out
}

func (si *SignerInfo) find(certs []*x509.Certificate) *x509.Certificate {
	for _, c := range certs {
		if si.name.is(c) {
			return c
		}
	}
	return nil
}

// verify checks one signature [RFC 5652 5.6].
func (si *SignerInfo) verify(cert *x509.Certificate, content oid, s *Sums, p Policy) error {
	if si.Digest == 0 || !si.digest.copy().plain() {
		return fmt.Errorf("%w digest algorithm %s", ErrUnsupported, si.digest.oid)
	}
	if si.Digest == crypto.SHA1 && !p.allows(AllowSHA1) {
		return fmt.Errorf("SHA-1 %w", ErrRefused)
	}
	sum := s.states[si.Digest].Sum(nil)
	if si.attributes == nil {
		// Signed attributes are DER that begins with a SET. Whoever takes them for a content of their own must not succeed, and content that is
		// not plain data must have them [RFC 5652 5.3].
		if content != oidData || s.first == tagSet {
			return fmt.Errorf("%w: signed attributes are missing", ErrMalformed)
		}
		return si.check(cert, sum, p)
	}
	if si.stated.contentType != content || subtle.ConstantTimeCompare(si.stated.digest, sum) != 1 {
		return ErrAltered
	}
	if err := si.names(cert); err != nil {
		return err
	}
	h := si.Digest.New()
	h.Write(si.attributes)
	return si.check(cert, h.Sum(nil), p)
}

// names checks that the certificate the signer stated is this one [RFC 5035 5].
func (si *SignerInfo) names(cert *x509.Certificate) error {
	if si.stated.certOther {
		return fmt.Errorf("%w hash in the signing-certificate attribute", ErrUnsupported)
	}
	if si.stated.certificate == nil {
		return nil
	}
	h := si.stated.certHash.New()
	h.Write(cert.Raw)
	if subtle.ConstantTimeCompare(h.Sum(nil), si.stated.certificate) != 1 {
		return fmt.Errorf("%w: the signer stated another certificate", ErrAltered)
	}
	return nil
}

// copy lets parameters be read again.
func (p parameters) copy() parameters {
	r := *p.r
	s := *r.s // its budget is its own, and so is what is wrong with it
	s.err, s.left = nil, 1000
	r.s = &s
	p.r = &r
	return p
}

func (si *SignerInfo) check(cert *x509.Certificate, sum []byte, p Policy) error {
	kind, ok := signings[si.algorithm.oid]
	if !ok {
		return fmt.Errorf("%w signature algorithm %s", ErrUnsupported, si.algorithm.oid)
	}
	// A digest that is not the one the signature was made with is a confusion somebody made on purpose [RFC 5754 3].
	if kind.hash != 0 && kind.hash != si.Digest {
		return fmt.Errorf("%w: digest and signature use different hashes", ErrMalformed)
	}
	parameters := si.algorithm.copy()
	switch kind.padding {
	case padECDSA:
		pub, ok := cert.PublicKey.(*ecdsa.PublicKey)
		if !ok || !parameters.plain() {
			return ErrAltered
		}
		return si.checkECDSA(pub, sum)
	case padPSS:
		return si.checkPSS(cert, parameters, sum)
	}
	pub, err := rsaKey(cert)
	if err != nil {
		return err
	}
	if !p.allows(AllowPKCS1v15) {
		return fmt.Errorf("RSA signature with PKCS #1 v1.5 padding %w", ErrRefused)
	}
	if !parameters.plain() || rsa.VerifyPKCS1v15(pub, si.Digest, sum, si.signature) != nil {
		return ErrAltered
	}
	return nil
}

func (si *SignerInfo) checkECDSA(pub *ecdsa.PublicKey, sum []byte) error {
	switch pub.Curve {
	case elliptic.P256(), elliptic.P384(), elliptic.P521():
	default:
		return fmt.Errorf("%w curve %s", ErrUnsupported, pub.Curve.Params().Name)
	}
	if !ecdsa.VerifyASN1(pub, sum, si.signature) {
		return ErrAltered
	}
	return nil
}

func (si *SignerInfo) checkPSS(cert *x509.Certificate, p parameters, sum []byte) error {
	hash, salt, err := readPSS(p)
	if err != nil {
		return err
	}
	if hash != si.Digest { // [RFC 4056 3]
		return fmt.Errorf("%w: digest and signature use different hashes", ErrMalformed)
	}
	pub, err := rsaKey(cert)
	if err != nil {
		return err
	}
	if salt == 0 {
		return fmt.Errorf("%w RSASSA-PSS without salt", ErrUnsupported)
	}
	if rsa.VerifyPSS(pub, hash, sum, si.signature, &rsa.PSSOptions{SaltLength: salt, Hash: hash}) != nil {
		return ErrAltered
	}
	return nil
}

// rsaKey is the key of a certificate, if it is strong enough and not so large that checking is an attack.
func rsaKey(cert *x509.Certificate) (*rsa.PublicKey, error) {
	pub, ok := cert.PublicKey.(*rsa.PublicKey)
	if cert.PublicKey == nil {
		return nil, fmt.Errorf("%w key in the signer's certificate", ErrUnsupported)
	}
	if !ok {
		return nil, fmt.Errorf("%w: the certificate's key is of another kind", ErrAltered)
	}
	if n := pub.N.BitLen(); n < 2048 || n > 8192 {
		return nil, fmt.Errorf("RSA key of %d bits %w", n, ErrRefused)
	}
	return pub, nil
}
