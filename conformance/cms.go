package conformance

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// signedData is a SignedData (RFC 5652 5.1) as far as a detached signature of one signer goes.
type signedData struct {
	Version      int
	Digests      asn1.RawValue `asn1:"set"`
	Content      innerContent
	Certificates asn1.RawValue `asn1:"optional,tag:0"`
	Lists        asn1.RawValue `asn1:"optional,tag:1"`
	Signers      []cmsSigner   `asn1:"set"`
}

type innerContent struct {
	Type  asn1.ObjectIdentifier
	Bytes asn1.RawValue `asn1:"optional,explicit,tag:0"`
}

// cmsSigner is a SignerInfo (RFC 5652 5.3).
type cmsSigner struct {
	Version    int
	ID         asn1.RawValue
	Digest     pkix.AlgorithmIdentifier
	Attributes asn1.RawValue `asn1:"optional,tag:0"`
	Algorithm  pkix.AlgorithmIdentifier
	Value      []byte
	Unsigned   asn1.RawValue `asn1:"optional,tag:1"`
}

type cmsAttribute struct {
	Type   asn1.ObjectIdentifier
	Values asn1.RawValue `asn1:"set"`
}

var (
	oidSignedData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningTime   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
)

// digestName is a digest by the name that micalg gives it, without hyphens, and by its OID; and the signatures with it.
type digestName struct {
	name, oid       string
	hash            crypto.Hash
	pss, rsa, curve x509.SignatureAlgorithm
}

var digests = []digestName{
	{"sha256", "2.16.840.1.101.3.4.2.1", crypto.SHA256, x509.SHA256WithRSAPSS, x509.SHA256WithRSA, x509.ECDSAWithSHA256},
	{"sha384", "2.16.840.1.101.3.4.2.2", crypto.SHA384, x509.SHA384WithRSAPSS, x509.SHA384WithRSA, x509.ECDSAWithSHA384},
	{"sha512", "2.16.840.1.101.3.4.2.3", crypto.SHA512, x509.SHA512WithRSAPSS, x509.SHA512WithRSA, x509.ECDSAWithSHA512},
}

// algorithm is that of a signature: PSS by its name, otherwise what the key is for.
func (d *digestName) algorithm(of pkix.AlgorithmIdentifier, by *x509.Certificate) x509.SignatureAlgorithm {
	switch {
	case of.Algorithm.String() == "1.2.840.113549.1.1.10":
		return d.pss
	case by.PublicKeyAlgorithm == x509.ECDSA:
		return d.curve
	}
	return d.rsa
}

// detached is a signature without its content, as it was read.
type detached struct {
	digest     *digestName
	signer     *x509.Certificate
	at         time.Time // when it says that it was made
	attributes []byte    // what was signed
	sum        []byte    // digest of the content
	algorithm  x509.SignatureAlgorithm
	value      []byte
}

// readDetached reads the signature of one signer without a content of its own.
func readDetached(der []byte) (*detached, error) {
	var info struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"explicit,tag:0"`
	}
	if rest, err := asn1.Unmarshal(der, &info); err != nil || len(rest) > 0 || !info.Type.Equal(oidSignedData) {
		return nil, errors.Join(errors.New("it is no SignedData"), err)
	}
	var sd signedData
	if rest, err := asn1.Unmarshal(info.Content.Bytes, &sd); err != nil || len(rest) > 0 {
		return nil, errors.Join(errors.New("the SignedData"), err)
	}
	if len(sd.Signers) != 1 || len(sd.Content.Bytes.Bytes) > 0 || !sd.Content.Type.Equal(oidData) {
		return nil, fmt.Errorf("%d signers, a content of %d bytes", len(sd.Signers), len(sd.Content.Bytes.Bytes))
	}
	one := sd.Signers[0]
	d := &detached{value: one.Value}
	i := slices.IndexFunc(digests, func(n digestName) bool { return n.oid == one.Digest.Algorithm.String() })
	if i < 0 {
		return nil, fmt.Errorf("the digest %v is none that is good today", one.Digest.Algorithm)
	}
	d.digest = &digests[i]
	certificates, err := x509.ParseCertificates(sd.Certificates.Bytes)
	if err != nil {
		return nil, err
	}
	for _, c := range certificates {
		if id, err := asn1.Marshal(struct {
			Issuer asn1.RawValue
			Serial *big.Int
		}{asn1.RawValue{FullBytes: c.RawIssuer}, c.SerialNumber}); err == nil && bytes.Equal(id, one.ID.FullBytes) {
			d.signer = c
		}
	}
	if d.signer == nil {
		return nil, errors.New("the certificate of the signer is not there")
	}
	d.algorithm = d.digest.algorithm(one.Algorithm, d.signer)
	return d, d.read(one.Attributes)
}

// read reads the signed attributes: content type and digest are due (RFC 5652 11). What is signed is their SET.
func (d *detached) read(attributes asn1.RawValue) error {
	if len(attributes.FullBytes) == 0 {
		return errors.New("no attribute is signed")
	}
	d.attributes = append([]byte{asn1.TagSet | 0x20}, attributes.FullBytes[1:]...)
	seen := map[string]int{}
	for rest := attributes.Bytes; len(rest) > 0; {
		var a cmsAttribute
		var err error
		if rest, err = asn1.Unmarshal(rest, &a); err != nil {
			return fmt.Errorf("the signed attributes: %w", err)
		}
		seen[a.Type.String()]++
		var kind asn1.ObjectIdentifier
		switch {
		case a.Type.Equal(oidContentType):
			if _, err = asn1.Unmarshal(a.Values.Bytes, &kind); err == nil && !kind.Equal(oidData) {
				err = fmt.Errorf("the content type is %v", kind)
			}
		case a.Type.Equal(oidMessageDigest):
			_, err = asn1.Unmarshal(a.Values.Bytes, &d.sum)
		case a.Type.Equal(oidSigningTime):
			_, err = asn1.Unmarshal(a.Values.Bytes, &d.at)
		}
		if err != nil {
			return fmt.Errorf("the signed attributes: %w", err)
		}
	}
	if seen[oidContentType.String()] != 1 || seen[oidMessageDigest.String()] != 1 {
		return errors.New("content type and digest are not among the signed attributes")
	}
	return nil
}

// verify tells whether the content is what was signed, by a certificate below the roots that was good then.
func (d *detached) verify(content []byte, roots *x509.CertPool) error {
	h := d.digest.hash.New()
	h.Write(content)
	if !bytes.Equal(h.Sum(nil), d.sum) {
		return errors.New("the content is not what was signed")
	}
	if err := d.signer.CheckSignature(d.algorithm, d.attributes, d.value); err != nil {
		return fmt.Errorf("the signature is not that of the certificate: %w", err)
	}
	_, err := d.signer.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: d.at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}})
	return err
}
