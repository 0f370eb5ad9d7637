package arr_test

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/atna/arr"
)

func rules() []arr.Rule {
	return []arr.Rule{
		{Name: "many-records", Text: "more records than one person treats", When: [][]arr.Term{{{arr.FieldTransaction, "ITI-18"}, {arr.FieldTransaction, "ITI-43"}}, {{arr.FieldOutcome, "0"}}},
			Per: arr.FieldPerson, Count: arr.FieldPatient, Above: 3, Within: time.Hour, Tx: atna.RestrictedFunction},
		{Name: "glass", Text: "an emergency access without an admission", When: [][]arr.Term{{{arr.FieldPurpose, "bris_de_glace"}}},
			Unless: [][]arr.Term{{{arr.FieldTransaction, "ITI-8"}}}, UnlessWithin: 24 * time.Hour, Same: arr.FieldPatient, Tx: atna.EmergencyOverride},
		{Name: "blocked", Text: "a person who was shut out", When: [][]arr.Term{{{arr.FieldUser, "809999999990"}}}, Tx: atna.RestrictedFunction},
	}
}

func row(at time.Duration, terms ...arr.Term) arr.Row {
	return arr.Row{Event: now.Add(at), Terms: terms}
}

func seen(at time.Duration, user, patient string) arr.Row {
	return row(at, arr.Term{Field: arr.FieldTransaction, Value: "ITI-43"}, arr.Term{Field: arr.FieldOutcome, Value: "0"},
		arr.Term{Field: arr.FieldPerson, Value: user}, arr.Term{Field: arr.FieldPatient, Value: patient})
}

func judge(t *testing.T, rows []arr.Row) (got []string) {
	t.Helper()
	w, err := arr.NewWatch(rules())
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range rows {
		for _, a := range w.Judge(uint64(i), r) {
			got = append(got, fmt.Sprintf("%d %s %s %d", a.Seq, a.Rule.Name, a.Who, a.Count))
		}
	}
	return got
}

func TestRules(t *testing.T) {
	glass := arr.Term{Field: arr.FieldPurpose, Value: "bris_de_glace"}
	admitted := func(at time.Duration, patient string) arr.Row {
		return row(at, arr.Term{Field: arr.FieldTransaction, Value: "ITI-8"}, arr.Term{Field: arr.FieldPatient, Value: patient})
	}
	broke := func(at time.Duration, patient string) arr.Row {
		return row(at, glass, arr.Term{Field: arr.FieldPatient, Value: patient}, arr.Term{Field: arr.FieldUser, Value: "u"})
	}
	for _, c := range []struct {
		name string
		rows []arr.Row
		want []string
	}{
		{"three patients are ordinary", []arr.Row{seen(0, "u", "1"), seen(1, "u", "2"), seen(2, "u", "3"), seen(3, "u", "3")}, nil},
		{"four are not, and are told once", []arr.Row{seen(0, "u", "1"), seen(1, "u", "2"), seen(2, "u", "3"), seen(3, "u", "4"), seen(4, "u", "5")}, []string{"3 many-records u 4"}},
		{"each person for himself", []arr.Row{seen(0, "u", "1"), seen(1, "v", "2"), seen(2, "u", "3"), seen(3, "v", "4")}, nil},
		{"an hour apart", []arr.Row{seen(0, "u", "1"), seen(1, "u", "2"), seen(2, "u", "3"), seen(time.Hour, "u", "4")}, nil},
		{"told again after a whole hour", []arr.Row{seen(0, "u", "1"), seen(1, "u", "2"), seen(2, "u", "3"), seen(3, "u", "4"),
			seen(2*time.Hour, "u", "1"), seen(2*time.Hour+1, "u", "2"), seen(2*time.Hour+2, "u", "3"), seen(2*time.Hour+3, "u", "4")}, []string{"3 many-records u 4", "7 many-records u 4"}},
		{"a failure does not count", []arr.Row{seen(0, "u", "1"), seen(1, "u", "2"), seen(2, "u", "3"),
			row(3, arr.Term{Field: arr.FieldTransaction, Value: "ITI-43"}, arr.Term{Field: arr.FieldOutcome, Value: "8"}, arr.Term{Field: arr.FieldPerson, Value: "u"}, arr.Term{Field: arr.FieldPatient, Value: "4"})}, nil},
		{"a record without a person", []arr.Row{seen(0, "u", "1"), seen(1, "u", "2"), seen(2, "u", "3"),
			row(3, arr.Term{Field: arr.FieldTransaction, Value: "ITI-43"}, arr.Term{Field: arr.FieldOutcome, Value: "0"}, arr.Term{Field: arr.FieldPatient, Value: "4"})}, nil},
		{"glass broken after an admission", []arr.Row{admitted(0, "1"), broke(time.Hour, "1")}, nil},
		{"another patient's admission", []arr.Row{admitted(0, "2"), broke(time.Hour, "1")}, []string{"1 glass u 1"}},
		{"an admission long ago", []arr.Row{admitted(0, "1"), broke(25*time.Hour, "1")}, []string{"1 glass u 1"}},
		{"blocked", []arr.Row{row(0, arr.Term{Field: arr.FieldUser, Value: "809999999990"})}, []string{"0 blocked 809999999990 1"}},
		{"alerts do not cause alerts", []arr.Row{row(0, arr.Term{Field: arr.FieldUser, Value: "809999999990"}, arr.Term{Field: arr.FieldEvent, Value: "110113"})}, nil},
	} {
		if got := judge(t, c.rows); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestSenselessRules(t *testing.T) {
	for name, spoil := range map[string]func(*arr.Rule){
		"no name": func(r *arr.Rule) { r.Name = "" }, "no text": func(r *arr.Rule) { r.Text = "" }, "no when": func(r *arr.Rule) { r.When = nil },
		"above without within": func(r *arr.Rule) { r.Within = 0 }, "unless without same": func(r *arr.Rule) { r.Unless = r.When },
		"no alert": func(r *arr.Rule) { r.Tx = atna.ITI41 },
	} {
		r := rules()[0]
		spoil(&r)
		if _, err := arr.NewWatch([]arr.Rule{r}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// places remembers one place.
type places struct {
	mu  sync.Mutex
	seq uint64
}

func (p *places) Cursor(context.Context, string) (uint64, error) { return p.reached(), nil }
func (p *places) SetCursor(_ context.Context, _ string, seq uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seq = seq
	return nil
}

func (p *places) reached() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seq
}

// TestFollow: alerts are recorded once over a restart, and what was seen before it still counts after it.
func TestFollow(t *testing.T) {
	r, store, used := repository(t)
	p := &places{}
	access := func(n int) {
		id := patient
		id.ID = fmt.Sprint(n)
		m := message(atna.ITI43, atna.Facts{Patient: id, Persons: []atna.Person{{ID: "801234567890"}}})
		if err := r.Keep(t.Context(), "gateway", [][]byte{m}); err != nil {
			t.Fatal(err)
		}
	}
	run := func() (heard []string) {
		w, err := arr.NewWatch(rules())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			done <- r.Follow(ctx, w, p, time.Millisecond, func(a arr.Alert) { heard = append(heard, a.Who) })
		}()
		for deadline := time.Now().Add(10 * time.Second); p.reached() < store.Size() && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		}
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		return heard
	}
	access(1)
	access(2)
	access(3)
	if got := run(); got != nil {
		t.Errorf("alerts %v", got)
	}
	access(4)
	if got := run(); !reflect.DeepEqual(got, []string{"801234567890"}) {
		t.Errorf("alerts %v", got)
	}
	want := []string{"110132 4 801234567890 many-records: more records than one person treats (4 counted, record 3 of the audit log)"}
	if got := used.take(); !reflect.DeepEqual(got, want) {
		t.Errorf("recorded %v", got)
	}
	access(5)
	if got := run(); got != nil {
		t.Errorf("told again: %v", got)
	}
}
