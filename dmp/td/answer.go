package td

import (
	"strconv"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/wire/hl7v2"
	"github.com/passerelle-sante/passerelle/wire/hl7v3"
)

// Origin is what our messages say of where they come from.
type Origin struct {
	Time         time.Time
	ID           string // of the message
	Device, Name string // our OID and what we are called
}

// Answer is what became of a message. Code is empty when it was done.
type Answer struct {
	Code, Text, Location string // why it was not
	Found                bool   // there is a record; without one the rest is nothing
	Status               string // active or terminated
	Authorization        string
	Attending            bool
	Closed               time.Time // of a closed record
	Closing              string
	IDs                  []hl7.CX
	Person               pix.Demographics
	Observations         []Observation
	Representatives      []Representative
}

// Observation is an administrative observation that is true or false.
type Observation struct {
	Code  string
	Value bool
}

func el(name string, attrs []hl7v3.NodeAttr, kids ...*hl7v3.Node) *hl7v3.Node {
	n := &hl7v3.Node{Name: name, Attrs: attrs}
	for _, k := range kids {
		if k != nil {
			n.Kids = append(n.Kids, k)
		}
	}
	return n
}

// at lists attributes: names and values in turn. One without value is left out.
func at(pairs ...string) []hl7v3.NodeAttr {
	var list []hl7v3.NodeAttr
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			list = append(list, hl7v3.NodeAttr{Name: pairs[i], Value: pairs[i+1]})
		}
	}
	return list
}

func textEl(name string, attrs []hl7v3.NodeAttr, text string) *hl7v3.Node {
	return el(name, attrs, &hl7v3.Node{Text: text})
}

func typed(name, typ string, attrs []hl7v3.NodeAttr) *hl7v3.Node {
	return &hl7v3.Node{Name: name, Type: typ, Attrs: attrs}
}

func coded(name, table, code string) *hl7v3.Node {
	c, ok := codes[table][code]
	if !ok {
		c = Code{Code: code}
	}
	return el(name, at("code", c.Code, "codeSystem", c.System, "displayName", c.Display))
}

func ii(name string, i hl7v3.II) *hl7v3.Node {
	return el(name, at("extension", i.Extension, "root", i.Root, "nullFlavor", i.NullFlavor))
}

func boolean(v bool) []hl7v3.NodeAttr { return at("value", strconv.FormatBool(v)) }

// AppendPatient prints the answer to a query: PRPA_IN201308UV02.
func AppendPatient(dst []byte, m Message, a Answer, o Origin) []byte {
	n := m.wrap(tellPatient, a, o)
	found := a.Found && a.Code == ""
	if found && m.Reason == TestExistence {
		value := codes["authorization"][a.Authorization]
		n.Kids = append(n.Kids,
			el("attentionLine", nil, coded("keyWordText", "keyword", "AUTORISATION"), typed("value", "CV", at("code", a.Authorization, "codeSystem", value.System))),
			el("attentionLine", nil, coded("keyWordText", "keyword", "STATUT_MT"), typed("value", "BL", boolean(a.Attending))))
	}
	n.Kids = append(n.Kids, m.acknowledgement(a))
	act := el("controlActProcess", at("classCode", "CACT", "moodCode", "EVN"), m.reason())
	code := "NF"
	if a.Code != "" {
		code = "AE"
	} else if found {
		code = "OK"
		act.Kids = append(act.Kids, a.subject(a.told(), o))
	}
	act.Kids = append(act.Kids, el("queryAck", nil, ii("queryId", m.QueryID), el("queryResponseCode", at("code", code))))
	n.Kids = append(n.Kids, act)
	return n.Append(dst)
}

// AppendRegistered prints the answer to a registration: PRPA_IN201312UV02 or PRPA_IN201315UV02 when it was done, PRPA_IN201313UV02 or PRPA_IN201316UV02 when not,
// in the element that the service puts around them.
func AppendRegistered(dst []byte, m Message, a Answer, o Origin) []byte {
	around, name := askAdd, tellAdded
	switch {
	case m.Header.Interaction == askRevise && a.Code == "":
		around, name = askRevise, tellRevised
	case m.Header.Interaction == askRevise:
		around, name = askRevise, refuseRevise
	case a.Code != "":
		name = refuseAdd
	}
	n := m.wrap(name, a, o)
	act := el("controlActProcess", at("classCode", "CACT", "moodCode", "EVN"), m.reason())
	if a.Code == "" {
		act.Kids = append(act.Kids, a.subject(el("patient", at("classCode", "PAT"), el("statusCode", at("code", a.Status)),
			el("patientPerson", at("classCode", "PSN", "determinerCode", "INSTANCE"), familyFirst(name3(&a.Person)))), o))
	}
	n.Kids = append(n.Kids, m.acknowledgement(a), act)
	dst = append(dst, `<ns2:`+around+`_Response xmlns="`+hl7v3.NS+`" xmlns:ns2="`+NSRegistration+`">`...)
	dst = n.Append(dst)
	return append(dst, `</ns2:`+around+`_Response>`...)
}

// wrap is an answer up to its sender.
func (m *Message) wrap(name string, a Answer, o Origin) *hl7v3.Node {
	receiver := el("device", at("classCode", "DEV", "determinerCode", "INSTANCE"))
	for _, id := range m.sender.All("id") {
		receiver.Kids = append(receiver.Kids, ii("id", id.II()))
	}
	if s := m.sender.At("softwareName"); s != nil {
		receiver.Kids = append(receiver.Kids, textEl("softwareName", nil, s.Content()))
	}
	if len(receiver.Kids) == 0 {
		receiver.Kids = append(receiver.Kids, el("id", at("nullFlavor", "NI")))
	}
	attrs := at("ITSVersion", "XML_1.0")
	id := hl7v3.II{Root: o.Device + ".1", Extension: o.ID}
	if name == tellPatient {
		attrs, id = at("ITSVersion", "XML_1.0", "xmlns", hl7v3.NS), hl7v3.II{Root: o.ID}
	}
	return el(name, attrs, ii("id", id), el("creationTime", at("value", o.Time.UTC().Format("20060102150405"))),
		el("interactionId", at("extension", name, "root", hl7v3.InteractionRoot)), el("processingCode", at("code", "P")), el("processingModeCode", at("code", "T")),
		el("acceptAckCode", at("code", "NE")), el("receiver", at("typeCode", "RCV"), receiver),
		el("sender", at("typeCode", "SND"), el("device", at("classCode", "DEV", "determinerCode", "INSTANCE"), ii("id", hl7v3.II{Root: o.Device}), textEl("softwareName", nil, o.Name))))
}

func (m *Message) acknowledgement(a Answer) *hl7v3.Node {
	n := el("acknowledgement", at("typeCode", "AA"), el("targetMessage", nil, ii("id", m.Header.ID)))
	if a.Code == "" {
		return n
	}
	n.Attrs = at("typeCode", "AE")
	detail := el("acknowledgementDetail", at("typeCode", "E"), el("code", at("code", a.Code, "codeSystem", statuses)), textEl("text", nil, a.Text))
	if a.Location != "" {
		detail.Kids = append(detail.Kids, textEl("location", nil, a.Location))
	}
	n.Kids = append(n.Kids, detail)
	return n
}

func (m *Message) reason() *hl7v3.Node {
	if _, known := codes["reason"][string(m.Reason)]; !known {
		return nil // of a message that could not be read
	}
	return coded("reasonCode", "reason", string(m.Reason))
}

// subject is the registration event, kept by us.
func (a *Answer) subject(patient *hl7v3.Node, o Origin) *hl7v3.Node {
	return el("subject", at("contextConductionInd", "false", "typeCode", "SUBJ"), el("registrationEvent", at("classCode", "REG", "moodCode", "EVN"),
		el("statusCode", at("code", "completed")), el("subject1", at("typeCode", "SBJ"), patient),
		el("custodian", at("typeCode", "CST"), el("assignedEntity", at("classCode", "ASSIGNED"), ii("id", hl7v3.II{Root: o.Device})))))
}

// told is the patient of an answer to a query, with all that is known of him.
func (a *Answer) told() *hl7v3.Node {
	p := el("patient", at("classCode", "PAT"))
	for _, id := range a.IDs {
		p.Kids = append(p.Kids, ii("id", hl7v3.II{Root: id.AssigningAuthority.UniversalID, Extension: id.ID}))
	}
	p.Kids = append(p.Kids, el("statusCode", at("code", a.Status)), a.person())
	observe := func(code string, value *hl7v3.Node) {
		p.Kids = append(p.Kids, el("subjectOf", at("typeCode", "SBJ"), el("administrativeObservation", at("classCode", "OBS", "moodCode", "EVN"), coded("code", "observation", code), value)))
	}
	for _, o := range a.Observations {
		observe(o.Code, typed("value", "BL", boolean(o.Value)))
	}
	if !a.Closed.IsZero() {
		p.Kids = append(p.Kids, el("subjectOf", at("typeCode", "SBJ"), el("administrativeObservation", at("classCode", "OBS", "moodCode", "EVN"),
			coded("code", "closing", a.Closing), typed("value", "TS", at("value", a.Closed.UTC().Format("20060102150405"))))))
	}
	return p
}

func (a *Answer) person() *hl7v3.Node {
	d := &a.Person
	n := el("patientPerson", at("classCode", "PSN", "determinerCode", "INSTANCE"), name3(d))
	for _, t := range d.Telecoms {
		n.Kids = append(n.Kids, telecom(t))
	}
	if code := map[string]string{"M": "M", "F": "F", "O": "UN", "A": "UN"}[d.Sex]; code != "" {
		n.Kids = append(n.Kids, el("administrativeGenderCode", at("code", code)))
	}
	if birth := d.BirthDate[:min(len(d.BirthDate), 8)]; birth != "" {
		n.Kids = append(n.Kids, el("birthTime", at("value", birth)))
	}
	for _, r := range a.Representatives {
		holder := el("relationshipHolder1", at("classCode", "PSN", "determinerCode", "INSTANCE"))
		if !r.ID.IsZero() {
			holder.Kids = append(holder.Kids, ii("id", hl7v3.II{Root: r.ID.AssigningAuthority.UniversalID, Extension: r.ID.ID}))
		}
		if r.Name != "" {
			holder.Kids = append(holder.Kids, el("name", nil, &hl7v3.Node{Text: r.Name}))
		}
		code := "PRN"
		if r.Guardian {
			code = guardians[0]
		}
		n.Kids = append(n.Kids, el("personalRelationship", at("classCode", "PRS"), el("code", at("code", code)), holder))
	}
	return n
}

// name3 is the name a patient goes by: the usual one where there is one, else that of birth.
func name3(d *pix.Demographics) *hl7v3.Node {
	t := d.Traits()
	n := el("name", nil)
	for _, x := range d.Names {
		if prefix := plain(x.Component(5)); prefix != "" {
			n.Kids = append(n.Kids, textEl("prefix", nil, prefix))
			break
		}
	}
	given := t.UsualGiven
	if given == "" {
		given = t.FirstGiven()
	}
	if given != "" {
		n.Kids = append(n.Kids, textEl("given", nil, given))
	}
	if t.BirthName != "" && t.BirthName != t.UsualName {
		n.Kids = append(n.Kids, textEl("family", at("qualifier", "BR"), t.BirthName))
	}
	if t.UsualName != "" {
		n.Kids = append(n.Kids, textEl("family", at("qualifier", "SP"), t.UsualName))
	}
	if len(n.Kids) == 0 {
		n.Attrs = at("nullFlavor", "UNK")
	}
	return n
}

// familyFirst is the order in which answers to registrations tell a name.
func familyFirst(n *hl7v3.Node) *hl7v3.Node {
	var ordered []*hl7v3.Node
	for _, part := range []string{"prefix", "family", "given"} {
		ordered = append(ordered, n.All(part)...)
	}
	return &hl7v3.Node{Name: n.Name, Attrs: n.Attrs, Kids: ordered}
}

// telecom prints XTN. Numbers of mobile telephones are told as such: those are what messages with one-time codes go to.
func telecom(t string) *hl7v3.Node {
	x := hl7.XTN(t)
	if mail := plain(x.Component(4)); mail != "" {
		return el("telecom", at("value", "mailto:"+uri(mail)))
	}
	number := plain(x.Component(1))
	if number == "" {
		number = plain(x.Component(12))
	}
	if number = uri(number); number == "" {
		return nil
	}
	use := ""
	if x.Component(3) == "CP" || x.Component(2) == "PRS" {
		use = "MC"
	}
	return el("telecom", at("use", use, "value", "tel:"+number))
}

// uri leaves out what a URI cannot hold.
func uri(s string) string {
	return strings.Map(func(r rune) rune {
		if r > ' ' && r < 0x7f && !strings.ContainsRune(`<>"{}|\^%[]#`+"`", r) {
			return r
		}
		return -1
	}, s)
}

func plain(s string) string {
	d := hl7v2.Standard()
	return strings.TrimSpace(d.UnescapeText(s))
}
