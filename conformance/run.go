package conformance

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"sync"
	"time"
)

// Runner replays cases of a suite against one system.
type Runner struct {
	Suite *Suite
	SUT   *SUT

	audit  *Audit
	run    int64  // makes the identifiers of this run
	seed   string // and its UUIDs
	shared *sharedPatients

	consumers *consumers
}

// sharedPatients are the patients of all probes, announced once.
type sharedPatients struct {
	mu    sync.Mutex
	told  map[string]error
	setup *tape // on which they were announced; nil when answers come from a tape
}

func (p *sharedPatients) announce(ctx context.Context, s *story, name string) error {
	if p == nil {
		return nil // the answers come from a tape
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err, done := p.told[name]; done {
		return err
	}
	r := *s.r
	r.SUT = s.r.SUT.taped(p.setup)
	one := newStory(&r, s.c)
	one.patients = s.patients
	err := one.feedPatient(ctx, name)
	p.told[name] = err
	return err
}

// Result is how one case went.
type Result struct {
	Case    *Case         `json:"-"`
	Name    string        `json:"name"`
	Took    time.Duration `json:"took_ns"`
	Skipped string        `json:"skipped,omitempty"` // why it could not be run here
	Faults  []string      `json:"faults,omitempty"`
	Line    int           `json:"line,omitempty"`        // of the step at which it failed
	Known   string        `json:"known,omitempty"`       // why the system differs here, as its description says
	Notes   []string      `json:"not_checked,omitempty"` // what could not be checked
	Times   []Timing      `json:"times,omitempty"`       // of its steps

	tape *tape // what was sent and what came
}

// Passed tells that the case ran and found nothing wrong.
func (r Result) Passed() bool { return r.Skipped == "" && len(r.Faults) == 0 }

// Exchanges are what was sent and what came, in order; those of cases that passed are not kept by RunAll.
func (r Result) Exchanges() []*Exchange {
	if r.tape == nil {
		return nil
	}
	return r.tape.exchanges
}

// NewRunner opens what a run needs. audit may be nil: then audit expectations are reported as not checked.
func NewRunner(suite *Suite, sut *SUT, audit *Audit) (*Runner, error) {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails
	r := &Runner{Suite: suite, SUT: sut, audit: audit, run: 100_000_000 + int64(binary.BigEndian.Uint64(b[:])%900_000_000), seed: hex.EncodeToString(b[:]),
		shared: &sharedPatients{told: map[string]error{}, setup: &tape{}}}
	if err := sut.Open(); err != nil {
		return nil, err
	}
	var err error
	r.consumers, err = openConsumers(sut.Consumers)
	return r, err
}

// Close ends what listens.
func (r *Runner) Close() { r.consumers.close() }

// caseLimit is how long a case may take, where the description does not allow longer for an exchange.
const caseLimit = 60 * time.Second

// Run replays one case.
func (r *Runner) Run(ctx context.Context, c *Case) Result {
	return r.runOn(ctx, c, &tape{audit: r.audit})
}

// runOn replays one case with its exchanges on a tape.
func (r *Runner) runOn(ctx context.Context, c *Case, on *tape) Result {
	res := Result{Case: c, Name: c.Name}
	for key, value := range c.Requires {
		if got := r.SUT.Profile[key]; got != value {
			res.Skipped = fmt.Sprintf("needs a system with %s=%s, this one has %q", key, value, got)
			return res
		}
	}
	if c.atCounter() && r.SUT.counter() == nil && !on.playing {
		res.Skipped = "needs a way to tell the system what patients decide (counter)"
		return res
	}
	res = r.playOn(ctx, c, on)
	r.knows(&res)
	return res
}

// playOn plays the steps of a case.
func (r *Runner) playOn(ctx context.Context, c *Case, on *tape) Result {
	limit := max(caseLimit, 2*r.SUT.Timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the case took longer than %v", limit))
	defer cancel()
	began := time.Now()
	res := Result{Case: c, Name: c.Name, tape: on}
	mine := *r
	mine.SUT = r.SUT.taped(on)
	s := newStory(&mine, c)
	defer on.collect(s, r.audit.count())
	for i := 0; i < len(c.Steps); {
		steps := c.Steps[i : i+group(c.Steps[i:])]
		st := steps[len(steps)-1]
		i += len(steps)
		play := func() error { return s.play(ctx, st) }
		if st.Together {
			play = func() error { return s.together(ctx, steps) }
		}
		if err := play(); err != nil {
			res.Faults, res.Line = append(res.Faults, fmt.Sprintf("line %d: %s: %v", st.Line, st.Verb, err)), st.Line
			break
		}
		s.clocked(st, len(steps))
		k := s.judge(ctx, st)
		res.Faults, res.Notes, res.Times = append(res.Faults, k.faults...), append(res.Notes, k.notes...), append(res.Times, k.timings...)
		if len(k.faults) > 0 {
			res.Line = st.Line
			break // what follows builds on what failed
		}
	}
	res.Took = time.Since(began)
	return res
}

// RunAll replays cases, several at a time, those that must be alone by themselves; told is called after each that ended, one at a time, and may be nil.
func (r *Runner) RunAll(ctx context.Context, cases []*Case, parallel int, told func(Result)) []Result {
	results := make([]Result, len(cases))
	work := make(chan int)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var room sync.RWMutex
	one := func(c *Case) Result {
		if c.Alone {
			room.Lock()
			defer room.Unlock()
		} else {
			room.RLock()
			defer room.RUnlock()
		}
		return r.Run(ctx, c)
	}
	for range max(parallel, 1) {
		wg.Go(func() {
			for i := range work {
				results[i] = one(cases[i])
				if ctx.Err() != nil {
					results[i] = interrupted(cases[i])
					continue
				}
				mu.Lock()
				if told != nil {
					told(results[i])
				}
				if results[i].Verdict() != "failed" {
					results[i].tape = nil // thousands of whole exchanges fill the memory
				}
				results[i].tape.shorten()
				mu.Unlock()
			}
		})
	}
	for i := range cases {
		if ctx.Err() == nil {
			work <- i
		} else {
			results[i] = interrupted(cases[i])
		}
	}
	close(work)
	wg.Wait()
	return results
}

func interrupted(c *Case) Result {
	return Result{Case: c, Name: c.Name, Skipped: "interrupted"}
}
