package trail

import (
	"bufio"
	"errors"
	"io"
)

// mergeFactor is how many neighbours of about one size make a run of the next size.
const mergeFactor = 8

// pick gives the neighbours to merge next: runs[from:to], from == to when there is nothing to do.
func pick(runs []*run, small, largest int) (from, to int) {
	for tier := small; tier < largest; tier *= mergeFactor {
		from = 0
		total := 0
		for to = 0; to < len(runs); to++ {
			n := int(runs[to].len())
			if n > tier || to > from && runs[to-1].end != runs[to].first || total+n > largest {
				if worth(to-from, total, tier, small) {
					return from, to
				}
				from, total = to, 0
				if n > tier {
					from = to + 1
					continue
				}
			}
			total += n
		}
		if worth(to-from, total, tier, small) {
			return from, to
		}
	}
	return 0, 0
}

// worth tells whether neighbours make enough of a larger run that writing them again pays.
func worth(runs, total, tier, small int) bool {
	return runs >= mergeFactor && (tier == small || total >= tier*mergeFactor/2)
}

// merge writes the rows and terms of neighbours as one run, without the records before floor.
func merge(dir string, runs []*run, floor, keyID uint64, pack packer) (*run, error) {
	first := max(runs[0].first, floor)
	w, err := newRunWriter(dir, first, runs[len(runs)-1].end, keyID, pack)
	if err != nil {
		return nil, err
	}
	for _, r := range runs {
		if err := copyRows(w, r, floor); err != nil {
			return nil, errors.Join(err, w.abort())
		}
	}
	if err := mergeTerms(w, runs, floor); err != nil {
		return nil, errors.Join(err, w.abort())
	}
	return w.finish()
}

func copyRows(w *runWriter, r *run, floor uint64) error {
	for n := range r.groups {
		rows, dups, err := r.rows(n)
		if err != nil {
			return err
		}
		for i, row := range rows {
			if r.first+uint64(row.rec) < floor {
				continue
			}
			if err := w.row(row.time, row.summary, dups[i>>3]&(1<<(i&7)) != 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// termReader reads a run's terms in order.
type termReader struct {
	run  *run
	in   *bufio.Reader
	page int64
	buf  [pageSize]byte
	rest []byte
	now  termEntry
	end  bool
}

func newTermReader(r *run) (*termReader, error) {
	t := &termReader{run: r, in: bufio.NewReaderSize(io.NewSectionReader(r.file, r.pages, r.filterAt-r.pages), 128<<10)}
	return t, t.next()
}

func (t *termReader) next() error {
	if len(t.rest) == 0 {
		if t.page*pageEntries >= t.run.terms {
			t.end = true
			return nil
		}
		if _, err := io.ReadFull(t.in, t.buf[:]); err != nil {
			return err
		}
		if sum(t.buf[:pageSize-4]) != sumAtEnd(t.buf[:]) {
			return t.run.damage("its terms")
		}
		t.rest = t.buf[:min(pageEntries, t.run.terms-t.page*pageEntries)*entrySize]
		t.page++
	}
	before := t.now.term
	t.now, t.rest = parseEntry(t.rest), t.rest[entrySize:]
	if !before.less(t.now.term) && before != (term{}) {
		return t.run.damage("the order of its terms")
	}
	return nil
}

func mergeTerms(w *runWriter, runs []*run, floor uint64) error {
	var readers []*termReader
	for _, r := range runs {
		t, err := newTermReader(r)
		if err != nil {
			return err
		}
		readers = append(readers, t)
	}
	var list []posting
	for {
		var least *termReader
		for _, t := range readers {
			if !t.end && (least == nil || t.now.less(least.now.term)) {
				least = t
			}
		}
		if least == nil {
			return nil
		}
		k, kd := least.now.term, least.now.kind
		list = list[:0]
		for _, t := range readers {
			if t.end || t.now.term != k {
				continue
			}
			var err error
			if list, err = t.collect(list, w.first, floor); err != nil {
				return err
			}
			if err := t.next(); err != nil {
				return err
			}
		}
		if err := w.term(k, kd, list); err != nil {
			return err
		}
		clear(list)
		if cap(list) > 4<<20 {
			list = nil
		}
	}
}

// collect appends the current term's postings, numbered from first on.
func (t *termReader) collect(list []posting, first, floor uint64) ([]posting, error) {
	l, err := t.run.open(t.now)
	if err != nil {
		return nil, err
	}
	err = l.all(func(some []posting) error {
		for _, p := range some {
			if seq := t.run.first + uint64(p.rec); seq >= floor {
				p.rec = uint32(seq - first)
				list = append(list, p)
			}
		}
		return nil
	})
	return list, err
}
