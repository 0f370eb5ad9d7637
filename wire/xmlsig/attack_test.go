package xmlsig_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/wire/xmlsig"
)

// cut gives what stands from one string up to the end of another.
func cut(s, from, to string) string {
	i := strings.Index(s, from)
	return s[i : i+strings.Index(s[i:], to)+len(to)]
}

func replace(old, new string) func(string) string {
	return func(s string) string { return strings.Replace(s, old, new, 1) }
}

// forged is the attacker's assertion, with what an attack puts in it.
func forged(id, within string) string {
	return `<a:Assertion xmlns:a="urn:oasis:names:tc:SAML:2.0:assertion" ID="` + id + `"><a:Issuer>x</a:Issuer>` + within + `<a:Subject><a:NameID>899900000666</a:NameID></a:Subject></a:Assertion>`
}

// wrap replaces the signed assertion by what an attack makes of it and of its signature alone.
func wrap(f func(assertion, signature string) string) func(string) string {
	return func(s string) string {
		a := cut(s, "<a:Assertion", "</a:Assertion>")
		return strings.Replace(s, a, f(a, cut(s, "<ds:Signature ", "</ds:Signature>")), 1)
	}
}

func withObject(signature, object string) string {
	return strings.Replace(signature, "</ds:Signature>", "<ds:Object>"+object+"</ds:Object></ds:Signature>", 1)
}

func unsigned(a string) string {
	return strings.Replace(a, cut(a, "<ds:Signature ", "</ds:Signature>"), "", 1)
}

// attacks are what an attacker makes of a message with a good signature; each must fail for its reason. The first assertion of the message is the one that
// is verified, as a reader would take it.
var attacks = []struct {
	name   string
	change func(string) string
	want   error
}{
	// Signature wrapping: the signed element is still somewhere, and another one is read.
	{"the signed assertion within the forged one's signature", wrap(func(a, s string) string { return forged("_2", withObject(s, unsigned(a))) }), xmlsig.ErrReference},
	{"the same with the same identifier", wrap(func(a, s string) string { return forged("_1", withObject(s, unsigned(a))) }), xmlsig.ErrReference},
	{"the signed assertion whole within the signature", wrap(func(a, s string) string { return forged("_2", withObject(s, a)) }), xmlsig.ErrForm},
	{"the signed assertion in an advice", wrap(func(a, s string) string { return forged("_2", "<a:Advice>"+a+"</a:Advice>") }), xmlsig.ErrForm},
	{"the signed assertion in an advice, signature moved out", wrap(func(a, s string) string { return forged("_2", s+"<a:Advice>"+unsigned(a)+"</a:Advice>") }), xmlsig.ErrReference},
	{"the same with the same identifier", wrap(func(a, s string) string { return forged("_1", s+"<a:Advice>"+unsigned(a)+"</a:Advice>") }), xmlsig.ErrReference},
	{"the signed assertion in an extension", wrap(func(a, s string) string {
		return forged("_2", s+"<x:Extensions xmlns:x='urn:x'>"+unsigned(a)+"</x:Extensions>")
	}), xmlsig.ErrReference},
	{"the signed assertion in an attribute's value", wrap(func(a, s string) string { return forged("_2", "<a:AttributeValue>"+a+"</a:AttributeValue>") }), xmlsig.ErrForm},
	{"a forged assertion before the signed one", wrap(func(a, s string) string { return forged("_2", "") + a }), xmlsig.ErrUnsigned},
	{"a forged assertion with the signature before the signed one", wrap(func(a, s string) string { return forged("_2", s) + unsigned(a) }), xmlsig.ErrReference},
	{"the same with the same identifier", wrap(func(a, s string) string { return forged("_1", s) + unsigned(a) }), xmlsig.ErrDigest},
	{"the signed assertion moved to a header", func(s string) string {
		a := cut(s, "<a:Assertion", "</a:Assertion>")
		return strings.Replace(strings.Replace(s, a, forged("_2", cut(a, "<ds:Signature ", "</ds:Signature>")), 1), "</e:Header>", unsigned(a)+"</e:Header>", 1)
	}, xmlsig.ErrReference},
	{"the signed assertion moved to the body", func(s string) string {
		a := cut(s, "<a:Assertion", "</a:Assertion>")
		return strings.Replace(strings.Replace(s, a, forged("_2", ""), 1), "<evil/>", a, 1)
	}, xmlsig.ErrUnsigned},
	{"the identifier used again within", replace("<a:Subject>", `<a:Subject ID="_1">`), xmlsig.ErrReference},
	{"the identifier used again in another form", replace("<a:Subject>", `<a:Subject xml:id="_1">`), xmlsig.ErrReference},

	// Another reference.
	{"reference to the envelope's header", replace(`URI="#_1"`, `URI="#sec"`), xmlsig.ErrReference},
	{"reference to the body", replace(`URI="#_1"`, `URI="#body"`), xmlsig.ErrReference},
	{"reference to an element within", func(s string) string {
		return replace(`URI="#_1"`, `URI="#_9"`)(replace("<a:Subject>", `<a:Subject ID="_9">`)(s))
	}, xmlsig.ErrReference},
	{"reference to the whole document", replace(`URI="#_1"`, `URI=""`), xmlsig.ErrReference},
	{"reference to nothing", replace(` URI="#_1"`, ``), xmlsig.ErrReference},
	{"reference by xpointer", replace(`URI="#_1"`, `URI="#xpointer(id('_1'))"`), xmlsig.ErrReference},
	{"reference to the root by xpointer", replace(`URI="#_1"`, `URI="#xpointer(/)"`), xmlsig.ErrReference},
	{"reference to a file", replace(`URI="#_1"`, `URI="file:///etc/passwd"`), xmlsig.ErrReference},
	{"reference to an address", replace(`URI="#_1"`, `URI="http://127.0.0.1/x#_1"`), xmlsig.ErrReference},
	{"no reference", func(s string) string { return strings.Replace(s, cut(s, "<ds:Reference", "</ds:Reference>"), "", 1) }, xmlsig.ErrForm},
	{"a second reference", func(s string) string {
		r := cut(s, "<ds:Reference", "</ds:Reference>")
		return strings.Replace(s, r, r+r, 1)
	}, xmlsig.ErrForm},

	// Another signature, or parts of one.
	{"a second SignedInfo before", func(s string) string {
		i := cut(s, "<ds:SignedInfo>", "</ds:SignedInfo>")
		return strings.Replace(s, i, strings.Replace(i, "_1", "_2", 1)+i, 1)
	}, xmlsig.ErrForm},
	{"a second SignedInfo behind", func(s string) string {
		i := cut(s, "<ds:SignedInfo>", "</ds:SignedInfo>")
		return strings.Replace(s, i, i+strings.Replace(i, "_1", "_2", 1), 1)
	}, xmlsig.ErrForm},
	{"a second signature", func(s string) string {
		i := cut(s, "<ds:Signature ", "</ds:Signature>")
		return strings.Replace(s, i, i+i, 1)
	}, xmlsig.ErrForm},
	{"the signature not right within", func(s string) string {
		i := cut(s, "<ds:Signature ", "</ds:Signature>")
		return strings.Replace(strings.Replace(s, i, "", 1), "<a:Subject>", "<a:Subject>"+i, 1)
	}, xmlsig.ErrForm},
	{"the signature removed", unsigned, xmlsig.ErrUnsigned},
	{"the signature in another namespace", replace(`xmlns:ds="http://www.w3.org/2000/09/xmldsig#"`, `xmlns:ds="urn:ds"`), xmlsig.ErrUnsigned},
	{"no SignatureValue", func(s string) string {
		return strings.Replace(s, cut(s, "<ds:SignatureValue>", "</ds:SignatureValue>"), "", 1)
	}, xmlsig.ErrForm},
	{"an empty SignatureValue", func(s string) string {
		return strings.Replace(s, cut(s, "<ds:SignatureValue>", "</ds:SignatureValue>"), "<ds:SignatureValue></ds:SignatureValue>", 1)
	}, xmlsig.ErrForm},
	{"an object", wrap(func(a, s string) string { return strings.Replace(a, s, withObject(s, "<x/>"), 1) }), xmlsig.ErrForm},

	// Algorithms.
	{"HMAC with the public key", hmacWithPublicKey, xmlsig.ErrAlgorithm},
	{"SHA-1 signature", replace("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2000/09/xmldsig#rsa-sha1"), xmlsig.ErrAlgorithm},
	{"SHA-1 digest", replace("http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2000/09/xmldsig#sha1"), xmlsig.ErrAlgorithm},
	{"MD5", replace("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2001/04/xmldsig-more#rsa-md5"), xmlsig.ErrAlgorithm},
	{"another hash", replace("xmldsig-more#rsa-sha256", "xmldsig-more#rsa-sha384"), xmlsig.ErrSignature},
	{"another padding", replace("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1"), xmlsig.ErrSignature},
	{"another kind of key", replace("xmldsig-more#rsa-sha256", "xmldsig-more#ecdsa-sha256"), xmlsig.ErrAlgorithm},
	{"no algorithm", replace(`<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"`, `<ds:SignatureMethod`), xmlsig.ErrAlgorithm},
	{"XPath", replace(`<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature">`, `<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116">`), xmlsig.ErrAlgorithm},
	{"XSLT", replace(`<ds:Transforms>`, `<ds:Transforms><ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"/>`), xmlsig.ErrAlgorithm},
	{"base64", replace(`</ds:Transforms>`, `<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#base64"/></ds:Transforms>`), xmlsig.ErrAlgorithm},
	{"canonicalization twice", replace(`</ds:Transforms>`, `<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></ds:Transforms>`), xmlsig.ErrAlgorithm},
	{"another canonicalization", replace(`<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">`, `<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#WithComments">`), xmlsig.ErrSignature},
	{"canonicalization 1.1", replace(`<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">`, `<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2006/12/xml-c14n11">`), xmlsig.ErrAlgorithm},

	// Content.
	{"another NameID", replace("899900000001", "899900000002"), xmlsig.ErrDigest},
	{"another digest to fit", replace("<ds:DigestValue>", "<ds:DigestValue>AAAA"), xmlsig.ErrSignature},
	{"a processing instruction", replace("<a:NameID>", "<a:NameID><?x y?>"), xmlsig.ErrDigest},
	{"text in a CDATA section", replace("</a:NameID>", "<![CDATA[7]]></a:NameID>"), xmlsig.ErrDigest},
	{"a namespace redefined", replace(`xmlns="urn:hl7-org:v3"`, `xmlns="urn:hl7-org:v4"`), xmlsig.ErrDigest},
	{"a prefix redefined", replace(`<a:Subject>`, `<a:Subject xmlns:a="urn:other">`), xmlsig.ErrDigest},
	{"a prefix of a value redefined", replace(`xmlns:xs="http://www.w3.org/2001/XMLSchema"`, `xmlns:xs="urn:other"`), xmlsig.ErrSignature}, // SignedInfo lists it too
	{"white space in a value", replace("899900000001", " 899900000001"), xmlsig.ErrDigest},
	{"an attribute more", replace("<a:NameID>", `<a:NameID Format="x">`), xmlsig.ErrDigest},
	{"an element more", replace("</a:Subject>", "</a:Subject><a:Conditions/>"), xmlsig.ErrDigest},

	// The key.
	{"another's certificate", func(s string) string { return swapCertificate(s, "rsa1024") }, xmlsig.ErrAlgorithm},
	{"another's certificate of another kind", func(s string) string { return swapCertificate(s, "p256") }, xmlsig.ErrAlgorithm},
	{"a stranger's certificate", func(s string) string { return swapCertificate(s, "stranger") }, errUnknown},
	{"no KeyInfo", func(s string) string { return strings.Replace(s, cut(s, "<ds:KeyInfo>", "</ds:KeyInfo>"), "", 1) }, errUnknown},
	{"two certificates that are no chain", func(s string) string {
		return strings.Replace(s, "</ds:X509Data>", "<ds:X509Certificate>"+encoded("p256")+"</ds:X509Certificate></ds:X509Data>", 1)
	}, xmlsig.ErrForm},
	{"a certificate that is none", replace("<ds:X509Certificate>", "<ds:X509Certificate>AAAA"), xmlsig.ErrForm},
	{"a key value", replace("<ds:X509Data>", "<ds:KeyValue/><ds:X509Data>"), nil}, // not looked at
}

func encoded(kind string) string {
	return base64.StdEncoding.EncodeToString(people()[kind].Certificate.Raw)
}

func swapCertificate(s, kind string) string {
	if kind == "stranger" {
		return strings.Replace(s, encoded("rsa2048"), base64.StdEncoding.EncodeToString(stranger().Raw), 1)
	}
	return strings.Replace(s, encoded("rsa2048"), encoded(kind), 1)
}

// hmacWithPublicKey makes what a verifier that takes its algorithm from the message and its key from elsewhere would find in order.
func hmacWithPublicKey(s string) string {
	s = strings.Replace(s, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256", 1)
	key, _ := x509.MarshalPKIXPublicKey(people()["rsa2048"].Certificate.PublicKey)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(cut(s, "<ds:SignedInfo>", "</ds:SignedInfo>")))
	return strings.Replace(s, cut(s, "<ds:SignatureValue>", "</ds:SignatureValue>"),
		"<ds:SignatureValue>"+base64.StdEncoding.EncodeToString(mac.Sum(nil))+"</ds:SignatureValue>", 1)
}

func TestAttacks(t *testing.T) {
	signed := sign(t, signer("rsa2048", xmlsig.Exclusive("xs")))
	for _, a := range attacks {
		doc := a.change(signed)
		if doc == signed {
			t.Errorf("%s: nothing was changed", a.name)
		}
		if _, err := verify(doc); !errors.Is(err, a.want) {
			t.Errorf("%s: %v, want %v", a.name, err, a.want)
		}
	}
}

// TestDocumentType: no document type, no entity, wherever it stands.
func TestDocumentType(t *testing.T) {
	signed := sign(t, signer("rsa2048", xmlsig.Exclusive("xs")))
	for name, c := range map[string]struct{ doc, reason string }{
		"doctype":         {strings.Replace(signed, "?>", `?><!DOCTYPE e [<!ENTITY n "899900000001">]>`, 1), "DOCTYPE is not allowed"},
		"doctype, bare":   {strings.Replace(signed, "?>", `?><!DOCTYPE e>`, 1), "DOCTYPE is not allowed"},
		"external entity": {strings.Replace(signed, "899900000001", "&n;", 1), "unknown entity"},
	} {
		var syntax *xmlpull.SyntaxError
		if _, err := verify(c.doc); !errors.As(err, &syntax) || syntax.Reason != c.reason {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestComment: a comment may stand anywhere, as it is not signed, and must not cut a value short for who reads.
func TestComment(t *testing.T) {
	signed := sign(t, signer("rsa2048", xmlsig.Exclusive("xs")))
	got, err := verify(strings.Replace(signed, "899900000001", "8999<!-- -->00000001", 1))
	if err != nil {
		t.Fatal(err)
	}
	for n := range got.Tree.Root().Descendants() {
		if n.Local() == "NameID" && n.Text() != "899900000001" {
			t.Errorf("%q", n.Text())
		}
	}
}

func TestSHA1IsAQuirk(t *testing.T) {
	p := people()["rsa2048"]
	if _, err := (xmlsig.Signer{Key: p.Key, Method: "http://www.w3.org/2000/09/xmldsig#rsa-sha1"}).Sign([]byte(inner2), 0, 1); !errors.Is(err, xmlsig.ErrAlgorithm) {
		t.Errorf("made: %v", err)
	}
}

const inner2 = `<a:Assertion xmlns:a="urn:oasis:names:tc:SAML:2.0:assertion" ID="_1"><a:Issuer>x</a:Issuer></a:Assertion>`
