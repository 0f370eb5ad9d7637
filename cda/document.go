package cda

// The namespaces of a clinical document and of the extensions that are read; names of the latter come with these prefixes before them.
const (
	Namespace      = "urn:hl7-org:v3"
	namespaceLab   = "urn:oid:1.3.6.1.4.1.19376.1.3.2"
	namespacePharm = "urn:ihe:pharm:medication"
	namespaceDICOM = "urn:dicom-org:ps3-20"
	namespaceSDTC  = "urn:hl7-org:sdtc"
	namespaceXSLT  = "http://www.w3.org/1999/XSL/Transform"
	namespaceXSI   = "http://www.w3.org/2001/XMLSchema-instance"
)

// Level says how far a machine can read the body (CI-SIS: N1, N2, N3).
type Level uint8

// The levels of a body.
const (
	LevelUnknown Level = iota
	Level1             // nonXMLBody: an attached file
	Level2             // sections of narrative
	Level3             // sections with entries
)

// Document is the header of a clinical document, and of its body what tells its level. Its strings alias the bytes it was read from.
type Document struct {
	RealmCode           string
	TypeID              II
	TemplateIDs         []II
	ID                  II
	Code                CD
	Title               string
	EffectiveTime       TS
	ConfidentialityCode CD
	LanguageCode        string
	SetID               II
	VersionNumber       string

	RecordTargets         []RecordTarget
	Authors               []Author
	DataEnterer           *Participation
	Informants            []Participation
	Custodian             Organization
	InformationRecipients []Participation
	LegalAuthenticator    *Participation
	Authenticators        []Participation
	Participants          []Participation
	InFulfillmentOf       []Order
	DocumentationOf       []ServiceEvent
	RelatedDocuments      []RelatedDocument
	Authorizations        []Authorization
	ComponentOf           *EncompassingEncounter

	Level       Level
	NonXMLBody  *ED    // of level 1
	SelfDisplay bool   // it came inside an XSLT stylesheet, which is never executed
	Encoding    string // as declared; what was read is UTF-8
	Line        int    // of ClinicalDocument
	Findings    []Finding

	wordings map[string]string // text of the narrative by ID
}

// RecordTarget is a patient the document is about.
type RecordTarget struct {
	IDs      []II // INS first, then local ones
	Addrs    []AD
	Telecoms []TEL
	Patient  Patient
	Provider *Organization // providerOrganization
	Line     int
}

// Patient is the person.
type Patient struct {
	Names                    []EN
	AdministrativeGenderCode CD
	BirthTime                TS
	DeceasedInd              string // sdtc:deceasedInd
	DeceasedTime             TS     // sdtc:deceasedTime
	Birthplace               AD
	Guardians                []Entity
	MultipleBirthInd         string
}

// Entity is who or what plays a part: assignedAuthor, assignedEntity, associatedEntity, relatedEntity, intendedRecipient or guardian.
type Entity struct {
	ClassCode    string
	IDs          []II
	Code         CD
	Addrs        []AD
	Telecoms     []TEL
	Names        []EN // of the person
	Organization *Organization
	Device       *Device
	Line         int
}

// Device is an assignedAuthoringDevice or playingDevice.
type Device struct {
	Code                  CD
	ManufacturerModelName string
	SoftwareName          string
}

// Organization is an organisation: its identifiers, name and frame of practice.
type Organization struct {
	IDs                       []II
	Name                      string
	Addrs                     []AD
	Telecoms                  []TEL
	StandardIndustryClassCode CD
	Line                      int
}

// Author is who wrote the document, or a part of it.
type Author struct {
	FunctionCode CD
	Time         TS
	Entity
}

// Participation is any other part in the document: who, in which function, when.
type Participation struct {
	TypeCode      string
	FunctionCode  CD
	Time          IVLTS
	SignatureCode string
	TemplateIDs   []II
	Entity
}

// Order is what the document answers (inFulfillmentOf/order).
type Order struct {
	IDs             []II
	AccessionNumber II // ps3-20:accessionNumber
	Code            CD
}

// ServiceEvent is an act that the document documents.
type ServiceEvent struct {
	ClassCode     string
	IDs           []II
	Code          CD
	StatusCode    string // lab:statusCode
	EffectiveTime IVLTS
	Performers    []Participation
	Line          int
}

// RelatedDocument is a document that this one replaces (RPLC), appends (APND) or transforms (XFRM).
type RelatedDocument struct {
	TypeCode      string
	IDs           []II
	SetID         II
	VersionNumber string
	Line          int
}

// Authorization is a consent.
type Authorization struct {
	IDs        []II
	Code       CD
	StatusCode string
}

// EncompassingEncounter is the stay or the visit.
type EncompassingEncounter struct {
	IDs                      []II
	Code                     CD
	EffectiveTime            IVLTS
	DischargeDispositionCode CD
	ResponsibleParty         *Entity
	Participants             []Participation
	FacilityCode             CD // location/healthCareFacility/code
	FacilityName             string
	FacilityAddr             AD
	ServiceProvider          *Organization
	Line                     int
}
