package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/passerelle-sante/passerelle/atna/arr"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/store/trail"
)

// auditClients is how many hand in records at once.
const auditClients = 128

func (b *bench) openTrail(dir string, describe func(arr.Received) arr.Row) (*trail.Trail, arr.Key, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, arr.Key{}, err
	}
	key, err := arr.LoadKey(filepath.Join(dir, "key"), "bench.example")
	if err != nil {
		return nil, key, err
	}
	t, err := trail.Open(dir, trail.Options{Describe: describe, Key: key})
	return t, key, err
}

// received makes n different records, numbered from first on.
func received(rng *rand.Rand, first, n int) []arr.Received {
	out := make([]arr.Received, n)
	for i := range out {
		at, raw := sample.AuditMessage(rng, first+i)
		out[i] = arr.Received{At: at, Way: arr.ByTLS, Peer: "CN=node.example", Raw: raw}
	}
	return out
}

// auditSeal holds durable and sealed records against a log of the same sizes with nothing else.
func (b *bench) auditSeal(ctx context.Context, s scenario) error {
	records := received(rand.New(rand.NewPCG(1, 1)), 0, 20_000)
	product := func() (f figures, err error) {
		dir, err := os.MkdirTemp(b.dir, "trail")
		if err != nil {
			return f, err
		}
		defer os.RemoveAll(dir)
		t, _, err := b.openTrail(dir, func(r arr.Received) arr.Row { return arr.Row{Event: r.At} })
		if err != nil {
			return f, err
		}
		f, err = b.together(auditClients, func() error {
			_, err := t.Append(ctx, []arr.Received{records[rand.IntN(len(records))]})
			return err
		})
		return f, errors.Join(err, t.Close())
	}
	r, err := b.pairs(ctx, rate, func() (figures, error) { return b.logOf(len(records[0].Raw), auditClients) }, product)
	r.YardstickName = "log"
	if err == nil {
		b.report(s, r)
	}
	return err
}

// auditTrail gives a trail with as many records as were asked for, all searchable. One that is there is used again.
func (b *bench) auditTrail(ctx context.Context) (*trail.Trail, arr.Key, error) {
	dir := filepath.Join(b.dir, fmt.Sprintf("trail-%d", b.opt.records))
	t, key, err := b.openTrail(dir, arr.Describe)
	if err != nil {
		return nil, key, err
	}
	for size := int(t.Size()); size < b.opt.records && err == nil; size = int(t.Size()) {
		rng := rand.New(rand.NewPCG(uint64(size), 2))
		_, err = t.Append(ctx, received(rng, size, min(2000, b.opt.records-size)))
	}
	for err == nil {
		var p arr.Page
		if p, err = t.Search(ctx, arr.Criteria{Limit: 1}); p.Behind == 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil {
		return nil, key, errors.Join(err, t.Close())
	}
	return t, key, nil
}

// auditView asks for the newest 50 accesses to a patient's record, as many at once as there are processors: more, in one process that never
// waits for a network, would measure the queue.
func (b *bench) auditView(ctx context.Context, s scenario) error {
	t, _, err := b.auditTrail(ctx)
	if err != nil {
		return err
	}
	cx := func(n int) string { return sample.AuditPatient(n).ID + "^^^&1.2.250.1.213.1.4.10&ISO" }
	var hits, views atomic.Int64
	var p50, p99, rates []float64
	for range b.opt.pairs {
		f, err := b.together(runtime.GOMAXPROCS(0), func() error {
			p, err := t.Search(ctx, arr.Criteria{Terms: [][]arr.Term{{{Field: arr.FieldPatient, Value: cx(rand.IntN(sample.AuditPatients))}}}, Limit: 50})
			hits.Add(int64(len(p.Hits)))
			views.Add(1)
			return err
		})
		if err != nil {
			return errors.Join(err, t.Close())
		}
		p50, p99, rates = append(p50, ms(f.P50)), append(p99, ms(f.P99)), append(rates, f.Rate)
	}
	st := t.Stats()
	fmt.Fprintf(os.Stderr, "  %d records, %d runs, disk %.3f of the raw bytes (blocks %.3f, index %.3f), %.0f views/s of %.1f accesses\n", st.Records, st.Runs,
		float64(st.Disk())/float64(st.RawBytes), float64(st.Blocks)/float64(st.RawBytes), float64(st.Index)/float64(st.RawBytes), median(rates), float64(hits.Load())/float64(views.Load()))
	b.report(s, result{Product: median(p99), Unit: "ms p99", P50: median(p50), P99: median(p99), Judged: median(p99)})
	b.report(s.row("-disk", .5, .5, true), result{Product: float64(st.Disk()) / float64(st.RawBytes), Unit: "x raw", Judged: float64(st.Disk()) / float64(st.RawBytes)})
	return t.Close()
}

// auditVerify proves the whole trail, and says how long ten million records take at that pace.
func (b *bench) auditVerify(ctx context.Context, s scenario) error {
	t, key, err := b.auditTrail(ctx)
	if err != nil {
		return err
	}
	defer t.Close()
	keys, err := arr.Keys(key.Public)
	if err != nil {
		return err
	}
	if err := t.Flush(ctx); err != nil {
		return err
	}
	dir := filepath.Join(b.dir, fmt.Sprintf("trail-%d", b.opt.records))
	var took []float64
	for range b.opt.pairs {
		began := time.Now()
		r, err := arr.VerifyLog(ctx, arr.Log{Files: os.DirFS(dir), InUse: true}, arr.Verification{Keys: keys})
		if err != nil || !r.OK() || r.Records != uint64(b.opt.records) {
			return fmt.Errorf("verification of %d records: %v %w", r.Records, r.Findings, err)
		}
		took = append(took, time.Since(began).Seconds()*1e7/float64(r.Records))
	}
	slices.Sort(took)
	b.report(s, result{Product: median(took), Unit: "s for 10 M", Judged: median(took)})
	return nil
}
