package storetest

import (
	"context"
	"slices"
	"sync"

	"github.com/passerelle-sante/passerelle/atna/arr"
)

// Trail is an arr.Store in memory, written to be plainly right: for tests of what stands on a store, and as the model of the real one.
type Trail struct {
	Describe func(arr.Received) arr.Row // nil: nothing can be searched for but the time of arrival
	mu       sync.Mutex
	records  []arr.Record
	rows     []arr.Row
	twice    []bool
	expired  uint64
}

var _ arr.Store = (*Trail)(nil)

// Append keeps records.
func (m *Trail) Append(_ context.Context, records []arr.Received) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	first := uint64(len(m.records))
	for _, r := range records {
		if len(r.Raw)+len(r.Peer) > arr.MaxRecord {
			return 0, arr.ErrTooLarge
		}
		row := arr.Row{Event: r.At}
		if m.Describe != nil {
			row = m.Describe(r)
		}
		if row.Event.IsZero() {
			row.Event = r.At
		}
		r.Raw = slices.Clone(r.Raw)
		m.twice = append(m.twice, m.held(row))
		m.records = append(m.records, arr.Record{Seq: uint64(len(m.records)), Received: r})
		m.rows = append(m.rows, row)
	}
	return first, nil
}

// held tells whether a record with the same digest came before.
func (m *Trail) held(row arr.Row) bool {
	for _, t := range row.Terms {
		for _, earlier := range m.rows[m.expired:] {
			if t.Field == arr.FieldDigest && slices.Contains(earlier.Terms, t) {
				return true
			}
		}
	}
	return false
}

// Expire forgets the records before end.
func (m *Trail) Expire(end uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expired = max(m.expired, end)
}

// Read gives one record.
func (m *Trail) Read(_ context.Context, seq uint64) (arr.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case seq < m.expired:
		return arr.Record{}, arr.ErrExpired
	case seq >= uint64(len(m.records)):
		return arr.Record{}, arr.ErrNoRecord
	}
	return m.records[seq], nil
}

// Scan gives records in order.
func (m *Trail) Scan(ctx context.Context, from uint64, f func(arr.Record) (bool, error)) error {
	m.mu.Lock()
	records := m.records
	from = max(from, m.expired)
	m.mu.Unlock()
	for seq := from; seq < uint64(len(records)); seq++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if more, err := f(records[seq]); err != nil || !more {
			return err
		}
	}
	return nil
}

// Size is the number of records ever kept.
func (m *Trail) Size() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return uint64(len(m.records))
}

// Search looks at every record.
func (m *Trail) Search(_ context.Context, c arr.Criteria) (arr.Page, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var page arr.Page
	limit := c.Limit
	if limit <= 0 {
		limit = 100
	}
	n := uint64(len(m.records))
	for i := m.expired; i < n; i++ {
		seq := i
		if !c.OldestFirst {
			seq = n - 1 - (i - m.expired)
		}
		if !m.meets(seq, c) {
			continue
		}
		if c.Count {
			page.Total++
		}
		switch {
		case c.Resume && (c.OldestFirst && seq <= c.After || !c.OldestFirst && seq >= c.After):
		case len(page.Hits) == limit:
			page.More = true
		default:
			page.Hits = append(page.Hits, arr.Hit{Seq: seq, Event: m.rows[seq].Event.UTC(), Summary: slices.Clone(m.rows[seq].Summary)})
		}
	}
	return page, nil
}

func (m *Trail) meets(seq uint64, c arr.Criteria) bool {
	row, byDigest := m.rows[seq], false
	for _, group := range c.Terms {
		met := false
		for _, t := range group {
			if m.twice[seq] && t.Field != arr.FieldDigest {
				continue // a record that came again is found by its digest alone
			}
			if slices.Contains(row.Terms, t) {
				met, byDigest = true, byDigest || t.Field == arr.FieldDigest
			}
		}
		if !met {
			return false
		}
	}
	if m.twice[seq] && !byDigest {
		return false
	}
	return (c.From.IsZero() || !row.Event.Before(c.From)) && (c.To.IsZero() || row.Event.Before(c.To))
}
