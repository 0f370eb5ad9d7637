package schema

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/passerelle-sante/passerelle/wire/xsd"
)

func compiled(t testing.TB) *xsd.Schema {
	s, err := Compiled()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func valid(t testing.TB, s *xsd.Schema, doc string) bool {
	found, err := s.Validate([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return found == nil
}

// TestGenerated: documents made after the model, three for every class that a document can hold, are valid by the schema made of it.
func TestGenerated(t *testing.T) {
	s, g := compiled(t), newGenerator(t, 1)
	classes := g.classes()
	for _, e := range classes {
		for range 3 {
			doc := g.document(e)
			if !g.met {
				t.Errorf("%s:%s is not in its document", e.space.prefix, e.def.name)
			}
			if found, err := s.Validate([]byte(doc)); err != nil || found != nil {
				t.Errorf("%s:%s: %v %v\n%s", e.space.prefix, e.def.name, err, found, doc)
				break
			}
		}
	}
	if len(classes) != 367 {
		t.Errorf("%d classes", len(classes))
	}
}

// TestSelfDisplay: a document in a stylesheet is judged, and the stylesheet is not.
func TestSelfDisplay(t *testing.T) {
	s, g := compiled(t), newGenerator(t, 1)
	doc := displayed(g.document(g.root()))
	if !valid(t, s, doc) || valid(t, s, strings.Replace(doc, "<recordTarget>", "<remark/><recordTarget>", 1)) {
		t.Error("not judged by what is in the document")
	}
}

// TestVerdicts pins the verdicts on mutants of those documents, as they were when they agreed with the official schema's.
func TestVerdicts(t *testing.T) {
	s, g := compiled(t), newGenerator(t, 1)
	p, r := newPool(g), rand.New(rand.NewPCG(5, 6))
	verdicts := sha256.New()
	n, invalid := 0, 0
	for i, e := range g.classes() {
		doc := g.document(e)
		if testing.Short() && i >= 60 {
			break
		}
		all := spots(doc)
		for range 3 {
			mutants(r, p, doc, all, r.IntN(len(all)), func(edit, mutant string) {
				if mutant == "" || mutant == doc || r.IntN(4) > 0 {
					return
				}
				n++
				ok := valid(t, s, mutant)
				if !ok {
					invalid++
				}
				fmt.Fprintln(verdicts, edit, ok)
			})
		}
	}
	got := fmt.Sprintf("%d mutants, %d not valid, %x", n, invalid, verdicts.Sum(nil)[:6])
	want := "8987 mutants, 7363 not valid, 862e86915774"
	if testing.Short() {
		want = "1839 mutants, 1402 not valid, d9bf44f740f4"
	}
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestModel: the text is the same each time, and nothing stands in the model that no document can reach.
func TestModel(t *testing.T) {
	a, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	b, _ := Files()
	for name := range a {
		if !bytes.Equal(a[name], b[name]) {
			t.Errorf("%s is not the same each time", name)
		}
	}
	g := newGenerator(t, 1)
	met := map[*definition]bool{}
	for e := range g.w.reached {
		met[e.def] = true
	}
	for _, d := range g.w.m.defs {
		if !met[d] {
			t.Errorf("%s: %s %s is never reached", d.where, d.kind, d.name)
		}
	}
}

// TestNotation: what the notation does not know is refused with its place.
func TestNotation(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"A", "model/a.txt:1: no namespace is said"},
		{"namespace x", "model/a.txt:1: unknown namespace x"},
		{"namespace hl7\nA\nA", "model/a.txt:3: A is defined twice"},
		{"namespace hl7\nA B C", "model/a.txt:2: a class is: [abstract] [mixed] Name [extends|restricts Base]"},
		{"namespace hl7\nelement e A\nA\n    b B", "model/a.txt:3: unknown B"},
		{"namespace hl7\nelement e A\nA\n    x:b", "model/a.txt:3: unknown element x:b"},
		{"namespace hl7\nelement e A\nA\n    (b A, c A | d A)", `model/a.txt:3: , or | is due before "| d A)"`},
		{"namespace hl7\nelement e A\nA\n    (b A", "model/a.txt:3: a parenthesis is not closed"},
		{"namespace hl7\nelement e A\nA\n    b A, , c A", `model/a.txt:3: a name is due before ", c A"`},
		{"namespace hl7\nelement e A\nA\n    b A)", `model/a.txt:3: ")" is left over`},
		{"namespace hl7\nelement e A\nA @b v\nvalue v = xs:int over 9", `model/a.txt:4: "over" is no facet`},
		{"namespace hl7\nparts a of B\n    c =C", "model/a.txt:2: parts are: parts NAME of CLASS by ATTRIBUTE TYPE"},
		{"namespace hl7\nparts a of B by c d\n    c", `model/a.txt:2: part "c" has no value`},
	} {
		m, err := parse(fstest.MapFS{"model/a.txt": {Data: []byte(c.text)}})
		if err == nil {
			_, err = m.files()
		}
		if err == nil || err.Error() != c.want {
			t.Errorf("%q: %v, want %s", c.text, err, c.want)
		}
	}
}

// TestBadInput: nothing that is given makes the layer fall, and what is not valid is said.
func TestBadInput(t *testing.T) {
	s, g := compiled(t), newGenerator(t, 1)
	doc := g.document(g.root())
	inside := func(text string) string {
		return strings.Replace(doc, "</ClinicalDocument>", text+"</ClinicalDocument>", 1)
	}
	for name, bad := range map[string]string{
		"deep":           inside(strings.Repeat("<component>", 10000) + strings.Repeat("</component>", 10000)),
		"deep in a wild": inside(`<title><x xmlns="urn:x">` + strings.Repeat("<x>", 10000) + strings.Repeat("</x>", 10000) + "</x></title>"),
		"large value":    put(doc, spots(doc)[1], ` extension="`+strings.Repeat("9", 1<<20)+`"`),
		"large list":     put(doc, spots(doc)[0], ` nullFlavor="`+strings.Repeat("NI ", 1<<16)+`"`),
		"large name":     inside("<" + strings.Repeat("n", 1<<17) + "/>"),
		"many of one":    inside(strings.Repeat("<realmCode/>", 100000)),
		"invalid UTF-8":  strings.Replace(doc, "urn:hl7-org:v3", "urn:hl7-org:v3\xff", 1),
		"entities": `<!DOCTYPE a [<!ENTITY a "` + strings.Repeat("a", 1000) + `"><!ENTITY b "` + strings.Repeat("&a;", 1000) + `">]>` +
			inside("<title>&b;</title>"),
		"another root":      "<a/>",
		"not well-formed":   doc + "<",
		"nothing":           "",
		"no such namespace": strings.Replace(doc, "urn:hl7-org:v3", "urn:hl7-org:v2", 1),
	} {
		found, err := s.Validate([]byte(bad))
		if err != nil || len(found) == 0 || len(found) > 64 {
			t.Errorf("%s: %v, %d findings", name, err, len(found))
		}
	}
}

// TestShared: many may validate at once.
func TestShared(t *testing.T) {
	s, g := compiled(t), newGenerator(t, 1)
	doc := g.document(g.root())
	done := make(chan bool)
	for range 8 {
		go func() {
			ok := true
			for range 50 {
				found, err := s.Validate([]byte(doc))
				ok = ok && err == nil && found == nil
			}
			done <- ok
		}()
	}
	for range 8 {
		if !<-done {
			t.Error("not valid")
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		files, err := Files()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := xsd.CompileFiles(files, Root); err != nil {
			b.Fatal(err)
		}
	}
}
