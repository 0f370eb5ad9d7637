package storetest

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"github.com/passerelle-sante/passerelle/atna/arr"
)

// AuditMemory is an audit log without a disk that looks at everything: what other stores are compared with, and what tests of other things use.
type AuditMemory struct {
	mu      sync.Mutex
	Records []arr.Record
	Broken  error // what Append and Search fail with
}

// Append implements arr.Store.
func (m *AuditMemory) Append(_ context.Context, records []arr.Received) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Broken != nil {
		return 0, m.Broken
	}
	first := uint64(len(m.Records))
	for _, r := range records {
		r.Raw = bytes.Clone(r.Raw)
		m.Records = append(m.Records, arr.Record{Seq: uint64(len(m.Records)), Received: r})
	}
	return first, nil
}

// Read implements arr.Store.
func (m *AuditMemory) Read(_ context.Context, seq uint64) (arr.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if seq >= uint64(len(m.Records)) {
		return arr.Record{}, arr.ErrNoRecord
	}
	return m.Records[seq], nil
}

// Scan implements arr.Store.
func (m *AuditMemory) Scan(ctx context.Context, from uint64, f func(arr.Record) (bool, error)) error {
	for ; from < m.Size(); from++ {
		r, _ := m.Read(ctx, from)
		if more, err := f(r); err != nil || !more {
			return err
		}
	}
	return nil
}

// Search implements arr.Store: it describes every record each time.
func (m *AuditMemory) Search(_ context.Context, c arr.Criteria) (arr.Page, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var p arr.Page
	if m.Broken != nil {
		return p, m.Broken
	}
	limit := c.Limit
	if limit == 0 {
		limit = 100
	}
	order := slices.Clone(m.Records)
	if !c.OldestFirst {
		slices.Reverse(order)
	}
	for _, rec := range order {
		row := arr.Describe(rec.Received)
		ok := (c.From.IsZero() || !row.Event.Before(c.From)) && (c.To.IsZero() || row.Event.Before(c.To))
		for _, group := range c.Terms {
			ok = ok && slices.ContainsFunc(group, func(t arr.Term) bool { return slices.Contains(row.Terms, t) })
		}
		if c.Resume && (c.OldestFirst && rec.Seq <= c.After || !c.OldestFirst && rec.Seq >= c.After) {
			ok = false
		}
		if !ok {
			continue
		}
		if len(p.Hits) == limit {
			p.More = true
			break
		}
		p.Hits = append(p.Hits, arr.Hit{Seq: rec.Seq, Event: row.Event, Summary: row.Summary})
	}
	p.Total = len(p.Hits)
	return p, nil
}

// Size implements arr.Store.
func (m *AuditMemory) Size() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return uint64(len(m.Records))
}
