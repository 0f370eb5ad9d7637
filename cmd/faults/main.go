// Faults tests the conformance suite: it builds the gateway with faults planted in it, starts it with one of them after the other, and tells whether the case that
// names the fault catches it. What each fault is stands in conformance/faults; the tree itself is not changed.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"

	"github.com/passerelle-sante/passerelle/conformance"
)

type cli struct {
	Faults []string `arg:"" optional:"" help:"Names of faults, or the beginning of some; all when none is given."`
	Dir    string   `default:"run/faults" help:"Working folder, which is emptied."`
	Out    string   `help:"File for the table."`
	Must   float64  `default:"95" help:"Part of the faults, in percent, that must be caught by the case that names them."`
}

func main() {
	var c cli
	kong.Parse(&c, kong.Name("faults"), kong.Description("Plants faults in the gateway and tells which of them the conformance suite catches. Run it from the root of the tree, after building bin/passerelle and bin/conformance."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := c.run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

func (c *cli) run(ctx context.Context) error {
	all, err := read(os.DirFS("conformance/faults"))
	if err != nil {
		return err
	}
	suite, err := conformance.Embedded()
	if err != nil {
		return err
	}
	for _, f := range all {
		if suite.Find(f.Case) == nil {
			return fmt.Errorf("%s: there is no case %s", f.at, f.Case)
		}
	}
	chosen := slices.DeleteFunc(slices.Clone(all), func(f fault) bool {
		return len(c.Faults) > 0 && !slices.ContainsFunc(c.Faults, func(p string) bool { return strings.HasPrefix(f.Name, p) })
	})
	if err := os.RemoveAll(c.Dir); err != nil {
		return err
	}
	bin, err := c.build(ctx, all)
	if err != nil {
		return err
	}
	b, err := newBed(ctx, c.Dir, bin, suite)
	if err != nil {
		return err
	}
	outcomes, err := c.try(ctx, b, chosen)
	if err != nil {
		return err
	}
	return c.report(outcomes)
}

// build builds the gateway with every fault in it.
func (c *cli) build(ctx context.Context, all []fault) (string, error) {
	root, err := os.Getwd()
	if err != nil {
		return "", err
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return "", err
	}
	over, err := overlay(root, dir, all)
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "passerelle")
	build := exec.CommandContext(ctx, "go", "build", "-pgo=off", "-overlay", over, "-o", bin, "./cmd/passerelle")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return bin, nil
}

// outcome is what became of one fault.
type outcome struct {
	fault
	caught bool
	how    string // what the case found
}

// try first plays the cases that are named on a gateway without a fault: a case that fails there proves nothing. Then each on the gateway with its fault.
func (c *cli) try(ctx context.Context, b *bed, faults []fault) ([]outcome, error) {
	var cases []string
	for _, f := range faults {
		if !slices.Contains(cases, f.Case) {
			cases = append(cases, f.Case)
		}
	}
	sound, err := b.play(ctx, "", cases)
	if err != nil {
		return nil, err
	}
	for _, r := range sound {
		if !r.Passed() {
			return nil, fmt.Errorf("case %s does not pass without a fault: %s%s", r.Name, r.Skipped, strings.Join(r.Faults, "; "))
		}
	}
	var all []outcome
	for i, f := range faults {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		began := time.Now()
		results, err := b.play(ctx, f.Name, []string{f.Case})
		o := outcome{fault: f}
		switch {
		case err != nil:
			o.how = "the gateway could not be tried: " + err.Error()
		case results[0].Passed():
			o.how = "the case passes"
		default:
			o.caught, o.how = true, strings.Join(results[0].Faults, "; ")
		}
		mark := "caught "
		if !o.caught {
			mark = "MISSED "
		}
		fmt.Fprintf(os.Stderr, "%3d/%d %s %-44s %-40s %.1f s\n", i+1, len(faults), mark, f.Name, f.Case, time.Since(began).Seconds())
		all = append(all, o)
	}
	return all, nil
}

// report writes the table, and is an error when too few are caught.
func (c *cli) report(all []outcome) (err error) {
	out := os.Stdout
	if c.Out != "" {
		if out, err = os.Create(c.Out); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, out.Close()) }()
	}
	caught := 0
	for _, o := range all {
		if o.caught {
			caught++
		}
	}
	rate := 100 * float64(caught) / float64(max(len(all), 1))
	fmt.Fprintf(out, "Planted faults: %d of %d are caught by the case that names them, %.1f %%.\n\n", caught, len(all), rate)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, o := range all {
		verdict := "caught"
		if !o.caught {
			verdict = "MISSED"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", verdict, o.Name, o.Case, o.Says)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, o := range all {
		if !o.caught {
			fmt.Fprintf(out, "\nMISSED %s: %s\n", o.Name, o.how)
		}
	}
	if rate < c.Must {
		return fmt.Errorf("%.1f %% of the faults are caught, %.0f %% must be", rate, c.Must)
	}
	return nil
}
