package schematron_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/cda/schematron"
)

// sheet is a stylesheet that gives SVRL with what is in it as the message, and other declarations beside it.
func sheet(message, more string) string {
	return `<xsl:stylesheet version="3.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:svrl="http://purl.oclc.org/dsdl/svrl" xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:f="urn:f">` +
		strings.Replace(more, "\n", "", -1) + `<xsl:template match="/"><svrl:schematron-output><svrl:failed-assert id="said" test="false()" location="/"><svrl:text>` + message +
		`</svrl:text></svrl:failed-assert></svrl:schematron-output></xsl:template></xsl:stylesheet>`
}

// setOf writes files into a folder below a new one and gives the set that begins with the first.
func setOf(t testing.TB, files ...string) schematron.Set {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "rules")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(files); i += 2 {
		write(t, filepath.Join(dir, files[i]), files[i+1])
	}
	return schematron.Set{Name: "set", Folder: dir, File: files[0], Timeout: 20 * time.Second, Values: true}
}

func value(expr string) string { return `<xsl:value-of select="` + expr + `"/>` }

// TestConfined: a rule set reads its folder and nothing else, writes nothing, and asks nobody.
func TestConfined(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer server.Close()
	server.Config.ConnState = func(net.Conn, http.ConnState) { asked.Add(1) }
	secret := filepath.Join(t.TempDir(), "secret.xml")
	write(t, secret, "<secret>told</secret>")
	written := filepath.Join(t.TempDir(), "written.xml")
	t.Setenv("PASSERELLE_SECRET", "told")
	failed := func(code string) string {
		return "SCHEMATRON-FAILED warning 0 : the rule set did not judge the document to its end: " + code
	}
	for name, c := range map[string]struct{ message, more, want string }{
		"inside":            {value("doc('beside.xml')/x"), "", "set/said error 0 : beside"},
		"document":          {value("document('" + secret + "')"), "", failed("error FODC0002")},
		"document above":    {value("document('../outside.xml')"), "", failed("error FODC0002")},
		"document file URI": {value("document('file://" + secret + "')"), "", failed("error FODC0002")},
		"link out":          {value("doc('link.xml')"), "", failed("error FODC0002")},
		"folder linked out": {value("doc('linked/secret.xml')"), "", failed("error FODC0002")},
		"pipe":              {value("doc('pipe')"), "", failed("error FODC0002")},
		"doc-available":     {value("doc-available('" + secret + "')"), "", "set/said error 0 : false"},
		"unparsed-text":     {value("unparsed-text('" + secret + "')"), "", failed("error FOUT1170")},
		"unparsed-lines":    {value("unparsed-text-lines('/etc/passwd')"), "", failed("error FOUT1170")},
		"text-available":    {value("unparsed-text-available('/etc/passwd')"), "", "set/said error 0 : false"},
		"json-doc":          {value("json-doc('" + secret + "')"), "", failed("error FODC0002")},
		"collection":        {value("count(collection('" + filepath.Dir(secret) + "'))"), "", failed("error FODC0002")},
		"uri-collection":    {value("count(uri-collection('" + filepath.Dir(secret) + "'))"), "", failed("error FODC0002")},
		"environment":       {value("empty((environment-variable('PASSERELLE_SECRET'), environment-variable('HOME'), environment-variable('PATH')))"), "", "set/said error 0 : true"},
		"network":           {value("doc('" + server.URL + "')"), "", failed("error FODC0002")},
		"network text":      {value("unparsed-text('" + server.URL + "')"), "", failed("error FOUT1170")},
		"result-document":   {`<xsl:result-document href="file://` + written + `"><x/></xsl:result-document>`, "", failed("an error without a code")},
		"import": {"x", `<xsl:import href="` + secret + `"/>`,
			`SCHEMATRON-RULES warning 0 : the rule set cannot be used: cannot resolve "file://` + secret + `": secret.xml lies outside the rule set's folder`},
		"include above":  {"x", `<xsl:include href="../outside.xml"/>`, "?outside.xml"},
		"import network": {"x", `<xsl:import href="` + server.URL + `"/>`, "?cannot resolve"},
		"transform":      {value("transform(map{'stylesheet-location': '" + secret + "', 'source-node': /})?output"), "", "?SCHEMATRON-FAILED"},
	} {
		t.Run(name, func(t *testing.T) {
			set := setOf(t, "main.xsl", sheet(c.message, c.more), "beside.xml", "<x>beside</x>")
			set.Values = strings.HasPrefix(c.want, "set/")
			write(t, filepath.Join(set.Folder, "..", "outside.xml"), "<secret>told</secret>")
			for link, to := range map[string]string{"link.xml": secret, "linked": filepath.Dir(secret)} {
				if err := os.Symlink(to, filepath.Join(set.Folder, link)); err != nil {
					t.Fatal(err)
				}
			}
			makePipe(t, filepath.Join(set.Folder, "pipe"))
			got := strings.Join(lines(pool.Judge(t.Context(), set, []byte("<d/>"))), "\n")
			if part, ok := strings.CutPrefix(c.want, "?"); got != c.want && !(ok && strings.Contains(got, part)) {
				t.Errorf("found %s\nwant %s", got, c.want)
			}
			if strings.Contains(got, "told") {
				t.Error("it was told what it may not know")
			}
		})
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the network was asked %d times", n)
	}
	if _, err := os.Stat(written); err == nil {
		t.Error("a rule set wrote a file")
	}
}

// TestBreakdowns: whatever a rule set does, it ends in one finding, and the next document is judged.
func TestBreakdowns(t *testing.T) {
	loop := `<xsl:function name="f:loop"><xsl:param name="n"/><xsl:sequence select="` // an endless function, a body to come
	end := `"/></xsl:function>`
	trouble := func(rule, text string) string { return "SCHEMATRON-" + rule + " warning 0 : " + text }
	late := trouble("TIME", "the rule set did not judge the document in time")
	for name, c := range map[string]struct {
		message, more, want string
		timeout             time.Duration
		memory              int64
	}{
		"deadline":  {value("count(for $a in 1 to 100000, $b in 1 to 100000 return $a * $b)"), "", late, 300 * time.Millisecond, 1 << 30},
		"regexp":    {value("matches(string-join(for $i in 1 to 40 return 'a', ''), '^(a+)+b$')"), "", "set/said error 0 : …", 300 * time.Millisecond, 1 << 30},
		"recursion": {value("f:loop(1)"), loop + "f:loop($n + 1) + 1" + end, trouble("FAILED", "the rule set did not judge the document to its end: error XTDE0820"), 0, 1 << 30},
		"memory": {value("string-length(f:loop(string-join(for $i in 1 to 100000 return 'made up', ',')))"), loop + "f:loop(concat($n, $n))" + end,
			trouble("MEMORY", "the rule set wanted more memory than it may have"), 0, 96 << 20},
		"terminate": {`<xsl:message terminate="yes">told</xsl:message>`, "", trouble("FAILED", "the rule set did not judge the document to its end: error XTMM9000"), 0, 1 << 30},
	} {
		t.Run(name, func(t *testing.T) {
			set := setOf(t, "main.xsl", sheet(c.message, c.more))
			set.Values, set.Memory = false, c.memory
			if c.timeout > 0 {
				set.Timeout = c.timeout
			}
			expect(t, pool.Judge(t.Context(), set, []byte("<d/>")), c.want)
			expect(t, pool.Judge(t.Context(), setOf(t, "main.xsl", sheet("as ever", "")), []byte("<d/>")), "set/said error 0 : as ever")
		})
	}
}

// TestCrash: a worker that dies, or never starts, is a finding.
func TestCrash(t *testing.T) {
	set := setOf(t, "main.xsl", sheet("as ever", ""))
	for name, c := range map[string]struct {
		command []string
		want    string
	}{
		"dies":    {[]string{"/bin/sh", "-c", "read -n 1 x; kill -9 $$"}, "SCHEMATRON-CRASH warning 0 : the rule set's worker broke down over the document"},
		"babbles": {[]string{"/bin/sh", "-c", "cat /dev/zero | head -c 100; exec cat"}, "SCHEMATRON-CRASH warning 0 : the rule set's worker broke down over the document"},
		"is not":  {[]string{"/nonexistent/worker"}, "SCHEMATRON-WORKER warning 0 : the rule set was not asked: there is no worker"},
	} {
		t.Run(name, func(t *testing.T) {
			p := schematron.NewPool(1, c.command...)
			defer p.Close()
			for range 3 {
				expect(t, p.Judge(t.Context(), set, []byte("<d/>")), c.want)
			}
		})
	}
	t.Run("backs off", func(t *testing.T) {
		p := schematron.NewPool(1, "/nonexistent/worker")
		defer p.Close()
		set.Timeout = 400 * time.Millisecond
		for i := range 4 {
			began := time.Now()
			p.Judge(t.Context(), set, []byte("<d/>"))
			if i == 3 && time.Since(began) < 300*time.Millisecond {
				t.Error("the fourth start did not wait")
			}
		}
	})
	t.Run("closed", func(t *testing.T) {
		p := schematron.NewPool(1, testWorker()...)
		p.Close()
		expect(t, p.Judge(t.Context(), set, []byte("<d/>")), "SCHEMATRON-WORKER warning 0 : the rule set was not asked: there is no worker")
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		got := lines(pool.Judge(ctx, set, []byte("<d/>")))
		if len(got) != 1 || !strings.HasPrefix(got[0], "SCHEMATRON-TIME") {
			t.Errorf("found %q", got)
		}
	})
}

// TestHostileDocuments: documents that nobody should have to read.
func TestHostileDocuments(t *testing.T) {
	set := schematron.Set{Name: "loans", Folder: "testdata/covers", File: "main.sch"}
	unread := "SCHEMATRON-DOCUMENT warning %: the rule set was not asked: the document cannot be read: "
	for name, c := range map[string]struct {
		doc  []byte
		want string
	}{
		"deep":        {[]byte(strings.Repeat("<a>", 100000)), strings.Replace(unread, "%", "1 ", 1) + "depth exceeds 256"},
		"huge":        {bytes.Repeat([]byte(" "), 32<<20+1), strings.Replace(unread, "%", "0 ", 1) + "it is too large"},
		"many nodes":  {[]byte("<a>" + strings.Repeat("<b/>", 1<<19) + "</a>"), strings.Replace(unread, "%", "0 ", 1) + "it is too large"},
		"entities":    {[]byte("<!DOCTYPE a [<!ENTITY x SYSTEM '/etc/passwd'>]><a>&x;</a>"), "?DOCTYPE"},
		"not XML":     {[]byte("%PDF-1.4"), "?SCHEMATRON-DOCUMENT"},
		"empty":       {nil, "?SCHEMATRON-DOCUMENT"},
		"its schema":  {[]byte(`<a xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:x parts/kinds.xml" xsi:noNamespaceSchemaLocation="%zz /etc/passwd"/>`), ""},
		"many errors": {[]byte(`<r xmlns="urn:made-up:loans">` + strings.Repeat("<magazine/>", 1000) + "</r>"), "?SCHEMATRON-MORE"},
	} {
		t.Run(name, func(t *testing.T) {
			found := pool.Judge(t.Context(), set, c.doc)
			if part, ok := strings.CutPrefix(c.want, "?"); ok {
				if got := strings.Join(lines(found), "\n"); !strings.Contains(got, part) {
					t.Errorf("found %.300s", got)
				}
				return
			}
			expect(t, found, c.want)
		})
	}
}
func makePipe(t *testing.T, name string) {
	t.Helper()
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
}
