package validate

import (
	"strconv"
	"strings"

	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

var v3Rules = []Rule{
	{"V3-ROOT", Error, "ITI TF-2 3.44.4, 3.45.4, 3.46.4, 3.47.4", "the message is no interaction of the patient transactions in the namespace urn:hl7-org:v3"},
	{"V3-ITS", Error, "HL7 v3 XML ITS 1.0", "ITSVersion is not XML_1.0"},
	{"V3-ID", Error, "HL7 v3 MCCI_MT000100 (Message.id); datatypes II", "the message has no id whose root is an OID or a UUID"},
	{"V3-TIME", Error, "HL7 v3 MCCI_MT000100 (creationTime); datatypes TS", "creationTime is no time"},
	{"V3-INTERACTION", Error, "ITI TF-2 3.44.4.1.2.3, 3.45.4.1.2.3; HL7 v3 MCCI_MT000100", "interactionId does not name the interaction of the root, of 2.16.840.1.113883.1.6"},
	{"V3-PROCESSING", Error, "HL7 v3 vocabulary ProcessingID", "processingCode is none of P, T and D"},
	{"V3-MODE", Error, "HL7 v3 vocabulary ProcessingMode", "processingModeCode is none of A, I, R and T"},
	{"V3-ACCEPT", Error, "HL7 v3 vocabulary AcknowledgementCondition", "acceptAckCode is none of AL, ER, NE and SU"},
	{"V3-RECEIVER", Error, "HL7 v3 MCCI_MT000100 (receiver)", "there is no receiver whose device has an id"},
	{"V3-SENDER", Error, "HL7 v3 MCCI_MT000100 (sender)", "there is not exactly one sender whose device has an id"},
	{"V3-ACT", Error, "HL7 v3 MFMI_MT700701, QUQI_MT021001", "there is no controlActProcess with classCode CACT and a moodCode"},
	{"V3-MOOD", Error, "HL7 v3 MFMI_MT700701, QUQI_MT021001", "the moodCode of controlActProcess is none of EVN, RQO and PRP"},
	{"V3-EVENT", Error, "ITI TF-2 3.44.4.1.2.3 (MFMI_MT700701)", "there is no registrationEvent in a subject of the control act"},
	{"V3-PATIENT", Error, "ITI TF-2 table 3.44.4.1.2.2-1", "there is no patient in subject1"},
	{"V3-PATIENT-ID", Error, "ITI TF-2 table 3.44.4.1.2.2-1 (Patient.id), E.2", "a patient has no id with an OID for its root and an extension"},
	{"V3-PATIENT-STATUS", Error, "ITI TF-2 table 3.44.4.1.2.2-1 (Patient.statusCode)", "a patient has no statusCode"},
	{"V3-PERSON-NAME", Error, "ITI TF-2 table 3.44.4.1.2.2-1 (Person.name)", "a person has no name"},
	{"V3-BIRTH", Error, "HL7 v3 datatypes TS", "birthTime is no time"},
	{"V3-SEX", Error, "HL7 v3 vocabulary AdministrativeGender", "administrativeGenderCode is none of F, M and UN"},
	{"V3-CUSTODIAN", Error, "ITI TF-2 3.44.4.1.2.3 (MFMI_MT700701 custodian)", "a registration has no custodian with an id"},
	{"V3-PRIOR", Error, "ITI TF-2 3.44.4.2.2", "a merge does not name the registration it replaces by an id"},
	{"V3-QUERY", Error, "HL7 v3 QUQI_MT021001", "there is no queryByParameter"},
	{"V3-QUERY-ID", Error, "ITI TF-2 table 3.45.4.1.2.2-1 (queryId)", "the query has no queryId whose root is an OID or a UUID"},
	{"V3-QUERY-STATUS", Error, "ITI TF-2 table 3.45.4.1.2.2-1 (statusCode)", "the status of the query is not the one that is due"},
	{"V3-QUERY-PATIENT", Error, "ITI TF-2 3.45.4.1.2.2 (PatientIdentifier)", "the query does not ask about exactly one patient identifier with root and extension"},
	{"V3-QUERY-PARAM", Error, "ITI TF-2 3.47.4.1.2", "the query has no parameter"},
	{"V3-ACKNOWLEDGEMENT", Error, "HL7 v3 MCCI_MT000200, MCCI_MT000300", "an answer has no acknowledgement"},
	{"V3-ACK-CODE", Error, "HL7 v3 vocabulary AcknowledgementType", "the code of the acknowledgement is none of AA, AE, AR, CA, CE and CR"},
	{"V3-ACK-TARGET", Error, "HL7 v3 MCCI_MT000200 (targetMessage)", "the acknowledgement does not name the message it answers"},
	{"V3-QUERYACK", Error, "HL7 v3 QUQI_MT120001", "an answer to a query has no queryAck with a queryId"},
	{"V3-QUERYACK-CODE", Error, "HL7 v3 vocabulary QueryResponse", "queryResponseCode is none of OK, NF, AE and QE"},
	{"V3-QUERYACK-FOUND", Error, "ITI TF-2 3.45.4.2", "queryResponseCode does not fit: OK without a subject, or another with one"},
}

// interaction tells what an interaction is: a feed, a query, its answer, an acknowledgement.
type interaction struct {
	kind   string // feed, merge, query, control, found, ack, notice, national
	answer bool
}

var interactions = map[string]interaction{
	"PRPA_IN201301UV02": {"feed", false}, "PRPA_IN201302UV02": {"feed", false}, "PRPA_IN201304UV02": {"merge", false}, "MCCI_IN000002UV01": {"ack", true},
	"PRPA_IN201309UV02": {"query", false}, "PRPA_IN201310UV02": {"found", true}, "PRPA_IN201305UV02": {"query", false}, "PRPA_IN201306UV02": {"found", true},
	"QUQI_IN000003UV01": {"control", false}, "QUQI_IN000003UV01_Cancel": {"control", false},
	"PRPA_IN201307UV02": {"national", false}, "PRPA_IN201308UV02": {"national", true},
}

const nsHL7 = "urn:hl7-org:v3"

// hl7v3 judges an interaction of the patient transactions.
func (j *judge) hl7v3(root xmltree.Node, _ *message) {
	i, ok := interactions[root.Local()]
	if !ok || root.Space() != nsHL7 {
		j.say("V3-ROOT", here(root, root.Local()))
		return
	}
	j.wrapper(root)
	if i.answer {
		j.v3Acknowledgement(root)
	}
	if i.kind == "ack" || i.kind == "control" || i.kind == "national" {
		return
	}
	act := at(root, "controlActProcess")
	if act.IsZero() || act.Value("classCode") != "CACT" || act.Value("moodCode") == "" {
		j.say("V3-ACT", near(root, "controlActProcess", "controlActProcess"))
		return
	}
	switch act.Value("moodCode") {
	case "EVN", "RQO", "PRP":
	default:
		j.say("V3-MOOD", here(act, "controlActProcess"))
	}
	switch i.kind {
	case "feed", "merge":
		j.registration(act, i.kind)
	case "query":
		j.v3Query(root, act)
	case "found":
		j.v3Found(act)
	}
}

// isII tells an identifier whose root is an OID or a UUID.
func isII(n xmltree.Node) bool {
	root := value(n, "root")
	return isOID(root) || bareUUID.MatchString(root)
}

// coded tells that an attribute has one of the words.
func coded(n xmltree.Node, attribute, words string) bool {
	v := value(n, attribute)
	for _, w := range strings.Fields(words) {
		if v == w {
			return true
		}
	}
	return false
}

// wrapper judges the transmission around the control act.
func (j *judge) wrapper(root xmltree.Node) {
	where := func(name string, path ...string) place { return near(root, name, path...) }
	if root.Value("ITSVersion") != "XML_1.0" {
		j.say("V3-ITS", here(root, "ITSVersion"))
	}
	if !isII(at(root, "id")) {
		j.say("V3-ID", where("id", "id"))
	}
	if !isTS(value(at(root, "creationTime"), "value")) {
		j.say("V3-TIME", where("creationTime", "creationTime"))
	}
	name := strings.TrimSuffix(root.Local(), "_Cancel")
	if i := at(root, "interactionId"); value(i, "root") != "2.16.840.1.113883.1.6" || strings.TrimSuffix(value(i, "extension"), "_Cancel") != name {
		j.say("V3-INTERACTION", where("interactionId", "interactionId"))
	}
	for _, c := range []struct{ rule, element, codes string }{{"V3-PROCESSING", "processingCode", "P T D"}, {"V3-MODE", "processingModeCode", "A I R T"}, {"V3-ACCEPT", "acceptAckCode", "AL ER NE SU"}} {
		if !coded(at(root, c.element), "code", c.codes) {
			j.say(c.rule, where(c.element, c.element))
		}
	}
	if !isII(at(root, "receiver", "device", "id")) {
		j.say("V3-RECEIVER", where("receiver", "receiver", "device", "id"))
	}
	if len(kids(root, "sender")) != 1 || !isII(at(root, "sender", "device", "id")) {
		j.say("V3-SENDER", where("sender", "sender", "device", "id"))
	}
}

// isTS tells a time of HL7 v3: 4 to 14 digits, a fraction and a zone after the seconds.
func isTS(s string) bool {
	if i := strings.IndexAny(s, "+-"); i >= 0 {
		if _, err := strconv.Atoi(s[i+1:]); err != nil || len(s)-i != 5 {
			return false
		}
		s = s[:i]
	}
	whole, fraction, with := strings.Cut(s, ".")
	return isDTM(whole) && (!with || len(whole) == 14 && fraction != "" && strings.Trim(fraction, "0123456789") == "")
}

func (j *judge) v3Acknowledgement(root xmltree.Node) {
	a := at(root, "acknowledgement")
	if a.IsZero() {
		j.say("V3-ACKNOWLEDGEMENT", here(root, "acknowledgement"))
		return
	}
	code := a
	attribute := "typeCode"
	if t := at(a, "typeCode"); !t.IsZero() {
		code, attribute = t, "code"
	}
	if !coded(code, attribute, "AA AE AR CA CE CR") {
		j.say("V3-ACK-CODE", near(a, "acknowledgement", "typeCode"))
	}
	if !isII(at(a, "targetMessage", "id")) {
		j.say("V3-ACK-TARGET", near(a, "targetMessage", "targetMessage", "id"))
	}
}

// registration judges a feed.
func (j *judge) registration(act xmltree.Node, kind string) {
	event := at(act, "subject", "registrationEvent")
	if event.IsZero() {
		j.say("V3-EVENT", near(act, "registrationEvent", "subject"))
		return
	}
	if patient := at(event, "subject1", "patient"); patient.IsZero() {
		j.say("V3-PATIENT", near(event, "subject1", "subject1"))
	} else {
		j.v3Patient(patient)
	}
	if !isII(at(event, "custodian", "assignedEntity", "id")) {
		j.say("V3-CUSTODIAN", near(event, "custodian", "custodian", "assignedEntity", "id"))
	}
	prior := at(event, "replacementOf", "priorRegistration", "subject1", "priorRegisteredRole", "id")
	if kind == "merge" && (!isII(prior) || value(prior, "extension") == "") {
		j.say("V3-PRIOR", near(event, "replacementOf", "replacementOf", "priorRegistration", "subject1", "priorRegisteredRole", "id"))
	}
}

func (j *judge) v3Patient(patient xmltree.Node) {
	ids := kids(patient, "id")
	good := len(ids) > 0
	for _, id := range ids {
		good = good && isOID(id.Value("root")) && id.Value("extension") != ""
	}
	if !good {
		j.say("V3-PATIENT-ID", near(patient, "patient.id", "id"))
	}
	if value(at(patient, "statusCode"), "code") == "" {
		j.say("V3-PATIENT-STATUS", near(patient, "patient.statusCode", "statusCode"))
	}
	person := at(patient, "patientPerson")
	if person.IsZero() {
		return
	}
	if name := at(person, "name"); name.IsZero() || !name.HasText() && value(name, "nullFlavor") == "" {
		j.say("V3-PERSON-NAME", near(person, "patientPerson.name", "name"))
	}
	if b := at(person, "birthTime"); !b.IsZero() && value(b, "nullFlavor") == "" && !isTS(b.Value("value")) {
		j.say("V3-BIRTH", here(b, "birthTime"))
	}
	if s := at(person, "administrativeGenderCode"); !s.IsZero() && value(s, "nullFlavor") == "" && !coded(s, "code", "F M UN") {
		j.say("V3-SEX", here(s, "administrativeGenderCode"))
	}
}

func (j *judge) v3Query(root, act xmltree.Node) {
	q := at(act, "queryByParameter")
	if q.IsZero() {
		j.say("V3-QUERY", here(act, "queryByParameter"))
		return
	}
	if !isII(at(q, "queryId")) {
		j.say("V3-QUERY-ID", near(q, "queryId", "queryId"))
	}
	if !coded(at(q, "statusCode"), "code", "new") {
		j.say("V3-QUERY-STATUS", near(q, "statusCode", "statusCode"))
	}
	list := at(q, "parameterList")
	if root.Local() == "PRPA_IN201309UV02" {
		id := at(list, "patientIdentifier", "value")
		if len(kids(list, "patientIdentifier")) != 1 || !isII(id) || value(id, "extension") == "" {
			j.say("V3-QUERY-PATIENT", near(q, "patientIdentifier", "parameterList", "patientIdentifier", "value"))
		}
	} else if count(list) == 0 {
		j.say("V3-QUERY-PARAM", near(q, "parameterList", "parameterList"))
	}
}

func (j *judge) v3Found(act xmltree.Node) {
	a := at(act, "queryAck")
	if a.IsZero() || !isII(at(a, "queryId")) {
		j.say("V3-QUERYACK", near(act, "queryAck", "queryAck", "queryId"))
	}
	code := value(at(a, "queryResponseCode"), "code")
	if !coded(at(a, "queryResponseCode"), "code", "OK NF AE QE") {
		j.say("V3-QUERYACK-CODE", near(act, "queryResponseCode", "queryAck", "queryResponseCode"))
		return
	}
	subjects := kids(act, "subject")
	if (code == "OK") != (len(subjects) > 0) {
		j.say("V3-QUERYACK-FOUND", near(act, "queryResponseCode", "queryAck", "queryResponseCode"))
	}
	for _, s := range subjects {
		if p := at(s, "registrationEvent", "subject1", "patient"); p.IsZero() {
			j.say("V3-PATIENT", near(s, "subject1", "registrationEvent", "subject1"))
		} else {
			j.v3Patient(p)
		}
	}
}
