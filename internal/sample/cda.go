package sample

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// Kind is what a clinical document of this package is: its model, its type, what was done and in which setting.
type Kind struct {
	Template, Edition    string // the model in the French framework; empty for level 1
	Type, TypeText       string // LOINC
	Act, ActText         string // LOINC
	Setting, SettingText string
}

// The kinds of documents that the functions below make.
var (
	LabReportKind = Kind{Template: "1.2.250.1.213.1.1.1.55", Edition: "2024.01", Type: "11502-2", TypeText: "CR d'examens biologiques",
		Act: "18719-5", ActText: "Biochimie", Setting: "AMBULATOIRE", SettingText: "Ambulatoire"}
	UnstructuredKind = Kind{Type: "11502-2", TypeText: "CR d'examens biologiques", Act: "18719-5", ActText: "Biochimie",
		Setting: "AMBULATOIRE", SettingText: "Ambulatoire"}
)

// LabReport is a laboratory report of level 3 of the n-th patient: a fasting glucose in mmol/L with its reference range, told in a table.
func LabReport(n int) []byte {
	value := fmt.Sprintf("%d.%02d", 4+n%3, n%100)
	return ClinicalDocument(n, LabReportKind, strings.NewReplacer("VALUE", value).Replace(labBody))
}

// UnstructuredReport is the same report of level 1: a PDF of one page.
func UnstructuredReport(n int) []byte {
	return ClinicalDocument(n, UnstructuredKind, `<nonXMLBody><text mediaType="application/pdf" representation="B64">`+
		base64.StdEncoding.EncodeToString(PDF("Compte rendu d'essai"))+`</text></nonXMLBody>`)
}

// ClinicalDocument is a CDA R2 document of the n-th patient, whose header follows the French minimal structure. body is a nonXMLBody or a
// structuredBody in the namespace of HL7.
func ClinicalDocument(n int, k Kind, body string) []byte {
	model := `<templateId root="1.3.6.1.4.1.19376.1.2.20"/>`
	if k.Template != "" {
		model = `<templateId root="` + k.Template + `" extension="` + k.Edition + `"/>`
	}
	if k == LabReportKind {
		model += `<templateId root="1.3.6.1.4.1.19376.1.3.3"/>` // XD-LAB
	}
	id := PatientID(n)
	birth := fmt.Sprintf("19%02d0%d0%d", n%90+10, n%9+1, n%9+1)
	sex := []string{"M", "F"}[n%2]
	return []byte(strings.NewReplacer("MODEL", model, "NUMBER", fmt.Sprint(n), "OIDROOT", OIDRoot, "TYPETEXT", k.TypeText, "TYPE", k.Type,
		"INSROOT", id.AssigningAuthority.UniversalID, "INS", id.ID, "IPP", fmt.Sprintf("IPP%07d", n), "FAMILY", Family(n), "GIVEN", Given(n),
		"SEX", sex, "BIRTH", birth,
		"ACTTEXT", k.ActText, "ACT", k.Act, "SETTINGTEXT", k.SettingText, "SETTING", k.Setting,
		"PROFESSIONAL", professional, "ORGANIZATION", organization, "BODY", body).Replace(clinicalDocument))
}

const professional = `<id root="1.2.250.1.71.4.2.1" extension="801234567890"/>
<code code="G15_10/SM03" displayName="Médecin - Biologie médicale (SM)" codeSystem="1.2.250.1.213.1.1.4.5"/>
<addr><houseNumber>1</houseNumber><streetName>rue de l'Essai</streetName><postalCode>99999</postalCode><city>ESSAIVILLE</city></addr>
<telecom value="tel:0199000000" use="WP"/>`

const organization = `<id root="1.2.250.1.71.4.2.2" extension="1750100125"/>
<name>Laboratoire d'essai</name>
<telecom value="tel:0199000000" use="WP"/>
<addr><houseNumber>1</houseNumber><streetName>rue de l'Essai</streetName><postalCode>99999</postalCode><city>ESSAIVILLE</city></addr>`

const clinicalDocument = `<?xml version="1.0" encoding="UTF-8"?>
<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<realmCode code="FR"/>
<typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>
<templateId root="2.16.840.1.113883.2.8.2.1"/>
<templateId root="1.2.250.1.213.1.1.1.1"/>
MODEL
<id root="OIDROOT.10.NUMBER"/>
<code code="TYPE" displayName="TYPETEXT" codeSystem="2.16.840.1.113883.6.1" codeSystemName="LOINC"/>
<title>TYPETEXT</title>
<effectiveTime value="20260105171000+0100"/>
<confidentialityCode code="N" displayName="Normal" codeSystem="2.16.840.1.113883.5.25"/>
<languageCode code="fr-FR"/>
<setId root="OIDROOT.11.NUMBER"/>
<versionNumber value="1"/>
<recordTarget><patientRole>
<id root="INSROOT" extension="INS"/>
<id root="OIDROOT.7898.2" extension="IPP"/>
<addr use="H"><houseNumber>2</houseNumber><streetName>rue de l'Essai</streetName><postalCode>99999</postalCode><city>ESSAIVILLE</city></addr>
<telecom value="tel:0199000001" use="H"/>
<patient classCode="PSN">
<name><family qualifier="BR">FAMILY</family><given>GIVEN</given><given qualifier="BR">GIVEN</given></name>
<administrativeGenderCode code="SEX" codeSystem="2.16.840.1.113883.5.1"/>
<birthTime value="BIRTH"/>
<birthplace><place><addr><county>51215</county><city>DOMPREMY</city></addr></place></birthplace>
</patient>
</patientRole></recordTarget>
<author><time value="20260105170500+0100"/><assignedAuthor>
PROFESSIONAL
<assignedPerson><name><family>ESSAI-DURANT</family><given>Romuald</given></name></assignedPerson>
<representedOrganization>ORGANIZATION</representedOrganization>
</assignedAuthor></author>
<custodian><assignedCustodian><representedCustodianOrganization>ORGANIZATION</representedCustodianOrganization></assignedCustodian></custodian>
<legalAuthenticator><time value="20260105170500+0100"/><signatureCode code="S"/><assignedEntity>
PROFESSIONAL
<assignedPerson><name><family>ESSAI-DURANT</family><given>Romuald</given></name></assignedPerson>
<representedOrganization>ORGANIZATION</representedOrganization>
</assignedEntity></legalAuthenticator>
<documentationOf><serviceEvent>
<code code="ACT" displayName="ACTTEXT" codeSystem="2.16.840.1.113883.6.1" codeSystemName="LOINC"/>
<effectiveTime><low value="20260105092200+0100"/><high value="20260105160500+0100"/></effectiveTime>
<performer typeCode="PRF"><assignedEntity>
PROFESSIONAL
<assignedPerson><name><family>ESSAI-DURANT</family><given>Romuald</given></name></assignedPerson>
<representedOrganization>ORGANIZATION
<standardIndustryClassCode code="SETTING" displayName="SETTINGTEXT" codeSystem="1.2.250.1.213.1.1.4.9"/>
</representedOrganization>
</assignedEntity></performer>
</serviceEvent></documentationOf>
<componentOf><encompassingEncounter>
<code code="AMB" displayName="Ambulatoire" codeSystem="2.16.840.1.113883.5.4"/>
<effectiveTime><low value="20260105073500+0100"/></effectiveTime>
<location><healthCareFacility>
<code code="SA25" displayName="Laboratoire de biologie médicale" codeSystem="1.2.250.1.71.4.2.4"/>
<location><name>Laboratoire d'essai</name></location>
</healthCareFacility></location>
</encompassingEncounter></componentOf>
<component>
BODY
</component>
</ClinicalDocument>
`

const labBody = `<structuredBody><component><section>
<templateId root="1.3.6.1.4.1.19376.1.3.3.2.1"/>
<templateId root="1.2.250.1.213.1.1.2.70"/>
<code code="18719-5" displayName="Biochimie" codeSystem="2.16.840.1.113883.6.1" codeSystemName="LOINC"/>
<title>Biochimie</title>
<component><section>
<templateId root="1.3.6.1.4.1.19376.1.3.3.2.2"/>
<templateId root="1.2.250.1.213.1.1.2.71"/>
<code code="18719-5" displayName="Biochimie" codeSystem="2.16.840.1.113883.6.1" codeSystemName="LOINC"/>
<title>Examens du sang</title>
<text><table>
<thead><tr><th>Examen</th><th>Résultat</th><th>Référence</th></tr></thead>
<tbody><tr><td ID="glucose">Glucose à jeun</td><td>VALUE mmol/L</td><td>3.89 - 6.00</td></tr></tbody>
</table></text>
<entry typeCode="DRIV">
<templateId root="1.3.6.1.4.1.19376.1.3.1"/>
<act classCode="ACT" moodCode="EVN">
<code code="18719-5" displayName="Biochimie" codeSystem="2.16.840.1.113883.6.1"/>
<statusCode code="completed"/>
<entryRelationship typeCode="COMP"><observation classCode="OBS" moodCode="EVN">
<templateId root="1.3.6.1.4.1.19376.1.3.1.6"/>
<templateId root="1.2.250.1.213.1.1.3.80"/>
<code code="40193-5" displayName="Glucose à jeun [Moles/Volume] Sérum/Plasma ; Numérique" codeSystem="2.16.840.1.113883.6.1">
<originalText><reference value="#glucose"/></originalText>
</code>
<statusCode code="completed"/>
<effectiveTime value="20260105073500+0100"/>
<value xsi:type="PQ" value="VALUE" unit="mmol/L"/>
<interpretationCode code="N" displayName="Normal" codeSystem="2.16.840.1.113883.5.83"/>
<referenceRange typeCode="REFV"><observationRange classCode="OBS" moodCode="EVN.CRT">
<value xsi:type="IVL_PQ"><low value="3.89" unit="mmol/L"/><high value="6.00" unit="mmol/L"/></value>
<interpretationCode code="N" codeSystem="2.16.840.1.113883.5.83"/>
</observationRange></referenceRange>
</observation></entryRelationship>
</act>
</entry>
</section></component>
</section></component></structuredBody>`

// PDF is a file of one page that says text in Helvetica. It holds Latin letters only.
func PDF(text string) []byte {
	page := "BT /F1 24 Tf 72 760 Td (" + strings.NewReplacer(`\`, `\\`, "(", `\(`, ")", `\)`).Replace(text) + ") Tj ET"
	objects := []string{"<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(page), page), "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"}
	var b strings.Builder
	b.WriteString("%PDF-1.4\n")
	var at []int
	for i, o := range objects {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, a := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", a)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, start)
	return []byte(b.String())
}

// BadDocuments are what claims to be a clinical document and must be refused before anything is made of it, by what is wrong with it.
func BadDocuments() map[string][]byte {
	good := string(LabReport(1))
	doctype := func(d string) []byte { return []byte(strings.Replace(good, "\n", "\n"+d+"\n", 1)) }
	deep := strings.Repeat("<section><component>", 5_000) + strings.Repeat("</component></section>", 5_000)
	return map[string][]byte{
		"truncated":        []byte(good[:len(good)*2/3]),
		"another root":     []byte(strings.ReplaceAll(good, "ClinicalDocument", "Clinical")),
		"wrong namespace":  []byte(strings.Replace(good, "urn:hl7-org:v3", "urn:hl7-org:v2", 1)),
		"invalid UTF-8":    []byte(strings.Replace(good, "Médecin", "M\xe9decin", 1)),
		"entity expansion": doctype(`<!DOCTYPE ClinicalDocument [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>`),
		"external entity":  doctype(`<!DOCTYPE ClinicalDocument SYSTEM "file:///etc/passwd">`),
		"unknown entity":   []byte(strings.Replace(good, "<title>", "<title>&eacute;", 1)),
		"10,000 deep":      ClinicalDocument(1, LabReportKind, `<structuredBody><component>`+deep+`</component></structuredBody>`),
	}
}
