package cda_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/internal/oracle"
)

func samples(t testing.TB) map[string][]byte {
	t.Helper()
	m := map[string][]byte{}
	files, err := filepath.Glob(filepath.Join(oracle.Path(t, "samples/cda"), "*.xml"))
	if err != nil || len(files) == 0 {
		t.Fatal(err, "no samples")
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		m[filepath.Base(f)] = b
	}
	return m
}

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
