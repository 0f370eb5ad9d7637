package schematron_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/cda/schematron"
	"github.com/passerelle-sante/passerelle/internal/oracle"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// generatedContexts and generatedTests make a rule of each pair: every kind of expression over every kind of node.
var generatedContexts = []string{
	"c:ClinicalDocument", "c:recordTarget/c:patientRole", "c:id[@root]", "c:templateId", "c:code[@code]", "c:author | c:custodian | c:legalAuthenticator",
	"c:section", "c:entry/*", "c:observation[c:value]", "c:value[@xsi:type = 'PQ']", "c:effectiveTime", "c:*[@nullFlavor]", "c:time[@value]",
	"c:telecom/@value", "c:originalText[c:reference]", "c:table", "c:name[c:family]", "c:addr", "*[@ID]", "c:participant[@typeCode]",
}

var generatedTests = []string{
	"matches(string(@root), '^[0-2](\\.(0|[1-9][0-9]*))*$')",
	"if (@value castable as xs:integer) then xs:integer(@value) mod 2 = 0 else exists(*)",
	"every $c in * satisfies namespace-uri($c) = 'urn:hl7-org:v3'",
	"some $a in @* satisfies string-length($a) gt 12",
	"count(distinct-values(.//@code)) le count(.//@code) div 2",
	"not(@code) or @code = $vocabulary",
	"key('by-name', local-name())[1] is .",
	"f:day(@value) le $today",
	"empty(f:day(descendant::c:effectiveTime[1]/@value)) or f:day(descendant::c:effectiveTime[1]/@value) gt xs:date('2020-02-29')",
	"string-join(for $e in ancestor-or-self::* return local-name($e), '/') != 'ClinicalDocument/code'",
	"tokenize(normalize-space(.), '\\s+')[last()] = tokenize(normalize-space(.), ' ')[1]",
	"sum(for $v in .//@value[. castable as xs:decimal] return xs:decimal($v)) lt 100",
	"replace(string(@extension), '[^0-9]', '') = string(@extension)",
	"count((.//c:id except c:id) intersect //c:id[@root]) lt 4",
	"deep-equal(c:id[1], following-sibling::*[1]/c:id[1])",
	"upper-case(substring(local-name(), 1, 1)) lt 'N' and not(ends-with(name(), 'y'))",
	"index-of(../*/local-name(), local-name())[1] = count(preceding-sibling::*) + 1",
	"generate-id(..) = generate-id(current()/parent::node()) and round(count(*) div 3) ge 1",
	"translate(string(@typeCode), 'ABC', 'abc') = ('', 'aut', 'ENT') or (@typeCode, 'x')[2] = 'x'",
	"document('vocabulary.xml', doc('vocabulary.xml'))/vocabulary/code[@value = current()/@code]/@name = @displayName",
	"compare(string(@value), '+33') eq 1 and not(contains(@value, ' '))",
	"abs(number(@value)) lt 1.5e2",
}

// generate writes a set of some hundred rules into a folder, every step-th of the pairs.
func generate(t testing.TB, dir string, step int) schematron.Set {
	t.Helper()
	var b strings.Builder
	b.WriteString(`<schema xmlns="http://purl.oclc.org/dsdl/schematron" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" queryBinding="xslt2">
<ns prefix="c" uri="urn:hl7-org:v3"/><ns prefix="xsi" uri="http://www.w3.org/2001/XMLSchema-instance"/><ns prefix="f" uri="urn:made-up:f"/>
<let name="today" value="xs:date('2026-11-23')"/><let name="vocabulary" value="document('vocabulary.xml')/vocabulary/code/@value"/>
<xsl:key name="by-name" match="*" use="local-name()"/>
<xsl:function name="f:day" as="xs:date?"><xsl:param name="v" as="item()?"/><xsl:variable name="d" select="replace(string($v), '^(\d{4})(\d{2})(\d{2}).*$', '$1-$2-$3')"/>
<xsl:sequence select="if ($d castable as xs:date) then xs:date($d) else ()"/></xsl:function>
<pattern abstract="true" id="pair"><rule context="$context"><let name="kind" value="local-name()"/><let name="near" value="count(ancestor::*) + 3 * count(preceding-sibling::*)"/>
<assert id="$id" test="$test" diagnostics="where"><name/> at <value-of select="$near"/>: <value-of select="string-join((@*)/concat(name(), '=', .), ', ')"/></assert>
<report test="($near mod 7 = 3) and ($test)" role="warning">a <value-of select="$kind"/>, near</report></rule></pattern>
`)
	var vocabulary strings.Builder
	for i, context := range generatedContexts {
		fmt.Fprintf(&vocabulary, `<code value="%d-%d" name="made up %d"/>`, 10000+i, i%10, i)
		for j, test := range generatedTests {
			if (i+j)%step != 0 {
				continue
			}
			fmt.Fprintf(&b, "<pattern is-a=\"pair\" id=\"p-%d-%d\"><param name=\"context\" value=\"%s\"/><param name=\"test\" value=\"%s\"/><param name=\"id\" value=\"a-%d-%d\"/></pattern>\n",
				i, j, xmlpull.AppendAttr(nil, context), xmlpull.AppendAttr(nil, test), i, j)
		}
	}
	b.WriteString(`<diagnostics><diagnostic id="where">in <value-of select="name(..)"/></diagnostic></diagnostics></schema>`)
	write(t, filepath.Join(dir, "generated.sch"), b.String())
	write(t, filepath.Join(dir, "vocabulary.xml"), "<vocabulary>"+vocabulary.String()+`<code value="LA" name="x"/><code value="11502-2" name="CR"/></vocabulary>`)
	return schematron.Set{Name: "generated", Folder: dir, File: "generated.sch"}
}

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// documents are those that the project invents.
func documents(t testing.TB) [][]byte {
	t.Helper()
	docs := [][]byte{sample.LabReport(1), sample.UnstructuredReport(2)}
	b, err := os.ReadFile("../validate/testdata/documents.txtar")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "-- header --\n")
	header, rest, _ := strings.Cut(rest, "\n-- ")
	for part := range strings.SplitSeq(rest, "\n-- ") {
		if name, body, _ := strings.Cut(part, " --\n"); strings.HasSuffix(name, "/body") {
			doc := strings.Replace(header, "{body}", body, 1)
			for _, hole := range []string{"templates", "code", "order", "act", "author-code", "author-person"} {
				doc = strings.Replace(doc, "{"+hole+"}", "", 1)
			}
			docs = append(docs, []byte(strings.TrimSpace(doc)))
		}
	}
	return docs
}

// saxonJar is where Debian's package puts it.
const saxonJar = "/usr/share/java/Saxon-HE.jar"

// saxon runs the stylesheet of a set over documents.
func saxon(t *testing.T, set schematron.Set, docs [][]byte) [][]byte {
	t.Helper()
	if testing.Short() {
		t.Skip("Saxon takes its time")
	}
	if _, err := os.Stat(saxonJar); err != nil {
		t.Skip("no Saxon: the Debian package libsaxonhe-java has it")
	}
	if _, err := exec.LookPath("java"); err != nil {
		t.Skip("no java to run Saxon with")
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "set"), os.DirFS(set.Folder)); err != nil {
		t.Fatal(err)
	}
	sheet, err := schematron.Stylesheet(set)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "set", filepath.Dir(set.File), "made.xsl"), string(sheet))
	for _, d := range []string{"in", "out"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for i, doc := range docs {
		write(t, filepath.Join(dir, "in", fmt.Sprintf("%03d.xml", i)), string(doc))
	}
	cmd := exec.Command("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", saxonJar, "net.sf.saxon.Transform", "-versionmsg:off",
		"-s:"+filepath.Join(dir, "in"), "-o:"+filepath.Join(dir, "out"), "-xsl:"+filepath.Join(dir, "set", filepath.Dir(set.File), "made.xsl"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("saxon: %v\n%.2000s", err, out)
	}
	svrl := make([][]byte, len(docs))
	for i := range docs {
		if svrl[i], err = os.ReadFile(filepath.Join(dir, "out", fmt.Sprintf("%03d.xml", i))); err != nil {
			t.Fatal(err)
		}
	}
	return svrl
}

// said lists what an SVRL says, an element a line: its name, its attributes by name, its text without runs of white space. Marks of ours do not count.
func said(t *testing.T, svrl []byte) []string {
	t.Helper()
	x := xmlpull.NewReader(svrl, xmlpull.Options{})
	var out []string
	for {
		kind, err := x.Next()
		if err != nil {
			t.Fatal(err)
		}
		last := len(out) - 1
		switch {
		case kind == xmlpull.Text && last >= 0:
			out[last] += x.Text()
		case kind == xmlpull.EOF, kind == xmlpull.Start && x.Space() != "urn:passerelle:schematron":
			if last >= 0 {
				out[last] = strings.Join(strings.Fields(out[last]), " ")
			}
			if kind == xmlpull.EOF {
				return out
			}
			var attrs []string
			for _, a := range x.Attrs() {
				if a.Name.Local != "known" {
					attrs = append(attrs, fmt.Sprintf("%s=%q", a.Name.Local, a.Value))
				}
			}
			slices.Sort(attrs)
			out = append(out, x.Local()+" "+strings.Join(attrs, " ")+":")
		}
	}
}

// TestSaxon holds every SVRL against that of Saxon-HE for the same stylesheet.
func TestSaxon(t *testing.T) {
	sets := map[string]struct {
		set  schematron.Set
		docs [][]byte
	}{
		"covers":    {schematron.Set{Name: "loans", Folder: "testdata/covers", File: "main.sch"}, [][]byte{[]byte(loans)}},
		"generated": {generate(t, t.TempDir(), 1), documents(t)},
	}
	for name, s := range sets {
		t.Run(name, func(t *testing.T) { compare(t, s.set, s.docs) })
	}
	t.Run("published", func(t *testing.T) {
		files, err := filepath.Glob(filepath.Join(oracle.Path(t, "samples/cda"), "*.xml"))
		if err != nil {
			t.Fatal(err)
		}
		var docs [][]byte
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			docs = append(docs, b)
		}
		step := 5 // as many rules take more than a minute
		if os.Getenv("PASSERELLE_SAXON") == "all" {
			step = 1
		}
		compare(t, generate(t, t.TempDir(), step), docs)
	})
}

func compare(t *testing.T, set schematron.Set, docs [][]byte) {
	began := time.Now()
	theirs := saxon(t, set, docs)
	saxonTook := time.Since(began)
	began = time.Now()
	ours, err := schematron.SVRL(t.Context(), set, docs)
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	fired, asserted := 0, 0
	for i := range docs {
		got, want := said(t, ours[i]), said(t, theirs[i])
		for n := range max(len(got), len(want)) {
			if n >= len(got) || n >= len(want) || got[n] != want[n] {
				t.Fatalf("document %d (%d bytes): line %d of %d and %d differs\nours  %s\nSaxon %s", i, len(docs[i]), n, len(got), len(want), at(got, n), at(want, n))
			}
		}
		fired += bytes.Count(theirs[i], []byte("<svrl:fired-rule"))
		asserted += bytes.Count(theirs[i], []byte("<svrl:failed-assert")) + bytes.Count(theirs[i], []byte("<svrl:successful-report"))
	}
	t.Logf("%d documents, %d rules fired, %d assertions: the same; in %v, Saxon in %v", len(docs), fired, asserted, took.Round(time.Millisecond), saxonTook.Round(time.Millisecond))
}

func at(lines []string, n int) string {
	if n < len(lines) {
		return lines[n]
	}
	return "(nothing)"
}
