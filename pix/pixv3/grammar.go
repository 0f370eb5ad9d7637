package pixv3

import "github.com/passerelle-sante/passerelle/wire/hl7v3"

// queries are the shapes of the questions: PRPA_IN201309UV02 (ITI-45), PRPA_IN201305UV02 and QUQI_IN000003UV01 (ITI-47). What they take is valid by the
// official schemas, but for the inside of the elements of type Open, which nobody here reads.
var queries = hl7v3.ParseGrammar(`
PRPA_IN201309UV02 @ITSVersion:=XML_1.0! ^ id:II creationTime:TS securityText:ST? versionCode:CS? interactionId:II profileId:II* processingCode:CS processingModeCode:CS acceptAckCode:CS sequenceNumber:INT? attachmentText:ED* receiver:Receiver+ respondTo:Open* sender:Sender attentionLine:Open* controlActProcess:AskIdentifiers
PRPA_IN201305UV02 @ITSVersion:=XML_1.0! ^ id:II creationTime:TS securityText:ST? versionCode:CS? interactionId:II profileId:II* processingCode:CS processingModeCode:CS acceptAckCode:CS sequenceNumber:INT? attachmentText:ED* receiver:Receiver+ respondTo:Open* sender:Sender attentionLine:Open* controlActProcess:AskPersons
QUQI_IN000003UV01 @ITSVersion:=XML_1.0! ^ id:II creationTime:TS securityText:ST? versionCode:CS? interactionId:II profileId:II* processingCode:CS processingModeCode:CS acceptAckCode:CS attachmentText:ED* receiver:Receiver+ respondTo:Open* sender:Sender attentionLine:Open* acknowledgement:Open* controlActProcess:Continue

AskIdentifiers @classCode:=CACT! @moodCode:=EVN! ^ id:II* code:CE? text:ED? effectiveTime:IVL_TS? priorityCode:CE* reasonCode:CE* languageCode:CE? overseer:Open* authorOrPerformer:Author* dataEnterer:Open* informationRecipient:Open* reasonOf:Open* queryByParameter:IdentifierQuery
AskPersons     @classCode:=CACT! @moodCode:=EVN! ^ id:II* code:CE? text:ED? effectiveTime:IVL_TS? priorityCode:CE* reasonCode:CE* languageCode:CE? overseer:Open* authorOrPerformer:Author* dataEnterer:Open* informationRecipient:Open* reasonOf:Open* queryByParameter:PersonQuery
Continue       @classCode:=CACT! @moodCode:=EVN! ^ id:II* code:CE? text:ED? effectiveTime:IVL_TS? priorityCode:CE* reasonCode:CE* languageCode:CE? overseer:Open* authorOrPerformer:Author* dataEnterer:Open* informationRecipient:Open* reasonOf:Open* queryContinuation:QueryContinuation
Author         @typeCode:=AUT,PRF! @contextControlCode:=AN,AP,ON,OP ^ noteText:ED? time:IVL_TS? modeCode:CE? signatureCode:CE? signatureText:ED? assignedDevice|assignedPerson:AssignedDevice|Open
AssignedDevice @classCode:=ASSIGNED! ^ id:II* code:CE? addr:AD* telecom:TEL* effectiveTime:IVL_TS? certificateText:ED? assignedDevice:Open? representedOrganization:Open?

IdentifierQuery      ^ queryId:II statusCode:CS modifyCode:CS? responseElementGroupId:II* responsePriorityCode:CS? executionAndDeliveryTime:TS? parameterList:IdentifierParameters
IdentifierParameters ^ id:II? dataSource:Identifiers* patientIdentifier:Identifiers+
Identifiers          ^ value:II+ semanticsText:ST

PersonQuery        ^ queryId:II statusCode:CS modifyCode:CS? responseElementGroupId:II* responseModalityCode:CS? responsePriorityCode:CS? initialQuantity:INT? initialQuantityCode:CE? executionAndDeliveryTime:TS? matchCriterionList:MatchCriterionList? parameterList:PersonParameters sortControl:Open*
MatchCriterionList ^ id:II? matchAlgorithm:Match? matchWeight:Match? minimumDegreeMatch:Match?
Match              ^ value:ANY semanticsText:ST
PersonParameters   ^ id:II? livingSubjectAdministrativeGender:Codes* livingSubjectBirthPlaceAddress:Addresses* livingSubjectBirthPlaceName:Names* livingSubjectBirthTime:Times* livingSubjectDeceasedTime:Times* livingSubjectId:Identifiers* livingSubjectName:Names* mothersMaidenName:MaidenNames* otherIDsScopingOrganization:Identifiers* patientAddress:Addresses* patientStatusCode:Code* patientTelecom:Telecoms* principalCareProviderId:Identifiers* principalCareProvisionId:Identifiers*
Codes              ^ value:CE+ semanticsText:ST
Code               ^ value:CS semanticsText:ST
Addresses          ^ value:AD+ semanticsText:ST
Names              ^ value:EN+ semanticsText:ST
MaidenNames        ^ value:PN+ semanticsText:ST
Times              ^ value:IVL_TS+ semanticsText:ST
Telecoms           ^ value:TEL+ semanticsText:ST

QueryContinuation  ^ queryId:II? startResultNumber:INT? continuationQuantity:INT? statusCode:CS
`)
