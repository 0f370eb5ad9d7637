package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/schollz/progressbar/v3"

	"github.com/passerelle-sante/passerelle/gateway"
)

type identitiesCmd struct {
	Import  identitiesImportCmd  `cmd:"" help:"Feed identities from a CSV file or a file of HL7 v2 ADT messages; can be interrupted and run again."`
	Reviews identitiesReviewsCmd `cmd:"" help:"List the pairs that wait for somebody to decide whether they are one person, the oldest first."`
	Decide  identitiesDecideCmd  `cmd:"" help:"Decide a pair: same links the two, different keeps them apart for good."`
	Show    identitiesShowCmd    `cmd:"" help:"Show all that is kept of an identity, with its history."`
	Explain identitiesExplainCmd `cmd:"" help:"Tell why two identities are one person."`
	Link    identitiesLinkCmd    `cmd:"" help:"Say that two identities are one person."`
	Unlink  identitiesUnlinkCmd  `cmd:"" help:"Say that two identities are two persons, for good."`
	Unmerge identitiesUnmergeCmd `cmd:"" help:"Undo the merge that gave an identifier up."`
	Export  identitiesExportCmd  `cmd:"" help:"Write every identity with the person it belongs to, as CSV or JSON lines."`
}

// identitiesOf is the gateway whose identities are meant. What is done and what is looked at is audited in the name of who runs the command.
type identitiesOf struct {
	Config string `help:"Configuration of the gateway; it must be running." default:"run/passerelle.yaml" type:"existingfile"`
}

func (i *identitiesOf) open() (gateway.Identities, error) {
	cfg, err := gateway.Load(i.Config, os.Environ())
	return gateway.Identities{Data: cfg.Data}, err
}

type identitiesImportCmd struct {
	identitiesOf
	File  string `arg:"" help:"CSV whose first line names the columns (docs/operating.md), or ADT messages one after the other." type:"existingfile"`
	State string `help:"File that remembers what was accepted; default FILE.imported."`
	Jobs  int    `help:"Lines at once; messages go one by one." default:"8"`
}

func (c *identitiesImportCmd) Run(ctx context.Context) error {
	ids, err := c.open()
	if err != nil {
		return err
	}
	if c.State == "" {
		c.State = c.File + ".imported"
	}
	var bar *progressbar.ProgressBar
	rep, err := ids.Import(ctx, c.File, c.State, c.Jobs, func(n int) { bar = progress(n, "identities") }, func() { _ = bar.Add(1) })
	for _, e := range rep.Errors {
		fmt.Fprintln(os.Stderr, e)
	}
	fmt.Printf("%d accepted, %d by an earlier run, %d refused\n", rep.Accepted, rep.Before, rep.Refused)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted; run the same command again to go on: %w", err)
	case err != nil:
		return err
	case rep.Refused > 0:
		return errors.New("some lines were refused; mend them and run the same command again")
	}
	return nil
}

type identitiesReviewsCmd struct {
	identitiesOf
	After uint64 `help:"Only those with a greater number."`
	JSON  bool   `help:"One JSON document, for programs."`
}

func (c *identitiesReviewsCmd) Run(ctx context.Context) error {
	ids, err := c.open()
	if err != nil {
		return err
	}
	list, err := ids.Reviews(ctx, c.After)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(list)
	}
	if len(list) == 0 {
		fmt.Println("nothing waits for a decision")
		return nil
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "REVIEW\tOPENED\tONE\tOTHER\tCAUSE\tWEIGHT\tWHY")
	for _, r := range list {
		why := r.Detail
		for _, f := range r.Fields {
			why += fmt.Sprintf(" %s: %s (%+.1f);", f.Field, f.Why, f.Weight)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%.1f\t%s\n", r.ID, r.Opened, r.A, r.B, r.Cause, r.Weight, strings.TrimSpace(strings.TrimSuffix(why, ";")))
	}
	return w.Flush()
}

type identitiesDecideCmd struct {
	identitiesOf
	ID       uint64 `arg:"" help:"Number of the review."`
	Decision string `arg:"" help:"same or different." enum:"same,different"`
}

func (c *identitiesDecideCmd) Run(ctx context.Context) error {
	return c.ordered("decided", func(i gateway.Identities) error { return i.Decide(ctx, c.ID, c.Decision) })
}

// ordered carries an order out and says so.
func (i *identitiesOf) ordered(done string, order func(gateway.Identities) error) error {
	ids, err := i.open()
	if err != nil {
		return err
	}
	if err := order(ids); err != nil {
		return err
	}
	fmt.Println(done)
	return nil
}

type identitiesShowCmd struct {
	identitiesOf
	ID   string `arg:"" help:"Identifier, id^^^&OID&ISO or id^^^NAMESPACE."`
	JSON bool   `help:"One JSON document, for programs."`
}

func (c *identitiesShowCmd) Run(ctx context.Context) error {
	ids, err := c.open()
	if err != nil {
		return err
	}
	one, err := ids.Show(ctx, c.ID)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(one)
	}
	showIdentity(one)
	return nil
}

// showIdentity prints an identity for a person who has to decide about it.
func showIdentity(one gateway.Identity) {
	p, t := one.Patient, one.Patient.Demographics.Traits()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, value)
		}
	}
	row("identifier", p.ID.String())
	row("born", strings.TrimSpace(strings.Join([]string{t.BirthName, strings.Join(t.GivenNames, " "), t.BirthDate, t.Sex, t.BirthPlace}, " ")))
	row("used name", strings.TrimSpace(t.UsualName+" "+t.UsualGiven))
	row("trust", strings.TrimSpace(string(p.Status)+" "+p.Flags.String()))
	for _, id := range p.OtherIDs {
		row("claims", id.String())
	}
	if !p.MergedInto.IsZero() {
		row("given up for", p.MergedInto.String())
	}
	row("told by", fmt.Sprintf("%s, %s, %d times", p.Source, p.Updated, p.Revision))
	for _, id := range one.Person {
		if !id.Same(p.ID) {
			row("same person", id.String())
		}
	}
	for _, l := range one.Links {
		text := fmt.Sprintf("%s, %s, %s by %s", l.Other(p.ID), l.Reason, l.At, l.Source)
		if l.Weight != 0 {
			text += fmt.Sprintf(", weight %.1f", l.Weight)
		}
		row("link", text)
	}
	for _, r := range one.Reviews {
		row("to decide", fmt.Sprintf("%d: %s and %s, %s %s", r.ID, r.A, r.B, r.Cause, r.Detail))
	}
	for _, h := range one.History {
		var fields []string
		for _, f := range h.Fields {
			fields = append(fields, f.Field)
		}
		row("changed", fmt.Sprintf("%s, %s by %s: %s", h.At, h.Event, h.Source, strings.Join(fields, ", ")))
	}
	w.Flush()
}

type identitiesExplainCmd struct {
	identitiesOf
	A    string `arg:"" help:"Identifier of one."`
	B    string `arg:"" help:"Identifier of the other."`
	JSON bool   `help:"One JSON document, for programs."`
}

func (c *identitiesExplainCmd) Run(ctx context.Context) error {
	ids, err := c.open()
	if err != nil {
		return err
	}
	links, err := ids.Explain(ctx, c.A, c.B)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(links)
	}
	if len(links) == 0 {
		fmt.Println("they are two persons")
		return nil
	}
	for _, l := range links {
		fmt.Printf("%s\n%s\n  linked %s by %s, %s\n", l.A, l.B, l.At, orDash(l.Source), l.Reason)
		for _, f := range l.Fields {
			fmt.Printf("  %+6.1f  %s: %s\n", f.Weight, f.Field, f.Why)
		}
		if len(l.Fields) > 0 {
			fmt.Printf("  %+6.1f  in all\n", l.Weight)
		}
	}
	return nil
}

type identitiesLinkCmd struct {
	identitiesOf
	A string `arg:"" help:"Identifier of one."`
	B string `arg:"" help:"Identifier of the other."`
}

func (c *identitiesLinkCmd) Run(ctx context.Context) error {
	return c.ordered("linked", func(i gateway.Identities) error { return i.Link(ctx, c.A, c.B) })
}

type identitiesUnlinkCmd struct {
	identitiesOf
	A string `arg:"" help:"Identifier of one."`
	B string `arg:"" help:"Identifier of the other."`
}

func (c *identitiesUnlinkCmd) Run(ctx context.Context) error {
	return c.ordered("they are two persons from now on", func(i gateway.Identities) error { return i.Unlink(ctx, c.A, c.B) })
}

type identitiesUnmergeCmd struct {
	identitiesOf
	Prior string `arg:"" help:"Identifier that a merge gave up."`
}

func (c *identitiesUnmergeCmd) Run(ctx context.Context) error {
	return c.ordered("the merge is undone", func(i gateway.Identities) error { return i.Unmerge(ctx, c.Prior) })
}

type identitiesExportCmd struct {
	identitiesOf
	File string `arg:"" help:"New file: .csv, or .json for a JSON document a line."`
}

func (c *identitiesExportCmd) Run(ctx context.Context) error {
	ids, err := c.open()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	bar := progress(-1, "identities")
	n := 0
	write, flush := identityWriter(f, filepath.Ext(c.File) == ".json")
	err = ids.Each(ctx, func(p gateway.Patient) error {
		n++
		_ = bar.Add(1)
		return write(&p)
	})
	if err = errors.Join(err, flush(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(c.File))
	}
	fmt.Printf("%d identities in %s\n", n, c.File)
	return nil
}

// identityWriter writes identities; those of one person have one number in the column person.
func identityWriter(w io.Writer, asJSON bool) (write func(*gateway.Patient) error, flush func() error) {
	if asJSON {
		e := json.NewEncoder(w)
		return func(p *gateway.Patient) error { return e.Encode(p) }, func() error { return nil }
	}
	c := csv.NewWriter(w)
	first := true
	return func(p *gateway.Patient) error {
			if first {
				first = false
				if err := c.Write([]string{"person", "id", "authority", "other_ids", "status", "birth_name", "given_names", "usual_name", "usual_given", "birth_date", "sex", "birth_place", "source", "updated"}); err != nil {
					return err
				}
			}
			person := p.Person
			if person == 0 {
				person = p.Number
			}
			others := make([]string, len(p.OtherIDs))
			for i, id := range p.OtherIDs {
				others[i] = id.String()
			}
			t := p.Demographics.Traits()
			return c.Write([]string{strconv.FormatUint(person, 10), p.ID.ID, p.ID.AssigningAuthority.UniversalID, strings.Join(others, " "), string(p.Status), t.BirthName,
				strings.Join(t.GivenNames, " "), t.UsualName, t.UsualGiven, t.BirthDate, t.Sex, t.BirthPlace, p.Source, string(p.Updated)})
		}, func() error {
			c.Flush()
			return c.Error()
		}
}
