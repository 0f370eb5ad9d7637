// Package pdf writes PDF files for archives: PDF/A-1, level B (ISO 19005-1). It knows black text in two weights of one font, which is in the file, and rules. It
// does not break lines or pages.
package pdf

import (
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// A page of A4, in points of 1/72 inch; y grows upwards.
const (
	PageWidth  = 595.28
	PageHeight = 841.89
)

// Weight is how a text is set.
type Weight int

// The weights.
const (
	Regular Weight = iota
	Bold
	weights
)

// face is a font program and what is read of it. It is safe for concurrent use: what it learns is guarded.
type face struct {
	name    string
	size    int    // of the font program
	program []byte // packed
	font    *sfnt.Font
	units   sfnt.Units
	widths  []float64 // of every glyph, in thousandths of the size

	mu     sync.Mutex
	buf    sfnt.Buffer
	glyphs map[rune]sfnt.GlyphIndex // 0 where it has none
}

var faces = [weights]func() *face{sync.OnceValue(func() *face { return newFace("GoRegular", goregular.TTF) }), sync.OnceValue(func() *face { return newFace("GoBold", gobold.TTF) })}

// newFace reads a font of ours: it cannot fail.
func newFace(name string, program []byte) *face {
	parsed, err := sfnt.Parse(program)
	if err != nil {
		panic(err)
	}
	f := &face{name: name, size: len(program), program: packed(program), font: parsed, units: parsed.UnitsPerEm(), glyphs: map[rune]sfnt.GlyphIndex{}}
	for i := range parsed.NumGlyphs() {
		w, err := parsed.GlyphAdvance(&f.buf, sfnt.GlyphIndex(i), fixed.Int26_6(f.units)<<6, font.HintingNone)
		if err != nil {
			panic(err)
		}
		f.widths = append(f.widths, float64(w)/64*1000/float64(f.units))
	}
	return f
}

// glyph is the glyph of a character, and the character that it shows: a question mark where the font has none.
func (f *face) glyph(r rune) (sfnt.GlyphIndex, rune) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if g := f.find(r); g != 0 {
		return g, r
	}
	return f.find('?'), '?'
}

func (f *face) find(r rune) sfnt.GlyphIndex {
	g, known := f.glyphs[r]
	if !known {
		g, _ = f.font.GlyphIndex(&f.buf, r) // an error is of the font, and that is ours
		if len(f.glyphs) < 4096 {
			f.glyphs[r] = g
		}
	}
	return g
}

// Width is how wide a text is at a size.
func Width(w Weight, size float64, text string) float64 {
	f, sum := faces[w](), 0.0
	for _, r := range text {
		g, _ := f.glyph(r)
		sum += f.widths[g]
	}
	return sum * size / 1000
}

// Document is a file in the making.
type Document struct {
	title, language string
	created         time.Time
	pages           []*bytes.Buffer
	used            [weights]map[sfnt.GlyphIndex]rune
}

// New begins a file of no pages. Language is as RFC 3066 has it.
func New(title, language string, created time.Time) *Document {
	d := &Document{title: title, language: language, created: created}
	for w := range d.used {
		d.used[w] = map[sfnt.GlyphIndex]rune{}
	}
	return d
}

// Page begins a page: what is written next stands on it.
func (d *Document) Page() { d.pages = append(d.pages, &bytes.Buffer{}) }

// Pages is how many there are.
func (d *Document) Pages() int { return len(d.pages) }

// On goes back to a page, counted from 1, for as long as write runs.
func (d *Document) On(page int, write func()) {
	all := d.pages
	d.pages = all[:page:page]
	write()
	d.pages = all
}

// Text writes a text from a point on its base line.
func (d *Document) Text(x, y float64, w Weight, size float64, text string) {
	f := faces[w]()
	var hex strings.Builder
	for _, r := range text {
		g, shown := f.glyph(r)
		if _, known := d.used[w][g]; !known {
			d.used[w][g] = shown
		}
		fmt.Fprintf(&hex, "%04X", g)
	}
	fmt.Fprintf(d.pages[len(d.pages)-1], "BT /F%d %.2f Tf %.2f %.2f Td <%s> Tj ET\n", w, size, x, y, hex.String())
}

// Rule draws a thin line.
func (d *Document) Rule(x1, y1, x2, y2 float64) {
	fmt.Fprintf(d.pages[len(d.pages)-1], "0.4 w 0.5 G %.2f %.2f m %.2f %.2f l S\n", x1, y1, x2, y2)
}

// file writes objects and where they begin.
type file struct {
	bytes.Buffer
	offsets []int
}

const flate = "/Filter/FlateDecode"

func packed(content []byte) []byte {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	_, _ = z.Write(content) // to memory
	_ = z.Close()
	return b.Bytes()
}

// add writes an object and gives its number.
func (f *file) add(format string, args ...any) int {
	f.offsets = append(f.offsets, f.Len())
	n := len(f.offsets)
	fmt.Fprintf(f, "%d 0 obj\n", n)
	fmt.Fprintf(f, format, args...)
	f.WriteString("\nendobj\n")
	return n
}

// stream writes an object that holds bytes.
func (f *file) stream(dict string, content []byte) int {
	return f.add("<<%s/Length %d>>\nstream\n%s\nendstream", dict, len(content), content)
}

// Bytes is the file. The same document gives the same bytes.
func (d *Document) Bytes() []byte {
	if len(d.pages) == 0 {
		d.Page()
	}
	f := &file{}
	f.WriteString("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n") // [ISO 19005-1 6.1.2]
	var fonts strings.Builder
	for w := range weights {
		fmt.Fprintf(&fonts, "/F%d %d 0 R", w, d.font(f, w))
	}
	intent := f.add("<</Type/OutputIntent/S/GTS_PDFA1/OutputConditionIdentifier(Gray gamma 2.2)/Info(Gray gamma 2.2)/DestOutputProfile %d 0 R>>",
		f.stream("/N 1"+flate, packed(grayProfile()))) // [ISO 19005-1 6.2.2]
	metadata := f.stream("/Type/Metadata/Subtype/XML", d.xmp()) // not packed [ISO 19005-1 6.7.2]
	root := len(f.offsets) + 2*len(d.pages) + 1                 // of the pages' tree, which its leaves name
	var kids []string
	for _, p := range d.pages {
		content := f.stream(flate, packed(p.Bytes()))
		kids = append(kids, fmt.Sprintf("%d 0 R", f.add("<</Type/Page/Parent %d 0 R/MediaBox[0 0 %.2f %.2f]/Contents %d 0 R/Resources<</Font<<%s>>/ProcSet[/PDF/Text]>>>>",
			root, PageWidth, PageHeight, content, fonts.String())))
	}
	pages := f.add("<</Type/Pages/Count %d/Kids[%s]>>", len(kids), strings.Join(kids, " "))
	catalog := f.add("<</Type/Catalog/Pages %d 0 R/Metadata %d 0 R/OutputIntents[%d 0 R]/Lang(%s)>>", pages, metadata, intent, literal(d.language))
	f.end(catalog)
	return f.Bytes()
}

// font writes a font: all of it, with the widths of every glyph, and the characters of those that are used so that text can be copied. [ISO 19005-1 6.3]
func (d *Document) font(f *file, w Weight) int {
	c := faces[w]()
	program := f.stream(fmt.Sprintf("/Length1 %d", c.size)+flate, c.program)
	perMille := func(u fixed.Int26_6) float64 { return float64(u) / 64 * 1000 / float64(c.units) }
	c.mu.Lock()
	bounds, errBounds := c.font.Bounds(&c.buf, fixed.Int26_6(c.units)<<6, font.HintingNone)
	metrics, errMetrics := c.font.Metrics(&c.buf, fixed.Int26_6(c.units)<<6, font.HintingNone)
	c.mu.Unlock()
	if errBounds != nil || errMetrics != nil {
		panic("a font of ours cannot be measured")
	}
	descriptor := f.add("<</Type/FontDescriptor/FontName/%s/Flags 4/FontBBox[%.0f %.0f %.0f %.0f]/ItalicAngle 0/Ascent %.0f/Descent %.0f/CapHeight %.0f/StemV %d/FontFile2 %d 0 R>>",
		c.name, perMille(bounds.Min.X), -perMille(bounds.Max.Y), perMille(bounds.Max.X), -perMille(bounds.Min.Y), perMille(metrics.Ascent), -perMille(metrics.Descent),
		perMille(metrics.CapHeight), 80+60*int(w), program)
	var widths strings.Builder
	for _, x := range c.widths {
		fmt.Fprintf(&widths, "%.2f ", x)
	}
	descendant := f.add("<</Type/Font/Subtype/CIDFontType2/BaseFont/%s/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>/FontDescriptor %d 0 R/CIDToGIDMap/Identity/DW 1000/W[0[%s]]>>",
		c.name, descriptor, widths.String())
	return f.add("<</Type/Font/Subtype/Type0/BaseFont/%s/Encoding/Identity-H/DescendantFonts[%d 0 R]/ToUnicode %d 0 R>>", c.name, descendant, f.stream(flate, packed(d.characters(w))))
}

// characters says which character each used glyph is.
func (d *Document) characters(w Weight) []byte {
	var glyphs []sfnt.GlyphIndex
	for g := range d.used[w] {
		glyphs = append(glyphs, g)
	}
	slices.Sort(glyphs)
	var b bytes.Buffer
	b.WriteString("/CIDInit/ProcSet findresource begin\n12 dict begin\nbegincmap\n/CIDSystemInfo<</Registry(Adobe)/Ordering(UCS)/Supplement 0>>def\n/CMapName/Adobe-Identity-UCS def\n" +
		"/CMapType 2 def\n1 begincodespacerange\n<0000><FFFF>\nendcodespacerange\n")
	for some := range slices.Chunk(glyphs, 100) {
		fmt.Fprintf(&b, "%d beginbfchar\n", len(some))
		for _, g := range some {
			fmt.Fprintf(&b, "<%04X><%s>\n", g, utf16Hex(string(d.used[w][g])))
		}
		b.WriteString("endbfchar\n")
	}
	b.WriteString("endcmap\nCMapName currentdict/CMap defineresource pop\nend\nend\n")
	return b.Bytes()
}

// end writes the table of objects and the trailer; the file's identifier is a digest of all before it.
func (f *file) end(catalog int) {
	id := fmt.Sprintf("%X", sha256.Sum256(f.Bytes()))[:32]
	at := f.Len()
	fmt.Fprintf(f, "xref\n0 %d\n0000000000 65535 f \n", len(f.offsets)+1)
	for _, o := range f.offsets {
		fmt.Fprintf(f, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(f, "trailer\n<</Size %d/Root %d 0 R/ID[<%s><%s>]>>\nstartxref\n%d\n%%%%EOF\n", len(f.offsets)+1, catalog, id, id, at)
}
