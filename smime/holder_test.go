package smime_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/internal/testpki"
	"github.com/passerelle-sante/passerelle/smime"
)

// at is an attribute of a name.
type at struct {
	oid   asn1.ObjectIdentifier
	value string
}

var (
	cn    = asn1.ObjectIdentifier{2, 5, 4, 3}
	sn    = asn1.ObjectIdentifier{2, 5, 4, 4}
	gn    = asn1.ObjectIdentifier{2, 5, 4, 42}
	title = asn1.ObjectIdentifier{2, 5, 4, 12}
	ou    = asn1.ObjectIdentifier{2, 5, 4, 11}
	o     = asn1.ObjectIdentifier{2, 5, 4, 10}
	st    = asn1.ObjectIdentifier{2, 5, 4, 8}
	l     = asn1.ObjectIdentifier{2, 5, 4, 7}
	c     = asn1.ObjectIdentifier{2, 5, 4, 6}
	pseu  = asn1.ObjectIdentifier{2, 5, 4, 65}
	email = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}
)

// subject makes a certificate with a name of relative names, each of one attribute or several.
func subject(t *testing.T, names ...[]at) *x509.Certificate {
	t.Helper()
	var rdns pkix.RDNSequence
	for _, n := range names {
		var rdn pkix.RelativeDistinguishedNameSET
		for _, a := range n {
			rdn = append(rdn, pkix.AttributeTypeAndValue{Type: a.oid, Value: a.value})
		}
		rdns = append(rdns, rdn)
	}
	der, err := asn1.Marshal(rdns)
	if err != nil {
		t.Fatal(err)
	}
	key, err := testpki.NewKey("p256")
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), RawSubject: der, NotAfter: time.Now().Add(time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// TestHolder: the shapes of names on cards and in organisations' certificates, with invented holders.
func TestHolder(t *testing.T) {
	for _, k := range []struct {
		name  string
		names [][]at
		want  smime.Holder
	}{
		{"new card", [][]at{{{c, "FR"}}, {{title, "Pharmacien"}}, {{cn, "899700000001"}, {sn, "MARTIN"}, {gn, "Zoé"}}},
			smime.Holder{ID: "899700000001", Name: "899700000001", Surname: "MARTIN", GivenName: "Zoé", Profession: "Pharmacien", Country: "FR"}},
		{"old card", [][]at{{{gn, "Zoé"}, {sn, "MARTIN"}, {cn, "00B7000001"}}, {{ou, "Masseur-Kinésithérapeute"}}, {{o, "TEST"}}, {{c, "FR"}}},
			smime.Holder{ID: "00B7000001", Name: "00B7000001", Surname: "MARTIN", GivenName: "Zoé", Profession: "Masseur-Kinésithérapeute", Organisation: "TEST", Country: "FR"}},
		{"staff", [][]at{{{c, "FR"}}, {{o, "LABO DU PORT"}}, {{l, "Paris (75)"}}, {{ou, "300000000000001"}}, {{cn, "500000000000001/CPAT0001"}}},
			smime.Holder{ID: "500000000000001/CPAT0001", Name: "500000000000001/CPAT0001", Organisation: "LABO DU PORT", Structure: "300000000000001", Place: "Paris (75)", Country: "FR"}},
		{"organisation", [][]at{{{c, "FR"}}, {{st, "Paris (75)"}}, {{o, "LABO DU PORT"}}, {{ou, "300000000000001"}}, {{cn, "depot.labo"}}},
			smime.Holder{Name: "depot.labo", Organisation: "LABO DU PORT", Structure: "300000000000001", Place: "Paris (75)", Country: "FR"}},
		{"pseudonym", [][]at{{{c, "FR"}}, {{pseu, "EMPLOYE 12"}}}, smime.Holder{Pseudonym: "EMPLOYE 12", Country: "FR"}},
	} {
		if got := smime.HolderOf(subject(t, k.names...)); got != k.want {
			t.Errorf("%s: %+v, want %+v", k.name, got, k.want)
		}
		slices.Reverse(k.names)
		if got := smime.HolderOf(subject(t, k.names...)); got != k.want {
			t.Errorf("%s, the other way round: %+v", k.name, got)
		}
	}
}

func TestAddresses(t *testing.T) {
	cert := subject(t, []at{{cn, "x"}, {email, "Depot@Labo.example"}})
	cert.EmailAddresses = []string{"RESULTATS@labo.example", "depot@labo.example"}
	if got := smime.Addresses(cert); !slices.Equal(got, []string{"resultats@labo.example", "depot@labo.example"}) {
		t.Error(got)
	}
}
