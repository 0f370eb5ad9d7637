package gateway_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
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
	p := newProcess(t, buildGateway(t))
	if err := gateway.WritePKI(filepath.Join(p.dir, "pki"), false); err != nil {
		t.Fatal(err)
	}
	secure := freePort(t)
	p.configure("tls: {certificate: pki/server.pem, key: pki/server.key, client_ca: pki/ca.pem}\nregistry: {affinity_domain: " + absolute(t, "demo/affinity-fr.yaml") + "}\n")
	p.env = append(os.Environ(), "PASSERELLE_LISTEN_SOAP="+secure)
	p.start()
	p.announce(1)
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
