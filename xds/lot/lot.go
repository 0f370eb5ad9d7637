// Package lot makes and verifies the signature of a lot as the French shared record wants it: one more document of a submission, an XML signature over a
// manifest of the digests of the others, with XAdES properties, that signs the submission set. It knows the form and not whom to trust.
package lot

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/wire/xmlsig"
	"github.com/passerelle-sante/passerelle/xds"
)

const (
	dsSpace      = "http://www.w3.org/2000/09/xmldsig#"
	manifestType = dsSpace + "Manifest"
	sha256URI    = "http://www.w3.org/2001/04/xmlenc#sha256"
	urnOID       = "urn:oid:"
	placeholder  = "AA==" // where the digest of the submission set would be: metadata have no octets

	// Format is the formatCode of a signature [ITI TF-2 5.5].
	Format = "http://www.w3.org/2000/09/xmldsig#"
)

// The two editions of XAdES that are read; the first is written.
var (
	xades111 = edition{"http://uri.etsi.org/01903/v1.1.1#", "http://uri.etsi.org/01903/v1.1.1#SignedProperties"}
	xades132 = edition{"http://uri.etsi.org/01903/v1.3.2#", "http://uri.etsi.org/01903#SignedProperties"}
)

type edition struct{ space, kind string }

// MaxSize bounds a signature, in octets: that of a lot of a thousand documents has less.
const MaxSize = 512 << 10

// Digests are the SHA-256 of the documents of a lot.
type Digests map[xds.UniqueID][sha256.Size]byte

// Error is why a lot is not signed as it should be. Its text may be shown to the peer.
type Error struct {
	Rule string
	err  error // for the log
}

func (e *Error) Error() string { return e.Rule }

// Unwrap is what lies behind, for the log.
func (e *Error) Unwrap() error { return e.err }

func wrong(format string, args ...any) error { return &Error{Rule: fmt.Sprintf(format, args...)} }

// Of finds the entry of the signature of a lot: the one that signs the submission set. It is -1 where there is none.
func Of(sub *xds.Submission) (int, error) {
	found := -1
	for _, a := range sub.Associations {
		if a.Type != xds.Signs || a.Target != sub.Set.ID {
			continue
		}
		i := slices.IndexFunc(sub.Entries, func(e xds.DocumentEntry) bool { return e.ID == a.Source })
		switch {
		case i < 0:
			return -1, wrong("what signs the submission set is no document of the lot")
		case found >= 0 && found != i:
			return -1, wrong("the submission set is signed twice")
		case sub.Entries[i].FormatCode.Code != Format:
			return -1, wrong("what signs the submission set has another formatCode than %s", Format)
		}
		found = i
	}
	return found, nil
}

// Signed is what a signature of a lot says besides that it holds.
type Signed struct {
	Signer *x509.Certificate
	At     time.Time // as the signer says
}

// Verify verifies the signature of a lot, the document of entry index, against its other documents. key judges the signer, whose certificate comes first, and
// gives his key. An error is an *[Error], or one of key.
func Verify(signature []byte, sub *xds.Submission, index int, digests Digests, key func([]*x509.Certificate) (crypto.PublicKey, error)) (*Signed, error) {
	if len(signature) > MaxSize {
		return nil, wrong("the signature has more than %d octets", MaxSize)
	}
	var refused error
	signed, err := xmlsig.VerifyObjects(signature, xmlsig.Options{MaxBytes: MaxSize, Key: func(certs []*x509.Certificate) (crypto.PublicKey, error) {
		if len(certs) == 0 {
			refused = wrong("KeyInfo holds no certificate")
			return nil, refused
		}
		k, err := key(certs)
		refused = err
		return k, err
	}})
	switch {
	case refused != nil:
		return nil, refused
	case err != nil:
		return nil, &Error{Rule: err.Error(), err: err}
	}
	manifest, err := one(signed, manifestType)
	if err != nil {
		return nil, err
	}
	properties, err := one(signed, xades111.kind, xades132.kind)
	if err != nil {
		return nil, err
	}
	out := &Signed{Signer: signed[0].Certificates[0]}
	if out.At, err = readProperties(properties.Tree.Root(), out.Signer); err != nil {
		return nil, err
	}
	return out, compare(manifest.Tree.Root(), sub, index, digests)
}

// one gives the only thing of a kind that is signed.
func one(all []*xmlsig.Signed, kinds ...string) (*xmlsig.Signed, error) {
	var found *xmlsig.Signed
	for _, s := range all {
		if !slices.Contains(kinds, s.Type) {
			continue
		}
		if found != nil {
			return nil, wrong("more than one reference of type %s", s.Type)
		}
		found = s
	}
	if found == nil {
		return nil, wrong("no reference of type %s", kinds[0])
	}
	return found, nil
}

// Signer is who signs lots, and in whose name.
type Signer struct {
	xmlsig.Signer // of which the canonicalization is that of the national form whatever it says
	Author        xds.Author
	Facility      xds.Code
	Practice      xds.Code
}

// Sign makes the signature of a lot, and adds to the submission what goes with it: its entry under a unique id and the associations. digests are of all
// documents that the submission has.
func (s Signer) Sign(sub *xds.Submission, digests Digests, id xds.UniqueID, at time.Time) ([]byte, error) {
	if len(s.Certificates) == 0 {
		return nil, errors.New("sign the lot: no certificate")
	}
	manifest := &strings.Builder{}
	manifest.WriteString(`<ds:Manifest Id="IHEManifest">`)
	for i := range sub.Entries {
		sum, ok := digests[sub.Entries[i].UniqueID]
		if !ok {
			return nil, fmt.Errorf("sign the lot: no digest of document %d", i+1)
		}
		writeReference(manifest, string(sub.Entries[i].UniqueID), base64.StdEncoding.EncodeToString(sum[:]))
	}
	writeReference(manifest, string(sub.Set.UniqueID), placeholder)
	manifest.WriteString(`</ds:Manifest>`)
	s.Signer.Canonicalization = xmlsig.Canonicalization{Comments: true}
	out, err := s.SignObjects("Signature", []xmlsig.Object{
		{XML: manifest.String(), ID: "IHEManifest", Type: manifestType},
		{XML: properties(s.Certificates[0], at), ID: "SignedProperties", Type: xades111.kind},
	})
	if err != nil {
		return nil, fmt.Errorf("sign the lot: %w", err)
	}
	s.add(sub, id, at)
	return out, nil
}

func writeReference(b *strings.Builder, id, digest string) {
	b.WriteString(`<ds:Reference URI="` + urnOID)
	_ = xml.EscapeText(b, []byte(id))
	b.WriteString(`"><ds:DigestMethod Algorithm="` + sha256URI + `"></ds:DigestMethod><ds:DigestValue>` + digest + `</ds:DigestValue></ds:Reference>`)
}

// add adds the entry of the signature and its associations.
func (s Signer) add(sub *xds.Submission, id xds.UniqueID, at time.Time) {
	code := func(code, scheme, display string) xds.Code {
		return xds.Code{Code: code, Scheme: scheme, Display: xds.Text{{Lang: "FR", Charset: "UTF8", Value: display}}}
	}
	const entry, confidentiality = xds.ObjectID("LotSignature"), "1.2.250.1.213.1.1.4.13"
	e := xds.DocumentEntry{Header: xds.Header{ID: entry}, UniqueID: id, PatientID: sub.Set.PatientID, Size: -1, MIMEType: "text/xml", LanguageCode: "art",
		CreationTime: hl7.NewDTM(at), ServiceStartTime: hl7.NewDTM(at), Authors: []xds.Author{s.Author}, LegalAuthenticator: s.Author.Person,
		ClassCode: code("urn:oid:1.3.6.1.4.1.19376.1.2.1.1.1", "URN", "Signature"), TypeCode: code("E1762", "ASTM", "Full Document"), FormatCode: code(Format, "URN", "Signature"),
		ConfidentialityCodes: []xds.Code{code("N", "2.16.840.1.113883.5.25", "Normal"), code("MASQUE_PS", confidentiality, "Masqué aux professionnels de santé"),
			code("INVISIBLE_PATIENT", confidentiality, "Non visible par le patient")},
		EventCodes: []xds.Code{code("1.2.840.10065.1.12.1.14", "1.2.840.10065.1.12", "Source")}, HealthcareFacilityTypeCode: s.Facility, PracticeSettingCode: s.Practice,
		Title: xds.Text{{Lang: "FR", Charset: "UTF8", Value: "Signature du lot"}}}
	if len(sub.Entries) > 0 {
		e.SourcePatientID, e.SourcePatientInfo = sub.Entries[0].SourcePatientID, sub.Entries[0].SourcePatientInfo
	}
	sub.Entries = append(sub.Entries, e)
	sub.Associations = append(sub.Associations, xds.Association{Header: xds.Header{ID: "LotSignatureMember"}, Type: xds.HasMember, Source: sub.Set.ID, Target: entry, Membership: "Original"},
		xds.Association{Header: xds.Header{ID: "LotSignatureSigns"}, Type: xds.Signs, Source: entry, Target: sub.Set.ID})
}
