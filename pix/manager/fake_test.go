package manager_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/manager"
)

// memory is a Store whose records are counted by identifier; refused feeds are recorded beside it.
type memory struct {
	patients map[string]pix.Patient
	records  map[string]int
	audit    []*atna.AuditMessage // in commits
	refused  []*atna.AuditMessage // through the Recorder
	broken   error
}

type memoryTx struct{ m *memory }

func (m *memory) View(_ context.Context, f func(manager.Tx) error) error { return f(memoryTx{m}) }

func (m *memory) Update(_ context.Context, f func(manager.Tx) error) error {
	if m.broken != nil {
		return m.broken
	}
	next := &memory{patients: maps.Clone(m.patients), records: maps.Clone(m.records), audit: slices.Clone(m.audit)}
	if err := f(memoryTx{next}); err != nil {
		return err
	}
	m.patients, m.records, m.audit = next.patients, next.records, next.audit
	return nil
}

func (m *memory) Record(_ context.Context, message *atna.AuditMessage) error {
	m.refused = append(m.refused, message)
	return nil
}

func (t memoryTx) Patient(id hl7.CX) (pix.Patient, bool, error) {
	p, ok := t.m.patients[id.Key()]
	return p, ok, nil
}

func (t memoryTx) PutPatient(p pix.Patient) error {
	t.m.patients[p.ID.Key()] = p
	return nil
}

func (t memoryTx) MoveRecord(from, to hl7.CX) (int, error) {
	n := t.m.records[from.Key()]
	t.m.records[to.Key()] += n
	delete(t.m.records, from.Key())
	return n, nil
}

func (t memoryTx) Record(message *atna.AuditMessage) error {
	t.m.audit = append(t.m.audit, message)
	return nil
}

// drain gives what was audited since the last call, one word per record: action, outcome, patient.
func (m *memory) drain(list *[]*atna.AuditMessage) []string {
	var out []string
	for _, a := range *list {
		id := "-"
		if len(a.ParticipantObjects) > 0 {
			id = a.ParticipantObjects[0].ParticipantObjectID
		}
		out = append(out, fmt.Sprintf("%s %s %d %s", a.EventIdentification.EventTypeCodes[0].Code, a.EventIdentification.EventActionCode, a.EventIdentification.EventOutcomeIndicator, id))
	}
	*list = nil
	return out
}

const domain = "1.2.250.1.213.1.4.10"

func id(s string) hl7.CX {
	return hl7.CX{ID: s, AssigningAuthority: hl7.HD{UniversalID: domain, UniversalIDType: "ISO"}}
}

func now() time.Time { return time.Date(2026, 11, 23, 8, 31, 0, 0, time.UTC) }

func world(t *testing.T) (*manager.Manager, *memory) {
	t.Helper()
	m := &memory{patients: map[string]pix.Patient{}, records: map[string]int{}}
	n := 0
	mgr, err := manager.New(manager.Config{Store: m, Recorder: m, Reporter: &atna.Reporter{SourceID: "passerelle", ProcessID: "1"}, Clock: now,
		NewID:   func() string { n++; return fmt.Sprintf("A%d", n) },
		Domains: []pix.Domain{{AssigningAuthority: hl7.HD{NamespaceID: "INS", UniversalID: domain, UniversalIDType: "ISO"}}}, DeviceID: "1.2.3.9"})
	if err != nil {
		t.Fatal(err)
	}
	return mgr, m
}

var errDisk = errors.New("disk full: /var/lib/secret")
