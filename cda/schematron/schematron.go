// Package schematron judges clinical documents by rule sets that an operator has on disk: Schematron schemas (ISO/IEC 19757-3, query languages XSLT 2
// and 3), or stylesheets that were made of such and give SVRL. Rule sets are programs, so they run in a worker process, under a deadline and a cap of
// memory, and see nothing but the document and the files of their folder. It knows no rule itself.
package schematron

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/passerelle-sante/passerelle/cda"
)

const (
	maxDocument = 32 << 20
	maxNodes    = 1 << 19
)

// Set is a rule set on disk.
type Set struct {
	Name    string        // begins the rules of its findings: letters, digits, - _ .
	Folder  string        // all that the set may read; nothing above it and nothing that a link leads out to
	File    string        // within Folder, slashes between its parts: a schema (.sch) or a stylesheet (.xsl, .xslt)
	Phase   string        // of a schema; its default phase when empty
	Timeout time.Duration // for one document, compiling included; a minute when 0
	Memory  int64         // bytes that the worker may hold while it judges by this set; 1 GiB when 0
	Values  bool          // show in findings what messages quote of the document; for a terminal, never for a log
}

const (
	defaultTimeout = time.Minute
	defaultMemory  = 1 << 30
	leastMemory    = 64 << 20
)

// SetOf is the set that begins with a file: its folder is the file's, unless one is given, and it is named after the file.
func SetOf(file, folder string) (Set, error) {
	if folder == "" {
		folder = filepath.Dir(file)
	}
	absolute, err := filepath.Abs(file)
	if err != nil {
		return Set{}, err
	}
	if folder, err = filepath.Abs(folder); err != nil {
		return Set{}, err
	}
	within, err := filepath.Rel(folder, absolute)
	if err != nil || !filepath.IsLocal(within) {
		return Set{}, fmt.Errorf("%s %w", file, errOutside)
	}
	name := filepath.Base(file)
	s := Set{Name: name[:len(name)-len(filepath.Ext(name))], Folder: folder, File: filepath.ToSlash(within)}
	return s, s.Check()
}

// Check tells what is wrong with a set's own fields; it reads nothing.
func (s Set) Check() error {
	switch {
	case !identifier.MatchString(s.Name):
		return fmt.Errorf("the name %q of a rule set is not made of letters, digits, \".\", \"-\" and \"_\"", s.Name)
	case s.Folder == "":
		return errors.New("a folder is due")
	case !filepath.IsLocal(filepath.FromSlash(s.File)):
		return fmt.Errorf("%s %w", s.File, errOutside)
	case s.Timeout < 0:
		return errors.New("the timeout is below zero")
	case s.Memory != 0 && s.Memory < leastMemory:
		return fmt.Errorf("less than %d MiB of memory is too little", leastMemory>>20)
	}
	return nil
}

func (s Set) timeout() time.Duration {
	if s.Timeout > 0 {
		return s.Timeout
	}
	return defaultTimeout
}

func (s Set) memory() int64 {
	if s.Memory > 0 {
		return s.Memory
	}
	return defaultMemory
}

// troubles are the findings that say why a set could not judge, by the end of their rule SCHEMATRON-….
var troubles = map[string]string{
	"RULES":    "the rule set cannot be used",
	"DOCUMENT": "the rule set was not asked: the document cannot be read",
	"FAILED":   "the rule set did not judge the document to its end",
	"TIME":     "the rule set did not judge the document in time",
	"MEMORY":   "the rule set wanted more memory than it may have",
	"CRASH":    "the rule set's worker broke down over the document",
	"WORKER":   "the rule set was not asked: there is no worker",
	"MORE":     "the rule set found more than is listed here",
}

// trouble is a finding about the set and not the document.
func (s Set) trouble(what string, why ...string) cda.Finding {
	text := troubles[what]
	for _, w := range why {
		text += ": " + w
	}
	f := cda.Finding{Rule: "SCHEMATRON-" + what, Severity: cda.Warning, Text: text, Clause: "rule set " + s.Name}
	if what == "MORE" {
		f.Severity = cda.Information
	}
	return f
}
