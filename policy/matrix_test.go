package policy_test

import (
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/passerelle-sante/passerelle/policy"
)

// TestTables breaks the tables one line at a time.
func TestTables(t *testing.T) {
	good := fstest.MapFS{}
	for _, name := range []string{"matrix.tsv", "acts.tsv", "professions.tsv", "purposes.tsv", "traits.tsv", "consents.tsv"} {
		data, err := fs.ReadFile(os.DirFS("france"), name)
		if err != nil {
			t.Fatal(err)
		}
		good[name] = &fstest.MapFile{Data: data}
	}
	if _, err := policy.ReadMatrix(good); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ file, old, new, want string }{
		{"matrix.tsv", "attending\tyes", "attending\tperhaps", `matrix.tsv line 6: "perhaps" is not yes, no or unless-opposed`},
		{"matrix.tsv", "attending\tyes\t", "attending\t", "matrix.tsv line 6: 7 columns, 8 are due"},
		{"matrix.tsv", "node\t", "nodes\t", `matrix.tsv line 17: "nodes" is no ground`},
		{"matrix.tsv", "node\tyes\tno\tno\tno\tyes\tyes\tno\n", "", "the ground node has no row in matrix.tsv or in acts.tsv"},
		{"acts.tsv", "ground\tmask\tunmask", "ground\tunmask\tmask", "acts.tsv line 4: the columns are due: ground, mask, unmask, announce, disclose, conceal, amend, archive, unarchive, delete"},
		{"purposes.tsv", "\tregulation", "\tattending", `purposes.tsv line 4: "attending" is no ground of an exceptional access`},
		{"consents.tsv", "policy\tchoice\n", "policy\tchoice\n1.2.3\teverything\n", `consents.tsv line 4: "everything" is no choice`},
		{"traits.tsv", "\tmasked", "\thidden", `traits.tsv line 6: "hidden" is no trait`},
	} {
		bad := fstest.MapFS{}
		for name, f := range good {
			bad[name] = f
		}
		text := string(good[c.file].Data)
		if !strings.Contains(text, c.old) {
			t.Fatalf("%s holds no %q", c.file, c.old)
		}
		bad[c.file] = &fstest.MapFile{Data: []byte(strings.Replace(text, c.old, c.new, 1))}
		if _, err := policy.ReadMatrix(bad); err == nil || err.Error() != c.want {
			t.Errorf("%s with %q: %v, want %s", c.file, c.new, err, c.want)
		}
	}
}
