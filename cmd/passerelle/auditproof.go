package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/passerelle-sante/passerelle/gateway"
)

// configFile names the configuration of a gateway that must be running.
type configFile struct {
	Config string `help:"Configuration of the gateway; it must be running." default:"run/passerelle.yaml" type:"existingfile"`
}

func (c *configFile) data() (string, error) {
	cfg, err := gateway.Load(c.Config, os.Environ())
	return cfg.Data, err
}

type auditVerifyCmd struct {
	configFile
	Log         string   `arg:"" optional:"" help:"Exported log, audit folder of a gateway that does not run, or file of a proof; without it the log of the running gateway." type:"path"`
	Keys        []string `help:"Files with the public keys of the log and its witnesses; without them the log's own word is taken." type:"existingfile"`
	Checkpoint  []string `help:"Signed checkpoints kept elsewhere, which the log must contain." type:"existingfile"`
	TimestampCA string   `name:"timestamp-ca" help:"PEM file of authorities; time stamps are looked at with it only." type:"existingfile"`
	Format      string   `help:"${enum}." enum:"text,json" default:"text"`
}

func (c *auditVerifyCmd) Run(ctx context.Context) error {
	keys, err := readAll(c.Keys)
	if err != nil {
		return err
	}
	if info, err := os.Stat(c.Log); c.Log != "" && err == nil && !info.IsDir() {
		return c.proof(keys)
	}
	report, err := c.verify(ctx, keys)
	if err != nil {
		return err
	}
	if c.Format == "json" {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		err = e.Encode(report)
	} else {
		printReport(report, len(c.Keys) > 0)
	}
	if err == nil && !report.OK() {
		err = errors.New("the log is not what was sealed")
	}
	return err
}

func (c *auditVerifyCmd) verify(ctx context.Context, keys string) (gateway.AuditReport, error) {
	if c.Log == "" {
		data, err := c.data()
		if err != nil {
			return gateway.AuditReport{}, err
		}
		return gateway.AuditVerifyRunning(ctx, data, keys)
	}
	v := gateway.AuditVerification{Keys: keys, TimestampCA: c.TimestampCA}
	for _, file := range c.Checkpoint {
		text, err := os.ReadFile(file)
		if err != nil {
			return gateway.AuditReport{}, err
		}
		v.Checkpoints = append(v.Checkpoints, text)
	}
	var bar *progressbar.ProgressBar
	v.Progress = func(done, total uint64) {
		if bar == nil {
			bar = progress(int(total), "records")
		}
		_ = bar.Set64(int64(done))
	}
	return gateway.AuditVerify(ctx, c.Log, v)
}

func (c *auditVerifyCmd) proof(keys string) error {
	if keys == "" {
		return errors.New("a proof is checked against the log's public key: give --keys (the file public of its audit folder)")
	}
	text, err := os.ReadFile(c.Log)
	if err != nil {
		return err
	}
	says, err := gateway.AuditVerifyProof(text, keys)
	if err == nil {
		fmt.Println(says)
	}
	return err
}

func printReport(r gateway.AuditReport, keysGiven bool) {
	for _, f := range r.Findings {
		fmt.Println(f)
	}
	if r.More > 0 {
		fmt.Printf("and %d more\n", r.More)
	}
	verdict := "whole"
	if !r.OK() {
		verdict = "NOT whole"
	}
	fmt.Printf("%s: %s. %d records read, %d expired, %d checkpoints, %d countersigned, %d time stamps; %d records as of %s", r.Origin, verdict, r.Records, r.Expired,
		r.Checkpoints, r.Witnessed, r.Timestamps, r.Size, r.Time.Local().Format(time.DateTime))
	if r.Unsealed > 0 {
		fmt.Printf(", %d not sealed yet", r.Unsealed)
	}
	fmt.Println()
	if !keysGiven {
		fmt.Println("The key was taken from the log itself: somebody who rewrote all of it would have brought his own. Keep the file public elsewhere and give it with --keys.")
	}
}

func readAll(files []string) (all string, err error) {
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return "", err
		}
		all += string(text) + "\n"
	}
	return all, nil
}

type auditCheckpointCmd struct{ configFile }

func (c *auditCheckpointCmd) Run(ctx context.Context) error {
	data, err := c.data()
	if err != nil {
		return err
	}
	text, err := gateway.AuditCheckpoint(ctx, data)
	if err == nil {
		_, err = os.Stdout.Write(text)
	}
	return err
}

type auditProveCmd struct {
	configFile
	Record *uint64 `help:"Number of a record." xor:"what" required:""`
	Since  string  `help:"File of an older checkpoint." type:"existingfile" xor:"what" required:""`
	Output string  `help:"New file for the proof; standard output without it."`
}

func (c *auditProveCmd) Run(ctx context.Context) error {
	data, err := c.data()
	if err != nil {
		return err
	}
	var text []byte
	if c.Record != nil {
		text, err = gateway.AuditProof(ctx, data, *c.Record)
	} else {
		var older []byte
		if older, err = os.ReadFile(c.Since); err == nil {
			text, err = gateway.AuditProofSince(ctx, data, older)
		}
	}
	if err != nil {
		return err
	}
	return writeNew(c.Output, text)
}

// writeNew writes a file that must not exist; standard output for no name.
func writeNew(name string, text []byte) error {
	if name == "" {
		_, err := os.Stdout.Write(text)
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

type auditCountersignCmd struct {
	Proof  string   `arg:"" help:"Proof since the checkpoint signed before; the first time a checkpoint." type:"existingfile"`
	Name   string   `help:"Name of the witness." required:""`
	Key    string   `help:"Key file of the witness, made when there is none." required:"" type:"path"`
	Keys   []string `help:"Files with the public keys of the logs." required:"" type:"existingfile"`
	State  string   `help:"File that keeps the checkpoint signed last." required:"" type:"path"`
	Output string   `help:"New file for the countersigned checkpoint; standard output without it."`
}

func (c *auditCountersignCmd) Run() error {
	text, err := os.ReadFile(c.Proof)
	if err != nil {
		return err
	}
	keys, err := readAll(c.Keys)
	if err != nil {
		return err
	}
	signed, public, err := gateway.AuditCountersign(text, c.Key, c.Name, keys, c.State)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "public key of the witness: %s\n", public)
	return writeNew(c.Output, signed)
}

type auditCountersignedCmd struct {
	configFile
	Checkpoint string   `arg:"" help:"Countersigned checkpoint." type:"existingfile"`
	Witness    []string `help:"Files with the public keys of the witnesses." required:"" type:"existingfile"`
}

func (c *auditCountersignedCmd) Run(ctx context.Context) error {
	data, err := c.data()
	if err != nil {
		return err
	}
	signed, err := os.ReadFile(c.Checkpoint)
	if err != nil {
		return err
	}
	witnesses, err := readAll(c.Witness)
	if err != nil {
		return err
	}
	return gateway.AuditCountersigned(ctx, data, signed, witnesses)
}
