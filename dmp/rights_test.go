package dmp_test

import (
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/dmp"
	"github.com/passerelle-sante/passerelle/policy"
)

func TestAllegation(t *testing.T) {
	w := opened(t, paul)
	ctx := t.Context()
	_, err := w.DeclareAllegation(ctx, martin, paul, "")
	w.refused(err, dmp.Incomplete)
	p, err := w.DeclareAllegation(ctx, martin, paul, dmp.Card)
	w.must(err)
	if len(w.record(paul).Rights) != 0 || !p.Expires.Equal(w.now.Add(10*time.Minute)) {
		t.Fatalf("a declaration gave a right, or lasts until %s", p.Expires)
	}
	_, err = w.ConfirmAllegation(ctx, dubois, paul, p.Token)
	w.refused(err, dmp.Unconfirmed)
	w.must(w.Open(ctx, counter, julie, consent))
	_, err = w.ConfirmAllegation(ctx, for_(martin, julie), julie, p.Token)
	w.refused(err, dmp.Unconfirmed)
	for _, wrong := range []string{"", "!", p.Token[:len(p.Token)-2], "_" + p.Token[1:], strings.Repeat("A", 4000)} {
		_, err = w.ConfirmAllegation(ctx, martin, paul, wrong)
		w.refused(err, dmp.Unconfirmed)
	}
	n := len(w.store.audit)
	h, err := w.ConfirmAllegation(ctx, martin, paul, p.Token)
	w.must(err)
	if h.Kind != policy.Allegation || h.Evidence != "card" || h.Party.Person != "899900063480" || h.Party.Structure != "499900063480001" || !h.Until.Equal(w.now.AddDate(0, 1, 0)) {
		t.Errorf("%+v", h)
	}
	if got := w.audited(n); got != "right-gained C0" {
		t.Error(got)
	}
	if ns := w.record(paul).Notices; len(ns) != 1 || ns[0].About != h.ID || ns[0].Party.Name != "LIBRE MAX" {
		t.Errorf("%+v", ns)
	}
	w.later("10i")
	_, err = w.ConfirmAllegation(ctx, martin, paul, p.Token)
	w.refused(err, dmp.Unconfirmed)
	// In one step, as the national interface has it: what is there stays as it is.
	_, added, err := w.Allege(ctx, martin, paul, dmp.OralConsent)
	if err != nil || added {
		t.Errorf("added again, %v", err)
	}
	w.later("1m")
	again, added, err := w.Allege(ctx, martin, paul, dmp.OralConsent)
	if err != nil || !added || again.ID == h.ID {
		t.Errorf("not added after its term: %+v %v", again, err)
	}
}

func TestAttending(t *testing.T) {
	w := opened(t, paul, func(c *dmp.Config) { c.MaxAttending = 1 })
	ctx := t.Context()
	_, _, err := w.SetAttending(ctx, nurse, paul, policy.Party{})
	w.refused(err, dmp.Denied)
	h, added, err := w.SetAttending(ctx, martin, paul, policy.Party{Person: "899900012345", Role: "10^1.2.250.1.71.1.2.7"}) // himself, whoever he names
	if err != nil || !added || h.Party.Person != "899900063480" || !h.Until.IsZero() {
		t.Errorf("%+v %v", h, err)
	}
	if _, added, err = w.SetAttending(ctx, martin, paul, policy.Party{}); err != nil || added {
		t.Error("added again", err)
	}
	other := policy.Party{Person: "899900012345", Role: "10^1.2.250.1.71.1.2.7"}
	_, _, err = w.SetAttending(ctx, holder(paul), paul, other)
	w.refused(err, dmp.TooMany)
	w.refused(w.Revoke(ctx, dubois, paul, h.ID), dmp.Denied)
	w.must(w.Revoke(ctx, holder(paul), paul, h.ID))
	w.refused(w.Revoke(ctx, holder(paul), paul, h.ID), dmp.Unknown)
	if r := w.record(paul).Rights[0]; !r.Until.Equal(w.now) || r.EndedBy.Person != paul.String() {
		t.Errorf("%+v", r)
	}
	_, added, err = w.SetAttending(ctx, holder(paul), paul, other)
	if err != nil || !added {
		t.Error(err)
	}
	ended, err := w.Renounce(ctx, dubois, paul, policy.Attending)
	if err == nil && ended {
		t.Log("the right was given wherever he works")
	} else {
		t.Errorf("not ended: %v", err)
	}
}

func TestBlocking(t *testing.T) {
	w := opened(t, paul)
	ctx := t.Context()
	_, _, err := w.Allege(ctx, martin, paul, dmp.OralConsent)
	w.must(err)
	w.refused(w.Block(ctx, holder(paul), paul, policy.Party{Group: "cabinet"}, false), dmp.Incomplete)
	w.refused(w.Block(ctx, dubois, paul, policy.Party{Person: "899900063480"}, false), dmp.Denied)
	w.must(w.Block(ctx, holder(paul), paul, policy.Party{Person: "899900063480", Name: "LIBRE MAX"}, false))
	_, err = w.Rights(ctx, martin, paul, dmp.Active)
	w.refused(err, dmp.Denied)
	if e := err.(*dmp.Error); e.Text != "access denied" || !strings.Contains(w.last(), "refuses") {
		t.Errorf("he is told %q, the record says %q", e.Text, w.last())
	}
	_, _, err = w.Allege(ctx, martin, paul, dmp.OralConsent)
	w.refused(err, dmp.Denied)
	list, err := w.Rights(ctx, holder(paul), paul, dmp.Every)
	if err != nil || len(list) != 1 || list[0].Mode != dmp.Forbidden || list[0].Party.Person != "899900063480" {
		t.Errorf("%+v %v", list, err)
	}
	w.must(w.Unblock(ctx, counter, paul, policy.Party{Person: "899900063480"}))
	w.refused(w.Unblock(ctx, counter, paul, policy.Party{Person: "899900063480"}), dmp.Unknown)
	if list, err = w.Rights(ctx, martin, paul, dmp.Every); err != nil || len(list) != 1 || list[0].Mode != dmp.Active {
		t.Errorf("%+v %v", list, err)
	}
	// A structure that is refused is all who work there; one may be let in to break the glass.
	w.must(w.Block(ctx, holder(paul), paul, policy.Party{Structure: "1750100125"}, true))
	urgent := dubois
	urgent.Purpose, urgent.Reason = "bris_de_glace^1.2.250.1.213.1.1.4.248", "coma"
	if _, err := w.Emergency(ctx, urgent, paul); err != nil {
		t.Error(err)
	}
}

func TestGroup(t *testing.T) {
	w := opened(t, paul)
	ctx := t.Context()
	cabinet := policy.Party{Group: "cabinet-lilas", Name: "Cabinet des Lilas"}
	_, err := w.GrantGroup(ctx, holder(paul), paul, cabinet, nil)
	w.refused(err, dmp.Unknown)
	w.refused(w.SetMembers(ctx, martin, "cabinet-lilas", nil), dmp.Denied)
	members := []policy.Membership{{Party: policy.Party{Person: "899900063480"}, From: w.now}, {Party: policy.Party{Person: "899900012345"}, From: w.now}}
	w.must(w.SetMembers(ctx, counter, "cabinet-lilas", members))
	_, err = w.GrantGroup(ctx, nurse, paul, cabinet, nil)
	w.refused(err, dmp.Denied)
	h, err := w.GrantGroup(ctx, martin, paul, cabinet, []string{"899900012345"})
	if err != nil || !h.Until.Equal(w.now.AddDate(0, 1, 0)) {
		t.Errorf("%+v %v", h, err)
	}
	if _, err = w.Rights(ctx, martin, paul, dmp.Active); err != nil {
		t.Error(err)
	}
	_, err = w.Rights(ctx, dubois, paul, dmp.Active) // excluded by the patient
	w.refused(err, dmp.Denied)
	// Who leaves loses the right.
	members[0].Until = w.now
	w.must(w.SetMembers(ctx, counter, "cabinet-lilas", members))
	_, err = w.Rights(ctx, martin, paul, dmp.Active)
	w.refused(err, dmp.Denied)
}

func TestDelegation(t *testing.T) {
	w := opened(t, paul)
	ctx := t.Context()
	lab := policy.Party{Structure: "1750100125"}
	_, err := w.Delegate(ctx, martin, paul, lab, nil)
	w.refused(err, dmp.Denied)
	a, _, err := w.Allege(ctx, martin, paul, dmp.OralConsent)
	w.must(err)
	h, err := w.Delegate(ctx, martin, paul, lab, []string{"11502-2^2.16.840.1.113883.6.1"})
	if err != nil || h.Delegator != "899900063480" || !h.Until.Equal(w.now.AddDate(0, 0, 7)) || len(h.Types) != 1 {
		t.Errorf("%+v %v", h, err)
	}
	if _, err = w.Rights(ctx, nurse, paul, dmp.Active); err != nil {
		t.Error(err)
	}
	_, err = w.Delegate(ctx, nurse, paul, policy.Party{Person: "1"}, nil) // not further
	w.refused(err, dmp.Denied)
	w.must(w.Revoke(ctx, holder(paul), paul, a.ID)) // and with the right it extends it ends
	_, err = w.Rights(ctx, nurse, paul, dmp.Active)
	w.refused(err, dmp.Denied)
}

// An operator hands a prescriber's right on when he is asked to; who has none of his own hands on nothing.
func TestHandingOn(t *testing.T) {
	w := opened(t, paul)
	ctx := t.Context()
	lab := policy.Party{Structure: "1690000000", Name: "Laboratoire"}
	_, err := w.DelegateFor(ctx, counter, paul, martin.Person, lab, nil)
	w.refused(err, dmp.Unknown)
	_, err = w.Grant(ctx, holder(paul), paul, policy.Party{Person: martin.Person}, time.Time{}, nil)
	w.must(err)
	_, err = w.DelegateFor(ctx, martin, paul, martin.Person, lab, nil)
	w.refused(err, dmp.Denied)
	_, err = w.DelegateFor(ctx, counter, paul, martin.Person, policy.Party{Group: "g"}, nil)
	w.refused(err, dmp.Incomplete)
	h, err := w.DelegateFor(ctx, counter, paul, martin.Person, lab, nil)
	if err != nil || h.Delegator != martin.Person || !h.Until.Equal(w.now.AddDate(0, 0, 7)) || h.By.Person != "camille" {
		t.Errorf("%+v %v", h, err)
	}
	_, err = w.DelegateFor(ctx, counter, paul, "1690000000", policy.Party{Person: "1"}, nil) // not further
	w.refused(err, dmp.Unknown)
}

// TestMaskedListed: what is masked is listed for the patient, not for who treats him, and each time it is recorded.
func TestMaskedListed(t *testing.T) {
	w := opened(t, paul)
	n, listed := len(w.store.audit), 0
	list := func() error { listed++; return nil }
	w.must(w.Masks(t.Context(), counter, paul, list))
	w.must(w.Masks(t.Context(), holder(paul), paul, list))
	w.refused(w.Masks(t.Context(), martin, paul, list), dmp.Denied)
	if got := w.audited(n); listed != 2 || got != "masks-read R0, masks-read R0, masks-read R8" {
		t.Errorf("%d times, audited %s", listed, got)
	}
}

func TestExtending(t *testing.T) {
	w := opened(t, paul)
	ctx := t.Context()
	h, _, err := w.Allege(ctx, martin, paul, dmp.OralConsent)
	w.must(err)
	w.refused(w.Extend(ctx, martin, paul, h.ID, time.Time{}), dmp.Denied)
	w.refused(w.Extend(ctx, auth.Caller{Node: "portal.example"}, paul, h.ID, time.Time{}), dmp.Denied)
	w.must(w.Extend(ctx, counter, paul, h.ID, w.now.Add(time.Hour)))
	w.refused(w.Extend(ctx, holder(paul), paul, h.ID, w.now), dmp.Incomplete)
	w.must(w.Extend(ctx, holder(paul), paul, h.ID, time.Time{}))
	w.later("3y")
	if _, err = w.Rights(ctx, martin, paul, dmp.Active); err != nil {
		t.Error(err)
	}
	g, err := w.Grant(ctx, holder(paul), paul, policy.Party{Person: "899900012345"}, w.now.Add(time.Hour), nil)
	w.must(err)
	w.later("1h")
	w.refused(w.Extend(ctx, holder(paul), paul, g.ID, time.Time{}), dmp.Unknown)
}

func TestEmergency(t *testing.T) {
	w := opened(t, paul)
	ctx := t.Context()
	c := dubois
	_, err := w.Emergency(ctx, c, paul)
	w.refused(err, dmp.Incomplete)
	c.Purpose = "bris_de_glace^1.2.250.1.213.1.1.4.248"
	_, err = w.Emergency(ctx, c, paul)
	w.refused(err, dmp.Incomplete)
	c.Reason, c.Secret = "coma", true
	n := len(w.store.audit)
	h, err := w.Emergency(ctx, c, paul)
	if err != nil || h.Kind != policy.BreakGlass || h.Reason != "coma" || !h.Until.Equal(w.now.Add(24*time.Hour)) {
		t.Errorf("%+v %v", h, err)
	}
	w.later("1h")
	if again, err := w.Emergency(ctx, c, paul); err != nil || again.ID != h.ID {
		t.Errorf("twice in a term: %+v %v", again, err)
	}
	if got := w.audited(n); got != "emergency-access C0" {
		t.Error(got)
	}
	if ns := w.record(paul).Notices; len(ns) != 1 || ns[0].Kind != policy.BreakGlass || ns[0].Reason != "coma" || !ns[0].Secret {
		t.Errorf("%+v", ns)
	}
	w.later("24h")
	c.Purpose, c.Reason = "centre_15^1.2.250.1.213.1.1.4.248", ""
	if h, err = w.Emergency(ctx, c, paul); err != nil || h.Kind != policy.Regulation {
		t.Errorf("%+v %v", h, err)
	}
	yes := true
	w.must(w.Administer(ctx, holder(paul), paul, dmp.Wishes{NoBreakGlass: &yes, NoRegulation: &yes}))
	w.later("2d")
	_, err = w.Emergency(ctx, c, paul)
	w.refused(err, dmp.Denied)
	c.Purpose, c.Reason = "bris_de_glace^1.2.250.1.213.1.1.4.248", "coma"
	_, err = w.Emergency(ctx, c, paul)
	w.refused(err, dmp.Denied)
}

func TestNoticesAndJournal(t *testing.T) {
	w := opened(t, paul)
	ctx := t.Context()
	reps := []policy.Representative{{Person: julie.String(), Name: "ZOE", Guardian: true}}
	w.must(w.Administer(ctx, counter, paul, dmp.Wishes{Representatives: &reps}))
	secret := martin
	secret.Secret = true
	_, _, err := w.Allege(ctx, secret, paul, dmp.OralConsent)
	w.must(err)
	w.later("1h")
	_, _, err = w.SetAttending(ctx, dubois, paul, policy.Party{})
	w.must(err)
	_, err = w.Rights(ctx, nurse, paul, dmp.Active)
	w.refused(err, dmp.Denied)

	all, err := w.Notices(ctx, holder(paul), paul)
	if err != nil || len(all) != 2 || all[0].Party.Name != "ANNE DUBOIS" || all[1].Party.Name != "LIBRE MAX" {
		t.Errorf("%+v %v", all, err)
	}
	if some, err := w.Notices(ctx, parent(julie), paul); err != nil || len(some) != 1 || some[0].Party.Name != "ANNE DUBOIS" {
		t.Errorf("%+v %v", some, err)
	}
	w.must(w.Told(ctx, parent(julie), paul, w.now))
	if rest, _ := w.Notices(ctx, holder(paul), paul); len(rest) != 1 || !rest[0].Secret {
		t.Errorf("%+v", rest)
	}
	w.must(w.Told(ctx, holder(paul), paul, w.now))
	if rest, _ := w.Notices(ctx, holder(paul), paul); len(rest) != 0 {
		t.Errorf("%+v", rest)
	}

	list, more, err := w.Access(ctx, holder(paul), paul, 0, 100)
	w.must(err)
	find := func(list []dmp.Entry, what, name string) *dmp.Entry {
		for i := range list {
			if string(list[i].What) == what && list[i].Name == name {
				return &list[i]
			}
		}
		return nil
	}
	if e := find(list, "rights-read", "LEA PETIT"); more || e == nil || e.Granted || e.Who != "899900099999" || e.Structure != "1750100125" || !strings.Contains(e.Why, "AccessDenied") {
		t.Errorf("the refusal: %+v", e)
	}
	if e := find(list, "right-gained", "LIBRE MAX"); e == nil || !e.Granted || !e.Secret || e.Details["HolderName"] != "LIBRE MAX" || e.Purpose != "normal^1.2.250.1.213.1.1.4.248" && e.Purpose != "normal" {
		t.Errorf("the right: %+v", e)
	}
	if e := list[0]; e.What != "journal-read" || e.Name != "PAUL" {
		t.Errorf("the newest is not the reading itself: %+v", e)
	}
	less, _, err := w.Access(ctx, parent(julie), paul, 0, 100)
	if err != nil || find(less, "right-gained", "LIBRE MAX") != nil || find(less, "right-gained", "ANNE DUBOIS") == nil {
		t.Errorf("%+v %v", less, err)
	}
	_, _, err = w.Access(ctx, martin, paul, 0, 100)
	w.refused(err, dmp.Denied)
	page, more, err := w.Access(ctx, holder(paul), paul, 3, 1)
	if err != nil || !more || len(page) != 1 || page[0].Seq != 2 {
		t.Errorf("%+v %v %v", page, more, err)
	}
}

func TestExistenceAndWorklist(t *testing.T) {
	w := opened(t, paul)
	ctx := t.Context()
	authorization := func(c auth.Caller) dmp.Authorization {
		e, err := w.Exists(ctx, c, paul)
		w.must(err)
		return e.Authorization
	}
	if a := authorization(martin); a != dmp.None {
		t.Error(a)
	}
	_, _, err := w.Allege(ctx, martin, paul, dmp.OralConsent)
	w.must(err)
	if a := authorization(martin); a != dmp.Valid {
		t.Error(a)
	}
	w.must(w.Open(ctx, counter, julie, consent))
	w.later("1d")
	_, _, err = w.SetAttending(ctx, for_(martin, julie), julie, policy.Party{})
	w.must(err)
	w.latest[paul.ID] = [2]time.Time{w.now.Add(-time.Hour), w.now}
	list, err := w.Worklist(ctx, martin, time.Time{}, dmp.LastAuthorization)
	if err != nil || len(list) != 2 || list[0].Patient.ID != paul.ID || list[0].Attending || !list[1].Attending || !list[0].Changed.Equal(w.now) {
		t.Errorf("%+v %v", list, err)
	}
	if list, err = w.Worklist(ctx, martin, w.now, dmp.LastAuthorization); err != nil || len(list) != 1 || list[0].Patient.ID != julie.ID {
		t.Errorf("%+v %v", list, err)
	}
	if list, err = w.Worklist(ctx, martin, w.now, dmp.LastDocument); err != nil || len(list) != 1 || list[0].Patient.ID != paul.ID {
		t.Errorf("%+v %v", list, err)
	}
	_, err = w.Worklist(ctx, counter, w.now, dmp.LastDocument)
	w.refused(err, dmp.Denied)
	w.must(w.Block(ctx, holder(julie), julie, policy.Party{Person: "899900063480"}, false))
	if list, err = w.Worklist(ctx, martin, time.Time{}, dmp.LastAuthorization); err != nil || len(list) != 1 {
		t.Errorf("%+v %v", list, err)
	}
	w.later("1m")
	if a := authorization(martin); a != dmp.Expired {
		t.Error(a)
	}
	w.must(w.Block(ctx, holder(paul), paul, policy.Party{Person: "899900063480"}, false))
	if a := authorization(martin); a != dmp.Refused {
		t.Error(a)
	}
}

// TestNoProfession: who could make no use of a right is not told that he has one.
func TestNoProfession(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.must(w.Open(ctx, counter, paul, consent))
	clerk := professional("899900077777", "ZOE CLERC", "499900063480001", "SEC^1.2.250.1.213.1.1.5.1")
	_, _, err := w.Allege(ctx, clerk, paul, dmp.OralConsent)
	w.refused(err, dmp.Denied)
	_, err = w.DeclareAllegation(ctx, clerk, paul, dmp.OralConsent)
	w.refused(err, dmp.Denied)
	if rec := w.record(paul); len(rec.Rights) != 0 {
		t.Errorf("%+v", rec.Rights)
	}
}
