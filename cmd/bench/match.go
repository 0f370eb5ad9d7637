package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/passerelle-sante/passerelle/pix/match"
	"github.com/passerelle-sante/passerelle/pix/match/population"
)

// matchSeed makes the first population to evaluate on; the parameters were learnt on another.
const matchSeed = 101

// identityMatch judges the matching of identities on invented populations that it has not seen: as many runs as pairs are asked for. What is bounded is false links for
// 100,000 links made.
func (b *bench) identityMatch(ctx context.Context, s scenario) error {
	var all population.Report
	var rates []float64
	for run := range b.opt.pairs {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		at := time.Now()
		m := match.Default().ForSize(b.opt.identities)
		g := population.NewRegister(m, population.All(population.Config{Seed: uint64(matchSeed + run), Records: b.opt.identities, Duplicates: .1}))
		made := time.Since(at)
		at = time.Now()
		r := g.Evaluate(m)
		took := time.Since(at)
		fmt.Fprintf(os.Stderr, "  seed %d, made in %.1f s, judged in %.1f s with blocking: %s\n", matchSeed+run, made.Seconds(), took.Seconds(), r)
		all = all.Plus(r)
		rates = append(rates, comparisons(m, g))
	}
	links := all.Right[match.Automatic] + all.Wrong[match.Automatic]
	falseLinks := float64(all.Wrong[match.Automatic]) / float64(max(links, 1)) * 1e5
	b.report(s, result{Product: falseLinks, Unit: fmt.Sprintf("of 100,000 links; %d of %d", all.Wrong[match.Automatic], links), Judged: falseLinks})
	for _, row := range []struct {
		suffix       string
		must, target float64
		value        float64
	}{
		{"-recall", .75, .78, all.Recall(match.Automatic)},
		{"-recall-with-review", .95, .97, all.Recall(match.Review)},
		{"-precision-with-review", .90, .95, all.Precision(match.Review)},
		{"-blocking", .98, .99, all.BlockingRecall()},
	} {
		b.report(s.row(row.suffix, row.must, row.target, false), result{Product: row.value, Judged: row.value})
	}
	b.report(s.row("-compared", 0, 0, false), result{Product: median(rates), Unit: "/s on one core"})
	return nil
}

// comparisons is how many pairs a second one core compares, of those that blocking proposes.
func comparisons(m *match.Model, g *population.Register) float64 {
	var pairs [][2]int
	for i, j := range g.Pairs() {
		if pairs = append(pairs, [2]int{i, j}); len(pairs) == 200_000 {
			break
		}
	}
	n, at := 0, time.Now()
	for time.Since(at) < time.Second {
		for _, p := range pairs {
			m.ComparePrepared(&g.Records[p[0]], &g.Records[p[1]])
		}
		n += len(pairs)
	}
	return float64(n) / time.Since(at).Seconds()
}
