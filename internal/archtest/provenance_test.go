package archtest

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestProvenance: every fixture in a testdata folder has its papers in testdata/PROVENANCE.tsv, every line has its file, digests are right and
// no two fixtures are the same. A golden file, which our own tests write, has "-" for a digest.
func TestProvenance(t *testing.T) {
	root := moduleRoot(t)
	text, err := os.ReadFile(filepath.Join(root, "testdata", "PROVENANCE.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	papers, twins := map[string]string{}, map[string]string{}
	for n, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		fields := strings.Split(line, "\t")
		if len(fields) != 7 {
			t.Errorf("line %d has %d columns, 7 are due", n+1, len(fields))
			continue
		}
		if n > 0 {
			papers[fields[0]] = fields[1]
		}
	}
	for file, digest := range papers {
		b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
		if err != nil {
			t.Errorf("%s has a line and is not there", file)
			continue
		}
		sum := sha256.Sum256(b)
		got := hex.EncodeToString(sum[:])
		if golden := strings.HasSuffix(file, ".golden"); digest != got && !(golden && digest == "-") {
			t.Errorf("%s: digest %s, the line says %s", file, got, digest)
		}
		if twin := twins[got]; twin != "" {
			t.Errorf("%s and %s are the same", file, twin)
		}
		twins[got] = file
	}
	for _, file := range fixtures(t, root) {
		if _, ok := papers[file]; !ok {
			t.Errorf("%s has no line in testdata/PROVENANCE.tsv", file)
		}
	}
}

func fixtures(t *testing.T, root string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != root && (strings.HasPrefix(d.Name(), ".") || filepath.Dir(p) == root && (d.Name() == "bin" || d.Name() == "run")) {
			return filepath.SkipDir
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if !d.IsDir() && strings.Contains("/"+rel, "/testdata/") && rel != "testdata/PROVENANCE.tsv" {
			out = append(out, rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
