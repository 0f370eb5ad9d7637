package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	bbolt "go.etcd.io/bbolt"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/manager"
	"github.com/passerelle-sante/passerelle/store/bolt"
	"github.com/passerelle-sante/passerelle/store/storetest"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/registry"
)

func fill(t testing.TB, db *bolt.DB, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		if err := submit(context.Background(), db, n); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOneProcess(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, bolt.Options{})
	if _, err := bolt.Open(dir, bolt.Options{LockTimeout: time.Millisecond}); !errors.Is(err, bolt.ErrLocked) {
		t.Error("opened twice:", err)
	}
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	for round := range 4 {
		db, err := bolt.Open(dir, bolt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		fill(t, db, round*10, round*10+10)
		for n := range round*10 + 10 {
			if !present(t, db, n) {
				t.Errorf("round %d: submission %d is gone", round, n)
			}
		}
		if s := db.Stats(); s.Entries != uint64(round*10+10) {
			t.Errorf("round %d: %+v", round, s)
		}
		check(t, db)
		leave := db.Close
		if round%2 == 1 {
			leave = db.Abandon
		}
		if err := leave(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFlushEmptiesTheOverlay(t *testing.T) {
	db := open(t, t.TempDir(), bolt.Options{IdleFlush: -1, SegmentSize: 1})
	fill(t, db, 0, 20)
	before := db.Stats()
	if before.JournalLag != 20 || before.OverlayBytes == 0 {
		t.Errorf("%+v", before)
	}
	if err := db.Flush(); err != nil {
		t.Fatal(err)
	}
	if s := db.Stats(); s.JournalLag != 0 || s.OverlayBytes != 0 || s.JournalBytes >= before.JournalBytes || s.Entries != 20 {
		t.Errorf("%+v", s)
	}
}

// A view keeps its moment while several overlays are frozen, applied and dropped behind it, and holds none of that up.
func TestLongView(t *testing.T) {
	db := open(t, t.TempDir(), bolt.Options{OverlayLimit: 4 << 10, SegmentSize: 8 << 10})
	fill(t, db, 0, 50)
	err := db.Registry().View(t.Context(), func(tx registry.Tx) error {
		for round := range 5 {
			fill(t, db, 50+round*50, 100+round*50)
			if err := db.Flush(); err != nil {
				return err
			}
			for n := range 300 {
				if _, ok, err := tx.Object(storetest.ID(3 * n)); err != nil || ok != (n < 50) {
					t.Fatalf("round %d: submission %d seen: %v (%v)", round, n, ok, err)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	check(t, db)
}

// Views that start at any instant see each submission whole or not at all, and never one that came after another missing one.
func TestViewsDuringFlushes(t *testing.T) {
	db := open(t, t.TempDir(), bolt.Options{OverlayLimit: 2 << 10, SegmentSize: 8 << 10})
	const submissions = 300
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				err := db.Registry().View(context.Background(), func(tx registry.Tx) error {
					gap := false
					for n := range submissions {
						_, entry, err := tx.Object(storetest.ID(3*n + 1))
						_, set, err2 := tx.Object(storetest.ID(3 * n))
						if err := errors.Join(err, err2); err != nil {
							return err
						}
						if entry != set || gap && entry {
							return errors.New("a view saw part of a submission, or one without its predecessor")
						}
						gap = gap || !entry
					}
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	fill(t, db, 0, submissions)
	close(done)
	wg.Wait()
}

func TestBackup(t *testing.T) {
	db := open(t, t.TempDir(), bolt.Options{OverlayLimit: 8 << 10})
	fill(t, db, 0, 30)
	dir := filepath.Join(t.TempDir(), "backup")
	var wg sync.WaitGroup
	wg.Go(func() { fill(t, db, 30, 200) })
	if err := db.BackupTo(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	copied := open(t, dir, bolt.Options{})
	for n := range 30 {
		if !present(t, copied, n) {
			t.Errorf("submission %d is not in the backup", n)
		}
	}
	check(t, copied)
	fill(t, copied, 1000, 1010) // it is a store like any other
	check(t, copied)
	if err := db.BackupTo(t.Context(), dir); err == nil {
		t.Error("a backup overwrote a store")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Backup(ctx, &bytes.Buffer{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestCheckFindsDamage(t *testing.T) {
	for _, bucket := range strings.Split("oiuprabdn", "") {
		dir := t.TempDir()
		db, err := bolt.Open(dir, bolt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		fill(t, db, 0, 5)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		raw, err := bbolt.Open(filepath.Join(dir, "index.bolt"), 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		empty := false
		err = raw.Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte(bucket))
			k, _ := b.Cursor().First()
			if empty = k == nil; empty {
				return nil
			}
			return b.Delete(k)
		})
		if err := errors.Join(err, raw.Close()); err != nil {
			t.Fatal(err)
		}
		db, err = bolt.Open(dir, bolt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Check(t.Context()); err == nil && !empty {
			t.Errorf("a row of bucket %s is gone and the check says nothing", bucket)
		}
		_ = db.Close()
	}
}

// A store of a program that knew no visits: it has no bucket for them.
func TestStoreWithoutVisits(t *testing.T) {
	dir := t.TempDir()
	db, err := bolt.Open(dir, bolt.Options{})
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	raw, err := bbolt.Open(filepath.Join(dir, "index.bolt"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(raw.Update(func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("t")) }), raw.Close()); err != nil {
		t.Fatal(err)
	}
	if db, err = bolt.Open(dir, bolt.Options{}); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	found := 0
	q := pix.Criteria{Visit: &pix.VisitCriteria{Number: hl7.CX{ID: "7001"}}}
	search := func() {
		err := db.Patients().View(t.Context(), func(tx manager.Tx) error {
			return tx.Search(&q, "", func(pix.Patient, string) bool { found++; return true })
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if search(); found != 0 {
		t.Errorf("%d visits in an empty store", found)
	}
	err = db.Patients().Update(t.Context(), func(tx manager.Tx) error {
		return tx.PutPatient(&pix.Patient{ID: storetest.Patient(1), Visit: &pix.Visit{Number: hl7.CX{ID: "7001"}}})
	})
	if err != nil {
		t.Fatal(err)
	}
	if search(); found != 1 {
		t.Errorf("found %d", found)
	}
	check(t, db)
}

func TestForeignFormat(t *testing.T) {
	dir := t.TempDir()
	raw, err := bbolt.Open(filepath.Join(dir, "index.bolt"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("m"))
		return errors.Join(err, b.Put([]byte("format"), []byte{99}))
	})
	if err := errors.Join(err, raw.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := bolt.Open(dir, bolt.Options{}); err == nil || !strings.Contains(err.Error(), "format") {
		t.Error(err)
	}
}

// An index without the journal that goes with it is refused when the journal is an older one.
func TestForeignJournal(t *testing.T) {
	dir, old := t.TempDir(), filepath.Join(t.TempDir(), "old")
	db, err := bolt.Open(dir, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, db, 0, 2)
	if err := os.CopyFS(old, os.DirFS(filepath.Join(dir, "journal"))); err != nil {
		t.Fatal(err)
	}
	fill(t, db, 2, 10)
	if err := errors.Join(db.Close(), os.RemoveAll(filepath.Join(dir, "journal")), os.CopyFS(filepath.Join(dir, "journal"), os.DirFS(old))); err != nil {
		t.Fatal(err)
	}
	if db, err := bolt.Open(dir, bolt.Options{}); err == nil {
		t.Error("opened with an older journal")
		_ = db.Close()
	}
}

func TestDocumentsAndCursors(t *testing.T) {
	db := open(t, t.TempDir(), bolt.Options{})
	docs, p := db.Documents(), storetest.Patient(1)
	staged := []xds.StoredDocument{storetest.Document(1, p, "s1-0-1"), storetest.Document(2, p, "s1-0-10")}
	if err := docs.Stage(t.Context(), staged); err != nil {
		t.Fatal(err)
	}
	if got, err := docs.Staged(t.Context(), 10); err != nil || len(got) != 2 || got[0].Blob != "s1-0-1" {
		t.Error(got, err)
	}
	if err := docs.Settle(t.Context(), staged[1:], true); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(docs.Doom(t.Context(), []xds.UniqueID{staged[1].UniqueID}, storetest.Message(1, p)), docs.Forget(t.Context(), staged[1])); err != nil {
		t.Fatal(err)
	}
	for blob, want := range map[string]bool{"s1-0-1": true, "s1-0-10": false, "s1-0": false} {
		if got, err := docs.KnownBlob(t.Context(), blob); err != nil || got != want {
			t.Errorf("%s: %v (%v)", blob, got, err)
		}
	}
	if n, err := db.Audit().Cursor(t.Context(), "forwarder"); n != 0 || err != nil {
		t.Error(n, err)
	}
	if err := db.Audit().SetCursor(t.Context(), "forwarder", 42); err != nil {
		t.Fatal(err)
	}
	if n, err := db.Audit().Cursor(t.Context(), "forwarder"); n != 42 || err != nil {
		t.Error(n, err)
	}
	check(t, db)
}
