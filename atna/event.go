package atna

import (
	"net/netip"
	"time"

	"github.com/passerelle-sante/passerelle/hl7"
)

// Facts is what a transaction knows when it ends. Empty fields are left out of the message.
type Facts struct {
	Time        time.Time
	Outcome     Outcome
	OutcomeText string // safe to show: no patient data
	Action      string // replaces the row's EventActionCode: C, U or D of a patient identity feed

	RequestorID      string   // wsa:ReplyTo, or facility|application of a v2 message, or the certificate's subject
	RequestorProcess string   // the peer's process id, when it says so
	RequestorAddress string   // network address or name, without port
	RequestorNode    string   // the subject of the node's certificate
	RequestorName    string   // the person behind the node
	RequestorRole    string   // that person's role as text
	Purpose          string   // purpose of use as text
	Endpoint         string   // the address that was called
	EndpointAddress  string   // network address of the peer when we are the initiator
	Persons          []Person // people behind the node with their codes: national identifier, structure, role
	Purposes         []CodedValue

	Patient                hl7.CX
	OtherPatients          []hl7.CX // of a query that concerned several
	SubmissionSetUniqueID  string
	Documents              []DocumentFact
	ObjectIDs              []string // registry objects of ITI-62
	Alert                  string   // of an alert: the rule that fired and what it counted; no patient data
	Query                  []byte   // the request as it came
	QueryID                string
	QueryHomeCommunityID   string
	MessageID              string
	Message                *MessageFact
	DetailsOfPatientObject []ObjectDetail // added to the patient's object as they are
}

// DetailDecision tells why an access was granted or refused: the ground, the right, or the reason. It is for the patient's journal and for auditors.
const DetailDecision = "Decision"

// Decided puts the decision about an access into the facts; an empty one says nothing.
func (f Facts) Decided(decision string) Facts {
	if decision != "" {
		own := f.DetailsOfPatientObject
		f.DetailsOfPatientObject = append(own[:len(own):len(own)], ObjectDetail{DetailDecision, []byte(decision)})
	}
	return f
}

// Person is a human participant as an assertion names him.
type Person struct {
	ID, AlternativeID, Name string
	Roles                   []CodedValue
}

// DocumentFact names one document of ITI-43 or ITI-86.
type DocumentFact struct {
	UniqueID, RepositoryUniqueID, HomeCommunityID string
}

// MessageFact names the mail that carried a submission (ITI-32) and what is to be known of it. ID is its Message-ID, without brackets.
type MessageFact struct {
	ID      string
	Details []ObjectDetail
}

// Reporter writes our audit messages: it holds what is the same in each of them. It is safe for concurrent use once filled.
type Reporter struct {
	SourceID       string       // AuditSourceID
	EnterpriseSite string       // AuditEnterpriseSiteID
	SourceTypes    []CodedValue // AuditSourceTypeCode
	ProcessID      string       // AlternativeUserID on our side
	UserID         string       // our own UserID where the facts name none
	Address        string       // our network address or host name
}

// event is the message and the memory its lists start in: one allocation.
type event struct {
	m        AuditMessage
	types    [1]CodedValue
	purposes [1]CodedValue
	parts    [4]ActiveParticipant
	objects  [4]ParticipantObject
}

// Event builds the message of one transaction as one side records it. The lists it gives may share memory with the catalogue: read them,
// do not change them. An unknown transaction becomes an application activity event with that code, so that nothing goes unrecorded.
func (r *Reporter) Event(tx Transaction, side Side, f Facts) *AuditMessage {
	w := find(tx)
	if w == nil {
		w = &row{tx: tx, name: string(tx), responder: moment{codeActivity, "E"}, initiator: moment{codeActivity, "E"}}
	}
	what := w.responder
	if side == Initiator {
		what = w.initiator
	}
	if f.Action != "" {
		what.action = f.Action
	}
	e := &event{}
	e.types[0] = w.typeCode()
	e.m.EventIdentification = EventIdentification{
		EventID: what.id, EventActionCode: what.action, EventDateTime: f.Time,
		EventOutcomeIndicator: f.Outcome, EventOutcomeDescription: f.OutcomeText,
		EventTypeCodes: e.types[:], PurposesOfUse: f.Purposes,
	}
	if len(f.Purposes) == 0 && f.Purpose != "" {
		e.purposes[0] = CodedValue{Code: f.Purpose, Text: f.Purpose}
		e.m.EventIdentification.PurposesOfUse = e.purposes[:]
	}
	e.m.AuditSource = AuditSourceIdentification{AuditSourceID: r.SourceID, AuditEnterpriseSite: r.EnterpriseSite, AuditSourceTypeCodes: r.SourceTypes}
	e.m.ActiveParticipants = r.participants(e.parts[:0], w, side, &f)
	e.m.ParticipantObjects = w.list(e.objects[:0], &f)
	return &e.m
}

// participants puts whoever asked first, then whoever was asked, then the people behind.
func (r *Reporter) participants(to []ActiveParticipant, w *row, side Side, f *Facts) []ActiveParticipant {
	peer := ActiveParticipant{UserID: f.RequestorID, AlternativeUserID: f.RequestorProcess, UserName: f.RequestorNode, UserIsRequestor: true}
	ours := ActiveParticipant{UserID: f.Endpoint, AlternativeUserID: r.ProcessID}
	peer.NetworkAccessPointTypeCode, peer.NetworkAccessPointID = accessPoint(f.RequestorAddress)
	if side == Initiator {
		peer = ActiveParticipant{UserID: f.Endpoint}
		peer.NetworkAccessPointTypeCode, peer.NetworkAccessPointID = accessPoint(f.EndpointAddress)
		ours = ActiveParticipant{UserID: f.RequestorID, AlternativeUserID: r.ProcessID, UserIsRequestor: true}
	}
	if ours.UserID == "" {
		ours.UserID = r.UserID
	}
	ours.NetworkAccessPointTypeCode, ours.NetworkAccessPointID = accessPoint(r.Address)

	asked, asker := rolesDestination, rolesSource
	switch w.tx {
	case ApplicationStart, ApplicationStop:
		ours.UserIsRequestor = false
		ours.RoleIDCodes = rolesApplication
		to = append(to, ours)
		if f.RequestorID != "" {
			to = append(to, ActiveParticipant{UserID: f.RequestorID, UserName: f.RequestorName, UserIsRequestor: true, RoleIDCodes: rolesLauncher})
		}
		return to
	}
	if w.pullsBytes {
		asked, asker = rolesSource, rolesDestination
	}
	if side == Initiator {
		ours.RoleIDCodes, peer.RoleIDCodes = asker, asked
		to = append(to, ours, peer)
	} else {
		ours.RoleIDCodes, peer.RoleIDCodes = asked, asker
		to = append(to, peer, ours)
	}
	return people(to, f)
}

func people(to []ActiveParticipant, f *Facts) []ActiveParticipant {
	if len(f.Persons) == 0 && f.RequestorName != "" {
		a := ActiveParticipant{UserID: f.RequestorName, UserName: f.RequestorName, UserIsRequestor: true}
		if f.RequestorRole != "" {
			a.RoleIDCodes = []CodedValue{{Code: f.RequestorRole, Text: f.RequestorRole}}
		}
		return append(to, a)
	}
	for _, p := range f.Persons {
		to = append(to, ActiveParticipant{UserID: p.ID, AlternativeUserID: p.AlternativeID, UserName: p.Name, UserIsRequestor: true, RoleIDCodes: p.Roles})
	}
	return to
}

// accessPoint tells names (1) from IP addresses (2).
func accessPoint(address string) (kind, id string) {
	if address == "" {
		return "", ""
	}
	if _, err := netip.ParseAddr(address); err == nil {
		return "2", address
	}
	return "1", address
}

// list builds the participant objects of a row.
func (w *row) list(to []ParticipantObject, f *Facts) []ParticipantObject {
	if !f.Patient.IsZero() {
		p := patient(f.Patient)
		p.ParticipantObjectDetails = f.DetailsOfPatientObject
		if w.objects&aboutMessage != 0 && f.MessageID != "" {
			p.ParticipantObjectDetails = append(p.ParticipantObjectDetails[:len(p.ParticipantObjectDetails):len(p.ParticipantObjectDetails)],
				ObjectDetail{w.message, []byte(f.MessageID)})
		}
		to = append(to, p)
	}
	for _, id := range f.OtherPatients {
		to = append(to, patient(id))
	}
	if w.objects&aboutSubmission != 0 && f.SubmissionSetUniqueID != "" {
		to = append(to, ParticipantObject{ParticipantObjectTypeCode: "2", ParticipantObjectTypeCodeRole: "20",
			ParticipantObjectIDTypeCode: idSubmission, ParticipantObjectID: f.SubmissionSetUniqueID})
	}
	if w.objects&aboutQuery != 0 && (f.QueryID != "" || f.Query != nil) {
		to = append(to, w.query(f))
	}
	if w.objects&aboutDocuments != 0 {
		for i := range f.Documents {
			to = append(to, w.document(&f.Documents[i]))
		}
	}
	if w.objects&aboutRefs != 0 {
		for _, id := range f.ObjectIDs {
			to = append(to, ParticipantObject{ParticipantObjectTypeCode: "2", ParticipantObjectTypeCodeRole: "3",
				ParticipantObjectIDTypeCode: idObjectRef, ParticipantObjectID: id})
		}
	}
	if w.objects&aboutLog != 0 {
		to = append(to, ParticipantObject{ParticipantObjectTypeCode: "2", ParticipantObjectTypeCodeRole: "13",
			ParticipantObjectIDTypeCode: idURI, ParticipantObjectID: f.Endpoint, ParticipantObjectName: "Security Audit Log"})
	}
	if w.objects&aboutMail != 0 && f.Message != nil {
		to = append(to, ParticipantObject{ParticipantObjectTypeCode: "2", ParticipantObjectTypeCodeRole: "20", ParticipantObjectIDTypeCode: idURI,
			ParticipantObjectID: "mid:" + f.Message.ID, ParticipantObjectDetails: f.Message.Details})
	}
	if w.objects&aboutAlert != 0 {
		to = append(to, ParticipantObject{ParticipantObjectTypeCode: "2", ParticipantObjectTypeCodeRole: "13", ParticipantObjectIDTypeCode: idURI,
			ParticipantObjectID: f.Endpoint, ParticipantObjectDetails: []ObjectDetail{{detailAlert, []byte(f.Alert)}}})
	}
	if w.objects&aboutNode != 0 {
		o := ParticipantObject{ParticipantObjectTypeCode: "2", ParticipantObjectTypeCodeRole: "13",
			ParticipantObjectIDTypeCode: idNode, ParticipantObjectID: f.RequestorAddress}
		if f.OutcomeText != "" {
			o.ParticipantObjectDetails = []ObjectDetail{{detailAlert, []byte(f.OutcomeText)}}
		}
		to = append(to, o)
	}
	return to
}

func patient(id hl7.CX) ParticipantObject {
	return ParticipantObject{ParticipantObjectTypeCode: "1", ParticipantObjectTypeCodeRole: "1",
		ParticipantObjectIDTypeCode: idPatient, ParticipantObjectID: id.String()}
}

// query is the query object; XML requests are UTF-8, the encoding is said all the same [ITI-18 3.18.5.1.1].
func (w *row) query(f *Facts) ParticipantObject {
	o := ParticipantObject{ParticipantObjectTypeCode: "2", ParticipantObjectTypeCodeRole: "24",
		ParticipantObjectIDTypeCode: w.typeCode(), ParticipantObjectID: f.QueryID, ParticipantObjectQuery: f.Query}
	o.ParticipantObjectDetails = make([]ObjectDetail, 0, 2)
	if w.message != "" {
		if f.MessageID != "" {
			o.ParticipantObjectDetails = append(o.ParticipantObjectDetails, ObjectDetail{w.message, []byte(f.MessageID)})
		}
	} else {
		o.ParticipantObjectDetails = append(o.ParticipantObjectDetails, ObjectDetail{detailEncoding, []byte("UTF-8")})
	}
	if w.community != "" && f.QueryHomeCommunityID != "" {
		o.ParticipantObjectDetails = append(o.ParticipantObjectDetails, ObjectDetail{w.community, []byte(f.QueryHomeCommunityID)})
	}
	return o
}

func (w *row) document(d *DocumentFact) ParticipantObject {
	o := ParticipantObject{ParticipantObjectTypeCode: "2", ParticipantObjectTypeCodeRole: "3",
		ParticipantObjectIDTypeCode: idReport, ParticipantObjectID: d.UniqueID}
	if d.RepositoryUniqueID != "" {
		o.ParticipantObjectDetails = append(make([]ObjectDetail, 0, 2), ObjectDetail{detailRepository, []byte(d.RepositoryUniqueID)})
	}
	if d.HomeCommunityID != "" {
		o.ParticipantObjectDetails = append(o.ParticipantObjectDetails, ObjectDetail{w.community, []byte(d.HomeCommunityID)})
	}
	return o
}
