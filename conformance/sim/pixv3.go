package sim

import (
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

func (s *Server) servePIXV3() {
	p := newPatients(s.c.Domain)
	s.serveSOAP(p.answerV3)
}

// answerV3 takes ITI-44 and ITI-45.
func (p *patients) answerV3(req *request) *reply {
	switch name := req.body.Local(); name {
	case "PRPA_IN201301UV02", "PRPA_IN201302UV02", "PRPA_IN201304UV02":
		event := down(req.body, "controlActProcess", "subject", "registrationEvent")
		var ids []string
		for _, id := range children(down(event, "subject1", "patient"), "id") {
			ids = append(ids, id.Value("extension")+"^"+id.Value("root"))
		}
		prior := down(event, "replacementOf", "priorRegistration", "subject1", "priorRegisteredRole", "id")
		code, why := "CA", ""
		if len(ids) == 0 {
			code, why = "CE", "the patient has no id"
		} else if err := p.feed(ids, strings.Trim(attr(prior, "extension")+"^"+attr(prior, "root"), "^")); err != nil {
			code, why = "CE", err.Error()
		}
		return v3Reply(req, "MCCI_IN000002UV01", code, why, "")
	case "PRPA_IN201309UV02":
		return p.askV3(req)
	}
	return fault(req, "Sender", "the interaction is none of a PIX manager")
}

// askV3 answers ITI-45.
func (p *patients) askV3(req *request) *reply {
	q := down(req.body, "controlActProcess", "queryByParameter")
	list := down(q, "parameterList")
	asked := down(list, "patientIdentifier", "value")
	var domains []string
	for _, d := range children(list, "dataSource") {
		domains = append(domains, attr(down(d, "value"), "root"))
	}
	ids, known := p.ask(attr(asked, "extension")+"^"+attr(asked, "root"), domains)
	code, found, why, subject := "AA", "OK", "", ""
	switch {
	case !known:
		code, found, why = "AE", "AE", "the patient is unknown"
	case len(ids) == 0:
		found = "NF"
	default:
		subject = `<subject typeCode="SUBJ"><registrationEvent classCode="REG" moodCode="EVN"><statusCode code="active"/><subject1 typeCode="SBJ"><patient classCode="PAT">`
		for _, id := range ids {
			extension, root, _ := strings.Cut(id, "^")
			subject += `<id root="` + escape(root) + `" extension="` + escape(extension) + `"/>`
		}
		subject += `<statusCode code="active"/><patientPerson classCode="PSN" determinerCode="INSTANCE"><name nullFlavor="NA"/></patientPerson></patient></subject1>` +
			`<custodian typeCode="CST"><assignedEntity classCode="ASSIGNED"><id root="1.2.250.1.999.9.2"/></assignedEntity></custodian></registrationEvent></subject>`
	}
	id := down(q, "queryId")
	act := `<controlActProcess classCode="CACT" moodCode="EVN"><code code="PRPA_TE201310UV02" codeSystem="2.16.840.1.113883.1.18"/>` + subject + `<queryAck>` + v3ID("queryId", id) +
		`<queryResponseCode code="` + found + `"/></queryAck>` + echo(req, q) + `</controlActProcess>`
	return v3Reply(req, "PRPA_IN201310UV02", code, why, act)
}

// echo is the query as it was asked, from its place in the request; prefixes that are declared further out would be lost, and with them the echo.
func echo(req *request, q xmltree.Node) string {
	if q.IsZero() {
		return ""
	}
	from, to := q.Span()
	s := string(req.text[from:to])
	if strings.HasPrefix(s, "<queryByParameter") && !strings.Contains(s, "xsi:") {
		return s
	}
	return ""
}

func v3ID(element string, id xmltree.Node) string {
	return `<` + element + ` root="` + escape(attr(id, "root")) + `" extension="` + escape(attr(id, "extension")) + `"/>`
}

// v3Reply wraps an answer.
func v3Reply(req *request, interaction, code, why, act string) *reply {
	detail := ""
	if why != "" {
		detail = `<acknowledgementDetail typeCode="E"><text>` + escape(why) + `</text></acknowledgementDetail>`
	}
	device := func(id string) string {
		return `<device classCode="DEV" determinerCode="INSTANCE"><id root="` + id + `"/></device>`
	}
	a := newReply(req, `<`+interaction+` xmlns="`+nsHL7+`" ITSVersion="XML_1.0"><id root="1.2.250.1.999.9.2" extension="`+strings.TrimPrefix(uuid(), "urn:uuid:")+`"/><creationTime value="`+
		time.Now().UTC().Format("20060102150405")+`"/><interactionId root="2.16.840.1.113883.1.6" extension="`+interaction+`"/><processingCode code="P"/><processingModeCode code="T"/><acceptAckCode code="NE"/>`+
		`<receiver typeCode="RCV">`+device("1.2.250.1.999.9.1")+`</receiver><sender typeCode="SND">`+device("1.2.250.1.999.9.2")+`</sender>`+
		`<acknowledgement><typeCode code="`+code+`"/><targetMessage>`+v3ID("id", down(req.body, "id"))+`</targetMessage>`+detail+`</acknowledgement>`+act+`</`+interaction+`>`)
	a.action = nsHL7 + ":" + interaction
	return a
}
