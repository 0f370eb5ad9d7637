package schematron_test

import (
	"testing"

	"github.com/passerelle-sante/passerelle/cda/schematron"
	"github.com/passerelle-sante/passerelle/internal/sample"
)

// BenchmarkCompile compiles 440 rules.
func BenchmarkCompile(b *testing.B) {
	set := generate(b, b.TempDir(), 1)
	for b.Loop() {
		if _, err := schematron.SVRL(b.Context(), set, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkJudge judges a laboratory report by them, in a worker that has them compiled.
func BenchmarkJudge(b *testing.B) {
	set, doc := generate(b, b.TempDir(), 1), sample.LabReport(1)
	b.SetBytes(int64(len(doc)))
	pool.Judge(b.Context(), set, doc)
	for b.Loop() {
		if found := pool.Judge(b.Context(), set, doc); len(found) < 100 {
			b.Fatal(lines(found))
		}
	}
}

// BenchmarkRun is the same in this process, to be profiled.
func BenchmarkRun(b *testing.B) {
	set, doc := generate(b, b.TempDir(), 1), sample.LabReport(1)
	docs := make([][]byte, 5)
	for i := range docs {
		docs[i] = doc
	}
	for b.Loop() {
		if _, err := schematron.SVRL(b.Context(), set, docs); err != nil {
			b.Fatal(err)
		}
	}
}
