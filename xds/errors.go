package xds

import (
	"errors"
	"strings"
)

// ErrorCode is an error code of ITI TF-3 table 4.2.4.1-2, or one that a deployment adds.
type ErrorCode string

// The error codes that the registry and repository transactions of this product answer with.
const (
	CodeDocumentUniqueIDError           ErrorCode = "XDSDocumentUniqueIdError"
	CodeDuplicateUniqueIDInRegistry     ErrorCode = "XDSDuplicateUniqueIdInRegistry"
	CodeExtraMetadataNotSaved           ErrorCode = "XDSExtraMetadataNotSaved"
	CodeMetadataIdentifierError         ErrorCode = "XDSMetadataIdentifierError"
	CodeMetadataUpdateError             ErrorCode = "XDSMetadataUpdateError"
	CodeMetadataUpdateOperationError    ErrorCode = "XDSMetadataUpdateOperationError"
	CodeMetadataVersionError            ErrorCode = "XDSMetadataVersionError"
	CodeMissingDocument                 ErrorCode = "XDSMissingDocument"
	CodeMissingDocumentMetadata         ErrorCode = "XDSMissingDocumentMetadata"
	CodeMissingHomeCommunityID          ErrorCode = "XDSMissingHomeCommunityId"
	CodeNonIdenticalHash                ErrorCode = "XDSNonIdenticalHash"
	CodeNonIdenticalSize                ErrorCode = "XDSNonIdenticalSize"
	CodePatientIDDoesNotMatch           ErrorCode = "XDSPatientIdDoesNotMatch"
	CodePatientIDReconciliationError    ErrorCode = "XDSPatientIDReconciliationError"
	CodeRegistryBusy                    ErrorCode = "XDSRegistryBusy"
	CodeRegistryDeprecatedDocumentError ErrorCode = "XDSRegistryDeprecatedDocumentError"
	CodeRegistryDuplicateUniqueIDInMsg  ErrorCode = "XDSRegistryDuplicateUniqueIdInMessage"
	CodeRegistryError                   ErrorCode = "XDSRegistryError"
	CodeRegistryMetadataError           ErrorCode = "XDSRegistryMetadataError"
	CodeRegistryNotAvailable            ErrorCode = "XDSRegistryNotAvailable"
	CodeRegistryOutOfResources          ErrorCode = "XDSRegistryOutOfResources"
	CodeRepositoryBusy                  ErrorCode = "XDSRepositoryBusy"
	CodeRepositoryDuplicateUniqueID     ErrorCode = "XDSRepositoryDuplicateUniqueIdInMessage"
	CodeRepositoryError                 ErrorCode = "XDSRepositoryError"
	CodeRepositoryMetadataError         ErrorCode = "XDSRepositoryMetadataError"
	CodeRepositoryOutOfResources        ErrorCode = "XDSRepositoryOutOfResources"
	CodeResultNotSinglePatient          ErrorCode = "XDSResultNotSinglePatient"
	CodeStoredQueryMissingParam         ErrorCode = "XDSStoredQueryMissingParam"
	CodeStoredQueryParamNumber          ErrorCode = "XDSStoredQueryParamNumber"
	CodeTooManyResults                  ErrorCode = "XDSTooManyResults"
	CodeUnknownCommunity                ErrorCode = "XDSUnknownCommunity"
	CodeUnknownPatientID                ErrorCode = "XDSUnknownPatientId"
	CodeUnknownRepositoryID             ErrorCode = "XDSUnknownRepositoryId"
	CodeUnknownStoredQuery              ErrorCode = "XDSUnknownStoredQuery"
	CodeUnresolvedReference             ErrorCode = "UnresolvedReferenceException"
	CodeReferencesExist                 ErrorCode = "ReferencesExistException"
	CodeUnreferencedObject              ErrorCode = "XDSUnreferencedObjectException"
	CodeUnmodifiableMetadataError       ErrorCode = "UnmodifiableMetadataError"
	CodeMetadataAnnotationError         ErrorCode = "XDSMetadataAnnotationError"
)

// Error is one finding of a transaction, of the severity error unless Warning. Context and Location go to the peer: they name the object,
// the attribute, the value and the rule, and never a person.
type Error struct {
	Code     ErrorCode
	Warning  bool
	Location string // "DocumentEntry[2].creationTime"
	Context  string // "DocumentEntry Document02 creationTime "20150230": no such date (ITI TF-3 4.2.3.1.7)"
}

// Error gives code, place and context on one line.
func (e *Error) Error() string {
	s := string(e.Code)
	if e.Location != "" {
		s += " at " + e.Location
	}
	if e.Context != "" {
		s += ": " + e.Context
	}
	return s
}

// Errors are all the findings of one transaction, in the order of the submission.
type Errors []*Error

// Error joins the findings with "; ".
func (es Errors) Error() string {
	var b strings.Builder
	for i, e := range es {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(e.Error())
	}
	return b.String()
}

// Err is nil when nothing of severity error was found, the findings otherwise.
func (es Errors) Err() error {
	for _, e := range es {
		if !e.Warning {
			return es
		}
	}
	return nil
}

// Codes lists the error codes once each, separated by spaces: what an audit record and a log may say of a refusal.
func (es Errors) Codes() string {
	var b strings.Builder
	for i, e := range es {
		first := true
		for _, before := range es[:i] {
			first = first && before.Code != e.Code
		}
		if first {
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(string(e.Code))
		}
	}
	return b.String()
}

// ErrInDoubt says that nobody knows whether a registry took a submission: the connection broke after it was sent. Its documents stay staged until
// the registry can be asked.
var ErrInDoubt = errors.New("the registry's answer did not arrive")

// ResponseStatus is the outcome that a registry response names.
type ResponseStatus string

// The outcomes of ITI TF-3 4.2.4.1.
const (
	Success        ResponseStatus = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"
	Failure        ResponseStatus = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Failure"
	PartialSuccess ResponseStatus = "urn:ihe:iti:2007:ResponseStatusType:PartialSuccess"
)

// Short is the last word of the status, for a log.
func (s ResponseStatus) Short() string { return string(s[strings.LastIndexByte(string(s), ':')+1:]) }
