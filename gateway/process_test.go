package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/internal/freeport"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/wire/mllp"
	"github.com/passerelle-sante/passerelle/wire/soap"
)

// process is a gateway in a process of its own.
type process struct {
	t    *testing.T
	bin  string
	dir  string
	env  []string // of the process, ours when nil
	cmd  *exec.Cmd
	soap string
	mllp string
	ops  string
	log  bytes.Buffer // what it wrote; to be read when it has stopped
}

// builtIn is the folder of what the tests build; empty while nothing was.
var builtIn string

func TestMain(m *testing.M) {
	code := m.Run()
	if builtIn != "" {
		if err := os.RemoveAll(builtIn); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	os.Exit(code)
}

// built is the gateway's binary, made once for all tests that want a process of its own.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "passerelle-test")
	if err != nil {
		return "", err
	}
	builtIn = dir
	bin := filepath.Join(dir, "passerelle")
	if out, err := exec.Command("go", "build", "-pgo=off", "-o", bin, "github.com/passerelle-sante/passerelle/cmd/passerelle").CombinedOutput(); err != nil {
		return bin, fmt.Errorf("build: %w\n%s", err, out)
	}
	return bin, nil
})

func buildGateway(t *testing.T) string {
	t.Helper()
	bin, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

func newProcess(t *testing.T, bin string) *process {
	t.Helper()
	p := &process{t: t, bin: bin, dir: t.TempDir(), soap: freePort(t), mllp: freePort(t), ops: freePort(t)}
	config := fmt.Sprintf("listen: {plain_soap: %q, plain_mllp: %q, operations: %q}\nrepository: {unique_id: 1.2.250.1.999.1.2}\nlog: {level: error}\n", p.soap, p.mllp, p.ops)
	if err := os.WriteFile(filepath.Join(p.dir, "c.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

func freePort(t *testing.T) string {
	t.Helper()
	addr, err := freeport.Find()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// start runs the gateway and returns when it says that it is ready.
func (p *process) start() {
	p.t.Helper()
	p.cmd = exec.Command(p.bin, "serve", filepath.Join(p.dir, "c.yaml"))
	p.cmd.Env = p.env
	p.log.Reset()
	p.cmd.Stderr = &p.log
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		if resp, err := http.Get("http://" + p.ops + "/readyz"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			p.kill()
			p.t.Fatalf("the gateway does not start:\n%s", p.log.String())
		}
		time.Sleep(2 * time.Millisecond) // polling another process: there is no event to wait for
	}
}

func (p *process) kill() {
	if p.cmd != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		p.cmd = nil
	}
}

func (p *process) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Fatalf("stop: %v", err)
	}
	p.cmd = nil
}

func (p *process) repository() *soap.Client {
	return &soap.Client{Endpoint: "http://" + p.soap + gateway.RepositoryPath}
}
func (p *process) registry() *soap.Client {
	return &soap.Client{Endpoint: "http://" + p.soap + gateway.RegistryPath}
}

func (p *process) announce(patient int) {
	p.t.Helper()
	conn, err := net.Dial("tcp", p.mllp)
	if err != nil {
		p.t.Fatal(err)
	}
	c := mllp.NewClient(conn)
	defer c.Close()
	ack, err := c.Send(context.Background(), sample.ADT(patient, time.Now()))
	if err != nil || !bytes.Contains(ack, []byte("MSA|AA")) {
		p.t.Fatalf("patient %d: %v %q", patient, err, ack)
	}
}

// configure adds to the configuration before the gateway starts.
func (p *process) configure(more string) {
	p.t.Helper()
	f, err := os.OpenFile(filepath.Join(p.dir, "c.yaml"), os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(more); err != nil {
		p.t.Fatal(err)
	}
}

// replace changes the configuration before the gateway starts.
func (p *process) replace(old, with string) {
	p.t.Helper()
	file := filepath.Join(p.dir, "c.yaml")
	b, err := os.ReadFile(file)
	if err != nil {
		p.t.Fatal(err)
	}
	changed := strings.Replace(string(b), old, with, 1)
	if changed == string(b) {
		p.t.Fatalf("the configuration has no %q", old)
	}
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// objects counts what is stored, by kind, as the metrics tell.
func (p *process) objects() map[string]int {
	p.t.Helper()
	resp, err := http.Get("http://" + p.ops + "/metrics")
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	out := map[string]int{}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		var n float64
		kind, value, ok := strings.Cut(strings.TrimPrefix(lines.Text(), `passerelle_objects{kind="`), `"} `)
		if !ok || !strings.HasPrefix(lines.Text(), "passerelle_objects{") {
			continue
		}
		if _, err := fmt.Sscan(value, &n); err != nil {
			p.t.Fatal(err)
		}
		out[kind] = int(n)
	}
	return out
}

// await polls the other process until it has come so far; there is no event to wait for.
func (p *process) await(what string, done func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// memory is a figure of /proc/PID/status, VmHWM or VmRSS, in bytes.
func (p *process) memory(name string) int64 {
	p.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Skipf("the peak of the memory is read from /proc: %v", err)
	}
	_, rest, _ := strings.Cut(string(b), name+":")
	var kb int64
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		p.t.Fatal(err)
	}
	return kb << 10
}

// resetPeak makes VmHWM begin anew.
func (p *process) resetPeak() {
	p.t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.cmd.Process.Pid), []byte("5"), 0); err != nil {
		p.t.Fatalf("reset the peak of the memory: %v", err)
	}
}

// check runs passerelle check on the configuration.
func (p *process) check() (string, error) {
	out, err := exec.Command(p.bin, "check", filepath.Join(p.dir, "c.yaml")).CombinedOutput()
	return string(out), err
}
