package manager_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/manager"
)

func f(event pix.Event, patient, prior string) pix.Feed {
	feed := pix.Feed{Event: event, Transaction: "ITI-8", MessageID: "M", Patient: pix.Patient{ID: id(patient)}}
	if prior != "" {
		feed.Prior = id(prior)
	}
	return feed
}

func TestFeed(t *testing.T) {
	foreign := hl7.CX{ID: "X", AssigningAuthority: hl7.HD{UniversalID: "1.2.3", UniversalIDType: "ISO"}}
	tests := []struct {
		name  string
		feeds []pix.Feed // all but the last must be accepted
		code  pix.ErrorCode
		at    pix.Place
		moved map[string]int // where the records are at the end; they begin as A:2 B:1 C:1
	}{
		{"add", []pix.Feed{f(pix.Added, "A", "")}, "", "", nil},
		{"add again", []pix.Feed{f(pix.Added, "A", ""), f(pix.Added, "A", "")}, "", "", nil},
		{"revise what nobody announced", []pix.Feed{f(pix.Revised, "A", "")}, "", "", nil},
		{"merge", []pix.Feed{f(pix.Added, "A", ""), f(pix.Added, "B", ""), f(pix.Merged, "B", "A")}, "", "", map[string]int{"B": 3, "C": 1}},
		{"merge into a new one", []pix.Feed{f(pix.Added, "A", ""), f(pix.Merged, "B", "A")}, "", "", map[string]int{"B": 3, "C": 1}},
		{"merge twice the same", []pix.Feed{f(pix.Added, "A", ""), f(pix.Merged, "B", "A"), f(pix.Merged, "B", "A")}, "", "", map[string]int{"B": 3, "C": 1}},
		{"chain", []pix.Feed{f(pix.Added, "A", ""), f(pix.Merged, "B", "A"), f(pix.Merged, "C", "B")}, "", "", map[string]int{"C": 4}},
		{"merge of an unknown one", []pix.Feed{f(pix.Added, "B", ""), f(pix.Merged, "B", "A")}, pix.CodeUnknownKey, pix.AtPriorID, nil},
		{"merge into itself", []pix.Feed{f(pix.Added, "A", ""), f(pix.Merged, "A", "A")}, pix.CodeDuplicateKey, pix.AtPriorID, nil},
		{"merge of one given up", []pix.Feed{f(pix.Added, "A", ""), f(pix.Merged, "B", "A"), f(pix.Merged, "C", "A")}, pix.CodeUnknownKey, pix.AtPriorID, map[string]int{"B": 3, "C": 1}},
		{"merge into one given up", []pix.Feed{f(pix.Added, "A", ""), f(pix.Added, "C", ""), f(pix.Merged, "B", "A"), f(pix.Merged, "A", "C")}, pix.CodeUnknownKey, pix.AtPatientID, map[string]int{"B": 3, "C": 1}},
		{"circle", []pix.Feed{f(pix.Added, "A", ""), f(pix.Merged, "B", "A"), f(pix.Merged, "A", "B")}, pix.CodeUnknownKey, pix.AtPatientID, map[string]int{"B": 3, "C": 1}},
		{"add one given up", []pix.Feed{f(pix.Added, "A", ""), f(pix.Merged, "B", "A"), f(pix.Added, "A", "")}, pix.CodeUnknownKey, pix.AtPatientID, map[string]int{"B": 3, "C": 1}},
		{"foreign authority", []pix.Feed{{Event: pix.Added, Patient: pix.Patient{ID: foreign}}}, pix.CodeUnknownKey, pix.AtPatientAuthority, nil},
		{"foreign prior", []pix.Feed{{Event: pix.Merged, Patient: pix.Patient{ID: id("A")}, Prior: foreign}}, pix.CodeUnknownKey, pix.AtPriorAuthority, nil},
		{"no identifier", []pix.Feed{{Event: pix.Added}}, pix.CodeRequiredMissing, pix.AtPatientID, nil},
		{"no authority", []pix.Feed{{Event: pix.Added, Patient: pix.Patient{ID: hl7.CX{ID: "A"}}}}, pix.CodeRequiredMissing, pix.AtPatientAuthority, nil},
		{"no prior", []pix.Feed{f(pix.Merged, "A", "")}, pix.CodeRequiredMissing, pix.AtPriorID, nil},
		{"no event", []pix.Feed{f("", "A", "")}, pix.CodeUnsupportedEvent, pix.AtEvent, nil},
		{"move to a new value", []pix.Feed{f(pix.Added, "A", ""), f(pix.Moved, "B", "A")}, "", "", map[string]int{"B": 3, "C": 1}},
		{"move keeping the value", []pix.Feed{f(pix.Added, "A", ""), f(pix.Moved, "A", "A")}, "", "", nil},
		{"move of an unknown value", []pix.Feed{f(pix.Moved, "A", "A")}, pix.CodeUnknownKey, pix.AtPriorID, nil},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			m, store := world(t)
			store.file(id("A"), 2)
			store.file(id("B"), 1)
			store.file(id("C"), 1)
			for i, feed := range c.feeds {
				before := len(store.Audit)
				err := m.Feed(t.Context(), auth.Caller{Node: "gam.example"}, feed)
				last := i == len(c.feeds)-1
				e, refused := errors.AsType[*pix.Error](err)
				switch {
				case !last || c.code == "":
					if err != nil {
						t.Fatalf("feed %d: %v", i, err)
					}
					if len(store.Audit) == before {
						t.Error("accepted without an audit record")
					}
				case !refused || e.Code != c.code || e.At != c.at:
					t.Fatalf("got %v, want %s at %s", err, c.code, c.at)
				case len(store.refused) == 0 || len(store.Audit) != before:
					t.Error("refused without an audit record, or kept in a commit")
				}
			}
			want := map[string]int{id("A").Key(): 2, id("B").Key(): 1, id("C").Key(): 1}
			if c.moved != nil {
				clear(want)
				for k, n := range c.moved {
					want[id(k).Key()] = n
				}
			}
			if !reflect.DeepEqual(store.filed(), want) {
				t.Errorf("records %v, want %v", store.filed(), want)
			}
		})
	}
}

func TestFeedIsAllOrNothing(t *testing.T) {
	m, store := world(t)
	err := m.Feed(t.Context(), auth.Caller{}, f(pix.Added, "A", ""), f(pix.Merged, "B", "Z"))
	if e, ok := errors.AsType[*pix.Error](err); !ok || e.Index != 1 {
		t.Fatalf("%v", err)
	}
	if len(store.Patients) != 0 || len(store.Audit) != 0 {
		t.Error("half of the message was kept")
	}
	want := []string{"ITI-8 C 4 A^^^&" + domain + "&ISO", "ITI-8 U 4 B^^^&" + domain + "&ISO", "ITI-8 D 4 Z^^^&" + domain + "&ISO"}
	if got := store.drain(&store.refused); !reflect.DeepEqual(got, want) {
		t.Errorf("audited %q", got)
	}
}

func TestDemographicsAndTombstone(t *testing.T) {
	m, store := world(t)
	feed := f(pix.Added, "A", "")
	feed.Patient.Demographics.Sex = "F"
	if err := m.Feed(t.Context(), auth.Caller{}, feed, f(pix.Merged, "B", "A")); err != nil {
		t.Fatal(err)
	}
	if a := store.Patients[id("A").Key()]; !a.MergedInto.Same(id("B")) || a.Demographics.Sex != "F" {
		t.Errorf("%+v", a)
	}
	feed = f(pix.Revised, "B", "")
	feed.Patient.Demographics.Sex = "M"
	if err := m.Feed(t.Context(), auth.Caller{}, feed); err != nil || store.Patients[id("B").Key()].Demographics.Sex != "M" {
		t.Errorf("not revised: %v", err)
	}
	if err := m.Feed(t.Context(), auth.Caller{}, f(pix.Added, "C", ""), f(pix.Merged, "B", "C")); err != nil || store.Patients[id("B").Key()].Demographics.Sex != "M" {
		t.Errorf("a merge that says only the identifier took the demographics away: %v", err)
	}
}

func TestStoreFailureSaysNothing(t *testing.T) {
	m, store := world(t)
	store.Broken = errDisk
	err := m.Feed(t.Context(), auth.Caller{}, f(pix.Added, "A", ""))
	if !errors.Is(err, errDisk) {
		t.Errorf("%v", err)
	}
	if got := store.refused[0].EventIdentification; got.EventOutcomeIndicator != 8 || strings.Contains(got.EventOutcomeDescription, "secret") {
		t.Errorf("%+v", got)
	}
}

func TestNewRefuses(t *testing.T) {
	if _, err := manager.New(manager.Config{}); err == nil {
		t.Error("empty configuration accepted")
	}
}
