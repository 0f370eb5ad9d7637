package validate

import (
	"net/url"
	"slices"
	"strings"

	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

var soapRules = []Rule{
	{"FILE-SIZE", Error, "this validator", "the message is longer than 64 MiB and was not judged"},
	{"FILE-MORE", Error, "this validator", "there are more findings than are shown"},
	{"XML-FORM", Error, "XML 1.0; SOAP 1.2 part 1, 5", "the XML is not well-formed, or has a document type declaration"},
	{"XML-SIZE", Error, "this validator", "the XML is too deep or has too many elements to be judged"},
	{"SOAP-HTTP", Error, "RFC 9112 2", "the saved message is neither XML nor an HTTP message"},
	{"SOAP-LENGTH", Error, "RFC 9112 6.2, 6.3", "Content-Length is not the length of the body, or stands beside Transfer-Encoding"},
	{"SOAP-TYPE", Error, "SOAP 1.2 part 2, 7.1.4; ITI TF-2 table V.3.2-1 (IHE-WSP215), V.8.1", "the media type is neither application/soap+xml nor multipart/related"},
	{"SOAP-CHARSET", Error, "RFC 3902 3; WS-I Basic Profile 2.0 R1012", "the charset is neither UTF-8 nor UTF-16"},
	{"SOAP-ENVELOPE", Error, "SOAP 1.2 part 1, 5.1", "the root is no Envelope of SOAP 1.2"},
	{"SOAP-CHILD", Error, "SOAP 1.2 part 1, 5.1", "an envelope holds at most one Header, then exactly one Body, and nothing else"},
	{"SOAP-BODY", Error, "ITI TF-2 table V.3.2-1 (IHE-WSP206)", "the body does not hold exactly one element"},
	{"SOAP-PI", Error, "SOAP 1.2 part 1, 5", "a message holds a processing instruction"},
	{"SOAP-FAULT-CODE", Error, "SOAP 1.2 part 1, 5.4.6", "the code of a fault is none of SOAP 1.2"},
	{"SOAP-FAULT-REASON", Error, "SOAP 1.2 part 1, 5.4.2", "a fault has no reason with a language"},
	{"SOAP-FAULT-STATUS", Error, "SOAP 1.2 part 2, 7.5.2", "a fault comes with an HTTP status that says success"},
	{"SOAP-STATUS", Error, "SOAP 1.2 part 2, 7.5.1", "an answer that is no fault comes with another HTTP status than 200"},
	{"WSA-ACTION", Error, "WS-Addressing 1.0 core 3.4; ITI TF-2 table V.3.2-1 (IHE-WSP208)", "there is not exactly one wsa:Action that is an absolute IRI"},
	{"WSA-UNDERSTAND", Warning, "ITI TF-2 table V.3.2-1 (IHE-WSA101)", "wsa:Action of a request that holds no message of HL7 v3 is not marked mustUnderstand"},
	{"WSA-ID", Error, "WS-Addressing 1.0 core 3.4; ITI TF-2 table V.3.2-1 (IHE-WSA100)", "a request has not exactly one wsa:MessageID that is an absolute IRI"},
	{"WSA-RELATES", Error, "WS-Addressing 1.0 core 3.4", "an answer has no wsa:RelatesTo that is an absolute IRI"},
	{"WSA-TWICE", Error, "WS-Addressing 1.0 core 3.2", "a header of addressing comes more than once"},
	{"WSA-ADDRESS", Error, "WS-Addressing 1.0 core 2.1", "an endpoint reference has no Address"},
	{"WSA-BODY", Error, "ITI TF-2 table V.3.2-1 (IHE-WSP208); the WSDL of the transaction", "wsa:Action is not that of what stands in the body"},
	{"WSA-TYPE", Error, "SOAP 1.2 part 2, 6.5.3", "the action parameter of the Content-Type is not wsa:Action"},
	{"MTOM-TYPE", Error, "XOP 1.0 5.1", "the type parameter of the package is not application/xop+xml"},
	{"MTOM-STARTINFO", Error, "MTOM 1.0 3.2", "the start-info parameter of the package is not application/soap+xml"},
	{"MTOM-START", Error, "RFC 2387 3.2", "no part has the Content-ID that start names"},
	{"MTOM-ROOT", Error, "XOP 1.0 4.1; MTOM 1.0 3.2", "the root part is not application/xop+xml with type application/soap+xml"},
	{"MTOM-CID", Error, "XOP 1.0 4.1; RFC 2392; ITI TF-2 V.8.3", "a part has no Content-ID in angle brackets"},
	{"MTOM-CID-TWICE", Error, "RFC 2392 2", "two parts have the same Content-ID"},
	{"MTOM-ENCODING", Warning, "MTOM 1.0 3.2; ITI TF-2 V.8.2", "a part is not sent with the transfer encoding binary"},
	{"MTOM-END", Error, "RFC 2046 5.1.1", "a part does not end in the boundary, or there are too many parts"},
	{"MTOM-HREF", Error, "XOP 1.0 2.1", "an Include does not refer to a part by cid:"},
	{"MTOM-PART", Error, "XOP 1.0 3.2", "an Include refers to a part that is not there"},
	{"MTOM-ALONE", Error, "XOP 1.0 3.2", "an Include is not the only content of the element around it"},
	{"MTOM-UNUSED", Warning, "XOP 1.0 3.1", "no Include refers to a part"},
	{"MTOM-DUE", Error, "ITI TF-2 V.8.1, 3.41.4.1.2, 3.43.5", "the transaction uses MTOM, this message does not"},
}

const (
	nsEnvelope = "http://www.w3.org/2003/05/soap-envelope"
	nsWSA      = "http://www.w3.org/2005/08/addressing"
	ihe        = "urn:ihe:iti:"
)

// actions are those that go with an element of the body.
var actions = map[string][]string{
	"ProvideAndRegisterDocumentSetRequest": {ihe + "2007:ProvideAndRegisterDocumentSet-b"},
	"SubmitObjectsRequest":                 {ihe + "2007:RegisterDocumentSet-b", ihe + "2010:UpdateDocumentSet", ihe + "2018:RestrictedUpdateDocumentSet", ihe + "2010:RegisterOnDemandDocumentEntry"},
	"AdhocQueryRequest":                    {ihe + "2007:RegistryStoredQuery", ihe + "2009:MultiPatientStoredQuery", ihe + "2007:CrossGatewayQuery"},
	"AdhocQueryResponse":                   {ihe + "2007:RegistryStoredQueryResponse", ihe + "2009:MultiPatientStoredQueryResponse", ihe + "2007:CrossGatewayQueryResponse"},
	"RetrieveDocumentSetRequest":           {ihe + "2007:RetrieveDocumentSet", ihe + "2007:CrossGatewayRetrieve"},
	"RetrieveDocumentSetResponse": {ihe + "2007:RetrieveDocumentSetResponse",
		ihe + "2007:CrossGatewayRetrieveResponse"},
	"RegistryResponse": {ihe + "2007:RegisterDocumentSet-bResponse", ihe + "2007:ProvideAndRegisterDocumentSet-bResponse", ihe + "2010:UpdateDocumentSetResponse",
		ihe + "2018:RestrictedUpdateDocumentSetResponse", ihe + "2010:DeleteDocumentSetResponse", ihe + "2017:RemoveDocumentsResponse", ihe + "2010:RegisterOnDemandDocumentEntryResponse"},
	"RemoveObjectsRequest":   {ihe + "2010:DeleteDocumentSet"},
	"RemoveDocumentsRequest": {ihe + "2017:RemoveDocuments"},
}

// soap judges the message, then what stands in its body and the assertion in its header.
func (j *judge) soap(b []byte) {
	m := j.unpack(b)
	if m == nil || !j.envelope(m) {
		return
	}
	j.includes(m)
	if f := innerJudges[kindOfRoot(m.content.Local())]; f != nil {
		f(j, m.content, m)
	}
	if a := at(m.tree.Root(), "Header", "Security", "Assertion"); !a.IsZero() {
		j.assertion(m.root, a)
	}
}

// innerJudges judge what may stand in the body of an envelope.
var innerJudges = map[string]func(*judge, xmltree.Node, *message){
	"submission": (*judge).submission, "query": (*judge).query, "response": (*judge).response, "hl7v3": (*judge).hl7v3}

// inner judges a message for what it holds alone: bare, or in an envelope of which no more is said than that it cannot be read.
func inner(kind string) func(*judge, []byte) {
	return func(j *judge, b []byte) {
		quiet := &judge{}
		m := quiet.unpack(b)
		if m == nil {
			j.out = quiet.out
			return
		}
		j.offset = quiet.offset
		if m.content.Local() == "Envelope" {
			m.content = first(at(m.content, "Body"))
			if m.content.IsZero() {
				j.say("SOAP-BODY", near(m.tree.Root(), "Body", "Body"))
				return
			}
		}
		innerJudges[kind](j, m.content, m)
	}
}

// envelope judges the envelope and finds the content of its body.
func (j *judge) envelope(m *message) bool {
	root := m.tree.Root()
	if root.Local() != "Envelope" || root.Space() != nsEnvelope {
		j.say("SOAP-ENVELOPE", here(root, root.Local()))
		return false
	}
	for _, pi := range m.tree.Instructions() {
		j.say("SOAP-PI", place{line: pi.Line})
	}
	j.order(root)
	body := at(root, "Body")
	if count(body) != 1 {
		j.say("SOAP-BODY", here(body, "Body"))
		return false
	}
	m.content = first(body)
	if m.content.Local() == "Fault" {
		j.fault(m)
	} else if m.framed && m.status != 0 && m.status != 200 {
		j.say("SOAP-STATUS", m.field("", "status line"))
	}
	j.addressing(m, at(root, "Header"))
	return true
}

// order judges the children of the envelope, as far as the first that stands wrong.
func (j *judge) order(envelope xmltree.Node) {
	due := []string{"Header", "Body"}
	for k := range envelope.Children() {
		if i := slices.Index(due, k.Local()); i >= 0 {
			due = due[i+1:]
			continue
		}
		j.say("SOAP-CHILD", here(k, "Envelope"))
		return
	}
	if len(due) > 0 {
		j.say("SOAP-CHILD", here(envelope, "Envelope"))
	}
}

func (j *judge) fault(m *message) {
	_, code, _ := strings.Cut(textOf(at(m.content, "Code", "Value")), ":")
	if !slices.Contains([]string{"VersionMismatch", "MustUnderstand", "DataEncodingUnknown", "Sender", "Receiver"}, code) {
		j.say("SOAP-FAULT-CODE", near(m.content, "Fault.Code", "Code", "Value"))
	}
	text, lang := at(m.content, "Reason", "Text"), ""
	if !text.IsZero() {
		lang, _ = text.AttrNS("http://www.w3.org/XML/1998/namespace", "lang")
	}
	if textOf(text) == "" || lang == "" {
		j.say("SOAP-FAULT-REASON", near(m.content, "Fault.Reason", "Reason", "Text"))
	}
	if m.status != 0 && m.status < 400 {
		j.say("SOAP-FAULT-STATUS", m.field("", "status line"))
	}
}

// answers tells whether the content of a body is an answer.
func answers(local string) bool {
	return strings.HasSuffix(local, "Response") || local == "Fault" || interactions[local].answer
}

// addressing judges the headers of WS-Addressing.
func (j *judge) addressing(m *message, header xmltree.Node) {
	found := map[string][]xmltree.Node{}
	if !header.IsZero() {
		for k := range header.Children() {
			if k.Space() == nsWSA {
				found[k.Local()] = append(found[k.Local()], k)
			}
		}
	}
	for _, name := range []string{"To", "From", "ReplyTo", "FaultTo", "MessageID"} {
		if all := found[name]; len(all) > 1 {
			j.say("WSA-TWICE", here(all[1], "wsa:"+name))
		}
	}
	for _, name := range []string{"From", "ReplyTo", "FaultTo"} {
		for _, e := range found[name] {
			if textOf(at(e, "Address")) == "" {
				j.say("WSA-ADDRESS", here(e, "wsa:"+name))
			}
		}
	}
	answer := answers(m.content.Local()) || m.status != 0
	where := func(name string) place { // the last of that name, or the header that lacks it
		if all := found[name]; len(all) > 0 {
			return here(all[len(all)-1], "wsa:"+name)
		}
		return near(m.tree.Root(), "wsa:"+name, "Header")
	}
	action := found["Action"]
	if len(action) != 1 || !isIRI(action[0].Text()) {
		j.say("WSA-ACTION", where("Action"))
	} else {
		j.action(m, action[0], answer)
	}
	if id := found["MessageID"]; !answer && (len(id) == 0 || !isIRI(id[0].Text())) {
		j.say("WSA-ID", where("MessageID"))
	}
	if to := found["RelatesTo"]; answer && (len(to) == 0 || !isIRI(to[0].Text())) {
		j.say("WSA-RELATES", where("RelatesTo"))
	}
}

func (j *judge) action(m *message, action xmltree.Node, answer bool) {
	is := action.Text()
	due, v3 := actions[m.content.Local()], interactions[m.content.Local()]
	if u, _ := action.AttrNS(nsEnvelope, "mustUnderstand"); !answer && v3.kind == "" && u != "1" && u != "true" {
		j.say("WSA-UNDERSTAND", here(action, "wsa:Action"))
	}
	if v3.kind != "" && v3.kind != "national" {
		due = []string{"urn:hl7-org:v3:" + m.content.Local()}
	}
	if len(due) > 0 && !slices.Contains(due, is) {
		j.say("WSA-BODY", here(action, "wsa:Action"))
	}
	if p := m.params["action"]; p != "" && p != is {
		j.say("WSA-TYPE", m.field("Content-Type", "Content-Type"))
	}
}

func isIRI(s string) bool {
	u, err := url.Parse(strings.TrimSpace(s))
	return err == nil && u.IsAbs()
}

// includes judges that elements and parts go together.
func (j *judge) includes(m *message) {
	used := map[string]bool{}
	for n := range m.tree.Root().Descendants() {
		if n.Local() != "Include" || n.Space() != "http://www.w3.org/2004/08/xop/include" {
			continue
		}
		cid, ok := strings.CutPrefix(n.Value("href"), "cid:")
		plain, err := url.PathUnescape(cid)
		if !ok || err != nil || cid == "" {
			j.say("MTOM-HREF", here(n, "xop:Include"))
			continue
		}
		used[plain] = true
		if _, there := m.parts[plain]; !there && m.framed {
			j.say("MTOM-PART", here(n, "xop:Include"))
		}
		if around := n.Parent(); count(around) != 1 || strings.TrimSpace(around.Text()) != "" {
			j.say("MTOM-ALONE", here(n, "xop:Include"))
		}
	}
	for cid, p := range m.parts {
		if !used[cid] {
			j.say("MTOM-UNUSED", p.at)
		}
	}
	switch m.content.Local() {
	case "ProvideAndRegisterDocumentSetRequest", "RetrieveDocumentSetRequest", "RetrieveDocumentSetResponse":
		if m.framed && !m.mtom {
			j.say("MTOM-DUE", m.field("Content-Type", "Content-Type"))
		}
	}
}
