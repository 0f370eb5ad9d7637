package manager_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/manager"
)

// waiting lists the open reviews: who, with whom, why.
func waiting(t *testing.T, m *manager.Manager) []string {
	t.Helper()
	open, err := m.Reviews(t.Context(), operator, 0, 100)
	must(t, err)
	var out []string
	for _, v := range open {
		out = append(out, fmt.Sprintf("%d %s %s %s: %s", v.ID, v.A.ID, v.B.ID, v.Cause, v.Detail))
	}
	return out
}

func refusedWith(t *testing.T, err error, code pix.ErrorCode) {
	t.Helper()
	if e, ok := errors.AsType[*pix.Error](err); !ok || e.Code != code {
		t.Errorf("%v, want a refusal with %s", err, code)
	}
}

// A hospital gives one twin the number of the other.
func TestContradictionWaitsForADecision(t *testing.T) {
	m, _ := hospital(t)
	twin := told(pix.Added, of(south, "S1"), numberA, pix.Qualified)
	twin.Patient.Demographics.Names = []hl7.XPN{"ESSAI^EVA^EVA^^^^L"}
	must(t, m.Feed(t.Context(), node, told(pix.Added, of(north, "N1"), numberA, pix.Qualified), twin))
	if got := waiting(t, m); !reflect.DeepEqual(got, []string{"1 S1 " + numberA + " traits: first given name"}) {
		t.Errorf("waiting %q", got)
	}
	if got := known(t, m, of(south, "S1")); got != "" {
		t.Errorf("linked with %q", got)
	}
	// Told again, nobody is asked twice; put right, nobody is asked any more.
	must(t, m.Feed(t.Context(), node, twin))
	if got := waiting(t, m); len(got) != 1 {
		t.Errorf("waiting %q", got)
	}
	twin.Patient.OtherIDs = []hl7.CX{of(domain, numberB)}
	must(t, m.Feed(t.Context(), node, twin))
	if got := waiting(t, m); len(got) != 0 || known(t, m, of(south, "S1")) != numberB+"@10" {
		t.Errorf("waiting %q", got)
	}
	twin.Patient.OtherIDs = []hl7.CX{of(domain, numberA)}
	must(t, m.Feed(t.Context(), node, twin))
	refusedWith(t, m.Decide(t.Context(), node, 2, pix.Same), pix.CodeUnknownKey)
	refusedWith(t, m.Decide(t.Context(), operator, 9, pix.Same), pix.CodeUnknownKey)
	refusedWith(t, m.Decide(t.Context(), operator, 2, pix.Withdrawn), pix.CodeTableValue)
	must(t, m.Decide(t.Context(), operator, 2, pix.Same))
	if got := known(t, m, of(south, "S1")); got != numberA+"@10 N1@1" {
		t.Errorf("linked with %q", got)
	}
	refusedWith(t, m.Decide(t.Context(), operator, 2, pix.Same), pix.CodeUnknownKey)
	path, err := m.Explain(t.Context(), operator, of(south, "S1"), of(north, "N1"))
	if err != nil || len(path) != 2 || path[0].Reason != pix.Operator || path[0].Source != "vigilance" || path[1].Reason != pix.SharedNational || path[1].MessageID != "M-N1" {
		t.Errorf("%+v %v", path, err)
	}
	if _, err := m.Explain(t.Context(), node, of(south, "S1"), of(north, "N1")); err == nil {
		t.Error("explained to a node that is no operator")
	}
}

func TestDifferentIsForGood(t *testing.T) {
	m, _ := hospital(t)
	other := told(pix.Added, of(south, "S1"), numberA, pix.Qualified)
	other.Patient.Demographics.BirthDate = "19790329"
	must(t, m.Feed(t.Context(), node, told(pix.Added, of(north, "N1"), numberA, pix.Qualified), other))
	must(t, m.Decide(t.Context(), operator, 1, pix.Different))
	other.Patient.Demographics.BirthDate = "19790328"
	must(t, m.Feed(t.Context(), node, other))
	if got := known(t, m, of(south, "S1")); got != "" || len(waiting(t, m)) != 0 {
		t.Errorf("linked with %q, waiting %q", got, waiting(t, m))
	}
	// Whoever decided may think better of it, a hospital's A24 may not.
	refusedWith(t, m.Feed(t.Context(), node, pix.Feed{Event: pix.Linked, Transaction: "ITI-30", Patient: pix.Patient{ID: of(south, "S1")}, With: of(domain, numberA)}), pix.CodeUnknownKey)
	must(t, m.Link(t.Context(), operator, of(south, "S1"), of(domain, numberA)))
	if got := known(t, m, of(south, "S1")); got != numberA+"@10 N1@1" {
		t.Errorf("linked with %q", got)
	}
}

func TestTwoNationalIdentifiersNeverMeet(t *testing.T) {
	m, _ := hospital(t)
	link := func(a, b hl7.CX) error {
		return m.Feed(t.Context(), node, pix.Feed{Event: pix.Linked, Transaction: "ITI-30", Patient: pix.Patient{ID: a}, With: b})
	}
	must(t, m.Feed(t.Context(), node, told(pix.Added, of(north, "N1"), numberA, pix.Qualified), told(pix.Added, of(south, "S1"), numberB, pix.Qualified),
		told(pix.Added, of(clinic, "C1"), "", pix.Validated)))
	refusedWith(t, link(of(north, "N1"), of(south, "S1")), pix.CodeUnknownKey)
	must(t, link(of(north, "N1"), of(clinic, "C1")))
	refusedWith(t, link(of(clinic, "C1"), of(south, "S1")), pix.CodeUnknownKey)
	refusedWith(t, m.Link(t.Context(), operator, of(clinic, "C1"), of(south, "S1")), pix.CodeUnknownKey)
	// The clinic learns of a number: it is not the hospital's.
	must(t, m.Feed(t.Context(), node, told(pix.Revised, of(clinic, "C1"), numberB, pix.Qualified)))
	if got := waiting(t, m); !reflect.DeepEqual(got, []string{"1 C1 " + numberB + " two-national: two national identifiers"}) {
		t.Errorf("waiting %q", got)
	}
	refusedWith(t, m.Decide(t.Context(), operator, 1, pix.Same), pix.CodeUnknownKey)
	if got := waiting(t, m); len(got) != 1 {
		t.Errorf("a decision that was refused closed the review: %q", got)
	}
	must(t, m.Feed(t.Context(), node, pix.Feed{Event: pix.Unlinked, Transaction: "ITI-30", Patient: pix.Patient{ID: of(clinic, "C1")}, With: of(north, "N1")}))
	if got := known(t, m, of(clinic, "C1")); got != numberB+"@10 S1@2" || len(waiting(t, m)) != 0 {
		t.Errorf("linked with %q, waiting %q", got, waiting(t, m))
	}
}

// Two who are said to be two and claim one number: neither gets it until somebody says whose it is.
func TestPartedByA37(t *testing.T) {
	m, _ := hospital(t)
	must(t, m.Feed(t.Context(), node, told(pix.Added, of(north, "N1"), numberA, pix.Qualified), told(pix.Added, of(south, "S1"), numberA, pix.Qualified)))
	must(t, m.Feed(t.Context(), node, pix.Feed{Event: pix.Unlinked, Transaction: "ITI-30", Patient: pix.Patient{ID: of(north, "N1")}, With: of(south, "S1")}))
	for _, id := range []hl7.CX{of(north, "N1"), of(south, "S1")} {
		must(t, m.Feed(t.Context(), node, told(pix.Revised, id, numberA, pix.Qualified)))
		if got := known(t, m, id); got != "" {
			t.Errorf("%s has %q", id.ID, got)
		}
		if _, ok, err := m.NationalID(t.Context(), node, id); ok || err != nil {
			t.Errorf("%s files under the number (%v)", id.ID, err)
		}
	}
	if got := waiting(t, m); len(got) != 2 || !strings.Contains(got[0], "N1 "+numberA+" parted") || !strings.Contains(got[1], "S1 "+numberA+" parted") {
		t.Fatalf("waiting %q", got)
	}
	must(t, m.Decide(t.Context(), operator, 2, pix.Same))
	if got := known(t, m, of(south, "S1")); got != numberA+"@10" || known(t, m, of(north, "N1")) != "" {
		t.Errorf("south has %q, north %q", got, known(t, m, of(north, "N1")))
	}
}

func TestDemographicComparison(t *testing.T) {
	domains := []pix.Domain{{AssigningAuthority: hd(north), Linking: pix.LinkByDemographic}, {AssigningAuthority: hd(south), Linking: pix.LinkByDemographic}, {AssigningAuthority: hd(clinic)}}
	m, store := worldOf(t, manager.Config{Domains: domains, Matcher: letterMatcher{}, Automatic: 8, Review: 4, Operators: []string{"vigilance"}})
	feed := func(id hl7.CX, name, birth string) {
		t.Helper()
		f := told(pix.Added, id, "", "")
		f.Patient.Demographics = pix.Demographics{Names: []hl7.XPN{hl7.XPN("X^" + name + "^^^^^L")}, BirthDate: birth}
		must(t, m.Feed(t.Context(), node, f))
	}
	feed(of(north, "N1"), "ANNE", "19790328")
	feed(of(south, "S1"), "ANNE", "19790328")  // alike
	feed(of(south, "S2"), "ANNE", "19800101")  // nearly
	feed(of(south, "S3"), "BEATE", "19790328") // not at all
	feed(of(clinic, "C1"), "ANNE", "19790328") // not compared
	if got := known(t, m, of(north, "N1")); got != "S1@2" {
		t.Errorf("linked with %q", got)
	}
	if got := waiting(t, m); !reflect.DeepEqual(got, []string{"1 S2 N1 alike: ", "2 S2 S1 alike: "}) {
		t.Errorf("waiting %q", got)
	}
	l := store.Edges[0]
	if l.Weight != 10 || !reflect.DeepEqual(l.Fields, []pix.FieldWeight{{Field: "given", Weight: 5, Why: "same"}, {Field: "birth date", Weight: 5, Why: "same"}}) {
		t.Errorf("%+v", l)
	}
	feed(of(south, "S1"), "CLEO", "19790328")
	if got := known(t, m, of(north, "N1")); got != "" {
		t.Errorf("still linked with %q", got)
	}
}

func TestMergeIsUndone(t *testing.T) {
	m, store := hospital(t)
	must(t, m.Feed(t.Context(), node, told(pix.Added, of(north, "N1"), numberA, pix.Qualified), told(pix.Added, of(north, "N2"), "", pix.Validated)))
	store.file(of(domain, numberA), 3)
	store.file(of(north, "N1"), 2)
	before := store.Patients[of(north, "N2").Key()]
	merge := told(pix.Merged, of(north, "N2"), numberB, pix.Qualified)
	merge.Prior = of(north, "N1")
	must(t, m.Feed(t.Context(), node, merge))
	if got := known(t, m, of(north, "N2")); got != numberB+"@10" {
		t.Errorf("linked with %q", got)
	}
	store.file(of(north, "N2"), 1) // since
	refusedWith(t, m.Unmerge(t.Context(), node, of(north, "N1")), pix.CodeUnknownKey)
	refusedWith(t, m.Unmerge(t.Context(), operator, of(north, "N2")), pix.CodeUnknownKey)
	store.Audit = nil
	must(t, m.Unmerge(t.Context(), operator, of(north, "N1")))
	if got := store.drain(&store.Audit); !reflect.DeepEqual(got, []string{"merge-undone U 0 N1^^^&" + north + "&ISO"}) {
		t.Errorf("audited %q", got)
	}
	if got, want := store.filed(), map[string]int{of(domain, numberA).Key(): 3, of(north, "N1").Key(): 2, of(north, "N2").Key(): 1}; !reflect.DeepEqual(got, want) {
		t.Errorf("filed %v, want %v", got, want)
	}
	if known(t, m, of(north, "N1")) != numberA+"@10" || known(t, m, of(north, "N2")) != "" || !reflect.DeepEqual(store.Patients[of(north, "N2").Key()], before) {
		t.Errorf("%q, %q, %+v", known(t, m, of(north, "N1")), known(t, m, of(north, "N2")), store.Patients[of(north, "N2").Key()])
	}
	if _, ok := store.Patients[of(domain, numberB).Key()]; ok {
		t.Error("the number of the merge's message is still known")
	}
	found, err := m.Identity(t.Context(), operator, of(north, "N1"))
	if err != nil || found.Patient.ID.ID != "N1" || listed(found.Person) != numberA+"@10 N1@1" || len(found.Links) != 1 || len(found.History) != 2 || found.Merge != nil {
		t.Errorf("%+v %v", found, err)
	}
}

func TestExport(t *testing.T) {
	m, _ := hospital(t)
	must(t, m.Feed(t.Context(), node, told(pix.Added, of(north, "N1"), numberA, pix.Qualified), told(pix.Added, of(south, "S1"), "", ""), told(pix.Added, of(south, "S2"), "", "")))
	var got []string
	for after, pages := "", 0; pages < 9; pages++ {
		list, next, err := m.Export(t.Context(), operator, after, 2)
		must(t, err)
		for _, p := range list {
			got = append(got, p.ID.ID)
		}
		if after = next; next == "" {
			break
		}
	}
	if !reflect.DeepEqual(got, []string{"N1", numberA, "S1", "S2"}) {
		t.Errorf("exported %q", got)
	}
}

func TestFind(t *testing.T) {
	domains := hospitals()
	domains[4].Askers = []string{"gam.example"} // north
	m, store := worldOf(t, manager.Config{Domains: domains})
	must(t, m.Feed(t.Context(), node, told(pix.Added, of(north, "N1"), numberA, pix.Qualified), told(pix.Added, of(south, "S1"), numberA, pix.Qualified)))
	for i := range 7 {
		must(t, m.Feed(t.Context(), node, told(pix.Added, of(south, fmt.Sprint("T", i)), "", "")))
	}
	all := func(who auth.Caller, d manager.Demand) (ids []string) {
		for pages := 0; ; pages++ {
			page, err := m.Find(t.Context(), who, manager.Question{Transaction: "ITI-21", MessageID: "Q"}, d)
			must(t, err)
			if d.Max > 0 && len(page.Candidates) > d.Max || pages > 20 {
				t.Fatalf("a page of %d", len(page.Candidates))
			}
			for _, c := range page.Candidates {
				ids = append(ids, listed(c.IDs))
			}
			if d.After = page.Next; d.After == "" {
				slices.Sort(ids)
				return ids
			}
		}
	}
	family := pix.Criteria{Family: "essai"}
	want := []string{numberA + "@10 N1@1 S1@2", "T0@2", "T1@2", "T2@2", "T3@2", "T4@2", "T5@2", "T6@2"}
	for max := range 4 {
		if got := all(node, manager.Demand{Criteria: family, Max: max}); !reflect.DeepEqual(got, want) {
			t.Errorf("pages of %d: %q", max, got)
		}
	}
	if got := all(auth.Caller{Node: "other"}, manager.Demand{Criteria: family, Max: 2})[0]; got != numberA+"@10 S1@2" {
		t.Errorf("a node that may not ask for a domain hears %q", got)
	}
	if got := all(node, manager.Demand{Criteria: family, Domains: []hl7.HD{hd(north)}}); !reflect.DeepEqual(got, []string{"N1@1"}) {
		t.Errorf("of one domain %q", got)
	}
	if got := all(node, manager.Demand{Criteria: pix.Criteria{ID: hl7.CX{ID: "S1"}}}); !reflect.DeepEqual(got, want[:1]) {
		t.Errorf("by number alone %q", got)
	}
	if _, _, err := m.Export(t.Context(), node, "", 4); err == nil {
		t.Error("exported to a node that is no operator")
	}
	store.refused = nil
	for want, d := range map[pix.Place]manager.Demand{pix.AtQuery: {Criteria: pix.Criteria{Given: "zoe", Sex: "F"}}, pix.AtQueryDomain: {Criteria: family, Domains: []hl7.HD{hd("1.2.3")}},
		pix.AtContinuation: {Criteria: family, After: "%"}} {
		_, err := m.Find(t.Context(), node, nobody, d)
		if e, ok := errors.AsType[*pix.Error](err); !ok || e.At != want {
			t.Errorf("%v, want a refusal at %s", err, want)
		}
	}
	if len(store.refused) != 3 || store.refused[0].EventIdentification.EventOutcomeIndicator != 4 {
		t.Errorf("audited %+v", store.refused)
	}
}
