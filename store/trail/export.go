package trail

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/passerelle-sante/passerelle/atna/arr"
	"github.com/passerelle-sante/passerelle/store/journal"
)

// Verify proves the log of a running trail in place, as of a checkpoint made now, and looks at the index too.
func (t *Trail) Verify(ctx context.Context, v arr.Verification) (arr.Report, error) {
	if err := t.Flush(ctx); err != nil {
		return arr.Report{}, err
	}
	r, err := arr.VerifyLog(ctx, arr.Log{Files: os.DirFS(t.dir), InUse: true}, v)
	if err != nil {
		return r, err
	}
	return r, t.index.verify(ctx, &r)
}

// VerifyDir proves a log that no process has open, its journal included; an export too.
func VerifyDir(ctx context.Context, dir string, v arr.Verification) (arr.Report, error) {
	log := arr.Log{Files: os.DirFS(dir)}
	if _, err := os.Stat(filepath.Join(dir, "journal")); errors.Is(err, fs.ErrNotExist) {
		return arr.VerifyLog(ctx, log, v)
	}
	lock, err := journal.Lock(filepath.Join(dir, "lock"))
	if err != nil {
		return arr.Report{}, err
	}
	defer lock.Close()
	log.InUse = true // a crash may have left what was not sealed yet
	var damage *journal.CorruptError
	if log.TailFirst, log.Tail, err = journalTail(filepath.Join(dir, "journal")); err != nil && !errors.As(err, &damage) {
		return arr.Report{}, err
	}
	r, err := arr.VerifyLog(ctx, log, v)
	if damage != nil {
		r.Findings = append(r.Findings, arr.Finding{Kind: arr.JournalDamage, Seq: max(damage.Record, 1) - 1, File: "journal", Text: damage.Error()})
	}
	return r, err
}

// journalTail gives the leaves of the journal.
func journalTail(dir string) (first uint64, leaves [][]byte, err error) {
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		return 0, nil, err
	}
	first = j.First()
	err = j.Replay(first, func(_ uint64, leaf []byte) error {
		leaves = append(leaves, leaf)
		return nil
	})
	return first - 1, leaves, errors.Join(err, j.Close())
}

// Export writes the log as of a checkpoint made now into a new folder, for verification elsewhere. progress, which may be nil, is told
// bytes.
func (t *Trail) Export(ctx context.Context, to string, progress func(done, total int64)) (arr.Checkpoint, error) {
	if err := t.Flush(ctx); err != nil {
		return arr.Checkpoint{}, err
	}
	for _, sub := range []string{"", "records", "hashes", "timestamps"} {
		if err := os.Mkdir(filepath.Join(to, sub), 0o700); err != nil {
			return arr.Checkpoint{}, err
		}
	}
	t.mu.Lock()
	segments, c := t.segments, t.sealed
	t.mu.Unlock()
	x := &exporter{ctx: ctx, from: t.dir, to: to, progress: progress, total: int64(c.Size) * sha256.Size}
	sizes := make([]int64, len(segments))
	for i, s := range segments {
		if _, err := s.walk(false); err != nil {
			return c, err
		}
		sizes[i] = s.sizeBefore(c.Size)
		x.total += sizes[i]
	}
	for i, s := range segments {
		if sizes[i] > 0 {
			x.copy("records/"+filepath.Base(s.path), sizes[i])
		}
	}
	x.copy("hashes/00", int64(c.Size)*sha256.Size)
	x.notes("checkpoints", func(n []byte) bool {
		p, _, err := arr.OpenCheckpoint(n, t.keys)
		return err != nil || p.Size <= c.Size
	})
	for _, name := range []string{"expired", arr.CountersName} {
		x.notes(name, func([]byte) bool { return true })
	}
	stamps, err := fs.Glob(os.DirFS(t.dir), "timestamps/*.tsr")
	for _, name := range append(stamps, "public") {
		x.copy(name, -1)
	}
	return c, errors.Join(err, x.err)
}

// sizeBefore gives where the blocks of records before end stop.
func (s *segment) sizeBefore(end uint64) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.blocks {
		if b.first >= end {
			return b.at
		}
	}
	return s.size
}

// exporter copies files until one fails.
type exporter struct {
	ctx         context.Context
	from, to    string
	progress    func(done, total int64)
	done, total int64
	err         error
}

// copy copies so many bytes of a file; all of it when size is negative.
func (x *exporter) copy(name string, size int64) {
	if x.err != nil {
		return
	}
	x.err = x.copyFile(filepath.FromSlash(name), size)
}

func (x *exporter) copyFile(name string, size int64) error {
	in, err := os.Open(filepath.Join(x.from, name))
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(filepath.Join(x.to, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if size < 0 {
		_, err = io.Copy(out, in)
		return errors.Join(err, out.Close())
	}
	for at := int64(0); at < size && err == nil; {
		var n int64
		n, err = io.CopyN(out, in, min(size-at, 8<<20))
		at, x.done = at+n, x.done+n
		if x.progress != nil {
			x.progress(x.done, x.total)
		}
		err = errors.Join(err, x.ctx.Err())
	}
	if err != nil {
		err = fmt.Errorf("export %s: %w", name, err)
	}
	return errors.Join(err, out.Close())
}

// notes copies those notes of a file that are wanted, up to the first that is not.
func (x *exporter) notes(name string, wanted func([]byte) bool) {
	b, err := os.ReadFile(filepath.Join(x.from, name))
	if errors.Is(err, fs.ErrNotExist) || x.err != nil {
		return
	}
	notes, _ := arr.SplitNotes(b)
	var out []byte
	for _, n := range notes {
		if !wanted(n) {
			break
		}
		out = arr.AppendNote(out, n)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(x.to, name), out, 0o600)
	}
	x.err = err
}
