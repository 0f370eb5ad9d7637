package query_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/query"
)

// The ids, typed from ITI TF-2 3.18.4.1.2.4 and 3.51.4.1.2.3.
const (
	findDocuments      = "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d"
	getDocuments       = "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4"
	byReferenceID      = "urn:uuid:12941a89-e02e-4be5-967c-ce4bfc8fe492"
	findForSeveral     = "urn:uuid:3d1bdb10-39a2-11de-89c2-2f44d94eaa9f"
	findFoldersSeveral = "urn:uuid:50d3f5ac-39a2-11de-a1ca-b366239e58df"
)

func TestEveryStoredQueryIsKnown(t *testing.T) {
	for id, name := range map[string]string{
		"14d4debf-8f97-4251-9a74-a90016b0af0d": "FindDocuments", "f26abbcb-ac74-4422-8a30-edb644bbc1a9": "FindSubmissionSets",
		"958f3006-baad-4929-a4de-ff1114824431": "FindFolders", "10b545ea-725c-446d-9b95-8aeb444eddf3": "GetAll",
		"5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4": "GetDocuments", "5737b14c-8a1a-4539-b659-e03a34a5e1e4": "GetFolders",
		"a7ae438b-4bc2-4642-93e9-be891f7bb155": "GetAssociations", "bab9529a-4a10-40b3-a01f-f68a615d247a": "GetDocumentsAndAssociations",
		"51224314-5390-4169-9b91-b1980040715a": "GetSubmissionSets", "e8e3cb2c-e39c-46b9-99e4-c12f57260b83": "GetSubmissionSetAndContents",
		"b909a503-523d-4517-8acf-8e5834dfc4c7": "GetFolderAndContents", "10cae35a-c7f9-4cf5-b61e-fc3278ffb578": "GetFoldersForDocument",
		"d90e5407-b356-4d91-a89f-873917b4b0e6": "GetRelatedDocuments", "12941a89-e02e-4be5-967c-ce4bfc8fe492": "FindDocumentsByReferenceId",
		"3d1bdb10-39a2-11de-89c2-2f44d94eaa9f": "FindDocumentsForMultiplePatients", "50d3f5ac-39a2-11de-a1ca-b366239e58df": "FindFoldersForMultiplePatients",
		"1191642d-86c4-42d8-b784-f95445f9f0d5": "FindDocumentsByReferenceIdForMultiplePatients",
	} {
		multi := strings.HasSuffix(name, "MultiplePatients")
		_, err := query.Parse("urn:uuid:"+id, nil, multi, &xds.Domain{})
		var es xds.Errors
		if !errors.As(err, &es) || es[0].Code != xds.CodeStoredQueryMissingParam || !strings.HasPrefix(es[0].Location, name+".") {
			t.Errorf("%s: %v", name, err)
		}
		_, err = query.Parse("urn:uuid:"+id, nil, !multi, &xds.Domain{})
		if !errors.As(err, &es) || es[0].Code != xds.CodeUnknownStoredQuery {
			t.Errorf("%s through the other transaction: %v", name, err)
		}
	}
}

var good = []xds.Slot{{Name: "$XDSDocumentEntryPatientId", Values: []string{"'1^^^&1.2.3&ISO'"}}, {Name: "$XDSDocumentEntryStatus", Values: []string{"('urn:oasis:names:tc:ebxml-regrep:StatusType:Approved')"}}}

func with(more ...xds.Slot) []xds.Slot { return slices.Concat(good, more) }

func slot(name string, values ...string) xds.Slot { return xds.Slot{Name: name, Values: values} }

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		name, id string
		slots    []xds.Slot
		want     string
	}{
		{"no such query", "urn:uuid:00000000-0000-0000-0000-000000000000", nil, "XDSUnknownStoredQuery AdhocQuery.id"},
		{"no status that is known", findDocuments, []xds.Slot{slot("$XDSDocumentEntryPatientId", "'1^^^&1.2.3&ISO'"), slot("$XDSDocumentEntryStatus", "('x')")}, "XDSStoredQueryMissingParam FindDocuments.$XDSDocumentEntryStatus"},
		{"no parameters", findDocuments, nil, "XDSStoredQueryMissingParam FindDocuments.$XDSDocumentEntryPatientId, XDSStoredQueryMissingParam FindDocuments.$XDSDocumentEntryStatus"},
		{"two patients", findDocuments, []xds.Slot{slot("$XDSDocumentEntryPatientId", "('1^^^&1.2.3&ISO','2^^^&1.2.3&ISO')"), good[1]}, "XDSStoredQueryParamNumber FindDocuments.$XDSDocumentEntryPatientId"},
		{"patient unquoted", findDocuments, []xds.Slot{slot("$XDSDocumentEntryPatientId", "1^^^&1.2.3&ISO"), good[1]}, "XDSStoredQueryParamNumber FindDocuments.$XDSDocumentEntryPatientId"},
		{"patient without authority", findDocuments, []xds.Slot{slot("$XDSDocumentEntryPatientId", "'1'"), good[1]}, "XDSStoredQueryParamNumber FindDocuments.$XDSDocumentEntryPatientId"},
		{"quote left open", findDocuments, []xds.Slot{slot("$XDSDocumentEntryPatientId", "'1^^^&1.2.3&ISO''%20and%20611%3d611--%20"), good[1]}, "XDSStoredQueryParamNumber FindDocuments.$XDSDocumentEntryPatientId"},
		{"list left open", findDocuments, with(slot("$XDSDocumentEntryClassCode", "('a^^b'")), "XDSStoredQueryParamNumber FindDocuments.$XDSDocumentEntryClassCode"},
		{"code without scheme", findDocuments, with(slot("$XDSDocumentEntryClassCode", "('a')")), "XDSStoredQueryParamNumber FindDocuments.$XDSDocumentEntryClassCode"},
		{"code with an empty scheme", findDocuments, with(slot("$XDSDocumentEntryClassCode", "('a^^')")), "XDSStoredQueryParamNumber FindDocuments.$XDSDocumentEntryClassCode"},
		{"repeated slot that may not be", findDocuments, with(slot("$XDSDocumentEntryClassCode", "('a^^b')"), slot("$XDSDocumentEntryClassCode", "('c^^d')")), "XDSStoredQueryParamNumber FindDocuments.$XDSDocumentEntryClassCode"},
		{"no such date", findDocuments, with(slot("$XDSDocumentEntryCreationTimeFrom", "20250230")), "XDSStoredQueryParamNumber FindDocuments.$XDSDocumentEntryCreationTimeFrom"},
		{"two dates", findDocuments, with(slot("$XDSDocumentEntryCreationTimeTo", "(2024,2025)")), "XDSStoredQueryParamNumber FindDocuments.$XDSDocumentEntryCreationTimeTo"},
		{"no value", findDocuments, with(slot("$XDSDocumentEntryFormatCode")), "XDSStoredQueryParamNumber FindDocuments.$XDSDocumentEntryFormatCode"},
		{"empty value", findDocuments, with(slot("$XDSDocumentEntryFormatCode", "")), "XDSStoredQueryParamNumber FindDocuments.$XDSDocumentEntryFormatCode"},
		{"metadata level 3", findDocuments, with(slot("$MetadataLevel", "3")), "XDSStoredQueryParamNumber FindDocuments.$MetadataLevel"},
		{"object type unknown", findDocuments, with(slot("$XDSDocumentEntryType", "('urn:uuid:1')")), "XDSStoredQueryParamNumber FindDocuments.$XDSDocumentEntryType"},
		{"neither id", getDocuments, nil, "XDSStoredQueryMissingParam GetDocuments.$XDSDocumentEntryEntryUUID or $XDSDocumentEntryUniqueId or $XDSDocumentEntryLogicalID"},
		{"both ids", getDocuments, []xds.Slot{slot("$XDSDocumentEntryEntryUUID", "('urn:uuid:1')"), slot("$XDSDocumentEntryUniqueId", "('1.2')")}, "XDSStoredQueryParamNumber GetDocuments.$XDSDocumentEntryEntryUUID and $XDSDocumentEntryUniqueId and $XDSDocumentEntryLogicalID"},
		{"several patients without a code", findForSeveral, good, "XDSStoredQueryMissingParam FindDocumentsForMultiplePatients.$XDSDocumentEntryClassCode or $XDSDocumentEntryEventCodeList or $XDSDocumentEntryHealthcareFacilityTypeCode"},
		{"folders of several patients without a code", findFoldersSeveral, []xds.Slot{slot("$XDSFolderPatientId", "('1^^^&1.2.3&ISO')"), slot("$XDSFolderStatus", "('x')")}, "XDSStoredQueryMissingParam FindFoldersForMultiplePatients.$XDSFolderCodeList"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := query.Parse(c.id, c.slots, c.id == findForSeveral || c.id == findFoldersSeveral, &xds.Domain{})
			var es xds.Errors
			errors.As(err, &es)
			var got []string
			for _, e := range es {
				got = append(got, string(e.Code)+" "+e.Location)
			}
			if strings.Join(got, ", ") != c.want {
				t.Errorf("got %v, want %s", got, c.want)
			}
		})
	}
}

func TestParseUnderstands(t *testing.T) {
	d := &xds.Domain{Statuses: []xds.Status{"urn:example:Archived"}}
	q, err := query.Parse(byReferenceID, with(
		slot("$XDSDocumentEntryReferenceIdList", "('a','b')", "('c')"), slot("$XDSDocumentEntryReferenceIdList", "('d')"),
		slot("$XDSDocumentEntryEventCodeList", "('1^^x', '2^^x')"), slot("$XDSDocumentEntryEventCodeList", "('3^^x')"),
		slot("$XDSDocumentEntryAuthorPerson", "('%o''NEIL%')"), slot("$XDSDocumentEntryCreationTimeFrom", "2025"),
		slot("$XDSDocumentEntryServiceStopTimeTo", "'202503'"), slot("$MetadataLevel", "2"), slot("$unheardOf", "'x'")), false, d)
	if err != nil {
		t.Fatal(err)
	}
	if got := q.ReferenceIDs; len(got) != 2 || !slices.Equal(got[0], []string{"a", "b", "c"}) || !slices.Equal(got[1], []string{"d"}) {
		t.Errorf("reference ids %v", got)
	}
	if got := q.Entry.EventCodes; len(got) != 2 || len(got[0]) != 2 || got[1][0] != (xds.CodeKey{Code: "3", Scheme: "x"}) {
		t.Errorf("event codes %v", got)
	}
	if q.Entry.AuthorPersons[0] != "%o'NEIL%" || q.Entry.CreationTime.From != "20250101000000" || q.Entry.ServiceStopTime.To != "20250301000000" {
		t.Errorf("got %+v", q.Entry)
	}
	if q.MetadataLevel != 2 || !slices.Equal(q.Ignored, []string{"$unheardOf"}) || q.Patients[0].ID != "1" {
		t.Errorf("got %+v", q)
	}
}

func TestStatusesNobodyKnowsAreIgnored(t *testing.T) {
	d := &xds.Domain{Statuses: []xds.Status{"urn:example:Archived"}}
	q, err := query.Parse(findDocuments, []xds.Slot{good[0], slot("$XDSDocumentEntryStatus", "('urn:example:Archived','urn:example:Nonsense')")}, false, d)
	if err != nil || !slices.Equal(q.Entry.Status, []xds.Status{"urn:example:Archived"}) {
		t.Errorf("%v, %v", q, err)
	}
}

func TestMatch(t *testing.T) {
	e := &xds.DocumentEntry{Header: xds.Header{Status: xds.Approved}, ClassCode: xds.Code{Code: "10", Scheme: "s"}, CreationTime: "201502", ServiceStartTime: "",
		EventCodes: []xds.Code{{Code: "1", Scheme: "x"}, {Code: "2", Scheme: "x"}}, Authors: []xds.Author{{Person: "801^DUPONT^Jean"}}}
	codes := func(c ...string) []xds.CodeKey {
		var out []xds.CodeKey
		for _, s := range c {
			out = append(out, xds.CodeKey{Code: s, Scheme: "x"})
		}
		return out
	}
	for _, c := range []struct {
		name string
		c    query.EntryCriteria
		want bool
	}{
		{"anything", query.EntryCriteria{}, true},
		{"status", query.EntryCriteria{Status: []xds.Status{xds.Deprecated}}, false},
		{"no known status", query.EntryCriteria{Status: []xds.Status{}}, false},
		{"class of another scheme", query.EntryCriteria{ClassCode: query.CodeCriteria{{{Code: "10", Scheme: "t"}}}}, false},
		{"one of two events", query.EntryCriteria{EventCodes: query.CodeCriteria{codes("2", "9")}}, true},
		{"both events", query.EntryCriteria{EventCodes: query.CodeCriteria{codes("1"), codes("2")}}, true},
		{"an event and one it has not", query.EntryCriteria{EventCodes: query.CodeCriteria{codes("1"), codes("3")}}, false},
		{"from is included", query.EntryCriteria{CreationTime: query.Span{From: "20150201000000"}}, true},
		{"from a second later", query.EntryCriteria{CreationTime: query.Span{From: "20150201000001"}}, false},
		{"to is not included", query.EntryCriteria{CreationTime: query.Span{To: "20150201000000"}}, false},
		{"time absent", query.EntryCriteria{ServiceStartTime: query.Span{From: "19000101000000"}}, false},
		{"author by pattern", query.EntryCriteria{AuthorPersons: []string{"%DUP_NT%"}}, true},
		{"author without pattern", query.EntryCriteria{AuthorPersons: []string{"DUPONT"}}, false},
		{"on-demand only", query.EntryCriteria{OnDemand: true}, false},
		{"either type", query.EntryCriteria{OnDemand: true, Stable: true}, true},
	} {
		if got := c.c.Match(e); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	onDemand := &xds.DocumentEntry{OnDemand: true}
	if (&query.EntryCriteria{}).Match(onDemand) || !(&query.EntryCriteria{OnDemand: true}).Match(onDemand) {
		t.Error("on-demand entries are given only when asked for")
	}
}

func TestPatternsTakeBoundedTime(t *testing.T) {
	person := hl7.XCN(strings.Repeat("a", 5000))
	c := query.EntryCriteria{AuthorPersons: []string{strings.Repeat("%a", 100) + "b"}}
	if c.Match(&xds.DocumentEntry{Authors: []xds.Author{{Person: person}}}) {
		t.Error("matched")
	}
}

// Whatever stands in the parameters, parsing ends, and what is understood holds no quote that was not doubled.
func FuzzStoredQuery(f *testing.F) {
	f.Add(findDocuments, "$XDSDocumentEntryClassCode", "('a^^b','c''d^^e')")
	f.Add(getDocuments, "$XDSDocumentEntryUniqueId", "('1.2','1.3')")
	f.Add(byReferenceID, "$XDSDocumentEntryReferenceIdList", "( 'x' , 'y' )")
	f.Fuzz(func(t *testing.T, id, name, value string) {
		q, err := query.Parse(id, with(slot(name, value)), false, &xds.Domain{})
		if err != nil {
			var es xds.Errors
			if !errors.As(err, &es) || len(es) == 0 {
				t.Fatalf("not an xds.Errors: %v", err)
			}
			return
		}
		for _, list := range q.ReferenceIDs {
			for _, v := range list {
				quoted := "('" + strings.ReplaceAll(v, "'", "''") + "')"
				again, err := query.Parse(byReferenceID, with(slot("$XDSDocumentEntryReferenceIdList", quoted)), false, &xds.Domain{})
				if err != nil || again.ReferenceIDs[0][0] != v {
					t.Fatalf("%q does not survive quoting: %v", v, err)
				}
			}
		}
	})
}
