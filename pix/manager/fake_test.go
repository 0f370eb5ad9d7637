package manager_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/manager"
	"github.com/passerelle-sante/passerelle/store/storetest"
)

// memory is a Store beside what was recorded outside its commits.
type memory struct {
	*storetest.PatientsMemory
	refused []*atna.AuditMessage // through the Recorder
}

func newMemory() *memory { return &memory{PatientsMemory: storetest.NewPatientsMemory()} }

func (m *memory) Record(_ context.Context, message *atna.AuditMessage) error {
	m.refused = append(m.refused, message)
	return nil
}

// file puts n records under an identifier.
func (m *memory) file(id hl7.CX, n int) {
	for range n {
		m.Records[uint64(len(m.Records))+1] = id
	}
}

// filed counts the records by identifier.
func (m *memory) filed() map[string]int {
	n := map[string]int{}
	for _, id := range m.Records {
		n[id.Key()]++
	}
	return n
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
	return worldOf(t, manager.Config{Domains: []pix.Domain{{AssigningAuthority: hl7.HD{NamespaceID: "INS", UniversalID: domain, UniversalIDType: "ISO"}}}})
}

// worldOf completes a configuration with a store in memory.
func worldOf(t *testing.T, cfg manager.Config) (*manager.Manager, *memory) {
	t.Helper()
	m, n := newMemory(), 0
	cfg.Store, cfg.Recorder, cfg.Reporter, cfg.Clock, cfg.DeviceID = m, m, &atna.Reporter{SourceID: "passerelle", ProcessID: "1"}, now, "1.2.3.9"
	cfg.Domains = slices.Clone(cfg.Domains)
	cfg.NewID = func() string { n++; return fmt.Sprintf("A%d", n) }
	mgr, err := manager.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return mgr, m
}

var errDisk = errors.New("disk full: /var/lib/secret")
