package conformance

// The identifiers of this file are typed from the standard (ITI TF-2 3.18.4.1.2.4 and 3.51.4.1.2.3, ITI TF-3 4.2.5), never from a product.

// storedQueries are the stored queries of ITI-18 and ITI-51.
var storedQueries = map[string]string{
	"FindDocuments":                                 "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d",
	"FindSubmissionSets":                            "urn:uuid:f26abbcb-ac74-4422-8a30-edb644bbc1a9",
	"FindFolders":                                   "urn:uuid:958f3006-baad-4929-a4de-ff1114824431",
	"GetAll":                                        "urn:uuid:10b545ea-725c-446d-9b95-8aeb444eddf3",
	"GetDocuments":                                  "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4",
	"GetFolders":                                    "urn:uuid:5737b14c-8a1a-4539-b659-e03a34a5e1e4",
	"GetAssociations":                               "urn:uuid:a7ae438b-4bc2-4642-93e9-be891f7bb155",
	"GetDocumentsAndAssociations":                   "urn:uuid:bab9529a-4a10-40b3-a01f-f68a615d247a",
	"GetSubmissionSets":                             "urn:uuid:51224314-5390-4169-9b91-b1980040715a",
	"GetSubmissionSetAndContents":                   "urn:uuid:e8e3cb2c-e39c-46b9-99e4-c12f57260b83",
	"GetFolderAndContents":                          "urn:uuid:b909a503-523d-4517-8acf-8e5834dfc4c7",
	"GetFoldersForDocument":                         "urn:uuid:10cae35a-c7f9-4cf5-b61e-fc3278ffb578",
	"GetRelatedDocuments":                           "urn:uuid:d90e5407-b356-4d91-a89f-873917b4b0e6",
	"FindDocumentsByReferenceId":                    "urn:uuid:12941a89-e02e-4be5-967c-ce4bfc8fe492",
	"FindDocumentsForMultiplePatients":              "urn:uuid:3d1bdb10-39a2-11de-89c2-2f44d94eaa9f",
	"FindFoldersForMultiplePatients":                "urn:uuid:50d3f5ac-39a2-11de-a1ca-b366239e58df",
	"FindDocumentsByReferenceIdForMultiplePatients": "urn:uuid:1191642d-86c4-42d8-b784-f95445f9f0d5",
}

// associationTypes are those of ITI TF-3 table 4.2.2-1.
var associationTypes = map[string]string{
	"HasMember":                "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember",
	"RPLC":                     "urn:ihe:iti:2007:AssociationType:RPLC",
	"XFRM":                     "urn:ihe:iti:2007:AssociationType:XFRM",
	"APND":                     "urn:ihe:iti:2007:AssociationType:APND",
	"XFRM_RPLC":                "urn:ihe:iti:2007:AssociationType:XFRM_RPLC",
	"signs":                    "urn:ihe:iti:2007:AssociationType:signs",
	"IsSnapshotOf":             "urn:ihe:iti:2010:AssociationType:IsSnapshotOf",
	"UpdateAvailabilityStatus": "urn:ihe:iti:2010:AssociationType:UpdateAvailabilityStatus",
	"SubmitAssociation":        "urn:ihe:iti:2010:AssociationType:SubmitAssociation",
}

// attributes tells where an attribute of the metadata stands in an object: a classification or an external identifier by its scheme, an XML attribute (@),
// or an element. What is not listed is a slot of that name.
var attributes = map[string]map[string]string{
	"DocumentEntry": {
		"author":                     "class urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d",
		"classCode":                  "class urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a",
		"confidentialityCode":        "class urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f",
		"eventCodeList":              "class urn:uuid:2c6b8cb7-8b2a-4051-b291-b1ae6a575ef4",
		"formatCode":                 "class urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d",
		"healthcareFacilityTypeCode": "class urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1",
		"practiceSettingCode":        "class urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead",
		"typeCode":                   "class urn:uuid:f0306f51-975f-434e-a61c-c59651d33983",
		"patientId":                  "ident urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427",
		"uniqueId":                   "ident urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab",
		"mimeType":                   "@mimeType", "objectType": "@objectType", "status": "@status", "lid": "@lid", "home": "@home", "id": "@id",
		"title": "Name", "comments": "Description", "referenceIdList": "slot urn:ihe:iti:xds:2013:referenceIdList",
	},
	"SubmissionSet": {
		"author":          "class urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d",
		"contentTypeCode": "class urn:uuid:aa543740-bdda-424e-8c96-df4873be8500",
		"patientId":       "ident urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446",
		"sourceId":        "ident urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832",
		"uniqueId":        "ident urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8",
		"objectType":      "@objectType", "status": "@status", "lid": "@lid", "home": "@home", "id": "@id", "title": "Name", "comments": "Description",
	},
	"Folder": {
		"codeList":   "class urn:uuid:1ba97051-7806-41a8-a48b-8fce7af683c5",
		"patientId":  "ident urn:uuid:f64ffdf0-4b97-4e06-b79f-a52b38ec2f8a",
		"uniqueId":   "ident urn:uuid:75df8f67-9973-4fbe-a900-df66cefecc5a",
		"objectType": "@objectType", "status": "@status", "lid": "@lid", "home": "@home", "id": "@id", "title": "Name", "comments": "Description",
	},
	"Association": {
		"associationDocumentation": "class urn:uuid:abd807a3-4432-4053-87b4-fd82c643d1f3",
		"associationType":          "@associationType", "sourceObject": "@sourceObject", "targetObject": "@targetObject",
		"status": "@status", "lid": "@lid", "home": "@home", "id": "@id",
	},
}

// The nodes that tell a submission set from a folder, and the object types of document entries.
const (
	nodeSubmissionSet = "urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd"
	nodeFolder        = "urn:uuid:d9d542f3-6cc4-48b6-8870-ea235fbc94c2"
	stableEntry       = "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1"
	onDemandEntry     = "urn:uuid:34268e47-fdf5-41a6-ba33-82133c465248"
)

// Statuses, outcomes and severities of ebRS.
const (
	statusPrefix   = "urn:oasis:names:tc:ebxml-regrep:StatusType:"
	statusApproved = statusPrefix + "Approved"
	outcomePrefix  = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:"
	partialSuccess = "urn:ihe:iti:2007:ResponseStatusType:PartialSuccess"
	severityPrefix = "urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:"
)

// Namespaces.
const (
	nsEnvelope   = "http://www.w3.org/2003/05/soap-envelope"
	nsEnvelope11 = "http://schemas.xmlsoap.org/soap/envelope/"
	nsWSA        = "http://www.w3.org/2005/08/addressing"
	nsRIM        = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
	nsRS         = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0"
	nsLCM        = "urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0"
	nsQuery      = "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"
	nsXDSB       = "urn:ihe:iti:xds-b:2007"
	nsRMD        = "urn:ihe:iti:rmd:2017"
	nsXOP        = "http://www.w3.org/2004/08/xop/include"
	nsHL7        = "urn:hl7-org:v3"
	nsWSSE       = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
)

// transaction is what a step's verb sends: the action, where to, and how.
type transaction struct {
	name   string // ITI-xx
	action string
	target string
	mtom   bool
	answer string // action of the answer
	root   string // of the answer's body
}

var transactions = map[string]transaction{
	"register": {"ITI-42", "urn:ihe:iti:2007:RegisterDocumentSet-b", "registry", false, "urn:ihe:iti:2007:RegisterDocumentSet-bResponse", "RegistryResponse"},
	"provide":  {"ITI-41", "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b", "repository", true, "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-bResponse", "RegistryResponse"},
	"query":    {"ITI-18", "urn:ihe:iti:2007:RegistryStoredQuery", "registry", false, "urn:ihe:iti:2007:RegistryStoredQueryResponse", "AdhocQueryResponse"},
	"multi":    {"ITI-51", "urn:ihe:iti:2009:MultiPatientStoredQuery", "registry", false, "urn:ihe:iti:2009:MultiPatientStoredQueryResponse", "AdhocQueryResponse"},
	"retrieve": {"ITI-43", "urn:ihe:iti:2007:RetrieveDocumentSet", "repository", true, "urn:ihe:iti:2007:RetrieveDocumentSetResponse", "RetrieveDocumentSetResponse"},
	"update":   {"ITI-57", "urn:ihe:iti:2010:UpdateDocumentSet", "registry", false, "urn:ihe:iti:2010:UpdateDocumentSetResponse", "RegistryResponse"},
	"restrict": {"ITI-92", "urn:ihe:iti:2018:RestrictedUpdateDocumentSet", "registry", false, "urn:ihe:iti:2018:RestrictedUpdateDocumentSetResponse", "RegistryResponse"},
	"remove":   {"ITI-62", "urn:ihe:iti:2010:DeleteDocumentSet", "registry", false, "urn:ihe:iti:2010:DeleteDocumentSetResponse", "RegistryResponse"},
	"destroy":  {"ITI-86", "urn:ihe:iti:2017:RemoveDocuments", "repository", false, "urn:ihe:iti:2017:RemoveDocumentsResponse", "RegistryResponse"},
}
