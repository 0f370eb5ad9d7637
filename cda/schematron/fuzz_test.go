package schematron_test

import (
	"os"
	"testing"

	"github.com/passerelle-sante/passerelle/cda/schematron"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// FuzzSchematron: whatever schema is given, it becomes a well-formed stylesheet or an error, of bounded length, and the same each time; marking its
// messages keeps it well-formed.
func FuzzSchematron(f *testing.F) {
	for _, name := range []string{"main.sch", "parts/included.sch", "parts/more.sch"} {
		b, err := os.ReadFile("testdata/covers/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`<schema xmlns="http://purl.oclc.org/dsdl/schematron"><pattern abstract="true" id="a"><rule context="$x"><extends rule="r"/></rule></pattern>
<pattern is-a="a"><param name="x" value="&lt;{$x}"/></pattern><include href="#b"/><let name="y"><z/></let></schema>`))
	f.Fuzz(func(t *testing.T, schema []byte) {
		sheet, err := schematron.Translate(schema)
		if err != nil {
			if len(err.Error()) > len(schema)+1000 {
				t.Fatalf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		again, err := schematron.Translate(schema)
		if err != nil || string(again) != string(sheet) {
			t.Fatalf("another time it is otherwise: %v", err)
		}
		if len(sheet) > 4096+100*len(schema)*(1+len(schema)/64) {
			t.Fatalf("%d bytes became %d", len(schema), len(sheet))
		}
		for _, b := range [][]byte{sheet, schematron.Prepare(sheet)} {
			x := xmlpull.NewReader(b, xmlpull.Options{})
			for kind := xmlpull.Kind(0); kind != xmlpull.EOF; {
				if kind, err = x.Next(); err != nil {
					t.Fatalf("%v in %s", err, b)
				}
			}
		}
	})
}
