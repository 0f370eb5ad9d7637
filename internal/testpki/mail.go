package testpki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"time"
)

// Identity is a certificate and its key as the mail packages want them.
type Identity struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
}

// PEM is the certificate and the key for programs that read files.
func (i Identity) PEM() (Pair, error) {
	key, err := x509.MarshalPKCS8PrivateKey(i.Key)
	return Pair{Cert: block("CERTIFICATE", i.Certificate.Raw), Key: block("PRIVATE KEY", key)}, err
}

// Certificate is the authority's own.
func (a *Authority) Certificate() *x509.Certificate { return a.cert }

// Key is what the authority signs with, for lists and answers about revocation.
func (a *Authority) Key() crypto.Signer { return a.key }

// Mailbox is a certificate template for signing and receiving mail at an address, as the authority's others: good from an hour ago for 90 days.
func Mailbox(name, address string) *x509.Certificate {
	t := template(name)
	t.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageKeyAgreement
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}
	t.EmailAddresses = []string{address}
	return t
}

// NewKey makes a key: "rsa2048", "rsa3072", "p256", "p384", "p521".
func NewKey(kind string) (crypto.Signer, error) {
	switch kind {
	case "rsa1024":
		return rsa.GenerateKey(rand.Reader, 1024)
	case "rsa2048":
		return rsa.GenerateKey(rand.Reader, 2048)
	case "rsa3072":
		return rsa.GenerateKey(rand.Reader, 3072)
	case "p256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "p384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "p521":
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	}
	return nil, fmt.Errorf("key of kind %q", kind)
}

// Certify signs a certificate after a template for a public key, with a subject key identifier.
func (a *Authority) Certify(t *x509.Certificate, public crypto.PublicKey) (*x509.Certificate, error) {
	if t.SubjectKeyId == nil {
		t.SubjectKeyId = make([]byte, 20)
		rand.Read(t.SubjectKeyId)
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, public, a.key)
	if err != nil {
		return nil, fmt.Errorf("certify %s: %w", t.Subject.CommonName, err)
	}
	return x509.ParseCertificate(der)
}

// Below makes an authority certified by this one.
func (a *Authority) Below(name string) (*Authority, error) {
	key, err := NewKey("p256")
	if err != nil {
		return nil, err
	}
	t := template(name)
	t.IsCA, t.BasicConstraintsValid, t.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	cert, err := a.Certify(t, key.Public())
	if err != nil {
		return nil, err
	}
	return &Authority{cert: cert, key: key, PEM: block("CERTIFICATE", cert.Raw)}, nil
}

// Revoke makes a list of revoked certificates, good for a day.
func (a *Authority) Revoke(certs ...*x509.Certificate) ([]byte, error) {
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(24 * time.Hour)}
	for _, c := range certs {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: time.Now().Add(-time.Minute)})
	}
	return x509.CreateRevocationList(rand.Reader, list, a.cert, a.key)
}

// Constant is an identity that is the same in every process, certified by itself: for fuzzing, whose workers must know what others sealed. Its key is
// known to everybody.
func Constant(name, address string) (Identity, error) {
	scalar := make([]byte, 32)
	copy(scalar, name)
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar)
	if err != nil {
		return Identity{}, err
	}
	t := Mailbox(name, address)
	t.SerialNumber, t.SubjectKeyId = big.NewInt(7), []byte(name)
	t.NotBefore, t.NotAfter = time.Unix(1_600_000_000, 0), time.Unix(3_000_000_000, 0)
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), steady{key})
	if err != nil {
		return Identity{}, err
	}
	cert, err := x509.ParseCertificate(der)
	return Identity{Certificate: cert, Key: key}, err
}

// steady signs the same in the same way [RFC 6979].
type steady struct{ *ecdsa.PrivateKey }

func (s steady) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return s.PrivateKey.Sign(nil, digest, opts)
}
