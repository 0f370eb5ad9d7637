package xdm

import (
	"archive/zip"
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/flate"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
)

// Read reads an archive of so many bytes and checks all of it: names, sizes, compression, checksums, and each document against its entry's hash and
// size. Names are found whatever their case. Its errors are of type *Error, or of reading r.
func Read(r io.ReaderAt, size int64, l Limits) (*Archive, error) {
	l = l.defaults()
	if size > l.Archive {
		return nil, &Error{TooLarge, "", fmt.Sprintf("%d bytes, at most %d are read", size, l.Archive)}
	}
	z, err := zip.NewReader(r, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, &Error{NotZIP, "", "it cannot be read as a ZIP archive"}
	}
	z.RegisterDecompressor(zip.Deflate, inflate)
	x := &reader{limits: l, files: map[string]*zip.File{}, keep: l.Keep}
	if err := x.judge(z.File); err != nil {
		return nil, err
	}
	var a Archive
	for _, dir := range x.folders {
		s, err := x.subset(dir)
		if err != nil {
			return nil, err
		}
		a.Subsets = append(a.Subsets, *s)
	}
	if len(a.Subsets) == 0 {
		return nil, &Error{NoSubmission, "", "no folder below IHE_XDM has a METADATA.XML"}
	}
	return &a, nil
}

// reader is an archive being read: its files by their names in capitals.
type reader struct {
	limits  Limits
	files   map[string]*zip.File
	folders []string // below IHE_XDM that have a METADATA.XML, in capitals, sorted
	keep    int64    // bytes of unpacked documents that may still be kept
}

// inflaters are used again: each has a window of 32 KiB and what it unpacked last.
var inflaters sync.Pool

// inflate unpacks faster than the standard library, most of all what lies in memory.
func inflate(r io.Reader) io.ReadCloser {
	f, ok := inflaters.Get().(*inflater)
	if !ok {
		f = &inflater{ReadCloser: flate.NewReader(nil)}
	}
	if s, ok := r.(*io.SectionReader); ok && s.Size() <= maxPacked {
		f.packed = slices.Grow(f.packed[:0], int(s.Size()))[:s.Size()]
		if n, err := s.ReadAt(f.packed, 0); n == len(f.packed) || err == nil { // what cannot be read here fails where it is unpacked
			r = bytes.NewReader(f.packed)
		}
	}
	_ = f.ReadCloser.(flate.Resetter).Reset(r, nil) // never fails
	return f
}

// maxPacked is the longest file that is unpacked from memory.
const maxPacked = 1 << 20

type inflater struct {
	io.ReadCloser
	packed []byte
}

// Close gives the inflater back; nobody reads from it any more.
func (f *inflater) Close() error {
	err := f.ReadCloser.Close()
	inflaters.Put(f)
	return err
}

// judge looks at every file before any is opened.
func (x *reader) judge(files []*zip.File) error {
	if len(files) > x.limits.Files {
		return &Error{TooMany, "", fmt.Sprintf("%d files, at most %d are read", len(files), x.limits.Files)}
	}
	var total uint64
	for _, f := range files {
		if err := x.judgeOne(f); err != nil {
			return err
		}
		if total += f.UncompressedSize64; total > uint64(x.limits.Unpacked) {
			return &Error{TooLarge, "", fmt.Sprintf("its files unpack to more than %d bytes", x.limits.Unpacked)}
		}
	}
	if err := apart(files); err != nil {
		return err
	}
	for name := range x.files {
		dir, file := path.Split(name)
		parts := strings.Split(strings.Trim(dir, "/"), "/")
		if file == "METADATA.XML" && len(parts) >= 2 && parts[len(parts)-2] == "IHE_XDM" {
			x.folders = append(x.folders, dir)
		}
	}
	slices.Sort(x.folders)
	return nil
}

func (x *reader) judgeOne(f *zip.File) error {
	bad := func(why Reason, text string) error { return &Error{why, shown(f.Name), text} }
	key := strings.ToUpper(f.Name)
	switch {
	case !safe(f.Name) || f.Mode()&fs.ModeType&^fs.ModeDir != 0:
		return bad(UnsafeName, "a name must be relative, without .., backslash or control character, and no link")
	case x.files[key] != nil:
		return bad(DuplicateName, "a name comes twice, capitals apart")
	case f.Flags&(1|1<<6|1<<13) != 0:
		return bad(Encrypted, "the mail is encrypted, the archive must not be")
	case f.Method != zip.Store && f.Method != zip.Deflate:
		return bad(NotZIP, fmt.Sprintf("compression method %d; only stored and deflated files are read", f.Method))
	case f.UncompressedSize64 > uint64(x.limits.File):
		return bad(TooLarge, fmt.Sprintf("it unpacks to %d bytes, at most %d are read", f.UncompressedSize64, x.limits.File))
	case f.UncompressedSize64 > 1<<20 && f.UncompressedSize64/uint64(x.limits.Ratio) > f.CompressedSize64:
		return bad(Bomb, "it unpacks to far more than it is")
	case slices.Contains([]string{".ZIP", ".GZ", ".TGZ", ".7Z", ".RAR", ".TAR", ".BZ2", ".XZ"}, path.Ext(key)):
		return bad(Nested, "an archive within the archive")
	}
	x.files[key] = f
	return nil
}

// safe tells whether a name stays below where it is.
func safe(name string) bool {
	if name == "" || len(name) > 255 || strings.ContainsAny(name, "\\:") || strings.HasPrefix(name, "/") {
		return false
	}
	for _, r := range name {
		if r < ' ' || r == 0x7F || r == '\uFFFD' {
			return false
		}
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(name, "/"), "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return true
}

// shown is a name as an error may show it.
func shown(name string) string { return name[:min(len(name), 80)] }

// apart refuses files that share bytes of the archive: what packs a thousand times is packed once.
func apart(files []*zip.File) error {
	type stretch struct {
		from, to int64
		f        *zip.File
	}
	var all []stretch
	for _, f := range files {
		from, err := f.DataOffset()
		if err != nil {
			return &Error{NotZIP, shown(f.Name), "its place in the archive cannot be read"}
		}
		if f.CompressedSize64 > 0 {
			all = append(all, stretch{from, from + int64(f.CompressedSize64), f})
		}
	}
	slices.SortFunc(all, func(a, b stretch) int { return int(min(max(a.from-b.from, -1), 1)) })
	for i := 1; i < len(all); i++ {
		if all[i].from < all[i-1].to {
			return &Error{Bomb, shown(all[i].f.Name), "it shares its bytes with another file"}
		}
	}
	return nil
}

// subset reads one submission and its documents.
func (x *reader) subset(dir string) (*Subset, error) {
	name := dir + "METADATA.XML"
	f := x.files[name]
	if f.UncompressedSize64 > uint64(x.limits.Metadata) {
		return nil, &Error{TooLarge, shown(f.Name), fmt.Sprintf("%d bytes of metadata, at most %d are read", f.UncompressedSize64, x.limits.Metadata)}
	}
	text, err := readAll(f)
	if err != nil {
		return nil, err
	}
	s := &Subset{Name: path.Base(path.Dir(f.Name)), Metadata: text}
	if s.Submission, s.Doubt, err = decode(text); err != nil {
		return nil, &Error{BadMetadata, shown(f.Name), err.Error()}
	}
	taken := map[string]bool{name: true}
	for i := range s.Submission.Entries {
		d, err := x.document(dir, &s.Submission.Entries[i], taken)
		if err != nil {
			return nil, err
		}
		s.Documents = append(s.Documents, *d)
	}
	for key, f := range x.files {
		if strings.HasPrefix(key, dir) && !taken[key] && !f.Mode().IsDir() {
			file, _, err := x.file(f)
			if err != nil {
				return nil, err
			}
			s.Extra = append(s.Extra, file)
		}
	}
	slices.SortFunc(s.Extra, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return s, nil
}

func decode(text []byte) (*xds.Submission, bool, error) {
	x := xmlpull.NewReader(text, xmlpull.Options{BOM: true})
	if _, err := x.Next(); err != nil {
		return nil, false, err
	}
	if !x.Is(ebxml.NSLCM, "SubmitObjectsRequest") {
		return nil, false, errors.New("the root element is not lcm:SubmitObjectsRequest")
	}
	return ebxml.DecodeSubmitObjects(x, xds.CodeRegistryMetadataError, ebxml.Lenient{})
}

// document finds the file of an entry by its URI and holds it against hash and size.
func (x *reader) document(dir string, e *xds.DocumentEntry, taken map[string]bool) (*Document, error) {
	d := &Document{Entry: e, Action: actionOf(e)}
	if e.URI == "" && d.Action == Deleted {
		return d, nil
	}
	key := dir + strings.ToUpper(strings.TrimPrefix(e.URI, "./"))
	f := x.files[key]
	if e.URI == "" || f == nil || f.Mode().IsDir() {
		return nil, &Error{MissingDocument, shown(e.URI), "an entry's URI must name a file in the folder of its metadata"}
	}
	taken[key] = true
	if e.Hash == "" || e.Size < 0 {
		return nil, &Error{NoHash, shown(f.Name), "hash and size of the document are due"}
	}
	file, hash, err := x.file(f)
	switch {
	case err != nil:
		return nil, err
	case int64(f.UncompressedSize64) != e.Size:
		return nil, &Error{WrongSize, shown(f.Name), fmt.Sprintf("%d bytes, the metadata say %d", f.UncompressedSize64, e.Size)}
	case !strings.EqualFold(hash, e.Hash):
		return nil, &Error{WrongHash, shown(f.Name), "its SHA-1 is not the one in the metadata: the document was changed, or the metadata are of another"}
	}
	d.File = file
	return d, nil
}

func actionOf(e *xds.DocumentEntry) Action {
	for _, s := range e.Extra {
		if s.Name == ActionSlot && len(s.Values) == 1 {
			return Action(s.Values[0])
		}
	}
	return Add
}

// file unpacks a file once: its checksum is looked at, an archive in disguise is refused, and its SHA-1 comes back. A small one is kept as it was unpacked, as far as
// the limits go.
func (x *reader) file(f *zip.File) (File, string, error) {
	out := File{Name: f.Name, Size: int64(f.UncompressedSize64), open: f.Open}
	head, h := &beginning{}, sha1.New()
	if out.Size <= x.keep {
		x.keep -= out.Size
		b, err := readAll(f)
		if err != nil {
			return out, "", err
		}
		out.bytes, head.b = b, b[:min(len(b), 16)]
		h.Write(b)
	} else if err := unpack(f, io.MultiWriter(h, head)); err != nil {
		return out, "", err
	}
	for _, magic := range []string{"PK\x03\x04", "PK\x05\x06", "\x1F\x8B\x08", "7z\xBC\xAF\x27\x1C", "Rar!"} {
		if bytes.HasPrefix(head.b, []byte(magic)) {
			return out, "", &Error{Nested, shown(f.Name), "an archive within the archive"}
		}
	}
	return out, hex.EncodeToString(h.Sum(nil)), nil
}

// readAll unpacks a file into memory. Its size was held against the limits.
func readAll(f *zip.File) ([]byte, error) {
	b := bytes.NewBuffer(make([]byte, 0, f.UncompressedSize64+bytes.MinRead+1)) // with room to see that no more comes
	err := unpack(f, b)
	return b.Bytes(), err
}

// unpack writes a file, no more of it than it announced.
func unpack(f *zip.File, w io.Writer) error {
	r, err := f.Open()
	if err != nil {
		return &Error{Unreadable, shown(f.Name), "it cannot be unpacked"}
	}
	defer r.Close()
	n, err := io.Copy(w, io.LimitReader(r, int64(f.UncompressedSize64)+1))
	if err != nil || n != int64(f.UncompressedSize64) {
		return &Error{Unreadable, shown(f.Name), "it cannot be unpacked whole, or its checksum is wrong"}
	}
	return nil
}

// beginning keeps the first bytes.
type beginning struct{ b []byte }

func (h *beginning) Write(p []byte) (int, error) {
	h.b = append(h.b, p[:min(len(p), 16-min(len(h.b), 16))]...)
	return len(p), nil
}
