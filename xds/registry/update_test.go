package registry_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/registry"
)

const (
	archived = xds.Status("urn:asip:ci-sis:2010:StatusType:Archived")
	deleted  = xds.Status("urn:asip:ci-sis:2010:StatusType:Deleted")
)

func versionID(n, version int) xds.ObjectID {
	return xds.ObjectID(fmt.Sprintf("urn:uuid:eeeeeeee-%04d-4000-8000-%012d", version, n))
}

// update is a submission of patient 1 that brings nothing yet.
func (w *world) update() *xds.Submission {
	w.n++
	s := sample.Submission(1, 0, 1, w.now)
	s.Set.UniqueID = xds.UniqueID(fmt.Sprintf("1.2.3.%d", w.n))
	s.Entries, s.Folders, s.Associations = nil, nil, nil
	return s
}

// version adds another version of document n to an update.
func version(s *xds.Submission, n, previous int, propagation string) {
	e := sample.Submission(1, n, 1, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)).Entries[0]
	e.ID, e.LogicalID, e.Hash, e.Size, e.RepositoryUniqueID = versionID(n, previous+1), entryID(n), strings.Repeat("0a", 20), int64(n), "1.2.9"
	e.Title = xds.Plain(fmt.Sprint("version ", previous+1))
	s.Entries = append(s.Entries, e)
	s.Associations = append(s.Associations, xds.Association{Header: xds.Header{ID: xds.ObjectID(fmt.Sprint("as", len(s.Associations)))}, Type: xds.HasMember, Source: s.Set.ID,
		Target: e.ID, Membership: "Original", PreviousVersion: fmt.Sprint(previous), Propagation: propagation})
}

func status(s *xds.Submission, id xds.ObjectID, from, to xds.Status) {
	s.Associations = append(s.Associations, xds.Association{Header: xds.Header{ID: xds.ObjectID(fmt.Sprint("as", len(s.Associations)))}, Type: xds.UpdateAvailabilityStatus,
		Source: s.Set.ID, Target: id, OriginalStatus: from, NewStatus: to})
}

func (w *world) updateWith(more ...func(*xds.Submission)) error {
	s := w.update()
	for _, m := range more {
		m(s)
	}
	_, err := w.UpdateDocumentSet(context.Background(), auth.Caller{Node: "source"}, s)
	return err
}

// where gives code and location of every finding.
func where(err error) []string {
	var es xds.Errors
	errors.As(err, &es)
	var out []string
	for _, e := range es {
		out = append(out, string(e.Code)+" "+e.Location)
	}
	return out
}

// Both ends of a relation are updated at once: the new versions are related, once, and nothing else is.
func TestPropagationAtBothEnds(t *testing.T) {
	w := newWorld(t)
	w.must(w.submit(1))
	w.must(w.submit(2, related(xds.APND, entryID(1))))
	w.must(w.updateWith(func(s *xds.Submission) { version(s, 1, 1, ""); version(s, 2, 1, "yes") }))
	var approved []string
	err := w.db.Registry().View(t.Context(), func(tx registry.Tx) error {
		for _, id := range []xds.ObjectID{entryID(1), entryID(2), versionID(1, 2), versionID(2, 2)} {
			as, err := tx.Associations(id)
			if err != nil {
				return err
			}
			for _, a := range as {
				if a.Type == xds.APND && a.Status == xds.Approved && a.Source == id {
					approved = append(approved, string(a.Source)+" "+string(a.Target))
				}
			}
		}
		return nil
	})
	w.must(err)
	if want := []string{string(versionID(2, 2)) + " " + string(versionID(1, 2))}; !slices.Equal(approved, want) {
		t.Errorf("related: %v, want %v", approved, want)
	}
}

// Of many who update the same version at once exactly one is heard, and the others are told why.
func TestUpdatesOfOneVersionTogether(t *testing.T) {
	w := newWorld(t)
	w.must(w.submit(1))
	subs := make([]*xds.Submission, 16)
	for i := range subs {
		subs[i] = w.update()
		version(subs[i], 1, 1, "")
		subs[i].Entries[0].ID = versionID(1, 100+i)
		subs[i].Associations[0].Target = subs[i].Entries[0].ID
	}
	var won atomic.Int32
	var wg sync.WaitGroup
	for _, s := range subs {
		wg.Go(func() {
			_, err := w.UpdateDocumentSet(context.Background(), auth.Caller{}, s)
			if err == nil {
				won.Add(1)
			} else if got := where(err); !slices.Equal(got, []string{"XDSMetadataVersionError Association[1].PreviousVersion"}) {
				t.Error(got)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d updates won, want 1", won.Load())
	}
}

// The statuses of a domain exist where its data say so, and only there.
func TestNationalStatusesAreData(t *testing.T) {
	w := newWorld(t)
	w.must(w.submit(1))
	archive := func(s *xds.Submission) { status(s, entryID(1), xds.Approved, archived) }
	if got, want := where(w.updateWith(archive)), []string{"XDSMetadataUpdateError Association[1].NewStatus"}; !slices.Equal(got, want) {
		t.Errorf("without the data: %v, want %v", got, want)
	}
	w.domain = &xds.Domain{CXTypes: []string{"*"}, Statuses: []xds.Status{archived, deleted}, Transitions: []xds.Transition{{From: xds.Approved, To: archived}, {From: archived, To: xds.Approved}}}
	w.must(w.updateWith(archive))
	if withheld, err := w.Withheld(t.Context(), sampleUnique(1)); withheld || err != nil {
		t.Error("an archived document is withheld", err)
	}
	w.must(w.updateWith(func(s *xds.Submission) { status(s, entryID(1), archived, xds.Approved) }))
}

func sampleUnique(n int) xds.UniqueID {
	return sample.Submission(1, n, 1, time.Time{}).Entries[0].UniqueID
}

// A document that was submitted twice is withheld when no entry of it is left.
func TestWithheld(t *testing.T) {
	w := newWorld(t)
	w.domain = &xds.Domain{CXTypes: []string{"*"}, Statuses: []xds.Status{deleted}, Withheld: []xds.Status{deleted}, Transitions: []xds.Transition{{From: xds.Approved, To: deleted}}}
	w.must(w.submit(1))
	w.must(w.submit(2, func(s *xds.Submission) { s.Entries[0].UniqueID, s.Entries[0].Size = sampleUnique(1), 1 }))
	for n, want := range []bool{false, true} {
		w.must(w.updateWith(func(s *xds.Submission) { status(s, entryID(n+1), xds.Approved, deleted) }))
		if got, err := w.Withheld(t.Context(), sampleUnique(1)); got != want || err != nil {
			t.Errorf("after %d: %v, want %v (%v)", n+1, got, want, err)
		}
	}
	if got, err := w.Withheld(t.Context(), "1.2.3.4.5"); got || err != nil {
		t.Error("a document that nobody registered is withheld", err)
	}
}

// Every update is audited once, whatever came of it, with its patient and its submission set.
func TestUpdatesAreAudited(t *testing.T) {
	w := newWorld(t)
	w.must(w.submit(1))
	w.must(w.updateWith(func(s *xds.Submission) { version(s, 1, 1, "") }))
	if err := w.updateWith(func(s *xds.Submission) { version(s, 1, 1, "") }); err == nil {
		t.Error("the version was followed twice")
	}
	s := w.update()
	status(s, versionID(1, 2), xds.Approved, xds.Deprecated)
	if _, err := w.RestrictedUpdate(t.Context(), auth.Caller{}, s); !slices.Equal(where(err), []string{"UnmodifiableMetadataError Association[1]"}) {
		t.Error(where(err))
	}
	w.removes = true
	if err := w.DeleteDocumentSet(t.Context(), auth.Caller{}, []xds.ObjectID{entryID(1), "urn:uuid:nobody"}); !slices.Equal(where(err),
		[]string{"UnresolvedReferenceException ObjectRef[2]", "ReferencesExistException ObjectRef[1]"}) {
		t.Error(where(err))
	}
	var got []string
	kept, err := w.db.Audit().From(t.Context(), 2, 10)
	w.must(err)
	for _, m := range kept {
		got = append(got, line(m.Message))
	}
	id := sample.PatientID(1).String()
	want := []string{
		"ITI-57 U 0  " + id + " 1.2.3.2", "ITI-57 U 4 XDSRegistryMetadataError XDSMetadataVersionError " + id + " 1.2.3.3",
		"ITI-92 U 4 UnmodifiableMetadataError " + id + " 1.2.3.4",
		"ITI-62 D 4 UnresolvedReferenceException ReferencesExistException " + id + " " + string(entryID(1)) + " urn:uuid:nobody",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// line is an audit message in short.
func line(m *atna.AuditMessage) string {
	e := m.EventIdentification
	out := fmt.Sprintf("%s %s %d %s", e.EventTypeCodes[0].Code, e.EventActionCode, e.EventOutcomeIndicator, e.EventOutcomeDescription)
	for _, o := range m.ParticipantObjects {
		out += " " + o.ParticipantObjectID
	}
	return out
}

// Nobody removes who is not named, and what is removed is gone from the store.
func TestRemoval(t *testing.T) {
	w := newWorld(t)
	w.must(w.submit(1, inFolder(1, true)))
	got, err := w.ask(getSet, "$XDSSubmissionSetUniqueId", "'1.2.3.1'")
	w.must(err)
	var all []xds.ObjectID
	for _, o := range got {
		all = append(all, o.Header().ID)
	}
	if len(all) != 7 {
		t.Fatalf("%d objects, want the set, the document, the folder and four memberships", len(all))
	}
	if err := w.DeleteDocumentSet(t.Context(), auth.Caller{}, all); !slices.Equal(where(err), []string{"XDSRegistryError "}) {
		t.Error("by a node that may not:", where(err))
	}
	w.removes = true
	w.must(w.DeleteDocumentSet(t.Context(), auth.Caller{}, all))
	if s := w.db.Stats(); s.Entries+s.Sets+s.Folders+s.Associations != 0 {
		t.Errorf("%+v", s)
	}
}

// A document whose bytes were removed while it was submitted again is not registered without them.
func TestRegisteredBytesAreThere(t *testing.T) {
	w := newWorld(t)
	stored := xds.StoredDocument{UniqueID: sampleUnique(1), Blob: "b1", MIMEType: "text/xml", Size: 1, Hash: strings.Repeat("0a", 20), Patient: sample.PatientID(1), Status: xds.Staged}
	submit := func(n int, d xds.StoredDocument) error {
		s := sample.Submission(1, 1, 1, w.now)
		s.Set.UniqueID = xds.UniqueID(fmt.Sprintf("1.2.4.%d", n))
		e := &s.Entries[0]
		e.ID, e.Hash, e.Size, e.RepositoryUniqueID = entryID(n), d.Hash, d.Size, "1.2.9"
		s.Associations[0].Target = e.ID
		_, err := w.RegisterDocumentSet(context.Background(), auth.Caller{}, s, []xds.StoredDocument{d})
		return err
	}
	w.must(submit(1, stored))
	old, ok, err := w.db.Documents().Document(t.Context(), stored.UniqueID)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	w.must(submit(2, old))
	w.must(w.db.Documents().Doom(t.Context(), []xds.UniqueID{old.UniqueID}, (&atna.Reporter{}).Event(atna.ITI86, atna.Responder, atna.Facts{Time: w.now})))
	if err := submit(3, old); !slices.Equal(where(err), []string{"XDSRegistryBusy "}) {
		t.Error(where(err))
	}
	if _, ok, _ := w.db.Documents().Document(t.Context(), stored.UniqueID); ok {
		t.Error("the document is registered, and its bytes are being destroyed")
	}
}
