package trail

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
	"os"
	"path/filepath"
	"sync"
)

// A run is an immutable file of the index over the records first <= seq < end. All numbers are big-endian, all checksums CRC-32C.
//
//	row groups  of 256 rows: checksum 4 | packed: bits of duplicates 32, times, summaries
//	lists       of a term with more than one record, or covering: length 4 | checksum 4 | packed postings
//	            beyond 4,096 records: length 4 | checksum 4 | directory: chunk, records, place, length, checksum, 4 each; the chunks,
//	            each the postings of 65,536 records of the log
//	directory   of row groups: place 8 | length 4 | oldest 8 | newest 8
//	terms       pages of 4,096 bytes: 140 entries | zero | checksum 4; an entry is term 16 | record or place of the list 8 | records 4 | kind 1,
//	            sorted by term; as hashes are spread evenly, a term is found by where it should be
//	filter      of the digests
//	footer      128 bytes
const (
	runMagic    = "PSLTRUN1"
	groupRows   = 256
	groupEntry  = 28
	chunkRows   = 1 << 16
	chunkEntry  = 20
	wholeList   = 4096
	pageSize    = 4096
	entrySize   = 29
	pageEntries = 140
	footerSize  = 128
	runName     = "%016x-%016x.run"
)

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

func sum(b []byte) uint32 { return crc32.Checksum(b, castagnoli()) }

type run struct {
	path       string
	file       *os.File
	first, end uint64
	footer
	groups []group
	filter bloom // nil when beyond the window
	pack   packer

	mu   sync.Mutex
	refs int
	gone bool
}

type group struct {
	at             int64
	size           int
	oldest, newest int64
}

// footer is what the end of a run says.
type footer struct {
	keyID               uint64
	directory, pages    int64
	terms               int64
	filterAt            int64
	filterSize          int
	sumGroups, sumBloom uint32
}

func (r *run) name() string             { return filepath.Base(r.path) }
func (r *run) len() uint32              { return uint32(r.end - r.first) }
func (r *run) damage(what string) error { return &indexDamage{r, what} }

func (f footer) append(dst []byte, first, end uint64) []byte {
	at := len(dst)
	dst = append(dst, runMagic...)
	for _, v := range []uint64{f.keyID, first, end, uint64(f.directory), uint64(f.pages), uint64(f.terms), uint64(f.filterAt), uint64(f.filterSize)} {
		dst = binary.BigEndian.AppendUint64(dst, v)
	}
	dst = binary.BigEndian.AppendUint32(dst, f.sumGroups)
	dst = binary.BigEndian.AppendUint32(dst, f.sumBloom)
	dst = append(dst, make([]byte, footerSize-4-(len(dst)-at))...)
	return binary.BigEndian.AppendUint32(dst, sum(dst[at:]))
}

func parseFooter(b []byte, size int64) (f footer, first, end uint64, err error) {
	bad := errors.New("its footer cannot be read")
	if len(b) != footerSize || string(b[:8]) != runMagic || sum(b[:footerSize-4]) != binary.BigEndian.Uint32(b[footerSize-4:]) {
		return f, 0, 0, bad
	}
	v := func(i int) uint64 { return binary.BigEndian.Uint64(b[8+8*i:]) }
	f = footer{keyID: v(0), directory: int64(v(3)), pages: int64(v(4)), terms: int64(v(5)), filterAt: int64(v(6)), filterSize: int(v(7))}
	f.sumGroups, f.sumBloom = binary.BigEndian.Uint32(b[72:]), binary.BigEndian.Uint32(b[76:])
	first, end = v(1), v(2)
	groups := int64(end-first+groupRows-1) / groupRows
	pages := (f.terms + pageEntries - 1) / pageEntries
	sane := end > first && end-first < 1<<31 && f.terms >= 0 && f.terms < 1<<40 && f.directory >= 0 && f.directory < size && f.filterSize >= 0 &&
		f.pages == f.directory+groups*groupEntry && f.filterAt == f.pages+pages*pageSize && f.filterAt+int64(f.filterSize)+footerSize == size
	if !sane {
		return f, 0, 0, bad
	}
	return f, first, end, nil
}

// openRun opens a run and reads its directory.
func openRun(path string, keyID uint64, pack packer) (*run, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r := &run{path: path, file: f, pack: pack}
	if err := r.load(keyID); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return r, nil
}

func (r *run) load(keyID uint64) error {
	st, err := r.file.Stat()
	if err != nil {
		return err
	}
	b := make([]byte, footerSize)
	if _, err := r.file.ReadAt(b, max(0, st.Size()-footerSize)); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if r.footer, r.first, r.end, err = parseFooter(b, st.Size()); err != nil {
		return r.damage(err.Error())
	}
	if r.keyID != keyID {
		return r.damage("its terms were made with another key")
	}
	if r.name() != fmt.Sprintf(runName, r.first, r.end) {
		return r.damage("its name is another's")
	}
	dir := make([]byte, r.pages-r.directory)
	if _, err := r.file.ReadAt(dir, r.directory); err != nil {
		return err
	}
	if sum(dir) != r.sumGroups {
		return r.damage("its directory of rows")
	}
	for ; len(dir) > 0; dir = dir[groupEntry:] {
		u := func(i int) int64 { return int64(binary.BigEndian.Uint64(dir[i:])) }
		r.groups = append(r.groups, group{u(0), int(binary.BigEndian.Uint32(dir[8:])), u(12), u(20)})
	}
	return nil
}

// loadFilter reads the filter of digests.
func (r *run) loadFilter() error {
	b := make(bloom, r.filterSize)
	if _, err := r.file.ReadAt(b, r.filterAt); err != nil {
		return err
	}
	if sum(b) != r.sumBloom {
		return r.damage("its filter")
	}
	r.filter = b
	return nil
}

// use keeps the file open until release; retire removes it once nobody uses it.
func (r *run) use() {
	r.mu.Lock()
	r.refs++
	r.mu.Unlock()
}

func (r *run) release() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refs--
	if r.gone && r.refs == 0 {
		return r.file.Close()
	}
	return nil
}

func (r *run) retire() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := os.Remove(r.path)
	if r.gone = true; r.refs == 0 {
		err = errors.Join(err, r.file.Close())
	}
	return err
}

// entryAt is a line of the table of terms.
type termEntry struct {
	term
	ref  uint64
	n    uint32
	kind kind
}

func parseEntry(b []byte) termEntry {
	return termEntry{term(b[:16]), binary.BigEndian.Uint64(b[16:]), binary.BigEndian.Uint32(b[24:]), kind(b[28])}
}

// page reads a page of terms: the entries in it.
func (r *run) page(n int64, buf []byte) ([]byte, error) {
	if _, err := r.file.ReadAt(buf, r.pages+n*pageSize); err != nil {
		return nil, err
	}
	if sum(buf[:pageSize-4]) != sumAtEnd(buf) {
		return nil, r.damage("its terms")
	}
	return buf[:min(pageEntries, r.terms-n*pageEntries)*entrySize], nil
}

// pages are lent to whoever reads one.
var pages = sync.Pool{New: func() any { return new([pageSize]byte) }}

// lookup finds a term by interpolation: two or three pages are read, whatever the size of the run.
func (r *run) lookup(k term) (e termEntry, found bool, err error) {
	buf := pages.Get().(*[pageSize]byte)
	defer pages.Put(buf)
	lo, hi := int64(0), (r.terms+pageEntries-1)/pageEntries
	g, _ := bits.Mul64(k.high(), uint64(hi))
	guess, density := int64(g), float64(hi)/(1<<64)
	for tries := 0; lo < hi; tries++ {
		guess = min(max(guess, lo), hi-1)
		p, err := r.page(guess, buf[:])
		if err != nil {
			return e, false, err
		}
		from, to := term(p[:16]), term(p[len(p)-entrySize:])
		switch {
		case k.less(from):
			hi = guess
			guess -= 1 + int64(float64(from.high()-k.high())*density)
		case to.less(k):
			lo = guess + 1
			guess += 1 + int64(float64(k.high()-to.high())*density)
		default:
			e, found = inPage(p, k)
			return e, found, nil
		}
		if tries > 8 {
			guess = (lo + hi) / 2
		}
	}
	return e, false, nil
}

func inPage(page []byte, k term) (termEntry, bool) {
	lo, hi := 0, len(page)/entrySize
	for lo < hi {
		mid := (lo + hi) / 2
		if term(page[mid*entrySize:]).less(k) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo*entrySize >= len(page) || term(page[lo*entrySize:]) != k {
		return termEntry{}, false
	}
	return parseEntry(page[lo*entrySize:]), true
}

// sized reads a part of the file that begins with its length and checksum.
func (r *run) sized(at int64) ([]byte, error) {
	if at < 0 || at+8 > r.directory {
		return nil, r.damage("the place of a list")
	}
	buf := pages.Get().(*[pageSize]byte)
	defer pages.Put(buf)
	head := buf[:min(pageSize, r.directory-at)]
	if _, err := r.file.ReadAt(head, at); err != nil {
		return nil, err
	}
	n, crc := int64(binary.BigEndian.Uint32(head)), binary.BigEndian.Uint32(head[4:])
	if at+8+n > r.directory {
		return nil, r.damage("the length of a list")
	}
	b := make([]byte, n)
	if had := copy(b, head[8:]); int64(had) < n {
		if _, err := r.file.ReadAt(b[had:], at+8+int64(had)); err != nil {
			return nil, err
		}
	}
	if sum(b) != crc {
		return nil, r.damage("a list")
	}
	return b, nil
}

func (r *run) checked(at int64, n int, crc uint32) ([]byte, error) {
	if at < 0 || n < 0 || at+int64(n) > r.directory {
		return nil, r.damage("the place of a part")
	}
	b := make([]byte, n)
	if _, err := r.file.ReadAt(b, at); err != nil {
		return nil, err
	}
	if sum(b) != crc {
		return nil, r.damage("a part of a list")
	}
	return b, nil
}

// lists is the postings of a term: whole, or by chunks that are read when wanted.
type lists struct {
	n      int
	kind   kind
	whole  []posting
	run    *run
	chunks []chunkAt
}

type chunkAt struct {
	id, n, at, size, crc uint32
	base                 int64
}

func (r *run) find(k term) (lists, error) {
	e, found, err := r.lookup(k)
	if err != nil || !found {
		return lists{}, err
	}
	return r.open(e)
}

func (r *run) open(e termEntry) (lists, error) {
	l := lists{n: int(e.n), kind: e.kind, run: r}
	if e.n == 1 && e.kind != covering {
		if e.ref >= uint64(r.len()) {
			return l, r.damage("a record number")
		}
		l.whole = []posting{{rec: uint32(e.ref)}}
		return l, nil
	}
	b, err := r.sized(int64(e.ref))
	if err != nil {
		return l, err
	}
	if e.n <= wholeList {
		l.whole, err = r.pack.parsePostings(b, e.kind, int(e.n), r.len())
		if err != nil {
			return l, r.damage(err.Error())
		}
		return l, nil
	}
	base := int64(e.ref) + 8 + int64(len(b))
	for ; len(b) >= chunkEntry; b = b[chunkEntry:] {
		u := func(i int) uint32 { return binary.BigEndian.Uint32(b[4*i:]) }
		l.chunks = append(l.chunks, chunkAt{u(0), u(1), u(2), u(3), u(4), base})
	}
	return l, nil
}

// chunk gives the postings of lo <= rec < hi, which lie in one chunk.
func (l *lists) chunk(lo, hi uint32) ([]posting, error) {
	if l.chunks == nil {
		return between(l.whole, lo, hi), nil
	}
	for _, c := range l.chunks {
		if c.id != lo/chunkRows {
			continue
		}
		list, err := l.read(c)
		if err != nil {
			return nil, err
		}
		return between(list, lo, hi), nil
	}
	return nil, nil
}

// narrow gives those of found, which lie in one chunk, that are in a list of plain chunks too, without making a list of it.
func (l *lists) narrow(found []posting) ([]posting, error) {
	out := make([]posting, 0, len(found))
	for _, c := range l.chunks {
		if len(found) == 0 || c.id != found[0].rec/chunkRows {
			continue
		}
		b, err := l.bytes(c)
		if err != nil {
			return nil, err
		}
		if len(b) == 0 || b[0] != 0 {
			return nil, l.run.damage(errPostings.Error())
		}
		rec := uint64(0)
		for b = b[1:]; len(b) > 0 && len(found) > 0; {
			d, w := binary.Uvarint(b)
			if w <= 0 {
				return nil, l.run.damage(errPostings.Error())
			}
			rec, b = rec+d, b[w:]
			for len(found) > 0 && uint64(found[0].rec) < rec {
				found = found[1:]
			}
			if len(found) > 0 && uint64(found[0].rec) == rec {
				out = append(out, found[0])
			}
		}
		break
	}
	return out, nil
}

func (l *lists) bytes(c chunkAt) ([]byte, error) {
	if c.n > chunkRows {
		return nil, l.run.damage("the directory of a list")
	}
	return l.run.checked(c.base+int64(c.at), int(c.size), c.crc)
}

func (l *lists) read(c chunkAt) ([]posting, error) {
	b, err := l.bytes(c)
	if err != nil {
		return nil, err
	}
	list, err := l.run.pack.parsePostings(b, l.kind, int(c.n), l.run.len())
	if err != nil {
		return nil, l.run.damage(err.Error())
	}
	return list, nil
}

// all gives every posting, a chunk at a time.
func (l *lists) all(f func([]posting) error) error {
	if l.chunks == nil {
		return f(l.whole)
	}
	for _, c := range l.chunks {
		list, err := l.read(c)
		if err != nil {
			return err
		}
		if err := f(list); err != nil {
			return err
		}
	}
	return nil
}

// rows reads a group of rows.
func (r *run) rows(n int) ([]posting, []byte, error) {
	g := r.groups[n]
	if g.at < 0 || g.size < 4 || g.at+int64(g.size) > r.directory {
		return nil, nil, r.damage("the place of rows")
	}
	b := make([]byte, g.size)
	if _, err := r.file.ReadAt(b, g.at); err != nil {
		return nil, nil, err
	}
	if sum(b[4:]) != binary.BigEndian.Uint32(b) {
		return nil, nil, r.damage("rows")
	}
	b, err := r.pack.unpack(b[4:])
	if err != nil || len(b) < groupRows/8 {
		return nil, nil, r.damage("rows")
	}
	rows := make([]posting, min(groupRows, int(r.len())-n*groupRows))
	for i := range rows {
		rows[i].rec = uint32(n*groupRows + i)
	}
	if err := parseColumn(b[groupRows/8:], rows); err != nil {
		return nil, nil, r.damage("rows")
	}
	return rows, b[:groupRows/8], nil
}

func sumAtEnd(page []byte) uint32 { return binary.BigEndian.Uint32(page[len(page)-4:]) }

// verify reads everything.
func (r *run) verify(ctx context.Context) error {
	for n := range r.groups {
		if _, _, err := r.rows(n); err != nil {
			return err
		}
	}
	t, err := newTermReader(r)
	for ; err == nil && !t.end; err = t.next() {
		l, err := r.open(t.now)
		if err == nil {
			err = l.all(func([]posting) error { return ctx.Err() })
		}
		if err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	b := make([]byte, r.filterSize)
	if _, err := r.file.ReadAt(b, r.filterAt); err != nil {
		return err
	}
	if sum(b) != r.sumBloom {
		return r.damage("its filter")
	}
	return nil
}
