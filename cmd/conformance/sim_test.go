package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/conformance/sim"
	"github.com/passerelle-sante/passerelle/internal/testpki"
)

// TestSimulatorsOverTLS: simulators with --cert, --key and --ca talk to who has a certificate of the authority, and to nobody else, whoever is mistaken.
func TestSimulatorsOverTLS(t *testing.T) {
	quiet(t)
	ours, theirs := t.TempDir(), t.TempDir()
	for _, dir := range []string{ours, theirs} {
		if err := testpki.WriteDir(dir, 0); err != nil {
			t.Fatal(err)
		}
	}
	pki := func(dir, name string) string { return filepath.Join(dir, name) }
	for _, c := range []struct{ server, client, scheme string }{
		{"registry", "registrar", "https"}, {"repository", "source", "https"}, {"pix-manager-v3", "pix-source-v3", "https"}, {"pix-manager", "pix-source", "tls"},
		{"audit-repository", "audit-source", "tls"}, {"mailbox", "mail-sender", "smtp"},
	} {
		files, err := (&simCmd{Cert: pki(ours, "server.pem"), Key: pki(ours, "server.key"), CA: pki(ours, "ca.pem")}).tls()
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var noted []string
		s, err := sim.Start(sim.Config{Actor: c.server, TLS: files, Noted: func(text string) {
			mu.Lock()
			defer mu.Unlock()
			noted = append(noted, text)
		}})
		if err != nil {
			t.Fatal(err)
		}
		send := func(trusted, cert string) error {
			cmd := simCmd{Actor: c.client, To: c.scheme + "://" + s.Address(), CA: pki(trusted, "ca.pem")}
			if cert != "" {
				cmd.Cert, cmd.Key = pki(cert, "client.pem"), pki(cert, "client.key")
			}
			return cmd.Run(t.Context())
		}
		more := s.Wait()
		if err := send(ours, ours); err != nil {
			t.Errorf("%s to %s: %v", c.client, c.server, err)
		}
		select {
		case <-more:
		case <-time.After(30 * time.Second):
			t.Errorf("%s got nothing", c.server)
		}
		for what, err := range map[string]error{"no certificate": send(ours, ""), "a certificate of another authority": send(ours, theirs), "trust in another authority": send(theirs, ours)} {
			if err == nil {
				t.Errorf("%s to %s with %s is told of no fault", c.client, c.server, what)
			}
		}
		if n := len(s.Received()); n != 1 {
			t.Errorf("%s took %d messages, want 1", c.server, n)
		}
		s.Close()
		mu.Lock()
		if all := strings.Join(noted, "\n"); c.scheme != "https" && (len(noted) != 3 || !strings.Contains(all, "client didn't provide a certificate")) { // what serves HTTP may still be telling
			t.Errorf("%s notes %q", c.server, all)
		}
		mu.Unlock()
	}
}

// quiet sends what commands print nowhere until the test ends.
func quiet(t *testing.T) {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	out, errs := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = null, null
	t.Cleanup(func() {
		os.Stdout, os.Stderr = out, errs
		_ = null.Close()
	})
}

// TestWrongUsage: what is misspelt, missing or of no use is told with what would be right, before anything is sent or judged.
func TestWrongUsage(t *testing.T) {
	quiet(t)
	file := filepath.Join(t.TempDir(), "message.txt")
	if err := os.WriteFile(file, []byte("what?"), 0o600); err != nil {
		t.Fatal(err)
	}
	play := func(c simCmd) error { return c.Run(t.Context()) }
	judge := func(kind string, files ...string) error { return (&validateCmd{Kind: kind, Files: files}).Run() }
	for want, err := range map[string]error{
		`no actor "registrat" (did you mean registrar?)`: play(simCmd{Actor: "registrat"}), `registry has no fault "unknwon" (did you mean unknown-header or unknown-error-code or unknown-severity?); 'conformance sim registry --list'`: play(simCmd{Actor: "registry", Fault: []string{"unknwon"}}),
		"registry is a server and has no use for --to":                     play(simCmd{Actor: "registry", To: "http://x.invalid"}),
		"source is a client and has no use for --listen":                   play(simCmd{Actor: "source", Listen: ":1"}),
		"--cert and --key are due together":                                play(simCmd{Actor: "registry", Cert: file}),
		"--cert and --key are due with --ca":                               play(simCmd{Actor: "registry", CA: file}),
		"name one with --to, or a system with --sut":                       play(simCmd{Actor: "source"}),
		"such as tcp://127.0.0.1:2575":                                     play(simCmd{Actor: "pix-source"}),
		`"soop" is neither a file nor a kind of message: audit, auto, cda`: judge("soop"),
		"name a file, or a kind of message and files":                      judge(""),
		"it is not recognised what it is; name a kind":                     judge(file),
		"no such file": judge("auto", filepath.Join(t.TempDir(), "none")),
	} {
		if status(err) != 2 || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if err := judge("hl7v2", file, filepath.Join(t.TempDir(), "none")); status(err) != 2 || strings.Contains(err.Error(), "errors found") {
		t.Errorf("a file that cannot be read beside one with errors: %v", err)
	}
	if err := judge("hl7v2", file); status(err) != 1 || err.Error() != "one error found: failed" {
		t.Errorf("a message with an error: %v", err)
	}
}

// TestPaint: findings have a colour each, on a terminal alone.
func TestPaint(t *testing.T) {
	var b bytes.Buffer
	const text = "a.hl7:3: PID-3: error: x [R; c]\na.hl7:4: warning: y [S; c]\nb.hl7: hl7v2: nothing found\nelse\n"
	if _, err := io.WriteString(painter{&b}, text); err != nil {
		t.Fatal(err)
	}
	want := red + "a.hl7:3: PID-3: error: x [R; c]" + plain + "\n" + yellow + "a.hl7:4: warning: y [S; c]" + plain + "\n" + green + "b.hl7: hl7v2: nothing found" + plain + "\nelse\n"
	if b.String() != want {
		t.Errorf("%q", b.String())
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "report.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if w := coloured(f); w != io.Writer(f) {
		t.Error("a file is painted")
	}
}
