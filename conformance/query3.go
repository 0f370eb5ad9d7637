package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// questions are the queries of HL7 v3 (ITI TF-2 3.45.4, 3.47.4): action, root and interactionId of the message, and what answers it.
var questions = map[string]struct{ transaction, action, root, interaction, answer string }{
	"identifiers": {"ITI-45", "PRPA_IN201309UV02", "PRPA_IN201309UV02", "PRPA_IN201309UV02", "PRPA_IN201310UV02"},
	"persons":     {"ITI-47", "PRPA_IN201305UV02", "PRPA_IN201305UV02", "PRPA_IN201305UV02", "PRPA_IN201306UV02"},
	"continue":    {"ITI-47", "QUQI_IN000003UV01_Continue", "QUQI_IN000003UV01", "QUQI_IN000003UV01", "PRPA_IN201306UV02"},
	"cancel":      {"ITI-47", "QUQI_IN000003UV01_Cancel", "QUQI_IN000003UV01_Cancel", "QUQI_IN000003UV01", "MCCI_IN000002UV01"},
}

// parameters3 are the lines of query3 that become a parameter: its element, and its value with the rest of the line in the place of {}; in the order of the schema.
var parameters3 = []struct{ verb, element, value string }{
	{"wants", "dataSource", `<value root="{}"/>`},
	{"patient", "patientIdentifier", `<value root="{domain}" extension="{}"/>`},
	{"sex", "livingSubjectAdministrativeGender", `<value code="{}"/>`},
	{"birth", "livingSubjectBirthTime", `<value value="{}"/>`},
	{"id", "livingSubjectId", `<value root="{domain}" extension="{}"/>`},
	{"name", "livingSubjectName", `<value>{}</value>`},
	{"mother", "mothersMaidenName", `<value><family>{}</family></value>`},
	{"among", "otherIDsScopingOrganization", `<value root="{}"/>`},
}

// query3 sends a query of HL7 v3: query3 identifiers|persons|continue|cancel, with the lines of parameters3, and query NAME, quantity N, start N.
func (s *story) query3(ctx context.Context, st Step) error {
	s.seen = s.r.audit.count()
	if len(st.Args) == 0 || questions[st.Args[0]].root == "" {
		return errors.New("query3 identifiers, persons, continue or cancel")
	}
	q := questions[st.Args[0]]
	m := &message{tx: transaction{q.transaction, nsHL7 + ":" + q.action, "patients", false, nsHL7 + ":" + q.answer, q.answer}, id: s.fresh(), target: "patients"}
	said := map[string][]string{}
	for i, line := range strings.Split(st.Body, "\n") {
		line, err := s.expand(ctx, strings.TrimSpace(line))
		if err != nil {
			return err
		}
		verb, rest, _ := strings.Cut(line, " ")
		known := slices.Contains([]string{"query", "quantity", "start"}, verb)
		for _, p := range parameters3 {
			known = known || p.verb == verb
		}
		switch {
		case verb == "" || verb == "#":
		case known:
			said[verb] = append(said[verb], rest)
		default:
			if err := m.oddity(line, verb, rest); err != nil {
				return fmt.Errorf("line %d: %w", st.Line+1+i, err)
			}
		}
	}
	body := strings.NewReplacer("{root}", q.root, "{interaction}", q.interaction, "{id}", strings.TrimPrefix(m.id, "urn:uuid:"),
		"{now}", s.now().Format("20060102150405"), "{act}", s.act3(st.Args[0], said)).Replace(s.r.Suite.templates["query3"])
	return s.send3(ctx, m, body)
}

// act3 writes what stands in the control act.
func (s *story) act3(kind string, said map[string][]string) string {
	one := func(verb, form string) string {
		if len(said[verb]) == 0 {
			return ""
		}
		return fmt.Sprintf(form, escape(said[verb][0]))
	}
	name := "Q"
	if len(said["query"]) > 0 {
		name = said["query"][0]
	}
	id := `<queryId root="` + s.root() + `" extension="` + escape(name) + `"/>`
	switch kind {
	case "continue", "cancel":
		status := map[string]string{"continue": "waitContinuedQueryResponse", "cancel": "aborted"}[kind]
		return `<queryContinuation>` + id + one("start", `<startResultNumber value="%s"/>`) + one("quantity", `<continuationQuantity value="%s"/>`) + `<statusCode code="` + status + `"/></queryContinuation>`
	}
	var list strings.Builder
	for _, p := range parameters3 {
		for _, v := range said[p.verb] {
			if p.verb != "name" { // that is written as XML
				v = escape(v)
			}
			value := strings.NewReplacer("{domain}", s.r.SUT.PatientDomain, "{}", v).Replace(p.value)
			list.WriteString(`<` + p.element + `>` + value + `<semanticsText>` + p.element + `</semanticsText></` + p.element + `>`)
		}
	}
	return `<queryByParameter>` + id + `<statusCode code="new"/><responsePriorityCode code="I"/>` + one("quantity", `<initialQuantity value="%s"/>`) + `<parameterList>` + list.String() + `</parameterList></queryByParameter>`
}

// expectResponse: response OK|NF|AE, the queryResponseCode; then, where the answer says them, the persons in all, told and left.
func expectResponse(_ context.Context, k *check, l Line) {
	ack := k.a.told().at("controlActProcess", "queryAck")
	got := []string{ack.attrOf("queryResponseCode", "code")}
	words := strings.Fields(l.Rest)
	if len(words) > 1 {
		for _, q := range []string{"resultTotalQuantity", "resultCurrentQuantity", "resultRemainingQuantity"} {
			got = append(got, ack.attrOf(q, "value"))
		}
	}
	if !slices.Equal(got, words) {
		k.wrong(l, "got %v: %s", got, clip(k.a))
	}
}

// expectDetail: detail CODE [LOCATION], an acknowledgementDetail; the location counts where the system says places as we do.
func expectDetail(_ context.Context, k *check, l Line) {
	code, location, _ := strings.Cut(l.Rest, " ")
	for _, d := range k.a.told().at("acknowledgement").kids("acknowledgementDetail") {
		if d.kid("code").attr("code") == code && (location == "" || !k.s.r.SUT.Places || d.kid("location").text() == location) {
			return
		}
	}
	k.wrong(l, "there is none: %s", clip(k.a))
}

// expectIdentifiers: identifiers ID..., or none: those of the patients of the answer, in any order.
func expectIdentifiers(_ context.Context, k *check, l Line) {
	var got, want []string
	for _, subject := range k.a.body.at("controlActProcess").kids("subject") {
		patient := subject.at("registrationEvent", "subject1", "patient")
		ids := patient.kids("id")
		for _, other := range patient.kid("patientPerson").kids("asOtherIDs") {
			ids = append(ids, other.kids("id")...)
		}
		for _, id := range ids {
			if id.attr("extension") != "" {
				got = append(got, id.attr("extension"))
			}
		}
	}
	if l.Rest != "none" {
		want = strings.Fields(l.Rest)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		k.wrong(l, "the answer has %v", got)
	}
}
