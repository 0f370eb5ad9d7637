// Package archtest holds the walls of the house as tests: who may import whom, and that every package says what it is.
package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/passerelle-sante/passerelle/"

// ring is a row of the import rule: the packages it holds (path.Match patterns) and the packages of ours they may import.
type ring struct {
	name     string
	packages []string
	mayUse   []string
}

var (
	words = []string{"hl7", "auth"}
	wire  = []string{"wire/*", "wire/*/*"}
	nouns = []string{"xds", "pix", "atna", "cda"}
	// cda/print sets on paper what cda/render shows on a screen.
	// cda/schematron turns what an operator's rule sets say of a document into findings, as cda/validate does with our own rules.
	codecs   = []string{"auth/xua", "xds/ebxml", "xds/query", "xds/xdm", "xds/wsdl", "xds/lot", "dmp/td", "pix/pixv2", "pix/pixv3", "smime", "cda/schema", "cda/validate", "cda/validate/*", "cda/schematron", "cda/extract", "cda/render", "cda/print"}
	actors   = []string{"xds/registry", "xds/repository", "xds/federation", "pix/manager", "atna/arr", "smime/intake", "smime/post", "dmp", "directory", "account", "notify"}
	stores   = []string{"store/*"}
	matching = []string{"pix/match", "pix/match/*"}
	doors    = []string{"portal", "portal/*", "fhir", "auth/login"}
)

// rings is the import rule. Changing a row is a design decision and gets a sentence in the commit.
var rings = []ring{
	{"words", words, nil},
	{"wire", wire, slices.Concat(words, wire)},
	// A noun knows the words; atna.Facts takes an auth.Caller so that every actor says who asked in the same way. Audit messages and
	// clinical documents have one shape on the wire, which is theirs: they are read with the strict XML reader and no codec beside them.
	{"nouns", nouns, slices.Concat(words, []string{"wire/xmlpull"})},
	{"codecs", codecs, slices.Concat(words, wire, nouns, codecs)},
	{"policy", []string{"policy"}, slices.Concat(words, nouns)},
	// Matching is arithmetic over traits: it has its own record and knows no noun, so that a register of any kind can use it.
	{"matching", matching, matching},
	{"actors", actors, slices.Concat(words, wire, nouns, codecs, []string{"policy"})},
	{"clients", []string{"xds/xdsclient", "pix/pixclient", "pix/insi", "pix/insi/insisim", "atna/recorder"}, slices.Concat(words, wire, nouns, codecs)},
	{"stores", stores, slices.Concat(words, nouns, []string{"xds/query", "policy", "store/journal"}, actors)},
	{"doors", doors, slices.Concat(words, nouns, actors, []string{"policy", "cda/render", "cda/extract"})},
	{"composition", []string{"gateway"}, slices.Concat(words, wire, nouns, codecs, actors, stores, doors, []string{"policy", "pix/match", "xds/xdsclient", "pix/pixclient", "pix/insi", "pix/insi/insisim", "atna/recorder"})},
	// A suite that shared the product's codecs would bless their faults: conformance knows the wire only, and of it only what frames.
	{"stranger", []string{"conformance", "conformance/*"}, slices.Concat(words, wire, []string{"conformance", "conformance/*"})},
	{"mains", []string{"cmd/*"}, []string{"gateway", "conformance", "conformance/*"}},
	{"internal", []string{"internal/*"}, slices.Concat(words, nouns)},
}

// exceptions are imports beyond the rule, each with its reason.
var exceptions = map[string]string{
	"internal/naive -> policy":             "the naive statement weighs the same facts, and uses nothing else of it",
	"internal/openssl -> internal/testpki": "its folder holds identities that testpki makes",

	"gateway -> internal/sample":  "the demo feeds invented patients",
	"gateway -> internal/testpki": "the demo and 'passerelle pki' make throw-away certificates",
	// Judging a file is a tool: no gateway runs, and what it says of a document is the validator's alone.
	"cmd/passerelle -> cda":            "validate chooses findings by their severity",
	"cmd/passerelle -> cda/extract":    "document metadata and values work without a gateway",
	"cmd/passerelle -> cda/render":     "document render works without a gateway",
	"cmd/passerelle -> cda/validate":   "validate judges documents without a gateway",
	"cmd/passerelle -> cda/validate/*": "validate writes its reports",
	"cmd/passerelle -> cda/schematron": "validate judges by rule sets of the operator's; the program is the worker that runs them",

	// There is one validator of clinical documents: the suite judges them by it, and everything else by tables of its own.
	"conformance/validate -> cda":          "findings of clinical documents have its severities",
	"conformance/validate -> cda/validate": "documents are judged by the project's one validator",

	"cmd/bench -> internal/freeport":  "the gateway that is measured gets doors of its own",
	"cmd/faults -> internal/freeport": "the systems that are judged get doors of their own",

	"cmd/bench -> internal/sample":  "the load generator sends invented submissions",
	"cmd/bench -> internal/testpki": "the load generator and the yardsticks speak TLS",
	"cmd/bench -> xds":              "the load generator builds messages",
	"cmd/bench -> xds/ebxml":        "the load generator builds messages",
	"cmd/bench -> wire/*":           "the load generator frames messages",
	"cmd/bench -> store/*":          "yardsticks of the store, and the loader that fills one",
	"cmd/bench -> policy":           "the loader gives rights on records",
	"cmd/bench -> xds/registry":     "the loader fills a store as a registry would",
	"cmd/bench -> pix/manager":      "the loader fills a store as a patient manager would",
	"cmd/bench -> pix":              "the loader announces patients",
	"cmd/bench -> atna":             "the loader writes audit messages",
	"cmd/bench -> atna/arr":         "the loader fills an audit trail as an audit repository would",
	"cmd/bench -> auth":             "the loader writes audit messages",
	"cmd/bench -> hl7":              "audit messages name patients",
	"cmd/bench -> pix/match":        "matching is judged on invented people",
	"cmd/bench -> pix/match/*":      "matching is judged on invented people",
	"cmd/bench -> cda":              "documents are judged, shown and read for metadata",
	"cmd/bench -> cda/*":            "documents are judged, shown and read for metadata",
}

func TestImportRule(t *testing.T) {
	root := moduleRoot(t)
	for dir, files := range goFiles(t, root) {
		r := ringOf(dir)
		if r == nil {
			t.Errorf("package %s has no place in the import rule (internal/archtest): add it to a ring", dir)
			continue
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue // a test may use what it needs to drive the package
			}
			for _, imported := range imports(t, filepath.Join(root, dir, file)) {
				if !allowed(r, dir, imported) {
					t.Errorf("%s/%s imports %s: %s may use only %s", dir, file, imported, r.name, strings.Join(r.mayUse, ", "))
				}
			}
		}
	}
}

func allowed(r *ring, from, to string) bool {
	if from == to || matches(r.mayUse, to) {
		return true
	}
	for rule := range exceptions {
		a, b, _ := strings.Cut(rule, " -> ")
		if a == from && matches([]string{b}, to) {
			return true
		}
	}
	return false
}

func ringOf(dir string) *ring {
	for i := range rings {
		if matches(rings[i].packages, dir) {
			return &rings[i]
		}
	}
	return nil
}

func matches(patterns []string, dir string) bool {
	for _, p := range patterns {
		if ok, err := path.Match(p, dir); err == nil && ok {
			return true
		}
	}
	return false
}

// TestActorsApart: actors are in one ring, yet none may import another.
func TestActorsApart(t *testing.T) {
	root := moduleRoot(t)
	for dir, files := range goFiles(t, root) {
		if !matches(actors, dir) {
			continue
		}
		for _, file := range files {
			for _, imported := range imports(t, filepath.Join(root, dir, file)) {
				if matches(actors, imported) && imported != dir && !strings.HasSuffix(file, "_test.go") {
					t.Errorf("%s/%s imports the actor %s", dir, file, imported)
				}
			}
		}
	}
}

// TestPackageComments: every package says in one place what it is.
func TestPackageComments(t *testing.T) {
	root := moduleRoot(t)
	for dir, files := range goFiles(t, root) {
		var said []string
		code := false
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			code = true
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, dir, file), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if doc(f) != "" {
				said = append(said, file)
			}
		}
		if code && len(said) != 1 {
			t.Errorf("package %s has %d package comments %v: one is due", dir, len(said), said)
		}
	}
}

func doc(f *ast.File) string {
	if f.Doc == nil {
		return ""
	}
	return f.Doc.Text()
}

// goFiles lists the Go files of each package by its path below the root.
func goFiles(t *testing.T, root string) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "bin" || d.Name() == "run") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(p, ".go") {
			rel, err := filepath.Rel(root, filepath.Dir(p))
			if err != nil {
				return err
			}
			out[filepath.ToSlash(rel)] = append(out[filepath.ToSlash(rel)], d.Name())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 10 {
		t.Fatal(fmt.Errorf("only %d packages found below %s", len(out), root))
	}
	return out
}

func imports(t *testing.T, file string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, i := range f.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if ours, ok := strings.CutPrefix(p, module); ok {
			out = append(out, ours)
		}
	}
	return out
}

func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	t.Fatal("go.mod not found")
	return ""
}
