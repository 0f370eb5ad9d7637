// Package sample invents patients, documents and submissions: for the demo, for load and for tests. Nobody in it exists; the identifiers are of the French
// test domain.
package sample

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/xds"
)

// INSTest is the assigning authority of test identifiers of the French national domain.
const INSTest = "1.2.250.1.213.1.4.10"

// OIDRoot is the root of every unique id that this package makes.
const OIDRoot = "1.2.250.1.999.1.1"

var families = []string{"ESSAI-BRIARD", "ESSAI-CAMUSET", "ESSAI-DELORME", "ESSAI-FAURE", "ESSAI-GIRAUDET"}
var givens = []string{"ALIX", "BASTIEN", "CLEMENCE", "DAMIEN", "ELODIE", "FELICIEN", "GARANCE"}

// PatientID is the identifier of the n-th patient: 13 digits and their key.
func PatientID(n int) hl7.CX {
	digits := int64(1+n%2)*1_000_000_000_000 + int64(n%90+10)*10_000_000_000 + int64(n%12+1)*100_000_000 + int64(9_900_000) + int64(n)%100_000
	return hl7.CX{ID: fmt.Sprintf("%013d%02d", digits, 97-digits%97), AssigningAuthority: hl7.HD{UniversalID: INSTest, UniversalIDType: "ISO"}, TypeCode: "NH"}
}

// ADT is the feed that announces the n-th patient (A04), in ER7 with CR line ends.
func ADT(n int, at time.Time) []byte {
	id := PatientID(n)
	return []byte(strings.Join([]string{
		fmt.Sprintf("MSH|^~\\&|SAMPLE|HOSPITAL|PASSERELLE|REGION|%s||ADT^A04^ADT_A01|S%09d|T|2.5|||||FRA|UNICODE UTF-8", hl7.NewDTM(at), n),
		"EVN||" + string(hl7.NewDTM(at)),
		fmt.Sprintf("PID|||%s^^^ASIP-SANTE-INS-NIR&%s&ISO^INS||%s^%s^^^^^L||19%02d0%d0%d|%s", id.ID, INSTest, Family(n), Given(n), n%90+10, n%9+1, n%9+1, []string{"M", "F"}[n%2]),
		"PV1||N", ""}, "\r"))
}

// HospitalID is the n-th patient's own number at a hospital.
func HospitalID(n int) hl7.CX {
	return hl7.CX{ID: fmt.Sprintf("IPP%07d", n), AssigningAuthority: hl7.HD{UniversalID: OIDRoot + ".7898.2", UniversalIDType: "ISO"}, TypeCode: "PI"}
}

// HospitalADT is what that hospital says of the patient (A28), whose national identifier it has qualified.
func HospitalADT(n int, at time.Time) []byte {
	id, ins := HospitalID(n), PatientID(n)
	return []byte(strings.Join([]string{
		fmt.Sprintf("MSH|^~\\&|DPI|HOPITAL|PASSERELLE|REGION|%s||ADT^A28^ADT_A05|H%09d|T|2.5^FRA^2.11|||||FRA|UNICODE UTF-8", hl7.NewDTM(at), n),
		"EVN||" + string(hl7.NewDTM(at)),
		fmt.Sprintf("PID|||%s^^^HOPITAL-ESSAI&%s&ISO^PI~%s^^^ASIP-SANTE-INS-NIR&%s&ISO^INS||%s^%s^^^^^L||19%02d0%d0%d|%s||||||||||||||||||||||||QUAL", id.ID, id.AssigningAuthority.UniversalID,
			ins.ID, INSTest, Family(n), Given(n), n%90+10, n%9+1, n%9+1, []string{"M", "F"}[n%2]),
		"PV1||N", ""}, "\r"))
}

// Family and Given name the n-th patient.
func Family(n int) string { return families[n%len(families)] }
func Given(n int) string  { return givens[n%len(givens)] }

// Submission is the n-th submission, of one document of patient p: complete metadata in the French manner, symbolic ids, no hash, no size.
// Its unique ids hold run and n, so that two runs do not collide.
func Submission(run int64, n, p int, at time.Time) *xds.Submission {
	entry, set := xds.ObjectID("Document01"), xds.ObjectID("SubmissionSet01")
	author := xds.Author{Person: "801234567890^ESSAI-DURANT^Romuald^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS",
		Institutions: []hl7.XON{"Laboratoire d'essai^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^1750100125"}, Roles: []string{"Médecin biologiste"},
		Specialties: []string{"G15_10/SM03^Médecin - Biologie médicale (SM)^1.2.250.1.213.1.1.4.5"}}
	id := PatientID(p)
	source := HospitalID(p)
	t := types[n%len(types)]
	e := xds.DocumentEntry{Header: xds.Header{ID: entry}, UniqueID: xds.UniqueID(fmt.Sprintf("%s.%d.1.%d", OIDRoot, run, n)), PatientID: id, SourcePatientID: source,
		SourcePatientInfo: []string{"PID-5|" + Family(p) + "^" + Given(p) + "^^^^^L", "PID-8|" + []string{"M", "F"}[p%2]},
		ClassCode:         code(t.class, "1.2.250.1.213.1.1.4.1", t.classText), TypeCode: code(t.code, "2.16.840.1.113883.6.1", t.text),
		FormatCode:                 code("urn:ihe:iti:xds-sd:text:2008", "1.3.6.1.4.1.19376.1.2.3", "Document à corps non structuré en texte brut"),
		HealthcareFacilityTypeCode: code("SA25", "1.2.250.1.71.4.2.4", "Laboratoire de biologie médicale"),
		PracticeSettingCode:        code("AMBULATOIRE", "1.2.250.1.213.1.1.4.9", "Ambulatoire"),
		ConfidentialityCodes:       []xds.Code{code("N", "2.16.840.1.113883.5.25", "Normal")},
		EventCodes:                 []xds.Code{code("HFQE002", "1.2.250.1.213.2.5", "Acte d'essai")},
		CreationTime:               hl7.NewDTM(at.Add(-time.Duration(n%1000) * time.Hour)), ServiceStartTime: hl7.NewDTM(at.Add(-time.Duration(n%1000+1) * time.Hour)),
		ServiceStopTime: hl7.NewDTM(at.Add(-time.Duration(n%1000) * time.Hour)), LanguageCode: "fr-FR", LegalAuthenticator: author.Person, Authors: []xds.Author{author},
		Title: text(t.text), Size: -1, MIMEType: "text/xml"}
	s := xds.SubmissionSet{Header: xds.Header{ID: set}, UniqueID: xds.UniqueID(fmt.Sprintf("%s.%d.2.%d", OIDRoot, run, n)), SourceID: OIDRoot + ".7", PatientID: id,
		SubmissionTime: hl7.NewDTM(at), ContentTypeCode: code("07", "1.2.250.1.213.2.2", "Consultations et soins externes"), Authors: []xds.Author{author}, Title: text("Lot d'essai")}
	return &xds.Submission{Set: s, Entries: []xds.DocumentEntry{e},
		Associations: []xds.Association{{Header: xds.Header{ID: "HasMember01"}, Type: xds.HasMember, Source: set, Target: entry, Membership: "Original"}}}
}

var types = []struct{ code, text, class, classText string }{
	{"11502-2", "CR d'examens biologiques", "10", "Compte rendu"},
	{"60591-5", "Synthèse médicale", "11", "Synthèse"},
	{"57833-6", "Prescription de produits de santé", "42", "Prescription"},
	{"11488-4", "CR ou fiche de consultation ou de visite", "10", "Compte rendu"},
}

func code(c, scheme, display string) xds.Code {
	return xds.Code{Code: c, Scheme: scheme, Display: text(display)}
}

func text(s string) xds.Text { return xds.Text{{Lang: "FR", Charset: "UTF8", Value: s}} }

// Document is the n-th document, a CDA header around enough text to make size bytes.
func Document(n, size int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<?xml version="1.0" encoding="UTF-8"?><ClinicalDocument xmlns="urn:hl7-org:v3"><id root="%s.9.%d"/><title>Document d'essai %d</title>`, OIDRoot, n, n)
	b.WriteString("<component><nonXMLBody><text>\n")
	const tail = "</text></nonXMLBody></component></ClinicalDocument>\n"
	for line := 0; b.Len() < size-len(tail); line++ {
		rest := size - len(tail) - b.Len()
		l := fmt.Sprintf("ligne %06d : texte d'essai sans valeur médicale, répété pour donner sa taille.\n", line)
		b.WriteString(strings.ToValidUTF8(l[:min(len(l), rest)], ""))
		for b.Len() < size-len(tail) && rest < len(l) {
			b.WriteByte(' ')
		}
	}
	b.WriteString(tail)
	return b.Bytes()
}
