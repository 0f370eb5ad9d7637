package gateway_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
)

const (
	provideAction  = "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b"
	registerAction = "urn:ihe:iti:2007:RegisterDocumentSet-b"
	queryAction    = "urn:ihe:iti:2007:RegistryStoredQuery"
	retrieveAction = "urn:ihe:iti:2007:RetrieveDocumentSet"

	simple    = "application/soap+xml; charset=UTF-8"
	multiType = `multipart/related; type="application/xop+xml"; boundary=B; start="<root@x>"; start-info="application/soap+xml"`
	gigabyte  = 1 << 30
)

var when = time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)

// envelope is a request for an action as any stack would write it.
func envelope(action, body string) string {
	return `<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing"><e:Header><a:Action e:mustUnderstand="1">` + action +
		`</a:Action><a:MessageID>urn:uuid:1</a:MessageID></e:Header><e:Body>` + body + `</e:Body></e:Envelope>`
}

// related is a multipart message: the root and its parts, each with its header.
func related(root string, parts ...string) string {
	b := "--B\r\nContent-Type: application/xop+xml; type=\"application/soap+xml\"\r\nContent-ID: <root@x>\r\n\r\n" + root + "\r\n"
	for _, p := range parts {
		b += "--B\r\n" + p + "\r\n"
	}
	return b + "--B--\r\n"
}

func part(id, content string) string {
	return "Content-Type: text/xml\r\nContent-ID: <" + id + ">\r\n\r\n" + content
}

// base are the good messages that the bad ones are made from.
type base struct{ provide, register, find, retrieve, doc string }

func goodMessages() base {
	doc := string(sample.Document(1, 600))
	provided := ebxml.AppendProvideAndRegister(nil, sample.Submission(77, 1, 0, when), func(xds.ObjectID) string { return "doc@x" })
	sub := sample.Submission(77, 2, 0, when)
	sub.Entries[0].Hash, sub.Entries[0].Size, sub.Entries[0].RepositoryUniqueID = "da39a3ee5e6b4b0d3255bfef95601890afd80709", 0, "1.2.250.1.999.1.2"
	return base{
		provide:  envelope(provideAction, string(provided)),
		register: envelope(registerAction, string(ebxml.AppendSubmitObjects(nil, sub))),
		find: envelope(queryAction, string(ebxml.AppendAdhocQuery(nil, "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d", "ObjectRef", []xds.Slot{
			{Name: "$XDSDocumentEntryPatientId", Values: []string{"'" + sample.PatientID(0).String() + "'"}},
			{Name: "$XDSDocumentEntryStatus", Values: []string{"('" + string(xds.Approved) + "')"}}}))),
		retrieve: envelope(retrieveAction, string(ebxml.AppendRetrieveDocumentSet(nil, []xds.DocumentRequest{{RepositoryUniqueID: "1.2.250.1.999.1.2", UniqueID: "1.2.3.4"}}))),
		doc:      doc,
	}
}

// registered sends the good messages, so that a refusal of the bad ones is of what is bad in them. It gives one submission that is there to stay.
func registered(t *testing.T, p *process) {
	t.Helper()
	good := goodMessages()
	provided := swap(t, good.provide, `.77.1.1"`, `.77.1.90"`, `.77.2.1"`, `.77.2.90"`)
	for _, c := range []badCase{
		{path: gateway.RepositoryPath, header: contentType(multiType, provideAction), body: strings.NewReader(related(provided, part("doc@x", good.doc)))},
		{path: gateway.RegistryPath, header: contentType(simple, registerAction), body: strings.NewReader(swap(t, good.register, `.77.1.2"`, `.77.1.91"`, `.77.2.2"`, `.77.2.91"`))},
		{path: gateway.RegistryPath, header: contentType(simple, queryAction), body: strings.NewReader(good.find)},
	} {
		if got := p.exchange(c); !strings.Contains(got, "Success") {
			t.Fatalf("the good message is refused: %s", got)
		}
	}
}

func contentType(value, action string) map[string]string {
	return map[string]string{"Content-Type": value + `; action="` + action + `"`}
}

// swap replaces texts, all of which must be there.
func swap(t *testing.T, s string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(s, pairs[i]) {
			t.Fatalf("no %q in %.200s…", pairs[i], s)
		}
		s = strings.ReplaceAll(s, pairs[i], pairs[i+1])
	}
	return s
}

func badCases(t *testing.T) []badCase {
	good := goodMessages()
	var all []badCase
	for _, list := range [][]badCase{xmlCases(t, good), nestedCases(t, good), largeCases(t, good), mimeCases(t, good), documentCases(t, good), gzipCases(good), soapCases(t, good),
		httpCases(good), metadataCases(t, good), registryCases(t, good), queryCases(t, good)} {
		all = append(all, list...)
	}
	// The last, because the collector keeps for a while what this one took.
	cut := strings.Index(good.register, `<rim:RegistryPackage id="`) + len(`<rim:RegistryPackage id="`)
	largest := toRegistry("largest: 8 MB of one attribute, in an envelope just as large as is read", good.register[:cut]+strings.Repeat("x", 8<<20-len(good.register))+good.register[cut:])
	largest.peak = 192 << 20
	return append(all, largest)
}

func toRegistry(name, body string) badCase {
	action := registerAction
	if strings.Contains(body, queryAction) {
		action = queryAction
	}
	return badCase{name: name, path: gateway.RegistryPath, header: contentType(simple, action), body: strings.NewReader(body), length: int64(len(body))}
}

func toRepository(name, body string) badCase {
	return badCase{name: name, path: gateway.RepositoryPath, header: contentType(multiType, provideAction), body: strings.NewReader(body), length: int64(len(body))}
}

func xmlCases(t *testing.T, good base) []badCase {
	list := "<rim:RegistryObjectList"
	dtd := func(subset, text string) string {
		return "<!DOCTYPE e:Envelope [" + subset + "]>" + swap(t, good.register, "Médecin biologiste", text)
	}
	bomb := `<!ENTITY a "aaaaaaaaaa">`
	for c := 'b'; c <= 'j'; c++ {
		bomb += fmt.Sprintf(`<!ENTITY %c "%s">`, c, strings.Repeat(fmt.Sprintf("&%c;", c-1), 10))
	}
	return []badCase{
		toRegistry("XML: end tag of another element", swap(t, good.register, "</e:Body>", "</e:Bodi>")),
		toRegistry("XML: ends in the middle", good.register[:len(good.register)/2]),
		toRegistry("XML: attribute twice", swap(t, good.register, "<rim:RegistryPackage ", `<rim:RegistryPackage id="x" id="x" `)),
		toRegistry("XML: prefix without a namespace", swap(t, good.register, list, "<none:x/>"+list)),
		toRegistry("XML: character that XML does not have", swap(t, good.register, "Médecin biologiste", "M\x01")),
		toRegistry("XML: reference to such a character", swap(t, good.register, "Médecin biologiste", "&#0;")),
		toRegistry("XML: not UTF-8", swap(t, good.register, "Médecin biologiste", "M\xe9decin")),
		toRegistry("XML: declares another encoding", `<?xml version="1.0" encoding="ISO-8859-1"?>`+good.register),
		toRegistry("XML: nothing", ""),
		toRegistry("XML: entity that nobody declares", swap(t, good.register, "Médecin biologiste", "&secret;")),
		toRegistry("XML: entities that expand a billionfold", dtd(bomb, "&j;")),
		toRegistry("XML: external entity", dtd(`<!ENTITY x SYSTEM "file:///etc/passwd">`, "&x;")),
		toRegistry("XML: external parameter entity", dtd(`<!ENTITY % x SYSTEM "http://127.0.0.1:1/x.dtd"> %x;`, "text")),
		toRegistry("root: no envelope", "<a/>"),
		toRegistry("root: the body alone", good.register[strings.Index(good.register, "<lcm:"):strings.Index(good.register, "</e:Body>")]),
		toRegistry("root: body of another transaction", swap(t, good.find, queryAction, registerAction)),
		toRegistry("root: empty body", envelope(registerAction, "")),
		toRegistry("root: two bodies in one", swap(t, good.register, "</e:Body>", "<x/></e:Body>")),
		toRegistry("schema: element that does not belong", swap(t, good.register, list, "<rim:Foreign/>"+list)),
		toRegistry("schema: no list of objects", envelope(registerAction, `<lcm:SubmitObjectsRequest xmlns:lcm="urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0"/>`)),
		toRegistry("schema: attribute that must be there", swap(t, good.register, ` associationType="urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"`, "")),
	}
}

func nestedCases(t *testing.T, good base) []badCase {
	deep := func(name string) string {
		return strings.Repeat("<"+name+">", 10000) + strings.Repeat("</"+name+">", 10000)
	}
	return []badCase{
		toRegistry("deep: 10 000 elements in the body", swap(t, good.register, "<rim:ValueList><rim:Value>", "<rim:ValueList>"+deep("rim:Value")+"<rim:Value>")),
		toRegistry("deep: 10 000 elements where objects are due", swap(t, good.register, "<rim:RegistryPackage ", deep("rim:Slot")+"<rim:RegistryPackage ")),
		toRegistry("deep: 10 000 elements that never close", swap(t, good.register, "<rim:ValueList><rim:Value>", "<rim:ValueList>"+strings.Repeat("<rim:Slot>", 10000)+"<rim:Value>")),
		toRegistry("deep: 10 000 elements in the header", swap(t, good.register, "</e:Header>", deep("x")+"</e:Header>")),
		toRegistry("deep: 10 000 elements in a query", swap(t, good.find, "<rim:AdhocQuery", deep("x")+"<rim:AdhocQuery")),
	}
}

// endless is n bytes of one letter, made as they are read.
func endless(n int64) io.Reader { return io.LimitReader(letters{}, n) }

type letters struct{}

func (letters) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

// largeCases send a gigabyte, in one attribute or otherwise, with its length told before or not.
func largeCases(t *testing.T, good base) []badCase {
	cut := strings.Index(good.register, `<rim:RegistryPackage id="`) + len(`<rim:RegistryPackage id="`)
	huge := func() io.Reader {
		return io.MultiReader(strings.NewReader(good.register[:cut]), endless(gigabyte), strings.NewReader(good.register[cut:]))
	}
	size := int64(len(good.register) + gigabyte)
	registry := func(name string, body io.Reader, length int64) badCase {
		return badCase{name: name, path: gateway.RegistryPath, header: contentType(simple, registerAction), body: body, length: length}
	}
	const head = "--B\r\nContent-Type: application/xop+xml; type=\"application/soap+xml\"\r\nContent-ID: <root@x>\r\n\r\n"
	return []badCase{
		registry("large: 1 GB of one attribute, announced", huge(), size),
		registry("large: 1 GB of one attribute, in chunks", huge(), 0),
		{name: "large: 1 GB of one attribute in the root of a multipart message", path: gateway.RepositoryPath, header: contentType(multiType, provideAction),
			body: io.MultiReader(strings.NewReader(head), huge(), strings.NewReader("\r\n--B--\r\n"))},
		{name: "large: 1 GB of a part's header", path: gateway.RepositoryPath, header: contentType(multiType, provideAction),
			body: io.MultiReader(strings.NewReader("--B\r\nX: "), endless(gigabyte))},
		{name: "large: 1 GB before the first boundary", path: gateway.RepositoryPath, header: contentType(multiType, provideAction), body: endless(gigabyte)},
		{name: "large: 1 GB of a part before the root", path: gateway.RepositoryPath, header: contentType(multiType, provideAction),
			body: io.MultiReader(strings.NewReader("--B\r\nContent-ID: <other@x>\r\n\r\n"), endless(gigabyte))},
		{name: "large: more than a message may have, announced", path: gateway.RepositoryPath, header: contentType(multiType, provideAction), body: strings.NewReader(head), length: 3 << 30, cut: true},
	}
}

func mimeCases(t *testing.T, good base) []badCase {
	whole := related(good.provide, part("doc@x", good.doc))
	typed := func(c badCase, ct string) badCase {
		c.header = map[string]string{"Content-Type": ct}
		return c
	}
	many := make([]string, 1000)
	for i := range many {
		many[i] = part(fmt.Sprintf("p%d@x", i), "")
	}
	return []badCase{
		toRepository("MIME: no closing boundary", strings.TrimSuffix(whole, "--B--\r\n")),
		toRepository("MIME: ends in the document", whole[:len(whole)-200]),
		toRepository("MIME: ends in the root", whole[:400]),
		toRepository("MIME: ends in the header of a part", whole[:strings.LastIndex(whole, "Content-ID")+5]),
		toRepository("MIME: no part at all", "--B--\r\n"),
		toRepository("MIME: another boundary than announced", swap(t, whole, "--B", "--C")),
		toRepository("MIME: nothing", ""),
		typed(toRepository("MIME: no boundary parameter", whole), `multipart/related; type="application/xop+xml"`),
		typed(toRepository("MIME: start names no part", whole), strings.Replace(multiType, "root@x", "none@x", 1)),
		toRepository("MIME: no part for a cid", related(good.provide)),
		toRepository("MIME: part of another Content-ID", related(good.provide, part("other@x", good.doc))),
		toRepository("MIME: Include without href", related(swap(t, good.provide, ` href="cid:doc@x"`, ""), part("doc@x", good.doc))),
		toRepository("MIME: Include that is no cid", related(swap(t, good.provide, "cid:doc@x", "http://127.0.0.1:1/doc"), part("doc@x", good.doc))),
		toRepository("MIME: Content-ID twice", related(good.provide, part("doc@x", good.doc), part("doc@x", good.doc))),
		toRepository("MIME: Content-ID of the root again", related(good.provide, part("root@x", good.doc))),
		toRepository("MIME: base64 that is none", related(good.provide, "Content-ID: <doc@x>\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!")),
		toRepository("MIME: encoding that is not taken", related(good.provide, "Content-ID: <doc@x>\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nx")),
		toRepository("MIME: header without a colon", related(good.provide, "Content-ID <doc@x>\r\n\r\nx")),
		toRepository("MIME: 1001 parts", related(good.provide, many...)),
	}
}

func documentCases(t *testing.T, good base) []badCase {
	from, to := strings.Index(good.provide, "<xdsb:Document"), strings.Index(good.provide, "</xdsb:ProvideAndRegisterDocumentSetRequest>")
	if from < 0 || to < 0 {
		t.Fatalf("no Document in %s", good.provide)
	}
	one := good.provide[from:to]
	doc := part("doc@x", good.doc)
	replaced := func(with string) string { return good.provide[:from] + with + good.provide[to:] }
	inline := func(content string) string {
		return replaced(one[:strings.IndexByte(one, '>')+1] + content + one[strings.LastIndexByte(one, '<'):])
	}
	return []badCase{
		toRepository("document: none for an entry", related(replaced(""))),
		toRepository("document: without metadata", related(replaced(one+swap(t, one, "Document01", "Document02", "doc@x", "doc2@x")), doc, part("doc2@x", "x"))),
		toRepository("document: two for one entry", related(replaced(one+swap(t, one, "doc@x", "doc2@x")), doc, part("doc2@x", "x"))),
		toRepository("document: one part for two", related(replaced(one+swap(t, one, "Document01", "Document02")), doc)),
		toRepository("document: inline and no base64", related(inline("!!!!"))),
		toRepository("document: inline base64 that ends early", related(inline("QUJDR"))),
		toRepository("document: inline element", related(inline("<x/>"))),
	}
}

func gzipCases(good base) []badCase {
	packed := func(n int64, s string) string {
		var b bytes.Buffer
		z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
		_, _ = io.Copy(z, endless(n))
		_, _ = io.WriteString(z, s)
		_ = z.Close()
		return b.String()
	}
	encoded := func(c badCase, encoding string) badCase {
		c.header = maps.Clone(c.header)
		c.header["Content-Encoding"] = encoding
		return c
	}
	bomb, whole := packed(gigabyte/4, ""), packed(0, good.register)
	broken := whole[:len(whole)-8] + "\x00\x00\x00\x00" + whole[len(whole)-4:]
	return []badCase{
		encoded(toRegistry("gzip: bomb in an envelope", bomb), "gzip"),
		encoded(toRepository("gzip: bomb in a multipart message", bomb), "gzip"),
		encoded(toRegistry("gzip: bombs one behind the other", bomb+bomb), "gzip"),
		encoded(toRegistry("gzip: bomb in a bomb", packed(0, bomb)), "gzip, gzip"),
		encoded(toRegistry("gzip: bomb in a bomb, one told", packed(0, bomb)), "gzip"),
		encoded(toRegistry("gzip: not gzip", good.register), "gzip"),
		encoded(toRegistry("gzip: cut short", whole[:len(whole)/2]), "gzip"),
		encoded(toRegistry("gzip: wrong checksum", broken), "gzip"),
		encoded(toRegistry("gzip: another encoding", good.register), "br"),
	}
}
