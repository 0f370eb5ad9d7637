package conformance

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const timedCase = "Note.\ncites: x\n\n-- query GetAll --\n$patientId '${patient:a}'\n-- expect --\nwithin ${limit:query}\n"

// TestWithinIsJudgedFromTheRecord: the time that counts is the one in the evidence, however fast a replay is; what the suite sent of its own does not count.
func TestWithinIsJudgedFromTheRecord(t *testing.T) {
	suite, sut := embedded(t), yes(t)
	sut.Limits = map[string]time.Duration{"query": time.Hour}
	r, err := NewRunner(suite, sut, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sut.Close)
	c, err := parseCase("x/timed", timedCase)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p, err := NewPack(dir)
	if err != nil {
		t.Fatal(err)
	}
	res := r.Run(t.Context(), c)
	if !res.Passed() || len(res.Times) != 1 || res.Times[0].Within != time.Hour || res.Times[0].What != "query" || res.Times[0].Line != 4 || res.Times[0].Took <= 0 {
		t.Fatalf("%v %+v", res.Faults, res.Times)
	}
	key, err := ReadSigningKey("")
	if err != nil {
		t.Fatal(err)
	}
	if p.Add(r, res) != nil || p.Close(r, time.Now(), key) != nil {
		t.Fatal("no evidence")
	}
	file := filepath.Join(dir, "cases/x/timed/verdict.json")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, one := range map[string]struct {
		exchange int
		took     time.Duration
		says     string
	}{
		"as it was":      {1, time.Minute, ""},
		"at the limit":   {1, time.Hour, ""},
		"a step late":    {1, time.Hour + time.Second, "line 7: within 1h0m0s: query took 1h0m1s"},
		"a feed is late": {0, 2 * time.Hour, ""}, // it announces the patient, and is not of the step
	} {
		rec := caseRecord{}
		if err := json.Unmarshal(text, &rec); err != nil || len(rec.Exchanges) != 2 {
			t.Fatal(err, len(rec.Exchanges))
		}
		rec.Exchanges[one.exchange].Took = one.took
		b, err := json.Marshal(rec)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := Replay(t.Context(), os.DirFS(dir))
		if err != nil || len(again) != 1 {
			t.Fatal(err)
		}
		if said := strings.Join(again[0].Faults, "\n"); said != one.says {
			t.Errorf("%s: %q, want %q", name, said, one.says)
		}
	}
}

// TestAwaitedTimes: an audit record is as late as it came after the message went; when that is not in the evidence, it is not judged, and the report says so.
func TestAwaitedTimes(t *testing.T) {
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	text := `{"name":"x/audited","verdict":"passed","number":1,"run":100000001,"seed":"00","clock":["2026-01-01T00:00:00Z","2026-01-01T00:00:00Z"],"audited":true,"audit":[{"after":1,CAME"text":"<AuditMessage><EventIdentification EventOutcomeIndicator=\"0\"><EventTypeCode csd-code=\"ITI-8\"/></EventIdentification>9100000001000010</AuditMessage>"}],` +
		`"exchanges":[{"where":"tcp://x","began":"2026-01-01T00:00:00Z","took_ns":1000000}]}`
	for came, want := range map[string]string{
		`"came":"` + began.Add(3*time.Second).Format(time.RFC3339) + `",`: "",
		`"came":"` + began.Add(5*time.Second).Format(time.RFC3339) + `",`: "line 7: within 4s: the audit record of ITI-8 took 5s",
		"": "note: line 4: when the audit record of ITI-8 came was not recorded",
	} {
		dir := t.TempDir()
		for name, content := range map[string]string{"verdict.json": strings.Replace(text, "CAME", came, 1), "01-request": "", "01-response": "\x0bMSH|^~\\&|A\rMSA|AA|1\r\x1c\r",
			"case.txtar": "Note.\ncites: x\n\n-- feed A04^ADT_A01 --\nPID|||${strangerid:a}\n-- expect --\nwithin 4s\naudit ITI-8 0\n"} {
			if err := os.MkdirAll(filepath.Join(dir, "cases/x/audited"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "cases/x/audited", name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "run.json"), []byte(`{"system":{"mllp":"tcp://x"}}`), 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := Replay(t.Context(), os.DirFS(dir))
		if err != nil || len(again) != 1 {
			t.Fatal(err)
		}
		said := strings.Join(again[0].Faults, "\n")
		for _, n := range again[0].Notes {
			said += "note: " + n
		}
		if said != want {
			t.Errorf("%s: %q, want %q", came, said, want)
		}
	}
}

// TestLimits: a description says limits of names that the suite knows, longer than nothing; a within line is a time.
func TestLimits(t *testing.T) {
	for _, wrong := range []map[string]time.Duration{{"queries": time.Second}, {"query": 0}, {"query": -time.Second}} {
		s := yes(t)
		s.Limits = wrong
		if err := s.Open(); err == nil || !strings.Contains(err.Error(), "limits: ") {
			t.Errorf("%v: %v", wrong, err)
		}
	}
	for name, want := range map[string]time.Duration{"query": 2 * time.Second, "audit": 10 * time.Second} {
		if got, err := (&SUT{Limits: map[string]time.Duration{"query": 2 * time.Second}}).limit(name); err != nil || got != want {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
	for _, line := range []string{"within", "within soon", "within 5", "within -5s"} {
		if _, err := parseCase("x/y", "Note.\ncites: x\n-- get registry --\n-- expect --\n"+line+"\n"); err == nil {
			t.Errorf("%s is taken", line)
		}
	}
	file := filepath.Join(t.TempDir(), "sut.yaml")
	if err := os.WriteFile(file, []byte("name: x\ntimeout: 40s\npatience: 20s\nlimits: {query: 2s}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := LoadSUT(file)
	if err != nil || s.Timeout != 40*time.Second || s.Patience != 20*time.Second || s.Limits["query"] != 2*time.Second {
		t.Errorf("%+v %v", s, err)
	}
}

// TestReportsOfTimes: what a case allowed and what it took stands in every form of the report; what was not bounded only where programs read.
func TestReportsOfTimes(t *testing.T) {
	c, err := parseCase("iti18/timed", timedCase)
	if err != nil {
		t.Fatal(err)
	}
	rep := &Report{Results: []Result{{Case: c, Name: c.Name, Took: 1500 * time.Millisecond, Notes: []string{"a note"},
		Times: []Timing{{4, "register", 20 * time.Millisecond, 0}, {8, "query", 1300 * time.Millisecond, 10 * time.Second}}}}}
	const line = "query (line 8) took 1.3 s, 10.0 s allowed"
	var html, junit, text strings.Builder
	if err := errors.Join(rep.HTML(&html), rep.JUnit(&junit), rep.JSON(&text)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct{ in, text string }{{html.String(), "<li>" + line + "</li>"}, {html.String(), "timed · 1.5 s"}, {junit.String(), `time="1.500"`},
		{junit.String(), "<system-out>a note&#xA;" + line + "</system-out>"}, {text.String(), `"took_ns": 1300000000`}, {text.String(), `"within_ns": 10000000000`}, {text.String(), `"what": "register"`}} {
		if !strings.Contains(want.in, want.text) {
			t.Errorf("there is no %q in %s", want.text, want.in)
		}
	}
	if strings.Contains(html.String()+junit.String(), "register (line 4)") {
		t.Error("what was not bounded is shown to people")
	}
}
