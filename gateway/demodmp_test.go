package gateway_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/gateway"
)

// TestDemoDMP starts the demo of the national services as the command does, twice on the same folder, and sends what it says is to be sent.
func TestDemoDMP(t *testing.T) {
	dir := t.TempDir()
	want := []struct{ file, answer, not string }{
		{"td02-closed", `code="terminated"`, `code="active"`}, {"td02", `code="active"`, "VALIDE"}, {"td31-early", `codeContext="access denied"`, "ExtrinsicObject"},
		{"td03", ">DMPOk<", "AccessDenied"}, {"td31", "two documents", ""}, {"td04", ">DMPOk<", "AccessDenied"}, {"td31-masked", "one document", ""},
		{"td31-refused", `codeContext="access denied"`, "ExtrinsicObject"}, {"td02-minor", `code="active"`, "VALIDE"},
	}
	for run := range 2 {
		var out bytes.Buffer
		stop := demoDMP(t, dir, &out)
		commands := regexp.MustCompile(`curl [^\n]*--cert \S+/pki/(\S+)\.pem [^\n]*@\S+/(\S+)\.xml (\S+)`).FindAllStringSubmatch(out.String(), -1)
		if len(commands) != len(want) {
			t.Fatalf("%d commands in %s", len(commands), out.String())
		}
		for i, c := range commands {
			w := want[i]
			answer := sendDemo(t, dir, c[1], c[2], c[3])
			documents := strings.Count(answer, "<rim:ExtrinsicObject ") + strings.Count(answer, "<ExtrinsicObject ")
			switch {
			case c[2] != w.file:
				t.Errorf("command %d sends %s", i, c[2])
			case run == 1 && strings.HasPrefix(w.file, "td31"), run == 1 && w.file == "td02":
				// The right of the first run stands, and its documents are there.
			case w.answer == "two documents" && documents != 2 || w.answer == "one document" && documents != 1,
				!strings.HasSuffix(w.answer, "ument") && !strings.HasSuffix(w.answer, "uments") && (!strings.Contains(answer, w.answer) || strings.Contains(answer, w.not)):
				t.Errorf("%s: not %s in %s", w.file, w.answer, answer)
			}
		}
		stop()
	}
}

// demoDMP runs the demo in dir until the function that it gives is called.
func demoDMP(t *testing.T, dir string, out io.Writer) (stop func()) {
	t.Helper()
	file, err := gateway.DemoDMPFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := gateway.Load(file, []string{"PASSERELLE_LISTEN_SOAP=127.0.0.1:0", "PASSERELLE_LISTEN_MLLP=127.0.0.1:0", "PASSERELLE_LISTEN_PLAIN_MLLP=127.0.0.1:0", "PASSERELLE_LISTEN_OPERATIONS=127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan error, 1), make(chan error, 1)
	go func() {
		done <- gateway.Run(ctx, cfg, gateway.Options{Log: slog.New(slog.DiscardHandler), Ready: func(g *gateway.Gateway) { ready <- g.DemoDMP(ctx, dir, out) }})
	}()
	select {
	case err = <-ready:
	case err = <-done:
	}
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// sendDemo does what the command does.
func sendDemo(t *testing.T, dir, cert, message, url string) string {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "pki", cert+".pem"), filepath.Join(dir, "pki", cert+".key"))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(filepath.Join(dir, "pki", "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(filepath.Join(dir, message+".xml"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool}}}
	resp, err := client.Post(url, "application/soap+xml; charset=UTF-8", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}
