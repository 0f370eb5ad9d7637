// Bench measures a gateway against yardsticks on the same machine: the real binary, real TLS, a real disk. It prints a table and writes bench.json;
// docs/performance.md says how to read them.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/passerelle-sante/passerelle/internal/testpki"
)

type options struct {
	run, gateway, dir, profile, out string
	clients, pairs, entries         int
	records, identities             int
	length                          time.Duration
	yardstick, pki, syslog          string
}

// bench is a run of the program.
type bench struct {
	opt          options
	dir, pki     string
	tls          *tls.Config
	warm, length time.Duration
	next         atomic.Int64 // numbers requests through
	yard         *child
	results      []result
}

// result is a row of the table.
type result struct {
	Scenario                   string
	Product, Yardstick         float64
	Unit, YardstickName        string
	Ratio, RatioMin, RatioMax  float64
	P50, P99                   float64 // milliseconds
	CPU, YardstickCPU          float64 // microseconds of the server a request
	WrittenBytes               float64
	ByCPU                      float64 // the ratio of rates if CPU alone decided: generator and server, yardstick over product
	Must, Target               string
	MustValue, TargetValue     float64
	Judged                     float64 // what must and target are about
	MustMet, TargetMet, IsBusy bool
}

func main() {
	var o options
	flag.StringVar(&o.run, "run", "", "regular expression of scenarios; empty runs the standard set")
	flag.StringVar(&o.gateway, "gateway", "bin/passerelle", "the gateway's binary")
	flag.StringVar(&o.dir, "dir", "", "working folder; loaded stores in it are used again; empty makes one and removes it")
	flag.StringVar(&o.profile, "profile", "", "folder for CPU profiles of the gateway, one a scenario, and all of them in one")
	flag.StringVar(&o.out, "json", "bench.json", "file for the results")
	flag.IntVar(&o.clients, "clients", 32, "keep-alive connections")
	flag.IntVar(&o.pairs, "pairs", 3, "pairs of yardstick and product")
	flag.IntVar(&o.entries, "entries", 1_000_000, "entries of the scenario findlatency")
	flag.IntVar(&o.records, "records", 1_000_000, "records of the scenarios audit-patient-view and audit-verify")
	flag.IntVar(&o.identities, "identities", 1_000_000, "records of the scenario identity-match, identities of the scenario identities")
	flag.DurationVar(&o.length, "length", 2500*time.Millisecond, "of one measurement")
	flag.StringVar(&o.yardstick, "yardstick", "", "serve as the yardstick on this address (the program starts itself so)")
	flag.StringVar(&o.syslog, "syslog", "", "with -yardstick: receive syslog, parse or tokenise it, instead of HTTP")
	flag.StringVar(&o.pki, "pki", "", "folder of the certificates, with -yardstick")
	flag.Parse()
	var err error
	if o.syslog != "" {
		err = serveSyslogYardstick(o.yardstick, o.pki, o.syslog)
	} else if o.yardstick != "" {
		err = serveYardstick(o.yardstick, o.pki, o.dir)
	} else {
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o options) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	b := &bench{opt: o, dir: o.dir, warm: 400 * time.Millisecond, length: o.length}
	b.next.Store(time.Now().Unix() % 10_000 * 100) // a store that is used again has seen other numbers
	if b.dir == "" {
		if b.dir, err = os.MkdirTemp("", "bench"); err != nil {
			return err
		}
		defer os.RemoveAll(b.dir)
	}
	if b.dir, err = filepath.Abs(b.dir); err != nil {
		return err
	}
	b.pki = filepath.Join(b.dir, "pki")
	if err := testpki.WriteDir(b.pki, 2048); err != nil {
		return err
	}
	if b.tls, err = clientTLS(b.pki); err != nil {
		return err
	}
	if b.yard, err = b.startYardstick(); err != nil {
		return err
	}
	defer b.yard.stop()
	pick, err := regexp.Compile(o.run)
	if err != nil {
		return err
	}
	for _, s := range scenarios {
		if o.run == "" && s.long || !pick.MatchString(s.name) {
			continue
		}
		if ctx.Err() != nil {
			break
		}
		began := time.Now()
		if err := s.do(b, ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Fprintf(os.Stderr, "%s: %.0f s\n", s.name, time.Since(began).Seconds())
	}
	b.print()
	if o.profile != "" {
		if err := mergeProfiles(o.profile); err != nil {
			return fmt.Errorf("merge the profiles: %w", err)
		}
	}
	return b.writeJSON()
}

// report judges a row and keeps it.
func (b *bench) report(s scenario, r result) {
	r.Scenario, r.Must, r.Target, r.MustValue, r.TargetValue = s.name, s.bound(s.must), s.bound(s.target), s.must, s.target
	r.MustMet, r.TargetMet = s.reached(r.Judged, s.must), s.reached(r.Judged, s.target)
	b.results = append(b.results, r)
	fmt.Fprintf(os.Stderr, "  %s: %.4g %s, yardstick %.4g, ratio %.2f [%.2f..%.2f] by cpu %.2f, p50 %.2f p99 %.2f ms, cpu %.0f us (%.0f)\n",
		s.name, r.Product, r.Unit, r.Yardstick, r.Ratio, r.RatioMin, r.RatioMax, r.ByCPU, r.P50, r.P99, r.CPU, r.YardstickCPU)
}

func (b *bench) print() {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "scenario\tproduct\tp50 ms\tp99 ms\tyardstick\tratio\tby CPU\tmust\ttarget\tCPU us\tyard. CPU us\t")
	for _, r := range b.results {
		verdict := func(met bool, bound string) string {
			switch {
			case bound == "":
				return ""
			case met:
				return bound + " yes"
			}
			return bound + " NO"
		}
		busy := ""
		if r.IsBusy {
			busy = "busy"
		}
		fmt.Fprintf(w, "%s\t%.4g %s\t%.2f\t%.2f\t%.4g %s\t%.2f [%.2f..%.2f]\t%.2f\t%s\t%s\t%.0f\t%.0f\t%s\n", r.Scenario, r.Product, r.Unit, r.P50, r.P99, r.Yardstick, r.YardstickName,
			r.Ratio, r.RatioMin, r.RatioMax, r.ByCPU, verdict(r.MustMet, r.Must), verdict(r.TargetMet, r.Target), r.CPU, r.YardstickCPU, busy)
	}
	w.Flush()
}

func (b *bench) writeJSON() error {
	text, err := json.MarshalIndent(b.results, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(b.opt.out, append(text, '\n'), 0o600)
}

func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(list))
	return s[len(s)/2]
}

// pairs runs yardstick and product in turn and gives the medians. A product with one sample per figure suits rates and latencies alike.
func (b *bench) pairs(ctx context.Context, value func(figures) float64, yardstick, product func() (figures, error)) (result, error) {
	var r result
	var ys, ps, ratios, p50, p99, cpu, ycpu, disk, byCPU []float64
	for range b.opt.pairs {
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		quiet := calibrate()
		for waited := 0; quiet < 1.6 && waited < 5; waited++ {
			time.Sleep(300 * time.Millisecond)
			quiet = calibrate()
		}
		y, err := yardstick()
		if err != nil {
			return r, fmt.Errorf("yardstick: %w", err)
		}
		p, err := product()
		if err != nil {
			return r, err
		}
		r.IsBusy = r.IsBusy || quiet < 1.6 || calibrate() < 1.6
		ys, ps, ratios = append(ys, value(y)), append(ps, value(p)), append(ratios, value(p)/value(y))
		if p.CPU > 0 {
			byCPU = append(byCPU, (y.CPU+y.Client)/(p.CPU+p.Client))
		}
		p50, p99 = append(p50, ms(p.P50)), append(p99, ms(p.P99))
		cpu, ycpu, disk = append(cpu, p.CPU), append(ycpu, y.CPU), append(disk, p.Written)
	}
	r.Product, r.Yardstick, r.Ratio = median(ps), median(ys), median(ratios)
	r.RatioMin, r.RatioMax = slices.Min(ratios), slices.Max(ratios)
	r.P50, r.P99, r.CPU, r.YardstickCPU, r.WrittenBytes = median(p50), median(p99), median(cpu), median(ycpu), median(disk)
	r.Judged, r.Unit, r.ByCPU = r.Ratio, "/s", median(byCPU)
	return r, nil
}

func ms(d time.Duration) float64     { return float64(d.Microseconds()) / 1000 }
func rate(f figures) float64         { return f.Rate }
func halfLatency(f figures) float64  { return ms(f.P50) }
func worstLatency(f figures) float64 { return ms(f.P99) }
