// Package print sets a document on paper: PDF/A-1 for those who have nothing but a mail program. It prints what cda/render shows, header and narrative; attached
// files and pictures are named, not printed.
package print

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/render"
	"github.com/passerelle-sante/passerelle/wire/pdf"
)

// ErrTooLong is a document that would fill more than MaxPages.
var ErrTooLong = errors.New("the document is too long to be printed")

// MaxPages bounds what is printed.
const MaxPages = 300

// Measures, in points.
const (
	margin  = 50.0
	bottom  = 60.0
	body    = 9.5 // size of the text
	leading = 1.3
	padding = 3.0 // of a cell
)

var headings = map[atom.Atom]float64{atom.H1: 16, atom.H2: 13, atom.H3: 11, atom.H4: 10, atom.H5: 10, atom.H6: 10}

// PDF prints a document. The same bytes printed at the same time give the same file.
func PDF(b []byte, o cda.Options, at time.Time) ([]byte, error) {
	page, _, err := render.Page(b, render.Options{Options: o})
	if err != nil {
		return nil, err
	}
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		return nil, fmt.Errorf("read the page: %w", err)
	}
	title := words(find(root, func(n *html.Node) bool { return n.DataAtom == atom.H1 }))
	who := words(find(root, func(n *html.Node) bool { return n.DataAtom == atom.P && attribute(n, "class") == "who" }))
	s := &setter{doc: pdf.New(plain(title), "fr-FR", at), left: margin, right: pdf.PageWidth - margin}
	s.newPage()
	s.block(root)
	s.flush()
	if s.full {
		return nil, ErrTooLong
	}
	s.footers(plain(title) + " · " + plain(who))
	return s.doc.Bytes(), nil
}

func find(n *html.Node, is func(*html.Node) bool) *html.Node {
	for d := range n.Descendants() {
		if is(d) {
			return d
		}
	}
	return &html.Node{}
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// setter sets blocks below one another.
type setter struct {
	doc         *pdf.Document
	left, right float64
	y           float64 // the base line that was written last
	size        float64 // 0 is body
	line        inline  // of the paragraph in the making
	full        bool
	head        func() // draws the head of the table again on a new page
}

func (s *setter) newPage() {
	if s.doc.Pages() == MaxPages {
		s.full = true
	}
	if !s.full {
		s.doc.Page()
	}
	s.y = pdf.PageHeight - margin
}

// down goes to the next base line, on the next page where there is no room.
func (s *setter) down(height float64) {
	if s.y -= height; s.y < bottom {
		s.newPage()
		if draw := s.head; draw != nil {
			s.head = nil
			draw()
			s.head = draw
		}
		s.y -= height
	}
}

// flush sets the paragraph.
func (s *setter) flush() {
	size := s.size
	if size == 0 {
		size = body
	}
	for _, l := range s.line.lines(size, s.right-s.left) {
		s.down(size * leading)
		l.draw(s.doc, s.left, s.y, size)
	}
	s.line = inline{}
}

// skipped are elements that are for screens.
var skipped = map[atom.Atom]bool{atom.Head: true, atom.Nav: true, atom.Style: true, atom.Script: true}

// block sets an element and what is in it.
func (s *setter) block(n *html.Node) {
	switch {
	case s.full || skipped[n.DataAtom] || attribute(n, "class") == "skip":
		return
	case n.Type == html.TextNode || n.Type == html.ElementNode && !blocks[n.DataAtom]:
		s.line.add(n)
		return
	case n.DataAtom == atom.Dt:
		s.flush()
		s.line.bold++
		s.children(n)
		s.line.bold--
		s.line.text(" : ")
		return
	case n.DataAtom == atom.Dd:
		s.children(n)
		s.flush()
		return
	}
	s.flush()
	switch n.DataAtom {
	case atom.Table:
		s.table(n)
		return
	case atom.Li:
		s.left += 12
		s.line.text("• ")
		s.children(n)
		s.flush()
		s.left -= 12
		return
	case atom.P, atom.Ul, atom.Ol, atom.Dl:
		s.y -= 2
	}
	if size := headings[n.DataAtom]; size > 0 {
		s.heading(n, size)
		return
	}
	s.children(n)
	s.flush()
}

func (s *setter) heading(n *html.Node, size float64) {
	s.y -= size * 0.6
	if s.y < bottom+6*size {
		s.newPage() // a heading stays with what follows
	}
	s.size, s.line.bold = size, 1
	s.children(n)
	s.flush()
	s.size = 0
	s.y -= 2
}

func (s *setter) children(n *html.Node) {
	for c := range n.ChildNodes() {
		s.block(c)
	}
}

// footers writes on each page whose document it is, and which page.
func (s *setter) footers(about string) {
	const size = 7.5
	n := s.doc.Pages()
	for page := 1; page <= n; page++ {
		s.doc.On(page, func() {
			number := fmt.Sprintf("page %d/%d", page, n)
			room := s.right - margin - pdf.Width(pdf.Regular, size, number) - 20
			s.doc.Rule(margin, 44, s.right, 44)
			s.doc.Text(margin, 34, pdf.Regular, size, fitting(about, pdf.Regular, size, room))
			s.doc.Text(s.right-pdf.Width(pdf.Regular, size, number), 34, pdf.Regular, size, number)
		})
	}
}

// fitting is as much of a text as there is room for.
func fitting(text string, w pdf.Weight, size, room float64) string {
	if pdf.Width(w, size, text) <= room {
		return text
	}
	runes := []rune(text)
	for len(runes) > 0 && pdf.Width(w, size, string(runes)+"…") > room {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "…"
}

func words(n *html.Node) []word {
	var l inline
	l.add(n)
	return l.words
}

func plain(words []word) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 && w.space {
			b.WriteByte(' ')
		}
		b.WriteString(w.text)
	}
	return b.String()
}
