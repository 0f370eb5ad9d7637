package render_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/render"
	"github.com/passerelle-sante/passerelle/internal/sample"
)

// golden compares with a file in testdata, the style sheet left out; GOLDEN=update writes it.
func golden(t *testing.T, name string, page []byte) {
	t.Helper()
	from, to := bytes.Index(page, []byte("<style>")), bytes.Index(page, []byte("</style>"))
	hash := bytes.Index(page, []byte("'sha256-"))
	got := slices.Concat(page[:hash], []byte("'sha256-...'"), page[hash+len("'sha256-'")+44:from], []byte("<style>..."), page[to:])
	file := filepath.Join("testdata", name+".golden")
	if os.Getenv("GOLDEN") == "update" {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(got, want) {
		return
	}
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			t.Errorf("%s line %d:\n%s\nwant\n%s", file, i+1, g[i], w[i])
			return
		}
	}
	t.Errorf("%s: %d lines, want %d", file, len(g), len(w))
}

func rules(list []cda.Finding) []string {
	var out []string
	for _, f := range list {
		out = append(out, f.Rule)
	}
	return out
}

func TestGolden(t *testing.T) {
	for name, b := range map[string][]byte{"features": features(), "attack": attack(), "lab-report": sample.LabReport(1), "unstructured": sample.UnstructuredReport(1)} {
		page, _, err := render.Page(b, render.Options{})
		if err != nil {
			t.Fatal(name, err)
		}
		check(t, page)
		golden(t, name, page)
	}
}

// The attacks are told, each once, by what they are; a document without any is told nothing.
func TestFindings(t *testing.T) {
	_, found, err := render.Page(attack(), render.Options{})
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, f := range found {
		if count[f.Rule]++; f.Line == 0 {
			t.Errorf("%s has no line", f.Rule)
		}
	}
	want := map[string]int{"CDA-NARRATIVE-ATTRIBUTE": 3, "CDA-NARRATIVE-SCRIPT": 3, "CDA-NARRATIVE-ELEMENT": 2, "CDA-NARRATIVE-STYLE": 2, "CDA-NARRATIVE-LINK": 9, "CDA-NARRATIVE-MEDIA": 1,
		"CDA-ID-TWICE": 1, "CDA-MEDIA-TYPE": 2, "CDA-MEDIA-SIZE": 1}
	for rule, n := range want {
		if count[rule] != n {
			t.Errorf("%s: %d times, want %d", rule, count[rule], n)
		}
	}
	if len(count) != len(want) {
		t.Errorf("told: %v", count)
	}
	if _, found, _ := render.Page(features(), render.Options{}); len(found) != 0 {
		t.Errorf("a document without fault: %v", rules(found))
	}
}

// An attachment may be served apart; then the page allows its own origin and holds no data.
func TestResource(t *testing.T) {
	var asked []render.Resource
	o := render.Options{Resource: func(r render.Resource) string { asked = append(asked, r); return `/doc/7/piece/1?a="b"` }}
	page, _, err := render.Page(sample.UnstructuredReport(1), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`data="/doc/7/piece/1?a=&#34;b&#34;"`, `href="/doc/7/piece/1?a=&#34;b&#34;"`} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(string(page), "base64,") || len(asked) != 1 || asked[0].Index != 1 || asked[0].Data.MediaType != "application/pdf" {
		t.Errorf("asked: %+v", asked)
	}
	if typ, name, ok := render.FileType(asked[0].Data); typ != "application/pdf" || name != "document.pdf" || !ok {
		t.Errorf("served as %s, %s", typ, name)
	}
	if typ, _, ok := render.FileType(&cda.ED{MediaType: "application/pdf", Representation: "B64", Text: "PHNjcmlwdD4="}); ok {
		t.Errorf("a script is served as %s", typ)
	}
	if !strings.Contains(render.Policy(o), "object-src 'self' data:") || strings.Contains(render.Policy(render.Options{}), "'self'") {
		t.Errorf("policies: %s / %s", render.Policy(o), render.Policy(render.Options{}))
	}
}

// Bodies of level 1 that are no PDF, and files beyond the cap.
func TestLevel1(t *testing.T) {
	for name, c := range map[string]struct{ text, page, rule string }{
		"text in base64":  {`mediaType="text/plain" representation="B64">w6l0w6kgPGI+`, "<pre>été &lt;b&gt;</pre>", ""},
		"Latin text":      {`mediaType="text/plain" representation="B64">6XTpIKQ=`, "<pre>été €</pre>", ""},
		"plain text":      {`mediaType="text/plain">ligne 1` + "\n" + `ligne &lt;2&gt;`, "<pre>ligne 1\nligne &lt;2&gt;</pre>", ""},
		"no media type":   {`>texte`, "<pre>texte</pre>", ""},
		"RTF":             {`mediaType="text/rtf" representation="B64">e1xydGYxIH0=`, `<a download="document.rtf" href="data:application/rtf;base64,e1xydGYxIH0=">Enregistrer « Document » (rtf)</a>`, ""},
		"TIFF":            {`mediaType="image/tiff" representation="B64">SUkqAAA=`, `<a download="image.tif" href="data:image/tiff;base64,SUkqAAA=">`, ""},
		"HTML":            {`mediaType="text/html">&lt;script&gt;`, "[Document : format non affichable]", "CDA-MEDIA-TYPE"},
		"HTML in base64":  {`mediaType="text/html" representation="B64">PHNjcmlwdD4=`, "[Document : format non affichable]", "CDA-MEDIA-TYPE"},
		"HTML called PDF": {`mediaType="application/pdf" representation="B64">PHNjcmlwdD4=`, "[Document : format non affichable]", "CDA-MEDIA-TYPE"},
		"PDF called HTML": {`mediaType="text/html" representation="B64">JVBERi0xLjQK`, `data="data:application/pdf;base64,JVBERi0xLjQK"`, "CDA-MEDIA-TYPE"},
		"compressed":      {`mediaType="application/pdf" representation="B64" compression="GZ">JVBERi0xLjQK`, "[Document : contenu compressé]", "CDA-MEDIA-COMPRESSED"},
		"broken base64":   {`mediaType="application/pdf" representation="B64">JVBERi0x!`, "[Document : fichier trop volumineux ou illisible]", "CDA-MEDIA-SIZE"},
		"empty":           {`mediaType="application/pdf" representation="B64"> `, "[Document : contenu absent du document]", "CDA-MEDIA-EMPTY"},
		"elsewhere":       {`mediaType="application/pdf"><reference value="https://example.org/x.pdf"/>`, "[Document : contenu absent du document]", "CDA-MEDIA-EMPTY"},
		"huge base64":     {`mediaType="application/pdf" representation="B64">JVBERi0x` + strings.Repeat("AAAA", 1000), "[Document : fichier trop volumineux ou illisible]", "CDA-MEDIA-SIZE"},
	} {
		page, found, err := render.Page(sample.ClinicalDocument(1, sample.UnstructuredKind, "<nonXMLBody><text "+c.text+"</text></nonXMLBody>"), render.Options{MaxInline: 2000})
		if err != nil {
			t.Fatal(name, err)
		}
		check(t, page)
		if !strings.Contains(string(page), c.page) {
			t.Errorf("%s: the page lacks %s", name, c.page)
		}
		if got := strings.Join(rules(found), " "); got != c.rule {
			t.Errorf("%s: told %q, want %q", name, got, c.rule)
		}
	}
	if _, _, err := render.Page([]byte("<html/>"), render.Options{}); err == nil {
		t.Error("a page of what is no document")
	}
}

// FuzzRender: whatever is shown is well-formed, of allowed elements and addresses only, and the same each time.
func FuzzRender(f *testing.F) {
	f.Add(features())
	f.Add(attack())
	f.Add(sample.UnstructuredReport(1))
	f.Fuzz(func(t *testing.T, b []byte) {
		o := render.Options{Options: cda.Options{MaxSize: 1 << 20}}
		page, found, err := render.Page(b, o)
		if err != nil {
			return
		}
		check(t, page)
		if len(page) > 20*len(b)+64<<10 {
			t.Fatalf("%d bytes become %d", len(b), len(page))
		}
		again, foundAgain, _ := render.Page(b, o)
		if !bytes.Equal(page, again) || !slices.Equal(rules(found), rules(foundAgain)) {
			t.Fatal("the second page differs")
		}
	})
}

// hostile makes well-formed narratives of any bytes: each opens, closes or fills an element, with the worst names, attributes and texts.
func hostile(b []byte) string {
	elements := []string{"content", "paragraph", "list", "item", "table", "thead", "tbody", "tr", "td", "th", "caption", "footnote", "linkHtml", "sub", "br", "renderMultiMedia",
		"script", "style", "footnoteRef", "x:script", "x:svg", "x:iframe", "colgroup", "unknown"}
	attributes := []string{"", ` ID="a"`, ` ID="b c&quot;&gt;&lt;script&gt;"`, ` href="javascript:alert(1)"`, ` href="https://e.example/&quot; onclick=&quot;x"`, ` href="#a"`, ` href="data:text/html,x"`,
		` styleCode="Bold xBgColor-red"`, ` styleCode="x:expression(1)"`, ` onload="alert(1)"`, ` style="a:b"`, ` colspan="2"`, ` rowspan="x"`, ` scope="col&quot;"`, ` headers="a&gt; b"`,
		` referencedObject="m n"`, ` IDREF="a&quot;"`, ` listType="ordered"`, ` align="left"`, ` language="en&quot;"`, ` abbr="&lt;b&gt;"`}
	texts := []string{"texte", "&lt;script&gt;alert(1)&lt;/script&gt;", "&#x27;&quot;&amp;amp;", "<![CDATA[</style><script>]]>", "]]&gt;", "\u2028\u202e"}
	var out strings.Builder
	var stack []string
	for i := 0; i+1 < len(b); i += 2 {
		switch v := int(b[i+1]); b[i] % 4 {
		case 0, 1:
			if len(stack) < 60 {
				name := elements[v%len(elements)]
				stack = append(stack, name)
				out.WriteString("<" + name + attributes[int(b[i]/4)%len(attributes)] + ">")
			}
		case 2:
			if n := len(stack); n > 0 {
				out.WriteString("</" + stack[n-1] + ">")
				stack = stack[:n-1]
			}
		default:
			out.WriteString(texts[v%len(texts)])
		}
	}
	for _, name := range slices.Backward(stack) {
		out.WriteString("</" + name + ">")
	}
	return out.String()
}

// FuzzNarrative: no narrative, however perverse, brings anything into a page but what a page may hold.
func FuzzNarrative(f *testing.F) {
	f.Add([]byte("\x00\x04\x1c\x0c\x03\x01\x08\x10\x24\x06"))
	f.Fuzz(func(t *testing.T, b []byte) {
		doc := sample.ClinicalDocument(1, sample.LabReportKind, `<structuredBody><component><section><title>t</title><text xmlns:x="http://www.w3.org/1999/xhtml">`+hostile(b[:min(len(b), 4000)])+
			`</text><entry><observationMedia classCode="OBS" moodCode="EVN" ID="m"><value mediaType="image/gif" representation="B64">R0lGODlhAQABAAAAACw=</value></observationMedia></entry>`+
			`</section></component></structuredBody>`)
		page, _, err := render.Page(doc, render.Options{})
		if err != nil {
			t.Fatal(err)
		}
		check(t, page)
		if lower := bytes.ToLower(page[bytes.Index(page, []byte("<main")):]); bytes.Contains(lower, []byte("<script")) || bytes.Contains(lower, []byte("javascript:")) {
			t.Fatal("a script in the page")
		}
	})
}

func BenchmarkPage(b *testing.B) {
	for name, doc := range map[string][]byte{"report-150KB": report(150 << 10)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := render.Page(doc, render.Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// report is a laboratory report of about size bytes, all of it sections with narrative and entries.
func report(size int) []byte {
	s := string(sample.LabReport(1))
	from, to := strings.Index(s, "<component><section>"), strings.Index(s, "</structuredBody>")
	return []byte(s[:from] + strings.Repeat(strings.ReplaceAll(s[from:to], ` ID="glucose"`, ""), max(1, (size-len(s))/(to-from))) + s[to:])
}

// Of what cannot be read there is no page.
func TestBadDocuments(t *testing.T) {
	for name, b := range sample.BadDocuments() {
		_, want := cda.ReadHeader(b, cda.Options{})
		page, _, err := render.Page(b, render.Options{})
		if want == nil || err == nil || err.Error() != want.Error() || page != nil {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}
