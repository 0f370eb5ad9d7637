package saml

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

// The caps of an assertion.
const (
	maxAttributes = 200
	maxValues     = 50   // of one attribute
	maxText       = 4096 // octets of one text
	maxStatements = 16   // and confirmations, restrictions, audiences of one
)

// ErrForm is wrapped by every error of Read; the text names elements only.
var ErrForm = errors.New("the assertion is not of the form that is read")

// reader keeps the first error.
type reader struct{ err error }

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: "+format, append([]any{ErrForm}, args...)...)
	}
}

// Read reads the assertion that is the root of a tree: of the tree that a verified signature gave, for what stands elsewhere nobody vouches.
func Read(t *xmltree.Tree) (*Assertion, error) {
	r := &reader{}
	n := t.Root()
	if n.Name() != (xmlpull.Name{Space: Space, Local: "Assertion"}) {
		r.fail("%s is no assertion", n.Local())
		return nil, r.err
	}
	if n.Value("Version") != "2.0" {
		r.fail("Version")
	}
	a := &Assertion{ID: n.Value("ID"), IssueInstant: r.time(n, "IssueInstant")}
	if a.ID == "" || len(a.ID) > maxText || a.IssueInstant.IsZero() {
		r.fail("ID or IssueInstant")
	}
	r.children(n, map[string]func(xmltree.Node){
		"Issuer":             func(c xmltree.Node) { a.Issuer = r.name(c) },
		"Subject":            func(c xmltree.Node) { r.subject(c, a) },
		"Conditions":         func(c xmltree.Node) { a.Conditions = r.conditions(c) },
		"Advice":             func(c xmltree.Node) {}, // says nothing of the subject
		"AuthnStatement":     func(c xmltree.Node) { a.Authn = append(a.Authn, r.authn(c)) },
		"AttributeStatement": func(c xmltree.Node) { r.attributes(c, a) },
	}, "AuthnStatement", "AttributeStatement")
	if a.Issuer.Value == "" {
		r.fail("Issuer")
	}
	if r.err != nil {
		return nil, r.err
	}
	return a, nil
}

// children reads the child elements of a node, each at most once but for those that may come often. Others are errors.
func (r *reader) children(n xmltree.Node, read map[string]func(xmltree.Node), often ...string) {
	seen := map[string]int{}
	for c := range n.Children() {
		f := read[c.Local()]
		if f == nil || c.Space() != Space {
			r.fail("%s in %s", c.Local(), n.Local())
			return
		}
		limit := 1
		for _, o := range often {
			if o == c.Local() {
				limit = maxStatements
			}
		}
		if seen[c.Local()]++; seen[c.Local()] > limit {
			r.fail("more than %d of %s in %s", limit, c.Local(), n.Local())
			return
		}
		f(c)
	}
	if n.Text() != "" {
		r.fail("text in %s", n.Local())
	}
}

// text is the text of an element that holds no other, without white space around it.
func (r *reader) text(n xmltree.Node) string {
	for range n.Children() {
		r.fail("an element in %s", n.Local())
	}
	return r.short(n.Local(), strings.TrimSpace(n.Text()))
}

func (r *reader) short(what, s string) string {
	if len(s) > maxText {
		r.fail("%s is too long", what)
		return ""
	}
	return s
}

func (r *reader) attr(n xmltree.Node, name string) string { return r.short(name, n.Value(name)) }

// time reads an xs:dateTime, which must say its zone; SAML writes UTC [SAML core 1.3.3].
func (r *reader) time(n xmltree.Node, name string) time.Time {
	v, ok := n.Attr(name)
	if !ok {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, v)
	if err != nil || len(v) > 40 || t.IsZero() {
		r.fail("%s of %s", name, n.Local())
	}
	return t.UTC()
}

func (r *reader) name(n xmltree.Node) NameID {
	return NameID{Value: r.text(n), Format: r.attr(n, "Format"), NameQualifier: r.attr(n, "NameQualifier"),
		SPNameQualifier: r.attr(n, "SPNameQualifier"), SPProvidedID: r.attr(n, "SPProvidedID")}
}

func (r *reader) subject(n xmltree.Node, a *Assertion) {
	r.children(n, map[string]func(xmltree.Node){
		"NameID": func(c xmltree.Node) { a.Subject = r.name(c) },
		"SubjectConfirmation": func(c xmltree.Node) {
			a.Confirmations = append(a.Confirmations, r.confirmation(c))
		},
	}, "SubjectConfirmation")
}

func (r *reader) confirmation(n xmltree.Node) Confirmation {
	k := Confirmation{Method: r.attr(n, "Method")}
	r.children(n, map[string]func(xmltree.Node){
		"NameID": func(c xmltree.Node) { r.name(c) }, // who confirms, where that is another
		"SubjectConfirmationData": func(c xmltree.Node) { // may hold anything
			k.NotBefore, k.NotOnOrAfter, k.Recipient = r.time(c, "NotBefore"), r.time(c, "NotOnOrAfter"), r.attr(c, "Recipient")
			for d := range c.Descendants() {
				if d.Local() == "X509Certificate" && d.Space() == dsSpace {
					k.Certificates = append(k.Certificates, r.certificate(d))
				}
			}
		},
	})
	return k
}

func (r *reader) certificate(n xmltree.Node) *x509.Certificate {
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(n.Text()), ""))
	if err == nil {
		var c *x509.Certificate
		if c, err = x509.ParseCertificate(der); err == nil {
			return c
		}
	}
	r.fail("X509Certificate")
	return nil
}

func (r *reader) conditions(n xmltree.Node) *Conditions {
	k := &Conditions{NotBefore: r.time(n, "NotBefore"), NotOnOrAfter: r.time(n, "NotOnOrAfter")}
	r.children(n, map[string]func(xmltree.Node){ // a condition that is not understood makes an assertion worth nothing [SAML core 2.5.1.1]
		"AudienceRestriction": func(c xmltree.Node) {
			var audiences []string
			r.children(c, map[string]func(xmltree.Node){
				"Audience": func(d xmltree.Node) { audiences = append(audiences, r.text(d)) },
			}, "Audience")
			k.Audiences = append(k.Audiences, audiences)
		},
		"OneTimeUse":       func(xmltree.Node) { k.OneTimeUse = true },
		"ProxyRestriction": func(xmltree.Node) {}, // binds who issues others
	}, "AudienceRestriction")
	return k
}

func (r *reader) authn(n xmltree.Node) AuthnStatement {
	s := AuthnStatement{Instant: r.time(n, "AuthnInstant"), SessionNotOnOrAfter: r.time(n, "SessionNotOnOrAfter"), SessionIndex: r.attr(n, "SessionIndex")}
	r.children(n, map[string]func(xmltree.Node){
		"SubjectLocality": func(xmltree.Node) {},
		"AuthnContext": func(c xmltree.Node) {
			r.children(c, map[string]func(xmltree.Node){
				"AuthnContextClassRef":    func(d xmltree.Node) { s.ClassRef = r.text(d) },
				"AuthnContextDecl":        func(xmltree.Node) { s.Declared = true },
				"AuthnContextDeclRef":     func(xmltree.Node) { s.Declared = true },
				"AuthenticatingAuthority": func(xmltree.Node) {},
			}, "AuthenticatingAuthority")
		},
	})
	return s
}

func (r *reader) attributes(n xmltree.Node, a *Assertion) {
	for c := range n.Children() {
		if c.Space() != Space || c.Local() != "Attribute" || len(a.Attributes) == maxAttributes {
			r.fail("%s in AttributeStatement, or more than %d", c.Local(), maxAttributes)
			return
		}
		at := Attribute{Name: r.attr(c, "Name"), NameFormat: r.attr(c, "NameFormat"), FriendlyName: r.attr(c, "FriendlyName")}
		for v := range c.Children() {
			if v.Space() != Space || v.Local() != "AttributeValue" || len(at.Values) == maxValues {
				r.fail("%s in Attribute, or more than %d", v.Local(), maxValues)
				return
			}
			at.Values = append(at.Values, r.value(v))
		}
		if at.Name == "" {
			r.fail("Name of Attribute")
		}
		a.Attributes = append(a.Attributes, at)
	}
}

func (r *reader) value(n xmltree.Node) Value {
	var v Value
	for c := range n.Children() {
		if v.Element.Local != "" {
			r.fail("more than one element in AttributeValue")
			return v
		}
		v = Value{Element: c.Name(), Code: r.attr(c, "code"), CodeSystem: r.attr(c, "codeSystem"),
			CodeSystemName: r.attr(c, "codeSystemName"), DisplayName: r.attr(c, "displayName")}
	}
	v.Text = r.short("AttributeValue", strings.TrimSpace(n.Text()))
	if v.Element.Local != "" && v.Text != "" {
		r.fail("text beside an element in AttributeValue")
	}
	return v
}
