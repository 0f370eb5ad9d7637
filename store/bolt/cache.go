package bolt

import (
	"sync"

	"github.com/passerelle-sante/passerelle/xds"
)

// cache keeps decoded objects for views, by number. It needs no invalidation: an object counts only while the row that was just read holds
// the very bytes it was decoded from, at whatever moment the view looks. What is dropped first is what was not asked for during the last half of the
// room; keeping exact order would cost a lock and a list for every look-up.
type cache struct {
	limit int

	mu     sync.Mutex
	young  map[uint64]*cached
	old    map[uint64]*cached
	weight int // of young
}

type cached struct {
	raw    string
	object xds.Object
}

func newCache(limit int) *cache {
	if limit <= 0 {
		return nil
	}
	return &cache{limit: limit, young: map[uint64]*cached{}}
}

// weightOf is about what an object costs here: its row, the decoded form and, for a document entry, its text on the wire.
func weightOf(c *cached) int {
	if c.object.Entry != nil {
		return 12 * len(c.raw)
	}
	return 4*len(c.raw) + 512
}

// get gives the object that was decoded from value.
func (c *cache) get(seq uint64, value []byte) (xds.Object, bool) {
	if c == nil {
		return xds.Object{}, false
	}
	c.mu.Lock()
	o := c.young[seq]
	if o == nil {
		if o = c.old[seq]; o != nil {
			delete(c.old, seq)
			c.add(seq, o)
		}
	}
	c.mu.Unlock()
	if o == nil || o.raw != string(value) {
		return xds.Object{}, false
	}
	o.object.Wire.Want()
	return o.object, true
}

// put keeps the object that was decoded from raw.
func (c *cache) put(seq uint64, raw string, o xds.Object) xds.Object {
	if c == nil {
		return o
	}
	o.Wire = &xds.Wire{}
	n := &cached{raw: raw, object: o}
	c.mu.Lock()
	c.add(seq, n)
	c.mu.Unlock()
	return o
}

// drop forgets removed objects. A view of an earlier moment that reads one just now may bring it back, until it ages out.
func (c *cache) drop(seqs []uint64) {
	if c == nil || len(seqs) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, seq := range seqs {
		delete(c.old, seq)
		if o := c.young[seq]; o != nil {
			delete(c.young, seq)
			c.weight -= weightOf(o)
		}
	}
}

func (c *cache) add(seq uint64, o *cached) {
	if c.weight >= c.limit/2 {
		c.old, c.young, c.weight = c.young, make(map[uint64]*cached, len(c.young)), 0
	}
	if c.young[seq] == nil {
		c.weight += weightOf(o)
	}
	c.young[seq] = o
}
