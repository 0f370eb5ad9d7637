package smime_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/smime"
	"github.com/passerelle-sante/passerelle/wire/cms"
)

// openssl runs in a folder that holds NAME.pem and NAME.key of everybody, the authorities and the entity.
type openssl struct {
	t   testing.TB
	dir string
}

func newOpenSSL(t testing.TB) *openssl {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	o := &openssl{t: t, dir: t.TempDir()}
	p := get(t)
	o.write("root.pem", p.root.PEM)
	o.write("ca.pem", p.ca.PEM)
	o.write("all.pem", append(bytes.Clone(p.root.PEM), p.ca.PEM...))
	for name, id := range p.ids {
		pair, err := id.PEM()
		if err != nil {
			t.Fatal(err)
		}
		o.write(name+".pem", pair.Cert)
		o.write(name+".key", pair.Key)
	}
	o.write("entity", entity)
	return o
}

func (o *openssl) write(name string, b []byte) {
	o.t.Helper()
	if err := os.WriteFile(filepath.Join(o.dir, name), b, 0o600); err != nil {
		o.t.Fatal(err)
	}
}

func (o *openssl) read(name string) []byte {
	o.t.Helper()
	b, err := os.ReadFile(filepath.Join(o.dir, name))
	if err != nil {
		o.t.Fatal(err)
	}
	return b
}

func (o *openssl) run(t testing.TB, args string) {
	t.Helper()
	c := exec.Command("openssl", strings.Fields(args)...)
	c.Dir = o.dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("openssl %s: %v\n%s", args, err, out)
	}
}

// TestPeerOpenSSLSeals: messages as openssl makes them, one command after the other from "entity" to "1", "2" and "3".
func TestPeerOpenSSLSeals(t *testing.T) {
	o := newOpenSSL(t)
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
				o.run(t, verb+" -out "+out+" "+rest)
				in = out
			}
			raw := o.read(in)
			m := open(t, append([]byte("From: resultats@labo.example\n"), raw...), p(t))
			if shape(m) != c.shape {
				t.Errorf("layers %s, want %s", shape(m), c.shape)
			}
			if !bytes.Equal(m.Entity, entity) || !m.Verdict().OK() {
				t.Errorf("verdict %s, entity %q", m.Verdict(), m.Entity)
			}
		})
	}
}

func p(t testing.TB) smime.Options { return get(t).options() }

// TestPeerOpenSSLOpens: what we seal, openssl unwraps command by command.
func TestPeerOpenSSLOpens(t *testing.T) {
	o := newOpenSSL(t)
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
			o.write("0", append([]byte("MIME-Version: 1.0\r\n"), seal(t, entity, c.o)...))
			for i, step := range c.steps {
				verb, rest, _ := strings.Cut(step, " ")
				o.run(t, verb+" -in "+string(rune('0'+i))+" -out "+string(rune('1'+i))+" "+rest)
			}
			if got := o.read(string(rune('0' + len(c.steps)))); !bytes.Equal(got, entity) {
				t.Errorf("openssl reads %q", got)
			}
		})
	}
}
