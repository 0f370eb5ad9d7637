package validate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

var queryRules = []Rule{
	{"QRY-ROOT", Error, "ITI TF-2 3.18.4.1.2, 3.43.4.1.2", "the message is neither AdhocQueryRequest nor RetrieveDocumentSetRequest of their namespaces"},
	{"QRY-RETURN", Error, "ITI TF-2 3.18.4.1.2.3.1", "returnType is neither ObjectRef nor LeafClass"},
	{"QRY-ID", Error, "ITI TF-2 3.18.4.1.2.3.2, 3.18.4.1.2.4", "the id is that of no stored query"},
	{"QRY-PARAM", Warning, "ITI TF-2 3.18.4.1.2.3.7", "the query has no parameter of this name: a registry may ignore it"},
	{"QRY-MISSING", Error, "ITI TF-2 3.18.4.1.2.3.7", "a required parameter is missing"},
	{"QRY-EITHER", Error, "ITI TF-2 3.18.4.1.2.3.7", "exactly one of two parameters is due"},
	{"QRY-TWICE", Error, "ITI TF-2 3.18.4.1.2.3.5", "a parameter that may stand once comes several times"},
	{"QRY-EMPTY", Error, "ITI TF-2 3.18.4.1.2.3.5", "a parameter has no value"},
	{"QRY-QUOTES", Error, "ITI TF-2 3.18.4.1.2.3.5", "a text is not between apostrophes, with those inside doubled"},
	{"QRY-LIST", Error, "ITI TF-2 3.18.4.1.2.3.5", "a list is not between parentheses, or a single value is"},
	{"QRY-NUMBER", Error, "ITI TF-2 3.18.4.1.2.3.5", "the value is no number"},
	{"QRY-TIME", Error, "ITI TF-2 3.18.4.1.2.3.3; ITI TF-3 table 4.2.3.1.7-2 (DTM)", "the value is no date and time of digits"},
	{"QRY-RANGE", Warning, "ITI TF-2 3.18.4.1.2.3.3", "a range of times ends before it begins"},
	{"QRY-CODE", Error, "ITI TF-2 3.18.4.1.2.3.4", "a code is not of the form code^^scheme"},
	{"QRY-PATIENT", Error, "ITI TF-3 table 4.2.3.1.7-2 (CX)", "the patient is not of the form id^^^&OID&ISO"},
	{"QRY-UUID", Error, "ITI TF-3 4.2.3.1.5", "the value is no UUID of the form urn:uuid:"},
	{"QRY-STATUS", Error, "ITI TF-2 3.18.4.1.2.3.6", "the value is no status of ebRIM"},
	{"QRY-HOME", Error, "ITI TF-3 4.2.3.2.12", "home is not urn:oid: and an OID"},
	{"QRY-DOCUMENTS", Error, "ITI TF-2 3.43.4.1.2", "no document is asked for"},
	{"QRY-DOCUMENT", Error, "ITI TF-2 3.43.4.1.2", "a document lacks RepositoryUniqueId or DocumentUniqueId"},
	{"QRY-REPOSITORY", Error, "ITI TF-3 4.2.3.2.18", "RepositoryUniqueId is no OID"},
	{"QRY-SAME", Warning, "ITI TF-2 3.43.4.1.2", "a document is asked for twice"},
}

const nsQuery = "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"

// storedQuery lists the parameters of a query: NAME:TYPE, then ! when it is required, * when it may come several times, and | when exactly one of those so marked is due.
// The types are text, texts, codes, number, time, uuids, status and patient(s); the plural ones are lists.
type storedQuery struct{ name, parameters string }

const (
	entryFilters = "$XDSDocumentEntryClassCode:codes $XDSDocumentEntryTypeCode:codes $XDSDocumentEntryPracticeSettingCode:codes $XDSDocumentEntryCreationTimeFrom:time " +
		"$XDSDocumentEntryCreationTimeTo:time $XDSDocumentEntryServiceStartTimeFrom:time $XDSDocumentEntryServiceStartTimeTo:time $XDSDocumentEntryServiceStopTimeFrom:time " +
		"$XDSDocumentEntryServiceStopTimeTo:time $XDSDocumentEntryHealthcareFacilityTypeCode:codes $XDSDocumentEntryEventCodeList:codes* " +
		"$XDSDocumentEntryConfidentialityCode:codes* $XDSDocumentEntryAuthorPerson:texts $XDSDocumentEntryFormatCode:codes $XDSDocumentEntryType:texts $MetadataLevel:number "
	oneEntry  = "$XDSDocumentEntryEntryUUID:text| $XDSDocumentEntryUniqueId:text| $homeCommunityId:text "
	entries   = "$XDSDocumentEntryEntryUUID:uuids| $XDSDocumentEntryUniqueId:texts| $homeCommunityId:text $MetadataLevel:number "
	folderOf  = "$XDSFolderLastUpdateTimeFrom:time $XDSFolderLastUpdateTimeTo:time $XDSFolderCodeList:codes* "
	contents  = "$XDSDocumentEntryFormatCode:codes $XDSDocumentEntryConfidentialityCode:codes* $XDSDocumentEntryType:texts $homeCommunityId:text $MetadataLevel:number "
	reference = "$XDSDocumentEntryReferenceIdList:texts*! "
)

var storedQueries = map[string]storedQuery{
	"urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d": {"FindDocuments", "$XDSDocumentEntryPatientId:patient! $XDSDocumentEntryStatus:status! " + entryFilters},
	"urn:uuid:f26abbcb-ac74-4422-8a30-edb644bbc1a9": {"FindSubmissionSets", "$XDSSubmissionSetPatientId:patient! $XDSSubmissionSetSourceId:texts $XDSSubmissionSetSubmissionTimeFrom:time " +
		"$XDSSubmissionSetSubmissionTimeTo:time $XDSSubmissionSetAuthorPerson:text $XDSSubmissionSetContentType:codes $XDSSubmissionSetStatus:status!"},
	"urn:uuid:958f3006-baad-4929-a4de-ff1114824431": {"FindFolders", "$XDSFolderPatientId:patient! $XDSFolderStatus:status! " + folderOf},
	"urn:uuid:10b545ea-725c-446d-9b95-8aeb444eddf3": {"GetAll", "$patientId:patient! $XDSDocumentEntryStatus:status! $XDSSubmissionSetStatus:status! $XDSFolderStatus:status! " +
		"$XDSDocumentEntryFormatCode:codes $XDSDocumentEntryConfidentialityCode:codes* $XDSDocumentEntryType:texts"},
	"urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4": {"GetDocuments", entries + "$XDSDocumentEntryLogicalID:uuids|"},
	"urn:uuid:5737b14c-8a1a-4539-b659-e03a34a5e1e4": {"GetFolders", "$XDSFolderEntryUUID:uuids| $XDSFolderUniqueId:texts| $XDSFolderLogicalID:uuids| $homeCommunityId:text $MetadataLevel:number"},
	"urn:uuid:a7ae438b-4bc2-4642-93e9-be891f7bb155": {"GetAssociations", "$uuid:uuids! $homeCommunityId:text"},
	"urn:uuid:bab9529a-4a10-40b3-a01f-f68a615d247a": {"GetDocumentsAndAssociations", entries},
	"urn:uuid:51224314-5390-4169-9b91-b1980040715a": {"GetSubmissionSets", "$uuid:uuids! $homeCommunityId:text"},
	"urn:uuid:e8e3cb2c-e39c-46b9-99e4-c12f57260b83": {"GetSubmissionSetAndContents", "$XDSSubmissionSetEntryUUID:text| $XDSSubmissionSetUniqueId:text| " + contents},
	"urn:uuid:b909a503-523d-4517-8acf-8e5834dfc4c7": {"GetFolderAndContents", "$XDSFolderEntryUUID:text| $XDSFolderUniqueId:text| " + contents},
	"urn:uuid:10cae35a-c7f9-4cf5-b61e-fc3278ffb578": {"GetFoldersForDocument", oneEntry},
	"urn:uuid:d90e5407-b356-4d91-a89f-873917b4b0e6": {"GetRelatedDocuments", oneEntry + "$AssociationTypes:texts! $XDSDocumentEntryType:texts"},
	"urn:uuid:12941a89-e02e-4be5-967c-ce4bfc8fe492": {"FindDocumentsByReferenceId", "$XDSDocumentEntryPatientId:patient! $XDSDocumentEntryStatus:status! " + reference + entryFilters},
	"urn:uuid:3d1bdb10-39a2-11de-89c2-2f44d94eaa9f": {"FindDocumentsForMultiplePatients", "$XDSDocumentEntryPatientId:patients $XDSDocumentEntryStatus:status! " + entryFilters},
	"urn:uuid:50d3f5ac-39a2-11de-a1ca-b366239e58df": {"FindFoldersForMultiplePatients", "$XDSFolderPatientId:patients $XDSFolderStatus:status! " + folderOf},
	"urn:uuid:1191642d-86c4-42d8-b784-f95445f9f0d5": {"FindDocumentsByReferenceIdForMultiplePatients",
		"$XDSDocumentEntryPatientId:patients $XDSDocumentEntryStatus:status! " + reference + entryFilters},
}

// query judges a stored query or a request to retrieve.
func (j *judge) query(root xmltree.Node, _ *message) {
	switch root.Space() + " " + root.Local() {
	case nsQuery + " AdhocQueryRequest":
		j.adhoc(root)
	case nsXDSB + " RetrieveDocumentSetRequest":
		j.retrieve(root)
	default:
		j.say("QRY-ROOT", here(root, root.Local()))
	}
}

func (j *judge) adhoc(root xmltree.Node) {
	if r := value(at(root, "ResponseOption"), "returnType"); r != "ObjectRef" && r != "LeafClass" {
		j.say("QRY-RETURN", near(root, "ResponseOption", "ResponseOption"))
	}
	q := at(root, "AdhocQuery")
	if home := value(q, "home"); home != "" && !isHome(home) {
		j.say("QRY-HOME", here(q, "AdhocQuery.home"))
	}
	stored, ok := storedQueries[value(q, "id")]
	if !ok {
		j.say("QRY-ID", here(q, "AdhocQuery.id"))
		return
	}
	slots := map[string][]xmltree.Node{}
	for _, s := range kids(q, "Slot") {
		slots[s.Value("name")] = append(slots[s.Value("name")], s)
	}
	known, either := map[string]bool{}, 0
	for _, p := range strings.Fields(stored.parameters) {
		name, kind, _ := strings.Cut(p, ":")
		known[name] = true
		found := slots[name]
		switch {
		case strings.Contains(kind, "!") && len(found) == 0:
			j.say("QRY-MISSING", here(q, name))
		case len(found) > 1 && !strings.Contains(kind, "*"):
			j.say("QRY-TWICE", here(found[1], name))
		case len(found) > 0 && strings.Contains(kind, "|"):
			either++
		}
		for _, s := range found {
			j.parameter(s, name, strings.Trim(kind, "!*|"))
		}
	}
	if strings.Contains(stored.parameters, "|") && either != 1 {
		j.say("QRY-EITHER", here(q, stored.name))
	}
	for name, found := range slots {
		if !known[name] {
			j.say("QRY-PARAM", here(found[0], stored.name))
		}
		if begins, ok := strings.CutSuffix(name, "To"); ok && len(slots[begins+"From"]) > 0 && known[name] {
			from, to := strings.Join(slotValues(slots[begins+"From"][0]), ""), strings.Join(slotValues(found[0]), "")
			if n := min(len(from), len(to)); to[:n] < from[:n] {
				j.say("QRY-RANGE", here(found[0], name))
			}
		}
	}
}

func isHome(s string) bool {
	oid, ok := strings.CutPrefix(s, "urn:oid:")
	return ok && isOID(oid)
}

var (
	numberForm = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]+)?$`)
	textForm   = regexp.MustCompile(`^'([^']|'')*'$`)
	listForm   = regexp.MustCompile(`^\(\s*'([^']|'')*'(\s*,\s*'([^']|'')*')*\s*\)$`)
	itemForm   = regexp.MustCompile(`'((?:[^']|'')*)'`)
	statusForm = regexp.MustCompile(`^urn:oasis:names:tc:ebxml-regrep:StatusType:(Approved|Deprecated|Submitted|Withdrawn)$`)
	codeForm   = regexp.MustCompile(`^[^^]+\^\^[^^]+$`)
)

// itemRules judge the items of lists and single texts by their type.
var itemRules = map[string]form{
	"codes": {"QRY-CODE", codeForm.MatchString}, "status": {"QRY-STATUS", statusForm.MatchString}, "patient": {"QRY-PATIENT", isCX}, "patients": {"QRY-PATIENT", isCX},
	"uuids": {"QRY-UUID", uuidForm.MatchString},
}

// parameter judges the values of one parameter.
func (j *judge) parameter(slot xmltree.Node, name, kind string) {
	where := here(slot, name)
	values := slotValues(slot)
	if len(values) == 0 {
		j.say("QRY-EMPTY", where)
	}
	for _, v := range values {
		switch kind {
		case "number":
			if !numberForm.MatchString(v) {
				j.say("QRY-NUMBER", where)
			}
			continue
		case "time":
			if !isDTM(strings.Trim(v, "'")) {
				j.say("QRY-TIME", where)
			}
			continue
		}
		list := slices.Contains([]string{"codes", "texts", "uuids", "status", "patients"}, kind)
		switch {
		case list != strings.HasPrefix(v, "("):
			j.say("QRY-LIST", where)
		case list && !listForm.MatchString(v), !list && !textForm.MatchString(v):
			j.say("QRY-QUOTES", where)
		default:
			for _, item := range itemForm.FindAllStringSubmatch(v, -1) {
				if r, ok := itemRules[kind]; ok && !r.test(strings.ReplaceAll(item[1], "''", "'")) {
					j.say(r.id, where)
				}
			}
		}
	}
}

// retrieve judges the documents that are asked for.
func (j *judge) retrieve(root xmltree.Node) {
	all := kids(root, "DocumentRequest")
	if len(all) == 0 {
		j.say("QRY-DOCUMENTS", here(root, root.Local()))
	}
	seen := map[string]bool{}
	for i, d := range all {
		where := here(d, fmt.Sprintf("DocumentRequest[%d]", i+1))
		repository, id, home := textOf(at(d, "RepositoryUniqueId")), textOf(at(d, "DocumentUniqueId")), textOf(at(d, "HomeCommunityId"))
		switch {
		case repository == "" || id == "":
			j.say("QRY-DOCUMENT", where)
		case !isOID(repository):
			j.say("QRY-REPOSITORY", near(d, where.location, "RepositoryUniqueId"))
		}
		if home != "" && !isHome(home) {
			j.say("QRY-HOME", near(d, where.location, "HomeCommunityId"))
		}
		if key := home + "|" + repository + "|" + id; seen[key] {
			j.say("QRY-SAME", where)
		} else {
			seen[key] = true
		}
	}
}
