package cms_test

import (
	"bytes"
	"compress/zlib"
	"crypto"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/x509"
	"errors"
	mathrand "math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/internal/testpki"
	"github.com/passerelle-sante/passerelle/wire/cms"
)

var ciphers = []string{"AES-128-GCM", "AES-192-GCM", "AES-256-GCM", "AES-128-CBC", "AES-192-CBC", "AES-256-CBC"}

// TestRoundTrip: random contents over random options come back as they were, from memory that lies in the message.
func TestRoundTrip(t *testing.T) {
	b := get(t)
	r := mathrand.New(mathrand.NewPCG(1, 2))
	hashes := []crypto.Hash{0, crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512}
	pick := func(names ...string) testpki.Identity { return b.ids[names[r.IntN(len(names))]] }
	for i := range 60 {
		plain := make([]byte, r.IntN(5)*r.IntN(3000))
		rand.Read(plain)
		if len(plain) > 0 {
			plain[0] = 'C' // no content of mail begins with a digit
		}
		var to []cms.Recipient
		var who testpki.Identity
		for range 1 + r.IntN(3) {
			who = pick("rsa", "rsa2", "p256", "p384", "p521")
			to = append(to, cms.Recipient{Certificate: who.Certificate, ByKeyID: r.IntN(2) == 0, Hash: hashes[r.IntN(5)], Transport: cms.Transport(r.IntN(2))})
		}
		cipher := ciphers[r.IntN(6)]
		message, err := cms.Encrypt(plain, cms.EncryptOptions{Recipients: to, Cipher: cipher})
		if err != nil {
			t.Fatal(err)
		}
		if got := decrypt(t, message, cms.DefaultPolicy, cms.Key{Certificate: who.Certificate, Private: who.Key}); !bytes.Equal(got, plain) {
			t.Fatalf("%d: %s for %d: content differs", i, cipher, len(to))
		}
		var o cms.SignOptions
		for range 1 + r.IntN(3) {
			id := pick("rsa", "rsa2", "p256", "p384", "p521")
			o.Signers = append(o.Signers, cms.Signer{Certificate: id.Certificate, Key: id.Key, Digest: hashes[r.IntN(5)],
				Padding: cms.Padding(r.IntN(2)), ByKeyID: r.IntN(2) == 0, Bare: r.IntN(4) == 0})
		}
		if r.IntN(2) == 0 {
			o.Time = time.Unix(1_700_000_000+r.Int64N(1e9), 0)
		}
		signRoundTrip(t, plain, o)
	}
}

func signRoundTrip(t *testing.T, plain []byte, o cms.SignOptions) {
	t.Helper()
	opaque, err := cms.Sign(plain, o)
	if err != nil {
		t.Fatal(err)
	}
	detached, err := cms.SignDetached(bytes.NewReader(plain), o)
	if err != nil {
		t.Fatal(err)
	}
	p := cms.DefaultPolicy | cms.AllowSHA1
	sd := read(t, opaque).Signed
	if !bytes.Equal(sd.Content, plain) {
		t.Fatal("content differs")
	}
	signatures, err := sd.Verify(p)
	if err != nil {
		t.Fatal(err)
	}
	apart, err := read(t, detached).Signed.VerifyDetached(bytes.NewReader(plain), p)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range append(signatures, apart...) {
		if s.Err != nil {
			t.Fatalf("%v: %v", o.Signers, s.Err)
		}
		if !s.Signer.SigningTime.IsZero() && !s.Signer.SigningTime.Equal(o.Time) {
			t.Fatalf("signing time %v, want %v", s.Signer.SigningTime, o.Time)
		}
	}
	if len(signatures) != len(o.Signers) || len(apart) != len(o.Signers) {
		t.Fatalf("%d and %d signatures of %d signers", len(signatures), len(apart), len(o.Signers))
	}
}

func read(t testing.TB, message []byte) *cms.ContentInfo {
	t.Helper()
	ci, err := cms.Read(message)
	if err != nil {
		t.Fatal(err)
	}
	return ci
}

// TestEveryOctetFlipped: whatever octet of a message is altered, authenticated content and signed content never come out as anything else.
func TestEveryOctetFlipped(t *testing.T) {
	b := get(t)
	short := []byte("Content-Type: text/plain\r\n\r\nGlycémie : 5,2 mmol/L\r\n")
	message, err := cms.Encrypt(short, cms.EncryptOptions{Recipients: []cms.Recipient{{Certificate: b.ids["p256"].Certificate}, {Certificate: b.ids["rsa"].Certificate}}})
	if err != nil {
		t.Fatal(err)
	}
	id := b.ids["p256"]
	signed, err := cms.Sign(short, cms.SignOptions{Signers: []cms.Signer{{Certificate: id.Certificate, Key: id.Key}}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range message {
		m := bytes.Clone(message)
		m[i] ^= 1 << (i % 8)
		if ci, err := cms.Read(m); err == nil && ci.AuthEnveloped != nil {
			if got, err := ci.AuthEnveloped.Decrypt(cms.DefaultPolicy, b.key("p256")...); err == nil && !bytes.Equal(got, short) {
				t.Fatalf("octet %d of %d: encrypted content came out as %q", i, len(message), got)
			}
		}
	}
	for i := range signed {
		m := bytes.Clone(signed)
		m[i] ^= 1 << (i % 8)
		ci, err := cms.Read(m)
		if err != nil || ci.Signed == nil || ci.Signed.Detached {
			continue
		}
		signatures, err := ci.Signed.Verify(cms.DefaultPolicy)
		for _, s := range signatures {
			// Only our own certificate counts: the chain is for whoever trusts.
			if err == nil && s.Err == nil && s.Certificate.Equal(id.Certificate) && !bytes.Equal(ci.Signed.Content, short) {
				t.Fatalf("octet %d of %d: signed content came out as %q", i, len(signed), ci.Signed.Content)
			}
		}
	}
}

// TestRefusals: signatures that do not hold, each with its error.
func TestRefusals(t *testing.T) {
	b := get(t)
	sign := func(o cms.Signer, name string) []byte {
		o.Certificate, o.Key = b.ids[name].Certificate, b.ids[name].Key
		m, err := cms.Sign(content, cms.SignOptions{Signers: []cms.Signer{o}})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	swap := func(m, old, new []byte) []byte {
		if !bytes.Contains(m, old) || len(old) != len(new) {
			t.Fatal("nothing to swap")
		}
		return bytes.Replace(m, old, new, 1)
	}
	pss := sign(cms.Signer{}, "rsa")
	salt := []byte{0xa2, 3, 2, 1, 32}
	for _, c := range []struct {
		name    string
		message []byte
		want    error
	}{
		{"content altered", swap(sign(cms.Signer{}, "rsa"), []byte("5,2"), []byte("9,2")), cms.ErrAltered},
		{"content altered, without attributes", swap(sign(cms.Signer{Bare: true}, "rsa"), []byte("5,2"), []byte("9,2")), cms.ErrAltered},
		{"salt of another length", swap(pss, salt, []byte{0xa2, 3, 2, 1, 20}), cms.ErrAltered},
		{"RSA SHA-256 relabelled SHA-512", swap(sign(cms.Signer{Padding: cms.PKCS1v15}, "rsa"), []byte("\xf7\x0d\x01\x01\x0b\x05\x00"), []byte("\xf7\x0d\x01\x01\x0d\x05\x00")), cms.ErrMalformed},
		{"parameters of PSS with a field too many", swap(pss, salt, []byte{0xa4, 3, 2, 1, 32}), cms.ErrMalformed},
		{"SHA-1", sign(cms.Signer{Digest: crypto.SHA1}, "rsa"), cms.ErrRefused},
		{"key of 1024 bits", sign(cms.Signer{Padding: cms.PKCS1v15}, "small"), cms.ErrRefused},
	} {
		signatures, err := read(t, c.message).Signed.Verify(cms.DefaultPolicy)
		if err != nil || !errors.Is(signatures[0].Err, c.want) {
			t.Errorf("%s: %v, %v", c.name, err, signatures[0].Err)
		}
	}
}

// TestAnotherCertificate: a second certificate for the same key does not take over what was signed with the first.
func TestAnotherCertificate(t *testing.T) {
	b := get(t)
	first := b.ids["p256"]
	template := testpki.Mailbox("Somebody else", "else@labo.example")
	template.SubjectKeyId = first.Certificate.SubjectKeyId
	second, err := b.ca.Certify(template, first.Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	m, err := cms.Sign(content, cms.SignOptions{Signers: []cms.Signer{{Certificate: first.Certificate, Key: first.Key, ByKeyID: true}}, Without: true})
	if err != nil {
		t.Fatal(err)
	}
	for c, want := range map[*x509.Certificate]error{first.Certificate: nil, second: cms.ErrAltered, b.ids["rsa"].Certificate: cms.ErrNoCertificate} {
		signatures, err := read(t, bytes.Clone(m)).Signed.Verify(0, c)
		if err != nil || !errors.Is(signatures[0].Err, want) {
			t.Errorf("with %s: %v, want %v", c.Subject, signatures[0].Err, want)
		}
	}
}

// TestAttributesAsContent: the signed attributes of one message are no content of another, though their signature would fit.
func TestAttributesAsContent(t *testing.T) {
	b := get(t)
	id := b.ids["rsa"]
	_, err := cms.Sign([]byte("1 is also how a SET begins"), cms.SignOptions{Signers: []cms.Signer{{Certificate: id.Certificate, Key: id.Key, Bare: true}}})
	if err == nil {
		t.Error("content that can be taken for attributes was signed without attributes")
	}
	m, err := cms.Sign([]byte("C is not"), cms.SignOptions{Signers: []cms.Signer{{Certificate: id.Certificate, Key: id.Key, Bare: true}}})
	if err != nil {
		t.Fatal(err)
	}
	m = bytes.Replace(m, []byte("C is not"), []byte("1 is not"), 1)
	signatures, err := read(t, m).Signed.Verify(cms.DefaultPolicy)
	if err != nil || !errors.Is(signatures[0].Err, cms.ErrMalformed) {
		t.Errorf("%v, %v", err, signatures[0].Err)
	}
}

// TestDecryptErrors: what the open part of a message says is told exactly, and what a key says is not told.
func TestDecryptErrors(t *testing.T) {
	b := get(t)
	for _, cipher := range ciphers {
		for _, transport := range []cms.Transport{cms.OAEP, cms.RSAPKCS1v15} {
			make := func() []byte {
				m, err := cms.Encrypt(content, cms.EncryptOptions{Cipher: cipher, Recipients: []cms.Recipient{{Certificate: b.ids["rsa"].Certificate, Transport: transport}}})
				if err != nil {
					t.Fatal(err)
				}
				return m
			}
			open := func(m []byte, p cms.Policy, k cms.Key) error {
				ci := read(t, m)
				if ci.AuthEnveloped != nil {
					_, err := ci.AuthEnveloped.Decrypt(p, k)
					return err
				}
				text, err := ci.Enveloped.Decrypt(p, k)
				if err == nil && !bytes.Equal(text, content) {
					// One wrong key in 256, or one altered end, leaves padding that looks right: CBC cannot tell, which is why its content is Unauthenticated.
					return cms.ErrDecrypt
				}
				return err
			}
			ours := b.key("rsa")[0]
			wrong := cms.Key{Certificate: ours.Certificate, Private: b.ids["rsa2"].Key}
			if err := open(make(), cms.DefaultPolicy, wrong); err != cms.ErrDecrypt {
				t.Errorf("%s, wrong key: %v", cipher, err)
			}
			if err := open(make(), cms.DefaultPolicy, b.key("rsa2")[0]); err != cms.ErrNotRecipient {
				t.Errorf("%s, no recipient: %v", cipher, err)
			}
			if err := open(make(), 0, ours); transport == cms.RSAPKCS1v15 && !errors.Is(err, cms.ErrRefused) {
				t.Errorf("%s, transport refused: %v", cipher, err)
			}
			last := make()
			last[len(last)-1] ^= 1
			if err := open(last, cms.DefaultPolicy, ours); err != cms.ErrDecrypt {
				t.Errorf("%s, end altered: %v", cipher, err)
			}
		}
	}
}

// TestRelabelled: content in a cipher without integrity does not pass for content with because the message says so, nor the other way round.
func TestRelabelled(t *testing.T) {
	b := get(t)
	authentic, plain := []byte("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x17"), []byte("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03")
	for _, cipher := range []string{"AES-256-CBC", "AES-256-GCM"} {
		m, err := cms.Encrypt(content, cms.EncryptOptions{Cipher: cipher, Recipients: []cms.Recipient{{Certificate: b.ids["p256"].Certificate}}})
		if err != nil {
			t.Fatal(err)
		}
		// The outer length has three octets and holds the identifier.
		old, other := plain, authentic
		if cipher == "AES-256-GCM" {
			old, other = authentic, plain
		}
		at := bytes.Index(m, old)
		n := int(m[2])<<8 + int(m[3]) + len(other) - len(old)
		relabelled := append([]byte{0x30, 0x82, byte(n >> 8), byte(n), 6, byte(len(other))}, other...)
		ci := read(t, append(relabelled, m[at+len(old):]...))
		if cipher == "AES-256-CBC" {
			_, err = ci.AuthEnveloped.Decrypt(cms.DefaultPolicy, b.key("p256")...)
		} else {
			_, err = ci.Enveloped.Decrypt(cms.DefaultPolicy, b.key("p256")...)
		}
		if !errors.Is(err, cms.ErrUnsupported) {
			t.Errorf("%s relabelled: %v", cipher, err)
		}
	}
}

func TestX25519(t *testing.T) {
	b := get(t)
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := *b.ids["p256"].Certificate // crypto/x509 reads certificates with such keys and makes none
	cert.PublicKey = key.PublicKey()
	m, err := cms.Encrypt(content, cms.EncryptOptions{Recipients: []cms.Recipient{{Certificate: &cert}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := decrypt(t, m, 0, cms.Key{Certificate: &cert, Private: key}); !bytes.Equal(got, content) {
		t.Error("content differs")
	}
}

func TestCompressed(t *testing.T) {
	m, err := cms.Compress(content)
	if err != nil {
		t.Fatal(err)
	}
	got, err := read(t, bytes.Clone(m)).Compressed.Expand(len(content))
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("%v, %d octets", err, len(got))
	}
	if _, err := read(t, m).Compressed.Expand(len(content) - 1); !errors.Is(err, cms.ErrMalformed) {
		t.Errorf("one octet too many: %v", err)
	}
	var bomb bytes.Buffer
	z, _ := zlib.NewWriterLevel(&bomb, zlib.BestSpeed)
	z.Write(make([]byte, 32<<20))
	z.Close()
	m, err = cms.Compress(nil)
	if err != nil {
		t.Fatal(err)
	}
	empty := m[len(m)-8:] // zlib of nothing
	m = nest(bytes.Replace(m, empty, nil, 1), bomb.Bytes())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = read(t, m).Compressed.Expand(1 << 20)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, cms.ErrMalformed) || !strings.Contains(err.Error(), "larger than 1048576") {
		t.Errorf("a bomb: %v", err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
		t.Errorf("a bomb took %d octets", used)
	}
}

// nest writes CompressedData in indefinite lengths with this content.
func nest(_, zlibbed []byte) []byte {
	oid := func(s string) string { return "\x06" + string(rune(len(s))) + s }
	const arc = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10"
	head := "0\x80" + oid(arc+"\x01\x09") + "\xa0\x80" + "0\x80" + "\x02\x01\x00" + "0\x0d" + oid(arc+"\x03\x08") + "0\x80" + oid("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01") + "\xa0\x80"
	n := len(zlibbed)
	head += "\x04\x84"
	out := append([]byte(head), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	return append(append(out, zlibbed...), make([]byte, 10)...)
}

// TestBounds: huge lengths, deep nesting and crowds are refused by name, quickly and without memory.
func TestBounds(t *testing.T) {
	b := get(t)
	deep := func(n int) []byte { return append(bytes.Repeat([]byte{0x30, 0x80}, n), make([]byte, 2*n)...) }
	id := b.ids["p256"]
	many := make([]cms.Signer, 33)
	for i := range many {
		many[i] = cms.Signer{Certificate: id.Certificate, Key: id.Key}
	}
	signers, err := cms.Sign([]byte("C"), cms.SignOptions{Signers: many, Without: true})
	if err != nil {
		t.Fatal(err)
	}
	chain := make([]*x509.Certificate, 64)
	for i := range chain {
		chain[i] = id.Certificate
	}
	certs, err := cms.Sign([]byte("C"), cms.SignOptions{Signers: many[:1], Chain: chain})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		message []byte
		want    string
	}{
		{"nothing", nil, "ContentInfo is due at 0"},
		{"a length of 4 GB", []byte("0\x84\xff\xff\xff\xff"), "length beyond the end"},
		{"a length of 2^40", []byte("0\x85\x01\x00\x00\x00\x00\x00"), "length of 5 octets"},
		{"a length of nothing", []byte("0\x82"), "cut short"},
		{"never ending", bytes.Repeat([]byte{0x30, 0x80}, 10), "cut short"},
		{"40 levels", deep(40), "nest too deep"},
		{"a million levels", deep(1_000_000), "nest too deep"},
		{"millions of elements", append(append([]byte{0x30, 0x80}, bytes.Repeat([]byte{5, 0}, 4_000_000)...), 0, 0), "too many elements"},
		{"thousands without a length", append(append([]byte{0x30, 0x80}, bytes.Repeat([]byte{0x30, 0x80, 0, 0}, 10_000)...), 0, 0), "more than 4096 elements of indefinite length"},
		{"another content type", []byte("0\x0f\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\xa0\x02\x04\x00"), "unsupported content type 1.2.840.113549.1.7.1"},
		{"33 signers", signers, "more than 16 signers"},
		{"65 certificates", certs, "more than 64 certificates"},
		{"something behind", append(bytes.Clone(signers), 'x'), "something follows"},
		{"129 MB", make([]byte, cms.MaxSize+1), "at most"},
	} {
		if _, err := cms.Read(c.message); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

// TestMemory: reading a message in many pieces and decrypting it takes no second copy of it.
func TestMemory(t *testing.T) {
	b := get(t)
	large := bytes.Repeat([]byte("C:0123456789abcd"), 1<<16)
	for _, cipher := range []string{"AES-256-GCM", "AES-256-CBC"} {
		m, err := cms.Encrypt(large, cms.EncryptOptions{Cipher: cipher, Recipients: []cms.Recipient{{Certificate: b.ids["p256"].Certificate}}})
		if err != nil {
			t.Fatal(err)
		}
		keys := b.key("p256")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got := decrypt(t, m, 0, keys...)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > uint64(len(large)/4) {
			t.Errorf("%s: %d octets for a message of %d", cipher, used, len(m))
		}
		if !bytes.Equal(got, large) {
			t.Errorf("%s: content differs", cipher)
		}
	}
}

// FuzzCMS: whatever comes, reading ends, keeps within bounds, and what verifies verifies as well when it is written anew.
func FuzzCMS(f *testing.F) {
	rsa := get(f).ids["rsa"]
	ec, err := testpki.Constant("Fuzz", "fuzz@labo.example")
	if err != nil {
		f.Fatal(err)
	}
	keys := []cms.Key{{Certificate: ec.Certificate, Private: ec.Key}}
	for i, cipher := range ciphers {
		m, err := cms.Encrypt([]byte("C"), cms.EncryptOptions{Cipher: cipher, Recipients: []cms.Recipient{{Certificate: rsa.Certificate}, {Certificate: ec.Certificate, ByKeyID: i%2 == 0}}})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(m)
	}
	for _, s := range []cms.Signer{{Certificate: rsa.Certificate, Key: rsa.Key}, {Certificate: ec.Certificate, Key: ec.Key, ByKeyID: true}, {Certificate: ec.Certificate, Key: ec.Key, Bare: true}} {
		m, err := cms.Sign([]byte("C"), cms.SignOptions{Signers: []cms.Signer{s}, Time: time.Unix(1_700_000_000, 0)})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(m)
	}
	f.Add(nest(nil, []byte("x\x9c\x01\x00\x00\xff\xff\x00\x00\x00\x01")))
	signer := cms.Signer{Certificate: ec.Certificate, Key: ec.Key}
	f.Fuzz(func(t *testing.T, m []byte) {
		size := len(m)
		ci, err := cms.Read(m)
		if err != nil {
			return
		}
		switch {
		case ci.Signed != nil && !ci.Signed.Detached:
			if len(ci.Signed.Content) > size {
				t.Fatalf("%d octets of content in %d", len(ci.Signed.Content), size)
			}
			if _, err := ci.Signed.Verify(cms.DefaultPolicy, ec.Certificate); err != nil {
				t.Fatal(err)
			}
			if len(ci.Signed.Content) > 0 {
				again(t, ci.Signed.Content, signer)
			}
		case ci.AuthEnveloped != nil:
			if got, err := ci.AuthEnveloped.Decrypt(cms.DefaultPolicy, keys...); err == nil && string(got) != "C" {
				t.Fatalf("authenticated content %q", got)
			}
		case ci.Enveloped != nil:
			if got, _ := ci.Enveloped.Decrypt(cms.DefaultPolicy|cms.AllowTripleDES, keys...); len(got) > size {
				t.Fatalf("%d octets of content in %d", len(got), size)
			}
		case ci.Compressed != nil:
			if got, _ := ci.Compressed.Expand(1 << 16); len(got) > 1<<16 {
				t.Fatalf("%d octets expanded", len(got))
			}
		}
	})
}

func again(t *testing.T, content []byte, s cms.Signer) {
	t.Helper()
	want := bytes.Clone(content)
	m, err := cms.Sign(content, cms.SignOptions{Signers: []cms.Signer{s}})
	if err != nil {
		t.Fatal(err)
	}
	sd := read(t, m).Signed
	if !bytes.Equal(sd.Content, want) {
		t.Fatal("content differs when written anew")
	}
	if signatures, err := sd.Verify(0); err != nil || signatures[0].Err != nil {
		t.Fatal(err, signatures[0].Err)
	}
}
