package bolt

import (
	"encoding/binary"
	"errors"
	"unsafe"

	"github.com/tidwall/btree"
)

// overlay is an ordered map of rows above the index. A nil value is a deletion. The key has the bucket byte in front.
type overlay struct {
	rows *btree.Map[string, []byte]
	size int    // bytes it stands for
	last uint64 // journal sequence of the newest update in it
	gone bool   // it holds removals of objects, whose rows the journal must not keep
}

// perRow is what a row costs beyond its bytes.
const perRow = 64

func newOverlay() *overlay { return &overlay{rows: btree.NewMap[string, []byte](20)} }

func (o *overlay) set(key string, value []byte) (prev []byte, had bool) {
	prev, had = o.rows.Set(key, value)
	if had {
		o.size += len(value) - len(prev)
	} else {
		o.size += len(key) + len(value) + perRow
	}
	return prev, had
}

// unset takes back a set.
func (o *overlay) unset(key string, prev []byte, had bool) {
	if had {
		o.set(key, prev)
		return
	}
	if v, ok := o.rows.Delete(key); ok {
		o.size -= len(key) + len(v) + perRow
	}
}

// copy is a moment of the overlay that later sets do not change. It shares nodes until either side writes them.
func (o *overlay) copy() *overlay {
	return &overlay{rows: o.rows.Copy(), size: o.size, last: o.last}
}

// layers are the overlays a transaction reads through, above bbolt.
type layers struct{ active, frozen *overlay }

// lookup finds a row in the overlays. ok is true also for a deletion, whose value is nil.
func (l layers) lookup(key []byte) (value []byte, ok bool) {
	k := unsafe.String(unsafe.SliceData(key), len(key)) // only for the length of the call; the map keeps keys of its own
	if l.active != nil && l.active.rows.Len() > 0 {
		if v, ok := l.active.rows.Get(k); ok {
			return v, true
		}
	}
	if l.frozen != nil {
		return l.frozen.rows.Get(k)
	}
	return nil, false
}

var errRows = errors.New("journal record is not a list of rows")

// appendRow writes one row of a journal record: key length, key, 0 for a deletion or value length + 1, value.
func appendRow(b, key, value []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(key)))
	b = append(b, key...)
	if value == nil {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(value))+1)
	return append(b, value...)
}

func decodeRows(b []byte, fn func(key, value []byte) error) error {
	for len(b) > 0 {
		n, w := binary.Uvarint(b)
		if w <= 0 || n == 0 || n > uint64(len(b)-w) {
			return errRows
		}
		key := b[w : w+int(n)]
		b = b[w+int(n):]
		n, w = binary.Uvarint(b)
		if w <= 0 || n > uint64(len(b)-w)+1 {
			return errRows
		}
		b = b[w:]
		var value []byte
		if n > 0 {
			value = b[: n-1 : n-1]
			b = b[n-1:]
		}
		if err := fn(key, value); err != nil {
			return err
		}
	}
	return nil
}

// keep copies a row into the arena: rows are small and many, and all of an overlay go together.
func (db *DB) keep(key, value []byte) (string, []byte) {
	k := db.alloc(key)
	s := unsafe.String(unsafe.SliceData(k), len(k))
	switch {
	case value == nil:
		return s, nil
	case len(value) == 0:
		return s, []byte{} // never nil, which is a deletion
	}
	return s, db.alloc(value)
}

func (db *DB) alloc(b []byte) []byte {
	const block = 64 << 10
	if len(b) > block/4 {
		return append(make([]byte, 0, len(b)), b...)
	}
	if cap(db.arena)-len(db.arena) < len(b) {
		db.arena = make([]byte, 0, block)
	}
	at := len(db.arena)
	db.arena = append(db.arena, b...)
	return db.arena[at:len(db.arena):len(db.arena)]
}
