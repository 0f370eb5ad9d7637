package dmp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/dmp"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/policy"
)

// memory is a store of records; what it gives is a copy, as a real one's.
type memory struct {
	records map[string][]byte
	groups  map[string][]policy.Membership
	audit   []*atna.AuditMessage
	fail    error
}

type memoryTx struct{ *memory }

func (m *memory) View(_ context.Context, f func(dmp.Tx) error) error { return f(memoryTx{m}) }

func (m *memory) Update(_ context.Context, f func(dmp.UpdateTx) error) error {
	next := &memory{records: map[string][]byte{}, groups: map[string][]policy.Membership{}, audit: slices.Clone(m.audit)}
	for k, v := range m.records {
		next.records[k] = v
	}
	for k, v := range m.groups {
		next.groups[k] = v
	}
	if err := f(memoryTx{next}); err != nil {
		return err
	}
	if m.fail != nil {
		return m.fail
	}
	m.records, m.groups, m.audit = next.records, next.groups, next.audit
	return nil
}

func (t memoryTx) SharedRecord(id hl7.CX) (*policy.Record, error) {
	b, ok := t.records[id.Key()]
	if !ok {
		return nil, nil
	}
	rec := new(policy.Record)
	return rec, json.Unmarshal(b, rec)
}

func (t memoryTx) Members(group string) ([]policy.Membership, error) { return t.groups[group], nil }

func (t memoryTx) RecordsOf(id string) ([]hl7.CX, error) {
	var list []hl7.CX
	for _, b := range t.records {
		rec := new(policy.Record)
		if err := json.Unmarshal(b, rec); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(rec.Rights, func(h policy.Habilitation) bool {
			return h.Party.Person == id || h.Party.Group == id || h.Party.Structure == id
		}) {
			list = append(list, rec.Patient)
		}
	}
	slices.SortFunc(list, func(a, b hl7.CX) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}

func (t memoryTx) PutRecord(rec *policy.Record) (err error) {
	t.records[rec.Patient.Key()], err = json.Marshal(rec)
	return err
}

func (t memoryTx) PutMembers(group string, members []policy.Membership) error {
	t.groups[group] = members
	return nil
}

func (t memoryTx) Record(m *atna.AuditMessage) error {
	t.memory.audit = append(t.memory.audit, m)
	return nil
}

// recorder keeps what is recorded outside of updates where the store keeps the rest.
type recorder struct{ *memory }

func (r recorder) Record(_ context.Context, m *atna.AuditMessage) error {
	r.memory.audit = append(r.memory.audit, m)
	return nil
}

// people are the identities.
type people struct {
	known  map[string]pix.Patient
	refuse error
}

func (p *people) Identity(_ context.Context, id hl7.CX) (pix.Patient, bool, error) {
	one, ok := p.known[id.Key()]
	return one, ok, nil
}

func (p *people) Announce(_ context.Context, _ auth.Caller, one pix.Patient) error {
	if p.refuse != nil {
		return p.refuse
	}
	p.known[one.ID.Key()] = one
	return nil
}

// Trace is the whole audit trail, as an audit log would find it.
func (m *memory) Trace(_ context.Context, id hl7.CX, before uint64, max int) (page []dmp.Traced, more bool, err error) {
	for i, a := range slices.Backward(m.audit) {
		seq := uint64(i + 1)
		if before != 0 && seq >= before || !slices.ContainsFunc(a.ParticipantObjects, func(o atna.ParticipantObject) bool {
			cx, err := hl7.ParseCX(o.ParticipantObjectID)
			return err == nil && cx.Same(id)
		}) {
			continue
		}
		if len(page) == max {
			return page, true, nil
		}
		page = append(page, dmp.Traced{Seq: seq, Message: a})
	}
	return page, false, nil
}

// world is an actor with all it needs.
type world struct {
	t *testing.T
	*dmp.DMP
	gate   *policy.Gate
	store  *memory
	people *people
	now    time.Time
	ids    int
	erased []hl7.CX
	latest map[string][2]time.Time
}

func (w *world) Erase(_ context.Context, id hl7.CX) error {
	w.erased = append(w.erased, id)
	return nil
}

func (w *world) Latest(_ context.Context, _ auth.Caller, id hl7.CX) (added, changed time.Time, err error) {
	l := w.latest[id.ID]
	return l[0], l[1], nil
}

// The people of these tests; all are invented.
var (
	paul  = national("207058575627097")
	julie = national("279035121518989")

	martin  = professional("899900063480", "LIBRE MAX", "499900063480001", "10^1.2.250.1.71.1.2.7")
	dubois  = professional("899900012345", "ANNE DUBOIS", "1750100125", "10^1.2.250.1.71.1.2.7")
	nurse   = professional("899900099999", "LEA PETIT", "1750100125", "60^1.2.250.1.71.1.2.7")
	counter = auth.Caller{Capacity: auth.CapacityOperator, Node: "operator:local", Person: "camille", Endpoint: "control"}
)

func national(ins string) hl7.CX {
	return hl7.CX{ID: ins, AssigningAuthority: hl7.HD{UniversalID: "1.2.250.1.213.1.4.10", UniversalIDType: "ISO"}, TypeCode: "NH"}
}

func professional(id, name, structure, role string) auth.Caller {
	return auth.Caller{Capacity: auth.CapacityProfessional, Node: "lps.example", Subject: "CN=lps.example", Person: id, PersonName: name, Organisation: structure, Role: role,
		Purpose: "normal^1.2.250.1.213.1.1.4.248", Patient: paul.String()}
}

func holder(id hl7.CX) auth.Caller {
	return auth.Caller{Capacity: auth.CapacityPatient, Node: "portal.example", Person: id.String(), PersonName: "PAUL"}
}

func parent(id hl7.CX) auth.Caller {
	c := holder(id)
	c.Capacity = auth.CapacityRepresentative
	return c
}

func for_(c auth.Caller, id hl7.CX) auth.Caller {
	c.Patient = id.String()
	return c
}

func newWorld(t *testing.T, change ...func(*dmp.Config)) *world {
	w := &world{t: t, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), latest: map[string][2]time.Time{},
		store: &memory{records: map[string][]byte{}, groups: map[string][]policy.Membership{}}, people: &people{known: map[string]pix.Patient{}}}
	for _, p := range []struct {
		id    hl7.CX
		name  hl7.XPN
		birth string
	}{{paul, "patb-quatre^LAURENCE^^^M^^D", "20070525"}, {julie, "ESSAI^ZOE^^^^^L", "19790302"}} {
		w.people.known[p.id.Key()] = pix.Patient{ID: p.id, Demographics: pix.Demographics{Names: []hl7.XPN{p.name}, BirthDate: p.birth, Sex: "M",
			Telecoms: []string{"^NET^Internet^alain@gmail.com", "0102030405^PRS^CP"}}, OtherIDs: []hl7.CX{{ID: "1197854176879056415520", AssigningAuthority: hl7.HD{UniversalID: "1.2.250.1.213.1.4.2", UniversalIDType: "ISO"}}}}
	}
	clock := func() time.Time { return w.now }
	gate, err := policy.New(policy.Config{Matrix: policy.France(), TeamAfter: 48 * time.Hour, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	w.gate = gate
	cfg := dmp.Config{Store: w.store, Gate: gate, Recorder: recorder{w.store}, Events: &atna.Reporter{SourceID: "test"}, Identities: w.people, Journal: w.store, Documents: w, Eraser: w,
		DeviceID: "1.2.250.1.213.4.1.1.1", DeviceName: "DMP", Clock: clock,
		NewID: func() string { w.ids++; return fmt.Sprintf("id-%d", w.ids) }}
	for _, f := range change {
		f(&cfg)
	}
	d, err := dmp.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.DMP = d
	return w
}

// opened is a world where a patient has a record.
func opened(t *testing.T, id hl7.CX, change ...func(*dmp.Config)) *world {
	w := newWorld(t, change...)
	w.must(w.Open(t.Context(), counter, id, consent))
	return w
}

var consent = dmp.Opening{Consent: true, Notice: "2026-01", Where: "guichet 3"}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// refused wants an error of that code, and the last audit record to say so.
func (w *world) refused(err error, code dmp.Code) {
	w.t.Helper()
	e, ok := err.(*dmp.Error)
	if !ok || e.Code != code {
		w.t.Fatalf("%v, want %s", err, code)
	}
	if got := w.last(); !strings.HasPrefix(got, "8 "+string(code)) && !strings.HasPrefix(got, "4 "+string(code)) {
		w.t.Errorf("the audit record says %q", got)
	}
}

// last is the outcome of the newest audit record: number and text.
func (w *world) last() string {
	e := w.store.audit[len(w.store.audit)-1].EventIdentification
	return fmt.Sprint(e.EventOutcomeIndicator, " ", e.EventOutcomeDescription)
}

// audited gives the codes of the audit records from the n-th on, each with its action and outcome.
func (w *world) audited(n int) string {
	var list []string
	for _, m := range w.store.audit[n:] {
		e := m.EventIdentification
		list = append(list, fmt.Sprintf("%s %s%d", e.EventTypeCodes[0].Code, e.EventActionCode, e.EventOutcomeIndicator))
	}
	return strings.Join(list, ", ")
}

func (w *world) record(id hl7.CX) *policy.Record {
	rec, err := memoryTx{w.store}.SharedRecord(id)
	w.must(err)
	if rec == nil {
		w.t.Fatal("no record")
	}
	return rec
}

func (w *world) later(t string) {
	term, err := dmp.ParseTerm(t)
	w.must(err)
	d := map[byte]time.Duration{'i': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'm': 31 * 24 * time.Hour, 'y': 366 * 24 * time.Hour}[term.Unit]
	w.now = w.now.Add(time.Duration(term.N) * d)
}
