package validate

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

var samlRules = []Rule{
	{"SAML-NONE", Error, "ITI TF-2 3.40.4.1.2", "there is no assertion of SAML 2.0"},
	{"SAML-ID", Error, "saml-core-2.0 2.3.3", "the assertion has no ID that is a name of XML"},
	{"SAML-VERSION", Error, "saml-core-2.0 2.3.3", "Version is not 2.0"},
	{"SAML-INSTANT", Error, "saml-core-2.0 2.3.3, 1.3.3", "IssueInstant is no time in UTC"},
	{"SAML-ISSUER", Error, "saml-core-2.0 2.3.3", "the assertion has no Issuer"},
	{"SAML-SUBJECT", Error, "ITI TF-2 3.40.4.1.2", "the assertion has no Subject with a NameID"},
	{"SAML-CONFIRMATION", Error, "ITI TF-2 3.40.4.1.2", "there is no SubjectConfirmation bearer or holder-of-key"},
	{"SAML-CONDITIONS", Error, "ITI TF-2 3.40.4.1.2", "Conditions lack NotBefore, or it or NotOnOrAfter is no time"},
	{"SAML-AUDIENCE", Error, "ITI TF-2 3.40.4.1.2", "the assertion is restricted to no audience"},
	{"SAML-AUTHN", Error, "ITI TF-2 3.40.4.1.2", "there is no AuthnStatement with AuthnInstant and an AuthnContextClassRef or AuthnContextDeclRef"},
	{"SAML-ATTRIBUTES", Error, "saml-core-2.0 2.7.3", "there is no attribute, or one without a name or a value"},
	{"SAML-TWICE", Warning, "ITI TF-2 3.40.4.1.2 (several values belong into one attribute)", "two attributes have the same name"},
	{"SAML-NOW", Error, "saml-core-2.0 2.5.1.2", "the assertion is not valid at the time it is judged by"},
	{"XUA-SUBJECT", Warning, "ITI TF-2 3.40.4.1.2 (Subject ID)", "the attribute subject-id is missing"},
	{"XUA-ORGANIZATION", Warning, "ITI TF-2 3.40.4.1.2 (Subject Organization, its ID)", "the attribute organization or organization-id is missing"},
	{"XUA-ROLE", Warning, "ITI TF-2 3.40.4.1.2.1", "the attribute role is missing, or no coded Role of urn:hl7-org:v3"},
	{"XUA-PURPOSE", Warning, "ITI TF-2 3.40.4.1.2.3", "the attribute purposeofuse is missing, or no coded PurposeOfUse of urn:hl7-org:v3"},
	{"VIHF-VERSION", Error, "CI-SIS transport synchrone, VIHF", "VIHF_Version is none of 2.0, 3.0 and 4.0"},
	{"VIHF-ISSUER", Error, "CI-SIS transport synchrone, VIHF (Issuer)", "the format of the Issuer is not X509SubjectName"},
	{"VIHF-MODE", Error, "CI-SIS transport synchrone, VIHF", "Authentification_mode is none of DIRECTE, INDIRECTE and INDIRECTE_RENFORCEE"},
	{"VIHF-STRUCTURE", Error, "CI-SIS transport synchrone, VIHF", "Identifiant_Structure is missing"},
	{"VIHF-SECTOR", Error, "CI-SIS transport synchrone, VIHF", "Secteur_Activite is not of the form code^1.2.250.1.71.4.2.4"},
	{"VIHF-SUBJECT", Error, "CI-SIS transport synchrone, VIHF", "an indirect assertion has no subject-id"},
	{"VIHF-ROLE", Error, "CI-SIS transport synchrone, VIHF", "there is no Role with a profession of 1.2.250.1.71.1.2.7"},
	{"VIHF-SPECIALTY", Error, "CI-SIS transport synchrone, VIHF", "the Role of a doctor or pharmacist is not followed by one with his speciality"},
	{"VIHF-PURPOSE", Error, "CI-SIS transport synchrone, VIHF", "PurposeOfUse is none of normal, bris_de_glace and centre_15 of 1.2.250.1.213.1.1.4.248"},
	{"VIHF-REASON", Error, "CI-SIS transport synchrone, VIHF", "Mode_Acces_Raison is missing where glass is broken"},
	{"VIHF-PATIENT", Error, "CI-SIS transport synchrone, VIHF; ITI TF-2 3.40.4.1.2.2.1", "resource-id is no patient identifier"},
	{"VIHF-RESOURCE", Error, "CI-SIS transport synchrone, VIHF", "Ressource_URN is missing"},
	{"SIG-NONE", Error, "saml-core-2.0 5; ITI TF-2 3.40.4.1.2", "the assertion is not signed"},
	{"SIG-PLACE", Error, "saml-core-2.0 5.4.2", "the signature is no child of the assertion, or there are several"},
	{"SIG-REFERENCE", Error, "saml-core-2.0 5.4.2", "the signature does not refer to the ID of the assertion, and to nothing else"},
	{"SIG-TRANSFORM", Error, "saml-core-2.0 5.4.4", "a transform is neither enveloped-signature nor exclusive canonicalization"},
	{"SIG-WEAK", Error, "NIST SP 800-131A; ANSSI RGS B1", "the signature or the digest is made with SHA-1, or with a shared key"},
	{"SIG-KEY", Error, "CI-SIS transport synchrone, VIHF; XML Signature 1.1 4.5", "KeyInfo holds no X.509 certificate"},
	{"SIG-VALUE", Error, "XML Signature 1.1 3.2", "the signature does not hold"},
	{"SIG-TRUST", Error, "RFC 5280 6", "the certificate of the signer does not come from the authorities given, or was not valid at the time"},
}

const (
	nsSAML   = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsDSIG   = "http://www.w3.org/2000/09/xmldsig#"
	xspa     = "urn:oasis:names:tc:xspa:1.0:subject:"
	roleName = "urn:oasis:names:tc:xacml:2.0:subject:role"
	resource = "urn:oasis:names:tc:xacml:2.0:resource:resource-id"
)

// saml judges the assertion of a document, wherever it stands.
func (j *judge) saml(b []byte) {
	quiet := &judge{}
	m := quiet.unpack(b)
	if m == nil {
		j.out = quiet.out
		return
	}
	j.offset = quiet.offset
	root := m.tree.Root()
	if root.Local() == "Assertion" {
		j.assertion(m.root, root)
		return
	}
	for n := range root.Descendants() {
		if n.Local() == "Assertion" && n.Space() == nsSAML {
			j.assertion(m.root, n)
			return
		}
	}
	j.say("SAML-NONE", here(root, root.Local()))
}

// assertion judges an assertion within a document.
func (j *judge) assertion(doc []byte, a xmltree.Node) {
	if a.Space() != nsSAML {
		j.say("SAML-NONE", here(a, a.Local()))
		return
	}
	if id := a.Value("ID"); id == "" || strings.ContainsAny(id, " :/") || id[0] >= '0' && id[0] <= '9' || id[0] == '-' {
		j.say("SAML-ID", here(a, "ID"))
	}
	if a.Value("Version") != "2.0" {
		j.say("SAML-VERSION", here(a, "Version"))
	}
	if _, ok := instant(a.Value("IssueInstant")); !ok {
		j.say("SAML-INSTANT", here(a, "IssueInstant"))
	}
	if textOf(at(a, "Issuer")) == "" {
		j.say("SAML-ISSUER", near(a, "Issuer", "Issuer"))
	}
	if textOf(at(a, "Subject", "NameID")) == "" {
		j.say("SAML-SUBJECT", near(a, "Subject", "Subject", "NameID"))
	}
	if s := at(a, "AuthnStatement"); value(s, "AuthnInstant") == "" || textOf(at(s, "AuthnContext", "AuthnContextClassRef"))+textOf(at(s, "AuthnContext", "AuthnContextDeclRef")) == "" {
		j.say("SAML-AUTHN", near(a, "AuthnStatement", "AuthnStatement"))
	}
	attributes := j.attributes(a)
	vihf := len(attributes["VIHF_Version"]) > 0
	if j.o.Form != "" {
		vihf = j.o.Form == "vihf"
	}
	if vihf {
		j.vihf(a, attributes)
	} else {
		j.xua(a, attributes)
	}
	j.conditions(a, !vihf)
	j.signature(doc, a)
}

// instant reads a time of SAML, which is in UTC.
func instant(s string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339Nano, s)
	return t, err == nil && strings.HasSuffix(s, "Z")
}

// conditions judges when and for whom an assertion is; those of VIHF need not say.
func (j *judge) conditions(a xmltree.Node, due bool) {
	c := at(a, "Conditions")
	from, began := instant(value(c, "NotBefore"))
	until, ends := instant(value(c, "NotOnOrAfter"))
	if !began && (due || value(c, "NotBefore") != "") || !ends && value(c, "NotOnOrAfter") != "" {
		j.say("SAML-CONDITIONS", near(a, "Conditions", "Conditions"))
	}
	if due && textOf(at(c, "AudienceRestriction", "Audience")) == "" {
		j.say("SAML-AUDIENCE", near(a, "Conditions", "Conditions", "AudienceRestriction", "Audience"))
	}
	if !j.o.Now.IsZero() && (began && j.o.Now.Before(from) || ends && !j.o.Now.Before(until)) {
		j.say("SAML-NOW", near(a, "Conditions", "Conditions"))
	}
}

// attributes gives the values of each attribute.
func (j *judge) attributes(a xmltree.Node) map[string][]xmltree.Node {
	out := map[string][]xmltree.Node{}
	for _, s := range kids(a, "AttributeStatement") {
		for _, one := range kids(s, "Attribute") {
			name, values := one.Value("Name"), kids(one, "AttributeValue")
			if name == "" || len(values) == 0 {
				j.say("SAML-ATTRIBUTES", here(one, "Attribute"))
			}
			if out[name] != nil {
				j.say("SAML-TWICE", here(one, name))
			}
			out[name] = append(out[name], values...)
		}
	}
	if len(out) == 0 {
		j.say("SAML-ATTRIBUTES", here(a, "AttributeStatement"))
	}
	return out
}

func (j *judge) xua(a xmltree.Node, attributes map[string][]xmltree.Node) {
	good := false
	for _, c := range kids(at(a, "Subject"), "SubjectConfirmation") {
		good = good || slices.Contains([]string{"urn:oasis:names:tc:SAML:2.0:cm:bearer", "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"}, c.Value("Method"))
	}
	if !good {
		j.say("SAML-CONFIRMATION", near(a, "Subject", "Subject", "SubjectConfirmation"))
	}
	if len(attributes[xspa+"subject-id"]) == 0 {
		j.say("XUA-SUBJECT", near(a, "subject-id", "AttributeStatement"))
	}
	if len(attributes[xspa+"organization"]) == 0 || len(attributes[xspa+"organization-id"]) == 0 {
		j.say("XUA-ORGANIZATION", near(a, "organization", "AttributeStatement"))
	}
	if coded, _ := v3Code(attributes[roleName], "Role", 0); coded == "" {
		j.say("XUA-ROLE", attribute(a, attributes, roleName, "role"))
	}
	if coded, _ := v3Code(attributes[xspa+"purposeofuse"], "PurposeOfUse", 0); coded == "" {
		j.say("XUA-PURPOSE", attribute(a, attributes, xspa+"purposeofuse", "purposeofuse"))
	}
}

// attribute is the place of the first value of an attribute, or of the statement that lacks it.
func attribute(a xmltree.Node, attributes map[string][]xmltree.Node, name, location string) place {
	if v := attributes[name]; len(v) > 0 {
		return here(v[0], location)
	}
	return near(a, location, "AttributeStatement")
}

// v3Code is the code, and its system, of the n-th value of an attribute.
func v3Code(values []xmltree.Node, element string, n int) (code, system string) {
	if n >= len(values) {
		return "", ""
	}
	e := at(values[n], element)
	if e.IsZero() || e.Space() != nsHL7 {
		return "", ""
	}
	return e.Value("code"), e.Value("codeSystem")
}

func (j *judge) vihf(a xmltree.Node, attributes map[string][]xmltree.Node) {
	get := func(name string) string {
		if v := attributes[name]; len(v) > 0 {
			return v[0].Text()
		}
		return ""
	}
	mode := get("Authentification_mode") + get("Authentification_Mode")
	code, system := v3Code(attributes[roleName], "Role", 0)
	specialty, _ := v3Code(attributes[roleName], "Role", 1)
	purpose, purposes := v3Code(attributes[xspa+"purposeofuse"], "PurposeOfUse", 0)
	sector, sectors, _ := strings.Cut(get("Secteur_Activite"), "^")
	for _, c := range []struct {
		rule, location string
		good           bool
		name           string // of the attribute
	}{
		{"VIHF-VERSION", "VIHF_Version", slices.Contains([]string{"2.0", "3.0", "4.0"}, get("VIHF_Version")), "VIHF_Version"},
		{"VIHF-ISSUER", "Issuer", value(at(a, "Issuer"), "Format") == "urn:oasis:names:tc:SAML:1.1:nameid-format:X509SubjectName", ""},
		{"VIHF-MODE", "Authentification_mode", slices.Contains([]string{"DIRECTE", "INDIRECTE", "INDIRECTE_RENFORCEE"}, mode), "Authentification_mode"},
		{"VIHF-STRUCTURE", "Identifiant_Structure", get("Identifiant_Structure") != "", "Identifiant_Structure"},
		{"VIHF-SECTOR", "Secteur_Activite", sector != "" && sectors == "1.2.250.1.71.4.2.4", "Secteur_Activite"},
		{"VIHF-SUBJECT", "subject-id", get(xspa+"subject-id") != "" || mode == "DIRECTE", xspa + "subject-id"},
		{"VIHF-ROLE", "role", code != "" && system == "1.2.250.1.71.1.2.7", roleName},
		{"VIHF-SPECIALTY", "role", specialty != "" || code != "10" && code != "21", roleName},
		{"VIHF-PURPOSE", "purposeofuse", slices.Contains([]string{"normal", "bris_de_glace", "centre_15"}, purpose) && purposes == "1.2.250.1.213.1.1.4.248", xspa + "purposeofuse"},
		{"VIHF-REASON", "Mode_Acces_Raison", purpose != "bris_de_glace" || get("Mode_Acces_Raison") != "", "Mode_Acces_Raison"},
		{"VIHF-PATIENT", "resource-id", len(attributes[resource]) == 0 || isCX(get(resource)), resource},
		{"VIHF-RESOURCE", "Ressource_URN", get("Ressource_URN") != "", "Ressource_URN"},
	} {
		switch {
		case c.good:
		case c.name == "":
			j.say(c.rule, near(a, c.location, c.location))
		default:
			j.say(c.rule, attribute(a, attributes, c.name, c.location))
		}
	}
}

// signature judges the form of the signature, and with authorities whether it holds.
func (j *judge) signature(doc []byte, a xmltree.Node) {
	all := 0
	for n := range a.Descendants() {
		if n.Local() == "Signature" && n.Space() == nsDSIG {
			all++
		}
	}
	s := at(a, "Signature")
	switch {
	case all == 0:
		j.say("SIG-NONE", here(a, "Signature"))
		return
	case all > 1 || s.IsZero():
		j.say("SIG-PLACE", near(a, "Signature", "Signature"))
		return
	}
	info := at(s, "SignedInfo")
	refs := kids(info, "Reference")
	if len(refs) != 1 || refs[0].Value("URI") != "#"+a.Value("ID") {
		j.say("SIG-REFERENCE", near(info, "Signature", "Reference"))
		return
	}
	for _, t := range kids(at(refs[0], "Transforms"), "Transform") {
		if !slices.Contains([]string{nsDSIG + "enveloped-signature", "http://www.w3.org/2001/10/xml-exc-c14n#", "http://www.w3.org/2001/10/xml-exc-c14n#WithComments"}, t.Value("Algorithm")) {
			j.say("SIG-TRANSFORM", here(t, "Signature"))
		}
	}
	for _, algorithm := range []string{value(at(info, "SignatureMethod"), "Algorithm"), value(at(refs[0], "DigestMethod"), "Algorithm")} {
		if strings.HasSuffix(algorithm, "sha1") || strings.Contains(algorithm, "hmac") {
			j.say("SIG-WEAK", near(info, "Signature", "SignatureMethod"))
			break
		}
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(textOf(at(s, "KeyInfo", "X509Data", "X509Certificate"))), ""))
	signer, parsed := x509.ParseCertificate(der)
	if err != nil || parsed != nil {
		j.say("SIG-KEY", near(s, "KeyInfo", "KeyInfo"))
		return
	}
	if j.o.Roots != nil {
		j.verify(doc, a, signer)
	}
}

// verify judges whether the signature holds and comes from somebody who is trusted. It leaves the work to a library that the product does not use.
func (j *judge) verify(doc []byte, a xmltree.Node, signer *x509.Certificate) {
	d := etree.NewDocument()
	if _, err := d.ReadFrom(bytes.NewReader(doc)); err != nil {
		j.say("SIG-VALUE", near(a, "Signature", "Signature"))
		return
	}
	var element *etree.Element
	for _, e := range d.FindElements("//Assertion") {
		if e.SelectAttrValue("ID", "") == a.Value("ID") && element == nil {
			element = e
		}
	}
	v := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{signer}})
	v.IdAttribute = "ID"
	at := j.o.Now
	if at.IsZero() {
		at, _ = instant(a.Value("IssueInstant"))
	}
	v.Clock = dsig.NewFakeClockAt(signer.NotBefore.Add(time.Second)) // the time is judged below
	if element == nil {
		j.say("SIG-VALUE", near(a, "Signature", "Signature"))
	} else if _, err := v.Validate(element); err != nil {
		j.say("SIG-VALUE", near(a, "Signature", "Signature"))
	}
	if _, err := signer.Verify(x509.VerifyOptions{Roots: j.o.Roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		j.say("SIG-TRUST", near(a, "KeyInfo", "Signature", "KeyInfo"))
	}
}
