package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/schollz/progressbar/v3"

	"github.com/passerelle-sante/passerelle/gateway"
)

type directoryCmd struct {
	Import directoryImportCmd `cmd:"" help:"Take an extract of the national directory, as a whole or not at all: PS_LibreAcces_Personne_activite, or t_finess."`
	Find   directoryFindCmd   `cmd:"" help:"List professionals and structures whose name begins so."`
	Show   directoryShowCmd   `cmd:"" help:"Show all that is kept of a professional, a structure or a group practice."`
	State  directoryStateCmd  `cmd:"" help:"List the last imports."`
}

// directoryOf is the gateway whose directory is meant.
type directoryOf struct {
	Config string `help:"Configuration of the gateway; it must be running." default:"run/passerelle.yaml" type:"existingfile"`
	JSON   bool   `help:"One JSON document, for programs."`
}

func (d *directoryOf) open() (gateway.Directory, error) {
	cfg, err := gateway.Load(d.Config, os.Environ())
	return gateway.Directory{Data: cfg.Data}, err
}

type directoryImportCmd struct {
	directoryOf
	Kind   string `arg:"" help:"professionals or structures." enum:"professionals,structures"`
	File   string `arg:"" help:"The extract, not packed: UTF-8, its first line names the columns." type:"existingfile"`
	Skip   int    `help:"Lines that may be passed over because they cannot be taken."`
	Shrink bool   `help:"The extract is meant to leave out half of those whom the last one knew."`
}

func (c *directoryImportCmd) Run(ctx context.Context) error {
	d, err := c.open()
	if err != nil {
		return err
	}
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Stat()
	if err != nil {
		return err
	}
	bar := progress(int(size.Size()), "bytes")
	reader := progressbar.NewReader(f, bar)
	res, err := d.Import(ctx, c.Kind, &reader, c.Skip, c.Shrink)
	if err != nil {
		return err
	}
	for _, line := range res.SkippedLines {
		fmt.Fprintln(os.Stderr, line)
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(res)
	}
	fmt.Printf("%d lines, %d passed over; %d %s: %d new, %d changed; %d left\n", res.Lines, res.DirectoryState.Skipped, res.Entries, c.Kind, res.New, res.Changed, res.Left)
	return nil
}

type directoryFindCmd struct {
	directoryOf
	Name string `arg:"" help:"The beginning: of the family name and the given name, or of the name of a structure."`
}

func (c *directoryFindCmd) Run(ctx context.Context) error {
	d, err := c.open()
	if err != nil {
		return err
	}
	found, err := d.Find(ctx, c.Name)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(found)
	}
	return errors.Join(show(false, found.Professionals, professionalRow), show(false, found.Structures, structureRow))
}

func professionalRow(p gateway.Professional) []string {
	return []string{p.ID, words(p.Family, p.Given), words(append(p.Professions, p.Skills...)...), strconv.Itoa(len(p.Exercises)), left(p.Left)}
}

func structureRow(s gateway.Structure) []string {
	state := left(s.Left)
	if s.Closed {
		state = "fermée"
	}
	return []string{s.ID, s.Name, s.CategoryName, s.Legal, state}
}

func left(date string) string {
	if date == "" {
		return "actif"
	}
	return "plus dans l'annuaire depuis le " + date
}

type directoryShowCmd struct {
	directoryOf
	ID string `arg:"" help:"8 and RPPS, 1 and FINESS, or the identifier of a group practice."`
}

func (c *directoryShowCmd) Run(ctx context.Context) error {
	d, err := c.open()
	if err != nil {
		return err
	}
	e, err := d.Show(ctx, c.ID)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(e)
	}
	var rows [][]string
	if p := e.Professional; p != nil {
		rows = append(rows, professionalRow(*p))
		for _, x := range p.Exercises {
			rows = append(rows, []string{"exerce", x.Name, x.Sector, strings.Join(x.Structures, " ")})
		}
	}
	if s := e.Structure; s != nil {
		rows = append(rows, structureRow(*s))
	}
	for _, m := range e.Members {
		rows = append(rows, append([]string{"membre"}, professionalRow(m)...))
	}
	return show(false, rows, func(r []string) []string { return r })
}

type directoryStateCmd struct{ directoryOf }

func (c *directoryStateCmd) Run(ctx context.Context) error {
	d, err := c.open()
	if err != nil {
		return err
	}
	list, err := d.States(ctx)
	if err != nil {
		return err
	}
	return show(c.JSON, list, func(s gateway.DirectoryState) []string {
		return []string{string(s.Kind), atDate(s.At, ""), strconv.Itoa(s.Entries) + " entries", strconv.Itoa(s.Left) + " left"}
	})
}
