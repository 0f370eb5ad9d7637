// Package storetest holds the contracts of the actors' stores as tests that every driver runs. It knows the interfaces and no driver.
package storetest

import (
	"fmt"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/xds"
)

// Patient is a made-up patient identifier.
func Patient(n int) hl7.CX {
	return hl7.CX{ID: fmt.Sprintf("made-up-%d", n), AssigningAuthority: hl7.HD{UniversalID: "1.2.250.1.213.1.4.10", UniversalIDType: "ISO"}}
}

// ID is a made-up entryUUID. Numbers that follow each other are spread as random ones are.
func ID(n int) xds.ObjectID {
	h := uint64(n)*0x9E3779B97F4A7C15 + 0x1234567
	return xds.ObjectID(fmt.Sprintf("urn:uuid:%08x-%04x-4%03x-a%03x-%012x", uint32(h>>32), uint16(h>>16), uint16(h)&0xfff, uint16(h>>4)&0xfff, n))
}

func code(c, scheme, display string) xds.Code {
	return xds.Code{Code: c, Scheme: scheme, Display: xds.Text{{Lang: "fr-FR", Charset: "UTF-8", Value: display}}}
}

// Entry is a document entry as a hospital would send it, every attribute made up.
func Entry(n int, patient hl7.CX) *xds.DocumentEntry {
	return &xds.DocumentEntry{
		Header:                     xds.Header{ID: ID(n), LogicalID: ID(n), Version: 1, Status: xds.Approved},
		UniqueID:                   xds.UniqueID(fmt.Sprintf("1.2.250.1.999.1.1.%d^1", n)),
		PatientID:                  patient,
		SourcePatientID:            hl7.CX{ID: fmt.Sprintf("IPP%08d", n), AssigningAuthority: hl7.HD{UniversalID: "1.2.250.1.999.3", UniversalIDType: "ISO"}, TypeCode: "PI"},
		SourcePatientInfo:          []string{"PID-5|MADEUP^ANNE^^^^^L", "PID-7|19700102", "PID-8|F"},
		ClassCode:                  code("10", "1.2.250.1.213.1.1.4.1", "Compte rendu"),
		TypeCode:                   code("11502-2", "2.16.840.1.113883.6.1", "CR d'examens biologiques"),
		FormatCode:                 code("urn:ihe:lab:xd-lab:2008", "1.3.6.1.4.1.19376.1.2.3", "XD-LAB"),
		ConfidentialityCodes:       []xds.Code{code("N", "2.16.840.1.113883.5.25", "Normal"), code("MASQUE_PS", "1.2.250.1.213.1.1.4.13", "Masqué aux professionnels")},
		EventCodes:                 []xds.Code{code("BIO", "1.2.250.1.999.4", "Biologie")},
		HealthcareFacilityTypeCode: code("SA01", "1.2.250.1.71.4.2.4", "Etablissement public de santé"),
		PracticeSettingCode:        code("ETABLISSEMENT", "1.2.250.1.213.1.1.4.9", "Etablissement de santé"),
		CreationTime:               "20261101083000",
		ServiceStartTime:           "20261101",
		ServiceStopTime:            "20261101120000",
		LanguageCode:               "fr-FR",
		LegalAuthenticator:         "801234567^MADEUP^JEAN^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS",
		Authors: []xds.Author{{
			Person:       "801234567^MADEUP^JEAN^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS",
			Institutions: []hl7.XON{"Made-up hospital^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^10B0000001"},
			Roles:        []string{"Médecin"},
			Specialties:  []string{"G15_10/SM03^Biologie^1.2.250.1.71.4.2.5"},
			Telecoms:     []hl7.XTN{"^^Internet^jean.madeup@example.org"},
		}},
		Title:              xds.Text{{Lang: "fr-FR", Charset: "UTF-8", Value: "Compte rendu d'examens de biologie médicale"}},
		Comments:           xds.Plain("made up"),
		Hash:               fmt.Sprintf("%040x", n),
		Size:               30720,
		MIMEType:           "text/xml",
		URI:                "DOC0001.XML",
		RepositoryUniqueID: "1.2.250.1.999.2",
		ReferenceIDs:       []string{fmt.Sprintf("ACC%d^^^&1.2.250.1.999.5&ISO^urn:ihe:iti:xds:2013:accession", n)},
	}
}

// Set is a submission set.
func Set(n int, patient hl7.CX) *xds.SubmissionSet {
	e := Entry(n, patient)
	return &xds.SubmissionSet{
		Header:             xds.Header{ID: ID(n), LogicalID: ID(n), Version: 1, Status: xds.Approved},
		UniqueID:           xds.UniqueID(fmt.Sprintf("1.2.250.1.999.1.2.%d", n)),
		SourceID:           "1.2.250.1.999.9",
		PatientID:          patient,
		SubmissionTime:     "20261101090000",
		ContentTypeCode:    code("04", "1.2.250.1.213.2.2", "Hospitalisation de jour"),
		Authors:            e.Authors,
		IntendedRecipients: []string{"Made-up clinic^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^10B0000002"},
		Title:              xds.Plain("envoi"),
	}
}

// Folder is a folder.
func Folder(n int, patient hl7.CX) *xds.Folder {
	return &xds.Folder{
		Header:    xds.Header{ID: ID(n), LogicalID: ID(n), Version: 1, Status: xds.Approved, Home: "urn:oid:1.2.3", Extra: []xds.Slot{{Name: "urn:x", Values: []string{"a", ""}}}},
		UniqueID:  xds.UniqueID(fmt.Sprintf("1.2.250.1.999.1.3.%d", n)),
		PatientID: patient, Codes: []xds.Code{code("F", "1.2.250.1.999.6", "Dossier")}, LastUpdateTime: "20261101090000",
	}
}

// Association relates two objects.
func Association(n int, t xds.AssociationType, source, target xds.ObjectID) *xds.Association {
	return &xds.Association{Header: xds.Header{ID: ID(n), LogicalID: ID(n), Version: 1, Status: xds.Approved}, Type: t, Source: source, Target: target, Membership: "Original"}
}

// Objects is a whole submission: one set, one entry, and the association between them. It uses the numbers 3n to 3n+2.
func Objects(n int, patient hl7.CX) []xds.Object {
	s, e := Set(3*n, patient), Entry(3*n+1, patient)
	return []xds.Object{{Set: s}, {Entry: e}, {Association: Association(3*n+2, xds.HasMember, s.ID, e.ID)}}
}

// Document is the stored document of Entry(n).
func Document(n int, patient hl7.CX, blob string) xds.StoredDocument {
	e := Entry(n, patient)
	return xds.StoredDocument{UniqueID: e.UniqueID, Blob: blob, MIMEType: e.MIMEType, Size: e.Size, Hash: e.Hash, Patient: patient, Status: xds.Registered}
}

// Message is the audit message of a submission.
func Message(n int, patient hl7.CX) *atna.AuditMessage {
	return &atna.AuditMessage{
		EventIdentification: atna.EventIdentification{
			EventID: atna.CodedValue{Code: "110107", System: "DCM", Text: "Import"}, EventActionCode: "C",
			EventDateTime: time.Date(2026, 11, 1, 9, 0, n%60, 123456789, time.UTC), EventOutcomeDescription: fmt.Sprint("made up ", n),
			EventTypeCodes: []atna.CodedValue{{Code: "ITI-41", System: "IHE Transactions", Text: "Provide and Register Document Set-b"}},
		},
		ActiveParticipants: []atna.ActiveParticipant{
			{UserID: "http://www.w3.org/2005/08/addressing/anonymous", UserIsRequestor: true, NetworkAccessPointTypeCode: "2", NetworkAccessPointID: "192.0.2.7",
				RoleIDCodes: []atna.CodedValue{{Code: "110153", System: "DCM", Text: "Source Role ID"}}},
			{UserID: "https://gateway.example.org/xds/iti41", AlternativeUserID: "4242", NetworkAccessPointTypeCode: "1", NetworkAccessPointID: "gateway.example.org",
				RoleIDCodes: []atna.CodedValue{{Code: "110152", System: "DCM", Text: "Destination Role ID"}}},
		},
		AuditSource: atna.AuditSourceIdentification{AuditSourceID: "passerelle", AuditEnterpriseSite: "made-up"},
		ParticipantObjects: []atna.ParticipantObject{
			{ParticipantObjectTypeCode: "1", ParticipantObjectTypeCodeRole: "1", ParticipantObjectID: patient.String(),
				ParticipantObjectIDTypeCode: atna.CodedValue{Code: "2", System: "RFC-3881", Text: "Patient Number"}},
			{ParticipantObjectTypeCode: "2", ParticipantObjectTypeCodeRole: "20", ParticipantObjectID: fmt.Sprintf("1.2.250.1.999.1.2.%d", n),
				ParticipantObjectIDTypeCode: atna.CodedValue{Code: "urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd", System: "IHE XDS Metadata", Text: "submission set classificationNode"},
				ParticipantObjectDetails:    []atna.ObjectDetail{{Type: "made-up", Value: []byte("value")}}},
		},
	}
}
