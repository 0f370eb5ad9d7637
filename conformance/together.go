package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// group is how many steps from the first on are made at once: those that begin with "together".
func group(steps []Step) int {
	n := 0
	for n < len(steps) && steps[n].Together {
		n++
	}
	return max(n, 1)
}

// together makes steps at once. Everything they need is made ready one after the other; then all are sent, each on a tape of its own, so that the evidence holds them in the
// order of the case whoever was first. From evidence they are played one after the other.
func (s *story) together(ctx context.Context, steps []Step) error {
	s.seen, s.sent, s.last, s.outcomes = s.r.audit.count(), nil, &answer{}, make([]string, len(steps))
	sends := make([]func(context.Context, *story) (*answer, error), len(steps))
	for i, st := range steps {
		var err error
		if sends[i], err = s.prepare(ctx, st); err != nil {
			return fmt.Errorf("line %d: %w", st.Line, err)
		}
	}
	errs := make([]error, len(steps))
	one := func(i int, as *story) {
		a, err := sends[i](ctx, as)
		if errs[i] = err; err == nil {
			s.outcomes[i] = a.inAWord()
		}
	}
	if s.r.SUT.replaying() {
		for i := range steps {
			one(i, s)
		}
	} else {
		s.apart(len(steps), one)
	}
	for i, err := range errs {
		if err != nil {
			return fmt.Errorf("line %d: %w", steps[i].Line, err)
		}
	}
	return nil
}

// apart calls one for each of n steps at the same time, and puts what they exchanged behind each other.
func (s *story) apart(n int, one func(int, *story)) {
	on := s.r.SUT.tape
	tapes := make([]*tape, n)
	var wg sync.WaitGroup
	for i := range tapes {
		tapes[i] = &tape{audit: on.audit}
		mine, as := *s.r, *s
		mine.SUT = s.r.SUT.taped(tapes[i])
		tapes[i].dial = on.dial
		as.r = &mine
		wg.Go(func() { one(i, &as) })
	}
	wg.Wait()
	on.mu.Lock()
	defer on.mu.Unlock()
	for _, t := range tapes {
		on.exchanges, on.marks = append(on.exchanges, t.exchanges...), append(on.marks, t.marks...)
	}
}

// prepare writes what a step sends and gives what sends it.
func (s *story) prepare(ctx context.Context, st Step) (func(context.Context, *story) (*answer, error), error) {
	switch st.Verb {
	case "register", "provide", "update", "restrict", "remove", "destroy":
		m, err := s.compose(ctx, st)
		if err == nil && m.who.present {
			err = fmt.Errorf("%s together with others is without an assertion", st.Verb)
		}
		return func(ctx context.Context, as *story) (*answer, error) { return as.exchange(ctx, m) }, err
	case "feed":
		msg, unended, err := s.feedText(ctx, st)
		return func(ctx context.Context, as *story) (*answer, error) { return as.r.SUT.sendMLLP(ctx, msg, unended) }, err
	}
	return nil, fmt.Errorf("%s is not made together with others", st.Verb)
}

// inAWord is how an answer ended: an acknowledgement, Success, PartialSuccess, Failure with its codes, or a fault.
func (a *answer) inAWord() string {
	if a.er7 != "" {
		return a.ack()
	}
	if f := a.fault(); f != nil {
		return "fault " + strings.Join(f, " ")
	}
	words := []string{strings.TrimPrefix(a.outcome(), outcomePrefix)}
	for _, p := range a.problems() {
		if !p.warning() && !slices.Contains(words, p.code) {
			words = append(words, p.code)
		}
	}
	return strings.Join(words, " ")
}

// expectOutcomes: outcomes WORDS ;; WORDS [| WORDS ;; WORDS]; how the steps that were made together ended, in any order; the bar divides what may have happened.
func expectOutcomes(_ context.Context, k *check, l Line) {
	got := slices.Sorted(slices.Values(k.s.outcomes))
	for _, way := range strings.Split(l.Rest, "|") {
		var want []string
		for _, one := range strings.Split(way, ";;") {
			want = append(want, strings.TrimSpace(one))
		}
		slices.Sort(want)
		if slices.Equal(got, want) {
			return
		}
	}
	k.wrong(l, "they ended as %s", strings.Join(got, " ;; "))
}
