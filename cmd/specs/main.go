// Command specs writes docs/conformance.md: obligation by obligation what the requirement files say, which cases show it, and which clauses the code enforces that no
// case cites. Run it from the root of the tree.
package main

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/passerelle-sante/passerelle/conformance"
)

const page = "docs/conformance.md"

func main() {
	text, err := write(os.DirFS("."))
	if err == nil {
		err = os.WriteFile(page, []byte(text), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "specs:", err)
		os.Exit(1)
	}
}

// answers are the statuses of requirements as the page says them.
var answers = map[string]string{"yes": "yes", "partly": "partial", "no": "no", "na": "not applicable"}

// write makes the page from the requirements, the suite and the tree.
func write(tree fs.FS) (string, error) {
	requirements, err := conformance.Requirements()
	if err != nil {
		return "", err
	}
	suite, err := conformance.Embedded()
	if err != nil {
		return "", err
	}
	probes, err := conformance.Probes()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	counts, bare := map[string]int{}, []string{}
	for _, r := range requirements {
		counts[r.Status]++
		if len(r.Cases) == 0 {
			bare = append(bare, r.ID)
		}
	}
	fmt.Fprintf(&b, "# Conformance, obligation by obligation\n\nWritten by `make specs` from `conformance/requirements`; edit those. %s.\n\n", conformance.Edition())
	fmt.Fprintf(&b, "%d obligations: %d yes, %d partial, %d no, %d not applicable; %d cases that people wrote and %d probes (`conformance list --probes`) show them. `divergences.md` says where we\ndepart, `quirks.md` what we tolerate.\n",
		len(requirements), counts["yes"], counts["partly"], counts["no"], counts["na"], len(suite.Cases), len(probes))
	file := ""
	for _, r := range requirements {
		if r.File != file {
			file = r.File
			fmt.Fprintf(&b, "\n## %s\n\n| Clause | Level | | Obligation | Cases |\n|---|---|---|---|---|\n", heading(file))
		}
		cases := strings.Join(r.Cases, ", ")
		if r.Why != "" {
			cases += " (" + r.Why + ")"
		}
		if n := probesOf(r.ID, probes); n > 0 {
			cases += fmt.Sprintf(", %d probes", n)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.ID, r.Level, answers[r.Status], r.Means, strings.TrimSpace(strings.TrimPrefix(cases, ", ")))
	}
	enforced, err := uncited(tree, requirements, suite.Cases)
	if err != nil {
		return "", err
	}
	list(&b, "Obligations without a case", bare)
	list(&b, "Clauses that code of ours names and no case cites", enforced)
	return b.String(), nil
}

func list(b *strings.Builder, title string, lines []string) {
	if len(lines) == 0 {
		lines = []string{"none"}
	}
	fmt.Fprintf(b, "\n## %s\n\n- %s\n", title, strings.Join(lines, "\n- "))
}

// heading is the title of a requirement file: iti-42 is ITI-42.
func heading(file string) string {
	name := strings.TrimSuffix(file, ".txt")
	if number, ok := strings.CutPrefix(name, "iti-"); ok {
		return "ITI-" + strings.TrimLeft(number, "0")
	}
	if number, ok := strings.CutPrefix(name, "td-"); ok {
		return "TD" + number[:1] + "." + number[1:]
	}
	if title := map[string]string{"dmp-rules": "Rules of the shared record", "cda": "Clinical documents", "mssante": "MSSanté"}[name]; title != "" {
		return title
	}
	return strings.ToUpper(name[:1]) + strings.ReplaceAll(name[1:], "-", " ")
}

var section = regexp.MustCompile(`\d+(\.\d+)+`)

// probesOf counts the probes that cite the clause of a requirement, or one below it.
func probesOf(id string, probes []*conformance.Case) int {
	volume, rest, _ := strings.Cut(id, " 4.")
	number := section.FindString("4." + rest)
	if volume != "ITI TF-3" || number == "" {
		return 0
	}
	n := 0
	for _, p := range probes {
		if slices.ContainsFunc(p.Cites, func(c string) bool { return c == "ITI TF-3 "+number || strings.HasPrefix(c, "ITI TF-3 "+number+".") }) {
			n++
		}
	}
	return n
}

// bracket is a clause of a transaction as comments cite it: [ITI-42 3.42.4.1.3].
var bracket = regexp.MustCompile(`\[(ITI-\d+) (\d+(?:\.\d+)+)[^\]\n]*\]`)

// uncited are the clauses that comments of the code name and neither a requirement nor a case does, each with the file that names it first.
func uncited(tree fs.FS, requirements []conformance.Requirement, cases []*conformance.Case) ([]string, error) {
	known := map[string]bool{}
	cite := func(text string) {
		for _, number := range section.FindAllString(text, -1) {
			for at := number; strings.Contains(at, "."); at = at[:strings.LastIndexByte(at, '.')] {
				known[at] = true // a case about a part is a case about the whole
			}
		}
	}
	for _, r := range requirements {
		cite(r.ID)
	}
	for _, c := range cases {
		for _, clause := range c.Cites {
			cite(clause)
		}
	}
	named := map[string]string{}
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (name == "conformance" || name == "cmd" || name == "run" || name == "bin" || len(name) > 1 && strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		for _, m := range bracket.FindAllStringSubmatch(string(text), -1) {
			if clause := m[1] + " " + m[2]; !known[m[2]] && named[clause] == "" {
				named[clause] = name
			}
		}
		return err
	})
	var out []string
	for clause, name := range named {
		out = append(out, clause+" (`"+name+"`)")
	}
	slices.Sort(out)
	return out, err
}
