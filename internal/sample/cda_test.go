package sample_test

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/passerelle-sante/passerelle/internal/oracle"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/wire/xsd"
)

// The invented documents are valid by the official schema.
func TestClinicalDocumentsAreValid(t *testing.T) {
	schema, err := xsd.Compile(flat(t, oracle.Path(t, "standards/cda")), "CDA_extended.xsd")
	if err != nil {
		t.Fatal(err)
	}
	for n := range 10 {
		for _, doc := range [][]byte{sample.LabReport(n), sample.UnstructuredReport(n)} {
			found, err := schema.Validate(doc)
			if err != nil || len(found) > 0 {
				t.Fatalf("document of patient %d: %v %+v", n, err, found)
			}
		}
	}
	if found, _ := schema.Validate([]byte(strings.Replace(string(sample.LabReport(1)), "<realmCode", "<realm", 1))); len(found) == 0 {
		t.Error("a document with an element that the schema does not know is valid")
	}
}

// flat puts the schemas of all folders below dir side by side, and their schemaLocations with them.
func flat(t *testing.T, dir string) fs.FS {
	t.Helper()
	location := regexp.MustCompile(`schemaLocation="[^"]*/([^"/]+)"`)
	out := fstest.MapFS{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".xsd" {
			return err
		}
		b, err := fs.ReadFile(os.DirFS(dir), name)
		out[path.Base(name)] = &fstest.MapFile{Data: location.ReplaceAll(b, []byte(`schemaLocation="$1"`))}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
