package xmlsig_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/internal/sigattack"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/wire/xmlsig"
)

var failures = map[sigattack.Failure]error{sigattack.None: nil, sigattack.Reference: xmlsig.ErrReference, sigattack.Form: xmlsig.ErrForm, sigattack.Unsigned: xmlsig.ErrUnsigned,
	sigattack.Digest: xmlsig.ErrDigest, sigattack.Algorithm: xmlsig.ErrAlgorithm, sigattack.Signature: xmlsig.ErrSignature, sigattack.Unknown: errUnknown}

func TestAttacks(t *testing.T) {
	m := sigattack.Message{Text: sign(t, signer("rsa2048", xmlsig.Exclusive("xs"))), Signer: people()["rsa2048"].Certificate,
		Small: people()["rsa1024"].Certificate, Curve: people()["p256"].Certificate, Stranger: stranger()}
	for _, a := range sigattack.All {
		doc := a.Change(m)
		if doc == m.Text {
			t.Errorf("%s: nothing was changed", a.Name)
		}
		if _, err := verify(doc); !errors.Is(err, failures[a.Want]) {
			t.Errorf("%s: %v, want %v", a.Name, err, failures[a.Want])
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
