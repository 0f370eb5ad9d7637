package conformance

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
)

const (
	manifestFile  = "manifest.json"
	signatureFile = "manifest.sig"
)

// manifest is manifest.json: every file of a pack but itself and its signature, in the order of their names.
type manifest struct {
	Files []manifestEntry `json:"files"`
}

type manifestEntry struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// signature is manifest.sig: a signature of the bytes of manifest.json. Ed25519 signs them as they stand, ECDSA (ASN.1 form) and RSA (PKCS #1 v1.5) their SHA-256.
type signature struct {
	PublicKey string `json:"public_key"` // PEM, PKIX
	Own       bool   `json:"key_of_this_run"`
	Signature string `json:"signature"` // base64
}

// SigningKey signs evidence.
type SigningKey struct {
	signer crypto.Signer
	own    bool
}

// ReadSigningKey reads an Ed25519, ECDSA or RSA key from a PEM file (PKCS #8). Without a file it makes an Ed25519 key that is forgotten after the run: its signature
// shows that nothing was altered since, not who made it.
func ReadSigningKey(file string) (*SigningKey, error) {
	if file == "" {
		_, key, err := ed25519.GenerateKey(nil)
		return &SigningKey{key, true}, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s is no PEM file", file)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s: a key that cannot sign", file)
	}
	return &SigningKey{signer, false}, nil
}

func (p *Pack) sign(key *SigningKey) error {
	m, err := listed(os.DirFS(p.dir))
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return err
	}
	sig, err := key.sign(text)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.signer.Public())
	if err != nil {
		return err
	}
	if err := p.json(signatureFile, signature{string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})), key.own, base64.StdEncoding.EncodeToString(sig)}); err != nil {
		return err
	}
	return p.write(manifestFile, text) // last: a pack with a manifest is finished
}

func (k *SigningKey) sign(text []byte) ([]byte, error) {
	if _, ok := k.signer.(ed25519.PrivateKey); ok {
		return k.signer.Sign(nil, text, crypto.Hash(0))
	}
	sum := sha256.Sum256(text)
	return k.signer.Sign(rand.Reader, sum[:], crypto.SHA256)
}

// listed makes the manifest of what is there.
func listed(fsys fs.FS) (manifest, error) {
	m := manifest{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || name == manifestFile || name == signatureFile {
			return err
		}
		f, err := fsys.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		h := sha256.New()
		n, err := io.Copy(h, f)
		m.Files = append(m.Files, manifestEntry{name, n, hex.EncodeToString(h.Sum(nil))})
		return err
	})
	return m, err
}

// Verified is what Verify found out.
type Verified struct {
	Files       int
	Fingerprint string // SHA-256 of the public key
	Own         bool   // the key was made for the run: nobody vouches for it
}

// Verify checks a pack: the manifest is signed, every file is as listed and no other is there. A public key (PEM, PKIX) that is not empty must be the signer's.
func Verify(fsys fs.FS, wanted []byte) (Verified, error) {
	var v Verified
	text, err := fs.ReadFile(fsys, manifestFile)
	if err != nil {
		return v, err
	}
	sigText, err := fs.ReadFile(fsys, signatureFile)
	if err != nil {
		return v, err
	}
	var sig signature
	var m manifest
	if err := errors.Join(json.Unmarshal(sigText, &sig), json.Unmarshal(text, &m)); err != nil {
		return v, err
	}
	block, _ := pem.Decode([]byte(sig.PublicKey))
	if block == nil {
		return v, errors.New("the signature names no public key")
	}
	if len(wanted) > 0 {
		if w, _ := pem.Decode(wanted); w == nil || !slices.Equal(w.Bytes, block.Bytes) {
			return v, errors.New("the evidence is signed with another key")
		}
	}
	raw, err := base64.StdEncoding.DecodeString(sig.Signature)
	if err != nil {
		return v, err
	}
	if err := checkSignature(block.Bytes, text, raw); err != nil {
		return v, err
	}
	if err := m.compare(fsys); err != nil {
		return v, err
	}
	sum := sha256.Sum256(block.Bytes)
	return Verified{len(m.Files), hex.EncodeToString(sum[:]), sig.Own}, nil
}

var errSignature = errors.New("the manifest is not what was signed")

func checkSignature(public, text, sig []byte) error {
	key, err := x509.ParsePKIXPublicKey(public)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	ok := false
	switch key := key.(type) {
	case ed25519.PublicKey:
		ok = ed25519.Verify(key, text, sig)
	case *ecdsa.PublicKey:
		ok = ecdsa.VerifyASN1(key, sum[:], sig)
	case *rsa.PublicKey:
		ok = rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sig) == nil
	}
	if !ok {
		return errSignature
	}
	return nil
}

// compare holds the files against the list.
func (m manifest) compare(fsys fs.FS) error {
	is, err := listed(fsys)
	if err != nil {
		return err
	}
	due := map[string]manifestEntry{}
	for _, f := range m.Files {
		due[f.Name] = f
	}
	var wrong []error
	for _, f := range is.Files {
		was, known := due[f.Name]
		delete(due, f.Name)
		switch {
		case !known:
			wrong = append(wrong, fmt.Errorf("%s was added", f.Name))
		case was != f:
			wrong = append(wrong, fmt.Errorf("%s was altered", f.Name))
		}
	}
	for name := range due {
		wrong = append(wrong, fmt.Errorf("%s is missing", name))
	}
	return errors.Join(wrong...)
}
