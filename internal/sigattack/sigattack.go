// Package sigattack makes of a message with a good signature what attackers make of it: for tests of the signature's verifier, and of the doors behind it.
package sigattack

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"strings"
)

// Message is a SOAP envelope, with the prefix e, whose header w:Security with Id sec holds an a:Assertion that is signed by ds:Signature, with RSA and SHA-256
// over the exclusive canonicalization with the prefix xs listed. Its identifier is _1, it names 899900000001, and the envelope declares xs.
type Message struct {
	Text                           string
	Signer, Small, Curve, Stranger *x509.Certificate // the signer's; of another with RSA; of another on a curve; of somebody nobody knows
}

// Failure is why a verifier must refuse.
type Failure uint8

// The reasons, as the errors of wire/xmlsig tell them.
const (
	None Failure = iota // it must not
	Reference
	Form
	Unsigned
	Digest
	Algorithm
	Signature
	Unknown // the signer
)

// Attack is what an attacker does to a message, and why it must fail.
type Attack struct {
	Name   string
	Change func(Message) string
	Want   Failure
}

// text is a change that needs no certificates.
func text(f func(string) string) func(Message) string {
	return func(m Message) string { return f(m.Text) }
}

// cut gives what stands from one string up to the end of another.
func cut(s, from, to string) string {
	i := strings.Index(s, from)
	return s[i : i+strings.Index(s[i:], to)+len(to)]
}

func replace(old, new string) func(Message) string {
	return func(m Message) string { return strings.Replace(m.Text, old, new, 1) }
}

// forged is the attacker's assertion, with what an attack puts in it.
func forged(id, within string) string {
	return `<a:Assertion xmlns:a="urn:oasis:names:tc:SAML:2.0:assertion" ID="` + id + `"><a:Issuer>x</a:Issuer>` + within + `<a:Subject><a:NameID>899900000666</a:NameID></a:Subject></a:Assertion>`
}

// wrap replaces the signed assertion by what an attack makes of it and of its signature alone.
func wrap(f func(assertion, signature string) string) func(Message) string {
	return func(m Message) string {
		s := m.Text
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

// All are the attacks. The first assertion of the message is the one that is verified, as a reader would take it.
var All = []Attack{
	// Signature wrapping: the signed element is still somewhere, and another one is read.
	{"the signed assertion within the forged one's signature", wrap(func(a, s string) string { return forged("_2", withObject(s, unsigned(a))) }), Reference},
	{"the same with the same identifier", wrap(func(a, s string) string { return forged("_1", withObject(s, unsigned(a))) }), Reference},
	{"the signed assertion whole within the signature", wrap(func(a, s string) string { return forged("_2", withObject(s, a)) }), Form},
	{"the signed assertion in an advice", wrap(func(a, s string) string { return forged("_2", "<a:Advice>"+a+"</a:Advice>") }), Form},
	{"the signed assertion in an advice, signature moved out", wrap(func(a, s string) string { return forged("_2", s+"<a:Advice>"+unsigned(a)+"</a:Advice>") }), Reference},
	{"the same with the same identifier", wrap(func(a, s string) string { return forged("_1", s+"<a:Advice>"+unsigned(a)+"</a:Advice>") }), Reference},
	{"the signed assertion in an extension", wrap(func(a, s string) string {
		return forged("_2", s+"<x:Extensions xmlns:x='urn:x'>"+unsigned(a)+"</x:Extensions>")
	}), Reference},
	{"the signed assertion in an attribute's value", wrap(func(a, s string) string { return forged("_2", "<a:AttributeValue>"+a+"</a:AttributeValue>") }), Form},
	{"a forged assertion before the signed one", wrap(func(a, s string) string { return forged("_2", "") + a }), Unsigned},
	{"a forged assertion with the signature before the signed one", wrap(func(a, s string) string { return forged("_2", s) + unsigned(a) }), Reference},
	{"the same with the same identifier", wrap(func(a, s string) string { return forged("_1", s) + unsigned(a) }), Digest},
	{"the signed assertion moved to a header", text(func(s string) string {
		a := cut(s, "<a:Assertion", "</a:Assertion>")
		return strings.Replace(strings.Replace(s, a, forged("_2", cut(a, "<ds:Signature ", "</ds:Signature>")), 1), "</e:Header>", unsigned(a)+"</e:Header>", 1)
	}), Reference},
	{"the signed assertion moved to the body", text(func(s string) string {
		a := cut(s, "<a:Assertion", "</a:Assertion>")
		return strings.Replace(strings.Replace(s, a, forged("_2", ""), 1), "</e:Body>", a+"</e:Body>", 1)
	}), Unsigned},
	{"the identifier used again within", replace("<a:Subject>", `<a:Subject ID="_1">`), Reference},
	{"the identifier used again in another form", replace("<a:Subject>", `<a:Subject xml:id="_1">`), Reference},

	// Another reference.
	{"reference to the envelope's header", replace(`URI="#_1"`, `URI="#sec"`), Reference},
	{"reference to the body", replace(`URI="#_1"`, `URI="#body"`), Reference},
	{"reference to an element within", text(func(s string) string {
		return strings.Replace(strings.Replace(s, "<a:Subject>", `<a:Subject ID="_9">`, 1), `URI="#_1"`, `URI="#_9"`, 1)
	}), Reference},
	{"reference to the whole document", replace(`URI="#_1"`, `URI=""`), Reference},
	{"reference to nothing", replace(` URI="#_1"`, ``), Reference},
	{"reference by xpointer", replace(`URI="#_1"`, `URI="#xpointer(id('_1'))"`), Reference},
	{"reference to the root by xpointer", replace(`URI="#_1"`, `URI="#xpointer(/)"`), Reference},
	{"reference to a file", replace(`URI="#_1"`, `URI="file:///etc/passwd"`), Reference},
	{"reference to an address", replace(`URI="#_1"`, `URI="http://127.0.0.1/x#_1"`), Reference},
	{"no reference", text(func(s string) string { return strings.Replace(s, cut(s, "<ds:Reference", "</ds:Reference>"), "", 1) }), Form},
	{"a second reference", text(func(s string) string {
		r := cut(s, "<ds:Reference", "</ds:Reference>")
		return strings.Replace(s, r, r+r, 1)
	}), Form},

	// Another signature, or parts of one.
	{"a second SignedInfo before", text(func(s string) string {
		i := cut(s, "<ds:SignedInfo>", "</ds:SignedInfo>")
		return strings.Replace(s, i, strings.Replace(i, "_1", "_2", 1)+i, 1)
	}), Form},
	{"a second SignedInfo behind", text(func(s string) string {
		i := cut(s, "<ds:SignedInfo>", "</ds:SignedInfo>")
		return strings.Replace(s, i, i+strings.Replace(i, "_1", "_2", 1), 1)
	}), Form},
	{"a second signature", text(func(s string) string {
		i := cut(s, "<ds:Signature ", "</ds:Signature>")
		return strings.Replace(s, i, i+i, 1)
	}), Form},
	{"the signature not right within", text(func(s string) string {
		i := cut(s, "<ds:Signature ", "</ds:Signature>")
		return strings.Replace(strings.Replace(s, i, "", 1), "<a:Subject>", "<a:Subject>"+i, 1)
	}), Form},
	{"the signature removed", text(unsigned), Unsigned},
	{"the signature in another namespace", replace(`xmlns:ds="http://www.w3.org/2000/09/xmldsig#"`, `xmlns:ds="urn:ds"`), Unsigned},
	{"no SignatureValue", text(func(s string) string {
		return strings.Replace(s, cut(s, "<ds:SignatureValue>", "</ds:SignatureValue>"), "", 1)
	}), Form},
	{"an empty SignatureValue", text(func(s string) string {
		return strings.Replace(s, cut(s, "<ds:SignatureValue>", "</ds:SignatureValue>"), "<ds:SignatureValue></ds:SignatureValue>", 1)
	}), Form},
	{"an object", wrap(func(a, s string) string { return strings.Replace(a, s, withObject(s, "<x/>"), 1) }), Form},

	// Algorithms.
	{"HMAC with the public key", hmacWithPublicKey, Algorithm},
	{"SHA-1 signature", replace("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2000/09/xmldsig#rsa-sha1"), Algorithm},
	{"SHA-1 digest", replace("http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2000/09/xmldsig#sha1"), Algorithm},
	{"MD5", replace("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2001/04/xmldsig-more#rsa-md5"), Algorithm},
	{"another hash", replace("xmldsig-more#rsa-sha256", "xmldsig-more#rsa-sha384"), Signature},
	{"another padding", replace("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1"), Signature},
	{"another kind of key", replace("xmldsig-more#rsa-sha256", "xmldsig-more#ecdsa-sha256"), Algorithm},
	{"no algorithm", replace(`<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"`, `<ds:SignatureMethod`), Algorithm},
	{"XPath", replace(`<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature">`, `<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116">`), Algorithm},
	{"XSLT", replace(`<ds:Transforms>`, `<ds:Transforms><ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"/>`), Algorithm},
	{"base64", replace(`</ds:Transforms>`, `<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#base64"/></ds:Transforms>`), Algorithm},
	{"canonicalization twice", replace(`</ds:Transforms>`, `<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></ds:Transforms>`), Algorithm},
	{"another canonicalization", replace(`<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">`, `<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#WithComments">`), Signature},
	{"canonicalization 1.1", replace(`<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">`, `<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2006/12/xml-c14n11">`), Algorithm},

	// Content.
	{"another NameID", replace("899900000001", "899900000002"), Digest},
	{"another digest to fit", replace("<ds:DigestValue>", "<ds:DigestValue>AAAA"), Signature},
	{"a processing instruction", replace("<a:NameID>", "<a:NameID><?x y?>"), Digest},
	{"text in a CDATA section", replace("</a:NameID>", "<![CDATA[7]]></a:NameID>"), Digest},
	{"a namespace redefined", replace(`xmlns="urn:hl7-org:v3"`, `xmlns="urn:hl7-org:v4"`), Digest},
	{"a prefix redefined", replace(`<a:Subject>`, `<a:Subject xmlns:a="urn:other">`), Digest},
	{"a prefix of a value redefined", replace(`xmlns:xs="http://www.w3.org/2001/XMLSchema"`, `xmlns:xs="urn:other"`), Signature}, // SignedInfo lists it too
	{"white space in a value", replace("899900000001", " 899900000001"), Digest},
	{"an attribute more", replace("<a:NameID>", `<a:NameID Format="x">`), Digest},
	{"an element more", replace("</a:Subject>", "</a:Subject><a:Conditions/>"), Digest},

	// The key.
	{"another's certificate", swapCertificate(func(m Message) *x509.Certificate { return m.Small }), Algorithm},
	{"another's certificate of another kind", swapCertificate(func(m Message) *x509.Certificate { return m.Curve }), Algorithm},
	{"a stranger's certificate", swapCertificate(func(m Message) *x509.Certificate { return m.Stranger }), Unknown},
	{"no KeyInfo", text(func(s string) string { return strings.Replace(s, cut(s, "<ds:KeyInfo>", "</ds:KeyInfo>"), "", 1) }), Unknown},
	{"two certificates that are no chain", func(m Message) string {
		return strings.Replace(m.Text, "</ds:X509Data>", "<ds:X509Certificate>"+encoded(m.Curve)+"</ds:X509Certificate></ds:X509Data>", 1)
	}, Form},
	{"a certificate that is none", replace("<ds:X509Certificate>", "<ds:X509Certificate>AAAA"), Form},
	{"a key value", replace("<ds:X509Data>", "<ds:KeyValue/><ds:X509Data>"), None}, // not looked at
}

func encoded(c *x509.Certificate) string { return base64.StdEncoding.EncodeToString(c.Raw) }

func swapCertificate(by func(Message) *x509.Certificate) func(Message) string {
	return func(m Message) string { return strings.Replace(m.Text, encoded(m.Signer), encoded(by(m)), 1) }
}

// hmacWithPublicKey makes what a verifier that takes its algorithm from the message and its key from elsewhere would find in order.
func hmacWithPublicKey(m Message) string {
	s := strings.Replace(m.Text, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256", 1)
	key, _ := x509.MarshalPKIXPublicKey(m.Signer.PublicKey)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(cut(s, "<ds:SignedInfo>", "</ds:SignedInfo>")))
	return strings.Replace(s, cut(s, "<ds:SignatureValue>", "</ds:SignatureValue>"),
		"<ds:SignatureValue>"+base64.StdEncoding.EncodeToString(mac.Sum(nil))+"</ds:SignatureValue>", 1)
}
