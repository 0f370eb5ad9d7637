package trail

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/passerelle-sante/passerelle/atna/arr"
)

// index is a set of runs over disjoint ranges of records, and a table of the newest. One goroutine takes records in, wherever a range is
// missing; another merges neighbours. Whatever is lost of it, a range is then missing and is taken in again.
type index struct {
	dir    string
	secret []byte
	keyID  uint64
	log    *Trail
	opt    Options
	pack   packer
	slog   *slog.Logger

	mu    sync.RWMutex
	runs  []*run // ascending, disjoint; all before the table
	table *table

	files sync.Mutex // held by who replaces runs: the merger, an expiry
	wake  chan struct{}
	dirty atomic.Bool // a range went missing
}

func openIndex(dir string, secret []byte, t *Trail) (*index, error) {
	x := &index{dir: dir, secret: secret, log: t, opt: t.opt, slog: t.opt.Log, wake: make(chan struct{}, 1)}
	x.keyID = binary.BigEndian.Uint64(hashKeyID(secret))
	var err error
	if x.pack, err = newPacker(); err != nil {
		return nil, err
	}
	if err := x.load(); err != nil {
		return nil, err
	}
	first := t.expired
	if n := len(x.runs); n > 0 {
		first = max(first, x.runs[n-1].end)
	}
	x.table = newTable(first, 0)
	return x, x.expire(t.expired)
}

func hashKeyID(secret []byte) []byte {
	k := hashTerm(secret, arr.Term{})
	return k[:]
}

// load opens the runs there are. A run that cannot be read, goes beyond the log or lies within another is removed.
func (x *index) load() error {
	names, err := os.ReadDir(x.dir)
	if err != nil {
		return err
	}
	var found []*run
	for _, n := range names {
		path := filepath.Join(x.dir, n.Name())
		if strings.HasSuffix(path, ".tmp") {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
		if !strings.HasSuffix(path, ".run") {
			continue
		}
		r, err := openRun(path, x.keyID, x.pack)
		var damage *indexDamage
		switch {
		case errors.As(err, &damage):
			x.slog.Warn("the audit index is built anew in part", "reason", err)
			if err := os.Remove(path); err != nil {
				return err
			}
		case err != nil:
			return err
		default:
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b *run) int {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(b.end, a.end))
	})
	end := uint64(0)
	for _, r := range found {
		if r.first < end || r.end > x.log.size() {
			if err := r.retire(); err != nil {
				return err
			}
			continue
		}
		x.runs = append(x.runs, r)
		end = r.end
	}
	return x.drop(x.filters())
}

// filters keeps the digests' filters of the newest runs in memory.
func (x *index) filters() error {
	for i, room := len(x.runs)-1, x.opt.DuplicateWindow; i >= 0; i-- {
		r := x.runs[i]
		if room -= int(r.len()); room < 0 {
			r.filter = nil
		} else if r.filter == nil {
			if err := r.loadFilter(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *index) start(ctx context.Context, g *sync.WaitGroup) {
	g.Go(func() { x.takeIn(ctx) })
	g.Go(func() { x.mergeLoop(ctx) })
}

// close keeps the table as a run.
func (x *index) close() error {
	err := x.flush(x.table)
	for _, r := range x.runs {
		err = errors.Join(err, r.file.Close())
	}
	return err
}

func (x *index) stats(size uint64) (indexed uint64, runs int, bytes int64) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, r := range x.runs {
		bytes += r.filterAt + int64(r.filterSize) + footerSize
		indexed += r.end - r.first
	}
	floor := min(x.log.expiredNow(), size)
	indexed += uint64(len(x.table.rows)) + min(floor, x.first())
	return indexed, len(x.runs), bytes
}

// first is the first record that the index holds.
func (x *index) first() uint64 {
	if len(x.runs) > 0 {
		return x.runs[0].first
	}
	return x.table.first
}

func (t *Trail) expiredNow() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.expired
}

const takeAtOnce = 1024

// takeIn describes records until the trail closes: first those of missing ranges, then the newest.
func (x *index) takeIn(ctx context.Context) {
	for ctx.Err() == nil {
		x.dirty.Store(false)
		from, to := x.missing()
		var err error
		if from < to {
			err = x.fill(ctx, from, to)
		} else {
			err = x.takeNewest(ctx)
		}
		if err = x.drop(err); err != nil && ctx.Err() == nil {
			x.slog.Error("the audit index cannot be kept up", "error", err)
			return
		}
	}
}

// missing gives a range before the table that no run covers.
func (x *index) missing() (from, to uint64) {
	from = x.log.expiredNow()
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, r := range x.runs {
		if r.first > from {
			return from, min(r.first, from+uint64(x.opt.RunRecords))
		}
		from = max(from, r.end)
	}
	return from, min(x.table.first, from+uint64(x.opt.RunRecords))
}

func (x *index) fill(ctx context.Context, from, to uint64) error {
	t := newTable(from, 0)
	for t.end() < to {
		if err := x.take(ctx, t, to); errors.Is(err, arr.ErrExpired) {
			return nil // looked at anew with what is missing then
		} else if err != nil {
			return err
		}
	}
	return x.flush(t)
}

func (x *index) takeNewest(ctx context.Context) error {
	x.mu.RLock()
	t := x.table
	x.mu.RUnlock()
	if len(t.rows) >= x.opt.RunRecords {
		return x.flush(t)
	}
	if !x.log.await(t.end(), &x.dirty) {
		return ctx.Err()
	}
	x.yield(ctx, t.end())
	err := x.take(ctx, t, 1<<63)
	if errors.Is(err, arr.ErrExpired) {
		return x.flush(t)
	}
	return err
}

// yield leaves the processors to those who append while they come thick: what is durable can be found a little later, what a sender cannot
// hand over may be lost. It stops yielding when too much is behind.
func (x *index) yield(ctx context.Context, from uint64) {
	for x.log.inRush() >= manyInRush && x.log.Size()-from < uint64(x.opt.IndexLag) && ctx.Err() == nil {
		time.Sleep(rush / 4)
	}
}

// hands is how many processors may describe records: one while others append at a pace, so that they find one free.
func (x *index) hands() int {
	if x.log.inRush() >= someInRush {
		return 1
	}
	return runtime.GOMAXPROCS(0)
}

// await waits until the log is longer than seq, and tells whether it is.
func (t *Trail) await(seq uint64, otherwise *atomic.Bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.size() <= seq && !t.closing && !otherwise.Load() {
		t.change.Wait()
	}
	return t.size() > seq && !t.closing
}

// take describes some records from the table's end on, but none from limit on.
func (x *index) take(ctx context.Context, t *table, limit uint64) error {
	leaves, err := x.log.leaves(t.end())
	var damage *DamageError
	if errors.As(err, &damage) {
		// Verify tells of it; what comes after is searchable all the same.
		x.slog.Error("a record cannot be read and is not in the audit index", "record", t.end(), "reason", err)
		x.mu.Lock()
		defer x.mu.Unlock()
		t.add(described{}, true)
		return nil
	}
	if err != nil {
		return err
	}
	leaves = leaves[:min(uint64(len(leaves)), takeAtOnce, limit-t.end())]
	rows := make([]described, len(leaves))
	var g sync.WaitGroup
	errs := make([]error, min(x.hands(), len(leaves)))
	for w := range errs {
		g.Go(func() {
			for i := w; i < len(leaves); i += len(errs) {
				r, err := arr.ParseLeaf(leaves[i])
				if err != nil {
					errs[w] = err
					return
				}
				rows[i] = describe(x.secret, x.opt.Describe, r)
			}
		})
	}
	g.Wait()
	if err := errors.Join(append(errs, ctx.Err())...); err != nil {
		return err
	}
	duplicate := make([]bool, len(rows))
	for i := range rows {
		if duplicate[i], err = x.seen(&rows[i], t.first); err != nil {
			return err
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range rows {
		t.add(rows[i], duplicate[i] || t.holds(&rows[i]))
	}
	return nil
}

func (t *table) holds(d *described) bool {
	for _, i := range d.terms {
		if i.kind == digest {
			if _, ok := t.terms[i.term]; ok {
				return true
			}
		}
	}
	return false
}

// seen tells whether a run before a record holds its digest.
func (x *index) seen(d *described, before uint64) (bool, error) {
	for _, i := range d.terms {
		if i.kind != digest {
			continue
		}
		held, err := x.holds(i.term, before)
		if held || err != nil {
			return held, err
		}
	}
	return false, nil
}

func (x *index) holds(k term, before uint64) (bool, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, r := range x.runs {
		if r.first >= before || r.filter == nil || !r.filter.maybe(k) {
			continue
		}
		if _, found, err := r.lookup(k); found || err != nil {
			return found, err
		}
	}
	return false, nil
}

// flush writes a table as a run and shows it in its place.
func (x *index) flush(t *table) error {
	floor := x.log.expiredNow()
	if t.end() <= max(t.first, floor) {
		return x.replace(nil, nil, t)
	}
	w, err := newRunWriter(x.dir, max(t.first, floor), t.end(), x.keyID, x.pack)
	if err != nil {
		return err
	}
	if err := t.write(w, floor); err != nil {
		return errors.Join(err, w.abort())
	}
	r, err := w.finish()
	if err != nil {
		return err
	}
	return x.replace(nil, r, t)
}

// replace shows a run in place of others, and in place of a table that it was made of. When one of the others has gone meanwhile, its
// range may be being taken in anew: then nothing is replaced.
func (x *index) replace(old []*run, r *run, spent *table) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	var errs []error
	for _, o := range old {
		if !slices.Contains(x.runs, o) && r != nil {
			return r.retire()
		}
	}
	runs := x.runs[:0:0]
	for _, o := range x.runs {
		if slices.Contains(old, o) {
			errs = append(errs, o.retire())
		} else {
			runs = append(runs, o)
		}
	}
	if r != nil {
		i, _ := slices.BinarySearchFunc(runs, r.first, func(o *run, first uint64) int { return cmp.Compare(o.first, first) })
		runs = slices.Insert(runs, i, r)
	}
	x.runs = runs
	if spent != nil && x.table == spent {
		x.table = newTable(max(spent.end(), x.log.expiredNow()), len(spent.terms))
	}
	errs = append(errs, x.filters())
	select {
	case x.wake <- struct{}{}:
	default:
	}
	return errors.Join(errs...)
}

func (x *index) mergeLoop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-x.wake:
		}
		for ctx.Err() == nil {
			did, err := x.mergeSome()
			if err = x.drop(err); err != nil {
				x.slog.Error("the audit index cannot be merged", "error", err)
				return
			}
			if !did {
				break
			}
		}
	}
}

func (x *index) mergeSome() (bool, error) {
	x.files.Lock()
	defer x.files.Unlock()
	x.mu.RLock()
	runs := x.runs
	x.mu.RUnlock()
	from, to := pick(runs, x.opt.RunRecords, x.opt.MaxRun)
	if from == to {
		return false, nil
	}
	r, err := x.merged(runs[from:to], x.log.expiredNow())
	if err != nil {
		return false, err
	}
	return true, x.replace(runs[from:to], r, nil)
}

// merged writes runs as one, while nobody closes them.
func (x *index) merged(runs []*run, floor uint64) (*run, error) {
	x.mu.RLock()
	for _, r := range runs {
		r.use()
	}
	x.mu.RUnlock()
	r, err := merge(x.dir, runs, floor, x.keyID, x.pack)
	for _, r := range runs {
		err = errors.Join(err, r.release())
	}
	return r, err
}

// expire removes what the index says of records before floor.
func (x *index) expire(floor uint64) error {
	x.files.Lock()
	defer x.files.Unlock()
	x.mu.RLock()
	runs := x.runs
	x.mu.RUnlock()
	for _, o := range runs {
		switch {
		case o.end <= floor:
			if err := x.replace([]*run{o}, nil, nil); err != nil {
				return err
			}
		case o.first < floor:
			r, err := x.merged([]*run{o}, floor)
			if err != nil {
				return x.drop(err)
			}
			if err := x.replace([]*run{o}, r, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// drop removes a damaged run, so that its range is taken in anew; any other error is given back.
func (x *index) drop(err error) error {
	var damage *indexDamage
	for errors.As(err, &damage) {
		x.slog.Warn("the audit index is built anew in part", "reason", damage.Error())
		x.mu.RLock()
		there := slices.Contains(x.runs, damage.run)
		x.mu.RUnlock()
		if !there {
			return nil
		}
		err = x.replace([]*run{damage.run}, nil, nil)
		x.dirty.Store(true)
		x.log.nudge()
	}
	return err
}

// verify reads all of every run. What is damaged is reported and built anew.
func (x *index) verify(ctx context.Context, report *arr.Report) error {
	x.mu.RLock()
	runs := x.runs
	for _, r := range runs {
		r.use()
	}
	x.mu.RUnlock()
	for _, r := range runs {
		err := r.verify(ctx)
		var damage *indexDamage
		if errors.As(err, &damage) {
			f := arr.Finding{Kind: arr.IndexDamage, Seq: r.first, End: r.end, File: "index/" + r.name(), Text: damage.what + " is damaged; it is built anew"}
			report.Findings = append(report.Findings, f)
			err = x.drop(err)
		}
		if err = errors.Join(err, r.release()); err != nil {
			return err
		}
	}
	return nil
}
