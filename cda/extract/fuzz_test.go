package extract_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/extract"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/xds"
)

// FuzzExtract: the same bytes give the same; whoever makes a submission of metadata that no finding faults, makes one without fault; curves hold no
// point twice.
func FuzzExtract(f *testing.F) {
	f.Add(sample.LabReport(1))
	f.Add(sample.UnstructuredReport(1))
	f.Add(sample.ClinicalDocument(1, sample.LabReportKind, microbiology))
	f.Fuzz(func(t *testing.T, b []byte) {
		o := cda.Options{MaxSize: 1 << 20}
		m, err := extract.MetadataOf(b, o)
		if err != nil {
			return
		}
		again, _ := extract.MetadataOf(b, o)
		if !reflect.DeepEqual(m, again) {
			t.Fatal("metadata differ the second time")
		}
		consistent(t, m)
		c, err := extract.ContentOf(b, o)
		if err != nil {
			t.Fatalf("the header is read, the entries are not: %v", err)
		}
		for _, r := range c.Results {
			// As it stands, that is: an attribute may be written with references, over several lines, or in another encoding.
			if v := r.Value.Quantity.Value; !bytes.Contains(b, []byte(v)) && !bytes.Contains(b, []byte("&")) && !strings.ContainsFunc(v, func(c rune) bool { return c <= ' ' || c > '~' }) {
				t.Fatalf("a literal %q that is not in the document", v)
			}
		}
		points := 0
		for _, s := range extract.Curves(c.Results, time.UTC) {
			points += len(s.Points)
		}
		if points > len(c.Results) {
			t.Fatalf("%d points of %d results", points, len(c.Results))
		}
	})
}

// consistent fails when metadata without an error finding are refused for an attribute that is missing.
func consistent(t *testing.T, m *extract.Metadata) {
	t.Helper()
	for _, f := range m.Findings {
		if f.Severity <= cda.Error {
			return
		}
	}
	var found xds.Findings
	m.Submission("1.2.3.4", time.Unix(1_770_000_000, 0)).Validate(&xds.Domain{CXTypes: []string{"*"}}, xds.Provided, &found)
	for _, e := range found.List {
		if strings.Contains(e.Context, "required and missing") {
			t.Fatalf("no finding said: %s", e.Context)
		}
	}
}

func benchmark(b *testing.B, docs [][]byte, work func([]byte) error) {
	size := 0
	for _, d := range docs {
		size += len(d)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for _, d := range docs {
			if err := work(d); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func metadata(d []byte) error { _, err := extract.MetadataOf(d, cda.Options{}); return err }
func entries(d []byte) error  { _, err := extract.ContentOf(d, cda.Options{}); return err }

func BenchmarkSamples(b *testing.B) {
	var docs [][]byte
	for _, d := range samples(b) {
		docs = append(docs, d)
	}
	b.Run("metadata", func(b *testing.B) { benchmark(b, docs, metadata) })
	b.Run("entries", func(b *testing.B) { benchmark(b, docs, entries) })
}

func BenchmarkGenerated(b *testing.B) {
	doc := string(sample.LabReport(1))
	from, to := strings.Index(doc, "<component><section>"), strings.Index(doc, "</structuredBody>")
	docs := [][]byte{[]byte(doc[:from] + strings.Repeat(strings.ReplaceAll(doc[from:to], ` ID="glucose"`, ""), 70) + doc[to:])}
	b.Run("metadata", func(b *testing.B) { benchmark(b, docs, metadata) })
	b.Run("entries", func(b *testing.B) { benchmark(b, docs, entries) })
}
