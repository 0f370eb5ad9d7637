package conformance

import (
	"maps"
	"path"
	"slices"
)

// knows looks whether the description of the system says that it differs here, and why; such a fault is reported, and fails nothing. One that no longer shows is a
// fault of the description.
func (r *Runner) knows(res *Result) {
	for _, pattern := range slices.Sorted(maps.Keys(r.SUT.Known)) {
		if ok, _ := path.Match(pattern, res.Name); !ok || res.Skipped != "" {
			continue
		}
		if len(res.Faults) == 0 {
			res.Faults = []string{"the description of the system lists a difference that is not there: " + pattern}
			continue
		}
		res.Known = r.SUT.Known[pattern]
		return
	}
}

// Verdict is passed, failed, known (a difference that the description of the system lists) or skipped.
func (r Result) Verdict() string {
	switch {
	case r.Skipped != "":
		return "skipped"
	case r.Known != "":
		return "known"
	case len(r.Faults) > 0:
		return "failed"
	}
	return "passed"
}
