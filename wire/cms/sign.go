package cms

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"time"
)

// Signer is who signs: a certificate and its key.
type Signer struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
	Digest      crypto.Hash // SHA-256 where 0
	Padding     Padding     // for RSA keys
	ByKeyID     bool        // name the certificate by its subject key identifier
	Bare        bool        // sign the content itself, without attributes
}

// Padding is how an RSA signature is made.
type Padding int

const (
	PSS      Padding = iota // RSASSA-PSS
	PKCS1v15                // for correspondents that cannot read it
)

// SignOptions say who signs, when and what goes along.
type SignOptions struct {
	Signers []Signer
	Time    time.Time           // signing time; none is stated where it is zero
	Chain   []*x509.Certificate // further certificates to send
	Without bool                // send no certificates at all
}

// Sign writes SignedData that holds its content.
func Sign(content []byte, o SignOptions) ([]byte, error) {
	s := newSums(o.Signers)
	s.Write(content)
	before, after, err := o.around(s)
	if err != nil {
		return nil, err
	}
	out, at := enclose([]shell{
		{tag: tagSequence, before: oidSignedData.der()},
		{tag: tagContext | tagConstructed},
		{tag: tagSequence, before: before, after: after},
		{tag: tagSequence, before: oidData.der()},
		{tag: tagContext | tagConstructed},
		{tag: tagOctets},
	}, len(content))
	copy(out[at:], content)
	return out, nil
}

// SignDetached writes SignedData for a content that lies elsewhere and is read once.
func SignDetached(content io.Reader, o SignOptions) ([]byte, error) {
	s := newSums(o.Signers)
	if _, err := io.Copy(s, content); err != nil {
		return nil, err
	}
	before, after, err := o.around(s)
	if err != nil {
		return nil, err
	}
	data := sequence(before, sequence(oidData.der()), after)
	return sequence(oidSignedData.der(), tlv(tagContext|tagConstructed, data)), nil
}

func newSums(signers []Signer) *Sums {
	sd := &SignedData{}
	for _, s := range signers {
		sd.Signers = append(sd.Signers, &SignerInfo{Digest: s.digest()})
	}
	return sd.Sums()
}

func (s Signer) digest() crypto.Hash {
	if s.Digest == 0 {
		return crypto.SHA256
	}
	return s.Digest
}

// around is what lies before and after the content in SignedData [RFC 5652 5.1].
func (o SignOptions) around(s *Sums) (before, after []byte, err error) {
	if len(o.Signers) == 0 {
		return nil, nil, errors.New("nobody signs")
	}
	version := 1
	var digests, infos, certs [][]byte
	seen := map[crypto.Hash]bool{}
	for _, signer := range o.Signers {
		info, err := signer.info(s, o.Time)
		if err != nil {
			return nil, nil, err
		}
		infos, certs = append(infos, info), append(certs, signer.Certificate.Raw)
		if signer.ByKeyID {
			version = 3
		}
		if h := signer.digest(); !seen[h] {
			seen[h], digests = true, append(digests, writeHash(h))
		}
	}
	before = append(integerDER(version), setOf(digests...)...)
	if !o.Without {
		for _, c := range o.Chain {
			certs = append(certs, c.Raw)
		}
		set := setOf(certs...)
		set[0] = tagContext | tagConstructed
		after = set
	}
	return before, append(after, setOf(infos...)...), nil
}

// info is one SignerInfo.
func (s Signer) info(sums *Sums, at time.Time) ([]byte, error) {
	h := s.digest()
	if _, ok := oidOf(hashes, h); !ok {
		return nil, fmt.Errorf("%w digest %v", ErrUnsupported, h)
	}
	algorithm, opts, err := s.algorithm()
	if err != nil {
		return nil, err
	}
	version, id := 1, nameOf(s.Certificate)
	if s.ByKeyID {
		if version, id = 3, tlv(tagContext, s.Certificate.SubjectKeyId); len(s.Certificate.SubjectKeyId) == 0 {
			return nil, errors.New("the signer's certificate has no subject key identifier")
		}
	}
	sum := sums.states[h].Sum(nil)
	var attributes []byte
	if s.Bare {
		if sums.first == tagSet {
			return nil, errors.New("content that begins with the digit 1 cannot be signed without attributes")
		}
	} else {
		attributes = s.attributes(sum, at)
		d := h.New()
		d.Write(attributes)
		sum = d.Sum(nil)
		attributes[0] = tagContext | tagConstructed
	}
	signature, err := s.Key.Sign(rand.Reader, sum, opts)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return sequence(integerDER(version), id, writeHash(h), attributes, algorithm, tlv(tagOctets, signature)), nil
}

// algorithm is the signature algorithm that fits the key.
func (s Signer) algorithm() ([]byte, crypto.SignerOpts, error) {
	h := s.digest()
	switch s.Key.Public().(type) {
	case *ecdsa.PublicKey:
		if o, ok := oidOf(signings, signing{padECDSA, h}); ok {
			return algorithm(o), h, nil
		}
	case *rsa.PublicKey:
		if s.Padding == PSS {
			return writePSS(h), &rsa.PSSOptions{SaltLength: h.Size(), Hash: h}, nil
		}
		if o, ok := oidOf(signings, signing{padPKCS1, h}); ok {
			return algorithm(o, null), h, nil
		}
	}
	return nil, nil, fmt.Errorf("%w signing with a key of type %T", ErrUnsupported, s.Key.Public())
}

// attributes are signedAttrs as they are signed: what the content is, its digest, when, and with which certificate [RFC 5652 11, RFC 5035 3].
func (s Signer) attributes(sum []byte, at time.Time) []byte {
	attribute := func(kind oid, value []byte) []byte { return sequence(kind.der(), tlv(tagSet, value)) }
	h := crypto.SHA256.New()
	h.Write(s.Certificate.Raw)
	id := sequence(tlv(tagOctets, h.Sum(nil))) // ESSCertIDv2, whose hash is SHA-256 unless it says so
	all := [][]byte{
		attribute(oidContentType, oidData.der()),
		attribute(oidMessageDigest, tlv(tagOctets, sum)),
		attribute(oidSigningCertV2, sequence(sequence(id))),
	}
	if !at.IsZero() {
		all = append(all, attribute(oidSigningTime, writeTime(at)))
	}
	return setOf(all...)
}
