package bolt

import (
	"encoding/json"
	"fmt"
	"sync"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/policy"
)

var _ policy.Facts = (*reader)(nil)

// SharedRecord implements policy.Facts.
func (r *reader) SharedRecord(patient hl7.CX) (*policy.Record, error) {
	key := textKey(nil, bRecord, patient.Key())
	v, err := r.get(key)
	if err != nil || v == nil {
		return nil, err
	}
	return facts(r.facts, string(key), v, func(rec *policy.Record) error { return json.Unmarshal(v, rec) })
}

// Members implements policy.Facts.
func (r *reader) Members(group string) ([]policy.Membership, error) {
	key := textKey(nil, bGroup, group)
	v, err := r.get(key)
	if err != nil || v == nil {
		return nil, err
	}
	members, err := facts(r.facts, string(key), v, func(ms *[]policy.Membership) error { return json.Unmarshal(v, ms) })
	if err != nil {
		return nil, err
	}
	return *members, nil
}

// RecordsOf gives the patients whose record names that person, group or structure in a right that it holds, or held.
func (r *reader) RecordsOf(holder string) ([]hl7.CX, error) {
	var found []hl7.CX
	err := r.scan(appendHash([]byte{bHolder}, holder), nil, func(_, value []byte) (bool, error) {
		id, err := hl7.ParseCX(string(value))
		if err != nil {
			return false, fmt.Errorf("holder row: %w", err)
		}
		found = append(found, id)
		return true, nil
	})
	return found, err
}

// PutRecord keeps a shared record, and by whom it is found.
func (tx *writeTx) PutRecord(rec *policy.Record) error {
	old, err := tx.SharedRecord(rec.Patient)
	if err != nil {
		return err
	}
	v, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	tx.put(textKey(nil, bRecord, rec.Patient.Key()), v)
	before := map[string]bool{}
	for _, k := range holderKeys(old) {
		before[k] = true
	}
	for _, k := range holderKeys(rec) {
		if !before[k] {
			tx.put([]byte(k), []byte(rec.Patient.String()))
		}
		delete(before, k)
	}
	for k := range before {
		tx.put([]byte(k), nil)
	}
	return nil
}

func holderKeys(rec *policy.Record) []string {
	if rec == nil {
		return nil
	}
	var keys []string
	seen := map[string]bool{"": true}
	for _, h := range rec.Rights {
		for _, id := range []string{h.Party.Person, h.Party.Group, h.Party.Structure} {
			if !seen[id] {
				seen[id] = true
				keys = append(keys, string(textKey(appendHash([]byte{bHolder}, id), 'k', rec.Patient.Key())))
			}
		}
	}
	return keys
}

// PutMembers keeps who belongs to a group practice or team; none forgets it.
func (tx *writeTx) PutMembers(group string, members []policy.Membership) error {
	key := textKey(nil, bGroup, group)
	if len(members) == 0 {
		tx.put(key, nil)
		return nil
	}
	v, err := json.Marshal(members)
	if err != nil {
		return err
	}
	tx.put(key, v)
	return nil
}

// memo keeps decoded facts by their row's key. As the cache of objects, it needs no invalidation: a fact counts while the row holds the bytes it was decoded from.
type memo struct {
	mu    sync.Mutex
	young map[string]fact
	old   map[string]fact
}

type fact struct {
	raw   string
	value any
}

// mostFacts is how many decoded facts are kept, twice over: some 2 KB each.
const mostFacts = 8192

func (m *memo) get(key string) (fact, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.young[key]
	if !ok {
		if f, ok = m.old[key]; ok {
			m.add(key, f)
		}
	}
	return f, ok
}

func (m *memo) put(key string, f fact) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(key, f)
}

func (m *memo) add(key string, f fact) {
	if m.young == nil || len(m.young) >= mostFacts {
		m.old, m.young = m.young, make(map[string]fact)
	}
	m.young[key] = f
}

// facts gives what a row says, decoded once. An update has no memo, as what it decodes is its own to change.
func facts[T any](m *memo, key string, raw []byte, decode func(*T) error) (*T, error) {
	if m != nil {
		if f, ok := m.get(key); ok && f.raw == string(raw) {
			return f.value.(*T), nil
		}
	}
	v := new(T)
	if err := decode(v); err != nil {
		return nil, fmt.Errorf("fact: %w", err)
	}
	if m != nil {
		m.put(key, fact{string(raw), v})
	}
	return v, nil
}
