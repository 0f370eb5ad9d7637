package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/wire/mllp"
	"github.com/passerelle-sante/passerelle/wire/soap"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/xdsclient"
)

// running is a gateway in this process, on free loopback ports without TLS.
type running struct {
	*gateway.Gateway
	data string
	stop func()
}

// doors are more addresses to listen on, as the configuration names them.
func run(t *testing.T, more string, doors ...string) *running {
	t.Helper()
	return runLogging(t, io.Discard, more, doors...)
}

func runLogging(t *testing.T, log io.Writer, more string, doors ...string) *running {
	t.Helper()
	return runWith(t, gateway.Options{Log: slog.New(slog.NewTextHandler(log, nil)), SettleEvery: 50 * time.Millisecond}, more, doors...)
}

func runWith(t *testing.T, opt gateway.Options, more string, doors ...string) *running {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "c.yaml")
	config := "listen: {plain_soap: \"127.0.0.1:0\", plain_mllp: \"127.0.0.1:0\", operations: \"127.0.0.1:0\"" + strings.Join(append([]string{""}, doors...), ", ") + "}\n" + more
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := gateway.Load(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan *gateway.Gateway, 1), make(chan error, 1)
	opt.Ready = func(g *gateway.Gateway) { ready <- g }
	go func() { done <- gateway.Run(ctx, cfg, opt) }()
	r := &running{data: filepath.Join(dir, "data")}
	select {
	case r.Gateway = <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	stopped := false
	r.stop = func() {
		if !stopped {
			stopped = true
			cancel()
			if err := <-done; err != nil {
				t.Errorf("stop: %v", err)
			}
		}
	}
	t.Cleanup(r.stop)
	return r
}

func (r *running) client(path string) *soap.Client {
	return &soap.Client{Endpoint: "http://" + r.Address("plain_soap") + path}
}

func (r *running) announce(t *testing.T, patient int) {
	t.Helper()
	r.feed(t, string(sample.ADT(patient, time.Now())))
}

// feed sends a message that must be accepted.
func (r *running) feed(t *testing.T, message string) {
	t.Helper()
	conn, err := net.Dial("tcp", r.Address("plain_mllp"))
	if err != nil {
		t.Fatal(err)
	}
	c := mllp.NewClient(conn)
	defer c.Close()
	ack, err := c.Send(context.Background(), []byte(message))
	if err != nil || !bytes.Contains(ack, []byte("MSA|AA")) {
		t.Fatalf("announce: %v %q", err, ack)
	}
}

func provide(r *running, sub *xds.Submission, doc []byte) error {
	src := xdsclient.Source{Client: r.client(gateway.RepositoryPath)}
	_, err := src.ProvideAndRegister(context.Background(), sub, []xdsclient.Document{{Entry: sub.Entries[0].ID, MIMEType: "text/xml", Size: int64(len(doc)), Content: bytes.NewReader(doc)}})
	return err
}

// TestRemoteRegistry: a repository here, its registry elsewhere, a line between them that can be cut behind the request.
func TestRemoteRegistry(t *testing.T) {
	reg := run(t, "repository: {unique_id: 1.2.9}\n")
	reg.announce(t, 1)
	target, err := url.Parse("http://" + reg.Address("plain_soap"))
	if err != nil {
		t.Fatal(err)
	}
	var cut atomic.Bool
	line := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Scheme, r.URL.Host, r.RequestURI = target.Scheme, target.Host, ""
		resp, err := http.DefaultClient.Do(r)
		if err != nil || cut.Load() {
			panic(http.ErrAbortHandler) // the request went through, its answer does not come back
		}
		defer resp.Body.Close()
		for _, h := range []string{"Content-Type", "Content-Encoding"} {
			w.Header().Set(h, resp.Header.Get(h))
		}
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	}))
	defer line.Close()
	repo := run(t, "repository: {unique_id: 1.2.8}\nregistry: {remote: \""+line.URL+gateway.RegistryPath+"\"}\n")
	consumer := xdsclient.Consumer{Registry: reg.client(gateway.RegistryPath), Repository: repo.client(gateway.RepositoryPath)}
	retrieve := func(id xds.UniqueID) (string, error) {
		var b bytes.Buffer
		err := consumer.Retrieve(context.Background(), xds.DocumentRequest{RepositoryUniqueID: "1.2.8", UniqueID: id}, &b)
		return b.String(), err
	}
	doc := sample.Document(1, 2000)

	good := sample.Submission(1, 1, 1, time.Now())
	id := good.Entries[0].UniqueID
	if err := provide(repo, good, doc); err != nil {
		t.Fatal(err)
	}
	if got, err := retrieve(id); err != nil || got != string(doc) {
		t.Errorf("retrieve: %v", err)
	}
	rec, err := consumer.GetAll(context.Background(), sample.PatientID(1))
	if err != nil || len(rec.Objects.Entries) != 1 || rec.Objects.Entries[0].RepositoryUniqueID != "1.2.8" {
		t.Fatalf("the registry elsewhere has %+v, %v", rec, err)
	}

	stranger := sample.Submission(1, 2, 2, time.Now())
	if err := provide(repo, stranger, doc); err == nil || !strings.Contains(err.Error(), "XDSUnknownPatientId at SubmissionSet.patientId") {
		t.Errorf("a patient the registry does not know: %v", err)
	}
	if _, err := retrieve(stranger.Entries[0].UniqueID); err == nil || !strings.Contains(err.Error(), "XDSDocumentUniqueIdError") {
		t.Errorf("a refused document: %v", err)
	}

	cut.Store(true)
	doubtful := sample.Submission(1, 3, 1, time.Now())
	var es xds.Errors
	if err := provide(repo, doubtful, doc); !errors.As(err, &es) || es[0].Code != xds.CodeRegistryNotAvailable {
		t.Errorf("no answer: %v", err)
	}
	if _, err := retrieve(doubtful.Entries[0].UniqueID); err == nil || !strings.Contains(err.Error(), "XDSDocumentUniqueIdError") {
		t.Errorf("a document in doubt: %v", err)
	}
	cut.Store(false)
	deadline := time.Now().Add(10 * time.Second)
	for {
		got, err := retrieve(doubtful.Entries[0].UniqueID)
		if err == nil && got == string(doc) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the doubt is not settled: %v", err)
		}
	}
}
