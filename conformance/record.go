package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Namespaces of the national interface of the French shared record.
const (
	nsRights   = "urn:si-dmp-habilitations"
	nsPatients = "urn:si-dmp-patients"
)

// recordAct is a message about a shared record: the interaction of HL7 v3, its reason, and what answers it.
type recordAct struct {
	name, root, reason, answer, body string
	status, consent                  string // of the patient in it; the observation that says that he consents
}

var recordActs = map[string]recordAct{
	"test":   {"TD0.2", "PRPA_IN201307UV02", "TEST_EXST", "PRPA_IN201308UV02", "PRPA_IN201308UV02", "", ""},
	"data":   {"TD1.3a", "PRPA_IN201307UV02", "CNSLT_DATA", "PRPA_IN201308UV02", "PRPA_IN201308UV02", "", ""},
	"create": {"TD1.1", "PRPA_IN201311UV02", "CREA_RD", "PRPA_IN201311ResponseUV02", "PRPA_IN201311UV02_Response", "active", "CONSENTEMENT_CREATION_DMP"},
	"reopen": {"TD1.2", "PRPA_IN201311UV02", "REAC", "PRPA_IN201311ResponseUV02", "PRPA_IN201311UV02_Response", "active", "CONSENTEMENT_REACTIVATION_DMP"},
	"change": {"TD1.3b", "PRPA_IN201314UV02", "MODIF_DATA", "PRPA_IN201314ResponseUV02", "PRPA_IN201314UV02_Response", "active", ""},
	"close":  {"TD1.4", "PRPA_IN201314UV02", "FERM", "PRPA_IN201314ResponseUV02", "PRPA_IN201314UV02_Response", "terminated", ""},
}

// wishes are what a patient decides beforehand, by the word of a line: the code of an observation.
var patientWishes = map[string]string{"glass": "OPPOSITION_BRIS_DE_GLACE", "regulation": "OPPOSITION_ACCES_URGENCE"}

// record sends a message about a shared record: record test|data|create|reopen|change|close, with the lines of recordLine.
func (s *story) record(ctx context.Context, st Step) error {
	if len(st.Args) == 0 || recordActs[st.Args[0]].root == "" {
		return errors.New("record test, data, create, reopen, change or close")
	}
	act := recordActs[st.Args[0]]
	m := &message{tx: transaction{act.name, nsHL7 + ":" + act.root, "dmp/patients", false, nsHL7 + ":" + act.answer, act.body}, id: s.fresh(), target: "dmp/patients"}
	w := recordWriter{values: map[string]string{"root": act.root, "id": strings.TrimPrefix(m.id, "urn:uuid:"), "now": s.now().Format("20060102150405"), "domain": s.r.SUT.PatientDomain,
		"reason": `<reasonCode code="` + act.reason + `" codeSystem="1.2.250.1.213.1.1.4.11"/>`, "status": act.status},
		person: `<name><family>ESSAI</family><given>A</given></name><administrativeGenderCode code="F"/><birthTime value="19700101"/>`}
	if act.consent != "" {
		w.observe(act.consent, "true")
	}
	if st.Args[0] == "close" {
		w.close("FERMETURE_DEMANDE_PATIENT")
	}
	if err := s.lines(ctx, st, m, w.line); err != nil {
		return err
	}
	if w.values["patient"] == "" {
		var err error
		if w.values["patient"], err = s.value(ctx, "pid:a"); err != nil {
			return err
		}
	}
	template := "record"
	if act.status == "" {
		template = "record-query"
	}
	return s.send3(ctx, m, w.fill(s.r.Suite.templates[template]))
}

// lines reads the lines of a step that take writes; what it does not know is an oddity of the message.
func (s *story) lines(ctx context.Context, st Step, m *message, take func(verb, rest string) (bool, error)) error {
	for i, line := range strings.Split(st.Body, "\n") {
		line, err := s.expand(ctx, strings.TrimSpace(line))
		if err != nil {
			return fmt.Errorf("line %d: %w", st.Line+1+i, err)
		}
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		verb, rest, _ := strings.Cut(line, " ")
		done, err := take(verb, rest)
		if err == nil && !done {
			err = m.oddity(line, verb, rest)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", st.Line+1+i, err)
		}
	}
	return nil
}

// recordWriter fills the template of a message about a record.
type recordWriter struct {
	values       map[string]string
	person       string
	relations    string
	observations string
	closing      string
}

// line obeys patient ID, domain OID, status CODE, reason-code CODE, person XML, wish glass|regulation true|false, observe CODE VALUE, no-consent, closing CODE|none and
// representative CODE ID NAME.
func (w *recordWriter) line(verb, rest string) (bool, error) {
	words := strings.Fields(rest)
	switch verb {
	case "patient", "domain", "status":
		w.values[verb] = rest
	case "reason-code":
		w.values["reason"] = `<reasonCode code="` + escape(rest) + `" codeSystem="1.2.250.1.213.1.1.4.11"/>`
	case "person":
		w.person = rest
	case "no-consent":
		w.observations = ""
	case "wish":
		if len(words) != 2 || patientWishes[words[0]] == "" {
			return true, errors.New("wish glass or regulation, true or false")
		}
		w.observe(patientWishes[words[0]], words[1])
	case "observe":
		w.observe(words[0], words[len(words)-1])
	case "closing":
		w.close(rest)
	case "representative":
		if len(words) < 3 {
			return true, errors.New("representative CODE ID NAME")
		}
		w.relations += `<personalRelationship classCode="PRS"><code code="` + words[0] + `"/><relationshipHolder1 classCode="PSN" determinerCode="INSTANCE"><id root="` + w.values["domain"] +
			`" extension="` + escape(words[1]) + `"/><name>` + escape(strings.Join(words[2:], " ")) + `</name></relationshipHolder1></personalRelationship>`
	default:
		return false, nil
	}
	return true, nil
}

func (w *recordWriter) observe(code, value string) {
	system := "1.2.250.1.213.4.1.2.3"
	if code == "COMPTE_INTERNET_OUVERT" {
		system = "1.2.250.1.213.4.1.2.9"
	}
	w.observations += `<subjectOf typeCode="SBJ"><administrativeObservation classCode="OBS" moodCode="EVN"><code code="` + escape(code) + `" codeSystem="` + system +
		`"/><value xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="BL" value="` + escape(value) + `"/></administrativeObservation></subjectOf>`
}

func (w *recordWriter) close(code string) {
	if w.closing = ""; code != "none" {
		w.closing = `<reasonOf typeCode="RSON"><detectedIssueEvent classCode="ALRT" moodCode="EVN"><code code="` + escape(code) + `" codeSystem="1.2.250.1.213.4.1.2.4"/></detectedIssueEvent></reasonOf>`
	}
}

func (w *recordWriter) fill(template string) string {
	pairs := []string{"{reason}", w.values["reason"], "{person}", w.person + w.relations, "{observations}", w.observations, "{closing}", w.closing}
	for k, v := range w.values {
		pairs = append(pairs, "{"+k+"}", escape(v))
	}
	return strings.NewReplacer(pairs...).Replace(template)
}

// services are the requests of the services of rights and patients that are no HL7 v3: their fields in their order, and what is said when no line does.
var services = map[string]struct {
	name, space, point, root, target string
	fields                           []string
}{
	"rights add":    {"TD0.3", nsRights, "HabilitationsEndPoint", "setAuthorization", "dmp/habilitations", []string{"action=AJOUT", "role"}},
	"rights remove": {"TD0.3", nsRights, "HabilitationsEndPoint", "setAuthorization", "dmp/habilitations", []string{"action=SUPPRESSION", "role"}},
	"rights list":   {"TD1.6", nsRights, "HabilitationsEndPoint", "listAuthorizationByPatient", "dmp/habilitations", []string{"mode"}},
	"certify":       {"TD0.0", nsPatients, "PatientCertificationEndPoint", "identityCertification", "dmp/patientCertif", []string{"nirOD", "dateNaissance", "rangNaissance=1", "nirIndividu"}},
	"worklist":      {"TD0.4", nsPatients, "PatientSpecificEndPoint", "patientList", "dmp/patients", []string{"startDate", "dateType"}},
}

// service sends a request of these: rights add|remove|list, worklist, certify; each line is a field and its text, attending is the role of the attending physician.
func (s *story) service(ctx context.Context, st Step) error {
	o, known := services[strings.Join(append([]string{st.Verb}, st.Args...), " ")]
	if !known {
		return errors.New("rights add, remove or list, worklist or certify")
	}
	action := o.space + ":" + o.point + ":" + o.root
	m := &message{tx: transaction{o.name, action, o.target, false, action + "Response", o.root + "Response"}, id: s.fresh(), target: o.target}
	said, more := map[string]string{}, ""
	for _, f := range o.fields {
		name, text, _ := strings.Cut(f, "=")
		said[name] = text
	}
	err := s.lines(ctx, st, m, func(verb, rest string) (bool, error) {
		if verb == "attending" {
			verb, rest = "role", "MEDECIN_TRAITANT"
		}
		if verb == "extra" {
			more += rest
			return true, nil
		}
		_, known := said[verb]
		said[verb] = rest
		return known, nil
	})
	if err != nil {
		return err
	}
	body := ""
	for _, f := range o.fields {
		name, _, _ := strings.Cut(f, "=")
		if text := said[name]; text != "" {
			body += "<" + name + ">" + escape(text) + "</" + name + ">"
		}
	}
	return s.send3(ctx, m, `<`+o.root+` xmlns="`+o.space+`">`+body+more+`</`+o.root+`>`)
}

// told is the message of an answer of HL7 v3: the body, or what the national service puts it in.
func (a *answer) told() *node {
	if a.body != nil && strings.HasSuffix(a.body.Name.Local, "_Response") && len(a.body.Kids) == 1 {
		return a.body.Kids[0]
	}
	return a.body
}

// expectOutcome: outcome CODE, the status of an answer of the services of rights and patients.
func expectOutcome(_ context.Context, k *check, l Line) {
	if got := k.a.body.at("output", "status").text(); got != l.Rest {
		k.wrong(l, "it is %q: %s", got, clip(k.a))
	}
}

// expectRows: rows N, or rows FIELD VALUE..., none: what the rows of such an answer say in a field, in any order.
func expectRows(_ context.Context, k *check, l Line) {
	words := strings.Fields(l.Rest)
	if len(words) == 0 {
		k.wrong(l, "a number, or a field and values, are due")
		return
	}
	rows := append(k.a.body.at("output").kids("listOfAuthorizationByPatient"), k.a.body.at("output").kids("patientlistData")...)
	if len(words) == 1 {
		if fmt.Sprint(len(rows)) != words[0] {
			k.wrong(l, "there are %d: %s", len(rows), clip(k.a))
		}
		return
	}
	var got []string
	for _, r := range rows {
		v := r.kid(words[0]).text()
		if v == "" {
			v = r.at("patientIdentifier", words[0]).text()
		}
		got = append(got, v)
	}
	want := slices.DeleteFunc(words[1:], func(w string) bool { return w == "none" })
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		k.wrong(l, "it is %v", got)
	}
}

// expectState: state active|terminated; the status of the patient in the answer.
func expectState(_ context.Context, k *check, l Line) {
	if got := k.a.patient().kid("statusCode").attr("code"); got != l.Rest {
		k.wrong(l, "it is %q: %s", got, clip(k.a))
	}
}

func (a *answer) patient() *node {
	return a.told().at("controlActProcess", "subject", "registrationEvent", "subject1", "patient")
}

// expectObserved: observed CODE true|false; what an observation of the patient says.
func expectObserved(_ context.Context, k *check, l Line) {
	code, want, _ := strings.Cut(l.Rest, " ")
	for _, of := range k.a.patient().kids("subjectOf") {
		o := of.kid("administrativeObservation")
		if o.kid("code").attr("code") == code {
			if got := o.kid("value").attr("value"); want != "" && got != want {
				k.wrong(l, "it is %q", got)
			}
			return
		}
	}
	k.wrong(l, "there is none: %s", clip(k.a))
}

// expectAttention: attention CODE VALUE; what the existence test says of who asks.
func expectAttention(_ context.Context, k *check, l Line) {
	code, want, _ := strings.Cut(l.Rest, " ")
	for _, line := range k.a.told().kids("attentionLine") {
		if line.kid("keyWordText").attr("code") != code {
			continue
		}
		v := line.kid("value")
		if got := v.attr("code") + v.attr("value"); got != want {
			k.wrong(l, "it is %q", got)
		}
		return
	}
	k.wrong(l, "there is none: %s", clip(k.a))
}
