package trail_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/atna/arr"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/store/trail"
)

// benchRecords is the number of records of the large benchmarks: PASSERELLE_BENCH_RECORDS, a modest one otherwise.
func benchRecords() int {
	if n, err := strconv.Atoi(os.Getenv("PASSERELLE_BENCH_RECORDS")); err == nil {
		return n
	}
	return 50_000
}

// benchDescribe gives the terms such a record has, without reading XML: the store is what is measured.
func benchDescribe(r arr.Received) arr.Row {
	h := arr.HashLeaf(r.Raw)
	n := int(h[0])<<16 | int(h[1])<<8 | int(h[2])
	return arr.Row{
		Event: r.At, Summary: fmt.Appendf(nil, "ITI-43|E|0|899700%06d|10|normal|node-%d|1.2.250.1.999.%d", n%20000, n%40, n),
		Terms: []arr.Term{
			{Field: arr.FieldPatient, Value: strconv.Itoa(n % 100_000)}, {Field: arr.FieldPatient, Value: strconv.Itoa(n%100_000) + "^^^&1.2.250.1.213.1.4.10&ISO"},
			{Field: arr.FieldUser, Value: strconv.Itoa(n % 20000)}, {Field: arr.FieldUser, Value: "https://repository.example/iti43"}, {Field: arr.FieldRole, Value: "10"},
			{Field: arr.FieldPurpose, Value: "normal"}, {Field: arr.FieldTransaction, Value: "ITI-43"}, {Field: arr.FieldEvent, Value: "110106"}, {Field: arr.FieldAction, Value: "R"},
			{Field: arr.FieldOutcome, Value: "0"}, {Field: arr.FieldNode, Value: fmt.Sprint("node-", n%40)}, {Field: arr.FieldSite, Value: "site.example"}, {Field: arr.FieldAddress, Value: fmt.Sprint(n % 65536)},
			{Field: arr.FieldObject, Value: string(h[:8])}, {Field: arr.FieldObject, Value: string(h[8:16])}, {Field: arr.FieldObject, Value: string(h[16:24])},
			{Field: arr.FieldDigest, Value: string(h[:])},
		},
	}
}

// messages are made once: making them costs more than keeping them.
var messages = sync.OnceValue(func() []arr.Received {
	rng := rand.New(rand.NewPCG(1, 1))
	out := make([]arr.Received, 20_000)
	for i := range out {
		at, raw := sample.AuditMessage(rng, i)
		out[i] = arr.Received{At: at, Way: arr.ByTLS, Peer: "CN=node.example,O=Invented", Raw: raw}
	}
	return out
})

// filled makes a trail of n records, all different.
func filled(b *testing.B, n int) (*trail.Trail, trail.Options) {
	b.Helper()
	opt := trail.Options{Describe: benchDescribe, Key: key(b)}
	l := open(b, b.TempDir(), opt)
	feed(b, l, n)
	if err := l.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	for {
		p, err := l.Search(b.Context(), arr.Criteria{Limit: 1})
		if err != nil {
			b.Fatal(err)
		}
		if p.Behind == 0 {
			return l, opt
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// feed appends from 128 goroutines, one record at a time.
func feed(b *testing.B, l *trail.Trail, n int) {
	all := messages()
	var next atomic.Int64
	var g sync.WaitGroup
	for range 128 {
		g.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				r := all[int(i)%len(all)]
				if round := int(i) / len(all); round > 0 {
					r.At = r.At.Add(time.Duration(round) * time.Hour)
					r.Raw = fmt.Appendf(r.Raw[:len(r.Raw):len(r.Raw)], "<!-- %x -->", rand.Uint64()) // another record, with another digest
				}
				if _, err := l.Append(context.Background(), []arr.Received{r}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	g.Wait()
}

// BenchmarkAppend: durable on return, then sealed; 128 at once. Beside it, what is indexed goes on.
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct {
		name     string
		describe func(arr.Received) arr.Row
	}{
		{"Sealed", func(r arr.Received) arr.Row { return arr.Row{Event: r.At} }},
		{"Indexed", benchDescribe},
	} {
		b.Run(c.name, func(b *testing.B) {
			messages()
			l := open(b, b.TempDir(), trail.Options{Describe: c.describe, Key: key(b)})
			b.ResetTimer()
			feed(b, l, b.N)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "durable/s")
			if err := l.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sealed/s")
			for {
				p, err := l.Search(b.Context(), arr.Criteria{Limit: 1})
				if err != nil {
					b.Fatal(err)
				}
				if p.Behind == 0 {
					break
				}
				time.Sleep(time.Millisecond)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "searchable/s")
		})
	}
}

// BenchmarkPatientView: who looked at my record, the newest 50.
func BenchmarkPatientView(b *testing.B) {
	l, _ := filled(b, benchRecords())
	s := l.Stats()
	b.ReportMetric(float64(s.Disk()-s.Journal)/float64(s.RawBytes), "disk/raw")
	b.ReportMetric(float64(s.Index)/float64(s.RawBytes), "index/raw")
	b.ReportMetric(float64(s.Blocks)/float64(s.RawBytes), "blocks/raw")
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		p, err := l.Search(b.Context(), arr.Criteria{Terms: [][]arr.Term{{{Field: arr.FieldPatient, Value: strconv.Itoa(rand.IntN(100_000))}}}, Limit: 50})
		if err != nil || p.Behind > 0 {
			b.Fatal(p.Behind, err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
}

// BenchmarkSearch: what is common, narrowed by what is rare and by what is not; and a count.
func BenchmarkSearch(b *testing.B) {
	l, _ := filled(b, benchRecords())
	term := func(f arr.Field, v string) []arr.Term { return []arr.Term{{Field: f, Value: v}} }
	for name, c := range map[string]arr.Criteria{
		"Newest":      {},
		"UserOutcome": {Terms: [][]arr.Term{term(arr.FieldUser, "77"), term(arr.FieldOutcome, "0")}},
		"NodeOldest":  {Terms: [][]arr.Term{term(arr.FieldNode, "node-7"), term(arr.FieldRole, "10")}, OldestFirst: true},
		"Count":       {Terms: [][]arr.Term{term(arr.FieldNode, "node-7")}, Count: true},
		"None":        {Terms: [][]arr.Term{term(arr.FieldNode, "node-7"), term(arr.FieldOutcome, "8")}},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := l.Search(b.Context(), c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkVerify proves the whole log of an export.
func BenchmarkVerify(b *testing.B) {
	n := benchRecords()
	l, opt := filled(b, n)
	dir := b.TempDir() + "/export"
	if _, err := l.Export(b.Context(), dir, nil); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		r, err := trail.VerifyDir(b.Context(), dir, verification(b, opt))
		if err != nil || !r.OK() || r.Records != uint64(n) {
			b.Fatal(r, err)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
