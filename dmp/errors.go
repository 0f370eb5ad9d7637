package dmp

import "github.com/passerelle-sante/passerelle/atna"

// Code says why something was not done. The first two are of the national interface, which has no more that are known; the others are ours.
type Code string

// The codes.
const (
	Found        Code = "DMPFound"  // there is a record already
	IsClosed     Code = "DMPClosed" // the record is closed
	NoRecord     Code = "RecordNotFound"
	Gone         Code = "RecordDestroyed"
	Denied       Code = "AccessDenied" // all that a professional is told of a refusal [DMP-T5]
	Mismatch     Code = "PatientMismatch"
	Unconfirmed  Code = "ConfirmationDue"
	Incomplete   Code = "DataMissing"
	Unknown      Code = "RightNotFound"
	TooMany      Code = "TooManyAttending"
	TooEarly     Code = "RetentionNotOver"
	Unidentified Code = "PatientNotKnown"
	Unsupported  Code = "NotSupported"
	Internal     Code = "InternalError"
)

// Error is something that is not done. Text is safe to show; Reason is for the audit record alone and may say more.
type Error struct {
	Code   Code
	Text   string
	Reason string
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Text }

func (e *Error) reason() string {
	if e.Reason != "" {
		return e.Reason
	}
	return e.Text
}

// outcome is how serious an error is in an audit record: what is not permitted is more than what cannot be done.
func (e *Error) outcome() atna.Outcome {
	switch e.Code {
	case Denied, Mismatch:
		return atna.OutcomeSerious
	case Internal:
		return atna.OutcomeMajorFailure
	}
	return atna.OutcomeMinorFailure
}

// denied refuses who is not permitted; he is not told why.
func denied(reason string) error {
	return &Error{Code: Denied, Text: "access denied", Reason: reason}
}
