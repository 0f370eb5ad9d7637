package conformance

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// limits are how long things may take where no clause gives a figure: the suite's own, and generous. A description says others (limits: {query: 2s}).
var limits = map[string]time.Duration{
	"ack":      5 * time.Second,  // an acknowledgement of HL7 v2 or v3
	"register": 10 * time.Second, // a submission to a registry or a repository
	"query":    10 * time.Second, // a stored query, a query about patients, a search in audit records
	"retrieve": 20 * time.Second, // documents
	"metadata": 5 * time.Second,  // a description of a service
	"audit":    10 * time.Second, // from an event to the record of it
	"notice":   10 * time.Second, // from a feed to the notification about it
	"mail":     60 * time.Second, // from a message to the answer by mail
}

// Limits are the names of limits.
func Limits() []string { return slices.Sorted(maps.Keys(limits)) }

// limit is that of a description, or the suite's own.
func (s *SUT) limit(name string) (time.Duration, error) {
	if d := s.Limits[name]; d > 0 {
		return d, nil
	}
	if d := limits[name]; d > 0 {
		return d, nil
	}
	return 0, fmt.Errorf("%q is no limit: %s", name, strings.Join(Limits(), ", "))
}

// lateError is an answer that did not come in time.
type lateError struct{ limit time.Duration }

func (e lateError) Error() string { return fmt.Sprintf("the system did not answer within %v", e.limit) }

// Timing is how long something of a step took, by the record of its exchanges.
type Timing struct {
	Line   int           `json:"line"` // of the step
	What   string        `json:"what"` // the verb of the step, or what was waited for
	Took   time.Duration `json:"took_ns"`
	Within time.Duration `json:"within_ns,omitempty"` // what was allowed; 0 where nothing was said
}

// String is a timing as reports show it.
func (t Timing) String() string {
	if t.Within == 0 {
		return fmt.Sprintf("%s (line %d) took %s", t.What, t.Line, short(t.Took))
	}
	return fmt.Sprintf("%s (line %d) took %s, %s allowed", t.What, t.Line, short(t.Took), short(t.Within))
}

// awaited is something that came of itself: an audit record.
type awaited struct {
	what string
	came time.Time // zero: not known
}

// clocked notes which exchanges of the tape are the step's own: the last n, those before are the suite's (patients it announces, what it looks up).
func (s *story) clocked(st Step, n int) {
	s.own = s.r.SUT.tape.since(0)
	s.own = s.own[max(len(s.own)-n, 0):]
	s.after = len(s.r.SUT.tape.since(0))
	if len(s.own) > 0 && st.Verb != "told" { // what is told is of the step before
		s.went = s.own[0].Began
	}
}

// since are the exchanges from the i-th on that were made, or given back, so far.
func (t *tape) since(i int) []*Exchange {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.playing {
		return slices.Clone(t.exchanges[i:t.next])
	}
	return slices.Clone(t.exchanges[i:])
}

// times gives how long the answers of the step took, and how long after the message went what was waited for came. What was waited for is on the tape as an exchange without a
// request, or is an audit record.
func (k *check) times() []Timing {
	var out []Timing
	add := func(what string, took time.Duration) {
		out = append(out, Timing{Line: k.st.Line, What: what, Took: took})
	}
	for _, x := range k.s.own {
		if len(x.Request) == 0 && x.Broken == "" {
			add(k.st.Verb, x.Began.Add(x.Took).Sub(k.s.went))
		} else {
			add(k.st.Verb, x.Took)
		}
	}
	for _, x := range k.s.r.SUT.tape.since(k.s.after) {
		if len(x.Request) == 0 && x.Broken == "" {
			add(x.Where, x.Began.Add(x.Took).Sub(k.s.went))
		}
	}
	for _, a := range k.awaited {
		if a.came.IsZero() {
			k.notes = append(k.notes, fmt.Sprintf("line %d: when %s came was not recorded", k.st.Line, a.what))
			continue
		}
		add(a.what, max(a.came.Sub(k.s.went), 0))
	}
	return out
}

// timed holds the times of the step against its within line: within DURATION; every answer of the step, and everything it waited for, came in that time.
func (k *check) timed(ctx context.Context) {
	k.timings = k.times()
	for _, l := range k.st.Expect {
		if l.Verb != "within" {
			continue
		}
		allowed, err := k.allowed(ctx)
		if err != nil {
			k.wrong(l, "%v", err)
			return
		}
		l.Rest = allowed.String()
		for i, t := range k.timings {
			k.timings[i].Within = allowed
			if t.Took > allowed {
				k.wrong(l, "%s took %v", t.What, t.Took.Round(time.Millisecond))
			}
		}
	}
}

// allowed is the time of the within line of the step; 0 without one.
func (k *check) allowed(ctx context.Context) (time.Duration, error) {
	for _, l := range k.st.Expect {
		if l.Verb == "within" {
			rest, err := k.s.expand(ctx, l.Rest)
			if err != nil {
				return 0, err
			}
			return duration(rest)
		}
	}
	return 0, nil
}

func duration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err == nil && d <= 0 {
		err = fmt.Errorf("%q is no time that something can take", text)
	}
	return d, err
}

// patience is how long something that the system does of itself is waited for: as long as the step allows, or longer, so that what is late is seen to come.
func (k *check) patience(ctx context.Context) time.Duration {
	allowed, _ := k.allowed(ctx) // a line that cannot be read is a fault that timed tells
	return max(k.s.r.SUT.Patience, allowed)
}
