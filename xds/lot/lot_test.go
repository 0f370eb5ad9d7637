package lot_test

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/internal/testpki"
	"github.com/passerelle-sante/passerelle/wire/xmlsig"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/lot"
)

var at = time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)

const signatureID = xds.UniqueID("1.2.250.1.999.1.1.9.1")

// people are two doctors certified by one authority.
var people = sync.OnceValue(func() (ids [2]testpki.Identity) {
	ca, err := testpki.New("Test authority")
	if err != nil {
		panic(err)
	}
	for i := range ids {
		key, err := testpki.NewKey("rsa2048")
		if err != nil {
			panic(err)
		}
		t := testpki.Mailbox("", "x@example.org")
		t.Subject, t.KeyUsage = pkix.Name{CommonName: fmt.Sprint("89990000000", i+1), OrganizationalUnit: []string{"Médecin"}}, x509.KeyUsageContentCommitment
		c, err := ca.Certify(t, key.Public())
		if err != nil {
			panic(err)
		}
		ids[i] = testpki.Identity{Certificate: c, Key: key}
	}
	return ids
})

func signer(by testpki.Identity) lot.Signer {
	return lot.Signer{Signer: xmlsig.Signer{Key: by.Key, Certificates: []*x509.Certificate{by.Certificate}}, Author: xds.Author{Person: "899900000001^ESSAI^Anne"},
		Facility: xds.Code{Code: "SA07", Scheme: "1.2.250.1.71.4.2.4"}, Practice: xds.Code{Code: "AMBULATOIRE", Scheme: "1.2.250.1.213.1.1.4.9"}}
}

// twoDocuments are a submission of two documents and their digests.
func twoDocuments() (*xds.Submission, lot.Digests) {
	sub := sample.Submission(1, 1, 1, at)
	second := sub.Entries[0]
	second.ID, second.UniqueID = "Document02", "1.2.250.1.999.1.1.1.1.2"
	sub.Entries = append(sub.Entries, second)
	sub.Associations = append(sub.Associations, xds.Association{Header: xds.Header{ID: "HasMember02"}, Type: xds.HasMember, Source: sub.Set.ID, Target: second.ID, Membership: "Original"})
	return sub, lot.Digests{sub.Entries[0].UniqueID: sha256.Sum256([]byte("one")), second.UniqueID: sha256.Sum256([]byte("two"))}
}

func signed(t testing.TB) (string, *xds.Submission, lot.Digests) {
	t.Helper()
	sub, digests := twoDocuments()
	out, err := signer(people()[0]).Sign(sub, digests, signatureID, at)
	if err != nil {
		t.Fatal(err)
	}
	return string(out), sub, digests
}

var errStranger = errors.New("a stranger")

// known gives the key of the first of the people.
func known(certs []*x509.Certificate) (crypto.PublicKey, error) {
	if !certs[0].Equal(people()[0].Certificate) {
		return nil, errStranger
	}
	return certs[0].PublicKey, nil
}

// TestSign pins what goes with a signature: an entry of its own and what relates it.
func TestSign(t *testing.T) {
	out, sub, digests := signed(t)
	i, err := lot.Of(sub)
	if err != nil || i != 2 {
		t.Fatal(i, err)
	}
	got, err := lot.Verify([]byte(out), sub, i, digests, known)
	if err != nil || !got.At.Equal(at) || !got.Signer.Equal(people()[0].Certificate) {
		t.Errorf("%+v %v", got, err)
	}
	e := sub.Entries[i]
	codes := ""
	for _, c := range append([]xds.Code{e.ClassCode, e.TypeCode, e.FormatCode}, append(e.ConfidentialityCodes, e.EventCodes...)...) {
		codes += c.Code + "^" + c.Scheme + " "
	}
	const want = "urn:oid:1.3.6.1.4.1.19376.1.2.1.1.1^URN E1762^ASTM http://www.w3.org/2000/09/xmldsig#^URN N^2.16.840.1.113883.5.25 MASQUE_PS^1.2.250.1.213.1.1.4.13 INVISIBLE_PATIENT^1.2.250.1.213.1.1.4.13 1.2.840.10065.1.12.1.14^1.2.840.10065.1.12 "
	if codes != want || e.UniqueID != signatureID || e.LanguageCode != "art" || e.MIMEType != "text/xml" || e.PatientID != sub.Set.PatientID {
		t.Errorf("%s %+v", codes, e)
	}
	relations := ""
	for _, a := range sub.Associations[2:] {
		relations += fmt.Sprintf("%s %s %s %s\n", a.Type, a.Source, a.Target, a.Membership)
	}
	if relations != "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember SubmissionSet01 LotSignature Original\nurn:ihe:iti:2007:AssociationType:signs LotSignature SubmissionSet01 \n" {
		t.Error(relations)
	}
	var f xds.Findings
	if sub.Validate(&xds.Domain{CXTypes: []string{"*"}}, xds.Provided, &f); f.List.Err() != nil {
		t.Error(f.List)
	}
	if n := strings.Count(out, `<ds:Reference URI="urn:oid:`); n != 3 || strings.Count(out, "<ds:DigestValue>AA==</ds:DigestValue>") != 1 || !strings.Contains(out, `<ds:CanonicalizationMethod Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments">`) {
		t.Error(out)
	}
	if _, err := signer(people()[0]).Sign(sub, digests, signatureID, at); err == nil || err.Error() != "sign the lot: no digest of document 3" {
		t.Error(err)
	}
}

// resign makes a signature over a changed manifest or changed properties, as the signer could have.
func resign(t testing.TB, doc string, change func(string) string) string {
	t.Helper()
	object := func(from, to string) string {
		i := strings.Index(doc, from)
		return doc[i : i+strings.Index(doc[i:], to)+len(to)]
	}
	p := people()[0]
	out, err := xmlsig.Signer{Key: p.Key, Certificates: []*x509.Certificate{p.Certificate}, Canonicalization: xmlsig.Canonicalization{Comments: true}}.SignObjects("Signature", []xmlsig.Object{
		{XML: change(object("<ds:Manifest", "</ds:Manifest>")), ID: "IHEManifest", Type: "http://www.w3.org/2000/09/xmldsig#Manifest"},
		{XML: change(object("<xad:Q", "</xad:QualifyingProperties>")), ID: "SignedProperties", Type: "http://uri.etsi.org/01903/v1.1.1#SignedProperties"}})
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestRefused(t *testing.T) {
	good, sub, digests := signed(t)
	swap := func(old, new string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, new, 1) }
	}
	one, two, set := "urn:oid:"+string(sub.Entries[0].UniqueID), "urn:oid:"+string(sub.Entries[1].UniqueID), "urn:oid:"+string(sub.Set.UniqueID)
	reference := func(s, uri string) string {
		i := strings.Index(s, `<ds:Reference URI="`+uri)
		return s[i : i+strings.Index(s[i:], "</ds:Reference>")+len("</ds:Reference>")]
	}
	without := func(uri string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, uri) {
				return s
			}
			return strings.Replace(s, reference(s, uri), "", 1)
		}
	}
	for _, c := range []struct{ name, doc, want string }{
		// Without the key nothing of what is signed can be changed.
		{"another document", swap(one, "urn:oid:1.2.3")(good), "the element is not what was signed"},
		{"another time", swap("2026-03-14T15:09:26Z", "2026-03-14T15:09:27Z")(good), "the element is not what was signed"},
		{"another digest", swap("<ds:DigestValue>", "<ds:DigestValue>AAAA")(good), "the signature is not of this key"},
		{"no signature", "<x/>", "there is no signature"},
		{"no XML", "PDF", "line 1 column 1: "},
		{"a document type", "<!DOCTYPE x>" + good[strings.Index(good, "<ds:"):], "line 1 column 1: DOCTYPE is not allowed"},
		{"another manifest beside", strings.Replace(good, "<ds:Object>", "<ds:Object>"+good[strings.Index(good, "<ds:Manifest"):strings.Index(good, "</ds:Manifest>")]+"</ds:Manifest></ds:Object><ds:Object>", 1),
			"the signature does not reference the element: its identifier is used twice"},
		{"the manifest referenced as something else", swap(`Type="http://www.w3.org/2000/09/xmldsig#Manifest"`, `Type="urn:x"`)(good), "the signature is not of this key"},
		{"large", good + strings.Repeat(" ", lot.MaxSize), "the signature has more than 524288 octets"},
		// With it, the form is still to be kept.
		{"a document less", resign(t, good, without(two)), "the manifest does not name DocumentEntry[2]"},
		{"no submission set", resign(t, good, without(set)), "the manifest does not name the submission set"},
		{"a document more", resign(t, good, func(s string) string {
			return strings.Replace(s, "</ds:Manifest>", `<ds:Reference URI="urn:oid:1.2.3"><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue>AA==</ds:DigestValue></ds:Reference></ds:Manifest>`, 1)
		}), `the manifest names "urn:oid:1.2.3", which is not of this lot or is named twice`},
		{"a document twice", resign(t, good, func(s string) string {
			if !strings.Contains(s, one) {
				return s
			}
			return strings.Replace(s, "</ds:Manifest>", reference(s, one)+"</ds:Manifest>", 1)
		}), `the manifest names "` + one + `", which is not of this lot or is named twice`},
		{"the digest of the submission set", resign(t, good, swap("AA==", "AAA=")), "the digest of the submission set is not AA=="},
		{"SHA-1", resign(t, good, swap("http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2000/09/xmldsig#sha1")), "a digest of the manifest or of the signer's certificate is not SHA-256"},
		{"a transform", resign(t, good, swap(`<ds:DigestMethod`, `<ds:Transforms></ds:Transforms><ds:DigestMethod`)), "a reference of the manifest has transforms"},
		{"two digests", resign(t, good, swap("</ds:DigestValue>", "</ds:DigestValue><ds:DigestValue>AA==</ds:DigestValue>")), "Reference has not one digest"},
		{"another element", resign(t, good, swap("</ds:Manifest>", "<x/></ds:Manifest>")), "the manifest holds what is no ds:Reference"},
		{"no manifest", resign(t, good, func(s string) string { return strings.ReplaceAll(s, "ds:Manifest", "ds:Other") }), "what is signed as the manifest is no ds:Manifest"},
		{"other properties", resign(t, good, swap("http://uri.etsi.org/01903/v1.1.1#", "urn:x")), "what is signed as the properties is no SignedProperties of XAdES 1.1.1 or 1.3.2"},
		{"no time", resign(t, good, swap("<xad:SigningTime>2026-03-14T15:09:26Z</xad:SigningTime>", "")), "SigningTime is missing"},
		{"a time without a zone", resign(t, good, swap("2026-03-14T15:09:26Z", "2026-03-14T15:09:26")), "SigningTime is no time with its zone"},
		{"another certificate", resign(t, good, swap("<xad:DigestValue>", "<xad:DigestValue>AAAA")), "SigningCertificate does not name the signer's certificate"},
	} {
		_, err := lot.Verify([]byte(c.doc), sub, 2, digests, known)
		var e *lot.Error
		if !errors.As(err, &e) || err.Error() != c.want && !(strings.HasSuffix(c.want, ": ") && strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	digests[sub.Entries[1].UniqueID] = sha256.Sum256([]byte("three"))
	if _, err := lot.Verify([]byte(good), sub, 2, digests, known); err == nil || err.Error() != "DocumentEntry[2] is not what was signed: its SHA-256 differs from the manifest's" {
		t.Error(err)
	}
	other, digests := twoDocuments()
	out, err := signer(people()[1]).Sign(other, digests, signatureID, at)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lot.Verify(out, other, 2, digests, known); !errors.Is(err, errStranger) {
		t.Error(err)
	}
}

// TestXAdES132: the later edition has its digests in the namespace of signatures.
func TestXAdES132(t *testing.T) {
	good, sub, digests := signed(t)
	object := func(from, to string) string {
		i := strings.Index(good, from)
		return good[i : i+strings.Index(good[i:], to)+len(to)]
	}
	p := people()[0]
	out, err := xmlsig.Signer{Key: p.Key, Certificates: []*x509.Certificate{p.Certificate}, Canonicalization: xmlsig.Canonicalization{Comments: true}}.SignObjects("S", []xmlsig.Object{
		{XML: strings.NewReplacer("http://uri.etsi.org/01903/v1.1.1#", "http://uri.etsi.org/01903/v1.3.2#", "xad:DigestMethod", "ds:DigestMethod", "xad:DigestValue", "ds:DigestValue").Replace(object("<xad:Q", "</xad:QualifyingProperties>")),
			ID: "SignedProperties", Type: "http://uri.etsi.org/01903#SignedProperties"},
		{XML: object("<ds:Manifest", "</ds:Manifest>"), ID: "IHEManifest", Type: "http://www.w3.org/2000/09/xmldsig#Manifest"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lot.Verify(out, sub, 2, digests, known); err != nil {
		t.Error(err)
	}
}

func TestOf(t *testing.T) {
	_, sub, _ := signed(t)
	bare, _ := twoDocuments()
	if i, err := lot.Of(bare); i != -1 || err != nil {
		t.Error(i, err)
	}
	for want, change := range map[string]func(*xds.Submission){
		"what signs the submission set is no document of the lot": func(s *xds.Submission) { s.Associations[3].Source = "urn:uuid:0fb6b0a4-8f0d-4d4c-9a51-3f2c7a1e0001" },
		"the submission set is signed twice": func(s *xds.Submission) {
			s.Entries[1].FormatCode.Code = "http://www.w3.org/2000/09/xmldsig#"
			s.Associations = append(s.Associations, xds.Association{Type: xds.Signs, Source: s.Entries[1].ID, Target: s.Set.ID})
		},
		"what signs the submission set has another formatCode than http://www.w3.org/2000/09/xmldsig#": func(s *xds.Submission) { s.Entries[2].FormatCode.Code = "x" },
	} {
		s := *sub
		s.Entries, s.Associations = append([]xds.DocumentEntry(nil), sub.Entries...), append([]xds.Association(nil), sub.Associations...)
		change(&s)
		if _, err := lot.Of(&s); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestPeerXMLSec: xmlsec1 verifies what is made here, and what it signs is verified here.
func TestPeerXMLSec(t *testing.T) {
	if _, err := exec.LookPath("xmlsec1"); err != nil {
		t.Skip("xmlsec1 is not installed")
	}
	good, sub, digests := signed(t)
	dir := t.TempDir()
	pair, err := people()[0].PEM()
	if err != nil {
		t.Fatal(err)
	}
	blank := good
	for _, tag := range []string{"SignatureValue", "X509Certificate"} {
		i := strings.Index(blank, "<ds:"+tag+">") + len("<ds:"+tag+">")
		blank = blank[:i] + blank[i+strings.Index(blank[i:], "</ds:"):]
	}
	for range 2 { // of SignedInfo only: the manifest is not xmlsec1's to fill in
		i := strings.Index(blank, "<ds:DigestValue>") + len("<ds:DigestValue>")
		if blank[i] != '<' {
			blank = blank[:i] + blank[i+strings.Index(blank[i:], "</ds:"):]
		}
	}
	i := strings.LastIndex(blank[:strings.Index(blank, "</ds:SignedInfo>")], "<ds:DigestValue>") + len("<ds:DigestValue>")
	blank = blank[:i] + blank[i+strings.Index(blank[i:], "</ds:"):]
	for name, b := range map[string][]byte{"good.xml": []byte(good), "blank.xml": []byte(blank), "p.pem": pair.Cert, "p.key": pair.Key} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args string) {
		c := exec.CommandContext(t.Context(), "timeout", append([]string{"60", "xmlsec1"}, strings.Fields(args)...)...)
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("xmlsec1 %s: %v\n%s", args, err, out)
		}
	}
	const ids = " --ignore-manifests --id-attr:Id http://www.w3.org/2000/09/xmldsig#:Manifest --id-attr:Id http://uri.etsi.org/01903/v1.1.1#:SignedProperties "
	run("--verify" + ids + "--enabled-key-data rsa --pubkey-cert-pem p.pem good.xml")
	run("--sign" + ids + "--privkey-pem p.key,p.pem --output theirs.xml blank.xml")
	theirs, err := os.ReadFile(filepath.Join(dir, "theirs.xml"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lot.Verify(theirs, sub, 2, digests, known); err != nil {
		t.Errorf("%v\n%s", err, theirs)
	}
}

// FuzzVerify: whatever comes is refused with an error of this package, or is what was signed.
func FuzzVerify(f *testing.F) {
	id, err := testpki.Constant("a signer of lots", "signer@example.org")
	if err != nil {
		f.Fatal(err)
	}
	sub, digests := twoDocuments()
	out, err := signer(id).Sign(sub, digests, signatureID, at)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(out)
	f.Add([]byte(`<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"/>`))
	key := func([]*x509.Certificate) (crypto.PublicKey, error) { return id.Certificate.PublicKey, nil }
	f.Fuzz(func(t *testing.T, doc []byte) {
		got, err := lot.Verify(doc, sub, 2, digests, key)
		var e *lot.Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("%v", err)
		}
		if err == nil && (!got.At.Equal(at) || got.Signer == nil) {
			t.Errorf("%+v of %s", got, doc)
		}
	})
}
