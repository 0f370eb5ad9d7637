package conformance

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// asserting is what the lines of a step say of who asks.
type asserting struct {
	as      string // name in the description of the system
	about   string // patient, as CX; ${patient:a} when nothing is said, none when -
	edits   []string
	signer  string // whose key signs, another's than his
	over    string // whose connection, another's than his
	forge   string
	again   bool // the assertion of the last step that had one, as it was
	present bool
}

// says obeys a line about who asks; it tells false for another.
func (a *asserting) says(verb, rest string) (bool, error) {
	switch verb {
	case "as":
		a.as, a.present = rest, true
	case "about":
		a.about = rest
	case "purpose", "reason", "secret", "claim", "unclaim", "assertion", "code":
		a.edits = append(a.edits, verb+" "+rest)
	case "signer":
		a.signer = rest
	case "over":
		a.over = rest
	case "again":
		a.again, a.present = true, true
	case "forge":
		if forgeries[rest] == nil {
			return true, fmt.Errorf("forge %s: it is not known how", rest)
		}
		a.forge = rest
	default:
		return false, nil
	}
	return true, nil
}

// connection is whose certificate makes the connection; empty for our own.
func (s *SUT) connection(a asserting) string {
	switch p := s.People.Professionals[a.as]; {
	case a.over != "":
		return a.over
	case p.Connects != "":
		return p.Connects
	}
	return a.as
}

// attach puts the assertion of who asks into the header of the message.
func (s *story) attach(m *message) error {
	a := m.who
	if !a.present {
		return nil
	}
	block := s.assertion
	if !a.again {
		var err error
		if block, err = s.assert(a); err != nil {
			return fmt.Errorf("as %s: %w", a.as, err)
		}
		s.assertion = block
	}
	m.envelope = strings.Replace(m.envelope, "</env:Header>", `<wsse:Security xmlns:wsse="`+nsWSSE+`">`+block+`</wsse:Security></env:Header>`, 1)
	if a.forge == "doctype" {
		m.envelope = strings.Replace(m.envelope, "?>", `?><!DOCTYPE env:Envelope [<!ENTITY who "somebody">]>`, 1)
	}
	return nil
}

// assert writes an assertion, signed.
func (s *story) assert(a asserting) (string, error) {
	p, known := s.r.SUT.People.Professionals[a.as]
	if !known {
		return "", errors.New("the description of the system knows nobody of that name")
	}
	form := p.Form
	if form == "" {
		form = "vihf"
	}
	dom, err := s.unsigned(form, a, p)
	if err != nil {
		return "", err
	}
	for _, line := range a.edits {
		if err := s.editAssertion(dom, line); err != nil {
			return "", fmt.Errorf("%s: %w", line, err)
		}
	}
	var text strings.Builder
	dom.write(&text)
	by := a.as
	if p.Signer != "" {
		by = p.Signer
	}
	if a.signer != "" {
		by = a.signer
	}
	signed, err := s.r.SUT.tape.kept(func() (string, error) { return s.sign(text.String(), by, a.forge) })
	if err != nil || a.forge == "" {
		return signed, err
	}
	return forgeries[a.forge](signed), nil
}

// unsigned fills the template.
func (s *story) unsigned(form string, a asserting, p Professional) (*node, error) {
	about := a.about
	if about == "" {
		about = s.cx(s.pid("a"))
	}
	mode, now := p.Mode, s.now()
	if mode == "" {
		mode = "DIRECTE"
	}
	specialty, specialties := coded(p.Specialty, "1.2.250.1.71.4.2.5")
	var pairs []string
	for k, v := range map[string]string{"id": "_" + strings.TrimPrefix(s.fresh(), "urn:uuid:"), "issued": stamp(now, 0), "authenticated": stamp(now, -time.Minute), "ends": stamp(now, time.Hour),
		"issuer": "CN=" + p.ID + ",O=TEST,C=FR", "person": p.ID, "name": p.Name, "mode": mode, "structure": p.Structure, "sector": p.Sector, "role": p.Role, "specialty": specialty,
		"specialties": specialties, "patient": about, "audience": s.r.SUT.People.Audience} {
		pairs = append(pairs, "{"+k+"}", escape(v))
	}
	dom, err := readTemplate(strings.NewReplacer(pairs...).Replace(s.r.Suite.templates[form]))
	if err != nil {
		return nil, err
	}
	if p.Specialty == "" && form == "vihf" {
		role := attributeOf(dom, "role")
		role.Kids = role.Kids[:1]
	}
	if about == "-" {
		dom.kid("AttributeStatement").remove(attributeOf(dom, "resource-id"))
	}
	if c := dom.kid("Conditions"); len(c.Attr)+len(c.Kids) == 0 {
		dom.remove(c)
	}
	return dom, nil
}

func stamp(t time.Time, after time.Duration) string {
	return t.Add(after).UTC().Format("2006-01-02T15:04:05Z")
}

// attributeOf finds an attribute by its name, or by what follows the last colon of it.
func attributeOf(dom *node, name string) *node {
	for _, a := range dom.kid("AttributeStatement").kids("Attribute") {
		if n := a.attr("Name"); n == name || strings.HasSuffix(n, ":"+name) {
			return a
		}
	}
	return nil
}

// instants are those times of an assertion that a line sets: the element, and its attribute.
var instants = map[string][2]string{"issued": {"", "IssueInstant"}, "authenticated": {"AuthnStatement", "AuthnInstant"}, "starts": {"Conditions", "NotBefore"}, "ends": {"Conditions", "NotOnOrAfter"}}

// editAssertion obeys purpose CODE, reason TEXT, secret, claim NAME TEXT, unclaim NAME, code NAME N CODE SYSTEM, and assertion KEY VALUE.
func (s *story) editAssertion(dom *node, line string) error {
	verb, rest, _ := strings.Cut(line, " ")
	words := strings.Fields(rest)
	switch verb {
	case "purpose":
		attributeOf(dom, "purposeofuse").Kids[0].Kids[0].setAttr("code", rest)
	case "reason":
		claim(dom, "Mode_Acces_Raison", rest)
	case "secret":
		claim(dom, "urn:oasis:names:tc:xspa:1.0:resource:patient:hl7:confidentiality-code", "INVISIBLE_REPRESENTANTS_LEGAUX")
	case "claim":
		name, text, _ := strings.Cut(rest, " ")
		claim(dom, name, text)
	case "unclaim":
		gone := attributeOf(dom, rest)
		if gone == nil {
			return errors.New("there is no such attribute")
		}
		dom.kid("AttributeStatement").remove(gone)
	case "code": // code NAME N CODE SYSTEM: the N-th value; a CODE - takes it out
		if len(words) < 3 || len(words[1]) != 1 {
			return errors.New("code NAME N CODE [SYSTEM]")
		}
		return codeValue(attributeOf(dom, words[0]), int(words[1][0]-'1'), words[2:])
	case "assertion":
		return editElement(dom, s.now(), words)
	}
	return nil
}

func codeValue(a *node, i int, said []string) error {
	if a == nil || i < 0 || i >= len(a.Kids) {
		return errors.New("there is no such value")
	}
	if said[0] == "-" {
		a.remove(a.Kids[i])
		return nil
	}
	value := a.Kids[i].Kids[0]
	value.setAttr("code", said[0])
	if len(said) > 1 {
		value.setAttr("codeSystem", said[1])
	}
	return nil
}

// claim sets an attribute of text, or adds it.
func claim(dom *node, name, text string) {
	a := attributeOf(dom, name)
	if a == nil {
		a = saml("Attribute", "Name", name)
		value := saml("AttributeValue")
		a.Kids = []*node{value}
		list := dom.kid("AttributeStatement")
		list.Kids = append(list.Kids, a)
	}
	a.Kids[0].Text = text
}

func saml(local string, attrs ...string) *node {
	n := rim(local, attrs...)
	n.Name.Space = "saml2"
	return n
}

// editElement sets what is no attribute of the person: a time in seconds from now, id, issuer, person, audience, class, confirmation; - takes it out.
func editElement(dom *node, now time.Time, words []string) error {
	if len(words) < 2 {
		return errors.New("assertion KEY VALUE")
	}
	key, value := words[0], strings.Join(words[1:], " ")
	if at, ok := instants[key]; ok {
		var seconds int
		if _, err := fmt.Sscan(value, &seconds); err != nil {
			return err
		}
		on := dom
		if at[0] == "Conditions" && dom.kid("Conditions") == nil {
			dom.insertAfter(dom.kid("Subject"), saml("Conditions"))
		}
		if at[0] != "" {
			on = dom.kid(at[0])
		}
		on.setAttr(at[1], stamp(now, time.Duration(seconds)*time.Second))
		return nil
	}
	switch key {
	case "id":
		dom.setAttr("ID", value)
	case "issuer":
		dom.kid("Issuer").Text = value
	case "issuer-format":
		dom.kid("Issuer").setAttr("Format", value)
	case "person":
		dom.at("Subject", "NameID").Text = value
	case "audience":
		conditions := dom.kid("Conditions")
		if conditions == nil {
			conditions = saml("Conditions")
			dom.insertAfter(dom.kid("Subject"), conditions)
		}
		conditions.Kids = nil
		if value != "-" {
			one, restriction := saml("Audience"), saml("AudienceRestriction")
			one.Text, restriction.Kids = value, []*node{one}
			conditions.Kids = []*node{restriction}
		}
	case "confirmation":
		subject := dom.kid("Subject")
		subject.remove(subject.kid("SubjectConfirmation"))
		if value != "-" {
			subject.Kids = append(subject.Kids, saml("SubjectConfirmation", "Method", value))
		}
	case "authentication":
		dom.remove(dom.kid("AuthnStatement"))
	default:
		return fmt.Errorf("%s cannot be set", key)
	}
	return nil
}

// sign puts an enveloped signature behind the issuer [SAML core 5.4]; canonical form and digest are another's code than the product's.
func (s *story) sign(text, by, forge string) (string, error) {
	if forge == "unsigned" {
		return text, nil
	}
	k, err := s.r.SUT.People.signer(by)
	if err != nil {
		return "", err
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromString(text); err != nil {
		return "", err
	}
	ctx, err := dsig.NewSigningContext(k.key, [][]byte{k.certificate.Raw})
	if err != nil {
		return "", err
	}
	ctx.Canonicalizer, ctx.IdAttribute = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList(""), "ID"
	if forge == "sha1" {
		if err := ctx.SetSignatureMethod(dsig.RSASHA1SignatureMethod); err != nil {
			return "", err
		}
	}
	sig, err := ctx.ConstructSignature(doc.Root(), true)
	if err != nil {
		return "", err
	}
	doc.Root().InsertChildAt(1, sig)
	return doc.WriteToString()
}

// forgeries change an assertion that was signed. Those that are done elsewhere leave it as it is.
var forgeries = map[string]func(string) string{
	"unsigned": asIs,
	"sha1":     asIs,
	"doctype":  asIs,
	"altered":  func(a string) string { return strings.Replace(a, "<saml2:NameID", `<saml2:NameID Format="urn:x"`, 1) },
	"digest":   func(a string) string { return flip(a, "<ds:DigestValue>") },
	"value":    func(a string) string { return flip(a, "<ds:SignatureValue>") },
	"keyless":  func(a string) string { return between(a, "<ds:KeyInfo>", "</ds:KeyInfo>", "") },
	"twice":    func(a string) string { return a + a },
	"whole-document": func(a string) string {
		return between(a, `URI="#`, `"`, `URI=""`)
	},
	"wrapped": func(a string) string { // what was signed stands within the signature of another assertion
		signature, plain := apart(a)
		return beside(renamed(plain), strings.Replace(signature, "</ds:Signature>", "<ds:Object>"+plain+"</ds:Object></ds:Signature>", 1))
	},
	"advised": func(a string) string { // within another assertion, with its own signature
		_, plain := apart(a)
		return strings.Replace(renamed(plain), "<saml2:AuthnStatement", "<saml2:Advice>"+a+"</saml2:Advice><saml2:AuthnStatement", 1)
	},
	"followed": func(a string) string { // before another assertion that is not signed
		_, plain := apart(a)
		return a + renamed(plain)
	},
	"comment": func(a string) string { return strings.Replace(a, "</saml2:NameID>", "<!-- -->9</saml2:NameID>", 1) },
	"weak-transform": func(a string) string {
		return strings.Replace(a, `<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>`, `<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"/>`, 1)
	},
	"hmac": func(a string) string {
		return strings.Replace(a, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2000/09/xmldsig#hmac-sha1", 1)
	},
}

func asIs(a string) string { return a }

// flip changes the first letter behind a mark.
func flip(a, mark string) string {
	i := strings.Index(a, mark) + len(mark)
	c := "A"
	if a[i] == 'A' {
		c = "B"
	}
	return a[:i] + c + a[i+1:]
}

// between puts another text in the place of what lies from one mark to the next.
func between(a, from, to, text string) string {
	before, rest, _ := strings.Cut(a, from)
	_, after, _ := strings.Cut(rest, to)
	return before + text + after
}

// apart takes the signature out.
func apart(a string) (signature, plain string) {
	from, to := strings.Index(a, "<ds:Signature "), strings.Index(a, "</ds:Signature>")+len("</ds:Signature>")
	return a[from:to], a[:from] + a[to:]
}

// renamed is an assertion that was made up from another: with its own identifier, about another patient.
func renamed(plain string) string {
	return strings.Replace(between(plain, ` ID="`, `"`, ` ID="_forged"`), "<saml2:NameID>", "<saml2:NameID>8", 1)
}

// beside puts a signature where it belongs.
func beside(plain, signature string) string {
	return strings.Replace(plain, "</saml2:Issuer>", "</saml2:Issuer>"+signature, 1)
}

// kept makes a text once: when a tape plays, it is what was made when it was recorded, for who judges evidence has no key.
func (t *tape) kept(produce func() (string, error)) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.playing {
		if t.madeRead == len(t.made) {
			return "", errTapeEnded
		}
		t.madeRead++
		return t.made[t.madeRead-1], nil
	}
	text, err := produce()
	if err == nil {
		t.made = append(t.made, text)
	}
	return text, err
}

// named are the forms in which metadata name somebody: XCN and XON.
func (p Professional) named(kind string) string {
	given, family, _ := strings.Cut(p.Name, " ")
	if kind == "author" {
		return p.ID + "^" + family + "^" + given + "^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS"
	}
	return "Structure d'essai^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^" + p.Structure
}

// wrote makes somebody the author of all that a submission holds so far.
func (b *submission) wrote(name string) error {
	p, known := b.s.r.SUT.People.Professionals[name]
	if !known {
		return fmt.Errorf("the description of the system knows nobody called %s", name)
	}
	for _, o := range b.objects {
		if o.kind == "Association" || o.kind == "Folder" {
			continue
		}
		for _, author := range o.find("author") {
			author.Kids = slices.DeleteFunc(author.Kids, func(k *node) bool { return k.attr("name") == "authorPerson" || k.attr("name") == "authorInstitution" })
			author.Kids = append([]*node{slot("authorPerson", p.named("author")), slot("authorInstitution", p.named("institution"))}, author.Kids...)
		}
	}
	return nil
}
