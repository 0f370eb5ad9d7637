package conformance

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// People are who asks with assertions. Folder holds their certificates and keys: NAME-sign.pem and NAME-sign.key, with which assertions are signed, NAME-connect.pem and
// NAME-connect.key, with which connections are made.
type People struct {
	Folder        string                  `yaml:"folder" json:"-"`
	Audience      string                  `yaml:"audience" json:"audience,omitempty"` // what the system calls itself in assertions
	Professionals map[string]Professional `yaml:"professionals" json:"professionals"`
}

// Professional is a person, or the structure that vouches for him. Nobody in it exists.
type Professional struct {
	ID        string `yaml:"id" json:"id"`                         // national identifier
	Name      string `yaml:"name" json:"name"`                     // given and family name
	Role      string `yaml:"role" json:"role"`                     // profession, of TRE_G15
	Specialty string `yaml:"specialty" json:"specialty,omitempty"` // of TRE_R01 or the sections of pharmacists: code^system
	Structure string `yaml:"structure" json:"structure"`           // where he works
	Sector    string `yaml:"sector" json:"sector"`                 // of activity
	Form      string `yaml:"form" json:"form,omitempty"`           // of his assertions: vihf or xua; vihf when nothing is said
	Mode      string `yaml:"mode" json:"mode,omitempty"`           // of authentication; DIRECTE when nothing is said
	Signer    string `yaml:"signer" json:"signer,omitempty"`       // whose key signs, himself when nothing is said
	Connects  string `yaml:"connects" json:"connects,omitempty"`   // whose certificate makes the connection, likewise
	Subject   string `yaml:"subject" json:"subject,omitempty"`     // what his certificates name: a person, a structure or a service; only to make them
	Odd       string `yaml:"odd" json:"odd,omitempty"`             // stranger, revoked or small: what is wrong with his certificate; only to make it
	OddNode   string `yaml:"odd_node" json:"odd_node,omitempty"`   // stranger, expired, early, server or revoked: what is wrong with his certificate for connections, likewise
}

// signer is a key that signs assertions, with its certificate.
type signer struct {
	key         crypto.Signer
	certificate *x509.Certificate
}

// signer reads the key of somebody: the one for signatures, or NAME/connect, the one for connections.
func (p *People) signer(name string) (signer, error) {
	name, use, said := strings.Cut(name, "/")
	if !said {
		use = "sign"
	}
	pair, err := tls.LoadX509KeyPair(p.file(name, use+".pem"), p.file(name, use+".key"))
	if err != nil {
		return signer{}, fmt.Errorf("the key of %s: %w", name, err)
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return signer{}, fmt.Errorf("the key of %s cannot sign", name)
	}
	return signer{key, pair.Leaf}, nil
}

func (p *People) file(name, what string) string {
	return filepath.Join(p.Folder, name+"-"+what)
}

// MakePeople makes what is missing in the folder: authority.pem, whom the system has to trust, revoked.crl, whom it no longer does, and a certificate for signatures and one
// for connections of everybody. The keys of the authorities are forgotten: a folder is made whole or not at all.
func MakePeople(p *People) error {
	if _, err := os.Stat(filepath.Join(p.Folder, "authority.pem")); err == nil {
		return nil
	}
	if err := os.MkdirAll(p.Folder, 0o700); err != nil {
		return err
	}
	trusted, err := newIssuer("Conformance suite, throw-away authority")
	if err != nil {
		return err
	}
	other, err := newIssuer("Conformance suite, an authority that nobody trusts")
	if err != nil {
		return err
	}
	var revoked []x509.RevocationListEntry
	for _, name := range slices.Sorted(maps.Keys(p.Professionals)) {
		one, by := p.Professionals[name], trusted
		if one.Odd == "stranger" {
			by = other
		}
		bits := 2048
		if one.Odd == "small" {
			bits = 1024
		}
		cert, err := by.issue(p, name, "sign", bits, one.subject("sign", name), x509.KeyUsageContentCommitment)
		if err != nil {
			return err
		}
		if one.Odd == "revoked" {
			revoked = append(revoked, x509.RevocationListEntry{SerialNumber: cert.SerialNumber, RevocationTime: time.Now().Add(-time.Minute)})
		}
		node, err := one.issueNode(p, name, trusted, other)
		if err != nil {
			return err
		}
		if one.OddNode == "revoked" {
			revoked = append(revoked, x509.RevocationListEntry{SerialNumber: node.SerialNumber, RevocationTime: time.Now().Add(-time.Minute)})
		}
	}
	list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(24 * time.Hour),
		RevokedCertificateEntries: revoked}, trusted.certificate, trusted.key)
	if err != nil {
		return err
	}
	return errors.Join(writePEM(filepath.Join(p.Folder, "revoked.crl"), "X509 CRL", list), writePEM(filepath.Join(p.Folder, "authority.pem"), "CERTIFICATE", trusted.certificate.Raw))
}

// issueNode makes the certificate that somebody connects with.
func (p *Professional) issueNode(all *People, name string, trusted, other issuer) (*x509.Certificate, error) {
	by, usage := trusted, x509.ExtKeyUsageClientAuth
	switch p.OddNode {
	case "stranger":
		by = other
	case "expired":
		by.starts, by.ends = -48*time.Hour, -time.Hour
	case "early":
		by.starts, by.ends = 24*time.Hour, 48*time.Hour
	case "server":
		usage = x509.ExtKeyUsageServerAuth
	}
	return by.issue(all, name, "connect", 2048, p.subject("connect", name), x509.KeyUsageDigitalSignature, usage)
}

// subject is what a certificate names: a person as cards do, or a structure as the certificates of organisations do.
func (p *Professional) subject(use, name string) pkix.Name {
	s := pkix.Name{CommonName: use + "." + name + ".example", Organization: []string{"TEST"}, Country: []string{"FR"}}
	switch p.Subject {
	case "person":
		s.CommonName = p.ID
	case "structure":
		s.OrganizationalUnit, s.Province = []string{p.Structure}, []string{"Rhône (69)"}
	}
	return s
}

// issuer is an authority; what it issues counts from starts to ends, from now: half a year when nothing is said.
type issuer struct {
	signer
	starts, ends time.Duration
}

func newIssuer(name string) (issuer, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return issuer{}, err
	}
	t := &x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return issuer{}, err
	}
	cert, err := x509.ParseCertificate(der)
	return issuer{signer{key, cert}, -time.Hour, 180 * 24 * time.Hour}, err
}

// issue makes a certificate and its key, and writes both.
func (i issuer) issue(p *People, name, use string, bits int, subject pkix.Name, usage x509.KeyUsage, extended ...x509.ExtKeyUsage) (*x509.Certificate, error) {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{SerialNumber: serial(), Subject: subject, NotBefore: time.Now().Add(i.starts), NotAfter: time.Now().Add(i.ends), KeyUsage: usage, ExtKeyUsage: extended}
	der, err := x509.CreateCertificate(rand.Reader, t, i.certificate, key.Public(), i.key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(writePEM(p.file(name, use+".pem"), "CERTIFICATE", der), writePEM(p.file(name, use+".key"), "PRIVATE KEY", private)); err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func serial() *big.Int {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails
	return new(big.Int).SetBytes(b[:])
}

func writePEM(file, kind string, der []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// coded makes code^system of a code that may say its system already.
func coded(code, system string) (string, string) {
	if c, s, ok := strings.Cut(code, "^"); ok {
		return c, s
	}
	return code, system
}
