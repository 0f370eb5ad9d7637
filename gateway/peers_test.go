package gateway_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/internal/sample"
)

// peersPython is the Python that has the packages of conformance/peers/requirements.txt; make peers installs it.
func peersPython(t *testing.T) string {
	t.Helper()
	python := os.Getenv("PASSERELLE_PEERS_PYTHON")
	if python == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Skipf("no cache folder to look for Python and zeep in: %v", err)
		}
		python = filepath.Join(cache, "passerelle", "peers", "bin", "python")
	}
	if err := exec.Command(python, "-c", "import zeep").Run(); err != nil {
		t.Skipf("no Python with zeep at %s (%v): run make peers", python, err)
	}
	return python
}

// TestPeerZeep lets zeep, a SOAP stack that nobody here wrote, make a client from the gateway's own WSDL over mutual TLS and do ITI-41, ITI-42, ITI-18 and
// ITI-43 with it.
func TestPeerZeep(t *testing.T) {
	python := peersPython(t)
	p, secure := secureGateway(t, "")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	pki := func(name string) string { return filepath.Join(p.dir, "pki", name) }
	out, err := exec.CommandContext(ctx, python, "../conformance/peers/zeep_client.py", "--base", "https://"+secure, "--ca", pki("ca.pem"), "--cert", pki("client.pem"),
		"--key", pki("client.key"), "--patient", sample.PatientID(1).String()).CombinedOutput()
	const want = "ITI-41 Success\nITI-42 Success\nITI-18 Success\nITI-43 Success\ndone\n"
	if err != nil || string(out) != want {
		t.Errorf("%v\n%s", err, out)
	}
	p.stop()
}

// secureGateway runs a gateway with mutual TLS at the address that it returns, that knows patient 1.
func secureGateway(t *testing.T, config string, env ...string) (*process, string) {
	t.Helper()
	p := newProcess(t, buildGateway(t))
	if err := gateway.WritePKI(filepath.Join(p.dir, "pki"), false); err != nil {
		t.Fatal(err)
	}
	secure := freePort(t)
	p.configure("tls: {certificate: pki/server.pem, key: pki/server.key, client_ca: pki/ca.pem}\nregistry: {affinity_domain: " + absolute(t, "demo/affinity-fr.yaml") + "}\n")
	p.configure(config)
	p.env = append(os.Environ(), append(env, "PASSERELLE_LISTEN_SOAP="+secure)...)
	p.start()
	p.announce(1)
	return p, secure
}

// TestPeerCXF lets Apache CXF, generated at build time from the WSDL and reading it again from the gateway, do ITI-42, ITI-18, ITI-41 and ITI-43 over mutual
// TLS with WS-Addressing and MTOM, while the gateway tolerates no quirk but the one that CXF has: it escapes the colons of a Content-ID in its href. The client
// compares the bytes of the document.
func TestPeerCXF(t *testing.T) {
	jar := os.Getenv("PASSERELLE_PEERS_CXF")
	if jar == "" {
		t.Skip("PASSERELLE_PEERS_CXF does not name the peer.jar of conformance/peers/cxf: run make peers with Maven and a JDK at hand")
	}
	off := slices.DeleteFunc(slices.Clone(quirksOff), func(q string) bool { return q == "encoded-cid" })
	p, secure := secureGateway(t, "soap: {quirks: {"+strings.Join(off, ": false, ")+": false}}\n", "PASSERELLE_LOG_LEVEL=info", "PASSERELLE_LOG_FORMAT=json")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	pki := func(name string) string { return filepath.Join(p.dir, "pki", name) }
	out, err := exec.CommandContext(ctx, "java", "-jar", jar, "https://"+secure, pki("ca.pem"), pki("client.pem"), pki("client.key"), sample.PatientID(1).String()).CombinedOutput()
	const want = "PASS ITI-42 Success\nPASS ITI-18 Success, entries: 1\nPASS ITI-41 Success, bytes: 200003\nPASS ITI-43 Success, bytes: 200003, attachments: 1\n"
	if err != nil || string(out) != want {
		t.Errorf("%v\n%s", err, out)
	}
	p.stop()

	// As base64 the document would be of 266672 bytes.
	const least, most = 200003, 220000
	var done []string
	for line := range strings.Lines(p.log.String()) {
		var rec struct {
			Msg, Transaction, Outcome string
			Quirks                    []string
			In                        int `json:"bytes_in"`
			Out                       int `json:"bytes_out"`
		}
		if err := json.Unmarshal([]byte(line), &rec); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if rec.Msg != "transaction" || rec.Transaction == "ITI-8" {
			continue
		}
		done = append(done, strings.Join(append([]string{rec.Transaction, rec.Outcome}, rec.Quirks...), " "))
		document := map[string]int{"ITI-41": rec.In, "ITI-43": rec.Out}
		if n, ok := document[rec.Transaction]; ok && (n < least || n > most) {
			t.Errorf("not MTOM: %s", line)
		}
	}
	if got := strings.Join(done, ", "); got != "ITI-42 Success, ITI-18 Success, ITI-41 Success encoded-cid, ITI-43 Success" {
		t.Errorf("the log tells of %q\n%s", got, p.log.String())
	}
}
