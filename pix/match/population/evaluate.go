package population

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"iter"
	"slices"

	"github.com/passerelle-sante/passerelle/pix/match"
)

// Register is a set of prepared records with the truth about them.
type Register struct {
	Records []match.Prepared
	Persons []int

	keys    [][]uint64 // of each record, sorted
	blocks  []entry    // sorted by key
	Skipped int        // blocks that hold more than MaxBlock records
}

type entry struct {
	key    uint64
	record int32
}

// MaxBlock is how many records of one key are compared with one another.
const MaxBlock = 600

// NewRegister prepares records and indexes them by their blocking keys.
func NewRegister(m *match.Model, all iter.Seq2[int, match.Record]) *Register {
	g := &Register{}
	seed := maphash.MakeSeed()
	for person, r := range all {
		p := m.Prepare(r)
		var keys []uint64
		p.EachKey(func(key []byte) { keys = append(keys, maphash.Bytes(seed, key)) })
		slices.Sort(keys)
		keys = slices.Compact(keys)
		for _, k := range keys {
			g.blocks = append(g.blocks, entry{k, int32(len(g.Records))})
		}
		g.Records, g.Persons, g.keys = append(g.Records, p), append(g.Persons, person), append(g.keys, keys)
	}
	slices.SortFunc(g.blocks, func(a, b entry) int {
		if c := cmp.Compare(a.key, b.key); c != 0 {
			return c
		}
		return cmp.Compare(a.record, b.record)
	})
	return g
}

// Pairs gives the pairs of records that share a key, each once, as indices into Records.
func (g *Register) Pairs() iter.Seq2[int, int] {
	return func(yield func(int, int) bool) {
		g.Skipped = 0
		for from := 0; from < len(g.blocks); {
			to := from + 1
			for to < len(g.blocks) && g.blocks[to].key == g.blocks[from].key {
				to++
			}
			block := g.blocks[from:to]
			from = to
			if len(block) > MaxBlock {
				g.Skipped++
				continue
			}
			for i := range block {
				for j := i + 1; j < len(block); j++ {
					a, b := block[i].record, block[j].record
					if firstShared(g.keys[a], g.keys[b]) == block[i].key && !yield(int(a), int(b)) {
						return
					}
				}
			}
		}
	}
}

func firstShared(a, b []uint64) uint64 {
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			return a[i]
		case a[i] < b[j]:
			i++
		default:
			j++
		}
	}
	return 0
}

// True counts the pairs of records of one person.
func (g *Register) True() int {
	count := map[int]int{}
	n := 0
	for _, p := range g.Persons {
		n += count[p]
		count[p]++
	}
	return n
}

// Report is how well the pairs of a register were judged.
type Report struct {
	Records, TruePairs, Compared, FoundByBlocking int
	Right, Wrong                                  [3]int // pairs by decision: of one person, of two
	FalseLinks                                    [][2]int
}

// Evaluate judges every pair that shares a key.
func (g *Register) Evaluate(m *match.Model) Report {
	r := Report{Records: len(g.Records), TruePairs: g.True()}
	for a, b := range g.Pairs() {
		r.Compared++
		d := m.ComparePrepared(&g.Records[a], &g.Records[b]).Decision
		if g.Persons[a] == g.Persons[b] {
			r.FoundByBlocking++
			r.Right[d]++
			continue
		}
		r.Wrong[d]++
		if d == match.Automatic {
			r.FalseLinks = append(r.FalseLinks, [2]int{a, b})
		}
	}
	return r
}

// Plus is the report of two registers together.
func (r Report) Plus(s Report) Report {
	r.Records, r.TruePairs, r.Compared, r.FoundByBlocking = r.Records+s.Records, r.TruePairs+s.TruePairs, r.Compared+s.Compared, r.FoundByBlocking+s.FoundByBlocking
	for d := range r.Right {
		r.Right[d], r.Wrong[d] = r.Right[d]+s.Right[d], r.Wrong[d]+s.Wrong[d]
	}
	r.FalseLinks = nil // they are places in a register
	return r
}

// Precision is the share of pairs decided as d or higher that are of one person; Recall the share of all pairs of one person that are decided so.
func (r Report) Precision(d match.Decision) float64 {
	right, wrong := r.from(d)
	return ratio(right, right+wrong)
}

// Recall is the share of all pairs of one person that are decided as d or higher.
func (r Report) Recall(d match.Decision) float64 {
	right, _ := r.from(d)
	return ratio(right, r.TruePairs)
}

// BlockingRecall is the share of the pairs of one person that share a key.
func (r Report) BlockingRecall() float64 { return ratio(r.FoundByBlocking, r.TruePairs) }

func (r Report) from(d match.Decision) (right, wrong int) {
	for ; d <= match.Automatic; d++ {
		right, wrong = right+r.Right[d], wrong+r.Wrong[d]
	}
	return right, wrong
}

func ratio(a, b int) float64 {
	if b == 0 {
		return 1
	}
	return float64(a) / float64(b)
}

func (r Report) String() string {
	return fmt.Sprintf("%d records, %d pairs of one person, %d pairs compared, blocking recall %.4f; automatic: %d links, %d false, precision %.6f, recall %.4f; "+
		"with review: %d more pairs, precision %.4f, recall %.4f", r.Records, r.TruePairs, r.Compared, r.BlockingRecall(),
		r.Right[2]+r.Wrong[2], r.Wrong[2], r.Precision(match.Automatic), r.Recall(match.Automatic), r.Right[1]+r.Wrong[1], r.Precision(match.Review), r.Recall(match.Review))
}
