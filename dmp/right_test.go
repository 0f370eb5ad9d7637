package dmp_test

import (
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/dmp"
	"github.com/passerelle-sante/passerelle/policy"
)

// TestOneRule: whoever may consult the documents of a record has a right in the eyes of its keeper, and nobody else has.
func TestOneRule(t *testing.T) {
	w := newWorld(t)
	at := func(hours int) time.Time { return w.now.Add(time.Duration(hours) * time.Hour) }
	person := func(kind policy.Kind, id string) policy.Habilitation {
		return policy.Habilitation{ID: "h", Kind: kind, Party: policy.Party{Person: id}, From: at(-100)}
	}
	delegated := policy.Habilitation{ID: "d", Kind: policy.Delegation, Party: policy.Party{Person: "899900012345"}, Delegator: "899900063480", From: at(-1), Until: at(1)}
	toStructure := delegated
	toStructure.Party = policy.Party{Structure: "1750100125"}
	stay := func(until time.Time) policy.Stay {
		return policy.Stay{Structure: "1750100125", Number: "N1", From: at(-100), Until: until}
	}
	without := stay(time.Time{})
	without.Except = []string{"899900012345"}
	glass := dubois
	glass.Purpose, glass.Reason = "bris_de_glace^1.2.250.1.213.1.1.4.248", "coma"
	secretary := dubois
	secretary.Role = "300^1.2.250.1.213.1.1.4.6"
	team := policy.Habilitation{ID: "t", Kind: policy.Team, Party: policy.Party{Structure: "1750100125"}, From: at(-1)}
	for _, c := range []struct {
		name string
		who  auth.Caller
		rec  policy.Record
		want dmp.Authorization
	}{
		{"a stay", dubois, policy.Record{Stays: []policy.Stay{stay(time.Time{})}}, dmp.Valid},
		{"a day after a stay", dubois, policy.Record{Stays: []policy.Stay{stay(at(-24))}}, dmp.Valid},
		{"two days after a stay", dubois, policy.Record{Stays: []policy.Stay{stay(at(-48))}}, dmp.None},
		{"left out of the team", dubois, policy.Record{Stays: []policy.Stay{without}}, dmp.None},
		{"a team that the patient does not want", dubois, policy.Record{NoTeams: true, Rights: []policy.Habilitation{team}}, dmp.None},
		{"delegated by who alleged", dubois, policy.Record{Rights: []policy.Habilitation{delegated, person(policy.Allegation, "899900063480")}}, dmp.Valid},
		{"delegated to a laboratory", nurse, policy.Record{Rights: []policy.Habilitation{toStructure, person(policy.Allegation, "899900063480")}}, dmp.Valid},
		{"delegated to another laboratory", martin, policy.Record{Rights: []policy.Habilitation{toStructure}}, dmp.None},
		{"delegated by who broke the glass", dubois, policy.Record{Rights: []policy.Habilitation{delegated, person(policy.BreakGlass, "899900063480")}}, dmp.None},
		{"delegated by who is refused", dubois, policy.Record{Rights: []policy.Habilitation{delegated, person(policy.Allegation, "899900063480")},
			Refusals: []policy.Refusal{{Party: policy.Party{Person: "899900063480"}, From: at(-1)}}}, dmp.None},
		{"an emergency that is over for him", dubois, policy.Record{Rights: []policy.Habilitation{person(policy.BreakGlass, "899900012345")}}, dmp.None},
		{"an emergency", glass, policy.Record{Rights: []policy.Habilitation{person(policy.BreakGlass, "899900012345")}}, dmp.Valid},
		{"an emergency that the patient has opposed since", glass, policy.Record{NoBreakGlass: true, Rights: []policy.Habilitation{person(policy.BreakGlass, "899900012345")}}, dmp.None},
		{"a profession that consults nothing", secretary, policy.Record{Rights: []policy.Habilitation{person(policy.Allegation, "899900012345")}}, dmp.None},
		{"refused wherever he works", dubois, policy.Record{Rights: []policy.Habilitation{person(policy.Allegation, "899900012345")},
			Refusals: []policy.Refusal{{Party: policy.Party{Person: "899900012345", Structure: "499900063480001"}, From: at(-1)}}}, dmp.Refused},
		{"refused but in an emergency", glass, policy.Record{Rights: []policy.Habilitation{person(policy.BreakGlass, "899900012345")},
			Refusals: []policy.Refusal{{Party: policy.Party{Person: "899900012345"}, From: at(-1), Emergency: true}}}, dmp.Valid},
		{"ended", dubois, policy.Record{Rights: []policy.Habilitation{{ID: "h", Kind: policy.Allegation, Party: policy.Party{Person: "899900012345"}, From: at(-2), Until: at(-1)}}}, dmp.Expired},
	} {
		rec := c.rec
		rec.Patient, rec.State = paul, policy.Open
		w.must(memoryTx{w.store}.PutRecord(&rec))
		e, err := w.Exists(t.Context(), c.who, paul)
		w.must(err)
		if e.Authorization != c.want {
			t.Errorf("%s: %s, want %s", c.name, e.Authorization, c.want)
		}
		d, err := w.gate.Sight(memoryTx{w.store}, c.who).Consult(paul)
		w.must(err)
		if d.Allow != (c.want == dmp.Valid) {
			t.Errorf("%s: the gate says %s", c.name, d)
		}
		if _, err := w.Rights(t.Context(), c.who, paul, dmp.Active); (err == nil) != d.Allow {
			t.Errorf("%s: the rights: %v", c.name, err)
		}
	}
}

// TestEmergencyOfTheTables: which purposes are exceptional is the tables' word, and who consults nothing declares nothing.
func TestEmergencyOfTheTables(t *testing.T) {
	w := opened(t, paul)
	c := dubois
	c.Purpose, c.Reason = "BTG^2.16.840.1.113883.5.8", "coma"
	if h, err := w.Emergency(t.Context(), c, paul); err != nil || h.Kind != policy.BreakGlass {
		t.Errorf("%+v %v", h, err)
	}
	c.Person, c.Role = "899900077777", "300^1.2.250.1.213.1.1.4.6"
	_, err := w.Emergency(t.Context(), c, paul)
	w.refused(err, dmp.Denied)
	if n := len(w.record(paul).Notices); n != 1 {
		t.Errorf("%d notices", n)
	}
}
