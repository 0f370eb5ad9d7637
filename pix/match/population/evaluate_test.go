package population_test

import (
	"iter"
	"reflect"
	"testing"

	"github.com/passerelle-sante/passerelle/pix/match"
	"github.com/passerelle-sante/passerelle/pix/match/population"
)

// The seeds of evaluations; parameters are learnt from seed 1.
const seed = 20

// TestEvaluation pins what the model reaches on people it has never seen. cmd/bench does the same with a million.
func TestEvaluation(t *testing.T) {
	m := match.Default()
	g := population.NewRegister(m, population.All(population.Config{Seed: seed, Records: 50_000, Duplicates: .1}))
	r := g.Evaluate(m)
	t.Log(r)
	if r.Records != 50_000 || r.TruePairs < 5_000 || r.TruePairs > 6_200 {
		t.Errorf("%d records with %d pairs of one person", r.Records, r.TruePairs)
	}
	if r.Wrong[match.Automatic] != 0 {
		t.Errorf("%d false links", r.Wrong[match.Automatic])
	}
	for _, c := range []struct {
		what  string
		value float64
		least float64
	}{
		{"recall of automatic links", r.Recall(match.Automatic), .77},
		{"recall with review", r.Recall(match.Review), .96},
		{"precision with review", r.Precision(match.Review), .96},
		{"recall of blocking", r.BlockingRecall(), .985},
	} {
		if c.value < c.least {
			t.Errorf("%s is %.4f, at least %.3f is due", c.what, c.value, c.least)
		}
	}
	if g.Skipped > 0 || r.Compared > 5*r.TruePairs {
		t.Errorf("%d pairs compared for %d of one person, %d blocks left out", r.Compared, r.TruePairs, g.Skipped)
	}
}

// TestTwiceTheFaults: where records are worse fewer are linked, and none to another person.
func TestTwiceTheFaults(t *testing.T) {
	faults := population.Faults{}
	for name, n := range population.Usual {
		faults[name] = min(2*n, 1000)
	}
	m := match.Default()
	r := population.NewRegister(m, population.All(population.Config{Seed: seed + 1, Records: 50_000, Duplicates: .3, Faults: faults})).Evaluate(m)
	t.Log(r)
	if r.Wrong[match.Automatic] != 0 {
		t.Errorf("%d false links", r.Wrong[match.Automatic])
	}
	if got := r.Recall(match.Automatic); got < .5 || got > .8 {
		t.Errorf("recall %.3f: twice the faults ought to cost some", got)
	}
}

// TestDeterministic: one seed, one population; another seed, another.
func TestDeterministic(t *testing.T) {
	take := func(seed uint64) (out []match.Record, persons []int) {
		for p, r := range population.All(population.Config{Seed: seed, Records: 500, Duplicates: .1}) {
			out, persons = append(out, r), append(persons, p)
		}
		return out, persons
	}
	a, p := take(3)
	b, q := take(3)
	if !reflect.DeepEqual(a, b) || !reflect.DeepEqual(p, q) {
		t.Error("one seed gives two populations")
	}
	c, _ := take(4)
	if reflect.DeepEqual(a, c) {
		t.Error("two seeds give one population")
	}
	if len(a) != 500 {
		t.Errorf("%d records", len(a))
	}
}

// TestShape: the population has what makes matching hard, in about the numbers of a country.
func TestShape(t *testing.T) {
	names := map[string]int{}
	twins, abroad, usual, n := 0, 0, 0, 0
	var last match.Record
	none := population.Faults{"birth order told": 1000}
	for _, r := range population.All(population.Config{Seed: 5, Records: 100_000, Faults: none}) {
		n++
		names[r.BirthName]++
		if r.BirthOrder == 2 && last.BirthOrder == 1 && last.BirthDate == r.BirthDate && last.Given[0] != r.Given[0] {
			twins++
		}
		if r.BirthPlace[:2] == "99" {
			abroad++
		}
		if r.UsualName != "" {
			usual++
		}
		last = r
	}
	once := 0
	for _, k := range names {
		if k == 1 {
			once++
		}
	}
	for _, c := range []struct {
		what             string
		got, least, most int
	}{
		{"records", n, 100_000, 100_000}, {"pairs of twins", twins, 300, 1_200}, {"born abroad", abroad, 6_000, 14_000}, {"with a usual name", usual, 10_000, 35_000},
		{"bearers of Martin", names["Martin"], 200, 500}, {"different names", len(names), 15_000, 60_000}, {"names of one", once, 5_000, 40_000},
	} {
		if c.got < c.least || c.got > c.most {
			t.Errorf("%s: %d, want %d to %d", c.what, c.got, c.least, c.most)
		}
	}
}

// BenchmarkCompare compares the pairs that blocking proposes.
func BenchmarkCompare(b *testing.B) {
	m := match.Default()
	g := population.NewRegister(m, population.All(population.Config{Seed: seed, Records: 20_000, Duplicates: .1}))
	next, stop := iter.Pull2(g.Pairs())
	var pairs [][2]int
	for a, c, ok := next(); ok; a, c, ok = next() {
		pairs = append(pairs, [2]int{a, c})
	}
	stop()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p := pairs[i%len(pairs)]
		m.ComparePrepared(&g.Records[p[0]], &g.Records[p[1]])
	}
}

func BenchmarkPrepare(b *testing.B) {
	m := match.Default()
	var records []match.Record
	for _, r := range population.All(population.Config{Seed: seed, Records: 10_000}) {
		records = append(records, r)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m.Prepare(records[i%len(records)])
	}
}

func BenchmarkPopulation(b *testing.B) {
	b.ReportAllocs()
	next, stop := iter.Pull2(population.All(population.Config{Seed: seed, Records: 1 << 30}))
	defer stop()
	for b.Loop() {
		next()
	}
}
