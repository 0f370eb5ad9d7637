package conformance

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func embedded(t *testing.T) *Suite {
	t.Helper()
	s, err := Embedded()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestRequirements: every case that a requirement names exists, and every case is named by a requirement.
func TestRequirements(t *testing.T) {
	names, err := fs.Glob(files, "requirements/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	cited := map[string]bool{}
	ids := map[string]bool{}
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, stanza := range strings.Split(strings.TrimSpace(string(text)), "\n\n") {
			r := map[string]string{}
			for _, line := range strings.Split(stanza, "\n") {
				k, v, _ := strings.Cut(line, ":")
				r[k] = strings.TrimSpace(v)
			}
			if r["id"] == "" || r["means"] == "" || r["cases"] == "" && r["why"] == "" || r["status"] == "yes" && r["why"] != "" || !slices.Contains([]string{"shall", "should", "may"}, r["level"]) ||
				!slices.Contains([]string{"yes", "no", "partly"}, r["status"]) || ids[r["id"]] {
				t.Errorf("%s: stanza %q is incomplete or comes twice", name, r["id"])
			}
			ids[r["id"]] = true
			for _, c := range strings.Fields(r["cases"]) {
				cited[c] = true
			}
		}
	}
	for _, c := range embedded(t).Cases {
		if !cited[c.Name] {
			t.Errorf("no requirement names the case %s", c.Name)
		}
		delete(cited, c.Name)
	}
	for c := range cited {
		t.Errorf("there is no case %s", c)
	}
}

// TestCasesAreShort: a case is one story that can be read at a glance.
func TestCasesAreShort(t *testing.T) {
	for _, c := range embedded(t).Cases {
		if n := strings.Count(c.Text, "\n"); n > 70 {
			t.Errorf("%s has %d lines", c.Name, n)
		}
	}
}

// TestQuirksAreListed: every quirk that a case cites has a row in docs/quirks.md that names the case.
func TestQuirksAreListed(t *testing.T) {
	doc, err := os.ReadFile("../docs/quirks.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range embedded(t).Match("quirks/") {
		if !strings.Contains(string(doc), c.Name) {
			t.Errorf("docs/quirks.md does not name %s", c.Name)
		}
	}
}

// TestTemplatesAgree: the identifiers in the templates are those of standard.go, each typed on its own.
func TestTemplatesAgree(t *testing.T) {
	s := embedded(t)
	for kind, template := range map[string]string{"DocumentEntry": "entry", "SubmissionSet": "set", "Folder": "folder"} {
		text := s.templates[template]
		for attribute, place := range attributes[kind] {
			form, scheme, _ := strings.Cut(place, " ")
			if (form == "class" || form == "ident") && attribute != "eventCodeList" && !strings.Contains(text, scheme) {
				t.Errorf("%s.xml has no %s %s", template, attribute, scheme)
			}
		}
	}
}

func TestMistakesInCases(t *testing.T) {
	for text, want := range map[string]string{
		"cites: x\n-- register --\n":                         "no note",
		"Note.\n-- register --\n":                            "cites nothing",
		"Note.\ncites: x\n":                                  "no step",
		"Note.\ncites: x\n-- dance --\n":                     "is no step",
		"Note.\ncites: x\n-- expect --\n":                    "before any step",
		"Note.\ncites: x\n-- get r --\n-- expect --\nnow\n":  "cannot be expected",
		"Note.\ncites: x\n-- together query GetAll --\n":     "query is not made together with others",
		"Note.\ncites: x\n-- next-second --\n-- expect --\n": "nothing comes of next-second",
	} {
		if _, err := Load(fstest.MapFS{"a/b.txtar": {Data: []byte(text)}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// yes is a system that accepts whatever it is sent and remembers nothing.
func yes(t *testing.T) *SUT {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		root, err := requestOf(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		h := root.kid("Header")
		answer := "<rs:RegistryResponse "
		if strings.Contains(h.kid("Action").text(), "Query") {
			answer = `<q:AdhocQueryResponse xmlns:q="` + nsQuery + `" `
		}
		name := strings.TrimPrefix(strings.Fields(answer)[0], "<")
		w.Header().Set("Content-Type", "application/soap+xml; charset=UTF-8")
		fmt.Fprintf(w, `<e:Envelope xmlns:e="%s" xmlns:a="%s" xmlns:rs="%s"><e:Header><a:Action>%sResponse</a:Action><a:RelatesTo>%s</a:RelatesTo></e:Header><e:Body>%s status="%sSuccess"></%s></e:Body></e:Envelope>`,
			nsEnvelope, nsWSA, nsRS, h.kid("Action").text(), h.kid("MessageID").text(), answer, outcomePrefix, name)
	}))
	t.Cleanup(srv.Close)
	return &SUT{Name: "yes", Registry: srv.URL, Repository: srv.URL, Patients: srv.URL, MLLP: "tcp://" + acceptingMLLP(t),
		RepositoryUniqueID: "1.2.3", PatientDomain: "1.2.4", Places: true}
}

func requestOf(r *http.Request) (*node, error) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	text := string(b)
	from, to := strings.Index(text, "<env:Envelope"), strings.Index(text, "</env:Envelope>")
	if from < 0 || to < 0 {
		return nil, fmt.Errorf("no envelope")
	}
	return readXML([]byte(text[from : to+len("</env:Envelope>")]))
}

func acceptingMLLP(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 4096)
			_, _ = c.Read(buf)
			_, _ = c.Write([]byte("\x0bMSH|^~\\&|A|B|C|D|2025||ACK|1|T|2.5\rMSA|AA|1\r\x1c\r"))
			c.Close()
		}
	}()
	return ln.Addr().String()
}

// TestTheSuiteIsNotBlind: a system that says yes to everything passes only the cases that such an answer satisfies: those that ask for nothing but success.
func TestTheSuiteIsNotBlind(t *testing.T) {
	suite, sut := embedded(t), yes(t)
	r, err := NewRunner(suite, sut, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sut.Close)
	passed := 0
	for _, res := range r.RunAll(t.Context(), suite.Cases, 8, nil) {
		if !res.Passed() {
			continue
		}
		passed++
		for _, st := range res.Case.Steps {
			for _, l := range st.Expect {
				switch l.Verb {
				case "error", "fault", "association", "capture":
					t.Errorf("%s passes though it expects %s %s", res.Name, l.Verb, l.Rest)
				}
			}
		}
	}
	if total := len(suite.Cases); passed*4 > total {
		t.Errorf("a system that says yes to everything passes %d of %d cases", passed, total)
	}
}

// TestAuditNotChecked: without an audit port the expectation is reported, not passed over in silence.
func TestAuditNotChecked(t *testing.T) {
	suite, sut := embedded(t), yes(t)
	r, err := NewRunner(suite, sut, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sut.Close)
	res := r.Run(t.Context(), suite.Match("iti08/a01-admit")[0])
	if len(res.Notes) != 1 || !strings.Contains(res.Notes[0], "not checked") {
		t.Errorf("notes %v, faults %v", res.Notes, res.Faults)
	}
	rep := &Report{Results: []Result{res}}
	var b strings.Builder
	if err := rep.Text(&b); err != nil || !strings.Contains(b.String(), "AUDIT NOT CHECKED") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

// TestTheReadmeSaysEverything: every word that a case may use, every prefix and every limit stands in suite/README.md.
func TestTheReadmeSaysEverything(t *testing.T) {
	text, err := files.ReadFile("suite/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for kind, names := range map[string][]string{"step": slices.Collect(maps.Keys(verbs)), "expectation": slices.Collect(maps.Keys(expectations)),
		"prefix": slices.Collect(maps.Keys(prefixes)), "limit": Limits()} {
		for _, name := range names {
			if !regexp.MustCompile("`" + regexp.QuoteMeta(name) + "[` ]").Match(text) {
				t.Errorf("suite/README.md does not say the %s %s", kind, name)
			}
		}
	}
}
