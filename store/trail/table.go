package trail

import (
	"maps"
	"slices"
)

// table is the newest rows of the index, in memory: records first, first+1, ...
type table struct {
	first uint64
	rows  []posting // rec is its own place
	dups  []bool
	terms map[term]chain
	nodes []node
}

// chain is the records of a term as a list within nodes.
type chain struct {
	head, tail int32
	n          uint32
	kind       kind
}

type node struct {
	rec  uint32
	next int32
}

// newTable begins with a record; terms is how many there may come to be.
func newTable(first uint64, terms int) *table {
	return &table{first: first, terms: make(map[term]chain, terms)}
}

func (t *table) end() uint64 { return t.first + uint64(len(t.rows)) }

// add takes the next record. A duplicate is found by its digest only.
func (t *table) add(d described, duplicate bool) {
	rec := uint32(len(t.rows))
	t.rows = append(t.rows, posting{rec, d.time, d.summary})
	t.dups = append(t.dups, duplicate)
	for _, i := range d.terms {
		if duplicate && i.kind != digest {
			continue
		}
		c, known := t.terms[i.term]
		if known && t.nodes[c.tail].rec == rec {
			continue // said twice
		}
		t.nodes = append(t.nodes, node{rec, -1})
		at := int32(len(t.nodes) - 1)
		if known {
			t.nodes[c.tail].next = at
		} else {
			c.head, c.kind = at, i.kind
		}
		c.tail = at
		c.n++
		t.terms[i.term] = c
	}
}

func (t *table) list(c chain) []posting {
	out := make([]posting, 0, c.n)
	for at := c.head; at >= 0; at = t.nodes[at].next {
		out = append(out, t.rows[t.nodes[at].rec])
	}
	return out
}

// write makes a run of the rows from floor on.
func (t *table) write(w *runWriter, floor uint64) error {
	skip := uint32(0)
	if floor > t.first {
		skip = uint32(min(floor-t.first, uint64(len(t.rows))))
	}
	for i := skip; i < uint32(len(t.rows)); i++ {
		if err := w.row(t.rows[i].time, t.rows[i].summary, t.dups[i]); err != nil {
			return err
		}
	}
	keys := slices.SortedFunc(maps.Keys(t.terms), func(a, b term) int {
		if a.less(b) {
			return -1
		}
		return 1
	})
	for _, k := range keys {
		c := t.terms[k]
		list := t.list(c)
		list = list[at(list, skip):]
		for i := range list {
			list[i].rec -= skip
		}
		if err := w.term(k, c.kind, list); err != nil {
			return err
		}
	}
	return nil
}

// The table as a part that can be searched.

func (t *table) span() (uint64, uint64) { return t.first, t.end() }

func (t *table) find(k term) (lists, error) {
	c, ok := t.terms[k]
	if !ok {
		return lists{}, nil
	}
	return lists{n: int(c.n), kind: c.kind, whole: t.list(c)}, nil
}

func (t *table) row(rec uint32) (posting, bool, error) { return t.rows[rec], t.dups[rec], nil }

func (t *table) times(uint32) (oldest, newest int64) { return -1 << 63, 1<<63 - 1 }
