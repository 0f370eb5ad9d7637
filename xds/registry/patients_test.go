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

const (
	insTest = "1.2.250.1.213.1.4.10"
	insX    = "279035121518989"
)

func local(value string) hl7.CX {
	return hl7.CX{ID: value, AssigningAuthority: hl7.HD{UniversalID: "1.2.250.1.999.7.1", UniversalIDType: "ISO"}}
}

// identified is a registry beside a patient manager: its domain files by national identifiers, a hospital uses its own.
func identified(t *testing.T) (*registry.Registry, *manager.Manager) {
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
	domains := append(pix.INS(), pix.Domain{AssigningAuthority: local("").AssigningAuthority, InPlace: true, Feeders: []string{"gam"}, Askers: []string{"dpi"}})
	m, err := manager.New(manager.Config{Store: db.Patients(), Recorder: db.Audit(), Reporter: &atna.Reporter{SourceID: "test"}, Domains: domains, FiledAs: "NH"})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	r, err := registry.New(registry.Config{Store: db.Registry(), Patients: m, Audit: db.Audit(), Events: &atna.Reporter{SourceID: "test"}, MaxResults: 12, MaxReferences: 20,
		Domain: func() *xds.Domain {
			return &xds.Domain{CXTypes: []string{"NH"}, PatientAuthorities: []xds.OID{insTest}}
		}, Clock: time.Now, Log: slog.New(slog.DiscardHandler),
		NewID: func() xds.ObjectID {
			n++
			return xds.ObjectID(fmt.Sprintf("urn:uuid:00000000-0000-4000-8000-%012d", n))
		}})
	if err != nil {
		t.Fatal(err)
	}
	for id, status := range map[string]pix.Status{"N1": pix.Qualified, "N2": pix.Provisional} {
		f := pix.Feed{Event: pix.Added, Transaction: "ITI-30", Patient: pix.Patient{ID: local(id), Status: status,
			OtherIDs: []hl7.CX{{ID: insX, AssigningAuthority: hl7.HD{UniversalID: insTest, UniversalIDType: "ISO"}}}}}
		if err := m.Feed(t.Context(), auth.Caller{Node: "gam"}, f); err != nil {
			t.Fatal(err)
		}
	}
	return r, m
}

// filed is a submission of document n that names its patient by p everywhere.
func filed(n int, p hl7.CX, source hl7.CX) *xds.Submission {
	s := sample.Submission(1, n, 1, time.Date(2026, 3, 1, 12, n, 0, 0, time.UTC))
	s.Set.PatientID = p
	e := &s.Entries[0]
	e.ID, e.Hash, e.Size, e.RepositoryUniqueID = entryID(n), strings.Repeat("0a", 20), int64(n), "1.2.9"
	e.PatientID, e.SourcePatientID = p, source
	s.Associations[0].Target = e.ID
	return s
}

func TestLocalIdentifierInPlaceOfTheNationalOne(t *testing.T) {
	r, m := identified(t)
	dpi := auth.Caller{Node: "dpi"}
	other := hl7.CX{ID: "X9", AssigningAuthority: hl7.HD{UniversalID: "1.2.3", UniversalIDType: "ISO"}}
	for n, source := range []hl7.CX{{}, other} {
		if _, err := r.RegisterDocumentSet(t.Context(), dpi, filed(n+1, local("N1"), source), nil); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		who auth.Caller
		p   hl7.CX
	}{"not known": {dpi, local("N9")}, "not qualified": {dpi, local("N2")}, "a node that may not use the domain": {auth.Caller{Node: "other"}, local("N1")}} {
		_, err := r.RegisterDocumentSet(t.Context(), c.who, filed(9, c.p, hl7.CX{}), nil)
		es, _ := errors.AsType[xds.Errors](err)
		if !slices.ContainsFunc(es, func(e *xds.Error) bool {
			return e.Code == "XDSUnknownPatientId" && strings.HasPrefix(e.Location, "SubmissionSet")
		}) {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := r.StoredQuery(t.Context(), c.who, byPatient(t, c.p), nil); err == nil || !strings.Contains(err.Error(), "XDSUnknownPatientId") {
			t.Errorf("%s: query: %v %v", name, got, err)
		}
	}
	national := hl7.CX{ID: insX, AssigningAuthority: hl7.HD{UniversalID: insTest, UniversalIDType: "ISO"}}
	for _, p := range []hl7.CX{local("N1"), national} {
		found, err := r.StoredQuery(t.Context(), dpi, byPatient(t, p), nil)
		if err != nil || len(found) != 2 {
			t.Fatalf("%d found: %v", len(found), err)
		}
		for i, want := range []hl7.CX{local("N1"), other} {
			e := found[i].Entry
			if e.PatientID.String() != insX+"^^^&1.2.250.1.213.1.4.10&ISO^NH" || !e.SourcePatientID.Same(want) {
				t.Errorf("filed for %s by source %s", e.PatientID, e.SourcePatientID)
			}
		}
	}
	// The hospital's own merge moves nothing that is filed by the national identifier, and gives its number up.
	merge := pix.Feed{Event: pix.Merged, Transaction: "ITI-8", Patient: pix.Patient{ID: local("N3")}, Prior: local("N1")}
	if err := m.Feed(t.Context(), auth.Caller{Node: "gam"}, merge); err != nil {
		t.Fatal(err)
	}
	if _, err := r.StoredQuery(t.Context(), dpi, byPatient(t, local("N1")), nil); err == nil {
		t.Error("a number that was given up still resolves")
	}
}

func byPatient(t *testing.T, p hl7.CX) *query.Query {
	t.Helper()
	q, err := query.Parse("urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d", []xds.Slot{{Name: "$XDSDocumentEntryPatientId", Values: []string{"'" + p.String() + "'"}},
		{Name: "$XDSDocumentEntryStatus", Values: []string{"('urn:oasis:names:tc:ebxml-regrep:StatusType:Approved')"}}}, false, &xds.Domain{})
	if err != nil {
		t.Fatal(err)
	}
	q.ReturnType = query.LeafClass
	return q
}
