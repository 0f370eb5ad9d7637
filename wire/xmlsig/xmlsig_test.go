package xmlsig_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/passerelle-sante/passerelle/internal/testpki"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/wire/xmlsig"
)

// assertion is an invented assertion of some 2 KB before it is signed, in an envelope that declares some of its prefixes.
const (
	before = `<?xml version="1.0"?><e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns:xs="http://www.w3.org/2001/XMLSchema" xml:lang="fr"><e:Header><w:Security xmlns:w="urn:w" Id="sec">`
	inner  = `<a:Assertion xmlns:a="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ID="_1" Version="2.0"
  IssueInstant="2026-03-01T08:00:00Z"><a:Issuer>CN=Dr Testeuse,O=Cabinet &amp; fils</a:Issuer><a:Subject><a:NameID>899900000001</a:NameID></a:Subject><!-- a note -->
<a:AttributeStatement><a:Attribute Name="Identifiant_Structure"><a:AttributeValue xsi:type="xs:string"><![CDATA[499900000001]]></a:AttributeValue></a:Attribute>
<a:Attribute Name="role"><a:AttributeValue><Role xmlns="urn:hl7-org:v3" xsi:type="CE" displayName="Médecin&#10;&quot;" code="10"/></a:AttributeValue></a:Attribute></a:AttributeStatement></a:Assertion>`
	after = `</w:Security></e:Header><e:Body Id="body"><evil/></e:Body></e:Envelope>`
)

var people = sync.OnceValue(func() map[string]testpki.Identity {
	ca, err := testpki.New("Test authority")
	if err != nil {
		panic(err)
	}
	m := map[string]testpki.Identity{}
	for _, kind := range []string{"rsa2048", "rsa1024", "p256", "p384"} {
		key, err := testpki.NewKey(kind)
		if err != nil {
			panic(err)
		}
		cert, err := ca.Certify(testpki.Mailbox("signer "+kind, "signer@example.org"), key.Public())
		if err != nil {
			panic(err)
		}
		m[kind] = testpki.Identity{Certificate: cert, Key: key}
	}
	return m
})

func signer(kind string, m xmlsig.Canonicalization) xmlsig.Signer {
	p := people()[kind]
	return xmlsig.Signer{Key: p.Key, Certificates: []*x509.Certificate{p.Certificate}, Canonicalization: m}
}

// theFirst trusts the certificate of a message if it is one of ours.
func theFirst(certs []*x509.Certificate) (crypto.PublicKey, error) {
	for _, p := range people() {
		if len(certs) > 0 && certs[0].Equal(p.Certificate) {
			return p.Certificate.PublicKey, nil
		}
	}
	return nil, errUnknown
}

var errUnknown = errors.New("not one of ours")

func sign(t testing.TB, s xmlsig.Signer) string {
	t.Helper()
	doc, err := s.Sign([]byte(before+inner+after), len(before), 1)
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}

func verify(doc string) (*xmlsig.Signed, error) {
	return xmlsig.Verify([]byte(doc), strings.Index(doc, "<a:Assertion"), xmlsig.Options{Key: theFirst})
}

func TestSignAndVerify(t *testing.T) {
	const more = "http://www.w3.org/2001/04/xmldsig-more#"
	const pss = "http://www.w3.org/2007/05/xmldsig-more#"
	for _, c := range []struct{ key, method string }{
		{"rsa2048", more + "rsa-sha256"}, {"rsa2048", more + "rsa-sha384"}, {"rsa2048", more + "rsa-sha512"},
		{"rsa2048", pss + "sha256-rsa-MGF1"}, {"rsa2048", pss + "sha384-rsa-MGF1"}, {"rsa2048", pss + "sha512-rsa-MGF1"},
		{"p256", more + "ecdsa-sha256"}, {"p384", more + "ecdsa-sha384"}, {"p256", more + "ecdsa-sha512"},
	} {
		for _, m := range []xmlsig.Canonicalization{xmlsig.Exclusive(), xmlsig.Exclusive("xs"), xmlsig.Exclusive("xs", ""), {}, {Comments: true}, {Exclusive: true, Comments: true}} {
			s := signer(c.key, m)
			s.Method, s.Digest = c.method, "http://www.w3.org/2001/04/xmlenc#sha512"
			got, err := verify(sign(t, s))
			if err != nil {
				t.Errorf("%s %+v: %v", c.method, m, err)
				continue
			}
			if got.Method != c.method || !got.Certificates[0].Equal(people()[c.key].Certificate) {
				t.Errorf("%s: %s by %s", c.method, got.Method, got.Certificates[0].Subject)
			}
			if n := got.Tree.Root(); n.Local() != "Assertion" || bytes.Contains(got.Canonical, []byte("note")) || bytes.Contains(got.Canonical, []byte("Signature")) {
				t.Errorf("%s: %s", c.method, got.Canonical)
			}
		}
	}
}

// TestCanonical pins the octets that are signed: the signature that is taken out leaves nothing behind.
func TestCanonical(t *testing.T) {
	got, err := verify(sign(t, signer("p256", xmlsig.Exclusive("xs"))))
	if err != nil {
		t.Fatal(err)
	}
	const want = `<a:Assertion xmlns:a="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:xs="http://www.w3.org/2001/XMLSchema" ID="_1" IssueInstant="2026-03-01T08:00:00Z" Version="2.0">` +
		`<a:Issuer>CN=Dr Testeuse,O=Cabinet &amp; fils</a:Issuer><a:Subject><a:NameID>899900000001</a:NameID></a:Subject>
<a:AttributeStatement><a:Attribute Name="Identifiant_Structure"><a:AttributeValue xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">499900000001</a:AttributeValue></a:Attribute>
<a:Attribute Name="role"><a:AttributeValue><Role xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" code="10" displayName="Médecin&#xA;&quot;" xsi:type="CE"></Role></a:AttributeValue></a:Attribute></a:AttributeStatement></a:Assertion>`
	if string(got.Canonical) != want {
		t.Errorf("got  %s\nwant %s", got.Canonical, want)
	}
}

func TestDetached(t *testing.T) {
	doc := `<lot xmlns="urn:lot" xmlns:x="urn:x"><docs Id="d1" xml:lang="fr"><doc x:n="1"/><!-- c --></docs></lot>`
	for _, m := range []xmlsig.Canonicalization{{}, {Comments: true}, xmlsig.Exclusive("x")} {
		out, err := signer("rsa2048", m).SignDetached([]byte(doc), "d1", strings.Index(doc, "</lot>"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := xmlsig.VerifyDetached(out, xmlsig.Options{Key: theFirst})
		if err != nil || got.Tree.Root().Local() != "docs" {
			t.Fatalf("%+v: %v", m, err)
		}
		for _, c := range []struct{ old, new string }{{`n="1"`, `n="2"`}, {`xml:lang="fr"`, `xml:lang="en"`}} {
			if _, err := xmlsig.VerifyDetached(bytes.Replace(out, []byte(c.old), []byte(c.new), 1), xmlsig.Options{Key: theFirst}); !errors.Is(err, xmlsig.ErrDigest) {
				t.Errorf("%s: %v", c.new, err)
			}
		}
		twice := bytes.Replace(out, []byte("</lot>"), []byte(`<docs Id="d1"/></lot>`), 1)
		if _, err := xmlsig.VerifyDetached(twice, xmlsig.Options{Key: theFirst}); !errors.Is(err, xmlsig.ErrReference) {
			t.Error(err)
		}
		around := bytes.Replace(bytes.Replace(out, []byte(`Id="d1"`), []byte(`Id="d2"`), 1), []byte("<lot "), []byte(`<lot Id="d1" `), 1)
		if _, err := xmlsig.VerifyDetached(around, xmlsig.Options{Key: theFirst}); !errors.Is(err, xmlsig.ErrReference) {
			t.Error(err)
		}
	}
}

// cut gives what stands from one string up to the end of another.
func cut(s, from, to string) string {
	i := strings.Index(s, from)
	return s[i : i+strings.Index(s[i:], to)+len(to)]
}

// TestObjects: one signature over several elements that it holds; each is handed out as it was signed, and nothing else is.
func TestObjects(t *testing.T) {
	objects := []xmlsig.Object{{XML: `<x:m xmlns:x="urn:x" Id="m">one<!-- c --></x:m>`, ID: "m", Type: "urn:first"}, {XML: `<p xmlns="urn:p"><q Id="q" b="2" a="1">two</q></p>`, ID: "q", Type: "urn:second"}}
	for _, m := range []xmlsig.Canonicalization{{}, {Comments: true}, xmlsig.Exclusive()} {
		out, err := signer("p256", m).SignObjects("S", objects)
		if err != nil {
			t.Fatal(err)
		}
		doc := string(out)
		got, err := xmlsig.VerifyObjects(out, xmlsig.Options{Key: theFirst})
		if err != nil || len(got) != 2 || got[0].Type != "urn:first" || got[0].Tree.Root().Text() != "one" || got[1].Type != "urn:second" || got[1].Tree.Root().Local() != "q" {
			t.Fatalf("%+v: %v %+v", m, err, got)
		}
		second := cut(doc, `<ds:Reference Type="urn:second"`, "</ds:Reference>")
		for _, c := range []struct {
			name, doc string
			want      error
		}{
			{"the first altered", strings.Replace(doc, ">one<", ">One<", 1), xmlsig.ErrDigest},
			{"the second altered", strings.Replace(doc, ">two<", ">Two<", 1), xmlsig.ErrDigest},
			{"beside what is signed", strings.Replace(doc, "</q>", "</q><r/>", 1), nil},
			{"another type", strings.Replace(doc, "urn:second", "urn:third", 1), xmlsig.ErrSignature},
			{"a reference less", strings.Replace(doc, second, "", 1), xmlsig.ErrSignature},
			{"a reference twice", strings.Replace(doc, second, second+second, 1), xmlsig.ErrReference},
			{"many references", strings.Replace(doc, second, strings.Repeat(second, 16), 1), xmlsig.ErrForm},
			{"an identifier twice", strings.Replace(doc, "<ds:Object>", `<ds:Object><z Id="q"/></ds:Object><ds:Object>`, 1), xmlsig.ErrReference},
			{"the signature itself", strings.Replace(doc, `URI="#q"`, `URI="#S"`, 1), xmlsig.ErrReference},
			{"something between references", strings.Replace(doc, second, "<ds:X/>"+second, 1), xmlsig.ErrForm},
		} {
			if _, err := xmlsig.VerifyObjects([]byte(c.doc), xmlsig.Options{Key: theFirst}); !errors.Is(err, c.want) || c.doc == doc {
				t.Errorf("%+v, %s: %v, want %v", m, c.name, err, c.want)
			}
		}
		if _, err := xmlsig.VerifyDetached(out, xmlsig.Options{Key: theFirst}); !errors.Is(err, xmlsig.ErrForm) {
			t.Errorf("two references where one is due: %v", err)
		}
	}
	if _, err := signer("p256", xmlsig.Exclusive()).SignObjects("S", []xmlsig.Object{{XML: "<x/>", ID: "x"}}); !errors.Is(err, xmlsig.ErrReference) {
		t.Error(err)
	}
}

func TestLimits(t *testing.T) {
	signed := sign(t, signer("p256", xmlsig.Exclusive()))
	at := strings.Index(signed, "<a:Assertion")
	for _, c := range []struct {
		name string
		o    xmlsig.Options
		want error
	}{
		{"bytes", xmlsig.Options{Key: theFirst, MaxBytes: 1000}, xmlsig.ErrTooLarge},
		{"nodes", xmlsig.Options{Key: theFirst, MaxNodes: 10}, xmlsig.ErrTooLarge},
		{"no key", xmlsig.Options{}, xmlsig.ErrSignature},
		{"a stranger", xmlsig.Options{Key: func([]*x509.Certificate) (crypto.PublicKey, error) { return nil, errUnknown }}, errUnknown},
	} {
		if _, err := xmlsig.Verify([]byte(signed), at, c.o); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	var syntax *xmlpull.SyntaxError
	if _, err := xmlsig.Verify([]byte(signed), at, xmlsig.Options{Key: theFirst, MaxDepth: 5}); !errors.As(err, &syntax) || syntax.Reason != "depth exceeds 5" {
		t.Error(err)
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, kind := range []string{"rsa2048", "p256"} {
		b.Run(kind, func(b *testing.B) {
			doc := []byte(sign(b, signer(kind, xmlsig.Exclusive("xs"))))
			at := bytes.Index(doc, []byte("<a:Assertion"))
			b.SetBytes(int64(bytes.Index(doc, []byte("</w:Security>")) - at))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := xmlsig.Verify(doc, at, xmlsig.Options{Key: theFirst}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// stranger is somebody whom nobody here knows.
var stranger = sync.OnceValue(func() *x509.Certificate {
	id, err := testpki.Constant("a stranger", "stranger@example.org")
	if err != nil {
		panic(err)
	}
	return id.Certificate
})
