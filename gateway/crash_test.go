package gateway_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/store/bolt"
	"github.com/passerelle-sante/passerelle/store/files"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/xdsclient"
)

// submission is one that was sent: what must be true of it depends on whether the gateway said yes.
type submission struct {
	sub   *xds.Submission
	doc   []byte
	old   *submission // what it replaces
	acked bool
	err   error
}

func (s *submission) uniqueID() xds.UniqueID { return s.sub.Entries[0].UniqueID }

// load sends submissions from several sources until the gateway dies, and gives everything that was sent.
func (p *process) load(run int64, patients int, rng *rand.Rand) []*submission {
	var all []*submission
	var mu sync.Mutex
	var wg sync.WaitGroup
	for source := range 8 {
		seed := rng.Uint64()
		wg.Go(func() {
			src := xdsclient.Source{Client: p.repository()}
			r := rand.New(rand.NewPCG(seed, 1))
			var last *submission
			for n := 0; ; n++ {
				s := newSubmission(run, source*100000+n, patients+source, r, last)
				mu.Lock()
				all = append(all, s)
				mu.Unlock()
				_, s.err = src.ProvideAndRegister(context.Background(), s.sub, []xdsclient.Document{{Entry: s.sub.Entries[0].ID, MIMEType: "text/xml", Size: int64(len(s.doc)), Content: bytes.NewReader(s.doc)}})
				var refused xds.Errors
				if errors.As(s.err, &refused) {
					return // a refusal is a bug: verify reports it
				}
				if s.err != nil {
					return
				}
				s.acked, last = true, s
			}
		})
	}
	time.Sleep(time.Duration(5+rng.IntN(120)) * time.Millisecond) // the random instant of the crash
	p.kill()
	wg.Wait()
	return all
}

// newSubmission is small, sometimes large enough for a file of its own, and every third replaces the one before.
func newSubmission(run int64, n, patient int, r *rand.Rand, last *submission) *submission {
	size := 300 + r.IntN(6000)
	if r.IntN(20) == 0 {
		size = 1<<20 + r.IntN(1<<19)
	}
	s := &submission{sub: sample.Submission(run, n, patient, time.Now()), doc: sample.Document(n, size)}
	id := fmt.Sprintf("urn:uuid:%08x-%04x-4%03x-8%03x-%012x", r.Uint32(), r.Uint32()&0xffff, r.Uint32()&0xfff, r.Uint32()&0xfff, r.Uint64()&0xffffffffffff)
	s.sub.Entries[0].ID = xds.ObjectID(id)
	s.sub.Associations[0].Target = xds.ObjectID(id)
	if last != nil && n%3 == 2 {
		s.old = last
		s.sub.Associations = append(s.sub.Associations, xds.Association{Header: xds.Header{ID: "Replacement"}, Type: xds.RPLC, Source: xds.ObjectID(id), Target: last.sub.Entries[0].ID})
	}
	return s
}

// verify asks the restarted gateway for everything that was sent: an acknowledged submission is whole, another is whole or not there at all.
func (p *process) verify(all []*submission) (acked, survived int) {
	p.t.Helper()
	c := xdsclient.Consumer{Registry: p.registry(), Repository: p.repository()}
	byPatient := map[string]*xdsclient.Record{}
	for _, s := range all {
		key := s.sub.Set.PatientID.Key()
		if byPatient[key] == nil {
			rec, err := c.GetAll(context.Background(), s.sub.Set.PatientID)
			if err != nil {
				p.t.Fatalf("get all: %v", err)
			}
			byPatient[key] = rec
		}
		there := p.verifyOne(c, byPatient[key], s)
		if s.acked {
			acked++
		}
		if there {
			survived++
		}
	}
	return acked, survived
}

func (p *process) verifyOne(c xdsclient.Consumer, rec *xdsclient.Record, s *submission) bool {
	p.t.Helper()
	var refused xds.Errors
	if errors.As(s.err, &refused) {
		p.t.Fatalf("refused: %v", refused)
	}
	entries, sets, members := 0, 0, 0
	for _, e := range rec.Objects.Entries {
		if e.UniqueID == s.uniqueID() {
			entries++
		}
		if s.old != nil && e.UniqueID == s.old.uniqueID() && s.acked && e.Status != xds.Deprecated {
			p.t.Errorf("%s was replaced and is %s", e.UniqueID, e.Status)
		}
	}
	for _, x := range rec.Sets {
		if x.UniqueID == s.sub.Set.UniqueID {
			sets++
		}
	}
	for _, a := range rec.Objects.Associations {
		if a.Target == s.sub.Entries[0].ID && a.Type == xds.HasMember {
			members++
		}
	}
	if entries != sets || entries != members || entries > 1 {
		p.t.Errorf("%s: %d entries, %d sets, %d memberships: not all or nothing", s.uniqueID(), entries, sets, members)
	}
	if s.acked && entries != 1 {
		p.t.Errorf("%s was acknowledged and is lost", s.uniqueID())
	}
	sum := sha1.New()
	err := c.Retrieve(context.Background(), xds.DocumentRequest{RepositoryUniqueID: "1.2.250.1.999.1.2", UniqueID: s.uniqueID()}, sum)
	want := sha1.Sum(s.doc)
	switch {
	case entries == 1 && err != nil:
		p.t.Errorf("%s cannot be retrieved: %v", s.uniqueID(), err)
	case entries == 1 && hex.EncodeToString(sum.Sum(nil)) != hex.EncodeToString(want[:]):
		p.t.Errorf("%s came back with other bytes", s.uniqueID())
	case entries == 0 && (err == nil || !strings.Contains(err.Error(), "XDSDocumentUniqueIdError")):
		p.t.Errorf("%s is not registered and yet: %v", s.uniqueID(), err)
	}
	return entries == 1
}

// crashes says how often to kill, and at which instants.
func crashes(t *testing.T) (runs int, rng *rand.Rand) {
	t.Helper()
	runs = 100
	if testing.Short() {
		runs = 3
	}
	if n, err := strconv.Atoi(os.Getenv("PASSERELLE_CRASH_RUNS")); err == nil {
		runs = n
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return runs, rand.New(rand.NewPCG(seed, 0))
}

// TestCrash kills a gateway under load at random instants; PASSERELLE_CRASH_RUNS says how often, 100 unless -short.
func TestCrash(t *testing.T) {
	runs, rng := crashes(t)
	p := newProcess(t, buildGateway(t))
	p.start()
	var sent, acked, survived int
	var before []*submission
	for run := range runs {
		if run%5 == 0 { // other patients, so that nobody's record grows past the limit of an answer
			before = nil
			for patient := range 8 {
				p.announce(patient + 8*run)
			}
		}
		all := p.load(int64(run+1), 8*(run-run%5), rng)
		p.start()
		a, s := p.verify(all)
		p.verify(before) // a crash must not harm what earlier crashes left whole
		sent, acked, survived = sent+len(all), acked+a, survived+s
		before = keep(all)
		if t.Failed() {
			t.Fatalf("crash %d of %d", run+1, runs)
		}
	}
	t.Logf("%d crashes: %d submissions sent, %d acknowledged, %d registered", runs, sent, acked, survived)
	p.stop()
	checkStore(t, filepath.Join(p.dir, "data"), survived)
}

func keep(all []*submission) []*submission {
	var out []*submission
	for _, s := range all {
		if s.acked && len(out) < 40 {
			out = append(out, s)
		}
	}
	return out
}

// checkStore opens the stores of a stopped gateway: rows agree, every document is there, and no byte belongs to nobody.
func checkStore(t *testing.T, data string, documents int) {
	t.Helper()
	ctx := context.Background()
	db, err := bolt.Open(filepath.Join(data, "metadata"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Check(ctx); err != nil {
		t.Error(err)
	}
	if n := db.Stats().Documents; n != uint64(documents) {
		t.Errorf("%d documents in the index, want %d", n, documents)
	}
	blobs, err := files.Open(filepath.Join(data, "documents"), files.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer blobs.Close()
	var total int64
	if err := db.Documents().Each(ctx, func(blob string) error {
		c, err := blobs.Open(ctx, blob)
		if err != nil {
			return err
		}
		defer c.Close()
		n, err := io.Copy(io.Discard, c)
		total += n
		return err
	}); err != nil {
		t.Error(err)
	}
	if n, err := blobs.Sweep(ctx, db.Documents().KnownBlob); err != nil || n != 0 {
		t.Errorf("%d blobs belong to nobody (%v)", n, err)
	}
	t.Logf("%d documents, %d bytes", documents, total)
}
