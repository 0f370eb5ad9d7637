package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/conformance"
)

// nobody describes a system at which nobody listens: every case fails at once.
func nobody(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sut.yaml")
	text := "name: nobody\nregistry: http://127.0.0.1:1/r\nrepository: http://127.0.0.1:1/r\npatients: http://127.0.0.1:1/p\nmllp: tcp://127.0.0.1:1\nrepository_unique_id: 1.2.3\npatient_domain: 1.2.4\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestExitStatus: 0, 1 when the system fails, 2 when the run cannot be made.
func TestExitStatus(t *testing.T) {
	out := reports{Report: filepath.Join(t.TempDir(), "report.txt")}
	for want, err := range map[int]error{
		1: (&runCmd{Cases: []string{"iti42/patient-differs"}, SUT: nobody(t), reports: out}).Run(t.Context()),
		2: (&runCmd{Cases: []string{"iti99"}, SUT: nobody(t), reports: out}).Run(t.Context()),
		0: (&runCmd{Cases: []string{"quirks/bom-strict"}, SUT: nobody(t), reports: out}).Run(t.Context()),
	} {
		if got := status(err); got != want {
			t.Errorf("status %d, want %d: %v", got, want, err)
		}
	}
}

// TestResume: a run that goes on with unfinished evidence plays only what has not ended, reports everything, and leaves a pack that verifies, replays and reports alike.
func TestResume(t *testing.T) {
	dir := t.TempDir()
	pack, file := filepath.Join(dir, "pack"), filepath.Join(dir, "report.txt")
	run := func(c runCmd) error {
		c.SUT, c.Parallel, c.Report = nobody(t), 2, file
		return c.Run(t.Context())
	}
	if err := run(runCmd{Cases: []string{"iti51"}, Evidence: pack}); status(err) != 1 {
		t.Fatal(err)
	}
	if err := run(runCmd{Cases: []string{"iti51"}, Resume: pack}); status(err) != 2 || !strings.Contains(err.Error(), "finished") {
		t.Errorf("a finished pack is resumed: %v", err)
	}
	// What an interrupted run leaves: no manifest, one case without a verdict.
	verdict := filepath.Join(pack, "cases/iti51/find-folders-for-multiple-patients/verdict.json")
	kept := filepath.Join(pack, "cases/iti51/find-documents-for-multiple-patients/verdict.json")
	if err := errors.Join(os.Remove(filepath.Join(pack, "manifest.json")), os.Remove(verdict)); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	if err := run(runCmd{Cases: []string{"iti51"}, Evidence: pack}); status(err) != 2 || !strings.Contains(err.Error(), "--resume") {
		t.Errorf("a used folder is taken: %v", err)
	}
	if err := run(runCmd{Cases: []string{"iti51"}, Resume: pack}); status(err) != 1 {
		t.Fatal(err)
	}
	after, err := os.ReadFile(kept)
	if err != nil || string(after) != string(before) {
		t.Errorf("a case that had ended ran again: %v", err)
	}
	suite, err := conformance.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if want := fmt.Sprintf("\n%d cases: 0 passed, ", len(suite.Match("iti51"))); err != nil || !strings.Contains(string(text), want) {
		t.Errorf("no %q in %s", want, text)
	}
	if err := (&verifyCmd{Pack: pack}).Run(); err != nil {
		t.Error(err)
	}
	if err := (&replayCmd{Pack: pack}).Run(t.Context()); err != nil {
		t.Error(err)
	}
	if err := (&replayCmd{Pack: pack, Against: nobody(t), reports: reports{Report: file}}).Run(t.Context()); status(err) != 1 {
		t.Error(err)
	}
	if err := (&reportCmd{Pack: pack, reports: reports{Report: file, HTML: filepath.Join(dir, "r.html"), SARIF: filepath.Join(dir, "r.sarif"), JUnit: filepath.Join(dir, "r.xml"), JSON: filepath.Join(dir, "r.json")}}).Run(); status(err) != 1 {
		t.Error(err)
	}
	if err := os.WriteFile(kept, append(after, ' '), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (&replayCmd{Pack: pack}).Run(t.Context()); status(err) != 1 || !strings.Contains(err.Error(), "was altered") {
		t.Errorf("altered evidence is judged: %v", err)
	}
}
