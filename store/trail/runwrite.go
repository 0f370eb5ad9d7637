package trail

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/passerelle-sante/passerelle/store/journal"
)

// runWriter writes a run in one pass: first every row in order, then every term in order. What it holds in memory is one group of rows,
// one list, the directory and the filter.
type runWriter struct {
	dir        string
	first, end uint64
	pack       packer
	file, tail *os.File // the run, and its terms until they are appended
	out, terms *bufio.Writer
	at         int64
	groups     []byte
	rows       []posting
	dups       [groupRows / 8]byte
	page       []byte
	filter     bloom
	footer     footer
	buf        []byte
	err        error
}

func newRunWriter(dir string, first, end, keyID uint64, pack packer) (*runWriter, error) {
	w := &runWriter{dir: dir, first: first, end: end, pack: pack, filter: newBloom(int(end - first)), footer: footer{keyID: keyID}}
	var err error
	if w.file, err = os.CreateTemp(dir, "*.tmp"); err != nil {
		return nil, err
	}
	if w.tail, err = os.CreateTemp(dir, "*.tmp"); err != nil {
		return nil, errors.Join(err, w.abort())
	}
	w.out, w.terms = bufio.NewWriterSize(w.file, 256<<10), bufio.NewWriterSize(w.tail, 64<<10)
	return w, nil
}

func (w *runWriter) abort() error {
	var errs []error
	for _, f := range []*os.File{w.file, w.tail} {
		if f != nil {
			errs = append(errs, f.Close(), os.Remove(f.Name()))
		}
	}
	return errors.Join(errs...)
}

func (w *runWriter) write(b []byte) {
	if w.err == nil {
		_, w.err = w.out.Write(b)
	}
	w.at += int64(len(b))
}

func (w *runWriter) row(time int64, summary []byte, duplicate bool) error {
	if i := len(w.rows); duplicate {
		w.dups[i>>3] |= 1 << (i & 7)
	}
	w.rows = append(w.rows, posting{time: time, summary: summary})
	if len(w.rows) == groupRows {
		w.endGroup()
	}
	return w.err
}

func (w *runWriter) endGroup() {
	if len(w.rows) == 0 {
		return
	}
	oldest, newest := w.rows[0].time, w.rows[0].time
	for _, r := range w.rows {
		oldest, newest = min(oldest, r.time), max(newest, r.time)
	}
	b := w.pack.pack(append(w.buf[:0], 0, 0, 0, 0), appendColumn(append([]byte(nil), w.dups[:]...), w.rows))
	binary.BigEndian.PutUint32(b, sum(b[4:]))
	w.groups = binary.BigEndian.AppendUint64(w.groups, uint64(w.at))
	w.groups = binary.BigEndian.AppendUint32(w.groups, uint32(len(b)))
	w.groups = binary.BigEndian.AppendUint64(w.groups, uint64(oldest))
	w.groups = binary.BigEndian.AppendUint64(w.groups, uint64(newest))
	w.write(b)
	w.buf = b
	clear(w.rows)
	w.rows, w.dups = w.rows[:0], [groupRows / 8]byte{}
}

// term takes a term's postings; terms come in order.
func (w *runWriter) term(k term, kd kind, list []posting) error {
	w.endGroup()
	if len(list) == 0 {
		return w.err
	}
	ref := uint64(w.at)
	switch {
	case len(list) == 1 && kd != covering:
		ref = uint64(list[0].rec)
	case len(list) <= wholeList:
		w.sized(w.pack.appendPostings(w.buf[:0], kd, list))
	default:
		w.chunked(kd, list)
	}
	if kd == digest {
		w.filter.add(k)
	}
	w.page = append(w.page, k[:]...)
	w.page = binary.BigEndian.AppendUint64(w.page, ref)
	w.page = binary.BigEndian.AppendUint32(w.page, uint32(len(list)))
	w.page = append(w.page, byte(kd))
	w.footer.terms++
	if len(w.page) == pageEntries*entrySize {
		w.endPage()
	}
	return w.err
}

func (w *runWriter) sized(b []byte) {
	var head [8]byte
	binary.BigEndian.PutUint32(head[:], uint32(len(b)))
	binary.BigEndian.PutUint32(head[4:], sum(b))
	w.write(head[:])
	w.write(b)
	w.buf = b
}

func (w *runWriter) chunked(kd kind, list []posting) {
	var directory, chunks []byte
	for len(list) > 0 {
		id := list[0].rec / chunkRows
		n := at(list, (id+1)*chunkRows)
		from := len(chunks)
		chunks = w.pack.appendPostings(chunks, kd, list[:n])
		for _, v := range []uint32{id, uint32(n), uint32(from), uint32(len(chunks) - from), sum(chunks[from:])} {
			directory = binary.BigEndian.AppendUint32(directory, v)
		}
		list = list[n:]
	}
	w.sized(directory)
	w.write(chunks)
}

func (w *runWriter) endPage() {
	if len(w.page) == 0 {
		return
	}
	w.page = append(w.page, make([]byte, pageSize-4-len(w.page))...)
	w.page = binary.BigEndian.AppendUint32(w.page, sum(w.page))
	if w.err == nil {
		_, w.err = w.terms.Write(w.page)
	}
	w.page = w.page[:0]
}

// finish gives the run its end and its name.
func (w *runWriter) finish() (*run, error) {
	path, err := w.complete()
	if err != nil {
		return nil, errors.Join(err, w.abort())
	}
	if err := errors.Join(w.tail.Close(), os.Remove(w.tail.Name()), w.file.Close()); err != nil {
		return nil, err
	}
	return openRun(path, w.footer.keyID, w.pack)
}

func (w *runWriter) complete() (string, error) {
	w.endGroup()
	w.endPage()
	f := &w.footer
	f.directory, f.sumGroups = w.at, sum(w.groups)
	w.write(w.groups)
	f.pages = w.at
	if err := errors.Join(w.err, w.terms.Flush()); err != nil {
		return "", err
	}
	if _, err := w.tail.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	n, err := io.Copy(w.out, w.tail)
	if err != nil {
		return "", err
	}
	w.at += n
	f.filterAt, f.filterSize, f.sumBloom = w.at, len(w.filter), sum(w.filter)
	w.write(w.filter)
	w.write(f.append(nil, w.first, w.end))
	if err := errors.Join(w.err, w.out.Flush(), journal.Datasync(w.file)); err != nil {
		return "", err
	}
	path := filepath.Join(w.dir, fmt.Sprintf(runName, w.first, w.end))
	if err := os.Rename(w.file.Name(), path); err != nil {
		return "", err
	}
	return path, journal.SyncDir(w.dir)
}
