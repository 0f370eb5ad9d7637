package saml

import (
	"encoding/base64"
	"time"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// Append writes an assertion without a signature, which belongs behind its first child.
func (a *Assertion) Append(dst []byte) []byte {
	w := writer{dst}
	w.open("saml2:Assertion", "xmlns:saml2", Space, "xmlns:xs", "http://www.w3.org/2001/XMLSchema", "xmlns:xsi", xsiSpace,
		"ID", a.ID, "IssueInstant", stamp(a.IssueInstant), "Version", "2.0")
	w.name("saml2:Issuer", a.Issuer)
	if a.Subject != (NameID{}) || len(a.Confirmations) > 0 {
		w.subject(a)
	}
	if a.Conditions != nil {
		w.conditions(a.Conditions)
	}
	for _, s := range a.Authn {
		w.open("saml2:AuthnStatement", "AuthnInstant", stamp(s.Instant), "SessionNotOnOrAfter", stamp(s.SessionNotOnOrAfter), "SessionIndex", s.SessionIndex)
		w.open("saml2:AuthnContext")
		w.text("saml2:AuthnContextClassRef", s.ClassRef)
		if s.Declared {
			w.text("saml2:AuthnContextDecl", "")
		}
		w.close("saml2:AuthnContext", "saml2:AuthnStatement")
	}
	if len(a.Attributes) > 0 {
		w.open("saml2:AttributeStatement")
		for _, at := range a.Attributes {
			w.attribute(at)
		}
		w.close("saml2:AttributeStatement")
	}
	w.close("saml2:Assertion")
	return w.b
}

type writer struct{ b []byte }

// open writes a start tag; attributes without a value are left out.
func (w *writer) open(name string, attrs ...string) {
	w.b = append(append(w.b, '<'), name...)
	for i := 0; i < len(attrs); i += 2 {
		if attrs[i+1] != "" {
			w.b = append(append(append(w.b, ' '), attrs[i]...), `="`...)
			w.b = append(xmlpull.AppendAttr(w.b, attrs[i+1]), '"')
		}
	}
	w.b = append(w.b, '>')
}

func (w *writer) close(names ...string) {
	for _, n := range names {
		w.b = append(append(append(w.b, "</"...), n...), '>')
	}
}

func (w *writer) text(name, s string, attrs ...string) {
	w.open(name, attrs...)
	w.b = xmlpull.AppendText(w.b, s)
	w.close(name)
}

func (w *writer) name(element string, n NameID) {
	w.text(element, n.Value, "Format", n.Format, "NameQualifier", n.NameQualifier, "SPNameQualifier", n.SPNameQualifier, "SPProvidedID", n.SPProvidedID)
}

func (w *writer) subject(a *Assertion) {
	w.open("saml2:Subject")
	w.name("saml2:NameID", a.Subject)
	for _, c := range a.Confirmations {
		w.open("saml2:SubjectConfirmation", "Method", c.Method)
		w.open("saml2:SubjectConfirmationData", "NotBefore", stamp(c.NotBefore), "NotOnOrAfter", stamp(c.NotOnOrAfter), "Recipient", c.Recipient)
		for _, k := range c.Certificates {
			w.open("ds:KeyInfo", "xmlns:ds", dsSpace)
			w.open("ds:X509Data")
			w.text("ds:X509Certificate", base64.StdEncoding.EncodeToString(k.Raw))
			w.close("ds:X509Data", "ds:KeyInfo")
		}
		w.close("saml2:SubjectConfirmationData", "saml2:SubjectConfirmation")
	}
	w.close("saml2:Subject")
}

func (w *writer) conditions(c *Conditions) {
	w.open("saml2:Conditions", "NotBefore", stamp(c.NotBefore), "NotOnOrAfter", stamp(c.NotOnOrAfter))
	for _, restriction := range c.Audiences {
		w.open("saml2:AudienceRestriction")
		for _, a := range restriction {
			w.text("saml2:Audience", a)
		}
		w.close("saml2:AudienceRestriction")
	}
	if c.OneTimeUse {
		w.open("saml2:OneTimeUse")
		w.close("saml2:OneTimeUse")
	}
	w.close("saml2:Conditions")
}

func (w *writer) attribute(at Attribute) {
	w.open("saml2:Attribute", "Name", at.Name, "NameFormat", at.NameFormat, "FriendlyName", at.FriendlyName)
	for _, v := range at.Values {
		if v.Element.Local == "" {
			w.text("saml2:AttributeValue", v.Text, "xsi:type", "xs:string")
			continue
		}
		w.open("saml2:AttributeValue")
		w.text(v.Element.Local, "", "xmlns", v.Element.Space, "xsi:type", "CE", "code", v.Code, "codeSystem", v.CodeSystem,
			"codeSystemName", v.CodeSystemName, "displayName", v.DisplayName)
		w.close("saml2:AttributeValue")
	}
	w.close("saml2:Attribute")
}

// stamp writes a time in UTC [SAML core 1.3.3], nothing for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
