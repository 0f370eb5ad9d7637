package validate_test

import (
	"archive/zip"
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// What the messages of XDS hold, an element a line.
const (
	content = `<essai>document</essai>`

	entry = `<rim:ExtrinsicObject id="urn:uuid:00000000-0000-4000-8000-000000000011" mimeType="text/xml" objectType="urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1">
 <rim:Slot name="creationTime"><rim:ValueList><rim:Value>20250314150926</rim:Value></rim:ValueList></rim:Slot>
 <rim:Slot name="hash"><rim:ValueList><rim:Value>403e152c6c4cbbe52b0ea188feed37a80d0ed87b</rim:Value></rim:ValueList></rim:Slot>
 <rim:Slot name="size"><rim:ValueList><rim:Value>23</rim:Value></rim:ValueList></rim:Slot>
 <rim:Slot name="languageCode"><rim:ValueList><rim:Value>fr-FR</rim:Value></rim:ValueList></rim:Slot>
 <rim:Slot name="repositoryUniqueId"><rim:ValueList><rim:Value>1.2.250.1.999.9.43</rim:Value></rim:ValueList></rim:Slot>
 <rim:Slot name="sourcePatientId"><rim:ValueList><rim:Value>IPP0001^^^&amp;1.2.250.1.999.1&amp;ISO^PI</rim:Value></rim:ValueList></rim:Slot>
 <rim:Slot name="sourcePatientInfo"><rim:ValueList><rim:Value>PID-5|ESSAI^ALIX^^^^^L</rim:Value><rim:Value>PID-8|F</rim:Value></rim:ValueList></rim:Slot>
 <rim:Slot name="serviceStartTime"><rim:ValueList><rim:Value>20250301</rim:Value></rim:ValueList></rim:Slot>
 <rim:Slot name="serviceStopTime"><rim:ValueList><rim:Value>20250302</rim:Value></rim:ValueList></rim:Slot>
 <rim:Slot name="legalAuthenticator"><rim:ValueList><rim:Value>801234567890^ESSAI-DURANT^Romuald^^^^^^&amp;1.2.250.1.71.4.2.1&amp;ISO^D^^^IDNPS</rim:Value></rim:ValueList></rim:Slot>
 <rim:Slot name="urn:ihe:iti:xds:2013:referenceIdList"><rim:ValueList><rim:Value>DEM1^^^&amp;1.2.250.1.999.3&amp;ISO^urn:ihe:iti:xds:2013:order</rim:Value></rim:ValueList></rim:Slot>
 <rim:Slot name="URI"><rim:ValueList><rim:Value>DOC0001.XML</rim:Value></rim:ValueList></rim:Slot>
 <rim:Classification id="c1" classificationScheme="urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d" classifiedObject="urn:uuid:00000000-0000-4000-8000-000000000011" nodeRepresentation="" objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Classification">
  <rim:Slot name="authorPerson"><rim:ValueList><rim:Value>801234567890^ESSAI-DURANT^Romuald^^^^^^&amp;1.2.250.1.71.4.2.1&amp;ISO^D^^^IDNPS</rim:Value></rim:ValueList></rim:Slot>
  <rim:Slot name="authorInstitution"><rim:ValueList><rim:Value>Laboratoire d'essai^^^^^&amp;1.2.250.1.71.4.2.2&amp;ISO^IDNST^^^1750100125</rim:Value></rim:ValueList></rim:Slot></rim:Classification>
 <rim:Classification id="c2" classificationScheme="urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a" classifiedObject="urn:uuid:00000000-0000-4000-8000-000000000011" nodeRepresentation="10" objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Classification">
  <rim:Slot name="codingScheme"><rim:ValueList><rim:Value>1.2.250.1.213.1.1.4.1</rim:Value></rim:ValueList></rim:Slot>
  <rim:Name><rim:LocalizedString value="Compte rendu"/></rim:Name></rim:Classification>
 <rim:Classification id="c3" classificationScheme="urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f" classifiedObject="urn:uuid:00000000-0000-4000-8000-000000000011" nodeRepresentation="N" objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Classification">
  <rim:Slot name="codingScheme"><rim:ValueList><rim:Value>2.16.840.1.113883.5.25</rim:Value></rim:ValueList></rim:Slot>
  <rim:Name><rim:LocalizedString value="Normal"/></rim:Name></rim:Classification>
 <rim:Classification id="c4" classificationScheme="urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d" classifiedObject="urn:uuid:00000000-0000-4000-8000-000000000011" nodeRepresentation="urn:ihe:iti:xds-sd:text:2008" objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Classification">
  <rim:Slot name="codingScheme"><rim:ValueList><rim:Value>1.3.6.1.4.1.19376.1.2.3</rim:Value></rim:ValueList></rim:Slot>
  <rim:Name><rim:LocalizedString value="Texte"/></rim:Name></rim:Classification>
 <rim:Classification id="c5" classificationScheme="urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1" classifiedObject="urn:uuid:00000000-0000-4000-8000-000000000011" nodeRepresentation="SA25" objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Classification">
  <rim:Slot name="codingScheme"><rim:ValueList><rim:Value>1.2.250.1.71.4.2.4</rim:Value></rim:ValueList></rim:Slot>
  <rim:Name><rim:LocalizedString value="Laboratoire"/></rim:Name></rim:Classification>
 <rim:Classification id="c6" classificationScheme="urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead" classifiedObject="urn:uuid:00000000-0000-4000-8000-000000000011" nodeRepresentation="AMBULATOIRE" objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Classification">
  <rim:Slot name="codingScheme"><rim:ValueList><rim:Value>1.2.250.1.213.1.1.4.9</rim:Value></rim:ValueList></rim:Slot>
  <rim:Name><rim:LocalizedString value="Ambulatoire"/></rim:Name></rim:Classification>
 <rim:Classification id="c7" classificationScheme="urn:uuid:f0306f51-975f-434e-a61c-c59651d33983" classifiedObject="urn:uuid:00000000-0000-4000-8000-000000000011" nodeRepresentation="11502-2" objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Classification">
  <rim:Slot name="codingScheme"><rim:ValueList><rim:Value>2.16.840.1.113883.6.1</rim:Value></rim:ValueList></rim:Slot>
  <rim:Name><rim:LocalizedString value="Examens"/></rim:Name></rim:Classification>
 <rim:ExternalIdentifier id="c8" identificationScheme="urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427" registryObject="urn:uuid:00000000-0000-4000-8000-000000000011" value="SIM0001^^^&amp;1.2.250.1.213.1.4.10&amp;ISO" objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:ExternalIdentifier">
  <rim:Name><rim:LocalizedString value="XDSDocumentEntry.patientId"/></rim:Name></rim:ExternalIdentifier>
 <rim:ExternalIdentifier id="c9" identificationScheme="urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab" registryObject="urn:uuid:00000000-0000-4000-8000-000000000011" value="1.2.250.1.999.9.1^X1" objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:ExternalIdentifier">
  <rim:Name><rim:LocalizedString value="XDSDocumentEntry.uniqueId"/></rim:Name></rim:ExternalIdentifier>
</rim:ExtrinsicObject>
`
	set = `<rim:RegistryPackage id="urn:uuid:00000000-0000-4000-8000-000000000012" objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:RegistryPackage">
 <rim:Slot name="submissionTime"><rim:ValueList><rim:Value>20250314151000</rim:Value></rim:ValueList></rim:Slot>
 <rim:Slot name="intendedRecipient"><rim:ValueList><rim:Value>Hôpital^^^^^&amp;1.2.250.1.71.4.2.2&amp;ISO^IDNST^^^1750100125|801234567890^ESSAI^^^^^^^&amp;1.2.250.1.71.4.2.1&amp;ISO</rim:Value></rim:ValueList></rim:Slot>
 <rim:Classification id="c10" classifiedObject="urn:uuid:00000000-0000-4000-8000-000000000012" classificationNode="urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd" objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Classification"/>
 <rim:Classification id="c11" classificationScheme="urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d" classifiedObject="urn:uuid:00000000-0000-4000-8000-000000000012" nodeRepresentation="" objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Classification">
  <rim:Slot name="authorPerson"><rim:ValueList><rim:Value>801234567890^ESSAI-DURANT^Romuald^^^^^^&amp;1.2.250.1.71.4.2.1&amp;ISO^D^^^IDNPS</rim:Value></rim:ValueList></rim:Slot>
  <rim:Slot name="authorInstitution"><rim:ValueList><rim:Value>Laboratoire d'essai^^^^^&amp;1.2.250.1.71.4.2.2&amp;ISO^IDNST^^^1750100125</rim:Value></rim:ValueList></rim:Slot></rim:Classification>
 <rim:Classification id="c12" classificationScheme="urn:uuid:aa543740-bdda-424e-8c96-df4873be8500" classifiedObject="urn:uuid:00000000-0000-4000-8000-000000000012" nodeRepresentation="07" objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Classification">
  <rim:Slot name="codingScheme"><rim:ValueList><rim:Value>1.2.250.1.213.2.2</rim:Value></rim:ValueList></rim:Slot>
  <rim:Name><rim:LocalizedString value="Consultations"/></rim:Name></rim:Classification>
 <rim:ExternalIdentifier id="c13" identificationScheme="urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446" registryObject="urn:uuid:00000000-0000-4000-8000-000000000012" value="SIM0001^^^&amp;1.2.250.1.213.1.4.10&amp;ISO" objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:ExternalIdentifier">
  <rim:Name><rim:LocalizedString value="XDSSubmissionSet.patientId"/></rim:Name></rim:ExternalIdentifier>
 <rim:ExternalIdentifier id="c14" identificationScheme="urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832" registryObject="urn:uuid:00000000-0000-4000-8000-000000000012" value="1.2.250.1.999.9.7" objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:ExternalIdentifier">
  <rim:Name><rim:LocalizedString value="XDSSubmissionSet.sourceId"/></rim:Name></rim:ExternalIdentifier>
 <rim:ExternalIdentifier id="c15" identificationScheme="urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8" registryObject="urn:uuid:00000000-0000-4000-8000-000000000012" value="1.2.250.1.999.9.2" objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:ExternalIdentifier">
  <rim:Name><rim:LocalizedString value="XDSSubmissionSet.uniqueId"/></rim:Name></rim:ExternalIdentifier>
</rim:RegistryPackage>
`
	member = `<rim:Association id="As1" associationType="urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember" sourceObject="urn:uuid:00000000-0000-4000-8000-000000000012" targetObject="urn:uuid:00000000-0000-4000-8000-000000000011" objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Association"><rim:Slot name="SubmissionSetStatus"><rim:ValueList><rim:Value>Original</rim:Value></rim:ValueList></rim:Slot></rim:Association>
`
	folder = `<rim:RegistryPackage id="Fol" objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:RegistryPackage">
 <rim:Slot name="lastUpdateTime"><rim:ValueList><rim:Value>20250314</rim:Value></rim:ValueList></rim:Slot><rim:Name><rim:LocalizedString value="Suivi"/></rim:Name>
 <rim:Classification id="c16" classifiedObject="Fol" classificationNode="urn:uuid:d9d542f3-6cc4-48b6-8870-ea235fbc94c2" objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Classification"/>
 <rim:Classification id="c17" classificationScheme="urn:uuid:1ba97051-7806-41a8-a48b-8fce7af683c5" classifiedObject="Fol" nodeRepresentation="S" objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Classification">
  <rim:Slot name="codingScheme"><rim:ValueList><rim:Value>1.2.250.1.999.4</rim:Value></rim:ValueList></rim:Slot>
  <rim:Name><rim:LocalizedString value="Suivi"/></rim:Name></rim:Classification>
 <rim:ExternalIdentifier id="c18" identificationScheme="urn:uuid:f64ffdf0-4b97-4e06-b79f-a52b38ec2f8a" registryObject="Fol" value="SIM0001^^^&amp;1.2.250.1.213.1.4.10&amp;ISO" objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:ExternalIdentifier">
  <rim:Name><rim:LocalizedString value="XDSFolder.patientId"/></rim:Name></rim:ExternalIdentifier>
 <rim:ExternalIdentifier id="c19" identificationScheme="urn:uuid:75df8f67-9973-4fbe-a900-df66cefecc5a" registryObject="Fol" value="1.2.250.1.999.9.3" objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:ExternalIdentifier">
  <rim:Name><rim:LocalizedString value="XDSFolder.uniqueId"/></rim:Name></rim:ExternalIdentifier>
</rim:RegistryPackage>
<rim:Association id="As2" associationType="urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember" sourceObject="urn:uuid:00000000-0000-4000-8000-000000000012" targetObject="Fol" objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Association"><rim:Slot name="SubmissionSetStatus"><rim:ValueList><rim:Value>Original</rim:Value></rim:ValueList></rim:Slot></rim:Association>
<rim:Association id="As3" associationType="urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember" sourceObject="Fol" targetObject="urn:uuid:00000000-0000-4000-8000-000000000011" objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Association"></rim:Association>
<rim:Association id="As4" associationType="urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember" sourceObject="urn:uuid:00000000-0000-4000-8000-000000000012" targetObject="As3" objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Association"></rim:Association>
<rim:Association id="As5" associationType="urn:ihe:iti:2007:AssociationType:RPLC" sourceObject="urn:uuid:00000000-0000-4000-8000-000000000011" targetObject="urn:uuid:00000000-0000-4000-8000-000000000001" objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Association"></rim:Association>
<rim:Association id="As6" associationType="urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember" sourceObject="urn:uuid:00000000-0000-4000-8000-000000000012" targetObject="urn:uuid:00000000-0000-4000-8000-000000000002" objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Association"><rim:Slot name="SubmissionSetStatus"><rim:ValueList><rim:Value>Reference</rim:Value></rim:ValueList></rim:Slot></rim:Association>
`
)

// envelope is an envelope of SOAP around a body; headers are those beside the action.
func envelope(action, headers, body string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>
<env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope" xmlns:wsa="http://www.w3.org/2005/08/addressing">
<env:Header>
<wsa:Action env:mustUnderstand="true">` + action + `</wsa:Action>
` + headers + `
</env:Header>
<env:Body>
` + body + `
</env:Body>
</env:Envelope>`
}

const (
	asking = `<wsa:MessageID>urn:uuid:00000000-0000-4000-8000-0000000000aa</wsa:MessageID>
<wsa:ReplyTo><wsa:Address>http://www.w3.org/2005/08/addressing/anonymous</wsa:Address></wsa:ReplyTo>
<wsa:To>http://sut.invalid/registry</wsa:To>`
	answering = `<wsa:RelatesTo>urn:uuid:00000000-0000-4000-8000-0000000000aa</wsa:RelatesTo>`
	ihe       = "urn:ihe:iti:2007:"
)

// framed is a message of HTTP with an envelope; its lines end in CR LF.
func framed(first, action, headers, body string) string {
	return crlf(first + "\nHost: sut.invalid\nContent-Type: application/soap+xml; charset=UTF-8; action=\"" + action + "\"\n\n" + envelope(action, headers, body))
}

// packaged is one with an MTOM package: the envelope and the content.
func packaged(first, action, headers, body string) string {
	return crlf(first + `
Content-Type: multipart/related; boundary="edge"; type="application/xop+xml"; start="<root@sim>"; start-info="application/soap+xml"; action="` + action + `"

--edge
Content-Type: application/xop+xml; charset=UTF-8; type="application/soap+xml"
Content-Transfer-Encoding: binary
Content-ID: <root@sim>

` + envelope(action, headers, body) + `
--edge
Content-Type: text/xml
Content-Transfer-Encoding: binary
Content-ID: <doc@sim>

` + content + `
--edge--
`)
}

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

func submit(objects string) string {
	return `<lcm:SubmitObjectsRequest xmlns:lcm="urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0" xmlns:rim="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0">
<rim:RegistryObjectList>
` + objects + `</rim:RegistryObjectList>
</lcm:SubmitObjectsRequest>`
}

// kept is an object as a registry gives it.
func kept(object string) string {
	before, after, _ := strings.Cut(object, "\n")
	id, _, _ := strings.Cut(before[strings.Index(before, `id="`)+4:], `"`)
	i := strings.Index(after, " <rim:Classification")
	return before[:len(before)-1] + ` lid="` + id + `" status="urn:oasis:names:tc:ebxml-regrep:StatusType:Approved">` + "\n" + after[:i] + " <rim:VersionInfo versionName=\"1\"/>\n" + after[i:]
}

const (
	query = `<query:AdhocQueryRequest xmlns:query="urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0" xmlns:rim="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0">
<query:ResponseOption returnType="LeafClass" returnComposedObjects="true"/>
<rim:AdhocQuery id="urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d" home="urn:oid:1.2.250.1.999.5">
 <rim:Slot name="$XDSDocumentEntryPatientId"><rim:ValueList><rim:Value>'SIM0001^^^&amp;1.2.250.1.213.1.4.10&amp;ISO'</rim:Value></rim:ValueList></rim:Slot>
 <rim:Slot name="$XDSDocumentEntryStatus"><rim:ValueList><rim:Value>('urn:oasis:names:tc:ebxml-regrep:StatusType:Approved')</rim:Value></rim:ValueList></rim:Slot>
 <rim:Slot name="$XDSDocumentEntryClassCode"><rim:ValueList><rim:Value>('10^^1.2.250.1.213.1.1.4.1')</rim:Value></rim:ValueList></rim:Slot>
 <rim:Slot name="$XDSDocumentEntryCreationTimeFrom"><rim:ValueList><rim:Value>20250101</rim:Value></rim:ValueList></rim:Slot>
 <rim:Slot name="$XDSDocumentEntryCreationTimeTo"><rim:ValueList><rim:Value>20251231</rim:Value></rim:ValueList></rim:Slot>
 <rim:Slot name="$MetadataLevel"><rim:ValueList><rim:Value>1</rim:Value></rim:ValueList></rim:Slot>
</rim:AdhocQuery>
</query:AdhocQueryRequest>`

	getDocuments = `<query:AdhocQueryRequest xmlns:query="urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0" xmlns:rim="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0">
<query:ResponseOption returnType="ObjectRef" returnComposedObjects="true"/>
<rim:AdhocQuery id="urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4">
 <rim:Slot name="$XDSDocumentEntryEntryUUID"><rim:ValueList><rim:Value>('urn:uuid:00000000-0000-4000-8000-000000000001')</rim:Value></rim:ValueList></rim:Slot>
</rim:AdhocQuery>
</query:AdhocQueryRequest>`

	retrieval = `<RetrieveDocumentSetRequest xmlns="urn:ihe:iti:xds-b:2007">
<DocumentRequest>
 <HomeCommunityId>urn:oid:1.2.250.1.999.5</HomeCommunityId>
 <RepositoryUniqueId>1.2.250.1.999.9.43</RepositoryUniqueId>
 <DocumentUniqueId>1.2.250.1.999.9.1</DocumentUniqueId>
</DocumentRequest>
<DocumentRequest>
 <HomeCommunityId>urn:oid:1.2.250.1.999.5</HomeCommunityId>
 <RepositoryUniqueId>1.2.250.1.999.9.43</RepositoryUniqueId>
 <DocumentUniqueId>1.2.250.1.999.9.2</DocumentUniqueId>
</DocumentRequest>
</RetrieveDocumentSetRequest>`

	refusal = `<rs:RegistryResponse xmlns:rs="urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0" status="urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Failure">
<rs:RegistryErrorList highestSeverity="urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Error">
<rs:RegistryError errorCode="XDSRegistryMetadataError" codeContext="no typeCode" severity="urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Error"/>
</rs:RegistryErrorList>
</rs:RegistryResponse>`

	remark = `<rs:RegistryResponse xmlns:rs="urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0" status="urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success">
<rs:RegistryErrorList highestSeverity="urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Warning">
<rs:RegistryError errorCode="XDSExtraMetadataNotSaved" codeContext="a slot is left out" severity="urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Warning"/>
</rs:RegistryErrorList>
</rs:RegistryResponse>`

	retrieved = `<xdsb:RetrieveDocumentSetResponse xmlns:xdsb="urn:ihe:iti:xds-b:2007">
<rs:RegistryResponse xmlns:rs="urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0" status="urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"/>
<xdsb:DocumentResponse>
 <xdsb:RepositoryUniqueId>1.2.250.1.999.9.43</xdsb:RepositoryUniqueId>
 <xdsb:DocumentUniqueId>1.2.250.1.999.9.1</xdsb:DocumentUniqueId>
 <xdsb:mimeType>text/xml</xdsb:mimeType>
 <xdsb:Document><xop:Include xmlns:xop="http://www.w3.org/2004/08/xop/include" href="cid:doc@sim"/></xdsb:Document>
</xdsb:DocumentResponse>
</xdsb:RetrieveDocumentSetResponse>`

	fault = `<env:Fault>
<env:Code><env:Value>env:Sender</env:Value></env:Code>
<env:Reason>
<env:Text xml:lang="en">not understood</env:Text>
</env:Reason>
</env:Fault>`
)

// Messages of HL7 v2, a segment a line.
const (
	feed = `MSH|^~\&|SIM|CONFORMANCE|SUT|SUT|20260314150926||ADT^A04^ADT_A01|0001|T|2.5|||||FRA|UNICODE UTF-8
EVN||20260314150926
PID|||SIM0001^^^&1.2.250.1.213.1.4.10&ISO^PI||ESSAI^ALIX^^^^^L||19700101|F
PV1||N
`
	merging = `MSH|^~\&|SIM|CONFORMANCE|SUT|SUT|20260314150926||ADT^A40^ADT_A39|0002|T|2.5|||||FRA|8859/1
EVN||20260314150926
PID|||SIM0001^^^&1.2.250.1.213.1.4.10&ISO^PI||ESSAI^ALIX^^^^^L||19700101|F
MRG|SIM0002^^^NS
`
	accepted = `MSH|^~\&|SUT|SUT|SIM|CONFORMANCE|20260314150926||ACK^A04^ACK|0003|T|2.5
MSA|AA|0001
`
	identifiers = `MSH|^~\&|SIM|CONFORMANCE|SUT|SUT|20260314150926||QBP^Q23^QBP_Q21|0004|T|2.5
QPD|IHE PIX Query|Q1|SIM0001^^^&1.2.250.1.213.1.4.10&ISO
RCP|I
`
	identified = `MSH|^~\&|SUT|SUT|SIM|CONFORMANCE|20260314150926||RSP^K23^RSP_K23|0005|T|2.5
MSA|AA|0004
QAK|Q1|OK
QPD|IHE PIX Query|Q1|SIM0001^^^&1.2.250.1.213.1.4.10&ISO
PID|||M1^^^&1.2.250.1.999.9.10&ISO^PI||~^^^^^^S
`
)

// wrapper is the transmission around an act of HL7 v3.
func wrapper(interaction, act string) string {
	return `<` + interaction + ` xmlns="urn:hl7-org:v3" ITSVersion="XML_1.0">
<id root="00000000-0000-4000-8000-0000000000bb"/>
<creationTime value="20260314150926"/>
<interactionId root="2.16.840.1.113883.1.6" extension="` + interaction + `"/>
<processingCode code="T"/>
<processingModeCode code="T"/>
<acceptAckCode code="AL"/>
<receiver typeCode="RCV"><device classCode="DEV" determinerCode="INSTANCE">
<id root="1.2.250.1.999.9.2"/></device></receiver>
<sender typeCode="SND"><device classCode="DEV" determinerCode="INSTANCE">
<id root="1.2.250.1.999.9.1"/></device></sender>
` + act + `
</` + interaction + `>`
}

const (
	registered = `<controlActProcess classCode="CACT" moodCode="EVN">
<subject typeCode="SUBJ"><registrationEvent classCode="REG" moodCode="EVN">
<subject1 typeCode="SBJ"><patient classCode="PAT">
<id root="1.2.250.1.213.1.4.10" extension="SIM0001"/>
<statusCode code="active"/>
<patientPerson classCode="PSN" determinerCode="INSTANCE">
<name use="L"><family>ESSAI</family><given>ALIX</given></name>
<administrativeGenderCode code="F"/>
<birthTime value="19700101"/>
</patientPerson></patient></subject1>
<custodian typeCode="CST"><assignedEntity classCode="ASSIGNED">
<id root="1.2.250.1.999.9.3"/></assignedEntity></custodian>
<replacementOf typeCode="RPLC"><priorRegistration classCode="REG" moodCode="EVN"><subject1 typeCode="SBJ">
<priorRegisteredRole classCode="PAT">
<id root="1.2.250.1.213.1.4.10" extension="SIM0002"/></priorRegisteredRole></subject1></priorRegistration></replacementOf>
</registrationEvent></subject>
</controlActProcess>`

	whichIdentifiers = `<controlActProcess classCode="CACT" moodCode="EVN">
<queryByParameter>
<queryId root="1.2.250.1.999.9.1" extension="Q1"/>
<statusCode code="new"/>
<parameterList>
<patientIdentifier>
<value root="1.2.250.1.213.1.4.10" extension="SIM0001"/>
<semanticsText>Patient.id</semanticsText></patientIdentifier>
</parameterList>
</queryByParameter>
</controlActProcess>`

	acknowledged = `<acknowledgement>
<typeCode code="CA"/>
<targetMessage>
<id root="1.2.250.1.999.9.1" extension="0001"/></targetMessage>
</acknowledgement>`

	foundPatient = acknowledged + `
<controlActProcess classCode="CACT" moodCode="EVN">
<subject typeCode="SUBJ"><registrationEvent classCode="REG" moodCode="EVN">
<subject1 typeCode="SBJ"><patient classCode="PAT">
<id root="1.2.250.1.999.9.10" extension="M1"/>
<statusCode code="active"/>
<patientPerson classCode="PSN" determinerCode="INSTANCE">
<name nullFlavor="NA"/></patientPerson></patient></subject1>
</registrationEvent></subject>
<queryAck>
<queryId root="1.2.250.1.999.9.1" extension="Q1"/>
<queryResponseCode code="OK"/>
</queryAck>
</controlActProcess>`
)

// audited is an audit message in a message of syslog: of an event, with objects.
func audited(event, objects string) string {
	return `<85>1 2026-03-14T15:09:26.000Z sim.invalid sim 1 IHE+RFC-3881 - <?xml version="1.0" encoding="UTF-8"?>
<AuditMessage>
` + event + `
</EventIdentification>
<ActiveParticipant UserID="https://sim.invalid/consumer" UserIsRequestor="true" NetworkAccessPointID="127.0.0.1" NetworkAccessPointTypeCode="2">
<RoleIDCode csd-code="110153" codeSystemName="DCM" originalText="Source Role ID"/></ActiveParticipant>
<ActiveParticipant UserID="https://sim.invalid/registry" UserIsRequestor="false" NetworkAccessPointID="127.0.0.1" NetworkAccessPointTypeCode="2">
<RoleIDCode csd-code="110152" codeSystemName="DCM" originalText="Destination Role ID"/></ActiveParticipant>
<AuditSourceIdentification AuditSourceID="sim"/>
<ParticipantObjectIdentification ParticipantObjectID="SIM0001^^^&amp;1.2.250.1.213.1.4.10&amp;ISO" ParticipantObjectTypeCode="1" ParticipantObjectTypeCodeRole="1">
<ParticipantObjectIDTypeCode csd-code="2" codeSystemName="RFC-3881" originalText="Patient Number"/>` + objects + `</ParticipantObjectIdentification>
</AuditMessage>
`
}

const (
	queried = `<EventIdentification EventActionCode="E" EventDateTime="2026-03-14T15:09:26.000Z" EventOutcomeIndicator="0">
<EventID csd-code="110112" codeSystemName="DCM" originalText="Query"/>
<EventTypeCode csd-code="ITI-18" codeSystemName="IHE Transactions" originalText="Registry Stored Query"/>`
	queryObject = `</ParticipantObjectIdentification>
<ParticipantObjectIdentification ParticipantObjectID="urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d" ParticipantObjectTypeCode="2" ParticipantObjectTypeCodeRole="24">
<ParticipantObjectIDTypeCode csd-code="ITI-18" codeSystemName="IHE Transactions" originalText="Registry Stored Query"/>
<ParticipantObjectQuery>PHEvPg==</ParticipantObjectQuery>`
	provided = `<EventIdentification EventActionCode="R" EventDateTime="2026-03-14T15:09:26.000Z" EventOutcomeIndicator="0">
<EventID csd-code="110106" codeSystemName="DCM" originalText="Export"/>
<EventTypeCode csd-code="ITI-41" codeSystemName="IHE Transactions" originalText="Provide and Register Document Set-b"/>`
	setObject = `</ParticipantObjectIdentification>
<ParticipantObjectIdentification ParticipantObjectID="1.2.250.1.999.9.2" ParticipantObjectTypeCode="2" ParticipantObjectTypeCodeRole="20">
<ParticipantObjectIDTypeCode csd-code="urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd" codeSystemName="IHE XDS Metadata" originalText="submission set classificationNode"/>`
	fetched = `<EventIdentification EventActionCode="C" EventDateTime="2026-03-14T15:09:26.000Z" EventOutcomeIndicator="0">
<EventID csd-code="110107" codeSystemName="DCM" originalText="Import"/>
<EventTypeCode csd-code="ITI-43" codeSystemName="IHE Transactions" originalText="Retrieve Document Set"/>`
	documentObject = `</ParticipantObjectIdentification>
<ParticipantObjectIdentification ParticipantObjectID="1.2.250.1.999.9.1" ParticipantObjectTypeCode="2" ParticipantObjectTypeCodeRole="3">
<ParticipantObjectIDTypeCode csd-code="9" codeSystemName="RFC-3881" originalText="Report Number"/>
<ParticipantObjectDetail type="Repository Unique Id" value="MS4yLjI1MC4xLjk5OS45LjQz"/>`
	announced = `<EventIdentification EventActionCode="C" EventDateTime="2026-03-14T15:09:26.000Z" EventOutcomeIndicator="0">
<EventID csd-code="110110" codeSystemName="DCM" originalText="Patient Record"/>
<EventTypeCode csd-code="ITI-8" codeSystemName="IHE Transactions" originalText="Patient Identity Feed"/>`
	messageDetail = `
<ParticipantObjectDetail type="MSH-10" value="MDAwMQ=="/>`
)

// Assertions, whose signature comes behind the issuer.
const (
	xuaAssertion = `<saml2:Assertion xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion" ID="_a1" Version="2.0" IssueInstant="2026-03-14T15:09:26Z">
<saml2:Issuer>https://idp.invalid</saml2:Issuer>
<saml2:Subject>
<saml2:NameID>anne</saml2:NameID>
<saml2:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"/>
</saml2:Subject>
<saml2:Conditions NotBefore="2026-03-14T15:00:00Z" NotOnOrAfter="2026-03-14T16:00:00Z">
<saml2:AudienceRestriction><saml2:Audience>urn:oid:1.2.250.1.999.5</saml2:Audience></saml2:AudienceRestriction>
</saml2:Conditions>
<saml2:AuthnStatement AuthnInstant="2026-03-14T15:09:00Z"><saml2:AuthnContext>
<saml2:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI</saml2:AuthnContextClassRef></saml2:AuthnContext></saml2:AuthnStatement>
<saml2:AttributeStatement>
<saml2:Attribute Name="urn:oasis:names:tc:xspa:1.0:subject:subject-id">
<saml2:AttributeValue>Anne TESTEUSE</saml2:AttributeValue></saml2:Attribute>
<saml2:Attribute Name="urn:oasis:names:tc:xspa:1.0:subject:organization">
<saml2:AttributeValue>Hôpital d'essai</saml2:AttributeValue></saml2:Attribute>
<saml2:Attribute Name="urn:oasis:names:tc:xspa:1.0:subject:organization-id">
<saml2:AttributeValue>urn:oid:1.2.250.1.999.6</saml2:AttributeValue></saml2:Attribute>
<saml2:Attribute Name="urn:oasis:names:tc:xacml:2.0:subject:role">
<saml2:AttributeValue><Role xmlns="urn:hl7-org:v3" code="10" codeSystem="1.2.250.1.71.1.2.7"/></saml2:AttributeValue></saml2:Attribute>
<saml2:Attribute Name="urn:oasis:names:tc:xspa:1.0:subject:purposeofuse">
<saml2:AttributeValue><PurposeOfUse xmlns="urn:hl7-org:v3" code="normal" codeSystem="1.2.250.1.213.1.1.4.248"/></saml2:AttributeValue></saml2:Attribute>
</saml2:AttributeStatement>
</saml2:Assertion>`

	vihfAssertion = `<saml2:Assertion xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion" ID="_a1" Version="2.0" IssueInstant="2026-03-14T15:09:26Z">
<saml2:Issuer Format="urn:oasis:names:tc:SAML:1.1:nameid-format:X509SubjectName">CN=sim</saml2:Issuer>
<saml2:Subject>
<saml2:NameID>899900000001</saml2:NameID>
</saml2:Subject>
<saml2:AuthnStatement AuthnInstant="2026-03-14T15:09:00Z"><saml2:AuthnContext>
<saml2:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml2:AuthnContextClassRef></saml2:AuthnContext></saml2:AuthnStatement>
<saml2:AttributeStatement>
<saml2:Attribute Name="VIHF_Version"><saml2:AttributeValue>3.0</saml2:AttributeValue></saml2:Attribute>
<saml2:Attribute Name="Authentification_mode"><saml2:AttributeValue>INDIRECTE</saml2:AttributeValue></saml2:Attribute>
<saml2:Attribute Name="Identifiant_Structure"><saml2:AttributeValue>499900000001</saml2:AttributeValue></saml2:Attribute>
<saml2:Attribute Name="Secteur_Activite"><saml2:AttributeValue>SA07^1.2.250.1.71.4.2.4</saml2:AttributeValue></saml2:Attribute>
<saml2:Attribute Name="urn:oasis:names:tc:xspa:1.0:subject:subject-id"><saml2:AttributeValue>Anne TESTEUSE</saml2:AttributeValue></saml2:Attribute>
<saml2:Attribute Name="urn:oasis:names:tc:xacml:2.0:subject:role">
<saml2:AttributeValue><Role xmlns="urn:hl7-org:v3" code="10" codeSystem="1.2.250.1.71.1.2.7"/></saml2:AttributeValue>
<saml2:AttributeValue><Role xmlns="urn:hl7-org:v3" code="SM26" codeSystem="1.2.250.1.71.4.2.5"/></saml2:AttributeValue></saml2:Attribute>
<saml2:Attribute Name="urn:oasis:names:tc:xspa:1.0:subject:purposeofuse">
<saml2:AttributeValue><PurposeOfUse xmlns="urn:hl7-org:v3" code="normal" codeSystem="1.2.250.1.213.1.1.4.248"/></saml2:AttributeValue></saml2:Attribute>
<saml2:Attribute Name="Ressource_URN"><saml2:AttributeValue>urn:dmp</saml2:AttributeValue></saml2:Attribute>
<saml2:Attribute Name="urn:oasis:names:tc:xacml:2.0:resource:resource-id"><saml2:AttributeValue>SIM0001^^^&amp;1.2.250.1.213.1.4.10&amp;ISO^NH</saml2:AttributeValue></saml2:Attribute>
</saml2:AttributeStatement>
</saml2:Assertion>`
)

// signedBy signs an assertion as somebody whose certificate is its own authority, and gives that.
func signedBy(t *testing.T, assertion string) (string, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	begins := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sim"}, NotBefore: begins, NotAfter: begins.AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	signer, err := dsig.NewSigningContext(crypto.Signer(key), [][]byte{der})
	if err != nil {
		t.Fatal(err)
	}
	signer.IdAttribute, signer.Canonicalizer = "ID", dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	d := etree.NewDocument()
	if err := d.ReadFromString(assertion); err != nil {
		t.Fatal(err)
	}
	signature, err := signer.ConstructSignature(d.Root(), true)
	if err != nil {
		t.Fatal(err)
	}
	d = etree.NewDocument()
	d.SetRoot(signature)
	text, err := d.WriteToString()
	if err != nil {
		t.Fatal(err)
	}
	text = strings.Replace(text, "<ds:KeyInfo", "\n<ds:KeyInfo", 1)
	return strings.Replace(assertion, "<saml2:Subject>", text+"<saml2:Subject>", 1), roots // a line more around it would be text that was not signed
}

// archived is an archive of XDM: each line "-- NAME --" begins a file.
func archived(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, file := range strings.Split(text, "\n-- ")[1:] {
		name, content, _ := strings.Cut(file, " --\n")
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte(content))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
