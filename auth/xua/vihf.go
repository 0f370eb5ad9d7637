package xua

import (
	"crypto/x509"
	"regexp"
	"slices"
	"strings"

	"github.com/passerelle-sante/passerelle/smime"
	"github.com/passerelle-sante/passerelle/wire/saml"
)

const (
	modeAttribute      = "Authentification_mode"
	structureAttribute = "Identifiant_Structure"
	reasonAttribute    = "Mode_Acces_Raison"
)

var (
	structureForm = regexp.MustCompile(`^[0-9][0-9A-Z]{8,19}$`)
	sectorForm    = regexp.MustCompile(`^S[AI]\d\d\^1\.2\.250\.1\.71\.4\.2\.4$`)
	nationalForm  = regexp.MustCompile(`^[0-9][0-9A-Z]{8,14}$`) // of a person: the kind of identifier, then RPPS or another
	innerForm     = regexp.MustCompile(`^[0-9][0-9A-Z]{8,19}/[^/\s]{1,64}$`)
)

// VIHF is the French frame of authorisation and identification: the person's card vouches for him, or the structure he works in.
func VIHF() Profile {
	return Profile{Name: "VIHF", once: true, separate: true,
		modes: map[string]mode{"DIRECTE": direct, "INDIRECTE": indirect, "INDIRECTE_RENFORCEE": reinforced},
		rules: []rule{
			{name: "VIHF_Version", required: true, allowed: []string{"3.0", "4.0"}},
			{name: modeAttribute, alias: "Authentification_Mode", required: true, allowed: []string{"DIRECTE", "INDIRECTE", "INDIRECTE_RENFORCEE"},
				into: func(c *caller, v []saml.Value) { c.Authentication = v[0].Text }},
			{name: structureAttribute, required: true, check: form(structureForm), into: organisation},
			{name: "Secteur_Activite", required: true, check: form(sectorForm), into: func(c *caller, v []saml.Value) { c.Sector = v[0].Text }},
			{name: subjectID, into: personName},
			// The profession, then the speciality or the section of who has one.
			{name: subjectRole, required: true, element: "Role", many: true, systems: []string{"1.2.250.1.71.1.2.7", "1.2.250.1.71.4.2.5 1.2.250.1.71.4.2.6"},
				into: func(c *caller, v []saml.Value) {
					role(c, v)
					if len(v) > 1 {
						c.Specialty = coded(v[1])
					}
				}},
			{name: resourceID, check: isCX, into: patient},
			{name: "Ressource_URN", required: true, allowed: []string{"urn:dmp"}},
			{name: purposeOfUse, required: true, element: "PurposeOfUse", systems: []string{"1.2.250.1.213.1.1.4.248"}, allowed: []string{"normal", "bris_de_glace", "centre_15"}, into: purpose},
			{name: reasonAttribute, into: func(c *caller, v []saml.Value) { c.Reason = v[0].Text }},
			{name: "urn:oasis:names:tc:xspa:1.0:resource:patient:hl7:confidentiality-code", allowed: []string{"INVISIBLE_REPRESENTANTS_LEGAUX"},
				into: func(c *caller, _ []saml.Value) { c.Secret = true }},
			{name: "LPS_ID"}, {name: "LPS_Nom", into: func(c *caller, v []saml.Value) { c.Software = v[0].Text }}, {name: "LPS_Version"}, {name: "LPS_ID_HOMOLOGATION_DMP"},
		}}
}

func form(r *regexp.Regexp) func(saml.Value) bool {
	return func(v saml.Value) bool { return r.MatchString(v.Text) }
}

// direct: the assertion is signed with the signature certificate of the person's card, and the card's other certificate makes the connection.
func direct(c *caller, a *saml.Assertion, signer, node *x509.Certificate) error {
	if err := common(c, a); err != nil {
		return err
	}
	s, n := smime.HolderOf(signer), smime.HolderOf(node)
	switch {
	case s.ID == "" || s.ID != c.Person:
		return refuse(WrongSigner, "the signer is not the person who is named")
	case n.ID != s.ID:
		return refuse(WrongSigner, "the connection is another's than the signer's")
	case s.Structure != "" && s.Structure != c.Organisation:
		return &Error{Code: InvalidAttribute, Attribute: structureAttribute, Detail: "not the signer's"}
	}
	if code, known := professionOf(s.Profession); known && c.Role != code+"^1.2.250.1.71.1.2.7" {
		return &Error{Code: InvalidAttribute, Attribute: subjectRole, Detail: "not the signer's profession"}
	}
	return nil
}

// indirect: the structure vouches for the person, with a certificate for signatures beside the one it makes connections with.
func indirect(c *caller, a *saml.Assertion, signer, node *x509.Certificate) error {
	if err := common(c, a); err != nil {
		return err
	}
	s, n := smime.HolderOf(signer), smime.HolderOf(node)
	inside, _, within := strings.Cut(c.Person, "/")
	switch {
	case s.Structure == "" || s.Structure != c.Organisation:
		return refuse(WrongSigner, "the signer is not the structure that is named")
	case n.Structure != s.Structure:
		return refuse(WrongSigner, "the connection is another structure's than the signer's")
	case c.PersonName == "":
		return &Error{Code: MissingAttribute, Attribute: subjectID}
	case within && (!innerForm.MatchString(c.Person) || inside != c.Organisation):
		return refuse(WrongSigner, "the person is named as another structure's")
	case !within && !nationalForm.MatchString(c.Person):
		return refuse(Malformed, "the subject's identifier")
	}
	return nil
}

// reinforced: as indirect, but the person himself was strongly authenticated: he is named nationally, and it is declared how.
func reinforced(c *caller, a *saml.Assertion, signer, node *x509.Certificate) error {
	if err := indirect(c, a, signer, node); err != nil {
		return err
	}
	if !nationalForm.MatchString(c.Person) {
		return refuse(Malformed, "the subject's identifier is no national one")
	}
	if !a.Authn[0].Declared {
		return refuse(Malformed, "AuthnContextDecl is missing")
	}
	return nil
}

// common is what every mode asks beyond the attributes one by one.
func common(c *caller, a *saml.Assertion) error {
	switch {
	case a.Issuer.Format != saml.X509SubjectName:
		return refuse(Malformed, "the issuer is not named as a certificate's subject")
	case len(a.Authn) != 1 || a.Authn[0].ClassRef == "":
		return refuse(Malformed, "AuthnStatement")
	case c.Specialty == "" && slices.Contains(withSpecialty, c.Role):
		return &Error{Code: MissingAttribute, Attribute: subjectRole, Detail: "the speciality"}
	case c.Reason == "" && c.Purpose == "bris_de_glace^1.2.250.1.213.1.1.4.248":
		return &Error{Code: MissingAttribute, Attribute: reasonAttribute}
	}
	return nil
}

// withSpecialty are the professions whose members must say their speciality or section: physicians and pharmacists.
var withSpecialty = []string{"10^1.2.250.1.71.1.2.7", "21^1.2.250.1.71.1.2.7"}

// professions are the words of cards for the codes of TRE_G15. Other words are not compared.
var professions = map[string]string{
	"médecin": "10", "medecin": "10", "pharmacien": "21", "chirurgien-dentiste": "40", "sage-femme": "50", "infirmier": "60",
	"masseur-kinésithérapeute": "70", "masseur-kinesitherapeute": "70", "pédicure-podologue": "80", "pedicure-podologue": "80",
	"orthophoniste": "91", "orthoptiste": "92",
}

func professionOf(word string) (code string, known bool) {
	code, known = professions[strings.ToLower(strings.TrimSpace(word))]
	return code, known
}
