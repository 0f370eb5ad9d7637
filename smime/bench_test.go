package smime_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/smallstep/pkcs7"

	"github.com/passerelle-sante/passerelle/smime"
	"github.com/passerelle-sante/passerelle/wire/cms"
)

// A message of 100 KB as today's agents make it: RSA-2048 signature (PKCS #1 v1.5, SHA-256, opaque) in AES-256-CBC for an RSA-2048 key.
func benchMessage(b *testing.B) (p *people, inner, der []byte) {
	p = get(b)
	inner = append([]byte("Content-Type: application/zip\r\n\r\n"), bytes.Repeat([]byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n"), 100<<10/64)...)
	labo := p.signer("labo")
	labo.Padding = cms.PKCS1v15
	signed, err := cms.Sign(inner, cms.SignOptions{Signers: []cms.Signer{labo}})
	if err != nil {
		b.Fatal(err)
	}
	to := p.to("gateway")
	to.Transport = cms.RSAPKCS1v15
	return p, inner, encrypt(b, signed, "AES-256-CBC", []cms.Recipient{to})
}

// BenchmarkDecryptVerify is the same work on the same octets by wire/cms and by the yardstick.
func BenchmarkDecryptVerify(b *testing.B) {
	p, inner, der := benchMessage(b)
	keys := p.keys("gateway")
	buffer := make([]byte, len(der))
	b.Run("cms", func(b *testing.B) {
		b.SetBytes(int64(len(der)))
		b.ReportAllocs()
		for b.Loop() {
			copy(buffer, der)
			ci, err := cms.Read(buffer)
			if err != nil {
				b.Fatal(err)
			}
			plain, err := ci.Enveloped.Decrypt(cms.DefaultPolicy, keys...)
			if err != nil {
				b.Fatal(err)
			}
			if ci, err = cms.Read(plain); err != nil {
				b.Fatal(err)
			}
			signatures, err := ci.Signed.Verify(cms.DefaultPolicy)
			if err != nil || signatures[0].Err != nil || len(ci.Signed.Content) != len(inner) {
				b.Fatal(err, signatures)
			}
		}
	})
	b.Run("smallstep", func(b *testing.B) {
		b.SetBytes(int64(len(der)))
		b.ReportAllocs()
		for b.Loop() {
			m, err := pkcs7.Parse(der)
			if err != nil {
				b.Fatal(err)
			}
			plain, err := m.Decrypt(keys[0].Certificate, keys[0].Private)
			if err != nil {
				b.Fatal(err)
			}
			if m, err = pkcs7.Parse(plain); err != nil {
				b.Fatal(err)
			}
			if err := m.Verify(); err != nil || len(m.Content) != len(inner) {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkOpen is a whole message: base64, MIME, decryption, signature, chain, address.
func BenchmarkOpen(b *testing.B) {
	p, inner, _ := benchMessage(b)
	for _, c := range []struct {
		name string
		o    smime.SealOptions
	}{
		{"RSA-GCM", smime.SealOptions{Signers: []cms.Signer{p.signer("labo")}, Recipients: []cms.Recipient{p.to("gateway")}}},
		{"P256-GCM", smime.SealOptions{Signers: []cms.Signer{p.signer("labo-ec")}, Recipients: []cms.Recipient{p.to("gateway-ec")}}},
		{"RSA-CBC-opaque", smime.SealOptions{Signers: []cms.Signer{p.signer("labo")}, Recipients: []cms.Recipient{p.to("gateway")}, Cipher: "AES-256-CBC", Opaque: true}},
	} {
		raw := mail(seal(b, inner, c.o))
		o := p.options()
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				m, err := smime.Open(context.Background(), raw, o)
				if err != nil || !m.Verdict().OK() {
					b.Fatal(err, m.Verdict())
				}
			}
		})
	}
}
