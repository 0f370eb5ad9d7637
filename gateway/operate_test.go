package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/store/bolt"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/xdsclient"
)

// fed is a gateway with one patient and three documents of his, the third replacing the first.
func fed(t *testing.T, more string) (*running, *xds.Submission) {
	t.Helper()
	g := run(t, "repository: {unique_id: 1.2.9}\n"+more)
	g.announce(t, 1)
	first := sample.Submission(1, 1, 1, time.Now().Add(-2*time.Hour))
	first.Entries[0].ID = "urn:uuid:11111111-2222-4333-8444-555555555555"
	first.Associations[0].Target = first.Entries[0].ID
	third := sample.Submission(1, 3, 1, time.Now())
	third.Associations = append(third.Associations, xds.Association{Header: xds.Header{ID: "r"}, Type: xds.RPLC, Source: third.Entries[0].ID, Target: first.Entries[0].ID})
	for i, sub := range []*xds.Submission{first, sample.Submission(1, 2, 1, time.Now().Add(-time.Hour)), third} {
		if err := provide(g, sub, sample.Document(i, 3000)); err != nil {
			t.Fatal(err)
		}
	}
	return g, first
}

func configOf(t *testing.T, g *running) gateway.Config {
	t.Helper()
	file := write(t, "c.yaml", fmt.Sprintf("listen: {plain_soap: %q}\nrepository: {unique_id: 1.2.9}\n", g.Address("plain_soap")))
	cfg, err := gateway.Load(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// statuses are the documents of the patient with their statuses, in the order of their unique ids.
func statuses(t *testing.T, g *running) []string {
	t.Helper()
	c := xdsclient.Consumer{Registry: g.client(gateway.RegistryPath), Repository: g.client(gateway.RepositoryPath)}
	rec, err := c.GetAll(context.Background(), sample.PatientID(1))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range rec.Objects.Entries {
		if err := c.Retrieve(context.Background(), xds.DocumentRequest{RepositoryUniqueID: "1.2.9", UniqueID: e.UniqueID}, io.Discard); err != nil {
			t.Errorf("%s: %v", e.UniqueID, err)
		}
		out = append(out, string(e.UniqueID[strings.LastIndexByte(string(e.UniqueID), '.'):])+" "+string(e.Status[strings.LastIndexByte(string(e.Status), ':')+1:]))
	}
	slices.Sort(out)
	return out
}

var threeDocuments = []string{".1 Deprecated", ".2 Approved", ".3 Approved"}

func TestExportImport(t *testing.T) {
	from, _ := fed(t, "")
	bulk, err := gateway.NewBulk(configOf(t, from))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "record")
	documents := 0
	if err := bulk.Export(context.Background(), sample.PatientID(1), dir, func(n int) { documents = n }, func() {}); err != nil || documents != 3 {
		t.Fatalf("%d documents, %v", documents, err)
	}
	to := run(t, "repository: {unique_id: 1.2.9}\n")
	to.announce(t, 1)
	if bulk, err = gateway.NewBulk(configOf(t, to)); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(t.TempDir(), "state")
	feed := func() gateway.ImportReport {
		rep, err := bulk.Import(context.Background(), dir, state, 1, func(int) {}, func() {})
		if err != nil {
			t.Fatal(err)
		}
		return rep
	}
	if rep := feed(); rep.Accepted != 3 || rep.Refused != 0 {
		t.Fatalf("%+v", rep)
	}
	if got := statuses(t, to); !slices.Equal(got, threeDocuments) {
		t.Errorf("got %v", got)
	}
	if rep := feed(); rep.Before != 3 || rep.Accepted != 0 {
		t.Errorf("again: %+v", rep)
	}
	// The note of the second was lost with the power: the gateway has it, so it counts as accepted and nothing comes twice.
	if err := os.WriteFile(state, []byte("000001\n000003\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if rep := feed(); rep.Before != 2 || rep.Accepted != 1 || rep.Refused != 0 {
		t.Errorf("after a lost note: %+v", rep)
	}
	if got := statuses(t, to); !slices.Equal(got, threeDocuments) {
		t.Errorf("got %v", got)
	}
}

func TestImportListsErrors(t *testing.T) {
	g := run(t, "repository: {unique_id: 1.2.9}\n")
	bulk, err := gateway.NewBulk(configOf(t, g))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"a": "<x/>", "b": "not xml"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "metadata.xml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rep, err := bulk.Import(context.Background(), dir, filepath.Join(t.TempDir(), "state"), 1, func(int) {}, func() {})
	want := []string{"a: metadata.xml: line 1: lcm:SubmitObjectsRequest is due", "b: metadata.xml: line 1 column 1: text outside the root element"}
	if err != nil || rep.Refused != 2 || !slices.Equal(rep.Errors, want) {
		t.Errorf("%+v, %v", rep, err)
	}
}

func TestBackupRestore(t *testing.T) {
	g, _ := fed(t, "")
	dir := filepath.Join(t.TempDir(), "backup")
	if _, err := gateway.Backup(context.Background(), g.data, dir); err != nil {
		t.Fatal(err)
	}
	if err := provide(g, sample.Submission(2, 9, 1, time.Now()), sample.Document(9, 3000)); err != nil { // after the backup
		t.Fatal(err)
	}
	if _, err := gateway.Backup(context.Background(), g.data, dir); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("over a backup: %v", err)
	}
	g.stop()
	if _, err := gateway.Backup(context.Background(), g.data, dir+"2"); err == nil || !strings.Contains(err.Error(), "no gateway answers") {
		t.Errorf("of a stopped gateway: %v", err)
	}
	data := filepath.Join(t.TempDir(), "data")
	if err := gateway.Restore(context.Background(), dir, data, func(int64) {}); err != nil {
		t.Fatal(err)
	}
	restored := run(t, fmt.Sprintf("repository: {unique_id: 1.2.9}\ndata: %q\n", data))
	if got := statuses(t, restored); !slices.Equal(got, threeDocuments) {
		t.Errorf("got %v", got)
	}
	damage(t, dir)
	if err := gateway.Restore(context.Background(), dir, data+"2", func(int64) {}); err == nil || !strings.Contains(err.Error(), "blob is damaged") {
		t.Errorf("a damaged backup: %v", err)
	}
	if _, err := os.Stat(data + "2"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a refused restore left %v", err)
	}
}

// damage flips a byte in the middle of the largest document segment.
func damage(t *testing.T, backup string) {
	t.Helper()
	segs, err := filepath.Glob(filepath.Join(backup, "documents", "small", "*.seg"))
	if err != nil || len(segs) == 0 {
		t.Fatalf("segments: %v, %v", segs, err)
	}
	for _, s := range segs {
		b, err := os.ReadFile(s)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > 2000 {
			b[1000] ^= 1
			if err := os.WriteFile(s, b, 0o600); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatal("no segment holds a document")
}

func TestAffinityDomainReload(t *testing.T) {
	t.Parallel()
	file := write(t, "domain.yaml", "cx_types: [NH, PI]\n")
	g := run(t, fmt.Sprintf("repository: {unique_id: 1.2.9}\nregistry: {affinity_domain: %q}\n", file))
	g.announce(t, 1)
	if err := provide(g, sample.Submission(1, 1, 1, time.Now()), sample.Document(1, 300)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("cx_types: [NH, PI]\ncodes: {classCode: {s: {c: d}}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for n := 2; ; n++ {
		err := provide(g, sample.Submission(1, n, 1, time.Now()), sample.Document(1, 300))
		if err != nil && strings.Contains(err.Error(), "not in this domain's value set for classCode") {
			return
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("the new domain is not in force: %v", err)
		}
	}
}

// The same unique id twice at once, and two replacements of one document at once: one winner, and the exact error for the other.
func TestOneWinner(t *testing.T) {
	g, first := fed(t, "")
	_ = first
	race := func(a, b *xds.Submission, docA, docB []byte) (errs [2]error) {
		var wg sync.WaitGroup
		wg.Go(func() { errs[0] = provide(g, a, docA) })
		wg.Go(func() { errs[1] = provide(g, b, docB) })
		wg.Wait()
		return errs
	}
	one := func(name string, errs [2]error, want string) {
		t.Helper()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("%s: not one winner: %v", name, errs)
		}
		if err := errors.Join(errs[0], errs[1]); !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	for n := range 20 {
		a, b := sample.Submission(5, n, 1, time.Now()), sample.Submission(5, n, 1, time.Now())
		b.Set.UniqueID += ".1"
		one("same document, other bytes", race(a, b, sample.Document(1, 900), sample.Document(2, 900)), "XDSNonIdenticalHash at DocumentEntry[1].uniqueId")
		a, b = sample.Submission(6, n, 1, time.Now()), sample.Submission(6, n, 1, time.Now())
		one("same set", race(a, b, sample.Document(1, 900), sample.Document(1, 900)), "XDSDuplicateUniqueIdInRegistry at SubmissionSet.uniqueId")

		old := sample.Submission(7, n, 1, time.Now())
		old.Entries[0].ID = xds.ObjectID(fmt.Sprintf("urn:uuid:11111111-2222-4333-8444-%012d", n))
		old.Associations[0].Target = old.Entries[0].ID
		if err := provide(g, old, sample.Document(1, 900)); err != nil {
			t.Fatal(err)
		}
		a, b = sample.Submission(8, n, 1, time.Now()), sample.Submission(9, n, 1, time.Now())
		for _, s := range []*xds.Submission{a, b} {
			s.Associations = append(s.Associations, xds.Association{Header: xds.Header{ID: "r"}, Type: xds.RPLC, Source: s.Entries[0].ID, Target: old.Entries[0].ID})
		}
		one("two replacements", race(a, b, sample.Document(1, 900), sample.Document(2, 900)), "XDSRegistryDeprecatedDocumentError at Association[2].targetObject")
	}
	g.stop()
	db, err := bolt.Open(filepath.Join(g.data, "metadata"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Check(context.Background()); err != nil {
		t.Error(err)
	}
	// 3 to begin with; a winner of each of three races, and the replaced document, 20 times.
	if n := db.Stats().Entries; n != 3+20*4 {
		t.Errorf("%d document entries, want %d", n, 3+20*4)
	}
}

func TestOperations(t *testing.T) {
	g, _ := fed(t, "")
	for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "ready\n", "/metrics": "passerelle_transaction_seconds_count{outcome=\"Success\",transaction=\"ITI-41\"} 3"} {
		resp, err := http.Get("http://" + g.Address("operations") + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(b), want) {
			t.Errorf("%s: %d %s %v", path, resp.StatusCode, b, err)
		}
		if path == "/metrics" && !strings.Contains(string(b), "passerelle_transaction_seconds_count{outcome=\"Success\",transaction=\"ITI-8\"} 1") {
			t.Error("the feed is not counted")
		}
	}
}
