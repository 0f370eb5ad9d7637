package render_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/render"
	"github.com/passerelle-sante/passerelle/internal/oracle"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

func samples(t testing.TB) map[string][]byte { return oracle.Files(t, "samples/cda", "*.xml") }

// elements are all a page may hold, each with the attributes it may have; id, class, lang and role are everybody's.
var elements = map[string]string{
	"html": "", "head": "", "meta": "charset http-equiv content name", "title": "", "style": "", "body": "", "a": "href rel target download aria-label",
	"header": "", "h1": "", "h2": "", "h3": "", "h4": "", "h5": "", "h6": "", "div": "tabindex aria-labelledby", "p": "", "nav": "aria-labelledby", "ul": "", "ol": "",
	"li": "", "main": "", "section": "aria-labelledby", "footer": "", "dl": "", "dt": "", "dd": "", "span": "", "del": "", "ins": "", "sub": "", "sup": "", "br": "", "table": "", "caption": "",
	"thead": "", "tbody": "", "tfoot": "", "tr": "", "td": "colspan rowspan headers", "th": "colspan rowspan headers scope abbr", "img": "alt src", "pre": "",
	"object": "type aria-label data",
}

// check reads a page as XML and judges every element, attribute and address in it, that headings leave out no level, and that no id comes twice. It
// gives the text of the page.
func check(t testing.TB, page []byte) string {
	t.Helper()
	body, ok := bytes.CutPrefix(page, []byte("<!DOCTYPE html>\n"))
	if !ok {
		t.Fatal("the page does not begin with its doctype")
	}
	r := xmlpull.NewReader(body, xmlpull.Options{MaxDepth: 1000})
	var text strings.Builder
	styles, level, ids := 0, 0, map[string]bool{}
	for {
		k, err := r.Next()
		if err != nil {
			t.Fatalf("the page is not well-formed: %v", err)
		}
		switch k {
		case xmlpull.EOF:
			if styles != 1 {
				t.Errorf("%d style elements", styles)
			}
			return text.String()
		case xmlpull.Text:
			text.WriteString(r.Text())
		case xmlpull.Start:
			allowed, ok := elements[r.Local()]
			if !ok || r.Space() != "" {
				t.Errorf("the page holds an element %s", r.Local())
			}
			if r.Local() == "style" {
				styles++
			}
			if name := r.Local(); len(name) == 2 && name[0] == 'h' && name[1] <= '6' && name[1] >= '1' {
				if int(name[1]-'0') > level+1 {
					t.Errorf("%s after h%d", name, level)
				}
				level = int(name[1] - '0')
			}
			if id, ok := r.Attr("id"); ok && (ids[id] || id == "" || strings.ContainsAny(id, " \t\n")) {
				t.Errorf("the id %q comes twice, or is none", id)
			} else if ok {
				ids[id] = true
			}
			for _, a := range r.Attrs() {
				checkAttr(t, r.Local(), allowed, a)
			}
		}
	}
}

func checkAttr(t testing.TB, element, allowed string, a xmlpull.Attr) {
	t.Helper()
	name, v := a.Name.Local, a.Value
	if a.Name.Space != "" || !strings.Contains(" id class lang role "+allowed+" ", " "+name+" ") {
		t.Errorf("%s has an attribute %s", element, name)
	}
	switch name {
	case "href":
		ok := false
		for _, p := range []string{"#", "http://", "https://", "mailto:", "data:application/pdf;base64,", "data:image/", "data:application/rtf;base64,"} {
			ok = ok || strings.HasPrefix(strings.ToLower(v), p)
		}
		if !ok {
			t.Errorf("a link leads to %.20q", v)
		}
	case "src":
		if !strings.HasPrefix(v, "data:image/") {
			t.Errorf("an image comes from %.20q", v)
		}
	case "data":
		if !strings.HasPrefix(v, "data:application/pdf;base64,") {
			t.Errorf("an object comes from %.20q", v)
		}
	case "class":
		if strings.ContainsAny(v, ":;(){}<>") {
			t.Errorf("a class %q", v)
		}
	}
}

// narrativeText is the text of every section as another reading gives it.
func narrativeText(t *testing.T, b []byte) []string {
	t.Helper()
	var words []string
	_, err := cda.Walk(b, cda.Options{}, cda.Visitor{Narrative: func(_ *cda.Section, r *xmlpull.Reader) error {
		for d := r.Depth(); r.Depth() >= d; {
			k, err := r.Next()
			if err != nil {
				return err
			}
			if k == xmlpull.Text {
				words = append(words, strings.Fields(r.Text())...)
			}
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return words
}

func TestSamples(t *testing.T) {
	for name, b := range samples(t) {
		page, findings, err := render.Page(b, render.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if dir := os.Getenv("RENDER_DIR"); dir != "" {
			_ = os.WriteFile(filepath.Join(dir, name+".html"), page, 0o644)
		}
		text := strings.Join(strings.Fields(check(t, page)), " ")
		for _, w := range narrativeText(t, b) { // every word, in its order
			i := strings.Index(text, w)
			if i < 0 {
				t.Fatalf("%s: the page lacks %q", name, w)
			}
			text = text[i+len(w):]
		}
		for _, f := range findings {
			t.Logf("%s: %v line %d %s: %s", name, f.Severity, f.Line, f.Rule, f.Text)
		}
	}
}
