package xmlpull_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// walk reads everything and prints it in a form that shows names, attributes and text.
func walk(r *xmlpull.Reader) (string, error) {
	var b strings.Builder
	for {
		k, err := r.Next()
		if err != nil {
			return b.String(), err
		}
		switch k {
		case xmlpull.Start:
			fmt.Fprintf(&b, "<{%s}%s", r.Space(), r.Local())
			for _, a := range r.Attrs() {
				fmt.Fprintf(&b, " {%s}%s=%q", a.Name.Space, a.Name.Local, a.Value)
			}
			b.WriteString(">")
		case xmlpull.End:
			fmt.Fprintf(&b, "</{%s}%s>", r.Space(), r.Local())
		case xmlpull.Text:
			b.WriteString(r.Text())
		case xmlpull.EOF:
			return b.String(), nil
		}
	}
}

func TestRead(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`<a/>`, `<{}a></{}a>`},
		{"<?xml version='1.0' encoding='utf-8' standalone=\"yes\" ?>\n<a></a >\n<!-- end --><?pi x?>", `<{}a></{}a>`},
		{`<?xml version="1.0"?><a x = '1'	y="2"/>`, `<{}a {}x="1" {}y="2"></{}a>`},
		{`<p:a xmlns:p="u" p:x="1" x="2"><p:b xmlns:p="v"/><p:c/></p:a>`, `<{u}a {u}x="1" {}x="2"><{v}b></{v}b><{u}c></{u}c></{u}a>`},
		{`<a xmlns="u" x="1"><b xmlns=""/></a>`, `<{u}a {}x="1"><{}b></{}b></{u}a>`},
		{`<a xml:lang="fr"/>`, `<{}a {http://www.w3.org/XML/1998/namespace}lang="fr"></{}a>`},
		{`<a xmlns:xml="http://www.w3.org/XML/1998/namespace"/>`, `<{}a></{}a>`},
		{`<a>&lt;&gt;&amp;&quot;&apos;&#65;&#x1F600;</a>`, "<{}a><>&\"'A\U0001F600</{}a>"},
		{"<a>1\r\n2\r3\n4</a>", "<{}a>1\n2\n3\n4</{}a>"},
		{"<a x='1\r\n2\r3\n4\t5&#10;6\"'/>", `<{}a {}x="1 2 3 4 5\n6\""></{}a>`},
		{"<a>x<![CDATA[<&]]]>y]]<!-- - -->z</a>", "<{}a>x<&]y]]z</{}a>"},
		{"<a><![CDATA[1\r\n2]]></a>", "<{}a>1\n2</{}a>"},
		{`<é·à x="]]>"/>`, `<{}é·à {}x="]]>"></{}é·à>`},
		{`<a><?xml-stylesheet x?></a>`, `<{}a></{}a>`},
	} {
		got, err := walk(xmlpull.NewReader([]byte(c.in), xmlpull.Options{}))
		if err != nil || got != c.want {
			t.Errorf("%q:\n got %s, %v\nwant %s", c.in, got, err, c.want)
		}
	}
}

func manyAttrs(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " a%d=''", i)
	}
	return b.String()
}

func manyNS(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " xmlns:a%d='u'", i)
	}
	return b.String()
}

var malformed = []struct {
	in     string
	line   int
	reason string
}{
	{"", 1, "no root element"},
	{" \n", 2, "no root element"},
	{"<!-- -->", 1, "no root element"},
	{"\n\n<!DOCTYPE a><a/>", 3, "DOCTYPE is not allowed"},
	{"<!ELEMENT a><a/>", 1, "markup declaration is not allowed"},
	{"<a><!x></a>", 1, "markup declaration is not allowed"},
	{"\xfe\xff\x00<\x00a", 1, "UTF-16 is not supported, only UTF-8 is"},
	{"<\x00a\x00", 1, "UTF-16 is not supported, only UTF-8 is"},
	{"\xef\xbb\xbf<a/>", 1, "byte order mark is not allowed"},
	{"<a>\n\xe9</a>", 2, "invalid UTF-8"},
	{"<a>\n\uffff</a>", 2, "character not allowed in XML"},
	{`<?xml version="1.1"?><a/>`, 1, "XML version is not 1.0"},
	{`<?xml version="1.0" encoding="ISO-8859-1"?><a/>`, 1, "declared encoding is not UTF-8"},
	{`<?xml encoding="UTF-8"?><a/>`, 1, "malformed XML declaration"},
	{`<?xml version="1.0" standalone="maybe"?><a/>`, 1, "malformed XML declaration"},
	{`<?xml version="1.0" standalone="no" encoding="UTF-8"?><a/>`, 1, "malformed XML declaration"},
	{`<?xml version="1.0" `, 1, "XML declaration is not closed"},
	{"\n<?xml version=\"1.0\"?><a/>", 2, "XML declaration is not at the beginning"},
	{"<a><?XML x?></a>", 1, "XML declaration is not at the beginning"},
	{"<a><? x?></a>", 1, "processing instruction without a target"},
	{"<a><?x:y z?></a>", 1, "processing instruction target with a colon"},
	{"<a><?x+y?></a>", 1, "processing instruction target without white space behind it"},
	{"<a><?x </a>", 1, "processing instruction is not closed"},
	{"<a><!-- -- --></a>", 1, "-- inside a comment"},
	{"<a><!-- --->\n</a>", 1, "-- inside a comment"},
	{"<a><!-- ", 1, "comment is not closed"},
	{"<a><!-- --", 1, "comment is not closed"},
	{"<a><!-- \x01 --></a>", 1, "character not allowed in XML"},
	{"<![CDATA[x]]><a/>", 1, "CDATA section outside the root element"},
	{"<a>\n<![CDATA[x", 2, "CDATA section is not closed"},
	{"<a><![CDATA[\n\x00]]></a>", 2, "character not allowed in XML"},
	{"<a/>\n<b/>", 2, "second root element"},
	{"<a/>x", 1, "text outside the root element"},
	{"x<a/>", 1, "text outside the root element"},
	{"&#32;<a/>", 1, "text outside the root element"},
	{"<a>\n<b></a>", 2, "end tag does not match the start tag"},
	{"<a></ab>", 1, "end tag does not match the start tag"},
	{"<p:a xmlns:p='u'></a>", 1, "end tag does not match the start tag"},
	{"<p:a xmlns:p='u' xmlns:q='u'></q:a>", 1, "end tag does not match the start tag"},
	{"<a></a:b>", 1, "end tag does not match the start tag"},
	{"<a></a x=''>", 1, "end tag is not closed by >"},
	{"</a>", 1, "end tag without a start tag"},
	{"<a/></a>", 1, "end tag without a start tag"},
	{"<a>", 1, "unexpected end of input"},
	{"<a", 1, "unexpected end of input"},
	{"<", 1, "unexpected end of input"},
	{"<a x", 1, "unexpected end of input"},
	{"<a x='", 1, "unexpected end of input"},
	{"<a>\n</a", 2, "unexpected end of input"},
	{"<a></", 1, "unexpected end of input"},
	{"< a/>", 1, "element name is malformed"},
	{"<1a/>", 1, "element name is malformed"},
	{"<:a/>", 1, "element name is malformed"},
	{"<a:/>", 1, "element name is malformed"},
	{"<a:b:c/>", 1, "element name is malformed"},
	{"<a×/>", 1, "element name is malformed"},
	{"<·a/>", 1, "element name is malformed"},
	{"<a -x=''/>", 1, "attribute name is malformed"},
	{"<a\nx:1=''/>", 2, "attribute name is malformed"},
	{"<p:a/>", 1, "element prefix is not bound"},
	{"<a p:x=''/>", 1, "attribute prefix is not bound"},
	{"<a><b xmlns:p='u'/><p:c/></a>", 1, "element prefix is not bound"},
	{"<a x='' x=''/>", 1, "duplicate attribute"},
	{"<a xmlns:p='u' xmlns:q='u' p:x='' q:x=''/>", 1, "duplicate attribute"},
	{"<a xmlns:p='u' xmlns:p='v'/>", 1, "duplicate namespace declaration"},
	{"<a xmlns='u' xmlns='u'/>", 1, "duplicate namespace declaration"},
	{"<a xmlns:p=''/>", 1, "prefix bound to nothing"},
	{"<a xmlns:xmlns='u'/>", 1, "prefix xmlns declared"},
	{"<a xmlns:xml='u'/>", 1, "xml namespace bound to another prefix"},
	{"<a xmlns='http://www.w3.org/XML/1998/namespace'/>", 1, "xml namespace bound to another prefix"},
	{"<a xmlns:p='http://www.w3.org/2000/xmlns/'/>", 1, "xmlns namespace declared"},
	{"<a x/>", 1, "attribute without a value"},
	{"<a x=1/>", 1, "attribute value is not quoted"},
	{"<a x=''y=''/>", 1, "no white space before an attribute"},
	{"<a / >", 1, "/ inside a tag"},
	{"<a x='\n<'/>", 2, "< in an attribute value"},
	{"<a x='\x1f'/>", 1, "character not allowed in XML"},
	{"<a x='&foo;'/>", 1, "unknown entity"},
	{"<a>\n\n&nbsp;</a>", 3, "unknown entity"},
	{"<a>&;</a>", 1, "& without an entity"},
	{"<a>a & b</a>", 1, "& without an entity"},
	{"<a>&#;</a>", 1, "malformed character reference"},
	{"<a>&#x;</a>", 1, "malformed character reference"},
	{"<a>&#X41;</a>", 1, "malformed character reference"},
	{"<a>&#12a;</a>", 1, "malformed character reference"},
	{"<a>&#0;</a>", 1, "character reference to a character not allowed in XML"},
	{"<a>&#xD800;</a>", 1, "character reference to a character not allowed in XML"},
	{"<a>&#xFFFFFFFF;</a>", 1, "character reference to a character not allowed in XML"},
	{"<a>x]]>y</a>", 1, "]]> in text"},
	{"<a>\x08</a>", 1, "character not allowed in XML"},
	{strings.Repeat("<a>\n", 257), 257, "depth exceeds 256"},
	{"<a" + manyAttrs(257) + "/>", 1, "more than 256 attributes"},
	{"<a" + manyNS(200) + ">\n<b" + manyNS(57) + "/></a>", 2, "more than 256 namespace declarations"},
}

func TestMalformed(t *testing.T) {
	for _, c := range malformed {
		r := xmlpull.NewReader([]byte(c.in), xmlpull.Options{})
		_, err := walk(r)
		var se *xmlpull.SyntaxError
		if !errors.As(err, &se) || se.Line != c.line || se.Reason != c.reason {
			t.Errorf("%.60q: %v, want line %d: %s", c.in, err, c.line, c.reason)
		}
		if _, again := r.Next(); again != err || r.Err() != err {
			t.Errorf("%.60q: the error does not stay", c.in)
		}
	}
}

func TestPositionOfError(t *testing.T) {
	_, err := walk(xmlpull.NewReader([]byte("<a>\n  <b x='&no;'/></a>"), xmlpull.Options{}))
	if err == nil || err.Error() != "line 2 column 9: unknown entity" {
		t.Error(err)
	}
}

func TestBOM(t *testing.T) {
	r := xmlpull.NewReader([]byte("\xef\xbb\xbf<?xml version='1.0'?><a/>"), xmlpull.Options{BOM: true})
	if got, err := walk(r); err != nil || got != "<{}a></{}a>" || !r.BOM() {
		t.Error(got, err, r.BOM())
	}
}

func TestOffsets(t *testing.T) {
	in := "<a>\n<b x='1'>é</b>\n<c/></a>"
	r := xmlpull.NewReader([]byte(in), xmlpull.Options{})
	var got []string
	for {
		k, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if k == xmlpull.EOF {
			break
		}
		got = append(got, fmt.Sprintf("%d:%d:%s", r.Line(), r.Depth(), in[r.Offset():r.EndOffset()]))
	}
	want := []string{"1:1:<a>", "1:1:\n", "2:2:<b x='1'>", "2:2:é", "2:1:</b>", "2:1:\n", "3:2:<c/>", "3:1:", "3:0:</a>"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestChildren(t *testing.T) {
	in := `<a xmlns="u"> <b i="1">x<!-- -->y<![CDATA[z]]></b><c><d/><d/></c> <b i="2"/></a>`
	r := xmlpull.NewReader([]byte(in), xmlpull.Options{})
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	var got []string
	err := r.Children(func() error {
		if !r.Is("u", "b") {
			return nil // left unread
		}
		i, _ := r.Attr("i")
		s, err := r.TextContent()
		got = append(got, i+s)
		return err
	})
	if err != nil || fmt.Sprint(got) != "[1xyz 2]" {
		t.Error(got, err)
	}
	if k, err := r.Next(); k != xmlpull.EOF || err != nil {
		t.Error(k, err)
	}
}

// TestPrefixes: names as they were written, for who has to write them so again.
func TestPrefixes(t *testing.T) {
	r := xmlpull.NewReader([]byte(`<p:a xmlns:p="u" xmlns="v"><b p:x="" y="" xmlns:q="w"/></p:a>`), xmlpull.Options{})
	var got []string
	for k, err := r.Next(); k != xmlpull.EOF; k, err = r.Next() {
		if err != nil {
			t.Fatal(err)
		}
		if k != xmlpull.Start {
			continue
		}
		got = append(got, "element "+r.Prefix())
		for i, a := range r.Attrs() {
			got = append(got, r.AttrPrefix(i)+":"+a.Name.Local)
		}
		r.Declared(func(prefix, uri string) { got = append(got, prefix+"="+uri) })
	}
	if want := "[element p p=u =v element  p:x :y q=w]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestContentErrors(t *testing.T) {
	for _, c := range []struct {
		in, want string
		f        func(r *xmlpull.Reader) error
	}{
		{"<a>x<b/></a>", "line 1 column 5: element inside text content", func(r *xmlpull.Reader) error { _, err := r.TextContent(); return err }},
		{"<a><b/>x</a>", "line 1 column 8: text between elements", func(r *xmlpull.Reader) error { return r.Children(func() error { return nil }) }},
		{"<a><b></a>", "line 1 column 7: end tag does not match the start tag", func(r *xmlpull.Reader) error { return r.Skip() }},
	} {
		r := xmlpull.NewReader([]byte(c.in), xmlpull.Options{})
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		if err := c.f(r); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.in, err, c.want)
		}
	}
}

func TestAppend(t *testing.T) {
	in := "a<b>&\"'\t\n\r\x00\x1f\xff\ufffeé\ufffd\U0001F600"
	if got, want := string(xmlpull.AppendText(nil, in)), "a&lt;b&gt;&amp;\"'\t\n&#13;\ufffd\ufffd\ufffd\ufffdé\ufffd\U0001F600"; got != want {
		t.Errorf("text %q", got)
	}
	if got, want := string(xmlpull.AppendAttr(nil, in)), "a&lt;b&gt;&amp;&#34;'&#9;&#10;&#13;\ufffd\ufffd\ufffd\ufffdé\ufffd\U0001F600"; got != want {
		t.Errorf("attr %q", got)
	}
	if got := string(xmlpull.AppendElement(nil, "p:a", "<")); got != "<p:a>&lt;</p:a>" {
		t.Error(got)
	}
}

// stdWalk is walk on encoding/xml, adjacent text joined, white space of attributes not told apart.
func stdWalk(in []byte) (string, error) {
	d := xml.NewDecoder(strings.NewReader(string(in)))
	var b strings.Builder
	depth := 0
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return b.String(), nil
		}
		if err != nil {
			return "", err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			depth++
			fmt.Fprintf(&b, "<{%s}%s", tok.Name.Space, tok.Name.Local)
			for _, a := range tok.Attr {
				if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
					continue
				}
				fmt.Fprintf(&b, " {%s}%s=%q", a.Name.Space, a.Name.Local, a.Value)
			}
			b.WriteString(">")
		case xml.EndElement:
			depth--
			fmt.Fprintf(&b, "</{%s}%s>", tok.Name.Space, tok.Name.Local)
		case xml.CharData:
			if depth > 0 {
				b.Write(tok)
			}
		}
	}
}

// printAll writes what r reads, names spelled out by declarations on each element.
func printAll(r *xmlpull.Reader) ([]byte, error) {
	var b []byte
	var open []string
	for {
		k, err := r.Next()
		if err != nil {
			return nil, err
		}
		switch k {
		case xmlpull.Start:
			open = append(open, "e:"+r.Local())
			if r.Space() == "" {
				open[len(open)-1] = r.Local()
			}
			b = append(append(b, '<'), open[len(open)-1]...)
			if r.Space() != "" {
				b = append(xmlpull.AppendAttr(append(b, ` xmlns:e="`...), r.Space()), '"')
			}
			for i, a := range r.Attrs() {
				switch a.Name.Space {
				case "":
					b = append(append(b, ' '), a.Name.Local...)
				case "http://www.w3.org/XML/1998/namespace":
					b = append(append(b, " xml:"...), a.Name.Local...)
				default:
					b = append(xmlpull.AppendAttr(fmt.Appendf(b, ` xmlns:a%d="`, i), a.Name.Space), '"')
					b = fmt.Appendf(b, " a%d:%s", i, a.Name.Local)
				}
				b = append(xmlpull.AppendAttr(append(b, `="`...), a.Value), '"')
			}
			b = append(b, '>')
		case xmlpull.End:
			b = append(append(append(b, "</"...), open[len(open)-1]...), '>')
			open = open[:len(open)-1]
		case xmlpull.Text:
			b = xmlpull.AppendText(b, r.Text())
		case xmlpull.EOF:
			return b, nil
		}
	}
}

func FuzzReader(f *testing.F) {
	for _, c := range malformed {
		f.Add([]byte(c.in))
	}
	f.Add([]byte(`<?xml version="1.0"?><p:a xmlns:p="u" xmlns='v' p:x="1&#10;" y="2"><b>t&amp;<![CDATA[c]]>é</b><!-- c --><?p i?></p:a>`))
	f.Add(envelope(2))
	spaces := strings.NewReplacer(`\t`, " ", `\n`, " ", `\r`, " ", "\t", " ", "\n", " ", "\r", " ")
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := walk(xmlpull.NewReader(in, xmlpull.Options{}))
		if err != nil {
			return
		}
		// encoding/xml knows the names of XML 1.0, second edition, and cuts names in its own way: only a bad name may differ.
		want, err := stdWalk(in)
		if err != nil {
			if strings.Contains(err.Error(), "invalid XML name") || strings.Contains(err.Error(), "expected element name") {
				return
			}
			t.Fatalf("%q accepted, encoding/xml says %v", in, err)
		}
		// It also leaves tabs and line feeds in attributes, and in the names of namespaces, which are printed as they are.
		if spaces.Replace(got) != spaces.Replace(want) {
			t.Fatalf("%q:\n got %s\nwant %s", in, got, want)
		}
		once, err := printAll(xmlpull.NewReader(in, xmlpull.Options{}))
		if err != nil {
			t.Fatal(err)
		}
		again, err := walk(xmlpull.NewReader(once, xmlpull.Options{MaxAttrs: 600}))
		if err != nil || again != got {
			t.Fatalf("%q printed as %q: %v\n got %s\nwant %s", in, once, err, again, got)
		}
		twice, err := printAll(xmlpull.NewReader(once, xmlpull.Options{MaxAttrs: 600}))
		if err != nil || string(once) != string(twice) {
			t.Fatalf("no fixed point: %q, %q, %v", once, twice, err)
		}
	})
}
