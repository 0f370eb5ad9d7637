package cda_test

import (
	"testing"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/internal/oracle"
)

func samples(t testing.TB) map[string][]byte { return oracle.Files(t, "samples/cda", "*.xml") }

func BenchmarkReadHeader(b *testing.B) {
	docs, size := samples(b), 0
	for _, d := range docs {
		size += len(d)
	}
	b.SetBytes(int64(size))
	for b.Loop() {
		for _, d := range docs {
			if _, err := cda.ReadHeader(d, cda.Options{}); err != nil {
				b.Fatal(err)
			}
		}
	}
}
