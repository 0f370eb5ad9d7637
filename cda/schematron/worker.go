package schematron

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"syscall"

	"github.com/passerelle-sante/passerelle/cda"
)

const (
	maxFrame  = maxDocument + 1
	maxCached = 16 // rule sets that a worker keeps compiled
)

// question is what a worker is asked, and followed by a frame with the document.
type question struct{ Set Set }

// answer is what it says.
type answer struct{ Findings []cda.Finding }

// Serve is a worker: it answers questions on in until it ends. Before the first it gives up what it does not need: to write files, and to leave its
// memory on a disk when it breaks down.
func Serve(in io.Reader, out io.Writer) error {
	for resource, limit := range map[int]uint64{syscall.RLIMIT_CORE: 0, syscall.RLIMIT_FSIZE: 0} {
		if err := syscall.Setrlimit(resource, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
			return fmt.Errorf("set limits: %w", err)
		}
	}
	debug.SetMaxStack(256 << 20)
	w := worker{cache: map[string]*rules{}}
	frames := make(chan []byte)
	go func() {
		r := bufio.NewReader(in)
		for {
			b, err := readFrame(r)
			if err != nil {
				os.Exit(0) // whoever asked is gone, and would wait for no answer
			}
			frames <- b
		}
	}()
	for {
		var q question
		if err := json.Unmarshal(<-frames, &q); err != nil {
			return fmt.Errorf("read question: %w", err)
		}
		b, err := json.Marshal(answer{w.judge(q.Set, <-frames)})
		if err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
		if err := writeFrame(out, b); err != nil {
			return err
		}
	}
}

type worker struct {
	cache map[string]*rules
	used  []string // keys of the cache, the one used last at the end
}

func (w *worker) judge(set Set, doc []byte) []cda.Finding {
	if err := limitMemory(set.memory()); err != nil {
		return []cda.Finding{set.trouble("WORKER", "its memory cannot be limited")}
	}
	ctx := context.Background() // whoever asked looks at the clock
	return w.rules(ctx, set).judge(ctx, set, doc)
}

// rules are those of a set, compiled anew when its files changed. What could not be compiled is remembered, too.
func (w *worker) rules(ctx context.Context, set Set) *rules {
	key := set.Folder + "\x00" + set.File + "\x00" + set.Phase
	r, ok := w.cache[key]
	if ok && (r.folder == nil || len(r.folder.files) == maxFiles || r.folder.changed()) {
		w.drop(key)
		ok = false
	}
	if !ok {
		r = compile(ctx, set)
		w.cache[key] = r
	}
	w.used = append(slices.DeleteFunc(w.used, func(k string) bool { return k == key }), key)
	if len(w.cache) > maxCached {
		w.drop(w.used[0])
	}
	return r
}

func (w *worker) drop(key string) {
	if r := w.cache[key]; r.folder != nil {
		r.folder.close()
	}
	maps.DeleteFunc(w.cache, func(k string, _ *rules) bool { return k == key })
	w.used = slices.DeleteFunc(w.used, func(k string) bool { return k == key })
}

// slack is what a process may have mapped beyond what it may hold: the runtime maps 64 MiB at a time, and stacks of threads that it hardly uses.
const slack = 256 << 20

// limitMemory makes the collector keep below the cap, and the system refuse what is far beyond: in between the pool watches.
func limitMemory(memory int64) error {
	debug.SetMemoryLimit(memory / 10 * 9)
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_DATA, &was); err != nil {
		return err
	}
	return syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: min(uint64(memory)+slack, was.Max), Max: was.Max})
}

func writeFrame(w io.Writer, b []byte) error {
	if len(b) > maxFrame {
		return errors.New("frame is too long")
	}
	if _, err := w.Write(append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(b)), uint32(len(b))), b...)); err != nil {
		return fmt.Errorf("write frame: %w", err)
	}
	return nil
}

func readFrame(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxFrame {
		return nil, errors.New("frame is too long")
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}
