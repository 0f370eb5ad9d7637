package mtom_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/passerelle-sante/passerelle/internal/oracle"
	"github.com/passerelle-sante/passerelle/wire/mtom"
)

func lenient(string) bool { return true }

// split gives root and parts as "id:content" lines.
func split(src io.Reader, ct string, o mtom.Options) (string, []string, error) {
	mt, err := mtom.ParseMediaType(ct)
	if err != nil {
		return "", nil, err
	}
	r, err := mtom.NewReader(src, mt, o)
	if err != nil {
		return "", nil, err
	}
	defer r.Close()
	s := r.RootID() + ":" + string(r.Root())
	for {
		p, err := r.Next()
		if err == io.EOF {
			return s, r.Quirks(), nil
		}
		if err != nil {
			return s, r.Quirks(), err
		}
		b, err := io.ReadAll(p)
		if err != nil {
			return s, r.Quirks(), err
		}
		s += "|" + p.ContentID + ":" + string(b)
	}
}

const related = `multipart/related; type="application/xop+xml"; boundary="B"`

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

func TestRead(t *testing.T) {
	root := "--B\nContent-ID: <r>\n\n<root/>\n"
	for _, c := range []struct{ name, ct, in, want, quirks string }{
		{"plain", `; start="<r>"`, crlf(root + "--B\nContent-ID: <a>\n\nA\n--B--\n"), "r:<root/>|a:A", "[]"},
		{"preamble, epilogue, spaces", `; start="<r>"`, crlf("hello\n\n--B \t\nContent-ID: <r>\n\n<root/>\n--B \nContent-ID: <a>\n\nA\n--B-- \nbye"), "r:<root/>|a:A", "[]"},
		{"no line end behind the last boundary", `; start="<r>"`, crlf(root + "--B--"), "r:<root/>", "[]"},
		{"no start", ``, crlf(root + "--B--"), "r:<root/>", "[]"},
		{"bare LF", `; start="<r>"`, root + "--B\nContent-ID: <a>\n\nA\r\n--B--\n", "r:<root/>|a:A\r", "[bare-lf]"},
		{"start without brackets", `; start=r`, crlf(root + "--B--"), "r:<root/>", "[start-without-brackets]"},
		{"root without Content-ID", `; start="<r>"`, crlf("--B\nA: b\n\n<root/>\n--B--"), ":<root/>", "[root-without-content-id]"},
		{"base64", `; start="<r>"`, crlf(root + "--B\nContent-Transfer-Encoding: Base64\nContent-ID: <a>\n\nQUJD\nREVG\n--B--"), "r:<root/>|a:ABCDEF", "[base64-part]"},
		{"root last", `; start="<r>"`, crlf("--B\nContent-ID: <a>\n\nA\n" + root + "--B\nContent-ID: <b>\n\n\n--B--"), "r:<root/>|a:A|b:", "[]"},
		{"no content at all", ``, crlf(root + "--B\nContent-ID: <a>\n\n--B--"), "r:<root/>|a:", "[]"},
		{"boundary look-alikes", ``, crlf(root + "--B\nContent-ID: <a>\n\n--BB\n--B x\n -\n--Bx--\n--B--x\n--B--\n"), "r:<root/>|a:--BB\r\n--B x\r\n -\r\n--Bx--\r\n--B--x", "[]"},
		{"folded header", ``, crlf("--B\nX: y\nContent-ID:\n  <r>\n\n<root/>\n--B--"), "r:<root/>", "[]"},
	} {
		for _, wrap := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.DataErrReader} {
			got, quirks, err := split(wrap(strings.NewReader(c.in)), related+c.ct, mtom.Options{Tolerate: lenient})
			if err != nil || got != c.want || fmt.Sprint(quirks) != c.quirks {
				t.Errorf("%s: %q %v %v, want %q %s", c.name, got, quirks, err, c.want, c.quirks)
			}
		}
		_, _, err := split(strings.NewReader(c.in), related+c.ct, mtom.Options{})
		var q *mtom.QuirkError
		if errors.As(err, &q) != (c.quirks != "[]") || q != nil && "["+q.Name+"]" != c.quirks {
			t.Errorf("%s: strict: %v", c.name, err)
		}
	}
}

func TestRefused(t *testing.T) {
	root := "--B\nContent-ID: <r>\n\n<root/>\n"
	o := mtom.Options{MaxRoot: 100, MaxSpool: 50, MaxParts: 3, Tolerate: lenient}
	for _, c := range []struct{ name, ct, in, want string }{
		{"truncated in a part", ``, root + "--B\nContent-ID: <a>\n\nABCDEFGHIJ", mtom.ErrTruncated.Error()},
		{"truncated in a header", ``, root + "--B\nContent-ID: <a>", mtom.ErrTruncated.Error()},
		{"no closing boundary", ``, root, mtom.ErrTruncated.Error()},
		{"no closing boundary but an open one", ``, root + "--B\n", mtom.ErrTruncated.Error()},
		{"same Content-ID", ``, root + "--B\nContent-ID: <r>\n\nA\n--B--", mtom.ErrDuplicate.Error()},
		{"root too large", ``, "--B\nContent-ID: <r>\n\n" + strings.Repeat("x", 101) + "\n--B--", mtom.ErrRootSize.Error()},
		{"spool too large", `; start="<r>"`, "--B\nContent-ID: <a>\n\n" + strings.Repeat("x", 51) + "\n" + root + "--B--", mtom.ErrSpool.Error()},
		{"no root", `; start="<q>"`, root + "--B--", mtom.ErrNoRoot.Error()},
		{"parts", ``, root + "--B\n\n\n--B\n\n\n--B\n\n\n--B--", mtom.ErrParts.Error()},
		{"header fields", ``, "--B\n" + strings.Repeat("A: b\n", 33) + "\n\n--B--", mtom.ErrHeader.Error()},
		{"header bytes", ``, "--B\nA: " + strings.Repeat("b", 17<<10) + "\n\n\n--B--", mtom.ErrHeader.Error()},
		{"header", ``, "--B\nno colon\n\n\n--B--", "header of a part is malformed"},
		{"encoding", ``, "--B\nContent-Transfer-Encoding: quoted-printable\n\n\n--B--", mtom.ErrEncoding.Error()},
		{"preamble", ``, strings.Repeat(strings.Repeat("x", 1000)+"\n", 70) + root + "--B--", mtom.ErrPreamble.Error()},
		{"one long preamble", ``, strings.Repeat("x", 70000) + root + "--B--", mtom.ErrPreamble.Error()},
		{"nothing", ``, "", "multipart message without its boundary"},
		{"other boundary", ``, "--C\n\n\n--C--\n", "multipart message without its boundary"},
	} {
		_, _, err := split(strings.NewReader(crlf(c.in)), related+c.ct, o)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	if _, _, err := split(strings.NewReader(""), "multipart/related", o); err == nil {
		t.Error("no boundary accepted")
	}
}

func TestWriteRead(t *testing.T) {
	big := make([]byte, 300<<10)
	for i := range big {
		big[i] = "\r\n-B\x00a"[rand.IntN(6)]
	}
	m := mtom.Message{Action: "urn:a", Root: []byte("<root/>"), Parts: []mtom.OutPart{
		{ContentID: "a@b", ContentType: "text/xml", Size: int64(len(big)), Content: bytes.NewReader(big)},
		{ContentID: "c", Size: 0, Content: mtom.From(strings.NewReader(""))},
	}}
	ct, want := m.ContentType(), m.Len()
	var b bytes.Buffer
	n, err := m.WriteTo(&b)
	if err != nil || n != want || int64(b.Len()) != want {
		t.Fatal(n, want, b.Len(), err)
	}
	got, quirks, err := split(&b, ct, mtom.Options{})
	if err != nil || got != "root@passerelle:<root/>|a@b:"+string(big)+"|c:" || len(quirks) > 0 {
		t.Error(len(got), quirks, err)
	}
	if mt, err := mtom.ParseMediaType(ct); err != nil || mt.Param("action") != "urn:a" || mt.Param("start") != "<root@passerelle>" {
		t.Error(mt, err)
	}
	m = mtom.Message{Parts: []mtom.OutPart{{Size: 2, Content: bytes.NewReader([]byte("abc"))}}}
	if _, err := m.WriteTo(io.Discard); err == nil || err.Error() != "part has 3 bytes, not 2" {
		t.Error(err)
	}
	m = mtom.Message{Parts: []mtom.OutPart{{Size: -1, Content: bytes.NewReader(nil)}}}
	if m.Len() != -1 {
		t.Error(m.Len())
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		href, id    string
		ok, encoded bool
	}{
		{"cid:a@b", "a@b", true, false},
		{"cid:a%40b", "a@b", true, true},
		{"cid:a%40b", "a%40b", true, false},
		{"cid:a%4", "a", false, true},
		{"cid:", "", false, false},
		{"a@b", "a@b", false, false},
		{"cid:x", "a@b", false, false},
	} {
		if ok, enc := mtom.Match(c.href, c.id); ok != c.ok || enc != c.encoded {
			t.Errorf("%s %s: %v %v", c.href, c.id, ok, enc)
		}
	}
}

func TestParseMediaType(t *testing.T) {
	for _, c := range []struct{ in, typ, start, action string }{
		{`Multipart/Related; start="<a@b>"; action="urn:x"`, "multipart/related", "<a@b>", "urn:x"},
		{`multipart/related;start=<a@b>;ACTION=urn:x`, "multipart/related", "<a@b>", "urn:x"},
		{`multipart/related; start=a@b ; action="u\"x" ;`, "multipart/related", "a@b", `u"x`},
		{`a/b`, "a/b", "", ""},
	} {
		m, err := mtom.ParseMediaType(c.in)
		if err != nil || m.Type != c.typ || m.Param("start") != c.start || m.Param("action") != c.action {
			t.Errorf("%s: %+v %v", c.in, m, err)
		}
	}
	for _, in := range []string{"", "a", "a/", "a/b; =x", "a/b; x", `a/b; x="y`, `a/b; x="y" z`, "a/b; x=1; X=2", "a/b; x=", "a b/c"} {
		if m, err := mtom.ParseMediaType(in); err == nil {
			t.Errorf("%q accepted: %+v", in, m)
		}
	}
}

// TestCaptures reads what Axis2 really sent.
func TestCaptures(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(oracle.Path(t, "samples/xds"), "*.http"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%d captures, 2 are known (%v)", len(files), err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var ct string
		for _, l := range strings.Split(string(b), "\n")[:12] {
			if v, ok := strings.CutPrefix(l, "Content-Type: multipart"); ok {
				ct = "multipart" + v
			}
		}
		got, quirks, err := split(bytes.NewReader(b[bytes.Index(b, []byte("--MIME")):]), ct, mtom.Options{Tolerate: lenient})
		parts := strings.Split(got, "|")
		if err != nil || fmt.Sprint(quirks) != "[bare-lf]" || !strings.HasSuffix(got, "that government: of the people, by the people, for the people, shall not perish from the earth.") && len(parts) < 2 {
			t.Errorf("%s: %d bytes, %v, %v", filepath.Base(f), len(got), quirks, err)
		}
	}
}

func FuzzContentType(f *testing.F) {
	for _, s := range []string{related, `a/b; x="y\"z"; u=v`, `multipart/related; start=<a@b>; action=urn:x`, `a/b; x="\a"`, `0/0;0="\ "`, `0/0;0=0;0=0`, "0/0;\f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		m, err := mtom.ParseMediaType(in)
		typ, params, stdErr := mime.ParseMediaType(in)
		if stdErr != nil || strings.Contains(in, "*") || !strings.Contains(typ, "/") {
			return
		}
		if err != nil {
			t.Fatalf("%q: %v, accepted by mime", in, err)
		}
		if m.Type != typ {
			t.Fatalf("%q: %q, mime says %q", in, m.Type, typ)
		}
		for k, v := range params {
			if m.Param(k) != v {
				t.Fatalf("%q: %s=%q, mime says %q", in, k, m.Param(k), v)
			}
		}
	})
}

func FuzzMTOM(f *testing.F) {
	for _, s := range []string{
		"--B\nContent-ID: <r>\n\n<root/>\n--B\nContent-ID: <a>\n\nA\n--B--\n", "--B\n\n--B--", "x\n--B \n\n\n--B--",
		"--B\nContent-ID: <r>\n\n--Bx\n--B--", "--B\nContent-Transfer-Encoding: base64\n\nQUJD\n--B--",
	} {
		f.Add([]byte(crlf(s)))
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		o := mtom.Options{Tolerate: lenient}
		got, quirks, err := split(bytes.NewReader(in), related, o)
		slow, _, slowErr := split(iotest.OneByteReader(bytes.NewReader(in)), related, o)
		if got != slow || fmt.Sprint(err) != fmt.Sprint(slowErr) {
			t.Fatalf("%q: depends on read sizes: %q %v, %q %v", in, got, err, slow, slowErr)
		}
		if err != nil {
			return
		}
		ours := bodies(t, bytes.NewReader(in), related, o)
		if std, ok := stdBodies(in); ok && len(quirks) == 0 && !slices.Equal(std, slices.Sorted(slices.Values(ours))) {
			t.Fatalf("%q:\n got %q\nmime/multipart %q", in, ours, std)
		}
		mt, _ := mtom.ParseMediaType(related)
		r, err := mtom.NewReader(bytes.NewReader(in), mt, o)
		if err != nil {
			t.Fatal(err)
		}
		m := mtom.Message{Root: r.Root()}
		for n := 0; ; n++ {
			p, err := r.Next()
			if err != nil {
				break
			}
			b, _ := io.ReadAll(p)
			m.Parts = append(m.Parts, mtom.OutPart{ContentID: fmt.Sprint(n), Size: int64(len(b)), Content: bytes.NewReader(b)})
		}
		ct, size := m.ContentType(), m.Len()
		var out bytes.Buffer
		if n, err := m.WriteTo(&out); err != nil || n != size {
			t.Fatal(n, size, err)
		}
		if again := bodies(t, &out, ct, mtom.Options{}); !slices.Equal(ours, again) {
			t.Fatalf("%q:\n got %q\nwant %q", in, again, ours)
		}
	})
}

// bodies are the contents of the parts, the root first.
func bodies(t *testing.T, in io.Reader, contentType string, o mtom.Options) []string {
	t.Helper()
	mt, err := mtom.ParseMediaType(contentType)
	if err != nil {
		t.Fatal(err)
	}
	r, err := mtom.NewReader(in, mt, o)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{string(r.Root())}
	for {
		p, err := r.Next()
		if err != nil {
			return out
		}
		b, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
	}
}

// stdBodies are the contents of the parts as mime/multipart reads them, sorted: it knows no root.
func stdBodies(in []byte) ([]string, bool) {
	r := multipart.NewReader(bytes.NewReader(in), "B")
	var out []string
	for {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return slices.Sorted(slices.Values(out)), true
		}
		if err != nil {
			return nil, false
		}
		b, err := io.ReadAll(p)
		if err != nil {
			return nil, false
		}
		out = append(out, string(b))
	}
}

type counter struct{ n int64 }

func (c *counter) Write(b []byte) (int, error) { c.n += int64(len(b)); return len(b), nil }

func benchInput(size, parts int, text bool) ([]byte, string) {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(rand.Uint32())
		if text {
			b[i] = "abcdefgh ijklm<nop>qrstuv\r\n"[i%26]
		}
	}
	m := mtom.Message{Root: make([]byte, 12<<10)}
	for i := range parts {
		m.Parts = append(m.Parts, mtom.OutPart{ContentID: fmt.Sprint(i), Size: int64(size), Content: bytes.NewReader(b)})
	}
	ct := m.ContentType()
	var out bytes.Buffer
	_, _ = m.WriteTo(&out)
	return out.Bytes(), ct
}

func BenchmarkMTOM(b *testing.B) {
	for _, c := range []struct {
		name        string
		size, parts int
		text        bool
	}{{"text30K", 30 << 10, 1, true}, {"random64M", 64 << 20, 1, false}} {
		in, ct := benchInput(c.size, c.parts, c.text)
		mt, _ := mtom.ParseMediaType(ct)
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				r, err := mtom.NewReader(bytes.NewReader(in), mt, mtom.Options{})
				if err != nil {
					b.Fatal(err)
				}
				for {
					p, err := r.Next()
					if err == io.EOF {
						break
					}
					var n counter
					if _, err := io.Copy(&n, p); err != nil || n.n != int64(c.size) {
						b.Fatal(n.n, err)
					}
				}
				r.Close()
			}
		})
		b.Run(c.name+"-std", func(b *testing.B) {
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				r := multipart.NewReader(bytes.NewReader(in), mt.Param("boundary"))
				for {
					p, err := r.NextRawPart()
					if err == io.EOF {
						break
					}
					var n counter
					_, _ = io.Copy(&n, p)
				}
			}
		})
	}
}
