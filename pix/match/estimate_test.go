package match_test

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/pix/match"
	"github.com/passerelle-sante/passerelle/pix/match/population"
)

var update = flag.Bool("update", false, "write parameters.csv anew")

// trainingSeed makes the population that the parameters are learnt from; evaluations use others.
const trainingSeed = 1

const parametersHead = `# The parameters of match.Default: field,level,m,u, and what is chosen: threshold,automatic|review,bits and field,most,bits.
# m and u were learnt without truth (match.Learn) from the synthetic population of seed 1 with 300,000 records, a tenth of them duplicates:
# go test ./pix/match -run TestParameters -update. A register that has its own records learns its own.
# The thresholds are for a million identities and rise by a bit with each doubling (Model.ForSize). They were chosen on seeds 2 to 8: see docs/matching.md.
# Households share an address and a telephone: what these say is capped.
threshold,automatic,38
threshold,review,20
residence,most,3
contact,most,5
`

// TestParameters learns the parameters again: those of the program are what the training population gives.
func TestParameters(t *testing.T) {
	if testing.Short() && !*update {
		t.Skip("learning takes seconds")
	}
	model := match.Default()
	var records []match.Prepared
	for _, r := range population.All(population.Config{Seed: trainingSeed, Records: 300_000, Duplicates: .1}) {
		records = append(records, model.Prepare(r))
	}
	m, u := match.Learn(records)
	var b bytes.Buffer
	b.WriteString(parametersHead)
	if err := match.Write(&b, m, u); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("parameters.csv", b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile("parameters.csv")
	if err != nil {
		t.Fatal(err)
	}
	if d := differs(string(want), b.String()); d != "" {
		t.Error(d)
	}
}

// differs compares rows; numbers may differ by a hundredth, for sums over maps have no order.
func differs(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	if len(w) != len(g) {
		return fmt.Sprintf("%d rows, want %d", len(g), len(w))
	}
	for i := range w {
		a, b := strings.Split(w[i], ","), strings.Split(g[i], ",")
		if len(a) != len(b) || w[i] != g[i] && (len(a) != 4 || !slices.Equal(a[:2], b[:2]) || !closeTo(a[2], b[2]) || !closeTo(a[3], b[3])) {
			return fmt.Sprintf("row %d is %q, want %q", i+1, g[i], w[i])
		}
	}
	return ""
}

func closeTo(a, b string) bool {
	var x, y float64
	_, err1 := fmt.Sscan(a, &x)
	_, err2 := fmt.Sscan(b, &y)
	return err1 == nil && err2 == nil && math.Abs(x-y) <= .01*max(x, y)
}
