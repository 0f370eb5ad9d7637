package validate

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

var auditRules = []Rule{
	{"AUD-NONE", Error, "ITI TF-2 3.20.4.1.2", "there is no AuditMessage"},
	{"AUD-SYSLOG", Error, "RFC 5424 6; ITI TF-2 3.20.4.1.2", "what stands before the message is no header of RFC 5424"},
	{"AUD-MSGID", Warning, "ITI TF-2 3.20.4.1.2", "MSGID of the syslog header is neither IHE+RFC-3881 nor IHE+DICOM"},
	{"AUD-EVENT", Error, "DICOM PS3.15 A.5.2.1", "there is no EventIdentification with an EventID of the vocabulary DCM"},
	{"AUD-ACTION", Error, "DICOM PS3.15 A.5.2.1", "EventActionCode is none of C, R, U, D and E"},
	{"AUD-OUTCOME", Error, "DICOM PS3.15 A.5.2.1", "EventOutcomeIndicator is none of 0, 4, 8 and 12"},
	{"AUD-TIME", Error, "DICOM PS3.15 A.5.2.1", "EventDateTime is no time with a zone"},
	{"AUD-TRANSACTION", Warning, "ITI TF-2 3.x.5.1", "the transaction of EventTypeCode is none that this validator knows"},
	{"AUD-EVENT-ID", Error, "ITI TF-2 3.x.5.1", "EventID is not that of the transaction"},
	{"AUD-EVENT-ACTION", Error, "ITI TF-2 3.x.5.1", "EventActionCode is not that of the event of the transaction"},
	{"AUD-SOURCE", Error, "DICOM PS3.15 A.5.2.4", "there is not exactly one AuditSourceIdentification with an AuditSourceID"},
	{"AUD-USER", Error, "DICOM PS3.15 A.5.2.2", "a participant has no UserID"},
	{"AUD-REQUESTOR", Error, "DICOM PS3.15 A.5.2.2", "UserIsRequestor of a participant is neither true nor false"},
	{"AUD-NETWORK", Error, "DICOM PS3.15 A.5.2.2", "the type of a network access point is none of 1 to 5, or the point has none"},
	{"AUD-FROM", Error, "ITI TF-2 3.x.5.1", "there is not exactly one participant with the role source, 110153 of DCM"},
	{"AUD-TO", Error, "ITI TF-2 3.x.5.1", "there is not exactly one participant with the role destination, 110152 of DCM"},
	{"AUD-PATIENT", Error, "ITI TF-2 3.x.5.1", "there is no patient among the objects: type 1, role 1, named as a Patient Number"},
	{"AUD-PATIENT-ID", Error, "ITI TF-2 3.x.5.1; ITI TF-2 E.1.2", "the patient is not named as id^^^&OID&ISO or with a namespace"},
	{"AUD-SET", Error, "ITI TF-2 3.41.5.1, 3.42.5.1", "there is no submission set among the objects: type 2, role 20, with its uniqueId"},
	{"AUD-QUERY", Error, "ITI TF-2 3.x.5.1", "there is no query among the objects: type 2, role 24, with ParticipantObjectQuery"},
	{"AUD-QUERY-BASE64", Error, "DICOM PS3.15 A.5.2.5", "ParticipantObjectQuery is not base64"},
	{"AUD-QUERY-TYPE", Error, "ITI TF-2 3.x.5.1", "the type of the query object does not name the transaction"},
	{"AUD-DOCUMENT", Error, "ITI TF-2 3.43.5.1", "there is no document among the objects: type 2, role 3, with its uniqueId"},
	{"AUD-REPOSITORY", Error, "ITI TF-2 3.43.5.1", "a document has no detail Repository Unique Id"},
	{"AUD-MESSAGE", Error, "ITI TF-2 3.8.5.1, 3.44.5.1", "the patient has no detail with the id of the message, MSH-10 or II"},
	{"AUD-DETAIL", Error, "DICOM PS3.15 A.5.2.5", "a detail has no type, or its value is not base64"},
	{"AUD-OBJECT", Error, "DICOM PS3.15 A.5.2.5", "an object has no ParticipantObjectID or no ParticipantObjectIDTypeCode"},
}

// auditEvent is what ITI TF-2 asks of the message about a transaction: the EventIDs with the actions that go with each, and the objects.
type auditEvent struct {
	ids     map[string]string // EventID: actions
	objects string            // patient, set, query, document, message; ? when it may be absent
}

var (
	exchanged   = map[string]string{"110106": "R", "110107": "C"}
	changed     = map[string]string{"110106": "U", "110107": "U"}
	asked       = map[string]string{"110112": "E"}
	identified  = map[string]string{"110110": "CUD"}
	auditEvents = map[string]auditEvent{
		"ITI-8": {identified, "patient message"}, "ITI-30": {identified, "patient message"}, "ITI-44": {identified, "patient message"}, "ITI-64": {identified, "patient message"},
		"ITI-9": {asked, "query"}, "ITI-21": {asked, "query"}, "ITI-22": {asked, "query"}, "ITI-45": {asked, "query"}, "ITI-47": {asked, "query"},
		"ITI-18": {asked, "query"}, "ITI-51": {asked, "query"}, "ITI-38": {asked, "query"},
		"ITI-41": {exchanged, "patient set"}, "ITI-42": {exchanged, "patient set"}, "ITI-61": {exchanged, "patient set"}, "ITI-32": {exchanged, "patient set"},
		"ITI-57": {changed, "patient set"}, "ITI-92": {changed, "patient set"}, "ITI-43": {exchanged, "document"}, "ITI-39": {exchanged, "document"},
		"ITI-62": {map[string]string{"110110": "D"}, ""}, "ITI-86": {map[string]string{"110110": "D"}, "document"}, "ITI-10": {map[string]string{"110110": "RU"}, "patient"},
		"ITI-46": {map[string]string{"110110": "RU"}, "patient"},
	}
	syslogHeader = regexp.MustCompile(`^(\d{1,9} )?<\d{1,3}>1 (\S+) \S{1,255} \S{1,48} \S{1,128} (\S{1,32}) (-|\[.*\])( |$)`)
)

// audit judges an audit message, bare or in a syslog message.
func (j *judge) audit(b []byte) {
	from := bytes.Index(b, []byte("<AuditMessage"))
	if from < 0 {
		j.say("AUD-NONE", place{line: 1, location: "AuditMessage"})
		return
	}
	before := b[:from]
	if h := bytes.TrimLeft(before, " \t\r\n\xef\xbb\xbf"); len(h) > 0 && h[0] != '<' || bytes.HasPrefix(h, []byte("<")) && len(h) > 1 && h[1] >= '0' && h[1] <= '9' {
		found := syslogHeader.FindSubmatch(h)
		switch {
		case found == nil:
			j.say("AUD-SYSLOG", place{line: 1, location: "header"})
		case string(found[3]) != "IHE+RFC-3881" && string(found[3]) != "IHE+DICOM":
			j.say("AUD-MSGID", place{line: 1, location: "MSGID"})
		}
	}
	j.offset = bytes.Count(before, []byte("\n"))
	t := j.parsed(bytes.TrimRight(b[from:], "\x00\r\n \t"))
	if t == nil {
		return
	}
	root := t.Root()
	transaction := j.event(root)
	j.participants(root, transaction)
	j.auditObjects(root, transaction)
	if s := kids(root, "AuditSourceIdentification"); len(s) != 1 || s[0].Value("AuditSourceID") == "" {
		j.say("AUD-SOURCE", near(root, "AuditSourceIdentification", "AuditSourceIdentification"))
	}
}

// code is the code of a coded element: csd-code, or code of RFC 3881.
func code(n xmltree.Node) string {
	if v := value(n, "csd-code"); v != "" {
		return v
	}
	return value(n, "code")
}

// event judges EventIdentification and gives the transaction; "" when it is none that is known.
func (j *judge) event(root xmltree.Node) string {
	e := at(root, "EventIdentification")
	id := at(e, "EventID")
	if code(id) == "" || value(id, "codeSystemName") != "DCM" {
		j.say("AUD-EVENT", near(root, "EventID", "EventIdentification", "EventID"))
	}
	action := value(e, "EventActionCode")
	if len(action) != 1 || !strings.Contains("CRUDE", action) {
		j.say("AUD-ACTION", near(root, "EventActionCode", "EventIdentification"))
	}
	switch value(e, "EventOutcomeIndicator") {
	case "0", "4", "8", "12":
	default:
		j.say("AUD-OUTCOME", near(root, "EventOutcomeIndicator", "EventIdentification"))
	}
	if _, err := time.Parse(time.RFC3339Nano, value(e, "EventDateTime")); err != nil {
		j.say("AUD-TIME", near(root, "EventDateTime", "EventIdentification"))
	}
	for _, t := range kids(e, "EventTypeCode") {
		if value(t, "codeSystemName") != "IHE Transactions" {
			continue
		}
		name := code(t)
		due, ok := auditEvents[name]
		if !ok {
			j.say("AUD-TRANSACTION", here(t, "EventTypeCode"))
			continue
		}
		if actions, ok := due.ids[code(id)]; !ok {
			j.say("AUD-EVENT-ID", here(id, "EventID"))
		} else if !strings.Contains(actions, action) {
			j.say("AUD-EVENT-ACTION", here(e, "EventActionCode"))
		}
		return name
	}
	return ""
}

func (j *judge) participants(root xmltree.Node, transaction string) {
	roles := map[string]int{}
	for i, p := range kids(root, "ActiveParticipant") {
		where := func(what string) place { return here(p, fmt.Sprintf("ActiveParticipant[%d]%s", i+1, what)) }
		if p.Value("UserID") == "" {
			j.say("AUD-USER", where(".UserID"))
		}
		if r := p.Value("UserIsRequestor"); r != "true" && r != "false" {
			j.say("AUD-REQUESTOR", where(".UserIsRequestor"))
		}
		kind, point := p.Value("NetworkAccessPointTypeCode"), p.Value("NetworkAccessPointID")
		if kind != "" && (len(kind) != 1 || kind < "1" || kind > "5") || (kind == "") != (point == "") {
			j.say("AUD-NETWORK", where(".NetworkAccessPointTypeCode"))
		}
		for _, r := range kids(p, "RoleIDCode") {
			if value(r, "codeSystemName") == "DCM" {
				roles[code(r)]++
			}
		}
	}
	if transaction == "" {
		return
	}
	if roles["110153"] != 1 {
		j.say("AUD-FROM", here(root, "ActiveParticipant"))
	}
	if roles["110152"] != 1 {
		j.say("AUD-TO", here(root, "ActiveParticipant"))
	}
}

// auditObjects judges the objects, and that those of the transaction are there.
func (j *judge) auditObjects(root xmltree.Node, transaction string) {
	has := map[string]bool{}
	for i, o := range kids(root, "ParticipantObjectIdentification") {
		where := here(o, fmt.Sprintf("ParticipantObjectIdentification[%d]", i+1))
		id, idType := o.Value("ParticipantObjectID"), at(o, "ParticipantObjectIDTypeCode")
		query := at(o, "ParticipantObjectQuery")
		if id == "" && query.IsZero() || code(idType) == "" {
			j.say("AUD-OBJECT", where)
		}
		detail := j.details(o, where)
		switch o.Value("ParticipantObjectTypeCode") + "/" + o.Value("ParticipantObjectTypeCodeRole") {
		case "1/1":
			has["patient"] = has["patient"] || code(idType) == "2"
			has["message"] = has["message"] || detail["MSH-10"] || detail["II"]
			if authority := append(strings.Split(id, "^"), "", "", "")[3]; code(idType) == "2" && id != "" && !isCX(id) && authority == "" {
				j.say("AUD-PATIENT-ID", where)
			}
		case "2/20":
			has["set"] = has["set"] || code(idType) == nodeSet && id != ""
		case "2/24":
			has["query"] = has["query"] || !query.IsZero()
			if _, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(textOf(query)), "")); err != nil {
				j.say("AUD-QUERY-BASE64", near(o, where.location, "ParticipantObjectQuery"))
			}
			if transaction != "" && code(idType) != transaction {
				j.say("AUD-QUERY-TYPE", near(o, where.location, "ParticipantObjectIDTypeCode"))
			}
		case "2/3":
			has["document"] = has["document"] || id != ""
			if !detail["Repository Unique Id"] && (transaction == "ITI-43" || transaction == "ITI-39") {
				j.say("AUD-REPOSITORY", where)
			}
		}
	}
	rules := map[string]string{"patient": "AUD-PATIENT", "set": "AUD-SET", "query": "AUD-QUERY", "document": "AUD-DOCUMENT", "message": "AUD-MESSAGE"}
	failed := value(at(root, "EventIdentification"), "EventOutcomeIndicator") != "0" // what could not be read cannot be named
	for _, due := range strings.Fields(auditEvents[transaction].objects) {
		if !has[due] && !failed {
			j.say(rules[due], here(root, "ParticipantObjectIdentification"))
		}
	}
}

// details judges the details of an object and tells which types there are.
func (j *judge) details(o xmltree.Node, where place) map[string]bool {
	out := map[string]bool{}
	for _, d := range kids(o, "ParticipantObjectDetail") {
		_, err := base64.StdEncoding.DecodeString(d.Value("value"))
		if d.Value("type") == "" || err != nil {
			j.say("AUD-DETAIL", here(d, where.location))
		}
		out[d.Value("type")] = true
	}
	return out
}
