package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/schollz/progressbar/v3"

	"github.com/passerelle-sante/passerelle/conformance"
)

const (
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	plain  = "\x1b[0m"
)

// terminal tells that a person looks at the file.
func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb" && os.Getenv("NO_COLOR") == ""
}

// progress tells on standard error how far a run is: a bar on a terminal, failures alone elsewhere.
type progress struct {
	bar *progressbar.ProgressBar
}

func newProgress(total int) *progress {
	if !terminal(os.Stderr) {
		return &progress{}
	}
	return &progress{progressbar.NewOptions(total, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription("cases"), progressbar.OptionShowCount(), progressbar.OptionShowIts(),
		progressbar.OptionOnCompletion(func() { fmt.Fprintln(os.Stderr) }))}
}

func (p *progress) tell(r conformance.Result) {
	failed := r.Verdict() == "failed"
	switch {
	case p.bar == nil && failed:
		fmt.Fprintf(os.Stderr, "FAILED %s\n", r.Name)
	case p.bar != nil:
		if failed {
			_ = p.bar.Clear() // a bar that cannot be drawn is no reason to stop
			fmt.Fprintf(os.Stderr, "%sFAILED%s %s\n", red, plain, r.Name)
		}
		_ = p.bar.Add(1)
	}
}

// coloured paints text on a terminal: the summary of a report, the names of failures, and findings.
func coloured(f *os.File) io.Writer {
	if !terminal(f) {
		return f
	}
	return painter{f}
}

type painter struct{ w io.Writer }

// Write paints whole lines; the report comes in one piece.
func (p painter) Write(b []byte) (int, error) {
	lines := strings.SplitAfter(string(b), "\n")
	for i, line := range lines {
		colour := ""
		switch {
		case strings.HasPrefix(line, "FAILED"), strings.Contains(line, ": error: "):
			colour = red
		case strings.Contains(line, ": warning: "):
			colour = yellow
		case strings.HasSuffix(line, ": nothing found\n"), strings.HasSuffix(line, "; nothing found\n"):
			colour = green
		case strings.HasPrefix(line, "known "), strings.HasPrefix(line, "not run "):
			colour = yellow
		case strings.Contains(line, " cases: ") && strings.Contains(line, " passed, 0 failed"):
			colour = green
		case strings.Contains(line, " cases: "):
			colour = red
		}
		if colour != "" {
			lines[i] = colour + strings.TrimSuffix(line, "\n") + plain + "\n"
		}
	}
	_, err := io.WriteString(p.w, strings.Join(lines, ""))
	return len(b), err
}
