package cda

import (
	"strconv"
	"strings"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// Section is a section of a structured body as far as it stands before its text.
type Section struct {
	Parent      *Section // nil at the top
	Depth       int      // from 1
	Index       int      // position among the sections of the document, from 1
	Path        string   // XPath, with positions
	ID          string   // the ID attribute
	TemplateIDs []II
	IDs         []II
	Code        CD
	Title       string
	Line        int
}

// Visitor hears of what a walk meets, in document order; a nil function is not called and what it would hear of is passed over. An error
// ends the walk.
type Visitor struct {
	Section func(s *Section) error
	// Narrative hears of the text of a section, the reader standing on its start; what it leaves unread is passed over.
	Narrative func(s *Section, r *xmlpull.Reader) error
	// Entry hears of each entry, one at a time. References to the narrative are resolved by Document.Wording once the walk is over: the
	// narrative may come after.
	Entry func(s *Section, e *Statement) error
}

// ReadHeader reads the header of a document and the level of its body. The document must be well-formed to its end. Errors are
// *xmlpull.SyntaxError, which name the line and never quote, or wrap ErrTooLarge. b must not change while the Document lives.
func ReadHeader(b []byte, o Options) (*Document, error) { return Walk(b, o, Visitor{}) }

// Walk reads the header, then the body, calling v on the way. Memory beyond b is that of the header, of the narrative that has an ID, and of
// one entry at a time.
func Walk(b []byte, o Options, v Visitor) (*Document, error) {
	text, encoding, err := toUTF8(b, o)
	if err != nil {
		return nil, err
	}
	w := &walk{decoder: decoder{r: xmlpull.NewReader(text, xmlpull.Options{BOM: true, MaxDepth: o.maxDepth()})}, v: v,
		doc: &Document{Encoding: encoding, wordings: map[string]string{}}, maxIndexed: 2 * len(text)}
	if len(text) > 0 && (len(b) == 0 || &text[0] != &b[0]) {
		w.find("CDA-ENCODING", "/", Information, 1, "the document is encoded in "+encoding+", UTF-8 is due", "CI-SIS structuration minimale")
	}
	if w.err = w.root(); w.err != nil {
		return nil, w.err
	}
	for w.err == nil && w.r.Kind() != xmlpull.EOF {
		_, w.err = w.r.Next()
	}
	if w.err != nil {
		return nil, w.err
	}
	return w.doc, nil
}

type walk struct {
	decoder
	v        Visitor
	doc      *Document
	sections int

	indexed, maxIndexed int // bytes of narrative that is kept by ID
}

func (w *walk) find(rule, path string, s Severity, line int, text, clause string) {
	if len(w.doc.Findings) < maxFindings {
		w.doc.Findings = append(w.doc.Findings, Finding{Rule: rule, Severity: s, Path: path, Line: line, Text: text, Clause: clause})
	}
}

const maxFindings = 200

// root finds ClinicalDocument: at the root, or inside the stylesheet of a document that displays itself.
func (w *walk) root() error {
	if _, err := w.r.Next(); err != nil {
		return err
	}
	switch {
	case w.r.Is(Namespace, "ClinicalDocument"):
	case w.r.Local() == "ClinicalDocument":
		return w.r.Fail("ClinicalDocument is not in the namespace " + Namespace)
	case w.r.Space() == namespaceXSLT && (w.r.Local() == "stylesheet" || w.r.Local() == "transform"):
		w.stylesheet()
		for !w.r.Is(Namespace, "ClinicalDocument") || w.r.Kind() != xmlpull.Start {
			switch k, err := w.r.Next(); {
			case err != nil:
				return err
			case k == xmlpull.EOF:
				return w.r.Fail("no ClinicalDocument inside the stylesheet")
			}
		}
	default:
		return w.r.Fail("the root element is not ClinicalDocument")
	}
	w.doc.Line = w.r.Line()
	w.each(func(name string) {
		switch name {
		case "component":
			w.each(w.body)
		case "xsl:stylesheet":
			w.stylesheet()
		default:
			w.header(w.doc, name)
		}
	})
	return w.err
}

func (w *walk) stylesheet() {
	w.doc.SelfDisplay = true
	w.find("CDA-STYLESHEET", "/", Information, w.r.Line(),
		"the document comes with a stylesheet of its own, which is not executed", "CI-SIS, document autoprésentable")
}

func (w *walk) body(name string) {
	switch name {
	case "nonXMLBody":
		w.doc.Level = Level1
		w.each(func(name string) {
			if name == "text" {
				w.doc.NonXMLBody = w.ed()
			}
		})
	case "structuredBody":
		w.doc.Level = max(w.doc.Level, Level2)
		n := 0
		w.each(func(name string) {
			if name == "component" {
				n++
				w.component(nil, "/ClinicalDocument/component/structuredBody", n)
			}
		})
	}
}

// component reads the n-th component below path.
func (w *walk) component(parent *Section, path string, n int) {
	w.each(func(name string) {
		if name == "section" {
			w.section(parent, path+"/component["+strconv.Itoa(n)+"]/section")
		}
	})
}

func (w *walk) section(parent *Section, path string) {
	w.sections++
	s := &Section{Parent: parent, Depth: 1, Index: w.sections, Path: path, ID: w.attr("ID"), Line: w.r.Line()}
	if parent != nil {
		s.Depth = parent.Depth + 1
	}
	told, inner := false, 0
	tell := func() {
		if !told && w.v.Section != nil {
			w.note(w.v.Section(s))
		}
		told = true
	}
	w.each(func(name string) {
		switch name {
		case "templateId":
			s.TemplateIDs = append(s.TemplateIDs, w.ii())
		case "id":
			s.IDs = append(s.IDs, w.ii())
		case "code":
			s.Code = w.cd()
		case "title":
			s.Title = w.text()
		case "text":
			tell()
			w.narrative(s)
		case "entry":
			tell()
			w.entry(s)
		case "component":
			tell()
			inner++
			w.component(s, path, inner)
		}
	})
	tell()
}

func (w *walk) note(err error) {
	if w.err == nil {
		w.err = err
	}
}

func (w *walk) narrative(s *Section) {
	switch {
	case w.err != nil:
	case w.v.Narrative != nil:
		depth := w.r.Depth()
		w.note(w.v.Narrative(s, w.r))
		if w.err == nil && w.r.Depth() < depth-1 {
			w.err = w.r.Fail("read beyond the narrative")
		}
	case w.v.Entry != nil:
		w.index(s.Path + "/text")
	}
}

func (w *walk) entry(s *Section) {
	w.doc.Level = Level3
	if w.v.Entry == nil {
		return
	}
	w.statements = 0
	w.each(func(name string) {
		if e := w.statement(name); e != nil && w.err == nil {
			w.note(w.v.Entry(s, e))
		}
	})
}

// index keeps the text of every element of a narrative that has an ID. The texts are cut from one buffer, so that nested IDs cost nothing.
func (w *walk) index(path string) {
	type open struct {
		id    string
		from  int
		depth int
	}
	var buf strings.Builder
	var stack []open
	closed := map[string][2]int{}
	depth := w.r.Depth()
	start := func() {
		if id := w.attr("ID"); id != "" {
			stack = append(stack, open{id, buf.Len(), w.r.Depth()})
		}
		switch w.r.Local() {
		case "br", "td", "th", "item", "paragraph", "tr":
			buf.WriteByte(' ')
		}
	}
	for start(); w.err == nil && w.r.Depth() >= depth; {
		k, err := w.r.Next()
		switch {
		case err != nil:
			w.err = err
		case k == xmlpull.Text:
			buf.WriteString(w.r.Text())
		case k == xmlpull.Start:
			start()
		case k == xmlpull.End && len(stack) > 0 && w.r.Depth() < stack[len(stack)-1].depth:
			o := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			_, here := closed[o.id]
			if _, before := w.doc.wordings[o.id]; here || before {
				w.find("CDA-ID-TWICE", path, Error, w.r.Line(), "two elements of the narrative have the same ID; references go to the first", "XML 1.0 3.3.1")
				continue
			}
			// IDs nested in each other share their text only until it is folded: what they hold together is bounded.
			if w.indexed += buf.Len() - o.from; w.indexed > w.maxIndexed {
				w.find("CDA-ID-NESTED", path, Warning, w.r.Line(), "IDs of the narrative are nested too deep; some references are not resolved", "")
				continue
			}
			closed[o.id] = [2]int{o.from, buf.Len()}
		}
	}
	all := buf.String()
	for id, x := range closed {
		w.doc.wordings[id] = fold(all[x[0]:x[1]])
	}
}

// fold makes one space of any white space; what has none to fold is not copied.
func fold(s string) string {
	s = strings.TrimSpace(s)
	if isFolded(s) {
		return s
	}
	return strings.Join(strings.Fields(s), " ")
}

// Wording is the text of t: written in place, or else the narrative it refers to; "" when that is nowhere. Only a walk with Visitor.Entry and
// without Visitor.Narrative keeps the narrative.
func (doc *Document) Wording(t Text) string {
	if t.Value != "" || t.Ref == "" {
		return t.Value
	}
	return doc.wordings[t.Ref]
}
