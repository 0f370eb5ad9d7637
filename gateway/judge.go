package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/schematron"
	"github.com/passerelle-sante/passerelle/cda/validate"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/repository"
)

// DocumentsConfig is about the documents that the repository takes.
type DocumentsConfig struct {
	Validation ValidationConfig `yaml:"validation"`
}

// ValidationConfig says by what deposited documents are judged, after the answer to their deposit and for the log and the metrics only.
type ValidationConfig struct {
	Rules       bool               `yaml:"rules"` // those that passerelle validate has
	Schemas     []SchemaConfig     `yaml:"schemas"`
	Schematrons []SchematronConfig `yaml:"schematrons"`
	Severity    string             `yaml:"severity"` // least that is told: error, warning or information
	Queue       int                `yaml:"queue"`    // documents that may wait; the oldest is dropped for one more
	Workers     int                `yaml:"workers"`  // documents judged at once
}

// SchemaConfig is an XML schema of the operator's: its folder and those below are read.
type SchemaConfig struct {
	File string `yaml:"file"`
}

// SchematronConfig is a rule set of the operator's: a Schematron schema, or a stylesheet made of one.
type SchematronConfig struct {
	Name    string `yaml:"name"` // begins its rules; the file's name when empty
	File    string `yaml:"file"`
	Folder  string `yaml:"folder"` // all it may read; the file's when empty
	Phase   string `yaml:"phase"`
	Timeout int64  `yaml:"timeout"` // seconds for a document, 60 when 0
	Memory  int64  `yaml:"memory"`  // bytes, 1 GiB when 0
}

func (c *SchematronConfig) set() (schematron.Set, error) {
	s, err := schematron.SetOf(c.File, c.Folder)
	if err != nil {
		return s, err
	}
	s.Name, s.Phase, s.Timeout, s.Memory = cmp.Or(c.Name, s.Name), c.Phase, time.Duration(c.Timeout)*time.Second, c.Memory
	return s, s.Check()
}

func (c *ValidationConfig) resolve(dir string) {
	resolve := func(p *string) {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
	for i := range c.Schemas {
		resolve(&c.Schemas[i].File)
	}
	for i := range c.Schematrons {
		resolve(&c.Schematrons[i].File)
		resolve(&c.Schematrons[i].Folder)
	}
}

var leastSeverities = map[string]cda.Severity{"error": cda.Error, "warning": cda.Warning, "information": cda.Information}

func (c *ValidationConfig) check(wrong func(key, format string, args ...any)) {
	const at = "documents.validation."
	if _, ok := leastSeverities[c.Severity]; !ok {
		wrong(at+"severity", "%q is not error, warning or information", c.Severity)
	}
	for key, n := range map[string]int{"queue": c.Queue, "workers": c.Workers} {
		if n <= 0 {
			wrong(at+key, "a number above zero is due")
		}
	}
	for i, s := range c.Schemas {
		if _, err := os.Stat(s.File); err != nil {
			wrong(fmt.Sprintf(at+"schemas[%d].file", i), "the file %s cannot be read", s.File)
		}
	}
	names := map[string]bool{}
	for i, s := range c.Schematrons {
		key := fmt.Sprintf(at+"schematrons[%d]", i)
		if _, err := os.Stat(s.File); err != nil {
			wrong(key+".file", "the file %s cannot be read", s.File)
			continue
		}
		set, err := s.set()
		if err != nil {
			wrong(key, "%v", err)
		}
		if names[set.Name] {
			wrong(key+".name", "%q is the name of another rule set", set.Name)
		}
		names[set.Name] = true
	}
}

// try compiles what deposited documents are to be judged by.
func (c *ValidationConfig) try() error {
	_, err := c.schemas()
	if len(c.Schematrons) == 0 {
		return err
	}
	command, commandErr := schematron.Command()
	if commandErr != nil {
		return errors.Join(err, commandErr)
	}
	pool := schematron.NewPool(1, command...)
	defer pool.Close()
	for i := range c.Schematrons {
		set, setErr := c.Schematrons[i].set()
		err = errors.Join(err, setErr, pool.Try(context.Background(), set))
	}
	return err
}

func (c *ValidationConfig) schemas() (out []validate.Schema, err error) {
	for _, s := range c.Schemas {
		schema, schemaErr := validate.OpenSchema(os.DirFS(filepath.Dir(s.File)), filepath.Base(s.File))
		out, err = append(out, schema), errors.Join(err, schemaErr)
	}
	return out, err
}

// judge judges deposited documents behind the answers. It keeps nobody waiting: when too many wait the oldest goes unjudged.
type judge struct {
	rules   bool
	options validate.Options
	checks  []validate.Check
	least   cda.Severity
	workers int
	pool    *schematron.Pool
	queue   chan deposit
	blobs   repository.Blobs
	metrics *metrics
	log     *slog.Logger
}

// deposit is a document that waits.
type deposit struct {
	doc  xds.StoredDocument
	node string // that sent it
}

// newJudge gives none when nothing is configured.
func (g *Gateway) newJudge() (*judge, error) {
	c := g.cfg.Documents.Validation
	if !c.Rules && len(c.Schemas)+len(c.Schematrons) == 0 {
		return nil, nil
	}
	j := &judge{rules: c.Rules, least: leastSeverities[c.Severity], workers: c.Workers, queue: make(chan deposit, c.Queue),
		blobs: g.blobs, metrics: g.metrics, log: g.log}
	var err error
	if j.options.Schemas, err = c.schemas(); err != nil {
		return nil, err
	}
	if len(c.Schematrons) == 0 {
		return j, nil
	}
	command, err := schematron.Command()
	if err != nil {
		return nil, err
	}
	j.pool = schematron.NewPool(c.Workers, command...)
	for i := range c.Schematrons {
		set, err := c.Schematrons[i].set()
		if err != nil {
			return nil, err
		}
		j.checks = append(j.checks, j.pool.Check(set))
	}
	return j, nil
}

// deposited is what the repository tells of its documents; nil when nobody listens.
func (j *judge) deposited() func(auth.Caller, []xds.StoredDocument) {
	if j == nil {
		return nil
	}
	return func(c auth.Caller, docs []xds.StoredDocument) {
		for _, d := range docs {
			if strings.HasPrefix(d.MIMEType, "text/xml") || strings.HasPrefix(d.MIMEType, "application/xml") {
				j.put(deposit{d, c.Node})
			}
		}
	}
}

// put queues a document, in the place of the oldest if need be.
func (j *judge) put(d deposit) {
	for {
		select {
		case j.queue <- d:
			return
		default:
		}
		select {
		case <-j.queue:
			j.metrics.judged.WithLabelValues("dropped").Inc()
		default:
		}
	}
}

// run judges until ctx ends; what waits then is not judged.
func (j *judge) run(ctx context.Context) {
	if j.pool != nil {
		defer j.pool.Close()
	}
	var wg sync.WaitGroup
	for range j.workers {
		wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case d := <-j.queue:
					j.document(ctx, d)
				}
			}
		})
	}
	wg.Wait()
}

const maxJudged = 32 << 20

func (j *judge) document(ctx context.Context, d deposit) {
	began := time.Now()
	doc, err := j.read(ctx, d.doc.Blob)
	if err != nil {
		j.log.Warn("a deposited document could not be read to be judged", "document", d.doc.UniqueID, "error", err)
		j.metrics.judged.WithLabelValues("failed").Inc()
		return
	}
	var found []cda.Finding
	if j.rules || len(j.options.Schemas) > 0 {
		found = slices.DeleteFunc(validate.Validate(doc, j.options), func(f cda.Finding) bool {
			return !j.rules && !strings.HasPrefix(f.Rule, "CDA-SCHEMA") && f.Severity != cda.Fatal
		})
	}
	found = append(found, validate.RunChecks(ctx, doc, j.checks)...)
	if ctx.Err() != nil {
		return // the findings may be about our own ending
	}
	rules := map[string]int{}
	for _, f := range found {
		if f.Severity <= j.least {
			j.metrics.findings.WithLabelValues(ruleSet(f), f.Severity.String()).Inc()
			rules[f.Rule]++
		}
	}
	j.metrics.judged.WithLabelValues("judged").Inc()
	level := slog.LevelDebug
	if len(rules) > 0 {
		level = slog.LevelInfo
	}
	j.log.Log(ctx, level, "document judged", "document", d.doc.UniqueID, "node", d.node, "findings", rules, "seconds", time.Since(began).Seconds())
}

func (j *judge) read(ctx context.Context, blob string) ([]byte, error) {
	c, err := j.blobs.Open(ctx, blob)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return io.ReadAll(io.LimitReader(c, maxJudged+1)) // one more, so that it is found to be too large
}

// ruleSet is whose rule was broken: an operator's rule set, a schema, or ours.
func ruleSet(f cda.Finding) string {
	if set, _, ok := strings.Cut(f.Rule, "/"); ok {
		return set
	}
	if set, ok := strings.CutPrefix(f.Clause, "rule set "); ok {
		return set
	}
	if strings.HasPrefix(f.Rule, "CDA-SCHEMA") {
		return "schema"
	}
	return "passerelle"
}
