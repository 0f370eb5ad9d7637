// Package oracle finds what others wrote and the project does not hold: official schemas and real messages, in a folder "shared" beside the project or where
// PASSERELLE_SHARED says. The project builds and passes its tests without it.
package oracle

import (
	"os"
	"path/filepath"
	"testing"
)

// Path is the path of a file or folder of the shared folder (standards/xds/schema); where there is none the test is skipped and says so.
func Path(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("PASSERELLE_SHARED")
	if dir == "" {
		dir = filepath.Join(root(t), "..", "shared")
	}
	p := filepath.Join(dir, filepath.FromSlash(name))
	if _, err := os.Stat(p); err != nil {
		t.Skipf("the oracle %s is not here: it lies in the folder \"shared\" beside the project, or where PASSERELLE_SHARED says", name)
	}
	return p
}

// Files are the files of a folder of the shared folder that match a pattern, by name; where there is no such folder the test is skipped.
func Files(t testing.TB, folder, pattern string) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(Path(t, folder), pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("no %s in %s: %v", pattern, folder, err)
	}
	files := make(map[string][]byte, len(names))
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(n)] = b
	}
	return files
}

// root is the folder of go.mod.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	t.Fatal("no go.mod above the test")
	return ""
}
