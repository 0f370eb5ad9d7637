package trail

import (
	"context"
	"slices"

	"github.com/passerelle-sante/passerelle/atna/arr"
)

// part is a range of records that can be searched: a run, or the table.
type part interface {
	span() (first, end uint64)
	find(term) (lists, error)
	row(rec uint32) (row posting, duplicate bool, err error)
	times(rec uint32) (oldest, newest int64) // of the rows around rec: groupRows of them, aligned
}

func (r *run) span() (uint64, uint64) { return r.first, r.end }

func (r *run) times(rec uint32) (int64, int64) {
	g := r.groups[rec/groupRows]
	return g.oldest, g.newest
}

// runView is a run and the group of rows read last in one search.
type runView struct {
	*run
	group int
	rows  []posting
	dups  []byte
}

func (v *runView) row(rec uint32) (posting, bool, error) {
	if g := int(rec / groupRows); v.rows == nil || g != v.group {
		var err error
		if v.rows, v.dups, err = v.run.rows(g); err != nil {
			return posting{}, false, err
		}
		v.group = g
	}
	i := rec % groupRows
	return v.rows[i], v.dups[i>>3]&(1<<(i&7)) != 0, nil
}

// search is one question on its way through the parts.
type search struct {
	ctx      context.Context
	c        arr.Criteria
	groups   [][]term
	from, to int64
	page     arr.Page
	limit    int
	most     int // hits counted at most
	floor    uint64
	done     bool
}

// Search finds records by the index, in the order of their numbers. A record delivered again is found only by its digest. What it
// counts it counts up to CountLimit.
func (t *Trail) Search(ctx context.Context, c arr.Criteria) (arr.Page, error) {
	for {
		s := t.newSearch(ctx, c)
		err := t.index.search(s)
		if err == nil {
			return s.page, nil
		}
		if err := t.index.drop(err); err != nil {
			return arr.Page{}, err
		}
	}
}

func (t *Trail) newSearch(ctx context.Context, c arr.Criteria) *search {
	s := &search{ctx: ctx, c: c, from: -1 << 63, to: 1<<63 - 1, limit: c.Limit, most: t.opt.CountLimit, floor: t.expiredNow()}
	if s.limit <= 0 {
		s.limit = 100
	}
	if !c.From.IsZero() {
		s.from = nanos(c.From)
	}
	if !c.To.IsZero() {
		s.to = nanos(c.To)
	}
	for _, g := range c.Terms {
		var terms []term
		for _, v := range g {
			terms = append(terms, hashTerm(t.index.secret, v))
		}
		s.groups = append(s.groups, terms)
	}
	return s
}

// search goes through the parts, from the end that was asked for.
func (x *index) search(s *search) error {
	x.mu.RLock()
	runs := x.runs
	for _, r := range runs {
		r.use()
	}
	defer func() {
		for _, r := range runs {
			_ = r.release()
		}
	}()
	table := x.table
	covered := s.floor
	lag := uint64(0)
	for _, r := range runs {
		lag += max(r.first, covered) - covered
		covered = max(covered, r.end)
	}
	lag += max(table.first, covered) - covered
	covered = max(covered, table.end())
	size := x.log.Size()
	s.page.Behind = lag + size - min(size, covered)
	parts := make([]part, 0, len(runs)+1)
	for _, r := range runs {
		parts = append(parts, &runView{run: r})
	}
	// The table changes when the lock is let go: it is searched under it, first or after the runs.
	var held []arr.Hit
	if !s.c.OldestFirst {
		err := s.part(table)
		x.mu.RUnlock()
		if err != nil {
			return err
		}
		slices.Reverse(parts)
	} else {
		late := *s
		late.page.Hits = nil
		err := late.part(table)
		x.mu.RUnlock()
		if err != nil {
			return err
		}
		held = late.page.Hits
		s.page.Total, s.page.More = late.page.Total, late.page.More
	}
	for _, p := range parts {
		if s.done {
			break
		}
		if err := s.part(p); err != nil {
			return err
		}
	}
	for _, h := range held {
		s.keep(h)
	}
	if s.page.Total > s.most {
		s.page.Total = -1
	}
	if !s.c.Count {
		s.page.Total = 0
	}
	return nil
}

// keep puts a hit on the page, or tells that there are more.
func (s *search) keep(h arr.Hit) {
	if len(s.page.Hits) < s.limit {
		s.page.Hits = append(s.page.Hits, h)
		return
	}
	s.page.More = true
	s.done = !s.c.Count || s.page.Total > s.most
}

// window is the numbers worth looking at in a part: what expired and, unless all are counted, the pages before are not.
func (s *search) window(first, end uint64) (lo, hi uint64) {
	lo, hi = max(first, s.floor), end
	if s.c.Resume && !s.c.Count {
		if s.c.OldestFirst {
			lo = max(lo, s.c.After+1)
		} else {
			hi = min(hi, s.c.After)
		}
	}
	return lo, hi
}

// part looks through one part, a chunk at a time.
func (s *search) part(p part) error {
	first, end := p.span()
	lo, hi := s.window(first, end)
	if lo >= hi {
		return nil
	}
	groups := make([][]lists, len(s.groups))
	for i, g := range s.groups {
		for _, k := range g {
			l, err := p.find(k)
			if err != nil {
				return err
			}
			if l.n > 0 {
				groups[i] = append(groups[i], l)
			}
		}
		if len(groups[i]) == 0 {
			return nil
		}
	}
	slices.SortStableFunc(groups, byCost)
	from, to := uint32(lo-first), uint32(hi-first)
	chunks := (to-1)/chunkRows - from/chunkRows + 1
	for i := range chunks {
		c := from/chunkRows + i
		if !s.c.OldestFirst {
			c = (to-1)/chunkRows - i
		}
		if err := s.ctx.Err(); err != nil {
			return err
		}
		if err := s.chunk(p, groups, max(from, c*chunkRows), min(to, (c+1)*chunkRows)); err != nil || s.done {
			return err
		}
	}
	return nil
}

func (s *search) chunk(p part, groups [][]lists, lo, hi uint32) error {
	if len(groups) == 0 {
		return s.every(p, lo, hi)
	}
	var found []posting
	for i, g := range groups {
		var err error
		if found, err = meet(found, g, i == 0, lo, hi); err != nil {
			return err
		}
		if len(found) == 0 {
			return nil
		}
	}
	covers := covered(groups[0])
	for i := range found {
		h := found[i]
		if !s.c.OldestFirst {
			h = found[len(found)-1-i]
		}
		if err := s.candidate(p, h, covers, false); err != nil || s.done {
			return err
		}
	}
	return nil
}

// meet gives the records of one more group that were found so far.
func meet(found []posting, g []lists, first bool, lo, hi uint32) ([]posting, error) {
	if !first && len(g) == 1 && g[0].chunks != nil && g[0].kind != covering {
		return g[0].narrow(found)
	}
	some, err := union(g, lo, hi)
	if err != nil || first {
		return some, err
	}
	return both(found, some), nil
}

// every looks at all records of a chunk, where nothing but the time was asked for.
func (s *search) every(p part, lo, hi uint32) error {
	for i := uint32(0); i < hi-lo; {
		rec := lo + i
		if !s.c.OldestFirst {
			rec = hi - 1 - i
		}
		if oldest, newest := p.times(rec); newest < s.from || oldest >= s.to {
			if s.c.OldestFirst {
				i += groupRows - rec%groupRows
			} else {
				i += rec%groupRows + 1
			}
			continue
		}
		if err := s.candidate(p, posting{rec: rec}, false, true); err != nil || s.done {
			return err
		}
		i++
	}
	return nil
}

// candidate is a record that has the terms: its time decides, and the page it belongs to.
func (s *search) candidate(p part, c posting, known, pass bool) error {
	if !known {
		if oldest, newest := p.times(c.rec); newest < s.from || oldest >= s.to {
			return nil
		}
		row, duplicate, err := p.row(c.rec)
		if err != nil || pass && duplicate {
			return err
		}
		c = row
	}
	if c.time < s.from || c.time >= s.to {
		return nil
	}
	s.page.Total++
	first, _ := p.span()
	seq := first + uint64(c.rec)
	before := s.c.Resume && (s.c.OldestFirst && seq <= s.c.After || !s.c.OldestFirst && seq >= s.c.After)
	if before {
		return nil
	}
	s.keep(arr.Hit{Seq: seq, Event: unixTime(c.time), Summary: slices.Clone(c.summary)})
	return nil
}

// byCost puts first the group whose postings say all that is shown, then the shorter ones.
func byCost(a, b []lists) int {
	if ca, cb := covered(a), covered(b); ca != cb {
		if ca {
			return -1
		}
		return 1
	}
	return total(a) - total(b)
}

func total(g []lists) (n int) {
	for _, l := range g {
		n += l.n
	}
	return n
}

// covered tells whether the postings of a group carry time and summary.
func covered(g []lists) bool {
	for _, l := range g {
		if l.kind != covering {
			return false
		}
	}
	return true
}

// union gives the records of any of the lists, each once, in order.
func union(g []lists, lo, hi uint32) ([]posting, error) {
	var out []posting
	for i := range g {
		some, err := g[i].chunk(lo, hi)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			out = some
			continue
		}
		out = append(slices.Clone(out), some...)
	}
	if len(g) > 1 {
		slices.SortFunc(out, func(a, b posting) int { return int(int64(a.rec) - int64(b.rec)) })
		out = slices.CompactFunc(out, func(a, b posting) bool { return a.rec == b.rec })
	}
	return out, nil
}

// both gives the postings of a whose record is in b too.
func both(a, b []posting) []posting {
	out := make([]posting, 0, min(len(a), len(b)))
	for _, p := range a {
		if len(b) > 16*len(a) {
			b = b[at(b, p.rec):]
		} else {
			for len(b) > 0 && b[0].rec < p.rec {
				b = b[1:]
			}
		}
		if len(b) == 0 {
			break
		}
		if b[0].rec == p.rec {
			out = append(out, p)
		}
	}
	return out
}
