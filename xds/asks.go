package xds

import (
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
)

// Filed gives the identifier that a patient's documents are filed by, and false when there is none.
type Filed func(hl7.CX) (hl7.CX, bool, error)

// Concerns tells whether the assertion of a caller is about the patient who is filed by an identifier. One that names no patient is about any.
func Concerns(c auth.Caller, patient hl7.CX, filed Filed) (bool, error) {
	if c.Patient == "" {
		return true, nil
	}
	named, err := hl7.ParseCX(c.Patient)
	if err != nil {
		return false, nil
	}
	if named.Same(patient) {
		return true, nil
	}
	named, ok, err := filed(named)
	return ok && named.Same(patient), err
}

// notConcerned is the rule that a request about another patient than its assertion breaks.
const notConcerned = "the assertion is about another patient"

// NotConcerned is the error of a query about another patient than the assertion that came with it.
func NotConcerned(location string) *Error {
	return &Error{Code: CodePatientIDDoesNotMatch, Location: location, Context: notConcerned + " (ITI TF-2 3.40.4.1.2)"}
}
