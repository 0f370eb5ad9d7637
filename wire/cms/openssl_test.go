package cms_test

import (
	"bytes"
	"crypto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/internal/openssl"
	"github.com/passerelle-sante/passerelle/internal/testpki"
	"github.com/passerelle-sante/passerelle/wire/cms"
)

// bench holds keys of every kind, made once for all tests, and the same as files for openssl.
type bench struct {
	ca  *testpki.Authority
	ids map[string]testpki.Identity
}

var theBench = sync.OnceValues(func() (*bench, error) {
	ca, err := testpki.New("Test authority")
	if err != nil {
		return nil, err
	}
	b := &bench{ca: ca, ids: map[string]testpki.Identity{}}
	for name, kind := range map[string]string{"rsa": "rsa2048", "rsa2": "rsa2048", "p256": "p256", "p384": "p384", "p521": "p521", "small": "rsa1024"} {
		key, err := testpki.NewKey(kind)
		if err != nil {
			return nil, err
		}
		cert, err := ca.Certify(testpki.Mailbox("Holder "+name, name+"@labo.example"), key.Public())
		if err != nil {
			return nil, err
		}
		b.ids[name] = testpki.Identity{Certificate: cert, Key: key}
	}
	return b, nil
})

func get(t testing.TB) *bench {
	t.Helper()
	b, err := theBench()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) key(names ...string) []cms.Key {
	var out []cms.Key
	for _, n := range names {
		out = append(out, cms.Key{Certificate: b.ids[n].Certificate, Private: b.ids[n].Key})
	}
	return out
}

// newFolder holds everybody, the authority and the content.
func newFolder(t testing.TB) openssl.Folder {
	t.Helper()
	b := get(t)
	o := openssl.New(t, b.ids)
	o.Write(t, "ca.pem", b.ca.PEM)
	o.Write(t, "content", content)
	return o
}

var content = []byte("Content-Type: text/plain; charset=utf-8\r\n\r\nGlycémie à jeun : 5,2 mmol/L\r\n" + strings.Repeat("0123456789abcdef\r\n", 700))

// toEncrypt are the messages openssl encrypts, by their options after "cms -encrypt".
var toEncrypt = []struct{ name, args, who string }{
	{"RSA v1.5 AES-256-CBC", "-aes256 -recip rsa.pem", "rsa"},
	{"RSA v1.5 AES-192-CBC", "-aes192 -recip rsa.pem", "rsa"},
	{"RSA v1.5 AES-128-CBC", "-aes128 -recip rsa.pem", "rsa"},
	{"RSA v1.5 3DES", "-des3 -recip rsa.pem", "rsa"},
	{"RSA v1.5 AES-256-GCM", "-aes-256-gcm -recip rsa.pem", "rsa"},
	{"RSA v1.5 AES-192-GCM", "-aes-192-gcm -recip rsa.pem", "rsa"},
	{"RSA v1.5 AES-128-GCM", "-aes-128-gcm -recip rsa.pem", "rsa"},
	{"OAEP SHA-1 AES-256-CBC", "-aes256 -recip rsa.pem -keyopt rsa_padding_mode:oaep", "rsa"},
	{"OAEP SHA-256 AES-256-CBC", "-aes256 -recip rsa.pem -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256", "rsa"},
	{"OAEP SHA-256 AES-256-GCM", "-aes-256-gcm -recip rsa.pem -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256", "rsa"},
	{"OAEP SHA-256 MGF1 SHA-1", "-aes256 -recip rsa.pem -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256 -keyopt rsa_mgf1_md:sha1", "rsa"},
	{"OAEP SHA-384 AES-128-GCM", "-aes-128-gcm -recip rsa.pem -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha384", "rsa"},
	{"OAEP SHA-512 AES-256-GCM", "-aes-256-gcm -recip rsa.pem -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha512", "rsa"},
	{"P-256 SHA-1 KDF AES-256-CBC", "-aes256 -recip p256.pem", "p256"},
	{"P-256 SHA-256 KDF AES-128-CBC", "-aes128 -recip p256.pem -keyopt ecdh_kdf_md:sha256", "p256"},
	{"P-256 SHA-256 KDF AES-256-GCM", "-aes-256-gcm -recip p256.pem -keyopt ecdh_kdf_md:sha256", "p256"},
	{"P-384 SHA-384 KDF AES-256-CBC", "-aes256 -recip p384.pem -keyopt ecdh_kdf_md:sha384", "p384"},
	{"P-384 SHA-256 KDF AES-192-GCM", "-aes-192-gcm -recip p384.pem -keyopt ecdh_kdf_md:sha256", "p384"},
	{"P-521 SHA-512 KDF AES-256-GCM", "-aes-256-gcm -recip p521.pem -keyopt ecdh_kdf_md:sha512", "p521"},
	{"two recipients, opened with RSA", "-aes256 -recip p256.pem -recip rsa.pem", "rsa"},
	{"two recipients, opened with P-256", "-aes-256-gcm -recip rsa.pem -recip p256.pem", "p256"},
	{"four recipients, the last is ours", "-aes256 -recip rsa.pem -recip rsa2.pem -recip p384.pem -recip p521.pem", "p521"},
	{"RSA by key identifier", "-aes256 -keyid -recip rsa.pem", "rsa"},
	{"P-256 by key identifier", "-aes-256-gcm -keyid -recip p256.pem", "p256"},
	{"indefinite length CBC", "-stream -aes256 -recip rsa.pem", "rsa"},
	{"indefinite length GCM", "-stream -aes-256-gcm -recip rsa.pem", "rsa"},
	{"indefinite length P-256", "-stream -aes256 -recip p256.pem -recip rsa2.pem", "p256"},
}

func TestPeerOpenSSLEncrypts(t *testing.T) {
	o := newFolder(t)
	for _, c := range toEncrypt {
		t.Run(c.name, func(t *testing.T) {
			o.Run(t, "cms -encrypt -binary -in content -outform DER -out message "+c.args)
			got := decrypt(t, o.Read(t, "message"), cms.DefaultPolicy|cms.AllowTripleDES, get(t).key(c.who)...)
			if !bytes.Equal(got, content) {
				t.Errorf("content differs: %.80q", got)
			}
		})
	}
}

// decrypt opens a message of either kind.
func decrypt(t testing.TB, message []byte, p cms.Policy, keys ...cms.Key) []byte {
	t.Helper()
	ci, err := cms.Read(message)
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	switch {
	case ci.AuthEnveloped != nil:
		got, err = ci.AuthEnveloped.Decrypt(p, keys...)
	case ci.Enveloped != nil:
		got, err = ci.Enveloped.Decrypt(p, keys...)
	default:
		t.Fatal("not encrypted")
	}
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// toSign are the messages openssl signs, by their options after "cms -sign"; absent says that the certificate does not come along.
var toSign = []struct {
	name, args string
	absent     string
}{
	{"RSA SHA-256", "-nodetach -md sha256 -signer rsa.pem -inkey rsa.key", ""},
	{"RSA SHA-384", "-nodetach -md sha384 -signer rsa.pem -inkey rsa.key", ""},
	{"RSA SHA-512", "-nodetach -md sha512 -signer rsa.pem -inkey rsa.key", ""},
	{"RSA SHA-1", "-nodetach -md sha1 -signer rsa.pem -inkey rsa.key", ""},
	{"PSS SHA-256", "-nodetach -md sha256 -signer rsa.pem -inkey rsa.key -keyopt rsa_padding_mode:pss", ""},
	{"PSS SHA-512, salt of 20", "-nodetach -md sha512 -signer rsa.pem -inkey rsa.key -keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:20", ""},
	{"P-256 SHA-256", "-nodetach -md sha256 -signer p256.pem -inkey p256.key", ""},
	{"P-384 SHA-384", "-nodetach -md sha384 -signer p384.pem -inkey p384.key", ""},
	{"P-521 SHA-512", "-nodetach -md sha512 -signer p521.pem -inkey p521.key", ""},
	{"detached RSA", "-signer rsa.pem -inkey rsa.key", ""},
	{"detached P-256", "-signer p256.pem -inkey p256.key", ""},
	{"without attributes", "-nodetach -noattr -signer rsa.pem -inkey rsa.key", ""},
	{"with signing certificate attribute", "-nodetach -cades -signer rsa.pem -inkey rsa.key", ""},
	{"two signers", "-nodetach -signer rsa.pem -inkey rsa.key -signer p256.pem -inkey p256.key", ""},
	{"signer by key identifier", "-nodetach -keyid -signer rsa.pem -inkey rsa.key", ""},
	{"signer's certificate elsewhere", "-nodetach -nocerts -signer p256.pem -inkey p256.key", "p256"},
	{"indefinite length", "-stream -nodetach -signer rsa.pem -inkey rsa.key", ""},
}

func TestPeerOpenSSLSigns(t *testing.T) {
	o := newFolder(t)
	for _, c := range toSign {
		t.Run(c.name, func(t *testing.T) {
			o.Run(t, "cms -sign -binary -in content -outform DER -out message "+c.args)
			ci, err := cms.Read(o.Read(t, "message"))
			if err != nil {
				t.Fatal(err)
			}
			sd := ci.Signed
			p := cms.DefaultPolicy | cms.AllowSHA1
			var known []cms.Key
			if c.absent != "" {
				known = get(t).key(c.absent)
			}
			signatures := verify(t, sd, p, known)
			if len(signatures) != strings.Count(c.args, "-signer") {
				t.Errorf("%d signatures", len(signatures))
			}
			for _, s := range signatures {
				if s.Err != nil {
					t.Error(s.Err)
				}
				if attributes := !strings.Contains(c.args, "-noattr"); attributes == s.Signer.SigningTime.IsZero() {
					t.Errorf("signing time %v", s.Signer.SigningTime)
				}
			}
			if !sd.Detached && !bytes.Equal(sd.Content, content) {
				t.Errorf("content differs: %.80q", sd.Content)
			}
		})
	}
}

func verify(t testing.TB, sd *cms.SignedData, p cms.Policy, known []cms.Key) (out []cms.Signature) {
	t.Helper()
	s := sd.Sums()
	if sd.Detached {
		s.Write(content)
	} else {
		s.Write(sd.Content)
	}
	for _, k := range known {
		return sd.VerifySums(s, p, k.Certificate)
	}
	return sd.VerifySums(s, p)
}

// TestPeerOpenSSLDecrypts: what we encrypt with every cipher for every kind of recipient, openssl reads.
func TestPeerOpenSSLDecrypts(t *testing.T) {
	o := newFolder(t)
	b := get(t)
	kinds := []struct {
		name string
		to   cms.Recipient
	}{
		{"rsa", cms.Recipient{}},
		{"rsa", cms.Recipient{ByKeyID: true}},
		{"rsa", cms.Recipient{Transport: cms.RSAPKCS1v15}},
		{"rsa", cms.Recipient{Hash: crypto.SHA1}},
		{"rsa", cms.Recipient{Hash: crypto.SHA384}},
		{"rsa", cms.Recipient{Hash: crypto.SHA512}},
		{"p256", cms.Recipient{}},
		{"p256", cms.Recipient{ByKeyID: true}},
		{"p256", cms.Recipient{Hash: crypto.SHA1}},
		{"p384", cms.Recipient{}},
		{"p521", cms.Recipient{}},
	}
	all := append([]string{""}, ciphers...)
	if testing.Short() {
		all = []string{"", "AES-256-CBC"}
	}
	for _, cipher := range all {
		for i, k := range kinds {
			k.to.Certificate = b.ids[k.name].Certificate
			other := cms.Recipient{Certificate: b.ids["rsa2"].Certificate}
			message, err := cms.Encrypt(content, cms.EncryptOptions{Cipher: cipher, Recipients: []cms.Recipient{other, k.to}})
			if err != nil {
				t.Fatal(err)
			}
			o.Write(t, "message", message)
			o.Run(t, "cms -decrypt -binary -inform DER -in message -out plain -recip "+k.name+".pem -inkey "+k.name+".key")
			if !bytes.Equal(o.Read(t, "plain"), content) {
				t.Errorf("%s for %d (%s): openssl reads something else", cipher, i, k.name)
			}
		}
	}
}

// TestPeerOpenSSLVerifies: what we sign in every way, openssl accepts.
func TestPeerOpenSSLVerifies(t *testing.T) {
	o := newFolder(t)
	b := get(t)
	chain := cms.SignOptions{Time: time.Now()}
	for _, c := range []struct {
		name string
		as   cms.Signer
	}{
		{"rsa", cms.Signer{}},
		{"rsa", cms.Signer{Padding: cms.PKCS1v15}},
		{"rsa", cms.Signer{Digest: crypto.SHA512}},
		{"rsa", cms.Signer{Digest: crypto.SHA384, Padding: cms.PKCS1v15, ByKeyID: true}},
		{"rsa", cms.Signer{Bare: true}},
		{"p256", cms.Signer{}},
		{"p256", cms.Signer{Bare: true, ByKeyID: true}},
		{"p384", cms.Signer{Digest: crypto.SHA384}},
		{"p521", cms.Signer{Digest: crypto.SHA512}},
	} {
		id := b.ids[c.name]
		c.as.Certificate, c.as.Key = id.Certificate, id.Key
		second := cms.Signer{Certificate: b.ids["rsa2"].Certificate, Key: b.ids["rsa2"].Key, Padding: cms.PKCS1v15}
		opts := chain
		opts.Signers = []cms.Signer{c.as, second}
		opaque, err := cms.Sign(content, opts)
		if err != nil {
			t.Fatal(err)
		}
		o.Write(t, "message", opaque)
		o.Run(t, "cms -verify -binary -inform DER -in message -out plain -CAfile ca.pem")
		if !bytes.Equal(o.Read(t, "plain"), content) {
			t.Errorf("%v: openssl reads something else", c)
		}
		detached, err := cms.SignDetached(bytes.NewReader(content), opts)
		if err != nil {
			t.Fatal(err)
		}
		o.Write(t, "message", detached)
		o.Run(t, "cms -verify -binary -inform DER -in message -content content -out plain -CAfile ca.pem")
	}
}
