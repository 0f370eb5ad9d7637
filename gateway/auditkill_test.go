package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/atna/arr"
	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/xds/xdsclient"
)

// withPKI makes certificates for a process and gives the lines of its configuration that name them.
func (p *process) withPKI(dir string) string {
	return fmt.Sprintf("tls: {certificate: %s/server.pem, key: %s/server.key, client_ca: %s/ca.pem}\n", dir, dir, dir)
}

// records reads the whole audit log of a running gateway, as the operator's command does: each record once, however often it was sent.
func (p *process) records() map[string]int {
	p.t.Helper()
	found := map[string]int{}
	var parser atna.Parser
	err := gateway.AuditRecords(context.Background(), filepath.Join(p.dir, "data"), gateway.AuditQuery{Oldest: true, Fields: map[string][]string{"transaction": {"ITI-41"}, "outcome": {"0"}}},
		func(int) {}, func(r arr.Record) error {
			var m atna.AuditMessage
			if u := r.Understand(&parser, &m); len(u.Flaws) > 0 {
				return nil // half a message, from a sender that was killed while it wrote: kept and marked, and sent again whole
			}
			for _, o := range m.ParticipantObjects {
				if o.ParticipantObjectTypeCodeRole == "20" {
					found[o.ParticipantObjectID]++
				}
			}
			return nil
		})
	if err != nil {
		p.t.Fatal(err)
	}
	return found
}

// TestAuditOverCrashes: a gateway forwards its audit trail to the audit record repository of another over TLS, and either is killed at random instants. What was
// acknowledged to a document source is in the repository in the end, and found once.
func TestAuditOverCrashes(t *testing.T) {
	t.Parallel()
	kills := 200
	if testing.Short() {
		kills = 10
	}
	bin, pki := buildGateway(t), filepath.Join(t.TempDir(), "pki")
	if err := gateway.WritePKI(pki, false); err != nil {
		t.Fatal(err)
	}
	door := freePort(t)
	sender, receiver := newProcess(t, bin), newProcess(t, bin)
	sender.configure(sender.withPKI(pki) + fmt.Sprintf("audit: {forward: [{name: arr, address: \"tls://%s\"}]}\n", door))
	receiver.configure(receiver.withPKI(pki) + "audit: {repository: {enabled: true, checkpoint: 1}}\n")
	receiver.replace("listen: {", fmt.Sprintf("listen: {audit_tls: %q, ", door))
	receiver.start()
	sender.start()
	sender.announce(1)
	rng := rand.New(rand.NewPCG(20261123, 1))
	acked := map[string]bool{}
	run := time.Now().UnixNano()
	for n := range kills {
		for _, id := range sender.provideFor(run+int64(n), 1, time.Duration(5+rng.IntN(60))*time.Millisecond) {
			acked[id] = true
		}
		victim := sender
		if rng.IntN(2) == 0 {
			victim = receiver
		}
		victim.kill()
		victim.start()
	}
	sender.await("the whole trail in the repository", func() bool {
		found := receiver.records()
		for id := range acked {
			if found[id] == 0 {
				return false
			}
		}
		return true
	})
	for id, times := range receiver.records() {
		if times != 1 {
			t.Errorf("submission %s is found %d times", id, times)
		}
	}
	report, err := gateway.AuditVerifyRunning(t.Context(), filepath.Join(receiver.dir, "data"), "")
	if err != nil || !report.OK() || report.Records < uint64(len(acked)) {
		t.Errorf("%v %+v", err, report)
	}
	t.Logf("%d kills, %d acknowledged submissions, %d records sealed", kills, len(acked), report.Records)
	if len(acked) < kills {
		t.Errorf("only %d submissions were acknowledged: the kills met nothing", len(acked))
	}
}

// provideFor sends submissions for a while and gives the unique ids of the submission sets that were acknowledged.
func (p *process) provideFor(run int64, patient int, d time.Duration) (acked []string) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	stop := time.Now().Add(d)
	for worker := range 2 {
		wg.Go(func() {
			src := xdsclient.Source{Client: p.repository()}
			for n := 0; time.Now().Before(stop); n++ {
				sub, doc := sample.Submission(run, worker*1000+n, patient, time.Now()), sample.Document(n, 500)
				_, err := src.ProvideAndRegister(context.Background(), sub, []xdsclient.Document{{Entry: sub.Entries[0].ID, MIMEType: "text/xml", Size: int64(len(doc)), Content: bytes.NewReader(doc)}})
				if err != nil {
					return
				}
				mu.Lock()
				acked = append(acked, string(sub.Set.UniqueID))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return acked
}
