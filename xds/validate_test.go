package xds_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/xds"
)

var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// registered is a submission as ITI-42 brings it: nothing is wrong with it.
func registered() *xds.Submission {
	s := sample.Submission(1, 1, 1, at)
	s.Entries[0].Hash, s.Entries[0].Size, s.Entries[0].RepositoryUniqueID = strings.Repeat("0a", 20), 12, "1.2.3"
	return s
}

func folder() xds.Folder {
	return xds.Folder{Header: xds.Header{ID: "Folder01"}, UniqueID: "1.2.3.4.5", PatientID: sample.PatientID(1), Codes: []xds.Code{{Code: "f", Scheme: "1.2", Display: xds.Plain("F")}}}
}

func hasMember(id, from, to xds.ObjectID, status string) xds.Association {
	return xds.Association{Header: xds.Header{ID: id}, Type: xds.HasMember, Source: from, Target: to, Membership: status}
}

func relation(t xds.AssociationType, from, to xds.ObjectID) xds.Association {
	return xds.Association{Header: xds.Header{ID: "Relation01"}, Type: t, Source: from, Target: to}
}

const elsewhere = xds.ObjectID("urn:uuid:11111111-2222-4333-8444-555555555555")

// Each case breaks one rule of ITI TF-3 4.2 and names exactly what must be found.
var validations = []struct {
	name  string
	spoil func(*xds.Submission)
	want  []string
}{
	{"nothing", func(*xds.Submission) {}, nil},
	{"creationTime missing", func(s *xds.Submission) { s.Entries[0].CreationTime = "" }, []string{"XDSRegistryMetadataError DocumentEntry[1].creationTime"}},
	{"creationTime no such day", func(s *xds.Submission) { s.Entries[0].CreationTime = "20250230" }, []string{"XDSRegistryMetadataError DocumentEntry[1].creationTime"}},
	{"creationTime odd length", func(s *xds.Submission) { s.Entries[0].CreationTime = "201" }, []string{"XDSRegistryMetadataError DocumentEntry[1].creationTime"}},
	{"serviceStartTime with dashes", func(s *xds.Submission) { s.Entries[0].ServiceStartTime = "2025-01-01" }, []string{"XDSRegistryMetadataError DocumentEntry[1].serviceStartTime"}},
	{"serviceStopTime hour 24", func(s *xds.Submission) { s.Entries[0].ServiceStopTime = "2025010124" }, []string{"XDSRegistryMetadataError DocumentEntry[1].serviceStopTime"}},
	{"languageCode missing", func(s *xds.Submission) { s.Entries[0].LanguageCode = "" }, []string{"XDSRegistryMetadataError DocumentEntry[1].languageCode"}},
	{"languageCode malformed", func(s *xds.Submission) { s.Entries[0].LanguageCode = "fr_FR" }, []string{"XDSRegistryMetadataError DocumentEntry[1].languageCode"}},
	{"sourcePatientId missing", func(s *xds.Submission) { s.Entries[0].SourcePatientID = hl7.CX{} }, []string{"XDSRegistryMetadataError DocumentEntry[1].sourcePatientId"}},
	{"sourcePatientId no authority", func(s *xds.Submission) { s.Entries[0].SourcePatientID = hl7.CX{ID: "1"} }, []string{"XDSRegistryMetadataError DocumentEntry[1].sourcePatientId"}},
	{"sourcePatientId of an authority like 3.4.5", func(s *xds.Submission) { s.Entries[0].SourcePatientID.AssigningAuthority.UniversalID = "3.4.5" }, nil},
	{"sourcePatientId of an authority in letters", func(s *xds.Submission) { s.Entries[0].SourcePatientID.AssigningAuthority.UniversalID = "a.b" }, []string{"XDSRegistryMetadataError DocumentEntry[1].sourcePatientId"}},
	{"sourcePatientInfo malformed", func(s *xds.Submission) { s.Entries[0].SourcePatientInfo = []string{"PID5|x"} }, []string{"XDSRegistryMetadataError DocumentEntry[1].sourcePatientInfo"}},
	{"class missing", func(s *xds.Submission) { s.Entries[0].ClassCode = xds.Code{} }, []string{"XDSRegistryMetadataError DocumentEntry[1].classCode"}},
	{"type missing", func(s *xds.Submission) { s.Entries[0].TypeCode = xds.Code{} }, []string{"XDSRegistryMetadataError DocumentEntry[1].typeCode"}},
	{"format missing", func(s *xds.Submission) { s.Entries[0].FormatCode = xds.Code{} }, []string{"XDSRegistryMetadataError DocumentEntry[1].formatCode"}},
	{"facility missing", func(s *xds.Submission) { s.Entries[0].HealthcareFacilityTypeCode = xds.Code{} }, []string{"XDSRegistryMetadataError DocumentEntry[1].healthcareFacilityTypeCode"}},
	{"practice missing", func(s *xds.Submission) { s.Entries[0].PracticeSettingCode = xds.Code{} }, []string{"XDSRegistryMetadataError DocumentEntry[1].practiceSettingCode"}},
	{"confidentiality missing", func(s *xds.Submission) { s.Entries[0].ConfidentialityCodes = nil }, []string{"XDSRegistryMetadataError DocumentEntry[1].confidentialityCode"}},
	{"code without scheme", func(s *xds.Submission) { s.Entries[0].TypeCode.Scheme = "" }, []string{"XDSRegistryMetadataError DocumentEntry[1].typeCode"}},
	{"code of no value set", func(s *xds.Submission) { s.Entries[0].ClassCode.Code = "99" }, []string{"XDSRegistryMetadataError DocumentEntry[1].classCode"}},
	{"mimeType of no domain", func(s *xds.Submission) { s.Entries[0].MIMEType = "video/mp4" }, []string{"XDSRegistryMetadataError DocumentEntry[1].mimeType"}},
	{"mimeType malformed", func(s *xds.Submission) { s.Entries[0].MIMEType = "text" }, []string{"XDSRegistryMetadataError DocumentEntry[1].mimeType"}},
	{"hash missing", func(s *xds.Submission) { s.Entries[0].Hash = "" }, []string{"XDSRegistryMetadataError DocumentEntry[1].hash"}},
	{"hash short", func(s *xds.Submission) { s.Entries[0].Hash = "abc" }, []string{"XDSRegistryMetadataError DocumentEntry[1].hash"}},
	{"hash not hexadecimal", func(s *xds.Submission) { s.Entries[0].Hash = strings.Repeat("zz", 20) }, []string{"XDSRegistryMetadataError DocumentEntry[1].hash"}},
	{"size missing", func(s *xds.Submission) { s.Entries[0].Size = -1 }, []string{"XDSRegistryMetadataError DocumentEntry[1].size"}},
	{"repositoryUniqueId missing", func(s *xds.Submission) { s.Entries[0].RepositoryUniqueID = "" }, []string{"XDSRegistryMetadataError DocumentEntry[1].repositoryUniqueId"}},
	{"repositoryUniqueId malformed", func(s *xds.Submission) { s.Entries[0].RepositoryUniqueID = "1.02" }, []string{"XDSRegistryMetadataError DocumentEntry[1].repositoryUniqueId"}},
	{"uniqueId missing", func(s *xds.Submission) { s.Entries[0].UniqueID = "" }, []string{"XDSRegistryMetadataError DocumentEntry[1].uniqueId"}},
	{"uniqueId first arc 3", func(s *xds.Submission) { s.Entries[0].UniqueID = "3.1" }, []string{"XDSRegistryMetadataError DocumentEntry[1].uniqueId"}},
	{"uniqueId extension of 17", func(s *xds.Submission) { s.Entries[0].UniqueID = "1.2^12345678901234567" }, []string{"XDSRegistryMetadataError DocumentEntry[1].uniqueId"}},
	{"uniqueId extension of 16", func(s *xds.Submission) { s.Entries[0].UniqueID = "1.2^1234567890123456" }, nil},
	{"uniqueId first arc 0", func(s *xds.Submission) { s.Entries[0].UniqueID = "0.1.2" }, nil},
	{"uniqueId of 65 characters", func(s *xds.Submission) { s.Entries[0].UniqueID = xds.UniqueID("1." + strings.Repeat("1", 63)) }, []string{"XDSRegistryMetadataError DocumentEntry[1].uniqueId"}},
	{"entryUUID in capitals", func(s *xds.Submission) {
		s.Entries[0].ID = "urn:uuid:AAAAAAAA-2222-4333-8444-555555555555"
		s.Associations[0].Target = s.Entries[0].ID
	}, []string{"XDSRegistryMetadataError DocumentEntry[1].entryUUID"}},
	{"author empty", func(s *xds.Submission) { s.Entries[0].Authors = []xds.Author{{}} }, []string{"XDSRegistryMetadataError DocumentEntry[1].author"}},
	{"author without name", func(s *xds.Submission) { s.Entries[0].Authors = []xds.Author{{Person: "^^Jean"}} }, []string{"XDSRegistryMetadataError DocumentEntry[1].authorPerson"}},
	{"institution without name", func(s *xds.Submission) {
		s.Entries[0].Authors = []xds.Author{{Institutions: []hl7.XON{"^^^^^&1.2&ISO"}}}
	}, []string{"XDSRegistryMetadataError DocumentEntry[1].authorInstitution"}},
	{"telecommunication malformed", func(s *xds.Submission) {
		s.Entries[0].Authors = []xds.Author{{Telecoms: []hl7.XTN{"^^Internet^nowhere"}}}
	}, []string{"XDSRegistryMetadataError DocumentEntry[1].authorTelecommunication"}},
	{"legalAuthenticator nobody", func(s *xds.Submission) { s.Entries[0].LegalAuthenticator = "^^^x" }, []string{"XDSRegistryMetadataError DocumentEntry[1].legalAuthenticator"}},
	{"reference id without kind", func(s *xds.Submission) { s.Entries[0].ReferenceIDs = []string{"1^^^&1.2&ISO"} }, []string{"XDSRegistryMetadataError DocumentEntry[1].referenceIdList"}},
	{"patientId missing", func(s *xds.Submission) { s.Entries[0].PatientID = hl7.CX{} }, []string{"XDSRegistryMetadataError DocumentEntry[1].patientId"}},
	{"patientId differs", func(s *xds.Submission) { s.Entries[0].PatientID = sample.PatientID(2) }, []string{"XDSPatientIdDoesNotMatch DocumentEntry[1].patientId"}},
	{"patientId not ISO", func(s *xds.Submission) { s.Entries[0].PatientID.AssigningAuthority.UniversalIDType = "DNS" }, []string{"XDSRegistryMetadataError DocumentEntry[1].patientId"}},
	{"patientId type of no domain", func(s *xds.Submission) { s.Entries[0].PatientID.TypeCode = "XX" }, []string{"XDSRegistryMetadataError DocumentEntry[1].patientId"}},
	{"patientId dated, tolerated", func(s *xds.Submission) { s.Entries[0].PatientID.EffectiveDate = "20210604" }, nil},
	{"authority of another domain", func(s *xds.Submission) {
		s.Entries[0].PatientID.AssigningAuthority.UniversalID, s.Set.PatientID.AssigningAuthority.UniversalID = "1.2.9", "1.2.9"
	}, []string{"XDSUnknownPatientId SubmissionSet.patientId", "XDSUnknownPatientId DocumentEntry[1].patientId"}},
	{"set uniqueId missing", func(s *xds.Submission) { s.Set.UniqueID = "" }, []string{"XDSRegistryMetadataError SubmissionSet.uniqueId"}},
	{"set uniqueId with extension", func(s *xds.Submission) { s.Set.UniqueID += "^1" }, []string{"XDSRegistryMetadataError SubmissionSet.uniqueId"}},
	{"sourceId missing", func(s *xds.Submission) { s.Set.SourceID = "" }, []string{"XDSRegistryMetadataError SubmissionSet.sourceId"}},
	{"sourceId malformed", func(s *xds.Submission) { s.Set.SourceID = "urn:oid:1.2" }, []string{"XDSRegistryMetadataError SubmissionSet.sourceId"}},
	{"submissionTime missing", func(s *xds.Submission) { s.Set.SubmissionTime = "" }, []string{"XDSRegistryMetadataError SubmissionSet.submissionTime"}},
	{"contentTypeCode missing", func(s *xds.Submission) { s.Set.ContentTypeCode = xds.Code{} }, []string{"XDSRegistryMetadataError SubmissionSet.contentTypeCode"}},
	{"recipient empty", func(s *xds.Submission) { s.Set.IntendedRecipients = []string{"||"} }, []string{"XDSRegistryMetadataError SubmissionSet.intendedRecipient"}},
	{"recipient", func(s *xds.Submission) {
		s.Set.IntendedRecipients = []string{"Clinique d'essai|^ESSAI^Jean|^^Internet^a@example.org"}
	}, nil},
	{"same unique id twice", func(s *xds.Submission) { s.Entries[0].UniqueID = s.Set.UniqueID }, []string{"XDSRegistryDuplicateUniqueIdInMessage DocumentEntry[1].uniqueId"}},
	{"same id twice", func(s *xds.Submission) { s.Associations[0].ID = s.Entries[0].ID }, []string{"XDSRegistryMetadataError Association[1].entryUUID"}},
	{"entry outside the set", func(s *xds.Submission) { s.Associations = nil }, []string{"XDSRegistryMetadataError DocumentEntry[1]"}},
	{"membership without status", func(s *xds.Submission) { s.Associations[0].Membership = "" }, []string{"XDSRegistryMetadataError Association[1].SubmissionSetStatus"}},
	{"membership status unknown", func(s *xds.Submission) { s.Associations[0].Membership = "original" }, []string{"XDSRegistryMetadataError Association[1].SubmissionSetStatus"}},
	{"original by reference", func(s *xds.Submission) { s.Associations[0].Membership = "Reference" }, []string{"XDSRegistryMetadataError Association[1].SubmissionSetStatus"}},
	{"reference as original", func(s *xds.Submission) {
		s.Associations = append(s.Associations, hasMember("m2", s.Set.ID, elsewhere, "Original"))
	}, []string{"XDSRegistryMetadataError Association[2].SubmissionSetStatus"}},
	{"by reference", func(s *xds.Submission) {
		s.Associations = append(s.Associations, hasMember("m2", s.Set.ID, elsewhere, "Reference"))
	}, nil},
	{"association type unknown", func(s *xds.Submission) {
		s.Associations = append(s.Associations, relation("urn:ihe:iti:2007:AssociationType:rplc", s.Entries[0].ID, elsewhere))
	}, []string{"XDSRegistryMetadataError Association[2].associationType"}},
	{"association of metadata update", func(s *xds.Submission) {
		s.Associations = append(s.Associations, relation(xds.UpdateAvailabilityStatus, s.Set.ID, elsewhere))
	}, []string{"XDSRegistryMetadataError Association[2].associationType"}},
	{"RPLC within the submission", func(s *xds.Submission) {
		s.Associations = append(s.Associations, relation(xds.RPLC, s.Entries[0].ID, s.Entries[0].ID))
	}, []string{"XDSRegistryMetadataError Association[2].targetObject"}},
	{"RPLC from outside", func(s *xds.Submission) {
		s.Associations = append(s.Associations, relation(xds.RPLC, elsewhere, elsewhere))
	},
		[]string{"XDSRegistryMetadataError Association[2].sourceObject"}},
	{"RPLC from the set", func(s *xds.Submission) {
		s.Associations = append(s.Associations, relation(xds.RPLC, s.Set.ID, elsewhere))
	},
		[]string{"XDSRegistryMetadataError Association[2].sourceObject"}},
	{"target symbolic and unknown", func(s *xds.Submission) {
		s.Associations = append(s.Associations, relation(xds.APND, s.Entries[0].ID, "nobody"))
	}, []string{"XDSRegistryMetadataError Association[2].targetObject"}},
	{"documentation on HasMember", func(s *xds.Submission) {
		s.Associations[0].Documentation = xds.Code{Code: "x", Scheme: "y", Display: xds.Plain("z")}
	}, []string{"XDSRegistryMetadataError Association[1].associationDocumentation"}},
	{"documentation on XFRM", func(s *xds.Submission) {
		a := relation(xds.XFRM, s.Entries[0].ID, elsewhere)
		a.Documentation = xds.Code{Code: "x", Scheme: "y", Display: xds.Plain("z")}
		s.Associations = append(s.Associations, a)
	}, nil},
	{"signs the set", func(s *xds.Submission) {
		s.Associations = append(s.Associations, relation(xds.Signs, s.Entries[0].ID, s.Set.ID))
	}, nil},
	{"folder complete", func(s *xds.Submission) {
		s.Folders = []xds.Folder{folder()}
		s.Associations = append(s.Associations, hasMember("m2", s.Set.ID, "Folder01", "Original"), hasMember("m3", "Folder01", s.Entries[0].ID, ""), hasMember("m4", s.Set.ID, "m3", "Original"))
	}, nil},
	{"folder without codes and outside the set", func(s *xds.Submission) {
		s.Folders = []xds.Folder{folder()}
		s.Folders[0].Codes = nil
	}, []string{"XDSRegistryMetadataError Folder[1].codeList", "XDSRegistryMetadataError Folder[1]"}},
	{"folder membership outside the set", func(s *xds.Submission) {
		s.Folders = []xds.Folder{folder()}
		s.Associations = append(s.Associations, hasMember("m2", s.Set.ID, "Folder01", "Original"), hasMember("m3", "Folder01", s.Entries[0].ID, ""))
	}, []string{"XDSRegistryMetadataError Association[3]"}},
	{"folder holds a folder", func(s *xds.Submission) {
		s.Folders = []xds.Folder{folder()}
		s.Associations = append(s.Associations, hasMember("m2", s.Set.ID, "Folder01", "Original"), hasMember("m3", "Folder01", "Folder01", ""), hasMember("m4", s.Set.ID, "m3", "Original"))
	}, []string{"XDSRegistryMetadataError Association[3].targetObject"}},
	{"everything at once", func(s *xds.Submission) {
		s.Entries[0].CreationTime, s.Entries[0].Hash, s.Set.SourceID = "x", "y", "z"
	}, []string{"XDSRegistryMetadataError SubmissionSet.sourceId", "XDSRegistryMetadataError DocumentEntry[1].creationTime", "XDSRegistryMetadataError DocumentEntry[1].hash"}},
}

func domain() *xds.Domain {
	return &xds.Domain{CXTypes: []string{"NH", "PI"}, CXDates: true, MIMETypes: []string{"text/xml"}, PatientAuthorities: []xds.OID{sample.INSTest},
		Codes: map[string]xds.CodeTable{"classCode": {{Code: "10", Scheme: "1.2.250.1.213.1.1.4.1"}: "", {Code: "11", Scheme: "1.2.250.1.213.1.1.4.1"}: ""}}}
}

func TestValidate(t *testing.T) {
	for _, c := range validations {
		t.Run(c.name, func(t *testing.T) {
			s := registered()
			c.spoil(s)
			f := xds.Findings{MetadataError: xds.CodeRegistryMetadataError}
			s.Validate(domain(), xds.Registering, &f)
			var got []string
			for _, e := range f.List {
				got = append(got, string(e.Code)+" "+e.Location)
				if !strings.Contains(e.Context, "(") {
					t.Errorf("the context names no clause: %s", e.Context)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("found\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(c.want, "\n\t"))
			}
		})
	}
}

func TestProvidedNeedsNoHash(t *testing.T) {
	f := xds.Findings{MetadataError: xds.CodeRepositoryMetadataError}
	sample.Submission(1, 1, 1, at).Validate(domain(), xds.Provided, &f)
	if f.List.Err() != nil {
		t.Error(f.List)
	}
}

func TestExtraMetadataDropped(t *testing.T) {
	s := registered()
	s.Entries[0].Extra = []xds.Slot{{Name: "urn:x:y", Values: []string{"1"}}}
	d := domain()
	d.DropExtraMetadata = true
	f := xds.Findings{MetadataError: xds.CodeRegistryMetadataError}
	s.Validate(d, xds.Registering, &f)
	if f.List.Err() != nil || len(f.List) != 1 || !f.List[0].Warning || f.List[0].Code != xds.CodeExtraMetadataNotSaved || f.List[0].Location != "DocumentEntry[1].urn:x:y" {
		t.Errorf("got %v", f.List)
	}
}

// What people are called never stands in an answer.
func TestFindingsHideIdentity(t *testing.T) {
	s := registered()
	s.Entries[0].PatientID.TypeCode = "XX"
	s.Entries[0].LegalAuthenticator = "^^SECRETGIVEN"
	s.Entries[0].SourcePatientInfo = []string{"SECRETLINE"}
	f := xds.Findings{MetadataError: xds.CodeRegistryMetadataError}
	s.Validate(domain(), xds.Registering, &f)
	if len(f.List) != 3 {
		t.Fatalf("%d findings, want 3: %v", len(f.List), f.List)
	}
	for _, secret := range []string{"SECRET", sample.PatientID(1).ID} {
		if strings.Contains(f.List.Error(), secret) {
			t.Errorf("%q stands in %s", secret, f.List)
		}
	}
}

func TestFindingsAreBounded(t *testing.T) {
	s := registered()
	for range 1000 {
		s.Entries[0].ConfidentialityCodes = append(s.Entries[0].ConfidentialityCodes, xds.Code{Code: "x"})
	}
	f := xds.Findings{MetadataError: xds.CodeRegistryMetadataError}
	s.Validate(domain(), xds.Registering, &f)
	if len(f.List) != 201 {
		t.Errorf("%d findings, want 201", len(f.List))
	}
}
