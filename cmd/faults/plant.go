package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// fault is one thing that the gateway could do wrong, as one change of one place of its source.
type fault struct {
	Name, Says, Case string
	File             string // relative to the root of the tree
	Old, New         string // a text that stands once in the file, and what to put there; FAULT in it is true when the fault is planted; planted.Wait and planted.Replace are at hand
	at               string // where it is written, for errors
}

// read reads every stanza of a folder, in the order of files and lines.
func read(dir fs.FS) ([]fault, error) {
	names, err := fs.Glob(dir, "*.txt")
	if err != nil {
		return nil, err
	}
	var all []fault
	seen := map[string]bool{}
	for _, name := range names {
		text, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil, err
		}
		some, err := parse(name, string(text))
		if err != nil {
			return nil, err
		}
		for _, f := range some {
			if seen[f.Name] {
				return nil, fmt.Errorf("%s: there are two faults %s", f.at, f.Name)
			}
			seen[f.Name] = true
		}
		all = append(all, some...)
	}
	return all, nil
}

// parse reads the stanzas of one file: lines of "key: value", one of "- text" and one of "+ text", divided by empty lines. Lines that begin with # are comments.
func parse(file, text string) ([]fault, error) {
	var all []fault
	var f fault
	end := func() error {
		if f == (fault{}) {
			return nil
		}
		for what, v := range map[string]string{"fault": f.Name, "says": f.Says, "case": f.Case, "in": f.File, "-": f.Old, "+": f.New} {
			if v == "" {
				return fmt.Errorf("%s: fault %q has no %q", f.at, f.Name, what)
			}
		}
		if !strings.Contains(f.New, "FAULT") {
			return fmt.Errorf("%s: the change of %s does not ask for FAULT", f.at, f.Name)
		}
		all, f = append(all, f), fault{}
		return nil
	}
	for i, line := range strings.Split(text, "\n") {
		at := file + ":" + strconv.Itoa(i+1)
		if strings.HasPrefix(line, "#") {
			continue
		}
		if strings.TrimSpace(line) == "" {
			if err := end(); err != nil {
				return nil, err
			}
			continue
		}
		key, value, ok := strings.Cut(line, " ")
		to := map[string]*string{"fault:": &f.Name, "says:": &f.Says, "case:": &f.Case, "in:": &f.File, "-": &f.Old, "+": &f.New}[key]
		if !ok || to == nil || *to != "" {
			return nil, fmt.Errorf("%s: cannot be read", at)
		}
		*to = strings.TrimSpace(value)
		if key == "fault:" {
			f.at = at
		}
	}
	return all, end()
}

const plantedPackage = "github.com/passerelle-sante/passerelle/internal/planted"

// plantedSource is the package that changed places ask. It is in no other build, and a binary that has it says so.
const plantedSource = `// Package planted tells which fault this binary was started with.
package planted

import (
	"bytes"
	"fmt"
	"os"
	"time"
)

var name = os.Getenv("PASSERELLE_PLANTED")

func init() { fmt.Fprintf(os.Stderr, "THIS IS NO GATEWAY FOR USE: it was built with planted faults; now: %q\n", name) }

// Is tells whether this fault is the one.
func Is(fault string) bool { return name == fault }

// Wait takes longer than the limits of a bed.
func Wait() { time.Sleep(5 * time.Second) }

// Replace changes what was written already.
func Replace(b []byte, old, new string) []byte { return bytes.ReplaceAll(b, []byte(old), []byte(new)) }
`

var packageClause = regexp.MustCompile(`(?m)^package \w+$`)

// change applies the faults of one file to its text.
func change(source string, faults []fault) (string, error) {
	for _, f := range faults {
		if n := strings.Count(source, f.Old); n != 1 {
			return "", fmt.Errorf("%s: the text of %s stands %d times in %s, once is due", f.at, f.Name, n, f.File)
		}
		source = strings.Replace(source, f.Old, strings.ReplaceAll(f.New, "FAULT", "planted.Is("+strconv.Quote(f.Name)+")"), 1)
	}
	at := packageClause.FindStringIndex(source)
	if at == nil {
		return "", fmt.Errorf("%s has no package clause", faults[0].File)
	}
	return source[:at[1]] + "; import " + strconv.Quote(plantedPackage) + source[at[1]:], nil
}

// overlay writes the changed files below dir and the file that has the Go command take them instead, and gives its name.
func overlay(root, dir string, faults []fault) (string, error) {
	perFile := map[string][]fault{}
	for _, f := range faults {
		perFile[f.File] = append(perFile[f.File], f)
	}
	replace := map[string]string{}
	put := func(file, text string) error {
		to := filepath.Join(dir, "source", filepath.FromSlash(file)+".txt") // no source of the tree, to gofmt and others
		replace[filepath.Join(root, filepath.FromSlash(file))] = to
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return os.WriteFile(to, []byte(text), 0o644)
	}
	for file, some := range perFile {
		source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
		if err != nil {
			return "", fmt.Errorf("%s: %w", some[0].at, err)
		}
		changed, err := change(string(source), some)
		if err != nil {
			return "", err
		}
		if err := put(file, changed); err != nil {
			return "", err
		}
	}
	if err := put("internal/planted/planted.go", plantedSource); err != nil {
		return "", err
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, b, 0o644)
}
