package xmlsig_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/wire/xmlsig"
)

// xmlsec runs xmlsec1, a peer nobody here wrote, in a folder of the test's own.
type xmlsec string

func newXMLSec(t testing.TB) xmlsec {
	t.Helper()
	if testing.Short() {
		t.Skip("sixty runs of xmlsec1: make test and make peers do them")
	}
	if _, err := exec.LookPath("xmlsec1"); err != nil {
		t.Skip("xmlsec1 is not installed")
	}
	dir := t.TempDir()
	for name, id := range people() {
		pair, err := id.PEM()
		if err != nil {
			t.Fatal(err)
		}
		for ext, b := range map[string][]byte{".pem": pair.Cert, ".key": pair.Key} {
			if err := os.WriteFile(filepath.Join(dir, name+ext), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return xmlsec(dir)
}

// run hands a document to xmlsec1 and gives what it writes.
func (x xmlsec) run(t testing.TB, doc, args string) string {
	t.Helper()
	in, out := filepath.Join(string(x), "in.xml"), filepath.Join(string(x), "out.xml")
	if err := os.WriteFile(in, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	os.Remove(out)
	c := exec.Command("xmlsec1", strings.Fields(args)...)
	c.Args = append(c.Args, "--output", out, in)
	c.Dir = string(x)
	if said, err := c.CombinedOutput(); err != nil {
		t.Fatalf("xmlsec1 %s: %v\n%s", args, err, said)
	}
	b, _ := os.ReadFile(out)
	return string(b)
}

const (
	xmldsigMore = "http://www.w3.org/2001/04/xmldsig-more#"
	sha256URI   = "http://www.w3.org/2001/04/xmlenc#sha256"
)

var peerMethods = []struct{ key, method, digest string }{
	{"rsa2048", xmldsigMore + "rsa-sha256", sha256URI},
	{"rsa2048", xmldsigMore + "rsa-sha384", xmldsigMore + "sha384"},
	{"rsa2048", xmldsigMore + "rsa-sha512", "http://www.w3.org/2001/04/xmlenc#sha512"},
	{"p256", xmldsigMore + "ecdsa-sha256", sha256URI},
	{"p384", xmldsigMore + "ecdsa-sha384", xmldsigMore + "sha384"},
}

var peerForms = []struct {
	uri, list string
	m         xmlsig.Canonicalization
}{
	{"http://www.w3.org/2001/10/xml-exc-c14n#", "", xmlsig.Exclusive()},
	{"http://www.w3.org/2001/10/xml-exc-c14n#", "xs e", xmlsig.Exclusive("xs", "e")},
	{"http://www.w3.org/2001/10/xml-exc-c14n#", "#default xs", xmlsig.Exclusive("", "xs")},
	{"http://www.w3.org/2001/10/xml-exc-c14n#WithComments", "", xmlsig.Canonicalization{Exclusive: true, Comments: true}},
	{"http://www.w3.org/TR/2001/REC-xml-c14n-20010315", "", xmlsig.Canonicalization{}},
	{"http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments", "", xmlsig.Canonicalization{Comments: true}},
}

// template is the envelope with a signature for xmlsec1 to fill in.
func template(method, digest, c14n, list string) string {
	if list != "" {
		list = `<ec:InclusiveNamespaces xmlns:ec="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="` + list + `"/>`
	}
	sig := fmt.Sprintf(`<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#">
 <ds:SignedInfo><!-- of a peer --><ds:CanonicalizationMethod Algorithm="%s">%s</ds:CanonicalizationMethod><ds:SignatureMethod Algorithm="%s"/>
 <ds:Reference URI="#_1"><ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><ds:Transform Algorithm="%s">%s</ds:Transform></ds:Transforms>
 <ds:DigestMethod Algorithm="%s"/><ds:DigestValue/></ds:Reference></ds:SignedInfo><ds:SignatureValue/><ds:KeyInfo><ds:X509Data><ds:X509Certificate/></ds:X509Data></ds:KeyInfo></ds:Signature>`,
		c14n, list, method, c14n, list, digest)
	return before + strings.Replace(hard, "</a:Issuer>", "</a:Issuer>"+sig, 1) + after
}

// hard has what canonicalizations differ on: instructions, unused prefixes, defaults undone, references to characters.
var hard = strings.Replace(inner, "<!-- a note -->", `<?style  a="b" ?><x xmlns="urn:x" xmlns:unused="urn:unused"><y xmlns="" z="&#9;&lt;&#13;"><z xmlns="urn:x" unused:q='"'>a &gt; b&#13;</z></y><?p?></x><!-- a note -->`, 1)

const verifyArgs = "--verify --id-attr:ID urn:oasis:names:tc:SAML:2.0:assertion:Assertion --enabled-key-data rsa,ecdsa --pubkey-cert-pem "

func TestPeerXMLSecSigns(t *testing.T) {
	x := newXMLSec(t)
	for _, k := range peerMethods {
		for _, f := range peerForms {
			t.Run(k.key+"/"+k.method+"/"+f.uri+" "+f.list, func(t *testing.T) {
				signed := x.run(t, template(k.method, k.digest, f.uri, f.list),
					"--sign --id-attr:ID urn:oasis:names:tc:SAML:2.0:assertion:Assertion --privkey-pem "+k.key+".key,"+k.key+".pem")
				got, err := verify(signed)
				if err != nil {
					t.Fatal(err)
				}
				if got.Method != k.method || !got.Certificates[0].Equal(people()[k.key].Certificate) {
					t.Errorf("%s by %s", got.Method, got.Certificates[0].Subject)
				}
				if _, err := verify(strings.Replace(signed, "499900000001", "499900000002", 1)); err == nil {
					t.Error("altered and taken")
				}
			})
		}
	}
}

func TestPeerXMLSecVerifies(t *testing.T) {
	x := newXMLSec(t)
	for _, k := range peerMethods {
		for _, f := range peerForms {
			t.Run(k.key+"/"+k.method+"/"+f.uri+" "+f.list, func(t *testing.T) {
				s := signer(k.key, f.m)
				s.Method, s.Digest = k.method, k.digest
				doc, err := s.Sign([]byte(before+hard+after), len(before), 1)
				if err != nil {
					t.Fatal(err)
				}
				x.run(t, string(doc), verifyArgs+k.key+".pem")
			})
		}
	}
}

// TestPeerXMLSecDetached: a signature beside what it signs, as over a lot of documents.
func TestPeerXMLSecDetached(t *testing.T) {
	x := newXMLSec(t)
	doc := `<lot xmlns="urn:lot" xmlns:x="urn:x" xml:lang="fr"><docs Id="d1"><doc x:n="1"/><!-- c --></docs></lot>`
	for _, f := range peerForms {
		out, err := signer("p256", f.m).SignDetached([]byte(doc), "d1", strings.Index(doc, "</lot>"))
		if err != nil {
			t.Fatal(err)
		}
		x.run(t, string(out), "--verify --id-attr:Id urn:lot:docs --pubkey-cert-pem p256.pem")
	}
}

// TestPeerXMLSecSHA1: old software's signatures are taken only where the quirk is switched on.
func TestPeerXMLSecSHA1(t *testing.T) {
	x := newXMLSec(t)
	signed := x.run(t, template("http://www.w3.org/2000/09/xmldsig#rsa-sha1", "http://www.w3.org/2000/09/xmldsig#sha1", "http://www.w3.org/2001/10/xml-exc-c14n#", ""),
		"--sign --id-attr:ID urn:oasis:names:tc:SAML:2.0:assertion:Assertion --privkey-pem rsa2048.key,rsa2048.pem")
	at := strings.Index(signed, "<a:Assertion")
	if _, err := xmlsig.Verify([]byte(signed), at, xmlsig.Options{Key: theFirst}); err == nil || err.Error() != "an algorithm of the signature is not accepted: SignatureMethod" {
		t.Error(err)
	}
	if _, err := xmlsig.Verify([]byte(signed), at, xmlsig.Options{Key: theFirst, SHA1: true}); err != nil {
		t.Error(err)
	}
}
