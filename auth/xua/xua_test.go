package xua_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/auth/xua"
	"github.com/passerelle-sante/passerelle/internal/oracle"
	"github.com/passerelle-sante/passerelle/internal/testpki"
	"github.com/passerelle-sante/passerelle/smime"
	"github.com/passerelle-sante/passerelle/wire/saml"
	"github.com/passerelle-sante/passerelle/wire/xmlsig"
)

// now is when everything is asked: certificates of testpki are good then.
var now = time.Now().UTC().Truncate(time.Second)

const (
	profession = "1.2.250.1.71.1.2.7"
	speciality = "1.2.250.1.71.4.2.5"
	purposes   = "1.2.250.1.213.1.1.4.248"
	doctor     = "899900000001"
	clinic     = "10B0127189"
)

// world is everybody of these tests, all certified by one authority but the stranger.
type world struct {
	ca                                                         *testpki.Authority
	doctorSign, doctorAuth, colleagueAuth, pharmacist          testpki.Identity
	clinicSign, clinicAuth, hospitalAuth, provider, encipherer testpki.Identity
	stranger, revoked                                          testpki.Identity
	checker                                                    *smime.Checker
}

var everybody = sync.OnceValue(func() *world {
	ca, err := testpki.New("Test authority")
	must(err)
	other, err := testpki.New("Other authority")
	must(err)
	w := &world{ca: ca}
	person := func(id, word string) pkix.Name {
		return pkix.Name{CommonName: id, OrganizationalUnit: []string{word}, Organization: []string{"TEST"}, Country: []string{"FR"}}
	}
	structure := func(cn, id string) pkix.Name {
		return pkix.Name{CommonName: cn, OrganizationalUnit: []string{id}, Organization: []string{"CLINIQUE TEST"}, Country: []string{"FR"},
			ExtraNames: []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{2, 5, 4, 8}, Value: "Rhône (69)"}}}
	}
	sign, tls := x509.KeyUsageContentCommitment, x509.KeyUsageDigitalSignature
	w.doctorSign = certified(ca, person(doctor, "Médecin"), sign)
	w.doctorAuth = certified(ca, person(doctor, "Médecin"), tls, x509.ExtKeyUsageClientAuth)
	w.colleagueAuth = certified(ca, person("899900000002", "Médecin"), tls, x509.ExtKeyUsageClientAuth)
	w.pharmacist = certified(ca, person(doctor, "Pharmacien"), sign)
	w.clinicSign = certified(ca, structure("sign.clinic.example", clinic), sign)
	w.clinicAuth = certified(ca, structure("auth.clinic.example", clinic), tls, x509.ExtKeyUsageClientAuth)
	w.hospitalAuth = certified(ca, structure("auth.hospital.example", "300000000029751"), tls, x509.ExtKeyUsageClientAuth)
	w.provider = certified(ca, pkix.Name{CommonName: "Identity provider"}, sign|tls)
	w.encipherer = certified(ca, pkix.Name{CommonName: "Identity provider"}, x509.KeyUsageKeyEncipherment)
	w.stranger = certified(other, person(doctor, "Médecin"), sign)
	w.revoked = certified(ca, person(doctor, "Médecin"), sign)
	list, err := ca.Revoke(w.revoked.Certificate)
	must(err)
	w.checker, err = smime.NewChecker(smime.CheckerConfig{Lists: [][]byte{list}, Now: func() time.Time { return now },
		Fetch: func(context.Context, string, []byte) ([]byte, error) {
			return nil, errors.New("nobody is asked in these tests")
		}})
	must(err)
	return w
})

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func certified(ca *testpki.Authority, subject pkix.Name, usage x509.KeyUsage, extended ...x509.ExtKeyUsage) testpki.Identity {
	key, err := testpki.NewKey("rsa2048")
	must(err)
	t := testpki.Mailbox("", "x@example.org")
	t.Subject, t.KeyUsage, t.ExtKeyUsage, t.EmailAddresses = subject, usage, extended, nil
	c, err := ca.Certify(t, key.Public())
	must(err)
	return testpki.Identity{Certificate: c, Key: key}
}

func text(name, value string) saml.Attribute {
	return saml.Attribute{Name: name, Values: []saml.Value{{Text: value}}}
}

// vihf is a doctor who asks with her card.
func vihf() *saml.Assertion {
	return &saml.Assertion{
		ID: "_vihf-1", IssueInstant: now.Add(-time.Minute),
		Issuer:  saml.NameID{Value: "CN=" + doctor + ",OU=Médecin,O=TEST,C=FR", Format: saml.X509SubjectName},
		Subject: saml.NameID{Value: doctor},
		Authn:   []saml.AuthnStatement{{Instant: now.Add(-time.Hour), ClassRef: "urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI"}},
		Attributes: []saml.Attribute{
			text("VIHF_Version", "3.0"),
			text("Authentification_mode", "DIRECTE"),
			text("Identifiant_Structure", "499900000001"),
			text("Secteur_Activite", "SA07^1.2.250.1.71.4.2.4"),
			{Name: "urn:oasis:names:tc:xacml:2.0:subject:role", Values: []saml.Value{
				saml.Coded("Role", "10", profession, "G15", "Médecin"), saml.Coded("Role", "SM26", speciality, "R01", "Médecine générale")}},
			text("urn:oasis:names:tc:xacml:2.0:resource:resource-id", "279035121518989^^^&1.2.250.1.213.1.4.10&ISO^NH"),
			text("Ressource_URN", "urn:dmp"),
			{Name: "urn:oasis:names:tc:xspa:1.0:subject:purposeofuse", Values: []saml.Value{saml.Coded("PurposeOfUse", "normal", purposes, "mode acces VIHF 2.0", "Accès normal")}},
			text("LPS_ID", "01.01"), text("LPS_Nom", "Logiciel"), text("LPS_Version", "1"), text("LPS_ID_HOMOLOGATION_DMP", "X"),
			text("Something_Else", "ignored"),
		},
	}
}

// indirect is the same doctor in a clinic that vouches for her.
func indirect() *saml.Assertion {
	a := vihf()
	a.Subject.Value = clinic + "/dupond42"
	set(a, "Authentification_mode", "INDIRECTE")
	set(a, "Identifiant_Structure", clinic)
	a.Attributes = append(a.Attributes, text("urn:oasis:names:tc:xspa:1.0:subject:subject-id", "ANNE TESTEUSE"))
	return a
}

func reinforced() *saml.Assertion {
	a := indirect()
	a.Subject.Value = doctor
	set(a, "Authentification_mode", "INDIRECTE_RENFORCEE")
	a.Authn[0].Declared = true
	return a
}

// ofProvider is a doctor whom an identity provider vouches for, as of ITI-40.
func ofProvider() *saml.Assertion {
	return &saml.Assertion{
		ID: "_xua-1", IssueInstant: now,
		Issuer: saml.NameID{Value: "https://idp.example.org"}, Subject: saml.NameID{Value: "anne@example.org", SPProvidedID: "anne"},
		Confirmations: []saml.Confirmation{{Method: saml.Bearer}},
		Conditions:    &saml.Conditions{NotBefore: now, NotOnOrAfter: now.Add(time.Hour), Audiences: [][]string{{"urn:us"}}},
		Authn:         []saml.AuthnStatement{{Instant: now, ClassRef: "urn:oasis:names:tc:SAML:2.0:ac:classes:X509"}},
		Attributes: []saml.Attribute{
			text("urn:oasis:names:tc:xspa:1.0:subject:subject-id", "Anne Testeuse"),
			text("urn:oasis:names:tc:xspa:1.0:subject:organization-id", "urn:oid:1.2.3"),
			{Name: "urn:oasis:names:tc:xacml:2.0:subject:role", Values: []saml.Value{saml.Coded("Role", "46255001", "2.16.840.1.113883.6.96", "", "")}},
			{Name: "urn:oasis:names:tc:xspa:1.0:subject:purposeofuse", Values: []saml.Value{saml.Coded("PurposeOfUse", "TREATMENT", "2.16.840.1.113883.3.18.7.1", "", "")}},
			text("urn:oasis:names:tc:xacml:2.0:resource:resource-id", "7^^^&1.2.3&ISO"),
		},
	}
}

func find(a *saml.Assertion, name string) *saml.Attribute {
	for i := range a.Attributes {
		if a.Attributes[i].Name == name {
			return &a.Attributes[i]
		}
	}
	panic("no attribute " + name)
}

func set(a *saml.Assertion, name, value string) { find(a, name).Values = []saml.Value{{Text: value}} }

func drop(a *saml.Assertion, name string) { *find(a, name) = text("Dropped", "x") }

// message is an envelope, and where its wsse:Security stands.
type message struct {
	envelope []byte
	from, to int
}

func enveloped(assertion []byte) message {
	const head = `<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Header><x:Other xmlns:x="urn:x"/>`
	security := `<w:Security xmlns:w="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd">` + string(assertion) + `</w:Security>`
	return message{[]byte(head + security + `</e:Header><e:Body><x/></e:Body></e:Envelope>`), len(head), len(head) + len(security)}
}

func signed(t testing.TB, a *saml.Assertion, by testpki.Identity) message {
	t.Helper()
	return enveloped(signedBytes(t, a.Append(nil), by))
}

func signedBytes(t testing.TB, doc []byte, by testpki.Identity) []byte {
	t.Helper()
	out, err := xmlsig.Signer{Key: by.Key, Certificates: []*x509.Certificate{by.Certificate}, Canonicalization: xmlsig.Exclusive("xs")}.Sign(doc, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func verifier(t testing.TB, change func(*xua.Config)) *xua.Verifier {
	t.Helper()
	w := everybody()
	cfg := xua.Config{Profile: xua.VIHF(), Anchors: []*x509.Certificate{w.ca.Certificate()}, Revocation: w.checker, Audiences: []string{"urn:us"}, Now: func() time.Time { return now }}
	if change != nil {
		change(&cfg)
	}
	v, err := xua.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func forXUA(c *xua.Config) { c.Profile = xua.XUA() }

func ask(v *xua.Verifier, m message, node testpki.Identity) (auth.Caller, error) {
	return v.Caller(context.Background(), auth.Caller{Node: "the node", Address: "192.0.2.1", Person: "overwritten"}, node.Certificate, m.envelope, m.from, m.to)
}

func TestAccepted(t *testing.T) {
	w := everybody()
	direct := auth.Caller{Capacity: auth.CapacityProfessional, Software: "Logiciel", Issuer: "CN=" + doctor + ",OU=Médecin,O=TEST,C=FR", Node: "the node", Address: "192.0.2.1", Person: doctor, Organisation: "499900000001", Sector: "SA07^1.2.250.1.71.4.2.4", Role: "10^" + profession,
		Specialty: "SM26^" + speciality, Purpose: "normal^" + purposes, Patient: "279035121518989^^^&1.2.250.1.213.1.4.10&ISO^NH", Authentication: "DIRECTE", Assertion: "_vihf-1"}
	inside := direct
	inside.Person, inside.PersonName, inside.Organisation, inside.Authentication = clinic+"/dupond42", "ANNE TESTEUSE", clinic, "INDIRECTE"
	strong := inside
	strong.Person, strong.Authentication = doctor, "INDIRECTE_RENFORCEE"
	glass := direct
	glass.Purpose, glass.Reason, glass.Secret = "bris_de_glace^"+purposes, "Patient inconscient", true
	breaking := vihf()
	find(breaking, "urn:oasis:names:tc:xspa:1.0:subject:purposeofuse").Values[0].Code = "bris_de_glace"
	breaking.Attributes = append(breaking.Attributes, text("Mode_Acces_Raison", "Patient inconscient"),
		text("urn:oasis:names:tc:xspa:1.0:resource:patient:hl7:confidentiality-code", "INVISIBLE_REPRESENTANTS_LEGAUX"))
	centre, regulation := vihf(), direct
	find(centre, "urn:oasis:names:tc:xspa:1.0:subject:purposeofuse").Values[0].Code = "centre_15"
	regulation.Purpose = "centre_15^" + purposes
	spelt := vihf()
	find(spelt, "Authentification_mode").Name = "Authentification_Mode"
	for _, c := range []struct {
		name     string
		a        *saml.Assertion
		by, node testpki.Identity
		config   func(*xua.Config)
		want     auth.Caller
	}{
		{"direct", vihf(), w.doctorSign, w.doctorAuth, nil, direct},
		{"indirect", indirect(), w.clinicSign, w.clinicAuth, nil, inside},
		{"reinforced", reinforced(), w.clinicSign, w.clinicAuth, nil, strong},
		{"broken glass, in secret", breaking, w.doctorSign, w.doctorAuth, nil, glass},
		{"regulation", centre, w.doctorSign, w.doctorAuth, nil, regulation},
		{"the mode spelt otherwise", spelt, w.doctorSign, w.doctorAuth, nil, direct},
		{"XUA", ofProvider(), w.provider, w.hospitalAuth, forXUA, auth.Caller{Capacity: auth.CapacityProfessional, Issuer: "https://idp.example.org", Alias: "anne", Node: "the node", Address: "192.0.2.1", Person: "anne@example.org", PersonName: "Anne Testeuse", Organisation: "urn:oid:1.2.3",
			Role: "46255001^2.16.840.1.113883.6.96", Purpose: "TREATMENT^2.16.840.1.113883.3.18.7.1", Patient: "7^^^&1.2.3&ISO", Assertion: "_xua-1"}},
	} {
		v, m := verifier(t, c.config), signed(t, c.a, c.by)
		for _, sight := range []string{"first", "second"} {
			if got, err := ask(v, m, c.node); err != nil || got != c.want {
				t.Errorf("%s, %s sight: %v\n got %+v\nwant %+v", c.name, sight, err, got, c.want)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	w := everybody()
	const role, use = "urn:oasis:names:tc:xacml:2.0:subject:role", "urn:oasis:names:tc:xspa:1.0:subject:purposeofuse"
	for _, c := range []struct {
		name   string
		a      *saml.Assertion
		change func(*saml.Assertion)
		by     testpki.Identity
		node   testpki.Identity
		config func(*xua.Config)
		want   string
	}{
		// Whose signature it is.
		{"a stranger's", vihf(), nil, w.stranger, w.doctorAuth, nil, "UntrustedSigner"},
		{"revoked", vihf(), nil, w.revoked, w.doctorAuth, nil, "SignerRevoked"},
		{"nobody knows of revocations", vihf(), nil, w.doctorSign, w.doctorAuth, func(c *xua.Config) { c.Revocation = nil }, "RevocationUnknown"},
		{"with the certificate of the connection", vihf(), nil, w.doctorAuth, w.doctorAuth, nil, "SignerKeyUsage: the certificate is for connections and not for signatures"},
		{"with a certificate for encipherment", ofProvider(), nil, w.encipherer, w.hospitalAuth, forXUA, "SignerKeyUsage: the certificate is not for signatures"},
		{"over a colleague's connection", vihf(), nil, w.doctorSign, w.colleagueAuth, nil, "SignerIsNotTheNode: the connection is another's than the signer's"},
		{"for a colleague", vihf(), func(a *saml.Assertion) { a.Subject.Value = "899900000002" }, w.doctorSign, w.doctorAuth, nil, "SignerIsNotTheNode: the signer is not the person who is named"},
		{"direct, by a structure", vihf(), nil, w.clinicSign, w.clinicAuth, nil, "SignerIsNotTheNode: the signer is not the person who is named"},
		{"indirect, by a person", indirect(), nil, w.doctorSign, w.doctorAuth, nil, "SignerIsNotTheNode: the signer is not the structure that is named"},
		{"indirect, for another structure", indirect(), func(a *saml.Assertion) { set(a, "Identifiant_Structure", "300000000029751") }, w.clinicSign, w.clinicAuth, nil, "SignerIsNotTheNode: the signer is not the structure that is named"},
		{"indirect, over another structure's connection", indirect(), nil, w.clinicSign, w.hospitalAuth, nil, "SignerIsNotTheNode: the connection is another structure's than the signer's"},
		{"indirect, another structure's person", indirect(), func(a *saml.Assertion) { a.Subject.Value = "300000000029751/x" }, w.clinicSign, w.clinicAuth, nil, "SignerIsNotTheNode: the person is named as another structure's"},
		{"indirect, without a name", indirect(), func(a *saml.Assertion) { drop(a, "urn:oasis:names:tc:xspa:1.0:subject:subject-id") }, w.clinicSign, w.clinicAuth, nil, "MissingAttribute urn:oasis:names:tc:xspa:1.0:subject:subject-id"},
		{"reinforced, without a national identifier", reinforced(), func(a *saml.Assertion) { a.Subject.Value = clinic + "/x" }, w.clinicSign, w.clinicAuth, nil, "MalformedAssertion: the subject's identifier is no national one"},
		{"reinforced, undeclared", reinforced(), func(a *saml.Assertion) { a.Authn[0].Declared = false }, w.clinicSign, w.clinicAuth, nil, "MalformedAssertion: AuthnContextDecl is missing"},

		// When and for whom.
		{"old", vihf(), func(a *saml.Assertion) { a.IssueInstant = now.Add(-6 * time.Minute) }, w.doctorSign, w.doctorAuth, nil, "AssertionExpired"},
		{"of tomorrow", vihf(), func(a *saml.Assertion) { a.IssueInstant = now.Add(2 * time.Minute) }, w.doctorSign, w.doctorAuth, nil, "AssertionNotYetValid: IssueInstant"},
		{"an old session", vihf(), func(a *saml.Assertion) { a.Authn[0].Instant = now.Add(-5 * time.Hour) }, w.doctorSign, w.doctorAuth, nil, "AssertionExpired"},
		{"a session of tomorrow", vihf(), func(a *saml.Assertion) { a.Authn[0].Instant = now.Add(time.Hour) }, w.doctorSign, w.doctorAuth, nil, "AssertionNotYetValid: AuthnInstant"},
		{"a session that ended", ofProvider(), func(a *saml.Assertion) { a.Authn[0].SessionNotOnOrAfter = now.Add(-2 * time.Minute) }, w.provider, w.hospitalAuth, forXUA, "AssertionExpired"},
		{"expired", ofProvider(), func(a *saml.Assertion) { a.Conditions.NotOnOrAfter = now.Add(-time.Minute) }, w.provider, w.hospitalAuth, forXUA, "AssertionExpired"},
		{"not yet valid", ofProvider(), func(a *saml.Assertion) { a.Conditions.NotBefore = now.Add(61 * time.Second) }, w.provider, w.hospitalAuth, forXUA, "AssertionNotYetValid: NotBefore"},
		{"for others", ofProvider(), func(a *saml.Assertion) { a.Conditions.Audiences = [][]string{{"urn:us"}, {"urn:them"}} }, w.provider, w.hospitalAuth, forXUA, "WrongAudience"},
		{"for nobody said", ofProvider(), func(a *saml.Assertion) { a.Conditions.Audiences = nil }, w.provider, w.hospitalAuth, forXUA, "WrongAudience: none is stated"},
		{"a VIHF for others", vihf(), func(a *saml.Assertion) { a.Conditions = &saml.Conditions{Audiences: [][]string{{"urn:them"}}} }, w.doctorSign, w.doctorAuth, nil, "WrongAudience"},
		{"unconfirmed", ofProvider(), func(a *saml.Assertion) { a.Confirmations = nil }, w.provider, w.hospitalAuth, forXUA, "SubjectNotConfirmed"},
		{"confirmed by who sends", ofProvider(), func(a *saml.Assertion) { a.Confirmations[0].Method = saml.SenderVouches }, w.provider, w.hospitalAuth, forXUA, "SubjectNotConfirmed"},
		{"confirmed too late", ofProvider(), func(a *saml.Assertion) { a.Confirmations[0].NotOnOrAfter = now.Add(-time.Hour) }, w.provider, w.hospitalAuth, forXUA, "SubjectNotConfirmed"},
		{"confirmed for others", ofProvider(), func(a *saml.Assertion) { a.Confirmations[0].Recipient = "urn:them" }, w.provider, w.hospitalAuth, forXUA, "SubjectNotConfirmed"},
		{"another holder of the key", ofProvider(), func(a *saml.Assertion) {
			a.Confirmations = []saml.Confirmation{{Method: saml.HolderOfKey, Certificates: []*x509.Certificate{w.clinicAuth.Certificate}}}
		}, w.provider, w.hospitalAuth, forXUA, "SubjectNotConfirmed"},

		// What it says.
		{"no subject", vihf(), func(a *saml.Assertion) { a.Subject.Value = "" }, w.doctorSign, w.doctorAuth, nil, "MalformedAssertion: no subject is named"},
		{"an issuer of another kind", vihf(), func(a *saml.Assertion) { a.Issuer.Format = "" }, w.doctorSign, w.doctorAuth, nil, "MalformedAssertion: the issuer is not named as a certificate's subject"},
		{"no authentication", vihf(), func(a *saml.Assertion) { a.Authn = nil }, w.doctorSign, w.doctorAuth, nil, "MalformedAssertion: AuthnStatement"},
		{"no version", vihf(), func(a *saml.Assertion) { drop(a, "VIHF_Version") }, w.doctorSign, w.doctorAuth, nil, "MissingAttribute VIHF_Version"},
		{"another version", vihf(), func(a *saml.Assertion) { set(a, "VIHF_Version", "1.0") }, w.doctorSign, w.doctorAuth, nil, "InvalidAttribute VIHF_Version: not one of those that are known"},
		{"another mode", vihf(), func(a *saml.Assertion) { set(a, "Authentification_mode", "directe") }, w.doctorSign, w.doctorAuth, nil, "InvalidAttribute Authentification_mode: not one of those that are known"},
		{"the mode twice, spelt otherwise", vihf(), func(a *saml.Assertion) {
			a.Attributes = append(a.Attributes, text("Authentification_Mode", "INDIRECTE"))
		}, w.doctorSign, w.doctorAuth, nil, "DuplicateAttribute Authentification_mode"},
		{"the structure twice", vihf(), func(a *saml.Assertion) { a.Attributes = append(a.Attributes, text("Identifiant_Structure", clinic)) }, w.doctorSign, w.doctorAuth, nil, "DuplicateAttribute Identifiant_Structure"},
		{"the role twice", vihf(), func(a *saml.Assertion) { a.Attributes = append(a.Attributes, *find(a, role)) }, w.doctorSign, w.doctorAuth, nil, "DuplicateAttribute " + role},
		{"two structures", vihf(), func(a *saml.Assertion) {
			find(a, "Identifiant_Structure").Values = []saml.Value{{Text: "499900000001"}, {Text: clinic}}
		}, w.doctorSign, w.doctorAuth, nil, "InvalidAttribute Identifiant_Structure: more than one value"},
		{"a structure of another form", vihf(), func(a *saml.Assertion) { set(a, "Identifiant_Structure", "Cabinet") }, w.doctorSign, w.doctorAuth, nil, "InvalidAttribute Identifiant_Structure: form"},
		{"an empty structure", vihf(), func(a *saml.Assertion) { set(a, "Identifiant_Structure", "") }, w.doctorSign, w.doctorAuth, nil, "InvalidAttribute Identifiant_Structure: empty"},
		{"no sector", vihf(), func(a *saml.Assertion) { drop(a, "Secteur_Activite") }, w.doctorSign, w.doctorAuth, nil, "MissingAttribute Secteur_Activite"},
		{"a sector of another system", vihf(), func(a *saml.Assertion) { set(a, "Secteur_Activite", "SA07^1.2.3") }, w.doctorSign, w.doctorAuth, nil, "InvalidAttribute Secteur_Activite: form"},
		{"no role", vihf(), func(a *saml.Assertion) { drop(a, role) }, w.doctorSign, w.doctorAuth, nil, "MissingAttribute " + role},
		{"a role in words", vihf(), func(a *saml.Assertion) { set(a, role, "Médecin") }, w.doctorSign, w.doctorAuth, nil, "MissingAttribute " + role},
		{"a role of another system", vihf(), func(a *saml.Assertion) { find(a, role).Values[0].CodeSystem = "1.2.3" }, w.doctorSign, w.doctorAuth, nil, "InvalidAttribute " + role + ": code system"},
		{"three roles", vihf(), func(a *saml.Assertion) { find(a, role).Values = append(find(a, role).Values, find(a, role).Values[1]) }, w.doctorSign, w.doctorAuth, nil, "InvalidAttribute " + role + ": too many values"},
		{"a doctor without a speciality", vihf(), func(a *saml.Assertion) { find(a, role).Values = find(a, role).Values[:1] }, w.doctorSign, w.doctorAuth, nil, "MissingAttribute " + role + ": the speciality"},
		{"a doctor with a pharmacist's card", vihf(), nil, w.pharmacist, w.doctorAuth, nil, "InvalidAttribute " + role + ": not the signer's profession"},
		{"a patient of another form", vihf(), func(a *saml.Assertion) {
			set(a, "urn:oasis:names:tc:xacml:2.0:resource:resource-id", "279035121518989")
		}, w.doctorSign, w.doctorAuth, nil, "InvalidAttribute urn:oasis:names:tc:xacml:2.0:resource:resource-id: form"},
		{"for another system", vihf(), func(a *saml.Assertion) { set(a, "Ressource_URN", "urn:ror") }, w.doctorSign, w.doctorAuth, nil, "InvalidAttribute Ressource_URN: not one of those that are known"},
		{"for no purpose", vihf(), func(a *saml.Assertion) { drop(a, use) }, w.doctorSign, w.doctorAuth, nil, "MissingAttribute " + use},
		{"for another purpose", vihf(), func(a *saml.Assertion) { find(a, use).Values[0].Code = "curiosite" }, w.doctorSign, w.doctorAuth, nil, "InvalidAttribute " + use + ": not one of those that are known"},
		{"a purpose of another system", vihf(), func(a *saml.Assertion) { find(a, use).Values[0].CodeSystem = "1.2.3" }, w.doctorSign, w.doctorAuth, nil, "InvalidAttribute " + use + ": code system"},
		{"broken glass without a reason", vihf(), func(a *saml.Assertion) { find(a, use).Values[0].Code = "bris_de_glace" }, w.doctorSign, w.doctorAuth, nil, "MissingAttribute Mode_Acces_Raison"},
		{"another secret", vihf(), func(a *saml.Assertion) {
			a.Attributes = append(a.Attributes, text("urn:oasis:names:tc:xspa:1.0:resource:patient:hl7:confidentiality-code", "N"))
		}, w.doctorSign, w.doctorAuth, nil, "InvalidAttribute urn:oasis:names:tc:xspa:1.0:resource:patient:hl7:confidentiality-code: not one of those that are known"},
		{"a XUA patient twice", ofProvider(), func(a *saml.Assertion) {
			a.Attributes = append(a.Attributes, *find(a, "urn:oasis:names:tc:xacml:2.0:resource:resource-id"))
		}, w.provider, w.hospitalAuth, forXUA, "DuplicateAttribute urn:oasis:names:tc:xacml:2.0:resource:resource-id"},
	} {
		if c.change != nil {
			c.change(c.a)
		}
		v, m := verifier(t, c.config), signed(t, c.a, c.by)
		for range 2 { // what was refused is not remembered as good
			got, err := ask(v, m, c.node)
			var e *xua.Error
			if !errors.As(err, &e) || err.Error() != c.want || got.Assertion != "" {
				t.Errorf("%s: %v, want %s", c.name, err, c.want)
			}
		}
	}
}

func TestForm(t *testing.T) {
	w := everybody()
	good := signedBytes(t, vihf().Append(nil), w.doctorSign)
	altered := bytes.Replace(good, []byte("SM26"), []byte("SM54"), 1)
	unsigned := vihf().Append(nil)
	for _, c := range []struct {
		name, want, fault string
		m                 message
	}{
		{"none", "NoAssertion", "SecurityTokenUnavailable", enveloped(nil)},
		{"two", "MalformedAssertion: more than one assertion", "InvalidSecurityToken", enveloped(append(bytes.Clone(good), good...))},
		{"deeper", "NoAssertion", "SecurityTokenUnavailable", enveloped([]byte("<x>" + string(good) + "</x>"))},
		{"beside the header", "NoAssertion", "SecurityTokenUnavailable", message{[]byte("<e>" + string(good) + "<s></s></e>"), len(good) + 3, len(good) + 10}},
		{"unsigned", "InvalidSignature: there is no signature", "FailedCheck", enveloped(unsigned)},
		{"altered", "InvalidSignature: the element is not what was signed", "FailedCheck", enveloped(altered)},
		{"malformed", "MalformedAssertion: line 1 column 203: unknown entity", "InvalidSecurityToken", enveloped([]byte("&x;"))},
	} {
		_, err := ask(verifier(t, nil), c.m, w.doctorAuth)
		var e *xua.Error
		if !errors.As(err, &e) || err.Error() != c.want || e.Fault() != c.fault {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	m := enveloped(good)
	if _, err := verifier(t, nil).Caller(context.Background(), auth.Caller{}, nil, m.envelope, m.from, m.to); err == nil || err.Error() != "NoAssertion" {
		t.Error(err)
	}
}

// TestReplay: a bearer's assertion serves the node that brought it first, until it ends, and no other node, in whatever form.
func TestReplay(t *testing.T) {
	w := everybody()
	clock := now
	v := verifier(t, func(c *xua.Config) { forXUA(c); c.Now = func() time.Time { return clock } })
	bytesOf := signedBytes(t, ofProvider().Append(nil), w.provider)
	m, rewritten := enveloped(bytesOf), enveloped(bytes.Replace(bytesOf, []byte("<saml2:Subject>"), []byte("<saml2:Subject >"), 1))
	another := ofProvider()
	another.Subject.Value = "eve@example.org"
	for i, c := range []struct {
		m     message
		node  testpki.Identity
		after time.Duration
		want  string
	}{
		{m, w.clinicAuth, 0, ""},
		{m, w.clinicAuth, time.Minute, ""},
		{m, w.hospitalAuth, time.Minute, "AssertionOfAnotherNode"},
		{rewritten, w.hospitalAuth, time.Minute, "AssertionOfAnotherNode"},
		{rewritten, w.clinicAuth, time.Minute, ""},
		{signed(t, another, w.provider), w.clinicAuth, time.Minute, "AssertionOfAnotherNode"},
		{m, w.hospitalAuth, 30 * time.Minute, "AssertionOfAnotherNode"},
		{m, w.clinicAuth, 59 * time.Minute, ""},
		{m, w.clinicAuth, 61 * time.Minute, "AssertionExpired"},
	} {
		clock = now.Add(c.after)
		_, err := ask(v, c.m, c.node)
		if got := said(err); got != c.want {
			t.Errorf("%d: %q, want %q", i, got, c.want)
		}
	}
}

func said(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestHolderOfKey(t *testing.T) {
	w := everybody()
	a := ofProvider()
	a.Confirmations = []saml.Confirmation{{Method: saml.HolderOfKey, Certificates: []*x509.Certificate{w.clinicAuth.Certificate}}}
	if _, err := ask(verifier(t, forXUA), signed(t, a, w.provider), w.clinicAuth); err != nil {
		t.Error(err)
	}
}

// TestMemoryIsBounded: with room for one, the first is forgotten and verified anew.
func TestMemoryIsBounded(t *testing.T) {
	w := everybody()
	v := verifier(t, func(c *xua.Config) { c.Remembered = 1 })
	other := vihf()
	other.ID = "_vihf-2"
	first, second := signed(t, vihf(), w.doctorSign), signed(t, other, w.doctorSign)
	for i, m := range []message{first, second, first, first} {
		if _, err := ask(v, m, w.doctorAuth); err != nil {
			t.Error(i, err)
		}
	}
}

// taken is an authority that has taken back certificates from some time on.
type taken struct{ since time.Time }

func (k *taken) Revoked(_ context.Context, _, _ *x509.Certificate, at time.Time) (bool, error) {
	return !at.Before(k.since), nil
}

// TestRevokedLater: what was found good is asked for again after ten minutes.
func TestRevokedLater(t *testing.T) {
	w, clock := everybody(), now
	v := verifier(t, func(c *xua.Config) {
		forXUA(c)
		c.Revocation, c.Now = &taken{now.Add(time.Minute)}, func() time.Time { return clock }
	})
	other := ofProvider()
	other.ID = "_xua-2"
	m, second := signed(t, ofProvider(), w.provider), signed(t, other, w.provider)
	for i, c := range []struct {
		m     message
		after time.Duration
		want  string
	}{{m, 0, ""}, {m, 9 * time.Minute, ""}, {second, 9 * time.Minute, ""}, {second, 10 * time.Minute, "SignerRevoked"}, {m, 10 * time.Minute, "SignerRevoked"}} {
		clock = now.Add(c.after)
		if _, err := ask(v, c.m, w.clinicAuth); said(err) != c.want {
			t.Errorf("%d: %q, want %q", i, said(err), c.want)
		}
	}
}

// TestChain: an authority between is taken from KeyInfo or from the configuration, and nothing else makes up for it.
func TestChain(t *testing.T) {
	w := everybody()
	below, err := w.ca.Below("Authority for organisations")
	must(err)
	signer := certified(below, pkix.Name{CommonName: "Identity provider"}, x509.KeyUsageDigitalSignature)
	known := func(c *xua.Config) {
		forXUA(c)
		c.AcceptUnknown = true // nobody publishes a list for this authority
	}
	sign := func(certs ...*x509.Certificate) message {
		out, err := xmlsig.Signer{Key: signer.Key, Certificates: certs, Canonicalization: xmlsig.Exclusive()}.Sign(ofProvider().Append(nil), 0, 1)
		must(err)
		return enveloped(out)
	}
	for _, c := range []struct {
		name   string
		m      message
		config func(*xua.Config)
		want   string
	}{
		{"sent", sign(signer.Certificate, below.Certificate()), known, ""},
		{"sent in the other order", sign(below.Certificate(), signer.Certificate), known, ""},
		{"not sent", sign(signer.Certificate), known, "UntrustedSigner"},
		{"configured", sign(signer.Certificate), func(c *xua.Config) { known(c); c.Intermediates = []*x509.Certificate{below.Certificate()} }, ""},
		{"no list", sign(signer.Certificate, below.Certificate()), forXUA, "RevocationUnknown"},
		{"the authority in place of the signer", sign(below.Certificate()), known, "SignerKeyUsage: the certificate is not for signatures"},
		{"no certificate", sign(), known, "UntrustedSigner: KeyInfo holds no certificate"},
	} {
		if _, err := ask(verifier(t, c.config), c.m, w.clinicAuth); said(err) != c.want {
			t.Errorf("%s: %q, want %q", c.name, said(err), c.want)
		}
	}
}

func TestBadConfig(t *testing.T) {
	for name, c := range map[string]xua.Config{"no profile": {Anchors: []*x509.Certificate{everybody().ca.Certificate()}}, "no anchors": {Profile: xua.XUA()}} {
		if _, err := xua.New(c); err == nil || err.Error() != "xua: "+name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSamples: real assertions, signed by certificates of ours at their own time. What they say is theirs.
func TestSamples(t *testing.T) {
	w := everybody()
	doc := string(oracle.Files(t, "samples/saml", "xua-assertion.xml")["xua-assertion.xml"])
	from, to := strings.Index(doc, "<ds:Signature "), strings.Index(doc, "</ds:Signature>")
	start, end := strings.Index(doc, "<saml:Assertion"), strings.Index(doc, "</wsse:Security>")
	swiss := strings.Replace(doc[start:from]+doc[to+len("</ds:Signature>"):end], "xmlns:saml", `xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:saml`, 1)
	swiss = fresh(swiss, "2011-03-29T09:44:41Z", "2011-03-29T09:44:40Z", "2011-03-29T09:54:40Z")
	m := enveloped(signedBytes(t, []byte(strings.TrimSpace(swiss)), w.provider))
	got, err := ask(verifier(t, func(c *xua.Config) { forXUA(c); c.Audiences = []string{"http://blabla"} }), m, w.hospitalAuth)
	want := auth.Caller{Capacity: auth.CapacityProfessional, Issuer: "demo.com", Alias: "alias2", Node: "the node", Address: "192.0.2.1", Person: "lipse", PersonName: "Dr. Klaus-Peter Kohlrabi", Role: "ELE^1.2.3.4.5.6.777.1", Purpose: "12^1.0.14265.12",
		Patient: "543797436^^^&1.2.840.113619.6.197&ISO", Assertion: "_7d8e48d69047d3c3da278b33b8f13485"}
	if err != nil || got != want {
		t.Errorf("%v\n got %+v\nwant %+v", err, got, want)
	}

	person := pkix.Name{CommonName: "899900063480", OrganizationalUnit: []string{"Médecin"}, Organization: []string{"TEST"}, Country: []string{"FR"}}
	sign, connect := certified(w.ca, person, x509.KeyUsageContentCommitment), certified(w.ca, person, x509.KeyUsageDigitalSignature, x509.ExtKeyUsageClientAuth)
	for name, b := range oracle.Files(t, "samples/dmp", "TD*_request.xml") {
		s := string(b)
		start, end := strings.Index(s, "<saml2:Assertion"), strings.Index(s, "</saml2:Assertion>")+len("</saml2:Assertion>")
		if start < 0 {
			t.Errorf("%s: no assertion", name)
			continue
		}
		m := enveloped(signedBytes(t, []byte(fresh(s[start:end], "2019-06-26T08:08:55.469Z", "2019-06-26T08:08:55.482Z")), sign))
		got, err := ask(verifier(t, nil), m, connect)
		if err != nil || got.Person != "899900063480" || got.Organisation != "499900063480001" || got.Specialty != "SM26^1.2.250.1.71.4.2.5" || got.Patient != "207058575627097^^^&1.2.250.1.213.1.4.10&ISO^NH" {
			t.Errorf("%s: %v %+v", name, err, got)
		}
	}
}

// fresh moves times of an assertion to now, each as far from the first as it was.
func fresh(doc string, times ...string) string {
	first, err := time.Parse(time.RFC3339, times[0])
	must(err)
	for _, s := range times {
		at, err := time.Parse(time.RFC3339, s)
		must(err)
		doc = strings.ReplaceAll(doc, s, now.Add(at.Sub(first)).Format(time.RFC3339Nano))
	}
	return doc
}

// alternate asks with each in turn of a verifier that remembers but one.
func alternate(b *testing.B, ms [2]message, nodes [2]testpki.Identity) {
	v := verifier(b, func(c *xua.Config) { c.Remembered = 1 })
	b.SetBytes(int64(ms[0].to - ms[0].from))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := ask(v, ms[i%2], nodes[i%2]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFirstSight: an assertion never seen, of somebody who has signed others in the last minutes.
func BenchmarkFirstSight(b *testing.B) {
	w, other := everybody(), vihf()
	other.ID = "_vihf-2"
	alternate(b, [2]message{signed(b, vihf(), w.doctorSign), signed(b, other, w.doctorSign)}, [2]testpki.Identity{w.doctorAuth, w.doctorAuth})
}

// BenchmarkUnknownSigner: as before, and the signer's chain and revocation list are judged too.
func BenchmarkUnknownSigner(b *testing.B) {
	w, other := everybody(), indirect()
	other.ID = "_vihf-2"
	alternate(b, [2]message{signed(b, vihf(), w.doctorSign), signed(b, other, w.clinicSign)}, [2]testpki.Identity{w.doctorAuth, w.clinicAuth})
}

func BenchmarkSecondSight(b *testing.B) {
	w := everybody()
	m, v := signed(b, vihf(), w.doctorSign), verifier(b, nil)
	b.SetBytes(int64(m.to - m.from))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ask(v, m, w.doctorAuth); err != nil {
			b.Fatal(err)
		}
	}
}
