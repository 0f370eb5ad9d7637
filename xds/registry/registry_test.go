package registry_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/manager"
	"github.com/passerelle-sante/passerelle/store/bolt"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/query"
	"github.com/passerelle-sante/passerelle/xds/registry"
)

// world is a registry on a store of its own, with a clock that moves by a minute a submission and ids that count.
type world struct {
	*registry.Registry
	t   *testing.T
	now time.Time
	ids int
	n   int

	db      *bolt.DB
	domain  *xds.Domain
	removes bool // this node may remove
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db, err := bolt.Open(t.TempDir(), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(db.Check(context.Background()), db.Close()); err != nil {
			t.Error(err)
		}
	})
	if err := db.Patients().Update(context.Background(), func(tx manager.Tx) error {
		return errors.Join(tx.PutPatient(&pix.Patient{ID: sample.PatientID(1)}), tx.PutPatient(&pix.Patient{ID: sample.PatientID(2)}))
	}); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), db: db, domain: &xds.Domain{CXTypes: []string{"*"}}}
	w.Registry, err = registry.New(registry.Config{Store: db.Registry(), Domain: func() *xds.Domain { return w.domain }, Audit: db.Audit(),
		MayRemove: func(auth.Caller) bool { return w.removes },
		Events:    &atna.Reporter{SourceID: "test"}, MaxResults: 12, MaxReferences: 20, Clock: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler),
		NewID: func() xds.ObjectID {
			w.ids++
			return xds.ObjectID(fmt.Sprintf("urn:uuid:00000000-0000-4000-8000-%012d", w.ids))
		}})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// entry names the n-th document of the world: its id and its unique id follow from n.
func entryID(n int) xds.ObjectID {
	return xds.ObjectID(fmt.Sprintf("urn:uuid:eeeeeeee-0000-4000-8000-%012d", n))
}
func folderID(n int) xds.ObjectID {
	return xds.ObjectID(fmt.Sprintf("urn:uuid:ffffffff-0000-4000-8000-%012d", n))
}

// submit registers document n of patient 1 with relations to others, and whatever more adds.
func (w *world) submit(n int, more ...func(*xds.Submission)) error {
	w.now = w.now.Add(time.Minute)
	w.n++
	s := sample.Submission(1, n, 1, w.now)
	s.Set.UniqueID = xds.UniqueID(fmt.Sprintf("1.2.3.%d", w.n))
	e := &s.Entries[0]
	e.ID, e.Hash, e.Size, e.RepositoryUniqueID = entryID(n), strings.Repeat("0a", 20), int64(n), "1.2.9"
	s.Associations[0].Target = e.ID
	for _, m := range more {
		m(s)
	}
	_, err := w.RegisterDocumentSet(context.Background(), auth.Caller{}, s, nil)
	return err
}

func related(t xds.AssociationType, target xds.ObjectID) func(*xds.Submission) {
	return func(s *xds.Submission) {
		s.Associations = append(s.Associations, xds.Association{Header: xds.Header{ID: xds.ObjectID(fmt.Sprint("rel", len(s.Associations)))}, Type: t, Source: s.Entries[0].ID, Target: target})
	}
}

// inFolder puts the document into folder n, which the submission brings when it is new.
func inFolder(n int, isNew bool) func(*xds.Submission) {
	return func(s *xds.Submission) {
		member := xds.Association{Header: xds.Header{ID: "fm"}, Type: xds.HasMember, Source: folderID(n), Target: s.Entries[0].ID}
		s.Associations = append(s.Associations, member, xds.Association{Header: xds.Header{ID: "fmm"}, Type: xds.HasMember, Source: s.Set.ID, Target: "fm", Membership: "Original"})
		if isNew {
			s.Folders = append(s.Folders, xds.Folder{Header: xds.Header{ID: folderID(n)}, UniqueID: xds.UniqueID(fmt.Sprintf("1.5.%d", n)), PatientID: sample.PatientID(1), Codes: []xds.Code{{Code: "c", Scheme: "s", Display: xds.Plain("x")}}})
			s.Associations = append(s.Associations, xds.Association{Header: xds.Header{ID: "sf"}, Type: xds.HasMember, Source: s.Set.ID, Target: folderID(n), Membership: "Original"})
		}
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// ask runs a stored query for LeafClass; params are name, value pairs.
func (w *world) ask(id string, params ...string) ([]xds.Object, error) {
	return w.askFor(query.LeafClass, id, params...)
}

func (w *world) askFor(rt query.ReturnType, id string, params ...string) ([]xds.Object, error) {
	w.t.Helper()
	var slots []xds.Slot
	for i := 0; i < len(params); i += 2 {
		slots = append(slots, xds.Slot{Name: params[i], Values: []string{params[i+1]}})
	}
	q, err := query.Parse("urn:uuid:"+id, slots, false, &xds.Domain{})
	w.must(err)
	q.ReturnType = rt
	return w.StoredQuery(context.Background(), auth.Caller{}, q, nil)
}

// show gives kind and the last digits of the id, and the status when it is not Approved.
func show(objects []xds.Object) []string {
	var out []string
	for _, o := range objects {
		h := o.Header()
		s := fmt.Sprintf("%s %s", o.Kind(), strings.TrimLeft(string(h.ID[len(h.ID)-12:]), "0"))
		if a := o.Association; a != nil {
			s = string(a.Type[strings.LastIndexByte(string(a.Type), ':')+1:])
		}
		if h.Status != xds.Approved {
			s += " Deprecated"
		}
		out = append(out, s)
	}
	return out
}

const (
	findDocuments  = "14d4debf-8f97-4251-9a74-a90016b0af0d"
	getDocuments   = "5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4"
	getFolder      = "b909a503-523d-4517-8acf-8e5834dfc4c7"
	getFolders     = "5737b14c-8a1a-4539-b659-e03a34a5e1e4"
	getRelated     = "d90e5407-b356-4d91-a89f-873917b4b0e6"
	getSet         = "e8e3cb2c-e39c-46b9-99e4-c12f57260b83"
	both           = "('urn:oasis:names:tc:ebxml-regrep:StatusType:Approved','urn:oasis:names:tc:ebxml-regrep:StatusType:Deprecated')"
	patientParam   = "$XDSDocumentEntryPatientId"
	statusParam    = "$XDSDocumentEntryStatus"
	entryUUIDParam = "$XDSDocumentEntryEntryUUID"
)

func one() string { return "'" + sample.PatientID(1).String() + "'" }

func list(ids ...xds.ObjectID) string {
	var s []string
	for _, id := range ids {
		s = append(s, "'"+string(id)+"'")
	}
	return "(" + strings.Join(s, ",") + ")"
}

// A replacement deprecates what it replaces and everything derived from it, however far, and nothing else.
func TestReplacementDeprecatesTheFamily(t *testing.T) {
	w := newWorld(t)
	w.must(w.submit(1))
	w.must(w.submit(2, related(xds.XFRM, entryID(1))))
	w.must(w.submit(3, related(xds.APND, entryID(2))))
	w.must(w.submit(4, related(xds.APND, entryID(1))))
	w.must(w.submit(5, related(xds.Signs, entryID(1))))
	w.must(w.submit(6, related(xds.RPLC, entryID(1))))
	got, err := w.ask(findDocuments, patientParam, one(), statusParam, both)
	w.must(err)
	want := []string{"DocumentEntry 1 Deprecated", "DocumentEntry 2 Deprecated", "DocumentEntry 3 Deprecated", "DocumentEntry 4 Deprecated", "DocumentEntry 5", "DocumentEntry 6"}
	if !slices.Equal(show(got), want) {
		t.Errorf("got %v, want %v", show(got), want)
	}
}

// A replacement joins the folders of what it replaces, and the folder tells when.
func TestReplacementJoinsFolders(t *testing.T) {
	w := newWorld(t)
	w.must(w.submit(1, inFolder(1, true)))
	before, err := w.ask(getFolders, "$XDSFolderEntryUUID", list(folderID(1)))
	w.must(err)
	w.must(w.submit(2, related(xds.RPLC, entryID(1))))
	got, err := w.ask(getFolder, "$XDSFolderEntryUUID", "'"+string(folderID(1))+"'")
	w.must(err)
	if want := []string{"Folder 1", "DocumentEntry 1 Deprecated", "HasMember", "DocumentEntry 2", "HasMember"}; !slices.Equal(show(got), want) {
		t.Errorf("got %v, want %v", show(got), want)
	}
	if from, to := before[0].Folder.LastUpdateTime, got[0].Folder.LastUpdateTime; from != hl7.DTM("20260301120100") || to != hl7.DTM("20260301120200") {
		t.Errorf("last update %s, then %s", from, to)
	}
	// The new membership belongs to the submission set that brought it about.
	set, err := w.ask(getSet, "$XDSSubmissionSetUniqueId", "'1.2.3.2'")
	w.must(err)
	if want := []string{"SubmissionSet", "DocumentEntry 2", "HasMember", "HasMember", "HasMember"}; len(set) != len(want) {
		t.Errorf("got %v", show(set))
	}
}

func TestFolderGainsMember(t *testing.T) {
	w := newWorld(t)
	w.must(w.submit(1, inFolder(1, true)))
	w.must(w.submit(2, inFolder(1, false)))
	got, err := w.ask(getFolder, "$XDSFolderUniqueId", "'1.5.1'")
	w.must(err)
	if want := []string{"Folder 1", "DocumentEntry 1", "HasMember", "DocumentEntry 2", "HasMember"}; !slices.Equal(show(got), want) {
		t.Errorf("got %v, want %v", show(got), want)
	}
	if got[0].Folder.LastUpdateTime != "20260301120200" {
		t.Errorf("last update %s", got[0].Folder.LastUpdateTime)
	}
}

func TestRelatedDocuments(t *testing.T) {
	w := newWorld(t)
	w.must(w.submit(1))
	w.must(w.submit(2, related(xds.APND, entryID(1))))
	w.must(w.submit(3, related(xds.XFRM, entryID(1))))
	got, err := w.ask(getRelated, entryUUIDParam, list(entryID(1)), "$AssociationTypes", "('urn:ihe:iti:2007:AssociationType:APND')")
	w.must(err)
	if want := []string{"DocumentEntry 2", "DocumentEntry 1", "APND"}; !slices.Equal(show(got), want) {
		t.Errorf("got %v, want %v", show(got), want)
	}
	if got, err = w.ask(getRelated, entryUUIDParam, list(entryID(1)), "$AssociationTypes", "('urn:ihe:iti:2007:AssociationType:RPLC')"); err != nil || len(got) != 0 {
		t.Errorf("no relation: %v, %v", show(got), err)
	}
}

// What the registry itself finds wrong, all at once, and nothing stored.
func TestJudge(t *testing.T) {
	other := func(s *xds.Submission) {
		s.Set.PatientID, s.Entries[0].PatientID = sample.PatientID(2), sample.PatientID(2)
	}
	nobody := func(s *xds.Submission) {
		s.Set.PatientID, s.Entries[0].PatientID = sample.PatientID(3), sample.PatientID(3)
	}
	missing := xds.ObjectID("urn:uuid:99999999-0000-4000-8000-000000000000")
	reference := func(target xds.ObjectID) func(*xds.Submission) {
		return func(s *xds.Submission) {
			s.Associations = append(s.Associations, xds.Association{Header: xds.Header{ID: "ref"}, Type: xds.HasMember, Source: s.Set.ID, Target: target, Membership: "Reference"})
		}
	}
	for _, c := range []struct {
		name  string
		spoil []func(*xds.Submission)
		want  string
	}{
		{"patient nobody announced", []func(*xds.Submission){nobody}, "XDSUnknownPatientId SubmissionSet.patientId"},
		{"unknown patient and a bad date", []func(*xds.Submission){nobody, func(s *xds.Submission) { s.Entries[0].CreationTime = "x" }},
			"XDSRegistryMetadataError DocumentEntry[1].creationTime, XDSUnknownPatientId SubmissionSet.patientId"},
		{"id taken", []func(*xds.Submission){func(s *xds.Submission) { s.Entries[0].ID = entryID(1); s.Associations[0].Target = entryID(1) }}, "XDSRegistryMetadataError DocumentEntry[1].entryUUID"},
		{"other hash", []func(*xds.Submission){func(s *xds.Submission) {
			s.Entries[0].UniqueID, s.Entries[0].Size = docUniqueID(1), 1
			s.Entries[0].Hash = strings.Repeat("0b", 20)
		}}, "XDSNonIdenticalHash DocumentEntry[1].uniqueId"},
		{"other size", []func(*xds.Submission){func(s *xds.Submission) { s.Entries[0].UniqueID, s.Entries[0].Size = docUniqueID(1), 77 }}, "XDSNonIdenticalSize DocumentEntry[1].uniqueId"},
		{"unique id of a set", []func(*xds.Submission){func(s *xds.Submission) { s.Entries[0].UniqueID = "1.2.3.1" }}, "XDSDuplicateUniqueIdInRegistry DocumentEntry[1].uniqueId"},
		{"set again", []func(*xds.Submission){func(s *xds.Submission) { s.Set.UniqueID = "1.2.3.1" }}, "XDSDuplicateUniqueIdInRegistry SubmissionSet.uniqueId"},
		{"replaces nothing", []func(*xds.Submission){related(xds.RPLC, missing)}, "XDSRegistryDeprecatedDocumentError Association[2].targetObject"},
		{"replaces what was replaced", []func(*xds.Submission){related(xds.RPLC, entryID(2))}, "XDSRegistryDeprecatedDocumentError Association[2].targetObject"},
		{"transforms what was replaced", []func(*xds.Submission){related(xds.XFRM, entryID(2))}, "XDSRegistryDeprecatedDocumentError Association[2].targetObject"},
		{"replaces a folder", []func(*xds.Submission){related(xds.RPLC, folderID(1))}, "XDSRegistryMetadataError Association[2].targetObject"},
		{"snapshot of a stable document", []func(*xds.Submission){related(xds.IsSnapshotOf, entryID(1))}, "XDSRegistryMetadataError Association[2].targetObject"},
		{"replaces another patient's", []func(*xds.Submission){other, related(xds.RPLC, entryID(1))}, "XDSPatientIdDoesNotMatch Association[2].targetObject"},
		{"refers to another patient's", []func(*xds.Submission){other, reference(entryID(1))}, "XDSPatientIdDoesNotMatch Association[2].targetObject"},
		{"refers to nothing", []func(*xds.Submission){reference(missing)}, "UnresolvedReferenceException Association[2].targetObject"},
		{"into another patient's folder", []func(*xds.Submission){other, inFolder(1, false)}, "XDSPatientIdDoesNotMatch Association[2].sourceObject"},
		{"into no folder", []func(*xds.Submission){inFolder(8, false)}, "UnresolvedReferenceException Association[2].sourceObject"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.must(w.submit(1, inFolder(1, true)))
			w.must(w.submit(2))
			w.must(w.submit(3, related(xds.RPLC, entryID(2))))
			err := w.submit(4, c.spoil...)
			var es xds.Errors
			errors.As(err, &es)
			var got []string
			for _, e := range es {
				got = append(got, string(e.Code)+" "+e.Location)
			}
			if strings.Join(got, ", ") != c.want {
				t.Errorf("got %v, want %s", got, c.want)
			}
			all, err := w.ask(findDocuments, patientParam, one(), statusParam, both)
			w.must(err)
			if want := []string{"DocumentEntry 1", "DocumentEntry 2 Deprecated", "DocumentEntry 3"}; !slices.Equal(show(all), want) {
				t.Errorf("afterwards %v, want %v", show(all), want)
			}
		})
	}
}

func docUniqueID(n int) xds.UniqueID {
	return sample.Submission(1, n, 1, time.Time{}).Entries[0].UniqueID
}

func TestLimits(t *testing.T) {
	w := newWorld(t)
	for n := range 13 {
		w.must(w.submit(n + 1))
	}
	_, err := w.ask(findDocuments, patientParam, one(), statusParam, both)
	var es xds.Errors
	if !errors.As(err, &es) || es[0].Code != xds.CodeTooManyResults || es[0].Location != "FindDocuments" {
		t.Errorf("13 whole objects where 12 are given: %v", err)
	}
	if got, err := w.askFor(query.ObjectRef, findDocuments, patientParam, one(), statusParam, both); err != nil || len(got) != 13 {
		t.Errorf("13 references: %d, %v", len(got), err)
	}
}

func TestSinglePatient(t *testing.T) {
	w := newWorld(t)
	w.must(w.submit(1))
	w.must(w.submit(2, func(s *xds.Submission) {
		s.Set.PatientID, s.Entries[0].PatientID = sample.PatientID(2), sample.PatientID(2)
	}))
	_, err := w.ask(getDocuments, entryUUIDParam, list(entryID(1), entryID(2)))
	var es xds.Errors
	if !errors.As(err, &es) || es[0].Code != xds.CodeResultNotSinglePatient {
		t.Errorf("whole objects of two patients: %v", err)
	}
	if got, err := w.askFor(query.ObjectRef, getDocuments, entryUUIDParam, list(entryID(1), entryID(2))); err != nil || len(got) != 2 {
		t.Errorf("references of two patients: %v, %v", show(got), err)
	}
}

// At level 1 a consumer does not see what only metadata update explains.
func TestMetadataLevel(t *testing.T) {
	w := newWorld(t)
	w.must(w.submit(1, func(s *xds.Submission) {
		s.Entries[0].DocumentAvailability = "urn:ihe:iti:2010:DocumentAvailability:Offline"
	}))
	for level, want := range map[string]int{"1": 0, "2": 1} {
		got, err := w.ask(findDocuments, patientParam, one(), statusParam, both, "$MetadataLevel", level)
		if err != nil || len(got) != want {
			t.Errorf("level %s: %v, %v", level, show(got), err)
		}
	}
}
