package schematron_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/cda/schematron"
)

// TestStylesheet: a stylesheet made elsewhere, with locations in the forms that are about and messages of every kind.
func TestStylesheet(t *testing.T) {
	const doc = "<c:a xmlns:c='urn:c'>\n<c:b/>\n<d x='1'>secret</d>\n<c:b c:y='2'>\n<!-- c --></c:b></c:a>"
	result := func(location, message string) string {
		location = strings.NewReplacer("{", "{{", "}", "}}").Replace(location)
		return `<svrl:failed-assert test="` + location + `" location="` + location + `">` + message + `</svrl:failed-assert>`
	}
	all := ""
	for _, location := range []string{"/", "/*[local-name()='a']/*[local-name()='b'][2]", "/*:a[namespace-uri()='urn:c'][1]/*:b[namespace-uri()='urn:c'][2]/@*:y[namespace-uri()='urn:c']",
		"/c:a[1]/d[1]/@x", "/Q{urn:c}a[1]/Q{}d[1]/text()[1]", "/*[local-name()='a' and namespace-uri()='urn:c']/*[local-name()='b' and namespace-uri()='urn:c'][2]/comment()",
		"/a/b[3]", "/other", "/Q{urn:d}a[1]", "//d", "secret", "/a/d/@z", "/a[1]/d[1]/@x/y"} {
		all += result(location, "<svrl:text>rule</svrl:text>")
	}
	set := setOf(t, "main.xsl", `<xsl:stylesheet version="2.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:svrl="http://purl.oclc.org/dsdl/svrl">
<xsl:include href="more.xsl"/><xsl:output method="text" encoding="ISO-8859-1"/><xsl:template match="/"><svrl:schematron-output><svrl:active-pattern id="p"/><svrl:fired-rule context="/" role="warning"/>`+all+
		`<xsl:call-template name="messages"/></svrl:schematron-output></xsl:template></xsl:stylesheet>`,
		"more.xsl", `<xsl:stylesheet version="2.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:svrl="http://purl.oclc.org/dsdl/svrl"><xsl:template name="messages">
<svrl:fired-rule context="/"/><svrl:failed-assert id="m1" test="x"><svrl:text>of <xsl:value-of select="name(/*)"/>: <xsl:value-of select="//d"/><xsl:text> due </xsl:text><xsl:if test="true()">for <xsl:copy-of select="//d"/></xsl:if></svrl:text></svrl:failed-assert>
<svrl:failed-assert id="m2" test="x"><svrl:text><xsl:value-of select="//d"/></svrl:text><svrl:diagnostic-reference diagnostic="d">because <xsl:apply-templates select="//d"/></svrl:diagnostic-reference></svrl:failed-assert>
<svrl:successful-report id="m3" test="x" flag="info other"><xsl:element name="svrl:text"><xsl:value-of select="//d"/></xsl:element></svrl:successful-report>
<svrl:failed-assert id="{{//d}} /" test="x" role="unheard"><svrl:text>é</svrl:text></svrl:failed-assert></xsl:template></xsl:stylesheet>`)
	set.Values = false
	expect(t, pool.Judge(t.Context(), set, []byte(doc)), `set/p/8a5edab2 warning 0 : rule
set/p/e4f975a5 warning 4 /c:a[1]/c:b[2]: rule
set/p/57bd5f07 warning 4 /c:a[1]/c:b[2]/@y: rule
set/p/1eb40122 warning 3 /c:a[1]/d[1]/@x: rule
set/p/0a09516c warning 3 /c:a[1]/d[1]: rule
set/p/0a264ba7 warning 4 /c:a[1]/c:b[2]: rule
set/p/3c7df9e5 warning 0 : rule
set/p/bf2faee2 warning 0 : rule
set/p/21193588 warning 0 : rule
set/p/0a6daa33 warning 0 : rule
set/p/2bb80d53 warning 0 : rule
set/p/133733b8 warning 0 : rule
set/p/adf912f1 warning 0 : rule
set/m1 error 0 : of c:a: … due for …
set/m2 error 0 : … because …
set/m3 information 0 : a rule of the set is broken; what it says is withheld because it may quote the document
set/p/2d711642 error 0 : é
`)
}

// TestMistakes: what is wrong with a rule set is told by file and line.
func TestMistakes(t *testing.T) {
	schema := func(inside string) string {
		return "<schema xmlns='http://purl.oclc.org/dsdl/schematron' queryBinding='xslt2'>\n" + inside + "</schema>"
	}
	for _, c := range []struct{ text, want string }{
		{"<schema/>", "main.sch is neither a Schematron schema nor a stylesheet"},
		{"<schema", "main.sch: line 1 column 8: unexpected end of input"},
		{"<schema xmlns='http://www.ascc.net/xml/schematron'/>", "main.sch is neither a Schematron schema nor a stylesheet"},
		{strings.Replace(schema(""), "xslt2", "stx", 1), "main.sch line 1: the query language stx is not understood"},
		{schema("<include href='../up.sch'/>"), "main.sch line 2: ../up.sch lies outside the rule set's folder"},
		{schema("<include href='http://127.0.0.1/x.sch'/>"), "main.sch line 2: http://127.0.0.1/x.sch lies outside the rule set's folder"},
		{schema("<include href='/etc/passwd'/>"), "main.sch line 2: /etc/passwd lies outside the rule set's folder"},
		{schema("<include href='main.sch'/>"), "main.sch line 2: main.sch includes itself"},
		{schema("<include href='none.sch'/>"), "main.sch line 2: none.sch is not there"},
		{schema("<pattern id='p'><rule context='*'><extends href='main.sch#p'/></rule></pattern>"), "main.sch line 2: main.sch line 2: main.sch includes itself"},
		{schema("<pattern><rule context='*'><extends rule='r'/></rule></pattern>"), "main.sch line 2: there is no abstract rule r"},
		{schema("<pattern><rule abstract='true' id='r'><extends rule='r'/></rule><rule context='*'><extends rule='r'/></rule></pattern>"), "main.sch line 2: rules extend each other in a circle, or more than 32 deep"},
		{schema("<pattern is-a='q'/>"), "main.sch line 2: there is no abstract pattern q"},
		{schema("<pattern documents='x'/>"), "main.sch line 2: a pattern about other documents is not understood"},
		{schema("<pattern><rule><assert test='x'/></rule></pattern>"), "main.sch line 2: a rule without context"},
		{schema("<pattern><rule context='*'><assert/></rule></pattern>"), "main.sch line 2: a test is due"},
		{schema("<pattern><rule context='*'><assert test='x' diagnostics='d'/></rule></pattern>"), "main.sch line 2: there is no diagnostic d"},
		{schema("<phase id='a'><active pattern='p'/></phase>"), "main.sch line 1: there is no phase b"},
		{schema("<phase id='b'><active pattern='p'/></phase>"), "main.sch line 2: the phase names the pattern p, which is not there"},
		{schema("<ns prefix='_p' uri='urn:x'/>"), "main.sch line 1: the prefix _p is kept for the translation"},
		{schema("<ns prefix='svrl' uri='urn:x'/>"), "main.sch line 1: the prefix svrl is kept for urn:x"},
		{schema("<ns prefix='a' uri='urn:x'/><ns prefix='a' uri='urn:y'/>"), "main.sch line 2: the prefix a means urn:y here and urn:x elsewhere"},
		{schema("<pattern><let name='a' value='1'/><rule context='*[$a]'/></pattern><pattern><let name='a' value='2'/></pattern>"),
			"main.sch line 2: the variable a of a context is declared in several patterns"},
		{schema("<pattern><rule context='***'/></pattern>"), "XT"},
		{schema("<pattern><rule context='*'><assert test='1 +'/></rule></pattern>"), "X"},
	} {
		set := setOf(t, "main.sch", c.text)
		if strings.Contains(c.want, "phase") {
			set.Phase = "b"
		}
		found := pool.Judge(t.Context(), set, []byte("<d/>"))
		if len(found) != 1 || found[0].Rule != "SCHEMATRON-RULES" || !strings.HasPrefix(found[0].Text, "the rule set cannot be used: "+c.want) {
			t.Errorf("%s\nfound %v\nwant  %s", c.text, lines(found), c.want)
		}
	}
}

// TestChange: a worker compiles a rule set anew when any file of it changed, also one that a stylesheet reads, or one that was not there.
func TestChange(t *testing.T) {
	set := setOf(t, "main.sch", `<schema xmlns="http://purl.oclc.org/dsdl/schematron" queryBinding="xslt2"><include href="part.sch"/></schema>`,
		"part.sch", `<pattern xmlns="http://purl.oclc.org/dsdl/schematron"><rule context="d"><assert id="a" test="doc('list.xml') = 'ok'">first</assert></rule></pattern>`,
		"list.xml", "<x>ok</x>")
	judged := func(want string) {
		t.Helper()
		expect(t, pool.Judge(t.Context(), set, []byte("<d/>")), want)
	}
	judged("")
	write(t, filepath.Join(set.Folder, "list.xml"), "<x>no</x>")
	judged("set/a error 1 /d[1]: first")
	write(t, filepath.Join(set.Folder, "part.sch"), `<pattern xmlns="http://purl.oclc.org/dsdl/schematron"><rule context="d"><assert id="b" test="not(doc-available('late.xml'))">second</assert></rule></pattern>`)
	judged("")
	write(t, filepath.Join(set.Folder, "late.xml"), "<x/>")
	judged("set/b error 1 /d[1]: second")
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(set.Folder, "part.sch"), later, later); err != nil {
		t.Fatal(err)
	}
	judged("set/b error 1 /d[1]: second")
	if err := os.Remove(filepath.Join(set.Folder, "part.sch")); err != nil {
		t.Fatal(err)
	}
	judged("SCHEMATRON-RULES warning 0 : the rule set cannot be used: main.sch line 1: part.sch is not there")
}

// TestManySets: a worker keeps some sets compiled and judges by any number.
func TestManySets(t *testing.T) {
	first := setOf(t, "main.xsl", sheet("as ever", ""))
	for range 20 {
		expect(t, pool.Judge(t.Context(), setOf(t, "main.xsl", sheet("another", "")), []byte("<d/>")), "set/said error 0 : another")
	}
	expect(t, pool.Judge(t.Context(), first, []byte("<d/>")), "set/said error 0 : as ever")
}

func TestSetOf(t *testing.T) {
	for _, c := range []struct{ file, folder, want string }{
		{"/rules/a/main.sch", "", "main /rules/a main.sch"},
		{"/rules/a/main.sch", "/rules", "main /rules a/main.sch"},
		{"/rules/a/main.sch", "/rules/b", "/rules/a/main.sch lies outside the rule set's folder"},
		{"/rules/.sch", "", `the name "" of a rule set is not made of letters, digits, ".", "-" and "_"`},
	} {
		s, err := schematron.SetOf(c.file, c.folder)
		got := s.Name + " " + s.Folder + " " + s.File
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s in %s: %s, want %s", c.file, c.folder, got, c.want)
		}
	}
}
