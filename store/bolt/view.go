package bolt

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/tidwall/btree"
	bbolt "go.etcd.io/bbolt"
)

// view runs fn on one consistent, durable moment.
//
// The moment is two things: the layers in memory and a bbolt transaction. Taken apart they could disagree: a view that loaded the
// layers and then slept could open a bbolt transaction that already holds rows newer than its layers. Hence both are taken under
// visible, and the argument goes: an overlay F is written into bbolt only after publish showed it as frozen under the write lock. A view
// that took its layers before that lock has its bbolt transaction open already, without anything of F. One that took them after
// reads F above bbolt, and rows of F that bbolt may hold as well are the same rows. F leaves the layers only after its last row is in
// bbolt. So at every moment bbolt, where the layers say nothing, holds nothing newer than the layers.
func (db *DB) view(ctx context.Context, fn func(*reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	db.visible.RLock()
	r := &reader{layers: db.seen, cache: db.cache, facts: &db.facts}
	tx, err := db.bb.Begin(false)
	db.visible.RUnlock()
	if err != nil {
		return err
	}
	r.bolt = tx
	defer r.close()
	return fn(r)
}

// reader reads rows through the layers and bbolt.
type reader struct {
	layers
	bolt   *bbolt.Tx
	open   func() (*bbolt.Tx, error) // for updates, which open bolt when first needed
	opened [len(buckets)]*bbolt.Bucket
	key    []byte // for building keys
	cache  *cache // of views; an update changes what it reads and has none
	facts  *memo  // of views
}

func (r *reader) close() {
	if r.bolt != nil {
		_ = r.bolt.Rollback() // a read transaction has nothing to lose
		r.bolt = nil
	}
}

func (r *reader) bucket(name byte) (*bbolt.Bucket, error) {
	if r.bolt == nil {
		tx, err := r.open()
		if err != nil {
			return nil, err
		}
		r.bolt = tx
	}
	i := strings.IndexByte(buckets, name)
	if r.opened[i] == nil {
		r.opened[i] = r.bolt.Bucket([]byte{name})
	}
	return r.opened[i], nil
}

// get gives a row's value, nil when there is none. It is good until the transaction ends.
func (r *reader) get(key []byte) ([]byte, error) {
	if v, ok := r.lookup(key); ok {
		return v, nil
	}
	b, err := r.bucket(key[0])
	if err != nil {
		return nil, err
	}
	return b.Get(key[1:]), nil
}

type row struct {
	key   []byte // with its bucket byte
	value []byte
}

// scan calls fn for the rows whose key begins with prefix and is greater than after, in order, until it says false. It reads ahead by
// some rows and lets go of every cursor before it calls fn, so fn may write.
func (r *reader) scan(prefix, after []byte, fn func(key, value []byte) (bool, error)) error {
	const most = 64
	prefix = slices.Clone(prefix)
	after = slices.Clone(after)
	var some [4]row
	rows := some[:0]
	for n := 32; ; n = most {
		var err error
		if rows, err = r.chunk(prefix, after, n, rows[:0]); err != nil {
			return err
		}
		for _, w := range rows {
			if more, err := fn(w.key, w.value); err != nil || !more {
				return err
			}
		}
		if len(rows) < n {
			return nil
		}
		after = append(after[:0], rows[len(rows)-1].key...)
	}
}

// chunk collects up to n rows after a key from all layers; the upper layer's word counts.
func (r *reader) chunk(prefix, after []byte, n int, dst []row) ([]row, error) {
	start := after
	if len(start) == 0 {
		start = prefix
	}
	up := newMapSource(r.active, prefix, start, len(after) > 0)
	mid := newMapSource(r.frozen, prefix, start, len(after) > 0)
	low, err := r.newBoltSource(prefix, start, len(after) > 0)
	if err != nil {
		return nil, err
	}
	for len(dst) < n && low.ok && !up.ok && !mid.ok {
		dst = append(dst, row{low.key, low.value})
		low.next()
	}
	for len(dst) < n && (up.ok || mid.ok || low.ok) {
		least, value := low.key, low.value
		have := low.ok
		if mid.ok && (!have || mid.key <= string(least)) {
			least, value, have = []byte(mid.key), mid.value, true
		}
		if up.ok && (!have || up.key <= string(least)) {
			least, value = []byte(up.key), up.value
		}
		if low.ok && bytes.Equal(low.key, least) {
			low.next()
		}
		if mid.ok && mid.key == string(least) {
			mid.next()
		}
		if up.ok && up.key == string(least) {
			up.next()
		}
		if value != nil {
			dst = append(dst, row{least, value})
		}
	}
	return dst, nil
}

// mapSource walks an overlay.
type mapSource struct {
	prefix string
	it     btree.MapIter[string, []byte]
	key    string
	value  []byte
	ok     bool
}

func newMapSource(o *overlay, prefix, start []byte, beyond bool) mapSource {
	if o == nil || o.rows.Len() == 0 {
		return mapSource{}
	}
	s := mapSource{prefix: string(prefix), it: o.rows.Iter()}
	s.take(s.it.Seek(string(start)))
	if s.ok && beyond && s.key == string(start) {
		s.next()
	}
	return s
}

func (s *mapSource) next() { s.take(s.it.Next()) }

func (s *mapSource) take(ok bool) {
	s.ok = ok && strings.HasPrefix(s.it.Key(), s.prefix)
	if s.ok {
		s.key, s.value = s.it.Key(), s.it.Value()
	}
}

// boltSource walks a bucket of the index.
type boltSource struct {
	prefix []byte
	c      *bbolt.Cursor
	key    []byte
	value  []byte
	ok     bool
}

func (r *reader) newBoltSource(prefix, start []byte, beyond bool) (boltSource, error) {
	b, err := r.bucket(prefix[0])
	if err != nil {
		return boltSource{}, err
	}
	s := boltSource{prefix: prefix, c: b.Cursor()}
	s.take(s.c.Seek(start[1:]))
	if s.ok && beyond && bytes.Equal(s.key, start) {
		s.next()
	}
	return s, nil
}

func (s *boltSource) next() { s.take(s.c.Next()) }

func (s *boltSource) take(k, v []byte) {
	s.ok = k != nil && bytes.HasPrefix(k, s.prefix[1:])
	if !s.ok {
		return
	}
	s.key = append(append(make([]byte, 0, len(k)+1), s.prefix[0]), k...)
	if v == nil {
		v = []byte{}
	}
	s.value = v
}
