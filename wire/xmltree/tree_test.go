package xmltree_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

const sample = `<?xml version="1.0"?>
<?style href="a.xsl"?>
<!-- a comment -->
<r xmlns="urn:a" xmlns:b="urn:b">
  <x id="1" b:id="2">one<i>two</i>three</x>
  <b:x id="3"/>
  <x id="4"><y k="v"/><y k="w"><x id="5"/></y></x><?late  data?>
</r>`

var ns = xmltree.Space{"": "urn:a", "b": "urn:b"}

func parse(t testing.TB, s string) *xmltree.Tree {
	t.Helper()
	tree, err := xmltree.Parse([]byte(s), xmltree.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestTree(t *testing.T) {
	tree := parse(t, sample)
	r := tree.Root()
	var names []string
	for c := range r.Children() {
		from, to := c.Span()
		names = append(names, fmt.Sprintf("%s %s line %d %s %q", c.Space(), c.Local(), c.Line(), c.Path(), sample[from:to]))
	}
	want := []string{
		`urn:a x line 5 /r[1]/x[1] "<x id=\"1\" b:id=\"2\">one<i>two</i>three</x>"`,
		`urn:b x line 6 /r[1]/b:x[1] "<b:x id=\"3\"/>"`,
		`urn:a x line 7 /r[1]/x[2] "<x id=\"4\"><y k=\"v\"/><y k=\"w\"><x id=\"5\"/></y></x>"`,
	}
	if !slices.Equal(names, want) {
		t.Errorf("children:\n%s", strings.Join(names, "\n"))
	}
	x := slices.Collect(r.Children())[0]
	if got := x.Text(); got != "onethree" {
		t.Errorf("text %q", got)
	}
	if v, ok := x.AttrNS("urn:b", "id"); v != "2" || !ok {
		t.Errorf("b:id %q %v", v, ok)
	}
	if !x.HasText() || slices.Collect(r.Children())[1].HasText() {
		t.Error("HasText")
	}
	want2 := []xmltree.Instruction{{Target: "style", Data: `href="a.xsl"`, Line: 2}, {Target: "late", Data: " data", Line: 7}}
	if got := tree.Instructions(); !slices.Equal(got, want2) {
		t.Errorf("instructions %+v", got)
	}
	if !r.Parent().IsZero() || x.Parent() != r {
		t.Error("parents")
	}
}

func TestSelect(t *testing.T) {
	root := parse(t, sample).Root()
	for path, want := range map[string]string{
		"x": "1 4", "b:x": "3", "*": "1 3 4", "/r/x": "1 4", "//x": "1 4 5",
		"/r//x": "1 4 5", ".//x": "1 4 5", "x[2]": "4", "x[@id='4']": "4", "x[@id!='4']": "1",
		"x[@b:id]": "1", "x[not(@b:id)]": "4", "x[y/@k='w']": "4", "x[y][2]": "",
		"x[i='two']": "1", "x/y/x": "5", "x/y/..": "4 4", "x/@b:id": "1", "@id": "",
		"x[y[@k='w']/x]": "4", "//x/y[2]/x": "5", "/x": "", "//r/x[1]": "1", ".": "", "x[not(y/@k='v')]": "1", "//*[@id='5']": "5",
	} {
		e, err := xmltree.Compile(path, ns)
		if err != nil {
			t.Error(err)
			continue
		}
		var ids []string
		for _, n := range e.All(root) {
			if id := n.Value("id"); id != "" {
				ids = append(ids, id)
			}
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%s leads to %q, not %q", path, got, want)
		}
	}
	value := func(path string) string {
		e, err := xmltree.Compile(path, ns)
		if err != nil {
			t.Fatal(err)
		}
		v, ok := e.Value(root)
		return fmt.Sprintf("%s %v", v, ok)
	}
	for path, want := range map[string]string{"x/@b:id": "2 true", "x/i": "two true", "z": " false", "b:x": " true", "@id": " false"} {
		if got := value(path); got != want {
			t.Errorf("value of %s is %q, not %q", path, got, want)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	for path, want := range map[string]string{
		"": "path : a name is due", "x[": "path x[: a name is due", "x[@a='b]": "path x[@a='b]: ' is due", "c:x": `path c:x: prefix "c" is not known`,
		"x]":       `path x]: "]" is left`,
		"x[not(y]": `path x[not(y]: ) is due before "]"`, "@a/b": `path @a/b: "/b" is left`, "x[y": `path x[y: ] is due before ""`,
		"//x[2]": `path //x[2]: no position may follow //: it counts the children of one element`,
	} {
		if _, err := xmltree.Compile(path, ns); err == nil || err.Error() != want {
			t.Errorf("%q: %v, not %s", path, err, want)
		}
	}
}

func TestCaps(t *testing.T) {
	for _, c := range []struct {
		doc  string
		o    xmltree.Options
		want string
	}{
		{"<a><b/></a>", xmltree.Options{MaxBytes: 10}, "document is too large: 11 bytes, at most 10 are read"},
		{"<a><b/>c</a>", xmltree.Options{MaxNodes: 2}, "document is too large: at most 2 elements and runs of text are read"},
		{"<a><b><c/></b></a>", xmltree.Options{MaxDepth: 2}, "line 1 column 7: depth exceeds 2"},
		{strings.Repeat("<a>", 10_000), xmltree.Options{}, "line 1 column 769: depth exceeds 256"},
		{"<!DOCTYPE a><a/>", xmltree.Options{}, "line 1 column 1: DOCTYPE is not allowed"},
	} {
		_, err := xmltree.Parse([]byte(c.doc), c.o)
		if err == nil || err.Error() != c.want {
			t.Errorf("%.20s: %v, not %s", c.doc, err, c.want)
		}
		large := strings.HasPrefix(c.want, "document is too large")
		if errors.Is(err, xmltree.ErrTooLarge) != large || errors.As(err, new(*xmlpull.SyntaxError)) == large {
			t.Errorf("%.20s: kind of %v", c.doc, err)
		}
	}
}

// TestNarrow: of a narrowed tree nothing outside is found, by no axis.
func TestNarrow(t *testing.T) {
	tree, err := xmltree.Parse([]byte("<s><b/><a><b/>x<c><b/></c></a><b/><a/></s>"), xmltree.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for n := range tree.Root().Children() {
		if n.Local() == "a" {
			tree.Narrow(n)
			break
		}
	}
	for path, want := range map[string]string{"/a": "/a[1]", "//b": "/a[1]/b[1] /a[1]/c[1]/b[1]", "/s": "", "//a": "/a[1]", "/a/c/../..": "", "/a/c": "/a[1]/c[1]"} {
		e, err := xmltree.Compile(path, xmltree.Space{"": ""})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, n := range e.All(tree.Root()) {
			got = append(got, n.Path())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s leads to %q, not %s", path, got, want)
		}
	}
	if r := tree.Root(); !r.Parent().IsZero() || r.Text() != "x" {
		t.Errorf("root %s with %q", r.Path(), r.Text())
	}
}

// FuzzTree: a tree has the elements, attributes and places that encoding/xml finds; every location leads back to its element.
func FuzzTree(f *testing.F) {
	f.Add(sample)
	f.Add(`<a>x<![CDATA[y]]><?p q?>&#10;<b c="d"/></a>`)
	f.Add("<a:b xmlns:a='urn:a'><a:b/><b/></a:b>")
	f.Fuzz(func(t *testing.T, s string) {
		tree, err := xmltree.Parse([]byte(s), xmltree.Options{MaxNodes: 500, MaxDepth: 40})
		if err != nil {
			return
		}
		elements := []xmltree.Node{tree.Root()}
		for n := range tree.Root().Descendants() {
			elements = append(elements, n)
		}
		d := xml.NewDecoder(strings.NewReader(strings.TrimPrefix(s, "\ufeff")))
		shift := int64(len(s) - len(strings.TrimPrefix(s, "\ufeff")))
		i := 0
		for {
			off := d.InputOffset() + shift
			tok, err := d.RawToken()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return // it is the stricter one about something we take
			}
			e, ok := tok.(xml.StartElement)
			if !ok {
				continue
			}
			if i >= len(elements) {
				t.Fatalf("more than %d elements", len(elements))
			}
			n := elements[i]
			from, to := n.Span()
			if n.Local() != e.Name.Local || int64(from) != off || to <= from || n.Line() != 1+strings.Count(s[:from], "\n") {
				t.Fatalf("element %d: %s at %d to %d line %d, not %s at %d", i, n.Local(), from, to, n.Line(), e.Name.Local, off)
			}
			i++
		}
		if i != len(elements) {
			t.Fatalf("%d elements, not %d", len(elements), i)
		}
		paths := map[string]bool{}
		for _, n := range elements {
			if p := n.Path(); paths[p] && len(p) < 40 {
				t.Fatalf("two elements at %s", p)
			}
			paths[n.Path()] = true
		}
	})
}
