package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/conformance/validate"
)

type validateCmd struct {
	Kind  string   `arg:"" optional:"" help:"What it is: auto, soap, submission, query, response, hl7v2, hl7v3, cda, xdm, audit or saml; auto when a file stands here."`
	Files []string `arg:"" optional:"" help:"Files, or - for standard input."`
	JSON  bool     `name:"json" help:"Write the findings as JSON." xor:"form"`
	SARIF bool     `name:"sarif" help:"Write the findings as SARIF 2.1.0." xor:"form"`
	Rules bool     `help:"List the rules with their clauses and judge nothing."`
	CA    string   `name:"ca" type:"existingfile" help:"PEM file of the authorities that signers of assertions have to come from; signatures are checked."`
	Form  string   `enum:",xua,vihf" default:"" help:"Form of assertions: xua or vihf; what they look like, when not given."`
	At    string   `help:"Time at which assertions have to be valid: now, or as 2026-01-02T15:04:05Z."`
}

// Run judges the files. The exit status is 0 without errors, 1 with one, 2 when a file cannot be judged; warnings alone do not fail.
func (c *validateCmd) Run() error {
	if c.Rules {
		for _, r := range validate.Rules() {
			fmt.Printf("%-20s %-8s %s [%s]\n", r.ID, r.Severity, r.Text, r.Clause)
		}
		return nil
	}
	if err := c.kind(); err != nil {
		return err
	}
	o, err := c.options()
	if err != nil {
		return err
	}
	var files []validate.File
	var unjudged []error
	failed := 0
	for _, name := range c.Files {
		f, err := c.judge(name, o)
		if err != nil {
			unjudged = append(unjudged, err)
			continue
		}
		for _, x := range f.Findings {
			if x.Severity == validate.Error {
				failed++
			}
		}
		files = append(files, f)
	}
	write := validate.Text
	switch {
	case c.JSON:
		write = validate.JSON
	case c.SARIF:
		write = validate.SARIF
	}
	if err := write(coloured(os.Stdout), files); err != nil {
		return err
	}
	switch {
	case len(unjudged) > 0:
		return errors.Join(unjudged...)
	case failed == 1:
		return fmt.Errorf("one error found: %w", errFailed)
	case failed > 1:
		return fmt.Errorf("%d errors found: %w", failed, errFailed)
	}
	return nil
}

// judge judges one file.
func (c *validateCmd) judge(name string, o validate.Options) (validate.File, error) {
	f := validate.File{Name: name, Kind: c.Kind}
	b, err := readMessage(name)
	if err != nil {
		return f, err
	}
	looks := validate.Guess(b)
	switch {
	case c.Kind == "auto" && looks == "":
		return f, fmt.Errorf("%s: it is not recognised what it is; name a kind: %s", name, strings.Join(validate.Kinds(), ", "))
	case c.Kind == "auto":
		f.Kind = looks
	case looks != "" && looks != c.Kind && looks != "soap":
		fmt.Fprintf(os.Stderr, "%s looks like %s and is judged as %s\n", name, looks, c.Kind)
	}
	f.Findings, err = validate.Judge(f.Kind, b, o)
	return f, err
}

// kind takes the first word for a file where it is one and no kind: then the kind is guessed.
func (c *validateCmd) kind() error {
	known := validate.Kinds()
	if c.Kind == "" {
		return fmt.Errorf("name a file, or a kind of message and files: %s", strings.Join(known, ", "))
	}
	if !slices.Contains(known, c.Kind) {
		if _, err := os.Stat(c.Kind); err != nil {
			return fmt.Errorf("%.40q is neither a file nor a kind of message: %s", c.Kind, strings.Join(known, ", "))
		}
		c.Kind, c.Files = "auto", append([]string{c.Kind}, c.Files...)
	}
	if len(c.Files) == 0 {
		c.Files = []string{"-"}
		if terminal(os.Stdin) {
			fmt.Fprintln(os.Stderr, "reading the message from this terminal, until Ctrl-D")
		}
	}
	return nil
}

func (c *validateCmd) options() (validate.Options, error) {
	o := validate.Options{Form: c.Form}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return o, err
		}
		o.Roots = x509.NewCertPool()
		if !o.Roots.AppendCertsFromPEM(pem) {
			return o, fmt.Errorf("%s holds no certificate", c.CA)
		}
	}
	var err error
	switch c.At {
	case "":
	case "now":
		o.Now = time.Now()
	default:
		o.Now, err = time.Parse(time.RFC3339, c.At)
	}
	return o, err
}

// readMessage reads a file or standard input, as far as any message is read.
func readMessage(name string) (b []byte, err error) {
	in := os.Stdin
	if name != "-" {
		if in, err = os.Open(name); err != nil {
			return nil, err
		}
		defer in.Close()
	}
	const most = 64 << 20
	if b, err = io.ReadAll(io.LimitReader(in, most+1)); err == nil && len(b) > most {
		err = errors.New(name + " is longer than 64 MiB")
	}
	return b, err
}
