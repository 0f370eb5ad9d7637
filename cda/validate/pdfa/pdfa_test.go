package pdfa_test

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/cda/validate"
	"github.com/passerelle-sante/passerelle/cda/validate/pdfa"
)

const xmp = `<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/">
<pdfaid:part>1</pdfaid:part><pdfaid:conformance>B</pdfaid:conformance></rdf:Description>
</rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>`

// parts are the objects of the base file by their numbers; a stream is its dictionary without Length, a line feed and its content.
func parts() map[int]string {
	return map[int]string{
		1: "<</Type/Catalog/Pages 2 0 R/Metadata 5 0 R/OutputIntents[6 0 R]/MarkInfo<</Marked true>>>>",
		2: "<</Type/Pages/Kids[3 0 R]/Count 1>>",
		3: "<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R/Resources" +
			"<</Font<</F1 8 0 R>>/ExtGState<</G <</Type/ExtGState/CA 1.0/BM/Normal/SMask/None>>>>>>>>",
		4: "<<>>\nBT /F1 9 Tf (essai \\) (x)) Tj ET",
		5: "<</Type/Metadata/Subtype/XML>>\n" + xmp,
		6: "<</Type/OutputIntent/S/GTS_PDFA1/OutputConditionIdentifier(essai)/DestOutputProfile 7 0 R>>",
		7: "<</N 3>>\nprofil",
		8: "<</Type/Font/Subtype/TrueType/BaseFont/Essai/FontDescriptor 9 0 R>>",
		9: "<</Type/FontDescriptor/FontName/Essai/FontFile2 10 0 R>>", 10: "<<>>\nfonte",
	}
}

const (
	header  = "%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"
	trailer = "/Root 1 0 R/ID[<00><00>]"
)

// build writes a file with a cross-reference table.
func build(head string, objects map[int]string, trailer string) []byte {
	var b bytes.Buffer
	b.WriteString(head)
	offsets := map[int]int{}
	top := 0
	for n := range objects {
		top = max(top, n)
	}
	for n := 1; n <= top; n++ {
		dict, content, stream := strings.Cut(objects[n], "\n")
		if dict == "" {
			continue
		}
		offsets[n] = b.Len()
		if stream {
			dict = strings.TrimSuffix(dict, ">>") + fmt.Sprintf("/Length %d>>\nstream\n%s\nendstream", len(content), content)
		}
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", n, dict)
	}
	at := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", top+1)
	for n := 1; n <= top; n++ {
		fmt.Fprintf(&b, "%010d 00000 n \n", offsets[n])
	}
	fmt.Fprintf(&b, "trailer\n<</Size %d%s>>\nstartxref\n%d\n%%%%EOF\n", top+1, trailer, at)
	return b.Bytes()
}

func TestGood(t *testing.T) {
	if got := pdfa.Check(build(header, parts(), trailer)); len(got) > 0 {
		t.Errorf("the base file has faults: %v", got)
	}
}

// TestFaults: each change of the base file is found by its fault alone.
func TestFaults(t *testing.T) {
	object := func(n int, old, with string) func() []byte {
		return func() []byte {
			p := parts()
			if !strings.Contains(p[n], old) {
				t.Fatalf("object %d has no %q", n, old)
			}
			p[n] = strings.Replace(p[n], old, with, 1)
			return build(header, p, trailer)
		}
	}
	added := func(s string) func() []byte {
		return func() []byte {
			p := parts()
			p[11] = s
			return build(header, p, trailer)
		}
	}
	for _, c := range []struct {
		want pdfa.Fault
		file func() []byte
	}{
		{pdfa.Unreadable, func() []byte { return []byte("%PDF-1.4\n") }},
		{pdfa.Unreadable, func() []byte { return []byte("GIF89a") }},
		{pdfa.Header, func() []byte { return build("x"+header, parts(), trailer) }},
		{pdfa.Binary, func() []byte { return build("%PDF-1.4\n", parts(), trailer) }},
		{pdfa.Encrypted, func() []byte { return build(header, parts(), trailer+"/Encrypt 3 0 R") }},
		{pdfa.Encrypted, object(7, "/N 3", "/N 3/Filter[/Crypt]")},
		{pdfa.NoID, func() []byte { return build(header, parts(), "/Root 1 0 R") }},
		{pdfa.Xref, func() []byte {
			return bytes.Replace(build(header, parts(), trailer), []byte("startxref\n"), []byte("startxref\n9"), 1)
		}},
		{pdfa.LZW, object(7, "/N 3", "/N 3/Filter/LZWDecode")},
		{pdfa.LZW, object(7, "/N 3", "/N 3/Filter[/ASCIIHexDecode/LZW#44ecode]")},
		{pdfa.External, object(7, "/N 3", "/N 3/F(ailleurs)")},
		{pdfa.Embedded, object(1, "/Pages", "/Names<</EmbeddedFiles<<>>>>/Pages")},
		{pdfa.Embedded, added("<</Type/Filespec/EF<</F 7 0 R>>>>")},
		{pdfa.Optional, object(1, "/Pages", "/OCProperties<<>>/Pages")},
		{pdfa.Intent, object(6, "GTS_PDFA1", "GTS_PDFX")},
		{pdfa.Intent, object(1, "/OutputIntents[6 0 R]", "")},
		{pdfa.Font, object(9, "/FontFile2 10 0 R", "")},
		{pdfa.Font, object(8, "/FontDescriptor 9 0 R", "")},
		{pdfa.Transparency, object(3, "/CA 1.0", "/CA 0.5")},
		{pdfa.Transparency, object(3, "/BM/Normal", "/BM/Multiply")},
		{pdfa.Transparency, object(3, "/SMask/None", "/SMask<</S/Alpha>>")},
		{pdfa.Transparency, object(3, "/Parent", "/Group<</S/Transparency>>/Parent")},
		{pdfa.Action, object(1, "/Pages", "/OpenAction<</S/JavaScript/JS(app.alert\\(1\\))>>/Pages")},
		{pdfa.Action, object(1, "/Pages", "/Names<</JavaScript<<>>>>/Pages")},
		{pdfa.Action, added("<</Type/Action/S/Launch/F(a.exe)>>")},
		{pdfa.Additional, object(3, "/Parent", "/AA<</O 7 0 R>>/Parent")},
		{pdfa.Metadata, object(1, "/Metadata 5 0 R", "")},
		{pdfa.Metadata, object(5, "<x:xmpmeta", "<y:xmpmeta")},
		{pdfa.Identifier, object(5, "part>1<", "part>2<")},
		{pdfa.Identifier, object(5, "conformance>B<", "conformance>U<")},
	} {
		if got := pdfa.Check(c.file()); !slices.Equal(got, []pdfa.Fault{c.want}) {
			t.Errorf("%s: %v", c.want, got)
		}
	}
	tagged := parts()
	tagged[1] = strings.Replace(tagged[1], "/Marked true", "/Marked false", 1)
	tagged[5] = strings.Replace(tagged[5], "conformance>B<", "conformance>A<", 1)
	if got := pdfa.Check(build(header, tagged, trailer)); !slices.Equal(got, []pdfa.Fault{pdfa.Tagged}) {
		t.Errorf("not tagged: %v", got)
	}
}

// TestEveryFaultIsARule: the table of rules and the faults are the same, and each is broken by a file of these tests.
func TestEveryFaultIsARule(t *testing.T) {
	faults := []pdfa.Fault{
		pdfa.Unreadable, pdfa.Header, pdfa.Binary, pdfa.Encrypted, pdfa.NoID, pdfa.Xref, pdfa.XrefStream, pdfa.ObjectStream, pdfa.LZW, pdfa.External,
		pdfa.Embedded, pdfa.Optional, pdfa.Intent, pdfa.Font, pdfa.Transparency, pdfa.Action, pdfa.Additional, pdfa.Metadata, pdfa.MetadataPlain,
		pdfa.Identifier, pdfa.Tagged, pdfa.Capped,
	}
	var rules []pdfa.Fault
	for _, r := range validate.Rules() {
		if r.Layer == "pdf" {
			rules = append(rules, pdfa.Fault(r.ID))
		}
	}
	slices.Sort(faults)
	slices.Sort(rules)
	if !slices.Equal(faults, rules) {
		t.Errorf("faults\n%v\nrules\n%v", faults, rules)
	}
}

// TestPacked: what lies in an object stream is judged as well, and both kinds of stream are faults.
func TestPacked(t *testing.T) {
	p := parts()
	p[8] = "" // the font, moved into a stream without its descriptor
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	fmt.Fprintf(z, "8 0 <</Type/Font/Subtype/TrueType/BaseFont/Essai>>")
	z.Close()
	p[11] = "<</Type/ObjStm/N 1/First 4/Filter/FlateDecode>>\n" + packed.String()
	p[12] = "<</Type/XRef/Root 1 0 R>>\nx"
	if got, want := pdfa.Check(build(header, p, trailer)), []pdfa.Fault{pdfa.Font, pdfa.ObjectStream, pdfa.XrefStream}; !slices.Equal(got, want) {
		t.Errorf("got %v, not %v", got, want)
	}
	plain := parts()
	var meta bytes.Buffer
	z = zlib.NewWriter(&meta)
	fmt.Fprint(z, xmp)
	z.Close()
	plain[5] = "<</Type/Metadata/Filter/FlateDecode>>\n" + meta.String()
	if got := pdfa.Check(build(header, plain, trailer)); !slices.Equal(got, []pdfa.Fault{pdfa.MetadataPlain}) {
		t.Errorf("packed metadata: %v", got)
	}
}

// TestCaps: a stream that inflates without end, and nesting without end, are cut and said.
func TestCaps(t *testing.T) {
	p := parts()
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	zero := make([]byte, 1<<20)
	for range 40 {
		_, _ = z.Write(zero)
	}
	z.Close()
	p[11] = "<</Type/ObjStm/N 1/First 4/Filter/FlateDecode>>\n" + packed.String()
	if got, want := pdfa.Check(build(header, p, trailer)), []pdfa.Fault{pdfa.Capped, pdfa.ObjectStream}; !slices.Equal(got, want) {
		t.Errorf("bomb: got %v, not %v", got, want)
	}
	p = parts()
	p[11] = strings.Repeat("[", 300_000)
	if got := pdfa.Check(build(header, p, trailer)); !slices.Equal(got, []pdfa.Fault{pdfa.Unreadable}) {
		t.Errorf("nesting: %v", got) // its trailer is not read any more
	}
	p[11] = "[" + strings.Repeat("1 ", 300_000) + "]"
	if got := pdfa.Check(append([]byte(header+"trailer <</Root 1 0 R>> "), build("", p, "")...)); !slices.Contains(got, pdfa.Capped) {
		t.Errorf("many objects: %v", got)
	}
}

// FuzzPDF: whatever the bytes, the answer is the same each time, sorted, without repetition; and an unreadable file has no other fault.
func FuzzPDF(f *testing.F) {
	f.Add(build(header, parts(), trailer))
	f.Add([]byte("%PDF-1.4\n1 0 obj<</Type/Catalog/Metadata 1 0 R>>stream\nendobj trailer<</Root 1 0 R>>"))
	f.Add([]byte("%PDF-1.7 1 0 obj[[[<<((("))
	f.Fuzz(func(t *testing.T, b []byte) {
		got := pdfa.Check(b)
		if !slices.Equal(got, pdfa.Check(bytes.Clone(b))) {
			t.Fatal("two answers about the same file")
		}
		if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Fatalf("not sorted, or twice: %v", got)
		}
		if slices.Contains(got, pdfa.Unreadable) && len(got) != 1 {
			t.Fatalf("unreadable and yet judged: %v", got)
		}
	})
}
