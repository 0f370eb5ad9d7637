package conformance

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// throwAway is a folder of certificates that are thrown away: the authority that a system has to trust, one that nobody trusts, and what they issue. The keys of the
// authorities are forgotten, so that a folder is made whole or not at all.
type throwAway struct {
	dir            string
	trusted, other *issuer
	issued         map[string]*x509.Certificate // by file
}

// issuer is an authority and whom it no longer vouches for.
type issuer struct {
	signer
	revoked []x509.RevocationListEntry
}

// makeFolder makes a folder where there is none: what fill adds, authority.pem and revoked.crl.
func makeFolder(dir, name string, fill func(*throwAway) error) error {
	if _, err := os.Stat(filepath.Join(dir, "authority.pem")); err == nil || dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f := &throwAway{dir: dir, issued: map[string]*x509.Certificate{}}
	var err error
	if f.trusted, err = newIssuer(name, nil); err != nil {
		return err
	}
	if f.other, err = newIssuer(name+" that nobody trusts", nil); err != nil {
		return err
	}
	if err := errors.Join(fill(f), f.list("revoked.crl", f.trusted, halfYear)); err != nil {
		return err
	}
	return f.certificates("authority.pem", f.trusted.certificate) // last: it says that the folder is whole
}

// add makes a certificate of the authority from a template, half a year good, and its key: FILE.pem and FILE.key. What is odd about it is said by a word:
//
//	stranger        nobody trusts the authority
//	self            it is its own authority
//	revoked         it is on the list of the authority
//	expired, early  its time is over, or has not come
//	server, client  its extended key usage, instead of the template's
//	small           a key of 1024 bits
//	curve           a key on the curve P-256
func (f *throwAway) add(file, odd string, t *x509.Certificate) error {
	if odd == "stranger" {
		return f.under(f.other, file, odd, t)
	}
	return f.under(f.trusted, file, odd, t)
}

// under is add with an authority of its own.
func (f *throwAway) under(by *issuer, file, odd string, t *x509.Certificate) error {
	now := time.Now()
	t.SerialNumber, t.NotBefore, t.NotAfter = serial(), now.Add(-time.Hour), now.AddDate(0, 6, 0)
	key, err := keyFor(odd)
	if err != nil {
		return err
	}
	switch odd {
	case "revoked":
		by.revoke(t.SerialNumber)
	case "expired":
		t.NotBefore, t.NotAfter = now.Add(-48*time.Hour), now.Add(-time.Minute)
	case "early":
		t.NotBefore = now.Add(24 * time.Hour)
	case "server":
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	case "client":
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	if odd == "self" {
		by = &issuer{signer: signer{key, t}}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, by.certificate, key.Public(), by.key)
	if err != nil {
		return err
	}
	if f.issued[file], err = x509.ParseCertificate(der); err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(f.certificates(file+".pem", f.issued[file]), writePEM(filepath.Join(f.dir, file+".key"), "PRIVATE KEY", private))
}

func keyFor(odd string) (crypto.Signer, error) {
	switch odd {
	case "small":
		return rsa.GenerateKey(rand.Reader, 1024)
	case "curve":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	return rsa.GenerateKey(rand.Reader, 2048)
}

// halfYear is as long as certificates hold.
const halfYear = 180 * 24 * time.Hour

// list writes the revocation list of an authority, which is good for so long from now.
func (f *throwAway) list(file string, of *issuer, good time.Duration) error {
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(good),
		RevokedCertificateEntries: of.revoked}, of.certificate, of.key)
	if err != nil {
		return err
	}
	return writePEM(filepath.Join(f.dir, file), "X509 CRL", der)
}

// certificates writes certificates into one file.
func (f *throwAway) certificates(file string, all ...*x509.Certificate) error {
	var text []byte
	for _, c := range all {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return f.text(file, string(text))
}

func (f *throwAway) text(file, text string) error {
	return os.WriteFile(filepath.Join(f.dir, file), []byte(text), 0o600)
}

// newIssuer makes an authority: below another, or with none above it.
func newIssuer(name string, above *issuer) (*issuer, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
	if above == nil {
		above = &issuer{signer: signer{key, t}}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, above.certificate, key.Public(), above.key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &issuer{signer: signer{key, cert}}, nil
}

// impostorOf makes a certificate with the names of another, of nobody but itself.
func impostorOf(c *x509.Certificate) (tls.Certificate, error) {
	key, err := keyFor("curve")
	if err != nil {
		return tls.Certificate{}, err
	}
	t := &x509.Certificate{SerialNumber: serial(), Subject: c.Subject, DNSNames: c.DNSNames, IPAddresses: c.IPAddresses, NotBefore: c.NotBefore, NotAfter: c.NotAfter,
		KeyUsage: c.KeyUsage, ExtKeyUsage: c.ExtKeyUsage}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

func (i *issuer) revoke(number *big.Int) {
	i.revoked = append(i.revoked, x509.RevocationListEntry{SerialNumber: number, RevocationTime: time.Now().Add(-time.Minute)})
}

func serial() *big.Int {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails
	return new(big.Int).SetBytes(b[:])
}

func writePEM(file, kind string, der []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
