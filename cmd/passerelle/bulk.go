package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/schollz/progressbar/v3"

	"github.com/passerelle-sante/passerelle/gateway"
)

type importCmd struct {
	From   string `arg:"" help:"Folder or ZIP: one folder a submission, with metadata.xml and the documents." type:"existingpath"`
	Config string `help:"Configuration of the gateway to feed; it must be running." default:"run/passerelle.yaml" type:"existingfile"`
	State  string `help:"File that remembers what was accepted; default FROM.imported."`
	Jobs   int    `help:"Submissions at once." default:"8"`
}

func (c *importCmd) Run(ctx context.Context) error {
	bulk, err := bulkOf(c.Config)
	if err != nil {
		return err
	}
	if c.State == "" {
		c.State = c.From + ".imported"
	}
	var bar *progressbar.ProgressBar
	rep, err := bulk.Import(ctx, c.From, c.State, c.Jobs, func(n int) { bar = progress(n, "submissions") }, func() { _ = bar.Add(1) })
	for _, e := range rep.Errors {
		fmt.Fprintln(os.Stderr, e)
	}
	fmt.Printf("%d accepted, %d by an earlier run, %d refused\n", rep.Accepted, rep.Before, rep.Refused)
	if err != nil {
		return fmt.Errorf("interrupted; run the same command again to go on: %w", err)
	}
	if rep.Refused > 0 {
		return errors.New("some submissions were refused; mend them and run the same command again")
	}
	return nil
}

type exportCmd struct {
	Patient string `arg:"" help:"Patient identifier, id^^^&OID&ISO."`
	Dir     string `arg:"" help:"New folder to write to."`
	Config  string `help:"Configuration of the gateway to read from; it must be running." default:"run/passerelle.yaml" type:"existingfile"`
}

func (c *exportCmd) Run(ctx context.Context) error {
	bulk, err := bulkOf(c.Config)
	if err != nil {
		return err
	}
	patient, err := gateway.ParsePatient(c.Patient)
	if err != nil {
		return err
	}
	var bar *progressbar.ProgressBar
	return bulk.Export(ctx, patient, c.Dir, func(n int) { bar = progress(n, "documents") }, func() { _ = bar.Add(1) })
}

func bulkOf(config string) (*gateway.Bulk, error) {
	cfg, err := gateway.Load(config, os.Environ())
	if err != nil {
		return nil, err
	}
	return gateway.NewBulk(cfg)
}

type backupCmd struct {
	Dir    string `arg:"" help:"New folder to write to."`
	Config string `help:"Configuration of the gateway; it must be running." default:"run/passerelle.yaml" type:"existingfile"`
}

func (c *backupCmd) Run(ctx context.Context) error {
	cfg, err := gateway.Load(c.Config, os.Environ())
	if err != nil {
		return err
	}
	done, err := gateway.Backup(ctx, cfg.Data, c.Dir)
	if err == nil {
		fmt.Printf("%d files, %d bytes in %s\n", done.Files, done.Bytes, c.Dir)
	}
	return err
}

type restoreCmd struct {
	Backup string `arg:"" help:"Folder that a backup made." type:"existingdir"`
	Data   string `arg:"" help:"New data folder; name it in the configuration."`
}

func (c *restoreCmd) Run(ctx context.Context) error {
	bar := progress(-1, "bytes")
	if err := gateway.Restore(ctx, c.Backup, c.Data, func(n int64) { _ = bar.Add64(n) }); err != nil {
		return err
	}
	fmt.Printf("\n%s is whole: start a gateway with data: %s\n", c.Data, c.Data)
	return nil
}

type compactCmd struct {
	Data string `arg:"" help:"Data folder of a gateway that is stopped." type:"existingdir"`
}

func (c *compactCmd) Run() error { return gateway.Compact(c.Data) }

// progress draws a bar on a terminal and nothing elsewhere.
func progress(n int, what string) *progressbar.ProgressBar {
	var w io.Writer = io.Discard
	if isTerminal(os.Stderr) {
		w = os.Stderr
	}
	return progressbar.NewOptions(n, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what), progressbar.OptionShowCount(),
		progressbar.OptionShowIts(), progressbar.OptionOnCompletion(func() { fmt.Fprintln(w) }))
}
