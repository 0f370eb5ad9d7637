package bolt_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix/manager"
	"github.com/passerelle-sante/passerelle/policy"
	"github.com/passerelle-sante/passerelle/store/bolt"
)

func TestSharedRecords(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, bolt.Options{})
	ctx := context.Background()
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	patient := func(id string) hl7.CX {
		return hl7.CX{ID: id, AssigningAuthority: hl7.HD{UniversalID: "1.2.250.1.213.1.4.10", UniversalIDType: "ISO"}, TypeCode: "NH"}
	}
	a, b := patient("279035121518989"), patient("207058575627097")
	right := func(p policy.Party) policy.Habilitation {
		return policy.Habilitation{ID: "h-" + p.Person + p.Group, Kind: policy.Allegation, Party: p, From: at}
	}
	first := &policy.Record{Patient: a, State: policy.Open, Rights: []policy.Habilitation{right(policy.Party{Person: "899900000011"}), right(policy.Party{Group: "g1"})}}
	put := func(recs ...*policy.Record) {
		t.Helper()
		if err := bolt.UpdateRecords(db, ctx, func(tx *bolt.RecordsUpdate) error {
			for _, r := range recs {
				if err := tx.PutRecord(r); err != nil {
					return err
				}
			}
			return tx.PutMembers("g1", []policy.Membership{{Party: policy.Party{Person: "899900000022"}, From: at}})
		}); err != nil {
			t.Fatal(err)
		}
	}
	check := func(want map[string][]hl7.CX, wantA *policy.Record) {
		t.Helper()
		err := bolt.ViewRecords(db, ctx, func(tx *bolt.RecordsView) error {
			rec, err := tx.SharedRecord(a)
			if err != nil || !reflect.DeepEqual(rec, wantA) {
				t.Errorf("record is %+v, %v", rec, err)
			}
			for holder, patients := range want {
				got, err := tx.RecordsOf(holder)
				if err != nil || !reflect.DeepEqual(got, patients) {
					t.Errorf("records of %s are %v, %v; want %v", holder, got, err, patients)
				}
			}
			members, err := tx.Members("g1")
			if err != nil || len(members) != 1 || members[0].Party.Person != "899900000022" {
				t.Errorf("members are %v, %v", members, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	put(first, &policy.Record{Patient: b, State: policy.Open, Rights: []policy.Habilitation{right(policy.Party{Group: "g1"})}})
	check(map[string][]hl7.CX{"899900000011": {a}, "g1": {b, a}, "899900000099": nil}, first)

	// A failed update leaves the facts as they were, in the memory of decoded ones too.
	boom := errors.New("boom")
	if err := bolt.UpdateRecords(db, ctx, func(tx *bolt.RecordsUpdate) error {
		rec, err := tx.SharedRecord(a)
		if err != nil {
			return err
		}
		rec.State = policy.Closed
		if err := tx.PutRecord(rec); err != nil {
			return err
		}
		return boom
	}); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	check(map[string][]hl7.CX{"g1": {b, a}}, first)

	second := &policy.Record{Patient: a, State: policy.Open, Rights: first.Rights[:1], Version: 2}
	put(second)
	check(map[string][]hl7.CX{"899900000011": {a}, "g1": {b}}, second)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, dir, bolt.Options{})
	check(map[string][]hl7.CX{"899900000011": {a}, "g1": {b}}, second)
	if err := db.Check(ctx); err != nil {
		t.Error(err)
	}
}

// TestMergedRecords: the documents of a merged patient come under what he decided under either identifier.
func TestMergedRecords(t *testing.T) {
	db := open(t, t.TempDir(), bolt.Options{})
	ctx := context.Background()
	patient := func(id string) hl7.CX {
		return hl7.CX{ID: id, AssigningAuthority: hl7.HD{UniversalID: "1.2.250.1.213.1.4.10", UniversalIDType: "ISO"}, TypeCode: "NH"}
	}
	prior, survivor, other := patient("279035121518989"), patient("207058575627097"), patient("269035121518901")
	refusal := func(person string) []policy.Refusal { return []policy.Refusal{{Party: policy.Party{Person: person}}} }
	if err := bolt.UpdateRecords(db, ctx, func(tx *bolt.RecordsUpdate) error {
		return errors.Join(tx.PutRecord(&policy.Record{Patient: prior, State: policy.Closed, NoBreakGlass: true, Refusals: refusal("899900000011")}),
			tx.PutRecord(&policy.Record{Patient: survivor, State: policy.Open, NoTeams: true, Refusals: refusal("899900000022")}))
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Patients().Update(ctx, func(tx manager.Tx) error {
		_, err := tx.MoveRecord(prior, survivor)
		_, err2 := tx.MoveRecord(prior, other)
		return errors.Join(err, err2)
	}); err != nil {
		t.Fatal(err)
	}
	want := map[hl7.CX]policy.Record{
		survivor: {Patient: survivor, State: policy.Open, NoBreakGlass: true, NoTeams: true, Refusals: append(refusal("899900000022"), refusal("899900000011")...), Version: 1},
		other:    {Patient: other, State: policy.Closed, NoBreakGlass: true, Refusals: refusal("899900000011"), Version: 1},
	}
	if err := bolt.ViewRecords(db, ctx, func(tx *bolt.RecordsView) error {
		for id, w := range want {
			if rec, err := tx.SharedRecord(id); err != nil || !reflect.DeepEqual(*rec, w) {
				t.Errorf("the record is\n%+v, %v; want\n%+v", rec, err, w)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
