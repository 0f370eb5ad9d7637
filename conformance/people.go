package conformance

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
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
	OddNode   string `yaml:"odd_node" json:"odd_node,omitempty"`   // stranger, self, expired, early, server or revoked: what is wrong with his certificate for connections, likewise
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
// for connections of everybody.
func MakePeople(p *People) error {
	return makeFolder(p.Folder, "Conformance suite, throw-away authority", func(f *throwAway) error {
		for _, name := range slices.Sorted(maps.Keys(p.Professionals)) {
			one := p.Professionals[name]
			signs := &x509.Certificate{Subject: one.subject("sign", name), KeyUsage: x509.KeyUsageContentCommitment}
			connects := &x509.Certificate{Subject: one.subject("connect", name), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
			if err := errors.Join(f.add(name+"-sign", one.Odd, signs), f.add(name+"-connect", one.OddNode, connects)); err != nil {
				return err
			}
		}
		return nil
	})
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

// coded makes code^system of a code that may say its system already.
func coded(code, system string) (string, string) {
	if c, s, ok := strings.Cut(code, "^"); ok {
		return c, s
	}
	return code, system
}
