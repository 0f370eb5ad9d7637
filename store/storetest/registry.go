package storetest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/registry"
)

// Registry is the contract of registry.Store. open gives an empty store.
func Registry(t *testing.T, open func(t *testing.T) registry.Store) {
	for _, c := range []struct {
		name string
		test func(*testing.T, registry.Store)
	}{
		{"ObjectsComeBackAsTheyWent", registryRoundTrip},
		{"AnErrorLeavesNothing", registryAtomic},
		{"APanicLeavesNothing", registryPanic},
		{"OwnWritesAreSeen", registryOwnWrites},
		{"OrderIsThatOfRegistration", registryOrder},
		{"OrderOfVersions", registryVersions},
		{"ReplacingMovesTheIndex", registryReplace},
		{"AssociationsEitherWay", registryAssociations},
		{"ReferenceIDs", registryReferences},
		{"RemovedIsGone", registryRemove},
		{"RemovedInAnyOrder", registryRemoveOrder},
		{"AViewIsOneMoment", registryViewMoment},
		{"UpdatesRunAlone", registryConflict},
		{"ObjectsAreTheCallers", registryOwnership},
		{"CancelledBeforehand", registryCancelled},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func put(t *testing.T, s registry.Store, objects ...xds.Object) {
	t.Helper()
	err := s.Update(t.Context(), func(tx registry.UpdateTx) error {
		for _, o := range objects {
			if err := tx.Put(o); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func view(t *testing.T, s registry.Store, f func(tx registry.Tx)) {
	t.Helper()
	if err := s.View(t.Context(), func(tx registry.Tx) error { f(tx); return nil }); err != nil {
		t.Fatal(err)
	}
}

func object(t *testing.T, tx registry.Tx, id xds.ObjectID) (xds.Object, bool) {
	t.Helper()
	o, ok, err := tx.Object(id)
	if err != nil {
		t.Fatal(err)
	}
	o.Wire = nil // a store may have it or not
	return o, ok
}

func ofPatient(t *testing.T, tx registry.Tx, p hl7.CX, k xds.Kind) []xds.ObjectID {
	t.Helper()
	var ids []xds.ObjectID
	if err := tx.OfPatient(p, k, func(o xds.Object) bool { ids = append(ids, o.Header().ID); return true }); err != nil {
		t.Fatal(err)
	}
	return ids
}

func registryRoundTrip(t *testing.T, s registry.Store) {
	p := Patient(1)
	want := append(Objects(1, p), xds.Object{Folder: Folder(99, p)},
		xds.Object{Entry: &xds.DocumentEntry{Header: xds.Header{ID: "any text, not a UUID: " + xds.ObjectID(strings.Repeat("x", 300)), Version: -3}, Size: -1, Authors: []xds.Author{}, PatientID: hl7.CX{ID: "a", CheckDigit: "b", Rest: "c^d"}}})
	put(t, s, want...)
	view(t, s, func(tx registry.Tx) {
		for _, w := range want {
			if got, ok := object(t, tx, w.Header().ID); !ok || !reflect.DeepEqual(got, w) {
				t.Errorf("got %+v, want %+v", got, w)
			}
		}
		if _, ok := object(t, tx, ID(12345)); ok {
			t.Error("an object that nobody stored")
		}
	})
}

var errTest = errors.New("made-up failure")

func registryAtomic(t *testing.T, s registry.Store) {
	p := Patient(1)
	put(t, s, xds.Object{Entry: Entry(1, p)})
	err := s.Update(t.Context(), func(tx registry.UpdateTx) error {
		e := Entry(1, p)
		e.Status = xds.Deprecated
		e.UniqueID = "1.2.3.4"
		_ = tx.Put(xds.Object{Entry: e})
		_ = tx.Put(xds.Object{Entry: Entry(2, p)})
		_ = tx.Keep(Document(2, p, "blob"))
		_ = tx.Record(Message(1, p))
		return errTest
	})
	if err != errTest {
		t.Fatalf("the error came back as %v", err)
	}
	view(t, s, func(tx registry.Tx) {
		if o, _ := object(t, tx, ID(1)); o.Entry == nil || o.Entry.Status != xds.Approved {
			t.Error("the old object was changed")
		}
		if ids := ofPatient(t, tx, p, xds.KindEntry); !slices.Equal(ids, []xds.ObjectID{ID(1)}) {
			t.Error("entries of the patient:", ids)
		}
		if ids, _ := tx.ByUniqueID("1.2.3.4"); len(ids) != 0 {
			t.Error("index row left:", ids)
		}
	})
	put(t, s, xds.Object{Entry: Entry(3, p)}) // the store goes on
}

func registryPanic(t *testing.T, s registry.Store) {
	func() {
		defer func() { _ = recover() }()
		_ = s.Update(t.Context(), func(tx registry.UpdateTx) error {
			_ = tx.Put(xds.Object{Entry: Entry(2, Patient(1))})
			panic("made-up")
		})
	}()
	put(t, s, xds.Object{Entry: Entry(3, Patient(1))})
	view(t, s, func(tx registry.Tx) {
		if ids := ofPatient(t, tx, Patient(1), xds.KindEntry); !slices.Equal(ids, []xds.ObjectID{ID(3)}) {
			t.Error("entries of the patient:", ids)
		}
	})
}

func registryOwnWrites(t *testing.T, s registry.Store) {
	p := Patient(1)
	put(t, s, xds.Object{Entry: Entry(1, p)})
	err := s.Update(t.Context(), func(tx registry.UpdateTx) error {
		for _, o := range Objects(5, p) {
			if err := tx.Put(o); err != nil {
				return err
			}
		}
		if _, ok := object(t, tx, ID(16)); !ok {
			t.Error("own entry not seen")
		}
		if ids, _ := tx.ByUniqueID(Entry(16, p).UniqueID); len(ids) != 1 {
			t.Error("own unique id not seen:", ids)
		}
		if a, _ := tx.Associations(ID(16)); len(a) != 1 {
			t.Error("own association not seen:", a)
		}
		// Changing what one walks over is allowed.
		return tx.OfPatient(p, xds.KindEntry, func(o xds.Object) bool {
			o.Entry.Status = xds.Deprecated
			if err := tx.Put(o); err != nil {
				t.Error(err)
			}
			return true
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	view(t, s, func(tx registry.Tx) {
		for _, n := range []int{1, 16} {
			if o, ok := object(t, tx, ID(n)); !ok || o.Entry.Status != xds.Deprecated {
				t.Errorf("object %d: %+v", n, o.Header())
			}
		}
	})
}

func registryOrder(t *testing.T, s registry.Store) {
	p, q := Patient(1), Patient(11)
	var want []xds.ObjectID
	for i := range 300 {
		n := (i * 7919) % 1000
		e := Entry(n, p)
		e.UniqueID = "1.2.3"
		put(t, s, xds.Object{Entry: e}, xds.Object{Entry: Entry(2000+i, q)})
		want = append(want, ID(n))
	}
	view(t, s, func(tx registry.Tx) {
		if got := ofPatient(t, tx, p, xds.KindEntry); !slices.Equal(got, want) {
			t.Errorf("of patient: %d, want %d in the order of registration", len(got), len(want))
		}
		if got, err := tx.ByUniqueID("1.2.3"); err != nil || !slices.Equal(got, want) {
			t.Errorf("by unique id: %d, %v", len(got), err)
		}
		seen := 0
		_ = tx.OfPatient(p, xds.KindEntry, func(xds.Object) bool { seen++; return seen < 3 })
		if seen != 3 {
			t.Error("yield said false after 3, got", seen)
		}
	})
}

func registryVersions(t *testing.T, s registry.Store) {
	p := Patient(1)
	for v := 1; v <= 3; v++ {
		e := Entry(v, p)
		e.LogicalID, e.Version = ID(1), v
		put(t, s, xds.Object{Entry: e})
	}
	view(t, s, func(tx registry.Tx) {
		if got, err := tx.ByLogicalID(ID(1)); err != nil || !slices.Equal(got, []xds.ObjectID{ID(1), ID(2), ID(3)}) {
			t.Error(got, err)
		}
		if got, err := tx.ByLogicalID(ID(2)); err != nil || len(got) != 0 {
			t.Error("the id of a later version is no logical id:", got, err)
		}
	})
}

func registryReplace(t *testing.T, s registry.Store) {
	p, q := Patient(1), Patient(2)
	put(t, s, xds.Object{Entry: Entry(1, p)})
	e := Entry(1, q)
	e.UniqueID, e.ReferenceIDs = "1.9", []string{"new", "new"}
	put(t, s, xds.Object{Entry: e})
	view(t, s, func(tx registry.Tx) {
		if n := len(ofPatient(t, tx, p, xds.KindEntry)); n != 0 {
			t.Error("still of the old patient")
		}
		if n := len(ofPatient(t, tx, q, xds.KindEntry)); n != 1 {
			t.Error("not of the new patient")
		}
		if ids, _ := tx.ByUniqueID(Entry(1, p).UniqueID); len(ids) != 0 {
			t.Error("still under the old unique id")
		}
		if ids, _ := tx.ByUniqueID("1.9"); len(ids) != 1 {
			t.Error("not under the new unique id")
		}
	})
	err := s.Update(t.Context(), func(tx registry.UpdateTx) error { return tx.Put(xds.Object{Folder: Folder(1, p)}) })
	if err == nil {
		t.Error("an entry became a folder")
	}
}

func registryAssociations(t *testing.T, s registry.Store) {
	p := Patient(1)
	put(t, s, xds.Object{Association: Association(50, xds.HasMember, ID(1), ID(2))}) // before its objects
	put(t, s, xds.Object{Entry: Entry(1, p)}, xds.Object{Entry: Entry(2, p)})
	put(t, s, xds.Object{Association: Association(40, xds.APND, ID(2), ID(1))}, xds.Object{Association: Association(41, xds.RPLC, ID(1), ID(1))})
	view(t, s, func(tx registry.Tx) {
		for id, want := range map[xds.ObjectID][]xds.ObjectID{ID(1): {ID(50), ID(40), ID(41)}, ID(2): {ID(50), ID(40)}, ID(3): nil} {
			as, err := tx.Associations(id)
			var got []xds.ObjectID
			for _, a := range as {
				got = append(got, a.ID)
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("of %s: %v, want %v", id, got, want)
			}
		}
	})
	put(t, s, xds.Object{Association: Association(50, xds.HasMember, ID(2), ID(3))}) // changed
	view(t, s, func(tx registry.Tx) {
		for n, want := range map[int]int{1: 2, 2: 2, 3: 1} {
			if as, _ := tx.Associations(ID(n)); len(as) != want {
				t.Errorf("of %d: %d, want %d", n, len(as), want)
			}
		}
	})
}

func remove(t *testing.T, s registry.Store, ids ...xds.ObjectID) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx registry.UpdateTx) error {
		for _, id := range ids {
			if err := tx.Remove(id); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// What is removed is found in no way, and can be stored again; its neighbours stay.
func registryRemove(t *testing.T, s registry.Store) {
	p := Patient(1)
	first, second := Entry(1, p), Entry(2, p)
	second.LogicalID, second.Version, second.UniqueID, second.ReferenceIDs = ID(1), 2, first.UniqueID, first.ReferenceIDs
	put(t, s, xds.Object{Entry: first}, xds.Object{Entry: second}, xds.Object{Folder: Folder(3, p)}, xds.Object{Association: Association(4, xds.HasMember, ID(3), ID(2))})
	remove(t, s, ID(4), ID(2), ID(99))
	state := func(entries ...xds.ObjectID) {
		t.Helper()
		view(t, s, func(tx registry.Tx) {
			for _, n := range []int{2, 4} {
				if _, ok := object(t, tx, ID(n)); ok {
					t.Errorf("object %d is still there", n)
				}
			}
			uids, _ := tx.ByUniqueID(first.UniqueID)
			lids, _ := tx.ByLogicalID(ID(1))
			var refs []xds.ObjectID
			_ = tx.ByReferenceID(p, first.ReferenceIDs[0], func(o xds.Object) bool { refs = append(refs, o.Header().ID); return true })
			for what, got := range map[string][]xds.ObjectID{"unique id": uids, "logical id": lids, "reference id": refs, "patient": ofPatient(t, tx, p, xds.KindEntry)} {
				if !slices.Equal(got, entries) {
					t.Errorf("by %s: %v, want %v", what, got, entries)
				}
			}
			if as, _ := tx.Associations(ID(3)); len(as) != 0 {
				t.Error("still related:", as)
			}
		})
	}
	state(ID(1))
	remove(t, s, ID(1)) // the first version goes, though its id is the logical id
	state()
	put(t, s, xds.Object{Entry: first})
	state(ID(1))
	if err := s.Update(t.Context(), func(tx registry.UpdateTx) error { return errors.Join(tx.Remove(ID(1)), errTest) }); err == nil {
		t.Error("the error is lost")
	}
	state(ID(1))
}

// An association outlives its ends, if the registry lets it, and goes without a trace before or after them.
func registryRemoveOrder(t *testing.T, s registry.Store) {
	p := Patient(1)
	for _, order := range [][]int{{1, 2, 3}, {3, 1, 2}, {1, 3, 2}} {
		put(t, s, xds.Object{Entry: Entry(1, p)}, xds.Object{Entry: Entry(2, p)}, xds.Object{Association: Association(3, xds.APND, ID(1), ID(2))})
		for i, n := range order {
			remove(t, s, ID(n))
			want := 1
			if slices.Contains(order[:i+1], 3) {
				want = 0
			}
			view(t, s, func(tx registry.Tx) {
				for _, end := range []int{1, 2} {
					if as, err := tx.Associations(ID(end)); err != nil || len(as) != want {
						t.Errorf("%v after %d: %d associations of %d, want %d (%v)", order, n, len(as), end, want, err)
					}
				}
			})
		}
	}
}

func registryReferences(t *testing.T, s registry.Store) {
	p := Patient(1)
	a, b, c := Entry(1, p), Entry(2, p), Entry(3, Patient(2))
	a.ReferenceIDs, b.ReferenceIDs, c.ReferenceIDs = []string{"r1", "r2"}, []string{"r2"}, []string{"r2"}
	put(t, s, xds.Object{Entry: a}, xds.Object{Entry: b}, xds.Object{Entry: c})
	view(t, s, func(tx registry.Tx) {
		for ref, want := range map[string]int{"r1": 1, "r2": 2, "r": 0} {
			n := 0
			if err := tx.ByReferenceID(p, ref, func(xds.Object) bool { n++; return true }); err != nil || n != want {
				t.Errorf("%s: %d, want %d (%v)", ref, n, want, err)
			}
		}
	})
}

func registryViewMoment(t *testing.T, s registry.Store) {
	p := Patient(1)
	put(t, s, Objects(1, p)...)
	view(t, s, func(tx registry.Tx) {
		before := ofPatient(t, tx, p, xds.KindEntry)
		put(t, s, Objects(2, p)...) // a view does not hold up an update, nor see it
		if after := ofPatient(t, tx, p, xds.KindEntry); !slices.Equal(before, after) {
			t.Error("the view moved:", before, after)
		}
		if _, ok := object(t, tx, ID(7)); ok {
			t.Error("the view sees what came after it")
		}
	})
	view(t, s, func(tx registry.Tx) {
		if n := len(ofPatient(t, tx, p, xds.KindEntry)); n != 2 {
			t.Error("a later view sees", n)
		}
	})
}

func registryConflict(t *testing.T, s registry.Store) {
	const workers, uids = 16, 20
	won := make([]int, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for u := range uids {
				err := s.Update(context.Background(), func(tx registry.UpdateTx) error {
					e := Entry(1000+w*uids+u, Patient(1))
					e.UniqueID = Entry(u, Patient(1)).UniqueID
					ids, err := tx.ByUniqueID(e.UniqueID)
					if err != nil || len(ids) > 0 {
						return errors.Join(err, errTest)
					}
					return tx.Put(xds.Object{Entry: e})
				})
				if err == nil {
					won[w]++
				}
			}
		})
	}
	wg.Wait()
	total := 0
	for _, n := range won {
		total += n
	}
	if total != uids {
		t.Errorf("%d updates won %d unique ids", total, uids)
	}
}

func registryOwnership(t *testing.T, s registry.Store) {
	e := Entry(1, Patient(1))
	put(t, s, xds.Object{Entry: e})
	e.Authors[0].Roles[0] = "changed by the caller"
	unchanged := func(tx registry.Tx) {
		o, _ := object(t, tx, ID(1))
		if got := o.Entry.Authors[0].Roles[0]; got != "Médecin" {
			t.Errorf("the store shares memory with its callers: %q", got)
		}
	}
	view(t, s, unchanged) // what views read may be shared among them
	err := s.Update(t.Context(), func(tx registry.UpdateTx) error {
		o, _ := object(t, tx, ID(1))
		o.Entry.Authors[0].Roles[0] = "changed in an update that does not store it"
		o.Entry.Status = xds.Deprecated
		unchanged(tx)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	view(t, s, unchanged)
}

func registryCancelled(t *testing.T, s registry.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.Update(ctx, func(tx registry.UpdateTx) error { return tx.Put(xds.Object{Entry: Entry(1, Patient(1))}) })
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	view(t, s, func(tx registry.Tx) {
		if _, ok := object(t, tx, ID(1)); ok {
			t.Error("stored although cancelled beforehand")
		}
	})
}
