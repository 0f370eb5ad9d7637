package conformance

import (
	"slices"
	"strings"
	"testing"
)

func probes(t *testing.T) []*Case {
	t.Helper()
	ps, err := Probes()
	if err != nil {
		t.Fatal(err)
	}
	return ps
}

// TestProbesAreMany: what the suite promises, and names that stay.
func TestProbesAreMany(t *testing.T) {
	ps := probes(t)
	if len(ps) < 1500 {
		t.Errorf("there are %d probes, 1500 are due", len(ps))
	}
	t.Logf("%d probes", len(ps))
	var names []string
	for _, p := range ps {
		names = append(names, p.Name)
		if strings.ContainsAny(p.Name, " {}$") {
			t.Errorf("%q is no name", p.Name)
		}
	}
	for _, name := range []string{"probe/iti42/DocumentEntry.creationTime/month-thirteen", "probe/iti41/SubmissionSet.sourceId/trailing-dot", "probe/iti42/Folder.codeList/coding-scheme-absent",
		"probe/iti42/Association.RPLC/target-of-nothing"} {
		if !slices.Contains(names, name) {
			t.Errorf("there is no %s", name)
		}
	}
}

// TestProbesAreNotBlind: a system that says yes to everything is caught by every probe that breaks something, and by none that does not.
func TestProbesAreNotBlind(t *testing.T) {
	suite, sut := embedded(t), yes(t)
	r, err := NewRunner(suite, sut, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sut.Close)
	cases := probes(t)
	if testing.Short() { // one in seven; make test takes them all
		cases = slices.DeleteFunc(slices.Clone(cases), func(c *Case) bool { return c.Number%7 != 0 })
	}
	for _, res := range r.RunAll(t.Context(), cases, 8, nil) {
		if accepts := strings.Contains(res.Case.Text, "\naccepted\n"); accepts != res.Passed() {
			t.Errorf("%s: accepts %v, passed %v: %v", res.Name, accepts, res.Passed(), res.Faults)
		}
	}
}

// TestKnownDifference: a fault that the description lists is told apart from a failure; a listed one that does not show is a failure.
func TestKnownDifference(t *testing.T) {
	suite, sut := embedded(t), yes(t)
	sut.Known = map[string]string{"iti42/patient-differs": "it takes everything", "iti08/a0[1]-admit": "never"}
	r, err := NewRunner(suite, sut, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sut.Close)
	for name, want := range map[string]string{"iti42/patient-differs": "known", "iti08/a01-admit": "failed", "iti42/creation-time-no-such-date": "failed"} {
		if res := r.Run(t.Context(), suite.Match(name)[0]); res.Verdict() != want {
			t.Errorf("%s is %s, want %s: %v", name, res.Verdict(), want, res.Faults)
		}
	}
}
