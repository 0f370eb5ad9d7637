package print

import (
	"strings"
	"unicode"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/passerelle-sante/passerelle/wire/pdf"
)

// blocks are the elements that begin on a line of their own.
var blocks = map[atom.Atom]bool{atom.Html: true, atom.Body: true, atom.Header: true, atom.Main: true, atom.Footer: true, atom.Section: true, atom.Article: true, atom.Div: true,
	atom.P: true, atom.H1: true, atom.H2: true, atom.H3: true, atom.H4: true, atom.H5: true, atom.H6: true, atom.Ul: true, atom.Ol: true, atom.Li: true, atom.Dl: true, atom.Dt: true,
	atom.Dd: true, atom.Table: true, atom.Caption: true, atom.Figure: true, atom.Figcaption: true, atom.Head: true, atom.Nav: true, atom.Style: true, atom.Script: true, atom.Tr: true}

// word is set without a break in it.
type word struct {
	text  string
	bold  bool
	space bool // one comes before it
	line  bool // it begins a line
}

// inline is a paragraph in the making.
type inline struct {
	words []word
	bold  int // how many elements ask for it
	space bool
	line  bool
}

// add takes a node and all that is in it: blocks begin lines.
func (l *inline) add(n *html.Node) {
	switch n.Type {
	case html.TextNode:
		l.text(n.Data)
		return
	case html.CommentNode:
		return
	}
	before, after, bold := "", "", 0
	switch n.DataAtom {
	case atom.Br:
		l.line = true
		return
	case atom.B, atom.Strong, atom.Th, atom.Dt:
		bold = 1
	case atom.Sup:
		before = "^" // 10⁹ must not read as 109
	case atom.Del, atom.S:
		before, after = "[supprimé : ", "]"
	case atom.Img, atom.Object, atom.Iframe:
		l.text(" [pièce jointe : " + attribute(n, "alt") + attribute(n, "title") + "] ")
		return
	case atom.Style, atom.Script:
		return
	case atom.Td:
		l.space = true
	}
	l.line = l.line || blocks[n.DataAtom] && len(l.words) > 0
	l.bold += bold
	l.text(before)
	for c := range n.ChildNodes() {
		l.add(c)
	}
	l.text(after)
	l.bold -= bold
	l.line = l.line || blocks[n.DataAtom] && len(l.words) > 0
}

// text takes words; white space between them is one space.
func (l *inline) text(s string) {
	for s != "" {
		trimmed := strings.TrimLeftFunc(s, breaks)
		l.space = l.space || len(trimmed) < len(s)
		end := strings.IndexFunc(trimmed, breaks)
		if end < 0 {
			end = len(trimmed)
		}
		if end > 0 {
			l.words = append(l.words, word{trimmed[:end], l.bold > 0, l.space, l.line})
			l.space, l.line = false, false
		}
		s = trimmed[end:]
	}
}

func breaks(r rune) bool { return unicode.IsSpace(r) && r != '\u00a0' && r != '\u202f' }

// line is what stands on one.
type line []placed

type placed struct {
	word
	x float64
}

func (l line) draw(doc *pdf.Document, x, y, size float64) {
	for _, w := range l {
		doc.Text(x+w.x, y, weight(w.bold), size, w.text)
	}
}

func weight(bold bool) pdf.Weight {
	if bold {
		return pdf.Bold
	}
	return pdf.Regular
}

// lines breaks the paragraph where the room ends. A word that is wider than that is broken.
func (l *inline) lines(size, room float64) []line {
	var out []line
	var now line
	at := 0.0
	for _, w := range l.words {
		gap := 0.0
		if w.space && len(now) > 0 {
			gap = pdf.Width(pdf.Regular, size, " ")
		}
		width := pdf.Width(weight(w.bold), size, w.text)
		if len(now) > 0 && (w.line || at+gap+width > room) {
			out, now, at, gap = append(out, now), nil, 0, 0
		}
		for width > room {
			some := split(w.text, weight(w.bold), size, room)
			out = append(out, line{{word{text: w.text[:some], bold: w.bold}, 0}})
			w.text = w.text[some:]
			width = pdf.Width(weight(w.bold), size, w.text)
		}
		now = append(now, placed{w, at + gap})
		at += gap + width
	}
	if len(now) > 0 {
		out = append(out, now)
	}
	return out
}

// split is how many bytes of a word there is room for: at least one character.
func split(text string, w pdf.Weight, size, room float64) int {
	sum := 0.0
	for i, r := range text {
		if sum += pdf.Width(w, size, string(r)); sum > room && i > 0 {
			return i
		}
	}
	return len(text)
}

// widths are what the paragraph takes at least, unbroken words, and at most, on lines of its own.
func (l *inline) widths(size float64) (least, most float64) {
	at := 0.0
	for _, w := range l.words {
		width := pdf.Width(weight(w.bold), size, w.text)
		least = max(least, width)
		if w.line {
			at = 0
		} else if w.space {
			at += pdf.Width(pdf.Regular, size, " ")
		}
		at += width
		most = max(most, at)
	}
	return least, most
}
