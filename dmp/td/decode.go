package td

import (
	"slices"
	"strings"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/wire/hl7v2"
	"github.com/passerelle-sante/passerelle/wire/hl7v3"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// Message is a message of the registration service.
type Message struct {
	Header  hl7v3.Header
	Reason  Reason
	Patient hl7.CX
	QueryID hl7v3.II // of a query

	// Of a registration:
	Status          string // active or terminated
	Person          pix.Demographics
	Observations    map[string]bool // administrative observations that are true or false, by code
	Representatives []Representative
	Closing         string // code of the reason of closing

	sender *hl7v3.Node // told again as the receiver of the answer
}

// Representative is a person who acts for the patient, as personalRelationship names him.
type Representative struct {
	ID       hl7.CX
	Name     string
	Code     string // of the relationship
	Guardian bool
}

// guardians are the codes of relationships that a judge made; others are a parent's.
var guardians = []string{"GUARD", "TUTEUR"}

// DecodePatientQuery reads PRPA_IN201307UV02: the existence test (TD0.2) or the administrative data (TD1.3a). Errors are *hl7v3.Error, or of XML; the message
// is filled as far as it was read.
func DecodePatientQuery(x *xmlpull.Reader) (Message, error) {
	m, n, err := read(x, askPatient)
	if err != nil {
		return m, err
	}
	q := n.At("controlActProcess", "queryByParameter")
	at := "/" + askPatient + "/controlActProcess/queryByParameter"
	if m.QueryID = q.At("queryId").II(); m.QueryID.IsNull() {
		return m, missing(at + "/queryId")
	}
	if q.At("statusCode").Attr("code") != "new" {
		return m, &hl7v3.Error{Location: at + "/statusCode", Reason: "status code is not new"}
	}
	if value := q.At("parameterList", "patientIdentifier", "value").II(); value.IsNull() || value.Extension == "" {
		return m, missing(at + "/parameterList/patientIdentifier/value")
	} else {
		m.Patient = value.CX()
	}
	return m, nil
}

// DecodeRegistration reads PRPA_IN201311UV02 (TD1.1, TD1.2) or PRPA_IN201314UV02 (TD1.3b, TD1.4).
func DecodeRegistration(x *xmlpull.Reader) (Message, error) {
	m, n, err := read(x, askAdd, askRevise)
	if err != nil {
		return m, err
	}
	at := "/" + m.Header.Interaction + "/controlActProcess/subject/registrationRequest/subject1/patient"
	p := n.At("controlActProcess", "subject", "registrationRequest", "subject1", "patient")
	ids := p.All("id")
	if len(ids) > 1 {
		return m, &hl7v3.Error{Location: at + "/id", Reason: "more than one identifier"}
	}
	if id := ids[0].II(); id.IsNull() || id.Extension == "" {
		return m, missing(at + "/id")
	} else {
		m.Patient = id.CX()
	}
	m.Status = p.At("statusCode").Attr("code")
	if want := map[bool]string{true: "terminated", false: "active"}[m.Reason == Close]; m.Status != want {
		return m, &hl7v3.Error{Location: at + "/statusCode", Reason: "status code is not " + want}
	}
	m.person(p.At("patientPerson"))
	if err := m.observations(p.All("subjectOf"), at+"/subjectOf/administrativeObservation"); err != nil {
		return m, err
	}
	return m, m.closing(n.At("controlActProcess").All("reasonOf"))
}

// read reads one of the interactions and checks its wrapper.
func read(x *xmlpull.Reader, names ...string) (Message, *hl7v3.Node, error) {
	r, err := hl7v3.NewReader(x)
	if err != nil {
		return Message{}, nil, err
	}
	if !slices.Contains(names, x.Local()) {
		return Message{}, nil, r.Wrong("interaction is not " + strings.Join(names, " or "))
	}
	name := strings.Clone(x.Local())
	n, err := grammar.Read(r, name)
	m := Message{Header: n.Header(), sender: n.At("sender", "device")}
	m.Reason = Reason(n.At("controlActProcess", "reasonCode").Attr("code"))
	if err != nil {
		return m, nil, err
	}
	h := m.Header
	reason := n.At("controlActProcess", "reasonCode")
	switch {
	case h.ID.IsNull():
		return m, nil, missing("/" + name + "/id")
	case h.InteractionID != hl7v3.II{Root: hl7v3.InteractionRoot, Extension: name}:
		return m, nil, &hl7v3.Error{Location: "/" + name + "/interactionId", Reason: "it is not that of the interaction"}
	case !slices.Contains([]string{"P", "D", "T"}, h.ProcessingCode):
		return m, nil, &hl7v3.Error{Location: "/" + name + "/processingCode", Reason: "code is not P, D or T"}
	case h.ProcessingMode != "T":
		return m, nil, &hl7v3.Error{Location: "/" + name + "/processingModeCode", Reason: "code is not T"}
	case !slices.Contains(reasons[name], m.Reason) || reason.Attr("codeSystem") != codes["reason"][string(m.Reason)].System:
		return m, nil, &hl7v3.Error{Location: "/" + name + "/controlActProcess/reasonCode", Reason: "reason is not one of this interaction"}
	}
	return m, n, nil
}

func missing(at string) error {
	return &hl7v3.Error{Location: at, Reason: "value is missing", Missing: true}
}

func (m *Message) closing(reasons []*hl7v3.Node) error {
	if m.Reason != Close {
		return nil
	}
	at := "/" + m.Header.Interaction + "/controlActProcess/reasonOf/detectedIssueEvent/code"
	if len(reasons) != 1 {
		return missing(at)
	}
	code := reasons[0].At("detectedIssueEvent", "code")
	known, ok := codes["closing"][code.Attr("code")]
	if !ok || known.System != code.Attr("codeSystem") {
		return &hl7v3.Error{Location: at, Reason: "code is not a reason of closing"}
	}
	m.Closing = known.Code
	return nil
}

// observations keeps those that say true or false. One that is not known is refused: what it asks for would be lost.
func (m *Message) observations(list []*hl7v3.Node, at string) error {
	m.Observations = map[string]bool{}
	for _, s := range list {
		o := s.At("administrativeObservation")
		known, ok := codes["observation"][o.At("code").Attr("code")]
		if !ok || known.System != o.At("code").Attr("codeSystem") {
			return &hl7v3.Error{Location: at + "/code", Reason: "code is not an observation that is known"}
		}
		v := o.At("value")
		if _, again := m.Observations[known.Code]; again {
			return &hl7v3.Error{Location: at + "/code", Reason: "observation is there twice"}
		}
		if v == nil || v.Type != "BL" || v.Attr("value") == "" {
			return &hl7v3.Error{Location: at + "/value", Reason: "value is not true or false"}
		}
		m.Observations[known.Code] = v.Attr("value") == "true"
	}
	return nil
}

// sexes maps AdministrativeGender to table 0001.
var sexes = map[string]string{"M": "M", "F": "F", "UN": "O"}

func (m *Message) person(p *hl7v3.Node) {
	d := &m.Person
	for _, n := range p.All("name") {
		d.Names = append(d.Names, names(n)...)
	}
	for _, t := range p.All("telecom") {
		if mail, ok := strings.CutPrefix(t.Attr("value"), "mailto:"); ok {
			d.Telecoms = append(d.Telecoms, components("", "NET", "Internet", mail))
		} else if number := strings.TrimPrefix(t.Attr("value"), "tel:"); number != "" {
			d.Telecoms = append(d.Telecoms, components(number))
		}
	}
	d.Sex = sexes[p.At("administrativeGenderCode").Attr("code")]
	if birth := p.At("birthTime").Attr("value"); pix.IsBirthDate(birth) {
		d.BirthDate = birth
	}
	for _, a := range p.All("addr") {
		part := func(name string) string { return texts(a.All(name)) }
		d.Addresses = append(d.Addresses, components(part("streetAddressLine"), part("additionalLocator"), part("city"), part("state"), part("postalCode"), part("country")))
	}
	for _, r := range p.All("personalRelationship") {
		h := r.At("relationshipHolder1")
		one := Representative{Code: r.At("code").Attr("code"), Guardian: slices.Contains(guardians, r.At("code").Attr("code"))}
		if id := h.At("id").II(); !id.IsNull() {
			one.ID = id.CX()
		}
		one.Name = strings.TrimSpace(texts(h.At("name").All("given")) + " " + texts(h.At("name").All("family")))
		m.Representatives = append(m.Representatives, one)
	}
}

// names makes XPN of a name: of birth (L), unless only a usual family name (SP) is told, and the usual one (D).
func names(n *hl7v3.Node) []hl7.XPN {
	family := map[string]string{}
	for _, f := range n.All("family") {
		family[f.Attr("qualifier")] = f.Content()
	}
	birth := family["BR"]
	if birth == "" {
		birth = family[""]
	}
	given, prefix := n.All("given"), texts(n.All("prefix"))
	first, rest := "", ""
	if len(given) > 0 {
		first, rest = given[0].Content(), texts(given[1:])
	}
	var list []hl7.XPN
	if birth != "" {
		list = append(list, hl7.XPN(components(birth, first, rest, "", prefix, "", "L")))
	}
	if usual := family["SP"]; usual != "" {
		list = append(list, hl7.XPN(components(usual, first, "", "", prefix, "", "D")))
	}
	return list
}

func texts(nodes []*hl7v3.Node) string {
	var all []string
	for _, n := range nodes {
		all = append(all, n.Content())
	}
	return strings.TrimSpace(strings.Join(all, " "))
}

// components writes them in the standard delimiters and cuts empty ones off the end.
func components(list ...string) string {
	d := hl7v2.Standard()
	for i, c := range list {
		list[i] = d.EscapeText(c)
	}
	return strings.TrimRight(strings.Join(list, "^"), "^")
}
