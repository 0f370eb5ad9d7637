package validate_test

import (
	"os"
	"testing"

	"github.com/passerelle-sante/passerelle/cda/validate"
	"github.com/passerelle-sante/passerelle/internal/oracle"
	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

// BenchmarkSamples judges the twelve sample documents: by libxml2 with the official schema alone, with ours alone, by our rules alone, and by all
// three layers with our schema. The goal is that the last takes at most twice the time of the first.
func BenchmarkSamples(b *testing.B) {
	docs := samples(b)
	size := 0
	for _, d := range docs {
		size += len(d)
	}
	official, err := validate.OpenSchema(os.DirFS(oracle.Path(b, "standards/cda")), "CDA_extended.xsd")
	if err != nil {
		b.Fatal(err)
	}
	own, err := validate.OwnSchema()
	if err != nil {
		b.Fatal(err)
	}
	run := func(name string, f func([]byte)) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				for _, d := range docs {
					f(d)
				}
			}
		})
	}
	by := func(s validate.Schema) func([]byte) {
		return func(d []byte) {
			if _, err := s.XSD.Validate(d); err != nil {
				b.Fatal(err)
			}
		}
	}
	run("official", by(official))
	run("own", by(own))
	run("rules", func(d []byte) { validate.Validate(d, bare) })
	run("all", func(d []byte) { validate.Validate(d, validate.Options{}) })
	run("tree", func(d []byte) {
		if _, err := xmltree.Parse(d, xmltree.Options{}); err != nil {
			b.Fatal(err)
		}
	})
}
