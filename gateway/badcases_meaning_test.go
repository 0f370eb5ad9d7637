package gateway_test

import (
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// patient is the identifier of a sample patient as it stands in an attribute.
func patient(n int) string { return string(xmlpull.AppendAttr(nil, sample.PatientID(n).String())) }

func soapCases(t *testing.T, good base) []badCase {
	typed := func(c badCase, ct string) badCase {
		c.header = map[string]string{"Content-Type": ct}
		return c
	}
	const soap12, soap11 = "http://www.w3.org/2003/05/soap-envelope", "http://schemas.xmlsoap.org/soap/envelope/"
	const action = `<a:Action e:mustUnderstand="1">` + registerAction + `</a:Action>`
	const id = "<a:MessageID>urn:uuid:1</a:MessageID>"
	with := func(name, block string) badCase {
		return toRegistry(name, swap(t, good.register, "</e:Header>", block+"</e:Header>"))
	}
	return []badCase{
		toRegistry("SOAP: version 1.1", swap(t, good.register, soap12, soap11)),
		typed(toRegistry("SOAP: version 1.1 as it travels", swap(t, good.register, soap12, soap11)), "text/xml; charset=utf-8"),
		typed(toRegistry("SOAP: version 1.2 as 1.1 travels", good.register), "text/xml; charset=utf-8"),
		toRegistry("SOAP: no version at all", swap(t, good.register, soap12, "urn:soap:13")),
		toRegistry("SOAP: header that must be understood", swap(t, good.register, "</e:Header>", `<s:Security xmlns:s="urn:s" e:mustUnderstand="true"/></e:Header>`)),
		toRegistry("SOAP: MTOM to the registry", related(good.register)),
		typed(toRegistry("SOAP: MTOM to the registry, told", related(good.register)), multiType+`; action="`+registerAction+`"`),
		toRegistry("addressing: no Action", swap(t, good.register, action, "")),
		with("addressing: two Actions", action),
		toRegistry("addressing: Action of nobody", swap(t, good.register, registerAction, "urn:x")),
		typed(toRegistry("addressing: Action of nobody, told", swap(t, good.register, registerAction, "urn:x")), simple+`; action="urn:x"`),
		typed(toRegistry("addressing: action parameter of another", good.register), simple+`; action="`+queryAction+`"`),
		toRegistry("addressing: no MessageID", swap(t, good.register, id, "")),
		with("addressing: two MessageIDs", id),
		with("addressing: two ReplyTo", "<a:ReplyTo><a:Address>urn:a</a:Address></a:ReplyTo><a:ReplyTo><a:Address>urn:a</a:Address></a:ReplyTo>"),
		with("addressing: ReplyTo without an address", "<a:ReplyTo/>"),
		with("addressing: ReplyTo that is not allowed", "<a:ReplyTo><a:Address>http://127.0.0.1:1/x</a:Address></a:ReplyTo>"),
		with("addressing: FaultTo that is not allowed", "<a:FaultTo><a:Address>http://169.254.169.254/latest</a:Address></a:FaultTo>"),
	}
}

func httpCases(good base) []badCase {
	mk := func(name, method, ct string, more ...string) badCase {
		c := toRegistry(name, good.register)
		c.method, c.header = method, map[string]string{}
		if ct != "" {
			c.header["Content-Type"] = ct
		}
		for i := 0; i < len(more); i += 2 {
			c.header[more[i]] = more[i+1]
		}
		return c
	}
	cutShort := toRegistry("HTTP: body cut short", good.register)
	cutShort.length, cutShort.cut = cutShort.length+1000, true
	chunked := toRegistry("HTTP: chunks cut short", good.register)
	chunked.length, chunked.cut = 0, true
	document := toRepository("HTTP: cut short in a document", related(good.provide, part("doc@x", good.doc))[:3000])
	document.length, document.cut = 1<<20, true
	get := mk("HTTP: GET", "GET", "")
	get.body, get.length = nil, 0
	return []badCase{
		get,
		mk("HTTP: PUT", "PUT", simple),
		mk("HTTP: no Content-Type", "POST", ""),
		mk("HTTP: Content-Type that cannot be read", "POST", `application/soap+xml; charset="`),
		mk("HTTP: text/plain", "POST", "text/plain"),
		mk("HTTP: application/xml", "POST", "application/xml"),
		mk("HTTP: application/soap+xml in ISO-8859-1", "POST", "application/soap+xml; charset=ISO-8859-1"),
		mk("HTTP: form", "POST", "multipart/form-data; boundary=B"),
		mk("HTTP: SOAP with attachments", "POST", `multipart/related; type="text/xml"; boundary=B`),
		cutShort, chunked, document,
	}
}

// metadataCases are the submissions whose metadata do not fit the documents or the affinity domain.
func metadataCases(t *testing.T, good base) []badCase {
	sent := func(name string, pairs ...string) badCase {
		return toRepository(name, related(swap(t, good.provide, pairs...), part("doc@x", good.doc)))
	}
	slot := func(name, value string) string {
		return `<rim:Slot name="` + name + `"><rim:ValueList><rim:Value>` + value + `</rim:Value></rim:ValueList></rim:Slot>`
	}
	language := slot("languageCode", "fr-FR")
	created := good.provide[strings.Index(good.provide, `name="creationTime"`):]
	created = created[strings.Index(created, "<rim:Value>")+11 : strings.Index(created, "</rim:Value>")]
	unknown := sent("metadata: unknown patient", patient(0), patient(7))
	unknown.audits = 2 // of the registry and of the repository
	return []badCase{
		sent("metadata: hash of another document", language, slot("hash", "da39a3ee5e6b4b0d3255bfef95601890afd80709")+language),
		sent("metadata: size of another document", language, slot("size", "601")+language),
		sent("metadata: hash and size of another document", language, slot("hash", "da39a3ee5e6b4b0d3255bfef95601890afd80709")+slot("size", "1")+language),
		sent("metadata: hash that is none", language, slot("hash", "zz")+language),
		sent("metadata: size below zero", language, slot("size", "-1")+language),
		unknown,
		sent("metadata: patient of another authority", "1.2.250.1.213.1.4.10", "1.2.250.1.213.1.4.99"),
		sent("metadata: patient identifier that is none", patient(0), "nobody"),
		sent("metadata: foreign class", `nodeRepresentation="11"`, `nodeRepresentation="FOREIGN"`),
		sent("metadata: class of a foreign scheme", "1.2.250.1.213.1.1.4.1<", "1.2.3.4<"),
		sent("metadata: every code foreign", `nodeRepresentation="11"`, `nodeRepresentation="A"`, `nodeRepresentation="60591-5"`, `nodeRepresentation="B"`,
			`nodeRepresentation="SA25"`, `nodeRepresentation="C"`, `nodeRepresentation="AMBULATOIRE"`, `nodeRepresentation="D"`),
		sent("metadata: foreign media type", `mimeType="text/xml"`, `mimeType="application/x-msdownload"`),
		sent("metadata: 30 February", created, "20150230"),
		sent("metadata: 25 o'clock", created, "2015022825"),
		sent("metadata: month of one digit", created, "20152"),
		sent("metadata: date with hyphens", created, "2015-02-28"),
		sent("metadata: every attribute wrong at once", created, "20150230", language, slot("languageCode", "très français")+slot("size", "many"), patient(0), "nobody"),
	}
}

func registryCases(t *testing.T, good base) []badCase {
	sent := func(name string, pairs ...string) badCase { return toRegistry(name, swap(t, good.register, pairs...)) }
	return []badCase{
		sent("registry: unknown patient", patient(0), patient(7)),
		sent("registry: submission set of an earlier one", `.77.2.2"`, `.77.2.91"`),
		sent("registry: document of an earlier one with another hash", `.77.1.2"`, `.77.1.91"`, "da39a3ee5e6b4b0d3255bfef95601890afd80709", "da39a3ee5e6b4b0d3255bfef95601890afd80700"),
		sent("registry: hash not there", `name="hash"`, `name="urn:not:hash"`),
		sent("registry: membership of nothing", `targetObject="Document01"`, `targetObject="Document09"`),
		sent("registry: association of no known type", "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember", "urn:x"),
	}
}

func queryCases(t *testing.T, good base) []badCase {
	sent := func(name string, pairs ...string) badCase { return toRegistry(name, swap(t, good.find, pairs...)) }
	retrieve := func(name string, pairs ...string) badCase {
		c := toRepository(name, related(swap(t, good.retrieve, pairs...)))
		c.header = contentType(multiType, retrieveAction)
		return c
	}
	return []badCase{
		sent("query: nobody knows it", "14d4debf-8f97-4251-9a74-a90016b0af0d", "14d4debf-8f97-4251-9a74-a90016b0af0e"),
		sent("query: no patient", "$XDSDocumentEntryPatientId", "$XDSDocumentEntryPatient"),
		sent("query: value without quotes", "'"+patient(0)+"'", patient(0)),
		sent("query: status without brackets", "('urn:oasis:names:tc:ebxml-regrep:StatusType:Approved')", "urn:oasis"),
		sent("query: return type that is none", `returnType="ObjectRef"`, `returnType="Everything"`),
		sent("query: not as the schema has it", "<rim:AdhocQuery", "<rim:Foreign/><rim:AdhocQuery"),
		retrieve("retrieve: no such document", "1.2.3.4", "1.2.3.5"),
		retrieve("retrieve: of another repository", "1.2.250.1.999.1.2", "1.2.250.1.999.1.3"),
		retrieve("retrieve: nothing asked for", "RepositoryUniqueId", "RepositoryUnique"),
		{name: "query: to the repository", path: gateway.RepositoryPath, header: contentType(simple, queryAction), body: strings.NewReader(good.find), length: int64(len(good.find))},
	}
}
