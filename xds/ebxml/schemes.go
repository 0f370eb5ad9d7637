package ebxml

// The identifiers of ITI TF-3 4.2.5: object types, classification schemes and identification schemes.
const (
	typeStable   = "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1"
	typeOnDemand = "urn:uuid:34268e47-fdf5-41a6-ba33-82133c465248"

	nodeSubmissionSet = "urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd"
	nodeFolder        = "urn:uuid:d9d542f3-6cc4-48b6-8870-ea235fbc94c2"

	schemeEntryAuthor      = "urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d"
	schemeClass            = "urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a"
	schemeConfidentiality  = "urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f"
	schemeEvent            = "urn:uuid:2c6b8cb7-8b2a-4051-b291-b1ae6a575ef4"
	schemeFormat           = "urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d"
	schemeFacilityType     = "urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1"
	schemePracticeSetting  = "urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead"
	schemeType             = "urn:uuid:f0306f51-975f-434e-a61c-c59651d33983"
	schemeEntryPatientID   = "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427"
	schemeEntryUniqueID    = "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab"
	schemeSetAuthor        = "urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d"
	schemeContentType      = "urn:uuid:aa543740-bdda-424e-8c96-df4873be8500"
	schemeSetPatientID     = "urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446"
	schemeSetSourceID      = "urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832"
	schemeSetUniqueID      = "urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8"
	schemeFolderCode       = "urn:uuid:1ba97051-7806-41a8-a48b-8fce7af683c5"
	schemeFolderPatientID  = "urn:uuid:f64ffdf0-4b97-4e06-b79f-a52b38ec2f8a"
	schemeFolderUniqueID   = "urn:uuid:75df8f67-9973-4fbe-a900-df66cefecc5a"
	schemeAssociationDoc   = "urn:uuid:abd807a3-4432-4053-87b4-fd82c643d1f3"
	slotReferenceIDs       = "urn:ihe:iti:xds:2013:referenceIdList"
	typeOfClassification   = "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Classification"
	typeOfIdentifier       = "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:ExternalIdentifier"
	typeOfPackage          = "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:RegistryPackage"
	typeOfAssociation      = "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Association"
	severityError          = "urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Error"
	severityWarning        = "urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Warning"
	urnOID                 = "urn:oid:"
	elementExtrinsicObject = "ExtrinsicObject"
)
