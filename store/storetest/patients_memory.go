package storetest

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/manager"
)

// PatientsMemory is a manager.Store in memory, written to be plainly right: every look-up walks everything. Its fields may be read between
// transactions, and filled before the first. A record is a number filed under an identifier.
type PatientsMemory struct {
	Patients  map[string]pix.Patient // by CX.Key
	Records   map[uint64]hl7.CX      // objects and whose they are
	Edges     []pix.Link
	Pairs     []pix.Review
	Merges    map[string]pix.Merge
	Histories map[string][]pix.Change
	Outbox    []pix.CrossReference
	Audit     []*atna.AuditMessage
	Broken    error // what updates fail with
	last      uint64
}

var _ manager.Store = (*PatientsMemory)(nil)

// NewPatientsMemory gives an empty store.
func NewPatientsMemory() *PatientsMemory {
	return &PatientsMemory{Patients: map[string]pix.Patient{}, Records: map[uint64]hl7.CX{}, Merges: map[string]pix.Merge{}, Histories: map[string][]pix.Change{}}
}

// View implements manager.Store.
func (m *PatientsMemory) View(_ context.Context, f func(manager.Tx) error) error {
	return f(&memoryTx{m.clone(), true})
}

// Update implements manager.Store.
func (m *PatientsMemory) Update(_ context.Context, f func(manager.Tx) error) error {
	if m.Broken != nil {
		return m.Broken
	}
	next := m.clone()
	if err := f(&memoryTx{next, false}); err != nil {
		return err
	}
	*m = *next
	return nil
}

func (m *PatientsMemory) clone() *PatientsMemory {
	n := *m
	n.Patients, n.Records, n.Merges, n.Histories = maps.Clone(m.Patients), maps.Clone(m.Records), maps.Clone(m.Merges), maps.Clone(m.Histories)
	n.Edges, n.Pairs, n.Outbox, n.Audit = slices.Clone(m.Edges), slices.Clone(m.Pairs), slices.Clone(m.Outbox), slices.Clone(m.Audit)
	return &n
}

type memoryTx struct {
	m    *PatientsMemory
	view bool
}

var errMemoryView = errors.New("a view cannot write")

func (t *memoryTx) writes() error {
	if t.view {
		return errMemoryView
	}
	return nil
}

func (t *memoryTx) Patient(id hl7.CX) (pix.Patient, bool, error) {
	p, ok := t.m.Patients[id.Key()]
	return p, ok, nil
}

func (t *memoryTx) PutPatient(p *pix.Patient) error {
	if p.ID.ID == "" {
		return errors.New("patient without an identifier")
	}
	if old, ok := t.m.Patients[p.ID.Key()]; ok {
		p.Number = old.Number
	} else {
		t.m.last++
		p.Number = t.m.last
	}
	t.m.Patients[p.ID.Key()] = *p
	return t.writes()
}

func (t *memoryTx) DeletePatient(id hl7.CX) error {
	if links, _ := t.Links(id); len(links) > 0 {
		return errors.New("a patient who is linked cannot be forgotten")
	}
	delete(t.m.Patients, id.Key())
	delete(t.m.Histories, id.Key())
	return t.writes()
}

// all gives every patient that is wanted, by number.
func (t *memoryTx) all(wanted func(*pix.Patient) bool) []pix.Patient {
	var list []pix.Patient
	for _, p := range t.m.Patients {
		if wanted(&p) {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b pix.Patient) int { return cmp.Compare(a.Number, b.Number) })
	return list
}

func (t *memoryTx) Members(person uint64) ([]pix.Patient, error) {
	return t.all(func(p *pix.Patient) bool { return p.Person == person && p.Alive() }), nil
}

func (t *memoryTx) Alike(key string, max int) ([]pix.Patient, error) {
	list := t.all(func(p *pix.Patient) bool { return p.Alive() && slices.Contains(p.Keys, key) })
	return list[:min(len(list), max)], nil
}

func (t *memoryTx) Search(q *pix.Criteria, after string, yield func(p pix.Patient, at string) bool) error {
	from, err := strconv.ParseUint("0"+after, 10, 64)
	if err != nil {
		return manager.ErrPlace
	}
	for _, p := range t.all(q.Match) {
		if p.Number > from && !yield(p, strconv.FormatUint(p.Number, 10)) {
			break
		}
	}
	return nil
}

func (t *memoryTx) Links(id hl7.CX) ([]pix.Link, error) {
	var list []pix.Link
	for _, l := range t.m.Edges {
		if l.A.Same(id) || l.B.Same(id) {
			list = append(list, l)
		}
	}
	number := func(l pix.Link) uint64 { return t.m.Patients[l.Other(id).Key()].Number }
	slices.SortFunc(list, func(a, b pix.Link) int { return cmp.Compare(number(a), number(b)) })
	return list, nil
}

func (t *memoryTx) PutLink(l pix.Link) error {
	a, okA := t.m.Patients[l.A.Key()]
	b, okB := t.m.Patients[l.B.Key()]
	if !okA || !okB || a.Number == b.Number {
		return errors.New("a link needs two known patients")
	}
	if a.Number > b.Number {
		a, b = b, a
	}
	l.A, l.B = a.ID, b.ID
	if err := t.DeleteLink(l.A, l.B); err != nil {
		return err
	}
	t.m.Edges = append(t.m.Edges, l)
	return nil
}

func (t *memoryTx) DeleteLink(a, b hl7.CX) error {
	t.m.Edges = slices.DeleteFunc(t.m.Edges, func(l pix.Link) bool { return l.A.Same(a) && l.B.Same(b) || l.A.Same(b) && l.B.Same(a) })
	return t.writes()
}

func (t *memoryTx) PutReview(r *pix.Review) error {
	if r.ID == 0 {
		r.ID = uint64(len(t.m.Pairs)) + 1
		t.m.Pairs = append(t.m.Pairs, *r)
	}
	t.m.Pairs[r.ID-1] = *r
	return t.writes()
}

func (t *memoryTx) Review(id uint64) (pix.Review, bool, error) {
	if id == 0 || id > uint64(len(t.m.Pairs)) {
		return pix.Review{}, false, nil
	}
	return t.m.Pairs[id-1], true, nil
}

func (t *memoryTx) open(max int, wanted func(pix.Review) bool) []pix.Review {
	var list []pix.Review
	for _, r := range t.m.Pairs {
		if r.Decision == pix.Pending && wanted(r) && len(list) < max {
			list = append(list, r)
		}
	}
	return list
}

func (t *memoryTx) ReviewsOf(id hl7.CX) ([]pix.Review, error) {
	return t.open(len(t.m.Pairs), func(r pix.Review) bool { return r.A.Same(id) || r.B.Same(id) }), nil
}

func (t *memoryTx) OpenReviews(after uint64, max int) ([]pix.Review, error) {
	return t.open(max, func(r pix.Review) bool { return r.ID > after }), nil
}

func (t *memoryTx) MoveRecord(from, to hl7.CX) ([]uint64, error) {
	var moved []uint64
	for n, p := range t.m.Records {
		if p.Same(from) && !from.Same(to) {
			t.m.Records[n] = to
			moved = append(moved, n)
		}
	}
	slices.Sort(moved)
	return moved, t.writes()
}

// MoveSource moves nothing: whose identifier a source gave is not known of the objects here.
func (t *memoryTx) MoveSource(_, _, _, _ hl7.CX) (int, error) { return 0, t.writes() }

func (t *memoryTx) MoveBack(objects []uint64, from, to hl7.CX) (int, error) {
	moved := 0
	for _, n := range objects {
		if p, ok := t.m.Records[n]; ok && p.Same(from) {
			t.m.Records[n] = to
			moved++
		}
	}
	return moved, t.writes()
}

func (t *memoryTx) HasRecord(id hl7.CX) (bool, error) {
	for _, p := range t.m.Records {
		if p.Same(id) {
			return true, nil
		}
	}
	return false, nil
}

func (t *memoryTx) Merge(prior hl7.CX) (pix.Merge, bool, error) {
	m, ok := t.m.Merges[prior.Key()]
	return m, ok, nil
}

func (t *memoryTx) PutMerge(m pix.Merge) error {
	t.m.Merges[m.Prior.ID.Key()] = m
	return t.writes()
}

func (t *memoryTx) DeleteMerge(prior hl7.CX) error {
	delete(t.m.Merges, prior.Key())
	return t.writes()
}

func (t *memoryTx) AddHistory(id hl7.CX, c pix.Change) error {
	list := append(slices.Clone(t.m.Histories[id.Key()]), c)
	t.m.Histories[id.Key()] = list[max(0, len(list)-pix.MaxHistory):]
	return t.writes()
}

func (t *memoryTx) History(id hl7.CX) ([]pix.Change, error) { return t.m.Histories[id.Key()], nil }

func (t *memoryTx) Announce(c pix.CrossReference) error {
	c.Seq = uint64(len(t.m.Outbox)) + 1
	t.m.Outbox = append(t.m.Outbox, c)
	return t.writes()
}

func (t *memoryTx) Record(m *atna.AuditMessage) error {
	t.m.Audit = append(t.m.Audit, m)
	return t.writes()
}
