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
	Run      runCmd      `cmd:"" default:"withargs" help:"Replay cases against a system. The exit status is 0 when all pass, 1 when one fails, 2 when the run could not be made."`
	List     listCmd     `cmd:"" help:"List the cases."`
	Show     showCmd     `cmd:"" help:"Show a case."`
	Explain  explainCmd  `cmd:"" help:"Tell what a case or an error code is about, and what happened in a run."`
	People   peopleCmd   `cmd:"" help:"Make the certificates of the people of a description, where there are none, and the authority that a system has to trust."`
	Verify   verifyCmd   `cmd:"" help:"Check the signature and the digests of evidence."`
	Replay   replayCmd   `cmd:"" help:"Judge the recorded answers of evidence again, without a network; or play its cases again."`
	Report   reportCmd   `cmd:"" help:"Write reports from evidence."`
	Sim      simCmd      `cmd:"" help:"Play one side of a transaction, well or with faults, so that the other can be tested without it."`
	Validate validateCmd `cmd:"" help:"Judge a saved message by the rules of the standards. The exit status is 0 without errors, 1 with one, 2 when it cannot be judged."`
}

// errFailed is a run that was made and in which something failed.
var errFailed = errors.New("failed")

func main() {
	var c cli
	parser := kong.Must(&c, kong.Name("conformance"), kong.Description("A conformance suite for IHE XDS.b registries and repositories and their patient identity feeds."), kong.UsageOnError())
	k, err := parser.Parse(os.Args[1:])
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	if err == nil {
		k.BindTo(ctx, (*context.Context)(nil))
		err = k.Run()
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
	}
	os.Exit(status(err))
}

// status is the exit status: 1 says that the system failed, 2 that it could not be tested.
func status(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errFailed):
		return 1
	}
	return 2
}

type runCmd struct {
	Cases      []string          `arg:"" optional:"" help:"Names, beginnings of names, patterns, transactions (ITI-42) or clauses; all cases when none is given."`
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
	Probes     bool              `help:"The generated probes too."`
	Parallel   int               `default:"4" help:"Cases at a time."`
	Timeout    time.Duration     `help:"How long one exchange may take; without, what the description says, or 30 s."`
	Evidence   string            `help:"Folder, or ZIP file, to keep what was sent and what came in, signed."`
	Resume     string            `help:"Folder of evidence that a run left unfinished: cases that ended are not run again."`
	Sign       string            `type:"existingfile" help:"PEM file of the key that signs evidence; without, a key that is forgotten."`
	reports
}

// reports are the files a report is written to.
type reports struct {
	JUnit  string `name:"junit" help:"File to write a JUnit report to."`
	JSON   string `name:"json" help:"File to write a JSON report to."`
	SARIF  string `name:"sarif" help:"File to write a SARIF 2.1.0 report to."`
	HTML   string `name:"html" help:"File to write a page for people to."`
	Report string `help:"File to write the text report to; standard output when not given."`
	Annex  string `type:"existingfile" help:"Text file to show at the end of the reports for people: the table of planted faults."`
}

// Run replays the cases.
func (c *runCmd) Run(ctx context.Context) error {
	suite, err := conformance.Embedded()
	if err != nil {
		return err
	}
	cases, err := suite.Select(c.Cases, c.Probes)
	if err != nil {
		return err
	}
	if c.Special {
		cases = slices.DeleteFunc(cases, func(one *conformance.Case) bool { return len(one.Requires) == 0 })
	}
	sut, err := c.system()
	if err != nil {
		return err
	}
	return c.play(ctx, suite, cases, sut)
}

// play runs cases and writes what there is to write.
func (c *runCmd) play(ctx context.Context, suite *conformance.Suite, cases []*conformance.Case, sut *conformance.SUT) error {
	key, err := conformance.ReadSigningKey(c.Sign)
	if err != nil {
		return err
	}
	kept, err := openEvidence(c.Evidence, c.Resume)
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
	defer r.Close()
	if err := sut.Wait(ctx, c.Wait); err != nil {
		return err
	}
	rep := &conformance.Report{System: sut.Name, Edition: conformance.Edition(), Began: time.Now()}
	todo := slices.DeleteFunc(slices.Clone(cases), func(one *conformance.Case) bool { return kept.has(one.Name) })
	bar := newProgress(len(todo))
	results := r.RunAll(ctx, todo, c.Parallel, func(res conformance.Result) {
		bar.tell(res)
		kept.add(r, res)
	})
	rep.Results = kept.merge(cases, results)
	rep.Took = time.Since(rep.Began)
	if err := c.write(rep); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return errors.Join(err, kept.err) // the evidence stays unfinished, to be resumed
	}
	if err := kept.close(r, rep.Began, key); err != nil {
		return err
	}
	return verdict(rep)
}

func verdict(rep *conformance.Report) error {
	if _, failed, _, _ := rep.Counts(); failed > 0 {
		return fmt.Errorf("%d of %d cases: %w", failed, len(rep.Results), errFailed)
	}
	return nil
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
	if c.Timeout != 0 {
		s.Timeout = c.Timeout
	}
	return s, nil
}

func (c *reports) write(rep *conformance.Report) error {
	if c.Annex != "" {
		text, err := os.ReadFile(c.Annex)
		if err != nil {
			return err
		}
		rep.Annex = string(text)
	}
	if c.Report == "" {
		if err := rep.Text(coloured(os.Stdout)); err != nil {
			return err
		}
	}
	for _, out := range []struct {
		file  string
		write func(io.Writer) error
	}{{c.Report, rep.Text}, {c.JUnit, rep.JUnit}, {c.JSON, rep.JSON}, {c.SARIF, rep.SARIF}, {c.HTML, rep.HTML}} {
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

type peopleCmd struct {
	SUT string `name:"sut" required:"" type:"existingfile" help:"YAML description of the system."`
}

// Run makes the certificates.
func (c *peopleCmd) Run() error {
	sut, err := conformance.LoadSUT(c.SUT)
	if err != nil {
		return err
	}
	if err := conformance.MakeMail(&sut.Mail); err != nil || len(sut.People.Professionals) == 0 {
		return err
	}
	return conformance.MakePeople(&sut.People)
}

type listCmd struct {
	Cases  []string `arg:"" optional:"" help:"Names, beginnings of names, patterns, transactions or clauses."`
	Probes bool     `help:"The generated probes too."`
}

// Run lists cases: the name and the first sentence of the note.
func (c *listCmd) Run() error {
	suite, err := conformance.Embedded()
	if err != nil {
		return err
	}
	cases, err := suite.Select(c.Cases, c.Probes)
	if err != nil {
		return err
	}
	for _, one := range cases {
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
	one := suite.Find(c.Case)
	if one == nil {
		return fmt.Errorf("there is no case %s; 'conformance list' names them", c.Case)
	}
	fmt.Print(one.Text)
	return nil
}

type explainCmd struct {
	What     string `arg:"" help:"Name of a case, or an error code."`
	Evidence string `type:"path" help:"Evidence of a run: what was sent and what came."`
}

// Run explains a case or a code.
func (c *explainCmd) Run() error {
	suite, err := conformance.Embedded()
	if err != nil {
		return err
	}
	one := suite.Find(c.What)
	if one == nil {
		return suite.ExplainCode(os.Stdout, c.What)
	}
	if err := suite.Explain(os.Stdout, one); err != nil || c.Evidence == "" {
		return err
	}
	fsys, closer, err := conformance.OpenPack(c.Evidence)
	if err != nil {
		return err
	}
	defer closer.Close()
	return conformance.ExplainRun(os.Stdout, fsys, c.What)
}
