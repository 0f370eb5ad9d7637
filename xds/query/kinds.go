package query

import (
	"slices"
	"strconv"
	"strings"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/xds"
)

// Kind is one stored query: a row of the standard's table.
type Kind struct {
	ID           string
	Name         string
	Clause       string // of ITI TF-2
	MultiPatient bool   // belongs to ITI-51
	Params       []Param
	OneOf        []Choice
}

// Choice is a set of parameters of which exactly one is due, or at least one.
type Choice struct {
	Names   []string
	AtLeast bool
}

// Param is one parameter of a stored query.
type Param struct {
	Name     string
	Form     form
	Required bool
	Single   bool // one value only
	And      bool // the slot may be repeated: all of them must hold
	// set puts the values (one list a slot) into the query, or says what is wrong with them.
	set func(p *parser, lists [][]string) string
}

type form uint8

const (
	text form = iota
	number
	dtm
)

func kindByID(id string, multi bool) *Kind {
	for i := range kinds {
		if kinds[i].ID == id && kinds[i].MultiPatient == multi {
			return &kinds[i]
		}
	}
	return nil
}

func (k *Kind) param(name string) *Param {
	for i := range k.Params {
		if k.Params[i].Name == name {
			return &k.Params[i]
		}
	}
	return nil
}

// The ids are those of ITI TF-2 3.18.4.1.2.4 and 3.51.4.1.2.3.
var kinds = []Kind{
	{ID: "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d", Name: "FindDocuments", Clause: "3.18.4.1.2.3.7.1",
		Params: join(one(patient("$XDSDocumentEntryPatientId")), entryParams, statusParams("$XDSDocumentEntryStatus", true, entryStatus), common)},
	{ID: "urn:uuid:f26abbcb-ac74-4422-8a30-edb644bbc1a9", Name: "FindSubmissionSets", Clause: "3.18.4.1.2.3.7.2",
		Params: join(one(patient("$XDSSubmissionSetPatientId")), setParams, statusParams("$XDSSubmissionSetStatus", true, setStatus), common)},
	{ID: "urn:uuid:958f3006-baad-4929-a4de-ff1114824431", Name: "FindFolders", Clause: "3.18.4.1.2.3.7.3",
		Params: join(one(patient("$XDSFolderPatientId")), folderParams, statusParams("$XDSFolderStatus", true, folderStatus), common)},
	{ID: "urn:uuid:10b545ea-725c-446d-9b95-8aeb444eddf3", Name: "GetAll", Clause: "3.18.4.1.2.3.7.4",
		Params: join(one(patient("$patientId")), statusParams("$XDSDocumentEntryStatus", true, entryStatus), statusParams("$XDSSubmissionSetStatus", true, setStatus),
			statusParams("$XDSFolderStatus", true, folderStatus), contentParams, associationStatus, common)},
	{ID: "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4", Name: "GetDocuments", Clause: "3.18.4.1.2.3.7.5",
		Params: join(byID("$XDSDocumentEntry", "EntryUUID", "UniqueId", "LogicalID"), common), OneOf: oneOf("$XDSDocumentEntry", "EntryUUID", "UniqueId", "LogicalID")},
	{ID: "urn:uuid:5737b14c-8a1a-4539-b659-e03a34a5e1e4", Name: "GetFolders", Clause: "3.18.4.1.2.3.7.6",
		Params: join(byID("$XDSFolder", "EntryUUID", "UniqueId", "LogicalID"), common), OneOf: oneOf("$XDSFolder", "EntryUUID", "UniqueId", "LogicalID")},
	{ID: "urn:uuid:a7ae438b-4bc2-4642-93e9-be891f7bb155", Name: "GetAssociations", Clause: "3.18.4.1.2.3.7.7",
		Params: join(one(uuids("$uuid", true)), associationStatus, common)},
	{ID: "urn:uuid:bab9529a-4a10-40b3-a01f-f68a615d247a", Name: "GetDocumentsAndAssociations", Clause: "3.18.4.1.2.3.7.8",
		Params: join(byID("$XDSDocumentEntry", "EntryUUID", "UniqueId", ""), associationStatus, common), OneOf: oneOf("$XDSDocumentEntry", "EntryUUID", "UniqueId", "")},
	{ID: "urn:uuid:51224314-5390-4169-9b91-b1980040715a", Name: "GetSubmissionSets", Clause: "3.18.4.1.2.3.7.9",
		Params: join(one(uuids("$uuid", true)), common)},
	{ID: "urn:uuid:e8e3cb2c-e39c-46b9-99e4-c12f57260b83", Name: "GetSubmissionSetAndContents", Clause: "3.18.4.1.2.3.7.10",
		Params: join(byOneID("$XDSSubmissionSet", "EntryUUID", "UniqueId"), contentParams, common), OneOf: oneOf("$XDSSubmissionSet", "EntryUUID", "UniqueId", "")},
	{ID: "urn:uuid:b909a503-523d-4517-8acf-8e5834dfc4c7", Name: "GetFolderAndContents", Clause: "3.18.4.1.2.3.7.11",
		Params: join(byOneID("$XDSFolder", "EntryUUID", "UniqueId"), contentParams, associationStatus, common), OneOf: oneOf("$XDSFolder", "EntryUUID", "UniqueId", "")},
	{ID: "urn:uuid:10cae35a-c7f9-4cf5-b61e-fc3278ffb578", Name: "GetFoldersForDocument", Clause: "3.18.4.1.2.3.7.12",
		Params: join(byOneID("$XDSDocumentEntry", "EntryUUID", "UniqueId"), associationStatus, common), OneOf: oneOf("$XDSDocumentEntry", "EntryUUID", "UniqueId", "")},
	{ID: "urn:uuid:d90e5407-b356-4d91-a89f-873917b4b0e6", Name: "GetRelatedDocuments", Clause: "3.18.4.1.2.3.7.13",
		Params: join(byOneID("$XDSDocumentEntry", "EntryUUID", "UniqueId"), one(associationTypes), one(entryType), associationStatus, common), OneOf: oneOf("$XDSDocumentEntry", "EntryUUID", "UniqueId", "")},
	{ID: "urn:uuid:12941a89-e02e-4be5-967c-ce4bfc8fe492", Name: "FindDocumentsByReferenceId", Clause: "3.18.4.1.2.3.7.14",
		Params: join(one(patient("$XDSDocumentEntryPatientId")), one(referenceIDs), entryParams, statusParams("$XDSDocumentEntryStatus", true, entryStatus), common)},

	{ID: "urn:uuid:3d1bdb10-39a2-11de-89c2-2f44d94eaa9f", Name: "FindDocumentsForMultiplePatients", Clause: "3.51.4.1.2.3.1", MultiPatient: true,
		Params: join(one(patients("$XDSDocumentEntryPatientId")), entryParams, statusParams("$XDSDocumentEntryStatus", true, entryStatus), common),
		OneOf:  []Choice{{Names: []string{"$XDSDocumentEntryClassCode", "$XDSDocumentEntryEventCodeList", "$XDSDocumentEntryHealthcareFacilityTypeCode"}, AtLeast: true}}},
	{ID: "urn:uuid:50d3f5ac-39a2-11de-a1ca-b366239e58df", Name: "FindFoldersForMultiplePatients", Clause: "3.51.4.1.2.3.2", MultiPatient: true,
		Params: join(one(patients("$XDSFolderPatientId")), required("$XDSFolderCodeList", folderParams), statusParams("$XDSFolderStatus", true, folderStatus), common)},
	{ID: "urn:uuid:1191642d-86c4-42d8-b784-f95445f9f0d5", Name: "FindDocumentsByReferenceIdForMultiplePatients", Clause: "3.51.4.1.2.3.3", MultiPatient: true,
		Params: join(one(patients("$XDSDocumentEntryPatientId")), one(referenceIDs), entryParams, statusParams("$XDSDocumentEntryStatus", true, entryStatus), common)},
}

// entryParams filter document entries in the Find queries.
var entryParams = []Param{
	codes("$XDSDocumentEntryClassCode", false, func(q *Query) *CodeCriteria { return &q.Entry.ClassCode }),
	codes("$XDSDocumentEntryTypeCode", false, func(q *Query) *CodeCriteria { return &q.Entry.TypeCode }),
	codes("$XDSDocumentEntryPracticeSettingCode", false, func(q *Query) *CodeCriteria { return &q.Entry.PracticeSettingCode }),
	moment("$XDSDocumentEntryCreationTimeFrom", func(q *Query) *string { return &q.Entry.CreationTime.From }),
	moment("$XDSDocumentEntryCreationTimeTo", func(q *Query) *string { return &q.Entry.CreationTime.To }),
	moment("$XDSDocumentEntryServiceStartTimeFrom", func(q *Query) *string { return &q.Entry.ServiceStartTime.From }),
	moment("$XDSDocumentEntryServiceStartTimeTo", func(q *Query) *string { return &q.Entry.ServiceStartTime.To }),
	moment("$XDSDocumentEntryServiceStopTimeFrom", func(q *Query) *string { return &q.Entry.ServiceStopTime.From }),
	moment("$XDSDocumentEntryServiceStopTimeTo", func(q *Query) *string { return &q.Entry.ServiceStopTime.To }),
	codes("$XDSDocumentEntryHealthcareFacilityTypeCode", false, func(q *Query) *CodeCriteria { return &q.Entry.HealthcareFacilityTypeCode }),
	codes("$XDSDocumentEntryEventCodeList", true, func(q *Query) *CodeCriteria { return &q.Entry.EventCodes }),
	codes("$XDSDocumentEntryConfidentialityCode", true, func(q *Query) *CodeCriteria { return &q.Entry.ConfidentialityCodes }),
	codes("$XDSDocumentEntryFormatCode", false, func(q *Query) *CodeCriteria { return &q.Entry.FormatCode }),
	texts("$XDSDocumentEntryAuthorPerson", func(q *Query) *[]string { return &q.Entry.AuthorPersons }),
	texts("$XDSDocumentEntryDocumentAvailability", func(q *Query) *[]string { return &q.Entry.DocumentAvailability }),
	entryType,
}

// contentParams filter the entries of a GetAll or a Get…AndContents.
var contentParams = []Param{
	codes("$XDSDocumentEntryFormatCode", false, func(q *Query) *CodeCriteria { return &q.Entry.FormatCode }),
	codes("$XDSDocumentEntryConfidentialityCode", true, func(q *Query) *CodeCriteria { return &q.Entry.ConfidentialityCodes }),
	entryType,
}

var setParams = []Param{
	texts("$XDSSubmissionSetSourceId", func(q *Query) *[]string { return &q.Set.SourceIDs }),
	moment("$XDSSubmissionSetSubmissionTimeFrom", func(q *Query) *string { return &q.Set.SubmissionTime.From }),
	moment("$XDSSubmissionSetSubmissionTimeTo", func(q *Query) *string { return &q.Set.SubmissionTime.To }),
	{Name: "$XDSSubmissionSetAuthorPerson", Single: true, set: func(p *parser, l [][]string) string { p.q.Set.AuthorPersons = l[0]; return "" }},
	codes("$XDSSubmissionSetContentType", false, func(q *Query) *CodeCriteria { return &q.Set.ContentTypeCode }),
}

var folderParams = []Param{
	moment("$XDSFolderLastUpdateTimeFrom", func(q *Query) *string { return &q.Folder.LastUpdateTime.From }),
	moment("$XDSFolderLastUpdateTimeTo", func(q *Query) *string { return &q.Folder.LastUpdateTime.To }),
	codes("$XDSFolderCodeList", true, func(q *Query) *CodeCriteria { return &q.Folder.Codes }),
}

// common are taken by every query.
var common = []Param{
	{Name: "$MetadataLevel", Form: number, Single: true, set: func(p *parser, l [][]string) string {
		n, err := strconv.Atoi(l[0][0])
		if err != nil || n < 1 || n > 2 {
			return "1 or 2 is due"
		}
		p.q.MetadataLevel = n
		return ""
	}},
	{Name: "$homeCommunityId", Single: true, set: func(p *parser, l [][]string) string { p.q.Home = l[0][0]; return "" }},
}

var associationStatus = statusParams("$XDSAssociationStatus", false, func(q *Query) *[]xds.Status { return &q.AssociationOf })

var associationTypes = Param{Name: "$AssociationTypes", Required: true, set: func(p *parser, l [][]string) string {
	for _, v := range l[0] {
		p.q.AssociationTypes = append(p.q.AssociationTypes, xds.AssociationType(v))
	}
	return ""
}}

var referenceIDs = Param{Name: "$XDSDocumentEntryReferenceIdList", Required: true, And: true, set: func(p *parser, l [][]string) string {
	p.q.ReferenceIDs = l
	return ""
}}

// The object types of ITI TF-3 4.2.5.2: stable and on-demand document entries.
const (
	stableEntry   = "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1"
	onDemandEntry = "urn:uuid:34268e47-fdf5-41a6-ba33-82133c465248"
)

var entryType = Param{Name: "$XDSDocumentEntryType", set: func(p *parser, l [][]string) string {
	for _, v := range l[0] {
		switch v {
		case stableEntry:
			p.q.Entry.Stable = true
		case onDemandEntry:
			p.q.Entry.OnDemand = true
		default:
			return "the object type of stable or on-demand document entries is due"
		}
	}
	return ""
}}

func entryStatus(q *Query) *[]xds.Status  { return &q.Entry.Status }
func setStatus(q *Query) *[]xds.Status    { return &q.Set.Status }
func folderStatus(q *Query) *[]xds.Status { return &q.Folder.Status }

func patient(name string) Param {
	p := patients(name)
	p.Required, p.Single = true, true
	return p
}

func patients(name string) Param {
	return Param{Name: name, Required: true, set: func(p *parser, l [][]string) string {
		for _, v := range l[0] {
			c, err := hl7.ParseCX(v)
			if err != nil || !xds.ValidOID(c.AssigningAuthority.UniversalID) || c.AssigningAuthority.UniversalIDType != "ISO" {
				return "an identifier of the form id^^^&OID&ISO is due"
			}
			p.q.Patients = append(p.q.Patients, c)
		}
		return ""
	}}
}

func uuids(name string, required bool) Param {
	return Param{Name: name, Required: required, set: func(p *parser, l [][]string) string {
		for _, v := range l[0] {
			p.q.UUIDs = append(p.q.UUIDs, xds.ObjectID(v))
		}
		return ""
	}}
}

// byOneID is byID for the queries that name one object: Get…AndContents, GetFoldersForDocument and GetRelatedDocuments.
func byOneID(prefix, uuid, unique string) []Param {
	ps := byID(prefix, uuid, unique, "")
	for i := range ps {
		ps[i].Single = true
	}
	return ps
}

// byID are the ways to name objects: $XDSFolder + EntryUUID, UniqueId, LogicalID.
func byID(prefix, uuid, unique, logical string) []Param {
	ps := []Param{uuids(prefix+uuid, false),
		{Name: prefix + unique, set: func(p *parser, l [][]string) string {
			for _, v := range l[0] {
				p.q.UniqueIDs = append(p.q.UniqueIDs, xds.UniqueID(v))
			}
			return ""
		}}}
	if logical != "" {
		ps = append(ps, Param{Name: prefix + logical, set: func(p *parser, l [][]string) string {
			for _, v := range l[0] {
				p.q.LogicalIDs = append(p.q.LogicalIDs, xds.ObjectID(v))
			}
			return ""
		}})
	}
	return ps
}

func oneOf(prefix string, names ...string) []Choice {
	var c Choice
	for _, n := range names {
		if n != "" {
			c.Names = append(c.Names, prefix+n)
		}
	}
	return []Choice{c}
}

func texts(name string, where func(*Query) *[]string) Param {
	return Param{Name: name, set: func(p *parser, l [][]string) string { *where(p.q) = l[0]; return "" }}
}

func moment(name string, where func(*Query) *string) Param {
	return Param{Name: name, Form: dtm, Single: true, set: func(p *parser, l [][]string) string {
		t, err := hl7.ParseDTM(l[0][0])
		if err != nil {
			return err.Error()
		}
		*where(p.q) = t.Floor()
		return ""
	}}
}

func codes(name string, and bool, where func(*Query) *CodeCriteria) Param {
	return Param{Name: name, And: and, set: func(p *parser, l [][]string) string {
		for _, list := range l {
			var any []xds.CodeKey
			for _, v := range list {
				parts := strings.Split(v, "^")
				if len(parts) != 3 || parts[0] == "" || parts[2] == "" {
					return "a coded value has the form code^^scheme"
				}
				any = append(any, xds.CodeKey{Code: parts[0], Scheme: parts[2]})
			}
			*where(p.q) = append(*where(p.q), any)
		}
		return ""
	}}
}

// statusParams ignores statuses the domain does not know. Those of document entries are then missing, when no other is there [ITI-18 3.18.4.1.2.3.6].
func statusParams(name string, required bool, where func(*Query) *[]xds.Status) []Param {
	return []Param{{Name: name, Required: required, set: func(p *parser, l [][]string) string {
		*where(p.q) = []xds.Status{}
		for _, v := range l[0] {
			if s := xds.Status(v); p.d.KnownStatus(s) {
				*where(p.q) = append(*where(p.q), s)
			}
		}
		if required && name == "$XDSDocumentEntryStatus" && len(*where(p.q)) == 0 {
			p.missing(name)
		}
		return ""
	}}}
}

func one(p Param) []Param { return []Param{p} }

func required(name string, ps []Param) []Param {
	ps = slices.Clone(ps)
	for i := range ps {
		if ps[i].Name == name {
			ps[i].Required = true
		}
	}
	return ps
}

func join(lists ...[]Param) []Param { return slices.Concat(lists...) }
