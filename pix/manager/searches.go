package manager

import (
	"container/list"
	"sync"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/pixv3"
	"github.com/passerelle-sante/passerelle/wire/hl7v3"
)

// The bounds of searches that wait for their continuation: how many of all nodes and of one, and for how long.
const (
	mostSearches       = 1024
	mostSearchesOfNode = 64
	searchWaits        = 10 * time.Minute
)

// search is a demographics query that has more to tell. It holds no person, only the place where to go on: what is told is what is known then.
type search struct {
	query    pixv3.Query // what is told again with each part
	demand   Demand
	told     int // persons
	total    int // -1 when nobody counted
	previous string
	before   int // what told was before the last part, which may be asked for again
	expires  time.Time
	node     string
	key      string
}

// left says what is left after the part that was told last.
func (s *search) left() pixv3.Told {
	switch {
	case s.demand.After == "":
		return pixv3.Told{Total: s.told} // the end: now we know
	case s.total < 0:
		return pixv3.Told{Total: -1, Remaining: 1}
	}
	remaining := max(s.total-s.told, 1)
	return pixv3.Told{Total: s.told + remaining, Remaining: remaining}
}

// advance moves the place behind a page.
func (s *search) advance(p Page) {
	s.previous, s.before = s.demand.After, s.told
	s.demand.After, s.told = p.Next, s.told+len(p.Candidates)
	if s.total >= 0 && s.told >= s.total {
		s.demand.After = "" // what stands behind are other identities of persons that were told
	}
}

// from goes to the person of that number: the next one, or the first of the last part again when its answer was lost. 0 is the next one.
func (s *search) from(start int) error {
	switch start {
	case 0, s.told + 1:
		return nil
	case s.before + 1:
		s.demand.After, s.told = s.previous, s.before
		return nil
	}
	return &pix.Error{Code: pix.CodeDataType, At: pix.AtContinuation, Location: "/QUQI_IN000003UV01/controlActProcess/queryContinuation/startResultNumber",
		Text: "the query goes on behind what was told, or tells the last part again"}
}

// searches are those that wait, by the node that asked and the id it gave its query. The zero value works.
type searches struct {
	mu    sync.Mutex
	byKey map[string]*list.Element
	order list.List // of *search, the next to expire first
	nodes map[string]int
}

// keyOf tells nodes apart by their certificates; without one, by their addresses.
func keyOf(c auth.Caller, id hl7v3.II) (node, key string) {
	node = "node " + c.Node
	if c.Node == "" {
		node = "address " + c.Address
	}
	return node, node + "\x00" + id.Root + "\x00" + id.Extension
}

// put keeps a search; beyond the bounds the oldest go, those of the same node first.
func (l *searches) put(c auth.Caller, id hl7v3.II, s *search, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byKey == nil {
		l.byKey, l.nodes = map[string]*list.Element{}, map[string]int{}
	}
	s.node, s.key = keyOf(c, id)
	s.expires = now.Add(searchWaits)
	if e := l.byKey[s.key]; e != nil {
		l.drop(e)
	}
	l.expire(now)
	for e := l.order.Front(); e != nil && l.nodes[s.node] >= mostSearchesOfNode; {
		next := e.Next()
		if e.Value.(*search).node == s.node {
			l.drop(e)
		}
		e = next
	}
	if l.order.Len() >= mostSearches {
		l.drop(l.order.Front())
	}
	l.byKey[s.key] = l.order.PushBack(s)
	l.nodes[s.node]++
}

// take gives a search away, nil when the node has none of that id.
func (l *searches) take(c auth.Caller, id hl7v3.II, now time.Time) *search {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(now)
	_, key := keyOf(c, id)
	e := l.byKey[key]
	if e == nil {
		return nil
	}
	l.drop(e)
	return e.Value.(*search)
}

func (l *searches) expire(now time.Time) {
	for e := l.order.Front(); e != nil && !now.Before(e.Value.(*search).expires); e = l.order.Front() {
		l.drop(e)
	}
}

func (l *searches) drop(e *list.Element) {
	s := l.order.Remove(e).(*search)
	delete(l.byKey, s.key)
	if l.nodes[s.node]--; l.nodes[s.node] == 0 {
		delete(l.nodes, s.node)
	}
}
