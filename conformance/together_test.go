package conformance

import (
	"slices"
	"strings"
	"testing"
)

// TestTogether: steps that are made at once are judged by how all of them ended, and their exchanges stand in the order of the case.
func TestTogether(t *testing.T) {
	sut := yes(t)
	r, err := NewRunner(embedded(t), sut, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sut.Close)
	play := func(text string) (Result, *tape) {
		c, err := parseCase("x/y", text)
		if err != nil {
			t.Fatal(err)
		}
		on := &tape{}
		return r.runOn(t.Context(), c, on), on
	}
	const head = "Note.\ncites: x\n\n-- together register Set1 --\nentry A\n-- together feed A31^ADT_A05 --\nPID|||${stranger:n}\n-- together register Set3 --\nentry C\n-- expect --\noutcomes "
	for outcomes, want := range map[string]bool{"AA ;; Success ;; Success": true, "Success ;; AA ;; Success": true, "AA ;; Success": false, "AA ;; AE ;; Success": false, "AE ;; AE ;; AE | Success ;; Success ;; AA": true} {
		res, on := play(head + outcomes + "\n")
		if res.Passed() != want {
			t.Errorf("%s: %v", outcomes, res.Faults)
		}
		var went []string
		for _, x := range on.exchanges {
			went = append(went, strings.SplitN(x.Where, ":", 2)[0])
		}
		if !slices.Equal(went, []string{"tcp", "http", "tcp", "http"}) { // the patient is announced first
			t.Errorf("exchanges %v", went)
		}
	}
	for text, want := range map[string]string{
		"Note.\ncites: x\n\n-- together register --\nas nobody\nentry A\n-- expect --\noutcomes AA\n": "is without an assertion",
	} {
		if res, _ := play(text); res.Passed() || !strings.Contains(res.Faults[0], want) {
			t.Errorf("%v, want %s", res.Faults, want)
		}
	}
}
