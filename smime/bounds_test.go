package smime_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/internal/testpki"
	"github.com/passerelle-sante/passerelle/smime"
	"github.com/passerelle-sante/passerelle/wire/cms"
)

// TestBounds: crowds, depths and sizes are refused by name and cost no more than they weigh.
func TestBounds(t *testing.T) {
	p := get(t)
	nested := entity
	for range 9 {
		nested = seal(t, nested, smime.SealOptions{Recipients: []cms.Recipient{p.to("gateway-ec")}})
	}
	part := "--b\r\n\r\nx\r\n"
	zeroes := make([]byte, 8<<20)
	bomb := seal(t, append([]byte("Content-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n\r\n"), zeroes...), smime.SealOptions{Compress: true, Signers: []cms.Signer{p.signer("labo")}})
	for _, c := range []struct{ name, raw, want string }{
		{"nine layers", string(nested), "more than 8 layers"},
		{"header of 200 KB", "X: " + strings.Repeat("y", 200<<10) + "\r\n\r\n", "header of"},
		{"header of 2000 fields", strings.Repeat("A: b\r\n", 2000) + "\r\n", "header of 2000 lines"},
		{"multipart/signed of 10,000 parts", "Content-Type: multipart/signed; boundary=b; protocol=\"application/pkcs7-signature\"\r\n\r\n" + strings.Repeat(part, 10_000) + "--b--\r\n", "more than 2 parts"},
		{"65 MB", strings.Repeat("x", 65<<20), "at most 67108864 are read"},
		{"base64 that is none", "Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n####\r\n", "base64"},
		{"uuencoded", "Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n####\r\n", "transfer encoding is not known"},
		{"quoted-printable without end", "Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + strings.Repeat("=\x01", 1<<16), "quoted-printable"},
		{"Content-Type that is none", "Content-Type: ;;;\r\n\r\n", "Content-Type cannot be read"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := smime.Open(context.Background(), []byte(c.raw), p.options())
		runtime.ReadMemStats(&after)
		if !errors.Is(err, smime.ErrMalformed) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
		if used := int(after.TotalAlloc - before.TotalAlloc); used > 4*len(c.raw)+1<<20 {
			t.Errorf("%s: %d octets taken for %d", c.name, used, len(c.raw))
		}
	}
	o := p.options()
	o.MaxSize = 1 << 20
	if _, err := smime.Open(context.Background(), bomb, o); !errors.Is(err, cms.ErrMalformed) || !strings.Contains(err.Error(), "larger than 1048576") {
		t.Errorf("a compressed layer of 8 MB: %v", err)
	}
}

func TestPartsBounds(t *testing.T) {
	deep := "Content-Type: text/plain\r\n\r\nx"
	for i := range 20 {
		deep = fmt.Sprintf("Content-Type: multipart/mixed; boundary=b%dx\r\n\r\n--b%dx\r\n%s\r\n--b%dx--\r\n", i, i, deep, i)
	}
	for _, c := range []struct{ name, raw, want string }{
		{"10,000 parts", "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", 10_000) + "--b--\r\n", "more than 1000 parts"},
		{"20 multiparts in each other", deep, "nest more than 16 deep"},
		{"no boundary", "Content-Type: multipart/mixed\r\n\r\nx", "without a boundary"},
		{"no end", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx", "without its end"},
	} {
		m := &smime.Message{Entity: []byte(c.raw)}
		if _, err := m.Parts(); !errors.Is(err, smime.ErrMalformed) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	// A part is exactly what lies between the boundaries, and a boundary that begins like another is not it.
	m := &smime.Message{Entity: []byte("Content-Type: multipart/mixed; boundary=b\r\n\r\nno\r\n--b \t\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A9\r\n--bc\r\nx--b\r\n\r\n--b\n\nlast\n--b--\r\nno")}
	parts, err := m.Parts()
	if err != nil || len(parts) != 2 || string(parts[0].Raw) != "=C3=A9\r\n--bc\r\nx--b\r\n" || string(parts[1].Raw) != "last" {
		t.Fatalf("%v, %v", parts, err)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(parts[0].Content()); err != nil || b.String() != "é\r\n--bc\r\nx--b\r\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}

// TestMemory: opening a message takes no more than twice its size, the message itself included.
func TestMemory(t *testing.T) {
	p := get(t)
	large := append([]byte("Content-Type: text/plain\r\n\r\n"), bytes.Repeat([]byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n"), 1<<16)...)
	for _, o := range []smime.SealOptions{{}, {Opaque: true}, {Opaque: true, Triple: true}, {Cipher: "AES-256-CBC"}} {
		o.Signers, o.Recipients = []cms.Signer{p.signer("labo-ec")}, []cms.Recipient{p.to("gateway-ec")}
		raw := mail(seal(t, large, o))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m := open(t, raw, p.options())
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > uint64(len(raw)) {
			t.Errorf("%s: %.2f of the message taken beside it", shape(m), float64(used)/float64(len(raw)))
		}
		if !bytes.Equal(m.Entity, large) || !m.Verdict().OK() {
			t.Errorf("%s: %s", shape(m), m.Verdict())
		}
	}
}

// TestEveryOctetFlipped: whatever octet of a sealed message is altered, a good verdict only ever comes with the content that was sealed.
func TestEveryOctetFlipped(t *testing.T) {
	p := get(t)
	opened := 0
	for _, o := range []smime.SealOptions{
		{Signers: []cms.Signer{p.signer("labo-ec")}},
		{Signers: []cms.Signer{p.signer("labo-ec")}, Recipients: []cms.Recipient{p.to("gateway-ec")}},
		{Signers: []cms.Signer{p.signer("labo-ec")}, Recipients: []cms.Recipient{p.to("gateway-ec")}, Cipher: "AES-128-CBC", Opaque: true},
	} {
		raw := mail(seal(t, entity, o))
		step := 1
		if testing.Short() {
			step = 7
		}
		for i := 0; i < len(raw); i += step {
			b := bytes.Clone(raw)
			b[i] ^= 1 << (i % 7)
			m, err := smime.Open(context.Background(), b, p.options())
			if err != nil || !m.Verdict().OK() {
				continue
			}
			opened++
			if !bytes.Equal(m.Entity, entity) {
				t.Fatalf("octet %d of %d: %q passed", i, len(raw), m.Entity)
			}
		}
	}
	if opened == 0 {
		t.Error("no message opened: not even alterations of the subject were passed")
	}
}

// TestAnythingSealed: random contents sealed in random ways open to what they were, with a good verdict.
func TestAnythingSealed(t *testing.T) {
	p := get(t)
	r := rand.New(rand.NewPCG(3, 4))
	n := 150
	if testing.Short() {
		n = 40
	}
	ciphers := []string{"", "AES-128-GCM", "AES-192-GCM", "AES-256-GCM", "AES-128-CBC", "AES-192-CBC", "AES-256-CBC"}
	for range n {
		body := make([]byte, r.IntN(4000))
		for i := range body {
			body[i] = "abc=-. 09"[r.IntN(9)]
			if r.IntN(40) == 0 {
				body[i] = '\n'
			}
		}
		want := append([]byte("Content-Type: text/plain\r\n\r\n"), bytes.ReplaceAll(body, []byte("\n"), []byte("\r\n"))...)
		o := smime.SealOptions{Time: time.Now(), Opaque: r.IntN(2) == 0, Triple: r.IntN(3) == 0, Compress: r.IntN(3) == 0, Cipher: ciphers[r.IntN(7)]}
		for _, name := range [][]string{{"labo"}, {"labo-ec"}, {"labo", "second"}}[r.IntN(3)] {
			s := p.signer(name)
			s.Padding, s.ByKeyID = cms.Padding(r.IntN(2)), r.IntN(2) == 0
			o.Signers = append(o.Signers, s)
		}
		for _, name := range [][]string{{}, {"gateway"}, {"elsewhere", "gateway-ec"}, {"gateway-ec", "gateway"}}[r.IntN(4)] {
			to := p.to(name)
			to.Transport, to.ByKeyID = cms.Transport(r.IntN(2)), r.IntN(2) == 0
			o.Recipients = append(o.Recipients, to)
		}
		if len(o.Recipients) == 0 {
			o.Triple = false
		}
		m := open(t, mail(seal(t, want, o)), p.options())
		if !bytes.Equal(m.Entity, want) || !m.Verdict().OK() {
			t.Fatalf("%s: %s\n%q\n%q", shape(m), m.Verdict(), m.Entity, want)
		}
	}
}

// FuzzSMIME: whatever comes, opening ends within bounds, and what has a good verdict is what somebody sealed.
func FuzzSMIME(f *testing.F) {
	id, err := testpki.Constant("Fuzz", "resultats@labo.example")
	if err != nil {
		f.Fatal(err)
	}
	to := []cms.Recipient{{Certificate: id.Certificate}}
	trust := &smime.Trust{Anchors: []*x509.Certificate{id.Certificate}, Unknown: smime.UnknownAccept}
	o := smime.Options{Keys: []cms.Key{{Certificate: id.Certificate, Private: id.Key}}, Trust: trust, Received: time.Unix(1_800_000_000, 0), MaxSize: 1 << 20}
	for _, s := range []smime.SealOptions{
		{},
		{Opaque: true, Compress: true},
		{Recipients: to},
		{Recipients: to, Cipher: "AES-128-CBC", Opaque: true},
		{Recipients: to, Triple: true},
	} {
		s.Signers = []cms.Signer{{Certificate: id.Certificate, Key: id.Key}}
		raw := mail(seal(f, entity, s))
		if m := open(f, raw, o); !m.Verdict().OK() {
			f.Fatal(m.Verdict())
		}
		f.Add(raw)
	}
	f.Add(mail(entity))
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		m, err := smime.Open(context.Background(), raw, o)
		if !bytes.Equal(raw, before) {
			t.Fatal("the message was written to")
		}
		if err != nil {
			return
		}
		if m.Verdict().OK() && !bytes.Equal(m.Entity, entity) {
			t.Fatalf("a good verdict on %q", m.Entity)
		}
		parts, err := m.Parts()
		total := 0
		for _, part := range parts {
			total += len(part.Raw)
		}
		if total > len(m.Entity) || len(parts) > 1000 {
			t.Fatalf("%d parts of %d octets in %d, %v", len(parts), total, len(m.Entity), err)
		}
	})
}
