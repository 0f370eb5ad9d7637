package conformance

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// listening is a door that does the same to every connection.
func listening(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { close(done); ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				go func() { <-done; c.Close() }()
				serve(c)
			}()
		}
	}()
	return ln.Addr().String()
}

// echoWhole sends a request back when all of it is there: an echo that began before would end some requests while they are still written.
func echoWhole(c net.Conn) {
	var whole bytes.Buffer
	req, err := http.ReadRequest(bufio.NewReader(io.TeeReader(c, &whole)))
	if err == nil {
		_, err = io.Copy(io.Discard, req.Body)
	}
	if err == nil {
		_, _ = c.Write(whole.Bytes())
	}
}

// TestHostileSystems: whatever listens there, every case ends with a verdict that says what was wrong, and none passes.
func TestHostileSystems(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html><body>It works!</body></html>")
	}))
	t.Cleanup(page.Close)
	raw := func(serve func(net.Conn)) func(*testing.T) (string, string) {
		return func(t *testing.T) (string, string) {
			address := listening(t, serve)
			return "http://" + address, "tcp://" + address
		}
	}
	behindMLLP := func(serve func(net.Conn)) func(*testing.T) (string, string) { // patients are taken, so that SOAP is reached
		return func(t *testing.T) (string, string) {
			return "http://" + listening(t, serve), "tcp://" + acceptingMLLP(t)
		}
	}
	hang := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	garbage := func(c net.Conn) {
		_, _ = bufio.NewReader(c).ReadByte()
		_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Type: multipart/related; type=\"application/xop+xml\"; start-info=x\r\nContent-Length: 9\r\n\r\n\x00\xff--\r\n\r\n-"))
	}
	drip := func(c net.Conn) {
		_, _ = bufio.NewReader(c).ReadByte()
		_, err := c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml\r\n\r\n"))
		for err == nil {
			_, err = c.Write(make([]byte, 1<<16))
		}
	}
	for name, system := range map[string]struct {
		at   func(*testing.T) (http, mllp string)
		says string // pattern in the verdict of the first case
	}{
		"echo":             {raw(func(c net.Conn) { _, _ = io.Copy(c, c) }), `announce patient a: acknowledged with ""`},
		"echo, SOAP":       {behindMLLP(echoWhole), "malformed HTTP"},
		"hangs":            {raw(hang), "did not answer within 200ms"},
		"hangs, SOAP":      {behindMLLP(hang), "did not answer within 200ms"},
		"drops":            {raw(func(c net.Conn) { _, _ = bufio.NewReader(c).ReadBytes(0x1c) }), "EOF|reset by peer|broken pipe|closed network connection"},
		"drops, SOAP":      {behindMLLP(func(c net.Conn) { _, _ = bufio.NewReader(c).ReadBytes('\n') }), "EOF|reset by peer|broken pipe|closed network connection"},
		"garbage":          {behindMLLP(garbage), "multipart"},
		"endless":          {behindMLLP(drip), "did not answer within 200ms"},
		"HTML":             {func(t *testing.T) (string, string) { return page.URL, "tcp://" + acceptingMLLP(t) }, "the answer is text/html"},
		"nobody listening": {func(t *testing.T) (string, string) { return "http://127.0.0.1:1", "tcp://127.0.0.1:1" }, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			suite := embedded(t)
			where, mllp := system.at(t)
			timeout := 10 * time.Second
			if strings.HasPrefix(system.says, "did not answer") {
				timeout = 200 * time.Millisecond
			}
			sut := &SUT{Name: name, Registry: where, Repository: where, Patients: where, MLLP: mllp, RepositoryUniqueID: "1.2.3", PatientDomain: "1.2.4", Places: true, Timeout: timeout}
			r, err := NewRunner(suite, sut, nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(sut.Close)
			first := r.Run(t.Context(), suite.Match("iti42/register-one-document")[0])
			if said, err := regexp.MatchString(system.says, strings.Join(first.Faults, "\n")); err != nil || !said {
				t.Errorf("the verdict does not say %q: %v", system.says, first.Faults)
			}
			cases := append(suite.Match("iti42/re", "iti41/p", "iti43", "iti18/get", "iti51", "iti44", "soap"), probes(t)[:5]...)
			if name == "endless" {
				cases = cases[:6]
			} else if testing.Short() {
				cases = cases[len(cases)-40:]
			}
			for _, res := range r.RunAll(t.Context(), cases, 16, nil) {
				if res.Verdict() == "passed" || res.Verdict() == "failed" && res.Faults[0] == "" {
					t.Errorf("%s %s: %v", res.Name, res.Verdict(), res.Faults)
				}
			}
		})
	}
}

// TestReports: what each form of the report says of a case that passed, one that failed, one that differs as known, one that was not run.
func TestReports(t *testing.T) {
	suite, sut := embedded(t), yes(t)
	sut.Known = map[string]string{"iti42/patient-differs": "it <takes> everything"}
	r, err := NewRunner(suite, sut, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sut.Close)
	cases, err := suite.Select([]string{"iti42/register-one-document", "soap/doctype", "iti42/patient-differs", "quirks/bom-strict", "soap/reply-to-anonymous"}, false)
	if err != nil || len(cases) != 5 {
		t.Fatal(len(cases), err)
	}
	rep := &Report{System: "A & B", Edition: "edition", Began: time.Unix(0, 0), Results: r.RunAll(t.Context(), cases, 1, nil)}
	var html, sarif strings.Builder
	if err := rep.HTML(&html); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<h1>Conformance of A &amp; B</h1>", "it &lt;takes&gt; everything", "fails 2 of 5 cases", `data-folder="soap" data-verdict="failed" open`, "POST / HTTP/1.1", "needs a system with quirks=off"} {
		if !strings.Contains(html.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, never := range []string{"<takes>", " src=", "href=", "url("} {
		if strings.Contains(html.String(), never) {
			t.Errorf("the page has %q", never)
		}
	}
	if err := rep.SARIF(&sarif); err != nil {
		t.Fatal(err)
	}
	var log struct {
		Version string
		Runs    []struct{ Results []sarifResult }
	}
	if err := json.Unmarshal([]byte(sarif.String()), &log); err != nil || log.Version != "2.1.0" || len(log.Runs) != 1 {
		t.Fatalf("%v %+v", err, log)
	}
	var got []string
	for _, res := range log.Runs[0].Results {
		got = append(got, res.RuleID+" "+res.Kind+" "+res.Level)
		if (len(res.Suppressions) == 1) != (res.RuleID == "iti42/patient-differs") {
			t.Errorf("%s is suppressed %v", res.RuleID, res.Suppressions)
		}
	}
	if want := "iti42/patient-differs fail error, iti42/register-one-document fail error, quirks/bom-strict notApplicable none, soap/doctype fail error"; strings.Join(got, ", ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), want)
	}
}

// TestSelect: by name, pattern, transaction, clause.
func TestSelect(t *testing.T) {
	suite := embedded(t)
	for word, want := range map[string]string{"iti42/patient-differs": "iti42/patient-differs", "iti4?/patient-differs": "iti41/patient-differs", "ITI-51": "iti51/", "ITI TF-3 4.2.3.2.13": "iti42/language-code",
		"probe/iti42/DocumentEntry.hash/md5": "probe/iti42/DocumentEntry.hash/md5", "ITI-42 3.42.4.1.3.3.2": "iti42/"} {
		got, err := suite.Select([]string{word}, false)
		if err != nil || !strings.HasPrefix(got[0].Name, want) {
			t.Errorf("%s: %v", word, err)
		}
	}
	if _, err := suite.Select([]string{"iti42", "no-such-thing"}, true); err == nil || !strings.Contains(err.Error(), "no-such-thing") {
		t.Error(err)
	}
}

// TestExplain: a case says its obligation, what is sent, what is expected and what to look at; in a run also what came. A code says when it is due, and who expects it.
func TestExplain(t *testing.T) {
	suite := embedded(t)
	var b strings.Builder
	if err := suite.Explain(&b, suite.Find("iti42/patient-differs")); err != nil {
		t.Fatal(err)
	}
	dir, _ := packed(t, "", "iti42/patient-differs")
	if err := ExplainRun(&b, os.DirFS(dir), "iti42/patient-differs"); err != nil {
		t.Fatal(err)
	}
	if err := suite.ExplainCode(&b, "XDSPatientIdDoesNotMatch"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ITI-42 3.42.4.1.3.3.2 (shall)", "register (ITI-42)", "the answer has the error XDSPatientIdDoesNotMatch", "look at", "In this run: failed", "POST / HTTP/1.1", "MSA|AA", "several patients"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if strings.ContainsAny(b.String(), "\r\x0b\x1b") {
		t.Error("control characters reach the terminal")
	}
}

// TestEveryExpectationIsExplained: whatever can be expected can be said in words, and every code that a case expects has a meaning.
func TestEveryExpectationIsExplained(t *testing.T) {
	for verb := range expectations {
		if inWords[verb] == "" {
			t.Errorf("%s is not explained", verb)
		}
	}
	suite := embedded(t)
	for _, c := range suite.Cases {
		for _, st := range c.Steps {
			for _, l := range st.Expect {
				code, _, _ := strings.Cut(l.Rest, " ")
				if l.Verb == "error" || l.Verb == "warning" {
					if err := suite.ExplainCode(io.Discard, code); err != nil {
						t.Error(err)
					}
				}
			}
		}
	}
}
