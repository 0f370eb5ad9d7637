package smime_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/internal/openssl"
	"github.com/passerelle-sante/passerelle/smime"
	"github.com/passerelle-sante/passerelle/wire/cms"
)

// newFolder holds everybody, the authorities and the entity.
func newFolder(t testing.TB) openssl.Folder {
	t.Helper()
	p := get(t)
	o := openssl.New(t, p.ids)
	o.Write(t, "all.pem", append(bytes.Clone(p.root.PEM), p.ca.PEM...))
	o.Write(t, "ca.pem", p.ca.PEM)
	o.Write(t, "entity", entity)
	return o
}

// TestPeerOpenSSLSeals: messages as openssl makes them, one command after the other from "entity" to "1", "2" and "3".
func TestPeerOpenSSLSeals(t *testing.T) {
	o := newFolder(t)
	const crlf = " -crlfeol"
	for _, c := range []struct {
		name, shape string
		steps       []string
	}{
		{"smime -sign", "signed(detached,1)", []string{"smime -sign -signer labo.pem -inkey labo.key -certfile ca.pem"}},
		{"cms -sign", "signed(detached,1)", []string{"cms -sign -signer labo-ec.pem -inkey labo-ec.key"}},
		{"cms -sign with CRLF", "signed(detached,1)", []string{"cms -sign -signer labo.pem -inkey labo.key" + crlf}},
		{"cms -sign opaque", "signed(opaque,1)", []string{"cms -sign -nodetach -signer labo.pem -inkey labo.key"}},
		{"cms -sign, streamed", "signed(opaque,1)", []string{"cms -sign -nodetach -stream -signer labo.pem -inkey labo.key"}},
		{"two signers", "signed(detached,2)", []string{"cms -sign -signer labo.pem -inkey labo.key -signer second.pem -inkey second.key"}},
		{"smime -encrypt of signed", "encrypted(AES-256-CBC) signed(detached,1)",
			[]string{"smime -sign -signer labo.pem -inkey labo.key", "smime -encrypt -aes256 IN gateway.pem"}},
		{"GCM of signed PSS", "encrypted(AES-256-GCM) signed(opaque,1)",
			[]string{"cms -sign -nodetach -signer labo.pem -inkey labo.key -keyopt rsa_padding_mode:pss", "cms -encrypt -aes-256-gcm -recip gateway-ec.pem"}},
		{"streamed, OAEP", "encrypted(AES-128-CBC) signed(detached,1)",
			[]string{"cms -sign -signer labo.pem -inkey labo.key", "cms -encrypt -stream -aes128 -recip gateway.pem -keyopt rsa_padding_mode:oaep"}},
		{"triple wrapping", "signed(detached,1) encrypted(AES-256-GCM) signed(detached,1)",
			[]string{"cms -sign -signer labo.pem -inkey labo.key", "cms -encrypt -aes-256-gcm -recip elsewhere.pem -recip gateway.pem", "cms -sign -signer labo-ec.pem -inkey labo-ec.key"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := "entity"
			for i, step := range c.steps {
				out := []string{"1", "2", "3"}[i]
				// The in-file goes before the recipients that smime -encrypt takes at the end.
				args := step + " -in " + in
				if before, after, ok := strings.Cut(step, "IN "); ok {
					args = before + "-in " + in + " " + after
				}
				verb, rest, _ := strings.Cut(args, " ")
				o.Run(t, verb+" -out "+out+" "+rest)
				in = out
			}
			raw := o.Read(t, in)
			m := open(t, append([]byte("From: resultats@labo.example\n"), raw...), get(t).options())
			if shape(m) != c.shape {
				t.Errorf("layers %s, want %s", shape(m), c.shape)
			}
			if !bytes.Equal(m.Entity, entity) || !m.Verdict().OK() {
				t.Errorf("verdict %s, entity %q", m.Verdict(), m.Entity)
			}
		})
	}
}

// TestPeerOpenSSLOpens: what we seal, openssl unwraps command by command.
func TestPeerOpenSSLOpens(t *testing.T) {
	o := newFolder(t)
	p := get(t)
	const verify = "-verify -CAfile all.pem"
	decrypt := func(who string) string { return "cms -decrypt -recip " + who + ".pem -inkey " + who + ".key" }
	v15 := p.signer("labo")
	v15.Padding = cms.PKCS1v15
	v15to := p.to("gateway")
	v15to.Transport = cms.RSAPKCS1v15
	for _, c := range []struct {
		name  string
		o     smime.SealOptions
		steps []string
	}{
		{"detached", smime.SealOptions{Signers: []cms.Signer{p.signer("labo")}}, []string{"cms " + verify}},
		{"detached, smime", smime.SealOptions{Signers: []cms.Signer{v15}}, []string{"smime " + verify}},
		{"opaque", smime.SealOptions{Signers: []cms.Signer{p.signer("labo-ec")}, Opaque: true}, []string{"cms " + verify}},
		{"two signers", smime.SealOptions{Signers: []cms.Signer{p.signer("labo"), p.signer("second")}}, []string{"cms " + verify}},
		{"signed, encrypted GCM", smime.SealOptions{Signers: []cms.Signer{p.signer("labo")}, Recipients: []cms.Recipient{p.to("elsewhere"), p.to("gateway")}},
			[]string{decrypt("gateway"), "cms " + verify}},
		{"signed, encrypted CBC for smime", smime.SealOptions{Signers: []cms.Signer{v15}, Recipients: []cms.Recipient{v15to}, Cipher: "AES-256-CBC"},
			[]string{"smime -decrypt -recip gateway.pem -inkey gateway.key", "smime " + verify}},
		{"elliptic curve", smime.SealOptions{Signers: []cms.Signer{p.signer("labo-ec")}, Recipients: []cms.Recipient{p.to("gateway-ec")}},
			[]string{decrypt("gateway-ec"), "cms " + verify}},
		{"triple wrapping", smime.SealOptions{Signers: []cms.Signer{p.signer("labo")}, Recipients: []cms.Recipient{p.to("gateway")}, Triple: true},
			[]string{"cms " + verify, decrypt("gateway"), "cms " + verify}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.Time = time.Now()
			o.Write(t, "0", append([]byte("MIME-Version: 1.0\r\n"), seal(t, entity, c.o)...))
			for i, step := range c.steps {
				verb, rest, _ := strings.Cut(step, " ")
				o.Run(t, verb+" -in "+string(rune('0'+i))+" -out "+string(rune('1'+i))+" "+rest)
			}
			if got := o.Read(t, string(rune('0'+len(c.steps)))); !bytes.Equal(got, entity) {
				t.Errorf("openssl reads %q", got)
			}
		})
	}
}
