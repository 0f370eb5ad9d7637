package gateway_test

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/store/bolt"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/xdsclient"
)

// trail stops the gateway and reads its audit trail, one line a message: event, transactions, action, outcome and text, objects.
func (r *running) trail(t *testing.T) []string {
	t.Helper()
	var lines []string
	for _, m := range r.messages(t) {
		lines = append(lines, line(m))
	}
	return lines
}

// messages stops the gateway and reads its audit trail.
func (r *running) messages(t *testing.T) (out []*atna.AuditMessage) {
	t.Helper()
	r.stop()
	db, err := bolt.Open(filepath.Join(r.data, "metadata"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	stored, err := db.Audit().From(context.Background(), 1, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stored {
		out = append(out, s.Message)
	}
	return out
}

func line(m *atna.AuditMessage) string {
	e := m.EventIdentification
	s := fmt.Sprintf("%s %s %s %d", e.EventID.Code, e.EventTypeCodes[0].Code, e.EventActionCode, e.EventOutcomeIndicator)
	if e.EventOutcomeDescription != "" {
		s += " " + e.EventOutcomeDescription
	}
	for _, o := range m.ParticipantObjects {
		s += " | " + o.ParticipantObjectTypeCodeRole + " " + o.ParticipantObjectID
	}
	return s
}

// What happened is what the trail tells, accepted or refused, in the order it happened.
func TestAuditTrail(t *testing.T) {
	g := run(t, "repository: {unique_id: 1.2.9}\n")
	g.announce(t, 1)
	sub := sample.Submission(1, 1, 1, time.Now())
	if err := provide(g, sub, sample.Document(1, 300)); err != nil {
		t.Fatal(err)
	}
	stranger := sample.Submission(1, 2, 2, time.Now())
	if err := provide(g, stranger, sample.Document(1, 300)); err == nil {
		t.Fatal("accepted a patient nobody announced")
	}
	c := xdsclient.Consumer{Registry: g.client(gateway.RegistryPath), Repository: g.client(gateway.RepositoryPath)}
	if _, err := c.GetAll(context.Background(), sample.PatientID(1)); err != nil {
		t.Fatal(err)
	}
	uid := sub.Entries[0].UniqueID
	if err := c.Retrieve(context.Background(), xds.DocumentRequest{RepositoryUniqueID: "1.2.9", UniqueID: uid}, io.Discard); err != nil {
		t.Fatal(err)
	}
	if err := c.Retrieve(context.Background(), xds.DocumentRequest{RepositoryUniqueID: "1.2.9", UniqueID: "1.2.3"}, io.Discard); err == nil {
		t.Fatal("retrieved what nobody stored")
	}
	if _, err := g.client(gateway.RegistryPath).Call(context.Background(), "urn:ihe:iti:2007:RegistryStoredQuery", []byte("<nonsense/>"), nil); err == nil {
		t.Fatal("answered nonsense")
	}
	one, two := sample.PatientID(1), sample.PatientID(2)
	ins := strings.Replace(one.String(), "^^^&", "^^^ASIP-SANTE-INS-NIR&", 1)
	ins = strings.Replace(ins, "^NH", "^INS", 1)
	want := []string{
		"110100 110120 E 0",
		"110110 ITI-8 C 0 | 1 " + ins,
		"110107 ITI-41 C 0 | 1 " + one.String() + " | 20 " + string(sub.Set.UniqueID),
		"110107 ITI-42 C 0 | 1 " + one.String() + " | 20 " + string(sub.Set.UniqueID),
		"110107 ITI-42 C 4 XDSUnknownPatientId | 1 " + two.String() + " | 20 " + string(stranger.Set.UniqueID),
		"110107 ITI-41 C 4 XDSUnknownPatientId | 1 " + two.String() + " | 20 " + string(stranger.Set.UniqueID),
		"110112 ITI-18 E 0 | 1 " + one.String() + " | 24 urn:uuid:10b545ea-725c-446d-9b95-8aeb444eddf3",
		"110106 ITI-43 R 0 | 1 " + one.String() + " | 3 " + string(uid),
		"110106 ITI-43 R 4 XDSDocumentUniqueIdError | 3 1.2.3",
		"110112 ITI-18 E 8 refused: Sender",
		"110100 110121 E 0",
	}
	got := g.trail(t)
	for i := range max(len(got), len(want)) {
		a, b := "", ""
		if i < len(got) {
			a = got[i]
		}
		if i < len(want) {
			b = want[i]
		}
		if a != b {
			t.Errorf("%d:\n got %s\nwant %s", i+1, a, b)
		}
	}
}
