package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/extract"
	"github.com/passerelle-sante/passerelle/cda/render"
	"github.com/passerelle-sante/passerelle/cda/validate"
	"github.com/passerelle-sante/passerelle/internal/sample"
)

// shared is where the documents and the schema of others lie: a folder beside the project, or where PASSERELLE_SHARED says.
func shared(name string) string {
	dir := os.Getenv("PASSERELLE_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "shared")
	}
	return filepath.Join(dir, filepath.FromSlash(name))
}

// clinicalDocuments are those of others where they are, and invented ones elsewhere; from tells which.
func clinicalDocuments() (docs [][]byte, from string, err error) {
	names, err := filepath.Glob(shared("samples/cda/*.xml"))
	for _, name := range names {
		b, readErr := os.ReadFile(name)
		docs, err = append(docs, b), errors.Join(err, readErr)
	}
	if len(docs) > 0 || err != nil {
		return docs, fmt.Sprintf("%d documents of others", len(docs)), err
	}
	for n := range 12 {
		docs = append(docs, sample.LabReport(n))
	}
	return docs, "invented documents", nil
}

// over gives the megabytes a second, and the microseconds a pass, at which f goes over documents.
func over(docs [][]byte, f func([]byte) error) func() (figures, error) {
	size := 0
	for _, d := range docs {
		size += len(d)
	}
	return func() (figures, error) {
		passes, at := 0, time.Now()
		for time.Since(at) < time.Second {
			for _, d := range docs {
				if err := f(d); err != nil {
					return figures{}, err
				}
			}
			passes++
		}
		took := time.Since(at)
		return figures{Rate: float64(passes*size) / 1e6 / took.Seconds(), P50: took / time.Duration(passes), CPU: float64(took.Microseconds()) / float64(passes)}, nil
	}
}

func (b *bench) clinicalMetadata(_ context.Context, s scenario) error {
	docs, from, err := clinicalDocuments()
	if err != nil {
		return err
	}
	return b.alone(s, "MB/s, "+from, rate, over(docs, func(d []byte) error {
		_, err := extract.MetadataOf(d, cda.Options{})
		return err
	}))
}

// clinicalPage renders a laboratory report of about 150 KB.
func (b *bench) clinicalPage(_ context.Context, s scenario) error {
	doc, from := sample.LabReport(1), "invented report"
	if theirs, err := os.ReadFile(shared("samples/cda/BIO-CR-BIO_2024.01_TSH_1.xml")); err == nil {
		doc, from = theirs, "report of others"
	}
	return b.alone(s, fmt.Sprintf("ms, %s of %d KB", from, len(doc)>>10), halfLatency, over([][]byte{doc}, func(d []byte) error {
		_, _, err := render.Page(d, render.Options{})
		return err
	}))
}

// alone measures what has no yardstick: the median is judged.
func (b *bench) alone(s scenario, unit string, value func(figures) float64, product func() (figures, error)) error {
	var all []float64
	for range b.opt.pairs {
		f, err := product()
		if err != nil {
			return err
		}
		all = append(all, value(f))
	}
	b.report(s, result{Product: median(all), Unit: unit, Judged: median(all)})
	return nil
}

// clinicalJudgement holds the whole validation against that of libxml2 with the official schema alone.
func (b *bench) clinicalJudgement(ctx context.Context, s scenario) error {
	docs, from, err := clinicalDocuments()
	if err != nil {
		return err
	}
	official, err := validate.OpenSchema(os.DirFS(shared("standards/cda")), "CDA_extended.xsd")
	if err != nil {
		fmt.Fprintf(os.Stderr, "  %s: no official schema here: %v\n", s.name, err)
		return nil
	}
	r, err := b.pairs(ctx, halfLatency, over(docs, func(d []byte) error {
		_, err := official.XSD.Validate(d)
		return err
	}), over(docs, func(d []byte) error {
		validate.Validate(d, validate.Options{Schemas: []validate.Schema{official}})
		return nil
	}))
	r.Unit, r.YardstickName = "ms, "+from, "libxml2 alone"
	if err == nil {
		b.report(s, r)
	}
	return err
}
