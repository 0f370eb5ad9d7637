package sim_test

import (
	"slices"
	"strings"
)

// goodAnswers is what is told of the answers of servers without a fault, to the messages of their partners in turn.
var goodAnswers = map[string]string{
	"registry": "200 Success | 200 Success", "repository": "200 Success | 200 Success", "pix-manager-v3": "200 CA | 200 AA", "pix-manager": "block AA | block AA",
	"audit-repository": "2 messages", "mailbox": "220 250 354 250, 1 messages",
}

// soapFaults are the rows of the faults that every server of SOAP has, by what it says without them.
func soapFaults(first, second string) []onTheWire {
	both := func(told string) string { return told + " | " + told }
	answers := func(rules string) string {
		return strings.TrimSpace("200 "+first+" "+rules) + " | " + strings.TrimSpace("200 "+second+" "+rules)
	}
	return []onTheWire{
		{fault: "drops-connection", told: both("nothing")},
		{fault: "hangs", told: both("nothing"), late: true},
		{fault: "half-answer", told: both("200 cut")},
		{fault: "slow", told: answers(""), late: true},
		{fault: "wrong-length", told: both("200 lacks 100 bytes")},
		{fault: "html-instead", told: both("200 SOAP-ENVELOPE SOAP-TYPE"), form: "<html>"},
		{fault: "empty-answer", told: both("200 XML-FORM"), form: "Content-Length: 0\r\n"},
		{fault: "http-500-empty", told: both("500 XML-FORM"), form: "Content-Length: 0\r\n"},
		{fault: "http-503", told: both("503 SOAP-TYPE XML-FORM"), form: "Retry-After: 30\r\n"},
		{fault: "http-401", told: both("401 SOAP-TYPE XML-FORM"), form: "Www-Authenticate: Basic "},
		{fault: "http-redirect", told: both("302 SOAP-TYPE XML-FORM"), form: "Location: /elsewhere\r\n"},
		{fault: "wrong-content-type", told: answers("SOAP-TYPE"), form: "Content-Type: text/plain\r\n"},
		{fault: "gzip-unasked", told: both("200"), form: "Content-Encoding: gzip\r\n"},
		{fault: "bom", told: answers(""), form: "\xef\xbb\xbf<\\?xml"},
		{fault: "wrong-charset", told: answers("XML-FORM"), form: `<x:remark xmlns:x="urn:sim">[^<]</x:remark>`},
		{fault: "malformed-xml", told: answers("XML-FORM"), form: "!</env:Body>"},
		{fault: "doctype", told: answers("XML-FORM"), form: "<!DOCTYPE x "},
		{fault: "soap-11", told: answers("SOAP-ENVELOPE SOAP-TYPE"), form: `"http://schemas.xmlsoap.org/soap/envelope/"`},
		{fault: "two-bodies", told: answers("SOAP-BODY")},
		{fault: "no-relates-to", told: answers("WSA-RELATES")},
		{fault: "wrong-relates-to", told: answers(""), form: "!<wsa:RelatesTo>{id}<"},
		{fault: "no-action", told: answers("WSA-ACTION"), form: "!<wsa:Action"},
		{fault: "two-actions", told: answers("WSA-ACTION"), form: "<wsa:Action.*<wsa:Action"},
		{fault: "wrong-action", told: answers("WSA-BODY")},
		{fault: "unknown-header", told: answers(""), form: `<x:Strange xmlns:x="urn:sim" env:mustUnderstand="true">`},
		{fault: "fault-sender", told: both("400 Sender")},
		{fault: "fault-receiver", told: both("500 Receiver")},
		{fault: "fault-with-200", told: both("200 Receiver SOAP-FAULT-STATUS")},
		{fault: "stack-trace", told: both("500 Receiver"), form: "NullPointerException"},
		{fault: "wrong-body", told: both("200"), form: `<x:Answer xmlns:x="urn:sim"/>`},
	}
}

// xdsFaults are those of registries and repositories beside.
var xdsFaults = []onTheWire{
	{fault: "wrong-status", told: "200 Fine RSP-STATUS | 200 Fine RSP-STATUS"},
	{fault: "answers-failure-without-error", told: "200 Failure RSP-NO-ERROR | 200 Failure RSP-FAILURE-OBJECTS RSP-NO-ERROR"},
	{fault: "failure", told: "200 Failure | 200 Failure", form: `errorCode="XDSRegistryError"`},
	{fault: "busy", told: "200 Failure | 200 Failure", form: `errorCode="XDSRegistryBusy"`},
	{fault: "unknown-error-code", told: "200 Failure RSP-CODE-UNKNOWN | 200 Failure RSP-CODE-UNKNOWN"},
	{fault: "error-without-context", told: "200 Failure RSP-CONTEXT | 200 Failure RSP-CONTEXT"},
	{fault: "unknown-severity", told: "200 Failure RSP-SEVERITY | 200 Failure RSP-SEVERITY", form: `:Grave"`},
	{fault: "short-severity", told: "200 Failure RSP-SEVERITY | 200 Failure RSP-SEVERITY", form: `severity="Error"`},
	{fault: "success-with-error", told: "200 Success RSP-ERROR | 200 Success RSP-ERROR"},
	{fault: "warning", told: "200 Success | 200 Success", form: `errorCode="XDSExtraMetadataNotSaved".*:Warning"`},
	{fault: "partial-success-without-error", told: "200 PartialSuccess RSP-NO-ERROR RSP-PARTIAL | 200 PartialSuccess RSP-NO-ERROR"},
	{fault: "empty-error-list", told: "200 Failure RSP-EMPTY RSP-NO-ERROR | 200 Failure RSP-EMPTY RSP-NO-ERROR"},
}

var serverFaults = map[string][]onTheWire{
	"registry": slices.Concat(soapFaults("Success", "Success"), xdsFaults, []onTheWire{
		{fault: "duplicate-objects", told: "200 Success | 200 Success RSP-TWICE"},
		{fault: "lost-attribute", told: "200 Success | 200 Success SUB-MISSING", form: "!f0306f51-975f-434e-a61c-c59651d33983"},
		{fault: "empty-though-held", told: "200 Success | 200 Success", form: "!<rim:ExtrinsicObject"},
		{fault: "references-instead", told: "200 Success | 200 Success", form: "<rim:ObjectRef id="},
		{fault: "no-logical-id", told: "200 Success | 200 Success RSP-LID"},
		{fault: "no-version", told: "200 Success | 200 Success RSP-VERSION"},
		{fault: "no-availability", told: "200 Success | 200 Success RSP-AVAILABILITY"},
		{fault: "deprecated-objects", told: "200 Success | 200 Success", form: "StatusType:Deprecated"},
		{fault: "another-patient", told: "200 Success | 200 Success", form: `value="ANOTHER\^\^\^`},
		{fault: "dangling-association", told: "200 Success | 200 Success", form: "<rim:Association "},
		{fault: "many-objects", told: "200 Success | 200 Success FILE-MORE RSP-TWICE"},
	}),
	"repository": slices.Concat(soapFaults("Success", "Success"), xdsFaults, []onTheWire{
		{fault: "wrong-content-type", told: "200 Success SOAP-TYPE | 200 Success SOAP-TYPE XML-FORM"}, // the package is said to be text
		{fault: "soap-11", told: "200 Success SOAP-ENVELOPE SOAP-TYPE | 200 Success SOAP-ENVELOPE"},
		{fault: "wrong-body", told: "200 | 200 MTOM-UNUSED"},
		{fault: "wrong-bytes", told: "200 Success | 200 Success", form: "\r\n\r\n\\?"},
		{fault: "truncated-document", told: "200 Success | 200 Success", form: `!médicale</essai>\s*--MIMEBoundary-sim--`},
		{fault: "wrong-content-id", told: "200 Success | 200 Success MTOM-PART MTOM-UNUSED"},
		{fault: "base64-part", told: "200 Success | 200 Success MTOM-ENCODING"},
		{fault: "missing-part", told: "200 Success | 200 Success MTOM-PART"},
		{fault: "mtom-without-start", told: "200 Success | 200 Success", form: "! start="},
		{fault: "mtom-wrong-start", told: "200 Success | 200 Success MTOM-START"},
		{fault: "no-closing-boundary", told: "200 Success | 200 Success MTOM-END MTOM-PART"},
		{fault: "no-package", told: "200 Success | 200 Success MTOM-DUE MTOM-PART"},
		{fault: "wrong-mime-type", told: "200 Success | 200 Success", form: "<xdsb:mimeType>text/plain<"},
		{fault: "wrong-document", told: "200 Success | 200 Success", form: "<xdsb:DocumentUniqueId>1.2.250.1.999.9.0<"},
		{fault: "document-twice", told: "200 Success | 200 Success RSP-DOC-TWICE"},
		{fault: "no-content", told: "200 Success | 200 Success MTOM-UNUSED RSP-DOC-CONTENT"},
		{fault: "success-without-document", told: "200 Success | 200 Success MTOM-UNUSED RSP-DOC-NONE"},
		{fault: "forgets", told: "200 Success | 200 Failure", form: `errorCode="XDSDocumentUniqueIdError"`},
		{fault: "never-registers", told: "200 Success | 200 Success", form: "registered: 0"},
	}),
	"pix-manager-v3": slices.Concat(soapFaults("CA", "AA"), []onTheWire{
		{fault: "no-acknowledgement", told: "200 V3-ACKNOWLEDGEMENT | 200 V3-ACKNOWLEDGEMENT"},
		{fault: "ack-for-another-message", told: "200 CA | 200 AA", form: `<targetMessage><id root="[0-9.]+" extension="ANOTHER"/>`},
		{fault: "nak", told: "200 AE | 200 AE"},
		{fault: "unknown-ack-code", told: "200 XX V3-ACK-CODE | 200 XX V3-ACK-CODE"},
	}),
	"pix-manager": {
		{fault: "no-ack", told: "nothing | nothing"},
		{fault: "late-ack", told: "block AA | block AA", late: true},
		{fault: "hangs", told: "nothing | nothing", late: true},
		{fault: "closes", told: "nothing | nothing"},
		{fault: "ack-for-another-message", told: "block AA | block AA", form: `MSA\|AA\|ANOTHER\r`},
		{fault: "nak", told: "block AE | block AE"},
		{fault: "reject", told: "block AR | block AR"},
		{fault: "commit-accept", told: "block CA | block CA"},
		{fault: "unknown-ack-code", told: "block XX ER7-ACK | block XX ER7-ACK"},
		{fault: "wrong-charset", told: "block AA ER7-BYTES | block AA ER7-BYTES"},
		{fault: "line-feeds", told: "block AA ER7-ENDS | block AA ER7-ENDS"},
		{fault: "split-frame", told: "block AA | block AA", seen: "TestSplitFrame"},
		{fault: "half-answer", told: "unended ER7-REQUIRED ER7-SEGMENTS | unended AA ER7-SEGMENTS"},
		{fault: "no-frame", told: "bare AA | bare AA"},
		{fault: "no-end", told: "unended AA | unended AA"},
		{fault: "no-carriage-return", told: "unended AA ER7-NAME | unended AA ER7-NAME", form: "\x1c\x0b"},
		{fault: "two-acks", told: "block AA, block AA | block AA, block AA"},
		{fault: "garbage", told: "block ER7-MSH | block ER7-MSH", form: "\x0bHTTP/1.1 400"},
		{fault: "another-query-tag", told: "block AA | block AA", form: `QAK\|ANOTHER\|OK\r`},
		{fault: "unasked-identifiers", told: "block AA | block AA", form: `~X1\^\^\^&1.2.250.1.999.9.99&ISO`},
		{fault: "identifiers-without-authority", told: "block AA | block AA ER7-AUTHORITY"},
	},
	"audit-repository": {
		{fault: "closes", told: "0 messages"},
		{fault: "never-reads", told: "0 messages", late: true},
		{fault: "closes-after-each", told: "1 messages"},
		{fault: "closes-within-a-message", told: "0 messages"},
		{fault: "talks-back", told: "2 messages", form: "(<85>1 - - - - - - thank you\n){2}"},
		{fault: "slow", told: "2 messages", late: true},
	},
	"mailbox": {
		{fault: "hangs", told: "nothing, 0 messages", late: true},
		{fault: "busy", told: "421, 0 messages"},
		{fault: "unknown-ehlo", told: "220 502 250 354 250, 1 messages"},
		{fault: "no-starttls", told: "220 250 354 250, 1 messages", form: "!250-STARTTLS\r\n"},
		{fault: "refuses-sender", told: "220 250 550 503 502, 0 messages"},
		{fault: "refuses-recipient", told: "220 250 550 503 502, 0 messages"},
		{fault: "defers-recipient", told: "220 250 451 503 502, 0 messages"},
		{fault: "mailbox-full", told: "220 250 552 503 502, 0 messages"},
		{fault: "refuses-data", told: "220 250 354 554, 1 messages"},
		{fault: "defers-data", told: "220 250 354 451, 1 messages"},
		{fault: "too-large", told: "220 250 354 552, 1 messages"},
		{fault: "nonsense", told: "220 250 354 wha, 1 messages"},
		{fault: "drops-within-data", told: "220 250 354, 0 messages"},
		{fault: "drops-after-data", told: "220 250 354, 1 messages"},
	},
}

// goodMessage is what is told of a message without a fault; of most clients nothing.
var goodMessage = map[string]string{"audit-source": "audit", "mail-sender": "xdm"}

// callerFaults are the rows of the faults that every client of SOAP has.
var callerFaults = []onTheWire{
	{fault: "no-message-id", told: "WSA-ID", form: "!<wsa:MessageID>"},
	{fault: "no-action", told: "WSA-ACTION", form: "!<wsa:Action"},
	{fault: "soap-11", told: "SOAP-ENVELOPE", form: `"http://schemas.xmlsoap.org/soap/envelope/"`},
	{fault: "malformed-xml", told: "XML-FORM", form: "!</env:Body>"},
	{fault: "wrong-content-type", told: "SOAP-TYPE", form: "Content-Type: text/plain"},
}

// xdsCallerFaults are those of clients of XDS beside.
var xdsCallerFaults = []onTheWire{
	{fault: "wrong-action", told: "WSA-BODY WSA-TYPE", form: "x</wsa:Action>"},
	{fault: "bom", form: "\xef\xbb\xbf<\\?xml"},
}

// submitterFaults are those of who submits.
var submitterFaults = []onTheWire{
	{fault: "no-type-code", told: "SUB-MISSING", form: "!f0306f51-975f-434e-a61c-c59651d33983"},
	{fault: "two-class-codes", told: "SUB-REPEATED", form: "41a5887f-8865-4c09-adf7-e362475b143a.*41a5887f-8865-4c09-adf7-e362475b143a"},
	{fault: "bad-date", told: "SUB-DTM", form: ">20250230<"},
	{fault: "bad-oid", told: "SUB-UNIQUEID", form: `value="1.02.x"`},
	{fault: "unknown-slot", told: "SUB-SLOT-NAME", form: `<rim:Slot name="Colour"`},
	{fault: "another-patient", told: "SUB-PATIENT", form: `value="ANOTHER\^\^\^`},
	{fault: "no-patient", told: "SUB-MISSING", form: "!58a6f841-87b3-4a3e-92fd-a8ffeff98427"},
	{fault: "no-source-id", told: "SUB-MISSING", form: "!554ac39e-e3fe-47fe-b233-965d2a147832"},
	{fault: "unknown-association", told: "SUB-ASSOC-TYPE", form: `associationType="urn:sim:Likes"`},
	{fault: "replaces-nothing", form: `associationType="urn:ihe:iti:2007:AssociationType:RPLC"[^>]*targetObject="urn:uuid:00000000-0000-4000-8000-000000000001"`},
	{fault: "twice-the-same", told: "SUB-UNIQUEID-TWICE"},
}

// er7Faults are those of clients of HL7 v2.
var er7Faults = []onTheWire{
	{fault: "no-event", told: "ER7-EVENT ER7-REQUIRED"},
	{fault: "no-control-id", told: "ER7-REQUIRED", form: `\|\|T\|2.5\|`},
	{fault: "unknown-version", told: "ER7-VERSION"},
	{fault: "unknown-charset", told: "ER7-CHARSET"},
	{fault: "wrong-charset", told: "ER7-BYTES"},
	{fault: "line-feeds", told: "ER7-ENDS", form: "!\r[A-Z]"},
}

var clientFaults = map[string][]onTheWire{
	"source": slices.Concat(callerFaults, xdsCallerFaults, submitterFaults, []onTheWire{
		{fault: "wrong-content-type", told: "SOAP-TYPE XML-FORM", form: "Content-Type: text/plain"},
		{fault: "wrong-hash", told: "SUB-DOC-HASH"},
		{fault: "wrong-size", told: "SUB-DOC-SIZE"},
		{fault: "entry-without-document", told: "SUB-DOC-MISSING"},
		{fault: "document-without-entry", told: "SUB-DOC-ENTRY"},
		{fault: "inline-document", form: `<xdsb:Document id="[^"]*">[A-Za-z0-9+/=]+</xdsb:Document>`},
		{fault: "missing-part", told: "MTOM-PART"},
		{fault: "part-twice", told: "MTOM-CID-TWICE"},
		{fault: "base64-part", told: "MTOM-ENCODING"},
		{fault: "mtom-without-start", form: "! start="},
		{fault: "no-closing-boundary", told: "MTOM-END"},
		{fault: "no-package", told: "MTOM-DUE MTOM-PART"},
	}),
	"registrar": slices.Concat(callerFaults, xdsCallerFaults, submitterFaults),
	"consumer": slices.Concat(callerFaults, xdsCallerFaults, []onTheWire{
		{fault: "unknown-query", told: "QRY-ID"},
		{fault: "no-status-parameter", told: "QRY-MISSING QRY-PARAM"},
		{fault: "unquoted-parameter", told: "QRY-QUOTES"},
		{fault: "unknown-return-type", told: "QRY-RETURN"},
	}),
	"pix-source-v3":   slices.Concat(callerFaults, []onTheWire{{fault: "no-patient-id", told: "V3-PATIENT-ID"}}),
	"pix-consumer-v3": callerFaults,
	"pix-source": slices.Concat(er7Faults, []onTheWire{
		{fault: "no-identifier", told: "ER7-PID3"},
		{fault: "no-authority", told: "ER7-AUTHORITY"},
		{fault: "no-evn", told: "ER7-SEGMENTS", form: "!\rEVN"},
		{fault: "merge-without-mrg", told: "ER7-SEGMENTS", form: "ADT\\^A40"},
	}),
	"pix-consumer": slices.Concat(er7Faults, []onTheWire{{fault: "no-query-tag", told: "ER7-QPD"}}),
	"audit-source": {
		{fault: "no-length", form: "\\A<85>1 "},
		{fault: "wrong-length", told: ""},
		{fault: "no-header", told: "audit AUD-SYSLOG", form: "\\A[0-9]+ <\\?xml"},
		{fault: "malformed-xml", told: "audit XML-FORM"},
		{fault: "no-event", told: "audit AUD-ACTION AUD-EVENT AUD-OUTCOME AUD-TIME"},
		{fault: "twice-the-same", told: "audit | audit"},
	},
	"mail-sender": {
		{fault: "wrong-hash", told: "xdm XDM-HASH"},
		{fault: "no-metadata", told: "xdm XDM-METADATA"},
		{fault: "no-document", told: "xdm XDM-FILE"},
		{fault: "not-an-archive", told: "xdm XDM-ZIP", form: "filename=\"IHE_XDM.ZIP\"\r\n\r\ndGhpcyBpcyBubyBhcmNoaXZl\r\n"},
		{fault: "no-attachment", told: "xdm XDM-ZIP", form: "!application/zip"},
		{fault: "unsafe-name", told: "xdm XDM-PATH"},
		{fault: "unfinished-message", form: "!\r\n\\.\r\n"},
	},
}
