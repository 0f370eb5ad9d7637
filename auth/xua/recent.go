package xua

import (
	"container/list"
	"sync"
)

// recent is a bounded map that forgets what was not asked for longest. It is safe for concurrent use.
type recent[K comparable, V any] struct {
	mu    sync.Mutex
	max   int
	order list.List // of entry, the freshest first
	byKey map[K]*list.Element
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

func (r *recent[K, V]) get(k K) (v V, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.byKey[k]
	if e == nil {
		return v, false
	}
	r.order.MoveToFront(e)
	return e.Value.(*entry[K, V]).value, true
}

func (r *recent[K, V]) put(k K, v V) {
	r.getOrPut(k, v, func(V) bool { return false })
}

// getOrPut gives what is there if it still holds, and else puts the value.
func (r *recent[K, V]) getOrPut(k K, v V, holds func(V) bool) (had V, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byKey == nil {
		r.byKey = map[K]*list.Element{}
	}
	if e := r.byKey[k]; e != nil {
		r.order.MoveToFront(e)
		kept := e.Value.(*entry[K, V])
		if holds(kept.value) {
			return kept.value, true
		}
		kept.value = v
		return had, false
	}
	r.byKey[k] = r.order.PushFront(&entry[K, V]{k, v})
	if r.order.Len() > r.max {
		last := r.order.Back()
		delete(r.byKey, last.Value.(*entry[K, V]).key)
		r.order.Remove(last)
	}
	return had, false
}
