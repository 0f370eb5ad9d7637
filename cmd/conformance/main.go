// Conformance replays the conformance suite against a system that claims IHE XDS.b and patient identity feed transactions.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/passerelle-sante/passerelle/conformance"
)

type cli struct {
	Run  runCmd  `cmd:"" default:"withargs" help:"Replay cases against a system; the exit status is 1 when one fails."`
	List listCmd `cmd:"" help:"List the cases."`
	Show showCmd `cmd:"" help:"Show a case."`
}

func main() {
	var c cli
	k := kong.Parse(&c, kong.Name("conformance"), kong.Description("A conformance suite for IHE XDS.b registries and repositories and their patient identity feeds."), kong.UsageOnError())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	k.BindTo(ctx, (*context.Context)(nil))
	if err := k.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

type runCmd struct {
	Cases      []string          `arg:"" optional:"" help:"Names, beginnings of names or patterns; all cases when none is given."`
	SUT        string            `name:"sut" type:"existingfile" help:"YAML description of the system; flags override it."`
	Registry   string            `help:"URL of the registry."`
	Repository string            `help:"URL of the repository."`
	Patients   string            `help:"URL of the patient identity feed of HL7 v3."`
	MLLP       string            `name:"mllp" help:"Patient identity feed of HL7 v2: tcp://host:port or tls://host:port."`
	Repo       string            `name:"repository-unique-id" help:"OID of the repository."`
	Domain     string            `name:"patient-domain" help:"OID of the authority whose patient identifiers the system takes."`
	CA         string            `name:"ca" help:"PEM file of the authority of the system's certificate."`
	Cert       string            `help:"PEM file of our certificate."`
	Key        string            `help:"PEM file of our key."`
	Audit      string            `help:"host:port to receive the system's audit records on, syslog over TCP."`
	Profile    map[string]string `help:"Settings of the system that cases may need: max_results=3;quirks=off."`
	Wait       time.Duration     `help:"How long to wait for the system to take connections."`
	Special    bool              `help:"Only the cases that need settings of the system."`
	Parallel   int               `default:"4" help:"Cases at a time."`
	JUnit      string            `name:"junit" help:"File to write a JUnit report to."`
	JSON       string            `name:"json" help:"File to write a JSON report to."`
	Report     string            `help:"File to write the text report to; standard output when not given."`
}

// Run replays the cases.
func (c *runCmd) Run(ctx context.Context) error {
	suite, err := conformance.Embedded()
	if err != nil {
		return err
	}
	cases := suite.Match(c.Cases...)
	if c.Special {
		cases = slices.DeleteFunc(slices.Clone(cases), func(one *conformance.Case) bool { return len(one.Requires) == 0 })
	}
	if len(cases) == 0 {
		return errors.New("no case has such a name")
	}
	sut, err := c.system()
	if err != nil {
		return err
	}
	var audit *conformance.Audit
	if sut.Audit != "" {
		if audit, err = conformance.ListenAudit(sut.Audit); err != nil {
			return fmt.Errorf("listen for audit records: %w", err)
		}
		defer audit.Close()
	}
	r, err := conformance.NewRunner(suite, sut, audit)
	if err != nil {
		return err
	}
	defer sut.Close()
	if err := sut.Wait(ctx, c.Wait); err != nil {
		return err
	}
	rep := &conformance.Report{System: sut.Name, Edition: conformance.Edition(), Began: time.Now()}
	rep.Results = r.RunAll(ctx, cases, c.Parallel, newProgress(len(cases)).tell)
	rep.Took = time.Since(rep.Began)
	if err := c.write(rep); err != nil {
		return err
	}
	if _, failed, _, _ := rep.Counts(); failed > 0 {
		return fmt.Errorf("%d of %d cases failed", failed, len(cases))
	}
	return ctx.Err()
}

// system is the description from the file with the flags over it.
func (c *runCmd) system() (*conformance.SUT, error) {
	s := &conformance.SUT{}
	if c.SUT != "" {
		var err error
		if s, err = conformance.LoadSUT(c.SUT); err != nil {
			return nil, err
		}
	}
	for _, o := range []struct {
		to   *string
		flag string
	}{{&s.Registry, c.Registry}, {&s.Repository, c.Repository}, {&s.Patients, c.Patients}, {&s.MLLP, c.MLLP}, {&s.RepositoryUniqueID, c.Repo},
		{&s.PatientDomain, c.Domain}, {&s.TLS.CA, c.CA}, {&s.TLS.Certificate, c.Cert}, {&s.TLS.Key, c.Key}, {&s.Audit, c.Audit}} {
		if o.flag != "" {
			*o.to = o.flag
		}
	}
	if c.Profile != nil {
		s.Profile = c.Profile
	}
	if s.Name == "" {
		s.Name = s.Registry
	}
	return s, nil
}

func (c *runCmd) write(rep *conformance.Report) error {
	if c.Report == "" {
		if err := rep.Text(os.Stdout); err != nil {
			return err
		}
	}
	for _, out := range []struct {
		file  string
		write func(io.Writer) error
	}{{c.Report, rep.Text}, {c.JUnit, rep.JUnit}, {c.JSON, rep.JSON}} {
		if out.file == "" {
			continue
		}
		f, err := os.Create(out.file)
		if err != nil {
			return err
		}
		if err := errors.Join(out.write(f), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// progress tells on standard error how far a run is: one line that is rewritten on a terminal, failures alone elsewhere.
type progress struct {
	terminal           bool
	total, done, fails int
}

func newProgress(total int) *progress {
	info, err := os.Stderr.Stat()
	return &progress{terminal: err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb", total: total}
}

func (p *progress) tell(r conformance.Result) {
	p.done++
	failed := r.Skipped == "" && !r.Passed()
	if failed {
		p.fails++
	}
	switch {
	case p.terminal && failed:
		fmt.Fprintf(os.Stderr, "\r\x1b[K\x1b[31mFAILED\x1b[0m %s\n", r.Name)
	case failed:
		fmt.Fprintf(os.Stderr, "FAILED %s\n", r.Name)
	}
	if p.terminal {
		fmt.Fprintf(os.Stderr, "\r\x1b[K%d of %d, %d failed", p.done, p.total, p.fails)
		if p.done == p.total {
			fmt.Fprintln(os.Stderr)
		}
	}
}

type listCmd struct {
	Cases []string `arg:"" optional:"" help:"Names, beginnings of names or patterns."`
}

// Run lists cases: the name and the first sentence of the note.
func (c *listCmd) Run() error {
	suite, err := conformance.Embedded()
	if err != nil {
		return err
	}
	for _, one := range suite.Match(c.Cases...) {
		first, _, _ := strings.Cut(one.Note, "\n")
		fmt.Printf("%-48s %s\n", one.Name, first)
	}
	return nil
}

type showCmd struct {
	Case string `arg:"" help:"Name of a case."`
}

// Run shows the text of a case.
func (c *showCmd) Run() error {
	suite, err := conformance.Embedded()
	if err != nil {
		return err
	}
	for _, one := range suite.Cases {
		if one.Name == c.Case {
			fmt.Print(one.Text)
			return nil
		}
	}
	return fmt.Errorf("there is no case %s; 'conformance list' names them", c.Case)
}
