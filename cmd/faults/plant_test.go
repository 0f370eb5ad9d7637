package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/conformance"
)

// TestFaults: what is planted still stands in the source, and the case that is to catch it exists. Whether it does is told by 'make faults'.
func TestFaults(t *testing.T) {
	t.Chdir("../..")
	all, err := read(os.DirFS("conformance/faults"))
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 80 {
		t.Errorf("%d faults", len(all))
	}
	suite, err := conformance.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if suite.Find(f.Case) == nil {
			t.Errorf("%s: there is no case %s", f.at, f.Case)
		}
	}
	dir := t.TempDir()
	if _, err := overlay(".", dir, all); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "source/xds/registry/write.go.txt"))
	if err != nil || !strings.HasPrefix(string(b), `package registry; import "github.com/passerelle-sante/passerelle/internal/planted"`) ||
		!strings.Contains(string(b), `xds.Approved && !planted.Is("replaced-stays-approved")`) {
		t.Errorf("%v\n%.300s", err, b)
	}
}

func TestMistakes(t *testing.T) {
	const good = "fault: a\nsays:  it is wrong\ncase:  x/y\nin:    f.go\n- old\n+ new FAULT\n"
	for text, want := range map[string]string{
		good:                                   "",
		"# a comment\n" + good + "\n\n" + good: "",
		strings.Replace(good, "+ new FAULT", "+ new", 1): `x.txt:1: the change of a does not ask for FAULT`,
		strings.Replace(good, "- old\n", "", 1):          `x.txt:1: fault "a" has no "-"`,
		good + "+ again FAULT\n":                         `x.txt:7: cannot be read`,
		strings.Replace(good, "says:", "tells:", 1):      `x.txt:2: cannot be read`,
	} {
		_, err := parse("x.txt", text)
		if got := ""; err != nil {
			got = err.Error()
			if got != want {
				t.Errorf("%q: %s, want %s", text, got, want)
			}
		} else if want != "" {
			t.Errorf("%q is taken", text)
		}
	}
	for source, want := range map[string]string{
		"package f\nvar x = old\n":       "package f; import \"" + plantedPackage + "\"\nvar x = new planted.Is(\"a\")\n",
		"package f\nvar x = older + old": "x.txt:1: the text of a stands 2 times in f.go, once is due",
		"package f\n":                    "x.txt:1: the text of a stands 0 times in f.go, once is due",
		"old":                            "f.go has no package clause",
	} {
		faults, err := parse("x.txt", good)
		if err != nil {
			t.Fatal(err)
		}
		got, err := change(source, faults)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", source, got, want)
		}
	}
}
