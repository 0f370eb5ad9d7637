package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/passerelle-sante/passerelle/internal/testpki"
	"github.com/passerelle-sante/passerelle/wire/soap"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
)

// maskedOrAbsent asks one after the other, in an order of chance, for documents that are masked and for such as do not exist, and tells whether the time that the
// answer takes tells them apart: medians, the interval in which 95 of 100 resamplings have their difference, and the Mann-Whitney test of the two.
func (b *bench) maskedOrAbsent(ctx context.Context, s scenario) error {
	return b.besides(ctx, s, func(_, with *child, provider testpki.Identity) error {
		retrieve, err := retrieveMessage(loadedRun)
		if err != nil {
			return err
		}
		header, err := vouchedHeader(0, provider)
		if err != nil {
			return err
		}
		for _, x := range []struct {
			suffix, want string
			plain        *message
		}{
			{"-iti43", "XDSDocumentUniqueIdError", retrieve},
			{"-iti18", success, getMessage()},
		} {
			m := x.plain.with(header)
			m.want = x.want
			masked, absent, err := b.apart(ctx, with.addr, m)
			if err != nil {
				return err
			}
			slices.Sort(masked)
			slices.Sort(absent)
			low, high := b.resampled(masked, absent)
			r := result{Product: masked[len(masked)/2], Yardstick: absent[len(absent)/2], Unit: "us",
				YardstickName: fmt.Sprintf("absent; masked - absent in [%.1f..%.1f] us, Mann-Whitney p %.3f, n %d", low, high, mannWhitney(masked, absent), len(masked))}
			r.Ratio = r.Product / r.Yardstick
			r.RatioMin, r.RatioMax, r.Judged = 1+low/r.Yardstick, 1+high/r.Yardstick, max(r.Ratio, 1/r.Ratio)
			b.report(s.row(x.suffix, s.must, s.target, true), r)
		}
		return nil
	})
}

// getMessage asks ITI-18 for one document by its unique id.
func getMessage() *message {
	body := ebxml.AppendAdhocQuery(nil, "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4", "LeafClass", []xds.Slot{
		{Name: "$XDSDocumentEntryUniqueId", Values: []string{"('" + string(uniqueID(loadedRun, firstNumber)) + "')"}}})
	return newMessage(registryPath, contentPlain+`; action="`+actionQuery+`"`, soap.Envelope(actionQuery, body), fmt.Sprint(firstNumber), "")
}

// apart gives the times of both kinds of answers, in microseconds.
func (b *bench) apart(ctx context.Context, addr string, m *message) (masked, absent []float64, err error) {
	c, err := dial(addr, b.tls)
	if err != nil {
		return nil, nil, err
	}
	defer c.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	wire := slices.Clone(m.wire)
	for n := 0; len(masked) < 4000 || len(absent) < 4000; n++ {
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		number, times := firstNumber+masks+rng.IntN(masks), &masked
		if rng.IntN(2) == 0 {
			number, times = 70_000_000+rng.IntN(masks), &absent
		}
		m.set(wire, number, "")
		began := time.Now()
		if _, err := c.do(wire, m.want); err != nil {
			return nil, nil, err
		}
		if n >= 500 {
			*times = append(*times, float64(time.Since(began).Nanoseconds())/1000)
		}
	}
	return masked, absent, nil
}

// resampled is the interval of the difference of medians (bootstrap, 2.5 and 97.5 of 100).
func (b *bench) resampled(x, y []float64) (low, high float64) {
	rng := rand.New(rand.NewPCG(3, 4))
	again := func(from []float64) float64 {
		at := make([]int, len(from))
		for i := range at {
			at[i] = rng.IntN(len(from))
		}
		slices.Sort(at) // from is in order, so the median is that of the places
		return from[at[len(at)/2]]
	}
	diffs := make([]float64, 1000)
	for i := range diffs {
		diffs[i] = again(x) - again(y)
	}
	slices.Sort(diffs)
	return diffs[25], diffs[975]
}

// mannWhitney is the two-sided p of the rank test, by its normal approximation; both are in order.
func mannWhitney(x, y []float64) float64 {
	u := 0.0
	for _, v := range x {
		below, _ := slices.BinarySearch(y, v)
		upTo, _ := slices.BinarySearchFunc(y, v, func(e, t float64) int {
			if e <= t {
				return -1
			}
			return 1
		})
		u += float64(below) + float64(upTo-below)/2
	}
	n, m := float64(len(x)), float64(len(y))
	z := (u - n*m/2) / math.Sqrt(n*m*(n+m+1)/12)
	return math.Erfc(math.Abs(z) / math.Sqrt2)
}
