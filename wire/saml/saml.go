// Package saml holds SAML 2.0 assertions (OASIS saml-core-2.0-os): its nouns, a strict reader of what a signature vouches for, and a writer. It knows neither
// protocols nor profiles: what an attribute means is for others.
package saml

import (
	"crypto/x509"
	"time"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

const (
	// Space is the namespace of assertions.
	Space    = "urn:oasis:names:tc:SAML:2.0:assertion"
	dsSpace  = "http://www.w3.org/2000/09/xmldsig#"
	xsiSpace = "http://www.w3.org/2001/XMLSchema-instance"
	hl7Space = "urn:hl7-org:v3"
)

// Methods of SubjectConfirmation [SAML profiles 3].
const (
	Bearer        = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
	HolderOfKey   = "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"
	SenderVouches = "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches"
)

// X509SubjectName is the format of a name that is the subject of a certificate.
const X509SubjectName = "urn:oasis:names:tc:SAML:1.1:nameid-format:X509SubjectName"

// Assertion is what an issuer says of a subject. Times that are not stated are zero.
type Assertion struct {
	ID            string
	IssueInstant  time.Time
	Issuer        NameID
	Subject       NameID
	Confirmations []Confirmation
	Conditions    *Conditions // nil where there are none
	Authn         []AuthnStatement
	Attributes    []Attribute // of all attribute statements, in order
}

// NameID is the name of an issuer or a subject.
type NameID struct {
	Value           string
	Format          string
	NameQualifier   string
	SPNameQualifier string
	SPProvidedID    string
}

// Confirmation says how who brings the assertion proves that it is his.
type Confirmation struct {
	Method       string
	NotBefore    time.Time
	NotOnOrAfter time.Time
	Recipient    string
	Certificates []*x509.Certificate // of the key that is held
}

// Conditions say when and for whom an assertion is good.
type Conditions struct {
	NotBefore    time.Time
	NotOnOrAfter time.Time
	Audiences    [][]string // of each AudienceRestriction: one of each must be us
	OneTimeUse   bool
}

// AuthnStatement says how and when the subject was authenticated.
type AuthnStatement struct {
	Instant             time.Time
	SessionNotOnOrAfter time.Time
	SessionIndex        string
	ClassRef            string
	Declared            bool // there is an AuthnContextDecl, or a reference to one
}

// Attribute is something said of the subject.
type Attribute struct {
	Name         string
	NameFormat   string
	FriendlyName string
	Values       []Value
}

// Value is text, or one element with the attributes of an HL7 coded value.
type Value struct {
	Text           string
	Element        xmlpull.Name // zero for text
	Code           string
	CodeSystem     string
	CodeSystemName string
	DisplayName    string
}

// Coded makes a value of an HL7 element such as Role or PurposeOfUse.
func Coded(element, code, system, systemName, display string) Value {
	return Value{Element: xmlpull.Name{Space: hl7Space, Local: element}, Code: code, CodeSystem: system, CodeSystemName: systemName, DisplayName: display}
}

// IsHL7 tells whether the value is an element of HL7 v3 of that name.
func (v Value) IsHL7(element string) bool {
	return v.Element.Space == hl7Space && v.Element.Local == element
}
