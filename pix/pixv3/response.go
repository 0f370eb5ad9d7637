package pixv3

import (
	"strconv"
	"time"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/wire/hl7v3"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// Origin is what our own messages say of where they come from. Device is our OID; empty: the receiver that the request named.
type Origin struct {
	Time       time.Time
	Device, ID string
}

// Person is one answer to a demographics query.
type Person struct {
	Patient pix.Patient
	IDs     []hl7.CX // all that are told; the patient's own may be among them
	Domain  string   // what the domain of the patient is called; may be empty
}

// Told says which part of the answer to a query these persons are.
type Told struct {
	Total     int // persons in all, -1 when nobody counted
	Remaining int // not told yet
}

// AnswerIdentifiers prints the answer to a PIX query [ITI-45 3.45.4.2]: OK with the identifiers, NF when there are none, AE with a detail for each of
// es when they tell why not.
func AnswerIdentifiers(q Query, ids []hl7.CX, es []*pix.Error, o Origin) []byte {
	dst := q.begin(tellIdentifiers, es, o)
	if len(es) == 0 && len(ids) > 0 {
		dst = append(dst, subject...)
		for _, id := range ids {
			dst = appendID(dst, id)
		}
		dst = append(dst, `<statusCode code="active"/><patientPerson classCode="PSN" determinerCode="INSTANCE"><name nullFlavor="NA"/></patientPerson></patient></subject1>`...)
		dst = q.endSubject(dst, o)
	}
	dst = q.appendAck(dst, len(ids) > 0, es)
	return q.end(append(dst, "</queryAck>"...), tellIdentifiers)
}

// AnswerPersons prints the answer to a demographics query, or the next part of one [ITI-47 3.47.4.2] [ITI-47 3.47.4.3.3].
func AnswerPersons(q Query, persons []Person, t Told, es []*pix.Error, o Origin) []byte {
	dst := q.begin(tellPersons, es, o)
	for i := range persons {
		dst = q.endSubject(persons[i].append(append(dst, subject...), q.Domains), o)
	}
	dst = q.appendAck(dst, len(persons) > 0 || t.Total > 0, es)
	if len(es) == 0 {
		if dst = append(dst, `<resultTotalQuantity `...); t.Total < 0 {
			dst = append(dst, `nullFlavor="UNK"/>`...)
		} else {
			dst = appendNumber(dst, t.Total)
		}
		dst = appendNumber(append(dst, `<resultCurrentQuantity `...), len(persons))
		dst = appendNumber(append(dst, `<resultRemainingQuantity `...), t.Remaining)
	}
	return q.end(append(dst, "</queryAck>"...), tellPersons)
}

func appendNumber(dst []byte, n int) []byte {
	return append(strconv.AppendInt(append(dst, `value="`...), int64(n), 10), `"/>`...)
}

const subject = `<subject typeCode="SUBJ" contextConductionInd="false"><registrationEvent classCode="REG" moodCode="EVN"><statusCode code="active"/><subject1 typeCode="SBJ"><patient classCode="PAT">`

// begin prints an answer up to its control act.
func (q *Query) begin(interaction string, es []*pix.Error, o Origin) []byte {
	a := acknowledgement(q.Header, es, o)
	a.TypeCode = hl7v3.AA
	for i, e := range es {
		a.TypeCode, a.Details[i].Location = hl7v3.AE, q.location(e)
	}
	dst := hl7v3.AppendAnswer(nil, interaction, q.Header, a)
	return append(dst, `<controlActProcess classCode="CACT" moodCode="EVN"><code code="PRPA_TE`+interaction[len("PRPA_IN"):]+`" codeSystem="`+hl7v3.InteractionRoot+`"/>`...)
}

// endSubject names who keeps the registration: us.
func (q *Query) endSubject(dst []byte, o Origin) []byte {
	dst = append(dst, `<custodian typeCode="CST"><assignedEntity classCode="ASSIGNED">`...)
	dst = hl7v3.AppendII(dst, "id", hl7v3.II{Root: device(q.Header, o)})
	return append(dst, `</assignedEntity></custodian></registrationEvent></subject>`...)
}

// appendAck prints what became of the query; its end is still due.
func (q *Query) appendAck(dst []byte, found bool, es []*pix.Error) []byte {
	status, code := "deliveredResponse", "NF"
	switch {
	case len(es) > 0:
		status, code = "aborted", "AE"
	case found:
		code = "OK"
	}
	dst = hl7v3.AppendII(append(dst, "<queryAck>"...), "queryId", q.ID)
	return append(dst, `<statusCode code="`+status+`"/><queryResponseCode code="`+code+`"/>`...)
}

func (q *Query) end(dst []byte, interaction string) []byte {
	dst = append(dst, q.Raw...)
	return append(dst, `</controlActProcess></`+interaction+`>`...)
}

// append prints the inside of a patient and ends its role. Its own identifier comes first; those of other domains come as other identifiers, each with the
// domain as scoping organisation, and a domain that was wanted and has none comes with a null one [ITI-47 3.47.4.2.2].
func (p *Person) append(dst []byte, wanted []hl7.HD) []byte {
	own := p.IDs[0].AssigningAuthority.UniversalID
	for _, id := range p.IDs {
		if id.Same(p.Patient.ID) {
			own = id.AssigningAuthority.UniversalID
		}
	}
	var others []byte
	told := map[string]bool{}
	for _, id := range p.IDs {
		root := id.AssigningAuthority.UniversalID
		if told[root] = true; root == own {
			dst = appendID(dst, id)
		} else {
			others = appendScope(appendID(append(others, `<asOtherIDs classCode="PAT">`...), id), root)
		}
	}
	for _, h := range wanted {
		if !told[h.UniversalID] {
			others = appendScope(append(others, `<asOtherIDs classCode="PAT"><id nullFlavor="NA"/>`...), h.UniversalID)
		}
	}
	dst = append(dst, `<statusCode code="active"/>`...)
	dst = appendPerson(dst, &p.Patient.Demographics, others)
	dst = append(dst, `<providerOrganization classCode="ORG" determinerCode="INSTANCE">`...)
	dst = hl7v3.AppendII(dst, "id", hl7v3.II{Root: own})
	if p.Domain != "" && own == p.Patient.ID.AssigningAuthority.UniversalID {
		dst = xmlpull.AppendElement(dst, "name", p.Domain)
	}
	// Whoever is told meets every criterion; nothing is weighed [ITI-47 3.47.4.2.2.2].
	return append(dst, `<contactParty classCode="CON" nullFlavor="NI"/></providerOrganization><subjectOf1><queryMatchObservation classCode="COND" moodCode="EVN"><code code="IHE_PDQ"/>`+
		`<value xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="INT" value="100"/></queryMatchObservation></subjectOf1></patient></subject1>`...)
}

func appendScope(dst []byte, root string) []byte {
	dst = append(dst, `<scopingOrganization classCode="ORG" determinerCode="INSTANCE">`...)
	dst = hl7v3.AppendII(dst, "id", hl7v3.II{Root: root})
	return append(dst, `</scopingOrganization></asOtherIDs>`...)
}

func appendID(dst []byte, id hl7.CX) []byte {
	return hl7v3.AppendII(dst, "id", hl7v3.II{Root: id.AssigningAuthority.UniversalID, Extension: id.ID, AssigningAuthorityName: id.AssigningAuthority.NamespaceID})
}

// Notification prints the message that tells a subscriber the identifiers of a person [ITI-46 3.46.4.1.2]. receiver is the subscriber's OID, or empty.
func Notification(ids []hl7.CX, receiver string, o Origin) []byte {
	h := hl7v3.Header{Interaction: "PRPA_IN201302UV02", ID: hl7v3.II{Root: o.Device, Extension: o.ID}, ProcessingCode: "P", ProcessingMode: "T", AcceptAckCode: "AL",
		Receivers: []hl7v3.Device{{IDs: []hl7v3.II{{Root: receiver}}}}, Sender: hl7v3.Device{IDs: []hl7v3.II{{Root: o.Device}}}}
	dst := hl7v3.AppendWrapper(nil, h, o.Time)
	dst = append(dst, `<controlActProcess classCode="CACT" moodCode="EVN"><code code="PRPA_TE201302UV02" codeSystem="`+hl7v3.InteractionRoot+`"/>`+subject...)
	for _, id := range ids {
		dst = appendID(dst, id)
	}
	dst = append(dst, `<statusCode code="active"/><patientPerson classCode="PSN" determinerCode="INSTANCE"><name nullFlavor="NA"/></patientPerson></patient></subject1>`+
		`<custodian typeCode="CST"><assignedEntity classCode="ASSIGNED">`...)
	dst = hl7v3.AppendII(dst, "id", hl7v3.II{Root: o.Device})
	return append(dst, `</assignedEntity></custodian></registrationEvent></subject></controlActProcess></PRPA_IN201302UV02>`...)
}
