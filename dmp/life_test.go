package dmp_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/dmp"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/policy"
)

func TestOpening(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.refused(w.Open(ctx, counter, paul, dmp.Opening{Notice: "1"}), dmp.Incomplete)
	w.refused(w.Open(ctx, counter, paul, dmp.Opening{Consent: true}), dmp.Incomplete)
	w.refused(w.Open(ctx, counter, national("111"), consent), dmp.Unidentified)
	w.refused(w.Open(ctx, auth.Caller{Node: "hospital.example"}, paul, consent), dmp.Denied)
	w.refused(w.Open(ctx, holder(julie), paul, consent), dmp.Denied)
	w.refused(w.Open(ctx, for_(martin, julie), paul, consent), dmp.Mismatch)
	w.refused(w.Open(ctx, martin, paul, dmp.Opening{Consent: true, Notice: "1", Way: policy.ByPatient}), dmp.Denied)
	if len(w.store.records) != 0 {
		t.Fatal("a refusal left a record")
	}
	n := len(w.store.audit)
	no := true
	w.must(w.Open(ctx, martin, paul, dmp.Opening{Consent: true, Notice: "2026-01", Wishes: dmp.Wishes{NoRegulation: &no}}))
	rec := w.record(paul)
	want := policy.Consent{Way: policy.ByProfessional, By: policy.Party{Person: "899900063480", Name: "LIBRE MAX", Role: "10^1.2.250.1.71.1.2.7", Structure: "499900063480001"},
		Where: "499900063480001", Notice: "2026-01", At: w.now}
	if rec.State != policy.Open || rec.Consent != want || !rec.NoRegulation || rec.NoBreakGlass || rec.Birth != "20070525" || rec.Version != 1 || len(rec.Rights) != 0 {
		t.Errorf("%+v", rec)
	}
	if got := w.audited(n); got != "record-opened C0" {
		t.Error(got)
	}
	w.refused(w.Open(ctx, martin, paul, consent), dmp.Found)
}

func TestClosingAndReopening(t *testing.T) {
	w := opened(t, paul)
	ctx := t.Context()
	w.refused(w.Close(ctx, holder(paul), paul, "FERMETURE_DEMANDE_PATIENT", false), dmp.Unconfirmed)
	w.refused(w.Close(ctx, martin, paul, "FERMETURE_DEMANDE_PATIENT", true), dmp.Denied)
	w.must(w.Close(ctx, holder(paul), paul, "FERMETURE_DEMANDE_PATIENT", true))
	rec := w.record(paul)
	if rec.State != policy.Closed || rec.Closing.Reason != "FERMETURE_DEMANDE_PATIENT" || rec.Closing.By.Person != paul.String() || len(rec.Notices) != 1 || rec.Notices[0].Kind != "closing" {
		t.Errorf("%+v", rec)
	}
	w.refused(w.Close(ctx, holder(paul), paul, "FERMETURE_DEMANDE_PATIENT", true), dmp.IsClosed)
	_, _, err := w.Allege(ctx, martin, paul, dmp.OralConsent)
	w.refused(err, dmp.IsClosed)
	w.refused(w.Open(ctx, holder(paul), paul, consent), dmp.Found)
	w.refused(w.Reopen(ctx, holder(paul), paul, dmp.Opening{Notice: "3"}), dmp.Incomplete)
	w.must(w.Reopen(ctx, holder(paul), paul, dmp.Opening{Consent: true, Notice: "3"}))
	if rec := w.record(paul); rec.State != policy.Open || rec.Consent.Notice != "3" || rec.Consent.Way != policy.ByPatient {
		t.Errorf("%+v", rec)
	}
	w.refused(w.Reopen(ctx, holder(julie), julie, consent), dmp.NoRecord)
}

func TestDestruction(t *testing.T) {
	w := opened(t, paul)
	ctx := t.Context()
	w.refused(w.Destroy(ctx, counter, paul), dmp.Found)
	w.must(w.Close(ctx, counter, paul, "FERMETURE_DEMANDE_PATIENT", true))
	w.now = w.now.AddDate(10, 0, 0).Add(-time.Second)
	w.refused(w.Destroy(ctx, counter, paul), dmp.TooEarly)
	w.refused(w.Destroy(ctx, holder(paul), paul), dmp.Denied)
	if len(w.erased) != 0 {
		t.Fatal("erased too early")
	}
	w.now = w.now.Add(time.Second)
	n := len(w.store.audit)
	w.must(w.Destroy(ctx, counter, paul))
	want := policy.Record{Patient: paul, State: policy.Destroyed, Version: 3,
		Closing: policy.Closing{By: policy.Party{Person: "camille"}, Reason: "destruction", At: w.now}}
	if rec := w.record(paul); rec.State != want.State || rec.Version != want.Version || rec.Closing != want.Closing || rec.Birth != "" || rec.Consent != (policy.Consent{}) ||
		len(rec.Notices)+len(rec.Rights) != 0 || len(w.erased) != 1 || !w.erased[0].Same(paul) {
		t.Errorf("%+v, erased %d", rec, len(w.erased))
	}
	if got := w.audited(n); got != "record-destroyed D0, record-destroyed D0" {
		t.Error(got)
	}
	// Cut short between its steps it is done again.
	w.must(w.Destroy(ctx, counter, paul))
	if len(w.erased) != 2 {
		t.Error("not erased again")
	}
	w.refused(w.Open(ctx, counter, paul, consent), dmp.Gone)
}

func TestNothingIsKeptOfWhatFails(t *testing.T) {
	w := newWorld(t)
	w.store.fail = errors.New("disk full")
	err := w.Open(t.Context(), counter, paul, consent)
	w.refused2(err)
	if len(w.store.records) != 0 || !strings.HasPrefix(w.last(), "12 InternalError") {
		t.Errorf("kept %d records, audited %s", len(w.store.records), w.last())
	}
}

func (w *world) refused2(err error) {
	w.t.Helper()
	if e, ok := err.(*dmp.Error); !ok || e.Code != dmp.Internal || strings.Contains(e.Error(), "disk") {
		w.t.Errorf("%v", err)
	}
}

func TestAdministration(t *testing.T) {
	w := opened(t, paul)
	ctx := t.Context()
	yes := true
	_, err := w.Administrative(ctx, martin, paul)
	w.refused(err, dmp.Denied)
	w.refused(w.Administer(ctx, martin, paul, dmp.Wishes{NoBreakGlass: &yes}), dmp.Denied)
	mother := national("184012A00412341")
	reps := []policy.Representative{{Person: mother.String(), Name: "JEANNE"}}
	w.must(w.Administer(ctx, holder(paul), paul, dmp.Wishes{NoBreakGlass: &yes, Representatives: &reps}))
	a, err := w.Administrative(ctx, counter, paul)
	w.must(err)
	if !*a.Wishes.NoBreakGlass || *a.Wishes.NoRegulation || len(a.Representatives) != 1 || !a.Representatives[0].From.Equal(w.now) || a.Identity.Demographics.BirthDate != "20070525" {
		t.Errorf("%+v", a)
	}
	// He came of age in 2025: his mother acts for him no more; a guardian would.
	_, err = w.Notices(ctx, parent(mother), paul)
	w.refused(err, dmp.Denied)
	reps[0].Guardian = true
	w.must(w.Administer(ctx, holder(paul), paul, dmp.Wishes{Representatives: &reps}))
	_, err = w.Notices(ctx, parent(mother), paul)
	w.must(err)
	w.refused(w.Administer(ctx, parent(mother), paul, dmp.Wishes{Representatives: &reps}), dmp.Denied)
}

func TestTerms(t *testing.T) {
	for text, want := range map[string]string{"1y": "2027-01-31T08:00:00Z", "1m": "2026-03-03T08:00:00Z", "7d": "2026-02-07T08:00:00Z", "24h": "2026-02-01T08:00:00Z", "10i": "2026-01-31T08:10:00Z"} {
		term, err := dmp.ParseTerm(text)
		if err != nil || term.String() != text {
			t.Fatal(text, err)
		}
		w := opened(t, paul, func(c *dmp.Config) { c.Terms.Allegation = term })
		w.now = time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC)
		h, _, err := w.Allege(t.Context(), martin, paul, dmp.OralConsent)
		if err != nil || h.Until.Format(time.RFC3339) != want {
			t.Errorf("%s: until %s, want %s (%v)", text, h.Until, want, err)
		}
	}
	for _, wrong := range []string{"", "y", "0d", "-1d", "1w", "1.5h", "1000000d", "d1"} {
		if _, err := dmp.ParseTerm(wrong); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}

func TestStays(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	feed := auth.Caller{Node: "hospital.example"}
	in := w.now.Add(-time.Hour)
	w.must(w.AdmitStay(ctx, feed, paul, "1750100125", "N1", in))
	w.must(w.Open(ctx, counter, paul, consent)) // during the stay: its team has a right from now on
	n := len(w.store.audit)
	w.must(w.AdmitStay(ctx, feed, paul, "1750100125", "N1", in))
	if len(w.store.audit) != n || len(w.record(paul).Stays) != 1 {
		t.Error("told again, it was kept again")
	}
	list, err := w.Rights(ctx, nurse, paul, dmp.Active)
	if err != nil || len(list) != 1 || list[0].Kind != policy.Team || list[0].Party.Structure != "1750100125" {
		t.Errorf("%+v %v", list, err)
	}
	_, err = w.Rights(ctx, martin, paul, dmp.Active)
	w.refused(err, dmp.Denied)
	w.must(w.RefuseTeam(ctx, holder(paul), paul, "1750100125", "N1", true))
	_, err = w.Rights(ctx, nurse, paul, dmp.Active)
	w.refused(err, dmp.Denied)
	w.must(w.RefuseTeam(ctx, holder(paul), paul, "1750100125", "N1", false))
	out := w.now
	w.must(w.EndStay(ctx, feed, paul, "1750100125", "N1", out))
	// The team has its right for two days more, and that is what is told to everybody.
	list, err = w.Rights(ctx, nurse, paul, dmp.Active)
	if err != nil || len(list) != 1 || !list[0].Until.Equal(out.Add(48*time.Hour)) {
		t.Errorf("%+v %v", list, err)
	}
	w.later("2d")
	_, err = w.Rights(ctx, nurse, paul, dmp.Active)
	w.refused(err, dmp.Denied)
	n = len(w.store.audit)
	w.must(w.EndStay(ctx, feed, paul, "1750100125", "N1", out))                     // told again
	w.must(w.AdmitStay(ctx, feed, paul, "1750100125", "N1", in))                    // overtaken
	w.must(w.AdmitStay(ctx, feed, paul, "1750100125", "N1", out.Add(-2*time.Hour))) // and put right
	if rec := w.record(paul); !rec.Stays[0].Until.Equal(out) || !rec.Stays[0].From.Equal(out.Add(-2*time.Hour)) || w.audited(n) != "stay-told U0" {
		t.Errorf("%+v, audited %s", rec.Stays, w.audited(n))
	}
	w.must(w.ResumeStay(ctx, feed, paul, "1750100125", "N1"))
	w.must(w.ResumeStay(ctx, feed, paul, "1750100125", "N1"))
	if list, err := w.Rights(ctx, nurse, paul, dmp.Active); err != nil || len(list) != 1 {
		t.Errorf("after a discharge that did not happen: %+v %v", list, err)
	}
	w.refused(w.EndStay(ctx, feed, paul, "1750100125", "N9", w.now), dmp.Unknown)
	w.refused(w.ResumeStay(ctx, feed, paul, "1750100125", "N9"), dmp.Unknown)
	w.must(w.CancelStay(ctx, feed, paul, "1750100125", "N1"))
	w.must(w.CancelStay(ctx, feed, paul, "1750100125", "N1"))
	if rec := w.record(paul); len(rec.Stays) != 0 {
		t.Errorf("%+v", rec.Stays)
	}
	w.refused(w.AdmitStay(ctx, martin, paul, "1750100125", "N2", in), dmp.Denied)
	w.refused(w.AdmitStay(ctx, feed, hl7.CX{ID: "1"}, "1750100125", "N2", in), dmp.Incomplete)
}
