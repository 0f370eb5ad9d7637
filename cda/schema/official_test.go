package schema

import (
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/internal/oracle"
	"github.com/passerelle-sante/passerelle/wire/xsd"
)

// samples are the published documents, without the bulk of what they embed.
func samples(t testing.TB) map[string]string {
	files, _ := filepath.Glob(filepath.Join(oracle.Path(t, "samples/cda"), "*.xml"))
	out := map[string]string{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(f)] = declared(bulk.ReplaceAllString(string(b), ">QUJD<"))
	}
	if len(out) != 12 {
		t.Fatalf("%d samples", len(out))
	}
	return out
}

var bulk = regexp.MustCompile(`>[A-Za-z0-9+/=\s]{1000}[A-Za-z0-9+/=\s]*<`)

// declared declares the prefixes that edits use.
func declared(doc string) string {
	root := spots(doc)[0]
	for _, s := range append(spaces(), &space{prefix: "xsi", uri: "http://www.w3.org/2001/XMLSchema-instance"}) {
		if !strings.Contains(doc[:root.in], " xmlns:"+s.prefix+"=") {
			doc = put(doc, root, ` xmlns:`+s.prefix+`="`+s.uri+`"`)
			root = spots(doc)[0]
		}
	}
	return doc
}

// rivals are the schema of ours and the official one.
type rivals struct {
	t             testing.TB
	own, official *xsd.Schema
	n, invalid    int
	differ        int
	kinds         map[string]int
}

// compare asks both for their verdict.
func (v *rivals) compare(where, edit, doc string) {
	a, err := v.official.Validate([]byte(doc))
	if err != nil {
		v.t.Fatal(err)
	}
	b, err := v.own.Validate([]byte(doc))
	if err != nil {
		v.t.Fatal(err)
	}
	v.n++
	if a != nil {
		v.invalid++
	}
	kind, _, _ := strings.Cut(edit, " at ")
	v.kinds[kind]++
	if (a == nil) != (b == nil) {
		if v.differ++; v.differ > 20 {
			v.t.Fatal("and more")
		}
		v.t.Errorf("%s, %s:\nofficial %v\nown      %v", where, edit, a, b)
	}
}

// TestOfficial compares our verdicts with those of the official schema, on the samples, on documents made after the model, and on mutants of both.
func TestOfficial(t *testing.T) {
	official, err := xsd.Compile(os.DirFS(oracle.Path(t, "standards/cda")), "CDA_extended.xsd")
	if err != nil {
		t.Fatal(err)
	}
	own, err := Compiled()
	if err != nil {
		t.Fatal(err)
	}
	v := &rivals{t: t, own: own, official: official, kinds: map[string]int{}}
	g := newGenerator(t, 1)
	p := newPool(g)
	r := rand.New(rand.NewPCG(1, 4))
	share := 4 // one edit in so many is made
	if testing.Short() {
		share = 40
	}
	v.samples(r, p, share)
	t.Logf("mutants of samples: %d compared, %d not valid", v.n, v.invalid)
	for _, e := range g.classes() {
		v.generated(r, p, g.document(e), share)
	}
	t.Logf("and of documents of every class: %d compared, %d not valid, by %d kinds of edit", v.n, v.invalid, len(v.kinds))
	if least := 20000 * 4 / share; v.n < least || v.invalid < v.n/3 || v.invalid > v.n-v.n/10 {
		t.Errorf("%d compared, %d not valid: that says little", v.n, v.invalid)
	}
}

// samples compares at every shape of the samples: an element in its parent with these attributes and this class.
func (v *rivals) samples(r *rand.Rand, p *pool, share int) {
	seen := map[string]bool{}
	for name, doc := range ordered(samples(v.t)) {
		v.compare(name, "as it is", doc)
		all := spots(doc)
		for i, s := range all {
			shape := s.name
			if s.parent >= 0 {
				shape = all[s.parent].name + "/" + shape
			}
			for _, a := range s.attrs {
				shape += "@" + a.name
				if a.name == "xsi:type" {
					shape += a.value
				}
			}
			if !seen[shape] {
				seen[shape] = true
				v.edits(r, p, doc, all, i, share, name)
			}
		}
	}
}

// generated compares at elements of a document made after the model.
func (v *rivals) generated(r *rand.Rand, p *pool, doc string, share int) {
	v.compare(doc, "as it is", doc)
	all := spots(doc)
	for range 6 {
		v.edits(r, p, doc, all, r.IntN(len(all)), share, doc)
	}
	doc = displayed(doc)
	v.compare(doc, "as it is", doc)
	all = spots(doc)
	v.edits(r, p, doc, all, 5+r.IntN(len(all)-5), share, doc) // the five first are the stylesheet's, and ClinicalDocument
}

func (v *rivals) edits(r *rand.Rand, p *pool, doc string, all []spot, i, share int, where string) {
	mutants(r, p, doc, all, i, func(edit, mutant string) {
		if mutant != "" && mutant != doc && r.IntN(share) == 0 {
			v.compare(fmt.Sprintf("%s, element %d", where, i), edit, mutant)
		}
	})
}

// displayed puts a document into a stylesheet, as those are that display themselves.
func displayed(doc string) string {
	return `<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="/"><html><p/></html></xsl:template>` +
		doc[strings.Index(doc, "<ClinicalDocument"):] + `</xsl:stylesheet>`
}

// ordered goes through a map in the order of its keys.
func ordered(m map[string]string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}
