// Package render shows a clinical document to a person: one HTML page that needs nothing else, holds no script, loads nothing from elsewhere, and
// says in French who the document is about and where it comes from. What a document holds that must not reach a browser (scripts, links of other
// schemes, styles) is left out and told by a finding; the stylesheet of a document that displays itself is never executed.
package render

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"strconv"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

//go:embed page.css
var stylesheet string

var styleHash = func() string {
	sum := sha256.Sum256([]byte(stylesheet))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}()

// Options say how a page is made; the zero value makes one that stands alone.
type Options struct {
	cda.Options
	// Resource gives the address, of the page's own origin, at which an attachment is served apart; "" puts it into the page. It is asked
	// once an attachment.
	Resource func(Resource) string
	// MaxInline is the largest attachment put into the page, in characters of base64; somewhat less than 2 MiB when 0, beyond which Chromium
	// follows no data address. A larger one is told and not shown.
	MaxInline int
}

// Resource is an attachment: the body of level 1, or a medium of an entry. Index counts them from 1 as extract.Files lists them; whoever serves one
// asks FileType as what.
type Resource struct {
	Index int
	ID    string
	Data  *cda.ED
}

const defaultMaxInline = 2<<20 - 64

// Policy is the Content-Security-Policy of a page. It stands in the page; a server that serves the page sends it as a header too. Chromium shows a
// PDF in a frame of its own, hence frame-src: without it the object stays empty.
func Policy(o Options) string {
	from := "data:"
	if o.Resource != nil {
		from = "'self' data:"
	}
	return "default-src 'none'; style-src " + styleHash + "; img-src " + from + "; object-src " + from + "; frame-src " + from +
		"; base-uri 'none'; form-action 'none'"
}

// Page makes the page of a document, and the findings about what could not be shown. The same bytes give the same page.
func Page(b []byte, o Options) ([]byte, []cda.Finding, error) {
	if o.MaxInline == 0 {
		o.MaxInline = defaultMaxInline
	}
	p := &page{o: o, media: map[string]*medium{}, ids: map[string]bool{}}
	doc, err := p.survey(b)
	if err != nil {
		return nil, nil, err
	}
	p.doc, p.findings = doc, append(p.findings, doc.Findings...)
	p.out = make([]byte, 0, 2*len(b)+len(stylesheet)+8<<10)
	p.head()
	p.summary()
	p.contents()
	p.raw(`<main id="contenu"`)
	p.language(doc.LanguageCode)
	p.raw(">\n")
	if err := p.body(b); err != nil {
		return nil, nil, err
	}
	p.leftOver()
	p.raw("</main>\n")
	p.about()
	p.raw("</body>\n</html>\n")
	return p.out, p.findings, nil
}

// page is a page in the making.
type page struct {
	o        Options
	doc      *cda.Document
	out      []byte
	findings []cda.Finding
	sections []heading
	media    map[string]*medium
	order    []*medium
	ids      map[string]bool // IDs that the narrative has taken
	notes    []byte          // footnotes of the section being written
	noted    int
	open     []*cda.Section // sections whose element is open
}

type heading struct {
	title string
	depth int
}

type medium struct {
	Resource
	path  string // of its section, or of the body
	line  int
	shown bool
}

// survey reads the document once for its header, the titles of its sections and its media, which the narrative may name before they come.
func (p *page) survey(b []byte) (*cda.Document, error) {
	var path string
	var gather func(e *cda.Statement)
	gather = func(e *cda.Statement) {
		if e.Media != nil {
			p.add(e.ID, e.Media, path, e.Line)
		}
		for _, r := range e.Related {
			before := len(p.order)
			gather(r.Statement)
			if e.Kind == "regionOfInterest" && e.ID != "" && len(p.order) > before {
				p.media[e.ID] = p.order[before] // a region is shown by the picture it lies in
			}
		}
	}
	doc, err := cda.Walk(b, p.o.Options, cda.Visitor{
		Section: func(s *cda.Section) error {
			p.sections = append(p.sections, heading{title(s), s.Depth})
			return nil
		},
		Entry: func(s *cda.Section, e *cda.Statement) error {
			path = s.Path + "/entry"
			gather(e)
			return nil
		},
	})
	if err == nil && doc.NonXMLBody != nil {
		p.add("", doc.NonXMLBody, "/ClinicalDocument/component/nonXMLBody/text", doc.NonXMLBody.Line)
	}
	return doc, err
}

func (p *page) add(id string, data *cda.ED, path string, line int) {
	m := &medium{Resource: Resource{Index: len(p.order) + 1, ID: id, Data: data}, path: path, line: line}
	p.order = append(p.order, m)
	if id != "" && p.media[id] == nil {
		p.media[id] = m
	}
}

func title(s *cda.Section) string {
	switch {
	case s.Title != "":
		return s.Title
	case s.Code.Display != "":
		return s.Code.Display
	}
	return "Section sans titre"
}

const maxFindings = 200

func (p *page) find(rule string, s cda.Severity, path string, line int, text string) {
	if len(p.findings) < maxFindings {
		p.findings = append(p.findings, cda.Finding{Rule: rule, Severity: s, Path: path, Line: line, Text: text, Clause: "CDA R2 narrative block"})
	}
}

func (p *page) raw(s string)  { p.out = append(p.out, s...) }
func (p *page) text(s string) { p.out = xmlpull.AppendText(p.out, s) }
func (p *page) attr(name, value string) {
	p.out = append(append(append(p.out, ' '), name...), '=', '"')
	p.out = append(xmlpull.AppendAttr(p.out, value), '"')
}
func (p *page) int(n int) { p.out = strconv.AppendInt(p.out, int64(n), 10) }

// language writes a lang attribute when the document is not in French and the code is one.
func (p *page) language(code string) {
	for i := 0; i < len(code); i++ {
		if c := code[i] | 0x20; (c < 'a' || c > 'z') && code[i] != '-' {
			return
		}
	}
	if len(code) >= 2 && len(code) <= 8 && code[:2] != "fr" {
		p.attr("lang", code)
	}
}

// body writes the sections, each inside its parent, or the body of level 1.
func (p *page) body(b []byte) error {
	if p.doc.Level == cda.Level1 {
		p.raw("<section aria-labelledby=\"s1\">\n<h2 id=\"s1\">Document</h2>\n")
		if len(p.order) > 0 {
			p.medium(p.order[len(p.order)-1], "Document")
		}
		p.raw("</section>\n")
		return nil
	}
	_, err := cda.Walk(b, p.o.Options, cda.Visitor{
		Section: func(s *cda.Section) error {
			p.closeTo(s.Depth - 1)
			p.open = append(p.open, s)
			h := strconv.Itoa(min(s.Depth+1, 6))
			n := strconv.Itoa(s.Index)
			p.raw("<section aria-labelledby=\"s" + n + "\">\n<h" + h + " id=\"s" + n + "\">")
			p.text(title(s))
			p.raw("</h" + h + ">\n")
			return nil
		},
		Narrative: func(s *cda.Section, r *xmlpull.Reader) error {
			p.closeTo(s.Depth)
			w := narrative{page: p, r: r, section: s}
			w.events()
			p.raw("<div class=\"text\"")
			p.id(r)
			p.raw(">")
			if err := w.children("text"); err != nil {
				return err
			}
			p.raw("</div>\n")
			p.footnotes()
			return nil
		},
	})
	p.closeTo(0)
	return err
}

func (p *page) closeTo(depth int) {
	for len(p.open) > depth {
		p.open = p.open[:len(p.open)-1]
		p.raw("</section>\n")
	}
}

func (p *page) footnotes() {
	if len(p.notes) > 0 {
		p.raw("<div class=\"notes\" role=\"note\">\n")
		p.out = append(p.out, p.notes...)
		p.raw("</div>\n")
		p.notes = p.notes[:0]
	}
}

// leftOver shows the media that no narrative names: what a document carries is shown.
func (p *page) leftOver() {
	any := false
	for _, m := range p.order {
		if m.shown {
			continue
		}
		if !any {
			p.raw("<section aria-labelledby=\"pieces\">\n<h2 id=\"pieces\">Pièces jointes</h2>\n")
			any = true
		}
		p.medium(m, "Pièce jointe "+strconv.Itoa(m.Index))
	}
	if any {
		p.raw("</section>\n")
	}
}
