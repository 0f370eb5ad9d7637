package arr

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/mod/sumdb/tlog"
)

// blockJob is a block on its way from the file to the tree: read by one, decompressed and hashed by many, taken in order by one.
type blockJob struct {
	head   BlockHead
	bytes  []byte
	file   string
	sum    error // its checksum
	err    error // it cannot be read
	hashes []tlog.Hash
	done   chan struct{}
}

// records reads every block and holds its records against the stored hashes.
func (v *verifier) records(ctx context.Context) error {
	workers := runtime.GOMAXPROCS(0)
	zip, err := NewBlockReader(workers)
	if err != nil {
		return err
	}
	defer zip.Close()
	ctx, stop := context.WithCancel(ctx)
	var g sync.WaitGroup
	defer g.Wait()
	defer stop()
	todo, order := make(chan *blockJob, workers), make(chan *blockJob, 4*workers)
	var reading error
	g.Go(func() {
		defer close(order)
		defer close(todo)
		reading = v.read(ctx, func(j *blockJob) bool {
			for _, c := range []chan *blockJob{order, todo} {
				select {
				case c <- j:
				case <-ctx.Done():
					return false
				}
			}
			return true
		})
	})
	for range workers {
		g.Go(func() {
			var buf []byte
			for j := range todo {
				buf = j.work(zip, buf)
			}
		})
	}
	for j := range order {
		select {
		case <-j.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := v.take(j); err != nil {
			return err
		}
	}
	if err := errors.Join(reading, ctx.Err()); err != nil {
		return err
	}
	return v.tail()
}

// tail takes what the journal holds beyond the blocks. When a block that is torn ends the segments, the journal holds its records.
func (v *verifier) tail() error {
	first, end := v.log.TailFirst, v.log.TailFirst+uint64(len(v.log.Tail))
	if end <= v.next || first > v.next && !v.holed {
		return nil
	}
	if n := len(v.report.Findings); v.holed && first <= v.next && v.report.Findings[n-1].Kind == BlockDamaged {
		v.report.Findings = v.report.Findings[:n-1]
	}
	j := &blockJob{head: BlockHead{First: max(first, v.next)}, file: "journal"}
	for _, leaf := range v.log.Tail[j.head.First-first:] {
		j.hashes = append(j.hashes, HashLeaf(leaf))
	}
	j.head.Records = len(j.hashes)
	return v.take(j)
}

func (j *blockJob) work(zip *BlockReader, buf []byte) []byte {
	defer close(j.done)
	if j.err != nil {
		return buf
	}
	j.sum = CheckBlock(j.head, j.bytes)
	raw, leaves, err := zip.Open(j.head, j.bytes, buf)
	j.err = err
	j.hashes = make([]tlog.Hash, len(leaves))
	for i, leaf := range leaves {
		j.hashes[i] = HashLeaf(leaf)
	}
	j.bytes = nil
	return raw
}

// read gives the blocks of all segments in order.
func (v *verifier) read(ctx context.Context, give func(*blockJob) bool) error {
	names, err := fs.Glob(v.log.Files, "records/*.seg")
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		f, err := v.log.Files.Open(name)
		if err != nil {
			return err
		}
		err = readSegment(f, name, give)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// readSegment gives the blocks of a segment. Where none begins it looks for the next that does.
func readSegment(f io.Reader, name string, give func(*blockJob) bool) error {
	w := window{r: f}
	lost := false
	for {
		b, err := w.want(BlockHeader)
		if err != nil {
			return err
		}
		if len(b) == 0 {
			break
		}
		h, err := ParseBlockHead(b)
		if err == nil {
			if b, err = w.want(BlockHeader + h.Packed); err != nil {
				return err
			}
			err = CheckBlock(h, b)
		}
		if err != nil && !lost {
			// What can be made of it is tried once; what follows is looked for within it too, as its length may be what is wrong.
			j := &blockJob{head: h, file: name, err: ErrBlock, done: make(chan struct{})}
			if len(b) == BlockHeader+h.Packed && h.Records > 0 {
				j.bytes, j.err = bytes.Clone(b), nil
			}
			if !give(j) {
				return nil
			}
		}
		if err != nil {
			lost = true
			if err := w.seek(); err != nil {
				return err
			}
			continue
		}
		lost = false
		if !give(&blockJob{head: h, bytes: bytes.Clone(b), file: name, done: make(chan struct{})}) {
			return nil
		}
		w.skip(len(b))
	}
	return nil
}

// window is a stream looked at a part at a time.
type window struct {
	r   io.Reader
	buf []byte
	at  int
	end bool
}

// want gives n bytes, or what is left.
func (w *window) want(n int) ([]byte, error) {
	if len(w.buf)-w.at < n && !w.end {
		w.buf = append(w.buf[:0], w.buf[w.at:]...)
		w.at = 0
		have := len(w.buf)
		w.buf = slices.Grow(w.buf, max(n, 1<<20))
		got, err := io.ReadFull(w.r, w.buf[have:max(n, 1<<20)])
		w.buf = w.buf[:have+got]
		if w.end = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF); err != nil && !w.end {
			return nil, err
		}
	}
	return w.buf[w.at:min(w.at+n, len(w.buf))], nil
}

func (w *window) skip(n int) { w.at += n }

// seek goes to the next place where a block may begin, beyond this one.
func (w *window) seek() error {
	w.skip(1)
	for {
		b, err := w.want(1 << 20)
		if err != nil {
			return err
		}
		if i := bytes.Index(b, []byte(blockMagic)); i >= 0 {
			w.skip(i)
			return nil
		}
		if w.end && len(b) < 1<<20 {
			w.skip(len(b))
			return nil
		}
		w.skip(len(b) - len(blockMagic) + 1)
	}
}

// take holds the records of a block against the stored hashes.
func (v *verifier) take(j *blockJob) error {
	if v.log.InUse && v.next >= v.report.Size {
		v.report.Unsealed += uint64(len(j.hashes))
		return nil
	}
	if j.err != nil {
		v.report.add(Finding{Kind: BlockDamaged, Seq: v.next, File: j.file, Text: "here begins a block that cannot be read"})
		v.holed = true
		return nil
	}
	if j.head.End() <= v.report.Expired && j.head.Records > 0 {
		return nil // removed by statement; the file is on its way out
	}
	if v.misplaced(j) {
		return nil
	}
	v.place(j)
	if j.sum != nil {
		end := v.next + uint64(len(j.hashes))
		v.report.add(Finding{Kind: BlockDamaged, Seq: v.next, End: end, File: j.file, Text: "the block's checksum is wrong"})
	} else if j.head.First != v.next {
		v.report.add(Finding{Kind: BlockDamaged, Seq: v.next, File: j.file, Text: fmt.Sprintf("the block says that it begins with record %d", j.head.First)})
	}
	v.align(j.hashes)
	v.progress()
	if v.leaves.err != nil {
		return v.leaves.err
	}
	return v.grow(v.next - min(v.next, lag))
}

// lag is how far the tree stays behind the records: so long an insertion at the end of a block is recognised by the block after it.
const lag = 64

// misplaced tells of a block that lies after others it should precede, or a second time.
func (v *verifier) misplaced(j *blockJob) bool {
	first := j.head.First
	if first >= v.next || len(j.hashes) == 0 {
		return false
	}
	if h, ok := v.leaves.at(first); !ok || h != j.hashes[0] {
		return false
	}
	if due, ok := v.leaves.at(v.next); ok && due == j.hashes[0] {
		return false
	}
	if v.inserted(j.hashes[0]) > 0 {
		return false
	}
	for i, f := range v.report.Findings {
		if f.Kind == Missing && f.Seq == first && f.End == j.head.End() {
			v.report.Findings[i] = Finding{Kind: Reordered, Seq: first, End: f.End, File: j.file, Text: fmt.Sprintf("the block lies before record %d", v.next)}
			v.report.Records += uint64(len(j.hashes))
			return true
		}
	}
	text := fmt.Sprintf("before this record lies the block of records %d to %d", first, j.head.End()-1)
	v.report.add(Finding{Kind: Inserted, Seq: v.next, File: j.file, Text: text})
	return true
}

// inserted tells how many records at the end of the block before were not edited but inserted, now that the next one is known.
func (v *verifier) inserted(next tlog.Hash) uint64 {
	for d := uint64(1); d <= min(lag, v.next); d++ {
		if _, differs := v.alt[v.next-d]; !differs {
			return 0
		}
		if h, ok := v.leaves.at(v.next - d); ok && h == next {
			return d
		}
	}
	return 0
}

// place finds out where a block belongs when it is not where it is due.
func (v *verifier) place(j *blockJob) {
	first, holed := j.head.First, v.holed
	v.holed = false
	if len(j.hashes) == 0 {
		return
	}
	due, _ := v.leaves.at(v.next)
	if due == j.hashes[0] {
		return
	}
	if d := v.inserted(j.hashes[0]); d > 0 {
		v.next -= d
		for seq := v.next; seq < v.next+d; seq++ {
			v.extra = append(v.extra, difference{seq: v.next, record: v.alt[seq]})
			delete(v.alt, seq)
		}
		return
	}
	if first <= v.next {
		return
	}
	if there, ok := v.leaves.at(first); ok && there != j.hashes[0] && !holed {
		return
	}
	kind, text := Missing, "sealed records are not there, and no expiry tells of them"
	if holed {
		kind, text = Unreadable, "the blocks of these records cannot be read"
	}
	v.gap(v.next, first, kind, text)
}

// align walks records and stored hashes side by side and says where they part: a record may be another, be too many, or be missing.
func (v *verifier) align(records []tlog.Hash) {
	for i := 0; i < len(records); {
		stored, ok := v.leaves.at(v.next)
		switch {
		case ok && stored == records[i]:
			v.report.Records++
			v.next++
			i++
			continue
		case !ok && v.next >= v.report.Size:
			v.next++ // not sealed: counted at the end
			i++
			continue
		}
		more, less := v.shift(records[i:], stored, ok)
		switch {
		case more > 0 && less == 0:
			for range more {
				v.extra = append(v.extra, difference{seq: v.next, record: records[i]})
				i++
			}
		case less > 0 && more == 0:
			v.gap(v.next, v.next+uint64(less), Missing, "sealed records are not there, and no expiry tells of them")
		default:
			v.alt[v.next] = records[i]
			v.next++
			i++
		}
	}
}

// shift looks ahead: after how many records comes the one whose hash is due, and after how many hashes that of the record at hand.
func (v *verifier) shift(records []tlog.Hash, stored tlog.Hash, ok bool) (more, less int) {
	if !ok || len(v.extra)+len(v.gone)+len(v.faults)+len(v.alt) > maxFindings {
		return 0, 0
	}
	if len(records) < 2 {
		return 0, 0 // the next block tells
	}
	if after, ok := v.leaves.at(v.next + 1); ok && after == records[1] {
		return 0, 0 // this one alone is another
	}
	more = max(0, slices.Index(records, stored))
	for d := 1; d <= 4096; d++ {
		h, ok := v.leaves.at(v.next + uint64(d))
		if !ok {
			break
		}
		if h == records[0] {
			return more, d
		}
	}
	return more, 0
}
