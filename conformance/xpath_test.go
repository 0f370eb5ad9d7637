package conformance

import (
	"slices"
	"strings"
	"testing"
)

const searched = `<env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing"><env:Header><a:Action env:mustUnderstand="true">urn:x</a:Action></env:Header>
<env:Body><AdhocQueryResponse xmlns="urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0" status="S"><r:List xmlns:r="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0">
<r:ExtrinsicObject id="1"><r:Slot name="a"><r:Value>x</r:Value><r:Value>y</r:Value></r:Slot><r:Name><r:LocalizedString xml:lang="fr" value="é"/></r:Name><r:Classification id="c1" classifiedObject="1"/></r:ExtrinsicObject>
<r:ExtrinsicObject id="2"><r:Slot name="b"/><r:Classification id="c2" classifiedObject="1"/></r:ExtrinsicObject></r:List></AdhocQueryResponse></env:Body></env:Envelope>`

// TestXPath: the values of expressions of the kinds that cases use, counted by hand.
func TestXPath(t *testing.T) {
	root, err := readXML([]byte(searched))
	if err != nil {
		t.Fatal(err)
	}
	for expression, want := range map[string][]string{
		"/soap:Envelope/soap:Header/wsa:Action":                                               {"urn:x"},
		"//wsa:Action/@soap:mustUnderstand":                                                   {"true"},
		"//wsa:Action/@mustUnderstand":                                                        nil,
		"/soap:Envelope/soap:Body/query:AdhocQueryResponse/@status":                           {"S"},
		"//rim:ExtrinsicObject/@id":                                                           {"1", "2"},
		"//rim:ExtrinsicObject[2]/rim:Slot/@name":                                             {"b"},
		"//rim:ExtrinsicObject[rim:Slot/@name='a']/@id":                                       {"1"},
		"//rim:Classification[@classifiedObject != ../@id]/@id":                               {"c2"},
		"//rim:Slot[@name='a']/rim:Value":                                                     {"x", "y"},
		"//rim:Slot[@name='a']/rim:Value[position()=last()]":                                  {"y"},
		"count(//rim:Value)":                                                                  {"2"},
		"count(//*[namespace-uri()='urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0'])":           {"11"},
		"//ExtrinsicObject":                                                                   nil,
		"//rim:LocalizedString/@xml:lang":                                                     {"fr"},
		"local-name(/soap:Envelope/*[1])":                                                     {"Header"},
		"namespace-uri(//*[@status='S'])":                                                     {"urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"},
		"not(//rim:Association)":                                                              {"true"},
		"boolean(//rim:ObjectRef)":                                                            {"false"},
		"//rim:ExtrinsicObject[@id='1']/following-sibling::*/@id":                             {"2"},
		"//rim:ExtrinsicObject[@id='2']/preceding-sibling::rim:ExtrinsicObject/@id":           {"1"},
		"//rim:Classification/ancestor::rim:ExtrinsicObject/@id":                              {"1", "2"},
		"//rim:Slot[following-sibling::rim:Name]/@name":                                       {"a"},
		"//rim:Value[text()='y']":                                                             {"y"},
		"string(//rim:Slot[1])":                                                               {"xy"},
		"//rim:ExtrinsicObject[1]/@* ":                                                        {"1"},
		"//rim:ExtrinsicObject/@id[. = preceding::rim:ExtrinsicObject/@id]":                   nil,
		"//rim:Classification[contains(@id, 'c') and starts-with(@classifiedObject,'1')]/@id": {"c1", "c2"},
		"//Nothing": nil,
	} {
		got, err := evaluate(root, expression)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q %v, want %q", expression, got, err, want)
		}
	}
}

// TestXPathLines: where a line is divided, what holds, and what is refused when a case is read.
func TestXPathLines(t *testing.T) {
	root, err := readXML([]byte(searched))
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"//rim:ExtrinsicObject/@id is 1 ;; 2":              "",
		"//rim:ExtrinsicObject/@id is 1":                   `it is ["1" "2"]`,
		"//rim:Association is ":                            "it is []",
		"//*[@name = ' is a '] absent":                     "",
		"//rim:Value exists":                               "",
		"//rim:Value absent":                               `it is ["x" "y"]`,
		"//rim:Value count 2":                              "",
		"//rim:Value count 3":                              `it is ["x" "y"]`,
		"//rim:Value matches ^[xy]$":                       "",
		"//rim:Value matches ^x$":                          `it is ["x" "y"]`,
		"//rim:Association/@id matches .*":                 "it is []",
		"count(//rim:Value) is 2":                          "",
		"//rim:Value[count(. | ../rim:Value[1]) = 1] is x": "",
		"//rim:Value":                                      "is due",
		"//rim:Value count two":                            "invalid syntax",
		"//rim:Value matches (":                            "missing closing",
		"//rim:Value exists twice":                         "takes no value",
		"//unknown:Value exists":                           "prefix",
		"//rim:* exists":                                   "finds nothing",
		"//rim:Value[ exists":                              "is due",
	} {
		err := ask(root, line)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
	if err := ask(nil, "//a exists"); err == nil {
		t.Error("what is no XML holds something")
	}
	wide := &node{Kids: slices.Repeat([]*node{{}}, maxSearched)}
	deep := &node{}
	for range maxDepth {
		deep = &node{Kids: []*node{deep}}
	}
	for _, n := range []*node{wide, deep} {
		if err := ask(n, "//a absent"); err == nil || !strings.Contains(err.Error(), "more than") {
			t.Error(err)
		}
	}
	if err := ask(deep.Kids[0], "//a absent"); err != nil {
		t.Error(err)
	}
}
