package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/passerelle-sante/passerelle/gateway"
)

type auditCmd struct {
	Search   auditSearchCmd   `cmd:"" help:"List records of the audit log of a running gateway, newest first."`
	Tail     auditTailCmd     `cmd:"" help:"Show the newest records and those that come."`
	Export   auditExportCmd   `cmd:"" help:"Write records to a file: DICOM XML, FHIR, CSV, or the messages as they came."`
	Accesses auditAccessesCmd `cmd:"" help:"List who reached a patient's record, when and why, as the patient is shown it."`
	Senders  auditSendersCmd  `cmd:"" help:"List who sent records since the gateway started."`

	Verify        auditVerifyCmd        `cmd:"" help:"Prove that nobody altered an audit log: an export, a stopped or a running gateway's; or check one proof."`
	Checkpoint    auditCheckpointCmd    `cmd:"" help:"Print the newest signed checkpoint of a running gateway: keep it elsewhere."`
	Prove         auditProveCmd         `cmd:"" help:"Prove that a record is in the log, or that the log continues an older checkpoint."`
	Countersign   auditCountersignCmd   `cmd:"" help:"Sign another gateway's checkpoint as its witness; two that contradict each other are never signed."`
	Countersigned auditCountersignedCmd `cmd:"" help:"Hand a countersigned checkpoint to the running gateway whose log it is of."`
}

// auditFilter is which records. Every flag may be given more than once: any of its values will do.
type auditFilter struct {
	Config      string   `help:"Configuration of the gateway; it must be running." default:"run/passerelle.yaml" type:"existingfile"`
	From        string   `help:"Events not before: 2026-11-23, 2026-11-23T08:30:00Z, or a span before now: 24h."`
	To          string   `help:"Events before, given like --from."`
	Patient     []string `help:"Patient identifier, id^^^&OID&ISO, or the bare identifier."`
	Person      []string `help:"National identifier of the person who asked."`
	User        []string `help:"UserID or AlternativeUserID of any participant."`
	Role        []string `help:"Role code of a participant."`
	Purpose     []string `help:"Purpose of use: normal, bris_de_glace, centre_15."`
	Transaction []string `help:"Event type: ITI-43, 110120."`
	Outcome     []string `help:"0 success, 4 minor, 8 serious, 12 major failure."`
	Node        []string `help:"AuditSourceID of the reporter."`
	Where       []string `help:"FIELD=VALUE for the other fields: event, action, site, address, object, peer, flaw, host, app, kind." placeholder:"FIELD=VALUE"`
}

func (f *auditFilter) query() (data string, q gateway.AuditQuery, err error) {
	cfg, err := gateway.Load(f.Config, os.Environ())
	if err != nil {
		return "", q, err
	}
	q.Fields = map[string][]string{}
	for name, values := range map[string][]string{"person": f.Person, "user": f.User, "role": f.Role, "purpose": f.Purpose, "transaction": f.Transaction,
		"outcome": f.Outcome, "node": f.Node} {
		if len(values) > 0 {
			q.Fields[name] = values
		}
	}
	for _, p := range f.Patient {
		name, value := gateway.PatientField(p)
		q.Fields[name] = append(q.Fields[name], value)
	}
	for _, w := range f.Where {
		name, value, ok := strings.Cut(w, "=")
		if !ok {
			return "", q, fmt.Errorf("--where %q is not FIELD=VALUE", w)
		}
		q.Fields[name] = append(q.Fields[name], value)
	}
	if q.From, err = moment(f.From); err != nil {
		return "", q, fmt.Errorf("--from: %w", err)
	}
	if q.To, err = moment(f.To); err != nil {
		return "", q, fmt.Errorf("--to: %w", err)
	}
	return cfg.Data, q, nil
}

// moment reads a date, a moment or a span before now; nothing is no moment.
func moment(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return time.Now().Add(-d), nil
	}
	for _, layout := range []string{time.DateOnly, time.DateTime, "2006-01-02T15:04:05"} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, fmt.Errorf("%q is no date (2026-11-23), no moment (2026-11-23T08:30:00Z) and no span (24h)", text)
	}
	return t, nil
}

type auditSearchCmd struct {
	auditFilter
	Limit  int    `help:"At most so many." default:"50"`
	Oldest bool   `help:"Oldest first."`
	Format string `help:"${enum}." enum:"text,dicom,fhir,csv,syslog" default:"text"`
}

func (c *auditSearchCmd) Run(ctx context.Context) error {
	data, q, err := c.query()
	if err != nil {
		return err
	}
	q.Limit, q.Oldest = c.Limit, c.Oldest
	w, err := gateway.NewAuditWriter(os.Stdout, c.Format, isTerminal(os.Stdout))
	if err != nil {
		return err
	}
	err = gateway.AuditRecords(ctx, data, q, func(int) {}, w.Write)
	return errors.Join(err, w.Close())
}

type auditTailCmd struct {
	auditFilter
	Format string `help:"${enum}." enum:"text,fhir,syslog" default:"text"`
}

func (c *auditTailCmd) Run(ctx context.Context) error {
	data, q, err := c.query()
	if err != nil {
		return err
	}
	if q.From.IsZero() {
		q.From = time.Now().Add(-time.Minute)
	}
	q.Oldest, q.Follow = true, true
	w, err := gateway.NewAuditWriter(os.Stdout, c.Format, isTerminal(os.Stdout))
	if err != nil {
		return err
	}
	if err := gateway.AuditRecords(ctx, data, q, func(int) {}, w.Write); err != nil && ctx.Err() == nil {
		return errors.Join(err, w.Close())
	}
	return w.Close()
}

type auditExportCmd struct {
	auditFilter
	Output string `arg:"" help:"New file; with the form log, a new folder."`
	Format string `help:"${enum}; log is the whole log in a folder, to verify elsewhere." enum:"dicom,fhir,csv,syslog,log" default:"dicom"`
}

func (c *auditExportCmd) Run(ctx context.Context) error {
	data, q, err := c.query()
	if err != nil {
		return err
	}
	if c.Format == "log" {
		if len(q.Fields) > 0 || !q.From.IsZero() || !q.To.IsZero() {
			return errors.New("the log can only be exported whole: a part proves nothing about the rest")
		}
		text, err := gateway.AuditExport(ctx, data, c.Output)
		if err == nil {
			fmt.Printf("%s is the log of\n%s", c.Output, text)
		}
		return err
	}
	q.Oldest = true
	f, err := os.OpenFile(c.Output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	n, err := exportAudit(ctx, f, c.Format, data, q)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(c.Output)) // half an export would pass for a whole one
	}
	fmt.Printf("%d records in %s\n", n, c.Output)
	return nil
}

func exportAudit(ctx context.Context, f io.Writer, format, data string, q gateway.AuditQuery) (n int, err error) {
	w, err := gateway.NewAuditWriter(f, format, false)
	if err != nil {
		return 0, err
	}
	bar := progress(-1, "records")
	err = gateway.AuditRecords(ctx, data, q, func(total int) { bar.ChangeMax(total) }, func(r gateway.AuditRecord) error {
		n++
		_ = bar.Add(1)
		return w.Write(r)
	})
	return n, errors.Join(err, w.Close(), bar.Finish())
}

type auditAccessesCmd struct {
	configFile
	Patient string `arg:"" help:"Patient identifier, id^^^&OID&ISO."`
	Limit   int    `help:"At most so many." default:"50"`
}

func (c *auditAccessesCmd) Run(ctx context.Context) error {
	data, err := c.data()
	if err != nil {
		return err
	}
	list, err := gateway.AuditAccesses(ctx, data, c.Patient, c.Limit)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "when\twho\trole\tstructure\tpurpose\treason\twhat\tdocuments\toutcome")
	for _, a := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s %s\t%s\t%s\n", a.Time.Local().Format(time.DateTime), cmp.Or(a.Name, a.Who), a.Role, a.Structure, a.Purpose, a.Reason,
			a.Transaction, a.Event, a.Documents, a.Outcome)
	}
	return t.Flush()
}

type auditSendersCmd struct{ configFile }

func (c *auditSendersCmd) Run(ctx context.Context) error {
	data, err := c.data()
	if err != nil {
		return err
	}
	all, err := gateway.AuditSenders(ctx, data)
	if err != nil {
		return err
	}
	slices.SortStableFunc(all, func(a, b gateway.AuditSender) int { return b.Last.Compare(a.Last) })
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "by\tsender\trecords\tbytes\tnot RFC 5424\tbroken off\tlast")
	for _, s := range all {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\t%s\n", s.Way, s.Peer, s.Records, s.Bytes, s.Flawed, s.Broken, s.Last.Local().Format(time.DateTime))
	}
	return t.Flush()
}
