package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/schematron"
	"github.com/passerelle-sante/passerelle/cda/validate"
	"github.com/passerelle-sante/passerelle/cda/validate/report"
)

type validateCmd struct {
	Paths       []string `arg:"" optional:"" help:"Files, folders (every .xml and .pdf below), or - for standard input."`
	Format      string   `help:"text, json, sarif or junit." enum:"text,json,sarif,junit" default:"text"`
	Output      string   `help:"File to write the report to instead of standard output."`
	Severity    string   `help:"Least severity that counts: error, warning or information." enum:"error,warning,information" default:"warning"`
	Rules       bool     `help:"List every rule with its clause and judge nothing."`
	Off         []string `help:"Rules not to judge by, FR-BIO-* for several."`
	NotInferred bool     `help:"Leave out the rules that were inferred from examples."`
	Schema      string   `help:"Schema to judge by in place of ours: the .xsd to begin with; its folder and those below are read."`

	Schematron       []string      `help:"Schematron schema, or stylesheet made of one, to judge by as well; may be given several times."`
	SchematronFolder string        `help:"Folder that its rule sets may read: that of each file, unless given."`
	SchematronPhase  string        `help:"Phase of the Schematron schemas; their default phase, unless given."`
	SchematronTime   time.Duration `help:"Time that a rule set has for a document." default:"1m"`
	SchematronMemory int64         `help:"MiB that a rule set may take." default:"1024"`
	Values           bool          `help:"Show what the messages of rule sets quote of a document. It may tell who the patient is."`
}

// exitStatus ends the process with this status and nothing more said.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// Run ends with status 0 when nothing was found, 1 when there are findings, 2 when it could not be judged.
func (c *validateCmd) Run(ctx context.Context) error {
	err := c.run(ctx)
	if err != nil && !errors.As(err, new(exitStatus)) {
		fmt.Fprintln(os.Stderr, "passerelle:", err)
		return exitStatus(2)
	}
	return err
}

func (c *validateCmd) run(ctx context.Context) error {
	if c.Rules {
		return c.write(func(w io.Writer) error { return report.RuleList(w) })
	}
	o := validate.Options{Off: c.Off, NotInferred: c.NotInferred}
	if c.Schema != "" {
		s, err := validate.OpenSchema(os.DirFS(filepath.Dir(c.Schema)), filepath.Base(c.Schema))
		if err != nil {
			return err
		}
		o.Schemas = []validate.Schema{s}
	}
	checks, done, err := c.checks(ctx)
	if err != nil {
		return err
	}
	defer done()
	names, err := documents(c.Paths)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return errors.New("nothing to validate: name a file, a folder with .xml or .pdf files in it, or -")
	}
	least := map[string]cda.Severity{"error": cda.Error, "warning": cda.Warning, "information": cda.Information}[c.Severity]
	files := judge(ctx, names, judgement{o, checks, least})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	writer := report.Writers[c.Format]
	if c.Format == "text" && c.Output == "" {
		writer = report.Text(isTerminal(os.Stdout) && os.Getenv("NO_COLOR") == "")
	}
	if err := c.write(func(w io.Writer) error { return writer(w, files) }); err != nil {
		return err
	}
	return statusOf(files)
}

// checks are the rule sets of the command line, and what ends their workers.
func (c *validateCmd) checks(ctx context.Context) (checks []validate.Check, done func(), err error) {
	if len(c.Schematron) == 0 {
		return nil, func() {}, nil
	}
	command, err := schematron.Command()
	if err != nil {
		return nil, nil, err
	}
	pool := schematron.NewPool(min(runtime.GOMAXPROCS(0), 2), command...)
	for _, file := range c.Schematron {
		set, err := schematron.SetOf(file, c.SchematronFolder)
		if err == nil {
			set.Phase, set.Timeout, set.Memory, set.Values = c.SchematronPhase, c.SchematronTime, c.SchematronMemory<<20, c.Values
			err = pool.Try(ctx, set)
		}
		if err != nil {
			pool.Close()
			return nil, nil, err
		}
		checks = append(checks, pool.Check(set))
	}
	return checks, pool.Close, nil
}

func statusOf(files []report.File) error {
	status := exitStatus(0)
	for _, f := range files {
		switch {
		case f.Err != nil:
			return exitStatus(2)
		case len(f.Findings) > 0:
			status = 1
		}
	}
	if status != 0 {
		return status
	}
	return nil
}

// documents lists the files to judge in the order of their names.
func documents(paths []string) ([]string, error) {
	var names []string
	for _, p := range paths {
		info, err := os.Stat(p)
		switch {
		case p == "-":
			names = append(names, p)
		case err != nil:
			return nil, err
		case !info.IsDir():
			names = append(names, p)
		default:
			err := filepath.WalkDir(p, func(name string, d fs.DirEntry, err error) error {
				if err == nil && d.Type().IsRegular() && (hasExt(name, ".xml") || hasExt(name, ".pdf")) {
					names = append(names, name)
				}
				return err
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return names, nil
}

func hasExt(name, ext string) bool { return strings.EqualFold(filepath.Ext(name), ext) }

// judgement is how files are judged.
type judgement struct {
	options validate.Options
	checks  []validate.Check
	least   cda.Severity
}

// judge judges as many files at once as there are cores.
func judge(ctx context.Context, names []string, j judgement) []report.File {
	bar := progress(len(names), "documents")
	if len(names) == 1 {
		bar = nil
	}
	files := make([]report.File, len(names))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(names)) {
		wg.Go(func() {
			for i := range next {
				files[i] = j.file(ctx, names[i])
				if bar != nil {
					_ = bar.Add(1)
				}
			}
		})
	}
	for i := range names {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()
	return files
}

func (j judgement) file(ctx context.Context, name string) report.File {
	f := report.File{Name: name}
	b, err := readDocument(name)
	if err != nil {
		f.Err = err
		return f
	}
	var found []cda.Finding
	if hasExt(name, ".pdf") || bytes.HasPrefix(b, []byte("%PDF-")) {
		found = validate.ValidatePDF(b, j.options)
	} else {
		found = append(validate.Validate(b, j.options), validate.RunChecks(ctx, b, j.checks)...)
	}
	for _, x := range found {
		if x.Severity <= j.least {
			f.Findings = append(f.Findings, x)
		}
	}
	return f
}

const maxDocument = 64 << 20

// readDocument reads a file or standard input, as far as any document is read.
func readDocument(name string) ([]byte, error) {
	in := os.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxDocument+1))
	if len(b) > maxDocument {
		err = fmt.Errorf("larger than %d MiB", maxDocument>>20)
	}
	return b, err
}

// write writes to the output file, whole or not at all, or to standard output.
func (c *validateCmd) write(f func(io.Writer) error) error {
	if c.Output == "" {
		return f(os.Stdout)
	}
	out, err := os.CreateTemp(filepath.Dir(c.Output), ".validate-*")
	if err != nil {
		return err
	}
	defer os.Remove(out.Name())
	if err := errors.Join(f(out), out.Chmod(0o644), out.Close()); err != nil {
		return err
	}
	return os.Rename(out.Name(), c.Output)
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
