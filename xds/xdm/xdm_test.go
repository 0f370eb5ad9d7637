package xdm_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/extract"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
	"github.com/passerelle-sante/passerelle/xds/xdm"
)

var at = time.Date(2026, 11, 23, 8, 30, 0, 0, time.UTC)

// submission is of one invented laboratory report.
func submission(t testing.TB, n int) (*xds.Submission, []byte) {
	t.Helper()
	doc := sample.LabReport(n)
	m, err := extract.MetadataOf(doc, cda.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m.Submission(xds.UniqueID(fmt.Sprintf("1.2.250.1.999.7.%d", n)), at), doc
}

var laboratory = xdm.Sender{Name: "Biologie <des> Lilas", Organisation: "Laboratoire des Lilas", Address: "3 rue du Four, Paris", Phone: "0100000000", Software: "SIL", Version: "4", Publisher: "Éditeur"}

func written(t testing.TB, subsets ...xdm.Outgoing) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := xdm.Write(&b, laboratory, at, subsets); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(b []byte) (*xdm.Archive, error) {
	return xdm.Read(bytes.NewReader(b), int64(len(b)), xdm.Limits{})
}

func content(t *testing.T, f *xdm.File) []byte {
	t.Helper()
	r, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWriteAndRead(t *testing.T) {
	one, doc1 := submission(t, 1)
	two, doc2 := submission(t, 2)
	gone, _ := submission(t, 3)
	b := written(t, xdm.Outgoing{Submission: one, Documents: []xdm.OutDocument{{Content: doc1, PDF: []byte("%PDF-1.4")}}},
		xdm.Outgoing{Submission: two, Documents: []xdm.OutDocument{{Content: doc2, Action: xdm.Change}}},
		xdm.Outgoing{Submission: gone, Documents: []xdm.OutDocument{{Action: xdm.Deleted}}})
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
	}
	want := []string{"IHE_XDM/SUBSET01/DOC0001.XML", "IHE_XDM/SUBSET01/DOC0001.PDF", "IHE_XDM/SUBSET01/METADATA.XML", "IHE_XDM/SUBSET02/DOC0001.XML", "IHE_XDM/SUBSET02/METADATA.XML",
		"IHE_XDM/SUBSET03/METADATA.XML", "INDEX.HTM", "README.TXT"}
	if !reflect.DeepEqual(names, want) {
		t.Errorf("%q", names)
	}
	index, err := fs.ReadFile(z, "INDEX.HTM")
	if err != nil {
		t.Fatal(err)
	}
	x := xmlpull.NewReader([]byte(strings.Replace(string(index), `<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML Basic 1.1//EN" "http://www.w3.org/TR/xhtml-basic/xhtml-basic11.dtd">`, "", 1)), xmlpull.Options{})
	for k, err := x.Next(); k != xmlpull.EOF; k, err = x.Next() {
		if err != nil {
			t.Fatalf("INDEX.HTM is not well-formed: %v\n%s", err, index)
		}
	}
	if !bytes.Contains(index, []byte(`<a href="IHE_XDM/SUBSET01/DOC0001.PDF">`)) || !bytes.Contains(index, []byte("Biologie &lt;des&gt; Lilas")) {
		t.Errorf("%s", index)
	}
	a, err := read(b)
	if err != nil || len(a.Subsets) != 3 {
		t.Fatalf("%v %+v", err, a)
	}
	for i, s := range a.Subsets {
		d := s.Documents[0]
		switch i {
		case 0:
			if s.Name != "SUBSET01" || d.Action != xdm.Add || !bytes.Equal(content(t, &d.File), doc1) || len(s.Extra) != 1 || string(content(t, &s.Extra[0])) != "%PDF-1.4" || s.Doubt {
				t.Errorf("%+v", s)
			}
			if got := d.Entry; got.UniqueID != one.Entries[0].UniqueID || got.URI != "DOC0001.XML" || !got.PatientID.Same(one.Entries[0].PatientID) {
				t.Errorf("entry %+v", got)
			}
		case 1:
			if d.Action != xdm.Change || !bytes.Equal(content(t, &d.File), doc2) {
				t.Errorf("%+v", d)
			}
		case 2:
			if d.Action != xdm.Deleted || d.Name != "" || len(content(t, &d.File)) != 0 {
				t.Errorf("%+v", d)
			}
		}
	}
	one2, _ := submission(t, 1)
	two2, _ := submission(t, 2)
	gone2, _ := submission(t, 3)
	if again := written(t, xdm.Outgoing{Submission: one2, Documents: []xdm.OutDocument{{Content: doc1, PDF: []byte("%PDF-1.4")}}},
		xdm.Outgoing{Submission: two2, Documents: []xdm.OutDocument{{Content: doc2, Action: xdm.Change}}},
		xdm.Outgoing{Submission: gone2, Documents: []xdm.OutDocument{{Action: xdm.Deleted}}}); !bytes.Equal(b, again) {
		t.Error("equal input, other bytes")
	}
}

// entry is a file of an archive to make.
type entry struct {
	name    string
	content []byte
	header  func(*zip.FileHeader)
}

func archive(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		if e.header != nil {
			e.header(h)
		}
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// metadata are those of a document, changed before they are written.
func metadata(t testing.TB, doc []byte, change func(*xds.DocumentEntry)) []byte {
	t.Helper()
	sub, _ := submission(t, 1)
	e := &sub.Entries[0]
	hash := sha1.Sum(doc)
	e.URI, e.Hash, e.Size = "DOC0001.XML", hex.EncodeToString(hash[:]), int64(len(doc))
	if change != nil {
		change(e)
	}
	return ebxml.AppendSubmitObjects(nil, sub)
}

func TestLowerCaseAndOtherLayouts(t *testing.T) {
	doc := sample.LabReport(1)
	for _, dir := range []string{"ihe_xdm/subset01/", "IHE_XDM/SS000001/", "Exam/IHE_XDM/SUBSET01/"} {
		a, err := read(archive(t, entry{name: dir + "metadata.xml", content: metadata(t, doc, func(e *xds.DocumentEntry) { e.URI = "doc0001.xml" })}, entry{name: dir + "DOC0001.XML", content: doc}))
		if err != nil || len(a.Subsets) != 1 || !bytes.Equal(content(t, &a.Subsets[0].Documents[0].File), doc) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	doc := sample.LabReport(1)
	const dir = "IHE_XDM/SUBSET01/"
	good := []entry{{name: dir + "METADATA.XML", content: metadata(t, doc, nil)}, {name: dir + "DOC0001.XML", content: doc}}
	with := func(more ...entry) []byte { return archive(t, slices.Concat(good, more)...) }
	said := func(change func(*xds.DocumentEntry)) []byte {
		return archive(t, entry{name: dir + "METADATA.XML", content: metadata(t, doc, change)}, good[1])
	}
	if _, err := read(with()); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		b   []byte
		why xdm.Reason
	}{
		"nothing":               {nil, xdm.NotZIP},
		"text":                  {[]byte("hello"), xdm.NotZIP},
		"cut short":             {with()[:len(with())/2], xdm.NotZIP},
		"no metadata":           {archive(t, good[1]), xdm.NoSubmission},
		"metadata outside":      {archive(t, entry{name: "METADATA.XML", content: good[0].content}), xdm.NoSubmission},
		"metadata of nonsense":  {archive(t, entry{name: dir + "METADATA.XML", content: []byte("<a/>")}, good[1]), xdm.BadMetadata},
		"metadata with doctype": {archive(t, entry{name: dir + "METADATA.XML", content: append([]byte("<!DOCTYPE a []>"), good[0].content...)}, good[1]), xdm.BadMetadata},
		"upwards":               {with(entry{name: "../evil", content: []byte("x")}), xdm.UnsafeName},
		"upwards inside":        {with(entry{name: dir + "a/../../b", content: []byte("x")}), xdm.UnsafeName},
		"absolute":              {with(entry{name: "/etc/passwd", content: []byte("x")}), xdm.UnsafeName},
		"backslash":             {with(entry{name: `IHE_XDM\SUBSET01\X`, content: []byte("x")}), xdm.UnsafeName},
		"drive":                 {with(entry{name: "C:/x", content: []byte("x")}), xdm.UnsafeName},
		"control character":     {with(entry{name: "a\nb", content: []byte("x")}), xdm.UnsafeName},
		"link":                  {with(entry{name: dir + "LINK", content: []byte("/etc/passwd"), header: func(h *zip.FileHeader) { h.SetMode(fs.ModeSymlink | 0o777) }}), xdm.UnsafeName},
		"twice":                 {with(entry{name: dir + "DOC0001.XML", content: doc}), xdm.DuplicateName},
		"twice but for case":    {with(entry{name: dir + "doc0001.xml", content: doc}), xdm.DuplicateName},
		"encrypted":             {with(entry{name: dir + "X", content: []byte("x"), header: func(h *zip.FileHeader) { h.Flags |= 1 }}), xdm.Encrypted},
		"nested by name":        {with(entry{name: dir + "X.ZIP", content: []byte("x")}), xdm.Nested},
		"nested by content":     {with(entry{name: dir + "X.BIN", content: with()}), xdm.Nested},
		"bomb":                  {with(entry{name: dir + "X", content: make([]byte, 8<<20)}), xdm.Bomb},
		"large":                 {with(entry{name: dir + "X", content: make([]byte, 65<<20)}), xdm.TooLarge},
		"many":                  {with(slices.Repeat([]entry{{name: "x/"}}, 1000)...), xdm.TooMany},
		"changed":               {archive(t, good[0], entry{name: dir + "DOC0001.XML", content: bytes.Replace(doc, []byte("<title>"), []byte("<title >"), 1)[:len(doc)]}), xdm.WrongHash},
		"other size":            {said(func(e *xds.DocumentEntry) { e.Size++ }), xdm.WrongSize},
		"other hash":            {said(func(e *xds.DocumentEntry) { e.Hash = strings.Repeat("0", 40) }), xdm.WrongHash},
		"no hash":               {said(func(e *xds.DocumentEntry) { e.Hash = "" }), xdm.NoHash},
		"no size":               {said(func(e *xds.DocumentEntry) { e.Size = -1 }), xdm.NoHash},
		"no URI":                {said(func(e *xds.DocumentEntry) { e.URI = "" }), xdm.MissingDocument},
		"another URI":           {said(func(e *xds.DocumentEntry) { e.URI = "DOC0002.XML" }), xdm.MissingDocument},
		"URI upwards":           {said(func(e *xds.DocumentEntry) { e.URI = "../SUBSET01/DOC0001.XML" }), xdm.MissingDocument},
		"wrong checksum":        {flip(with()), xdm.Unreadable},
	} {
		a, err := read(c.b)
		var refused *xdm.Error
		if !errors.As(err, &refused) || refused.Reason != c.why || a != nil {
			t.Errorf("%s: %v, want %s", name, err, c.why)
		}
	}
}

// flip changes a byte in the middle of the packed document.
func flip(b []byte) []byte {
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		panic(err)
	}
	for _, f := range z.File {
		if strings.HasSuffix(f.Name, "DOC0001.XML") {
			at, err := f.DataOffset()
			if err != nil {
				panic(err)
			}
			b[at+int64(f.CompressedSize64)/2] ^= 0x55
		}
	}
	return b
}

func FuzzXDMZip(f *testing.F) {
	sub, doc := submission(f, 1)
	f.Add(written(f, xdm.Outgoing{Submission: sub, Documents: []xdm.OutDocument{{Content: doc}}}))
	f.Add(archive(f, entry{name: "IHE_XDM/A/METADATA.XML", content: []byte("<a/>")}))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := xdm.Read(bytes.NewReader(b), int64(len(b)), xdm.Limits{File: 1 << 20, Unpacked: 4 << 20})
		var refused *xdm.Error
		if err != nil && !errors.As(err, &refused) {
			t.Fatalf("not a refusal: %v", err)
		}
		if err != nil {
			return
		}
		for _, s := range a.Subsets {
			for _, d := range s.Documents {
				if d.Action == xdm.Deleted && d.Name == "" {
					continue
				}
				text := content(t, &d.File)
				hash := sha1.Sum(text)
				if int64(len(text)) != d.Entry.Size || !strings.EqualFold(hex.EncodeToString(hash[:]), d.Entry.Hash) {
					t.Fatal("handed out a document that is not the one of its entry")
				}
			}
		}
	})
}
