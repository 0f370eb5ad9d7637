package sim

import (
	"bytes"
	"compress/gzip"
	"regexp"
	"strings"
)

const (
	soapServers = "registry repository pix-manager-v3"
	registers   = "registry repository"
	submitters  = "source registrar"
	callers     = "source registrar consumer pix-consumer-v3 pix-source-v3"
	mllpServer  = "pix-manager"
)

// status gives the answer another status.
func status(to string) func(*reply) {
	return func(a *reply) { a.body = statusOfAnswer.ReplaceAllString(a.body, ` status="`+to+`"`) }
}

var (
	statusOfAnswer = regexp.MustCompile(` status="(urn:oasis:names:tc:ebxml-regrep|urn:ihe:iti:2007):ResponseStatusType:\w+"`)
	typeCode       = regexp.MustCompile(`<rim:Classification [^>]*urn:uuid:f0306f51-975f-434e-a61c-c59651d33983.*?</rim:Classification>`)
	objectList     = regexp.MustCompile(`(<rim:RegistryObjectList[^>]*>)(.*)(</rim:RegistryObjectList>)`)
	wholeObject    = regexp.MustCompile(`<rim:(ExtrinsicObject|RegistryPackage) id="([^"]*)".*?</rim:(?:ExtrinsicObject|RegistryPackage)>`)
	versionInfo    = regexp.MustCompile(`<rim:VersionInfo [^>]*/>`)
	logicalID      = regexp.MustCompile(` lid="[^"]*"`)
	available      = regexp.MustCompile(` status="` + approved + `"`)
	patientValue   = regexp.MustCompile(`value="[^"]*(&amp;|&#38;)([0-9.]+)(&amp;|&#38;)ISO"`)
	documentID     = regexp.MustCompile(`<xdsb:DocumentUniqueId>[^<]*`)
	mimeOfDocument = regexp.MustCompile(`<xdsb:mimeType>[^<]*`)
	documentAnswer = regexp.MustCompile(`<xdsb:DocumentResponse>.*</xdsb:DocumentResponse>`)
	include        = regexp.MustCompile(`<xop:Include[^>]*/>`)
	targetMessage  = regexp.MustCompile(`<targetMessage>.*?</targetMessage>`)
	ackCode        = regexp.MustCompile(`<typeCode code="\w+"/>`)
	messageOfV3    = regexp.MustCompile(`<acknowledgement>.*</acknowledgement>`)
)

// failing makes an answer a failure with an error, which holds neither objects nor documents.
func failing(code, context, level string) func(*reply) {
	return func(a *reply) {
		status(outcome + "Failure")(a)
		a.body, a.parts = documentAnswer.ReplaceAllString(objectList.ReplaceAllString(a.body, "$1$3"), ""), nil
		withError(a, code, context, level)
	}
}

// withError adds an error to an answer, which keeps its status.
func withError(a *reply, code, context, level string) {
	list := `<rs:RegistryErrorList xmlns:rs="` + nsRS + `"><rs:RegistryError errorCode="` + code + `"` + context + ` severity="` + level + `"/></rs:RegistryErrorList>`
	switch {
	case strings.Contains(a.body, "<rim:RegistryObjectList"): // ahead of the objects
		a.body = strings.Replace(a.body, "<rim:RegistryObjectList", list+"<rim:RegistryObjectList", 1)
	case strings.HasSuffix(a.body, "/>"):
		a.body = strings.TrimSuffix(a.body, "/>") + ">" + list + "</rs:RegistryResponse>"
	default:
		a.body = strings.Replace(a.body, "</rs:RegistryResponse>", list+"</rs:RegistryResponse>", 1)
	}
}

func plain(statusCode int, contentType, body string) func(*reply) {
	return func(a *reply) { a.status, a.contentType, a.raw = statusCode, contentType, []byte(body) }
}

func conduct(how string) func(*reply) { return func(a *reply) { a.conduct = how } }

// edited changes the envelope as it would go.
func edited(change func(string) string) func(*reply) {
	return func(a *reply) {
		raw := change(string(a.bytes()))
		a.contentType = a.header.Get("Content-Type")
		a.raw = []byte(raw)
	}
}

func replaced(old *regexp.Regexp, by string) func(*reply) {
	return func(a *reply) { a.body = old.ReplaceAllString(a.body, by) }
}

// eachPart changes the parts of a package.
func eachPart(change func(*part)) func(*reply) {
	return func(a *reply) {
		for i := range a.parts {
			change(&a.parts[i])
		}
	}
}

const someContext = ` codeContext="on demand"`

// Faults is the table of all ways to misbehave.
var Faults = []Fault{
	// Of every server of SOAP: the connection, HTTP, the envelope.
	{Name: "drops-connection", Actors: soapServers, Does: "closes the connection instead of answering", change: conduct("drop")},
	{Name: "hangs", Actors: soapServers, Does: "does not answer for as long as faults last, then closes", change: conduct("hang")},
	{Name: "half-answer", Actors: soapServers, Does: "closes the connection in the middle of the answer", change: conduct("half")},
	{Name: "slow", Actors: soapServers, Does: "sends the answer piece by piece over the time that faults last", change: conduct("slow")},
	{Name: "wrong-length", Actors: soapServers, Does: "says a Content-Length greater than what it sends", change: conduct("length")},
	{Name: "html-instead", Actors: soapServers, Does: "answers with a page for people", change: plain(200, "text/html; charset=UTF-8", "<html><body>Maintenance</body></html>")},
	{Name: "empty-answer", Actors: soapServers, Does: "answers 200 with nothing", change: plain(200, "application/soap+xml; charset=UTF-8", "")},
	{Name: "http-500-empty", Actors: soapServers, Does: "answers 500 with nothing", change: plain(500, "application/soap+xml; charset=UTF-8", "")},
	{Name: "http-503", Actors: soapServers, Does: "answers 503 and asks to come later", change: func(a *reply) {
		plain(503, "text/plain", "busy")(a)
		a.header.Set("Retry-After", "30")
	}},
	{Name: "http-401", Actors: soapServers, Does: "asks who is there", change: func(a *reply) {
		plain(401, "text/plain", "who is there?")(a)
		a.header.Set("WWW-Authenticate", `Basic realm="sim"`)
	}},
	{Name: "http-redirect", Actors: soapServers, Does: "sends the caller to another address", change: func(a *reply) {
		plain(302, "text/plain", "elsewhere")(a)
		a.header.Set("Location", "/elsewhere")
	}},
	{Name: "wrong-content-type", Actors: soapServers, Does: "says that the envelope is text/plain", change: func(a *reply) { a.contentType = "text/plain" }},
	{Name: "gzip-unasked", Actors: soapServers, Does: "compresses the answer, asked or not", change: func(a *reply) {
		edited(func(s string) string {
			var b bytes.Buffer
			z := gzip.NewWriter(&b)
			_, _ = z.Write([]byte(s)) // a Buffer takes everything
			_ = z.Close()
			return b.String()
		})(a)
		a.header.Set("Content-Encoding", "gzip")
	}},
	{Name: "bom", Actors: soapServers, Does: "begins with a byte order mark", change: edited(func(s string) string { return strings.Replace(s, "<?xml", "\xef\xbb\xbf<?xml", 1) })},
	{Name: "wrong-charset", Actors: soapServers, Does: "says UTF-8 and sends ISO 8859-1", change: edited(func(s string) string {
		return strings.Replace(s, "</env:Header>", "<x:remark xmlns:x=\"urn:sim\">\xe9</x:remark></env:Header>", 1)
	})},
	{Name: "malformed-xml", Actors: soapServers, Does: "leaves an element open", change: edited(func(s string) string { return strings.Replace(s, "</env:Body>", "", 1) })},
	{Name: "doctype", Actors: soapServers, Does: "declares a document type with an entity", change: edited(func(s string) string {
		return strings.Replace(s, "?>", `?><!DOCTYPE x [<!ENTITY e "e">]>`, 1)
	})},
	{Name: "soap-11", Actors: soapServers, Does: "answers with an envelope of SOAP 1.1", change: func(a *reply) {
		a.envelope = "http://schemas.xmlsoap.org/soap/envelope/"
		if !a.mtom {
			a.contentType = "text/xml; charset=UTF-8"
		}
	}},
	{Name: "two-bodies", Actors: soapServers, Does: "puts the answer twice into the body", change: func(a *reply) { a.again = 2 }},
	{Name: "no-relates-to", Actors: soapServers, Does: "leaves wsa:RelatesTo out", change: func(a *reply) { a.relates = "" }},
	{Name: "wrong-relates-to", Actors: soapServers, Does: "answers another message, says wsa:RelatesTo", change: func(a *reply) { a.relates = uuid() }},
	{Name: "no-action", Actors: soapServers, Does: "leaves wsa:Action out", change: func(a *reply) { a.actions = 0 }},
	{Name: "two-actions", Actors: soapServers, Does: "says wsa:Action twice", change: func(a *reply) { a.actions = 2 }},
	{Name: "wrong-action", Actors: soapServers, Does: "says the wsa:Action of the request", change: func(a *reply) {
		if a.req != nil {
			a.action = a.req.action
		}
	}},
	{Name: "unknown-header", Actors: soapServers, Does: "adds a header that must be understood and is not", change: func(a *reply) {
		a.more = `<x:Strange xmlns:x="urn:sim" env:mustUnderstand="true">?</x:Strange>`
	}},
	{Name: "fault-sender", Actors: soapServers, Does: "answers a fault that blames the sender", change: func(a *reply) { *a = *fault(a.req, "Sender", "on demand") }},
	{Name: "fault-receiver", Actors: soapServers, Does: "answers a fault that blames itself", change: func(a *reply) { *a = *fault(a.req, "Receiver", "on demand") }},
	{Name: "fault-with-200", Actors: soapServers, Does: "answers a fault with HTTP 200", change: func(a *reply) {
		*a = *fault(a.req, "Receiver", "on demand")
		a.status = 200
	}},
	{Name: "stack-trace", Actors: soapServers, Does: "answers a fault that shows its insides", change: func(a *reply) {
		*a = *fault(a.req, "Receiver", "java.lang.NullPointerException\n\tat example.Registry.store(Registry.java:42)")
	}},

	// Of registries and repositories: what the answer says.
	{Name: "wrong-status", Actors: registers, Does: "says a status that does not exist", change: status(outcome + "Fine")},
	{Name: "answers-failure-without-error", Actors: registers, Does: "says Failure and not why", change: status(outcome + "Failure")},
	{Name: "failure", Actors: registers, Does: "refuses, in good form", change: failing("XDSRegistryError", someContext, severity+"Error")},
	{Name: "busy", Actors: registers, Does: "refuses because it is busy", change: failing("XDSRegistryBusy", someContext, severity+"Error")},
	{Name: "unknown-error-code", Actors: registers, Does: "refuses with a code that does not exist", change: failing("XDSOutOfCoffee", someContext, severity+"Error")},
	{Name: "error-without-context", Actors: registers, Does: "refuses without codeContext", change: failing("XDSRegistryError", "", severity+"Error")},
	{Name: "unknown-severity", Actors: registers, Does: "refuses with a severity that does not exist", change: failing("XDSRegistryError", someContext, severity+"Grave")},
	{Name: "short-severity", Actors: registers, Does: "refuses with the severity Error and no URN", change: failing("XDSRegistryError", someContext, "Error")},
	{Name: "success-with-error", Actors: registers, Does: "says Success beside an error", change: func(a *reply) { withError(a, "XDSRegistryError", someContext, severity+"Error") }},
	{Name: "warning", Actors: registers, Does: "says Success beside a warning", change: func(a *reply) { withError(a, "XDSExtraMetadataNotSaved", someContext, severity+"Warning") }},
	{Name: "partial-success-without-error", Actors: registers, Does: "says PartialSuccess and not what is missing", change: status("urn:ihe:iti:2007:ResponseStatusType:PartialSuccess")},
	{Name: "empty-error-list", Actors: registers, Does: "says Failure beside a list without errors", change: func(a *reply) {
		failing("X", someContext, severity+"Error")(a)
		a.body = regexp.MustCompile(`<rs:RegistryError [^>]*/>`).ReplaceAllString(a.body, "")
	}},
	{Name: "wrong-body", Actors: soapServers, Does: "answers with another element than is due", change: func(a *reply) { a.body = `<x:Answer xmlns:x="urn:sim"/>` }},

	// Of registries: objects.
	{Name: "duplicate-objects", Actors: "registry", Does: "gives every object twice", change: replaced(objectList, "$1$2$2$3")},
	{Name: "lost-attribute", Actors: "registry", Does: "loses the type code of entries", change: replaced(typeCode, "")},
	{Name: "empty-though-held", Actors: "registry", Does: "finds nothing, whatever it holds", change: replaced(objectList, "$1$3")},
	{Name: "references-instead", Actors: "registry", Does: "gives references where objects are asked for", change: replaced(wholeObject, `<rim:ObjectRef id="$2"/>`)},
	{Name: "no-logical-id", Actors: "registry", Does: "gives objects without lid", change: replaced(logicalID, "")},
	{Name: "no-version", Actors: "registry", Does: "gives objects without VersionInfo", change: replaced(versionInfo, "")},
	{Name: "no-availability", Actors: "registry", Does: "gives objects without status", change: replaced(available, "")},
	{Name: "deprecated-objects", Actors: "registry", Does: "gives deprecated objects where approved ones are asked for", change: replaced(available, ` status="`+superseded+`"`)},
	{Name: "another-patient", Actors: "registry", Does: "gives objects of another patient", change: replaced(patientValue, `value="ANOTHER^^^&amp;${2}&amp;ISO"`)},
	{Name: "dangling-association", Actors: "registry", Does: "adds an association of objects that do not exist", change: func(a *reply) {
		a.body = strings.Replace(a.body, "</rim:RegistryObjectList>", `<rim:Association id="`+uuid()+`" associationType="urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember" sourceObject="`+uuid()+
			`" targetObject="`+uuid()+`"/></rim:RegistryObjectList>`, 1)
	}},
	{Name: "many-objects", Actors: "registry", Does: "adds ten thousand references", change: func(a *reply) {
		a.body = objectList.ReplaceAllString(a.body, "${1}${2}"+strings.Repeat(`<rim:ObjectRef id="`+uuid()+`"/>`, 10_000)+"${3}")
	}},

	// Of repositories: documents and their packaging.
	{Name: "wrong-bytes", Actors: "repository", Does: "gives other bytes than it was given", change: eachPart(func(p *part) { p.content = append([]byte("?"), p.content...) })},
	{Name: "truncated-document", Actors: "repository", Does: "gives half of a document", change: eachPart(func(p *part) { p.content = p.content[:len(p.content)/2] })},
	{Name: "wrong-content-id", Actors: "repository", Does: "gives the part another Content-ID than the Include names", change: eachPart(func(p *part) { p.cid = "other-" + p.cid })},
	{Name: "base64-part", Actors: "repository", Does: "says that the part is base64 and sends it as it is", change: eachPart(func(p *part) { p.encoding = "base64" })},
	{Name: "missing-part", Actors: "repository", Does: "leaves the part of a document out", change: func(a *reply) { a.parts = nil }},
	{Name: "mtom-without-start", Actors: "repository", Does: "leaves the start parameter out", change: func(a *reply) { a.start = "" }},
	{Name: "mtom-wrong-start", Actors: "repository", Does: "names a root part that is not there", change: func(a *reply) { a.start = "<nowhere@sim>" }},
	{Name: "no-closing-boundary", Actors: "repository", Does: "does not end the package", change: func(a *reply) { a.ending = "" }},
	{Name: "no-package", Actors: "repository", Does: "sends the envelope without a package", change: func(a *reply) { a.mtom = false }},
	{Name: "wrong-mime-type", Actors: "repository", Does: "says that a document is text/plain", change: replaced(mimeOfDocument, "<xdsb:mimeType>text/plain")},
	{Name: "wrong-document", Actors: "repository", Does: "gives a document under another unique id", change: replaced(documentID, "<xdsb:DocumentUniqueId>1.2.250.1.999.9.0")},
	{Name: "document-twice", Actors: "repository", Does: "gives every document twice", change: replaced(documentAnswer, "$0$0")},
	{Name: "no-content", Actors: "repository", Does: "gives documents without content", change: replaced(include, "")},
	{Name: "success-without-document", Actors: "repository", Does: "says Success and gives no document", change: replaced(documentAnswer, "")},
	{Name: "forgets", Actors: "repository", Does: "says Success and keeps nothing", flag: true},
	{Name: "never-registers", Actors: "repository", Does: "says Success and registers nothing", flag: true},

	// Of PIX managers of HL7 v3.
	{Name: "no-acknowledgement", Actors: "pix-manager-v3", Does: "leaves the acknowledgement out", change: replaced(messageOfV3, "")},
	{Name: "ack-for-another-message", Actors: "pix-manager-v3", Does: "acknowledges another message", change: replaced(targetMessage, `<targetMessage><id root="1.2.250.1.999.9.1" extension="ANOTHER"/></targetMessage>`)},
	{Name: "nak", Actors: "pix-manager-v3", Does: "acknowledges with an error", change: replaced(ackCode, `<typeCode code="AE"/>`)},
	{Name: "unknown-ack-code", Actors: "pix-manager-v3", Does: "acknowledges with a code that does not exist", change: replaced(ackCode, `<typeCode code="XX"/>`)},

	// Of PIX managers of HL7 v2.
	{Name: "no-ack", Actors: mllpServer, Does: "never acknowledges", flag: true},
	{Name: "late-ack", Actors: mllpServer, Does: "acknowledges after as long as faults last", flag: true},
	{Name: "hangs", Actors: mllpServer + " mailbox", Does: "says nothing for as long as faults last, then closes", flag: true},
	{Name: "closes", Actors: mllpServer + " audit-repository", Does: "closes the connection", flag: true},
	{Name: "ack-for-another-message", Actors: mllpServer, Does: "acknowledges another message", flag: true},
	{Name: "nak", Actors: mllpServer, Does: "acknowledges with AE", flag: true},
	{Name: "reject", Actors: mllpServer, Does: "acknowledges with AR", flag: true},
	{Name: "commit-accept", Actors: mllpServer, Does: "acknowledges with CA, of the enhanced mode", flag: true},
	{Name: "unknown-ack-code", Actors: mllpServer, Does: "acknowledges with XX", flag: true},
	{Name: "wrong-charset", Actors: mllpServer, Does: "says UTF-8 and sends ISO 8859-1", flag: true},
	{Name: "line-feeds", Actors: mllpServer, Does: "ends segments in line feeds", flag: true},
	{Name: "split-frame", Actors: mllpServer, Does: "sends the block byte by byte", flag: true},
	{Name: "half-answer", Actors: mllpServer, Does: "closes in the middle of the block", flag: true},
	{Name: "no-frame", Actors: mllpServer, Does: "sends the acknowledgement without a block", flag: true},
	{Name: "no-end", Actors: mllpServer, Does: "does not end the block", flag: true},
	{Name: "no-carriage-return", Actors: mllpServer, Does: "ends the block without its carriage return", flag: true},
	{Name: "two-acks", Actors: mllpServer, Does: "acknowledges twice", flag: true},
	{Name: "garbage", Actors: mllpServer, Does: "sends a block that holds no HL7", flag: true},
	{Name: "another-query-tag", Actors: mllpServer, Does: "answers under another query tag", flag: true},
	{Name: "unasked-identifiers", Actors: mllpServer, Does: "gives an identifier of a domain that was not asked for", flag: true},
	{Name: "identifiers-without-authority", Actors: mllpServer, Does: "gives identifiers without their authority", flag: true},

	// Of audit repositories.
	{Name: "never-reads", Actors: "audit-repository", Does: "takes connections and reads nothing for as long as faults last", flag: true},
	{Name: "closes-after-each", Actors: "audit-repository", Does: "closes the connection after each message", flag: true},
	{Name: "closes-within-a-message", Actors: "audit-repository", Does: "closes the connection in the middle of a message", flag: true},
	{Name: "talks-back", Actors: "audit-repository", Does: "sends something, which syslog never does", flag: true},
	{Name: "slow", Actors: "audit-repository", Does: "rests after each message for as long as faults last", flag: true},

	// Of mailboxes.
	{Name: "busy", Actors: "mailbox", Does: "greets with 421", flag: true},
	{Name: "unknown-ehlo", Actors: "mailbox", Does: "does not know EHLO", flag: true},
	{Name: "no-starttls", Actors: "mailbox", Does: "does not offer STARTTLS", flag: true},
	{Name: "refuses-sender", Actors: "mailbox", Does: "refuses MAIL FROM with 550", flag: true},
	{Name: "refuses-recipient", Actors: "mailbox", Does: "refuses RCPT TO with 550", flag: true},
	{Name: "defers-recipient", Actors: "mailbox", Does: "puts RCPT TO off with 451", flag: true},
	{Name: "mailbox-full", Actors: "mailbox", Does: "refuses RCPT TO with 552", flag: true},
	{Name: "refuses-data", Actors: "mailbox", Does: "refuses the message with 554", flag: true},
	{Name: "defers-data", Actors: "mailbox", Does: "puts the message off with 451", flag: true},
	{Name: "too-large", Actors: "mailbox", Does: "refuses the message with 552", flag: true},
	{Name: "nonsense", Actors: "mailbox", Does: "answers the message with no code", flag: true},
	{Name: "drops-within-data", Actors: "mailbox", Does: "closes the connection when the message is to come", flag: true},
	{Name: "drops-after-data", Actors: "mailbox", Does: "closes the connection instead of answering the message", flag: true},

	// Of clients that are cases: lines of the suite's language.
	{Name: "wrong-hash", Actors: "source", Does: "says the digest of another document", line: "set Doc.hash da39a3ee5e6b4b0d3255bfef95601890afd80709"},
	{Name: "wrong-size", Actors: "source", Does: "says another size", line: "set Doc.size 1"},
	{Name: "no-type-code", Actors: submitters, Does: "leaves typeCode out", line: "drop Doc.typeCode"},
	{Name: "two-class-codes", Actors: submitters, Does: "says classCode twice", line: "twice Doc.classCode"},
	{Name: "bad-date", Actors: submitters, Does: "was written on the thirtieth of February", line: "set Doc.creationTime 20250230"},
	{Name: "bad-oid", Actors: submitters, Does: "has a unique id that is no OID", line: "set Doc.uniqueId 1.02.x"},
	{Name: "unknown-slot", Actors: submitters, Does: "adds a slot whose name is no URN", line: "set Doc.slot:Colour blue"},
	{Name: "another-patient", Actors: submitters, Does: "has an entry of another patient than the set", line: "set Doc.patientId ANOTHER^^^&1.2.250.1.213.1.4.10&ISO"},
	{Name: "no-patient", Actors: submitters, Does: "names no patient", line: "drop Doc.patientId"},
	{Name: "no-source-id", Actors: submitters, Does: "leaves sourceId of the set out", line: "drop Set.sourceId"},
	{Name: "unknown-association", Actors: submitters, Does: "adds an association of an unknown type", line: "link urn:sim:Likes Doc Doc"},
	{Name: "replaces-nothing", Actors: submitters, Does: "replaces a document that does not exist", line: "link RPLC Doc =urn:uuid:00000000-0000-4000-8000-000000000001"},
	{Name: "twice-the-same", Actors: submitters, Does: "has two entries with the same unique id", line: "entry Again like=Doc"},
	{Name: "entry-without-document", Actors: "source", Does: "has an entry without its document", line: "without Doc"},
	{Name: "document-without-entry", Actors: "source", Does: "has a document without an entry", line: "extra Stray"},
	{Name: "inline-document", Actors: "source", Does: "sends the document as base64 in the envelope", line: "inline"},
	{Name: "missing-part", Actors: "source", Does: "leaves the part of the document out", line: "omit Doc@suite"},
	{Name: "part-twice", Actors: "source", Does: "sends the part of the document twice", line: "repeat Doc@suite"},
	{Name: "base64-part", Actors: "source", Does: "sends the part in base64", line: "base64 Doc@suite"},
	{Name: "mtom-without-start", Actors: "source", Does: "leaves the start parameter out", line: `in header: start="<root@suite>";  => `},
	{Name: "no-closing-boundary", Actors: "source", Does: "cuts the end of the package off", line: "cut 4"},
	{Name: "no-package", Actors: "source", Does: "sends the envelope without a package", line: "plain"},
	{Name: "no-message-id", Actors: callers, Does: "leaves wsa:MessageID out", line: "in envelope: wsa:MessageID => wsa:Nothing"},
	{Name: "no-action", Actors: callers, Does: "leaves wsa:Action out", line: "in envelope: wsa:Action => wsa:Nothing"},
	{Name: "wrong-action", Actors: "source registrar consumer", Does: "says another wsa:Action than the body", line: "in envelope: </wsa:Action> => x</wsa:Action>"},
	{Name: "soap-11", Actors: callers, Does: "sends an envelope of SOAP 1.1", line: "in envelope: http://www.w3.org/2003/05/soap-envelope => http://schemas.xmlsoap.org/soap/envelope/"},
	{Name: "malformed-xml", Actors: callers, Does: "leaves the body open", line: "in envelope: </env:Body> => "},
	{Name: "wrong-content-type", Actors: "registrar consumer pix-consumer-v3 pix-source-v3", Does: "says that the message is text/plain", line: "in header: application/soap+xml => text/plain"},
	{Name: "wrong-content-type", Actors: "source", Does: "says that the package is text/plain", line: "in header: multipart/related => text/plain"},
	{Name: "bom", Actors: "source registrar consumer", Does: "begins with a byte order mark", line: "bom"},
	{Name: "unknown-query", Actors: "consumer", Does: "asks a query that does not exist", line: "in envelope: urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d => urn:uuid:14d4debf-8f97-4251-9a74-000000000000"},
	{Name: "no-status-parameter", Actors: "consumer", Does: "leaves a required parameter out", line: "in envelope: $XDSDocumentEntryStatus => $XDSDocumentEntryNothing"},
	{Name: "unquoted-parameter", Actors: "consumer", Does: "writes the patient without apostrophes", line: "in envelope: &#39; => "},
	{Name: "unknown-return-type", Actors: "consumer", Does: "asks for a return type that does not exist", line: `in envelope: returnType="LeafClass" => returnType="Everything"`},
	{Name: "no-patient-id", Actors: "pix-source-v3", Does: "leaves the identifier of the patient out", line: "in envelope: <patient classCode=\"PAT\"><id => <patient classCode=\"PAT\"><nothing"},

	// Of clients of HL7 v2: what stands in the message before it goes.
	{Name: "no-identifier", Actors: "pix-source", Does: "leaves PID-3 empty", flag: true},
	{Name: "no-authority", Actors: "pix-source", Does: "names no authority in PID-3", flag: true},
	{Name: "no-event", Actors: "pix-source pix-consumer", Does: "names no event in MSH-9", flag: true},
	{Name: "no-control-id", Actors: "pix-source pix-consumer", Does: "leaves MSH-10 empty", flag: true},
	{Name: "unknown-version", Actors: "pix-source pix-consumer", Does: "is of version 9.9", flag: true},
	{Name: "unknown-charset", Actors: "pix-source pix-consumer", Does: "names a character set that does not exist", flag: true},
	{Name: "wrong-charset", Actors: "pix-source pix-consumer", Does: "says UTF-8 and sends ISO 8859-1", flag: true},
	{Name: "line-feeds", Actors: "pix-source pix-consumer", Does: "ends segments in line feeds", flag: true},
	{Name: "no-evn", Actors: "pix-source", Does: "leaves the segment EVN out", flag: true},
	{Name: "merge-without-mrg", Actors: "pix-source", Does: "merges without naming whom", flag: true},
	{Name: "no-query-tag", Actors: "pix-consumer", Does: "leaves QPD-2 empty", flag: true},

	// Of audit sources and senders of mail.
	{Name: "no-length", Actors: "audit-source", Does: "sends messages without their length before them", flag: true},
	{Name: "wrong-length", Actors: "audit-source", Does: "says a length that is too great, then closes", flag: true},
	{Name: "no-header", Actors: "audit-source", Does: "sends the message without a header of syslog", flag: true},
	{Name: "malformed-xml", Actors: "audit-source", Does: "leaves an element open", flag: true},
	{Name: "no-event", Actors: "audit-source", Does: "leaves EventIdentification out", flag: true},
	{Name: "twice-the-same", Actors: "audit-source", Does: "sends every message twice", flag: true},
	{Name: "wrong-hash", Actors: "mail-sender", Does: "says the digest of another document", flag: true},
	{Name: "no-metadata", Actors: "mail-sender", Does: "leaves METADATA.XML out of the archive", flag: true},
	{Name: "no-document", Actors: "mail-sender", Does: "leaves the document out of the archive", flag: true},
	{Name: "not-an-archive", Actors: "mail-sender", Does: "attaches something that is no archive", flag: true},
	{Name: "no-attachment", Actors: "mail-sender", Does: "attaches nothing", flag: true},
	{Name: "unsafe-name", Actors: "mail-sender", Does: "has a file whose name leads out of the archive", flag: true},
	{Name: "unfinished-message", Actors: "mail-sender", Does: "closes the connection within the message", flag: true},

	// Of a laboratory: lines of the step mail.
	{Name: "wrong-hash", Actors: "laboratory", Does: "says the digest of another document", line: "set Report.hash 0000000000000000000000000000000000000000"},
	{Name: "no-metadata", Actors: "laboratory", Does: "leaves METADATA.XML out of the archive", line: "without IHE_XDM/SUBSET01/METADATA.XML"},
	{Name: "no-document", Actors: "laboratory", Does: "leaves the document out of the archive", line: "without IHE_XDM/SUBSET01/DOC00001.XML"},
	{Name: "not-an-archive", Actors: "laboratory", Does: "attaches something that is no archive", line: "rubbish this is no archive"},
	{Name: "no-attachment", Actors: "laboratory", Does: "attaches nothing", line: "brings nothing", alone: true},
	{Name: "unsafe-name", Actors: "laboratory", Does: "has a file whose name leads out of the archive", line: "file ../OUTSIDE.TXT x"},
	{Name: "not-signed", Actors: "laboratory", Does: "neither signs nor encrypts", line: "signer -\nfor -"},
	{Name: "unknown-signer", Actors: "laboratory", Does: "signs with a certificate of an unknown authority", line: "signer stranger"},
	{Name: "expired-signer", Actors: "laboratory", Does: "signs with a certificate whose time is over", line: "signer expired"},
}
