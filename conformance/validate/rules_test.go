package validate_test

import (
	"bytes"
	"compress/gzip"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/conformance/validate"
)

// broken is a change to a good message, and all that is found then: line, severity, rule and location of each, one after the other; nothing for what is allowed.
type broken struct{ old, new, want string }

const approved = "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved"

var brokenMessages = []struct {
	name, kind, message string
	rows                []broken
}{
	{"ITI-42", "soap", framed("POST /registry HTTP/1.1", ihe+"RegisterDocumentSet-b", asking, submit(entry+set+member+folder)), []broken{
		{"<env:Body>", "<env:Corps>", "91 error XML-FORM"},
		{"POST /registry HTTP/1.1\r\nHost", "one two three\r\nHost", "1 error SOAP-HTTP"},
		{"Host: sut.invalid", "Host: sut.invalid\r\nContent-Length: 7", "3 error SOAP-LENGTH Content-Length"},
		{"Host: sut.invalid", "Host: sut.invalid\r\nContent-Length: 7\r\nTransfer-Encoding: identity", "4 error SOAP-LENGTH Transfer-Encoding"},
		{"Type: application/soap+xml", "Type: text/plain", "3 error SOAP-TYPE Content-Type"},
		{"charset=UTF-8", "charset=ISO-8859-1", "3 error SOAP-CHARSET Content-Type"},
		{"2003/05/soap-envelope", "2003/06/soap-envelope", "6 error SOAP-ENVELOPE Envelope"},
		{"<env:Body>", "<env:Other/><env:Body>", "13 error SOAP-CHILD Envelope"},
		{"</env:Body>", "<rim:x xmlns:rim=\"urn:x\"/></env:Body>", "13 error SOAP-BODY Body"},
		{"<env:Header>", "<?x y?><env:Header>", "7 error SOAP-PI"},
		{"*wsa:Action", "wsa:Act", "7 error WSA-ACTION wsa:Action"},
		{"<wsa:Action env:mustUnderstand=\"true\">", "<wsa:Action>", "8 warning WSA-UNDERSTAND wsa:Action"},
		{">urn:uuid:00000000-0000-4000-8000-0000000000aa<", ">aa<", "9 error WSA-ID wsa:MessageID"},
		{"<wsa:To>", "<wsa:To>urn:x</wsa:To><wsa:To>", "11 error WSA-TWICE wsa:To"},
		{"<wsa:Address>http://www.w3.org/2005/08/addressing/anonymous</wsa:Address>", "", "10 error WSA-ADDRESS wsa:ReplyTo"},
		{"*RegisterDocumentSet-b", "RegistryStoredQuery", "8 error WSA-BODY wsa:Action"},
		{"action=\"urn:ihe:iti:2007:RegisterDocumentSet-b\"", "action=\"urn:ihe:iti:2007:DeregisterDocumentSet-b\"", "3 error WSA-TYPE Content-Type"},
		{"xsd:lcm:3.0", "xsd:lcm:2.0", "14 error SUB-ROOT SubmitObjectsRequest"},
		{" id=\"As1\"", "", "72 error SUB-ID-MISSING Association[1].id + 72 error SUB-SCHEMA SubmitObjectsRequest"},
		{"id=\"As2\"", "id=\"As1\"", "84 error SUB-ID-TWICE Association[2].id"},
		{"id=\"As1\"", "id=\"urn:uuid:0\"", "72 error SUB-ID-UUID Association[1].id"},
		{"classificationNode=\"urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd\"", "classificationNode=\"urn:uuid:00000000-d40d-43f9-88c5-b4633d873bdd\"", "14 error SUB-SET SubmissionSet + 16 error SUB-MEMBER DocumentEntry[1] + 59 error SUB-CLASS-SCHEME RegistryPackage[1] + 62 error SUB-CLASS-SCHEME RegistryPackage[1] + 65 error SUB-IDENT-SCHEME RegistryPackage[1] + 67 error SUB-IDENT-SCHEME RegistryPackage[1] + 69 error SUB-IDENT-SCHEME RegistryPackage[1] + 72 error SUB-FOLDER-MEMBER Association[1] + 73 error SUB-MEMBER Folder[1] + 84 error SUB-FOLDER-MEMBER Association[2] + 85 error SUB-FOLDER-MEMBER Association[3] + 86 error SUB-FOLDER-MEMBER Association[4] + 88 error SUB-FOLDER-MEMBER Association[6]"},
		{" id=\"Fol\"", "", "73 error SUB-ID-MISSING Folder[1].id + 73 error SUB-MEMBER Folder[1] + 73 error SUB-SCHEMA SubmitObjectsRequest + 84 error SUB-ASSOC-DANGLING Association[2].targetObject + 84 error SUB-ASSOC-STATUS Association[2] + 85 error SUB-ASSOC-DANGLING Association[3].sourceObject"},
		{"name=\"creationTime\"", "name=\"urn:creationTime\"", "16 error SUB-MISSING DocumentEntry[1].creationTime"},
		{"<rim:Name><rim:LocalizedString value=\"Suivi\"/></rim:Name>", "", "73 error SUB-MISSING Folder[1].title"},
		{"a09d5840-386c-46f2-b5ad-9c3699a4309d", "41a5887f-8865-4c09-adf7-e362475b143a", "16 error SUB-MISSING DocumentEntry[1].formatCode + 38 error SUB-REPEATED DocumentEntry[1].classCode"},
		{"name=\"hash\"", "name=\"size\"", "16 error SUB-MISSING DocumentEntry[1].hash + 18 error SUB-SIZE DocumentEntry[1].size + 19 error SUB-SLOT-TWICE DocumentEntry[1].size"},
		{"<rim:Value>PID-5|ESSAI^ALIX^^^^^L</rim:Value><rim:Value>PID-8|F</rim:Value>", "", "23 error SUB-SLOT-EMPTY DocumentEntry[1].sourcePatientInfo"},
		{"<rim:Value>20250301</rim:Value>", "<rim:Value>20250301</rim:Value><rim:Value>20250302</rim:Value>", "24 error SUB-SLOT-VALUES DocumentEntry[1].serviceStartTime"},
		{"name=\"serviceStartTime\"", "name=\"colour\"", "24 error SUB-SLOT-NAME DocumentEntry[1]"},
		{"DOC0001.XML", strings.Repeat("x", 257), "28 error SUB-SCHEMA SubmitObjectsRequest + 28 error SUB-SLOT-LONG DocumentEntry[1].URI"},
		{"urn:uuid:93606bcf-9494", "urn:uuid:93606bcf-9495", "29 error SUB-CLASS-SCHEME DocumentEntry[1]"},
		{"classifiedObject=\"Fol\" nodeRep", "classifiedObject=\"Foll\" nodeRep", "76 error SUB-CLASS-OBJECT Folder[1]"},
		{"nodeRepresentation=\"N\"", "nodeRepresentation=\" \"", "35 error SUB-CLASS-CODE DocumentEntry[1].confidentialityCode"},
		{"name=\"codingScheme\"><rim:ValueList><rim:Value>1.2.250.1.71.4.2.4<", "name=\"urn:scheme\"><rim:ValueList><rim:Value>1.2.250.1.71.4.2.4<", "41 error SUB-CLASS-CODING DocumentEntry[1].healthcareFacilityTypeCode"},
		{"value=\"Laboratoire\"", "value=\"\"", "43 error SUB-CLASS-NAME DocumentEntry[1].healthcareFacilityTypeCode"},
		{"urn:uuid:554ac39e", "urn:uuid:554ac39f", "55 error SUB-MISSING SubmissionSet[1].sourceId + 67 error SUB-IDENT-SCHEME SubmissionSet[1]"},
		{"registryObject=\"Fol\"", "registryObject=\"Foll\"", "79 error SUB-IDENT-OBJECT Folder[1].patientId"},
		{"XDSFolder.uniqueId", "uniqueId", "82 error SUB-IDENT-NAME Folder[1].uniqueId"},
		{"20250314150926", "20250230", "17 error SUB-DTM DocumentEntry[1].creationTime"},
		{"20250302", "20250228", "25 error SUB-TIMES DocumentEntry[1].serviceStopTime"},
		{"name=\"hash\"><rim:ValueList><rim:Value>", "name=\"hash\"><rim:ValueList><rim:Value>x", "18 error SUB-HASH DocumentEntry[1].hash"},
		{">23<", ">-1<", "19 error SUB-SIZE DocumentEntry[1].size"},
		{"1.2.250.1.999.9.43", "1.02", "21 error SUB-OID DocumentEntry[1].repositoryUniqueId"},
		{"1.2.250.1.999.9.1^X1", "1.2.250.1.999.9.1^12345678901234567", "52 error SUB-UNIQUEID DocumentEntry[1].uniqueId"},
		{"IPP0001^^^&amp;1.2.250.1.999.1&amp;ISO^PI", "IPP0001^^^HOSPITAL", "22 error SUB-CX DocumentEntry[1].sourcePatientId"},
		{"801234567890^ESSAI-DURANT^Romuald^^^^^^&amp;1.2.250.1.71.4.2.1&amp;ISO", "^^Romuald^^^^^^&amp;1.2.250.1.71.4.2.1&amp;ISO", "26 error SUB-XCN DocumentEntry[1].legalAuthenticator"},
		{"Laboratoire d'essai^", "^", "31 error SUB-XON DocumentEntry[1].author.authorInstitution"},
		{">fr-FR<", ">français<", "20 error SUB-LANGUAGE DocumentEntry[1].languageCode"},
		{"mimeType=\"text/xml\"", "mimeType=\"text\"", "16 error SUB-MIME DocumentEntry[1].mimeType"},
		{"urn:uuid:7edca82f-054d", "urn:uuid:7edca82f-054e", "16 error SUB-OBJECTTYPE DocumentEntry[1].objectType"},
		{">PID-8|F<", ">8|F<", "23 error SUB-PID DocumentEntry[1].sourcePatientInfo"},
		{">PID-8|F<", ">PID-19|1700175000001<", "23 error SUB-PID-SSN DocumentEntry[1].sourcePatientInfo"},
		{"ISO^urn:ihe:iti:xds:2013:order", "ISO", "27 error SUB-REFERENCE DocumentEntry[1].referenceIdList"},
		{"Hôpital^^^^^&amp;1.2.250.1.71.4.2.2&amp;ISO^IDNST^^^1750100125|801234567890^ESSAI", "|^^", "57 error SUB-RECIPIENT SubmissionSet[1].intendedRecipient"},
		{"*authorPerson", "authorTelecommunication", ""},
		{"nodeRepresentation=\"\"", "nodeRepresentation=\"x\"", "29 error SUB-AUTHOR DocumentEntry[1].author"},
		{"value=\"SIM0001^^^", "value=\"SIM0002^^^", "50 error SUB-PATIENT DocumentEntry[1].patientId"},
		{"value=\"1.2.250.1.999.9.3\"", "value=\"1.2.250.1.999.9.2\"", "81 error SUB-UNIQUEID-TWICE Folder[1].uniqueId"},
		{"AssociationType:RPLC", "AssociationType:LIKES", "87 error SUB-ASSOC-TYPE Association[5]"},
		{" targetObject=\"As3\"", "", "85 error SUB-FOLDER-MEMBER Association[3] + 86 error SUB-ASSOC-ENDS Association[4] + 86 error SUB-SCHEMA SubmitObjectsRequest"},
		{"sourceObject=\"Fol\"", "sourceObject=\"Nobody\"", "85 error SUB-ASSOC-DANGLING Association[3].sourceObject"},
		{"targetObject=\"urn:uuid:00000000-0000-4000-8000-000000000001\"", "targetObject=\"urn:uuid:00000000-0000-4000-8000-000000000011\"", "87 error SUB-ASSOC-TARGET Association[5].targetObject"},
		{"RPLC\" sourceObject=\"urn:uuid:00000000-0000-4000-8000-000000000011\"", "RPLC\" sourceObject=\"Fol\"", "87 error SUB-ASSOC-SOURCE Association[5].sourceObject"},
		{">Reference<", ">Original<", "88 error SUB-ASSOC-STATUS Association[6]"},
		{"targetObject=\"Fol\"", "targetObject=\"As3\"", "73 error SUB-MEMBER Folder[1]"},
		{"targetObject=\"As3\"", "targetObject=\"Fol\"", "85 error SUB-FOLDER-MEMBER Association[3] + 86 error SUB-ASSOC-STATUS Association[4]"},
	}},
	{"a bare submission", "submission", submit(entry + set + member), []broken{
		{"xsd:lcm:3.0", "xsd:lcm:2.0", "1 error SUB-ROOT SubmitObjectsRequest"},
		{"20250314150926", "20250230", "4 error SUB-DTM DocumentEntry[1].creationTime"},
	}},
	{"ITI-41", "soap", packaged("POST /repository HTTP/1.1", ihe+"ProvideAndRegisterDocumentSet-b", asking, "<xdsb:ProvideAndRegisterDocumentSetRequest xmlns:xdsb=\"urn:ihe:iti:xds-b:2007\">\n"+submit(entry+set+member)+
		"\n<xdsb:Document id=\"urn:uuid:00000000-0000-4000-8000-000000000011\">"+include+"</xdsb:Document>\n</xdsb:ProvideAndRegisterDocumentSetRequest>"), []broken{
		{"type=\"application/xop+xml\"", "type=\"text/xml\"", "2 error MTOM-TYPE Content-Type"},
		{"start-info=\"application/soap+xml\"", "start-info=\"text/xml\"", "2 error MTOM-STARTINFO Content-Type"},
		{"start=\"<root@sim>\"", "start=\"<other@sim>\"", "2 error MTOM-START start"},
		{"Content-Type: application/xop+xml", "Content-Type: text/xml", "4 error MTOM-ROOT part 1: Content-Type"},
		{"Content-ID: <doc@sim>", "Content-ID: doc@sim", "84 error MTOM-CID part 2"},
		{"--edge--", "--edge\r\nContent-Type: text/xml\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <doc@sim>\r\n\r\n" + content + "\r\n--edge--", "90 error MTOM-CID-TWICE part 3"},
		{"Content-Transfer-Encoding: binary\r\nContent-ID: <doc@sim>", "Content-Transfer-Encoding: 8bit\r\nContent-ID: <doc@sim>", "84 warning MTOM-ENCODING part 2"},
		{"--edge--", "--edge", "90 error MTOM-END boundary"},
		{"cid:doc@sim", "doc@sim", "80 error MTOM-HREF xop:Include + 84 warning MTOM-UNUSED part 2"},
		{"cid:doc@sim", "cid:other@sim", "80 error MTOM-PART xop:Include + 84 warning MTOM-UNUSED part 2"},
		{"<xop:Include", "x<xop:Include", "80 error MTOM-ALONE xop:Include + 80 error SUB-SCHEMA ProvideAndRegisterDocumentSetRequest"},
		{"<xdsb:Document id=\"urn:uuid:00000000-0000-4000-8000-000000000011\">", "<xdsb:Document id=\"urn:uuid:00000000-0000-4000-8000-000000000099\">", "21 error SUB-DOC-MISSING DocumentEntry[1] + 80 error SUB-DOC-ENTRY Document[1]"},
		{"</xdsb:Document>", "</xdsb:Document><xdsb:Document id=\"urn:uuid:00000000-0000-4000-8000-000000000011\">" + include + "</xdsb:Document>", "80 error SUB-DOC-TWICE Document[2]"},
		{"\r\n\r\n<essai>", "\r\n\r\n<Essai>", "23 error SUB-DOC-HASH DocumentEntry[1].hash"},
		{"\r\n\r\n<essai>", "\r\n\r\n<essai> ", "23 error SUB-DOC-HASH DocumentEntry[1].hash + 24 error SUB-DOC-SIZE DocumentEntry[1].size"},
		{include, "?", "80 error SUB-DOC-BASE64 Document[1] + 84 warning MTOM-UNUSED part 2"},
	}},
	{"ITI-18", "soap", framed("POST /registry HTTP/1.1", ihe+"RegistryStoredQuery", asking, query), []broken{
		{"xsd:query:3.0", "xsd:query:2.0", "14 error QRY-ROOT AdhocQueryRequest"},
		{"returnType=\"LeafClass\"", "returnType=\"All\"", "15 error QRY-RETURN ResponseOption"},
		{"urn:uuid:14d4debf", "urn:uuid:14d4debe", "16 error QRY-ID AdhocQuery.id"},
		{"$MetadataLevel", "$Level", "22 warning QRY-PARAM FindDocuments"},
		{"$XDSDocumentEntryStatus", "$XDSStatus", "16 error QRY-MISSING $XDSDocumentEntryStatus + 18 warning QRY-PARAM FindDocuments"},
		{"$XDSDocumentEntryClassCode", "$XDSDocumentEntryStatus", "19 error QRY-STATUS $XDSDocumentEntryStatus + 19 error QRY-TWICE $XDSDocumentEntryStatus"},
		{"<rim:Value>20250101</rim:Value>", "", "20 error QRY-EMPTY $XDSDocumentEntryCreationTimeFrom"},
		{"'SIM0001^^^&amp;1.2.250.1.213.1.4.10&amp;ISO'", "SIM0001^^^&amp;1.2.250.1.213.1.4.10&amp;ISO", "17 error QRY-QUOTES $XDSDocumentEntryPatientId"},
		{"('10^^1.2.250.1.213.1.1.4.1')", "'10^^1.2.250.1.213.1.1.4.1'", "19 error QRY-LIST $XDSDocumentEntryClassCode"},
		{">1<", ">one<", "22 error QRY-NUMBER $MetadataLevel"},
		{"20250101", "2025-01-01", "20 error QRY-TIME $XDSDocumentEntryCreationTimeFrom"},
		{"20251231", "20241231", "21 warning QRY-RANGE $XDSDocumentEntryCreationTimeTo"},
		{"10^^1.2", "10^1.2", "19 error QRY-CODE $XDSDocumentEntryClassCode"},
		{"SIM0001^^^&amp;1.2.250.1.213.1.4.10&amp;ISO", "SIM0001", "17 error QRY-PATIENT $XDSDocumentEntryPatientId"},
		{":Approved'", ":Best'", "18 error QRY-STATUS $XDSDocumentEntryStatus"},
		{"urn:oid:1.2.250.1.999.5", "1.2.250.1.999.5", "16 error QRY-HOME AdhocQuery.home"},
	}},
	{"GetDocuments", "query", getDocuments, []broken{
		{"$XDSDocumentEntryEntryUUID", "$XDSDocumentEntryUUID", "3 error QRY-EITHER GetDocuments + 4 warning QRY-PARAM GetDocuments"},
		{"'urn:uuid:00000000-0000-4000-8000-000000000001'", "'00000000-0000-4000-8000-000000000001'", "4 error QRY-UUID $XDSDocumentEntryEntryUUID"},
	}},
	{"ITI-43", "query", retrieval, []broken{
		{"urn:ihe:iti:xds-b:2007", "urn:ihe:iti:xds-b:2006", "1 error QRY-ROOT RetrieveDocumentSetRequest"},
		{"*DocumentRequest", "Request", "1 error QRY-DOCUMENTS RetrieveDocumentSetRequest"},
		{"<DocumentUniqueId>1.2.250.1.999.9.2</DocumentUniqueId>", "", "7 error QRY-DOCUMENT DocumentRequest[2]"},
		{"<RepositoryUniqueId>1.2.250.1.999.9.43<", "<RepositoryUniqueId>one<", "4 error QRY-REPOSITORY DocumentRequest[1]"},
		{"<DocumentUniqueId>1.2.250.1.999.9.2<", "<DocumentUniqueId>1.2.250.1.999.9.1<", "7 warning QRY-SAME DocumentRequest[2]"},
		{"urn:oid:1.2.250.1.999.5", "1.2.250.1.999.5", "3 error QRY-HOME DocumentRequest[1]"},
	}},
	{"ITI-18 answer", "soap", framed("HTTP/1.1 200 OK", ihe+"RegistryStoredQueryResponse", answering, found), []broken{
		{"200 OK", "202 Accepted", "1 error SOAP-STATUS status line"},
		{"*wsa:RelatesTo", "wsa:Relates", "7 error WSA-RELATES wsa:RelatesTo"},
		{"ObjectRef id=\"urn:uuid:00000000", "ObjectRef id=\"00000000", "73 error RSP-ID ObjectRef"},
		{"ObjectRef id=\"urn:uuid:00000000-0000-4000-8000-000000000014\"", "ObjectRef id=\"urn:uuid:00000000-0000-4000-8000-000000000011\"", "14 error RSP-TWICE DocumentEntry[1]"},
		{"status=\"" + approved + "\"", "", "14 error RSP-AVAILABILITY DocumentEntry[1].status"},
		{"lid=\"urn:uuid:00000000-0000-4000-8000-000000000011\"", "", "14 error RSP-LID DocumentEntry[1].lid"},
		{"<rim:VersionInfo versionName=\"1\"/>", "", "14 error RSP-VERSION DocumentEntry[1]"},
		{"ResponseStatusType:Success", "ResponseStatusType:Failure", "12 error RSP-NO-ERROR status + 13 error RSP-FAILURE-OBJECTS RegistryObjectList"},
		{"ResponseStatusType:Success", "ResponseStatusType:Fine", "12 error RSP-STATUS status"},
		{"20250314150926", "20250230", "15 error SUB-DTM DocumentEntry[1].creationTime"},
	}},
	{"refusal", "response", refusal, []broken{
		{"xsd:rs:3.0", "xsd:rs:2.0", "1 error RSP-ROOT RegistryResponse"},
		{"urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Failure", "urn:ihe:iti:2007:ResponseStatusType:PartialSuccess", "1 error RSP-PARTIAL status"},
		{"ResponseStatusType:Failure", "ResponseStatusType:Success", "1 error RSP-ERROR status"},
		{" errorCode=\"XDSRegistryMetadataError\"", "", "3 error RSP-CODE RegistryError[1]"},
		{"XDSRegistryMetadataError", "XDSOutOfCoffee", "3 warning RSP-CODE-UNKNOWN RegistryError[1]"},
		{" codeContext=\"no typeCode\"", "", "3 error RSP-CONTEXT RegistryError[1]"},
		{" severity=\"urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Error\"", " severity=\"Error\"", "2 error RSP-HIGHEST RegistryErrorList + 3 error RSP-SEVERITY RegistryError[1]"},
		{"highestSeverity=\"urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Error\"", "highestSeverity=\"urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Warning\"", "2 error RSP-HIGHEST RegistryErrorList"},
	}},
	{"remark", "response", remark, []broken{
		{"ResponseStatusType:Success", "ResponseStatusType:Failure", "1 error RSP-NO-ERROR status"},
		{"<rs:RegistryError errorCode=\"XDSExtraMetadataNotSaved\" codeContext=\"a slot is left out\" severity=\"urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Warning\"/>", "", "2 error RSP-EMPTY RegistryErrorList"},
	}},
	{"ITI-43 answer", "soap", packaged("HTTP/1.1 200 OK", ihe+"RetrieveDocumentSetResponse", answering, retrieved), []broken{
		{"ResponseStatusType:Success", "ResponseStatusType:Failure", "17 error RSP-NO-ERROR status + 18 error RSP-FAILURE-OBJECTS RetrieveDocumentSetResponse"},
		{"<xdsb:DocumentUniqueId>1.2.250.1.999.9.1</xdsb:DocumentUniqueId>", "", "18 error RSP-DOC-ID DocumentResponse[1]"},
		{">text/xml<", ">text<", "21 error RSP-DOC-MIME DocumentResponse[1]"},
		{include, "", "22 error RSP-DOC-CONTENT DocumentResponse[1] + 27 warning MTOM-UNUSED part 2"},
		{"*xdsb:DocumentResponse", "xdsb:Response", "16 error RSP-DOC-NONE RetrieveDocumentSetResponse"},
		{"</xdsb:DocumentResponse>", "</xdsb:DocumentResponse>\r\n<xdsb:DocumentResponse><xdsb:RepositoryUniqueId>1.2.250.1.999.9.43</xdsb:RepositoryUniqueId>" +
			"<xdsb:DocumentUniqueId>1.2.250.1.999.9.1</xdsb:DocumentUniqueId><xdsb:mimeType>text/xml</xdsb:mimeType><xdsb:Document>" + include + "</xdsb:Document></xdsb:DocumentResponse>", "24 error RSP-DOC-TWICE DocumentResponse[2]"},
	}},
	{"fault", "soap", framed("HTTP/1.1 400 Bad Request", "http://www.w3.org/2005/08/addressing/soap/fault", answering, fault), []broken{
		{"env:Sender", "env:Client", "13 error SOAP-FAULT-CODE Fault.Code"},
		{" xml:lang=\"en\"", "", "15 error SOAP-FAULT-REASON Fault.Reason"},
		{"<env:Text xml:lang=\"en\">not understood</env:Text>", "", "14 error SOAP-FAULT-REASON Fault.Reason"},
		{"400 Bad Request", "200 OK", "1 error SOAP-FAULT-STATUS status line"},
	}},
	{"ITI-8", "hl7v2", er7(feed), []broken{
		{"MSH", "MSG", "1 error ER7-MSH MSH"},
		{"|^~\\&|", "|^^\\&|", "1 error ER7-DELIMITERS MSH-2"},
		{"|^~\\&|", "|^~\\&##|", "1 error ER7-MSH MSH-2"},
		{"SIM0001^^^&1.2.250.1.213.1.4.10&ISO^PI||ESSAI^ALIX^^^^^L||19700101|F\r", "SIM0001^^^&1.2.250.1.213.1.4.10&ISO^PI||ESSAI^ALIX^^^^^L||19700101|F\n", "3 error ER7-ENDS"},
		{"PV1", "pv1", "3 error ER7-SEGMENTS end + 4 error ER7-NAME segment 4"},
		{"|0001|", "||", "1 error ER7-REQUIRED MSH-10"},
		{"|20260314150926||ADT", "|tomorrow||ADT", "1 error ER7-TIME MSH-7"},
		{"EVN||20260314150926", "EVN||tomorrow", "2 error ER7-TIME EVN-2"},
		{"|T|", "|X|", "1 error ER7-PROCESSING MSH-11"},
		{"|2.5|", "|9.9|", "1 error ER7-VERSION MSH-12"},
		{"UNICODE UTF-8", "EBCDIC", "1 error ER7-CHARSET MSH-18"},
		{"ALIX", "ALI\xc8", "3 error ER7-BYTES MSH-18"},
		{"ADT^A04^ADT_A01", "ADT^A99", "1 warning ER7-EVENT MSH-9"},
		{"ADT_A01", "ADT_A05", "1 error ER7-STRUCTURE MSH-9.3"},
		{"ADT^A04^ADT_A01|0001|T|2.5", "ADT^A05^ADT_A01|0001|T|2.3.1", ""},
		{"EVN||", "EVN|A01|", "2 error ER7-EVN EVN-1"},
		{"EVN||20260314150926", "EVN||", "2 error ER7-EVN-TIME EVN-2"},
		{"PV1||N\r", "", "3 error ER7-SEGMENTS end"},
		{"PV1||N", "MRG|SIM0002^^^NS", "4 error ER7-SEGMENTS MRG"},
		{"SIM0001^^^&1.2.250.1.213.1.4.10&ISO^PI", "", "3 error ER7-PID3 PID-3"},
		{"^^^&1.2.250.1.213.1.4.10&ISO", "^^^&x&ISO", "3 error ER7-AUTHORITY PID-3"},
		{"ESSAI^ALIX^^^^^L", "", "3 error ER7-PID5 PID-5"},
		{"|F\r", "|X\r", "3 error ER7-SEX PID-8"},
		{"19700101", "19701301", "3 error ER7-BIRTH PID-7"},
		{"PV1||N", "PV1||", "4 error ER7-PV1 PV1-2"},
		{"MSH", "\x0bMSH", "1 error ER7-FRAME"},
	}},
	{"merge", "hl7v2", er7(merging), []broken{
		{"MRG|SIM0002^^^NS", "MRG|", "4 error ER7-MRG1 MRG-1"},
		{"MRG|SIM0002^^^NS", "MRG|SIM0001^^^&1.2.250.1.213.1.4.10&ISO^PI", "4 error ER7-MRG-SAME MRG-1"},
		{"MRG|SIM0002^^^NS", "MRG|SIM0002", "4 error ER7-AUTHORITY MRG-1"},
	}},
	{"ITI-8 answer", "hl7v2", er7(accepted), []broken{
		{"MSA|AA", "MSA|XX", "2 error ER7-ACK MSA-1"},
		{"MSA|AA|0001", "MSA|AA|", "2 error ER7-MSA2 MSA-2"},
		{"MSA|AA", "MSA|AE", "2 warning ER7-ERR ERR"},
		{"SUT|SUT", "SUT|H\xd4PITAL", "1 error ER7-BYTES MSH-18"},
	}},
	{"ITI-9", "hl7v2", er7(identifiers), []broken{
		{"QPD|IHE PIX Query", "QPD|", "2 error ER7-QPD QPD"},
		{"QPD|IHE PIX Query|Q1|SIM0001^^^&1.2.250.1.213.1.4.10&ISO", "QPD|IHE PIX Query|Q1|", "2 error ER7-QPD3 QPD-3"},
		{"RCP|I", "RCP|D", "3 error ER7-RCP RCP-1"},
	}},
	{"ITI-9 answer", "hl7v2", er7(identified), []broken{
		{"QAK|Q1|OK", "QAK||OK", "3 error ER7-QAK QAK"},
		{"QAK|Q1|OK", "QAK|Q1|NF", "3 error ER7-QAK-FOUND QAK-2"},
	}},
	{"ITI-44", "hl7v3", wrapper("PRPA_IN201304UV02", registered), []broken{
		{"*PRPA_IN201304UV02", "PRPA_IN201399UV02", "1 error V3-ROOT PRPA_IN201399UV02"},
		{"XML_1.0", "2", "1 error V3-ITS ITSVersion"},
		{"<id root=\"00000000-0000-4000-8000-0000000000bb\"/>", "", "1 error V3-ID id"},
		{"<creationTime value=\"20260314150926\"/>", "<creationTime value=\"2026-03-14\"/>", "3 error V3-TIME creationTime"},
		{"extension=\"PRPA_IN201304UV02\"", "extension=\"PRPA_IN201301UV02\"", "4 error V3-INTERACTION interactionId"},
		{"<processingCode code=\"T\"/>", "<processingCode code=\"X\"/>", "5 error V3-PROCESSING processingCode"},
		{"<processingModeCode code=\"T\"/>", "", "1 error V3-MODE processingModeCode"},
		{"code=\"AL\"", "code=\"NA\"", "7 error V3-ACCEPT acceptAckCode"},
		{"1.2.250.1.999.9.2", "x", "9 error V3-RECEIVER receiver"},
		{"<id root=\"1.2.250.1.999.9.1\"/>", "", "10 error V3-SENDER sender"},
		{" moodCode=\"EVN\">\n<subject typeCode", ">\n<subject typeCode", "12 error V3-ACT controlActProcess"},
		{"CACT\" moodCode=\"EVN\"", "CACT\" moodCode=\"X\"", "12 error V3-MOOD controlActProcess"},
		{"*registrationEvent", "event", "13 error V3-EVENT registrationEvent"},
		{"*subject1", "subject2", "13 error V3-PATIENT subject1 + 24 error V3-PRIOR replacementOf"},
		{" extension=\"SIM0001\"", "", "15 error V3-PATIENT-ID patient.id"},
		{"<statusCode code=\"active\"/>", "", "14 error V3-PATIENT-STATUS patient.statusCode"},
		{"<name use=\"L\"><family>ESSAI</family><given>ALIX</given></name>", "<name/>", "18 error V3-PERSON-NAME patientPerson.name"},
		{"19700101", "19701301", "20 error V3-BIRTH birthTime"},
		{"GenderCode code=\"F\"", "GenderCode code=\"X\"", "19 error V3-SEX administrativeGenderCode"},
		{"1.2.250.1.999.9.3", "x", "23 error V3-CUSTODIAN custodian"},
		{" extension=\"SIM0002\"", "", "26 error V3-PRIOR replacementOf"},
	}},
	{"ITI-45", "hl7v3", wrapper("PRPA_IN201309UV02", whichIdentifiers), []broken{
		{"*queryByParameter", "query", "12 error V3-QUERY queryByParameter"},
		{"<queryId root=\"1.2.250.1.999.9.1\"", "<queryId root=\"x\"", "14 error V3-QUERY-ID queryId"},
		{"code=\"new\"", "code=\"old\"", "15 error V3-QUERY-STATUS statusCode"},
		{"<value root=\"1.2.250.1.213.1.4.10\"", "<value", "18 error V3-QUERY-PATIENT patientIdentifier"},
	}},
	{"ITI-47", "hl7v3", wrapper("PRPA_IN201305UV02", whichIdentifiers), []broken{
		{"<patientIdentifier>\n<value root=\"1.2.250.1.213.1.4.10\" extension=\"SIM0001\"/>\n<semanticsText>Patient.id</semanticsText></patientIdentifier>", "", "16 error V3-QUERY-PARAM parameterList"},
	}},
	{"ITI-44 answer", "hl7v3", wrapper("MCCI_IN000002UV01", acknowledged), []broken{
		{"*acknowledgement", "ack", "1 error V3-ACKNOWLEDGEMENT acknowledgement"},
		{"code=\"CA\"", "code=\"XX\"", "13 error V3-ACK-CODE acknowledgement"},
		{"<id root=\"1.2.250.1.999.9.1\" extension=\"0001\"/>", "", "14 error V3-ACK-TARGET targetMessage"},
	}},
	{"ITI-45 answer", "hl7v3", wrapper("PRPA_IN201310UV02", foundPatient), []broken{
		{"<queryId root=\"1.2.250.1.999.9.1\" extension=\"Q1\"/>", "", "25 error V3-QUERYACK queryAck"},
		{"code=\"OK\"", "code=\"XX\"", "27 error V3-QUERYACK-CODE queryResponseCode"},
		{"code=\"OK\"", "code=\"NF\"", "27 error V3-QUERYACK-FOUND queryResponseCode"},
		{"*subject1", "subject2", "18 error V3-PATIENT subject1"},
	}},
	{"audit of ITI-18", "audit", audited(queried, queryObject), []broken{
		{"<AuditMessage>", "<Message>", "1 error AUD-NONE AuditMessage"},
		{"<85>1 ", "<85>2 ", "1 error AUD-SYSLOG header"},
		{"IHE+RFC-3881", "AUDIT", "1 warning AUD-MSGID MSGID"},
		{"codeSystemName=\"DCM\" originalText=\"Query\"", "codeSystemName=\"X\" originalText=\"Query\"", "4 error AUD-EVENT EventID"},
		{"EventActionCode=\"E\"", "EventActionCode=\"X\"", "3 error AUD-ACTION EventActionCode + 3 error AUD-EVENT-ACTION EventActionCode"},
		{"EventActionCode=\"E\"", "EventActionCode=\"R\"", "3 error AUD-EVENT-ACTION EventActionCode"},
		{"EventOutcomeIndicator=\"0\"", "EventOutcomeIndicator=\"1\"", "3 error AUD-OUTCOME EventOutcomeIndicator"},
		{"2026-03-14T15:09:26.000Z\" ", "2026-03-14\" ", "3 error AUD-TIME EventDateTime"},
		{"csd-code=\"ITI-18\" codeSystemName=\"IHE Transactions\" originalText=\"Registry Stored Query\"/>\n</EventI", "csd-code=\"ITI-99\" codeSystemName=\"IHE Transactions\" originalText=\"Registry Stored Query\"/>\n</EventI", "5 warning AUD-TRANSACTION EventTypeCode"},
		{"110112", "110106", "4 error AUD-EVENT-ID EventID"},
		{" AuditSourceID=\"sim\"", "", "11 error AUD-SOURCE AuditSourceIdentification"},
		{" UserID=\"https://sim.invalid/registry\"", "", "9 error AUD-USER ActiveParticipant[2].UserID"},
		{"UserIsRequestor=\"false\"", "UserIsRequestor=\"no\"", "9 error AUD-REQUESTOR ActiveParticipant[2].UserIsRequestor"},
		{"NetworkAccessPointTypeCode=\"2\"", "NetworkAccessPointTypeCode=\"9\"", "7 error AUD-NETWORK ActiveParticipant[1].NetworkAccessPointTypeCode"},
		{"110153", "110150", "2 error AUD-FROM ActiveParticipant"},
		{"110152", "110150", "2 error AUD-TO ActiveParticipant"},
		{"SIM0001^^^&amp;1.2.250.1.213.1.4.10&amp;ISO", "SIM0001", "12 error AUD-PATIENT-ID ParticipantObjectIdentification[1]"},
		{"ParticipantObjectTypeCodeRole=\"24\"", "ParticipantObjectTypeCodeRole=\"4\"", "2 error AUD-QUERY ParticipantObjectIdentification"},
		{"PHEvPg==", "?", "16 error AUD-QUERY-BASE64 ParticipantObjectIdentification[2]"},
		{"csd-code=\"ITI-18\" codeSystemName=\"IHE Transactions\" originalText=\"Registry Stored Query\"/>\n<P", "csd-code=\"ITI-51\" codeSystemName=\"IHE Transactions\" originalText=\"Registry Stored Query\"/>\n<P", "15 error AUD-QUERY-TYPE ParticipantObjectIdentification[2]"},
		{" csd-code=\"2\"", "", "12 error AUD-OBJECT ParticipantObjectIdentification[1]"},
	}},
	{"audit of ITI-41", "audit", audited(provided, setObject), []broken{
		{"urn:uuid:a54d6aa5", "urn:uuid:a54d6aa6", "2 error AUD-SET ParticipantObjectIdentification"},
		{"ParticipantObjectTypeCodeRole=\"1\"", "ParticipantObjectTypeCodeRole=\"4\"", "2 error AUD-PATIENT ParticipantObjectIdentification"},
	}},
	{"audit of ITI-43", "audit", audited(fetched, documentObject), []broken{
		{"ParticipantObjectID=\"1.2.250.1.999.9.1\"", "ParticipantObjectID=\"\"", "2 error AUD-DOCUMENT ParticipantObjectIdentification + 14 error AUD-OBJECT ParticipantObjectIdentification[2]"},
		{"Repository Unique Id", "Repository", "14 error AUD-REPOSITORY ParticipantObjectIdentification[2]"},
		{"MS4yLjI1MC4xLjk5OS45LjQz", "1.2.250", "16 error AUD-DETAIL ParticipantObjectIdentification[2]"},
	}},
	{"audit of ITI-8", "audit", audited(announced, messageDetail), []broken{
		{"MSH-10", "MSH-9", "2 error AUD-MESSAGE ParticipantObjectIdentification"},
	}},
	{"XDM", "xdm", archive, []broken{
		{"-- README.TXT", "-- LISEZMOI.TXT", "0 error XDM-README README.TXT"},
		{"-- INDEX.HTM", "-- INDEX.TXT", "0 error XDM-INDEX INDEX.HTM"},
		{"*IHE_XDM/", "XDM/", "0 error XDM-FOLDER IHE_XDM"},
		{"-- README.TXT", "-- /README.TXT", "0 error XDM-PATH \"/README.TXT\" + 0 error XDM-README README.TXT"},
		{"-- INDEX.HTM", "-- ../INDEX.HTM", "0 error XDM-INDEX INDEX.HTM + 0 error XDM-PATH \"../INDEX.HTM\""},
		{"-- IHE_XDM/SUBSET01/DOC0001.XML", "-- IHE_XDM\\SUBSET01\\DOC0001.XML", "0 error XDM-PATH \"IHE_XDM\\\\SUBSET01\\\\DOC0001.XML\" + 15 error XDM-FILE IHE_XDM/SUBSET01/METADATA.XML: DocumentEntry[1].URI"},
		{"-- IHE_XDM/SUBSET01/DOC0001.XML", "-- README.TXT --\n\n-- IHE_XDM/SUBSET01/DOC0001.XML", "0 error XDM-TWICE README.TXT"},
		{"-- INDEX.HTM", "-- notes.txt --\n\n-- INDEX.HTM", "0 warning XDM-NAME notes.txt"},
		{"METADATA.XML", "META.XML", "0 error XDM-METADATA IHE_XDM/SUBSET01"},
		{"name=\"URI\"", "name=\"urn:URI\"", "0 warning XDM-STRAY IHE_XDM/SUBSET01/DOC0001.XML + 3 error XDM-URI IHE_XDM/SUBSET01/METADATA.XML: DocumentEntry[1].URI"},
		{">DOC0001.XML<", ">DOC0002.XML<", "0 warning XDM-STRAY IHE_XDM/SUBSET01/DOC0001.XML + 15 error XDM-FILE IHE_XDM/SUBSET01/METADATA.XML: DocumentEntry[1].URI"},
		{"-- IHE_XDM/SUBSET01/DOC0001.XML --\n" + content, "-- IHE_XDM/SUBSET01/DOC0001.XML --\n" + strings.ToUpper(content), "5 error XDM-HASH IHE_XDM/SUBSET01/METADATA.XML: DocumentEntry[1].hash"},
		{"-- IHE_XDM/SUBSET01/DOC0001.XML --\n" + content, "-- IHE_XDM/SUBSET01/DOC0001.XML --\n" + content + " ", "5 error XDM-HASH IHE_XDM/SUBSET01/METADATA.XML: DocumentEntry[1].hash + 6 error XDM-LENGTH IHE_XDM/SUBSET01/METADATA.XML: DocumentEntry[1].size"},
		{"-- IHE_XDM/SUBSET01/DOC0001.XML --\n", "-- IHE_XDM/SUBSET01/OTHER.XML --\n\n-- IHE_XDM/SUBSET01/DOC0001.XML --\n", "0 warning XDM-STRAY IHE_XDM/SUBSET01/OTHER.XML"},
		{"name=\"languageCode\"", "name=\"urn:languageCode\"", "3 warning SUB-MISSING-XDM IHE_XDM/SUBSET01/METADATA.XML: DocumentEntry[1].languageCode"},
	}},
}

const include = `<xop:Include xmlns:xop="http://www.w3.org/2004/08/xop/include" href="cid:doc@sim"/>`

var (
	found = `<query:AdhocQueryResponse xmlns:query="urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0" xmlns:rim="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0" status="urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success">
<rim:RegistryObjectList>
` + kept(entry) + kept(set) + strings.Replace(member, `id="As1"`, `id="urn:uuid:00000000-0000-4000-8000-000000000013"`, 1) + `<rim:ObjectRef id="urn:uuid:00000000-0000-4000-8000-000000000014"/>
</rim:RegistryObjectList>
</query:AdhocQueryResponse>`
	archive = `
-- README.TXT --
Simulation
-- INDEX.HTM --
<html xmlns="http://www.w3.org/1999/xhtml"><head><title>Simulation</title></head><body><p>Simulation</p></body></html>
-- IHE_XDM/SUBSET01/METADATA.XML --
` + submit(entry+set+member) + `
-- IHE_XDM/SUBSET01/DOC0001.XML --
` + content
)

func er7(s string) string { return strings.ReplaceAll(s, "\n", "\r") }

// told writes findings as rows have them.
func told(found []validate.Finding) string {
	var out []string
	for _, f := range found {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%d %s %s %s", f.Line, f.Severity, f.Rule, f.Location)))
	}
	return strings.Join(out, " + ")
}

// TestBrokenMessages: a good message of each kind has nothing against it; with one thing broken it has what that entails, each at its line, and nothing more.
func TestBrokenMessages(t *testing.T) {
	for _, m := range brokenMessages {
		judge := func(message string) string {
			if m.kind == "xdm" {
				message = archived(t, message)
			}
			return judged(t, m.kind, message, validate.Options{})
		}
		if found := judge(m.message); found != "" {
			t.Errorf("%s: %s", m.name, found)
		}
		for _, r := range m.rows {
			if got := judge(r.breaks(t, m.message)); got != r.want {
				t.Errorf("%s, %.60q for %.60q:\n got %s\nwant %s", m.name, r.new, r.old, got, r.want)
			}
		}
	}
}

// brokenAssertions are changes to an assertion that was signed, judged with the authority of the signer.
var brokenAssertions = []struct {
	name, form, assertion string
	rows                  []broken
}{
	{"XUA", "xua", xuaAssertion, []broken{
		{"*saml2:Assertion", "saml2:Statement", "1 error SAML-NONE Statement"},
		{"ID=\"_a1\"", "ID=\"1a\"", "1 error SAML-ID ID + 3 error SIG-REFERENCE Signature"},
		{"Version=\"2.0\"", "Version=\"1.1\"", "1 error SAML-VERSION Version"},
		{"IssueInstant=\"2026-03-14T15:09:26Z\"", "IssueInstant=\"2026-03-14T15:09:26+01:00\"", "1 error SAML-INSTANT IssueInstant"},
		{"<saml2:Issuer>https://idp.invalid</saml2:Issuer>", "", "1 error SAML-ISSUER Issuer"},
		{"<saml2:NameID>anne</saml2:NameID>", "", "4 error SAML-SUBJECT Subject"},
		{"cm:bearer", "cm:sender-vouches", "6 error SAML-CONFIRMATION Subject"},
		{" NotBefore=\"2026-03-14T15:00:00Z\"", "", "8 error SAML-CONDITIONS Conditions"},
		{"NotOnOrAfter=\"2026-03-14T16:00:00Z\"", "NotOnOrAfter=\"2026-03-14T15:09:30Z\"", "8 error SAML-NOW Conditions"},
		{" NotOnOrAfter=\"2026-03-14T16:00:00Z\"", "", ""},
		{"*AuthnContextClassRef", "AuthnContextDeclRef", ""},
		{"<saml2:Audience>urn:oid:1.2.250.1.999.5</saml2:Audience>", "", "9 error SAML-AUDIENCE Conditions"},
		{" AuthnInstant=\"2026-03-14T15:09:00Z\"", "", "11 error SAML-AUTHN AuthnStatement"},
		{"<saml2:AttributeValue>Anne TESTEUSE</saml2:AttributeValue>", "", "13 warning XUA-SUBJECT subject-id + 14 error SAML-ATTRIBUTES Attribute"},
		{"subject:organization\"", "subject:subject-id\"", "13 warning XUA-ORGANIZATION organization + 16 warning SAML-TWICE urn:oasis:names:tc:xspa:1.0:subject:subject-id"},
		{"subject:subject-id", "subject:identifier", "13 warning XUA-SUBJECT subject-id"},
		{"subject:organization-id", "subject:organisation-id", "13 warning XUA-ORGANIZATION organization"},
		{"<Role xmlns=\"urn:hl7-org:v3\"", "<Role xmlns=\"urn:hl7-org:v2\"", "21 warning XUA-ROLE role"},
		{"<PurposeOfUse xmlns=\"urn:hl7-org:v3\" code=\"normal\" codeSystem=\"1.2.250.1.213.1.1.4.248\"/>", "normal", "23 warning XUA-PURPOSE purposeofuse"},
		{"*ds:Signature", "ds:Seal", "1 error SIG-NONE Signature"},
		{"</saml2:Subject>", "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"/></saml2:Subject>", "3 error SIG-PLACE Signature"},
		{"URI=\"#_a1\"", "URI=\"\"", "3 error SIG-REFERENCE Signature"},
		{"http://www.w3.org/2001/10/xml-exc-c14n#\"/></ds:Transforms>", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315\"/></ds:Transforms>", "3 error SIG-TRANSFORM Signature"},
		{"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256", "http://www.w3.org/2000/09/xmldsig#rsa-sha1", "3 error SIG-WEAK Signature"},
		{"*ds:X509Certificate>", "ds:X509Thing>", "4 error SIG-KEY KeyInfo"},
		{"Anne TESTEUSE", "Anna TESTEUSE", "3 error SIG-VALUE Signature"},
	}},
	{"VIHF", "vihf", vihfAssertion, []broken{
		{">3.0<", ">9<", "10 error VIHF-VERSION VIHF_Version"},
		{"X509SubjectName", "unspecified", "2 error VIHF-ISSUER Issuer"},
		{">INDIRECTE<", ">X<", "11 error VIHF-MODE Authentification_mode"},
		{"<saml2:AttributeValue>499900000001</saml2:AttributeValue>", "<saml2:AttributeValue/>", "12 error VIHF-STRUCTURE Identifiant_Structure"},
		{"SA07^1.2.250.1.71.4.2.4", "SA07", "13 error VIHF-SECTOR Secteur_Activite"},
		{"subject:subject-id", "subject:identifier", "9 error VIHF-SUBJECT subject-id"},
		{"codeSystem=\"1.2.250.1.71.1.2.7\"", "codeSystem=\"1.2.3\"", "16 error VIHF-ROLE role"},
		{" code=\"SM26\"", "", "16 error VIHF-SPECIALTY role"},
		{"code=\"normal\"", "code=\"curious\"", "19 error VIHF-PURPOSE purposeofuse"},
		{"code=\"normal\"", "code=\"bris_de_glace\"", "9 error VIHF-REASON Mode_Acces_Raison"},
		{"&amp;1.2.250.1.213.1.4.10&amp;", "&amp;x&amp;", "21 error VIHF-PATIENT resource-id"},
		{"Ressource_URN", "Ressource", "9 error VIHF-RESOURCE Ressource_URN"},
	}},
}

// TestBrokenAssertions: as with the other messages. What is changed after it was signed has a signature that does not hold, besides: rows leave that out.
func TestBrokenAssertions(t *testing.T) {
	at := time.Date(2026, 3, 14, 15, 10, 0, 0, time.UTC)
	for _, a := range brokenAssertions {
		good, roots := signedBy(t, a.assertion)
		o := validate.Options{Roots: roots, Form: a.form, Now: at}
		if found := judged(t, "saml", good, o); found != "" {
			t.Errorf("%s: %s", a.name, found)
		}
		o.Roots = x509.NewCertPool()
		if found := judged(t, "saml", good, o); found != stranger {
			t.Errorf("%s of a stranger: %s", a.name, found)
		}
		o.Roots = roots
		for _, r := range a.rows {
			got := judged(t, "saml", r.breaks(t, good), o)
			if !strings.Contains(r.want, "SIG-VALUE") {
				got = strings.TrimPrefix(strings.ReplaceAll(" + "+got, " + 3 error SIG-VALUE Signature", ""), " + ")
			}
			if got != r.want {
				t.Errorf("%s, %.60q for %.60q:\n got %s\nwant %s", a.name, r.new, r.old, got, r.want)
			}
		}
	}
}

const stranger = "4 error SIG-TRUST KeyInfo"

// made are messages that are broken as a whole, or too much of one thing.
var made = []struct {
	name, kind string
	message    func(*testing.T) string
	want       string
}{
	{"longer than is read", "hl7v2", func(*testing.T) string { return feed + strings.Repeat("\r", 64<<20) }, "0 error FILE-SIZE"},
	{"more findings than are kept", "query", func(*testing.T) string {
		return strings.Replace(query, "'10^^", strings.Repeat("'10^', ", 300)+"'10^^", 1)
	}, "0 error FILE-MORE" + strings.Repeat(" + 6 error QRY-CODE $XDSDocumentEntryClassCode", 256)},
	{"more elements than are read", "soap", func(*testing.T) string { return "<a>" + strings.Repeat("<b/>", 1<<19) + "</a>" }, "0 error XML-SIZE"},
	{"a transaction of MTOM without a package", "soap", func(*testing.T) string {
		inline := strings.Replace(retrieved, include, base64.StdEncoding.EncodeToString([]byte(content)), 1)
		return framed("HTTP/1.1 200 OK", ihe+"RetrieveDocumentSetResponse", answering, inline)
	}, "3 error MTOM-DUE Content-Type"},
	{"more segments than are read", "hl7v2", func(*testing.T) string { return er7(feed) + strings.Repeat("NTE|\r", 10000) }, "10001 error ER7-SIZE"},
	{"no archive", "xdm", func(*testing.T) string { return "PK\x03\x04" }, "0 error XDM-ZIP"},
	{"more files than are read", "xdm", func(t *testing.T) string {
		var b strings.Builder
		for i := range 1001 {
			fmt.Fprintf(&b, "\n-- F%d --\n", i)
		}
		return archived(t, b.String())
	}, "0 error XDM-COUNT"},
	{"more bytes than are read", "xdm", func(t *testing.T) string { return archived(t, "\n-- BIG.TXT --\n"+strings.Repeat("x", 64<<20)) }, "0 error XDM-BIG BIG.TXT"},
	{"a file whose bytes are not those that were put in", "xdm", func(t *testing.T) string {
		whole := archived(t, archive)
		at := strings.Index(whole, "README.TXT") + len("README.TXT") // where its bytes begin
		return whole[:at] + "\x00" + whole[at+1:]
	}, "0 error XDM-BROKEN README.TXT"},
	{"an XDM archive with metadata that cannot be read", "xdm", func(t *testing.T) string {
		return archived(t, strings.Replace(archive, "</lcm:SubmitObjectsRequest>", "", 1))
	}, "61 error XML-FORM IHE_XDM/SUBSET01/METADATA.XML"},
	{"ITI-10", "hl7v2", func(*testing.T) string {
		return er7(strings.NewReplacer("ADT^A04^ADT_A01", "ADT^A31^ADT_A05", "ESSAI^ALIX^^^^^L", " ").Replace(feed))
	}, ""},
	{"an XDM archive with a document outside of the folder of the submission", "xdm", func(t *testing.T) string {
		return archived(t, strings.NewReplacer(">DOC0001.XML<", ">../DOC0001.XML<", "SUBSET01/DOC0001.XML", "DOC0001.XML").Replace(archive))
	}, ""},
	{"an XDM archive with a document of several parts", "xdm", func(t *testing.T) string {
		return archived(t, strings.NewReplacer(">DOC0001.XML<", ">DOC1/DOC0001.XML<", "SUBSET01/DOC0001.XML", "SUBSET01/DOC1/DOC0001.XML").Replace(archive)+"\n-- IHE_XDM/SUBSET01/DOC1/PICTURE.PNG --\n")
	}, ""},
	{"a query in an envelope without an action, judged for itself", "query", func(*testing.T) string {
		return strings.Replace(framed("POST /registry HTTP/1.1", "", asking, query), "14d4debf", "14d4debe", 1)
	}, "16 error QRY-ID AdhocQuery.id"},
	{"an envelope without a query", "query", func(*testing.T) string { return envelope("x", asking, "") }, "9 error SOAP-BODY Body"},
	{"a body that is compressed", "soap", func(t *testing.T) string {
		head, body, _ := strings.Cut(strings.Replace(framed("POST /registry HTTP/1.1", ihe+"RegistryStoredQuery", asking, query), "Host:", "Content-Encoding: gzip\r\nHost:", 1), "\r\n\r\n")
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write([]byte(strings.Replace(body, "LeafClass", "All", 1))); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return head + "\r\n\r\n" + b.String()
	}, "16 error QRY-RETURN ResponseOption"},
	{"a body in chunks", "soap", func(*testing.T) string {
		head, body, _ := strings.Cut(strings.Replace(framed("POST /registry HTTP/1.1", ihe+"RegistryStoredQuery", asking, query), "Host:", "Transfer-Encoding: chunked\r\nHost:", 1), "\r\n\r\n")
		body = strings.Replace(body, "LeafClass", "All", 1)
		return fmt.Sprintf("%s\r\n\r\n64\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", head, body[:100], len(body)-100, body[100:])
	}, "16 error QRY-RETURN ResponseOption"},
	{"a clinical document that cannot be read", "cda", func(*testing.T) string { return "<ClinicalDocument xmlns=\"urn:hl7-org:v3\">\n" }, "2 error CDA-XML"},
	{"a PDF that cannot be read", "cda", func(*testing.T) string { return "%PDF-1.4\n" }, "0 error PDFA-READ"},
}

func TestMade(t *testing.T) {
	for _, m := range made {
		if got := judged(t, m.kind, m.message(t), validate.Options{}); got != m.want {
			t.Errorf("%s:\n got %.300s\nwant %.300s", m.name, got, m.want)
		}
	}
}

// TestGuess: the kind of each message is told by its beginning, of XML also when the rest cannot be read.
func TestGuess(t *testing.T) {
	for _, m := range brokenMessages {
		whole := m.message
		if m.kind == "xdm" {
			whole = archived(t, whole)
		}
		if m.kind == "response" || m.kind == "query" || m.kind == "hl7v3" {
			if got := validate.Guess([]byte(whole[:len(whole)-5])); got != m.kind {
				t.Errorf("%s that is cut: %q", m.name, got)
			}
		}
		if got := validate.Guess([]byte(whole)); got != m.kind {
			t.Errorf("%s: %q", m.name, got)
		}
	}
	for message, kind := range map[string]string{"": "", "what?": "", "<html><body/></html>": "", "<html": "", "%PDF-1.7": "cda", "\x0bMSH|^~\\&|": "hl7v2", xuaAssertion: "saml", vihfAssertion[:1000]: "saml",
		"<?xml version=\"1.0\"?>\n<ClinicalDocument>": "cda"} {
		if got := validate.Guess([]byte(message)); got != kind {
			t.Errorf("%.40q: %q", message, got)
		}
	}
}

// TestEveryRule: each rule of the tables is broken by a message, with the severity that the table says.
func TestEveryRule(t *testing.T) {
	wants := stranger
	for _, m := range brokenMessages {
		for _, r := range m.rows {
			wants += " + " + r.want
		}
	}
	for _, a := range brokenAssertions {
		for _, r := range a.rows {
			wants += " + " + r.want
		}
	}
	for _, m := range made {
		wants += " + " + m.want
	}
	for _, r := range validate.Rules() {
		if !strings.Contains(wants+" ", " "+r.Severity+" "+r.ID+" ") {
			t.Errorf("no message breaks %s", r.ID)
		}
	}
}

// breaks makes the change: where the text first stands, or everywhere when that begins with an asterisk.
func (r broken) breaks(t *testing.T, message string) string {
	t.Helper()
	old, everywhere := strings.CutPrefix(r.old, "*")
	n := 1
	if everywhere {
		n = -1
	}
	bad := strings.Replace(message, old, r.new, n)
	if bad == message {
		t.Errorf("there is no %q", r.old)
	}
	return bad
}

func judged(t *testing.T, kind, message string, o validate.Options) string {
	t.Helper()
	found, err := validate.Judge(kind, []byte(message), o)
	if err != nil {
		t.Fatal(err)
	}
	return told(found)
}
