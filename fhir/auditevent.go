package fhir

import (
	"strconv"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/atna/arr"
)

// AuditEvent is the resource of R4.
type AuditEvent struct {
	ResourceType   string            `json:"resourceType"`
	ID             string            `json:"id"`
	Meta           *Meta             `json:"meta,omitempty"`
	Type           Coding            `json:"type"`
	Subtype        []Coding          `json:"subtype,omitempty"`
	Action         string            `json:"action,omitempty"`
	Recorded       string            `json:"recorded"`
	Outcome        string            `json:"outcome,omitempty"`
	OutcomeDesc    string            `json:"outcomeDesc,omitempty"`
	PurposeOfEvent []CodeableConcept `json:"purposeOfEvent,omitempty"`
	Agent          []Agent           `json:"agent"`
	Source         Source            `json:"source"`
	Entity         []Entity          `json:"entity,omitempty"`
}

// Meta marks a record that could not be understood whole.
type Meta struct {
	Tag []Coding `json:"tag"`
}

// Agent is an ActiveParticipant.
type Agent struct {
	Role      []CodeableConcept `json:"role,omitempty"`
	Who       *Reference        `json:"who,omitempty"`
	AltID     string            `json:"altId,omitempty"`
	Name      string            `json:"name,omitempty"`
	Requestor bool              `json:"requestor"`
	Network   *Network          `json:"network,omitempty"`
}

// Network is a NetworkAccessPoint.
type Network struct {
	Address string `json:"address,omitempty"`
	Type    string `json:"type,omitempty"`
}

// Source is the AuditSourceIdentification.
type Source struct {
	Site     string    `json:"site,omitempty"`
	Observer Reference `json:"observer"`
	Type     []Coding  `json:"type,omitempty"`
}

// Entity is a ParticipantObject.
type Entity struct {
	What      *Reference `json:"what,omitempty"`
	Type      *Coding    `json:"type,omitempty"`
	Role      *Coding    `json:"role,omitempty"`
	Lifecycle *Coding    `json:"lifecycle,omitempty"`
	Name      string     `json:"name,omitempty"`
	Query     []byte     `json:"query,omitempty"`
	Detail    []Detail   `json:"detail,omitempty"`
}

// Detail is a type-value pair of an object.
type Detail struct {
	Type  string `json:"type"`
	Value []byte `json:"valueBase64Binary"`
}

// The code systems of FHIR for what DICOM and IHE number.
const (
	systemDCM        = "http://dicom.nema.org/resources/ontology/DCM"
	systemIHE        = "urn:ihe:event-type-code"
	systemObjectType = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
	systemObjectRole = "http://terminology.hl7.org/CodeSystem/object-role"
	systemLifecycle  = "http://terminology.hl7.org/CodeSystem/dicom-audit-lifecycle"
	systemSourceType = "http://terminology.hl7.org/CodeSystem/security-source-type"
	systemFlaw       = "urn:passerelle:audit:flaw"
)

func system(name string) string {
	switch name {
	case "DCM":
		return systemDCM
	case "IHE Transactions":
		return systemIHE
	}
	if name != "" && strings.Trim(name, "0123456789.") == "" {
		return "urn:oid:" + name
	}
	return name
}

func coding(c atna.CodedValue) Coding { return Coding{system(c.System), c.Code, c.Text} }

func codings(cs []atna.CodedValue) (out []Coding) {
	for _, c := range cs {
		out = append(out, coding(c))
	}
	return out
}

func concepts(cs []atna.CodedValue) (out []CodeableConcept) {
	for _, c := range cs {
		out = append(out, CodeableConcept{Coding: []Coding{coding(c)}})
	}
	return out
}

func numbered(system, code string) *Coding {
	if code == "" {
		return nil
	}
	return &Coding{System: system, Code: code}
}

// ID is the logical id of a record of the log.
func ID(seq uint64) string { return strconv.FormatUint(seq, 10) }

// AuditEventOf maps a record as DICOM and FHIR map onto each other [FHIR R4 AuditEvent 6.4.8.1]; nil for a record that no audit message could be read from.
func AuditEventOf(f *arr.Found) *AuditEvent {
	m := f.Message
	if m == nil || m.EventIdentification.EventID.Code == "" {
		return nil
	}
	e := &m.EventIdentification
	ev := &AuditEvent{ResourceType: "AuditEvent", ID: ID(f.Seq), Type: coding(e.EventID), Subtype: codings(e.EventTypeCodes), Action: e.EventActionCode,
		Recorded: e.EventDateTime.UTC().Format(time.RFC3339Nano), Outcome: strconv.Itoa(int(e.EventOutcomeIndicator)), OutcomeDesc: e.EventOutcomeDescription,
		PurposeOfEvent: concepts(e.PurposesOfUse), Agent: []Agent{}}
	for i := range m.ActiveParticipants {
		ev.Agent = append(ev.Agent, agent(&m.ActiveParticipants[i]))
	}
	ev.Source = Source{Site: m.AuditSource.AuditEnterpriseSite, Observer: Reference{Identifier: &Identifier{Value: m.AuditSource.AuditSourceID}}}
	for _, c := range m.AuditSource.AuditSourceTypeCodes {
		ev.Source.Type = append(ev.Source.Type, Coding{systemSourceType, c.Code, c.Text})
	}
	for i := range m.ParticipantObjects {
		ev.Entity = append(ev.Entity, entity(&m.ParticipantObjects[i]))
	}
	for _, flaw := range f.Flaws {
		if ev.Meta == nil {
			ev.Meta = &Meta{}
		}
		ev.Meta.Tag = append(ev.Meta.Tag, Coding{System: systemFlaw, Code: flaw})
	}
	return ev
}

func agent(a *atna.ActiveParticipant) Agent {
	out := Agent{Role: concepts(a.RoleIDCodes), AltID: a.AlternativeUserID, Name: a.UserName, Requestor: a.UserIsRequestor}
	if a.UserID != "" {
		out.Who = &Reference{Identifier: &Identifier{Value: a.UserID}}
	}
	if a.NetworkAccessPointID != "" {
		out.Network = &Network{a.NetworkAccessPointID, a.NetworkAccessPointTypeCode}
	}
	return out
}

func entity(o *atna.ParticipantObject) Entity {
	out := Entity{Type: numbered(systemObjectType, o.ParticipantObjectTypeCode), Role: numbered(systemObjectRole, o.ParticipantObjectTypeCodeRole),
		Lifecycle: numbered(systemLifecycle, o.ParticipantObjectDataLifeCycle), Name: o.ParticipantObjectName, Query: o.ParticipantObjectQuery}
	if len(out.Query) > 0 {
		out.Name = "" // a name or a query, never both [sev-1]
	}
	if o.ParticipantObjectID != "" {
		kind := concepts([]atna.CodedValue{o.ParticipantObjectIDTypeCode})[0]
		out.What = &Reference{Identifier: &Identifier{Type: &kind, Value: o.ParticipantObjectID}}
	}
	for _, d := range o.ParticipantObjectDetails {
		out.Detail = append(out.Detail, Detail(d))
	}
	for _, uid := range o.ParticipantObjectContainsStudyUIDs {
		out.Detail = append(out.Detail, Detail{"StudyInstanceUID", []byte(uid)})
	}
	return out
}
