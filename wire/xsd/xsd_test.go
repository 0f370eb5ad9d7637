package xsd_test

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/internal/oracle"
	"github.com/passerelle-sante/passerelle/wire/xsd"
	"github.com/passerelle-sante/passerelle/wire/xsd/schemas"
)

const nss = ` xmlns:rim="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0" xmlns:rs="urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0" xmlns:lcm="urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0" xmlns:query="urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0" xmlns:ihe="urn:ihe:iti:xds-b:2007" xmlns:rmd="urn:ihe:iti:rmd:2017" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"`

const object = `<rim:ExtrinsicObject id="d" mimeType="text/xml" objectType="urn:x" isOpaque="false" lid="urn:y" status="urn:z" home="urn:oid:1"><rim:Slot name="n"><rim:ValueList><rim:Value>v</rim:Value></rim:ValueList></rim:Slot><rim:Name><rim:LocalizedString xml:lang="fr" charset="UTF-8" value="t"/></rim:Name><rim:Description/><rim:VersionInfo versionName="1.1"/><rim:Classification id="c" classificationScheme="urn:s" classifiedObject="d" nodeRepresentation="n"/><rim:ExternalIdentifier id="e" registryObject="d" identificationScheme="urn:i" value="v"/><rim:ContentVersionInfo/></rim:ExtrinsicObject>`

const list = `<rim:RegistryObjectList>` + object + `<rim:RegistryPackage id="s"/><rim:Association id="a" associationType="urn:h" sourceObject="s" targetObject="d"/><rim:ObjectRef id="r"/><rim:AdhocQuery id="q"><rim:QueryExpression queryLanguage="urn:l">x</rim:QueryExpression></rim:AdhocQuery><rim:Organization id="o"><rim:TelephoneNumber number="1"/></rim:Organization><rim:Subscription id="u" selector="q"><rim:NotifyAction endPoint="urn:e"/></rim:Subscription></rim:RegistryObjectList>`

var valid = []string{
	`<lcm:SubmitObjectsRequest` + nss + ` id="r" comment="c"><rs:RequestSlotList><rim:Slot name="n"><rim:ValueList/></rim:Slot></rs:RequestSlotList>` + list + `</lcm:SubmitObjectsRequest>`,
	`<lcm:RemoveObjectsRequest` + nss + ` deletionScope="urn:d"><rim:ObjectRefList><rim:ObjectRef id="r" createReplica="true"/></rim:ObjectRefList></lcm:RemoveObjectsRequest>`,
	`<query:AdhocQueryRequest` + nss + ` startIndex="0" maxResults="5" federated="false"><query:ResponseOption returnType="LeafClass" returnComposedObjects="true"/><rim:AdhocQuery id="urn:uuid:1"><rim:Slot name="$p"><rim:ValueList><rim:Value>'x'</rim:Value></rim:ValueList></rim:Slot></rim:AdhocQuery></query:AdhocQueryRequest>`,
	`<query:AdhocQueryResponse` + nss + ` status="urn:s" requestId="urn:i" totalResultCount="3"><rs:RegistryErrorList highestSeverity="urn:h"><rs:RegistryError codeContext="c" errorCode="e" severity="urn:s" location="l">t</rs:RegistryError></rs:RegistryErrorList>` + list + `</query:AdhocQueryResponse>`,
	`<rs:RegistryResponse` + nss + ` status="urn:s"/>`,
	`<rmd:RemoveDocumentsRequest` + nss + `><ihe:DocumentRequest><ihe:RepositoryUniqueId>r</ihe:RepositoryUniqueId><ihe:DocumentUniqueId>d</ihe:DocumentUniqueId></ihe:DocumentRequest></rmd:RemoveDocumentsRequest>`,
	`<query:OrganizationQuery` + nss + `><query:PrimaryFilter xsi:type="query:CompoundFilterType" logicalOperator="AND"><query:LeftFilter xsi:type="query:StringFilterType" comparator="EQ" domainAttribute="d" value="v"/><query:RightFilter xsi:type="query:IntegerFilterType" comparator="LT" domainAttribute="d" value="1" negate="true"/></query:PrimaryFilter><query:NameBranch><query:LocalizedStringFilter/></query:NameBranch><query:ClassificationQuery><query:ClassificationNodeQuery/></query:ClassificationQuery><query:ParentQuery/><query:PrimaryContactQuery/></query:OrganizationQuery>`,
	`<lcm:SubmitObjectsRequest` + nss + `><rim:RegistryObjectList><rim:Identifiable xsi:type="rim:AssociationType1" id="a" associationType="urn:h" sourceObject="s" targetObject="d"/><rim:RegistryObject xsi:type="rim:ExtrinsicObjectType" id="o"><rim:Slot xsi:type="rim:SlotType1" name="n"><rim:ValueList/></rim:Slot></rim:RegistryObject></rim:RegistryObjectList></lcm:SubmitObjectsRequest>`,
	`<ihe:ProvideAndRegisterDocumentSetRequest` + nss + `><lcm:SubmitObjectsRequest>` + list + `</lcm:SubmitObjectsRequest><ihe:Document id="d">QUJD</ihe:Document></ihe:ProvideAndRegisterDocumentSetRequest>`,
	`<ihe:RetrieveDocumentSetRequest` + nss + `><ihe:DocumentRequest><ihe:HomeCommunityId>h</ihe:HomeCommunityId><ihe:RepositoryUniqueId>r</ihe:RepositoryUniqueId><ihe:DocumentUniqueId>d</ihe:DocumentUniqueId></ihe:DocumentRequest></ihe:RetrieveDocumentSetRequest>`,
	`<ihe:RetrieveDocumentSetResponse` + nss + `><rs:RegistryResponse status="urn:s"/><ihe:DocumentResponse><ihe:RepositoryUniqueId>r</ihe:RepositoryUniqueId><ihe:DocumentUniqueId>d</ihe:DocumentUniqueId><ihe:mimeType>text/plain</ihe:mimeType><ihe:Document>QUJD</ihe:Document></ihe:DocumentResponse></ihe:RetrieveDocumentSetResponse>`,
}

func compile(t testing.TB, fsys fs.FS, name string) *xsd.Schema {
	s, err := xsd.Compile(fsys, name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestValid(t *testing.T) {
	s := compile(t, schemas.Files, schemas.Root)
	for _, doc := range valid {
		if f, err := s.Validate([]byte(doc)); err != nil || f != nil {
			t.Errorf("%.60s: %v %v", doc, f, err)
		}
		env := `<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Header/><e:Body>` + strings.Replace(doc, `>QUJD<`, `><x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="cid:a"/><`, 1) + `</e:Body></e:Envelope>`
		if f, err := s.ValidateBody([]byte(env)); err != nil || f != nil {
			t.Errorf("body %.60s: %v %v", doc, f, err)
		}
	}
}

func TestFindings(t *testing.T) {
	s := compile(t, schemas.Files, schemas.Root)
	for _, c := range []struct {
		doc, want string
		line      int
	}{
		{"<rs:RegistryResponse" + nss + ">\n</rs:RegistryResponse>", "'status' is required", 1},
		{"<rs:RegistryResponse" + nss + " status='x'>\n<x/></rs:RegistryResponse>", "not expected", 2},
		{"<rim:Value" + nss + ">\n" + strings.Repeat("secret", 5000) + "</rim:Value>", "length of '30001'", 1},
		{"<rim:ObjectRef" + nss + " id='x'\n createReplica='" + strings.Repeat("secret", 5000) + "'/>", "…'", 2},
		{"<a>\n<b></a>", "Premature end", 2},
		{"<a/>", "No matching global declaration", 1},
		{"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/hostname'>]><a>&x;</a>", "No matching", 1},
	} {
		f, err := s.Validate([]byte(c.doc))
		if err != nil || len(f) == 0 || f[0].Line != c.line || !strings.Contains(f[0].Message, c.want) || len(f[0].Message) > 200 || strings.Contains(f[0].Message, strings.Repeat("secret", 20)) {
			t.Errorf("%.80s: %v %v", c.doc, f, err)
		}
	}
	if f, err := s.ValidateBody([]byte("<a/>")); err != nil || len(f) != 1 {
		t.Error(f, err)
	}
	if _, err := xsd.Compile(schemas.Files, "none.xsd"); err == nil {
		t.Error("no such schema, and compiled")
	}
}

// TestPath: a finding says which element it is about, an attribute's the one that bears it.
func TestPath(t *testing.T) {
	const schema = `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="a"><xs:complexType><xs:sequence>` +
		`<xs:element ref="a" minOccurs="0" maxOccurs="unbounded"/></xs:sequence><xs:attribute name="n" type="xs:int"/></xs:complexType></xs:element></xs:schema>`
	s, err := xsd.CompileFiles(map[string][]byte{"a.xsd": []byte(schema)}, "a.xsd")
	if err != nil {
		t.Fatal(err)
	}
	deep := func(n int) string { return strings.Repeat("<a>", n) + "<b/>" + strings.Repeat("</a>", n) }
	for doc, want := range map[string]string{
		"<b/>":                                   "[]",
		"<a n='x'/>":                             "[]",
		"<a><!-- --><a/>\n<a><a n='x'/></a></a>": "[1 0]",
		"<a><a/><b/></a>":                        "[1]",
		"<a>":                                    "nil",
		deep(3):                                  "[0 0 0]",
	} {
		f, err := s.Validate([]byte(doc))
		if err != nil || len(f) == 0 {
			t.Fatal(doc, f, err)
		}
		got := fmt.Sprint(f[0].Path)
		if f[0].Path == nil {
			got = "nil"
		}
		if got != want {
			t.Errorf("%s: %s, not %s", doc, got, want)
		}
	}
}

// mutate changes one thing of a document.
func mutate(r *rand.Rand, doc string) string {
	cut := func(marks string) (int, int) { // a random tag or value
		i := r.IntN(len(doc) + 1)
		from := strings.IndexByte(doc[i:], marks[0])
		if from < 0 {
			return 0, 0
		}
		from += i
		to := strings.IndexByte(doc[from+1:], marks[1])
		if to < 0 {
			return 0, 0
		}
		return from, from + to + 2
	}
	switch r.IntN(8) {
	case 0: // an attribute's value
		from, to := cut(`""`)
		if to == 0 || !strings.HasSuffix(doc[:from], "=") {
			return doc
		}
		values := []string{"", "maybe", "1", "true", " 5 ", "a b", "%zz", "http://[", "urn:x", strings.Repeat("x", 16), strings.Repeat("x", 17), strings.Repeat("é", 256), strings.Repeat("x", 257), strings.Repeat("x", 1024), strings.Repeat("x", 1025), "LeafClass", "fr-"}
		return doc[:from] + `"` + values[r.IntN(len(values))] + `"` + doc[to:]
	case 1: // an element's text
		from, to := cut("><")
		if to == 0 {
			return doc
		}
		values := []string{"", "text", "QUI", "QUJD QUJD", "!", strings.Repeat("x", 256), strings.Repeat("x", 257), "<foreign xmlns='urn:f'/>", "<rim:Name/>", "<rim:ObjectRef id='z'/>", "<rim:Slot name='s'><rim:ValueList/></rim:Slot>", "<rim:User id='u'/>", "<rim:Notification id='z' subscription='s'><rim:RegistryObjectList/></rim:Notification>", "<rim:Registry id='u' operator='o' specificationVersion='3' conformanceProfile='registryFull'/>", "<rim:Identifiable id='i'/>", "<rim:Federation id='f' replicationSyncLatency='P1D'/>"}
		return doc[:from+1] + values[r.IntN(len(values))] + doc[to-1:]
	case 2: // drop an attribute
		from, to := cut(" \"")
		if to == 0 {
			return doc
		}
		if end := strings.IndexByte(doc[to:], '"'); end >= 0 && strings.HasSuffix(doc[:to], `="`) {
			return doc[:from] + doc[to+end+1:]
		}
		return doc
	case 3: // another attribute
		if from, to := cut("<>"); to > 0 && doc[from+1] != '/' {
			values := []string{" foreign='1'", " id='x'", " home='h'", " value='v'", " xml:lang=''", " xml:lang='12345678901'", " lid='l'", " slotType='s'", " comment=''", " xml:base='x'", " xsi:type='rim:" + []string{"SlotType1", "ExtrinsicObjectType", "RegistryObjectType", "RegistryPackageType", "AssociationType1", "UserType", "Slot", "ObjectRefType"}[r.IntN(8)] + "'", " xsi:type='query:StringFilterType'"}
			at := from + strings.IndexAny(doc[from:], " />")
			return doc[:at] + values[r.IntN(len(values))] + doc[at:]
		}
		return doc
	default: // drop, double or move an element
		from, to := cut("<>")
		if to == 0 || doc[from+1] == '/' {
			return doc
		}
		name := doc[from+1 : from+strings.IndexAny(doc[from:], " />")]
		if doc[to-2] != '/' {
			end := strings.Index(doc[to:], "</"+name+">")
			if end < 0 {
				return doc
			}
			to += end + len(name) + 3
		}
		e, rest := doc[from:to], doc[:from]+doc[to:]
		switch r.IntN(3) {
		case 0:
			return rest
		case 1:
			return doc[:to] + e + doc[to:]
		}
		at := r.IntN(len(rest) + 1)
		if i := strings.IndexByte(rest[at:], '<'); i >= 0 {
			return rest[:at+i] + e + rest[at+i:]
		}
		return rest
	}
}

// bodies gives what is of XDS in the bodies of envelopes.
func bodies(t *testing.T, pattern string) (out []string) {
	files, _ := filepath.Glob(pattern)
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		_, body, _ := strings.Cut(string(b), "Body")
		_, body, _ = strings.Cut(body, ">")
		if end := strings.LastIndex(body, "Body>"); end >= 0 && strings.Contains(body, "ebxml-regrep:xsd") {
			body = body[:strings.LastIndex(body[:end], "</")]
			if strings.Contains(body, "xsi:") && !strings.Contains(body, "xmlns:xsi=") {
				body = strings.Replace(body, " xmlns", ` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns`, 1)
			}
			out = append(out, strings.TrimSpace(body))
		}
	}
	if len(files) > 0 && len(out) == 0 {
		t.Errorf("no body of XDS in %s", pattern)
	}
	return out
}

// TestOfficial compares verdicts with the official schemas, on documents and mutants of them.
func TestOfficial(t *testing.T) {
	dir := oracle.Path(t, "standards/xds/schema")
	official, own := compile(t, os.DirFS(dir), "XDS.b_DocumentRepository.xsd"), compile(t, schemas.Files, schemas.Root)
	docs := append([]string(nil), valid...)
	samples, _ := filepath.Glob(filepath.Join(dir, "../../../samples/xds/*.xml"))
	for _, f := range samples {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, string(b))
	}
	docs = append(docs, bodies(t, filepath.Join(dir, "../../../samples/dmp/*.xml"))...)
	r := rand.New(rand.NewPCG(1, 2))
	bad := 0
	for i := range 6000 {
		doc := docs[i%len(docs)]
		for range i / len(docs) % 3 {
			doc = mutate(r, doc)
		}
		a, err1 := official.Validate([]byte(doc))
		b, err2 := own.Validate([]byte(doc))
		if fmt.Sprint(err1) != fmt.Sprint(err2) || (a == nil) != (b == nil) {
			t.Fatalf("official %v %v\nown %v %v\n%s", a, err1, b, err2, doc)
		}
		if a != nil {
			bad++
		}
	}
	if bad < 1000 || bad > 5500 {
		t.Errorf("%d of 6000 not valid: the mutants say little", bad)
	}
}

// TestMemory watches the resident memory over many validations of bad documents.
func TestMemory(t *testing.T) {
	n := 30000
	if testing.Short() {
		n = 2000
	}
	s := compile(t, schemas.Files, schemas.Root)
	doc := []byte(strings.Replace(valid[0], `mimeType="text/xml"`, `mimeType="`+strings.Repeat("x", 3000)+`"`, 1))
	rss := func() (kb int) {
		b, _ := os.ReadFile("/proc/self/statm")
		var size, res int
		_, _ = fmt.Sscan(string(b), &size, &res)
		return res * os.Getpagesize() >> 10
	}
	for range 500 {
		_, _ = s.Validate(doc)
	}
	before := rss()
	for range n {
		if f, err := s.Validate(doc); err != nil || len(f) == 0 {
			t.Fatal(f, err)
		}
	}
	if grown := rss() - before; grown > 32<<10 {
		t.Errorf("grew by %d KB in %d validations", grown, n)
	}
}

func BenchmarkValidate(b *testing.B) {
	s := compile(b, schemas.Files, schemas.Root)
	doc := []byte(valid[0])
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		_, _ = s.Validate(doc)
	}
}
