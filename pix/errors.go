package pix

import "strings"

// ErrorCode is a message error condition of HL7 table 0357.
type ErrorCode string

// The conditions that a feed can meet.
const (
	CodeSegmentSequence    ErrorCode = "100"
	CodeRequiredMissing    ErrorCode = "101"
	CodeDataType           ErrorCode = "102"
	CodeTableValue         ErrorCode = "103"
	CodeUnsupportedMessage ErrorCode = "200"
	CodeUnsupportedEvent   ErrorCode = "201"
	CodeUnsupportedMode    ErrorCode = "202"
	CodeUnsupportedVersion ErrorCode = "203"
	CodeUnknownKey         ErrorCode = "204"
	CodeDuplicateKey       ErrorCode = "205"
	CodeLocked             ErrorCode = "206"
	CodeInternal           ErrorCode = "207"
)

// codeNames are the meanings that table 0357 gives.
var codeNames = map[ErrorCode]string{
	CodeSegmentSequence:    "Segment sequence error",
	CodeRequiredMissing:    "Required field missing",
	CodeDataType:           "Data type error",
	CodeTableValue:         "Table value not found",
	CodeUnsupportedMessage: "Unsupported message type",
	CodeUnsupportedEvent:   "Unsupported event code",
	CodeUnsupportedMode:    "Unsupported processing id",
	CodeUnsupportedVersion: "Unsupported version id",
	CodeUnknownKey:         "Unknown key identifier",
	CodeDuplicateKey:       "Duplicate key identifier",
	CodeLocked:             "Application record locked",
	CodeInternal:           "Application internal error",
}

// Name is the meaning of the code in table 0357.
func (c ErrorCode) Name() string { return codeNames[c] }

// Rejects tells the conditions that reject a message whatever it says of patients (AR), from errors in what it says (AE)
// (HL7 v2.5, 2.9.2.2).
func (c ErrorCode) Rejects() bool {
	return strings.HasPrefix(string(c), "20") && c != CodeUnknownKey && c != CodeDuplicateKey && c != CodeLocked
}

// Place is what an error is about; each door says it in its own way.
type Place string

// The places of a feed.
const (
	AtMessageType       Place = "message type"
	AtEvent             Place = "event"
	AtMessageID         Place = "message id"
	AtProcessing        Place = "processing id"
	AtVersion           Place = "version"
	AtCharset           Place = "character set"
	AtMessage           Place = "message"
	AtPatient           Place = "patient"
	AtPatientID         Place = "patient identifier"
	AtPatientAuthority  Place = "assigning authority of the patient identifier"
	AtPriorID           Place = "prior patient identifier"
	AtPriorAuthority    Place = "assigning authority of the prior patient identifier"
	AtPatientBirthDate  Place = "birth date"
	AtPatientSex        Place = "administrative sex"
	AtPatientName       Place = "patient name"
	AtPatientAttributes Place = "patient attributes"
	AtVisit             Place = "number of the visit"
	AtSegment           Place = "segment of the sender's own"

	AtOtherID        Place = "other patient identifier"
	AtOtherAuthority Place = "assigning authority of the other patient identifier"
)

// The places of a query.
const (
	AtQuery          Place = "query"
	AtQueryID        Place = "patient identifier of the query"
	AtQueryAuthority Place = "assigning authority of the query"
	AtQueryDomain    Place = "domain that is wanted"
	AtContinuation   Place = "continuation"
)

// Error is a feed or a query that is refused. Text holds no patient data; Index counts the patients of a feed, or the domains of a query, from 0; Location is the exact
// place when the codec knows it (an XML path), else empty.
type Error struct {
	Code     ErrorCode
	At       Place
	Index    int
	Location string
	Text     string
}

func (e *Error) Error() string { return string(e.At) + ": " + e.Text }
