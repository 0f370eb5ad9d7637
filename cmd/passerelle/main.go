// Passerelle is the gateway and its tools: serve, demo, check, pki, import, export, backup, restore, compact, audit, mailbox, identities, document, validate.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/passerelle-sante/passerelle/cda/schematron"
	"github.com/passerelle-sante/passerelle/gateway"
)

type cli struct {
	Serve      serveCmd      `cmd:"" help:"Run the gateway."`
	Demo       demoCmd       `cmd:"" help:"Run a gateway on loopback with a throw-away PKI and sample patients and documents."`
	Check      checkCmd      `cmd:"" help:"Check a configuration file; each mistake is named with its line."`
	PKI        pkiCmd        `cmd:"" name:"pki" help:"Make a throw-away authority with a server and a client certificate."`
	Import     importCmd     `cmd:"" help:"Feed documents from a folder or a ZIP; can be interrupted and run again."`
	Export     exportCmd     `cmd:"" help:"Write a patient's record, metadata and documents, to a folder."`
	Backup     backupCmd     `cmd:"" help:"Copy a running gateway's store to a folder."`
	Restore    restoreCmd    `cmd:"" help:"Make a data folder from a backup."`
	Compact    compactCmd    `cmd:"" help:"Rewrite a stopped gateway's index, so that nothing is left in it of what was removed."`
	Audit      auditCmd      `cmd:"" help:"Read, prove and export the audit log of a gateway."`
	Mailbox    mailboxCmd    `cmd:"" help:"Deal with the mail that a gateway has set aside."`
	Identities identitiesCmd `cmd:"" help:"Import, explain, decide and export who is who."`
	DMP        dmpCmd        `cmd:"" name:"dmp" help:"Open and close shared records, and see to the rights on them, as patients decide."`
	Directory  directoryCmd  `cmd:"" help:"Import and look into the national directory of professionals and structures."`
	Policy     policyCmd     `cmd:"" help:"Explain the decisions of the access policy."`
	Document   documentCmd   `cmd:"" help:"Show a clinical document, or what can be lifted out of it."`
	Validate   validateCmd   `cmd:"" help:"Judge clinical documents and PDF/A files; exit status 0 nothing found, 1 findings, 2 could not be judged."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
	Worker     workerCmd     `cmd:"" hidden:"" help:"What the program starts itself to work apart."`
}

func main() {
	var c cli
	k := kong.Parse(&c, kong.Name("passerelle"), kong.Description("The interoperability gateway for shared health records."), kong.UsageOnError())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	k.BindTo(ctx, (*context.Context)(nil))
	if err := k.Run(); err != nil {
		if status := exitStatus(0); errors.As(err, &status) {
			os.Exit(int(status))
		}
		fmt.Fprintln(os.Stderr, "passerelle:", err)
		os.Exit(1)
	}
}

type serveCmd struct {
	Config     string `arg:"" help:"Configuration file." type:"existingfile"`
	CPUProfile string `name:"cpuprofile" hidden:"" help:"Write a CPU profile of the whole run to this file."`
}

func (c *serveCmd) Run(ctx context.Context) error {
	cfg, err := gateway.Load(c.Config, os.Environ())
	if err != nil {
		return err
	}
	tune(len(cfg.Mailbox.Addresses) > 0)
	if c.CPUProfile != "" {
		f, err := os.Create(c.CPUProfile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	lines := gateway.NewLogWriter(os.Stderr)
	defer lines.Close()
	return gateway.Run(ctx, cfg, gateway.Options{Log: gateway.NewLog(lines, cfg.Log), Version: version()})
}

// waiting is how many more threads run than there are processors where there is a mailbox.
const waiting = 2

// tune trades memory for time, unless the operator did (GOGC, GOMEMLIMIT): most of what a transaction allocates is garbage when it ends, and what
// lives on is small, so collecting whenever as much was added collects all the time; more than this, and refused messages of 1 GB would leave too much behind.
//
// With a mailbox it also lets more threads run than there are processors (GOMAXPROCS): one that waits for the disk keeps its place for a while, and a processor would stand still
// meanwhile. Nobody else gets them, for the collector is later with them: the largest message takes a fifth more memory when the machine is busy.
func tune(mailbox bool) {
	if mailbox && os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + waiting)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(150)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(1536 << 20)
	}
}

type checkCmd struct {
	Config string `arg:"" help:"Configuration file." type:"existingfile"`
}

func (c *checkCmd) Run() error {
	if err := gateway.Check(c.Config, os.Environ()); err != nil {
		return err
	}
	fmt.Println("the configuration is good")
	return nil
}

type pkiCmd struct {
	Dir string `arg:"" help:"Folder to write ca.pem, server.pem, server.key, client.pem and client.key to."`
	RSA bool   `help:"RSA-2048 keys instead of ECDSA P-256, for peers that know nothing else."`
}

func (c *pkiCmd) Run() error { return gateway.WritePKI(c.Dir, c.RSA) }

// workerCmd is a process of ours that another of ours asks: see package schematron.
type workerCmd struct {
	Schematron struct{} `cmd:"" help:"Judge documents by rule sets; questions on standard input, answers on standard output."`
}

func (workerCmd) Run() error { return schematron.Serve(os.Stdin, os.Stdout) }

type versionCmd struct{}

func (versionCmd) Run() error {
	fmt.Println(version())
	return nil
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "development"
}
