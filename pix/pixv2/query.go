package pixv2

import (
	"slices"
	"strconv"
	"strings"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/wire/hl7v2"
)

// Query is a question in HL7 v2.
type Query struct {
	Transaction string // ITI-9, ITI-21 or ITI-22
	MessageID   string
	Raw         []byte // QPD as it came, in UTF-8, for the audit record

	ID       hl7.CX       // of ITI-9
	Criteria pix.Criteria // of ITI-21 and ITI-22
	Wanted   []hl7.HD     // the domains whose identifiers are wanted; none: all
	Max      int          // candidates of a page; 0: as many as we like
	After    string       // DSC-1 of the page before
	Cancel   bool         // QCN^J01: the rest of an answer is not wanted
}

// kind is what is particular to a query.
type kind struct {
	transaction string
	answer      string // MSH-9 of the answer
	wanted      int    // QPD field of the domains that are wanted
	read        func(q *Query, qpd hl7v2.Segment, domains []pix.Domain) error
}

// kinds is the table of the queries by trigger event: [ITI-9 3.9.4.1] [ITI-21 3.21.4.1] [ITI-22 3.22.4.1].
var kinds = map[string]kind{
	"Q23": {"ITI-9", "RSP^K23^RSP_K23", 4, readCrossReference},
	"Q22": {"ITI-21", "RSP^K22^RSP_K21", 8, readDemographics},
	"ZV1": {"ITI-22", "RSP^ZV2^RSP_ZV2", 8, readVisits},
}

// visitQuery is QPD-1 of ITI-22, by which a cancellation says that it is one.
const visitQuery = "IHE PDVQ Query"

// queryVersions are those whose QPD and RCP read alike; the profile asks for 2.5.
var queryVersions = []string{"2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.1", "2.8.2"}

const (
	maxCriteria = 32 // repetitions of QPD-3
	maxWanted   = 64 // domains
)

// Queries tells whether a message is a question, and not a feed.
func Queries(m *hl7v2.Message) bool {
	c := m.MSH().Field(9).Value()
	return c == "QBP" || c == "QCN"
}

// Transaction names what a query is, as far as its event says so.
func Transaction(m *hl7v2.Message) string {
	if k, ok := kinds[m.MSH().Field(9).Repetition(1).Component(2).Value()]; ok {
		return k.transaction
	}
	return "ITI-21"
}

// DecodeQuery reads a query. What it could read comes with an error too. Errors are *pix.Error.
func DecodeQuery(m *hl7v2.Message, domains []pix.Domain) (Query, error) {
	msh := m.MSH()
	qpd, there := m.First("QPD")
	q := Query{Transaction: Transaction(m), MessageID: msh.Field(10).Value()}
	if there {
		q.Raw = []byte(qpd.Text())
	}
	event := msh.Field(9).Repetition(1)
	if e := headed(msh, queryVersions); e != nil {
		return q, e
	}
	if event.Component(1).Value() == "QCN" {
		return cancel(q, m)
	}
	k, ok := kinds[event.Component(2).Value()]
	switch {
	case !ok:
		return q, refuse(pix.CodeUnsupportedEvent, pix.AtEvent, 0, "event is not Q22, Q23 or ZV1")
	case !there:
		return q, refuse(pix.CodeRequiredMissing, pix.AtQuery, 0, "QPD segment is missing")
	case qpd.Field(1).Value() == "":
		return q, located("QPD^1^1", pix.CodeRequiredMissing, "message query name is missing")
	case qpd.Field(2).Value() == "":
		return q, located("QPD^1^2", pix.CodeRequiredMissing, "query tag is missing")
	}
	if err := k.read(&q, qpd, domains); err != nil {
		return q, err
	}
	if err := q.wanted(qpd.Field(k.wanted), k.wanted, domains); err != nil {
		return q, err
	}
	return q, q.controlled(m)
}

// headed checks what every message says of itself.
func headed(msh hl7v2.Segment, versions []string) *pix.Error {
	switch {
	case !slices.Contains(versions, msh.Field(12).Value()):
		return refuse(pix.CodeUnsupportedVersion, pix.AtVersion, 0, "version is not one of "+strings.Join(versions, ", "))
	case !slices.Contains([]string{"P", "T", "D"}, msh.Field(11).Value()):
		return refuse(pix.CodeUnsupportedMode, pix.AtProcessing, 0, "processing id is not P, T or D")
	case msh.Field(10).Value() == "":
		return refuse(pix.CodeRequiredMissing, pix.AtMessageID, 0, "message control id is missing")
	}
	return nil
}

// located is a refusal at a place that the codec knows.
func located(location string, code pix.ErrorCode, text string) *pix.Error {
	e := refuse(code, pix.AtQuery, 0, text)
	e.Location = location
	return e
}

// cancel is QCN^J01 [ITI-21 3.21.4.3].
func cancel(q Query, m *hl7v2.Message) (Query, error) {
	qid, _ := m.First("QID")
	switch {
	case m.MSH().Field(9).Repetition(1).Component(2).Value() != "J01":
		return q, refuse(pix.CodeUnsupportedEvent, pix.AtEvent, 0, "event is not J01")
	case qid.Field(1).Value() == "":
		return q, located("QID^1^1", pix.CodeRequiredMissing, "query tag is missing")
	case qid.Field(2).Value() == "":
		return q, located("QID^1^2", pix.CodeRequiredMissing, "message query name is missing")
	}
	if q.Cancel, q.Raw = true, []byte(qid.Text()); qid.Field(2).Value() == visitQuery {
		q.Transaction = "ITI-22"
	}
	return q, nil
}

// wanted reads the domains whose identifiers are wanted: CX with nothing but an authority [ITI-9 3.9.4.1.2.3].
func (q *Query) wanted(f hl7v2.Field, field int, domains []pix.Domain) error {
	n := f.Repetitions()
	if n > maxWanted {
		return located("QPD^1^"+strconv.Itoa(field), pix.CodeDataType, "more than "+strconv.Itoa(maxWanted)+" repetitions")
	}
	for i := 1; i <= n; i++ {
		q.Wanted = append(q.Wanted, authority(f.Repetition(i).Component(4), domains))
	}
	return nil
}

func authority(c hl7v2.Component, domains []pix.Domain) hl7.HD {
	return pix.Named(domains, hl7.HD{NamespaceID: c.Subcomponent(1), UniversalID: c.Subcomponent(2), UniversalIDType: c.Subcomponent(3)})
}

// controlled reads RCP and DSC: how much is wanted at once, and where to go on. Answers come at once, never later.
func (q *Query) controlled(m *hl7v2.Message) error {
	rcp, there := m.First("RCP")
	if !there {
		return located("RCP^1", pix.CodeRequiredMissing, "RCP segment is missing")
	}
	if p := rcp.Field(1).Value(); p != "" && p != "I" {
		return located("RCP^1^1", pix.CodeTableValue, "query priority is not I")
	}
	dsc, _ := m.First("DSC")
	q.After = dsc.Field(1).Value()
	limit := rcp.Field(2).Repetition(1)
	if limit.Text() == "" || q.Transaction == "ITI-9" {
		return nil
	}
	if unit := limit.Component(2).Value(); unit != "" && unit != "RD" {
		return located("RCP^1^2^1^2", pix.CodeTableValue, "quantity is not counted in RD")
	}
	n, err := strconv.Atoi(limit.Component(1).Value())
	if err != nil || n < 1 {
		return located("RCP^1^2^1^1", pix.CodeDataType, "quantity is not a number from 1")
	}
	q.Max = n
	return nil
}

// readCrossReference is QPD of ITI-9 [ITI-9 3.9.4.1.2.2].
func readCrossReference(q *Query, qpd hl7v2.Segment, domains []pix.Domain) error {
	f := qpd.Field(3)
	if f.Repetitions() > 1 {
		return located("QPD^1^3", pix.CodeDataType, "more than one patient identifier")
	}
	ids, err := identifiers(f, domains, 0, pix.AtQueryID)
	if err == nil && len(ids) == 1 {
		q.ID = ids[0]
	}
	return err
}

// parameters is the table of what a demographics query may ask for [ITI-21 3.21.4.1.2.2].
var parameters = map[string]func(c *pix.Criteria) *string{
	"PID.3.1":  func(c *pix.Criteria) *string { return &c.ID.ID },
	"PID.5.1":  func(c *pix.Criteria) *string { return &c.Family },
	"PID.5.2":  func(c *pix.Criteria) *string { return &c.Given },
	"PID.7":    func(c *pix.Criteria) *string { return &c.BirthDate },
	"PID.8":    func(c *pix.Criteria) *string { return &c.Sex },
	"PID.11.1": func(c *pix.Criteria) *string { return &c.Street },
	"PID.11.3": func(c *pix.Criteria) *string { return &c.City },
	"PID.11.4": func(c *pix.Criteria) *string { return &c.State },
	"PID.11.5": func(c *pix.Criteria) *string { return &c.PostCode },
	"PID.11.6": func(c *pix.Criteria) *string { return &c.Country },
	"PID.11.9": func(c *pix.Criteria) *string { return &c.BirthPlace },
	"PID.13.1": func(c *pix.Criteria) *string { return &c.Telecom },
	// The authority of PID.3.1, whole or in parts.
	"PID.3.4": nil, "PID.3.4.1": nil, "PID.3.4.2": nil, "PID.3.4.3": nil,
}

// visitParameters is the table of what a query for visits may ask for besides [ITI-22 3.22.4.1.2.3].
var visitParameters = map[string]func(c *pix.Criteria) *string{
	"PV1.2":      func(c *pix.Criteria) *string { return &c.Visit.Class },
	"PV1.3.1":    func(c *pix.Criteria) *string { return &c.Visit.Location[0] },
	"PV1.3.2":    func(c *pix.Criteria) *string { return &c.Visit.Location[1] },
	"PV1.3.3":    func(c *pix.Criteria) *string { return &c.Visit.Location[2] },
	"PV1.3.4":    func(c *pix.Criteria) *string { return &c.Visit.Location[3] },
	"PV1.7.1":    func(c *pix.Criteria) *string { return &c.Visit.Attending.ID },
	"PV1.7.2.1":  func(c *pix.Criteria) *string { return &c.Visit.Attending.Family },
	"PV1.7.3":    func(c *pix.Criteria) *string { return &c.Visit.Attending.Given },
	"PV1.8.1":    func(c *pix.Criteria) *string { return &c.Visit.Referring.ID },
	"PV1.8.2.1":  func(c *pix.Criteria) *string { return &c.Visit.Referring.Family },
	"PV1.8.3":    func(c *pix.Criteria) *string { return &c.Visit.Referring.Given },
	"PV1.9.1":    func(c *pix.Criteria) *string { return &c.Visit.Consulting.ID },
	"PV1.9.2.1":  func(c *pix.Criteria) *string { return &c.Visit.Consulting.Family },
	"PV1.9.3":    func(c *pix.Criteria) *string { return &c.Visit.Consulting.Given },
	"PV1.10":     func(c *pix.Criteria) *string { return &c.Visit.Service },
	"PV1.17.1":   func(c *pix.Criteria) *string { return &c.Visit.Admitting.ID },
	"PV1.17.2.1": func(c *pix.Criteria) *string { return &c.Visit.Admitting.Family },
	"PV1.17.3":   func(c *pix.Criteria) *string { return &c.Visit.Admitting.Given },
	"PV1.19.1":   func(c *pix.Criteria) *string { return &c.Visit.Number.ID },
	// The authority of PV1.19.1, whole or in parts.
	"PV1.19.4": nil, "PV1.19.4.1": nil, "PV1.19.4.2": nil, "PV1.19.4.3": nil,
}

// same are other names for the parameters.
var same = map[string]string{"PID.3": "PID.3.1", "PID.5": "PID.5.1", "PID.5.1.1": "PID.5.1", "PID.7.1": "PID.7", "PID.11.1.1": "PID.11.1", "PID.13": "PID.13.1",
	"PV1.3": "PV1.3.1", "PV1.7": "PV1.7.1", "PV1.7.2": "PV1.7.2.1", "PV1.8": "PV1.8.1", "PV1.8.2": "PV1.8.2.1", "PV1.9": "PV1.9.1", "PV1.9.2": "PV1.9.2.1",
	"PV1.17": "PV1.17.1", "PV1.17.2": "PV1.17.2.1", "PV1.19": "PV1.19.1"}

// readDemographics is QPD of ITI-21: each repetition of QPD-3 is a name and a value.
func readDemographics(q *Query, qpd hl7v2.Segment, domains []pix.Domain) error {
	f := qpd.Field(3)
	n := f.Repetitions()
	if n > maxCriteria {
		return located("QPD^1^3", pix.CodeDataType, "more than "+strconv.Itoa(maxCriteria)+" repetitions")
	}
	var patients, visits givenAuthority
	given := map[string]bool{}
	for i := 1; i <= n; i++ {
		at, r := "QPD^1^3^"+strconv.Itoa(i), f.Repetition(i)
		name, ok := strings.CutPrefix(r.Component(1).Value(), "@")
		if s := same[name]; s != "" {
			name = s
		}
		into, known := parameters[name]
		h := &patients
		if !known && q.Criteria.Visit != nil {
			into, known = visitParameters[name]
			h = &visits
		}
		switch {
		case !ok:
			return located(at+"^1", pix.CodeDataType, "parameter is not @segment.field.component")
		case !known:
			return located(at+"^1", pix.CodeTableValue, "parameter is not one that is asked by here")
		case given[name]:
			return located(at+"^1", pix.CodeDataType, "parameter comes twice")
		}
		given[name] = true
		if e := criterion(name, r.Component(2)); e != nil {
			e.Location = at + "^2"
			return e
		}
		if into != nil {
			*into(&q.Criteria) = r.Component(2).Value()
			continue
		}
		h.at = at + "^2"
		h.part(name, r.Component(2))
	}
	c := &q.Criteria
	c.BirthDate = c.BirthDate[:min(len(c.BirthDate), 8)]
	if err := patients.complete(&c.ID, domains); err != nil {
		return err
	}
	if patients.at != "" && !pix.Accepts(domains, c.ID.AssigningAuthority) {
		return located(patients.at, pix.CodeUnknownKey, "assigning authority is not one that is known here")
	}
	if c.Visit != nil {
		return visits.complete(&c.Visit.Number, domains) // the authorities of visits are the hospitals' own: none is unknown
	}
	return nil
}

// readVisits is QPD of ITI-22: that of ITI-21 with more parameters.
func readVisits(q *Query, qpd hl7v2.Segment, domains []pix.Domain) error {
	q.Criteria.Visit = &pix.VisitCriteria{}
	return readDemographics(q, qpd, domains)
}

// givenAuthority is that of an identifier that is asked for, and the place where it was given.
type givenAuthority struct {
	hl7.HD
	at string
}

// part reads component 4 of an identifier whole, or one of its parts.
func (h *givenAuthority) part(name string, c hl7v2.Component) {
	switch _, part, _ := strings.Cut(name, ".4."); part {
	case "":
		h.HD = hl7.HD{NamespaceID: c.Subcomponent(1), UniversalID: c.Subcomponent(2), UniversalIDType: c.Subcomponent(3)}
	case "1":
		h.NamespaceID = c.Value()
	case "2":
		h.UniversalID = c.Value()
	case "3":
		h.UniversalIDType = c.Value()
	}
}

// complete gives an identifier its authority.
func (h *givenAuthority) complete(id *hl7.CX, domains []pix.Domain) error {
	id.AssigningAuthority = pix.Named(domains, h.HD)
	if h.UniversalID != "" && h.UniversalIDType == "" {
		id.AssigningAuthority.UniversalIDType = "ISO" // asked for by its number alone
	}
	if h.at != "" && id.ID == "" {
		return located(h.at, pix.CodeRequiredMissing, "assigning authority without an identifier")
	}
	return nil
}

// starred are the parameters whose value may end in *, which means whatever begins so.
var starred = map[string]bool{"PID.5.1": true, "PID.5.2": true, "PID.11.1": true, "PID.11.3": true, "PID.11.4": true, "PID.11.5": true, "PID.11.6": true,
	"PV1.7.2.1": true, "PV1.7.3": true, "PV1.8.2.1": true, "PV1.8.3": true, "PV1.9.2.1": true, "PV1.9.3": true, "PV1.17.2.1": true, "PV1.17.3": true}

// criterion checks a value.
func criterion(name string, c hl7v2.Component) *pix.Error {
	v := c.Value()
	star := strings.IndexByte(v, '*')
	switch {
	case c.Text() == "":
		return refuse(pix.CodeRequiredMissing, pix.AtQuery, 0, "parameter has no value")
	case len(v) > maxID || strings.ContainsFunc(v, func(c rune) bool { return c < ' ' }):
		return refuse(pix.CodeDataType, pix.AtQuery, 0, "value is longer than "+strconv.Itoa(maxID)+" bytes or holds a control character")
	case star >= 0 && (!starred[name] || star != len(v)-1):
		return refuse(pix.CodeDataType, pix.AtQuery, 0, "* stands at the end of a name or of a part of an address, and nowhere else")
	case name == "PID.7" && !pix.IsBirthDate(v):
		return refuse(pix.CodeDataType, pix.AtQuery, 0, "birth date is not YYYY[MM[DD]]")
	case name == "PID.8" && len(v) != 1:
		return refuse(pix.CodeTableValue, pix.AtQuery, 0, "administrative sex is not one letter of table 0001")
	}
	return nil
}
