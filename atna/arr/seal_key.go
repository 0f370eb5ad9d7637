package arr

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Key is the key pair of a log or of a witness, as text. Public is what a verifier needs.
type Key struct{ Secret, Public string }

// NewKey makes a key pair. The name is that of the log: no space and no plus sign.
func NewKey(name string) (Key, error) {
	secret, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return Key{}, err
	}
	if _, err := note.NewSigner(secret); err != nil {
		return Key{}, fmt.Errorf("no key can be named %q: %w", name, err)
	}
	return Key{secret, public}, nil
}

// Signer gives what signs.
func (k Key) Signer() (note.Signer, error) { return note.NewSigner(k.Secret) }

// LoadKey reads a key file: two lines, the secret and the public text. Where there is none it makes one that only its owner may read.
func LoadKey(path, name string) (Key, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return createKey(path, name)
	}
	if err != nil {
		return Key{}, err
	}
	secret, public, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	k := Key{secret, public}
	s, err := k.Signer()
	if err != nil {
		return Key{}, fmt.Errorf("%s holds no key: %w", path, err)
	}
	v, err := note.NewVerifier(public)
	if err != nil || v.Name() != s.Name() || v.KeyHash() != s.KeyHash() {
		return Key{}, fmt.Errorf("the two lines of %s are not one key", path)
	}
	return k, nil
}

func createKey(path, name string) (Key, error) {
	k, err := NewKey(name)
	if err != nil {
		return Key{}, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return Key{}, err
	}
	_, err = fmt.Fprintf(f, "%s\n%s\n", k.Secret, k.Public)
	return k, errors.Join(err, f.Sync(), f.Close())
}

// Keys gives the verifier of public texts, one a line; empty lines and those that begin with # are passed over.
func Keys(text string) (note.Verifiers, error) {
	var list []note.Verifier
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		v, err := note.NewVerifier(line)
		if err != nil {
			return nil, fmt.Errorf("not the public text of a key: %w", err)
		}
		list = append(list, v)
	}
	return note.VerifierList(list...), nil
}
