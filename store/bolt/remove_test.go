package bolt_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/passerelle-sante/passerelle/store/bolt"
	"github.com/passerelle-sante/passerelle/store/storetest"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/registry"
)

// traces counts the files below dir that hold the text.
func traces(t *testing.T, dir string, text string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(text)) {
			files = append(files, filepath.Base(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

const title = "made-up title of a removed document"

// removed makes a store where an entry with a title of its own came and went, among others.
func removed(t *testing.T, db *bolt.DB) {
	t.Helper()
	p := storetest.Patient(1)
	for n := range 40 {
		if err := submit(t.Context(), db, n); err != nil {
			t.Fatal(err)
		}
	}
	update := func(f func(tx registry.UpdateTx) error) {
		t.Helper()
		if err := errors.Join(db.Registry().Update(t.Context(), f), db.Flush()); err != nil {
			t.Fatal(err)
		}
	}
	e := storetest.Entry(5000, p)
	e.Title = xds.Plain(title)
	update(func(tx registry.UpdateTx) error { return tx.Put(xds.Object{Entry: e}) })
	update(func(tx registry.UpdateTx) error { return tx.Remove(e.ID) })
}

// What was removed is out of the journal when the removal is in the index.
func TestJournalForgetsRemovedObjects(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, bolt.Options{IdleFlush: -1})
	removed(t, db)
	if got := traces(t, filepath.Join(dir, "journal"), title); got != nil {
		t.Error("still told by", got)
	}
	check(t, db)
	if err := submit(t.Context(), db, 100); err != nil {
		t.Fatal(err)
	}
	if err := db.Abandon(); err != nil {
		t.Fatal(err)
	}
	if again := open(t, dir, bolt.Options{}); !present(t, again, 100) || !present(t, again, 39) {
		t.Error("what came after the removal, or before it, is lost")
	}
}

// A removal that a crash kept out of the index leaves the journal after the next start.
func TestJournalForgetsAfterACrash(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, bolt.Options{IdleFlush: -1})
	e := storetest.Entry(5000, storetest.Patient(1))
	e.Title = xds.Plain(title)
	if err := db.Registry().Update(t.Context(), func(tx registry.UpdateTx) error { return tx.Put(xds.Object{Entry: e}) }); err != nil {
		t.Fatal(err)
	}
	if err := db.Registry().Update(t.Context(), func(tx registry.UpdateTx) error { return tx.Remove(e.ID) }); err != nil {
		t.Fatal(err)
	}
	if err := db.Abandon(); err != nil {
		t.Fatal(err)
	}
	db = open(t, dir, bolt.Options{IdleFlush: -1})
	view(t, db, func(tx registry.Tx) {
		if _, ok, err := tx.Object(e.ID); ok || err != nil {
			t.Error("a crash brought it back", err)
		}
	})
	if err := db.Flush(); err != nil {
		t.Fatal(err)
	}
	if got := traces(t, filepath.Join(dir, "journal"), title); got != nil {
		t.Error("still told by", got)
	}
}

func view(t *testing.T, db *bolt.DB, f func(tx registry.Tx)) {
	t.Helper()
	if err := db.Registry().View(t.Context(), func(tx registry.Tx) error { f(tx); return nil }); err != nil {
		t.Fatal(err)
	}
}

// Compact ends the last traces of what was removed, and of nothing else. The store that is open cannot be compacted.
func TestCompact(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, bolt.Options{IdleFlush: -1})
	removed(t, db)
	if got := traces(t, dir, title); len(got) != 1 || got[0] != "index.bolt" {
		t.Errorf("traces in %v: this test needs some in the index", got)
	}
	if err := bolt.Compact(dir); !errors.Is(err, bolt.ErrLocked) {
		t.Error("an open store was compacted:", err)
	}
	before := db.Stats()
	if err := errors.Join(db.Close(), bolt.Compact(dir), bolt.Compact(dir)); err != nil {
		t.Fatal(err)
	}
	if got := traces(t, dir, title); got != nil {
		t.Error("still there:", got)
	}
	again := open(t, dir, bolt.Options{})
	check(t, again)
	after := again.Stats()
	before.JournalBytes, after.JournalBytes = 0, 0
	before.OverlayBytes, after.OverlayBytes = 0, 0
	if before != after {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if !present(t, again, 39) {
		t.Error("a submission is lost")
	}
	if err := submit(t.Context(), again, 101); err != nil {
		t.Error(err)
	}
}
