package storetest

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"sync"
	"testing"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/manager"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/registry"
	"github.com/passerelle-sante/passerelle/xds/repository"
)

// Index is the contract of repository.Index. open gives an empty one.
func Index(t *testing.T, open func(t *testing.T) repository.Index) {
	find := func(t *testing.T, x repository.Index, id xds.UniqueID) (xds.StoredDocument, bool) {
		t.Helper()
		d, ok, err := x.Document(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return d, ok
	}
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Run("OnlyRegisteredCanBeFound", func(t *testing.T) {
		x := open(t)
		docs := []xds.StoredDocument{Document(1, Patient(1), "b1"), Document(2, Patient(1), "b2")}
		must(t, x.Stage(t.Context(), docs))
		if _, ok := find(t, x, docs[0].UniqueID); ok {
			t.Error("staged document found")
		}
		must(t, x.Settle(t.Context(), docs, true))
		for _, d := range docs {
			if got, ok := find(t, x, d.UniqueID); !ok || got != d {
				t.Errorf("got %+v, want %+v", got, d)
			}
		}
	})
	t.Run("OthersAreForgotten", func(t *testing.T) {
		x := open(t)
		docs := []xds.StoredDocument{Document(1, Patient(1), "b1")}
		must(t, x.Stage(t.Context(), docs))
		must(t, x.Settle(t.Context(), docs, false))
		if _, ok := find(t, x, docs[0].UniqueID); ok {
			t.Error("refused document found")
		}
	})
	t.Run("DoomedUntilForgotten", func(t *testing.T) {
		x := open(t)
		docs := []xds.StoredDocument{Document(1, Patient(1), "b1"), Document(2, Patient(1), "b2"), Document(3, Patient(1), "b3")}
		must(t, x.Stage(t.Context(), docs))
		must(t, x.Settle(t.Context(), docs, true))
		must(t, x.Stage(t.Context(), []xds.StoredDocument{Document(4, Patient(1), "b3")}))
		must(t, x.Doom(t.Context(), []xds.UniqueID{docs[0].UniqueID, docs[2].UniqueID, "1.2.3"}, Message(1, Patient(1))))
		for i, want := range []bool{false, true, false} {
			if _, ok := find(t, x, docs[i].UniqueID); ok != want {
				t.Errorf("document %d: %v", i+1, ok)
			}
		}
		doomed, err := x.Doomed(t.Context(), 10)
		if err != nil || len(doomed) != 1 || doomed[0].Blob != "b1" || doomed[0].Status != xds.Doomed {
			t.Fatalf("%+v %v: the bytes that a staged document shares are kept, those of nobody are not", doomed, err)
		}
		again := Document(1, Patient(1), "b5")
		must(t, x.Settle(t.Context(), []xds.StoredDocument{again}, true))
		must(t, x.Forget(t.Context(), doomed[0]))
		if doomed, err := x.Doomed(t.Context(), 10); err != nil || len(doomed) != 0 {
			t.Error(doomed, err)
		}
		if got, ok := find(t, x, again.UniqueID); !ok || got != again {
			t.Errorf("the document that came again: %+v %v", got, ok)
		}
	})
	t.Run("ARefusedTwinHidesNothing", func(t *testing.T) {
		x := open(t)
		first, twin := Document(1, Patient(1), "b1"), Document(1, Patient(1), "b2")
		must(t, x.Stage(t.Context(), []xds.StoredDocument{first}))
		must(t, x.Stage(t.Context(), []xds.StoredDocument{twin}))
		must(t, x.Settle(t.Context(), []xds.StoredDocument{first}, true))
		must(t, x.Settle(t.Context(), []xds.StoredDocument{twin}, false))
		if got, ok := find(t, x, first.UniqueID); !ok || got.Blob != "b1" {
			t.Error("the registered document is gone:", got, ok)
		}
	})
}

// Patients is the contract of manager.Store. open gives an empty one and the registry that shares it.
func Patients(t *testing.T, open func(t *testing.T) (manager.Store, registry.Store)) {
	t.Run("RoundTrip", func(t *testing.T) {
		s, g := open(t)
		p := pix.Patient{ID: Patient(1), OtherIDs: []hl7.CX{Patient(2)}, Demographics: pix.Demographics{Names: []hl7.XPN{"MADEUP^ANNE"}, BirthDate: "19700102", Sex: "F", Addresses: []string{"a"}, Telecoms: []string{}}}
		putPatient(t, s, p)
		err := s.View(t.Context(), func(tx manager.Tx) error {
			same := hl7.CX{ID: p.ID.ID, TypeCode: "NH", AssigningAuthority: hl7.HD{NamespaceID: "other name", UniversalID: p.ID.AssigningAuthority.UniversalID}}
			got, ok, err := tx.Patient(same)
			if want := p; !ok || !reflect.DeepEqual(got, numbered(want, 1)) {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if tx.PutPatient(&p) == nil {
				t.Error("a view wrote")
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		known(t, g, p.ID, true)
		known(t, g, Patient(3), false)
		p.MergedInto = Patient(9)
		putPatient(t, s, p)
		known(t, g, p.ID, false)
	})
	t.Run("AnErrorLeavesNothing", func(t *testing.T) {
		s, g := open(t)
		err := s.Update(t.Context(), func(tx manager.Tx) error {
			_ = tx.PutPatient(&pix.Patient{ID: Patient(1)})
			return errTest
		})
		if !errors.Is(err, errTest) {
			t.Error(err)
		}
		known(t, g, Patient(1), false)
	})
	t.Run("MoveRecord", func(t *testing.T) { moveRecord(t, open) })
	t.Run("MoveSource", func(t *testing.T) { moveSource(t, open) })
}

// numbered is a patient as the n-th to be told.
func numbered(p pix.Patient, n uint64) pix.Patient {
	p.Number = n
	return p
}

func putPatient(t *testing.T, s manager.Store, p pix.Patient) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx manager.Tx) error { return tx.PutPatient(&p) }); err != nil {
		t.Fatal(err)
	}
}

func known(t *testing.T, g registry.Store, p hl7.CX, want bool) {
	t.Helper()
	view(t, g, func(tx registry.Tx) {
		if got, err := tx.KnownPatient(p); err != nil || got != want {
			t.Errorf("known: %v, want %v (%v)", got, want, err)
		}
	})
}

func moveRecord(t *testing.T, open func(t *testing.T) (manager.Store, registry.Store)) {
	s, g := open(t)
	from, to := Patient(1), Patient(2)
	const submissions = 100
	for n := range submissions {
		put(t, g, append(Objects(n, from), xds.Object{Folder: Folder(1000+n, from)})...)
	}
	put(t, g, Objects(2000, to)...)
	err := s.Update(t.Context(), func(tx manager.Tx) error {
		moved, err := tx.MoveRecord(from, to)
		if len(moved) != 3*submissions {
			t.Errorf("%d objects moved, want %d", len(moved), 3*submissions)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	view(t, g, func(tx registry.Tx) {
		for k, want := range map[xds.Kind]int{xds.KindEntry: submissions + 1, xds.KindSet: submissions + 1, xds.KindFolder: submissions} {
			if n := len(ofPatient(t, tx, from, k)); n != 0 {
				t.Errorf("%d objects of kind %v stayed", n, k)
			}
			if n := len(ofPatient(t, tx, to, k)); n != want {
				t.Errorf("%d objects of kind %v, want %d", n, k, want)
			}
		}
		ref := Entry(4, from).ReferenceIDs[0]
		found := 0
		_ = tx.ByReferenceID(to, ref, func(o xds.Object) bool { found++; return o.Entry.PatientID == to })
		if found != 1 {
			t.Error("reference ids did not follow")
		}
	})
}

// moveSource: what one source submitted goes, what another did stays; and what is tied to another's does not go.
func moveSource(t *testing.T, open func(t *testing.T) (manager.Store, registry.Store)) {
	s, g := open(t)
	from, to := Patient(1), Patient(2)
	local, subsumed := hl7.CX{ID: "L", AssigningAuthority: hl7.HD{UniversalID: "1.2.9", UniversalIDType: "ISO"}}, hl7.CX{ID: "OLD", AssigningAuthority: hl7.HD{UniversalID: "1.2.9", UniversalIDType: "ISO"}}
	of := func(n int, source hl7.CX) []xds.Object {
		list := Objects(n, from)
		for i := range list {
			if list[i].Entry != nil {
				list[i].Entry.SourcePatientID = source
			}
		}
		return list
	}
	put(t, g, of(1, local)...)
	put(t, g, of(2, subsumed)...)
	put(t, g, Objects(3, from)...)
	err := s.Update(t.Context(), func(tx manager.Tx) error {
		n, err := tx.MoveSource(from, to, local, subsumed)
		if n != 4 { // two entries, each with its set
			t.Errorf("%d objects moved, want 4", n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	view(t, g, func(tx registry.Tx) {
		entries := ofPatient(t, tx, to, xds.KindEntry)
		if stay, sets := ofPatient(t, tx, from, xds.KindEntry), ofPatient(t, tx, to, xds.KindSet); len(entries) != 2 || len(stay) != 1 || len(sets) != 2 {
			t.Errorf("%d entries and %d sets moved, %d entries stayed", len(entries), len(sets), len(stay))
		}
		for _, id := range entries {
			if o, _, err := tx.Object(id); err != nil || !o.Entry.SourcePatientID.Same(local) {
				t.Errorf("sourcePatientId %v, %v", o.Entry.SourcePatientID, err)
			}
		}
	})
	tied := of(4, local)
	stranger := of(5, hl7.CX{ID: "M", AssigningAuthority: local.AssigningAuthority})
	put(t, g, append(append(tied, stranger...), xds.Object{Association: Association(100, xds.RPLC, tied[1].Entry.ID, stranger[1].Entry.ID)})...)
	if err := s.Update(t.Context(), func(tx manager.Tx) error { _, err := tx.MoveSource(from, to, local, hl7.CX{}); return err }); !errors.Is(err, manager.ErrEntangled) {
		t.Errorf("tied to another's: %v", err)
	}
}

// Audit is the contract of atna.Recorder. open gives an empty one, and reads back what it keeps.
func Audit(t *testing.T, open func(t *testing.T) (atna.Recorder, func() []*atna.AuditMessage)) {
	t.Run("Order", func(t *testing.T) {
		r, all := open(t)
		var want []*atna.AuditMessage
		for n := range 150 {
			m := Message(n, Patient(n))
			if err := r.Record(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			want = append(want, m)
		}
		if got := all(); !reflect.DeepEqual(got, want) {
			t.Errorf("%d messages, want %d as recorded", len(got), len(want))
		}
	})
	t.Run("Together", func(t *testing.T) {
		r, all := open(t)
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for n := range 20 {
					if err := r.Record(t.Context(), Message(w*20+n, Patient(w))); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if n := len(all()); n != 160 {
			t.Error(n, "messages, want 160")
		}
	})
}

// Blobs is the contract of repository.Blobs. open gives an empty one.
func Blobs(t *testing.T, open func(t *testing.T) repository.Blobs) {
	for _, size := range []int{0, 1, 1000, 30 << 10, 1 << 20, 1<<20 + 1, 5 << 20} {
		for _, hint := range []int64{-1, int64(size)} {
			t.Run("RoundTrip", func(t *testing.T) { blobRoundTrip(t, open(t), size, hint) })
		}
	}
	t.Run("AbortLeavesNothing", func(t *testing.T) {
		s := open(t)
		for _, size := range []int{10, 3 << 20} {
			b, err := s.Create(t.Context(), -1)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.Write(make([]byte, size)); err != nil {
				t.Fatal(err)
			}
			b.Abort()
			b.Abort()
			if _, err := b.Commit(t.Context()); err == nil {
				t.Error("an aborted blob was committed")
			}
		}
	})
	t.Run("StrangeNames", func(t *testing.T) {
		s := open(t)
		for _, id := range []string{"", "x", "../../etc/passwd", "b-../..", "/etc/passwd", "s0-0", "s1-99999999999999999999", "s0000000000000001-0000000000000000\x00"} {
			if c, err := s.Open(t.Context(), id); err == nil {
				t.Errorf("%q opened: %d bytes", id, c.Size())
				_ = c.Close()
			}
		}
	})
	t.Run("Together", func(t *testing.T) { blobsTogether(t, open(t)) })
}

func pattern(n, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i*31 + n + i>>8)
	}
	return b
}

// Store keeps data in s and gives its name.
func Store(t *testing.T, s repository.Blobs, data []byte, hint int64) string {
	t.Helper()
	b, err := s.Create(t.Context(), hint)
	if err != nil {
		t.Fatal(err)
	}
	for rest := data; len(rest) > 0; {
		n, err := b.Write(rest[:min(len(rest), 100<<10)])
		if err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	id, err := b.Commit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.Abort() // does nothing any more
	return id
}

func blobRoundTrip(t *testing.T, s repository.Blobs, size int, hint int64) {
	want := pattern(size, size)
	id := Store(t, s, want, hint)
	c, err := s.Open(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if c.Size() != int64(size) {
		t.Error("size", c.Size(), "want", size)
	}
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("read %d bytes, want %d (%v)", len(got), size, err)
	}
	_ = c.Close()
	c, err = s.Open(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	if n, err := c.WriteTo(&buf); err != nil || n != int64(size) || !bytes.Equal(buf.Bytes(), want) {
		t.Errorf("wrote %d bytes, want %d (%v)", n, size, err)
	}
	_ = c.Close()
	for range 2 {
		if err := s.Remove(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Open(t.Context(), id); err == nil {
		t.Error("a removed blob opened")
	}
}

func blobsTogether(t *testing.T, s repository.Blobs) {
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for n := range 10 {
				want := pattern(w*10+n, 1000+w*3000)
				b, err := s.Create(t.Context(), -1)
				if err != nil {
					t.Error(err)
					return
				}
				_, err = b.Write(want)
				id, err2 := b.Commit(t.Context())
				if err := errors.Join(err, err2); err != nil {
					t.Error(err)
					return
				}
				c, err := s.Open(t.Context(), id)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s: other bytes came back (%v)", id, err)
				}
				_ = c.Close()
			}
		})
	}
	wg.Wait()
}
