package conformance

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// Counter does what a patient decides at a counter: no profile says how, so each system has its own way. order has the verb as "do", the patient (CX form) as "patient", and what the lines
// of the step say; identifiers of people and structures are the national ones.
type Counter func(ctx context.Context, order map[string]string) error

// command is the counter of a description: a program that takes KEY=VALUE, the verb as do=VERB.
func command(program []string) Counter {
	return func(ctx context.Context, order map[string]string) error {
		args := slices.Clone(program[1:])
		for k, v := range order {
			args = append(args, k+"="+v)
		}
		slices.Sort(args[len(program)-1:])
		out, err := exec.CommandContext(ctx, program[0], args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("the counter refuses: %w: %s", err, strings.TrimSpace(string(out)))
		}
		return nil
	}
}

// counter plays a step of that name: what it says is decided before the next step.
func (s *story) counter(ctx context.Context, st Step) error {
	if len(st.Args) != 1 {
		return fmt.Errorf("a counter does one thing: %q", st.Args)
	}
	patient, err := s.value(ctx, "patient:a")
	if err != nil {
		return err
	}
	order := map[string]string{"do": st.Args[0], "patient": patient}
	for i, line := range strings.Split(st.Body, "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if line, err = s.expand(ctx, line); err != nil {
			return fmt.Errorf("line %d: %w", st.Line+1+i, err)
		}
		key, rest, _ := strings.Cut(line, " ")
		words := strings.Fields(rest)
		for j, w := range words { // people of the description go by their names in it
			if p, known := s.r.SUT.People.Professionals[w]; known && key == "structure" {
				words[j] = p.Structure
			} else if known {
				words[j] = p.ID
			}
		}
		order[key] = strings.Join(words, ",")
	}
	if s.r.SUT.replaying() {
		return nil
	}
	return s.r.SUT.counter()(ctx, order)
}

// counter is how the system hears what patients decide; nil when it cannot.
func (s *SUT) counter() Counter {
	switch {
	case s.Decides != nil:
		return s.Decides
	case len(s.Counter) > 0:
		return command(s.Counter)
	}
	return nil
}

// atCounter tells whether a case needs one.
func (c *Case) atCounter() bool {
	return slices.ContainsFunc(c.Steps, func(st Step) bool { return st.Verb == "counter" })
}
