package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/extract"
	"github.com/passerelle-sante/passerelle/cda/render"
)

type documentCmd struct {
	Render   renderCmd   `cmd:"" help:"Make one safe HTML page of a clinical document, to read or to print."`
	Metadata metadataCmd `cmd:"" help:"Print the XDS metadata that a clinical document is shared with, as JSON."`
	Values   valuesCmd   `cmd:"" help:"Print the structured values of a clinical document (results, medicines, vaccines, problems), as JSON."`
}

// documentFile is a clinical document; - is standard input.
type documentFile struct {
	File string `arg:"" help:"Clinical document (CDA R2), or - for standard input."`
}

func (d documentFile) load() ([]byte, error) {
	var r io.Reader = os.Stdin
	if d.File != "-" {
		f, err := os.Open(d.File)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		r = f
	}
	return cda.Load(r, cda.Options{})
}

type renderCmd struct {
	documentFile
	Output string `help:"New file for the page; standard output without it."`
}

func (c *renderCmd) Run() error {
	b, err := c.load()
	if err != nil {
		return err
	}
	page, findings, err := render.Page(b, render.Options{})
	if err != nil {
		return err
	}
	tell(findings)
	return writeNew(c.Output, page)
}

type metadataCmd struct{ documentFile }

func (c *metadataCmd) Run() error {
	b, err := c.load()
	if err != nil {
		return err
	}
	m, err := extract.MetadataOf(b, cda.Options{})
	if err != nil {
		return err
	}
	tell(m.Findings)
	m.Header, m.Findings = nil, nil
	return printJSON(m)
}

type valuesCmd struct{ documentFile }

func (c *valuesCmd) Run() error {
	b, err := c.load()
	if err != nil {
		return err
	}
	content, err := extract.ContentOf(b, cda.Options{})
	if err != nil {
		return err
	}
	content.Header = nil // that is metadata
	return printJSON(content)
}

// tell writes findings to standard error: they are about the output, not part of it.
func tell(findings []cda.Finding) {
	for _, f := range findings {
		fmt.Fprintf(os.Stderr, "%s: line %d: %s: %s\n", f.Severity, f.Line, f.Rule, f.Text)
	}
}

// printJSON prints what is said and leaves out what is not.
func printJSON(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return err
	}
	e := json.NewEncoder(os.Stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(said(tree))
}

// said is a value without its empty parts; nil when nothing is left.
func said(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, part := range v {
			if v[name] = said(part); v[name] == nil {
				delete(v, name)
			}
		}
		if len(v) > 0 {
			return v
		}
	case []any:
		for i, part := range v {
			v[i] = said(part)
		}
		if len(v) > 0 {
			return v
		}
	case string:
		if v != "" {
			return v
		}
	case json.Number:
		if v != "0" {
			return v
		}
	case bool:
		if v {
			return v
		}
	}
	return nil
}
