package validate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

var responseRules = []Rule{
	{"RSP-ROOT", Error, "ITI TF-2 3.18.4.1.2.7, 3.42.4.2, 3.43.4.2.2", "the message is no RegistryResponse, AdhocQueryResponse or RetrieveDocumentSetResponse of their namespaces"},
	{"RSP-STATUS", Error, "ITI TF-3 4.2.4.2", "the status is none that an answer can have"},
	{"RSP-PARTIAL", Error, "ITI TF-3 4.2.4.2", "an answer to a submission succeeds in part"},
	{"RSP-NO-ERROR", Error, "ITI TF-3 table 4.2.4.2-1", "Failure or PartialSuccess comes without an error"},
	{"RSP-ERROR", Error, "ITI TF-3 table 4.2.4.2-1", "Success comes with an error"},
	{"RSP-EMPTY", Error, "ITI TF-3 4.2.4.1", "there is an error list without errors"},
	{"RSP-CODE", Error, "ITI TF-3 4.2.4.1", "an error has no errorCode"},
	{"RSP-CODE-UNKNOWN", Warning, "ITI TF-3 table 4.2.4.1-2", "the code of an error is none of the standard"},
	{"RSP-CONTEXT", Error, "ITI TF-3 4.2.4.1", "an error has no codeContext"},
	{"RSP-SEVERITY", Error, "ITI TF-3 4.2.4.1", "the severity of an error is neither Error nor Warning"},
	{"RSP-HIGHEST", Error, "ebRS 3.0 2.1 (RegistryErrorList)", "highestSeverity is not the highest of the errors"},
	{"RSP-FAILURE-OBJECTS", Error, "ITI TF-3 table 4.2.4.2-1", "an answer that failed holds objects or documents"},
	{"RSP-ID", Error, "ITI TF-3 4.2.3.1.5", "the id of an object is no UUID"},
	{"RSP-TWICE", Error, "ITI TF-2 3.18.4.1.3", "an object comes twice"},
	{"RSP-AVAILABILITY", Error, "ITI TF-3 table 4.3.2.1-3, 4.2.3.2.2", "an entry, set or folder has no status of ebRIM"},
	{"RSP-LID", Error, "ITI TF-2 3.18.4.1.2.3.1; ebRIM 3.0 2 (lid)", "an entry or folder has no logical id that is a UUID"},
	{"RSP-VERSION", Error, "ITI TF-2 3.18.4.1.2.3.1; ebRIM 3.0 2 (versionInfo)", "an entry or folder has no VersionInfo"},
	{"RSP-DOC-ID", Error, "ITI TF-2 3.43.4.2.2", "a document lacks RepositoryUniqueId or DocumentUniqueId"},
	{"RSP-DOC-MIME", Error, "ITI TF-2 3.43.4.2.2", "a document has no mimeType that is a media type"},
	{"RSP-DOC-CONTENT", Error, "ITI TF-2 3.43.4.2.2", "a document has no content"},
	{"RSP-DOC-TWICE", Error, "ITI TF-2 3.43.4.2.2", "a document comes twice"},
	{"RSP-DOC-NONE", Error, "ITI TF-2 3.43.4.2.3", "an answer that succeeds, in whole or in part, holds no document"},
}

const (
	nsRS      = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0"
	outcome   = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:"
	partial   = "urn:ihe:iti:2007:ResponseStatusType:PartialSuccess"
	severity  = "urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:"
	rimStatus = "urn:oasis:names:tc:ebxml-regrep:StatusType:"
)

// errorCodes are those of ITI TF-3 table 4.2.4.1-2.
var errorCodes = strings.Fields(`DocumentQueued InvalidDocumentContent PartialAppendContentNotProcessed PartialFolderContentNotProcessed PartialRelationshipContentNotProcessed
	PartialReplaceContentNotProcessed PartialTransformNotProcessed PartialTransformReplaceNotProcessed UnresolvedReferenceException ReferencesExistException UnmodifiableMetadataError
	XDSDocumentUniqueIdError XDSDuplicateUniqueIdInRegistry XDSExtraMetadataNotSaved XDSMetadataAnnotationError XDSMetadataIdentifierError XDSMetadataUpdateError
	XDSMetadataUpdateOperationError XDSMetadataVersionError XDSMissingDocument XDSMissingDocumentMetadata XDSMissingHomeCommunityId XDSNonIdenticalHash XDSNonIdenticalSize
	XDSPatientIDReconciliationError XDSPatientIdDoesNotMatch XDSRegistryBusy XDSRegistryDeprecatedDocumentError XDSRegistryDuplicateUniqueIdInMessage XDSRegistryError
	XDSRegistryMetadataError XDSRegistryNotAvailable XDSRegistryOutOfResources XDSRepositoryBusy XDSRepositoryDuplicateUniqueIdInMessage XDSRepositoryError XDSRepositoryMetadataError
	XDSRepositoryOutOfResources XDSResultNotSinglePatient XDSStoredQueryMissingParam XDSStoredQueryParamNumber XDSTooManyResults XDSUnavailableCommunity XDSUnknownCommunity
	XDSUnknownPatientId XDSUnknownRepositoryId XDSUnknownStoredQuery XDSUnreferencedObjectException DocumentNotFound XDSIHERemovalError UnknownRecipient UnavailableRecipient`)

// response judges an answer of a registry or a repository.
func (j *judge) response(root xmltree.Node, m *message) {
	registry := root
	switch root.Space() + " " + root.Local() {
	case nsRS + " RegistryResponse", nsQuery + " AdhocQueryResponse":
	case nsXDSB + " RetrieveDocumentSetResponse":
		registry = at(root, "RegistryResponse")
	default:
		j.say("RSP-ROOT", here(root, root.Local()))
		return
	}
	status := value(registry, "status")
	switch status {
	case outcome + "Success", outcome + "Failure":
	case partial:
		if root.Local() == "RegistryResponse" {
			j.say("RSP-PARTIAL", here(registry, "status"))
		}
	default:
		j.say("RSP-STATUS", here(registry, "status"))
	}
	j.errorList(registry, status)
	j.answered(root, status)
	if root.Local() == "RetrieveDocumentSetResponse" {
		j.retrieved(root, m, status)
	}
}

// errorList judges the errors, and that they go with the status.
func (j *judge) errorList(registry xmltree.Node, status string) {
	list := at(registry, "RegistryErrorList")
	errors, highest := 0, severity+"Warning"
	for i, e := range kids(list, "RegistryError") {
		where := here(e, fmt.Sprintf("RegistryError[%d]", i+1))
		switch code := e.Value("errorCode"); {
		case code == "":
			j.say("RSP-CODE", where)
		case !slices.Contains(errorCodes, code):
			j.say("RSP-CODE-UNKNOWN", where)
		}
		if e.Value("codeContext") == "" {
			j.say("RSP-CONTEXT", where)
		}
		switch e.Value("severity") {
		case severity + "Error":
			errors, highest = errors+1, severity+"Error"
		case severity + "Warning":
		default:
			errors++
			j.say("RSP-SEVERITY", where)
		}
	}
	if !list.IsZero() {
		if count(list) == 0 {
			j.say("RSP-EMPTY", here(list, "RegistryErrorList"))
		} else if h := list.Value("highestSeverity"); h != "" && h != highest {
			j.say("RSP-HIGHEST", here(list, "RegistryErrorList"))
		}
	}
	switch {
	case errors == 0 && (status == outcome+"Failure" || status == partial):
		j.say("RSP-NO-ERROR", here(registry, "status"))
	case errors > 0 && status == outcome+"Success":
		j.say("RSP-ERROR", here(registry, "status"))
	}
}

// answered judges the objects of an answer to a query.
func (j *judge) answered(root xmltree.Node, status string) {
	list := at(root, "RegistryObjectList")
	if count(list) > 0 && status == outcome+"Failure" {
		j.say("RSP-FAILURE-OBJECTS", here(list, "RegistryObjectList"))
	}
	seen := map[string]bool{}
	for _, r := range kids(list, "ObjectRef") {
		if !uuidForm.MatchString(r.Value("id")) {
			j.say("RSP-ID", here(r, "ObjectRef"))
		}
		if seen[r.Value("id")] {
			j.say("RSP-TWICE", here(r, "ObjectRef"))
		}
		seen[r.Value("id")] = true
	}
	quiet := &judge{} // an object that comes twice has a rule of its own here
	for _, o := range quiet.hold(list, "a").objects {
		if !uuidForm.MatchString(o.id) {
			j.say("RSP-ID", here(o.Node, o.name+".id"))
		}
		if seen[o.id] {
			j.say("RSP-TWICE", here(o.Node, o.name))
		}
		seen[o.id] = true
		j.object(o, "a")
		switch o.kind {
		case "DocumentEntry", "Folder":
			if !uuidForm.MatchString(o.Value("lid")) {
				j.say("RSP-LID", here(o.Node, o.name+".lid"))
			}
			if value(at(o.Node, "VersionInfo"), "versionName") == "" {
				j.say("RSP-VERSION", here(o.Node, o.name))
			}
		case "Association":
			continue
		}
		if s, ok := strings.CutPrefix(o.Value("status"), rimStatus); !ok || !slices.Contains([]string{"Approved", "Deprecated", "Submitted"}, s) {
			j.say("RSP-AVAILABILITY", here(o.Node, o.name+".status"))
		}
	}
}

// retrieved judges the documents of an answer.
func (j *judge) retrieved(root xmltree.Node, m *message, status string) {
	all := kids(root, "DocumentResponse")
	if len(all) == 0 && (status == outcome+"Success" || status == partial) {
		j.say("RSP-DOC-NONE", here(root, root.Local()))
	}
	if len(all) > 0 && status == outcome+"Failure" {
		j.say("RSP-FAILURE-OBJECTS", here(all[0], root.Local()))
	}
	seen := map[string]bool{}
	for i, d := range all {
		where := here(d, fmt.Sprintf("DocumentResponse[%d]", i+1))
		repository, id := textOf(at(d, "RepositoryUniqueId")), textOf(at(d, "DocumentUniqueId"))
		if repository == "" || id == "" {
			j.say("RSP-DOC-ID", where)
		}
		if seen[repository+" "+id] {
			j.say("RSP-DOC-TWICE", where)
		}
		seen[repository+" "+id] = true
		if !mimeForm.MatchString(textOf(at(d, "mimeType"))) {
			j.say("RSP-DOC-MIME", near(d, where.location, "mimeType"))
		}
		content, whole, err := m.held(at(d, "Document"))
		if at(d, "Document").IsZero() || err != nil || whole && len(content) == 0 || at(d, "Document", "Include").IsZero() && !whole {
			j.say("RSP-DOC-CONTENT", near(d, where.location, "Document"))
		}
	}
}
