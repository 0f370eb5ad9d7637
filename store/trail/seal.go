package trail

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/passerelle-sante/passerelle/atna/arr"
	"github.com/passerelle-sante/passerelle/store/journal"
)

// sealer turns the backlog into blocks, hashes and checkpoints. One goroutine has it.
type sealer struct {
	tree     arr.Tree
	block    *arr.BlockWriter
	buf      []byte
	unsynced int64 // bytes of blocks written and not flushed
	flushed  uint64
	torn     int64 // where the last segment is to be cut when the trail opens
	last     bool  // nothing more will be appended
	due      bool  // the clock asks for a checkpoint
}

func (s *sealer) grow(t *tiers, h tlog.Hash) {
	t.add(0, h)
	s.tree.Append(h, t.add)
}

// tick asks for a checkpoint from time to time.
func (t *Trail) tick(ctx context.Context) {
	clock := time.NewTicker(t.opt.CheckpointEvery)
	defer clock.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-clock.C:
		}
		t.mu.Lock()
		t.seal.due = true
		t.change.Broadcast()
		t.mu.Unlock()
	}
}

// Flush puts all that is durable now under a checkpoint, and into blocks.
func (t *Trail) Flush(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	stop := context.AfterFunc(ctx, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.change.Broadcast()
	})
	defer stop()
	t.want++
	ticket := t.want
	t.change.Broadcast()
	for t.had < ticket && t.failed == nil && !t.closing && ctx.Err() == nil {
		t.change.Wait()
	}
	switch {
	case t.failed != nil:
		return t.failed
	case t.had >= ticket:
		return nil
	case t.closing:
		return ErrClosed
	}
	return ctx.Err()
}

// work is what the sealer has to do next.
type work struct {
	entries    []entry
	checkpoint bool
	flush      int // asked for: also a block that is not full
	end        bool
}

// maxWork bounds the records sealed between two looks at what else there is to do.
const maxWork = 4096

func (t *Trail) sealLoop() {
	block, err := arr.NewBlockWriter(t.first)
	if err != nil {
		t.fail(err)
		return
	}
	t.seal.block, t.seal.flushed = block, t.first
	for {
		w := t.nextWork()
		if err := t.sealSome(w); err != nil {
			t.fail(fmt.Errorf("seal: %w", err))
			return
		}
		if w.end {
			return
		}
	}
}

func (t *Trail) nextWork() work {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		at := t.seal.block.End() - t.first
		rest := t.tail[at:]
		w := work{entries: rest[:min(len(rest), maxWork)], checkpoint: t.seal.due}
		whole := len(w.entries) == len(rest)
		if whole && t.want > t.had {
			w.flush, w.checkpoint = t.want, true
		}
		if whole && t.seal.last || t.failed != nil {
			w.end, w.checkpoint = true, true
		}
		if len(w.entries) > 0 || w.checkpoint {
			t.seal.due = t.seal.due && !w.checkpoint
			return w
		}
		t.change.Wait()
	}
}

func (t *Trail) sealSome(w work) error {
	s := &t.seal
	for _, e := range w.entries {
		if s.block.End() >= s.tree.Size() {
			s.grow(t.tiers, e.hash)
		}
		s.block.Add(e.leaf, e.at)
		if s.block.Size() >= t.opt.BlockSize {
			if err := t.writeBlock(); err != nil {
				return err
			}
		}
	}
	if w.flush > 0 && s.block.Size() > 0 {
		if err := t.writeBlock(); err != nil {
			return err
		}
	}
	if err := t.tiers.write(); err != nil {
		return err
	}
	if s.unsynced >= t.opt.SyncEvery || w.checkpoint && s.unsynced > 0 {
		if err := t.syncBlocks(); err != nil {
			return err
		}
		w.checkpoint = true
	}
	if w.checkpoint {
		if err := t.checkpoint(); err != nil {
			return err
		}
	}
	if w.flush > 0 {
		t.mu.Lock()
		t.had = w.flush
		t.change.Broadcast()
		t.mu.Unlock()
	}
	return nil
}

// writeBlock writes the block gathered and takes its records from the backlog.
func (t *Trail) writeBlock() error {
	t.writing.Lock()
	defer t.writing.Unlock()
	s := &t.seal
	s.buf = s.block.Flush(s.buf[:0])
	h, err := arr.ParseBlockHead(s.buf)
	if err != nil {
		return err
	}
	g, err := t.segmentFor(h)
	if err != nil {
		return err
	}
	if _, err := g.file.WriteAt(s.buf, g.size); err != nil {
		return err
	}
	s.unsynced += int64(len(s.buf))
	t.mu.Lock()
	defer t.mu.Unlock()
	g.mu.Lock()
	g.note(h, g.size)
	g.size += int64(len(s.buf))
	g.mu.Unlock()
	for _, e := range t.tail[:h.Records] {
		t.bytes -= len(e.leaf)
	}
	clear(t.tail[:h.Records])
	t.tail = t.tail[h.Records:]
	t.first = h.End()
	t.change.Broadcast()
	return nil
}

// segmentFor gives the segment to write to: the last, or a new one when that is full or spans long enough.
func (t *Trail) segmentFor(h arr.BlockHead) (*segment, error) {
	if g := t.lastSegment(); g != nil {
		full := g.full || g.size >= t.opt.SegmentSize || len(g.blocks) > 0 && h.Last.Sub(g.oldest) >= t.opt.SegmentSpan
		if !full {
			return g, nil
		}
	}
	if err := t.syncBlocks(); err != nil {
		return nil, err
	}
	dir := filepath.Join(t.dir, "records")
	g := &segment{path: filepath.Join(dir, fmt.Sprintf(arr.SegmentName, h.First)), first: h.First, end: h.First, walked: true}
	if err := g.open(os.O_RDWR | os.O_CREATE | os.O_TRUNC); err != nil {
		return nil, err
	}
	if err := journal.SyncDir(dir); err != nil {
		return nil, errors.Join(err, g.close())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.segments = append(t.segments, g)
	return g, nil
}

func (t *Trail) lastSegment() *segment {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.segments) == 0 {
		return nil
	}
	return t.segments[len(t.segments)-1]
}

func (t *Trail) syncBlocks() error {
	s := &t.seal
	if s.unsynced > 0 {
		if err := journal.Datasync(t.lastSegment().file); err != nil {
			return err
		}
	}
	s.unsynced, s.flushed = 0, t.first
	return nil
}

// checkpoint signs what the tree is now, and lets the journal go as far as it is not needed.
func (t *Trail) checkpoint() error {
	s := &t.seal
	if size := s.tree.Size(); size > t.sealed.Size {
		if err := t.tiers.write(); err != nil {
			return err
		}
		if err := t.tiers.sync(); err != nil {
			return err
		}
		c := arr.Checkpoint{Origin: t.origin, Size: size, Root: s.tree.Root(), Time: t.opt.Clock()}
		signed, err := arr.SignText(c.Text(), t.signer)
		if err != nil {
			return err
		}
		if err := addNote(filepath.Join(t.dir, "checkpoints"), signed); err != nil {
			return err
		}
		t.mu.Lock()
		t.sealed, t.signed = c, signed
		t.mu.Unlock()
	}
	return t.journal.DropBefore(min(s.flushed, t.sealed.Size) + 1)
}

// nudge wakes whoever waits, to look again.
func (t *Trail) nudge() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.change.Broadcast()
}

func unixTime(ns int64) time.Time { return time.Unix(0, ns).UTC() }
