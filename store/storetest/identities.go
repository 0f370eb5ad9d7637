package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/manager"
)

// Identities is the contract of what manager.Store keeps beside the patients' records. open gives an empty one.
func Identities(t *testing.T, open func(t *testing.T) manager.Store) {
	for name, part := range map[string]func(*testing.T, manager.Store){"Persons": persons, "Links": links, "Reviews": reviews, "Traces": traces, "Alike": alike,
		"Search": search, "Forget": forget} {
		t.Run(name, func(t *testing.T) { part(t, open(t)) })
	}
}

func update(t *testing.T, s manager.Store, f func(manager.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func look(t *testing.T, s manager.Store, f func(manager.Tx) error) {
	t.Helper()
	if err := s.View(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func announce(t *testing.T, s manager.Store, n int) {
	t.Helper()
	update(t, s, func(tx manager.Tx) error {
		for i := range n {
			p := pix.Patient{ID: Patient(i + 1)}
			if err := tx.PutPatient(&p); err != nil {
				return err
			}
			if p.Number != uint64(i+1) {
				t.Errorf("the patient told as number %d is numbered %d", i+1, p.Number)
			}
		}
		return nil
	})
}

func persons(t *testing.T, s manager.Store) {
	announce(t, s, 4)
	join := func(n int, person uint64) {
		update(t, s, func(tx manager.Tx) error {
			p, _, err := tx.Patient(Patient(n))
			p.Person = person
			return errors.Join(err, tx.PutPatient(&p))
		})
	}
	want := func(person uint64, numbers ...uint64) {
		t.Helper()
		look(t, s, func(tx manager.Tx) error {
			members, err := tx.Members(person)
			var got []uint64
			for _, p := range members {
				if got = append(got, p.Number); p.Person != person {
					t.Errorf("patient %d is of person %d", p.Number, p.Person)
				}
			}
			if !slices.Equal(got, numbers) {
				t.Errorf("person %d is %v, want %v", person, got, numbers)
			}
			return err
		})
	}
	want(2)
	join(4, 2)
	join(2, 2)
	join(3, 2)
	want(2, 2, 3, 4)
	join(3, 0)
	want(2, 2, 4)
	join(4, 0)
	join(2, 0)
	want(2)
	// A patient's row and his person may change apart.
	update(t, s, func(tx manager.Tx) error {
		return tx.PutPatient(&pix.Patient{ID: Patient(3), Demographics: pix.Demographics{Sex: "F"}, Person: 1})
	})
	want(1, 3)
	// Links and nothing else make persons: what was tried here is undone for Check.
	join(3, 0)
}

func links(t *testing.T, s manager.Store) {
	announce(t, s, 4)
	first := pix.Link{A: Patient(1), B: Patient(3), Reason: pix.Never, Weight: 7.5, Fields: []pix.FieldWeight{{Field: "sex", Weight: -1, Why: "differs"}}, Source: "gam", Transaction: "ITI-30", MessageID: "m", At: "20261123083100"}
	update(t, s, func(tx manager.Tx) error {
		return errors.Join(tx.PutLink(first), tx.PutLink(pix.Link{A: Patient(2), B: Patient(1), Reason: pix.Never}), tx.PutLink(pix.Link{A: Patient(4), B: Patient(1), Reason: pix.Never}))
	})
	others := func(n int) (to []string) {
		look(t, s, func(tx manager.Tx) error {
			list, err := tx.Links(Patient(n))
			for _, l := range list {
				to = append(to, l.Other(Patient(n)).ID)
			}
			return err
		})
		return to
	}
	if got := others(1); !slices.Equal(got, []string{"made-up-2", "made-up-3", "made-up-4"}) {
		t.Errorf("links with %v", got)
	}
	look(t, s, func(tx manager.Tx) error {
		list, err := tx.Links(Patient(3))
		if len(list) != 1 || !reflect.DeepEqual(list[0], first) {
			t.Errorf("got %+v, want %+v", list, first)
		}
		return err
	})
	update(t, s, func(tx manager.Tx) error {
		return errors.Join(tx.PutLink(pix.Link{A: Patient(3), B: Patient(1), Reason: pix.Never, Source: "other"}), tx.DeleteLink(Patient(1), Patient(2)))
	})
	if got := others(1); !slices.Equal(got, []string{"made-up-3", "made-up-4"}) {
		t.Errorf("links with %v", got)
	}
	if got := others(2); len(got) != 0 {
		t.Errorf("links with %v", got)
	}
	for _, l := range []pix.Link{{A: Patient(1), B: Patient(9)}, {A: Patient(1), B: Patient(1)}} {
		if err := s.Update(t.Context(), func(tx manager.Tx) error { return tx.PutLink(l) }); err == nil {
			t.Errorf("linked %s with %s", l.A.ID, l.B.ID)
		}
	}
}

func reviews(t *testing.T, s manager.Store) {
	for i := range 5 {
		update(t, s, func(tx manager.Tx) error {
			r := pix.Review{A: Patient(1), B: Patient(i + 2), Cause: pix.CauseTraits, Detail: "sex", Opened: "20261123083100"}
			err := tx.PutReview(&r)
			if r.ID != uint64(i+1) {
				t.Errorf("review %d has number %d", i+1, r.ID)
			}
			return err
		})
	}
	decide := func(id uint64, d pix.Decision) {
		update(t, s, func(tx manager.Tx) error {
			r, ok, err := tx.Review(id)
			if !ok {
				t.Error("review", id, "is not there")
			}
			r.Decision, r.By, r.Decided = d, "clerk", "20261123083200"
			return errors.Join(err, tx.PutReview(&r))
		})
	}
	open := func(list []pix.Review) (ids []uint64) {
		for _, r := range list {
			ids = append(ids, r.ID)
		}
		return ids
	}
	decide(2, pix.Same)
	decide(4, pix.Withdrawn)
	decide(4, pix.Pending)
	look(t, s, func(tx manager.Tx) error {
		all, err := tx.OpenReviews(0, 10)
		some, err2 := tx.OpenReviews(1, 2)
		of1, err3 := tx.ReviewsOf(Patient(1))
		of3, err4 := tx.ReviewsOf(Patient(3))
		of5, err5 := tx.ReviewsOf(Patient(5))
		got := fmt.Sprint(open(all), open(some), open(of1), open(of3), open(of5))
		if want := "[1 3 4 5] [3 4] [1 3 4 5] [] [4]"; got != want {
			t.Errorf("open are %s, want %s", got, want)
		}
		_, ok, err6 := tx.Review(9)
		if ok {
			t.Error("a review that is not there")
		}
		return errors.Join(err, err2, err3, err4, err5, err6)
	})
}

func traces(t *testing.T, s manager.Store) {
	announce(t, s, 2)
	m := pix.Merge{Event: pix.Merged, Prior: pix.Patient{ID: Patient(1), Visit: &pix.Visit{Class: "I", Number: Patient(7)}, Number: 1, Person: 1, Status: pix.Qualified}, Into: Patient(2), Revision: 3,
		Lost: []pix.Link{{A: Patient(1), B: Patient(2), Reason: pix.Explicit}}, Gained: []pix.Link{}, Closed: []uint64{3}, Objects: []uint64{9, 4, 1 << 40}, At: "20261123083100"}
	update(t, s, func(tx manager.Tx) error {
		err := tx.PutMerge(m)
		for i := range pix.MaxHistory + 10 {
			c := pix.Change{At: "20261123083100", Event: pix.Revised, MessageID: fmt.Sprint(i), Fields: []pix.FieldChange{{Field: "sex", Old: "F"}}}
			err = errors.Join(err, tx.AddHistory(Patient(1), c))
		}
		return errors.Join(err, tx.Announce(pix.CrossReference{IDs: []hl7.CX{Patient(1)}}))
	})
	look(t, s, func(tx manager.Tx) error {
		got, ok, err := tx.Merge(Patient(1))
		if !ok || !reflect.DeepEqual(got, m) {
			t.Errorf("got %+v, want %+v", got, m)
		}
		_, ok, err2 := tx.Merge(Patient(2))
		if ok {
			t.Error("a merge of whoever was not merged")
		}
		h, err3 := tx.History(Patient(1))
		if len(h) != pix.MaxHistory || h[0].MessageID != "10" || h[len(h)-1].MessageID != fmt.Sprint(pix.MaxHistory+9) || !reflect.DeepEqual(h[0].Fields, []pix.FieldChange{{Field: "sex", Old: "F"}}) {
			t.Errorf("%d entries from %+v", len(h), h[0])
		}
		return errors.Join(err, err2, err3)
	})
	update(t, s, func(tx manager.Tx) error { return tx.DeleteMerge(Patient(1)) })
	look(t, s, func(tx manager.Tx) error {
		_, ok, err := tx.Merge(Patient(1))
		if ok {
			t.Error("a merge that was forgotten")
		}
		return err
	})
}

func alike(t *testing.T, s manager.Store) {
	put := func(n int, merged hl7.CX, keys ...string) {
		update(t, s, func(tx manager.Tx) error {
			return tx.PutPatient(&pix.Patient{ID: Patient(n), Keys: keys, MergedInto: merged})
		})
	}
	want := func(key string, max int, ids ...string) {
		t.Helper()
		look(t, s, func(tx manager.Tx) error {
			list, err := tx.Alike(key, max)
			var got []string
			for _, p := range list {
				got = append(got, p.ID.ID)
			}
			if !slices.Equal(got, ids) {
				t.Errorf("%s: %v, want %v", key, got, ids)
			}
			return err
		})
	}
	put(1, hl7.CX{}, "a", "b", "a")
	put(2, hl7.CX{}, "b")
	put(3, hl7.CX{}, "a")
	want("a", 9, "made-up-1", "made-up-3")
	want("b", 1, "made-up-1")
	want("", 9)
	put(1, hl7.CX{}, "b")
	put(2, Patient(1), "b")
	want("a", 9, "made-up-3")
	want("b", 9, "made-up-1")
}

// search compares with a look at everybody, in pages of any size.
func search(t *testing.T, s manager.Store) {
	rng := rand.New(rand.NewPCG(1, 2))
	one := func(list ...string) string { return list[rng.IntN(len(list))] }
	families := []string{"ESSAI", "ESSAI-NEÉ", "Éssaie", "LE GOFF", "", "UN NOM DE FAMILLE QUI NE FINIT PAS ICI", "UN NOM DE FAMILLE QUI NE FINIT PAS LA", "Z"}
	givens := []string{"ANNE", "ANNE-LISE", "", "ZOÉ", "BARTHELEMY CONSTANTIN DIEUDONNE EMMANUEL", "BARTHELEMY CONSTANTIN DIEUDONNE FELIX"}
	var all []pix.Patient
	for n := range 300 {
		p := pix.Patient{ID: Patient(n), Demographics: pix.Demographics{BirthDate: one("19790328", "19790329", "1979", "", "19000101", "197903281200"), Sex: one("F", "M", ""),
			Names: []hl7.XPN{hl7.XPN(one(families...) + "^" + one(givens...) + "^" + one(givens...) + "^^^^" + one("L", "D"))}, Addresses: []string{"1^^" + one("PARIS", "BREST") + "^^29200"}}}
		if rng.IntN(2) == 0 {
			p.Demographics.Names = append(p.Demographics.Names, hl7.XPN(one(families...)+"^"+one(givens...)+"^^^^^D"))
		}
		if rng.IntN(2) == 0 {
			p.Visit = &pix.Visit{Class: one("I", "O"), Location: "WARD^" + one("1", "2"), Number: hl7.CX{ID: one("", "7001", "7002", "7003"), AssigningAuthority: hl7.HD{NamespaceID: one("", "STAYS")}}, Admitted: "20261122"}
		}
		if rng.IntN(20) == 0 {
			p.MergedInto = Patient(1)
		}
		update(t, s, func(tx manager.Tx) error { return tx.PutPatient(&p) })
		all = append(all, p)
	}
	for range 300 {
		q := pix.Criteria{Family: one(families...) + one("", "", "*"), Given: one("", one(givens...), "an*", "barthelemy*"), BirthDate: one("", "1979", "197903", "19790328", "19000101"), Sex: one("", "F"), City: one("", "", "Brest")}
		if rng.IntN(10) == 0 {
			q = pix.Criteria{ID: Patient(rng.IntN(310)), Sex: q.Sex}
		}
		if rng.IntN(3) == 0 {
			q.Visit = &pix.VisitCriteria{Class: one("", "I"), Location: [4]string{1: one("", "2")}, Number: hl7.CX{ID: one("", "7001", "7002", "7009"), AssigningAuthority: hl7.HD{NamespaceID: one("", "STAYS")}}}
		}
		want, got := map[string]int{}, map[string]int{}
		for i := range all {
			if q.Match(&all[i]) {
				want[all[i].ID.ID] = 1
			}
		}
		size, after, pages := 1+rng.IntN(40), "", 0
		for more := true; more; pages++ {
			n := 0
			more = false
			look(t, s, func(tx manager.Tx) error {
				return tx.Search(&q, after, func(p pix.Patient, at string) bool {
					if n == size {
						more = true
						return false
					}
					n++
					got[p.ID.ID]++
					after = at
					return true
				})
			})
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v: got %v, want %v in pages of %d", q, got, want, size)
		}
	}
	q := pix.Criteria{Family: "ESSAI"}
	if err := s.View(t.Context(), func(tx manager.Tx) error { return tx.Search(&q, "no such place", nil) }); !errors.Is(err, manager.ErrPlace) {
		t.Errorf("went on from nowhere: %v", err)
	}
}

func forget(t *testing.T, s manager.Store) {
	announce(t, s, 2)
	update(t, s, func(tx manager.Tx) error {
		return errors.Join(tx.AddHistory(Patient(1), pix.Change{}), tx.PutLink(pix.Link{A: Patient(1), B: Patient(2), Reason: pix.Never}))
	})
	if err := s.Update(t.Context(), func(tx manager.Tx) error { return tx.DeletePatient(Patient(1)) }); err == nil {
		t.Error("a patient who is linked was forgotten")
	}
	update(t, s, func(tx manager.Tx) error {
		return errors.Join(tx.DeleteLink(Patient(1), Patient(2)), tx.DeletePatient(Patient(1)), tx.DeletePatient(Patient(9)))
	})
	look(t, s, func(tx manager.Tx) error {
		_, ok, err := tx.Patient(Patient(1))
		h, err2 := tx.History(Patient(1))
		if ok || len(h) > 0 {
			t.Error("still there")
		}
		return errors.Join(err, err2)
	})
	update(t, s, func(tx manager.Tx) error {
		p := pix.Patient{ID: Patient(1)}
		err := tx.PutPatient(&p)
		if p.Number != 3 {
			t.Errorf("number %d was given again", p.Number)
		}
		return err
	})
}
