package repository_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/xds"
)

var (
	operator = auth.Caller{Node: "operator"}
	owner    = hl7.CX{ID: "made-up", AssigningAuthority: hl7.HD{UniversalID: "1.2.250.1.213.1.4.10", UniversalIDType: "ISO"}}
)

// hold puts documents with these unique ids into the repository.
func (w *world) hold(ids ...xds.UniqueID) {
	for _, id := range ids {
		blob := "blob of " + string(id)
		w.blobs.kept[blob] = []byte(id)
		w.docs[id] = xds.StoredDocument{UniqueID: id, Blob: blob, MIMEType: "text/xml", Size: int64(len(id)), Patient: owner, Status: xds.Registered}
	}
}

func ask(ids ...xds.UniqueID) []xds.DocumentRequest {
	var out []xds.DocumentRequest
	for _, id := range ids {
		out = append(out, xds.DocumentRequest{RepositoryUniqueID: "1.2.9", UniqueID: id})
	}
	return out
}

// audited is the trail in short.
func (w *world) audited() []string {
	var out []string
	for _, m := range w.audit {
		e := m.EventIdentification
		line := fmt.Sprintf("%s %s %d %s", e.EventTypeCodes[0].Code, e.EventActionCode, e.EventOutcomeIndicator, e.EventOutcomeDescription)
		for _, o := range m.ParticipantObjects {
			line += " " + o.ParticipantObjectID
		}
		out = append(out, line)
	}
	return out
}

// What is removed cannot be retrieved, its bytes are destroyed, and one record says so; what is not here is named beside it.
func TestRemoveDocuments(t *testing.T) {
	w := newWorld(t)
	w.removes = true
	w.hold("1.1", "1.2", "1.3")
	removed, es := w.RemoveDocuments(t.Context(), operator, ask("1.1", "1.9", "1.3", "1.1"))
	if len(removed) != 2 || removed[0].UniqueID != "1.1" || removed[1].UniqueID != "1.3" {
		t.Errorf("removed %+v", removed)
	}
	if len(es) != 1 || es[0].Code != "XDSDocumentUniqueIdError" || es[0].Location != "DocumentRequest[2].DocumentUniqueId" {
		t.Errorf("errors %v", es)
	}
	if got := w.blobs.ids(); !slices.Equal(got, []string{"blob of 1.2"}) || len(w.doomed) != 0 {
		t.Errorf("left %v, doomed %v", got, w.doomed)
	}
	if want := []string{"ITI-86 D 4 XDSDocumentUniqueIdError " + owner.String() + " 1.1 1.3"}; !slices.Equal(w.audited(), want) {
		t.Errorf("audited %v, want %v", w.audited(), want)
	}
	if found, es := w.RetrieveDocumentSet(t.Context(), operator, ask("1.1")); len(found) != 0 || len(es) != 1 || es[0].Code != "XDSDocumentUniqueIdError" {
		t.Errorf("retrieved %v %v", found, es)
	}
}

// A node that is not named removes nothing.
func TestRemovalIsNotForEverybody(t *testing.T) {
	w := newWorld(t)
	w.hold("1.1")
	removed, es := w.RemoveDocuments(t.Context(), operator, ask("1.1"))
	if len(removed) != 0 || len(es) != 1 || es[0].Code != "XDSRepositoryError" || len(w.blobs.kept) != 1 {
		t.Errorf("%v %v", removed, es)
	}
	if want := []string{"ITI-86 D 4 XDSRepositoryError 1.1"}; !slices.Equal(w.audited(), want) {
		t.Errorf("audited %v, want %v", w.audited(), want)
	}
}

// Without a record nothing is removed.
func TestRemovalWithoutARecord(t *testing.T) {
	w := newWorld(t)
	w.removes = true
	w.hold("1.1")
	w.deaf = errors.New("the trail is deaf")
	removed, es := w.RemoveDocuments(t.Context(), operator, ask("1.1"))
	if len(removed) != 0 || len(es) != 1 || es[0].Code != "XDSRepositoryError" || len(w.blobs.kept) != 1 || len(w.docs) != 1 {
		t.Errorf("%v %v, blobs %v", removed, es, w.blobs.ids())
	}
}

// Bytes that could not be destroyed at once are out of reach, and destroyed later.
func TestDestroyedLater(t *testing.T) {
	w := newWorld(t)
	w.removes = true
	w.hold("1.1", "1.2")
	w.blobs.stuck = errors.New("the disk is stuck")
	removed, es := w.RemoveDocuments(t.Context(), operator, ask("1.1", "1.2"))
	if len(removed) != 2 || len(es) != 0 || len(w.blobs.kept) != 2 || len(w.doomed) != 2 || len(w.docs) != 0 {
		t.Fatalf("%v %v, blobs %v, doomed %v", removed, es, w.blobs.ids(), w.doomed)
	}
	w.blobs.stuck = nil
	if err := w.Destroy(context.Background()); err != nil || len(w.blobs.kept) != 0 || len(w.doomed) != 0 {
		t.Errorf("%v, blobs %v, doomed %v", err, w.blobs.ids(), w.doomed)
	}
}

// What counts as never having been there is not given, whatever else is asked for.
func TestWithheldIsNotGiven(t *testing.T) {
	w := newWorld(t)
	w.hold("1.1", "1.2")
	w.withheld = "1.1"
	found, es := w.RetrieveDocumentSet(t.Context(), operator, ask("1.1", "1.2"))
	if len(found) != 1 || found[0].Document.UniqueID != "1.2" || len(es) != 1 || es[0].Code != "XDSDocumentUniqueIdError" || es[0].Location != "DocumentRequest[1].DocumentUniqueId" {
		t.Errorf("%v %v", found, es)
	}
	for _, f := range found {
		f.Content.Close()
	}
}
