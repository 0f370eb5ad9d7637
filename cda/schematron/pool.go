package schematron

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/passerelle-sante/passerelle/cda"
)

// Pool runs workers and asks them. Its methods may be called at the same time from many goroutines; each worker has one question at a time.
type Pool struct {
	command []string
	slots   chan *process // workers that have nothing to do, running or not
	stop    context.CancelFunc
	stopped context.Context
}

// NewPool makes a pool of workers, which are started when they are first needed. command starts one; it is to call [Serve] on its standard input and
// output.
func NewPool(workers int, command ...string) *Pool {
	p := &Pool{command: command, slots: make(chan *process, max(workers, 1))}
	p.stopped, p.stop = context.WithCancel(context.Background())
	for range cap(p.slots) {
		p.slots <- &process{}
	}
	return p
}

// Close ends the workers, and is done when they have ended.
func (p *Pool) Close() {
	p.stop()
	for range cap(p.slots) {
		(<-p.slots).end()
	}
}

// Check judges documents by a set, as validate.Check wants it. Its error is nil: a worker that breaks down, takes too long or too much is a finding.
func (p *Pool) Check(set Set) func(ctx context.Context, doc []byte) ([]cda.Finding, error) {
	return func(ctx context.Context, doc []byte) ([]cda.Finding, error) { return p.Judge(ctx, set, doc), nil }
}

// Judge judges a document by a set. A context that ends counts as the set's time running out.
func (p *Pool) Judge(ctx context.Context, set Set, doc []byte) []cda.Finding {
	if err := set.Check(); err != nil {
		return []cda.Finding{set.trouble("RULES", err.Error())}
	}
	if len(doc) > maxDocument {
		return []cda.Finding{set.trouble("DOCUMENT", "it is too large")}
	}
	var err error
	if set.Folder, err = filepath.Abs(set.Folder); err != nil { // the worker is elsewhere
		return []cda.Finding{set.trouble("RULES", "its folder is not known")}
	}
	if ctx.Err() != nil {
		return []cda.Finding{set.trouble("TIME")}
	}
	var w *process
	select {
	case <-p.stopped.Done():
		return []cda.Finding{set.trouble("WORKER")}
	case <-ctx.Done():
		return []cda.Finding{set.trouble("TIME")}
	case w = <-p.slots:
	}
	defer func() { p.slots <- w }()
	ctx, cancel := context.WithTimeout(ctx, set.timeout())
	defer cancel()
	defer context.AfterFunc(p.stopped, cancel)()
	if err := w.start(ctx, p.command); err != nil {
		return []cda.Finding{set.trouble("WORKER")}
	}
	found, what := w.ask(ctx, set, doc)
	if what != "" {
		w.end()
		if what == "CRASH" {
			w.failed()
		}
		return []cda.Finding{set.trouble(what)}
	}
	w.failures = 0
	return found
}

// Try compiles a set and tells why it cannot be used.
func (p *Pool) Try(ctx context.Context, set Set) error {
	for _, f := range p.Judge(ctx, set, []byte("<nothing/>")) {
		switch f.Rule {
		case "SCHEMATRON-RULES", "SCHEMATRON-WORKER", "SCHEMATRON-MEMORY", "SCHEMATRON-TIME", "SCHEMATRON-CRASH":
			return fmt.Errorf("rule set %s: %s", set.Name, f.Text)
		}
	}
	return nil
}

// process is a worker's place: the process there is, or when the next may be started.
type process struct {
	cmd      *exec.Cmd
	in       io.WriteCloser
	out      *bufio.Reader
	stderr   *tail
	failures int // in a row
	next     time.Time
}

const (
	firstPause = 50 * time.Millisecond
	longPause  = 30 * time.Second
	watchEvery = 20 * time.Millisecond
)

// failed makes the next start wait, the longer the more often the worker broke down in a row.
func (w *process) failed() {
	w.failures++
	w.next = time.Now().Add(min(firstPause<<min(w.failures, 16), longPause))
}

// start starts the process unless it runs.
func (w *process) start(ctx context.Context, command []string) error {
	if w.cmd != nil {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(w.next)):
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = []string{"GOMAXPROCS=2", "GOTRACEBACK=none"} // nothing of ours: a stylesheet can read the environment
	cmd.Dir = os.TempDir()
	w.stderr = &tail{}
	cmd.Stderr = w.stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("start worker: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start worker: %w", err)
	}
	if err := cmd.Start(); err != nil {
		w.failed()
		return fmt.Errorf("start worker: %w", err)
	}
	w.cmd, w.in, w.out = cmd, in, bufio.NewReader(out)
	return nil
}

// end kills the process and waits for it.
func (w *process) end() {
	if w.cmd == nil {
		return
	}
	_ = w.in.Close()
	_ = w.cmd.Process.Kill()
	_ = w.cmd.Wait()
	w.cmd = nil
}

// ask puts one question. When there is no answer it says what happened, and the process is of no more use.
func (w *process) ask(ctx context.Context, set Set, doc []byte) (found []cda.Finding, what string) {
	type reply struct {
		answer
		err error
	}
	replies := make(chan reply, 1)
	go func() {
		var r reply
		r.err = w.exchange(set, doc, &r.answer)
		replies <- r
	}()
	watch := time.NewTicker(watchEvery)
	defer watch.Stop()
	for {
		select {
		case r := <-replies:
			if r.err == nil {
				return r.Findings, ""
			}
			w.end() // so that all it said is there
			if w.stderr.outOfMemory() {
				return nil, "MEMORY"
			}
			return nil, "CRASH"
		case <-watch.C:
			if resident(w.cmd.Process.Pid) > set.memory() {
				what = "MEMORY"
			}
		case <-ctx.Done():
			what = "TIME"
		}
		if what != "" {
			_ = w.cmd.Process.Kill()
			<-replies // the pipes are the goroutine's until it is done
			return nil, what
		}
	}
}

func (w *process) exchange(set Set, doc []byte, a *answer) error {
	q, err := json.Marshal(question{set})
	if err != nil {
		return err
	}
	if err := writeFrame(w.in, q); err != nil {
		return err
	}
	if err := writeFrame(w.in, doc); err != nil {
		return err
	}
	b, err := readFrame(w.out)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, a)
}

// resident is the memory that a process holds, in bytes; 0 when the system does not tell.
func resident(pid int) int64 {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(b)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}

// tail keeps the beginning of what a worker says when it breaks down. It is looked at for one thing and shown to nobody.
type tail struct {
	mu sync.Mutex
	b  []byte
}

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b[:min(len(b), 8192-len(t.b))]...)
	return len(b), nil
}

func (t *tail) outOfMemory() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Contains(t.b, []byte("out of memory")) || bytes.Contains(t.b, []byte("cannot allocate memory"))
}

// Command is how this program starts workers of its own.
func Command() ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, errors.New("the program does not know where it is")
	}
	return []string{self, "worker", "schematron"}, nil
}
