package pixv3

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/wire/hl7v3"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// The interactions of a query.
const (
	askIdentifiers  = "PRPA_IN201309UV02"
	tellIdentifiers = "PRPA_IN201310UV02"
	askPersons      = "PRPA_IN201305UV02"
	tellPersons     = "PRPA_IN201306UV02"
	continuation    = "QUQI_IN000003UV01"
	cancellation    = "QUQI_IN000003UV01_Cancel"
)

// maxQuantity bounds the number of persons that may be asked for at once, maxQuery the bytes of a query, which is told again and kept while it goes on.
const (
	maxQuantity = 1_000_000
	maxQuery    = 16 << 10
)

// Query is a question with the wrapper it came in [ITI-45 3.45.4.1.2] [ITI-47 3.47.4.1.2].
type Query struct {
	Header   hl7v3.Header
	ID       hl7v3.II     // queryId
	Raw      []byte       // queryByParameter as it is told again; empty when it could not be read
	Domains  []hl7.HD     // whose identifiers are wanted
	Patient  hl7.CX       // of ITI-45
	Criteria pix.Criteria // of ITI-47
	Quantity int          // initialQuantity, 0 when nothing is said

	domainAt []string // the place of each of Domains
}

// Continuation goes on with a query or ends it [ITI-47 3.47.4.3] [ITI-47 3.47.4.3.3].
type Continuation struct {
	Header   hl7v3.Header
	ID       hl7v3.II
	Start    int // number of the first person wanted, from 1; 0 when nothing is said
	Quantity int
	Cancel   bool
}

// DecodeIdentifierQuery reads a PIX query, PRPA_IN201309UV02. Errors are as those of Decode; the header and the query id are then filled as far as they
// were read.
func DecodeIdentifierQuery(x *xmlpull.Reader) (q Query, err error) {
	parameters, err := q.read(x, askIdentifiers)
	if err != nil {
		return q, err
	}
	at := q.list()
	if q.Domains, q.domainAt, err = domains(parameters.All("dataSource"), at+"/dataSource"); err != nil {
		return q, err
	}
	patients := parameters.All("patientIdentifier")
	if len(patients) > 1 || len(patients[0].All("value")) > 1 {
		return q, refuse(pix.CodeDataType, pix.AtQuery, 0, at+"/patientIdentifier", "more than one patient identifier")
	}
	q.Patient, err = queried(patients[0].At("value"), at+"/patientIdentifier/value")
	return q, err
}

// DecodePersonQuery reads a demographics query, PRPA_IN201305UV02.
func DecodePersonQuery(x *xmlpull.Reader) (q Query, err error) {
	parameters, err := q.read(x, askPersons)
	if err != nil {
		return q, err
	}
	for i, n := range parameters.Kids {
		take, known := parameterTable[n.Name]
		at := q.list() + "/" + n.Name
		switch {
		case n.Name == "id" || n.Name == "realmCode" || n.Name == "typeId" || n.Name == "templateId":
			continue
		case !known:
			return q, refuse(pix.CodeUnsupportedMessage, pix.AtQuery, 0, at, "parameter is not supported")
		case n.Name != "otherIDsScopingOrganization" && (len(n.All("value")) > 1 || slices.ContainsFunc(parameters.Kids[:i], func(o *hl7v3.Node) bool { return o.Name == n.Name })):
			return q, refuse(pix.CodeDataType, pix.AtQuery, 0, at, "more than one value")
		}
		if take != nil {
			if err := take(&q.Criteria, n.At("value"), at+"/value"); err != nil {
				return q, err
			}
		}
	}
	q.Domains, q.domainAt, err = domains(parameters.All("otherIDsScopingOrganization"), q.list()+"/otherIDsScopingOrganization")
	return q, err
}

// DecodeContinuation reads QUQI_IN000003UV01, or QUQI_IN000003UV01_Cancel which is of the same type.
func DecodeContinuation(x *xmlpull.Reader) (c Continuation, err error) {
	n, err := readMessage(x, []string{continuation, cancellation}, continuation)
	c.Header, c.Cancel = n.Header(), n.Name == cancellation
	if err != nil {
		return c, err
	}
	q := n.At("controlActProcess", "queryContinuation")
	c.ID = q.At("queryId").II()
	at := "/" + n.Name + "/controlActProcess/queryContinuation"
	if c.ID.IsNull() {
		return c, refuse(pix.CodeRequiredMissing, pix.AtQuery, 0, at+"/queryId", "query id is missing")
	}
	want := "waitContinuedQueryResponse"
	if c.Cancel {
		want = "aborted"
	}
	if q.At("statusCode").Attr("code") != want {
		return c, refuse(pix.CodeTableValue, pix.AtQuery, 0, at+"/statusCode", "status code is not "+want)
	}
	if c.Start, err = quantity(q.At("startResultNumber"), at+"/startResultNumber"); err != nil {
		return c, err
	}
	c.Quantity, err = quantity(q.At("continuationQuantity"), at+"/continuationQuantity")
	return c, err
}

// readMessage reads one of the interactions into a tree and checks its wrapper. The tree is never nil.
func readMessage(x *xmlpull.Reader, names []string, typ string) (*hl7v3.Node, error) {
	r, err := hl7v3.NewReader(x)
	if err != nil {
		return &hl7v3.Node{Name: x.Local()}, placed(err, pix.CodeUnsupportedMessage, pix.AtMessageType)
	}
	if !slices.Contains(names, x.Local()) {
		return &hl7v3.Node{Name: x.Local()}, refuse(pix.CodeUnsupportedMessage, pix.AtMessageType, 0, r.Location(), "interaction is not "+strings.Join(names, " or "))
	}
	n, err := queries.Read(r, typ)
	if err != nil {
		return n, placed(err, pix.CodeDataType, pix.AtMessage)
	}
	h := n.Header()
	if h.Interaction == cancellation {
		h.Interaction = continuation
	}
	return n, wrapper(h)
}

// read reads a query up to its parameters.
func (q *Query) read(x *xmlpull.Reader, name string) (*hl7v3.Node, error) {
	n, err := readMessage(x, []string{name}, name)
	q.Header = n.Header()
	by := n.At("controlActProcess", "queryByParameter")
	q.ID = by.At("queryId").II()
	if err != nil {
		return nil, err
	}
	at := "/" + name + "/controlActProcess/queryByParameter"
	if q.Raw = by.Append(nil); len(q.Raw) > maxQuery {
		q.Raw = nil
		return nil, refuse(pix.CodeDataType, pix.AtQuery, 0, at, "query is longer than "+strconv.Itoa(maxQuery)+" bytes")
	}
	for _, c := range []struct{ element, want string }{{"statusCode", "new"}, {"responseModalityCode", "R"}, {"responsePriorityCode", "I"}} {
		if e := by.At(c.element); e != nil && e.Attr("code") != c.want {
			return nil, refuse(pix.CodeTableValue, pix.AtQuery, 0, at+"/"+c.element, "code is not "+c.want)
		}
	}
	for _, element := range []string{"modifyCode", "responseElementGroupId", "executionAndDeliveryTime", "initialQuantityCode", "sortControl"} {
		if by.At(element) != nil {
			return nil, refuse(pix.CodeUnsupportedMessage, pix.AtQuery, 0, at+"/"+element, "what it asks for is not supported")
		}
	}
	if q.ID.IsNull() {
		return nil, refuse(pix.CodeRequiredMissing, pix.AtQuery, 0, at+"/queryId", "query id is missing")
	}
	if q.Quantity, err = quantity(by.At("initialQuantity"), at+"/initialQuantity"); err != nil {
		return nil, err
	}
	return by.At("parameterList"), nil
}

// list is the path of the parameters.
func (q *Query) list() string {
	return "/" + q.Header.Interaction + "/controlActProcess/queryByParameter/parameterList"
}

// location is where in the message the condition lies.
func (q *Query) location(e *pix.Error) string {
	switch {
	case e.Location != "":
		return e.Location
	case e.At == pix.AtQueryDomain && e.Index < len(q.domainAt):
		return q.domainAt[e.Index]
	case e.At == pix.AtQueryID || e.At == pix.AtQueryAuthority:
		return q.list() + "/patientIdentifier/value"
	case e.At == pix.AtQuery:
		return q.list()
	}
	return ""
}

// quantity reads a positive number; 0 when there is none.
func quantity(n *hl7v3.Node, at string) (int, error) {
	if n == nil || n.Attr("value") == "" {
		return 0, nil
	}
	i, err := strconv.Atoi(n.Attr("value"))
	if err != nil || i < 1 || i > maxQuantity {
		return 0, refuse(pix.CodeDataType, pix.AtQuery, 0, at, "number is not between 1 and "+strconv.Itoa(maxQuantity))
	}
	return i, nil
}

// domains reads parameters whose values are domains: a root alone.
func domains(parameters []*hl7v3.Node, at string) (list []hl7.HD, places []string, err error) {
	for i, p := range parameters {
		for k, v := range p.All("value") {
			place := fmt.Sprintf("%s[%d]/value", at, i+1)
			if k > 0 {
				place += fmt.Sprintf("[%d]", k+1)
			}
			id := v.II()
			if id.IsNull() || id.Extension != "" || len(id.Root) > 64 {
				return nil, nil, refuse(pix.CodeDataType, pix.AtQueryDomain, len(list), place, "value is not the identifier of a domain: a root alone")
			}
			list, places = append(list, hl7.HD{UniversalID: id.Root, UniversalIDType: "ISO"}), append(places, place)
		}
	}
	return list, places, nil
}

// queried reads an identifier that is asked about.
func queried(n *hl7v3.Node, at string) (hl7.CX, error) {
	id := n.II()
	if id.IsNull() || id.Extension == "" {
		return hl7.CX{}, refuse(pix.CodeRequiredMissing, pix.AtQueryID, 0, at, "patient identifier is missing: root and extension are due")
	}
	if reason := unfit(id); reason != "" {
		return hl7.CX{}, refuse(pix.CodeDataType, pix.AtQueryID, 0, at, reason)
	}
	id.AssigningAuthorityName = ""
	return id.CX(), nil
}

// parameterTable is the parameters of a demographics query and how each becomes a criterion; nil is read elsewhere. A value that is of no information
// (nullFlavor) asks for nothing.
var parameterTable = map[string]func(*pix.Criteria, *hl7v3.Node, string) error{
	"otherIDsScopingOrganization": nil,
	"livingSubjectId": func(c *pix.Criteria, v *hl7v3.Node, at string) (err error) {
		c.ID, err = queried(v, at)
		return err
	},
	"livingSubjectAdministrativeGender": func(c *pix.Criteria, v *hl7v3.Node, at string) error {
		if code := v.Attr("code"); code != "" {
			if c.Sex = sexes[code]; c.Sex == "" {
				return refuse(pix.CodeTableValue, pix.AtQuery, 0, at, "code is not M, F or UN")
			}
		}
		return nil
	},
	"livingSubjectBirthTime": func(c *pix.Criteria, v *hl7v3.Node, at string) error {
		if len(v.Kids) > 0 {
			return refuse(pix.CodeUnsupportedMessage, pix.AtQuery, 0, at, "an interval of birth dates is not supported")
		}
		birth := v.Attr("value")
		if c.BirthDate = birth[:min(len(birth), 8)]; birth != "" && !pix.IsBirthDate(birth) {
			return refuse(pix.CodeDataType, pix.AtQuery, 0, at, "birth date is not YYYY[MM[DD]]")
		}
		return nil
	},
	"livingSubjectName": func(c *pix.Criteria, v *hl7v3.Node, at string) error {
		families := v.All("family")
		if len(families) > 2 {
			return refuse(pix.CodeDataType, pix.AtQuery, 0, at+"/family", "more than two family names")
		}
		if c.Family = v.At("family").Content(); len(families) > 1 {
			c.OtherFamily = families[1].Content()
		}
		var givens []string
		for _, g := range v.All("given") {
			givens = append(givens, g.Content())
		}
		c.Given = strings.TrimSpace(strings.Join(givens, " "))
		return nil
	},
	"patientAddress": func(c *pix.Criteria, v *hl7v3.Node, at string) error {
		to := map[string]*string{"streetAddressLine": &c.Street, "city": &c.City, "state": &c.State, "postalCode": &c.PostCode, "country": &c.Country}
		for _, part := range v.Kids {
			switch p := to[part.Name]; {
			case p == nil && (part.Name != "" || v.Content() != ""):
				return refuse(pix.CodeUnsupportedMessage, pix.AtQuery, 0, at+"/"+part.Name, "part of an address is not supported")
			case p != nil:
				*p = strings.TrimSpace(*p + " " + part.Content())
			}
		}
		return nil
	},
	"patientTelecom": func(c *pix.Criteria, v *hl7v3.Node, _ string) error {
		_, c.Telecom, _ = strings.Cut(v.Attr("value"), ":")
		if c.Telecom == "" {
			c.Telecom = v.Attr("value")
		}
		return nil
	},
}
