package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/passerelle-sante/passerelle/internal/sample"
)

// scenario is a row of the contract, or several that one run answers.
type scenario struct {
	name         string
	must, target float64 // bounds of what is judged
	most         bool    // the bounds are upper ones
	unit         string  // of the bounds; "" is a ratio
	long         bool    // not in the standard set
	do           func(b *bench, ctx context.Context, s scenario) error
}

var scenarios = []scenario{
	{name: "iti41-30k-empty", must: .12, target: .25, do: (*bench).provideEmpty},
	{name: "iti41-30k-50k", must: .12, target: .25, do: (*bench).provideLoaded},
	{name: "iti41-30k-300k", must: .45, target: .80, do: (*bench).provideFilled},
	{name: "iti41-1client", must: 4, target: 2.5, most: true, do: (*bench).provideAlone},
	{name: "iti42", must: .55, target: .80, do: (*bench).register},
	{name: "iti18-leafclass-20", must: .35, target: .55, do: func(b *bench, ctx context.Context, s scenario) error { return b.query(ctx, s, "LeafClass") }},
	{name: "iti18-objectref-20", must: .20, target: .40, do: func(b *bench, ctx context.Context, s scenario) error { return b.query(ctx, s, "ObjectRef") }},
	{name: "iti18-assertion", must: .70, target: .85, do: (*bench).asserted},
	{name: "iti18-rules", must: .85, target: .95, do: (*bench).ruled},
	{name: "iti43-rules", must: .85, target: .95, do: (*bench).ruledRetrieve},
	{name: "masked-or-absent", must: 1.02, target: 1.01, most: true, do: (*bench).maskedOrAbsent},
	{name: "iti43-30k", must: .30, target: .50, do: func(b *bench, ctx context.Context, s scenario) error { return b.retrieveSmall(ctx, s) }},
	{name: "iti43-1MB", must: .80, target: 1.00, do: func(b *bench, ctx context.Context, s scenario) error {
		return b.retrieveLarge(ctx, s, 1_000_000, 16, .74)
	}},
	{name: "iti43-100MB", must: .90, target: 1.10, do: func(b *bench, ctx context.Context, s scenario) error {
		return b.retrieveLarge(ctx, s, 100_000_000, 4, .71)
	}},
	{name: "idle", must: 40, target: 40, most: true, unit: "MiB", do: (*bench).idle},
	{name: "memory-1GB", must: 64, target: 32, most: true, unit: "MiB", do: (*bench).gigabyte},
	{name: "memory-32x100MB", must: 256, target: 256, most: true, unit: "MiB", do: (*bench).crowd},
	{name: "start", must: 300, target: 300, most: true, unit: "ms", do: (*bench).startTime},
	{name: "parse", must: .25, target: .40, do: (*bench).parse},
	{name: "cda-metadata", must: 150, target: 150, unit: " MB/s", do: (*bench).clinicalMetadata},
	{name: "cda-validate", must: 2, target: 2, most: true, do: (*bench).clinicalJudgement},
	{name: "cda-page", must: 10, target: 10, most: true, unit: " ms", do: (*bench).clinicalPage},
	{name: "mail-spool", must: .70, target: .70, do: (*bench).mailSpool},
	{name: "mail-whole", must: .40, target: .60, do: (*bench).mailWhole},
	{name: "mail-memory", must: 2, target: 2, most: true, do: (*bench).mailMemory},
	{name: "iti20-tls", must: .20, target: .40, do: (*bench).auditTLS},
	{name: "iti20-udp", must: 0, target: 0, most: true, unit: " lost", do: (*bench).auditUDP},
	{name: "iti41-audit", must: .90, target: .95, do: (*bench).auditCost},
	{name: "audit-seal", must: .20, target: .40, do: (*bench).auditSeal},
	{name: "audit-patient-view", must: 20, target: 20, most: true, unit: "ms", long: true, do: (*bench).auditView},
	{name: "audit-verify", must: 60, target: 60, most: true, unit: "s", long: true, do: (*bench).auditVerify},
	{name: "identity-match", must: 1, target: 1, most: true, long: true, do: (*bench).identityMatch},
	{name: "identities", long: true, do: (*bench).identities},
	{name: "findlatency", must: 1.5, target: 1.5, most: true, long: true, do: (*bench).findLatency},
}

func (s scenario) bound(v float64) string {
	if v == 0 {
		return ""
	}
	sign := ">="
	if s.most {
		sign = "<="
	}
	return fmt.Sprintf("%s%g%s", sign, v, s.unit)
}

func (s scenario) reached(v, bound float64) bool {
	if s.most {
		return v <= bound
	}
	return v >= bound
}

// row is a further row of the same run.
func (s scenario) row(suffix string, must, target float64, most bool) scenario {
	s.name, s.must, s.target, s.most, s.unit = s.name+suffix, must, target, most, ""
	return s
}

// on runs a gateway on a store with n documents while fn measures.
func (b *bench) on(ctx context.Context, s scenario, n int, fn func(c *child) error) error {
	dir := filepath.Join(b.dir, fmt.Sprintf("store-%d", n))
	if n == 0 {
		var err error
		if dir, err = os.MkdirTemp(b.dir, "empty"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	if err := fill(ctx, dir, n, false); err != nil {
		return fmt.Errorf("fill the store: %w", err)
	}
	c, err := b.gateway(dir, s.name)
	if err != nil {
		return err
	}
	return errors.Join(fn(c), c.stop())
}

func (b *bench) run() int64 { return time.Now().UnixMilli() }

// provideOn measures ITI-41 once.
func (b *bench) provideOn(c *child, clients int) (figures, error) {
	m, err := provideMessage(b.run(), smallSize)
	if err != nil {
		return figures{}, err
	}
	return b.drive(c.addr, c.pid(), clients, m, source(m))
}

func (b *bench) provideEmpty(ctx context.Context, s scenario) error {
	r, err := b.pairs(ctx, rate, b.logYardstick, func() (f figures, err error) {
		err = b.on(ctx, s, 0, func(c *child) error { f, err = b.provideOn(c, b.opt.clients); return err })
		return f, err
	})
	r.YardstickName = "log"
	if err == nil {
		b.report(s, r)
	}
	return err
}

func (b *bench) provideLoaded(ctx context.Context, s scenario) error {
	return b.on(ctx, s, 50_000, func(c *child) error {
		product := func() (figures, error) { return b.provideOn(c, b.opt.clients) }
		r, err := b.pairs(ctx, rate, b.logYardstick, product)
		if err != nil {
			return err
		}
		r.YardstickName = "log"
		b.report(s, r)
		written := result{Product: r.WrittenBytes / 33792, Unit: "x payload", Judged: r.WrittenBytes / 33792}
		b.report(s.row("-written", 3.5, 1.3, true), written)
		y, err := b.openBoltYardstick(50_000, smallSize)
		if err != nil {
			return err
		}
		defer y.close()
		r, err = b.pairs(ctx, rate, func() (figures, error) { return y.run(b, b.opt.clients) }, product)
		if err != nil {
			return err
		}
		r.YardstickName = "bbolt"
		b.report(s.row("-bbolt", .55, .75, false), r)
		r, err = b.pairs(ctx, worstLatency, func() (figures, error) { return y.run(b, b.opt.clients) }, product)
		r.YardstickName, r.Unit = "bbolt", "ms p99"
		if err == nil {
			b.report(s.row("-p99", 4, 2, true), r)
		}
		return err
	})
}

// provideFilled holds 300,000 documents against none, in turn.
func (b *bench) provideFilled(ctx context.Context, s scenario) error {
	once := func(n int) func() (figures, error) {
		return func() (f figures, err error) {
			err = b.on(ctx, s, n, func(c *child) error { f, err = b.provideOn(c, b.opt.clients); return err })
			return f, err
		}
	}
	r, err := b.pairs(ctx, rate, once(0), once(300_000))
	r.YardstickName = "when empty"
	if err == nil {
		b.report(s, r)
	}
	return err
}

func (b *bench) provideAlone(ctx context.Context, s scenario) error {
	y, err := b.openBoltYardstick(0, smallSize)
	if err != nil {
		return err
	}
	defer y.close()
	return b.on(ctx, s, 0, func(c *child) error {
		r, err := b.pairs(ctx, halfLatency, func() (figures, error) { return y.run(b, 1) }, func() (figures, error) { return b.provideOn(c, 1) })
		r.YardstickName, r.Unit = "bbolt", "ms p50"
		if err == nil {
			b.report(s, r)
		}
		return err
	})
}

func (b *bench) register(ctx context.Context, s scenario) error {
	y, err := b.openBoltYardstick(50_000, 0)
	if err != nil {
		return err
	}
	defer y.close()
	return b.on(ctx, s, 50_000, func(c *child) error {
		r, err := b.pairs(ctx, rate, func() (figures, error) { return y.run(b, b.opt.clients) }, func() (figures, error) {
			m := registerMessage(b.run())
			return b.drive(c.addr, c.pid(), b.opt.clients, m, source(m))
		})
		r.YardstickName = "bbolt 3 KB"
		if err == nil {
			b.report(s, r)
		}
		return err
	})
}

// echo is the yardstick of a transaction: net/http over the same TLS with a request of the same size and an answer of n bytes.
func (b *bench) echo(m *message, n int64) func() (figures, error) {
	e := newMessage(fmt.Sprintf("/echo?n=%d", n), "application/octet-stream", make([]byte, len(m.wire)), "", "")
	e.want = ""
	return func() (figures, error) { return b.drive(b.yard.addr, b.yard.pid(), b.opt.clients, e, nil) }
}

func (b *bench) query(ctx context.Context, s scenario, returnType string) error {
	return b.on(ctx, s, 50_000, func(c *child) error {
		// A few patients fit the gateway's cache of objects; all of them do not.
		r, err := b.queryOn(ctx, c, queryMessage(returnType), 250)
		if err != nil {
			return err
		}
		b.report(s, r)
		r, err = b.queryOn(ctx, c, queryMessage(returnType), 50_000/perPatient)
		if err == nil {
			b.report(s.row("-uncached", s.must, s.target, false), r)
		}
		return err
	})
}

func (b *bench) queryOn(ctx context.Context, c *child, m *message, patientCount int) (result, error) {
	ids := patients(0, patientCount)
	ask := func() (figures, error) {
		return b.drive(c.addr, c.pid(), b.opt.clients, m, func(wire []byte, n int) { m.set(wire, 0, ids[spread(n, len(ids))]) })
	}
	warm, err := ask() // one pass over the data, and the size of the answer
	if err != nil {
		return result{}, err
	}
	r, err := b.pairs(ctx, rate, b.echo(m, warm.Bytes), ask)
	r.YardstickName = fmt.Sprintf("echo %d KB", warm.Bytes/1000)
	return r, err
}

func (b *bench) retrieveSmall(ctx context.Context, s scenario) error {
	return b.on(ctx, s, 50_000, func(c *child) error {
		m, err := retrieveMessage(loadedRun)
		if err != nil {
			return err
		}
		if err := readAll(filepath.Join(b.dir, "store-50000", "data", "documents", "small")); err != nil {
			return err
		}
		ask := func() (figures, error) {
			return b.drive(c.addr, c.pid(), b.opt.clients, m, func(wire []byte, n int) { m.set(wire, firstNumber+spread(n, 50_000), "") })
		}
		return b.retrieve(ctx, s, m, smallSize, 1.36, ask)
	})
}

// readAll brings the files of a folder into the page cache: the yardstick's file is there too.
func readAll(dir string) error {
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		if e.IsDir() {
			continue
		}
		f, err := os.Open(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		_, err = io.Copy(discard{}, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// retrieve compares with ServeContent of Go; nginx is what nginx, where it was measured, does for each of Go's.
func (b *bench) retrieve(ctx context.Context, s scenario, m *message, size int, nginx float64, ask func() (figures, error)) error {
	name := fmt.Sprintf("file-%d", size)
	if err := os.WriteFile(filepath.Join(b.dir, name), sample.Document(1, size), 0o600); err != nil {
		return err
	}
	static := newMessage("/file/"+name, "application/octet-stream", make([]byte, len(m.wire)), "", "")
	static.want = ""
	clients := b.opt.clients
	if size > smallSize {
		clients = map[bool]int{true: 4, false: 16}[size > 10_000_000]
	}
	if _, err := ask(); err != nil {
		return err
	}
	r, err := b.pairs(ctx, rate, func() (figures, error) { return b.drive(b.yard.addr, b.yard.pid(), clients, static, nil) }, ask)
	r.YardstickName = fmt.Sprintf("ServeContent; to nginx (recorded %.2f) %.2f", nginx, r.Ratio/nginx)
	r.Judged = r.Ratio / nginx
	if err == nil {
		b.report(s, r)
	}
	return err
}

func (b *bench) retrieveLarge(ctx context.Context, s scenario, size, clients int, nginx float64) error {
	return b.on(ctx, s, 0, func(c *child) error {
		run := b.run()
		const several = 4
		for n := range several {
			if err := b.sendLarge(ctx, c, run, firstNumber+n, int64(size)); err != nil {
				return err
			}
		}
		m, err := retrieveMessage(run)
		if err != nil {
			return err
		}
		return b.retrieve(ctx, s, m, size, nginx, func() (figures, error) {
			return b.drive(c.addr, c.pid(), clients, m, func(wire []byte, n int) { m.set(wire, firstNumber+n%several, "") })
		})
	})
}

// findLatency holds a registry of many entries against one of ten thousand.
func (b *bench) findLatency(ctx context.Context, s scenario) error {
	ask := func(n int) (f figures, err error) {
		dir := filepath.Join(b.dir, fmt.Sprintf("entries-%d", n))
		if err := fill(ctx, dir, n, true); err != nil {
			return f, err
		}
		if err := readAll(filepath.Join(dir, "data", "metadata")); err != nil {
			return f, err
		}
		c, err := b.gateway(dir, s.name)
		if err != nil {
			return f, err
		}
		m := queryMessage("LeafClass")
		ids := patients(0, n/perPatient)
		for range 2 { // the first one warms
			f, err = b.drive(c.addr, c.pid(), 8, m, func(wire []byte, n int) { m.set(wire, 0, ids[spread(n, len(ids))]) })
			if err != nil {
				break
			}
		}
		return f, errors.Join(err, c.stop())
	}
	r, err := b.pairs(ctx, worstLatency, func() (figures, error) { return ask(10_000) }, func() (figures, error) { return ask(b.opt.entries) })
	r.YardstickName, r.Unit = "with 10,000 entries", "ms p99"
	if err == nil {
		b.report(s, r)
	}
	return err
}
