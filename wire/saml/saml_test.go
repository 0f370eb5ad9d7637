package saml_test

import (
	"crypto/x509"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/internal/oracle"
	"github.com/passerelle-sante/passerelle/internal/testpki"
	"github.com/passerelle-sante/passerelle/wire/saml"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

func full(t testing.TB) *saml.Assertion {
	id, err := testpki.Constant("a holder", "holder@example.org")
	if err != nil {
		t.Fatal(err)
	}
	at := func(minute int) time.Time { return time.Date(2026, 3, 1, 8, minute, 0, 482_000_000, time.UTC) }
	return &saml.Assertion{
		ID: "_1", IssueInstant: at(0),
		Issuer:        saml.NameID{Value: "CN=899900000001,O=TEST & fils", Format: saml.X509SubjectName},
		Subject:       saml.NameID{Value: "899900000001", NameQualifier: "q", SPNameQualifier: "s", SPProvidedID: "p"},
		Confirmations: []saml.Confirmation{{Method: saml.Bearer}, {Method: saml.HolderOfKey, NotBefore: at(1), NotOnOrAfter: at(9), Recipient: "https://r", Certificates: []*x509.Certificate{id.Certificate}}},
		Conditions:    &saml.Conditions{NotBefore: at(0), NotOnOrAfter: at(10), Audiences: [][]string{{"urn:a", "urn:b"}, {"urn:a"}}, OneTimeUse: true},
		Authn:         []saml.AuthnStatement{{Instant: at(2), SessionNotOnOrAfter: at(30), SessionIndex: "7", ClassRef: "urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI", Declared: true}},
		Attributes: []saml.Attribute{
			{Name: "LPS_Nom", NameFormat: "f", FriendlyName: "n", Values: []saml.Value{{Text: "a < b"}}},
			{Name: "role", Values: []saml.Value{saml.Coded("Role", "10", "1.2.250.1.71.1.2.7", "G15", "Médecin"), saml.Coded("Role", "SM26", "1.2.250.1.71.4.2.5", "", "")}},
			{Name: "empty"},
		},
	}
}

func read(doc string) (*saml.Assertion, error) {
	tree, err := xmltree.Parse([]byte(doc), xmltree.Options{})
	if err != nil {
		return nil, err
	}
	return saml.Read(tree)
}

func TestWriteAndRead(t *testing.T) {
	want := full(t)
	got, err := read(string(want.Append(nil)))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n got %+v\nwant %+v", err, got, want)
	}
	if v := got.Attributes[1].Values[0]; !v.IsHL7("Role") || v.IsHL7("PurposeOfUse") || got.Attributes[0].Values[0].IsHL7("Role") {
		t.Errorf("%+v", v)
	}
}

func TestRefused(t *testing.T) {
	doc := string(full(t).Append(nil))
	many := strings.Repeat(`<saml2:Attribute Name="x"/>`, 200)
	for _, c := range []struct{ name, old, new, want string }{
		{"another root", "saml2:Assertion", "saml2:Advice", "Advice is no assertion"},
		{"another namespace", saml.Space, "urn:oasis:names:tc:SAML:1.0:assertion", "Assertion is no assertion"},
		{"another version", `Version="2.0"`, `Version="2.1"`, "Version"},
		{"no identifier", ` ID="_1"`, ``, "ID or IssueInstant"},
		{"no instant", ` IssueInstant="2026-03-01T08:00:00.482Z"`, ``, "ID or IssueInstant"},
		{"an instant without a zone", `T08:00:00.482Z" V`, `T08:00:00.482" V`, "IssueInstant of Assertion"},
		{"a day that is none", `2026-03-01T08:00:00.482Z" V`, `2026-02-30T08:00:00.482Z" V`, "IssueInstant of Assertion"},
		{"no issuer", ">CN=899900000001,O=TEST &amp; fils<", "><", "Issuer"},
		{"two issuers", "<saml2:Subject>", "<saml2:Issuer>x</saml2:Issuer><saml2:Subject>", "more than 1 of Issuer in Assertion"},
		{"two subjects", "<saml2:Conditions", "<saml2:Subject/><saml2:Conditions", "more than 1 of Subject in Assertion"},
		{"two names", "<saml2:SubjectConfirmation ", "<saml2:NameID>x</saml2:NameID><saml2:SubjectConfirmation ", "more than 1 of NameID in Subject"},
		{"an element in a name", ">899900000001</", ">8999<x/>00000001</", "an element in NameID"},
		{"text in a subject", "<saml2:Subject>", "<saml2:Subject>x", "text in Subject"},
		{"an encrypted name", "<saml2:SubjectConfirmation ", "<saml2:EncryptedID/><saml2:SubjectConfirmation ", "EncryptedID in Subject"},
		{"two conditions", "<saml2:AuthnStatement", "<saml2:Conditions/><saml2:AuthnStatement", "more than 1 of Conditions in Assertion"},
		{"a condition that is not known", "<saml2:OneTimeUse>", "<saml2:Condition/><saml2:OneTimeUse>", "Condition in Conditions"},
		{"a statement that is not known", "<saml2:AuthnStatement", "<saml2:AuthzDecisionStatement/><saml2:AuthnStatement", "AuthzDecisionStatement in Assertion"},
		{"a child of another namespace", "<saml2:AuthnStatement", "<x/><saml2:AuthnStatement", "x in Assertion"},
		{"a signature", "<saml2:Subject>", "<saml2:Signature/><saml2:Subject>", "Signature in Assertion"},
		{"an attribute without a name", `Name="empty"`, ``, "Name of Attribute"},
		{"an encrypted attribute", "<saml2:AttributeStatement>", "<saml2:AttributeStatement><saml2:EncryptedAttribute/>", "EncryptedAttribute in AttributeStatement, or more than 200"},
		{"too many attributes", "<saml2:AttributeStatement>", "<saml2:AttributeStatement>" + many, "Attribute in AttributeStatement, or more than 200"},
		{"two elements in a value", "<Role ", "<x/><Role ", "more than one element in AttributeValue"},
		{"text beside an element", "<Role ", "x<Role ", "text beside an element in AttributeValue"},
		{"a long text", "a &lt; b", strings.Repeat("a", 4097), "AttributeValue is too long"},
		{"a certificate that is none", "<ds:X509Certificate>", "<ds:X509Certificate>AAAA", "X509Certificate"},
	} {
		changed := strings.ReplaceAll(doc, c.old, c.new)
		if strings.HasPrefix(c.new, "<") {
			changed = strings.Replace(doc, c.old, c.new, 1)
		}
		_, err := read(changed)
		if !errors.Is(err, saml.ErrForm) || err.Error() != "the assertion is not of the form that is read: "+c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestSample reads an assertion as a Swiss record system publishes it: values of several kinds in one attribute.
func TestSample(t *testing.T) {
	doc := string(oracle.Files(t, "samples/saml", "xua-assertion.xml")["xua-assertion.xml"])
	tree, err := xmltree.Parse([]byte(doc), xmltree.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for n := range tree.Root().Descendants() {
		if n.Local() == "Assertion" {
			tree.Narrow(n)
			break
		}
	}
	// It still holds its signature, which a verified tree does not.
	if _, err := saml.Read(tree); err == nil || err.Error() != "the assertion is not of the form that is read: Signature in Assertion" {
		t.Fatal(err)
	}
	from, to := strings.Index(doc, "<ds:Signature "), strings.Index(doc, "</ds:Signature>")
	start, end := strings.Index(doc, "<saml:Assertion"), strings.Index(doc, "</wsse:Security>")
	bare := strings.Replace(doc[start:from]+doc[to+len("</ds:Signature>"):end], "xmlns:saml", `xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:saml`, 1)
	a, err := read(bare)
	if err != nil {
		t.Fatal(err)
	}
	if a.Issuer.Value != "demo.com" || a.Subject.Value != "lipse" || a.Conditions.Audiences[0][0] != "http://blabla" || len(a.Attributes) != 6 {
		t.Errorf("%+v", a)
	}
	if v := a.Attributes[1].Values[2]; !v.IsHL7("Role") || v.Code != "HCP" || v.CodeSystem != "2.16.756.5.30.1.127.3.10.6" {
		t.Errorf("%+v", v)
	}
}

// FuzzAssertion: what is read, written and read again is the same, and within the caps.
func FuzzAssertion(f *testing.F) {
	f.Add(full(f).Append(nil))
	f.Add([]byte(`<Assertion xmlns="` + saml.Space + `" ID="a" IssueInstant="2026-03-01T08:00:00+01:00" Version="2.0"><Issuer>x</Issuer><AuthnStatement/></Assertion>`))
	f.Fuzz(func(t *testing.T, in []byte) {
		once, err := read(string(in))
		if err != nil {
			var syntax *xmlpull.SyntaxError
			if !errors.Is(err, saml.ErrForm) && !errors.As(err, &syntax) && !errors.Is(err, xmltree.ErrTooLarge) {
				t.Fatal(err)
			}
			return
		}
		if len(once.Attributes) > 200 || len(once.ID) > 4096 {
			t.Fatal("beyond the caps")
		}
		printed := once.Append(nil)
		twice, err := read(string(printed))
		if err != nil {
			t.Fatalf("%v\n%s", err, printed)
		}
		if again := twice.Append(nil); string(again) != string(printed) {
			t.Fatalf("no fixed point:\n%s\n%s", printed, again)
		}
	})
}
