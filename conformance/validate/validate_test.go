package validate_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/conformance/sim"
	"github.com/passerelle-sante/passerelle/conformance/validate"
	"github.com/passerelle-sante/passerelle/internal/oracle"
)

// samples are messages without a fault, as the simulators send and answer them.
func samples(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{}
	one := func(server, client, scheme string) {
		s, err := sim.Start(sim.Config{Actor: server})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		more := s.Wait()
		sent, err := sim.Send(t.Context(), sim.Client{Actor: client, To: scheme + "://" + s.Address()})
		if err != nil {
			t.Fatal(err)
		}
		<-more
		out[client] = string(s.Received()[0].Message)
		out[client+" answer"] = string(sent[0].Response)
	}
	one("repository", "source", "http")
	one("registry", "registrar", "http")
	one("registry", "consumer", "http")
	one("pix-manager", "pix-source", "tcp")
	one("pix-manager", "pix-consumer", "tcp")
	one("pix-manager-v3", "pix-source-v3", "http")
	one("pix-manager-v3", "pix-consumer-v3", "http")
	one("audit-repository", "audit-source", "tcp")
	one("mailbox", "mail-sender", "smtp")
	delete(out, "audit-source answer")
	delete(out, "mail-sender answer")
	return out
}

// TestGood: what the simulators write has no error.
func TestGood(t *testing.T) {
	for name, message := range samples(t) {
		found, err := validate.Judge("auto", []byte(message), validate.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, f := range found {
			if f.Severity == validate.Error {
				t.Errorf("%s%s", name, f)
			}
		}
	}
}

// TestOracles: real messages of others have no error but those listed.
func TestOracles(t *testing.T) {
	known := map[string]string{"start.xml": "AUD-USER", "ITI-41_mtom_axis2.http": "SUB-CX"}
	for _, folder := range []string{"samples/audit", "samples/hl7v3", "samples/xds"} {
		for name, b := range oracle.Files(t, folder, "*") {
			if !strings.HasSuffix(name, ".xml") && !strings.HasSuffix(name, "axis2.http") || strings.Contains(name, "SubmitObjects") || strings.Contains(name, "iti18") {
				continue // of another profile than XDS.b, or broken by whoever published it
			}
			found, err := validate.Judge("auto", b, validate.Options{})
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for _, f := range found {
				if f.Severity == validate.Error && known[name] != f.Rule {
					t.Errorf("%s%s", name, f)
				}
			}
		}
	}
}

// TestRules: a message with one thing wrong gets the finding that is due, at its place.
func TestRules(t *testing.T) {
	all := samples(t)
	covered := map[string]bool{}
	for _, c := range []struct{ sample, old, new, rule, location string }{
		{"registrar", "20250314150926", "20250230", "SUB-DTM", "DocumentEntry[1].creationTime"},
		{"registrar", `value="1.2.250.1.999.9.7"`, `value="1.02"`, "SUB-OID", "SubmissionSet[1].sourceId"},
		{"registrar", ">fr-FR<", ">français<", "SUB-LANGUAGE", "DocumentEntry[1].languageCode"},
		{"registrar", `mimeType="text/xml"`, `mimeType="text"`, "SUB-MIME", "DocumentEntry[1].mimeType"},
		{"registrar", `objectType="urn:uuid:7edca82f`, `objectType="urn:uuid:7edca82e`, "SUB-OBJECTTYPE", "DocumentEntry[1].objectType"},
		{"registrar", `name="languageCode"`, `name="language"`, "SUB-SLOT-NAME", "DocumentEntry[1]"},
		{"registrar", `name="languageCode"`, `name="hash"`, "SUB-SLOT-TWICE", "DocumentEntry[1].hash"},
		{"registrar", `name="languageCode"`, `name="urn:x"`, "SUB-MISSING", "DocumentEntry[1].languageCode"},
		{"registrar", "<rim:Value>fr-FR</rim:Value>", "<rim:Value>fr</rim:Value><rim:Value>en</rim:Value>", "SUB-SLOT-VALUES", "DocumentEntry[1].languageCode"},
		{"registrar", "<rim:Value>fr-FR</rim:Value>", "", "SUB-SLOT-EMPTY", "DocumentEntry[1].languageCode"},
		{"registrar", ">fr-FR<", ">" + strings.Repeat("x", 257) + "<", "SUB-SLOT-LONG", "DocumentEntry[1].languageCode"},
		{"registrar", "urn:uuid:41a5887f", "urn:uuid:41a5887e", "SUB-CLASS-SCHEME", "DocumentEntry[1]"},
		{"registrar", `nodeRepresentation="10"`, `nodeRepresentation=" "`, "SUB-CLASS-CODE", "DocumentEntry[1].classCode"},
		{"registrar", `name="codingScheme"`, `name="urn:scheme"`, "SUB-CLASS-CODING", "SubmissionSet[1].contentTypeCode"},
		{"registrar", `value="Compte rendu"`, `value=""`, "SUB-CLASS-NAME", "DocumentEntry[1].classCode"},
		{"registrar", "urn:uuid:2e82c1f6", "urn:uuid:2e82c1f7", "SUB-IDENT-SCHEME", "DocumentEntry[1]"},
		{"registrar", "XDSDocumentEntry.uniqueId", "uniqueId", "SUB-IDENT-NAME", "DocumentEntry[1].uniqueId"},
		{"registrar", "IPP0001^^^&amp;1.2.250", "IPP0001^^^1.2.250", "SUB-CX", "DocumentEntry[1].sourcePatientId"},
		{"registrar", "801234567890^ESSAI-DURANT^", "^^", "SUB-XCN", "SubmissionSet[1].author.authorPerson"},
		{"registrar", "Laboratoire d&#39;essai^", "^", "SUB-XON", "DocumentEntry[1].author.authorInstitution"},
		{"registrar", "AssociationType:HasMember", "AssociationType:Likes", "SUB-ASSOC-TYPE", "Association[1]"},
		{"registrar", ">Original<", ">Reference<", "SUB-ASSOC-STATUS", "Association[1]"},
		{"registrar", `targetObject="urn:uuid:`, `targetObject="x`, "SUB-ASSOC-DANGLING", "Association[1].targetObject"},
		{"registrar", `targetObject="urn:uuid:`, `targetObject="x`, "SUB-MEMBER", "DocumentEntry[1]"},
		{"registrar", "urn:uuid:a54d6aa5-d40d", "urn:uuid:a54d6aa6-d40d", "SUB-SET", "SubmissionSet"},
		{"registrar", "<rim:ValueList>", "<rim:Values>", "XML-FORM", ""},
		{"registrar", "2003/05/soap-envelope", "2003/06/soap-envelope", "SOAP-ENVELOPE", "Envelope"},
		{"registrar", "application/soap+xml", "text/xml", "SOAP-TYPE", "Content-Type"},
		{"registrar", "charset=UTF-8", "charset=latin1", "SOAP-CHARSET", "Content-Type"},
		{"registrar", "Content-Length: ", "Content-Length: 1", "SOAP-LENGTH", "Content-Length"},
		{"registrar", `?><env:Envelope`, `?><?x y?><env:Envelope`, "SOAP-PI", ""},
		{"registrar", `<env:Body>`, `<x/><env:Body>`, "SOAP-CHILD", "Envelope"},
		{"registrar", `</env:Body>`, `<x/></env:Body>`, "SOAP-BODY", "Body"},
		{"registrar", "wsa:MessageID", "wsa:ID", "WSA-ID", "wsa:MessageID"},
		{"registrar", `<wsa:Action env:mustUnderstand="true">`, `<wsa:Action>`, "WSA-UNDERSTAND", "wsa:Action"},
		{"registrar", "Set-b</wsa:Action>", "Set-c</wsa:Action>", "WSA-BODY", "wsa:Action"},
		{"registrar", "Set-b</wsa:Action>", "Set-c</wsa:Action>", "WSA-TYPE", "Content-Type"},
		{"registrar", "</env:Header>", "<wsa:ReplyTo/></env:Header>", "WSA-ADDRESS", "wsa:ReplyTo"},
		{"registrar", "</env:Header>", "<wsa:To>urn:x</wsa:To></env:Header>", "WSA-TWICE", "wsa:To"},
		{"registrar", "wsa:Action", "wsa:Act", "WSA-ACTION", "wsa:Action"},
		{"source", `type="application/xop+xml"`, `type="text/xml"`, "MTOM-TYPE", "Content-Type"},
		{"source", `start-info="application/soap+xml"`, `start-info="text/xml"`, "MTOM-STARTINFO", "Content-Type"},
		{"source", `start="<root@suite>"`, `start="<other@suite>"`, "MTOM-START", "start"},
		{"source", `type="application/soap+xml"` + "\r\n", "\r\n", "MTOM-ROOT", "part 1: Content-Type"},
		{"source", "Content-ID: <Doc@suite>", "Content-ID: Doc@suite", "MTOM-CID", "part 2"},
		{"source", "Content-Transfer-Encoding: binary\r\nContent-ID: <Doc", "Content-Transfer-Encoding: 8bit\r\nContent-ID: <Doc", "MTOM-ENCODING", "part 2"},
		{"source", `href="cid:Doc@suite"`, `href="Doc@suite"`, "MTOM-HREF", "xop:Include"},
		{"source", `href="cid:Doc@suite"`, `href="cid:Other@suite"`, "MTOM-PART", "xop:Include"},
		{"source", `href="cid:Doc@suite"`, `href="cid:Other@suite"`, "MTOM-UNUSED", "part"},
		{"source", "--\r\n", "", "MTOM-END", "boundary"},
		{"source", `<xdsb:Document id="urn:uuid:`, `<xdsb:Document id="x`, "SUB-DOC-ENTRY", "Document[1]"},
		{"source", `<xdsb:Document id="urn:uuid:`, `<xdsb:Document id="x`, "SUB-DOC-MISSING", "DocumentEntry[1]"},
		{"consumer", `returnType="LeafClass"`, `returnType="All"`, "QRY-RETURN", "ResponseOption"},
		{"consumer", "urn:uuid:14d4debf", "urn:uuid:14d4debe", "QRY-ID", "AdhocQuery.id"},
		{"consumer", "$XDSDocumentEntryStatus", "$XDSStatus", "QRY-MISSING", "$XDSDocumentEntryStatus"},
		{"consumer", "$XDSDocumentEntryStatus", "$XDSStatus", "QRY-PARAM", "FindDocuments"},
		{"consumer", "$XDSDocumentEntryStatus", "$XDSDocumentEntryPatientId", "QRY-TWICE", "$XDSDocumentEntryPatientId"},
		{"consumer", "(&#39;urn", "&#39;urn", "QRY-LIST", "$XDSDocumentEntryStatus"},
		{"consumer", "Approved&#39;)", "Approved)", "QRY-QUOTES", "$XDSDocumentEntryStatus"},
		{"consumer", "Approved&#39;)", "Best&#39;)", "QRY-STATUS", "$XDSDocumentEntryStatus"},
		{"consumer", "&amp;ISO&#39;", "&#39;", "QRY-PATIENT", "$XDSDocumentEntryPatientId"},
		{"registrar answer", `:Success"`, `:Fine"`, "RSP-STATUS", "status"},
		{"registrar answer", `:Success"`, `:Failure"`, "RSP-NO-ERROR", "status"},
		{"registrar answer", "wsa:RelatesTo", "wsa:Relates", "WSA-RELATES", "wsa:RelatesTo"},
		{"registrar answer", "200 OK", "202 Accepted", "SOAP-STATUS", ""},
		{"pix-source", "|2.5|", "|9.9|", "ER7-VERSION", "MSH-12"},
		{"pix-source", "ADT_A01", "ADT_A05", "ER7-STRUCTURE", "MSH-9.3"},
		{"pix-source", "ADT^A04", "ADT^A99", "ER7-EVENT", "MSH-9"},
		{"pix-source", "|T|2.5", "|X|2.5", "ER7-PROCESSING", "MSH-11"},
		{"pix-source", "UNICODE UTF-8", "EBCDIC", "ER7-CHARSET", "MSH-18"},
		{"pix-source", "ESSAI", "ESSA\xcf", "ER7-BYTES", "MSH-18"},
		{"pix-source", "PV1||N\r", "", "ER7-SEGMENTS", "end"},
		{"pix-source", "PV1||N", "MRG||N", "ER7-SEGMENTS", "MRG"},
		{"pix-source", "SIM0001", "", "ER7-PID3", "PID-3"},
		{"pix-source", "^^^&1.2.250.1.213.1.4.10&ISO", "^^^&x&ISO", "ER7-AUTHORITY", "PID-3"},
		{"pix-source", "ESSAI^ALIX^^^^^L", "", "ER7-PID5", "PID-5"},
		{"pix-source", "|F\r", "|X\r", "ER7-SEX", "PID-8"},
		{"pix-source", "19700101", "19701301", "ER7-BIRTH", "PID-7"},
		{"pix-source", "PV1||N", "PV1||", "ER7-PV1", "PV1-2"},
		{"pix-source", "EVN||", "EVN|A01|", "ER7-EVN", "EVN-1"},
		{"pix-source", "\r", "\n", "ER7-ENDS", ""},
		{"pix-source", "PV1", "pv1", "ER7-NAME", "segment 4"},
		{"pix-source", "|^~\\&", "|^^\\&", "ER7-DELIMITERS", "MSH-2"},
		{"pix-consumer", "QPD|IHE PIX Query", "QPD|", "ER7-QPD", "QPD"},
		{"pix-consumer", "RCP|I", "RCP|D", "ER7-RCP", "RCP-1"},
		{"pix-source answer", "MSA|AA", "MSA|XX", "ER7-ACK", "MSA-1"},
		{"pix-source answer", "MSA|AA", "MSA|AE", "ER7-ERR", "ERR"},
		{"pix-source-v3", `ITSVersion="XML_1.0"`, `ITSVersion="2"`, "V3-ITS", "ITSVersion"},
		{"pix-source-v3", `<processingCode code="T"/>`, "", "V3-PROCESSING", "processingCode"},
		{"pix-source-v3", `<acceptAckCode code="AL"/>`, "", "V3-ACCEPT", "acceptAckCode"},
		{"pix-source-v3", "<receiver ", "<other ", "XML-FORM", ""},
		{"pix-source-v3", `root="1.2.250.1.999.9.2"`, `root="x"`, "V3-RECEIVER", "receiver"},
		{"pix-source-v3", `extension="SIM0001"`, "", "V3-PATIENT-ID", "patient.id"},
		{"pix-source-v3", `root="1.2.250.1.999.9.3"`, `root="x"`, "V3-CUSTODIAN", "custodian"},
		{"pix-source-v3", `value="19700101"`, `value="19701301"`, "V3-BIRTH", "birthTime"},
		{"pix-source-v3", `administrativeGenderCode code="F"`, `administrativeGenderCode code="X"`, "V3-SEX", "administrativeGenderCode"},
		{"pix-source-v3", `moodCode="EVN"`, `moodCode="X"`, "V3-MOOD", "controlActProcess"},
		{"pix-consumer-v3", `<statusCode code="new"/>`, "", "V3-QUERY-STATUS", "statusCode"},
		{"pix-consumer-v3", `extension="SIM0001"`, "", "V3-QUERY-PATIENT", "patientIdentifier"},
		{"pix-source-v3 answer", `typeCode code="CA"`, `typeCode code="XX"`, "V3-ACK-CODE", "acknowledgement"},
		{"pix-source-v3 answer", "targetMessage", "target", "V3-ACK-TARGET", "targetMessage"},
		{"audit-source", `csd-code="110112"`, `csd-code="110106"`, "AUD-EVENT-ID", "EventID"},
		{"audit-source", `EventActionCode="E"`, `EventActionCode="R"`, "AUD-EVENT-ACTION", "EventActionCode"},
		{"audit-source", `EventActionCode="E"`, `EventActionCode="X"`, "AUD-ACTION", "EventActionCode"},
		{"audit-source", `EventOutcomeIndicator="0"`, `EventOutcomeIndicator="1"`, "AUD-OUTCOME", "EventOutcomeIndicator"},
		{"audit-source", `EventDateTime="2`, `EventDateTime="x`, "AUD-TIME", "EventDateTime"},
		{"audit-source", `"DCM" originalText="Query"`, `"X" originalText="Query"`, "AUD-EVENT", "EventID"},
		{"audit-source", "110153", "110150", "AUD-FROM", "ActiveParticipant"},
		{"audit-source", "110152", "110150", "AUD-TO", "ActiveParticipant"},
		{"audit-source", `UserIsRequestor="true"`, `UserIsRequestor="yes"`, "AUD-REQUESTOR", "ActiveParticipant[1].UserIsRequestor"},
		{"audit-source", `NetworkAccessPointTypeCode="2"`, `NetworkAccessPointTypeCode="9"`, "AUD-NETWORK", "ActiveParticipant[1].NetworkAccessPointTypeCode"},
		{"audit-source", `AuditSourceID="sim"`, "", "AUD-SOURCE", "AuditSourceIdentification"},
		{"audit-source", `TypeCodeRole="24"`, `TypeCodeRole="3"`, "AUD-QUERY", "ParticipantObjectIdentification"},
		{"audit-source", "IHE+RFC-3881", "X", "AUD-MSGID", "MSGID"},
		{"audit-source", "<85>1 ", "<85>2 ", "AUD-SYSLOG", "header"},
		{"audit-source", "<ParticipantObjectQuery>", "<ParticipantObjectQuery>?", "AUD-QUERY-BASE64", "ParticipantObjectIdentification[2]"},
		{"audit-source", "<AuditMessage>", "<Message>", "AUD-NONE", "AuditMessage"},
		{"audit-source", `csd-code="ITI-18"`, `csd-code="ITI-99"`, "AUD-TRANSACTION", "EventTypeCode"},
	} {
		good := all[c.sample]
		bad := strings.Replace(good, c.old, c.new, 1)
		if c.old == "wsa:MessageID" || c.old == "wsa:RelatesTo" || c.old == "wsa:Action" || c.old == "targetMessage" || c.old == "\r" || c.old == "--\r\n" {
			bad = strings.ReplaceAll(good, c.old, c.new)
		}
		if bad == good {
			t.Errorf("%s has no %q", c.sample, c.old)
			continue
		}
		kind := validate.Guess([]byte(good))
		if c.rule == "SOAP-LENGTH" {
			kind = "soap"
		}
		found, err := validate.Judge(kind, []byte(bad), validate.Options{})
		if err != nil {
			t.Error(err)
		}
		hit := false
		for _, f := range found {
			hit = hit || f.Rule == c.rule && f.Location == c.location
		}
		if !hit {
			t.Errorf("%s with %q: no %s at %q among %v", c.sample, c.new, c.rule, c.location, found)
		}
		covered[c.rule] = true
	}
	if len(covered) < 100 {
		t.Errorf("only %d rules have a message that breaks them", len(covered))
	}
}

// TestRuleTable: identifiers are unique, and every rule says where it is written.
func TestRuleTable(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range validate.Rules() {
		if seen[r.ID] || r.Clause == "" || r.Text == "" || r.Severity != validate.Error && r.Severity != validate.Warning {
			t.Errorf("rule %+v", r)
		}
		seen[r.ID] = true
	}
}

// TestReports: the three forms name the rule and the place.
func TestReports(t *testing.T) {
	files := []validate.File{{Name: "a.hl7", Kind: "hl7v2", Findings: []validate.Finding{{Rule: "ER7-PID3", Severity: "error", Line: 3, Location: "PID-3", Text: "no identifier", Clause: "x"}}}}
	var text, js, sarif bytes.Buffer
	if validate.Text(&text, files) != nil || validate.JSON(&js, files) != nil || validate.SARIF(&sarif, files) != nil {
		t.Fatal("a buffer takes everything")
	}
	for got, want := range map[string]string{text.String(): "a.hl7:3: PID-3: error: no identifier [ER7-PID3; x]\n", js.String(): `"location": "PID-3"`, sarif.String(): `"startLine": 3`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
}

// FuzzJudge: whatever comes, no judge fails, and what is found is within the bounds.
func FuzzJudge(f *testing.F) {
	for _, message := range samples(f) {
		f.Add([]byte(message))
	}
	kinds := validate.Kinds()
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, kind := range kinds {
			if found, _ := validate.Judge(kind, b, validate.Options{}); len(found) > 400 { // 256 and those of clinical documents
				t.Errorf("%s: %d findings", kind, len(found))
			}
		}
	})
}
