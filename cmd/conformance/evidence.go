package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/conformance"
)

// evidence is the pack of a run, if one is kept.
type evidence struct {
	pack  *conformance.Pack
	dir   string
	zip   string // to be written at the end
	ended map[string]conformance.Result
	err   error // of a case that could not be kept
}

// openEvidence opens the folder a run writes to: a new one, that of a ZIP file (beside it until the end), or one to be resumed.
func openEvidence(name, resume string) (*evidence, error) {
	e := &evidence{dir: name, ended: map[string]conformance.Result{}}
	if name != "" && resume != "" {
		return nil, errors.New("--resume goes on with the evidence it names; --evidence begins another")
	}
	if strings.HasSuffix(name, ".zip") {
		e.zip, e.dir = name, name+".part"
	}
	if resume != "" {
		e.dir = resume
	}
	if e.dir == "" {
		return e, nil
	}
	if entries, err := os.ReadDir(e.dir); err == nil && len(entries) > 0 && resume == "" {
		return nil, fmt.Errorf("%s is not empty; --resume %s goes on with it", e.dir, e.dir)
	}
	var err error
	if e.pack, err = conformance.NewPack(e.dir); err != nil {
		return nil, err
	}
	e.ended, err = e.pack.Ended()
	return e, err
}

func (e *evidence) has(name string) bool { _, ok := e.ended[name]; return ok }

func (e *evidence) add(r *conformance.Runner, res conformance.Result) {
	if e.pack != nil {
		e.err = errors.Join(e.err, e.pack.Add(r, res))
	}
}

// merge puts the results of an earlier run beside those of this one, in the order of the cases.
func (e *evidence) merge(cases []*conformance.Case, results []conformance.Result) []conformance.Result {
	now := map[string]conformance.Result{}
	for _, res := range results {
		now[res.Name] = res
	}
	var out []conformance.Result
	for _, c := range cases {
		res, ran := now[c.Name]
		if !ran {
			res = e.ended[c.Name]
			res.Case = c
		}
		out = append(out, res)
	}
	return out
}

// close signs the pack.
func (e *evidence) close(r *conformance.Runner, began time.Time, key *conformance.SigningKey) error {
	if e.pack == nil || e.err != nil {
		return e.err
	}
	if err := e.pack.Close(r, began, key); err != nil || e.zip == "" {
		return err
	}
	f, err := os.Create(e.zip)
	if err != nil {
		return err
	}
	if err := errors.Join(conformance.Zip(e.dir, f), f.Close()); err != nil {
		return err
	}
	return os.RemoveAll(e.dir)
}

type verifyCmd struct {
	Pack string `arg:"" type:"path" help:"Evidence: a folder or a ZIP file."`
	Key  string `type:"existingfile" help:"PEM file of the public key that must have signed."`
}

// Run checks evidence.
func (c *verifyCmd) Run() error {
	fsys, closer, err := conformance.OpenPack(c.Pack)
	if err != nil {
		return err
	}
	defer closer.Close()
	var key []byte
	if c.Key != "" {
		if key, err = os.ReadFile(c.Key); err != nil {
			return err
		}
	}
	v, err := conformance.Verify(fsys, key)
	if err != nil {
		return fmt.Errorf("%w: %w", errFailed, err)
	}
	fmt.Printf("%d files are as signed, by the key %s.\n", v.Files, v.Fingerprint)
	if v.Own {
		fmt.Println("That key was made for the run and forgotten: nothing was altered since, but nobody vouches for it.")
	}
	return nil
}

type replayCmd struct {
	Pack    string `arg:"" type:"path" help:"Evidence: a folder or a ZIP file."`
	Against string `type:"existingfile" help:"YAML description of a system: the same cases are played against it, with fresh identifiers, and judged anew."`
	reports
}

// Run judges evidence again.
func (c *replayCmd) Run(ctx context.Context) error {
	fsys, closer, err := conformance.OpenPack(c.Pack)
	if err != nil {
		return err
	}
	defer closer.Close()
	if _, err := conformance.Verify(fsys, nil); err != nil {
		return fmt.Errorf("%w: %w", errFailed, err)
	}
	if c.Against != "" {
		suite, err := conformance.PackedCases(fsys)
		if err != nil {
			return err
		}
		sut, err := conformance.LoadSUT(c.Against)
		if err != nil {
			return err
		}
		return (&runCmd{Parallel: 4, reports: c.reports}).play(ctx, suite, suite.Cases, sut)
	}
	again, err := conformance.Replay(ctx, fsys)
	if err != nil {
		return err
	}
	wrong, odd := 0, 0
	for _, one := range again {
		if one.Is != one.Was {
			wrong++
			fmt.Printf("%s: was %s, is %s\n    %s\n", one.Name, one.Was, one.Is, strings.Join(one.Faults, "\n    "))
		}
		if len(one.Differed) > 0 {
			odd++
		}
	}
	fmt.Printf("%d cases judged again: %d as before, %d otherwise. In %d this suite would send other bytes.\n", len(again), len(again)-wrong, wrong, odd)
	if wrong > 0 {
		return fmt.Errorf("%d verdicts: %w", wrong, errFailed)
	}
	return nil
}

type reportCmd struct {
	Pack string `arg:"" type:"path" help:"Evidence: a folder or a ZIP file."`
	reports
}

// Run writes reports from evidence.
func (c *reportCmd) Run() error {
	fsys, closer, err := conformance.OpenPack(c.Pack)
	if err != nil {
		return err
	}
	defer closer.Close()
	rep, err := conformance.PackedReport(fsys)
	if err != nil {
		return err
	}
	if err := c.write(rep); err != nil {
		return err
	}
	return verdict(rep)
}
