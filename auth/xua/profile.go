package xua

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/wire/saml"
)

// Profile is what assertions of a kind must say, and of whom they may come. Its rules are data.
type Profile struct {
	Name         string
	rules        []rule
	once         bool // an attribute named twice is refused even where it may have many values
	confirmation bool // a SubjectConfirmation must be there
	audience     bool // an AudienceRestriction must be there
	separate     bool // signatures are made with other certificates than connections
	modes        map[string]mode
}

// rule is what an attribute must be. Its values reach the caller by into.
type rule struct {
	name, alias string
	required    bool
	element     string // HL7 element of its values, text where empty
	many        bool   // else exactly one value
	allowed     []string
	systems     []string // code systems of its values, in their order; the first must be there
	check       func(v saml.Value) bool
	into        func(c *caller, values []saml.Value)
}

// mode is how the person was authenticated, and what that asks of the assertion.
type mode func(c *caller, a *saml.Assertion, signer, node *x509.Certificate) error

// caller is what an assertion says of who asks.
type caller auth.Caller

// of is the caller behind a node: what the connection says of the node stays.
func (c caller) of(peer auth.Caller) auth.Caller {
	who := auth.Caller(c)
	who.Node, who.Subject, who.Address, who.ReplyTo, who.Endpoint = peer.Node, peer.Subject, peer.Address, peer.ReplyTo, peer.Endpoint
	return who
}

const (
	subjectID    = "urn:oasis:names:tc:xspa:1.0:subject:subject-id"
	subjectRole  = "urn:oasis:names:tc:xacml:2.0:subject:role"
	resourceID   = "urn:oasis:names:tc:xacml:2.0:resource:resource-id"
	purposeOfUse = "urn:oasis:names:tc:xspa:1.0:subject:purposeofuse"
)

// XUA is the Cross-Enterprise User Assertion [ITI-40 3.40.4.1.2]: an identity provider vouches for the person.
func XUA() Profile {
	return Profile{Name: "XUA", confirmation: true, audience: true, rules: []rule{
		{name: subjectID, into: personName},
		{name: "urn:oasis:names:tc:xspa:1.0:subject:organization-id", into: organisation},
		{name: "urn:oasis:names:tc:xspa:1.0:subject:organization"},
		{name: "urn:oasis:names:tc:xspa:2.0:subject:npi"},
		{name: "urn:ihe:iti:xca:2010:homeCommunityId"},
		{name: subjectRole, element: "Role", many: true, into: role},
		{name: purposeOfUse, element: "PurposeOfUse", many: true, into: purpose},
		{name: resourceID, check: isCX, into: patient},
	}}
}

func personName(c *caller, v []saml.Value)   { c.PersonName = v[0].Text }
func organisation(c *caller, v []saml.Value) { c.Organisation = v[0].Text }
func role(c *caller, v []saml.Value)         { c.Role = coded(v[0]) }
func purpose(c *caller, v []saml.Value)      { c.Purpose = coded(v[0]) }
func patient(c *caller, v []saml.Value)      { c.Patient = v[0].Text }

// coded is a coded value as one word: code^system.
func coded(v saml.Value) string { return v.Code + "^" + v.CodeSystem }

func isCX(v saml.Value) bool {
	cx, err := hl7.ParseCX(v.Text)
	return err == nil && cx.ID != "" && cx.AssigningAuthority.UniversalID != "" && cx.AssigningAuthority.UniversalIDType == "ISO"
}

// read makes a caller of what a verified assertion says.
func (p *Profile) read(a *saml.Assertion, signer, node *x509.Certificate) (caller, error) {
	c := caller{Capacity: auth.CapacityProfessional, Person: a.Subject.Value, Assertion: a.ID, Issuer: a.Issuer.Value, Alias: a.Subject.SPProvidedID}
	if a.Subject.Value == "" {
		return c, refuse(Malformed, "no subject is named")
	}
	for _, r := range p.rules {
		values, err := p.values(a, r)
		if err != nil {
			return c, err
		}
		if len(values) > 0 && r.into != nil {
			r.into(&c, values)
		}
	}
	if p.modes == nil {
		return c, nil
	}
	judge := p.modes[c.Authentication]
	if judge == nil {
		return c, &Error{Code: InvalidAttribute, Attribute: modeAttribute}
	}
	return c, judge(&c, a, signer, node)
}

// values are those of an attribute that its rule takes, checked. Values of other kinds are passed over where there may be many.
func (p *Profile) values(a *saml.Assertion, r rule) ([]saml.Value, error) {
	var values []saml.Value
	named := 0
	for _, at := range a.Attributes {
		if at.Name != r.name && (at.Name != r.alias || r.alias == "") {
			continue
		}
		if named++; named > 1 && (p.once || !r.many) {
			return nil, &Error{Code: DuplicateAttribute, Attribute: r.name}
		}
		for _, v := range at.Values {
			if !r.many || v.IsHL7(r.element) {
				values = append(values, v)
			}
		}
	}
	if named == 0 || len(values) == 0 {
		if r.required || named > 0 {
			return nil, &Error{Code: MissingAttribute, Attribute: r.name}
		}
		return nil, nil
	}
	return values, r.judge(values)
}

func (r *rule) judge(values []saml.Value) error {
	wrong := func(why string) error { return &Error{Code: InvalidAttribute, Attribute: r.name, Detail: why} }
	if !r.many && len(values) > 1 {
		return wrong("more than one value")
	}
	if len(r.systems) > 0 && len(values) > len(r.systems) {
		return wrong("too many values")
	}
	for i, v := range values {
		said := v.Text
		if r.element != "" {
			said = v.Code
			if !v.IsHL7(r.element) || v.CodeSystem == "" {
				return wrong(fmt.Sprintf("no %s of HL7", r.element))
			}
		} else if v.Element.Local != "" {
			return wrong("no text")
		}
		switch {
		case said == "":
			return wrong("empty")
		case len(r.systems) > 0 && !slices.Contains(strings.Split(r.systems[i], " "), v.CodeSystem):
			return wrong("code system")
		case r.allowed != nil && !slices.Contains(r.allowed, said):
			return wrong("not one of those that are known")
		case r.check != nil && !r.check(v):
			return wrong("form")
		}
	}
	return nil
}
