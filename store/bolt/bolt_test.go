package bolt_test

import (
	"context"
	"testing"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/pix/manager"
	"github.com/passerelle-sante/passerelle/store/bolt"
	"github.com/passerelle-sante/passerelle/store/storetest"
	"github.com/passerelle-sante/passerelle/xds/registry"
	"github.com/passerelle-sante/passerelle/xds/repository"
)

func open(t testing.TB, dir string, opt bolt.Options) *bolt.DB {
	t.Helper()
	db, err := bolt.Open(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// Every contract holds whether rows lie in the overlay, are being applied, or lie in bbolt, and whether views
// keep what they decoded.
func layouts() map[string]bolt.Options {
	return map[string]bolt.Options{
		"Overlay": {IdleFlush: -1},
		"Index":   {OverlayLimit: 1, SegmentSize: 4 << 10},
		"Mixed":   {OverlayLimit: 8 << 10, SegmentSize: 16 << 10},
		"Cached":  {OverlayLimit: 8 << 10, SegmentSize: 16 << 10, CacheSize: 64 << 10},
	}
}

func TestContracts(t *testing.T) {
	for name, opt := range layouts() {
		t.Run(name, func(t *testing.T) {
			fresh := func(t *testing.T) *bolt.DB {
				db := open(t, t.TempDir(), opt)
				t.Cleanup(func() { check(t, db) })
				return db
			}
			storetest.Registry(t, func(t *testing.T) registry.Store { return fresh(t).Registry() })
			storetest.Index(t, func(t *testing.T) repository.Index { return fresh(t).Documents() })
			storetest.Patients(t, func(t *testing.T) (manager.Store, registry.Store) {
				db := fresh(t)
				return db.Patients(), db.Registry()
			})
			storetest.Identities(t, func(t *testing.T) manager.Store { return fresh(t).Patients() })
			storetest.Audit(t, func(t *testing.T) (atna.Recorder, func() []*atna.AuditMessage) {
				db := fresh(t)
				return db.Audit(), func() []*atna.AuditMessage { return trail(t, db) }
			})
		})
	}
}

// trail reads the whole audit trail in small steps.
func trail(t *testing.T, db *bolt.DB) []*atna.AuditMessage {
	t.Helper()
	var all []*atna.AuditMessage
	for next := uint64(0); ; {
		some, err := db.Audit().From(t.Context(), next, 7)
		if err != nil {
			t.Fatal(err)
		}
		if len(some) == 0 {
			return all
		}
		for _, s := range some {
			if s.Seq != uint64(len(all))+1 {
				t.Fatalf("message %d has number %d", len(all)+1, s.Seq)
			}
			all = append(all, s.Message)
		}
		next = some[len(some)-1].Seq + 1
	}
}

func check(t testing.TB, db *bolt.DB) {
	t.Helper()
	if err := db.Check(context.Background()); err != nil {
		t.Error(err)
	}
}
