package extract

import (
	"cmp"
	"math/big"
	"slices"
	"time"

	"github.com/passerelle-sante/passerelle/cda"
)

// Series are the results of one examination that can stand on one curve: the same code, and units that convert exactly into each other.
type Series struct {
	Code   cda.CD
	Unit   string // of the latest point, in which Value of every point is
	Points []Point
}

// Point is a result on a curve. Value is exact; the literal of the document is in the result.
type Point struct {
	Result *Result
	At     time.Time
	Value  *big.Rat
}

var numeric = map[string]bool{"PQ": true, "REAL": true, "INT": true}

// Curves puts the results, of any number of documents, on curves: numbers only, of known time, by code and by what the unit measures. Units that are
// not known make curves of their own; results that were withdrawn (aborted, nullified) are on none. A time without offset is taken for one in loc.
func Curves(results []*Result, loc *time.Location) []Series {
	type key struct{ code, system, dimension string }
	var order []key
	groups := map[key][]Point{}
	for _, r := range results {
		v, ok := number(r.Value.Quantity.Value)
		if !ok || r.Code.IsZero() || r.Status == "aborted" || r.Status == "nullified" || !numeric[r.Value.Type] {
			continue
		}
		at, ok := moment(r, loc)
		if !ok {
			continue
		}
		k := key{r.Code.Code, r.Code.System, "=" + r.Value.Quantity.Unit}
		if u, ok := parseUnit(r.Value.Quantity.Unit); ok {
			k.dimension = u.dimension()
		}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], Point{r, at, v})
	}
	out := make([]Series, 0, len(order))
	for _, k := range order {
		out = append(out, curve(groups[k]))
	}
	return out
}

func curve(points []Point) Series {
	slices.SortStableFunc(points, func(a, b Point) int { return cmp.Or(a.At.Compare(b.At)) })
	last := points[len(points)-1].Result
	s := Series{Code: last.Code, Unit: last.Value.Quantity.Unit}
	for _, p := range points {
		if v, ok := Convert(p.Result.Value.Quantity.Value, p.Result.Value.Quantity.Unit, s.Unit); ok {
			p.Value = v
			s.Points = append(s.Points, p)
		}
	}
	return s
}

// moment is when the specimen was taken, else when the observation was made.
func moment(r *Result, loc *time.Location) (time.Time, bool) {
	for _, v := range []cda.Value{r.Specimen.Time, r.Time} {
		for _, q := range []*cda.Quantity{&v.Quantity, v.High, v.Low} {
			if q == nil || q.Value == "" {
				continue
			}
			if at, _, err := (cda.TS{Value: q.Value}).Time(loc); err == nil {
				return at, true
			}
		}
	}
	return time.Time{}, false
}
