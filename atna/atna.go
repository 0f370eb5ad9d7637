// Package atna holds the audit message of the DICOM standard (PS3.15 A.5) as ITI-20 carries it, the catalogue of events that the
// product's transactions record, and the one-method contract of whoever keeps a record.
package atna

import (
	"context"
	"time"
)

// CodedValue is a code of the audit vocabulary: csd-code, codeSystemName, originalText.
type CodedValue struct{ Code, System, Text string }

// Outcome is the EventOutcomeIndicator.
type Outcome uint8

// The outcomes of PS3.15 A.5.2.
const (
	OutcomeSuccess      Outcome = 0
	OutcomeMinorFailure Outcome = 4
	OutcomeSerious      Outcome = 8
	OutcomeMajorFailure Outcome = 12
)

// AuditMessage is one event: what happened, who took part, who reports it, on which objects.
type AuditMessage struct {
	EventIdentification EventIdentification
	ActiveParticipants  []ActiveParticipant
	AuditSource         AuditSourceIdentification
	ParticipantObjects  []ParticipantObject
}

// EventIdentification says what happened. EventActionCode is C, R, U, D or E.
type EventIdentification struct {
	EventID                 CodedValue
	EventActionCode         string
	EventDateTime           time.Time
	EventOutcomeIndicator   Outcome
	EventOutcomeDescription string
	EventTypeCodes          []CodedValue
	PurposesOfUse           []CodedValue
}

// ActiveParticipant is a person, a process or a node that took part.
type ActiveParticipant struct {
	UserID                     string
	AlternativeUserID          string
	UserName                   string
	UserIsRequestor            bool
	RoleIDCodes                []CodedValue
	NetworkAccessPointTypeCode string // 1 machine name, 2 IP address
	NetworkAccessPointID       string
}

// AuditSourceIdentification is the reporter.
type AuditSourceIdentification struct {
	AuditSourceID        string
	AuditEnterpriseSite  string
	AuditSourceTypeCodes []CodedValue
}

// ParticipantObject is what the event was about: a patient, a document, a query.
type ParticipantObject struct {
	ParticipantObjectTypeCode          string // 1 person, 2 system object
	ParticipantObjectTypeCodeRole      string // 1 patient, 3 report, 20 job, 24 query
	ParticipantObjectDataLifeCycle     string
	ParticipantObjectIDTypeCode        CodedValue
	ParticipantObjectID                string
	ParticipantObjectName              string
	ParticipantObjectQuery             []byte
	ParticipantObjectDetails           []ObjectDetail
	ParticipantObjectSensitivity       string
	ParticipantObjectContainsStudyUIDs []string
}

// ObjectDetail is a type-value pair of an object.
type ObjectDetail struct {
	Type  string
	Value []byte
}

// Recorder keeps an audit message: when Record returns nil the message is durable.
type Recorder interface {
	Record(ctx context.Context, m *AuditMessage) error
}
