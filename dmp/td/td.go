// Package td reads and writes the messages of the national interface of the French shared record (DMP): existence test, creation, reactivation,
// administrative data and closing in HL7 version 3 (asip:ci-sis:gdp:2010), and the services of rights and patients (urn:si-dmp-habilitations,
// urn:si-dmp-patients). It knows their words and no rule.
package td

import (
	_ "embed"
	"strings"

	"github.com/passerelle-sante/passerelle/wire/hl7v3"
)

// The namespaces.
const (
	NSRegistration  = "asip:ci-sis:gdp:2010"
	NSHabilitations = "urn:si-dmp-habilitations"
	NSPatients      = "urn:si-dmp-patients"
	statuses        = "7f0c1b54-1c53-4d0e-9a0e-6d3f5a9c2b11" // names our table of statuses: the national one has no name that is known
)

//go:embed codes.tsv
var codesText string

// Code is a row of the national tables.
type Code struct{ Code, System, Display string }

// codes are the tables: by table and code.
var codes = readCodes()

func readCodes() map[string]map[string]Code {
	all := map[string]map[string]Code{}
	for line := range strings.Lines(codesText) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		if len(f) != 4 {
			panic("td: a row of codes.tsv has not four columns")
		}
		if all[f[0]] == nil {
			all[f[0]] = map[string]Code{}
		}
		all[f[0]][f[1]] = Code{f[1], f[2], strings.TrimPrefix(f[3], "~")}
	}
	return all
}

// Display gives the French words for a code of professions or specialties, as code^system or alone; empty when it is not known.
func Display(coded string) string {
	code, system, said := strings.Cut(coded, "^")
	for _, table := range []string{"profession", "specialty"} {
		if c, ok := codes[table][code]; ok && (!said || c.System == system) {
			return c.Display
		}
	}
	return ""
}

// Reason is what a message of the registration service is for.
type Reason string

// The reasons.
const (
	TestExistence Reason = "TEST_EXST"
	ConsultData   Reason = "CNSLT_DATA"
	Create        Reason = "CREA_RD"
	Reactivate    Reason = "REAC"
	ModifyData    Reason = "MODIF_DATA"
	Close         Reason = "FERM"
)

// The interactions.
const (
	askPatient   = "PRPA_IN201307UV02"
	tellPatient  = "PRPA_IN201308UV02"
	askAdd       = "PRPA_IN201311UV02"
	tellAdded    = "PRPA_IN201312UV02"
	refuseAdd    = "PRPA_IN201313UV02"
	askRevise    = "PRPA_IN201314UV02"
	tellRevised  = "PRPA_IN201315UV02"
	refuseRevise = "PRPA_IN201316UV02"
)

// reasons are those each interaction may have.
var reasons = map[string][]Reason{
	askPatient: {TestExistence, ConsultData},
	askAdd:     {Create, Reactivate},
	askRevise:  {ModifyData, Close},
}

// wrapper is the transmission wrapper of an interaction in the grammar's words.
const wrapper = ` @ITSVersion:=XML_1.0! ^ id:II creationTime:TS securityText:ST? versionCode:CS? interactionId:II profileId:II* processingCode:CS processingModeCode:CS acceptAckCode:CS sequenceNumber:INT? attachmentText:ED* receiver:Receiver+ respondTo:Open* sender:Sender attentionLine:Open* controlActProcess:`

const act = ` @classCode:=CACT! @moodCode:=EVN! ^ id:II* code:CE? text:ED? effectiveTime:IVL_TS? priorityCode:CE* reasonCode:CE languageCode:CE? overseer:Open* authorOrPerformer:Open* dataEnterer:Open* informationRecipient:Open* `

// grammar is what messages may hold. Authors are not read: who asks is known by his assertion.
var grammar = hl7v3.ParseGrammar(askPatient + wrapper + "Ask\n" + askAdd + wrapper + "Act\n" + askRevise + wrapper + "Act\n" +
	"Ask" + act + "reasonOf:Open* queryByParameter:PatientQuery\n" + "Act" + act + "subject:Subject reasonOf:ReasonOf*\n" + `
PatientQuery      ^ queryId:II statusCode:CS modifyCode:CS? responseElementGroupId:II* responseModalityCode:CS? responsePriorityCode:CS? parameterList:PatientParameters
PatientParameters ^ id:II? dataSource:Open* patientIdentifier:Identifier
Identifier        ^ value:II semanticsText:ST

Subject      @typeCode:=SUBJ! @contextConductionInd:=true,false ^ registrationRequest:Registration
Registration @classCode:=REG! @moodCode:=RQO,EVN! ^ id:II* statusCode:CS effectiveTime:IVL_TS? subject1:Subject1 author:Open? custodian:Open?
Subject1     @typeCode:=SBJ! ^ patient:Patient
Patient      @classCode:=PAT! ^ id:II+ addr:AD* telecom:TEL* statusCode:CS effectiveTime:IVL_TS? confidentialityCode:CE* veryImportantPersonCode:CE? patientPerson:Person providerOrganization:Open? subjectOf:SubjectOf*
Person       @classCode:=PSN! @determinerCode:=INSTANCE! ^ id:II* name:PN+ desc:ED? telecom:TEL* administrativeGenderCode:CE? birthTime:TS? deceasedInd:BL? deceasedTime:TS? multipleBirthInd:BL? multipleBirthOrderNumber:INT? organDonorInd:BL? addr:AD* maritalStatusCode:CE? asOtherIDs:Open* personalRelationship:Relationship* birthPlace:Open?
Relationship @classCode:=PRS! ^ id:II* code:CE addr:AD* telecom:TEL* statusCode:CE? effectiveTime:IVL_TS? relationshipHolder1:Holder
Holder       @classCode:=PSN! @determinerCode:=INSTANCE! ^ id:II* name:PN* telecom:TEL* administrativeGenderCode:CE? birthTime:TS? addr:AD*
SubjectOf    @typeCode:=SBJ! ^ administrativeObservation:Observation
Observation  @classCode:=OBS! @moodCode:=EVN! ^ id:II* code:CE text:ED? statusCode:CS? effectiveTime:IVL_TS? value:Value?
Value        xsi:BL,CE,CV,ST,TS,INT
BL           @value:=true,false
CV           @code:cs @codeSystem:uid @codeSystemName:st @codeSystemVersion:st @displayName:st
ReasonOf     @typeCode:=RSON! @contextConductionInd:=true,false ^ detectedIssueEvent:Issue
Issue        @classCode:=ALRT! @moodCode:=EVN! ^ id:II* code:CE text:ED? value:Value?
`)
