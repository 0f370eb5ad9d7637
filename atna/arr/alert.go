package arr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
)

// Rule says which use of records is suspicious. It is data: nothing here knows what it means.
type Rule struct {
	Name string
	Text string // what it means, for whoever is alerted
	// When a record must meet every group, by any of its terms, the rule looks at it.
	When [][]Term
	// Per is the field whose values are judged apart from each other: FieldPerson judges each person, and no record without one.
	Per Field
	// More than Above different values of Count within Within fire the rule; Count 0 counts records. The default fires at once.
	Count  Field
	Above  int
	Within time.Duration
	// Unless an earlier record, at most UnlessWithin before, met these groups and shares a value of Same.
	Unless       [][]Term
	UnlessWithin time.Duration
	Same         Field
	// Tx is what is recorded: RestrictedFunction, or EmergencyOverride.
	Tx atna.Transaction
}

// Check finds what makes a rule senseless.
func (r *Rule) Check() error {
	switch {
	case r.Name == "" || r.Text == "":
		return errors.New("a rule needs a name and a text")
	case len(r.When) == 0:
		return fmt.Errorf("rule %s: when is empty: it would look at every record", r.Name)
	case r.Above > 0 && r.Within <= 0:
		return fmt.Errorf("rule %s: above needs within", r.Name)
	case len(r.Unless) > 0 && (r.UnlessWithin <= 0 || r.Same == 0):
		return fmt.Errorf("rule %s: unless needs within and same", r.Name)
	case r.Tx != atna.RestrictedFunction && r.Tx != atna.EmergencyOverride:
		return fmt.Errorf("rule %s: its alert is neither %s nor %s", r.Name, atna.RestrictedFunction, atna.EmergencyOverride)
	}
	return nil
}

// Alert is a rule that fired.
type Alert struct {
	Rule  *Rule
	Who   string // the value of Per; the person, or who else asked, when the rule judges all together
	Count int    // how many were counted
	Seq   uint64 // the record that made it fire
	Time  time.Time
}

// maxKeys bounds how many values of Per, and of Same, are remembered; the one quiet for longest is forgotten.
const maxKeys = 100_000

// Watch judges records by rules in the order they were kept. It is not safe for concurrent use.
type Watch struct {
	rules []Rule
	seen  []map[string]*tally // of each rule, by value of Per
	proof []map[string]time.Time
}

// tally is what one rule remembers of one value: when which values were counted, oldest first.
type tally struct {
	moments []sighting
	fired   time.Time
}

type sighting struct {
	at    time.Time
	value string
}

// NewWatch checks the rules.
func NewWatch(rules []Rule) (*Watch, error) {
	w := &Watch{rules: rules}
	for i := range rules {
		if err := rules[i].Check(); err != nil {
			return nil, err
		}
		w.seen, w.proof = append(w.seen, map[string]*tally{}), append(w.proof, map[string]time.Time{})
	}
	return w, nil
}

// Memory is how far back the rules look.
func (w *Watch) Memory() time.Duration {
	var longest time.Duration
	for _, r := range w.rules {
		longest = max(longest, r.Within, r.UnlessWithin)
	}
	return longest
}

// Judge takes the next record, as Describe describes it, and gives the alerts it causes. Time is that of the event: senders that deliver late do not blur it.
func (w *Watch) Judge(seq uint64, row Row) []Alert {
	var alerts []Alert
	if slices.Contains(row.Terms, Term{FieldEvent, "110113"}) {
		return nil // alerts do not cause alerts
	}
	for i := range w.rules {
		r := &w.rules[i]
		if len(r.Unless) > 0 && meets(row, r.Unless) {
			for _, v := range values(row, r.Same) {
				remember(w.proof[i], v, row.Event)
			}
		}
		if !meets(row, r.When) || w.excused(i, row) {
			continue
		}
		judged := values(row, r.Per)
		if r.Per == 0 {
			judged = []string{""}
		}
		for _, who := range judged {
			if n, fires := w.count(i, who, row); fires {
				if r.Per == 0 {
					who = perhaps(append(values(row, FieldPerson), values(row, FieldUser)...))[0]
				}
				alerts = append(alerts, Alert{Rule: r, Who: who, Count: n, Seq: seq, Time: row.Event})
			}
		}
	}
	return alerts
}

func meets(row Row, groups [][]Term) bool {
	for _, any := range groups {
		if !slices.ContainsFunc(any, func(t Term) bool { return slices.Contains(row.Terms, t) }) {
			return false
		}
	}
	return true
}

func values(row Row, f Field) []string {
	var out []string
	for _, t := range row.Terms {
		if t.Field == f {
			out = append(out, t.Value)
		}
	}
	return out
}

// perhaps makes a list that is not empty.
func perhaps(v []string) []string {
	if len(v) == 0 {
		return []string{""}
	}
	return v
}

// excused tells whether an earlier record explains this one.
func (w *Watch) excused(i int, row Row) bool {
	r := &w.rules[i]
	for _, v := range values(row, r.Same) {
		if at, ok := w.proof[i][v]; ok && !at.Before(row.Event.Add(-r.UnlessWithin)) {
			return true
		}
	}
	return false
}

// count adds a record to the window of a value and tells whether the rule fires: once, and again only after a whole window.
func (w *Watch) count(i int, who string, row Row) (int, bool) {
	r := &w.rules[i]
	if r.Above == 0 {
		return 1, true
	}
	all := w.seen[i]
	win := all[who]
	if win == nil {
		if len(all) >= maxKeys {
			forget(all, func(a *tally) time.Time { return a.moments[len(a.moments)-1].at })
		}
		win = &tally{}
		all[clone(who)] = win
	}
	counted := perhaps(values(row, r.Count))
	if r.Count == 0 {
		counted = perhaps(values(row, FieldDigest))
	}
	start := row.Event.Add(-r.Within)
	win.moments = slices.DeleteFunc(win.moments, func(m sighting) bool {
		return !m.at.After(start) || slices.Contains(counted, m.value) // a value counts once, with its latest moment
	})
	for _, v := range counted {
		if len(win.moments) <= r.Above { // more need not be remembered: it fires
			win.moments = append(win.moments, sighting{row.Event, clone(v)})
		}
	}
	n := len(win.moments)
	if n <= r.Above || win.fired.After(start) {
		return n, false
	}
	win.fired = row.Event
	return n, true
}

// clone lets go of the record that a value is part of.
func clone(s string) string { return string([]byte(s)) }

func remember(all map[string]time.Time, v string, at time.Time) {
	if len(all) >= maxKeys {
		forget(all, func(t time.Time) time.Time { return t })
	}
	if at.After(all[v]) {
		all[clone(v)] = at
	}
}

// forget drops the older half.
func forget[V any](all map[string]V, at func(V) time.Time) {
	var times []time.Time
	for _, v := range all {
		times = append(times, at(v))
	}
	slices.SortFunc(times, time.Time.Compare)
	middle := times[len(times)/2]
	for k, v := range all {
		if !at(v).After(middle) {
			delete(all, k)
		}
	}
}

// Cursors is where a watch keeps its place.
type Cursors interface {
	Cursor(ctx context.Context, name string) (uint64, error)
	SetCursor(ctx context.Context, name string, seq uint64) error
}

const watchCursor = "audit-watch"

// Follow judges every record of the log, from where an earlier run stopped, until ctx ends. Alerts are recorded before the place is kept: after a crash one
// may be recorded twice, none is forgotten. hear is told of each; it may be nil.
func (r *Repository) Follow(ctx context.Context, w *Watch, places Cursors, every time.Duration, hear func(Alert)) error {
	next, err := places.Cursor(ctx, watchCursor)
	if err != nil {
		return fmt.Errorf("read the place of the watch: %w", err)
	}
	if err := r.recall(ctx, w, next); err != nil {
		return err
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		reached, err := r.judge(ctx, w, next, hear)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("watch the audit log: %w", err)
		}
		if reached > next {
			if err := places.SetCursor(context.WithoutCancel(ctx), watchCursor, reached); err != nil {
				return fmt.Errorf("keep the place of the watch: %w", err)
			}
			next = reached
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// recall fills the windows with what was judged by an earlier run, without alerting again.
func (r *Repository) recall(ctx context.Context, w *Watch, next uint64) error {
	if next == 0 || w.Memory() == 0 {
		return nil
	}
	page, err := r.cfg.Store.Search(ctx, Criteria{From: r.cfg.Clock().Add(-w.Memory()), OldestFirst: true, Limit: 1})
	if err != nil || len(page.Hits) == 0 {
		return err
	}
	return r.cfg.Store.Scan(ctx, page.Hits[0].Seq, func(rec Record) (bool, error) {
		if rec.Seq < next {
			w.Judge(rec.Seq, Describe(rec.Received))
		}
		return rec.Seq+1 < next, ctx.Err()
	})
}

// judge goes on from next and gives the place behind the last record judged.
func (r *Repository) judge(ctx context.Context, w *Watch, next uint64, hear func(Alert)) (uint64, error) {
	err := r.cfg.Store.Scan(ctx, next, func(rec Record) (bool, error) {
		for _, a := range w.Judge(rec.Seq, Describe(rec.Received)) {
			if err := r.alert(ctx, a); err != nil {
				return false, err
			}
			if hear != nil {
				hear(a)
			}
		}
		next = rec.Seq + 1
		return true, ctx.Err()
	})
	return next, err
}

// alert records a security alert [PS3.15 A.5.3.11]: who, by which rule, which record made it fire.
func (r *Repository) alert(ctx context.Context, a Alert) error {
	f := atna.Facts{Time: r.cfg.Clock(), Outcome: atna.OutcomeMinorFailure, OutcomeText: a.Rule.Name, RequestorID: a.Who, Endpoint: r.cfg.Events.UserID,
		Alert: fmt.Sprintf("%s: %s (%d counted, record %d of the audit log)", a.Rule.Name, a.Rule.Text, a.Count, a.Seq)}
	if err := r.cfg.Audit.Record(context.WithoutCancel(ctx), r.cfg.Events.Event(a.Rule.Tx, atna.Responder, f)); err != nil {
		return fmt.Errorf("record an alert: %w", err)
	}
	return nil
}
