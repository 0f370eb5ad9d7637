package ledger_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/smime/intake"
	"github.com/passerelle-sante/passerelle/store/ledger"
)

func TestLedger(t *testing.T) {
	ctx, file := context.Background(), filepath.Join(t.TempDir(), "ledger.bolt")
	open := func() *ledger.Ledger {
		t.Helper()
		l, err := ledger.Open(file, 24*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := open()
	day := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	one, two, three := [32]byte{1}, [32]byte{2}, [32]byte{3}
	note := func(d [32]byte, message string, at time.Time, o intake.Outcome) {
		t.Helper()
		if err := l.Note(ctx, intake.Note{Digest: d, Entry: intake.Entry{Message: message, Time: at, Outcome: o}}); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(d [32]byte, message string, o intake.Outcome) {
		t.Helper()
		e, ok, err := l.Find(ctx, d)
		if err != nil || ok != (message != "") || e.Message != message || e.Outcome != o {
			t.Errorf("%x: %+v %v %v, want %s %s", d[0], e, ok, err, message, o)
		}
	}
	expect(one, "", "")
	note(one, "a", day, intake.SetAside)
	note(two, "b", day.Add(time.Hour), intake.Deposited)
	note(one, "a", day.Add(20*time.Hour), intake.Deposited) // released
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open()
	defer l.Close()
	expect(one, "a", intake.Deposited)
	expect(two, "b", intake.Deposited)
	// What is older than a day goes when something is noted; what was noted again since stays.
	note(three, "c", day.Add(26*time.Hour), intake.Noted)
	expect(one, "a", intake.Deposited)
	expect(two, "", "")
	expect(three, "c", intake.Noted)
}
