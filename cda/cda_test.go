package cda_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

func TestReadHeader(t *testing.T) {
	d, err := cda.ReadHeader(sample.LabReport(1), cda.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := d.RecordTargets[0].Patient
	for i, x := range []struct{ got, want any }{
		{d.Level, cda.Level3}, {d.RealmCode, "FR"}, {d.TypeID.Extension, "POCD_HD000040"}, {len(d.TemplateIDs), 4}, {d.ID.Root, "1.2.250.1.999.1.1.10.1"},
		{d.Code.Display, "CR d'examens biologiques"}, {d.Title, "CR d'examens biologiques"}, {d.EffectiveTime.Value, "20260105171000+0100"}, {d.VersionNumber, "1"},
		{d.RecordTargets[0].IDs[0].Extension, "211020990000185"}, {p.Names[0].Parts.Get("family", "BR"), "ESSAI-CAMUSET"}, {p.Names[0].Parts.Get("given", ""), "BASTIEN"},
		{p.BirthTime.Value, "19110202"}, {p.Birthplace.Parts.Any("county"), "51215"}, {d.Authors[0].Names[0].String(), "ESSAI-DURANT Romuald"},
		{d.Authors[0].Organization.Name, "Laboratoire d'essai"}, {d.Custodian.IDs[0].Extension, "1750100125"}, {d.LegalAuthenticator.SignatureCode, "S"},
		{d.DocumentationOf[0].EffectiveTime.High.Value, "20260105160500+0100"}, {d.ComponentOf.FacilityCode.Code, "SA25"}, {d.Encoding, "UTF-8"}, {d.Line, 2},
	} {
		if !reflect.DeepEqual(x.got, x.want) {
			t.Errorf("%d: %v, want %v", i, x.got, x.want)
		}
	}
	if d, err = cda.ReadHeader(sample.UnstructuredReport(1), cda.Options{}); err != nil || d.Level != cda.Level1 || d.NonXMLBody.MediaType != "application/pdf" {
		t.Errorf("level 1: %+v %v", d, err)
	}
}

const open = `<ClinicalDocument xmlns="urn:hl7-org:v3">`

// What is no document is refused with the line, and without a word of its content.
func TestRefused(t *testing.T) {
	good := string(sample.LabReport(1))
	for name, c := range map[string]struct{ in, want string }{
		"nothing":               {"", "line 1 column 1: no root element"},
		"no XML":                {"MSH|^~\\&|", "line 1 column 1: text outside the root element"},
		"another root":          {`<html xmlns="urn:hl7-org:v3"/>`, "line 1 column 1: the root element is not ClinicalDocument"},
		"no namespace":          {`<ClinicalDocument/>`, "line 1 column 1: ClinicalDocument is not in the namespace urn:hl7-org:v3"},
		"another namespace":     {`<ClinicalDocument xmlns="urn:hl7-org:v2"/>`, "line 1 column 1: ClinicalDocument is not in the namespace urn:hl7-org:v3"},
		"stylesheet of nothing": {`<xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform"/>`, "line 1 column 67: no ClinicalDocument inside the stylesheet"},
		"truncated":             {good[:len(good)-20], fmt.Sprintf("line %d column 1: unexpected end of input", strings.Count(good, "\n"))},
		"truncated header":      {good[:2000], ""},
		"deep":                  {open + strings.Repeat("<a>", 10000), "line 1 column 423: depth exceeds 128"},
		"entities":              {"<!DOCTYPE ClinicalDocument [<!ENTITY a \"b\">]>\n" + open + "<title>&a;</title></ClinicalDocument>", "line 1 column 1: DOCTYPE is not allowed"},
		"external entity":       {"<!DOCTYPE x SYSTEM \"file:///etc/passwd\">\n" + open + "</ClinicalDocument>", "line 1 column 1: DOCTYPE is not allowed"},
		"unknown entity":        {open + "\n<title>&secret;</title></ClinicalDocument>", "line 2 column 8: unknown entity"},
		"UTF-16":                {"\xff\xfe<\x00", "line 1 column 1: UTF-16 is not supported, only UTF-8 is"},
		"invalid UTF-8":         {open + "\n<title>\xe9</title></ClinicalDocument>", "line 2 column 8: invalid UTF-8"},
		"an unknown encoding":   {`<?xml version="1.0" encoding="windows-1252"?>` + open + `</ClinicalDocument>`, "line 1 column 1: declared encoding is not UTF-8"},
		"two roots":             {open + "</ClinicalDocument><b/>", "line 1 column 61: second root element"},
		"unbound prefix":        {open + "\n<sdtc:x/></ClinicalDocument>", "line 2 column 1: element prefix is not bound"},
	} {
		_, err := cda.ReadHeader([]byte(c.in), cda.Options{})
		var syntax *xmlpull.SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%s: %v", name, err)
		} else if c.want != "" && err.Error() != c.want {
			t.Errorf("%s: %q, want %q", name, err, c.want)
		}
	}
}

func TestBadDocuments(t *testing.T) {
	want := map[string]string{
		"truncated":        "unexpected end of input",
		"another root":     "line 2 column 1: the root element is not ClinicalDocument",
		"wrong namespace":  "line 2 column 1: ClinicalDocument is not in the namespace urn:hl7-org:v3",
		"invalid UTF-8":    "invalid UTF-8",
		"entity expansion": "line 2 column 1: DOCTYPE is not allowed",
		"external entity":  "line 2 column 1: DOCTYPE is not allowed",
		"unknown entity":   "line 10 column 8: unknown entity",
		"10,000 deep":      "depth exceeds 128",
	}
	for name, b := range sample.BadDocuments() {
		if _, err := cda.ReadHeader(b, cda.Options{}); err == nil || !strings.HasSuffix(err.Error(), want[name]) || want[name] == "" {
			t.Errorf("%s: %v, want %q", name, err, want[name])
		}
	}
}

func TestCap(t *testing.T) {
	huge := io.MultiReader(strings.NewReader(open), &zeros{100 << 20})
	if _, err := cda.Load(huge, cda.Options{}); !errors.Is(err, cda.ErrTooLarge) || err.Error() != "more than 16777216 bytes: larger than the cap" {
		t.Errorf("100 MB: %v", err)
	}
	b := sample.LabReport(1)
	if _, err := cda.Load(bytes.NewReader(b), cda.Options{MaxSize: int64(len(b)) - 1}); !errors.Is(err, cda.ErrTooLarge) {
		t.Errorf("of known length: %v", err)
	}
	if got, err := cda.Load(bytes.NewReader(b), cda.Options{MaxSize: int64(len(b))}); err != nil || !bytes.Equal(got, b) {
		t.Errorf("of just the length: %v", err)
	}
	if _, err := cda.ReadHeader(b, cda.Options{MaxSize: 1000}); !errors.Is(err, cda.ErrTooLarge) {
		t.Errorf("read beyond the cap: %v", err)
	}
}

type zeros struct{ n int }

func (z *zeros) Read(p []byte) (int, error) {
	if z.n == 0 {
		return 0, io.EOF
	}
	n := min(len(p), z.n)
	z.n -= n
	return n, nil
}

// large is a report of size bytes, most of it sections with entries or one attached file.
func large(size int, file bool) []byte {
	if file {
		return sample.ClinicalDocument(1, sample.UnstructuredKind, `<nonXMLBody><text mediaType="application/pdf" representation="B64">`+strings.Repeat("QUJD", size/4)+`</text></nonXMLBody>`)
	}
	b := string(sample.LabReport(1))
	from, to := strings.Index(b, "<component><section>"), strings.Index(b, "</structuredBody>")
	return []byte(b[:from] + strings.Repeat(strings.ReplaceAll(b[from:to], ` ID="glucose"`, ""), size/(to-from)) + b[to:])
}

// A document of 3 MB, loaded from a stream and walked entry by entry, is done in less than 40 MB.
func TestMemory(t *testing.T) {
	for _, file := range []bool{false, true} {
		in := large(3<<20, file)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		b, err := cda.Load(struct{ io.Reader }{bytes.NewReader(in)}, cda.Options{})
		if err != nil {
			t.Fatal(err)
		}
		peak := uint64(0)
		entries := 0
		doc, err := cda.Walk(b, cda.Options{}, cda.Visitor{Entry: func(*cda.Section, *cda.Statement) error {
			if entries++; entries%100 == 0 {
				runtime.ReadMemStats(&after)
				peak = max(peak, after.HeapAlloc)
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		peak = max(peak, after.HeapAlloc) - min(before.HeapAlloc, peak)
		if peak > 40<<20 {
			t.Errorf("file %v: %d MB of heap", file, peak>>20)
		}
		if !file && entries < 1000 || file && doc.NonXMLBody == nil {
			t.Errorf("file %v: %d entries", file, entries)
		}
		t.Logf("file %v: %d bytes, %d entries, heap %d KB, allocated in all %d KB", file, len(b), entries, peak>>10, (after.TotalAlloc-before.TotalAlloc)>>10)
	}
	b := large(3<<20, true)
	if n := testing.AllocsPerRun(3, func() { _, _ = cda.ReadHeader(b, cda.Options{}) }); n > 300 {
		t.Errorf("%v allocations", n)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	doc, _ := cda.ReadHeader(b, cda.Options{})
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 || len(doc.NonXMLBody.Text) < 3<<20 {
		t.Errorf("reading a document with a file of 3 MB allocates %d bytes: the file was copied", got)
	}
}

func TestEncodings(t *testing.T) {
	doc := func(encoding, title string) []byte {
		return []byte("<?xml version='1.0' encoding='" + encoding + "'?>\n" + open + "<title>" + title + "</title></ClinicalDocument>")
	}
	for name, c := range map[string]struct {
		in   []byte
		want string
		told int
	}{
		"UTF-8":       {doc("UTF-8", "été"), "été", 0},
		"utf-8 BOM":   {append([]byte("\xef\xbb\xbf"), doc("utf-8", "été")...), "été", 0},
		"ISO-8859-1":  {doc("ISO-8859-1", "\xe9t\xe9 \xa4"), "été ¤", 1},
		"iso-8859-15": {doc("iso-8859-15", "c\x9dur \xbd \xa4"), "c\u009dur œ €", 1},
		"none said":   {[]byte(open + "<title>été</title></ClinicalDocument>"), "été", 0},
	} {
		d, err := cda.ReadHeader(c.in, cda.Options{})
		if err != nil || d.Title != c.want || len(d.Findings) != c.told {
			t.Errorf("%s: %+v, %v", name, d, err)
		} else if name != "none said" && !strings.HasSuffix(strings.ToLower(name), strings.ToLower(d.Encoding)) && d.Encoding != "utf-8" {
			t.Errorf("%s: declared as %q", name, d.Encoding)
		}
	}
	for name, in := range map[string][]byte{"a mark that lies": append([]byte("\xef\xbb\xbf"), doc("ISO-8859-1", "x")...),
		"no declaration": []byte("<?xml-stylesheet encoding='ISO-8859-1'?>" + open + "<title>\xe9</title></ClinicalDocument>")} {
		if _, err := cda.ReadHeader(in, cda.Options{}); err == nil {
			t.Errorf("%s: read", name)
		}
	}
	latin := doc("ISO-8859-1", strings.Repeat("\xe9", 1000))
	if _, err := cda.ReadHeader(latin, cda.Options{MaxSize: int64(len(latin)) + 900}); !errors.Is(err, cda.ErrTooLarge) {
		t.Errorf("larger than the cap once in UTF-8: %v", err)
	}
	if _, err := cda.ReadHeader(latin, cda.Options{UTF8Only: true}); err == nil || err.Error() != "line 2 column 49: invalid UTF-8" {
		t.Errorf("strictly UTF-8: %v", err)
	}
	if got := cda.PlainText([]byte("\xa4 \xe9")); got != "€ é" {
		t.Errorf("plain text: %q", got)
	}
}

// A document inside a stylesheet is read; the stylesheet is not.
func TestSelfDisplaying(t *testing.T) {
	inner := strings.TrimPrefix(string(sample.LabReport(1)), `<?xml version="1.0" encoding="UTF-8"?>`)
	d, err := cda.ReadHeader([]byte(`<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="/"><html><title>x</title></html></xsl:template>`+
		inner+`</xsl:stylesheet>`), cda.Options{})
	if err != nil || !d.SelfDisplay || d.ID.Root != "1.2.250.1.999.1.1.10.1" || d.Level != cda.Level3 || len(d.Findings) != 1 || d.Findings[0].Rule != "CDA-STYLESHEET" {
		t.Errorf("%+v %v", d, err)
	}
	d, err = cda.ReadHeader([]byte(strings.Replace(inner, "</ClinicalDocument>", `<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"/></ClinicalDocument>`, 1)), cda.Options{})
	if err != nil || !d.SelfDisplay {
		t.Errorf("stylesheet inside: %v", err)
	}
}

// References find the narrative wherever it stands; an ID that comes twice is told once and its first text counts.
func TestWordings(t *testing.T) {
	b := sample.ClinicalDocument(1, sample.LabReportKind, `<structuredBody><component><section>
<entry><observation classCode="OBS" moodCode="EVN"><code code="1" codeSystem="1.2.3"/><text><reference value="#late"/></text></observation></entry></section></component>
<component><section><text ID="all">tout <content ID="late">le  texte<br/><content ID="in">dedans</content></content> <content ID="in">encore</content></text></section></component></structuredBody>`)
	var text cda.Text
	d, err := cda.Walk(b, cda.Options{}, cda.Visitor{Entry: func(_ *cda.Section, e *cda.Statement) error { text = e.Text; return nil }})
	if err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{text.Ref: "le texte dedans", "in": "dedans", "all": "tout le texte dedans encore", "nowhere": ""} {
		if got := d.Wording(cda.Text{Ref: ref}); got != want {
			t.Errorf("%s: %q, want %q", ref, got, want)
		}
	}
	if len(d.Findings) != 1 || d.Findings[0].Rule != "CDA-ID-TWICE" || d.Findings[0].Line == 0 ||
		d.Findings[0].Path != "/ClinicalDocument/component/structuredBody/component[2]/section/text" {
		t.Errorf("findings: %+v", d.Findings)
	}
}

// A narrative of IDs nested in each other does not multiply; an entry has a bound.
func TestBounds(t *testing.T) {
	var deep strings.Builder
	for i := range 100 {
		fmt.Fprintf(&deep, `<content ID="n%d">`, i)
	}
	deep.WriteString(strings.Repeat("a  ", 100_000) + strings.Repeat("</content>", 100))
	visit := cda.Visitor{Entry: func(*cda.Section, *cda.Statement) error { return nil }}
	b := sample.ClinicalDocument(1, sample.LabReportKind, `<structuredBody><component><section><text>`+deep.String()+`</text></section></component></structuredBody>`)
	d, err := cda.Walk(b, cda.Options{}, visit)
	if err != nil || len(d.Findings) == 0 || d.Findings[0].Rule != "CDA-ID-NESTED" || d.Wording(cda.Text{Ref: "n99"}) == "" || d.Wording(cda.Text{Ref: "n1"}) != "" {
		t.Errorf("nested IDs: %v", err)
	}
	b = sample.ClinicalDocument(1, sample.LabReportKind, `<structuredBody><component><section><entry><act classCode="ACT" moodCode="EVN">`+
		strings.Repeat(`<entryRelationship typeCode="COMP"><act/></entryRelationship>`, 50_000)+`</act></entry></section></component></structuredBody>`)
	if _, err := cda.Walk(b, cda.Options{}, visit); err == nil || !strings.HasSuffix(err.Error(), "more than 50000 statements in one entry") {
		t.Errorf("a large entry: %v", err)
	}
}

func TestTimes(t *testing.T) {
	for in, want := range map[string]string{"20260105171000+0100": "20260105161000", "202601051710+0100": "202601051610", "20260101003000+0100": "20251231233000",
		"20260105": "20260105", "2026": "2026", "20260105171000.123+0100": "20260105161000", "20260105171000": "20260105171000", "202601": "202601",
		"20260105-0500": "20260105", "": "", "20261305": "", "20260105171000+01": "", "2026010517": "2026010517"} {
		got, err := cda.TS{Value: in}.DTM()
		if string(got) != want || (err == nil) != (want != "") {
			t.Errorf("%s: %s %v, want %s", in, got, err, want)
		}
	}
}

func TestED(t *testing.T) {
	for in, want := range map[string]string{" Qm9u\n\tam91\r\ncg== ": "Bonjour", "": "", "####": "error", "QQ": "error"} {
		got, err := (&cda.ED{Representation: "B64", Text: in}).Bytes(100)
		if err != nil {
			got = []byte("error")
		}
		if string(got) != want {
			t.Errorf("%q: %q %v", in, got, err)
		}
	}
	if got, err := (&cda.ED{Text: "abc"}).Bytes(3); err != nil || string(got) != "abc" {
		t.Errorf("text: %q %v", got, err)
	}
	if _, err := (&cda.ED{Text: "abcd"}).Bytes(3); !errors.Is(err, cda.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if _, err := (&cda.ED{Compression: "GZ"}).Open(); !errors.Is(err, cda.ErrCompressed) {
		t.Errorf("compressed: %v", err)
	}
}

// FuzzCDAHeader: the same bytes read the same, nothing panics, and no error repeats the input.
func FuzzCDAHeader(f *testing.F) {
	f.Add(sample.LabReport(1))
	f.Add(sample.UnstructuredReport(1))
	f.Add([]byte("<?xml version='1.0' encoding='ISO-8859-15'?>" + open + "<title>\xa4</title></ClinicalDocument>"))
	f.Add([]byte(`<x:stylesheet xmlns:x="http://www.w3.org/1999/XSL/Transform">` + open + `<id root="1.2"/></ClinicalDocument></x:stylesheet>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		in := bytes.Clone(b)
		var n [2]int
		var docs [2]*cda.Document
		var errs [2]error
		for i := range docs {
			docs[i], errs[i] = cda.Walk(b, cda.Options{MaxSize: 1 << 20}, cda.Visitor{Entry: func(s *cda.Section, e *cda.Statement) error {
				if n[i]++; s == nil || e.Line < 1 || e.Kind == "" {
					t.Fatalf("entry %+v of %+v", e, s)
				}
				return nil
			}})
		}
		if !reflect.DeepEqual(docs[0], docs[1]) || fmt.Sprint(errs[0]) != fmt.Sprint(errs[1]) || n[0] != n[1] {
			t.Fatal("read differently the second time")
		}
		if !bytes.Equal(in, b) {
			t.Fatal("the input was changed")
		}
		if errs[0] == nil && docs[0].Line < 1 {
			t.Fatal("a document without a line")
		}
		header, err := cda.ReadHeader(b, cda.Options{MaxSize: 1 << 20})
		if (err == nil) != (errs[0] == nil) || err == nil && (!header.ID.Same(docs[0].ID) && !header.ID.IsZero() || header.Level != docs[0].Level) {
			t.Fatalf("the header alone reads differently: %v", err)
		}
	})
}
